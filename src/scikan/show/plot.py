"""Figures: a network, its training, its predictions, a front of formulas, scores of columns.

Every function returns a `matplotlib.figure.Figure` and touches nothing else: no window, no file, no state of
matplotlib that outlives the call. All is drawn as vectors; `save_figure` and `svg` write the same bytes for
the same picture.
"""

import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scikan.core.dataset import Dataset
from scikan.core.errors import SettingError, ShapeError
from scikan.core.expr import complexity
from scikan.core.kan import KAN, EdgeAddress
from scikan.core.names import Number
from scikan.core.printing import to_text
from scikan.edit.attribution import Scores
from scikan.show.diagram import diagram
from scikan.show.drawing import FAINT, INK, Size, draw, draw_row, figure_style


if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


# Okabe and Ito's palette, which stays apart for colour-blind eyes; markers differ as well.
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
MARKERS = ("o", "s", "^", "D", "v", "P")


def plot(
    model: KAN,
    data: Dataset | np.ndarray | None = None,
    *,
    scores: Scores | None = None,
    edge_labels: Mapping[EdgeAddress, str] | None = None,
    title: str | None = None,
    size: Size | None = None,
) -> "Figure":
    """Return the diagram of a network; see `diagram` for what it shows.

    Args:
        model: the network.
        data: rows over which curves are drawn and scores are taken; the model's domain if not given.
        scores: how strong each edge is, if known already.
        edge_labels: labels beside edges instead of their functions' names, e.g. `consensus(...).labels`.
        title: a line above.
        size: (width, height) in inches; by default what the diagram needs.

    Raises:
        ShapeError: the data have other columns than the model.
    """
    return draw(diagram(model, scores, x=data, edge_labels=edge_labels), title=title, size=size)


def plot_networks(models: Mapping[str, KAN], data: Mapping[str, Any] | None = None) -> "Figure":
    """Return the diagrams of several networks side by side: hypotheses to be compared.

    Args:
        models: networks by the title above each.
        data: rows over which curves are drawn, by title; a model's domain where there are none.

    Raises:
        ShapeError: no networks, or data with other columns than the model's.
    """
    if not models:
        raise ShapeError("There is no network to draw.", fix="pass at least one.")
    rows = data or {}
    return draw_row({title or " ": diagram(model, x=rows.get(title)) for title, model in models.items()})


def plot_training(log: Any) -> "Figure":
    """Return the losses over the steps on a logarithmic axis, one line for each member of an ensemble.

    Args:
        log: has the array `train`, and perhaps `test` and `penalty`.

    Raises:
        ShapeError: the log holds no step.
    """
    curves = {name: _by_member(getattr(log, name))
              for name in ("train", "test", "penalty") if getattr(log, name, None) is not None}  # fmt: skip
    curves = {name: values for name, values in curves.items() if np.any(values > 0)}
    if not curves:
        raise ShapeError(
            "The log holds no step.", fix="pass the log of a fit: model, log = fit(model, data)."
        )
    with figure_style():
        figure, (axes,) = _axes(6.4, 3.8)
        for place, (name, values) in enumerate(curves.items()):
            style = "-" if name != "penalty" else "--"
            for member, losses in enumerate(values):
                # Held-out rows are looked at once a chunk: what lies between is joined, not left out.
                at = np.flatnonzero(losses > 0)
                marker = MARKERS[place] if len(at) == 1 else None
                label = name if member == 0 else None
                axes.plot(at + 1, losses[at], style, color=SERIES[place], lw=1.5, label=label, marker=marker)
        axes.set_yscale("log")
        axes.set_xlabel("step")
        axes.set_ylabel("loss")
        axes.legend()
    return figure


def _by_member(losses: Any) -> np.ndarray:
    """Return losses as (members, steps); a single network is one member."""
    array = np.asarray(losses, float)
    return np.atleast_2d(array.T)


def plot_fit(
    truth: np.ndarray, predictions: Mapping[str, np.ndarray], unit: str = "", target: str = ""
) -> "Figure":
    """Return predictions against the truth with the line of equality, and what is left below.

    Positive values over more than two decades are shown on logarithmic axes, and what is left relative to them.

    Args:
        truth: measured values, `(rows,)`.
        predictions: values of the same length by the name of what made them.
        unit: of the target.
        target: its name.

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
    with figure_style():
        figure, (upper, lower) = _axes(5.6, 5.6, heights=(3.0, 1.2))
        ends = [np.nanmin(truth), np.nanmax(truth)]
        relative = ends[0] > 0 and ends[1] > 100.0 * ends[0] and all(np.all(v > 0) for v in given.values())
        upper.plot(ends, ends, color=FAINT, lw=1.0, zorder=1)
        lower.axhline(0.0, color=FAINT, lw=1.0, zorder=1)
        points: dict[str, Any] = {
            "s": 18 if len(truth) <= 300 else 7,
            "linewidths": 0,
            "alpha": 0.75,
            "zorder": 2,
        }
        for place, (name, values) in enumerate(given.items()):
            look = points | {"color": SERIES[place % 6], "marker": MARKERS[place % 6]}
            upper.scatter(truth, values, label=name, **look)
            lower.scatter(truth, values / truth - 1.0 if relative else values - truth, **look)
        if relative:
            upper.set(xscale="log", yscale="log")
        of = f" {target}" if target else ""
        upper.set_ylabel(f"predicted{of}{suffix}")
        lower.set_ylabel("relative residual" if relative else f"residual{suffix}")
        lower.set_xlabel(f"measured{of}{suffix}")
        upper.tick_params(labelbottom=False)
        upper.legend()
        figure.align_ylabels()
    return figure


def plot_front(front: Sequence[Any]) -> "Figure":
    """Return formulas by their places on the front as points, complexity against error, the formulas beside them.

    Of the formulas given, those are shown that no simpler one beats.

    Args:
        front: items with `.expression` and `.relative` (mean square error over the variance).

    Raises:
        ShapeError: the front is empty.
    """
    numbered = _unbeaten(front)
    places, items = [place for place, _ in numbered], [item for _, item in numbered]
    if not items:
        raise ShapeError("The front is empty.", fix="pass at least one formula.")
    texts = [_shortened(_formula(item.expression)) for item in items]
    sizes = [complexity(item.expression) for item in items]
    errors = np.sqrt(np.maximum([float(item.relative) for item in items], 1e-32))
    with figure_style():
        from matplotlib.lines import Line2D
        from matplotlib.ticker import MaxNLocator

        n_lines = sum(text.count("\n") + 1 for text in texts)
        figure, (axes,) = _axes(8.0, max(3.4, 0.2 * n_lines + 0.8))
        axes.plot(sizes, errors, "-", color=FAINT, lw=0.8, zorder=1)
        axes.scatter(sizes, errors, color="white", edgecolors=SERIES[0], linewidths=1.2, s=150, zorder=2)
        for place, x, y in zip(places, sizes, errors, strict=True):
            axes.text(
                x, y, str(place), ha="center", va="center_baseline", fontsize=8.5, color=SERIES[0], zorder=3
            )
        # A logarithmic axis without a whole decade on it has no readable ticks.
        if errors.max() > 10.0 * errors.min():
            axes.set_yscale("log")
        axes.margins(0.08)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("complexity")
        axes.set_ylabel("what is left, over the spread")
        handles = [Line2D([], [], ls="", color=SERIES[0], marker=f"${place}$", ms=7) for place in places]
        legend = figure.legend(
            handles, texts, loc="outside right upper", handletextpad=0.3, borderaxespad=0.8
        )
        for text in legend.get_texts():
            text.set_parse_math(False)
    return figure


def _unbeaten(front: Sequence[Any]) -> list[tuple[int, Any]]:
    """Return the items with a smaller error than every simpler one and their places from 1, the simplest first."""
    kept: list[tuple[int, Any]] = []
    by_size = sorted(
        enumerate(front, start=1), key=lambda item: (complexity(item[1].expression), float(item[1].relative))
    )
    for place, item in by_size:
        if not kept or item.relative < kept[-1][1].relative:
            kept.append((place, item))
    return kept


def plot_features(features: Mapping[str, tuple[Number, Number, Number]]) -> "Figure":
    """Return scores of columns as bars with their bands: (score, low, high) by name, largest on top.

    Raises:
        ShapeError: there is no column.
    """
    if not features:
        raise ShapeError("There is no column to show.", fix="pass {name: (score, low, high)}.")
    ordered = sorted(features.items(), key=lambda item: item[1][0])
    scores, lows, highs = (np.asarray([float(v[n]) for _, v in ordered]) for n in range(3))
    with figure_style():
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
    with figure_style():
        figure.savefig(path, metadata=_undated(kind))


def svg(model: KAN, data: Dataset | np.ndarray | None = None) -> str:
    """Return the diagram of a network as SVG text, for notebooks and reports."""
    with figure_style():
        content = io.BytesIO()
        plot(model, data).savefig(content, format="svg", metadata=_undated("svg"))
    return content.getvalue().decode()


def _undated(kind: str) -> dict[str, None]:
    return {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "ps": {}, "eps": {}}.get(kind, {})


def _axes(width: float, height: float, heights: tuple[float, ...] = (1.0,)) -> "tuple[Figure, list[Axes]]":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)
    return figure, list(axes[:, 0])


def _formula(expression: Any) -> str:
    return to_text(expression, 4)


def _shortened(text: str, line: int = 44, lines: int = 2) -> str:
    """Return a formula on a few lines, broken anywhere, its end left out if it is longer."""
    most = line * lines
    kept = text if len(text) <= most else text[: most - 1] + "…"
    return "\n".join(kept[n : n + line] for n in range(0, len(kept), line))
