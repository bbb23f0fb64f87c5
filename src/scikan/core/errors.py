"""Errors that say what was wrong, where, and what to type next.

Every error of the package is a `KanError` with a stable code. Data errors are also `ValueError`s,
so that callers who know nothing of this package (scikit-learn's checks, a bare `except ValueError`)
treat them rightly.
"""

from typing import ClassVar


class KanError(Exception):
    """Base of all errors: one sentence for the fault, one line for the remedy.

    Args:
        what: the fault, with the values seen and where (column, row, file, layer, edge).
        fix: what to type or change next; shown on a line of its own.
    """

    code: ClassVar[str] = "E000"

    def __init__(self, what: str, *, fix: str = "") -> None:
        self.what = what
        self.fix = fix
        super().__init__(what, fix)

    def __str__(self) -> str:
        head = f"{self.code}  {self.what}"
        return f"{head}\n      Fix: {self.fix}" if self.fix else head

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.what, self.fix))


def _rebuild(kind: type[KanError], what: str, fix: str) -> KanError:
    return kind(what, fix=fix)


class TableError(KanError, ValueError):
    """A file that is no table, or a table that cannot be used as data."""

    code = "E100"


class ColumnError(TableError):
    """A column that is missing, misspelt, doubled, constant or of the wrong kind."""

    code = "E110"


class ShapeError(KanError, ValueError):
    """Arrays whose shapes do not fit each other or the model."""

    code = "E120"


class SettingError(KanError, ValueError):
    """An argument outside its allowed values."""

    code = "E130"


class UnitError(KanError, ValueError):
    """Text that is no unit, or a formula whose units do not fit."""

    code = "E140"


class TrainingError(KanError):
    """A fit that cannot start or go on."""

    code = "E200"


class FormulaError(KanError, ValueError):
    """Text that is no formula of ours."""

    code = "E300"


class UnknownFunctionError(FormulaError):
    """A function name that is not in the library."""

    code = "E305"


class NotSymbolicError(KanError):
    """A formula was asked of a network that still has spline edges."""

    code = "E310"


class CompileError(KanError):
    """An expression that cannot be written as a KAN."""

    code = "E320"


class ModelFileError(KanError):
    """A model file that is damaged, foreign or of a newer format."""

    code = "E400"
