"""Laws that hide a sum: the form is found, is the same function, and computer algebra or values say so."""

from dataclasses import replace

import numpy as np
import pytest

import scikan as kn
from scikan.core.expr import Constant, Number, map_children
from scikan.core.parser import parse
from scikan.discovery.sums import may_hide_sum
from scikan.law.record import Law


def law(text, **ranges):
    expr = parse(text, tuple(ranges))
    return Law((expr,), ("w",), tuple(ranges), domain=np.array(list(ranges.values()), float))


FORMS = {
    "(u + v)/(1 + u*v)": (dict(u=(-0.9, 0.9), v=(-0.9, 0.9)), "tanh(arctanh(u) + arctanh(v))"),
    "r*s/(r + s)": (dict(r=(1, 5), s=(2, 9)), "1/(1/r + 1/s)"),
    "q*r*s/(q*r + q*s + r*s)": (dict(q=(1, 5), r=(1, 5), s=(2, 9)), "1/(1/q + 1/r + 1/s)"),
    "(x + y)/(1 - x*y)": (dict(x=(-0.5, 0.5), y=(-0.5, 0.5)), "tan(arctan(x) + arctan(y))"),
    "x*sqrt(1 - y**2) + y*sqrt(1 - x**2)": (dict(x=(0.1, 0.6), y=(0.1, 0.6)), "sin(arcsin(x) + arcsin(y))"),
    "(a + b)/(1 + a*b/9)": (dict(a=(-2, 2), b=(-2, 2)), "3*tanh(arctanh(a/3) + arctanh(b/3))"),
}


@pytest.mark.parametrize("text", FORMS)
def test_a_hidden_sum_is_found_and_proved(text):
    ranges, expected = FORMS[text]
    given = law(text, **ranges)
    form = kn.sum_form(given)
    assert str(form.law.expression) == expected and form.proof == "algebra"
    rng = np.random.default_rng(1)
    points = np.stack([rng.uniform(*ends, 200) for ends in ranges.values()], axis=1)
    np.testing.assert_allclose(form.law(points), given(points), rtol=1e-12)
    np.testing.assert_allclose(form.model(points)[:, 0], given(points), rtol=1e-9)
    assert len(form.terms) == len(ranges)


@pytest.mark.parametrize("text", ["x*y + x**2", "sin(x + y*x)", "x + y + x*y**2", "(x + y)/(1 + x*y**2)"])
def test_a_law_that_hides_no_sum_has_no_such_form(text):
    assert kn.sum_form(law(text, x=(1, 2), y=(1, 2))) is None


def test_fitted_constants_are_judged_by_values():
    given = law("(a + b)/(1 + 0.111*a*b)", a=(-2, 2), b=(-2, 2))
    fitted = replace(given, expressions=(_as_fitted(given.expression),))
    form = kn.sum_form(fitted)
    assert form.proof == "values" and form.gap < 1e-12


def _as_fitted(expr):
    if isinstance(expr, Number) and expr.value != 1 and not isinstance(expr.value, int):
        return Constant(float(expr.value), 1e-6) if abs(float(expr.value)) < 1 else expr
    return map_children(expr, _as_fitted)


@pytest.mark.parametrize(
    "text, hides",
    [
        ("x*y/(x + y)", True),
        ("x + y + x*y", True),
        ("x + x**2 + y", False),
        ("2*x**2*exp(x)*y", False),
        ("sqrt(x**2 + y**2)", False),
        ("x", False),
    ],
)
def test_plain_sums_and_products_hide_none(text, hides):
    assert may_hide_sum(parse(text, ("x", "y"))) is hides


def test_one_column_has_no_sum():
    assert kn.sum_form(law("x**2 + x", x=(1, 2))) is None


def test_text_is_no_law():
    with pytest.raises(kn.SettingError, match="takes a Law, not a str"):
        kn.sum_form("x + y")


def test_a_law_without_domain_is_refused():
    with pytest.raises(kn.SettingError, match="no domain"):
        kn.sum_form(replace(law("x + y", x=(1, 2), y=(1, 2)), domain=None))


def test_a_search_tells_the_sum_inside_its_law():
    rng = np.random.default_rng(3)
    x = rng.uniform(1, 9, (200, 2))
    data = kn.Dataset.from_arrays(
        x, x[:, 0] * x[:, 1] / (x[:, 0] + x[:, 1]), names=("r", "s"), targets=("w",)
    )
    found = kn.discover(data, kn.Config(seconds=10))
    assert found.verdict == "law"
    written = str(found.law.expression)
    told = written if found.sum_form is None else str(found.sum_form.law.expression)
    assert told == "1/(1/r + 1/s)"
