"""Formulas become networks and come back: all of Feynman's, random trees, collisions, and what cannot be compiled."""

import csv
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings

import scikan as kn
from scikan.core.nodes import Add, Mul, map_children


sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from random_trees import COLUMNS, deep_plans, grown  # noqa: E402


FORMULAS = Path(__file__).parents[2] / "benchmarks" / "formulas" / "feynman.csv"
POINTS = np.random.default_rng(0).uniform(0.4, 1.7, (50, 3))


def feynman():
    with FORMULAS.open(encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter=";"))


def unordered(tree):
    """The tree with terms and factors in one order, whatever order they were written in."""
    tree = map_children(tree, unordered)
    return type(tree)(tuple(sorted(tree.args, key=str))) if isinstance(tree, Add | Mul) else tree


@pytest.mark.parametrize("start", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(20, 120, 20))])
def test_feynmans_formulas_compile_and_come_back(start):
    alike = 0
    for law in feynman()[start : start + 20]:
        ranges = [part.split() for part in law["ranges"].split(", ")]
        names = [name for name, _, _ in ranges]
        domain = np.array([[float(low), float(high)] for _, low, high in ranges])
        x = np.random.default_rng(1).uniform(domain[:, 0], domain[:, 1], (200, len(names)))
        tree = kn.parse(law["formula"], names=names)
        wanted = np.broadcast_to(kn.evaluate(tree, dict(zip(names, x.T, strict=True))), 200)
        model = kn.kanpiler(tree, names, domain=domain)
        assert all(model[address].kind == "symbolic" for address in model.edges())
        back = kn.formula(model)
        for found in (model(x)[:, 0], np.broadcast_to(np.ravel(back(x)), 200)):
            assert np.abs(found - wanted).max() <= 1e-12 * np.abs(wanted).max(), law["formula"]
        positive = tuple(name for name, (low, _) in zip(names, domain, strict=True) if low > 0)
        alike += unordered(back.expression) == unordered(kn.simplify(tree, positive))
    assert alike >= 15  # the rest are other ways to write the same, which the simplifier holds equally short


@pytest.mark.parametrize(
    ("formula", "width", "edges"),
    [
        ("exp(sin(pi*x) + y**2)", [2, 1, 1], 3),
        ("x*y", [2, (0, 1)], 2),
        ("x**2*y/z", [3, (0, (3,))], 3),
        ("x/y", [2, (0, 1)], 2),
        ("x", [1, 1], 1),
        ("3*x + 2", [1, 1], 1),
        ("5*exp(2*x + 1) - 7", [1, 1], 1),
        ("x**2 + x", [1, 2, 1], 4),
        ("x + sin(x)", [1, 2, 1], 4),
        ("exp(x*y) + sin(x*y)", [2, (0, 1), 2, 1], 6),
        ("m/sqrt(1 - v**2/c**2)", [3, (1, (2,)), (0, 1)], 5),
    ],
)
def test_small_formulas_take_few_edges(formula, width, edges):
    names = [n for n in ("x", "y", "z", "m", "v", "c") if n in formula.replace("exp", "").replace("sin", "")]
    model = kn.kanpiler(formula, names)
    assert model.width == kn.KAN(width).width
    assert model.n_edges == edges
    columns = {name: POINTS[:, j % 3] * (0.5 if name == "v" else 1.0) for j, name in enumerate(names)}
    wanted = kn.evaluate(kn.parse(formula, names=names), columns)
    found = model(np.column_stack([columns[n] for n in names]))[:, 0]
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


@pytest.mark.parametrize(
    "formula",
    [
        "x**x",
        "2**x",
        "x**(1/3)",
        "x**(-1/3)",
        "x**2.5",
        "x**(-3/2)",
        "x**6",
        "x**y",
        "cosh(sin(x))",
        "abs(x) + sin(y)",
        "2 + pi*(sin(x) + 3)",
        "pi*(x + 3)",
        "7",
        "x*0 + 7",
        "(x + y)*(x + y) + sin(x + y)",
        "x**2 + x**3 + x",
    ],
)
def test_powers_constants_and_nested_functions(formula):
    names = ["x", "y"]
    columns = {"x": POINTS[:, 0], "y": POINTS[:, 1]}
    model = kn.kanpiler(formula, names, domain=[[0.4, 1.7]] * 2)
    wanted = np.broadcast_to(kn.evaluate(kn.parse(formula, names=names), columns), len(POINTS))
    np.testing.assert_allclose(model(POINTS[:, :2])[:, 0], wanted, rtol=1e-12)
    back = np.broadcast_to(np.ravel(kn.formula(model)(POINTS[:, :2])), len(POINTS))
    np.testing.assert_allclose(back, wanted, rtol=1e-12)


def test_constants_keep_their_digits_and_outputs_share_parts():
    model = kn.kanpiler(["0.12345678901234567*exp(x*y)", "sin(x*y) + 6.02214076e23"], ["x", "y"])
    xy = POINTS[:, 0] * POINTS[:, 1]
    found = model(POINTS[:, :2])
    np.testing.assert_allclose(found[:, 0], 0.12345678901234567 * np.exp(xy), rtol=1e-14)
    np.testing.assert_allclose(found[:, 1], 6.02214076e23)
    assert sum(len(arities) for _, arities in model.width) == 1  # one product serves both
    assert len(kn.formula(model).expressions) == 2


def test_a_compiled_network_needs_no_data():
    model = kn.kanpiler("x**2 + 0.3*y", ["x", "y"], domain=[[-1, 1]] * 2)
    assert np.isclose(model([[0.5, 1.0]])[0, 0], 0.55)
    x, y = (4 / 45) ** 0.5, 0.3 / 3**0.5
    np.testing.assert_allclose(kn.attribute(model).inputs, np.array([x, y]) / np.hypot(x, y), rtol=0.02)
    assert len(kn.plot(model).axes) == 1
    with pytest.raises(kn.ShapeError, match="no domain"):
        kn.attribute(kn.MLP([2, 1]))


def test_where_rounding_of_a_part_decides_the_simplified_formula_is_compiled():
    model = kn.kanpiler("y*arcsin(x/x)", ["x", "y"], domain=[[0.4, 1.7]] * 2)
    np.testing.assert_allclose(model(POINTS[:, :2])[:, 0], POINTS[:, 1] * np.pi / 2, rtol=1e-14)
    model = kn.kanpiler("x + 1/(1/(x - x)**(3/2))**(3/2)", ["x"], domain=[[0.4, 1.7]])
    np.testing.assert_allclose(model(POINTS[:, :1])[:, 0], POINTS[:, 0], rtol=1e-14)


def test_simple_numbers_come_back_as_such_and_others_as_they_are():
    text = str(kn.formula(kn.kanpiler("x/3 + 1.234567*y**2 - sqrt(2/pi)", ["x", "y"])).expression)
    assert "x/3" in text
    assert "1.234567" in text
    assert "pi" in text
    moved = kn.kanpiler("1.0000000001*x", ["x"])
    assert "1.0000000001" in str(kn.formula(moved).expression)


def compiled_right(plan):
    tree = grown(plan)
    x = np.column_stack(list(COLUMNS.values()))
    longer = {name: values.astype(np.longdouble) for name, values in COLUMNS.items()}
    with np.errstate(all="ignore"):
        told = np.broadcast_to(kn.evaluate(tree, COLUMNS), 16).astype(float)
        truth = np.broadcast_to(kn.evaluate(tree, longer), 16)
        defined = np.isfinite(told) & np.isfinite(truth.astype(float))
        shaken = [
            np.broadcast_to(kn.evaluate(tree, {n: v * (1 + size) for n, v in COLUMNS.items()}), 16)
            for size in (-2e-15, -5e-16, 5e-16, 2e-15)
        ]
    try:
        model = kn.kanpiler(tree, list("xyz"), domain=[[0.3, 2.5]] * 3)
    except kn.CompileError as error:
        assert "differs" not in error.what
        assert error.fix
        return
    if not defined.any():
        return
    scale = np.maximum(np.abs(told[defined]).max(), 1e-300)
    # 1e-12, or as exact as the formula itself in double precision where its own rounding is more than that.
    with np.errstate(all="ignore"):
        rounding = np.nanmax(np.abs(np.stack([*shaken, truth])[:, defined] - told[defined]), axis=0)
    cancelled = 1e-13 * np.abs(model.trace(x).layers[-1].edges[defined]).max()
    allowed = 1e-12 * scale + 100 * rounding + cancelled
    back = np.broadcast_to(np.ravel(kn.formula(model)(x)), 16)
    for found in (model(x)[:, 0], back):
        assert np.all(np.isfinite(found[defined]))
        assert np.all(np.abs(found[defined] - truth[defined]) <= allowed)


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(plan=deep_plans())
@pytest.mark.slow
def test_random_trees_compile_or_are_refused_in_words(plan):
    compiled_right(plan)


@pytest.mark.slow
@pytest.mark.timeout(900)
@settings(
    max_examples=1000,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],  # shrinking one failure would take longer than all the rest
    suppress_health_check=list(HealthCheck),
)
@given(plan=deep_plans())
def test_a_thousand_random_trees(plan):
    compiled_right(plan)


@pytest.mark.parametrize("formula", ["x +", "x*q", "__import__('os')", "", "max(x, x)", "x == 2", "1e400*x"])
def test_what_is_no_formula_is_said(formula):
    with pytest.raises(kn.FormulaError) as said:
        kn.kanpiler(formula, ["x"])
    assert said.value.fix


@pytest.mark.parametrize(
    ("formula", "told"),
    [
        ("x*log(-3)", r"holds log\(-3\)"),
        ("x/0", "holds 1/0"),
        ("sqrt(-1)", r"holds sqrt\(-1\)"),
        ("(-2)**x", "not positive"),
        ("x*1e300*1e300", "too large"),
        ("x + arctan(1/(abs(x) - x)**(1/2))", "passes through an infinity"),
        ("x + 1/(1/(sgn(x) - 1)**2)**(3/2)", "passes through an infinity"),
    ],
)
def test_what_cannot_be_compiled_is_said(formula, told):
    with pytest.raises(kn.CompileError, match=told) as said:
        kn.kanpiler(formula, ["x"])
    assert said.value.fix


def test_a_name_that_is_no_variable_is_said():
    with pytest.raises(kn.CompileError, match="none of the variables"):
        kn.kanpiler(kn.parse("x + y", names=["x", "y"]), ["x"])


def test_a_compiled_network_is_drawn_and_attributed_without_data():
    domain = np.array([[0.1, 1], [0, 0.9], [1.1, 2]])
    model = kn.kanpiler("m/sqrt(1 - v**2/c**2)", ["m", "v", "c"], domain=domain)
    assert kn.plot(model) is not None
    rows = np.random.default_rng(0).uniform(domain[:, 0], domain[:, 1], (200, 3))
    assert np.all(kn.attribute(model, rows).inputs > 0)
