"""A short training loop with a progress bar, for models that a lesson or a learner brings."""

import contextlib
import math
import random
import time
from typing import NamedTuple

import torch


def set_seed(seed):
    """Fix the random numbers of torch and Python, so that a run can be repeated."""
    random.seed(seed)
    torch.manual_seed(seed)


class Trained(NamedTuple):
    """What a training run left behind. `losses` has one number a step; `seconds` is how long it took."""

    losses: list
    seconds: float


def train(model, draw, loss, steps, lr=3e-3, clip=1.0, label="training"):
    """Train a model with Adam, and show how far it is.

    draw: called with the number of the step, 0 to steps - 1; gives a batch. loss: called with the model and
    the batch; gives a scalar tensor. The batch goes to the model's device if it has a method `to`.
    lr: the highest learning rate. It is reached over the first twentieth of the steps and falls to 0 with a
    cosine. clip: gradients longer than this are shortened to it; None leaves them as they are.
    Returns `Trained`; the model is left in evaluation mode. Raises `RuntimeError` when the loss is not
    finite.
    """
    device = next(model.parameters()).device
    optimiser = torch.optim.Adam(model.parameters(), lr=lr)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step, steps))
    model.train()
    losses, began = [], time.perf_counter()
    with one_thread(device), Progress(steps, label) as progress:
        for step in range(steps):
            batch = draw(step)
            value = loss(model, batch.to(device) if hasattr(batch, "to") else batch)
            optimiser.zero_grad()
            value.backward()
            if clip is not None:
                torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
            optimiser.step()
            schedule.step()
            losses.append(value.detach())
            if progress.is_due:
                _check_finite(losses[-1], step)
                progress.show(step + 1, f"loss {losses[-1].item():.3f}")
        losses = torch.stack(losses).tolist()
        _check_finite(torch.tensor(losses[-1]), steps - 1)
        progress.show(steps, f"loss {losses[-1]:.3f}")
    model.eval()
    return Trained(losses, time.perf_counter() - began)


class Progress:
    """A bar that fills below the cell, with a note and the time that is left. Use as a context manager.

    total: how many steps there are; label: what is being done.
    In a plain Python session one line is printed at the end, and nothing before.
    """

    EVERY = 0.5  # seconds between two pictures of the bar

    def __init__(self, total, label):
        self.total, self.label = total, label
        self._began = self._shown = time.perf_counter()
        self._handle = None
        self._done, self._note = 0, ""

    @property
    def is_due(self):
        """Whether enough time has passed to show the bar anew."""
        return time.perf_counter() - self._shown >= self.EVERY

    def show(self, done, note=""):
        """Say that `done` steps are done."""
        self._done, self._note = done, note
        self._shown = time.perf_counter()
        if self._handle is not None:
            self._handle.update(self)

    def __enter__(self):
        from IPython import get_ipython
        from IPython.display import display

        if get_ipython() is not None:
            self._handle = display(self, display_id=True)
        return self

    def __exit__(self, kind, error, trace):
        if self._handle is None:
            if kind is None:
                print(self)
        elif kind is not None and self._done == 0:
            # Nothing has begun: an exercise that the model needs is still to be written, for example.
            self._handle.update({"text/plain": ""}, raw=True)

    def __repr__(self):
        note = f", {self._note}" if self._note else ""
        return f"{self.label}: {self._done} of {self.total} steps{note}, {self._time()}"

    def _repr_html_(self):
        from html import escape

        bar = (
            f'<progress value="{self._done}" max="{self.total}" aria-label="{escape(self.label)}"></progress>'
        )
        return f"{bar} {escape(repr(self))}"

    def _time(self):
        seconds = self._shown - self._began
        if self._done == 0:
            return "starting"
        if self._done < self.total:
            return f"about {math.ceil(seconds / self._done * (self.total - self._done))} s left"
        return f"{seconds:.0f} s"


def _rate(step, steps):
    """What the learning rate is multiplied with: up in a straight line, then down a cosine."""
    rise = max(1, steps // 20)
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))


def _check_finite(value, step):
    if not bool(value.isfinite()):
        raise RuntimeError(
            f"The loss was {value.item()} at step {step}: look for a division by 0, or clip the gradients."
        )


@contextlib.contextmanager
def one_thread(device):
    """Small models run faster on one core than on two, many times so when the other is busy."""
    before = torch.get_num_threads()
    if device.type == "cpu":
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
