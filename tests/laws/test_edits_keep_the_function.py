"""An edit changes how a network is written, not what it computes."""

import numpy as np
import pytest

import scikan as kn
from scikan.core.functions import LIBRARY
from scikan.core.trees import updated
from scikan.edit.growth import Name, collapse, insert_layer, name_edge, split_edge
from scikan.edit.surgery import compact, remove_edges


X = np.random.default_rng(0).uniform(-1, 1, (200, 3))
WIDTHS = ([3, 1], [3, 4, 2], [3, (2, 2), 1], [3, (0, (3, 2)), (1, (2,)), 1], [3, (2, (1, 3)), 2])


def network(width, key=0):
    """A network with node affines that are not the identity and a few named edges."""
    model = kn.KAN(width, grid=4, k=3, key=key)
    rng = np.random.default_rng(key)
    for l in range(len(model.layers)):
        nodes = model.layers[l].nodes
        where = lambda m, l=l: (
            m.layers[l].nodes.sub_scale,
            m.layers[l].nodes.sub_bias,
            m.layers[l].nodes.scale,
            m.layers[l].nodes.bias,
        )
        values = (
            rng.uniform(0.5, 1.5, nodes.n_subs),
            rng.normal(size=nodes.n_subs),
            rng.uniform(0.5, 1.5, nodes.n_nodes),
            rng.normal(size=nodes.n_nodes),
        )
        model = updated(where, model, values)
    return name_edge(model, (0, 1, 0), Name(LIBRARY["sin"], (1.3, 0.2, 0.7, 0.1)))


def same(a, b, tolerance=1e-12):
    before = b(X)
    assert np.abs(a(X) - before).max() <= tolerance * max(1.0, np.abs(before).max())


@pytest.mark.parametrize("width", WIDTHS, ids=str)
def test_compact_keeps_a_network_with_dead_nodes_and_constant_factors(width):
    model = network(width)
    last = len(model.layers) - 1
    doomed = [(0, i, 0) for i in range(3)]
    if last > 0:
        doomed += [(l, 0, j) for l in range(1, last + 1) for j in range(model.layers[l].n_subs)][:2]
    cut = remove_edges(model, doomed)
    small = compact(cut)
    same(small, cut)
    assert small.n_edges <= cut.n_edges
    assert sum(l.splines.coef.size for l in small.layers) <= sum(l.splines.coef.size for l in cut.layers)


def test_compact_turns_a_product_with_a_constant_factor_into_a_sum():
    model = kn.KAN([2, (1, 1), 1], key=0)
    cut = remove_edges(model, [(0, 0, 2), (0, 1, 2)])
    small = compact(cut)
    assert small.width == ((2, ()), (2, ()), (1, ()))
    x = X[:, :2]
    np.testing.assert_allclose(small(x), cut(x), atol=1e-13)


def test_compact_of_a_network_without_edges_is_a_constant():
    model = kn.KAN([2, 3, 1], key=0)
    nothing = compact(remove_edges(model, model.edges()))
    assert nothing.n_edges == 0
    np.testing.assert_allclose(nothing(X[:, :2]), remove_edges(model, model.edges())(X[:, :2]))


def test_dropped_inputs_compose_and_the_table_keeps_its_columns():
    model = kn.KAN([3, 2, 1], key=0)
    first = compact(remove_edges(model, [(0, 0, 0), (0, 0, 1)]))
    second = compact(remove_edges(first, [(0, 0, 0), (0, 0, 1)]))
    assert first.layers[0].n_inputs == 2 and second.layers[0].n_inputs == 1
    assert second.names == model.names
    same(second, remove_edges(model, [(0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 1, 1)]))


@pytest.mark.parametrize("width", WIDTHS, ids=str)
def test_refine_to_a_multiple_keeps_the_function(width):
    same(kn.refine(network(width), 12), network(width))


def test_refine_to_another_grid_is_the_nearest():
    model = kn.KAN([3, 2, 1], grid=4, key=0)
    error = np.abs(kn.refine(model, 30)(X) - model(X)).max()
    assert 0 < error < 1e-2


def test_update_grid_covers_what_each_layer_sees():
    model = kn.KAN([3, 4, 1], key=1)
    shifted = kn.update_grid(model, 3.0 * X)
    trace = shifted.trace(3.0 * X)
    for layer, seen in zip(shifted.layers, trace.layers, strict=True):
        knots, k = layer.splines.knots, layer.splines.k
        assert np.all(knots[:, k] <= seen.x.min(axis=0)) and np.all(knots[:, -k - 1] >= seen.x.max(axis=0))


@pytest.mark.parametrize("width", WIDTHS[1:], ids=str)
def test_inserting_a_layer_keeps_the_function(width):
    model = network(width)
    for l in range(len(model.layers)):
        same(insert_layer(model, l, (1, 3)), model)


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("chain", lambda s, t, x: t(s(x))),
        ("sum", lambda s, t, x: s(x) + t(x)),
        ("product", lambda s, t, x: s(x) * t(x)),
    ],
)
def test_two_names_on_an_edge_compute_what_they_say(form, expected):
    first, second = Name(LIBRARY["exp"], (0.5, 0.0, 1.0, 0.0)), Name(LIBRARY["sin"], (2.0, 0.1, 3.0, 0.25))
    model = kn.KAN([2, 1], key=0)
    split = split_edge(model, (0, 0, 0), form, first, second)
    x = X[:, :2]
    f, g = (lambda u: np.exp(0.5 * u)), (lambda u: 3 * np.sin(2 * u + 0.1) + 0.25)
    kept = remove_edges(model, [(0, 0, 0)])(x)[:, 0]
    np.testing.assert_allclose(split(x)[:, 0], kept + expected(f, g, x[:, 0]), atol=1e-12)


def test_collapse_draws_chains_together():
    model = kn.KAN([3, 2, 1], grid=8, key=0, noise=0.0)
    chained = remove_edges(model, [(0, 1, 0), (0, 2, 0)])
    drawn = collapse(chained)
    assert drawn[0, 0, 0].name == "x"
    assert np.abs(drawn(X) - chained(X)).max() < 1e-5


@pytest.mark.parametrize("width", [[3, 4, 2], [3, (2, (2, 3)), 1], [3, 3, 3, 1]], ids=str)
def test_swap_keeps_the_function(width):
    model = network(width)
    same(kn.swap(model, 1, 0, 1), model, 1e-14)
    if len(width) == 4:
        same(kn.swap(model, 2, 2, 0), model, 1e-14)
    if isinstance(width[1], tuple):
        same(kn.swap(model, 1, 2, 3), model, 1e-14)
        with pytest.raises(kn.SettingError, match="cannot change places"):
            kn.swap(model, 1, 0, 2)


def test_prune_folds_the_mean_of_what_it_removes():
    model = kn.KAN([2, 1], key=0)
    model = updated(
        lambda m: m.layers[0].splines.coef,
        model,
        model.layers[0].splines.coef * [[[1.0]], [[1e-4]]] + [[[0.0]], [[5.0]]],
    )
    x = X[:, :2]
    pruned = kn.prune(model, kn.attribute(model, x), edge=0.01)
    assert pruned.edges() == ((0, 0, 0),)
    assert abs(pruned(x).mean() - model(x).mean()) < 1e-12
    assert model.n_edges == 2


def test_pruning_everything_or_with_foreign_scores_is_refused():
    model = kn.KAN([2, 2, 1], key=0)
    scores = kn.attribute(model, X[:, :2])
    with pytest.raises(kn.SettingError, match="would remove all 6 edges"):
        kn.prune(model, scores, edge=10.0)
    with pytest.raises(kn.SettingError, match="These scores are for layers"):
        kn.prune(kn.KAN([2, 3, 1]), scores)


def test_no_edit_touches_the_network_it_was_given():
    model = network([3, (2, 2), 1])
    before = model(X)
    scores = kn.attribute(model, X)
    kn.compact(kn.prune(model, scores, edge=0.1))
    kn.refine(model, 8)
    kn.update_grid(model, X)
    kn.swap(model, 1, 0, 1)
    assert np.array_equal(model(X), before)
