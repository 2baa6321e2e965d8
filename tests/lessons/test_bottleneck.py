"""The stored curves of lessons 03 and 07: made by their script, with the lessons' settings, and saying what
the course says."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest
import torch

from seqattn_ref import AttentionSeq2Seq, lab
from seqattn_ref.lab import bottleneck

REPO = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("bottleneck_script", REPO / "tools" / "bottleneck.py")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)  # dataclasses look there
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture(scope="module")
def results():
    return lab.stored("bottleneck")


def accuracy(results, name, length):
    """(seeds,) at one length."""
    column = results["lengths"].index(length)
    return torch.tensor([seed[column] for seed in results["models"][name]["accuracy"]])


def test_what_is_stored_was_made_with_todays_settings(script, results):
    assert results["script"] == "tools/bottleneck.py" and (REPO / results["script"]).is_file()
    assert results["settings"] == {
        "letters": bottleneck.TASK.letters,
        "shortest": bottleneck.SHORTEST,
        "longest": bottleneck.LONGEST,
        "batch": bottleneck.BATCH,
        "steps": bottleneck.STEPS,
        "embedding": bottleneck.EMBED,
        "units": bottleneck.HIDDEN,
        "seeds": list(bottleneck.SEEDS),
    }
    assert results["lengths"] == list(bottleneck.LENGTHS)
    assert list(results["models"]) == list(script.SETTINGS)
    for name, setting in script.SETTINGS.items():
        stored = results["models"][name]
        assert stored["steps"] == setting.steps
        assert stored["parameters"] == sum(p.numel() for p in setting.build().parameters())
        assert [len(seed) for seed in stored["accuracy"]] == [len(bottleneck.LENGTHS)] * len(bottleneck.SEEDS)


def test_attention_is_at_least_40_points_above_one_vector_at_the_longest_lengths(results):
    assert len(results["settings"]["seeds"]) >= 3
    for length in (10, 11, 12):
        # the worst seed of one against the best of the other
        plain, attention = (accuracy(results, name, length) for name in ("plain", "attention"))
        assert attention.min() - plain.max() >= 0.4


def test_the_table_is_what_is_stored(script, results):
    lines = script.table(results).splitlines()
    assert len(lines) == 2 + len(script.SETTINGS)
    row = next(line for line in lines if line.startswith("| plain | "))
    cell = row.split(" | ")[4]  # model, parameters, steps, 4 letters, 6 letters
    six = 100 * accuracy(results, "plain", 6)
    assert re.findall(r"\d+", cell) == [f"{six.mean():.0f}", f"{six.min():.0f}", f"{six.max():.0f}"]


def test_the_script_writes_with_both_kinds_of_model(script):
    """The whole way, untrained: accuracy of a model that knows nothing is 0."""
    for name in ("plain", "attention"):
        setting = script.replace(script.SETTINGS[name], steps=1)
        model, found, _ = script.run(name, setting, seed=0)
        assert isinstance(model, AttentionSeq2Seq) == (name == "attention")
        assert len(found) == len(bottleneck.LENGTHS) and max(found) < 0.2
        assert len(script.right_by_place(model, setting.task)) == bottleneck.LONGEST
