"""The decoder with attention: what it looks at, when, and what it has to have seen by then."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from seqattn_ref import (
    AttentionDecoder,
    AttentionSeq2Seq,
    BilinearAttention,
    alignment_gradient,
    decoder_step,
)

from .calls import assert_close
from .draw import DISTINCT, DTYPES, Draw

B, T, S, Dq, Dk, A, _, E, H, X, V, _, _ = DISTINCT


@pytest.fixture
def decoder():
    torch.manual_seed(0)
    return AttentionDecoder(V, E, H, Dk, A).double()


@pytest.fixture
def batch():
    """Tokens, s^0, keys and a mask (B, S) whose last row is empty."""
    draw = Draw()
    return draw.tokens("V", "B", "T"), draw.real("B", "H"), draw.real("B", "S", "Dk"), draw.padding()


# decoder_step


def test_a_step_attends_with_the_state_before_and_joins_token_and_context_in_this_order(batch):
    _, state, keys, mask = batch
    embedded, asked = Draw().real("B", "E"), {}
    alpha = torch.softmax(Draw(seed=1).real("B", 1, "S"), dim=-1)

    def attend(*arguments):
        asked["attend"] = arguments
        return alpha @ keys, alpha

    def cell(*arguments):
        asked["cell"] = arguments
        return arguments[1] + 1

    new_state, context, weights = decoder_step(embedded, state, keys, mask, attend, cell)
    queries, attended, allowed = asked["attend"]
    assert torch.equal(queries, state[:, None])
    assert attended is keys
    assert allowed is mask
    x, before = asked["cell"]
    assert torch.equal(x, torch.cat([embedded, context], dim=1))
    assert before is state
    assert torch.equal(new_state, state + 1)
    assert torch.equal(context, (alpha @ keys)[:, 0])
    assert torch.equal(weights, alpha[:, 0])


def test_a_step_without_a_mask_asks_for_none(batch):
    _, state, keys, _ = batch

    def attend(queries, keys, mask):
        assert mask is None
        return keys[:, :1], queries.new_ones(B, 1, S)

    decoder_step(Draw().real("B", "E"), state, keys, None, attend, lambda x, s: s)


# AttentionDecoder


def test_the_parameters_have_the_names_and_shapes_of_the_contract(decoder):
    shapes = {name: tuple(parameter.shape) for name, parameter in decoder.named_parameters()}
    cell = {name: tuple(parameter.shape) for name, parameter in nn.GRUCell(E + Dk, H).named_parameters()}
    wanted = {
        "embedding.weight": (V, E),
        "attention.W_q.weight": (A, H),
        "attention.W_k.weight": (A, Dk),
        "attention.v.weight": (1, A),
        "output.weight": (V, H),
        "output.bias": (V,),
    }
    assert shapes == wanted | {f"cell.{name}": shape for name, shape in cell.items()}


@pytest.mark.parametrize("masked", [False, True])
def test_all_steps_are_one_step_at_a_time(decoder, batch, masked):
    inputs, state, keys, mask = batch if masked else (*batch[:3], None)
    logits, weights = decoder(inputs, state, keys, mask)
    for i in range(T):
        now, state, alpha = decoder.step(inputs[:, i], state, keys, mask)
        assert_close(logits[:, i], now, 1e-12)
        assert_close(weights[:, i], alpha, 1e-12)


def test_the_query_is_the_state_before_the_step(decoder, batch):
    inputs, state, keys, mask = batch
    _, weights = decoder(inputs, state, keys, mask)
    for i in range(T):
        _, wanted = decoder.attention(state[:, None], keys, mask)
        assert_close(weights[:, i], wanted[:, 0], 1e-12)
        _, state, _ = decoder.step(inputs[:, i], state, keys, mask)


def test_logits_see_their_own_input_and_weights_only_those_before(decoder, batch):
    """Input i is y^{i-1}. It goes into s^i, and so into the logits for y^i. The weights come from s^{i-1}."""
    inputs, state, keys, _ = batch
    logits, weights = decoder(inputs, state, keys)
    for i in range(T):
        changed = inputs.clone()
        changed[:, i] = (inputs[:, i] + 1) % V
        moved = [
            (after - before).abs().amax(dim=2)
            for after, before in zip(decoder(changed, state, keys), (logits, weights), strict=True)
        ]
        for difference, first in zip(moved, (i, i + 1), strict=True):
            assert (difference[:, :first] < 1e-12).all()
            assert (difference[:, first:] > 1e-9).all()


def test_the_first_state_moves_every_step(decoder, batch):
    inputs, state, keys, _ = batch
    for before, after in zip(decoder(inputs, state, keys), decoder(inputs, state + 1, keys), strict=True):
        assert ((after - before).abs().amax(dim=2) > 1e-9).all()


def test_no_mask_is_a_mask_that_allows_everything(decoder, batch):
    inputs, state, keys, mask = batch
    without = decoder(inputs, state, keys)
    within = decoder(inputs, state, keys, torch.ones_like(mask))
    for x, y in zip(without, within, strict=True):
        assert_close(x, y, 1e-12)


@pytest.mark.parametrize("junk", [1e4, -1e4])
def test_padding_gets_no_weight_whatever_and_however_much_it_is(decoder, batch, junk):
    inputs, state, keys, mask = batch
    logits, weights = decoder(inputs, state, keys, mask)
    spoilt = F.pad(keys.masked_fill(~mask[:, :, None], junk), (0, 0, 0, 3), value=junk)
    same_logits, same_weights = decoder(inputs, state, spoilt, F.pad(mask, (0, 3), value=False))
    assert (weights[~mask[:, None, :].expand_as(weights)] == 0).all()
    assert_close(same_logits, logits, 1e-12)
    assert_close(same_weights, F.pad(weights, (0, 3)), 1e-12)


def test_samples_do_not_meet(decoder, batch):
    together = decoder(*batch)
    for b in range(B):
        alone = decoder(*(x[b : b + 1] for x in batch))
        for mine, ours in zip(alone, together, strict=True):
            assert_close(mine[0], ours[b], 1e-12)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("magnitude", [1.0, 1e4])
def test_an_empty_source_gets_no_weight_and_spoils_no_gradient(decoder, batch, dtype, magnitude, device):
    decoder.to(device, dtype)
    inputs, mask = batch[0].to(device), batch[3].to(device)
    state, keys = ((magnitude * x).to(device, dtype).requires_grad_() for x in batch[1:3])
    logits, weights = decoder(inputs, state, keys, mask)
    assert logits.isfinite().all()
    assert (weights[-1] == 0).all()
    (logits.square().sum() + weights.square().sum()).backward()
    assert (keys.grad[~mask] == 0).all()
    for leaf in (state, keys, *decoder.parameters()):
        assert leaf.grad.isfinite().all()


def test_the_keys_are_projected_once_for_all_steps(decoder, batch):
    calls = []
    decoder.attention.W_k.register_forward_hook(lambda *_: calls.append(1))
    decoder(*batch)
    assert len(calls) == 1


def test_projected_keys_are_not_kept_for_the_next_call(decoder, batch):
    _, before = decoder(*batch)
    with torch.no_grad():
        decoder.attention.W_k.weight.add_(1)
    _, after = decoder(*batch)
    assert (after - before).abs().max() > 1e-3
    inputs, state, keys, mask = batch
    _, others = decoder(inputs, state, keys.flip(1), mask)
    assert (after - others).abs().max() > 1e-3


# AttentionSeq2Seq


@pytest.fixture
def model():
    torch.manual_seed(0)
    return AttentionSeq2Seq(X, V, E, H, A).double()


def test_the_model_is_its_encoder_and_then_its_decoder(model):
    draw = Draw()
    source, lengths, inputs = draw.tokens("X", "B", "S"), draw.lengths(), draw.tokens("V", "B", "T")
    h, _ = model.encoder(source, lengths)
    keys, mask, state = model.encode(source, lengths)
    assert torch.equal(keys, h)
    assert torch.equal(mask, draw.padding())
    for ours, theirs in zip(
        model(source, lengths, inputs), model.decoder(inputs, state, keys, mask), strict=True
    ):
        assert torch.equal(ours, theirs)


def test_the_first_state_comes_from_the_backward_state_at_the_first_token(model):
    draw = Draw()
    source, lengths = draw.tokens("X", "B", "S"), draw.lengths()
    keys, _, state = model.encode(source, lengths)
    at_the_first = keys[:, 0, H:]
    assert_close(state, torch.tanh(at_the_first @ model.start.weight.T + model.start.bias), 1e-12)


def test_weights_stay_inside_the_source(model):
    draw = Draw()
    source, lengths, inputs = draw.tokens("X", "B", "S"), draw.lengths(), draw.tokens("V", "B", "T")
    _, weights = model(source, lengths, inputs)
    real = draw.padding()[:, None, :].expand_as(weights)
    assert (weights[~real] == 0).all()
    assert (weights[real] > 0).all()
    assert_close(weights.sum(dim=2), (lengths > 0)[:, None].expand(B, T).double(), 1e-12)


# alignment_gradient


@pytest.mark.parametrize("masked", [False, True])
def test_the_alignment_gradient_is_that_of_autograd_through_bilinear_attention(masked, device):
    torch.manual_seed(0)
    draw, attend = Draw(), BilinearAttention(Dq, Dk).to(device, torch.float64)
    query, keys, grad_context = (draw.real("B", *axes).to(device) for axes in (("Dq",), ("S", "Dk"), ("Dk",)))
    mask = draw.padding().to(device) if masked else None
    context, weights = attend(query[:, None], keys, mask)
    (wanted,) = torch.autograd.grad(context[:, 0], attend.W, grad_context)
    _, grad_W = alignment_gradient(query, keys, weights[:, 0].detach(), grad_context)
    assert_close(grad_W, wanted, 1e-12)


def test_the_gradient_of_the_scores_is_that_of_autograd():
    draw = Draw()
    query, keys, grad_context = draw.real("B", "Dq"), draw.real("B", "S", "Dk"), draw.real("B", "Dk")
    scores = draw.real("B", "S").requires_grad_()
    weights = torch.softmax(scores, dim=1)
    (wanted,) = torch.autograd.grad((weights[:, None] @ keys)[:, 0], scores, grad_context)
    grad_scores, _ = alignment_gradient(query, keys, weights.detach(), grad_context)
    assert_close(grad_scores, wanted, 1e-12)
    assert_close(grad_scores.sum(dim=1), torch.zeros(B), 1e-12)  # moving all scores together changes nothing


def test_the_gradient_of_the_matrix_is_summed_over_the_batch():
    draw = Draw()
    inputs = draw.real("B", "Dq"), draw.real("B", "S", "Dk"), draw.weights("B", "S"), draw.real("B", "Dk")
    _, together = alignment_gradient(*inputs)
    alone = sum(alignment_gradient(*(x[b : b + 1] for x in inputs))[1] for b in range(B))
    assert_close(together, alone, 1e-12)
