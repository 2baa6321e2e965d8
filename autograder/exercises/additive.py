"""Exercises of lesson 05: Bahdanau's additive score for one pair, for all pairs, and the attention module around it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

import seqattn_ref

from ..drawing import Draw
from ..exercise import Exercise, Mistake
from ..sandbox.case import Case, Construct
from .anywhere import ANY_FUNCTION, APPLIED_AFTERWARDS, PAIRWISE, SCRAMBLED_BY_VIEW, without
from .attention_by_hand import ALREADY_SOFTMAXED
from .common import Function, ask, function_checks, wrapped
from .modules import MODULE_MISTAKES, Module, build_attention, module_checks, parameter_mistakes

LESSON = "05_additive"

# ---- the score in pieces: project, join, squash, contract


def _pieces(project_q=None, project_k=None, join=None, squash=None, contract=None) -> Callable:
    """e = vᵀ tanh(W_q q + W_k k), of pieces that broadcast over any axes before the last."""
    project_q = project_q or (lambda q, W: q @ W.T)
    project_k = project_k or (lambda k, W: k @ W.T)
    join = join or (lambda a, b: a + b)
    squash = squash or torch.tanh
    contract = contract or (lambda x, v: x @ v)
    return lambda q, k, W_q, W_k, v: contract(squash(join(project_q(q, W_q), project_k(k, W_k))), v)


def _swapping(answer: Callable, how: str) -> Callable:
    """The answer with W_q and W_k exchanged ("always", or "fits": where their shapes agree), or one of them used for both."""

    def swapped(q, k, W_q, W_k, v):
        fits = W_q.shape == W_k.shape
        if how == "always" or (how == "fits" and fits):
            W_q, W_k = W_k, W_q
        elif how == "first" and fits:
            W_k = W_q
        elif how == "second" and fits:
            W_q = W_k
        return answer(q, k, W_q, W_k, v)

    return swapped


def _build_additive_scores(whole=None, outer=None, swap=None, **pieces):
    score = _pieces(**pieces)

    def all_pairs(queries, keys, W_q, W_k, v):
        return score(queries[:, :, None], keys[:, None], W_q, W_k, v)

    return wrapped(outer, whole or (_swapping(all_pairs, swap) if swap else all_pairs))


def _build_additive_score(outer=None, swap=None, **pieces):
    score = _pieces(**pieces)
    return wrapped(outer, _swapping(score, swap) if swap else score)


SCORE_MISTAKES = (
    Mistake(
        "tanh-missing",
        "These are the numbers one gets without the tanh: vᵀ(W_q q + W_k k). Then the query adds the same number to every key's score, the softmax cancels it, and the weights ignore the query.",
        ({"squash": lambda x: x},),
    ),
    Mistake(
        "tanh-after-v",
        "The tanh is applied to the finished score, after the product with v. It belongs between: squash the A sums first, then weigh them with v.",
        (
            {"squash": lambda x: x, "contract": lambda x, v: torch.tanh(x @ v)},
            {"contract": lambda x, v: torch.tanh(x @ v)},
        ),
    ),
    Mistake(
        "tanh-of-each-term",
        "The tanh is applied to W_q q and to W_k k separately and the results are added. It has to see their sum, or query and key cannot interact.",
        (
            {"join": lambda a, b: torch.tanh(a) + torch.tanh(b), "squash": lambda x: x},
            {"join": lambda a, b: torch.tanh(a) + torch.tanh(b)},
            {"join": lambda a, b: torch.tanh(a) + b},
            {"join": lambda a, b: a + torch.tanh(b)},
        ),
    ),
    Mistake(
        "product-instead-of-sum",
        "The two projections are multiplied. The additive score adds them.",
        (
            {"join": lambda a, b: a * b},
            {"join": lambda a, b: a * b, "squash": lambda x: x},
            {"join": lambda a, b: torch.tanh(a) * torch.tanh(b), "squash": lambda x: x},
            {"join": lambda a, b: a * b, "squash": lambda x: x, "contract": lambda x, v: x.sum(-1)},
            {
                "join": lambda a, b: a * b,
                "squash": lambda x: x,
                "contract": lambda x, v: x.sum(-1) / x.shape[-1] ** 0.5,
            },
        ),
    ),
    Mistake(
        "difference-instead-of-sum",
        "One projection is subtracted from the other. The additive score adds them.",
        ({"join": lambda a, b: a - b}, {"join": lambda a, b: b - a}),
    ),
    Mistake(
        "another-activation",
        "Another function stands where the tanh should be.",
        tuple(
            {"squash": f}
            for f in (
                torch.relu,
                torch.sigmoid,
                nn.functional.gelu,
                torch.sin,
                torch.atan,
                nn.functional.softsign,
                nn.functional.silu,
                nn.functional.elu,
                nn.functional.leaky_relu,
                nn.functional.hardtanh,
                nn.functional.softplus,
                torch.exp,
                torch.cos,
                torch.erf,
                nn.functional.hardsigmoid,
                nn.functional.selu,
            )
        ),
    ),
    Mistake(
        "tanh-twice",
        "The tanh is applied twice.",
        ({"squash": lambda x: torch.tanh(torch.tanh(x))},),
    ),
    Mistake(
        "sum-cut-off-before-the-tanh",
        "The sum is cut off, normalised or approximated before the tanh. The formula takes it as it is.",
        (
            *({"squash": lambda x, c=c: torch.tanh(x.clamp(-c, c))} for c in (1, 2, 3, 5)),
            {"squash": lambda x: torch.tanh(nn.functional.layer_norm(x, x.shape[-1:]))},
            {"squash": lambda x: x * (27 + x * x) / (27 + 9 * x * x)},
            {"squash": lambda x: x - x**3 / 3},
        ),
    ),
    Mistake(
        "maximum-over-units",
        "Only the largest unit counts. The score sums over all of them.",
        ({"contract": lambda x, v: (x * v).amax(-1)},),
    ),
    Mistake(
        "softmax-over-units",
        "A softmax runs over the A alignment units. The score has a tanh there; the softmax comes later, over the keys.",
        ({"squash": lambda x: torch.softmax(x, -1)}, {"squash": lambda x: torch.softmax(torch.tanh(x), -1)}),
    ),
    Mistake(
        "v-missing",
        "The A units are summed or averaged evenly: v plays no part. Each unit counts as much as its entry of v says.",
        ({"contract": lambda x, v: x.sum(-1)}, {"contract": lambda x, v: x.mean(-1)}),
    ),
    Mistake(
        "v-inside-the-tanh",
        "The entries of v are inside the tanh. They weigh the units after they are squashed.",
        ({"squash": lambda x: x, "contract": lambda x, v: torch.tanh(x * v).sum(-1)},),
    ),
    Mistake(
        "divided-by-size",
        "The score is divided by the number of units, or by its root. The formula has a plain sum: vᵀ tanh(…).",
        (
            {"contract": lambda x, v: (x * v).mean(-1)},
            {"contract": lambda x, v: x @ v / v.shape[-1] ** 0.5},
            {"squash": lambda x: torch.tanh(x / x.shape[-1] ** 0.5)},
            {"contract": lambda x, v: x @ (v / v.norm())},
            {"project_q": lambda q, W: q @ W.T / q.shape[-1] ** 0.5},
            {"project_k": lambda k, W: k @ W.T / k.shape[-1] ** 0.5},
        ),
    ),
    Mistake(
        "weights-transposed",
        "A weight matrix is used transposed: that only fits when it is square, and then the numbers are wrong. W_q has shape (A, Dq), so W_q q multiplies it with the query from the left.",
        (
            {"project_q": lambda q, W: q @ W, "project_k": lambda k, W: k @ W},
            {"project_q": lambda q, W: q @ W},
            {"project_k": lambda k, W: k @ W},
            {"project_q": lambda q, W: q @ (W if W.shape[0] == W.shape[1] else W.T)},
            {"project_k": lambda k, W: k @ (W if W.shape[0] == W.shape[1] else W.T)},
            {
                "project_q": lambda q, W: q @ (W if W.shape[0] == W.shape[1] else W.T),
                "project_k": lambda k, W: k @ (W if W.shape[0] == W.shape[1] else W.T),
            },
        ),
    ),
    Mistake(
        "weights-swapped",
        "W_q is applied to the key and W_k to the query. That only fits when both have the same size, and then the numbers are wrong.",
        ({"swap": "always"}, {"swap": "fits"}),
    ),
    Mistake(
        "view-instead-of-transpose",
        "A weight matrix was reshaped with `view` or `reshape` where its axes should have been exchanged: the shape fits, the numbers do not.",
        (
            {"project_q": lambda q, W: q @ W.reshape(W.shape[1], W.shape[0])},
            {"project_k": lambda k, W: k @ W.reshape(W.shape[1], W.shape[0])},
            {
                "project_q": lambda q, W: q @ W.reshape(W.shape[1], W.shape[0]),
                "project_k": lambda k, W: k @ W.reshape(W.shape[1], W.shape[0]),
            },
        ),
    ),
    Mistake(
        "key-ignored",
        "The score does not depend on the key: every key of a sample gets the same score.",
        (
            {"join": lambda a, b: a + 0 * b},
            {"join": lambda a, b: a + b.mean(-2, keepdim=True) if b.dim() > 1 else a + 0 * b},
        ),
    ),
    Mistake(
        "query-ignored",
        "The score does not depend on the query: every query gets the same scores.",
        (
            {"join": lambda a, b: 0 * a + b},
            {"join": lambda a, b: a.mean(-3, keepdim=True) + b if a.dim() > 2 else 0 * a + b},
        ),
    ),
    Mistake(
        "projection-missing",
        "The query or the key goes into the sum as it is. Both are projected to the alignment size first.",
        (
            {"project_q": lambda q, W: q, "project_k": lambda k, W: k},
            {"project_q": lambda q, W: q},
            {"project_k": lambda k, W: k},
        ),
    ),
    Mistake(
        "bias-added",
        "A number is added that the formula does not have.",
        (
            {"join": lambda a, b: a + b + 1},
            {"join": lambda a, b: a + b + 0.1},
            {"join": lambda a, b: a + b + 0.5},
            {"contract": lambda x, v: x @ v + 1},
        ),
    ),
    Mistake(
        "sum-missing",
        "The product with v is taken entry by entry, but not summed over the units.",
        ({"contract": lambda x, v: x * v},),
    ),
    Mistake(
        "gradient-cut",
        "The numbers are right, but part of the gradient is missing: something was detached on the way.",
        (
            {"project_q": lambda q, W: (q @ W.T).detach()},
            {"project_k": lambda k, W: (k @ W.T).detach()},
            {"project_q": lambda q, W: q.detach() @ W.T},
            {"project_k": lambda k, W: k.detach() @ W.T},
            {"project_q": lambda q, W: q @ W.T.detach()},
            {"project_k": lambda k, W: k @ W.T.detach()},
            {"contract": lambda x, v: x @ v.detach()},
            {"contract": lambda x, v: x.detach() @ v},
            {"project_q": lambda q, W: q @ W.T.detach(), "project_k": lambda k, W: k @ W.T.detach()},
            {"project_q": lambda q, W: q.detach() @ W.T, "project_k": lambda k, W: k.detach() @ W.T},
            {
                "project_q": lambda q, W: q @ W.T.detach(),
                "project_k": lambda k, W: k @ W.T.detach(),
                "contract": lambda x, v: x @ v.detach(),
            },
        ),
    ),
)
"""Mistakes in the pieces of the additive score, for one pair, for all pairs and inside the module alike."""

_SAME_WEIGHTS = Mistake(
    "same-weights-for-both",
    "One matrix is used for query and key alike. Each has a matrix of its own.",
    ({"swap": "first"}, {"swap": "second"}),
)


def _large(draw: Draw, one_pair: bool) -> Iterator[Case]:
    """Projections of ±10,000: the tanh saturates exactly, and nothing overflows."""
    lead_q, lead_k = ((), ()) if one_pair else ((2, 2), (2, 3))
    wanted = () if one_pair else (2, 2, 3)
    # All of one sign: where large terms cancel, float32 itself is coarse.
    yield ask(
        draw.normal(*lead_q, 2).abs(),
        draw.normal(*lead_k, 2).abs(),
        draw.normal(3, 2).abs(),
        draw.normal(3, 2).abs(),
        5e3 * draw.whole(3, low=1, high=2),
    )
    yield ask(
        1e4 * draw.whole(*lead_q, 2),
        1e4 * draw.whole(*lead_k, 2),
        torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]),
        torch.tensor([[0.0, 1.0], [1.0, 0.0], [1.0, -1.0]]),
        draw.whole(3),
        cotangents=(draw.normal(*wanted),),
    )
    # In float64 the tanh of 8 is still told from that of 5, and from 1.
    shapes = ((*lead_q, 2), (*lead_k, 2), (1, 2), (1, 2), (1,))
    sizes = (2.0, 2.0, 1.0, 1.0, 1.0)
    yield ask(*(torch.full(shape, n, dtype=torch.float64) for shape, n in zip(shapes, sizes, strict=True)))
    if not one_pair:
        keys = draw.whole(1, 3, 2)
        keys[:, 1] = 0
        yield ask(draw.whole(1, 2, 2), keys, draw.whole(3, 2), draw.whole(3, 2), draw.whole(3, low=1))


# ---- additive_score

_ONE = Function(
    "Dq Dk A",
    lambda fill, z: (
        fill(z["Dq"]),
        fill(z["Dk"]),
        fill(z["A"], z["Dq"]),
        fill(z["A"], z["Dk"]),
        fill(z["A"]),
    ),
    lambda z: (),
    ({"Dq": 1, "Dk": 1, "A": 1}, {"Dq": 2, "Dk": 1, "A": 2}, {"Dq": 2, "Dk": 3, "A": 2}),
    most=1,  # a larger sum would saturate the tanh and hide what went into it
)

ADDITIVE_SCORE = Exercise(
    name="additive_score",
    lesson=LESSON,
    asked="For one query (Dq,) and one key (Dk,), give the score vᵀ tanh(W_q q + W_k k), a tensor without axes, with W_q (A, Dq), W_k (A, Dk) and v (A,).",
    arguments=("query (Dq)", "key (Dk)", "W_q (A, Dq)", "W_k (A, Dk)", "v (A)"),
    returns=("score ()",),
    reference=seqattn_ref.additive_score,
    build=_build_additive_score,
    checks=function_checks(
        _ONE,
        "The score is one number: a tensor of shape ()",
        "It is vᵀ tanh(W_q q + W_k k)",
        "Gradients reach query, key, W_q, W_k and v",
        (0.5, 1, 0.5, 0.5, 0.5),
        lambda draw: _large(draw, True),
    ),
    mistakes=(*SCORE_MISTAKES, _SAME_WEIGHTS, *without(ANY_FUNCTION, "bare-squeeze")),
    hints=(
        "Project both to the alignment size A first: W_q @ query and W_k @ key are two vectors of A numbers.",
        "Add the two vectors, apply tanh to the sum, and you have A numbers between −1 and 1.",
        "The score is the dot product of these A numbers with v.",
    ),
)

# ---- additive_scores

_ALL = Function(
    "B T S Dq Dk A",
    lambda fill, z: (
        fill(z["B"], z["T"], z["Dq"]),
        fill(z["B"], z["S"], z["Dk"]),
        fill(z["A"], z["Dq"]),
        fill(z["A"], z["Dk"]),
        fill(z["A"]),
    ),
    lambda z: (z["B"], z["T"], z["S"]),
    (
        {"B": 1, "T": 1, "S": 2, "Dq": 1, "Dk": 1, "A": 1},
        {"B": 1, "T": 2, "S": 3, "Dq": 1, "Dk": 1, "A": 2},
        {"B": 2, "T": 2, "S": 3, "Dq": 2, "Dk": 1, "A": 2},
    ),
    most=1,
)


def _pairs_only(q, k, W_q, W_k, v):
    return torch.tanh(q @ W_q.T + k @ W_k.T) @ v


def _wrong_grid(q, k, W_q, W_k, v):
    """Repeats in the order that puts another pair at each place."""
    a, b = (q @ W_q.T), (k @ W_k.T)
    batch, steps, size = a.shape
    keys = b.shape[1]
    left = a.repeat(1, keys, 1).view(batch, steps, keys, size)
    right = b.repeat_interleave(steps, 1).view(batch, steps, keys, size)
    return torch.tanh(left + right) @ v


ADDITIVE_SCORES = Exercise(
    name="additive_scores",
    lesson=LESSON,
    asked="For queries (B, T, Dq) and keys (B, S, Dk), give the score e_ij = vᵀ tanh(W_q q_i + W_k k_j) of every query with every key of the same sample, (B, T, S).",
    arguments=("queries (B, T, Dq)", "keys (B, S, Dk)", "W_q (A, Dq)", "W_k (A, Dk)", "v (A)"),
    returns=("scores (B, T, S)",),
    reference=seqattn_ref.additive_scores,
    build=_build_additive_scores,
    checks=function_checks(
        _ALL,
        "The scores have shape (B, T, S)",
        "e_ij = vᵀ tanh(W_q q_i + W_k k_j), for every query and key",
        "Gradients reach queries, keys, W_q, W_k and v",
        (0.5, 1.5, 0.5, 1, 0.5),
        lambda draw: _large(draw, False),
    ),
    mistakes=(
        *SCORE_MISTAKES,
        _SAME_WEIGHTS,
        ALREADY_SOFTMAXED,
        Mistake(
            "pairs-only",
            "Query i is scored with key i alone. Every query must meet every key: give the queries and the keys an axis of size 1 each, so that broadcasting makes all pairs.",
            (
                {"whole": _pairs_only},
                {"whole": lambda *a: _pairs_only(*a)[..., None].expand(-1, -1, a[1].shape[1])},
                {"whole": lambda *a: _pairs_only(*a)[:, None].expand(-1, a[0].shape[1], -1)},
            ),
        ),
        Mistake(
            "view-instead-of-transpose",
            "All pairs are there, but at other places: `repeat`, `repeat_interleave` or `view` laid them out in another order. Compare with the score of one single pair.",
            ({"whole": _wrong_grid}, *SCRAMBLED_BY_VIEW.variants),
        ),
        Mistake(
            "last-key-lost",
            "One key gets no score: look at where a loop ends.",
            (
                {
                    "outer": lambda f: (
                        lambda *a: f(*a) * (torch.arange(a[1].shape[1]) < a[1].shape[1] - 1).to(a[0].dtype)
                    )
                },
                {"outer": lambda f: lambda *a: f(*a) * (torch.arange(a[1].shape[1]) > 0).to(a[0].dtype)},
            ),
        ),
        Mistake(
            "reverses-all-axes",
            "`.T` on a tensor with three axes reverses all of them, the batch too. Exchange two axes by name with transpose.",
            (
                {"outer": lambda f: lambda q, k, *w: f(q.permute(2, 1, 0), k.permute(2, 1, 0), *w)},
                {"outer": lambda f: lambda *a: f(*a).permute(2, 1, 0)},
            ),
        ),
        *without(PAIRWISE, "view-instead-of-transpose"),
        APPLIED_AFTERWARDS,
        *ANY_FUNCTION,
    ),
    hints=(
        "Project first: the queries become (B, T, A) and the keys (B, S, A). Each is done once, not once a pair.",
        "Give the projected queries the shape (B, T, 1, A) and the keys (B, 1, S, A). Added together they broadcast to every pair: (B, T, S, A).",
        "Apply tanh, then take the product with v over the last axis. (…, A) @ (A,) gives (…).",
    ),
)

# ---- AdditiveAttention


def _make(module: nn.Module, query_dim: int, key_dim: int, attn_dim: int, bias: bool = False) -> None:
    module.W_q = nn.Linear(query_dim, attn_dim, bias=bias)
    module.W_k = nn.Linear(key_dim, attn_dim, bias=False)
    module.v = nn.Linear(attn_dim, 1, bias=False)


class _Holder(nn.Module):
    """Something with a `weight`, for ways of making parameters that nn.Linear does not allow."""

    def __init__(self, weight):
        super().__init__()
        self.weight = weight


def _from_weights(new: Callable[..., Tensor], parameter: bool = True) -> Callable:
    def make(module, query_dim, key_dim, attn_dim):
        for name, shape in (
            ("W_q", (attn_dim, query_dim)),
            ("W_k", (attn_dim, key_dim)),
            ("v", (1, attn_dim)),
        ):
            weight = new(*shape)
            setattr(module, name, _Holder(nn.Parameter(weight) if parameter else weight))

    return make


def _made_with_seed(module, *sizes):
    torch.manual_seed(0)
    _make(module, *sizes)


def _with_bias(which: str) -> Callable:
    def make(module, query_dim, key_dim, attn_dim):
        _make(module, query_dim, key_dim, attn_dim)
        layer = getattr(module, which)
        setattr(module, which, nn.Linear(layer.in_features, layer.out_features, bias=True))

    return make


def _all_biases(module, query_dim, key_dim, attn_dim):
    for name, size in (("W_q", (query_dim, attn_dim)), ("W_k", (key_dim, attn_dim)), ("v", (attn_dim, 1))):
        setattr(module, name, nn.Linear(*size))


def _score_with(**pieces) -> Callable:
    score = _pieces(**pieces)
    return lambda m, q, k: score(q[:, :, None], k[:, None], m.W_q.weight, m.W_k.weight, m.v.weight[0])


def _score_with_biases(m: nn.Module, q: Tensor, k: Tensor) -> Tensor:
    return m.v(torch.tanh(m.W_q(q)[:, :, None] + m.W_k(k)[:, None]))[..., 0]


SCORE_PIECES = ("project_q", "project_k", "join", "squash", "contract")


def _build_module(make=None, score=None, swap=None, **pieces):
    own = {name: pieces.pop(name) for name in SCORE_PIECES if name in pieces}
    if swap:
        formula = _swapping(_pieces(**own), swap)
        score = lambda m, q, k: formula(q[:, :, None], k[:, None], m.W_q.weight, m.W_k.weight, m.v.weight[0])  # noqa: E731
    return build_attention(make or _make, score or _score_with(**own), **pieces)


def _first_keys(module: nn.Module, queries: Tensor, keys: Tensor) -> Tensor:
    """Projects the keys of the first call only, and keeps them."""
    if "kept" not in module.__dict__:
        module.__dict__["kept"] = keys @ module.W_k.weight.T
    return (
        torch.tanh((queries @ module.W_q.weight.T)[:, :, None] + module.__dict__["kept"][:, None])
        @ module.v.weight[0]
    )


def _keys_kept_by_shape(module: nn.Module, queries: Tensor, keys: Tensor) -> Tensor:
    """Keeps the projected keys until a batch of another shape arrives."""
    kept = module.__dict__.get("kept")
    if kept is None or kept.shape[:2] != keys.shape[:2]:
        kept = module.__dict__["kept"] = keys @ module.W_k.weight.T
    return torch.tanh((queries @ module.W_q.weight.T)[:, :, None] + kept[:, None]) @ module.v.weight[0]


_MODULE = Module(
    "B T S Dq Dk A",
    lambda z: (z["Dq"], z["Dk"], z["A"]),
    lambda z: {"W_q.weight": (z["A"], z["Dq"]), "W_k.weight": (z["A"], z["Dk"]), "v.weight": (1, z["A"])},
    # Units of exactly −1, 0 or 1: the first follows the query (and the last key), the second the key.
    loud=(
        Construct(
            (2, 2, 2),
            torch.float32,
            {"W_q.weight": torch.eye(2), "W_k.weight": torch.eye(2), "v.weight": torch.tensor([[1e4, 1.0]])},
        ),
        torch.tensor([[[1e4, 0.0], [-1e4, 0.0], [0.0, 0.0]]]),
        torch.tensor([[[0.0, -1e4], [0.0, 0.0], [0.0, 1e4], [5e3, 0.0]]]),
    ),
)

ADDITIVE_ATTENTION = Exercise(
    name="AdditiveAttention",
    lesson=LESSON,
    asked="An nn.Module(query_dim, key_dim, attn_dim) with W_q, W_k and v and no biases: forward(queries, keys, mask=None) scores every pair with vᵀ tanh(W_q q + W_k k), takes the masked softmax over the "
    "keys, and returns (context, weights), the context being the weighted sum of the keys.",
    arguments=("queries (B, T, Dq)", "keys (B, S, Dk)", "mask"),
    returns=("context (B, T, Dk)", "weights (B, T, S)"),
    construct=("query_dim", "key_dim", "attn_dim"),
    parameters={"W_q.weight": "(A, Dq)", "W_k.weight": "(A, Dk)", "v.weight": "(1, A)"},
    reference=seqattn_ref.AdditiveAttention,
    build=_build_module,
    checks=module_checks(
        _MODULE,
        "W_q.weight (A, Dq), W_k.weight (A, Dk) and v.weight (1, A)",
        "The weights are the softmax over the keys of vᵀ tanh(W_q q + W_k k)",
    ),
    mistakes=(
        *without(
            SCORE_MISTAKES, "gradient-cut", "weights-transposed", "sum-missing", "bias-added", "query-ignored"
        ),
        Mistake(
            "score-weights-transposed",
            "W_q or W_k is used transposed: that only fits when it is square, and then the scores are wrong.",
            next(m.variants for m in SCORE_MISTAKES if m.id == "weights-transposed"),
        ),
        *MODULE_MISTAKES,
        Mistake(
            "gradient-cut",
            "The numbers are right, but part of the gradient is missing: something was detached inside the score.",
            next(m.variants for m in SCORE_MISTAKES if m.id == "gradient-cut"),
        ),
        Mistake(
            "context-from-projected-keys",
            "The context is made of the projected keys W_k k. The projection serves the score alone; the context sums the keys themselves.",
            (
                {"combine": lambda m, w, q, k: w @ (k @ m.W_k.weight.T)},
                {"combine": lambda m, w, q, k: w @ torch.tanh(k @ m.W_k.weight.T)},
                {
                    "combine": lambda m, w, q, k: (
                        w @ (k @ m.W_k.weight.T if m.W_k.weight.shape[0] == k.shape[-1] else k)
                    )
                },
            ),
        ),
        Mistake(
            "bias-added",
            "A layer has a bias that the formula does not have. nn.Linear makes one unless it is told bias=False; on the final score its gradient would always be 0, since the softmax ignores a shift.",
            (
                {"make": _all_biases, "score": _score_with_biases},
                *({"make": _with_bias(which), "score": _score_with_biases} for which in ("v", "W_q", "W_k")),
            ),
            recognise=lambda failed: {
                i
                for i, t in enumerate(failed)
                if any("bias" in name or name == "b" for name in (t.outcome.parameters or {}))
            },
        ),
        Mistake(
            "stale-cache",
            "The projected keys of an earlier call are used again for other keys. What is kept between calls must belong to one source sentence only.",
            ({"score": _first_keys}, {"score": _keys_kept_by_shape}),
        ),
        Mistake(
            "pairs-only",
            "Query i is scored with key i alone. Every query must meet every key.",
            (
                {
                    "score": lambda m, q, k: _pairs_only(q, k, m.W_q.weight, m.W_k.weight, m.v.weight[0])[
                        ..., None
                    ].expand(-1, -1, k.shape[1])
                },
                {"score": lambda m, q, k: _pairs_only(q, k, m.W_q.weight, m.W_k.weight, m.v.weight[0])},
            ),
        ),
        *parameter_mistakes(
            _from_weights(torch.randn, parameter=False),
            _from_weights(torch.FloatTensor),
            lambda value: _from_weights(lambda *shape: torch.full(shape, value)),
            _made_with_seed,
        ),
    ),
    hints=(
        "Make three nn.Linear layers in __init__, each with bias=False: query_dim to attn_dim, key_dim to attn_dim, and attn_dim to 1.",
        "nn.Linear keeps its matrix as (out, in), which is just what additive_scores wants: pass W_q.weight, W_k.weight and v.weight[0].",
        "A mask of shape (B, S) serves every query: give it a middle axis. One of shape (B, T, S) fits as it is.",
        "Then masked_softmax turns scores into weights, and the context is the weighted sum of the keys. Return both.",
    ),
)

EXERCISES = (ADDITIVE_SCORE, ADDITIVE_SCORES, ADDITIVE_ATTENTION)
