"""Numbers and constants folded into one: the parts of a law that do not depend on a column.

A symbol-free part that holds a fitted constant is itself nothing but a fitted constant. Parts without
one stay exact: 2/3 and pi are never turned into decimals.
"""

import math
from collections import Counter
from collections.abc import Hashable
from fractions import Fraction

from scikan.core.expr import (
    ONE,
    Add,
    Call,
    Constant,
    Expr,
    Mul,
    Number,
    Pow,
    Symbol,
    as_float,
    complexity,
    constants,
    evaluate,
    exact,
    symbols,
    walk,
)


def is_free(expr: Expr) -> bool:
    """Whether no column occurs in the tree."""
    return not symbols(expr)


def is_fitted(expr: Expr) -> bool:
    """Whether a fitted constant occurs in the tree."""
    return bool(constants(expr))


def is_plain(expr: Expr) -> bool:
    """Whether the node is a number without a name."""
    return isinstance(expr, Number) and not expr.name


def cost(expr: Expr) -> tuple[int, int, int]:
    """Return what a better form has less of: nodes, then fitted constants, then digits of exact numbers."""
    digits = 0
    for node in walk(expr):
        value = exact(node)
        if value is not None and abs(value) != 1:
            digits += abs(value.numerator).bit_length() + value.denominator.bit_length()
    return complexity(expr), len(constants(expr)), digits


def key(expr: Expr) -> Hashable:
    """Return a value that is the same for trees that differ only in the order of terms and factors."""
    if isinstance(expr, Add | Mul):
        return (type(expr).__name__, frozenset(Counter(map(key, expr.args)).items()))
    if isinstance(expr, Pow):
        return ("Pow", key(expr.base), key(expr.exponent))
    return (expr.function, key(expr.argument)) if isinstance(expr, Call) else expr


def folded(expr: Expr) -> Expr:
    """Return a fitted constant for a symbol-free tree that holds one, if its value is finite."""
    if isinstance(expr, Constant) or not is_free(expr) or not is_fitted(expr):
        return expr
    value = float(evaluate(expr, {}))
    return Constant(value, _error(expr)) if math.isfinite(value) else expr


def _error(expr: Expr) -> float:
    """Return the standard error where one constant is scaled or shifted by fixed numbers, else NaN."""
    if isinstance(expr, Constant):
        return expr.error
    if isinstance(expr, Add | Mul):
        fitted = [part for part in expr.args if is_fitted(part)]
        if len(fitted) == 1:
            fixed = [float(evaluate(part, {})) for part in expr.args if part is not fitted[0]]
            return _error(fitted[0]) * (abs(math.prod(fixed)) if isinstance(expr, Mul) else 1.0)
    return math.nan


def merged(parts: list[Expr], product: bool) -> list[Expr]:
    """Return symbol-free factors (or terms) as few as possible: one constant, or one number and the rest."""
    if len(parts) > 1 and any(map(is_fitted, parts)):
        whole = folded((Mul if product else Add)(tuple(parts)))
        return [whole] if isinstance(whole, Constant) else parts
    plain = [part for part in parts if is_plain(part)]
    if len(plain) < 2:
        return [folded(part) for part in parts]
    values = [exact(part) for part in plain]
    total: Fraction | float = Fraction(1 if product else 0)
    for part, value in zip(plain, values, strict=True):
        number = value if value is not None else as_float(part)  # type: ignore[arg-type]
        total = total * number if product else total + number
    return [Number(total), *(part for part in parts if not is_plain(part))]


def split_coefficient(term: Expr) -> tuple[Expr, Expr]:
    """Return a term as (symbol-free factor, the rest); of a symbol-free term only the number is split off."""
    factors = term.args if isinstance(term, Mul) else (term,)
    keep = is_plain if is_free(term) and not is_fitted(term) else is_free
    numeric = [f for f in factors if keep(f)]
    rest = [f for f in factors if not keep(f)]
    return _product(numeric), _product(rest)


def _product(factors: list[Expr]) -> Expr:
    return factors[0] if len(factors) == 1 else Mul(tuple(factors)) if factors else ONE


def exact_root(value: Fraction, exponent: Fraction) -> Fraction | None:
    """Return `value ** exponent` if it is rational and short, else None."""
    if value <= 0 or abs(exponent) > 64:
        return None
    roots = [_integer_root(n, exponent.denominator) for n in (value.numerator, value.denominator)]
    if None in roots or not isinstance(roots[0], int) or not isinstance(roots[1], int):
        return None
    result = Fraction(roots[0], roots[1]) ** exponent.numerator
    return result if max(result.numerator, result.denominator) < 10**9 else None


def _integer_root(value: int, degree: int) -> int | None:
    if value.bit_length() > 512:
        return None
    guess = round(value ** (1 / degree))
    return next((r for r in (guess - 1, guess, guess + 1) if r >= 0 and r**degree == value), None)


def is_nonnegative(expr: Expr, positive: frozenset[str]) -> bool:
    """Whether the tree is certainly not negative, given the columns that are positive."""
    if isinstance(expr, Number | Constant):
        return expr.value >= 0
    if isinstance(expr, Symbol):
        return expr.name in positive
    if isinstance(expr, Add | Mul):
        return all(is_nonnegative(part, positive) for part in expr.args)
    if isinstance(expr, Pow):
        e = exact(expr.exponent)
        even = e is not None and e.denominator == 1 and e.numerator % 2 == 0
        # A power with a broken exponent is a root: not negative wherever it is a number at all.
        broken = e is not None and e.denominator != 1
        return even or broken or is_nonnegative(expr.base, positive)
    return isinstance(expr, Call) and expr.function.name in ("exp", "cosh", "abs", "arccos")
