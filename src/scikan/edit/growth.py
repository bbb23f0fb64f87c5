"""Putting parts into a KAN without changing its function: layers of identity edges, nodes on an edge, names."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scikan.core import bspline
from scikan.core.errors import SettingError
from scikan.core.functions import LIBRARY, Function
from scikan.core.kan import KAN, EdgeAddress
from scikan.core.layer import Layer, Nodes, SplineEdges, new_layer, with_symbols
from scikan.core.precision import numpy_leaves
from scikan.core.trees import updated


@dataclass(frozen=True)
class Name:
    """A function with its constants: c f(a x + b) + d."""

    function: Function
    affine: tuple[float, float, float, float] = (1.0, 0.0, 1.0, 0.0)


IDENTITY = Name(LIBRARY["x"])


def set_names(layer: Layer, names: dict[tuple[int, int], Name]) -> Layer:
    """Return the layer with these edges named: symbol on, spline off, d moved into the subnode's bias."""
    layer = with_symbols(layer, tuple(name.function for name in names.values()))
    symbols, splines, nodes = layer.symbols, layer.splines, layer.nodes
    assert symbols is not None
    function, affine, mask = symbols.function.copy(), symbols.affine.copy(), symbols.mask.copy()
    spline_mask, bias = splines.mask.copy(), nodes.sub_bias.copy()
    for (i, j), name in names.items():
        a, b, c, d = name.affine
        function[i, j] = symbols.functions.index(name.function)
        affine[i, j] = (a, b, c, 0.0)
        mask[i, j], spline_mask[i, j] = 1.0, 0.0
        bias[j] += d * nodes.sub_scale[j]
    where: Any = lambda l: (
        l.symbols.function,
        l.symbols.affine,
        l.symbols.mask,
        l.splines.mask,
        l.nodes.sub_bias,
    )
    return updated(where, layer, (function, affine, mask, spline_mask, bias))


def name_edge(model: KAN, address: EdgeAddress, name: Name) -> KAN:
    """Return the model with one edge named.

    Raises:
        SettingError: there is no such edge, or it is off and a module forbids it.
    """
    model = numpy_leaves(model)
    l, i, j = model.check_address(address)
    if model.layers[l].splines.allowed[i, j] == 0 and not model.layers[l].live()[i, j]:
        raise SettingError(
            f"Edge {(l, i, j)} is forbidden by a module.", fix="lift that first: connect(model, [edge])."
        )
    return replace_layer(model, l, set_names(model.layers[l], {(i, j): name}))


def replace_layer(model: KAN, l: int, *layers: Layer) -> KAN:
    """Return the model with layer l replaced by one or more layers."""
    edited: KAN = updated(lambda m: m.layers, model, (*model.layers[:l], *layers, *model.layers[l + 1 :]))
    return edited


def insert_layer(model: KAN, l: int, extra: Sequence[int] = ()) -> KAN:
    """Return the same function with a layer of identity edges before layer l.

    `extra` adds product nodes of these arities and, for an arity of 1, sum nodes; they have no live edges.
    New sum nodes stand after the identities, products last; layer l gets matching inputs, all off. In a network with
    modules the new edges that could bring groups together are forbidden.
    """
    model = numpy_leaves(model)
    reader = model.layers[l]
    n = reader.n_inputs
    sums, arities = n + sum(a == 1 for a in extra), tuple(a for a in extra if a > 1)
    layer = new_layer(np.asarray(reader.splines.knots), sums, arities, reader.splines.k)
    layer = updated(lambda m: m.splines.mask, layer, np.zeros_like(layer.splines.mask))
    layer = set_names(layer, {(i, i): IDENTITY for i in range(n)})
    wide = widen_inputs(reader, len(extra))
    if any(np.any(one.splines.allowed == 0) for one in model.layers):
        allowed, above = np.zeros_like(layer.splines.allowed), np.array(wide.splines.allowed)
        allowed[:, :n], above[n:] = mixable(model, l), 0.0
        layer = updated(lambda m: m.splines.allowed, layer, allowed)
        wide = updated(lambda m: m.splines.allowed, wide, above)
    return replace_layer(model, l, layer, wide)


def mixable(model: KAN, l: int) -> Any:
    """Return which nodes below layer l of edges may be added to which, (nodes, nodes), without lifting a prohibition.

    Node a may go into b if b depends on all that a depends on, and whoever may read b may read a.
    """
    seen = np.eye(model.layers[0].n_inputs, dtype=bool)
    for layer in model.layers[:l]:
        reach = (np.asarray(layer.splines.allowed) != 0) | layer.live()
        owner = layer.nodes.owner()
        into = np.stack([reach[:, owner == n].any(axis=1) for n in range(layer.nodes.n_nodes)], axis=1)
        seen = (seen.astype(int) @ into.astype(int)) > 0
    depends = ~np.any(seen[:, :, None] & ~seen[:, None, :], axis=0)
    if l == len(model.layers):
        return depends.astype(float)
    reads = (np.asarray(model.layers[l].splines.allowed) != 0) | model.layers[l].live()
    read = ~np.any(reads[None, :, :] & ~reads[:, None, :], axis=2)
    return (depends & read).astype(float)


def widen_inputs(layer: Layer, count: int) -> Layer:
    """Return the layer with `count` more inputs, whose edges are all off."""
    if count == 0:
        return layer
    splines = layer.splines

    def grown(leaf: Any, fill: float = 0.0) -> Any:
        extra = np.full((count, *leaf.shape[1:]), fill, leaf.dtype)
        return np.concatenate([leaf, extra], axis=0)

    wide = SplineEdges(
        knots=np.concatenate([splines.knots, np.repeat(splines.knots[:1], count, axis=0)]),
        coef=grown(splines.coef),
        base=grown(splines.base),
        mask=grown(splines.mask),
        allowed=grown(splines.allowed, 1.0),
        k=splines.k,
        base_function=splines.base_function,
    )
    symbols = layer.symbols
    if symbols is not None:
        symbols = type(symbols)(
            function=grown(symbols.function),
            affine=grown(symbols.affine),
            mask=grown(symbols.mask),
            functions=symbols.functions,
        )
    return Layer(splines=wide, symbols=symbols, locked=grown(layer.locked), nodes=layer.nodes)


def split_edge(model: KAN, address: EdgeAddress, form: str, first: Name, second: Name) -> KAN:
    """Return the model with one edge written by two names, on nodes of a new layer before it.

    Args:
        form: "chain" for second(first(x)), "sum" for first(x) + second(x), "product" for first(x) second(x).
    """
    l, i, j = model.check_address(address)
    arity = 2 if form == "product" else 1
    grown = insert_layer(model, l, (arity,))
    inner, outer = grown.layers[l], grown.layers[l + 1]
    node = outer.n_inputs - 1
    subs = inner.nodes.members(node)
    spline_mask = outer.splines.mask.copy()
    spline_mask[i, j] = 0.0
    outer = updated(lambda m: m.splines.mask, outer, spline_mask)
    if form == "chain":
        inner = set_names(inner, {(i, subs[0]): first})
        outer = set_names(outer, {(node, j): second})
    elif form == "sum":
        inner = set_names(inner, {(i, subs[0]): second})
        outer = set_names(outer, {(i, j): first, (node, j): IDENTITY})
    else:
        inner = set_names(inner, {(i, subs[0]): first, (i, subs[1]): second})
        outer = set_names(outer, {(node, j): IDENTITY})
    return replace_layer(replace_layer(grown, l + 1, outer), l, inner)


def collapse(model: KAN) -> KAN:
    """Return the model with chains drawn together: a sum node with one live spline input gets the identity.

    phi(psi(x)) has no unique psi; the identity is the simplest, and phi alone is then what has to be named.
    The outer splines are refitted to the composed curves over the inner grid (least squares).
    """
    model = numpy_leaves(model)
    for l in range(len(model.layers) - 1):
        for node in range(model.layers[l].nodes.n_sum):
            model = _collapse_node(model, l, node)
    return model


def _collapse_node(model: KAN, l: int, node: int) -> KAN:
    inner, outer = model.layers[l], model.layers[l + 1]
    sources = np.flatnonzero(inner.live()[:, node])
    splines_only = outer.symbols is None or not np.any(outer.symbols.mask[node] != 0)
    if len(sources) != 1 or inner.splines.mask[sources[0], node] == 0 or not splines_only:
        return model
    i = int(sources[0])
    grid = outer.splines.grid
    low, high = (float(end[i]) for end in bspline.grid_ends(inner.splines.knots, inner.splines.k))
    points = np.linspace(low, high, 16 * grid)
    batch = np.zeros((len(points), inner.n_inputs))
    batch[:, i] = points
    hidden = np.broadcast_to(inner(batch)[:, node : node + 1], (len(points), outer.n_inputs))
    curves = outer.edges(hidden)[:, node : node + 1, :]
    if not np.all(np.isfinite(curves)):
        return model
    knots = bspline.uniform_knots(np.asarray([low]), np.asarray([high]), grid, outer.splines.k)
    coef = bspline.fit_coefficients(points[:, None], curves, knots, outer.splines.k)
    all_knots, all_coef = np.array(outer.splines.knots), np.array(outer.splines.coef)
    all_knots[node], all_coef[node] = knots[0], coef[0]
    outer = updated(lambda m: (m.splines.knots, m.splines.coef), outer, (all_knots, all_coef))
    return replace_layer(replace_layer(model, l + 1, outer), l, _identity_node(inner, i, node))


def _identity_node(layer: Layer, i: int, node: int) -> Layer:
    nodes = layer.nodes
    fresh = Nodes(
        sub_scale=_with(nodes.sub_scale, node, 1.0),
        sub_bias=_with(nodes.sub_bias, node, 0.0),
        scale=_with(nodes.scale, node, 1.0),
        bias=_with(nodes.bias, node, 0.0),
        n_sum=nodes.n_sum,
        arities=nodes.arities,
    )
    return set_names(updated(lambda m: m.nodes, layer, fresh), {(i, node): IDENTITY})


def _with(vector: Any, index: int, value: float) -> Any:
    changed = np.array(vector)
    changed[index] = value
    return changed
