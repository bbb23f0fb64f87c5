"""Tables lose the columns that their symmetries make superfluous, and no others."""

import numpy as np
import pytest

from scikan.core.expr import evaluate
from scikan.core.parser import parse
from scikan.structure.levels import Level
from scikan.structure.scaling import reduce_table


def reduced(law, names: str, n: int = 120, noise: float = 0.0) -> tuple[Level, Level]:
    """Return the raw and the last level of a table with columns from 1 to 3."""
    rng = np.random.default_rng(3)
    x = rng.uniform(1.0, 3.0, (n, len(names)))
    y = law(*x.T)
    y = y + noise * y.std() * rng.normal(size=n)
    levels = reduce_table(x, y, tuple(names))
    return levels[0], levels[-1]


def test_a_power_law_keeps_no_column_and_its_factor_is_the_law():
    raw, last = reduced(lambda a, b, c: 2.0 * a * b**2 / c, "abc")
    assert last.columns.shape == (120, 0)
    assert np.ptp(last.target) < 1e-10
    assert {step.kind for step in last.steps} == {"factor"}


def test_a_power_law_is_seen_through_noise():
    _, last = reduced(lambda a, b, c: a * b / c**2, "abc", noise=1e-2)
    assert last.columns.shape[1] == 0
    assert np.std(last.target) < 0.1 * np.mean(last.target)


def test_a_law_is_told_from_one_that_does_not_share_the_symmetries_of_a_level():
    raw, last = reduced(lambda a, b, c: c * np.exp(-a / b), "abc")
    columns = dict(zip("abc", raw.columns.T, strict=True))
    told = lambda text: last.holds_for(parse(text, names="abc"), columns)
    assert len(last.expressions) == 1
    assert told("c*exp(-a/b)") and told("3*c*sqrt(b/a)")
    assert not told("c*exp(-a)") and not told("exp(-a/b)") and not told("c*exp(-a/b) + a/100")
    assert raw.holds_for(parse("a**2 + b*c", names="abc"), columns)


@pytest.mark.parametrize("noise", [0.0, 1e-2])
def test_a_ratio_of_sums_keeps_ratios(noise):
    _, last = reduced(lambda a, b, c, d: (a * b + c * d) / (a + c), "abcd", noise=noise)
    assert last.columns.shape[1] == 2


def test_distances_are_shifts():
    _, last = reduced(lambda a, b, c: c * np.exp(-((a - b) ** 2)), "abc")
    assert [step.kind for step in last.steps] == ["factor", "shift"]
    assert [str(e) for e in last.expressions] in (["a - b"], ["b - a"])
    assert str(last.factor_expression) == "c"


def test_columns_that_change_sign_are_divided_out_where_the_target_is_proportional_to_them():
    rng = np.random.default_rng(3)
    x = rng.uniform(-1.0, 1.0, (200, 3))
    y = x[:, 0] * x[:, 1] ** 2 * np.cos(x[:, 2])
    last = reduce_table(x, y, ("a", "b", "c"))[-1]
    assert [str(e) for e in last.expressions] == ["c"]
    assert {step.kind for step in last.steps} == {"factor"}
    assert np.allclose(last.target * last.factor, y)


def test_a_combination_is_fitted_where_no_whole_weights_hold():
    rng = np.random.default_rng(3)
    x = rng.uniform(-2.0, 2.0, (300, 2))
    y = np.tanh(1.7 * x[:, 0] - 0.6 * x[:, 1])
    last = reduce_table(x, y, ("a", "b"))[-1]
    assert [step.kind for step in last.steps] == ["combination"]
    ratio = np.linalg.lstsq(x, last.columns[:, 0], rcond=None)[0]
    assert ratio[1] / ratio[0] == pytest.approx(-0.6 / 1.7, rel=1e-2)


def test_a_column_that_does_not_matter_is_left_out():
    _, last = reduced(lambda a, b, c: np.sin(2 * a) + c, "abc")
    assert "b" not in " ".join(map(str, last.expressions))
    assert any(step.kind == "irrelevant" for step in last.steps)


def test_a_law_without_symmetry_stays_as_it_is():
    raw, last = reduced(lambda a, b: np.sin(2 * a) + np.exp(0.5 * b) * a, "ab")
    assert last.columns.shape[1] == 2 and last.steps == ()


def test_every_level_is_the_same_table():
    rng = np.random.default_rng(3)
    x = rng.uniform(1.0, 3.0, (120, 3))
    y = x[:, 0] * np.exp(-x[:, 1] / x[:, 2])
    for level in reduce_table(x, y, ("a", "b", "c")):
        columns = dict(zip("abc", x.T, strict=True))
        assert np.allclose(level.factor * level.target, y)
        assert np.allclose(evaluate(level.factor_expression, columns), level.factor)
        for expr, values in zip(level.expressions, level.columns.T, strict=True):
            assert np.allclose(evaluate(expr, columns), values)
