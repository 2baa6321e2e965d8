"""Student answers to rnn_step(x (B, D), state (B, H), W_x (H, D), W_h (H, H), b (H,)) -> (B, H), right and
wrong."""

import math

import torch
import torch.nn.functional as F
from torch import nn

# Right


def right_as_the_formula(x, state, W_x, W_h, b):
    """tanh(x W_xᵀ + h W_hᵀ + b)."""
    return torch.tanh(x @ W_x.T + state @ W_h.T + b)


def right_linear(x, h, W_x, W_h, b):
    """Two F.linear, one with the bias."""
    return (F.linear(x, W_x, b) + F.linear(h, W_h)).tanh()


def right_concatenated(x, state, W_x, W_h, b):
    """[x h] meets [W_x W_h]."""
    return torch.tanh(F.linear(torch.cat([x, state], dim=1), torch.cat([W_x, W_h], dim=1), b))


def right_einsum(x, state, W_x, W_h, b):
    """einsum for both products."""
    from_input = torch.einsum("bd,hd->bh", x, W_x)
    from_state = torch.einsum("bj,hj->bh", state, W_h)
    return torch.tanh(from_input + from_state + b[None, :])


def right_builtin_cell(x, state, W_x, W_h, b):
    """torch.rnn_tanh_cell, whose second bias is 0."""
    return torch.rnn_tanh_cell(x, state, W_x, W_h, b, torch.zeros_like(b))


def right_module_with_these_weights(x, state, W_x, W_h, b):
    """nn.RNNCell, called with the given weights."""
    cell = nn.RNNCell(x.shape[1], state.shape[1], dtype=x.dtype)
    weights = {"weight_ih": W_x, "weight_hh": W_h, "bias_ih": b / 2, "bias_hh": b / 2}
    return torch.func.functional_call(cell, weights, (x, state))


def right_columns(x, state, W_x, W_h, b):
    """Samples as columns, as on paper."""
    return torch.tanh(W_x @ x.T + W_h @ state.T + b.unsqueeze(1)).T


def right_loop_over_samples(x, state, W_x, W_h, b):
    """One sample after the other, matrix times vector."""
    rows = []
    for n in range(x.shape[0]):
        rows.append(torch.tanh(torch.mv(W_x, x[n]) + torch.mv(W_h, state[n]) + b))
    return torch.stack(rows)


def right_loop_over_units(x, state, W_x, W_h, b):
    """One unit after the other, for the whole batch."""
    work = torch.promote_types(x.dtype, torch.float32)
    units = []
    for u in range(len(b)):
        pre = (x.to(work) * W_x[u].to(work)).sum(-1) + (state.to(work) * W_h[u].to(work)).sum(-1)
        units.append(torch.tanh(pre + b[u].to(work)))
    return torch.stack(units, dim=1).to(x.dtype)


def right_addmm(x, state, W_x, W_h, b):
    """addmm twice, the tanh in place on the result."""
    pre = torch.addmm(b, x, W_x.t())
    return torch.addmm(pre, state, W_h.t()).tanh_()


def right_in_place_on_its_own(x, state, W_x, W_h, b):
    """+= on a tensor of its own."""
    pre = x.matmul(W_x.mT)
    pre += state.matmul(W_h.mT)
    pre += b
    return pre.tanh()


def right_sigmoid_form(x, state, W_x, W_h, b):
    """tanh(a) = 2 sigmoid(2 a) - 1; bfloat16 goes through float32."""
    dtype = x.dtype
    if dtype == torch.bfloat16:
        x, state, W_x, W_h, b = (t.float() for t in (x, state, W_x, W_h, b))
    a = x @ W_x.T + state @ W_h.T + b
    return (2 * torch.sigmoid(2 * a) - 1).to(dtype)


def right_vmap(x, state, W_x, W_h, b):
    """One sample as a function, vmap over the batch."""
    return torch.vmap(lambda one, h: torch.tanh(W_x @ one + W_h @ h + b))(x, state)


def right_broadcast(x, state, W_x, W_h, b):
    """(B, 1, D) times (1, H, D), summed over D, and likewise for the state."""
    pre = (x[:, None] * W_x[None]).sum(2) + (state.unsqueeze(1) * W_h.unsqueeze(0)).sum(dim=2) + b
    return torch.tanh(pre)


def right_bias_as_an_input(x, state, W_x, W_h, b):
    """An input that is always 1 carries the bias."""
    ones = x.new_ones(len(x), 1)
    return torch.tanh(torch.hstack([x, state, ones]) @ torch.hstack([W_x, W_h, b[:, None]]).T)


# Wrong: the formula


def wrong_no_tanh(x, state, W_x, W_h, b):
    """No tanh."""
    return x @ W_x.T + state @ W_h.T + b


def wrong_sigmoid(x, state, W_x, W_h, b):
    """sigmoid in place of tanh."""
    return torch.sigmoid(x @ W_x.T + state @ W_h.T + b)


def wrong_relu(x, state, W_x, W_h, b):
    """relu, the other nonlinearity of nn.RNN."""
    return torch.relu(x @ W_x.T + state @ W_h.T + b)


def wrong_hardtanh(x, state, W_x, W_h, b):
    """Held within ±1 by a clamp."""
    return (x @ W_x.T + state @ W_h.T + b).clamp(-1, 1)


def wrong_softsign(x, state, W_x, W_h, b):
    """softsign in place of tanh."""
    return F.softsign(x @ W_x.T + state @ W_h.T + b)


def wrong_tanh_twice(x, state, W_x, W_h, b):
    """tanh of tanh."""
    return torch.tanh(torch.tanh(x @ W_x.T + state @ W_h.T + b))


def wrong_tanh_of_each_term(x, state, W_x, W_h, b):
    """tanh of each term, then the sum."""
    return torch.tanh(x @ W_x.T) + torch.tanh(state @ W_h.T) + torch.tanh(b)


def wrong_tanh_of_the_input_only(x, state, W_x, W_h, b):
    """A bracket closed too early."""
    return torch.tanh(x @ W_x.T) + state @ W_h.T + b


def wrong_bias_outside(x, state, W_x, W_h, b):
    """The bias after the tanh."""
    return torch.tanh(x @ W_x.T + state @ W_h.T) + b


def wrong_no_bias(x, state, W_x, W_h, b):
    """The bias is not used."""
    return torch.tanh(x @ W_x.T + state @ W_h.T)


def wrong_bias_twice(x, state, W_x, W_h, b):
    """The bias in both of PyTorch's places."""
    return torch.rnn_tanh_cell(x, state, W_x, W_h, b, b)


def wrong_bias_subtracted(x, state, W_x, W_h, b):
    """Minus b, as for a threshold."""
    return torch.tanh(x @ W_x.T + state @ W_h.T - b)


def wrong_state_ignored(x, state, W_x, W_h, b):
    """The state is not used: nothing is remembered."""
    return torch.tanh(x @ W_x.T + b)


def wrong_input_ignored(x, state, W_x, W_h, b):
    """The input is not used."""
    return torch.tanh(state @ W_h.T + b)


def wrong_state_not_multiplied(x, state, W_x, W_h, b):
    """The state is added without W_h."""
    return torch.tanh(x @ W_x.T + state + b)


def wrong_state_times_the_diagonal(x, state, W_x, W_h, b):
    """Each unit sees its own state only."""
    return torch.tanh(x @ W_x.T + state * W_h.diagonal() + b)


def wrong_product_of_the_terms(x, state, W_x, W_h, b):
    """The terms are multiplied."""
    return torch.tanh((x @ W_x.T) * (state @ W_h.T) + b)


def wrong_residual(x, state, W_x, W_h, b):
    """The old state is added to the new one."""
    return state + torch.tanh(x @ W_x.T + state @ W_h.T + b)


def wrong_half_of_the_old_state(x, state, W_x, W_h, b):
    """Half old, half new."""
    return 0.5 * state + 0.5 * torch.tanh(x @ W_x.T + state @ W_h.T + b)


def wrong_state_used_twice(x, state, W_x, W_h, b):
    """The new state goes through a second step with the same input."""
    state = torch.tanh(x @ W_x.T + state @ W_h.T + b)
    return torch.tanh(x @ W_x.T + state @ W_h.T + b)


def wrong_weights_of_the_new_state(x, state, W_x, W_h, b):
    """W_h meets the tanh of the input's part instead of the state."""
    return torch.tanh(state + torch.tanh(x @ W_x.T + b) @ W_h.T)


def wrong_scaled(x, state, W_x, W_h, b):
    """Divided by the root of H."""
    return torch.tanh((x @ W_x.T + state @ W_h.T + b) / math.sqrt(len(b)))


def wrong_mean_of_the_terms(x, state, W_x, W_h, b):
    """The mean of the two products."""
    return torch.tanh((x @ W_x.T + state @ W_h.T) / 2 + b)


def wrong_layer_norm(x, state, W_x, W_h, b):
    """Normalised before the tanh."""
    return torch.tanh(F.layer_norm(x @ W_x.T + state @ W_h.T + b, b.shape))


def wrong_old_state(x, state, W_x, W_h, b):
    """The new state is computed, the old one given back."""
    new_state = torch.tanh(x @ W_x.T + state @ W_h.T + b)
    return state + 0 * new_state


def wrong_zero_state_if_zero_input(x, state, W_x, W_h, b):
    """A row of zeros is taken for padding: its state stays."""
    new = torch.tanh(x @ W_x.T + state @ W_h.T + b)
    return torch.where((x == 0).all(1, keepdim=True), state, new)


def wrong_update_gate(x, state, W_x, W_h, b):
    """A gate that the formula does not have."""
    new = torch.tanh(x @ W_x.T + state @ W_h.T + b)
    z = torch.sigmoid(x @ W_x.T + state @ W_h.T + b)
    return z * state + (1 - z) * new


# Wrong: which matrix meets what


def wrong_state_matrix_transposed(x, state, W_x, W_h, b):
    """state @ W_h is W_hᵀ h: W_h is always square, so nothing complains."""
    return torch.tanh(x @ W_x.T + state @ W_h + b)


def wrong_both_transposes_left_out(x, state, W_x, W_h, b):
    """x @ W_x as well: raises unless D equals H."""
    return torch.tanh(x @ W_x + state @ W_h + b)


def wrong_input_matrix_transposed_when_square(x, state, W_x, W_h, b):
    """x @ W_x where D equals H."""
    left = x @ W_x if W_x.shape[0] == W_x.shape[1] else x @ W_x.T
    return torch.tanh(left + state @ W_h.T + b)


def wrong_matrices_swapped_when_square(x, state, W_x, W_h, b):
    """W_h meets the input where D equals H."""
    if W_x.shape == W_h.shape:
        W_x, W_h = W_h, W_x
    return torch.tanh(x @ W_x.T + state @ W_h.T + b)


def wrong_input_and_state_swapped(x, state, W_x, W_h, b):
    """The first argument is taken for the state where the sizes agree."""
    if x.shape == state.shape:
        x, state = state, x
    return torch.tanh(x @ W_x.T + state @ W_h.T + b)


def wrong_joined_in_another_order(x, state, W_x, W_h, b):
    """[h x] meets [W_x W_h]."""
    return torch.tanh(torch.cat([state, x], 1) @ torch.cat([W_x, W_h], 1).T + b)


def wrong_input_matrix_for_both(x, state, W_x, W_h, b):
    """W_x (x + h): raises unless D equals H."""
    return torch.tanh((x + state) @ W_x.T + b)


def wrong_reshape_for_transpose(x, state, W_x, W_h, b):
    """reshape to (D, H) instead of a transpose: the weights are scrambled."""
    return torch.tanh(x @ W_x.reshape(W_x.shape[1], W_x.shape[0]) + state @ W_h.T + b)


def wrong_bias_along_the_batch(x, state, W_x, W_h, b):
    """b as a column: where B equals H, each sample gets one entry."""
    column = b[:, None] if len(b) == len(x) else b
    return torch.tanh(x @ W_x.T + state @ W_h.T + column)


def wrong_bias_as_a_column(x, state, W_x, W_h, b):
    """b.unsqueeze(1) always: raises, or is silent where B equals H, or gives (H, H) for B = 1."""
    return torch.tanh(x @ W_x.T + state @ W_h.T + b.unsqueeze(1))


def wrong_bias_for_the_first_sample(x, state, W_x, W_h, b):
    """Only sample 0 gets the bias."""
    pre = x @ W_x.T + state @ W_h.T
    return torch.tanh(torch.cat([pre[:1] + b, pre[1:]]))


def wrong_first_entry_of_the_bias(x, state, W_x, W_h, b):
    """b[0] for every unit."""
    return torch.tanh(x @ W_x.T + state @ W_h.T + b[0])


# Wrong: the batch and the layout


def wrong_state_of_the_first_sample(x, state, W_x, W_h, b):
    """The first sample's state is used for all."""
    return torch.tanh(x @ W_x.T + state[0] @ W_h.T + b)


def wrong_state_averaged_over_the_batch(x, state, W_x, W_h, b):
    """The batch shares a mean state."""
    return torch.tanh(x @ W_x.T + state.mean(0) @ W_h.T + b)


def wrong_state_carried_along_the_batch(x, state, W_x, W_h, b):
    """The loop over the samples takes them for steps of one sequence."""
    h, out = state[0], []
    for one in x:
        h = torch.tanh(W_x @ one + W_h @ h + b)
        out.append(h)
    return torch.stack(out)


def wrong_batch_of_one_as_a_vector(x, state, W_x, W_h, b):
    """squeeze() drops B = 1 and H = 1."""
    return torch.tanh(x @ W_x.T + state @ W_h.T + b).squeeze()


def wrong_batch_axis_squeezed(x, state, W_x, W_h, b):
    """squeeze(0)."""
    return torch.tanh(x @ W_x.T + state @ W_h.T + b).squeeze(0)


def wrong_extra_axis(x, state, W_x, W_h, b):
    """(1, B, H), as nn.RNN keeps its states."""
    return torch.tanh(x @ W_x.T + state @ W_h.T + b).unsqueeze(0)


def wrong_columns_out(x, state, W_x, W_h, b):
    """(H, B) comes out."""
    return torch.tanh(W_x @ x.T + W_h @ state.T + b[:, None])


def wrong_columns_reshaped(x, state, W_x, W_h, b):
    """(H, B) reshaped to (B, H): samples are mixed."""
    return torch.tanh(W_x @ x.T + W_h @ state.T + b[:, None]).reshape(state.shape)


def wrong_needs_contiguous_inputs(x, state, W_x, W_h, b):
    """Rows are cut from flattened arguments, as in C: view refuses a transposed one."""
    D, H, rows = x.shape[1], state.shape[1], []
    flat_x, flat_state = x.view(-1), state.view(-1)
    for n in range(len(x)):
        one, h = flat_x[n * D : (n + 1) * D], flat_state[n * H : (n + 1) * H]
        rows.append(torch.tanh(W_x @ one + W_h @ h + b))
    return torch.stack(rows)


def wrong_strides_assumed(x, state, W_x, W_h, b):
    """as_strided takes the state for contiguous."""
    state = torch.as_strided(state, state.shape, (state.shape[1], 1))
    return torch.tanh(x @ W_x.T + state @ W_h.T + b)


def wrong_pair(x, state, W_x, W_h, b):
    """The output and the state, as nn.RNN gives them."""
    new = torch.tanh(x @ W_x.T + state @ W_h.T + b)
    return new, new


def wrong_list_of_rows(x, state, W_x, W_h, b):
    """A list of B states."""
    return [torch.tanh(W_x @ one + W_h @ h + b) for one, h in zip(x, state, strict=True)]


def wrong_returns_none(x, state, W_x, W_h, b):
    """return is missing."""
    state = torch.tanh(x @ W_x.T + state @ W_h.T + b)


# Wrong: large numbers


def wrong_exponentials_overflow(x, state, W_x, W_h, b):
    """tanh from exponentials: inf / inf."""
    a = x @ W_x.T + state @ W_h.T + b
    return (a.exp() - (-a).exp()) / (a.exp() + (-a).exp())


def wrong_gradient_overflows(x, state, W_x, W_h, b):
    """1 - 2 / (1 + e^2a): the value is right, its gradient is 0 · inf for large a."""
    a = x @ W_x.T + state @ W_h.T + b
    return 1 - 2 / (1 + torch.exp(2 * a))


def wrong_clamped_before_tanh(x, state, W_x, W_h, b):
    """Held within ±3 before the tanh."""
    return torch.tanh((x @ W_x.T + state @ W_h.T + b).clamp(-3, 3))


def wrong_inputs_clamped(x, state, W_x, W_h, b):
    """Inputs are held within ±10."""
    return torch.tanh(x.clamp(-10, 10) @ W_x.T + state @ W_h.T + b)


def wrong_state_clamped(x, state, W_x, W_h, b):
    """The state is held within ±1, where every state made by tanh is."""
    return torch.tanh(x @ W_x.T + state.clamp(-1, 1) @ W_h.T + b)


# Wrong: gradients


def wrong_state_detached(x, state, W_x, W_h, b):
    """The gradient ends at the state: nothing flows back in time."""
    return torch.tanh(x @ W_x.T + state.detach() @ W_h.T + b)


def wrong_input_detached(x, state, W_x, W_h, b):
    """No gradient to the input."""
    return torch.tanh(x.detach() @ W_x.T + state @ W_h.T + b)


def wrong_no_grad(x, state, W_x, W_h, b):
    """Under no_grad."""
    with torch.no_grad():
        return torch.tanh(x @ W_x.T + state @ W_h.T + b)


def wrong_weights_as_parameters(x, state, W_x, W_h, b):
    """nn.Parameter makes a new leaf: the given weights get no gradient."""
    cell = nn.RNNCell(x.shape[1], state.shape[1], dtype=x.dtype)
    cell.weight_ih, cell.weight_hh = nn.Parameter(W_x), nn.Parameter(W_h)
    cell.bias_ih, cell.bias_hh = nn.Parameter(b), nn.Parameter(torch.zeros_like(b))
    return cell(x, state)


def wrong_bias_by_item(x, state, W_x, W_h, b):
    """Each entry of b by .item(): b gets no gradient."""
    pre = x @ W_x.T + state @ W_h.T
    return torch.tanh(pre + torch.tensor([float(e) for e in b], dtype=b.dtype))


def wrong_through_numpy(x, state, W_x, W_h, b):
    """numpy in between."""
    pre = (x @ W_x.T + state @ W_h.T + b).detach().double().numpy()
    return torch.tanh(torch.from_numpy(pre)).to(x.dtype)


def wrong_gradient_clipped(x, state, W_x, W_h, b):
    """A hook clips the gradient on its way back."""
    new = torch.tanh(x @ W_x.T + state @ W_h.T + b)
    if new.requires_grad:
        new.register_hook(lambda g: g.clamp(-0.1, 0.1))
    return new


class _SlopeWithoutSquare(torch.autograd.Function):
    """tanh whose derivative is 1 - y."""

    @staticmethod
    def forward(ctx, a):
        y = torch.tanh(a)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, grad):
        (y,) = ctx.saved_tensors
        return grad * (1 - y)


def wrong_slope_of_tanh(x, state, W_x, W_h, b):
    """A backward of one's own that forgets the square."""
    return _SlopeWithoutSquare.apply(x @ W_x.T + state @ W_h.T + b)


def wrong_in_place_after_tanh(x, state, W_x, W_h, b):
    """The tanh's result is changed and changed back in place: backward raises."""
    new = torch.tanh(x @ W_x.T + state @ W_h.T + b)
    new += 1
    new -= 1
    return new


# Wrong: the caller's tensors and the type


def wrong_state_overwritten(x, state, W_x, W_h, b):
    """The caller's state becomes the new one."""
    state.data.copy_(torch.tanh(x @ W_x.T + state @ W_h.T + b))
    return state


def wrong_state_overwritten_beside_a_right_result(x, state, W_x, W_h, b):
    """The result is right and has a gradient, but the caller's state is changed, too."""
    new = torch.tanh(x @ W_x.T + state.clone() @ W_h.T + b)
    state.data.copy_(new.detach())
    return new


def wrong_bias_summed_in_place(x, state, W_x, W_h, b):
    """The caller's b is zeroed after use."""
    new = torch.tanh(x @ W_x.T + state @ W_h.T + b.clone())
    b.data.zero_()
    return new


def wrong_matrix_transposed_in_place(x, state, W_x, W_h, b):
    """The caller's W_h is turned around."""
    W_h.data = W_h.data.T.contiguous()
    return torch.tanh(x @ W_x.T + state @ W_h + b)


def wrong_always_float32(x, state, W_x, W_h, b):
    """float32 comes out, whatever came in."""
    x, state, W_x, W_h, b = (t.float() for t in (x, state, W_x, W_h, b))
    return torch.tanh(x @ W_x.T + state @ W_h.T + b)


def wrong_single_precision_inside(x, state, W_x, W_h, b):
    """float64 is computed in float32."""
    pre = x.float() @ W_x.float().T + state.float() @ W_h.float().T + b.float()
    return torch.tanh(pre).to(x.dtype)


def wrong_half_precision_inside(x, state, W_x, W_h, b):
    """float16 in between: large inputs overflow and small digits are lost."""
    pre = x.half() @ W_x.half().T + state.half() @ W_h.half().T + b.half()
    return torch.tanh(pre).to(x.dtype)


def wrong_buffer_of_the_default_type(x, state, W_x, W_h, b):
    """zeros without a dtype."""
    out = torch.zeros(state.shape)
    for n in range(len(x)):
        out[n] = torch.tanh(W_x @ x[n] + W_h @ state[n] + b)
    return out


def wrong_ones_of_the_default_type(x, state, W_x, W_h, b):
    """torch.ones for the bias: float32 meets float64 or bfloat16."""
    joined = torch.cat([x, state, torch.ones(len(x), 1)], 1)
    return torch.tanh(joined @ torch.cat([W_x, W_h, b[:, None]], 1).T)


# Wrong: the rest

_memory = {}


def wrong_own_memory(x, state, W_x, W_h, b):
    """The state of the last call is kept here and used instead of the one given."""
    kept = _memory.get((state.shape, state.dtype), state)
    new = torch.tanh(x @ W_x.T + kept @ W_h.T + b)
    _memory[state.shape, state.dtype] = new.detach()
    return new


def wrong_projection_kept(x, state, W_x, W_h, b, _kept={}):  # noqa: B006
    """W_x x is kept for each shape: stale when the input changes."""
    key = (x.shape, W_x.shape, x.dtype)
    if key not in _kept:
        _kept[key] = x @ W_x.T
    return torch.tanh(_kept[key] + state @ W_h.T + b)


def wrong_own_weights(x, state, W_x, W_h, b):
    """nn.RNNCell with weights of its own."""
    return nn.RNNCell(x.shape[1], state.shape[1], dtype=x.dtype)(x, state)


def wrong_dropout(x, state, W_x, W_h, b):
    """Dropout on the state."""
    return torch.tanh(x @ W_x.T + F.dropout(state, 0.3) @ W_h.T + b)


def wrong_noise(x, state, W_x, W_h, b):
    """A little noise on the result."""
    new = torch.tanh(x @ W_x.T + state @ W_h.T + b)
    return new + 0.1 * torch.randn_like(new)


def wrong_two_transposed_and_no_bias(x, state, W_x, W_h, b):
    """Two mistakes: W_h transposed, and no bias."""
    return torch.tanh(x @ W_x.T + state @ W_h)


def wrong_two_sigmoid_and_detached(x, state, W_x, W_h, b):
    """Two mistakes: sigmoid, and the state detached."""
    return torch.sigmoid(x @ W_x.T + state.detach() @ W_h.T + b)
