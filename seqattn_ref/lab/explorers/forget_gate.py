"""Lesson 02: what is left of a gradient after many steps, through a forget gate and through a plain unit."""

import math

import ipywidgets

from seqattn_ref.lab.explorers.explorer import Explorer
from seqattn_ref.lab.figures import COLOURS, figure

_STEPS = 50
_LOWEST, _HIGHEST = -12, 4  # powers of ten at the two ends of the upright axis
_LEFT, _TOP, _WIDTH, _HEIGHT = 64, 14, 400, 256
_DASHES = ("", "9 5")  # lines differ in more than colour


class ForgetGateExplorer(Explorer):
    """Two curves on a logarithmic scale: f^t for a cell state behind a forget gate f, the sigmoid of its
    bias, and w^t for a plain unit with recurrent weight w, which no gradient through its tanh can exceed.

    Sliders: the forget bias, the recurrent weight, and the distance at which both curves are read off.
    bias, weight, distance: where the sliders start.
    """

    def __init__(self, bias=0.0, weight=0.9, distance=20):
        look = {"style": {"description_width": "9em"}, "layout": {"width": "26em"}}
        self.bias = ipywidgets.FloatSlider(
            value=bias, min=-2, max=6, step=0.25, description="forget bias", readout_format=".2f", **look
        )
        self.weight = ipywidgets.FloatSlider(
            value=weight, min=0, max=1.5, step=0.05, description="weight w", readout_format=".2f", **look
        )
        self.distance = ipywidgets.IntSlider(
            value=distance, min=1, max=_STEPS, description="distance t", **look
        )
        super().__init__([self.bias, self.weight, self.distance])

    @property
    def gate(self):
        """The forget gate: the sigmoid of its bias."""
        return 1 / (1 + math.exp(-self.bias.value))

    @property
    def left(self):
        """What is left after the chosen distance: through the gate, and at most through the plain unit."""
        return self.gate**self.distance.value, self.weight.value**self.distance.value

    def sentence(self):
        gate, plain = self.left
        steps = "1 step" if self.distance.value == 1 else f"{self.distance.value} steps"
        return (
            f"Forget bias {self.bias.value:g}: the gate is {self.gate:.3f}, and after {steps}"
            f" {_number(gate)} of the gradient is left."
            f" Plain unit with w = {self.weight.value:g}: at most {_number(plain)}."
        )

    def svg(self):
        look = f'width="680" height="{_TOP + _HEIGHT + 44}" font-family="sans-serif" font-size="12"'
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" {look} fill="currentColor">',
            *self._axes(),
            # The inner picture cuts off what leaves the frame.
            f'<svg x="{_LEFT}" y="{_TOP}" width="{_WIDTH}" height="{_HEIGHT}">',
        ]
        for factor, colour, dashes in zip(self._factors(), COLOURS, _DASHES, strict=False):
            points = " ".join(f"{_across(t):.1f},{_down(factor, t):.1f}" for t in range(_STEPS + 1))
            look = f'stroke="{colour}" stroke-width="2.5" stroke-dasharray="{dashes}"'
            parts.append(f'<polyline points="{points}" fill="none" {look}/>')
            t = self.distance.value
            parts.append(f'<circle cx="{_across(t):.1f}" cy="{_down(factor, t):.1f}" r="5" fill="{colour}"/>')
        return "".join([*parts, "</svg>", *self._legend(), "</svg>"])

    def still(self):
        fig, ax = figure(width=7.2, height=3.2)
        steps = range(_STEPS + 1)
        for factor, name, style in zip(self._factors(), self._names(), ("-", "--"), strict=True):
            ax.plot(steps, [max(factor**t, 1e-300) for t in steps], linestyle=style, label=name)
        ax.axvline(self.distance.value, color="#767676", linewidth=1, linestyle=":")
        ax.plot([self.distance.value] * 2, [max(n, 1e-300) for n in self.left], "o", color="#222222")
        ax.set_yscale("log")
        ax.set(xlabel="distance t", ylabel="left of the gradient", ylim=(10.0**_LOWEST, 10.0**_HIGHEST))
        ax.legend(frameon=False, loc="lower left")
        return fig

    def _factors(self):
        return self.gate, self.weight.value

    def _names(self):
        return f"forget gate: {self.gate:.3f}^t", f"plain unit, at most: {self.weight.value:.2f}^t"

    def _axes(self):
        bottom = _TOP + _HEIGHT
        faint = 'stroke="currentColor" stroke-opacity="0.35"'
        yield f'<path d="M{_LEFT},{_TOP} V{bottom} h{_WIDTH}" fill="none" {faint}/>'
        for power in range(_LOWEST, _HIGHEST + 1, 4):
            y = _TOP + _height(power)
            label = "1" if power == 0 else f"1e{power:+03d}"
            yield f'<path d="M{_LEFT},{y:.1f} h{_WIDTH}" stroke="currentColor" stroke-opacity="0.12"/>'
            yield f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{label}</text>'
        for t in range(0, _STEPS + 1, 10):
            yield f'<text x="{_LEFT + _across(t):.1f}" y="{bottom + 16}" text-anchor="middle">{t}</text>'
        yield f'<text x="{_LEFT + _WIDTH / 2}" y="{bottom + 36}" text-anchor="middle">distance t</text>'
        x = _LEFT + _across(self.distance.value)
        yield f'<path d="M{x:.1f},{_TOP} V{bottom}" stroke-dasharray="2 4" {faint}/>'

    def _legend(self):
        left = _LEFT + _WIDTH + 20
        lines = zip(self._names(), self.left, COLOURS, _DASHES, strict=False)
        for row, (name, amount, colour, dashes) in enumerate(lines):
            y = _TOP + 40 + 60 * row
            look = f'stroke="{colour}" stroke-width="2.5" stroke-dasharray="{dashes}"'
            yield f'<path d="M{left},{y} h36" fill="none" {look}/>'
            yield f'<text x="{left}" y="{y + 18}">{name}</text>'
            yield f'<text x="{left}" y="{y + 35}">t = {self.distance.value}: {_number(amount)}</text>'


def _across(t):
    """Pixels right of the left edge of the frame."""
    return t / _STEPS * _WIDTH


def _height(power):
    """Pixels below the top of the frame for a power of ten."""
    return (_HIGHEST - power) / (_HIGHEST - _LOWEST) * _HEIGHT


def _down(factor, t):
    """Where factor^t stands. What is far below the frame stays just below it: 0 has no logarithm."""
    power = t * math.log10(factor) if factor > 0 else (0.0 if t == 0 else -math.inf)
    return _height(max(power, _LOWEST - 1))


def _number(amount):
    """An amount as a person reads it: 0.38, 117, 9.5e-07."""
    if amount == 0:
        return "0"
    return f"{amount:.2g}" if amount < 100 else f"{amount:.3g}"
