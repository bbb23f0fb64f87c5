r"""Softmax classification without compiling anything: damped Gauss-Newton steps on the layered Jacobian.

The cost is the weighted mean of $-\log p_{class}$, plus the curves' bending, plus a small ridge: classes that
can be told apart perfectly would drive the network to infinity, and the ridge gives every fit one minimum.
"""

import time
from typing import Any

import numpy as np
from jaxtyping import Float

from scikan.core.kan import KAN
from scikan.train.damped import Damping, levenberg_marquardt
from scikan.train.grids import GridUpdates
from scikan.train.layered import Workspace
from scikan.train.log import FitLog
from scikan.train.parameters import vector
from scikan.train.small import Regression
from scikan.train.state import CONVERGED, RUNNING, TrainState


RIDGE = 1e-4
"""Weight of the squared parameters."""

TOLERANCE = 1e-7
PATIENCE = 4
"""So many relative gains in a row below the tolerance end the descent."""

Vector = Float[np.ndarray, " _"]
Matrix = Float[np.ndarray, "_ _"]


class CrossEntropy(Regression):
    """The cost of a softmax over a workspace's outputs, as a problem for `levenberg_marquardt`.

    Targets are one-hot rows (batch, classes). That driver works with half of gradient and curvature.
    """

    def loss(self, theta: Vector) -> float:
        """Return the mean cross-entropy without penalties."""
        self.space.write(theta)
        with np.errstate(all="ignore"):
            raised = _shifted(self.space.forward())
            costs = np.log(np.exp(raised).sum(axis=1)) - (raised * self.targets).sum(axis=1)
            return float(costs @ self.root_weight[:, 0] ** 2)

    def cost(self, theta: Vector) -> float:
        """Return the mean cross-entropy with bending and ridge."""
        return self.loss(theta) + self.penalty(theta)

    def penalty(self, theta: Vector) -> float:
        """Return what bending and ridge add."""
        bending = 0.0 if self.curvature is None else self.bend * float(theta @ self.curvature @ theta)
        return bending + RIDGE * float(theta @ theta)

    def normal(self, theta: Vector) -> tuple[float, Vector, Matrix]:
        """Return cost, half the gradient and half the generalised Gauss-Newton matrix."""
        loss = self.loss(theta)
        with np.errstate(all="ignore"):
            raised = np.exp(_shifted(self.space.forward()))
            p = raised / raised.sum(axis=1, keepdims=True)
            jacobian = self.space.jacobian()
            weight = self.root_weight[:, 0] ** 2
            gradient = np.einsum("bm,mbp->p", weight[:, None] * (p - self.targets), jacobian)
            mean = np.einsum("bm,mbp->bp", p, jacobian)
            curvature = np.zeros((len(theta), len(theta)))
            for output, columns in enumerate(jacobian):
                centred = columns - mean
                curvature += centred.T @ (centred * (weight * p[:, output])[:, None])
        form = RIDGE * np.eye(len(theta))
        if self.curvature is not None:
            form += self.bend * self.curvature
        return loss + self.penalty(theta), 0.5 * gradient + form @ theta, 0.5 * curvature + form


def _shifted(logits: Any) -> Any:
    return logits - logits.max(axis=1, keepdims=True)


def fit_softmax(
    model: KAN, x: Any, codes: Any, weight: Any, *, steps: int, bend: float
) -> tuple[KAN, FitLog]:
    """Return the fitted network, whose outputs are logits, and the record of its training.

    Args:
        x: (batch, columns), raw.
        codes: (batch,) integers, the class of every row.
        weight: (batch,).
        steps: largest number of accepted steps.
        bend: weight of the squared second differences of spline coefficients.
    """
    began = time.perf_counter()
    inputs = np.asarray(model.features(x), np.float64)
    targets = np.eye(model.n_outputs)[codes]
    grid, rule = GridUpdates(), Damping()
    problem = CrossEntropy(Workspace(model, inputs), targets, weight, bend)
    theta, damping, slow = problem.space.read(), rule.start, 0
    rows: list[tuple[float, float]] = []
    first = problem.cost(theta)
    while len(rows) < steps and slow < PATIENCE:
        if grid.due(len(rows)):
            problem, theta = _followed(problem, theta, grid, x)
        descent = levenberg_marquardt(problem, theta, 1, rule, damping)
        before = rows[-1][0] + rows[-1][1] if rows else first
        theta, damping = descent.theta, descent.damping
        slow = slow + 1 if before - descent.cost <= TOLERANCE * abs(before) else 0
        rows.append((problem.loss(theta), problem.penalty(theta)))
        if descent.steps == 0:
            break
    problem.space.write(theta)
    fitted = problem.space.pack()
    return fitted, _log(fitted, rows, first, len(rows) < steps, time.perf_counter() - began)


def _followed(problem: CrossEntropy, theta: Vector, grid: GridUpdates, x: Any) -> tuple[CrossEntropy, Vector]:
    """Move inner grids to their values; keep the move if it leaves the loss in reach."""
    problem.space.write(theta)
    moved = grid.follow(problem.space.pack(), x, problem.space.inputs)
    if moved is None:
        return problem, theta
    trial = CrossEntropy(
        Workspace(moved, problem.space.inputs), problem.targets, problem.root_weight[:, 0] ** 2, problem.bend
    )
    start = trial.space.read()
    if trial.cost(start) <= 4.0 * problem.cost(theta):
        return trial, start
    return problem, theta


def _log(
    model: KAN, rows: list[tuple[float, float]], first: float, converged: bool, seconds: float
) -> FitLog:
    history = np.asarray(rows).reshape(-1, 2)
    total = float(history[-1].sum()) if len(history) else first
    none = np.asarray(0, np.int32)
    state = TrainState(
        model=model,
        optimiser=None,
        step=np.asarray(len(rows), np.int32),
        key=np.zeros(2, np.uint32),
        best=model,
        best_value=np.asarray(total),
        since_best=none,
        failures=none,
        status=np.asarray(CONVERGED if converged else RUNNING, np.int32),
        tried=np.asarray(vector(model)),
        first=np.asarray(first),
    )
    unknown = np.full(len(history), np.nan)
    return FitLog(
        train=history[:, 0],
        test=unknown,
        penalty=history[:, 1],
        validation=unknown,
        stop_reason="converged" if converged else "steps used up",
        seconds=seconds,
        steps=len(rows),
        state=state,
    )
