"""Factors moved into a neighbouring sum or power, and squares of sines and cosines brought together.

Both return trees of the same value; `simplify` keeps one only if it is shorter.
"""

from collections.abc import Iterator
from fractions import Fraction

from scikan.core.expr import (
    MINUS_ONE,
    ONE,
    Add,
    Call,
    Expr,
    Mul,
    Number,
    Pow,
    add,
    call,
    exact,
    map_children,
    multiply,
    power,
    split_sign,
    walk,
)
from scikan.law.folding import is_free, is_nonnegative


_MOST_TERMS = 8


def moved_inside(expr: Mul, positive: frozenset[str]) -> Iterator[Expr]:
    """Yield a product with one factor moved into another: b**2*(1 + (a/b)**2) and a*sqrt(1 + (b/a)**2).

    A factor F goes into S**p as F**(1/p): for whole 1/p always, for others where F is not negative.
    """
    for n, home in enumerate(expr.args):
        inner, p = (home.base, exact(home.exponent)) if isinstance(home, Pow) else (home, Fraction(1))
        if p is None or p == 0 or not isinstance(inner, Add | Mul) or (p == 1 and isinstance(inner, Mul)):
            continue
        for m, guest in enumerate(expr.args):
            if m == n or is_free(guest) or any(isinstance(node, Call) for node in walk(guest)):
                continue
            inside = _rooted(guest, 1 / p, positive)
            if inside is None or (p.denominator % 2 == 0 and not is_nonnegative(guest, positive)):
                continue
            rest = [f for k, f in enumerate(expr.args) if k not in (m, n)]
            terms = inner.args if isinstance(inner, Add) else (inner,)
            if len(terms) <= _MOST_TERMS:
                yield multiply([*rest, power(add(multiply((inside, t)) for t in terms), Number(p))])


def _rooted(factor: Expr, exponent: Fraction, positive: frozenset[str]) -> Expr | None:
    """Return factor**exponent if that has a simple form."""
    base, own = (factor.base, exact(factor.exponent)) if isinstance(factor, Pow) else (factor, Fraction(1))
    if own is None:
        return None
    joined = own * exponent
    if joined.denominator != 1 and not is_nonnegative(base, positive):
        return None
    return power(base, Number(joined))


def turned_logarithm(expr: Mul) -> Expr:
    """-a*log(x/y) is a*log(y/x)."""
    negative, body = split_sign(expr)
    if not negative:
        return expr
    factors = body.args if isinstance(body, Mul) else (body,)
    for n, factor in enumerate(factors):
        if isinstance(factor, Call) and factor.function.name == "log" and isinstance(factor.argument, Mul):
            turned = call("log", power(factor.argument, MINUS_ONE))
            return multiply([*factors[:n], turned, *factors[n + 1 :]])
    return expr


def one_angle(expr: Expr, of: str = "sin") -> Expr:
    """Return a tree with sin(u)**2 written as 1 - cos(u)**2 (or the other way round, of "cos")."""
    if isinstance(expr, Pow) and isinstance(expr.base, Call) and expr.base.function.name == of:
        e = exact(expr.exponent)
        if e is not None and e.denominator == 1 and e % 2 == 0 and e > 0:
            other = call("cos" if of == "sin" else "sin", expr.base.argument)
            return power(ONE - power(other, Number(2)), Number(e / 2))
    return map_children(expr, lambda part: one_angle(part, of)) if isinstance(expr, Add | Mul | Pow) else expr
