r"""New rows learnt by a whole network that remembers: old rows are kept as one matrix, not as rows.

Near the parameters $\theta_0$ that fitted them, the squared error of all old rows rises by
$(\theta - \theta_0)^T M (\theta - \theta_0)$, where M sums the outer products of the outputs' derivatives. The new rows
and this form are made small together. With one layer that is recursive least squares: all rows are fitted as if they
had been kept. With more it is elastic weight consolidation (Kirkpatrick et al. 2017) with the whole matrix for its
diagonal; a spline network is small enough for that.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from scikan.core.checks import check_matrix, check_same_rows, check_target
from scikan.core.errors import SettingError
from scikan.core.kan import KAN
from scikan.core.precision import numpy_leaves
from scikan.train.damped import levenberg_marquardt
from scikan.train.layered import Workspace
from scikan.train.small import Regression


RIDGE = 1e-7
"""Weight that keeps every parameter near where it was, per row: what no row reaches has to stay somewhere."""

HOLD = 0.1
"""Part of the diagonal that is added for deeper networks: their form is true nearby only, so moves that cancel in it
are to be small too."""

UNREACHED = 1e-12
"""Parameters that old rows reach less than this, relative to the most, are drawn anew for every further start."""

SPREAD = 0.3
"""Standard deviation of parameters that are drawn anew."""


@dataclass(frozen=True, eq=False)
class Memory:
    """What the rows that a network has learnt say of its parameters; valid for its structure and grids.

    Args:
        information: (parameters, parameters), summed over rows and outputs; rows in the network's units.
        rows: how many rows were learnt.
    """

    information: Float[np.ndarray, "parameters parameters"]
    rows: int


def learn_next(
    model: KAN,
    x: Any,
    y: Any,
    memory: Memory | None = None,
    *,
    steps: int = 150,
    starts: int = 8,
    key: int = 0,
) -> tuple[KAN, Memory]:
    """Return the network that also fits new rows, and what it is to remember of all rows so far.

    All layers may change; grids stay. Where it can, use `learn_locally`, which changes the last layer alone and leaves
    what no new row reaches as it was to the last bit; deeper networks need this.

    Args:
        model: it is not changed.
        x: new rows, (rows, columns).
        y: their targets, (rows,) or (rows, outputs).
        memory: what an earlier call returned beside the network; None begins.
        steps: of Levenberg-Marquardt for each start.
        starts: how often to begin, first from the network as it is, then with the parameters that no row has reached
            drawn anew; the best fit is kept. One layer, whose fit is one least squares, begins once.
        key: seed of those draws.

    Raises:
        ShapeError, TableError: rows that are no finite table, or not as many targets.
        SettingError: no steps or starts, or a memory of another network.

    Example:
        >>> model, memory = KAN([2, 1, 1], grid=20), None
        >>> for rows, targets in phases:
        ...     model, memory = learn_next(model, rows, targets, memory)
    """
    if steps < 1 or starts < 1:
        raise SettingError(f"steps={steps}, starts={starts} learn nothing.", fix="use 1 or more of both.")
    model = numpy_leaves(model)
    rows = check_matrix(x, model.names)
    wanted = check_target(y, model.targets)
    check_same_rows(rows, wanted)
    space = Workspace(model, np.asarray(model.features(rows)))
    fit = Regression(space, np.asarray(model.readout.inverse()(wanted)), None, bend=0.0)
    theta = space.read()
    memory = memory or Memory(np.zeros((len(theta), len(theta))), 0)
    _check_memory(memory, len(theta))
    linear = _is_linear(space)
    held = 0.0 if linear else HOLD
    drawn = _starts(space, theta, memory, 1 if linear else starts, np.random.default_rng(key))
    tried = [
        levenberg_marquardt(_Remembering(fit, start, memory, len(rows), held), start, steps)
        for start in drawn
    ]
    best = min(tried, key=lambda descent: descent.cost)
    _, _, information = fit.normal(best.theta)
    space.write(best.theta)
    return space.pack(), Memory(memory.information + len(rows) * information, memory.rows + len(rows))


class _Remembering:
    """The error of new rows and the form of old ones, as a `LeastSquares` problem."""

    def __init__(self, fit: Regression, start: np.ndarray, memory: Memory, n_rows: int, hold: float) -> None:
        self.fit, self.start = fit, start
        form = memory.information / n_rows
        self.form = form + np.diag(hold * np.diag(form) + RIDGE)

    def cost(self, theta: np.ndarray) -> float:
        moved = theta - self.start
        return self.fit.cost(theta) + float(moved @ self.form @ moved)

    def normal(self, theta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        cost, gradient, hessian = self.fit.normal(theta)
        moved = theta - self.start
        pull = self.form @ moved
        return cost + float(moved @ pull), gradient + pull, hessian + self.form


def _starts(
    space: Workspace, theta: np.ndarray, memory: Memory, starts: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """Return the parameters as they are, and with those that no row has reached drawn anew.

    Those of an edge that old rows reach elsewhere are drawn like its others, so that values stay where they were.
    """
    reach = np.diag(memory.information)
    anew = reach <= UNREACHED * reach.max()
    centre, spread = np.zeros(len(theta)), np.full(len(theta), SPREAD)
    for place in space.edge_places():
        known = theta[place][~anew[place]]
        if len(known) > 1:
            centre[place], spread[place] = known.mean(), known.std()
    draws = centre + spread * rng.normal(size=(starts - 1, len(theta)))
    return [theta, *np.where(anew, draws, theta)]


def _is_linear(space: Workspace) -> bool:
    """Return whether outputs are linear in the parameters: one layer of sums, no named edge with free constants."""
    layer = space.layers[0]
    return len(space.layers) == 1 and not layer.nodes.arities and not layer.free_constants


def _check_memory(memory: Memory, n_parameters: int) -> None:
    if len(memory.information) != n_parameters:
        raise SettingError(
            f"The memory is of a network with {len(memory.information)} free parameters; this one has {n_parameters}.",
            fix="pass the memory that came with this network, or None where its structure was edited.",
        )
