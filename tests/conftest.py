"""Shared by all tests: double precision before anything numeric, one thread each, and the folder of shipped tables."""

import os
from pathlib import Path

import hypothesis
import pytest
import scipy.linalg  # noqa: F401 (its own BLAS, to be limited)
from threadpoolctl import threadpool_limits

import scikan.core.precision  # noqa: F401


# The same examples in every run: a failure in CI is a failure here.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.load_profile("repeatable")


# As many workers as cores: threads of each would wait for each other. Examples run in processes of their own.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
threadpool_limits(limits=1)


@pytest.fixture(scope="session")
def tables() -> Path:
    return Path(__file__).parent.parent / "examples" / "data"
