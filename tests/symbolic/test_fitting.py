"""c f(a x + b) + d comes back from its curve, for every function and in any units."""

import numpy as np
import pytest

from scikan.core.functions import LIBRARY
from scikan.edit.growth import Name
from scikan.symbolic.composites import fit_composites
from scikan.symbolic.fitting import canonical, fit_curves


X = np.sort(np.random.default_rng(0).uniform(0.3, 2.3, 400))
CURVES = [
    ("x", 1.0, 0.0, 3.0, 2.0),
    ("x^2", 1.0, -0.7, 2.0, 0.0),
    ("x^3", 1.0, 0.4, 2.0, 0.0),
    ("x^4", 1.0, 0.2, 1.0, 1.0),
    ("x^5", 1.0, 0.0, 1.0, 0.0),
    ("1/x", 1.0, 0.1, 2.0, 2.0),
    ("1/x^2", 1.0, 0.2, 1.0, 0.0),
    ("1/x^3", 1.0, 0.0, 2.0, 1.0),
    ("sqrt", -1.0, 2.4, 1.0, 0.0),
    ("1/sqrt(x)", 1.0, 0.2, 2.0, 0.0),
    ("x^1.5", 1.0, 0.1, 2.0, 0.0),
    ("exp", -1.3, 0.0, 0.5, 3.0),
    ("log", 1.0, 0.5, 2.0, 1.0),
    ("abs", 1.0, -1.1, 1.0, 0.0),
    ("sin", 3.1, 0.7, 2.0, 0.1),
    ("sin", 14.0, 0.2, 1.0, 0.0),
    ("tan", 0.6, 0.0, 1.0, 0.0),
    ("tanh", 3.0, -3.0, 1.0, 0.0),
    ("arcsin", 0.42, 0.0, 1.0, 0.0),
    ("arctan", 3.0, -2.0, 1.0, 5.0),
    ("arctanh", 0.3, 0.1, 1.0, 0.0),
    ("gaussian", 2.0, -2.0, 1.0, 0.0),
    ("cosh", 1.4, -1.0, 1.0, 0.0),
]


@pytest.mark.parametrize(("name", "a", "b", "c", "d"), CURVES)
@pytest.mark.parametrize("unit", [1.0, 1e-8])
def test_constants_come_back(name, a, b, c, d, unit):
    function = LIBRARY[name]
    y = unit * (c * function.value(np, a * X + b) + d)
    fits = fit_curves(X[None], y[None], (function,))
    assert fits.misfit[0, 0] < 1e-18
    fa, fb, fc, fd = fits.affine[0, 0]
    np.testing.assert_allclose(fc * function.value(np, fa * X + fb) + fd, y, atol=1e-8 * np.ptp(y))


def curve_of(name):
    a, b, c, d = name.affine
    return c * name.function.value(np, a * X + b) + d


@pytest.mark.parametrize("function", ["sqrt", "log", "1/x", "x^2", "exp", "sin", "tanh"])
def test_the_canonical_form_is_the_same_curve(function):
    name = Name(LIBRARY[function], (2.5, 0.75, -1.5, 0.25))
    same = canonical(name)
    assert np.allclose(curve_of(same), curve_of(name), rtol=1e-12)
    if "a" not in name.function.free:
        assert abs(same.affine[0]) == 1.0


def test_many_curves_at_once_equal_one_at_a_time():
    functions = LIBRARY.only("x^2", "sin", "exp")
    candidates = functions.candidates()
    x = np.stack([X, X + 1, 2 * X])
    y = np.stack([np.sin(2 * X), np.exp(-X), X**2 - X])
    together = fit_curves(x, y, candidates)
    for row in range(3):
        alone = fit_curves(x[row : row + 1], y[row : row + 1], candidates)
        np.testing.assert_allclose(together.misfit[row], alone.misfit[0], rtol=1e-6, atol=1e-20)


def test_an_undefined_function_gets_the_worst_misfit():
    x = np.linspace(-1, 1, 100)
    fits = fit_curves(x[None], np.sign(x)[None], (LIBRARY["sgn"], LIBRARY["log"]))
    assert np.all(fits.misfit <= 1.0) and np.all(np.isfinite(fits.misfit))


@pytest.mark.parametrize(
    ("form", "curve"),
    [
        ("chain", lambda x: 1 / np.sqrt(1 + x * x)),
        ("chain", lambda x: np.log(1 + x * x)),
        ("sum", lambda x: x + np.sin(2 * x)),
        ("product", lambda x: x * np.exp(-x)),
    ],
)
def test_two_functions_on_one_curve_are_recognised(form, curve):
    x = np.linspace(-1, 1, 300)
    best = fit_composites(x, 2.2 * curve(x), 1e-12)[0]
    assert best.form == form and best.misfit < 1e-20
