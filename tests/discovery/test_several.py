"""Several targets: each is explained as if it stood alone, and together they are one law and one network."""

from dataclasses import replace

import numpy as np
import pytest

import scikan as kn
from scikan.discovery.several import joint_verdict, of_target, one_by_one, together
from scikan.law.record import joined


RNG = np.random.default_rng(0)
X = RNG.uniform(1.0, 3.0, (120, 2))
Y = np.stack([X[:, 0] ** 2 * X[:, 1], X[:, 0] + X[:, 1] ** 2], axis=1)
UNITS = {"r": "m", "x": "m3", "y": "km"}
DATA = kn.Dataset.from_arrays(X, Y, names=["r", "t"], targets=["x", "y"], units=UNITS)
SOON = kn.Config(seconds=8.0)


@pytest.fixture(scope="module")
def told():
    """Lines of the report, and the targets that `keep` was called with."""
    return [], []


@pytest.fixture(scope="module")
def found(told):
    lines, kept = told
    return kn.discover_each(DATA, SOON, lines.append, lambda target, best: kept.append(target))


@pytest.fixture(scope="module")
def noise(found):
    """An answer without a law; the story of a column of noise is told by the command line's tests."""
    data = kn.Dataset.from_arrays(X, Y[:, 0], names=["r", "t"], targets=["noise"])
    given = found["x"]
    choice = replace(given.choices[0], verdict="none", reason="for this test")
    held_out = replace(given.held_out, data=data)
    return replace(given, choices=(choice,), held_out=held_out, law=None, fitted=None, model=None)


def test_every_target_has_an_answer_by_name_and_by_number(found):
    assert len(found) == 2 and found.targets == ("x", "y")
    assert [answer.verdict for answer in found] == ["law", "law"] and found.verdict == "law"
    assert found["y"] is found[1] is found.answers[1]
    assert str(found["x"].law) == "x = r**2*t" and str(found["y"].law) in ("y = r + t**2", "y = t**2 + r")


def test_the_laws_are_one_law_and_one_network(found):
    assert found.law.targets == found.model.targets == ("x", "y")
    assert found.law.units == UNITS and np.array_equal(found.law.domain, found["x"].law.domain)
    assert np.allclose(found.law(X), Y, rtol=1e-12)
    assert np.allclose(found.model(X), found.law(X), rtol=1e-12)
    assert found.law["y"].expression == found["y"].law.expression


def test_an_answer_is_that_of_the_target_alone_in_its_share_of_the_time(found):
    data = kn.Dataset.from_arrays(X, Y[:, 1], names=["r", "t"], targets=["y"], units={"r": "m", "y": "km"})
    alone = kn.discover(data, replace(SOON, seconds=SOON.seconds / 2))
    assert found["y"].config == alone.config
    assert found["y"].law.expression == alone.law.expression
    assert found["y"].law.units == alone.law.units == {"r": "m", "y": "km"}
    assert found["y"].predictions["linear"] == pytest.approx(alone.predictions["linear"], rel=1e-12)


def test_all_targets_are_judged_by_the_same_rows(found):
    assert np.array_equal(found["x"].held_out.rows, found["y"].held_out.rows)


def test_progress_names_the_targets(found, told):
    lines, kept = told
    assert [line for line in lines if line.startswith("target")] == ["target 1 of 2: x", "target 2 of 2: y"]
    # A power law that is exact ends the search before its first stage does.
    assert set(kept) == {"y"}


def test_a_target_without_a_law_is_left_out_of_the_joint_law(found, noise):
    both = together((noise, found["y"]))
    assert noise.verdict == "none" and both.verdict == "approximation"
    assert both.law.targets == both.model.targets == ("y",) and both["noise"] is noise
    none = together((noise,))
    assert (none.verdict, none.law, none.model) == ("none", None, None)


@pytest.mark.parametrize(
    ("verdicts", "told"),
    [
        (("law", "law"), "law"),
        (("none", "none"), "none"),
        (("law", "none"), "approximation"),
        (("law", "approximation"), "approximation"),
        (("approximation", "approximation"), "approximation"),
    ],
)
def test_verdicts_are_one_verdict_if_they_are_the_same(verdicts, told):
    assert joint_verdict(verdicts) == told


def test_formulas_that_do_not_compile_together_are_still_one_law(found, monkeypatch):
    def refuse(*arguments, **options):
        raise kn.CompileError("no")

    monkeypatch.setattr("scikan.discovery.several.kanpiler", refuse)
    both = together(found.answers)
    assert both.model is None and both.law.targets == ("x", "y") and both.verdict == "law"


def test_a_table_with_one_target_has_one_answer():
    (alone,) = one_by_one(of_target(DATA, "x"), kn.Config(seconds=1.0))
    assert together((alone,)).law.text() == "x = r**2*t"


def test_one_sigma_weighs_the_rows_of_every_target_and_this_is_told():
    data = replace(DATA, sigma=np.full(120, 0.1))
    alone = of_target(data, "y")
    assert (
        np.array_equal(alone.sigma, data.sigma) and "One sigma weighs the rows for all 2" in alone.notices[-1]
    )
    assert of_target(alone, "y") is alone


def test_discover_says_how_to_explain_several_targets():
    with pytest.raises(kn.SettingError, match=r'2 targets \("x", "y"\).*\n.*kn.discover_each\(data\)'):
        kn.discover(DATA)


def test_too_few_rows_are_refused():
    with pytest.raises(kn.SettingError, match="5 usable rows"):
        kn.discover_each(DATA.rows(np.arange(5)))


def test_what_is_no_target_is_a_key_error(found):
    with pytest.raises(KeyError, match=r"No target 'z'; there are \['x', 'y'\]"):
        found["z"]
    with pytest.raises(IndexError):
        found[2]


def test_laws_over_other_columns_or_of_one_target_cannot_be_joined(found):
    law = found["x"].law
    for other in (law, replace(found["y"].law, names=("t", "r"))):
        with pytest.raises(kn.ShapeError, match="no formulas of different targets over the same columns"):
            joined((law, other))


def test_a_joint_domain_holds_those_of_its_laws(found):
    wide = replace(found["y"].law, domain=found["y"].law.domain + np.array([-1.0, 1.0]))
    assert np.array_equal(joined((found["x"].law, wide)).domain, wide.domain)
    assert joined((found["x"].law, replace(wide, domain=None))).domain is None


def test_a_row_without_one_of_the_targets_is_used_for_none():
    table = DATA.frame()
    table.loc[3, "x"] = table.loc[7, "y"] = np.nan
    with pytest.raises(kn.TableError, match='"x" has 1 missing value.*So have "y".*\n.*--missing drop'):
        kn.read_table(table, ["x", "y"])
    data = kn.read_table(table, ["x", "y"], missing="drop")
    assert data.n_rows == of_target(data, "x").n_rows == 118
