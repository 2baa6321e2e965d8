"""Exercises of lesson 06: Luong's bilinear ("general") score, its attention module, and a faulty class repaired."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

import seqattn_ref

from ..drawing import Draw
from ..exercise import Check, Exercise, Mistake
from ..judging import Tried
from ..sandbox.case import Call, Case, Construct
from .anywhere import ANY_FUNCTION, ANY_MODULE, APPLIED_AFTERWARDS, PAIRWISE, TRANSPOSED_RESULT, without
from .attention_by_hand import ALREADY_SOFTMAXED
from .common import Function, ask, finite_gradients, function_checks, wrapped
from .modules import MODULE_MISTAKES, Module, build_attention, module_checks, parameter_mistakes, seeds_differ

LESSON = "06_bilinear"

# ---- bilinear_scores


def _build_bilinear_scores(score=None, outer=None):
    return wrapped(outer, score or _right)


def _right(q: Tensor, k: Tensor, W: Tensor) -> Tensor:
    return q @ W @ k.transpose(-1, -2)


_SCORES = Function(
    "B T S Dq Dk",
    lambda fill, z: (fill(z["B"], z["T"], z["Dq"]), fill(z["B"], z["S"], z["Dk"]), fill(z["Dq"], z["Dk"])),
    lambda z: (z["B"], z["T"], z["S"]),
    (
        {"B": 1, "T": 1, "S": 2, "Dq": 1, "Dk": 1},
        {"B": 1, "T": 2, "S": 3, "Dq": 2, "Dk": 2},
        {"B": 2, "T": 2, "S": 3, "Dq": 2, "Dk": 3},
    ),
)


def _large(draw: Draw) -> Iterator[Case]:
    yield ask(1e4 * draw.whole(2, 2, 2), draw.whole(2, 3, 2), draw.whole(2, 2))
    yield ask(draw.whole(1, 2, 2), 1e4 * draw.whole(1, 3, 2), draw.whole(2, 2))


BILINEAR_SCORE_MISTAKES = (
    Mistake(
        "weights-transposed",
        "W is used transposed: that only fits when it is square, and then the numbers are wrong. W has shape (Dq, Dk): its rows belong to the query, its columns to the key.",
        (
            {"score": lambda q, k, W: q @ W.T @ k.transpose(-1, -2)},
            {"score": lambda q, k, W: (k @ W @ q.transpose(-1, -2)).transpose(-1, -2)},
            {"score": lambda q, k, W: q @ W.reshape(W.shape[1], W.shape[0]) @ k.transpose(-1, -2)},
            {"score": lambda q, k, W: q @ (W.T if W.shape[0] == W.shape[1] else W) @ k.transpose(-1, -2)},
            {"score": lambda q, k, W: q @ W.T.reshape(W.shape) @ k.transpose(-1, -2)},
            {
                "score": lambda q, k, W: (
                    q @ ((W + W.T) / 2 if W.shape[0] == W.shape[1] else W) @ k.transpose(-1, -2)
                )
            },
        ),
    ),
    Mistake(
        "needless-scaling",
        "The scores are divided by √d (or by d). Here the plain, unscaled score is asked for.",
        tuple(
            {"score": lambda q, k, W, f=f: _right(q, k, W) * f(q, k)}
            for f in (
                lambda q, k: k.shape[-1] ** -0.5,
                lambda q, k: q.shape[-1] ** -0.5,
                lambda q, k: 1 / k.shape[-1],
                lambda q, k: 1 / q.shape[-1],
                lambda q, k: (q.shape[-1] * k.shape[-1]) ** -0.5,
            )
        ),
    ),
    Mistake(
        "w-missing",
        "W plays no part: this is the plain dot product of query and key.",
        (
            {"score": lambda q, k, W: q @ k.transpose(-1, -2)},
            {
                "score": lambda q, k, W: (
                    q
                    @ (W if W.shape[0] != W.shape[1] else torch.eye(len(W), dtype=W.dtype))
                    @ k.transpose(-1, -2)
                )
            },
            {"score": lambda q, k, W: q @ k.transpose(-1, -2) + 0 * W.sum()},
        ),
    ),
    Mistake(
        "tanh-in-a-bilinear-score",
        "A tanh (or another squashing function) is applied. The bilinear score is a plain product; the tanh belongs to the additive one.",
        (
            {"score": lambda q, k, W: torch.tanh(_right(q, k, W))},
            {"score": lambda q, k, W: torch.tanh(q @ W) @ k.transpose(-1, -2)},
            {"score": lambda q, k, W: q @ torch.tanh(W @ k.transpose(-1, -2))},
            {"score": lambda q, k, W: torch.sigmoid(_right(q, k, W))},
            {"score": lambda q, k, W: torch.relu(_right(q, k, W))},
            {"score": lambda q, k, W: torch.relu(q @ W) @ k.transpose(-1, -2)},
            {"score": lambda q, k, W: q @ torch.softmax(W, -1) @ k.transpose(-1, -2)},
            {"score": lambda q, k, W: q @ torch.tanh(W) @ k.transpose(-1, -2)},
        ),
    ),
    Mistake(
        "query-ignored",
        "The score does not depend on the query.",
        ({"score": lambda q, k, W: (k @ W.T).sum(-1)[..., None, :].expand(*q.shape[:-1], -1)},),
    ),
    Mistake(
        "key-ignored",
        "The score does not depend on the key.",
        (
            {"score": lambda q, k, W: (q @ W).sum(-1, keepdim=True).expand(*q.shape[:-1], k.shape[-2])},
            {"score": lambda q, k, W: _right(q, k.mean(-2, keepdim=True).expand_as(k), W)},
        ),
    ),
    Mistake(
        "pairs-only",
        "Query i is scored with key i alone. Every query must meet every key.",
        (
            {"score": lambda q, k, W: ((q @ W) * k).sum(-1)},
            {"score": lambda q, k, W: ((q @ W) * k).sum(-1, keepdim=True).expand(*q.shape[:-1], k.shape[-2])},
        ),
    ),
    Mistake(
        "view-instead-of-transpose",
        "The keys were reshaped with `view` or `reshape` where their axes should have been exchanged: numbers of different keys are mixed.",
        ({"score": lambda q, k, W: q @ W @ k.reshape(*k.shape[:-2], k.shape[-1], k.shape[-2])},),
    ),
    Mistake(
        "keys-not-transposed",
        "The product is taken without exchanging the axes of the keys: that only fits when S equals Dk, and then it is wrong.",
        (
            {"score": lambda q, k, W: q @ W @ k},
            {"score": lambda q, k, W: q @ W @ (k if k.shape[-1] == k.shape[-2] else k.transpose(-1, -2))},
        ),
    ),
    Mistake(
        "queries-transposed",
        "The axes of the queries were exchanged. For the product of every query with every key the queries stay as they are, and the last two axes of the keys change places.",
        ({"score": lambda q, k, W: q.transpose(-1, -2) @ W @ k},),
    ),
    Mistake(
        "distance-instead-of-product",
        "This is a distance between the carried query and the key. The score is their dot product.",
        (
            {"score": lambda q, k, W: -(torch.cdist(q @ W, k) ** 2)},
            {"score": lambda q, k, W: -torch.cdist(q @ W, k)},
        ),
    ),
    Mistake(
        "diagonal-of-w-only",
        "Only the diagonal of W is used. Every feature of the query may speak to every feature of the key.",
        ({"score": lambda q, k, W: q @ (W * torch.eye(*W.shape, dtype=W.dtype)) @ k.transpose(-1, -2)},),
    ),
    Mistake(
        "sum-instead-of-product",
        "The carried query and the key are added. The bilinear score multiplies them.",
        ({"score": lambda q, k, W: ((q @ W)[..., :, None, :] + k[..., None, :, :]).sum(-1)},),
    ),
    Mistake(
        "last-feature-lost",
        "The last feature is left out of the sum: look at where a slice or a range ends.",
        ({"score": lambda q, k, W: (q @ W)[..., :-1] @ k[..., :-1].transpose(-1, -2)},),
    ),
    Mistake(
        "stops-half-way",
        "Only the first product, q W, is there. It still has to meet the keys.",
        ({"score": lambda q, k, W: q @ W},),
    ),
    Mistake(
        "cosine-instead-of-dot",
        "Vectors were brought to length 1 first. The score keeps their lengths.",
        (
            {
                "score": lambda q, k, W: (
                    nn.functional.normalize(q @ W, dim=-1)
                    @ nn.functional.normalize(k, dim=-1).transpose(-1, -2)
                )
            },
            {
                "score": lambda q, k, W: (
                    nn.functional.normalize(q, dim=-1)
                    @ W
                    @ nn.functional.normalize(k, dim=-1).transpose(-1, -2)
                )
            },
        ),
    ),
    Mistake(
        "bias-added",
        "A number is added that the formula does not have.",
        ({"score": lambda q, k, W: _right(q, k, W) + 1},),
    ),
    Mistake(
        "gradient-cut",
        "The numbers are right, but part of the gradient is missing: something was detached inside the score.",
        (
            {"score": lambda q, k, W: _right(q.detach(), k, W)},
            {"score": lambda q, k, W: _right(q, k.detach(), W)},
            {"score": lambda q, k, W: _right(q, k, W.detach())},
            {"score": lambda q, k, W: _right(q.detach(), k, W.detach())},
            {"score": lambda q, k, W: _right(q, k.detach(), W.detach())},
        ),
    ),
)

BILINEAR_SCORES = Exercise(
    name="bilinear_scores",
    lesson=LESSON,
    asked="For queries (B, T, Dq), keys (B, S, Dk) and W (Dq, Dk), give the score e_ij = q_iᵀ W k_j of every query with every key of the same sample, (B, T, S), without any scaling.",
    arguments=("queries (B, T, Dq)", "keys (B, S, Dk)", "W (Dq, Dk)"),
    returns=("scores (B, T, S)",),
    reference=seqattn_ref.bilinear_scores,
    build=_build_bilinear_scores,
    checks=function_checks(
        _SCORES,
        "The scores have shape (B, T, S)",
        "e_ij = q_iᵀ W k_j, for every query and key",
        "Gradients reach queries, keys and W",
        (0.5, 1.5, 0.5, 1, 0.5),
        _large,
    ),
    mistakes=(
        *BILINEAR_SCORE_MISTAKES,
        Mistake(
            "reverses-all-axes",
            "`.T` on a tensor with three axes reverses all of them, the batch too. Exchange the last two by name: `transpose(1, 2)`.",
            ({"score": lambda q, k, W: q @ W @ k.permute(2, 1, 0)},),
        ),
        ALREADY_SOFTMAXED,
        *PAIRWISE,
        APPLIED_AFTERWARDS,
        *ANY_FUNCTION,
    ),
    hints=(
        "W carries a query into the space of the keys: queries @ W has shape (B, T, Dk).",
        "What remains is the dot product of every carried query with every key.",
        "Exchange the last two axes of the keys with transpose(1, 2), then multiply with @.",
    ),
)

# ---- BilinearAttention


def _make(module: nn.Module, query_dim: int, key_dim: int) -> None:
    module.W = nn.Parameter(nn.init.xavier_uniform_(torch.empty(query_dim, key_dim)))


def _from_weight(new: Callable[..., Tensor], parameter: bool = True) -> Callable:
    def make(module, query_dim, key_dim):
        weight = new(query_dim, key_dim)
        module.W = nn.Parameter(weight) if parameter else weight

    return make


def _made_with_seed(module, query_dim, key_dim):
    torch.manual_seed(0)
    _make(module, query_dim, key_dim)


def _named_otherwise(module, query_dim, key_dim):
    module.W = nn.Linear(key_dim, query_dim, bias=False)


def _transposed_shape(module, query_dim, key_dim):
    module.W = nn.Parameter(torch.randn(key_dim, query_dim))


def _with_bias(module, query_dim, key_dim):
    _make(module, query_dim, key_dim)
    module.b = nn.Parameter(torch.randn(1))


def _turned_around(failed: list[Tried]) -> set[int]:
    """The failing cases whose W has the two sizes, which differ, the other way round."""
    sizes = [(t.case.construct.args, (t.outcome.parameters or {}).get("W")) for t in failed]
    return {i for i, (made, W) in enumerate(sizes) if W is not None and W.shape == made[::-1] != made}


def _parameter_makers() -> tuple[Mistake, ...]:
    return (
        *parameter_mistakes(
            _from_weight(torch.randn, parameter=False),
            _from_weight(torch.FloatTensor),
            lambda value: _from_weight(lambda *shape: torch.full(shape, value)),
            _made_with_seed,
        ),
        Mistake(
            "parameter-is-a-layer",
            "W is a layer, so its matrix is called W.weight. The exercise asks for the matrix itself: an nn.Parameter called W.",
            ({"make": _named_otherwise},),
            recognise=lambda failed: {
                i for i, t in enumerate(failed) if "W.weight" in (t.outcome.parameters or {})
            },
        ),
        Mistake(
            "parameter-shape-transposed",
            "W has its two sizes the other way round. Its rows belong to the query, its columns to the key.",
            ({"make": _transposed_shape},),
            recognise=_turned_around,
        ),
    )


_BIAS = Mistake(
    "bias-added",
    "There is a parameter that the formula does not have. On the final score its gradient would always be 0, since the softmax ignores a shift.",
    ({"make": _with_bias},),
    recognise=lambda failed: {
        i for i, t in enumerate(failed) if not t.case.calls and set(t.outcome.parameters or {}) > {"W"}
    },
)


def _build_module(make=None, score=None, call=None, **pieces):
    score = score or _right
    return build_attention(make or _make, call or (lambda m, q, k: score(q, k, m.W)), **pieces)


def _first_keys(module: nn.Module, queries: Tensor, keys: Tensor) -> Tensor:
    if "kept" not in module.__dict__:
        module.__dict__["kept"] = module.W @ keys.transpose(1, 2)
    return queries @ module.__dict__["kept"]


def _keys_kept_by_shape(module: nn.Module, queries: Tensor, keys: Tensor) -> Tensor:
    kept = module.__dict__.get("kept")
    if kept is None or kept.shape[::2] != (keys.shape[0], keys.shape[1]):
        kept = module.__dict__["kept"] = module.W @ keys.transpose(1, 2)
    return queries @ kept


_MODULE = Module(
    "B T S Dq Dk",
    lambda z: (z["Dq"], z["Dk"]),
    lambda z: {"W": (z["Dq"], z["Dk"])},
    loud=(
        Construct((2, 2), torch.float32, {"W": torch.tensor([[1e4, 0.0], [0.0, 1.0]])}),
        torch.tensor([[[1.0, 1.0], [-1.0, 1.0], [0.0, 1.0]]]),
        torch.tensor([[[1.0, -1.0], [1.0, 0.0], [1.0, 1.0], [1.0, 1e4]]]),
    ),
)

BILINEAR_ATTENTION = Exercise(
    name="BilinearAttention",
    lesson=LESSON,
    asked="An nn.Module(query_dim, key_dim) with one parameter W (Dq, Dk): forward(queries, keys, mask=None) scores every pair with qᵀ W k, takes the masked softmax over the keys, and returns "
    "(context, weights), the context being the weighted sum of the keys.",
    arguments=("queries (B, T, Dq)", "keys (B, S, Dk)", "mask"),
    returns=("context (B, T, Dk)", "weights (B, T, S)"),
    construct=("query_dim", "key_dim"),
    parameters={"W": "(Dq, Dk)"},
    reference=seqattn_ref.BilinearAttention,
    build=_build_module,
    checks=module_checks(_MODULE, "W (Dq, Dk)", "The weights are the softmax over the keys of qᵀ W k"),
    mistakes=(
        *without(BILINEAR_SCORE_MISTAKES, "gradient-cut", "weights-transposed", "bias-added"),
        Mistake(
            "score-weights-transposed", BILINEAR_SCORE_MISTAKES[0].hint, BILINEAR_SCORE_MISTAKES[0].variants
        ),
        *MODULE_MISTAKES,
        Mistake("gradient-cut", BILINEAR_SCORE_MISTAKES[-1].hint, BILINEAR_SCORE_MISTAKES[-1].variants),
        Mistake(
            "context-from-projected-keys",
            "The context is made of projected keys. The projection serves the score alone; the context sums the keys themselves.",
            (
                {"combine": lambda m, w, q, k: w @ (k @ m.W.T)},
                {"combine": lambda m, w, q, k: w @ (k @ m.W.T if m.W.shape[0] == m.W.shape[1] else k)},
            ),
        ),
        Mistake(
            "stale-cache",
            "The keys of an earlier call are used again for other keys. What is kept between calls must belong to one source sentence only.",
            ({"call": _first_keys}, {"call": _keys_kept_by_shape}),
        ),
        _BIAS,
        *_parameter_makers(),
    ),
    hints=(
        "Make W in __init__: nn.Parameter(torch.empty(query_dim, key_dim)), then initialise it with nn.init.xavier_uniform_.",
        "The forward pass has three steps: bilinear_scores, masked_softmax, context_vector.",
        "A mask of shape (B, S) serves every query: give it a middle axis. One of shape (B, T, S) fits as it is.",
    ),
)

# ---- Attention: the class that the course began from, repaired


def _build_seed(make=None, score=None, normalise=None, combine=None, give=None, outer=None):
    make, score = make or _make, score or _right
    normalise = normalise or (lambda e: torch.softmax(e, -1))
    combine = combine or (lambda weights, y, h, module: weights @ h)
    give = give or (lambda context, weights: context)

    class Attention(nn.Module):
        def __init__(self, y_dim, h_dim):
            super().__init__()
            make(self, y_dim, h_dim)

        def answer(self, y, h):
            weights = normalise(score(y, h, self.W))
            return give(combine(weights, y, h, self), weights)

        def forward(self, y, h):
            return self.answer(y, h) if outer is None else outer(self.answer)(y, h)

    return Attention


def _seed_born(z: dict, seed: int = 0) -> Case:
    return Case((), Construct((z["Y"], z["H"])), seed)


def _seed_case(fill, z: dict, gradient: bool = False, dtype: torch.dtype = torch.float32) -> Case:
    made = Construct((z["Y"], z["H"]), dtype, {"W": fill(z["Y"], z["H"]).to(dtype)})
    call = Call(
        (fill(z["T"], z["Y"]).to(dtype), fill(z["S"], z["H"]).to(dtype)),
        (fill(z["T"], z["H"]).to(dtype),) if gradient else None,
    )
    return Case((call,), made)


def _seed_sizes(draw: Draw) -> dict:
    return dict(zip(("T", "S", "Y", "H"), draw.distinct(4, 2, 6), strict=True))


def _seed_new(draw: Draw) -> Iterator[Case]:
    yield _seed_born(_seed_sizes(draw))
    yield _seed_born(dict.fromkeys("TSYH", 3))


def _seed_seeds(draw: Draw) -> Iterator[Case]:
    sizes = _seed_sizes(draw)
    yield from (_seed_born(sizes, seed) for seed in (1, 2))


def _seed_shapes(draw: Draw) -> Iterator[Case]:
    yield _seed_case(draw.normal, _seed_sizes(draw))
    yield _seed_case(draw.normal, _seed_sizes(draw) | {"T": 1})
    yield _seed_case(draw.normal, _seed_sizes(draw) | {"S": 1})


def _seed_values(draw: Draw) -> Iterator[Case]:
    yield _seed_case(lambda *s: draw.nonzero(*s, most=1), {"T": 1, "S": 2, "Y": 1, "H": 1})
    yield _seed_case(lambda *s: draw.nonzero(*s, most=1), {"T": 2, "S": 3, "Y": 2, "H": 2})
    yield _seed_case(draw.normal, _seed_sizes(draw))
    yield _seed_case(draw.normal, dict.fromkeys("TSYH", 3))
    yield _seed_case(draw.normal, dict.fromkeys("TSYH", 2))
    yield _seed_case(draw.normal, _seed_sizes(draw) | {"T": 1})
    yield _seed_case(draw.normal, _seed_sizes(draw) | {"S": 1})
    yield _seed_case(draw.normal, _seed_sizes(draw) | {"S": 13})
    h = draw.normal(3, 2)
    h[1] = 0
    yield Case((Call((draw.normal(2, 2), h)),), Construct((2, 2), torch.float32, {"W": draw.normal(2, 2)}))


def _seed_gradients(draw: Draw) -> Iterator[Case]:
    yield _seed_case(lambda *s: draw.nonzero(*s, most=1), {"T": 1, "S": 2, "Y": 1, "H": 1}, gradient=True)
    yield _seed_case(draw.normal, _seed_sizes(draw), gradient=True)
    yield _seed_case(draw.normal, dict.fromkeys("TSYH", 3), gradient=True)


def _seed_robust(draw: Draw) -> Iterator[Case]:
    z = _seed_sizes(draw)
    yield _seed_case(lambda *s: draw.strided(draw.normal(*s)), z)
    yield _seed_case(draw.normal, z, dtype=torch.float64)
    yield _seed_case(draw.quarters, dict.fromkeys("TSYH", 2), dtype=torch.bfloat16)
    loud = Construct((2, 1), torch.float32, {"W": torch.tensor([[100.0], [-100.0]])})
    ends = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0], [2.0], [-100.0]])
    yield Case((Call(ends),), loud)
    yield Case((Call(ends, (draw.normal(2, 1),)),), loud)
    again = Call((draw.normal(z["T"], z["Y"]), draw.normal(z["S"], z["H"])))
    other = Call((draw.normal(z["T"] + 1, z["Y"]), draw.normal(z["S"] + 1, z["H"])))
    alike = Call((draw.normal(z["T"], z["Y"]), draw.normal(z["S"], z["H"])))
    yield Case(
        (again, other, alike, again),
        Construct((z["Y"], z["H"]), torch.float32, {"W": draw.normal(z["Y"], z["H"])}),
    )


def _over_first_axis(e: Tensor) -> Tensor:
    return torch.softmax(e, 0)


ATTENTION = Exercise(
    name="Attention",
    lesson=LESSON,
    asked="The class that lesson 06 puts on the operating table, repaired: an nn.Module(y_dim, h_dim) with one parameter W (y_dim, h_dim); forward(y (T, y_dim), h (S, h_dim)) takes the softmax over the S states of the scores y W hᵀ and returns the context (T, h_dim).",
    arguments=("y (T, y_dim)", "h (S, h_dim)"),
    returns=("context (T, h_dim)",),
    construct=("y_dim", "h_dim"),
    parameters={"W": "(y_dim, h_dim)"},
    reference=seqattn_ref.Attention,
    build=_build_seed,
    checks=(
        Check(
            "A new module has exactly the parameter W (y_dim, h_dim), set to finite numbers that differ",
            0.5,
            _seed_new,
            ("parameters", "fresh"),
        ),
        Check("W differs from seed to seed", 0.5, _seed_seeds, ("parameters",), across=seeds_differ),
        Check("It returns the context, (T, h_dim)", 0.5, _seed_shapes, ("shape",)),
        Check(
            "Each row of the context is the sum of the states, weighted by the softmax over the states",
            2,
            _seed_values,
        ),
        Check("Gradients reach y, h and W", 1, _seed_gradients, ("gradients",)),
        Check(
            "It gives the same answer twice, works in float64 and bfloat16 and for large scores, and leaves its inputs as they were",
            0.5,
            _seed_robust,
            ("inputs", "dtype", "values"),
            also=finite_gradients,
        ),
    ),
    mistakes=(
        Mistake(
            "softmax-over-queries",
            "These are the numbers one gets when the softmax runs over axis 0, the queries, as in the class before its repair. With one query every weight is 1: the context is the plain sum of the states and W's gradient is 0. "
            "The states are the last axis of the scores.",
            ({"normalise": _over_first_axis},),
        ),
        Mistake(
            "softmax-over-everything",
            "All rows together sum to 1: the softmax ran over both axes at once.",
            ({"normalise": lambda e: torch.softmax(e.flatten(), 0).view_as(e)},),
        ),
        Mistake(
            "softmax-missing",
            "The scores weigh the states directly: the softmax is missing.",
            ({"normalise": lambda e: e},),
        ),
        Mistake(
            "softmax-twice",
            "The weights went through a softmax twice: they come out too even.",
            ({"normalise": lambda e: torch.softmax(torch.softmax(e, -1), -1)},),
        ),
        Mistake(
            "naive-exp",
            "Large scores overflow: take the row's maximum away before the exponential, or use torch.softmax.",
            ({"normalise": lambda e: e.exp() / e.exp().sum(-1, keepdim=True)},),
        ),
        Mistake(
            "global-maximum",
            "The maximum of all scores is taken from every row. A row far below it underflows to 0/0.",
            ({"normalise": lambda e: (x := (e - e.max()).exp()) / x.sum(-1, keepdim=True)},),
        ),
        Mistake(
            "sigmoid-instead-of-softmax",
            "Each score was squashed by itself: the weights do not sum to 1.",
            ({"normalise": torch.sigmoid},),
        ),
        Mistake(
            "log-softmax",
            "The states are weighed with logarithms of weights.",
            ({"normalise": lambda e: torch.log_softmax(e, -1)},),
        ),
        Mistake(
            "not-normalised",
            "The exponentials still have to be divided by their sum.",
            ({"normalise": torch.exp},),
        ),
        Mistake(
            "divides-without-exp",
            "The scores are divided by their sum, without the exponential.",
            ({"normalise": lambda e: e / e.sum(-1, keepdim=True)},),
        ),
        Mistake(
            "hard-maximum",
            "All weight goes to the largest score. A softmax shares it out.",
            ({"normalise": lambda e: nn.functional.one_hot(e.argmax(-1), e.shape[-1]).to(e.dtype)},),
        ),
        Mistake(
            "mean-instead-of-weighted-sum",
            "The context is a plain mean or sum of the states: the weights are not used.",
            (
                {"combine": lambda w, y, h, m: h.sum(0, keepdim=True).expand(len(y), -1)},
                {"combine": lambda w, y, h, m: h.mean(0, keepdim=True).expand(len(y), -1)},
                {"combine": lambda w, y, h, m: w.sum(0, keepdim=True) @ h},
                {"combine": lambda w, y, h, m: (w @ h).sum(0, keepdim=True)},
                {"combine": lambda w, y, h, m: w @ h / len(h)},
                {"combine": lambda w, y, h, m: h[-1:].expand(len(y), -1)},
            ),
        ),
        Mistake(
            "same-context-for-all",
            "Every query gets the same context. Each query has weights of its own.",
            (
                {"combine": lambda w, y, h, m: (w[:1] @ h).expand(len(y), -1)},
                {"combine": lambda w, y, h, m: (w.mean(0, keepdim=True) @ h).expand(len(y), -1)},
                {"combine": lambda w, y, h, m: w[:1] @ h},
                {"combine": lambda w, y, h, m: w[0] @ h},
            ),
        ),
        Mistake(
            "context-from-queries",
            "The context is made of y. What is looked up are the states h.",
            (
                {"combine": lambda w, y, h, m: w @ y},
                {"combine": lambda w, y, h, m: w.T @ y},
                {"combine": lambda w, y, h, m: w @ (y if y.shape == h.shape else h)},
            ),
        ),
        Mistake(
            "weights-transposed",
            "The weights are used the other way round when the context is made.",
            (
                {"combine": lambda w, y, h, m: w.T @ h},
                {"combine": lambda w, y, h, m: (w.T if w.shape[0] == w.shape[1] else w) @ h},
            ),
        ),
        Mistake(
            "context-from-projected-keys",
            "The context is made of W h. The projection serves the score alone.",
            ({"combine": lambda w, y, h, m: w @ (h @ m.W.T)},),
        ),
        Mistake(
            "query-added-to-the-context",
            "The context holds more than the weighted states: y has been added, or a tanh applied.",
            ({"combine": lambda w, y, h, m: w @ h + y}, {"combine": lambda w, y, h, m: torch.tanh(w @ h)}),
        ),
        Mistake(
            "returns-the-weights",
            "The weights themselves come back. The context is what they make of the states.",
            ({"give": lambda c, w: w},),
        ),
        *without(BILINEAR_SCORE_MISTAKES, "weights-transposed", "bias-added"),
        Mistake(
            "score-weights-transposed", BILINEAR_SCORE_MISTAKES[0].hint, BILINEAR_SCORE_MISTAKES[0].variants
        ),
        Mistake(
            "needs-one-query",
            "This works for one row of y only. y may have any number of rows T, each with weights and a context of its own: keep the axis of the queries, and let the softmax run along the other one.",
            (
                {"normalise": lambda e: torch.softmax(e.squeeze(0), 0)},
                {"normalise": lambda e: torch.softmax(e.squeeze(), 0)},
                {
                    "normalise": lambda e: torch.softmax(e.squeeze(0), 0),
                    "give": lambda c, w: c.reshape(1, -1),
                },
                {"normalise": lambda e: torch.softmax(e.squeeze(), 0), "give": lambda c, w: c.unsqueeze(0)},
                {"normalise": lambda e: torch.softmax(e.flatten(), 0)[None]},
                {"outer": lambda f: lambda y, h: f(y.view(1, -1), h)},
                {"outer": lambda f: lambda y, h: f(y[-1:], h)},
            ),
        ),
        _BIAS,
        *_parameter_makers(),
        TRANSPOSED_RESULT,
        *ANY_MODULE,
    ),
    hints=(
        "With the identity matrix as states, h = torch.eye(S), the context is the weights. Look at them for one query and three states: what should they sum to?",
        "The scores have one row a query and one column a state. Which axis must sum to 1?",
        "torch.FloatTensor(n, m) takes memory as it finds it. Make the parameter with torch.empty and initialise it, for example with nn.init.xavier_uniform_.",
    ),
)

EXERCISES = (BILINEAR_SCORES, BILINEAR_ATTENTION, ATTENTION)
