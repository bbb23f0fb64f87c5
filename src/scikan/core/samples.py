"""Points of a box, and rows of a table that stand for all."""

from typing import Any

import numpy as np
from jaxtyping import Float, Int


def box_samples(domain: Any, count: int) -> Float[np.ndarray, "count columns"]:
    """Return points drawn evenly from a box, always the same; `domain` is (columns, 2): lowest and highest."""
    ends = np.asarray(domain, float)
    return np.asarray(
        ends[:, 0] + (ends[:, 1] - ends[:, 0]) * np.random.default_rng(0).uniform(size=(count, len(ends)))
    )


def evenly(rows: int, most: int) -> Int[np.ndarray, " few"]:
    """Return the numbers of at most `most` of so many rows, from the first to the last at even steps."""
    return np.unique(np.linspace(0, rows - 1, min(most, rows)).round().astype(int))
