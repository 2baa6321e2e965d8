"""Lesson 06: the matrix of a bilinear score as a dictionary between two planes."""

import math

import ipywidgets

from seqattn_ref.lab.explorers.explorer import Explorer
from seqattn_ref.lab.figures import COLOURS, figure

_POWERS = "¹²³⁴⁵"
_PLANE = 220  # pixels for the side of a plane
_GAP = 40
_TOP = 28
_BAR = 110  # pixels for a weight of 1
_REACH = 3.3  # how far the key's plane reaches from its middle
_STYLE = {"description_width": "110px"}


class DictionaryExplorer(Explorer):
    """A query in one plane, its translation Wᵀq among the keys of another, and the weights of the keys.

    The query has length 1. W stretches both features of a query, keeps all or part of the second one, and
    turns the result. The ring in the key's plane is where all queries of length 1 are translated to.

    keys: up to five points (x, y); query, turn: degrees; stretch: a factor; kept: the share of the query's
    second feature that W keeps, 0 to 1. The last four are where the sliders start.
    `W`, `translated`, `scores` and `weights` are what is drawn, as plain numbers.
    Raises `ValueError` where there are not two to five keys of two numbers each.
    """

    def __init__(
        self,
        keys=((2, 0), (0.5, 1.5), (-1.5, 1), (-0.5, -1.5), (0.4, 0.3)),
        query=20,
        turn=0,
        stretch=1.0,
        kept=1.0,
    ):
        if not 2 <= len(keys) <= len(_POWERS) or any(len(key) != 2 for key in keys):
            raise ValueError("DictionaryExplorer needs two to five keys of two numbers each.")
        self.points = [tuple(map(float, key)) for key in keys]
        self.names = [f"h{power}" for power in _POWERS[: len(self.points)]]
        self.query = _slider("query's angle", query, -180, 180, 5)
        self.turn = _slider("W turns by", turn, -180, 180, 5)
        self.stretch = _slider("W stretches by", stretch, 0, 3, 0.1)
        self.kept = _slider("feature 2 kept", kept, 0, 1, 0.1)
        pairs = ((self.query, self.turn), (self.stretch, self.kept))
        super().__init__([control for pair in pairs for control in pair], rows=[*map(ipywidgets.HBox, pairs)])

    @property
    def W(self):
        """The matrix as it stands: two rows of the query's features, two columns of the key's."""
        cos, sin = _direction(self.turn.value)
        first, second = self.stretch.value, self.stretch.value * self.kept.value
        return (first * cos, first * sin), (-second * sin, second * cos)

    @property
    def translated(self):
        """Wᵀq as it stands."""
        return self._translate(self.query.value)

    @property
    def scores(self):
        """The score qᵀ W h of each key as it stands."""
        x, y = self.translated
        return [x * key_x + y * key_y for key_x, key_y in self.points]

    @property
    def weights(self):
        """The weight of each key as it stands."""
        exps = [math.exp(score - max(self.scores)) for score in self.scores]
        return [exp / sum(exps) for exp in exps]

    def sentence(self):
        weights = self.weights
        best = weights.index(max(weights))
        # A W of zeros gives all keys the same score.
        even = max(weights) - min(weights) < 1e-9
        largest = (
            f"All weights are {weights[0]:.2f}" if even else f"The largest weight is {weights[best]:.2f}"
        )
        return (
            f"Query at {self.query.value:g}°. W stretches it by {self.stretch.value:g}, keeps"
            f" {self.kept.value:g} of feature 2 and turns it by {self.turn.value:g}°:"
            f" Wᵀq = ({', '.join(map(_two_decimals, self.translated))})."
            f" Scores {', '.join(map(_two_decimals, self.scores))}."
            f" {largest}{'' if even else f', on {self.names[best]}'}."
        )

    def svg(self):
        left, right = 10, 10 + _PLANE + _GAP
        bars = right + _PLANE + _GAP
        size = f'width="{bars + _BAR + 90}" height="{_TOP + _PLANE + 40}"'
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="13"'
            ' fill="currentColor">',
            f'<text x="{left}" y="16">query q</text>',
            f'<text x="{right}" y="16">Wᵀq among the keys</text>',
            f'<text x="{bars}" y="16">weights</text>',
            *_axes(left),
            f'<g font-size="10"><text x="{left + _PLANE - 50}" y="{_TOP + _PLANE / 2 + 13}">feature 1</text>'
            f'<text x="{left + _PLANE / 2 + 5}" y="{_TOP + 12}">feature 2</text></g>',
            *_ring([_direction(angle) for angle in range(0, 361, 5)], left, 1.5),
            *_arrow(_direction(self.query.value), left, 1.5, COLOURS[0]),
            *_axes(right),
            *_ring([self._translate(angle) for angle in range(0, 361, 5)], right, _REACH),
            *self._dots(right),
            *_arrow(self.translated, right, _REACH, COLOURS[1]),
            *self._bars(bars),
            f'<text x="{left}" y="{_TOP + _PLANE + 26}">W = {self._matrix()}</text>',
            "</svg>",
        ]
        return "".join(parts)

    def still(self):
        fig, (queries, keys, bars) = figure(columns=3, width=8.4, height=3.0)
        ring = range(0, 361, 5)
        for ax, reach, arrow, points, colour in (
            (queries, 1.5, _direction(self.query.value), map(_direction, ring), COLOURS[0]),
            (keys, _REACH, self.translated, map(self._translate, ring), COLOURS[1]),
        ):
            ax.plot(*zip(*points, strict=True), color="#767676", linewidth=1, linestyle=":")
            ax.annotate(
                "", arrow, (0, 0), arrowprops={"arrowstyle": "-|>", "color": colour, "linewidth": 2.5}
            )
            ax.axhline(0, color="#767676", linewidth=0.8, linestyle="-")
            ax.axvline(0, color="#767676", linewidth=0.8, linestyle="-")
            ax.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
        queries.set(title="query q", xlabel=f"W = {self._matrix()}")
        queries.text(1.45, -0.2, "feature 1", ha="right", fontsize=8)
        queries.text(0.08, 1.3, "feature 2", fontsize=8)
        keys.set(title="Wᵀq among the keys")
        for name, key, weight in zip(self.names, self.points, self.weights, strict=True):
            keys.plot(*key, "o", color="#56B4E9", markeredgecolor="#222222", markersize=5 + 9 * weight)
            keys.annotate(name, key, (7, 5), textcoords="offset points")
        drawn = bars.barh(self.names, self.weights, color="#56B4E9")
        bars.bar_label(drawn, [f"{weight:.2f}" for weight in self.weights], padding=3)
        bars.set(xlim=(0, 1.25), title="weights")
        bars.invert_yaxis()
        return fig

    def _translate(self, angle):
        """Wᵀq for the query of length 1 at this angle."""
        (a, b), (c, d) = self.W
        x, y = _direction(angle)
        return a * x + c * y, b * x + d * y

    def _matrix(self):
        rows = ("[" + ", ".join(map(_two_decimals, row)) + "]" for row in self.W)
        return f"[{', '.join(rows)}]"

    def _dots(self, left):
        for name, key, weight in zip(self.names, self.points, self.weights, strict=True):
            x, y = _place(key, left, _REACH)
            yield (
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{4 + 7 * weight:.1f}" fill="#56B4E9"'
                f' stroke="currentColor"/><text x="{x + 9:.1f}" y="{y - 8:.1f}">{name}</text>'
            )

    def _bars(self, left):
        for row, (name, weight) in enumerate(zip(self.names, self.weights, strict=True)):
            top = _TOP + 40 * row
            frame = f'x="{left + 28}" y="{top}" height="26"'
            yield (
                f'<text x="{left}" y="{top + 18}">{name}</text>'
                f'<rect {frame} width="{_BAR}" fill="none" stroke="currentColor" stroke-opacity="0.4"/>'
                f'<rect {frame} width="{_BAR * weight:.1f}" fill="#56B4E9"/>'
                f'<text x="{left + _BAR + 34}" y="{top + 18}">{weight:.2f}</text>'
            )


def _slider(description, value, low, high, step):
    whole = step == int(step)
    return ipywidgets.FloatSlider(
        value=value,
        min=low,
        max=high,
        step=step,
        description=description,
        readout_format=".0f" if whole else ".1f",
        style=_STYLE,
    )


def _direction(degrees):
    """The point of length 1 at an angle."""
    return math.cos(math.radians(degrees)), math.sin(math.radians(degrees))


def _place(point, left, reach):
    """The pixel (x, y) of a point in the plane whose left edge is at `left`."""
    half = _PLANE / 2
    return left + half * (1 + point[0] / reach), _TOP + half * (1 - point[1] / reach)


def _axes(left):
    middle = _PLANE / 2
    yield (
        f'<rect x="{left}" y="{_TOP}" width="{_PLANE}" height="{_PLANE}" fill="none" stroke="currentColor"'
        ' stroke-opacity="0.35"/>'
        f'<path d="M{left},{_TOP + middle} h{_PLANE} M{left + middle},{_TOP} v{_PLANE}" fill="none"'
        ' stroke="currentColor" stroke-opacity="0.35"/>'
    )


def _ring(points, left, reach):
    path = " ".join("{:.1f},{:.1f}".format(*_place(point, left, reach)) for point in points)
    yield f'<polyline points="{path}" fill="none" stroke="currentColor" stroke-dasharray="2 4"/>'


def _arrow(tip, left, reach, colour):
    """From the middle of a plane to `tip`. An arrow without a length is a dot."""
    (x0, y0), (x1, y1) = _place((0, 0), left, reach), _place(tip, left, reach)
    length = math.hypot(x1 - x0, y1 - y0)
    if length < 1:
        yield f'<circle cx="{x0:.1f}" cy="{y0:.1f}" r="4" fill="{colour}"/>'
        return
    dx, dy = (x1 - x0) / length, (y1 - y0) / length
    back = min(12, length)
    bx, by = x1 - back * dx, y1 - back * dy
    yield (
        f'<path d="M{x0:.1f},{y0:.1f} L{bx:.1f},{by:.1f}" stroke="{colour}" stroke-width="3"/>'
        f'<path d="M{x1:.1f},{y1:.1f} L{bx - 5 * dy:.1f},{by + 5 * dx:.1f}'
        f' L{bx + 5 * dy:.1f},{by - 5 * dx:.1f} z" fill="{colour}"/>'
    )


def _two_decimals(number):
    """Without the minus sign that a rounded -0.001 would leave."""
    return f"{round(number, 2) + 0.0:.2f}"
