"""Which rows a search reads: no row judges what it helped to find."""

import numpy as np
import pytest

import scikan as kn
from scikan.core.expr import Symbol
from scikan.discovery.judging import HeldOut
from scikan.discovery.proposals import Proposal
from scikan.discovery.protocol import plan_rows


def table(n, groups=None):
    r = np.random.default_rng(0)
    return kn.Dataset.from_arrays(r.normal(size=(n, 2)), r.normal(size=n), test=0.0, groups=groups)


@pytest.mark.parametrize(
    ("n", "protocol", "folds"),
    [
        (1000, "hold-out", 1),
        (100, "hold-out", 1),
        (99, "5-fold cross-validation", 5),
        (20, "5-fold cross-validation", 5),
        (19, "leave-one-out", 19),
        (13, "leave-one-out", 13),
    ],
)
def test_the_protocol_follows_the_number_of_rows(n, protocol, folds):
    plan = plan_rows(table(n), 0.4, 0)
    assert plan.protocol == protocol and len(plan.folds) == folds
    assert plan.too_few == (n <= 13)
    judged = np.concatenate([fold.judge for fold in plan.folds])
    assert len(set(judged)) == len(judged) == (0.4 * n if folds == 1 else n)
    for fold in plan.folds:
        assert not set(fold.fit) & set(fold.judge)
        assert len(fold.fit) + len(fold.judge) == n


@pytest.mark.parametrize("n", [60, 400])
def test_groups_are_never_split(n):
    groups = np.arange(n) % 12
    for fold in plan_rows(table(n, groups), 0.4, 0).folds:
        assert not set(groups[fold.fit]) & set(groups[fold.judge])


def test_settings_outside_their_range_are_refused():
    with pytest.raises(kn.SettingError, match="hold_out is 1.5"):
        kn.Config(hold_out=1.5)
    with pytest.raises(kn.SettingError, match="seconds"):
        kn.Config(seconds=0.0)
    two = kn.Dataset.from_arrays(
        np.random.default_rng(0).normal(size=(50, 2)), np.random.default_rng(1).normal(size=(50, 2))
    )
    with pytest.raises(kn.SettingError, match="2 targets"):
        kn.discover(two)


def repeated(settings, copies, noise=0.0):
    rng = np.random.default_rng(0)
    x = np.repeat(rng.uniform(1, 3, (settings, 2)), copies, axis=0)
    y = x[:, 0] ** 2 / x[:, 1] + noise * rng.normal(size=len(x))
    return kn.Dataset.from_arrays(x, y)


def test_rows_of_equal_inputs_are_held_out_together():
    data = repeated(120, 5)
    plan = plan_rows(data, 0.4, 0)
    (fold,) = plan.folds
    read = {tuple(row) for row in data.x[fold.fit]}
    assert len(fold.judge) == 5 * 48 and not read & {tuple(row) for row in data.x[fold.judge]}
    assert "120 differ" in plan.told
    assert plan_rows(repeated(120, 1), 0.4, 0).settings is None


def test_settings_count_and_not_their_copies():
    assert len(plan_rows(repeated(40, 10), 0.4, 0).folds) == 5
    few = plan_rows(repeated(10, 30), 0.4, 0)
    assert len(few.folds) == 10 and few.protocol == "leave-one-out" and not few.too_few
    assert plan_rows(repeated(5, 100), 0.4, 0).too_few


def test_copies_of_noise_are_no_law():
    rng = np.random.default_rng(1)
    x, y = np.tile(rng.uniform(size=(15, 2)), (8, 1)), np.tile(rng.normal(size=15), 8)
    plan = plan_rows(kn.Dataset.from_arrays(x, y), 0.4, 0)
    data = kn.Dataset.from_arrays(x, y)
    rows = np.concatenate([fold.judge for fold in plan.folds])
    said = y[rows] * 0.3 + np.repeat(rng.normal(size=15), 8)
    held_out = HeldOut(data, plan, {"network": said}, "linear", np.inf, 0)
    formula = Proposal(Symbol("x1"), Symbol("x1"), 0.0, 0.0, 0.0, "regression")
    # A weak likeness to 15 values is luck, however often each is repeated.
    assert held_out.judged(formula, said).evidence.dependence.pearson > 0.005


@pytest.mark.parametrize("size", [1e200, 1e-200])
def test_values_whose_squares_are_no_numbers_are_refused_in_words(size):
    x = np.linspace(1, 2, 50)[:, None]
    with pytest.raises(kn.SettingError, match="another unit|floating-point"):
        kn.discover(kn.Dataset.from_arrays(x, size * x[:, 0]))
