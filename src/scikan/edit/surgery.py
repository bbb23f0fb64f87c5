"""Taking parts out of a KAN without changing what is left: remove, prune, compact.

`remove_edges` and `prune` only clear masks, so nothing recompiles; what an edge contributed on average is
folded into the bias of the sum it entered. `compact` then drops dead nodes, folds the constants they carried,
and changes shapes; it keeps the function.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from scikan.core.errors import SettingError
from scikan.core.features import Chain, Select
from scikan.core.kan import KAN, EdgeAddress
from scikan.core.layer import Layer, Nodes, SplineEdges, SymbolicEdges
from scikan.core.precision import numpy_leaves
from scikan.core.trees import updated
from scikan.edit.attribution import Scores


def remove_edges(model: KAN, addresses: Iterable[EdgeAddress], means: Scores | None = None) -> KAN:
    """Return the model without these edges, spline and symbol alike.

    Args:
        addresses: (layer, input, output) of each edge.
        means: scores whose `edge_means` are folded into the biases; without them an edge leaves as if zero.
    """
    model = numpy_leaves(model)
    layers = list(model.layers)
    for address in addresses:
        l, i, j = model.check_address(address)
        mean = 0.0 if means is None else float(means.edge_means[l][i, j])
        layers[l] = _without_edge(layers[l], i, j, mean if layers[l].live()[i, j] else 0.0)
    edited: KAN = updated(lambda m: m.layers, model, tuple(layers))
    return edited


def _without_edge(layer: Layer, i: int, j: int, mean: float) -> Layer:
    mask = layer.splines.mask.copy()
    mask[i, j] = 0
    bias = layer.nodes.sub_bias.copy()
    bias[j] += mean * layer.nodes.sub_scale[j]
    layer = updated(lambda l: (l.splines.mask, l.nodes.sub_bias), layer, (mask, bias))
    if layer.symbols is not None:
        symbol_mask = layer.symbols.mask.copy()
        symbol_mask[i, j] = 0
        layer = updated(lambda l: l.symbols.mask, layer, symbol_mask)
    return layer


def prune(
    model: KAN, scores: Scores, *, node: float = 1e-2, edge: float = 3e-2, inputs: float | None = None
) -> KAN:
    """Return the model with low-scoring edges, nodes and inputs switched off; shapes stay (see `compact`).

    Args:
        scores: from `attribute(model, data)`.
        node: hidden nodes with a score of at most this lose all their edges.
        edge: edges with a score of at most this are removed.
        inputs: inputs with a score of at most this lose all their edges (None: inputs are left alone).

    Raises:
        SettingError: if the scores belong to another shape, or nothing would be left.
    """
    shapes = [layer.splines.mask.shape for layer in model.layers]
    if [e.shape for e in scores.edges] != shapes:
        raise SettingError(
            f"These scores are for layers of shape {[e.shape for e in scores.edges]}, the model has {shapes}.",
            fix="compute them again: scores = attribute(model, data).",
        )
    doomed = []
    for l, i, j in model.edges():
        weak_input = l == 0 and inputs is not None and scores.nodes[0][i] <= inputs
        weak_source = l > 0 and scores.nodes[l][i] <= node
        target = int(model.layers[l].nodes.owner()[j])
        weak_target = l + 1 < len(model.layers) and scores.nodes[l + 1][target] <= node
        if scores.edges[l][i, j] <= edge or weak_input or weak_source or weak_target:
            doomed.append((l, i, j))
    if len(doomed) == model.n_edges:
        top = max((float(e.max()) for e in scores.edges), default=0.0)
        raise SettingError(
            f"Pruning at edge={edge:g}, node={node:g} would remove all {model.n_edges} edges (top score {top:.3g}).",
            fix="lower the thresholds, or fit with a weaker penalty first.",
        )
    return remove_edges(model, doomed, scores)


def compact(model: KAN, drop_inputs: bool = True) -> KAN:
    """Return the model without dead nodes: the same function with smaller arrays.

    A node that nothing reads is dropped; one that reads nothing is a constant, folded into what reads it;
    a product with constant factors becomes a smaller product or a sum. Inputs without edges are no longer
    computed (`drop_inputs`), but the model still takes all its columns.
    """
    model = numpy_leaves(model)
    layers = list(model.layers)
    last = len(layers) - 1
    for l in range(len(layers)):
        layers[l], order = _fold_constant_factors(layers[l], keep_order=l == last)
        if l < last:
            layers[l + 1] = _fold_constant_inputs(layers[l], select(layers[l + 1], inputs=order))
    for l in reversed(range(last)):
        keep = np.flatnonzero(layers[l + 1].live().any(axis=1))
        keep = keep if keep.size else np.asarray([0])
        layers[l + 1] = select(layers[l + 1], inputs=keep)
        layers[l] = keep_nodes(layers[l], keep)
    features = model.features
    used = np.flatnonzero(layers[0].live().any(axis=1))
    if drop_inputs and 0 < used.size < layers[0].n_inputs:
        layers[0] = select(layers[0], inputs=used)
        features = Chain((features, Select(tuple(int(i) for i in used))))
    small: KAN = updated(lambda m: (m.layers, m.features), model, (tuple(layers), features))
    return small


def _fold_constant_factors(layer: Layer, keep_order: bool) -> tuple[Layer, Any]:
    """Fold factors without live edges into their product's scale; a product of one factor becomes a sum.

    Returns the layer and the old index of each of its nodes. With `keep_order` (outputs) nodes keep their
    places, and a product of one factor stays one if moving it would reorder them.
    """
    nodes = layer.nodes
    live = np.asarray(layer.live().any(axis=0))
    scale, kept = nodes.scale.copy(), []
    for node in range(nodes.n_nodes):
        members = nodes.members(node)
        alive = [s for s in members if live[s]] or [members[0]]
        for s in members:
            if s not in alive:
                scale[node] *= nodes.sub_bias[s]
        kept.append(alive)
    order = sorted(range(nodes.n_nodes), key=lambda n: len(kept[n]) > 1)
    n_sum = sum(len(alive) == 1 for alive in kept)
    if keep_order and order != list(range(nodes.n_nodes)):
        order, n_sum = list(range(nodes.n_nodes)), nodes.n_sum
    subs = np.asarray([s for n in order for s in kept[n]])
    folded = Nodes(
        sub_scale=nodes.sub_scale[subs],
        sub_bias=nodes.sub_bias[subs],
        scale=scale[order],
        bias=nodes.bias[order],
        n_sum=n_sum,
        arities=tuple(len(kept[n]) for n in order[n_sum:]),
    )
    moved = updated(lambda l: l.nodes, select(layer, outputs=subs), folded)
    return moved, np.asarray(order)


def _fold_constant_inputs(below: Layer, layer: Layer) -> Layer:
    """Switch off edges that leave nodes without live edges, adding their constant value to the biases."""
    owner = below.nodes.owner()
    reads = np.asarray(below.live().any(axis=0))
    silent = [n for n in range(below.nodes.n_nodes) if not reads[owner == n].any()]
    if not silent:
        return layer
    zero = np.zeros((1, below.n_subs), below.splines.coef.dtype)
    constants = below.nodes(zero)
    edges = layer.edges(constants)[0]
    for i in silent:
        for j in np.flatnonzero(layer.live()[i]):
            layer = _without_edge(layer, i, int(j), float(edges[i, j]))
    return layer


def select(layer: Layer, inputs: Any = None, outputs: Any = None) -> Layer:
    """Return the layer with these inputs and subnodes, in this order; its nodes are left as they are."""
    rows = np.arange(layer.n_inputs) if inputs is None else np.asarray(inputs, int)
    columns = np.arange(layer.n_subs) if outputs is None else np.asarray(outputs, int)
    old = layer.splines
    splines = SplineEdges(
        knots=old.knots[rows],
        coef=old.coef[rows][:, :, columns],
        base=old.base[rows][:, columns],
        mask=old.mask[rows][:, columns],
        allowed=old.allowed[rows][:, columns],
        k=old.k,
        base_function=old.base_function,
    )
    symbols = layer.symbols
    if symbols is not None:
        symbols = SymbolicEdges(
            function=symbols.function[rows][:, columns],
            affine=symbols.affine[rows][:, columns],
            mask=symbols.mask[rows][:, columns],
            functions=symbols.functions,
        )
    return Layer(splines=splines, symbols=symbols, locked=layer.locked[rows][:, columns], nodes=layer.nodes)


def keep_nodes(layer: Layer, keep: Any) -> Layer:
    """Return the layer with these nodes only (increasing indices)."""
    nodes = layer.nodes
    subs = np.asarray([s for n in keep for s in nodes.members(int(n))])
    small = Nodes(
        sub_scale=nodes.sub_scale[subs],
        sub_bias=nodes.sub_bias[subs],
        scale=nodes.scale[keep],
        bias=nodes.bias[keep],
        n_sum=int(sum(n < nodes.n_sum for n in keep)),
        arities=tuple(nodes.arities[n - nodes.n_sum] for n in keep if n >= nodes.n_sum),
    )
    return updated(lambda l: l.nodes, select(layer, outputs=subs), small)
