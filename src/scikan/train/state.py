"""Where a training run stands: one pytree that is a checkpoint and can be resumed bit for bit."""

from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float, Int, UInt


RUNNING, CONVERGED, PATIENCE, NOT_FINITE = 0, 1, 2, 3

AnyArray = Array | np.ndarray


class TrainState(eqx.Module):
    """Everything the next step depends on; every array has a leading axis for the members of an ensemble.

    `best` is the model with the lowest judged value so far (validation loss if there are validation rows, else
    loss plus penalty); `tried` the last point at which something was not finite; `first` the value at the start.
    """

    model: Any
    optimiser: Any
    step: Int[AnyArray, "*seeds"]
    key: UInt[AnyArray, "*seeds 2"]
    best: Any
    best_value: Float[AnyArray, "*seeds"]
    since_best: Int[AnyArray, "*seeds"]
    failures: Int[AnyArray, "*seeds"]
    status: Int[AnyArray, "*seeds"]
    tried: Float[AnyArray, "*seeds parameters"]
    first: Float[AnyArray, "*seeds"]


class History(eqx.Module):
    """Per step: loss, penalty and judged value, each (steps,) or (members, steps)."""

    train: Float[AnyArray, "*seeds steps"]
    penalty: Float[AnyArray, "*seeds steps"]
    judged: Float[AnyArray, "*seeds steps"]
