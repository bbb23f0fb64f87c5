"""Factors that move into sums and roots, angles that become one: the value stays."""

import numpy as np
import pytest

from scikan.core.expr import complexity, evaluate
from scikan.core.parser import parse
from scikan.law.simplify import simplify


RNG = np.random.default_rng(1)
COLUMNS = {name: RNG.uniform(0.5, 2.0, 50) for name in "abcdt"}


@pytest.mark.parametrize(
    ("law", "shorter"),
    [
        ("b**2*(1 + (a/b)**2)", "a**2 + b**2"),
        ("a*sqrt(1 + (b/a)**2)", "sqrt(a**2 + b**2)"),
        ("c/((1 + ((a - d)/(b - t))**2)*(b - t)**2)", "c/((b - t)**2 + (a - d)**2)"),
        ("2*a*sqrt(b/a)*cos(d)", "2*cos(d)*sqrt(a*b)"),
        ("-c*log(a/b)", "c*log(b/a)"),
        ("sin(t)**2 + (cos(t) - c)**2", "1 + c**2 - 2*c*cos(t)"),
    ],
)
def test_the_shorter_form_of_equal_value(law: str, shorter: str) -> None:
    found = simplify(parse(law), positive=tuple("abcdt"))
    assert np.allclose(evaluate(found, COLUMNS), evaluate(parse(law), COLUMNS), rtol=1e-12)
    assert complexity(found) <= complexity(parse(shorter))


def test_roots_of_columns_that_may_be_negative_stay() -> None:
    signed = {"a": np.array([-1.0, 2.0]), "b": np.array([3.0, -0.5])}
    law = parse("a*sqrt(1 + (b/a)**2)")
    assert np.allclose(evaluate(simplify(law), signed), evaluate(law, signed))


def test_of_equal_length_the_factor_stays_outside() -> None:
    assert str(simplify(parse("(exp(a) - 1)*b**2"))) == "(exp(a) - 1)*b**2"
