"""A multilayer perceptron, for comparison only: what attribution and the order of neurons say of one."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float

from scikan.core.errors import SettingError, ShapeError
from scikan.core.names import numbered_names
from scikan.core.precision import namespace
from scikan.core.trees import updated


AnyArray = Array | np.ndarray


class MLP(eqx.Module):
    """Layers of weights with tanh between them.

    Args:
        width: numbers of neurons, inputs first, e.g. `[9, 20, 20, 1]`.
        key: integer seed of the random start (Glorot).
        names: of the inputs; default x1, x2, ...

    Raises:
        SettingError: fewer than two layers, or one without a neuron.
    """

    weights: tuple[Float[AnyArray, "inputs outputs"], ...]
    biases: tuple[Float[AnyArray, " outputs"], ...]
    names: tuple[str, ...] = eqx.field(static=True)

    def __init__(self, width: Sequence[int], key: int = 0, names: Sequence[str] | None = None) -> None:
        if len(width) < 2 or any(n < 1 for n in width):
            raise SettingError(f"{list(width)} is no width of an MLP.", fix="MLP([9, 20, 20, 1]).")
        rng = np.random.default_rng(key)
        pairs = list(zip(width[:-1], width[1:], strict=True))
        self.weights = tuple(rng.normal(size=pair) * np.sqrt(2.0 / sum(pair)) for pair in pairs)
        self.biases = tuple(np.zeros(n) for _, n in pairs)
        self.names = numbered_names("x", width[0]) if names is None else tuple(names)

    @property
    def width(self) -> tuple[int, ...]:
        """Numbers of neurons, inputs first."""
        return (len(self.weights[0]), *(len(b) for b in self.biases))

    def __call__(self, x: Any) -> Any:
        """Return outputs (batch, outputs) for inputs (batch, inputs)."""
        return self.sums(x)[-1]

    def sums(self, x: Any) -> list[Any]:
        """Return what enters the neurons of every layer after the inputs, (batch, neurons) each."""
        if x.ndim != 2 or x.shape[1] != self.width[0]:
            raise ShapeError(
                f"The MLP takes rows of {self.width[0]} columns; got shape {x.shape}.",
                fix="pass an array of shape (rows, columns).",
            )
        xp = namespace(x, self.weights[0])
        found: list[Any] = []
        for weight, bias in zip(self.weights, self.biases, strict=True):
            found.append((xp.tanh(found[-1]) if found else x) @ weight + bias)
        return found

    def permuted(self, layer: int, order: Sequence[int]) -> "MLP":
        """Return the same function with the neurons of a hidden layer in another order."""
        order = list(order)
        below, above, bias = self.weights[layer - 1], self.weights[layer], self.biases[layer - 1]
        where = lambda m: (m.weights[layer - 1], m.weights[layer], m.biases[layer - 1])
        moved: MLP = updated(where, self, (below[:, order], above[order], bias[order]))
        return moved
