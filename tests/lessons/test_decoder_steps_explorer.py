"""The explorer of lesson 01: each mode takes in what it says, and picture, sentence and numbers agree."""

import re
from xml.etree import ElementTree

import pytest
import torch

from seqattn_ref.lab import DecoderStepsExplorer

NAMES = ("pad", "bos", "eos", "a", "b", "c")
A, B, C, EOS = 3, 4, 5, 2
SVG = "{http://www.w3.org/2000/svg}"


def step(tokens, state):
    """After bos comes b, after b c, after a or c eos, after eos a; the state counts the steps."""
    follower = {1: B, B: C, A: EOS, C: EOS, EOS: A}[int(tokens)]
    logits = torch.zeros(1, len(NAMES))
    logits[0, follower] = 3.0
    return logits, state + 1


def explorer(target=(A, A, B, EOS), steps=None, state=None):
    state = torch.zeros(1, 2) if state is None else state
    return DecoderStepsExplorer(step, state, NAMES, list(target), source="ab", steps=steps)


def at(step_number, forced, **options):
    shown = explorer(**options)
    shown.step.value, shown.forced.value = step_number, forced
    return shown


def drawn(shown):
    return ElementTree.fromstring(shown.svg())


def words(shown):
    return [text.text for text in drawn(shown).iter(f"{SVG}text")]


def test_running_free_it_takes_in_what_it_wrote():
    shown = at(4, False)
    assert shown.taken_in == ["bos", "b", "c", "eos"]
    assert shown.written == ["b", "c", "eos", "eos"]  # ended: whatever the step would write next


def test_with_the_true_tokens_it_takes_in_those():
    shown = at(4, True)
    assert shown.taken_in == ["bos", "a", "a", "b"]
    assert shown.written == ["b", "eos", "eos", "c"]


def test_past_the_targets_end_eos_goes_in():
    shown = at(6, True, steps=6)
    assert shown.taken_in == ["bos", "a", "a", "b", "eos", "eos"]
    assert shown.step.max == 6


def test_both_begin_alike_and_the_slider_cuts_off_the_rest():
    assert at(1, True).taken_in == at(1, False).taken_in == ["bos"]
    assert at(2, False).written == ["b", "c"]


@pytest.mark.parametrize("forced", [True, False])
def test_probabilities_are_the_softmax_of_the_steps_logits(forced):
    shown = at(2, forced)
    token = NAMES.index(shown.taken_in[-1])
    expected = torch.softmax(step(torch.tensor([token]), 0)[0][0].double(), dim=0)
    assert torch.allclose(shown.probabilities, expected)


def test_the_sentence_says_what_is_shown():
    first = at(2, False).sentence()
    assert first.startswith("Step 2 of 4: b goes in. The likeliest is c with probability 0.80, then ")
    assert "Written so far: b c. True: a a b eos. Not the true token at step 1, 2." in first
    assert at(2, True).sentence().startswith("Step 2 of 4: a goes in, the true token.")
    right = at(3, False, target=(B, C, EOS)).sentence()
    assert right.endswith("True: b c eos.")


def test_a_move_redraws_picture_and_sentence():
    shown = explorer()
    picture, caption = shown.picture.value, shown.caption.value
    shown.step.value = 3
    assert shown.picture.value != picture and "Step 3 of 4" in shown.caption.value != caption
    free = shown.picture.value
    shown.forced.value = True
    assert shown.picture.value != free


@pytest.mark.parametrize("now", [1, 2, 4])
@pytest.mark.parametrize("forced", [True, False])
def test_the_picture_holds_source_steps_and_bars(now, forced):
    shown = at(now, forced)
    boxes = [rect for rect in drawn(shown).iter(f"{SVG}rect") if rect.get("rx")]
    assert len(boxes) == 2 + 2 * now  # two source tokens, and two boxes a step
    states = [circle for circle in drawn(shown).iter(f"{SVG}circle") if circle.get("r") == "14"]
    assert len(states) == now
    for name in (*shown.taken_in, *shown.written, "z", f"s{now}", f"probabilities at step {now}"):
        assert name in words(shown)
    assert words(shown).count("≠ true") == sum(
        name != NAMES[true] for name, true in zip(shown.written, (A, A, B, EOS), strict=False)
    )


def test_the_modes_differ_in_more_than_an_arrow():
    free, forced = (
        {rect.get("stroke-dasharray") for rect in drawn(at(3, mode)).iter(f"{SVG}rect")}
        for mode in (False, True)
    )
    assert forced - free == {"4 3"}


def test_a_state_of_numbers_is_drawn_as_z_and_others_are_not():
    cells = [r for r in drawn(explorer()).iter(f"{SVG}rect") if r.get("height") == "18"]
    assert len(cells) == 2
    many = explorer(state=torch.zeros(1, 64))
    assert "… 64 numbers" in words(many)
    counted = explorer(state=torch.zeros(1, dtype=torch.long))
    assert not [r for r in drawn(counted).iter(f"{SVG}rect") if r.get("height") == "18"]


def test_the_target_may_be_a_tensor_and_nothing_asks_for_gradients():
    weight = torch.ones(1, requires_grad=True)

    def learning(tokens, state):
        logits, state = step(tokens, state)
        return logits * weight, state

    shown = DecoderStepsExplorer(learning, torch.zeros(1, 2), NAMES, torch.tensor([B, C, EOS]))
    shown.step.value = 3
    assert shown.written == ["b", "c", "eos"]
    assert not shown.probabilities.requires_grad


def test_without_a_kernel_a_still_and_its_words_remain():
    for forced in (False, True):
        shown = at(4, forced, steps=6)
        bundle = shown._repr_mimebundle_()
        assert "application/vnd.jupyter.widget-view+json" in bundle
        alt = re.search(r'<img alt="([^"]*)"', bundle["text/html"])[1]
        assert alt == shown.sentence()
        assert "data:image/png;base64," in bundle["text/html"]


def test_what_it_cannot_draw_is_refused():
    with pytest.raises(ValueError, match="at least one token"):
        explorer(target=())
    with pytest.raises(ValueError, match="at least one step"):
        explorer(steps=0)
    with pytest.raises(ValueError, match=r"5 tokens need logits \(1, 5\).*\(1, 6\)"):
        DecoderStepsExplorer(step, torch.zeros(1, 2), NAMES[:5], [A, EOS])
