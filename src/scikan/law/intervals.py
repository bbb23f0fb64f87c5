"""Bounds of a formula over boxes, by interval arithmetic on its tree; many boxes at once.

An interval is a pair of arrays, lower and upper ends, of shape `(boxes,)`; every operation rounds outwards by one
unit. Bounds hold wherever the formula is defined. They are wide where a column stands in several places, and
become sharp as boxes shrink.
"""

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float

from scikan.core.expr import Add, Call, Constant, Expr, Mul, Number, Pow, Symbol, as_float


Ends: TypeAlias = Float[np.ndarray, " boxes"]
Interval: TypeAlias = tuple[Ends, Ends]

_RISING = {
    "exp": np.exp,
    "log": np.log,
    "sinh": np.sinh,
    "tanh": np.tanh,
    "arctan": np.arctan,
    "arctanh": np.arctanh,
    "arcsin": np.arcsin,
    "sgn": np.sign,
}
_DOMAINS = {"log": (0.0, math.inf), "arctanh": (-1.0, 1.0), "arcsin": (-1.0, 1.0), "arccos": (-1.0, 1.0)}


def bounds(expr: Expr, box: Mapping[str, Interval]) -> Interval:
    """Return lower and upper bounds of the formula over each box.

    Args:
        expr: the formula.
        box: for each column its lower and upper ends, each `(boxes,)`.
    """
    with np.errstate(all="ignore"):
        low, high = _bounds(expr, box)
    return np.where(np.isnan(low), -np.inf, low), np.where(np.isnan(high), np.inf, high)


def _bounds(expr: Expr, box: Mapping[str, Interval]) -> Interval:
    if isinstance(expr, Symbol):
        return box[expr.name]
    if isinstance(expr, Number | Constant):
        value = np.full_like(next(iter(box.values()))[0], as_float(expr))
        return _outward(value, value)
    if isinstance(expr, Add):
        ends = [_bounds(term, box) for term in expr.args]
        return _outward(sum(low for low, _ in ends), sum(high for _, high in ends))
    if isinstance(expr, Mul):
        product = _bounds(expr.args[0], box)
        for factor in expr.args[1:]:
            product = _times(product, _bounds(factor, box))
        return product
    if isinstance(expr, Pow):
        return _power(_bounds(expr.base, box), expr, box)
    assert isinstance(expr, Call)
    return _called(expr.function.name, _bounds(expr.argument, box))


def _outward(low: Any, high: Any) -> Interval:
    return np.nextafter(low, -np.inf), np.nextafter(high, np.inf)


def _times(a: Interval, b: Interval) -> Interval:
    corners = np.stack([x * y for x in a for y in b])
    corners[np.isnan(corners)] = 0.0  # zero times infinity, where infinity is the end of an open range
    return _outward(corners.min(axis=0), corners.max(axis=0))


def _inverse(a: Interval) -> Interval:
    low, high = a
    crosses = (low < 0) & (high > 0)
    below = np.where(high == 0, -np.inf, 1.0 / high)
    above = np.where(low == 0, np.inf, 1.0 / low)
    return _outward(np.where(crosses, -np.inf, below), np.where(crosses, np.inf, above))


def _power(base: Interval, expr: Pow, box: Mapping[str, Interval]) -> Interval:
    exponent = expr.exponent
    if not isinstance(exponent, Number | Constant):
        logarithm = _called("log", base)
        return _called("exp", _times(_bounds(exponent, box), logarithm))
    value = exponent.value
    if value < 0:
        positive = Pow(expr.base, Number(-value))
        return _inverse(_power(base, positive, box))
    low, high = base
    n = float(value)
    if Fraction(value).denominator != 1:
        return _outward(np.maximum(low, 0.0) ** n, np.maximum(high, 0.0) ** n)
    if int(n) % 2:
        return _outward(low**n, high**n)
    near = np.where((low <= 0) & (high >= 0), 0.0, np.minimum(np.abs(low), np.abs(high)))
    ends = _outward(near**n, np.maximum(np.abs(low), np.abs(high)) ** n)
    return np.maximum(ends[0], 0.0), ends[1]


def _called(name: str, argument: Interval) -> Interval:
    inside = _DOMAINS.get(name, (-math.inf, math.inf))
    low, high = np.clip(argument[0], *inside), np.clip(argument[1], *inside)
    if name in _RISING:
        return _outward(_RISING[name](low), _RISING[name](high))
    if name == "arccos":
        return _outward(np.arccos(high), np.arccos(low))
    if name in ("abs", "cosh"):
        function = np.abs if name == "abs" else np.cosh
        near = np.where((low <= 0) & (high >= 0), 0.0, np.minimum(np.abs(low), np.abs(high)))
        return _outward(function(near), function(np.maximum(np.abs(low), np.abs(high))))
    if name in ("sin", "cos"):
        return _wave(low, high, math.pi / 2 if name == "sin" else 0.0)
    if name == "tan":
        poles = _meets(low, high, math.pi / 2, math.pi)
        ends = _outward(np.tan(low), np.tan(high))
        return np.where(poles, -np.inf, ends[0]), np.where(poles, np.inf, ends[1])
    return np.full_like(low, -np.inf), np.full_like(high, np.inf)


def _wave(low: Ends, high: Ends, crest: float) -> Interval:
    """Return the bounds of cos(u - crest)."""
    ends = np.stack([np.cos(low - crest), np.cos(high - crest)])
    bottom, top = _outward(ends.min(axis=0) - 1e-15, ends.max(axis=0) + 1e-15)
    bottom = np.where(_meets(low, high, crest + math.pi, 2 * math.pi), -1.0, bottom)
    top = np.where(_meets(low, high, crest, 2 * math.pi), 1.0, top)
    wide = ~np.isfinite(low) | ~np.isfinite(high)
    return np.where(wide, -1.0, np.maximum(bottom, -1.0)), np.where(wide, 1.0, np.minimum(top, 1.0))


def _meets(low: Ends, high: Ends, place: float, period: float) -> np.ndarray:
    """Whether `place + n period` lies in the interval for some whole n, or nearly."""
    slack = 1e-12
    first = np.ceil((low - place) / period - slack)
    return np.asarray(~(first > np.floor((high - place) / period + slack)))
