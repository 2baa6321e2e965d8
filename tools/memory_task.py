"""Measure how the start of a recurrent network decides what it learns to remember.

    python tools/memory_task.py              train all networks and store how many steps each needs
    python tools/memory_task.py --table      only print the table of what is stored

The task is that of lesson 02 (``seqattn_ref/lab/memory.py``): one of eight symbols, then noise, and at the
end the symbol. Every network is trained once for each seed and each length of the noise, on one thread. The
result is what the lesson reads with ``lab.stored("memory_task")``: for each start and length the step at
which each seed solved the task, or null where it did not, and what was left of the gradient before training.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from seqattn_ref import gradient_by_distance
from seqattn_ref.lab import describe_device, memory
from seqattn_ref.lab.stored import FOLDER

SCRIPT = "tools/memory_task.py"
FILE = FOLDER / "memory_task.json"
SEEDS = (0, 1, 2)
LIMITS = {20: 2000, 50: 1000, 100: 1000}
"""How much noise there is, and after how many steps of training a network is given up."""


def plain(steps: int) -> nn.Module:
    return nn.RNN(memory.INPUTS, memory.UNITS, batch_first=True)


def orthogonal(steps: int) -> nn.Module:
    network = plain(steps)
    nn.init.orthogonal_(network.weight_hh_l0)
    return network


def gru(steps: int, update_bias: float | None = None) -> nn.Module:
    network = nn.GRU(memory.INPUTS, memory.UNITS, batch_first=True)
    if update_bias is not None:
        _set_gate(network, 1, torch.full((memory.UNITS,), update_bias))
    return network


def lstm(steps: int, forget_bias: float | None = None) -> nn.Module:
    network = nn.LSTM(memory.INPUTS, memory.UNITS, batch_first=True)
    if forget_bias is not None:
        _set_gate(network, 1, torch.full((memory.UNITS,), forget_bias))
    return network


def chrono(steps: int) -> nn.Module:
    """Forget biases log u with u spread from 1 to the length, and input biases of minus that: the start of
    Tallec & Ollivier 2018 (arXiv 1804.11188).
    """
    network = lstm(steps)
    bias = torch.empty(memory.UNITS).uniform_(1, steps).log()
    _set_gate(network, 0, -bias)
    _set_gate(network, 1, bias)
    return network


@torch.no_grad()
def _set_gate(network: nn.Module, gate: int, bias: torch.Tensor) -> None:
    """Set the bias of one gate. PyTorch has two that are added: the other becomes 0."""
    rows = slice(gate * memory.UNITS, (gate + 1) * memory.UNITS)
    network.bias_ih_l0[rows] = bias
    network.bias_hh_l0[rows] = 0


STARTS: dict[str, Callable[[int], nn.Module]] = {
    "plain RNN": plain,
    "plain RNN, orthogonal": orthogonal,
    "GRU": gru,
    "GRU, update bias 3": lambda steps: gru(steps, 3.0),
    "LSTM": lstm,
    "LSTM, forget bias 1": lambda steps: lstm(steps, 1.0),
    "LSTM, forget bias 3": lambda steps: lstm(steps, 3.0),
    "LSTM, forget bias 5": lambda steps: lstm(steps, 5.0),
    "LSTM, chrono": chrono,
}


def gradient_at_the_start(start: Callable[[int], nn.Module], steps: int, seed: int) -> float:
    """What is left of the gradient at the symbol, relative to the last input."""
    torch.manual_seed(seed)
    network = start(steps)
    inputs, _ = memory.draw(memory.BATCH, steps, torch.Generator().manual_seed(seed))
    sizes = gradient_by_distance(lambda x: network(x)[0], inputs)
    return float(f"{sizes[-1] / sizes[0]:.2e}")


def measure() -> dict:
    """Train every start at every length with every seed."""
    runs = {}
    for name, start in STARTS.items():
        runs[name] = {}
        for steps, limit in LIMITS.items():
            began = time.process_time()
            found = memory.practise(
                lambda start=start, steps=steps: start(steps), steps, SEEDS, limit, f"{name}, {steps}"
            )
            runs[name][str(steps)] = {
                "solved": [practice.solved for practice in found],
                "seconds": round(time.process_time() - began, 1),
                "gradient": [gradient_at_the_start(start, steps, seed) for seed in SEEDS],
            }
    torch.set_num_threads(1)
    return {
        "script": SCRIPT,
        "machine": describe_device("cpu"),
        "settings": {
            "symbols": memory.SYMBOLS,
            "noise": memory.NOISE,
            "units": memory.UNITS,
            "batch": memory.BATCH,
            "lr": memory.LR,
            "clip": memory.CLIP,
            "solved": memory.SOLVED,
            "seeds": list(SEEDS),
            "limits": {str(steps): limit for steps, limit in LIMITS.items()},
        },
        "runs": runs,
    }


def table(results: dict) -> str:
    """The steps that each seed took to solve the task, by the length of the noise; a dash for never."""
    lengths = list(results["settings"]["limits"])
    limits = [f"{n} steps of noise (at most {results['settings']['limits'][n]:,})" for n in lengths]
    lines = ["| start | " + " | ".join(limits) + " |", "| --- " * (1 + len(lengths)) + "|"]
    for name, by_length in results["runs"].items():
        cells = [", ".join(str(s or "–") for s in by_length[n]["solved"]) for n in lengths]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


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
