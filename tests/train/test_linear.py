"""Linear questions to a layer: solved against closed answers."""

import numpy as np
import pytest

from scikan.core import bspline
from scikan.core.errors import KanError
from scikan.train.linear import (
    Factored,
    Refinement,
    canonical_pairs,
    knots_of,
    least_squares,
    null_vectors,
    spline_columns,
    triangle,
    whiten,
)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def splines(x, grid, k=3, derivative=0):
    return spline_columns(x, knots_of(x, grid, k), k, derivative)


def test_derivatives_of_columns_are_derivatives(rng):
    x, h = np.linspace(-0.9, 0.9, 50), 1e-5
    knots = knots_of(rng.uniform(-1, 1, 500), 8, 4)
    for n in (0, 1):
        rise = (
            spline_columns(x + h, knots, 4, derivative=n) - spline_columns(x - h, knots, 4, derivative=n)
        ) / (2 * h)
        assert np.allclose(rise, spline_columns(x, knots, 4, derivative=n + 1), atol=1e-5)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_columns_are_the_features_of_a_layer_also_beyond_its_grid(rng, k):
    x = rng.normal(size=300)
    knots = knots_of(x[:100], 7, k)
    x[:2] = knots[k], knots[-k - 1]
    layer = x[:, None], knots[None, :], k
    assert np.allclose(spline_columns(x, knots, k), bspline.features(*layer)[:, 0], atol=1e-13)
    slopes = bspline.feature_slopes(*layer)[:, 0]
    assert np.allclose(spline_columns(x, knots, k, derivative=1), slopes, atol=1e-11)


def test_whitened_directions_are_uncorrelated_and_drop_copies(rng):
    x = rng.normal(size=(400, 3)) * [1.0, 1e6, 1e-6]
    columns = np.column_stack([x, x[:, 0] + 1e-6 * x[:, 1], np.ones(400)])
    white = whiten(columns)
    values = white(columns)
    assert values.shape == (400, 3)
    assert np.allclose(values.T @ values / 400, np.eye(3), atol=1e-9)
    assert np.allclose(values.mean(axis=0), 0, atol=1e-9)


def test_least_squares_does_not_depend_on_units(rng):
    columns = rng.normal(size=(100, 3)) * [1e9, 1.0, 1e-9]
    truth = np.asarray([[2e-9, 1e-9], [3.0, 0.0], [4e9, -1e9]])
    assert np.allclose(least_squares(columns, columns @ truth), truth, rtol=1e-10)
    assert np.allclose(least_squares(columns, columns @ truth[:, 0]), truth[:, 0], rtol=1e-10)


def test_the_energy_of_an_oscillator_is_the_null_vector(rng):
    q, p = rng.uniform(-1, 1, (2, 300))
    values = np.column_stack([q, p, q * q, q * p, p * p])
    rates = np.column_stack([p, -q, 2 * q * p, p * p - q * q, -2 * q * p])
    found = null_vectors(rates, values)
    assert found.values[0] < 1e-13 < 0.1 < found.values[1]
    law = found.vectors[:, 0] / found.vectors[2, 0]
    assert np.allclose(law, [0, 0, 1, 0, 1], atol=1e-12)
    assert np.isclose(np.std(values @ found.vectors[:, 0]), 1.0)


def test_columns_factored_once_have_the_triangle_of_all(rng):
    columns, more = rng.normal(size=(50, 4)), rng.normal(size=(50, 3))
    more[:, 0] = columns @ [1.0, 2.0, 3.0, 4.0] + 1e-8 * more[:, 0]
    factored, both = Factored(columns), np.concatenate([columns, more], axis=1)
    for whole in (triangle(both), factored.triangle(more)):
        assert whole.shape == (7, 7)
        assert np.allclose(whole.T @ whole / 7, both.T @ both / 50, rtol=0, atol=1e-14 * 50)
    # What nearly depends on the columns is told from them to the last digit, which no product of columns would do.
    scale, other = rng.normal(size=(60, 4)), rng.normal(size=(60, 3))
    found = null_vectors(factored.triangle(more), Factored(scale).triangle(other), centred=False)
    direct = null_vectors(both, np.concatenate([scale, other], axis=1), centred=False)
    assert np.allclose(found.values, direct.values, rtol=1e-6)
    weights = found.vectors[:, :2]
    assert np.allclose(factored.together(more, weights), both @ weights)


def test_a_shallow_law_is_the_first_canonical_pair(rng):
    x, y = rng.uniform(1, 5, (2, 1000))
    z = np.sqrt(x * x + y * y)
    found = canonical_pairs(splines(z, 10), np.column_stack([splines(x, 10), splines(y, 10)]))
    assert found.residuals[0] < 1e-6
    assert found.residuals[1] > 0.3
    assert np.allclose(found.correlations**2 + found.residuals**2, 1)


def test_refinement_tells_falling_from_flat(rng):
    assert Refinement((10, 20, 40), (1e-3, 1e-4, 1e-5)).kind == "falls"
    assert Refinement((10, 20, 40), (3e-1, 3e-1, 3e-1)).kind == "flat"
    assert Refinement((10, 20, 40), (3e-3, 1e-12, 1e-13)).kind == "floor"
    assert np.isclose(Refinement((10, 40), (16e-4, 1e-4)).order, 2)


def test_faults_are_sentences(rng):
    with pytest.raises(KanError, match="NaN"):
        whiten(np.asarray([[1.0], [np.nan]]))
    with pytest.raises(KanError, match="rising"):
        Refinement((10, 5), (1.0, 1.0))
