"""Long orbits of many states as one system: they are the exact ones, and singular or escaping ones are cut alone."""

import jax.numpy as jnp
import numpy as np

from scikan.physics.orbits import ESCAPED, N_ORBITS, batched, long_orbits


STATES = np.random.default_rng(0).uniform(-1.0, 1.0, (200, 2))


def orbits_of(field, states=STATES):
    call = batched(field, states[0])
    return long_orbits(call, states, 0)


def test_orbits_of_an_oscillator_are_exact():
    orbits = orbits_of(lambda z: jnp.stack([z[1], -z[0]]))
    assert orbits.shape[0] == N_ORBITS and np.all(np.isfinite(orbits))
    energy = (orbits**2).sum(axis=2)
    np.testing.assert_allclose(energy, np.broadcast_to(energy[:, :1], energy.shape), rtol=1e-8)


def test_an_orbit_that_escapes_ends_and_the_others_go_on():
    # Right of the ridge at x = 0 everything runs away, left of it all comes to rest at x = -1.
    orbits = orbits_of(lambda z: jnp.stack([z[0] * (1 + z[0]), -z[1]]))
    is_right = orbits[:, 0, 0] > 0
    assert 0 < is_right.sum() < N_ORBITS
    assert np.all(np.isfinite(orbits[~is_right]))
    assert not np.any(np.isfinite(orbits[is_right, -1]))
    assert np.nanmax(np.abs(orbits)) <= ESCAPED * 1.1


def test_an_orbit_that_falls_into_a_singularity_is_cut_alone():
    # Within 1/2 of the origin states fall in within a finite time; outside they turn in circles.
    def field(z):
        r2 = z[0] ** 2 + z[1] ** 2
        falls = jnp.where(r2 < 0.25, 1.0 / (r2 + 1e-300), 0.0)
        return jnp.stack([z[1] - falls * z[0], -z[0] - falls * z[1]])

    orbits = orbits_of(field)
    inside = (orbits[:, 0] ** 2).sum(axis=1) < 0.25
    assert 0 < inside.sum() < N_ORBITS
    assert np.all(np.isfinite(orbits[~inside])) and not np.any(np.isfinite(orbits[inside, -1]))


def test_an_orbit_that_leaves_the_fields_domain_is_cut_alone():
    states = np.abs(STATES) + [0.0, 1.0]
    # Low ones sink to where the root is no number, high ones come to rest.
    pace = lambda z: jnp.where(z[1] > 1.5, 0.5 - z[0], -0.5 - jnp.sqrt(z[0]))
    orbits = orbits_of(lambda z: jnp.stack([pace(z), 0.0 * z[1]]), states)
    rests = orbits[:, 0, 1] > 1.5
    assert 0 < rests.sum() < N_ORBITS
    assert np.all(np.isfinite(orbits[rests])) and not np.any(np.isfinite(orbits[~rests, -1]))
