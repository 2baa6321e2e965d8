"""Student answers to sequence_loss(logits (B, T, V), targets (B, T) int, mask (B, T) bool) -> (), right and
wrong."""

import math

import torch
import torch.nn.functional as F
from torch import nn

# Right


def right_log_softmax_and_gather(logits, targets, mask):
    """gather from log_softmax, padding multiplied by 0, divided by the count."""
    log_p = F.log_softmax(logits, dim=-1).gather(-1, targets.long().unsqueeze(-1)).squeeze(-1)
    return -(log_p * mask).sum() / mask.sum().clamp(min=1)


def right_cross_entropy_of_each_token(logits, targets, mask):
    """cross_entropy with the classes on axis 1 and no reduction."""
    loss = F.cross_entropy(logits.transpose(1, 2), targets.long(), reduction="none")
    return loss.masked_fill(~mask, 0.0).sum() / max(int(mask.sum()), 1)


def right_ignore_index(logits, targets, mask):
    """Padding becomes -100, which cross_entropy leaves out; the sum is divided by hand."""
    y = targets.long().masked_fill(~mask, -100)
    total = F.cross_entropy(logits.flatten(0, 1), y.flatten(), ignore_index=-100, reduction="sum")
    return total / mask.sum().clamp_min(1)


def right_ignore_index_and_mean(logits, targets, mask):
    """The mean that cross_entropy takes by itself, except where there is nothing to take it of."""
    if not mask.any():
        return (logits * 0).sum()
    y = torch.where(mask, targets.long(), -1)
    return F.cross_entropy(logits.reshape(-1, logits.size(-1)), y.reshape(-1), ignore_index=-1)


def right_real_tokens_only(logits, targets, mask):
    """Boolean indexing keeps the real tokens of the batch in a row."""
    real, y = logits[mask], targets[mask].long()
    return F.cross_entropy(real, y, reduction="sum") / max(len(y), 1)


def right_module_and_nll(logits, targets, mask):
    """nn.LogSoftmax and nn.NLLLoss."""
    log_p = nn.LogSoftmax(dim=2)(logits)
    each = nn.NLLLoss(reduction="none")(log_p.permute(0, 2, 1), targets.long())
    return torch.where(mask, each, torch.zeros_like(each)).sum() / mask.sum().clamp(min=1)


def right_one_hot(logits, targets, mask):
    """einsum with one-hot targets, whose rows are empty at padding."""
    truth = F.one_hot(targets.long(), logits.shape[-1]) * mask.unsqueeze(-1)
    total = torch.einsum("btv,btv->", truth.to(logits.dtype), torch.log_softmax(logits, -1))
    return -total / truth.sum().clamp(min=1)


def right_loops(logits, targets, mask):
    """Loops over samples and steps, added up in float64."""
    total, count = logits.sum().double() * 0, 0
    for b in range(mask.shape[0]):
        for t in range(mask.shape[1]):
            if mask[b, t]:
                x = logits[b, t].double()
                total = total + torch.logsumexp(x, dim=0) - x[targets[b, t]]
                count += 1
    return (total / max(count, 1)).to(logits.dtype)


def right_shifted_by_hand(logits, targets, mask):
    """The largest logit is taken off, then log Σ exp."""
    x = logits.float() if logits.dtype == torch.bfloat16 else logits
    x = x - x.max(dim=-1, keepdim=True).values
    log_z = x.exp().sum(dim=-1).log()
    picked = torch.take_along_dim(x, targets.long()[..., None], dim=-1)[..., 0]
    loss = (log_z - picked) * mask
    return (loss.sum() / mask.sum().clamp(min=1)).to(logits.dtype)


def right_weights(logits, targets, mask):
    """Each real token has the weight 1 / n."""
    weights = mask.to(logits.dtype) / mask.sum().clamp(min=1)
    B, T = targets.shape
    log_p = logits.log_softmax(2)[torch.arange(B)[:, None], torch.arange(T), targets.long()]
    return -(weights * log_p).sum()


def right_step_by_step(logits, targets, mask):
    """The loss of each decoder step is added, as in a decoding loop."""
    loss, n = torch.zeros((), dtype=torch.promote_types(logits.dtype, torch.float32)), 0
    for step_logits, y, real in zip(logits.unbind(1), targets.unbind(1), mask.unbind(1), strict=True):
        each = F.cross_entropy(step_logits, y.long(), reduction="none")
        loss = loss + torch.where(real, each, 0.0).sum()
        n = n + real.sum()
    return (loss / n.clamp(min=1)).to(logits.dtype)


def right_categorical(logits, targets, mask):
    """torch.distributions in float64."""
    log_p = torch.distributions.Categorical(logits=logits.double()).log_prob(targets)
    return (-(log_p * mask).sum() / mask.sum().clamp(min=1)).to(logits.dtype)


def right_sample_sums_weighted_back(logits, targets, mask):
    """Means of the sentences, each weighted by its number of tokens."""
    each = F.cross_entropy(logits.movedim(-1, 1), targets.long(), reduction="none") * mask
    n = mask.sum(1)
    means = each.sum(1) / n.clamp(min=1)
    return (means * n).sum() / n.sum().clamp(min=1)


# Wrong: what is averaged


def _each(logits, targets):
    """-log p of each target, (B, T)."""
    return F.cross_entropy(logits.transpose(1, 2), targets.long(), reduction="none")


def wrong_pads_counted(logits, targets, mask):
    """The mask is not used."""
    return F.cross_entropy(logits.flatten(0, 1), targets.long().flatten())


def wrong_mean_over_padded_places(logits, targets, mask):
    """Padding is 0, but it is counted."""
    return (_each(logits, targets) * mask).mean()


def wrong_pads_in_the_sum(logits, targets, mask):
    """Divided by the right count, but padding is in the sum."""
    return _each(logits, targets).sum() / mask.sum().clamp(min=1)


def wrong_mean_of_sentence_means(logits, targets, mask):
    """Each sentence counts alike, however long."""
    loss = _each(logits, targets) * mask
    return (loss.sum(1) / mask.sum(1).clamp(min=1)).mean()


def wrong_mean_of_nonempty_sentence_means(logits, targets, mask):
    """Each sentence with a token counts alike."""
    loss, n = _each(logits, targets) * mask, mask.sum(1)
    return (loss.sum(1) / n.clamp(min=1)).sum() / (n > 0).sum().clamp(min=1)


def wrong_mean_of_step_means(logits, targets, mask):
    """Each step counts alike, however few sentences are left in it."""
    loss, n = _each(logits, targets) * mask, mask.sum(0)
    return (loss.sum(0) / n.clamp(min=1)).sum() / (n > 0).sum().clamp(min=1)


def wrong_sum(logits, targets, mask):
    """The sum over the real tokens."""
    return (_each(logits, targets) * mask).sum()


def wrong_divided_by_the_batch(logits, targets, mask):
    """The sum divided by B."""
    return (_each(logits, targets) * mask).sum() / logits.shape[0]


def wrong_divided_by_the_steps(logits, targets, mask):
    """The sum divided by T."""
    return (_each(logits, targets) * mask).sum() / logits.shape[1]


def wrong_divided_by_the_longest(logits, targets, mask):
    """B times the longest length: right without padding, and in batches of one."""
    return (_each(logits, targets) * mask).sum() / (len(mask) * mask.sum(1).max()).clamp(min=1)


def wrong_divided_by_the_vocabulary_too(logits, targets, mask):
    """The mean over one-hot rows divides by V as well."""
    truth = F.one_hot(targets.long(), logits.shape[-1]).to(logits.dtype)
    loss = -(truth * F.log_softmax(logits, -1)).mean(-1)
    return (loss * mask).sum() / mask.sum().clamp(min=1)


def wrong_count_plus_one(logits, targets, mask):
    """The count plus 1, against the division by 0."""
    return (_each(logits, targets) * mask).sum() / (mask.sum() + 1)


def wrong_large_epsilon(logits, targets, mask):
    """0.01 is added to the count."""
    return (_each(logits, targets) * mask).sum() / (float(mask.sum()) + 1e-2)


def wrong_count_of_losses_above_zero(logits, targets, mask):
    """Real tokens are counted by their loss: one that is predicted surely has loss 0 and is left out."""
    loss = _each(logits, targets) * mask
    return loss.sum() / (loss > 0).sum().clamp(min=1)


def wrong_counted_before_the_mask(logits, targets, mask):
    """The count of the places where the target is not 0."""
    return (_each(logits, targets) * mask).sum() / (targets != 0).sum().clamp(min=1)


def wrong_every_sentence_has_a_token(logits, targets, mask):
    """The lengths are held at 1 or more before they are added: an empty sentence counts as a token."""
    return (_each(logits, targets) * mask).sum() / mask.sum(1).clamp(min=1).sum()


def wrong_median(logits, targets, mask):
    """The median of the real tokens."""
    return _each(logits, targets)[mask].median() if mask.any() else logits.sum() * 0


def wrong_first_sentence_only(logits, targets, mask):
    """Only sample 0 is looked at."""
    return (_each(logits, targets)[0] * mask[0]).sum() / mask[0].sum().clamp(min=1)


# Wrong: which places are real


def wrong_inverted(logits, targets, mask):
    """The loss of the padding."""
    return (_each(logits, targets) * ~mask).sum() / (~mask).sum().clamp(min=1)


def wrong_target_zero_is_padding(logits, targets, mask):
    """ignore_index=0 in place of the mask."""
    y = targets.long().flatten()
    total = F.cross_entropy(logits.flatten(0, 1), y, ignore_index=0, reduction="sum")
    return total / (y != 0).sum().clamp(min=1)


def wrong_padding_marked_with_zero(logits, targets, mask):
    """Padding becomes 0 and 0 is ignored: real tokens with number 0 are lost as well."""
    y = (targets.long() * mask).flatten()
    total = F.cross_entropy(logits.flatten(0, 1), y, ignore_index=0, reduction="sum")
    return total / (y != 0).sum().clamp(min=1)


def wrong_zero_ignored_but_counted(logits, targets, mask):
    """Padding becomes 0 and 0 is ignored, but the count is the mask's."""
    y = (targets.long() * mask).flatten()
    total = F.cross_entropy(logits.flatten(0, 1), y, ignore_index=0, reduction="sum")
    return total / mask.sum().clamp(min=1)


def wrong_last_class_marks_padding(logits, targets, mask):
    """V - 1 marks the padding, and is a real token too."""
    V = logits.shape[-1]
    y = targets.long().masked_fill(~mask, V - 1).flatten()
    total = F.cross_entropy(logits.flatten(0, 1), y, ignore_index=V - 1, reduction="sum")
    return total / (y != V - 1).sum().clamp(min=1)


def wrong_prefix_by_count(logits, targets, mask):
    """The first n places, which is right for padding on the right only."""
    real = torch.arange(mask.shape[1]) < mask.sum(1, keepdim=True)
    return (_each(logits, targets) * real).sum() / real.sum().clamp(min=1)


def wrong_until_the_first_pad(logits, targets, mask):
    """Everything after the first padding is dropped."""
    real = mask.long().cumprod(1).bool()
    return (_each(logits, targets) * real).sum() / real.sum().clamp(min=1)


def wrong_up_to_the_last_real_token(logits, targets, mask):
    """Padding before the last real token is counted in."""
    real = mask.long().flip(1).cumsum(1).flip(1) > 0
    return (_each(logits, targets) * real).sum() / real.sum().clamp(min=1)


def wrong_mask_of_the_first_sample(logits, targets, mask):
    """The first row of the mask is used for all."""
    real = mask[:1].expand_as(mask)
    return (_each(logits, targets) * real).sum() / real.sum().clamp(min=1)


def wrong_first_token_left_out(logits, targets, mask):
    """The first target is taken for bos and skipped."""
    real = mask.clone()
    real[:, 0] = False
    return (_each(logits, targets) * real).sum() / real.sum().clamp(min=1)


def wrong_last_token_left_out(logits, targets, mask):
    """The last real token of each sentence, its eos, is not asked for."""
    real = mask & F.pad(mask, (0, 1))[:, 1:]
    return (_each(logits, targets) * real).sum() / real.sum().clamp(min=1)


def wrong_transposed_mask_when_square(logits, targets, mask):
    """The mask is read as (T, B) where B equals T."""
    real = mask.T if mask.shape[0] == mask.shape[1] else mask
    return (_each(logits, targets) * real).sum() / real.sum().clamp(min=1)


def wrong_targets_shifted_once_more(logits, targets, mask):
    """logits[:, :-1] against targets[:, 1:], as for a language model whose targets are its inputs."""
    loss = _each(logits[:, :-1], targets[:, 1:]) * mask[:, 1:]
    return loss.sum() / mask[:, 1:].sum().clamp(min=1)


def wrong_logits_zeroed_at_padding(logits, targets, mask):
    """The mask meets the logits: padding costs ln V each."""
    return F.cross_entropy((logits * mask.unsqueeze(-1)).flatten(0, 1), targets.long().flatten())


def wrong_targets_zeroed_at_padding(logits, targets, mask):
    """Padding asks for token 0, and is counted."""
    return F.cross_entropy(logits.flatten(0, 1), (targets.long() * mask).flatten())


def wrong_minus_infinity_at_padding(logits, targets, mask):
    """-inf in the logits of the padding: 0 times NaN."""
    filled = logits.masked_fill(~mask.unsqueeze(-1), -math.inf)
    return (_each(filled, targets) * mask).sum() / mask.sum().clamp(min=1)


# Wrong: a batch without tokens


def wrong_nan_without_tokens(logits, targets, mask):
    """0 / 0."""
    return (_each(logits, targets) * mask).sum() / mask.sum()


def wrong_nan_from_cross_entropy(logits, targets, mask):
    """The mean of cross_entropy over nothing is NaN."""
    y = targets.long().masked_fill(~mask, -100)
    return F.cross_entropy(logits.flatten(0, 1), y.flatten())


def wrong_nan_in_the_gradient(logits, targets, mask):
    """nan_to_num mends the value; 0 · inf stays in the gradient."""
    count = mask.sum().to(logits.dtype)
    return torch.nan_to_num((_each(logits, targets) * mask * (1 / count)).sum())


def wrong_plain_mean_without_tokens(logits, targets, mask):
    """Without a real token, the mean over the padding."""
    loss = _each(logits, targets)
    return loss[mask].mean() if mask.any() else loss.mean()


def wrong_integer_without_tokens(logits, targets, mask):
    """Without a real token, a Python 0 instead of a tensor."""
    if not mask.any():
        return 0
    return _each(logits, targets)[mask].mean()


# Wrong: the probabilities


def wrong_softmax_first(logits, targets, mask):
    """Softmax before cross_entropy: even the surest model keeps a loss."""
    return (_each(torch.softmax(logits, -1), targets) * mask).sum() / mask.sum().clamp(min=1)


def wrong_log_of_softmax(logits, targets, mask):
    """log(softmax): log 0 = -inf for logits far apart."""
    p = torch.softmax(logits, -1).gather(-1, targets.long().unsqueeze(-1)).squeeze(-1)
    return torch.where(mask, -p.log(), 0.0).to(logits.dtype).sum() / mask.sum().clamp(min=1)


def wrong_log_with_epsilon(logits, targets, mask):
    """log(softmax + 1e-9): no loss above 20.7."""
    p = torch.softmax(logits, -1).gather(-1, targets.long().unsqueeze(-1)).squeeze(-1)
    return -((p + 1e-9).log() * mask).sum() / mask.sum().clamp(min=1)


def wrong_plain_exponentials(logits, targets, mask):
    """log Σ exp without a shift overflows."""
    log_z = logits.exp().sum(-1).log()
    loss = log_z - logits.gather(-1, targets.long().unsqueeze(-1)).squeeze(-1)
    return loss.masked_fill(~mask, 0).sum() / mask.sum().clamp(min=1)


def wrong_shifted_by_the_largest_of_the_batch(logits, targets, mask):
    """One maximum for the whole batch: places with small logits underflow to log 0."""
    x = logits - logits.max()
    loss = x.exp().sum(-1).log() - x.gather(-1, targets.long().unsqueeze(-1)).squeeze(-1)
    return loss.masked_fill(~mask, 0).sum() / mask.sum().clamp(min=1)


def wrong_logits_clamped(logits, targets, mask):
    """The logits are held within ±50."""
    return (_each(logits.clamp(-50, 50), targets) * mask).sum() / mask.sum().clamp(min=1)


def wrong_loss_clamped(logits, targets, mask):
    """No token may cost more than 100, as in a binary cross-entropy."""
    return (_each(logits, targets).clamp(max=100) * mask).sum() / mask.sum().clamp(min=1)


def wrong_no_log(logits, targets, mask):
    """The mean of -p."""
    p = torch.softmax(logits, -1).gather(-1, targets.long().unsqueeze(-1)).squeeze(-1)
    return -(p * mask).sum() / mask.sum().clamp(min=1)


def wrong_log_of_the_mean(logits, targets, mask):
    """-log of the mean probability."""
    p = torch.softmax(logits, -1).gather(-1, targets.long().unsqueeze(-1)).squeeze(-1)
    if not mask.any():
        return logits.sum() * 0
    return -((p * mask).sum() / mask.sum()).log()


def wrong_logit_of_the_target(logits, targets, mask):
    """-logit of the target, without normalising."""
    x = logits.gather(-1, targets.long().unsqueeze(-1)).squeeze(-1)
    return -(x * mask).sum() / mask.sum().clamp(min=1)


def wrong_sign(logits, targets, mask):
    """log p without the minus."""
    return -(_each(logits, targets) * mask).sum() / mask.sum().clamp(min=1)


def wrong_bits(logits, targets, mask):
    """In bits."""
    return (_each(logits, targets) * mask).sum() / mask.sum().clamp(min=1) / math.log(2)


def wrong_perplexity(logits, targets, mask):
    """exp of the mean."""
    return ((_each(logits, targets) * mask).sum() / mask.sum().clamp(min=1)).exp()


def wrong_smoothed_labels(logits, targets, mask):
    """label_smoothing=0.1."""
    loss = F.cross_entropy(logits.transpose(1, 2), targets.long(), reduction="none", label_smoothing=0.1)
    return (loss * mask).sum() / mask.sum().clamp(min=1)


def wrong_squared_error(logits, targets, mask):
    """Squared distance between the probabilities and the one-hot target."""
    truth = F.one_hot(targets.long(), logits.shape[-1])
    return ((logits.softmax(-1) - truth).pow(2).sum(-1) * mask).sum() / mask.sum().clamp(min=1)


def wrong_binary_cross_entropy(logits, targets, mask):
    """Each class is a yes or no of its own."""
    truth = F.one_hot(targets.long(), logits.shape[-1]).to(logits.dtype)
    loss = F.binary_cross_entropy_with_logits(logits, truth, reduction="none").sum(-1)
    return (loss * mask).sum() / mask.sum().clamp(min=1)


# Wrong: the axes


def wrong_softmax_over_the_steps(logits, targets, mask):
    """log_softmax over T."""
    log_p = logits.log_softmax(1).gather(-1, targets.long().unsqueeze(-1)).squeeze(-1)
    return -(log_p * mask).sum() / mask.sum().clamp(min=1)


def wrong_softmax_over_the_batch(logits, targets, mask):
    """log_softmax over B."""
    log_p = logits.log_softmax(0).gather(-1, targets.long().unsqueeze(-1)).squeeze(-1)
    return -(log_p * mask).sum() / mask.sum().clamp(min=1)


def wrong_cross_entropy_as_it_comes(logits, targets, mask):
    """(B, T, V) goes in as it is: raises, or takes T for the classes where T equals V."""
    loss = F.cross_entropy(logits, targets.long(), reduction="none")
    return (loss * mask).sum() / mask.sum().clamp(min=1)


def wrong_classes_on_axis_one_when_it_fits(logits, targets, mask):
    """The transpose is left out where T equals V."""
    x = logits if logits.shape[1] == logits.shape[2] else logits.transpose(1, 2)
    loss = F.cross_entropy(x, targets.long(), reduction="none")
    return (loss * mask).sum() / mask.sum().clamp(min=1)


def wrong_view_for_transpose(logits, targets, mask):
    """reshape to (B, V, T) scrambles the logits."""
    B, T, V = logits.shape
    loss = F.cross_entropy(logits.reshape(B, V, T), targets.long(), reduction="none")
    return (loss * mask).sum() / mask.sum().clamp(min=1)


def wrong_targets_time_first(logits, targets, mask):
    """The targets are flattened step by step, the logits sample by sample."""
    loss = F.cross_entropy(logits.flatten(0, 1), targets.long().T.flatten(), reduction="none")
    return (loss * mask.flatten()).sum() / mask.sum().clamp(min=1)


def wrong_mask_time_first(logits, targets, mask):
    """The mask is flattened step by step, the loss sample by sample."""
    loss = F.cross_entropy(logits.flatten(0, 1), targets.long().flatten(), reduction="none")
    return (loss * mask.T.flatten()).sum() / mask.sum().clamp(min=1)


def wrong_target_of_the_first_sample(logits, targets, mask):
    """Every sample is asked for the tokens of the first."""
    return (_each(logits, targets[:1].expand_as(targets)) * mask).sum() / mask.sum().clamp(min=1)


def wrong_grid_of_pairs(logits, targets, mask):
    """(N,) meets (N, 1) and gives (N, N), of which the mean is taken."""
    loss = _each(logits, targets).reshape(-1)
    real = mask.reshape(-1, 1).to(logits.dtype)
    return (loss * real).sum() / mask.sum().clamp(min=1)


def wrong_needs_contiguous_logits(logits, targets, mask):
    """view refuses logits that are not contiguous."""
    loss = F.cross_entropy(logits.view(-1, logits.shape[-1]), targets.long().view(-1), reduction="none")
    return (loss * mask.view(-1)).sum() / mask.sum().clamp(min=1)


def wrong_bare_squeeze(logits, targets, mask):
    """squeeze() on the logits takes B, T or V away where it is 1."""
    x, y = logits.squeeze(), targets.long().squeeze()
    loss = F.cross_entropy(x.flatten(0, -2), y.flatten(), reduction="none")
    return (loss * mask.flatten()).sum() / mask.sum().clamp(min=1)


def wrong_one_axis(logits, targets, mask):
    """(1,) comes out instead of a 0-d tensor."""
    return ((_each(logits, targets) * mask).sum() / mask.sum().clamp(min=1)).reshape(1)


def wrong_not_reduced(logits, targets, mask):
    """(B, T) comes out, padding 0."""
    return _each(logits, targets) * mask


def wrong_loss_of_each_sentence(logits, targets, mask):
    """(B,) comes out."""
    return (_each(logits, targets) * mask).sum(1) / mask.sum(1).clamp(min=1)


# Wrong: gradients, inputs, types


def wrong_python_number(logits, targets, mask):
    """.item()."""
    return ((_each(logits, targets) * mask).sum() / mask.sum().clamp(min=1)).item()


def wrong_tensor_of_item(logits, targets, mask):
    """torch.tensor around the number: no gradient."""
    loss = (_each(logits, targets) * mask).sum() / mask.sum().clamp(min=1)
    return torch.tensor(loss.item(), dtype=logits.dtype)


def wrong_detached(logits, targets, mask):
    """No gradient."""
    return (_each(logits.detach(), targets) * mask).sum() / mask.sum().clamp(min=1)


def wrong_normaliser_detached(logits, targets, mask):
    """log Σ exp is taken for a constant: only the target's logit has a gradient."""
    log_z = torch.logsumexp(logits.double(), -1).detach()
    loss = (log_z - logits.double().gather(-1, targets.long().unsqueeze(-1)).squeeze(-1)) * mask
    return (loss.sum() / mask.sum().clamp(min=1)).to(logits.dtype)


def wrong_gradient_without_the_count(logits, targets, mask):
    """The value is the mean, the gradient is the sum's."""
    total = (_each(logits, targets) * mask).sum()
    return total - total.detach() + (total / mask.sum().clamp(min=1)).detach()


def wrong_writes_to_targets(logits, targets, mask):
    """The caller's targets hold -100 at padding afterwards."""
    targets[~mask] = -100
    total = F.cross_entropy(logits.flatten(0, 1), targets.long().flatten(), reduction="sum")
    return total / mask.sum().clamp(min=1)


def wrong_writes_to_logits(logits, targets, mask):
    """The caller's logits are zeroed at padding, through .data."""
    logits.data[~mask] = 0
    return (_each(logits, targets) * mask).sum() / mask.sum().clamp(min=1)


def wrong_writes_to_logits_shift(logits, targets, mask):
    """The largest logit is taken off in place, for stability."""
    with torch.no_grad():
        logits -= logits.max(dim=-1, keepdim=True).values
    return (_each(logits, targets) * mask).sum() / mask.sum().clamp(min=1)


def wrong_writes_to_mask(logits, targets, mask):
    """logical_not_ turns the caller's mask."""
    loss = _each(logits, targets).masked_fill(mask.logical_not_(), 0)
    return loss.sum() / (~mask).sum().clamp(min=1)


def wrong_int32_targets_refused(logits, targets, mask):
    """cross_entropy takes int64 targets only."""
    loss = F.cross_entropy(logits.transpose(1, 2), targets, reduction="none")
    return (loss * mask).sum() / mask.sum().clamp(min=1)


def wrong_always_float32(logits, targets, mask):
    """float32 comes out, whatever came in."""
    return (_each(logits.float(), targets) * mask).sum() / mask.sum().clamp(min=1)


def wrong_float_mask(logits, targets, mask):
    """mask.float() turns bfloat16 into float32."""
    m = mask.float()
    return (_each(logits, targets) * m).sum() / m.sum().clamp(min=1)


def wrong_single_precision_inside(logits, targets, mask):
    """float64 is computed in float32 and cast back."""
    return ((_each(logits.float(), targets) * mask).sum() / mask.sum().clamp(min=1)).to(logits.dtype)


def wrong_weights_in_single_precision(logits, targets, mask):
    """bool over int is float32: in float64 each weight 1 / n is rounded."""
    weights = mask / mask.sum().clamp(min=1)
    return (_each(logits, targets) * weights.to(logits.dtype)).sum()


def wrong_half_precision_inside(logits, targets, mask):
    """float16 on the way."""
    return ((_each(logits.half(), targets) * mask).sum() / mask.sum().clamp(min=1)).to(logits.dtype)


# Wrong: the rest

_totals = [0.0, 0]


def wrong_running_mean(logits, targets, mask):
    """The mean over all batches since the start, not over this one."""
    total = (_each(logits, targets) * mask).sum()
    _totals[0] += float(total)
    _totals[1] += int(mask.sum())
    mean = total - total.detach() + _totals[0]
    return (mean / max(_totals[1], 1)).to(logits.dtype)


def wrong_count_of_the_first_call(logits, targets, mask, _counts={}):  # noqa: B006
    """The count is kept for each shape: stale when the mask changes."""
    n = _counts.setdefault(tuple(mask.shape), max(int(mask.sum()), 1))
    return (_each(logits, targets) * mask).sum() / n


def wrong_tokens_dropped(logits, targets, mask):
    """One token in ten is left out by chance."""
    real = mask & (torch.rand(mask.shape) > 0.1)
    return (_each(logits, targets) * real).sum() / real.sum().clamp(min=1)


def wrong_loss_and_count(logits, targets, mask):
    """A pair comes out."""
    n = mask.sum()
    return (_each(logits, targets) * mask).sum() / n.clamp(min=1), n


def wrong_returns_none(logits, targets, mask):
    """return is missing."""
    _ = (_each(logits, targets) * mask).sum() / mask.sum().clamp(min=1)


def wrong_backward_inside(logits, targets, mask):
    """backward() is called here: the graph is gone when the caller wants it."""
    loss = (_each(logits, targets) * mask).sum() / mask.sum().clamp(min=1)
    if loss.requires_grad:
        loss.backward()
    return loss


def wrong_two_softmax_and_padding(logits, targets, mask):
    """Two mistakes: softmax first, and padding counted."""
    return F.cross_entropy(logits.softmax(-1).flatten(0, 1), targets.long().flatten())


def wrong_two_bits_and_sum(logits, targets, mask):
    """Two mistakes: in bits, and not divided."""
    return (_each(logits, targets) * mask).sum() / math.log(2)
