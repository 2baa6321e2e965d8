"""Recurrent cells, encoders, decoders and decoding once more, as loops over samples and steps.

As in `oracle.py` the numbers are Python's own. Weights come in the order in which PyTorch's layers hold them.
"""

from collections.abc import Callable
from math import exp, hypot, log, tanh

from .oracle import Batch, Matrix, Vector, additive_scores, attend, dot, pad_mask

Tokens = list[int]


def sigmoid(x: float) -> float:
    return 1 / (1 + exp(-x)) if x >= 0 else exp(x) / (1 + exp(x))


def linear(W: Matrix, x: Vector, b: Vector) -> Vector:
    return [dot(row, x) + bias for row, bias in zip(W, b, strict=True)]


# Recurrent cells: one sample, then a batch


def rnn_cell(x: Vector, h: Vector, W_x: Matrix, W_h: Matrix, b: Vector) -> Vector:
    return [tanh(dot(W_x[u], x) + dot(W_h[u], h) + b[u]) for u in range(len(h))]


def lstm_cell(x: Vector, h: Vector, c: Vector, W_x: Matrix, W_h: Matrix, b: Vector) -> tuple[Vector, Vector]:
    H = len(h)
    before = [dot(W_x[r], x) + dot(W_h[r], h) + b[r] for r in range(4 * H)]
    new_h, new_c = [], []
    for u in range(H):
        i, f, g, o = before[u], before[H + u], before[2 * H + u], before[3 * H + u]
        new_c.append(sigmoid(f) * c[u] + sigmoid(i) * tanh(g))
        new_h.append(sigmoid(o) * tanh(new_c[u]))
    return new_h, new_c


def gru_cell(x: Vector, h: Vector, W_x: Matrix, W_h: Matrix, b_x: Vector, b_h: Vector) -> Vector:
    H = len(h)
    of_x, of_h = linear(W_x, x, b_x), linear(W_h, h, b_h)
    new = []
    for k in range(H):
        r = sigmoid(of_x[k] + of_h[k])
        u = sigmoid(of_x[H + k] + of_h[H + k])
        n = tanh(of_x[2 * H + k] + r * of_h[2 * H + k])
        new.append(u * h[k] + (1 - u) * n)
    return new


def rnn_step(x: Matrix, state: Matrix, *weights) -> Matrix:
    return [rnn_cell(x[b], state[b], *weights) for b in range(len(x))]


def lstm_step(x: Matrix, state: Matrix, cell: Matrix, *weights) -> tuple[Matrix, Matrix]:
    pairs = [lstm_cell(x[b], state[b], cell[b], *weights) for b in range(len(x))]
    return [h for h, _ in pairs], [c for _, c in pairs]


def gru_step(x: Matrix, state: Matrix, *weights) -> Matrix:
    return [gru_cell(x[b], state[b], *weights) for b in range(len(x))]


def run(cell: Callable, xs: Matrix, h: Vector, *weights) -> Matrix:
    """The states after each step of one sample."""
    states = []
    for x in xs:
        h = cell(x, h, *weights)
        states.append(h)
    return states


def gradient_by_distance(x: Batch, W_x: Matrix, W_h: Matrix, b: Vector) -> Vector:
    """For a plain recurrent network from a state of 0, by the chain rule from the last step to the first."""
    H, D, T = len(W_h), len(W_x[0]), len(x[0])
    entries = [0.0] * T
    for xs in x:
        states = run(rnn_cell, xs, [0.0] * H, W_x, W_h, b)
        g = [1.0] * H  # ∂ Σ h^T / ∂ h^t
        for k in range(T):
            h = states[T - 1 - k]
            inside = [g[u] * (1 - h[u] ** 2) for u in range(H)]
            norm = hypot(*(sum(inside[u] * W_x[u][d] for u in range(H)) for d in range(D)))
            entries[k] += norm / len(x)
            g = [sum(inside[u] * W_h[u][v] for u in range(H)) for v in range(H)]
    return entries


# Encoders and decoders


def shift_right(tokens: list[Tokens], bos: int) -> list[Tokens]:
    return [[bos if i == 0 else row[i - 1] for i in range(len(row))] for row in tokens]


def last_hidden(states: Batch, lengths: Tokens) -> Matrix:
    return [h[n - 1] if n > 0 else [0.0] * len(h[0]) for h, n in zip(states, lengths, strict=True)]


def sequence_loss(logits: Batch, targets: list[Tokens], mask: list[list[bool]]) -> float:
    """The mean of -log p over all real tokens of the batch."""
    losses = []
    for rows, tokens, real in zip(logits, targets, mask, strict=True):
        for row, token, is_real in zip(rows, tokens, real, strict=True):
            if is_real:
                largest = max(row)
                losses.append(largest + log(sum(exp(e - largest) for e in row)) - row[token])
    return sum(losses) / len(losses) if losses else 0.0


def encoder(source: list[Tokens], lengths: Tokens, embedding: Matrix, *weights) -> tuple[Batch, Matrix]:
    """Each sample is cut to its real tokens before it is read. One GRU has four weights, two have eight."""
    H, S = len(weights[1][0]), len(source[0])
    width = H * len(weights) // 4
    all_states, all_last = [], []
    for tokens, n in zip(source, lengths, strict=True):
        x = [embedding[token] for token in tokens[:n]]
        h = run(gru_cell, x, [0.0] * H, *weights[:4])
        last = h[-1] if h else [0.0] * H
        if len(weights) == 8:
            backwards = run(gru_cell, x[::-1], [0.0] * H, *weights[4:])
            last = last + (backwards[-1] if backwards else [0.0] * H)
            h = [a + b for a, b in zip(h, backwards[::-1], strict=True)]
        all_states.append(h + [[0.0] * width for _ in range(S - n)])
        all_last.append(last)
    return all_states, all_last


def seq2seq(source, lengths, inputs, source_embedding, *weights) -> Batch:
    encoder_gru, (target_embedding, *decoder_gru), (W, b) = weights[:4], weights[4:9], weights[9:]
    _, codes = encoder(source, lengths, source_embedding, *encoder_gru)
    logits = []
    for z, tokens in zip(codes, inputs, strict=True):
        x = [target_embedding[token] + z for token in tokens]
        logits.append([linear(W, s, b) for s in run(gru_cell, x, z, *decoder_gru)])
    return logits


def decoder_step(embedded: Matrix, state: Matrix, keys: Batch, mask, W_q, W_k, v, *gru):
    """With an additive scorer and a GRU."""
    scores = additive_scores([[s] for s in state], keys, W_q, W_k, v)
    contexts, weights = attend(scores, keys, mask)
    contexts, weights = [rows[0] for rows in contexts], [rows[0] for rows in weights]
    x = [y + z for y, z in zip(embedded, contexts, strict=True)]
    return gru_step(x, state, *gru), contexts, weights


def attention_decoder(inputs: list[Tokens], state: Matrix, keys: Batch, mask, embedding, *weights):
    W_q, W_k, v, *gru, W, b = weights
    logits, alphas = [[] for _ in inputs], [[] for _ in inputs]
    for i in range(len(inputs[0])):
        embedded = [embedding[tokens[i]] for tokens in inputs]
        state, _, alpha = decoder_step(embedded, state, keys, mask, W_q, W_k, v[0], *gru)
        for n in range(len(inputs)):
            logits[n].append(linear(W, state[n], b))
            alphas[n].append(alpha[n])
    return logits, alphas


def attention_seq2seq(source, lengths, inputs, *weights):
    """s^0 = tanh(W ←h^1 + b), with the last state of the backward GRU."""
    reader, (W, b), writer = weights[:9], weights[9:11], weights[11:]
    keys, last = encoder(source, lengths, *reader)
    H = len(W)
    state = [[tanh(s) for s in linear(W, both[H:], b)] for both in last]
    return attention_decoder(inputs, state, keys, pad_mask(lengths, len(source[0])), *writer)


# Decoding


def greedy_decode(table: Matrix, first: Tokens, eos: int, max_len: int) -> list[Tokens]:
    """The logits of the next token are the row of the table at this one."""
    rows = []
    for token in first:
        row = []
        while len(row) < max_len and eos not in row:
            token = max(range(len(table)), key=lambda v, now=token: table[now][v])
            row.append(token)
        rows.append(row + [eos] * (max_len - len(row)))
    return rows


def accuracy_by_length(predictions, targets, mask, lengths: Tokens, at: Tokens) -> tuple[Vector, Tokens]:
    accuracy, count = [], []
    for wanted in at:
        right = []
        for guess, truth, real, length in zip(predictions, targets, mask, lengths, strict=True):
            if length == wanted:
                places = [i for i in range(len(truth)) if real[i]]
                right.append(all(guess[i] == truth[i] for i in places))
        accuracy.append(sum(right) / len(right) if right else 0.0)
        count.append(len(right))
    return accuracy, count
