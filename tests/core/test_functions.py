"""Every record of the library: value, derivative and twin are one function."""

import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from scikan.core.errors import UnknownFunctionError
from scikan.core.expr import evaluate
from scikan.core.functions import LIBRARY, Function, power_function
from scikan.core.parser import parse


POINTS = np.asarray([0.13, 0.37, 0.61, 0.88])
PYKAN = (
    "x x^2 x^3 x^4 x^5 1/x 1/x^2 1/x^3 1/x^4 1/x^5 sqrt x^0.5 x^1.5 1/sqrt(x) 1/x^0.5 exp log abs sin cos tan tanh "
    "sgn arcsin arccos arctan arctanh 0 gaussian"
).split()


def test_the_library_holds_pykans_29_names():
    assert len(PYKAN) == 29
    assert set(PYKAN) <= set(LIBRARY)


@pytest.mark.parametrize(
    "function", [*LIBRARY.values(), power_function(2.5), power_function(-7.0)], ids=lambda f: f.name
)
def test_value_derivative_and_twin_agree(function):
    value = function.value(np, POINTS)
    slope = jax.vmap(jax.grad(lambda u: jnp.sum(function.value(jnp, u))))(jnp.asarray(POINTS))
    np.testing.assert_allclose(function.derivative(np, POINTS), slope, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(function.value(jnp, jnp.asarray(POINTS)), value, rtol=1e-13)
    twin = evaluate(parse(function.twin, names=["u"]), {"u": POINTS})
    np.testing.assert_allclose(np.broadcast_to(twin, value.shape), value, rtol=1e-12)
    assert np.all(
        np.isfinite(
            [
                function.value(np, np.asarray(function.safe)),
                function.derivative(np, np.asarray(function.safe)),
            ]
        )
    )


@pytest.mark.parametrize("name", LIBRARY)
def test_records_pickle_by_name(name):
    assert pickle.loads(pickle.dumps(LIBRARY[name])) is LIBRARY[name]


def test_powers_pickle_and_known_ones_come_from_the_library():
    assert pickle.loads(pickle.dumps(power_function(2.5))) == power_function(2.5)
    assert power_function(2) is LIBRARY["x^2"]
    assert power_function(0.5) is LIBRARY["sqrt"]


def test_a_library_grows_without_changing_the_old_one():
    bump = Function("bump", lambda xp, u: 1 / (1 + u * u), lambda xp, u: -2 * u / (1 + u * u) ** 2)
    larger = LIBRARY.with_function(bump)
    assert larger["bump"] is bump and "bump" not in LIBRARY
    assert len(larger) == len(LIBRARY) + 1
    assert bump in larger.candidates()


def test_an_unknown_name_is_told_with_the_nearest_one():
    with pytest.raises(UnknownFunctionError, match="'sine'") as error:
        LIBRARY["sine"]
    assert "sin" in error.value.fix and "with_function" in error.value.fix


def test_candidates_differ_by_more_than_an_affine_map():
    names = [f.name for f in LIBRARY.candidates()]
    assert "cos" not in names and "0" not in names and names[0] == "x"
