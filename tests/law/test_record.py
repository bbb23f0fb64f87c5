"""The Law value: it computes, prints, rounds and travels as text."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from scikan.core.errors import ColumnError, FormulaError, ShapeError
from scikan.core.expr import Constant, Symbol
from scikan.core.parser import parse
from scikan.law.record import Law


KEPLER = Law(
    (parse("0.000300012*a**(3/2)/sqrt(M)", constants=True),), ("period",), ("a", "M"), {"a": "km"},
    np.array([[1.0, 9.0], [2.0, 3.0]]),
)  # fmt: skip


def test_a_law_reads_as_an_equation() -> None:
    assert str(KEPLER.round(1)) == "period = 0.0003*a**(3/2)/sqrt(M)"
    assert KEPLER.text(digits=2) == "period = 0.0003*a**(3/2)/sqrt(M)"
    assert KEPLER.round(1)._repr_latex_() == (
        r"$\displaystyle \mathrm{period} = \frac{0.0003 a^{\frac{3}{2}}}{\sqrt{M}}$"
    )
    assert KEPLER.complexity == 8


def test_arrays_mappings_and_tables_give_the_same() -> None:
    rows = np.array([[1.0, 2.0], [4.0, 1.0]])
    expected = 0.000300012 * rows[:, 0] ** 1.5 / np.sqrt(rows[:, 1])
    table = pd.DataFrame(rows, columns=["a", "M"])
    for inputs in (rows, table, {"a": rows[:, 0], "M": rows[:, 1]}, table[["M", "a"]]):
        assert np.allclose(KEPLER(inputs), expected, rtol=1e-14)


def test_wrong_inputs_are_refused() -> None:
    with pytest.raises(ShapeError, match="2 columns"):
        KEPLER(np.ones((3, 5)))
    with pytest.raises(ColumnError, match="'M'"):
        KEPLER({"a": np.ones(3)})


def test_several_targets_are_columns() -> None:
    law = Law((parse("x + y"), parse("2")), ("s", "t"), ("x", "y"))
    assert law(np.ones((3, 2))).tolist() == [[2.0, 2.0]] * 3
    assert str(law["t"]) == "t = 2" and str(law[0]) == "s = x + y" and len(law) == 2
    with pytest.raises(KeyError):
        law["q"]
    scope: dict[str, object] = {}
    exec(law.numpy_source(), scope)  # noqa: S102 - our own printer's output
    assert scope["law_0"](1.0, 2.0) == 3.0  # type: ignore[operator]


def test_parts_must_fit() -> None:
    with pytest.raises(ShapeError):
        Law((parse("x"),), ("a", "b"), ("x",))
    with pytest.raises(ShapeError, match="domain"):
        Law((parse("x"),), ("a",), ("x",), {}, np.ones((2, 2)))
    with pytest.raises(FormulaError, match="'q'"):
        Law((parse("q"),), ("a",), ("x",))


def test_the_dictionary_reads_back_exactly_through_json() -> None:
    tree = (
        parse("0.1*x**2.5 + exp(-0.3*`temp K`)", constants=True) + Constant(1.5, 0.25) + parse("0.125*pi*x")
    )
    law = Law((tree, Symbol("x")), ("y", "class"), ("x", "temp K"), {"x": "m"}, np.array([[0.0, 1.0]] * 2))
    again = Law.from_dict(json.loads(json.dumps(law.to_dict())))
    assert again.expressions == law.expressions and again.targets == law.targets and again.names == law.names
    assert [c.error for c in again.constants][-1] == 0.25 and math.isnan(again.constants[0].error)
    assert again.domain is not None and again.domain.tolist() == [[0.0, 1.0]] * 2
    assert dict(again.units) == {"x": "m"}


@pytest.mark.parametrize(
    "content",
    [{}, {"laws": 3, "names": []},
    {"laws": [{"target": "y", "form": "x.__class__", "constants": []}], "names": ["x"]},
     {"laws": [{"target": "y", "form": "q", "constants": []}], "names": ["x"]},
     {"laws": [{"target": "y", "form": "x", "constants": [["a", "b"]]}], "names": ["x"]}],
)  # fmt: skip
def test_foreign_dictionaries_are_refused(content: dict[str, object]) -> None:
    with pytest.raises(FormulaError):
        Law.from_dict(content)


def test_simplify_knows_the_domain() -> None:
    law = Law((parse("sqrt(x**2)"),), ("y",), ("x",), {}, np.array([[0.5, 2.0]]))
    assert str(law.simplify()) == "y = x"


def test_sympy_and_rounding_keep_exact_numbers() -> None:
    import sympy

    law = Law((parse("x/3"),), ("y",), ("x",))
    assert law.sympy() == sympy.Symbol("x") / 3 and str(law.round(1)) == "y = x/3"
