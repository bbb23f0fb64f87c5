"""Pruning by held-out loss: irrelevant inputs and superfluous nodes go, the fit stays."""

import numpy as np

import scikan as kn
from scikan.train import elimination
from scikan.train.elimination import Eliminated, accepts


def test_what_a_law_does_not_use_is_taken_away():
    data = kn.Dataset.from_function(
        lambda x: x[:, 0] ** 2 + 0.3 * x[:, 1] + 0.1 * x[:, 2] ** 3, n_inputs=4, rows=300, test=100
    )
    model, _ = kn.fit(kn.KAN.for_data(data), data, steps=15)
    small = kn.prune_by_loss(model, data)
    assert small.edges() == ((0, 0, 0), (0, 1, 0), (0, 2, 0))
    assert small.names == data.names
    terms = np.stack([data.x[:, 0] ** 2, 0.3 * data.x[:, 1], 0.1 * data.x[:, 2] ** 3])
    ideal = terms.std(axis=1) / terms.sum(axis=0).std()
    np.testing.assert_allclose(kn.attribute(small, data.x).inputs, ideal, rtol=0.02)
    assert np.abs(small(data.test_x) - data.test_y).max() < 1e-2


def test_clean_losses_are_compared_by_factor_and_noisy_ones_by_their_spread():
    clean = np.full(100, 1e-8)
    assert accepts(clean, 1.9 * clean, 0.0) and not accepts(clean, 3 * clean, 0.0)
    assert accepts(clean, 100 * clean, floor=1e-5)
    r = np.random.default_rng(0)
    noisy = r.normal(size=400) ** 2
    assert accepts(noisy, noisy + 0.01 * r.normal(size=400), 0.0)
    assert not accepts(noisy, noisy + 0.5, 0.0)


def test_many_small_losses_may_not_add_up(monkeypatch):
    data = kn.Dataset.from_function(lambda x: x[:, 0] + x[:, 1], n_inputs=2, rows=200, test=10)
    full, _ = kn.fit(kn.KAN.for_data(data), data, steps=10)
    half = kn.remove_edges(full, [(0, 1, 0)])

    def path(model, rows, floor):
        nets = [model, elimination.rescaled(half, 1.0 / elimination.judged_rows(full, data)[1])]
        return [Eliminated(net, elimination.judged_loss(net, rows)) for net in nets]

    monkeypatch.setattr(elimination, "eliminate", path)
    assert kn.prune_by_loss(full, data).n_edges == 2
