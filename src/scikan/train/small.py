r"""Fit a science-sized KAN without compiling anything: Levenberg-Marquardt on the layered Jacobian.

The cost is $\sum_n w_n |y_n - \hat y_n|^2 / \sum_n w_n$ plus `bend` times the squared second differences of
the spline coefficients, which keeps cells without samples straight. Grids of inner layers follow their values:
every few steps, when values have left a grid or fill too little of it, its ends are moved and the coefficients
projected. The first grid stays where it was laid.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from scikan.core import bspline
from scikan.core.kan import KAN
from scikan.train.damped import Damping, levenberg_marquardt
from scikan.train.layered import LayerSpace, Workspace


Rows = Float[np.ndarray, "_ _"]

MARGIN = 0.02
"""Inner grids reach this fraction of the values' range beyond them."""

SPARSE_FILL = 0.8
"""Inner grids that are filled to less than this fraction are drawn in."""


@dataclass(frozen=True)
class SmallFit:
    """A fitted KAN, its mean square error on the rows it saw, damping to go on with, and accepted steps."""

    model: KAN
    loss: float
    damping: float
    steps: int
    reason: str


class Regression:
    """Weighted least squares of a workspace, as a `LeastSquares` problem."""

    def __init__(self, space: Workspace, targets: Rows, weight: Any, bend: float) -> None:
        self.space = space
        self.targets = targets
        total = np.ones(len(targets)) if weight is None else np.asarray(weight, float)
        self.root_weight = np.sqrt(total / total.sum())[:, None]
        self.bend = bend
        self.curvature = _curvature(space) if bend > 0 else None

    def residuals(self, theta: np.ndarray) -> Rows:
        """Return the weighted residuals (batch, outputs); their squares sum to the mean square error."""
        self.space.write(theta)
        with np.errstate(all="ignore"):
            return np.asarray((self.space.forward() - self.targets) * self.root_weight)

    def loss(self, theta: np.ndarray) -> float:
        """Return the mean square error without penalties."""
        return float(np.sum(self.residuals(theta) ** 2))

    def cost(self, theta: np.ndarray) -> float:
        """Return the mean square error with the bending penalty."""
        return self.loss(theta) + self._penalty(theta)

    def _penalty(self, theta: np.ndarray) -> float:
        # Rounding can turn the form of an exact straight line negative; a cost must not be.
        return 0.0 if self.curvature is None else max(self.bend * float(theta @ self.curvature @ theta), 0.0)

    def normal(self, theta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """Return cost, gradient half and Gauss-Newton matrix."""
        residuals = self.residuals(theta)
        cost = float(np.sum(residuals**2))
        gradient = np.zeros(len(theta))
        hessian = np.zeros((len(theta), len(theta)))
        with np.errstate(all="ignore"):
            for output, columns in enumerate(self.space.jacobian()):
                columns *= self.root_weight
                gradient += columns.T @ residuals[:, output]
                hessian += columns.T @ columns
        if self.curvature is not None:
            bending = self.bend * (self.curvature @ theta)
            total = cost + self._penalty(theta)
            return total, gradient + bending, hessian + self.bend * self.curvature
        return cost, gradient, hessian


def _curvature(space: Workspace) -> np.ndarray:
    """Return the quadratic form of all squared second differences of spline coefficients."""
    form = np.zeros((space.n_parameters, space.n_parameters))
    for place in space.edge_places():
        difference = np.diff(np.eye(place.stop - place.start), n=2, axis=0)
        form[place, place] = difference.T @ difference
    return form


def fit_small(
    model: KAN,
    inputs: Rows,
    targets: Rows,
    *,
    steps: int,
    bend: float = 1e-9,
    weight: Any = None,
    regrid: tuple[int, ...] = (0, 5, 10, 15, 20),
    damping: float | None = None,
    rule: Damping = Damping(),
) -> SmallFit:
    """Return the model fitted to network-side inputs and targets (after feature map, before readout).

    Args:
        inputs: (batch, inputs); targets: (batch, outputs); weight: (batch,) or None.
        steps: largest number of accepted Levenberg-Marquardt steps.
        bend: weight of the squared second differences of spline coefficients.
        regrid: steps at which inner grids may follow their values.
        damping: damping to start from (that of an earlier fit).
    """
    space = Workspace(model, inputs)
    problem = Regression(space, targets, weight, bend)
    theta = space.read()
    marks = sorted({step for step in regrid if step < steps}) if len(model.layers) > 1 else []
    pieces = np.diff([0, *[m for m in marks if m > 0], steps])
    done, reason, level = 0, "", damping
    for index, piece in enumerate(pieces):
        if marks and (index > 0 or marks[0] == 0):
            theta = _follow(space, theta, problem)
        descent = levenberg_marquardt(problem, theta, int(piece), rule, level)
        theta, level, reason = descent.theta, descent.damping, descent.reason
        done += descent.steps
        if descent.steps < piece and reason != "converged":
            if index + 1 == len(pieces) or reason.startswith("not finite"):
                break
    loss = problem.loss(theta)
    return SmallFit(space.pack(), loss, float(level or rule.start), done, reason)


def _follow(space: Workspace, theta: np.ndarray, problem: Regression) -> np.ndarray:
    """Move inner grids to their values; keep the move only if the network stays finite."""
    before = [(layer.knots, layer.coef) for layer in space.layers]
    old_loss = problem.loss(theta)
    moved = False
    values = space.layers[0].forward(space.inputs)
    for layer in space.layers[1:]:
        moved = move_grid(layer, values) or moved
        values = layer.forward(values)
    if not moved:
        return theta
    loss = problem.loss(space.read())
    if np.isfinite(loss) and loss <= 4.0 * old_loss + 1e-4:
        return space.read()
    for layer, (knots, coef) in zip(space.layers, before, strict=True):
        layer.knots, layer.coef = knots, coef
    return theta


def move_grid(layer: LayerSpace, values: Rows) -> bool:
    """Move the ends of a layer's uniform grids to the values' range if they fit badly; return whether any moved."""
    if not layer.on.any() or not np.all(np.isfinite(values)):
        return False
    low, high = bspline.grid_ends(layer.knots, layer.k)
    bottom, top = values.min(axis=0), values.max(axis=0)
    extent = np.maximum(top - bottom, 1e-9 * np.maximum(1.0, np.abs(top)))
    slack = MARGIN * (high - low)
    out = (bottom < low - slack) | (top > high + slack) | (extent < SPARSE_FILL * (high - low))
    out &= layer.on.any(axis=1) & ~layer.held_grids
    if not out.any():
        return False
    grid = layer.knots.shape[1] - 2 * layer.k - 1
    new = bspline.uniform_knots(bottom - MARGIN * extent, top + MARGIN * extent, grid, layer.k)
    knots = np.where(out[:, None], new, layer.knots)
    points = np.linspace(bottom - MARGIN * extent, top + MARGIN * extent, 8 * grid)
    curves = np.einsum("nig,igo->nio", bspline.features(points, layer.knots, layer.k), layer.coef)
    refitted = bspline.fit_coefficients(points, curves, knots, layer.k)
    layer.coef = np.where(out[:, None, None], refitted, layer.coef)
    layer.knots = knots
    return True
