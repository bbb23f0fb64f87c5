"""Elastic energies and component laws from deformations and stresses."""

import deformations
import numpy as np
import pytest

import scikan as kn


SLOW = ("Mooney-Rivlin, isochoric", "Yeoh", "Gent", "St. Venant-Kirchhoff", "Ogden")
NAMES = (
    "neo-Hookean",
    "Mooney-Rivlin",
    "Hencky",
    *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW),
)


def data(name, sigma=0.2, seed=0, noise=0.0):
    rng = np.random.default_rng(seed)
    f = deformations.gradients(rng, sigma)
    p = deformations.stress(name, f)
    return f, p + noise * p.std() * rng.normal(size=p.shape)


@pytest.mark.parametrize("name", NAMES)
def test_one_energy_gives_all_components_to_rounding(name):
    found = kn.constitutive_law(*data(name))
    assert found.verdict == "law" and found.measure == "PK1" and found.residual < 1e-12
    assert found.asymmetry < 1e-12


@pytest.mark.parametrize("sigma", [0.2, 0.5])
def test_neo_hookean_constants_are_exact(sigma):
    found = kn.constitutive_law(*data("neo-Hookean, Kirchhoff", sigma))
    assert found.measure == "Kirchhoff"
    w = found.energy({"I1": np.array([4.0, 3.0]), "J": np.array([1.0, np.e]), "I2": np.zeros(2)})
    rest = found.energy({"I1": np.array([3.0]), "J": np.array([1.0]), "I2": np.zeros(1)})[0]
    assert w[0] - rest == pytest.approx(deformations.MU / 2, rel=1e-8)
    assert w[1] - rest == pytest.approx(deformations.LAMBDA / 2 - deformations.MU, rel=1e-8)


def test_the_second_piola_kirchhoff_stress_is_told_from_other_symmetric_ones():
    assert kn.constitutive_law(*data("St. Venant-Kirchhoff, PK2")).measure == "PK2"


def test_one_component_is_enough_when_the_measure_is_known():
    f, p = data("neo-Hookean", 0.5)
    found = kn.constitutive_law(f, p[:, 0, 0], component=(0, 0), measure="PK1")
    assert found.verdict == "law" and found.residual < 1e-12


@pytest.mark.slow
def test_one_percent_noise_leaves_the_structure():
    found = kn.constitutive_law(*data("Mooney-Rivlin", 0.5, noise=0.01))
    assert found.verdict == "law"
    assert set(found.energy.names) == {"I1", "I2", "J"}


@pytest.mark.slow
def test_a_direction_of_the_material_is_missed_and_said_so_and_found_when_given():
    f, p = data("fibre", 0.3)
    found = kn.constitutive_law(f, p)
    assert found.verdict == "approximation" and "an interaction is missing" in found.reason
    found = kn.constitutive_law(f, p, invariants={"I4": lambda f: (f.T @ f)[0, 0]})
    assert found.verdict == "law" and "I4" in found.energy.names


def test_a_prior_energy_reports_its_error_and_may_hold_a_coupling():
    f, p = data("neo-Hookean")
    found = kn.constitutive_law(f, p, prior="0.2*(I1 - 3) - 0.4*log(J)")
    assert found.verdict == "law" and 0.0 < found.prior_residual < 1.0


@pytest.mark.parametrize("prior", [None, "0.833334*(F11 - 1) + 0.277778*(F11 + F22 + F33 - 3)"])
def test_a_diagonal_component_needs_squares_and_the_volume(prior):
    found = kn.component_law(*data("neo-Hookean, Kirchhoff"), (0, 0), prior=prior)
    assert found.verdict == "law" and found.residual < 1e-12
    assert "cannot go below" in found.reason and 5e-3 < found.sum_floor < 1e-2
    assert "log(J)" in str(found.law)


@pytest.mark.parametrize("prior", [None, "0.416667*(F12 + F21)"])
def test_a_shear_component_is_three_products(prior):
    found = kn.component_law(*data("neo-Hookean, Kirchhoff", 0.5), (0, 1), prior=prior)
    assert str(found.law) == "P = 0.416667*F11*F21 + 0.416667*F12*F22 + 0.416667*F13*F23"


@pytest.mark.parametrize("seed", [1, 5])
def test_a_noisy_component_keeps_its_own_terms_and_no_small_ones(seed):
    found = kn.component_law(*data("neo-Hookean, Kirchhoff", 0.2, seed, 0.01), (0, 0))
    assert found.verdict == "law"
    terms = {"F11**2", "F12**2", "F13**2", "log(J)"}
    assert all(term in str(found.law) for term in terms) and len(found.law.constants) == 5


def test_a_form_that_the_data_do_not_decide_is_no_law_and_its_rivals_are_told():
    f = deformations.gradients(np.random.default_rng(0), 0.05)
    p = deformations.stress("neo-Hookean, Kirchhoff", f)
    found = kn.component_law(f, p + 0.3 * p.std() * np.random.default_rng(1).normal(size=p.shape), (0, 0))
    assert found.verdict == "approximation" and "not decided by the data" in found.reason
    assert any("instead of" in text for text in found.alternatives)


def test_few_noisy_rows_are_not_explained_by_as_many_terms():
    f, p = data("neo-Hookean, Kirchhoff", noise=0.05)
    found = kn.component_law(f[:30], p[:30], (0, 0))
    assert found.residual > 0.01 and np.isinf(found.sum_floor)


def test_rows_that_no_body_can_reach_are_left_out_with_a_notice():
    f, p = data("neo-Hookean")
    f = np.concatenate([f, np.zeros((2, 3, 3))])
    found = kn.constitutive_law(f, np.concatenate([p, np.zeros((2, 3, 3))]))
    assert found.verdict == "law" and "2 of" in found.notices[0]


def test_wrong_calls_say_what_to_type():
    f, p = data("neo-Hookean")
    with pytest.raises(kn.ShapeError, match="3 x 3"):
        kn.constitutive_law(f[:, :2, :2], p)
    with pytest.raises(kn.ShapeError, match="component="):
        kn.constitutive_law(f, p[:, 0, 0])
    with pytest.raises(kn.TableError, match="row 3"):
        kn.constitutive_law(np.where(np.arange(len(f))[:, None, None] == 3, np.nan, f), p)
    with pytest.raises(kn.SettingError, match="PK1, Kirchhoff"):
        kn.constitutive_law(f, p, measure="PK3")
