r"""A least-squares point from a poor start: linear constants eliminated, many starts, the best kept.

Constants in which the law is linear need no start: for every value of the others they follow from a linear least
squares (variable projection, Golub and Pereyra 1973, in Kaufman's form: the Jacobian of the others is projected off
the columns of the linear ones). What is left is smaller and far less curved, and the few nonlinear constants are
tried at many multiples of where the search begins.
"""

from dataclasses import dataclass

import numpy as np

from scikan.law.refitting import ROUNDING, Problem, Solved, solve


STARTS = 40
_SPREADS = (0.03, 0.1, 0.3, 1.0, 2.0)
"""Decades by which starting values are scattered."""

LARGEST = 1e100
"""Size of a constant beyond which there is no law."""

FAR = 1e100
"""Stands for a residual that is not finite."""

_STEPS, _LONGEST = 300, 1000
_SAME = 1e-9


@dataclass(frozen=True, eq=False)
class Eliminated:
    """A problem in its nonlinear constants alone.

    Args:
        full: the problem in all constants.
        linear: which are linear, `(n,)` of booleans.
        values: values of all constants; those of the nonlinear ones are replaced.
    """

    full: Problem
    linear: np.ndarray
    values: np.ndarray

    @property
    def scale(self) -> float:
        return self.full.scale

    def completed(self, nonlinear: np.ndarray) -> np.ndarray:
        """Return all constants, `(n,)`: the given ones, and the best linear ones for them."""
        values = self.values.copy()
        values[~self.linear] = nonlinear
        residual, jacobian = self.full(values)
        columns = jacobian[:, self.linear]
        if not (np.isfinite(columns).all() and np.isfinite(residual).all()):
            return values
        norms = np.linalg.norm(columns, axis=0)
        norms[norms == 0] = 1.0
        values[self.linear] -= np.linalg.lstsq(columns / norms, residual, rcond=1e-12)[0] / norms
        # A curve that underflows times a coefficient that overflows is a wall, not a law.
        return np.where(np.abs(values) < LARGEST, values, np.nan)

    def __call__(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        residual, jacobian = self.full(self.completed(values))
        columns, others = jacobian[:, self.linear], jacobian[:, ~self.linear]
        if not np.isfinite(jacobian).all():
            return residual, others
        frame, triangle = np.linalg.qr(columns)
        sizes = np.abs(np.diag(triangle))
        frame = frame[:, sizes > 1e-12 * max(sizes.max(initial=0.0), 1e-300)]
        return residual, others - frame @ (frame.T @ others)


def linear_constants(problem: Problem, values: np.ndarray) -> np.ndarray:
    """Return which constants the residuals are jointly linear in, `(n,)` of booleans: the first such set met."""
    _, here = problem(values)
    chosen: list[int] = []
    size = np.linalg.norm(here, axis=0) + 1e-300
    for i in range(len(values)):
        moved = values.copy()
        moved[i] += 0.37 * (abs(values[i]) or 1.0)
        _, there = problem(moved)
        own = [*chosen, i]
        with np.errstate(all="ignore"):
            change = np.linalg.norm(there[:, own] - here[:, own], axis=0) / size[own]
        if np.all(change < _SAME):
            chosen.append(i)
    return np.isin(np.arange(len(values)), chosen)


def solve_thoroughly(problem: Problem, values: np.ndarray, starts: int = STARTS) -> Solved:
    """Return the best least-squares point found from `values` and from multiples of them.

    Args:
        problem: residuals and their Jacobian.
        values: where the search begins, `(n,)`.
        starts: how many scattered starts are tried beside it; always the same ones.
    """
    with np.errstate(all="ignore"):
        best = solve(problem, values, _STEPS)
        linear = linear_constants(problem, values)
        rng = np.random.default_rng(0)
        if linear.all():
            return best
        valley = _along_a_valley(problem, values)
        best = valley if _is_better(valley, best, (ROUNDING * problem.scale) ** 2) else best
        for n in range(starts + 1):
            spread = _SPREADS[n % len(_SPREADS)] if n else 0.0
            begin = values * 10.0 ** (spread * rng.normal(size=len(values)))
            other = _through_fewer(problem, begin, linear) if linear.any() else solve(problem, begin, _STEPS)
            if _is_better(other, best, (ROUNDING * problem.scale) ** 2):
                best = other
        return best


def _along_a_valley(problem: Problem, values: np.ndarray) -> Solved:
    """Return the point that many short steps lead to, scaled as the values are (MINPACK), as in a bent valley."""
    from scipy.optimize import least_squares

    size = np.where(values != 0, np.abs(values), 1.0)
    if len(problem(values)[0]) < len(values):
        return solve(problem, values, 0, robust=False)
    try:
        found = least_squares(
            lambda v: np.nan_to_num(problem(v)[0], nan=FAR, posinf=FAR, neginf=-FAR),
            values,
            jac=lambda v: np.nan_to_num(problem(v)[1], nan=0.0, posinf=FAR, neginf=-FAR),
            method="lm",
            x_scale=size,
            max_nfev=_LONGEST,
        )
    except (ValueError, np.linalg.LinAlgError):
        return solve(problem, values, 0, robust=False)
    return solve(problem, np.asarray(found.x, dtype=float), _STEPS, robust=False)


def _through_fewer(problem: Problem, begin: np.ndarray, linear: np.ndarray) -> Solved:
    reduced = Eliminated(problem, linear, begin)
    fewer = solve(reduced, begin[~linear], _STEPS, robust=False)
    return solve(problem, reduced.completed(fewer.values), _STEPS, robust=False)


def _is_better(other: Solved, best: Solved, rounding: float) -> bool:
    """Whether the other point is better by more than rounding: of equal ones, the first met is the nearest."""
    if not np.isfinite(other.mean_square):
        return False
    if not np.isfinite(best.mean_square) or other.mean_square < best.mean_square * (1 - 1e-10) - rounding:
        return True
    level = other.mean_square <= best.mean_square * (1 + 1e-10) + rounding
    return level and other.converged and not best.converged
