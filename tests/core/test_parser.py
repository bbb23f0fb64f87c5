"""Text to tree and back; hostile text is refused at once."""

import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_trees import COLUMNS, grown, plans

from scikan.core.errors import FormulaError, UnknownFunctionError
from scikan.core.expr import (
    PI,
    Constant,
    E,
    Expr,
    Number,
    Pow,
    Symbol,
    call,
    constants,
    evaluate,
    exact,
    symbols,
    walk,
)
from scikan.core.functions import LIBRARY
from scikan.core.parser import parse
from scikan.core.printing import to_latex, to_numpy_source, to_sympy, to_text


@pytest.mark.parametrize(
    "text",
    [
        "-x**2/2 + 3*2**-x**2/(4*y)",
        "x-(y-z)",
        "x/y/z",
        "x/(y/z)",
        "2*x**-1.5",
        "-(x+y)*-z",
        "x**y**0.5",
        "--x + +y",
        "x - -y",
        "(x - y)/(x + y)*3/7",
        "-x**y",
        "1e-3*x + .5*y - 2.*z",
        "x**-y*z",
    ],
)
def test_precedence_is_that_of_python(text: str) -> None:
    # The strings are ours, so that Python itself may be the reference.
    assert np.allclose(evaluate(parse(text), COLUMNS), eval(text, {}, dict(COLUMNS)), rtol=1e-14)  # noqa: S307


@settings(max_examples=150, deadline=None)
@given(plans())
def test_printing_reads_back(plan: Any) -> None:
    tree = grown(plan)
    text = str(tree)
    again = parse(text, names=("x", "y", "z"))
    if not any(isinstance(node, Pow) and exact(node.base) == 0 for node in walk(tree)):
        assert str(again) == text  # 1/2/0 is written 1/(2*0), which is 1/0
    with np.errstate(all="ignore"):
        assert np.allclose(
            evaluate(again, COLUMNS), evaluate(tree, COLUMNS), rtol=1e-8, atol=1e-8, equal_nan=True
        )


@settings(max_examples=200, deadline=1000)
@given(st.text(st.sampled_from("xy019.+-*/^()`_ e,[]{}'\\\n\u03b1sinqrt"), max_size=40))
def test_any_text_is_a_tree_or_a_formula_error(text: str) -> None:
    try:
        tree = parse(text)
    except FormulaError:
        return
    assert parse(str(tree)) is not None


HOSTILE = [
    "",
    " ",
    "x.__class__",
    "__import__('os').system('ls')",
    "().__class__",
    "lambda: 0",
    "lambda",
    "x if y else z",
    "[x]",
    "{x}",
    "x;y",
    "x=1",
    "f'{x}'",
    "'a'",
    "x[0]",
    "x,y",
    "sin(x, y)",
    "sin()",
    "()",
    "x y",
    "2x",
    "x(2)",
    "((2**64)**64)**64)**64",
    "9**9**9**9**9",
    "x**100000000",
    "x**(10**9)",
    "1e999",
    "1e308*x + 1e999",
    "9" * 5000,
    "(" * 300 + "x" + ")" * 300,
    "(" * 5000,
    "sin(" * 300 + "x" + ")" * 300,
    "x**" * 3000 + "x",
    "x+" * 6000,
    "x/",
    "*x",
    "x**",
    "`x",
    "``",
    "x\x00",
    "\u221a x",
    "__x__",
    "x and y",
    "not x",
    "x@y",
    "x//y",
    "x%y",
    "x<<3",
    "~x",
    "x:=2",
    "sin x",
    "eval(x)",
    "exec(x)",
    "`a`(x)",
    "x" + ")" * 50,
    "-" * 4000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_is_refused_at_once(text: str) -> None:
    start = time.perf_counter()
    with pytest.raises(FormulaError):
        parse(text)
    assert time.perf_counter() - start < 10.0


@pytest.mark.parametrize(
    "text", ["-" * 4000 + "x", "x+" * 4900 + "x", "x*" * 4900 + "x", "2**64" + "*2**64" * 1400]
)
def test_long_text_is_read_in_linear_time(text: str) -> None:
    start = time.perf_counter()
    try:
        parse(text)
    except FormulaError as error:
        assert "too large" in str(error)
    assert time.perf_counter() - start < 20.0


def test_a_misspelt_name_is_told_with_its_neighbour_and_place() -> None:
    with pytest.raises(FormulaError, match=r"(?s)'lenght' \(column 5.*Did you mean 'length'"):
        parse("2 * lenght", names=("length", "mass"))
    with pytest.raises(UnknownFunctionError, match=r"(?s)'sine'.*Did you mean 'sin'"):
        parse("sine(x)")


def test_columns_that_are_no_identifiers_stand_in_backquotes() -> None:
    names = ("temp K", "class", "a`b", "pi", "e")
    tree = parse("`temp K`*`class` + `a``b` - pi/`e`", names=names)
    assert set(names) == {n for n in map(lambda s: s.name, _leaves(tree))}
    assert parse(str(tree), names=names) == tree
    assert parse(str(tree)) == tree


def _leaves(tree: Expr) -> list[Symbol]:
    return [node for node in walk(tree) if isinstance(node, Symbol)]


def test_pi_and_e_are_numbers_unless_columns() -> None:
    assert parse("pi") == PI and parse("e") == E and parse("e", names=("e",)) == Symbol("e")


def test_decimals_are_constants_where_asked() -> None:
    tree = parse("2*x**0.7 - 1.5", constants=True)
    assert [c.value for c in constants(tree)] == [0.7, -1.5]
    assert constants(parse("2*x**0.7 - 1.5")) == ()


def test_aliases_and_library_names() -> None:
    assert parse("ln(x)") == call("log", Symbol("x")) and parse("asin(x)") == call("arcsin", Symbol("x"))
    assert parse("sqrt(x)") == Symbol("x") ** 0.5
    assert evaluate(parse("log10(x)"), {"x": np.array([100.0])})[0] == pytest.approx(2)
    with pytest.raises(UnknownFunctionError):
        parse("sin(x)", library=LIBRARY.only("exp"))


@pytest.mark.parametrize(
    "text, latex",
    [
        ("exp(-x**2/2)", r"e^{-\frac{x^{2}}{2}}"),
        ("2*pi*sqrt(l/g)", r"2 \pi \sqrt{\frac{l}{g}}"),
        ("2*3.5*x", r"2 \cdot 3.5 x"),
        ("theta_0*rho", r"\theta_{0} \rho"),
        ("(a-b)*c", r"\left(a - b\right) c"),
        ("`temp K`", r"\mathrm{temp\ K}"),
        ("x1/abs(x2)", r"\frac{x_{1}}{\left|x_{2}\right|}"),
        ("1.5e-7*x", r"1.5 \cdot 10^{-7} x"),
        ("x-(y-z)", r"x - \left(y - z\right)"),
    ],
)
def test_latex(text: str, latex: str) -> None:
    assert to_latex(parse(text)) == latex


def test_rounded_text_is_for_show() -> None:
    tree = parse("0.00030001*a**1.49999/sqrt(M)", constants=True)
    assert to_text(tree, digits=3) == "0.0003*a**1.5/sqrt(M)"
    assert str(tree) == "0.00030001*a**1.49999/sqrt(M)"


@settings(max_examples=40, deadline=None)
@given(plans())
def test_numpy_source_computes_the_same(plan: Any) -> None:
    tree = grown(plan)
    if not symbols(tree):
        return  # Python's own arithmetic on bare numbers differs: complex roots, exceptions for 1/0
    scope: dict[str, object] = {}
    exec(to_numpy_source(tree, arguments=("x", "y", "z")), scope)  # noqa: S102 - our own printer's output
    with np.errstate(all="ignore"):
        try:
            value = scope["law"](*(COLUMNS[n] for n in "xyz"))  # type: ignore[operator]
        except (ZeroDivisionError, OverflowError):
            return  # a constant 1/0: Python's own arithmetic refuses what arrays turn into infinity
        if np.iscomplexobj(value):
            return  # so does a root of a negative constant, which Python makes complex
        assert np.allclose(value, evaluate(tree, COLUMNS), rtol=1e-8, atol=1e-8, equal_nan=True)


def test_numpy_source_gives_every_column_an_argument_of_its_own() -> None:
    source = to_numpy_source(parse("`a b`*a_b/`class`"))
    assert "def law(a_b, a_b_, class_):" in source and "a_b*a_b_/class_" in source


def test_sympy_gets_symbols_numbers_and_functions() -> None:
    import sympy

    tree = to_sympy(parse("2*pi*sqrt(`temp K`)/3 + arctan(x)"))
    t, x = sympy.Symbol("temp K"), sympy.Symbol("x")
    assert tree == 2 * sympy.pi * sympy.sqrt(t) / 3 + sympy.atan(x)
    assert to_sympy(Constant(0.5) * Number(1)) == sympy.Float(0.5)
