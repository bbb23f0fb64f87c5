"""Two engines behind one `fit`: JAX for everything, NumPy for science-sized regressions, which compile nothing.

An engine turns a `TrainState` into a later one; `fit` decides how far, and what happens in between. States
that leave an engine hold the whole model (names, feature map, readout) in NumPy.
"""

from abc import ABC, abstractmethod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from scikan.core.errors import SettingError
from scikan.core.kan import KAN, Ensemble
from scikan.core.precision import jax_leaves, numpy_leaves
from scikan.core.trees import updated
from scikan.train import compiled
from scikan.train.grids import GridUpdates
from scikan.train.objective import AbstractObjective
from scikan.train.optimiser import AbstractOptimiser
from scikan.train.parameters import free_parameters, vector
from scikan.train.penalty import AbstractPenalty
from scikan.train.problem import Problem
from scikan.train.rows import Rows, Split, fill_up, padded_size
from scikan.train.state import RUNNING, History, TrainState


FOREVER = 2**31 - 1


class AbstractEngine(ABC):
    """Runs steps for one fit."""

    @abstractmethod
    def start(self, model: Any, key: int) -> TrainState:
        """Return the state at a starting model, looked at."""

    @abstractmethod
    def advance(self, state: TrainState, n: int) -> tuple[TrainState, History]:
        """Return the state after at most n steps, and their history (..., n)."""

    @abstractmethod
    def follow(self, state: TrainState, grid: GridUpdates) -> TrainState:
        """Return the state with grids moved where that does no harm (the same object if none moved)."""

    @abstractmethod
    def loss(self, model: Any, rows: Rows) -> Any:
        """Return the loss without penalty on raw rows."""


class JaxEngine(AbstractEngine):
    """Steps inside `jit`; an ensemble is the same program under `vmap`."""

    def __init__(
        self,
        model: Any,
        split: Split,
        optimiser: AbstractOptimiser,
        objective: AbstractObjective,
        penalty: AbstractPenalty | None,
        batch: int | None,
        patience: int | None,
        chunk: int,
    ) -> None:
        self.lift = isinstance(model, Ensemble)
        self.kan: KAN = model.members if isinstance(model, Ensemble) else model
        self.one: KAN = model[0] if isinstance(model, Ensemble) else model
        if isinstance(model, Ensemble):
            _check_alike(model, objective)
        self.objective, self.batch, self.chunk = objective, batch, chunk
        self.split = split
        self.optimiser = jax_leaves(_cast(optimiser, self.one.dtype))
        self.penalty = jax_leaves(_cast(penalty, self.one.dtype))
        self.problem = self._problem(split.train, self.penalty)
        self.judge = None if split.validation is None else self._problem(split.validation, None)
        self.patience = jnp.asarray(FOREVER if patience is None else patience, jnp.int32)
        self.free = self._free()

    def _problem(self, rows: Rows, penalty: AbstractPenalty | None) -> Problem:
        x, y = self.objective.rows(self.one, rows.x, rows.y)
        size = padded_size(len(rows))
        weight = np.zeros(size, self.one.dtype)
        weight[: len(rows)] = rows.weight / rows.weight.max()
        return Problem(
            objective=self.objective,
            penalty=penalty,
            x=jnp.asarray(fill_up(x, size)),
            y=jnp.asarray(fill_up(y, size)),
            weight=jnp.asarray(weight),
            n_rows=jnp.asarray(len(rows), jnp.int32),
            free=None,
        )

    def _free(self) -> Any:
        members = [self.kan] if not self.lift else [_member(self.kan, k) for k in range(self._size())]
        masks = [vector(free_parameters(m)).astype(self.one.dtype) for m in members]
        return jnp.asarray(np.stack(masks) if self.lift else masks[0])

    def _size(self) -> int:
        return int(self.kan.domain.shape[0])

    def start(self, model: Any, key: int) -> TrainState:
        keys = jax.random.PRNGKey(key)
        if self.lift:
            keys = jax.random.split(keys, self._size())
        return self._look(self._fresh(model.members if self.lift else model, keys))

    def _fresh(self, kan: KAN, key: Any) -> TrainState:
        bare = jax_leaves(self.objective.strip(kan))
        problem = updated(lambda p: p.free, self.problem, self._one_free())
        return self._dress(
            compiled.start(bare, jnp.asarray(key), self.free, problem, self.optimiser, self.lift)
        )

    def _one_free(self) -> Any:
        return self.free[0] if self.lift else self.free

    def _look(self, state: TrainState) -> TrainState:
        return self.advance(state, 0)[0]

    def advance(self, state: TrainState, n: int) -> tuple[TrainState, History]:
        where: Any = lambda s: (s.model, s.best)
        bare = updated(where, state, tuple(self.objective.strip(m) for m in where(state)))
        after, history = compiled.advance(
            jax_leaves(bare),
            self.free,
            self.problem,
            self.judge,
            self.optimiser,
            self.patience,
            jnp.asarray(n, jnp.int32),
            self.chunk,
            self.batch,
            self.lift,
        )
        history = jax.tree_util.tree_map(lambda a: np.asarray(a)[..., :n], history)
        return self._judge_all_rows(self._dress(after)), history

    def _judge_all_rows(self, state: TrainState) -> TrainState:
        """With minibatches and nothing to validate on, all training rows judge, between chunks."""
        if self.batch is None or self.judge is not None:
            return state
        loss = np.asarray(
            compiled.mean_loss(jax_leaves(self.objective.strip(state.model)), self.problem, self.lift)
        )
        better = loss < state.best_value
        where: Any = lambda s: (s.best, s.best_value, s.since_best)
        since = np.where(better, 0, state.since_best).astype(np.int32)
        value = np.where(better, loss, state.best_value).astype(loss.dtype)
        return updated(where, state, (_choose(better, state.model, state.best), value, since))

    def follow(self, state: TrainState, grid: GridUpdates) -> TrainState:
        members = [state.model] if not self.lift else [_member(state.model, k) for k in range(self._size())]
        rows = self.split.train.x
        moved = [grid.follow(m, rows, m.features(m._check(rows))) for m in members]
        if all(m is None for m in moved):
            return state
        models = [old if new is None else new for old, new in zip(members, moved, strict=True)]
        stacked = Ensemble.of(models).members if self.lift else models[0]
        trial = self._look(self._fresh(stacked, state.key))
        accepted = np.asarray([m is not None for m in moved]) & _harmless(state, trial)
        accepted = accepted if self.lift else accepted[0]
        better = accepted & (trial.best_value < state.best_value)
        where: Any = lambda s: (s.step, s.key, s.best, s.best_value, s.since_best, s.first)
        trial = updated(
            where,
            trial,
            (
                state.step,
                state.key,
                _choose(better, trial.best, state.best),
                np.where(better, trial.best_value, state.best_value),
                state.since_best,
                state.first,
            ),
        )
        chosen: TrainState = _choose(accepted, trial, state)
        return chosen

    def loss(self, model: Any, rows: Rows) -> Any:
        kan = model.members if self.lift else model
        problem = self._problem(rows, None)
        return np.asarray(compiled.mean_loss(jax_leaves(self.objective.strip(kan)), problem, self.lift))

    def _dress(self, state: TrainState) -> TrainState:
        """Give the models of a state their names and maps back, in NumPy."""
        state = numpy_leaves(state)
        where: Any = lambda s: (s.model, s.best)
        dressed = tuple(updated(lambda m: m.layers, self.kan, m.layers) for m in where(state))
        return updated(where, state, dressed)


def _harmless(before: TrainState, after: TrainState) -> Any:
    """Return for every member whether moved grids kept the value in reach; at the start any finite value will do."""
    old, new = np.atleast_1d(before.optimiser.here.total), np.atleast_1d(after.optimiser.here.total)
    near = new <= 4.0 * old + 1e-3 * np.atleast_1d(before.first)
    return np.isfinite(new) & (near | (np.atleast_1d(before.step) == 0))


def _choose(condition: Any, yes: Any, no: Any) -> Any:
    """Return one of two pytrees, member by member."""

    def pick(a: Any, b: Any) -> Any:
        if not isinstance(a, np.ndarray | np.generic):
            return a
        shaped = np.reshape(condition, np.shape(condition) + (1,) * (np.ndim(a) - np.ndim(condition)))
        return np.where(shaped, a, b)

    return jax.tree_util.tree_map(pick, yes, no)


def _member(kan: KAN, index: int) -> KAN:
    member: KAN = jax.tree_util.tree_map(lambda leaf: leaf[index], kan)
    return member


def _cast(tree: Any, dtype: Any) -> Any:
    """Return settings in the model's dtype: float64 settings would promote a float32 model."""
    is_float: Any = lambda a: isinstance(a, np.ndarray) and a.dtype.kind == "f"
    return jax.tree_util.tree_map(lambda a: a.astype(dtype) if is_float(a) else a, tree)


def _check_alike(ensemble: Ensemble, objective: AbstractObjective) -> None:
    """Rows pass through the maps once, so members have to share them (unless the objective keeps the maps)."""
    members = ensemble.members
    stripped = objective.strip(members)
    applied = [] if stripped.features is members.features else [members.features, members.readout]
    for leaf in jax.tree_util.tree_leaves(applied):
        if not np.all(leaf == leaf[:1]):
            raise SettingError(
                "The members of the ensemble have different feature maps or readouts.",
                fix="build all of them for the same data: KAN.for_data(data, key=seed)",
            )


def running(state: TrainState) -> bool:
    """Return whether any member is still running."""
    return bool(np.any(np.asarray(state.status) == RUNNING))
