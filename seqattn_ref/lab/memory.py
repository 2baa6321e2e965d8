"""The memory task of lesson 02: one of eight symbols, then noise; at the end, say which symbol it was.

Nothing is to be computed on the way and nothing limits what a state can hold: three bits are enough. What is
tested is whether a network learns to carry something through many steps.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from seqattn_ref.lab.training import Progress, one_thread

SYMBOLS, NOISE = 8, 8
INPUTS = SYMBOLS + NOISE
UNITS, BATCH, LR, CLIP = 64, 64, 2e-3, 1.0
SOLVED = 0.1
"""The task counts as solved at the first fresh batch on which the loss, in nats, is below this."""


class Practice(NamedTuple):
    """What training one network left behind. `losses` has one number a step; `solved` is the number of steps
    after which the task was solved, None where it was not.
    """

    network: nn.Module
    losses: list
    solved: int | None


class Recall(nn.Module):
    """A recurrent network whose last state is read out as one of the symbols.

    network: such as `nn.LSTM(INPUTS, UNITS, batch_first=True)`.
    """

    def __init__(self, network):
        super().__init__()
        self.network = network
        self.readout = nn.Linear(network.hidden_size, SYMBOLS)

    def forward(self, inputs):
        """inputs: (B, T, INPUTS). Returns logits (B, SYMBOLS)."""
        return self.readout(self.network(inputs)[0][:, -1])


def draw(count, steps, generator=None):
    """Draw `count` sequences of one symbol and `steps` steps of noise.

    The symbol is one of eight, and so is the noise of each step: eight other ones, of which none needs to be
    remembered. Each input is a row with a single 1.
    Returns inputs (count, steps + 1, INPUTS) and the number of each symbol (count,).
    """
    symbol = torch.randint(SYMBOLS, (count, 1), generator=generator)
    noise = torch.randint(SYMBOLS, INPUTS, (count, steps), generator=generator)
    return F.one_hot(torch.cat([symbol, noise], dim=1), INPUTS).float(), symbol[:, 0]


def practise(build, steps, seeds=(0, 1, 2), limit=1000, label="practising"):
    """Train a network for each seed, with fresh sequences in each batch, until it solves the task.

    build: called without arguments; gives a new network that maps (B, T, INPUTS) to its states. steps: how
    much noise follows the symbol. limit: after so many steps of training it is given up.
    Returns a `Practice` for each seed. The same seed gives the same network and the same sequences.
    """
    found = []
    with one_thread(torch.device("cpu")), Progress(len(seeds) * limit, label) as progress:
        for seed in seeds:
            before = sum(len(practice.losses) for practice in found)

            def tell(step, loss, before=before):
                if progress.is_due:
                    progress.show(before + step, f"loss {loss:.2f}")

            torch.manual_seed(seed)
            generator = torch.Generator().manual_seed(seed)
            found.append(_until_solved(Recall(build()), steps, limit, generator, tell))
            progress.total -= limit - len(found[-1].losses)
        ends = [f"solved at step {p.solved}" if p.solved else "not solved" for p in found]
        progress.show(progress.total, ", ".join(ends))
    return found


def _until_solved(model, steps, limit, generator, tell):
    optimiser = torch.optim.Adam(model.parameters(), lr=LR)
    losses = []
    for step in range(1, limit + 1):
        inputs, symbol = draw(BATCH, steps, generator)
        loss = F.cross_entropy(model(inputs), symbol)
        losses.append(loss.item())
        if losses[-1] < SOLVED:
            return Practice(model.network, losses, step)
        tell(step, losses[-1])
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimiser.step()
    return Practice(model.network, losses, None)
