"""Lesson 05: what the hidden units of an additive scorer respond to, and what is lost without their tanh."""

import ipywidgets
import torch

from seqattn_ref.lab.explorers.explorer import Explorer
from seqattn_ref.lab.figures import COLOURS, figure

_DASHES = ("10 4", "10 4 2 4", "2 4")  # as SVG writes them: lines differ in more than colour
_STYLES = ("--", "-.", ":")  # the same for matplotlib
_LEFT, _WIDTH = 40, 400
_CURVES_TOP, _CURVES_HEIGHT = 14, 190
_BARS_TOP, _BARS_HEIGHT = 258, 80


class TanhUnitsExplorer(Explorer):
    """Three units v_a tanh(w_q q + w_k k), their sum as a curve over k, and below it the weights of the keys.

    Query and keys are single numbers, so that a key is a place on a line. One slider moves the query; a box
    takes the tanh away.

    v, w_q, w_k: three numbers each, one a unit; keys: the places of the keys, in rising order; query: where
    the slider starts.
    `scores` and `weights` are what is drawn, one number for each key at `places`.
    Raises `ValueError` where there are not three units or the keys do not rise.
    """

    def __init__(
        self, v=(3.0, -3.0, 0.5), w_q=(-1.0, -3.0, 0.0), w_k=(2.0, 2.0, 0.5), keys=range(-4, 5), query=1.0
    ):
        if not len(v) == len(w_q) == len(w_k) == 3:
            raise ValueError("TanhUnitsExplorer draws three units: give v, w_q and w_k three numbers each.")
        self._v, self._w_q, self._w_k = (torch.tensor(w, dtype=torch.float64) for w in (v, w_q, w_k))
        self.places = torch.tensor(list(keys), dtype=torch.float64)
        if len(self.places) < 2 or not (self.places.diff() > 0).all():
            raise ValueError("TanhUnitsExplorer needs at least two keys, in rising order.")
        self._line = torch.linspace(float(self.places[0]) - 0.5, float(self.places[-1]) + 0.5, 161).double()
        self.query = ipywidgets.FloatSlider(
            value=query, min=-3, max=3, step=0.25, description="query q", readout_format=".2f"
        )
        self.tanh = ipywidgets.Checkbox(value=True, description="tanh on", indent=False)
        super().__init__([self.query, self.tanh], rows=[ipywidgets.HBox([self.query, self.tanh])])

    def units(self, places, query=None):
        """What each unit adds to the score at each place of a key: (3, places)."""
        query = self.query.value if query is None else query
        heard = self._w_q[:, None] * query + self._w_k[:, None] * places
        return self._v[:, None] * (torch.tanh(heard) if self.tanh.value else heard)

    @property
    def scores(self):
        """The scores of the keys as they stand, (keys,)."""
        return self.units(self.places).sum(0)

    @property
    def weights(self):
        """The weights of the keys as they stand, (keys,)."""
        return torch.softmax(self.scores, dim=0)

    def sentence(self):
        weights = self.weights
        at_zero = torch.softmax(self.units(self.places, query=0.0).sum(0), dim=0)
        largest = int(weights.argmax())
        return (
            f"Query {self.query.value:g}, tanh {'on' if self.tanh.value else 'off'}: the largest weight is"
            f" {weights[largest]:.2f}, on key {self.places[largest]:g}."
            f" The weights differ from those of query 0 by at most {(weights - at_zero).abs().max():.2f}."
        )

    def svg(self):
        low, high = self._limits()
        look = f'width="680" height="{_BARS_TOP + _BARS_HEIGHT + 40}" font-family="sans-serif" font-size="12"'
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" {look} fill="currentColor">',
            *self._axes(low, high),
            # The inner picture cuts off what leaves the frame: without tanh the units have no limit.
            f'<svg x="{_LEFT}" y="{_CURVES_TOP}" width="{_WIDTH}" height="{_CURVES_HEIGHT}">',
        ]
        units = self.units(self._line)
        for values, colour, dashes in zip(units, COLOURS, _DASHES, strict=False):
            parts.append(self._curve(values, low, high, f'stroke="{colour}" stroke-width="2"', dashes))
        parts.append(self._curve(units.sum(0), low, high, 'stroke="currentColor" stroke-width="3"'))
        for key, score in zip(self.places, self.scores, strict=True):
            x, y = self._across(key), _up(score, low, high)
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>')
        return "".join([*parts, "</svg>", *self._legend(), *self._bars(), "</svg>"])

    def still(self):
        fig, (curves, bars) = figure(rows=2, width=7.2, height=4.4)
        units = self.units(self._line)
        for values, colour, style, name in zip(units, COLOURS, _STYLES, self._formulas(), strict=False):
            curves.plot(self._line, values, color=colour, linestyle=style, label=name)
        curves.plot(
            self._line, units.sum(0), color="#222222", linestyle="-", linewidth=3, label="score: their sum"
        )
        curves.plot(self.places, self.scores, "o", color="#222222")
        curves.axvline(self.query.value, color="#767676", linewidth=1, linestyle="-")
        curves.set(ylim=self._limits(), title=f"query q = {self.query.value:g}")
        fig.legend(loc="outside right upper", frameon=False)
        weights = self.weights.tolist()
        drawn = bars.bar(self.places.tolist(), weights, width=self._gap() * 0.6, color="#56B4E9")
        bars.bar_label(drawn, [f"{weight:.2f}" for weight in weights], padding=2)
        bars.set(xlim=curves.get_xlim(), ylim=(0, 1.2), xticks=self.places.tolist())
        bars.set(xlabel="key k", title="weights: softmax of the score")
        return fig

    def _limits(self):
        """How far the drawing reaches up and down: the same for every query, so that a move is seen."""
        if self.tanh.value:
            reach = float(self._v.abs().sum())
        else:
            ends = [self.units(self.places, query).sum(0) for query in (self.query.min, self.query.max)]
            reach = float(torch.stack(ends).abs().max())
        reach = 1.1 * max(reach, 1e-3)
        return -reach, reach

    def _across(self, place):
        return float((place - self._line[0]) / (self._line[-1] - self._line[0])) * _WIDTH

    def _gap(self):
        return float(self.places.diff().min())

    def _curve(self, values, low, high, look, dashes=""):
        points = " ".join(
            f"{self._across(x):.1f},{_up(y, low, high):.1f}" for x, y in zip(self._line, values, strict=True)
        )
        return f'<polyline points="{points}" fill="none" {look} stroke-dasharray="{dashes}"/>'

    def _axes(self, low, high):
        zero = _CURVES_TOP + _up(0.0, low, high)
        bottom = _CURVES_TOP + _CURVES_HEIGHT
        faint = 'stroke="currentColor" stroke-opacity="0.35"'
        yield f'<path d="M{_LEFT},{zero:.1f} h{_WIDTH} M{_LEFT},{_CURVES_TOP} V{bottom}" {faint}/>'
        tick = max(1, round(high / 2))
        for value in (-tick, 0, tick):
            y = _CURVES_TOP + _up(value, low, high) + 4
            yield f'<text x="{_LEFT - 6}" y="{y:.1f}" text-anchor="end" font-size="10">{value}</text>'
        x = _LEFT + self._across(self.query.value)
        if _LEFT <= x <= _LEFT + _WIDTH:
            yield f'<path d="M{x:.1f},{_CURVES_TOP} V{bottom}" {faint}/>'
            yield f'<text x="{x:.1f}" y="{bottom + 14}" text-anchor="middle">k = q</text>'

    def _legend(self):
        left = _LEFT + _WIDTH + 24
        lines = [
            *(
                (f'stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"', name)
                for colour, dashes, name in zip(COLOURS, _DASHES, self._formulas(), strict=False)
            ),
            ('stroke="currentColor" stroke-width="3"', "score: their sum"),
        ]
        for row, (look, name) in enumerate(lines):
            y = _CURVES_TOP + 30 + 26 * row
            yield f'<path d="M{left},{y} h36" fill="none" {look}/>'
            yield f'<text x="{left + 44}" y="{y + 4}">{name}</text>'

    def _bars(self):
        bottom = _BARS_TOP + _BARS_HEIGHT
        width = 0.6 * self._gap() / float(self._line[-1] - self._line[0]) * _WIDTH
        yield f'<path d="M{_LEFT},{bottom} h{_WIDTH}" stroke="currentColor" stroke-opacity="0.35"/>'
        for key, weight in zip(self.places, self.weights, strict=True):
            x, height = _LEFT + self._across(key), float(weight) * _BARS_HEIGHT
            yield (
                f'<rect x="{x - width / 2:.1f}" y="{bottom - height:.1f}" width="{width:.1f}"'
                f' height="{height:.1f}" fill="#56B4E9" stroke="currentColor"/>'
                f'<text x="{x:.1f}" y="{bottom - height - 5:.1f}" text-anchor="middle">{weight:.2f}</text>'
                f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{key:g}</text>'
            )
        left = _LEFT + _WIDTH + 24
        yield f'<text x="{left}" y="{bottom - 40}">weights: softmax of the score</text>'
        yield f'<text x="{left}" y="{bottom + 16}">key k</text>'

    def _formulas(self):
        """Each unit as a reader would write it, such as 3 tanh(2k - q)."""
        for a, (v, w_q, w_k) in enumerate(zip(self._v, self._w_q, self._w_k, strict=True), start=1):
            heard = _sum_of((float(w_k), "k"), (float(w_q), "q"))
            yield f"unit {a}: {float(v):g} {'tanh' if self.tanh.value else ''}({heard})"


def _up(value, low, high):
    """Pixels below the top of the curves' frame."""
    return float(high - value) / (high - low) * _CURVES_HEIGHT


def _sum_of(*terms):
    """Write terms (factor, letter) as a sum, leaving out zeros and ones."""
    text = ""
    for factor, letter in terms:
        if factor:
            size = "" if abs(factor) == 1 else f"{abs(factor):g}"
            sign = ("-" if factor < 0 else "") if not text else (" - " if factor < 0 else " + ")
            text += f"{sign}{size}{letter}"
    return text or "0"
