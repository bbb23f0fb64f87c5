"""Formulas near a curve that is known up to a straight line and a square, as curves of laws are."""

import numpy as np
import pytest

from scikan.core.expr import evaluate, symbols
from scikan.physics.templates import templates


CURVES = {
    "peak": (lambda u: 1 / (1 + 2 * (u - 0.3) ** 2), ("/(1 + ",)),
    "soft well": (lambda u: 1 / np.sqrt(1 + 2 * (u - 0.5) ** 2), ("/sqrt(1 + ",)),
    "logarithm": (lambda u: np.log(1 + 3 * (u + 0.4) ** 2), ("log(1 + ",)),
    "wave in a place": (lambda u: np.cos(2 * u + 0.5), ("cos(2", "sin(2")),
    "wave of a square": (lambda u: np.cos((u - 0.2) ** 2), ("cos(",)),
}


@pytest.mark.parametrize("name", CURVES)
@pytest.mark.parametrize(("line", "square"), [(0.0, 0.0), (0.7, -0.4)])
def test_a_curve_has_its_own_form_about_its_own_place(name, line, square):
    function, own = CURVES[name]
    u = np.random.default_rng(0).uniform(-1.2, 1.2, 600)
    curve = function(u) + line * u + square * u**2
    found = templates(u, curve)
    assert all(symbols(tree) == ("u",) for tree in found)
    near = [t for t in found if np.std(evaluate(t, {"u": u}) - curve) < 1e-6 * np.std(curve)]
    assert any(part in str(tree) for tree in near for part in own)


def test_noise_is_given_no_form():
    rng = np.random.default_rng(0)
    assert templates(rng.uniform(-1.2, 1.2, 600), rng.normal(size=600)) == []
