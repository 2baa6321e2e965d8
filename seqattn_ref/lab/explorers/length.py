"""Lesson 03: what a model writes for sources of one length, and how often that is right as a whole."""

from html import escape

import ipywidgets

from seqattn_ref.lab.data import EOS
from seqattn_ref.lab.explorers.explorer import Explorer
from seqattn_ref.lab.figures import COLOURS, figure

_LEFT, _WIDTH = 104, 560  # pixels for the names of the rows, and for what stands beside them
_ROW, _MARK = 36, 20  # the height of a row of tokens, and of the marks below the last one
_BARS_TOP, _BARS_HEIGHT = 176, 90
_NAMES = ("source", "right answer", "written")
_MISSING = "–"


class LengthExplorer(Explorer):
    """One example at a time: source, right answer and what a model wrote, each wrong place marked with a
    cross and a dashed frame. Below it a bar for each length: the share of its sources that are right as a
    whole. One slider chooses the length, the other the example.

    pairs: `Pairs` (N, …), with an example of every length at least once; predictions: (N, T) numbers, what
    the model wrote; vocabulary: the `Vocabulary` of both.
    length: where the slider starts; without it at the shortest.
    `accuracy` has the share for each length.
    Raises `ValueError` where predictions and targets differ in shape, or no source has that length.
    """

    def __init__(self, pairs, predictions, vocabulary, length=None):
        if predictions.shape != pairs.targets.shape:
            raise ValueError(
                f"LengthExplorer: predictions of shape {tuple(predictions.shape)} came with targets of shape "
                f"{tuple(pairs.targets.shape)}."
            )
        self._vocabulary = vocabulary
        self._pairs, self._predictions = pairs, predictions
        lengths = pairs.lengths.tolist()
        self._places = {n: [i for i, each in enumerate(lengths) if each == n] for n in sorted(set(lengths))}
        right = ((predictions == pairs.targets) | ~pairs.mask).all(1).tolist()
        self._right = {n: sum(right[i] for i in rows) for n, rows in self._places.items()}
        self.accuracy = {n: self._right[n] / len(rows) for n, rows in self._places.items()}
        if length is None:
            length = min(self._places)
        if length not in self._places:
            raise ValueError(f"LengthExplorer: there is no source of length {length}.")
        self.length = ipywidgets.SelectionSlider(
            options=list(self._places), value=length, description="length"
        )
        most = max(map(len, self._places.values()))
        self.example = ipywidgets.IntSlider(value=1, min=1, max=most, description="example")
        super().__init__([self.length, self.example])

    @property
    def shown(self):
        """Source, right answer and what was written, three lists of tokens."""
        rows = self._places[self.length.value]
        i = rows[(self.example.value - 1) % len(rows)]
        source = self._pairs.source[i, : self.length.value].tolist()
        return [
            [self._vocabulary.tokens[number] for number in _up_to_eos(numbers)]
            for numbers in (source, self._pairs.targets[i].tolist(), self._predictions[i].tolist())
        ]

    @property
    def wrong(self):
        """The places, counted from 0, at which something else is written than should be, or nothing."""
        _, answer, written = self.shown
        longest = max(len(answer), len(written))
        return [j for j in range(longest) if answer[j : j + 1] != written[j : j + 1]]

    def sentence(self):
        length, (source, answer, written) = self.length.value, self.shown
        count, wrong = len(self._places[length]), self.wrong
        number = (self.example.value - 1) % count + 1
        return (
            f"Length {length}, example {number} of {count}: the source is {_joined(source)}, the right answer"
            f" {_joined(answer)}. The model wrote {_joined(written) or 'nothing'}: {_said(wrong)}."
            f" Of the {count} sources of this length {self._right[length]} are right as a whole."
        )

    def svg(self):
        look = f'width="{_LEFT + _WIDTH + 16}" height="{_BARS_TOP + _BARS_HEIGHT + 40}" font-size="13"'
        return "".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" {look} font-family="sans-serif"'
                ' fill="currentColor">',
                *self._tokens(),
                *self._bars(),
                "</svg>",
            ]
        )

    def still(self):
        from matplotlib.patches import Rectangle

        fig, (top, bars) = figure(rows=2, width=7.2, height=4.0)
        steps, wrong = self._steps(), self.wrong
        for row, tokens in enumerate(self.shown):
            for j in range(steps):
                bad = row == 2 and j in wrong
                text = tokens[j] if j < len(tokens) else _MISSING if bad else None
                if text is None:
                    continue
                look = {"linestyle": "--", "linewidth": 2, "edgecolor": COLOURS[1]} if bad else {}
                look = look or {"linewidth": 0.8, "edgecolor": "#767676"}
                top.add_patch(Rectangle((j + 0.06, row + 0.08), 0.88, 0.84, facecolor="none", **look))
                top.text(j + 0.5, row + 0.5, text, ha="center", va="center")
                if bad:
                    top.text(j + 0.5, row + 1.25, "×", ha="center", va="center", color=COLOURS[1])
        top.set(xlim=(0, max(steps, 10)), ylim=(3.5, -0.1), xticks=[])
        top.set_yticks([0.5, 1.5, 2.5], _NAMES)
        top.tick_params(length=0)
        top.spines[:].set_visible(False)
        lengths = list(self.accuracy)
        colours = [COLOURS[0] if n == self.length.value else "none" for n in lengths]
        drawn = bars.bar(range(len(lengths)), self.accuracy.values(), color=colours, edgecolor=COLOURS[0])
        bars.bar_label(drawn, [f"{100 * share:.0f}" for share in self.accuracy.values()], padding=2)
        bars.set_xticks(range(len(lengths)), lengths)
        bars.set(
            ylim=(0, 1.2), yticks=[], xlabel="length of the source", title="right as a whole, in per cent"
        )
        return fig

    def _steps(self):
        return max(map(len, self.shown))

    def _tokens(self):
        steps, wrong = self._steps(), self.wrong
        size = min(_ROW, _WIDTH / steps)
        for row, (name, tokens) in enumerate(zip(_NAMES, self.shown, strict=True)):
            y = 6 + row * _ROW
            yield f'<text x="{_LEFT - 10}" y="{y + 20}" text-anchor="end">{name}</text>'
            for j in range(steps):
                bad = row == 2 and j in wrong
                text = tokens[j] if j < len(tokens) else _MISSING if bad else None
                if text is None:
                    continue
                x, middle = _LEFT + j * size, _LEFT + (j + 0.5) * size - 1
                look = f'stroke="{COLOURS[1]}" stroke-width="3" stroke-dasharray="5 3"' if bad else ""
                look = look or 'stroke="currentColor" stroke-opacity="0.5"'
                yield (
                    f'<rect x="{x:.1f}" y="{y}" width="{size - 4:.1f}" height="{_ROW - 6}" fill="none"'
                    f" {look}/>"
                    f'<text x="{middle - 1:.1f}" y="{y + 20}" text-anchor="middle">{escape(text)}</text>'
                )
                if bad:
                    yield (
                        f'<text x="{middle - 1:.1f}" y="{y + _ROW + _MARK - 6}" text-anchor="middle"'
                        f' font-weight="bold">×</text>'
                    )

    def _bars(self):
        bottom, step = _BARS_TOP + _BARS_HEIGHT, _WIDTH / len(self.accuracy)
        yield f'<text x="{_LEFT - 10}" y="{_BARS_TOP + 14}" text-anchor="end">right as</text>'
        yield f'<text x="{_LEFT - 10}" y="{_BARS_TOP + 30}" text-anchor="end">a whole, %</text>'
        yield f'<text x="{_LEFT - 10}" y="{bottom + 16}" text-anchor="end">length</text>'
        yield f'<path d="M{_LEFT},{bottom} h{_WIDTH}" stroke="currentColor" stroke-opacity="0.35"/>'
        for k, (length, share) in enumerate(self.accuracy.items()):
            x, height = _LEFT + k * step, share * _BARS_HEIGHT
            chosen = length == self.length.value
            weight = ' font-weight="bold"' if chosen else ""
            yield (
                f'<rect x="{x + 3:.1f}" y="{bottom - height:.1f}" width="{step - 6:.1f}"'
                f' height="{height:.1f}" stroke="{COLOURS[0]}" fill="{COLOURS[0] if chosen else "none"}"/>'
                f'<text x="{x + step / 2:.1f}" y="{bottom - height - 5:.1f}" text-anchor="middle"{weight}>'
                f"{100 * share:.0f}</text>"
                f'<text x="{x + step / 2:.1f}" y="{bottom + 16}" text-anchor="middle"{weight}>{length}</text>'
            )


def _up_to_eos(numbers):
    return numbers[: numbers.index(EOS)] if EOS in numbers else numbers


def _joined(tokens):
    """Letters as one word, words with spaces."""
    return ("" if all(len(token) == 1 for token in tokens) else " ").join(tokens)


def _said(wrong):
    if not wrong:
        return "every place is right"
    places = f"{len(wrong)} place{'s are' if len(wrong) > 1 else ' is'} wrong"
    return (
        f"{places}, the first of them place {wrong[0] + 1}"
        if len(wrong) > 1
        else f"{places}, place {wrong[0] + 1}"
    )
