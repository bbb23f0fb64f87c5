"""Growing a KAN without changing its function: more nodes, more layers, splines where there was none.

What is added is written so that its contribution is exactly zero and its gradient is not: edges into new nodes are
random, edges out of them are zero splines, factors of new products start at the constant 1 (KAN 2.0, section 3.3,
where compiled formulas are grown so that they can learn what they lack).
"""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np

from scikan.core import bspline
from scikan.core.errors import SettingError
from scikan.core.kan import KAN, EdgeAddress
from scikan.core.layer import Layer, Nodes, new_layer
from scikan.core.precision import numpy_leaves
from scikan.core.trees import updated
from scikan.edit.growth import IDENTITY, insert_layer, mixable, replace_layer, set_names, widen_inputs
from scikan.edit.surgery import select


Which = Literal["missing", "named", "all"]


def expand_width(model: KAN, layer: int, sums: int = 0, products: Sequence[int] = (), *, key: int = 0) -> KAN:
    """Return the same function with more nodes in a hidden layer.

    New sums stand after the old ones, new products last. They read all nodes below and are read, by zero splines, by
    all nodes above. In a network of modules they are dealt to the modules in turn: the n-th has the prohibitions of
    the n-th old node.

    Args:
        layer: node layer, 1 for the first hidden one.
        sums: number of new sum nodes.
        products: arity of every new product node, at least 2.
        key: seed of the random edges into the new nodes.

    Raises:
        SettingError: no such hidden layer, or nothing to add.
    """
    model = numpy_leaves(model)
    if not 1 <= layer < len(model.layers):
        raise SettingError(
            f"Node layer {layer} is not hidden; hidden ones are 1 to {len(model.layers) - 1}.",
            fix="expand_depth(model) adds a layer.",
        )
    if sums < 0 or any(arity < 2 for arity in products) or sums + len(products) == 0:
        raise SettingError(
            f"sums={sums}, products={tuple(products)} add no node.",
            fix="expand_width(model, 1, sums=2, products=(2,)).",
        )
    below, above = model.layers[layer - 1], model.layers[layer]
    donors = np.arange(sums + len(products)) % below.nodes.n_nodes
    wider, order = _with_nodes(below, sums, tuple(products), donors, np.random.default_rng(key))
    grown = _opened(widen_inputs(above, sums + len(products)), donors)
    return replace_layer(replace_layer(model, layer - 1, wider), layer, select(grown, inputs=order))


def _with_nodes(
    layer: Layer, sums: int, products: tuple[int, ...], donors: Any, rng: np.random.Generator
) -> tuple[Layer, Any]:
    """Return the layer with more nodes, and where its nodes come from (old ones first, then new ones)."""
    nodes = layer.nodes
    extra = new_layer(
        np.asarray(layer.splines.knots), sums, products, layer.splines.k, layer.splines.base_function
    )
    lines = bspline.line_coefficients(np.asarray(layer.splines.knots, float), layer.splines.k)
    slopes = rng.normal(size=(layer.n_inputs, 1, extra.n_subs)) / np.sqrt(layer.n_inputs)
    first = np.array([nodes.members(int(n))[0] for n in donors])
    free = np.asarray(layer.splines.allowed)[:, np.repeat(first, [1] * sums + list(products))]
    dtype = layer.splines.coef.dtype
    where: Any = lambda l: (l.splines.coef, l.splines.mask, l.splines.allowed, l.nodes.sub_bias)
    start = np.asarray([0.0] * sums + [1.0] * sum(products))
    coef = (lines[:, :, None] * slopes).astype(dtype)
    extra = updated(where, extra, (coef, free.astype(dtype), free.astype(dtype), start.astype(dtype)))
    subs = [*range(nodes.n_sum), *(layer.n_subs + np.arange(sums)), *range(nodes.n_sum, layer.n_subs)]
    subs += [layer.n_subs + sums + n for n in range(sum(products))]
    order = [*range(nodes.n_sum), *(nodes.n_nodes + np.arange(sums)), *range(nodes.n_sum, nodes.n_nodes)]
    order += [nodes.n_nodes + sums + n for n in range(len(products))]
    both = select(_beside(layer, extra), outputs=subs)

    def joined(leaf: str, places: Any) -> Any:
        return np.concatenate([getattr(nodes, leaf), getattr(extra.nodes, leaf)])[places]

    joint = Nodes(
        sub_scale=joined("sub_scale", subs),
        sub_bias=joined("sub_bias", subs),
        scale=joined("scale", order),
        bias=joined("bias", order),
        n_sum=nodes.n_sum + sums,
        arities=(*nodes.arities, *products),
    )
    return updated(lambda l: l.nodes, both, joint), np.asarray(order, int)


def _beside(layer: Layer, extra: Layer) -> Layer:
    """Return the edges of two layers with the same inputs side by side; the nodes are left to the caller."""

    def side(name: str, axis: int) -> Any:
        return np.concatenate([getattr(layer.splines, name), getattr(extra.splines, name)], axis=axis)

    where: Any = lambda l: (l.splines.coef, l.splines.base, l.splines.mask, l.splines.allowed, l.locked)
    locked = np.concatenate([layer.locked, extra.locked], axis=1)
    wide: Layer = updated(
        where, layer, (side("coef", 2), side("base", 1), side("mask", 1), side("allowed", 1), locked)
    )
    symbols = layer.symbols
    if symbols is None:
        return wide
    shape = (layer.n_inputs, extra.n_subs)
    affine = np.broadcast_to(np.asarray([1.0, 0.0, 1.0, 0.0]), (*shape, 4)).astype(symbols.affine.dtype)
    where = lambda l: (l.symbols.function, l.symbols.affine, l.symbols.mask)
    tables = (
        np.concatenate([symbols.function, np.zeros(shape, symbols.function.dtype)], axis=1),
        np.concatenate([symbols.affine, affine], axis=1),
        np.concatenate([symbols.mask, np.zeros(shape, symbols.mask.dtype)], axis=1),
    )
    named: Layer = updated(where, wide, tables)
    return named


def _opened(layer: Layer, donors: Any) -> Layer:
    """Return the layer with zero splines on the edges from its last inputs, as far as their donors are allowed."""
    first = layer.n_inputs - len(donors)
    mask, allowed = np.array(layer.splines.mask), np.array(layer.splines.allowed)
    allowed[first:] = allowed[donors]
    mask[first:] = allowed[first:]
    opened: Layer = updated(lambda l: (l.splines.mask, l.splines.allowed), layer, (mask, allowed))
    return opened


def expand_depth(model: KAN, layer: int | None = None) -> KAN:
    """Return the same function with a layer of identity edges more.

    Args:
        layer: before which layer of edges, 0 for the inputs; unless given, after the last one.

    Raises:
        SettingError: no such layer.
    """
    model = numpy_leaves(model)
    last = len(model.layers)
    layer = last if layer is None else layer
    if not 0 <= layer <= last:
        raise SettingError(f"There is no layer {layer}.", fix=f"use 0 to {last}.")
    if layer < last:
        return insert_layer(model, layer)
    n, splines = model.n_outputs, model.layers[-1].splines
    knots = bspline.uniform_knots(np.full(n, -1.5), np.full(n, 1.5), splines.grid, splines.k).astype(
        model.dtype
    )
    identity = new_layer(knots, n, (), splines.k, splines.base_function)
    off = np.zeros_like(identity.splines.mask)
    free = mixable(model, last).astype(off.dtype)
    identity = updated(lambda l: (l.splines.mask, l.splines.allowed), identity, (off, free))
    identity = set_names(identity, {(i, i): IDENTITY for i in range(n)})
    deeper: KAN = updated(lambda m: m.layers, model, (*model.layers, identity))
    return deeper


def perturb(model: KAN, which: Which = "missing", *, size: float = 0.0, key: int = 0) -> KAN:
    """Return the model with splines opened that a fit can move, so that a compiled formula can learn.

    Args:
        which: "missing" opens edges that are off, "named" puts a spline beside every named edge, "all" does both.
            Edges that a module forbids stay off.
        size: standard deviation of the new splines' random coefficients; with 0 they are zero and the function
            stays exactly the same.
        key: seed of the random coefficients.

    Raises:
        SettingError: a negative size, or no such choice.
    """
    if size < 0 or which not in ("missing", "named", "all"):
        raise SettingError(
            f"perturb(which={which!r}, size={size}) opens nothing.", fix='use "all", size=0.1.'
        )
    model, rng = numpy_leaves(model), np.random.default_rng(key)
    layers = []
    for layer in model.layers:
        splines = layer.splines
        named = (
            np.zeros_like(splines.mask)
            if layer.symbols is None
            else np.asarray(layer.symbols.mask != 0, float)
        )
        off = (splines.mask == 0) & (splines.allowed != 0)
        chosen = off & {"missing": named == 0, "named": named != 0, "all": True}[which]
        fresh = size * rng.normal(size=splines.coef.shape)
        coef = np.where(chosen[:, None, :], fresh, splines.coef).astype(splines.coef.dtype)
        base = np.where(chosen, 0.0, splines.base).astype(splines.base.dtype)
        mask = np.where(chosen, 1.0, splines.mask).astype(splines.mask.dtype)
        layers.append(
            updated(lambda l: (l.splines.coef, l.splines.base, l.splines.mask), layer, (coef, base, mask))
        )
    opened: KAN = updated(lambda m: m.layers, model, tuple(layers))
    return opened


def lock(model: KAN, edges: Iterable[EdgeAddress] | int | None = None) -> KAN:
    """Return the model with edges that no fit moves, in any engine; the grids of locked splines stay as well.

    Biases of nodes stay free, but for sums of locked named edges only: their constants live in it.

    Args:
        edges: addresses (layer, input, output), the number of a layer for all its edges, or None for all there are.

    Raises:
        SettingError: there is no such edge or layer.
    """
    return _locked(model, edges, True)


def unlock(model: KAN, edges: Iterable[EdgeAddress] | int | None = None) -> KAN:
    """Return the model with edges that fits may move again; arguments and errors as of `lock`."""
    return _locked(model, edges, False)


def _locked(model: KAN, edges: Iterable[EdgeAddress] | int | None, value: bool) -> KAN:
    model = numpy_leaves(model)
    tables = [np.array(layer.locked) for layer in model.layers]
    if edges is None:
        tables = [np.full_like(table, value) for table in tables]
    elif isinstance(edges, int):
        if not 0 <= edges < len(tables):
            raise SettingError(f"There is no layer {edges}.", fix=f"use 0 to {len(tables) - 1}.")
        tables[edges][:] = value
    else:
        for address in edges:
            l, i, j = model.check_address(address)
            tables[l][i, j] = value
    layers = tuple(
        updated(lambda l: l.locked, layer, t) for layer, t in zip(model.layers, tables, strict=True)
    )
    changed: KAN = updated(lambda m: m.layers, model, layers)
    return changed
