"""The corpus itself: that it holds every kind, and that its submissions can be made."""

import pytest

from .class_of_attacks import LESSONS, hand_in_all
from .corpus import ATTACKS, MODULES, ODDITIES
from .grounds import HONEST, Grounds
from .seen import SEEN


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
    hand_in_all(grounds, (*ATTACKS, *ODDITIES))
    assert len(list(grounds.submitted.iterdir())) == len(ATTACKS) + len(ODDITIES) + len(HONEST)
