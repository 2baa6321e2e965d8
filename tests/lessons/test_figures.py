"""Figures are never without alt text, never touch pyplot, and the explorers say what they show."""

import base64
import sys

import pytest
import torch

from seqattn_ref import lab


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_show_displays_an_image_with_its_alt_text(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    fig, _ = lab.figure()
    lab.show(fig, alt='Row "a" & row b:\n the largest weight is 0.71.')
    html = shown[0]._repr_html_()
    assert 'alt="Row &quot;a&quot; &amp; row b: the largest weight is 0.71."' in html
    png = base64.b64decode(html.split("base64,")[1].split('"')[0])
    assert png.startswith(b"\x89PNG")
    assert repr(shown[0]) == '[figure: Row "a" & row b: the largest weight is 0.71.]'


@pytest.mark.parametrize("alt", ["", "  \n", None])
def test_no_figure_without_alt_text(alt):
    fig, _ = lab.figure()
    with pytest.raises(ValueError, match="alt text"):
        lab.show(fig, alt=alt)


def test_the_same_figure_gives_the_same_bytes():
    def draw():
        fig, ax = lab.figure()
        lab.heatmap(ax, [[0.25, 0.75]])
        return lab.Picture(fig, "one row").html

    assert draw() == draw()


def test_figure_leaves_pyplot_and_its_style_alone():
    import matplotlib

    before = dict(matplotlib.rcParams)
    pyplot = sys.modules.get("matplotlib.pyplot")
    open_figures = pyplot.get_fignums() if pyplot else []
    lab.figure(columns=2)
    assert dict(matplotlib.rcParams) == before
    assert sys.modules.get("matplotlib.pyplot") is pyplot
    assert (pyplot.get_fignums() if pyplot else []) == open_figures


def test_figure_gives_one_axes_or_an_array():
    _, ax = lab.figure()
    assert ax.get_title() == ""
    assert lab.figure(columns=3)[1].shape == (3,)
    assert lab.figure(columns=3, rows=2)[1].shape == (2, 3)


def test_lines_differ_in_more_than_colour():
    _, ax = lab.figure()
    lines = [ax.plot([0, 1], [k, k])[0] for k in range(len(lab.COLOURS))]
    assert len({line.get_color() for line in lines}) == len(lines)
    assert len({str(line._unscaled_dash_pattern) for line in lines}) == len(lines)


def test_heatmap_writes_each_number_where_it_belongs():
    _, ax = lab.figure()
    weights = torch.tensor([[0.1, 0.9, 0.0], [0.25, 0.5, float("nan")]], requires_grad=True)
    lab.heatmap(ax, weights, ["the", "cat"], ["el", "gato", "."], xlabel="source", ylabel="target")
    placed = {text.get_position(): text.get_text() for text in ax.texts}
    assert placed == {(0, 0): "0.10", (1, 0): "0.90", (2, 0): "0.00", (0, 1): "0.25", (1, 1): "0.50"}
    assert [label.get_text() for label in ax.get_xticklabels()] == ["el", "gato", "."]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["the", "cat"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("source", "target")


def test_heatmap_numbers_stand_out_from_their_cell():
    _, ax = lab.figure()
    lab.heatmap(ax, [[0.0, 1.0]])
    dark, light = ax.texts
    assert (dark.get_color(), light.get_color()) == ("white", "black")


def test_heatmap_compares_weights_on_one_scale():
    _, (left, right, free) = lab.figure(columns=3)
    assert lab.heatmap(left, [[0.2, 0.3]]).get_clim() == (0, 1)
    assert lab.heatmap(right, torch.tensor([[0.0, 1.0]], dtype=torch.bfloat16)).get_clim() == (0, 1)
    assert lab.heatmap(free, [[-3.0, 5.0]], vmin=None, vmax=None, numbers=False).get_clim() == (-3, 5)
    assert texts(free) == []


@pytest.mark.parametrize(
    ("matrix", "labels", "sentence"),
    [
        (torch.zeros(2), {}, "2 dimensions"),
        (torch.zeros(2, 3), {"rows": ["a"]}, "2 rows, but 1 labels"),
        (torch.zeros(2, 3), {"columns": ["a", "b"]}, "3 columns, but 2 labels"),
    ],
)
def test_heatmap_says_what_does_not_fit(matrix, labels, sentence):
    _, ax = lab.figure()
    with pytest.raises(ValueError, match=sentence):
        lab.heatmap(ax, matrix, **labels)


def test_ragged_batch_names_the_axes_and_fills_with_pads():
    _, ax = lab.figure()
    lab.ragged_batch(ax, [["the", "cat"], ["hello"], ["we", "ate", "cake"]], pad="-")
    assert ax.get_title() == "(B, S) = (3, 3)"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("S = 3 steps", "B = 3 sentences")
    assert texts(ax).count("-") == 3
    assert [text for text in texts(ax) if text.startswith("length")] == ["length 2", "length 1", "length 3"]
    assert sum(patch.get_hatch() is not None for patch in ax.patches) == 3


def test_ragged_batch_shows_the_third_axis_when_asked():
    _, ax = lab.figure()
    lab.ragged_batch(ax, [["a", "b"]], size=4)
    assert ax.get_title() == "(B, S, D) = (1, 2, 4)"
    assert "D = 4 numbers behind each token" in texts(ax)
    assert len(ax.patches) == 4


@pytest.mark.parametrize("sentences", [[], [[]], [[], []]])
def test_ragged_batch_needs_a_token(sentences):
    _, ax = lab.figure()
    with pytest.raises(ValueError, match="at least one token"):
        lab.ragged_batch(ax, sentences)


def test_describe_device():
    assert lab.describe_device().startswith("cpu, ")
    assert f"torch {torch.__version__}" in lab.describe_device(torch.device("cpu"))
    assert lab.describe_device("meta").startswith("meta, an accelerator")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_describe_device_names_the_card():
    assert torch.cuda.get_device_name() in lab.describe_device("cuda")


def test_padding_explorer_follows_its_sliders():
    explorer = lab.PaddingExplorer()
    said = "No pads: the plain mean is 12 / 3 = 4.00, the masked mean is 12 / 3 = 4.00."
    assert said in explorer.caption.value
    before = explorer.picture.value
    explorer.pads.value = 3
    assert explorer.picture.value != before
    said = "3 pads holding 0: the plain mean is 12 / 6 = 2.00, the masked mean is 12 / 3 = 4.00."
    assert said in explorer.caption.value
    assert f'aria-label="{said}"' in explorer.picture.value
    explorer.pad_value.value = -6
    assert "the plain mean is -6 / 6 = -1.00, the masked mean is 12 / 3 = 4.00" in explorer.sentence()
    assert explorer.picture.value.count("-6</text>") == 3 + 1


def test_padding_explorer_at_its_far_end():
    explorer = lab.PaddingExplorer(tokens=(5,))
    explorer.pads.value, explorer.pad_value.value = explorer.pads.max, explorer.pad_value.min
    plain, masked = explorer.means(explorer.pads.value)
    assert plain == pytest.approx((5 - 6 * 12) / 13)
    assert masked == 5


def test_padding_explorer_needs_a_token():
    with pytest.raises(ValueError, match="at least one token"):
        lab.PaddingExplorer(tokens=())


def test_an_explorer_without_a_kernel_is_a_picture_with_alt_text():
    explorer = lab.PaddingExplorer()
    explorer.pads.value = 1
    bundle = explorer._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert f'<img alt="{explorer.sentence()}"' in bundle["text/html"]
    assert 'src="data:image/png;base64,' in bundle["text/html"]
    assert explorer.sentence() in bundle["text/plain"]


def test_importing_the_lab_is_light_and_holds_no_answer():
    import subprocess

    code = (
        "import sys, seqattn_ref.lab as lab\n"
        "print('matplotlib' in sys.modules, set(dir(lab)) & {'pad_mask', 'masked_mean', 'masked_softmax'})"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False set()"
