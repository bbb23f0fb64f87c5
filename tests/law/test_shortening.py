"""Parts that a law does not need are left out, and those that it needs stay."""

import numpy as np
import pytest

from scikan.core.expr import Expr, complexity, evaluate
from scikan.core.parser import parse
from scikan.law.description import description_length
from scikan.law.refitting import refit
from scikan.law.shortening import deletions, multiplied_out, shortened
from scikan.law.simplify import simplify


RNG = np.random.default_rng(0)
COLUMNS = {name: RNG.uniform(0.5, 2.0, 200) for name in "xyz"}


def judge_of(truth: str):
    y = evaluate(parse(truth), COLUMNS)

    def judge(expr: Expr) -> tuple[float, Expr] | None:
        fit = refit(simplify(expr), COLUMNS, y, steps=20, robust=False)
        if not np.isfinite(fit.mean_square):
            return None
        return description_length(fit.expr, fit.mean_square, float(np.var(y)), 200, 3), fit.expr

    return judge


@pytest.mark.parametrize(
    ("truth", "found"),
    [
        ("x*y", "1.0*x*(0.5*z - 0.5*z + y)*1.01"),
        (
            "x**2 + y**2",
            "1.9*(x**2 + 0.3)*(y**2 + 0.2263157894736842) - 1.9*(x**2 - 0.2263157894736842)*(y**2 - 0.3)",
        ),
        ("exp(-x)*y", "1.0*exp(-1.0*x)*y + 0.001*sin(1.3*z)"),
    ],
)
def test_what_is_not_needed_goes(truth: str, found: str) -> None:
    short = shortened(parse(found, constants=True), judge_of(truth))
    y = evaluate(parse(truth), COLUMNS)
    assert np.allclose(evaluate(short, COLUMNS), y, rtol=1e-9)
    assert complexity(short) <= complexity(parse(truth)) + 4


def test_a_law_that_needs_all_its_parts_stays() -> None:
    law = parse("2.5*x*y + sin(1.5*z)", constants=True)
    assert complexity(shortened(law, judge_of("2.5*x*y + sin(1.5*z)"))) == complexity(law)


def test_deletions_and_expansions_are_smaller_or_equal_in_value() -> None:
    law = parse("(x + 1)*(y + 2)", constants=True)
    assert all(complexity(trial) < complexity(law) for trial in deletions(law))
    for trial in multiplied_out(law):
        assert np.allclose(evaluate(trial, COLUMNS), evaluate(law, COLUMNS))
