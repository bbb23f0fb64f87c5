"""Which rows are held out: at random, or whole groups at a time."""

import numpy as np
from jaxtyping import Int64

from scikan.core.errors import SettingError
from scikan.core.names import Number


TwoSides = tuple[Int64[np.ndarray, " train"], Int64[np.ndarray, " test"]]


def split_rows(
    rows: int, test: Number, key: int, groups: Int64[np.ndarray, " rows"] | None = None
) -> TwoSides:
    """Return the indices of training and held-out rows, each in ascending order.

    Args:
        rows: number of rows.
        test: share to hold out, in [0, 1); any positive share holds out at least one row or group.
        key: seed of the draw.
        groups: `(rows,)` labels; rows with one label stay together, and the share is met as nearly as
            whole groups, taken in random order, allow.

    Raises:
        SettingError: `test` is no share, `key` is negative, or there are too few rows or groups.
    """
    if not 0 <= test < 1:
        raise SettingError(
            f"test={test} is no share of the rows to hold out.",
            fix="use a number from 0 (nothing) to below 1, such as test=0.2",
        )
    if key < 0:
        raise SettingError(f"key={key} is no seed.", fix="use an integer from 0 on")
    if test == 0:
        return np.arange(rows), np.arange(0)
    rng = np.random.default_rng(key)
    if groups is None:
        order = rng.permutation(rows)
        n_test = min(max(round(test * rows), 1), rows - 1)
        return np.sort(order[n_test:]), np.sort(order[:n_test])
    labels, codes, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if len(labels) < 2:
        raise SettingError(
            f"All {rows} rows are in one group, so none can be held out.",
            fix="use another group column, or test=0",
        )
    order = rng.permutation(len(labels))
    shares = np.cumsum(sizes[order]) / rows
    n_test = int(np.argmin(np.abs(shares[:-1] - test))) + 1
    held = np.isin(codes, order[:n_test])
    return np.flatnonzero(~held), np.flatnonzero(held)
