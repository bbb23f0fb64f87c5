r"""Levenberg-Marquardt in NumPy: one driver for small networks, constants of formulas and curve fits.

A problem gives its cost (a sum of squares) and its normal equations; the driver solves
$(H + \lambda\, \mathrm{diag}(H)) \delta = -g$ and adapts $\lambda$ (Marquardt 1963). A trial that meets a
non-finite cost counts as a failed step, so domains of log or sqrt are walls, not traps.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import scipy.linalg
from jaxtyping import Float


Vector = Float[np.ndarray, " parameters"]
Matrix = Float[np.ndarray, "parameters parameters"]


@runtime_checkable
class LeastSquares(Protocol):
    """A sum of squares over a parameter vector."""

    def cost(self, theta: Vector) -> float:
        """Return the sum of squares; non-finite where the residual is undefined."""

    def normal(self, theta: Vector) -> tuple[float, Vector, Matrix]:
        """Return (cost, J^T r, J^T J), penalties included."""


@dataclass(frozen=True)
class Damping:
    """How the damping adapts: factors on success and on successive failures, and when to stop.

    `patience` steps in a row with a relative gain below `gain` end the descent.
    """

    start: float = 1e-2
    down: float = 5.0
    up: tuple[float, ...] = (4.0, 4.0, 20.0, 20.0, 100.0, 100.0)
    floor: float = 1e-14
    gain: float = 1e-4
    patience: int = 4


@dataclass(frozen=True)
class Descent:
    """Where a descent ended: parameters, cost, damping to go on with, steps taken, and why it stopped."""

    theta: Vector
    cost: float
    damping: float
    steps: int
    reason: str


def levenberg_marquardt(
    problem: LeastSquares, theta: Vector, steps: int, rule: Damping = Damping(), damping: float | None = None
) -> Descent:
    """Return the descent of at most `steps` accepted steps from theta; its cost never rises."""
    level = rule.start if damping is None else damping
    slow = 0
    cost = problem.cost(theta)
    if not np.isfinite(cost):
        return Descent(theta, float("inf"), level, 0, "not finite at the start")
    for step in range(steps):
        cost, gradient, hessian = problem.normal(theta)
        if not (np.all(np.isfinite(gradient)) and np.all(np.isfinite(hessian))):
            return Descent(theta, cost, level, step, "derivatives are not finite")
        trial = _accepted_step(problem, theta, cost, gradient, hessian, level, rule)
        if trial is None:
            return Descent(theta, cost, level, step, "no step lowers the cost")
        theta, lower, level = trial
        slow = slow + 1 if cost - lower <= rule.gain * cost else 0
        cost = lower
        if slow >= rule.patience or cost == 0.0:
            return Descent(theta, cost, level, step + 1, "converged")
    return Descent(theta, cost, level, steps, "steps used up")


def _accepted_step(
    problem: LeastSquares,
    theta: Vector,
    cost: float,
    gradient: Vector,
    hessian: Matrix,
    level: float,
    rule: Damping,
) -> tuple[Vector, float, float] | None:
    scale = np.diag(hessian) + 1e-12 * max(float(np.max(np.diag(hessian))), 1e-300)
    for factor in (*rule.up, None):
        step = _damped_solution(gradient, hessian, level * scale)
        if step is not None:
            trial = theta - step
            lower = problem.cost(trial)
            if np.isfinite(lower) and lower < cost:
                return trial, lower, max(level / rule.down, rule.floor)
        if factor is None:
            return None
        level = max(level, 1e-12) * factor
    return None


def _damped_solution(gradient: Vector, hessian: Matrix, diagonal: Vector) -> Vector | None:
    damped = hessian.copy()
    damped[np.diag_indices_from(damped)] += diagonal
    factor, info = scipy.linalg.lapack.dpotrf(damped, lower=1, overwrite_a=1)
    if info != 0:
        return None
    solution, info = scipy.linalg.lapack.dpotrs(factor, gradient, lower=1)
    return solution if info == 0 and np.all(np.isfinite(solution)) else None
