"""The engine without compilation: Levenberg-Marquardt in NumPy, one step at a time."""

from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Float, Int

from scikan.core.kan import KAN
from scikan.core.trees import updated
from scikan.train.damped import Damping, levenberg_marquardt
from scikan.train.engine import FOREVER, AbstractEngine
from scikan.train.grids import GridUpdates
from scikan.train.layered import Workspace
from scikan.train.marquardt import LOWER, PATIENCE, RAISE, LevenbergMarquardt
from scikan.train.objective import AbstractObjective
from scikan.train.objective import Regression as RegressionObjective
from scikan.train.parameters import vector
from scikan.train.penalty import AbstractPenalty, Sparsity
from scikan.train.rows import Rows, Split
from scikan.train.small import Regression
from scikan.train.state import CONVERGED, NOT_FINITE, RUNNING, History, TrainState
from scikan.train.state import PATIENCE as OUT_OF_PATIENCE


MAX_PARAMETERS = 300
MAX_NUMBERS = 30_000_000
"""Largest network, and largest Jacobian (entries), that `auto` gives to NumPy."""

MAX_PRUNED = 1500
MOSTLY_DEAD = 4
"""Largest pruned network, with this many times as many numbers: the compiled engine works on dead ones as well."""


class InstantState(eqx.Module):
    """Damping to go on with, slow gains in a row, and the cost at the model."""

    damping: Float[np.ndarray, ""]
    slow: Int[np.ndarray, ""]
    total: Float[np.ndarray, ""]


def smoothness_only(penalty: AbstractPenalty | None) -> bool:
    """Return whether a penalty is a quadratic form of the coefficients, or none."""
    if penalty is None:
        return True
    if type(penalty) is not Sparsity:
        return False
    return all(float(v) == 0.0 for v in (penalty.l1, penalty.entropy, penalty.coefficient))


def can_run(
    model: Any, rows: Rows, objective: AbstractObjective, penalty: AbstractPenalty | None, batch: Any
) -> str:
    """Return why a fit cannot run in NumPy, empty if it can."""
    if not isinstance(model, KAN):
        return "it trains one network at a time"
    if type(objective) is not RegressionObjective:
        return "it knows Regression() only"
    if not smoothness_only(penalty):
        return "it knows no penalty but smoothness"
    if model.dtype != np.float64:
        return "it works in float64"
    return "it needs all rows at once" if batch is not None else ""


def is_small(model: KAN, rows: Rows) -> bool:
    """Return whether NumPy is the faster choice: compiling costs seconds, a small step costs milliseconds."""
    n_free = Workspace(model, np.zeros((1, model.layers[0].n_inputs))).n_parameters
    pruned = n_free <= MAX_PRUNED and n_free * MOSTLY_DEAD <= len(vector(model))
    few = n_free <= MAX_PARAMETERS or pruned
    return few and n_free * len(rows) * model.n_outputs <= MAX_NUMBERS


class InstantEngine(AbstractEngine):
    """Steps of accepted Levenberg-Marquardt on the layered Jacobian."""

    def __init__(
        self,
        model: KAN,
        split: Split,
        optimiser: LevenbergMarquardt,
        objective: AbstractObjective,
        penalty: AbstractPenalty | None,
        patience: int | None,
    ) -> None:
        self.objective = objective
        self.split = split
        self.x, self.y = objective.rows(model, split.train.x, split.train.y)
        self.judge = None
        if split.validation is not None:
            self.judge = (
                *objective.rows(model, split.validation.x, split.validation.y),
                split.validation.weight,
            )
        self.rule = Damping(start=float(optimiser.damping), down=LOWER, up=RAISE)
        self.tolerance = float(optimiser.tolerance)
        self.bend = float(optimiser.bend)
        if isinstance(penalty, Sparsity):
            self.bend += float(penalty.strength) * float(penalty.smooth)
        self.patience = FOREVER if patience is None else patience

    def _problem(self, model: KAN) -> tuple[Workspace, Regression]:
        space = Workspace(model, self.x)
        return space, Regression(space, self.y, self.split.train.weight, self.bend)

    def _judged(self, space: Workspace, total: float, judge: Workspace | None, theta: Any) -> float:
        if judge is None or self.judge is None:
            return total
        judge.write(theta)
        _, y, weight = self.judge
        with np.errstate(all="ignore"):
            return float(((judge.forward() - y) ** 2).sum(axis=1) @ weight / weight.sum())

    def _judge_space(self, model: KAN) -> Workspace | None:
        return None if self.judge is None else Workspace(model, self.judge[0])

    def start(self, model: KAN, key: int) -> TrainState:
        space, problem = self._problem(model)
        theta = space.read()
        total = problem.cost(theta)
        judged = self._judged(space, total, self._judge_space(model), theta)
        finite = np.isfinite(total)
        none = np.asarray(0, np.int32)
        return TrainState(
            model=model,
            optimiser=self._inner(self.rule.start, 0, total),
            step=none,
            key=np.asarray([0, key], np.uint32),
            best=model,
            best_value=np.asarray(judged if np.isfinite(judged) else np.inf),
            since_best=none,
            failures=none,
            status=np.asarray(RUNNING if finite else NOT_FINITE, np.int32),
            tried=np.asarray(vector(model)),
            first=np.asarray(total),
        )

    def _inner(self, damping: float, slow: int, total: float) -> InstantState:
        return InstantState(np.asarray(damping), np.asarray(slow, np.int32), np.asarray(total))

    def advance(self, state: TrainState, n: int) -> tuple[TrainState, History]:
        space, problem = self._problem(state.model)
        judge = self._judge_space(state.model)
        theta = best = space.read()
        damping, slow = float(state.optimiser.damping), int(state.optimiser.slow)
        total, best_value = float(state.optimiser.total), float(state.best_value)
        since, status, done, improved = int(state.since_best), int(state.status), 0, False
        rows = np.full((3, n), np.nan)
        while done < n and status == RUNNING:
            descent = levenberg_marquardt(problem, theta, 1, self.rule, damping)
            gain = total - descent.cost
            theta, total, damping = descent.theta, descent.cost, descent.damping
            judged = self._judged(space, total, judge, theta)
            loss = problem.loss(theta)
            rows[:, done] = loss, total - loss, judged
            done += 1
            slow = slow + 1 if gain <= self.tolerance * (total + gain) else 0
            if judged < best_value:
                best, best_value, since, improved = theta, judged, 0, True
            else:
                since += 1
            status = self._status(descent.reason, slow, total, since)
        space.write(theta)
        after = space.pack()
        space.write(best)
        whole = TrainState(
            model=after,
            optimiser=self._inner(damping, slow, total),
            step=np.asarray(int(state.step) + done, np.int32),
            key=state.key,
            best=space.pack() if improved else state.best,
            best_value=np.asarray(best_value),
            since_best=np.asarray(since, np.int32),
            failures=state.failures,
            status=np.asarray(status, np.int32),
            tried=np.asarray(vector(after)),
            first=state.first,
        )
        return whole, History(*rows)

    def _status(self, reason: str, slow: int, total: float, since: int) -> int:
        if reason == "derivatives are not finite":
            return NOT_FINITE
        if slow >= PATIENCE or total == 0.0 or reason == "no step lowers the cost":
            return CONVERGED
        return OUT_OF_PATIENCE if since >= self.patience else RUNNING

    def follow(self, state: TrainState, grid: GridUpdates) -> TrainState:
        moved = grid.follow(state.model, self.split.train.x, self.x)
        if moved is None:
            return state
        trial = self.start(moved, 0)
        old, new = float(state.optimiser.total), float(trial.optimiser.total)
        near = new <= 4.0 * old + 1e-3 * float(state.first) or int(state.step) == 0
        if not (np.isfinite(new) and near):
            return state
        better = float(trial.best_value) < float(state.best_value)
        where: Any = lambda s: (s.model, s.optimiser, s.status, s.best, s.best_value)
        accepted: TrainState = updated(
            where,
            state,
            (
                moved,
                trial.optimiser,
                trial.status,
                moved if better else state.best,
                trial.best_value if better else state.best_value,
            ),
        )
        return accepted

    def loss(self, model: KAN, rows: Rows) -> Any:
        x, y = self.objective.rows(model, rows.x, rows.y)
        with np.errstate(all="ignore"):
            return np.asarray(self.objective.loss(self.objective.strip(model), x, y, rows.weight))
