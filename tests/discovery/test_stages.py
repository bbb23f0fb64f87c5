"""Formulas by regression: each stage finds what it is for."""

import numpy as np
import pytest

from scikan.core.expr import evaluate, symbols
from scikan.discovery.stages import polynomials, power_laws


R = np.random.default_rng(0)
X = R.uniform(0.5, 3.0, (200, 3))
NAMES = ("a", "b", "c")
COLUMNS = dict(zip(NAMES, X.T, strict=True))


def smallest_error(laws, y):
    errors = [np.abs(np.broadcast_to(evaluate(law, COLUMNS), y.shape) - y).max() / np.ptp(y) for law in laws]
    return min(e for e in errors if np.isfinite(e))


def test_a_power_law_keeps_its_columns_only():
    y = 4.2 * X[:, 0] ** 1.5 / np.sqrt(X[:, 2])
    (law,) = power_laws(X, y, NAMES)
    assert set(symbols(law)) == {"a", "c"}
    assert smallest_error([law], y) < 1e-10


def test_negative_targets_have_power_laws_too_and_mixed_ones_none():
    assert smallest_error(power_laws(X, -2.0 * X[:, 1], NAMES), -2.0 * X[:, 1]) < 1e-10
    assert list(power_laws(X, X[:, 0] - 1.7, NAMES)) == []


@pytest.mark.parametrize(
    "y",
    [
        X[:, 0] * X[:, 1] - 2 * X[:, 2] ** 3 + 1,
        1 / (1 + X[:, 0] * X[:, 1]),
        np.exp(X[:, 0] - X[:, 1] ** 2),
        np.sqrt(X[:, 0] ** 2 + X[:, 1] ** 2),
    ],
    ids=["y", "1/y", "log y", "y^2"],
)
def test_polynomials_of_transformed_targets(y):
    assert smallest_error(polynomials(X, y, NAMES), y) < 1e-6
