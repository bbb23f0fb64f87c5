r"""What is linear in a layer is solved, not trained: least squares, null vectors, canonical pairs.

A spline edge is linear in its coefficients. So additive fits, shallow laws $g(y) = \sum_i f_i(x_i)$, conserved
quantities and Lagrangians are one least squares or one singular value decomposition each, without an
initialisation, a step or a local minimum. Callers lay out columns (`spline_columns`), bring them to one scale
(`whiten`) and ask; what tells a true structure from a flexible basis is how the residual behaves when the grid is
refined (`Refinement`). Everything is NumPy in double precision; matrices are (rows, columns).
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Float
from scipy.interpolate import BSpline

from scikan.core import bspline
from scikan.core.errors import SettingError, ShapeError


DROP = 1e-9
"""Directions of a matrix below this part of its largest singular value are rounding, not structure."""

ADAPTIVE = 0.5
"""Knots stand half at quantiles of the samples, half evenly."""

Matrix: TypeAlias = Float[np.ndarray, "rows columns"]
Kind: TypeAlias = Literal["floor", "falls", "flat"]


def knots_of(
    x: Float[np.ndarray, " rows"], grid: int, k: int = 3, adaptive: float = ADAPTIVE
) -> Float[np.ndarray, " knots"]:
    """Return extended knots of one variable, `grid` intervals over its samples; shape (grid + 2k + 1,).

    Args:
        x: samples, in the variable's own unit.
        grid: number of intervals.
        k: spline degree, 1 to 5.
        adaptive: 0 for even spacing, 1 for quantiles, in between a mixture.
    """
    return np.asarray(bspline.sample_knots(np.asarray(x, float)[:, None], grid, k, adaptive)[0])


def spline_columns(
    x: Float[np.ndarray, " rows"], knots: Float[np.ndarray, " knots"], k: int = 3, derivative: int = 0
) -> Float[np.ndarray, "rows basis"]:
    """Return the spline basis of one variable, or a derivative of it, as columns (rows, knots - k - 1).

    Beyond the grid's ends every spline goes on as a straight line, so second derivatives vanish there.
    """
    x, knots = np.asarray(x, float), np.asarray(knots, float)
    # One variable in NumPy: SciPy's compiled recursion is five times as fast as the formula that JAX runs.
    basis = BSpline.construct_fast(knots, np.eye(len(knots) - k - 1), k)
    inside = np.clip(x, knots[k], knots[-k - 1])
    columns = np.asarray(basis(inside, nu=derivative))
    beyond = x != inside
    if derivative == 0 and beyond.any():
        columns[beyond] += (x - inside)[beyond, None] * basis(inside[beyond], nu=1)
    elif derivative > 1:
        columns[beyond] = 0.0
    return columns


@dataclass(frozen=True, eq=False)
class Whitening:
    """A change of columns: `(columns - mean) @ map` have mean 0, variance 1 and no correlation.

    Args:
        mean: of each column, (columns,).
        map: from columns to directions, (columns, directions); fewer where columns depend on each other.
    """

    mean: Float[np.ndarray, " columns"]
    map: Float[np.ndarray, "columns directions"]

    def __call__(self, columns: Matrix) -> Float[np.ndarray, "rows directions"]:
        """Return the whitened directions at (other) rows."""
        return np.asarray((columns - self.mean) @ self.map)


def whiten(columns: Matrix, drop: float = DROP, centred: bool = True) -> Whitening:
    """Return what makes columns uncorrelated with unit variance, by the singular values of the (centred) columns.

    Args:
        columns: (rows, columns).
        drop: directions below this part of the largest are left out; with them rounding would make structure.
        centred: whether means are taken off, so that a constant is no direction.
    """
    _check(columns, "columns")
    mean = columns.mean(axis=0) if centred else np.zeros(columns.shape[1])
    centre = columns - mean
    # Columns of one size first, so that `drop` compares directions and not units.
    size = np.sqrt(np.mean(centre**2, axis=0))
    scale = np.where(size > 1e-13 * np.maximum(np.abs(mean), size.max(initial=0.0)), 1.0, 0.0)
    scale = scale / np.where(size > 0, size, 1.0)
    s, v = _right_singular(centre * scale)
    kept = s > drop * s[0] if len(s) and s[0] > 0 else np.zeros(len(s), bool)
    directions = v[:, kept] / s[kept] * np.sqrt(len(columns))
    return Whitening(mean, scale[:, None] * directions)


def least_squares(columns: Matrix, y: Float[np.ndarray, "rows *outputs"], drop: float = 1e-12) -> np.ndarray:
    """Return the coefficients of `columns` nearest to y, (columns,) or (columns, outputs).

    Columns are brought to unit length first; directions below `drop` of the largest get no weight.
    """
    _check(columns, "columns")
    norm = np.sqrt(np.sum(columns**2, axis=0))
    norm = np.where(norm > 0, norm, 1.0)
    found = np.linalg.lstsq(columns / norm, y, rcond=drop)[0]
    return np.asarray(found / (norm if found.ndim == 1 else norm[:, None]))


@dataclass(frozen=True, eq=False)
class NullVectors:
    """Combinations of columns on which one matrix is small relative to another, smallest first.

    Args:
        values: rms(matrix @ c) where rms(relative_to @ c) = 1, (directions,), rising.
        vectors: the coefficients c, one per column of the array, (columns, directions).
    """

    values: Float[np.ndarray, " directions"]
    vectors: Float[np.ndarray, "columns directions"]


def null_vectors(
    matrix: Matrix,
    relative_to: Float[np.ndarray, "scale_rows columns"],
    drop: float = DROP,
    centred: bool = True,
) -> NullVectors:
    r"""Return the smallest generalised singular values: $\min_c \|A c\| / \|B c\|$ and so on upwards.

    Args:
        matrix: A, (rows, columns): what should vanish.
        relative_to: B, (scale_rows, columns): what fixes the scale. It is whitened, so that c = 0, constants (if
            `centred`) and directions that rounding alone makes are no answers.
        drop: as in `whiten`.
        centred: whether B's means are taken off.
    """
    whitening = whiten(relative_to, drop, centred)
    s, v = _right_singular(matrix @ whitening.map)
    return NullVectors(s[::-1] / np.sqrt(len(matrix)), whitening.map @ v[:, ::-1])


def triangle(matrix: Matrix) -> Float[np.ndarray, "fewer columns"]:
    """Return a matrix of no more rows than columns with the same mean square in every direction."""
    small = np.linalg.qr(matrix, mode="r")
    return np.asarray(small * np.sqrt(len(small) / len(matrix)))


class Factored:
    """Columns beside which others are tried again and again: their part of every triangle is formed once."""

    def __init__(self, columns: Matrix) -> None:
        self.columns = columns
        self.q, self.r = np.linalg.qr(columns)

    def together(
        self, more: Float[np.ndarray, "rows more"], weights: Float[np.ndarray, "both combinations"]
    ) -> Float[np.ndarray, "rows combinations"]:
        """Return combinations of the columns and of `more`."""
        n = self.columns.shape[1]
        return np.asarray(self.columns @ weights[:n] + more @ weights[n:])

    def triangle(self, more: Float[np.ndarray, "rows more"]) -> Float[np.ndarray, "fewer both"]:
        """Return the triangle of the columns and those of `more`, as `triangle` of both does."""
        along = self.q.T @ more
        rest = more - self.q @ along
        # Once more: rounding leaves a little along columns that `more` nearly depends on.
        again = self.q.T @ rest
        below = np.linalg.qr(rest - self.q @ again, mode="r")
        left = np.zeros((len(below), self.r.shape[1]))
        both = np.block([[self.r, along + again], [left, below]])
        return np.asarray(both * np.sqrt(len(both) / len(more)))


@dataclass(frozen=True, eq=False)
class CanonicalPairs:
    """Pairs of combinations of two sets of columns, most alike first; each has mean 0 and variance 1.

    Args:
        residuals: rms difference of a pair after the best scaling, sqrt(1 - correlation^2), (pairs,), rising.
        left, right: coefficients, (left columns, pairs) and (right columns, pairs).
    """

    residuals: Float[np.ndarray, " pairs"]
    left: Float[np.ndarray, "left_columns pairs"]
    right: Float[np.ndarray, "right_columns pairs"]

    @property
    def correlations(self) -> Float[np.ndarray, " pairs"]:
        """Canonical correlations, falling."""
        return np.asarray(np.sqrt(1.0 - self.residuals**2))


def canonical_pairs(
    left: Float[np.ndarray, "rows left_columns"],
    right: Float[np.ndarray, "rows right_columns"],
    drop: float = DROP,
) -> CanonicalPairs:
    """Return the canonical pairs of two sets of columns over the same rows (Breiman and Friedman 1985 for splines).

    Residuals are sines, computed without 1 - s^2, so that they are right far below 1e-8.
    """
    first, second = whiten(left, drop), whiten(right, drop)
    a, b = first(left) / np.sqrt(len(left)), second(right) / np.sqrt(len(right))
    u, s, vt = np.linalg.svd(a.T @ b, full_matrices=False)
    sines = np.linalg.norm(b @ vt.T - (a @ u) * s, axis=0)
    order = np.argsort(sines, kind="stable")
    return CanonicalPairs(np.minimum(sines[order], 1.0), first.map @ u[:, order], second.map @ vt.T[:, order])


@dataclass(frozen=True)
class Refinement:
    """Residuals on rows that no solve has seen, as the grid is refined: the evidence for a structure.

    Args:
        grids: numbers of intervals, rising.
        residuals: one per grid, relative (1 means nothing was found).
        floor: what rounding or noise leaves.
    """

    grids: tuple[int, ...]
    residuals: tuple[float, ...]
    floor: float = 1e-10

    def __post_init__(self) -> None:
        if not self.grids or len(self.grids) != len(self.residuals) or list(self.grids) != sorted(self.grids):
            raise SettingError(
                f"{len(self.residuals)} residuals for the grids {self.grids}.",
                fix="give one residual for each of the rising grids.",
            )

    @property
    def order(self) -> float:
        """The power p of a residual that falls as grid^-p, from the first and the last grid; 0 for one grid."""
        if len(self.grids) < 2:
            return 0.0
        first, last = (max(self.residuals[n], 1e-300) for n in (0, -1))
        return float(np.log(first / last) / np.log(self.grids[-1] / self.grids[0]))

    @property
    def kind(self) -> Kind:
        """ "floor" (nothing but rounding or noise is left), "falls" (at least as grid^-1), or "flat"."""
        if self.residuals[-1] <= 3.0 * self.floor:
            return "floor"
        return "falls" if self.order >= 1.0 else "flat"

    def __str__(self) -> str:
        return ", ".join(f"{r:.0e} (G={g})" for g, r in zip(self.grids, self.residuals, strict=True))


def _right_singular(matrix: Matrix) -> tuple[np.ndarray, np.ndarray]:
    """Return (singular values falling, right vectors as columns); by QR first, which is faster for many rows."""
    n = matrix.shape[1]
    if n == 0:
        return np.zeros(0), np.zeros((0, 0))
    tall = np.asarray(np.linalg.qr(matrix, mode="r")) if len(matrix) > n else matrix
    _, s, vt = np.linalg.svd(tall, full_matrices=len(tall) < n)
    return np.concatenate([s, np.zeros(n - len(s))]), vt.T


def _check(columns: np.ndarray, what: str) -> None:
    if columns.ndim != 2 or not np.all(np.isfinite(columns)):
        raise ShapeError(
            f"{what} must be a finite matrix (rows, columns); the shape is {columns.shape}.",
            fix="drop rows with NaN or infinity first.",
        )
