r"""One layer of a KAN: spline and symbolic edges side by side, then sum and product nodes.

Edge (i, j) runs from input i to subnode j and computes
$\phi_{ij}(x) = m_{ij} \sum_g c_{igj} B_{ig}(x) + s_{ij} (c f(a x + b) + d)$ with two masks m and s. Subnodes
sum their edges; a sum node passes its one subnode on, a product node multiplies its arity many; subnodes and
nodes carry affine maps (KAN 2.0, MultKAN). Sum nodes come first, then the products, and the subnodes of a
product stand side by side.

Everything here works in NumPy and in JAX: the arrays decide.
"""

from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from scikan.core import bspline
from scikan.core.functions import Function
from scikan.core.precision import namespace
from scikan.core.trees import updated


AnyArray = Array | np.ndarray


class SplineEdges(eqx.Module):
    """All spline edges of a layer; the knots belong to the inputs.

    `mask` says which edges are on; `allowed` is a module's standing prohibition, which no edit reopens.
    `base` weighs an optional fixed function beside the spline, as in the papers (none unless asked).
    """

    knots: Float[AnyArray, "*seeds inputs knots"]
    coef: Float[AnyArray, "*seeds inputs basis outputs"]
    base: Float[AnyArray, "*seeds inputs outputs"]
    mask: Float[AnyArray, "*seeds inputs outputs"]
    allowed: Float[AnyArray, "*seeds inputs outputs"]
    k: int = eqx.field(static=True)
    base_function: Function | None = eqx.field(static=True, default=None)

    @property
    def grid(self) -> int:
        """Number of grid intervals."""
        return int(self.knots.shape[-1]) - 2 * self.k - 1

    def features(self, x: Any) -> Any:
        """Return (batch, inputs, basis [+ 1]): the basis, with the base function as a last column if any."""
        columns = bspline.features(x, self.knots, self.k)
        if self.base_function is None:
            return columns
        xp = namespace(x, columns)
        return xp.concatenate([columns, self.base_function.value(xp, x)[:, :, None]], axis=2)

    def slopes(self, x: Any) -> Any:
        """Return d features / dx, same shape."""
        columns = bspline.feature_slopes(x, self.knots, self.k)
        if self.base_function is None:
            return columns
        xp = namespace(x, columns)
        return xp.concatenate([columns, self.base_function.derivative(xp, x)[:, :, None]], axis=2)

    def weights(self) -> Any:
        """Return (inputs, basis [+ 1], outputs), already times the masks."""
        on = (self.mask * self.allowed)[:, None, :]
        if self.base_function is None:
            return self.coef * on
        xp = namespace(self.coef)
        return xp.concatenate([self.coef, self.base[:, None, :]], axis=1) * on


class SymbolicEdges(eqx.Module):
    """All named edges of a layer: `functions[function[i, j]]` with constants `affine[i, j] = (a, b, c, d)`."""

    function: Int[AnyArray, "*seeds inputs outputs"]
    affine: Float[AnyArray, "*seeds inputs outputs 4"]
    mask: Float[AnyArray, "*seeds inputs outputs"]
    functions: tuple[Function, ...] = eqx.field(static=True)

    def __call__(self, x: Any) -> Any:
        """Return (batch, inputs, outputs), zero where the mask is."""
        return self._combine(x, lambda f, xp, u, a, c, d: c * f.value(xp, u) + d)

    def slope(self, x: Any) -> Any:
        """Return d edge / dx, (batch, inputs, outputs)."""
        return self._combine(x, lambda f, xp, u, a, c, d: a * c * f.derivative(xp, u))

    def _combine(self, x: Any, formula: Any) -> Any:
        xp = namespace(x, self.affine)
        a, b, c, d = (self.affine[..., n] for n in range(4))
        argument = a * x[:, :, None] + b
        total = xp.zeros_like(argument)
        for index, function in enumerate(self.functions):
            chosen = (self.function == index) & (self.mask != 0)
            # The safe argument keeps edges that are not selected, and their gradients, finite.
            u = xp.where(chosen, argument, xp.asarray(function.safe, dtype=argument.dtype))
            total = total + xp.where(chosen, formula(function, xp, u, a, c, d), xp.zeros_like(argument))
        return total * self.mask


class Nodes(eqx.Module):
    """Sum and product nodes with their affine maps; `arities` holds one entry a product node."""

    sub_scale: Float[AnyArray, "*seeds subs"]
    sub_bias: Float[AnyArray, "*seeds subs"]
    scale: Float[AnyArray, "*seeds nodes"]
    bias: Float[AnyArray, "*seeds nodes"]
    n_sum: int = eqx.field(static=True)
    arities: tuple[int, ...] = eqx.field(static=True, default=())

    @property
    def n_nodes(self) -> int:
        """Number of sum and product nodes together."""
        return self.n_sum + len(self.arities)

    @property
    def n_subs(self) -> int:
        """Number of subnodes: one a sum, arity many a product."""
        return self.n_sum + sum(self.arities)

    def owner(self) -> Int[np.ndarray, " subs"]:
        """Return for every subnode the index of its node."""
        sizes = [1] * self.n_sum + list(self.arities)
        return np.repeat(np.arange(self.n_nodes), sizes)

    def members(self, node: int) -> tuple[int, ...]:
        """Return the subnodes of a node."""
        return tuple(int(s) for s in np.flatnonzero(self.owner() == node))

    def __call__(self, z: Any) -> Any:
        """Map subnode sums (batch, subs) to node values (batch, nodes)."""
        return self.products(z * self.sub_scale + self.sub_bias) * self.scale + self.bias

    def products(self, subs: Any) -> Any:
        """Multiply the subnodes of each product node; sums pass through."""
        if not self.arities:
            return subs
        xp = namespace(subs)
        ones = xp.ones((*subs.shape[:-1], 1), dtype=subs.dtype)
        padded = xp.concatenate([subs, ones], axis=-1)
        factors = padded[..., self._factor_table()]
        return xp.concatenate([subs[..., : self.n_sum], xp.prod(factors, axis=-1)], axis=-1)

    def _factor_table(self) -> Int[np.ndarray, "products arity"]:
        # Absent factors point at the column of ones that stands after the subnodes.
        table = np.full((len(self.arities), max(self.arities)), self.n_subs)
        start = self.n_sum
        for row, arity in enumerate(self.arities):
            table[row, :arity] = np.arange(start, start + arity)
            start += arity
        return table


class LayerTrace(eqx.Module):
    """What happened inside a layer: inputs, edge outputs, subnode sums (after their affine), node values."""

    x: Float[AnyArray, "batch inputs"]
    edges: Float[AnyArray, "batch inputs outputs"]
    subs: Float[AnyArray, "batch outputs"]
    nodes: Float[AnyArray, "batch nodes"]


class Layer(eqx.Module):
    """Edges and nodes between two layers of nodes. `locked` edges take no training step."""

    splines: SplineEdges
    symbols: SymbolicEdges | None
    locked: Bool[AnyArray, "*seeds inputs outputs"]
    nodes: Nodes

    @property
    def n_inputs(self) -> int:
        """Number of input nodes."""
        return int(self.splines.mask.shape[-2])

    @property
    def n_subs(self) -> int:
        """Number of subnodes, the edges' targets."""
        return int(self.splines.mask.shape[-1])

    def live(self) -> Bool[np.ndarray, "inputs outputs"]:
        """Return which edges are on, as spline or as symbol."""
        on = np.asarray(self.splines.mask * self.splines.allowed) != 0
        return np.asarray(on if self.symbols is None else on | (np.asarray(self.symbols.mask) != 0))

    def sums(self, x: Any) -> Any:
        """Return the subnode sums before their affine map, (batch, subs)."""
        columns = self.splines.features(x)
        weights = self.splines.weights()
        weights = weights.reshape(-1, weights.shape[-1])
        z = columns.reshape(x.shape[0], weights.shape[0]) @ weights
        return z if self.symbols is None else z + self.symbols(x).sum(axis=1)

    def __call__(self, x: Any) -> Any:
        """Map node values (batch, inputs) to node values (batch, nodes)."""
        return self.nodes(self.sums(x))

    def edges(self, x: Any) -> Any:
        """Return every edge's output, (batch, inputs, outputs)."""
        xp = namespace(x, self.splines.coef)
        values = xp.einsum("nig,igo->nio", self.splines.features(x), self.splines.weights())
        return values if self.symbols is None else values + self.symbols(x)

    def trace(self, x: Any) -> LayerTrace:
        """Return inputs, edges, subnodes and nodes for a batch."""
        edges = self.edges(x)
        subs = edges.sum(axis=1) * self.nodes.sub_scale + self.nodes.sub_bias
        nodes = self.nodes.products(subs) * self.nodes.scale + self.nodes.bias
        return LayerTrace(x=x, edges=edges, subs=subs, nodes=nodes)


def new_layer(
    knots: Float[np.ndarray, "inputs knots"],
    n_sum: int,
    arities: tuple[int, ...],
    k: int,
    base_function: Function | None = None,
) -> Layer:
    """Return a layer of spline edges that are all on and all zero, with identity nodes."""
    n_inputs, n_subs = knots.shape[0], n_sum + sum(arities)
    dtype = knots.dtype
    splines = SplineEdges(
        knots=knots,
        coef=np.zeros((n_inputs, knots.shape[1] - k - 1, n_subs), dtype),
        base=np.zeros((n_inputs, n_subs), dtype),
        mask=np.ones((n_inputs, n_subs), dtype),
        allowed=np.ones((n_inputs, n_subs), dtype),
        k=k,
        base_function=base_function,
    )
    n_nodes = n_sum + len(arities)
    nodes = Nodes(
        sub_scale=np.ones(n_subs, dtype),
        sub_bias=np.zeros(n_subs, dtype),
        scale=np.ones(n_nodes, dtype),
        bias=np.zeros(n_nodes, dtype),
        n_sum=n_sum,
        arities=arities,
    )
    return Layer(splines=splines, symbols=None, locked=np.zeros((n_inputs, n_subs), bool), nodes=nodes)


def with_symbols(layer: Layer, functions: tuple[Function, ...]) -> Layer:
    """Return the layer with a symbolic table that knows these functions (and those it had), sorted by name."""
    n_inputs, n_subs = layer.n_inputs, layer.n_subs
    dtype = layer.splines.mask.dtype
    old = layer.symbols
    known = {f.name: f for f in (old.functions if old is not None else ())} | {f.name: f for f in functions}
    ordered = tuple(known[name] for name in sorted(known))
    if old is None:
        affine = np.zeros((n_inputs, n_subs, 4), dtype)
        affine[..., 0] = affine[..., 2] = 1.0
        symbols = SymbolicEdges(
            function=np.zeros((n_inputs, n_subs), np.int32),
            affine=affine,
            mask=np.zeros((n_inputs, n_subs), dtype),
            functions=ordered,
        )
    else:
        places = np.asarray([ordered.index(f) for f in old.functions] or [0], np.int32)
        symbols = SymbolicEdges(
            function=places[np.asarray(old.function)], affine=old.affine, mask=old.mask, functions=ordered
        )
    return updated(lambda l: l.symbols, layer, symbols)
