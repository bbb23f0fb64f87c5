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
