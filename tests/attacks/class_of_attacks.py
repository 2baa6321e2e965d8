"""The class that both graders are given: every submission of the corpus, and honest students among them."""

from .attack import ADDITIVE, RIGHT, START, Attack, hand_in
from .corpus import ATTACKS, ODDITIES
from .grounds import HONEST, Grounds

LESSONS = (START, ADDITIVE)


def hand_in_all(grounds: Grounds) -> None:
    """Put every submission where the course keeps them. The honest ones hold the secret in their answers."""
    for name in HONEST:
        for lesson in LESSONS:
            own = {exercise: f"# {grounds.secret}\n{answer}" for exercise, answer in RIGHT[lesson].items()}
            hand_in(own, lesson=lesson)(grounds.submitted / name / lesson, grounds)
    for attack in (*ATTACKS, *ODDITIES):
        _hand_in(attack, grounds)


def _hand_in(attack: Attack, grounds: Grounds) -> None:
    folder = grounds.submitted / attack.folder
    folder.mkdir(parents=True)
    attack.write(folder / attack.lesson, grounds)
