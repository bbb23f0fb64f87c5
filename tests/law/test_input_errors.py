"""Constants of a law where columns have errors: published fits, stored ones, and errors that mean what they say."""

import numpy as np
import pytest

import scikan as kn
from scikan.core.errors import ColumnError, SettingError, ShapeError
from scikan.core.expr import constants
from scikan.law.input_errors import InputErrors, own_error, refit_by_distance


# Pearson (Phil. Mag. 2, 559, 1901) with the weights of York (Can. J. Phys. 44, 1079, 1966).
PEARSON_X = np.array([0.0, 0.9, 1.8, 2.6, 3.3, 4.4, 5.2, 6.1, 6.5, 7.4])
PEARSON_Y = np.array([5.9, 5.4, 4.4, 4.6, 3.5, 3.7, 2.8, 2.8, 2.4, 1.5])
YORK_X = np.array([1000, 1000, 500, 800, 200, 80, 60, 20, 1.8, 1.0])
YORK_Y = np.array([1, 1.8, 4, 8, 20, 20, 70, 70, 100, 500.0])


def decay(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.uniform(0.5, 3, 60)
    y = 2 * np.exp(-1.3 * x) + 0.4
    return x + 0.1 * rng.normal(size=60), y + 0.02 * rng.normal(size=60)


def test_a_line_through_points_with_errors_in_both_is_that_of_york() -> None:
    law = kn.parse("1.5*x + 2.5", names=("x",), constants=True)
    found = refit_by_distance(
        law, {"x": PEARSON_X}, PEARSON_Y, InputErrors({"x": YORK_X**-0.5}, YORK_Y**-0.5)
    )
    by_slope = sorted(constants(found.expr), key=lambda c: c.value)
    assert [c.value for c in by_slope] == pytest.approx([-0.480533407, 5.47991022], rel=1e-8)
    # York's errors are those of the weights alone; ours are scaled by the scatter, chi-square 11.866 on 8 degrees.
    scale = np.sqrt(11.866353 / 8)
    assert [c.error for c in by_slope] == pytest.approx([0.0579850 * scale, 0.2949707 * scale], rel=1e-2)


def test_a_curve_is_that_of_odrpack() -> None:
    x, y = decay(0)
    law = kn.parse("1.0*exp(-1.0*x) + 0.1", names=("x",), constants=True)
    errors = InputErrors({"x": np.full(60, 0.1)}, np.full(60, 0.02))
    found = {round(c.value, 1): c for c in constants(refit_by_distance(law, {"x": x}, y, errors).expr)}
    # scipy.odr 1.17 on the same rows: values, then standard errors.
    for place, value, error in (
        (1.9, 1.86158443, 0.11863041),
        (-1.2, -1.18709923, 0.08069016),
        (0.4, 0.38058563, 0.01599216),
    ):
        assert found[place].value == pytest.approx(value, rel=1e-5)
        assert found[place].error == pytest.approx(error, rel=1e-3)


def test_named_parameters_know_errors_of_columns_too() -> None:
    model = kn.parse("a*x + b")
    found = kn.fit_parameters(
        model, {"x": PEARSON_X}, PEARSON_Y, {"a": 1.0, "b": 1.0}, YORK_Y, input_sigma={"x": YORK_X**-0.5}
    )
    assert found.values["a"] == pytest.approx(-0.480533407, rel=1e-7)
    with pytest.raises(SettingError, match="additive"):
        kn.fit_parameters(
            model, {"x": PEARSON_X}, PEARSON_Y, {"a": 1.0, "b": 1.0}, readout="log", input_sigma={"x": 0.1}
        )


def test_slopes_are_not_too_small_and_their_errors_are_honest() -> None:
    """An ordinary fit misses by the ratio of variances, here 0.735; the target's own error is not told."""
    rng = np.random.default_rng(5)
    model, scores, ordinary = kn.parse("a*x + b"), [], []
    for _ in range(30):
        x = rng.normal(size=200)
        y = 3 * x + 1 + 0.3 * rng.normal(size=200)
        measured = x + 0.6 * rng.normal(size=200)
        found = kn.fit_parameters(
            model, {"x": measured}, y, {"a": 1.0, "b": 0.0}, starts=0, input_sigma={"x": 0.6}
        )
        scores.append((found.values["a"] - 3) / found.errors["a"])
        ordinary.append(
            kn.fit_parameters(model, {"x": measured}, y, {"a": 1.0, "b": 0.0}, starts=0).values["a"]
        )
    assert np.mean(ordinary) == pytest.approx(3 / 1.36, rel=0.03)
    assert abs(np.mean(scores)) < 0.7
    assert 0.6 < np.std(scores) < 1.5


def test_the_targets_own_error_is_what_columns_do_not_explain() -> None:
    rng = np.random.default_rng(0)
    blurred = rng.uniform(0.1, 0.5, 4000)
    residual = np.hypot(blurred, 0.2) * rng.normal(size=4000)
    assert own_error(residual, blurred, rng.normal(size=4000))[0] == pytest.approx(0.2, rel=0.15)
    y = rng.uniform(0.1, 10, 4000)
    relative = own_error(np.hypot(blurred, 0.05 * y) * rng.normal(size=4000), blurred, y)
    assert np.median(relative / y) == pytest.approx(0.05, rel=0.15)


def test_wrong_errors_are_refused() -> None:
    law = kn.parse("1.5*x", names=("x",), constants=True)
    x = np.linspace(1, 2, 5)
    for errors, kind in (
        (InputErrors({"z": x}, x), ColumnError),
        (InputErrors({"x": x}, x[:3]), ShapeError),
        (InputErrors({"x": -x}, x), SettingError),
        (InputErrors({"x": x}, 0 * x), SettingError),
    ):
        with pytest.raises(kind):
            refit_by_distance(law, {"x": x}, x, errors)
