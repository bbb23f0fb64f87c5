"""Text tables: which delimiter, which decimal sign, which lines are rows.

The lines are looked at first, so that a short row is refused by its line number instead of being filled
up in silence; pandas then cuts the good ones into cells.
"""

import csv
import io
import json
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from scikan.core.errors import SettingError, TableError
from scikan.files.columns import COMMA, POINT
from scikan.files.rawtable import RawTable, check_size, raw_table


SAMPLE = 1000
_DELIMITERS = {"\t": "tab", ";": "semicolon", "|": "bar", ",": "comma", " ": "whitespace"}
_SPELLINGS = {name: sign for sign, name in _DELIMITERS.items()} | {"\\t": "\t", "space": " ", "pipe": "|"}
_FOREIGN = {
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"%PDF": "a PDF document",
    b"PK\x03\x04": "a zip archive (or an Excel file under another name)",
    b"\x1f\x8b": "a gzip archive",
    b"PAR1": "a Parquet file under another name",
    b"\x89HDF": "an HDF5 file",
    b"\xd0\xcf\x11\xe0": "an old Excel or Office file",
}
# One token of a whitespace table: quoted text, a name with its unit, or anything without a space.
_TOKEN = re.compile(r'"[^"]*"|[^\s\["]+\s*\[[^\]]*\]|\S+')


def read_text(path: Path, delimiter: str | None = None, decimal: str | None = None) -> RawTable:
    """Return the table in a text file: comma, semicolon, tab, bar or whitespace between cells.

    Lines that start with `#` and blank lines are skipped. If the first row holds numbers, the last
    comment above it is taken as the header where it has as many words.

    Raises:
        TableError: empty, binary, or no table; or a row has another number of cells than the header.
        SettingError: a delimiter or decimal sign that cannot be.
    """
    where = path.name
    sign = _delimiter_given(delimiter)
    if decimal not in (None, ".", ",") or (sign == "," and decimal == ","):
        raise SettingError(
            f"decimal={decimal!r} with delimiter={delimiter!r} cannot be read.", fix='use decimal="." or ","'
        )
    lines = _decode(path).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if hint := re.fullmatch(r"sep=(.)", lines[0].strip("\n")):
        sign, lines[0] = sign or hint[1], ""
    numbers = [i + 1 for i, line in enumerate(lines) if _is_row(line)]
    if not numbers:
        raise TableError(f"{where} holds no table: it is empty.", fix="give a file with a header and rows")
    rows = [lines[i - 1] for i in numbers]
    _refuse_markup(rows, where)
    chosen = sign or _guess_delimiter(rows[:SAMPLE])
    if chosen is None:
        raise TableError(
            f'{where} has only one column ("{rows[0].strip():.60}"): no delimiter was found.',
            fix="separate columns by comma, semicolon, tab, bar or spaces; a law needs a target and an input",
        )
    if header := _commented_header(rows[0], lines[: numbers[0] - 1], chosen, where):
        rows, numbers = [header, *rows], [0, *numbers]
    return _cut(rows, numbers, chosen, decimal, where, given=sign is not None)


def _delimiter_given(delimiter: str | None) -> str | None:
    if delimiter is None:
        return None
    sign = _SPELLINGS.get(delimiter, delimiter)
    if len(sign) != 1 or sign.isalnum() or sign in "\"\n\r.+-#'":
        raise SettingError(
            f"delimiter={delimiter!r} cannot separate columns.",
            fix='use one of "," ";" "|" "tab" "whitespace"',
        )
    return sign


def _decode(path: Path) -> str:
    raw = path.read_bytes()
    for head, what in _FOREIGN.items():
        if raw.startswith(head):
            raise TableError(
                f"{path.name} is {what}, not a text table.", fix="export it as CSV, .xlsx or .parquet"
            )
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return raw.decode("utf-16", errors="replace")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    if re.search(r"[\x00-\x08\x0e-\x1b]", text):
        raise TableError(f"{path.name} is a binary file, not a text table.", fix="export it as CSV")
    return text


def _is_row(line: str) -> bool:
    stripped = line.strip(' \t,;|"')
    return bool(stripped) and not line.lstrip().startswith("#")


def _refuse_markup(rows: Sequence[str], where: str) -> None:
    first = rows[0].lstrip()
    kind = ""
    if first.startswith("{"):
        kind = "JSON"
    elif first.startswith("["):
        with suppress(ValueError):
            json.loads("\n".join(rows))
            kind = "JSON"
    elif first.startswith("<"):
        kind = "HTML or XML"
    if kind:
        raise TableError(f"{where} is {kind}, not a table of rows and columns.", fix="export it as CSV")


def _split(line: str, delimiter: str) -> list[str]:
    if delimiter == " ":
        return _TOKEN.findall(line)
    return next(csv.reader([line], delimiter=delimiter, skipinitialspace=True))


def _guess_delimiter(rows: Sequence[str]) -> str | None:
    """Return the sign for which most rows have as many cells as the header; None if it has one cell."""
    best, most = None, 0
    for delimiter in _DELIMITERS:
        counts = [len(_split(row, delimiter)) for row in rows]
        agreeing = counts.count(counts[0])
        if counts[0] > 1 and agreeing > most:
            best, most = delimiter, agreeing
    return best


def _commented_header(first: str, above: Sequence[str], delimiter: str, where: str) -> str | None:
    """Return the header hidden in a comment, None if the first row is a header."""
    cells = [cell.strip(' "') for cell in _split(first, delimiter)]
    if not all(POINT.fullmatch(cell) or COMMA.fullmatch(cell) for cell in cells):
        return None
    comments = [line.lstrip("# \t") for line in above if line.lstrip().startswith("#")]
    if comments and len(_split(comments[-1], delimiter)) == len(cells):
        return comments[-1]
    raise TableError(
        f"{where} has no header: its first row holds numbers ({first.strip():.60}).",
        fix="write the names of the columns into a first line",
    )


def _cut(
    rows: list[str], numbers: list[int], delimiter: str, decimal: str | None, where: str, *, given: bool
) -> RawTable:
    import pandas

    if delimiter == " ":
        rows, delimiter, sign = ["\t".join(_TOKEN.findall(row)) for row in rows], "\t", " "
    else:
        sign = delimiter
    starts, counts, header, n_header = _count(rows, delimiter, where, numbers)
    width = len(header)
    if width < 2:
        raise TableError(
            f'{where} has only one column ("{header[0]:.60}") with {_DELIMITERS.get(sign, repr(sign))} '
            "as the delimiter.",
            fix="leave the delimiter out to have it guessed" if given else "name it with --delimiter",
        )
    if np.any(wrong := counts != width):
        at = int(np.argmax(wrong))
        looks = "" if given or wrong.mean() <= 0.5 else f"{where} looks like no table: "
        raise TableError(
            f"{looks}Row {starts[at]} of {where} has {_cells(int(counts[at]))}, but the header has {width} "
            f"({_DELIMITERS.get(sign, repr(sign))} as the delimiter).",
            fix="correct this row, or name the delimiter with --delimiter (delimiter=)",
        )
    check_size(len(starts), width, where)
    try:
        frame = pandas.read_csv(
            io.StringIO("\n".join(rows[n_header:]) or "\n"),
            sep=delimiter, header=None, names=range(width), index_col=False,
            dtype=str, keep_default_na=False, na_filter=False, skipinitialspace=True,
        )  # fmt: skip
    except pandas.errors.ParserError as error:
        raise TableError(f"{where} cannot be cut into cells: {error}.", fix="check its quotes") from error
    cells = [frame[i].to_numpy(dtype=object) for i in range(width)]
    decimal = decimal or _guess_decimal(cells, delimiter)
    return raw_table(where, header, cells, starts, decimal=decimal)


def _cells(count: int) -> str:
    return f"{count} cell{'s' * (count != 1)}"


def _count(
    rows: Sequence[str], delimiter: str, where: str, numbers: Sequence[int]
) -> tuple[np.ndarray, np.ndarray, list[str], int]:
    """Return line number and number of cells of each data row, the header, and how many lines it takes."""
    quoted = any('"' in row for row in rows)
    if not quoted:
        counts = [row.count(delimiter) + 1 for row in rows[1:]]
        return np.array(numbers[1:], dtype=np.int64), np.array(counts), _split(rows[0], delimiter), 1
    reader = csv.reader((row + "\n" for row in rows), delimiter=delimiter, skipinitialspace=True)
    starts, counts = [], []
    try:
        header = next(reader)
        n_header = last = reader.line_num
        for record in reader:
            starts.append(numbers[last])
            counts.append(len(record))
            last = reader.line_num
    except csv.Error as error:
        at = numbers[min(reader.line_num, len(rows)) - 1]
        raise TableError(
            f"{where} cannot be cut into cells near row {at}: {error}.",
            fix="check its quotes",
        ) from error
    return np.array(starts, dtype=np.int64), np.array(counts, dtype=np.int64), header, n_header


def _guess_decimal(cells: Sequence[np.ndarray], delimiter: str) -> str:
    """Return "," if numbers are written with a comma and none with a point."""
    if delimiter == ",":
        return "."
    sample = [str(cell).strip() for column in cells for cell in column[:SAMPLE]]
    if any("." in cell and POINT.fullmatch(cell) for cell in sample):
        return "."
    return "," if any("," in cell and COMMA.fullmatch(cell) for cell in sample) else "."
