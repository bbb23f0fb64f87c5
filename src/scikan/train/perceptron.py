"""Training of the perceptron that stands beside a KAN for comparison: Adam on all rows, weights drawn to zero.

The pull on a weight may be taken again from the weight that it left (reweighted L1: Candès, Wakin and Boyd 2008,
eq. 8): small weights are then pulled harder and large ones hardly at all, so that few are left. Plain L1 counts
sizes and not numbers; of the majority of majorities it likes a network best in which one neuron reads all bits.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from scikan.core.dataset import Dataset
from scikan.core.errors import SettingError
from scikan.core.mlp import MLP
from scikan.core.precision import numpy_leaves


SOFT = 0.1
"""A weight of this share of its layer's largest is pulled half as hard as one near zero."""


def fit_mlp(
    model: MLP, data: Dataset, *, steps: int = 3000, rate: float = 1e-2, l1: float = 0.0, rounds: int = 1
) -> tuple[MLP, float]:
    """Return the trained perceptron and its root mean square error on the training rows.

    Args:
        data: as everywhere; all training rows are used in every step.
        steps, rate: of Adam in each round; the rate falls to zero along a cosine.
        l1: weight of the sum of absolute weights in the loss.
        rounds: how often it is trained; from the second on a weight w of a layer is pulled with the share
            s / (s + |w|) of `l1`, s a tenth of the layer's largest. 4 gives few weights; without `l1` more
            rounds only go on.

    Raises:
        SettingError: fewer than one step or round, or a negative rate or weight.
    """
    if steps < 1 or rounds < 1 or not rate > 0 or l1 < 0:
        raise SettingError(
            f"steps={steps}, rounds={rounds}, rate={rate}, l1={l1} train nothing.",
            fix="use steps >= 1, rounds >= 1, rate > 0, l1 >= 0.",
        )
    x, y = jnp.asarray(data.train_x), jnp.asarray(data.train_y)
    trained: MLP = jax.tree_util.tree_map(jnp.asarray, model)
    pulls = tuple(jnp.full(w.shape, l1, w.dtype) for w in trained.weights)
    for _ in range(rounds):
        trained = _trained(trained, x, y, steps, rate, pulls)
        pulls = tuple(l1 * _share(abs(w)) for w in trained.weights)
    trained = numpy_leaves(trained)
    return trained, float(np.sqrt(np.mean((trained(data.train_x) - data.train_y) ** 2)))


def _share(sizes: Any) -> Any:
    """Return how hard weights of these sizes are pulled, 1 at zero; 1 for all of a layer of zeros."""
    soft = jnp.where(sizes.max() > 0, SOFT * sizes.max(), 1.0)
    return soft / (soft + sizes)


@jax.jit(static_argnums=3)
def _trained(model: MLP, x: Any, y: Any, steps: int, rate: Any, pulls: Any) -> MLP:
    optimiser = optax.adam(optax.cosine_decay_schedule(rate, steps))

    def loss(m: MLP) -> Any:
        pull = sum(jnp.sum(p * jnp.abs(w)) for p, w in zip(pulls, m.weights, strict=True))
        return jnp.mean((m(x) - y) ** 2) + pull

    def step(carried: Any, _: Any) -> Any:
        m, state = carried
        updates, state = optimiser.update(jax.grad(loss)(m), state)
        return (optax.apply_updates(m, updates), state), None

    (model, _), _ = jax.lax.scan(step, (model, optimiser.init(model)), None, length=steps)  # type: ignore[arg-type]
    return model
