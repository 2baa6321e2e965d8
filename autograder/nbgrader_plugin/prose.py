"""Shows a student's prose without what a browser would run.

Markdown may hold HTML, and nbgrader shows it as it is: in the feedback, and in formgrader, where a script
would act with the teacher's rights.
"""

from __future__ import annotations

import functools

import bleach
from bleach.css_sanitizer import CSSSanitizer
from jinja2 import pass_context
from jinja2.runtime import Context
from nbconvert.exporters import HTMLExporter

_TAGS = set(
    """
    h1 h2 h3 h4 h5 h6 p br hr pre div span img figure figcaption table thead tbody tr th td caption
    dl dt dd sub sup del ins u s small mark kbd samp var details summary center
    """.split()
) | set(bleach.ALLOWED_TAGS)
_ATTRIBUTES = {
    "*": ["class", "id", "style", "title", "align", "lang"],
    "a": ["href", "title"],
    "img": ["src", "alt", "width", "height"],
    "th": ["colspan", "rowspan", "scope"],
    "td": ["colspan", "rowspan"],
    "details": ["open"],
    "ol": ["start"],
}
_PROTOCOLS = {*bleach.ALLOWED_PROTOCOLS, "data"}  # pictures that were pasted into a cell


@pass_context
def safe_markdown(context: Context, source: str) -> str:
    """In place of nbconvert's filter `markdown2html`."""
    html = _exporter().markdown2html(context, source)
    return bleach.clean(
        html, tags=_TAGS, attributes=_ATTRIBUTES, protocols=_PROTOCOLS, css_sanitizer=CSSSanitizer()
    )


@functools.cache
def _exporter() -> HTMLExporter:
    return HTMLExporter()
