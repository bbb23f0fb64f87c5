"""One law for several experiments: which constants are shared, and what comes of it."""

from dataclasses import replace

import numpy as np
import pytest

import scikan as kn
from scikan.core.expr import Constant, Symbol, constants, evaluate, symbols
from scikan.discovery.tying import (
    Experiments,
    each_alone,
    related,
    shared_constants,
    snapped,
    tied,
    without_powers,
)
from scikan.law.refitting import refit


X = Symbol("x")
COUNT, ROWS = 4, 25
CODES = np.repeat(np.arange(COUNT), ROWS)
OWN = np.array([1.0, 2.5, 4.0, 0.7])


def rows(law, noise=0.0, seed=0, readout="linear"):
    rng = np.random.default_rng(seed)
    x = rng.uniform(0.2, 4.0, len(CODES))
    y = law(x, OWN[CODES])
    return Experiments({"x": x}, y + noise * y.std() * rng.normal(size=len(y)), None, readout, CODES, COUNT)


def decided(form, data, home=0):
    names = [f"c{k}" for k in range(1, len(constants(form)) + 1)]
    return shared_constants(form, each_alone(form, data, home), names, data)


@pytest.mark.parametrize("readout", ["linear", "log"])
def test_the_fit_to_all_at_once_is_the_fit_of_one_formula_with_a_column_for_each_experiment(readout):
    data = rows(lambda x, v: v * x / (1.3 + x), 0.01, readout=readout)
    form = Symbol("c1") * X / (Constant(1.0) + X)
    fitted = tied(form, ("c1",), OWN[:, None], data)
    is_of = [(data.codes == g).astype(float) for g in range(COUNT)]
    sum_of_columns = Constant(1.0) * Symbol("g0")
    for g in range(1, COUNT):
        sum_of_columns = sum_of_columns + Constant(float(g)) * Symbol(f"g{g}")
    columns = {**data.columns, **{f"g{g}": is_of[g] for g in range(COUNT)}}
    plain = refit(sum_of_columns * X / (Constant(1.0) + X), columns, data.y, readout=readout)
    assert plain.mean_square == pytest.approx(fitted.relative * data.variance, rel=1e-9)
    values = {c.value: c.error for c in constants(plain.expr)}
    for value, error in zip(fitted.values[:, 0], fitted.errors[:, 0], strict=True):
        nearest = min(values, key=lambda v: abs(v - value))
        assert nearest == pytest.approx(value, rel=1e-7) and values[nearest] == pytest.approx(error, rel=1e-4)


@pytest.mark.parametrize(
    ("law", "own"),
    [
        (lambda x, v: v * np.exp(-0.8 * x) + 0.3, 1),
        (lambda x, v: 2.0 * np.exp(-v * x) + 0.3, 1),
        (lambda x, v: v * np.exp(-0.4 * v**2 * x) + 0.3, 2),
        (lambda x, v: 2.0 * np.exp(-0.8 * x) + 0.3 + 0 * v, 0),
    ],
    ids=["amplitude", "rate", "both", "none"],
)
@pytest.mark.parametrize("seed", range(3))
def test_constants_are_shared_where_the_data_were_made_so(law, own, seed):
    form = kn.parse("2.0*exp(-0.8*x) + 0.3", names=("x",), constants=True)
    fitted = decided(form, rows(law, 0.01, seed))
    assert len(fitted.parameters) == own


def test_parameters_in_proportion_become_one():
    data = rows(lambda x, v: v * x / (1.3 + x), 0.01)
    form = kn.parse("x/(1.3 + 1.1*x)", names=("x",), constants=True)
    apart = decided(form, data)
    together = related(apart, data)
    assert len(apart.parameters) == 2 and len(together.parameters) == 1
    assert together.bits < apart.bits
    shared = constants(together.expr)
    assert len(shared) == 1 and abs(shared[0].value - 1.3) < 4 * shared[0].error


def test_shared_constants_become_simple_numbers_by_the_data_of_all():
    data = rows(lambda x, v: v * x**1.5 + 2.0, 1e-3)
    form = kn.parse("1.1*x**1.49 + 1.9", names=("x",), constants=True)
    fitted = snapped(decided(form, data), data)
    assert not constants(fitted.expr)
    columns = {**data.columns, "c1": OWN[data.codes]}
    assert np.allclose(evaluate(fitted.expr, columns), OWN[data.codes] * data.columns["x"] ** 1.5 + 2.0)


def test_a_parameter_in_one_power_only_is_told_without_it():
    data = rows(lambda x, v: x / (v**2 * (1.3 + x)))
    form = X / (Symbol("c1") ** 2 * (Constant(1.3) + X))
    fitted = tied(form, ("c1",), OWN[:, None], data)
    plain = without_powers(fitted)
    assert np.allclose(plain.values[:, 0], OWN**-2.0) and "c1**" not in str(plain.expr)
    before, after = (evaluate(t.expr, {**data.columns, **t.columns(data.codes)}) for t in (fitted, plain))
    assert np.allclose(before, after, rtol=1e-12)


def test_numbers_cost_more_where_rows_are_few():
    few = rows(lambda x, v: v * x).rows(np.arange(0, len(CODES), 5))
    form = Symbol("c1") * X + Symbol("c2") + Symbol("c3") * X**2 + Symbol("c4") * X**3 + Symbol("c5") * X**4
    names = tuple(f"c{k}" for k in range(1, 6))
    assert tied(form, names, np.ones((COUNT, 5)), few).bits == np.inf


def table(law, noise=0.0):
    rng = np.random.default_rng(0)
    x = rng.uniform(1.0, 3.0, (len(CODES), 2))
    y = law(*x.T, OWN[CODES])
    return kn.Dataset.from_arrays(x, y + noise * y.std() * rng.normal(size=len(y)), names=("n", "v"))


def test_the_whole_road_from_a_table_to_a_law_with_a_constant_for_each_experiment():
    data = table(lambda n, v, t: 8.314 * t * n / v)
    names = [f"bath {g}" for g in CODES]
    found = kn.discover_shared(data, names, kn.Config(seconds=2.0))
    assert found.verdict == "law" and found.parameters == ("c1",)
    assert found.experiments == ("bath 0", "bath 1", "bath 2", "bath 3")
    assert np.allclose(found.values[:, 0], 8.314 * OWN, rtol=1e-9)
    assert set(symbols(found.law.expressions[0])) == {"n", "v", "c1"}
    assert np.allclose(found.of("bath 2")(data.x[CODES == 2]), data.y[CODES == 2, 0])
    assert np.allclose(found.model(found.table.x)[:, 0], data.y[:, 0], rtol=1e-9)
    assert found.scores["law"].r2 > 1 - 1e-12 and found.scores["law"].rows == 40
    assert not set(found.held_out.plan.folds[0].fit) & set(found.held_out.rows)
    with pytest.raises(kn.SettingError, match="No law of 'bath 9': there are bath 0"):
        found.of("bath 9")


@pytest.mark.slow
def test_columns_called_like_constants_keep_their_names():
    data = replace(table(lambda n, v, t: t * n / v), names=("c1", "v"))
    found = kn.discover_shared(data, CODES, kn.Config(seconds=2.0))
    assert found.parameters == ("cc1",) and "cc1" in found.law.names


@pytest.mark.parametrize(
    ("experiments", "told"),
    [
        (None, "Nothing tells which experiment"),
        (np.zeros(len(CODES), int), "one experiment"),
        (np.arange(len(CODES)), "too few"),
    ],
)
def test_what_are_no_experiments_is_said_in_words(experiments, told):
    with pytest.raises(kn.SettingError, match=told):
        kn.discover_shared(table(lambda n, v, t: n), experiments)


def test_a_name_for_each_row_is_asked_for():
    with pytest.raises(kn.ShapeError, match="for 100 rows"):
        kn.discover_shared(table(lambda n, v, t: n), ["a", "b"])
