"""`pytest --submission FILE`: the checks of every exercise that FILE defines, as pytest items.

An item is named `answer.py::additive_scores::The scores have shape (B, T, S)`. An exercise runs once, in the
sandbox, when the first of its items does.

pytest never imports FILE. It loads no `conftest.py` either, beside FILE or elsewhere: `--submission` implies
`--noconftest`. One thing a plugin comes too late for: pytest reads `pytest.ini`, `pyproject.toml` and the
like from the folder it is started in. So start it in a folder of your own, or say `-c FILE`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .safe_path import leave_out_current_folder

if TYPE_CHECKING:  # pytest loads this plugin everywhere; torch only comes when there is a submission
    from .exercise import Exercise
    from .report import Report
    from .sandbox import Sandbox
    from .submission import Submission


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("autograder")
    group.addoption(
        "--submission",
        action="append",
        default=[],
        metavar="FILE",
        help="grade this .py file or notebook: one item for each check of each exercise that it defines, "
        "and no other test (may be given several times)",
    )


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Iterator[None]:
    if early_config.known_args_namespace.submission:
        early_config.known_args_namespace.noconftest = True
        leave_out_current_folder()
    return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> bool | None:
    config = session.config
    if not config.option.submission or config.pluginmanager.hasplugin("dsession"):
        return None  # under xdist the workers collect
    grader = config.stash[_GRADER] = _Grader(start=not config.option.collectonly)
    files = [
        _answers(session, config.invocation_params.dir / name, grader) for name in config.option.submission
    ]
    session.items = [item for file in files for item in session.genitems(file)]
    config.pluginmanager.check_pending()
    config.hook.pytest_collection_modifyitems(session=session, config=config, items=session.items)
    config.hook.pytest_collection_finish(session=session)
    session.testscollected = len(session.items)
    return True


def pytest_unconfigure(config: pytest.Config) -> None:
    if _GRADER in config.stash:
        config.stash[_GRADER].close()


def _answers(session: pytest.Session, path: Path, grader: _Grader) -> _Answers:
    from .exercises import all_exercises
    from .submission import SubmissionError, read_submission

    try:
        submission = read_submission(path)
    except SubmissionError as error:
        raise pytest.UsageError(str(error)) from None
    found = [exercise for name, exercise in all_exercises().items() if submission.defines(name)]
    if not found:
        raise pytest.UsageError(f"{path} defines no exercise of the course.")
    return _Answers.from_parent(session, path=path, submission=submission, exercises=found, grader=grader)


class _Grader:
    """The sandbox of a session and its secret seed."""

    def __init__(self, start: bool):
        from .grading import fresh_seed
        from .sandbox import Sandbox

        self.seed = fresh_seed()
        self._sandbox: Sandbox | None = Sandbox() if start else None

    def grade(self, submission: Submission, exercise: Exercise) -> Report:
        from .grading import grade

        return grade(submission, exercise, self._sandbox, self.seed)

    def close(self) -> None:
        if self._sandbox is not None:
            self._sandbox.close()


_GRADER = pytest.StashKey[_Grader]()


class _Answers(pytest.File):
    """A submission: collects the exercises that it defines."""

    def __init__(self, *, submission: Submission, exercises: list[Exercise], grader: _Grader, **kwargs):
        super().__init__(**kwargs)
        self._submission, self._exercises, self._grader = submission, exercises, grader

    def collect(self) -> Iterator[_Answer]:
        for exercise in self._exercises:
            grade = partial(self._grader.grade, self._submission, exercise)
            yield _Answer.from_parent(self, exercise=exercise, grade=grade)


class _Answer(pytest.Collector):
    """One exercise of a submission: collects its checks, and runs once for all of them."""

    def __init__(self, *, exercise: Exercise, grade: Callable[[], Report], **kwargs):
        super().__init__(name=exercise.name, **kwargs)
        self._exercise, self._grade = exercise, grade

    def collect(self) -> Iterator[_CheckItem]:
        for number, check in enumerate(self._exercise.checks):
            # pytest takes what stands in square brackets for a test's parameters.
            name = check.sentence.replace("[", "(").replace("]", ")")
            yield _CheckItem.from_parent(self, name=name, number=number)

    @cached_property
    def report(self) -> Report:
        return self._grade()


class _CheckFailed(Exception):
    """Carries what a learner reads."""


class _CheckItem(pytest.Item):
    """One check of one exercise."""

    def __init__(self, *, number: int, **kwargs):
        super().__init__(**kwargs)
        self._number = number

    def runtest(self) -> None:
        from .grading import printable

        report = self.parent.report
        verdict = report.verdicts[self._number]
        if not verdict.passed:
            parts = [verdict.message]
            parts += [f"\n{title}:\n{text}" for title, text in report.sections()]
            raise _CheckFailed(printable("\n".join(parts)))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style=None):
        from .sandbox import SandboxError

        if isinstance(excinfo.value, (_CheckFailed, SandboxError)):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        return self.path, None, f"{self.parent.name}: {self.name}"
