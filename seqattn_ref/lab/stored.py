"""Results of runs that are too long for a lesson. Each file is written by a script of this repository."""

import json
from pathlib import Path

FOLDER = Path(__file__).parent / "results"


def stored(name):
    """The stored results called `name`, as the script named in their entry "script" wrote them.

    Raises `LookupError` where there are none; its message lists what there is.
    """
    path = FOLDER / f"{name}.json"
    if not path.is_file():
        there = ", ".join(sorted(file.stem for file in FOLDER.glob("*.json")))
        raise LookupError(f"There are no stored results called {name!r}; there are: {there}.")
    return json.loads(path.read_text(encoding="utf-8"))
