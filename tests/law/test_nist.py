"""Certified regressions: parameters to six digits, standard deviations to four, from both of NIST's starts."""

import numpy as np
import pytest
from certified import digits, names, problem

from scikan.core.errors import FormulaError
from scikan.core.expr import constants, evaluate
from scikan.core.parser import parse
from scikan.law.parameters import fit_parameters
from scikan.law.refitting import refit


SLOW = ("Gauss1", "Gauss2", "Gauss3", "ENSO", "Bennett5")


def test_all_sets_are_there() -> None:
    assert len(names()) == 27 and all(len(problem(name).starts) == 2 for name in names())


@pytest.mark.parametrize("start", [0, 1])
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in names()]
)
def test_certified_values_are_found_from_both_starts(name: str, start: int) -> None:
    given = problem(name)
    found = fit_parameters(given.model, given.columns, given.y, given.starts[start])
    assert found.converged
    assert min(digits(found.values[b], given.certified[b]) for b in found.values) > 6
    if name != "Lanczos1":  # its residual is rounding, so that its deviations are too
        assert min(digits(found.errors[b], given.errors[b]) for b in found.errors) > 4
        assert digits(found.mean_square * len(given.y), given.sum_of_squares) > 6


@pytest.mark.parametrize("name", ["Misra1a", "Chwirut2", "Gauss2", "Thurber", "Rat43", "MGH09", "Hahn1"])
def test_refit_alone_reaches_them_from_the_better_start(name: str) -> None:
    given = problem(name)
    start = {b: str(value) for b, value in given.starts[1].items()}
    text = str(given.model)
    for b, value in start.items():
        text = text.replace(b, f"({value})")
    found = refit(parse(text, names=tuple(given.columns), constants=True), given.columns, given.y)
    assert digits(found.mean_square * len(given.y), given.sum_of_squares) > 8


def test_a_parameter_may_stand_in_many_places() -> None:
    x = np.linspace(1.0, 3.0, 50)
    y = evaluate(parse("2.5*exp(-0.7*x) + 0.7*x**2.5"), {"x": x})
    found = fit_parameters(parse("a*exp(-b*x) + b*x**a"), {"x": x}, y, {"a": 1.0, "b": 1.0})
    assert found.values == pytest.approx({"a": 2.5, "b": 0.7}, rel=1e-10)
    assert [c.value for c in constants(found.expr)] == pytest.approx([2.5, -0.7, 0.7, 2.5])


def test_errors_are_sentences() -> None:
    x = np.linspace(1.0, 3.0, 50)
    with pytest.raises(FormulaError, match="no"):
        fit_parameters(parse("a*x"), {"x": x}, x, {"a": 1.0, "b": 1.0})
    with pytest.raises(FormulaError, match="fitted constants"):
        fit_parameters(parse("a*x + 1.5", constants=True), {"x": x}, x, {"a": 1.0})
