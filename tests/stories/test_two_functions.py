"""One configuration and the full library recover a nested law and a product, and find no law in noise."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import scikan as kn


SCRIPT = Path(__file__).parent / "discoveries.py"
NESTED, PRODUCT = "exp(sin(pi*x1) + x2**2)", "x1*x2"


def told(formula: str, *seeds: int) -> list[dict]:
    command = [sys.executable, str(SCRIPT), formula, *map(str, seeds)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def check_recovery(formula: str, answer: dict) -> None:
    assert answer["verdict"] == "law"
    assert answer["formula"] == formula
    # Law, fitted form and compiled network, on a box 1.5 times the training box.
    assert max(answer["errors"]) <= 1e-8
    np.testing.assert_allclose(answer["constants"], [np.pi] if "pi" in formula else [], rtol=1e-8)


@pytest.mark.parametrize("formula", [NESTED, PRODUCT])
def test_a_law_is_recovered(formula):
    (answer,) = told(formula, 0)
    check_recovery(formula, answer)


@pytest.mark.slow
@pytest.mark.parametrize("formula", [NESTED, PRODUCT])
def test_a_law_is_recovered_for_every_seed(formula):
    for answer in told(formula, *range(1, 10)):
        check_recovery(formula, answer)


@pytest.mark.slow
@pytest.mark.parametrize("formula", ["x1*x2*x3", "x1*x2*x3*x4"])
def test_products_of_more_factors_are_recovered(formula):
    for answer in told(formula, *range(4)):
        check_recovery(formula, answer)


@pytest.mark.slow
def test_pure_noise_gives_no_law():
    # Two hundred tables of it: benchmarks/false_laws.py
    for answer in told("noise", *range(3)):
        assert answer["verdict"] == "none"
        assert answer["formula"] is None
        assert answer["features"] == ["x1", "x2", "x3", "x4", "x5"]
        assert np.all(np.isfinite(answer["rmse"]))


def test_the_whole_road_keeps_its_shapes():
    """A small table in this process, where shapes and types are checked at run time."""
    x = np.random.default_rng(0).uniform(-1, 1, (120, 2))
    found = kn.discover(
        kn.Dataset.from_arrays(x, np.exp(np.sin(2 * x[:, 0]) + x[:, 1] ** 2)), kn.Config(seconds=7.5)
    )
    assert found.verdict in ("law", "approximation")
    assert found.scores["law"].r2 > 0.9
