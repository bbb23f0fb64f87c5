"""New rows learnt by a network that remembers old ones in one matrix."""

import numpy as np
import pytest

import scikan as kn
from scikan.core.errors import SettingError, ShapeError


RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, (400, 2))
Y = np.sin(2 * X[:, 0]) + X[:, 1] ** 3


def root_mean_square(model, x, y):
    return float(np.sqrt(np.mean((np.asarray(model(x))[:, 0] - y) ** 2)))


def test_one_layer_learns_in_halves_what_it_learns_at_once():
    empty = kn.KAN([2, 1], grid=5, noise=0.0)
    y = Y + RNG.normal(0.0, 0.3, 400)  # with errors each half has a fit of its own
    whole, _ = kn.learn_next(empty, X, y)
    first, memory = kn.learn_next(empty, X[:200], y[:200])
    both, memory = kn.learn_next(first, X[200:], y[200:], memory)
    assert memory.rows == 400
    assert np.abs(np.asarray(both(X)) - np.asarray(whole(X))).max() < 1e-4 * Y.std()
    assert np.abs(np.asarray(first(X)) - np.asarray(whole(X))).max() > 1e-2 * Y.std()


def test_a_deep_network_keeps_old_regions_while_it_learns_new_ones():
    left, right = X[X[:, 0] < 0], X[X[:, 0] >= 0]
    law = lambda x: np.exp(-3 * (x[:, 0] ** 2 + x[:, 1] ** 2))
    model, memory = kn.learn_next(kn.KAN([2, 1, 1], grid=8), left, law(left))
    at_once = root_mean_square(model, left, law(left))
    with_memory, _ = kn.learn_next(model, right, law(right), memory)
    without, _ = kn.learn_next(model, right, law(right))
    assert root_mean_square(with_memory, right, law(right)) < 2e-2
    assert root_mean_square(with_memory, left, law(left)) < 5 * at_once + 1e-3
    assert root_mean_square(without, left, law(left)) > 2 * root_mean_square(with_memory, left, law(left))


def test_the_network_given_and_its_locked_edges_stay():
    model = kn.lock(kn.KAN([2, 1, 1], grid=5), [(0, 0, 0)])
    coef = np.array(model.layers[0].splines.coef)
    after, _ = kn.learn_next(model, X, Y, steps=5, starts=2)
    assert np.array_equal(model.layers[0].splines.coef, coef)
    assert np.array_equal(after.layers[0].splines.coef[0, :, 0], coef[0, :, 0])
    assert not np.array_equal(after.layers[0].splines.coef[1, :, 0], coef[1, :, 0])


def test_units_of_the_table_are_kept():
    data = kn.Dataset.from_arrays(1e3 * X, 1e-6 * Y)
    model, _ = kn.learn_next(kn.KAN.for_data(data, grid=8), 1e3 * X, 1e-6 * Y)
    assert root_mean_square(model, 1e3 * X, 1e-6 * Y) < 1e-2 * 1e-6 * Y.std()


def test_wrong_calls_are_told():
    model, memory = kn.learn_next(kn.KAN([2, 1], grid=5), X, Y)
    with pytest.raises(
        SettingError, match=r"memory is of a network with 17 free parameters; this one has 23"
    ):
        kn.learn_next(kn.refine(model, 8), X, Y, memory)
    with pytest.raises(SettingError, match="learn nothing"):
        kn.learn_next(model, X, Y, starts=0)
    with pytest.raises(ShapeError, match="rows"):
        kn.learn_next(model, X, Y[:-1])
