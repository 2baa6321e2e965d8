"""pad_mask, masked_mean, masked_softmax and softmax_backward."""

import math

import pytest
import torch

from seqattn_ref import masked_mean, masked_softmax, pad_mask, softmax_backward

from . import oracle
from .calls import assert_close
from .draw import DTYPES, Draw


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8], ids=str)
def test_pad_mask_agrees_with_the_oracle(dtype, device):
    lengths = [3, 0, 5, 1]
    mask = pad_mask(torch.tensor(lengths, dtype=dtype, device=device), 5)
    assert mask.dtype == torch.bool
    assert mask.device.type == device
    assert mask.tolist() == oracle.pad_mask(lengths, 5)


@pytest.mark.parametrize(
    ("lengths", "max_len"), [([1], 1), ([0], 1), ([4], 6), ([1, 1, 1], 1), ([2, 7], 4), ([2], 0)]
)
def test_pad_mask_at_the_edges(lengths, max_len):
    mask = pad_mask(torch.tensor(lengths), max_len)
    assert mask.shape == (len(lengths), max_len)
    assert mask.tolist() == oracle.pad_mask(lengths, max_len)


def test_pad_mask_takes_lengths_that_are_not_contiguous():
    lengths = torch.tensor([3, 9, 0, 9, 2, 9])[::2]
    assert pad_mask(lengths, 4).tolist() == oracle.pad_mask([3, 0, 2], 4)


def test_pad_mask_may_be_longer_than_the_dtype_of_the_lengths_can_count():
    lengths = torch.tensor([200, 3], dtype=torch.uint8)
    assert pad_mask(lengths, 300).tolist() == oracle.pad_mask([200, 3], 300)


def test_pad_mask_reads_no_length_back():
    mask = pad_mask(torch.tensor([3, 1], device="meta"), 4)
    assert mask.is_meta
    assert mask.shape == (2, 4)


@pytest.mark.parametrize("junk", [1e4, float("nan"), float("inf")])
def test_masked_mean_never_reads_padding(junk):
    draw = Draw()
    x, mask = draw.real("B", "S", "Dk"), draw.padding()
    clean = masked_mean(x, mask)
    assert torch.equal(masked_mean(x.masked_fill(~mask[:, :, None], junk), mask), clean)


def test_masked_mean_of_an_empty_row_is_0_and_sends_back_0():
    x = Draw().real("B", "S", "Dk").requires_grad_()
    mask = torch.ones(x.shape[:2], dtype=torch.bool)
    mask[1] = False
    mean = masked_mean(x, mask)
    (gradient,) = torch.autograd.grad(mean.sum(), x)
    assert torch.equal(mean[1], torch.zeros_like(mean[1]))
    assert torch.equal(gradient[1], torch.zeros_like(gradient[1]))
    assert (gradient[0] == 1 / x.shape[1]).all()


@pytest.mark.parametrize(
    ("scores_shape", "mask_shape"),
    [
        ((5,), (5,)),
        ((4, 5), (5,)),
        ((4, 5), (4, 1)),
        ((3, 4, 5), (5,)),
        ((3, 4, 5), (3, 1, 5)),
        ((3, 4, 5), (1, 1, 1)),
        ((2, 3, 4, 5), (3, 4, 5)),
        ((2, 3, 4, 5), (2, 1, 1, 5)),
    ],
    ids=str,
)
def test_masked_softmax_broadcasts_the_mask(scores_shape, mask_shape):
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(scores_shape, generator=generator, dtype=torch.float64)
    mask = torch.arange(math.prod(mask_shape)).reshape(mask_shape) % 3 != 1
    rows, allowed = scores.reshape(1, -1, 5).tolist(), mask.expand(scores_shape).reshape(1, -1, 5).tolist()
    wanted = torch.tensor(oracle.masked_softmax(rows, allowed), dtype=torch.float64)
    assert_close(masked_softmax(scores, mask), wanted.reshape(scores_shape), 1e-12)


def test_masked_softmax_without_a_mask_allows_every_place():
    scores = Draw().real("B", "T", "S")
    everywhere = torch.ones(scores.shape, dtype=torch.bool)
    wanted = torch.tensor(oracle.masked_softmax(scores.tolist(), everywhere.tolist()), dtype=torch.float64)
    assert_close(masked_softmax(scores), wanted, 1e-12)
    assert_close(masked_softmax(scores, everywhere), wanted, 1e-12)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("size", [1.0, 1e4])
def test_rows_sum_to_1_or_0_and_masked_places_get_exactly_0(dtype, size, device):
    draw = Draw()
    scores = (size * draw.real("B", "T", "S")).to(device, dtype)
    mask = draw.holes().to(device)
    weights = masked_softmax(scores, mask)
    assert (weights >= 0).all()
    assert (weights[~mask] == 0).all()
    wanted = mask.any(dim=-1).double()
    assert_close(weights.sum(dim=-1, dtype=torch.float64), wanted, 1e-2 if dtype == torch.bfloat16 else 1e-6)


def test_a_constant_added_to_a_row_changes_nothing():
    draw = Draw()
    scores, mask = draw.real("B", "T", "S"), draw.holes()
    shift = 100 * draw.real("B", "T", 1)
    assert_close(masked_softmax(scores + shift, mask), masked_softmax(scores, mask), 1e-12)


@pytest.mark.parametrize("junk", [1e4, -1e4, float("nan"), float("inf"), float("-inf")])
def test_masked_scores_are_never_read(junk):
    draw = Draw()
    scores, mask = draw.real("B", "T", "S"), draw.holes()
    spoilt = scores.masked_fill(~mask, junk).requires_grad_()
    weights = masked_softmax(spoilt, mask)
    assert torch.equal(weights, masked_softmax(scores, mask))
    (gradient,) = torch.autograd.grad(weights.square().sum(), spoilt)
    assert (gradient[~mask] == 0).all()
    assert gradient.isfinite().all()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_masked_scores_far_above_the_real_ones_take_no_weight(dtype, device):
    scores = torch.tensor([[-1e4, -1e4, 1e4]], dtype=dtype, device=device)
    mask = torch.tensor([[True, True, False]], device=device)
    assert masked_softmax(scores, mask).tolist() == [[0.5, 0.5, 0.0]]


@pytest.mark.filterwarnings("ignore:Anomaly Detection has been enabled")
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_an_empty_row_has_weights_0_and_gradient_0(dtype, device):
    scores = torch.tensor([[1.0, 2.0], [1e4, -1e4]], dtype=dtype, device=device, requires_grad=True)
    mask = torch.tensor([[True, True], [False, False]], device=device)
    with torch.autograd.detect_anomaly(check_nan=True):
        weights = masked_softmax(scores, mask)
        weights[:, 0].sum().backward()
    assert weights[1].tolist() == [0, 0]
    assert scores.grad[1].tolist() == [0, 0]
    assert (scores.grad[0] != 0).all()


def test_softmax_backward_is_what_autograd_does():
    draw = Draw()
    scores, mask = draw.real("B", "T", "S").requires_grad_(), draw.holes()
    grad_weights = draw.real("B", "T", "S")
    weights = masked_softmax(scores, mask)
    (wanted,) = torch.autograd.grad(weights, scores, grad_weights)
    assert_close(softmax_backward(weights.detach(), grad_weights), wanted, 1e-12)


@pytest.mark.parametrize("shape", [(5,), (4, 5), (2, 3, 4, 5)], ids=str)
def test_softmax_backward_takes_any_leading_axes(shape):
    generator = torch.Generator().manual_seed(0)
    weights = torch.softmax(torch.randn(shape, generator=generator, dtype=torch.float64), dim=-1)
    grad_weights = torch.randn(shape, generator=generator, dtype=torch.float64)
    rows, grads = (x.reshape(1, -1, 5).tolist() for x in (weights, grad_weights))
    wanted = torch.tensor(oracle.softmax_backward(rows, grads), dtype=torch.float64)
    assert_close(softmax_backward(weights, grad_weights), wanted.reshape(shape), 1e-12)
