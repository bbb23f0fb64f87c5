"""Optimisers as values: settings are leaves, one evaluation a step, accept or reject kept in the state.

`init` returns a state that has seen nothing (its value is infinite); the first `step` then only looks at the
starting point, without moving. So one compiled program holds one copy of the objective, and a grid update
costs one look. Every later step tries one point, evaluates value and gradient there, and keeps the point or
goes back. Nothing loops inside a step, so an ensemble under `vmap` costs what its members cost.
"""

from abc import abstractmethod
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from scikan.core.kan import KAN
from scikan.train.parameters import vector, with_vector
from scikan.train.penalty import Setting, check_settings, setting
from scikan.train.problem import Problem, Value


class Info(eqx.Module):
    """What a step did: value at the model it returned, and the point it tried."""

    total: Float[Array, ""]
    loss: Float[Array, ""]
    penalty: Float[Array, ""]
    tried: Float[Array, " parameters"]
    finite: Bool[Array, ""]
    converged: Bool[Array, ""]


class AbstractOptimiser(eqx.Module):
    """A rule that turns value and slope at a point into the next point to try."""

    needs_all_rows: eqx.AbstractClassVar[bool]
    """Whether it compares losses between steps, which minibatches would make meaningless."""

    @abstractmethod
    def init(self, model: KAN, problem: Problem) -> Any:
        """Return the state before anything is evaluated; it has a field `here: Value`."""

    @abstractmethod
    def step(self, model: KAN, state: Any, problem: Problem) -> tuple[KAN, Any, Info]:
        """Return the next model and state, with one evaluation of the problem."""


def unseen(model: KAN, curvature: bool = False) -> Value:
    """Return the value of a point that was not evaluated: infinite, without slope."""
    theta = vector(model)
    zero = jnp.zeros_like(theta)
    infinite = jnp.full((), jnp.inf, theta.dtype)
    form = jnp.zeros((theta.size, theta.size), theta.dtype) if curvature else None
    return Value(infinite, infinite, jnp.zeros((), theta.dtype), zero, form)


def choose(condition: Any, yes: Any, no: Any) -> Any:
    """Return one of two pytrees of one structure."""
    return jax.tree_util.tree_map(lambda a, b: jnp.where(condition, a, b), yes, no)


def looking(here: Value) -> Any:
    """Return whether the state has not been evaluated yet."""
    return jnp.isposinf(here.total)


def info(here: Value, tried: Any, finite: Any, converged: Any) -> Info:
    """Return the record of a step that ended at `here`."""
    return Info(here.total, here.loss, here.penalty, tried, finite, converged)


class AdamState(eqx.Module):
    """Value at the model, moments, and by how much failures have shrunk the step."""

    here: Value
    moments: Any
    shrink: Float[Array, ""]


class Adam(AbstractOptimiser):
    """Adam (Kingma and Ba 2015), from optax: the choice for minibatches and large networks.

    Args:
        learning_rate: size of a step in every coordinate; smaller is slower and steadier.
        b1, b2: memory of the mean and of the square of the gradient; nearer 1 is longer.
    """

    needs_all_rows: ClassVar[bool] = False
    learning_rate: Setting = setting(1e-2)
    b1: Setting = setting(0.9)
    b2: Setting = setting(0.999)

    def __check_init__(self) -> None:
        check_settings(self, ("learning_rate", "b1", "b2"))

    def _transform(self) -> Any:
        # Imported here: the default fit does without optax, whose import takes its time.
        import optax

        return optax.scale_by_adam(b1=self.b1, b2=self.b2)

    def init(self, model: KAN, problem: Problem) -> AdamState:
        theta = vector(model)
        return AdamState(unseen(model), self._transform().init(theta), jnp.ones((), theta.dtype))

    def step(self, model: KAN, state: AdamState, problem: Problem) -> tuple[KAN, AdamState, Info]:
        look = looking(state.here)
        theta = vector(model)
        update, moments = self._transform().update(state.here.gradient, state.moments)
        move = jnp.where(look, 0.0, -self.learning_rate * state.shrink * update)
        # The moments outlive a lock that was set meanwhile; the mask holds.
        tried = theta + move * problem.free
        there = problem.value(with_vector(model, tried))
        finite = there.finite()
        here = choose(finite, there, state.here)
        grown = jnp.minimum(1.5 * state.shrink, 1.0)
        after = AdamState(
            here,
            choose(finite & ~look, moments, state.moments),
            jnp.where(finite, grown, 0.1 * state.shrink),
        )
        kept = with_vector(model, jnp.where(finite, tried, theta))
        return kept, after, info(here, tried, finite, jnp.zeros((), bool))
