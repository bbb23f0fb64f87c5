"""The constants of a law fitted to data, by damped Gauss-Newton steps, with their standard errors.

The damping follows Marquardt: columns of the Jacobian have unit length, lambda starts at 1e-3, falls
twelvefold after a success and rises eightfold after a failure; a step that meets NaN is a failure.
Undamped steps by least squares finish. Where this simple rule does not arrive, SciPy's trust region does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np

from scikan.core.errors import SettingError, ShapeError
from scikan.core.expr import Constant, Expr, constants, with_constants
from scikan.law.tape import Tape, tape


Readout: TypeAlias = Literal["linear", "log"]
READOUTS: tuple[Readout, Readout] = ("linear", "log")

# No residual of float64 data is smaller than this part of the target: rounding, not agreement.
ROUNDING = 1e-14
ERROR_FLOOR = 1e-13
_LARGEST_DAMPING = 1e10
_POLISHING = 12


@dataclass(frozen=True, eq=False)
class Refit:
    """A law with fitted constants.

    Args:
        expr: the law; its constants carry standard errors.
        mean_square: weighted mean square of the residuals (of logarithms, if the readout is "log").
        covariance: of the constants, `(n_constants, n_constants)`, in the order of `constants(expr)`.
        converged: whether the gradient vanishes there. Otherwise it is only the best point met.
    """

    expr: Expr
    mean_square: float
    covariance: np.ndarray
    converged: bool


@dataclass(frozen=True, eq=False)
class Residuals:
    """Weighted residuals of a law and their Jacobian, as a function of its constants."""

    law: Tape
    y: np.ndarray
    root_weight: np.ndarray | None
    readout: Readout

    def __call__(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        value, jacobian = self.law(values)
        with np.errstate(all="ignore"):
            if self.readout == "log":
                residual, jacobian = np.log(value / self.y), jacobian / value[:, None]
            else:
                residual = value - self.y
        if self.root_weight is not None:
            residual, jacobian = residual * self.root_weight, jacobian * self.root_weight[:, None]
        return residual, jacobian

    @property
    def scale(self) -> float:
        """Root mean square of what is fitted; 1 for logarithms, whose residuals are relative."""
        if self.readout == "log":
            return 1.0
        weighted = self.y if self.root_weight is None else self.y * self.root_weight
        return float(np.sqrt(np.mean(weighted**2))) or 1.0


@runtime_checkable
class Problem(Protocol):
    """Residuals, `(N,)`, and their Jacobian, `(N, n)`, as a function of n constants."""

    @property
    def scale(self) -> float: ...

    def __call__(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]: ...


@dataclass(frozen=True, eq=False)
class _Point:
    values: np.ndarray
    residual: np.ndarray
    jacobian: np.ndarray
    loss: float


def residuals(
    expr: Expr,
    columns: Mapping[str, Any],
    y: Any,
    weight: Any = None,
    readout: Readout = "linear",
    parameters: Sequence[str] = (),
) -> Residuals:
    """Return the residuals of a law on a table; the weights are scaled to mean 1.

    Raises:
        ShapeError: target, weights and columns differ in length.
        SettingError: weights that are negative or all zero; zeros in a target read in logarithms.
    """
    target = np.asarray(y, dtype=float)
    lengths = {name: np.shape(c) for name, c in columns.items()} | {"the target": target.shape}
    root = None
    if weight is not None:
        weights = np.asarray(weight, dtype=float)
        lengths["the weights"] = weights.shape
        if not (weights.min() >= 0 and weights.mean() > 0):
            raise SettingError(
                "Weights must be positive or zero, and not all zero.", fix="Give 1/sigma**2 of each row."
            )
        root = np.sqrt(weights / weights.mean())
    if target.ndim != 1 or len(set(lengths.values())) != 1:
        raise ShapeError(f"Columns of different shapes: {lengths}.", fix="Give arrays of one shape (N,).")
    if readout == "log" and np.any(target == 0):
        raise SettingError("A target with zeros has no relative errors.", fix='Use readout="linear".')
    return Residuals(tape(expr, columns, len(target), parameters), target, root, readout)


def refit(
    expr: Expr,
    columns: Mapping[str, Any],
    y: Any,
    weight: Any = None,
    readout: Readout = "linear",
    steps: int = 60,
    robust: bool = True,
) -> Refit:
    """Return the law with its fitted constants moved to the nearest least-squares point.

    Args:
        expr: the law; the search starts at the values of its constants.
        columns: arrays of shape `(N,)`.
        y: the target, `(N,)`.
        weight: weights of the squared residuals, `(N,)`, usually 1/sigma**2; only ratios matter.
        readout: "linear" fits `value - y`; "log" fits `log(value / y)`, that is relative errors.
        steps: how many damped steps are allowed; small laws need 5 to 20.
        robust: whether SciPy's trust region is asked where the damped steps do not converge. Off,
            a poor start costs no more than `steps` steps.

    Raises:
        ShapeError: arrays of different lengths.
        SettingError: unusable weights, or zeros in a target read in logarithms.
        ColumnError: the law uses a column that is not given.
    """
    problem = residuals(expr, columns, y, weight, readout)
    found = constants(expr)
    start = _point(problem, np.array([c.value for c in found], dtype=float))
    if not found:
        return Refit(expr, start.loss / len(problem.y), np.zeros((0, 0)), np.isfinite(start.loss).item())
    solved = solve(problem, start.values, steps, robust)
    return refitted(expr, solved)


@dataclass(frozen=True, eq=False)
class Solved:
    """A least-squares point: values and standard errors, each `(n,)`, covariance `(n, n)`, mean square residual."""

    values: np.ndarray
    errors: np.ndarray
    covariance: np.ndarray
    mean_square: float
    converged: bool


def refitted(expr: Expr, solved: Solved) -> Refit:
    """Return a formula with its constants at a least-squares point, in the order of `constants(expr)`."""
    fitted = [Constant(float(v), float(e)) for v, e in zip(solved.values, solved.errors, strict=True)]
    return Refit(with_constants(expr, fitted), solved.mean_square, solved.covariance, solved.converged)


def solve(problem: Problem, values: np.ndarray, steps: int = 60, robust: bool = True) -> Solved:
    """Return the nearest least-squares point to `values`, `(n,)`; settings as in `refit`."""
    start = _point(problem, values)
    point = _polished(problem, _damped(problem, start, steps))
    if robust and not _is_stationary(problem, point):
        other = _polished(problem, _trust_region(problem, point if np.isfinite(point.loss) else start))
        point = other if other.loss < point.loss or not np.isfinite(point.loss) else point
    covariance = _covariance(problem, point)
    errors = np.maximum(np.sqrt(np.diag(covariance)), ERROR_FLOOR * np.abs(point.values))
    mean_square = float(point.loss / len(point.residual))
    return Solved(point.values, errors, covariance, mean_square, _is_stationary(problem, point))


def _point(problem: Problem, values: np.ndarray) -> _Point:
    residual, jacobian = problem(values)
    with np.errstate(all="ignore"):
        loss = float(residual @ residual)
    usable = np.isfinite(loss) and bool(np.isfinite(jacobian).all())
    return _Point(values, residual, jacobian, loss if usable else np.inf)


def _scaled(jacobian: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    norms = np.sqrt(np.einsum("ij,ij->j", jacobian, jacobian))
    norms[~(norms > 0)] = 1.0
    return jacobian / norms, norms


def _damped(problem: Problem, point: _Point, steps: int) -> _Point:
    if not np.isfinite(point.loss):
        return point
    damping, fresh = 1e-3, True
    identity = np.eye(len(point.values))
    floor = len(point.residual) * (ROUNDING * problem.scale) ** 2
    for _ in range(steps):
        if fresh:
            unit, norms = _scaled(point.jacobian)
            normal, gradient = unit.T @ unit, unit.T @ point.residual
        move = np.linalg.solve(normal + damping * identity, gradient) / norms
        trial = _point(problem, point.values - move)
        fresh = trial.loss < point.loss
        if fresh:
            gain = point.loss - trial.loss
            point, damping = trial, max(damping / 12, 1e-10)
            if gain < 1e-12 * point.loss or point.loss < floor * 1e-2:
                break
        else:
            damping *= 8
            if damping > _LARGEST_DAMPING:
                break
    return point


def _polished(problem: Problem, point: _Point) -> _Point:
    """Return the point after undamped steps by least squares, orthogonal and not by the squared normal matrix.

    The loss is flat at its minimum: it settles the constants to half of all digits. So a step counts as good while
    the loss does not rise beyond rounding and steps shrink.
    """
    last = np.inf
    for _ in range(_POLISHING):
        if not np.isfinite(point.loss) or point.loss == 0:
            break
        unit, norms = _scaled(point.jacobian)
        move = np.linalg.lstsq(unit, point.residual, rcond=1e-12)[0]
        with np.errstate(over="ignore"):
            length = float(np.linalg.norm(move))
        trial = _point(problem, point.values - move / norms)
        if not (trial.loss < point.loss or (trial.loss <= point.loss * (1 + 1e-12) and length < 0.9 * last)):
            break
        small = np.all(np.abs(move / norms) <= 1e-12 * np.abs(trial.values))
        point, last = trial, length
        if small:
            break
    return point


def _is_stationary(problem: Problem, point: _Point) -> bool:
    """Whether residual and Jacobian are orthogonal, or nothing but rounding is left, or there is nothing to move."""
    if not np.isfinite(point.loss):
        return False
    if not len(point.values) or point.loss <= len(point.residual) * (10 * ROUNDING * problem.scale) ** 2:
        return True
    cosines = _scaled(point.jacobian)[0].T @ point.residual / np.sqrt(point.loss)
    return bool(np.max(np.abs(cosines)) < 1e-5)


def _trust_region(problem: Problem, start: _Point) -> _Point:
    from scipy.optimize import least_squares

    if not np.isfinite(start.loss):
        return start
    try:
        found = least_squares(
            lambda v: problem(v)[0],
            start.values,
            jac=lambda v: problem(v)[1],
            method="trf",
            x_scale="jac",
            max_nfev=200,
            ftol=1e-14,
            xtol=1e-14,
            gtol=1e-14,
        )
    except (ValueError, np.linalg.LinAlgError):
        # It met a Jacobian with NaN: no better point than the start is known.
        return start
    return _point(problem, np.asarray(found.x, dtype=float))


def _covariance(problem: Problem, point: _Point) -> np.ndarray:
    n_rows, n = point.jacobian.shape
    if not np.isfinite(point.loss):
        return np.full((n, n), np.inf)
    unit, norms = _scaled(point.jacobian)
    # Redundant constants have no error of their own: the pseudo-inverse shares it among them.
    inverse = np.linalg.pinv(unit.T @ unit, rcond=1e-13, hermitian=True)
    spread = point.loss / max(n_rows - n, 1) + (ROUNDING * problem.scale) ** 2
    with np.errstate(over="ignore"):  # A constant that next to nothing depends on has no bound to its error.
        return np.asarray(spread * (inverse / norms) / norms[:, None])


def loss_bits(before: float, after: float, variance: float, n_rows: int) -> float:
    """Return by how many bits the residuals' code grew from one mean square to another."""
    if not np.isfinite(after):
        return float("inf")
    floor = 1e-22 * variance
    return float(0.5 * n_rows * np.log2((after + floor) / (before + floor)))


def target_variance(y: Any, weight: Any = None, readout: Readout = "linear") -> float:
    """Return the weighted variance of the target, or of its logarithm, as `mean_square` measures it."""
    target = np.asarray(y, dtype=float)
    target = np.log(np.abs(target)) if readout == "log" else target
    mean = np.average(target, weights=weight)
    return float(np.average((target - mean) ** 2, weights=weight))
