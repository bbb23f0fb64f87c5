"""Figures: made without lasting state, the same every time, nothing cut off."""

import os
import subprocess
import sys
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from scikan.core.dataset import Dataset
from scikan.core.errors import SettingError, ShapeError
from scikan.core.kan import KAN
from scikan.core.parser import parse
from scikan.edit.surgery import remove_edges
from scikan.show.diagram import diagram
from scikan.show.plot import (
    plot,
    plot_features,
    plot_fit,
    plot_front,
    plot_networks,
    plot_training,
    save_figure,
    svg,
)
from scikan.symbolic.kanpiler import kanpiler


LONG = ["semi_major_axis", "temp K", "orbital eccentricity", "stellar_mass", "radius_$R$", "albedo"]
RNG = np.random.default_rng(0)
LOG = SimpleNamespace(train=np.geomspace(1, 1e-4, 30), test=np.geomspace(2, 1e-3, 30), penalty=np.zeros(30))
FRONT = [
    SimpleNamespace(expression=parse(text), relative=error, bits=bits)
    for text, error, bits in (
        ("2*a", 0.5, 20),
        ("a**(3/2)/`temp K`", 1e-4, 44),
        ("a*(a + 1.23456789)*exp(-3*a)*sin(4*a)*log(a)", 0.0, 90),
    )
]
TRUTH = RNG.normal(size=50)

FIGURES = {
    "network": lambda: plot(KAN([4, (2, 1), 1]), title="A network"),
    "formula": lambda: plot(kanpiler("m/sqrt(1 - v**2/c**2)", ["m", "v", "c"])),
    "long names": lambda: plot(
        KAN([6, 2, 2], names=LONG, targets=["orbital_period_in_days", "a $second_target"])
    ),
    "wide": lambda: plot(KAN([10, 12, 1])),
    "small": lambda: plot(KAN([6, 2, 1], names=LONG), size=(3, 2.5), title="Small"),
    "large": lambda: plot(KAN([1, 1]), size=(8.0, 3.0)),
    "no edge": lambda: plot(remove_edges(KAN([1, 1]), [(0, 0, 0)]), TRUTH[:5, None]),
    "training": lambda: plot_training(LOG),
    "fit": lambda: plot_fit(TRUTH, {"law": TRUTH + 0.1, "forest": TRUTH * 1.1}, "m/s"),
    "front": lambda: plot_front(FRONT),
    "features": lambda: plot_features(
        {"temp K": (0.2, 0.1, 0.3), "a_$b$_long_column_name": (0.5, 0.45, 0.6)}
    ),
}


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("kind", FIGURES)
def test_figures_leave_no_state_and_no_file(kind) -> None:
    before = dict(matplotlib.rcParams)
    FIGURES[kind]()
    assert dict(matplotlib.rcParams) == before
    assert os.listdir() == []


def drawn_texts(figure):
    """All texts but the labels of ticks beyond the axes' limits, which exist and are not drawn."""
    hidden = set()
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        low, high = sorted(axis.get_view_interval())
        for minor in (False, True):
            places = axis.get_ticklocs(minor=minor)
            labels = axis.get_ticklabels(minor=minor)
            shown = axis.axes.axison
            hidden |= {
                id(t) for at, t in zip(places, labels, strict=False) if not (shown and low <= at <= high)
            }
    texts = figure.findobj(matplotlib.text.Text)
    return [t for t in texts if t.get_text() and t.get_visible() and id(t) not in hidden]


@pytest.mark.parametrize("kind", FIGURES)
def test_every_label_lies_on_the_canvas_and_is_large_enough(kind) -> None:
    figure = FIGURES[kind]()
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    width, height = figure.get_size_inches() * figure.dpi
    texts = drawn_texts(figure)
    assert texts
    for text in texts:
        box = text.get_window_extent(canvas.get_renderer())
        assert box.x0 >= -0.5 and box.y0 >= -0.5 and box.x1 <= width + 0.5 and box.y1 <= height + 0.5, text
        assert kind == "small" or float(text.get_fontsize()) >= 8


@pytest.mark.parametrize("kind", FIGURES)
def test_the_same_input_gives_the_same_svg(kind) -> None:
    for name in ("a.svg", "b.svg"):
        save_figure(FIGURES[kind](), name)
    first, second = (open(name, "rb").read() for name in ("a.svg", "b.svg"))
    assert first == second and b"<image" not in first and first.rstrip().endswith(b"</svg>")


@pytest.mark.parametrize("name", ["a.svg", "a.png", "a.pdf"])
def test_figures_are_saved_by_us_and_by_matplotlib(name) -> None:
    figure = FIGURES["network"]()
    save_figure(figure, name)
    first = open(name, "rb").read()
    save_figure(FIGURES["network"](), name)
    assert open(name, "rb").read() == first
    figure.savefig(name)
    assert os.path.getsize(name) > 1000


def test_unknown_formats_are_refused() -> None:
    with pytest.raises(SettingError, match="use .svg"):
        save_figure(FIGURES["training"](), "a.docx")


def test_svg_text_is_the_saved_file() -> None:
    model = KAN([2, 2, 1])
    text = svg(model)
    assert text.startswith("<?xml") and text == svg(model)
    save_figure(plot(model), "a.svg")
    assert open("a.svg").read() == text


def test_a_dataset_lends_its_rows_and_units() -> None:
    data = Dataset.from_arrays(RNG.normal(size=(40, 2)), TRUTH[:40], names=["m", "v"], units={"m": "kg"})
    texts = [text.get_text() for text in plot(KAN.for_data(data), data).axes[0].texts]
    assert "m (kg)" in texts and "v" in texts


def test_the_asked_size_is_kept() -> None:
    assert plot(KAN([3, 2, 1]), size=(4.0, 3.0)).get_size_inches().tolist() == [4.0, 3.0]
    with pytest.raises(SettingError):
        plot(KAN([1, 1]), size=(0.0, 1.0))


def test_empty_charts_are_refused() -> None:
    with pytest.raises(ShapeError):
        plot_training(SimpleNamespace(train=np.zeros(0)))
    with pytest.raises(ShapeError):
        plot_front([])
    with pytest.raises(ShapeError):
        plot_features({})
    with pytest.raises(ShapeError):
        plot_fit(TRUTH, {"a": TRUTH[:-1]})
    with pytest.raises(ShapeError):
        plot_fit(TRUTH, {})


def test_importing_the_module_does_not_import_matplotlib_and_drawing_never_pyplot() -> None:
    code = (
        "import sys, scikan.show.plot as p; assert 'matplotlib' not in sys.modules;"
        "from scikan.core.kan import KAN; p.svg(KAN([1, 1])); assert 'matplotlib.pyplot' not in sys.modules"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        ).returncode
        == 0
    )


def test_losses_that_were_taken_now_and_then_are_joined_and_members_kept_apart() -> None:
    test = np.full(30, np.nan)
    test[9::10] = [1.0, 0.1, 0.01]
    (axes,) = plot_training(SimpleNamespace(train=LOG.train, test=test)).axes
    assert [len(line.get_xdata()) for line in axes.lines] == [30, 3]
    assert list(axes.lines[1].get_xdata()) == [10, 20, 30]
    (axes,) = plot_training(SimpleNamespace(train=np.stack([LOG.train, 2 * LOG.train], axis=1))).axes
    assert [list(line.get_ydata()) for line in axes.lines] == [list(LOG.train), list(2 * LOG.train)]
    assert len(axes.get_legend().get_texts()) == 1


def test_networks_stand_side_by_side_at_one_scale() -> None:
    models = {"two": kanpiler("m*g", ["m", "g"]), "deep": kanpiler("m/sqrt(1 - v**2)", ["m", "v"])}
    figure = plot_networks(models, {"two": np.random.default_rng(0).uniform(1, 2, (20, 2))})
    single = [plot(model, title=title).get_size_inches() for title, model in models.items()]
    assert figure.get_size_inches()[0] == pytest.approx(sum(w for w, _ in single), abs=0.1)
    assert [
        title in [t.get_text() for t in axes.texts] for title, axes in zip(models, figure.axes, strict=True)
    ] == [True] * 2
    with pytest.raises(ShapeError, match="no network"):
        plot_networks({})


def test_the_line_of_a_factor_does_not_end_behind_the_sum_beside_it() -> None:
    model = remove_edges(KAN([3, (0, 1)], key=0), [(0, 2, 0), (0, 0, 1), (0, 1, 1)])  # (f(x1) + g(x2)) h(x3)
    scene = diagram(model)
    (added,) = [glyph.at for glyph in scene.glyphs if glyph.kind == "sum"]
    (times,) = [glyph.at for glyph in scene.glyphs if glyph.kind == "product"]
    assert added[0] < times[0]  # x3 stands to the right
    assert added[1] < times[1]
