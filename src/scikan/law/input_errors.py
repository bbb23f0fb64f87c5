"""The constants of a law where the columns have errors as well as the target.

A column with an error is a parameter of each row: true values are looked for together with the constants, so that the
squared distances of the rows from the law, in units of their errors, are least. For given constants each row is a
problem of its own, solved here by Gauss-Newton steps; what is left is a least-squares problem in the constants alone
(Boggs, Byrd, Schnabel, SIAM J. Sci. Stat. Comput. 8, 1052, 1987; a straight line: York, Can. J. Phys. 44, 1079, 1966).
An ordinary fit takes the columns as they are, and makes every slope too small.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from scikan.core.errors import ColumnError, SettingError, ShapeError
from scikan.core.expr import Expr, constants, symbols
from scikan.core.names import nearest
from scikan.law.refitting import ROUNDING, Readout, Refit, refit, refitted, solve
from scikan.law.tape import Tape, tape


Vector = Float[np.ndarray, " rows"]
Matrix = Float[np.ndarray, "columns rows"]

MOST_STEPS, SETTLED = 8, 1e-4
"""Steps towards the true columns, and the part of the errors below which a step no longer counts: distances are least
there, so that they are right to its square."""

LEAST_OWN = 0.03
"""Least error of the target itself, as a part of what the columns' errors make of it: without any, rows of slope zero
would have to be met exactly."""

SHARES = np.geomspace(1e-3, 1.0, 61)


@dataclass(frozen=True, eq=False)
class InputErrors:
    """Standard deviations of measurement errors, row by row.

    Args:
        columns: of the columns that have errors, by name, each `(N,)`.
        own: of the target itself, `(N,)`.
        unit: an error of the target in which distances are told; None for its own.
    """

    columns: dict[str, np.ndarray]
    own: np.ndarray
    unit: float | None = None

    def weighted(self, rows: Any, weight: Any) -> "InputErrors":
        """Return the errors of some rows, each counted with a weight: as if its errors were smaller by the root."""
        root = np.asarray(weight, dtype=float) ** -0.5
        return InputErrors(
            {n: e[rows] * root for n, e in self.columns.items()}, self.own[rows] * root, self.unit
        )


@dataclass(frozen=True, eq=False)
class Distances:
    """Signed distances of rows from a law in units of `unit`, and their Jacobian, as a function of its constants.

    Args:
        law: of n constants, followed by the columns that have errors.
        x, x_error: these columns and their errors.
        y, y_error: the target and its own error.
        unit: an error by which all are multiplied, so that a mean square is in the target's units.
    """

    law: Tape
    x: Matrix
    x_error: Matrix
    y: Vector
    y_error: Vector
    unit: float

    @property
    def scale(self) -> float:
        """Root mean square of the target."""
        return float(np.sqrt(np.mean((self.y / self.y_error) ** 2))) * self.unit or 1.0

    def __call__(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return distances `(N,)` and their derivatives `(N, n)`, the true columns moved to the least of them."""
        shift = np.zeros_like(self.x)
        best = self._at(values, shift)
        moving = np.ones(len(self.y), dtype=bool)
        with np.errstate(all="ignore"):
            for _ in range(MOST_STEPS):
                wanted = self.x_error**2 * best.slopes * (best.gap / best.spread**2)
                step = np.where(moving & np.isfinite(wanted), wanted - shift, 0.0)
                step[:, (np.abs(step) <= SETTLED * self.x_error).all(axis=0)] = 0.0
                if not step.any():
                    break
                shift, best, moving = self._moved(values, shift, step, best)
            root = self.unit / best.spread
            return -best.gap * root, best.jacobian * root[:, None]

    def _moved(
        self, values: np.ndarray, shift: Matrix, step: Matrix, best: "_Nearest"
    ) -> tuple[Matrix, "_Nearest", np.ndarray]:
        """Return shifts, what is there, and which rows moved: by the step, its half or its quarter, if that gains."""
        moved = np.zeros(len(self.y), dtype=bool)
        for part in (1.0, 0.5, 0.25):
            trial = self._at(values, shift + part * step)
            gains = ~moved & (trial.distance < best.distance)
            shift = np.where(gains, shift + part * step, shift)
            best = _Nearest.of(gains, trial, best)
            moved |= gains
            if np.all(moved | (step == 0.0).all(axis=0)):
                break
        return shift, best, moved

    def _at(self, values: np.ndarray, shift: Matrix) -> "_Nearest":
        n, rows = len(values), len(self.y)
        value, jacobian = self.law(np.vstack([np.broadcast_to(values[:, None], (n, rows)), self.x + shift]))
        slopes = jacobian[:, n:].T
        with np.errstate(all="ignore"):
            spread = np.sqrt(self.y_error**2 + np.sum((slopes * self.x_error) ** 2, axis=0))
            moved = np.divide(shift, self.x_error, out=np.zeros_like(shift), where=self.x_error > 0)
            distance = ((self.y - value) / self.y_error) ** 2 + np.sum(moved**2, axis=0)
            gap = self.y - value + np.sum(slopes * shift, axis=0)
        return _Nearest(gap, slopes, spread, jacobian[:, :n], distance)


@dataclass(frozen=True, eq=False)
class _Nearest:
    """Of each row: the gap along the tangent, slopes, their error, the Jacobian, the squared distance."""

    gap: Vector
    slopes: Matrix
    spread: Vector
    jacobian: np.ndarray
    distance: Vector

    @staticmethod
    def of(gains: Any, trial: "_Nearest", best: "_Nearest") -> "_Nearest":
        return _Nearest(
            np.where(gains, trial.gap, best.gap),
            np.where(gains, trial.slopes, best.slopes),
            np.where(gains, trial.spread, best.spread),
            np.where(gains[:, None], trial.jacobian, best.jacobian),
            np.where(gains, trial.distance, best.distance),
        )


def blur(expr: Expr, columns: Mapping[str, Any], errors: Mapping[str, np.ndarray]) -> Vector:
    """Return what errors of the columns make of a law's value, `(N,)`: the standard deviation, to first order."""
    rows = len(next(iter(errors.values())))
    values = np.array([[c.value] for c in constants(expr)]).reshape(-1, 1) * np.ones(rows)
    noisy = np.array([np.asarray(columns[name], dtype=float) for name in errors])
    slopes = tape(expr, columns, rows, tuple(errors))(np.vstack([values, noisy]))[1][:, len(values) :].T
    return np.asarray(np.sqrt(np.sum((slopes * np.array(list(errors.values()))) ** 2, axis=0)))


def own_error(residual: Any, blurred: Any, y: Any) -> Vector:
    """Return the error of the target itself, `(N,)`: what residuals show beyond the errors of the columns.

    The same for all rows or, for a positive target, a share of it: whichever makes the residuals likelier.

    Args:
        residual: of a formula or a surrogate, `(N,)`.
        blurred: what the errors of the columns make of its value, `(N,)`.
        y: target, `(N,)`.
    """
    usable = np.isfinite(residual) & np.isfinite(blurred)
    r2, b2 = residual[usable] ** 2, blurred[usable] ** 2
    shapes = [np.ones_like(y)] + ([np.abs(y)] if np.all(y > 0) else [])
    offers = []
    for shape in shapes:
        largest = np.sqrt(np.mean(r2 / shape[usable] ** 2))
        for size in largest * SHARES:
            variance = b2 + (size * shape[usable]) ** 2 + np.finfo(float).tiny
            offers.append((float(np.sum(r2 / variance + np.log(variance))), size * shape))
    own = min(offers, key=lambda offer: offer[0])[1]
    least = max(LEAST_OWN * float(np.sqrt(np.mean(b2))), ROUNDING * float(np.max(np.abs(y))), ROUNDING)
    return np.asarray(np.maximum(own, least))


def distances(
    expr: Expr, columns: Mapping[str, Any], y: Any, errors: InputErrors, parameters: tuple[str, ...] = ()
) -> Distances:
    """Return the distances of a table's rows from a law; its constants, then `parameters`, are to be fitted.

    Raises:
        ColumnError: an error for what is no column.
        ShapeError: target, columns and errors differ in length.
        SettingError: an error is negative, or the target's is not positive.
    """
    target, own = np.asarray(y, dtype=float), np.asarray(errors.own, dtype=float)
    sizes = {
        name: np.broadcast_to(np.asarray(e, dtype=float), target.shape) for name, e in errors.columns.items()
    }
    if lacking := [name for name in sizes if name not in columns]:
        raise ColumnError(
            f'There is no column "{lacking[0]}" to have an error.', fix=nearest(lacking[0], tuple(columns))
        )
    lengths = {name: np.shape(c) for name, c in columns.items()} | {
        "the target": target.shape,
        "its error": own.shape,
    }
    if target.ndim != 1 or len(set(lengths.values())) != 1:
        raise ShapeError(f"Columns of different shapes: {lengths}.", fix="Give arrays of one shape (N,).")
    if not all(np.all(size >= 0) for size in sizes.values()) or not np.all(own > 0):
        raise SettingError(
            "A measurement error is negative, or the target's is not positive.",
            fix="give standard deviations: 0 for exact columns, more than 0 for the target.",
        )
    law = tape(expr, columns, len(target), (*parameters, *sizes))
    x = np.array([np.asarray(columns[name], dtype=float) for name in sizes]).reshape(-1, len(target))
    unit = errors.unit or float(np.mean(own**-2.0) ** -0.5)
    return Distances(law, x, np.array(list(sizes.values())).reshape(x.shape), target, own, unit)


def refit_by_distance(
    expr: Expr,
    columns: Mapping[str, Any],
    y: Any,
    errors: InputErrors,
    steps: int = 60,
    robust: bool = True,
) -> Refit:
    """Return the law with its fitted constants moved to where the rows are nearest to it.

    Args:
        expr: the law; the search starts at the values of its constants.
        columns: arrays of shape `(N,)`.
        y: the target, `(N,)`.
        errors: of columns and target.
        steps, robust: as in `law.refitting.refit`.

    Returns:
        the law, its constants with standard errors; the mean square of the distances.

    Raises:
        ColumnError, ShapeError, SettingError: as `distances` does.
    """
    problem = distances(expr, columns, y, errors)
    start = np.array([c.value for c in constants(expr)], dtype=float)
    solved = solve(problem, start, steps, robust and len(start) > 0)
    return refitted(expr, solved)


def refit_with_errors(
    expr: Expr,
    columns: Mapping[str, Any],
    y: Any,
    weight: Any,
    readout: Readout,
    errors: InputErrors | None,
    steps: int = 60,
    robust: bool = True,
) -> Refit:
    """Return an ordinary refit, moved on to the fit by distance where the law uses a column that has errors.

    Arguments and errors raised are those of `law.refitting.refit` and `refit_by_distance`.
    """
    fit = refit(expr, columns, y, weight, readout, steps, robust)
    if errors is None or not np.isfinite(fit.mean_square) or errors.columns.keys().isdisjoint(symbols(expr)):
        return fit
    near = refit_by_distance(fit.expr, columns, y, errors, steps, robust)
    return near if np.isfinite(near.mean_square) else fit
