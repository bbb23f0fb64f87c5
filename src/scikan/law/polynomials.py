"""Products multiplied out and fractions brought together, for small laws.

Both return a tree of the same value that may be longer; `simplify` keeps it only if it is shorter.
"""

from scikan.core.expr import (
    MINUS_ONE,
    ONE,
    Add,
    Expr,
    Mul,
    Number,
    Pow,
    add,
    exact,
    map_children,
    multiply,
    power,
)


_MOST_TERMS = 16
_LARGEST_POWER = 4


def expanded(expr: Expr) -> Expr:
    """Return products and small whole powers of sums multiplied out, if no more than 16 terms arise."""
    expr = map_children(expr, expanded) if isinstance(expr, Add | Mul) else expr
    if isinstance(expr, Add):
        return expr
    factors = expr.args if isinstance(expr, Mul) else (expr,)
    terms: list[Expr] = [ONE]
    for factor in factors:
        for part in _repeated(factor):
            addends = part.args if isinstance(part, Add) else (part,)
            if len(terms) * len(addends) > _MOST_TERMS:
                return expr
            terms = [multiply((t, a)) for t in terms for a in addends]
    return add(terms)


def _repeated(factor: Expr) -> list[Expr]:
    if isinstance(factor, Pow) and isinstance(factor.base, Add):
        e = exact(factor.exponent)
        if e is not None and e.denominator == 1 and 2 <= e <= _LARGEST_POWER:
            return [factor.base] * int(e)
    return [factor]


def together(expr: Expr) -> tuple[Expr, Expr]:
    """Return (numerator, denominator), with fractions inside sums brought to one denominator."""
    if isinstance(expr, Add):
        above, below = together(expr.args[0])
        for term in expr.args[1:]:
            a, b = together(term)
            if b == below:
                above = above + a
            else:
                above, below = _scaled(above, b) + _scaled(a, below), _scaled(below, b)
        return expanded(above), below
    if isinstance(expr, Mul):
        parts = [together(factor) for factor in expr.args]
        return multiply(a for a, _ in parts), multiply(b for _, b in parts)
    if isinstance(expr, Pow):
        e = exact(expr.exponent)
        if e is not None and e.denominator == 1 and abs(e) <= _LARGEST_POWER:
            above, below = together(expr.base)
            if e < 0:
                above, below = below, above
            size = Number(abs(e))
            return power(above, size), power(below, size)
    value = exact(expr)
    if value is not None and value.denominator != 1:
        return Number(value.numerator), Number(value.denominator)
    return expr, ONE


def _scaled(tree: Expr, factor: Expr) -> Expr:
    return tree if factor == ONE else multiply((tree, factor))


def quotient(above: Expr, below: Expr) -> Expr:
    """Return above / below; a whole sum below stays one factor."""
    return above if below == ONE else multiply((above, power(below, MINUS_ONE)))
