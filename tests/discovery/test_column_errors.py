"""Tables whose columns have errors: what hides the law, which form is preferred, and exact tables all the same."""

from pathlib import Path

import numpy as np
import pytest

import scikan as kn
from scikan.core.dataset import Dataset
from scikan.core.errors import SettingError
from scikan.core.expr import constants
from scikan.discovery.agreement import agreements
from scikan.discovery.bench import Bench
from scikan.discovery.column_errors import blurred_by_law, blurred_by_surrogate
from scikan.discovery.search import weights_of
from scikan.law.refitting import refit


ERROR = 0.15


def saturation(rows: int = 300, seed: int = 0, **more: object) -> Dataset:
    rng = np.random.default_rng(seed)
    s = rng.uniform(0.2, 5.0, rows)
    measured = s + ERROR * rng.normal(size=rows)
    rate = 2.1 * s / (1.3 + s) + 0.01 * rng.normal(size=rows)
    return Dataset.from_arrays(
        measured[:, None], rate, names=["s"], targets=["rate"], input_sigma=[ERROR], **more
    )


def bench(data: Dataset, law: kn.Expr) -> Bench:
    table, errors = blurred_by_law(data, law)
    columns = {name: table.x[:, j] for j, name in enumerate(table.names)}
    return Bench(columns, table.y[:, 0], weights_of(table), "linear", table, errors)


def test_steep_stretches_are_blurred_by_the_surrogates_slope_and_by_the_laws():
    data = saturation()
    law = kn.parse("2.1*s/(1.3 + s)", names=("s",), constants=True)
    slope = 2.1 * 1.3 / (1.3 + data.x[:, 0]) ** 2
    truth = np.hypot(ERROR * slope, 0.01)
    np.testing.assert_allclose(blurred_by_law(data, law)[0].sigma, truth, rtol=0.25)
    middle = (data.x[:, 0] > 0.7) & (data.x[:, 0] < 4.5)
    by_surrogate = blurred_by_surrogate(data).sigma
    assert np.median(np.abs(by_surrogate / truth - 1)[middle]) < 0.3
    many = blurred_by_surrogate(saturation(3000)).sigma
    assert many.shape == (3000,) and many.min() > 0


def test_by_distance_the_true_form_leads_and_keeps_its_constants():
    data = saturation()
    columns, y = {"s": data.x[:, 0]}, data.y[:, 0]
    true = kn.parse("2.1*s/(1.3 + s)", names=("s",), constants=True)
    rival = kn.parse("2.1*exp(-1.28/(s + 0.52))", names=("s",), constants=True)
    assert refit(rival, columns, y).mean_square < refit(true, columns, y).mean_square
    judge = bench(data, true)
    found, other = judge.measured(true, "test"), judge.measured(rival, "test")
    assert found.bits < other.bits - 5.0
    for c, value in zip(constants(found.expression), (2.1, 1.3), strict=True):
        assert abs(c.value - value) < 3 * c.error < 0.1


def test_weights_count_as_rows_do():
    data = saturation(120)
    law = kn.parse("2.1*s/(1.3 + s)", names=("s",), constants=True)
    twice = data.rows(np.concatenate([np.arange(120), np.arange(40)]))
    heavy = Dataset.from_arrays(
        data.x, data.y, names=["s"], targets=["rate"], input_sigma=[ERROR], sigma=np.full(120, 0.01),
        weight=np.where(np.arange(120) < 40, 2.0, 1.0),
    )  # fmt: skip
    plain = Dataset.from_arrays(
        twice.x, twice.y, names=["s"], targets=["rate"], input_sigma=[ERROR], sigma=np.full(160, 0.01)
    )
    fits = [constants(bench(d, law).fitted(law).expr) for d in (heavy, plain)]
    for a, b in zip(*fits, strict=True):
        assert a.value == pytest.approx(b.value, rel=1e-4)


@pytest.mark.parametrize("error", [[0.01, 0.0], [0.0, 0.01], [0.0, 0.0]])
def test_exact_tables_stay_exact_whatever_errors_are_told(error):
    x = np.random.default_rng(1).uniform(1, 3, (60, 2))
    data = Dataset.from_arrays(x, 2.0 * x[:, 0] ** 2, names=["a", "b"], targets=["c"], input_sigma=error)
    law = kn.parse("2.1*a**1.9", names=("a", "b"), constants=True)
    assert (blurred_by_surrogate(data).sigma is None) == (not any(error))
    judge = bench(data, kn.parse("2.0*a**2.0", names=("a", "b"), constants=True))
    (found,) = judge.refined([judge.measured(law, "test")])
    assert str(found.expression) == "2*a**2" and found.is_exact


def test_several_experiments_refuse_errors_of_columns():
    with pytest.raises(SettingError, match="Errors of columns"):
        kn.discover_shared(saturation(60), ["a", "b"] * 30)


def test_bands_of_constants_lie_about_those_fitted_by_distance():
    """An ordinary fit of this table puts the first constant at 2.7; the whole search is run by the example."""
    rng = np.random.default_rng(2)
    x = rng.uniform(-1.0, 1.0, 200)
    measured = x + 0.2 * rng.normal(size=200)
    data = Dataset.from_arrays(
        measured[:, None],
        3.0 * x + 0.02 * rng.normal(size=200),
        names=["x"],
        targets=["y"],
        input_sigma=[0.2],
    )
    law = bench(data, kn.parse("3.0*x", names=("x",), constants=True)).measured(
        kn.parse("3.0*x", names=("x",), constants=True), "test"
    )
    ordinary = constants(refit(law.expression, {"x": measured}, data.y[:, 0]).expr)[0].value
    (again,) = agreements(data, (law,), "linear", [law])
    (band,) = again.constants
    assert ordinary < band.low < band.value < band.high
    assert band.low < 3.1 and band.high > 2.9


@pytest.mark.slow
def test_a_wide_table_is_judged_in_units_of_the_errors_that_were_told():
    """In days the outermost alone would decide, and their larger errors would look like structure."""
    planets = Path(__file__).parents[2] / "examples" / "data" / "solar_system.csv"
    data = kn.read_table(
        planets, "period", inputs=["semi_major_axis", "central_mass"], input_sigma={"semi_major_axis": "0.1%"}
    )
    found = kn.discover(data, kn.Config(seconds=60.0))
    assert found.verdict == "law"
    factor = constants(found.law.expressions[0])
    assert len(factor) == 1 and "semi_major_axis**(3/2)/sqrt(central_mass)" in str(found.law)
