"""Suggest, fix, unfix, formula: nothing changes what it is asked about, and nothing is made up."""

import numpy as np
import pytest

import scikan as kn


@pytest.fixture(scope="module")
def trained():
    data = kn.Dataset.from_function(
        lambda x: np.sin(2 * x[:, 0]) + x[:, 1] ** 2, n_inputs=2, rows=300, test=50
    )
    model, _ = kn.fit(kn.KAN.for_data(data, grid=10), data, steps=20)
    return model, data


def test_suggestions_are_ranked_and_leave_the_model_alone(trained):
    model, data = trained
    before = model(data.x)
    ranked = kn.suggest_symbolic(model, (0, 0, 0), data)
    assert ranked[0].name == "sin" and ranked[0].r2 > 0.99999
    assert ranked[0].affine[0] == pytest.approx(2.0, abs=1e-2)
    assert [s.bits for s in ranked] == sorted(s.bits for s in ranked)
    assert np.array_equal(model(data.x), before)


def test_fixing_and_unfixing_an_edge(trained):
    model, data = trained
    fixed, how = kn.fix_symbolic(model, (0, 0, 0), "sin", data)
    assert fixed[0, 0, 0].kind == "symbolic" and how.name == "sin"
    assert np.abs(fixed(data.x) - model(data.x)).max() < 1e-2
    back = kn.unfix_symbolic(fixed, (0, 0, 0))
    assert back[0, 0, 0].kind == "spline"
    assert np.abs(back(data.x) - fixed(data.x)).max() < 1e-3
    with pytest.raises(kn.SettingError, match="not symbolic"):
        kn.unfix_symbolic(model, (0, 0, 0))


def test_a_function_of_ones_own_can_be_put_on_an_edge(trained):
    model, data = trained
    bump = kn.Function("bump", lambda xp, u: 1 / (1 + u * u), lambda xp, u: -2 * u / (1 + u * u) ** 2)
    fixed, _ = kn.fix_symbolic(model, (0, 1, 0), bump, affine=(1.0, 0.0, 2.0, 0.0))
    fixed, _ = kn.fix_symbolic(fixed, (0, 0, 0), "sin", data)
    assert "bump(" in str(kn.formula(fixed))


def test_asking_for_what_is_not_there_is_an_error(trained):
    model, data = trained
    with pytest.raises(kn.UnknownFunctionError, match="'sine'"):
        kn.fix_symbolic(model, (0, 0, 0), "sine", data)
    with pytest.raises(kn.SettingError, match="without rows"):
        kn.fix_symbolic(model, (0, 0, 0), "sin")
    off = kn.remove_edges(model, [(0, 0, 0)])
    with pytest.raises(kn.SettingError, match="is off"):
        kn.suggest_symbolic(off, (0, 0, 0), data)


def test_a_formula_of_splines_is_an_error_never_zero(trained):
    model, _ = trained
    with pytest.raises(kn.NotSymbolicError, match="2 of 2 edges are still splines"):
        kn.formula(model)


def test_edges_are_named_together_and_the_law_is_exact(trained):
    model, data = trained
    named, edges = kn.auto_symbolic(model, data)
    assert sorted(e.name for e in edges) == ["sin", "x^2"]
    law = kn.snap_law(kn.formula(named), data)
    assert law.expression == kn.parse("sin(2*x1) + x2**2", names=["x1", "x2"])
    np.testing.assert_allclose(named(data.x), data.y, atol=1e-10)


TEXTS = [
    "exp(sin(pi*x) + y**2)",
    "x*y",
    "x**2 + x",
    "x",
    "3*x + 2",
    "x*y + x*z",
    "2 + pi*(sin(x) + 3)",
    "x**(5/2)",
    "2**x",
    "x**y",
    "cosh(sin(x))",
    "exp(-x/100) - exp(-(x + 1)/100)",
    "x*sin(x)*exp(x)",
    "sqrt(x**2 + y**2)",
    "x + sin(x) + exp(x)",
    "x**(-3/2)",
    "x**6",
    "x**(1/3)",
    "tan(x)/(1 + x*y)",
    "5",
    "(x + y)/(1 + x*y)",
    "1/(1/x + 1/y)",
]


@pytest.mark.parametrize("text", TEXTS)
def test_a_compiled_formula_is_the_formula_and_comes_back(text):
    names = [n for n in "xyz" if n in kn.parse(text).__str__()] or ["x"]
    x = np.random.default_rng(0).uniform(0.2, 1.2, (50, len(names)))
    model = kn.kanpiler(text, names, domain=[(0.2, 1.2)] * len(names))
    wanted = np.broadcast_to(
        kn.evaluate(kn.parse(text, names=names), dict(zip(names, x.T, strict=True))), len(x)
    )
    np.testing.assert_allclose(model(x)[:, 0], wanted, rtol=1e-13)
    np.testing.assert_allclose(kn.formula(model)(x), wanted, rtol=1e-12)


def test_sympys_spelling_of_the_absolute_value_is_read():
    assert kn.parse("Abs(x)") == kn.parse("abs(x)")


def test_compiled_shapes_are_the_papers():
    assert kn.kanpiler("exp(sin(pi*x) + y**2)", ["x", "y"]).width == ((2, ()), (1, ()), (1, ()))
    assert kn.kanpiler("x*y", ["x", "y"]).width == ((2, ()), (0, (2,)))
    assert kn.kanpiler("m/sqrt(1 - v**2/c**2)", ["m", "v", "c"]).n_edges == 5


def test_several_formulas_share_one_network():
    model = kn.kanpiler(["x*y", "sin(x*y) + x"], ["x", "y"], targets=["a", "b"])
    x = np.random.default_rng(0).uniform(-1, 1, (20, 2))
    np.testing.assert_allclose(
        model(x), np.stack([x[:, 0] * x[:, 1], np.sin(x[:, 0] * x[:, 1]) + x[:, 0]], axis=1), atol=1e-13
    )
    assert model.targets == ("a", "b")


def test_a_formula_over_other_columns_is_refused():
    with pytest.raises(kn.FormulaError):
        kn.kanpiler("x + q", ["x"])
