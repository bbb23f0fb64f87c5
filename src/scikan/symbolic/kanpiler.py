"""kanpiler: a formula becomes a KAN whose every edge is named and whose nodes are its sums and products.

The expression is read as a graph with shared subexpressions: a product of several factors is a product node,
a sum is a sum node with one edge per term, a function or power of something is an edge. Numbers go into the
edges' constants and the nodes' biases. Nodes stand as close to the output as they can, inputs are carried up
by identity edges, and two terms that would share one edge are told apart by a node between. The result is
checked against the expression before it is returned (KAN 2.0, section 3.3).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import jax
import numpy as np

from scikan.core import bspline
from scikan.core.errors import CompileError
from scikan.core.expr import (
    Add,
    Call,
    Expr,
    Mul,
    Number,
    Pow,
    Symbol,
    add,
    as_float,
    children,
    evaluate,
    is_numeric,
    multiply,
    symbols,
)
from scikan.core.functions import LIBRARY, power_function
from scikan.core.kan import KAN, WidthEntry
from scikan.core.layer import Layer, new_layer
from scikan.core.parser import apply, parse
from scikan.core.samples import box_samples
from scikan.core.trees import updated
from scikan.edit.growth import IDENTITY, Name, set_names
from scikan.law.simplify import simplify


GRID = 5
N_CHECKS = 64
AGREEMENT, SHAKES = 1e-10, (-2e-15, -5e-16, 5e-16, 2e-15)
"""How well the network must agree with its source, relatively, and how the columns are shaken to see rounding."""


@dataclass(frozen=True)
class Wire:
    """An edge of the graph: from a node, through a named function."""

    source: int
    name: Name


@dataclass
class Junction:
    """Wires that are summed: a sum node, or one factor of a product node."""

    wires: list[Wire] = field(default_factory=list)
    bias: float = 0.0


@dataclass
class GraphNode:
    """An input (no factors), a sum (one factor) or a product (several)."""

    factors: list[Junction]
    scale: float = 1.0


def kanpiler(
    expression: str | Expr | Sequence[str | Expr],
    variables: Sequence[str],
    *,
    domain: Any = None,
    targets: Sequence[str] | None = None,
) -> KAN:
    """Return the KAN of a formula, or of several (one output each).

    Args:
        expression: text in Python syntax, an `Expr`, or a sequence of them.
        variables: the input columns in order; all names in the formula must be among them.
        domain: (inputs, 2) ranges of the columns, for plots; [-1, 1] if not given.
        targets: names of the outputs.

    Raises:
        FormulaError: if a text is no formula over these variables.
        CompileError: if the network would not equal the formula: a number in it is not real (log(-3)), numbers
            overflow, or the formula passes through an infinity where it has a value (x + 1/(1 + 1/(abs(x) - x))).

    Example:
        `kanpiler("exp(sin(pi*x) + y**2)", ["x", "y"])` has width [2, 1, 1] and three edges.
    """
    given = [expression] if isinstance(expression, str | Expr) else list(expression)
    trees = [parse(e, names=list(variables)) if isinstance(e, str) else e for e in given]
    unknown = sorted({s for tree in trees for s in symbols(tree)} - set(variables))
    if unknown:
        raise CompileError(
            f"The formula uses {unknown[0]!r}, which is none of the variables {list(variables)}.",
            fix="add it to the variables.",
        )
    for tree in trees:
        _refuse_unreal(tree)
    # Where rounding of a part decides, as in arcsin(x/x), the simplified formula is compiled: it has no such part.
    faults = []
    for prepare in (lambda tree: tree, simplify):
        source = [prepare(tree) for tree in trees]
        graph = _Graph(tuple(variables))
        with np.errstate(all="ignore"):
            model = _network(graph, graph.outputs(source), tuple(variables), targets, domain)
        fault = _fault(model, trees, tuple(variables))
        if fault is None:
            return model
        faults.append(fault)
    raise faults[0]


class _Graph:
    """Nodes with shared subexpressions; the first ones are the inputs."""

    def __init__(self, variables: tuple[str, ...]) -> None:
        self.nodes = [GraphNode([]) for _ in variables]
        self.known: dict[Expr, int] = {Symbol(name): n for n, name in enumerate(variables)}

    def outputs(self, trees: list[Expr]) -> list[int]:
        """Return one fresh node per formula: products only if all are, since sums stand first in a layer."""
        products = [isinstance(_stripped(tree)[1], Mul) for tree in trees]
        return [
            self._new(self._product(tree) if all(products) else GraphNode([self._junction(tree)]))
            for tree in trees
        ]

    def node(self, tree: Expr) -> int:
        """Return the node that computes a subexpression."""
        if tree not in self.known:
            made = self._product(tree) if isinstance(tree, Mul) else GraphNode([self._junction(tree)])
            self.known[tree] = self._new(made)
        return self.known[tree]

    def _new(self, node: GraphNode) -> int:
        self.nodes.append(node)
        return len(self.nodes) - 1

    def _product(self, tree: Expr) -> GraphNode:
        scale, core = _stripped(tree)
        factors = core.args if isinstance(core, Mul) else (core,)
        return GraphNode([self._junction(factor) for factor in factors], scale)

    def _junction(self, tree: Expr) -> Junction:
        """Write an expression as a sum of wires and a bias."""
        junction = Junction()
        self._collect(tree, 1.0, junction)
        taken: set[int] = set()
        for place, wire in enumerate(junction.wires):
            if wire.source in taken:
                # A second function of the same node gets a node of its own and arrives by identity.
                junction.wires[place] = Wire(self._new(GraphNode([Junction([wire])])), IDENTITY)
            taken.add(junction.wires[place].source)
        return junction

    def _collect(self, tree: Expr, scale: float, junction: Junction) -> None:
        factor, core = _stripped(tree)
        scale *= factor
        if core is None:
            junction.bias += scale
        elif isinstance(core, Add):
            for term in core.args:
                self._collect(term, scale, junction)
        else:
            wire = self._wire(core)
            a, b, c, d = wire.name.affine
            junction.wires.append(Wire(wire.source, Name(wire.name.function, (a, b, c * scale, 0.0))))

    def _wire(self, core: Expr) -> Wire:
        """Return the edge that computes a term without its numeric factor."""
        if isinstance(core, Symbol | Mul):
            return Wire(self.node(core), IDENTITY)
        if isinstance(core, Call):
            a, inner, b = _affine(core.argument)
            return Wire(self.node(inner), Name(core.function, (a, b, 1.0, 0.0)))
        if isinstance(core, Pow) and is_numeric(core.exponent):
            p = core.exponent.value if isinstance(core.exponent, Number) else as_float(core.exponent)  # type: ignore[arg-type]
            a, inner, b = _affine(core.base)
            return Wire(
                self.node(inner),
                Name(power_function(p if isinstance(p, Fraction) else float(p)), (a, b, 1.0, 0.0)),
            )
        if isinstance(core, Pow):
            logarithm = apply(LIBRARY["log"], core.base)
            if is_numeric(core.base):
                if _value(core.base) <= 0.0:
                    raise CompileError(
                        f"{core} is a power of a number that is not positive with an exponent that varies.",
                        fix="write the base as a positive number; (-1)**n is cos(pi*n) for whole n.",
                    )
                logarithm = Number(float(np.log(_value(core.base))))
            return self._wire(apply(LIBRARY["exp"], multiply([core.exponent, logarithm])))
        raise CompileError(
            f"{core} cannot be written as an edge.", fix="write it with + - * / ** and library functions."
        )


def _value(tree: Expr) -> float:
    return float(np.asarray(evaluate(tree, {})))


def _stripped(tree: Expr) -> tuple[float, Any]:
    """Return (numeric factor, the rest); the rest is None for a number."""
    if not symbols(tree):
        return _value(tree), None
    if isinstance(tree, Mul):
        numbers = [f for f in tree.args if not symbols(f)]
        others = [f for f in tree.args if symbols(f)]
        return float(np.prod([_value(f) for f in numbers])) if numbers else 1.0, multiply(others)
    return 1.0, tree


def _affine(tree: Expr) -> tuple[float, Expr, float]:
    """Return (a, h, b) with tree = a h + b and nothing numeric left in h."""
    shift = 0.0
    if isinstance(tree, Add):
        numbers = [t for t in tree.args if not symbols(t)]
        shift = sum((_value(t) for t in numbers), 0.0)
        tree = add([t for t in tree.args if symbols(t)])
    factor, core = _stripped(tree)
    if core is None:
        raise CompileError(f"{tree} is a constant inside a function.", fix="simplify the formula first.")
    return factor, core, shift


def _levels(graph: _Graph, outputs: list[int]) -> tuple[dict[int, int], int]:
    """Return the layer of every node that is used, as late as its readers allow, and the number of layers."""
    depth: dict[int, int] = {}
    for n, node in enumerate(graph.nodes):
        below = [depth[w.source] for f in node.factors for w in f.wires]
        depth[n] = 1 + max(below, default=0) if node.factors else 0
    top = max(depth[o] for o in outputs)
    level = dict.fromkeys(outputs, top)
    for n in reversed(range(len(graph.nodes))):
        if n in level:
            for factor in graph.nodes[n].factors:
                for wire in factor.wires:
                    source = wire.source
                    late = level[n] - 1 if graph.nodes[source].factors else 0
                    level[source] = min(level.get(source, late), late)
    return level, top


def _network(
    graph: _Graph, outputs: list[int], variables: tuple[str, ...], targets: Sequence[str] | None, domain: Any
) -> KAN:
    level, top = _levels(graph, outputs)
    reach = _last_use(graph, level)
    places = {n: n for n in range(len(variables))}
    layers = []
    for l in range(1, top + 1):
        here = outputs if l == top else [n for n in sorted(level) if level[n] <= l < reach[n]]
        # A layer that only a deeper output needs still carries something.
        fresh = {n: level[n] == l for n in here}
        sums = [n for n in here if not fresh[n] or len(graph.nodes[n].factors) == 1]
        products = [n for n in here if n not in sums]
        layers.append(_layer(graph, places, sums, products, fresh))
        places = {n: p for p, n in enumerate((*sums, *products))}
    width: list[WidthEntry] = [
        len(variables),
        *[(layer.nodes.n_sum, layer.nodes.arities) for layer in layers],
    ]
    ends = (-1.0, 1.0) if domain is None else np.asarray(domain, float)
    frame = KAN(width, grid=GRID, names=variables, targets=targets, domain=ends)
    return _laid_out(updated(lambda m: m.layers, frame, tuple(layers)))


def _last_use(graph: _Graph, level: dict[int, int]) -> dict[int, int]:
    """Return for every node the highest layer that reads it."""
    reach = dict.fromkeys(level, 0)
    for n in level:
        for factor in graph.nodes[n].factors:
            for wire in factor.wires:
                reach[wire.source] = max(reach[wire.source], level[n])
    return reach


def _layer(
    graph: _Graph, places: dict[int, int], sums: list[int], products: list[int], fresh: dict[int, bool]
) -> Layer:
    arities = tuple(len(graph.nodes[n].factors) for n in products)
    knots = bspline.uniform_knots(-np.ones(len(places)), np.ones(len(places)), GRID, 3)
    layer = new_layer(knots, len(sums), arities, 3)
    names: dict[tuple[int, int], Name] = {}
    bias, scale, sub = np.zeros(len(layer.nodes.sub_bias)), np.ones(layer.nodes.n_nodes), 0
    for position, n in enumerate((*sums, *products)):
        if not fresh[n]:
            names[places[n], sub] = IDENTITY
            sub += 1
            continue
        scale[position] = graph.nodes[n].scale
        for junction in graph.nodes[n].factors:
            names.update({(places[w.source], sub): w.name for w in junction.wires})
            bias[sub] = junction.bias
            sub += 1
    layer = updated(lambda m: m.splines.mask, layer, np.zeros_like(layer.splines.mask))
    layer = set_names(layer, names) if names else layer
    return updated(lambda m: (m.nodes.sub_bias, m.nodes.scale), layer, (bias, scale))


def _laid_out(model: KAN) -> KAN:
    """Lay the (unused) spline grids over the values that the domain gives, so that edges can be unfixed."""
    values = box_samples(model.domain, 256)
    layers = []
    for layer in model.layers:
        finite = values[np.all(np.isfinite(values), axis=1)]
        if len(finite) > 1:
            knots = bspline.sample_knots(finite, layer.splines.grid, layer.splines.k)
            layer = updated(lambda m: m.splines.knots, layer, knots)
        layers.append(layer)
        with np.errstate(all="ignore"):
            values = layer(values)
    laid: KAN = updated(lambda m: m.layers, model, tuple(layers))
    return laid


def _refuse_unreal(tree: Expr) -> None:
    """Refuse a formula with a number in it that is none, such as log(-3) or 1/0: the smallest such part is named."""
    if not symbols(tree):
        for part in children(tree):
            _refuse_unreal(part)
        with np.errstate(all="ignore"):
            value = evaluate(tree, {})
        if not np.isfinite(value):
            raise CompileError(
                f"The formula holds {tree}, which is no finite real number.",
                fix="correct that part: logarithms and roots need positive numbers, quotients a divisor that is not 0.",
            )
        return
    for part in children(tree):
        _refuse_unreal(part)


def _fault(model: KAN, trees: list[Expr], variables: tuple[str, ...]) -> CompileError | None:
    """Compare the network with its source, on its domain and on positive points; return what is wrong with it."""
    if not all(np.isfinite(leaf).all() for leaf in jax.tree_util.tree_leaves(model)):
        return CompileError(
            f"The numbers in {trees[0]} are too large or too small to multiply.",
            fix="write the formula in other units.",
        )
    for x in (
        box_samples(model.domain, N_CHECKS),
        box_samples(np.broadcast_to([0.1, 2.0], model.domain.shape), N_CHECKS),
    ):
        with np.errstate(all="ignore"):
            wanted, found = _told(trees, variables, x), model(x)
            # How far rounding of the columns alone moves the formula: sin(1e9 x) is not known to 1e-9 by anyone.
            shaken = [_told(trees, variables, x * (1.0 + size)) for size in SHAKES]
            rounding = np.max(np.abs(np.stack(shaken) - wanted), axis=0)
            last = np.abs(model.trace(x).layers[-1].edges).max(axis=(1, 2))[:, None]
        lost = np.isfinite(wanted) & ~np.isfinite(found) & np.isfinite(rounding)
        if lost.any():
            at = x[np.flatnonzero(lost.any(axis=1))[0]]
            point = ", ".join(f"{name} = {value:.4g}" for name, value in zip(variables, at, strict=True))
            return CompileError(
                f"The network of {trees[int(np.flatnonzero(lost.any(axis=0))[0])]} is undefined at {point}, where the "
                "formula passes through an infinity.",
                fix="simplify the formula: kn.simplify(kn.parse(formula)).",
            )
        defined = np.isfinite(wanted) & np.isfinite(found) & np.isfinite(rounding)
        apart = np.abs(found[defined] - wanted[defined])
        scale = np.fmax(np.abs(wanted), last)[defined]
        if np.any(apart > AGREEMENT * scale + 100.0 * rounding[defined]):
            return CompileError(
                f"The network of {trees[0]} differs from the formula by {apart.max():.2g}.",
                fix="please report this formula.",
            )
    return None


def _told(trees: list[Expr], variables: tuple[str, ...], x: Any) -> Any:
    """Return what the formulas say, (points, outputs)."""
    columns = {name: x[:, j] for j, name in enumerate(variables)}
    with np.errstate(all="ignore"):
        return np.stack([np.broadcast_to(evaluate(tree, columns), len(x)) for tree in trees], axis=1)
