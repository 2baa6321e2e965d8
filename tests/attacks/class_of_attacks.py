"""The class that both graders are given: every submission of the corpus, and honest students among them."""

import os

from .attack import ADDITIVE, RIGHT, START, Attack, hand_in
from .corpus import ATTACKS, ODDITIES
from .grounds import HONEST, Grounds
from .seen import SEEN

LESSONS = (START, ADDITIVE)


ONE_OF = int(os.environ.get("SEQATTN_ATTACKS_ONE_OF", "4"))
"""Of the attacks, one of so many is handed in: all of them take a quarter of an hour. 1 is for all."""

HANDED_IN = tuple(a for i, a in enumerate(ATTACKS) if i % ONE_OF == 0 or a.id in SEEN.values())
"""What was seen elsewhere is always among them."""

ODD = ODDITIES[::ONE_OF]


def hand_in_all(grounds: Grounds, submissions: tuple[Attack, ...] = (*HANDED_IN, *ODD)) -> None:
    """Put every submission where the course keeps them. The honest ones hold the secret in their answers."""
    for name in HONEST:
        for lesson in LESSONS:
            own = {exercise: f"# {grounds.secret}\n{answer}" for exercise, answer in RIGHT[lesson].items()}
            hand_in(own, lesson=lesson)(grounds.submitted / name / lesson, grounds)
    for attack in submissions:
        _hand_in(attack, grounds)


def _hand_in(attack: Attack, grounds: Grounds) -> None:
    folder = grounds.submitted / attack.folder
    folder.mkdir(parents=True)
    attack.write(folder / attack.lesson, grounds)
