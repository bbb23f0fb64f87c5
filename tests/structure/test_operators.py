"""Operators told from values on lattices: each is recognised through an error, and none where values do not tell."""

import numpy as np
import pytest
from random_functions import drawn, plain

import scikan as kn
from scikan.structure.lattice import N_NODES, lattices
from scikan.structure.operators import opinion
from scikan.structure.probe import Field, probe_of
from scikan.structure.shapes import additive, bent, bent_terms, fitted, multiplied, product_terms


ROWS = np.random.default_rng(0).uniform(-1, 1, (1000, 4))
ERROR = 1e-3


def rough(f, rows, seed=0):
    """Return (f plus a rough random field, its error)."""
    probe = probe_of(f, rows)
    size, field = ERROR * probe.spread, Field(probe, np.random.default_rng(seed))
    return (lambda x: f(x) + size * field.value(np.asarray(x))), size


def asked(f, *groups):
    g, size = rough(f, ROWS)
    return opinion(probe_of(g, ROWS, error=size), *groups)


@pytest.mark.parametrize(
    ("f", "kind"),
    [
        (lambda x: np.tanh(x[:, 0] + np.sin(x[:, 1]) + x[:, 2]) * np.exp(x[:, 3]), "sum"),
        (lambda x: np.tanh(x[:, 0] * x[:, 1] + x[:, 2]) + x[:, 3], "product"),
        (lambda x: np.exp(np.tanh(x[:, 0] + x[:, 1]) + x[:, 2]) + x[:, 3], "general"),
        # A product with other factors is a sum of logarithms, which may change their sign.
        (lambda x: np.sin(x[:, 0] * x[:, 1] * x[:, 2]) + x[:, 3], "sum"),
    ],
)
def test_an_operator_beside_a_reference_is_told_through_an_error(f, kind):
    told = asked(f, (0,), (1,), (2,))
    assert told.kind == kind
    assert told.score < told.threshold < 0.05


def test_two_columns_enter_through_a_sum_or_do_not():
    assert asked(lambda x: np.tanh(x[:, 0] + x[:, 1]) * x[:, 2] + x[:, 3], (0,), (1,)).kind == "general"
    assert asked(lambda x: x[:, 0] * x[:, 2] + x[:, 1] * x[:, 3], (0,), (1,)) is None


def test_what_is_neither_sum_nor_product_gets_no_opinion():
    f = lambda x: np.tanh(x[:, 0] * (x[:, 0] + 2.0 * x[:, 1]) + x[:, 2]) + 0.5 * x[:, 3]
    assert asked(f, (0,), (1,), (2,)) is None


def test_exact_functions_are_left_to_slopes():
    f = lambda x: np.tanh(x[:, 0] + x[:, 1] + x[:, 2]) + x[:, 3]
    assert opinion(probe_of(f, ROWS), (0,), (1,), (2,)) is None


def test_paths_go_one_way_and_are_the_same_for_a_key():
    probe = probe_of(lambda x: np.sin(3 * x[:, 0]) * x[:, 1] + x[:, 2] ** 2 + x[:, 3], ROWS)
    found, again = (lattices(probe, [(0,), (1,), (2,)], key=3) for _ in range(2))
    assert found
    for one, other in zip(found, again, strict=True):
        assert np.array_equal(one.values, other.values)
        assert one.values.shape == (N_NODES,) * 3
        assert 1 <= one.independent <= one.values.size
        for axis in range(3):
            way = np.take(one.values, -1, axis=axis) - np.take(one.values, 0, axis=axis)
            assert np.all(way > 0) or np.all(way < 0)


def test_a_shape_is_fitted_to_its_own_values():
    rng = np.random.default_rng(1)
    p, q, r = (np.sort(rng.uniform(0.5, 1.5, 7)) for _ in range(3))
    start = lambda *terms: np.concatenate([t + 0.05 * rng.normal(size=7) for t in terms])
    for shape, z in (
        (additive, p[:, None, None] + q[:, None] + r),
        (multiplied, p[:, None, None] * q[:, None] + r),
    ):
        y = np.exp(0.5 * z)
        left, _ = fitted(shape(y.shape), start(p, q, r), y)
        assert np.sqrt(left / y.size) < 1e-4 * y.std()


def test_a_curved_term_is_brought_to_its_shape():
    p, q, r = np.linspace(0, 1, 6), np.linspace(0, 2, 6), np.linspace(0, 1, 6)
    m = np.exp(p[:, None] + q)
    z, slopes = bent((6, 6, 6))(bent_terms(p, q, r, m))
    wanted = (m[..., None] + r).ravel()
    scale, offset = np.polyfit(z[0], wanted, 1)
    assert np.allclose(scale * z[0] + offset, wanted, atol=1e-3 * np.ptp(wanted))
    assert slopes.shape[:2] == z.shape


def test_a_table_gives_its_factors_whatever_the_constant():
    p, q = np.linspace(1, 2, 5), np.linspace(-3, -1, 6)
    found = np.outer(*product_terms(np.outer(p, q) + 7.0)) - np.outer(p, q)
    assert np.ptp(found) < 1e-9


@pytest.mark.parametrize("seed", range(2000, 2006))
def test_trees_of_random_functions_are_right_through_an_error(seed):
    rng = np.random.default_rng(seed)
    f = drawn(rng)
    rows = rng.uniform(-1, 1, (1000, f.n_columns))
    g, size = rough(f, rows, seed)
    assert plain(kn.tree(g, rows, error=size)) == f.tree
