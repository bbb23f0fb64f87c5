"""Hamiltonians of fields: canonical, in kinetic momenta, wrongly paired, noisy, and none where there is friction."""

import os
import subprocess
import sys

import hamiltonians
import numpy as np
import pytest
from hamiltonians import CASES, PLANE, box, sampled

import scikan as kn
from scikan.core.errors import KanError


NOISE = [0.0, pytest.param(1e-3, marks=pytest.mark.slow)]


@pytest.mark.parametrize(("case", "noise"), [*((case, 0.0) for case in CASES), ("pendulum", 1e-3)])
def test_canonical_fields_have_their_textbook_energy(case, noise):
    names, sample, field, truth = CASES[case]
    states = sample(0)
    found = kn.hamiltonian(states, sampled(states, field, noise), names=names)
    assert found.verdict == "law" and found.is_canonical and str(found.law) == truth
    assert found.residual < (1e-14 if not noise else 2e-3)
    assert np.allclose(found.model(states)[:, 0], found.law(states))


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_thousandth_of_noise_hides_no_energy(case):
    # Ten seeds: python tests/physics/hamiltonians.py CASE 0 1 2 3 4 5 6 7 8 9
    command = [sys.executable, hamiltonians.__file__, case, *map(str, range(4))]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found = [line.split("\t") for line in done.stdout.splitlines()]
    truth = CASES[case][3]
    right = sum(verdict == "law" and set(law.split()) == set(truth.split()) for verdict, law in found)
    assert len(found) == right == 4


@pytest.mark.parametrize("noise", NOISE)
def test_a_charge_in_a_magnetic_field_has_another_structure_for_kinetic_momenta(noise):
    states = box(0, 1, 4)
    rates = sampled(states, lambda x, y, u, v: (u, v, 1.5 * v, -1.5 * u), noise)
    found = kn.hamiltonian(states, rates, names=("x", "y", "vx", "vy"))
    assert found.verdict == "law" and not found.is_canonical
    assert str(found.law) == "H = vx**2/2 + vy**2/2"
    truth = [[0, 0, 1, 0], [0, 0, 0, 1], [-1, 0, 0, 1.5], [0, -1, -1.5, 0]]
    assert np.allclose(found.structure, truth, atol=1e-12 if not noise else 1e-2)


def test_velocities_of_two_masses_are_scaled_momenta():
    states = box(0, 1, 4)
    rates = sampled(states, lambda x, y, u, v: (u, v, -np.sin(x - y) / 2, np.sin(x - y) / 3))
    found = kn.hamiltonian(states, rates, names=("x", "y", "vx", "vy"))
    assert str(found.law) == "H = vx**2/2 + 3*vy**2/4 - cos(x - y)/2"
    assert found.structure[1, 3] == pytest.approx(2 / 3)


def test_coordinates_in_another_order_are_told_by_the_structure_or_by_pairs():
    states = box(0, 1, 4)
    rates = sampled(states, lambda x, u, y, v: (u, -x - x * y, v, -2 * y - x**2 / 2))
    names, truth = ("x", "px", "y", "py"), "H = x**2/2 + px**2/2 + y**2 + py**2/2 + x**2*y/2"
    found = kn.hamiltonian(states, rates, names=names)
    assert str(found.law) == truth and found.structure[0, 1] == pytest.approx(1.0)
    found = kn.hamiltonian(states, rates, names=names, pairs=[("x", "px"), ("y", "py")])
    assert str(found.law) == truth and found.is_canonical


def test_inner_constants_are_found():
    states = box(0, 2, 2)
    rates = sampled(states, lambda q, p: (p, 2.3 * np.sin(2.3 * q)))
    assert str(kn.hamiltonian(states, rates, names=("q", "p")).law) == "H = cos(23*q/10) + p**2/2"


@pytest.mark.parametrize("noise", NOISE)
def test_friction_has_no_hamiltonian_and_the_reason_is_told(noise):
    states = box(0, 2, 2)
    found = kn.hamiltonian(states, sampled(states, lambda q, p: (p, -q - 0.2 * p), noise), names=("q", "p"))
    assert found.verdict == "none" and found.law is None and "volumes shrink" in found.reason
    plane = box(0, 1, 4)
    field = lambda x, y, u, v: (u, v, -x - 0.1 * u, -y - 0.1 * v)
    assert kn.hamiltonian(plane, sampled(plane, field, noise), names=PLANE).verdict == "none"


@pytest.mark.parametrize(
    ("states", "rates", "options", "says"),
    [
        (box(0, 1, 3), box(1, 1, 3), {}, "odd number"),
        (box(0, 1, 2), box(1, 1, 4), {}, "rates for"),
        (box(0, 1, 2), 0 * box(1, 1, 2), {}, "zero at all"),
        (box(0, 1, 2)[:20], box(1, 1, 2)[:20], {}, "too few"),
        (box(0, 1, 2), box(1, 1, 2) * np.nan, {}, "missing|infinite|NaN|finite"),
        (box(0, 1, 2) * [1, 0], box(1, 1, 2), {}, "coordinate z2 is 0 in all states"),
        (box(0, 1, 2), box(1, 1, 2), {"pairs": [("q", "z2")]}, "no coordinate 'q'"),
        (box(0, 1, 4), box(1, 1, 4), {"pairs": [(0, 1)]}, "every coordinate once"),
        (box(0, 1, 2), box(1, 1, 2), {"angles": ["phi"]}, "no coordinate 'phi'"),
    ],
)
def test_wrong_input_is_told_in_a_sentence(states, rates, options, says):
    with pytest.raises(KanError, match=says):
        kn.hamiltonian(states, rates, **options)


def test_rates_of_chance_have_none():
    assert kn.hamiltonian(box(0, 1, 2, 200), box(1, 1, 2, 200)).verdict == "none"
