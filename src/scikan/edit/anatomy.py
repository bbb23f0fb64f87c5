"""Where nodes stand: another order changes the picture, never the function."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from scikan.core.dataset import Dataset
from scikan.core.errors import SettingError
from scikan.core.kan import KAN
from scikan.core.layer import Nodes
from scikan.core.mlp import MLP
from scikan.core.precision import numpy_leaves
from scikan.core.trees import updated
from scikan.edit.arrangement import cost_of, shortest_orders
from scikan.edit.attribution import Scores, attribute
from scikan.edit.growth import replace_layer
from scikan.edit.surgery import select


Network = KAN | MLP


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
    nodes = model.layers[layer - 1].nodes
    if not (0 <= a < nodes.n_nodes and 0 <= b < nodes.n_nodes) or (a < nodes.n_sum) != (b < nodes.n_sum):
        raise SettingError(
            f"Nodes {a} and {b} of layer {layer} cannot change places: it has {nodes.n_sum} sums and "
            f"{len(nodes.arities)} products.",
            fix="name two sums or two products.",
        )
    order = list(range(nodes.n_nodes))
    order[a], order[b] = order[b], order[a]
    return permute(model, layer, order)


def permute(model: KAN, layer: int, order: Sequence[int]) -> KAN:
    """Return the same function with hidden nodes in another order: place n takes node `order[n]`, sums stay first."""
    model = numpy_leaves(model)
    below, above = model.layers[layer - 1], model.layers[layer]
    nodes, order = below.nodes, list(order)
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


def auto_swap(model: Network, scores: Scores | Dataset | np.ndarray) -> Any:
    """Return the same function with hidden nodes in the order that makes the connections shortest.

    Neurons that work together come to stand together, as in an anatomy (KAN 2.0, section 4.2). For one layer the
    best order, those of the others given, is an assignment problem; layers are solved in turn, from several starts.
    Sums stay before products; inputs and outputs stay where they are.

    Args:
        model: a `KAN`, or an `MLP` for comparison.
        scores: from `attribute(model, data)`, or the data.
    """
    scores = scores if isinstance(scores, Scores) else attribute(model, scores)
    links = node_scores(model, scores)
    orders = shortest_orders(links, [sums for sums, _ in hidden_sizes(model)])
    for layer, order in enumerate(orders, start=1):
        model = permute(model, layer, order) if isinstance(model, KAN) else model.permuted(layer, order)
    return model


def connection_cost(model: Network, scores: Scores | Dataset | np.ndarray) -> float:
    """Return the sum over edges of score times distance, with node i of a layer of n at (i + 1/2) / n."""
    scores = scores if isinstance(scores, Scores) else attribute(model, scores)
    links = node_scores(model, scores)
    return cost_of(links, [list(range(len(link))) for link in links[1:]])


def node_scores(model: Network, scores: Scores) -> list[Any]:
    """Return the scores between nodes, `(nodes, nodes of the next layer)`: factors of a product count together."""
    if not isinstance(model, KAN):
        return [np.asarray(e) for e in scores.edges]
    owners = [layer.nodes.owner() for layer in model.layers]
    return [e @ np.eye(owner[-1] + 1)[owner] for e, owner in zip(scores.edges, owners, strict=True)]


def hidden_sizes(model: Network) -> list[tuple[int, int]]:
    """Return (sums, products) of every hidden layer."""
    if not isinstance(model, KAN):
        return [(n, 0) for n in model.width[1:-1]]
    return [(sums, len(arities)) for sums, arities in model.width[1:-1]]
