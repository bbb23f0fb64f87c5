"""A run that goes on where an earlier one ended: the formulas in its folder are tried first."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scikan.app.answer import source_json
from scikan.core.dataset import Dataset
from scikan.core.errors import KanError, ModelFileError, SettingError
from scikan.core.expr import Expr, symbols
from scikan.core.parser import parse
from scikan.discovery.discover import Config
from scikan.law.answers import load_answer


Formulas = dict[str, tuple[Expr, ...]]


def earlier_formulas(folder: Path, data: Dataset, config: Config, table: Path) -> Formulas:
    """Return the formulas in the answer of an earlier run by target; none if there is no such answer.

    The earlier run must have held out the same rows: those that judge must be new to every formula.

    Raises:
        SettingError: the earlier run was on another table, target, seed or share of held-out rows.
        ModelFileError: the folder holds a law.json that cannot be read.
    """
    if not (folder / "law.json").is_file():
        return {}
    content = load_answer(folder)
    answers = content.get("answers") or {content.get("target"): content}
    found: Formulas = {}
    for target in data.targets:
        if target not in answers:
            raise SettingError(
                f'{folder} holds no answer for "{target}".',
                fix=f"leave --resume out; it has {list(answers)}.",
            )
        _check_same(folder, answers[target], config, table)
        try:
            found[target] = tuple(_formulas(answers[target], data.names))
        except (KanError, LookupError, TypeError, AttributeError) as error:
            why = error.what if isinstance(error, KanError) else repr(error)
            raise ModelFileError(
                f"{folder} holds formulas that cannot be read: {' '.join(why.split())}.",
                fix="leave --resume out.",
            ) from None
    return found


def _check_same(folder: Path, answer: dict[str, Any], config: Config, table: Path) -> None:
    for what, before, now in (
        ("of another table", (answer.get("table") or {}).get("sha256"), source_json(table)["sha256"]),
        ("with another --seed", answer.get("seed"), config.key),
        ("with another --hold-out", answer.get("hold_out"), config.hold_out),
    ):
        if before != now:
            raise SettingError(
                f"{folder} is the answer of a run {what}: its formulas may have seen rows that judge now.",
                fix="run with the same, or leave --resume out.",
            )


def _formulas(answer: dict[str, Any], names: tuple[str, ...]) -> Iterator[Expr]:
    """Yield the formulas of a front with their numbers free to move; the mean is no news."""
    for entry in answer["front"]:
        for text in dict.fromkeys((entry["formula_fitted"], entry["formula"])):
            expr = parse(str(text), names=names, constants=True)
            if symbols(expr):
                yield expr
