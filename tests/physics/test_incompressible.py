"""Energies of bodies that keep their volume: the stress is known up to a pressure in every row."""

import deformations
import numpy as np
import pytest

import scikan as kn
from scikan.physics.stresses import MEASURES, in_measure, pressure_direction, without_pressure


CASES = {
    "isochoric Mooney-Rivlin": "W = 3*(I1 - 3)/10 + 3*(I2 - 3)/20",
    "isochoric Gent": "W = -12*log(3/2 - I1/6)/5",
    "isochoric, reinforced": "W = 2*(I1 - 3)/5 + 2*(I4 - 1)**2/5",
}


def data(name, seed=1, noise=0.0, rows=200):
    rng = np.random.default_rng(seed)
    f = deformations.kept_volume(deformations.gradients(rng, 0.3, rows))
    pressed = rng.normal(1, 1, len(f))[:, None, None] * np.swapaxes(np.linalg.inv(f), 1, 2)
    p = deformations.stress(name, f) - pressed
    return f, p + noise * p.std() * rng.normal(size=p.shape)


def fibres(name):
    return deformations.FIBRE if "reinforced" in name else None


@pytest.mark.parametrize("name", CASES)
def test_the_energy_is_found_whatever_the_pressure(name):
    found = kn.constitutive_law(*data(name), incompressible=True, fibres=fibres(name))
    assert found.verdict == "law" and found.residual < 1e-12 and str(found.energy) == CASES[name]
    assert all(c.holds for c in found.conditions if c.of == "law")


@pytest.mark.slow
@pytest.mark.parametrize("measure", ["Kirchhoff", "Cauchy", "PK2"])
def test_the_pressure_is_taken_off_in_every_measure(measure):
    f, p = data("isochoric Mooney-Rivlin")
    found = kn.constitutive_law(f, in_measure(p, f, measure), measure=measure, incompressible=True)
    assert found.verdict == "law" and str(found.energy) == CASES["isochoric Mooney-Rivlin"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["isochoric Mooney-Rivlin", "isochoric, reinforced"])
def test_one_percent_of_noise_leaves_the_structure(name):
    found = kn.constitutive_law(*data(name, noise=0.01), incompressible=True, fibres=fibres(name))
    assert found.verdict == "law" and not found.notices
    assert set(found.energy.names) == ({"I1", "I2"} if fibres(name) is None else {"I1", "I4"})


@pytest.mark.parametrize("measure", MEASURES)
def test_a_pressure_leaves_nothing_and_the_rest_is_across_it(measure):
    f, p = data("isochoric Gent")
    unit = pressure_direction(f, measure)
    pressure = in_measure(np.swapaxes(np.linalg.inv(f), 1, 2), f, measure).reshape(-1, 9)
    assert np.allclose(without_pressure(pressure, unit), 0, atol=1e-14)
    left = without_pressure(in_measure(p, f, measure).reshape(-1, 9), unit)
    assert np.allclose(np.sum(left * unit, axis=1), 0, atol=1e-12)


@pytest.mark.slow
def test_without_the_option_a_free_pressure_is_no_law():
    found = kn.constitutive_law(*data("isochoric Mooney-Rivlin"))
    assert found.verdict == "none" and "give incompressible=True" in found.notices[0]


def test_a_volume_that_changes_is_told():
    f, p = data("isochoric Gent")
    f = np.where(np.arange(len(f))[:, None, None] == 4, 1.1 * f, f)
    with pytest.raises(
        kn.TableError, match=r"det F is 1.33 in row 4, .* 1 of 200 rows(?s:.*)leave incompressible out"
    ):
        kn.constitutive_law(f, p, incompressible=True)


def test_one_component_says_nothing_beside_an_unknown_pressure():
    f, p = data("isochoric Gent")
    with pytest.raises(kn.SettingError, match="its pressure is unknown"):
        kn.constitutive_law(f, p[:, 0, 0], component=(0, 0), incompressible=True)
