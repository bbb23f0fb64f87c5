"""When a network is better than the law, the verdict says so."""

import numpy as np
import pytest

import scikan as kn
from scikan.core.expr import Symbol
from scikan.discovery.judging import HeldOut
from scikan.discovery.proposals import Proposal
from scikan.discovery.protocol import Fold, Plan


TRUTH = np.linspace(1.0, 2.0, 15)


def judged(law, network):
    data = kn.Dataset.from_arrays(TRUTH[:, None], TRUTH, names=["x"])
    plan = Plan((Fold(np.arange(0), np.arange(15)),), "hold-out", "")
    held_out = HeldOut(data, plan, {"network": TRUTH + network}, "linear", np.inf, 0)
    formula = Proposal(Symbol("x"), Symbol("x"), 0.0, 0.0, 0.0, "regression")
    return held_out.judged(formula, TRUTH + law).evidence


def test_one_large_error_does_not_hide_that_all_others_are_larger_too():
    # Fifteen rows of 2 sin(x) + 1: a cubic with four times the network's error was called a law.
    rng = np.random.default_rng(0)
    network = rng.normal(0.0, 0.01, 15)
    law = 0.1 * np.where(rng.uniform(size=15) < 0.5, -1.0, 1.0)
    law[3] = 1.0
    assert not judged(law, network).beats_network


def test_equal_errors_and_errors_of_rounding_do_not_count_against_a_law():
    rng = np.random.default_rng(0)
    noise = rng.normal(0.0, 0.1, 15)
    assert judged(noise, noise + rng.normal(0.0, 0.01, 15)).beats_network
    assert judged(np.full(15, 1e-12), np.full(15, 1e-14)).beats_network


def test_a_table_too_small_to_leave_rows_out_is_refused_in_words():
    data = kn.Dataset.from_arrays(np.arange(4.0)[:, None], np.arange(4.0))
    with pytest.raises(kn.SettingError, match="4 usable rows"):
        kn.discover(data)
