"""The corpus itself: that it holds every kind, and that its submissions can be made."""

import pytest

from .class_of_attacks import LESSONS, hand_in_all
from .corpus import ATTACKS, MODULES, ODDITIES
from .grounds import HONEST, Grounds

# What was seen to get through other graders, or to stop them.
SEEN = {
    "comparators patched": "comparators",
    "builtins patched": "builtins",
    "IPython's machinery patched": "ipython-machinery",
    "AST and input transformers": "transformers",
    "a display and then an error": "displayhook",
    "a tag that skips the tests": "skip-execution",
    "the reference imported": "import-reference",
    "the reference inspected": "inspect-reference",
    "the reference opened": "open-reference",
    "frames walked": "frames",
    "folders above read": "solutions-above",
    "a classmate's file run": "classmates-file",
    "the gradebook read": "gradebook-read",
    "the gradebook written at once": "gradebook-at-once",
    "the gradebook written later": "gradebook-later",
    "the gradebook locked": "gradebook-locked",
    "a classmate's file spoilt": "classmates-spoilt",
    "__torch_function__ that lies": "torch-function-liar",
    "tables against fixed seeds": "table-of-seeds",
    "modules beside the notebook": "stray-modules",
    "links": "link-to-solution",
    "extra cells": "second-grade-cell",
    "grade ids twice": "grade-ids-doubled",
    "schema 1": "schema-1",
    "schema 99": "schema-99",
    "the parent killed": "kill-parent",
    "os._exit": "exit-0",
    "segfault": "segfault",
    "loops that swallow interrupts": "endless-loop",
    "hangs in C": "endless-regex",
    "fork bombs": "many-processes",
    "growth": "memory-python",
    "a gigabyte of output": "output-gigabyte",
    "SIGSTOP": "endless-stop",
    "many small files": "files-beside-10000",
    "pipes": "notebook-is-a-fifo",
    "bad UTF-8": "bad-utf-8",
    "truncated": "truncated",
    "empty": "empty-file",
    "renamed": "renamed",
    "a second notebook": "second-notebook",
    "metadata stripped": "metadata-stripped",
    "pickled results": "pickle-bomb",
}


def test_every_kind_that_was_seen_is_there():
    assert set(SEEN.values()) <= {attack.id for attack in ATTACKS}
    assert len(ATTACKS) > 300 and len(ODDITIES) > 60
    assert all(module.ATTACKS for module in MODULES)


def test_each_says_in_a_sentence_what_it_tries():
    every = [*ATTACKS, *ODDITIES]
    assert len({attack.id for attack in every}) == len({attack.folder for attack in every}) == len(every)
    assert [attack.id for attack in every if not attack.tries.endswith(".")] == []


def test_what_an_oddity_earns_is_everything():
    assert all(attack.earned == attack.points() and all(attack.points().values()) for attack in ODDITIES)


@pytest.mark.slow
def test_all_can_be_handed_in(tmp_path):
    grounds = Grounds(tmp_path)
    grounds.lay_out(LESSONS)
    hand_in_all(grounds)
    assert len(list(grounds.submitted.iterdir())) == len(ATTACKS) + len(ODDITIES) + len(HONEST)
