"""The command line: every command on a small table, every bad input, and Ctrl-C."""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pytest
from interrupting import interrupted as interrupted_run
from rich.console import Console
from typer.testing import CliRunner

import scikan as kn
from scikan.app import cache
from scikan.app.cli import app
from scikan.app.faces import names, stop
from scikan.app.run import teller


RUNNER = CliRunner()
RNG = np.random.default_rng(0)
RADIUS, HEIGHT = RNG.uniform(1, 3, 120), RNG.uniform(-2, 2, 120)
CLEAN = pd.DataFrame({"radius [m]": RADIUS, "height [m]": HEIGHT, "area [m2]": RADIUS**2 + 2.0 * HEIGHT})
EXPECTED = {"law.json", "held-out.csv", "network.kan", "law.kan"} | {
    f"{name}.{ending}" for name in ("law", "fit", "front", "features") for ending in ("svg", "png")
}


def scikan(*arguments):
    done = RUNNER.invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, tmp_path_factory, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    kept = jax.config.jax_compilation_cache_dir
    yield
    jax.config.update("jax_compilation_cache_dir", kept)


@pytest.fixture
def cache_home():
    return Path(os.environ["XDG_CACHE_HOME"])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a table, a trained network and the answer of a run, made once by the commands themselves."""
    folder = tmp_path_factory.mktemp("made")
    CLEAN.to_csv(folder / "points.csv", index=False)
    fit = (
        "fit",
        folder / "points.csv",
        "-t",
        "area",
        "--out",
        folder / "m.kan",
        "--hidden",
        "",
        "--no-cache",
    )
    run = ("run", folder / "points.csv", "-t", "area", "--out", folder / "answer", "--minutes", "0.15")
    told = {"fit": scikan(*fit), "run": scikan(*run)}
    return folder, told


# --- what works -------------------------------------------------------------------------------------------


def test_run_prints_the_law_and_writes_models_figures_and_json(made):
    folder, told = made
    status, out, _ = told["run"]
    assert status == 0
    assert "A law." in out
    assert "area = 2*height + radius**2" in out or "area = radius**2 + 2*height" in out
    assert {path.name for path in (folder / "answer").iterdir()} == EXPECTED
    answer = json.loads((folder / "answer/law.json").read_text())
    assert answer["verdict"] == "law" and answer["names"]["radius"]["unit"] == "m"
    compiled = kn.load(folder / "answer/law.kan")
    assert np.allclose(compiled(np.stack([RADIUS, HEIGHT], 1))[:, 0], CLEAN["area [m2]"], rtol=1e-6)


def test_fit_prints_scores_beside_two_rivals_and_writes_the_network(made):
    folder, told = made
    status, out, err = told["fit"]
    assert status == 0
    assert all(word in out for word in ("network", "linear", "boosting", "24 held-out rows", "RMSE [m2]"))
    assert "written" in err and "fit ━" not in err
    assert kn.load(folder / "m.kan").names == ("radius", "height")


def test_fit_prunes_and_takes_hidden_layers(made):
    options = ("--hidden", "2,1", "--steps", "20", "--prune", "--seed", "1", "-q", "--no-cache")
    status, out, _ = scikan("fit", made[0] / "points.csv", "-t", "area", "--out", "p.kan", *options)
    assert status == 0
    assert kn.load("p.kan").n_edges < 12


def test_a_sparse_fit_keeps_compiled_programs_in_a_closed_folder(made, cache_home):
    done = scikan(
        *("fit", made[0] / "points.csv", "-t", "area", "--out", "s.kan", "--hidden", "", "--steps", "2"),
        *("--penalty", "1e-3"),
    )
    assert done[0] == 0
    (folder,) = (cache_home / "scikan").iterdir()
    assert folder.name == f"xla-{cache.cpu_key()}"
    assert folder.stat().st_mode & 0o777 == 0o700


def test_an_open_cache_folder_is_not_used(cache_home):
    (cache_home / "scikan").mkdir()
    (cache_home / "scikan").chmod(0o777)
    assert "others can write" in cache.keep_compiled()


def test_a_linked_cache_folder_is_not_used(cache_home, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (cache_home / "scikan").symlink_to(tmp_path / "elsewhere")
    assert "is a link" in cache.keep_compiled()


def test_formula_names_the_edges_on_a_table(made):
    folder, _ = made
    status, out, err = scikan("formula", folder / "m.kan", "--table", folder / "points.csv", "--digits", "4")
    assert status == 0
    assert out in ("area = radius**2 + 2*height\n", "area = 2*height + radius**2\n")
    assert "R2 1, " in err and "24 held-out rows" in err


def test_formula_of_a_named_network_needs_no_table(made):
    status, out, _ = scikan("formula", made[0] / "answer/law.kan", "--latex")
    assert status == 0
    assert out.startswith(r"\mathrm{area} = ") and r"\mathrm{radius}^{2}" in out


def test_formula_without_a_table_says_how_to_name_edges(made):
    status, out, err = scikan("formula", made[0] / "m.kan")
    assert (status, out) == (2, "")
    assert "2 edges without a name" in err and "--table TABLE" in err


def test_formula_that_no_name_fits_ends_with_status_3_and_the_candidates(tmp_path):
    x = np.sort(RNG.uniform(-1, 1, 200))
    y = np.interp(x, np.linspace(-1, 1, 15), RNG.normal(size=15))
    pd.DataFrame({"x": x, "y": y}).to_csv("jagged.csv", index=False)
    options = ("--hidden", "", "--grid", "25", "-q", "--no-cache")
    assert scikan("fit", "jagged.csv", "-t", "y", "--out", "j.kan", *options)[0] == 0
    status, out, _ = scikan("formula", "j.kan", "--table", "jagged.csv")
    assert status == 3
    assert "No formula" in out and "edge 0.0.0: " in out and "(R2 " in out


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_show_draws_the_network(made, tmp_path, ending):
    status, _, err = scikan("show", made[0] / "m.kan", "--out", f"net.{ending}")
    assert status == 0 and "written" in err
    assert (tmp_path / f"net.{ending}").stat().st_size > 1000


def test_show_takes_a_runs_folder_and_names_the_figure_after_it(made, tmp_path):
    assert scikan("show", made[0] / "answer", "--table", made[0] / "points.csv")[0] == 0
    assert (tmp_path / "answer.svg").is_file()


def test_show_lists_names_for_an_edge(made, tmp_path):
    status, out, _ = scikan("show", made[0] / "m.kan", "--edge", "0.1.0", "--top", "3")
    assert status == 0
    assert "edge 0.1.0 is spline" in out and "x " in out
    assert list(tmp_path.glob("*.svg")) == []


@pytest.mark.parametrize("model", ["m.kan", "answer/law.json", "answer/law.kan"])
def test_predict_keeps_all_columns_and_adds_one(made, model):
    table = CLEAN.assign(label="a")
    table.to_csv("new.csv", index=False)
    assert scikan("predict", made[0] / model, "new.csv", "--out", "out.csv")[0] == 0
    written = pd.read_csv("out.csv")
    assert list(written) == [*table, "area_predicted"]
    assert np.allclose(written["area_predicted"], CLEAN["area [m2]"], rtol=1e-3, atol=1e-2)


def test_predict_writes_to_standard_output_and_warns_outside_the_training_range(made):
    pd.DataFrame({"radius": [2.0, 9.0], "height": [0.0, 0.0]}).to_csv("far.csv", index=False)
    status, out, err = scikan("predict", made[0] / "answer/law.json", "far.csv")
    assert status == 0
    assert out.splitlines()[0] == "radius,height,area_predicted" and len(out.splitlines()) == 3
    assert 'W601  Extrapolation: 50 % of the rows lie outside the training range of "radius"' in err


def test_predict_counts_rows_without_a_value(made, tmp_path):
    answer = json.loads((made[0] / "answer/law.json").read_text())
    answer["formula"], answer["constants"] = "log(height)", []
    (tmp_path / "log.json").write_text(json.dumps(answer))
    pd.DataFrame({"height": [1.0, -1.0, -2.0], "n": [1, 2, 3]}).to_csv("low.csv", index=False)
    status, out, err = scikan("predict", "log.json", "low.csv")
    assert status == 0 and "2 of 3 rows have no prediction" in err
    assert out.splitlines()[2] == "-1.0,2,"


@pytest.mark.parametrize("language", ["numpy", "excel"])
def test_export_writes_the_law_and_tells_how_far_it_agrees(made, tmp_path, language):
    status, out, err = scikan("export", made[0] / "answer", "--to", language)
    assert status == 0 and "greatest relative error" in out and "Verdict: law" in out and "[m]" in out
    assert "greatest relative error" in err
    again = scikan("export", made[0] / "answer/law.json", "--to", language, "--out", "law.txt")
    assert again[0] == 0 and (tmp_path / "law.txt").read_text() == out
    assert scikan("export", made[0] / "answer", "--to", language, "--out", "law.txt")[0] == 2


def test_export_refuses_what_it_cannot_do(made):
    for options in (("--to", "fortran"), ("--to", "c", "--out", "law.xlsx")):
        status, _, err = scikan("export", made[0] / "answer", *options)
        assert status == 2 and "Fix:" in err


@pytest.mark.slow
def test_choose_takes_another_formula_of_the_front_and_can_take_the_first_again(tmp_path):
    rng = np.random.default_rng(0)
    noisy = CLEAN.assign(**{"area [m2]": CLEAN["area [m2]"] + rng.normal(0.0, 0.3, len(CLEAN))})
    noisy.to_csv("noisy.csv", index=False)
    # In a process of its own, as a user runs it.
    command = (sys.executable, "-m", "scikan", "run", "noisy.csv", "-t", "area", "--out", "answer")
    done = subprocess.run((*command, "--minutes", "0.08"), capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "resamples of the rows" in done.stdout
    # On a narrow terminal too, as this one, each of the others has its number and score.
    others = done.stdout.split("scikan choose takes one):\n")[1].splitlines()
    assert re.match(r" 2 +R2 0\.\d{3,}  \S", others[0]) and len(others[0]) <= 80
    first = json.loads(Path("answer/law.json").read_text())
    assert first["agreement"]["preferred"] > 20 and first["front"][0]["formula"] == first["formula"]
    status, out, _ = scikan("choose", "answer", 2, "--out", "other")
    assert status in (0, 4) and "chosen from the front" in out.lower()
    assert {path.name for path in Path("other").iterdir()} == EXPECTED
    other = json.loads(Path("other/law.json").read_text())
    entry = first["front"][1]
    assert other["formula"] == entry["formula"] and other["scores"]["law"] == entry["scores"]
    law, x = kn.load_law("other"), np.stack([RADIUS, HEIGHT], 1)
    assert np.allclose(kn.load("other/law.kan")(x)[:, 0], law(x), rtol=1e-9)
    said = [pd.read_csv(folder + "/held-out.csv") for folder in ("answer", "other")]
    assert said[1]["law"].equals(said[0]["formula 2"]) and said[1]["formula 2"].equals(said[0]["law"])
    assert np.sqrt(np.mean((said[1]["law"] - said[1]["truth"]) ** 2)) == pytest.approx(
        entry["scores"]["rmse"]
    )
    scikan("choose", "other", 2, "--out", "again")
    again = json.loads(Path("again/law.json").read_text())
    assert again["formula"] == first["formula"] and again["scores"] == first["scores"]
    assert pd.read_csv("again/held-out.csv").equals(said[0])


def test_load_law_gives_the_law_with_units_ranges_and_errors(made):
    law = kn.load_law(made[0] / "answer")
    assert law.targets == ("area",) and law.units["radius"] == "m"
    assert np.allclose(law.domain[0], [RADIUS.min(), RADIUS.max()])
    assert np.allclose(law(np.stack([RADIUS, HEIGHT], 1)), CLEAN["area [m2]"], rtol=1e-6)


def test_load_law_marks_fitted_constants_again(made, tmp_path):
    answer = json.loads((made[0] / "answer/law.json").read_text())
    answer["formula"] = "2*height - 0.731*radius**2"
    answer["constants"] = [{"value": -0.731, "error": 0.02, "snapped": False}]
    (tmp_path / "law.json").write_text(json.dumps(answer))
    (constant,) = kn.load_law(tmp_path).constants
    assert (abs(constant.value), constant.error) == (0.731, 0.02)
    assert str(kn.load_law(tmp_path).expression) == answer["formula"]


@pytest.mark.parametrize(
    "text, told",
    [
        ("{", "is no JSON"),
        ("[]", "is no law.json"),
        ('{"format": 7}', "has format 7"),
        ('{"format": 1, "formula": null, "verdict": "none", "reason": "noise"}', "holds no law"),
        ('{"format": 1, "formula": "open(x)", "names": {}, "target": "y"}', "is no law that can be read"),
        ('{"format": 1, "formula": "1"}', "is no law that can be read"),
    ],
)
def test_load_law_refuses_what_is_none(tmp_path, text, told):
    (tmp_path / "law.json").write_text(text)
    with pytest.raises(kn.ModelFileError, match=told):
        kn.load_law(tmp_path / "law.json")


# --- what does not ----------------------------------------------------------------------------------------


def column(name, value, row=3):
    table = CLEAN.astype(object)
    table.loc[row, name] = value
    return table.to_csv(index=False)


ROW = "1,2,3\n"
BAD_TABLES = {
    "misspelt target": (CLEAN.to_csv(index=False), "aera", 'did you mean "area"?'),
    "missing target": ("a,b\n1,2\n2,1\n3,3\n4,2\n", "z", 'There is no column "z" (target)'),
    "text among numbers": (column("area [m2]", "many"), "area", '"area"'),
    "empty cell": (column("height [m]", ""), "area", "--missing"),
    "infinite cell": (column("height [m]", "inf"), "area", '"height"'),
    "constant target": ("a,y\n" + "".join(f"{n},5\n" for n in range(9)), "y", '"y" is constant'),
    "constant input": ("a,y\n" + "".join(f"5,{n}\n" for n in range(9)), "y", '"a" is constant'),
    "few rows": ("a,b,c,y\n1,2,3,4\n2,3,1,2\n3,1,2,3\n", "y", "3 rows for 3 inputs; at least 5"),
    "one row": ("a,b,y\n1,2,3\n", "y", "1 row"),
    "doubled name": ("a,a,y\n" + ROW * 9, "y", '"a"'),
    "empty file": ("", "y", "empty"),
    "no table": ("\x00\x01\x02\x00binary", "y", "bad.csv"),
    "wrong delimiter": ("a;b;y\n1;2;3\n2;1;3\n3;2;1\n4;1;2\n", "y", "leave the delimiter out"),
}


@pytest.mark.parametrize("case", BAD_TABLES)
@pytest.mark.parametrize("command", ["run", "fit"])
def test_a_bad_table_is_one_sentence_with_a_remedy_and_nothing_is_written(tmp_path, command, case):
    text, target, told = BAD_TABLES[case]
    (tmp_path / "bad.csv").write_text(text)
    out = "out" if command == "run" else "out.kan"
    extra = ("--delimiter", ",") if case == "wrong delimiter" else ()
    status, printed, err = scikan(command, "bad.csv", "--target", target, "--out", out, *extra)
    assert status == 2
    assert err.startswith("E1") and "Fix: " in err and told in err
    assert len(err.splitlines()) <= 8 and "Traceback" not in err
    assert "law" not in printed
    assert {path.name for path in tmp_path.iterdir()} == {"bad.csv"}


def test_no_such_file_is_a_sentence():
    status, _, err = scikan("run", "nowhere.csv", "-t", "y")
    assert status == 2 and "nowhere.csv" in err and "Fix: " in err


BAD_CALLS = {
    "unknown split": (("run", "points.csv", "-t", "area", "--split", "random=x"), "--split random=x"),
    "unknown group": (("run", "points.csv", "-t", "area", "--split", "group=x"), '"x"'),
    "unknown missing": (("fit", "points.csv", "-t", "area", "--out", "n.kan", "--missing", "zero"), "zero"),
    "odd layers": (("fit", "points.csv", "-t", "area", "--out", "n.kan", "--hidden", "5,1,2"), "--hidden"),
    "no layers": (
        ("fit", "points.csv", "-t", "area", "--out", "n.kan", "--hidden", "0"),
        "at least one node",
    ),
    "odd share": (("fit", "points.csv", "-t", "area", "--out", "n.kan", "--test", "1.5"), "test=1.5"),
    "odd grid": (("fit", "points.csv", "-t", "area", "--out", "n.kan", "--grid", "0"), "grid"),
    "no steps": (("fit", "points.csv", "-t", "area", "--out", "n.kan", "--steps", "0"), "steps=0"),
    "existing model": (("fit", "points.csv", "-t", "area", "--out", "points.csv"), "--overwrite"),
    "no folder": (("fit", "points.csv", "-t", "area", "--out", "no/n.kan"), "no folder"),
    "existing answer": (("run", "points.csv", "-t", "area", "--out", "."), "--overwrite"),
    "existing figure": (("show", "m.kan", "--out", "points.csv"), "--overwrite"),
    "odd figure": (("show", "m.kan", "--out", "net.doc"), "use .svg"),
    "odd edge": (("show", "m.kan", "--edge", "0-1"), "layer.input.output"),
    "no such edge": (("show", "m.kan", "--edge", "0.7.0"), "no edge (0, 7, 0)"),
    "no such model": (("formula", "other.kan"), "no file other.kan"),
    "table as model": (("formula", "points.csv"), "points.csv"),
    "folder without model": (("show", "."), "neither law.kan nor network.kan"),
    "other columns": (("predict", "m.kan", "other.csv"), 'Missing: "radius", "height"'),
    "text to predict": (("predict", "m.kan", "texts.csv"), '"radius"'),
    "holes to predict": (("predict", "m.kan", "holes.csv"), '"radius" has no value'),
    "existing predictions": (("predict", "m.kan", "points.csv", "--out", "points.csv"), "--overwrite"),
    "choose of no run": (("choose", ".", "2", "--out", "new"), "law.json"),
    "choose what is not there": (("choose", "answer", "99", "--out", "new"), "no formula 99"),
    "choose into a full folder": (("choose", "answer", "1", "--out", "answer"), "--overwrite"),
    "error of nothing": (("run", "points.csv", "-t", "area", "--input-sigma", "0.1"), "names no column"),
    "error told twice": (
        ("run", "points.csv", "-t", "area", *(2 * ("--input-sigma", "radius=1%"))),
        'gives "radius" twice',
    ),
    "error that is none": (("run", "points.csv", "-t", "area", "--input-sigma", "radius=-1"), "not negative"),
    "another target": (("formula", "m.kan", "--table", "points.csv", "--target", "z"), '"z"'),
}


@pytest.mark.parametrize("case", BAD_CALLS)
def test_a_bad_call_is_one_sentence_with_a_remedy_and_nothing_is_written(made, tmp_path, case):
    arguments, told = BAD_CALLS[case]
    for name in ("points.csv", "m.kan"):
        (tmp_path / name).write_bytes((made[0] / name).read_bytes())
    shutil.copytree(made[0] / "answer", tmp_path / "answer")
    (tmp_path / "other.csv").write_text("mass,speed\n1,2\n")
    (tmp_path / "texts.csv").write_text("radius,height\nwide,2\n1,2\n")
    (tmp_path / "holes.csv").write_text("radius,height\n,2\n1,2\n")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    status, _, err = scikan(*arguments)
    assert status == 2
    assert re.search(r"^E\d{3}  ", err, re.MULTILINE) and "Fix: " in err and told in err
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_overwrite_replaces(made, tmp_path):
    (tmp_path / "net.svg").write_text("old")
    assert scikan("show", made[0] / "m.kan", "--out", "net.svg", "--overwrite")[0] == 0
    assert "<svg" in (tmp_path / "net.svg").read_text()


def test_debug_shows_the_trace():
    with pytest.raises(kn.TableError):
        scikan("run", "nowhere.csv", "-t", "y", "--debug")


def lorentz():
    m, v, c = RNG.uniform([[0.1], [0.0], [1.1]], [[1.0], [0.9], [2.0]], (3, 120))
    gamma = 1 / np.sqrt(1 - (v / c) ** 2)
    told = {"m [kg]": m, "v [m/s]": v, "c [m/s]": c, "beta": v / c, "gamma": gamma, "mass [kg]": m * gamma}
    return pd.DataFrame(told)


def test_other_forms_of_a_law_and_dimensionless_groups_are_told():
    lorentz().to_csv("mass.csv", index=False)
    status, out, _ = scikan("run", "mass.csv", "-t", "mass", "--out", "answer")
    assert status == 0
    assert "dimensionless groups of the columns: v/c" in out
    assert "mass = m*gamma" in out
    assert "the same on all rows: m/sqrt(1 - (v/c)**2)" in out
    answer = json.loads(Path("answer/law.json").read_text())
    assert answer["branches"] == ["m*gamma", "m/sqrt(1 - beta**2)", "m/sqrt(1 - (v/c)**2)"]
    assert answer["dimensionless_groups"] == ["v/c"]


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        (("a [kg]", "b [m/s2]", "y [N]"), None),
        (("a [s]", "b [m]", "y [m]"), "do not fit the law. The term b has the unit m, but a has s"),
        (("a [arb]", "b [m]", "y [m]"), '"arb" is no unit'),
    ],
)
def test_units_of_a_law_that_do_not_fit_are_a_note(columns, told):
    a, b = RNG.uniform(1, 3, (2, 60))
    x, z, y = columns
    rows = {x: a, z: b, y: a * b if told is None else a + b}
    pd.DataFrame(rows).to_csv("units.csv", index=False)
    status, out, _ = scikan("run", "units.csv", "-t", "y", "-q")
    assert status == 0
    note = [line for line in out.splitlines() if "units of the columns" in line]
    assert (not note) if told is None else told in note[0]


@pytest.mark.slow
def test_control_c_writes_the_best_formula_so_far_and_ends_with_status_130(tmp_path):
    x = RNG.uniform(1, 3, (90, 3))
    y = np.sin(3 * x[:, 0]) * x[:, 1] + np.exp(x[:, 2]) + RNG.normal(0, 0.05, 90)
    pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "y": y}).to_csv("long.csv", index=False)
    rest = interrupted_run(["run", "long.csv", "-t", "y", "--out", "answer"], "formulas by regression")
    assert "Interrupted. Best so far: y = " in rest
    answer = json.loads((tmp_path / "answer/law.json").read_text())
    assert answer["verdict"] == "none" and answer["best_so_far"]["formula"]
    assert answer["front"][0]["formula"] == answer["best_so_far"]["formula"] and answer["seed"] == 0


@pytest.fixture
def interrupted(tmp_path):
    """A folder as Ctrl-C leaves it: a formula that nothing but luck finds in two seconds is known already."""
    x = np.linspace(0.1, 4.0, 200)
    y = np.sin(3 * x**2) * np.exp(-np.sqrt(x)) / (1.3 + np.cos(2 * x))
    pd.DataFrame({"x": x, "y": y}).to_csv("odd.csv", index=False)
    truth = "sin(3.1*x**2)*exp(-sqrt(x))/(1.2 + cos(2*x))"
    (tmp_path / "answer").mkdir()
    digest = hashlib.sha256((tmp_path / "odd.csv").read_bytes()).hexdigest()
    known = {"formula": truth, "formula_fitted": truth}
    content = {"format": 1, "target": "y", "verdict": "none", "front": [known], "seed": 0, "hold_out": 0.4}
    (tmp_path / "answer/law.json").write_text(json.dumps(content | {"table": {"sha256": digest}}))
    return tmp_path / "answer/law.json"


def test_resume_tries_the_formulas_of_the_earlier_run_first(interrupted):
    run = ("run", "odd.csv", "-t", "y", "--minutes", "0.02", "--out", "answer", "--resume")
    status, out, _ = scikan(*run)
    assert status == 0 and "formulas of an earlier run are tried first" in out
    answer = json.loads(interrupted.read_text())
    assert answer["verdict"] == "law" and answer["front"][0]["origin"] == "earlier run"
    law, x = kn.load_law("answer"), np.linspace(0.1, 4.0, 50)
    assert np.allclose(law(x[:, None]), np.sin(3 * x**2) * np.exp(-np.sqrt(x)) / (1.3 + np.cos(2 * x)))
    assert answer["complexity"] < 30


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"seed": 1}, "another --seed"),
        ({"table": {"sha256": "0"}}, "another table"),
        ({"hold_out": 0.2}, "another --hold-out"),
        ({"target": "z"}, 'no answer for "y"'),
        ({"front": [{"formula": "__import__('os')", "formula_fitted": "x"}]}, "cannot be read"),
        ({"front": None}, "cannot be read"),
    ],
)
def test_resume_refuses_what_would_have_seen_the_rows_that_judge(interrupted, change, told):
    interrupted.write_text(json.dumps(json.loads(interrupted.read_text()) | change))
    before = interrupted.read_bytes()
    status, _, err = scikan("run", "odd.csv", "-t", "y", "--out", "answer", "--resume")
    assert status == 2 and told in err and "Fix: " in err
    assert interrupted.read_bytes() == before


def test_resume_without_a_folder_says_which_option_is_missing(made):
    status, _, err = scikan("run", made[0] / "points.csv", "-t", "area", "--resume")
    assert status == 2 and "add --out FOLDER" in err


def test_resume_without_an_earlier_answer_begins_anew(made):
    run = ("run", made[0] / "points.csv", "-t", "area", "--out", "new", "--resume", "--minutes", "0.1")
    status, out, _ = scikan(*run)
    assert status == 0 and "0 formulas of an earlier run" in out


def test_a_stop_that_a_library_swallowed_is_raised_at_the_next_line_of_progress():
    tell = teller(Console(quiet=True), quiet=True)
    tell("one")
    with pytest.raises(KeyboardInterrupt):
        stop(signal.SIGINT, None)
    with pytest.raises(KeyboardInterrupt):
        tell("two")
    tell("three")


@pytest.mark.parametrize("place", ["points.csv/answer", "/proc/answer"])
def test_a_folder_that_cannot_be_made_is_told_before_the_search(made, place):
    out = made[0] / place
    status, told, err = scikan("run", made[0] / "points.csv", "-t", "area", "--out", out)
    assert status == 2 and "cannot be made" in err and "held out" not in told


def test_names_in_quotes_may_hold_commas():
    assert names("a, b") == names("a ,b,") == ("a", "b")
    assert names('a, "b, c" ,d') == ("a", "b, c", "d")
    assert names('5" pipe,a\nb') == ('5" pipe', "a\nb")
    assert names(None) == names(" , ") == ()
