"""Several experiments under one law: their points, and the law's curve with the constants of each."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from scikan.core.errors import ShapeError
from scikan.show.drawing import figure_style
from scikan.show.plot import MARKERS, SERIES


if TYPE_CHECKING:
    from matplotlib.figure import Figure


MOST_NAMED = 12
N_POINTS = 200


def plot_experiments(
    x: Float[np.ndarray, " rows"],
    y: Float[np.ndarray, " rows"],
    experiments: Sequence[str],
    curves: Mapping[str, Callable[[Any], Any]],
    labels: tuple[str, str],
) -> "Figure":
    """Return points of each experiment with a curve through them.

    Args:
        x, y: of all rows.
        experiments: the experiment of each row.
        curves: a function of (points, 1) by experiment, drawn over the range of that experiment's rows.
        labels: of both axes.

    Raises:
        ShapeError: there is no curve, or lengths differ.
    """
    if not curves or not len(x) == len(y) == len(experiments):
        raise ShapeError(
            f"{len(curves)} curves for {len(x)} and {len(y)} values and {len(experiments)} names.",
            fix="give a value and a name for each row, and a function for each name.",
        )
    from matplotlib.figure import Figure

    given = np.asarray(experiments)
    with figure_style():
        figure = Figure(figsize=(6.4, 4.0), layout="constrained")
        axes = figure.subplots()
        for n, (name, curve) in enumerate(curves.items()):
            at = given == name
            color = SERIES[n % len(SERIES)]
            points = np.linspace(x[at].min(), x[at].max(), N_POINTS)
            axes.plot(points, curve(points[:, None]), color=color, lw=1.2, zorder=1)
            label = name if n < MOST_NAMED else None
            axes.scatter(x[at], y[at], color=color, marker=MARKERS[n % len(MARKERS)], s=16, label=label, lw=0)
        axes.set(xlabel=labels[0], ylabel=labels[1])
        figure.legend(loc="outside right upper", handletextpad=0.2)
    return figure
