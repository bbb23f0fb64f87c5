"""What an optimiser sees: rows, objective, penalty and which numbers are free, as one pytree.

Everything is a function of a model of fixed structure; gradients and Gauss-Newton matrices are taken with
respect to the vector of `parameters.vector` and vanish where a number is not free, so masked and locked edges
do not move.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from scikan.core.kan import KAN
from scikan.core.trees import updated
from scikan.train.objective import AbstractObjective
from scikan.train.parameters import coefficient_places, vector, with_vector
from scikan.train.penalty import AbstractPenalty, bending, bending_form


BLOCK_NUMBERS = 4_000_000
"""Largest number of Jacobian entries held at once."""


class Value(eqx.Module):
    """The total that is made small, its two parts, its gradient, and (least squares) its curvature."""

    total: Float[Array, ""]
    loss: Float[Array, ""]
    penalty: Float[Array, ""]
    gradient: Float[Array, " parameters"]
    curvature: Float[Array, "parameters parameters"] | None = None

    def finite(self) -> Any:
        """Return whether all of it is finite."""
        parts = (self.total, self.gradient, self.curvature if self.curvature is not None else self.total)
        return jnp.all(jnp.asarray([jnp.all(jnp.isfinite(part)) for part in parts]))


class Problem(eqx.Module):
    """Rows to fit with an objective and a penalty.

    `x`, `y` and `weight` have a power of two rows, filled up with copies of row 0 that weigh nothing; `n_rows`
    of them are real. `free` holds 1 for every number that may move.
    """

    objective: AbstractObjective
    penalty: AbstractPenalty | None
    x: Any
    y: Any
    weight: Float[Array, " rows"]
    n_rows: Int[Array, ""]
    free: Any = None

    def batch(self, key: Any, size: int) -> "Problem":
        """Return `size` rows drawn with replacement."""
        at = jax.random.randint(key, (size,), 0, self.n_rows)
        where: Any = lambda p: (p.x, p.y, p.weight)
        return updated(where, self, (self.x[at], self.y[at], self.weight[at]))

    def loss(self, model: KAN) -> Any:
        """Return the loss without penalty."""
        return self.objective.loss(model, self.x, self.y, self.weight)

    def _penalty(self, model: KAN, bend: Any) -> Any:
        value = jnp.zeros((), self.weight.dtype)
        if self.penalty is not None:
            value = value + self.penalty(model, model.features(self.x), self.weight)
        if bend is not None:
            for layer in model.layers:
                value = value + bend * bending(layer)
        return value

    def value(self, model: KAN) -> Value:
        """Return value and gradient at a model."""

        def total(theta: Any) -> Any:
            moved = with_vector(model, theta)
            loss, penalty = self.loss(moved), self._penalty(moved, None)
            return loss + penalty, (loss, penalty)

        (sum_, (loss, penalty)), gradient = jax.value_and_grad(total, has_aux=True)(vector(model))
        return Value(sum_, loss, penalty, gradient * self.free)

    def rows(self, model: KAN, x: Any, y: Any) -> tuple[Any, Any]:
        """Return the objective's outputs (batch, outputs) and their Jacobian (batch, outputs, parameters)."""
        theta = vector(model)

        # Reverse mode row by row: forward mode costs as many passes as there are parameters.
        def one(x: Any, y: Any) -> tuple[Any, Any]:
            outputs, pull = jax.vjp(
                lambda t: self.objective.outputs(with_vector(model, t), x[None], y[None])[0], theta
            )
            return outputs, jax.vmap(pull)(jnp.eye(outputs.size, dtype=outputs.dtype))[0]

        return jax.vmap(one)(x, y)

    def normal(self, model: KAN, bend: Any) -> Value:
        """Return value, gradient and Gauss-Newton matrix at a model.

        `bend` weighs the squared second differences of all spline coefficients, beside the penalty.
        """
        theta = vector(model)
        weight = self.weight / self.weight.sum()

        def block(rows: Any) -> tuple[Any, Any, Any]:
            x, y, w = rows
            outputs, jacobian = self.rows(model, x, y)
            slopes = self.objective.slopes(outputs, y)
            root = (self.objective.whiten(outputs, jacobian) * jnp.sqrt(w)[:, None, None]).reshape(
                -1, theta.size
            )
            pulled = (slopes * w[:, None]).reshape(-1) @ jacobian.reshape(-1, theta.size)
            return self.objective.costs(outputs, y) @ w, pulled, root.T @ root

        loss, gradient, curvature = self._over_blocks(block, (self.x, self.y, weight), theta.size)
        penalty, slope = jax.value_and_grad(lambda t: self._penalty(with_vector(model, t), bend))(theta)
        curvature = curvature + self._bending_form(model, bend)
        if self.penalty is not None:
            curvature = curvature + self.penalty.curvature(model, model.features(self.x), self.weight)
        curvature = curvature * self.free[:, None] * self.free
        return Value(loss + penalty, loss, penalty, (gradient + slope) * self.free, curvature)

    def _over_blocks(self, block: Any, rows: Any, width: int) -> Any:
        n_rows = rows[2].shape[0]
        size = n_rows
        while size > 64 and size * width > BLOCK_NUMBERS:
            size //= 2
        if size == n_rows:
            return block(rows)
        blocks = jax.tree_util.tree_map(lambda a: a.reshape(n_rows // size, size, *a.shape[1:]), rows)
        first = jax.tree_util.tree_map(
            lambda s: jnp.zeros(s.shape, s.dtype),
            jax.eval_shape(block, jax.tree_util.tree_map(lambda a: a[0], blocks)),
        )
        add = lambda carry, rows: (jax.tree_util.tree_map(jnp.add, carry, block(rows)), None)
        return jax.lax.scan(add, first, blocks)[0]

    def _bending_form(self, model: KAN, bend: Any) -> Any:
        form = jnp.zeros((self.free.size,) * 2, self.weight.dtype)
        for layer, place in zip(model.layers, coefficient_places(model), strict=True):
            n_inputs, n_basis, n_outputs = layer.splines.coef.shape
            outer = jnp.kron(bending_form(n_basis, form.dtype), jnp.eye(n_outputs, dtype=form.dtype))
            form = form.at[place, place].set(
                2.0 * bend * jnp.kron(jnp.eye(n_inputs, dtype=form.dtype), outer)
            )
        return form
