"""Findings hold thousands of rows and show a few lines."""

import motions
import numpy as np

import scikan as kn


def test_a_finding_shows_its_verdict_and_law_and_no_rows():
    found = kn.lagrangian(*motions.pendulum(np.random.default_rng(0)))
    assert repr(found) == "Lagrangian(law: L = v**2/2 + cos(q))"
    assert str(found).startswith("law: ") and str(found).endswith("\n  L = v**2/2 + cos(q)")


def test_a_finding_without_a_law_says_so():
    q, v, a = motions.pendulum(np.random.default_rng(0))
    found = kn.lagrangian(q, v, a - 0.3 * v)
    assert repr(found) == "Lagrangian(none: no law)"
    assert str(found) == f"none: {found.reason}"
