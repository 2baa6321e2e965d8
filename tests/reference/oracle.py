"""The answers about masks, scores and attention once more, as loops that read like the formula.

The numbers are Python's own, which are float64. Inputs and results are nested lists. So nothing here can lean
on the tensors under test.
"""

from math import exp, tanh

Vector = list[float]
Matrix = list[Vector]
Batch = list[Matrix]


def pad_mask(lengths: list[int], max_len: int) -> list[list[bool]]:
    return [[j < length for j in range(max_len)] for length in lengths]


def masked_mean(x: Batch, mask: list[list[bool]]) -> Matrix:
    means = []
    for rows, allowed in zip(x, mask, strict=True):
        real = [row for row, is_real in zip(rows, allowed, strict=True) if is_real]
        size = len(rows[0])
        means.append([sum(row[d] for row in real) / len(real) if real else 0.0 for d in range(size)])
    return means


def softmax(scores: Vector, allowed: list[bool]) -> Vector:
    """One row: α_j = exp(e_j) / Σ_k exp(e_k), k over the places that are allowed."""
    real = [e for e, is_real in zip(scores, allowed, strict=True) if is_real]
    if not real:
        return [0.0 for _ in scores]
    largest = max(real)  # the same shift above and below the line keeps exp in range
    total = sum(exp(e - largest) for e in real)
    return [exp(e - largest) / total if is_real else 0.0 for e, is_real in zip(scores, allowed, strict=True)]


def masked_softmax(scores: Batch, mask: list[list[list[bool]]]) -> Batch:
    return [
        [softmax(row, allowed) for row, allowed in zip(rows, masks, strict=True)]
        for rows, masks in zip(scores, mask, strict=True)
    ]


def softmax_backward(weights: Batch, grad_weights: Batch) -> Batch:
    """∂L/∂e_k = Σ_j g_j ∂α_j/∂e_k with ∂α_j/∂e_k = α_j (δ_jk - α_k)."""

    def row(alpha: Vector, g: Vector) -> Vector:
        steps = range(len(alpha))
        return [sum(g[j] * alpha[j] * ((j == k) - alpha[k]) for j in steps) for k in steps]

    return [
        [row(alpha, g) for alpha, g in zip(rows, grads, strict=True)]
        for rows, grads in zip(weights, grad_weights, strict=True)
    ]


def dot(a: Vector, b: Vector) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def additive_score(query: Vector, key: Vector, W_q: Matrix, W_k: Matrix, v: Vector) -> float:
    """e = Σ_a v_a tanh((W_q q)_a + (W_k k)_a)."""
    return sum(v[a] * tanh(dot(W_q[a], query) + dot(W_k[a], key)) for a in range(len(v)))


def bilinear_score(query: Vector, key: Vector, W: Matrix) -> float:
    """e = Σ_m Σ_n q_m W_mn k_n."""
    return sum(query[m] * W[m][n] * key[n] for m in range(len(query)) for n in range(len(key)))


def all_pairs(score, queries: Batch, keys: Batch, *parameters) -> Batch:
    """e_ij for each sample, query i and key j."""
    return [
        [[score(query, key, *parameters) for key in keys[b]] for query in queries[b]]
        for b in range(len(queries))
    ]


def dot_scores(queries: Batch, keys: Batch) -> Batch:
    return all_pairs(dot, queries, keys)


def additive_scores(queries: Batch, keys: Batch, W_q: Matrix, W_k: Matrix, v: Vector) -> Batch:
    return all_pairs(additive_score, queries, keys, W_q, W_k, v)


def bilinear_scores(queries: Batch, keys: Batch, W: Matrix) -> Batch:
    return all_pairs(bilinear_score, queries, keys, W)


def context(alpha: Vector, values: Matrix) -> Vector:
    """One query: c = Σ_j α_j h_j."""
    size = len(values[0])
    return [sum(alpha[j] * values[j][d] for j in range(len(values))) for d in range(size)]


def context_vector(weights: Batch, values: Batch) -> Batch:
    return [[context(alpha, values[b]) for alpha in weights[b]] for b in range(len(weights))]


def attend(scores: Batch, values: Batch, mask) -> tuple[Batch, Batch]:
    """Scores to weights to context, with no mask, a mask (B, S) or a mask (B, T, S)."""

    def allowed(b: int, i: int) -> list[bool]:
        if mask is None:
            return [True for _ in values[b]]
        one_for_all_queries = isinstance(mask[b][0], bool)
        return mask[b] if one_for_all_queries else mask[b][i]

    weights = [[softmax(row, allowed(b, i)) for i, row in enumerate(rows)] for b, rows in enumerate(scores)]
    return context_vector(weights, values), weights


def additive_attention(queries, keys, mask, W_q, W_k, v) -> tuple[Batch, Batch]:
    return attend(additive_scores(queries, keys, W_q, W_k, v[0]), keys, mask)


def bilinear_attention(queries, keys, mask, W) -> tuple[Batch, Batch]:
    return attend(bilinear_scores(queries, keys, W), keys, mask)


def attention(y: Matrix, h: Matrix, W: Matrix) -> Matrix:
    contexts, _ = bilinear_attention([y], [h], None, W)
    return contexts[0]


def alignment_gradient(query: Matrix, keys: Batch, weights: Matrix, grad_context: Matrix):
    """∂L/∂α_j = Σ_d g_d h_jd, then through the softmax, then ∂L/∂W_mn = Σ_b Σ_j ∂L/∂e_j q_m h_jn."""
    grad_weights = [[dot(g, h) for h in states] for g, states in zip(grad_context, keys, strict=True)]
    [grad_scores] = softmax_backward([weights], [grad_weights])
    samples, steps = range(len(keys)), range(len(keys[0]))
    grad_W = [
        [
            sum(grad_scores[b][j] * query[b][m] * keys[b][j][n] for b in samples for j in steps)
            for n in range(len(keys[0][0]))
        ]
        for m in range(len(query[0]))
    ]
    return grad_scores, grad_W
