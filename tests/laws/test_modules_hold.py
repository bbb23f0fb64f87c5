"""What a module forbids is exactly zero, and stays so through every edit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import scikan as kn
from scikan.edit.growth import Name, name_edge, split_edge


ROWS = np.random.default_rng(1).uniform(-1, 1, (300, 4))
Y = (np.sin(ROWS[:, 0] * ROWS[:, 1]) + np.exp(ROWS[:, 2] - ROWS[:, 3]))[:, None]
NAMES = ["a", "b", "c", "d"]
GROUPS = [["a", "b"], ["c", "d"]]


def second_derivatives(model, rows=ROWS[:8]):
    hessian = jax.vmap(jax.hessian(lambda row: model(row[None])[0, 0]))
    return np.asarray(hessian(jnp.asarray(rows)))


def additive(model):
    second = second_derivatives(model)
    return bool(np.all(second[:, :2, 2:] == 0.0)) and np.abs(second[:, 0, 1]).max() > 1e-3


@pytest.fixture(scope="module")
def fitted():
    model = kn.module(kn.KAN([4, 6, 2, 1], names=NAMES, key=0), GROUPS)
    return kn.fit(model, (ROWS, Y), steps=15)[0]


def test_the_forbidden_derivative_is_exactly_zero(fitted):
    assert additive(fitted)
    assert kn.tree(fitted, ROWS, error=1e-6).kind in ("sum", "general")


def loaded(model, folder):
    kn.save(folder / "module.kan", model)
    return kn.load(folder / "module.kan")


EDITS = {
    "load": lambda m, folder: loaded(m, folder),
    "prune": lambda m, _: kn.prune(m, kn.attribute(m, ROWS), edge=1e-2, node=1e-2),
    "compact": lambda m, _: kn.compact(kn.prune(m, kn.attribute(m, ROWS), edge=1e-2)),
    "refine": lambda m, _: kn.refine(m, grid=8),
    "update_grid": lambda m, _: kn.update_grid(m, ROWS),
    "swap": lambda m, _: kn.swap(m, 1, 0, 5),
    "auto_swap": lambda m, _: kn.auto_swap(m, ROWS),
    "expand_width": lambda m, _: kn.expand_width(m, 1, sums=3, products=(2, 3)),
    "expand_depth": lambda m, _: kn.expand_depth(m, 1),
    "deeper before the join": lambda m, _: kn.expand_depth(m, 2),
    "lock": lambda m, _: kn.lock(m, 0),
    "fit": lambda m, _: kn.fit(m, (ROWS, Y), kn.LBFGS(), steps=3)[0],
    "split": lambda m, _: split_edge(
        m, next(e for e in m.edges() if e[0] == 1), "chain", Name(kn.LIBRARY["sin"]), Name(kn.LIBRARY["x^2"])
    ),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_and_what_is_opened_afterwards_lift_nothing(edit, fitted, tmp_path):
    edited = EDITS[edit](fitted, tmp_path)
    assert additive(edited)
    assert additive(kn.perturb(edited, "all", size=0.3))


@pytest.mark.slow
def test_auto_symbolic_lifts_nothing():
    data = table(lambda x: np.exp(x[:, 0] + x[:, 1] ** 2) + np.sin(2 * x[:, 2] - x[:, 3]))
    model, _ = kn.fit(kn.module(kn.KAN([4, 2, 1], names=NAMES, key=0), GROUPS), data, steps=40)
    named, _ = kn.auto_symbolic(model, data)
    np.testing.assert_allclose(named(data.x), data.y, atol=1e-6)
    assert additive(named)
    assert additive(kn.perturb(named, "all", size=0.3))


def test_a_forbidden_edge_cannot_be_named_but_connected(fitted):
    address = next(
        (1, i, j) for i, j in np.argwhere(np.asarray(fitted.layers[1].splines.allowed) == 0).tolist()
    )
    with pytest.raises(kn.SettingError, match="forbidden"):
        name_edge(fitted, address, Name(kn.LIBRARY["sin"]))
    joined = kn.connect(fitted, [address])
    np.testing.assert_array_equal(joined(ROWS), fitted(ROWS))
    assert joined[address].kind == "spline"
    with pytest.raises(kn.SettingError, match="on already"):
        kn.connect(joined, [address])


def test_groups_may_join_in_a_product():
    model = kn.module(kn.KAN([4, 4, (0, 1)], names=NAMES, key=0), GROUPS, join="product")
    logs = jax.vmap(jax.hessian(lambda row: jnp.log(jnp.abs(model(row[None])[0, 0]))))(jnp.asarray(ROWS[:8]))
    assert np.abs(np.asarray(logs)[:, :2, 2:]).max() < 1e-8
    assert np.abs(second_derivatives(model)[:, :2, 2:]).max() > 1e-3
    with pytest.raises(kn.SettingError, match="cannot join"):
        kn.module(kn.KAN([4, 4, 1]), [["x1", "x2"], ["x3", "x4"]], join="product")


def test_groups_may_join_early():
    model = kn.module(kn.KAN([4, 6, 3, 1], key=0), [["x1", "x2"]], stop=1)
    assert np.all(model.layers[1].splines.allowed == 1)
    assert np.sum(model.layers[0].splines.allowed == 0) == 12


def test_a_module_in_text_is_a_block_of_its_own():
    model = kn.KAN([3, 3, 2], key=0)
    cut = kn.module(model, "[0,1]->[-1]->[2]->[0]")
    np.testing.assert_array_equal(cut.layers[0].splines.allowed, [[0, 0, 1], [0, 0, 1], [1, 1, 0]])
    np.testing.assert_array_equal(cut.layers[1].splines.allowed, [[0, 1], [0, 1], [1, 0]])
    positive = kn.module(model, "[0,1]->[2]->[2]->[0]")
    np.testing.assert_array_equal(positive.layers[0].splines.allowed, cut.layers[0].splines.allowed)
    assert kn.module(model, "[0]->[0]", start=1).layers[0].splines.allowed.all()


def test_modules_that_cannot_be():
    model = kn.KAN([3, 2, 1], key=0)
    for groups, told in [
        ([["x1"], ["x9"]], "no column"),
        ([["x1"], ["x1"]], "two groups"),
        ([["x1"], ["x2"], ["x3"]], "2 nodes for 3 groups"),
        ("[0]->[0]->[0]", "no chain"),
        ("[7]->[0]", "none of the 3 nodes"),
        ("[0]->[0]->[0]->[0]->[0]->[0]", "reaches layer 2"),
    ]:
        with pytest.raises(kn.SettingError, match=told):
            kn.module(model, groups)


def table(f):
    return kn.Dataset.from_arrays(ROWS, f(ROWS), names=NAMES)


def test_an_additive_network_for_a_table():
    data = table(lambda x: 1000 * Y[:, 0])
    model, _ = kn.fit(kn.separable(data, GROUPS, key=1), data, steps=40)
    assert additive(model)
    assert np.std(model(ROWS)[:, 0] - 1000 * Y[:, 0]) < 0.02 * np.std(1000 * Y)


def test_a_multiplicative_network_for_a_table():
    data = table(lambda x: (x[:, 0] + x[:, 1] ** 2 + 2) * (x[:, 2] - x[:, 3] + 3))
    start = kn.separable(data, [["a", "b"]], "multiplicative", hidden=1, key=1)
    model, _ = kn.fit(start, data, steps=60)
    logs = jax.vmap(jax.hessian(lambda row: jnp.log(model(row[None])[0, 0])))(jnp.asarray(ROWS[:8]))
    assert np.abs(np.asarray(logs)[:, :2, 2:]).max() < 1e-7
    assert np.std(model(ROWS)[:, 0] - data.y[:, 0]) < 0.02 * np.std(data.y)


def test_a_symmetric_network_for_a_table():
    data = table(lambda x: np.sin((x[:, 0] ** 2 + x[:, 1] ** 2) * x[:, 2]) + x[:, 3])
    model, _ = kn.fit(kn.symmetric(data, ["a", "b"], inner=1, key=0), data, steps=80)
    slopes = jax.vmap(jax.grad(lambda row: model(row[None])[0, 0]))
    here = jnp.asarray(ROWS[:20])
    other = here.at[:, 2:].set(jnp.asarray(ROWS[20:40, 2:]))
    one, two = np.asarray(slopes(here)), np.asarray(slopes(other))
    np.testing.assert_allclose(one[:, 0] * two[:, 1], one[:, 1] * two[:, 0], atol=1e-10)
    assert np.std(model(ROWS)[:, 0] - data.y[:, 0]) < 0.1 * np.std(data.y)


def test_structures_that_cannot_be():
    data = table(lambda x: x[:, 0])
    for ask, told in [
        (lambda: kn.separable(data, [["a", "z"]]), "no column"),
        (lambda: kn.separable(data, [NAMES]), "separate nothing"),
        (lambda: kn.separable(data, GROUPS, hidden=0), "no nodes"),
        (lambda: kn.symmetric(data, ["a"]), "no symmetry"),
        (lambda: kn.symmetric(data, NAMES), "no symmetry"),
    ]:
        with pytest.raises(kn.SettingError, match=told):
            ask()
