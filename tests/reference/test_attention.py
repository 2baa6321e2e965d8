"""Attention whole: against PyTorch's own, its properties, and how modules start."""

import math

import pytest
import torch
import torch.nn.functional as F

from seqattn_ref import (
    AdditiveAttention,
    Attention,
    BilinearAttention,
    context_vector,
    dot_scores,
    masked_softmax,
)

from .calls import assert_close
from .cases import CASES
from .draw import DISTINCT, DTYPES, Draw

MODULES = {
    "additive": lambda: AdditiveAttention(DISTINCT.Dq, DISTINCT.Dk, DISTINCT.A),
    "bilinear": lambda: BilinearAttention(DISTINCT.Dq, DISTINCT.Dk),
}


@pytest.fixture(params=MODULES)
def attend(request):
    """A module with batch and mask, in float64."""
    torch.manual_seed(0)
    return MODULES[request.param]().double()


@pytest.fixture
def batch():
    """Queries, keys and a mask (B, S) whose last row is empty."""
    draw = Draw()
    return draw.real("B", "T", "Dq"), draw.real("B", "S", "Dk"), draw.padding()


# Against torch.nn.functional.scaled_dot_product_attention


@pytest.mark.parametrize("kind", ["no mask", "padding", "holes"])
def test_dot_attention_is_sdpa_without_its_scale(kind, device):
    draw = Draw()
    queries, keys, values = (draw.real("B", axis, "Dk").to(device) for axis in "TSS")
    mask = _sdpa_mask(draw, kind, device)
    wanted = F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask, scale=1.0)
    actual = context_vector(masked_softmax(dot_scores(queries, keys), mask), values)
    assert_close(actual, wanted, 1e-12)


@pytest.mark.parametrize("kind", ["no mask", "padding", "holes"])
def test_bilinear_attention_is_sdpa_with_projected_queries(kind, device):
    draw = Draw()
    attend = MODULES["bilinear"]().double().to(device)
    queries, keys = (draw.real("B", *axes).to(device).requires_grad_() for axes in (("T", "Dq"), ("S", "Dk")))
    mask = _sdpa_mask(draw, kind, device)
    leaves = (queries, keys, attend.W)

    wanted = F.scaled_dot_product_attention(queries @ attend.W, keys, keys, attn_mask=mask, scale=1.0)
    actual, _ = attend(queries, keys, None if mask is None else mask.expand(-1, queries.shape[1], -1))
    assert_close(actual, wanted, 1e-12)
    for ours, theirs in zip(
        torch.autograd.grad(actual.square().sum(), leaves),
        torch.autograd.grad(wanted.square().sum(), leaves),
        strict=True,
    ):
        assert_close(ours, theirs, 1e-12)


def _sdpa_mask(draw, kind, device):
    """None, (B, 1, S) or (B, T, S). The last two leave a query with nothing to attend to."""
    if kind == "no mask":
        return None
    return (draw.padding()[:, None, :] if kind == "padding" else draw.holes()).to(device)


# Properties


def test_the_mask_b_s_is_the_mask_b_t_s_with_equal_rows(attend, batch):
    queries, keys, mask = batch
    each = mask[:, None, :].expand(-1, queries.shape[1], -1)
    for short, long in zip(attend(queries, keys, mask), attend(queries, keys, each), strict=True):
        assert torch.equal(short, long)


def test_no_mask_is_a_mask_that_allows_everything(attend, batch):
    queries, keys, mask = batch
    everything = torch.ones_like(mask)
    for without, within in zip(attend(queries, keys), attend(queries, keys, everything), strict=True):
        assert_close(without, within, 1e-12)


def test_more_padding_changes_nothing(attend, batch):
    queries, keys, mask = batch
    padded_keys = F.pad(keys, (0, 0, 0, 3), value=1e4)
    padded_mask = F.pad(mask, (0, 3), value=False)
    context, weights = attend(queries, keys, mask)
    padded_context, padded_weights = attend(queries, padded_keys, padded_mask)
    assert_close(padded_context, context, 1e-12)
    assert_close(padded_weights[..., :-3], weights, 1e-12)
    assert (padded_weights[..., -3:] == 0).all()


def test_what_stands_in_the_padding_changes_nothing(attend, batch):
    queries, keys, mask = batch
    other_keys = keys.masked_fill(~mask[:, :, None], 1e4)
    for before, after in zip(attend(queries, keys, mask), attend(queries, other_keys, mask), strict=True):
        assert torch.equal(before, after)


def test_permuted_keys_permute_the_weights_and_keep_the_context(attend, batch):
    queries, keys, mask = batch
    order = torch.tensor([3, 0, 4, 2, 1])
    context, weights = attend(queries, keys, mask)
    same_context, permuted = attend(queries, keys[:, order], mask[:, order])
    assert_close(same_context, context, 1e-12)
    assert_close(permuted, weights[..., order], 1e-12)


def test_samples_do_not_meet(attend, batch):
    queries, keys, mask = batch
    together = attend(queries, keys, mask)
    for b in range(len(queries)):
        alone = attend(queries[b : b + 1], keys[b : b + 1], mask[b : b + 1])
        for mine, ours in zip(alone, together, strict=True):
            assert_close(mine[0], ours[b], 1e-12)


def test_queries_do_not_meet(attend, batch):
    queries, keys, mask = batch
    together = attend(queries, keys, mask)
    for i in range(queries.shape[1]):
        alone = attend(queries[:, i : i + 1], keys, mask)
        for mine, ours in zip(alone, together, strict=True):
            assert_close(mine[:, 0], ours[:, i], 1e-12)


def test_weights_depend_on_the_query_and_on_each_real_key(attend, batch):
    queries, keys, mask = (x[:1] for x in batch)
    _, weights = attend(queries, keys, mask)
    _, others = attend(queries + 1, keys, mask)
    assert (weights - others).abs().max() > 1e-3
    for j in range(keys.shape[1]):
        moved = keys.clone()
        moved[:, j] += 1
        _, others = attend(queries, moved, mask)
        assert (weights - others)[..., j].abs().max() > 1e-3


def test_the_context_lies_between_the_keys(attend, batch):
    queries, keys, _ = batch
    context, _ = attend(1e3 * queries, keys)
    assert (context <= keys.amax(dim=1, keepdim=True) + 1e-12).all()
    assert (context >= keys.amin(dim=1, keepdim=True) - 1e-12).all()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("magnitude", [1.0, 1e4])
def test_an_empty_row_gives_0_and_spoils_no_gradient(attend, batch, dtype, magnitude, device):
    attend.to(device, dtype)
    queries, keys = (((magnitude * x).to(device, dtype)).requires_grad_() for x in batch[:2])
    mask = batch[2].to(device)
    context, weights = attend(queries, keys, mask)
    assert (context[-1] == 0).all()
    assert (weights[-1] == 0).all()
    (context.sum() + weights.square().sum()).backward()
    assert (queries.grad[-1] == 0).all()
    assert (keys.grad[-1] == 0).all()
    for leaf in (queries, keys, *attend.parameters()):
        assert leaf.grad.isfinite().all()


def test_a_batch_of_empty_rows_gives_0_and_gradients_of_0(attend, batch):
    queries, keys, mask = batch
    context, weights = attend(queries, keys, torch.zeros_like(mask))
    (context.sum() + weights.sum()).backward()
    assert (context == 0).all()
    assert (weights == 0).all()
    assert all((parameter.grad == 0).all() for parameter in attend.parameters())


def test_the_repaired_class_is_bilinear_attention_on_one_sequence():
    y, h, W = CASES["Attention"].inputs(Draw())
    repaired, bilinear = Attention(*W.shape).double(), BilinearAttention(*W.shape).double()
    for module in (repaired, bilinear):
        module.load_state_dict({"W": W})
    context, _ = bilinear(y[None], h[None])
    assert_close(repaired(y, h), context[0], 1e-12)


def test_the_repaired_class_learns():
    """In the class as it stood every weight was 1. W had no gradient and the context was the sum of h."""
    y, h, _ = CASES["Attention"].inputs(Draw())
    attend = Attention(y.shape[1], h.shape[1]).double()
    context = attend(y, h)
    context.square().sum().backward()
    assert attend.W.grad.abs().max() > 1e-3
    assert (context[0] - context[1]).abs().max() > 1e-3
    assert (context - h.sum(dim=0)).abs().max() > 1e-3


# How modules start

PARAMETERS = {
    "additive": (
        lambda: AdditiveAttention(30, 50, 200),
        {"W_q.weight": (200, 30), "W_k.weight": (200, 50), "v.weight": (1, 200)},
    ),
    "bilinear": (lambda: BilinearAttention(30, 50), {"W": (30, 50)}),
    "seed": (lambda: Attention(30, 50), {"W": (30, 50)}),
}
every_module = pytest.mark.parametrize(("make", "shapes"), PARAMETERS.values(), ids=PARAMETERS.keys())


@every_module
def test_parameters_have_the_names_and_shapes_of_the_contract(make, shapes):
    module = make()
    assert {name: tuple(parameter.shape) for name, parameter in module.named_parameters()} == shapes
    assert {name: tuple(value.shape) for name, value in module.state_dict().items()} == shapes


@every_module
def test_parameters_start_from_xavier_uniform(make, shapes):
    torch.manual_seed(0)
    for parameter in make().parameters():
        bound = math.sqrt(6 / sum(parameter.shape))
        assert parameter.abs().max() <= bound
        assert parameter.abs().max() > 0.95 * bound
        assert parameter.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.15)


@every_module
def test_parameters_follow_the_seed(make, shapes):
    def start(seed):
        torch.manual_seed(seed)
        return list(make().parameters())

    for first, again, other in zip(start(1), start(1), start(2), strict=True):
        assert torch.equal(first, again)
        assert not torch.equal(first, other)


@every_module
def test_parameters_can_be_drawn_anew(make, shapes):
    module = make()
    before = [parameter.clone() for parameter in module.parameters()]
    module.reset_parameters()
    for then, now in zip(before, module.parameters(), strict=True):
        assert not torch.equal(then, now)


@pytest.mark.parametrize("make", MODULES.values(), ids=MODULES.keys())
def test_two_calls_agree(make, batch):
    module = make().double()
    for first, second in zip(module(*batch), module(*batch), strict=True):
        assert torch.equal(first, second)
