"""Several targets on the command line: a folder for each, and beside these what holds for all of them."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from interrupting import interrupted as interrupted_run
from typer.testing import CliRunner

import scikan as kn
from scikan.app.cli import app
from scikan.app.several import folder_names


RUNNER = CliRunner()
RNG = np.random.default_rng(0)
R, T = RNG.uniform(1.0, 2.0, 120), RNG.uniform(0.0, 1.5, 120)
ORBIT = pd.DataFrame({"r [m]": R, "t": T, "x [m]": R * np.cos(T), "y [m]": R * np.sin(T)})
MIXED = pd.DataFrame({"r [m]": R, "t": T, "a/b [m2]": R**2 * T, "A_B": RNG.normal(size=120), "p,q": R / T})
FIGURES = {f"{name}.{ending}" for name in ("law", "fit", "front", "features") for ending in ("svg", "png")}
ONE_LAW = {"law.json", "held-out.csv", "network.kan", "law.kan"} | FIGURES
TOGETHER = {"law.json", "law.kan", "law.svg", "law.png"}


def scikan(*arguments):
    done = RUNNER.invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    return done.exit_code, done.stdout, done.stderr


def in_a_process(*arguments):
    """Run a command as a user runs it."""
    return subprocess.run(
        (sys.executable, "-m", "scikan", *map(str, arguments)), capture_output=True, text=True
    )


def content(path):
    return json.loads(Path(path).read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def orbit(tmp_path_factory):
    """A table with two coordinates over the same columns, and the answer for both."""
    folder = tmp_path_factory.mktemp("orbit")
    ORBIT.to_csv(folder / "orbit.csv", index=False)
    run = ("run", folder / "orbit.csv", "-t", "x, y", "--out", folder / "answer", "--minutes", "0.4")
    return folder, in_a_process(*run)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """The answer for a law and for a column of noise, whose names differ by case alone where folders have them."""
    folder = tmp_path_factory.mktemp("mixed")
    MIXED.to_csv(folder / "mixed.csv", index=False)
    options = ("--inputs", "r,t", "--out", folder / "answer", "--minutes", "0.02", "-q")
    return folder, in_a_process("run", folder / "mixed.csv", "-t", "a/b,A_B", *options)


# --- two laws ---------------------------------------------------------------------------------------------


def test_two_coordinates_are_two_laws_with_a_folder_each(orbit):
    folder, done = orbit
    assert done.returncode == 0, done.stderr
    assert "orbit.csv: 120 rows, x, y from r, t" in done.stdout
    assert "x = r*cos(t)" in done.stdout and "y = r*sin(t)" in done.stdout
    assert "Together: law for x, y." in done.stdout and done.stdout.count("A law.") == 2
    assert {path.name for path in (folder / "answer").iterdir()} == TOGETHER | {"x", "y"}
    assert {path.name for path in (folder / "answer/x").iterdir()} == ONE_LAW
    assert {path.name for path in (folder / "answer/y").iterdir()} == ONE_LAW


def test_the_joint_law_json_holds_those_of_the_folders(orbit):
    answer = content(orbit[0] / "answer/law.json")
    assert (answer["format"], answer["verdict"], answer["reason"]) == (1, "law", "law for x, y.")
    assert answer["targets"] == ["x", "y"] and answer["folders"] == {"x": "x", "y": "y"}
    for target in ("x", "y"):
        own = content(orbit[0] / "answer" / target / "law.json")
        assert own == answer["answers"][target] and own["target"] == target
        assert own["verdict"] == "law" and set(own["names"]) == {"r", "t"}


def test_load_law_gives_one_law_and_the_model_is_one_network(orbit):
    folder, _ = orbit
    law, model = kn.load_law(folder / "answer"), kn.load(folder / "answer/law.kan")
    assert law.targets == model.targets == ("x", "y") and law.units == {"r": "m", "x": "m", "y": "m"}
    x = np.stack([R, T], 1)
    assert np.allclose(law(x), ORBIT[["x [m]", "y [m]"]], rtol=1e-12)
    assert np.allclose(model(x), law(x), rtol=1e-12)
    assert np.array_equal(law.domain, kn.load_law(folder / "answer/y").domain)


def test_predict_adds_a_column_for_each_target(orbit):
    pd.DataFrame({"t": [0.5, 1.0], "r": [1.5, 1.1]}).to_csv("new.csv", index=False)
    status, out, err = scikan("predict", orbit[0] / "answer", "new.csv")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "t,r,x_predicted,y_predicted"
    assert np.allclose(np.array(lines[1].split(","), float)[2:], 1.5 * np.array([np.cos(0.5), np.sin(0.5)]))


@pytest.mark.parametrize("language", ["numpy", "sympy", "c", "excel", "latex"])
def test_export_writes_all_formulas(orbit, language):
    status, out, err = scikan("export", orbit[0] / "answer", "--to", language)
    assert status == 0 and "Verdict: law: law for x, y." in out
    assert "Target x [m] as law_0" in out and "Target y [m] as law_1" in out
    assert "greatest relative error" in err or "Not run here" in err


def test_choose_works_in_the_folder_of_a_target_and_says_so_of_the_whole(orbit):
    folder, _ = orbit
    status, _, err = scikan("choose", folder / "answer", 1, "--out", "new")
    assert status == 2 and "holds the answers for 2 targets" in err
    assert f"scikan choose {folder / 'answer/x'} 1 --out NEW" in err and not Path("new").exists()
    assert scikan("choose", folder / "answer/x", 1, "--out", "new")[0] == 0
    assert kn.load_law("new").targets == ("x",)


def test_show_draws_the_joint_network(orbit, tmp_path):
    assert scikan("show", orbit[0] / "answer")[0] == 0
    assert (tmp_path / "answer.svg").stat().st_size > 1000


# --- a law and noise --------------------------------------------------------------------------------------


def test_noise_beside_a_law_is_an_approximation_that_holds_the_law_alone(mixed):
    folder, done = mixed
    assert done.returncode == 4, done.stderr
    assert "Together: law for a/b; none for A_B." in done.stdout
    assert done.stdout.index("Target a/b") < done.stdout.index("A law.") < done.stdout.index("Target A_B")
    answer = content(folder / "answer/law.json")
    assert answer["verdict"] == "approximation" and answer["answers"]["A_B"]["formula"] is None
    assert answer["folders"] == {"a/b": "a_b", "A_B": "A_B-2"}
    assert {path.name for path in (folder / "answer/A_B-2").iterdir()} == ONE_LAW - {"law.kan"}
    assert kn.load_law(folder / "answer").text() == "`a/b` = r**2*t"
    assert kn.load(folder / "answer/law.kan").targets == ("a/b",)


def test_what_has_no_formula_is_named_where_the_law_is_used(mixed):
    folder, _ = mixed
    status, out, err = scikan("predict", folder / "answer", folder / "mixed.csv")
    assert status == 0 and out.splitlines()[0].endswith(",a/b_predicted")
    assert err == "note: A_B has no formula; it is left out.\n"
    status, out, err = scikan("export", folder / "answer/law.json", "--to", "numpy")
    assert status == 0 and "approximation: law for a/b; none for A_B." in out and "A_B has no formula" in err


def test_an_answer_with_no_formula_at_all_says_where_the_networks_are(mixed, tmp_path):
    answer = content(mixed[0] / "answer/law.json")
    none = answer["answers"]["A_B"]
    answer |= {"verdict": "none", "reason": "none for a/b, A_B.", "answers": {"a/b": none, "A_B": none}}
    (tmp_path / "law.json").write_text(json.dumps(answer))
    with pytest.raises(
        kn.ModelFileError, match=r"no law \(verdict 'none': none for a/b, A_B.*\n.*folders of its"
    ):
        kn.load_law(tmp_path)


@pytest.mark.parametrize(
    "answers",
    ["[]", '"x"', '{"y": 1}', '{"y": {"formula": "1"}}', '{"y": {"formula": "open(x)", "names": {}}}'],
)
def test_load_law_refuses_what_is_no_answer_for_several_targets(tmp_path, answers):
    (tmp_path / "law.json").write_text(f'{{"format": 1, "answers": {answers}}}')
    with pytest.raises(kn.ModelFileError, match="is no law that can be read"):
        kn.load_law(tmp_path)


# --- names of targets -------------------------------------------------------------------------------------


def test_a_column_whose_name_holds_the_comma_is_one_target(mixed):
    status, out, _ = scikan(
        "run", mixed[0] / "mixed.csv", "-t", "p,q", "--inputs", "r,t", "--minutes", "0.02"
    )
    assert status == 0 and "p,q = r/t" in out and "Together" not in out


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("x,zz", 'There is no column "zz" (target)'),
        (",", "No target is named"),
        ("x,r", '"r" is both the target and an input'),
    ],
)
def test_a_wrong_target_is_one_sentence_and_nothing_is_written(tmp_path, target, told):
    ORBIT.to_csv("orbit.csv", index=False)
    status, _, err = scikan("run", "orbit.csv", "-t", target, "--inputs", "r,t", "--out", "new")
    assert status == 2 and told in err and "Fix: " in err
    assert {path.name for path in tmp_path.iterdir()} == {"orbit.csv"}


def test_a_target_named_twice_is_one_target():
    MIXED.to_csv("mixed.csv", index=False)
    done = in_a_process(
        "run", "mixed.csv", "-t", "a/b,a/b [m2]", "--inputs", "r,t", "-q", "--minutes", "0.02"
    )
    assert done.returncode == 0 and "Together" not in done.stdout


def test_folders_have_safe_names_of_their_own():
    targets = ["x", "X", "x-2", "../../etc", "law.json", "con", "temp K", "λ", "a" * 300, "a" * 300 + "b"]
    folders = folder_names(targets)
    assert list(folders) == targets and list(folders.values()) == [
        *("x", "X-2", "x-2-2", "______etc", "law_json", "con-2", "temp_K", "λ", "a" * 60, "a" * 60 + "-2")
    ]


# --- Ctrl-C -----------------------------------------------------------------------------------------------


def test_control_c_writes_the_answers_that_are_there(tmp_path):
    hard = np.sin(3 * R) * T + np.exp(T) / R + RNG.normal(0.0, 0.05, 120)
    table = pd.DataFrame({"r": R, "t": T, "a": R**2 * T, "b": hard, "c": hard + R})
    table.to_csv("long.csv", index=False)
    rest = interrupted_run(["run", "long.csv", "-t", "a,b,c", "--out", "answer"], "target 2 of 3")
    assert "Interrupted." in rest and "    c: no formula yet" in rest
    answer = content("answer/law.json")
    assert answer["verdict"] == "approximation" and answer["reason"] == "law for a; none for b, c."
    assert [answer["answers"][target]["verdict"] for target in "abc"] == ["law", "none", "none"]
    assert answer["answers"]["b"]["reason"] == "interrupted before the verdict"
    assert {path.name for path in Path("answer").iterdir()} == TOGETHER | {"a", "b", "c"}
    assert [path.name for path in Path("answer/c").iterdir()] == ["law.json"]
    assert kn.load_law("answer").text() == "a = r**2*t"
