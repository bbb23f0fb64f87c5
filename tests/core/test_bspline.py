"""The two-sided sums against SciPy, knots, continuation and projection."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.interpolate import BSpline

from scikan.core import bspline
from scikan.core.errors import SettingError


RNG = np.random.default_rng(0)
DEGREES = (1, 2, 3, 4, 5)


def scipy_basis(x, knots, k, derivative):
    count = len(knots) - k - 1
    splines = [BSpline(knots, np.eye(count)[i], k) for i in range(count)]
    return np.stack([(s.derivative(derivative) if derivative else s)(x) for s in splines], axis=1)


@pytest.mark.parametrize("adaptive", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("k", DEGREES)
def test_basis_and_derivatives_agree_with_scipy(k, adaptive):
    x = np.sort(RNG.uniform(-1, 2, (300, 1)) ** 3, axis=0)
    knots = bspline.sample_knots(x, 7, k, adaptive)
    points = np.concatenate([x, knots[:, k : knots.shape[1] - k].T])
    for derivative in range(k + 1):
        ours = bspline.basis(points, knots, k, derivative)[:, 0]
        theirs = scipy_basis(points[:, 0], knots[0], k, derivative)
        assert np.abs(ours - theirs).max() <= 1e-12 * np.abs(theirs).max()


@pytest.mark.parametrize("k", DEGREES)
def test_basis_does_not_depend_on_units(k):
    knots = bspline.uniform_knots(np.asarray([-1.0]), np.asarray([1.0]), 5, k)
    x = RNG.uniform(-1, 1, (100, 1))
    for unit in (1e-30, 1e30):
        np.testing.assert_allclose(
            bspline.basis(x * unit, knots * unit, k), bspline.basis(x, knots, k), atol=1e-13
        )


def test_basis_sums_to_one_on_the_grid_and_vanishes_far_away():
    knots = bspline.uniform_knots(np.asarray([0.0]), np.asarray([1.0]), 4, 3)
    np.testing.assert_allclose(
        bspline.basis(np.linspace(0, 1, 50)[:, None], knots, 3).sum(axis=2), 1.0, atol=1e-14
    )
    assert np.all(bspline.basis(np.asarray([[-2.0], [3.0]]), knots, 3) == 0.0)


def test_jax_and_numpy_agree_and_float32_stays_float32():
    knots = bspline.uniform_knots(np.asarray([-1.0, 0.0]), np.asarray([1.0, 2.0]), 5, 3)
    x = RNG.uniform(-2, 3, (50, 2))
    exact = bspline.features(x, knots, 3)
    np.testing.assert_allclose(bspline.features(jnp.asarray(x), jnp.asarray(knots), 3), exact, atol=1e-14)
    single = bspline.features(jnp.asarray(x, jnp.float32), jnp.asarray(knots, jnp.float32), 3)
    assert single.dtype == jnp.float32
    np.testing.assert_allclose(single, exact, atol=3e-6)


def test_a_spline_goes_on_as_a_straight_line():
    knots = bspline.uniform_knots(np.asarray([-1.0]), np.asarray([1.0]), 5, 3)
    coef = RNG.normal(size=8)
    at = lambda points: bspline.features(np.asarray(points)[:, None], knots, 3)[:, 0] @ coef
    slope = lambda points: bspline.feature_slopes(np.asarray(points)[:, None], knots, 3)[:, 0] @ coef
    one, two, three = at([1.0, 2.0, 3.0])
    assert three - two == pytest.approx(two - one)
    assert slope([2.5])[0] == pytest.approx(slope([1.0])[0])
    assert at([-1.0 - 1e-9])[0] == pytest.approx(at([-1.0])[0], abs=1e-7)


def test_ties_and_constant_columns_give_sound_knots():
    x = np.stack([np.repeat([0.0, 1.0], 50), np.full(100, 3.0), RNG.normal(size=100) * 1e-9], axis=1)
    knots = bspline.sample_knots(x, 8, 3, adaptive=1.0)
    gaps = np.diff(knots[:, 3:-3], axis=1)
    assert np.all(gaps > 0)
    assert np.all(gaps.max(axis=1) / gaps.min(axis=1) <= bspline.MAX_SPACING_RATIO * (1 + 1e-9))
    low, high = bspline.grid_ends(knots, 3)
    assert np.all(low <= x.min(axis=0) + 1e-12) and np.all(high >= x.max(axis=0) - 1e-12)


@pytest.mark.parametrize("k", DEGREES)
def test_nested_knots_keep_the_function_beyond_the_ends_too(k):
    knots = bspline.sample_knots(RNG.normal(size=(200, 2)), 5, k, adaptive=0.5)
    coef = RNG.normal(size=(2, 5 + k, 3))
    finer = bspline.resample_knots(knots, k, 15)
    fine = bspline.transfer(coef, knots, finer, k)
    x = RNG.normal(size=(500, 2)) * 2
    before = np.einsum("nig,igo->nio", bspline.features(x, knots, k), coef)
    after = np.einsum("nig,igo->nio", bspline.features(x, finer, k), fine)
    assert np.abs(after - before).max() <= 1e-11 * np.abs(before).max()


def test_line_coefficients_draw_a_straight_line():
    knots = bspline.uniform_knots(np.asarray([2.0]), np.asarray([4.0]), 5, 3)
    x = np.linspace(1, 5, 20)[:, None]
    line = bspline.features(x, knots, 3)[:, 0] @ bspline.line_coefficients(knots, 3)[0]
    np.testing.assert_allclose(line, x[:, 0] - 3.0, atol=1e-13)


@pytest.mark.parametrize("k", [0, 6, -1])
def test_other_degrees_are_refused(k):
    with pytest.raises(SettingError, match="spline degree"):
        bspline.uniform_knots(np.zeros(1), np.ones(1), 5, k)
