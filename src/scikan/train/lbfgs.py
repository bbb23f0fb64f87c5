r"""Limited-memory BFGS with one evaluation a step.

The direction comes from the two-loop recursion over the last pairs $(s, y)$ (Nocedal and Wright, algorithm
7.4). A step tries one length; if the value has not fallen enough (Armijo), the next step tries a shorter one
along the same direction. What a line search would loop over lives in the state.
"""

from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from scikan.core.errors import SettingError
from scikan.core.kan import KAN
from scikan.core.trees import updated
from scikan.train.optimiser import AbstractOptimiser, Info, choose, info, looking, unseen
from scikan.train.parameters import vector, with_vector
from scikan.train.penalty import Setting, setting
from scikan.train.problem import Problem, Value


MAX_SHORTER = 20
"""Failed lengths along one direction after which the memory is dropped, or the descent is over."""


class LBFGSState(eqx.Module):
    """Value at the model, remembered pairs (newest last), and the line that is being searched."""

    here: Value
    steps: Float[Array, "memory parameters"]
    turns: Float[Array, "memory parameters"]
    direction: Float[Array, " parameters"]
    length: Float[Array, ""]
    failures: Int[Array, ""]
    slow: Int[Array, ""]


class LBFGS(AbstractOptimiser):
    """LBFGS: for full batches, any objective, up to many thousands of parameters.

    Args:
        memory: remembered pairs; more follow curvature better and cost more per step.
        tolerance: relative gains below this, four times in a row, end the descent.
    """

    needs_all_rows: ClassVar[bool] = True
    memory: int = eqx.field(static=True, default=10)
    tolerance: Setting = setting(1e-9)

    def __check_init__(self) -> None:
        if self.memory < 1:
            raise SettingError(f"LBFGS(memory={self.memory}) remembers nothing.", fix="use memory=10")

    def init(self, model: KAN, problem: Problem) -> LBFGSState:
        theta = vector(model)
        pairs = jnp.zeros((self.memory, theta.size), theta.dtype)
        none = jnp.zeros((), jnp.int32)
        return LBFGSState(
            unseen(model), pairs, pairs, jnp.zeros_like(theta), jnp.zeros((), theta.dtype), none, none
        )

    def step(self, model: KAN, state: LBFGSState, problem: Problem) -> tuple[KAN, LBFGSState, Info]:
        here, look = state.here, looking(state.here)
        theta = vector(model)
        tried = theta + state.length * state.direction * problem.free
        there = problem.value(with_vector(model, tried))
        finite = there.finite()
        slope = here.gradient @ state.direction
        accepted = finite & (look | (there.total <= here.total + 1e-4 * state.length * slope))
        gain = here.total - there.total
        is_slow = gain <= self.tolerance * jnp.abs(here.total)
        slow = jnp.where(accepted & ~look, jnp.where(is_slow, state.slow + 1, 0), state.slow)
        forward = self._new_line(state, there, tried - theta)
        back, stuck = self._shorter(state, there, slope, finite)
        after = choose(accepted, forward, back)
        after = updated(lambda s: s.slow, after, slow)
        flat = jnp.all(after.here.gradient == 0)
        converged = ~looking(after.here) & (stuck & ~accepted | (slow >= 4) | flat)
        kept = with_vector(model, jnp.where(accepted, tried, theta))
        return kept, after, info(after.here, tried, finite, converged)

    def _new_line(self, state: LBFGSState, there: Value, move: Any) -> LBFGSState:
        """Return the state at an accepted point: pair remembered, next direction, full length."""
        turn = there.gradient - state.here.gradient
        product = move @ turn
        small = float(np.finfo(move.dtype).eps) * jnp.sqrt(move @ move) * jnp.sqrt(turn @ turn)
        keep = ~looking(state.here) & (product > small)
        push: Any = lambda pairs, new: jnp.where(keep, jnp.concatenate([pairs[1:], new[None]]), pairs)
        steps, turns = push(state.steps, move), push(state.turns, turn)
        direction = -_two_loops(there.gradient, steps, turns)
        empty = jnp.all(steps == 0)
        norm = jnp.abs(there.gradient).sum()
        length = jnp.where(empty, jnp.minimum(1.0, 1.0 / jnp.where(norm > 0, norm, 1.0)), 1.0)
        return LBFGSState(there, steps, turns, direction, length, jnp.zeros_like(state.failures), state.slow)

    def _shorter(self, state: LBFGSState, there: Value, slope: Any, finite: Any) -> tuple[LBFGSState, Any]:
        """Return the state with a shorter length, or without memory; and whether nothing is left to try."""
        t = state.length
        excess = there.total - state.here.total - slope * t
        fitted = -slope * t * t / (2.0 * jnp.where(excess > 0, excess, 1.0))
        shorter = jnp.where(finite & (excess > 0), jnp.clip(fitted, 0.1 * t, 0.5 * t), 0.1 * t)
        failures = state.failures + 1
        empty = jnp.all(state.steps == 0)
        drop = (failures >= MAX_SHORTER) | (slope >= 0)
        steepest = -state.here.gradient
        norm = jnp.abs(steepest).sum()
        restart = LBFGSState(
            state.here,
            jnp.zeros_like(state.steps),
            jnp.zeros_like(state.turns),
            steepest,
            jnp.minimum(1.0, 1.0 / jnp.where(norm > 0, norm, 1.0)),
            jnp.zeros_like(failures),
            state.slow,
        )
        where: Any = lambda s: (s.length, s.failures)
        again = updated(where, state, (shorter, failures))
        return choose(drop, restart, again), drop & empty


def _two_loops(gradient: Any, steps: Any, turns: Any) -> Any:
    """Return the inverse Hessian's estimate times the gradient; empty pairs drop out."""
    products = jnp.sum(steps * turns, axis=1)
    used = products > 0
    rho = jnp.where(used, 1.0 / jnp.where(used, products, 1.0), 0.0)
    alphas = []
    for n in reversed(range(len(steps))):
        alpha = rho[n] * (steps[n] @ gradient)
        gradient = gradient - alpha * turns[n]
        alphas.append(alpha)
    square = turns[-1] @ turns[-1]
    result = gradient * jnp.where(used[-1], products[-1] / jnp.where(square > 0, square, 1.0), 1.0)
    for n, alpha in zip(range(len(steps)), reversed(alphas), strict=True):
        result = result + steps[n] * (alpha - rho[n] * (turns[n] @ result))
    return result
