"""Random trees over x, y, z and columns to evaluate them on.

Hypothesis draws plain tuples, `grown` makes trees of them: run-time type checks sample at random, which
a strategy must not.
"""

from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import strategies as st

from scikan.core.expr import PI, Constant, Expr, Number, Symbol, call


UNARY = ["exp", "log", "abs", "sin", "cos", "tan", "tanh", "sgn", "arcsin", "arctan", "arctanh", "gaussian"]
UNARY += ["sinh", "cosh", "sqrt"]
COLUMNS = {name: np.random.default_rng(i).uniform(0.3, 2.5, 16) for i, name in enumerate("xyz")}


def plans() -> st.SearchStrategy[Any]:
    numbers = st.fractions(min_value=-4, max_value=4, max_denominator=6)
    floats = st.floats(-3, 3, allow_subnormal=False)
    leaves = st.one_of(st.sampled_from(["x", "y", "z", "pi"]), numbers, floats)
    names = st.sampled_from(["exp", "log", "sin", "cos", "tanh", "arctan", "abs", "sgn", "cosh"])
    powers = st.sampled_from([Fraction(n, 2) for n in (-4, -3, -2, -1, 1, 2, 3, 4, 6)])
    return st.recursive(
        leaves,
        lambda parts: st.one_of(
            st.tuples(st.sampled_from("+-*/"), parts, parts),
            st.tuples(st.just("^"), parts, powers),
            st.tuples(names, parts),
        ),
        max_leaves=8,
    )


def grown(plan: Any) -> Expr:
    if isinstance(plan, str):
        return PI if plan == "pi" else Symbol(plan)
    if isinstance(plan, float):
        return Constant(plan)
    if isinstance(plan, Fraction):
        return Number(plan)
    kind, *parts = plan
    trees = [grown(part) for part in parts]
    if len(trees) == 1:
        return call(kind, trees[0])
    a, b = trees
    return {"+": a + b, "-": a - b, "*": a * b, "/": a / b, "^": a**b}[kind]


@st.composite
def deep_plans(draw: st.DrawFn, depth: int = 5) -> Any:
    """Trees of up to this depth with roots of every usual kind and the whole unary library."""
    kind = draw(st.sampled_from(["leaf", "two", "two", "two", "power", "call"])) if depth else "leaf"
    if kind == "leaf":
        return draw(st.sampled_from(["x", "y", "z", "x", "y", "z", Fraction(2), Fraction(-1, 3), 0.7, "pi"]))
    if kind == "two":
        parts = [draw(deep_plans(depth - 1)) for _ in range(2)]
        return (draw(st.sampled_from("+-*/")), *parts)
    if kind == "power":
        thirds = [Fraction(n, 3) for n in (-2, -1, 1, 2, 4)]
        halves = [Fraction(n, 2) for n in (-4, -3, -2, -1, 1, 3, 4, 6, 8)]
        return ("^", draw(deep_plans(depth - 1)), draw(st.sampled_from([*halves, *thirds])))
    return (draw(st.sampled_from(UNARY)), draw(deep_plans(depth - 1)))
