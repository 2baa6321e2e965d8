"""Recurrent cells against PyTorch's own, and how far gradients reach."""

import pytest
import torch
from torch import nn

from seqattn_ref import gradient_by_distance, gru_step, lstm_step, rnn_step

from .calls import assert_close
from .cases import CASES
from .draw import DISTINCT, Draw

LAYERS = {"RNN": nn.RNN, "LSTM": nn.LSTM, "GRU": nn.GRU}
every_layer = pytest.mark.parametrize("kind", LAYERS)


def step_with_the_weights_of(cell):
    """Our step in the place of PyTorch's cell or layer: (x, states) -> states."""
    W_x, W_h, b_x, b_h = cell.parameters()
    if isinstance(cell, nn.RNNCell | nn.RNN):
        return lambda x, states: (rnn_step(x, *states, W_x, W_h, b_x + b_h),)
    if isinstance(cell, nn.LSTMCell | nn.LSTM):
        return lambda x, states: lstm_step(x, *states, W_x, W_h, b_x + b_h)
    return lambda x, states: (gru_step(x, *states, W_x, W_h, b_x, b_h),)


def layer_and_inputs(kind):
    torch.manual_seed(0)
    layer = LAYERS[kind](DISTINCT.D, DISTINCT.H, batch_first=True).double()
    return layer, Draw().real("B", "T", "D")


# Cells


@pytest.mark.parametrize("make", [nn.RNNCell, nn.LSTMCell, nn.GRUCell])
def test_a_step_is_that_of_pytorchs_cell_forward_and_backward(make, device):
    torch.manual_seed(0)
    draw, cell = Draw(), make(DISTINCT.D, DISTINCT.H).to(device, torch.float64)
    count = 2 if make is nn.LSTMCell else 1
    x, *states = (
        t.to(device).requires_grad_() for t in (draw.real("B", "D"), *[draw.real("B", "H")] * count)
    )
    result = cell(x, tuple(states) if count == 2 else states[0])
    wanted = result if count == 2 else (result,)
    actual = step_with_the_weights_of(cell)(x, states)
    for ours, theirs in zip(actual, wanted, strict=True):
        assert_close(ours, theirs, 1e-12)
    leaves = (x, *states, *cell.parameters())
    for ours, theirs in zip(
        torch.autograd.grad(sum(t.square().sum() for t in actual), leaves),
        torch.autograd.grad(sum(t.square().sum() for t in wanted), leaves),
        strict=True,
    ):
        assert_close(ours, theirs, 1e-12)


@every_layer
def test_steps_in_a_row_are_pytorchs_layer(kind):
    layer, x = layer_and_inputs(kind)
    step = step_with_the_weights_of(layer)
    states = [torch.zeros(DISTINCT.B, DISTINCT.H, dtype=x.dtype)] * (2 if kind == "LSTM" else 1)
    after_each = []
    for x_t in x.unbind(dim=1):
        states = step(x_t, states)
        after_each.append(states[0])
    wanted, _ = layer(x)
    assert_close(torch.stack(after_each, dim=1), wanted, 1e-12)


def test_an_open_forget_gate_and_a_shut_input_gate_keep_the_cell():
    x, state, cell, W_x, W_h, _ = CASES["lstm_step"].inputs(Draw())
    i, f, g, o = -1e3, 1e3, 0.0, 0.0
    b = torch.tensor([i, f, g, o], dtype=x.dtype).repeat_interleave(DISTINCT.H)
    _, kept = lstm_step(x, state, cell, W_x, W_h, b)
    assert torch.equal(kept, cell)
    _, lost = lstm_step(x, state, cell, W_x, W_h, -b)
    assert_close(lost, lstm_step(x, state, torch.zeros_like(cell), W_x, W_h, -b)[1], 1e-12)


def test_an_open_update_gate_keeps_the_state_of_a_gru():
    x, state, W_x, W_h, _, _ = CASES["gru_step"].inputs(Draw())
    b = torch.tensor([0.0, 1e3, 0.0], dtype=x.dtype).repeat_interleave(DISTINCT.H)
    assert torch.equal(gru_step(x, state, W_x, W_h, b, torch.zeros_like(b)), state)


# gradient_by_distance


@every_layer
def test_gradients_are_those_of_one_call_of_autograd_for_each_sample(kind):
    layer, x = layer_and_inputs(kind)
    norms = []
    for sample in x:
        steps = [x_t.clone().requires_grad_() for x_t in sample]
        states, _ = layer(torch.stack(steps)[None])
        grads = torch.autograd.grad(states[0, -1].sum(), steps)
        norms.append([grad.square().sum().sqrt().item() for grad in grads])
    wanted = [sum(of_step) / len(norms) for of_step in zip(*norms, strict=True)][::-1]
    assert_close(gradient_by_distance(lambda x: layer(x)[0], x), torch.tensor(wanted, dtype=x.dtype), 1e-12)


def decay(x):
    """h^t = h^{t-1} / 2 + x^t. Each step halves what comes from before."""
    state, states = 0, []
    for x_t in x.unbind(dim=1):
        state = state / 2 + x_t
        states.append(state)
    return torch.stack(states, dim=1)


def test_a_network_that_halves_its_state_halves_the_gradient_at_each_step():
    x = torch.zeros(2, 4, 1)
    assert gradient_by_distance(decay, x).tolist() == [1, 0.5, 0.25, 0.125]
    assert gradient_by_distance(decay, x[:, :1]).tolist() == [1]


def test_the_norm_is_taken_over_the_entries_of_one_input():
    """Four entries of gradient 1 have the norm 2."""
    assert gradient_by_distance(decay, torch.zeros(3, 2, 4)).tolist() == [2, 1]


def test_norms_are_averaged_over_the_batch_and_gradients_are_not():
    signs = torch.tensor([1.0, -1.0, 2.0, -2.0])[:, None, None]
    result = gradient_by_distance(lambda x: x * signs, torch.zeros(4, 1, 1))
    assert result.tolist() == [1.5]


def test_an_input_that_the_last_state_does_not_see_gets_0():
    assert gradient_by_distance(lambda x: x * x, torch.ones(2, 3, 4)).tolist() == [4, 0, 0]


def test_it_leaves_the_network_and_the_inputs_as_they_are(device):
    layer, x = layer_and_inputs("GRU")
    layer, leaf = layer.to(device), x.to(device).requires_grad_()
    for given in (leaf.detach(), leaf, leaf * 1):
        needed = given.requires_grad
        result = gradient_by_distance(lambda x: layer(x)[0], given)
        assert not result.requires_grad
        assert given.requires_grad == needed
    assert leaf.grad is None
    assert all(parameter.grad is None for parameter in layer.parameters())


def test_it_works_where_gradients_are_switched_off():
    layer, x = layer_and_inputs("LSTM")
    wanted = gradient_by_distance(lambda x: layer(x)[0], x)
    with torch.no_grad():
        assert torch.equal(gradient_by_distance(lambda x: layer(x)[0], x), wanted)
        assert not torch.is_grad_enabled()


@pytest.mark.parametrize("size", [1e-25, 1e25])
def test_a_vanished_or_exploded_gradient_is_still_measured(size):
    """Its square is beyond float32."""
    found = gradient_by_distance(lambda x: size * x, torch.zeros(2, 1, 3))
    assert_close(found / size, torch.tensor([3**0.5]), 1e-6)
