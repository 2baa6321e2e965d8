"""Lesson 01: a decoder writes token after token, given its own output or the true tokens."""

import math

import ipywidgets
import torch
from torch import Tensor

from seqattn_ref.lab.explorers.explorer import Explorer
from seqattn_ref.lab.figures import COLOURS, figure

_LEFT, _COLUMN, _BOX = 90, 52, 40  # pixels: where the first step stands, its room, and a token's box
_SOURCE, _OUT, _STATE, _IN, _TRUE = 30, 100, 155, 210, 262  # heights of the rows
_BARS = 130  # pixels for a probability of 1
_CELLS = 12  # as many numbers of z as are drawn


class DecoderStepsExplorer(Explorer):
    """A decoder, one step at a time: what goes in, what comes out, and how sure it is.

    step: maps tokens (1,) and a state to logits (1, V) and the next state; state: the one before the first
    step, for a batch of one. Where it is a tensor of real numbers it is drawn as z.
    tokens: the names of the V tokens; target: the numbers of the true tokens, eos last (a list or a tensor
    (T,)); source: the names of the source's tokens; first, eos: the numbers of bos and eos.
    steps: how many steps can be taken, as many as the target has tokens by default.

    One slider chooses the step. A box gives each step the true token in place of the decoder's own, which is
    teacher forcing; after the target's end its last token goes in.
    `taken_in`, `written` and `probabilities` are what is drawn.
    Raises `ValueError` where the target is empty or there is no step, or the logits are not (1, V).
    """

    def __init__(self, step, state, tokens, target, source=(), first=1, eos=2, steps=None):
        self._names = [str(name) for name in tokens]
        self._target = target.tolist() if isinstance(target, Tensor) else list(target)
        self._source = [str(name) for name in source]
        self._z = _numbers_of(state)
        count = len(self._target) if steps is None else steps
        if not self._target or count < 1:
            raise ValueError(
                "DecoderStepsExplorer needs a target of at least one token, and at least one step."
            )
        true = [first, *self._target, *[self._target[-1]] * count][:count]
        self._forced = _walk(step, state, true, len(self._names))
        self._free = _walk(step, state, [first] + [None] * (count - 1), len(self._names), eos)
        self.step = ipywidgets.IntSlider(1, 1, count, description="step")
        self.forced = ipywidgets.Checkbox(value=False, description="true token goes in", indent=False)
        super().__init__([self.step, self.forced], rows=[ipywidgets.HBox([self.step, self.forced])])

    @property
    def taken_in(self):
        """The tokens that went in, up to the present step."""
        return [self._names[token] for token, _, _ in self._taken()]

    @property
    def written(self):
        """The tokens that came out, up to the present step."""
        return [self._names[token] for _, token, _ in self._taken()]

    @property
    def probabilities(self):
        """The probability of each token at the present step, (V,)."""
        return self._taken()[-1][2]

    def sentence(self):
        forced, fed = self.forced.value, self.taken_in[-1]
        (best, chance), *others = self._top()
        then = " and ".join(f"{name} {p:.2f}" for name, p in others[:2])
        wrong = [str(i + 1) for i in range(self.step.value) if self._is_wrong(i)]
        where = f" Not the true token at step {', '.join(wrong)}." if wrong else ""
        return (
            f"Step {self.step.value} of {self.step.max}: {fed} goes in{', the true token' if forced else ''}."
            f" The likeliest is {best} with probability {chance:.2f}{f', then {then}' if then else ''}."
            f" {'Likeliest' if forced else 'Written'} so far: {' '.join(self.written)}."
            f" True: {' '.join(self._names[token] for token in self._target)}.{where}"
        )

    def svg(self):
        width = max(_LEFT + self.step.max * _COLUMN, _LEFT + (len(self._source) + 5) * _COLUMN) + _BARS + 120
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{_TRUE + 30}"'
            ' font-family="sans-serif" font-size="13" fill="currentColor">',
            *self._encoder(),
            *self._rows(),
            *self._steps(),
            *self._bars(width - _BARS - 70),
            "</svg>",
        ]
        return "".join(parts)

    def still(self):
        fig, (rows, bars) = figure(columns=2, width=8.6, height=2.8)
        count, now = self.step.max, self.step.value
        lines = (
            ("comes out", self.written, "#D6EAF5"),
            ("goes in", self.taken_in, "#F7DCC4" if self.forced.value else "#E6E6E6"),
            ("true", [self._names[token] for token in self._target], "white"),
        )
        for y, (label, names, colour) in enumerate(lines):
            rows.text(-0.8, -y, label, ha="right", va="center")
            for i, name in enumerate(names[:count]):
                box = {"facecolor": colour, "edgecolor": "#222222" if i + 1 == now else "#767676"}
                rows.text(i, -y, name, ha="center", va="center", bbox=box)
                if y == 0 and self._is_wrong(i):
                    rows.text(i, 0.42, "≠ true", ha="center", va="center", fontsize=8)
        fed_from = -2 if self.forced.value else 0
        for i in range(1, min(now, len(self._target) + 1) if self.forced.value else now):
            look = {"arrowstyle": "->", "color": "#767676", "shrinkA": 12, "shrinkB": 12}
            rows.annotate("", (i, -1), (i - 1, fed_from), arrowprops=look)
        top = 0.7
        if self._source or self._z:
            top = 1.8
            self._draw_encoder(rows)
        right = max(count, len(self._source) + 3.2 if self._z else 0)
        rows.set(xlim=(-2.6, right), ylim=(-2.6, top), title=f"step {now} of {count}")
        rows.axis("off")
        names, chances = zip(*self._top(), strict=True)
        drawn = bars.barh(range(len(names)), chances, color=COLOURS[0])
        bars.bar_label(drawn, [f"{chance:.2f}" for chance in chances], padding=3)
        bars.set_yticks(range(len(names)), names)
        bars.set(xlim=(0, 1.25), title=f"probabilities at step {now}")
        bars.invert_yaxis()
        return fig

    def _draw_encoder(self, ax):
        ax.text(-0.8, 1.3, "source", ha="right", va="center")
        for i, name in enumerate(self._source):
            box = {"facecolor": "white", "edgecolor": "#767676"}
            ax.text(i, 1.3, name, ha="center", va="center", bbox=box)
        if self._z:
            ax.text(len(self._source), 1.3, "→ z", ha="center", va="center")
        for k, number in enumerate(self._z[:_CELLS]):
            look = {"color": COLOURS[0 if number >= 0 else 1], "alpha": min(1.0, abs(number))}
            ax.add_patch(_cell(len(self._source) + 0.5 + 0.2 * k, 1.1, **look))
            ax.add_patch(_cell(len(self._source) + 0.5 + 0.2 * k, 1.1, fill=False, edgecolor="#767676"))

    def _taken(self):
        return (self._forced if self.forced.value else self._free)[: self.step.value]

    def _is_wrong(self, i):
        """Whether another token came out at step i (from 0) than the target has there."""
        return i < len(self._target) and self._taken()[i][1] != self._target[i]

    def _top(self):
        """The likeliest tokens of the present step with their probabilities, four at the most."""
        best = self.probabilities.topk(min(4, len(self._names)))
        return [(self._names[i], p) for p, i in zip(best.values.tolist(), best.indices.tolist(), strict=True)]

    def _encoder(self):
        """The source's tokens and z."""
        if not self._source and not self._z:
            return
        yield _text(_LEFT - 12, _SOURCE, "source", "end")
        for i, name in enumerate(self._source):
            yield _box(_LEFT + i * _COLUMN, _SOURCE, name)
        x = _LEFT + len(self._source) * _COLUMN
        yield _arrow(x - 8, _SOURCE, x + 20, _SOURCE)
        yield _text(x + 32, _SOURCE, "z", "middle")
        for k, number in enumerate(self._z[:_CELLS]):
            colour, shade = COLOURS[0 if number >= 0 else 1], min(1.0, abs(number))
            yield (
                f'<rect x="{x + 44 + 11 * k}" y="{_SOURCE - 9}" width="10" height="18" fill="{colour}"'
                f' fill-opacity="{shade:.2f}" stroke="currentColor" stroke-opacity="0.4"/>'
            )
        if len(self._z) > _CELLS:
            yield _text(x + 48 + 11 * _CELLS, _SOURCE, f"… {len(self._z)} numbers", "start")

    def _rows(self):
        for y, label in ((_OUT, "comes out"), (_IN, "goes in"), (_TRUE, "true")):
            yield _text(_LEFT - 12, y, label, "end")
        yield _text(_LEFT - 44, _STATE, "state", "end")
        yield _text(_LEFT - 28, _STATE, "z", "middle")
        yield _arrow(_LEFT - 20, _STATE, _LEFT + _BOX / 2 - 16, _STATE)

    def _steps(self):
        now = self.step.value
        for i in range(self.step.max):
            x = _LEFT + i * _COLUMN
            middle = x + _BOX / 2
            if i < len(self._target):
                yield _text(middle, _TRUE, self._names[self._target[i]], "middle")
            if i >= now:
                yield f'<circle cx="{middle}" cy="{_STATE}" r="3" fill-opacity="0.3"/>'
                continue
            yield _box(x, _IN, self.taken_in[i], "4 3" if self.forced.value else "")
            yield _arrow(middle, _IN - 14, middle, _STATE + 16)
            yield (
                f'<circle cx="{middle}" cy="{_STATE}" r="14" fill="#E69F00" fill-opacity="0.35"'
                ' stroke="currentColor"/>'
            )
            yield _text(middle, _STATE, f"s{i + 1}", "middle")
            yield _arrow(middle, _STATE - 16, middle, _OUT + 14)
            yield _box(x, _OUT, self.written[i], width=3 if i + 1 == now else 1)
            if self._is_wrong(i):
                yield _text(middle, _OUT - 24, "≠ true", "middle")
            if i > 0:
                yield _arrow(middle - _COLUMN + 15, _STATE, middle - 16, _STATE)
                yield self._comes_from(i, x)

    def _comes_from(self, i, x):
        """An arrow to what goes in at step i, from the step before."""
        if not self.forced.value:
            return _arrow(x - _COLUMN + _BOX, _OUT + 12, x + 4, _IN - 15, 0.5)
        if i > len(self._target):
            return ""
        return _arrow(x - _COLUMN + _BOX / 2 + 8, _TRUE - 10, x + 6, _IN + 15, 0.5)

    def _bars(self, left):
        yield _text(left, _OUT - 42, f"probabilities at step {self.step.value}", "start")
        for row, (name, chance) in enumerate(self._top()):
            y = _OUT - 12 + 34 * row
            yield _text(left + 28, y, name, "end")
            yield (
                f'<rect x="{left + 36}" y="{y - 10}" width="{_BARS * chance:.1f}" height="20"'
                f' fill="{COLOURS[0]}"/>'
            )
            yield _text(left + 42 + _BARS * chance, y, f"{chance:.2f}", "start")


def _walk(step, state, given, vocab, eos=None):
    """(token in, token out, probabilities) of each step. Where `given` holds None, the token before goes in.

    With `eos`, a sample that has ended writes eos to the end.
    """
    taken, token, ended = [], None, False
    device = state.device if isinstance(state, Tensor) else None
    with torch.no_grad():
        for fed in given:
            token = token if fed is None else fed
            logits, state = step(torch.tensor([token], device=device), state)
            if logits.shape != (1, vocab):
                raise ValueError(
                    f"DecoderStepsExplorer: {vocab} tokens need logits (1, {vocab}), but the step gave"
                    f" shape {tuple(logits.shape)}."
                )
            chances = torch.softmax(logits[0].double().cpu(), dim=0)
            out = eos if ended else int(chances.argmax())
            taken.append((token, out, chances))
            ended = ended or (eos is not None and out == eos)
            token = out
    return taken


def _numbers_of(state):
    """The numbers of a state of reals, for a batch of one."""
    if not isinstance(state, Tensor) or not state.is_floating_point():
        return []
    return state.detach().reshape(-1).tolist()


def _cell(x, y, **look):
    from matplotlib.patches import Rectangle

    return Rectangle((x, y), 0.2, 0.4, linewidth=0.6, **look)


def _text(x, y, words, anchor):
    return f'<text x="{x:.1f}" y="{y + 4.5:.1f}" text-anchor="{anchor}">{_escaped(words)}</text>'


def _box(x, y, name, dashes="", width=1):
    return (
        f'<rect x="{x}" y="{y - 13}" width="{_BOX}" height="26" rx="4" fill="none" stroke="currentColor"'
        f' stroke-width="{width}" stroke-dasharray="{dashes}"/>{_text(x + _BOX / 2, y, name, "middle")}'
    )


def _arrow(x1, y1, x2, y2, strength=1.0):
    """A line with a head at its end."""
    along = math.atan2(y2 - y1, x2 - x1)
    left, right = (
        f"{x2 - 7 * math.cos(along + turn):.1f},{y2 - 7 * math.sin(along + turn):.1f}"
        for turn in (0.45, -0.45)
    )
    return (
        f'<g opacity="{strength}"><line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
        f' stroke="currentColor"/><polygon points="{x2:.1f},{y2:.1f} {left} {right}"/></g>'
    )


def _escaped(words):
    return str(words).replace("&", "&amp;").replace("<", "&lt;")
