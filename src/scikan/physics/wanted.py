"""What a metric should look like in the wanted coordinates, as residuals that vanish where it does."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, runtime_checkable

import jax
import jax.numpy as jnp


Transformed: TypeAlias = Callable[[Any], Any]


@runtime_checkable
class Form(Protocol):
    """What the transformed metric should look like: residuals that vanish where it does."""

    def residual(self, metric: Transformed, x: Any) -> Any:
        """Return residuals at one point x (n,), written for JAX; `metric(x)` is the transformed metric (n, n)."""


@dataclass(frozen=True)
class FlatSlices:
    """Slices of constant `coordinate` are flat: the other block of the metric is sign times the identity.

    The sign is -1 where the metric's time part is positive.
    """

    coordinate: int = 0
    sign: float = -1.0

    def residual(self, metric: Transformed, x: Any) -> Any:
        """Return the block minus sign times the identity, flat."""
        g = metric(x)
        block = jnp.delete(jnp.delete(g, self.coordinate, 0), self.coordinate, 1)
        return (block - self.sign * jnp.eye(len(block))).ravel()


@dataclass(frozen=True)
class Entry:
    """One entry of the metric takes a wanted value, such as 0 off the diagonal."""

    row: int
    column: int
    value: float = 0.0

    def residual(self, metric: Transformed, x: Any) -> Any:
        """Return the entry minus its wanted value."""
        return (metric(x)[self.row, self.column] - self.value)[None]


@dataclass(frozen=True)
class Invariant:
    """The metric does not change along one coordinate (translation invariance)."""

    coordinate: int

    def residual(self, metric: Transformed, x: Any) -> Any:
        """Return the derivative of the metric along the coordinate, flat."""
        direction = jnp.zeros_like(x).at[self.coordinate].set(1.0)
        return jax.jvp(metric, (x,), (direction,))[1].ravel()


@dataclass(frozen=True)
class Function:
    """A user's own function of the transformed metric."""

    function: Callable[[Any], Any]

    def residual(self, metric: Transformed, x: Any) -> Any:
        """Return what the function makes of the metric, flat."""
        return jnp.ravel(self.function(metric(x)))
