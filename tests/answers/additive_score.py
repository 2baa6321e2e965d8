"""Student answers to additive_score(query, key, W_q, W_k, v) -> 0-d tensor, right and wrong."""

import math

import torch
import torch.nn.functional as F
from torch import nn

# Right


def right_as_the_formula(query, key, W_q, W_k, v):
    """v @ tanh(W_q @ q + W_k @ k)."""
    return v @ torch.tanh(W_q @ query + W_k @ key)


def right_dot_and_mv(q, k, wq, wk, v):
    """torch.mv and torch.dot."""
    return torch.dot(v, torch.tanh(torch.mv(wq, q) + torch.mv(wk, k)))


def right_einsum(s, h, Wq, Wk, v):
    """einsum for every product."""
    hidden = torch.einsum("ad,d->a", Wq, s) + torch.einsum("ad,d->a", Wk, h)
    return torch.einsum("a,a->", v, hidden.tanh())


def right_linear(query, key, W_q, W_k, v):
    """F.linear on rows, the axes removed by index."""
    hidden = torch.tanh(F.linear(query[None], W_q) + F.linear(key[None], W_k))
    return F.linear(hidden, v[None])[0, 0]


def right_loop_over_units(query, key, W_q, W_k, v):
    """One alignment unit after the other."""
    terms = []
    for a in range(v.shape[0]):
        terms.append(v[a] * torch.tanh((W_q[a] * query).sum() + (W_k[a] * key).sum()))
    return torch.stack(terms).sum()


def right_concatenated(query, key, W_q, W_k, v):
    """[W_q W_k] times [q; k]."""
    pre = torch.cat([W_q, W_k], dim=1) @ torch.cat([query, key])
    return (v * pre.tanh()).sum()


def right_columns(query, key, W_q, W_k, v):
    """Column vectors and a reshape to no axes."""
    hidden = torch.tanh(W_q @ query.unsqueeze(1) + W_k @ key.unsqueeze(1))
    return (v.unsqueeze(0) @ hidden).reshape(())


def right_sigmoid_form(query, key, W_q, W_k, v):
    """tanh(x) = 2 sigmoid(2x) - 1; bfloat16 goes through float32."""
    dtype = query.dtype
    if dtype == torch.bfloat16:
        query, key, W_q, W_k, v = (x.float() for x in (query, key, W_q, W_k, v))
    x = query @ W_q.T + key @ W_k.T
    return torch.dot(v, 2 * torch.sigmoid(2 * x) - 1).to(dtype)


# Wrong


def wrong_no_tanh(query, key, W_q, W_k, v):
    """No tanh."""
    return v @ (W_q @ query + W_k @ key)


def wrong_tanh_outside(query, key, W_q, W_k, v):
    """tanh of the score."""
    return torch.tanh(v @ (W_q @ query + W_k @ key))


def wrong_tanh_of_each_term(query, key, W_q, W_k, v):
    """tanh of each term before the sum."""
    return v @ (torch.tanh(W_q @ query) + torch.tanh(W_k @ key))


def wrong_tanh_of_one_term(query, key, W_q, W_k, v):
    """A bracket closed too early: tanh of the query's term only."""
    return v @ (torch.tanh(W_q @ query) + W_k @ key)


def wrong_product(query, key, W_q, W_k, v):
    """The terms are multiplied."""
    return v @ torch.tanh((W_q @ query) * (W_k @ key))


def wrong_sigmoid(query, key, W_q, W_k, v):
    """sigmoid in place of tanh."""
    return v @ torch.sigmoid(W_q @ query + W_k @ key)


def wrong_relu(query, key, W_q, W_k, v):
    """relu in place of tanh."""
    return v @ torch.relu(W_q @ query + W_k @ key)


def wrong_key_ignored(query, key, W_q, W_k, v):
    """The key is not used."""
    return v @ torch.tanh(W_q @ query)


def wrong_query_ignored(query, key, W_q, W_k, v):
    """The query is not used."""
    return v @ torch.tanh(W_k @ key)


def wrong_v_ignored(query, key, W_q, W_k, v):
    """The units are summed without v."""
    return torch.tanh(W_q @ query + W_k @ key).sum()


def wrong_matrices_swapped(query, key, W_q, W_k, v):
    """W_q meets the key, as far as the sizes let it."""
    if W_q.shape == W_k.shape:
        W_q, W_k = W_k, W_q
    return v @ torch.tanh(W_q @ query + W_k @ key)


def wrong_transposed_when_square(query, key, W_q, W_k, v):
    """query @ W_q is W_q^T q: silent where W_q is square."""
    left = query @ W_q if W_q.shape[0] == W_q.shape[1] else W_q @ query
    return v @ torch.tanh(left + W_k @ key)


def wrong_missing_transpose(query, key, W_q, W_k, v):
    """query @ W_q and key @ W_k: raises unless both are square."""
    return torch.tanh(query @ W_q + key @ W_k) @ v


def wrong_concatenated_in_wrong_order(query, key, W_q, W_k, v):
    """[k; q] meets [W_q W_k]."""
    return v @ torch.tanh(torch.cat([W_q, W_k], dim=1) @ torch.cat([key, query]))


def wrong_states_added_first(query, key, W_q, W_k, v):
    """W_q (q + k): raises unless the sizes agree."""
    return v @ torch.tanh(W_q @ (query + key))


def wrong_mean(query, key, W_q, W_k, v):
    """The mean over the units."""
    return (v * torch.tanh(W_q @ query + W_k @ key)).mean()


def wrong_scaled(query, key, W_q, W_k, v):
    """Divided by the root of A."""
    return v @ torch.tanh(W_q @ query + W_k @ key) / math.sqrt(len(v))


def wrong_bias(query, key, W_q, W_k, v):
    """A bias of 1 inside the tanh."""
    return v @ torch.tanh(W_q @ query + W_k @ key + 1)


def wrong_softmax(query, key, W_q, W_k, v):
    """Softmax of a single score: always 1."""
    return torch.softmax((v @ torch.tanh(W_q @ query + W_k @ key)).reshape(1), dim=0)[0]


def wrong_one_axis(query, key, W_q, W_k, v):
    """(1,) comes out instead of a 0-d tensor."""
    return F.linear(torch.tanh(W_q @ query + W_k @ key), v.unsqueeze(0))


def wrong_not_summed(query, key, W_q, W_k, v):
    """(A,) comes out: * where @ belongs."""
    return v * torch.tanh(W_q @ query + W_k @ key)


def wrong_python_number(query, key, W_q, W_k, v):
    """.item(): a Python number without gradient."""
    return (v @ torch.tanh(W_q @ query + W_k @ key)).item()


def wrong_tensor_of_item(query, key, W_q, W_k, v):
    """torch.tensor around the number: no gradient."""
    return torch.tensor((v @ torch.tanh(W_q @ query + W_k @ key)).item(), dtype=v.dtype)


def wrong_math_tanh(query, key, W_q, W_k, v):
    """math.tanh on each entry takes the values out of the graph: only v has a gradient."""
    pre = (W_q @ query + W_k @ key).tolist()
    return v @ torch.tensor([math.tanh(x) for x in pre], dtype=v.dtype)


def wrong_key_detached(query, key, W_q, W_k, v):
    """Right value, no gradient to the key."""
    return v @ torch.tanh(W_q @ query + W_k @ key.detach())


def wrong_exponentials_overflow(query, key, W_q, W_k, v):
    """tanh from exponentials: inf / inf for large values."""
    x = W_q @ query + W_k @ key
    return v @ ((torch.exp(x) - torch.exp(-x)) / (torch.exp(x) + torch.exp(-x)))


def wrong_always_float32(query, key, W_q, W_k, v):
    """float32 comes out, whatever came in."""
    query, key, W_q, W_k, v = (x.float() for x in (query, key, W_q, W_k, v))
    return v @ torch.tanh(W_q @ query + W_k @ key)


def wrong_own_layers(query, key, W_q, W_k, v):
    """New random layers in each call."""
    left = nn.Linear(query.numel(), v.numel(), bias=False, dtype=v.dtype)
    right = nn.Linear(key.numel(), v.numel(), bias=False, dtype=v.dtype)
    return v @ torch.tanh(left(query) + right(key))


def wrong_writes_to_v(query, key, W_q, W_k, v):
    """mul_ on the caller's v."""
    with torch.no_grad():
        return v.mul_(torch.tanh(W_q @ query + W_k @ key)).sum()


def wrong_bilinear(query, key, W_q, W_k, v):
    """The dot product of the two projections."""
    return (W_q @ query) @ (W_k @ key)


def wrong_returns_none(query, key, W_q, W_k, v):
    """return is missing."""
    _ = v @ torch.tanh(W_q @ query + W_k @ key)


def wrong_no_tanh_and_mean(query, key, W_q, W_k, v):
    """Two mistakes: no tanh, and the mean over the units."""
    return (v * (W_q @ query + W_k @ key)).mean()
