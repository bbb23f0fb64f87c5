"""The main job on a table: read it, then explain one target, or several with their answers in one folder.

A run on several targets writes for each of them what a run on it alone writes, in a folder of its own, and beside
these folders one law.json with all answers, the law of all targets as one network, and its diagram.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unicodedata import normalize

from rich.markup import escape

from scikan.app.answer import FORMAT, interrupted_json, offered_groups
from scikan.app.faces import DIGITS, INTERRUPTED, names
from scikan.app.output import write_folder, write_json
from scikan.app.resuming import earlier_formulas
from scikan.app.run import STATUS, Job, opened, print_answer, run_one, write_answer
from scikan.core.errors import SettingError
from scikan.core.printing import to_text
from scikan.discovery.discover import Discovery
from scikan.discovery.proposals import Proposal
from scikan.discovery.several import Discoveries, joint_verdict, of_target, one_by_one, together
from scikan.files.sources import load
from scikan.law.answers import load_answer


LONGEST_NAME = 60
"""Characters of a target's name that its folder keeps."""

DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}
"""Names that no folder can have on Windows."""


def run_table(
    table: Path, target: str, options: dict[str, Any], *, resume: bool, overwrite: bool, **faces: Any
) -> int:
    """Run the main job and return the exit status; `target` may be several names, separated by commas.

    With `resume` the answer in `out` is replaced, and its formulas are tried first; `faces` are as in `opened`.

    Raises:
        SettingError: a folder that may not be replaced, or one that cannot be gone on from.
    """
    if resume and faces["out"] is None:
        raise SettingError("--resume goes on from the answer in --out.", fix="add --out FOLDER.")
    named = targets_in(target, table, options)
    job = opened(table, named, options, overwrite=overwrite or resume, **faces)
    groups = offered_groups(job.data)
    if groups:
        job.tell(f"dimensionless groups of the columns: {', '.join(groups)}")
    if resume and job.out is not None:
        job = replace(job, known=earlier_formulas(job.out, job.data, job.config, table))
        job.tell(f"{sum(map(len, job.known.values()))} formulas of an earlier run are tried first")
    return run_one(job) if job.data.n_outputs == 1 else run_each(job)


def targets_in(text: str, table: Path, options: dict[str, Any]) -> tuple[str, ...]:
    """Return the targets that a text names: the column of that very name if there is one, else the parts at commas.

    Raises:
        TableError: the table cannot be read.
    """
    if "," not in text:
        return (text,)
    raw = load(table, **{name: options.get(name) for name in ("delimiter", "decimal", "sheet")})
    return (text,) if text in (*raw.names, *raw.headers) else names(text)


def run_each(job: Job) -> int:
    """Explain every target of the table and return the exit status of all together."""
    answers: list[Discovery] = []
    best: dict[str, Proposal] = {}
    stopped = False
    try:
        for answer in one_by_one(job.data, job.config, job.tell, best.__setitem__, job.known):
            answers.append(answer)
            (target,) = answer.held_out.data.targets
            job.console.print()
            job.console.print(f"[bold]Target {escape(target)}[/]")
            print_answer(job.console, answer, answer.held_out.data)
    except KeyboardInterrupt:
        stopped = True
        _tell_interrupted(job, answers, best)
    found = together(answers)
    verdicts = _verdicts(job.data.targets, answers)
    if not stopped:
        job.console.print()
        job.console.print(f"Together: {escape(_reason(verdicts))}")
    if found.law is not None and found.model is None:
        job.console.print("note: the formulas do not compile into one network; each target has its own.")
    if job.out is not None:
        write_folder(job.out, lambda folder: _write(folder, job, found, verdicts, best))
        more = "; --resume goes on from there" if stopped else ""
        job.console.print(f"written: {job.out}/{more}", style="dim")
    return INTERRUPTED if stopped else STATUS[found.verdict]


def _tell_interrupted(job: Job, answers: Sequence[Discovery], best: dict[str, Proposal]) -> None:
    """Say what is known of the targets that have no verdict yet."""
    job.console.print("Interrupted.")
    for target in job.data.targets[len(answers) :]:
        known = (
            f"best so far: {to_text(best[target].expression, DIGITS)}" if target in best else "no formula yet"
        )
        job.console.print(f"    {escape(target)}: {escape(known)}")


def _verdicts(targets: Sequence[str], answers: Sequence[Discovery]) -> dict[str, str]:
    """Return the verdict by target: "none" where there is no answer yet."""
    return {t: answers[n].verdict if n < len(answers) else "none" for n, t in enumerate(targets)}


def _reason(verdicts: dict[str, str]) -> str:
    """Return the targets by verdict as one sentence: "law for x; none for noise." """
    parts = []
    for verdict in ("law", "approximation", "none"):
        if of := [target for target, own in verdicts.items() if own == verdict]:
            parts.append(f"{verdict} for {', '.join(of)}")
    return "; ".join(parts) + "."


def _write(
    place: Path, job: Job, found: Discoveries, verdicts: dict[str, str], best: dict[str, Proposal]
) -> None:
    """Write each answer into a folder of its own, and what holds for all of them beside these."""
    from scikan.files.model import save
    from scikan.show.plot import plot, save_figure

    folders = folder_names(job.data.targets)
    done = dict(zip(found.targets, found, strict=True))
    for target, name in folders.items():
        (place / name).mkdir()
        if target in done:
            write_answer(place / name, done[target], done[target].held_out.data, job.table)
        else:
            known = [best[target]] if target in best else []
            told = interrupted_json(of_target(job.data, target), known, job.config, job.table)
            write_json(place / name / "law.json", told)
    content = {
        "format": FORMAT,
        "verdict": joint_verdict(list(verdicts.values())),
        "reason": _reason(verdicts),
        "targets": list(job.data.targets),
        "folders": folders,
        "answers": {target: load_answer(place / name) for target, name in folders.items()},
    }
    write_json(place / "law.json", content)
    if found.model is not None:
        save(place / "law.kan", found.model)
        figure = plot(found.model, job.data.x)
        for ending in ("svg", "png"):
            save_figure(figure, place / f"law.{ending}")


def folder_names(targets: Sequence[str]) -> dict[str, str]:
    """Return a folder for each target: letters, digits, + - _, and a number where two would be the same.

    Upper and lower case count as the same, as they do on many disks.
    """
    folders: dict[str, str] = {}
    taken = set(DEVICES)
    for target in targets:
        text = normalize("NFC", target.strip())[:LONGEST_NAME]
        safe = "".join(c if c.isalnum() or c in "+-_" else "_" for c in text)
        name, n = safe, 1
        while name.casefold() in taken:
            n += 1
            name = f"{safe}-{n}"
        taken.add(name.casefold())
        folders[target] = name
    return folders
