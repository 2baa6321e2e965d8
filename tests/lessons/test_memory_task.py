"""The memory task of lesson 02, and the stored runs of its script: made with the lesson's settings."""

import importlib.util
from pathlib import Path

import pytest
import torch
from torch import nn

from seqattn_ref import lab
from seqattn_ref.lab import memory

REPO = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("memory_task_script", REPO / "tools" / "memory_task.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def results():
    return lab.stored("memory_task")


def plain():
    return nn.RNN(memory.INPUTS, memory.UNITS, batch_first=True)


# ---------------------------------------------------------------- the task


def test_a_sequence_is_a_symbol_and_noise():
    inputs, symbol = memory.draw(200, 7, torch.Generator().manual_seed(0))
    assert inputs.shape == (200, 8, memory.INPUTS) and inputs.dtype == torch.float32
    assert set(inputs.unique().tolist()) == {0, 1} and bool((inputs.sum(2) == 1).all())
    numbers = inputs.argmax(2)
    assert numbers[:, 0].tolist() == symbol.tolist()
    assert set(symbol.tolist()) == set(range(memory.SYMBOLS))
    assert set(numbers[:, 1:].unique().tolist()) == set(range(memory.SYMBOLS, memory.INPUTS))


def test_the_same_generator_gives_the_same_sequences():
    one, other, third = (memory.draw(4, 5, torch.Generator().manual_seed(s))[0] for s in (1, 1, 2))
    assert torch.equal(one, other) and not torch.equal(one, third)


def test_the_readout_sees_the_last_state():
    torch.manual_seed(0)
    model = memory.Recall(plain())
    inputs, _ = memory.draw(3, 5)
    states, last = model.network(inputs)
    assert torch.allclose(model(inputs), model.readout(states[:, -1]))
    assert torch.allclose(model(inputs), model.readout(last[0]))


def test_practice_ends_when_the_task_is_solved_and_can_be_repeated(capsys):
    threads = torch.get_num_threads()
    found, again = (memory.practise(plain, steps=2, seeds=(0, 1), limit=300, label="short") for _ in "ab")
    assert torch.get_num_threads() == threads
    for one, other in zip(found, again, strict=True):
        assert one.losses == other.losses
        assert one.solved == len(one.losses) < 300
        assert one.losses[-1] < memory.SOLVED <= min(one.losses[:-1])
    assert found[0].losses != found[1].losses
    total = sum(len(practice.losses) for practice in found)
    assert f"short: {total} of {total} steps, solved at step {found[0].solved}" in capsys.readouterr().out


def test_practice_gives_up_at_its_limit(capsys):
    (found,) = memory.practise(plain, steps=50, seeds=(0,), limit=3)
    assert found.solved is None and len(found.losses) == 3
    assert "not solved" in capsys.readouterr().out


def test_a_network_starts_as_its_seed_says():
    torch.manual_seed(5)
    start = plain().weight_hh_l0
    (found,) = memory.practise(plain, steps=1, seeds=(5,), limit=1)
    # One step of Adam moves no weight by more than its step size.
    assert (found.network.weight_hh_l0 - start).abs().max() <= 1.01 * memory.LR


# ---------------------------------------------------------------- what is stored


def test_what_is_stored_was_made_with_todays_settings(script, results):
    assert results["script"] == "tools/memory_task.py" and (REPO / results["script"]).is_file()
    assert results["settings"] == {
        "symbols": memory.SYMBOLS,
        "noise": memory.NOISE,
        "units": memory.UNITS,
        "batch": memory.BATCH,
        "lr": memory.LR,
        "clip": memory.CLIP,
        "solved": memory.SOLVED,
        "seeds": list(script.SEEDS),
        "limits": {str(steps): limit for steps, limit in script.LIMITS.items()},
    }
    assert list(results["runs"]) == list(script.STARTS)
    for runs in results["runs"].values():
        assert list(runs) == list(results["settings"]["limits"])
        for steps, run in runs.items():
            assert len(run["solved"]) == len(run["gradient"]) == len(script.SEEDS)
            assert all(s is None or 0 < s <= results["settings"]["limits"][steps] for s in run["solved"])


def test_the_gradients_are_those_of_the_starts(script, results):
    for name in ("plain RNN, orthogonal", "LSTM", "LSTM, forget bias 3", "LSTM, chrono"):
        sizes = [script.gradient_at_the_start(script.STARTS[name], 20, seed) for seed in script.SEEDS]
        assert sizes == pytest.approx(results["runs"][name]["20"]["gradient"], rel=0.02)


def test_a_quick_run_gives_what_is_stored(script, results):
    (found,) = memory.practise(lambda: script.STARTS["plain RNN, orthogonal"](20), 20, (0,), 2000)
    # Rounding differs from machine to machine, and 50 steps of training make it grow.
    assert found.solved == pytest.approx(results["runs"]["plain RNN, orthogonal"]["20"]["solved"][0], rel=0.3)


def test_a_start_sets_the_bias_of_its_gate(script):
    units = memory.UNITS
    for name, gates in (("LSTM, forget bias 3", {1: 3.0}), ("GRU, update bias 3", {1: 3.0})):
        network = script.STARTS[name](50)
        bias = network.bias_ih_l0 + network.bias_hh_l0
        for gate, value in gates.items():
            assert bool((bias[gate * units : (gate + 1) * units] == value).all())
        assert float(bias.detach()[:units].abs().max()) < 1
    bias = script.STARTS["LSTM, chrono"](50).bias_ih_l0.detach()
    assert torch.equal(bias[:units], -bias[units : 2 * units])
    assert 0 <= float(bias[units : 2 * units].min()) and float(bias[units : 2 * units].max()) <= 3.92


def test_the_table_is_what_is_stored(script, results):
    lines = script.table(results).splitlines()
    assert len(lines) == 2 + len(script.STARTS)
    assert lines[2].startswith("| plain RNN | ") and lines[2].endswith(" | –, –, – | –, –, – |")
