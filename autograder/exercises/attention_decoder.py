"""Exercises of lesson 07. Here is the whole decoder; one step of it and the gradient through an alignment have files
of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, one_hot

import seqattn_ref

from ..drawing import Draw
from ..exercise import Check, Exercise, Mistake
from ..judging import Tried
from ..sandbox.case import Call, Case, Construct
from .additive import ADDITIVE_ATTENTION
from .alignment_gradient import ALIGNMENT_GRADIENT
from .anywhere import (
    BARE_SQUEEZE,
    CHANGES_ITS_INPUT,
    DETACHED,
    DIFFERENT_EACH_CALL,
    HARD_CODED_DTYPE,
    MIXES_SAMPLES,
    NEEDS_CONTIGUOUS,
    RETURNS_NOTHING,
    without,
)
from .common import finite_gradients, wrapped
from .decoder_step import (
    DECODER_STEP,
    LESSON,
    STEP_CUTS,
    STEP_DTYPES,
    STEP_MISTAKES,
    joined,
    look_with,
    mean_of_keys,
    no_context,
    one_step,
    ones_and_minus_ones,
    same_width,
)
from .modules import parameter_mistakes, seeds_differ
from .several import (
    DTYPES_OF_SEVERAL,
    LAST_RESORTS_OF_SEVERAL,
    fails_without_a_mask,
    mixing,
    not_the_asked_results,
    on_arguments,
    on_each,
    on_one,
    writes_to,
)

# ---- AttentionDecoder


def _make(
    module: nn.Module,
    vocab: int,
    embed_dim: int,
    hidden_dim: int,
    key_dim: int,
    attn_dim: int,
    attention: Mapping[str, object] | None = None,
) -> None:
    scorer = ADDITIVE_ATTENTION.build(**attention) if attention else seqattn_ref.AdditiveAttention
    module.embedding = nn.Embedding(vocab, embed_dim)
    module.attention = scorer(hidden_dim, key_dim, attn_dim)
    module.cell = nn.GRUCell(embed_dim + key_dim, hidden_dim)
    module.output = nn.Linear(hidden_dim, vocab)


def _build_decoder(
    attention=None,
    embed=None,
    make=None,
    feed=None,
    start=None,
    carry=None,
    read=None,
    pack=None,
    whole=None,
    give=None,
    outer=None,
    **pieces,
) -> type[nn.Module]:
    """A decoder class out of pieces.

    `feed(inputs, i, logits)` gives the tokens of step i, `start(state)` the first state, `carry(new, old,
    first)` the next one, `read(module, new, context, old, embedded)` the logits of a step, `pack(steps)` joins
    the steps, `give(logits, weights)` makes the result, `embed(module, tokens)` embeds, and `attention` holds
    pieces of the scorer. `whole(module, step, inputs, state, keys, mask)` takes
    the place of the loop. The other pieces are those of one step.
    """
    step = one_step(**pieces)
    embed = embed or (lambda module, tokens: module.embedding(tokens))
    feed = feed or (lambda inputs, i, logits: inputs[:, i])
    start = start or (lambda state: state)
    carry = carry or (lambda new, old, first: new)
    read = read or (lambda module, new, context, old, embedded: module.output(new))
    pack = pack or (lambda steps: torch.stack(steps, 1))
    give = give or (lambda logits, weights: (logits, weights))

    def loop(self, step, inputs, state, keys, mask):
        first = state = start(state)
        logits, weights = [], []
        for i in range(inputs.shape[1]):
            embedded = embed(self, feed(inputs, i, logits))
            new, context, alpha = step(embedded, state, keys, mask, self.attention, self.cell)
            logits.append(read(self, new, context, state, embedded))
            weights.append(alpha)
            state = carry(new, state, first)
        return logits, weights

    class Decoder(nn.Module):
        def __init__(self, *sizes):
            super().__init__()
            (make or partial(_make, attention=attention))(self, *sizes)

        def answer(self, inputs, state, keys, mask=None):
            logits, weights = (whole or loop)(self, step, inputs, state, keys, mask)
            return give(pack(logits), pack(weights))

        def forward(self, inputs, state, keys, mask=None):
            return wrapped(outer, self.answer)(inputs, state, keys, mask)

    return Decoder


_LETTERS = "BTSVEHDA"  # D stands for Dk


def _sizes(draw: Draw, **fixed: int) -> dict[str, int]:
    return dict(zip(_LETTERS, draw.distinct(len(_LETTERS), 2, 2 + len(_LETTERS)), strict=True)) | fixed


def _few_steps(draw: Draw, **fixed: int) -> dict[str, int]:
    """Distinct sizes with a short target, since each step costs time."""
    rest = draw.distinct(len(_LETTERS) - 1, 4, 2 + len(_LETTERS) + 2)
    return {"T": 3} | dict(zip(_LETTERS.replace("T", ""), rest, strict=True)) | fixed


def _arguments(z: dict[str, int]) -> tuple[int, ...]:
    return tuple(z[letter] for letter in "VEHDA")


def _parameter_shapes(z: dict[str, int]) -> dict[str, tuple[int, ...]]:
    V, E, H, D, A = _arguments(z)
    return {
        "embedding.weight": (V, E),
        "attention.W_q.weight": (A, H),
        "attention.W_k.weight": (A, D),
        "attention.v.weight": (1, A),
        "cell.weight_ih": (3 * H, E + D),
        "cell.weight_hh": (3 * H, H),
        "cell.bias_ih": (3 * H,),
        "cell.bias_hh": (3 * H,),
        "output.weight": (V, H),
        "output.bias": (V,),
    }


def _made(fill: Callable[..., Tensor], z: dict[str, int], dtype: torch.dtype = torch.float32) -> Construct:
    named = {name: fill(*shape).to(dtype) for name, shape in _parameter_shapes(z).items()}
    return Construct(_arguments(z), dtype, named)


def _born(z: dict[str, int], seed: int = 0) -> Case:
    return Case((), Construct(_arguments(z)), seed)


def _tokens(draw: Draw, z: dict[str, int]) -> Tensor:
    return draw.whole(z["B"], z["T"], low=0, high=z["V"] - 1, dtype=torch.int64)


def _decoder_call(
    draw: Draw,
    z: dict[str, int],
    mask: Tensor | None = None,
    fill=None,
    gradient: bool = False,
    dtype: torch.dtype = torch.float32,
    keys: Tensor | None = None,
) -> Call:
    fill = fill or draw.normal
    state = fill(z["B"], z["H"])
    keys = fill(z["B"], z["S"], z["D"]) if keys is None else keys
    tokens = _tokens(draw, z) if state.is_contiguous() else draw.strided(_tokens(draw, z))
    args = (tokens, state.to(dtype), keys.to(dtype), *(() if mask is None else (mask,)))
    wanted = (fill(z["B"], z["T"], z["V"]).to(dtype), fill(z["B"], z["T"], z["S"]).to(dtype))
    return Call(args, wanted if gradient else None)


def _decoder_case(draw: Draw, z: dict[str, int], mask: Tensor | None = None, fill=None, **rest) -> Case:
    made = _made(fill or draw.normal, z, rest.get("dtype", torch.float32))
    return Case((_decoder_call(draw, z, mask, fill, **rest),), made)


_SMALL = dict.fromkeys(_LETTERS, 1) | {"V": 2, "S": 2}


def _set_by_hand(**values: list) -> Construct:
    """A decoder of the smallest sizes: the numbers given, 0 everywhere else."""
    named = {name: torch.zeros(shape) for name, shape in _parameter_shapes(_SMALL).items()}
    for name, value in values.items():
        key = name.replace("__", ".")
        named[key] = torch.tensor(value, dtype=torch.float32).reshape(named[key].shape)
    return Construct(_arguments(_SMALL), torch.float32, named)


def _halving(draw: Draw, steps: int, gradient: bool = False) -> Case:
    """A cell of zeros halves its state at each step, and the logits are the state and twice the state."""
    state = 8.0 * draw.nonzero(1, 1, most=2)
    keys = draw.nonzero(1, 2, 1, most=2)
    inputs = torch.tensor([[1, 0, 1, 1][:steps]])
    wanted = (draw.nonzero(1, steps, 2), draw.nonzero(1, steps, 2)) if gradient else None
    return Case((Call((inputs, state, keys), wanted),), _set_by_hand(output__weight=[1.0, 2.0]))


def _joining(draw: Draw, steps: int, gradient: bool = False) -> Case:
    """A cell whose new state is tanh(token + 2 context), with keys whose mean is 0 or 1: its update gate is
    closed. The token is 1 or −1.
    """
    made = _set_by_hand(
        embedding__weight=[-1.0, 1.0],
        cell__weight_ih=[0.0, 0.0, 0.0, 0.0, 1.0, 2.0],
        cell__bias_ih=[0.0, -100.0, 0.0],
        attention__W_q__weight=[1.0],
        attention__W_k__weight=[1.0],
        attention__v__weight=[2.0],
        output__weight=[1.0, 2.0],
    )
    inputs = torch.tensor([[0, 1, 0, 0][:steps]])
    wanted = (draw.nonzero(1, steps, 2), draw.nonzero(1, steps, 2)) if gradient else None
    keys = torch.tensor([[[1.0], [-1.0]]]) * draw.nonzero(1, most=1)
    return Case((Call((inputs, torch.zeros(1, 1), keys), wanted),), made)


def _decoder_new(draw: Draw) -> Iterator[Case]:
    yield _born(_sizes(draw))
    yield _born(dict.fromkeys(_LETTERS, 3))


def _decoder_seeds(draw: Draw) -> Iterator[Case]:
    sizes = _sizes(draw)
    yield from (_born(sizes, seed) for seed in (1, 2))


def _decoder_shapes(draw: Draw) -> Iterator[Case]:
    yield _decoder_case(draw, _few_steps(draw))
    for letter in "BTS":
        yield _decoder_case(draw, _few_steps(draw, **{"T": 2, letter: 1}))


def _one_step_only(draw: Draw) -> Iterator[Case]:
    yield _joining(draw, 1)
    yield _halving(draw, 1)
    yield _decoder_case(draw, _SMALL | {"E": 2, "H": 2, "D": 2}, fill=ones_and_minus_ones(draw))
    yield _decoder_case(draw, _few_steps(draw, T=1))
    yield _decoder_case(draw, dict.fromkeys(_LETTERS, 3) | {"T": 1})
    z = _few_steps(draw, T=1, S=13)
    keys = draw.normal(z["B"], 13, z["D"])
    keys[:, 0] = 0
    yield _decoder_case(draw, z, keys=keys)


def _many_steps(draw: Draw) -> Iterator[Case]:
    yield _halving(draw, 2)
    yield _joining(draw, 3)
    yield _halving(draw, 4)
    yield _decoder_case(draw, _few_steps(draw))
    yield _decoder_case(draw, dict.fromkeys(_LETTERS, 3))
    yield _decoder_case(draw, _few_steps(draw, B=1, T=2))
    yield _decoder_case(draw, _few_steps(draw, S=1, T=2))
    yield _decoder_case(draw, dict.fromkeys(_LETTERS, 2) | {"T": 12, "S": 12})


def _decoder_masks(draw: Draw) -> Iterator[Case]:
    small = _SMALL | {"T": 2, "S": 3}
    yield _decoder_case(draw, small, torch.tensor([[True, True, False]]), ones_and_minus_ones(draw))
    z = _few_steps(draw)
    yield _decoder_case(draw, z, draw.prefix_mask(z["B"], z["S"]))
    yield _decoder_case(draw, dict.fromkeys(_LETTERS, 3), draw.prefix_mask(3, 3))
    z = _few_steps(draw, T=2, S=4)
    mask = draw.prefix_mask(z["B"], 4)
    keys = draw.normal(z["B"], 4, z["D"]).masked_fill(~mask[..., None], 1e4)
    yield _decoder_case(draw, z, mask, keys=keys)
    mask = draw.scattered_mask(z["B"], 4)
    mask[draw.integer(0, z["B"] - 1)] = False
    yield _decoder_case(draw, z, mask)
    yield _decoder_case(draw, _few_steps(draw, B=2, T=1, S=1), torch.tensor([[True], [False]]))


def _loud_decoder(draw: Draw) -> Iterator[Case]:
    """One step whose scores are near 10,000, −10,000 and 0, one sample each, and exact in float32.

    The last key scores far above the others in the last sample. The two units of the scorer follow the query
    and the key.
    """
    z = {"B": 3, "T": 1, "S": 4, "V": 2, "E": 1, "H": 2, "D": 2, "A": 2}
    made = _made(ones_and_minus_ones(draw), z)
    made.parameters["attention.W_q.weight"] = made.parameters["attention.W_k.weight"] = torch.eye(2)
    made.parameters["attention.v.weight"] = torch.tensor([[1e4, 1.0]])
    states = torch.tensor([[1e4, 0.0], [-1e4, 0.0], [0.0, 0.0]])
    keys = torch.tensor([[0.0, -1e4], [0.0, 0.0], [0.0, 1e4], [5e3, 0.0]]).expand(3, -1, -1).contiguous()
    masks = (
        torch.tensor([[True, True, True, False], [True, False, True, False], [True, True, True, False]]),
        torch.tensor([[True, True, True, False], [False, False, False, False], [True, True, True, False]]),
    )
    for mask in masks:
        wanted = draw.normal(3, 1, 2), draw.normal(3, 1, 4)
        yield Case((Call((_tokens(draw, z), states, keys, mask), wanted),), made)


def _decoder_gradients(draw: Draw) -> Iterator[Case]:
    yield _joining(draw, 2, gradient=True)
    yield _halving(draw, 2, gradient=True)
    yield _decoder_case(draw, _few_steps(draw), gradient=True)
    z = _few_steps(draw, B=3, S=4)
    mask = draw.prefix_mask(3, 4)
    mask[draw.integer(0, 2)] = False
    yield _decoder_case(draw, z, mask, gradient=True)


def _decoder_robust(draw: Draw) -> Iterator[Case]:
    z = _few_steps(draw)
    mask = draw.prefix_mask(z["B"], z["S"])
    yield _decoder_case(draw, _SMALL | {"T": 2}, torch.tensor([[True, False]]), ones_and_minus_ones(draw))
    yield _decoder_case(draw, z, draw.strided(mask), lambda *s: draw.strided(draw.normal(*s)))
    yield _decoder_case(draw, z, mask, dtype=torch.float64)
    halves = dict.fromkeys(_LETTERS, 2)
    yield _decoder_case(draw, halves, draw.prefix_mask(2, 2), draw.quarters, dtype=torch.bfloat16)
    # Large numbers, whole, and one key open: all that is summed is exact. (A second step would not be.)
    large = halves | {"T": 1, "S": 3}
    loud = _decoder_call(
        draw, large, torch.tensor([[True, False, False], [False, False, True]]), draw.nonzero, True
    )
    inputs, state, keys, real = loud.args
    made = _made(ones_and_minus_ones(draw), large)
    yield Case((Call((inputs, 1e4 * state, 1e4 * keys, real), loud.cotangents),), made)
    yield from _loud_decoder(draw)
    again, alike = (_decoder_call(draw, z, draw.prefix_mask(z["B"], z["S"])) for _ in range(2))
    alike = Call((again.args[0], *alike.args[1:]))
    between = _decoder_call(draw, z | {"T": 2, "S": 3})
    yield Case((again, alike, between, again), _made(draw.normal, z))


def _whole_with(before: Callable) -> Callable:
    """The loop, with the attention of some step held on to: `before` is given what was found so far."""

    def whole(self, step, inputs, state, keys, mask):
        logits, weights, found = [], [], []
        for i in range(inputs.shape[1]):
            embedded = self.embedding(inputs[:, i])
            context, alpha = before(self, state, keys, mask, found)
            found.append((context, alpha, state))
            state = self.cell(joined(embedded, context), state)
            logits.append(self.output(state))
            weights.append(alpha)
        return logits, weights

    return whole


def _first_look(self, state, keys, mask, found):
    return found[0][:2] if found else look_with(self.attention, state, keys, mask)


def _look_with_first_state(self, state, keys, mask, found):
    return look_with(self.attention, found[0][2] if found else state, keys, mask)


def _look_with_the_state_before(self, state, keys, mask, found):
    return look_with(self.attention, found[-1][2] if found else state, keys, mask)


def _input_feeding(self, step, inputs, state, keys, mask):
    """Luong's order: the cell with the context of the step before, then attention from the new state."""
    logits, weights, context = [], [], torch.zeros_like(keys[:, 0])
    for i in range(inputs.shape[1]):
        state = self.cell(joined(self.embedding(inputs[:, i]), context), state)
        context, alpha = look_with(self.attention, state, keys, mask)
        logits.append(self.output(state))
        weights.append(alpha)
    return logits, weights


def _cell_first(context_of: Callable) -> Callable:
    """The cell's state goes on without any context; the context only helps to write."""

    def whole(self, step, inputs, state, keys, mask):
        logits, weights = [], []
        for i in range(inputs.shape[1]):
            state = self.cell(joined(self.embedding(inputs[:, i]), context_of(keys, mask)), state)
            weights.append(look_with(self.attention, state, keys, mask)[1])
            logits.append(self.output(state))
        return logits, weights

    return whole


def _stale_keys(by_shape: bool) -> Callable:
    """Projects, or keeps, the keys of the first call only."""

    def whole(self, step, inputs, state, keys, mask):
        kept = self.__dict__.get("kept")
        if kept is None or (by_shape and kept.shape != keys.shape):
            kept = self.__dict__["kept"] = keys
        if kept.shape[:2] != keys.shape[:2]:
            mask = None
        logits, weights = [], []
        for i in range(inputs.shape[1]):
            state, _, alpha = step(self.embedding(inputs[:, i]), state, kept, mask, self.attention, self.cell)
            logits.append(self.output(state))
            weights.append(alpha)
        return logits, weights

    return whole


def _stale_scores(detached: bool) -> Callable:
    """Keeps the projected keys of the first batch of a shape; the context is made of the new keys."""

    def whole(self, step, inputs, state, keys, mask):
        W_q, W_k, v = self.attention.W_q.weight, self.attention.W_k.weight, self.attention.v.weight[0]
        kept = self.__dict__.get("projected")
        if kept is None or kept.shape[:2] != keys.shape[:2]:
            kept = keys @ W_k.T
            kept = self.__dict__["projected"] = kept.detach() if detached else kept

        def attend(queries, keys, mask):
            scores = torch.tanh((queries @ W_q.T) + kept) @ v
            if mask is not None:
                scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
            alpha = torch.softmax(scores, -1)
            alpha = (alpha if mask is None else alpha.masked_fill(~mask, 0))[:, None]
            return alpha @ keys, alpha

        logits, weights = [], []
        for i in range(inputs.shape[1]):
            state, _, alpha = step(self.embedding(inputs[:, i]), state, keys, mask, attend, self.cell)
            logits.append(self.output(state))
            weights.append(alpha)
        return logits, weights

    return whole


def _kept_state(self, step, inputs, state, keys, mask):
    """Begins where the last call of the same size ended."""
    kept = self.__dict__.get("kept")
    state = kept if kept is not None and kept.shape == state.shape else state
    logits, weights = [], []
    for i in range(inputs.shape[1]):
        state, _, alpha = step(self.embedding(inputs[:, i]), state, keys, mask, self.attention, self.cell)
        logits.append(self.output(state))
        weights.append(alpha)
    self.__dict__["kept"] = state.detach()
    return logits, weights


def _keeps_in_module(place: int) -> Callable:
    """Keeps the keys or the mask of the first call until one of another shape comes."""

    def whole(self, step, inputs, state, keys, mask):
        args = [keys, mask]
        kept = self.__dict__.get("kept")
        if args[place] is not None:
            if kept is None or kept.shape != args[place].shape:
                kept = self.__dict__["kept"] = args[place].detach().clone()
            args[place] = kept
        logits, weights = [], []
        for i in range(inputs.shape[1]):
            state, _, alpha = step(self.embedding(inputs[:, i]), state, *args, self.attention, self.cell)
            logits.append(self.output(state))
            weights.append(alpha)
        return logits, weights

    return whole


def _mask_by_step(of_step: Callable[[Tensor | None, Tensor, int, list[Tensor]], Tensor | None]) -> Callable:
    """Another mask at each step, made of the mask, the keys, the step's number and the weights so far."""

    def whole(self, step, inputs, state, keys, mask):
        logits, weights = [], []
        for i in range(inputs.shape[1]):
            here = of_step(mask, keys, i, weights)
            state, _, alpha = step(self.embedding(inputs[:, i]), state, keys, here, self.attention, self.cell)
            logits.append(self.output(state))
            weights.append(alpha)
        return logits, weights

    return whole


def _all_open(mask: Tensor | None, keys: Tensor) -> Tensor:
    return torch.ones_like(keys[..., 0], dtype=torch.bool) if mask is None else mask


def _places(keys: Tensor) -> Tensor:
    return torch.arange(keys.shape[1])


def _used_keys(weights: list[Tensor]) -> Tensor:
    return sum(one_hot(w.argmax(1), w.shape[1]) for w in weights).bool()


def _adds_up(self, step, inputs, state, keys, mask):
    """The cell gets the sum of all contexts so far."""
    total, logits, weights = torch.zeros_like(keys[:, 0]), [], []
    for i in range(inputs.shape[1]):
        context, alpha = look_with(self.attention, state, keys, mask)
        total = total + context
        state = self.cell(joined(self.embedding(inputs[:, i]), total), state)
        logits.append(self.output(state))
        weights.append(alpha)
    return logits, weights


def _by_sample(self, step, inputs, state, keys, mask):
    """Takes the rows of the inputs for their columns."""
    logits, weights = [], []
    for tokens in inputs:
        state, _, alpha = step(self.embedding(tokens), state, keys, mask, self.attention, self.cell)
        logits.append(self.output(state))
        weights.append(alpha)
    return logits, weights


def _late_context(self, step, inputs, state, keys, mask):
    """The cell gets the context of the step before."""
    late, logits, weights = torch.zeros_like(keys[:, 0]), [], []
    for i in range(inputs.shape[1]):
        context, alpha = look_with(self.attention, state, keys, mask)
        state, late = self.cell(joined(self.embedding(inputs[:, i]), late), state), context
        logits.append(self.output(state))
        weights.append(alpha)
    return logits, weights


def _gru_by_hand(gates: str, keep: bool = True, reset_first: bool = False) -> dict:
    """A GRU written out of the cell's weights: `gates` names the rows of the first two gates in their order,
    `keep` is False where the update gate is read the other way round.
    """

    def advance(cell, x, state, context):
        if x.shape[1] != cell.weight_ih.shape[1]:
            return cell(x, state)
        one_x, two_x, n_x = (x @ cell.weight_ih.T + cell.bias_ih).chunk(3, 1)
        (W_1, W_2, W_n), (b_1, b_2, b_n) = cell.weight_hh.chunk(3), cell.bias_hh.chunk(3)
        one, two = torch.sigmoid(one_x + state @ W_1.T + b_1), torch.sigmoid(two_x + state @ W_2.T + b_2)
        r, u = (one, two) if gates == "ru" else (two, one)
        u = u if keep else 1 - u
        n = torch.tanh(n_x + ((r * state) @ W_n.T + b_n if reset_first else r * (state @ W_n.T + b_n)))
        return u * state + (1 - u) * n

    return {"advance": advance}


def _inside(ids: str, per_mistake: int = 1) -> tuple[Mistake, ...]:
    """Mistakes of the scorer that a learner brings into the decoder."""
    wanted = ids.split()
    return tuple(
        Mistake(m.id, m.hint, tuple({"attention": v} for v in m.variants[:per_mistake]))
        for m in ADDITIVE_ATTENTION.mistakes
        if m.id in wanted
    )


def _own_words(inputs: Tensor, i: int, logits: list[Tensor]) -> Tensor:
    return logits[-1].argmax(-1) if logits else inputs[:, 0]


def _scrambled(steps: list[Tensor]) -> Tensor:
    x = torch.stack(steps)
    return x.reshape(x.shape[1], x.shape[0], x.shape[2])


def _with_modules(**others: Callable) -> Callable:
    """Makes the modules, and puts others (of vocab, embed, hidden, key and attention size) in their place."""

    def make(module, *sizes):
        _make(module, *sizes)
        for name, new in others.items():
            setattr(module, name, new(*sizes))

    return make


def _renamed(**names: str) -> Callable:
    def make(module, *sizes):
        _make(module, *sizes)
        for old, new in names.items():
            part = getattr(module, old)
            delattr(module, old)
            setattr(module, new, part)

    return make


def _in_a_list(module, *sizes):
    """Modules in a plain list: none of them is registered."""
    holder = nn.Module()
    _make(holder, *sizes)
    module.parts = [holder.embedding, holder.attention, holder.cell, holder.output]


def _one_in_a_list(name: str) -> Callable:
    def make(module, *sizes):
        _make(module, *sizes)
        part = getattr(module, name)
        delattr(module, name)
        module.__dict__[name] = part

    return make


def _filled(change: Callable[[Tensor], object]) -> Callable:
    def make(module, *sizes):
        _make(module, *sizes)
        for parameter in module.parameters():
            with torch.no_grad():
                change(parameter)

    return make


def _seeded(module, *sizes):
    torch.manual_seed(0)
    _make(module, *sizes)


def _scorer_with_bias(*layers: str) -> Callable:
    def make(module, vocab, embed_dim, hidden_dim, key_dim, attn_dim):
        _make(module, vocab, embed_dim, hidden_dim, key_dim, attn_dim)
        for name in layers:
            layer = getattr(module.attention, name)
            setattr(module.attention, name, nn.Linear(layer.in_features, layer.out_features))

    return make


def _has_parameter(test: Callable[[set[str]], bool]) -> Callable[[list[Tried]], set[int]]:
    return lambda failed: {i for i, t in enumerate(failed) if test(set(t.outcome.parameters or {}))}


def _random_in_every_call(failed: list[Tried]) -> set[int]:
    """What is kept from call to call can make two equal calls differ too, but spoils no single one."""
    return DIFFERENT_EACH_CALL.recognise(failed) if any(len(t.case.calls) == 1 for t in failed) else set()


_RIGHT_NAMES = set(_parameter_shapes(_SMALL))

ATTENTION_DECODER = Exercise(
    name="AttentionDecoder",
    lesson=LESSON,
    asked="An nn.Module(vocab, embed_dim, hidden_dim, key_dim, attn_dim) with embedding (nn.Embedding), attention (AdditiveAttention), cell (nn.GRUCell on the token and the context joined) and output (nn.Linear): "
    "forward(inputs (B, T), state (B, H), keys (B, S, Dk), mask=None) takes one decoder step for each input token and returns the logits (B, T, V), made of the new states, and the weights (B, T, S).",
    arguments=("inputs (B, T)", "state (B, H)", "keys (B, S, Dk)", "mask (B, S)"),
    returns=("logits (B, T, V)", "weights (B, T, S)"),
    construct=("vocab", "embed_dim", "hidden_dim", "key_dim", "attn_dim"),
    parameters={
        "embedding.weight": "(V, E)",
        "attention.W_q.weight": "(A, H)",
        "attention.W_k.weight": "(A, Dk)",
        "attention.v.weight": "(1, A)",
        "cell.weight_ih": "(3H, E + Dk)",
        "cell.weight_hh": "(3H, H)",
        "cell.bias_ih": "(3H)",
        "cell.bias_hh": "(3H)",
        "output.weight": "(V, H)",
        "output.bias": "(V)",
    },
    reference=seqattn_ref.AttentionDecoder,
    build=_build_decoder,
    checks=(
        Check(
            "A new module has exactly the parameters of embedding, attention, cell and output, set to finite numbers that differ",
            0.5,
            _decoder_new,
            ("parameters", "fresh"),
        ),
        Check("They differ from seed to seed", 0.5, _decoder_seeds, ("parameters",), across=seeds_differ),
        Check("It returns (logits (B, T, V), weights (B, T, S))", 0.5, _decoder_shapes, ("shape",)),
        Check("The first weights are those for the state that came in", 0.5, _one_step_only, outputs=(1,)),
        Check("The first logits are made of the state after one step", 1, _one_step_only, outputs=(0,)),
        Check(
            "Each later step goes on from the one before, with its own token and context", 1.5, _many_steps
        ),
        Check("The mask hides keys at every step, whatever stands there", 0.5, _decoder_masks),
        Check(
            "Gradients reach the state, the keys and every parameter, through all steps",
            1,
            _decoder_gradients,
            ("gradients",),
        ),
        Check(
            "It keeps nothing from call to call, works in float64 and bfloat16 and for large numbers, and leaves its inputs as they were",
            1,
            _decoder_robust,
            ("inputs", "dtype", "values"),
            also=finite_gradients,
        ),
    ),
    mistakes=(
        Mistake(
            "state-not-carried",
            "Every step starts from the same state: the one that a step made is not handed to the next. The decoder then cannot know what it has written.",
            (
                {"carry": lambda new, old, first: first},
                {"carry": lambda new, old, first: torch.zeros_like(new)},
            ),
        ),
        Mistake(
            "initial-state-ignored",
            "The first step does not start from the state that came in, which is what the encoder has to say.",
            (
                {"start": torch.zeros_like},
                {"start": torch.ones_like},
                {"start": torch.tanh},
                {"start": lambda state: state.clamp(-1, 1)},
                {"start": lambda state: state.clamp(-10, 10)},
            ),
        ),
        Mistake(
            "query-is-the-new-state",
            STEP_MISTAKES[0].hint,
            (
                *STEP_MISTAKES[0].variants,
                {"whole": _input_feeding},
                *({"whole": _cell_first(made)} for made in (no_context, mean_of_keys)),
            ),
        ),
        Mistake(
            "query-one-step-late",
            "Step i looks with the state of the step before the last. The query is the newest state there is, the one that goes into the cell.",
            ({"whole": _whole_with(_look_with_the_state_before)},),
        ),
        Mistake(
            "same-context-for-all",
            "Every step uses the attention of the first one. The state changes from step to step, and with it the query, the weights and the context: look anew at each step.",
            (
                {"whole": _whole_with(_first_look)},
                {"whole": _whole_with(_look_with_first_state)},
                {
                    "give": lambda logits, weights: (
                        logits,
                        weights.mean(1, keepdim=True).expand_as(weights),
                    )
                },
            ),
        ),
        Mistake(
            "context-one-step-late",
            "The cell gets the context of the step before, or the sum of all so far. The context that a step finds goes into the cell at that very step.",
            ({"whole": _late_context}, {"whole": _adds_up}),
        ),
        Mistake(
            "mask-by-step",
            "The mask changes from step to step: some keys are hidden that the mask leaves open, or the mask is used at some steps only. Every step may look at all real keys, before and after its own place.",
            (
                {"whole": _mask_by_step(lambda m, k, i, w: m if i == 0 else None)},
                {"whole": _mask_by_step(lambda m, k, i, w: None if i == 0 else m)},
                {"whole": _mask_by_step(lambda m, k, i, w: _all_open(m, k) & (_places(k) <= i))},
                {"whole": _mask_by_step(lambda m, k, i, w: _all_open(m, k) & (_places(k) >= i))},
                {"whole": _mask_by_step(lambda m, k, i, w: _all_open(m, k) & ((_places(k) - i).abs() <= 10))},
                {"whole": _mask_by_step(lambda m, k, i, w: _all_open(m, k) & ~_used_keys(w) if w else m)},
            ),
        ),
        Mistake(
            "padding-guessed",
            "Keys of zeros are taken for padding. The mask says what is padding; a real key may hold zeros.",
            ({"whole": _mask_by_step(lambda m, k, i, w: _all_open(m, k) & k.any(-1))},),
        ),
        Mistake(
            "token-0-is-padding",
            "Token 0 is treated apart: its embedding is kept at 0 or never learns (padding_idx=0). For this decoder it is a token like any other; what is padding, the loss knows by its mask.",
            (
                {"make": _with_modules(embedding=lambda V, E, H, D, A: nn.Embedding(V, E, padding_idx=0))},
                {"embed": lambda m, t: m.embedding(t) * (t > 0)[:, None]},
            ),
        ),
        Mistake(
            "embedding-changed",
            "Something is done to the embedded token: a scale, a ReLU, a tanh. It is joined with the context as it is.",
            tuple(
                {"embed": lambda m, t, f=f: f(m.embedding(t))}
                for f in (
                    lambda y: y * y.shape[1] ** 0.5,
                    torch.relu,
                    torch.tanh,
                )
            ),
        ),
        Mistake(
            "gru-by-hand",
            "The GRU is written by hand, and its gates are not those of nn.GRUCell: their order is r, u, n, u keeps the old state, and r acts after the product with W_hh. Calling self.cell does all this.",
            (
                _gru_by_hand("ur"),
                _gru_by_hand("ru", keep=False),
                _gru_by_hand("ru", reset_first=True),
            ),
        ),
        Mistake(
            "own-words-fed",
            "The decoder is fed its own likeliest tokens. In training the true tokens go in: inputs[:, i] at step i.",
            (
                {"feed": _own_words},
                {"feed": lambda inputs, i, logits: logits[-1].argmin(-1) if logits else inputs[:, 0]},
            ),
        ),
        Mistake(
            "inputs-shifted-again",
            "The tokens come one step too late or too early. The inputs are shifted already: step i takes inputs[:, i] as it is.",
            (
                {"feed": lambda inputs, i, logits: inputs[:, max(i - 1, 0)]},
                {"feed": lambda inputs, i, logits: inputs[:, i - 1]},
                {"feed": lambda inputs, i, logits: inputs[:, i - 1] if i else torch.ones_like(inputs[:, 0])},
                {"feed": lambda inputs, i, logits: inputs[:, i - 1] if i else torch.zeros_like(inputs[:, 0])},
                {"feed": lambda inputs, i, logits: inputs[:, min(i + 1, inputs.shape[1] - 1)]},
                {"feed": lambda inputs, i, logits: inputs[:, (i + 1) % inputs.shape[1]]},
            ),
        ),
        Mistake(
            "same-token-for-all",
            "Every step gets the same token.",
            (
                {"feed": lambda inputs, i, logits: inputs[:, 0]},
                {"feed": lambda inputs, i, logits: inputs[:, -1]},
            ),
        ),
        Mistake(
            "loops-over-the-batch",
            "The loop runs over the samples, the first axis of the inputs (B, T). One turn of the loop is one step of all samples: it takes the column inputs[:, i].",
            ({"whole": _by_sample}, {"feed": lambda inputs, i, logits: inputs[i]}),
        ),
        Mistake(
            "steps-backwards",
            "The steps are taken or put down from the last to the first.",
            (
                {"feed": lambda inputs, i, logits: inputs[:, inputs.shape[1] - 1 - i]},
                {"pack": lambda steps: torch.stack(steps[::-1], 1)},
            ),
        ),
        Mistake(
            "last-step-only",
            "Only one step comes back. The results hold a row for every step: collect them in lists and stack these.",
            (
                {"pack": lambda steps: steps[-1]},
                {"pack": lambda steps: steps[-1][:, None]},
                {"pack": lambda steps: steps[-1][:, None].expand(-1, len(steps), -1)},
                {"give": lambda logits, weights: (logits, weights[:, -1])},
                {"give": lambda logits, weights: (logits, weights[:, -1:])},
                {"give": lambda logits, weights: (logits, weights[:, -1:].expand_as(weights))},
            ),
        ),
        Mistake(
            "weights-of-another-step",
            "The weights stand one row off: row i belongs to the step that wrote logits[:, i].",
            (
                {"give": lambda logits, weights: (logits, weights.roll(1, 1))},
                {"give": lambda logits, weights: (logits, weights.roll(-1, 1))},
            ),
        ),
        Mistake(
            "stacked-on-the-wrong-axis",
            "The steps are stacked along another axis than the second, or joined without one. torch.stack(list, dim=1) gives (B, T, …).",
            (
                {"pack": torch.stack},
                {"pack": lambda steps: torch.stack(steps, 2)},
                {"pack": lambda steps: torch.cat(steps, 1)},
                {"pack": lambda steps: torch.cat(steps, 0)},
                {"give": lambda logits, weights: (logits, weights.transpose(1, 2))},
                {"give": lambda logits, weights: (logits.transpose(0, 1), weights)},
                {"give": lambda logits, weights: (logits, weights.transpose(0, 1))},
                {"give": lambda logits, weights: (logits.transpose(1, 2), weights)},
            ),
        ),
        Mistake(
            "view-instead-of-transpose",
            "The shape is right but the numbers stand in other places: the steps were stacked in front and then cut anew with `view` or `reshape`. Stack them along axis 1, or exchange the axes with transpose.",
            (
                {"pack": _scrambled},
                {
                    "give": lambda logits, weights: (
                        logits,
                        weights.transpose(0, 1).reshape(weights.shape),
                    )
                },
                {"pack": lambda steps: torch.cat(steps).view(len(steps[0]), len(steps), -1)},
                {
                    "give": lambda logits, weights: (
                        logits.transpose(0, 1).reshape(logits.shape),
                        weights,
                    )
                },
            ),
        ),
        Mistake(
            "weights-keep-an-axis",
            "The weights have an axis of size 1 left from each step's single query.",
            (
                {"give": lambda logits, weights: (logits, weights[:, :, None])},
                {"give": lambda logits, weights: (logits[:, :, None], weights[:, :, None])},
                {"look": lambda attend, q, k, m: attend(q[:, None], k, m)},
            ),
        ),
        Mistake(
            "output-from-another-vector",
            "The logits are made of something else than the new state: of the state before the step, of the context, or of the embedded token.",
            (
                {"read": lambda m, new, z, old, y: m.output(old)},
                {"read": lambda m, new, z, old, y: m.output(z)},
                {"read": lambda m, new, z, old, y: m.output(z if same_width(new, z) else new)},
                {"read": lambda m, new, z, old, y: m.output(new + z if same_width(new, z) else new)},
                {"read": lambda m, new, z, old, y: m.output(y)},
                {"read": lambda m, new, z, old, y: m.output(new + old)},
            ),
        ),
        Mistake(
            "output-layer-missing",
            "The states themselves come back in place of the logits. Each goes through output, which makes V numbers of it.",
            ({"read": lambda m, new, z, old, y: new},),
        ),
        Mistake(
            "output-tied-to-the-embedding",
            "The logits are made with the embedding's matrix. They come from the layer called output.",
            (
                {
                    "read": lambda m, new, z, old, y: (
                        new @ m.embedding.weight.T if same_width(new, y) else m.output(new)
                    )
                },
            ),
        ),
        Mistake(
            "logits-squashed",
            "A softmax, or another function, is applied to the logits. The loss takes them as they are: softmaxed twice, even a perfect model would have a high loss.",
            tuple(
                {"read": lambda m, new, z, old, y, f=f: f(m.output(new))}
                for f in (
                    lambda x: torch.softmax(x, -1),
                    lambda x: torch.log_softmax(x, -1),
                    torch.tanh,
                    torch.relu,
                    torch.sigmoid,
                )
            ),
        ),
        Mistake(
            "bias-missing",
            "The output layer or the cell lacks its bias: nn.Linear and nn.GRUCell have one unless they are told otherwise.",
            (
                {"read": lambda m, new, z, old, y: new @ m.output.weight.T},
                {"make": _with_modules(output=lambda V, E, H, D, A: nn.Linear(H, V, bias=False))},
                {"make": _with_modules(cell=lambda V, E, H, D, A: nn.GRUCell(E + D, H, bias=False))},
            ),
            recognise=_has_parameter(
                lambda names: (
                    names < _RIGHT_NAMES
                    and _RIGHT_NAMES - names <= {"output.bias", "cell.bias_ih", "cell.bias_hh"}
                )
            ),
        ),
        Mistake(
            "tanh-before-the-output",
            "A tanh or a ReLU stands between the state and the output layer.",
            tuple(
                {"read": lambda m, new, z, old, y, f=f: m.output(f(new))}
                for f in (torch.tanh, torch.relu, torch.sigmoid)
            ),
        ),
        *without(
            STEP_MISTAKES,
            "query-is-the-new-state",
            "state-ignored",
            "mask-required",
            "old-state-kept",
            "function-applied-afterwards",
            "cell-input-of-the-wrong-shape",
            "query-of-the-wrong-shape",
            "cell-applied-twice",
            "joined-along-the-wrong-axis",
            "added-instead-of-joined",
            "cell-arguments-swapped",
            "attend-arguments-swapped",
            "state-is-the-context",
            "attend-unpacked-the-other-way",
            "attend-not-used",
        ),
        *_inside(
            "tanh-missing tanh-after-v product-instead-of-sum difference-instead-of-sum v-missing"
            " key-ignored divided-by-size softmax-over-batch masked-scores-set-to-zero nan-on-empty-row"
            " uniform-on-empty-row nan-gradient-on-empty-row zero-times-infinity naive-exp maximum-counts-masked"
            " wrong-scale softmax-missing sigmoid-instead-of-softmax hard-maximum"
        ),
        *_inside("another-activation weights-swapped", 2),
        *_inside("mask-fill-too-small", 4),
        Mistake(
            "mask-required",
            "Without a mask the call fails. The mask is optional: give it the default None and hand it on.",
            (
                {"outer": lambda f: lambda inputs, state, keys, mask: f(inputs, state, keys, mask.bool())},
                {
                    "outer": lambda f: (
                        lambda inputs, state, keys, mask: f(
                            inputs, state, keys * mask[..., None].to(keys.dtype), mask
                        )
                    )
                },
            ),
            recognise=fails_without_a_mask,
        ),
        Mistake(
            "old-state-kept",
            "The next state is not the cell's result: the old state is still in it, or something is done to it afterwards.",
            (
                {"carry": lambda new, old, first: new + old},
                {"carry": lambda new, old, first: (new + old) / 2},
                {"carry": lambda new, old, first: torch.tanh(new)},
                {"carry": lambda new, old, first: torch.relu(new)},
                {"advance": lambda cell, x, s, z: cell(x, s) + s},
            ),
        ),
        Mistake(
            "state-ignored",
            "The cell does not get the state, only the query does.",
            ({"advance": lambda cell, x, s, z: cell(x)},),
        ),
        Mistake(
            "cell-applied-twice",
            "The state goes through the cell twice in one step.",
            ({"advance": lambda cell, x, s, z: cell(x, cell(x, s))},),
        ),
        Mistake(
            "state-is-the-context",
            "The cell gets the context in place of the state.",
            (
                {"advance": lambda cell, x, s, z: cell(x, z)},
                {"advance": lambda cell, x, s, z: cell(x, z if same_width(s, z) else s)},
            ),
        ),
        Mistake(
            "cell-input-of-the-wrong-shape",
            "The cell does not take the input that it is given. It is an nn.GRUCell on token and context joined, (B, E + Dk), and its state is (B, H).",
            (
                {"join": lambda y, z: y},
                {"join": lambda y, z: z},
                {"join": lambda y, z: torch.cat([y, z])},
                {"join": lambda y, z: y + z},
                {"advance": lambda cell, x, s, z: cell(s, x)},
                {"advance": lambda cell, x, s, z: cell(x[:, None], s)},
            ),
        ),
        Mistake(
            "query-of-the-wrong-shape",
            "The attention is given a query of the wrong shape. It takes queries (B, T, H), here with T = 1: the state, with a middle axis of size 1.",
            (
                {"look": lambda attend, q, k, m: tuple(r[:, 0] for r in attend(q, k, m))},
                {"look": lambda attend, q, k, m: tuple(r[:, 0] for r in attend(q[None], k, m))},
                {"look": lambda attend, q, k, m: tuple(r[0] for r in attend(q[None], k, m))},
            ),
        ),
        Mistake(
            "modules-called-otherwise",
            "The modules have other names, or are of another kind. The grader sets the parameters by name: embedding (nn.Embedding), attention (AdditiveAttention), cell (nn.GRUCell) and output (nn.Linear).",
            (
                {"make": _renamed(embedding="embed")},
                {"make": _renamed(output="out")},
                {"make": _renamed(cell="gru")},
                {"make": _renamed(attention="attend")},
                {"make": _renamed(embedding="emb", attention="attn", cell="rnn", output="fc")},
                {"make": _with_modules(cell=lambda V, E, H, D, A: nn.GRU(E + D, H, batch_first=True))},
                {"make": _with_modules(cell=lambda V, E, H, D, A: nn.Linear(E + D + H, H))},
            ),
            recognise=_has_parameter(
                lambda names: (
                    bool(names)
                    and bool(_RIGHT_NAMES - names)
                    and bool(names - _RIGHT_NAMES)
                    and not any(name.startswith("attention.") and "bias" in name for name in names)
                )
            ),
        ),
        Mistake(
            "cell-of-another-kind",
            "The cell is no nn.GRUCell: its parameters have other sizes. A GRU has three rows for each unit of its state, an LSTM four, a plain RNN one.",
            (
                {"make": _with_modules(cell=lambda V, E, H, D, A: nn.LSTMCell(E + D, H))},
                {"make": _with_modules(cell=lambda V, E, H, D, A: nn.RNNCell(E + D, H))},
            ),
        ),
        Mistake(
            "sizes-mixed-up",
            "A module is made with the wrong sizes. The query of the attention has size H and its keys Dk; the cell takes E + Dk numbers; the output makes V numbers of H.",
            (
                {"make": _with_modules(cell=lambda V, E, H, D, A: nn.GRUCell(E, H))},
                {"make": _with_modules(cell=lambda V, E, H, D, A: nn.GRUCell(D, H))},
                {"make": _with_modules(cell=lambda V, E, H, D, A: nn.GRUCell(E + H, H))},
                {"make": _with_modules(cell=lambda V, E, H, D, A: nn.GRUCell(E + D, D))},
                {
                    "make": _with_modules(
                        attention=lambda V, E, H, D, A: seqattn_ref.AdditiveAttention(D, H, A)
                    )
                },
                {
                    "make": _with_modules(
                        attention=lambda V, E, H, D, A: seqattn_ref.AdditiveAttention(E, D, A)
                    )
                },
                {"make": _with_modules(output=lambda V, E, H, D, A: nn.Linear(H + D, V))},
                {"make": _with_modules(output=lambda V, E, H, D, A: nn.Linear(D, V))},
                {"make": _with_modules(output=lambda V, E, H, D, A: nn.Linear(V, H))},
                {"make": _with_modules(embedding=lambda V, E, H, D, A: nn.Embedding(E, V))},
                {"make": _with_modules(embedding=lambda V, E, H, D, A: nn.Embedding(V, H))},
            ),
        ),
        Mistake(
            "parameters-too-many",
            "There is a parameter that the exercise does not ask for: a bias in the scorer perhaps, or one more layer. A bias on the final score would never learn, since the softmax ignores a shift.",
            (
                {"make": _scorer_with_bias("v")},
                {"make": _scorer_with_bias("W_q", "W_k", "v")},
                {"make": _with_modules(start=lambda V, E, H, D, A: nn.Linear(H, H))},
                {"make": _with_modules(combine=lambda V, E, H, D, A: nn.Linear(E + D, H))},
            ),
            recognise=_has_parameter(lambda names: names > _RIGHT_NAMES),
        ),
        Mistake(
            "unregistered-parameter",
            "The module does not know its own parts: modules in a plain Python list, dictionary or tensor are not registered, so no optimiser will ever change them. Assign each to self.",
            (
                {"make": _in_a_list},
                *({"make": _one_in_a_list(n)} for n in ("attention", "embedding", "output")),
            ),
            recognise=_has_parameter(
                lambda names: (
                    names < _RIGHT_NAMES
                    and not _RIGHT_NAMES - names <= {"output.bias", "cell.bias_ih", "cell.bias_hh"}
                )
            ),
        ),
        *without(
            parameter_mistakes(
                _in_a_list,
                _filled(lambda p: p.fill_(torch.nan)),
                lambda value: _filled(lambda p: p.fill_(value)),
                _seeded,
            ),
            "unregistered-parameter",
        ),
        Mistake(
            "gradient-cut",
            "The numbers are right, but part of the gradient is missing: something is detached, on the way through one step or from one step to the next. What is written late must be able to teach what was done early.",
            (
                {"carry": lambda new, old, first: new.detach()},
                {"start": lambda state: state.detach()},
                {"read": lambda m, new, z, old, y: m.output(new.detach())},
                {"read": lambda m, new, z, old, y: m.output(new).detach()},
                {"give": lambda logits, weights: (logits, weights.detach())},
                *STEP_CUTS,
            ),
        ),
        Mistake("detached", DETACHED.hint, ({"outer": on_each(lambda r: r.detach())},)),
        Mistake(
            "results-in-another-order",
            "The two results have changed places: the logits come first, then the weights.",
            ({"give": lambda logits, weights: (weights, logits)},),
        ),
        Mistake(
            "arguments-in-another-order",
            "The arguments are taken in another order than they come: inputs, state, keys, mask.",
            (
                {"outer": lambda f: lambda i, s, k, m: f(i, k, s, m)},
                {"outer": lambda f: lambda i, s, k, m: f(s, i, k, m)},
            ),
        ),
        Mistake(
            "bare-squeeze",
            BARE_SQUEEZE.hint,
            (
                {"outer": on_each(lambda r: r.squeeze())},
                {"outer": on_one(1, lambda r: r.squeeze())},
                {"outer": on_each(lambda r: r.squeeze(1))},
                {"outer": on_each(lambda r: r.squeeze(0))},
                {"look": lambda attend, q, k, m: tuple(r.squeeze() for r in attend(q[:, None], k, m))},
                {
                    "look": lambda attend, q, k, m: (
                        (found := attend(q[:, None], k, m))[0].squeeze(1),
                        found[1].squeeze(),
                    )
                },
            ),
        ),
        Mistake(
            "changes-its-input",
            CHANGES_ITS_INPUT.hint,
            (
                {"outer": writes_to(1, lambda s: s.mul_(2))},
                {
                    "outer": lambda f: (
                        lambda i, s, k, m: f(i, s, k if m is None else k.masked_fill_(~m[..., None], 0), m)
                    )
                },
                {"outer": writes_to(0, lambda i: i.zero_())},
            ),
            recognise=CHANGES_ITS_INPUT.recognise,
        ),
        Mistake(
            "stale-cache",
            "Something of an earlier call is used again: the keys, their projection or the last state. What is kept must belong to one source sentence only.",
            (
                *({"whole": _stale_keys(by_shape)} for by_shape in (True, False)),
                *({"whole": _keeps_in_module(place)} for place in (0, 1)),
                *({"whole": _stale_scores(detached)} for detached in (True, False)),
                {"whole": _kept_state},
            ),
        ),
        Mistake(
            "mixes-samples",
            MIXES_SAMPLES.hint,
            (
                *mixing((1, 2)),
                {"outer": on_arguments((0,), lambda x: x[:1].expand_as(x))},
                {"outer": on_arguments((0,), lambda x: x.flip(0))},
                {"join": lambda y, z: torch.cat([y.flatten(), z.flatten()]).view(len(y), -1)},
            ),
        ),
        Mistake(
            "dropout-at-evaluation",
            "The same call gives another result each time, though the module is in eval mode: F.dropout needs training=self.training, and no parameter may be made anew in forward.",
            (
                {"outer": on_each(lambda r: dropout(r, 0.3, True))},
                {"read": lambda m, new, z, old, y: m.output(dropout(new, 0.3, True))},
                {"carry": lambda new, old, first: dropout(new, 0.3, True)},
            ),
            recognise=_random_in_every_call,
        ),
        Mistake(
            "hard-coded-dtype",
            HARD_CODED_DTYPE.hint,
            (
                *DTYPES_OF_SEVERAL,
                *STEP_DTYPES,
                {"start": lambda s: s.float()},
                {"give": lambda logits, weights: (logits, weights.float())},
                {"give": lambda logits, weights: (logits.float(), weights)},
            ),
        ),
        NEEDS_CONTIGUOUS,
        RETURNS_NOTHING,
        not_the_asked_results("the logits and the weights"),
        *LAST_RESORTS_OF_SEVERAL,
    ),
    hints=(
        "In __init__ make the four parts under their names. The cell's input is token and context joined, so it takes embed_dim + key_dim numbers; the attention's queries are states, of size hidden_dim.",
        "In forward loop over the T tokens. One turn of the loop is decoder_step, with self.embedding(inputs[:, i]), the state so far, and self.attention and self.cell as the two functions.",
        "Collect self.output(state) and the weights of each step in two lists. The state that a step returns is the one that the next step takes.",
        "torch.stack(a_list, dim=1) makes (B, T, …) out of T tensors (B, …).",
    ),
)


EXERCISES = (DECODER_STEP, ATTENTION_DECODER, ALIGNMENT_GRADIENT)
