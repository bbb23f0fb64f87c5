"""Where the number of a product stands: in front, or inside a sum next to it.

C/(a + b x) has one constant too many. Each form here keeps the value; `simplify` takes the shortest.
"""

from fractions import Fraction

from scikan.core.expr import (
    MINUS_ONE,
    Add,
    Constant,
    Expr,
    Mul,
    Number,
    Pow,
    add,
    exact,
    map_children,
    multiply,
    power,
    split_sign,
)
from scikan.law.folding import cost, folded, merged, split_coefficient


def absorbed(expr: Mul) -> Expr:
    """c (a x + b) is a' x + b': a number in front goes into a sum next to it."""
    coefficient, body = split_coefficient(expr)
    factors = list(body.args) if isinstance(body, Mul) else [body]
    forms: list[Expr] = [expr]
    for i, factor in enumerate(factors):
        inverse = isinstance(factor, Pow) and factor.exponent == MINUS_ONE
        inner = factor.base if isinstance(factor, Pow) and inverse else factor
        if isinstance(inner, Add):
            if coefficient == MINUS_ONE and not any(split_sign(term)[0] for term in inner.args):
                continue  # 1 - 1/(1 + u) is not to become 1 + 1/(-1 - u)
            scale = power(coefficient, MINUS_ONE) if inverse else coefficient
            spread = add(_scaled(term, scale) for term in inner.args)
            factors_now = [*factors[:i], power(spread, MINUS_ONE) if inverse else spread, *factors[i + 1 :]]
            forms.append(multiply(factors_now))
    return min(forms, key=cost)


def normalised(expr: Mul) -> Expr:
    """(a + b x)/(c + d x) has one constant too many: the last sum is divided by its first constant."""
    for i in reversed(range(len(expr.args))):
        factor = expr.args[i]
        exponent = exact(factor.exponent) if isinstance(factor, Pow) else Fraction(1)
        inner = factor.base if isinstance(factor, Pow) else factor
        if not isinstance(inner, Add) or exponent is None or exponent.denominator != 1:
            continue
        heads = [split_coefficient(term)[0] for term in inner.args]
        if not all(isinstance(head, Constant) and head.value != 0 for head in heads):
            continue
        scale = power(heads[0], MINUS_ONE)
        terms = [split_coefficient(inner.args[0])[1], *(_scaled(term, scale) for term in inner.args[1:])]
        others = [*expr.args[:i], *expr.args[i + 1 :]]
        whole = multiply(
            (*others, folded(power(heads[0], Number(exponent))), power(add(terms), Number(exponent)))
        )
        coefficient, body = split_coefficient(whole)
        return multiply((folded(coefficient), body))
    return expr


def pulled(expr: Mul) -> Expr:
    """x/(2/5 + 2/5 y) is 5/2 x/(1 + y): an exact number common to a sum goes in front."""
    factors = []
    for factor in expr.args:
        exponent = exact(factor.exponent) if isinstance(factor, Pow) else Fraction(1)
        inner = factor.base if isinstance(factor, Pow) else factor
        first = exact(split_coefficient(inner.args[0])[0]) if isinstance(inner, Add) else None
        if first is not None and isinstance(inner, Add) and exponent in (1, -1):
            rest = add(_scaled(term, Number(1 / first)) for term in inner.args)
            factors += [power(Number(first), Number(exponent)), power(rest, Number(exponent))]
        else:
            factors.append(factor)
    return multiply(factors)


def unit_form(expr: Expr) -> Expr:
    """Return the law with the first constant of every sum in a product or quotient moved in front.

    C/(a + b x) becomes C'/(1 + b' x): of equal value and with no more constants, and now b' may be seen to
    be simple. `simplify` undoes it where it does not pay.
    """
    if isinstance(expr, Pow) and isinstance(expr.base, Add) and expr.exponent == MINUS_ONE:
        expr = Pow(map_children(expr.base, unit_form), MINUS_ONE)
        return normalised(Mul((expr,)))
    expr = map_children(expr, unit_form)
    return normalised(expr) if isinstance(expr, Mul) else expr


def _scaled(term: Expr, scale: Expr) -> Expr:
    coefficient, body = split_coefficient(term)
    return multiply((*merged([coefficient, scale], product=True), body))
