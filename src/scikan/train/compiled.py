"""The training loop inside `jit`: at most n steps, n traced, so that another count compiles nothing.

Settings, masks, keys, patience and row counts are all arrays. Python looks in between two calls.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from scikan.core.trees import updated
from scikan.train.optimiser import AbstractOptimiser, looking
from scikan.train.parameters import vector
from scikan.train.problem import Problem
from scikan.train.state import CONVERGED, NOT_FINITE, PATIENCE, RUNNING, History, TrainState


MAX_FAILURES = 3
"""Steps in a row that meet something not finite, after which a run stops."""


@eqx.filter_jit
def start(
    model: Any, key: Any, free: Any, problem: Problem, optimiser: AbstractOptimiser, lift: bool
) -> TrainState:
    """Return the state before the first look; `lift` maps over the members of an ensemble."""

    def one(model: Any, key: Any, free: Any) -> TrainState:
        infinite = jnp.full((), jnp.inf, free.dtype)
        none = jnp.zeros((), jnp.int32)
        theta = vector(model)
        return TrainState(
            model=model,
            optimiser=optimiser.init(model, problem),
            step=none,
            key=key,
            best=model,
            best_value=infinite,
            since_best=none,
            failures=none,
            status=none,
            tried=theta,
            first=infinite,
        )

    return (eqx.filter_vmap(one) if lift else one)(model, key, free)


@eqx.filter_jit
def advance(
    state: TrainState,
    free: Any,
    problem: Problem,
    judge: Problem | None,
    optimiser: AbstractOptimiser,
    patience: Any,
    n: Any,
    size: int,
    batch: int | None,
    lift: bool,
) -> tuple[TrainState, History]:
    """Return the state after at most n more steps (n <= size), and their history.

    A state that has not been looked at yet is looked at first; with n = 0 that is all.
    """

    def one(state: TrainState, free: Any) -> tuple[TrainState, History]:
        return _loop(
            state, updated(lambda p: p.free, problem, free), judge, optimiser, patience, n, size, batch
        )

    return (eqx.filter_vmap(one) if lift else one)(state, free)


def _loop(
    state: TrainState,
    problem: Problem,
    judge: Problem | None,
    optimiser: AbstractOptimiser,
    patience: Any,
    n: Any,
    size: int,
    batch: int | None,
) -> tuple[TrainState, History]:
    empty = jnp.full((size,), jnp.nan, problem.weight.dtype)
    arrays, static = eqx.partition(state, eqx.is_array)

    def going(carry: Any) -> Any:
        arrays, _, done = carry
        return (arrays.status == RUNNING) & ((done < n) | looking(arrays.optimiser.here))

    def body(carry: Any) -> Any:
        arrays, rows, done = carry
        state = eqx.combine(arrays, static)
        look = looking(state.optimiser.here)
        state, record = _one_step(state, problem, judge, optimiser, patience, batch)
        # A look does not count: its row is written over by the first step.
        rows = History(
            *(
                old.at[done].set(new)
                for old, new in zip((rows.train, rows.penalty, rows.judged), record, strict=True)
            )
        )
        return eqx.filter(state, eqx.is_array), rows, done + jnp.where(look, 0, 1)

    begin = (arrays, History(empty, empty, empty), jnp.zeros((), jnp.int32))
    arrays, rows, _ = jax.lax.while_loop(going, body, begin)
    return eqx.combine(arrays, static), rows


def _one_step(
    state: TrainState,
    problem: Problem,
    judge: Problem | None,
    optimiser: AbstractOptimiser,
    patience: Any,
    batch: int | None,
) -> tuple[TrainState, tuple[Any, Any, Any]]:
    look = looking(state.optimiser.here)
    key = state.key
    if batch is not None:
        key, draw = jax.random.split(key)
        problem = problem.batch(draw, batch)
    model, inner, info = optimiser.step(state.model, state.optimiser, problem)
    failures = jnp.where(info.finite, 0, state.failures + 1)
    if judge is not None:
        judged = judge.loss(model)
    else:
        # The loss of a minibatch judges nothing; the host then looks at all rows between chunks.
        judged = info.total if batch is None else jnp.full_like(info.total, jnp.inf)
    better = judged < state.best_value
    since = jnp.where(better | (look & (judge is None)), 0, state.since_best + jnp.where(look, 0, 1))
    stopped = jnp.where(since >= patience, PATIENCE, RUNNING)
    stopped = jnp.where(info.converged, CONVERGED, stopped)
    stopped = jnp.where((failures >= MAX_FAILURES) | (look & ~info.finite), NOT_FINITE, stopped)
    keep = lambda new, old: jnp.where(better, new, old) if eqx.is_array(new) else new
    after = TrainState(
        model=model,
        optimiser=inner,
        step=state.step + jnp.where(look, 0, 1).astype(jnp.int32),
        key=key,
        best=jax.tree_util.tree_map(keep, model, state.best),
        best_value=jnp.where(better, judged, state.best_value),
        since_best=since.astype(jnp.int32),
        failures=failures.astype(jnp.int32),
        status=stopped.astype(jnp.int32),
        tried=jnp.where(info.finite, state.tried, info.tried),
        first=jnp.where(jnp.isposinf(state.first), info.total, state.first),
    )
    return after, (info.loss, info.penalty, judged)


@eqx.filter_jit
def mean_loss(model: Any, problem: Problem, lift: bool) -> Any:
    """Return the loss on a problem's rows, without penalty; (members,) for an ensemble."""
    return (eqx.filter_vmap(problem.loss) if lift else problem.loss)(model)
