"""Takes grades to where a course keeps them: Canvas, Gradescope, nbgrader's gradebook, or JUnit's XML.

Everything is made from the reports that `grade` wrote, so it can be done later, again, and elsewhere.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..names import one_line
from .saved import Exported, ExportError

__all__ = ["FORMATS", "ExportError", "Exported", "add_export", "export", "run_export"]

FORMATS = {
    "canvas": "a CSV file that Canvas's gradebook imports",
    "gradescope": "a results.json for each submission, in a folder",
    "junit": "one JUnit XML file of all checks",
    "nbgrader": "the grades in nbgrader's gradebook.db",
}
ALL_WRITTEN, SOME_LEFT_OUT, NOTHING_WRITTEN = 0, 1, 2


def export(
    results_dir: Path, format: str, out: Path | None = None, roster: Path | None = None, db: str | None = None
) -> Exported:
    """Write the grades in `results_dir`, the folder that `grade --out` made, in one of `FORMATS`.

    `out` is the file or folder to write, by default beside the reports. `roster` is a gradebook exported from
    Canvas, whose rows are filled in. `db` is the address of nbgrader's database or the path of its file.

    Raises `ExportError` with one sentence, and then nothing is written.
    """
    if format not in FORMATS:
        raise ExportError(f"There is no format called {format!r}: the formats are {', '.join(FORMATS)}.")
    if roster is not None and format != "canvas":
        raise ExportError("A roster is used for the format canvas only: leave out --roster.")
    if db is not None and format != "nbgrader":
        raise ExportError("A database is used for the format nbgrader only: leave out --db.")
    if format == "canvas":
        from .canvas import export_canvas

        return export_canvas(results_dir, out or results_dir / "canvas.csv", roster)
    if format == "gradescope":
        from .gradescope import export_gradescope

        return export_gradescope(results_dir, out or results_dir / "gradescope")
    if format == "junit":
        from .junit import export_junit

        return export_junit(results_dir, out or results_dir / "junit.xml")
    if out is not None:
        raise ExportError("nbgrader's grades go into its gradebook: name it with --db and leave out --to.")
    from .gradebook import export_gradebook

    return export_gradebook(results_dir, db)


def add_export(subparsers: argparse._SubParsersAction) -> None:
    """Add the command `export` to the command line."""
    parser = subparsers.add_parser(
        "export",
        help="write grades for Canvas, Gradescope, nbgrader or JUnit",
        description="Writes the grades that `grade` has made in another program's format. "
        "Exit status: 0 all are written, 1 some are left out, 2 nothing is written.",
        epilog="formats: " + "; ".join(f"{name}: {about}" for name, about in FORMATS.items()),
    )
    parser.add_argument("results", metavar="DIR", type=Path, help="the folder that `grade --out` made")
    parser.add_argument("format", metavar="FORMAT", choices=FORMATS, help=", ".join(FORMATS))
    parser.add_argument(
        "--to", metavar="PATH", type=Path, help="the file or folder to write (default: one in DIR)"
    )
    parser.add_argument(
        "--roster", metavar="FILE", type=Path, help="a gradebook exported from Canvas, to fill in"
    )
    parser.add_argument(
        "--db", metavar="URL", help="nbgrader's gradebook (default: gradebook.db in the current folder)"
    )


def run_export(args: argparse.Namespace) -> int:
    """Run the command `export` and return its exit status."""
    try:
        done = export(args.results, args.format, args.to, args.roster, args.db)
    except ExportError as error:
        print(one_line(str(error)), file=sys.stderr, flush=True)
        return NOTHING_WRITTEN
    for note in done.notes:
        print(one_line(note), file=sys.stderr)
    print(one_line(done.said), flush=True)
    return ALL_WRITTEN if done.complete else SOME_LEFT_OUT
