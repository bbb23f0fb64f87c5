"""Shared by all tests: double precision before anything numeric, and the folder of shipped tables."""

from pathlib import Path

import hypothesis
import pytest

import scikan.core.precision  # noqa: F401


# The same examples in every run: a failure in CI is a failure here.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def tables() -> Path:
    return Path(__file__).parent.parent / "examples" / "data"
