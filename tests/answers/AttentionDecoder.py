"""Right and wrong ways of writing `AttentionDecoder(vocab, embed_dim, hidden_dim, key_dim, attn_dim)`.

Each class called `right_…` or `wrong_…` is one answer. See README.md in this folder.
"""

import functools
import itertools
import math

import torch
import torch.nn.functional as F
from torch import nn


def _masked_softmax(scores, mask):
    """The right weights, for answers whose mistake lies elsewhere."""
    if mask is None:
        return torch.softmax(scores, dim=-1)
    filled = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    return torch.softmax(filled, dim=-1) * mask


class _Additive(nn.Module):
    """The right attention in parts: queries (B, T, H), keys (B, S, Dk) and mask (B, S) or None."""

    def __init__(self, query_dim, key_dim, attn_dim):
        super().__init__()
        self.W_q = nn.Linear(query_dim, attn_dim, bias=False)
        self.W_k = nn.Linear(key_dim, attn_dim, bias=False)
        self.v = nn.Linear(attn_dim, 1, bias=False)

    def score(self, queries, keys):
        hidden = torch.tanh(self.W_q(queries).unsqueeze(2) + self.W_k(keys).unsqueeze(1))
        return self.v(hidden).squeeze(-1)

    def weigh(self, scores, mask):
        return _masked_softmax(scores, None if mask is None else mask.unsqueeze(1))

    def forward(self, queries, keys, mask=None):
        weights = self.weigh(self.score(queries, keys), mask)
        return torch.bmm(weights, keys), weights


class _Decoder(nn.Module):
    """The right decoder in parts, for answers with one mistake in one part."""

    attention_class = _Additive

    def __init__(self, vocab, embed_dim, hidden_dim, key_dim, attn_dim):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed_dim)
        self.attention = self.attention_class(hidden_dim, key_dim, attn_dim)
        self.cell = nn.GRUCell(embed_dim + key_dim, hidden_dim)
        self.output = nn.Linear(hidden_dim, vocab)

    def embed(self, tokens):
        return self.embedding(tokens)

    def look(self, state, keys, mask):
        context, weights = self.attention(state.unsqueeze(1), keys, mask)
        return context.squeeze(1), weights.squeeze(1)

    def join(self, embedded, context):
        return torch.cat([embedded, context], dim=1)

    def step(self, tokens, state, keys, mask):
        context, weights = self.look(state, keys, mask)
        state = self.cell(self.join(self.embed(tokens), context), state)
        return self.output(state), state, weights

    def forward(self, inputs, state, keys, mask=None):
        logits, weights = [], []
        for i in range(inputs.size(1)):
            step_logits, state, alpha = self.step(inputs[:, i], state, keys, mask)
            logits.append(step_logits)
            weights.append(alpha)
        return torch.stack(logits, dim=1), torch.stack(weights, dim=1)


# ---------------------------------------------------------------------------------------------- right


class right_textbook(nn.Module):
    """An attention module, a GRU cell, a loop."""

    def __init__(self, vocab, embed_dim, hidden_dim, key_dim, attn_dim):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed_dim)
        self.attention = _Additive(hidden_dim, key_dim, attn_dim)
        self.cell = nn.GRUCell(embed_dim + key_dim, hidden_dim)
        self.output = nn.Linear(hidden_dim, vocab)

    def forward(self, inputs, state, keys, mask=None):
        logits, weights = [], []
        for i in range(inputs.shape[1]):
            context, alpha = self.attention(state[:, None, :], keys, mask)
            x = torch.cat([self.embedding(inputs[:, i]), context[:, 0]], dim=1)
            state = self.cell(x, state)
            logits.append(self.output(state))
            weights.append(alpha[:, 0])
        return torch.stack(logits, dim=1), torch.stack(weights, dim=1)


class right_everything_in_one_class(nn.Module):
    """No attention class: a ModuleDict holds its layers; keys are projected once."""

    def __init__(self, V, E, H, D, A):
        super().__init__()
        self.embedding = nn.Embedding(V, E)
        self.attention = nn.ModuleDict(
            {
                "W_q": nn.Linear(H, A, bias=False),
                "W_k": nn.Linear(D, A, bias=False),
                "v": nn.Linear(A, 1, bias=False),
            }
        )
        self.cell = nn.GRUCell(E + D, H)
        self.output = nn.Linear(H, V)

    def forward(self, y, s, h, m=None):
        projected = self.attention["W_k"](h)
        all_states, all_weights = [], []
        for token in self.embedding(y).unbind(dim=1):
            e = self.attention["v"](torch.tanh(self.attention["W_q"](s)[:, None] + projected))[..., 0]
            if m is not None:
                e = e.masked_fill(~m, -math.inf)
            alpha = torch.softmax(e, dim=1).nan_to_num(0.0)
            z = torch.einsum("bs,bsd->bd", alpha, h)
            s = self.cell(torch.cat((token, z), 1), s)
            all_states.append(s)
            all_weights.append(alpha)
        return self.output(torch.stack(all_states, 1)), torch.stack(all_weights, 1)


class right_functional_cell(nn.Module):
    """torch.gru_cell, F.linear and F.embedding on the parameters; results go into buffers."""

    def __init__(self, vocab, embed_dim, hidden_dim, key_dim, attn_dim):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed_dim)
        self.attention = _Additive(hidden_dim, key_dim, attn_dim)
        self.cell = nn.GRUCell(embed_dim + key_dim, hidden_dim)
        self.output = nn.Linear(hidden_dim, vocab)

    def forward(self, inputs, state, keys, mask=None):
        B, T = inputs.shape
        logits = keys.new_zeros(B, T, self.output.out_features)
        weights = keys.new_zeros(B, T, keys.size(1))
        a, c = self.attention, self.cell
        k = F.linear(keys, a.W_k.weight)
        for i in range(T):
            q = F.linear(state, a.W_q.weight).unsqueeze(1)
            score = F.linear(torch.tanh(q + k), a.v.weight).squeeze(-1)
            weights[:, i] = alpha = _masked_softmax(score, mask)
            context = (alpha.unsqueeze(-1) * keys).sum(dim=1)
            x = torch.cat([F.embedding(inputs[:, i], self.embedding.weight), context], dim=-1)
            state = torch.gru_cell(x, state, c.weight_ih, c.weight_hh, c.bias_ih, c.bias_hh)
            logits[:, i] = F.linear(state, self.output.weight, self.output.bias)
        return logits, weights


class _Holder(nn.Module):
    """Parameters by name."""

    def __init__(self, **parameters):
        super().__init__()
        for name, value in parameters.items():
            self.register_parameter(name, nn.Parameter(value))


class right_parameters_and_equations(nn.Module):
    """Parameters under the asked names, and the GRU written out over them."""

    def __init__(self, vocab, embed_dim, hidden_dim, key_dim, attn_dim):
        super().__init__()
        E, H, D, A = embed_dim, hidden_dim, key_dim, attn_dim
        r = 1 / math.sqrt(H)
        self.embedding = _Holder(weight=torch.randn(vocab, E))
        self.attention = nn.Module()
        self.attention.W_q = _Holder(weight=torch.randn(A, H) * r)
        self.attention.W_k = _Holder(weight=torch.randn(A, D) / math.sqrt(D))
        self.attention.v = _Holder(weight=torch.randn(1, A) / math.sqrt(A))
        self.cell = _Holder(
            weight_ih=torch.empty(3 * H, E + D).uniform_(-r, r),
            weight_hh=torch.empty(3 * H, H).uniform_(-r, r),
            bias_ih=torch.empty(3 * H).uniform_(-r, r),
            bias_hh=torch.empty(3 * H).uniform_(-r, r),
        )
        self.output = _Holder(weight=torch.randn(vocab, H) * r, bias=torch.randn(vocab) * r)

    def _cell(self, x, h):
        c = self.cell
        r_x, u_x, n_x = (x @ c.weight_ih.T + c.bias_ih).chunk(3, dim=1)
        r_h, u_h, n_h = (h @ c.weight_hh.T + c.bias_hh).chunk(3, dim=1)
        u = torch.sigmoid(u_x + u_h)
        return (1 - u) * torch.tanh(n_x + torch.sigmoid(r_x + r_h) * n_h) + u * h

    def forward(self, inputs, state, keys, mask=None):
        a = self.attention
        projected = keys @ a.W_k.weight.T
        logits, weights = [], []
        for y in self.embedding.weight[inputs].transpose(0, 1):
            scores = torch.tanh((state @ a.W_q.weight.T)[:, None] + projected) @ a.v.weight[0]
            if mask is not None:
                scores = torch.where(mask, scores, torch.finfo(scores.dtype).min)
            alpha = scores.softmax(-1)
            alpha = alpha if mask is None else alpha.masked_fill(~mask, 0)
            state = self._cell(torch.cat([y, (alpha[:, None] @ keys)[:, 0]], dim=1), state)
            logits.append(state @ self.output.weight.T + self.output.bias)
            weights.append(alpha)
        return torch.stack(logits, 1), torch.stack(weights, 1)


class right_tokens_through_the_gates_at_once(_Decoder):
    """The tokens' share of the gates is made for all steps before the loop."""

    def forward(self, inputs, state, keys, mask=None):
        E = self.embedding.embedding_dim
        W_y, W_z = self.cell.weight_ih.split([E, keys.shape[2]], dim=1)
        from_tokens = self.embedding(inputs) @ W_y.T + self.cell.bias_ih
        found = []
        for i in range(inputs.shape[1]):
            z, alpha = self.look(state, keys, mask)
            a = from_tokens[:, i] + z @ W_z.T
            b = F.linear(state, self.cell.weight_hh, self.cell.bias_hh)
            (ar, au, an), (br, bu, bn) = a.chunk(3, -1), b.chunk(3, -1)
            n = torch.tanh(an + torch.sigmoid(ar + br) * bn)
            state = n + torch.sigmoid(au + bu) * (state - n)
            found.append((self.output(state), alpha))
        logits, weights = zip(*found, strict=True)
        return torch.stack(logits, dim=1), torch.stack(weights, dim=1)


class right_recursion(_Decoder):
    """One step, and then the rest of the sentence."""

    def _from(self, inputs, state, keys, mask):
        if inputs.shape[1] == 0:
            return [], []
        logits, state, alpha = self.step(inputs[:, 0], state, keys, mask)
        later_logits, later_weights = self._from(inputs[:, 1:], state, keys, mask)
        return [logits, *later_logits], [alpha, *later_weights]

    def forward(self, inputs, state, keys, mask=None):
        logits, weights = self._from(inputs, state, keys, mask)
        return torch.stack(logits, 1), torch.stack(weights, 1)


class right_accumulate(_Decoder):
    """itertools.accumulate carries the state; attention is asked for all its states afterwards."""

    def forward(self, inputs, state, keys, mask=None):
        def move(s, token):
            z, _ = self.attention(s[:, None], keys, mask)
            return self.cell(torch.hstack([self.embedding(token), z[:, 0]]), s)

        states = list(itertools.accumulate(inputs.unbind(1), move, initial=state))
        _, weights = self.attention(torch.stack(states[:-1], dim=1), keys, mask)
        return self.output(torch.stack(states[1:], dim=1)), weights


class right_open_keys_only(_Decoder):
    """Sample by sample; the softmax sees only the keys that are open."""

    def _sample(self, tokens, s, h, open_keys):
        logits, weights = [], []
        k = self.attention.W_k(h)
        for token in tokens:
            alpha = torch.zeros_like(h[:, 0])
            if len(open_keys):
                e = self.attention.v(torch.tanh(self.attention.W_q(s) + k[open_keys]))[:, 0]
                alpha = alpha.index_put((open_keys,), torch.softmax(e, dim=0))
            s = self.cell(torch.cat([self.embedding(token), alpha @ h]), s)
            logits.append(self.output(s))
            weights.append(alpha)
        return torch.stack(logits), torch.stack(weights)

    def forward(self, inputs, state, keys, mask=None):
        if mask is None:
            mask = torch.ones_like(keys[:, :, 0], dtype=torch.bool)
        rows = [
            self._sample(y, s, h, m.nonzero()[:, 0])
            for y, s, h, m in zip(inputs, state, keys, mask, strict=True)
        ]
        return torch.stack([r[0] for r in rows]), torch.stack([r[1] for r in rows])


class right_time_first(_Decoder):
    """Everything with time first; turned at the end."""

    def forward(self, inputs, state, keys, mask=None):
        embedded = self.embedding(inputs.t())
        states = torch.empty(len(embedded), *state.shape, dtype=state.dtype, device=state.device)
        weights = torch.empty(len(embedded), *keys.shape[:2], dtype=keys.dtype, device=keys.device)
        for t, y in enumerate(embedded):
            z, weights[t] = self.look(state, keys, mask)
            state = states[t] = self.cell(self.join(y, z), state)
        return self.output(states.transpose(0, 1)), weights.permute(1, 0, 2)


class right_wide_for_bfloat16(_Decoder):
    """bfloat16 is widened for the whole sentence and narrowed at the end."""

    def forward(self, inputs, state, keys, mask=None):
        kind = keys.dtype
        wide = torch.promote_types(kind, torch.float32)
        p = {name: q.to(wide) for name, q in self.named_parameters()}
        s, h = state.to(wide), keys.to(wide)
        k = h @ p["attention.W_k.weight"].T
        cell = [p[f"cell.{n}"] for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
        logits, weights = [], []
        for token in inputs.T:
            q = (s @ p["attention.W_q.weight"].T).unsqueeze(1)
            alpha = _masked_softmax(torch.tanh(q + k) @ p["attention.v.weight"][0], mask)
            x = torch.cat([p["embedding.weight"][token], torch.einsum("bs,bsd->bd", alpha, h)], 1)
            s = torch.gru_cell(x, s, *cell)
            logits.append(s @ p["output.weight"].T + p["output.bias"])
            weights.append(alpha)
        return torch.stack(logits, 1).to(kind), torch.stack(weights, 1).to(kind)


class right_context_from_sdpa(_Decoder):
    """The scores are a bias for scaled_dot_product_attention over queries and keys of zero."""

    def look(self, state, keys, mask):
        scores = self.attention.score(state.unsqueeze(1), keys)
        some = torch.ones_like(scores[..., :1])
        if mask is not None:
            some = mask.any(dim=1)[:, None, None].to(scores.dtype)
            scores = scores.masked_fill(~mask.unsqueeze(1), torch.finfo(scores.dtype).min)
        blank_q, blank_k = torch.zeros_like(state[:, None, None, :1]), torch.zeros_like(keys[:, None, :, :1])
        context = F.scaled_dot_product_attention(
            blank_q, blank_k, keys.unsqueeze(1), attn_mask=scores.unsqueeze(1)
        )
        return context[:, 0, 0] * some[:, 0], (torch.softmax(scores, dim=-1) * some)[:, 0]


class right_exponentials_by_hand(_Decoder):
    """exp after the largest open score is taken off; a total of 0 is divided as 1."""

    def look(self, state, keys, mask):
        a = self.attention
        e = (torch.tanh(a.W_q(state)[:, None] + a.W_k(keys)) * a.v.weight).sum(-1)
        if mask is not None:
            e = e.masked_fill(~mask, torch.finfo(e.dtype).min)
        p = torch.exp(e - e.amax(1, keepdim=True).detach())
        if mask is not None:
            p = p * mask
        total = p.sum(1, keepdim=True)
        alpha = p / total.masked_fill(total == 0, 1)
        return torch.matmul(keys.transpose(1, 2), alpha.unsqueeze(2)).squeeze(2), alpha


class right_reduce_with_a_running_pair(_Decoder):
    """functools.reduce over the tokens; results grow by cat."""

    def forward(self, inputs, state, keys, mask=None):
        def one(so_far, token):
            s, logits, weights = so_far
            o, s, a = self.step(token, s, keys, mask)
            return s, torch.cat([logits, o[:, None]], 1), torch.cat([weights, a[:, None]], 1)

        B, S, _ = keys.shape
        empty = keys.new_empty(B, 0, self.output.out_features), keys.new_empty(B, 0, S)
        _, logits, weights = functools.reduce(one, inputs.unbind(1), (state, *empty))
        return logits, weights


# ------------------------------------------------------------------- wrong: who asks, and what it reads


class wrong_new_state_asks(nn.Module):
    """The cell moves with the context before, and s_i asks: Luong's order."""

    def __init__(self, vocab, embed_dim, hidden_dim, key_dim, attn_dim):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed_dim)
        self.attention = _Additive(hidden_dim, key_dim, attn_dim)
        self.cell = nn.GRUCell(embed_dim + key_dim, hidden_dim)
        self.output = nn.Linear(hidden_dim, vocab)

    def forward(self, inputs, state, keys, mask=None):
        context = torch.zeros_like(keys[:, 0])
        logits, weights = [], []
        for i in range(inputs.shape[1]):
            state = self.cell(torch.cat([self.embedding(inputs[:, i]), context], dim=1), state)
            found, alpha = self.attention(state.unsqueeze(1), keys, mask)
            context = found.squeeze(1)
            logits.append(self.output(state))
            weights.append(alpha.squeeze(1))
        return torch.stack(logits, dim=1), torch.stack(weights, dim=1)


class wrong_weights_of_the_new_state(_Decoder):
    """Right logits; the weights that come back are those that s_i asks for."""

    def step(self, tokens, state, keys, mask):
        logits, state, _ = super().step(tokens, state, keys, mask)
        return logits, state, self.look(state, keys, mask)[1]


class wrong_first_state_asks_always(_Decoder):
    """The query is s_0 at every step: one context for all."""

    def forward(self, inputs, state, keys, mask=None):
        context, alpha = self.look(state, keys, mask)
        logits, weights = [], []
        for i in range(inputs.shape[1]):
            state = self.cell(torch.cat([self.embedding(inputs[:, i]), context], dim=1), state)
            logits.append(self.output(state))
            weights.append(alpha)
        return torch.stack(logits, dim=1), torch.stack(weights, dim=1)


class wrong_context_one_step_late(_Decoder):
    """The cell is given the context of the step before; zeros at first."""

    def forward(self, inputs, state, keys, mask=None):
        late = torch.zeros_like(keys[:, 0])
        logits, weights = [], []
        for token in inputs.unbind(1):
            context, alpha = self.look(state, keys, mask)
            state = self.cell(self.join(self.embedding(token), late), state)
            late = context
            logits.append(self.output(state))
            weights.append(alpha)
        return torch.stack(logits, dim=1), torch.stack(weights, dim=1)


class wrong_state_not_carried(_Decoder):
    """Each step starts from the first state."""

    def forward(self, inputs, state, keys, mask=None):
        found = [self.step(token, state, keys, mask) for token in inputs.unbind(1)]
        return torch.stack([f[0] for f in found], dim=1), torch.stack([f[2] for f in found], dim=1)


class wrong_token_asks_where_it_fits(_Decoder):
    """Where E equals H the embedded token is the query."""

    def step(self, tokens, state, keys, mask):
        y = self.embedding(tokens)
        context, weights = self.look(y if y.shape == state.shape else state, keys, mask)
        state = self.cell(self.join(y, context), state)
        return self.output(state), state, weights


class wrong_query_left_out_of_the_score(_Decoder):
    """The score has no query: the same weights at every step."""

    class attention_class(_Additive):
        def score(self, queries, keys):
            return super().score(torch.zeros_like(queries), keys)


class wrong_keys_left_out_of_the_score(_Decoder):
    """The score ignores the encoder's states, so all open keys get the same weight."""

    class attention_class(_Additive):
        def score(self, queries, keys):
            return super().score(queries, torch.zeros_like(keys))


class wrong_no_attention(_Decoder):
    """The plain mean over the open keys, at every step."""

    def look(self, state, keys, mask):
        weights = _masked_softmax(torch.zeros_like(keys[:, :, 0]), mask)
        return torch.bmm(weights.unsqueeze(1), keys).squeeze(1), weights


class wrong_dot_product_where_it_fits(_Decoder):
    """Where H equals Dk the score is a dot product."""

    class attention_class(_Additive):
        def score(self, queries, keys):
            fits = queries.shape[-1] == keys.shape[-1]
            return queries @ keys.transpose(1, 2) if fits else super().score(queries, keys)


class wrong_no_tanh(_Decoder):
    """No tanh between the projections and v."""

    class attention_class(_Additive):
        def score(self, queries, keys):
            return self.v(self.W_q(queries).unsqueeze(2) + self.W_k(keys).unsqueeze(1)).squeeze(-1)


class wrong_tanh_of_each_term(_Decoder):
    """tanh of the query's and of the key's part, then the sum."""

    class attention_class(_Additive):
        def score(self, queries, keys):
            return self.v(self.W_q(queries).tanh().unsqueeze(2) + self.W_k(keys).tanh().unsqueeze(1))[..., 0]


class wrong_relu_in_the_score(_Decoder):
    """relu for tanh."""

    class attention_class(_Additive):
        def score(self, queries, keys):
            return self.v(F.relu(self.W_q(queries).unsqueeze(2) + self.W_k(keys).unsqueeze(1))).squeeze(-1)


class wrong_scaled_scores(_Decoder):
    """Scores over √A."""

    class attention_class(_Additive):
        def score(self, queries, keys):
            return super().score(queries, keys) / math.sqrt(self.v.in_features)


class wrong_projections_swapped_where_they_fit(_Decoder):
    """W_q and W_k change places where H equals Dk."""

    class attention_class(_Additive):
        def score(self, queries, keys):
            q, k = self.W_q, self.W_k
            if q.weight.shape == k.weight.shape:
                q, k = k, q
            return self.v(torch.tanh(q(queries).unsqueeze(2) + k(keys).unsqueeze(1))).squeeze(-1)


class wrong_projected_keys_mixed_where_they_fit(_Decoder):
    """Where A equals Dk the context is made from the projected keys."""

    class attention_class(_Additive):
        def forward(self, queries, keys, mask=None):
            _, weights = super().forward(queries, keys, mask)
            projected = self.W_k(keys)
            return weights @ (projected if projected.shape == keys.shape else keys), weights


# ------------------------------------------------------------------------------------- wrong: the mask


class wrong_mask_not_passed(_Decoder):
    """forward takes the mask and forgets it."""

    def forward(self, inputs, state, keys, mask=None):
        logits, weights = [], []
        for token in inputs.unbind(1):
            context, alpha = self.attention(state.unsqueeze(1), keys)
            state = self.cell(torch.cat([self.embedding(token), context.squeeze(1)], dim=1), state)
            logits.append(self.output(state))
            weights.append(alpha.squeeze(1))
        return torch.stack(logits, dim=1), torch.stack(weights, dim=1)


class wrong_mask_at_the_first_step_only(_Decoder):
    """From the second step on the mask is not passed."""

    def forward(self, inputs, state, keys, mask=None):
        logits, weights = [], []
        for token in inputs.unbind(1):
            o, state, alpha = self.step(token, state, keys, mask)
            mask = None
            logits.append(o)
            weights.append(alpha)
        return torch.stack(logits, dim=1), torch.stack(weights, dim=1)


class wrong_mask_inverted(_Decoder):
    """True is taken for padding."""

    def look(self, state, keys, mask):
        return super().look(state, keys, None if mask is None else ~mask)


class wrong_masked_fill_thrown_away(_Decoder):
    """The result of masked_fill is not kept."""

    class attention_class(_Additive):
        def weigh(self, scores, mask):
            if mask is not None:
                scores.masked_fill(~mask.unsqueeze(1), -torch.inf)
            return torch.softmax(scores, dim=-1)


class wrong_mask_after_softmax(_Decoder):
    """Cut off after the softmax: rows sum to less than 1."""

    class attention_class(_Additive):
        def weigh(self, scores, mask):
            weights = torch.softmax(scores, dim=-1)
            return weights if mask is None else weights * mask.unsqueeze(1)


class wrong_scores_times_mask(_Decoder):
    """Padding gets a score of 0."""

    class attention_class(_Additive):
        def weigh(self, scores, mask):
            return torch.softmax(scores if mask is None else scores * mask.unsqueeze(1), dim=-1)


class wrong_nan_for_an_empty_row(_Decoder):
    """-inf throughout an empty row: NaN in its weights, and in its logits."""

    class attention_class(_Additive):
        def weigh(self, scores, mask):
            if mask is not None:
                scores = scores.masked_fill(~mask.unsqueeze(1), -torch.inf)
            return torch.softmax(scores, dim=-1)


class wrong_nan_gradient_of_an_empty_row(_Decoder):
    """-inf is added and NaN replaced: right values, NaN gradients."""

    class attention_class(_Additive):
        def weigh(self, scores, mask):
            if mask is not None:
                bias = torch.zeros_like(scores[:, :1]).masked_fill(~mask.unsqueeze(1), -torch.inf)
                scores = scores + bias
            return torch.softmax(scores, dim=-1).nan_to_num(0.0)


class wrong_zero_times_infinity(_Decoder):
    """mask · e + (1 - mask) · -inf: NaN at every open key."""

    class attention_class(_Additive):
        def weigh(self, scores, mask):
            if mask is None:
                return torch.softmax(scores, dim=-1)
            m = mask.unsqueeze(1).to(scores.dtype)
            return torch.softmax(m * scores + (1 - m) * -torch.inf, dim=-1)


class wrong_uniform_in_an_empty_row(_Decoder):
    """-1e9 everywhere is as good as 0 everywhere."""

    class attention_class(_Additive):
        def weigh(self, scores, mask):
            if mask is not None:
                scores = scores.masked_fill(~mask.unsqueeze(1), -1e9)
            return torch.softmax(scores, dim=-1)


class wrong_fill_that_votes_can_beat(_Decoder):
    """Filled with -100, which large scores reach too."""

    class attention_class(_Additive):
        def weigh(self, scores, mask):
            if mask is None:
                return torch.softmax(scores, dim=-1)
            allowed = mask.unsqueeze(1)
            weights = torch.softmax(scores.masked_fill(~allowed, -100.0), dim=-1) * allowed
            return weights


class wrong_exponentials_without_shift(_Decoder):
    """exp of raw scores overflows where v is large."""

    class attention_class(_Additive):
        def weigh(self, scores, mask):
            p = torch.exp(scores)
            if mask is not None:
                p = p * mask.unsqueeze(1)
            total = p.sum(-1, keepdim=True)
            return p / total.masked_fill(total == 0, 1)


class wrong_shift_that_counts_padding(_Decoder):
    """The maximum over all keys is taken off: real ones vanish below a high pad."""

    class attention_class(_Additive):
        def weigh(self, scores, mask):
            p = torch.exp(scores - scores.amax(-1, keepdim=True))
            if mask is not None:
                p = p * mask.unsqueeze(1)
            total = p.sum(-1, keepdim=True)
            return p / total.masked_fill(total == 0, 1)


class wrong_softmax_over_the_batch(_Decoder):
    """softmax over axis 0."""

    class attention_class(_Additive):
        def weigh(self, scores, mask):
            if mask is None:
                return torch.softmax(scores, dim=0)
            filled = scores.masked_fill(~mask.unsqueeze(1), torch.finfo(scores.dtype).min)
            return torch.softmax(filled, dim=0) * mask.unsqueeze(1)


class wrong_softmax_over_the_query(_Decoder):
    """softmax over the axis of the one query: every weight is 1."""

    class attention_class(_Additive):
        def weigh(self, scores, mask):
            weights = torch.softmax(scores, dim=1)
            return weights if mask is None else weights * mask.unsqueeze(1)


class wrong_softmax_twice(_Decoder):
    """A second softmax over the weights."""

    class attention_class(_Additive):
        def weigh(self, scores, mask):
            weights = torch.softmax(super().weigh(scores, mask), dim=-1)
            return weights if mask is None else weights * mask.unsqueeze(1)


class wrong_mask_of_the_first_sample(_Decoder):
    """The first sample's mask serves all."""

    def look(self, state, keys, mask):
        return super().look(state, keys, None if mask is None else mask[:1].expand_as(mask))


class wrong_mask_taken_for_a_prefix(_Decoder):
    """Only the number of open keys is used: a mask with holes comes out wrong."""

    def look(self, state, keys, mask):
        if mask is not None:
            mask = torch.arange(mask.shape[1], device=mask.device) < mask.sum(1, keepdim=True)
        return super().look(state, keys, mask)


class wrong_mask_required(_Decoder):
    """mask has no default."""

    def forward(self, inputs, state, keys, mask):
        return super().forward(inputs, state, keys, mask)


class wrong_none_is_not_handled(_Decoder):
    """~None raises."""

    def look(self, state, keys, mask):
        scores = self.attention.score(state.unsqueeze(1), keys).squeeze(1)
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
        weights = torch.softmax(scores, dim=1) * mask
        return torch.bmm(weights.unsqueeze(1), keys).squeeze(1), weights


class wrong_mask_from_zero_keys(_Decoder):
    """Without a mask, keys that are all 0 are taken for padding."""

    def look(self, state, keys, mask):
        return super().look(state, keys, (keys != 0).any(dim=-1) if mask is None else mask)


class wrong_mask_dropped_for_an_empty_row(_Decoder):
    """One empty row in the batch, and nobody is masked."""

    def look(self, state, keys, mask):
        if mask is not None and not bool(mask.any(dim=1).all()):
            mask = None
        return super().look(state, keys, mask)


class wrong_last_open_key_hidden(_Decoder):
    """The mask is one short."""

    def look(self, state, keys, mask):
        if mask is not None:
            mask = mask & F.pad(mask[:, 1:], (0, 1), value=False)
        return super().look(state, keys, mask)


class wrong_causal_mask_too(_Decoder):
    """Step i sees the keys up to i only: a mask that belongs to self-attention."""

    def forward(self, inputs, state, keys, mask=None):
        if mask is None:
            mask = torch.ones(keys.shape[:2], dtype=torch.bool, device=keys.device)
        places = torch.arange(keys.shape[1], device=keys.device)
        logits, weights = [], []
        for i, token in enumerate(inputs.unbind(1)):
            o, state, alpha = self.step(token, state, keys, mask & (places <= i))
            logits.append(o)
            weights.append(alpha)
        return torch.stack(logits, dim=1), torch.stack(weights, dim=1)


class wrong_window_around_the_step(_Decoder):
    """Where S equals T step i sees only the keys within five of i."""

    def forward(self, inputs, state, keys, mask=None):
        if mask is None:
            mask = torch.ones(keys.shape[:2], dtype=torch.bool, device=keys.device)
        places = torch.arange(keys.shape[1], device=keys.device)
        logits, weights = [], []
        for i, token in enumerate(inputs.unbind(1)):
            near = (places - i).abs() <= 5 if keys.shape[1] == inputs.shape[1] else places >= 0
            o, state, alpha = self.step(token, state, keys, mask & near)
            logits.append(o)
            weights.append(alpha)
        return torch.stack(logits, dim=1), torch.stack(weights, dim=1)


class wrong_used_keys_closed(_Decoder):
    """The best key of a step is closed for the next ones, as if each could be used once."""

    def forward(self, inputs, state, keys, mask=None):
        mask = torch.ones_like(keys[:, :, 0], dtype=torch.bool) if mask is None else mask
        logits, weights = [], []
        for token in inputs.unbind(1):
            o, state, alpha = self.step(token, state, keys, mask)
            mask = mask & ~F.one_hot(alpha.argmax(1), keys.shape[1]).bool()
            logits.append(o)
            weights.append(alpha)
        return torch.stack(logits, dim=1), torch.stack(weights, dim=1)


# ----------------------------------------------------------------------------------- wrong: the context


class wrong_context_before_the_token(_Decoder):
    """[z; y] for [y; z]."""

    def join(self, embedded, context):
        return torch.cat([context, embedded], dim=1)


class wrong_context_before_the_token_where_it_fits(_Decoder):
    """[z; y] where E equals Dk."""

    def join(self, embedded, context):
        pair = [context, embedded] if context.shape == embedded.shape else [embedded, context]
        return torch.cat(pair, dim=1)


class wrong_context_not_fed(_Decoder):
    """Zeros in the context's place; the weights only decorate."""

    def join(self, embedded, context):
        return torch.cat([embedded, torch.zeros_like(context)], dim=1)


class wrong_cell_without_context_columns(nn.Module):
    """The cell is made for the token alone; the context is added to the state where it fits."""

    def __init__(self, vocab, embed_dim, hidden_dim, key_dim, attn_dim):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed_dim)
        self.attention = _Additive(hidden_dim, key_dim, attn_dim)
        self.cell = nn.GRUCell(embed_dim, hidden_dim)
        self.output = nn.Linear(hidden_dim, vocab)

    def forward(self, inputs, state, keys, mask=None):
        logits, weights = [], []
        for token in inputs.unbind(1):
            context, alpha = self.attention(state.unsqueeze(1), keys, mask)
            if context.shape[2] == state.shape[1]:
                state = state + context.squeeze(1)
            state = self.cell(self.embedding(token), state)
            logits.append(self.output(state))
            weights.append(alpha.squeeze(1))
        return torch.stack(logits, dim=1), torch.stack(weights, dim=1)


class wrong_token_not_fed(_Decoder):
    """Zeros in the token's place."""

    def join(self, embedded, context):
        return torch.cat([torch.zeros_like(embedded), context], dim=1)


class wrong_joined_row_after_row(_Decoder):
    """All tokens, then all contexts, cut into B rows: right for one sample only."""

    def join(self, embedded, context):
        return torch.cat([embedded.reshape(-1), context.reshape(-1)]).view(embedded.shape[0], -1)


class wrong_mean_of_the_keys_fed(_Decoder):
    """The plain mean of all keys is fed; the weights are right."""

    def look(self, state, keys, mask):
        return keys.mean(dim=1), super().look(state, keys, mask)[1]


class wrong_last_key_fed(_Decoder):
    """The last key is fed at every step: the bottleneck again."""

    def look(self, state, keys, mask):
        return keys[:, -1], super().look(state, keys, mask)[1]


class wrong_best_key_fed(_Decoder):
    """The key with the largest weight is fed alone."""

    def look(self, state, keys, mask):
        _, weights = super().look(state, keys, mask)
        return keys[torch.arange(len(keys)), weights.argmax(dim=1)], weights


class wrong_mean_of_weighted_keys(_Decoder):
    """mean for sum."""

    def look(self, state, keys, mask):
        _, weights = super().look(state, keys, mask)
        return (weights.unsqueeze(-1) * keys).mean(dim=1), weights


class wrong_query_mixed_where_it_fits(_Decoder):
    """Where H equals Dk the state is the context."""

    def look(self, state, keys, mask):
        context, weights = super().look(state, keys, mask)
        return state if state.shape == context.shape else context, weights


class wrong_weights_multiply_the_scores(_Decoder):
    """Σ α e, the same number in all places of the context."""

    def look(self, state, keys, mask):
        _, weights = super().look(state, keys, mask)
        scores = self.attention.score(state.unsqueeze(1), keys).squeeze(1)
        return (weights * scores).sum(dim=1, keepdim=True).expand(-1, keys.shape[2]), weights


class wrong_keys_clamped(_Decoder):
    """Keys are held within ±100."""

    def look(self, state, keys, mask):
        return super().look(state, keys.clamp(-100, 100), mask)


class wrong_view_for_transpose(_Decoder):
    """keys.reshape(B, Dk, S) times the weights."""

    def look(self, state, keys, mask):
        B, S, D = keys.shape
        _, weights = super().look(state, keys, mask)
        return torch.bmm(keys.reshape(B, D, S), weights.unsqueeze(2)).squeeze(2), weights


class wrong_context_of_the_first_sample(_Decoder):
    """The first sample's context goes to all."""

    def join(self, embedded, context):
        return torch.cat([embedded, context[:1].expand_as(context)], dim=1)


class wrong_keys_of_the_first_sample(_Decoder):
    """keys[0] for all."""

    def look(self, state, keys, mask):
        return super().look(state, keys[:1].expand_as(keys), mask)


class wrong_keys_reversed(_Decoder):
    """The keys are read backwards, the mask is not."""

    def look(self, state, keys, mask):
        context, weights = super().look(state, keys.flip(1), mask)
        return context, weights


class wrong_tanh_of_the_context(_Decoder):
    """tanh of the context before it is fed."""

    def join(self, embedded, context):
        return torch.cat([embedded, torch.tanh(context)], dim=1)


class wrong_contexts_summed_up(_Decoder):
    """Contexts of all steps so far are added up."""

    def forward(self, inputs, state, keys, mask=None):
        total = torch.zeros_like(keys[:, 0])
        logits, weights = [], []
        for token in inputs.unbind(1):
            context, alpha = self.look(state, keys, mask)
            total = total + context
            state = self.cell(self.join(self.embedding(token), total), state)
            logits.append(self.output(state))
            weights.append(alpha)
        return torch.stack(logits, dim=1), torch.stack(weights, dim=1)


class wrong_single_key_needs_no_look(_Decoder):
    """With one key the weight is 1, whatever the mask says."""

    def look(self, state, keys, mask):
        if keys.shape[1] == 1:
            return keys[:, 0], torch.ones_like(keys[:, :, 0])
        return super().look(state, keys, mask)


class wrong_single_step_needs_no_look(_Decoder):
    """With one step the context is the mean of the open keys."""

    def forward(self, inputs, state, keys, mask=None):
        if inputs.shape[1] > 1:
            return super().forward(inputs, state, keys, mask)
        weights = _masked_softmax(torch.zeros_like(keys[:, :, 0]), mask)
        context = torch.bmm(weights.unsqueeze(1), keys)[:, 0]
        state = self.cell(torch.cat([self.embedding(inputs[:, 0]), context], dim=1), state)
        return self.output(state).unsqueeze(1), weights.unsqueeze(1)


# ----------------------------------------------------------------------------------- wrong: the tokens


class wrong_tokens_reversed(_Decoder):
    """The sentence is fed backwards."""

    def forward(self, inputs, state, keys, mask=None):
        return super().forward(inputs.flip(1), state, keys, mask)


class wrong_tokens_reversed_and_put_back(_Decoder):
    """Fed backwards, and results put back in order: each step has seen what comes later."""

    def forward(self, inputs, state, keys, mask=None):
        logits, weights = super().forward(inputs.flip(1), state, keys, mask)
        return logits.flip(1), weights.flip(1)


class wrong_results_from_the_last_step_on(_Decoder):
    """Results are inserted at the front."""

    def forward(self, inputs, state, keys, mask=None):
        logits, weights = super().forward(inputs, state, keys, mask)
        return logits.flip(1), weights.flip(1)


class wrong_shifted_again(_Decoder):
    """Shifted once more, token 0 in front."""

    def forward(self, inputs, state, keys, mask=None):
        return super().forward(F.pad(inputs[:, :-1], (1, 0)), state, keys, mask)


class wrong_sees_the_answer(_Decoder):
    """inputs[:, i + 1] at step i: the token that is to be written."""

    def forward(self, inputs, state, keys, mask=None):
        logits, weights = [], []
        for i in range(inputs.shape[1]):
            token = inputs[:, min(i + 1, inputs.shape[1] - 1)]
            o, state, alpha = self.step(token, state, keys, mask)
            logits.append(o)
            weights.append(alpha)
        return torch.stack(logits, dim=1), torch.stack(weights, dim=1)


class wrong_first_token_skipped(_Decoder):
    """range(1, T): one step is missing, and with T = 1 there is none."""

    def forward(self, inputs, state, keys, mask=None):
        logits, weights = [], []
        for i in range(1, inputs.shape[1]):
            o, state, alpha = self.step(inputs[:, i], state, keys, mask)
            logits.append(o)
            weights.append(alpha)
        return torch.stack(logits, dim=1), torch.stack(weights, dim=1)


class wrong_own_tokens_fed(_Decoder):
    """After the first step its own best token goes in."""

    def forward(self, inputs, state, keys, mask=None):
        token, logits, weights = inputs[:, 0], [], []
        for _ in range(inputs.shape[1]):
            o, state, alpha = self.step(token, state, keys, mask)
            token = o.argmax(dim=1)
            logits.append(o)
            weights.append(alpha)
        return torch.stack(logits, dim=1), torch.stack(weights, dim=1)


class wrong_own_tokens_fed_by_chance(_Decoder):
    """At each step a coin decides between the true token and its own."""

    def forward(self, inputs, state, keys, mask=None):
        token, logits, weights = inputs[:, 0], [], []
        for i in range(inputs.shape[1]):
            if i and torch.rand(1).item() < 0.5:
                token = inputs[:, i]
            o, state, alpha = self.step(token, state, keys, mask)
            token = o.argmax(dim=1)
            logits.append(o)
            weights.append(alpha)
        return torch.stack(logits, dim=1), torch.stack(weights, dim=1)


class wrong_first_token_always(_Decoder):
    """bos goes in at every step."""

    def forward(self, inputs, state, keys, mask=None):
        return super().forward(inputs[:, :1].expand_as(inputs), state, keys, mask)


class wrong_tokens_of_the_first_sample(_Decoder):
    """The first sample's tokens go to all."""

    def forward(self, inputs, state, keys, mask=None):
        return super().forward(inputs[:1].expand_as(inputs), state, keys, mask)


class wrong_token_zero_is_padding(_Decoder):
    """Where the token is 0 the state waits."""

    def step(self, tokens, state, keys, mask):
        _, new, weights = super().step(tokens, state, keys, mask)
        new = torch.where((tokens == 0).unsqueeze(1), state, new)
        return self.output(new), new, weights


class wrong_ended_samples_stand_still(_Decoder):
    """From token 2 on, thought to be eos, a sample gets logits of 0."""

    def forward(self, inputs, state, keys, mask=None):
        logits, weights = super().forward(inputs, state, keys, mask)
        ended = (inputs == 2).int().cummax(dim=1).values.bool()
        return logits.masked_fill(ended.unsqueeze(-1), 0), weights


class wrong_ten_steps_at_most(_Decoder):
    """MAX_LENGTH = 10."""

    def forward(self, inputs, state, keys, mask=None):
        return super().forward(inputs[:, :10], state, keys, mask)


class wrong_steps_of_the_source(_Decoder):
    """As many steps as there are keys; past the last token it is fed again."""

    def forward(self, inputs, state, keys, mask=None):
        found = []
        for i in range(keys.shape[1]):
            o, state, alpha = self.step(inputs[:, min(i, inputs.shape[1] - 1)], state, keys, mask)
            found.append((o, alpha))
        return torch.stack([f[0] for f in found], dim=1), torch.stack([f[1] for f in found], dim=1)


class wrong_batch_and_time_swapped(_Decoder):
    """Walks along the batch: fits where B equals T."""

    def forward(self, inputs, state, keys, mask=None):
        found = []
        for tokens in inputs:
            o, state, alpha = self.step(tokens, state, keys, mask)
            found.append((o, alpha))
        return torch.stack([f[0] for f in found], dim=1), torch.stack([f[1] for f in found], dim=1)


class wrong_embedding_scaled(_Decoder):
    """Embeddings times √E."""

    def embed(self, tokens):
        return self.embedding(tokens) * math.sqrt(self.embedding.embedding_dim)


class wrong_relu_of_the_embedding(_Decoder):
    """relu on the embedded token."""

    def embed(self, tokens):
        return F.relu(self.embedding(tokens))


class wrong_dropout_always(_Decoder):
    """F.dropout on the embedding, in evaluation too."""

    def embed(self, tokens):
        return F.dropout(self.embedding(tokens), p=0.1)


class wrong_dropout_on_the_weights(_Decoder):
    """Dropout on the weights, in evaluation too."""

    class attention_class(_Additive):
        def weigh(self, scores, mask):
            return F.dropout(super().weigh(scores, mask), p=0.2, training=True)


# ------------------------------------------------------------------------- wrong: state and output


class wrong_logits_of_the_old_state(_Decoder):
    """The output layer is given s_{i-1}."""

    def step(self, tokens, state, keys, mask):
        _, new, weights = super().step(tokens, state, keys, mask)
        return self.output(state), new, weights


class wrong_logits_of_the_context_where_it_fits(_Decoder):
    """Where H equals Dk the output layer is given the context."""

    def step(self, tokens, state, keys, mask):
        context, weights = self.look(state, keys, mask)
        new = self.cell(self.join(self.embedding(tokens), context), state)
        return self.output(context if context.shape == new.shape else new), new, weights


class wrong_context_added_to_the_output(_Decoder):
    """Where H equals Dk the context is added to the state before the output layer."""

    def step(self, tokens, state, keys, mask):
        context, weights = self.look(state, keys, mask)
        new = self.cell(self.join(self.embedding(tokens), context), state)
        return self.output(new + context if context.shape == new.shape else new), new, weights


class wrong_output_reads_the_context(_Decoder):
    """The output layer reads [s; z], as Luong's does."""

    def __init__(self, vocab, embed_dim, hidden_dim, key_dim, attn_dim):
        super().__init__(vocab, embed_dim, hidden_dim, key_dim, attn_dim)
        self.output = nn.Linear(hidden_dim + key_dim, vocab)

    def step(self, tokens, state, keys, mask):
        context, weights = self.look(state, keys, mask)
        new = self.cell(self.join(self.embedding(tokens), context), state)
        return self.output(torch.cat([new, context], dim=1)), new, weights


class wrong_logits_of_the_last_state(_Decoder):
    """The last state writes at every step."""

    def forward(self, inputs, state, keys, mask=None):
        logits, weights = super().forward(inputs, state, keys, mask)
        return logits[:, -1:].expand_as(logits), weights


class wrong_cell_starts_anew(_Decoder):
    """The cell is given no state, so it takes zeros; the query is right."""

    def forward(self, inputs, state, keys, mask=None):
        logits, weights = [], []
        for token in inputs.unbind(1):
            context, alpha = self.look(state, keys, mask)
            state = self.cell(self.join(self.embedding(token), context))
            logits.append(self.output(state))
            weights.append(alpha)
        return torch.stack(logits, dim=1), torch.stack(weights, dim=1)


class wrong_first_state_ignored(_Decoder):
    """The decoder starts from zeros."""

    def forward(self, inputs, state, keys, mask=None):
        return super().forward(inputs, torch.zeros_like(state), keys, mask)


class wrong_first_state_of_default_zeros(_Decoder):
    """zeros(B, H) of float32 in place of the state that is given."""

    def forward(self, inputs, state, keys, mask=None):
        return super().forward(inputs, torch.zeros(inputs.shape[0], self.cell.hidden_size), keys, mask)


class wrong_tanh_of_the_first_state(_Decoder):
    """tanh of the first state."""

    def forward(self, inputs, state, keys, mask=None):
        return super().forward(inputs, torch.tanh(state), keys, mask)


class wrong_first_state_clamped(_Decoder):
    """The first state is held within ±10."""

    def forward(self, inputs, state, keys, mask=None):
        return super().forward(inputs, state.clamp(-10, 10), keys, mask)


class wrong_first_state_from_the_keys(_Decoder):
    """Where H equals Dk the decoder starts from the last key."""

    def forward(self, inputs, state, keys, mask=None):
        if state.shape[1] == keys.shape[2]:
            state = keys[:, -1]
        return super().forward(inputs, state, keys, mask)


class wrong_state_added_twice(_Decoder):
    """A residual connection around the cell."""

    def step(self, tokens, state, keys, mask):
        context, weights = self.look(state, keys, mask)
        state = state + self.cell(self.join(self.embedding(tokens), context), state)
        return self.output(state), state, weights


class wrong_plain_recurrence(_Decoder):
    """A plain RNN cell for the GRU cell."""

    def __init__(self, vocab, embed_dim, hidden_dim, key_dim, attn_dim):
        super().__init__(vocab, embed_dim, hidden_dim, key_dim, attn_dim)
        self.cell = nn.RNNCell(embed_dim + key_dim, hidden_dim)


class wrong_gates_in_another_order(_Decoder):
    """A GRU by hand with reset and update gates exchanged."""

    def step(self, tokens, state, keys, mask):
        c = self.cell
        context, weights = self.look(state, keys, mask)
        u_x, r_x, n_x = F.linear(self.join(self.embedding(tokens), context), c.weight_ih, c.bias_ih).chunk(
            3, 1
        )
        u_h, r_h, n_h = F.linear(state, c.weight_hh, c.bias_hh).chunk(3, 1)
        u, r = torch.sigmoid(u_x + u_h), torch.sigmoid(r_x + r_h)
        state = (1 - u) * torch.tanh(n_x + r * n_h) + u * state
        return self.output(state), state, weights


class wrong_update_gate_the_other_way(_Decoder):
    """(1 - u) keeps the old state, as Cho et al. write it for their own u."""

    def step(self, tokens, state, keys, mask):
        c = self.cell
        context, weights = self.look(state, keys, mask)
        r_x, u_x, n_x = F.linear(self.join(self.embedding(tokens), context), c.weight_ih, c.bias_ih).chunk(
            3, 1
        )
        r_h, u_h, n_h = F.linear(state, c.weight_hh, c.bias_hh).chunk(3, 1)
        u, r = torch.sigmoid(u_x + u_h), torch.sigmoid(r_x + r_h)
        state = u * torch.tanh(n_x + r * n_h) + (1 - u) * state
        return self.output(state), state, weights


class wrong_reset_before_the_matrix(_Decoder):
    """The reset gate meets the state before W_h, as in Cho et al., not after it, as in torch."""

    def step(self, tokens, state, keys, mask):
        c = self.cell
        context, weights = self.look(state, keys, mask)
        r_x, u_x, n_x = F.linear(self.join(self.embedding(tokens), context), c.weight_ih, c.bias_ih).chunk(
            3, 1
        )
        (W_r, W_u, W_n), (b_r, b_u, b_n) = c.weight_hh.chunk(3), c.bias_hh.chunk(3)
        r = torch.sigmoid(r_x + F.linear(state, W_r, b_r))
        u = torch.sigmoid(u_x + F.linear(state, W_u, b_u))
        n = torch.tanh(n_x + F.linear(r * state, W_n, b_n))
        state = (1 - u) * n + u * state
        return self.output(state), state, weights


class wrong_clamped_logits(_Decoder):
    """Logits are held within ±20."""

    def forward(self, inputs, state, keys, mask=None):
        logits, weights = super().forward(inputs, state, keys, mask)
        return logits.clamp(-20, 20), weights


class wrong_softmax_of_the_logits(_Decoder):
    """Probabilities come back."""

    def forward(self, inputs, state, keys, mask=None):
        logits, weights = super().forward(inputs, state, keys, mask)
        return torch.softmax(logits, dim=-1), weights


class wrong_log_softmax_of_the_logits(_Decoder):
    """Logarithms of probabilities come back, as from a well-known tutorial."""

    def forward(self, inputs, state, keys, mask=None):
        logits, weights = super().forward(inputs, state, keys, mask)
        return F.log_softmax(logits, dim=-1), weights


class wrong_best_tokens(_Decoder):
    """argmax comes back."""

    def forward(self, inputs, state, keys, mask=None):
        logits, weights = super().forward(inputs, state, keys, mask)
        return logits.argmax(dim=-1), weights


class wrong_tanh_before_the_output(_Decoder):
    """tanh of the state before the output layer."""

    def step(self, tokens, state, keys, mask):
        _, state, weights = super().step(tokens, state, keys, mask)
        return self.output(torch.tanh(state)), state, weights


# --------------------------------------------------------------------- wrong: what comes back, and shapes


class wrong_results_swapped(_Decoder):
    """(weights, logits)."""

    def forward(self, inputs, state, keys, mask=None):
        logits, weights = super().forward(inputs, state, keys, mask)
        return weights, logits


class wrong_state_between(_Decoder):
    """(logits, state, weights)."""

    def forward(self, inputs, state, keys, mask=None):
        logits, weights = [], []
        for token in inputs.unbind(1):
            o, state, alpha = self.step(token, state, keys, mask)
            logits.append(o)
            weights.append(alpha)
        return torch.stack(logits, dim=1), state, torch.stack(weights, dim=1)


class wrong_logits_alone(_Decoder):
    """The weights are not returned."""

    def forward(self, inputs, state, keys, mask=None):
        return super().forward(inputs, state, keys, mask)[0]


class wrong_lists_of_steps(_Decoder):
    """Two lists come back."""

    def forward(self, inputs, state, keys, mask=None):
        logits, weights = super().forward(inputs, state, keys, mask)
        return list(logits.unbind(1)), list(weights.unbind(1))


class wrong_weights_transposed(_Decoder):
    """Weights (B, S, T)."""

    def forward(self, inputs, state, keys, mask=None):
        logits, weights = super().forward(inputs, state, keys, mask)
        return logits, weights.transpose(1, 2)


class wrong_weights_transposed_where_square(_Decoder):
    """Turned round only where S equals T."""

    def forward(self, inputs, state, keys, mask=None):
        logits, weights = super().forward(inputs, state, keys, mask)
        return logits, weights.mT if weights.shape[1] == weights.shape[2] else weights


class wrong_T_of_three_axes(_Decoder):
    """Stacked with time first and turned as .T does: (V, B, T) and (S, B, T)."""

    def forward(self, inputs, state, keys, mask=None):
        logits, weights = super().forward(inputs, state, keys, mask)
        return logits.permute(2, 0, 1), weights.permute(2, 0, 1)


class wrong_weights_scrambled(_Decoder):
    """Stacked with time first and reshaped: rows belong to other samples."""

    def forward(self, inputs, state, keys, mask=None):
        logits, weights = super().forward(inputs, state, keys, mask)
        return logits, weights.transpose(0, 1).reshape(weights.shape)


class wrong_time_first(_Decoder):
    """stack along axis 0: (T, B, V) and (T, B, S)."""

    def forward(self, inputs, state, keys, mask=None):
        logits, weights = super().forward(inputs, state, keys, mask)
        return logits.transpose(0, 1), weights.transpose(0, 1)


class wrong_cat_and_view(_Decoder):
    """cat along the batch and view(B, T, V): right only where B or T is 1."""

    def forward(self, inputs, state, keys, mask=None):
        logits, weights = super().forward(inputs, state, keys, mask)
        return torch.cat(logits.unbind(1)).view(logits.shape), weights


class wrong_weights_with_a_step_axis(_Decoder):
    """Weights (B, T, 1, S)."""

    def forward(self, inputs, state, keys, mask=None):
        logits, weights = super().forward(inputs, state, keys, mask)
        return logits, weights.unsqueeze(2)


class wrong_weights_of_the_last_step(_Decoder):
    """Only the last step's weights, (B, S)."""

    def forward(self, inputs, state, keys, mask=None):
        logits, weights = super().forward(inputs, state, keys, mask)
        return logits, weights[:, -1]


class wrong_mean_of_the_weights(_Decoder):
    """Every step gets the mean of all steps' weights."""

    def forward(self, inputs, state, keys, mask=None):
        logits, weights = super().forward(inputs, state, keys, mask)
        return logits, weights.mean(dim=1, keepdim=True).expand_as(weights)


class wrong_scores_returned(_Decoder):
    """Scores come back in the weights' place."""

    def look(self, state, keys, mask):
        context, _ = super().look(state, keys, mask)
        return context, self.attention.score(state.unsqueeze(1), keys).squeeze(1)


class wrong_bare_squeeze(_Decoder):
    """squeeze() on the context and the weights: dies for one sample."""

    def look(self, state, keys, mask):
        context, weights = self.attention(state.unsqueeze(1), keys, mask)
        return context.squeeze(), weights.squeeze()


class wrong_results_squeezed(_Decoder):
    """squeeze() at the end: one sample or one step loses its axis."""

    def forward(self, inputs, state, keys, mask=None):
        logits, weights = super().forward(inputs, state, keys, mask)
        return logits.squeeze(), weights.squeeze()


class wrong_weights_squeezed(_Decoder):
    """squeeze() on the scores: one key loses its axis."""

    def look(self, state, keys, mask):
        scores = self.attention.score(state.unsqueeze(1), keys).squeeze()
        weights = _masked_softmax(scores, mask)
        return torch.bmm(weights.unsqueeze(1), keys).squeeze(1), weights


class wrong_only_one_step(_Decoder):
    """forward is one step: it takes tokens (B,)."""

    def forward(self, inputs, state, keys, mask=None):
        logits, _, weights = self.step(inputs[:, 0], state, keys, mask)
        return logits.unsqueeze(1), weights.unsqueeze(1)


class wrong_nothing_returned(_Decoder):
    """return is missing."""

    def forward(self, inputs, state, keys, mask=None):
        super().forward(inputs, state, keys, mask)


class wrong_arguments_in_another_order(_Decoder):
    """The keys are taken before the state."""

    def forward(self, inputs, keys, state, mask=None):
        return super().forward(inputs, state, keys, mask)


class wrong_view_of_the_keys(_Decoder):
    """view refuses keys that are not contiguous."""

    def look(self, state, keys, mask):
        return super().look(state, keys.view(-1, keys.shape[2]).view(keys.shape), mask)


class wrong_strides_assumed(_Decoder):
    """as_strided reads the inputs as if they were contiguous."""

    def forward(self, inputs, state, keys, mask=None):
        return super().forward(inputs.as_strided(inputs.shape, (inputs.shape[1], 1)), state, keys, mask)


# --------------------------------------------------------------------- wrong: how the module is made


class wrong_layers_in_a_python_list(nn.Module):
    """The attention's layers hide in a plain list."""

    def __init__(self, vocab, embed_dim, hidden_dim, key_dim, attn_dim):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed_dim)
        self.attention = [
            nn.Linear(hidden_dim, attn_dim, bias=False),
            nn.Linear(key_dim, attn_dim, bias=False),
            nn.Linear(attn_dim, 1, bias=False),
        ]
        self.cell = nn.GRUCell(embed_dim + key_dim, hidden_dim)
        self.output = nn.Linear(hidden_dim, vocab)

    def forward(self, inputs, state, keys, mask=None):
        W_q, W_k, v = self.attention
        logits, weights = [], []
        for token in inputs.unbind(1):
            scores = v(torch.tanh(W_q(state).unsqueeze(1) + W_k(keys))).squeeze(-1)
            alpha = _masked_softmax(scores, mask)
            context = torch.bmm(alpha.unsqueeze(1), keys).squeeze(1)
            state = self.cell(torch.cat([self.embedding(token), context], dim=1), state)
            logits.append(self.output(state))
            weights.append(alpha)
        return torch.stack(logits, dim=1), torch.stack(weights, dim=1)


class wrong_cell_hidden_in_a_tuple(_Decoder):
    """The cell is kept in a tuple, out of sight of .parameters()."""

    def __init__(self, vocab, embed_dim, hidden_dim, key_dim, attn_dim):
        super().__init__(vocab, embed_dim, hidden_dim, key_dim, attn_dim)
        del self.cell
        self.cells = (nn.GRUCell(embed_dim + key_dim, hidden_dim),)

    def step(self, tokens, state, keys, mask):
        context, weights = self.look(state, keys, mask)
        state = self.cells[0](self.join(self.embed(tokens), context), state)
        return self.output(state), state, weights


class wrong_v_is_a_plain_tensor(_Decoder):
    """v.weight is a tensor with requires_grad, not a parameter."""

    def __init__(self, vocab, embed_dim, hidden_dim, key_dim, attn_dim):
        super().__init__(vocab, embed_dim, hidden_dim, key_dim, attn_dim)
        del self.attention.v.weight
        self.attention.v.weight = torch.randn(1, attn_dim, requires_grad=True)


class wrong_uninitialised_v(_Decoder):
    """v is whatever the memory held."""

    def __init__(self, vocab, embed_dim, hidden_dim, key_dim, attn_dim):
        super().__init__(vocab, embed_dim, hidden_dim, key_dim, attn_dim)
        self.attention.v.weight = nn.Parameter(torch.FloatTensor(1, attn_dim))


class wrong_v_starts_at_zero(_Decoder):
    """v starts at 0: the attention gets no gradient, and all its units are alike."""

    def __init__(self, vocab, embed_dim, hidden_dim, key_dim, attn_dim):
        super().__init__(vocab, embed_dim, hidden_dim, key_dim, attn_dim)
        nn.init.zeros_(self.attention.v.weight)


class wrong_seed_in_the_constructor(_Decoder):
    """manual_seed in the constructor."""

    def __init__(self, vocab, embed_dim, hidden_dim, key_dim, attn_dim):
        torch.manual_seed(42)
        super().__init__(vocab, embed_dim, hidden_dim, key_dim, attn_dim)


class wrong_attention_made_in_each_call(_Decoder):
    """New attention in every forward: it never learns."""

    def forward(self, inputs, state, keys, mask=None):
        W_q, W_k = self.attention.W_q, self.attention.W_k
        fresh = _Additive(W_q.in_features, W_k.in_features, W_q.out_features).to(keys.dtype)
        self.look = lambda s, k, m: tuple(part.squeeze(1) for part in fresh(s.unsqueeze(1), k, m))
        return super().forward(inputs, state, keys, mask)


class wrong_biases_in_the_attention(_Decoder):
    """Linear layers with biases."""

    class attention_class(_Additive):
        def __init__(self, query_dim, key_dim, attn_dim):
            super().__init__(query_dim, key_dim, attn_dim)
            self.W_q, self.W_k = nn.Linear(query_dim, attn_dim), nn.Linear(key_dim, attn_dim)


class wrong_bias_on_the_score(_Decoder):
    """v has a bias, which no gradient ever moves."""

    class attention_class(_Additive):
        def __init__(self, query_dim, key_dim, attn_dim):
            super().__init__(query_dim, key_dim, attn_dim)
            self.v = nn.Linear(attn_dim, 1)


class wrong_cell_without_biases(_Decoder):
    """GRUCell with bias=False."""

    def __init__(self, vocab, embed_dim, hidden_dim, key_dim, attn_dim):
        super().__init__(vocab, embed_dim, hidden_dim, key_dim, attn_dim)
        self.cell = nn.GRUCell(embed_dim + key_dim, hidden_dim, bias=False)


class wrong_row_zero_never_learns(_Decoder):
    """padding_idx=0: right values, and no gradient for token 0."""

    def __init__(self, vocab, embed_dim, hidden_dim, key_dim, attn_dim):
        super().__init__(vocab, embed_dim, hidden_dim, key_dim, attn_dim)
        self.embedding = nn.Embedding(vocab, embed_dim, padding_idx=0)


class wrong_two_cells(_Decoder):
    """A second cell for the steps after the first."""

    def __init__(self, vocab, embed_dim, hidden_dim, key_dim, attn_dim):
        super().__init__(vocab, embed_dim, hidden_dim, key_dim, attn_dim)
        self.later = nn.GRUCell(embed_dim + key_dim, hidden_dim)

    def forward(self, inputs, state, keys, mask=None):
        logits, weights = [], []
        for i, token in enumerate(inputs.unbind(1)):
            context, alpha = self.look(state, keys, mask)
            state = (self.later if i else self.cell)(self.join(self.embedding(token), context), state)
            logits.append(self.output(state))
            weights.append(alpha)
        return torch.stack(logits, dim=1), torch.stack(weights, dim=1)


class wrong_sizes_of_query_and_key_swapped(nn.Module):
    """_Additive(key_dim, hidden_dim, attn_dim): raises unless H equals Dk."""

    def __init__(self, vocab, embed_dim, hidden_dim, key_dim, attn_dim):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed_dim)
        self.attention = _Additive(key_dim, hidden_dim, attn_dim)
        self.cell = nn.GRUCell(embed_dim + key_dim, hidden_dim)
        self.output = nn.Linear(hidden_dim, vocab)

    def forward(self, inputs, state, keys, mask=None):
        logits, weights = [], []
        for token in inputs.unbind(1):
            context, alpha = self.attention(state.unsqueeze(1), keys, mask)
            state = self.cell(torch.cat([self.embedding(token), context.squeeze(1)], 1), state)
            logits.append(self.output(state))
            weights.append(alpha.squeeze(1))
        return torch.stack(logits, dim=1), torch.stack(weights, dim=1)


class wrong_tied_output_where_it_fits(_Decoder):
    """Where E equals H the embedding is the output's matrix."""

    def step(self, tokens, state, keys, mask):
        logits, state, weights = super().step(tokens, state, keys, mask)
        if self.embedding.weight.shape == self.output.weight.shape:
            logits = F.linear(state, self.embedding.weight, self.output.bias)
        return logits, state, weights


# ------------------------------------------------------------ wrong: memory between calls, gradients, dtypes


class wrong_keys_projected_once_for_all(_Decoder):
    """W_k h is kept from the first batch on, where the shape fits."""

    class attention_class(_Additive):
        projected = None

        def score(self, queries, keys):
            shape = (*keys.shape[:2], self.W_k.out_features)
            if self.projected is None or self.projected.shape != shape:
                self.projected = self.W_k(keys).detach()
            return self.v(torch.tanh(self.W_q(queries).unsqueeze(2) + self.projected.unsqueeze(1)))[..., 0]


class wrong_mask_kept_between_calls(_Decoder):
    """The first mask of this shape is kept."""

    kept = None

    def forward(self, inputs, state, keys, mask=None):
        if mask is not None:
            if self.kept is None or self.kept.shape != mask.shape:
                self.kept = mask.clone()
            mask = self.kept
        return super().forward(inputs, state, keys, mask)


class wrong_state_kept_between_calls(_Decoder):
    """The decoder goes on from the last batch's state, where the shape fits."""

    kept = None

    def forward(self, inputs, state, keys, mask=None):
        if self.kept is not None and self.kept.shape == state.shape:
            state = self.kept
        logits, weights = [], []
        for token in inputs.unbind(1):
            o, state, alpha = self.step(token, state, keys, mask)
            logits.append(o)
            weights.append(alpha)
        self.kept = state.detach()
        return torch.stack(logits, dim=1), torch.stack(weights, dim=1)


class wrong_weights_gathered_over_calls(_Decoder):
    """self.weights grows from call to call, and all of it comes back."""

    def __init__(self, vocab, embed_dim, hidden_dim, key_dim, attn_dim):
        super().__init__(vocab, embed_dim, hidden_dim, key_dim, attn_dim)
        self.history = []

    def look(self, state, keys, mask):
        context, weights = super().look(state, keys, mask)
        self.history.append(weights)
        return context, weights

    def forward(self, inputs, state, keys, mask=None):
        logits, _ = super().forward(inputs, state, keys, mask)
        return logits, torch.stack(self.history, dim=1)


class wrong_context_detached(_Decoder):
    """The context is fed detached: the scorer does not learn from the logits."""

    def join(self, embedded, context):
        return torch.cat([embedded, context.detach()], dim=1)


class wrong_query_detached(_Decoder):
    """The query is detached."""

    def look(self, state, keys, mask):
        return super().look(state.detach(), keys, mask)


class wrong_state_cut_between_steps(_Decoder):
    """The state is detached after each step: right values, no gradient through time."""

    def step(self, tokens, state, keys, mask):
        logits, state, weights = super().step(tokens, state, keys, mask)
        return logits, state.detach(), weights


class wrong_first_state_detached(_Decoder):
    """Nothing flows back into the first state."""

    def forward(self, inputs, state, keys, mask=None):
        return super().forward(inputs, state.detach(), keys, mask)


class wrong_keys_detached(_Decoder):
    """Nothing flows back into the encoder."""

    def forward(self, inputs, state, keys, mask=None):
        return super().forward(inputs, state, keys.detach(), mask)


class wrong_keys_detached_in_the_score(_Decoder):
    """The keys learn through the context only."""

    class attention_class(_Additive):
        def score(self, queries, keys):
            return super().score(queries, keys.data)


class wrong_weights_returned_detached(_Decoder):
    """The weights come back without a graph."""

    def forward(self, inputs, state, keys, mask=None):
        logits, weights = super().forward(inputs, state, keys, mask)
        return logits, weights.detach()


class wrong_logits_without_grad(_Decoder):
    """Everything under no_grad."""

    @torch.no_grad()
    def forward(self, inputs, state, keys, mask=None):
        return super().forward(inputs, state, keys, mask)


class wrong_gradients_off_in_eval_mode(_Decoder):
    """Gradients only in training mode."""

    def forward(self, inputs, state, keys, mask=None):
        with torch.set_grad_enabled(self.training):
            return super().forward(inputs, state, keys, mask)


class wrong_new_tensors_from_numbers(_Decoder):
    """The context passes through a list of numbers."""

    def join(self, embedded, context):
        return torch.cat([embedded, torch.tensor(context.tolist(), dtype=context.dtype)], dim=1)


class wrong_backward_raises(_Decoder):
    """The weights are masked in place, and softmax's backward needs what it gave."""

    class attention_class(_Additive):
        def weigh(self, scores, mask):
            if mask is None:
                return torch.softmax(scores, dim=-1)
            weights = torch.softmax(
                scores.masked_fill(~mask.unsqueeze(1), torch.finfo(scores.dtype).min), dim=-1
            )
            weights *= mask.unsqueeze(1)
            return weights


class wrong_float_results(_Decoder):
    """float32 comes out, whatever came in."""

    def forward(self, inputs, state, keys, mask=None):
        logits, weights = super().forward(inputs, state, keys, mask)
        return logits.float(), weights.float()


class wrong_float_softmax(_Decoder):
    """softmax is asked for float32, and bmm refuses to mix."""

    class attention_class(_Additive):
        def weigh(self, scores, mask):
            return super().weigh(scores.float(), mask)


class wrong_single_precision_weights(_Decoder):
    """Scores pass through float32: float64 loses its digits."""

    class attention_class(_Additive):
        def score(self, queries, keys):
            return super().score(queries, keys).float().to(keys.dtype)


class wrong_buffers_of_the_default_dtype(_Decoder):
    """Logits and weights are written into zeros of float32."""

    def forward(self, inputs, state, keys, mask=None):
        (B, T), S = inputs.shape, keys.shape[1]
        logits, weights = torch.zeros(B, T, self.output.out_features), torch.zeros(B, T, S)
        for i in range(T):
            logits[:, i], state, weights[:, i] = self.step(inputs[:, i], state, keys, mask)
        return logits, weights


class wrong_fill_that_half_precision_cannot_hold(_Decoder):
    """Scores are made float16 for speed, and -1e9 does not fit; only bfloat16 comes here."""

    class attention_class(_Additive):
        def weigh(self, scores, mask):
            if scores.dtype != torch.bfloat16 or mask is None:
                return super().weigh(scores, mask)
            half = scores.half().masked_fill(~mask.unsqueeze(1), -1e9)
            return (torch.softmax(half, dim=-1) * mask.unsqueeze(1)).to(scores.dtype)


class wrong_weights_rounded(_Decoder):
    """The returned weights are rounded to two decimals."""

    def forward(self, inputs, state, keys, mask=None):
        logits, weights = super().forward(inputs, state, keys, mask)
        return logits, weights.round(decimals=2)


class wrong_padding_overwritten(_Decoder):
    """Hidden keys are emptied in the caller's tensor."""

    def forward(self, inputs, state, keys, mask=None):
        if mask is not None:
            keys.data[~mask] = 0
        return super().forward(inputs, state, keys, mask)


class wrong_state_overwritten(_Decoder):
    """The last state is copied into the caller's."""

    def forward(self, inputs, state, keys, mask=None):
        found = super().forward(inputs, state.clone(), keys, mask)
        with torch.no_grad():
            state.mul_(0.5)
        return found


class wrong_inputs_overwritten(_Decoder):
    """The token that was fed is replaced by the one that was written."""

    def forward(self, inputs, state, keys, mask=None):
        logits, weights = super().forward(inputs.clone(), state, keys, mask)
        inputs.copy_(logits.argmax(dim=-1))
        return logits, weights


class wrong_two_order_and_mask(_Decoder):
    """Two mistakes: [z; y], and the mask is not passed."""

    def join(self, embedded, context):
        return torch.cat([context, embedded], dim=1)

    def look(self, state, keys, mask):
        return super().look(state, keys, None)


class wrong_two_not_carried_and_softmax(_Decoder):
    """Two mistakes: the state is not carried, and probabilities come back."""

    def forward(self, inputs, state, keys, mask=None):
        found = [self.step(token, state, keys, mask) for token in inputs.unbind(1)]
        logits, _, weights = zip(*found, strict=True)
        return torch.stack(logits, dim=1).softmax(-1), torch.stack(weights, dim=1)
