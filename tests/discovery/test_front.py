"""The front of a noisy table: every formula is judged by rows that it was not fitted to, and another can be chosen."""

from dataclasses import replace

import numpy as np
import pytest

import scikan as kn
from scikan.core.expr import Constant, Symbol, constants
from scikan.discovery.agreement import agreements, form_of
from scikan.discovery.bench import Bench
from scikan.discovery.judging import HeldOut
from scikan.discovery.protocol import plan_rows


ROWS = 150
RNG = np.random.default_rng(0)
X = RNG.uniform(1, 4, (ROWS, 2))
Y = np.sqrt(X[:, 0]) + X[:, 1] ** 2 / 4 + RNG.normal(0.0, 0.03, ROWS)
A, B = Symbol("a"), Symbol("b")
FORMS = (
    Constant(1.1) * A ** Constant(0.6) + Constant(0.3) * B**2,
    Constant(0.3) * B**2 + Constant(1.0),
    Constant(2.0),
    Constant(0.5) * A + Constant(0.3) * B**2 + Constant(0.1) * A * B + Constant(0.2),
)


def table(y):
    return kn.Dataset.from_arrays(X, y, names=["a", "b"], targets=["y"])


@pytest.fixture(scope="module")
def front():
    """The truth's form, a shorter one, the mean and a longer one, their constants fitted to all rows."""
    bench = Bench({"a": X[:, 0], "b": X[:, 1]}, Y, None, "linear", table(Y))
    measured = [bench.measured(form, "mean" if n == 2 else "regression") for n, form in enumerate(FORMS)]
    return tuple(bench.refined([proposal])[0] for proposal in measured)


@pytest.fixture(scope="module")
def held_out(front):
    plan = plan_rows(table(Y), 0.4, 0)
    rows = np.concatenate([fold.judge for fold in plan.folds])
    network = np.sqrt(X[rows, 0]) + X[rows, 1] ** 2 / 4 + RNG.normal(0.0, 0.01, len(rows))
    return HeldOut(table(Y), plan, {"network": network}, "linear", front[2].bits, 0)


@pytest.fixture(scope="module")
def found(front, held_out):
    """A discovery whose front is this one."""
    choices = [held_out.judged(proposal, held_out.predicted(proposal)) for proposal in front]
    exact = kn.discover(table(X[:, 0] + X[:, 1]), kn.Config(seconds=1.0))
    return replace(exact, choices=tuple(choices), held_out=held_out)


def test_each_formula_has_a_verdict_of_its_own(found):
    assert [choice.verdict for choice in found.choices] == ["law", "approximation", "none", "approximation"]
    assert "structure" in found.choices[1].reason and "mean" in found.choices[2].reason


def test_scores_are_of_rows_that_the_constants_were_not_fitted_to(found):
    rows = found.held_out.rows
    assert len(rows) == 60
    mean, seen = found.choices[2], np.setdiff1d(np.arange(ROWS), rows)
    assert np.allclose(mean.predictions, Y[seen].mean(), rtol=1e-12)
    assert mean.score.rmse == pytest.approx(np.sqrt(np.mean((Y[seen].mean() - Y[rows]) ** 2)))
    design = np.column_stack([X[:, 1] ** 2, np.ones(ROWS)])
    weights = np.linalg.lstsq(design[seen], Y[seen], rcond=None)[0]
    assert np.allclose(found.choices[1].predictions, design[rows] @ weights, rtol=1e-9)


def test_resampled_rows_prefer_the_truth_and_tell_how_far_constants_move(front):
    again = agreements(table(Y), front, "linear", [front[0], front[1], front[0]])
    assert again[0].preferred == 40 and [a.preferred for a in again[1:]] == [0, 0, 0]
    assert [(a.searches, a.same_form) for a in again] == [(3, 2), (3, 1), (3, 0), (3, 0)]
    assert all(b.low < b.value < b.high for b in again[0].constants)
    # The weight of b**2 has a standard error of 4e-4; 80 % of resamples lie within 1.28 of it, to a few parts in ten.
    widths = [(b.high - b.low) / 2.56 for b in again[0].constants]
    errors = [c.error for c in constants(front[0].fitted)]
    assert np.all(np.abs(np.log(np.divide(widths, errors))) < np.log(1.6))


def width_of_resamples(y, unit):
    """The band of the constant in y = w b**2 + c when whole units are drawn again, by weighted regressions."""
    rng, n = np.random.default_rng(9), unit.max() + 1
    design = np.column_stack([X[:, 1] ** 2, np.ones(ROWS)])
    found = []
    for _ in range(400):
        root = np.sqrt(rng.multinomial(n, np.full(n, 1 / n))[unit])[:, None]
        found.append(np.linalg.lstsq(design * root, y * root[:, 0], rcond=None)[0][1])
    return np.ptp(np.quantile(found, (0.1, 0.9)))


def test_rows_of_a_group_are_drawn_together(front):
    # Five days with an offset each: thirty rows of one day are one draw, so the constant is much less sure.
    day = np.repeat(np.arange(5), 30)
    shifted = Y + 3.0 * np.random.default_rng(3).normal(size=5)[day]
    wanted = width_of_resamples(shifted, day), width_of_resamples(shifted, np.arange(ROWS))
    bands = [
        agreements(data, front, "linear", [])[1].constants[-1]
        for data in (replace(table(shifted), groups=day), table(shifted))
    ]
    widths = [band.high - band.low for band in bands]
    assert wanted[0] > 2 * wanted[1] and widths[0] > 2 * widths[1]
    # Forty resamples tell the width of a band to a sixth or so.
    assert np.all(np.abs(np.log(np.divide(widths, wanted))) < np.log(1.5))


def test_another_formula_can_be_chosen_and_the_first_chosen_again(found):
    chosen = kn.choose(found, 2)
    assert chosen.law.expressions[0] == found.front[1].expression
    assert chosen.scores["law"] == found.choices[1].score
    assert chosen.verdict == "approximation" and chosen.reason.startswith("chosen from the front")
    assert np.allclose(chosen.model(X)[:, 0], chosen.law(X), rtol=1e-9)
    back = kn.choose(chosen, 2)
    assert back.front == found.front and back.scores["law"] == found.choices[0].score
    assert back.verdict == "law"


def test_what_is_not_on_the_front_cannot_be_chosen(found):
    with pytest.raises(kn.SettingError, match="no formula 99 on the front"):
        kn.choose(found, 99)
    with pytest.raises(kn.SettingError, match="is the mean"):
        kn.choose(found, 3)


def test_forms_are_alike_if_only_their_constants_differ():
    assert form_of(Constant(2.5) * A + Constant(1.5)) == form_of(Constant(-3.0) * A + Constant(0.1))
    assert form_of(Constant(2.5) * A) != form_of(Constant(2.5) * A**2)
