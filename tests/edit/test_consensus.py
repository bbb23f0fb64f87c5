"""What seeds agree on, whatever the order and the sign of their nodes."""

import numpy as np
import pytest

import scikan as kn
from scikan.core.trees import updated
from scikan.edit.anatomy import permute


X = np.random.default_rng(0).uniform(-1, 1, (400, 4))
DATA = kn.Dataset.from_arrays(X, X[:, 0] * X[:, 1] + X[:, 2] ** 2)


def shuffled(model, seed):
    """Return the model with its hidden nodes in another order and with turned signs."""
    rng = np.random.default_rng(seed)
    sums, products = model.width[1][0], len(model.width[1][1])
    order = [*rng.permutation(sums), *(sums + rng.permutation(products))]
    return permute(model, 1, [int(n) for n in order])


def test_networks_that_differ_in_order_only_agree_in_all():
    base = kn.KAN([4, (3, 2), 1], grid=4, key=0)
    base = kn.remove_edges(base, [(0, 0, 1), (0, 3, 0), (0, 2, 4)])
    ensemble = kn.Ensemble.of([shuffled(base, seed) for seed in range(6)])
    found = kn.consensus(ensemble, X, threshold=0.0)
    assert len(found.kept) == 6
    for frequency, layer in zip(found.edges, found.reference.layers, strict=True):
        np.testing.assert_array_equal(frequency, layer.live().astype(float))
    assert set(found.groups.values()) == {1.0}
    for n in range(6):
        np.testing.assert_allclose(found.members[n](X), base(X), atol=1e-12)


def test_edges_that_only_some_members_have_are_counted():
    base = kn.KAN([2, 2, 1], grid=4, key=0)
    other = kn.remove_edges(base, [(0, 0, 0)])
    found = kn.consensus(kn.Ensemble.of([base, base, base, other]), X[:, :2], threshold=0.0)
    assert found.edges[0][0, 0] == pytest.approx(0.75)
    assert found.scores.edges[0].shape == (2, 2)
    assert kn.plot(found.reference, X[:, :2], scores=found.scores) is not None


def test_a_member_that_did_not_learn_is_not_counted():
    good = kn.kanpiler("x1*x2 + x3**2", ["x1", "x2", "x3", "x4"])
    layer = good.layers[0]
    bad = updated(lambda m: m.layers[0].nodes.bias, good, layer.nodes.bias + 50.0)
    near = updated(lambda m: m.layers[0].nodes.bias, good, layer.nodes.bias + 1e-3)
    found = kn.consensus(kn.Ensemble.of([near, near, bad, near]), DATA)
    assert found.kept == (0, 1, 3)
    assert list(found.products) == [("x1", "x2")]
    with pytest.raises(kn.SettingError, match="make no sense"):
        kn.consensus(kn.Ensemble.of([good]), DATA, worst=0.0)


def test_frequencies_are_written_beside_the_edges_of_the_picture():
    base = kn.KAN([2, 2, 1], grid=4, key=0)
    other = kn.remove_edges(base, [(0, 0, 0)])
    found = kn.consensus(kn.Ensemble.of([base, base, base, other]), X[:, :2], threshold=0.0)
    assert found.labels[0, 0, 0] == "75 %"
    figure = kn.plot(found.reference, X[:, :2], scores=found.scores, edge_labels=found.labels)
    assert "75 %" in [text.get_text() for axes in figure.axes for text in axes.texts]
