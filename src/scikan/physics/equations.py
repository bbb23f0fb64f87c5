r"""Differential equations in two variables by least squares: splines in each variable, and products of them.

    residual F(x, u, u_x, u_xx, ...) at collocation points, conditions at boundary points
    -> Gauss-Newton in the coefficients (one step for a linear equation) -> finer grid, from the coarser answer
    -> points and knots go where the residual is large, if the equation is not linear

The answer $u = \sum_r f_r(x) h_r(y)$ is a Kolmogorov-Arnold network with one product node for each r; how many it
needs is told (`rank`). Nothing is trained.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import jax
import numpy as np
from jaxtyping import Float

from scikan.core.errors import SettingError, ShapeError, TrainingError
from scikan.train.linear import Refinement, knots_of, spline_columns


DEGREE = 5
GRIDS = (4, 8, 16)
ROWS_PER_COLUMN = 3
STEPS = 25
SOLVED = 1e-3
"""Residual, relative to its largest part, below which splines solve an equation."""

Points = Float[np.ndarray, "rows 2"]
Verdict = Literal["solved", "approximation", "none"]
Pointwise = Callable[[Any, Mapping[str, Any]], Any]


@dataclass(frozen=True, eq=False)
class Solution:
    """The answer of `solve_equation`.

    Args:
        verdict: "solved" (the residual is small and falls with the grid), "approximation" or "none".
        reason: one sentence.
        residual: rms of the equation at points that no solve has read, over the rms of its largest part.
        condition_error: rms of what is left of the conditions, in the unit of u.
        evidence: residuals under refinement.
        rank: products f(x) h(y) larger than what is left of the equation, of the answer's size.
        parameters: number of coefficients.
        knots: of the two variables.
        coefficients: (columns of x, columns of y).
    """

    verdict: Verdict
    reason: str
    residual: float
    condition_error: float
    evidence: Refinement
    rank: int
    parameters: int
    knots: tuple[np.ndarray, np.ndarray]
    coefficients: Float[np.ndarray, "first second"]

    def __call__(self, points: Any, derivative: str = "", names: Sequence[str] = ("x", "y")) -> np.ndarray:
        """Return u, or a derivative of it such as "xx", at points (rows, 2); shape (rows,)."""
        at = np.asarray(points, float)
        first, second = _factors(at, self.knots, derivative, names)
        return np.asarray(np.einsum("na,ab,nb->n", first, self.coefficients, second))


def solve_equation(
    residual: Pointwise,
    box: Sequence[tuple[float, float]],
    conditions: Sequence[tuple[Any, Any]],
    *,
    derivatives: Sequence[str] = ("x", "y", "xx", "yy"),
    names: Sequence[str] = ("x", "y"),
    grids: Sequence[int] = GRIDS,
    seed: int = 0,
) -> Solution:
    """Return the solution of a differential equation on a rectangle.

    Args:
        residual: `residual(x, u)` at one point x (2,), written for JAX; u["u"] is the value, u["xx"] a derivative.
        box: ((low, high), (low, high)) of the variables.
        conditions: pairs (points (rows, 2), values (rows,)): boundary and initial values.
        derivatives: which ones the residual reads.
        names: of the variables, one letter each.
        grids: intervals of every variable, rising.
        seed: of the collocation points.

    Raises:
        ShapeError: conditions of another shape.
        SettingError: grids that do not rise, names of other than one letter, a derivative of no variable.
        TrainingError: the residual is not finite.

    Example:
        Poisson: `solve_equation(lambda x, u: u["xx"] + u["yy"] - f(x), box, [(edge, values)])`.
    """
    places, values = _checked(box, conditions, derivatives, names, grids)
    problem = _Problem(residual, np.asarray(box, float), places, values, ("", *derivatives), tuple(names))
    rng = np.random.default_rng(seed)
    unseen = problem.inside(rng.uniform(size=(2000, 2)))
    solved: _Fit | None = None
    left: list[float] = []
    for grid in grids:
        solved = problem.solved(grid, rng, solved)
        left.append(problem.relative(solved, unseen))
    assert solved is not None
    return _judged(problem, solved, Refinement(tuple(grids), tuple(left)))


def _checked(
    box: Any, conditions: Any, derivatives: Sequence[str], names: Sequence[str], grids: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    if np.shape(box) != (2, 2) or not all(high > low for low, high in box):
        raise ShapeError(f"box is {box}.", fix="give ((low, high), (low, high)), low below high.")
    if len(names) != 2 or any(len(name) != 1 for name in names) or names[0] == names[1]:
        raise SettingError(f"names are {tuple(names)}.", fix="give two different letters.")
    if unknown := [d for d in derivatives if not d or set(d) - set(names) or len(d) > DEGREE - 1]:
        raise SettingError(
            f"{unknown[0]!r} is no derivative by {' and '.join(names)}.", fix="write x, y, xx, xy, yy, ..."
        )
    if not grids or list(grids) != sorted(set(grids)) or grids[0] < 2:
        raise SettingError(f"grids are {tuple(grids)}.", fix="give rising numbers from 2 on.")
    if not conditions:
        raise SettingError(
            "Without conditions the equation has many solutions.", fix="give boundary or initial values."
        )
    pairs = [(np.asarray(p, float), np.asarray(v, float)) for p, v in conditions]
    for p, v in pairs:
        if p.ndim != 2 or p.shape[1] != 2 or v.shape != p.shape[:1]:
            raise ShapeError(
                f"A condition has points {p.shape} and values {v.shape}.", fix="(rows, 2), (rows,)."
            )
    return np.concatenate([p for p, _ in pairs]), np.concatenate([v for _, v in pairs])


def _factors(
    at: Points, knots: tuple[np.ndarray, np.ndarray], derivative: str, names: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    first, second = (
        spline_columns(at[:, n], knots[n], DEGREE, derivative.count(name)) for n, name in enumerate(names)
    )
    return first, second


@dataclass(frozen=True, eq=False)
class _Fit:
    knots: tuple[np.ndarray, np.ndarray]
    coef: Float[np.ndarray, " columns"]
    linear: bool


class _Problem:
    """The equation, its conditions, and its linearisation at coefficients."""

    def __init__(
        self,
        residual: Pointwise,
        box: np.ndarray,
        places: Points,
        values: np.ndarray,
        derivatives: tuple[str, ...],
        names: tuple[str, ...],
    ) -> None:
        self.box, self.places, self.values = box, places, values
        self.derivatives, self.names = derivatives, names
        keys = tuple(d or "u" for d in derivatives)

        def pointwise(x: Any, jet: Any) -> Any:
            return residual(x, dict(zip(keys, jet, strict=True)))

        self._all = jax.jit(jax.vmap(jax.value_and_grad(pointwise, argnums=1)))

    def inside(self, unit: Points) -> Points:
        """Return points of the box from points of the unit square."""
        return np.asarray(self.box[:, 0] + unit * np.ptp(self.box, axis=1))

    def columns(self, at: Points, knots: tuple[np.ndarray, np.ndarray], derivative: str) -> np.ndarray:
        """Return all products of splines, (rows, columns)."""
        first, second = _factors(at, knots, derivative, self.names)
        return np.asarray((first[:, :, None] * second[:, None, :]).reshape(len(at), -1))

    def at(self, at: Points, jet: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return residuals (rows,) and their derivatives by every entry of the jet (rows, entries)."""
        left, slopes = (np.asarray(a) for a in self._all(at, jet))
        if not (np.all(np.isfinite(left)) and np.all(np.isfinite(slopes))):
            raise TrainingError(
                "The residual is not finite inside the box.", fix="check it at single points."
            )
        return left, slopes

    def relative(self, fit: _Fit, at: Points) -> float:
        """Return the rms residual over the rms of its largest part."""
        jet = self.jet(at, fit)
        left, slopes = self.at(at, jet)
        parts = np.sqrt(np.mean((slopes * jet) ** 2, axis=0))
        return float(np.sqrt(np.mean(left**2)) / max(parts.max(), 1e-300))

    def jet(self, at: Points, fit: _Fit) -> np.ndarray:
        """Return u and its derivatives, (rows, entries)."""
        return np.stack([self.columns(at, fit.knots, d) @ fit.coef for d in self.derivatives], axis=1)

    def points(self, grid: int, rng: np.random.Generator, before: _Fit | None) -> Points:
        """Return collocation points; half of them by the residual before, if the equation is not linear."""
        side = int(np.ceil(np.sqrt(ROWS_PER_COLUMN) * (grid + DEGREE)))
        # Chebyshev points: splines are least held near the edges.
        line = 0.5 - 0.5 * np.cos(np.pi * (np.arange(side) + 0.5) / side)
        even = self.inside(np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2))
        if before is None or before.linear:
            return even
        pool = self.inside(rng.uniform(size=(4 * len(even), 2)))
        weight = np.abs(self.at(pool, self.jet(pool, before))[0])
        chosen = rng.choice(len(pool), len(even) // 2, replace=False, p=weight / weight.sum())
        return np.concatenate([even, pool[chosen]])

    def solved(self, grid: int, rng: np.random.Generator, before: _Fit | None) -> _Fit:
        """Return the least-squares solution on a grid, from the one before."""
        at = self.points(grid, rng, before)
        adaptive = 0.0 if before is None or before.linear else 0.5
        ends = self.box.T
        knots = tuple(
            knots_of(np.concatenate([at[:, n], ends[:, n]]), grid, DEGREE, adaptive) for n in (0, 1)
        )
        assert len(knots) == 2
        columns = [self.columns(at, knots, d) for d in self.derivatives]
        fixed = self.columns(self.places, knots, "")
        if before is None:
            coef = np.linalg.lstsq(fixed, self.values, rcond=1e-10)[0]
        else:
            coef = np.linalg.lstsq(columns[0], self.jet(at, before)[:, 0], rcond=1e-12)[0]
        return self._newton(at, knots, columns, fixed, coef)

    def _newton(
        self, at: Points, knots: Any, columns: list[np.ndarray], fixed: np.ndarray, coef: np.ndarray
    ) -> _Fit:
        """Return the fit by damped Gauss-Newton."""

        def state(c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            return self.at(at, np.stack([a @ c for a in columns], axis=1))

        left, slopes = state(coef)
        first = slopes
        rows = sum(slopes[:, [d]] * a for d, a in enumerate(columns))
        # Conditions weigh as much, row for row, as the equation does through its columns.
        weight = float(np.sqrt(np.mean(np.square(rows)) / np.mean(fixed**2)))
        wrong = fixed @ coef - self.values
        cost = float(left @ left + weight**2 * (wrong @ wrong))
        for _ in range(STEPS):
            rows = sum(slopes[:, [d]] * a for d, a in enumerate(columns))
            matrix = np.concatenate([np.asarray(rows), weight * fixed])
            size = np.sqrt(np.sum(matrix**2, axis=0)) + 1e-300
            right = -np.concatenate([left, weight * wrong])
            step = np.linalg.lstsq(matrix / size, right, rcond=1e-13)[0] / size
            for share in (1.0, 0.5, 0.25, 0.1, 0.02):
                trial = coef + share * step
                after, bend = state(trial)
                off = fixed @ trial - self.values
                lower = float(after @ after + weight**2 * (off @ off))
                if lower < cost:
                    break
            else:
                break
            gain = (cost - lower) / max(cost, 1e-300)
            coef, left, slopes, wrong, cost = trial, after, bend, off, lower
            if np.allclose(slopes, first, rtol=1e-10, atol=1e-12) or gain < 1e-4:
                break
        return _Fit(knots, coef, bool(np.allclose(slopes, first, rtol=1e-10, atol=1e-12)))


def _judged(problem: _Problem, fit: _Fit, evidence: Refinement) -> Solution:
    left = evidence.residuals[-1]
    shape = tuple(len(k) - DEGREE - 1 for k in fit.knots)
    coefficients = fit.coef.reshape(shape)
    # Values and not coefficients: those of the outermost splines are known worst.
    first, second = _factors(
        problem.inside(np.linspace(0, 1, 101)[:, None] * np.ones(2)), fit.knots, "", problem.names
    )
    singular = np.linalg.svd(first @ coefficients @ second.T, compute_uv=False)
    wrong = problem.columns(problem.places, fit.knots, "") @ fit.coef - problem.values
    missed = float(np.sqrt(np.mean(wrong**2)))
    holds = missed < SOLVED * max(float(np.std(problem.values)), float(np.abs(coefficients).max()))
    told = f"what is left of the equation is {evidence} of its largest part; conditions are missed by {missed:.1g}"
    verdict: Verdict = "approximation"
    if left < SOLVED and holds and evidence.kind != "flat":
        verdict = "solved"
    elif left > 0.3:
        verdict = "none"
    return Solution(
        verdict,
        f"{told}.",
        left,
        missed,
        evidence,
        int(np.sum(singular > max(1e-6, left) * singular[0])),
        coefficients.size,
        fit.knots,
        coefficients,
    )
