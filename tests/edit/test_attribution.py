"""Attribution scores: what they must be where the answer is known."""

import numpy as np
import pytest

import scikan as kn
from scikan.core.trees import updated
from scikan.edit.attribution import edge_moments


X = np.random.default_rng(0).uniform(-1, 1, (2000, 4))


def test_scores_of_a_sum_are_the_terms_shares_of_the_spread():
    terms = np.stack([X[:, 0] ** 2, 0.3 * X[:, 1], 0.1 * X[:, 2] ** 3, 0 * X[:, 3]])
    model = kn.kanpiler("x0**2 + 0.3*x1 + 0.1*x2**3", ["x0", "x1", "x2", "x3"])
    expected = terms.std(axis=1) / terms.sum(axis=0).std()
    np.testing.assert_allclose(kn.attribute(model, X).inputs, expected, rtol=1e-10)


def test_a_large_edge_into_a_node_that_nobody_reads_scores_zero():
    model = kn.KAN([2, 2, 1], key=0)
    model = kn.remove_edges(model, [(1, 1, 0)])
    model = updated(
        lambda m: m.layers[0].splines.coef, model, model.layers[0].splines.coef * np.asarray([1.0, 1e3])
    )
    scores = kn.attribute(model, X[:, :2])
    assert np.all(scores.edges[0][:, 1] == 0.0)
    assert scores.spreads[0][:, 1].min() > 10.0


def test_scores_do_not_change_when_a_hidden_node_changes_units():
    model = kn.kanpiler("sin(x) + exp(y)", ["x", "y"])
    deep = kn.kanpiler("exp(100*(sin(x) + y)/100)", ["x", "y"])
    flat = kn.kanpiler("exp(sin(x) + y)", ["x", "y"])
    assert model.n_edges == 2
    np.testing.assert_allclose(
        kn.attribute(deep, X[:, :2]).inputs, kn.attribute(flat, X[:, :2]).inputs, rtol=1e-12
    )


def test_every_factor_of_a_product_inherits_the_score():
    model = kn.kanpiler("x*y", ["x", "y"])
    np.testing.assert_allclose(kn.attribute(model, X[:, :2]).inputs, [1.0, 1.0])


@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_spreads_from_second_moments_equal_those_of_the_edges(offset):
    layer = kn.KAN([3, (2, 1), 1], key=2).layers[0]
    layer = updated(lambda m: m.splines.coef, layer, layer.splines.coef + offset)
    edges = layer.edges(X[:, :3])
    means, spreads = edge_moments(layer, X[:, :3])
    np.testing.assert_allclose(means, edges.mean(axis=0), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(spreads, edges.std(axis=0), rtol=1e-7)


def test_interactions_name_the_columns_that_a_node_combines():
    model = kn.kanpiler("x0*x1 + sin(x2)", ["x0", "x1", "x2"])
    found = kn.interactions(model, X[:, :3], layer=1)
    assert found.get(("x0", "x1")) == 1


def test_one_row_has_no_spread():
    with pytest.raises(kn.ShapeError, match="at least 2 rows"):
        kn.attribute(kn.KAN([2, 1]), np.zeros((1, 2)))


def test_bands_hold_the_scores():
    model = kn.kanpiler("x0**2 + 0.3*x1", ["x0", "x1"])
    bands = kn.attribution_bands(model, X[:300, :2], bootstraps=30)
    scores = kn.attribute(model, X[:300, :2])
    assert np.all(bands.low.inputs < scores.inputs)
    assert np.all(scores.inputs < bands.high.inputs)
    assert np.all(bands.high.inputs - bands.low.inputs < 0.2)
    members = kn.Ensemble.of([kn.KAN([2, 3, 1], key=key) for key in range(5)])
    spread = kn.attribution_bands(members, X[:, :2])
    assert np.all(spread.low.inputs <= spread.median.inputs)
    with pytest.raises(kn.SettingError, match="no band"):
        kn.attribution_bands(model, X[:, :2], level=1.5)


def test_shares_of_one_sum_add_up():
    model = kn.kanpiler("x0**2 + 0.3*x1 + 0.1*x2**3", ["x0", "x1", "x2"])
    shares = kn.attribute(model, X[:, :3], kind="share").inputs
    ratios = kn.attribute(model, X[:, :3]).inputs
    np.testing.assert_allclose(shares.sum(), 1.0, rtol=1e-12)
    np.testing.assert_allclose(shares, ratios**2, atol=0.03)


def test_an_input_of_one_output_of_many_does_not_vanish():
    model = kn.kanpiler([*["sin(x0)"] * 30, "x1"], ["x0", "x1"])
    assert kn.attribute(model, X[:, :2]).inputs[1] < 0.05
    np.testing.assert_allclose(kn.attribute(model, X[:, :2], over="max").inputs, [1.0, 1.0])


def test_scores_agree_with_total_indices():
    for seed in range(10):
        rng = np.random.default_rng(seed)
        sizes = 2.0 ** -rng.permutation(5)
        terms = " + ".join(
            f"{size}*{f}(1.2*x{j} + 0.3)" for j, (size, f) in enumerate(zip(sizes, FUNCTIONS, strict=True))
        )
        model = kn.kanpiler(f"exp(0.3*({terms}))", [f"x{j}" for j in range(5)])
        rows = rng.uniform(-1, 1, (1000, 5))
        order = np.argsort(np.argsort(kn.attribute(model, rows).inputs))
        truth = np.argsort(np.argsort(kn.total_indices(model, rows)))
        assert np.corrcoef(order, truth)[0, 1] > 0.89  # one exchange of neighbours


def test_total_indices_agree_with_scipy():
    from scipy.stats import sobol_indices, uniform

    f = lambda x: x[:, 0] * x[:, 1] + 0.5 * x[:, 2] ** 2
    rows = np.random.default_rng(1).uniform(-1, 1, (4000, 3))
    wanted = sobol_indices(
        func=lambda x: f(x.T), n=4096, dists=[uniform(-1, 2)] * 3, rng=np.random.default_rng(0)
    ).total_order
    np.testing.assert_allclose(kn.total_indices(f, rows), wanted, atol=0.05)


FUNCTIONS = ("sin", "exp", "tanh", "cos", "sin")


@pytest.mark.parametrize("kind", ["ratio", "share"])
def test_scores_do_not_depend_on_the_units_of_the_target(kind):
    model = kn.KAN([2, 3, 1], key=0)
    where = lambda m: (m.layers[-1].splines.coef, m.layers[-1].nodes.sub_bias)
    tiny = updated(where, model, tuple(1e-30 * part for part in where(model)))
    scores, same = (kn.attribute(m, X[:, :2], kind=kind).inputs for m in (model, tiny))
    np.testing.assert_allclose(same, scores, rtol=1e-9)


def test_rounding_of_a_constant_is_no_variation():
    model = kn.KAN([2, 2, 1], key=0)
    splines = model.layers[0].splines
    flat = np.full_like(splines.coef, 0.1)
    model = updated(lambda m: m.layers[0].splines.coef, model, flat)
    assert np.all(kn.attribute(model, X[:, :2]).inputs == 0.0)


def test_bands_of_shares():
    model = kn.kanpiler("x0**2 + 0.3*x1", ["x0", "x1"])
    bands = kn.attribution_bands(model, X[:300, :2], bootstraps=20, kind="share")
    np.testing.assert_allclose(bands.median.inputs.sum(), 1.0, atol=0.02)
