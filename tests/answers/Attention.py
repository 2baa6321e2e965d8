"""Right and wrong ways of repairing the seed's class `Attention(y_dim, h_dim)`.

Each class called `right_…` or `wrong_…` is one answer. See README.md in this folder.
"""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F


class _Repaired(nn.Module):
    """The repaired class in two parts, for answers with one mistake in one part."""

    def __init__(self, y_dim, h_dim):
        super().__init__()
        self.y_dim = y_dim
        self.h_dim = h_dim
        self.W = nn.Parameter(torch.empty(y_dim, h_dim))
        nn.init.xavier_uniform_(self.W)

    def score(self, y, h):
        return y @ self.W @ h.T

    def forward(self, y, h):
        return F.softmax(self.score(y, h), dim=-1) @ h


# ---------------------------------------------------------------------------------------------- right


class right_seed_repaired(nn.Module):
    """The seed's own lines with the two repairs: initialise W, softmax over the last axis."""

    def __init__(self, y_dim: int, h_dim: int):
        super().__init__()
        self.y_dim = y_dim
        self.h_dim = h_dim
        self.W = nn.Parameter(torch.FloatTensor(self.y_dim, self.h_dim))
        nn.init.xavier_uniform_(self.W)

    def forward(self, y: torch.Tensor, h: torch.Tensor):
        score = torch.matmul(y, torch.matmul(self.W, h.T))
        score = F.softmax(score, dim=-1)
        return torch.matmul(score, h)


class right_einsum(nn.Module):
    """One einsum for the scores, one for the context."""

    def __init__(self, n_y, n_h):
        super().__init__()
        self.W = nn.Parameter(torch.randn(n_y, n_h) / math.sqrt(n_y))

    def forward(self, s, h):
        e = torch.einsum("ip,pq,jq->ij", s, self.W, h)
        alpha = torch.softmax(e, dim=1)
        return torch.einsum("ij,jd->id", alpha, h)


class right_loops(nn.Module):
    """Score by score, and the sum term by term."""

    def __init__(self, y_dim, h_dim):
        super().__init__()
        self.W = nn.Parameter(torch.rand(y_dim, h_dim) * 0.2 - 0.1)

    def forward(self, y, h):
        contexts = []
        for i in range(len(y)):
            energies = []
            for j in range(len(h)):
                energies.append(torch.dot(y[i], self.W.mv(h[j])))
            alphas = torch.stack(energies).softmax(0)
            context = torch.zeros_like(h[0])
            for j in range(len(h)):
                context = context + alphas[j] * h[j]
            contexts.append(context)
        return torch.stack(contexts)


class right_row_by_row(nn.Module):
    """One query at a time, with mv; the rows are stacked."""

    def __init__(self, y_dim, h_dim):
        super().__init__()
        self.W = nn.Parameter(torch.Tensor(y_dim, h_dim))
        nn.init.kaiming_uniform_(self.W, a=math.sqrt(5))

    def forward(self, y, h):
        return torch.stack([h.T @ torch.softmax(h @ (row @ self.W), dim=0) for row in y])


class right_exponentials_by_hand(nn.Module):
    """exp after subtracting each row's maximum, divided by the row's total."""

    def __init__(self, y_dim, h_dim):
        super().__init__()
        self.W = nn.Parameter(torch.empty(y_dim, h_dim).normal_(0, 0.1))

    def forward(self, y, h):
        e = y.matmul(self.W).matmul(h.t())
        p = torch.exp(e - e.max(dim=1, keepdim=True).values)
        return (p @ h) / p.sum(dim=1, keepdim=True)


class right_log_weights(nn.Module):
    """Weights from logsumexp of shifted scores."""

    def __init__(self, y_dim, h_dim):
        super().__init__()
        self.W = nn.Parameter(torch.zeros(y_dim, h_dim))
        with torch.no_grad():
            self.W.copy_(torch.randn(y_dim, h_dim) * 0.1)

    def forward(self, y, h):
        e = torch.tensordot(y @ self.W, h, dims=([1], [1]))
        e = e - e.detach().amax(dim=-1, keepdim=True)
        return torch.exp(e - torch.logsumexp(e, dim=-1, keepdim=True)) @ h


class right_encoder_states_projected(nn.Module):
    """h goes through W with F.linear; log_softmax and exp give the weights."""

    def __init__(self, y_dim, h_dim):
        super().__init__()
        self.register_parameter("W", nn.Parameter(nn.init.xavier_normal_(torch.empty(y_dim, h_dim))))

    def forward(self, y, h):
        annotations = F.linear(h, self.W)
        return torch.mm(F.log_softmax(torch.mm(y, annotations.t()), dim=1).exp(), h)


class right_sdpa(nn.Module):
    """scaled_dot_product_attention with scale 1, with axes for batch and head put on and taken off."""

    def __init__(self, y_dim, h_dim):
        super().__init__()
        self.W = nn.Parameter(torch.randn(y_dim, h_dim) * 0.05)

    def forward(self, y, h):
        q, k = (y @ self.W)[None, None], h[None, None]
        return F.scaled_dot_product_attention(q, k, k, scale=1.0)[0, 0]


class right_source_steps_first(nn.Module):
    """Scores as (S, T): here axis 0 is the right axis."""

    def __init__(self, y_dim, h_dim):
        super().__init__()
        self.W = nn.Parameter(torch.empty(y_dim, h_dim))
        nn.init.orthogonal_(self.W)

    def forward(self, y, h):
        scores = h @ self.W.T @ y.T
        weights = scores.softmax(dim=0)
        return weights.T @ h


class right_broadcast(nn.Module):
    """Broadcasting and sums only, and nn.Softmax as a layer."""

    def __init__(self, y_dim, h_dim):
        super().__init__()
        bound = math.sqrt(3 / h_dim)
        self.W = nn.Parameter(torch.empty(y_dim, h_dim).uniform_(-bound, bound))
        self.normalise = nn.Softmax(dim=-1)

    def forward(self, y, h):
        projected = (y[:, :, None] * self.W).sum(dim=1)
        weights = self.normalise((projected[:, None] * h).sum(dim=-1))
        return (weights[:, :, None] * h).sum(dim=1)


class right_vmap(nn.Module):
    """Written for one query, mapped over all."""

    def __init__(self, y_dim, h_dim):
        super().__init__()
        self.W = nn.Parameter(torch.randn(y_dim, h_dim).mul(0.1))

    def forward(self, y, h):
        def look(query):
            return torch.softmax(h @ (query @ self.W), dim=-1) @ h

        return torch.vmap(look)(y)


class right_functional_bilinear(nn.Module):
    """F.bilinear over all pairs of rows."""

    def __init__(self, y_dim, h_dim):
        super().__init__()
        self.W = nn.Parameter(torch.empty(y_dim, h_dim))
        self.reset_parameters()

    def reset_parameters(self):
        nn.init.uniform_(self.W, -0.1, 0.1)

    def forward(self, y, h):
        T, S = y.size(0), h.size(0)
        scores = F.bilinear(y.repeat_interleave(S, dim=0), h.repeat(T, 1), self.W.unsqueeze(0))
        return scores.reshape(T, S).softmax(dim=1).mm(h)


class _WeightedSum(torch.autograd.Function):
    """softmax(scores) @ h with its backward written out."""

    @staticmethod
    def forward(ctx, scores, h):
        power = torch.exp(scores - scores.max(dim=1, keepdim=True).values)
        weights = power / power.sum(dim=1, keepdim=True)
        context = weights @ h
        ctx.save_for_backward(weights, h)
        return context

    @staticmethod
    def backward(ctx, grad):
        weights, h = ctx.saved_tensors
        slope = grad @ h.T
        mean = (weights * slope).sum(dim=1, keepdim=True)
        return weights * (slope - mean), weights.T @ grad


class right_own_backward(nn.Module):
    """An autograd.Function of one's own."""

    def __init__(self, y_dim, h_dim):
        super().__init__()
        self.W = nn.Parameter(torch.randn(y_dim, h_dim) / (y_dim + h_dim))

    def forward(self, y, h):
        return _WeightedSum.apply(y @ self.W @ h.T, h)


class right_one_pass(nn.Module):
    """Running maximum, running total and running sum over the encoder states."""

    def __init__(self, y_dim, h_dim):
        super().__init__()
        self.W = nn.Parameter(torch.normal(0.0, 0.1, (y_dim, h_dim)))

    def forward(self, y, h):
        q = y @ self.W
        top = (q @ h[0])[:, None]
        total = torch.ones_like(top)
        context = h[:1].expand(len(y), -1)
        for state in h[1:]:
            energy = (q @ state)[:, None]
            higher = torch.maximum(top, energy)
            keep, new = torch.exp(top - higher), torch.exp(energy - higher)
            context = context * keep + new * state
            total = total * keep + new
            top = higher
        return context / total


class right_single_precision_inside_for_bfloat16(nn.Module):
    """bfloat16 is widened and narrowed again; float64 stays float64."""

    def __init__(self, y_dim, h_dim):
        super().__init__()
        self.W = nn.Parameter(torch.empty(y_dim, h_dim))
        nn.init.trunc_normal_(self.W, std=0.1)

    def forward(self, y, h):
        wide = torch.promote_types(h.dtype, torch.float32)
        scores = y.to(wide) @ self.W.to(wide) @ h.to(wide).T
        return (torch.softmax(scores, -1) @ h.to(wide)).to(h.dtype)


class right_addmm(nn.Module):
    """addmm with beta 0, and chunks of two queries joined with cat."""

    def __init__(self, y_dim, h_dim):
        super().__init__()
        self.W = nn.Parameter(torch.randn(y_dim, h_dim, dtype=torch.float64).float() * 0.3)

    def forward(self, y, h):
        keys = self.W.mm(h.T)
        blank = keys.new_zeros(1, 1)
        parts = [F.softmax(torch.addmm(blank, part, keys, beta=0), 1).mm(h) for part in y.split(2)]
        return torch.cat(parts, dim=0)


# ------------------------------------------------------------------------------- wrong: the seed


class wrong_seed_as_it_stands(nn.Module):
    """The seed's class, word for word."""

    def __init__(self, y_dim: int, h_dim: int):
        super().__init__()
        self.y_dim = y_dim
        self.h_dim = h_dim
        self.W = nn.Parameter(torch.FloatTensor(self.y_dim, self.h_dim))

    def forward(self, y: torch.Tensor, h: torch.Tensor):
        score = torch.matmul(y, torch.matmul(self.W, h.T))
        score = F.softmax(score, dim=0)
        return torch.matmul(score, h)


class wrong_softmax_over_axis_zero(nn.Module):
    """W is initialised; the softmax still runs over the queries."""

    def __init__(self, y_dim, h_dim):
        super().__init__()
        self.W = nn.Parameter(torch.randn(y_dim, h_dim) * 0.1)

    def forward(self, y, h):
        score = torch.matmul(y, torch.matmul(self.W, h.T))
        return torch.matmul(F.softmax(score, dim=0), h)


class wrong_uninitialised_parameter(nn.Module):
    """The softmax is repaired; W is still whatever the memory held."""

    def __init__(self, y_dim, h_dim):
        super().__init__()
        self.W = nn.Parameter(torch.FloatTensor(y_dim, h_dim))

    def forward(self, y, h):
        score = torch.matmul(y, torch.matmul(self.W, h.T))
        return torch.matmul(F.softmax(score, dim=-1), h)


class wrong_uninitialised_with_a_seed(nn.Module):
    """A seed before memory that nobody fills."""

    def __init__(self, y_dim, h_dim):
        super().__init__()
        torch.manual_seed(172)
        self.W = nn.Parameter(torch.Tensor(y_dim, h_dim))

    def forward(self, y, h):
        return torch.softmax(y @ self.W @ h.T, dim=1) @ h


class wrong_right_for_one_query_only(nn.Module):
    """As the seed's comment says, y is one row: the scores are made flat, then one context is made."""

    def __init__(self, y_dim, h_dim):
        super().__init__()
        self.W = nn.Parameter(torch.randn(y_dim, h_dim) * 0.1)

    def forward(self, y, h):
        score = (y @ self.W @ h.T).reshape(-1)
        return (F.softmax(score, dim=0).view(len(y), -1)) @ h


class wrong_last_query_only(_Repaired):
    """Only the last row of y is answered."""

    def forward(self, y, h):
        return super().forward(y[-1:], h)


class wrong_first_query_for_all(_Repaired):
    """The first row of y is answered for every row."""

    def forward(self, y, h):
        return super().forward(y[:1], h).expand(len(y), -1)


# ------------------------------------------------------------------- wrong: how the class is made


class wrong_starts_at_zero(_Repaired):
    """W starts at 0."""

    def __init__(self, y_dim, h_dim):
        super().__init__(y_dim, h_dim)
        nn.init.zeros_(self.W)


class wrong_starts_at_one(_Repaired):
    """Every entry of W starts at 1."""

    def __init__(self, y_dim, h_dim):
        super().__init__(y_dim, h_dim)
        nn.init.constant_(self.W, 1.0)


class wrong_starts_as_the_unit_matrix(_Repaired):
    """W starts as the unit matrix, whatever the seed."""

    def __init__(self, y_dim, h_dim):
        super().__init__(y_dim, h_dim)
        nn.init.eye_(self.W)


class wrong_seed_in_the_constructor(_Repaired):
    """manual_seed(172) in the constructor: every module is the same."""

    def __init__(self, y_dim, h_dim):
        torch.manual_seed(172)
        super().__init__(y_dim, h_dim)


class wrong_infinite_start(_Repaired):
    """Rows are divided by their number, and the first row's number is 0."""

    def __init__(self, y_dim, h_dim):
        super().__init__(y_dim, h_dim)
        self.W = nn.Parameter(torch.randn(y_dim, h_dim) / torch.arange(y_dim)[:, None])


class wrong_plain_tensor(nn.Module):
    """W is no parameter."""

    def __init__(self, y_dim, h_dim):
        super().__init__()
        self.W = torch.randn(y_dim, h_dim)

    def forward(self, y, h):
        return torch.softmax(y @ self.W.to(y.dtype) @ h.T, dim=-1) @ h


class wrong_parameter_converted(nn.Module):
    """Parameter(…).div(…) is a plain tensor, so nothing is registered."""

    def __init__(self, y_dim, h_dim):
        super().__init__()
        self.W = nn.Parameter(torch.randn(y_dim, h_dim)).div(10)

    def forward(self, y, h):
        return torch.softmax(y @ self.W.to(y.dtype) @ h.T, dim=-1) @ h


class wrong_frozen_parameter(_Repaired):
    """W does not ask for a gradient."""

    def __init__(self, y_dim, h_dim):
        super().__init__(y_dim, h_dim)
        self.W = nn.Parameter(self.W.data, requires_grad=False)


class wrong_buffer(nn.Module):
    """W is a buffer."""

    def __init__(self, y_dim, h_dim):
        super().__init__()
        self.register_buffer("W", nn.init.xavier_uniform_(torch.empty(y_dim, h_dim)))

    def forward(self, y, h):
        return torch.softmax(y @ self.W @ h.T, dim=-1) @ h


class wrong_linear_layer(nn.Module):
    """W is a Linear layer with a bias: other names, one parameter too many."""

    def __init__(self, y_dim, h_dim):
        super().__init__()
        self.W = nn.Linear(y_dim, h_dim)

    def forward(self, y, h):
        return torch.softmax(self.W(y) @ h.T, dim=-1) @ h


class wrong_matrix_stored_transposed(nn.Module):
    """W is kept as (h_dim, y_dim)."""

    def __init__(self, y_dim, h_dim):
        super().__init__()
        self.W = nn.Parameter(torch.randn(h_dim, y_dim) * 0.1)

    def forward(self, y, h):
        return torch.softmax(y @ (h @ self.W).T, dim=-1) @ h


class wrong_order_of_the_arguments(_Repaired):
    """The constructor takes h_dim first."""

    def __init__(self, h_dim, y_dim):
        super().__init__(y_dim, h_dim)


class wrong_bias_added(_Repaired):
    """A bias on the projected query, starting at 0."""

    def __init__(self, y_dim, h_dim):
        super().__init__(y_dim, h_dim)
        self.b = nn.Parameter(torch.zeros(h_dim))

    def score(self, y, h):
        return (y @ self.W + self.b) @ h.T


class wrong_additive_scorer(nn.Module):
    """The "small fully connected layer" of the seed's text: another scorer, other parameters."""

    def __init__(self, y_dim, h_dim):
        super().__init__()
        self.W = nn.Parameter(torch.randn(y_dim, h_dim) * 0.1)
        self.v = nn.Parameter(torch.randn(h_dim) * 0.1)

    def forward(self, y, h):
        scores = torch.tanh((y @ self.W)[:, None] + h[None]) @ self.v
        return scores.softmax(dim=-1) @ h


class wrong_matrix_made_in_forward(nn.Module):
    """W is drawn anew in every call."""

    def __init__(self, y_dim, h_dim):
        super().__init__()
        self.y_dim, self.h_dim = y_dim, h_dim

    def forward(self, y, h):
        W = torch.randn(self.y_dim, self.h_dim, dtype=h.dtype)
        return torch.softmax(y @ W @ h.T, dim=-1) @ h


class wrong_matrix_drawn_again(_Repaired):
    """W is initialised at the top of forward, in every call."""

    def forward(self, y, h):
        nn.init.xavier_uniform_(self.W)
        return super().forward(y, h)


class wrong_copy_from_construction(_Repaired):
    """forward uses a copy of W from construction."""

    def __init__(self, y_dim, h_dim):
        super().__init__(y_dim, h_dim)
        self.start = self.W.detach().clone()

    def score(self, y, h):
        return y @ self.start.to(y.dtype) @ h.T


class wrong_matrix_normalised_in_place(_Repaired):
    """W is brought to length 1 in every call."""

    def forward(self, y, h):
        with torch.no_grad():
            self.W /= self.W.norm()
        return super().forward(y, h)


# --------------------------------------------------------------- wrong: something is remembered


class wrong_keys_of_the_first_call(_Repaired):
    """W hᵀ is computed once and kept."""

    def __init__(self, y_dim, h_dim):
        super().__init__(y_dim, h_dim)
        self.keys = None

    def score(self, y, h):
        if self.keys is None:
            self.keys = self.W @ h.T
        return y @ self.keys


class wrong_keys_kept_by_length(_Repaired):
    """W hᵀ is computed again only when the number of states or the dtype changes."""

    def __init__(self, y_dim, h_dim):
        super().__init__(y_dim, h_dim)
        self.keys = {}

    def score(self, y, h):
        place = len(h), h.dtype
        if place not in self.keys:
            self.keys[place] = (self.W @ h.T).detach()
        return y @ self.keys[place]


class wrong_context_carried_over(_Repaired):
    """The last context is added where the shapes agree."""

    def __init__(self, y_dim, h_dim):
        super().__init__(y_dim, h_dim)
        self.before = None

    def forward(self, y, h):
        context = super().forward(y, h)
        if self.before is not None and self.before.shape == context.shape:
            context = context + 0.1 * self.before.to(context.dtype)
        self.before = context.detach()
        return context


# ------------------------------------------------------------- wrong: the score and the weights


class wrong_transposed_when_square(_Repaired):
    """y Wᵀ where W is square."""

    def score(self, y, h):
        return y @ (self.W.T if self.y_dim == self.h_dim else self.W) @ h.T


class wrong_linear_transposes(_Repaired):
    """F.linear(y, W) is y Wᵀ."""

    def score(self, y, h):
        return F.linear(y, self.W) @ h.T


class wrong_plain_dot_when_sizes_agree(_Repaired):
    """Without W where the sizes agree."""

    def score(self, y, h):
        return y @ h.T if y.shape[1] == h.shape[1] else super().score(y, h)


class wrong_scaled(_Repaired):
    """Divided by the square root of h_dim."""

    def score(self, y, h):
        return super().score(y, h) / math.sqrt(self.h_dim)


class wrong_scaled_by_y(_Repaired):
    """Divided by the square root of y_dim."""

    def score(self, y, h):
        return super().score(y, h) / self.y_dim**0.5


class wrong_tanh_on_the_score(_Repaired):
    """tanh holds the score within ±1."""

    def score(self, y, h):
        return super().score(y, h).tanh()


class wrong_relu_on_the_projection(_Repaired):
    """relu between W and the dot product."""

    def score(self, y, h):
        return F.relu(y @ self.W) @ h.T


class wrong_cosine(_Repaired):
    """Both sides are brought to length 1."""

    def score(self, y, h):
        return F.cosine_similarity((y @ self.W)[:, None], h[None], dim=-1)


class wrong_query_ignored(_Repaired):
    """The mean of y serves every row."""

    def score(self, y, h):
        return super().score(y.mean(dim=0, keepdim=True).expand_as(y), h)


class wrong_states_reversed(_Repaired):
    """The scores belong to the states in reverse order."""

    def score(self, y, h):
        return super().score(y, h.flip(0))


class wrong_view_for_transpose(_Repaired):
    """h.reshape(h_dim, S) is not hᵀ."""

    def score(self, y, h):
        return y @ (self.W @ h.reshape(self.h_dim, -1))


class wrong_centred_states(_Repaired):
    """The mean state is taken off the states that are mixed."""

    def forward(self, y, h):
        return F.softmax(self.score(y, h), dim=-1) @ (h - h.mean(dim=0))


class wrong_softmax_over_all_pairs(_Repaired):
    """One softmax over all rows together."""

    def forward(self, y, h):
        e = self.score(y, h)
        return F.softmax(e.flatten(), dim=0).reshape(e.shape) @ h


class wrong_no_softmax(_Repaired):
    """The scores mix the states as they are."""

    def forward(self, y, h):
        return self.score(y, h) @ h


class wrong_softmax_twice(_Repaired):
    """A second softmax flattens the weights."""

    def forward(self, y, h):
        return self.score(y, h).softmax(-1).softmax(-1) @ h


class wrong_logarithm_of_the_weights(_Repaired):
    """log_softmax in place of softmax."""

    def forward(self, y, h):
        return F.log_softmax(self.score(y, h), dim=-1) @ h


class wrong_divided_by_the_sum(_Repaired):
    """Scores divided by their sum."""

    def forward(self, y, h):
        e = self.score(y, h)
        return e / e.sum(dim=1, keepdim=True) @ h


class wrong_sigmoid_weights(_Repaired):
    """A sigmoid for each state."""

    def forward(self, y, h):
        return torch.sigmoid(self.score(y, h)) @ h


class wrong_exponentials_without_shift(_Repaired):
    """exp of the raw scores overflows."""

    def forward(self, y, h):
        p = self.score(y, h).exp()
        return p @ h / p.sum(dim=1, keepdim=True)


class wrong_shift_by_the_global_maximum(_Repaired):
    """One maximum for all rows: low rows are 0 / 0."""

    def forward(self, y, h):
        e = self.score(y, h)
        p = torch.exp(e - e.max())
        return p @ h / p.sum(dim=1, keepdim=True)


class wrong_shift_by_the_mean(_Repaired):
    """The row's mean is subtracted, which still overflows."""

    def forward(self, y, h):
        e = self.score(y, h)
        p = torch.exp(e - e.mean(dim=1, keepdim=True))
        return (p / p.sum(dim=1, keepdim=True)) @ h


class wrong_large_epsilon(_Repaired):
    """0.001 is added to the total."""

    def forward(self, y, h):
        e = self.score(y, h)
        p = torch.exp(e - e.amax(dim=1, keepdim=True))
        return p / (p.sum(dim=1, keepdim=True) + 1e-3) @ h


class wrong_scores_clamped(_Repaired):
    """Scores are held within ±80 so that exp is safe."""

    def forward(self, y, h):
        p = self.score(y, h).clamp(-80, 80).exp()
        return p @ h / p.sum(dim=1, keepdim=True)


class wrong_pairs_of_differences(_Repaired):
    """1 / Σ exp(e_k - e_j): right values, NaN gradients where exp overflows."""

    def forward(self, y, h):
        e = self.score(y, h)
        return (1 / torch.exp(e[:, None, :] - e[:, :, None]).sum(dim=-1)) @ h


class wrong_best_state_only(_Repaired):
    """The best state alone."""

    def forward(self, y, h):
        return h[self.score(y, h).argmax(dim=-1)]


class wrong_three_best_states(_Repaired):
    """Only the three best scores enter the softmax."""

    def forward(self, y, h):
        e = self.score(y, h)
        worst = e.topk(min(3, len(h)), dim=-1).values[:, -1:]
        return torch.softmax(e.masked_fill(e < worst, -torch.inf), dim=-1) @ h


class wrong_causal_when_lengths_agree(_Repaired):
    """Later states are hidden where T equals S."""

    def forward(self, y, h):
        e = self.score(y, h)
        if e.shape[0] == e.shape[1]:
            e = e.masked_fill(torch.ones_like(e).triu(1).bool(), -torch.inf)
        return torch.softmax(e, dim=-1) @ h


class wrong_zero_states_taken_for_padding(_Repaired):
    """States that are all 0 are left out."""

    def forward(self, y, h):
        empty = (h == 0).all(dim=1)
        e = self.score(y, h).masked_fill(empty, torch.finfo(h.dtype).min)
        return torch.softmax(e, dim=-1) @ h


# -------------------------------------------------------------- wrong: the context and the shapes


class wrong_plain_sum(_Repaired):
    """The sum of all states for every query, as the seed's class gives it."""

    def forward(self, y, h):
        return h.sum(dim=0, keepdim=True).expand(len(y), -1) + 0 * self.score(y, h).sum()


class wrong_mean_after_weighting(_Repaired):
    """mean where sum is meant."""

    def forward(self, y, h):
        weights = F.softmax(self.score(y, h), dim=-1)
        return (weights[:, :, None] * h).mean(dim=1)


class wrong_projected_states_mixed(_Repaired):
    """W h is mixed, so the context has y_dim numbers."""

    def forward(self, y, h):
        return F.softmax(self.score(y, h), dim=-1) @ (h @ self.W.T)


class wrong_queries_mixed_when_it_fits(_Repaired):
    """Where y and h have one shape, y is mixed."""

    def forward(self, y, h):
        return F.softmax(self.score(y, h), dim=-1) @ (y if y.shape == h.shape else h)


class wrong_weights_transposed_when_lengths_agree(_Repaired):
    """Where T equals S the weights are turned around."""

    def forward(self, y, h):
        weights = F.softmax(self.score(y, h), dim=-1)
        return (weights.T if weights.shape[0] == weights.shape[1] else weights) @ h


class wrong_context_and_weights(_Repaired):
    """A pair comes back where one tensor is asked for."""

    def forward(self, y, h):
        weights = F.softmax(self.score(y, h), dim=-1)
        return weights @ h, weights


class wrong_weights_returned(_Repaired):
    """The weights come back, not the context."""

    def forward(self, y, h):
        return F.softmax(self.score(y, h), dim=-1)


class wrong_batch_axis_added(_Repaired):
    """The context comes back as (1, T, h_dim)."""

    def forward(self, y, h):
        return super().forward(y, h).unsqueeze(0)


class wrong_one_query_loses_its_axis(_Repaired):
    """squeeze(0) drops the only query's axis."""

    def forward(self, y, h):
        return super().forward(y, h).squeeze(0)


class wrong_bare_squeeze(_Repaired):
    """squeeze() before the softmax: one query or one state fails or is mixed up."""

    def forward(self, y, h):
        return F.softmax(self.score(y, h).squeeze(), dim=-1) @ h


class wrong_context_transposed(_Repaired):
    """The context comes back as (h_dim, T)."""

    def forward(self, y, h):
        return super().forward(y, h).T


class wrong_inputs_swapped(_Repaired):
    """forward takes h first."""

    def forward(self, h, y):
        return super().forward(y, h)


class wrong_batched_inputs_wanted(_Repaired):
    """Three axes are expected."""

    def forward(self, y, h):
        return torch.bmm(torch.softmax(torch.bmm(y @ self.W, h.transpose(1, 2)), dim=-1), h)


class wrong_needs_contiguous_inputs(_Repaired):
    """view refuses states that are not contiguous."""

    def score(self, y, h):
        flat = h.view(-1)
        return y @ self.W @ flat.view(-1, self.h_dim).T


class wrong_strides_assumed(_Repaired):
    """as_strided reads the memory as if h were contiguous."""

    def score(self, y, h):
        return super().score(y, torch.as_strided(h, h.shape, (h.shape[1], 1)))


class wrong_sizes_of_one_example(_Repaired):
    """Three queries of four numbers, five states of six: nothing else fits."""

    def score(self, y, h):
        return super().score(y.reshape(3, 4), h.reshape(5, 6))


class wrong_ten_states_at_most(_Repaired):
    """States past the tenth are never looked at."""

    def forward(self, y, h):
        return super().forward(y, h[:10])


# ---------------------------------------------------------- wrong: gradients, dtypes and the rest


class wrong_no_grad(_Repaired):
    """Everything runs under no_grad."""

    @torch.no_grad()
    def forward(self, y, h):
        return super().forward(y, h)


class wrong_gradients_off_in_eval_mode(_Repaired):
    """Gradients only in training mode."""

    def forward(self, y, h):
        with torch.set_grad_enabled(self.training):
            return super().forward(y, h)


class wrong_weights_detached(_Repaired):
    """W and y get no gradient."""

    def forward(self, y, h):
        return F.softmax(self.score(y, h), dim=-1).detach() @ h


class wrong_states_detached_in_the_score(_Repaired):
    """h gets a gradient through the sum only."""

    def score(self, y, h):
        return super().score(y, h.detach())


class wrong_states_detached_in_the_sum(_Repaired):
    """h gets a gradient through the scores only."""

    def forward(self, y, h):
        return F.softmax(self.score(y, h), dim=-1) @ h.detach()


class wrong_queries_without_gradient(_Repaired):
    """y.data gets no gradient."""

    def score(self, y, h):
        return super().score(y.data, h)


class wrong_data_of_the_parameter(_Repaired):
    """W.data gets no gradient."""

    def score(self, y, h):
        return y @ self.W.data @ h.T


class wrong_total_detached(_Repaired):
    """The total of the softmax is detached: right values, wrong gradients."""

    def forward(self, y, h):
        e = self.score(y, h)
        p = torch.exp(e - e.amax(dim=1, keepdim=True).detach())
        return (p / p.sum(dim=1, keepdim=True).detach()) @ h


class wrong_backward_raises(_Repaired):
    """exp's output is changed in place, and backward needs it."""

    def forward(self, y, h):
        e = self.score(y, h)
        p = torch.exp(e - e.amax(dim=1, keepdim=True))
        p /= p.sum(dim=1, keepdim=True)
        return p @ h


class wrong_new_tensor_from_numbers(_Repaired):
    """torch.tensor of a list of numbers cuts the graph."""

    def forward(self, y, h):
        rows = super().forward(y, h)
        return torch.tensor(rows.tolist(), dtype=h.dtype, device=h.device)


class wrong_states_normalised_in_place(_Repaired):
    """The caller's h is scaled row by row, through .data."""

    def forward(self, y, h):
        h.data.div_(h.data.norm(dim=1, keepdim=True) + 1)
        return super().forward(y, h)


class wrong_queries_written_in_place(_Repaired):
    """The caller's y is centred after use, through .data."""

    def forward(self, y, h):
        context = super().forward(y, h)
        y.data.sub_(y.data.mean())
        return context


class wrong_always_single_precision(_Repaired):
    """Everything is float32."""

    def forward(self, y, h):
        return F.softmax(y.float() @ self.W.float() @ h.float().T, dim=-1) @ h.float()


class wrong_single_precision_inside(_Repaired):
    """float64 is computed in float32 and cast back."""

    def forward(self, y, h):
        scores = y.float() @ self.W.float() @ h.float().T
        return (F.softmax(scores, dim=-1) @ h.float()).to(h.dtype)


class wrong_half_precision_inside(_Repaired):
    """The weights pass through bfloat16."""

    def forward(self, y, h):
        return F.softmax(self.score(y, h), dim=-1).bfloat16().to(h.dtype) @ h


class wrong_float_softmax(_Repaired):
    """softmax is asked for float32: matmul then refuses bfloat16 and float64."""

    def forward(self, y, h):
        return F.softmax(self.score(y, h), dim=-1, dtype=torch.float32) @ h


class wrong_buffer_of_the_default_type(_Repaired):
    """The context is written into zeros of the default dtype."""

    def forward(self, y, h):
        context = torch.zeros(len(y), h.shape[1])
        for i, weights in enumerate(F.softmax(self.score(y, h), dim=-1)):
            context[i] = weights @ h
        return context


class wrong_dropout_always(_Repaired):
    """F.dropout on the weights at evaluation too."""

    def forward(self, y, h):
        return F.dropout(F.softmax(self.score(y, h), dim=-1), 0.3) @ h


class wrong_noise_on_the_score(_Repaired):
    """A little noise in every call."""

    def score(self, y, h):
        e = super().score(y, h)
        return e + torch.randn_like(e) * 0.1


class wrong_returns_nothing(_Repaired):
    """`pass` where return belongs."""

    def forward(self, y, h):
        score = F.softmax(self.score(y, h), dim=-1)
        torch.matmul(score, h)
        pass


class wrong_raises_in_the_middle(_Repaired):
    """matmul with hᵀ where h belongs."""

    def forward(self, y, h):
        return F.softmax(self.score(y, h), dim=-1) @ h.T


class wrong_returns_numpy(_Repaired):
    """An array comes back."""

    def forward(self, y, h):
        return super().forward(y, h).detach().double().numpy()


class wrong_returns_a_list(_Repaired):
    """A list of rows comes back."""

    def forward(self, y, h):
        return list(super().forward(y, h))


class wrong_zeros(_Repaired):
    """Zeros of the right shape."""

    def forward(self, y, h):
        return torch.zeros_like(h[:1]).repeat(len(y), 1)


class wrong_last_state(_Repaired):
    """The last encoder state for every query: the bottleneck again."""

    def forward(self, y, h):
        return h[-1:].expand(len(y), -1)


class wrong_two_axis_and_scale(_Repaired):
    """Two mistakes: the softmax over the queries, and 1/√d."""

    def forward(self, y, h):
        return F.softmax(self.score(y, h) / math.sqrt(self.h_dim), dim=0) @ h


class wrong_two_transposed_and_twice(_Repaired):
    """Two mistakes: W transposed where it is square, and a second softmax."""

    def forward(self, y, h):
        W = self.W.T if self.y_dim == self.h_dim else self.W
        return torch.softmax(torch.softmax(y @ W @ h.T, dim=-1), dim=-1) @ h


class wrong_two_zero_start_and_detached(_Repaired):
    """Two mistakes: W starts at 0, and its gradient is cut."""

    def __init__(self, y_dim, h_dim):
        super().__init__(y_dim, h_dim)
        nn.init.zeros_(self.W)

    def score(self, y, h):
        return y @ self.W.detach() @ h.T
