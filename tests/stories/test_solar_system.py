"""Kepler's third law from 54 real orbits, by Python and by the command line."""

import json
import subprocess
import sys

import numpy as np

import scikan as kn
from scikan.core.expr import symbols


def test_kepler_is_found_and_decoys_are_dropped(tables):
    found = kn.discover(kn.read_table(tables / "solar_system.csv", target="period"))
    assert found.verdict == "law"
    assert symbols(found.law.expression) == ("semi_major_axis", "central_mass")
    x = np.asarray([[1.0e6, 1.0e25, 1.0, 0.0, 0.0], [4.0e6, 4.0e25, 9.0, 0.5, 9.0]])
    first, second = found.law(x)
    assert second / first == 4.0
    np.testing.assert_allclose(found.model(x)[:, 0], found.law(x), rtol=1e-12)


def test_the_command_line_writes_the_answer(tables, tmp_path):
    out = tmp_path / "answer"
    command = [
        sys.executable,
        "-m",
        "scikan.app.cli",
        "run",
        str(tables / "solar_system.csv"),
        "--target",
        "period",
        "--out",
        str(out),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    answer = json.loads((out / "law.json").read_text())
    assert answer["verdict"] == "law"
    assert answer["variables"] == ["semi_major_axis", "central_mass"]
    exponents = {c["text"]: c for c in answer["constants"] if c["snapped"]}
    for text, truth in (("3/2", 1.5), ("-1/2", -0.5)):
        assert abs(exponents[text]["fitted"] - truth) <= 3 * exponents[text]["error"]
        assert exponents[text]["value"] == truth
    scores = answer["scores"]
    assert scores["protocol"] == "5-fold cross-validation"
    assert scores["law"]["r2"] > 0.9999 and scores["law"]["rows"] == 54
    assert scores["law"]["rmse"] < min(scores[name]["rmse"] for name in ("network", "linear", "boosting"))
    assert np.isfinite(answer["seconds"])
