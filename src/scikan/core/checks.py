"""Checks that turn whatever a caller hands over into finite float64 arrays, or say what is wrong where.

Each returns the checked array. Rows are counted from 0 here, as NumPy counts them; a table read from a
file is checked earlier, in the file's own row numbers.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from scikan.core.errors import ColumnError, SettingError, ShapeError, TableError
from scikan.core.names import check_names, numbered_names


TwoSides = tuple[Int64[np.ndarray, " train"], Int64[np.ndarray, " test"]]


def check_matrix(x: Any, names: Sequence[str] | None = None) -> Float64[np.ndarray, "rows columns"]:
    """Return `x` as finite float64 of shape `(rows, columns)`, at least two rows and one column.

    Args:
        x: anything two-dimensional that NumPy can read.
        names: names of the columns, for messages; default x1, x2, ...

    Raises:
        ShapeError: not two-dimensional, or another number of columns than names.
        ColumnError: a cell is text or complex.
        TableError: a cell is missing or infinite, or there are fewer than two rows.
    """
    array = _read(x, "x")
    if array.ndim != 2:
        raise ShapeError(
            f"x must have two dimensions (rows, columns), it has shape {array.shape}.",
            fix="use x.reshape(-1, 1) for one column, x.toarray() for a sparse matrix",
        )
    if array.shape[1] == 0:
        raise ShapeError(f"x has no columns (shape {array.shape}).", fix="give at least one column")
    if names is not None and len(names) != array.shape[1]:
        raise ShapeError(
            f"x has {array.shape[1]} columns, but {len(names)} names are given: {', '.join(names)}.",
            fix="give one name for each column",
        )
    return _finite(array, names or numbered_names("x", array.shape[1]))


def check_target(y: Any, targets: Sequence[str] | None = None) -> Float64[np.ndarray, "rows outputs"]:
    """Return `y` as finite float64 of shape `(rows, outputs)`; `(rows,)` becomes one output.

    Args:
        y: `(rows,)` or `(rows, outputs)`, anything that NumPy can read.
        targets: names of the outputs, for messages; default y, or y1, y2, ...

    Raises:
        ShapeError: neither one- nor two-dimensional, or another number of columns than names.
        ColumnError: a cell is text or complex.
        TableError: a cell is missing or infinite, or there are fewer than two rows.
    """
    array = _read(y, "y")
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or array.shape[1] == 0:
        raise ShapeError(
            f"y must have shape (rows,) or (rows, outputs), it has {array.shape}.",
            fix="give one target value for each row",
        )
    if targets is not None and len(targets) != array.shape[1]:
        raise ShapeError(
            f"y has {array.shape[1]} columns, but {len(targets)} names are given: {', '.join(targets)}.",
            fix="give one name for each target",
        )
    return _finite(array, targets or numbered_names("y", array.shape[1]))


def check_same_rows(x: np.ndarray, y: np.ndarray) -> None:
    """Check that inputs and targets have equally many rows.

    Raises:
        ShapeError: they have not.
    """
    if len(x) != len(y):
        raise ShapeError(
            f"x has {len(x)} rows and y has {len(y)}.", fix="give one row of y for each row of x"
        )


def check_weight(weight: Any, rows: int) -> Float64[np.ndarray, " rows"]:
    """Return row weights: finite, none negative, not all zero.

    Raises:
        ShapeError: not one weight a row.
        TableError: a weight is negative, missing or infinite, or all are zero.
    """
    array = _one_a_row(weight, rows, "weight")
    if np.any(array < 0):
        at = int(np.argmax(array < 0))
        raise TableError(f"weight is negative in row {at} ({array[at]:g}).", fix="use weights >= 0")
    if not np.any(array > 0):
        raise TableError("All weights are zero, so no row counts.", fix="give some rows a positive weight")
    return array


def check_sigma(sigma: Any, rows: int) -> Float64[np.ndarray, " rows"]:
    """Return standard deviations of y: finite and positive.

    Raises:
        ShapeError: not one value a row.
        TableError: a value is zero, negative, missing or infinite.
    """
    array = _one_a_row(sigma, rows, "sigma")
    if np.any(array <= 0):
        at = int(np.argmax(array <= 0))
        raise TableError(
            f"sigma is {array[at]:g} in row {at}; a measurement error is positive.",
            fix="give each row its standard deviation, or leave sigma out",
        )
    return array


def check_input_sigma(sigma: Any, names: Sequence[str], rows: int) -> Float64[np.ndarray, "rows columns"]:
    """Return standard deviations of x: finite and not negative; one for each column counts for all its rows.

    Raises:
        ShapeError: neither one value a column nor one a cell.
        ColumnError: text or complex numbers.
        TableError: a value is negative, missing or infinite.
    """
    array = _read(sigma, "input_sigma")
    if array.shape not in ((len(names),), (rows, len(names))):
        raise ShapeError(
            f"input_sigma has shape {array.shape} for {rows} rows of {len(names)} columns.",
            fix="give one standard deviation for each column, 0 where it is exact, or one for each cell",
        )
    array = _finite(np.broadcast_to(array, (rows, len(names))), names)
    if np.any(array < 0):
        row, column = (int(i) for i in np.argwhere(array < 0)[0])
        raise TableError(
            f'input_sigma of "{names[column]}" is {array[row, column]:g} in row {row}; errors are not negative.',
            fix="give standard deviations, 0 where a column is exact",
        )
    return array


def check_groups(groups: Any, rows: int) -> Int64[np.ndarray, " rows"]:
    """Return group labels, numbers or texts, as integers; integers stay as they are.

    Raises:
        ShapeError: not one label a row.
    """
    array = np.asarray(groups)
    if array.shape != (rows,):
        raise ShapeError(
            f"groups has shape {array.shape} for {rows} rows.", fix="give one group label for each row"
        )
    if array.dtype.kind in "iu":
        return array.astype(np.int64, copy=False)
    labels = array.astype(str) if array.dtype.kind == "O" else array
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)


def check_partition(train: Any, test: Any, rows: int) -> TwoSides:
    """Return training and held-out row indices: in range, each row at most once, some for training.

    Raises:
        ShapeError: an index is out of range or used twice, or no row is left for training.
    """
    parts = [np.asarray(part) for part in (train, test)]
    if any(part.ndim != 1 or (part.size and part.dtype.kind not in "iu") for part in parts):
        raise ShapeError("train and test must be lists of row indices.", fix="use integer arrays")
    both = np.concatenate([part.astype(np.int64) for part in parts])
    if both.size and not (both.min() >= 0 and both.max() < rows):
        raise ShapeError(
            f"train and test name rows {both.min()} to {both.max()} of {rows} rows.",
            fix=f"use indices from 0 to {rows - 1}",
        )
    found, counts = np.unique(both, return_counts=True)
    if np.any(counts > 1):
        raise ShapeError(
            f"Row {found[np.argmax(counts > 1)]} stands twice in train and test.",
            fix="give each row to one side, once",
        )
    if not parts[0].size:
        raise ShapeError("No row is left for training.", fix="leave some rows out of test")
    return parts[0].astype(np.int64, copy=False), parts[1].astype(np.int64, copy=False)


def check_rows(x: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Return raw columns `(rows, columns)` that are finite everywhere, of any number of rows.

    Raises:
        TableError: a value is missing or infinite.
    """
    if not (finite := np.isfinite(x)).all():
        row, column = (int(i) for i in np.argwhere(~finite)[0])
        raise TableError(
            f'Column "{names[column]}" is {x[row, column]} in row {row}; KANs need numbers everywhere.',
            fix="drop these rows: keep = np.isfinite(x).all(axis=1)",
        )
    return x


def check_network(
    names: Sequence[str],
    targets: Sequence[str],
    counts: tuple[int | None, int | None],
    domain: np.ndarray,
    dtype: Any,
) -> None:
    """Check names, first domain and floating type of a network; `counts` are of inputs and outputs, None behind a map.

    Raises:
        SettingError: the domain is empty, reversed or not finite, or the type is neither float32 nor float64.
        ShapeError: another number of names than nodes.
        ColumnError: a name is empty or doubled.
    """
    if np.dtype(dtype) not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise SettingError(f"A KAN cannot hold {np.dtype(dtype)}.", fix="use dtype=np.float64 or np.float32")
    bad = ~(np.isfinite(domain).all(axis=1) & (domain[:, 0] < domain[:, 1]))
    if bad.any():
        low, high = domain[np.argmax(bad)]
        raise SettingError(
            f"The domain ({low}, {high}) holds no grid.", fix="use domain=(low, high) with low < high"
        )
    for what, given, count in (("names", names, counts[0]), ("targets", targets, counts[1])):
        check_names(given)
        if count is not None and len(given) != count:
            raise ShapeError(
                f"{len(given)} {what} ({', '.join(given)}) for {count} nodes.", fix="give one name for each"
            )


def _one_a_row(values: Any, rows: int, name: str) -> Float64[np.ndarray, " rows"]:
    array = _read(values, name)
    if array.shape == (rows, 1):
        array = array[:, 0]
    if array.shape != (rows,):
        raise ShapeError(
            f"{name} has shape {array.shape} for {rows} rows.", fix=f"give one {name} for each row"
        )
    return _finite(array[:, None], (name,))[:, 0]


def _read(values: Any, name: str) -> np.ndarray:
    if np.ma.isMaskedArray(values):
        # np.asarray would hand over what lies under the mask.
        values = np.ma.filled(np.ma.asarray(values, dtype=np.float64), np.nan)
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise ShapeError(
            f"{name} is no rectangular array: its rows have different lengths.",
            fix="give each row the same number of values",
        ) from error
    if array.dtype.kind == "c":
        raise ColumnError(
            f"{name} holds complex numbers ({array.dtype}); KANs need real ones.",
            fix=f"use {name}.real and {name}.imag as two columns",
        )
    return array


def _finite(array: np.ndarray, names: Sequence[str]) -> Float64[np.ndarray, "rows columns"]:
    if len(array) < 2:
        raise TableError(
            f'There are {len(array)} rows ("{names[0]}"); a law needs at least two.', fix="give more rows"
        )
    numbers = array if array.dtype.kind in "fiub" else _from_objects(array, names)
    with np.errstate(over="ignore"):
        numbers = numbers.astype(np.float64, copy=False)
    # The sum is finite for nearly every good table and needs no second array of flags.
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(numbers.sum()):
            return numbers
    bad = ~np.isfinite(numbers)
    if bad.any():
        column = int(np.argmax(bad.any(axis=0)))
        rows = np.flatnonzero(bad[:, column])
        value = numbers[rows[0], column]
        kind = "missing (NaN)" if np.isnan(value) else f"infinite ({value})"
        others = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
        raise TableError(
            f'Column "{names[column]}" is {kind} in row {rows[0]}{others}; KANs need numbers everywhere.',
            fix="drop these rows or fill them in: keep = np.isfinite(x).all(axis=1)",
        )
    return numbers


def _from_objects(array: np.ndarray, names: Sequence[str]) -> Float64[np.ndarray, "rows columns"]:
    """Read an array of objects cell by cell: numbers and None pass, text does not."""
    numbers = np.empty(array.shape, dtype=np.float64)
    for (row, column), cell in np.ndenumerate(array):
        try:
            if isinstance(cell, str | bytes):
                raise ValueError(cell)
            numbers[row, column] = np.nan if cell is None else float(cell)
        except (TypeError, ValueError) as error:
            raise ColumnError(
                f'Column "{names[column]}" holds {cell!r} in row {row}, which is no number.',
                fix="turn it into numbers (x.astype(float)), or encode text as numbers",
            ) from error
    return numbers
