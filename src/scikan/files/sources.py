"""Where tables come from: text, Excel and Parquet files, and data frames."""

import importlib
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from scikan.core.errors import ColumnError, SettingError, TableError
from scikan.core.names import nearest, quoted
from scikan.files.rawtable import RawTable, check_size, raw_table
from scikan.files.text import read_text


MOST_BYTES = 4 * 1024**3
_EXCEL = (".xlsx", ".xlsm")
_PARQUET = (".parquet", ".pq")


def load(
    source: Any, *, delimiter: str | None = None, decimal: str | None = None, sheet: str | None = None
) -> RawTable:
    """Return the raw cells of a file (by its suffix; text if unknown) or of a data frame.

    Raises:
        TableError: the file is missing, too large, no table, or needs a package that is not installed.
        SettingError: an option that this kind of source has no use for.
    """
    if not isinstance(source, str | os.PathLike):
        _refuse(delimiter=delimiter, decimal=decimal, sheet=sheet)
        return _read_frame(source)
    path = Path(source)
    _check_file(path)
    suffix = path.suffix.lower()
    if suffix in _EXCEL:
        _refuse(delimiter=delimiter, decimal=decimal)
        return _read_excel(path, sheet)
    _refuse(sheet=sheet)
    if suffix in _PARQUET:
        _refuse(delimiter=delimiter, decimal=decimal)
        return _read_parquet(path)
    return read_text(path, delimiter, decimal)


def _refuse(**options: str | None) -> None:
    for name, value in options.items():
        if value is not None:
            raise SettingError(
                f"{name}={value!r} means nothing for this kind of table.", fix=f"leave {name} out"
            )


def _check_file(path: Path) -> None:
    if not path.exists():
        try:
            beside = [entry.name for entry in path.parent.iterdir() if entry.is_file()][:1000]
        except OSError:
            beside = []
        hint = nearest(path.name, beside) if beside else ""
        raise TableError(
            f"There is no file {path}.", fix=hint if hint.startswith("did") else "check the path and the name"
        )
    if path.is_dir():
        raise TableError(f"{path} is a folder, not a file.", fix="name the table inside it")
    if path.stat().st_size > MOST_BYTES:
        raise TableError(
            f"{path.name} has {path.stat().st_size:,} bytes, more than {MOST_BYTES:,}.",
            fix="take a sample of the rows",
        )
    if not os.access(path, os.R_OK):
        raise TableError(f"{path} may not be read by you.", fix="change its permissions")


def _extra(package: str, extra: str, where: str) -> Any:
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise TableError(
            f"{where} needs the package {package}, which is not installed.",
            fix=f'pip install "scikan[{extra}]", or export the table as CSV',
        ) from error


def _read_excel(path: Path, sheet: str | None) -> RawTable:
    openpyxl = _extra("openpyxl", "excel", path.name)
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except (zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
        raise TableError(f"{path.name} is no Excel workbook.", fix="save it anew as .xlsx or CSV") from error
    try:
        sheets = list(book.sheetnames)
        if sheet is not None and sheet not in sheets:
            raise TableError(
                f'There is no sheet "{sheet}" in {path.name}; it has {quoted(sheets)}.',
                fix=nearest(sheet, sheets),
            )
        chosen = sheet or sheets[0]
        rows = [tuple(row) for row in book[chosen].iter_rows(values_only=True)]
    finally:
        book.close()
    others = [name for name in sheets if name != chosen]
    told = () if sheet or not others else (
        f'The sheet "{chosen}" was read; choose {quoted(others)} with --sheet (sheet=).',
    )  # fmt: skip
    return _from_rows(rows, path.name, told)


def _from_rows(rows: list[tuple[Any, ...]], where: str, notices: tuple[str, ...]) -> RawTable:
    """Return the table in rows of a sheet: comments may stand above its header, blank rows anywhere."""
    filled = [i for i, row in enumerate(rows) if any(cell not in (None, "") for cell in row)]
    while filled and str(next(cell for cell in rows[filled[0]] if cell not in (None, ""))).startswith("#"):
        filled.pop(0)
    if not filled:
        raise TableError(f"{where} holds no table: the sheet is empty.", fix="choose another: --sheet NAME")
    width = max(max(j for j, cell in enumerate(rows[i]) if cell not in (None, "")) for i in filled) + 1
    check_size(len(filled), width, where)
    headers = ["" if cell is None else str(cell) for cell in rows[filled[0]][:width]]
    headers += [""] * (width - len(headers))
    if all(not isinstance(cell, str) for cell in rows[filled[0]]):
        raise TableError(
            f"{where} has no header: its first row holds {', '.join(headers)}.",
            fix="write the names of the columns into a first row",
        )
    cells = [np.empty(len(filled) - 1, dtype=object) for _ in range(width)]
    for at, i in enumerate(filled[1:]):
        for j in range(width):
            cells[j][at] = rows[i][j] if j < len(rows[i]) else None
    return raw_table(where, headers, cells, np.array(filled[1:], dtype=np.int64) + 1, notices=notices)


def _read_parquet(path: Path) -> RawTable:
    import pandas

    _extra("pyarrow", "parquet", path.name)
    try:
        frame = pandas.read_parquet(path, engine="pyarrow")
    except (ValueError, OSError) as error:
        raise TableError(f"{path.name} is no Parquet file: {error}.", fix="write it as CSV") from error
    return _from_frame(frame, path.name)


def _read_frame(source: Any) -> RawTable:
    import pandas

    frame = source.to_pandas() if hasattr(source, "to_pandas") else source
    if not isinstance(frame, pandas.DataFrame):
        raise TableError(
            f"A table is a path or a DataFrame, not {type(source).__name__}.",
            fix="use Dataset.from_arrays(x, y) for arrays",
        )
    return _from_frame(frame, "the DataFrame")


def _from_frame(frame: Any, where: str) -> RawTable:
    check_size(len(frame), frame.shape[1], where)
    headers = [str(name) for name in frame.columns]
    cells = [_series_cells(frame.iloc[:, i], headers[i], where) for i in range(len(headers))]
    return raw_table(where, headers, cells, np.arange(len(frame)))


def _series_cells(series: Any, name: str, where: str) -> np.ndarray:
    kind = getattr(series.dtype, "kind", "O")
    if kind == "c":
        raise ColumnError(
            f'Column "{name}" of {where} holds complex numbers; KANs need real ones.',
            fix="use the real and the imaginary part as two columns",
        )
    if kind in "fiub":
        numbers: np.ndarray = series.to_numpy(dtype=np.float64, na_value=np.nan)
        return numbers
    return np.asarray(series.to_numpy(dtype=object))
