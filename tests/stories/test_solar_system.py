"""Kepler's third law from 54 real orbits, found by the command line."""

import json
import subprocess
import sys

import numpy as np


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
