"""Natural forms: the value stays, nodes never grow, doing it twice changes nothing."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scikan.core.expr import PI, Constant, Expr, Number, Symbol, call, complexity, constants, evaluate
from scikan.core.parser import parse
from scikan.law.simplify import simplify


COLUMNS = {name: np.random.default_rng(i).uniform(0.3, 1.8, 16) for i, name in enumerate("xyz")}


def plans() -> st.SearchStrategy[Any]:
    numbers = st.fractions(min_value=-4, max_value=4, max_denominator=6)
    floats = st.floats(0.1, 3).map(lambda v: round(v, 3))
    leaves = st.one_of(st.sampled_from(["x", "y", "z", "pi"]), numbers, floats)
    names = st.sampled_from(["exp", "log", "sin", "cos", "tanh", "arctan", "abs", "cosh"])
    powers = st.sampled_from([Fraction(n, 2) for n in (-4, -3, -2, -1, 1, 2, 3, 4, 6)])
    return st.recursive(
        leaves,
        lambda p: st.one_of(
            st.tuples(st.sampled_from("+-*/"), p, p), st.tuples(st.just("^"), p, powers), st.tuples(names, p)
        ),
        max_leaves=10,
    )


def grown(plan: Any) -> Expr:
    if isinstance(plan, str):
        return PI if plan == "pi" else Symbol(plan)
    if isinstance(plan, float | Fraction):
        return Constant(plan) if isinstance(plan, float) else Number(plan)
    kind, *parts = plan
    trees = [grown(part) for part in parts]
    if len(trees) == 1:
        return call(kind, trees[0])
    a, b = trees
    return {"+": a + b, "-": a - b, "*": a * b, "/": a / b, "^": a**b}[kind]


@settings(max_examples=200, deadline=None)
@given(plans())
def test_the_value_stays_and_nodes_never_grow(plan: Any) -> None:
    tree = grown(plan)
    shorter = simplify(tree)
    assert complexity(shorter) <= complexity(tree)
    before, after = evaluate(tree, COLUMNS), evaluate(shorter, COLUMNS)
    # Nearby values bound what rounding alone can do to an ill-conditioned formula.
    moved = evaluate(tree, {name: column * (1 + 1e-13) for name, column in COLUMNS.items()})
    with np.errstate(all="ignore"):
        usable = np.isfinite(before) & np.isfinite(moved) & (np.abs(before) < 1e100)
        slack = 1e-10 * (1 + np.abs(before)) + 1e3 * np.abs(moved - before)
        assert np.all(np.abs(after - before)[usable] <= slack[usable])


@settings(max_examples=100, deadline=None)
@given(plans())
def test_simplifying_twice_changes_nothing(plan: Any) -> None:
    once = simplify(grown(plan))
    assert str(simplify(once)) == str(once)


@pytest.mark.parametrize(
    "long, short",
    [
        ("x*x", "x**2"), ("2*x + 3*x", "5*x"), ("1.5*(2.5*x)", "3.75*x"),
        ("1.5*(2.5*x + 0.5)", "3.75*x + 0.75"),
        ("exp(1.5*log(x) + 2*log(y))", "x**1.5*y**2"), ("exp(log(x))", "x"), ("log(exp(x))", "x"),
        ("log(x**3)", "log(x**3)"), ("(x**2)**3", "x**6"), ("sqrt(x**2)", "abs(x)"),
        ("sin(x + pi/2)", "cos(x)"),
        ("sin(-x)", "-sin(x)"), ("cos(y - x - pi)", "-cos(y - x)"), ("abs(-x)", "abs(x)"),
        ("tanh(arctanh(x) + arctanh(y))", "(x + y)/(1 + x*y)"), ("a*x + b*x", "x*(a + b)"),
        ("2*x + 2*y", "2*(x + y)"), ("a/(b/c)", "a*c/b"), ("sqrt(x)*sqrt(x)", "x"), ("x/x", "1"),
        ("1 - x/2 - 1/(1/y**2 + 1)", "1/(1 + y**2) - x/2"), ("x + 3 - 3*y/(y + 2)", "6/(y + 2) + x"),
        ("1 - 2/(1 + a/b)", "(a - b)/(b + a)"), ("1/(1/x + 1/y)", "x*y/(y + x)"), ("(a - b)/(b - a)", "-1"),
        ("(x + 1)**2 - x**2", "1 + 2*x"), ("exp(x)*exp(y)", "exp(x + y)"),
        ("2*pi*sqrt(l)/sqrt(g)", "2*pi*sqrt(l/g)"),
        ("sqrt(4*x)", "2*sqrt(x)"), ("(a*b + a*c)/a", "b + c"), ("x*(y + 1) - x", "x*y"),
        ("x - (y - z)", "x - y + z"),
        ("-(a - b)", "b - a"), ("2.5*2*x", "5.0*x"), ("1 - 1/(1 + exp(-x))", "1 - 1/(1 + exp(-x))"),
        ("x**2/y**2", "(x/y)**2"), ("x**2*y**2", "x**2*y**2"), ("a*x**3/y**3", "a*(x/y)**3"),
        ("sqrt(1/((a + b)*(a + c)))", "1/sqrt((a + b)*(a + c))"),
        ("exp(x)/y", "exp(x)/y"), ("x/(2/5 + 2/5*y)", "5*x/(2*(1 + y))"),
    ],
)  # fmt: skip
def test_natural_forms(long: str, short: str) -> None:
    assert str(simplify(parse(long, constants=True))) == short


def test_known_signs_remove_the_absolute_value() -> None:
    assert str(simplify(parse("sqrt(x**2*y)"), positive=["x"])) == "x*sqrt(y)"
    assert str(simplify(parse("sqrt(x**2)"), positive={"x"})) == "x"
    assert str(simplify(parse("sqrt(x**2)"))) == "abs(x)"


@pytest.mark.parametrize(
    "text, n",
    [("exp(0.5 + x)", 1), ("sqrt(2.5*x)*1.5", 1), ("1.5*log(2.5*x) + 0.5", 2), ("1.5/(2.5 + 3.5*x)", 2),
     ("(1.5 + 2.5*x)/(3.5 + 0.5*x)", 3), ("2.5*pi*x", 1), ("2.5**0.5*x + 1.5 + 0.5", 2)],
)  # fmt: skip
def test_redundant_constants_merge(text: str, n: int) -> None:
    tree = parse(text, constants=True)
    shorter = simplify(tree)
    assert len(constants(shorter)) == n
    assert np.allclose(evaluate(shorter, COLUMNS), evaluate(tree, COLUMNS), rtol=1e-13)


def test_errors_travel_with_scaled_constants() -> None:
    (c,) = constants(simplify(2 * (Constant(1.5, 0.1) * Symbol("x"))))
    assert c == Constant(3.0) and c.error == pytest.approx(0.2)


def test_a_very_long_law_is_returned_as_it_is() -> None:
    tree = parse("+".join(f"x**{i}*y" for i in range(2, 60)))
    assert simplify(tree) is tree
