r"""Two columns that might matter only as their ratio, product, sum or difference: all of them tried.

Gradients propose a symmetry only where a surrogate is good. A law that turns fast, or has a pole, has a poor one as
long as its columns are too many; the table in the right columns has a far better one. So every pair is tried with a
Gaussian process of fixed kernels on few rows, which is rough, gets stuck nowhere and takes milliseconds.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float

from scikan.core.expr import Expr, add, multiply
from scikan.core.samples import evenly
from scikan.structure.answers import Surrogate
from scikan.structure.levels import Level, Step
from scikan.structure.surrogate import fit_surrogate


N_ROWS = 250
N_PROPOSED = 3
PROMISING, MUCH_BETTER = 0.75, 0.5

_LENGTHS = (0.5, 1.0, 2.0, 4.0)
_NUGGETS = (1e-6, 1e-2)


def best_pair(level: Level, pick: Any, surrogate: Surrogate) -> tuple[Level, Surrogate] | None:
    """Return the level with two columns in one that errs by far less, and its surrogate; None if there is none.

    Args:
        level: the table.
        pick: the rows on which surrogates are fitted.
        surrogate: fitted to them. All pairs are tried, so that one which is no worse may be so by luck: its error must
            be at most half of that of the table, both by the better of surrogate and rough estimate.
    """
    few = pick[evenly(len(pick), N_ROWS)]
    rough = _rough(level.rows(few))
    found = [
        (_rough(joined.rows(few)), n, joined)
        for n, joined in enumerate(_joined(level))
        if np.isfinite(joined.columns).all()
    ]
    best: tuple[float, Level, Surrogate] | None = None
    for error, _, joined in sorted(found, key=lambda f: f[:2])[:N_PROPOSED]:
        if error < PROMISING * rough:
            part = joined.rows(pick)
            fitted = fit_surrogate(part.columns, part.target, part.weight)
            error = min(error, part.missed_by(fitted))
            best = (error, joined, fitted) if best is None or error < best[0] else best
    if best is None or best[0] > MUCH_BETTER * min(rough, level.rows(pick).missed_by(surrogate)):
        return None
    return best[1:]


def _rough(level: Level) -> float:
    return rough_error(level.columns, level.target, level.weight)


def _joined(level: Level) -> Iterator[Level]:
    """Yield the level with each pair of columns as their ratio, either way up, product, difference and sum."""
    columns, expressions = level.columns, level.expressions
    for j in range(columns.shape[1]):
        for i in range(j):
            a, b = columns[:, i], columns[:, j]
            x, y = expressions[i], expressions[j]
            if np.all(b != 0):
                yield _with(level, i, j, a / b, x / y)
            if np.all(a != 0):
                yield _with(level, i, j, b / a, y / x)
            yield _with(level, i, j, a * b, multiply([x, y]))
            # The difference is taken so that it is positive where it can be: scalings divide by it.
            yield (
                _with(level, i, j, a - b, x - y) if a.mean() >= b.mean() else _with(level, i, j, b - a, y - x)
            )
            yield _with(level, i, j, a + b, add([x, y]))


def _with(level: Level, i: int, j: int, values: Any, expr: Expr) -> Level:
    columns, expressions = level.columns.copy(), list(level.expressions)
    told = f"{level.expressions[i]} and {level.expressions[j]} matter only as {expr}"
    columns[:, i], expressions[i] = values, expr
    del expressions[j]
    return replace(
        level,
        columns=np.delete(columns, j, axis=1),
        expressions=tuple(expressions),
        steps=(*level.steps, Step("pair", told)),
    )


def rough_error(
    x: Float[np.ndarray, "rows columns"], y: Float[np.ndarray, " rows"], weight: Float[np.ndarray, " rows"]
) -> float:
    """Return the least leave-one-out error of Gaussian processes with fixed kernels, weighted root mean square.

    Args:
        x: columns; they are divided by their standard deviations.
        y: target.
        weight: what turns residuals of y into those that count.
    """
    scale = x.std(axis=0)
    places = x / np.where(scale > 0, scale, 1.0)
    square = np.sum(places**2, axis=1)
    distances = np.maximum(square[:, None] + square - 2.0 * places @ places.T, 0.0)
    share = weight**2 / np.mean(weight**2)
    centred = y - np.average(y, weights=share)
    least = np.inf
    for length in _LENGTHS:
        kernel = np.exp(-0.5 * distances / length**2)
        for nugget in _NUGGETS:
            inverse = np.linalg.inv(kernel + np.diag(nugget / np.maximum(share, 1e-6)))
            left = (inverse @ centred) / np.diag(inverse) * weight
            least = min(least, float(np.sqrt(np.mean(left**2))))
    return least
