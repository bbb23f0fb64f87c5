"""Networks and rows shared by the tests of training: few shapes, since every new one costs a compile."""

import equinox as eqx
import numpy as np

from scikan.core.functions import LIBRARY
from scikan.core.kan import KAN
from scikan.core.layer import with_symbols


def target(x):
    return np.sin(3.0 * x[:, :1]) + x[:, 1:] ** 2


def table(rows=200, key=0):
    x = np.random.default_rng(key).uniform(-1, 1, size=(rows, 2))
    return x, target(x)


def small(key=0, dtype=np.float64):
    return KAN([2, 3, 1], grid=3, key=key, dtype=dtype)


def with_edge(model, address, name, constants):
    """Return the model with one edge named, its spline switched off."""
    l, i, j = address
    layer = with_symbols(model.layers[l], (LIBRARY[name],))
    index = [f.name for f in layer.symbols.functions].index(name)
    function, affine = layer.symbols.function.copy(), layer.symbols.affine.copy()
    mask, splines = layer.symbols.mask.copy(), layer.splines.mask.copy()
    function[i, j], affine[i, j], mask[i, j], splines[i, j] = index, constants, 1.0, 0.0
    layer = eqx.tree_at(
        lambda m: (m.symbols.function, m.symbols.affine, m.symbols.mask, m.splines.mask),
        layer,
        (function, affine, mask, splines),
    )
    layers = (*model.layers[:l], layer, *model.layers[l + 1 :])
    return eqx.tree_at(lambda m: m.layers, model, layers)


def arrays(model):
    import jax

    return jax.tree_util.tree_leaves(model)


def same(a, b):
    """Return whether two pytrees are equal bit for bit."""
    return all(np.array_equal(x, y, equal_nan=True) for x, y in zip(arrays(a), arrays(b), strict=True))
