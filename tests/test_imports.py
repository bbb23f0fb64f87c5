"""The import is light, and the public surface is the curated one."""

import subprocess
import sys

import pytest

import scikan as kn


HEAVY = ("jax", "sympy", "pandas", "sklearn", "matplotlib", "scipy")


@pytest.mark.parametrize("command", ["import scikan", "from scikan.app.cli import app"])
def test_import_brings_no_heavy_library(command):
    code = f"import sys\n{command}\nprint([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_help_brings_no_heavy_library():
    code = (
        "import sys\nfrom scikan.app.cli import app\n"
        "try:\n    app(['--help'])\nexcept SystemExit:\n    pass\n"
        f"assert not [m for m in {HEAVY!r} if m in sys.modules]"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "run" in done.stdout


@pytest.mark.parametrize("name", kn.__all__)
def test_every_public_name_is_there_and_documented(name):
    thing = getattr(kn, name)
    assert name == "LIBRARY" or thing.__doc__


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'fitt'"):
        kn.fitt
