"""Where a law is undefined, proved or refuted over the ranges it was found in."""

import numpy as np
import pytest

from scikan.core.expr import evaluate
from scikan.core.parser import parse
from scikan.law.domain import domain_risks
from scikan.law.intervals import bounds
from scikan.law.record import Law


def law(formula: str, *box: tuple[float, float]) -> Law:
    names = ("x", "y")[: len(box)]
    return Law((parse(formula, names=names),), ("f",), names, {}, np.array(box, dtype=float))


@pytest.mark.parametrize(
    ("formula", "box"),
    [
        ("1/(x - 2)", [(2.5, 3)]), ("1/(x**2 - x + 1)", [(-1, 2)]), ("log(x)/x", [(1e-9, 1)]),
        ("arcsin(x/2)*arctanh(x/3)", [(-2, 2)]), ("1/sin(x)", [(1, 3)]), ("tan(x)", [(-1.5, 1.5)]),
        ("1/(exp(x/y) - 1)", [(1, 5), (1, 5)]), ("sqrt(x**2 - 2*x*y + y**2 + 1/100)", [(0, 1), (0, 1)]),
        ("x**1.37*y**-0.5", [(0, 1), (1, 2)]), ("sqrt(x)", [(0, 4)]), ("x**y", [(1, 2), (-3, 3)]),
        ("1/(1 - x**2*y**2)", [(0, 0.9), (0, 0.99)]), ("exp(-x**2)**(1/3)", [(-3, 3)]), ("log(cosh(x))", [(-5, 5)]),
    ],
)  # fmt: skip
def test_what_is_defined_everywhere_is_proved_so(formula: str, box: list[tuple[float, float]]) -> None:
    assert domain_risks(law(formula, *box)) == ()


@pytest.mark.parametrize(
    ("formula", "box", "told"),
    [
        ("1/(x - 2)", [(1, 3)], "1/(x - 2) has a pole inside the ranges (at x = 2)."),
        ("log(x - 1)/x", [(0.5, 3)], "log(x - 1) is undefined in part of the ranges (at x = 0.5)."),
        ("tan(x)", [(0, 3)], "tan(x) has a pole inside the ranges (at x = 1.5708)."),
        ("y/(x - y)", [(1, 3), (2, 4)], "1/(x - y) has a pole inside the ranges"),
        ("sqrt(x)", [(-1, 4)], "sqrt(x) is undefined in part of the ranges (at x = -1)."),
        ("1/x", [(0, 4)], "1/x has a pole inside the ranges (at x = 0)."),
        ("arccos(x)", [(0, 1.1)], "arccos(x) is undefined in part of the ranges (at x = 1.1)."),
        ("x*log(-1)", [(0, 1)], "log(-1) is undefined in part of the ranges."),
    ],
)
def test_what_is_not_has_a_point_that_shows_it(
    formula: str, box: list[tuple[float, float]], told: str
) -> None:
    (risk,) = domain_risks(law(formula, *box))
    assert risk.certain and risk.told.startswith(told)


def test_what_can_be_neither_proved_nor_refuted_is_open() -> None:
    (risk,) = domain_risks(law("sqrt(x**2 - 2*x*y + y**2)", (0, 1), (0, 1)))
    assert not risk.certain and "could not be decided" in risk.told
    unknown = Law((parse("log(x)"),), ("f",), ("x",))
    assert "ranges are not known" in domain_risks(unknown)[0].told


@pytest.mark.parametrize(
    "formula",
    [
        "x*y - x**2/(1 + y**2)", "sin(3*x)*cos(y - 1)", "exp(-x*y)*tanh(x)", "abs(x)**1.5 + cosh(y)", "x**3 - y**4",
        "log(2 + x*y)/(4 + sin(x))", "arctan(x)*arcsin(y/3) - arccos(x/4)", "2**x + sinh(y)", "tan(x/3)", "sgn(x)*y",
    ],
)  # fmt: skip
def test_bounds_hold_everything(formula: str) -> None:
    rng = np.random.default_rng(0)
    low = rng.uniform(-1.2, 1.0, (2, 40))
    high = low + rng.uniform(0, 0.5, (2, 40))
    expr = parse(formula)
    below, above = bounds(expr, {"x": (low[0], high[0]), "y": (low[1], high[1])})
    for _ in range(50):
        share = rng.uniform(size=(2, 40))
        x, y = low + (high - low) * share
        value = evaluate(expr, {"x": x, "y": y})
        inside = np.isfinite(value)
        assert np.all((below <= value)[inside]) and np.all((value <= above)[inside])
