"""Identities of the elementary functions, read from left to right; all keep the value."""

from scikan.core.expr import (
    MINUS_ONE,
    ONE,
    PI,
    ZERO,
    Add,
    Call,
    Constant,
    Expr,
    Mul,
    add,
    call,
    exact,
    multiply,
    power,
    split_sign,
)
from scikan.law.folding import is_nonnegative


_ODD = frozenset("sin tan tanh sinh arcsin arctan arctanh sgn".split())
_EVEN = frozenset("cos cosh abs".split())
_AT_ZERO = dict.fromkeys(_ODD | {"abs"}, ZERO) | dict.fromkeys(("exp", "cos", "cosh"), ONE)
_UNDOES = {
    ("log", "exp"), ("sin", "arcsin"), ("cos", "arccos"), ("tan", "arctan"), ("tanh", "arctanh"),
    ("arctanh", "tanh"),
}  # fmt: skip
# Shifts of a sine by quarter turns: sin(u + n pi/2).
_QUARTERS = {0: ("sin", False), 1: ("cos", False), 2: ("sin", True), 3: ("cos", True)}


def call_rules(expr: Call, positive: frozenset[str]) -> Expr:
    """Return the call in a simpler form, or the call itself."""
    name, u = expr.function.name, expr.argument
    if exact(u) == 0 and name in _AT_ZERO:
        return _AT_ZERO[name]
    if isinstance(u, Call) and (name, u.function.name) in _UNDOES:
        return u.argument
    if name in _ODD | _EVEN and _is_negative(u):
        flipped = call(name, _negative(u))
        return -flipped if name in _ODD else flipped
    match name:
        case "exp":
            return _exp(expr)
        case "log":
            return _log(expr)
        case "sin" | "cos":
            return _shifted(expr)
        case "tanh":
            return _sum_of_velocities(expr)
        case "abs":
            return u if is_nonnegative(u, positive) else expr
    return expr


def _is_negative(expr: Expr) -> bool:
    if isinstance(expr, Add):
        return all(split_sign(term)[0] for term in expr.args)
    return split_sign(expr)[0]


def _negative(expr: Expr) -> Expr:
    return add(-term for term in expr.args) if isinstance(expr, Add) else -expr


def _exp(expr: Call) -> Expr:
    """exp(a log x + b + u) is x**a C exp(u), for a fitted b."""
    outside: list[Expr] = []
    inside: list[Expr] = []
    for term in expr.argument.args if isinstance(expr.argument, Add) else (expr.argument,):
        factors = term.args if isinstance(term, Mul) else (term,)
        logs = [f for f in factors if isinstance(f, Call) and f.function.name == "log"]
        if len(logs) == 1:
            others = multiply(f for f in factors if f is not logs[0])
            outside.append(power(logs[0].argument, others))
        elif isinstance(term, Constant) and isinstance(expr.argument, Add):
            outside.append(Call(expr.function, term))
        else:
            inside.append(term)
    if not outside:
        return expr
    return multiply([*outside, Call(expr.function, add(inside))] if inside else outside)


def _log(expr: Call) -> Expr:
    """log(C u) is log(u) + C' for a fitted positive C: there it can merge with its neighbours."""
    u = expr.argument
    if exact(u) == 1:
        return ZERO
    if isinstance(u, Mul):
        fitted = [f for f in u.args if isinstance(f, Constant) and f.value > 0]
        if fitted:
            rest = multiply(f for f in u.args if f is not fitted[0])
            return Call(expr.function, rest) + Call(expr.function, fitted[0])
    return expr


def _shifted(expr: Call) -> Expr:
    if not isinstance(expr.argument, Add):
        return expr
    for term in expr.argument.args:
        factors = term.args if isinstance(term, Mul) else (term,)
        coefficient = exact(factors[0]) if len(factors) == 2 else 1
        if PI not in factors or coefficient is None or len(factors) > 2 or (2 * coefficient) % 1 != 0:
            continue
        quarters = int(2 * coefficient) + (1 if expr.function.name == "cos" else 0)
        name, negative = _QUARTERS[quarters % 4]
        shifted = call(name, add(t for t in expr.argument.args if t is not term))
        return -shifted if negative else shifted
    return expr


def _sum_of_velocities(expr: Call) -> Expr:
    """tanh(arctanh x + arctanh y) is (x + y)/(1 + x y): longer, but the form that people know."""
    if not isinstance(expr.argument, Add) or len(expr.argument.args) != 2:
        return expr
    speeds = []
    for term in expr.argument.args:
        negative, body = split_sign(term)
        if not isinstance(body, Call) or body.function.name != "arctanh":
            return expr
        speeds.append(multiply((MINUS_ONE, body.argument)) if negative else body.argument)
    x, y = speeds
    return (x + y) / (1 + x * y)
