"""Sums of peaks, waves, decays and steps are found term by term, and nothing is found in noise."""

from time import monotonic

import numpy as np
import pytest

from scikan.core.expr import ONE, Symbol, constants, evaluate, symbols
from scikan.core.parser import parse
from scikan.discovery.pursuit import THEMES, sum_laws
from scikan.law.refitting import refit
from scikan.structure.levels import Level


def level(x, y, factor=None):
    one = np.ones(len(y))
    z, m = (y, one) if factor is None else (y / factor, factor)
    return Level(x[:, None], (Symbol("x"),), z, m, ONE if factor is None else Symbol("m"), abs(m))


def best(x, y, kind="peak"):
    theme = next(theme for theme in THEMES if theme[0] == kind)
    return next(iter(sum_laws(level(x, y), monotonic() + 300.0, (theme,))))


SUMS = {
    "two peaks that overlap, on a decay": (
        "40*exp(-0.02*x) + 9*exp(-((x - 38)/7)**2) + 6*exp(-((x - 52)/6)**2)",
        (0.0, 100.0),
        8,
        "peak",
    ),
    "two decays": ("5*exp(-0.9*x) + 2*exp(-0.1*x)", (0.0, 20.0), 4, "exp"),
    "two waves": ("1.5 + 2*sin(3.7*x + 0.4) + 0.8*sin(9.1*x - 1)", (0.0, 10.0), 7, "wave"),
    "a resonance on a slope": ("2 + 0.3*x + 4/(1 + ((x - 6)/0.5)**2)", (0.0, 10.0), 5, "resonance"),
    "two steps": ("3*tanh((x - 2)/0.4) + 5*tanh((x - 7)/0.8)", (0.0, 10.0), 6, "step"),
}


@pytest.mark.parametrize("name", SUMS)
def test_a_sum_is_found_with_all_its_terms(name):
    text, (low, high), n_constants, kind = SUMS[name]
    rng = np.random.default_rng(len(name))
    x = np.sort(rng.uniform(low, high, 250))
    truth = evaluate(parse(text, ["x"]), {"x": x})
    y = truth + 0.01 * np.std(truth) * rng.normal(size=len(x))
    found = best(x, y, kind)
    sure = refit(found, {"x": x}, truth)
    assert sure.mean_square < 1e-12 * np.var(truth)
    assert len(constants(found)) == n_constants


def test_no_term_joins_the_mean_of_noise():
    rng = np.random.default_rng(0)
    for n in (12, 60, 300):
        x = rng.uniform(size=n)
        assert not symbols(best(x, rng.normal(size=n)))


def test_terms_stand_under_the_factor_of_their_level():
    rng = np.random.default_rng(1)
    x, m = rng.uniform(0, 10, 200), rng.uniform(1, 2, 200)
    y = m * (2 + 3 * np.exp(-(((x - 4) / 0.8) ** 2)))
    law = next(iter(sum_laws(level(x, y, m), monotonic() + 300.0, (("peak",),))))
    np.testing.assert_allclose(evaluate(law, {"x": x, "m": m}), y, rtol=1e-8)


def test_a_search_out_of_time_yields_what_it_has():
    x = np.linspace(0, 1, 50)
    assert list(sum_laws(level(x, x**2), monotonic() - 1.0)) == []
