"""From one sequence to another: encoders, decoders with and without attention, and their loss.

The letters are those of the lessons: h^j are the encoder's states, s^i the decoder's, z what the decoder is
told of the source, y^i the tokens that it writes.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from seqattn_ref._checks import check_mask, check_shapes, check_tensor
from seqattn_ref.attention import AdditiveAttention
from seqattn_ref.masking import pad_mask


def shift_right(tokens: Tensor, bos: int) -> Tensor:
    """Make the decoder's inputs out of its targets: y^{i-1} goes in where y^i must come out.

    This is teacher forcing (Williams & Zipser 1989, "A learning algorithm for continually running fully
    recurrent neural networks").

    Args:
        tokens: (B, T) integers, the targets y^1 … y^T.
        bos: the token that stands before the first one.

    Returns:
        (B, T): bos, y^1, …, y^{T-1}.

    Raises:
        TypeError: ``tokens`` is not an integer tensor.
        ValueError: ``tokens`` does not have two axes.
    """
    check_shapes(tokens=(tokens, "(B, T)"))
    _check_integers("tokens", tokens)
    first = torch.full_like(tokens[:, :1], bos)
    return torch.cat([first, tokens[:, :-1]], dim=1)


def last_hidden(states: Tensor, lengths: Tensor) -> Tensor:
    """Take the state at the last real token of each sample.

    Args:
        states: (B, S, H), the states of all steps. Padding may hold anything.
        lengths: (B,) integers from 0 to S.

    Returns:
        (B, H). A sample of length 0 gets 0.

    Raises:
        TypeError: an argument is not a tensor, or ``lengths`` does not hold integers.
        ValueError: the shapes do not fit.
    """
    check_shapes(states=(states, "(B, S, H)"), lengths=(lengths, "(B,)"))
    _check_integers("lengths", lengths)
    last = (lengths.long() - 1).clamp(min=0)
    found = states.take_along_dim(last[:, None, None], dim=1)[:, 0]
    return found.masked_fill((lengths == 0)[:, None], 0)


def sequence_loss(logits: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    """Average the cross-entropy -log p(y^i) over the real tokens of the batch, in nats.

    Args:
        logits: (B, T, V), before any softmax. Padding may hold any finite numbers.
        targets: (B, T) integers from 0 to V - 1.
        mask: (B, T) bool, True for a real token.

    Returns:
        (), a scalar tensor. A batch without any real token gives 0.

    Raises:
        TypeError: an argument is not a tensor, ``targets`` does not hold integers, or ``mask`` is not bool.
        ValueError: the shapes do not fit.
    """
    check_mask(mask)
    check_shapes(logits=(logits, "(B, T, V)"), targets=(targets, "(B, T)"), mask=(mask, "(B, T)"))
    _check_integers("targets", targets)
    log_probs = torch.log_softmax(logits, dim=-1)
    surprise = -log_probs.take_along_dim(targets.long()[:, :, None], dim=2)[:, :, 0]  # (B, T)
    return surprise.masked_fill(~mask, 0).sum() / mask.sum().clamp(min=1)


class Seq2Seq(nn.Module):
    """An encoder and a decoder with one vector between them.

    The encoder's last state z starts the decoder, as in Sutskever et al. 2014 (arXiv 1409.3215, section 2).
    It is also joined with the embedded token at each step, as in Cho et al. 2014 (arXiv 1406.1078, section
    2.2). Encoder and decoder are GRUs.

    The parameters are those of ``source_embedding`` and ``target_embedding`` (``nn.Embedding``), ``encoder``
    and ``decoder`` (``nn.GRU``) and ``output`` (``nn.Linear``), as PyTorch draws them.

    Args:
        source_vocab: how many source tokens there are.
        target_vocab: how many target tokens there are, V.
        embed_dim: E, the size of an embedded token.
        hidden_dim: H, the size of z and of each state.
    """

    def __init__(self, source_vocab: int, target_vocab: int, embed_dim: int, hidden_dim: int):
        super().__init__()
        self.source_embedding = nn.Embedding(source_vocab, embed_dim)
        self.encoder = nn.GRU(embed_dim, hidden_dim, batch_first=True)
        self.target_embedding = nn.Embedding(target_vocab, embed_dim)
        self.decoder = nn.GRU(embed_dim + hidden_dim, hidden_dim, batch_first=True)
        self.output = nn.Linear(hidden_dim, target_vocab)

    def encode(self, source: Tensor, lengths: Tensor) -> Tensor:
        """Read the source (B, S) of these lengths (B,) into z (B, H)."""
        h, _ = self.encoder(self.source_embedding(source))  # (B, S, H)
        return last_hidden(h, lengths)

    def decode(self, inputs: Tensor, state: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """Go on from a state (B, H) with the tokens (B, T). Returns logits (B, T, V) and the last state."""
        check_shapes(inputs=(inputs, "(B, T)"), state=(state, "(B, H)"), z=(z, "(B, H)"))
        _check_integers("inputs", inputs)
        embedded = self.target_embedding(inputs)  # (B, T, E)
        fed = z[:, None, :].expand(-1, inputs.shape[1], -1)  # (B, T, H)
        s, last = self.decoder(torch.cat([embedded, fed], dim=2), state[None].contiguous())
        return self.output(s), last[0]

    def forward(self, source: Tensor, lengths: Tensor, inputs: Tensor) -> Tensor:
        """Predict each next token, with the true tokens before it as inputs.

        Args:
            source: (B, S) integers.
            lengths: (B,) integers, how many source tokens are real.
            inputs: (B, T) integers, bos, y^1, …, y^{T-1}.

        Returns:
            Logits (B, T, V).

        Raises:
            TypeError: an argument is not a tensor of integers.
            ValueError: the shapes do not fit.
        """
        check_shapes(source=(source, "(B, S)"), lengths=(lengths, "(B,)"), inputs=(inputs, "(B, T)"))
        _check_integers("source", source)
        z = self.encode(source, lengths)
        logits, _ = self.decode(inputs, z, z)
        return logits


class Encoder(nn.Module):
    """Read a padded batch with a GRU, forwards or both ways.

    Both ways: the states of a GRU over x^1 … x^S are joined with those of another over x^S … x^1, so that h^j
    speaks of what stands before and after it (Bahdanau et al. 2015, arXiv 1409.0473, section 3.2).

    Args:
        vocab: how many tokens there are.
        embed_dim: E, the size of an embedded token.
        hidden_dim: H, the size of a state in one direction.
        bidirectional: read both ways.
    """

    def __init__(self, vocab: int, embed_dim: int, hidden_dim: int, bidirectional: bool = False):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed_dim)
        self.forwards = nn.GRU(embed_dim, hidden_dim, batch_first=True)
        self.backwards = nn.GRU(embed_dim, hidden_dim, batch_first=True) if bidirectional else None

    @property
    def state_dim(self) -> int:
        """The size of a state h^j: H, or 2H both ways."""
        return self.forwards.hidden_size * (1 if self.backwards is None else 2)

    def forward(self, source: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Read the source.

        Args:
            source: (B, S) integers. Padding comes last and may hold any token.
            lengths: (B,) integers from 0 to S, how many tokens are real.

        Returns:
            The states h (B, S, state_dim), 0 at padding, and the last state in each direction, joined
            (B, state_dim): forwards the one at the last real token, backwards the one at the first token.

        Raises:
            TypeError: an argument is not a tensor of integers.
            ValueError: the shapes do not fit.
        """
        check_shapes(source=(source, "(B, S)"), lengths=(lengths, "(B,)"))
        _check_integers("source", source)
        embedded = self.embedding(source)  # (B, S, E)
        h, _ = self.forwards(embedded)
        last = last_hidden(h, lengths)
        if self.backwards is not None:
            # Only the real tokens are turned round: the backward GRU must not begin with padding.
            turned = _turn_round(source.shape[1], lengths)[:, :, None]  # (B, S, 1)
            h_back, _ = self.backwards(embedded.take_along_dim(turned, dim=1))
            last = torch.cat([last, last_hidden(h_back, lengths)], dim=1)
            h = torch.cat([h, h_back.take_along_dim(turned, dim=1)], dim=2)
        real = pad_mask(lengths, source.shape[1])
        return h.masked_fill(~real[:, :, None], 0), last


def decoder_step(
    embedded: Tensor,
    state: Tensor,
    keys: Tensor,
    mask: Tensor | None,
    attend: Callable[[Tensor, Tensor, Tensor | None], tuple[Tensor, Tensor]],
    cell: Callable[[Tensor, Tensor], Tensor],
) -> tuple[Tensor, Tensor, Tensor]:
    """Take one step of a decoder with attention.

        s^{i-1} → e_ij over all h^j → α_ij → z^i, joined with the embedded y^{i-1} → s^i

    This is the decoder of Bahdanau et al. 2015 (arXiv 1409.0473, section 3.1, equations 4 to 6).

    Args:
        embedded: (B, E), the embedded token y^{i-1}.
        state: (B, H), the state s^{i-1}.
        keys: (B, S, Dk), the encoder's states h^j.
        mask: (B, S) bool, True for a key that may be attended to, or None.
        attend: maps queries (B, 1, H), keys and mask to the context (B, 1, Dk) and the weights (B, 1, S).
        cell: maps an input (B, E + Dk) and a state (B, H) to the next state (B, H).

    Returns:
        The state s^i (B, H), the context z^i (B, Dk) and the weights α_i (B, S).

    Raises:
        TypeError: an argument is not a tensor.
        ValueError: the shapes do not fit.
    """
    check_shapes(embedded=(embedded, "(B, E)"), state=(state, "(B, H)"), keys=(keys, "(B, S, Dk)"))
    z, alpha = attend(state[:, None, :], keys, mask)  # (B, 1, Dk), (B, 1, S)
    z, alpha = z[:, 0], alpha[:, 0]
    return cell(torch.cat([embedded, z], dim=1), state), z, alpha


class AttentionDecoder(nn.Module):
    """A decoder that looks at all encoder states before each step.

    It follows Bahdanau et al. 2015 (arXiv 1409.0473, section 3.1 and appendix A.2.2) with a plain output
    layer: the logits are a linear function of s^i.

    The parameters are those of ``embedding`` (``nn.Embedding``), ``attention`` (``AdditiveAttention``),
    ``cell`` (``nn.GRUCell``) and ``output`` (``nn.Linear``).

    Args:
        vocab: how many target tokens there are, V.
        embed_dim: E, the size of an embedded token.
        hidden_dim: H, the size of a state s^i.
        key_dim: Dk, the size of an encoder state h^j.
        attn_dim: A, the units of the scorer.
    """

    def __init__(self, vocab: int, embed_dim: int, hidden_dim: int, key_dim: int, attn_dim: int):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed_dim)
        self.attention = AdditiveAttention(hidden_dim, key_dim, attn_dim)
        self.cell = nn.GRUCell(embed_dim + key_dim, hidden_dim)
        self.output = nn.Linear(hidden_dim, vocab)

    def step(
        self, tokens: Tensor, state: Tensor, keys: Tensor, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Write one token. Takes y^{i-1} (B,) and s^{i-1}; returns logits (B, V), s^i (B, H), α_i (B, S)."""
        state, _, weights = decoder_step(self.embedding(tokens), state, keys, mask, self.attention, self.cell)
        return self.output(state), state, weights

    def forward(
        self, inputs: Tensor, state: Tensor, keys: Tensor, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Predict each next token, with the true tokens before it as inputs.

        Args:
            inputs: (B, T) integers, bos, y^1, …, y^{T-1}.
            state: (B, H), the state s^0 before the first step.
            keys: (B, S, Dk), the encoder's states h^j, finite at padding too.
            mask: (B, S) bool, True for a key that may be attended to. Without it every key may be.

        Returns:
            Logits (B, T, V) and the weights (B, T, S).

        Raises:
            TypeError: an argument is not a tensor, or ``mask`` is not bool.
            ValueError: the shapes do not fit.
        """
        check_shapes(
            W_q=(self.attention.W_q.weight, "(A, H)"),
            W_k=(self.attention.W_k.weight, "(A, Dk)"),
            inputs=(inputs, "(B, T)"),
            state=(state, "(B, H)"),
            keys=(keys, "(B, S, Dk)"),
        )
        _check_integers("inputs", inputs)
        attend = self.attention._over(keys)
        states, weights = [], []
        for embedded in self.embedding(inputs).unbind(dim=1):  # (B, E) for each step
            state, _, alpha = decoder_step(embedded, state, keys, mask, attend, self.cell)
            states.append(state)
            weights.append(alpha)
        return self.output(torch.stack(states, dim=1)), torch.stack(weights, dim=1)


class AttentionSeq2Seq(nn.Module):
    """An encoder both ways and a decoder that attends to all its states.

    The first decoder state is s^0 = tanh(W ←h^1 + b), with ←h^1 the last state of the backward GRU (Bahdanau
    et al. 2015, arXiv 1409.0473, appendix A.2.2).

    Args:
        source_vocab: how many source tokens there are.
        target_vocab: how many target tokens there are, V.
        embed_dim: E, the size of an embedded token.
        hidden_dim: H, the size of a state of the decoder, and of the encoder in one direction.
        attn_dim: A, the units of the scorer.
    """

    def __init__(self, source_vocab: int, target_vocab: int, embed_dim: int, hidden_dim: int, attn_dim: int):
        super().__init__()
        self.encoder = Encoder(source_vocab, embed_dim, hidden_dim, bidirectional=True)
        self.start = nn.Linear(hidden_dim, hidden_dim)
        self.decoder = AttentionDecoder(target_vocab, embed_dim, hidden_dim, self.encoder.state_dim, attn_dim)

    def encode(self, source: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Read the source. Returns the keys (B, S, 2H), their mask (B, S) and the state s^0 (B, H)."""
        keys, last = self.encoder(source, lengths)
        backwards = last.chunk(2, dim=1)[1]
        return keys, pad_mask(lengths, source.shape[1]), torch.tanh(self.start(backwards))

    def forward(self, source: Tensor, lengths: Tensor, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Predict each next token, with the true tokens before it as inputs.

        Args:
            source: (B, S) integers.
            lengths: (B,) integers, how many source tokens are real.
            inputs: (B, T) integers, bos, y^1, …, y^{T-1}.

        Returns:
            Logits (B, T, V) and the weights (B, T, S).

        Raises:
            TypeError: an argument is not a tensor of integers.
            ValueError: the shapes do not fit.
        """
        keys, mask, state = self.encode(source, lengths)
        return self.decoder(inputs, state, keys, mask)


def _turn_round(steps: int, lengths: Tensor) -> Tensor:
    """(B, S) places that turn the real tokens of each sample round and leave its padding where it is."""
    places = torch.arange(steps, device=lengths.device)
    lengths = lengths[:, None]
    return torch.where(places < lengths, lengths - 1 - places, places)


def _check_integers(name: str, value: Tensor) -> None:
    check_tensor(name, value)
    if value.dtype == torch.bool or value.is_floating_point() or value.is_complex():
        raise TypeError(
            f"{name} must hold integers, but its dtype is {value.dtype}: convert it with {name}.long()."
        )
