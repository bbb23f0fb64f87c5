"""Columns that follow from others are found, and a law is told in the shortest of its forms."""

import numpy as np
import pytest

import scikan as kn
from scikan.discovery.relations import branches, relations


RNG = np.random.default_rng(0)
N = 200
M, V, C = RNG.uniform(0.1, 1, N), RNG.uniform(0, 0.9, N), RNG.uniform(1.1, 2, N)
BETA = V / C
OFFERED = {"m": M, "v": V, "c": C, "beta": BETA, "gamma": 1 / np.sqrt(1 - BETA**2)}
DECOYS = {
    "m": M,
    "v": V,
    "c": C,
    "v_plus_c": V + C,
    "mv": M * V,
    "c2": C**2,
    "knots": 1.25 * V,
    "chance": RNG.uniform(size=N),
}


def told(columns, name):
    return [str(expr) for expr in relations(columns, name)]


def test_relations_of_auxiliary_columns():
    assert told(OFFERED, "gamma") == ["1/sqrt(1 - beta**2)"]
    assert "v/c" in told(OFFERED, "beta")
    assert told(OFFERED, "m") == []


@pytest.mark.parametrize(
    ("name", "wanted"), [("v_plus_c", "v + c"), ("mv", "m*v"), ("c2", "c**2"), ("knots", "5*v/4")]
)
def test_relations_of_decoys(name, wanted):
    assert told(DECOYS, name)[0] == wanted


def test_noise_chance_and_few_values_are_no_relation():
    noisy = {"a": M, "b": M * (1 + 1e-6 * RNG.normal(size=N)), "c": RNG.integers(0, 2, N).astype(float)}
    assert all(told(noisy, name) == [] for name in noisy)
    few = {"a": M[:10], "b": 2 * M[:10]}
    assert told(few, "b") == []
    assert told({f"x{i}": RNG.normal(size=300) for i in range(30)}, "x3") == []
    signed = {"a": M - 0.5, "b": V - 0.5, "ab": (M - 0.5) * (V - 0.5)}
    assert told(signed, "ab") == ["a*b"]


def test_a_table_in_order_hides_no_relation():
    sorted_by = np.repeat(np.arange(20.0), 40)
    columns = {"block": sorted_by, "x": RNG.normal(size=800), "sum": None}
    columns["sum"] = columns["block"] + columns["x"]
    assert told(columns, "sum") == ["block + x"]


def test_of_very_many_columns_only_pairs_are_compared():
    wide = {f"x{i}": RNG.normal(size=100) for i in range(300)}
    wide["double"] = 2 * wide["x7"]
    assert told(wide, "double") == ["2*x7"]


def forms(law, columns):
    names = tuple(columns)
    return [str(form) for form in branches(kn.parse(law, names=list(names)), columns, names)]


def test_a_law_in_a_useful_column_keeps_it_and_knows_its_other_forms():
    assert forms("m*gamma", OFFERED) == ["m*gamma", "m/sqrt(1 - beta**2)", "m/sqrt(1 - (v/c)**2)"]


@pytest.mark.parametrize(
    "law",
    [
        "m*sqrt(c2/(v_plus_c*(2*sqrt(c2) - v_plus_c)))",
        "m/sqrt(1 - v**2/c2)",
        "m/sqrt(1 - (v/sqrt(c2))**2)",
        "m/sqrt(2*v_plus_c/sqrt(c2) - (v_plus_c/sqrt(c2))**2)",
    ],
)
def test_a_law_in_decoys_is_told_without_them(law):
    assert forms(law, DECOYS)[0] == "m/sqrt(1 - (v/c)**2)"


def test_a_law_of_unrelated_columns_has_one_form():
    assert forms("m*sin(v)", DECOYS) == ["m*sin(v)"]
    assert forms("2", DECOYS) == ["2"]


def test_discovery_tells_its_branches():
    x = np.column_stack(list(OFFERED.values()))
    found = kn.discover(
        kn.Dataset.from_arrays(x, M * OFFERED["gamma"], names=list(OFFERED)), kn.Config(seconds=7.5)
    )
    assert str(found.law.expression) == "m*gamma"
    assert [str(form) for form in found.branches] == [
        "m*gamma",
        "m/sqrt(1 - beta**2)",
        "m/sqrt(1 - (v/c)**2)",
    ]
