"""Right and wrong ways of completing `Seq2Seq(source_vocab, target_vocab, embed_dim, hidden_dim)`.

Each class called `right_…` or `wrong_…` is one answer. See README.md in this folder.
"""

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


def _last_hidden(states, lengths):
    """The state at the last real token of each sample; 0 for length 0."""
    last = (lengths.long() - 1).clamp(min=0)
    found = states.take_along_dim(last[:, None, None], dim=1)[:, 0]
    return found.masked_fill((lengths == 0)[:, None], 0)


class _Given(nn.Module):
    """What the learner is given, and the right forward in parts, for answers with one mistake in one part."""

    def __init__(self, source_vocab, target_vocab, embed_dim, hidden_dim):
        super().__init__()
        self.source_embedding = nn.Embedding(source_vocab, embed_dim)
        self.encoder = nn.GRU(embed_dim, hidden_dim, batch_first=True)
        self.target_embedding = nn.Embedding(target_vocab, embed_dim)
        self.decoder = nn.GRU(embed_dim + hidden_dim, hidden_dim, batch_first=True)
        self.output = nn.Linear(hidden_dim, target_vocab)

    def encode(self, source, lengths):
        h, _ = self.encoder(self.source_embedding(source))
        return _last_hidden(h, lengths)

    def embed(self, inputs):
        return self.target_embedding(inputs)

    def fed(self, z, steps):
        return z.unsqueeze(1).expand(-1, steps, -1)

    def join(self, embedded, fed):
        return torch.cat([embedded, fed], dim=2)

    def start(self, z):
        return z.unsqueeze(0)

    def states(self, z, inputs):
        s, _ = self.decoder(self.join(self.embed(inputs), self.fed(z, inputs.shape[1])), self.start(z))
        return s

    def forward(self, source, lengths, inputs):
        return self.output(self.states(self.encode(source, lengths), inputs))


# ---------------------------------------------------------------------------------------------- right


class right_expand(nn.Module):
    """z expanded along time, joined, and given as the first state."""

    def __init__(self, source_vocab, target_vocab, embed_dim, hidden_dim):
        super().__init__()
        self.source_embedding = nn.Embedding(source_vocab, embed_dim)
        self.encoder = nn.GRU(embed_dim, hidden_dim, batch_first=True)
        self.target_embedding = nn.Embedding(target_vocab, embed_dim)
        self.decoder = nn.GRU(embed_dim + hidden_dim, hidden_dim, batch_first=True)
        self.output = nn.Linear(hidden_dim, target_vocab)

    def encode(self, source, lengths):
        h, _ = self.encoder(self.source_embedding(source))
        return _last_hidden(h, lengths)

    def forward(self, source, lengths, inputs):
        z = self.encode(source, lengths)
        embedded = self.target_embedding(inputs)
        fed = z[:, None, :].expand(-1, inputs.shape[1], -1)
        states, _ = self.decoder(torch.cat([embedded, fed], dim=2), z[None])
        return self.output(states)


class right_step_by_step(nn.Module):
    """The decoder one token at a time, its state carried by hand."""

    def __init__(self, source_vocab, target_vocab, embed_dim, hidden_dim):
        super().__init__()
        self.source_embedding = nn.Embedding(source_vocab, embed_dim)
        self.encoder = nn.GRU(embed_dim, hidden_dim, batch_first=True)
        self.target_embedding = nn.Embedding(target_vocab, embed_dim)
        self.decoder = nn.GRU(embed_dim + hidden_dim, hidden_dim, batch_first=True)
        self.output = nn.Linear(hidden_dim, target_vocab)

    def encode(self, source, lengths):
        h, _ = self.encoder(self.source_embedding(source))
        return _last_hidden(h, lengths)

    def forward(self, source, lengths, inputs):
        z = self.encode(source, lengths)
        state = z.unsqueeze(0)
        logits = []
        for i in range(inputs.size(1)):
            y = self.target_embedding(inputs[:, i])
            x = torch.cat([y, z], dim=1).unsqueeze(1)
            out, state = self.decoder(x, state)
            logits.append(self.output(out[:, 0]))
        return torch.stack(logits, dim=1)


class right_gru_by_hand(_Given):
    """Both GRUs written out as equations over their weights."""

    @staticmethod
    def _step(gru, x, h):
        r_x, u_x, n_x = F.linear(x, gru.weight_ih_l0, gru.bias_ih_l0).chunk(3, dim=-1)
        r_h, u_h, n_h = F.linear(h, gru.weight_hh_l0, gru.bias_hh_l0).chunk(3, dim=-1)
        r, u = torch.sigmoid(r_x + r_h), torch.sigmoid(u_x + u_h)
        return (1 - u) * torch.tanh(n_x + r * n_h) + u * h

    def encode(self, source, lengths):
        h = self.encoder.weight_hh_l0.new_zeros(len(source), self.encoder.hidden_size)
        for j in range(source.shape[1]):
            new = self._step(self.encoder, self.source_embedding(source[:, j]), h)
            h = torch.where((j < lengths)[:, None], new, h)
        return h

    def forward(self, source, lengths, inputs):
        z = s = self.encode(source, lengths)
        outs = []
        for y in self.target_embedding(inputs).unbind(1):
            s = self._step(self.decoder, torch.cat([y, z], -1), s)
            outs.append(s)
        return self.output(torch.stack(outs, 1))


class right_functional_cell(nn.Module):
    """torch.gru_cell with the decoder's weights; one big buffer of logits."""

    def __init__(self, V_x, V_y, E, H):
        super().__init__()
        self.source_embedding, self.target_embedding = nn.Embedding(V_x, E), nn.Embedding(V_y, E)
        self.encoder = nn.GRU(input_size=E, hidden_size=H, num_layers=1, batch_first=True)
        self.decoder = nn.GRU(input_size=E + H, hidden_size=H, num_layers=1, batch_first=True)
        self.output = nn.Linear(in_features=H, out_features=V_y)

    def encode(self, source, lengths):
        states, _ = self.encoder(self.source_embedding(source))
        return _last_hidden(states, lengths)

    def forward(self, source, lengths, inputs):
        z = self.encode(source, lengths)
        d = self.decoder
        weights = (d.weight_ih_l0, d.weight_hh_l0, d.bias_ih_l0, d.bias_hh_l0)
        B, T = inputs.shape
        logits = z.new_zeros(B, T, self.output.out_features)
        s = z
        for i in range(T):
            s = torch.gru_cell(torch.hstack([self.target_embedding(inputs[:, i]), z]), s, *weights)
            logits[:, i] = self.output(s)
        return logits


class right_time_first(nn.Module):
    """GRUs that want time first, and permutes around them."""

    def __init__(self, source_vocab, target_vocab, embed_dim, hidden_dim):
        super().__init__()
        self.source_embedding = nn.Embedding(source_vocab, embed_dim)
        self.encoder = nn.GRU(embed_dim, hidden_dim)
        self.target_embedding = nn.Embedding(target_vocab, embed_dim)
        self.decoder = nn.GRU(embed_dim + hidden_dim, hidden_dim)
        self.output = nn.Linear(hidden_dim, target_vocab)

    def encode(self, source, lengths):
        h, _ = self.encoder(self.source_embedding(source.t()))
        return _last_hidden(h.transpose(0, 1), lengths)

    def forward(self, source, lengths, inputs):
        z = self.encode(source, lengths).unsqueeze(0)
        embedded = self.target_embedding(inputs.t())
        states, _ = self.decoder(torch.cat([embedded, z.repeat(embedded.size(0), 1, 1)], 2), z)
        return self.output(states.permute(1, 0, 2))


class right_packed(nn.Module):
    """The source is packed; a length of 0 is read as 1 and emptied afterwards."""

    def __init__(self, source_vocab, target_vocab, embed_dim, hidden_dim):
        super().__init__()
        self.source_embedding = nn.Embedding(source_vocab, embed_dim)
        self.encoder = nn.GRU(embed_dim, hidden_dim, batch_first=True)
        self.target_embedding = nn.Embedding(target_vocab, embed_dim)
        self.decoder = nn.GRU(embed_dim + hidden_dim, hidden_dim, batch_first=True)
        self.output = nn.Linear(hidden_dim, target_vocab)

    def encode(self, source, lengths):
        packed = pack_padded_sequence(
            self.source_embedding(source), lengths.clamp(min=1).cpu(), batch_first=True, enforce_sorted=False
        )
        _, h_n = self.encoder(packed)
        return h_n[-1] * (lengths > 0).unsqueeze(1)

    def forward(self, source, lengths, inputs):
        z = self.encode(source, lengths)
        fed = torch.repeat_interleave(z.unsqueeze(1), inputs.shape[1], dim=1)
        states, _ = self.decoder(torch.cat((self.target_embedding(inputs), fed), dim=-1), z.unsqueeze(0))
        return self.output(states)


class right_sorted_and_put_back(_Given):
    """Sorted by length for packing, then put back in order."""

    def encode(self, source, lengths):
        ordered, order = lengths.clamp(min=1).sort(descending=True)
        packed = pack_padded_sequence(self.source_embedding(source[order]), ordered.cpu(), batch_first=True)
        _, h_n = self.encoder(packed)
        back = order.argsort()
        return h_n[0][back].masked_fill((lengths == 0).unsqueeze(1), 0.0)

    def forward(self, source, lengths, inputs):
        z = self.encode(source, lengths)
        T = inputs.size(1)
        x = torch.cat([self.target_embedding(inputs), torch.stack([z] * T, dim=1)], dim=-1)
        out, _ = self.decoder(x, z.reshape(1, *z.shape))
        return F.linear(out, self.output.weight, self.output.bias)


class right_input_in_two_parts(_Given):
    """The input matrix is cut in two: one part for the tokens, one for z, which is projected once."""

    def forward(self, source, lengths, inputs):
        z = self.encode(source, lengths)
        E = self.target_embedding.embedding_dim
        W = self.decoder.weight_ih_l0
        from_tokens = F.embedding(inputs, self.target_embedding.weight) @ W[:, :E].T
        from_z = z @ W[:, E:].T + self.decoder.bias_ih_l0
        s, out = z, []
        for step in range(inputs.shape[1]):
            a = from_tokens[:, step] + from_z
            b = torch.addmm(self.decoder.bias_hh_l0, s, self.decoder.weight_hh_l0.T)
            (ar, au, an), (br, bu, bn) = a.chunk(3, 1), b.chunk(3, 1)
            keep = torch.sigmoid(au + bu)
            s = torch.lerp(torch.tanh(an + torch.sigmoid(ar + br) * bn), s, keep)
            out.append(s.unsqueeze(1))
        return self.output(torch.cat(out, dim=1))


class right_sample_by_sample(_Given):
    """Each sample alone, without a batch axis; only its real tokens are read."""

    def _one(self, source, inputs):
        if len(source):
            _, z = self.encoder(self.source_embedding(source))
        else:
            z = self.encoder.weight_hh_l0.new_zeros(1, self.encoder.hidden_size)
        y = self.target_embedding(inputs)
        out, _ = self.decoder(torch.cat([y, z.expand(len(y), -1)], dim=1), z)
        return self.output(out)

    def forward(self, source, lengths, inputs):
        return torch.stack([self._one(x[:n], y) for x, n, y in zip(source, lengths, inputs, strict=True)])


class right_all_rows_at_once(_Given):
    """The output layer is given one long list of B·T states; z by broadcasting."""

    def forward(self, source, lengths, inputs):
        z = self.encode(source, lengths)
        B, T = inputs.shape
        H = z.shape[-1]
        joined = torch.empty(B, T, self.target_embedding.embedding_dim + H, dtype=z.dtype, device=z.device)
        joined[..., :-H] = self.target_embedding(inputs)
        joined[..., -H:] = z[:, None]
        hidden, _ = self.decoder(joined, z.view(1, B, H))
        return self.output(hidden.reshape(B * T, H)).reshape(B, T, -1)


class right_two_halves(_Given):
    """The target in two pieces; the state goes over from one to the other."""

    def forward(self, source, lengths, inputs):
        z = self.encode(source, lengths)
        state, pieces = z[None], []
        for part in inputs.split((inputs.shape[1] + 1) // 2, dim=1):
            x = torch.cat([self.target_embedding(part), z[:, None].tile(1, part.shape[1], 1)], dim=2)
            out, state = self.decoder(x, state)
            pieces.append(out)
        return self.output(torch.cat(pieces, dim=1))


class right_wide_for_bfloat16(_Given):
    """bfloat16 weights are widened for the decoder; the rest stays as it is."""

    def forward(self, source, lengths, inputs):
        z = self.encode(source, lengths)
        wide = torch.promote_types(z.dtype, torch.float32)
        s = start = z.to(wide)
        W, U, b, c = (p.to(wide) for p in self.decoder.parameters())
        rows = []
        for token in self.target_embedding(inputs).to(wide).transpose(0, 1):
            s = torch.gru_cell(torch.cat([token, start], dim=1), s, W, U, b, c)
            rows.append(s @ self.output.weight.to(wide).T + self.output.bias.to(wide))
        return torch.stack(rows, dim=1).to(z.dtype)


# ------------------------------------------------------------------------------- wrong: how z is fed


class wrong_z_not_fed(_Given):
    """z starts the decoder; zeros are joined with the tokens."""

    def forward(self, source, lengths, inputs):
        z = self.encode(source, lengths)
        y = self.target_embedding(inputs)
        nothing = y.new_zeros(y.shape[0], y.shape[1], z.shape[1])
        states, _ = self.decoder(torch.cat([y, nothing], dim=2), z.unsqueeze(0))
        return self.output(states)


class wrong_z_fed_at_the_first_step_only(_Given):
    """z is joined with the first token; later tokens get zeros."""

    def fed(self, z, steps):
        fed = z.new_zeros(z.shape[0], steps, z.shape[1])
        fed[:, 0] = z
        return fed


class wrong_z_fed_from_the_second_step(_Given):
    """The first token gets zeros: z is in the state already, one thinks."""

    def fed(self, z, steps):
        return F.pad(z.unsqueeze(1).expand(-1, steps - 1, -1), (0, 0, 1, 0))


class wrong_z_fed_at_the_last_step_only(_Given):
    """z waits for the last token."""

    def fed(self, z, steps):
        return F.pad(z.unsqueeze(1), (0, 0, steps - 1, 0))


class wrong_z_fades(_Given):
    """z is halved from step to step."""

    def fed(self, z, steps):
        shrink = 0.5 ** torch.arange(steps, dtype=z.dtype, device=z.device)
        return z.unsqueeze(1) * shrink[:, None]


class wrong_z_before_the_token(_Given):
    """[z; y] for [y; z]."""

    def forward(self, source, lengths, inputs):
        z = self.encode(source, lengths)
        embedded = self.target_embedding(inputs)
        fed = z.unsqueeze(1).repeat(1, embedded.size(1), 1)
        states, _ = self.decoder(torch.cat([fed, embedded], dim=2), z.unsqueeze(0))
        return self.output(states)


class wrong_z_before_the_token_where_it_fits(_Given):
    """[z; y] where E equals H."""

    def join(self, embedded, fed):
        return torch.cat([fed, embedded] if embedded.shape == fed.shape else [embedded, fed], dim=2)


class wrong_repeat_and_view(_Given):
    """z.repeat(T, 1).view(B, T, H) hands samples each other's z."""

    def fed(self, z, steps):
        return z.repeat(steps, 1).view(z.shape[0], steps, z.shape[1])


class wrong_expand_and_reshape(_Given):
    """(T, B, H) reshaped to (B, T, H) where a transpose belongs."""

    def fed(self, z, steps):
        return z.expand(steps, *z.shape).reshape(z.shape[0], steps, -1)


class wrong_state_fed_for_z(_Given):
    """The running state is fed in z's place."""

    def states(self, z, inputs):
        s, out = z.unsqueeze(0), []
        for y in self.target_embedding(inputs).split(1, dim=1):
            o, s = self.decoder(torch.cat([y, s.transpose(0, 1)], dim=2), s)
            out.append(o)
        return torch.cat(out, dim=1)


class wrong_mean_z_fed(_Given):
    """The mean z of the batch is fed to all."""

    def fed(self, z, steps):
        return z.mean(0).expand(z.shape[0], steps, -1)


class wrong_first_z_for_all(_Given):
    """z[0] is fed to the whole batch."""

    def fed(self, z, steps):
        return z[0].expand(z.shape[0], steps, -1)


class wrong_normalised_z_fed(_Given):
    """z is brought to length 1 before it is fed."""

    def fed(self, z, steps):
        return super().fed(F.normalize(z, dim=1), steps)


class wrong_z_added_where_it_fits(_Given):
    """Where E equals H z is added to the tokens as well."""

    def join(self, embedded, fed):
        if embedded.shape == fed.shape:
            embedded = embedded + fed
        return super().join(embedded, fed)


class wrong_token_not_fed(_Given):
    """Zeros in the tokens' place: the decoder hears z only."""

    def embed(self, inputs):
        return torch.zeros_like(self.target_embedding(inputs))


class wrong_decoder_without_z_columns(nn.Module):
    """The decoder is made for the tokens alone."""

    def __init__(self, source_vocab, target_vocab, embed_dim, hidden_dim):
        super().__init__()
        self.source_embedding = nn.Embedding(source_vocab, embed_dim)
        self.encoder = nn.GRU(embed_dim, hidden_dim, batch_first=True)
        self.target_embedding = nn.Embedding(target_vocab, embed_dim)
        self.decoder = nn.GRU(embed_dim, hidden_dim, batch_first=True)
        self.output = nn.Linear(hidden_dim, target_vocab)

    def encode(self, source, lengths):
        h, _ = self.encoder(self.source_embedding(source))
        return _last_hidden(h, lengths)

    def forward(self, source, lengths, inputs):
        z = self.encode(source, lengths)
        states, _ = self.decoder(self.target_embedding(inputs), z.unsqueeze(0))
        return self.output(states)


# ----------------------------------------------------------------------------- wrong: the first state


class wrong_no_first_state(_Given):
    """The decoder is given no state and starts from 0."""

    def forward(self, source, lengths, inputs):
        z = self.encode(source, lengths)
        fed = z.unsqueeze(1).expand(-1, inputs.size(1), -1)
        states, _ = self.decoder(torch.cat([self.target_embedding(inputs), fed], dim=-1))
        return self.output(states)


class wrong_first_state_of_default_zeros(_Given):
    """zeros(1, B, H) of float32."""

    def start(self, z):
        return torch.zeros(1, z.shape[0], z.shape[1])


class wrong_random_first_state(_Given):
    """randn for the first state."""

    def start(self, z):
        return torch.randn_like(z).unsqueeze(0)


class wrong_tanh_of_z_first(_Given):
    """The decoder starts from tanh z."""

    def start(self, z):
        return torch.tanh(z).unsqueeze(0)


class wrong_first_state_scrambled(_Given):
    """z.reshape(H, B).T is not z."""

    def start(self, z):
        return z.reshape(z.shape[1], z.shape[0]).T.unsqueeze(0).contiguous()


class wrong_first_state_batch_first(_Given):
    """batch_first is thought to hold for the state too: (B, 1, H) raises unless B is 1."""

    def start(self, z):
        return z.unsqueeze(1)


class wrong_first_state_of_the_last_sample(_Given):
    """The states of the batch are turned round."""

    def start(self, z):
        return z.flip(0).unsqueeze(0)


class wrong_state_kept_between_calls(_Given):
    """The decoder goes on from where the last batch ended, where the shape fits."""

    kept = None

    def states(self, z, inputs):
        first = z.unsqueeze(0)
        if self.kept is not None and self.kept.shape == first.shape:
            first = self.kept
        x = self.join(self.embed(inputs), self.fed(z, inputs.shape[1]))
        s, last = self.decoder(x, first)
        self.kept = last.detach()
        return s


class wrong_encoder_state_kept_between_calls(_Given):
    """The encoder goes on from the last batch."""

    kept = None

    def encode(self, source, lengths):
        if self.kept is not None and self.kept.shape[1] != len(source):
            self.kept = None
        h, last = self.encoder(self.source_embedding(source), self.kept)
        self.kept = last.detach()
        return _last_hidden(h, lengths)


class wrong_z_kept_between_calls(_Given):
    """A source of a known shape is not read again: its z is remembered."""

    def __init__(self, source_vocab, target_vocab, embed_dim, hidden_dim):
        super().__init__(source_vocab, target_vocab, embed_dim, hidden_dim)
        self.remembered = {}

    def encode(self, source, lengths):
        if source.shape not in self.remembered:
            self.remembered[source.shape] = super().encode(source, lengths)
        return self.remembered[source.shape]


# ------------------------------------------------------------------------------------ wrong: the steps


class wrong_state_not_carried(_Given):
    """Each step starts from z again."""

    def forward(self, source, lengths, inputs):
        z = self.encode(source, lengths)
        outs = []
        for i in range(inputs.shape[1]):
            y = self.target_embedding(inputs[:, i])
            out, _ = self.decoder(torch.cat([y, z], dim=1).unsqueeze(1), z.unsqueeze(0))
            outs.append(out)
        return self.output(torch.cat(outs, dim=1))


class wrong_state_cut_between_steps(_Given):
    """The state is detached from step to step: right values, wrong gradients from the second step on."""

    def states(self, z, inputs):
        s, out = z.unsqueeze(0), []
        for y in self.target_embedding(inputs).split(1, dim=1):
            o, s = self.decoder(torch.cat([y, z.unsqueeze(1)], dim=2), s)
            out.append(o)
            s = s.detach()
        return torch.cat(out, dim=1)


class wrong_halves_start_anew(_Given):
    """The second half of the target starts from z again."""

    def states(self, z, inputs):
        if inputs.shape[1] < 2:
            return super().states(z, inputs)
        return torch.cat([super(wrong_halves_start_anew, self).states(z, p) for p in inputs.chunk(2, 1)], 1)


class wrong_tokens_reversed(_Given):
    """The target is read backwards."""

    def embed(self, inputs):
        return self.target_embedding(inputs.flip(1))


class wrong_tokens_and_logits_reversed(_Given):
    """The target is read backwards and the logits are put back: each step has seen what comes after it."""

    def states(self, z, inputs):
        return super().states(z, inputs.flip(1)).flip(1)


class wrong_sample_order_reversed(_Given):
    """The targets meet another sample's source."""

    def embed(self, inputs):
        return self.target_embedding(inputs.flip(0))


class wrong_shifted_again(_Given):
    """The inputs are shifted once more, with token 0 in front."""

    def forward(self, source, lengths, inputs):
        z = self.encode(source, lengths)
        inputs = torch.cat([torch.zeros_like(inputs[:, :1]), inputs[:, :-1]], dim=1)
        fed = z.unsqueeze(1).expand(-1, inputs.shape[1], -1)
        states, _ = self.decoder(torch.cat([self.target_embedding(inputs), fed], dim=2), z.unsqueeze(0))
        return self.output(states)


class wrong_sees_the_answer(_Given):
    """The inputs are shifted back: each step reads the token that it has to write."""

    def embed(self, inputs):
        return self.target_embedding(torch.cat([inputs[:, 1:], inputs[:, -1:]], dim=1))


class wrong_bos_dropped(_Given):
    """inputs[:, 1:]: one step is missing."""

    def forward(self, source, lengths, inputs):
        return super().forward(source, lengths, inputs[:, 1:])


class wrong_last_step_dropped(_Given):
    """inputs[:, :-1]: the shift is done here a second time."""

    def forward(self, source, lengths, inputs):
        return super().forward(source, lengths, inputs[:, :-1])


class wrong_own_tokens_fed(_Given):
    """After the first step its own best token goes in, not the true one."""

    def forward(self, source, lengths, inputs):
        z = self.encode(source, lengths)
        token, s, logits = inputs[:, :1], z.unsqueeze(0), []
        for _ in range(inputs.shape[1]):
            o, s = self.decoder(torch.cat([self.target_embedding(token), z.unsqueeze(1)], dim=2), s)
            logits.append(self.output(o))
            token = logits[-1].argmax(dim=-1)
        return torch.cat(logits, dim=1)


class wrong_first_token_repeated(_Given):
    """bos goes in at every step."""

    def embed(self, inputs):
        return self.target_embedding(inputs[:, :1].expand_as(inputs))


class wrong_forced_by_chance(_Given):
    """In half of the steps, by chance, its own token goes in."""

    def forward(self, source, lengths, inputs):
        z = self.encode(source, lengths)
        token, s, logits = inputs[:, :1], z.unsqueeze(0), []
        for i in range(inputs.shape[1]):
            o, s = self.decoder(torch.cat([self.target_embedding(token), z.unsqueeze(1)], dim=2), s)
            logits.append(self.output(o))
            own = logits[-1].argmax(dim=-1)
            token = own if torch.rand(()) < 0.5 else inputs[:, i + 1 : i + 2]
        return torch.cat(logits, dim=1)


class wrong_ten_steps_at_most(_Given):
    """MAX_LENGTH = 10: z is fed to ten steps, and the eleventh raises."""

    def fed(self, z, steps):
        return z.unsqueeze(1).repeat(1, min(steps, 10), 1)


class wrong_as_many_steps_as_the_source(_Given):
    """The target is cut to the source's S columns."""

    def forward(self, source, lengths, inputs):
        return super().forward(source, lengths, inputs[:, : source.shape[1]])


class wrong_silent_past_the_source(_Given):
    """Logits are 0 from the step on that the source's length has reached."""

    def forward(self, source, lengths, inputs):
        past = torch.arange(inputs.shape[1], device=inputs.device) >= lengths.unsqueeze(1)
        return super().forward(source, lengths, inputs).masked_fill(past.unsqueeze(-1), 0)


class wrong_silent_after_eos(_Given):
    """Logits are 0 after token 2, thought to be eos, has gone in."""

    def forward(self, source, lengths, inputs):
        ended = (inputs == 2).cumsum(dim=1) > 0
        return super().forward(source, lengths, inputs).masked_fill(ended.unsqueeze(-1), 0)


class wrong_previous_state_written(_Given):
    """The logits of step i are made from the state before it."""

    def states(self, z, inputs):
        return torch.cat([z.unsqueeze(1), super().states(z, inputs)[:, :-1]], dim=1)


class wrong_last_state_for_all_steps(_Given):
    """The decoder's last state writes at every step."""

    def states(self, z, inputs):
        return super().states(z, inputs)[:, -1:].expand(-1, inputs.shape[1], -1)


class wrong_last_step_only(_Given):
    """Only the last step's logits come back, (B, V)."""

    def states(self, z, inputs):
        return super().states(z, inputs)[:, -1]


class wrong_z_added_to_the_states(_Given):
    """z is added before the output layer."""

    def states(self, z, inputs):
        return super().states(z, inputs) + z.unsqueeze(1)


class wrong_z_is_written(_Given):
    """The output layer is given z at every step; the decoder is not used."""

    def states(self, z, inputs):
        return self.fed(z, inputs.shape[1])


class wrong_decoded_with_the_encoder(_Given):
    """The encoder's GRU decodes too."""

    def states(self, z, inputs):
        return self.encoder(self.target_embedding(inputs), z.unsqueeze(0))[0]


class wrong_source_embedding_for_the_target(_Given):
    """The tokens of the target are looked up in the source's table."""

    def embed(self, inputs):
        return self.source_embedding(inputs % self.source_embedding.num_embeddings)


class wrong_target_tokens_beyond_the_source(_Given):
    """Target tokens are clamped to the source's vocabulary."""

    def embed(self, inputs):
        return self.target_embedding(inputs.clamp(max=self.source_embedding.num_embeddings - 1))


class wrong_source_fed_as_target(_Given):
    """Where S equals T the source goes into the decoder."""

    def forward(self, source, lengths, inputs):
        if source.shape == inputs.shape:
            inputs = source.clamp(max=self.target_embedding.num_embeddings - 1)
        return super().forward(source, lengths, inputs)


class wrong_token_zero_emptied(_Given):
    """Token 0 of the target is taken for padding: its embedding is set to 0."""

    def embed(self, inputs):
        return self.target_embedding(inputs) * (inputs != 0).unsqueeze(-1)


class wrong_logits_of_token_zero_emptied(_Given):
    """Steps whose input is token 0 get logits of 0."""

    def forward(self, source, lengths, inputs):
        return super().forward(source, lengths, inputs).masked_fill((inputs == 0).unsqueeze(-1), 0)


class wrong_embedding_scaled(_Given):
    """Embeddings times √E, as transformers do."""

    def embed(self, inputs):
        return self.target_embedding(inputs) * self.target_embedding.embedding_dim**0.5


class wrong_relu_of_the_embedding(_Given):
    """relu on the embedded tokens, as in a well-known tutorial."""

    def embed(self, inputs):
        return F.relu(self.target_embedding(inputs))


class wrong_dropout_always(_Given):
    """F.dropout without training=self.training."""

    def embed(self, inputs):
        return F.dropout(self.target_embedding(inputs), 0.1)


# ----------------------------------------------------------------------------------- wrong: the logits


class wrong_softmax(_Given):
    """Probabilities come back."""

    def forward(self, source, lengths, inputs):
        return torch.softmax(super().forward(source, lengths, inputs), dim=-1)


class wrong_log_softmax(_Given):
    """Logarithms of probabilities come back."""

    def forward(self, source, lengths, inputs):
        return F.log_softmax(super().forward(source, lengths, inputs), dim=-1)


class wrong_centred_logits(_Given):
    """The largest logit is taken off: the same probabilities, other logits."""

    def forward(self, source, lengths, inputs):
        logits = super().forward(source, lengths, inputs)
        return logits - logits.max(dim=-1, keepdim=True).values


class wrong_clamped_logits(_Given):
    """Logits are held within ±20."""

    def forward(self, source, lengths, inputs):
        return super().forward(source, lengths, inputs).clamp(-20, 20)


class wrong_relu_on_the_states(_Given):
    """relu before the output layer."""

    def states(self, z, inputs):
        return F.relu(super().states(z, inputs))


class wrong_bias_left_out(_Given):
    """The states times the output's matrix, without its bias."""

    def forward(self, source, lengths, inputs):
        return self.states(self.encode(source, lengths), inputs) @ self.output.weight.T


class wrong_token_zero_forbidden(_Given):
    """Token 0, thought to be padding, gets a logit of -1e9."""

    def forward(self, source, lengths, inputs):
        logits = super().forward(source, lengths, inputs).clone()
        logits[..., 0] = -1e9
        return logits


class wrong_best_tokens(_Given):
    """argmax comes back."""

    def forward(self, source, lengths, inputs):
        return super().forward(source, lengths, inputs).argmax(dim=-1)


class wrong_states_returned(_Given):
    """The decoder's states come back; the output layer is forgotten."""

    def forward(self, source, lengths, inputs):
        return self.states(self.encode(source, lengths), inputs)


class wrong_time_first(_Given):
    """(T, B, V)."""

    def forward(self, source, lengths, inputs):
        return super().forward(source, lengths, inputs).transpose(0, 1)


class wrong_classes_second(_Given):
    """(B, V, T), as cross_entropy wants it."""

    def forward(self, source, lengths, inputs):
        return super().forward(source, lengths, inputs).transpose(1, 2)


class wrong_flat_logits(_Given):
    """(B·T, V)."""

    def forward(self, source, lengths, inputs):
        return super().forward(source, lengths, inputs).flatten(0, 1)


class wrong_scrambled_logits(_Given):
    """Time first on the way, and reshape on the way back."""

    def forward(self, source, lengths, inputs):
        logits = super().forward(source, lengths, inputs)
        return logits.transpose(0, 1).reshape(logits.shape)


class wrong_logits_and_state(_Given):
    """The last state comes back too."""

    def forward(self, source, lengths, inputs):
        z = self.encode(source, lengths)
        x = self.join(self.embed(inputs), self.fed(z, inputs.shape[1]))
        states, last = self.decoder(x, z.unsqueeze(0))
        return self.output(states), last


class wrong_list_of_steps(_Given):
    """A list of (B, V)."""

    def forward(self, source, lengths, inputs):
        return list(super().forward(source, lengths, inputs).unbind(1))


class wrong_bare_squeeze(_Given):
    """squeeze() at the end: one sample or one step loses its axis."""

    def forward(self, source, lengths, inputs):
        return super().forward(source, lengths, inputs).squeeze()


class wrong_z_squeezed(_Given):
    """squeeze() on z: one sample loses its axis."""

    def encode(self, source, lengths):
        return super().encode(source, lengths).squeeze()


class wrong_one_step_squeezed(_Given):
    """A single step loses its axis."""

    def forward(self, source, lengths, inputs):
        return super().forward(source, lengths, inputs).squeeze(1)


class wrong_nothing_returned(_Given):
    """return is missing."""

    def forward(self, source, lengths, inputs):
        z = self.encode(source, lengths)
        self.output(self.states(z, inputs))


class wrong_arguments_in_another_order(_Given):
    """The lengths come last."""

    def forward(self, source, inputs, lengths):
        return super().forward(source, lengths, inputs)


# --------------------------------------------------------------------------- wrong: encode was changed


class wrong_last_column(_Given):
    """h[:, -1]: the state has read the padding."""

    def encode(self, source, lengths):
        h, _ = self.encoder(self.source_embedding(source))
        return h[:, -1]


class wrong_final_state_of_a_padded_batch(_Given):
    """h_n without packing: the state has read the padding."""

    def encode(self, source, lengths):
        _, h_n = self.encoder(self.source_embedding(source))
        return h_n.squeeze(0)


class wrong_final_state_of_an_emptied_batch(_Given):
    """Padding is embedded as 0, but the state still moves over it."""

    def encode(self, source, lengths):
        real = torch.arange(source.shape[1], device=source.device) < lengths.unsqueeze(1)
        _, h_n = self.encoder(self.source_embedding(source) * real.unsqueeze(-1))
        return h_n[0].masked_fill((lengths == 0).unsqueeze(1), 0)


class wrong_one_token_early(_Given):
    """The state before the last real token."""

    def encode(self, source, lengths):
        h, _ = self.encoder(self.source_embedding(source))
        return _last_hidden(h, (lengths - 1).clamp(min=0))


class wrong_one_token_late(_Given):
    """The state one place after the last real token, where there is one."""

    def encode(self, source, lengths):
        h, _ = self.encoder(self.source_embedding(source))
        z = h[torch.arange(len(h)), lengths.clamp(max=h.shape[1] - 1)]
        return z.masked_fill((lengths == 0).unsqueeze(1), 0)


class wrong_first_state_for_length_zero(_Given):
    """An empty source gets the state after its first pad."""

    def encode(self, source, lengths):
        h, _ = self.encoder(self.source_embedding(source))
        return h[torch.arange(len(h)), (lengths - 1).clamp(min=0)]


class wrong_last_column_for_length_zero(_Given):
    """Place -1 of an empty source is the last column."""

    def encode(self, source, lengths):
        h, _ = self.encoder(self.source_embedding(source))
        return h[torch.arange(len(h)), lengths - 1]


class wrong_one_token_is_none(_Given):
    """Sources of a single token are taken for empty ones."""

    def encode(self, source, lengths):
        return super().encode(source, lengths).masked_fill((lengths <= 1).unsqueeze(1), 0)


class wrong_lengths_from_zero(_Given):
    """lengths is taken for the place of the last token: h[b, lengths], and the last column past the end."""

    def encode(self, source, lengths):
        h, _ = self.encoder(self.source_embedding(source))
        return h[torch.arange(len(h)), lengths.clamp(max=h.shape[1] - 1)]


class wrong_all_empty_for_one_empty(_Given):
    """One empty source, and z is 0 for the whole batch."""

    def encode(self, source, lengths):
        z = super().encode(source, lengths)
        return torch.zeros_like(z) if bool((lengths == 0).any()) else z


class wrong_empty_logits_for_length_zero(_Given):
    """An empty source gets logits of 0."""

    def forward(self, source, lengths, inputs):
        return super().forward(source, lengths, inputs).masked_fill((lengths == 0)[:, None, None], 0)


class wrong_packed_without_care(_Given):
    """pack_padded_sequence refuses a length of 0."""

    def encode(self, source, lengths):
        x = self.source_embedding(source)
        packed = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        return self.encoder(packed)[1][0]


class wrong_sorted_is_expected(_Given):
    """pack_padded_sequence wants the longest first and is not told that it is not so."""

    def encode(self, source, lengths):
        packed = pack_padded_sequence(self.source_embedding(source), lengths.clamp(min=1), batch_first=True)
        return self.encoder(packed)[1][0].masked_fill((lengths == 0).unsqueeze(1), 0)


class wrong_left_sorted(_Given):
    """Sorted by length and left so: z belongs to another sentence."""

    def encode(self, source, lengths):
        ordered, order = lengths.sort(descending=True)
        packed = pack_padded_sequence(
            self.source_embedding(source[order]), ordered.clamp(min=1), batch_first=True
        )
        return self.encoder(packed)[1][0].masked_fill((ordered == 0).unsqueeze(1), 0)


class wrong_unsorted_with_the_same_order(_Given):
    """Sorted by `order` and then indexed with `order` again, not with its inverse."""

    def encode(self, source, lengths):
        order = lengths.argsort(descending=True)
        return super().encode(source[order], lengths[order])[order]


class wrong_unpacked_last_column(_Given):
    """Packed and unpacked, and then the last column, which is 0 for short sources."""

    def encode(self, source, lengths):
        packed = pack_padded_sequence(
            self.source_embedding(source), lengths.clamp(min=1), batch_first=True, enforce_sorted=False
        )
        h, _ = pad_packed_sequence(self.encoder(packed)[0], batch_first=True)
        return h[:, -1].masked_fill((lengths == 0).unsqueeze(1), 0)


class wrong_cut_to_the_longest(_Given):
    """source[:, :lengths.max()]: nothing is left where all are empty, and the GRU refuses it."""

    def encode(self, source, lengths):
        return super().encode(source[:, : int(lengths.max())], lengths)


class wrong_cut_to_the_first(_Given):
    """The first sample is thought to be the longest: the others are cut to its length."""

    def encode(self, source, lengths):
        longest = max(int(lengths[0]), 1)
        return super().encode(source[:, :longest], lengths.clamp(max=longest))


class wrong_first_length_for_all(_Given):
    """The first sample's length holds for all."""

    def encode(self, source, lengths):
        return super().encode(source, lengths[:1].expand_as(lengths))


class wrong_equal_lengths_are_full(_Given):
    """Where all lengths agree there is no padding, one thinks."""

    def encode(self, source, lengths):
        if bool((lengths == lengths[0]).all()):
            lengths = torch.full_like(lengths, source.shape[1])
        return super().encode(source, lengths)


class wrong_a_single_source_is_full(_Given):
    """A batch of one needs no padding, one thinks."""

    def encode(self, source, lengths):
        return super().encode(
            source, lengths if len(source) > 1 else torch.full_like(lengths, source.shape[1])
        )


class wrong_zero_is_padding(_Given):
    """Lengths are counted anew: tokens other than 0."""

    def encode(self, source, lengths):
        return super().encode(source, (source != 0).sum(dim=1))


class wrong_mean_of_the_states(_Given):
    """z is the mean over the real states."""

    def encode(self, source, lengths):
        h, _ = self.encoder(self.source_embedding(source))
        real = torch.arange(h.shape[1], device=h.device) < lengths.unsqueeze(1)
        return (h * real.unsqueeze(-1)).sum(1) / lengths.clamp(min=1).unsqueeze(1).to(h.dtype)


class wrong_source_reversed(_Given):
    """The source is read backwards, padding first."""

    def encode(self, source, lengths):
        h, _ = self.encoder(self.source_embedding(source.flip(1)))
        return h[:, -1].masked_fill((lengths == 0).unsqueeze(1), 0)


class wrong_source_of_target_tokens(_Given):
    """The source is looked up in the target's table."""

    def encode(self, source, lengths):
        h, _ = self.encoder(self.target_embedding(source % self.target_embedding.num_embeddings))
        return _last_hidden(h, lengths)


class wrong_encoder_time_first(nn.Module):
    """batch_first is forgotten for the encoder: it runs over the batch, and no shape complains."""

    def __init__(self, source_vocab, target_vocab, embed_dim, hidden_dim):
        super().__init__()
        self.source_embedding = nn.Embedding(source_vocab, embed_dim)
        self.encoder = nn.GRU(embed_dim, hidden_dim)
        self.target_embedding = nn.Embedding(target_vocab, embed_dim)
        self.decoder = nn.GRU(embed_dim + hidden_dim, hidden_dim, batch_first=True)
        self.output = nn.Linear(hidden_dim, target_vocab)

    def encode(self, source, lengths):
        h, _ = self.encoder(self.source_embedding(source))
        return _last_hidden(h, lengths)

    def forward(self, source, lengths, inputs):
        z = self.encode(source, lengths)
        fed = z.unsqueeze(1).expand(-1, inputs.shape[1], -1)
        s, _ = self.decoder(torch.cat([self.target_embedding(inputs), fed], dim=2), z.unsqueeze(0))
        return self.output(s)


class wrong_decoder_time_first(_Given):
    """batch_first is forgotten for the decoder: raises unless B equals T."""

    def __init__(self, source_vocab, target_vocab, embed_dim, hidden_dim):
        super().__init__(source_vocab, target_vocab, embed_dim, hidden_dim)
        self.decoder = nn.GRU(embed_dim + hidden_dim, hidden_dim)


# --------------------------------------------------------------------- wrong: how the module is made


class wrong_vocabularies_swapped(nn.Module):
    """The two vocabularies change places."""

    def __init__(self, source_vocab, target_vocab, embed_dim, hidden_dim):
        super().__init__()
        self.source_embedding = nn.Embedding(target_vocab, embed_dim)
        self.encoder = nn.GRU(embed_dim, hidden_dim, batch_first=True)
        self.target_embedding = nn.Embedding(source_vocab, embed_dim)
        self.decoder = nn.GRU(embed_dim + hidden_dim, hidden_dim, batch_first=True)
        self.output = nn.Linear(hidden_dim, target_vocab)

    def forward(self, source, lengths, inputs):
        h, _ = self.encoder(self.source_embedding(source))
        z = _last_hidden(h, lengths)
        fed = z.unsqueeze(1).expand(-1, inputs.shape[1], -1)
        s, _ = self.decoder(torch.cat([self.target_embedding(inputs), fed], dim=2), z.unsqueeze(0))
        return self.output(s)


class wrong_output_of_the_source_vocabulary(_Given):
    """The output layer has a row a source token."""

    def __init__(self, source_vocab, target_vocab, embed_dim, hidden_dim):
        super().__init__(source_vocab, target_vocab, embed_dim, hidden_dim)
        self.output = nn.Linear(hidden_dim, source_vocab)


class wrong_plain_rnn(_Given):
    """nn.RNN for the decoder's GRU."""

    def __init__(self, source_vocab, target_vocab, embed_dim, hidden_dim):
        super().__init__(source_vocab, target_vocab, embed_dim, hidden_dim)
        self.decoder = nn.RNN(embed_dim + hidden_dim, hidden_dim, batch_first=True)


class wrong_two_layers(_Given):
    """The decoder has two layers, both started with z."""

    def __init__(self, source_vocab, target_vocab, embed_dim, hidden_dim):
        super().__init__(source_vocab, target_vocab, embed_dim, hidden_dim)
        self.decoder = nn.GRU(embed_dim + hidden_dim, hidden_dim, num_layers=2, batch_first=True)

    def start(self, z):
        return z.expand(2, -1, -1).contiguous()


class wrong_output_without_bias(_Given):
    """The output layer has no bias."""

    def __init__(self, source_vocab, target_vocab, embed_dim, hidden_dim):
        super().__init__(source_vocab, target_vocab, embed_dim, hidden_dim)
        self.output = nn.Linear(hidden_dim, target_vocab, bias=False)


class wrong_row_zero_never_learns(_Given):
    """padding_idx=0: right values, but row 0 of the table gets no gradient."""

    def __init__(self, source_vocab, target_vocab, embed_dim, hidden_dim):
        super().__init__(source_vocab, target_vocab, embed_dim, hidden_dim)
        self.target_embedding = nn.Embedding(target_vocab, embed_dim, padding_idx=0)


class wrong_embeddings_of_norm_one(_Given):
    """max_norm=1 shortens rows of the table as they are looked up."""

    def __init__(self, source_vocab, target_vocab, embed_dim, hidden_dim):
        super().__init__(source_vocab, target_vocab, embed_dim, hidden_dim)
        self.target_embedding = nn.Embedding(target_vocab, embed_dim, max_norm=1.0)

    def embed(self, inputs):
        with torch.no_grad():
            self.target_embedding(inputs)
        return F.embedding(inputs, self.target_embedding.weight)


class wrong_gradients_by_frequency(_Given):
    """scale_grad_by_freq=True: a token that occurs twice gets half the gradient."""

    def __init__(self, source_vocab, target_vocab, embed_dim, hidden_dim):
        super().__init__(source_vocab, target_vocab, embed_dim, hidden_dim)
        self.source_embedding = nn.Embedding(source_vocab, embed_dim, scale_grad_by_freq=True)


class wrong_layers_in_a_python_list(nn.Module):
    """The decoder and the output hide in a plain list."""

    def __init__(self, source_vocab, target_vocab, embed_dim, hidden_dim):
        super().__init__()
        self.source_embedding = nn.Embedding(source_vocab, embed_dim)
        self.encoder = nn.GRU(embed_dim, hidden_dim, batch_first=True)
        self.target_embedding = nn.Embedding(target_vocab, embed_dim)
        self.layers = [
            nn.GRU(embed_dim + hidden_dim, hidden_dim, batch_first=True),
            nn.Linear(hidden_dim, target_vocab),
        ]

    def forward(self, source, lengths, inputs):
        h, _ = self.encoder(self.source_embedding(source))
        z = _last_hidden(h, lengths)
        fed = z.unsqueeze(1).expand(-1, inputs.shape[1], -1)
        decoder, output = self.layers
        s, _ = decoder(torch.cat([self.target_embedding(inputs), fed], dim=2), z.unsqueeze(0))
        return output(s)


class wrong_output_made_in_each_call(_Given):
    """A new output layer in every forward: it never learns."""

    def forward(self, source, lengths, inputs):
        output = nn.Linear(self.output.in_features, self.output.out_features)
        states = self.states(self.encode(source, lengths), inputs)
        return output.to(states.dtype)(states)


class wrong_uninitialised_table(_Given):
    """The table is whatever the memory held."""

    def __init__(self, source_vocab, target_vocab, embed_dim, hidden_dim):
        super().__init__(source_vocab, target_vocab, embed_dim, hidden_dim)
        self.target_embedding.weight = nn.Parameter(torch.FloatTensor(target_vocab, embed_dim))


class wrong_all_zero_at_the_start(_Given):
    """Everything starts at 0."""

    def __init__(self, source_vocab, target_vocab, embed_dim, hidden_dim):
        super().__init__(source_vocab, target_vocab, embed_dim, hidden_dim)
        for p in self.parameters():
            nn.init.zeros_(p)


class wrong_seed_in_the_constructor(_Given):
    """manual_seed in the constructor: every model starts the same."""

    def __init__(self, source_vocab, target_vocab, embed_dim, hidden_dim):
        torch.manual_seed(0)
        super().__init__(source_vocab, target_vocab, embed_dim, hidden_dim)


class wrong_embeddings_frozen(_Given):
    """The tables do not learn."""

    def __init__(self, source_vocab, target_vocab, embed_dim, hidden_dim):
        super().__init__(source_vocab, target_vocab, embed_dim, hidden_dim)
        self.source_embedding.weight.requires_grad_(False)
        self.target_embedding.weight.requires_grad_(False)


class wrong_one_table_where_it_fits(_Given):
    """Source and target share one table where their vocabularies agree."""

    def __init__(self, source_vocab, target_vocab, embed_dim, hidden_dim):
        super().__init__(source_vocab, target_vocab, embed_dim, hidden_dim)
        if source_vocab == target_vocab:
            self.target_embedding = self.source_embedding


class wrong_tied_output_where_it_fits(_Given):
    """Where E equals H the table of the target is the output's matrix."""

    def forward(self, source, lengths, inputs):
        states = self.states(self.encode(source, lengths), inputs)
        tied = self.target_embedding.weight.shape == self.output.weight.shape
        matrix = self.target_embedding.weight if tied else self.output.weight
        return F.linear(states, matrix, self.output.bias)


# ---------------------------------------------------------------------- wrong: gradients, dtypes, memory


class wrong_z_detached(_Given):
    """z is detached: the encoder never learns."""

    def encode(self, source, lengths):
        return super().encode(source, lengths).detach()


class wrong_encoder_without_grad(_Given):
    """The encoder runs under no_grad."""

    @torch.no_grad()
    def encode(self, source, lengths):
        return super().encode(source, lengths)


class wrong_first_state_detached(_Given):
    """z learns as an input only."""

    def start(self, z):
        return z.detach().unsqueeze(0)


class wrong_fed_z_detached(_Given):
    """z learns as the first state only."""

    def fed(self, z, steps):
        return super().fed(z.data, steps)


class wrong_embedding_detached(_Given):
    """The target's table never learns."""

    def embed(self, inputs):
        return self.target_embedding(inputs).detach()


class wrong_states_detached(_Given):
    """Only the output layer learns."""

    def states(self, z, inputs):
        return super().states(z, inputs).detach()


class wrong_gradients_off_in_eval_mode(_Given):
    """Gradients only in training mode."""

    def forward(self, source, lengths, inputs):
        with torch.set_grad_enabled(self.training):
            return super().forward(source, lengths, inputs)


class wrong_new_tensor_from_numbers(_Given):
    """The logits pass through a list of numbers."""

    def forward(self, source, lengths, inputs):
        logits = super().forward(source, lengths, inputs)
        return torch.tensor(logits.tolist(), dtype=logits.dtype)


class wrong_float_logits(_Given):
    """float32 comes out, whatever the weights are."""

    def forward(self, source, lengths, inputs):
        return super().forward(source, lengths, inputs).float()


class wrong_single_precision_inside(_Given):
    """z passes through float32: float64 loses its digits."""

    def encode(self, source, lengths):
        z = super().encode(source, lengths)
        return z.float().to(z.dtype)


class wrong_buffer_of_the_default_dtype(_Given):
    """z is written into zeros of float32, and the decoder of another dtype refuses."""

    def fed(self, z, steps):
        fed = torch.zeros(z.shape[0], steps, z.shape[1])
        fed[:] = z.unsqueeze(1)
        return fed


class wrong_one_hot_in_default_dtype(_Given):
    """one_hot(...).float() @ table: float32 meets another dtype."""

    def embed(self, inputs):
        one_hot = F.one_hot(inputs, self.target_embedding.num_embeddings).float()
        return one_hot @ self.target_embedding.weight


class wrong_through_numpy(_Given):
    """z makes a trip through numpy: no gradient, and no bfloat16."""

    def encode(self, source, lengths):
        return torch.from_numpy(super().encode(source, lengths).detach().numpy())


class wrong_padding_overwritten(_Given):
    """The caller's padding is set to 0."""

    def encode(self, source, lengths):
        source[torch.arange(source.shape[1]) >= lengths.unsqueeze(1)] = 0
        return super().encode(source, lengths)


class wrong_lengths_overwritten(_Given):
    """clamp_ writes into the caller's lengths; the empty ones are noted before."""

    def encode(self, source, lengths):
        empty = (lengths == 0).unsqueeze(1)
        return super().encode(source, lengths.clamp_(min=1)).masked_fill(empty, 0)


class wrong_inputs_overwritten(_Given):
    """bos is written into the caller's inputs once they have been read."""

    def forward(self, source, lengths, inputs):
        logits = super().forward(source, lengths, inputs.clone())
        inputs[:, 0] = 1
        return logits


class wrong_view_of_the_inputs(_Given):
    """view(-1) refuses inputs that are not contiguous."""

    def embed(self, inputs):
        return self.target_embedding(inputs.view(-1)).view(*inputs.shape, -1)


class wrong_strides_assumed(_Given):
    """as_strided reads the source as if it were contiguous."""

    def encode(self, source, lengths):
        return super().encode(source.as_strided(source.shape, (source.shape[1], 1)), lengths)


class wrong_two_no_start_and_softmax(_Given):
    """Two mistakes: no first state, and probabilities for logits."""

    def forward(self, source, lengths, inputs):
        z = self.encode(source, lengths)
        s, _ = self.decoder(self.join(self.embed(inputs), self.fed(z, inputs.shape[1])))
        return self.output(s).softmax(-1)


class wrong_two_last_column_and_once(_Given):
    """Two mistakes: the last column for z, and z fed at the first step only."""

    def encode(self, source, lengths):
        return self.encoder(self.source_embedding(source))[0][:, -1]

    def fed(self, z, steps):
        return F.pad(z.unsqueeze(1), (0, 0, 0, steps - 1))
