"""Targets know the way back to z, and their affine regressions find what is there."""

import numpy as np
import pytest

from scikan.core.expr import Symbol, evaluate
from scikan.discovery.affine import standardised
from scikan.discovery.library import build_library, distinct_features
from scikan.discovery.targets import Table, heavy_targets, light_targets, screened


X = np.random.default_rng(0).uniform(0.4, 2.0, (60, 2))
LIBRARY = build_library(X, (Symbol("a"), Symbol("b")), most=1500)
COLUMNS = {"a": X[:, 0], "b": X[:, 1]}
ONES = np.ones(60)


@pytest.mark.parametrize("z", [0.2 + 0.5 * X[:, 0] * X[:, 1] / 4, -X[:, 0] - X[:, 1]])
def test_every_target_leads_back_to_z(z):
    for target in light_targets(z, ONES, LIBRARY):
        s = None if target.other < 0 else LIBRARY.values[target.other]
        # Rows outside the domain of T have no weight.
        back = target.back(target.forward(z, s), s)
        assert np.allclose(back[target.weight > 0], z[target.weight > 0], rtol=1e-6, atol=1e-8)


def test_formulas_of_targets_have_the_values_of_the_way_back():
    z = 0.2 + 0.1 * X[:, 0] * X[:, 1]
    for target in light_targets(z, ONES, LIBRARY):
        s = None if target.other < 0 else LIBRARY.expression(target.other)
        columns = COLUMNS | {"u": target.values}
        back = evaluate(target.formula(Symbol("u"), s), columns)
        assert np.allclose(back[target.weight > 0], z[target.weight > 0], rtol=1e-6, atol=1e-8)


def test_weights_follow_the_slope_of_the_transform():
    z = 1.0 + X[:, 0]
    target = next(t for t in light_targets(z, ONES, LIBRARY) if t.transform.name == "log")
    assert np.allclose(target.weight / target.weight[0], z / z[0])


def test_screening_finds_an_inverse_square_root_of_a_difference():
    z = 3.0 / np.sqrt(8.0 - X[:, 0] ** 2)
    places = distinct_features(LIBRARY.values)
    table = Table(standardised(LIBRARY.values[places]), LIBRARY.nodes[places], LIBRARY.deep[places])
    best = screened(list(light_targets(z, ONES, LIBRARY)), table, float(np.var(z)), 20)[0]
    assert best.target.transform.name == "inverse square"
    assert str(LIBRARY.expression(int(places[best.row]))) == "a**2"


def test_a_target_undefined_on_many_rows_is_left_out():
    z = X[:, 0] - 1.2
    assert "log" not in {t.transform.name for t in light_targets(z, ONES, LIBRARY) if not t.operation}


def test_heavy_targets_come_simplest_first():
    nodes = [int(LIBRARY.nodes[t.other]) for t in heavy_targets(1.0 + X[:, 0], ONES, LIBRARY, 1)]
    assert nodes == sorted(nodes)
