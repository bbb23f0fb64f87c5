"""The library: entries are what their formulas say, and no two are the same."""

import numpy as np

from scikan.core.expr import Symbol, evaluate
from scikan.discovery.library import UNARY, build_library, distinct_features


X = np.random.default_rng(0).uniform(0.4, 2.0, (60, 2))
LIBRARY = build_library(X, (Symbol("a"), Symbol("b")), most=3000)
COLUMNS = {"a": X[:, 0], "b": X[:, 1]}


def test_formulas_have_the_values_of_their_entries():
    for n in range(0, len(LIBRARY), 97):
        assert np.allclose(evaluate(LIBRARY.expression(n), COLUMNS), LIBRARY.values[n], rtol=1e-9)


def test_entries_can_be_evaluated_on_other_rows():
    other = X[::-1][:7]
    for n in range(0, len(LIBRARY), 131):
        assert np.allclose(LIBRARY.evaluated(n, other), LIBRARY.values[n][::-1][:7])


def test_no_two_entries_are_equal():
    scaled = LIBRARY.values / np.abs(LIBRARY.values).max(axis=1, keepdims=True)
    assert len(np.unique(np.round(np.column_stack([scaled, LIBRARY.values[:, 0]]), 9), axis=0)) == len(
        LIBRARY
    )


def test_features_that_differ_by_an_affine_map_are_one():
    u = X[:, 0]
    kept = distinct_features(np.stack([u, 3.0 - 2.0 * u, u**2, np.ones(60), 5.0 * u]))
    assert kept.tolist() == [0, 2]


def test_transcendental_functions_are_not_nested():
    names = {code: unary.name for code, unary in enumerate(UNARY)}
    for n in np.flatnonzero(LIBRARY.operation >= 0):
        if names.get(int(LIBRARY.operation[n])) in ("exp", "sin", "cos", "tanh"):
            assert not LIBRARY.deep[LIBRARY.left[n]]


def test_the_cap_keeps_the_simplest():
    small = build_library(X, (Symbol("a"), Symbol("b")), most=300)
    assert len(small) == 300
    assert small.nodes.max() <= LIBRARY.nodes.max()


def test_short_products_and_quotients_are_there():
    wanted = X[:, 0] / (1.0 + X[:, 1])
    assert np.any(np.all(np.isclose(LIBRARY.values, wanted), axis=1))
