"""What surrounds a decoder, the encoder, and both models whole: with one vector and with attention."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from seqattn_ref import AttentionSeq2Seq, Encoder, Seq2Seq, last_hidden, sequence_loss, shift_right

from .calls import assert_close
from .draw import DISTINCT, DTYPES, Draw

B, T, S, _, _, A, _, E, H, X, V, _, _ = DISTINCT
every_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=str)


# shift_right


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8], ids=str)
def test_each_target_becomes_the_next_input(dtype, device):
    tokens = torch.tensor([[5, 6, 2], [7, 2, 0]], dtype=dtype, device=device)
    shifted = shift_right(tokens, 1)
    assert shifted.dtype == dtype
    assert shifted.device == tokens.device
    assert shifted.tolist() == [[1, 5, 6], [1, 7, 2]]


def test_a_single_target_leaves_only_bos():
    assert shift_right(torch.tensor([[5], [6]]), 1).tolist() == [[1], [1]]


# last_hidden


@pytest.mark.parametrize("junk", [1e4, float("nan"), float("inf")])
def test_the_last_state_reads_no_padding(junk):
    draw = Draw()
    states, lengths, real = draw.real("B", "S", "H"), draw.lengths(), draw.padding()
    spoilt = states.masked_fill(~real[:, :, None], junk).requires_grad_()
    last = last_hidden(spoilt, lengths)
    assert torch.equal(last, last_hidden(states, lengths))
    assert (last[-1] == 0).all()
    (gradient,) = torch.autograd.grad(last.sum(), spoilt)
    wanted = torch.zeros_like(states)
    wanted[0, 4] = wanted[1, 2] = 1  # the lengths are 5, 3 and 0
    assert torch.equal(gradient, wanted)


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8], ids=str)
def test_lengths_of_any_integer_dtype_find_the_last_state(dtype, device):
    states = Draw().real("B", "S", "H").to(device)
    last = last_hidden(states, torch.tensor([1, 0, 5], dtype=dtype, device=device))
    assert torch.equal(last, torch.stack([states[0, 0], torch.zeros_like(states[0, 0]), states[2, 4]]))


# sequence_loss


def loss_inputs():
    draw = Draw()
    return draw.real("B", "T", "V"), draw.tokens("V", "B", "T"), draw.padding("T")


def test_the_loss_is_cross_entropy_that_ignores_padding(device):
    logits, targets, mask = (x.to(device) for x in loss_inputs())
    logits.requires_grad_()
    actual = sequence_loss(logits, targets, mask)
    wanted = F.cross_entropy(logits.transpose(1, 2), targets.masked_fill(~mask, -100), ignore_index=-100)
    assert actual.shape == ()
    assert_close(actual, wanted, 1e-12)
    assert_close(*(torch.autograd.grad(loss, logits)[0] for loss in (actual, wanted)), 1e-12)


def test_each_token_counts_the_same_however_long_its_sequence_is():
    """One token costs ln 2 and three cost nothing."""
    logits = torch.tensor([[[0.0, 0.0], [0.0, 0.0], [0.0, 0.0]], [[1e4, 0.0], [1e4, 0.0], [1e4, 0.0]]])
    mask = torch.tensor([[True, False, False], [True, True, True]])
    loss = sequence_loss(logits, torch.zeros(2, 3, dtype=torch.int64), mask)
    assert loss.item() == pytest.approx(math.log(2) / 4)


def test_not_knowing_costs_the_logarithm_of_the_vocabulary():
    _, targets, mask = loss_inputs()
    assert sequence_loss(torch.zeros(B, T, V), targets, mask).item() == pytest.approx(math.log(V))


@every_dtype
@pytest.mark.parametrize("junk", [1e4, -1e4])
def test_the_loss_reads_no_padding(dtype, junk):
    logits, targets, mask = loss_inputs()
    logits = logits.to(dtype)
    spoilt = logits.masked_fill(~mask[:, :, None], junk).requires_grad_()
    other_targets = targets.masked_fill(~mask, V - 1)
    loss = sequence_loss(spoilt, other_targets, mask)
    assert torch.equal(loss, sequence_loss(logits, targets, mask))
    (gradient,) = torch.autograd.grad(loss, spoilt)
    assert (gradient[~mask] == 0).all()
    assert (gradient[mask] != 0).any()


@every_dtype
def test_a_batch_of_padding_has_no_loss_and_gradients_of_0(dtype, device):
    logits, targets, mask = (x.to(device) for x in loss_inputs())
    logits = (1e4 * logits).to(dtype).requires_grad_()
    loss = sequence_loss(logits, targets, torch.zeros_like(mask))
    (gradient,) = torch.autograd.grad(loss, logits)
    assert loss.item() == 0
    assert (gradient == 0).all()


# Encoder


@pytest.fixture(params=[False, True], ids=["one way", "both ways"])
def encoder(request):
    torch.manual_seed(0)
    return Encoder(X, E, H, bidirectional=request.param).double()


def backwards_of(states):
    return states[..., H:]


def test_the_encoder_is_pytorchs_gru_on_packed_sequences(encoder, device):
    """Ours takes lengths of 0 as well, in any order, and reads no length back from a GPU."""
    encoder.to(device)
    gru = nn.GRU(E, H, batch_first=True, bidirectional=encoder.backwards is not None).to(
        device, torch.float64
    )
    weights = dict(encoder.forwards.named_parameters())
    if encoder.backwards is not None:
        weights |= {f"{name}_reverse": weight for name, weight in encoder.backwards.named_parameters()}
    gru.load_state_dict(weights)

    source, lengths = Draw().tokens("X", "B", "S").to(device), torch.tensor([3, 5, 1])
    packed = pack_padded_sequence(encoder.embedding(source), lengths, batch_first=True, enforce_sorted=False)
    states, last = gru(packed)
    states, _ = pad_packed_sequence(states, batch_first=True, total_length=S)
    wanted = states, torch.cat([*last], dim=1)
    actual = encoder(source, lengths.to(device))
    for ours, theirs in zip(actual, wanted, strict=True):
        assert_close(ours, theirs, 1e-12)
    for ours, theirs in zip(
        torch.autograd.grad(sum(x.square().sum() for x in actual), list(encoder.parameters())),
        torch.autograd.grad(
            sum(x.square().sum() for x in wanted), [encoder.embedding.weight, *gru.parameters()]
        ),
        strict=True,
    ):
        assert_close(ours, theirs, 1e-12)


def test_states_are_0_at_padding_and_the_last_ones_stand_where_reading_ends(encoder):
    draw = Draw()
    source, lengths, real = draw.tokens("X", "B", "S"), draw.lengths(), draw.padding()
    h, last = encoder(source, lengths)
    assert h.shape == (B, S, encoder.state_dim)
    assert last.shape == (B, encoder.state_dim)
    assert (h[~real] == 0).all()
    assert (h[real] != 0).all()
    assert torch.equal(last[:, :H], last_hidden(h[:, :, :H], lengths))
    assert torch.equal(backwards_of(last), backwards_of(h[:, 0]))


def test_each_state_has_read_what_its_direction_has_passed():
    torch.manual_seed(0)
    encoder = Encoder(X, E, H, bidirectional=True).double()
    source, lengths = Draw().tokens("X", "B", "S"), torch.full((B,), S)
    h, _ = encoder(source, lengths)
    for j in range(S):
        changed = source.clone()
        changed[:, j] = (source[:, j] + 1) % X
        difference = (encoder(changed, lengths)[0] - h).abs()
        forwards, backwards = (way.amax(dim=(0, 2)) > 1e-9 for way in difference.split(H, dim=2))
        assert forwards.tolist() == [k >= j for k in range(S)]
        assert backwards.tolist() == [k <= j for k in range(S)]


def test_the_encoder_reads_no_padding(encoder):
    draw = Draw()
    source, lengths, real = draw.tokens("X", "B", "S"), draw.lengths(), draw.padding()
    h, last = encoder(source, lengths)
    for token in (0, X - 1):
        same_h, same_last = encoder(padded(source, real, token), lengths)
        assert_close(same_h, F.pad(h, (0, 0, 0, 3)), 1e-12)
        assert_close(same_last, last, 1e-12)


def padded(source, real, token):
    """The same sentences with this token as their padding, and three tokens more of it."""
    return F.pad(source.masked_fill(~real, token), (0, 3), value=token)


# Both models whole

MODELS = {"one vector": lambda: Seq2Seq(X, V, E, H), "attention": lambda: AttentionSeq2Seq(X, V, E, H, A)}


@pytest.fixture(params=MODELS)
def model(request):
    torch.manual_seed(0)
    return MODELS[request.param]().double()


@pytest.fixture
def batch():
    """A source whose last row is empty, its lengths, and the decoder's inputs."""
    draw = Draw()
    return draw.tokens("X", "B", "S"), draw.lengths(), draw.tokens("V", "B", "T")


def logits_of(model, *inputs):
    result = model(*inputs)
    return result[0] if isinstance(result, tuple) else result


def test_padding_may_hold_any_token_in_any_amount(model, batch):
    source, lengths, inputs = batch
    logits = logits_of(model, *batch)
    for token in (0, X - 1):
        other = padded(source, Draw().padding(), token)
        assert_close(logits_of(model, other, lengths, inputs), logits, 1e-12)


def test_samples_do_not_meet(model, batch):
    together = logits_of(model, *batch)
    for b in range(B):
        assert_close(logits_of(model, *(x[b : b + 1] for x in batch))[0], together[b], 1e-12)


def test_logits_see_the_tokens_before_theirs_and_none_after(model, batch):
    """The logits for y^i come from y^{i-1}, which is input i, and from those before it."""
    source, lengths, inputs = batch
    logits = logits_of(model, *batch)
    for i in range(T):
        changed = inputs.clone()
        changed[:, i] = (inputs[:, i] + 1) % V
        difference = (logits_of(model, source, lengths, changed) - logits).abs().amax(dim=2)
        assert (difference[:, :i] < 1e-12).all()
        assert (difference[:, i:] > 1e-9).all()


def test_every_real_source_token_matters_at_every_step(model, batch):
    source, lengths, inputs = batch
    logits = logits_of(model, *batch)
    for j in range(S):
        changed = source.clone()
        changed[:, j] = (source[:, j] + 1) % X
        difference = (logits_of(model, changed, lengths, inputs) - logits).abs().amax(dim=2)  # (B, T)
        real = j < lengths
        assert (difference[real] > 1e-9).all()
        assert (difference[~real] < 1e-12).all()


@every_dtype
def test_an_empty_source_gives_finite_logits_and_gradients(model, batch, dtype, device):
    model.to(device, dtype)
    source, lengths, inputs = (x.to(device) for x in batch)
    for given in (lengths, torch.zeros_like(lengths)):
        logits = logits_of(model, source, given, inputs)
        model.zero_grad()
        logits.square().sum().backward()
        assert logits.isfinite().all()
        assert all(parameter.grad.isfinite().all() for parameter in model.parameters())
    embedding = model.source_embedding if isinstance(model, Seq2Seq) else model.encoder.embedding
    assert (embedding.weight.grad == 0).all()  # no source had a token


def test_a_pair_that_is_trained_on_is_learned(model):
    """Gradients of all parameters fit together: the loss falls far below that of guessing."""
    draw = Draw()
    source, lengths, targets = draw.tokens("X", "B", "S"), draw.lengths(), draw.tokens("V", "B", "T")
    inputs, mask = shift_right(targets, 0), torch.ones(B, T, dtype=torch.bool)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(60):
        loss = sequence_loss(logits_of(model, source, lengths, inputs), targets, mask)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.1 < math.log(V)


# Seq2Seq


def test_the_parameters_of_seq2seq_have_the_names_and_shapes_of_the_contract():
    shapes = {name: tuple(parameter.shape) for name, parameter in Seq2Seq(X, V, E, H).named_parameters()}
    gru = {
        name: tuple(parameter.shape) for name, parameter in nn.GRU(E, H, batch_first=True).named_parameters()
    }
    wanted = {"source_embedding.weight": (X, E), "target_embedding.weight": (V, E)}
    wanted |= {f"{part}.{name}": shape for part in ("encoder", "decoder") for name, shape in gru.items()}
    wanted |= {"decoder.weight_ih_l0": (3 * H, E + H), "output.weight": (V, H), "output.bias": (V,)}
    assert shapes == wanted


def test_teacher_forced_logits_are_those_of_one_step_at_a_time(batch):
    model = MODELS["one vector"]().double()
    source, lengths, inputs = batch
    together = model(source, lengths, inputs)
    z = state = model.encode(source, lengths)
    for i in range(T):
        logits, state = model.decode(inputs[:, i : i + 1], state, z)
        assert_close(logits[:, 0], together[:, i], 1e-12)


def test_z_is_fed_at_each_step_and_the_state_is_carried_on(batch):
    model = MODELS["one vector"]().double()
    draw = Draw()
    inputs, state, z = batch[2], draw.real("B", "H"), draw.real("B", "H")
    logits, _ = model.decode(inputs, state, z)
    for other_state, other_z in ((state, z + 1), (state + 1, z)):
        others, _ = model.decode(inputs, other_state, other_z)
        assert ((others - logits).abs().amax(dim=2) > 1e-9).all()


def test_the_code_is_the_last_state_of_the_encoder(batch):
    model = MODELS["one vector"]().double()
    source, lengths, _ = batch
    z = model.encode(source, lengths)
    for b, length in enumerate(lengths.tolist()[:-1]):
        _, last = model.encoder(model.source_embedding(source[b : b + 1, :length]))
        assert_close(z[b], last[0, 0], 1e-12)
    assert (z[-1] == 0).all()
