"""Tables whose law the road of symmetries finds to rounding, and one with noise."""

import numpy as np
import pytest

from scikan.core.expr import constants, evaluate
from scikan.discovery.reduced import reduced_proposals
from scikan.law.refitting import refit


def best_error(law, names: str, noise: float = 0.0, n: int = 200, seconds: float = 20.0) -> float:
    """Return the least relative error, on the clean table, of the formulas proposed."""
    rng = np.random.default_rng(5)
    x = rng.uniform(1.0, 3.0, (n, len(names)))
    clean = law(*x.T)
    y = clean + noise * clean.std() * rng.normal(size=n)
    columns = dict(zip(names, x.T, strict=True))
    formulas = reduced_proposals(
        x, y, None, tuple(names), seconds=seconds, rng=np.random.default_rng(0), positive=tuple(names)
    )
    errors = [np.sqrt(np.mean((evaluate(f, columns) - clean) ** 2)) / clean.std() for f in formulas]
    return float(min(errors))


@pytest.mark.parametrize(
    ("law", "names"),
    [
        (lambda a, b, c: 4.5 * a**2 * b / c, "abc"),
        (lambda a, b, c: a * b / (b + 2.0 * c), "abc"),
        (lambda a, b, c: a / np.sqrt(1.0 + (b / c) ** 2), "abc"),
    ],
    ids=["power law", "quotient", "root"],
)
def test_laws_with_symmetries_are_found_to_rounding(law, names):
    assert best_error(law, names) < 1e-9


def test_a_power_law_is_found_in_noise():
    assert best_error(lambda a, b: a**2 / b, "ab", noise=1e-2, seconds=5.0) < 1e-2


@pytest.mark.slow
def test_a_symmetry_that_noise_makes_plausible_does_not_hide_the_law():
    # exp(-a) + b/4 scales nearly as b times a function of a b^(2/3); the rows that tell are few and noisy.
    rng = np.random.default_rng(0)
    x = rng.uniform(1.0, 4.0, (90, 2))
    columns = dict(zip("ab", x.T, strict=True))
    clean = np.exp(-x[:, 0]) + x[:, 1] / 4
    y = clean + rng.normal(0.0, 0.03, 90)
    found = reduced_proposals(x, y, None, ("a", "b"), seconds=60.0, rng=rng, positive=("a", "b"))
    assert min(refit(f, columns, clean).mean_square for f in found if len(constants(f)) <= 4) < 1e-20
