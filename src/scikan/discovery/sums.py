r"""The sum inside a law: $f(x) = g(a_1(x_1) + a_2(x_2) + ...)$, where the law as it is written hides it.

    ratios of the law's slopes along lines through one point -> slopes of the a_i -> do they hold everywhere?
    -> curves a_i by quadrature, named -> the curve g of the sum, named -> the same function: by algebra, else by values

Velocities $(u + v)/(1 + u v)$ add as rapidities, $\tanh(\mathrm{artanh}\, u + \mathrm{artanh}\, v)$; resistances
$r s/(r + s)$ as $1/(1/r + 1/s)$. Nothing is trained and no row is read: the law alone is asked (KAN 2.0, section 4.3,
calls the property general separability).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from time import monotonic
from typing import Literal

import numpy as np

from scikan.core.errors import CompileError, SettingError
from scikan.core.expr import (
    Add,
    Constant,
    Expr,
    Mul,
    Number,
    Symbol,
    add,
    constants,
    differentiate,
    evaluate,
    is_numeric,
    multiply,
    substitute,
    symbols,
    walk,
)
from scikan.core.kan import KAN
from scikan.core.printing import to_sympy
from scikan.discovery.curves import curve_names
from scikan.law.folding import split_coefficient
from scikan.law.ordering import in_order
from scikan.law.record import Law
from scikan.law.snapping import snap
from scikan.symbolic.kanpiler import kanpiler


HOLDS = 1e-9
"""Relative difference between two functions that rounding explains."""

FLOOR = 1e-20
POINTS = 300
SECONDS = 2.0
"""Time for the names of one curve."""

_MIDDLES = (0.5, 0.37, 0.61)
_MOST_OPERATIONS = 300
_SUM = "t"


@dataclass(frozen=True, eq=False)
class SumForm:
    """A law written as a function of a sum.

    Args:
        law: the law in this form.
        terms: of the sum, one for each column that the law uses.
        outer: the function g, of the symbol `t`.
        model: the form as a KAN: one hidden node.
        gap: the largest difference from the law as given, over the law's spread.
        proof: "algebra" (the difference is zero for all arguments, by computer algebra) or "values" (it is rounding
            at all points of the law's domain that were tried).
    """

    law: Law
    terms: tuple[Expr, ...]
    outer: Expr
    model: KAN
    gap: float
    proof: Literal["algebra", "values"]


def sum_form(law: Law) -> SumForm | None:
    """Return a law as a function of a sum of functions of single columns; None if it is none, or has no names.

    Args:
        law: of one target, with a domain, in which it must be finite.

    Raises:
        SettingError: it is no law, or one with several targets or no domain.

    Example:
        The law `w = (u + v)/(1 + u*v)` gives `w = tanh(arctanh(u) + arctanh(v))`.
    """
    if not isinstance(law, Law):
        raise SettingError(
            f"sum_form takes a Law, not a {type(law).__name__}.",
            fix="give found.law of a search, or make a Law.",
        )
    if len(law.expressions) != 1:
        raise SettingError(f"The law has {len(law)} targets.", fix='take one: law["name"].')
    if law.domain is None:
        raise SettingError("The law has no domain.", fix="give it one: dataclasses.replace(law, domain=...).")
    used = symbols(law.expression)
    if len(used) < 2:
        return None
    ends = {name: law.domain[law.names.index(name)] for name in used}
    box = {name: (float(low), float(high)) for name, (low, high) in ends.items()}
    with np.errstate(all="ignore"):
        for start in _starts(box):
            if (slopes := _term_slopes(law.expression, start)) is not None:
                return _written(law, box, start, slopes)
    return None


def may_hide_sum(expr: Expr) -> bool:
    """Return whether a formula may hide a sum: a column occurs twice, and it is no plain sum or product of terms."""
    parts = [part for part in (expr.args if isinstance(expr, Add | Mul) else (expr,)) if not is_numeric(part)]
    if len(parts) > 1 and all(len(symbols(part)) == 1 for part in parts):
        return False
    columns = [node.name for node in walk(expr) if isinstance(node, Symbol)]
    return len(columns) > len(set(columns))


def _starts(box: Mapping[str, tuple[float, float]]) -> list[dict[str, Number]]:
    """Return points where slopes are compared: simple ones first, at which the terms may vanish."""
    plain = {}
    for name, (low, high) in box.items():
        inside = [n for n in (0, 1, -1) if low < n < high]
        plain[name] = Number(inside[0]) if inside else _simple(low, high, 0.5)
    return [plain, *({n: _simple(*box[n], share) for n in box} for share in _MIDDLES)]


def _simple(low: float, high: float, share: float) -> Number:
    """Return the shortest decimal near a share of the way from low to high."""
    middle = low + share * (high - low)
    digits = max(0, 1 - int(np.floor(np.log10(max(high - low, 1e-300)))))
    return Number(Fraction(str(round(middle, digits))))


def _written(
    law: Law, box: Mapping[str, tuple[float, float]], start: Mapping[str, Number], slopes: Mapping[str, Expr]
) -> SumForm | None:
    rng = np.random.default_rng(0)
    points = {n: rng.permuted(_inside(*ends, POINTS)) for n, ends in box.items()}
    if not _hold(law.expression, slopes, points):
        return None
    terms = _terms(slopes, box, start)
    if terms is None:
        return None
    total = np.asarray(evaluate(add(terms), points))
    value = np.asarray(evaluate(law.expression, points))
    outer = _named(_SUM, total, value)
    if outer is None:
        return None
    form = in_order(substitute(outer, {_SUM: add(terms)}), law.names)
    gap = float(np.abs(evaluate(form, points) - value).max() / max(float(np.ptp(value)), 1e-300))
    if not gap <= HOLDS:
        return None
    try:
        model = kanpiler((form,), law.names, domain=law.domain, targets=law.targets)
    except CompileError:
        return None
    proved = _is_identity(law.expression, terms, outer, start)
    written = Law((form,), law.targets, law.names, law.units, law.domain)
    return SumForm(written, tuple(terms), outer, model, gap, "algebra" if proved else "values")


def _inside(low: float, high: float, n: int) -> np.ndarray:
    return low + (high - low) * (np.arange(n) + 0.5) / n


def _term_slopes(expr: Expr, start: Mapping[str, Number]) -> dict[str, Expr] | None:
    r"""Return the slopes of the terms up to one factor: $f_i/f_j = a_i'/a_j'$ along lines through one point."""
    by = {name: differentiate(expr, name) for name in start}
    here = {name: float(number.value) for name, number in start.items()}
    at_start = {name: float(evaluate(slope, here)) for name, slope in by.items()}
    if not all(np.isfinite(v) and abs(v) > 1e-12 for v in at_start.values()):
        return None
    first, second, *_ = start
    found = {}
    for name in start:
        other = second if name == first else first
        fixed = {n: number for n, number in start.items() if n != name}
        # Along this line the other term's slope is that at the start.
        along = substitute(multiply([by[name], by[other] ** -1]), fixed)
        ratio = at_start[other] / at_start[first]
        found[name] = multiply([_number(ratio), along])
    return found


def _number(value: float) -> Expr:
    near = Fraction(value).limit_denominator(1000)
    return Number(near) if abs(float(near) - value) <= 1e-14 * abs(value) else Constant(value)


def _hold(expr: Expr, slopes: Mapping[str, Expr], points: Mapping[str, np.ndarray]) -> bool:
    """Return whether the law's slopes have the ratios of the terms' slopes at all points."""
    own = {n: np.asarray(evaluate(slope, points)) for n, slope in slopes.items()}
    by = {n: np.asarray(evaluate(differentiate(expr, n), points)) for n in slopes}
    first, *others = slopes
    for name in others:
        left, right = by[name] * own[first], by[first] * own[name]
        size = np.abs(left) + np.abs(right)
        if not np.all(np.isfinite(size)) or np.max(np.abs(left - right) - HOLDS * size) > 1e-300:
            return False
    return True


def _terms(
    slopes: Mapping[str, Expr], box: Mapping[str, tuple[float, float]], start: Mapping[str, Number]
) -> list[Expr] | None:
    """Return the named terms, without constants beside them, the first with a factor of 1 in front."""
    curves, named = {}, {}
    for name, slope in slopes.items():
        x = _inside(*box[name], POINTS)
        curves[name] = x, _integral(slope, name, float(start[name].value), x)
        found = _named(name, *curves[name])
        if found is None:
            return None
        named[name] = _without_shift(found)
    front = next(iter(named.values()))
    scale = float(evaluate(split_coefficient(front.args[0] if isinstance(front, Add) else front)[0], {}))
    terms = []
    for name, expr in named.items():
        x = curves[name][0]
        scaled = multiply([Constant(1 / scale), expr])
        terms.append(snap(scaled, {name: x}, np.asarray(evaluate(scaled, {name: x}))).expr)
    return terms


def _integral(slope: Expr, name: str, origin: float, x: np.ndarray) -> np.ndarray:
    """Return the integral of a slope from one point to others, by Gauss-Legendre between neighbours."""
    nodes, weights = np.polynomial.legendre.leggauss(24)
    stops = np.sort(np.append(x, origin))
    middle, half = (stops[1:] + stops[:-1]) / 2, np.diff(stops) / 2
    inner = np.asarray(evaluate(slope, {name: (middle[:, None] + half[:, None] * nodes).ravel()}))
    pieces = (inner.reshape(-1, len(nodes)) @ weights) * half
    total = np.concatenate([[0.0], np.cumsum(pieces)])
    return np.asarray(np.interp(x, stops, total) - np.interp(origin, stops, total))


def _named(name: str, x: np.ndarray, curve: np.ndarray) -> Expr | None:
    """Return the shortest formula of one column that is a curve to rounding."""
    spread = float(np.ptp(curve))
    if not (np.isfinite(spread) and spread > 0):
        return None
    for candidate in curve_names(x, curve, np.ones(len(x)), FLOOR, monotonic() + SECONDS):
        expr = snap(substitute(candidate.expression, {"u": Symbol(name)}), {name: x}, curve).expr
        if float(np.abs(evaluate(expr, {name: x}) - curve).max()) <= HOLDS * spread:
            return expr
    return None


def _without_shift(expr: Expr) -> Expr:
    return add([term for term in expr.args if not is_numeric(term)]) if isinstance(expr, Add) else expr


def _is_identity(expr: Expr, terms: Sequence[Expr], outer: Expr, start: Mapping[str, Number]) -> bool:
    """Return whether computer algebra shows that the form is the law.

    Two identities say it: the slopes of the law have the ratios of those of the terms, so that it is a function of
    their sum; and on one line, on which the sum changes, this function is g.
    """
    form = substitute(outer, {_SUM: add(list(terms))})
    if constants(expr) or constants(form):
        return False
    first, *others = zip(start, terms, strict=True)
    slope = differentiate(first[1], first[0])
    for name, term in others:
        crossed = differentiate(expr, name) * slope - differentiate(expr, first[0]) * differentiate(
            term, name
        )
        if not _is_zero(crossed):
            return False
    line = {name: number for name, number in start.items() if name != first[0]}
    return _is_zero(substitute(form - expr, line))


def _is_zero(expr: Expr) -> bool:
    import sympy

    told = to_sympy(expr)
    if told.count_ops() > _MOST_OPERATIONS:
        return False
    short = sympy.cancel(sympy.together(told))
    return bool(short == 0 or sympy.simplify(short) == 0)
