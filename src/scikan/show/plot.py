"""Figures: a network, its training, its predictions, a front of formulas, scores of columns.

Every function returns a `matplotlib.figure.Figure` and touches nothing else: no window, no file, no state of
matplotlib that outlives the call. All is drawn as vectors; `save_figure` and `svg` write the same bytes for
the same picture.
"""

import io
import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scikan.core.dataset import Dataset
from scikan.core.errors import SettingError, ShapeError
from scikan.core.kan import KAN
from scikan.core.printing import to_text
from scikan.edit.attribution import Scores
from scikan.show.diagram import COLOURS, Scene, diagram
from scikan.show.layout import Point


if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


INK, FAINT = "#1a1a1a", "#8c8c8c"
# Okabe and Ito's palette, which stays apart for colour-blind eyes; markers differ as well.
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
MARKERS = ("o", "s", "^", "D", "v", "P")
_MARGIN = 0.08
_STYLE: Mapping[str, Any] = {
    "font.family": "DejaVu Sans", "font.size": 9.5, "axes.labelsize": 10, "axes.titlesize": 11,
    "xtick.labelsize": 8.5, "ytick.labelsize": 8.5, "legend.fontsize": 9, "legend.frameon": False,
    "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": INK, "axes.linewidth": 0.8,
    "text.parse_math": True, "svg.hashsalt": "scikan", "svg.fonttype": "path", "figure.dpi": 100,
    "savefig.dpi": 150, "figure.constrained_layout.w_pad": 0.1, "figure.constrained_layout.h_pad": 0.1, "savefig.facecolor": "white", "figure.facecolor": "white",
}  # fmt: skip


def plot(
    model: KAN,
    data: Dataset | np.ndarray | None = None,
    *,
    scores: Scores | None = None,
    title: str | None = None,
    size: tuple[float, float] | None = None,
) -> "Figure":
    """Return the diagram of a network; see `diagram` for what it shows.

    Args:
        model: the network.
        data: rows over which curves are drawn and scores are taken; the model's domain if not given.
        scores: how strong each edge is, if known already.
        title: a line above.
        size: (width, height) in inches; by default what the diagram needs.

    Raises:
        ShapeError: the data have other columns than the model.
    """
    return draw(diagram(model, scores, x=data), title=title, size=size)


def draw(scene: Scene, *, title: str | None = None, size: tuple[float, float] | None = None) -> "Figure":
    """Return a scene as a figure, one inch of the scene an inch of paper unless a size is given."""
    from matplotlib.figure import Figure

    with _style():
        figure = Figure(figsize=(scene.width, scene.height))
        axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        axes.set_axis_off()
        axes.set_xlim(0.0, scene.width)
        axes.set_ylim(0.0, scene.height)
        _draw_lines(axes, scene)
        _draw_boxes(axes, scene)
        _draw_nodes(axes, scene)
        texts = _draw_labels(axes, scene)
        _frame(figure, axes, scene, texts, title, size)
    return figure


def _draw_lines(axes: "Axes", scene: Scene) -> None:
    from matplotlib.collections import LineCollection

    order = sorted(scene.strokes, key=lambda s: s.opacity)
    colours = [_rgba(s.colour, s.opacity) for s in order]
    widths = [0.6 + 0.7 * s.opacity for s in order]
    lines = LineCollection([[s.start, s.end] for s in order], colors=colours, linewidths=widths, zorder=1)
    lines.set_capstyle("round")
    axes.add_collection(lines, autolim=False)


def _draw_boxes(axes: "Axes", scene: Scene) -> None:
    from matplotlib.collections import LineCollection, PatchCollection
    from matplotlib.patches import Rectangle

    shown = [box for box in scene.boxes if box.size]
    patches = [Rectangle((b.middle[0] - b.size / 2, b.middle[1] - b.size / 2), b.size, b.size) for b in shown]
    edges = [_rgba(b.colour, max(0.3, b.opacity)) for b in shown]
    axes.add_collection(
        PatchCollection(patches, facecolor="white", edgecolor=edges, linewidth=0.7, zorder=2), autolim=False
    )
    curves = [(line, _rgba(b.colour, b.opacity), 0.7 + 1.6 * b.size) for b in shown for line in b.curve]
    drawn = LineCollection(
        [line for line, _, _ in curves],
        colors=[c for _, c, _ in curves],
        linewidths=[w for _, _, w in curves],
        zorder=3,
    )
    drawn.set_capstyle("round")
    axes.add_collection(drawn, autolim=False)


def _draw_nodes(axes: "Axes", scene: Scene) -> None:
    from matplotlib.collections import LineCollection

    sizes = [0.1 if dot.live else 0.08 for dot in scene.dots]
    colours = [INK if dot.live else COLOURS["off"] for dot in scene.dots]
    _draw_discs(axes, [dot.at for dot in scene.dots], sizes, facecolors=colours, linewidths=0, zorder=5)
    signs = [glyph.at for glyph in scene.glyphs]
    _draw_discs(
        axes, signs, [0.19] * len(signs), facecolors="white", edgecolors=INK, linewidths=0.9, zorder=4
    )
    arms = []
    for glyph in scene.glyphs:
        x, y = glyph.at
        r = 0.056 if glyph.kind == "sum" else 0.042
        ends = ((r, 0.0), (0.0, r)) if glyph.kind == "sum" else ((r, r), (r, -r))
        arms += [[(x - u, y - v), (x + u, y + v)] for u, v in ends]
    axes.add_collection(LineCollection(arms, colors=INK, linewidths=1.1, zorder=4.5), autolim=False)


def _draw_discs(axes: "Axes", middles: list[Point], sizes: list[float], **look: Any) -> None:
    from matplotlib.collections import EllipseCollection

    if middles:
        discs = EllipseCollection(
            sizes,
            sizes,
            [0.0] * len(sizes),
            units="xy",
            offsets=middles,
            offset_transform=axes.transData,
            **look,
        )
        axes.add_collection(discs, autolim=False)


def _draw_labels(axes: "Axes", scene: Scene) -> list[Any]:
    drawn = []
    for label in scene.labels:
        x, y = label.at
        options: dict[str, Any] = {"parse_math": False, "zorder": 6, "color": INK, "fontsize": 11}
        if label.role == "edge":
            options |= {"ha": "left", "va": "center", "fontsize": 8.5, "color": COLOURS["symbolic"]}
            x += 0.05
        elif label.role == "input":
            options |= {"ha": "right" if label.slanted else "center", "va": "top"}
            x, y = (x + 0.06, y - 0.1) if label.slanted else (x, y - 0.13)
        else:
            options |= {"ha": "left" if label.slanted else "center", "va": "bottom"}
            x, y = (x - 0.06, y + 0.1) if label.slanted else (x, y + 0.12)
        if label.slanted:
            options |= {"rotation": 40, "rotation_mode": "anchor"}
        drawn.append(axes.text(x, y, label.text, **options))
    return drawn


def _frame(
    figure: "Figure",
    axes: "Axes",
    scene: Scene,
    texts: list[Any],
    title: str | None,
    size: tuple[float, float] | None,
) -> None:
    """Let the canvas hold the scene and all its labels, whose size only the fonts know."""
    low, high = [-0.06, -0.06], [scene.width + 0.06, scene.height + 0.06]
    for box in _extents(figure, texts):
        low, high = [min(low[0], box[0]), min(low[1], box[1])], [max(high[0], box[2]), max(high[1], box[3])]
    if title:
        written = axes.text((low[0] + high[0]) / 2, high[1] + 0.12, title, ha="center", va="bottom", fontsize=12,
                            color=INK, parse_math=False)  # fmt: skip
        box = _extents(figure, [written])[0]
        low, high = [min(low[0], box[0]), low[1]], [max(high[0], box[2]), box[3]]
    low, high = [v - _MARGIN for v in low], [v + _MARGIN for v in high]
    width, height = high[0] - low[0], high[1] - low[1]
    if size is not None:
        if not (size[0] > 0 and size[1] > 0):
            raise SettingError(
                f"A figure cannot be {size} inches large.", fix="give (width, height) above 0."
            )
        scale = min(size[0] / width, size[1] / height)
        for text in axes.texts:
            text.set_fontsize(float(text.get_fontsize()) * min(1.0, scale))
        more = (size[0] / scale - width) / 2, (size[1] / scale - height) / 2
        low, high = [low[0] - more[0], low[1] - more[1]], [high[0] + more[0], high[1] + more[1]]
    figure.set_size_inches(*(size or (width, height)))
    axes.set_xlim(low[0], high[0])
    axes.set_ylim(low[1], high[1])


def _extents(figure: "Figure", texts: Sequence[Any]) -> list[tuple[float, float, float, float]]:
    """Return the boxes of texts in inches of the scene, while one is an inch of the figure."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    renderer = FigureCanvasAgg(figure).get_renderer()
    return [tuple(v / figure.dpi for v in text.get_window_extent(renderer).extents) for text in texts]  # type: ignore[misc]


def plot_training(log: Any) -> "Figure":
    """Return the losses over the steps on a logarithmic axis; `log` has `train`, and `test` and `penalty` or None.

    Raises:
        ShapeError: the log holds no step.
    """
    curves = {name: np.ravel(np.asarray(getattr(log, name), float))
              for name in ("train", "test", "penalty") if getattr(log, name, None) is not None}  # fmt: skip
    curves = {name: values for name, values in curves.items() if np.any(values > 0)}
    if not curves:
        raise ShapeError(
            "The log holds no step.", fix="pass the log of a fit: model, log = fit(model, data)."
        )
    with _style():
        figure, (axes,) = _axes(6.4, 3.8)
        for place, (name, values) in enumerate(curves.items()):
            style = "-" if name != "penalty" else "--"
            shown = np.where(values > 0, values, np.nan)
            marker = MARKERS[place] if len(values) == 1 else None
            axes.plot(
                np.arange(1, len(values) + 1),
                shown,
                style,
                color=SERIES[place],
                lw=1.5,
                label=name,
                marker=marker,
            )
        axes.set_yscale("log")
        axes.set_xlabel("step")
        axes.set_ylabel("loss")
        axes.legend()
    return figure


def plot_fit(truth: np.ndarray, predictions: Mapping[str, np.ndarray], unit: str = "") -> "Figure":
    """Return predictions against the truth with the line of equality, and what is left below.

    Args:
        truth: measured values, `(rows,)`.
        predictions: values of the same length by the name of what made them.
        unit: of the target.

    Raises:
        ShapeError: lengths differ, or there is nothing to show.
    """
    truth = np.ravel(np.asarray(truth, float))
    given = {name: np.ravel(np.asarray(values, float)) for name, values in predictions.items()}
    if not given or not truth.size or any(len(values) != len(truth) for values in given.values()):
        raise ShapeError(
            f"{len(truth)} measured values and predictions of lengths {[len(v) for v in given.values()]}.",
            fix="give at least one prediction for each measured value.",
        )
    suffix = f" ({unit})" if unit else ""
    with _style():
        figure, (upper, lower) = _axes(5.6, 5.6, heights=(3, 1.2))
        ends = [np.nanmin(truth), np.nanmax(truth)]
        upper.plot(ends, ends, color=FAINT, lw=1.0, zorder=1)
        lower.axhline(0.0, color=FAINT, lw=1.0, zorder=1)
        size = 18 if len(truth) <= 300 else 7
        for place, (name, values) in enumerate(given.items()):
            look = {
                "color": SERIES[place % 6],
                "marker": MARKERS[place % 6],
                "s": size,
                "linewidths": 0,
                "alpha": 0.75,
            }
            upper.scatter(truth, values, label=name, zorder=2, **look)
            lower.scatter(truth, values - truth, zorder=2, **look)
        upper.set_ylabel(f"predicted{suffix}")
        lower.set_ylabel(f"residual{suffix}")
        lower.set_xlabel(f"measured{suffix}")
        upper.tick_params(labelbottom=False)
        upper.legend()
        figure.align_ylabels()
    return figure


def plot_front(front: Sequence[Any]) -> "Figure":
    """Return formulas as numbered points, complexity against error; each item has `.expression`, `.relative` and `.bits`.

    Raises:
        ShapeError: the front is empty.
    """
    items = sorted(front, key=lambda item: float(item.bits))
    if not items:
        raise ShapeError("The front is empty.", fix="pass at least one formula.")
    texts = [_shortened(_formula(item.expression)) for item in items]
    bits = [float(item.bits) for item in items]
    errors = np.maximum([float(item.relative) for item in items], 1e-16)
    with _style():
        from matplotlib.lines import Line2D

        figure, (axes,) = _axes(8.0, max(3.4, 0.24 * len(items) + 0.8))
        axes.plot(bits, errors, "-", color=FAINT, lw=0.8, zorder=1)
        axes.scatter(bits, errors, color="white", edgecolors=SERIES[0], linewidths=1.2, s=150, zorder=2)
        for place, (x, y) in enumerate(zip(bits, errors, strict=True), start=1):
            axes.text(
                x, y, str(place), ha="center", va="center_baseline", fontsize=8.5, color=SERIES[0], zorder=3
            )
        axes.set_yscale("log")
        axes.margins(0.08)
        axes.set_xlabel("complexity (bits)")
        axes.set_ylabel("relative error")
        handles = [
            Line2D([], [], ls="", color=SERIES[0], marker=f"${n + 1}$", ms=7) for n in range(len(items))
        ]
        legend = figure.legend(
            handles, texts, loc="outside right upper", handletextpad=0.3, borderaxespad=0.8
        )
        for text in legend.get_texts():
            text.set_parse_math(False)
    return figure


def plot_features(features: Mapping[str, tuple[float, float, float]]) -> "Figure":
    """Return scores of columns as bars with their bands: (score, low, high) by name, largest on top.

    Raises:
        ShapeError: there is no column.
    """
    if not features:
        raise ShapeError("There is no column to show.", fix="pass {name: (score, low, high)}.")
    ordered = sorted(features.items(), key=lambda item: item[1][0])
    scores, lows, highs = (np.asarray([float(v[n]) for _, v in ordered]) for n in range(3))
    with _style():
        figure, (axes,) = _axes(6.0, max(1.8, 0.32 * len(ordered) + 0.9))
        rows = np.arange(len(ordered))
        axes.barh(rows, scores, height=0.62, color=SERIES[5], zorder=2)
        bands = np.maximum([scores - lows, highs - scores], 0.0)
        axes.errorbar(scores, rows, xerr=bands, fmt="none", ecolor=INK, elinewidth=1.1, capsize=2.5, zorder=3)
        axes.set_yticks(rows, [name for name, _ in ordered])
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("score")
        axes.set_xlim(min(0.0, float(lows.min())), None)
        for text in axes.get_yticklabels():
            text.set_parse_math(False)
    return figure


def save_figure(figure: "Figure", path: str | os.PathLike[str]) -> None:
    """Write a figure; the ending of the name chooses the format. The same figure gives the same bytes.

    Raises:
        SettingError: the ending names no format that can be written.
    """
    kind = Path(path).suffix.lstrip(".").lower()
    known = figure.canvas.get_supported_filetypes()
    if kind not in known:
        raise SettingError(f"Figures cannot be written as {kind!r} ({path}).", fix="use .svg, .pdf or .png.")
    with _style():
        figure.savefig(path, metadata=_undated(kind))


def svg(model: KAN, data: Dataset | np.ndarray | None = None) -> str:
    """Return the diagram of a network as SVG text, for notebooks and reports."""
    with _style():
        content = io.BytesIO()
        plot(model, data).savefig(content, format="svg", metadata=_undated("svg"))
    return content.getvalue().decode()


def _undated(kind: str) -> dict[str, None]:
    return {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "ps": {}, "eps": {}}.get(kind, {})


def _axes(width: float, height: float, heights: tuple[float, ...] = (1,)) -> "tuple[Figure, list[Axes]]":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)
    return figure, list(axes[:, 0])


def _style() -> AbstractContextManager[None]:
    from matplotlib import rc_context

    return rc_context(dict(_STYLE))


def _rgba(colour: str, opacity: float) -> tuple[float, float, float, float]:
    red, green, blue = (int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5))
    return red, green, blue, opacity


def _formula(expression: Any) -> str:
    return expression if isinstance(expression, str) else to_text(expression, 4)


def _shortened(text: str, most: int = 44) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
