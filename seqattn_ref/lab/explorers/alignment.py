"""Lessons 07 to 09: the weights of one sequence pair, decoder step by decoder step."""

from html import escape

import ipywidgets
import torch

from seqattn_ref.lab.explorers.explorer import Explorer
from seqattn_ref.lab.figures import COLOURS, figure, heatmap

_BLUE, _ORANGE = COLOURS[:2]
_BARS = 80  # pixels for a weight of 1
_SLANT = 2  # labels of more letters than this stand aslant above their columns
_NAMED = 3  # how many weights the sentence names
_SHOWN = 0.005  # a smaller weight is 0.00 in two decimals


class AlignmentExplorer(Explorer):
    """Weights as a picture with a row for each decoder step, and one row at a time in numbers.

    The slider goes through the decoder steps. The row of the step is marked, its weights stand below the
    picture as bars, each under its source token, and the sentence says what the context is made of.

    weights: (T, S), row i for step i; source: S tokens; target: T tokens, those that the steps write.
    keys: (S, Dk), the encoder's states. With them the sentence says which state the context is nearest to.
    `step` is the slider, `row` the weights of the present step, `context` what they make of the keys.
    Raises `ValueError` where the shapes do not fit.
    """

    def __init__(self, weights, source, target, keys=None):
        self.weights = torch.as_tensor(weights).detach().double().cpu()
        self.source, self.target = [str(token) for token in source], [str(token) for token in target]
        wanted = (len(self.target), len(self.source))
        if tuple(self.weights.shape) != wanted or 0 in wanted:
            raise ValueError(
                f"AlignmentExplorer: {wanted[0]} target and {wanted[1]} source tokens came with weights of"
                f" shape {tuple(self.weights.shape)}. Give a row for each target token and a column for each"
                " source token."
            )
        self.states = None if keys is None else torch.as_tensor(keys).detach().double().cpu()
        if self.states is not None and (self.states.dim() != 2 or len(self.states) != len(self.source)):
            raise ValueError(
                f"AlignmentExplorer: {len(self.source)} source tokens came with keys of shape"
                f" {tuple(self.states.shape)}. Give a row for each source token."
            )
        self.step = ipywidgets.IntSlider(
            value=1, min=1, max=len(self.target), description="step i", continuous_update=True
        )
        super().__init__([self.step])

    @property
    def row(self):
        """The weights of the present step, (S,)."""
        return self.weights[self.step.value - 1]

    @property
    def context(self):
        """The context of the present step, (Dk,), or None without keys."""
        return None if self.states is None else self.row @ self.states

    def sentence(self):
        i = self.step.value
        return f"Step {i} of {len(self.target)} writes {self.target[i - 1]}: {self._made()}{self._nearest()}"

    def svg(self):
        wide, high = self._cell()
        left, top = self._margins()
        width, bottom = left + wide * len(self.source) + 20, top + high * len(self.target)
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{bottom + _BARS + 40}"'
            ' font-family="sans-serif" font-size="12" fill="currentColor">',
            *self._labels(left, top, wide, high),
            *self._cells(left, top, wide, high),
            *self._bars(left, bottom + _BARS + 18, wide),
        ]
        return "".join([*parts, "</svg>"])

    def still(self):
        wide, high = self._cell()
        width, height = 1.6 + wide / 75 * len(self.source), 0.6 + high / 75 * len(self.target)
        fig, (picture, bars) = figure(rows=2, width=max(4.0, width), height=height + 1.6)
        picture.get_gridspec().set_height_ratios([height, 1.6])
        heatmap(picture, self.weights, rows=self.target, columns=self.source, numbers=False)
        picture.axhspan(
            self.step.value - 1.5, self.step.value - 0.5, fill=False, edgecolor=_ORANGE, linewidth=3
        )
        picture.set(title="weights: a row for each step", ylabel="written")
        places = range(len(self.source))
        drawn = bars.bar(places, self.row.tolist(), color=_BLUE)
        bars.bar_label(drawn, [f"{w:.2f}" if w >= _SHOWN else "" for w in self.row], padding=2, fontsize=8)
        bars.set(xlim=picture.get_xlim(), ylim=(0, 1.2), title=f"step {self.step.value}")
        aslant = {"rotation": 45, "ha": "right"} if max(map(len, self.source)) > _SLANT else {}
        bars.set_xticks(places, self.source, **aslant)
        return fig

    def _made(self):
        """What the context of the step is made of, the largest weights first."""
        i, row = self.step.value, self.row
        largest = row.argsort(descending=True, stable=True)[:_NAMED].tolist()
        named = [j for j in largest if row[j] >= _SHOWN]
        if not bool((row > 0).any()):
            return f"z{i} is 0, since no weight is above 0."
        parts = [f"{row[j]:.2f} h{j + 1} ({self.source[j]})" for j in named]
        left = int((row > 0).sum()) - len(named)
        if left == 0:
            return f"z{i} = {' + '.join(parts)}."
        rest = float(row.sum() - row[named].sum())
        others = f"The other {left} keys share" if left > 1 else "The other key has"
        return f"z{i} = {' + '.join([*parts, '…'])}. {others} {rest:.2f}."

    def _nearest(self):
        if self.states is None:
            return ""
        nearest = int((self.states - self.context).norm(dim=1).argmin())
        return (
            f" Of all states, h{nearest + 1} ({self.source[nearest]}) is the nearest to z{self.step.value}."
        )

    def _cell(self):
        """Width and height of a cell in pixels: large where there are few."""
        return max(14, min(36, 620 // len(self.source))), max(12, min(24, 380 // len(self.target)))

    def _margins(self):
        """Pixels to the left of the cells and above them, for the tokens."""
        slanted = max(map(len, self.source)) > _SLANT
        return 24 + 8 * max(map(len, self.target)), 24 + (6 * max(map(len, self.source)) if slanted else 0)

    def _labels(self, left, top, wide, high):
        slanted = max(map(len, self.source)) > _SLANT
        for j, token in enumerate(self.source):
            x, y = left + (j + 0.5) * wide, top - 8
            turn = f' transform="rotate(-45 {x:.1f} {y})"' if slanted else ' text-anchor="middle"'
            yield f'<text x="{x:.1f}" y="{y}"{turn}>{escape(token)}</text>'
        for i, token in enumerate(self.target):
            bold = ' font-weight="bold"' if i + 1 == self.step.value else ""
            y = top + (i + 0.5) * high + 4
            yield f'<text x="{left - 8}" y="{y:.1f}" text-anchor="end"{bold}>{escape(token)}</text>'

    def _cells(self, left, top, wide, high):
        """Squares as dark as their weights, and a frame around the row of the step."""
        for i, row in enumerate(self.weights.tolist()):
            for j, weight in enumerate(row):
                yield (
                    f'<rect x="{left + j * wide}" y="{top + i * high}" width="{wide}" height="{high}"'
                    f' fill="{_BLUE}" fill-opacity="{min(max(weight, 0.0), 1.0):.3f}" stroke="currentColor"'
                    ' stroke-opacity="0.15"/>'
                )
        y = top + (self.step.value - 1) * high
        yield (
            f'<rect class="row" x="{left - 1}" y="{y - 1}" width="{wide * len(self.source) + 2}"'
            f' height="{high + 2}" fill="none" stroke="{_ORANGE}" stroke-width="3"/>'
        )

    def _bars(self, left, bottom, wide):
        width = wide * len(self.source)
        yield f'<path d="M{left},{bottom} h{width}" stroke="currentColor" stroke-opacity="0.4"/>'
        short = max(map(len, self.source)) <= _SLANT
        for j, (token, weight) in enumerate(zip(self.source, self.row.tolist(), strict=True)):
            x, height = left + (j + 0.5) * wide, min(max(weight, 0.0), 1.0) * _BARS
            yield (
                f'<rect class="bar" x="{x - 0.35 * wide:.1f}" y="{bottom - height:.1f}"'
                f' width="{0.7 * wide:.1f}" height="{height:.1f}" fill="{_BLUE}"/>'
            )
            if weight >= _SHOWN and wide >= 24:
                yield _text(x, bottom - height - 4, f"{weight:.2f}", "10")
            if short:
                yield _text(x, bottom + 15, token, "12")


def _text(x, y, text, size):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle" font-size="{size}">{escape(text)}</text>'
