"""Differential equations with known solutions: the error against the truth, and under refinement."""

import jax.numpy as jnp
import numpy as np
import pytest

import scikan as kn


SQUARE = ((-1.0, 1.0), (-1.0, 1.0))
LINE = np.linspace(-1, 1, 60)


def edge():
    ends = [np.stack([LINE, np.full(60, s)], axis=1) for s in (-1.0, 1.0)]
    return np.concatenate([*ends, *(e[:, ::-1] for e in ends)])


def mesh(box=SQUARE, n=51):
    axes = [np.linspace(low, high, n) for low, high in box]
    return np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)


def mean_square(found, truth, box=SQUARE):
    at = mesh(box)
    return float(np.mean((found(at) - truth(at)) ** 2))


def test_poisson_with_a_separable_sine():
    truth = lambda x: np.sin(np.pi * x[:, 0]) * np.sin(np.pi * x[:, 1])
    source = lambda x: -2 * jnp.pi**2 * jnp.sin(jnp.pi * x[0]) * jnp.sin(jnp.pi * x[1])
    found = kn.solve_equation(lambda x, u: u["xx"] + u["yy"] - source(x), SQUARE, [(edge(), truth(edge()))])
    assert found.verdict == "solved"
    assert found.rank == 1 and found.parameters <= 500
    assert found.evidence.order > 3
    assert mean_square(found, truth) < 1e-18
    # The formula, by substitution into the equation; and the network is the formula.
    assert str(found.law) == "u = sin(pi*x)*sin(pi*y)" and found.law_residual < 1e-14
    np.testing.assert_allclose(found.model(mesh())[:, 0], truth(mesh()), atol=1e-14)


def test_poisson_with_a_sine_of_a_square():
    truth = lambda x: np.sin(np.pi * x[:, 0]) * np.sin(np.pi * x[:, 1] ** 2)

    def residual(x, u):
        a, b = jnp.pi * x[0], jnp.pi * x[1] ** 2
        source = -(jnp.pi**2) * (1 + 4 * x[1] ** 2) * jnp.sin(a) * jnp.sin(b)
        return u["xx"] + u["yy"] - source - 2 * jnp.pi * jnp.sin(a) * jnp.cos(b)

    found = kn.solve_equation(residual, SQUARE, [(edge(), truth(edge()))])
    assert found.verdict == "solved" and found.parameters <= 500
    assert mean_square(found, truth) < 1e-16
    at = mesh()
    a, b = np.pi * at[:, 0], np.pi * at[:, 1] ** 2
    slopes = np.stack([np.pi * np.cos(a) * np.sin(b), 2 * np.pi * at[:, 1] * np.sin(a) * np.cos(b)], axis=1)
    got = np.stack([found(at, "x"), found(at, "y")], axis=1)
    assert np.mean(np.sum((got - slopes) ** 2, axis=1)) < 1e-14
    assert str(found.law) == "u = sin(pi*x)*sin(pi*y**2)" and found.law_residual < 1e-14


def test_heat():
    box = ((0.0, 1.0), (0.0, 0.5))
    truth = lambda x: np.exp(-(np.pi**2) * 0.3 * x[:, 1]) * np.sin(np.pi * x[:, 0])
    s, t = np.linspace(0, 1, 60), np.linspace(0, 0.5, 60)
    start = np.stack([s, 0 * s], axis=1)
    sides = np.concatenate([np.stack([np.full(60, e), t], axis=1) for e in (0.0, 1.0)])
    found = kn.solve_equation(
        lambda x, u: u["t"] - 0.3 * u["xx"],
        box,
        [(start, truth(start)), (sides, truth(sides))],
        names="xt",
        derivatives=("t", "xx"),
    )
    assert found.verdict == "solved" and found.rank == 1
    assert mean_square(found, truth, box) < 1e-20
    assert found.law_residual < 1e-14
    np.testing.assert_allclose(found.law(mesh(box)), truth(mesh(box)), atol=1e-14)


def test_without_names_the_answer_is_a_network_of_products_of_splines():
    # Three products: the curves of a singular value decomposition are mixtures of x^2, 1 and exp(-x).
    truth = lambda x: x[:, 0] ** 2 - x[:, 1] ** 2 + np.exp(-x[:, 0]) * np.cos(x[:, 1])
    found = kn.solve_equation(
        lambda x, u: u["xx"] + u["yy"], SQUARE, [(edge(), truth(edge()))], seconds=0, grids=(4, 8)
    )
    assert found.verdict == "solved" and found.rank == 3
    np.testing.assert_allclose(found.model(mesh())[:, 0], found(mesh()), atol=1e-12)
    assert mean_square(found, truth) < 1e-14


@pytest.mark.slow
def test_burgers_travelling_front():
    box, nu = ((-1.0, 1.0), (0.0, 1.0)), 0.05
    truth = lambda x: 0.5 - 0.5 * np.tanh((x[:, 0] - 0.5 * x[:, 1]) / (4 * nu))
    s, t = np.linspace(-1, 1, 80), np.linspace(0, 1, 60)
    start = np.stack([s, 0 * s], axis=1)
    sides = np.concatenate([np.stack([np.full(60, e), t], axis=1) for e in (-1.0, 1.0)])
    found = kn.solve_equation(
        lambda x, u: u["t"] + u["u"] * u["x"] - nu * u["xx"],
        box,
        [(start, truth(start)), (sides, truth(sides))],
        names="xt",
        derivatives=("t", "x", "xx"),
    )
    assert found.evidence.kind == "falls" and found.verdict != "none"
    assert mean_square(found, truth, box) < 1e-6
    # Splines alone are an approximation; a formula of them that solves the equation is the solution.
    assert found.verdict == "solved" and found.law_residual < 1e-14
    np.testing.assert_allclose(found.law(mesh(box)), truth(mesh(box)), atol=1e-12)


def test_an_equation_without_conditions_is_refused():
    with pytest.raises(kn.SettingError, match="many solutions"):
        kn.solve_equation(lambda x, u: u["xx"], SQUARE, [])


def test_an_unknown_derivative_is_refused():
    with pytest.raises(kn.SettingError, match="'z' is no derivative"):
        kn.solve_equation(lambda x, u: u["z"], SQUARE, [(edge(), edge()[:, 0])], derivatives=("z",))
