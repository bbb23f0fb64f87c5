import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from networks import small, table, with_edge

from scikan.core.kan import KAN
from scikan.core.precision import jax_leaves
from scikan.train.parameters import vector, with_vector
from scikan.train.penalty import Sparsity, bending, edge_spreads


X = jnp.asarray(table(100)[0])
ONES = jnp.ones(100)


@eqx.filter_jit
def evaluate(penalty, model, x=X, weight=ONES):
    """Return value, gradient and curvature of a penalty."""
    value = lambda t: penalty(with_vector(model, t), x, weight)
    return *jax.value_and_grad(value)(vector(model)), penalty.curvature(model, x, weight)


def masked(model):
    mask = model.layers[0].splines.mask.copy()
    mask[:, 1] = 0.0
    return eqx.tree_at(lambda m: m.layers[0].splines.mask, model, mask)


@pytest.mark.parametrize("model", [small(), with_edge(small(), (0, 0, 0), "sin", (2.0, 0.1, 1.0, 0.3))])
def test_spreads_equal_those_of_the_edges_themselves(model):
    layer = jax_leaves(model).layers[0]
    weight = jnp.linspace(0.0, 1.0, 100)
    edges = np.asarray(layer.edges(X))
    mean = np.average(edges, axis=0, weights=weight)
    direct = np.sqrt(np.average((edges - mean) ** 2, axis=0, weights=weight))
    assert np.allclose(eqx.filter_jit(edge_spreads)(layer, X, weight)[0], direct, rtol=1e-10)


def test_float32_spreads_survive_a_large_mean():
    model = small(dtype=np.float32)
    model = eqx.tree_at(lambda m: m.layers[0].splines.coef, model, 1e3 + model.layers[0].splines.coef)
    layer, x = jax_leaves(model).layers[0], X.astype(jnp.float32)
    spread, _ = eqx.filter_jit(edge_spreads)(layer, x, ONES.astype(jnp.float32))
    direct = np.asarray(model.layers[0].edges(np.asarray(x, float))).std(axis=0)
    assert spread.dtype == jnp.float32
    assert np.allclose(spread, direct, rtol=1e-3)


@pytest.mark.parametrize("metric", ["spread", "edge", "attribution"])
def test_gradients_are_finite_and_zero_for_edges_that_are_off(metric):
    model = jax_leaves(masked(small()))
    penalty = jax_leaves(Sparsity(1.0, coefficient=0.1, smooth=0.1, metric=metric))
    value, slope, curvature = evaluate(penalty, model)
    assert np.isfinite(value) and np.all(np.isfinite(slope)) and np.all(np.isfinite(curvature))
    assert np.all(with_vector(model, slope).layers[0].splines.coef[:, :, 1] == 0)


def test_entropy_does_not_see_the_scale_of_the_outputs():
    model = small()
    last = lambda m: m.layers[-1].splines.coef
    larger = eqx.tree_at(last, model, 7.0 * last(model))
    entropy = jax_leaves(Sparsity(1.0, l1=0.0, entropy=1.0))
    assert np.isclose(
        evaluate(entropy, jax_leaves(model))[0], evaluate(entropy, jax_leaves(larger))[0], rtol=1e-9
    )


def test_attribution_sums_to_one_where_one_edge_feeds_each_node():
    model = KAN([2, (0, 1), 1], grid=3)
    mask = np.eye(2)
    model = jax_leaves(eqx.tree_at(lambda m: m.layers[0].splines.mask, model, mask))
    # Both layers hand on all of the score: L1 is one a layer's share of it, and products count each factor.
    value, _, _ = evaluate(jax_leaves(Sparsity(1.0, entropy=0.0, metric="attribution")), model)
    assert np.isclose(value, 2.0 + 1.0, rtol=1e-9)


def test_the_curvature_of_the_smoothness_is_exact():
    model = jax_leaves(small())
    penalty = jax_leaves(Sparsity(0.3, l1=0.0, entropy=0.0, smooth=2.0))
    value = lambda t: 0.6 * sum(bending(layer) for layer in with_vector(model, t).layers)
    hessian = jax.jit(jax.hessian(value))(vector(model))
    assert np.allclose(evaluate(penalty, model)[2], hessian, atol=1e-12)


def test_the_curvature_of_l1_majorises_it():
    """theta^T C theta is the slope along theta, as for every sum of homogeneous roots."""
    model = KAN([2, 1], grid=3, key=1)
    zero = eqx.tree_at(lambda m: m.layers[0].nodes.sub_bias, model, np.zeros(1))
    theta, model = vector(zero), jax_leaves(zero)
    penalty = jax_leaves(Sparsity(1.0, l1=1.0, entropy=0.0))
    _, slope, curvature = evaluate(penalty, model)
    assert np.isclose(theta @ np.asarray(curvature) @ theta, theta @ np.asarray(slope), rtol=1e-9)


def test_beside_a_large_edge_a_concave_pull_prefers_one_more_to_two_small_ones():
    def pulled(spreads, concave):
        return float(np.sum(Sparsity(1.0, concave=concave)._pulled(np.asarray(spreads))))

    assert np.isclose(pulled([4.0, 1.0, 1.0], 0.0), pulled([4.0, 2.0, 0.0], 0.0))
    assert pulled([4.0, 2.0, 0.0], 0.1) < 0.9 * pulled([4.0, 1.0, 1.0], 0.1)
    # Near zero it pulls as hard as without.
    assert np.isclose(pulled([1.0, 1e-4], 0.1) - pulled([1.0, 0.0], 0.1), 1e-4, rtol=1e-2)
    assert pulled([0.0, 0.0], 0.1) == 0.0


def test_the_slope_of_a_concave_pull_is_that_of_its_value():
    model = jax_leaves(small())
    penalty = jax_leaves(Sparsity(1.0, entropy=0.0, concave=0.1))
    value, slope, curvature = evaluate(penalty, model)
    theta, step = vector(model), 1e-6 * np.random.default_rng(0).normal(size=vector(model).size)
    ends = [evaluate(penalty, with_vector(model, theta + sign * step))[0] for sign in (1, -1)]
    assert np.isclose(ends[0] - ends[1], 2 * slope @ step, rtol=1e-4)
    assert np.all(np.isfinite(curvature))
    assert value < evaluate(jax_leaves(Sparsity(1.0, entropy=0.0)), model)[0]
