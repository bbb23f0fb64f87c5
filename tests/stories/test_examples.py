"""The examples run as they stand."""

import subprocess
import sys
from pathlib import Path

import pytest


EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.py"))


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda p: p.stem)
def test_an_example_runs(example, tmp_path):
    figure = tmp_path / "figure.png"
    command = [sys.executable, str(example), str(figure)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "savefig" not in example.read_text(encoding="utf-8") or figure.stat().st_size > 5000
