"""Products are written in the order of the columns, and stay what they are."""

import numpy as np
import pytest

from scikan.core.expr import evaluate
from scikan.core.parser import parse
from scikan.law.ordering import in_order


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x2*x1", "x1*x2"),
        ("exp(x2)*sin(x1)", "sin(x1)*exp(x2)"),
        ("3*x2/x1 + x2", "3*x2/x1 + x2"),
        ("2", "2"),
    ],
)
def test_factors_follow_the_columns(text, expected):
    tree = parse(text)
    columns = {"x1": np.asarray([0.3, 1.7]), "x2": np.asarray([2.1, -0.4])}
    ordered = in_order(tree, ["x1", "x2"])
    assert str(ordered) == expected
    np.testing.assert_allclose(evaluate(ordered, columns), evaluate(tree, columns), rtol=1e-14)
