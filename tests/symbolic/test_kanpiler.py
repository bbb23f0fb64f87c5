"""Formulas become networks and come back: all of Feynman's, random trees, collisions, and what cannot be compiled."""

import csv
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import scikan as kn


sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from random_trees import COLUMNS, grown, plans  # noqa: E402


FORMULAS = Path(__file__).parents[2] / "benchmarks" / "formulas" / "feynman.csv"
POINTS = np.random.default_rng(0).uniform(0.4, 1.7, (50, 3))


def feynman():
    with FORMULAS.open(encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter=";"))


@pytest.mark.parametrize("start", range(0, 120, 20))
def test_feynmans_formulas_compile_and_come_back(start):
    for law in feynman()[start : start + 20]:
        ranges = [part.split() for part in law["ranges"].split(", ")]
        names = [name for name, _, _ in ranges]
        rng = np.random.default_rng(1)
        columns = {name: rng.uniform(float(low), float(high), 200) for name, low, high in ranges}
        tree = kn.parse(law["formula"], names=names)
        wanted = np.broadcast_to(kn.evaluate(tree, columns), 200)
        x = np.column_stack([columns[name] for name in names])
        model = kn.kanpiler(tree, names, domain=[[float(low), float(high)] for _, low, high in ranges])
        assert all(model[address].kind == "symbolic" for address in model.edges())
        scale = np.abs(wanted).max()
        assert np.abs(model(x)[:, 0] - wanted).max() <= 1e-12 * scale, law["formula"]
        back = kn.formula(model)
        assert np.abs(np.broadcast_to(back(x).reshape(-1), 200) - wanted).max() <= 1e-10 * scale, law[
            "formula"
        ]


@pytest.mark.parametrize(
    ("formula", "width", "edges"),
    [
        ("exp(sin(pi*x) + y**2)", [2, 1, 1], 3),
        ("x*y", [2, (0, 1)], 2),
        ("x**2*y/z", [3, (0, (3,))], 3),
        ("log(x)/log(y)", [2, 2, (0, 1)], 4),
        ("x", [1, 1], 1),
        ("3*x + 2", [1, 1], 1),
        ("x**2 + x", None, 3),
        ("x + sin(x)", None, 3),
        ("exp(x*y) + sin(x*y)", None, None),
        ("m/sqrt(1 - v**2/c**2)", None, 5),
    ],
)
def test_small_formulas_take_few_edges(formula, width, edges):
    names = [n for n in ("x", "y", "z", "m", "v", "c") if n in formula.replace("exp", "").replace("sin", "")]
    model = kn.kanpiler(formula, names)
    if width is not None:
        assert model.width == kn.KAN(width).width
    if edges is not None:
        assert model.n_edges <= edges + 1
    columns = {name: POINTS[:, j % 3] * (0.5 if name == "v" else 1.0) for j, name in enumerate(names)}
    wanted = kn.evaluate(kn.parse(formula, names=names), columns)
    found = model(np.column_stack([columns[n] for n in names]))[:, 0]
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


@pytest.mark.parametrize(
    "formula", ["x**x", "2**x", "x**(1/3)", "x**2.5", "x**(-3/2)", "cosh(sin(x))", "abs(x) + sin(y)"]
)
def test_powers_and_nested_functions(formula):
    names = ["x", "y"]
    columns = {"x": POINTS[:, 0], "y": POINTS[:, 1]}
    model = kn.kanpiler(formula, names, domain=[[0.4, 1.7]] * 2)
    wanted = kn.evaluate(kn.parse(formula, names=names), columns)
    np.testing.assert_allclose(model(POINTS[:, :2])[:, 0], wanted, rtol=1e-12)


def test_constants_keep_their_digits_and_outputs_share_parts():
    model = kn.kanpiler(["0.12345678901234567*exp(x*y)", "sin(x*y) + 6.02214076e23"], ["x", "y"])
    xy = POINTS[:, 0] * POINTS[:, 1]
    found = model(POINTS[:, :2])
    np.testing.assert_allclose(found[:, 0], 0.12345678901234567 * np.exp(xy), rtol=1e-14)
    np.testing.assert_allclose(found[:, 1], 6.02214076e23)
    assert sum(len(arities) for _, arities in model.width) == 1  # one product serves both
    assert len(kn.formula(model).expressions) == 2


def compiled_right(plan):
    tree = grown(plan)
    columns = {name: np.asarray(values) for name, values in COLUMNS.items()}
    with np.errstate(all="ignore"):
        wanted = np.broadcast_to(kn.evaluate(tree, columns), 16).astype(float)
    try:
        model = kn.kanpiler(tree, list("xyz"), domain=[[0.3, 2.5]] * 3)
    except kn.CompileError as error:
        assert error.what
        assert error.fix
        return
    with np.errstate(all="ignore"):
        found = model(np.column_stack(list(columns.values())))[:, 0]
    both = np.isfinite(wanted) & np.isfinite(found) & (np.abs(wanted) < 1e12)
    scale = np.maximum(np.abs(wanted[both]), 1.0)
    assert np.all(np.abs(found[both] - wanted[both]) <= 1e-7 * scale)


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(plan=plans())
def test_random_trees_compile_or_are_refused_in_words(plan):
    compiled_right(plan)


@pytest.mark.slow
@pytest.mark.timeout(600)
@settings(max_examples=1000, deadline=None, derandomize=False, suppress_health_check=list(HealthCheck))
@given(plan=plans())
def test_a_thousand_random_trees(plan):
    compiled_right(plan)


def test_what_cannot_be_compiled_is_said():
    with pytest.raises(kn.FormulaError):
        kn.kanpiler("x +", ["x"])
    with pytest.raises(kn.FormulaError):
        kn.kanpiler("x*q", ["x"])
    with pytest.raises(kn.FormulaError):
        kn.kanpiler("__import__('os')", ["x"])
    with pytest.raises(kn.CompileError, match="none of the variables"):
        kn.kanpiler(kn.parse("x + y", names=["x", "y"]), ["x"])


def test_a_compiled_network_is_drawn_and_attributed_without_data():
    model = kn.kanpiler("m/sqrt(1 - v**2/c**2)", ["m", "v", "c"], domain=[[0.1, 1], [0, 0.9], [1.1, 2]])
    assert kn.plot(model) is not None
    rows = np.random.default_rng(0).uniform([0.1, 0, 1.1], [1, 0.9, 2], (200, 3))
    assert np.all(kn.attribute(model, rows).inputs > 0)
