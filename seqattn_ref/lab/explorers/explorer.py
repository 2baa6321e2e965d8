"""The frame of every explorer in the course: controls, a picture, a sentence that says what it shows."""

from html import escape

import ipywidgets

from seqattn_ref.lab.figures import Picture


class Explorer(ipywidgets.VBox):
    """Controls above a picture that follows them.

    controls: widgets with a `value`; moving any of them redraws. `rows` may lay them out (a list of widgets);
    without it they stand one below the other.

    A subclass sets what it draws from, calls `super().__init__(controls)` last, and gives three methods:

    - `svg()` returns the picture as the text of an `<svg>` element, drawn in Python: one message a move.
    - `sentence()` returns one plain sentence that says what the picture shows, with its numbers. It stands
      under the picture, screen readers say it when it changes, and it is the picture's accessible name.
    - `still()` returns a matplotlib figure of the same state.

    Where no kernel runs (GitHub, nbconvert, a notebook just cloned) the still figure is shown as a PNG, with
    the sentence as its alt text.
    """

    def __init__(self, controls, rows=None):
        self.picture = ipywidgets.HTML()
        self.caption = ipywidgets.HTML()
        for control in controls:
            control.observe(self.redraw, "value")
        super().__init__([*(controls if rows is None else rows), self.picture, self.caption])
        self.redraw()

    def redraw(self, change=None):
        """Draw the present state again. `change` is what ipywidgets hands to observers; it is not needed."""
        sentence = escape(self.sentence())
        self.picture.value = f'<div role="img" aria-label="{sentence}">{self.svg()}</div>'
        self.caption.value = f'<div aria-live="polite">{sentence}</div>'

    def svg(self):
        raise NotImplementedError

    def sentence(self):
        raise NotImplementedError

    def still(self):
        raise NotImplementedError

    def _repr_mimebundle_(self, **kwargs):
        bundle = super()._repr_mimebundle_(**kwargs)
        picture = Picture(self.still(), self.sentence())
        return {**bundle, "text/html": picture.html, "text/plain": repr(picture)}
