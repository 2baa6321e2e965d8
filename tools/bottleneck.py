"""Measure what one vector between encoder and decoder costs, and what buys how much of it back.

    python tools/bottleneck.py              train all models and store what they reach
    python tools/bottleneck.py --table      only print the table of what is stored

The task, the budget and the test are those of lessons 03 and 07 (``seqattn_ref/lab/bottleneck.py``). Every
model is trained once for each seed, on one thread. The result is what the lessons read with
``lab.stored("bottleneck")``: for each model the share of test sequences of each length that it copies without
any mistake, and for two models the share of right letters at each place, the true letters before it given.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from seqattn_ref import (
    AttentionSeq2Seq,
    Seq2Seq,
    accuracy_by_length,
    greedy_decode,
    sequence_loss,
    shift_right,
)
from seqattn_ref.lab import BOS, EOS, Letters, Pairs, bottleneck, describe_device, set_seed, train
from seqattn_ref.lab.stored import FOLDER

SCRIPT = "tools/bottleneck.py"
FILE = FOLDER / "bottleneck.json"


@dataclass(frozen=True)
class Setting:
    """One line of the table. `steps` and `units` come from the lessons' budget where nothing else is said."""

    model: type[nn.Module] = Seq2Seq
    task: Letters = bottleneck.TASK
    steps: int = bottleneck.STEPS
    units: int = bottleneck.HIDDEN

    def build(self) -> nn.Module:
        vocab = len(self.task.vocabulary)
        attention = (self.units,) if self.model is AttentionSeq2Seq else ()
        return self.model(vocab, vocab, bottleneck.EMBED, self.units, *attention)


PLAIN = Setting()
REVERSED = Letters("reverse", bottleneck.TASK.letters)
SETTINGS = {
    "plain": PLAIN,
    "attention": Setting(AttentionSeq2Seq),
    "plain, 128 units": replace(PLAIN, units=128),
    "plain, 256 units": replace(PLAIN, units=256),
    "plain, 4 times the steps": replace(PLAIN, steps=4 * bottleneck.STEPS),
    "plain, 16 times the steps": replace(PLAIN, steps=16 * bottleneck.STEPS),
    # To copy a source that was turned round is to reverse it.
    "plain, source reversed": replace(PLAIN, task=REVERSED),
}


def logits_of(model: nn.Module, pairs: Pairs) -> Tensor:
    """(B, T, V), the true tokens before each one given."""
    found = model(pairs.source, pairs.lengths, shift_right(pairs.targets, BOS))
    return found[0] if isinstance(found, tuple) else found


@torch.no_grad()
def write(model: nn.Module, pairs: Pairs) -> Tensor:
    """(B, T), what the model writes by itself."""
    if isinstance(model, AttentionSeq2Seq):
        keys, mask, start = model.encode(pairs.source, pairs.lengths)

        def step(tokens, state):
            return model.decoder.step(tokens, state, keys, mask)[:2]
    else:
        start = z = model.encode(pairs.source, pairs.lengths)

        def step(tokens, state):
            logits, state = model.decode(tokens[:, None], state, z)
            return logits[:, 0], state

    first = torch.full_like(pairs.lengths, BOS)
    return greedy_decode(step, start, first, EOS, pairs.targets.shape[1])


def run(name: str, setting: Setting, seed: int) -> tuple[nn.Module, list[float], float]:
    """Train one model. Returns it, its accuracy at each length, and the seconds of one core that it took."""
    set_seed(seed)
    model = setting.build()
    began = time.process_time()
    train(
        model,
        bottleneck.batches(seed, setting.task, setting.steps),
        lambda model, pairs: sequence_loss(logits_of(model, pairs), pairs.targets, pairs.mask),
        setting.steps,
        label=f"{name}, seed {seed}",
    )
    seconds = time.process_time() - began
    pairs = bottleneck.test_pairs(setting.task)
    accuracy, _ = accuracy_by_length(
        write(model, pairs), pairs.targets, pairs.mask, pairs.lengths, torch.tensor(bottleneck.LENGTHS)
    )
    return model, [round(share, 4) for share in accuracy.tolist()], seconds


@torch.no_grad()
def right_by_place(model: nn.Module, task: Letters) -> list[float]:
    """The share of right letters at each place of the target, for sources of the longest trained length."""
    pairs = bottleneck.test_pairs(task, each=1000, lengths=(bottleneck.LONGEST,))
    right = logits_of(model, pairs).argmax(dim=2) == pairs.targets
    return [round(share, 4) for share in right.float().mean(dim=0)[: bottleneck.LONGEST].tolist()]


def measure() -> dict:
    """Train every model with every seed."""
    models, positions = {}, {"copy": [], "reverse": []}
    for name, setting in SETTINGS.items():
        accuracies, seconds = [], []
        for seed in bottleneck.SEEDS:
            model, accuracy, spent = run(name, setting, seed)
            accuracies.append(accuracy)
            seconds.append(round(spent, 1))
            if name in ("plain", "plain, source reversed"):
                positions[setting.task.rule].append(right_by_place(model, setting.task))
        models[name] = {
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
            "steps": setting.steps,
            "seconds": seconds,
            "accuracy": accuracies,
        }
    torch.set_num_threads(1)
    return {
        "script": SCRIPT,
        "machine": describe_device("cpu"),
        "settings": {
            "letters": bottleneck.TASK.letters,
            "shortest": bottleneck.SHORTEST,
            "longest": bottleneck.LONGEST,
            "batch": bottleneck.BATCH,
            "steps": bottleneck.STEPS,
            "embedding": bottleneck.EMBED,
            "units": bottleneck.HIDDEN,
            "seeds": list(bottleneck.SEEDS),
        },
        "lengths": list(bottleneck.LENGTHS),
        "models": models,
        "positions": positions,
    }


def table(results: dict) -> str:
    """Per cent of sequences copied without a mistake: the mean over the seeds, and from lowest to highest."""
    shown = (4, 6, 8, 10, 12, 14, 16)
    columns = [results["lengths"].index(length) for length in shown]
    head = "| model | parameters | steps | " + " | ".join(f"{n} letters" for n in shown) + " |"
    lines = [head, "| --- " * (3 + len(shown)) + "|"]
    for name, model in results["models"].items():
        cells = [_cell([100 * accuracy[column] for accuracy in model["accuracy"]]) for column in columns]
        lines.append(f"| {name} | {model['parameters']:,} | {model['steps']:,} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(values: list[float]) -> str:
    low, high = round(min(values)), round(max(values))
    mean = f"{sum(values) / len(values):.0f}"
    return mean if low == high else f"{mean} ({low} to {high})"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--table", action="store_true", help="print the table of what is stored, train nothing"
    )
    if not parser.parse_args(arguments).table:
        FILE.write_text(json.dumps(measure(), indent=1) + "\n", encoding="utf-8")
        print(f"wrote {FILE.relative_to(Path(__file__).parents[1])}")
    results = json.loads(FILE.read_text(encoding="utf-8"))
    print(f"Measured on {results['machine']}, seeds {', '.join(map(str, results['settings']['seeds']))}.\n")
    print(table(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
