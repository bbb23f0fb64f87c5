"""Columns chosen by bits."""

import numpy as np
import pytest

from scikan.physics.selection import LUCK, select


def table(seed, rows=400, count=20):
    return np.random.default_rng(seed).normal(size=(rows, count))


@pytest.mark.parametrize("seed", range(3))
def test_only_the_columns_that_explain_stay(seed):
    columns = table(seed)
    y = columns[:, [3, 7]] @ [1.0, -0.5] + 0.1 * np.random.default_rng(seed + 50).normal(size=400)
    found = select(columns, y)
    assert found.places == (3, 7) and found.coefficients == pytest.approx([1.0, -0.5], abs=0.03)
    assert not found.rivals


def test_columns_within_noise_of_each_other_are_rivals():
    rng = np.random.default_rng(0)
    columns = table(0)
    columns[:, 1] = columns[:, 0] + 1e-3 * columns[:, 1]
    found = select(columns, columns[:, 0] + 0.1 * rng.normal(size=400))
    assert len(found.places) == 1 and set(found.places) | set(found.rivals[0].places) == {0, 1}
    assert abs(found.rivals[0].behind) < LUCK


def test_an_exact_sum_is_exact_with_more_columns_than_rows():
    columns = table(0, rows=30, count=50)
    found = select(columns, columns[:, 4] - columns[:, 40])
    assert found.places == (4, 40) and found.residual < 1e-13
