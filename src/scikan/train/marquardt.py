r"""Levenberg-Marquardt in JAX: for least squares with penalties, larger networks and other objectives.

$(H + \lambda\,\mathrm{diag}(H))\,\delta = -g$ with the generalised Gauss-Newton matrix H (Marquardt 1963).
One evaluation a step: a trial that does not lower the total raises $\lambda$ and the next step tries again.
Numbers that are not free have unit rows in H and no gradient, so they do not move.
"""

from typing import Any, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from scikan.core.kan import KAN
from scikan.train.optimiser import AbstractOptimiser, Info, choose, info, looking, unseen
from scikan.train.parameters import vector, with_vector
from scikan.train.penalty import Setting, setting
from scikan.train.problem import Problem, Value


RAISE = (4.0, 4.0, 20.0, 20.0, 100.0, 100.0)
"""Factors on the damping after failures in a row; after the last one no step lowers the total."""

LOWER = 5.0
"""Divisor of the damping after a success."""

PATIENCE = 4
"""Steps in a row with a relative gain below the tolerance that end the descent."""


class MarquardtState(eqx.Module):
    """Value and curvature at the model, the damping, and failures and slow gains in a row."""

    here: Value
    damping: Float[Array, ""]
    failures: Int[Array, ""]
    slow: Int[Array, ""]


class LevenbergMarquardt(AbstractOptimiser):
    """Levenberg-Marquardt: the default, for networks up to a few thousand parameters on full batches.

    Small regressions in double precision run in NumPy and compile nothing; the rest runs in JAX.

    Args:
        damping: where the damping starts; larger is more careful.
        tolerance: relative gains below this, four times in a row, end the descent.
        bend: weight of the squared second differences of spline coefficients; keeps cells without rows straight.
        backend: "numpy" or "jax" to insist; "auto" chooses by size and objective.
    """

    needs_all_rows: ClassVar[bool] = True
    damping: Setting = setting(1e-2)
    tolerance: Setting = setting(1e-6)
    bend: Setting = setting(1e-9)
    backend: Literal["auto", "numpy", "jax"] = eqx.field(static=True, default="auto")

    def init(self, model: KAN, problem: Problem) -> MarquardtState:
        none = jnp.zeros((), jnp.int32)
        here = unseen(model, curvature=True)
        return MarquardtState(here, jnp.asarray(self.damping, here.total.dtype), none, none)

    def step(self, model: KAN, state: MarquardtState, problem: Problem) -> tuple[KAN, MarquardtState, Info]:
        here, look = state.here, looking(state.here)
        theta = vector(model)
        move = _damped_move(here, state.damping, problem.free)
        tried = theta + jnp.where(look | ~jnp.all(jnp.isfinite(move)), 0.0, move)
        there = problem.normal(with_vector(model, tried), self.bend)
        finite = there.finite()
        accepted = finite & (there.total < here.total)
        is_slow = here.total - there.total <= self.tolerance * here.total
        slow = jnp.where(accepted & ~look, jnp.where(is_slow, state.slow + 1, 0), state.slow)
        factors = jnp.asarray(RAISE, theta.dtype)
        factor = factors[jnp.minimum(state.failures, len(RAISE) - 1)]
        # A wall deserves more respect than a hill.
        raised = jnp.maximum(state.damping, 1e-12) * jnp.where(finite, factor, 100.0)
        # Lowered at once after a failure, it would fail again: every second evaluation would be wasted.
        smooth_going = ~look & (state.failures == 0)
        lowered = jnp.where(smooth_going, jnp.maximum(state.damping / LOWER, 1e-14), state.damping)
        after = MarquardtState(
            choose(accepted, there, here),
            jnp.where(accepted, lowered, raised),
            jnp.where(accepted, 0, state.failures + 1),
            slow,
        )
        exact = after.here.total <= 0
        converged = ~looking(after.here) & ((after.failures > len(RAISE)) | (slow >= PATIENCE) | exact)
        kept = with_vector(model, jnp.where(accepted, tried, theta))
        return kept, after, info(after.here, tried, finite, converged)


def _damped_move(here: Value, damping: Any, free: Any) -> Any:
    assert here.curvature is not None
    diagonal = jnp.diagonal(here.curvature)
    largest = diagonal.max()
    scale = diagonal + 1e-12 * jnp.where(largest > 0, largest, 1.0)
    shift = jnp.where(free != 0, damping * scale, 1.0)
    factor = jax.scipy.linalg.cho_factor(here.curvature + jnp.diag(shift), lower=True)
    return -jax.scipy.linalg.cho_solve(factor, here.gradient) * free
