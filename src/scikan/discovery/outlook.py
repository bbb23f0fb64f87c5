"""What surrogates of the raw table say before a search: how much can be explained, and under which weights."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from scikan.law.refitting import Readout
from scikan.structure.answers import Surrogate
from scikan.structure.scaling import judged_rows, raw_surrogate


Rows = Float[np.ndarray, "rows columns"]
Vector = Float[np.ndarray, " rows"]

POOR, SMOOTHER = 0.03, 0.3
"""Share of the spread that a surrogate must miss for relative weights to be tried, and by how much they must win."""

LEAST = 0.1
"""Share of the median target below which a target counts no more: a few tiny ones would outvote all others."""


@dataclass(frozen=True, eq=False)
class View:
    """Weights of squared residuals under which the road of symmetries is gone, and the raw table's surrogate there."""

    weight: Any
    surrogate: Surrogate


@dataclass(frozen=True, eq=False)
class Outlook:
    """Views in the order in which they are asked, and the least leave-one-out error in the error model's units."""

    views: tuple[View, ...] = ()
    least: float = 0.0


def outlook(x: Rows, y: Vector, weight: Any, readout: Readout) -> Outlook:
    """Return what surrogates of a table say.

    Relative errors are additive ones with weights 1/y**2, tiny targets apart. Where errors are relative those are asked
    second: small targets then rule the surrogate, and where the law is exact any weights find it. A target with a
    few huge values can be seen through by them only.

    Args:
        x: columns.
        y: target.
        weight: of squared residuals, mean 1; None for equal weights.
        readout: "linear" for additive errors, "log" for relative ones.
    """
    pick = judged_rows(len(y))
    plain = View(weight, raw_surrogate(x, y, weight))
    error = _error(plain, pick)
    if not (np.all(y > 0) or np.all(y < 0)):
        return Outlook((plain,), error)
    if readout == "linear" and error < POOR * float(np.std(y[pick])):
        return Outlook((plain,), error)
    size = np.maximum(np.abs(y), LEAST * np.median(np.abs(y)))
    inverse = (1.0 if weight is None else weight) / size**2
    relative = View(inverse, raw_surrogate(x, y, inverse))
    missed = _error(relative, pick)
    if readout == "log":
        return Outlook((plain, relative), missed)
    wins = missed / np.std(np.log(np.abs(y[pick]))) < SMOOTHER * error / np.std(y[pick])
    return Outlook((relative, plain) if wins else (plain,), error)


def _error(view: View, pick: Any) -> float:
    """Return the root mean square leave-one-out residual in units of the weights as they are given."""
    root = 1.0 if view.weight is None else np.sqrt(view.weight[pick])
    return float(np.sqrt(np.mean((view.surrogate.loo * root) ** 2)))
