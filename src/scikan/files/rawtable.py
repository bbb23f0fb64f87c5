"""`RawTable`: named columns of unread cells, whatever file or frame they came from.

It knows under which number the user sees each row (line of a text file, row of a sheet, position in a
DataFrame), so that messages point at the right place. What the cells mean is decided in `columns.py`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from scikan.core.errors import ColumnError, TableError
from scikan.core.names import Units, nearest, quoted


MOST_CELLS = 200_000_000
MOST_SHOWN = 5
# Only square brackets announce a unit: round ones stand in names such as log(Re).
_UNIT = re.compile(r"^(?P<name>.*\S)\s*\[(?P<unit>[^\[\]]*)\]$", re.DOTALL)


@dataclass(frozen=True, eq=False)
class RawTable:
    """Columns of cells with names, units and row numbers.

    Args:
        where: how a message names the table ("points.csv").
        names: column names without units.
        headers: column names as the file writes them.
        units: unit by name.
        cells: for each column `(rows,)` floats, or objects (texts, numbers, None).
        numbers: `(rows,)` the number under which the user knows each row.
        decimal: "." or ",".
        notices: what the reader should tell the user.
    """

    where: str
    names: tuple[str, ...]
    headers: tuple[str, ...]
    units: Units
    cells: tuple[np.ndarray, ...]
    numbers: np.ndarray
    decimal: str = "."
    notices: tuple[str, ...] = field(default=())

    @property
    def n_rows(self) -> int:
        return len(self.numbers)

    def column(self, name: str) -> np.ndarray:
        return self.cells[self.names.index(name)]

    def resolve(self, name: str, role: str) -> str:
        """Return the column's name, given with or without its unit.

        Raises:
            ColumnError: there is no such column; the remedy names the nearest.
        """
        if name in self.names:
            return name
        if name in self.headers:
            return self.names[self.headers.index(name)]
        raise ColumnError(
            f'There is no column "{name}" ({role}) in {self.where}; it has {quoted(self.names)}.',
            fix=nearest(name, self.names),
        )

    def at(self, rows: Sequence[int] | np.ndarray) -> str:
        """Return "row 17 of points.csv" or "rows 17, 230, 231 of points.csv" for row positions."""
        shown = ", ".join(str(self.numbers[i]) for i in rows[:MOST_SHOWN])
        more = f" and {len(rows) - MOST_SHOWN} more" if len(rows) > MOST_SHOWN else ""
        return f"row{'s' if len(rows) > 1 else ''} {shown}{more} of {self.where}"


def check_size(rows: int, columns: int, where: str) -> None:
    """Refuse a table with more cells than fit in memory comfortably.

    Raises:
        TableError: more than 200 million cells.
    """
    if rows * columns > MOST_CELLS:
        raise TableError(
            f"{where} has {rows:,} rows and {columns:,} columns, more than {MOST_CELLS:,} cells.",
            fix="take a sample of the rows, or only the columns you need",
        )


def raw_table(
    where: str,
    headers: Sequence[str],
    cells: Sequence[np.ndarray],
    numbers: np.ndarray,
    *,
    decimal: str = ".",
    notices: Sequence[str] = (),
) -> RawTable:
    """Return the table of these columns after a look at its header.

    Empty columns without a name (the trace of a closing delimiter) are dropped; an unnamed first column
    that only counts rows (as a DataFrame's index is written) is dropped with a notice.

    Raises:
        ColumnError: a column has no name, or two have the same.
        TableError: no rows, or a single column.
    """
    kept, told = [], list(notices)
    for at, header in enumerate(headers):
        if header.strip():
            kept.append(at)
        elif _counts_rows(cells[at]) and at == 0 and len(numbers):
            told.append("Column 1 has no name and only counts rows; it was set aside.")
        elif any(cell not in ("", None) for cell in cells[at]):
            raise ColumnError(
                f"Column {at + 1} of {where} has no name.",
                fix="write a name into the header, or delete the column",
            )
    headers = tuple(headers[at].strip() for at in kept)
    _check_headers(headers, where)
    if not len(numbers):
        raise TableError(f"{where} has a header ({quoted(headers)}) but no rows.", fix="add rows of numbers")
    names, units = _names_and_units(headers)
    return RawTable(
        where, names, headers, Units(units), tuple(cells[at] for at in kept), numbers, decimal, tuple(told)
    )


def _check_headers(headers: Sequence[str], where: str) -> None:
    for at, header in enumerate(headers):
        if header in headers[:at]:
            raise ColumnError(
                f'{where} has two columns named "{header}": {headers.index(header) + 1} and {at + 1}.',
                fix="rename one of them in the header",
            )
    if len(headers) < 2:
        found = f' ("{headers[0]:.60}")' if headers else ""
        raise TableError(
            f"{where} has only one column{found}; a law needs a target and at least one input.",
            fix="add an input column, or name the delimiter: --delimiter ';' (delimiter=';')",
        )


def _counts_rows(cells: np.ndarray) -> bool:
    try:
        values = cells.astype(np.float64)
    except (TypeError, ValueError):
        return False
    return bool(np.all(np.diff(values) == 1))


def _names_and_units(headers: Sequence[str]) -> tuple[tuple[str, ...], Mapping[str, str]]:
    found = [_UNIT.match(header) for header in headers]
    bare = [match["name"] if match else header for match, header in zip(found, headers, strict=True)]
    names, units = [], {}
    for match, name, header in zip(found, bare, headers, strict=True):
        # "T [K]" beside "T [degC]": only the full header tells them apart.
        unique = name if bare.count(name) == 1 else header
        names.append(unique)
        if match and match["unit"].strip():
            units[unique] = match["unit"].strip()
    return tuple(names), units
