"""Motions of a law against the closed form of an oscillator, between the steps and in all derivatives."""

import numpy as np
import pytest

import scikan as kn
from scikan.core.expr import Constant, Symbol
from scikan.physics.passage import Flow, Passage, Track, between


SPRING = 1.7


@pytest.fixture
def passage():
    """Return passages of L = v^2/2 - c q^2/2 by three tracks of unlike spans and times, positions all zero."""
    rng = np.random.default_rng(0)
    q, v = Symbol("q"), Symbol("v")
    law = kn.Law((v**2 / 2 - Constant(SPRING) * q**2 / 2,), ("L",), ("q", "v"))
    tracks = []
    for span in (2.0, 5.0, 9.0):
        t = np.sort(rng.uniform(0, span, 25))
        states = rng.normal(size=(25, 3, 1))
        tracks.append(Track(t, np.zeros((25, 1)), states, 1.0))
    return Passage(tracks, Flow(law)), tracks


def positions(tracks, c, starts):
    w = np.sqrt(c)
    return np.concatenate(
        [
            a * np.cos(w * (k.t - k.t[0])) + b / w * np.sin(w * (k.t - k.t[0]))
            for k, (a, b) in zip(tracks, starts, strict=True)
        ]
    )


def test_motions_pass_where_the_closed_form_does(passage):
    passes, tracks = passage
    starts = np.asarray([[1.0, 0.0], [0.3, -1.0], [-0.5, 0.7]])
    cases = np.stack([starts, 2 * starts])
    missed = passes.misses(np.asarray([[SPRING], [0.9]]), cases)
    assert missed.shape == (2, 75, 1)
    for c, start, found in zip((SPRING, 0.9), cases, missed, strict=True):
        assert np.allclose(found[:, 0], positions(tracks, c, start), atol=1e-6)


def test_derivatives_are_those_of_the_closed_form(passage):
    passes, tracks = passage
    starts = np.asarray([[1.0, 0.0], [0.3, -1.0], [-0.5, 0.7]])
    found = passes.jacobian(np.asarray([SPRING]), starts)
    assert found.shape == (75, 1 + 6)
    h = 1e-5
    by_constant = (positions(tracks, SPRING + h, starts) - positions(tracks, SPRING - h, starts)) / (2 * h)
    assert np.allclose(found[:, 0], by_constant, atol=1e-4)
    for column in range(6):
        move = np.zeros(6)
        move[column] = 1.0
        assert np.allclose(found[:, 1 + column], positions(tracks, SPRING, move.reshape(3, 2)), atol=1e-4)


def test_between_two_steps_polynomials_of_degree_five_are_exact():
    u = np.linspace(0, 1, 7)
    coef = np.asarray([0.3, -1.0, 0.5, 2.0, -0.7, 1.1])
    curve = np.polynomial.Polynomial(coef)
    ends = np.asarray([[curve.deriv(n)(x) if n else curve(x) for n in range(3)] for x in (0.0, 1.0)])
    assert np.allclose(np.einsum("pek,ek->p", between(u), ends), curve(u), atol=1e-12)


def test_a_law_without_mass_moves_nothing():
    q1, q2, v1, v2 = map(Symbol, ("q1", "q2", "v1", "v2"))
    flow = Flow(kn.Law(((v1 + v2) ** 2 - q1**2 - q2**2,), ("L",), ("q1", "q2", "v1", "v2")))
    assert np.isnan(flow.acceleration(np.ones((3, 4)), np.zeros((3, 0)))).all()
