"""The tree: canonical building, evaluation, derivatives, substitution, counting."""

import math
import warnings
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from random_trees import COLUMNS, grown, plans

from scikan.core.errors import ColumnError, FormulaError, ShapeError
from scikan.core.expr import (
    ONE,
    PI,
    ZERO,
    Add,
    Call,
    Constant,
    Expr,
    Mul,
    Number,
    Pow,
    Symbol,
    apply,
    call,
    complexity,
    constants,
    depth,
    differentiate,
    evaluate,
    substitute,
    symbols,
    with_constants,
)
from scikan.core.functions import LIBRARY, Function
from scikan.core.parser import parse


jax.config.update("jax_enable_x64", True)

x, y, z = Symbol("x"), Symbol("y"), Symbol("z")


def test_operators_fold_exact_numbers_and_flatten() -> None:
    assert x + 0 == x and x * 1 == x and x * 0 == ZERO and x**0 == ONE and x**1 == x
    assert x + 1 + 2 == Add((x, Number(3)))
    assert 2 * (x * 3) == Mul((Number(6), x))
    assert 1 / (2 * x) == Mul((Number(Fraction(1, 2)), Pow(x, Number(-1))))
    assert x / (y / z) == x / y * z
    assert -Constant(2.5) == Constant(-2.5)


def test_structural_equality_ignores_the_error_of_a_constant() -> None:
    assert Constant(1.5, 0.1) == Constant(1.5) and hash(Constant(1.5, 0.1)) == hash(Constant(1.5))
    assert parse("a*(b+1)") == Symbol("a") * (Symbol("b") + 1)
    assert len({x + y, Symbol("x") + Symbol("y")}) == 1


def test_huge_powers_stay_small() -> None:
    tree: Expr = Number(2) ** 64
    for _ in range(10):
        tree = tree**64
    assert depth(tree) < 20


@settings(max_examples=60, deadline=None)
@given(plans())
def test_jax_and_numpy_agree(plan: Any) -> None:
    tree = grown(plan)
    a = evaluate(tree, COLUMNS)
    b = np.asarray(evaluate(tree, {k: jnp.asarray(v) for k, v in COLUMNS.items()}, jnp))
    with np.errstate(all="ignore"):
        assert np.allclose(a, b, rtol=1e-9, atol=1e-9, equal_nan=True)


def test_evaluate_is_silent_and_nan_outside_the_domain() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value = evaluate(parse("log(x) + sqrt(x)"), {"x": np.array([-1.0, 1.0])})
    assert np.isnan(value[0]) and value[1] == 1.0


def test_whole_powers_accept_negative_bases_and_integers_columns() -> None:
    assert evaluate(x**3, {"x": np.array([-2, 2])}).tolist() == [-8.0, 8.0]
    assert evaluate(x**-2, {"x": np.array([-2, 2])}).tolist() == [0.25, 0.25]
    assert evaluate(x ** Constant(2.0), {"x": np.array([-3.0])}).tolist() == [9.0]


def test_a_constant_tree_fills_the_columns_shape() -> None:
    assert evaluate(PI * 2, {"x": np.zeros(3)}).shape == (3,)
    assert evaluate(PI * 2, {}) == pytest.approx(2 * math.pi)
    assert evaluate(parse("1/0"), {}) == math.inf


def test_evaluate_keeps_float32_and_works_under_jit_and_grad() -> None:
    tree = parse("0.5*x**2 + sin(2)/pi")
    columns = {"x": jnp.ones(3, dtype=jnp.float32)}
    assert evaluate(tree, columns, jnp).dtype == jnp.float32
    gradient = jax.jit(jax.grad(lambda v: evaluate(tree, {"x": v}, jnp)))(jnp.asarray(3.0))
    assert float(gradient) == pytest.approx(3.0)


def test_a_missing_column_is_named() -> None:
    with pytest.raises(ColumnError, match="'y'"):
        evaluate(x + y, {"x": np.ones(2)})


@settings(max_examples=60, deadline=None)
@given(plans())
def test_derivative_agrees_with_jax(plan: Any) -> None:
    tree = grown(plan)
    ours = evaluate(differentiate(tree, "x"), COLUMNS)
    others = {k: jnp.asarray(v) for k, v in COLUMNS.items()}
    total = jax.grad(lambda v: jnp.sum(jnp.asarray(evaluate(tree, {**others, "x": v}, jnp))))
    theirs = np.asarray(total(others["x"]))
    usable = np.isfinite(ours) & np.isfinite(theirs) & (np.abs(theirs) < 1e12)
    scale = 1 + np.abs(theirs[usable])
    assert np.all(np.abs(ours[usable] - theirs[usable]) < 1e-6 * scale)


def test_a_function_of_ones_own_has_no_formula_for_its_derivative() -> None:
    own = Function("bump", lambda xp, u: xp.exp(-u * u), lambda xp, u: -2 * u * xp.exp(-u * u))
    with pytest.raises(FormulaError, match="bump"):
        differentiate(apply(own, x), "x")


def test_apply_writes_out_twins_that_are_not_elementary() -> None:
    assert str(apply(LIBRARY["gaussian"], x + 1)) == "exp(-(x + 1)**2)"
    assert apply(LIBRARY["sqrt"], x) == x**0.5
    assert apply(LIBRARY["0"], x) == ZERO
    assert isinstance(apply(LIBRARY["sin"], x), Call)


def test_every_library_twin_equals_its_function() -> None:
    u = np.linspace(0.1, 0.9, 9)
    for record in LIBRARY.values():
        assert np.allclose(evaluate(apply(record, x), {"x": u}), record.value(np, u)), record.name


def test_substitution_is_simultaneous() -> None:
    assert substitute(x / y, {"x": y, "y": x}) == y / x


def test_constants_come_and_go_in_order() -> None:
    tree = parse("2.5*x**1.7 + exp(-0.3*y)", constants=True)
    assert [c.value for c in constants(tree)] == [2.5, 1.7, -0.3]
    again = with_constants(tree, [1.0, 2.0, 3.0])
    assert [c.value for c in constants(again)] == [1.0, 2.0, 3.0]
    assert with_constants(tree, [Number(1), Number(2), Number(0)]) == x**2 + call("exp", ZERO)
    with pytest.raises(ShapeError, match="2 values for the 3"):
        with_constants(tree, [1.0, 2.0])


def test_symbols_in_order_of_first_use() -> None:
    assert symbols(parse("b*a + sin(b) + c")) == ("b", "a", "c")


@pytest.mark.parametrize(
    "text, nodes",
    [
        ("x", 1),
        ("-x", 2),
        ("-2", 1),
        ("2/3*x", 3),
        ("a/b", 3),
        ("a - b", 3),
        ("sqrt(x)", 2),
        ("x**2", 3),
        ("1/x", 3),
        ("1/(a*b)", 5),
        ("a/(b*c)", 5),
        ("-2*x", 3),
        ("2*pi*sqrt(l/g)", 8),
        ("exp(-x**2/2)", 6),
        ("(a - b)/(a + b)", 7),
        ("a + b + c", 5),
        ("-a - b", 4),
        ("x**(3/2)", 3),
        ("sin(x)*y", 4),
        ("-2*a - b", 5),
        ("1/sqrt(x)", 4),
        ("-x*y/z", 6),
    ],
)
def test_complexity_counts_what_a_person_writes(text: str, nodes: int) -> None:
    assert complexity(parse(text)) == nodes
