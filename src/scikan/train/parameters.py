"""Which numbers of a KAN a fit may move: one definition for every optimiser.

Free are the coefficients of live, unlocked spline edges; of a named edge those of a, b, c that data can tell
apart (`Function.free`; its d lives in the subnode's bias); the bias of every subnode; and the bias of product
nodes. Scales of nodes stay, since edges absorb them. Where all that a subnode sums are locked named edges its bias
stays too, as the d of those edges lives there: a locked formula keeps all its numbers.
"""

from typing import Any

import equinox as eqx
import jax
import numpy as np

from scikan.core.kan import KAN
from scikan.core.layer import Layer
from scikan.core.precision import namespace
from scikan.core.trees import updated


def free_parameters(model: KAN) -> KAN:
    """Return a pytree shaped like the model whose leaves are 1.0 where a number is free and 0.0 where not."""
    layers = tuple(_free_in_layer(layer) for layer in model.layers)
    nothing = jax.tree_util.tree_map(lambda leaf: np.zeros(leaf.shape), model)
    free: KAN = updated(lambda m: m.layers, nothing, layers)
    return free


def _free_in_layer(layer: Layer) -> Any:
    unlocked = 1.0 - np.asarray(layer.locked, float)
    splines = layer.splines
    on = np.asarray(splines.mask * splines.allowed != 0, float) * unlocked
    free = jax.tree_util.tree_map(lambda leaf: np.zeros(leaf.shape), layer)
    subs, products = free_biases(layer)
    base = on if splines.base_function is not None else np.zeros_like(on)
    coef = np.broadcast_to(on[:, None, :], splines.coef.shape).copy()
    where: Any = lambda l: (l.splines.coef, l.splines.base, l.nodes.sub_bias, l.nodes.bias)
    free = updated(where, free, (coef, base, subs, products))
    if layer.symbols is not None:
        free = updated(lambda l: l.symbols.affine, free, free_affine(layer, unlocked))
    return free


def free_biases(layer: Layer) -> tuple[Any, Any]:
    """Return 1 for every bias that is free, else 0: of subnodes, (subs,), and of nodes, (nodes,), if products."""
    live, locked, nodes = layer.live(), np.asarray(layer.locked), layer.nodes
    named = np.zeros_like(live) if layer.symbols is None else np.asarray(layer.symbols.mask) != 0
    held = live.any(axis=0) & ~np.any(live & ~(locked & named), axis=0)
    products = [not held[list(nodes.members(n))].all() for n in range(nodes.n_sum, nodes.n_nodes)]
    return np.where(held, 0.0, 1.0), np.asarray([0.0] * nodes.n_sum + [float(p) for p in products])


def held_grids(layer: Layer) -> Any:
    """Return which inputs have a locked spline, (inputs,): moving their grids would move it a little."""
    on = np.asarray(layer.splines.mask * layer.splines.allowed) != 0
    return np.any(on & np.asarray(layer.locked), axis=1)


def free_affine(layer: Layer, unlocked: Any) -> Any:
    """Return (inputs, outputs, 4) of 0 and 1: the identifiable constants of every live named edge."""
    symbols = layer.symbols
    assert symbols is not None
    table = np.asarray(
        [["a" in f.free, "b" in f.free, "c" in f.free, False] for f in symbols.functions], float
    )
    on = (np.asarray(symbols.mask) != 0) * unlocked
    return table[np.asarray(symbols.function)] * on[:, :, None]


def vector(model: KAN) -> Any:
    """Return the numbers that training may move, free or not, as one vector (parameters,).

    Layer after layer: coefficients, base weights if there is a base function, constants of named edges if
    there are any, biases of subnodes, biases of nodes if there are products. Optimisers see this vector only.
    """
    parts = [part for layer in model.layers for part in _trainable(layer)]
    return namespace(*parts).concatenate([part.reshape(-1) for part in parts])


def with_vector(model: KAN, values: Any) -> KAN:
    """Return the model with the numbers of `vector(model)` replaced."""
    layers, start = [], 0
    for layer in model.layers:
        parts = []
        for old in _trainable(layer):
            parts.append(values[start : start + old.size].reshape(old.shape))
            start += old.size
        layers.append(eqx.tree_at(_trainable, layer, tuple(parts)))
    moved: KAN = updated(lambda m: m.layers, model, tuple(layers))
    return moved


def coefficient_places(model: KAN) -> tuple[slice, ...]:
    """Return where each layer's coefficients, (inputs, basis, outputs) in C order, stand in the vector."""
    places, start = [], 0
    for layer in model.layers:
        places.append(slice(start, start + layer.splines.coef.size))
        start += sum(part.size for part in _trainable(layer))
    return tuple(places)


def _trainable(layer: Any) -> tuple[Any, ...]:
    parts = [layer.splines.coef]
    if layer.splines.base_function is not None:
        parts.append(layer.splines.base)
    if layer.symbols is not None:
        parts.append(layer.symbols.affine)
    parts.append(layer.nodes.sub_bias)
    if layer.nodes.arities:
        parts.append(layer.nodes.bias)
    return tuple(parts)
