"""Processes that die, hang, fail and come back, and that leave nothing behind."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from autograder.classroom import pool
from autograder.classroom.pool import Lost, PoolError

pytestmark = pytest.mark.skipif(os.name != "posix", reason="kills processes as POSIX does")
REPO = Path(__file__).resolve().parents[2]
LONG = 120.0


@contextlib.contextmanager
def worker(folder="."):
    """Does a job, which is a word or two, and notes in `folder` which process did it."""

    def do(job):
        word, _, name = job.partition(" ")
        with open(Path(folder, "tried"), "a") as file:
            file.write(f"{job} {os.getpid()}\n")
        if word == "die" or (word == "die-once" and _first(folder, name)):
            os.kill(os.getpid(), signal.SIGKILL)
        if word == "exit":
            os._exit(3)
        if word == "sleep":
            time.sleep(300)
        if word == "raise":
            raise KeyError(name)
        if word == "give-up":
            raise PoolError("The sandbox is gone.")
        return job.upper()

    yield do


def _first(folder, name):
    try:
        Path(folder, f"died {name}").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


@contextlib.contextmanager
def never_starts(*args):
    raise PoolError("The walls do not stand.")
    yield


@contextlib.contextmanager
def dies_at_start(*args):
    os._exit(7)
    yield


def run(jobs, folder, workers=2, time_limit=LONG, start=worker):
    return dict(pool.run(jobs, workers, start, str(folder), time_limit=time_limit))


def tried(folder, job):
    return [line for line in Path(folder, "tried").read_text().splitlines() if line.startswith(job)]


def alive(pid):
    """Whether a process is at work still. One that has ended may wait for a parent to take note."""
    state = Path(f"/proc/{pid}/stat")
    try:
        os.kill(pid, 0)
        return not state.exists() or state.read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (ProcessLookupError, FileNotFoundError):
        return False


def test_every_job_has_its_result(tmp_path):
    jobs = [f"job {n}" for n in range(20)]
    assert run(jobs, tmp_path) == {job: job.upper() for job in jobs}
    assert run([], tmp_path) == {}


def test_a_job_is_asked_for_when_there_is_room_for_it(tmp_path):
    asked = []

    def jobs():
        for n in range(10):
            asked.append(n)
            yield f"job {n}"

    for done, _ in enumerate(pool.run(jobs(), 2, worker, str(tmp_path), time_limit=LONG)):
        assert len(asked) <= done + 2


def test_no_process_starts_for_no_job(tmp_path):
    assert run([], tmp_path, start=never_starts) == {}


def test_what_a_lost_process_had_in_hand_is_tried_again(tmp_path):
    jobs = ["job a", "die-once b", "job c", "die-once d", "job e"]
    assert run(jobs, tmp_path) == {job: job.upper() for job in jobs}
    assert len(tried(tmp_path, "die-once b")) == 2


@pytest.mark.parametrize(
    ("job", "reason"),
    [
        (
            "die b",
            "The process that graded it was lost 3 times (killed by signal 9): try again with --resume.",
        ),
        ("exit b", "The process that graded it was lost 3 times (exit status 3): try again with --resume."),
        ("give-up b", "The grader itself failed on it 3 times: The sandbox is gone."),
    ],
)
def test_a_job_that_costs_three_processes_is_given_up(tmp_path, job, reason):
    assert run(["job a", job, "job c"], tmp_path) == {
        "job a": "JOB A",
        job: Lost(reason),
        "job c": "JOB C",
    }
    assert len({line.split()[-1] for line in tried(tmp_path, job)}) == 3


def test_a_fault_of_ours_is_said_with_its_place(tmp_path):
    (lost,) = run(["raise b"], tmp_path).values()
    assert lost.reason.startswith(
        "The grader itself failed on it 3 times: KeyError: 'b' (test_classroom_pool.py, line "
    )


def test_a_job_that_takes_too_long_is_given_up_at_once_and_alone(tmp_path):
    found = run(["sleep a", "job b", "job c"], tmp_path, time_limit=3)
    assert found == {
        "sleep a": Lost("Grading it took more than 3 seconds and was given up."),
        "job b": "JOB B",
        "job c": "JOB C",
    }
    assert len(tried(tmp_path, "sleep a")) == 1


@pytest.mark.parametrize(
    ("start", "reason"),
    [(never_starts, "The walls do not stand."), (dies_at_start, "exit status 7.")],
)
def test_processes_that_never_start_end_the_run_with_the_reason(tmp_path, start, reason):
    with pytest.raises(PoolError) as error:
        run(["job a", "job b"], tmp_path, start=start)
    assert str(error.value) == f"The processes that should grade do not start: {reason}"


class Bomb:
    """Ends the process that unpickles it."""

    def __reduce__(self):
        return os._exit, (9,)


def test_a_process_that_dies_before_it_has_read_its_orders_is_not_waited_for(tmp_path, monkeypatch):
    much = "x" * 1_000_000
    monkeypatch.setattr(sys, "argv", [sys.argv[0], much])
    with pytest.raises(PoolError, match=r"exit status 9\.$"):
        dict(pool.run(["job a"], 1, worker, Bomb(), much, time_limit=LONG))
    assert sys.argv[1] == much


def test_closing_ends_the_processes_at_work(tmp_path):
    results = pool.run(["sleep b", "job a"], 2, worker, str(tmp_path), time_limit=LONG)
    assert next(results) == ("job a", "JOB A")
    while not tried(tmp_path, "sleep b"):
        time.sleep(0.05)
    results.close()
    pids = [int(line.split()[-1]) for line in Path(tmp_path, "tried").read_text().splitlines()]
    assert not any(map(alive, pids))


def test_the_processes_end_when_the_one_that_started_them_is_killed(tmp_path):
    program = (
        "import sys; from autograder.classroom import pool; import test_classroom_pool as t\n"
        f"if __name__ == '__main__': t.run(['sleep a', 'sleep b'], {str(tmp_path)!r})"
    )
    script = tmp_path / "program.py"
    script.write_text(program)
    path = os.pathsep.join([str(REPO), str(Path(__file__).parent)])
    process = subprocess.Popen([sys.executable, str(script)], env={**os.environ, "PYTHONPATH": path})
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if (tmp_path / "tried").exists() and len(tried(tmp_path, "sleep")) == 2:
            break
        time.sleep(0.05)
    pids = [int(line.split()[-1]) for line in tried(tmp_path, "sleep")]
    assert len(set(pids)) == 2
    process.kill()
    process.wait()
    while time.monotonic() < deadline and any(map(alive, pids)):
        time.sleep(0.05)
    assert not any(map(alive, pids))
