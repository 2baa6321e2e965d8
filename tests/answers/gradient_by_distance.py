"""Student answers to gradient_by_distance(rnn, x (B, T, D)) -> (T,), right and wrong; rnn(x) -> (B, T, H)."""

import torch
from torch import nn

# Right


def right_autograd_grad(rnn, x):
    """autograd.grad with respect to a copy of the inputs."""
    x = x.detach().clone().requires_grad_(True)
    (g,) = torch.autograd.grad(rnn(x)[:, -1].sum(), x)
    return g.norm(dim=-1).mean(dim=0).flip(0)


def right_backward(rnn, x):
    """backward on a copy, then its .grad."""
    inputs = x.detach().clone()
    inputs.requires_grad = True
    states = rnn(inputs)
    states[:, -1, :].sum().backward()
    return torch.flip(inputs.grad.norm(dim=2).mean(dim=0), dims=[0])


def right_without_a_copy(rnn, x):
    """The given x is asked for its gradient; only its flag changes."""
    x.requires_grad_(True)
    grad = torch.autograd.grad(rnn(x)[:, -1].sum(), x)[0]
    return grad.pow(2).sum(-1).sqrt().mean(0)[torch.arange(x.shape[1] - 1, -1, -1)]


def right_vjp(rnn, x):
    """torch.func.vjp with ones at the last state."""
    states, pull_back = torch.func.vjp(rnn, x)
    ones_at_the_end = torch.zeros_like(states)
    ones_at_the_end[:, -1] = 1
    (grad,) = pull_back(ones_at_the_end)
    return torch.linalg.vector_norm(grad, dim=2).mean(0).flipud()


def right_func_grad(rnn, x):
    """torch.func.grad of a scalar function."""
    grad = torch.func.grad(lambda inputs: rnn(inputs)[:, -1].sum())(x)
    return torch.stack([grad[:, t].norm(dim=1).mean() for t in reversed(range(x.size(1)))])


def right_one_sample_at_a_time(rnn, x):
    """A batch of one for each sample, and the mean of their curves."""
    curves = []
    for sample in x:
        one = sample.detach()[None].clone().requires_grad_()
        rnn(one)[0, -1].sum().backward()
        curves.append(one.grad[0].norm(dim=-1))
    return torch.stack(curves).mean(0).flip(-1)


def right_grad_outputs(rnn, x):
    """The cotangent of all states is 1 at the last one and 0 elsewhere."""
    probe = x.detach().requires_grad_()
    states = rnn(probe)
    seed = torch.zeros_like(states)
    seed[:, -1] = 1.0
    (grad,) = torch.autograd.grad(states, [probe], grad_outputs=seed)
    return (grad * grad).sum(dim=2).sqrt().mean(dim=0).flip(dims=(0,))


def right_steps_as_leaves(rnn, x):
    """Each step is a leaf of its own, and they are stacked before the rnn."""
    steps = [x[:, t].detach().clone().requires_grad_() for t in range(x.shape[1])]
    loss = rnn(torch.stack(steps, dim=1))[:, -1].sum()
    grads = torch.autograd.grad(loss, steps[::-1])
    return torch.stack([g.norm(dim=1).mean() for g in grads])


def right_added_zero(rnn, x):
    """The gradient with respect to a zero that is added to the inputs."""
    nudge = torch.zeros_like(x, requires_grad=True)
    rnn(x.detach() + nudge)[:, -1].sum().backward()
    return nudge.grad.norm(p=2, dim=2).mean(0).flip(0)


def right_parameter(rnn, x):
    """The inputs as an nn.Parameter."""
    p = nn.Parameter(x.detach().clone())
    torch.sum(rnn(p)[:, x.shape[1] - 1]).backward()
    norms = torch.linalg.norm(p.grad, dim=-1)
    return norms.sum(dim=0).div(x.shape[0]).flip(0)


def right_hook(rnn, x):
    """A hook catches the gradient as it comes by."""
    caught = []
    leaf = x.detach().clone().requires_grad_()
    copy = leaf * 1
    copy.register_hook(caught.append)
    rnn(copy)[:, -1].sum().backward()
    return caught[0].norm(dim=2).mean(0).flip(0)


def right_jacobian(rnn, x):
    """The Jacobian of the summed last state, one row for each unit, added over the units."""
    jacobian = torch.autograd.functional.jacobian(lambda inputs: rnn(inputs)[:, -1].sum(0), x.detach())
    return jacobian.sum(0).norm(dim=-1).mean(0).flip(0)


def right_loops_in_float32(rnn, x):
    """The norms by loops; bfloat16 is added up in float32."""
    leaf = x.detach().clone().requires_grad_()
    (grad,) = torch.autograd.grad(rnn(leaf)[:, -1].sum(), leaf)
    B, T, D = x.shape
    out = torch.zeros(T, dtype=torch.promote_types(x.dtype, torch.float32))
    for k in range(T):
        for b in range(B):
            out[k] += sum(grad[b, T - 1 - k, d].to(out.dtype) ** 2 for d in range(D)) ** 0.5 / B
    return out.to(x.dtype)


def right_einsum(rnn, x):
    """einsum squares and sums; the axes are turned first."""
    leaf = x.detach().clone().requires_grad_()
    (grad,) = torch.autograd.grad(rnn(leaf)[:, -1].sum(), leaf)
    newest_first = grad.flip(1)
    return torch.einsum("btd,btd->bt", newest_first, newest_first).sqrt().mean(0)


# Wrong: the order


def _gradient(rnn, x, of=lambda states: states[:, -1].sum()):
    """The gradient of a number made of the states, (B, T, D)."""
    leaf = x.detach().clone().requires_grad_()
    (grad,) = torch.autograd.grad(of(rnn(leaf)), leaf)
    return grad


def wrong_not_flipped(rnn, x):
    """By time, not by distance: entry 0 is the first input."""
    return _gradient(rnn, x).norm(dim=2).mean(0)


def wrong_flipped_along_the_features(rnn, x):
    """flip(2), which the norm does not notice."""
    return _gradient(rnn, x).flip(2).norm(dim=2).mean(0)


def wrong_flipped_along_the_batch(rnn, x):
    """flip(0) before the mean, which the mean does not notice."""
    return _gradient(rnn, x).norm(dim=2).flip(0).mean(0)


def wrong_flipped_twice(rnn, x):
    """Flipped before and after."""
    return _gradient(rnn, x).flip(1).norm(dim=2).mean(0).flip(0)


def wrong_off_by_one(rnn, x):
    """Distances begin at 1: entry 0 is 0 and the farthest is lost."""
    curve = _gradient(rnn, x).norm(dim=2).mean(0).flip(0)
    return torch.cat([curve.new_zeros(1), curve[:-1]])


def wrong_last_input_left_out(rnn, x):
    """(T - 1,): the last input is not counted as a distance."""
    return _gradient(rnn, x).norm(dim=2).mean(0).flip(0)[1:]


def wrong_wrapped_round(rnn, x):
    """index -k: entry 0 is the first input, then from the last one backwards."""
    norms = _gradient(rnn, x).norm(dim=2).mean(0)
    return torch.stack([norms[-k] for k in range(len(norms))])


def wrong_rolled(rnn, x):
    """roll in place of flip."""
    return _gradient(rnn, x).norm(dim=2).mean(0).roll(1)


def wrong_sorted(rnn, x):
    """Sorted, the largest first: gradients always vanish, do they not."""
    return _gradient(rnn, x).norm(dim=2).mean(0).sort(descending=True).values


def wrong_inputs_reversed(rnn, x):
    """The inputs are turned round instead of the result."""
    return _gradient(rnn, x.flip(1)).norm(dim=2).mean(0).flip(0)


# Wrong: what is differentiated


def wrong_all_states(rnn, x):
    """The sum over the states of every step."""
    return _gradient(rnn, x, lambda h: h.sum()).norm(dim=2).mean(0).flip(0)


def wrong_first_state(rnn, x):
    """The state at the first step."""
    return _gradient(rnn, x, lambda h: h[:, 0].sum()).norm(dim=2).mean(0).flip(0)


def wrong_state_before_the_last(rnn, x):
    """[:, -2], as far as there is one."""
    at = -2 if x.shape[1] > 1 else -1
    return _gradient(rnn, x, lambda h: h[:, at].sum()).norm(dim=2).mean(0).flip(0)


def wrong_last_sample(rnn, x):
    """states[-1] is the last sample, not the last step."""
    return _gradient(rnn, x, lambda h: h[-1].sum()).norm(dim=2).mean(0).flip(0)


def wrong_last_unit(rnn, x):
    """states[..., -1] is the last unit of every step."""
    return _gradient(rnn, x, lambda h: h[..., -1].sum()).norm(dim=2).mean(0).flip(0)


def wrong_one_unit_of_the_last_state(rnn, x):
    """Only unit 0 of the last state."""
    return _gradient(rnn, x, lambda h: h[:, -1, 0].sum()).norm(dim=2).mean(0).flip(0)


def wrong_mean_of_the_units(rnn, x):
    """The mean of the last state's entries, over samples and units."""
    return _gradient(rnn, x, lambda h: h[:, -1].mean()).norm(dim=2).mean(0).flip(0)


def wrong_mean_over_the_units(rnn, x):
    """The mean over H, the sum over B."""
    return _gradient(rnn, x, lambda h: h[:, -1].mean(-1).sum()).norm(dim=2).mean(0).flip(0)


def wrong_batch_averaged_twice(rnn, x):
    """The mean over B in the loss and again in the norms."""
    return _gradient(rnn, x, lambda h: h[:, -1].sum(-1).mean()).norm(dim=2).mean(0).flip(0)


def wrong_squared_states(rnn, x):
    """The sum of squares of the last state."""
    return _gradient(rnn, x, lambda h: h[:, -1].pow(2).sum()).norm(dim=2).mean(0).flip(0)


def wrong_half_of_the_squared_states(rnn, x):
    """Half the sum of squares, whose gradient is the state itself."""
    return _gradient(rnn, x, lambda h: h[:, -1].pow(2).sum() / 2).norm(dim=2).mean(0).flip(0)


def wrong_norm_of_the_last_state(rnn, x):
    """The gradient of the last state's norm."""
    return _gradient(rnn, x, lambda h: h[:, -1].norm(dim=-1).sum()).norm(dim=2).mean(0).flip(0)


def wrong_largest_unit(rnn, x):
    """The gradient of the largest entry."""
    return _gradient(rnn, x, lambda h: h[:, -1].amax(-1).sum()).norm(dim=2).mean(0).flip(0)


def wrong_absolute_states(rnn, x):
    """The sum of absolute values."""
    return _gradient(rnn, x, lambda h: h[:, -1].abs().sum()).norm(dim=2).mean(0).flip(0)


def wrong_last_state_against_the_mean_of_all(rnn, x):
    """The mean over the steps."""
    return _gradient(rnn, x, lambda h: h.mean(1).sum()).norm(dim=2).mean(0).flip(0)


def wrong_jacobian_norm(rnn, x):
    """The Frobenius norm of the whole Jacobian instead of the norm of the summed gradient."""
    jacobian = torch.autograd.functional.jacobian(lambda inputs: rnn(inputs)[:, -1].sum(0), x.detach())
    return jacobian.permute(1, 2, 0, 3).flatten(2).norm(dim=-1).mean(0).flip(0)


def wrong_norms_of_each_unit_added(rnn, x):
    """The norm for each unit of the last state, then the sum over the units."""
    jacobian = torch.autograd.functional.jacobian(lambda inputs: rnn(inputs)[:, -1].sum(0), x.detach())
    return jacobian.norm(dim=-1).sum(0).mean(0).flip(0)


def wrong_each_step_against_its_own_input(rnn, x):
    """The gradient of each state with respect to the input of the same step."""
    rows = [
        _gradient(rnn, x, lambda h, t=t: h[:, t].sum())[:, t].norm(dim=1).mean() for t in range(x.shape[1])
    ]
    return torch.stack(rows[::-1])


def wrong_first_input_against_each_step(rnn, x):
    """The gradient of state k with respect to the first input."""
    rows = [
        _gradient(rnn, x, lambda h, t=t: h[:, t].sum())[:, 0].norm(dim=1).mean() for t in range(x.shape[1])
    ]
    return torch.stack(rows)


def wrong_gradient_of_the_states(rnn, x):
    """With respect to the states: what rnn returns does not lead from one to the next, so all but the last
    are 0."""
    states = rnn(x.detach().clone().requires_grad_())
    (grad,) = torch.autograd.grad(states[:, -1].sum(), states)
    return grad.norm(dim=2).mean(0).flip(0)


def wrong_norm_of_the_states(rnn, x):
    """The states' own norms."""
    return rnn(x).detach().norm(dim=2).mean(0).flip(0)


def wrong_gradient_times_input(rnn, x):
    """Gradient times input, as for saliency."""
    return (_gradient(rnn, x) * x).norm(dim=2).mean(0).flip(0)


def wrong_finite_difference(rnn, x):
    """A coarse difference in place of the derivative."""
    B, T, D = x.shape
    base, out = rnn(x)[:, -1].sum(-1), torch.zeros(B, T, D, dtype=x.dtype)
    for t in range(T):
        for d in range(D):
            moved = x.clone()
            moved[:, t, d] += 0.1
            out[:, t, d] = (rnn(moved)[:, -1].sum(-1) - base) / 0.1
    return out.norm(dim=2).mean(0).flip(0)


def wrong_steps_cut_off(rnn, x):
    """Each distance is measured on a sequence that begins there: the state before it is lost."""
    out = []
    for k in range(x.shape[1]):
        out.append(_gradient(rnn, x[:, x.shape[1] - 1 - k :])[:, 0].norm(dim=1).mean())
    return torch.stack(out)


def wrong_ten_steps_back_at_most(rnn, x):
    """Backpropagation is cut after 10 steps; what lies farther back is 0."""
    grad = _gradient(rnn, x).flip(1)
    grad[:, 10:] = 0
    return grad.norm(dim=2).mean(0)


def wrong_step_by_step(rnn, x):
    """rnn is called for each step alone: nothing is carried, so only the last input has a gradient."""
    leaf = x.detach().clone().requires_grad_()
    states = torch.cat([rnn(leaf[:, t : t + 1]) for t in range(x.shape[1])], dim=1)
    (grad,) = torch.autograd.grad(states[:, -1].sum(), leaf)
    return grad.norm(dim=2).mean(0).flip(0)


# Wrong: the norm and the mean


def wrong_norm_of_the_mean(rnn, x):
    """The mean over the batch first, then the norm: gradients of samples cancel."""
    return _gradient(rnn, x).mean(0).norm(dim=1).flip(0)


def wrong_norm_of_the_sum(rnn, x):
    """The sum over the batch first, then the norm."""
    return _gradient(rnn, x).sum(0).norm(dim=1).flip(0)


def wrong_summed_over_the_batch(rnn, x):
    """The sum of the norms."""
    return _gradient(rnn, x).norm(dim=2).sum(0).flip(0)


def wrong_norm_over_batch_and_features(rnn, x):
    """One norm over B and D."""
    return _gradient(rnn, x).norm(dim=(0, 2)).flip(0)


def wrong_norm_over_batch_and_features_divided(rnn, x):
    """One norm over B and D, divided by B."""
    return _gradient(rnn, x).norm(dim=(0, 2)).flip(0) / len(x)


def wrong_root_of_the_mean_square(rnn, x):
    """The root of the mean squared norm."""
    return _gradient(rnn, x).pow(2).sum(2).mean(0).sqrt().flip(0)


def wrong_root_missing(rnn, x):
    """The squared norm."""
    return _gradient(rnn, x).pow(2).sum(2).mean(0).flip(0)


def wrong_root_of_the_mean_over_features(rnn, x):
    """Divided by the root of D."""
    return _gradient(rnn, x).pow(2).mean(2).sqrt().mean(0).flip(0)


def wrong_absolute_sum(rnn, x):
    """The sum of absolute values over D."""
    return _gradient(rnn, x).abs().sum(2).mean(0).flip(0)


def wrong_absolute_mean(rnn, x):
    """The mean of absolute values over D."""
    return _gradient(rnn, x).abs().mean((0, 2)).flip(0)


def wrong_largest_feature(rnn, x):
    """The largest absolute value over D."""
    return _gradient(rnn, x).abs().amax(2).mean(0).flip(0)


def wrong_signed_sum(rnn, x):
    """The sum over D, with its sign."""
    return _gradient(rnn, x).sum(2).mean(0).flip(0)


def wrong_largest_sample(rnn, x):
    """The largest norm in the batch."""
    return _gradient(rnn, x).norm(dim=2).amax(0).flip(0)


def wrong_mean_over_samples_with_a_gradient(rnn, x):
    """A sample whose gradient has vanished to 0 is not counted in the mean."""
    norms = _gradient(rnn, x).norm(dim=2)
    return (norms.sum(0) / (norms > 0).sum(0).clamp(min=1)).flip(0)


def wrong_median_sample(rnn, x):
    """The median over the batch."""
    return _gradient(rnn, x).norm(dim=2).median(0).values.flip(0)


def wrong_first_sample(rnn, x):
    """Sample 0 only."""
    return _gradient(rnn, x)[0].norm(dim=1).flip(0)


def wrong_norm_over_the_steps(rnn, x):
    """The norm over T: (D,) comes out."""
    return _gradient(rnn, x).norm(dim=1).mean(0).flip(0)


def wrong_mean_over_the_steps(rnn, x):
    """The mean over T instead of B: (B,) comes out."""
    return _gradient(rnn, x).norm(dim=2).mean(1).flip(0)


def wrong_norm_over_the_batch(rnn, x):
    """The norm over B, the mean over D."""
    return _gradient(rnn, x).norm(dim=0).mean(1).flip(0)


def wrong_time_first(rnn, x):
    """The gradient is read as (T, B, D), as far as the sizes let it."""
    grad = _gradient(rnn, x)
    if grad.shape[0] == grad.shape[1]:
        grad = grad.transpose(0, 1)
    return grad.norm(dim=2).mean(0).flip(0)


def wrong_view_for_transpose(rnn, x):
    """reshape to (T, B, D) scrambles samples and steps."""
    B, T, D = x.shape
    return _gradient(rnn, x).reshape(T, B, D).norm(dim=2).mean(1).flip(0)


def wrong_normalised(rnn, x):
    """Divided by entry 0, to begin at 1."""
    curve = _gradient(rnn, x).norm(dim=2).mean(0).flip(0)
    return curve / curve[0]


def wrong_shares(rnn, x):
    """Divided by the sum, to add up to 1."""
    curve = _gradient(rnn, x).norm(dim=2).mean(0).flip(0)
    return curve / curve.sum()


def wrong_logarithm(rnn, x):
    """log10, as it will be drawn."""
    return _gradient(rnn, x).norm(dim=2).mean(0).flip(0).log10()


def wrong_epsilon_in_the_root(rnn, x):
    """√(Σ g² + 0.01), so that no root is taken of 0."""
    return (_gradient(rnn, x).pow(2).sum(2) + 1e-2).sqrt().mean(0).flip(0)


def wrong_clipped(rnn, x):
    """Gradients are clipped to ±1 first."""
    return _gradient(rnn, x).clamp(-1, 1).norm(dim=2).mean(0).flip(0)


def wrong_norm_clipped(rnn, x):
    """The norm of the whole gradient is clipped to 1, as in training."""
    grad = _gradient(rnn, x)
    return (grad / grad.norm().clamp(min=1)).norm(dim=2).mean(0).flip(0)


def wrong_running_sum(rnn, x):
    """Added up over the distances."""
    return _gradient(rnn, x).norm(dim=2).mean(0).flip(0).cumsum(0)


# Wrong: gradients that pile up, or are not there


def wrong_gradients_pile_up(rnn, x):
    """backward for one sample after the other on one leaf, read each time without zeroing."""
    leaf = x.detach().clone().requires_grad_()
    curves = []
    for b in range(len(x)):
        rnn(leaf)[b, -1].sum().backward()
        curves.append(leaf.grad.norm(dim=2).sum(0))
    return torch.stack(curves).mean(0).flip(0)


def wrong_gradients_pile_up_over_distances(rnn, x):
    """backward again for each distance, never zeroed: entry k is k + 1 times too large."""
    leaf = x.detach().clone().requires_grad_()
    last, out = rnn(leaf)[:, -1].sum(), []
    for k in range(x.shape[1]):
        last.backward(retain_graph=True)
        out.append(leaf.grad[:, x.shape[1] - 1 - k].norm(dim=1).mean())
    return torch.stack(out)


def wrong_no_leaf(rnn, x):
    """x does not ask for a gradient: autograd refuses."""
    x = x.detach()
    (grad,) = torch.autograd.grad(rnn(x)[:, -1].sum(), x)
    return grad.norm(dim=2).mean(0).flip(0)


def wrong_detached_before_the_rnn(rnn, x):
    """The rnn gets a detached copy of the leaf."""
    leaf = x.clone().requires_grad_()
    states = rnn(leaf.detach())
    (grad,) = torch.autograd.grad(states[:, -1].sum(), leaf)
    return grad.norm(dim=2).mean(0).flip(0)


def wrong_under_no_grad(rnn, x):
    """rnn runs under no_grad, as for an evaluation."""
    leaf = x.detach().clone().requires_grad_()
    with torch.no_grad():
        states = rnn(leaf)
    (grad,) = torch.autograd.grad(states[:, -1].sum(), leaf)
    return grad.norm(dim=2).mean(0).flip(0)


def wrong_nothing_found_is_zero(rnn, x):
    """What the graph does not reach is taken for 0: here that is everything."""
    leaf = x.detach().clone().requires_grad_()
    loss = rnn(leaf.detach())[:, -1].sum() + 0 * leaf.sum()
    (grad,) = torch.autograd.grad(loss, leaf, allow_unused=True)
    return grad.norm(dim=2).mean(0).flip(0)


# Wrong: the layout, the caller's tensor and the type


def wrong_not_averaged(rnn, x):
    """(B, T) comes out."""
    return _gradient(rnn, x).norm(dim=2).flip(1)


def wrong_axis_kept(rnn, x):
    """(1, T) comes out."""
    return _gradient(rnn, x).norm(dim=2).mean(0, keepdim=True).flip(1)


def wrong_bare_squeeze(rnn, x):
    """squeeze() before the norm drops B, T or D of 1."""
    return _gradient(rnn, x).squeeze().norm(dim=-1).mean(0).flip(0)


def wrong_squeeze_at_the_end(rnn, x):
    """With T = 1 a 0-d tensor comes out."""
    return _gradient(rnn, x).norm(dim=2).mean(0).flip(0).squeeze()


def wrong_list(rnn, x):
    """A list of numbers comes out."""
    return _gradient(rnn, x).norm(dim=2).mean(0).flip(0).tolist()


def wrong_numpy(rnn, x):
    """An array comes out."""
    return _gradient(rnn, x).norm(dim=2).mean(0).flip(0).float().numpy()


def wrong_distances_too(rnn, x):
    """The distances come out beside the norms."""
    return torch.arange(x.shape[1]), _gradient(rnn, x).norm(dim=2).mean(0).flip(0)


def wrong_returns_none(rnn, x):
    """return is missing."""
    _ = _gradient(rnn, x).norm(dim=2).mean(0).flip(0)


def wrong_inputs_turned_in_place(rnn, x):
    """The caller's x is turned round in time; the result is right."""
    curve = _gradient(rnn, x).norm(dim=2).mean(0).flip(0)
    x.data.copy_(x.data.flip(1))
    return curve


def wrong_gradient_step_taken(rnn, x):
    """The gradient is subtracted from the caller's x, as an optimiser would."""
    grad = _gradient(rnn, x)
    x.data -= 0.1 * grad
    return grad.norm(dim=2).mean(0).flip(0)


def wrong_inputs_normalised_in_place(rnn, x):
    """The caller's x is centred before it is read."""
    x.data -= x.data.mean(1, keepdim=True)
    return _gradient(rnn, x).norm(dim=2).mean(0).flip(0)


def wrong_needs_contiguous_inputs(rnn, x):
    """view refuses an x that is not contiguous."""
    leaf = x.detach().view(-1).clone().requires_grad_()
    (grad,) = torch.autograd.grad(rnn(leaf.view(x.shape))[:, -1].sum(), leaf)
    return grad.view(x.shape).norm(dim=2).mean(0).flip(0)


def wrong_float32_leaf(rnn, x):
    """The leaf is float32: an rnn of another type refuses it."""
    leaf = x.detach().float().requires_grad_()
    (grad,) = torch.autograd.grad(rnn(leaf)[:, -1].sum(), leaf)
    return grad.norm(dim=2).mean(0).flip(0)


def wrong_always_float32(rnn, x):
    """float32 comes out, whatever came in."""
    return _gradient(rnn, x).float().norm(dim=2).mean(0).flip(0)


def wrong_buffer_of_the_default_type(rnn, x):
    """zeros without a dtype."""
    grad, out = _gradient(rnn, x), torch.zeros(x.shape[1])
    for k in range(x.shape[1]):
        out[k] = grad[:, -1 - k].norm(dim=1).mean()
    return out


def wrong_python_numbers(rnn, x):
    """torch.tensor of floats: float32 for float64, too."""
    grad = _gradient(rnn, x)
    return torch.tensor([grad[:, -1 - k].norm(dim=1).mean().item() for k in range(x.shape[1])])


def wrong_half_precision(rnn, x):
    """float16 on the way: small gradients become 0."""
    return _gradient(rnn, x).half().norm(dim=2).mean(0).flip(0).to(x.dtype)


# Wrong: the rest


def wrong_batch_of_one(rnn, x):
    """Only x[:1] goes through the rnn."""
    return _gradient(rnn, x[:1]).norm(dim=2).mean(0).flip(0)


def wrong_other_inputs(rnn, x):
    """Random inputs of the same shape in place of the given ones."""
    return _gradient(rnn, torch.randn_like(x)).norm(dim=2).mean(0).flip(0)


def wrong_zero_inputs(rnn, x):
    """Zeros of the same shape in place of the given inputs."""
    return _gradient(rnn, torch.zeros_like(x)).norm(dim=2).mean(0).flip(0)


def wrong_noise(rnn, x):
    """A little noise on the inputs."""
    return _gradient(rnn, x + 0.1 * torch.randn_like(x)).norm(dim=2).mean(0).flip(0)


_curves = {}


def wrong_curve_kept(rnn, x):
    """The curve is kept for each shape: stale when the rnn or the inputs change."""
    key = (x.shape, x.dtype)
    if key not in _curves:
        _curves[key] = _gradient(rnn, x).norm(dim=2).mean(0).flip(0)
    return _curves[key].clone()


def wrong_mean_over_the_calls(rnn, x, _runs={}):  # noqa: B006
    """The curves of all calls of this shape so far are averaged."""
    runs = _runs.setdefault((x.shape, x.dtype), [])
    runs.append(_gradient(rnn, x).norm(dim=2).mean(0).flip(0))
    return torch.stack(runs).mean(0)


def wrong_own_rnn(rnn, x):
    """A new nn.RNN in place of the one given."""
    own = nn.RNN(x.shape[2], 4, batch_first=True, dtype=x.dtype)
    return _gradient(lambda inputs: own(inputs)[0], x).norm(dim=2).mean(0).flip(0)


def wrong_two_not_flipped_and_summed(rnn, x):
    """Two mistakes: by time, and the sum over the batch."""
    return _gradient(rnn, x).norm(dim=2).sum(0)


def wrong_two_all_states_and_squared(rnn, x):
    """Two mistakes: the sum of all states, and the squared norm."""
    return _gradient(rnn, x, lambda h: h.sum()).pow(2).sum(2).mean(0).flip(0)
