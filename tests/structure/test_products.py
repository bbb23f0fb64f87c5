"""Sums of products of splines: right where a law is one, honest where it is not."""

import numpy as np
import pytest

from scikan.structure.answers import error_of
from scikan.structure.products import fit_products


ROWS = 500


@pytest.fixture
def table() -> np.ndarray:
    return np.random.default_rng(3).uniform(-1.0, 1.0, (ROWS, 3))


def test_a_product_is_found_with_its_gradients(table: np.ndarray) -> None:
    a, b, c = table.T
    y = np.sin(3 * a) * (1 + b**2) * np.exp(c)
    found = fit_products(table, y, np.ones(ROWS), most=1)
    assert found is not None
    assert error_of(found.surrogate, np.ones(ROWS)) < 3e-3 * y.std()
    slope = 3 * np.cos(3 * a) * (1 + b**2) * np.exp(c)
    assert np.sqrt(np.mean((found.surrogate.gradients[:, 0] - slope) ** 2)) < 0.05 * slope.std()


def test_two_terms_and_an_offset_are_told_apart(table: np.ndarray) -> None:
    a, b, c = table.T
    two = fit_products(table, a * b + np.sin(2 * c), np.ones(ROWS))
    assert two is not None and len(two.factors) == 2
    shifted = fit_products(table[:, :2], (1 + a**2) * np.exp(b) + 7.0, np.ones(ROWS), most=1, offset=True)
    assert shifted is not None
    values = shifted.factors.prod(axis=1).sum(axis=0) + shifted.offset
    assert np.allclose(values, shifted.surrogate.values)


def test_noise_is_not_explained(table: np.ndarray) -> None:
    y = np.random.default_rng(4).normal(size=ROWS)
    found = fit_products(table, y, np.ones(ROWS))
    assert found is None or error_of(found.surrogate, np.ones(ROWS)) > 0.95


def test_weights_decide_what_is_fitted(table: np.ndarray) -> None:
    a, b, _ = table.T
    y, root = a * b, np.ones(ROWS)
    y[:50] += 100.0
    root[:50] = 1e-6
    found = fit_products(table, y, root, most=1)
    assert found is not None
    assert np.abs(found.surrogate.values - a * b)[50:].max() < 1e-3


def test_one_column_has_no_product(table: np.ndarray) -> None:
    assert fit_products(table[:, :1], table[:, 0], np.ones(ROWS)) is None
