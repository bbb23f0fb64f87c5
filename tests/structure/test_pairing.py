"""Two columns that matter only together are found where the table's own surrogate is poor."""

import numpy as np
import pytest

from scikan.core.printing import to_text
from scikan.structure.pairing import rough_error
from scikan.structure.scaling import reduce_table


def reduced(f, ranges, n=600):
    rng = np.random.default_rng(0)
    x = rng.uniform(*np.array(ranges).T, (n, len(ranges)))
    return reduce_table(x, f(x), tuple("abc"[: len(ranges)]))[-1]


@pytest.mark.parametrize(
    ("f", "ranges", "wanted"),
    [
        (lambda x: np.sin(x[:, 0] * x[:, 1] / x[:, 2]) ** 2, [(0, 6.3), (0, 1), (0.5, 2)], "a*b/c"),
        (lambda x: np.cos(9 * x[:, 0] / x[:, 1]), [(0, 2), (1, 2)], "a/b"),
        (lambda x: np.cos(14 * (x[:, 0] - x[:, 1])), [(1, 2), (0, 1)], "a - b"),
    ],
)
def test_a_law_that_turns_fast_is_told_in_one_column(f, ranges, wanted):
    level = reduced(f, ranges)
    assert [to_text(e) for e in level.expressions] == [wanted]
    assert level.error < 0.05


def test_columns_that_matter_each_for_itself_stay():
    level = reduced(lambda x: np.sin(7 * x[:, 0]) + np.cos(6 * x[:, 1] ** 2), [(0, 2), (0, 2)])
    assert level.columns.shape[1] == 2


def test_the_rough_error_of_noise_is_its_spread():
    rng = np.random.default_rng(0)
    x, y = rng.uniform(size=(200, 2)), rng.normal(size=200)
    assert 0.9 < rough_error(x, y, np.ones(200)) / np.std(y) < 1.3
