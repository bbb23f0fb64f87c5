"""The order of neurons keeps the function and is as short as brute force finds; blocks are found and named."""

from itertools import permutations

import numpy as np
import pytest

import scikan as kn
from scikan.edit.arrangement import cost_of, shortest_orders


X = np.random.default_rng(0).uniform(-1, 1, (300, 4))
WIDTHS = [[4, 6, 2], [4, (3, 2), 5, 2], [4, (2, (2, 3)), (3, 1), 1], [4, (0, 2), 3, 1]]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("key", range(3))
def test_auto_swap_keeps_the_function_and_never_lengthens(width, key):
    model = kn.KAN(width, key=key)
    swapped = kn.auto_swap(model, X)
    np.testing.assert_allclose(swapped(X), model(X), atol=1e-13)
    assert kn.connection_cost(swapped, X) <= kn.connection_cost(model, X) * (1 + 1e-12)
    again = kn.auto_swap(swapped, X)
    assert kn.connection_cost(again, X) == pytest.approx(kn.connection_cost(swapped, X), rel=1e-9)


@pytest.mark.parametrize("key", range(4))
@pytest.mark.parametrize("sizes", [(3, 7, 2), (4, 4, 4, 2), (2, 5, 4, 3)])
def test_the_order_is_as_short_as_brute_force(sizes, key):
    rng = np.random.default_rng(key)
    links = [rng.exponential(size=pair) ** 2 for pair in zip(sizes[:-1], sizes[1:], strict=True)]
    found = cost_of(links, shortest_orders(links, list(sizes[1:-1])))
    every = [list(map(list, permutations(range(n)))) for n in sizes[1:-1]]
    tried = [[order] for order in every[0]]
    for orders in every[1:]:
        tried = [[*t, o] for t in tried for o in orders]
    assert found <= 1.01 * min(cost_of(links, t) for t in tried)


def test_sums_stay_before_products():
    swapped = kn.auto_swap(kn.KAN([4, (3, (2, 3)), 1], key=1), X)
    assert swapped.width[1][0] == 3
    assert sorted(swapped.width[1][1]) == [2, 3]


def test_modules_are_found_and_named():
    model = kn.kanpiler(["exp(a + b)", "sin(c*d)"], ["a", "b", "c", "d"])
    found = kn.blocks(model, kn.attribute(model, X, over="max"))
    assert [(b.inputs, b.outputs) for b in found] == [(("a", "b"), ("y1",)), (("c", "d"), ("y2",))]
    assert str(found[0]) == "a, b -> y1"


def test_below_a_common_output_blocks_are_what_it_joins():
    model = kn.kanpiler("exp(a + b) + exp(c + d)", ["a", "b", "c", "d"])
    found = kn.blocks(model, kn.attribute(model, X))
    assert [b.inputs for b in found] == [("a", "b"), ("c", "d")]
    assert len(kn.blocks(model, kn.attribute(model, X), upto=2)) == 1
    with pytest.raises(kn.SettingError, match="no layer 5"):
        kn.blocks(model, kn.attribute(model, X), upto=5)
    with pytest.raises(kn.SettingError, match="share"):
        kn.blocks(model, kn.attribute(model, X), threshold=2.0)


def test_a_perceptron_is_ordered_too():
    model = kn.MLP([4, 7, 5, 2], key=3)
    swapped = kn.auto_swap(model, X)
    np.testing.assert_allclose(swapped(X), model(X), atol=1e-13)
    assert kn.connection_cost(swapped, X) < kn.connection_cost(model, X)


def test_a_trained_perceptron_of_two_tasks_falls_into_two_blocks():
    bits = np.array([[a, b, c, d] for a in (-1, 1) for b in (-1, 1) for c in (-1, 1) for d in (-1, 1)], float)
    y = np.stack([bits[:, 0] * bits[:, 1], bits[:, 2] * bits[:, 3]], axis=1) / 2 + 0.5
    data = kn.Dataset.from_arrays(bits, y)
    model, error = kn.fit_mlp(kn.MLP([4, 12, 2], key=0), data, l1=3e-4)
    assert error < 0.05
    found = kn.blocks(model, kn.attribute(model, bits, over="max"))
    assert [b.inputs for b in found] == [("x1", "x2"), ("x3", "x4")]
    with pytest.raises(kn.SettingError, match="train nothing"):
        kn.fit_mlp(model, data, steps=0)
    with pytest.raises(kn.SettingError, match="no width"):
        kn.MLP([3])


def test_reweighted_rounds_leave_fewer_weights():
    bits = np.array([[a, b, c] for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)], float)
    data = kn.Dataset.from_arrays(bits, (bits.sum(axis=1) > 0).astype(float))
    counts = []
    for rounds in (1, 4):
        model, error = kn.fit_mlp(kn.MLP([3, 8, 1], key=0), data, steps=1000, l1=1e-3, rounds=rounds)
        assert error < 0.1
        counts.append(sum(int(np.sum(np.abs(w) > 0.05 * np.abs(w).max())) for w in model.weights))
    assert counts[1] <= counts[0]
    assert counts[1] == 4
    with pytest.raises(kn.SettingError, match="rounds=0"):
        kn.fit_mlp(model, data, rounds=0)
