"""What every surrogate answers: values, gradients, leave-one-out residuals on its rows; predictions elsewhere."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


Rows = Float[np.ndarray, "rows columns"]
Vector = Float[np.ndarray, " rows"]


@dataclass(frozen=True, eq=False)
class Surrogate:
    """A fitted surrogate on its own rows.

    Args:
        values: $f(x_i)$, without the noise.
        gradients: $\\partial f/\\partial x_j$ at row i, in the units of the raw columns.
        loo: $y_i$ minus the prediction from all other rows.
        predict: maps raw columns `(points, columns)` to predictions `(points,)`.
    """

    values: Vector
    gradients: Rows
    loo: Vector
    predict: Callable[[Rows], Vector]


def error_of(found: Surrogate, root: Vector) -> float:
    """Return the root mean square of the leave-one-out residuals under root weights."""
    return float(np.sqrt(np.average(found.loo**2, weights=root**2)))
