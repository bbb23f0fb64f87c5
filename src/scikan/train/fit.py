"""`fit`: train a KAN, or an ensemble, on data.

The host's part is here: rows, grid updates, callbacks, stopping, and the best model at the end. The steps
themselves run in an engine, in chunks, so that Python can look in between without slowing them down.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from scikan.core.errors import SettingError, TrainingError
from scikan.core.kan import KAN, Ensemble
from scikan.core.precision import numpy_leaves
from scikan.core.trees import updated
from scikan.train.callbacks import Snapshot
from scikan.train.diagnosis import locate_not_finite
from scikan.train.engine import AbstractEngine, JaxEngine, running
from scikan.train.grids import GridUpdates
from scikan.train.instant import InstantEngine, InstantState, can_run, is_small
from scikan.train.log import FitLog
from scikan.train.marquardt import LevenbergMarquardt
from scikan.train.objective import AbstractObjective, Regression
from scikan.train.optimiser import AbstractOptimiser
from scikan.train.parameters import with_vector
from scikan.train.penalty import AbstractPenalty
from scikan.train.rows import Split, divide
from scikan.train.state import CONVERGED, NOT_FINITE, PATIENCE, RUNNING, History, TrainState


Callback = Callable[[Snapshot], Any]
Model = KAN | Ensemble


def fit(
    model: Model,
    data: Any,
    optimiser: AbstractOptimiser = LevenbergMarquardt(),
    *,
    steps: int = 100,
    objective: AbstractObjective = Regression(),
    penalty: AbstractPenalty | None = None,
    batch: int | None = None,
    grid: GridUpdates | None = GridUpdates(),
    validation: Any = 0.0,
    patience: int | None = None,
    callbacks: Sequence[Callback] = (),
    chunk: int = 10,
    key: int = 0,
    resume: TrainState | None = None,
) -> tuple[Any, FitLog]:
    """Return the trained model and the record of its training.

    Args:
        model: a `KAN` or an `Ensemble`; it is not changed.
        data: a `Dataset` (its training rows; held-out rows are only reported), `(x, y)` or `(x, y, weight)`.
        optimiser: `LevenbergMarquardt()`, `LBFGS()` or `Adam()`.
        steps: largest number of steps; after `resume` that many more.
        objective: what to make small: `Regression()`, `Classification(n)` or `Residual(f)`.
        penalty: what to add to it, e.g. `Sparsity(1e-3)`.
        batch: rows in a minibatch (Adam only); None takes all rows in every step.
        grid: when grids follow their values; None leaves them where they are.
        validation: share of the training rows (or their indices) that choose the best model instead of
            teaching it.
        patience: steps without a better value after which to stop.
        callbacks: called between chunks with a `Snapshot`; True stops, Ctrl-C too.
        chunk: steps between two looks of Python.
        key: seed of validation rows and minibatches.
        resume: `log.state` of an earlier fit with the same arguments, which then goes on as if never stopped.

    Returns:
        The best model met, by the loss on validation rows if there are any, else by loss plus penalty.

    Raises:
        SettingError, ShapeError, TableError: for arguments or data that make no sense together.
        TrainingError: if the model is undefined on the data before the first step.

    Example:
        >>> data = Dataset.from_function(lambda x: x[:, 0] * x[:, 1], n_inputs=2)
        >>> model, log = fit(KAN([2, (0, 1), 1]), data, steps=20)
    """
    began = time.perf_counter()
    _check_settings(model, optimiser, objective, penalty, steps, batch, patience, chunk, key)
    _check_hooks(grid, callbacks, resume)
    model = numpy_leaves(model)
    one = model[0] if isinstance(model, Ensemble) else model
    split = divide(one, data, validation, key)
    if batch is not None and batch > len(split.train):
        raise SettingError(
            f"A minibatch of {batch} rows does not fit {len(split.train)} training rows.",
            fix="use batch=None for all rows",
        )
    engine = _engine(model, split, optimiser, objective, penalty, batch, patience, chunk, resume)
    with _one_thread(engine):
        run = Run(engine, model, split, objective, grid, callbacks, chunk)
        state = _resumed(resume, model) if resume is not None else engine.start(model, key)
        state = run.until(state, int(np.max(state.step)) + steps)
    return run.finish(state, time.perf_counter() - began)


@dataclass
class Run:
    """One fit under way; what it has recorded so far."""

    engine: AbstractEngine
    model: Model
    split: Split
    objective: AbstractObjective
    grid: GridUpdates | None
    callbacks: Sequence[Callback]
    chunk: int
    latest: Any = None

    def __post_init__(self) -> None:
        self.pieces: list[History] = []
        self.tests: list[Any] = []
        self.ended = ""

    def until(self, state: TrainState, last: int) -> TrainState:
        """Return the state at step `last`, or where something stopped the run."""
        self._check_start(state)
        self.latest = state
        try:
            while running(state) and not self.ended and int(np.max(state.step)) < last:
                state = self._piece(state, last)
        except KeyboardInterrupt:
            self.ended = "interrupted"
            state = self.latest
        finally:
            for callback in self.callbacks:
                close = getattr(callback, "close", None)
                if close is not None:
                    close()
        return state

    def _piece(self, state: TrainState, last: int) -> TrainState:
        step = int(np.max(state.step))
        if self.grid is not None and self.grid.due(step):
            state = self.engine.follow(state, self.grid)
        ends = [last, (step // self.chunk + 1) * self.chunk]
        if self.grid is not None and (following := self.grid.next(step)) is not None:
            ends.append(following)
        after, history = self.engine.advance(state, min(ends) - step)
        done = int(np.max(after.step)) - step
        test = (
            None
            if self.split.test is None
            else self.engine.loss(self._as_model(after.model), self.split.test)
        )
        self.pieces.append(
            History(*(a[..., :done] for a in (history.train, history.penalty, history.judged)))
        )
        self.tests.append(test)
        self.latest = after
        if done == 0:
            return after
        self.latest = after = self._unstick(after)
        self._call(after, last)
        return after

    def _unstick(self, state: TrainState) -> TrainState:
        """A run that converged on grids that no longer fit its values goes on from moved ones."""
        step = int(np.max(state.step))
        if (
            self.grid is None
            or running(state)
            or step >= self.grid.until
            or not np.any(state.status == CONVERGED)
        ):
            return state
        return self.engine.follow(state, self.grid)

    def _call(self, state: TrainState, last: int) -> None:
        piece = self.pieces[-1]
        metrics = {
            "train": piece.train[..., -1],
            "penalty": piece.penalty[..., -1],
            "validation": piece.judged[..., -1] if self.split.validation is not None else np.nan,
            "test": np.nan if self.tests[-1] is None else self.tests[-1],
            "best": state.best_value,
        }
        plain = {name: float(v) if np.ndim(v) == 0 else v for name, v in metrics.items()}
        get_model: Any = lambda: self._as_model(state.model)
        snapshot = Snapshot(int(np.max(state.step)), last, plain, get_model)
        # Every callback sees the snapshot, also when an earlier one has asked to stop.
        if any([bool(callback(snapshot)) for callback in self.callbacks]):
            self.ended = "stopped by a callback"

    def _as_model(self, kan: KAN) -> Any:
        return Ensemble(kan) if isinstance(self.model, Ensemble) else kan

    def _check_start(self, state: TrainState) -> None:
        failed = np.atleast_1d(state.status == NOT_FINITE)
        if np.all(failed & ~np.isfinite(np.atleast_1d(state.first))):
            kan = state.model if isinstance(self.model, KAN) else Ensemble(state.model)[0]
            raise TrainingError(
                f"The model is undefined on the training rows before the first step: {self._where(kan)}.",
                fix="start from other constants, or drop the rows outside the function's domain",
            )

    def _where(self, kan: KAN) -> str:
        rows = self.split.train.x
        with np.errstate(all="ignore"):
            return locate_not_finite(kan, kan.features(kan._check(rows)))

    def finish(self, state: TrainState, seconds: float) -> tuple[Any, FitLog]:
        """Return the best model and the log."""
        # Steps first, members last, as people index histories.
        join: Any = lambda parts: (
            np.concatenate([np.moveaxis(p, -1, 0) for p in parts]) if parts else np.zeros(0)
        )
        train = join([p.train for p in self.pieces])
        test = np.full(train.shape, np.nan)
        ends = np.cumsum([p.train.shape[-1] for p in self.pieces])
        for end, value in zip(ends, self.tests, strict=True):
            if value is not None and end > 0:
                test[end - 1] = value
        judged = join([p.judged for p in self.pieces])
        reasons = self._reasons(state)
        log = FitLog(
            train=train,
            test=test,
            penalty=join([p.penalty for p in self.pieces]),
            validation=judged if self.split.validation is not None else np.full(train.shape, np.nan),
            stop_reason=reasons if isinstance(self.model, Ensemble) else reasons[0],
            seconds=seconds,
            steps=len(train),
            state=state,
        )
        return self._as_model(state.best), log

    def _reasons(self, state: TrainState) -> tuple[str, ...]:
        return tuple(self._reason(state, k) for k in range(np.atleast_1d(state.status).size))

    def _reason(self, state: TrainState, member: int) -> str:
        status = int(np.atleast_1d(state.status)[member])
        if status == NOT_FINITE:
            kan = state.model if isinstance(self.model, KAN) else Ensemble(state.model)[member]
            tried = state.tried if isinstance(self.model, KAN) else state.tried[member]
            start = not np.isfinite(np.atleast_1d(state.first)[member])
            return "not finite: " + self._where(kan if start else with_vector(kan, tried))
        if self.ended and status == RUNNING:
            return self.ended
        return {CONVERGED: "converged", PATIENCE: "patience ran out", RUNNING: "steps used up"}[status]


def _engine(
    model: Model,
    split: Split,
    optimiser: AbstractOptimiser,
    objective: AbstractObjective,
    penalty: AbstractPenalty | None,
    batch: int | None,
    patience: int | None,
    chunk: int,
    resume: TrainState | None,
) -> AbstractEngine:
    if isinstance(optimiser, LevenbergMarquardt) and optimiser.backend != "jax":
        obstacle = can_run(model, split.train, objective, penalty, batch)
        insists = optimiser.backend == "numpy"
        if insists and obstacle:
            raise SettingError(
                f'LevenbergMarquardt(backend="numpy") cannot run this fit: {obstacle}.',
                fix='use backend="auto"',
            )
        if isinstance(model, KAN) and not obstacle:
            begun = resume is not None and isinstance(resume.optimiser, InstantState)
            if insists or begun or (resume is None and is_small(model, split.train)):
                return InstantEngine(model, split, optimiser, objective, penalty, patience)
    return JaxEngine(model, split, optimiser, objective, penalty, batch, patience, chunk)


def _one_thread(engine: AbstractEngine) -> AbstractContextManager[Any]:
    """Small matrices gain nothing from BLAS threads, and lose much where cores are contended."""
    if not isinstance(engine, InstantEngine):
        return nullcontext()
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[Any] = threadpool_limits(limits=1, user_api="blas")
    return limits


def _resumed(state: TrainState, model: Model) -> TrainState:
    """Return a state to go on from: one that had used up its patience, or converged, may go on as well."""
    members = model.members if isinstance(model, Ensemble) else model
    same = [a.splines.coef.shape for a in members.layers] == [
        b.splines.coef.shape for b in state.model.layers
    ]
    if not same:
        raise SettingError(
            "The state to resume belongs to a network of another shape.",
            fix="pass the model of the same fit: fit(model, ..., resume=log.state)",
        )
    status = np.where(state.status == NOT_FINITE, state.status, RUNNING).astype(np.int32)
    resumed: TrainState = updated(lambda s: (s.status, s.since_best), state, (status, 0 * state.since_best))
    return resumed if np.any(state.status != RUNNING) else state


def _check_hooks(grid: Any, callbacks: Any, resume: Any) -> None:
    if grid is not None and not isinstance(grid, GridUpdates):
        raise SettingError(
            f"grid={grid!r} says nothing about when grids move.",
            fix="use GridUpdates() or None; the size of a grid belongs to KAN(..., grid=5) and refine",
        )
    if not isinstance(callbacks, Sequence) or not all(map(callable, callbacks)):
        raise SettingError(
            f"callbacks={callbacks!r} is no list of callbacks.", fix="use callbacks=[Progress()]"
        )
    if resume is not None and not isinstance(resume, TrainState):
        raise SettingError(f"Nothing can be resumed from {resume!r}.", fix="pass resume=log.state")


def _check_settings(
    model: Any,
    optimiser: Any,
    objective: Any,
    penalty: Any,
    steps: Any,
    batch: Any,
    patience: Any,
    chunk: Any,
    key: int,
) -> None:
    if not isinstance(model, KAN | Ensemble):
        raise SettingError(
            f"fit trains a KAN or an Ensemble, not {type(model).__name__}.", fix="fit(KAN([2, 5, 1]), data)"
        )
    if not isinstance(optimiser, AbstractOptimiser):
        raise SettingError(
            f"{optimiser!r} is no optimiser.", fix="use LevenbergMarquardt(), LBFGS() or Adam()"
        )
    if not isinstance(objective, AbstractObjective):
        raise SettingError(
            f"{objective!r} is no objective.", fix="use Regression(), Classification(n) or Residual(f)"
        )
    if penalty is not None and not isinstance(penalty, AbstractPenalty):
        raise SettingError(f"{penalty!r} is no penalty.", fix="use Sparsity(1e-3)")
    for name, value in (("steps", steps), ("chunk", chunk), ("batch", batch), ("patience", patience)):
        if value is not None and (not isinstance(value, int | np.integer) or value < 1):
            raise SettingError(f"{name}={value} makes no sense.", fix=f"use an integer {name} >= 1")
    if key < 0:
        raise SettingError(f"key={key} is no seed.", fix="use an integer from 0 on")
    if batch is not None and optimiser.needs_all_rows:
        raise SettingError(
            f"{type(optimiser).__name__} compares losses between steps, which minibatches make meaningless.",
            fix="use Adam() with batch, or batch=None",
        )
