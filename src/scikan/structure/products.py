r"""A surrogate that knows products: $y = c + \sum_r \prod_j f_{rj}(x_j)$ with spline factors, one to three terms.

Laws are mostly sums of few products of functions of one column; where columns are many or wave, this fits
better than a Gaussian process of the same rows, which knows nothing of the kind. It is a KAN with product
nodes and one edge a column. Factors are found by alternating least squares, each step linear in the
coefficients of one column, then all together by damped Gauss-Newton steps; leave-one-out residuals follow from
the hat matrix of the last Jacobian. The offset c is linear in all of this, so it is projected out.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from scikan.core.bspline import feature_slopes, features, sample_knots
from scikan.structure.answers import Surrogate, error_of


Rows = Float[np.ndarray, "rows columns"]
Vector = Float[np.ndarray, " rows"]

DEGREE, ADAPTIVE = 3, 0.3
"""Knots lie mostly at equal distances, partly where rows are: no interval is empty, none much wider than others."""

GRIDS = (4, 10, 18)
MOST_TERMS = 3
MOST_COLUMNS = 12
SWEEPS, STEPS = 12, 20
ENOUGH = 1e-5
"""Error, as a share of the target's spread, at which no larger model is tried."""

_RIDGE = 1e-9
_CLEARLY = 0.8
_ROWS_PER_COEFFICIENT = 3.0


@dataclass(frozen=True, eq=False)
class Products:
    """A fitted sum of products.

    Args:
        surrogate: values, gradients and leave-one-out residuals.
        factors: $f_{rj}(x_j)$ at the rows, `(terms, columns, rows)`.
        offset: c.
    """

    surrogate: Surrogate
    factors: Float[np.ndarray, "terms columns rows"]
    offset: float


def fit_products(
    u: Rows, y: Vector, root: Vector, most: int = MOST_TERMS, offset: bool = False
) -> Products | None:
    """Return the best sum of products of splines; None if there are too few rows or too many columns for any.

    Args:
        u: inputs in the coordinates that the splines should see.
        y: target.
        root: how much a residual of a row counts (not squared).
        most: largest number of terms.
        offset: whether c is fitted too; beside several terms it is hardly determined.
    """
    if not 2 <= u.shape[1] <= MOST_COLUMNS:
        return None
    scale = float(np.sqrt(np.average((y - np.average(y, weights=root**2)) ** 2, weights=root**2)))
    best: Products | None = None
    least = np.inf
    for grid in GRIDS:
        columns = _Columns.of(u, grid, offset)
        model: Any = None
        for n_terms in range(1, most + 1):
            if n_terms * columns.values.size / len(y) * _ROWS_PER_COEFFICIENT > len(y):
                break
            model = _fitted(columns, y, root, model)
            found, constant = _answer(columns, model, y, root)
            error = error_of(found, root)
            # The hat matrix knows the neighbourhood of one solution; of two that err alike the smaller is kept.
            if error < _CLEARLY * least and _holds(columns, y, root, model, 2.0 * min(least, scale)):
                best, least = Products(found, _factors(columns, model), constant), error
            if least < ENOUGH * scale:
                return best
    return best


def _holds(columns: "_Columns", y: Vector, root: Vector, model: Any, limit: float) -> bool:
    """Whether the model, fitted again to four fifths of the rows, errs on the others by less than a limit."""
    held = np.arange(len(y)) % 5 == 2
    seen = columns.rows(~held)
    again = _damped(seen, y[~held], root[~held], model)
    offset = np.average(y[~held] - _value(seen, again), weights=root[~held] ** 2) if columns.offset else 0.0
    left = y[held] - _value(columns.rows(held), again) - offset
    return float(np.sqrt(np.average(left**2, weights=root[held] ** 2))) < limit


class _Columns:
    """Spline features of every column and their slopes, `(rows, columns, basis)`."""

    def __init__(self, values: Any, slopes: Any, offset: bool, knots: Any) -> None:
        self.values, self.slopes, self.offset, self.knots = values, slopes, offset, knots

    def weighted(self, values: Any, root: Vector) -> Any:
        """Return values times weights, along the first axis, without what an offset explains."""
        rows = (values.T * root).T
        if not self.offset:
            return rows
        direction = root / np.sqrt(root @ root)
        return rows - np.multiply.outer(direction, direction @ rows)

    def rows(self, pick: Any) -> "_Columns":
        """Return the features on some of the rows."""
        return _Columns(self.values[pick], self.slopes[pick], self.offset, self.knots)

    @classmethod
    def of(cls, u: Rows, grid: int, offset: bool) -> "_Columns":
        knots = sample_knots(u, grid, DEGREE, ADAPTIVE)
        return cls(features(u, knots, DEGREE), feature_slopes(u, knots, DEGREE), offset, knots)


def _fitted(columns: _Columns, y: Vector, root: Vector, start: Any) -> Any:
    """Return coefficients `(terms, columns, basis)`: one term more than `start`, all fitted together.

    A term of one column alone hides well in a product of many, so that one is also tried as the first.
    """
    if start is None:
        return _damped(columns, y, root, _alternated(columns, y, root, _greedy(columns, y, root)))
    models = []
    for first in (start, _single_column(columns, y, root)) if len(start) == 1 else (start,):
        left = y - _value(columns, first)
        both = np.concatenate([first, _alternated(columns, left, root, _greedy(columns, left, root))])
        models.append(_damped(columns, y, root, _alternated(columns, y, root, both)))
    return min(models, key=lambda m: float(np.sum(columns.weighted(y - _value(columns, m), root) ** 2)))


def _single_column(columns: _Columns, y: Vector, root: Vector) -> Any:
    """Return the term that is a function of one column only and explains most."""
    n_columns, n_basis = columns.values.shape[1:]
    model = np.ones((1, n_columns, n_basis))
    others = _others(_factors(columns, model))
    trials = [_solved(columns, y, root, others, j)[0] for j in range(n_columns)]
    misfits = [
        float(np.sum(columns.weighted(y - columns.values[:, j] @ c, root) ** 2)) for j, c in enumerate(trials)
    ]
    j = int(np.argmin(misfits))
    model[0, j] = trials[j]
    return model


def _factors(columns: _Columns, model: Any) -> Any:
    return np.einsum("njb,rjb->rjn", columns.values, model)


def _value(columns: _Columns, model: Any) -> Any:
    return _factors(columns, model).prod(axis=1).sum(axis=0)


def _others(factors: Any) -> Any:
    """Return for each term and column the product of the factors of all other columns, `(terms, columns, rows)`."""
    ones = np.ones_like(factors[:, :1])
    before = np.cumprod(np.concatenate([ones, factors[:, :-1]], axis=1), axis=1)
    after = np.cumprod(np.concatenate([ones, factors[:, :0:-1]], axis=1), axis=1)[:, ::-1]
    return before * after


def _greedy(columns: _Columns, y: Vector, root: Vector) -> Any:
    """Return one term whose factors were fitted one after the other, the one that explains most first.

    A factor with mean zero hides all others until it is known: the order matters.
    """
    n_columns, n_basis = columns.values.shape[1:]
    model, left = np.ones((1, n_columns, n_basis)), set(range(n_columns))
    while left:
        others = _others(_factors(columns, model))
        trials = {j: _solved(columns, y, root, others, j) for j in left}
        misfit = {
            j: float(np.sum(columns.weighted(y - others[0, j] * (columns.values[:, j] @ c[0]), root) ** 2))
            for j, c in trials.items()
        }
        j = min(misfit, key=lambda j: misfit[j])
        model[:, j] = trials[j]
        left.remove(j)
    return model


def _solved(columns: _Columns, y: Vector, root: Vector, others: Any, j: int) -> Any:
    """Return the coefficients `(terms, basis)` of column j by least squares, those of all others held."""
    part = np.einsum("rn,nb->nrb", others[:, j], columns.values[:, j]).reshape(len(y), -1)
    part = columns.weighted(part, root)
    gram = part.T @ part
    size = float(np.trace(gram)) / len(gram)
    if not size > 1e-200:
        return np.zeros((len(others), columns.values.shape[2]))
    gram += _RIDGE * size * np.eye(len(gram))
    return np.linalg.solve(gram, part.T @ columns.weighted(y, root)).reshape(len(others), -1)


def _alternated(columns: _Columns, y: Vector, root: Vector, model: Any) -> Any:
    n_columns = model.shape[1]
    for _ in range(SWEEPS):
        for j in range(n_columns):
            model[:, j] = _solved(columns, y, root, _others(_factors(columns, model)), j)
            # Only one factor of a term carries its size.
            if j < n_columns - 1:
                size = np.abs(model[:, j]).mean(axis=1, keepdims=True)
                model[:, j] /= np.where(size > 0, size, 1.0)
    return model


def _jacobian(columns: _Columns, model: Any) -> Any:
    others = _others(_factors(columns, model))
    return np.einsum("rjn,njb->nrjb", others, columns.values).reshape(len(columns.values), -1)


def _damped(columns: _Columns, y: Vector, root: Vector, model: Any) -> Any:
    damping = 1e-3
    residual = columns.weighted(y - _value(columns, model), root)
    for _ in range(STEPS):
        jacobian = columns.weighted(_jacobian(columns, model), root)
        norms = np.sqrt(np.sum(jacobian**2, axis=0))
        norms[norms < 1e-150] = np.inf
        jacobian /= norms
        gram = jacobian.T @ jacobian
        move = np.linalg.solve(gram + damping * np.eye(len(gram)), jacobian.T @ residual) / norms
        trial = model + move.reshape(model.shape)
        left = columns.weighted(y - _value(columns, trial), root)
        if left @ left < residual @ residual:
            gain = 1.0 - float(left @ left) / float(residual @ residual)
            model, residual, damping = trial, left, max(damping / 12, 1e-9)
            if gain < 1e-3 * damping:
                break
        else:
            damping *= 8
    return model


def _answer(columns: _Columns, model: Any, y: Vector, root: Vector) -> tuple[Surrogate, float]:
    values = _value(columns, model)
    offset, jacobian = 0.0, _jacobian(columns, model)
    if columns.offset:
        offset = float(np.average(y - values, weights=root**2))
        jacobian = np.column_stack([jacobian, np.ones(len(y))])
    jacobian = jacobian * root[:, None]
    left, singular, _ = np.linalg.svd(jacobian, full_matrices=False)
    left = left[:, singular > 1e-7 * singular[0]]
    hat = np.sum(left**2, axis=1)
    others = _others(_factors(columns, model))
    gradients = np.einsum("rjn,njb,rjb->nj", others, columns.slopes, model)
    values = values + offset

    def predict(points: Rows) -> Vector:
        factors = np.einsum("njb,rjb->rjn", features(points, columns.knots, DEGREE), model)
        return np.asarray(factors.prod(axis=1).sum(axis=0) + offset)

    return Surrogate(values, gradients, (y - values) / np.maximum(1.0 - hat, 1e-3), predict), offset
