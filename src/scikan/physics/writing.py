"""Coefficients to formulas: scaled so that the numbers are simple, snapped, written in the user's order."""

import math
from collections.abc import Hashable, Sequence
from fractions import Fraction

import numpy as np
from jaxtyping import Float

from scikan.core.expr import (
    ONE,
    Add,
    Call,
    Constant,
    Expr,
    Number,
    Pow,
    Symbol,
    add,
    children,
    constants,
    differentiate,
    evaluate,
    exact,
    multiply,
    power,
)
from scikan.law.folding import key, split_coefficient
from scikan.law.ordering import in_order
from scikan.law.polynomials import expanded
from scikan.law.simplify import simplify
from scikan.law.snapping import simplest_number


EXACT_WINDOW = 1e-8
"""Relative distance within which a coefficient that was solved to rounding is a simple number."""

_UNKNOWN_BITS = 40.0
_SHORTEST = 24.0
"""Simple numbers longer than this, in bits, are left as fitted constants."""


def snapped_number(value: float, window: float) -> tuple[Expr, float]:
    """Return the simple number within `window` of a value and its bits, or the value as a constant."""
    found = simplest_number(value, window)
    # A chance hit among simple numbers must stay unlikely at this window.
    precision = math.log2(abs(value) / (2 * window)) if window > 0 else math.inf
    if found is not None and found[1] + 3 < min(precision, _SHORTEST):
        return found
    return Constant(value), _UNKNOWN_BITS


def weighted_sum(
    terms: Sequence[Expr],
    weights: Float[np.ndarray, " terms"],
    errors: Float[np.ndarray, " terms"] | None = None,
) -> Expr:
    """Return sum of weight * term up to one common factor, chosen so that the weights become simple numbers.

    Args:
        terms: formulas.
        weights: none of them zero.
        errors: standard errors of the weights; weights solved to rounding have none.
    """
    best: tuple[float, list[Expr]] = (math.inf, [])
    magnitudes: list[float] = []
    for pivot, weight in enumerate(weights):
        if any(abs(abs(weight) / m - 1) < 1e-6 for m in magnitudes) or len(magnitudes) > 8:
            continue
        magnitudes.append(abs(weight))
        ratios = weights / weight
        balance = int(np.sum(ratios > 0)) - int(np.sum(ratios < 0))
        ratios = -ratios if balance < 0 or (balance == 0 and ratios[0] < 0) else ratios
        written, bits = [], 0.0
        for n, ratio in enumerate(ratios):
            if n == pivot:
                written.append(ONE if ratio > 0 else -ONE)
                continue
            window = EXACT_WINDOW * abs(ratio)
            if errors is not None:
                relative = math.hypot(errors[n] / weights[n], errors[pivot] / weight)
                window = max(window, 3 * relative * abs(ratio))
                ratio = told_digits(float(ratio), relative * abs(ratio))
            number, cost = snapped_number(float(ratio), window)
            written.append(number)
            bits += cost
        if bits < best[0] - 1e-9:
            best = (bits, written)
    return add([multiply([number, term]) for number, term in zip(best[1], terms, strict=True)])


def told_digits(value: float, error: float) -> float:
    """Return a measured value with two digits more than its standard error tells."""
    if not 0 < error < abs(value):
        return value
    return round(value, 1 - math.floor(math.log10(error)))


def natural_form(expr: Expr, names: Sequence[str], positive: Sequence[str] = ()) -> Expr:
    """Return a law simplified, its factors in the order of the columns."""
    return in_order(simplify(expr, positive), names)


def cost(expr: Expr) -> float:
    """Return how long a law is for the choice among equals: nodes, and as much as ten for an unknown constant."""
    return _nodes(expr) + 10.0 * len(constants(expr))


def _nodes(expr: Expr) -> int:
    return 1 + sum(map(_nodes, children(expr)))


def gradient_of(
    expr: Expr, names: Sequence[str], states: Float[np.ndarray, "rows coordinates"]
) -> Float[np.ndarray, "rows coordinates"]:
    """Return the exact gradient of a formula at states."""
    known = {name: states[:, i] for i, name in enumerate(names)}
    return np.stack([evaluate(differentiate(expr, name), known) for name in names], axis=1)


def values_of(
    expr: Expr, names: Sequence[str], states: Float[np.ndarray, "rows coordinates"]
) -> Float[np.ndarray, " rows"]:
    """Return the values of a formula at states."""
    return np.asarray(evaluate(expr, {name: states[:, i] for i, name in enumerate(names)}))


def outside_parts(expr: Expr) -> set[str]:
    """Return the coordinates that occur outside the parts that make a formula no polynomial."""
    if isinstance(expr, Symbol):
        return {expr.name}
    if elementary_parts(expr) and isinstance(expr, Call | Pow):
        return set()
    return {name for child in children(expr) for name in outside_parts(child)}


def elementary_parts(expr: Expr) -> list[Expr]:
    """Return what makes a formula no polynomial: its calls, and powers that are no whole positive ones."""
    if isinstance(expr, Call):
        return [expr]
    if isinstance(expr, Pow):
        exponent = exact(expr.exponent)
        if exponent is None:
            return [expr]
        if exponent.denominator != 1 or exponent < 0:
            # 1/r**3 and 1/r are powers of one atom.
            step = Fraction(1, 2) if exponent.denominator == 2 else Fraction(1)
            return [power(expr.base, Number(-step if exponent < 0 else step))]
    return list(dict.fromkeys(part for child in children(expr) for part in elementary_parts(child)))


def with_fewer_terms(tree: Expr) -> Expr:
    """Return a law that holds to rounding multiplied out, if it has fewer terms then, coefficients as simple numbers.

    Powers of q1 + q2 and of q1 - q2 beside each other may stand for products of both.
    """
    sums: dict[Hashable, tuple[Expr, float]] = {}
    for raw in _terms(expanded(tree)):
        coefficient, body = split_coefficient(simplify(raw))
        _, before = sums.get(key(body), (body, 0.0))
        sums[key(body)] = body, before + float(evaluate(coefficient, {}))
    largest = max(abs(value) for _, value in sums.values())
    kept = [(body, value) for body, value in sums.values() if abs(value) > EXACT_WINDOW * largest]
    if len(kept) >= len(_terms(tree)):
        return tree
    return add([multiply([snapped_number(v, EXACT_WINDOW * abs(v))[0], body]) for body, v in kept])


def _terms(tree: Expr) -> tuple[Expr, ...]:
    return tree.args if isinstance(tree, Add) else (tree,)
