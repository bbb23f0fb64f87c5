"""Another formula of a run's front becomes the law: read from the folder of the run, written as a folder of its own."""

import csv
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape

from scikan.app.answer import law_keys
from scikan.app.faces import APPROXIMATION, DIGITS, LAW
from scikan.app.output import check_folder, write_columns, write_folder, write_json
from scikan.core.errors import KanError, ModelFileError, SettingError
from scikan.core.expr import Expr, symbols
from scikan.core.parser import parse
from scikan.core.printing import to_text
from scikan.core.samples import box_samples
from scikan.discovery.judging import by_hand
from scikan.law.answers import law_of, load_answer
from scikan.law.record import Law


NETWORK, HELD_OUT = "network.kan", "held-out.csv"
N_SAMPLES = 500
"""Rows on which the diagram of the law is drawn."""

Answer = dict[str, Any]


def choose_formula(folder: Path, number: int, *, out: Path, overwrite: bool) -> int:
    """Write the answer of a run with another formula of its front as the law; return the exit status.

    Raises:
        SettingError: no such formula, the mean, or a folder that may not be replaced.
        ModelFileError: the folder is not what a run writes, or its parts do not fit.
    """
    if not folder.is_dir():
        raise SettingError(f"{folder} is no folder.", fix="give the folder that scikan run --out wrote.")
    check_folder(out, overwrite)
    try:
        answer, law = _chosen(_one_answer(folder, number), number)
        held_out = _held_out(folder / HELD_OUT)
    except KanError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise ModelFileError(
            f"{folder} is not what this scikan writes: {error!r}.", fix="run scikan run again."
        ) from None
    write_folder(out, lambda place: _write(place, folder, answer, law, held_out, number))
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"{escape(law.targets[0])} = {escape(to_text(law.expressions[0], DIGITS))}", style="bold")
    console.print(escape(answer["reason"][0].upper() + answer["reason"][1:]))
    console.print(f"written: {out}/", style="dim")
    return LAW if answer["verdict"] == "law" else APPROXIMATION


def _one_answer(folder: Path, number: int) -> Answer:
    """Return the content of law.json; of several targets a user has to name one."""
    answer = load_answer(folder)
    if "answers" in answer:
        places = [str(folder / name) for name in answer["folders"].values()]
        raise SettingError(
            f"{folder} holds the answers for {len(places)} targets; each has a front of its own.",
            fix=f"choose in the folder of one: scikan choose {shlex.quote(places[0])} {number} --out NEW"
            f" (the folders: {', '.join(places)}).",
        )
    return answer


def _chosen(old: Answer, number: int) -> tuple[Answer, Law]:
    """Return the content of law.json with another formula as the law, and that law."""
    if "constants_by" in old or "best_so_far" in old:
        why = (
            "is a law for several experiments"
            if "constants_by" in old
            else "was interrupted: it has no verdicts"
        )
        raise SettingError(
            f"The answer {why}.", fix="choose takes a finished answer for one table; see --resume."
        )
    front = old["front"]
    if not 1 <= number <= len(front):
        raise SettingError(
            f"There is no formula {number} on the front; it has {len(front)}.",
            fix=f"a number from 1 to {len(front)}.",
        )
    entry = front[number - 1]
    if not symbols(_parsed(old, entry)):
        raise SettingError(f"Formula {number} is the mean: no law.", fix="choose one that uses a column.")
    verdict, reason = by_hand(entry["verdict"], entry["reason"])
    new = old | {name: entry[name] for name in ("formula", "constants", "evidence", "agreement")}
    new |= {"verdict": verdict, "reason": reason, "scores": old["scores"] | {"law": entry["scores"]}}
    new["front"] = [
        entry | {"verdict": verdict, "reason": reason},
        *(e for n, e in enumerate(front, start=1) if n != number),
    ]
    law = law_of(new)
    return new | law_keys(law, entry, law.expressions), law


def _parsed(answer: Answer, entry: Answer) -> Expr:
    return parse(str(entry["formula"]), names=tuple(answer["names"]))


def _held_out(path: Path) -> dict[str, np.ndarray]:
    """Return the columns of held-out.csv."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
    except OSError as error:
        raise ModelFileError(
            f"{path} could not be read: {error.strerror or error}.", fix="run scikan run again."
        ) from None
    cells = [[float(cell or "nan") for cell in row] for row in rows]
    columns = dict(zip(header, np.asarray(cells).T, strict=True))
    return columns | {"row": columns["row"].astype(int)}


@dataclass(frozen=True)
class _Shown:
    """A formula of the front as `plot_front` takes it."""

    expression: Expr
    relative: float


def _write(
    place: Path, folder: Path, answer: Answer, law: Law, held_out: dict[str, np.ndarray], number: int
) -> None:
    """Write the answer, the law as a network, and the figures that change; copy the rest."""
    from scikan.files.model import save
    from scikan.show.plot import plot, plot_fit, plot_front, save_figure
    from scikan.symbolic.kanpiler import kanpiler

    model = kanpiler(law.expressions, law.names, domain=law.domain, targets=law.targets)
    said = _reordered(held_out, number)
    write_json(place / "law.json", answer)
    save(place / "law.kan", model)
    write_columns(place / HELD_OUT, said)
    for name in (NETWORK, "features.svg", "features.png"):
        if (folder / name).is_file():
            shutil.copyfile(folder / name, place / name)
    shown = {name: said[name] for name in ("network", "law")}
    front = [_Shown(_parsed(answer, e), float(e["relative_mean_square"])) for e in answer["front"]]
    figures = {
        "law": plot(model, box_samples(law.domain, N_SAMPLES)),
        "fit": plot_fit(said["truth"], shown, law.units.get(law.targets[0], ""), law.targets[0]),
        "front": plot_front(front),
    }
    for name, figure in figures.items():
        for ending in ("svg", "png"):
            save_figure(figure, place / f"{name}.{ending}")


def _reordered(held_out: dict[str, np.ndarray], number: int) -> dict[str, np.ndarray]:
    """Return the predictions under the numbers that the formulas have once one of them comes first."""
    if number == 1:
        return held_out
    formulas = [name for name in held_out if name.startswith("formula ")]
    others = ["law", *(name for name in formulas if name != f"formula {number}")]
    said = {name: values for name, values in held_out.items() if name not in formulas}
    said["law"] = held_out[f"formula {number}"]
    return said | {f"formula {n}": held_out[name] for n, name in enumerate(others, start=2)}
