"""Points of a box, and rows of a table that stand for all."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Float64, Int

from scikan.core.errors import SettingError


def box_samples(domain: Any, count: int) -> Float[np.ndarray, "count columns"]:
    """Return points drawn evenly from a box, always the same; `domain` is (columns, 2): lowest and highest."""
    ends = np.asarray(domain, float)
    return np.asarray(
        ends[:, 0] + (ends[:, 1] - ends[:, 0]) * np.random.default_rng(0).uniform(size=(count, len(ends)))
    )


def evenly(rows: int, most: int) -> Int[np.ndarray, " few"]:
    """Return the numbers of at most `most` of so many rows, from the first to the last at even steps."""
    return np.unique(np.linspace(0, rows - 1, min(most, rows)).round().astype(int))


def ends_of_box(
    ranges: Sequence[Any], n_inputs: int
) -> tuple[Float64[np.ndarray, " inputs"], Float64[np.ndarray, " inputs"]]:
    """Return lowest and highest values of a box; `ranges` is `(low, high)` for all inputs, or one pair for each.

    Raises:
        SettingError: another number of pairs than inputs, or a pair without points between.
    """
    box = np.asarray(ranges, dtype=np.float64)
    box = np.tile(box, (n_inputs, 1)) if box.ndim == 1 else box
    if box.shape != (n_inputs, 2) or not np.all(np.isfinite(box)) or np.any(box[:, 0] >= box[:, 1]):
        raise SettingError(
            f"ranges={ranges} gives no box for {n_inputs} inputs.",
            fix="use one pair (low, high) with low < high, or one pair for each input",
        )
    return box[:, 0], box[:, 1]
