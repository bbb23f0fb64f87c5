"""Laws with a hidden node: derivatives, the pairs that fix the scale, names, and no law where there is none."""

import jax.numpy as jnp
import numpy as np
import pytest
from systems import PLANE, TABLE, hamiltonian

import scikan as kn
from scikan.core.expr import Symbol
from scikan.physics.inner import POLYNOMIAL, InnerLaw, Split, Units, refined_law, searched, with_inner_laws
from scikan.physics.inner_forms import merged
from scikan.physics.orbits import batched
from scikan.physics.problem import Problem, start
from scikan.physics.projected import level_pairs
from scikan.physics.splines import SplineSearch


def well(q, p):
    return p @ p / 2 - jnp.exp(-(q[0] ** 2) - q[1] ** 2 / 2)


def problem_of(energy, names, reach=2.0, rows=1500, seed=0):
    states = np.random.default_rng(seed).uniform(-reach, reach, (rows, len(names)))
    return Problem(names, states, batched(hamiltonian(energy), states[0])(states))


def split_of(problem, known=None):
    return Split.of(problem, known, Units.of(problem))


def start_near(search, squares, problem):
    """Return the inner weights of a node that is a sum of squares in the coordinates' own units."""
    units = Units.of(problem)
    raw = search.sample.states * units.spread + units.middle
    return search.nearest((np.asarray(squares) * raw**2)[:, None])


def test_the_gradient_is_that_of_the_projected_residual():
    problem = problem_of(well, PLANE)
    search = searched(split_of(problem), POLYNOMIAL, 2)
    theta = search.start(np.random.default_rng(1).normal(size=(2, 4)), 1)
    gradient = 2 * search.normal(theta)[1]
    step = 1e-5
    slopes = [
        (search.cost(theta + step * e) - search.cost(theta - step * e)) / (2 * step)
        for e in np.eye(len(theta))
    ]
    # Knots move with u, which the Jacobian leaves out: with one interval a spline hardly notices.
    assert np.linalg.norm(gradient - slopes) < 0.1 * np.linalg.norm(slopes)


def test_the_right_node_is_a_law_whose_residual_falls_and_a_wrong_one_is_not():
    problem = problem_of(well, PLANE)
    split = split_of(problem)
    search = searched(split, (3, 6, 6), 1)
    right = search.solved(start_near(search, [1.0, 0.5, 0.0, 0.0], problem))[0]
    wrong = search.solved(start_near(search, [1.0, 0.0, 0.5, 0.0], problem))[0]
    assert wrong.residual(split.held) > 20 * right.residual(split.held)
    found = refined_law(split, right)
    assert found.is_law and found.refinement.residuals[-1] < 1e-5


def test_states_of_a_pair_have_the_same_known_laws():
    states = np.random.default_rng(0).uniform(-1, 1, (200, 3))

    def laws(rows):
        return np.sum(rows**2, axis=1, keepdims=True), 2 * rows[:, None]

    first, second = level_pairs(states, laws, np.random.default_rng(1))
    assert len(first) > 100
    assert np.allclose(laws(first)[0], laws(second)[0], atol=1e-8)
    assert np.median(np.abs(first - second)) > 0.1


def test_a_function_of_a_known_law_is_not_found_again():
    problem = problem_of(lambda q, p: p[0] ** 2 / 2 - jnp.cos(q[0]), ("q", "p"))

    def known(rows):
        slopes = np.stack([np.sin(rows[:, 0]), rows[:, 1]], axis=1)
        return (rows[:, 1:] ** 2 / 2 - np.cos(rows[:, :1])), slopes[:, None]

    search = searched(split_of(problem, known), POLYNOMIAL, 1)
    theta = search.start(np.ones((1, 2)), 1)
    alone = searched(split_of(problem), POLYNOMIAL, 1)
    assert alone.cost(theta) < 1e-4 < search.cost(theta)


def test_the_network_is_the_law():
    problem = problem_of(well, PLANE)
    split = split_of(problem)
    search = searched(split, (3, 6, 6), 1)
    nodes = search.solved(start_near(search, [1.0, 0.5, 0.0, 0.0], problem))[0]
    found = refined_law(split, nodes)
    law = InnerLaw(found.nodes, Units.of(problem), "", found.refinement, PLANE)
    assert [sums for sums, _ in law.kan.width] == [4, 5, 1]
    assert np.allclose(law.kan(problem.states)[:, 0], law.values(problem.states), atol=1e-10)
    side = 1e-5 * np.eye(4)[1]
    numeric = (law.values(problem.states + side) - law.values(problem.states - side)) / 2e-5
    assert np.allclose(law.slopes(problem.states)[:, 1], numeric, atol=1e-5)
    drift = np.sum(law.slopes(problem.states) * problem.velocities, axis=1)
    assert np.std(drift) < 1e-4 * np.std(law.values(problem.states))


def test_equal_terms_are_one_term():
    assert merged([(1.0, Symbol("u")), (2.0, Symbol("u"))]) == [(3.0, Symbol("u"))]


def test_angles_and_many_coordinates_are_left_alone():
    states = np.random.default_rng(0).uniform(-1, 1, (200, 2))
    search = SplineSearch(start(Problem(("q", "p"), states, states, angles=(0,))))
    assert with_inner_laws(search) is search


@pytest.mark.slow
@pytest.mark.parametrize("name", ["damped oscillator", "van der Pol", "Lorenz"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_no_hidden_node_makes_a_law_where_there_is_none(name, seed):
    system = TABLE[name]
    samples = system.sample(np.random.default_rng(seed), 1500)
    assert kn.conserved_quantities(system.field, samples, names=system.names, seed=seed).count == 0
