"""Student answers to lstm_step(x (B, D), state (B, H), cell (B, H), W_x (4H, D), W_h (4H, H), b (4H,)) ->
(state, cell), right and wrong."""

import torch
import torch.nn.functional as F
from torch import nn

# Right


def right_chunk(x, state, cell, W_x, W_h, b):
    """One product, cut into four by chunk."""
    i, f, g, o = (x @ W_x.T + state @ W_h.T + b).chunk(4, dim=1)
    cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
    return o.sigmoid() * cell.tanh(), cell


def right_split(x, h, c, W_x, W_h, b):
    """F.linear and split by H."""
    gates = F.linear(x, W_x, b) + F.linear(h, W_h)
    i, f, g, o = torch.split(gates, h.shape[1], dim=-1)
    new_c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    new_h = torch.sigmoid(o) * torch.tanh(new_c)
    return new_h, new_c


def right_slices(x, state, cell, W_x, W_h, b):
    """Slices by hand."""
    H = state.shape[1]
    a = torch.matmul(x, W_x.t()) + torch.matmul(state, W_h.t()) + b
    i = torch.sigmoid(a[:, 0:H])
    f = torch.sigmoid(a[:, H : 2 * H])
    g = torch.tanh(a[:, 2 * H : 3 * H])
    o = torch.sigmoid(a[:, 3 * H :])
    cell = f * cell + i * g
    return o * torch.tanh(cell), cell


def right_view_of_four(x, state, cell, W_x, W_h, b):
    """(B, 4, H), and unbind along the gates."""
    a = (x @ W_x.T + state @ W_h.T + b).view(len(x), 4, -1)
    i, f, g, o = a.unbind(dim=1)
    new_cell = torch.addcmul(f.sigmoid() * cell, i.sigmoid(), g.tanh())
    return new_cell.tanh() * o.sigmoid(), new_cell


def right_weights_of_each_gate(x, state, cell, W_x, W_h, b):
    """The weights are cut instead of the products."""

    def gate(n):
        rows = slice(n * state.shape[1], (n + 1) * state.shape[1])
        return x @ W_x[rows].T + state @ W_h[rows].T + b[rows]

    c = torch.sigmoid(gate(1)) * cell + torch.sigmoid(gate(0)) * torch.tanh(gate(2))
    return torch.sigmoid(gate(3)) * torch.tanh(c), c


def right_builtin_cell(x, state, cell, W_x, W_h, b):
    """torch.lstm_cell, whose second bias is 0."""
    return torch.lstm_cell(x, (state, cell), W_x, W_h, b, torch.zeros_like(b))


def right_module_with_these_weights(x, state, cell, W_x, W_h, b):
    """nn.LSTMCell, called with the given weights."""
    module = nn.LSTMCell(x.shape[1], state.shape[1], dtype=x.dtype)
    weights = {"weight_ih": W_x, "weight_hh": W_h, "bias_ih": b, "bias_hh": torch.zeros_like(b)}
    return torch.func.functional_call(module, weights, (x, (state, cell)))


def right_einsum(x, state, cell, W_x, W_h, b):
    """einsum over weights of shape (4, H, D)."""
    H = state.size(1)
    a = torch.einsum("bd,ghd->gbh", x, W_x.reshape(4, H, -1))
    a = a + torch.einsum("bk,ghk->gbh", state, W_h.reshape(4, H, H)) + b.reshape(4, 1, H)
    i, f, o = torch.sigmoid(a[[0, 1, 3]])
    cell = f * cell + i * torch.tanh(a[2])
    return o * torch.tanh(cell), cell


def right_loop_over_samples(x, state, cell, W_x, W_h, b):
    """One sample after the other, matrix times vector."""
    states, cells = [], []
    for n in range(len(x)):
        i, f, g, o = torch.tensor_split(W_x @ x[n] + W_h @ state[n] + b, 4)
        c = torch.sigmoid(f) * cell[n] + torch.sigmoid(i) * torch.tanh(g)
        states.append(torch.sigmoid(o) * torch.tanh(c))
        cells.append(c)
    return torch.stack(states), torch.stack(cells)


def right_loop_over_units(x, state, cell, W_x, W_h, b):
    """One unit after the other; bfloat16 goes through float32."""
    dtype, H = x.dtype, state.shape[1]
    if dtype == torch.bfloat16:
        x, state, cell, W_x, W_h, b = (t.float() for t in (x, state, cell, W_x, W_h, b))
    hs, cs = [], []
    for u in range(H):
        i, f, g, o = ((x * W_x[r]).sum(1) + (state * W_h[r]).sum(1) + b[r] for r in range(u, 4 * H, H))
        cs.append(f.sigmoid() * cell[:, u] + i.sigmoid() * g.tanh())
        hs.append(o.sigmoid() * cs[-1].tanh())
    return torch.stack(hs, 1).to(dtype), torch.stack(cs, 1).to(dtype)


def right_concatenated(x, state, cell, W_x, W_h, b):
    """[x h] meets [W_x W_h]; a list of four comes from hsplit."""
    a = torch.cat((x, state), dim=1) @ torch.cat((W_x, W_h), dim=1).T + b
    i, f, g, o = torch.hsplit(a, 4)
    kept, written = F.sigmoid(f) * cell, F.sigmoid(i) * F.tanh(g)
    return F.sigmoid(o) * F.tanh(kept + written), kept + written


def right_all_sigmoids_at_once(x, state, cell, W_x, W_h, b):
    """tanh(g) = 2 sigmoid(2 g) - 1: one sigmoid for all four, after g has been doubled."""
    dtype = x.dtype
    work = torch.promote_types(dtype, torch.float32)
    x, state, cell, W_x, W_h, b = (t.to(work) for t in (x, state, cell, W_x, W_h, b))
    twice = torch.ones(4, state.shape[1], dtype=work)
    twice[2] = 2
    s = torch.sigmoid((x @ W_x.T + state @ W_h.T + b) * twice.flatten())
    i, f, g, o = s.chunk(4, 1)
    cell = f * cell + i * (2 * g - 1)
    return (o * torch.tanh(cell)).to(dtype), cell.to(dtype)


def right_columns(x, state, cell, W_x, W_h, b):
    """Samples as columns, as on paper."""
    i, f, g, o = (W_x @ x.T + W_h @ state.T + b[:, None]).chunk(4)
    c = torch.sigmoid(f) * cell.T + torch.sigmoid(i) * torch.tanh(g)
    return (torch.sigmoid(o) * torch.tanh(c)).T, c.T


def right_vmap(x, state, cell, W_x, W_h, b):
    """One sample as a function, vmap over the batch."""

    def one(x, h, c):
        i, f, g, o = (W_x @ x + W_h @ h + b).chunk(4)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c

    return torch.vmap(one)(x, state, cell)


def right_in_place_on_its_own(x, state, cell, W_x, W_h, b):
    """A copy of the cell is changed in place."""
    i, f, g, o = torch.addmm(b, x, W_x.T).add_(state @ W_h.T).chunk(4, dim=1)
    c = cell.clone()
    c *= torch.sigmoid(f)
    c += torch.sigmoid(i) * torch.tanh(g)
    return c.tanh().mul(o.sigmoid()), c


def right_full_lstm_of_one_step(x, state, cell, W_x, W_h, b):
    """nn.LSTM over a sequence of one step."""
    lstm = nn.LSTM(x.shape[1], state.shape[1], batch_first=True, dtype=x.dtype)
    weights = {
        "weight_ih_l0": W_x,
        "weight_hh_l0": W_h,
        "bias_ih_l0": b,
        "bias_hh_l0": torch.zeros_like(b),
    }
    start = (state[None].contiguous(), cell[None].contiguous())
    _, (h, c) = torch.func.functional_call(lstm, weights, (x[:, None], start))
    return h[0], c[0]


# Wrong: the order of the gates


def _gates(x, state, W_x, W_h, b):
    """The four blocks before their nonlinearity, in the order of the rows."""
    return (x @ W_x.T + state @ W_h.T + b).chunk(4, dim=1)


def _cell(i, f, g, o, cell):
    """The two results from the four blocks."""
    cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(cell), cell


def wrong_order_i_f_o_g(x, state, cell, W_x, W_h, b):
    """i, f, o, g."""
    i, f, o, g = _gates(x, state, W_x, W_h, b)
    return _cell(i, f, g, o, cell)


def wrong_order_f_i_g_o(x, state, cell, W_x, W_h, b):
    """f, i, g, o: forget before input, as many texts have it."""
    f, i, g, o = _gates(x, state, W_x, W_h, b)
    return _cell(i, f, g, o, cell)


def wrong_order_f_i_o_g(x, state, cell, W_x, W_h, b):
    """f, i, o, g: the order of the equations in many texts."""
    f, i, o, g = _gates(x, state, W_x, W_h, b)
    return _cell(i, f, g, o, cell)


def wrong_order_i_g_f_o(x, state, cell, W_x, W_h, b):
    """i, g, f, o: TensorFlow 1's order."""
    i, g, f, o = _gates(x, state, W_x, W_h, b)
    return _cell(i, f, g, o, cell)


def wrong_order_i_o_f_g(x, state, cell, W_x, W_h, b):
    """i, o, f, g: ONNX's order."""
    i, o, f, g = _gates(x, state, W_x, W_h, b)
    return _cell(i, f, g, o, cell)


def wrong_order_o_f_g_i(x, state, cell, W_x, W_h, b):
    """Input and output gate are swapped."""
    o, f, g, i = _gates(x, state, W_x, W_h, b)
    return _cell(i, f, g, o, cell)


def wrong_order_reversed(x, state, cell, W_x, W_h, b):
    """o, g, f, i."""
    o, g, f, i = _gates(x, state, W_x, W_h, b)
    return _cell(i, f, g, o, cell)


def wrong_order_g_i_f_o(x, state, cell, W_x, W_h, b):
    """The candidate first."""
    g, i, f, o = _gates(x, state, W_x, W_h, b)
    return _cell(i, f, g, o, cell)


def wrong_order_of_the_bias_only(x, state, cell, W_x, W_h, b):
    """The bias is cut as f, i, g, o, the products as i, f, g, o."""
    i, f, g, o = (x @ W_x.T + state @ W_h.T).chunk(4, dim=1)
    b_f, b_i, b_g, b_o = b.chunk(4)
    return _cell(i + b_i, f + b_f, g + b_g, o + b_o, cell)


def wrong_gates_of_each_unit_together(x, state, cell, W_x, W_h, b):
    """view(B, H, 4): the rows are read as unit after unit instead of gate after gate."""
    a = (x @ W_x.T + state @ W_h.T + b).reshape(len(x), -1, 4)
    return _cell(*a.unbind(-1), cell)


def wrong_reshaped_to_four_first(x, state, cell, W_x, W_h, b):
    """reshape(4, B, H): samples and gates are mixed, except with one sample."""
    a = (x @ W_x.T + state @ W_h.T + b).reshape(4, *state.shape)
    return _cell(*a, cell)


def wrong_cut_along_the_batch(x, state, cell, W_x, W_h, b):
    """chunk without a dimension cuts the batch."""
    i, f, g, o = (x @ W_x.T + state @ W_h.T + b).chunk(4)
    return _cell(i, f, g, o, cell)


def wrong_cut_by_the_input_size(x, state, cell, W_x, W_h, b):
    """split by D: right only where D equals H."""
    i, f, g, o = (x @ W_x.T + state @ W_h.T + b).split(x.shape[1], dim=1)
    return _cell(i, f, g, o, cell)


def wrong_cut_by_the_batch_size(x, state, cell, W_x, W_h, b):
    """H is read from axis 0 of the state: right only where B equals H."""
    i, f, g, o = (x @ W_x.T + state @ W_h.T + b).split(state.shape[0], dim=1)
    return _cell(i, f, g, o, cell)


def wrong_slices_overlap(x, state, cell, W_x, W_h, b):
    """A slip in a slice: g begins where f does, one place too early for all units."""
    H = state.shape[1]
    a = x @ W_x.T + state @ W_h.T + b
    return _cell(a[:, :H], a[:, H : 2 * H], a[:, 2 * H - 1 : 3 * H - 1], a[:, 3 * H :], cell)


# Wrong: the nonlinearities


def wrong_no_tanh_on_the_candidate(x, state, cell, W_x, W_h, b):
    """g without tanh."""
    i, f, g, o = _gates(x, state, W_x, W_h, b)
    cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * g
    return torch.sigmoid(o) * torch.tanh(cell), cell


def wrong_sigmoid_on_the_candidate(x, state, cell, W_x, W_h, b):
    """sigmoid on all four."""
    i, f, g, o = (torch.sigmoid(a) for a in _gates(x, state, W_x, W_h, b))
    cell = f * cell + i * g
    return o * torch.tanh(cell), cell


def wrong_relu_on_the_candidate(x, state, cell, W_x, W_h, b):
    """relu on g."""
    i, f, g, o = _gates(x, state, W_x, W_h, b)
    cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.relu(g)
    return torch.sigmoid(o) * torch.tanh(cell), cell


def wrong_no_tanh_on_the_cell(x, state, cell, W_x, W_h, b):
    """h' = o · c'."""
    i, f, g, o = _gates(x, state, W_x, W_h, b)
    cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * cell, cell


def wrong_sigmoid_on_the_cell(x, state, cell, W_x, W_h, b):
    """h' = o · sigmoid(c')."""
    i, f, g, o = _gates(x, state, W_x, W_h, b)
    cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.sigmoid(cell), cell


def wrong_no_sigmoids(x, state, cell, W_x, W_h, b):
    """The gates as they are."""
    i, f, g, o = _gates(x, state, W_x, W_h, b)
    cell = f * cell + i * torch.tanh(g)
    return o * torch.tanh(cell), cell


def wrong_tanh_gates(x, state, cell, W_x, W_h, b):
    """tanh on all four."""
    i, f, g, o = (torch.tanh(a) for a in _gates(x, state, W_x, W_h, b))
    cell = f * cell + i * g
    return o * torch.tanh(cell), cell


def wrong_sigmoid_and_tanh_swapped(x, state, cell, W_x, W_h, b):
    """tanh on the gates, sigmoid on the candidate."""
    i, f, g, o = _gates(x, state, W_x, W_h, b)
    cell = torch.tanh(f) * cell + torch.tanh(i) * torch.sigmoid(g)
    return torch.tanh(o) * torch.tanh(cell), cell


def wrong_hard_sigmoid(x, state, cell, W_x, W_h, b):
    """hardsigmoid, as old Keras has it."""
    i, f, g, o = _gates(x, state, W_x, W_h, b)
    cell = F.hardsigmoid(f) * cell + F.hardsigmoid(i) * torch.tanh(g)
    return F.hardsigmoid(o) * torch.tanh(cell), cell


def wrong_softmax_over_the_gates(x, state, cell, W_x, W_h, b):
    """i, f and o share one softmax."""
    i, f, g, o = _gates(x, state, W_x, W_h, b)
    i, f, o = torch.softmax(torch.stack([i, f, o]), dim=0)
    cell = f * cell + i * torch.tanh(g)
    return o * torch.tanh(cell), cell


def wrong_tanh_kept_in_the_cell(x, state, cell, W_x, W_h, b):
    """The cell state given back has been through tanh."""
    i, f, g, o = _gates(x, state, W_x, W_h, b)
    cell = torch.tanh(torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g))
    return torch.sigmoid(o) * cell, cell


def wrong_tanh_twice_on_the_cell(x, state, cell, W_x, W_h, b):
    """tanh of tanh."""
    i, f, g, o = _gates(x, state, W_x, W_h, b)
    cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(torch.tanh(cell)), cell


# Wrong: what the gates do


def wrong_forget_gate_on_the_candidate(x, state, cell, W_x, W_h, b):
    """f meets the candidate and i the cell."""
    i, f, g, o = _gates(x, state, W_x, W_h, b)
    cell = torch.sigmoid(i) * cell + torch.sigmoid(f) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(cell), cell


def wrong_forget_gate_on_the_state(x, state, cell, W_x, W_h, b):
    """f meets the old state instead of the old cell."""
    i, f, g, o = _gates(x, state, W_x, W_h, b)
    cell = torch.sigmoid(f) * state + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(cell), cell


def wrong_forget_gate_on_the_sum(x, state, cell, W_x, W_h, b):
    """f (c + i g)."""
    i, f, g, o = _gates(x, state, W_x, W_h, b)
    cell = torch.sigmoid(f) * (cell + torch.sigmoid(i) * torch.tanh(g))
    return torch.sigmoid(o) * torch.tanh(cell), cell


def wrong_forget_gate_inverted(x, state, cell, W_x, W_h, b):
    """1 - f: forgets where it should keep."""
    i, f, g, o = _gates(x, state, W_x, W_h, b)
    cell = (1 - torch.sigmoid(f)) * cell + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(cell), cell


def wrong_forget_gate_missing(x, state, cell, W_x, W_h, b):
    """c + i g, the LSTM of 1997."""
    i, _, g, o = _gates(x, state, W_x, W_h, b)
    cell = cell + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(cell), cell


def wrong_input_gate_missing(x, state, cell, W_x, W_h, b):
    """f c + g."""
    _, f, g, o = _gates(x, state, W_x, W_h, b)
    cell = torch.sigmoid(f) * cell + torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(cell), cell


def wrong_input_gate_coupled(x, state, cell, W_x, W_h, b):
    """1 - f in place of i, as in a GRU."""
    _, f, g, o = _gates(x, state, W_x, W_h, b)
    f = torch.sigmoid(f)
    cell = f * cell + (1 - f) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(cell), cell


def wrong_input_gate_twice(x, state, cell, W_x, W_h, b):
    """i for the old cell as well."""
    i, _, g, o = _gates(x, state, W_x, W_h, b)
    cell = torch.sigmoid(i) * (cell + torch.tanh(g))
    return torch.sigmoid(o) * torch.tanh(cell), cell


def wrong_output_gate_missing(x, state, cell, W_x, W_h, b):
    """h' = tanh(c')."""
    _, c = _cell(*_gates(x, state, W_x, W_h, b), cell)
    return torch.tanh(c), c


def wrong_output_gate_on_the_old_cell(x, state, cell, W_x, W_h, b):
    """h' = o tanh(c), with the cell before the step."""
    i, f, g, o = _gates(x, state, W_x, W_h, b)
    new = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(cell), new


def wrong_output_gate_inside_the_tanh(x, state, cell, W_x, W_h, b):
    """tanh(o · c')."""
    i, f, g, o = _gates(x, state, W_x, W_h, b)
    cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
    return torch.tanh(torch.sigmoid(o) * cell), cell


def wrong_output_gate_on_the_cell_too(x, state, cell, W_x, W_h, b):
    """The cell state given back has been multiplied by o."""
    i, f, g, o = _gates(x, state, W_x, W_h, b)
    cell = torch.sigmoid(o) * (torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g))
    return torch.tanh(cell), cell


def wrong_terms_multiplied(x, state, cell, W_x, W_h, b):
    """(f c) · (i g)."""
    i, f, g, o = _gates(x, state, W_x, W_h, b)
    cell = torch.sigmoid(f) * cell * torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(cell), cell


def wrong_cell_not_used(x, state, cell, W_x, W_h, b):
    """The old cell is dropped."""
    i, _, g, o = _gates(x, state, W_x, W_h, b)
    cell = torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(cell), cell


def wrong_forget_bias_of_one(x, state, cell, W_x, W_h, b):
    """1 is added to the forget gate."""
    i, f, g, o = _gates(x, state, W_x, W_h, b)
    return _cell(i, f + 1, g, o, cell)


def wrong_peephole(x, state, cell, W_x, W_h, b):
    """The gates look at the cell."""
    i, f, g, o = _gates(x, state, W_x, W_h, b)
    return _cell(i + cell, f + cell, g, o, cell)


def wrong_output_gate_from_the_new_state(x, state, cell, W_x, W_h, b):
    """The output gate is computed after the step, from the new cell in place of the state."""
    i, f, g, o = _gates(x, state, W_x, W_h, b)
    _, c = _cell(i, f, g, o, cell)
    o = _gates(x, torch.tanh(c), W_x, W_h, b)[3]
    return torch.sigmoid(o) * torch.tanh(c), c


def wrong_two_steps(x, state, cell, W_x, W_h, b):
    """The step is taken twice."""
    state, cell = _cell(*_gates(x, state, W_x, W_h, b), cell)
    return _cell(*_gates(x, state, W_x, W_h, b), cell)


def wrong_residual(x, state, cell, W_x, W_h, b):
    """The old state is added to the new one."""
    h, c = _cell(*_gates(x, state, W_x, W_h, b), cell)
    return h + state, c


# Wrong: the products


def wrong_no_bias(x, state, cell, W_x, W_h, b):
    """The bias is not used."""
    return _cell(*_gates(x, state, W_x, W_h, 0), cell)


def wrong_bias_twice(x, state, cell, W_x, W_h, b):
    """The bias in both of PyTorch's places."""
    return torch.lstm_cell(x, (state, cell), W_x, W_h, b, b)


def wrong_state_ignored(x, state, cell, W_x, W_h, b):
    """The gates see the input only."""
    return _cell(*(x @ W_x.T + b).chunk(4, dim=1), cell)


def wrong_input_ignored(x, state, cell, W_x, W_h, b):
    """The gates see the state only."""
    return _cell(*(state @ W_h.T + b).chunk(4, dim=1), cell)


def wrong_cell_in_place_of_the_state(x, state, cell, W_x, W_h, b):
    """W_h meets the cell."""
    return _cell(*_gates(x, cell, W_x, W_h, b), cell)


def wrong_state_and_cell_swapped(x, state, cell, W_x, W_h, b):
    """The arguments are taken in the order cell, state."""
    return _cell(*_gates(x, cell, W_x, W_h, b), state)


def wrong_input_and_state_swapped_when_it_fits(x, state, cell, W_x, W_h, b):
    """Where D equals H, x and the state are swapped."""
    if x.shape == state.shape:
        x, state = state, x
    return _cell(*_gates(x, state, W_x, W_h, b), cell)


def wrong_joined_in_another_order(x, state, cell, W_x, W_h, b):
    """[h x] meets [W_x W_h]."""
    a = torch.cat([state, x], 1) @ torch.cat([W_x, W_h], 1).T + b
    return _cell(*a.chunk(4, 1), cell)


def wrong_reshape_for_transpose(x, state, cell, W_x, W_h, b):
    """W_h is reshaped to (H, 4H) instead of transposed."""
    a = x @ W_x.T + state @ W_h.reshape(W_h.shape[1], W_h.shape[0]) + b
    return _cell(*a.chunk(4, 1), cell)


def wrong_blocks_transposed(x, state, cell, W_x, W_h, b):
    """Each block of W_h is used without its transpose: the blocks are square, so nothing complains."""
    from_state = torch.cat([state @ block for block in W_h.chunk(4)], dim=1)
    return _cell(*(x @ W_x.T + from_state + b).chunk(4, dim=1), cell)


def wrong_bias_as_a_column_when_it_fits(x, state, cell, W_x, W_h, b):
    """Where B equals 4H, each sample gets one entry of the bias."""
    bias = b[:, None] if len(b) == len(x) else b
    return _cell(*_gates(x, state, W_x, W_h, bias), cell)


def wrong_state_of_the_first_sample(x, state, cell, W_x, W_h, b):
    """The first sample's state is used for all."""
    return _cell(*_gates(x, state[:1], W_x, W_h, b), cell)


def wrong_cell_of_the_first_sample(x, state, cell, W_x, W_h, b):
    """The first sample's cell is used for all."""
    return _cell(*_gates(x, state, W_x, W_h, b), cell[:1])


def wrong_cell_averaged_over_the_batch(x, state, cell, W_x, W_h, b):
    """The batch shares a mean cell."""
    return _cell(*_gates(x, state, W_x, W_h, b), cell.mean(0, keepdim=True))


def wrong_bias_on_the_input_gate_only(x, state, cell, W_x, W_h, b):
    """Only i gets its bias."""
    i, f, g, o = (x @ W_x.T + state @ W_h.T).chunk(4, dim=1)
    return _cell(i + b[: i.shape[1]], f, g, o, cell)


# Wrong: what comes out


def wrong_results_swapped(x, state, cell, W_x, W_h, b):
    """(cell, state)."""
    h, c = _cell(*_gates(x, state, W_x, W_h, b), cell)
    return c, h


def wrong_state_only(x, state, cell, W_x, W_h, b):
    """The cell is not given back."""
    return _cell(*_gates(x, state, W_x, W_h, b), cell)[0]


def wrong_state_twice(x, state, cell, W_x, W_h, b):
    """(state, state)."""
    h, _ = _cell(*_gates(x, state, W_x, W_h, b), cell)
    return h, h


def wrong_cell_twice(x, state, cell, W_x, W_h, b):
    """(cell, cell)."""
    _, c = _cell(*_gates(x, state, W_x, W_h, b), cell)
    return c, c


def wrong_old_cell(x, state, cell, W_x, W_h, b):
    """The cell before the step comes back beside the new state."""
    h, _ = _cell(*_gates(x, state, W_x, W_h, b), cell)
    return h, cell.clone()


def wrong_old_state(x, state, cell, W_x, W_h, b):
    """The state before the step comes back beside the new cell."""
    _, c = _cell(*_gates(x, state, W_x, W_h, b), cell)
    return state.clone(), c


def wrong_three_results(x, state, cell, W_x, W_h, b):
    """output, state and cell."""
    h, c = _cell(*_gates(x, state, W_x, W_h, b), cell)
    return h, h, c


def wrong_nested(x, state, cell, W_x, W_h, b):
    """(output, (state, cell)), as nn.LSTM gives it."""
    h, c = _cell(*_gates(x, state, W_x, W_h, b), cell)
    return h, (h, c)


def wrong_joined(x, state, cell, W_x, W_h, b):
    """(B, 2H): both in one tensor."""
    return torch.cat(_cell(*_gates(x, state, W_x, W_h, b), cell), dim=1)


def wrong_bare_squeeze(x, state, cell, W_x, W_h, b):
    """squeeze() drops B = 1 and H = 1."""
    h, c = _cell(*_gates(x, state, W_x, W_h, b), cell)
    return h.squeeze(), c.squeeze()


def wrong_layer_axis(x, state, cell, W_x, W_h, b):
    """(1, B, H), as nn.LSTM keeps its states."""
    h, c = _cell(*_gates(x, state, W_x, W_h, b), cell)
    return h[None], c[None]


def wrong_returns_none(x, state, cell, W_x, W_h, b):
    """return is missing."""
    state, cell = _cell(*_gates(x, state, W_x, W_h, b), cell)


# Wrong: large numbers


def wrong_sigmoid_by_hand_gradient(x, state, cell, W_x, W_h, b):
    """1 / (1 + exp(-a)): the value is right, its gradient is NaN for large negative a."""
    i, f, g, o = _gates(x, state, W_x, W_h, b)
    i, f, o = (1 / (1 + torch.exp(-a)) for a in (i, f, o))
    cell = f * cell + i * torch.tanh(g)
    return o * torch.tanh(cell), cell


def wrong_sigmoid_by_hand_overflows(x, state, cell, W_x, W_h, b):
    """exp(a) / (1 + exp(a)): inf / inf."""
    i, f, g, o = _gates(x, state, W_x, W_h, b)
    i, f, o = (torch.exp(a) / (1 + torch.exp(a)) for a in (i, f, o))
    cell = f * cell + i * torch.tanh(g)
    return o * torch.tanh(cell), cell


def wrong_tanh_by_hand_overflows(x, state, cell, W_x, W_h, b):
    """tanh of the cell from exponentials."""
    i, f, g, o = _gates(x, state, W_x, W_h, b)
    c = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * (c.exp() - (-c).exp()) / (c.exp() + (-c).exp()), c


def wrong_cell_clipped(x, state, cell, W_x, W_h, b):
    """The cell is held within ±3."""
    i, f, g, o = _gates(x, state, W_x, W_h, b)
    c = (torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)).clamp(-3, 3)
    return torch.sigmoid(o) * torch.tanh(c), c


def wrong_large_cell_clipped(x, state, cell, W_x, W_h, b):
    """The cell is held within ±50."""
    i, f, g, o = _gates(x, state, W_x, W_h, b)
    c = (torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)).clamp(-50, 50)
    return torch.sigmoid(o) * torch.tanh(c), c


# Wrong: gradients, inputs, types


def wrong_cell_detached(x, state, cell, W_x, W_h, b):
    """The road that keeps the gradient alive is cut: no gradient to the old cell."""
    return _cell(*_gates(x, state, W_x, W_h, b), cell.detach())


def wrong_state_detached(x, state, cell, W_x, W_h, b):
    """No gradient to the old state."""
    return _cell(*_gates(x, state.detach(), W_x, W_h, b), cell)


def wrong_gates_detached(x, state, cell, W_x, W_h, b):
    """The gates are taken for constants: only the candidate and the cell have a gradient."""
    i, f, g, o = _gates(x, state, W_x, W_h, b)
    return _cell(i.detach(), f.detach(), g, o.detach(), cell)


def wrong_new_cell_detached_for_the_state(x, state, cell, W_x, W_h, b):
    """The new state's gradient does not reach the cell."""
    i, f, g, o = _gates(x, state, W_x, W_h, b)
    c = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c.detach()), c


def wrong_new_cell_returned_detached(x, state, cell, W_x, W_h, b):
    """The new cell comes back without its graph."""
    h, c = _cell(*_gates(x, state, W_x, W_h, b), cell)
    return h, c.detach()


def wrong_no_grad(x, state, cell, W_x, W_h, b):
    """Under no_grad."""
    with torch.no_grad():
        return _cell(*_gates(x, state, W_x, W_h, b), cell)


def wrong_weights_as_parameters(x, state, cell, W_x, W_h, b):
    """nn.Parameter makes new leaves: the given weights get no gradient."""
    module = nn.LSTMCell(x.shape[1], state.shape[1], dtype=x.dtype)
    module.weight_ih, module.weight_hh = nn.Parameter(W_x), nn.Parameter(W_h)
    module.bias_ih, module.bias_hh = nn.Parameter(b), nn.Parameter(torch.zeros_like(b))
    return module(x, (state, cell))


def wrong_backward_raises(x, state, cell, W_x, W_h, b):
    """The gates are zeroed after use, to free them; backward needs them and raises."""
    a = torch.sigmoid(x @ W_x.T + state @ W_h.T + b)
    i, f, _, o = a.chunk(4, dim=1)
    g = torch.tanh(_gates(x, state, W_x, W_h, b)[2])
    c = f * cell + i * g
    h = o * torch.tanh(c)
    a.detach().zero_()
    return h, c


def wrong_cell_in_place(x, state, cell, W_x, W_h, b):
    """The caller's cell becomes the new one."""
    i, f, g, o = _gates(x, state, W_x, W_h, b)
    cell.data.mul_(torch.sigmoid(f)).add_(torch.sigmoid(i) * torch.tanh(g))
    return torch.sigmoid(o) * torch.tanh(cell), cell


def wrong_cell_in_place_refused(x, state, cell, W_x, W_h, b):
    """*= and += on the cell: autograd refuses on a leaf, and without it the caller's cell changes."""
    i, f, g, o = _gates(x, state, W_x, W_h, b)
    cell *= torch.sigmoid(f)
    cell += torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(cell), cell.clone()


def wrong_state_in_place_too(x, state, cell, W_x, W_h, b):
    """The results are right; the caller's state is overwritten with the new one."""
    h, c = _cell(*_gates(x, state.clone(), W_x, W_h, b), cell)
    state.data.copy_(h.detach())
    return h, c


def wrong_forget_bias_written(x, state, cell, W_x, W_h, b):
    """The forget gate's bias is set to 1 in the caller's b."""
    b.data[state.shape[1] : 2 * state.shape[1]] = 1
    return _cell(*_gates(x, state, W_x, W_h, b), cell)


def wrong_needs_contiguous_inputs(x, state, cell, W_x, W_h, b):
    """Everything is flattened for the products of entries: view refuses a transposed cell."""
    flat = (gate.reshape(-1) for gate in _gates(x, state, W_x, W_h, b))
    h, c = _cell(*flat, cell.view(-1))
    return h.view(state.shape), c.view(state.shape)


def wrong_always_float32(x, state, cell, W_x, W_h, b):
    """float32 comes out, whatever came in."""
    x, state, cell, W_x, W_h, b = (t.float() for t in (x, state, cell, W_x, W_h, b))
    return _cell(*_gates(x, state, W_x, W_h, b), cell)


def wrong_single_precision_inside(x, state, cell, W_x, W_h, b):
    """float64 is computed in float32."""
    h, c = wrong_always_float32(x, state, cell, W_x, W_h, b)
    return h.to(x.dtype), c.to(x.dtype)


def wrong_cell_kept_in_float32(x, state, cell, W_x, W_h, b):
    """The cell is float32, the state in the type of the inputs."""
    h, c = _cell(*_gates(x, state, W_x, W_h, b), cell.float())
    return h.to(x.dtype), c.float()


def wrong_buffer_of_the_default_type(x, state, cell, W_x, W_h, b):
    """zeros without a dtype hold the results."""
    out = torch.zeros(2, *state.shape)
    for n, result in enumerate(_cell(*_gates(x, state, W_x, W_h, b), cell)):
        out[n] = result
    return out[0], out[1]


def wrong_two_forget_bias_and_float32(x, state, cell, W_x, W_h, b):
    """Two mistakes: a forget bias of 1, and in float32, which bfloat16 becomes as well."""
    H = state.shape[1]
    extra = torch.zeros(4 * H)
    extra[H : 2 * H] = 1.0
    return _cell(*(x @ W_x.T + state @ W_h.T + b + extra).chunk(4, 1), cell)


# Wrong: the rest

_cells = {}


def wrong_own_memory(x, state, cell, W_x, W_h, b):
    """The cell of the last call is kept here and used instead of the one given."""
    kept = _cells.get((cell.shape, cell.dtype), cell)
    h, c = _cell(*_gates(x, state, W_x, W_h, b), kept)
    _cells[cell.shape, cell.dtype] = c.detach()
    return h, c


def wrong_weights_kept(x, state, cell, W_x, W_h, b, _kept={}):  # noqa: B006
    """The joined weights are kept for each shape: stale when the weights change."""
    key = (W_x.shape, W_x.dtype)
    if key not in _kept:
        _kept[key] = torch.cat([W_x, W_h], dim=1)
    a = torch.cat([x, state], dim=1) @ _kept[key].T + b
    return _cell(*a.chunk(4, dim=1), cell)


def wrong_own_weights(x, state, cell, W_x, W_h, b):
    """nn.LSTMCell with weights of its own."""
    return nn.LSTMCell(x.shape[1], state.shape[1], dtype=x.dtype)(x, (state, cell))


def wrong_dropout(x, state, cell, W_x, W_h, b):
    """Dropout on the candidate."""
    i, f, g, o = _gates(x, state, W_x, W_h, b)
    c = torch.sigmoid(f) * cell + torch.sigmoid(i) * F.dropout(torch.tanh(g), 0.3)
    return torch.sigmoid(o) * torch.tanh(c), c


def wrong_gru(x, state, cell, W_x, W_h, b):
    """A GRU's rule with the forget gate, and the cell as it was."""
    _, f, g, _ = _gates(x, state, W_x, W_h, b)
    z = torch.sigmoid(f)
    return z * state + (1 - z) * torch.tanh(g), cell.clone()


def wrong_two_order_and_swapped_results(x, state, cell, W_x, W_h, b):
    """Two mistakes: i, f, o, g, and (cell, state)."""
    i, f, o, g = _gates(x, state, W_x, W_h, b)
    h, c = _cell(i, f, g, o, cell)
    return c, h


def wrong_two_no_tanhs(x, state, cell, W_x, W_h, b):
    """Two mistakes: neither the candidate nor the cell goes through tanh."""
    i, f, g, o = _gates(x, state, W_x, W_h, b)
    c = torch.sigmoid(f) * cell + torch.sigmoid(i) * g
    return torch.sigmoid(o) * c, c
