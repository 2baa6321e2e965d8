"""The record of a learner's work: what it keeps, and that nothing wrong with its file ever stops a check."""

import json
import os
import threading

import pytest

from autograder.record import FILE_NAME, Record, folder


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SEQATTN_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def names(record):
    return [event["exercise"] for event in record.events()]


def test_events_come_back_in_their_order(home):
    record = Record()
    record.add("check", "pad_mask", score=2.0, mistakes=["off-by-one"])
    record.add("hint", "dot_scores")
    first, second = Record().events()
    assert first["event"] == "check" and first["score"] == 2.0 and first["mistakes"] == ["off-by-one"]
    assert first["time"].endswith("+00:00")
    assert (second["event"], second["exercise"]) == ("hint", "dot_scores")
    assert len((home / FILE_NAME).read_text().splitlines()) == 2


def test_an_empty_record_has_no_events_and_makes_no_file(home):
    assert Record().events() == []
    assert not home.exists()


def test_without_the_variable_it_lies_where_programs_keep_their_data(monkeypatch, tmp_path):
    monkeypatch.delenv("SEQATTN_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert folder().name == "seqattn"
    assert tmp_path in folder().parents


def test_a_tilde_in_the_variable_is_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("SEQATTN_HOME", "~/course")
    assert folder() == tmp_path / "course"


@pytest.mark.parametrize("length", [1, 20, 60])
def test_a_line_cut_short_costs_only_itself(home, length):
    record = Record()
    record.add("check", "pad_mask")
    record.add("check", "masked_mean")
    path = home / FILE_NAME
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + second[:length])
    assert names(record) == ["pad_mask"]
    record.add("check", "dot_scores")
    assert names(record) == ["pad_mask", "dot_scores"]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"3",
        b"null",
        b'"text"',
        b'{"event": "check"}',
        b'{"time": 1, "event": "check", "exercise": "x"}',
        pytest.param(b"[" * 100_000, id="deep"),
    ],
)
def test_a_line_that_is_no_event_is_left_out(home, line):
    record = Record()
    record.add("check", "pad_mask")
    with open(home / FILE_NAME, "ab") as file:
        file.write(line + b"\n")
    record.add("check", "dot_scores")
    assert names(record) == ["pad_mask", "dot_scores"]


def test_two_notebooks_may_write_at_once(home):
    def work(name):
        record = Record()
        for _ in range(100):
            record.add("check", name, mistakes=["a" * 50])

    threads = [threading.Thread(target=work, args=(f"exercise_{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = (home / FILE_NAME).read_text().splitlines()
    assert len([json.loads(line) for line in lines if line]) == 400
    assert sorted(set(names(Record()))) == [f"exercise_{i}" for i in range(4)]


@pytest.mark.parametrize(
    "obstacle", ["a file where the folder should be", "a folder where the file should be"]
)
def test_what_cannot_be_written_is_kept_in_memory_and_said_once(home, obstacle, capsys):
    if obstacle.startswith("a file"):
        home.write_text("")
    else:
        (home / FILE_NAME).mkdir(parents=True)
    record = Record()
    record.add("check", "pad_mask")
    record.add("hint", "pad_mask")
    assert [event["event"] for event in record.events()] == ["check", "hint"]
    out = capsys.readouterr().out
    assert out.count("Your progress is not kept") == 1
    assert "Everything else works without it." in out


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_stops_nothing(home, capsys):
    home.mkdir()
    home.chmod(0o500)
    record = Record()
    record.add("check", "pad_mask")
    assert names(record) == ["pad_mask"]
    assert "Permission denied" in capsys.readouterr().out


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux has a disk that is always full")
def test_a_full_disk_stops_nothing(home, capsys):
    home.mkdir()
    (home / FILE_NAME).symlink_to("/dev/full")
    record = Record()
    record.add("check", "pad_mask")
    assert "No space left on device" in capsys.readouterr().out


def test_reset_keeps_the_old_file_under_another_name(home):
    record = Record()
    backups = []
    for name in ("pad_mask", "dot_scores", "masked_mean"):
        record.add("check", name)
        backups.append(record.reset())
        assert record.events() == []
    assert len(set(backups)) == 3
    kept = [json.loads(path.read_text())["exercise"] for path in backups]
    assert kept == ["pad_mask", "dot_scores", "masked_mean"]


def test_reset_without_a_record_does_nothing(home):
    assert Record().reset() is None
