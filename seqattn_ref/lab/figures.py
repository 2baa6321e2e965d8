"""Figures in the course's look: fresh `Figure` objects, colour-blind-safe, never shown without alt text.

matplotlib takes about half a second to import, so it is imported when the first figure is made. Nothing here
goes through pyplot: there is no global figure, no global style, and nothing is displayed twice.
"""

import base64
import io
from html import escape

import torch

# Okabe and Ito's palette, "Color Universal Design" (2008), in an order in which neighbours differ most.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
# Lines differ in their dashes too, so that no reader depends on colour.
_DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))

_INK, _GREY, _PALE = "#222222", "#767676", "#E6E6E6"
_LOOK = {
    "axes.edgecolor": _GREY,
    "axes.labelcolor": _INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.facecolor": "white",
    "xtick.color": _INK,
    "ytick.color": _INK,
}


class Picture:
    """A figure as a notebook shows it: a PNG inside an `<img>` whose alt text says what it shows.

    `html` is the `<img>` element. `alt` is the sentence; it also stands for the picture where only text can
    be shown. An `<img>` with PNG data survives where SVG does not: untrusted notebooks, GitHub, nbconvert.
    Raises `ValueError` where `alt` is empty.
    """

    def __init__(self, fig, alt):
        if not alt or not alt.strip():
            raise ValueError("A figure needs alt text: a sentence that says what it shows, numbers included.")
        self.alt = " ".join(alt.split())
        self.html = f'<img alt="{escape(self.alt)}" width="{fig.get_figwidth() * 96:.0f}" src="{_png(fig)}">'

    def __repr__(self):
        return f"[figure: {self.alt}]"

    def _repr_html_(self):
        return self.html


def figure(columns=1, width=6.4, height=3.0, rows=1):
    """Make an empty figure in the course's look.

    columns, rows: how many panels; width, height: inches for the whole figure.
    Returns `(fig, axes)`: one `Axes` for a single panel, else an array of them, `(columns,)`, `(rows,)` or
    `(rows, columns)`.
    """
    import matplotlib
    from cycler import cycler
    from matplotlib.figure import Figure

    lines = cycler(color=COLOURS) + cycler(linestyle=_DASHES) + cycler(linewidth=[2.0] * len(COLOURS))
    with matplotlib.rc_context({**_LOOK, "axes.prop_cycle": lines}):
        fig = Figure(figsize=(width, height), layout="constrained")
        return fig, fig.subplots(rows, columns)


def show(fig, alt):
    """Display `fig` below the cell, with `alt` as its alternative text.

    Raises `ValueError` where `alt` is empty.
    """
    from IPython.display import display

    display(Picture(fig, alt))


def heatmap(
    ax,
    matrix,
    rows=None,
    columns=None,
    title=None,
    xlabel=None,
    ylabel=None,
    numbers=True,
    vmin=0.0,
    vmax=1.0,
):
    """Draw a matrix as coloured cells (viridis), with its numbers written in them.

    matrix: (rows, columns), a tensor or nested lists. NaN is drawn grey, without a number.
    rows, columns: labels, one for each row and column; without them the indices 0, 1, 2, … are shown.
    numbers: write each value, with two decimals.
    vmin, vmax: the values at the two ends of the colours. The default suits weights; None takes the matrix's
    own smallest and largest.
    Returns matplotlib's image, for `fig.colorbar`.
    Raises `ValueError` where the matrix is not 2-D or the labels do not fit it.
    """
    import matplotlib

    values = torch.as_tensor(matrix).detach().double().cpu()
    if values.dim() != 2:
        raise ValueError(f"heatmap draws one matrix: expected 2 dimensions, got shape {tuple(values.shape)}.")
    rows = _labels("rows", rows, values.shape[0])
    columns = _labels("columns", columns, values.shape[1])

    colours = matplotlib.colormaps["viridis"].with_extremes(bad=_PALE)
    image = ax.imshow(values.numpy(), cmap=colours, vmin=vmin, vmax=vmax, aspect="auto")
    slanted = max(map(len, columns), default=0) > 5
    slant = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if slanted else {}
    ax.set_xticks(range(len(columns)), columns, color=_INK, **slant)
    ax.set_yticks(range(len(rows)), rows, color=_INK)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    if numbers:
        shades = image.to_rgba(values.numpy())
        for i, j in (~values.isnan()).nonzero().tolist():
            _write(ax, j, i, f"{values[i, j]:.2f}", ha="center", color=_readable_on(shades[i, j]))
    _name(ax, title, xlabel, ylabel)
    return image


def curve(ax, x, runs, label=None, marker="o", **look):
    """Draw several runs of one experiment as a line through their mean, in a band from the lowest to the
    highest.

    x: where the points are, (N,); runs: (R, N), a row for each run (for each seed), or (N,) for one run.
    label: the name in the legend, which the caller adds; look: anything that `Axes.plot` takes.
    Returns the line. Raises `ValueError` where a run has another number of points than x.
    """
    x = torch.as_tensor(x).double()
    runs = torch.atleast_2d(torch.as_tensor(runs).double())
    if runs.dim() != 2 or runs.shape[1] != len(x):
        raise ValueError(f"curve: {len(x)} places came with runs of shape {tuple(runs.shape)}.")
    (line,) = ax.plot(x, runs.mean(0), marker=marker, markersize=4, label=label, **look)
    if len(runs) > 1:
        ax.fill_between(x, runs.amin(0), runs.amax(0), color=line.get_color(), alpha=0.2, linewidth=0)
    return line


def ragged_batch(ax, sentences, pad="pad", size=None, title=None):
    """Draw sentences of different lengths as one padded batch: the shape diagram of (B, S) or (B, S, D).

    sentences: B lists of tokens; S is the longest length. Cells past a sentence's end hold `pad`, hatched.
    size: D, how many numbers stand for each token. When given, sheets behind the first show that third axis.
    Raises `ValueError` where there is no sentence or no token at all.
    """
    from matplotlib.patches import Rectangle

    lengths = [len(tokens) for tokens in sentences]
    if not lengths or max(lengths) == 0:
        raise ValueError("ragged_batch needs at least one sentence with at least one token.")
    batch, steps = len(lengths), max(lengths)
    sheets, shift = (2, 0.13) if size is not None else (0, 0.0)

    for sheet in range(sheets, 0, -1):
        corner = (sheet * shift, -sheet * shift)
        ax.add_patch(Rectangle(corner, steps, batch, facecolor="white", edgecolor=_GREY, linewidth=0.8))
    depth = sheets * shift
    for i, tokens in enumerate(sentences):
        for j in range(steps):
            real = j < lengths[i]
            look = {"facecolor": "#D6EAF5"} if real else {"facecolor": _PALE, "hatch": "////"}
            ax.add_patch(Rectangle((j, i), 1, 1, edgecolor=_GREY, linewidth=0.8, **look))
            label = {} if real else {"style": "italic", "bbox": {"facecolor": _PALE, "lw": 0, "pad": 1.5}}
            _write(ax, j + 0.5, i + 0.5, tokens[j] if real else pad, ha="center", **label)
        _write(ax, steps + depth + 0.15, i + 0.5, f"length {lengths[i]}")
    shape = f"(B, S) = ({batch}, {steps})"
    if size is not None:
        shape = f"(B, S, D) = ({batch}, {steps}, {size})"
        _write(ax, depth + 0.05, -depth - 0.2, f"D = {size} numbers behind each token")

    ax.set_xlim(-0.05, steps + depth + 0.95)
    ax.set_ylim(batch + 0.05, -depth - (0.5 if size is not None else 0.05))
    ax.set_xticks([j + 0.5 for j in range(steps)], range(steps), color=_INK)
    ax.set_yticks([i + 0.5 for i in range(batch)], range(batch), color=_INK)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    _name(ax, shape if title is None else title, f"S = {steps} steps", f"B = {batch} sentences")


def _labels(name, labels, size):
    labels = [str(label) for label in (range(size) if labels is None else labels)]
    if len(labels) != size:
        raise ValueError(f"heatmap: the matrix has {size} {name}, but {len(labels)} labels came with it.")
    return labels


def _write(ax, x, y, text, color=_INK, **look):
    ax.text(x, y, text, va="center", fontsize=9, color=color, **look)


def _name(ax, title, xlabel, ylabel):
    if title:
        ax.set_title(title, color=_INK)
    if xlabel:
        ax.set_xlabel(xlabel, color=_INK)
    if ylabel:
        ax.set_ylabel(ylabel, color=_INK)


def _readable_on(rgba):
    luminance = 0.2126 * rgba[0] + 0.7152 * rgba[1] + 0.0722 * rgba[2]
    return "black" if luminance > 0.45 else "white"


def _png(fig):
    """The figure as a data: address, drawn at one and a half times its size so that it stays sharp."""
    file = io.BytesIO()
    fig.savefig(file, format="png", dpi=144, facecolor="white", metadata={"Software": None})
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
