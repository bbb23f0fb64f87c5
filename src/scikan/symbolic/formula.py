"""Read a network's formula off its named edges, in the user's columns and units.

A constant that is a simple number to its last digits is written as one, so that a compiled formula comes back as it
went in; a number that a fit has moved is none but for one chance in a thousand million.
"""

from fractions import Fraction

import numpy as np

from scikan.core.errors import NotSymbolicError
from scikan.core.expr import HALF, PI, ZERO, evaluate, power
from scikan.core.kan import KAN
from scikan.core.layer import Layer
from scikan.core.nodes import Constant, Expr, Number, Symbol, add, map_children, multiply
from scikan.core.parser import apply
from scikan.core.precision import numpy_leaves
from scikan.law.record import Law
from scikan.law.simplify import simplify


LARGEST_TERM = 1000
"""Largest numerator and denominator of a number that is recognised as exact."""

_LAST_DIGITS = 4 * np.finfo(float).eps
_ROOTS = (power(PI, HALF), power(PI, -HALF), power(Number(2), HALF), power(2 / PI, HALF))
_FACTORS = tuple(
    (factor, float(evaluate(factor, {}))) for factor in (Number(1), PI, 1 / PI, PI**2, PI**-2, *_ROOTS)
)


def formula(model: KAN) -> Law:
    """Return the law of a network whose edges are all named, simplified, in the user's columns and units.

    `formula(kanpiler(f, names))` equals f to rounding. Constants that are p/q, or p/q times a power of pi or the
    root of 2, to the last digits are written so (`snap_law` asks the data instead).

    Raises:
        NotSymbolicError: if spline edges are left.
    """
    domain = np.asarray(model.domain, float)
    positive = tuple(name for name, (low, _) in zip(model.names, domain, strict=True) if low > 0)
    laws = tuple(exact_numbers(simplify(tree, positive)) for tree in network_expressions(model))
    return Law(laws, model.targets, model.names, domain=domain)


def exact_numbers(tree: Expr) -> Expr:
    """Return a tree whose constants are exact numbers wherever they agree with a simple one to the last digits."""
    if not isinstance(tree, Constant):
        return map_children(tree, exact_numbers)
    if tree.value == 0.0:
        return ZERO
    for factor, size in _FACTORS:
        ratio = tree.value / size
        if not 1.0 / LARGEST_TERM <= abs(ratio) <= LARGEST_TERM:
            continue
        near = Fraction(ratio).limit_denominator(LARGEST_TERM)
        if abs(float(near) * size - tree.value) <= _LAST_DIGITS * abs(tree.value):
            return Number(near) * factor
    return tree


def network_expressions(model: KAN) -> tuple[Expr, ...]:
    """Return one expression per output over the user's columns; every fitted number is a `Constant`.

    Raises:
        NotSymbolicError: if spline edges are left; their addresses are named, and nothing is made up for them.
    """
    left = [at for at in model.edges() if model[at].kind in ("spline", "both")]
    if left:
        some = ", ".join(str(at) for at in left[:4])
        raise NotSymbolicError(
            f"{len(left)} of {model.n_edges} edges are still splines, so the network has no formula: {some}"
            f"{', ...' if len(left) > 4 else ''}.",
            fix="name them: model, fits = auto_symbolic(model, data); or one by one with fix_symbolic.",
        )
    model = numpy_leaves(model)
    values = model.features.exprs([Symbol(name) for name in model.names])
    for layer in model.layers:
        values = _layer_expressions(layer, values)
    return tuple(model.readout.exprs(values))


def _layer_expressions(layer: Layer, inputs: list[Expr]) -> list[Expr]:
    nodes = layer.nodes
    subs = []
    for j in range(layer.n_subs):
        terms = [_edge_expression(layer, i, j, x) for i, x in enumerate(inputs) if layer.live()[i, j]]
        total = add([*terms])
        subs.append(_affine(total, float(nodes.sub_scale[j]), float(nodes.sub_bias[j])))
    values = []
    for node in range(nodes.n_nodes):
        product = multiply([subs[s] for s in nodes.members(node)])
        values.append(_affine(product, float(nodes.scale[node]), float(nodes.bias[node])))
    return values


def _edge_expression(layer: Layer, i: int, j: int, x: Expr) -> Expr:
    symbols = layer.symbols
    assert symbols is not None
    function = symbols.functions[int(symbols.function[i, j])]
    a, b, c, d = (
        float(v) for v in symbols.affine[i, j] * np.asarray([1, 1, symbols.mask[i, j], symbols.mask[i, j]])
    )
    return _affine(apply(function, _affine(x, a, b)), c, d)


def _affine(inner: Expr, scale: float, shift: float) -> Expr:
    """Return scale * inner + shift; exact 0, 1 and -1 stay numbers, all else is a constant of the fit."""
    if scale == 0.0:
        return _number(shift)
    scaled = inner if scale == 1.0 else multiply([_number(scale), inner])
    return scaled if shift == 0.0 else add([scaled, _number(shift)])


def _number(value: float) -> Expr:
    return Number(int(value)) if value in (-1.0, 0.0, 1.0) else Constant(value)
