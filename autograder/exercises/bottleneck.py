"""Exercises of lesson 03: an encoder and a decoder with one vector between them, and accuracy by length."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn

import seqattn_ref

from ..drawing import Draw
from ..exercise import Check, Exercise, Mistake
from ..judging import Tried
from ..sandbox.case import Call, Case, Construct
from .anywhere import (
    BARE_SQUEEZE,
    CHANGES_ITS_INPUT,
    DETACHED,
    DIFFERENT_EACH_CALL,
    EXTRA_AXIS,
    HARD_CODED_DTYPE,
    LAST_RESORTS,
    NEEDS_CONTIGUOUS,
    ONLY,
    RETURNS_NO_TENSOR,
    RETURNS_NOTHING,
    SIGN_FLIPPED,
    STALE_CACHE,
)
from .common import ask, finite_gradients, wrapped
from .modules import seeds_differ

LESSON = "03_bottleneck"

# ---- Seq2Seq: a right one, in pieces


def _states(m: nn.Module, source: Tensor) -> Tensor:
    """All states of the encoder, (B, S, H)."""
    return m.encoder(m.source_embedding(source))[0]


def _taken(h: Tensor, place: Tensor, lengths: Tensor) -> Tensor:
    """The states at these places, (B, H); 0 for an empty source."""
    return h[torch.arange(len(h)), place].masked_fill((lengths == 0)[:, None], 0)


def _state_at(place: Callable[[Tensor, int], Tensor]) -> Callable:
    """An `encode` that takes the state at `place(lengths, S)`."""

    def encode(m, source, lengths):
        h = _states(m, source)
        return _taken(h, place(lengths, h.shape[1]), lengths)

    return encode


_last_real = _state_at(lambda lengths, size: lengths - 1)


def _given_layers(m: nn.Module, source_vocab: int, target_vocab: int, embed_dim: int, hidden_dim: int):
    m.source_embedding = nn.Embedding(source_vocab, embed_dim)
    m.encoder = nn.GRU(embed_dim, hidden_dim, batch_first=True)
    m.target_embedding = nn.Embedding(target_vocab, embed_dim)
    m.decoder = nn.GRU(embed_dim + hidden_dim, hidden_dim, batch_first=True)
    m.output = nn.Linear(hidden_dim, target_vocab)


def _build_seq2seq(
    make=None,
    encode=None,
    embed=None,
    feed=None,
    join=None,
    start=None,
    run=None,
    give=None,
    whole=None,
    outer=None,
):
    """Seq2Seq out of pieces: layers from `make`, z from `encode`, [embedded; z] from `embed`, `feed` and
    `join`, the states from `run`, which begins at `start`, the logits from `give`. `whole` replaces all that
    follows z; `outer` wraps the forward method.
    """
    encode = encode or _last_real
    embed = embed or (lambda m, inputs: m.target_embedding(inputs))
    feed = feed or (lambda z, embedded, source: z[:, None].expand(-1, embedded.shape[1], -1))
    join = join or (lambda embedded, fed: torch.cat([embedded, fed], 2))
    start = start or (lambda m, z, source, lengths: z[None].contiguous())
    run = run or (lambda m, joined, state: m.decoder(joined, state)[0])
    give = give or (lambda m, s, z, embedded: m.output(s))

    def after_z(m, z, source, lengths, inputs):
        embedded = embed(m, inputs)
        joined = join(embedded, feed(z, embedded, source))
        return give(m, run(m, joined, start(m, z, source, lengths)), z, embedded)

    class Seq2Seq(nn.Module):
        def __init__(self, *sizes):
            super().__init__()
            (make or _given_layers)(self, *sizes)
            # Wrapped once and not at each call, so that a wrapper may remember something.
            self.__dict__["answer"] = wrapped(outer, self._answer)

        def _answer(self, source, lengths, inputs):
            z = encode(self, source, lengths)
            return (whole or after_z)(self, z, source, lengths, inputs)

        def forward(self, source, lengths, inputs):
            return self.__dict__["answer"](source, lengths, inputs)

    return Seq2Seq


# ---- Seq2Seq: its cases


class _Drawn:
    """How to draw cases: sizes by letter, tokens, parameters by name."""

    LETTERS = ("B", "S", "T", "Vs", "Vt", "E", "H")

    def __init__(self, draw: Draw):
        self.draw = draw

    def distinct(self, **sizes: int) -> dict:
        found = self.draw.distinct(len(self.LETTERS), 2, 9)
        return dict(zip(self.LETTERS, found, strict=True)) | sizes

    def shapes(self, z: dict) -> dict[str, tuple[int, ...]]:
        gates = 3 * z["H"]
        return {
            "source_embedding.weight": (z["Vs"], z["E"]),
            "encoder.weight_ih_l0": (gates, z["E"]),
            "encoder.weight_hh_l0": (gates, z["H"]),
            "encoder.bias_ih_l0": (gates,),
            "encoder.bias_hh_l0": (gates,),
            "target_embedding.weight": (z["Vt"], z["E"]),
            "decoder.weight_ih_l0": (gates, z["E"] + z["H"]),
            "decoder.weight_hh_l0": (gates, z["H"]),
            "decoder.bias_ih_l0": (gates,),
            "decoder.bias_hh_l0": (gates,),
            "output.weight": (z["Vt"], z["H"]),
            "output.bias": (z["Vt"],),
        }

    def module(self, z: dict, fill: Callable[..., Tensor], dtype: torch.dtype = torch.float32) -> Construct:
        parameters = {name: fill(*shape).to(dtype) for name, shape in self.shapes(z).items()}
        return Construct((z["Vs"], z["Vt"], z["E"], z["H"]), dtype, parameters)

    def tokens(self, vocab: int, *shape: int) -> Tensor:
        return self.draw.whole(*shape, low=0, high=vocab - 1, dtype=torch.int64)

    def inputs(self, z: dict, lengths: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """What padding holds is drawn like everything else: any token may stand there."""
        if lengths is None:
            lengths = torch.full((z["B"],), z["S"])
        return self.tokens(z["Vs"], z["B"], z["S"]), lengths, self.tokens(z["Vt"], z["B"], z["T"])

    def ragged(self, z: dict) -> Tensor:
        return self.draw.lengths(z["B"], z["S"])

    def case(
        self, z: dict, lengths=None, fill=None, dtype: torch.dtype = torch.float32, gradient: bool = False
    ) -> Case:
        wanted = (self.draw.normal(z["B"], z["T"], z["Vt"]).to(dtype),) if gradient else None
        made = self.module(z, fill or self.draw.normal, dtype)
        return Case((Call(self.inputs(z, lengths), wanted),), made)

    def by_hand(self, source, lengths, inputs, H: int = 1, gradient: bool = False) -> Case:
        """Both GRUs with open gates: r = 1 and u = 0, so that h' = tanh(W x + W' h), with whole numbers."""
        z = {"Vs": 3, "Vt": 3, "E": 1, "H": H}
        made = self.module(z, lambda *shape: torch.zeros(shape))
        for name, value in made.parameters.items():
            if "embedding" in name or name == "output.weight":
                value.copy_(self.draw.nonzero(*value.shape, most=2))
            elif "weight" in name:
                value[2 * H :] = self.draw.nonzero(H, value.shape[1], most=1)
            elif name.endswith("bias_ih_l0"):
                value[:H], value[H : 2 * H] = 20, -20
            elif name == "output.bias":
                value.copy_(torch.tensor([0.0, 1.0, 2.0]))
        args = tuple(torch.tensor(a) for a in (source, lengths, inputs))
        wanted = (self.draw.nonzero(*args[2].shape, 3, most=2),) if gradient else None
        return Case((Call(args, wanted),), made)


def _seq2seq_shapes(draw: Draw) -> Iterator[Case]:
    d = _Drawn(draw)
    yield d.case(d.distinct())
    yield d.case(d.distinct(B=1, T=1))


def _seq2seq_steps(draw: Draw) -> Iterator[Case]:
    d = _Drawn(draw)
    yield d.by_hand([[1]], [1], [[1]])
    yield d.by_hand([[1]], [1], [[1, 2]])
    yield d.by_hand([[2, 1]], [2], [[1, 2, 0]])
    yield d.by_hand([[2, 1], [1, 0]], [2, 2], [[1, 2], [1, 0]], H=2)
    yield d.case(d.distinct(T=13))
    yield d.case(dict.fromkeys(d.LETTERS, 3))
    yield d.case(d.distinct(E=3, H=3, Vs=5, Vt=5, S=4, T=4))


def _seq2seq_lengths(draw: Draw) -> Iterator[Case]:
    d = _Drawn(draw)
    yield d.by_hand([[1, 2]], [1], [[1, 2]])
    yield d.by_hand([[1, 2, 1], [2, 1, 1]], [2, 3], [[1, 2], [1, 0]])
    yield d.by_hand([[1, 2], [2, 1]], [0, 2], [[1, 2], [1, 2]])
    yield d.by_hand([[1, 2]], [0], [[1, 2]])
    # Sorted by length these stand in an order that is not its own inverse.
    yield d.case(d.distinct(B=4, S=5), torch.tensor([2, 5, 3, 1]))
    yield d.case(d.distinct(B=4, S=4), torch.tensor([3, 0, 2, 3]))
    yield d.case(dict.fromkeys(d.LETTERS, 3), torch.tensor([2, 3, 1]))


def _seq2seq_ones(draw: Draw) -> Iterator[Case]:
    d = _Drawn(draw)
    yield d.by_hand([[1, 2]], [2], [[1]])
    for ones in ({"B": 1}, {"S": 1}, {"T": 1}, {"E": 1, "H": 1}):
        z = d.distinct(**ones)
        yield d.case(z, d.ragged(z) if z["S"] > 1 else None)


def _seq2seq_layers(draw: Draw) -> Iterator[Case]:
    """New modules, as they are born. Each is called too, so that one whose forward is still to be written
    counts as not attempted.
    """
    d = _Drawn(draw)
    z = d.distinct(B=3, S=4, T=4)
    for seed in (1, 2):
        yield Case((Call(d.inputs(z)),), Construct((z["Vs"], z["Vt"], z["E"], z["H"])), seed)


def _seq2seq_gradients(draw: Draw) -> Iterator[Case]:
    d = _Drawn(draw)
    yield d.by_hand([[1, 2]], [2], [[1, 2]], gradient=True)
    z = d.distinct(B=3, S=4)
    yield d.case(z, d.ragged(z), gradient=True)
    yield d.case(dict.fromkeys(d.LETTERS, 3), torch.tensor([2, 3, 0]), gradient=True)


def _seq2seq_robust(draw: Draw) -> Iterator[Case]:
    d = _Drawn(draw)
    yield d.by_hand([[2, 1, 0], [1, 2, 0]], [2, 0], [[1, 2], [1, 2]])
    z = d.distinct()
    source, lengths, inputs = d.inputs(z, d.ragged(z))
    yield Case((Call((draw.strided(source), lengths, draw.strided(inputs))),), d.module(z, draw.normal))
    yield d.case(z, d.ragged(z), dtype=torch.float64)
    small = d.distinct(S=3, T=2, E=2, H=2)
    yield d.case(small, d.ragged(small), draw.quarters, torch.bfloat16)
    # Two batches of the same shape, one of another, and the first again. The source is short: over a long one
    # the encoder would forget a state that was wrongly kept.
    z |= {"S": 3}
    other = z | {"B": z["B"] + 1, "S": 4, "T": z["T"] + 1}
    again = Call(d.inputs(z, d.ragged(z)))
    calls = (again, Call(d.inputs(z, d.ragged(z))), Call(d.inputs(other, d.ragged(other))), again)
    yield Case(calls, d.module(z, draw.normal))
    # An odd number of terms of ±10,000 never cancels: every gate is exactly open or shut.
    z = d.distinct(E=3)
    loud = d.module(z, lambda *shape: draw.nonzero(*shape, most=1))
    for name, value in loud.parameters.items():
        if "embedding" in name or "output" in name:
            value *= 1e4
    wanted = (draw.normal(z["B"], z["T"], z["Vt"]),)
    yield Case((Call(d.inputs(z, d.ragged(z)), wanted),), loud)


# ---- Seq2Seq: its mistakes


def _loop(step: Callable) -> Callable:
    """Decode in a loop: `step(m, token, joined, state, z)` gives the state after it."""

    def whole(m, z, source, lengths, inputs):
        logits, token, state = [], inputs[:, 0], z
        for i in range(inputs.shape[1]):
            token, state, used = step(m, token, inputs[:, i], state, z)
            joined = torch.cat([m.target_embedding(used), z], 1)[:, None]
            s = m.decoder(joined, state[None].contiguous())[0][:, 0]
            logits.append(m.output(s))
            token, state = logits[-1].argmax(1), s
        return torch.stack(logits, 1)

    return whole


_OWN_WORDS = _loop(lambda m, own, given, state, z: (own, state, own))
_ANEW = _loop(lambda m, own, given, state, z: (own, z, given))


_OWN_WORDS_ANEW = _loop(lambda m, own, given, state, z: (own, z, own))


def _state_for_z(m, z, source, lengths, inputs):
    state, states = z, []
    for y in m.target_embedding(inputs).unbind(1):
        state = m.decoder(torch.cat([y, state], 1)[:, None], state[None].contiguous())[1][0]
        states.append(state)
    return m.output(torch.stack(states, 1))


def _halves(m, z, source, lengths, inputs):
    """The second half starts from z again."""
    x = torch.cat([m.target_embedding(inputs), z[:, None].expand(-1, inputs.shape[1], -1)], 2)
    first = z[None].contiguous()
    halves = [m.decoder(half, first)[0] for half in x.tensor_split(2, 1) if half.shape[1]]
    return m.output(torch.cat(halves, 1))


def _feeds_encoder_states(m, z, source, lengths, inputs):
    embedded, h = m.target_embedding(inputs), _states(m, source)
    # Where the source is longer than the target, the states are cut off; where it is shorter, torch objects.
    joined = torch.cat([embedded, h[:, : inputs.shape[1]]], 2)
    return m.output(m.decoder(joined, z[None].contiguous())[0])


def _sorted_by_length(put_back: bool) -> Callable:
    def encode(m, source, lengths):
        order = lengths.argsort(descending=True, stable=True)
        z = _last_real(m, source[order], lengths[order])
        # Putting back takes the inverse of `order`; `order` again puts rows elsewhere.
        return z[order] if put_back else z

    return encode


def _last_column(empty_is_zero: bool = True, only_real: str = "") -> Callable:
    """An `encode` that takes the last column. `only_real`: the "inputs" or "states" of padding are set to 0."""

    def encode(m, source, lengths):
        real = (torch.arange(source.shape[1]) < lengths[:, None])[:, :, None]
        embedded = m.source_embedding(source)
        h = m.encoder(embedded * real if only_real == "inputs" else embedded)[0]
        z = (h * real if only_real == "states" else h)[:, -1]
        return z.masked_fill((lengths == 0)[:, None], 0) if empty_is_zero else z

    return encode


def _cut_to_longest(m: nn.Module, source: Tensor, lengths: Tensor) -> Tensor:
    return _last_real(m, source[:, : int(lengths.max())], lengths)


def _packed(m: nn.Module, source: Tensor, lengths: Tensor) -> Tensor:
    embedded = m.source_embedding(source)
    packed = nn.utils.rnn.pack_padded_sequence(embedded, lengths, batch_first=True, enforce_sorted=False)
    return m.encoder(packed)[1][0]


def _where_empty(change: Callable[[nn.Module, Tensor, Tensor, Tensor], Tensor]) -> dict:
    """An `encode` that does something else where a source is empty."""
    return {"encode": lambda m, s, n: change(m, _last_real(m, s, n), s, n)}


def _going_on(which: str) -> Callable:
    """Goes on from the state that the decoder, or the encoder, was left in by the call before."""

    def start(m, z, source, lengths):
        kept = m.__dict__.get("kept")
        return kept if kept is not None and kept.shape[1] == len(z) else z[None].contiguous()

    def run(m, joined, state):
        s, last = m.decoder(joined, state)
        m.__dict__["kept"] = last.detach()
        return s

    def encode(m, source, lengths):
        kept = m.__dict__.get("kept")
        if kept is not None and kept.shape[1] != len(source):
            kept = None
        h, last = m.encoder(m.source_embedding(source), kept)
        m.__dict__["kept"] = last.detach()
        return _taken(h, lengths - 1, lengths)

    return {"start": start, "run": run} if which == "decoder" else {"encode": encode}


def _reversed_where_real(source: Tensor, lengths: Tensor) -> Tensor:
    places = torch.arange(source.shape[1])
    back = torch.where(places < lengths[:, None], lengths[:, None] - 1 - places, places)
    return source.gather(1, back)


def _first_z(by_shape: bool) -> Callable:
    """An `encode` that keeps the z of an earlier call."""

    def encode(m, source, lengths):
        kept = m.__dict__.setdefault("kept", {})
        key = tuple(source.shape) if by_shape else None
        return kept.setdefault(key, _last_real(m, source, lengths))

    return encode


def _mean_state(m: nn.Module, source: Tensor, lengths: Tensor) -> Tensor:
    h = _states(m, source)
    real = (torch.arange(h.shape[1]) < lengths[:, None])[..., None]
    return (h * real).sum(1) / lengths[:, None].clamp(min=1).to(h.dtype)


def _at_steps(which: Callable[[Tensor], Tensor]) -> Callable:
    """A `feed` that gives z at some steps only, and zeros at the others."""

    def feed(z, embedded, source):
        places = torch.arange(embedded.shape[1])
        return z[:, None] * which(places).to(z.dtype)[:, None]

    return feed


def _shifted_again(first: int | None) -> Callable:
    def embed(m, inputs):
        begin = inputs[:, :1] if first is None else torch.full_like(inputs[:, :1], first)
        return m.target_embedding(torch.cat([begin, inputs[:, :-1]], 1))

    return embed


def _one_step_early(wrap: bool) -> Callable:
    def embed(m, inputs):
        later = torch.cat([inputs[:, 1:], inputs[:, :1] if wrap else inputs[:, -1:]], 1)
        return m.target_embedding(later)

    return embed


def _when_all(mistake: Mistake) -> Mistake:
    """The mistake, recognised only if it accounts for every case that failed."""
    find = mistake.recognise

    def recognise(failed: list[Tried]) -> set[int]:
        found = find(failed)
        return found if len(found) == len(failed) else set()

    return replace(mistake, recognise=recognise)


def _cases(test: Callable[[Tried], bool]) -> Callable[[list[Tried]], set[int]]:
    return lambda failed: {i for i, t in enumerate(failed) if test(t)}


def _newborn(test: Callable[[Tensor], bool]) -> Callable[[list[Tried]], set[int]]:
    """A rule: all that failed, if some parameter of a new module is odd."""
    return lambda failed: (
        set(range(len(failed)))
        if any(test(p) for t in failed for p in (t.outcome.parameters or {}).values())
        else set()
    )


def _layers_changed(t: Tried) -> bool:
    raised = t.outcome.raised
    refused = raised is not None and raised.type in ("MissingParameter", "ParameterShape")
    return refused or (t.difference.aspect == "parameters" and not _seeds_agree(t))


def _seeds_agree(t: Tried) -> bool:
    return t.difference.sentence.startswith("Two modules made after")


def _made(change: Callable[[nn.Module], None]) -> dict:
    """A `make` that changes the given layers."""

    def make(m, *sizes):
        _given_layers(m, *sizes)
        change(m, *sizes)

    return {"make": make}


def _plain_table(m: nn.Module, source_vocab: int, target_vocab: int, embed_dim: int, hidden_dim: int):
    m.source_embedding = _Table(torch.empty(source_vocab, embed_dim))


class _Table(nn.Module):
    """An embedding whose table is memory as it was found."""

    def __init__(self, weight: Tensor):
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.weight[tokens]


def _zeros(m: nn.Module, *sizes: int) -> None:
    for parameter in m.parameters():
        nn.init.zeros_(parameter)


def _seeded(m: nn.Module, *sizes: int) -> None:
    torch.manual_seed(0)
    _given_layers(m, *sizes)


def _zero_is_padding(what: str) -> dict:
    """Token 0 of the target is taken for padding: its "input", its "steps" or its "logit" is emptied."""
    if what == "input":
        return {"embed": lambda m, y: m.target_embedding(y) * (y != 0)[..., None]}
    if what == "steps":
        return {"outer": lambda f: lambda s, n, y: f(s, n, y) * (y != 0)[..., None]}
    return {"outer": lambda f: lambda s, n, y: _first_logit_hidden(f(s, n, y))}


def _first_logit_hidden(logits: Tensor) -> Tensor:
    return torch.cat([torch.full_like(logits[..., :1], -1e9), logits[..., 1:]], -1)


def _on_z(change: Callable[[Tensor], Tensor]) -> dict:
    return {"encode": lambda m, source, lengths: change(_last_real(m, source, lengths))}


_SEQ2SEQ_MISTAKES = (
    Mistake(
        "last-column-not-last-token",
        "z is the encoder's state at the last column of the batch. For a shorter sample that state has read padding. z must be the state at the sample's own last real token: `self.encode` finds it, with the lengths.",
        (
            {"encode": _last_column(False)},
            {"encode": _last_column()},
            {"start": lambda m, z, s, n: _last_column(False)(m, s, n)[None].contiguous()},
            {"encode": _last_column(only_real="inputs")},
            {"encode": _last_column(only_real="states")},
            {"encode": lambda m, s, n: _last_real(m, s, n.amax().expand_as(n))},
            {"encode": lambda m, s, n: _last_real(m, s, n[:1].expand_as(n))},
            {"encode": lambda m, s, n: _last_real(m, s, torch.minimum(n, n[:1].clamp(min=1)))},
            {"encode": lambda m, s, n: _last_real(m, s, n.amin().expand_as(n))},
        ),
    ),
    Mistake(
        "encoder-state-off-by-one",
        "z is the encoder's state one place before or after the last real token. Places count from 0, so the last of 3 tokens stands at place 2.",
        (
            {"encode": _state_at(lambda n, size: (n - 2).clamp(min=0))},
            {"encode": _state_at(lambda n, size: n.clamp(max=size - 1))},
            {"encode": lambda m, s, n: _last_real(m, s, (n - 1).clamp(min=0))},
            {"encode": _state_at(lambda n, size: n - 2)},
            {"encode": _state_at(lambda n, size: n)},
        ),
    ),
    Mistake(
        "lengths-counted-anew",
        "The lengths are counted from the tokens, as if token 0 were always padding. Padding may hold any token, and token 0 may be real: use `lengths` as they come.",
        ({"encode": lambda m, s, n: _last_real(m, s, (s != 0).sum(1))},),
    ),
    Mistake(
        "empty-source-not-zero",
        "A source of length 0 has no last token, and its z is 0, without disturbing the other samples. `lengths - 1` is −1 there, which Python takes for the last column; `self.encode` treats it.",
        (
            {"encode": lambda m, s, n: _states(m, s)[torch.arange(len(s)), n - 1]},
            {"encode": lambda m, s, n: _states(m, s)[torch.arange(len(s)), (n - 1).clamp(min=0)]},
            _where_empty(lambda m, z, s, n: torch.zeros_like(z) if bool((n == 0).any()) else z),
            {"encode": _packed},
            {"encode": _cut_to_longest},
            {"outer": lambda f: lambda s, n, y: f(s, n, y).masked_fill((n == 0)[:, None, None], 0)},
        ),
    ),
    Mistake(
        "another-summary-than-the-last-state",
        "z is another summary of the encoder's states: the first one, their mean or their largest entries. In this lesson z is one state, the one at the last real token.",
        (
            {"encode": _mean_state},
            {"encode": lambda m, s, n: _states(m, s).mean(1)},
            {"encode": lambda m, s, n: _states(m, s)[:, 0]},
            {"encode": lambda m, s, n: _states(m, s).amax(1)},
            {"encode": lambda m, s, n: _states(m, s).sum(1)},
        ),
    ),
    Mistake(
        "source-reversed",
        "The source is read from its end. That is a good experiment, and this lesson measures it, but the model of this exercise reads the source as it comes.",
        (
            {"encode": lambda m, s, n: _last_real(m, _reversed_where_real(s, n), n)},
            {"encode": lambda m, s, n: _last_real(m, s.flip(1), n)},
            {"encode": lambda m, s, n: _last_column()(m, s.flip(1), n)},
        ),
    ),
    Mistake(
        "z-not-fed",
        "z starts the decoder, but the decoder's inputs do not hold it: zeros stand in its place. Join z to the embedded token at every step.",
        (
            {"feed": lambda z, e, s: torch.zeros_like(z)[:, None].expand(-1, e.shape[1], -1)},
            {"feed": lambda z, e, s: torch.ones_like(z)[:, None].expand(-1, e.shape[1], -1)},
        ),
    ),
    Mistake(
        "z-fed-at-one-step-only",
        "z is joined to the embedded token at some steps only. Every step of the decoder gets the same z.",
        (
            {"feed": _at_steps(lambda i: i == 0)},
            {"feed": _at_steps(lambda i: i == len(i) - 1)},
            {"feed": _at_steps(lambda i: i > 0)},
            {"feed": _at_steps(lambda i: 0.5**i)},
        ),
    ),
    Mistake(
        "state-fed-instead-of-z",
        "What is joined with the embedded token is the decoder's own state. The GRU has that already; what is joined is z, the same at every step.",
        ({"whole": _state_for_z},),
    ),
    Mistake(
        "decoder-starts-at-zero",
        "The decoder starts from zeros. Its first state is z: give it to the GRU as its second argument.",
        (
            {"start": lambda m, z, source, lengths: None},
            {"start": lambda m, z, source, lengths: torch.ones_like(z)[None]},
        ),
    ),
    Mistake(
        "joined-in-the-wrong-order",
        "z stands before the embedded token. The sizes fit either way, but each column of the GRU's input weights belongs to one place: the order is [embedded; z].",
        ({"join": lambda e, f: torch.cat([f, e], 2)},),
    ),
    Mistake(
        "joined-along-the-wrong-axis",
        "The embedded tokens and z are joined along another axis than the last. Batch (axis 0) and steps (axis 1) are the same in both; what grows is the size of each step's vector (axis 2).",
        ({"join": lambda e, f: torch.cat([e, f], 1)}, {"join": lambda e, f: torch.cat([e, f], 0)}),
    ),
    Mistake(
        "added-instead-of-joined",
        "The embedded token and z are added, or one of them goes in alone. The GRU expects both side by side, E + H numbers at each step: join them with torch.cat.",
        (
            {"join": lambda e, f: e + f},
            {"join": lambda e, f: e},
            {"join": lambda e, f: f},
            {"join": lambda e, f: e * f},
        ),
    ),
    Mistake(
        "z-not-repeated",
        "z has no axis for the steps yet, or the wrong number of them. It is (B, H), and the embedded tokens are (B, T, E): give z an axis of steps and repeat it T times, to (B, T, H).",
        (
            {"feed": lambda z, e, s: z[:, None]},
            {"feed": lambda z, e, s: z},
            {"feed": lambda z, e, s: z[:, None].expand(-1, s.shape[1], -1)},
            {"feed": lambda z, e, s: z[None].expand(e.shape[1], -1, -1)},
        ),
    ),
    Mistake(
        "scrambled-by-view",
        "z was repeated in an order in which `view` or `reshape` puts one sample's z beside another's tokens. `expand` on a new axis keeps every z with its own sample.",
        (
            {"feed": lambda z, e, s: z.repeat(e.shape[1], 1).view(e.shape[0], e.shape[1], -1)},
            {"start": lambda m, z, s, n: z.T.reshape(1, *z.shape).contiguous()},
            {"start": lambda m, z, s, n: z.reshape(z.shape[1], z.shape[0]).T[None].contiguous()},
        ),
    ),
    Mistake(
        "source-embedding-for-the-targets",
        "The target tokens are looked up in the source's embedding, or the source's tokens in the target's. Each side has a table of its own.",
        (
            {"embed": lambda m, y: m.source_embedding(y)},
            {"embed": lambda m, y: m.source_embedding(y % m.source_embedding.weight.shape[0])},
            {"embed": lambda m, y: m.target_embedding(y.clamp(max=m.source_embedding.weight.shape[0] - 1))},
            {"encode": lambda m, s, n: _taken(m.encoder(m.target_embedding(s))[0], n - 1, n)},
            {
                "encode": lambda m, s, n: _taken(
                    m.encoder(m.target_embedding(s % m.target_embedding.weight.shape[0]))[0], n - 1, n
                )
            },
        ),
    ),
    Mistake(
        "source-and-inputs-swapped",
        "The source goes into the decoder and the decoder's inputs into the encoder. `forward` is called with (source, lengths, inputs).",
        (
            {"outer": lambda f: lambda s, n, y: f(y, n.clamp(max=y.shape[1]), s)},
            {"outer": lambda f: lambda s, n, y: f(s, n, s if s.shape == y.shape else y)},
            {"outer": lambda f: lambda s, n, y: f(s, n, s)},
        ),
    ),
    Mistake(
        "sees-the-answer",
        "A step reads a token that comes after it. `inputs` is shifted already: at step i it holds y^{i-1}, so step i may use inputs[:, :i + 1] and no more.",
        ({"embed": _one_step_early(False)}, {"embed": _one_step_early(True)}),
    ),
    Mistake(
        "shifted-again",
        "The inputs are shifted to the right once more. They are bos, y^1, …, y^{T-1} already when they come in.",
        tuple({"embed": _shifted_again(first)} for first in (None, 1, 0)),
    ),
    Mistake(
        "one-step-missing",
        "One of the T steps is cut off. The inputs hold T tokens already, bos included, and each of them leads to one row of logits.",
        (
            {"outer": lambda f: lambda s, n, y: f(s, n, y[:, 1:])},
            {"outer": lambda f: lambda s, n, y: f(s, n, y[:, :-1])},
            {"outer": lambda f: lambda s, n, y: f(s, n, y)[:, 1:]},
            {"outer": lambda f: lambda s, n, y: f(s, n, y)[:, :-1]},
        ),
    ),
    Mistake(
        "cut-at-a-fixed-length",
        "Only so many steps are decoded, a fixed number. T is what `inputs` brings.",
        (
            {"feed": lambda z, e, s: z[:, None].expand(-1, min(10, e.shape[1]), -1)},
            {"outer": lambda f: lambda s, n, y: f(s, n, y[:, :10])},
        ),
    ),
    Mistake(
        "token-zero-taken-for-padding",
        "Token 0 of the target gets special treatment: its embedding, its logits or its step is emptied. Here every token of `inputs` is looked up like every other. Padding is the loss's business, which has a mask.",
        tuple(map(_zero_is_padding, ("input", "steps", "logit"))),
    ),
    Mistake(
        "previous-state-written",
        "The logits of step i are made from the state before it, s^{i-1}. First the decoder reads y^{i-1} and makes s^i; then the output layer reads s^i.",
        ({"give": lambda m, s, z, e: m.output(torch.cat([z[:, None], s[:, :-1]], 1))},),
    ),
    Mistake(
        "inputs-reversed",
        "The target tokens are read from their end. The decoder goes from the first step to the last.",
        (
            {"embed": lambda m, inputs: m.target_embedding(inputs.flip(1))},
            {
                "run": lambda m, joined, state: m.decoder(joined.flip(1), state)[0].flip(1),
            },
            {"give": lambda m, s, z, e: m.output(s.flip(1))},
        ),
    ),
    Mistake(
        "inputs-ignored",
        "What the decoder writes does not depend on the tokens in `inputs`, or only on the first of them. Each step gets its own embedded token.",
        (
            {"embed": lambda m, y: m.target_embedding(y[:, :1]).expand(-1, y.shape[1], -1)},
            {"embed": lambda m, y: torch.zeros_like(m.target_embedding(y))},
            {"embed": lambda m, y: m.target_embedding(torch.zeros_like(y))},
        ),
    ),
    Mistake(
        "feeds-its-own-words",
        "After the first step the model goes on with its own likeliest word. That is how it writes by itself. In `forward` the true tokens are given: step i reads inputs[:, i] (teacher forcing).",
        ({"whole": _OWN_WORDS}, {"whole": _OWN_WORDS_ANEW}),
    ),
    Mistake(
        "state-not-carried",
        "Every step starts from z anew. The state after one step is where the next one starts. One call of the GRU with all T steps does that for you.",
        (
            {"whole": _ANEW},
            {
                "run": lambda m, joined, state: torch.cat(
                    [m.decoder(x[:, None], state)[0] for x in joined.unbind(1)], 1
                )
            },
            {"whole": _halves},
        ),
    ),
    Mistake(
        "decodes-with-the-encoder",
        "The encoder's GRU decodes too. The decoder has one of its own.",
        (
            {
                "whole": lambda m, z, s, n, y: m.output(
                    m.encoder(m.target_embedding(y), z[None].contiguous())[0]
                )
            },
        ),
    ),
    Mistake(
        "feeds-the-encoders-states",
        "Step i gets the encoder's state number i. In this model the decoder sees one vector of the source, z, and it sees the same one at every step.",
        (
            {"whole": _feeds_encoder_states},
            {
                "whole": lambda m, z, s, n, y: m.output(
                    m.decoder(torch.cat([m.target_embedding(y), _states(m, s)], 2), z[None].contiguous())[0]
                )
            },
        ),
    ),
    Mistake(
        "output-not-from-the-states",
        "The output layer reads something else than the decoder's states: z, or the embedded tokens.",
        (
            {"give": lambda m, s, z, e: m.output(z)[:, None].expand(-1, s.shape[1], -1)},
            {"give": lambda m, s, z, e: m.output(s + z[:, None])},
            {"give": lambda m, s, z, e: m.output(e)},
        ),
    ),
    Mistake(
        "same-state-for-all-steps",
        "Every step's logits come from one state of the decoder, the last or the first. Each step has a state of its own: the GRU's first result holds them all, its second only the last.",
        (
            {"give": lambda m, s, z, e: m.output(s[:, -1:]).expand(-1, s.shape[1], -1)},
            {"give": lambda m, s, z, e: m.output(s[:, :1]).expand(-1, s.shape[1], -1)},
            {"give": lambda m, s, z, e: m.output(s[:, -1])},
            {"give": lambda m, s, z, e: m.output(s[:, -1:])},
            {"give": lambda m, s, z, e: m.output(s[:, -1])[None]},
        ),
    ),
    Mistake(
        "output-layer-missing",
        "What comes back are the decoder's states (B, T, H). The output layer turns each of them into one number a word: logits (B, T, V).",
        ({"give": lambda m, s, z, e: s},),
    ),
    Mistake(
        "output-bias-missing",
        "The output layer's weight is used without its bias. Call the layer itself: self.output(…).",
        ({"give": lambda m, s, z, e: s @ m.output.weight.T},),
    ),
    Mistake(
        "softmax-on-the-logits",
        "A softmax is applied to the logits. The loss takes its own: with two of them even a perfect model has a loss near ln V. Give back the output layer's numbers as they are.",
        (
            {"give": lambda m, s, z, e: torch.softmax(m.output(s), -1)},
            {"give": lambda m, s, z, e: torch.log_softmax(m.output(s), -1)},
            {"give": lambda m, s, z, e: torch.softmax(m.output(s), 1)},
            {"give": lambda m, s, z, e: torch.sigmoid(m.output(s))},
        ),
    ),
    Mistake(
        "squashed-once-more",
        "A tanh, a ReLU or a softmax stands where the model has none. z and the GRU's states are used as they are.",
        (
            {"give": lambda m, s, z, e: m.output(torch.tanh(s))},
            {"give": lambda m, s, z, e: m.output(torch.relu(s))},
            {"give": lambda m, s, z, e: torch.tanh(m.output(s))},
            {"give": lambda m, s, z, e: torch.relu(m.output(s))},
            _on_z(torch.tanh),
            _on_z(torch.relu),
            {"start": lambda m, z, s, n: torch.tanh(z)[None].contiguous()},
            {"embed": lambda m, y: torch.tanh(m.target_embedding(y))},
            {"embed": lambda m, y: torch.relu(m.target_embedding(y))},
            {"give": lambda m, s, z, e: m.output(torch.softmax(s, -1))},
        ),
    ),
    Mistake(
        "scaled-or-normalised",
        "The embeddings, z, the states or the logits are scaled, shifted or normalised on the way. The model uses them as they are.",
        (
            {"embed": lambda m, y: m.target_embedding(y) * m.target_embedding.weight.shape[1] ** 0.5},
            {"give": lambda m, s, z, e: (lambda x: x - x.amax(-1, keepdim=True))(m.output(s))},
            {"give": lambda m, s, z, e: m.output(nn.functional.normalize(s, dim=-1))},
            {"feed": lambda z, e, s: nn.functional.normalize(z, dim=1)[:, None].expand(-1, e.shape[1], -1)},
            _on_z(lambda z: nn.functional.normalize(z, dim=1)),
            {"give": lambda m, s, z, e: m.output(nn.functional.layer_norm(s, s.shape[-1:]))},
        ),
    ),
    Mistake(
        "words-not-logits",
        "These are words, the places of the largest logits. `forward` gives back the logits: the loss needs all of them, and no gradient passes through argmax.",
        (
            {"give": lambda m, s, z, e: m.output(s).argmax(-1)},
            {"give": lambda m, s, z, e: m.output(s).amax(-1)},
        ),
    ),
    Mistake(
        "time-and-batch-swapped",
        "Batch and steps have changed places. Both GRUs were made with batch_first=True: what goes in is (B, T, …), and so is what comes out.",
        (
            {"give": lambda m, s, z, e: m.output(s).transpose(0, 1)},
            {"run": lambda m, joined, state: m.decoder(joined.transpose(0, 1), state)[0].transpose(0, 1)},
            {"run": lambda m, joined, state: m.decoder(joined.transpose(0, 1), state)[0]},
            {"give": lambda m, s, z, e: m.output(s).transpose(0, 1).reshape(*s.shape[:2], -1)},
            {"give": lambda m, s, z, e: m.output(s.transpose(0, 1).reshape(s.shape))},
            {
                "encode": lambda m, s, n: _taken(
                    m.encoder(m.source_embedding(s).transpose(0, 1))[0].transpose(0, 1), n - 1, n
                )
            },
        ),
    ),
    Mistake(
        "words-in-the-middle",
        "The axis of the words stands in the middle or is mixed up with the steps. (B, V, T) is what torch's cross_entropy takes; this exercise gives back (B, T, V).",
        (
            {"give": lambda m, s, z, e: m.output(s).transpose(1, 2)},
            {"give": lambda m, s, z, e: (lambda x: x.transpose(1, 2).reshape(x.shape))(m.output(s))},
        ),
    ),
    Mistake(
        "batch-and-steps-flattened",
        "Batch and steps are one axis now. That may be done for the loss; forward gives back (B, T, V).",
        ({"give": lambda m, s, z, e: m.output(s).flatten(0, 1)},),
    ),
    Mistake(
        "first-state-with-wrong-axes",
        "The decoder's first state has the wrong axes. torch's GRU wants it as (layers, B, H), which is (1, B, H) here, even with batch_first=True.",
        (
            {"start": lambda m, z, s, n: z[:, None].contiguous()},
            {"start": lambda m, z, s, n: z},
            {"start": lambda m, z, s, n: z[..., None].contiguous()},
        ),
    ),
    Mistake(
        "mixes-samples",
        "Samples of the batch influence one another, or one gets another's z: what stands at index b must depend on sample b alone.",
        (
            *(
                _on_z(change)
                for change in (
                    lambda z: z.flip(0),
                    lambda z: z.roll(1, 0),
                    lambda z: z[:1].expand_as(z),
                    lambda z: z[-1:].expand_as(z),
                    lambda z: z.mean(0, keepdim=True).expand_as(z),
                )
            ),
            {"encode": _sorted_by_length(False)},
            {"encode": _sorted_by_length(True)},
            {"encode": lambda m, s, n: _last_real(m, s, n.flip(0))},
            {"embed": lambda m, y: m.target_embedding(y.flip(0))},
            *(
                piece
                for change in (
                    lambda z: z.flip(0),
                    lambda z: z[:1].expand_as(z),
                    lambda z: z.mean(0, keepdim=True).expand_as(z),
                )
                for piece in (
                    {"feed": lambda z, e, s, f=change: f(z)[:, None].expand(-1, e.shape[1], -1)},
                    {"start": lambda m, z, s, n, f=change: f(z)[None].contiguous()},
                )
            ),
        ),
    ),
    DETACHED,
    Mistake(
        "gradient-cut",
        "The numbers are right, but part of the gradient is missing: z, the embedded tokens or the states were detached on one path, or made under torch.no_grad(). The encoder learns only through z.",
        (
            _on_z(lambda z: z.detach()),
            {"feed": lambda z, e, s: z.detach()[:, None].expand(-1, e.shape[1], -1)},
            {"start": lambda m, z, s, n: z.detach()[None].contiguous()},
            {"embed": lambda m, y: m.target_embedding(y).detach()},
            {"give": lambda m, s, z, e: m.output(s.detach())},
        ),
    ),
    Mistake(
        "hard-coded-dtype",
        HARD_CODED_DTYPE.hint,
        (
            {"give": lambda m, s, z, e: m.output(s).float()},
            {"give": lambda m, s, z, e: m.output(s).double()},
            {"feed": lambda z, e, s: z.float()[:, None].expand(-1, e.shape[1], -1)},
            {"start": lambda m, z, s, n: z.float()[None].contiguous()},
            {"give": lambda m, s, z, e: m.output(s.float())},
            {"give": lambda m, s, z, e: m.output(s).float().to(s.dtype)},
        ),
        recognise=_cases(lambda t: t.case.construct.dtype != torch.float32),
    ),
    Mistake(
        "bare-squeeze",
        BARE_SQUEEZE.hint,
        (
            *BARE_SQUEEZE.variants[:3],
            _on_z(lambda z: z.squeeze()),
            {"start": lambda m, z, s, n: z.squeeze()[None].contiguous()},
        ),
    ),
    Mistake(
        "dropout-at-evaluation",
        "The same call gives another result each time, though the module is in eval mode: F.dropout needs training=self.training, or something random is drawn in forward.",
        (
            {"embed": lambda m, y: nn.functional.dropout(m.target_embedding(y), 0.5, True)},
            {"give": lambda m, s, z, e: m.output(nn.functional.dropout(s, 0.3, True))},
            {"start": lambda m, z, s, n: torch.rand_like(z)[None]},
        ),
        recognise=DIFFERENT_EACH_CALL.recognise,
    ),
    Mistake(
        "stale-cache",
        "A call with another source still uses the z of an earlier one. z belongs to one batch: make it anew in each forward.",
        (
            {"encode": _first_z(True)},
            {"encode": _first_z(False)},
            _going_on("decoder"),
            _going_on("encoder"),
            *STALE_CACHE.variants[:2],
        ),
        recognise=STALE_CACHE.recognise,
    ),
    Mistake(
        "changes-its-input",
        CHANGES_ITS_INPUT.hint,
        (
            *CHANGES_ITS_INPUT.variants,
            {"outer": lambda f: lambda s, n, y: f(s, n.sub_(1) + 1, y)},
            {"outer": lambda f: lambda s, n, y: (f(s, n, y), n.clamp_(min=1))[0]},
            {
                "outer": lambda f: (
                    lambda s, n, y: f(s.masked_fill_(torch.arange(s.shape[1]) >= n[:, None], 0), n, y)
                )
            },
        ),
        recognise=CHANGES_ITS_INPUT.recognise,
    ),
    RETURNS_NOTHING,
    RETURNS_NO_TENSOR,
    EXTRA_AXIS,
    SIGN_FLIPPED,
    NEEDS_CONTIGUOUS,
    Mistake(
        "given-layers-changed",
        "The layers are not those that `__init__` was given with: one has another name, shape or kind, or is kept where the module does not see it. The check sets their weights by name, so leave `__init__` as it stands.",
        (
            _made(lambda m, vs, vt, e, h: setattr(m, "decoder", nn.GRU(e, h, batch_first=True))),
            _made(lambda m, vs, vt, e, h: setattr(m, "decoder", nn.RNN(e + h, h, batch_first=True))),
            _made(lambda m, vs, vt, e, h: setattr(m, "decoder", nn.LSTM(e + h, h, batch_first=True))),
            _made(lambda m, vs, vt, e, h: setattr(m, "decoder", nn.GRU(e + h, h, 2, batch_first=True))),
            _made(lambda m, vs, vt, e, h: setattr(m, "output", nn.Linear(h, vt, bias=False))),
            _made(lambda m, vs, vt, e, h: setattr(m, "output", nn.Linear(h, vs))),
            _made(lambda m, vs, vt, e, h: setattr(m, "extra", nn.Linear(h, h))),
        ),
        recognise=_cases(_layers_changed),
    ),
    Mistake(
        "uninitialised-memory",
        "A layer's weights are memory as it was found: any number may stand there, NaN too, and no seed helps. The given `__init__` makes layers that initialise themselves.",
        (_made(_plain_table),),
        recognise=_newborn(lambda p: not bool(p.isfinite().all())),
    ),
    Mistake(
        "constant-initialisation",
        "All entries of a new layer are equal: units that start equal stay equal, since they get the same gradient. Leave the layers as PyTorch makes them.",
        (_made(_zeros),),
        recognise=_newborn(lambda p: p.numel() > 1 and bool((p == p.flatten()[0]).all())),
    ),
    Mistake(
        "fixed-seed-inside",
        "Every new module has the same numbers, whatever the seed outside is: a seed is set inside the module. Leave seeds to the caller.",
        ({"make": _seeded},),
        recognise=_cases(_seeds_agree),
    ),
    *(_when_all(m) if m.general else m for m in LAST_RESORTS),
)


SEQ2SEQ = Exercise(
    name="Seq2Seq",
    lesson=LESSON,
    asked="An nn.Module(source_vocab, target_vocab, embed_dim, hidden_dim) whose `__init__` and `encode` are given. Complete forward(source, lengths, inputs): z from `encode`, the embedded inputs joined with z at every "
    "step as [embedded; z], the decoder started with z, and the output layer on each of its states. It returns logits (B, T, V).",
    arguments=("source (B, S)", "lengths (B)", "inputs (B, T)"),
    returns=("logits (B, T, V)",),
    construct=("source_vocab", "target_vocab", "embed_dim", "hidden_dim"),
    parameters={
        "source_embedding.weight": "(Vs, E)",
        "encoder.weight_ih_l0": "(3H, E)",
        "encoder.weight_hh_l0": "(3H, H)",
        "encoder.bias_ih_l0": "(3H)",
        "encoder.bias_hh_l0": "(3H)",
        "target_embedding.weight": "(V, E)",
        "decoder.weight_ih_l0": "(3H, E + H)",
        "decoder.weight_hh_l0": "(3H, H)",
        "decoder.bias_ih_l0": "(3H)",
        "decoder.bias_hh_l0": "(3H)",
        "output.weight": "(V, H)",
        "output.bias": "(V)",
    },
    reference=seqattn_ref.Seq2Seq,
    build=_build_seq2seq,
    checks=(
        Check("The logits have shape (B, T, V)", 0.5, _seq2seq_shapes, ("shape",)),
        Check(
            "Step i reads [embedded y^{i-1}; z], the decoder starts with z, and the output layer reads its states",
            1.5,
            _seq2seq_steps,
        ),
        Check(
            "z comes from the last real token of each source, whatever the padding holds", 1, _seq2seq_lengths
        ),
        Check("It stays right when a size is 1", 0.5, _seq2seq_ones),
        Check(
            "Gradients reach every parameter of encoder and decoder", 0.5, _seq2seq_gradients, ("gradients",)
        ),
        Check(
            "Its layers are those that were given, and start with random numbers",
            0.5,
            _seq2seq_layers,
            ("parameters", "fresh"),
            across=seeds_differ,
        ),
        Check(
            "It gives the same answer twice, keeps nothing from call to call, works in float64 and bfloat16, for large numbers, and leaves its inputs as they were",
            0.5,
            _seq2seq_robust,
            ("inputs", "dtype", "values"),
            also=finite_gradients,
        ),
    ),
    mistakes=_SEQ2SEQ_MISTAKES,
    hints=(
        "Four steps: z from self.encode, the embedded inputs from self.target_embedding, all T steps of self.decoder in one call, and self.output on what it gives.",
        "The decoder was made for inputs of size E + H. Each step gets the embedded token and z side by side. z is (B, H) and has no axis of steps yet.",
        "A new axis and expand make (B, T, H) out of z. torch.cat along the last axis then gives (B, T, E + H), the embedded token first.",
        "A GRU takes its first state as (1, B, H), and gives back all its states (B, T, H) and the last one. The logits need all of them.",
        "To follow a printed case by hand: its biases 20 and −20 open the gates, so each GRU is h' = tanh(W x + W' h), with W and W' the last H rows of its weights. Work out z, then the first state.",
    ),
)

# ---- accuracy_by_length: a right one, in pieces


def _build_accuracy(right=None, bins=None, count=None, share=None, give=None, whole=None, outer=None):
    """accuracy_by_length out of pieces: which sequences are `right` (N,), which belong to each length (`bins`,
    (K, N)), how many those are (`count`), and what `share` of them is right.
    """
    right = right or (lambda p, t, m: ((p == t) | ~m).all(1))
    bins = bins or (lambda lengths, at, t, m: lengths[None] == at[:, None])
    count = count or (lambda chosen, m: chosen.sum(1))
    share = share or (lambda hits, n, total: hits / n.clamp(min=1))
    give = give or (lambda accuracy, n, hits: (accuracy, n))

    def answer(p, t, m, lengths, at):
        chosen = bins(lengths, at, t, m)
        n = count(chosen, m)
        hits = (chosen * right(p, t, m)).sum(1)
        return give(share(hits, n, len(p)).float(), n, hits)

    return wrapped(outer, whole or answer)


# ---- accuracy_by_length: its cases

_EOS = 2


def _written(
    draw: Draw,
    lengths: Tensor,
    steps: int,
    wrong: float = 0.5,
    pads: int | None = None,
    extra: int = 0,
) -> tuple[Tensor, Tensor, Tensor]:
    """Targets of these lengths (and `extra` tokens more) with eos, and predictions of which about the share
    `wrong` has a mistake. `pads`: what padding holds in both, or None for anything, different in both.
    """
    count = len(lengths)
    ends = lengths + extra
    places = torch.arange(steps)
    mask = places <= ends[:, None]
    targets = draw.whole(count, steps, low=3, high=9, dtype=torch.int64)
    targets = targets.masked_fill(places == ends[:, None], _EOS)
    predictions = targets.clone()
    for b in range(count):
        if draw.integer(0, 99) < 100 * wrong:
            spoiled = draw.integer(0, int(ends[b]))
            predictions[b, spoiled] = targets[b, spoiled] + 1
    if pads is None:
        noise = draw.whole(count, steps, low=3, high=9, dtype=torch.int64)
        return predictions.where(mask, noise), targets.where(mask, (noise + 1) % 10), mask
    return predictions.masked_fill(~mask, pads), targets.masked_fill(~mask, pads), mask


def _case(draw: Draw, lengths: list[int], at: list[int], steps: int, **how) -> Case:
    lengths = torch.tensor(lengths)
    return ask(*_written(draw, lengths, steps, **how), lengths, torch.tensor(at))


def _mask(*rows: str) -> Tensor:
    return torch.tensor([[place == "1" for place in row] for row in rows])


def _small(predictions, targets, mask, lengths, at) -> Case:
    return ask(
        torch.tensor(predictions), torch.tensor(targets), mask, torch.tensor(lengths), torch.tensor(at)
    )


def _accuracy_shapes(draw: Draw) -> Iterator[Case]:
    yield _case(draw, [1, 2, 2], [1, 2], 5, pads=0, extra=2)
    yield _case(draw, [2, 1, 2, 3], [3, 1, 2, 5, 4], 5, pads=0)
    yield _case(draw, [1], [1], 2, pads=0)


def _accuracy_whole(draw: Draw) -> Iterator[Case]:
    """Everything of one length, nothing padded: which sequences are right?"""
    full = _mask("111", "111")
    yield _small([[5, 6, 2]], [[5, 6, 2]], _mask("111"), [2], [2])
    yield _small([[5, 7, 2]], [[5, 6, 2]], _mask("111"), [2], [2])
    yield _small([[5, 6, 2], [6, 5, 2]], [[5, 6, 2], [5, 6, 2]], full, [2, 2], [2])
    yield _small([[5, 6, 7], [5, 6, 2]], [[5, 6, 2], [5, 6, 2]], full, [2, 2], [2])
    yield _small([[4, 6, 2], [7, 6, 2]], [[5, 6, 2], [7, 6, 2]], full, [2, 2], [2])
    yield _small([[5, 7, 2], [5, 5, 2], [5, 6, 2]], [[5, 6, 2]] * 3, _mask("111", "111", "111"), [2] * 3, [2])
    # Longer where the source is not: what counts is the source's length.
    yield _case(draw, [4] * 7, [4], 5)
    yield _case(draw, [3] * 8, [3], 5, wrong=0.3, extra=1)


def _accuracy_padding(draw: Draw) -> Iterator[Case]:
    yield _small([[5, 2, 9]], [[5, 2, 0]], _mask("110"), [1], [1])
    yield _small([[5, 2, 2], [6, 2, 2]], [[5, 2, 0], [5, 2, 0]], _mask("110", "110"), [1, 1], [1])
    yield _small([[5, 7, 0]], [[5, 2, 0]], _mask("110"), [1], [1])
    yield _small([[5, 2, 0]], [[5, 2, 9]], _mask("110"), [1], [1])
    yield _case(draw, [2] * 6, [2], 6)
    yield _case(draw, [2] * 6, [2], 6, pads=0)
    # Token 0 where the mask says that it is real; a mask with holes; a row with nothing to get wrong.
    yield _small([[4, 2], [0, 2]], [[0, 2], [0, 2]], _mask("11", "11"), [1, 1], [1])
    yield _small([[5, 9, 2], [5, 6, 7]], [[5, 6, 2], [5, 8, 2]], _mask("101", "101"), [1, 1], [1])
    yield _small([[5, 6], [5, 7]], [[7, 8], [5, 6]], _mask("00", "11"), [1, 1], [1])
    yield _case(draw, [1] * 5, [1], 4, wrong=0.0)


def _accuracy_lengths(draw: Draw) -> Iterator[Case]:
    yield _small([[5, 2, 0], [5, 7, 2]], [[5, 2, 0], [5, 6, 2]], _mask("110", "111"), [1, 2], [1, 2])
    yield _small([[5, 2, 0], [5, 7, 2]], [[5, 2, 0], [5, 6, 2]], _mask("110", "111"), [1, 2], [2])
    yield _small(
        [[5, 2, 0], [5, 6, 2], [4, 2, 0]],
        [[5, 2, 0], [5, 6, 2], [5, 2, 0]],
        _mask("110", "111", "110"),
        [1, 2, 1],
        [2, 1],
    )
    # A target that is longer than its source.
    yield _small([[5, 6, 7, 2]], [[5, 6, 7, 2]], _mask("1111"), [1], [1, 2, 3, 4])
    yield _case(draw, [1, 3, 3, 2, 1, 3, 2, 2, 2], [3, 1, 2], 7, extra=2)
    yield _case(draw, [1, 3, 3, 2, 1, 2, 2, 3], [2, 1, 2], 5)
    yield _case(draw, [5, 5, 3, 3, 3, 4, 3, 3], [3, 5, 4], 9, wrong=0.4, extra=2)
    yield _case(draw, [2, 2, 1, 1, 1, 1, 2, 1, 1, 1, 2, 1], [2, 1], 6, wrong=0.7, extra=2)


def _accuracy_absent(draw: Draw) -> Iterator[Case]:
    yield _small([[5, 2]], [[5, 2]], _mask("11"), [1], [2])
    yield _small([[5, 2]], [[5, 2]], _mask("11"), [1], [2, 1])
    yield _case(draw, [2, 4, 2, 4, 4], [1, 2, 3, 4, 7], 6)
    yield _case(draw, [2, 4, 4], [9, 8], 6)
    # Length 0 is one that may occur, like any other.
    yield _small([[2, 7], [2, 9]], [[2, 0], [2, 0]], _mask("10", "10"), [0, 0], [0, 1])


def _accuracy_robust(draw: Draw) -> Iterator[Case]:
    yield _case(draw, [2, 1, 2], [1, 2], 3, pads=0)
    lengths, at = [1, 3, 2, 2, 3, 1], [3, 1, 2]
    calls = []
    for _ in range(2):
        p, t, m = _written(draw, torch.tensor(lengths), 5)
        calls.append(Call((p, t, m, torch.tensor(lengths), torch.tensor(at))))
    p, t, m, n, a = calls[0].args
    yield ask(*(draw.strided(x) for x in (p, t, m)), n, a)
    yield ask(*(x.to(torch.int32) for x in (p, t)), m, n.to(torch.int32), a.to(torch.int32))
    longer = Call(
        (*_written(draw, torch.tensor([2, 4, 1]), 6), torch.tensor([2, 4, 1]), torch.tensor([4, 2]))
    )
    yield Case((calls[0], calls[1], longer, calls[0]))
    # More sequences, and larger tokens, than 8 bits count or a half-precision number tells apart.
    many = torch.full((301,), 1)
    p, t, m = _written(draw, many, 2, wrong=0.1)
    yield ask(p, t, m, many, torch.tensor([1, 2]))
    yield _small([[259, 2], [2049, 2]], [[3, 2], [2048, 2]], _mask("11", "11"), [1, 1], [1])
    # One place a row; one row; one length.
    yield _small([[2], [3], [2]], [[2], [2], [2]], _mask("1", "1", "1"), [0, 0, 0], [0])
    yield _case(draw, [3], [3, 2], 5, wrong=0)


# ---- accuracy_by_length: its mistakes


def _side_by_side(results: Callable[[Tensor, Tensor], tuple]) -> Callable:
    return lambda p, t, m, n, at: results(n == at, ((p == t) | ~m).all(1))


def _adds_up(f: Callable) -> Callable:
    """Keeps the tallies of earlier calls."""
    tallies: dict = {}

    def answer(*args):
        accuracy, n = f(*args)
        key = tuple(args[4].tolist())
        hits, count = tallies.get(key, (0, 0))
        tallies[key] = hits, count = hits + accuracy * n, count + n
        return hits / count.clamp(min=1), count

    return answer


def _on_both(change: Callable[[Tensor], object]) -> dict:
    return {"outer": lambda f: lambda *args: tuple(change(r) for r in f(*args))}


def _pooled(p, t, m, lengths, at, of: Callable) -> tuple[Tensor, Tensor]:
    """Single tokens counted together over all sequences of a length."""
    chosen = lengths[None] == at[:, None]
    right, real = of(p, t, m)
    total = (chosen[:, :, None] & real).sum((1, 2))
    accuracy = (chosen[:, :, None] & right & real).sum((1, 2)) / total.clamp(min=1)
    return accuracy, chosen.sum(1)


def _sorted_rows(x: Tensor, m: Tensor) -> Tensor:
    return x.masked_fill(~m, -1).sort(1).values


def _at_is_range(first: int) -> dict:
    return {"bins": lambda n, at, t, m: n[None] == torch.arange(first, first + len(at))[:, None]}


_ACCURACY_MISTAKES = (
    Mistake(
        "single-tokens-counted",
        "This is the share of single tokens that are right. Here a sequence counts as a whole: one wrong token makes it wrong.",
        (
            {"right": lambda p, t, m: ((p == t) & m).sum(1) / m.sum(1)},
            {"whole": lambda *a: _pooled(*a, of=lambda p, t, m: (p == t, m))},
            {"right": lambda p, t, m: ((p == t) | ~m).float().mean(1)},
            {"right": lambda p, t, m: (p == t).float().mean(1)},
            {"right": lambda p, t, m: ((p == t) & m).float().mean(1)},
            {"whole": lambda *a: _pooled(*a, of=lambda p, t, m: (p == t, torch.ones_like(m)))},
        ),
    ),
    Mistake(
        "pads-counted-as-errors",
        "The padding is compared as well, so that a right sequence counts as wrong when the model wrote anything after its end. Only places where the mask is True matter.",
        (
            {"right": lambda p, t, m: (p == t).all(1)},
            {"right": lambda p, t, m: ((p == t) & m).all(1)},
            {"right": lambda p, t, m: p.masked_fill(~m, 0).eq(t).all(1)},
            {"right": lambda p, t, m: p.eq(t.masked_fill(~m, 0)).all(1)},
            {"right": lambda p, t, m: p.masked_fill(~m, -1).eq(t).all(1)},
        ),
    ),
    Mistake(
        "mask-inverted",
        "The padding decides, and the real tokens do not. True in the mask means a real token.",
        (
            {"right": lambda p, t, m: ((p == t) | m).all(1)},
            {"right": lambda p, t, m: ((p == t) & ~m).any(1)},
        ),
    ),
    Mistake(
        "one-right-token-is-enough",
        "A sequence counts as right when a single token of it is: any where all is meant.",
        (
            {"right": lambda p, t, m: ((p == t) & m).any(1)},
            {"right": lambda p, t, m: (p == t).any(1)},
            {"right": lambda p, t, m: ((p == t) | ~m).any(1)},
        ),
    ),
    Mistake(
        "one-place-decides",
        "Only one token of each sequence is looked at, the first or the last. Every real token has to be right.",
        (
            {"right": lambda p, t, m: p[:, 0] == t[:, 0]},
            {
                "right": lambda p, t, m: (lambda last: p.gather(1, last) == t.gather(1, last))(
                    m.sum(1)[:, None] - 1
                )[:, 0]
            },
            {"right": lambda p, t, m: p[:, -1] == t[:, -1]},
        ),
    ),
    Mistake(
        "some-errors-forgiven",
        "A sequence with a mistake still counts as right: one error is let pass, or most tokens are enough. All real tokens have to be right.",
        (
            {"right": lambda p, t, m: ((p != t) & m).sum(1) < 2},
            {"right": lambda p, t, m: 2 * ((p == t) & m).sum(1) > m.sum(1)},
            {"right": lambda p, t, m: 2 * ((p == t) & m).sum(1) >= m.sum(1)},
        ),
    ),
    Mistake(
        "shifted-by-one",
        "The predictions are held to the tokens one place before or after. Place i of the predictions belongs to place i of the targets: both begin with the first token after bos.",
        (
            {"right": lambda p, t, m: ((p == torch.cat([t[:, :1], t[:, :-1]], 1)) | ~m).all(1)},
            {"right": lambda p, t, m: (p[:, 1:].eq(t[:, :-1]) | ~m[:, 1:]).all(1)},
            {"right": lambda p, t, m: (p[:, :-1].eq(t[:, 1:]) | ~m[:, 1:]).all(1)},
            {"right": lambda p, t, m: ((p.roll(1, 1) == t) | ~m).all(1)},
        ),
    ),
    Mistake(
        "mask-made-anew",
        "The mask is not used as it is: it is made anew from the lengths of the sources, or from token 0, or taken for a number of places at the front. The target may be longer or shorter than the source, and token 0 may be real.",
        (
            {
                "outer": lambda f: (
                    lambda p, t, m, n, at: f(p, t, torch.arange(t.shape[1]) <= n[:, None], n, at)
                )
            },
            {"outer": lambda f: lambda p, t, m, n, at: f(p, t, torch.arange(t.shape[1]) < n[:, None], n, at)},
            {"outer": lambda f: lambda p, t, m, n, at: f(p, t, m & (t != 0), n, at)},
            {"outer": lambda f: lambda p, t, m, n, at: f(p, t, t != 0, n, at)},
            {
                "outer": lambda f: (
                    lambda p, t, m, n, at: f(p, t, torch.arange(t.shape[1]) < m.sum(1)[:, None], n, at)
                )
            },
            {"outer": lambda f: lambda p, t, m, n, at: f(p, t, m[:, :1] | m, n, at)},
            {"right": lambda p, t, m: ((p == t) & m).sum(1) == m.sum(1).max()},
        ),
    ),
    Mistake(
        "row-without-tokens-is-wrong",
        "A row whose mask is all False has nothing in it that could be wrong, so it is right: `all` of nothing is True.",
        (
            {"right": lambda p, t, m: ((p == t) | ~m).all(1) & m.any(1)},
            {"right": lambda p, t, m: ((p == t) & m).sum(1) / m.sum(1) == 1},
        ),
    ),
    Mistake(
        "tokens-narrowed",
        "The tokens are turned into numbers with less room, so that different ones become equal. Compare them as they come.",
        (
            {"right": lambda p, t, m: ((p.to(torch.uint8) == t.to(torch.uint8)) | ~m).all(1)},
            {"right": lambda p, t, m: ((p.half() == t.half()) | ~m).all(1)},
            {"right": lambda p, t, m: ((p.bfloat16() == t.bfloat16()) | ~m).all(1)},
            {"right": lambda p, t, m: torch.isclose(p.float(), t.float(), rtol=1e-3).logical_or(~m).all(1)},
        ),
    ),
    Mistake(
        "eos-left-out",
        "The last real token of each sequence, eos, is not looked at. A model that does not stop where it should is wrong.",
        (
            {
                "right": lambda p, t, m: (
                    (p == t) | ~(m & m.roll(-1, 1) & (torch.arange(m.shape[1]) < m.shape[1] - 1))
                ).all(1)
            },
            {"right": lambda p, t, m: ((p == t) | ~m | (t == _EOS)).all(1)},
            {"right": lambda p, t, m: ((p == t) | ~m)[:, :-1].all(1)},
        ),
    ),
    Mistake(
        "first-token-left-out",
        "The first token of each sequence is not looked at.",
        ({"right": lambda p, t, m: ((p == t) | ~m)[:, 1:].all(1)},),
    ),
    Mistake(
        "differences-cancel",
        "Sums over the sequence are compared, and in a sum one mistake can hide another: 5 6 and 6 5 have the same one. Compare place by place.",
        (
            {"right": lambda p, t, m: ((p - t) * m).sum(1) == 0},
            {"right": lambda p, t, m: (_sorted_rows(p, m) == _sorted_rows(t, m)).all(1)},
            {"right": lambda p, t, m: ((p - t) * m).amax(1) == 0},
            {"right": lambda p, t, m: ((p - t) * m).float().mean(1) == 0},
        ),
    ),
    Mistake(
        "binned-by-target-length",
        "The sequences are sorted by the length of their target (its mask), with or without eos. `lengths` says how long each source is, and that is what counts.",
        (
            {"bins": lambda n, at, t, m: m.sum(1)[None] == at[:, None]},
            {"bins": lambda n, at, t, m: m.sum(1)[None] - 1 == at[:, None]},
            {"bins": lambda n, at, t, m: (t != 0).sum(1)[None] == at[:, None]},
            {"bins": lambda n, at, t, m: (t > _EOS).sum(1)[None] == at[:, None]},
        ),
    ),
    Mistake(
        "off-by-one",
        "The sequences of the length beside it are counted: each result stands one length too high or too low.",
        (
            {"bins": lambda n, at, t, m: n[None] == at[:, None] + 1},
            {"bins": lambda n, at, t, m: n[None] == at[:, None] - 1},
        ),
    ),
    Mistake(
        "cumulative",
        "All sequences up to this length, or from it on, are counted together. Each entry speaks of one length alone.",
        (
            {"bins": lambda n, at, t, m: n[None] <= at[:, None]},
            {"bins": lambda n, at, t, m: n[None] >= at[:, None]},
            {"bins": lambda n, at, t, m: n[None] < at[:, None]},
            {"bins": lambda n, at, t, m: torch.ones_like(n[None] == at[:, None])},
            {
                "whole": lambda p, t, m, n, at: (
                    lambda hits, count: (hits.cumsum(0) / count.cumsum(0).clamp(min=1), count)
                )(
                    ((n[None] == at[:, None]) & ((p == t) | ~m).all(1)).sum(1),
                    (n[None] == at[:, None]).sum(1),
                )
            },
        ),
    ),
    Mistake(
        "at-ignored",
        "The lengths to report on are not those in `at`: they are counted up from 0 or 1, or taken from the data. Give one entry for each entry of `at`.",
        (
            _at_is_range(1),
            _at_is_range(0),
            {"outer": lambda f: lambda p, t, m, n, at: f(p, t, m, n, n.unique())},
            {"outer": lambda f: lambda p, t, m, n, at: f(p, t, m, n, torch.arange(int(n.max()) + 1))},
            {"outer": lambda f: lambda p, t, m, n, at: f(p, t, m, n, torch.arange(1, int(n.max()) + 1))},
            {"outer": lambda f: lambda p, t, m, n, at: f(p, t, m, n, torch.arange(int(at.max()) + 1))},
            {"outer": lambda f: lambda p, t, m, n, at: f(p, t, m, n, torch.arange(1, int(at.max()) + 1))},
            {"bins": lambda n, at, t, m: n[None] == at.max().expand_as(at)[:, None]},
            {"bins": lambda n, at, t, m: n[None] == at[:1].expand_as(at)[:, None]},
        ),
    ),
    Mistake(
        "nearest-length",
        "A sequence whose length is not in `at` is counted at another length there, the nearest or the next. It belongs to no entry.",
        (
            {"bins": lambda n, at, t, m: _nearest(n, at)[None] == at[:, None]},
            {"bins": lambda n, at, t, m: _next_above(n, at)[None] == at[:, None]},
            {"bins": lambda n, at, t, m: n.clamp(max=at.max())[None] == at[:, None]},
            {"bins": lambda n, at, t, m: n[None] == at.clamp(max=n.max())[:, None]},
            {
                "bins": lambda n, at, t, m: (
                    torch.searchsorted(at.sort().values, n.to(at.dtype)).clamp(max=len(at) - 1)[None]
                    == torch.arange(len(at))[:, None]
                )
            },
        ),
    ),
    Mistake(
        "last-entry-lost",
        "One entry of `at` gets no result: look at where a loop ends.",
        (
            {
                "bins": lambda n, at, t, m: (
                    (n[None] == at[:, None]) & (torch.arange(len(at)) < len(at) - 1)[:, None]
                )
            },
            {"bins": lambda n, at, t, m: (n[None] == at[:, None]) & (torch.arange(len(at)) > 0)[:, None]},
        ),
    ),
    Mistake(
        "order-of-at-lost",
        "The results are sorted by length, or a length that stands twice in `at` comes once. Entry k belongs to at[k], as it stands.",
        (
            {"outer": lambda f: lambda p, t, m, n, at: f(p, t, m, n, at.sort().values)},
            {"outer": lambda f: lambda p, t, m, n, at: f(p, t, m, n, at.unique())},
            {"outer": lambda f: lambda p, t, m, n, at: f(p, t, m, n, at.flip(0))},
            {
                "outer": lambda f: (
                    lambda p, t, m, n, at: f(p, t, m, n, torch.tensor(list(dict.fromkeys(at.tolist()))))
                )
            },
        ),
    ),
    Mistake(
        "later-entry-of-at-wins",
        "A length that stands twice in `at` has its result at one of the two places only. Both get it.",
        (
            {"bins": lambda n, at, t, m: (n[None] == at[:, None]) & ~_seen_before(at)[:, None]},
            {
                "bins": lambda n, at, t, m: (
                    (n[None] == at[:, None]) & ~_seen_before(at.flip(0)).flip(0)[:, None]
                )
            },
        ),
    ),
    Mistake(
        "nan-for-an-absent-length",
        "For a length that does not occur 0 is divided by 0, which is NaN. Decide what to divide by when there is nothing to count.",
        ({"share": lambda hits, n, total: hits / n},),
    ),
    Mistake(
        "absent-length-not-zero",
        "A length that does not occur gets another accuracy than 0, or is left out.",
        (
            {"share": lambda hits, n, total: (hits / n).nan_to_num(1.0)},
            {"share": lambda hits, n, total: (hits / n).nan_to_num(-1.0)},
            {"share": lambda hits, n, total: (hits / n).nan_to_num(0.5)},
            {"give": lambda accuracy, n, hits: (accuracy[n > 0], n[n > 0])},
            {"bins": lambda n, at, t, m: (n[None] == at[:, None]) & (at[:, None] > 0)},
            {"give": lambda accuracy, n, hits: (accuracy.masked_fill(n < 2, 0), n)},
            {"give": lambda accuracy, n, hits: (accuracy, n.clamp(min=1))},
        ),
    ),
    Mistake(
        "results-swapped",
        "The two results have changed places: the accuracy comes first, then the count.",
        ({"give": lambda accuracy, n, hits: (n, accuracy)},),
    ),
    Mistake(
        "count-of-right-ones",
        "The second result counts the sequences that are right. It should count all sequences of that length, right or wrong.",
        ({"give": lambda accuracy, n, hits: (accuracy, hits)},),
    ),
    Mistake(
        "counts-tokens",
        "The second result counts tokens. It should count sequences.",
        tuple(
            {
                "whole": lambda p, t, m, n, at, real=real: (
                    seqattn_ref.accuracy_by_length(p, t, m, n, at)[0],
                    ((n[None] == at[:, None])[:, :, None] & (m | (not real))).sum((1, 2)),
                )
            }
            for real in (True, False)
        ),
    ),
    Mistake(
        "divided-by-all",
        "The right sequences of a length are divided by the number of all sequences of the batch. Divide by how many have this length.",
        (
            {"share": lambda hits, n, total: hits / total},
            {"share": lambda hits, n, total: hits / hits.sum().clamp(min=1)},
            {"share": lambda hits, n, total: hits / n.max().clamp(min=1)},
        ),
    ),
    Mistake(
        "number-not-share",
        "The first result is how many sequences are right. Divide it by how many there are of that length.",
        ({"share": lambda hits, n, total: hits.float()},),
    ),
    Mistake(
        "whole-numbers-divided",
        "The share is cut off or rounded: to a whole number, it is 0 unless every sequence is right. `/` gives a fraction, `//` does not.",
        (
            {"share": lambda hits, n, total: hits // n.clamp(min=1)},
            {"share": lambda hits, n, total: (hits / n.clamp(min=1)).round()},
            {"share": lambda hits, n, total: (hits / n.clamp(min=1)).round(decimals=1)},
        ),
    ),
    Mistake(
        "added-to-the-count",
        "Something is added to the count before the division, to avoid 0/0, and it lowers every other share. Guard the empty length without touching the rest.",
        (
            *({"share": lambda hits, n, total, e=e: hits / (n + e)} for e in (1, 1e-1, 1e-2)),
            {"share": lambda hits, n, total: hits / n.clamp(min=2)},
        ),
    ),
    Mistake(
        "per-cent",
        "These are per cent. The accuracy is a share, from 0 to 1.",
        ({"share": lambda hits, n, total: 100 * hits / n.clamp(min=1)},),
    ),
    Mistake(
        "errors-instead-of-accuracy",
        "This is the share of wrong sequences.",
        (
            {"share": lambda hits, n, total: (n - hits) / n.clamp(min=1)},
            {"share": lambda hits, n, total: 1 - hits / n.clamp(min=1)},
            {"right": lambda p, t, m: ~((p == t) | ~m).all(1)},
        ),
    ),
    Mistake(
        "wrong-axis",
        "The places are joined along another axis than the tokens' one. In (N, T) a sequence is a row: its tokens are axis 1.",
        (
            {"right": lambda p, t, m: ((p == t) | ~m).all(0)},
            {"right": lambda p, t, m: ((p == t) | ~m).all().expand(len(p))},
            {"right": lambda p, t, m: ((p == t) | ~m).squeeze().all(-1).expand(len(p))},
        ),
    ),
    Mistake(
        "missing-axis",
        "`lengths` (N,) and `at` (K,) are compared side by side, place by place. Every length has to meet every entry of `at`: give one of them a second axis, and the comparison is a table.",
        (
            {"whole": _side_by_side(lambda belongs, right: ((belongs & right).float(), belongs.long()))},
            {
                "whole": _side_by_side(
                    lambda belongs, right: (
                        ((belongs & right).sum() / belongs.sum().clamp(min=1))[None],
                        belongs.sum()[None],
                    )
                )
            },
        ),
    ),
    Mistake(
        "summed-over-the-lengths",
        "The table of lengths and sequences is summed over the lengths, so that one number a sequence is left. Sum over the sequences: there is one number for each entry of `at`.",
        (
            {
                "whole": lambda p, t, m, n, at: (
                    lambda table, right: ((table & right).sum(0) / table.sum(0).clamp(min=1), table.sum(0))
                )(n[None] == at[:, None], ((p == t) | ~m).all(1))
            },
        ),
    ),
    Mistake(
        "mixes-samples",
        "Row n of the predictions is not held to row n of the targets, or its length is another row's.",
        (
            {"outer": lambda f: lambda p, t, m, n, at: f(p.flip(0), t, m, n, at)},
            {"outer": lambda f: lambda p, t, m, n, at: f(p, t, m, n.flip(0), at)},
            {"outer": lambda f: lambda p, t, m, n, at: f(p, t, m, n.sort().values, at)},
            {"outer": lambda f: lambda p, t, m, n, at: f(p, t, m[:1].expand_as(m), n, at)},
        ),
    ),
    Mistake(
        "first-of-each-length-only",
        "Only one sequence of each length is looked at. Average over all of them.",
        (
            {
                "bins": lambda n, at, t, m: (
                    (n[None] == at[:, None]) & ((n[None] == at[:, None]).cumsum(1) == 1)
                )
            },
            {"right": lambda p, t, m: ((p == t) | ~m).all(1), "share": lambda hits, n, total: hits > 0},
        ),
    ),
    Mistake(
        "one-accuracy-for-all",
        "Every length gets the same accuracy, that of the whole batch. Take the sequences of each length by themselves.",
        (
            {
                "whole": lambda p, t, m, n, at: (
                    ((p == t) | ~m).all(1).float().mean().expand(len(at)),
                    (n[None] == at[:, None]).sum(1),
                )
            },
            {
                "whole": lambda p, t, m, n, at: (
                    ((p == t) | ~m).all(1).float().mean() * (n[None] == at[:, None]).any(1),
                    (n[None] == at[:, None]).sum(1),
                )
            },
        ),
    ),
    Mistake(
        "wrong-dtype",
        "The numbers are right, but not their kind: the accuracy is float32, the count int64. A sum of True and False is int64 already, and whole numbers divided with `/` give float32.",
        (
            {"give": lambda accuracy, n, hits: (accuracy.double(), n)},
            {"give": lambda accuracy, n, hits: (accuracy, n.float())},
            {"give": lambda accuracy, n, hits: (accuracy, n.int())},
            {"give": lambda accuracy, n, hits: (accuracy, n.double())},
            {"give": lambda accuracy, n, hits: (accuracy.half(), n)},
            {"give": lambda accuracy, n, hits: (accuracy.bfloat16(), n)},
            {"give": lambda accuracy, n, hits: (accuracy, n.to(torch.uint8))},
        ),
        recognise=_cases(lambda t: t.difference.aspect == "dtype"),
    ),
    Mistake(
        "count-overflows",
        "The count is kept in a kind of number that has no room for it: uint8 ends at 255, bfloat16 cannot tell 256 from 257.",
        (
            {"count": lambda chosen, m: chosen.sum(1, dtype=torch.uint8).long()},
            {"count": lambda chosen, m: chosen.sum(1).bfloat16().long()},
            {"give": lambda accuracy, n, hits: (accuracy, n.to(torch.uint8).long())},
        ),
    ),
    Mistake(
        "returns-one-result",
        "The exercise asks for two results, the accuracy and the count, as a tuple.",
        (
            {"give": lambda accuracy, n, hits: accuracy},
            {"give": lambda accuracy, n, hits: n},
            {"give": lambda accuracy, n, hits: torch.stack([accuracy, n.float()])},
            {"give": lambda accuracy, n, hits: (accuracy, n, hits)},
            {"give": lambda accuracy, n, hits: dict(enumerate(accuracy.tolist()))},
        ),
    ),
    Mistake(
        "returns-no-tensor",
        "A list, a number or an array comes back where a tensor is asked for. torch.tensor or torch.stack makes one of a list.",
        (
            _on_both(lambda r: r.tolist()),
            {"give": lambda accuracy, n, hits: (accuracy, n.tolist())},
            {"give": lambda accuracy, n, hits: (accuracy.tolist(), n)},
            _on_both(lambda r: r.numpy()),
        ),
        recognise=lambda failed: {
            i
            for i, t in enumerate(failed)
            if t.difference.aspect == "kind" and len(t.outcome.results[-1].outputs) == 2
        },
    ),
    Mistake(
        "bare-squeeze",
        BARE_SQUEEZE.hint,
        (
            _on_both(lambda r: r.squeeze()),
            {"give": lambda accuracy, n, hits: (accuracy.squeeze(), n)},
            {"give": lambda accuracy, n, hits: (accuracy, n.squeeze())},
        ),
    ),
    Mistake(
        "extra-axis",
        "The results have one axis too many. Both are (K,).",
        (_on_both(lambda r: r[:, None]), _on_both(lambda r: r[None])),
    ),
    RETURNS_NOTHING,
    Mistake(
        "changes-its-input",
        CHANGES_ITS_INPUT.hint,
        (
            *CHANGES_ITS_INPUT.variants,
            {"outer": lambda f: lambda p, t, m, n, at: f(p.masked_fill_(~m, 0), t, m, n, at)},
        ),
        recognise=CHANGES_ITS_INPUT.recognise,
    ),
    # The rule that knows it by its repeated results would take two equal counts for it.
    replace(STALE_CACHE, variants=(*STALE_CACHE.variants, {"outer": _adds_up}), recognise=None),
    NEEDS_CONTIGUOUS,
    *map(_when_all, ONLY),
)


def _nearest(lengths: Tensor, at: Tensor) -> Tensor:
    return at[(lengths[:, None] - at[None]).abs().argmin(1)]


def _next_above(lengths: Tensor, at: Tensor) -> Tensor:
    return torch.where(at[None] >= lengths[:, None], at[None], at.max() + 1).amin(1)


def _seen_before(at: Tensor) -> Tensor:
    """(K,) whether the same length stands further left."""
    return ((at[:, None] == at[None]) & (torch.arange(len(at))[None] < torch.arange(len(at))[:, None])).any(1)


ACCURACY_BY_LENGTH = Exercise(
    name="accuracy_by_length",
    lesson=LESSON,
    asked="For predictions, targets and a mask, all (N, T), the source lengths (N,), and the lengths to report on, at (K,): give the share of sequences of each length that are right at every real place, (K,) float32, "
    "and how many sequences of that length there are, (K,) int64. A length that does not occur has accuracy 0 and count 0.",
    arguments=("predictions (N, T)", "targets (N, T)", "mask (N, T)", "lengths (N)", "at (K)"),
    returns=("accuracy (K)", "count (K)"),
    reference=seqattn_ref.accuracy_by_length,
    build=_build_accuracy,
    checks=(
        Check("It returns the accuracy and the count, both of shape (K,)", 0.5, _accuracy_shapes, ("shape",)),
        Check(
            "A sequence is right when every real token of it is, and the accuracy is the share of right ones",
            1,
            _accuracy_whole,
        ),
        Check("Padding counts for nothing, whatever stands there", 0.5, _accuracy_padding),
        Check(
            "Entry k speaks of the sources of length at[k] alone, in the order of `at`", 1, _accuracy_lengths
        ),
        Check("A length that does not occur gets accuracy 0 and count 0", 0.5, _accuracy_absent),
        Check(
            "The accuracy is float32 and the count int64, for whole numbers of any kind and layout, and the inputs stay as they were",
            0.5,
            _accuracy_robust,
            ("inputs", "dtype", "values"),
        ),
    ),
    mistakes=_ACCURACY_MISTAKES,
    hints=(
        "First find which sequences are right, (N,): at each place the token is right or the place is padding, and this must hold for all places.",
        "Then which sequences have which length: comparing `at` as a column (K, 1) with `lengths` (N,) gives (K, N), True where sequence n has length at[k].",
        "The count is a sum of that table over its sequences. The right ones of each length are a sum too, of the table and the first result taken together.",
        "The share is the one divided by the other. Where the count is 0, divide by something else, so that 0 comes out.",
    ),
)

EXERCISES = (SEQ2SEQ, ACCURACY_BY_LENGTH)
