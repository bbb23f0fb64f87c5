"""Where nodes stand: exchanging two of a layer changes the picture, never the function."""

import numpy as np

from scikan.core.errors import SettingError
from scikan.core.kan import KAN
from scikan.core.layer import Nodes
from scikan.core.precision import numpy_leaves
from scikan.core.trees import updated
from scikan.edit.growth import replace_layer
from scikan.edit.surgery import select


def swap(model: KAN, layer: int, a: int, b: int) -> KAN:
    """Return the same function with hidden nodes a and b of a node layer exchanged.

    Args:
        layer: node layer, 1 for the first hidden one.
        a, b: node indices, both sums or both products.

    Raises:
        SettingError: if there is no such node, or one is a sum and the other a product.
    """
    model = numpy_leaves(model)
    if not 1 <= layer < len(model.layers):
        raise SettingError(
            f"Node layer {layer} is not hidden; hidden ones are 1 to {len(model.layers) - 1}.",
            fix="swap(model, 1, 0, 2).",
        )
    below, above = model.layers[layer - 1], model.layers[layer]
    nodes = below.nodes
    if not (0 <= a < nodes.n_nodes and 0 <= b < nodes.n_nodes) or (a < nodes.n_sum) != (b < nodes.n_sum):
        raise SettingError(
            f"Nodes {a} and {b} of layer {layer} cannot change places: it has {nodes.n_sum} sums and "
            f"{len(nodes.arities)} products.",
            fix="name two sums or two products.",
        )
    order = list(range(nodes.n_nodes))
    order[a], order[b] = order[b], order[a]
    subs = np.asarray([s for n in order for s in nodes.members(n)])
    moved = Nodes(
        sub_scale=nodes.sub_scale[subs],
        sub_bias=nodes.sub_bias[subs],
        scale=nodes.scale[order],
        bias=nodes.bias[order],
        n_sum=nodes.n_sum,
        arities=tuple(nodes.arities[n - nodes.n_sum] for n in order[nodes.n_sum :]),
    )
    below = updated(lambda m: m.nodes, select(below, outputs=subs), moved)
    return replace_layer(replace_layer(model, layer - 1, below), layer, select(above, inputs=order))
