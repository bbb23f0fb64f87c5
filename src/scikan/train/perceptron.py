"""Training of the perceptron that stands beside a KAN for comparison: Adam on all rows, weights drawn to zero."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from scikan.core.dataset import Dataset
from scikan.core.errors import SettingError
from scikan.core.mlp import MLP
from scikan.core.precision import numpy_leaves


def fit_mlp(
    model: MLP, data: Dataset, *, steps: int = 3000, rate: float = 1e-2, l1: float = 0.0
) -> tuple[MLP, float]:
    """Return the trained perceptron and its root mean square error on the training rows.

    Args:
        data: as everywhere; all training rows are used in every step.
        steps, rate: of Adam; the rate falls to zero along a cosine.
        l1: weight of the sum of absolute weights in the loss.

    Raises:
        SettingError: fewer than one step, or a negative rate or weight.
    """
    if steps < 1 or not rate > 0 or l1 < 0:
        raise SettingError(
            f"steps={steps}, rate={rate}, l1={l1} train nothing.", fix="use steps >= 1, rate > 0, l1 >= 0."
        )
    x, y = jnp.asarray(data.train_x), jnp.asarray(data.train_y)
    trained = numpy_leaves(_trained(jax.tree_util.tree_map(jnp.asarray, model), x, y, steps, rate, l1))
    return trained, float(np.sqrt(np.mean((trained(data.train_x) - data.train_y) ** 2)))


@jax.jit(static_argnums=3)
def _trained(model: MLP, x: Any, y: Any, steps: int, rate: Any, l1: Any) -> MLP:
    optimiser = optax.adam(optax.cosine_decay_schedule(rate, steps))

    def loss(m: MLP) -> Any:
        return jnp.mean((m(x) - y) ** 2) + l1 * sum(jnp.sum(jnp.abs(w)) for w in m.weights)

    def step(carried: Any, _: Any) -> Any:
        m, state = carried
        updates, state = optimiser.update(jax.grad(loss)(m), state)
        return (optax.apply_updates(m, updates), state), None

    (model, _), _ = jax.lax.scan(step, (model, optimiser.init(model)), None, length=steps)  # type: ignore[arg-type]
    return model
