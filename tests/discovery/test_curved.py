"""Quotients of polynomials in bent columns, and power laws beside a constant."""

import numpy as np
import pytest

from scikan.core.expr import ONE, Symbol, evaluate
from scikan.core.parser import parse
from scikan.discovery.curved import curved_laws
from scikan.discovery.stages import shifted_power_laws
from scikan.law.refitting import refit
from scikan.structure.levels import Level


LAWS = {
    "an ellipse around its focus": ("(1 - e**2)/(1 + e*cos(f))", {"e": (0.0, 0.8), "f": (0.0, 6.3)}),
    "aberration": ("arccos((cos(a) - b)/(1 - b*cos(a)))", {"a": (0.1, 3.0), "b": (0.0, 0.8)}),
    "the third side of a triangle": (
        "sqrt(a**2 + b**2 - 2*a*b*cos(g))",
        {"a": (0.5, 2.0), "b": (0.5, 2.0), "g": (0.2, 6.0)},
    ),
    "a root of a quotient": ("sqrt((1 + b)/(exp(a) + 2*b))", {"a": (-1.0, 2.0), "b": (0.2, 1.5)}),
    "one and a product of four": (
        "1 + p*e*cos(g)/t",
        {"p": (-1.0, 1.0), "e": (-1.0, 1.0), "g": (0.0, 6.3), "t": (0.5, 2.0)},
    ),
}


def table(text, ranges, n=400):
    rng = np.random.default_rng(0)
    columns = {name: rng.uniform(low, high, n) for name, (low, high) in ranges.items()}
    return columns, evaluate(parse(text, tuple(ranges)), columns)


def level(columns, y):
    one = np.ones(len(y))
    return Level(np.column_stack(list(columns.values())), tuple(map(Symbol, columns)), y, one, ONE, one)


def least_error(laws, columns, y):
    with np.errstate(all="ignore"):
        errors = [np.std(np.broadcast_to(evaluate(law, columns), y.shape) - y) for law in laws]
    return np.nanmin(errors) / np.std(y)


@pytest.mark.parametrize("name", LAWS)
def test_a_quotient_of_bent_columns_is_exact(name):
    columns, y = table(*LAWS[name])
    assert least_error(curved_laws(level(columns, y)), columns, y) < 1e-9


def test_few_rows_and_many_columns_ask_for_nothing():
    rng = np.random.default_rng(0)
    x = {f"x{j}": rng.uniform(size=12) for j in range(4)}
    assert list(curved_laws(level(x, rng.normal(size=12)))) == []
    x = {f"x{j}": rng.uniform(size=300) for j in range(6)}
    assert list(curved_laws(level(x, rng.normal(size=300)))) == []


@pytest.mark.parametrize(
    "text",
    ["sqrt(1 + 2*a*b**2/c**3)", "3 + 0.2*a**1.7*b**(-0.4)", "1/(5 + a*b*c)", "7 - 0.3*a*b**2/c"],
)
def test_a_power_law_beside_a_constant_is_found_after_a_refit(text):
    columns, y = table(text, {"a": (0.5, 2.0), "b": (0.5, 2.0), "c": (1.0, 2.0)})
    x = np.column_stack(list(columns.values()))
    laws = list(shifted_power_laws(x, y, tuple(columns)))
    assert min(refit(law, columns, y).mean_square for law in laws) < 1e-18 * np.var(y)
    assert list(shifted_power_laws(-x, y, tuple(columns))) == []


def test_targets_of_all_sizes_are_no_fault():
    x = np.linspace(1.0, 2.0, 60)[:, None]
    for y in (1e200 * x[:, 0], 1e-200 * x[:, 0], np.exp(300.0 * x[:, 0]), np.full(60, 3.0) + 1e-16 * x[:, 0]):
        with np.errstate(all="ignore"):
            list(shifted_power_laws(x, y, ("a",)))
            if np.ptp(y) > 0:
                list(curved_laws(level({"a": x[:, 0]}, y)))
