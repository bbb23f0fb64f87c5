r"""The Jacobian of a small KAN by one backward pass an output, in NumPy, with nothing compiled.

The sensitivity $\delta_j = \partial y / \partial z_j$ of an output to the edge sum of subnode j is carried
backwards; the Jacobian's columns of edge (i, j) are then $\delta_j$ times its basis functions (a spline) or
times its derivatives by a, b, c (a named edge). Cost: that of a gradient. `Workspace` is the mutable
scratchpad of one fit: it unpacks a KAN's arrays, moves them, and packs them into a new KAN at the end.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Float

from scikan.core import bspline
from scikan.core.kan import KAN
from scikan.core.layer import Layer
from scikan.core.trees import updated
from scikan.train.parameters import free_affine, free_biases, held_grids


Rows = Float[np.ndarray, "_ _"]


class LayerSpace:
    """One layer's arrays, its free parameters, and the inner values of the last forward pass."""

    def __init__(self, layer: Layer) -> None:
        splines, nodes = layer.splines, layer.nodes
        unlocked = 1.0 - np.asarray(layer.locked, float)
        self.k = splines.k
        self.base_function = splines.base_function
        self.knots = np.array(splines.knots, float)
        self.coef = np.array(splines.coef, float)
        self.base = np.array(splines.base, float)
        self.on = np.asarray(splines.mask * splines.allowed, float)
        self.free_edges = [(int(i), int(j)) for i, j in np.argwhere(self.on * unlocked)]
        self.sub_scale, self.sub_bias = np.array(nodes.sub_scale, float), np.array(nodes.sub_bias, float)
        self.scale, self.bias = np.array(nodes.scale, float), np.array(nodes.bias, float)
        self.nodes = nodes
        self.owner = nodes.owner()
        self.free_subs, self.free_nodes = (np.flatnonzero(free) for free in free_biases(layer))
        self.held_grids = held_grids(layer)
        self.affine = np.zeros((*self.on.shape, 4))
        self.named: list[tuple[int, int, Any]] = []
        self.free_constants: list[tuple[int, int, int]] = []
        if layer.symbols is not None:
            symbols = layer.symbols
            self.affine = np.array(symbols.affine, float)
            self.named = [
                (int(i), int(j), symbols.functions[int(symbols.function[i, j])])
                for i, j in np.argwhere(np.asarray(symbols.mask) != 0)
            ]
            places = np.argwhere(free_affine(layer, unlocked))
            self.free_constants = [(int(i), int(j), int(n)) for i, j, n in places]
        self.has_base = self.base_function is not None
        self.width = self.coef.shape[1] + self.has_base
        self.n_parameters = (
            len(self.free_edges) * self.width
            + len(self.free_constants)
            + len(self.free_subs)
            + len(self.free_nodes)
        )
        self.features: Any = None
        self.fixed_features: Any = None

    def read(self) -> np.ndarray:
        """Return the free parameters as one vector."""
        parts = [self.weights()[i, :, j] for i, j in self.free_edges]
        parts.append(np.asarray([self.affine[at] for at in self.free_constants]))
        return np.concatenate([*parts, self.sub_bias[self.free_subs], self.bias[self.free_nodes]])

    def write(self, theta: np.ndarray) -> None:
        """Set the free parameters."""
        place = 0
        n_basis = self.coef.shape[1]
        for i, j in self.free_edges:
            self.coef[i, :, j] = theta[place : place + n_basis]
            if self.has_base:
                self.base[i, j] = theta[place + n_basis]
            place += self.width
        for at in self.free_constants:
            self.affine[at] = theta[place]
            place += 1
        self.sub_bias[self.free_subs] = theta[place : place + len(self.free_subs)]
        self.bias[self.free_nodes] = theta[place + len(self.free_subs) :]

    def weights(self) -> np.ndarray:
        """Return (inputs, basis [+ 1], outputs) of spline coefficients, base weight last."""
        return np.concatenate([self.coef, self.base[:, None, :]], axis=1) if self.has_base else self.coef

    def basis(self, x: Rows) -> np.ndarray:
        """Return the spline features of x."""
        columns = np.asarray(bspline.features(x, self.knots, self.k))
        if self.base_function is None:
            return columns
        return np.concatenate([columns, self.base_function.value(np, x)[:, :, None]], axis=2)

    def forward(self, x: Rows) -> Rows:
        """Return node values, keeping what the backward pass needs."""
        self.x = x
        z = np.zeros((x.shape[0], self.on.shape[1]))
        if self.on.any():
            self.features = self.basis(x) if self.fixed_features is None else self.fixed_features
            weights = self.weights() * self.on[:, None, :]
            z = self.features.reshape(x.shape[0], -1) @ weights.reshape(-1, weights.shape[2])
        self.arguments = []
        for i, j, function in self.named:
            a, b, c, d = self.affine[i, j]
            u = a * x[:, i] + b
            value = function.value(np, u)
            self.arguments.append((u, value))
            z[:, j] += c * value + d
        self.subs = z * self.sub_scale + self.sub_bias
        return np.asarray(self.nodes.products(self.subs) * self.scale + self.bias)

    def slopes(self) -> np.ndarray:
        """Return d edge / dx at the last forward pass, (batch, inputs, outputs)."""
        slopes = np.zeros((self.x.shape[0], *self.on.shape))
        if self.on.any():
            columns = bspline.feature_slopes(self.x, self.knots, self.k)
            if self.base_function is not None:
                columns = np.concatenate(
                    [columns, self.base_function.derivative(np, self.x)[:, :, None]], axis=2
                )
            weights = self.weights() * self.on[:, None, :]
            slopes = np.stack([columns[:, i] @ weights[i] for i in range(len(weights))], axis=1)
        for (i, j, function), (u, _) in zip(self.named, self.arguments, strict=True):
            a, _, c, _ = self.affine[i, j]
            slopes[:, i, j] += a * c * function.derivative(np, u)
        return np.asarray(slopes)

    def sub_sensitivity(self, delta: Rows) -> Rows:
        """Carry d y / d node back to d y / d subnode: a factor of a product meets the product of the others."""
        through = (delta * self.scale)[:, self.owner]
        for node, arity in enumerate(self.nodes.arities, start=self.nodes.n_sum):
            members = self.nodes.members(node)
            for s in members:
                for other in members:
                    if other != s:
                        through[:, s] *= self.subs[:, other]
        return np.asarray(through)

    def columns(self, delta: Rows, sub_delta: Rows, out: np.ndarray) -> None:
        """Write the Jacobian's columns of this layer into out (batch, n_parameters)."""
        z_delta = sub_delta * self.sub_scale
        place = 0
        for i, j in self.free_edges:
            np.multiply(
                self.features[:, i],
                (z_delta[:, j] * self.on[i, j])[:, None],
                out=out[:, place : place + self.width],
            )
            place += self.width
        at_edge = {(i, j): n for n, (i, j, _) in enumerate(self.named)}
        for i, j, constant in self.free_constants:
            _, _, function = self.named[at_edge[i, j]]
            u, value = self.arguments[at_edge[i, j]]
            a, _, c, _ = self.affine[i, j]
            by = (
                value
                if constant == 2
                else c * function.derivative(np, u) * (self.x[:, i] if constant == 0 else 1.0)
            )
            out[:, place] = z_delta[:, j] * by
            place += 1
        n_subs = len(self.free_subs)
        out[:, place : place + n_subs] = sub_delta[:, self.free_subs]
        out[:, place + n_subs :] = delta[:, self.free_nodes]

    def pack(self, layer: Layer) -> Layer:
        """Return the layer with this workspace's numbers, in its own dtype."""
        dtype = layer.splines.coef.dtype
        where: Any = lambda l: (
            l.splines.knots,
            l.splines.coef,
            l.splines.base,
            l.nodes.sub_bias,
            l.nodes.bias,
        )
        values = tuple(v.astype(dtype) for v in (self.knots, self.coef, self.base, self.sub_bias, self.bias))
        layer = updated(where, layer, values)
        if layer.symbols is not None:
            layer = updated(lambda l: l.symbols.affine, layer, self.affine.astype(dtype))
        return layer


class Workspace:
    """A KAN unpacked for fitting on one batch of network inputs (after the feature map)."""

    def __init__(self, model: KAN, inputs: Rows) -> None:
        self.model = model
        self.inputs = np.asarray(inputs, float)
        self.layers = [LayerSpace(layer) for layer in model.layers]
        self.freeze_first_features()

    def freeze_first_features(self) -> None:
        """Compute the first layer's basis once: inputs and knots stand still."""
        first = self.layers[0]
        first.fixed_features = first.basis(self.inputs) if first.on.any() else None

    @property
    def n_parameters(self) -> int:
        """Number of free parameters."""
        return sum(layer.n_parameters for layer in self.layers)

    def read(self) -> np.ndarray:
        """Return all free parameters as one vector."""
        return np.concatenate([layer.read() for layer in self.layers])

    def write(self, theta: np.ndarray) -> None:
        """Set all free parameters."""
        place = 0
        for layer in self.layers:
            layer.write(theta[place : place + layer.n_parameters])
            place += layer.n_parameters

    def edge_places(self) -> Iterator[slice]:
        """Yield where each free edge's spline coefficients stand in the vector."""
        place = 0
        for layer in self.layers:
            for edge in range(len(layer.free_edges)):
                start = place + edge * layer.width
                yield slice(start, start + layer.coef.shape[1])
            place += layer.n_parameters

    def forward(self) -> Rows:
        """Return the network's outputs (batch, outputs)."""
        values = self.inputs
        for layer in self.layers:
            values = layer.forward(values)
        return values

    def jacobian(self) -> Float[np.ndarray, "outputs batch parameters"]:
        """Return d output / d parameters at the last forward pass."""
        n_outputs = self.layers[-1].nodes.n_nodes
        n_rows = self.inputs.shape[0]
        result = np.empty((n_outputs, n_rows, self.n_parameters))
        slopes = [None, *(layer.slopes() for layer in self.layers[1:])]
        for output in range(n_outputs):
            delta = np.zeros((n_rows, n_outputs))
            delta[:, output] = 1.0
            end = self.n_parameters
            for layer, slope in zip(reversed(self.layers), reversed(slopes), strict=True):
                sub_delta = layer.sub_sensitivity(delta)
                layer.columns(delta, sub_delta, result[output, :, end - layer.n_parameters : end])
                end -= layer.n_parameters
                if slope is not None:
                    delta = np.einsum("nio,no->ni", slope, sub_delta * layer.sub_scale)
        return result

    def pack(self) -> KAN:
        """Return the KAN with this workspace's numbers."""
        layers = tuple(space.pack(layer) for space, layer in zip(self.layers, self.model.layers, strict=True))
        packed: KAN = updated(lambda m: m.layers, self.model, layers)
        return packed
