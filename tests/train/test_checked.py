"""Pruning that is measured before it is kept."""

import numpy as np
import pytest

import scikan as kn


X = np.random.default_rng(0).uniform(-1, 1, (500, 4))
DATA = kn.Dataset.from_arrays(X, X[:, 0] ** 2 + 0.3 * X[:, 1] + 0.1 * X[:, 2] ** 3).split(0.3)


@pytest.fixture(scope="module")
def model():
    return kn.fit(kn.KAN([4, 1], grid=5, key=0), DATA, steps=20)[0]


def test_an_idle_input_goes_and_its_score_is_nothing(model):
    found = kn.prune_checked(model, DATA, edge=1e-3, inputs=1e-3)
    assert found.accepted
    assert found.removed == ((0, 3, 0),)
    assert found.after <= 1.2 * found.before
    scores = kn.attribute(found.model, X).inputs
    terms = np.stack([X[:, 0] ** 2, 0.3 * X[:, 1], 0.1 * X[:, 2] ** 3])
    np.testing.assert_allclose(scores[:3], terms.std(axis=1) / terms.sum(axis=0).std(), rtol=0.02)
    assert scores[3] < 1e-6


def test_a_prune_that_hurts_is_refused_unless_told(model):
    refused = kn.prune_checked(model, DATA, edge=0.3)
    assert not refused.accepted
    assert refused.model is model
    assert refused.after > 1.2 * refused.before
    assert "would not do without" in str(refused)
    forced = kn.prune_checked(model, DATA, edge=0.3, force=True)
    assert forced.accepted
    assert forced.model.n_edges < model.n_edges


def test_settings_that_check_nothing(model):
    with pytest.raises(kn.SettingError, match="no check"):
        kn.prune_checked(model, DATA, worse=0.5)


def test_the_fewest_hidden_nodes_that_do_tell_inputs_apart():
    x = np.random.default_rng(0).uniform(-1, 1, (300, 20))
    data = kn.Dataset.from_arrays(x, (x**2 * 0.5 ** np.arange(20)).sum(axis=1)).split(0.2)
    wide, _ = kn.fit(kn.KAN([20, 4, 1], grid=3), data, kn.LBFGS(), steps=60, penalty=kn.Sparsity(1e-3))
    found = kn.narrowest(wide, data)
    assert found.accepted and found.after < found.before
    assert len(np.unique([i for l, i, _ in found.model.edges() if l == 1])) < 4
    order = np.argsort(-kn.attribute(found.model, data).inputs)
    assert np.array_equal(order[:6], np.arange(6))


def test_hidden_nodes_that_are_needed_stay():
    x = np.random.default_rng(0).uniform(-1, 1, (400, 2))
    # A product that changes its sign is no function of one sum.
    data = kn.Dataset.from_arrays(x, x[:, 0] * x[:, 1]).split(0.25)
    model, _ = kn.fit(kn.KAN([2, 2, 1], grid=4), data, steps=40)
    found = kn.narrowest(model, data)
    assert found.model is model and not found.removed
    with pytest.raises(kn.SettingError, match="make no check"):
        kn.narrowest(model, data, worse=0.5)
