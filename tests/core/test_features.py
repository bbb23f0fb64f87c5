"""Feature maps treat arrays and expressions alike, and readouts come back."""

import jax.numpy as jnp
import numpy as np
import pytest

from scikan.core.errors import FormulaError, SettingError
from scikan.core.expr import Symbol, evaluate
from scikan.core.features import Augment, Chain, Exp, Log, Scale, Select, natural_scale


X = np.random.default_rng(0).uniform(0.5, 3, (20, 3))
COLUMNS = [Symbol("a"), Symbol("b"), Symbol("c")]
MAPS = [
    Scale(np.asarray([2.0, 1.0, 0.5])),
    Log((True, False, True)),
    Exp((False, True, False)),
    Select((2, 0)),
    Augment(("a", "b", "c"), ("beta = a/b", "gamma = 1/sqrt(1 + beta**2)")),
    Chain((Log((True, True, False)), Scale(np.asarray([1.0, 2.0, 3.0])), Select((1, 2)))),
]


@pytest.mark.parametrize("each", MAPS, ids=lambda m: type(m).__name__)
def test_arrays_and_expressions_are_mapped_alike(each):
    values = each(X)
    columns = dict(zip("abc", X.T, strict=True))
    trees = each.exprs(COLUMNS)
    assert len(trees) == values.shape[1]
    for tree, column in zip(trees, values.T, strict=True):
        np.testing.assert_allclose(evaluate(tree, columns), column, rtol=1e-13)
    np.testing.assert_allclose(each(jnp.asarray(X)), values, rtol=1e-13)


@pytest.mark.parametrize(
    "each", [MAPS[0], MAPS[1], MAPS[2], Chain((MAPS[1], MAPS[0]))], ids=lambda m: type(m).__name__
)
def test_readouts_come_back(each):
    np.testing.assert_allclose(each.inverse()(each(X)), X, rtol=1e-13)


def test_maps_without_a_way_back_say_so():
    with pytest.raises(SettingError, match="cannot be inverted"):
        Select((0,)).inverse()


def test_auxiliary_inputs_need_a_name_and_known_columns():
    with pytest.raises(SettingError, match="no name"):
        Augment(("a",), ("a/2",))
    with pytest.raises(FormulaError, match="d"):
        Augment(("a",), ("z = d/2",))


def test_natural_scales_are_powers_of_ten():
    x = np.stack([np.linspace(1e6, 9e6, 10), np.linspace(-1, 1, 10), np.logspace(0, 5, 10)], axis=1)
    scaled = natural_scale(x, ("linear", "linear", "log"))(x)
    np.testing.assert_allclose(scaled[:, 0], x[:, 0] * 1e-7)
    np.testing.assert_allclose(scaled[:, 1], x[:, 1])
    np.testing.assert_allclose(scaled[:, 2], np.log(x[:, 2]))
