"""What `predict` does: rows of a table through a network or a law, a column for each target beside them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape

from scikan.app.commands import Options, one_network
from scikan.app.faces import LAW, consoles, tell_unexplained
from scikan.app.output import check_file, write_file
from scikan.core.errors import ColumnError, SettingError
from scikan.core.expr import symbols
from scikan.core.names import nearest
from scikan.files.sources import load as load_cells
from scikan.files.table import read_rows
from scikan.law.answers import load_answer, load_law
from scikan.law.record import Law


@dataclass(frozen=True)
class _Predictor:
    """The columns that are needed, the targets, the columns' ranges, and the function of rows `(N, columns)`."""

    names: tuple[str, ...]
    targets: tuple[str, ...]
    domain: np.ndarray | None
    function: Callable[[np.ndarray], Any]


def predict_table(path: Path, table: Path, options: Options, *, out: Path | None, overwrite: bool) -> int:
    """Write a table's columns with a prediction for every row beside them."""
    _, aside = consoles()
    if out is not None:
        check_file(out, overwrite)
    predictor = _predictor(path, table, options)
    tell_unexplained(aside, path)
    rows = read_rows(table, predictor.names, **options)
    with np.errstate(all="ignore"):
        predictions = np.asarray(predictor.function(rows), float).reshape(len(rows), -1)
    _warn_outside(aside, rows, predictor.names, predictor.domain)
    undefined = int((~np.isfinite(predictions)).any(axis=1).sum())
    if undefined:
        aside.print(
            f"W602  {undefined} of {len(rows)} rows have no prediction (undefined there); their cells are empty."
        )
    text = _with_predictions(table, options, predictor.targets, predictions)
    if out is None:
        print(text, end="")
    else:
        write_file(out, lambda place: _write_text(place, text))
        aside.print(f"written: {out}", style="dim")
    return LAW


def _predictor(path: Path, table: Path, options: Options) -> _Predictor:
    if not (path.is_dir() or path.suffix == ".json"):
        model = one_network(path)
        return _Predictor(model.names, model.targets, np.asarray(model.domain, float), model)
    law, answer = load_law(path), load_answer(path)
    used = set().union(*(symbols(expr) for expr in law.expressions))
    own = _own_constants(law, answer, table, options)
    at = [n for n, name in enumerate(law.names) if name in used and name not in own]
    names = tuple(law.names[n] for n in at)
    domain = None if law.domain is None else law.domain[at]
    return _Predictor(
        names, law.targets, domain, lambda rows: law(dict(zip(names, rows.T, strict=True)) | own)
    )


def _own_constants(law: Law, answer: dict[str, Any], table: Path, options: Options) -> dict[str, np.ndarray]:
    """Return the constants of each row's experiment, of a law for several; none if the table holds them itself.

    Raises:
        ColumnError: the table does not say which experiment a row belongs to.
        SettingError: an experiment that the law does not know.
    """
    parameters = answer.get("parameters") or []
    raw = load_cells(table, **options)
    if not parameters or set(parameters) <= set(raw.names):
        return {}
    by, known = str(answer["constants_by"]), answer["experiments"]
    if by not in raw.names:
        raise ColumnError(
            f'{table} has no column "{by}", which tells the experiment of each row.',
            fix=f"add it, or columns of the constants themselves: {', '.join(parameters)}.",
        )
    texts = [str(text).strip() for text in raw.cells[raw.names.index(by)]]
    for row, text in enumerate(texts, start=1):
        if text not in known:
            raise SettingError(
                f'Row {row}: the law knows no {by} "{text}".',
                fix=f"{nearest(text, known)}; or leave the row out, or give columns {', '.join(parameters)}.",
            )
    return {name: np.array([known[text][name]["value"] for text in texts]) for name in parameters}


def _warn_outside(aside: Console, rows: Any, names: tuple[str, ...], domain: Any) -> None:
    if domain is None:
        return
    for name, column, (low, high) in zip(names, rows.T, domain, strict=True):
        share = float(np.mean((column < low) | (column > high)))
        if share:
            aside.print(
                escape(
                    f"W601  Extrapolation: {100 * share:.3g} % of the rows lie outside the training range of "
                    f'"{name}" ({low:g} to {high:g}). Predictions there are guesses.'
                )
            )


def _with_predictions(table: Path, options: Options, targets: tuple[str, ...], predictions: Any) -> str:
    """Return the table as CSV text, its cells as they were read, with one more column for each target."""
    import pandas

    raw = load_cells(table, **options)
    columns: dict[str, Any] = dict(zip(raw.headers, raw.cells, strict=True))
    for target, values in zip(targets, predictions.T, strict=True):
        name = f"{target}_predicted"
        while name in columns:
            name += "_"
        columns[name] = np.where(np.isfinite(values), values, np.nan)
    text: str = pandas.DataFrame(columns).to_csv(index=False)
    return text


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
