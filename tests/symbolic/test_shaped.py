"""Networks of the shape of a tree: as many splines as the tree has functions, and no coupling that it does not have."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import scikan as kn


ROWS = np.random.default_rng(0).uniform(-1, 1, (300, 4))


def square(a, b):
    return (a**2 + b**2) ** 2


def table(f):
    return kn.Dataset.from_arrays(ROWS, np.asarray(f(ROWS)))


CASES = [
    (lambda x: square(x[:, 0], x[:, 1]) + square(x[:, 2], x[:, 3]), 6),
    (lambda x: (x[:, 0] + x[:, 1]) * (x[:, 2] + x[:, 3]), 4),
    (lambda x: x[:, 0] * x[:, 1] + x[:, 2] * x[:, 3], 4),
    (lambda x: np.sin(x[:, 0] + x[:, 1] * x[:, 2]) + x[:, 3], 5),
]


@pytest.mark.parametrize(("f", "edges"), CASES)
def test_a_shape_has_one_spline_for_every_function(f, edges):
    data = table(f)
    found = kn.tree(f, ROWS)
    model = kn.shaped(found, data)
    assert model.names == data.names
    kinds = [model[address].kind for address in model.edges()]
    assert kinds.count("spline") == edges
    assert {model[a].name for a in model.edges() if model[a].kind == "symbolic"} <= {"x"}
    assert np.all(np.isfinite(model(ROWS)))


def test_couplings_across_a_sum_are_exactly_zero_after_training():
    f = CASES[0][0]
    data = table(f)
    model, _ = kn.fit(kn.shaped(kn.tree(f, ROWS), data), data, steps=40)
    second = jax.vmap(jax.hessian(lambda row: model(row[None])[0, 0]))(jnp.asarray(ROWS[:20]))
    assert np.all(np.asarray(second)[:, :2, 2:] == 0.0)
    held = np.random.default_rng(1).uniform(-1, 1, (500, 4))
    assert np.sqrt(np.mean((model(held)[:, 0] - f(held)) ** 2)) < 1e-2 * f(held).std()


def test_a_product_of_sums_is_learnt_to_rounding():
    f = CASES[1][0]
    data = table(f)
    model, _ = kn.fit(kn.shaped(kn.tree(f, ROWS), data), data, steps=30)
    assert np.abs(model(ROWS)[:, 0] - f(ROWS)).max() < 1e-9


def test_a_joint_node_is_a_small_network():
    joint = kn.Tree("joint", (kn.Tree("column", column="x1"), kn.Tree("column", column="x3")))
    model = kn.shaped(joint, table(CASES[0][0]))
    assert len(model.layers) == 2
    assert model.n_edges == 9


def test_a_column_that_the_table_lacks_is_named():
    tree = kn.Tree("sum", (kn.Tree("column", column="x1"), kn.Tree("column", column="mass")))
    with pytest.raises(kn.SettingError, match="mass"):
        kn.shaped(tree, table(CASES[0][0]))
    two = kn.Dataset.from_arrays(ROWS, ROWS[:, :2])
    with pytest.raises(kn.SettingError, match="one target"):
        kn.shaped(kn.Tree("column", column="x1"), two)
