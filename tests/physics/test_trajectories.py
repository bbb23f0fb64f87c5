"""Lagrangians from positions and times alone."""

import motions
import numpy as np
import pytest

import scikan as kn


@pytest.mark.slow
def test_a_noisy_pendulum_gives_its_constant_within_its_error():
    rng = np.random.default_rng(1)
    data = motions.trajectories(rng, lambda q, v: -1.7 * np.sin(q), n=8, points=60, span=6.0)
    found = kn.lagrangian_along(*data)
    assert found.verdict == "law"
    (constant,) = found.law.constants
    assert abs(constant.value - 1.7) < 3 * constant.error and constant.error < 1e-3
    assert found.noise == pytest.approx(1e-3, rel=0.3)
    (own,) = found.energy.constants
    assert own.error == constant.error and str(found.energy.round(2)) == "E = v**2/2 - 1.7*cos(q)"


@pytest.mark.slow
def test_positions_with_friction_have_none():
    rng = np.random.default_rng(2)
    data = motions.trajectories(rng, lambda q, v: -1.7 * np.sin(q) - 0.1 * v, n=8, points=60, span=6.0)
    assert kn.lagrangian_along(*data).verdict == "none"


def test_wrong_calls_say_what_to_type():
    q, t, number = motions.trajectories(np.random.default_rng(0), lambda q, v: -q, n=2, points=20)
    with pytest.raises(kn.ShapeError, match="no time stamps"):
        kn.lagrangian_along(q, None, number)
    with pytest.raises(kn.TableError, match="single trajectory"):
        kn.lagrangian_along(q, t)
    with pytest.raises(kn.TableError, match="two at one time"):
        kn.lagrangian_along(q, np.round(t), number)
    with pytest.raises(kn.ShapeError, match="do not fit"):
        kn.lagrangian_along(q, t[:-1], number)
