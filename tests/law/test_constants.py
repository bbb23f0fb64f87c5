"""Derivatives by constants, their fit, and simple numbers in their place."""

import numpy as np
import pytest

from scikan.core.errors import ColumnError, SettingError, ShapeError
from scikan.core.expr import constants, evaluate, with_constants
from scikan.core.parser import parse
from scikan.law.ordering import in_order
from scikan.law.refitting import refit
from scikan.law.snapping import simplest_number, snap
from scikan.law.tape import value_and_jacobian


RNG = np.random.default_rng(7)
COLUMNS = {name: RNG.uniform(1, 3, 400) for name in "xyz"}


def noisy(text: str, level: float, seed: int = 0) -> np.ndarray:
    y = evaluate(parse(text), COLUMNS)
    return y + level * np.std(y) * np.random.default_rng(seed).normal(size=len(y))


@pytest.mark.parametrize(
    "text",
    [
        "2.5*x**1.5/(1.3 + y**2) - 0.3*sin(1.1*x)", "1.5", "exp(-0.5*x**2)*1.2 + y", "1.7**x*0.4",
        "(1.5 + 0.5*x)**-0.7", "tanh(0.3*x - 0.2)*arctan(0.5*y)", "x + y", "log(0.5*x)/2.5", "1/(1.5 + x)",
    ],
)  # fmt: skip
def test_the_jacobian_is_that_of_finite_differences(text: str) -> None:
    expr = parse(text, constants=True)
    value, jacobian = value_and_jacobian(expr, COLUMNS)
    at = np.array([c.value for c in constants(expr)])
    assert np.allclose(value, evaluate(expr, COLUMNS), rtol=1e-14)
    assert jacobian.shape == (400, len(at))
    for i in range(len(at)):
        h = 1e-6 * np.eye(len(at))[i]
        slope = (
            evaluate(with_constants(expr, at + h), COLUMNS) - evaluate(with_constants(expr, at - h), COLUMNS)
        ) / 2e-6
        assert np.allclose(jacobian[:, i], slope, rtol=1e-6, atol=1e-7)


def test_a_power_of_zero_has_a_finite_slope() -> None:
    _, jacobian = value_and_jacobian(parse("x**1.5", constants=True), {"x": np.array([0.0, 1.0])})
    assert jacobian.tolist() == [[0.0], [0.0]]


def test_refit_finds_exact_constants_without_noise() -> None:
    y = noisy("5/2*x**1.5/(1.3 + y**2) - 0.3*sin(x)", 0.0)
    found = refit(parse("1.0*x**1.0/(1.0 + y**2) - 0.1*sin(x)", constants=True), COLUMNS, y)
    assert found.converged and found.mean_square < 1e-28
    assert np.allclose([c.value for c in constants(found.expr)], [2.5, 1.5, 1.3, -0.3], rtol=1e-11)


def test_standard_errors_cover_the_truth() -> None:
    inside = 0
    for seed in range(20):
        found = refit(parse("1.0*x + 1.0", constants=True), COLUMNS, noisy("2*x + 3", 0.1, seed))
        a, b = constants(found.expr)
        inside += (abs(a.value - 2) < 2 * a.error) + (abs(b.value - 3) < 2 * b.error)
    assert 34 <= inside <= 40


def test_redundant_constants_are_no_obstacle() -> None:
    found = refit(parse("1.5*(2.5*x)", constants=True), COLUMNS, 3 * COLUMNS["x"])
    a, b = constants(found.expr)
    assert a.value * b.value == pytest.approx(3.0, rel=1e-12) and np.isfinite([a.error, b.error]).all()


def test_the_log_readout_fits_relative_errors() -> None:
    rng = np.random.default_rng(1)
    x = 10 ** rng.uniform(-3, 3, 300)
    y = 2 * x**1.5 * np.exp(0.01 * rng.normal(size=300))
    found = refit(parse("1.0*x**1.2", constants=True), {"x": x}, y, readout="log")
    a, b = constants(found.expr)
    assert a.value == pytest.approx(2, abs=4 * a.error) and b.value == pytest.approx(1.5, abs=4 * b.error)
    assert b.error < 1e-3 and found.mean_square == pytest.approx(1e-4, rel=0.3)


def test_weights_silence_rows() -> None:
    y = noisy("2*x", 0.0)
    y[:50] += 10
    weight = np.r_[np.zeros(50), np.ones(350)]
    found = refit(parse("1.0*x", constants=True), COLUMNS, y, weight=weight)
    assert constants(found.expr)[0].value == pytest.approx(2.0, rel=1e-12)


def test_a_start_outside_the_domain_is_reported_not_invented() -> None:
    found = refit(parse("log(x - 5.0)", constants=True), COLUMNS, COLUMNS["x"])
    assert not found.converged and found.mean_square == np.inf


def test_unusable_tables_are_refused() -> None:
    law = parse("1.0*x", constants=True)
    with pytest.raises(ShapeError, match="different shapes"):
        refit(law, COLUMNS, np.ones(3))
    with pytest.raises(ColumnError):
        refit(parse("1.0*q", constants=True), COLUMNS, COLUMNS["x"])
    with pytest.raises(SettingError, match="zeros"):
        refit(law, COLUMNS, np.zeros(400), readout="log")
    with pytest.raises(SettingError, match="Weights"):
        refit(law, COLUMNS, COLUMNS["x"], weight=-np.ones(400))


@pytest.mark.parametrize(
    "value, text",
    [(0.5, "1/2"), (-2.0, "-2"), (3.14159265, "pi"), (0.19634954, "pi/16"), (2.71828183, "e"),
    (0.0625, "1/16"),
     (0.39894228, "1/(sqrt(2)*sqrt(pi))"), (0.35, "7/20"), (733.0, "733"), (1.41421356, "sqrt(2)")],
)  # fmt: skip
def test_simple_numbers_are_recognised(value: float, text: str) -> None:
    found = simplest_number(value, 1e-7 * abs(value))
    assert found is not None
    assert evaluate(found[0], {}) == pytest.approx(evaluate(parse(text), {}), rel=1e-12)


@pytest.mark.parametrize("noise", [0.0, 0.01])
@pytest.mark.parametrize(
    "truth, start, found",
    [
        ("2*pi*sqrt(x/y)", "6.0*x**0.4*y**-0.6 + 0.1", "2*pi*sqrt(x/y)"),
        ("exp(-x**2/2)/sqrt(2*pi)", "0.5*exp(-0.4*x**1.9)", "exp(-x**2/2)/sqrt(2*pi)"),
        ("3*x*y/(x + y)", "1.0*x*y/(1.0*x + 1.1*y)", "3*x*y/(x + y)"),
        ("1/(3 + 2*y)", "1.0/(2.9 + 2.1*y)", "1/(3 + 2*y)"),
        ("sin(2*x)*z + 1", "1.1*sin(2.1*x + 0.1)*z + 0.9", "sin(2*x)*z + 1"),
    ],
)
def test_snapping_recovers_the_law(truth: str, start: str, found: str, noise: float) -> None:
    snapped = snap(parse(start, constants=True), COLUMNS, noisy(truth, noise))
    assert str(in_order(snapped.expr, ("x", "y", "z"))) == found
    assert snapped.snapped and all(s.loss_bits <= 8 for s in snapped.snapped)


def test_an_odd_constant_stays_fitted_with_its_error() -> None:
    snapped = snap(parse("1.0*x**1.9", constants=True), COLUMNS, noisy("1.2345*x**2", 0.01))
    assert str(snapped.expr).endswith("*x**2")
    (c,) = constants(snapped.expr)
    assert abs(c.value - 1.2345) < 4 * c.error < 0.01


def test_without_noise_a_wrong_neighbour_is_not_taken() -> None:
    snapped = snap(parse("1.0*x", constants=True), COLUMNS, 0.5000001 * COLUMNS["x"])
    assert constants(snapped.expr)[0].value == pytest.approx(0.5000001, rel=1e-12)


def test_a_term_of_no_size_goes() -> None:
    snapped = snap(parse("1.0*x + 0.1*y + 0.2*z", constants=True), COLUMNS, noisy("2*x", 0.05))
    assert str(snapped.expr) == "2*x"
