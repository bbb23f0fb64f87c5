"""Random trees written as spreadsheet formulas compute what the trees compute."""

import numpy as np
from hypothesis import given, settings
from random_trees import COLUMNS, grown, plans

from scikan.core.expr import evaluate, symbols
from scikan.law.export import exported
from scikan.law.record import Law
from scikan.law.sheets import compute


@given(plans())
@settings(max_examples=200)
def test_any_formula_of_a_sheet_is_that_of_the_law(plan) -> None:
    tree = grown(plan)
    with np.errstate(all="ignore"):
        expected = np.asarray(evaluate(tree, COLUMNS), float)
    if not np.isfinite(expected).all() or np.abs(expected).max() > 1e6:
        return
    used = [name for name in "xyz" if name in symbols(tree)] or list("xyz")
    cells = {f"{letter}2": COLUMNS[name] for letter, name in zip("ABC", used, strict=False)}
    made = exported(Law((tree,), ("t",), ("x", "y", "z")), "excel", run=False)
    given_back = np.broadcast_to(compute(made.body.strip(), cells), expected.shape)
    assert np.allclose(given_back, expected, rtol=1e-6, atol=1e-9 + 1e-6 * np.abs(expected).max())
