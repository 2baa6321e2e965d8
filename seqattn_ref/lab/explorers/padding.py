"""Slide the number of pads behind a sequence: the plain mean drifts, the masked mean stays."""

import ipywidgets

from seqattn_ref.lab.explorers.explorer import Explorer
from seqattn_ref.lab.figures import COLOURS, figure

_CELL, _LEFT, _MOST_PADS = 34, 100, 12


class PaddingExplorer(Explorer):
    """Plain mean against masked mean for one sequence with more and more pads behind it.

    tokens: the real numbers (S,), one feature of each token; the mean of them is what both should give.
    Sliders: how many pads follow, and what number a pad holds.
    """

    def __init__(self, tokens=(2, 4, 6)):
        self.tokens = tuple(tokens)
        if not self.tokens:
            raise ValueError("PaddingExplorer needs at least one token.")
        self.pads = ipywidgets.IntSlider(0, 0, _MOST_PADS, description="pads")
        self.pad_value = ipywidgets.IntSlider(0, -6, 6, description="pad holds")
        super().__init__([self.pads, self.pad_value])

    def means(self, pads):
        """The plain mean and the masked mean when `pads` pads follow."""
        total = sum(self.tokens)
        plain = (total + pads * self.pad_value.value) / (len(self.tokens) + pads)
        return plain, total / len(self.tokens)

    def sentence(self):
        pads, value = self.pads.value, self.pad_value.value
        total, count = sum(self.tokens), len(self.tokens)
        plain, masked = self.means(pads)
        behind = "No pads" if pads == 0 else f"{pads} pad{'' if pads == 1 else 's'} holding {value}"
        return (
            f"{behind}: the plain mean is {total + pads * value} / {count + pads} = {plain:.2f}, "
            f"the masked mean is {total} / {count} = {masked:.2f}."
        )

    def svg(self):
        pads = self.pads.value
        width = _LEFT + (len(self.tokens) + _MOST_PADS) * _CELL + 20
        low, high = min(-6, *self.tokens), max(6, *self.tokens)

        def across(value):
            return round(_LEFT + (value - low) / (high - low) * (width - _LEFT - 60), 1)

        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} 170" width="{width}" height="170"',
            ' aria-hidden="true" font-family="sans-serif" font-size="13" fill="currentColor">',
            *self._row(pads),
        ]
        plain, masked = self.means(pads)
        trail = [self.means(fewer)[0] for fewer in range(pads)]
        lines = ((85, "plain mean", plain, COLOURS[0], trail), (125, "masked mean", masked, COLOURS[1], []))
        for y, name, mean, colour, before in lines:
            parts += [
                f'<text x="{_LEFT - 12}" y="{y + 4}" text-anchor="end">{name}</text>',
                f'<path d="M{across(low)} {y}H{across(high)}" stroke="currentColor" stroke-opacity="0.4"/>',
                *(f'<circle cx="{across(x)}" cy="{y}" r="3" fill="none" stroke="{colour}"/>' for x in before),
                f'<circle cx="{across(mean)}" cy="{y}" r="8" fill="{colour}"/>',
                f'<text x="{across(mean)}" y="{y - 13}" text-anchor="middle">{mean:.2f}</text>',
            ]
        for tick in range(low, high + 1, 2):
            parts.append(f'<text x="{across(tick)}" y="160" text-anchor="middle" opacity="0.7">{tick}</text>')
        return "".join(parts) + "</svg>"

    def _row(self, pads):
        yield f'<text x="{_LEFT - 12}" y="28" text-anchor="end">S = {len(self.tokens) + pads}</text>'
        for j, value in enumerate([*self.tokens, *[self.pad_value.value] * pads]):
            x, real = _LEFT + j * _CELL, j < len(self.tokens)
            fill = f'fill="{COLOURS[5]}" fill-opacity=".5"' if real else 'fill="none" stroke-dasharray="4"'
            yield f'<rect x="{x}" y="8" width="{_CELL - 3}" height="30" stroke="currentColor" {fill}/>'
            yield f'<text x="{x + (_CELL - 3) / 2}" y="28" text-anchor="middle">{value}</text>'

    def still(self):
        fig, ax = figure(height=2.6)
        steps = range(_MOST_PADS + 1)
        ax.plot(steps, [self.means(pads)[0] for pads in steps], label="plain mean")
        ax.plot(steps, [self.means(pads)[1] for pads in steps], label="masked mean")
        ax.plot([self.pads.value] * 2, self.means(self.pads.value), "o", color="black")
        ax.set(xlabel="pads behind the sequence", ylabel="mean")
        ax.legend()
        return fig
