"""The network: widths, products of any arity, both array namespaces, views, copies and ensembles."""

import copy
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import scikan as kn
from scikan.core.precision import jax_leaves


def by_hand(model: kn.KAN, row: np.ndarray) -> np.ndarray:
    """One row through loops over nodes and edges."""
    values = list(row)
    for l, layer in enumerate(model.layers):
        subs = []
        for j in range(layer.n_subs):
            total = sum(float(model[l, i, j].curve(np.asarray([v]))[0]) for i, v in enumerate(values))
            subs.append(total * layer.nodes.sub_scale[j] + layer.nodes.sub_bias[j])
        factors = [[subs[s] for s in layer.nodes.members(n)] for n in range(layer.nodes.n_nodes)]
        values = [
            float(np.prod(f)) * layer.nodes.scale[n] + layer.nodes.bias[n] for n, f in enumerate(factors)
        ]
    return np.asarray(values)


def random_width(rng: np.random.Generator) -> list:
    width: list = [int(rng.integers(1, 4))]
    for _ in range(int(rng.integers(1, 3))):
        products = tuple(int(a) for a in rng.integers(1, 5, rng.integers(0, 3)))
        sums = int(rng.integers(0 if products else 1, 3))
        width.append((sums, products))
    return width


def test_random_widths_and_arities_equal_loops_over_nodes():
    rng = np.random.default_rng(0)
    for trial in range(200):
        width = random_width(rng)
        model = kn.KAN(width, grid=3, k=2, key=trial)
        row = rng.uniform(-1.5, 1.5, width[0])
        expected = by_hand(model, row)
        np.testing.assert_allclose(model(row[None])[0], expected, rtol=1e-13, atol=1e-14, err_msg=str(width))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_numpy_and_jax_agree(dtype):
    model = kn.KAN([2, (2, (2, 3)), 1], key=1, dtype=dtype)
    x = np.random.default_rng(0).uniform(-2, 2, (30, 2))
    through_jax = jax_leaves(model)(jnp.asarray(x, dtype))
    assert through_jax.dtype == dtype and model(x).dtype == dtype
    np.testing.assert_allclose(through_jax, model(x), rtol=1e-12 if dtype is np.float64 else 2e-4, atol=1e-5)


@pytest.mark.parametrize("bad", [[2], [2, 0], [2, (0, 0), 1], [(2, 1), 1], [2, (1, (0,)), 1], [2, (1, 2, 3)]])
def test_impossible_widths_are_refused(bad):
    with pytest.raises(kn.SettingError):
        kn.KAN(bad)


def test_a_constructor_leaves_its_arguments_and_global_randomness_alone():
    width = [2, (3, 1), 1]
    state = np.random.get_state()[1].copy()
    kn.KAN(width, key=3)
    assert width == [2, (3, 1), 1]
    assert np.array_equal(np.random.get_state()[1], state)


def test_equal_keys_give_equal_networks_and_others_do_not():
    x = np.linspace(-1, 1, 10)[:, None]
    one, two, other = kn.KAN([1, 3, 1], key=5), kn.KAN([1, 3, 1], key=5), kn.KAN([1, 3, 1], key=6)
    assert np.array_equal(one(x), two(x)) and not np.array_equal(one(x), other(x))


def test_copies_pickles_and_structures_are_equal():
    model = kn.kanpiler("exp(sin(pi*x)+y**2)", ["x", "y"])
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert jax.tree_util.tree_structure(twin) == jax.tree_util.tree_structure(model)
        assert bool(twin == model)
        x = np.random.default_rng(0).uniform(-1, 1, (5, 2))
        assert np.array_equal(twin(x), model(x))


def test_an_edge_can_be_looked_at():
    model = kn.kanpiler("3*sin(2*x + 1) + y", ["x", "y"])
    edge = model[0, 0, 0]
    assert (edge.kind, edge.name) == ("symbolic", "sin")
    np.testing.assert_allclose(edge.constants[:3], (2, 1, 3))
    u = np.linspace(-1, 1, 5)
    np.testing.assert_allclose(edge.curve(u), 3 * np.sin(2 * u + 1))
    with pytest.raises(kn.SettingError, match="no edge"):
        model[0, 5, 0]
    with pytest.raises(kn.SettingError, match="no layer"):
        model[4, 0, 0]


def test_old_habits_get_a_sentence():
    with pytest.raises(AttributeError, match="KANs are immutable.*kn.fit"):
        kn.KAN([1, 1]).fit()


def test_wrong_columns_are_refused():
    with pytest.raises(kn.ShapeError, match="rows of 2 columns"):
        kn.KAN([2, 1])(np.zeros((4, 3)))


def test_a_network_for_data_takes_logarithms_of_wide_positive_columns():
    x = np.random.default_rng(0).uniform(0, 6, (100, 2))
    data = kn.Dataset.from_arrays(np.stack([10 ** x[:, 0], x[:, 1]], axis=1), 10 ** x[:, 0] * 3.0)
    model = kn.KAN.for_data(data)
    inputs = model.features(data.x)
    np.testing.assert_allclose(inputs[:, 0], np.log(data.x[:, 0]))
    np.testing.assert_allclose(inputs[:, 1], data.x[:, 1])
    assert np.std(model.readout.inverse()(data.y)) == pytest.approx(1.0)
    np.testing.assert_allclose(model.readout(model.readout.inverse()(data.y)), data.y)
    assert model(data.x).shape == data.y.shape


def test_an_ensemble_stacks_members_and_gives_them_back():
    models = [kn.KAN([2, 3, 1], key=k) for k in range(4)]
    ensemble = kn.Ensemble.of(models)
    x = np.random.default_rng(0).uniform(-1, 1, (6, 2))
    assert ensemble.size == len(ensemble) == 4
    assert ensemble(x).shape == (4, 6, 1)
    for k, model in enumerate(models):
        assert np.array_equal(ensemble[k](x), model(x))
    finer = ensemble.map(kn.refine, 10)
    assert isinstance(finer, kn.Ensemble) and finer[2].layers[0].splines.grid == 10
    with pytest.raises(kn.SettingError, match="structure"):
        kn.Ensemble.of([models[0], kn.KAN([2, 4, 1])])
    with pytest.raises(IndexError):
        ensemble[4]
