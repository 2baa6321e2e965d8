"""Made pairs of sequences: letters in, letters out, of any length that is wanted."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

PAD, BOS, EOS = 0, 1, 2
_SPECIAL = ("pad", "bos", "eos")


class Vocabulary:
    """Tokens and their numbers. 0, 1 and 2 are kept for pad, bos (begin) and eos (end of the sequence).

    tokens: the tokens themselves, in the order of their numbers, which begin at 3.
    Raises `ValueError` where a token comes twice or is one of the three that are kept.
    """

    def __init__(self, tokens):
        self.tokens = (*_SPECIAL, *tokens)
        self._number = {token: number for number, token in enumerate(self.tokens)}
        if len(self._number) != len(self.tokens):
            raise ValueError("Vocabulary: every token must be there once, and not be called pad, bos or eos.")

    def __len__(self):
        return len(self.tokens)

    def encode(self, tokens):
        """The numbers of tokens. Raises `ValueError` for a token that is not in the vocabulary."""
        if missing := [token for token in tokens if token not in self._number]:
            raise ValueError(f"Vocabulary: {missing[0]!r} is not one of its {len(self)} tokens.")
        return [self._number[token] for token in tokens]

    def decode(self, numbers):
        """The tokens of numbers (a list or a 1-D tensor), up to the first eos; pads are left out."""
        tokens = []
        for number in numbers.tolist() if isinstance(numbers, Tensor) else numbers:
            if number == EOS:
                break
            if number != PAD:
                tokens.append(self.tokens[number])
        return tokens


class Pairs(NamedTuple):
    """A batch of sources with their targets.

    source: (B, S) numbers, padded with 0; lengths: (B,), how many of them are real.
    targets: (B, T) numbers, each row ended by eos and padded with 0; mask: (B, T), True up to eos.
    """

    source: Tensor
    lengths: Tensor
    targets: Tensor
    mask: Tensor

    def to(self, device):
        """The same pairs on another device."""
        return Pairs(*(tensor.to(device) for tensor in self))


@dataclass(frozen=True)
class Letters:
    """Sequences of random letters, and what is to be made of them.

    rule: "copy" (the target is the source) or "reverse" (the target is the source from its end).
    letters: how many different letters there are, at most 26.
    Raises `ValueError` for another rule or number.
    """

    rule: str = "copy"
    letters: int = 20

    def __post_init__(self):
        if self.rule not in ("copy", "reverse"):
            raise ValueError(f'Letters: the rule is "copy" or "reverse", not {self.rule!r}.')
        if not 2 <= self.letters <= 26:
            raise ValueError(f"Letters: there can be 2 to 26 letters, not {self.letters}.")

    @property
    def vocabulary(self):
        """The `Vocabulary` of source and target: a, b, c, …"""
        return Vocabulary("abcdefghijklmnopqrstuvwxyz"[: self.letters])

    def draw(self, count, shortest, longest, generator=None):
        """Draw `count` `Pairs` whose lengths are spread evenly from `shortest` to `longest`.

        generator: a `torch.Generator`; the same state gives the same pairs. None takes torch's own.
        """
        if not 1 <= shortest <= longest:
            raise ValueError(f"Letters.draw: 1 ≤ shortest ≤ longest is needed, not {shortest} and {longest}.")
        lengths = torch.randint(shortest, longest + 1, (count,), generator=generator)
        drawn = torch.randint(EOS + 1, EOS + 1 + self.letters, (count, longest), generator=generator)
        places = torch.arange(longest + 1)
        source = drawn.masked_fill(places[:-1] >= lengths[:, None], PAD)
        targets = torch.cat([self._answer(source, lengths), torch.zeros_like(source[:, :1])], dim=1)
        targets = targets.masked_fill(places == lengths[:, None], EOS)
        return Pairs(source, lengths, targets, places <= lengths[:, None])

    def _answer(self, source, lengths):
        if self.rule == "copy":
            return source
        places = torch.arange(source.shape[1])
        back = torch.where(places < lengths[:, None], lengths[:, None] - 1 - places, places)
        return source.gather(1, back)


def text(vocabulary, numbers):
    """A row of numbers as one word, up to its eos: for letters, not for words."""
    return "".join(vocabulary.decode(numbers))
