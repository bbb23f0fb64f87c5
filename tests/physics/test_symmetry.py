"""The Schwarzschild metric has flat slices in another time; both times are found."""

import jax.numpy as jnp
import numpy as np
import pytest

import scikan as kn


def schwarzschild(x, parameters):
    place = x[1:]
    r = jnp.sqrt(place @ place)
    radius = 2 * parameters["M"] if parameters else 1.0
    g = jnp.zeros((4, 4)).at[0, 0].set(1 - radius / r)
    return g.at[1:, 1:].set(-(jnp.eye(3) + radius * jnp.outer(place, place) / ((r - radius) * r**2)))


def samples(seed, rows=1000):
    rng = np.random.default_rng(seed)
    n = rng.normal(size=(rows, 3))
    r = rng.permutation(np.linspace(1.2, 3, rows))
    place = n / np.linalg.norm(n, axis=1, keepdims=True) * r[:, None]
    return np.concatenate([rng.uniform(0, 1, (rows, 1)), place], axis=1)


@pytest.mark.slow
def test_both_signs_are_found_exactly_and_without_a_wall():
    found = kn.hidden_symmetry(schwarzschild, kn.FlatSlices(), samples(0))
    assert found.verdict == "law" and found.loss < 1e-24 and len(found.branches) == 2
    assert [str(law) for law in found.laws] == ["dF = sqrt(r)/(r - 1)", "dF = sqrt(r)/(1 - r)"]
    assert all(branch.keeps_sign for branch in found.branches)
    assert str(found.branches[0].integral) == "F = 2*sqrt(r) + log((sqrt(r) - 1)/(sqrt(r) + 1))"
    assert found.untouched == pytest.approx(0.28, abs=0.05)


@pytest.mark.slow
def test_an_unknown_mass_enters_the_law():
    mass = np.random.default_rng(1).uniform(0.3, 0.6, 1000)
    x = samples(1)
    x[:, 1:] *= 2 * mass[:, None]
    found = kn.hidden_symmetry(schwarzschild, kn.FlatSlices(), x, parameters={"M": mass})
    assert found.verdict == "law" and found.loss < 1e-24
    r = np.array([2.0, 3.0])
    assert np.allclose(found.laws[0]({"r": r, "M": 0.5 * np.ones(2)}), np.sqrt(r) / (r - 1), rtol=1e-9)


def test_a_change_that_does_nothing_is_refused():
    with pytest.raises(kn.SettingError, match="does not depend"):
        kn.hidden_symmetry(schwarzschild, kn.Entry(0, 0, 1.0), samples(0, 50))


def test_a_form_that_no_change_of_time_reaches_is_none():
    found = kn.hidden_symmetry(schwarzschild, lambda g: g[1:, 1:] + 5.0 * jnp.eye(3), samples(0, 100))
    assert found.verdict == "none" and not found.laws


@pytest.mark.slow
def test_a_moving_frame_hides_a_translation():
    # Flat space in t' = t + z**2/2: the metric depends on z until the change is undone.
    def metric(x, parameters):
        back = jnp.eye(2).at[0, 1].add(x[1])
        return back.T @ jnp.diag(jnp.array([1.0, -1.0])) @ back

    x = np.random.default_rng(0).uniform(0.5, 2.0, (300, 2))
    found = kn.hidden_symmetry(metric, kn.Invariant(1), x, along=lambda x: x[1], name="z")
    assert found.loss < 1e-10 and found.untouched > 1e-2


def test_wrong_calls_say_what_to_type():
    with pytest.raises(kn.ShapeError, match="points are rows"):
        kn.hidden_symmetry(schwarzschild, kn.FlatSlices(), np.zeros(4))
    with pytest.raises(kn.ShapeError, match="'M'"):
        kn.hidden_symmetry(schwarzschild, kn.FlatSlices(), samples(0, 50), parameters={"M": np.ones(3)})
    with pytest.raises(kn.TableError, match="not finite"):
        kn.hidden_symmetry(schwarzschild, kn.FlatSlices(), samples(0, 50) * 0.0)
