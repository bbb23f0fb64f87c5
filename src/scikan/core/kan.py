"""The network: feature map, layers, readout, names; and an ensemble of such networks.

`KAN` is an immutable pytree. Edits (`prune`, `refine`, `fix_symbolic`, ...) are free functions that return a
new one; a method here is about being a KAN and needs nothing but its fields. A MultKAN is a KAN with product
nodes. Constructors work in NumPy, so building a new shape compiles nothing; called on NumPy arrays a KAN is
evaluated by NumPy, on JAX arrays by JAX.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, NoReturn

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float

from scikan.core import bspline
from scikan.core.checks import check_network
from scikan.core.dataset import Dataset
from scikan.core.errors import SettingError, ShapeError
from scikan.core.features import AbstractFeatureMap, Chain, Scale, identity, natural_scale
from scikan.core.functions import Function
from scikan.core.layer import Layer, LayerTrace, new_layer
from scikan.core.names import numbered_names
from scikan.core.precision import namespace
from scikan.core.trees import updated


AnyArray = Array | np.ndarray
WidthEntry = int | Sequence[Any]
Width = tuple[tuple[int, tuple[int, ...]], ...]
EdgeAddress = tuple[int, int, int]

NO_PRODUCTS: tuple[int, ...] = ()


def parse_width(width: Sequence[WidthEntry]) -> Width:
    """Return one (sums, arities of products) pair per node layer.

    An entry is a number of sum nodes, or `(sums, products)` with products of arity 2, or
    `(sums, (2, 3))` naming the arity of each product.

    Raises:
        SettingError: if an entry is none of these, a layer is empty, or inputs hold products.
    """
    layers = tuple(_parse_entry(entry, position) for position, entry in enumerate(width))
    if len(layers) < 2:
        raise SettingError(
            f"A KAN needs at least inputs and outputs; width {list(width)} has {len(layers)} entries.",
            fix="write KAN([2, 5, 1]).",
        )
    if layers[0][1]:
        raise SettingError("The input layer cannot hold product nodes.", fix="write KAN([2, (5, 2), 1]).")
    return layers


def _parse_entry(entry: WidthEntry, position: int) -> tuple[int, tuple[int, ...]]:
    if isinstance(entry, int | np.integer):
        sums, arities = int(entry), NO_PRODUCTS
    elif len(entry) == 2 and isinstance(entry[1], int | np.integer):
        sums, arities = int(entry[0]), (2,) * int(entry[1])
    elif len(entry) == 2:
        sums, arities = int(entry[0]), tuple(int(a) for a in entry[1])
    else:
        raise SettingError(f"Width entry {position} is {entry!r}.", fix="use 5, (5, 2) or (5, (2, 3)).")
    if sums < 0 or sums + len(arities) == 0 or any(a < 1 for a in arities):
        raise SettingError(
            f"Width entry {position} is {entry!r}: a layer needs at least one node, and arities of at least 1.",
            fix="use 5, (5, 2) or (5, (2, 3)).",
        )
    return sums, arities


class Trace(eqx.Module):
    """All inner values of a network on a batch, one `LayerTrace` a layer; made only when asked."""

    inputs: Float[AnyArray, "batch inputs"]
    layers: tuple[LayerTrace, ...]
    outputs: Float[AnyArray, "batch outputs"]


@dataclass(frozen=True)
class Edge:
    """A read-only view of one edge: `kind` is "off", "spline", "symbolic" or "both"."""

    address: EdgeAddress
    kind: str
    name: str
    constants: tuple[float, float, float, float]
    curve: Callable[[Any], Any]


class KAN(eqx.Module):
    """A Kolmogorov-Arnold network with sum and multiplication nodes.

    Args:
        width: node counts, e.g. `[2, (5, 1), 1]`: 2 inputs, 5 sums and 1 product of arity 2, 1 output.
        grid: number of grid intervals G of every spline.
        k: spline degree, 1 to 5.
        key: integer seed of the random start.
        noise: size of the random part beside random straight lines, in the start.
        domain: (low, high), or one such pair per input: where the first grid lies.
        dtype: `numpy.float64` (default) or `numpy.float32`.
        base_function: a fixed function beside every spline (pykan uses SiLU); none by default.
        names, targets: of inputs and outputs; default x1, x2, ... and y, as in a `Dataset`.
        features, readout: maps from columns to inputs and from outputs to the target's units.

    Raises:
        SettingError: for an impossible width, grid, degree, domain or dtype.

    Verbs: fit, attribute, prune, compact, refine, update_grid, suggest_symbolic, fix_symbolic,
    auto_symbolic, formula, plot, save.
    """

    features: AbstractFeatureMap
    layers: tuple[Layer, ...]
    readout: AbstractFeatureMap
    domain: Float[AnyArray, "*seeds columns 2"]
    names: tuple[str, ...] = eqx.field(static=True)
    targets: tuple[str, ...] = eqx.field(static=True)

    def __init__(
        self,
        width: Sequence[WidthEntry],
        grid: int = 5,
        k: int = 3,
        key: int = 0,
        *,
        noise: float = 0.3,
        domain: Any = (-1.0, 1.0),
        dtype: Any = np.float64,
        base_function: Function | None = None,
        names: Sequence[str] | None = None,
        targets: Sequence[str] | None = None,
        features: AbstractFeatureMap | None = None,
        readout: AbstractFeatureMap | None = None,
    ) -> None:
        shape = parse_width(width)
        bspline.check_degree(k)
        rng = np.random.default_rng(key)
        n_inputs, n_outputs = shape[0][0], shape[-1][0] + len(shape[-1][1])
        ends = np.broadcast_to(np.asarray(domain, float), (n_inputs, 2))
        self.names = numbered_names("x", n_inputs) if names is None else tuple(names)
        self.targets = numbered_names("y", n_outputs) if targets is None else tuple(targets)
        counts = None if features else n_inputs, None if readout else n_outputs
        check_network(self.names, self.targets, counts, ends, dtype)
        self.domain, layers = np.array(ends, dtype=dtype), []
        for sums, arities in shape[1:]:
            knots = bspline.uniform_knots(ends[:, 0], ends[:, 1], grid, k).astype(dtype)
            layers.append(_start(new_layer(knots, sums, arities, k, base_function), rng, noise))
            ends = np.broadcast_to([-1.5, 1.5], (sums + len(arities), 2))
        self.features, self.readout = features or identity(), readout or identity()
        self.layers = tuple(layers)

    @classmethod
    def for_data(
        cls,
        data: Dataset,
        hidden: Sequence[WidthEntry] = (),
        grid: int = 5,
        k: int = 3,
        key: int = 0,
        **options: Any,
    ) -> "KAN":
        """Return a KAN that fits a table: sizes, names, scales and first grid from the data.

        The network's output is the target divided by a power of ten, or its logarithm for positive
        targets over more than two decades. Every row of `data` lays the first knots; a search that
        judges on rows of its own passes the others only.
        """
        features = natural_scale(data.x, data.input_scales)
        readout = natural_scale(data.y, data.target_scales)
        if isinstance(readout, Chain):
            spread = readout(data.y).std(axis=0)
            spread = np.where(spread > 0, spread, 1.0)
            readout = Chain((*readout.maps, Scale(1.0 / spread)))
        inputs = features(data.x)
        model = cls(
            [data.n_inputs, *hidden, data.y.shape[1]],
            grid,
            k,
            key,
            names=data.names,
            targets=data.targets,
            features=features,
            readout=readout.inverse(),
            **options,
        )
        knots = bspline.sample_knots(inputs, grid, k).astype(model.dtype)
        domain = np.stack([data.x.min(axis=0), data.x.max(axis=0)], axis=1).astype(model.dtype)
        where = lambda m: (m.layers[0].splines.knots, m.domain)
        return updated(where, model, (knots, domain))

    @property
    def width(self) -> Width:
        """(sums, arities of products) per node layer, inputs first."""
        first = (self.layers[0].n_inputs, ())
        return (first, *((layer.nodes.n_sum, layer.nodes.arities) for layer in self.layers))

    @property
    def dtype(self) -> Any:
        """Floating type of all parameters."""
        return self.layers[0].splines.coef.dtype

    @property
    def n_outputs(self) -> int:
        """Number of outputs."""
        return self.layers[-1].nodes.n_nodes

    @property
    def n_edges(self) -> int:
        """Number of edges that are on, spline and symbolic."""
        return int(sum(layer.live().sum() for layer in self.layers))

    def edges(self) -> tuple[EdgeAddress, ...]:
        """Return the addresses (layer, input, output) of all edges that are on."""
        return tuple(
            (l, int(i), int(j)) for l, layer in enumerate(self.layers) for i, j in np.argwhere(layer.live())
        )

    def __call__(self, x: Any) -> Any:
        """Return predictions (batch, outputs) in the target's units for raw columns x (batch, columns)."""
        x = self._check(x)
        with np.errstate(all="ignore"):
            return self.readout(self.network(self.features(x).astype(self.dtype)))

    def network(self, inputs: Any) -> Any:
        """Return the network's outputs for its inputs: no feature map, no readout."""
        for layer in self.layers:
            inputs = layer(inputs)
        return inputs

    def with_names(self, names: Sequence[str], targets: Sequence[str]) -> "KAN":
        """Return the model with other names for its columns and outputs."""
        # Names are static, out of reach of `tree_at`; the arrays are shared, not copied.
        renamed = object.__new__(type(self))
        for field in fields(self):
            object.__setattr__(renamed, field.name, getattr(self, field.name))
        object.__setattr__(renamed, "names", tuple(names))
        object.__setattr__(renamed, "targets", tuple(targets))
        return renamed

    def trace(self, x: Any) -> Trace:
        """Return all inner values on a batch of raw columns."""
        with np.errstate(all="ignore"):
            inputs = nodes = self.features(self._check(x))
            traces = []
            for layer in self.layers:
                traces.append(layer.trace(nodes))
                nodes = traces[-1].nodes
            return Trace(inputs=inputs, layers=tuple(traces), outputs=self.readout(nodes))

    def _check(self, x: Any) -> Any:
        if not isinstance(x, jax.Array):
            x = np.asarray(x)
        if x.ndim != 2 or x.shape[1] != len(self.names):
            raise ShapeError(
                f"The network takes rows of {len(self.names)} columns ({', '.join(self.names)}); got shape {x.shape}.",
                fix="pass an array of shape (rows, columns), columns in this order.",
            )
        dtype = self.dtype if not isinstance(x, np.ndarray) or x.dtype != self.dtype else None
        return x if dtype is None else x.astype(dtype)

    def __getitem__(self, address: EdgeAddress) -> Edge:
        """Return a view of edge (layer, input, output)."""
        l, i, j = self.check_address(address)
        layer = self.layers[l]
        spline = bool(layer.splines.mask[i, j] * layer.splines.allowed[i, j] != 0)
        symbol = layer.symbols is not None and bool(layer.symbols.mask[i, j] != 0)
        kind = {(False, False): "off", (True, False): "spline", (False, True): "symbolic"}.get(
            (spline, symbol), "both"
        )
        name, constants = "", (1.0, 0.0, 1.0, 0.0)
        if symbol and layer.symbols is not None:
            name = layer.symbols.functions[int(layer.symbols.function[i, j])].name
            a, b, c, d = (float(v) for v in layer.symbols.affine[i, j])
            constants = (a, b, c, d)
        return Edge((l, i, j), kind, name, constants, lambda u: self._edge_curve(address, u))

    def _edge_curve(self, address: EdgeAddress, u: Any) -> Any:
        l, i, j = address
        xp = namespace(u)
        layer = self.layers[l]
        batch = xp.broadcast_to(xp.asarray(u, dtype=self.dtype)[:, None], (len(u), layer.n_inputs))
        with np.errstate(all="ignore"):
            return layer.edges(batch)[:, i, j]

    def check_address(self, address: EdgeAddress) -> EdgeAddress:
        """Return the address as plain integers, or raise SettingError if there is no such edge."""
        if np.shape(address) != (3,):
            raise SettingError(
                f"{address!r} is no edge.", fix="write (layer, input, output), e.g. (0, 1, 0)."
            )
        l, i, j = (int(n) for n in address)
        if not 0 <= l < len(self.layers):
            raise SettingError(
                f"There is no layer {l}; this KAN has layers 0 to {len(self.layers) - 1}.",
                fix="list the edges with model.edges().",
            )
        n_in, n_out = self.layers[l].n_inputs, self.layers[l].n_subs
        if not (0 <= i < n_in and 0 <= j < n_out):
            raise SettingError(
                f"There is no edge {(l, i, j)}; layer {l} has {n_in} inputs and {n_out} outputs.",
                fix="list the edges with model.edges().",
            )
        return l, i, j

    def __getattr__(self, name: str) -> NoReturn:
        if name in _PYKAN_VERBS:
            raise AttributeError(
                f"KANs are immutable and have no method {name!r}: write {_PYKAN_VERBS[name]}."
            )
        raise AttributeError(f"KAN has no attribute {name!r}.")

    def __repr__(self) -> str:
        shape = [sums if not arities else (sums, arities) for sums, arities in self.width]
        splines = self.layers[0].splines
        law = f"{', '.join(self.targets)} of {', '.join(self.names)}"
        return f"KAN({shape}, grid={splines.grid}, k={splines.k}, edges={self.n_edges}, {law})"


_PYKAN_VERBS = {
    "fit": "model, log = kn.fit(model, data)",
    "prune": "model = kn.prune(model, kn.attribute(model, data))",
    "plot": "kn.plot(model, data)",
    "refine": "model = kn.refine(model, grid=10)",
    "attribute": "scores = kn.attribute(model, data)",
    "auto_symbolic": "model, fits = kn.auto_symbolic(model, data)",
    "suggest_symbolic": "kn.suggest_symbolic(model, (l, i, j), data)",
    "fix_symbolic": "model, fit = kn.fix_symbolic(model, (l, i, j), 'sin', data)",
    "symbolic_formula": "law = kn.formula(model)",
    "saveckpt": "kn.save('model.kan', model)",
}


def _start(layer: Layer, rng: np.random.Generator, noise: float) -> Layer:
    """Give a new layer random straight lines plus noise, and its products factors that are not all near 0."""
    splines, nodes = layer.splines, layer.nodes
    n_inputs, n_basis, n_subs = splines.coef.shape
    lines = bspline.line_coefficients(np.asarray(splines.knots, float), splines.k)
    slope = rng.normal(size=(n_inputs, 1, n_subs))
    coef = (lines[:, :, None] * slope + noise * rng.normal(size=splines.coef.shape)) / np.sqrt(n_inputs)
    bias = np.zeros(n_subs)
    bias[nodes.n_sum :] = rng.normal(size=n_subs - nodes.n_sum)
    where = lambda l: (l.splines.coef, l.nodes.sub_bias)
    dtype = splines.coef.dtype
    return updated(where, layer, (coef.astype(dtype), bias.astype(dtype)))


class Ensemble(eqx.Module):
    """Several KANs of one structure, every array with a leading seed axis.

    `fit` takes an ensemble where it takes a KAN and trains all members in one compiled program; `map` lifts any
    array-to-array verb; `ensemble[k]` is member k.
    """

    members: KAN

    @classmethod
    def of(cls, models: Sequence[KAN]) -> "Ensemble":
        """Stack KANs of one structure.

        Raises:
            SettingError: if there is none, or their structures differ.
        """
        if not models:
            raise SettingError(
                "An ensemble needs at least one KAN.", fix="Ensemble.of([KAN(..., key=s) for s in range(8)])."
            )
        structures = {jax.tree_util.tree_structure(model) for model in models}
        if len(structures) > 1:
            raise SettingError(
                "The KANs of an ensemble differ in structure (width, grid, names or functions).",
                fix="build them with the same arguments and different keys.",
            )
        return cls(jax.tree_util.tree_map(lambda *leaves: np.stack([np.asarray(l) for l in leaves]), *models))

    @property
    def size(self) -> int:
        """Number of members."""
        return int(self.members.domain.shape[0])

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> KAN:
        if not -self.size <= index < self.size:
            raise IndexError(f"Member {index} of an ensemble of {self.size}.")
        member: KAN = jax.tree_util.tree_map(lambda leaf: leaf[index], self.members)
        return member

    def map(self, verb: Callable[..., Any], *args: Any) -> Any:
        """Return `verb(member, *args)` for every member, stacked: an Ensemble if the results are KANs, else a list."""
        results = [verb(self[k], *args) for k in range(self.size)]
        return Ensemble.of(results) if all(isinstance(r, KAN) for r in results) else results

    def __call__(self, x: Any) -> Any:
        """Return predictions of all members, (members, batch, outputs)."""
        return np.stack([np.asarray(self[k](x)) for k in range(self.size)])
