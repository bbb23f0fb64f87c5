"""The NumPy and the JAX evaluation of one network agree to rounding, whatever the network holds."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from networks import with_edge

from scikan.core.kan import KAN
from scikan.core.precision import jax_leaves
from scikan.edit.surgery import remove_edges
from scikan.train.instant import is_small
from scikan.train.layered import Workspace
from scikan.train.objective import Regression
from scikan.train.parameters import free_parameters, vector, with_vector
from scikan.train.problem import Problem
from scikan.train.rows import Rows


def random_network(key):
    model = KAN([3, (2, (2, 3)), (1, 1), 2], grid=4, k=3, key=key)
    model = with_edge(model, (0, 0, 1), "sin", (1.3, 0.2, -0.7, 0.1))
    model = with_edge(model, (0, 2, 4), "exp", (0.6, 0.0, 0.5, 0.0))
    model = with_edge(model, (1, 1, 0), "x^2", (1.0, -0.4, 0.8, 0.0))
    rng = np.random.default_rng(key)
    return with_vector(model, vector(model) + 0.1 * rng.normal(size=vector(model).size))


@eqx.filter_jit
def evaluate(problem, model):
    return model.network(problem.x), *problem.rows(model, problem.x, problem.y)


@pytest.mark.parametrize("key", [0, 1, 2])
def test_both_backends_give_the_same_outputs_residuals_and_jacobian(key):
    model = random_network(key)
    rng = np.random.default_rng(100 + key)
    # Twice as wide as the grid: half of the rows meet the straight continuations.
    x, y = rng.uniform(-2, 2, size=(32, 3)), rng.normal(size=(32, 2))
    space = Workspace(model, x)
    outputs = space.forward()
    jacobian = np.moveaxis(space.jacobian(), 0, 1)
    # Where does the workspace keep what the vector holds at n? Ask it to read a network of indices.
    places = Workspace(with_vector(model, np.arange(vector(model).size, dtype=float)), x).read().astype(int)

    free = jnp.asarray(vector(free_parameters(model)))
    problem = Problem(
        objective=Regression(),
        penalty=None,
        x=jnp.asarray(x),
        y=jnp.asarray(y),
        weight=jnp.ones(32),
        n_rows=jnp.asarray(32, jnp.int32),
        free=free,
    )
    bare = jax_leaves(Regression().strip(model))
    predicted, residuals, theirs = evaluate(problem, bare)
    scale = max(1.0, float(np.abs(outputs).max()))
    steepest = max(1.0, float(np.abs(jacobian).max()))
    assert np.abs(np.asarray(predicted) - outputs).max() < 1e-12 * scale
    assert np.abs(np.asarray(residuals) - (outputs - y)).max() < 1e-12 * scale
    assert np.abs(np.asarray(theirs)[:, :, places] - jacobian).max() < 1e-12 * steepest
    assert set(places) == set(np.flatnonzero(free))


def test_a_large_network_that_is_mostly_pruned_is_fitted_in_numpy_and_a_whole_one_is_not():
    rows = Rows(np.zeros((100, 40)), np.zeros((100, 1)), np.ones(100))
    whole = KAN([40, 8, 1], grid=5)
    pruned = remove_edges(whole, [edge for edge in whole.edges() if edge[0] == 0 and edge[2] > 0])
    assert not is_small(whole, rows) and is_small(pruned, rows)
    assert not is_small(KAN([40, 2, 1], grid=5), rows)  # as many live numbers, none dead
