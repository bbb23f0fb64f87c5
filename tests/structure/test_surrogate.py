"""The surrogate: its gradients are those of the function, its errors are those on rows it does not see."""

import numpy as np
import pytest

from scikan.structure.surrogate import fit_surrogate


def rows(n: int, *ranges: tuple[float, float]) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.column_stack([rng.uniform(low, high, n) for low, high in ranges])


def test_values_and_gradients_are_those_of_a_smooth_function():
    x = rows(150, (-1, 1), (0, 2))
    y = np.sin(x[:, 0]) * x[:, 1] ** 2
    found = fit_surrogate(x, y)
    slopes = np.column_stack([np.cos(x[:, 0]) * x[:, 1] ** 2, 2 * np.sin(x[:, 0]) * x[:, 1]])
    assert np.allclose(found.values, y, atol=1e-3)
    assert np.sqrt(np.mean((found.gradients - slopes) ** 2)) < 0.02


def test_gradients_of_wide_columns_and_targets_come_back_to_raw_units():
    x = rows(150, (0.1, 10), (1, 20))
    y = x[:, 0] ** 2 / x[:, 1]
    found = fit_surrogate(x, y)
    relative = found.gradients * x / y[:, None]
    assert np.median(np.abs(relative - [2.0, -1.0])) < 1e-3


def test_leave_one_out_errors_are_as_large_as_the_noise():
    x = rows(200, (-1, 1))
    y = x[:, 0] ** 2 + 0.05 * np.random.default_rng(1).normal(size=200)
    assert 0.04 < np.sqrt(np.mean(fit_surrogate(x, y).loo ** 2)) < 0.065


def test_leave_one_out_errors_are_those_of_fits_without_the_row():
    x = rows(40, (-1, 1))
    y = np.exp(x[:, 0]) + 0.1 * np.random.default_rng(1).normal(size=40)
    errors = []
    for i in range(0, 40, 8):
        rest = np.delete(np.arange(40), i)
        # A row of almost no weight tells what the others predict there.
        weight = np.where(np.arange(40) == i, 1e-3, 1.0)
        assert len(rest) == 39
        errors.append(y[i] - fit_surrogate(x, y, weight).values[i])
    assert np.allclose(errors, fit_surrogate(x, y).loo[::8], atol=0.05)


def test_without_columns_the_surrogate_is_the_mean():
    found = fit_surrogate(np.zeros((5, 0)), np.array([1.0, 2.0, 3.0, 4.0, 5.0]))
    assert np.allclose(found.values, 3.0)
    assert np.allclose(found.loo, [-2.5, -1.25, 0.0, 1.25, 2.5])


def test_too_many_rows_are_refused():
    with pytest.raises(ValueError, match="1001 rows"):
        fit_surrogate(np.zeros((1001, 1)), np.arange(1001.0))
