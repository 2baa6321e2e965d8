"""The lessons' training loop: it learns, shows how far it is, and says when something is wrong."""

import re

import pytest
import torch
from torch import nn

from seqattn_ref import lab
from seqattn_ref.lab import training


def line(seed=0):
    lab.set_seed(seed)
    return nn.Linear(2, 1)


def draw(step):
    x = torch.randn(16, 2)
    return x, x @ torch.tensor([[2.0], [-1.0]])


def squared(model, batch):
    x, y = batch
    return ((model(x) - y) ** 2).mean()


def test_it_learns(capsys):
    model = line()
    trained = lab.train(model, draw, squared, 300, lr=0.1, label="a line")
    assert trained.losses[-1] < 1e-3 < trained.losses[0]
    assert len(trained.losses) == 300 and trained.seconds > 0
    assert torch.allclose(model.weight, torch.tensor([[2.0, -1.0]]), atol=0.02)
    assert not model.training
    assert capsys.readouterr().out.startswith("a line: 300 of 300 steps, loss 0.0")


def test_the_same_seed_gives_the_same_run():
    runs = []
    for _ in range(2):
        model = line(seed=3)
        runs.append(lab.train(model, draw, squared, 20).losses)
    assert runs[0] == runs[1]


def test_the_rate_rises_and_falls():
    rates = [training._rate(step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(0.2) and rates[4] == rates[5] == 1.0
    assert rates == sorted(rates[:5]) + sorted(rates[5:], reverse=True)
    assert rates[-1] < 0.001


def test_long_gradients_are_clipped_unless_told_otherwise():
    def steep(model, batch):
        return 1e6 * model(batch[0]).sum()

    def gradient(clip):
        model = line()
        lab.train(model, draw, steep, 1, clip=clip)
        return torch.cat([p.grad.flatten() for p in model.parameters()]).norm()

    assert gradient(clip=1.0) == pytest.approx(1, abs=1e-4)
    assert gradient(clip=None) > 1e5


def test_a_loss_that_is_not_finite_is_said():
    with pytest.raises(RuntimeError, match="The loss was nan at step 2"):
        lab.train(line(), draw, lambda model, batch: squared(model, batch) * torch.nan, 3)


def test_the_number_of_threads_comes_back():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    seen = []
    try:
        lab.train(line(), draw, lambda m, b: seen.append(torch.get_num_threads()) or squared(m, b), 1)
        assert seen == [1]
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_the_bar_says_how_far_it_is():
    bar = lab.Progress(200, "seed <0>")
    assert repr(bar) == "seed <0>: 0 of 200 steps, starting"
    bar._began -= 10
    bar.show(50, "loss 1.5")
    assert re.fullmatch(r"seed <0>: 50 of 200 steps, loss 1\.5, about 3[01] s left", repr(bar))
    assert '<progress value="50" max="200" aria-label="seed &lt;0&gt;"></progress>' in bar._repr_html_()
    bar.show(200)
    assert repr(bar) == "seed <0>: 200 of 200 steps, 10 s"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_it_trains_on_a_gpu():
    model = line().to("cuda")
    pairs = lab.Letters().draw(4, 1, 3)
    trained = lab.train(model, lambda step: pairs, lambda m, b: m(b.source[:, :2].float()).sum(), 2)
    assert len(trained.losses) == 2
