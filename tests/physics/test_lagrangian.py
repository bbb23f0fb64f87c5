"""Lagrangians from states: the formula, its equation, and the honest answer where there is none."""

import motions
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import scikan as kn
from scikan.core.expr import evaluate


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_a_pendulum_has_kinetic_minus_potential_energy(rng):
    found = kn.lagrangian(*motions.pendulum(rng, 400, 7.5))
    assert found.verdict == "law" and str(found.law) == "L = v**2/2 + 15*cos(q)/2"
    assert found.residual < 1e-14 and found.least_determinant == pytest.approx(1.0)
    assert found.energy_drift < 1e-14


def test_the_energy_is_conserved_along_an_exact_motion(rng):
    found = kn.lagrangian(*motions.pendulum(rng, 400))
    run = solve_ivp(lambda t, z: [z[1], -np.sin(z[0])], (0, 100), [1.2, 0.3], rtol=1e-11, atol=1e-12)
    assert np.ptp(found.energy(run.y.T)) < 1e-8


def test_a_relativistic_particle_is_named_though_its_mass_has_no_bound(rng):
    found = kn.lagrangian(*motions.relativistic(rng))
    assert str(found.law) == "L = q - sqrt(1 - v**2)"


def test_inertia_may_depend_on_the_place(rng):
    found = kn.lagrangian(*motions.kepler_polar(rng), names=("r", "phi"), angles=("phi",))
    assert found.verdict == "law" and found.residual < 1e-14
    assert str(found.law) == "L = v_r**2/2 + r**2*v_phi**2/2 + 1/r"


def test_a_magnetic_force_does_no_work_but_has_a_lagrangian(rng):
    found = kn.lagrangian(*motions.magnetic(rng))
    assert found.verdict == "law" and "v1" in str(found.law) and "q2" in str(found.law)
    assert "q" not in str(found.energy)


def test_of_several_answers_one_with_a_regular_mass_matrix_is_taken(rng):
    # The square of a conserved momentum satisfies every equation, but gives no accelerations.
    found = kn.lagrangian(*motions.cart_pole(rng), names=("x", "theta"), angles=("theta",))
    assert found.verdict == "law" and found.least_determinant > 0.05


@pytest.mark.slow
def test_independent_coordinates_keep_their_own_scales(rng):
    q, v = motions.uniform(rng, -2, 2, 600, 2), motions.uniform(rng, -2, 2, 600, 2)
    found = kn.lagrangian(q, v, np.stack([-np.sin(q[:, 0]), -q[:, 1]], axis=1))
    assert found.verdict == "law" and found.least_determinant == pytest.approx(1.0)


@pytest.mark.parametrize("friction", [pytest.param(0.02, marks=pytest.mark.slow), 0.1, 0.5])
def test_friction_has_none(rng, friction):
    q, v, a = motions.pendulum(rng, 600)
    found = kn.lagrangian(q, v, a - friction * v)
    assert found.verdict == "none" and found.law is None


@pytest.mark.slow
def test_noise_in_accelerations_leaves_the_form(rng):
    q, v, a = motions.pendulum(rng, 800, 1.7)
    found = kn.lagrangian(q, v, a + 0.01 * rng.normal(size=a.shape))
    assert found.verdict == "law"
    (constant,) = found.law.constants or (None,)
    assert constant is None or abs(constant.value - 1.7) < 4 * constant.error + 1e-3


def test_the_model_is_the_law(rng):
    found = kn.lagrangian(*motions.oscillator(rng, 300))
    x = np.random.default_rng(1).uniform(-1, 1, (20, 2))
    assert np.allclose(np.asarray(found.model(x))[:, 0], found.law(x), atol=1e-12)


@pytest.mark.slow
def test_a_double_pendulum_from_3000_rows(rng):
    q, v, a = motions.double_pendulum(rng, 3000, 1.3, 0.8, 0.9, 1.2)
    found = kn.lagrangian(q, v, a, angles=(0, 1))
    assert found.verdict == "law" and found.residual < 1e-10
    truth = 0.5 * 2.1 * 0.9**2 * v[:, 0] ** 2 + 0.5 * 0.8 * 1.2**2 * v[:, 1] ** 2
    truth += 0.8 * 0.9 * 1.2 * np.cos(q[:, 0] - q[:, 1]) * v[:, 0] * v[:, 1]
    truth += 2.1 * 9.81 * 0.9 * np.cos(q[:, 0]) + 0.8 * 9.81 * 1.2 * np.cos(q[:, 1])
    columns = dict(zip(found.law.names, np.concatenate([q, v], axis=1).T, strict=True))
    lagrangian = evaluate(found.law.expression, columns)
    fit = np.stack([lagrangian, np.ones_like(truth)], axis=1)
    assert np.abs(fit @ np.linalg.lstsq(fit, truth, rcond=None)[0] - truth).max() < 1e-9 * np.ptp(truth)


def test_a_prior_reports_its_own_error(rng):
    found = kn.lagrangian(*motions.pendulum(rng, 300), prior="v**2/2 - q**2/2")
    assert 0.01 < found.prior_residual < 1.0
    with pytest.raises(kn.SettingError, match="singular"):
        kn.lagrangian(*motions.pendulum(rng, 300), prior="q*v")


def test_wrong_calls_say_what_to_type(rng):
    q, v, a = motions.pendulum(rng, 300)
    with pytest.raises(kn.ShapeError, match="differ in shape"):
        kn.lagrangian(q, v[:10], a)
    with pytest.raises(kn.TableError, match="NaN"):
        kn.lagrangian(q, v, np.where(a > 0.9, np.nan, a))
    with pytest.raises(kn.TableError, match="too few"):
        kn.lagrangian(q[:20], v[:20], a[:20])
    with pytest.raises(kn.SettingError, match="no coordinate"):
        kn.lagrangian(q, v, a, angles=("theta",))


def test_products_of_coordinates_are_written_as_products(rng):
    q, v = motions.uniform(rng, -1, 1, 1500, 2), motions.uniform(rng, -1, 1, 1500, 2)
    x, y = q.T
    found = kn.lagrangian(q, v, np.stack([-x - 2 * x * y, -y - x**2 + y**2], axis=1))
    assert found.verdict == "law" and found.residual < 1e-14
    text = str(found.law)
    assert "(" not in text and "q2*q1**2" in text and "q2**3/3" in text


def test_where_a_class_has_no_formula_the_next_one_that_holds_is_asked(rng):
    # The same motions have a Lagrangian T(v) - V(q), with T = v arctan(v / sqrt 2) and more.
    q, v = motions.uniform(rng, -1.5, 1.5, 800, 1), motions.uniform(rng, -1, 1, 800, 1)
    found = kn.lagrangian(q, v, -q * (2 + v**2) / (1 + q**2))
    assert str(found.law) == "L = (1/2 + q**2/2)*v**2 - q**2"
    assert found.verdict == "law" and found.residual < 1e-14
