"""README's Python code runs as it stands, and its commands are the ones that CI runs."""

import re
from pathlib import Path

import pytest


ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_two_commands_are_marked_for_ci():
    for name, must in (("run", "scikan run examples/data/solar_system.csv"), ("test", "pytest")):
        (command,) = re.findall(rf"<!-- {name} -->\s*```sh\n(.*?)```", README, re.S)
        assert must in command and command.startswith("python3 -m venv")


def test_links_lead_somewhere():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)|src=\"([^\"]+)\"", README):
        assert (ROOT / "".join(target)).exists(), target


@pytest.mark.slow
def test_the_python_code_runs(tmp_path, monkeypatch):
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    scope: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", README, re.S):
        exec(block, scope)
    assert scope["found"].verdict == "law"  # type: ignore[attr-defined]
    assert str(scope["motion"].laws[0]) == "p**2 - 2*cos(q)"  # type: ignore[attr-defined]
    assert str(scope["law"]) == "y = exp(sin(pi*x1) + x2**2)"
    assert (tmp_path / "model.kan").exists()
