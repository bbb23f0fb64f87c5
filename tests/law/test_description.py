"""Bits of laws."""

import math

import pytest

from scikan.core.errors import SettingError
from scikan.core.parser import parse
from scikan.law.description import description_length, structure_bits


def bits(text: str, constants: bool = False) -> float:
    return structure_bits(parse(text, constants=constants), n_rows=1024, n_columns=4)


def test_bits_of_each_kind_of_node() -> None:
    assert bits("x") == 4.0
    assert bits("x + y") == pytest.approx(3.3 + 8)
    assert bits("x - y") == bits("x + y") == bits("x / y") == bits("x*y")
    assert bits("1.5", constants=True) == 9.0
    assert bits("3") == 5.0 and bits("2/3") == 6.0 and bits("pi") == 6.0
    assert bits("x**2") == pytest.approx(5.3 + 4) and bits("sqrt(x)") == pytest.approx(3.3 + 4)
    assert bits("x**7") == pytest.approx(5.3 + 4 + 3 + 3)
    assert bits("x**1.7", constants=True) == pytest.approx(5.3 + 4 + 9)


def test_a_fixed_number_is_shorter_than_a_fitted_one() -> None:
    assert bits("2*x") < bits("2.0*x", constants=True)


def test_a_smaller_residual_pays_for_structure() -> None:
    poor = description_length(parse("x"), 0.5, 1.0, 100, 2)
    good = description_length(parse("x + sin(y)"), 0.01, 1.0, 100, 2)
    assert good < poor


def test_an_exact_fit_is_finite_and_nan_is_infinite() -> None:
    assert math.isfinite(description_length(parse("x"), 0.0, 1.0, 100, 2))
    assert description_length(parse("x"), math.nan, 1.0, 100, 2) == math.inf


def test_a_constant_target_is_refused() -> None:
    with pytest.raises(SettingError, match="variance"):
        description_length(parse("x"), 0.0, 0.0, 100, 2)
