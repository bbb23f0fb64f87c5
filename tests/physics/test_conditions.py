"""Fibres, and the conditions of frame and symmetry that an elastic law and its data are asked for."""

import deformations
import numpy as np
import pytest

import scikan as kn
from scikan.physics.conditions import Condition
from scikan.physics.elasticity import Kinematics


FIBRES = {
    "reinforced": ("2*(I4 - 1)**2/5", deformations.FIBRE),
    "reinforced, exponential": ("exp(13*(I4 - 1)**2/10)", deformations.FIBRE),
    "reinforced, sheared": ("(I5 - 1)**2/8", deformations.FIBRE),
    "reinforced, St. Venant-Kirchhoff": ("2*(I4 - 1)**2/5", deformations.FIBRE),
    "reinforced twice": ("3*(I4_2 - 1)**2/20", [deformations.FIBRE, deformations.ACROSS]),
}


def data(name, sigma=0.3, seed=0, noise=0.0, rows=200):
    rng = np.random.default_rng(seed)
    f = deformations.gradients(rng, sigma, rows)
    p = deformations.stress(name, f)
    return f, p + noise * p.std() * rng.normal(size=p.shape)


def told(found, of, word):
    return next(c for c in found.conditions if c.of == of and c.name.startswith(word))


@pytest.mark.parametrize(
    "name",
    [name if name == "reinforced" else pytest.param(name, marks=pytest.mark.slow) for name in FIBRES],
)
def test_an_energy_with_fibres_is_found_to_rounding(name):
    part, fibres = FIBRES[name]
    found = kn.constitutive_law(*data(name), fibres=fibres)
    assert found.verdict == "law" and found.residual < 1e-12 and part in str(found.energy)
    assert all(c.holds for c in found.conditions if c.of == "law")
    assert not told(found, "data", "isotropy").holds


@pytest.mark.slow
@pytest.mark.parametrize("name", ["reinforced", "reinforced, sheared"])
def test_fibres_are_found_among_one_percent_of_noise(name):
    found = kn.constitutive_law(*data(name, seed=1, noise=0.01), fibres=deformations.FIBRE)
    assert found.verdict == "law" and all(c.holds for c in found.conditions if c.name[:8] != "isotropy")
    part = "(I5 - 1)**2" if "sheared" in name else "(I4 - 1)**2"
    assert {"I1", "J"} < set(found.energy.names) and part in str(found.energy)


def test_the_found_energy_does_not_care_from_where_one_looks():
    f, p = data("reinforced")
    energy = kn.constitutive_law(f, p, fibres=deformations.FIBRE).energy
    q, _ = np.linalg.qr(np.random.default_rng(5).normal(size=(3, 3)))
    unit = deformations.FIBRE / np.linalg.norm(deformations.FIBRE)

    def columns(f):
        kin = Kinematics(f)
        parts = (kin.first(), kin.second(), kin.volume(), *kin.along(unit, ""))
        return {part.names[0]: part.values[:, 0] for part in parts}

    turned = q * np.linalg.det(q) @ f
    assert np.allclose(energy(columns(turned)), energy(columns(f)), rtol=1e-12)


@pytest.mark.parametrize("place", [0, 1], ids=["I4", "I5"])
def test_gradients_of_fibre_invariants_are_derivatives(place):
    f, h = data("reinforced")[0][:5], 1e-6
    unit = deformations.FIBRE / np.linalg.norm(deformations.FIBRE)
    own = Kinematics(f).along(unit, "")[place]
    for i in range(3):
        for j in range(3):
            step = np.zeros((3, 3))
            step[i, j] = h
            up, down = (Kinematics(f + s * step).along(unit, "")[place].values for s in (1, -1))
            assert np.allclose((up - down) / (2 * h), own.gradients[:, :, i, j], atol=1e-8)


@pytest.mark.parametrize("noise", [0.0, pytest.param(0.01, marks=pytest.mark.slow)])
def test_an_isotropic_law_keeps_all_conditions(noise):
    found = kn.constitutive_law(*data("neo-Hookean", noise=noise))
    assert found.verdict == "law" and set(found.energy.names) == {"I1", "J"}
    assert len(found.conditions) == 7 and all(c.holds for c in found.conditions) and not found.notices
    assert told(found, "law", "isotropy").residual < 1e-12


@pytest.mark.parametrize("noise", [0.0, pytest.param(0.01, marks=pytest.mark.slow)])
def test_a_stress_where_nothing_is_deformed_is_told(noise):
    f, p = data("neo-Hookean", noise=noise)
    found = kn.constitutive_law(f, p + 0.02 * f)
    assert found.verdict == "law"
    rest = told(found, "law", "reference state")
    assert not rest.holds and 0.01 < rest.residual < 0.2


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_moments_that_do_not_balance_are_told_in_one_sentence(noise):
    f, p = data("neo-Hookean", noise=noise)
    found = kn.constitutive_law(f, np.swapaxes(p, 1, 2), measure="PK1")
    assert found.verdict != "law" and not told(found, "data", "balance").holds
    assert "do not balance" in found.notices[-1] and "give np.swapaxes(P, 1, 2)" in found.notices[-1]


@pytest.mark.slow
def test_a_small_offset_of_one_stress_among_noise_is_no_law():
    f, p = data("neo-Hookean, Kirchhoff", noise=0.01)
    p = 0.5 * (p + np.swapaxes(p, 1, 2))
    p[:, 0, 0] += 0.1 * p[:, 0, 0].std()
    found = kn.constitutive_law(f, p, measure="Kirchhoff")
    assert found.verdict == "approximation" and "how the body is turned" in found.reason


@pytest.mark.slow
def test_fibres_that_were_not_told_are_missed_and_the_sentence_says_what_to_type():
    found = kn.constitutive_law(*data("reinforced", noise=0.01))
    assert found.verdict != "law" and "fibres=(1, 0, 0)" in found.notices[-1]


@pytest.mark.slow
def test_a_scalar_that_depends_on_the_frame_breaks_objectivity():
    f, p = data("neo-Hookean")
    p = p + 0.3 * f[:, :1, :1] * np.diag([1.0, 0, 0])
    found = kn.constitutive_law(f, p, measure="PK1", invariants={"F11": lambda f: f[0, 0]})
    assert not told(found, "law", "objectivity").holds and not told(found, "data", "balance").holds


def test_one_component_is_asked_for_the_conditions_of_the_law_alone():
    f, p = data("neo-Hookean")
    found = kn.constitutive_law(f, p[:, 0, 0], component=(0, 0), measure="PK1")
    assert [c.of for c in found.conditions] == ["law"] * 4


def test_a_condition_reads_as_a_sentence():
    assert str(Condition("P(I) = 0", "law", 0.03, False)) == "P(I) = 0 (law): does not hold, 0.03"


@pytest.mark.parametrize(
    ("fibres", "error", "says"),
    [
        ((1.0, 0.0), kn.ShapeError, r"shape \(2,\).*fibres=\(1, 0, 0\)"),
        ([(1.0, 0, 0), (0, 1.0)], kn.ShapeError, "no rows of three numbers"),
        ("x", kn.ShapeError, "'x'"),
        (np.ones((50, 3)), kn.ShapeError, "50 fibres.*F @ Q"),
        ([(1.0, 0, 0), (0, 0, 0)], kn.SettingError, "Fibre 2 is .*no direction"),
        ((np.nan, 0, 1), kn.SettingError, "Fibre 1 is"),
        ([(1.0, 0, 0), (-2.0, 0, 0)], kn.SettingError, "Fibres 1 and 2 are parallel"),
    ],
)
def test_wrong_fibres_are_told_with_what_to_type(fibres, error, says):
    with pytest.raises(error, match=f"(?s){says}"):
        kn.constitutive_law(*data("neo-Hookean"), fibres=fibres)
