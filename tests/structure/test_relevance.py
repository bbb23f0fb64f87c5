"""Few columns of many matter: the others go at once, and one that matters little does not go with them."""

import numpy as np

from scikan.core.expr import ONE, Symbol
from scikan.core.printing import to_text
from scikan.structure.levels import Level
from scikan.structure.relevance import relevant
from scikan.structure.surrogate import fit_surrogate


def level(f, n_columns=30, n=400, noise=0.0):
    rng = np.random.default_rng(0)
    x = rng.uniform(1, 2, (n, n_columns))
    y = f(x)
    y = y + noise * np.std(y) * rng.normal(size=n)
    names = tuple(Symbol(f"c{j}") for j in range(n_columns))
    return Level(x, names, y, np.ones(n), ONE, np.ones(n))


def kept(table):
    pick = np.arange(len(table.target))
    fewer = relevant(table, pick, fit_surrogate(table.columns, table.target, table.weight))
    return [to_text(e) for e in (table if fewer is None else fewer[0]).expressions]


def test_three_columns_of_thirty_are_left():
    assert kept(level(lambda x: x[:, 3] * x[:, 17] / x[:, 28] ** 2)) == ["c3", "c17", "c28"]


def test_a_column_that_matters_little_returns():
    assert kept(level(lambda x: 5 * x[:, 3] + x[:, 17] ** 2 + 0.1 * np.sin(6 * x[:, 28]))) == [
        "c3",
        "c17",
        "c28",
    ]


def test_noise_does_not_keep_columns():
    found = kept(level(lambda x: x[:, 3] * x[:, 17] / x[:, 28] ** 2, noise=0.03))
    assert {"c3", "c17", "c28"} <= set(found)
    assert len(found) <= 6


def test_a_table_all_of_whose_columns_matter_stays():
    table = level(lambda x: np.sum(np.sin(3 * x) * np.arange(1, 10), axis=1), n_columns=9)
    assert kept(table) == [f"c{j}" for j in range(9)]
