"""Missing cells and too few rows: dropped, filled or refused."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from scikan.core.errors import ColumnError, TableError
from scikan.core.names import quoted
from scikan.files.columns import Column
from scikan.files.draft import Draft


Missing = Literal["drop", "median"]


def with_holes_dropped(draft: Draft, missing: Missing | None) -> Draft:
    """Return the draft without the rows that must go; with "median", holes in inputs stay for later."""
    holed = [column for column in draft.numbers() if column.missing.any()]
    if not holed:
        return draft
    if missing is None:
        raise _holes(draft, holed)
    inputs = {column.name for column in draft.inputs}
    fatal = [column for column in holed if missing == "drop" or column.name not in inputs]
    gone = np.any([column.missing for column in fatal], axis=0) if fatal else np.zeros(len(draft.rows), bool)
    if gone.all():
        raise TableError(
            f"Every row of {draft.raw.where} has a missing value.",
            fix=f'leave out the emptiest column: --ignore "{_emptiest(holed)}"',
        )
    if not gone.any():
        return draft
    where = draft.raw.at(np.flatnonzero(gone))
    told = f"{gone.sum()} of {gone.size} rows were dropped for missing values ({where})."
    return _take_rows(draft, ~gone).tell(told)


def _emptiest(columns: Sequence[Column]) -> str:
    return max(columns, key=lambda column: int(column.missing.sum())).name


def _holes(draft: Draft, holed: Sequence[Column]) -> ColumnError:
    first = holed[0]
    at = np.flatnonzero(first.missing)
    values = f"{len(at)} missing value{'s' * (len(at) > 1)}"
    also = f" So have {quoted(column.name for column in holed[1:])}." if len(holed) > 1 else ""
    gone = int(np.any([column.missing for column in holed], axis=0).sum())
    return ColumnError(
        f'Column "{first.name}" has {values} ({draft.raw.at(at)}); KANs need numbers everywhere.{also}',
        fix=f"--missing drop (leaves out {gone} of {len(draft.rows)} rows) or --missing median (fills "
        'inputs); in Python missing="drop" or missing="median"',
    )


def _take_rows(draft: Draft, keep: np.ndarray) -> Draft:
    def cut(column: Column) -> Column:
        return Column(column.name, column.values[keep], column.missing[keep], (), column.cells[keep])

    return replace(
        draft,
        rows=draft.rows[keep],
        inputs=tuple(cut(column) for column in draft.inputs),
        targets=tuple(cut(column) for column in draft.targets),
        labels=tuple(cut(column) for column in draft.labels),
        sigma=None if draft.sigma is None else cut(draft.sigma),
        stated=tuple(cut(column) for column in draft.stated),
        groups=None if draft.groups is None else cut(draft.groups),
    )


def check_rows(draft: Draft) -> None:
    """Check that there are at least two rows more than inputs.

    Raises:
        TableError: there are not.
    """
    n, least = len(draft.rows), len(draft.inputs) + 2
    if n < least:
        raise TableError(
            f"{draft.raw.where} has {n} row{'s' * (n > 1)} for {len(draft.inputs)} "
            f"input{'s' * (len(draft.inputs) > 1)}; at least {least} are needed.",
            fix="add rows, or choose fewer inputs: --inputs NAME (inputs=)",
        )


def with_medians(draft: Draft, train: np.ndarray) -> Draft:
    """Return the draft with holes in its inputs filled by the median of the training rows."""
    filled = []
    for column in draft.inputs:
        if column.missing.any():
            # Held-out rows are read by nothing, not even by a median, unless nothing else is there.
            seen = column.values[train]
            seen = column.values if np.isnan(seen).all() else seen
            median = float(np.nanmedian(seen))
            count = int(column.missing.sum())
            draft = draft.tell(
                f'{count} missing value{"s" * (count > 1)} of "{column.name}" were filled with the median, '
                f"{median:g}."
            )
            values = np.where(column.missing, median, column.values)
            column = replace(column, values=values, missing=np.zeros_like(column.missing))
        filled.append(column)
    return replace(draft, inputs=tuple(filled))
