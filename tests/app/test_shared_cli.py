"""One law for several experiments as a command: what is printed, what is written, and bad calls."""

import io
import json
import os
import re

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import scikan as kn
from scikan.app.cli import app


RUNNER = CliRunner()
RNG = np.random.default_rng(0)
BATHS = {"ice": 273.0, "room": 293.0, "steam": 373.0}
AMOUNT, VOLUME = RNG.uniform(1, 3, 75), RNG.uniform(1, 4, 75)
BATH = np.repeat(list(BATHS), 25)
GAS = pd.DataFrame(
    {
        "bath": BATH,
        "amount [mol]": AMOUNT,
        "volume [m3]": VOLUME,
        "pressure [Pa]": AMOUNT * np.array([8.0 * BATHS[b] for b in BATH]) / VOLUME,
    }
)


def scikan(*arguments):
    done = RUNNER.invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gas")
    GAS.to_csv(folder / "gas.csv", index=False)
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))
    run = ("run", folder / "gas.csv", "-t", "pressure", "--constants-by", "bath", "--minutes", "0.05")
    told = scikan(*run, "--out", folder / "answer")
    if before is None:
        del os.environ["XDG_CACHE_HOME"]
    else:
        os.environ["XDG_CACHE_HOME"] = before
    return folder, told


def test_the_law_is_printed_with_a_constant_for_each_experiment(made):
    _, (status, out, _) = made
    assert status == 0 and "A law." in out
    assert "pressure = amount*c1/volume" in out
    assert re.search(r"^bath +c1$", out, re.MULTILINE)
    for name, kelvin in BATHS.items():
        assert re.search(rf"^{name} +{8 * kelvin:.0f} \+-", out, re.MULTILINE)


def test_the_folder_holds_the_law_its_constants_and_figures(made):
    folder = made[0] / "answer"
    pictures = {f"{name}.{ending}" for name in ("law", "fit") for ending in ("svg", "png")}
    assert {path.name for path in folder.iterdir()} == {"law.json", "law.kan", "constants.csv"} | pictures
    answer = json.loads((folder / "law.json").read_text())
    assert answer["constants_by"] == "bath" and answer["parameters"] == ["c1"]
    assert answer["experiments"]["ice"]["c1"]["value"] == pytest.approx(8.0 * 273.0)
    constants = pd.read_csv(folder / "constants.csv")
    assert list(constants["bath"]) == list(BATHS) and list(constants) == ["bath", "c1", "c1_error"]
    law, network = kn.load_law(folder), kn.load(folder / "law.kan")
    rows = np.column_stack([AMOUNT, VOLUME, [8.0 * BATHS[b] for b in BATH]])
    assert law.names == ("amount", "volume", "c1")
    assert np.allclose(law(rows), GAS["pressure [Pa]"]) and np.allclose(network(rows)[:, 0], law(rows))


def predicted(made, tmp_path, columns):
    pd.DataFrame(columns).to_csv(tmp_path / "rows.csv", index=False)
    return scikan("predict", made[0] / "answer", tmp_path / "rows.csv")


def test_predict_looks_up_the_constants_of_each_rows_experiment(made, tmp_path):
    plain = {"amount": [1.0, 2.0, 3.0], "volume": [2.0, 2.0, 2.0]}
    status, out, _ = predicted(made, tmp_path, plain | {"bath": ["steam", "ice", "steam"]})
    assert status == 0
    told = pd.read_csv(io.StringIO(out))
    assert np.allclose(told["pressure_predicted"], 8.0 * np.array([373.0, 273.0 * 2, 373.0 * 3]) / 2.0)
    status, out, _ = predicted(made, tmp_path, plain | {"c1": [1.0, 2.0, 3.0]})
    assert np.allclose(pd.read_csv(io.StringIO(out))["pressure_predicted"], [0.5, 2.0, 4.5])


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"bath": ["ice", "steem"]}, 'Row 2: the law knows no bath "steem". Fix: did you mean "steam"?'),
        ({}, 'no column "bath", which tells the experiment of each row'),
    ],
)
def test_predict_says_which_experiment_it_does_not_know(made, tmp_path, columns, told):
    status, _, err = predicted(made, tmp_path, {"amount": [1.0, 2.0], "volume": [2.0, 2.0]} | columns)
    assert status == 2 and told in " ".join(err.split()) and "c1" in err


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("--constants-by", "tub"), '"tub"'),
        (("--constants-by", "bath", "--group", "bath"), "--constants-by already"),
    ],
)
def test_bad_calls_are_sentences(made, tmp_path, monkeypatch, more, told):
    monkeypatch.chdir(tmp_path)
    status, _, err = scikan("run", made[0] / "gas.csv", "-t", "pressure", "--out", "new", *more)
    assert status == 2 and re.search(r"^E\d{3}  ", err, re.MULTILINE) and "Fix: " in err and told in err
    assert not list(tmp_path.iterdir())
