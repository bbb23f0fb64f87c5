"""What can be done with a law's tree: evaluate, substitute, differentiate, count, change constants.

The nodes themselves are in `core.nodes` and can be imported from here too. Everything is a plain
function from trees to trees or to arrays; nothing is compiled and no text is ever run.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np

from scikan.core.errors import ColumnError, FormulaError, ShapeError
from scikan.core.nodes import (
    HALF,
    MINUS_ONE,
    ONE,
    PI,
    ZERO,
    Add,
    Call,
    Constant,
    E,
    Expr,
    Mul,
    Number,
    Operand,
    Pow,
    Symbol,
    add,
    as_expr,
    as_float,
    call,
    children,
    depth,
    exact,
    is_numeric,
    map_children,
    multiply,
    power,
    root,
    split_fraction,
    split_sign,
    substitute,
    walk,
)
from scikan.core.parser import apply


WrittenKind: TypeAlias = Literal["operator", "power", "exponent", "leaf"]


def symbols(expr: Expr) -> tuple[str, ...]:
    """Return the names of the columns used, in order of first use."""
    return tuple(dict.fromkeys(node.name for node in walk(expr) if isinstance(node, Symbol)))


def constants(expr: Expr) -> tuple[Constant, ...]:
    """Return the fitted constants from left to right, repeated ones as often as they occur."""
    return tuple(node for node in walk(expr) if isinstance(node, Constant))


def with_constants(expr: Expr, values: Sequence[Operand] | np.ndarray) -> Expr:
    """Return the tree with its fitted constants replaced, in the order of `constants`.

    Args:
        expr: a tree with n fitted constants.
        values: n floats (new values without errors) or trees (a `Number` fixes a constant).

    Raises:
        ShapeError: not n values.
    """
    n = len(constants(expr))
    if len(values) != n:
        raise ShapeError(
            f"{len(values)} values for the {n} fitted constants of {expr}.",
            fix="Give one value for each entry of constants(expr), in that order.",
        )
    fresh = iter([v if isinstance(v, Expr) else Constant(float(v)) for v in values])

    def place(node: Expr) -> Expr:
        return next(fresh) if isinstance(node, Constant) else map_children(node, place)

    return place(expr)


def evaluate(expr: Expr, columns: Mapping[str, Any], xp: Any = np) -> Any:
    """Return the value of the tree, elementwise: NaN outside the domain, without a warning.

    Args:
        expr: the tree.
        columns: arrays of one shape (usually `(N,)`), or scalars, by column name.
        xp: `numpy` or `jax.numpy`; with the latter it can be traced and differentiated.

    Returns:
        an array of the columns' shape, also where the tree is a constant; a float if there are no columns.

    Raises:
        ColumnError: the tree uses a column that is not given.
    """
    with np.errstate(all="ignore"):
        value = _value(expr, columns, xp)
    if isinstance(value, float) and len(columns):
        first = next(iter(columns.values()))
        return xp.full(np.shape(first), value)
    return value


def _value(expr: Expr, columns: Mapping[str, Any], xp: Any) -> Any:
    # What does not depend on a column is a Python float: it is weakly typed in either namespace.
    if isinstance(expr, Number | Constant):
        return as_float(expr)
    if isinstance(expr, Symbol):
        return column_values(expr.name, columns, xp)
    if isinstance(expr, Add):
        total = _value(expr.args[0], columns, xp)
        for term in expr.args[1:]:
            total = total + _value(term, columns, xp)
        return total
    if isinstance(expr, Mul):
        product: Any = 1.0
        for i, factor in enumerate(expr.args):
            # A quotient is one division: 6/3 is 2 exactly, and a law written so by hand agrees bitwise.
            if isinstance(factor, Pow) and isinstance(factor.exponent, Number) and factor.exponent.value < 0:
                below = raised(_value(factor.base, columns, xp), -as_float(factor.exponent), xp)
                product = divided(product, below)
            else:
                value = _value(factor, columns, xp)
                product = product * value if i else value
        return product
    if isinstance(expr, Pow):
        return raised(_value(expr.base, columns, xp), _value(expr.exponent, columns, xp), xp)
    assert isinstance(expr, Call)
    return called(expr.function.value, _value(expr.argument, columns, xp), xp)


def column_values(name: str, columns: Mapping[str, Any], xp: Any) -> Any:
    """Return a column as an array of floats; raise `ColumnError` if it is not there."""
    try:
        column = xp.asarray(columns[name])
    except KeyError:
        known = ", ".join(map(repr, columns)) or "none"
        raise ColumnError(
            f"The formula uses the column {name!r}; given are {known}.",
            fix=f"Give an array for {name!r}, or rename the symbol.",
        ) from None
    return column * 1.0 if column.dtype.kind in "biu" else column


def called(function: Callable[[Any, Any], Any], value: Any, xp: Any) -> Any:
    """Return `function(xp, value)`, a float for a float."""
    return float(function(np, np.float64(value))) if isinstance(value, float) else function(xp, value)


def divided(a: Any, b: Any) -> Any:
    """Return a / b; for two floats with NumPy's infinities in place of an exception."""
    return float(np.float64(a) / b) if isinstance(a, float) and isinstance(b, float) else a / b


def raised(base: Any, exponent: Any, xp: Any) -> Any:
    """Return base ** exponent: products for whole exponents (also of negative bases), roots for halves."""
    if isinstance(base, float):
        return (
            float(np.power(np.float64(base), exponent))
            if isinstance(exponent, float)
            else xp.power(base, exponent)
        )
    if not isinstance(exponent, float) or not (2 * exponent).is_integer() or abs(exponent) > 32:
        return xp.power(base, exponent)
    whole, half = divmod(abs(exponent), 1.0)
    value = _whole_power(base, int(whole)) if whole else None
    if half:
        value = xp.sqrt(base) if value is None else value * xp.sqrt(base)
    if value is None:
        return xp.ones_like(base)
    return 1.0 / value if exponent < 0 else value


def _whole_power(base: Any, n: int) -> Any:
    result = None
    while n:
        if n & 1:
            result = base if result is None else result * base
        n >>= 1
        base = base * base if n else base
    return result


def differentiate(expr: Expr, name: str) -> Expr:
    """Return the exact derivative of the tree with respect to a column, not simplified.

    Raises:
        FormulaError: a function without a known derivative (one of the user's own) depends on the column.
    """
    if name not in symbols(expr):
        return ZERO
    if isinstance(expr, Symbol):
        return ONE
    if isinstance(expr, Add):
        return add(differentiate(term, name) for term in expr.args)
    if isinstance(expr, Mul):
        factors = expr.args
        return add(
            multiply((*factors[:i], differentiate(f, name), *factors[i + 1 :])) for i, f in enumerate(factors)
        )
    if isinstance(expr, Pow):
        base, exponent = expr.base, expr.exponent
        by_base = exponent * base ** (exponent - 1) * differentiate(base, name)
        if name not in symbols(exponent):
            return by_base
        return by_base + expr * call("log", base) * differentiate(exponent, name)
    assert isinstance(expr, Call)
    return _call_derivative(expr) * differentiate(expr.argument, name)


def _call_derivative(expr: Call) -> Expr:
    u = expr.argument
    match expr.function.name:
        case "exp":
            return expr
        case "log":
            return 1 / u
        case "abs":
            return call("sgn", u)
        case "sgn":
            return ZERO
        case "sin" | "sinh":
            return call("cos" if expr.function.name == "sin" else "cosh", u)
        case "cos":
            return -call("sin", u)
        case "cosh":
            return call("sinh", u)
        case "tan":
            return 1 + expr**2
        case "tanh":
            return 1 - expr**2
        case "arcsin":
            return 1 / root(1 - u**2)
        case "arccos":
            return -1 / root(1 - u**2)
        case "arctan":
            return 1 / (1 + u**2)
        case "arctanh":
            return 1 / (1 - u**2)
    raise FormulaError(
        f"The derivative of {expr.function.name!r} is not known as a formula.",
        fix="Differentiate numerically with the record's `derivative`.",
    )


def complexity(expr: Expr) -> int:
    """Return the number of nodes as a person writes the law.

    Each binary operator, function call, column and number counts one, whatever number it is (2/3 and pi
    are one each). A division, a subtraction and a square root are one operator each; a minus sign is
    free inside a number or a subtraction and counts one elsewhere.
    """
    return sum(1 for _ in written_nodes(expr))


def written_nodes(expr: Expr) -> Iterator[tuple[WrittenKind, Expr]]:
    """Yield the nodes that `complexity` counts: their kind, and the node they come from."""
    negative, body = split_sign(expr)
    if negative and not any(map(is_numeric, body.args if isinstance(body, Mul) else (body,))):
        yield "operator", expr
    yield from _unsigned_nodes(body)


def _unsigned_nodes(expr: Expr) -> Iterator[tuple[WrittenKind, Expr]]:
    if isinstance(expr, Symbol | Number | Constant):
        yield "leaf", expr
    elif isinstance(expr, Call):
        yield "operator", expr
        yield from written_nodes(expr.argument)
    elif isinstance(expr, Add):
        yield from (("operator", expr) for _ in expr.args[1:])
        parts = [split_sign(term) for term in expr.args]
        if all(negative for negative, _ in parts):
            yield from written_nodes(expr.args[0])
            parts = parts[1:]
        for _, body in parts:
            yield from _unsigned_nodes(body)
    else:
        above, below = split_fraction(expr)
        if not above:
            yield "leaf", ONE
        yield from (("operator", expr) for _ in range(len(above) + len(below) - bool(above)))
        for factor in above + below:
            yield from _power_nodes(factor) if isinstance(factor, Pow) else written_nodes(factor)


def _power_nodes(expr: Pow) -> Iterator[tuple[WrittenKind, Expr]]:
    if isinstance(expr.exponent, Number) and expr.exponent.value < 0:
        yield from _unsigned_nodes(expr)
        return
    if exact(expr.exponent) == exact(HALF):
        yield "operator", expr
        yield from written_nodes(expr.base)
        return
    yield "power", expr
    yield from written_nodes(expr.base)
    if isinstance(expr.exponent, Number):
        yield "exponent", expr.exponent
    else:
        yield from written_nodes(expr.exponent)


__all__ = [
    "HALF",
    "MINUS_ONE",
    "ONE",
    "PI",
    "ZERO",
    "Add",
    "Call",
    "Constant",
    "E",
    "Expr",
    "Mul",
    "Number",
    "Operand",
    "Pow",
    "Symbol",
    "add",
    "apply",
    "as_expr",
    "as_float",
    "call",
    "called",
    "children",
    "column_values",
    "complexity",
    "constants",
    "depth",
    "differentiate",
    "divided",
    "evaluate",
    "exact",
    "is_numeric",
    "map_children",
    "multiply",
    "power",
    "raised",
    "root",
    "split_fraction",
    "split_sign",
    "substitute",
    "symbols",
    "walk",
    "with_constants",
    "written_nodes",
]
