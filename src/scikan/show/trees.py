"""The figure of a function's tree: columns at the bottom, operators above what they join, the function at the top."""

from typing import TYPE_CHECKING

from scikan.show.drawing import FAINT, INK, figure_style
from scikan.structure.tree import Tree


if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


LEAF, STEP, MARGIN = 0.8, 0.75, 0.45
"""Inches between two columns, between two levels, and around."""

_MARKS = {"sum": "+", "product": "×", "joint": "?"}
_COLOURS = {"sum": "#0072b2", "product": "#d55e00", "general": "#009e73", "joint": FAINT}

Spot = tuple[float, float]


def plot_tree(tree: Tree, title: str = "") -> "Figure":
    """Return the tree as a figure (KAN 2.0, figure of the tree converter).

    A plus or a cross joins branches by sum or product, F applies a function of one variable to what stands below it,
    "?" is a function of its branches that is neither. Every line from a column stands for a function too.
    """
    from matplotlib.figure import Figure

    count, height = len(tree.columns), _height(tree)
    size = (max(LEAF * (count - 1), 1.2) + 2 * MARGIN, STEP * height + 2 * MARGIN + (0.3 if title else 0.0))
    with figure_style():
        figure = Figure(figsize=size)
        axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        axes.set_axis_off()
        middle = (size[0] - LEAF * (count - 1)) / 2
        axes.set_xlim(-middle, size[0] - middle)
        axes.set_ylim(-MARGIN, size[1] - MARGIN)
        columns = {name: n * LEAF for n, name in enumerate(tree.columns)}
        top = _drawn(axes, tree, columns)
        axes.plot([top[0], top[0]], [top[1], top[1] + 0.3], color=INK, lw=1.1, zorder=1)
        if title:
            axes.text(
                size[0] / 2 - middle, size[1] - MARGIN - 0.12, title, ha="center", va="top", fontsize=11
            )
    return figure


def _height(tree: Tree) -> int:
    """Return how many levels a branch takes: a function of a sum takes two."""
    below = max((_height(b) for b in tree.branches), default=-1)
    return below + 1 + (tree.kind == "general")


def _drawn(axes: "Axes", tree: Tree, columns: dict[str, float]) -> Spot:
    """Draw a branch and return where it goes on."""
    if tree.kind == "column":
        axes.text(columns[tree.column], -0.1, tree.column, ha="center", va="top", fontsize=11, color=INK)
        return columns[tree.column], 0.0
    ends = [_drawn(axes, branch, columns) for branch in tree.branches]
    at = (sum(x for x, _ in ends) / len(ends), STEP * (max(_height(b) for b in tree.branches) + 1))
    for x, y in ends:
        axes.plot([x, at[0]], [y, at[1]], color=INK, lw=1.1, zorder=1)
    kind = tree.inner if tree.kind == "general" else tree.kind
    _sign(axes, at, _MARKS[kind], _COLOURS[kind])
    if tree.kind == "general":
        above = (at[0], at[1] + STEP)
        axes.plot([at[0], at[0]], [at[1], above[1]], color=INK, lw=1.1, zorder=1)
        _sign(axes, above, "F", _COLOURS["general"])
        return above
    return at


def _sign(axes: "Axes", at: Spot, mark: str, colour: str) -> None:
    axes.plot(*at, marker="o", ms=19, mfc="white", mec=colour, mew=1.4, zorder=2)
    axes.text(*at, mark, ha="center", va="center_baseline", fontsize=12, color=colour, zorder=3)
