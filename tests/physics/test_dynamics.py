"""Right-hand sides of ordinary differential equations from their trajectories."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import scikan as kn


def follow(field, starts, span=8.0, points=120):
    t = np.linspace(0, span, points)
    found = [solve_ivp(field, (0, span), z, t_eval=t, rtol=1e-10, atol=1e-12).y.T for z in starts]
    return np.concatenate(found), np.tile(t, len(starts)), np.repeat(np.arange(len(starts)), points)


@pytest.mark.slow
def test_lotka_volterra():
    starts = np.random.default_rng(0).uniform(0.5, 2.0, (8, 2))
    states, t, label = follow(lambda t, z: [z[0] * (1 - z[1]), z[1] * (z[0] - 1)], starts)
    found = kn.equations_of_motion(states, t, label, names=("x", "y"))
    at = np.random.default_rng(1).uniform(0.5, 2.0, (200, 2))
    truth = np.stack([at[:, 0] * (1 - at[:, 1]), at[:, 1] * (at[:, 0] - 1)])
    for law, values in zip(found.laws, truth, strict=True):
        assert np.abs(law(at) - values).max() < 1e-2


def test_two_rows_at_one_time_are_told():
    with pytest.raises(kn.TableError, match="two at one time"):
        kn.equations_of_motion(np.random.default_rng(0).normal(size=(20, 2)), np.zeros(20))
