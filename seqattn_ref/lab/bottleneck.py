"""The experiment of lessons 03 and 07: one task, one budget, one test for every model.

Random letters are to be copied. Training sees sources of 1 to 12 letters. The test goes on to 16.
"""

import torch

from seqattn_ref.lab.data import Letters, Pairs

TASK = Letters("copy", letters=20)
SHORTEST, LONGEST = 1, 12
STEPS, BATCH = 800, 64
EMBED, HIDDEN = 32, 64
SEEDS = (0, 1, 2)
LENGTHS = tuple(range(1, 17))


def batches(seed, task=TASK, steps=STEPS):
    """Give the function that draws the batch of a step, for `lab.train`.

    The longest length grows from the shortest to `LONGEST` over the first 40 % of the steps: after short
    sources every model here learns long ones faster. The same seed gives the same batches.
    """
    generator = torch.Generator().manual_seed(seed)

    def draw(step):
        grown = min(1.0, step / (0.4 * steps))
        longest = SHORTEST + round(grown * (LONGEST - SHORTEST))
        return task.draw(BATCH, SHORTEST, longest, generator)

    return draw


def test_pairs(task=TASK, each=100, lengths=LENGTHS):
    """Draw `each` pairs of every length, the shortest first, as one batch. They are always the same ones.

    With 20 letters, pairs of three letters and more were hardly ever seen in training.
    """
    generator = torch.Generator().manual_seed(2**31)
    drawn = [task.draw(each, length, length, generator) for length in lengths]
    source = _joined([pairs.source for pairs in drawn])
    targets = _joined([pairs.targets for pairs in drawn])
    mask = _joined([pairs.mask for pairs in drawn])
    return Pairs(source, torch.cat([pairs.lengths for pairs in drawn]), targets, mask)


def _joined(parts):
    """Put tensors (N, S) of different S one below the other, padded with 0 (False)."""
    longest = max(part.shape[1] for part in parts)
    return torch.cat([torch.nn.functional.pad(part, (0, longest - part.shape[1])) for part in parts])
