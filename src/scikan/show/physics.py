"""Figures of physics: drift along trajectories, surfaces of energy, both branches of a change of coordinate."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int

from scikan.core.errors import ShapeError
from scikan.show.drawing import FAINT, INK, figure_style
from scikan.show.plot import SERIES


if TYPE_CHECKING:
    from matplotlib.figure import Figure


MOST_TRAJECTORIES = 12
MESH = 121


def plot_drift(
    laws: Mapping[str, Float[np.ndarray, " rows"]],
    time: Float[np.ndarray, " rows"] | Int[np.ndarray, " rows"],
    trajectory: Int[np.ndarray, " rows"],
) -> "Figure":
    """Return values of laws (in standard deviations) against time, a line for each trajectory: flat if conserved.

    Raises:
        ShapeError: there is no law.
    """
    if not laws:
        raise ShapeError("There is no law to draw.", fix="pass {name: values}.")
    from matplotlib.figure import Figure

    with figure_style():
        figure = Figure(figsize=(6.4, 1.9 * len(laws) + 0.5), layout="constrained")
        panels = figure.subplots(len(laws), 1, sharex=True, squeeze=False)[:, 0]
        for axes, (name, values) in zip(panels, laws.items(), strict=True):
            for n, label in enumerate(np.unique(trajectory)[:MOST_TRAJECTORIES]):
                at = np.flatnonzero(trajectory == label)
                at = at[np.argsort(time[at], kind="stable")]
                axes.plot(time[at], values[at], lw=0.9, color=SERIES[n % len(SERIES)])
            axes.set_ylabel(f"{name} / std")
        panels[-1].set_xlabel("time")
    return figure


def plot_levels(
    function: Callable[[Any], Any],
    names: Sequence[str],
    states: Float[np.ndarray, "rows columns"],
    label: str,
    second: int = 1,
) -> "Figure":
    """Return level lines of a function over two of its columns, others at their medians; a curve for one column.

    Args:
        function: from (rows, columns) to (rows,).
        names: of the columns.
        states: rows that say where to draw.
        label: of the function.
        second: the column of the upright axis; the first is 0.
    """
    from matplotlib.figure import Figure

    low, high = np.percentile(states, [1, 99], axis=0)
    with figure_style():
        figure = Figure(figsize=(5.2, 4.0), layout="constrained")
        axes = figure.subplots()
        axes.set_xlabel(names[0], parse_math=False)
        x = np.linspace(low[0], high[0], MESH)
        if states.shape[1] == 1:
            with np.errstate(all="ignore"):
                axes.plot(x, np.asarray(function(x[:, None])).reshape(-1), color=SERIES[0])
            axes.set_ylabel(label)
            return figure
        grid, upright = np.meshgrid(x, np.linspace(low[second], high[second], MESH))
        rows = np.tile(np.median(states, axis=0), (grid.size, 1))
        rows[:, 0], rows[:, second] = grid.ravel(), upright.ravel()
        with np.errstate(all="ignore"):
            values = np.broadcast_to(np.asarray(function(rows)).reshape(-1), len(rows)).reshape(grid.shape)
        values = np.ma.masked_invalid(values)
        filled = axes.contourf(grid, upright, values, 14, cmap="cividis")
        axes.contour(grid, upright, values, 14, colors=INK, linewidths=0.4)
        figure.colorbar(filled, ax=axes, label=label)
        axes.set_ylabel(names[second], parse_math=False)
    return figure


def plot_branches(branches: Sequence[Any]) -> "Figure":
    """Return F' (points: the table, lines: the formula) and, where it has a name, F, of every branch.

    Args:
        branches: with `.s`, `.slope`, `.law` and `.integral` (`physics.symmetry.Branch`).
    """
    from matplotlib.figure import Figure

    with figure_style():
        figure = Figure(figsize=(7.6, 3.4), layout="constrained")
        left, right = figure.subplots(1, 2)
        for n, branch in enumerate(branches):
            order = np.argsort(branch.s)
            s, colour = branch.s[order], SERIES[n % len(SERIES)]
            left.plot(s[::7], branch.slope[order][::7], "o", ms=2.5, color=colour)
            if branch.law is not None and len(branch.law.names) == 1:
                left.plot(s, branch.law(s[:, None]), "-", lw=1, color=colour)
            if branch.integral is not None:
                right.plot(s, branch.integral(s[:, None]), "-", color=colour)
        left.axhline(0.0, color=FAINT, lw=0.6)
        left.set_ylabel("F'")
        right.set_ylabel("F")
        for axes in (left, right):
            axes.set_xlabel("r" if not branches or branches[0].law is None else branches[0].law.names[0])
    return figure
