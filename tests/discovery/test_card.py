"""What else speaks for and against a law: noise, rows beyond the range, simple laws, the tree."""

from dataclasses import replace

import numpy as np
import pytest

import scikan as kn
from scikan.core.expr import Constant, Symbol
from scikan.discovery.card import card
from scikan.discovery.judging import HeldOut
from scikan.discovery.proposals import Proposal
from scikan.discovery.protocol import plan_rows


ROWS = 300
A, B = Symbol("a"), Symbol("b")
POWER = Constant(2.0) * A ** Constant(2.0) / B


def held_out(y, readout="linear", rows=ROWS):
    x = np.random.default_rng(0).uniform(1.0, 4.0, (rows, 2))
    data = kn.Dataset.from_arrays(x, y(*x.T), names=["a", "b"], targets=["y"])
    plan = plan_rows(data, 0.4, 0)
    said = {"network": data.y[plan.folds[0].judge, 0] if rows >= 100 else data.y[:, 0]}
    return HeldOut(data, plan, said, readout, np.inf, 0)


def law(expr):
    return Proposal(expr, expr, 0.0, 0.0, 0.0, "regression")


def noisy(a, b, sigma=0.1):
    return 2.0 * a**2 / b + np.random.default_rng(1).normal(0.0, sigma, len(a))


def without_rival(rows):
    """The rows with a rival as poor as noise, so that residuals alone decide."""
    return replace(rows, predictions={"network": np.full(len(rows.truth), 1e3)})


def test_noise_is_what_a_smooth_surrogate_misses_and_what_the_law_leaves():
    rows = held_out(noisy)
    found = card(rows, law(POWER), rows.predicted(law(POWER)))
    assert 0.09 < found.noise < 0.13 and 0.085 < found.left < 0.115


def test_relative_errors_are_told_as_such():
    rows = held_out(
        lambda a, b: 2.0 * a**2 / b * np.exp(0.02 * np.random.default_rng(1).normal(size=len(a))), "log"
    )
    found = card(rows, law(POWER), rows.predicted(law(POWER)))
    assert 0.017 < found.left < 0.023 and 0.015 < found.noise < 0.035


def test_classes_that_the_rows_deny_are_excluded_and_the_true_one_is_not():
    rows = without_rival(held_out(noisy))
    asked = {simple.name: simple for simple in card(rows, law(POWER), rows.truth).simple}
    assert not asked["power law"].is_excluded
    assert (
        asked["linear"].is_excluded and asked["exponential"].is_excluded and asked["logarithmic"].is_excluded
    )
    assert asked["power law"].score.r2 > 0.99 > asked["linear"].score.r2


def test_a_straight_line_excludes_no_line():
    rows = without_rival(held_out(lambda a, b: 3.0 * a - b + np.random.default_rng(2).normal(0, 0.2, len(a))))
    asked = {simple.name: simple for simple in card(rows, None, rows.truth).simple}
    assert not asked["linear"].is_excluded and not asked["quadratic"].is_excluded
    assert asked["logarithmic"].is_excluded and "power law" not in asked


def test_the_law_is_asked_beyond_the_range_that_its_constants_were_fitted_to():
    rows = held_out(noisy)
    wrong = Constant(1.0) * A + Constant(1.0) * B + Constant(1.0)
    right, poor = (card(rows, law(expr), rows.truth).beyond for expr in (POWER, wrong))
    assert 120 < right.inside < 180 and right.scores["law"].rows == ROWS - right.inside
    assert right.scores["law"].r2 > 0.99 > right.scores["boosting"].r2
    assert poor.scores["law"].r2 < 0.9


def test_without_a_law_or_with_few_rows_nothing_is_said_of_what_lies_beyond():
    assert card(held_out(noisy), None, np.ones(120)).beyond is None
    few = held_out(noisy, rows=30)
    assert card(few, law(POWER), few.truth).beyond is None


@pytest.fixture(scope="module")
def found():
    x = np.random.default_rng(0).uniform(1.0, 3.0, (120, 3))
    data = kn.Dataset.from_arrays(x, x[:, 0] * x[:, 1] + x[:, 2] ** 2, names=["a", "b", "c"])
    return kn.discover(data, kn.Config(seconds=3.0))


def test_the_tree_of_a_law_is_that_of_its_formula_and_makes_a_network(found):
    assert str(found.tree) == "a * b + c"
    assert [branch.columns for branch in found.tree.branches] == [("a", "b"), ("c",)]
    assert kn.shaped(found.tree, found.held_out.data).names == ("a", "b", "c")
    assert found.card.left < 1e-9 and all(
        simple.is_excluded for simple in found.card.simple if simple.name != "quadratic"
    )
