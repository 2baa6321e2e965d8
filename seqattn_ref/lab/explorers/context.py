"""Lesson 04: three scores to slide, and the context moving inside the hull of the states."""

import math
from typing import NamedTuple

import ipywidgets

from seqattn_ref.lab.explorers.explorer import Explorer
from seqattn_ref.lab.figures import COLOURS, figure

_POWERS = "¹²³"
_INDICES = "₁₂₃"
_BAR = 170  # pixels for a weight of 1
_STYLE = {"description_width": "90px"}  # room for the longest description


class ContextExplorer(Explorer):
    """One query over three states: scores, masks and temperature in, weights and context out.

    states: h^1 to h^3, three points of the plane; scores: where the three sliders start.
    `weights` and `context` are what is drawn, as plain numbers.
    Raises `ValueError` where there are not three states of two numbers and three scores.
    """

    def __init__(self, states=((2, 0), (-1, 2), (1, -1)), scores=(2, 1, 0)):
        if len(scores) != 3 or [len(state) for state in states] != [2, 2, 2]:
            raise ValueError("ContextExplorer needs three states of two numbers each, and three scores.")
        self._states = [tuple(map(float, state)) for state in states]
        self._frame = _Frame(self._states)
        self.scores = [
            _slider(f"score e{index}", score) for index, score in zip(_INDICES, scores, strict=True)
        ]
        self.real = [ipywidgets.Checkbox(value=True, description=f"h{power} is real") for power in _POWERS]
        self.shift = _slider("add to all", 0)
        self.temperature = ipywidgets.FloatLogSlider(
            value=1, min=-1, max=1, step=0.05, description="temperature", readout_format=".2f", style=_STYLE
        )
        rows = [ipywidgets.HBox(pair) for pair in zip(self.scores, self.real, strict=True)]
        rows.append(ipywidgets.HBox([self.shift, self.temperature]))
        super().__init__([*self.scores, *self.real, self.shift, self.temperature], rows=rows)

    @property
    def weights(self):
        """The three weights as they stand."""
        scores = [slider.value + self.shift.value for slider in self.scores]
        return _weights(scores, [box.value for box in self.real], self.temperature.value)

    @property
    def context(self):
        """The context (x, y) as it stands."""
        columns = zip(*self._states, strict=True)
        return tuple(sum(w * h for w, h in zip(self.weights, column, strict=True)) for column in columns)

    def sentence(self):
        left = [state.name for state in self._marks() if state.real]
        where = (
            "Nothing may be attended to: every weight is 0 and z is 0, wherever the states are.",
            f"Only {''.join(left)} is left, and z is that state.",
            f"z is on the line between {' and '.join(left)}.",
            "z is inside the triangle.",
        )[len(left)]
        x, y = map(_two_decimals, self.context)
        return f"Weights {', '.join(map(_shown, self.weights))}. Context z = ({x}, {y}). {where}"

    def svg(self):
        frame, marks = self._frame, self._marks()
        hull = " ".join("{:.1f},{:.1f}".format(*frame.place(mark.point)) for mark in marks if mark.real)
        z = frame.place(self.context)
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{frame.width + _BAR + 130}"'
            f' height="{frame.height}" font-family="sans-serif" font-size="13" fill="currentColor">',
            frame.axes(),
            f'<polygon points="{hull}" fill-opacity="0.1" stroke="currentColor"/>',
            *(_thread(mark, frame.place(mark.point), z) for mark in marks if mark.real),
            *(_dot(mark, frame.place(mark.point)) for mark in marks),
            f'<path d="M{z[0]:.1f},{z[1]:.1f} m0,-8 l8,8 l-8,8 l-8,-8 z"/>',
            f'<text x="{z[0] - 20:.1f}" y="{z[1] + 16:.1f}">z</text>',
            f'<text x="{frame.width + 20}" y="{frame.height // 2 - 70}">weights</text>',
            *(
                _bar(mark, frame.width + 20, frame.height // 2 - 60 + 45 * row)
                for row, mark in enumerate(marks)
            ),
            "</svg>",
        ]
        return "".join(parts)

    def still(self):
        fig, (plane, bars) = figure(columns=2, width=6.8, height=3.0)
        marks = self._marks()
        corners = [mark.point for mark in marks if mark.real]
        if corners:
            plane.fill(*zip(*corners, strict=True), facecolor="#E6E6E6", edgecolor="#222222", linewidth=1)
        for mark in marks:
            style = "full" if mark.real else "none"
            plane.plot(*mark.point, "o", color=mark.colour, fillstyle=style, markersize=9)
            offset = (8, 6) if mark.point[1] >= 0 else (8, -14)
            plane.annotate(mark.label, mark.point, offset, textcoords="offset points")
        plane.plot(*self.context, "D", color="#222222", markersize=8)
        plane.annotate("z", self.context, (-14, -12), textcoords="offset points")
        plane.set(xlim=self._frame.x, ylim=self._frame.y, aspect="equal", title="states and context")
        drawn = bars.barh(range(3), self.weights, color=[mark.colour for mark in marks])
        bars.bar_label(drawn, [_shown(mark.weight) for mark in marks], padding=3)
        bars.set_yticks(range(3), [mark.label for mark in marks])
        bars.set(xlim=(0, 1.3), title="weights")
        bars.invert_yaxis()
        return fig

    def _marks(self):
        names = [f"h{power}" for power in _POWERS]
        real = [box.value for box in self.real]
        rows = zip(names, self._states, real, self.weights, COLOURS[:3], strict=True)
        return [_Mark(*row) for row in rows]


class _Mark(NamedTuple):
    """One state as it is drawn."""

    name: str
    point: tuple[float, float]
    real: bool
    weight: float
    colour: str

    @property
    def label(self):
        return self.name if self.real else f"{self.name} masked"


class _Frame:
    """The part of the plane that is drawn, the states and the origin with a margin, in pixels."""

    def __init__(self, states, margin=0.75):
        xs, ys = zip((0.0, 0.0), *states, strict=True)
        self.x = (min(xs) - margin, max(xs) + margin)
        self.y = (min(ys) - margin, max(ys) + margin)
        self._scale = min(400 / (self.x[1] - self.x[0]), 310 / (self.y[1] - self.y[0]))
        self.width = round(self._scale * (self.x[1] - self.x[0]))
        # The bars beside the plane need 180 pixels, whatever the states are.
        self.height = max(180, round(self._scale * (self.y[1] - self.y[0])))

    def place(self, point):
        """The pixel (x, y) of a point of the plane."""
        return self._scale * (point[0] - self.x[0]), self._scale * (self.y[1] - point[1])

    def axes(self):
        """The two axes, faint, with a number at each whole step."""
        left, top = self.place((self.x[0], self.y[1]))
        right, bottom = self.place((self.x[1], self.y[0]))
        zero_x, zero_y = self.place((0, 0))
        lines = f"M{left:.1f},{zero_y:.1f} H{right:.1f} M{zero_x:.1f},{top:.1f} V{bottom:.1f}"
        parts = [f'<path d="{lines}" stroke="currentColor" stroke-opacity="0.35"/>']
        for number in filter(None, _whole_numbers(self.x)):
            x, _ = self.place((number, 0))
            parts.append(f'<text x="{x - 4:.1f}" y="{zero_y + 18:.1f}" font-size="10">{number}</text>')
        for number in filter(None, _whole_numbers(self.y)):
            _, y = self.place((0, number))
            parts.append(f'<text x="{zero_x - 16:.1f}" y="{y + 4:.1f}" font-size="10">{number}</text>')
        return "".join(parts)


def _slider(description, value):
    return ipywidgets.FloatSlider(
        value=value, min=-5, max=5, step=0.1, description=description, readout_format=".1f", style=_STYLE
    )


def _weights(scores, real, temperature):
    """Plain numbers. A masked state weighs exactly 0; where none is real all of them do."""
    scaled = [e / temperature if is_real else -math.inf for e, is_real in zip(scores, real, strict=True)]
    largest = max(scaled)
    if largest == -math.inf:
        return [0.0, 0.0, 0.0]
    exps = [math.exp(e - largest) for e in scaled]
    return [exp / sum(exps) for exp in exps]


def _thread(mark, place, z):
    """A line from the context to a state, as thick as the weight is large."""
    (x, y), (zx, zy) = place, z
    return (
        f'<line x1="{zx:.1f}" y1="{zy:.1f}" x2="{x:.1f}" y2="{y:.1f}" stroke="{mark.colour}"'
        f' stroke-width="{8 * mark.weight:.1f}" stroke-opacity="0.6"/>'
    )


def _dot(mark, place):
    x, y = place
    fill = mark.colour if mark.real else "none"
    text_y = y - 9 if mark.point[1] >= 0 else y + 18
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="7" fill="{fill}" stroke="{mark.colour}" stroke-width="2"/>'
        f'<text x="{x + 11:.1f}" y="{text_y:.1f}">{mark.label}</text>'
    )


def _bar(mark, left, top):
    size = f'x="{left + 25}" y="{top}" height="28"'
    return (
        f'<text x="{left}" y="{top + 19}">{mark.name}</text>'
        f'<rect {size} width="{_BAR}" fill="none" stroke="currentColor" stroke-opacity="0.4"/>'
        f'<rect {size} width="{_BAR * mark.weight:.1f}" fill="{mark.colour}"/>'
        f'<text x="{left + 32 + _BAR}" y="{top + 19}">{_shown(mark.weight) if mark.real else "masked"}</text>'
    )


def _shown(weight):
    """Three decimals; a weight too small for them is shown as a power of ten, since small is not zero."""
    return f"{weight:.3f}" if weight == 0 or weight >= 0.0005 else f"{weight:.0e}"


def _two_decimals(number):
    """Without the minus sign that a rounded -0.001 would leave."""
    return f"{round(number, 2) + 0.0:.2f}"


def _whole_numbers(limits):
    return range(math.ceil(limits[0]), math.floor(limits[1]) + 1)
