"""What a column holds: numbers, text, nothing, or numbers spoilt by a few texts."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from scikan.core.errors import ColumnError
from scikan.files.rawtable import RawTable


MISSING = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "none", "-", "--", "?"})
_INFINITE = {"inf": np.inf, "infinity": np.inf}
POINT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eEdD][+-]?\d+)?")
COMMA = re.compile(r"[+-]?(\d+,?\d*|,\d+)([eEdD][+-]?\d+)?")

Kind = Literal["number", "text", "mixed", "empty"]


@dataclass(frozen=True, eq=False)
class Column:
    """One column, read.

    Args:
        name: its name.
        values: `(rows,)` floats; NaN where the cell is missing or no number.
        missing: `(rows,)` whether the cell is missing.
        foreign: positions of the cells that are neither numbers nor missing.
        cells: the cells as they came.
    """

    name: str
    values: np.ndarray
    missing: np.ndarray
    foreign: tuple[int, ...]
    cells: np.ndarray

    @property
    def kind(self) -> Kind:
        """ "mixed" is a column of numbers with some text; mostly text is "text"."""
        n_numbers = len(self.values) - int(self.missing.sum()) - len(self.foreign)
        if not self.foreign:
            return "number" if n_numbers else "empty"
        return "mixed" if n_numbers > len(self.foreign) else "text"

    @cached_property
    def texts(self) -> tuple[str, ...]:
        return tuple("" if cell is None else str(cell).strip() for cell in self.cells)


def is_missing(text: str) -> bool:
    """Whether a cell's text, without spaces around it, says that there is no value."""
    return text.lower() in MISSING


def read_column(name: str, cells: np.ndarray, decimal: str = ".") -> Column:
    """Return the column of these cells.

    Numbers may have spaces around them, a Fortran exponent (1.5D+03) or a typographic minus. Empty cells
    and NA, N/A, nan, null, none, -, --, ? in any case are missing.

    Args:
        name: the column's name.
        cells: `(rows,)` floats, or objects (texts, numbers, None).
        decimal: "." or ",".
    """
    if cells.dtype.kind == "f":
        return Column(name, cells, np.isnan(cells), (), cells)
    if decimal == "." and (quick := _quick(cells)) is not None:
        return Column(name, quick, np.zeros(len(cells), dtype=bool), (), cells)
    values, missing, foreign = np.full(len(cells), np.nan), np.zeros(len(cells), dtype=bool), []
    for i, cell in enumerate(cells):
        value = _number(cell, decimal)
        if value is None:
            foreign.append(i)
        else:
            values[i], missing[i] = value, np.isnan(value)
    return Column(name, values, missing, tuple(foreign), cells)


def require_numbers(column: Column, raw: RawTable, role: str) -> None:
    """Check that the column holds numbers, some possibly missing, and no infinity.

    Raises:
        ColumnError: it holds text, nothing, or an infinite value; column, row and cell are named.
    """
    kind = column.kind
    if kind == "empty":
        raise ColumnError(
            f'Column "{column.name}" ({role}) of {raw.where} is empty.', fix="choose another column"
        )
    if kind in ("mixed", "text"):
        raise _foreign_cell(column, raw, role)
    infinite = np.flatnonzero(np.isinf(column.values))
    if infinite.size:
        raise ColumnError(
            f'Column "{column.name}" is infinite in {raw.at(infinite)}; KANs need finite numbers.',
            fix="correct the cell, or empty it and use --missing drop (missing='drop')",
        )


def _foreign_cell(column: Column, raw: RawTable, role: str) -> ColumnError:
    at = column.foreign[0]
    text, where = column.texts[at], raw.at(column.foreign[:1])
    others = len(column.foreign) - 1
    more = f" (and text in {others} more row{'s' * (others > 1)})" if others else ""
    what = f'Column "{column.name}" ({role}) holds the text "{text:.40}" in {where}{more}, not a number.'
    if raw.decimal == "." and COMMA.fullmatch(text):
        return ColumnError(
            what, fix="write it with a point, or read all commas so: --decimal ',' (decimal=',')"
        )
    if column.kind == "text" and role == "target":
        return ColumnError(what, fix="choose a column of numbers as the target")
    if column.kind == "text":
        return ColumnError(
            what, fix=f'encode it with --category "{column.name}" (category=), or leave it out'
        )
    # A column that the run is about cannot be left out.
    other = f', or leave it out with --ignore "{column.name}"' if role == "input" else ""
    return ColumnError(what, fix=f"correct or empty the cell{other}")


def encode(column: Column) -> tuple[Column, tuple[str, ...]]:
    """Return the column as codes 0, 1, ... of its sorted texts, and those texts."""
    by_text = dict(zip(column.texts, column.values, strict=True))
    present = sorted(text for text in by_text if not is_missing(text))
    # Numbers keep their own order: 2 before 10.
    order = tuple(present if column.foreign else sorted(present, key=by_text.__getitem__))
    return recode(column, order), order


def recode(column: Column, order: Sequence[str]) -> Column:
    """Return the column as positions in `order`; texts that are not in it stay foreign."""
    code = {text: float(i) for i, text in enumerate(order)}
    absent = _absent(column)
    values = np.array([code.get(text, np.nan) for text in column.texts])
    values[absent] = np.nan
    foreign = tuple(int(i) for i in np.flatnonzero(np.isnan(values) & ~absent))
    return Column(column.name, values, absent, foreign, column.cells)


def _absent(column: Column) -> np.ndarray:
    return np.array([is_missing(text) for text in column.texts], dtype=bool)


def _quick(cells: np.ndarray) -> np.ndarray | None:
    """Read plain numbers at NumPy's speed; None if there is anything else."""
    if any(isinstance(cell, str) and "_" in cell for cell in cells):
        return None  # Python reads "1_000" as a number; a table means a name.
    try:
        values = cells.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        return None
    return values if np.all(np.isfinite(values)) else None


def _number(cell: Any, decimal: str) -> float | None:
    """Return a cell's number, NaN if it is missing, None if it is text."""
    if not isinstance(cell, str):
        return _plain_number(cell)
    text = cell.strip().replace("\u2212", "-")
    lowered = text.lower()
    if is_missing(text):
        return float("nan")
    if (COMMA if decimal == "," else POINT).fullmatch(text):
        return float(lowered.replace(",", ".").replace("d", "e"))
    bare = lowered.lstrip("+-")
    if bare in _INFINITE:
        return -np.inf if lowered.startswith("-") else np.inf
    return None


def _plain_number(cell: Any) -> float | None:
    if cell is None or type(cell).__name__ in ("NAType", "NaTType"):
        return float("nan")
    try:
        return float(cell)
    except OverflowError:
        return float("inf")
    except (TypeError, ValueError):
        return None
