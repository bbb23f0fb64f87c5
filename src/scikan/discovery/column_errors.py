"""Tables whose columns have errors too: what these make of the target, before a law is known and after.

While forms are looked for, errors of columns count as errors of the target, through the slopes of a surrogate: rows on
steep stretches weigh less. The law found has slopes of its own; under these its constants are fitted by distance
(`law/input_errors.py`), as are those of its rivals. Forms are judged, on rows that no search read, by constants of an
ordinary fit, since these predict a target best from columns as they were measured.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from scikan.core.dataset import Dataset
from scikan.core.expr import Expr, evaluate
from scikan.law.input_errors import InputErrors, blur, own_error
from scikan.structure.scaling import judged_rows, raw_surrogate


Vector = Float[np.ndarray, " rows"]
Few = Float[np.ndarray, " few"]

NO_WEIGHT = 1e-12
"""Weight, as a part of the largest, of a row that does not count."""

NEAREST = 5
"""Rows of a large table whose blur is known by the surrogate, and stands for that of a row between them."""


def blurred_by_surrogate(table: Dataset) -> Dataset:
    """Return a table whose sigma is all that hides the law from its target, errors of its columns included."""
    if table.input_sigma is None or not table.input_sigma.any():
        return table
    pick = judged_rows(table.n_rows)
    found = raw_surrogate(table.x, table.y[:, 0])
    slopes = np.abs(found.gradients)
    if len(pick) < table.n_rows:
        slopes = slopes[_nearest(table.x, table.x[pick])].mean(axis=1)
    blurred = np.sqrt(np.sum((slopes * table.input_sigma) ** 2, axis=1))
    own = table.sigma if table.sigma is not None else _own(table, found.loo, blurred[pick], pick)
    return replace(table, sigma=np.sqrt(own**2 + blurred**2))


def blurred_by_law(table: Dataset, law: Expr) -> tuple[Dataset, InputErrors | None]:
    """Return the same by a law's own slopes, and the errors by which its constants are fitted."""
    if table.input_sigma is None or not table.input_sigma.any():
        return table, None
    columns = {name: table.x[:, j] for j, name in enumerate(table.names)}
    errors = {name: e for name, e in zip(table.names, table.input_sigma.T, strict=True) if np.any(e > 0)}
    with np.errstate(all="ignore"):
        blurred = blur(law, columns, errors)
        residual = table.y[:, 0] - np.broadcast_to(evaluate(law, columns), table.n_rows)
    usable = np.isfinite(blurred)
    blurred = np.where(usable, blurred, np.max(blurred[usable], initial=0.0))
    own = own_error(residual, blurred, table.y[:, 0]) if table.sigma is None else table.sigma
    weight = np.maximum(table.weight, NO_WEIGHT * np.max(table.weight)) / np.mean(table.weight)
    seen = replace(table, sigma=np.sqrt(own**2 + blurred**2))
    # In units of an average row's error, as the weighted mean squares of an ordinary fit are.
    unit = float(np.mean(weight / (own**2 + blurred**2)) ** -0.5)
    return seen, InputErrors(errors, own, unit).weighted(slice(None), weight)


def _own(table: Dataset, loo: Few, blurred: Few, pick: np.ndarray) -> Vector:
    """Return the target's own error on all rows, as the surrogate's rows show it."""
    y = table.y[:, 0]
    own = own_error(loo, blurred, y[pick])
    relative = np.ptp(own) > 0.0
    return np.abs(y) * np.median(own / np.abs(y[pick])) if relative else np.full(len(y), own[0])


def _nearest(x: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return for each row the numbers of a few known rows about it, `(rows, NEAREST)`."""
    from scipy.spatial import cKDTree

    unit = np.std(known, axis=0)
    unit[unit == 0] = 1.0
    return np.asarray(cKDTree(known / unit).query(x / unit, k=min(NEAREST, len(known)))[1])
