"""Which rows a search reads: no row judges what it helped to find."""

import numpy as np
import pytest

import scikan as kn
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
