"""Measurement errors of input columns, as people state them: a number, a share of each value, or a column."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from scikan.core.errors import SettingError
from scikan.files.rawtable import RawTable


@dataclass(frozen=True)
class Spread:
    """The standard deviation of a column: `size`, or that share of each value, or what another column says."""

    size: float = 0.0
    is_share: bool = False
    column: str | None = None

    def values(self, of: np.ndarray, stated: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the standard deviations of a column's values, `(rows,)`; `stated` are columns of errors by name."""
        if self.column is not None:
            return stated[self.column]
        return self.size * (np.abs(of) if self.is_share else np.ones_like(of))


def read_spreads(raw: RawTable, given: Mapping[str, float | str]) -> dict[str, Spread]:
    """Return spreads by column: of `0.05`, `"2%"`, or the name of a column of errors.

    Raises:
        ColumnError: an unknown column.
        SettingError: a negative or infinite error.
    """
    return {raw.resolve(name, "input_sigma"): _spread(raw, name, value) for name, value in given.items()}


def _spread(raw: RawTable, name: str, given: float | str) -> Spread:
    text = str(given).strip()
    if text in raw.names or text in raw.headers:
        return Spread(column=raw.resolve(text, "input_sigma"))
    is_share = text.endswith("%")
    try:
        size = float(text.removesuffix("%")) / (100.0 if is_share else 1.0)
    except ValueError:
        return Spread(column=raw.resolve(text, "input_sigma"))
    if not (np.isfinite(size) and size >= 0):
        raise SettingError(
            f'The error of "{name}" is {text}; a standard deviation is not negative.',
            fix="write a number in the column's unit, a share such as 2%, or a column of errors.",
        )
    return Spread(size, is_share)


def input_sigma(
    columns: Mapping[str, np.ndarray], spreads: Mapping[str, Spread], stated: Mapping[str, np.ndarray]
) -> np.ndarray | None:
    """Return the standard deviations of all inputs, `(rows, inputs)`; None if none has errors."""
    if spreads.keys().isdisjoint(columns):
        return None
    exact = Spread()
    return np.column_stack(
        [spreads.get(name, exact).values(values, stated) for name, values in columns.items()]
    )
