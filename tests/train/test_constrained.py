"""Edges of a known shape: exact after a fit, and as good as the data allow."""

import numpy as np
import pytest

import scikan as kn
from scikan.core.trees import updated


X = np.random.default_rng(0).uniform(-1, 1, (300, 2))
U = np.linspace(-1, 1, 201)
NOISE = 0.05 * np.random.default_rng(1).normal(size=300)


def fitted(f, shape):
    y = f(X[:, 0]) + 0.5 * X[:, 1] ** 2 + NOISE
    model, error = kn.fit_constrained(kn.KAN([2, 1], grid=8, key=0), (X, y[:, None]), {(0, 0, 0): shape})
    assert error < 0.06
    assert not any(layer.locked.any() for layer in model.layers)
    return np.asarray(model[0, 0, 0].curve(U))


def test_increasing_and_decreasing():
    assert np.all(np.diff(fitted(np.tanh, "increasing")) >= -1e-12)
    assert np.all(np.diff(fitted(lambda u: -(u**3), "decreasing")) <= 1e-12)


def test_positive():
    assert np.all(fitted(lambda u: 1 - np.cos(2 * u), "positive") >= -1e-12)


def test_even_and_odd():
    curve = fitted(np.cos, "even")
    np.testing.assert_allclose(curve, curve[::-1], atol=1e-12)
    curve = fitted(np.sin, "odd")
    np.testing.assert_allclose(curve, -curve[::-1], atol=1e-12)


def test_periodic():
    curve = fitted(lambda u: np.sin(np.pi * u + 0.3), "periodic")
    slopes = np.diff(curve)
    assert curve[0] == pytest.approx(curve[-1], abs=1e-12)
    assert slopes[0] == pytest.approx(slopes[-1], abs=2e-3)


ENGINES = [
    kn.LevenbergMarquardt(backend="numpy"),
    kn.LevenbergMarquardt(backend="jax"),
    kn.LBFGS(),
    kn.Adam(),
]


@pytest.mark.parametrize("optimiser", ENGINES, ids=["NumPy", "JAX", "LBFGS", "Adam"])
def test_shapes_hold_in_every_engine(optimiser):
    y = np.sin(2 * X[:, 0]) + X[:, 1] ** 2 + NOISE
    shapes = {(0, 0, 0): "odd", (0, 1, 0): "even"}
    model, _ = kn.fit_constrained(
        kn.KAN([2, 1], grid=6, key=0), (X, y[:, None]), shapes, steps=14, optimiser=optimiser
    )
    odd, even = (np.asarray(model[0, i, 0].curve(U)) for i in (0, 1))
    np.testing.assert_allclose(odd, -odd[::-1], atol=1e-12)
    np.testing.assert_allclose(even, even[::-1], atol=1e-12)


def test_a_function_of_ones_own_is_fitted_like_any():
    bump = kn.Function("bump", lambda xp, u: 1 / (1 + u * u), lambda xp, u: -2 * u / (1 + u * u) ** 2)
    start, _ = kn.fix_symbolic(kn.KAN([2, 1], key=0), (0, 0, 0), bump, affine=(1.5, 0.1, 1.0, 0.0))
    y = 3 / (1 + (2 * X[:, 0] - 0.5) ** 2) + X[:, 1]
    for optimiser in ENGINES[:2]:
        model, _ = kn.fit(start, (X, y[:, None]), optimiser, steps=40)
        a, b, c, _ = model[0, 0, 0].constants
        np.testing.assert_allclose([abs(a), abs(b), c], [2.0, 0.5, 3.0], atol=1e-4)


def test_what_has_no_shape():
    model = kn.KAN([2, 1], grid=4, key=0)
    with pytest.raises(kn.SettingError, match="no spline|only a spline"):
        kn.constrain(kn.kanpiler("x1 + x2", ["x1", "x2"]), {(0, 0, 0): "even"})
    with pytest.raises(kn.SettingError, match="no edge"):
        kn.constrain(model, {(0, 5, 0): "even"})
    skewed = updated(lambda m: m.layers[0].splines.knots, model, np.exp(model.layers[0].splines.knots))
    for shape, told in (("odd", "not symmetric"), ("periodic", "not uniform")):
        with pytest.raises(kn.SettingError, match=told):
            kn.constrain(skewed, {(0, 0, 0): shape})
