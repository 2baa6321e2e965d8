"""Comparing results, and the plan that answers are judged by: what it keeps changes no verdict."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
import torch

import seqattn_ref
from autograder import plan as plans
from autograder.comparing import agree, close, looked_at, same
from autograder.exercises import all_exercises, find
from autograder.plan import Plan, draw
from autograder.report import judge
from autograder.sandbox import Other, Outcome, Raised, Returned
from autograder.sandbox.perform import perform

EXERCISES = all_exercises()
F32, F64, BF16 = torch.float32, torch.float64, torch.bfloat16
INF, NAN = float("inf"), float("nan")


def column(*numbers, dtype=F64):
    return torch.tensor(numbers, dtype=dtype)[:, None]


# ---------------------------------------------------------------- comparing


@pytest.mark.parametrize(
    ("got", "expected", "dtype", "is_close"),
    [
        ([1.0, 2.0], [1.0, 2.0], F64, True),
        ([1 + 4e-5], [1.0], F32, True),
        ([1 + 6e-5], [1.0], F32, False),
        ([1 + 6e-5], [1.0], BF16, True),
        ([1 + 2e-9], [1.0], F64, False),
        ([0.4], [0.0], BF16, False),
        ([4e-5], [0.0], F32, True),  # absolute up to magnitude 1
        ([1e4 + 0.4, 0.4], [1e4, 0.0], F32, True),  # relative to the largest number of the result
        ([1e4 + 0.6], [1e4], F32, False),
        ([INF, -INF, NAN, 1.0], [INF, -INF, NAN, 1.0], F32, True),
        ([INF], [-INF], F32, False),
        ([INF], [NAN], F32, False),
        ([1.0], [INF], F32, False),
        ([INF], [1.0], F32, False),
        ([NAN], [1.0], F32, False),
        ([1e4 + 1, INF], [1e4, INF], F32, False),  # what is infinite makes nothing else coarse
        ([1.7e308], [-1.7e308], F64, False),  # nor does a difference that overflows pass
        ([], [], F32, True),
    ],
)
def test_close_allows_the_rounding_of_the_dtype(got, expected, dtype, is_close):
    assert close(column(*got), column(*expected), dtype) is is_close


def test_close_with_slack():
    assert not close(column(1.001), column(1.0), F32)
    assert close(column(1.001), column(1.0), F32, slack=30)


def test_close_rounds_no_whole_numbers():
    assert close(column(3, dtype=torch.int32), column(3, dtype=torch.int64), F32)
    assert close(column(3.0), column(3, dtype=torch.int64), F32)
    assert not close(column(3.00001), column(3, dtype=torch.int64), F32)
    assert not close(column(10**6 + 1, dtype=torch.int64), column(10**6, dtype=torch.int64), F32)
    assert not close(column(NAN), column(3, dtype=torch.int64), F32)


def test_close_takes_truth_values_for_no_numbers():
    true = torch.tensor([True, False])
    assert close(true, true.clone(), F32)
    assert not close(true, ~true, F32)
    assert not close(true, true.int(), F32)
    assert not close(true.float(), true, F32)


def test_close_needs_the_shape_and_real_numbers():
    assert not close(torch.ones(2, 1), torch.ones(2), F32)
    assert not close(torch.ones(2, dtype=torch.complex64), torch.ones(2), F32)


@pytest.mark.filterwarnings("ignore:ComplexHalf")
@pytest.mark.parametrize("dtype", [F32, F64, BF16, torch.complex64, torch.complex32])
def test_same_is_bit_for_bit_but_takes_nan_for_nan(dtype):
    numbers, other = torch.tensor([0.0, 1.5, NAN]).to(dtype), torch.tensor([0.0, 1.25, NAN]).to(dtype)
    assert same(numbers, numbers.clone())
    assert not same(numbers, other)
    assert not same(numbers[:2], numbers[:1])
    assert not same(numbers, numbers.real.to(torch.float16))
    assert not same(numbers, None)
    assert same(None, None)


@pytest.mark.parametrize("name", ["additive_scores", "AdditiveAttention", "decoder_step"])
def test_what_is_left_out_of_an_outcome_is_not_looked_at(name):
    exercise, plan = EXERCISES[name], Plan(EXERCISES[name], EXERCISES[name].cases(3))
    answers = [exercise.build(**m.variants[0]) for m in exercise.mistakes if m.variants][::4]
    given = [list(perform(answer, plan.cases)) for answer in answers]
    found = Counter()
    for one in given:
        for other in given:
            for question, a, b in zip(plan.questions, one, other, strict=True):
                whole = agree(question.check, question.case, a, b)
                assert agree(question.check, question.case, a, looked_at(question.check, b)) == whole
                found[whole] += 1
    assert found[True] and found[False]


def test_an_exception_or_another_object_is_kept_as_it_is():
    raised = Raised("ValueError", "no", "call")
    nothing = Returned((Other("NoneType"),), False, (), None)
    outcome = Outcome((nothing, raised))
    assert looked_at(find("dot_scores").checks[0], outcome) == outcome


# ---------------------------------------------------------------- the plan


def answers(exercise, wrong=6):
    """The reference and some mistakes of the catalogue, the stateful ones among them."""
    variants = [m.variants[-1] for m in exercise.mistakes if m.variants]
    stateful = [m.variants[-1] for m in exercise.mistakes if m.stateful]
    some = variants[:: max(1, len(variants) // wrong)] + stateful
    return [exercise.reference, *(exercise.build(**pieces) for pieces in some)]


def text(exercise, plan, answer, patience=0.0):
    return str(
        judge(exercise, plan, list(perform(answer, [c for cases in plan for c in cases])), 5, patience)
    )


def counting(exercise):
    """The exercise, and how often its reference and its wrong answers were called."""
    calls = Counter()

    def counted(kind, answer):
        def call(*args):
            calls[kind] += 1
            return answer(*args)

        return call

    mine = replace(
        exercise,
        reference=counted("reference", exercise.reference),
        build=lambda **pieces: counted("mistakes", exercise.build(**pieces)),
    )
    return mine, calls


@pytest.mark.parametrize("name", ["pad_mask", "additive_scores", "Attention"])
def test_whoever_was_judged_before_no_verdict_changes(name):
    exercise = EXERCISES[name]
    alone = [text(exercise, exercise.cases(5), answer) for answer in answers(exercise)]
    plan = Plan(exercise, exercise.cases(5))
    assert [text(exercise, plan, answer) for answer in answers(exercise)] == alone
    assert [text(exercise, plan, answer) for answer in answers(exercise)] == alone
    plan = Plan(exercise, exercise.cases(5))
    assert [text(exercise, plan, answer) for answer in reversed(answers(exercise))] == alone[::-1]


def test_two_mistakes_at_once_are_found_again():
    exercise = find("additive_scores")
    by_id = {m.id: m.variants[0] for m in exercise.mistakes if m.variants}
    both = exercise.build(**by_id["tanh-missing"], **by_id["divided-by-size"])
    plan = Plan(exercise, exercise.cases(5))
    first = text(exercise, plan, both, patience=float("inf"))
    assert "Two mistakes at once" in first
    assert text(exercise, plan, both, patience=float("inf")) == first


def test_what_all_answers_share_is_computed_once():
    exercise, calls = counting(find("dot_scores"))
    plan = Plan(exercise, exercise.cases(5))
    right, wrong = list(perform(seqattn_ref.dot_scores, plan.cases)), []
    for pieces in exercise.mistakes[0].variants:
        wrong.append(list(perform(find("dot_scores").build(**pieces), plan.cases)))
    assert judge(exercise, plan, right).perfect
    assert calls == {"reference": sum(len(case.calls) for case in plan.cases)}
    texts = [str(judge(exercise, plan, outcomes)) for outcomes in wrong]
    assert calls["mistakes"] > 0
    before = calls.copy()
    assert judge(exercise, plan, right).perfect
    assert [str(judge(exercise, plan, outcomes)) for outcomes in wrong] == texts
    assert calls == before


def test_bare_cases_serve_as_well():
    exercise = find("pad_mask")
    outcomes = list(perform(seqattn_ref.pad_mask, [c for cases in exercise.cases(5) for c in cases]))
    assert judge(exercise, exercise.cases(5), outcomes).perfect


def test_a_plan_is_the_cases_of_each_check():
    exercise = find("dot_scores")
    plan = draw(exercise, 5)
    asked = [(check, case) for check, cases in zip(exercise.checks, plan, strict=True) for case in cases]
    assert len(asked) > len(plan) == len(exercise.checks)
    assert all(case is mine for case, (_, mine) in zip(plan.cases, asked, strict=True))
    for place, (question, (check, case)) in enumerate(zip(plan.questions, asked, strict=True)):
        assert (question.place, question.check) == (place, check) and question.case is case


def test_the_plans_drawn_last_are_kept(monkeypatch):
    monkeypatch.setattr(plans, "KEPT", 2)
    plans._drawn.clear()
    one, two = find("pad_mask"), find("dot_scores")
    first = draw(one, 5)
    assert draw(one, 5) is first
    assert draw(one, 6) is not first and draw(two, 5) is not draw(one, 6)
    assert len(plans._drawn) == 2
    assert draw(one, 5) is not first


@pytest.mark.parametrize("name", ["AdditiveAttention", "additive_scores"])
def test_cases_are_drawn_alike_whatever_the_notebook_has_set(name):
    exercise = EXERCISES[name]
    wanted = [(q.expected, q.case.construct) for q in Plan(exercise, exercise.cases(8)).questions]
    plans._drawn.clear()
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")
    try:
        plan = draw(exercise, 8)
        assert torch.get_default_dtype() == torch.float64
        assert torch.get_default_device().type == "meta"
    finally:
        torch.set_default_device(None)
        torch.set_default_dtype(torch.float32)
    assert str([(q.expected, q.case.construct) for q in plan.questions]) == str(wanted)


def test_only_so_many_pairs_of_mistakes_are_kept(monkeypatch):
    monkeypatch.setattr(plans, "PAIRS_KEPT", 2)
    plan = Plan(find("additive_scores"), find("additive_scores").cases(5))
    squash, contract, join = (
        next(v for v in plan.variants if v.pieces.keys() == {name}) for name in ("squash", "contract", "join")
    )
    pair = plan.together(squash, contract)
    assert plan.together(squash, contract) is pair
    assert pair.pieces == {**squash.pieces, **contract.pieces}
    plan.together(squash, join)
    plan.together(contract, join)
    assert plan.together(squash, contract) is not pair


@pytest.mark.parametrize("name", ["pad_mask", "greedy_decode", "decoder_step"])
def test_a_stateful_mistake_is_asked_in_order_whichever_question_comes_first(name):
    plan = Plan(EXERCISES[name], EXERCISES[name].cases(5))
    stateful = [v for v in plan.variants if v.mistake.stateful]
    assert stateful
    for variant in stateful:
        in_order = list(perform(plan.exercise.build(**variant.pieces), plan.cases))
        asked = [plan.questions[-1], *plan.questions]
        for question in asked:
            expected = looked_at(question.check, in_order[question.place])
            assert str(variant.outcome(question)) == str(expected)
            assert variant.fails(question) == (question.difference(in_order[question.place]) is not None)


@pytest.mark.slow
@pytest.mark.parametrize("name", EXERCISES)
def test_a_mistake_gives_the_same_in_whichever_order_it_is_asked(name):
    """So that no verdict depends on the answers that were judged before."""
    forwards, backwards = (Plan(EXERCISES[name], EXERCISES[name].cases(5)) for _ in range(2))
    for one, other in list(zip(forwards.variants, backwards.variants, strict=True))[::15]:
        told = [str(one.outcome(q)) for q in forwards.questions]
        assert [str(other.outcome(q)) for q in reversed(backwards.questions)] == told[::-1], one.mistake.id
        assert one.wrong == other.wrong
