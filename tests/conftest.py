"""Shared by all tests: double precision before anything numeric, and the folder of shipped tables."""

from pathlib import Path

import pytest

import scikan.core.precision  # noqa: F401


@pytest.fixture(scope="session")
def tables() -> Path:
    return Path(__file__).parent.parent / "examples" / "data"
