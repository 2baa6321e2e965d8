"""The page on one submission: score, reports, and how to recompute them, as one HTML file that needs nothing
else.
"""

from __future__ import annotations

import functools
import re
import shlex
from importlib import resources

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup, escape

from .plain import amount, plain


def student_page(result: dict) -> str:
    """The page on one result of `jobs.grade_one`, as UTF-8 text that can always be written."""
    return plain(_template().render(r=result))


@functools.cache
def _template() -> Template:
    here = resources.files(__package__)
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    # A report makes its own HTML and escapes in it whatever came from the answer.
    environment.filters.update(amount=amount, code=_with_code, quote=shlex.quote, trusted=Markup)
    environment.globals["css"] = Markup(here.joinpath("page.css").read_text(encoding="utf-8"))
    return environment.from_string(here.joinpath("student.html").read_text(encoding="utf-8"))


def _with_code(text: str) -> Markup:
    """What stands between backticks is code, as in Markdown."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))
