"""Tables whose law the road of symmetries finds to rounding, and one with noise."""

import numpy as np
import pytest

from scikan.core.expr import evaluate
from scikan.discovery.reduced import reduced_proposals


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
