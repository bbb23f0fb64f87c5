"""`read_table`: a table as people have it becomes a `Dataset`, or a sentence says why not.

The order of events: raw cells (`sources.py`), roles of the columns by name, what the columns hold
(`columns.py`), what is set aside (`draft.py`), missing cells (`gaps.py`), the split. Whatever is left out
is told in `notices`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from scikan.core.dataset import Dataset
from scikan.core.errors import ColumnError, SettingError
from scikan.core.names import Number, Units, quoted
from scikan.core.splitting import split_rows
from scikan.files.columns import read_column, recode, require_numbers
from scikan.files.draft import Draft, Roles, find_roles, first_draft, without_constants
from scikan.files.gaps import Missing, check_rows, with_holes_dropped, with_medians
from scikan.files.sources import load
from scikan.files.spreads import input_sigma as spreads_of


def read_table(
    source: Any,
    target: str | Sequence[str],
    *,
    inputs: str | Sequence[str] | None = None,
    ignore: str | Sequence[str] = (),
    sigma: str | None = None,
    input_sigma: Mapping[str, float | str] | None = None,
    group: str | None = None,
    time: str | None = None,
    missing: Missing | None = None,
    category: str | Sequence[str] = (),
    delimiter: str | None = None,
    decimal: str | None = None,
    sheet: str | None = None,
    test: Number = 0.2,
    key: int = 0,
) -> Dataset:
    """Return the `Dataset` in a table.

    Names may carry a unit in square brackets, `mass [kg]`; columns may be named with or without it. Rows
    in messages are counted as the user sees them: lines of a text file, rows of a sheet, positions from 0
    in a DataFrame. Text columns and constant inputs are set aside with a notice; text is kept as labels.

    Args:
        source: path of a CSV, TSV, whitespace, `.xlsx` or `.parquet` file, a pandas DataFrame, or
            anything with `.to_pandas()`.
        target: column (or columns) to explain.
        inputs: columns to explain it by; default all that have no other role.
        ignore: columns to leave out.
        sigma: column with the standard deviation of the target's error, in the target's unit.
        input_sigma: standard deviations of the inputs' errors, by input: a number in the input's unit, a share of
            each value such as "2%", or a column that holds them.
        group: column whose equal entries are never split apart.
        time: column of times (numbers or ISO dates): rows are split in ten blocks of time. A numeric one
            stays an input unless ignored.
        missing: "drop" leaves out rows with missing cells; "median" fills inputs with the median of the
            training rows and drops rows without target. Default: missing cells are an error.
        category: text columns to encode as 0, 1, ... in sorted order.
        delimiter: "," ";" "|" "tab" or "whitespace"; default guessed.
        decimal: "." or ","; default guessed.
        sheet: sheet of an Excel file; default the first.
        test: share of rows to hold out, 0 for none.
        key: seed of the split.

    Raises:
        TableError: no file, no table, too few rows, too large, or cells missing.
        ColumnError: a column is unknown, doubled, constant, or holds text where numbers are due.
        SettingError: an argument outside its allowed values.

    Example:
        data = read_table("pendulum.csv", target="period", test=0.2, key=0)
    """
    if missing not in (None, "drop", "median"):
        raise SettingError(f"missing={missing!r} is unknown.", fix='use missing="drop" or missing="median"')
    raw = load(source, delimiter=delimiter, decimal=decimal, sheet=sheet)
    roles = find_roles(raw, target, inputs, ignore, category, sigma, group, time, input_sigma or {})
    draft = without_constants(first_draft(raw, roles), roles)
    draft = without_constants(with_holes_dropped(draft, missing), roles)
    check_rows(draft)
    groups = None if draft.groups is None else draft.groups.values.astype(np.int64)
    train, held = split_rows(len(draft.rows), test, key, groups)
    draft = with_medians(draft, train)
    return _finish(draft, roles, train, held, groups)


def read_rows(
    source: Any,
    names: Sequence[str],
    *,
    categories: Mapping[str, Sequence[str]] | None = None,
    delimiter: str | None = None,
    decimal: str | None = None,
    sheet: str | None = None,
) -> np.ndarray:
    """Return the named columns of a table, for a prediction: float64 of shape `(rows, len(names))`.

    Args:
        source: as in `read_table`.
        names: the input columns of the model, in its order; further columns of the table are not read.
        categories: texts by code for encoded columns (`dict(data.categories)`).
        delimiter, decimal, sheet: as in `read_table`.

    Raises:
        ColumnError: a column is not there, or holds text, missing or infinite cells.
        TableError: no file or no table.
    """
    raw = load(source, delimiter=delimiter, decimal=decimal, sheet=sheet)
    known = {*raw.names, *raw.headers}
    if lacking := [name for name in names if name not in known]:
        extra = [name for name in raw.names if name not in names]
        raise ColumnError(
            f"{raw.where} has {len(raw.names)} columns, the model was trained on {len(names)}: "
            f"{quoted(names)}. Missing: {quoted(lacking)}. Extra: {quoted(extra) or 'none'}.",
            fix=f"rename or add the missing column{'s' * (len(lacking) > 1)}",
        )
    columns = []
    for name in names:
        column = read_column(name, raw.column(raw.resolve(name, "input")), raw.decimal)
        if categories and name in categories:
            column = recode(column, categories[name])
        require_numbers(column, raw, "input")
        if column.missing.any():
            raise ColumnError(
                f'Column "{name}" has no value in {raw.at(np.flatnonzero(column.missing))}.',
                fix="fill these cells, or delete the rows",
            )
        columns.append(column.values)
    return np.stack(columns, axis=1)


def _finish(
    draft: Draft, roles: Roles, train: np.ndarray, held: np.ndarray, groups: np.ndarray | None
) -> Dataset:
    names = tuple(column.name for column in draft.inputs)
    targets = tuple(column.name for column in draft.targets)
    used = {*names, *targets}
    columns = {column.name: column.values for column in draft.inputs}
    stated = {column.name: column.values for column in draft.stated}
    return Dataset(
        x=np.stack([column.values for column in draft.inputs], axis=1),
        y=np.stack([column.values for column in draft.targets], axis=1),
        weight=np.ones(len(draft.rows)),
        sigma=None if draft.sigma is None else draft.sigma.values,
        input_sigma=spreads_of(columns, roles.spreads, stated),
        train=train,
        test=held,
        names=names,
        targets=targets,
        units=Units({name: unit for name, unit in draft.raw.units.items() if name in used}),
        labels=tuple((column.name, column.texts) for column in draft.labels),
        categories=tuple(entry for entry in draft.categories if entry[0] in used),
        groups=groups,
        notices=draft.notices,
    )
