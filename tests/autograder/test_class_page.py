"""The class page: its numbers, its pictures, and names and messages that would like to be more than text."""

import itertools
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from class_results import CRASH, HOSTILE, RIGHT, SCALED, SEED, STUB, by_hand, judged, result

from autograder.classroom import page
from autograder.classroom.names import report_stem
from autograder.classroom.page import class_page
from autograder.classroom.summary import bin_width, bins_of, first_sentence, spread_of, summarise
from autograder.exercises import all_exercises

CHROMIUM = Path("/usr/bin/chromium")
RUN = {"seed": SEED, "time_limit": 20.0}
VOID = {"meta", "br", "rect", "line", "img", "link"}
# Their end tags may be left out in a table.
OPTIONAL = {"td", "th", "tr"}


class Read(HTMLParser):
    """What a browser would find in the page."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.headings, self.pictures, self.links, self.ids = [], [], [], [], []
        self.summaries, self.pieces, self._open = [], [], []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.tags.append((tag, found))
        if re.fullmatch("h[1-6]", tag):
            self.headings.append([int(tag[1]), ""])
        if tag == "svg":
            self.pictures.append(found)
        if tag == "a":
            self.links.append(found["href"])
        if tag == "summary":
            self.summaries.append("")
        if "id" in found:
            self.ids.append(found["id"])
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attributes):
        assert tag in VOID
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        while self._open[-1] != tag and self._open[-1] in OPTIONAL:
            self._open.pop()
        assert self._open.pop() == tag

    def handle_data(self, data):
        if "style" in self._open:
            return
        self.pieces.append(data)
        if any(re.fullmatch("h[1-6]", tag) for tag in self._open):
            self.headings[-1][1] += data
        if "summary" in self._open:
            self.summaries[-1] += data

    @property
    def text(self):
        return "".join(self.pieces)

    @property
    def words(self):
        """The text with one space between words and between elements."""
        return " ".join(" ".join(self.pieces).split())


def read(results, run=RUN):
    html = class_page(results, run)
    html.encode("utf-8")
    return Read(html)


@pytest.fixture(scope="module")
def small_class():
    """Two full marks, one known mistake, one exception, one untouched, two that could not be graded."""
    return [
        result("ada", judged(RIGHT)),
        result("alan", judged(RIGHT)),
        result("barbara", judged(SCALED)),
        result("claude", judged(CRASH)),
        result("donald", judged(STUB)),
        result("edsger", reason="edsger.ipynb is empty: hand in the notebook again."),
        result("frances", reason="frances.ipynb is empty: hand in the notebook again."),
    ]


# ---- the numbers


def test_the_summary_counts_what_became_of_each_answer(small_class):
    (a,) = summarise(small_class)
    (exercise,) = a.exercises
    assert (a.max_score, sorted(a.scores)) == (3, [0, 0, 0.5, 3, 3])
    assert (exercise.full, exercise.partial, exercise.none, exercise.untouched) == (2, 1, 1, 1)
    assert a.full_marks == 2
    assert a.failed == 2
    assert [(row.student, row.score) for row in a.rows] == [
        ("ada", 3),
        ("alan", 3),
        ("barbara", 0.5),
        ("claude", 0),
        ("donald", 0),
        ("edsger", None),
        ("frances", None),
    ]


def test_checks_count_attempted_answers_only(small_class):
    (exercise,) = summarise(small_class)[0].exercises
    shape, *rest = exercise.checks.values()
    assert (shape.passed, shape.attempted) == (3, 4)
    assert {(c.passed, c.attempted) for c in rest} == {(2, 4)}
    assert exercise.hardest in rest


def test_misconceptions_come_with_the_hints_first_sentence_and_their_students(small_class):
    (a,) = summarise(small_class)
    met = {m.id: m for m in a.misconceptions}
    assert set(met) == {"needless-scaling", "raises-an-error"}
    scaling = met["needless-scaling"]
    assert scaling.about == "The dot products are divided by √D (or by D)."
    assert (scaling.exercises, scaling.students) == (["dot_scores"], ["barbara"])
    assert a.undiagnosed == {}


def test_a_misconception_met_in_several_exercises_counts_a_student_once():
    scores = by_hand("additive_score", 1, "tanh-missing"), by_hand("additive_scores", 1, "tanh-missing")
    (a,) = summarise([result("ada", *scores), result("alan", scores[1]), result("barbara", judged(RIGHT))])
    (found,) = a.misconceptions
    assert found.exercises == ["additive_score", "additive_scores"]
    assert found.students == ["ada", "alan"]
    page = read([result("ada", *scores), result("alan", scores[1]), result("barbara", judged(RIGHT))])
    assert "tanh-missing in additive_score , additive_scores" in page.words
    assert "tanh-missing: 2 of 3, 67 %." in [p["aria-label"] for p in page.pictures]


def test_the_most_frequent_misconception_comes_first():
    known = [m.id for m in all_exercises()["dot_scores"].mistakes[:3]]
    times = {known[0]: 1, known[1]: 4, known[2]: 2}
    results = [result(f"{id}{i}", by_hand("dot_scores", 1, id)) for id, n in times.items() for i in range(n)]
    (a,) = summarise(results)
    assert [(m.id, len(m.students)) for m in a.misconceptions] == [
        (known[1], 4),
        (known[2], 2),
        (known[0], 1),
    ]


def test_wrong_answers_without_a_diagnosis_are_counted():
    results = [result(f"s{i}", by_hand("dot_scores", 2)) for i in range(3)]
    (a,) = summarise(results)
    assert a.misconceptions == []
    assert a.undiagnosed == {"dot_scores": ["s0", "s1", "s2"]}
    assert any("3 wrong answers to dot_scores" in s for s in read(results).summaries)


def test_an_id_that_the_catalogue_has_dropped_says_what_the_report_said():
    answer = by_hand("dot_scores", 1, "no-longer-there", "It was like this. And more.")
    assert summarise([result("ada", answer)])[0].misconceptions[0].about == "It was like this."


def test_reasons_are_grouped_without_the_names_in_them(small_class):
    (a,) = summarise(small_class)
    ((reason, students),) = a.failures
    assert reason == "….ipynb is empty: hand in the notebook again."
    assert students == ["edsger", "frances"]
    alone = [result("ada", reason="ada.ipynb is empty.")]
    assert summarise(alone)[0].failures == [("ada.ipynb is empty.", ["ada"])]


def test_assignments_and_students_are_in_natural_order():
    results = [result(s, judged(RIGHT), assignment=a) for a in ("lab10", "lab2") for s in ("s10", "s9", "S1")]
    found = summarise(results)
    assert [a.name for a in found] == ["lab2", "lab10"]
    assert [row.student for row in found[0].rows] == ["S1", "s9", "s10"]


@pytest.mark.parametrize("scores", [[2.0], [2.0, 4.0], [0.0, 1.0, 2.0, 3.0, 4.0], [3.0] * 7])
def test_the_spread_has_the_quartiles_in_order(scores):
    found = spread_of(scores)
    in_order = [found.low, found.quarter, found.median, found.three_quarters, found.high]
    assert in_order == sorted(in_order)
    assert found.mean == pytest.approx(sum(scores) / len(scores))
    assert (found.low, found.high) == (min(scores), max(scores))


def test_the_quartiles_of_five_scores():
    found = spread_of([0.0, 1.0, 2.0, 3.0, 4.0])
    assert (found.quarter, found.median, found.three_quarters) == (1, 2, 3)


@pytest.mark.parametrize(
    ("max_score", "width"), [(1, 0.1), (3, 0.5), (7, 0.5), (8, 1), (15, 1), (16, 2), (33, 5), (1000, 100)]
)
def test_bins_have_a_round_width_and_full_marks_stand_alone(max_score, width):
    assert bin_width(max_score) == width
    bins = bins_of([0, max_score / 3, max_score - 1e-9, max_score], max_score)
    assert len(bins) <= page.charts.ROOM_FOR_NUMBER * 2
    assert sum(b.count for b in bins) == 4
    assert (bins[-1].low, bins[-1].count) == (max_score, 2)
    assert all(a.high == b.low for a, b in itertools.pairwise(bins))


def test_a_sum_of_thirds_falls_into_its_bin():
    score = 3 * (1 / 3) + 1 / 3 + 1 / 3 + 1 / 3  # 2, or a hair less
    assert [b.count for b in bins_of([score - 1e-12], 3)] == [0, 0, 0, 0, 1, 0, 0]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("One. Two.", "One."),
        ("No stop", "No stop"),
        ("Divide by 0.5 and see. `x.sum(-1)` is not it.", "Divide by 0.5 and see. `x.sum(-1)` is not it."),
        ("Is it so? Yes.", "Is it so?"),
        ("It is (half. of it) here. `Then` this.", "It is (half. of it) here."),
    ],
)
def test_the_first_sentence(text, first):
    assert first_sentence(text) == first


def test_every_hint_begins_with_a_sentence_that_can_stand_alone():
    for exercise in all_exercises().values():
        for mistake in exercise.mistakes:
            first = first_sentence(mistake.hint)
            assert mistake.hint.startswith(first)
            assert first[-1] in ".?!)", (mistake.id, first)
            assert first.count("`") % 2 == 0 and first.count("(") == first.count(")"), (mistake.id, first)


# ---- the page


def test_the_page_says_what_the_summary_counts(small_class):
    found = read(small_class)
    assert "7 students, 1 assignment: 5 submissions graded, 2 not graded." in found.words
    assert "The dot products are divided by √D (or by D)." in found.text
    assert "Not graded: 2 submissions" in found.words
    assert "….ipynb is empty: hand in the notebook again." in found.text
    assert f"seed {SEED}" in found.words
    assert "time limit 20 seconds for each answer" in found.words
    assert "2026-05-12 14:03 UTC" in found.text
    for part in ("2.13.0", "3.11.9", "c0de" * 16):
        assert part in found.text
    labels = [p["aria-label"] for p in found.pictures]
    assert "full 2, partial 1, none 1, not attempted 1." in labels
    assert "needless-scaling: 1 of 5, 20 %." in labels
    assert any(label.startswith("Number of students by score. 0 up to below 0.5: 2,") for label in labels)


def test_every_student_has_a_link_to_the_report(small_class):
    links = {unquote(link) for link in read(small_class).links}
    for found in small_class:
        assert f"{report_stem(found['assignment'], found['student'])}.html" in links


@pytest.mark.parametrize("assignments", [1, 8])
@pytest.mark.parametrize("students", [1, 3, 30])
def test_headings_pictures_and_ids_are_in_order(students, assignments):
    sources = (RIGHT, SCALED, STUB, CRASH)
    results = [
        result(f"s{i}", judged(sources[(i + j) % 4]), assignment=f"lab{j}")
        for j in range(assignments)
        for i in range(students)
    ]
    found = read(results)
    levels = [level for level, _ in found.headings]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b <= a + 1 for a, b in itertools.pairwise(levels))
    assert all(title.strip() for _, title in found.headings)
    assert all(p["role"] == "img" and p["aria-label"].strip() for p in found.pictures)
    assert len(found.ids) == len(set(found.ids))
    inside = {link[1:] for link in found.links if link.startswith("#")}
    assert inside <= set(found.ids)
    assert len(inside) == 1 + assignments * (assignments > 1)


def test_the_page_loads_and_runs_nothing(small_class):
    found = read(small_class)
    names = {name for _, attributes in found.tags for name in attributes}
    assert not {tag for tag, _ in found.tags} & {"script", "link", "img", "iframe", "object", "form", "base"}
    assert not {name for name in names if name.startswith("on")}
    assert not names & {"src", "srcset", "style", "action"}
    assert all(link.startswith(("#", "reports/")) for link in found.links)
    assert "url(" not in class_page(small_class, RUN) and "@import" not in class_page(small_class, RUN)
    (policy,) = [a["content"] for tag, a in found.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_text_stays_text(hostile):
    answer = by_hand("dot_scores", 0, "no-longer-there", hostile)
    answer["report"]["checks"][0]["name"] = hostile
    stamped = result(hostile, answer, assignment=hostile, stamp=hostile)
    failed = result(f"{hostile} failed", assignment=hostile, reason=hostile)
    failed["versions"] = {"torch": hostile}
    failed["graded_at"] = hostile
    plain = read([result("ada", by_hand("dot_scores", 0, "no-longer-there")), result("b", reason="It is.")])
    found = read([stamped, failed])
    assert {tag for tag, _ in found.tags} <= {tag for tag, _ in plain.tags} | {"strong"}
    assert not {name for _, a in found.tags for name in a if name.startswith("on")}
    if not re.search("[\x00-\x08\x0e-\x1f\ud800-\udfff\n]", hostile):
        assert hostile in found.text
    assert "\x00" not in found.text and "\x1b" not in found.text


def test_the_stamp_is_said_once_and_for_how_many():
    stamp = "It ran without Landlock."
    some = [result("ada", judged(RIGHT), stamp=stamp), result("alan", judged(RIGHT))]
    assert f"Not tamper-proof. {stamp} This holds for 1 result of 2." in read(some).words
    every = [result(s, judged(RIGHT), stamp=stamp) for s in ("ada", "alan")]
    words = read(every).words
    assert words.count("Not tamper-proof.") == 1 and "This holds" not in words
    assert "tamper" not in read([result("ada", judged(RIGHT))]).words


def test_an_empty_class():
    found = read([])
    assert "There are no results yet." in found.words
    assert str(SEED) in found.text
    assert found.pictures == []
    assert "There are no results yet." in read([], {}).words


def test_a_class_of_which_none_could_be_graded():
    found = read([result(f"s{i}", reason="The sandbox was lost.") for i in range(3)])
    assert "Not graded: 3 submissions" in found.words
    assert found.pictures == []
    assert found.words.count("The sandbox was lost.") == 1


def test_an_assignment_without_points():
    answer = {**judged(RIGHT), "points": 0.0, "max_points": 0.0}
    found = read([result("ada", answer, max_score=0.0)])
    assert "Number of students" not in str(found.pictures)


def test_very_many_reasons_are_cut():
    results = [result(f"s{i}", reason=f"Error number {'ab'[i % 2] * i}.") for i in range(page.REASONS + 7)]
    assert "And 7 other reasons, which grades.csv has." in read(results).words


def test_several_seeds_and_versions_are_all_named():
    results = [result("ada", judged(RIGHT)), result("alan", judged(RIGHT), seed=5)]
    results[1]["versions"] = {"torch": "2.14.0"}
    words = read(results).words
    assert f"seed 5, {SEED}" in words
    assert "torch 2.13.0, 2.14.0" in words
    assert "--seed" not in words


def test_three_thousand_students():
    sources = (RIGHT, SCALED, RIGHT, CRASH, STUB)
    results = [result(f"student{i}", judged(sources[i % 5])) for i in range(3000)]
    html = class_page(results, RUN)
    found = Read(html)
    assert len(html.encode()) < 1_000_000
    reports = [link for link in found.links if link.startswith("reports/")]
    assert len(reports) == len(set(reports)) == 3000
    groups = [s for s in found.summaries if re.fullmatch(r"student\d+ to student\d+ \(100\)", s)]
    assert len(groups) == 30
    assert "and 500 others: grades.csv has all" in found.words
    assert "1,200" in found.text


def test_ten_thousand_results_stay_a_page():
    answers = [judged(s) for s in (RIGHT, SCALED, RIGHT, CRASH, STUB)]
    results = [
        result(f"a.long.name.{i}@university.example", answers[(i * j) % 5], assignment=f"lab{j}")
        for j in range(1, 9)
        for i in range(1250)
    ]
    assert len(class_page(results, RUN).encode()) < 3_000_000


@pytest.mark.slow
def test_in_a_browser_nothing_runs_and_the_page_fits(tmp_path):
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is not there: on Debian install it with `sudo apt install chromium`")
    sync_playwright = pytest.importorskip("playwright.sync_api").sync_playwright
    results = [result(name, judged(SCALED), assignment="05_additive") for name in HOSTILE]
    results += [result(f"{name} failed", assignment="05_additive", reason=name) for name in HOSTILE]
    file = tmp_path / "index.html"
    file.write_text(class_page(results, RUN), encoding="utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        seen, papers = [], set()
        for scheme, width in (("light", 1200), ("dark", 1200), ("light", 390)):
            tab = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
            for event in ("dialog", "console", "pageerror", "requestfailed"):
                tab.on(event, lambda e, event=event: seen.append((event, str(e))))
            tab.goto(file.as_uri())
            tab.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
            assert tab.evaluate("document.documentElement.scrollWidth") <= width
            papers.add(tab.evaluate("getComputedStyle(document.body).backgroundColor"))
            assert tab.get_by_role("img").count() >= 2
            # Each fold opens with a key.
            tab.reload()
            fold = tab.locator("summary").first
            fold.focus()
            tab.keyboard.press("Enter")
            assert tab.evaluate("document.querySelector('details').open")
        browser.close()
    assert seen == []
    assert len(papers) == 2
