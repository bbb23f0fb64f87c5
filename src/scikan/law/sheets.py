"""A law as a spreadsheet formula, and a small reader that computes such formulas the way a spreadsheet does.

The reader exists to prove what is exported: it takes the text alone, reads numbers to 15 digits, binds a sign
tighter than `^`, and knows the functions that laws need. It runs nothing but its own arithmetic.
"""

import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from scikan.core.errors import FormulaError, SettingError


LONGEST_FORMULA = 8192
"""Characters that a cell may hold."""

_TOKEN = re.compile(r"\s*([0-9]+\.?[0-9]*(?:E[+-]?[0-9]+)?|[A-Z]+[0-9]+(?![0-9(])|[A-Z][A-Z0-9]*|[-+*/^(),])")
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "ABS": np.abs,
    "ACOS": np.arccos,
    "ASIN": np.arcsin,
    "ATAN": np.arctan,
    "ATANH": np.arctanh,
    "COS": np.cos,
    "COSH": np.cosh,
    "EXP": np.exp,
    "LN": np.log,
    "POWER": np.power,
    "SIGN": np.sign,
    "SIN": np.sin,
    "SINH": np.sinh,
    "SQRT": np.sqrt,
    "TAN": np.tan,
    "TANH": np.tanh,
}


def cell_names(count: int, row: int = 2) -> list[str]:
    """Return the names of the first cells of a row: A2, B2, ..., Z2, AA2, ..."""
    return [f"{_letters(j)}{row}" for j in range(count)]


def _letters(j: int) -> str:
    return (_letters(j // 26 - 1) if j >= 26 else "") + chr(ord("A") + j % 26)


def compute(formula: str, cells: Mapping[str, Any]) -> Any:
    """Return the value of a spreadsheet formula, elementwise.

    Args:
        formula: text that begins with `=`.
        cells: arrays of shape `(N,)` by cell name.

    Raises:
        FormulaError: the text is no formula, or uses a function or a cell that is not known.
    """
    if not formula.startswith("=") or len(formula) > LONGEST_FORMULA:
        raise FormulaError(
            f"{formula[:40]!r} is no formula of at most {LONGEST_FORMULA} characters.",
            fix="Export the law's parts one by one.",
        )
    reader = _Reader(_tokens(formula[1:]), cells)
    with np.errstate(all="ignore"):
        value = reader.sum()
    if reader.tokens:
        raise FormulaError(
            f"{reader.tokens[-1]!r} does not belong in {formula[:60]!r}.", fix="Export it again."
        )
    return value


def _tokens(text: str) -> list[str]:
    """Return the tokens in reverse, so that the next one is popped from the end."""
    tokens, at = [], 0
    while at < len(text.rstrip()):
        match = _TOKEN.match(text, at)
        if match is None:
            raise FormulaError(f"{text[at]!r} does not belong in a formula.", fix="Export the law again.")
        tokens.append(match[1])
        at = match.end()
    return tokens[::-1]


class _Reader:
    """Reads sums of products of powers of signed operands, in a spreadsheet's order of precedence."""

    def __init__(self, tokens: list[str], cells: Mapping[str, Any]) -> None:
        self.tokens, self.cells = tokens, cells

    def next(self) -> str:
        return self.tokens[-1] if self.tokens else ""

    def take(self, wanted: str = "") -> str:
        token = self.tokens.pop() if self.tokens else ""
        if not token or (wanted and token != wanted):
            raise FormulaError(
                f"{wanted or 'An operand'} is missing before {token!r}.", fix="Export the law again."
            )
        return token

    def sum(self) -> Any:
        value = self.product()
        while self.next() in ("+", "-"):
            value = value + self.product() if self.take() == "+" else value - self.product()
        return value

    def product(self) -> Any:
        value = self.power()
        while self.next() in ("*", "/"):
            value = value * self.power() if self.take() == "*" else value / self.power()
        return value

    def power(self) -> Any:
        value = self.signed()
        while self.next() == "^":
            self.take()
            value = np.power(value, self.signed())
        return value

    def signed(self) -> Any:
        if self.next() in ("+", "-"):
            return self.signed() if self.take() == "+" else -self.signed()
        return self.operand()

    def operand(self) -> Any:
        token = self.take()
        if token == "(":
            value = self.sum()
            self.take(")")
            return value
        if token[0].isdigit():
            return np.float64(f"{float(token):.15g}")
        if token in self.cells:
            return self.cells[token]
        arguments = self.arguments()
        if token == "PI" and not arguments:
            return np.float64(math.pi)
        if token not in _FUNCTIONS:
            raise FormulaError(f"Unknown name {token!r} in a formula.", fix="Export the law again.")
        return _FUNCTIONS[token](*arguments)

    def arguments(self) -> list[Any]:
        self.take("(")
        values = []
        while self.next() != ")":
            values.append(self.sum())
            if self.next() != ")":
                self.take(",")
        self.take(")")
        return values


def write_workbook(
    path: str | os.PathLike[str],
    header: Sequence[str],
    names: Sequence[str],
    formulas: Mapping[str, Callable[[int], str]],
    rows: np.ndarray,
    expected: np.ndarray,
) -> None:
    """Write an .xlsx file: the columns, the formulas beside them, and what they should give.

    Args:
        path: the file.
        header: lines of a second sheet that says what the law is.
        names: the input columns.
        formulas: for each target the formula of a row's number.
        rows: sampled rows, `(N, inputs)`.
        expected: the law's values there, `(N, targets)`.

    Raises:
        SettingError: openpyxl is not installed.
    """
    try:
        from openpyxl import Workbook
    except ImportError:
        raise SettingError(
            "Writing .xlsx needs openpyxl.", fix="pip install 'scikan[excel]', or export to a text file."
        ) from None
    book = Workbook()
    sheet = book.active
    _plain_row(sheet, 1, [*names, *formulas, *(f"{target} (law)" for target in formulas)])
    for i, (inputs, values) in enumerate(zip(rows, expected, strict=True), start=2):
        for j, value in enumerate(inputs, start=1):
            sheet.cell(i, j, float(value))
        for j, formula in enumerate(formulas.values(), start=len(names) + 1):
            sheet.cell(i, j, formula(i))
        for j, value in enumerate(values, start=len(names) + len(formulas) + 1):
            sheet.cell(i, j, float(value) if math.isfinite(value) else "undefined")
    about = book.create_sheet("about")
    for i, line in enumerate(header, start=1):
        _plain_row(about, i, [line])
    book.save(path)


def _plain_row(sheet: Any, row: int, texts: Sequence[str]) -> None:
    """Write texts as texts: a column named `=1+1` is no formula."""
    for j, text in enumerate(texts, start=1):
        cell = sheet.cell(row, j)
        cell.value = text
        cell.data_type = "s"
