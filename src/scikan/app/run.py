"""The main job as a command: discover, print, write. Faces may print; everything below them may not."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from scikan.app.answer import MOST_BRANCHES, interrupted_json, law_json, told_units
from scikan.app.faces import APPROXIMATION, DIGITS, INTERRUPTED, LAW, NONE, STOP, constant_lines
from scikan.app.output import check_folder, write_columns, write_folder, write_json
from scikan.app.resuming import Formulas
from scikan.core.dataset import Dataset
from scikan.core.printing import to_text
from scikan.discovery.discover import Config, Discovery, discover
from scikan.discovery.proposals import Proposal
from scikan.files.table import read_table
from scikan.law.domain import domain_risks
from scikan.law.record import Law
from scikan.train.scoring import Score


MOST_OTHERS, WIDTH = 4, 62
"""Other formulas that are printed, and characters of each."""

STATUS = {"law": LAW, "none": NONE, "approximation": APPROXIMATION}
HEADLINE = {
    "law": "[bold green]A law.[/]",
    "approximation": "[bold yellow]An approximation.[/]",
    "none": "[bold]No law found.[/]",
}


@dataclass(frozen=True)
class Job:
    """What a run works on.

    Args:
        console: where the answer is printed.
        tell: prints a line on the way, unless it is to be quiet.
        data: the table as it was read.
        config: settings.
        table: its file.
        out: folder for the answer; None if nothing is written.
        known: formulas of an earlier run by target.
    """

    console: Console
    tell: Callable[[str], None]
    data: Dataset
    config: Config
    table: Path
    out: Path | None
    known: Formulas = field(default_factory=dict)


def opened(
    table: Path,
    target: str | tuple[str, ...],
    options: dict[str, Any],
    *,
    config: Config,
    out: Path | None,
    overwrite: bool,
    quiet: bool,
) -> Job:
    """Read a table, say what is in it, and return what a run works on.

    Raises:
        SettingError: a folder that may not be replaced.
        TableError: the table cannot be used.
    """
    console = Console(highlight=False, soft_wrap=True)
    if out is not None:
        check_folder(out, overwrite)
    data = read_table(table, target, test=0, key=config.key, **options)
    tell = teller(console, quiet)
    tell(f"{table.name}: {data.n_rows} rows, {', '.join(data.targets)} from {', '.join(data.names)}")
    if data.input_sigma is not None:
        sizes = zip(data.names, np.median(data.input_sigma, axis=0), strict=True)
        tell(f"errors of columns (median): {', '.join(f'{name} {size:.3g}' for name, size in sizes if size)}")
    for notice in data.notices:
        tell(f"note: {notice}")
    return Job(console, tell, data, config, table, out)


def run_one(job: Job) -> int:
    """Explain the one target of the table and return the exit status."""
    best: list[Proposal] = []
    try:
        known = job.known.get(job.data.targets[0], ())
        found = discover(job.data, job.config, report=job.tell, keep=best.append, known=known)
    except KeyboardInterrupt:
        return _interrupted(job, list(dict.fromkeys(p for p in best if not p.is_mean)))
    print_answer(job.console, found, job.data)
    if job.out is not None:
        write_folder(job.out, lambda folder: write_answer(folder, found, job.data, job.table))
        job.console.print(f"written: {job.out}/", style="dim")
    return STATUS[found.verdict]


def teller(console: Console, quiet: bool) -> Callable[[str], None]:
    """Return what prints a line of progress, or nothing if that is not wanted."""

    def tell(line: str) -> None:
        if STOP.is_set():
            STOP.clear()
            raise KeyboardInterrupt
        if not quiet:
            console.print(escape(line), style="dim")

    return tell


def _interrupted(job: Job, best: list[Proposal]) -> int:
    """Show the best formula so far, on which there is no verdict, and write what a run needs to go on."""
    if best:
        text = to_text(best[-1].expression, DIGITS)
        job.console.print(f"Interrupted. Best so far: {job.data.targets[0]} = {escape(text)}")
    else:
        job.console.print("Interrupted before a formula was found.")
    if job.out is not None:
        content = interrupted_json(job.data, best, job.config, job.table)
        write_folder(job.out, lambda folder: write_json(folder / "law.json", content))
        job.console.print(f"written: {job.out}/; --resume goes on from there", style="dim")
    return INTERRUPTED


def print_answer(console: Console, found: Discovery, data: Dataset) -> None:
    """Print the verdict, the formula, and four scores side by side."""
    console.print()
    console.print(f"{HEADLINE[found.verdict]} {escape(found.reason[0].upper() + found.reason[1:])}")
    if found.law is not None:
        console.print()
        console.print(
            f"    [bold]{escape(data.targets[0])} = {escape(to_text(found.law.expressions[0], DIGITS))}[/]"
        )
        for line in _constant_lines(found.front[0]):
            console.print(escape(f"        {line}"), style="dim")
        _print_units(console, found.law)
        for form in found.branches[1:MOST_BRANCHES]:
            console.print(escape(f"    the same on all rows: {to_text(form, DIGITS)}"))
        if (summed := found.sum_form) is not None:
            how = "by algebra" if summed.proof == "algebra" else "to rounding, in this range"
            told = to_text(summed.law.expression, DIGITS)
            console.print(escape(f"    the same, {how}: {told}, a function of a sum"))
        for risk in domain_risks(found.law):
            console.print(escape(f"    note: {risk.told}"))
    console.print()
    scores = {
        "no law" if name == "law" and found.law is None else name: s for name, s in found.scores.items()
    }
    rows = found.evidence.rows
    console.print(f"On {rows} rows that the search never saw ({found.protocol}):", style="dim")
    console.print(score_table(scores, data.units.get(data.targets[0])))
    if found.verdict == "none":
        console.print()
        console.print(
            "What the table does show, attribution of each column in the best network (10 % to 90 %):",
            style="dim",
        )
        for name, (middle, low, high) in sorted(found.features.items(), key=lambda item: -item[1][0]):
            console.print(escape(f"    {name}: {middle:.2f} ({low:.2f} to {high:.2f})"))
    _print_agreement(console, found)
    _print_card(console, found)
    _print_others(console, found)
    console.print(f"{found.seconds:.1f} s", style="dim")


def score_table(scores: Mapping[str, Score], unit: str | None) -> Table:
    """Return scores on held-out rows side by side; `unit` is the target's."""
    grid = Table(box=None, pad_edge=False, title=None, header_style="dim")
    for heading, side in (("", "left"), ("R2", "right"), (f"RMSE{f' [{unit}]' if unit else ''}", "right")):
        grid.add_column(heading.replace("[", r"\["), justify=side)  # type: ignore[arg-type]
    if any(score.relative is not None for score in scores.values()):
        grid.add_column("relative", justify="right")
    for name, score in scores.items():
        relative = [] if score.relative is None else [_percent(score.relative)]
        grid.add_row(name, f"{score.r2:.6g}", f"{score.rmse:.4g}", *relative)
    return grid


def _print_agreement(console: Console, found: Discovery) -> None:
    """Print how often the law came out again, where that was asked."""
    again = found.choices[0].agreement
    if found.law is None or again is None or not again.resamples:
        return
    told = f"Of {again.resamples} resamples of the rows, {again.preferred} prefer this form of the front"
    if again.searches > 1:
        told += f"; of {again.searches} searches on other rows, {again.same_form} found it"
    console.print(f"{told}.", style="dim")


def _print_card(console: Console, found: Discovery) -> None:
    """Print the noise, the law beyond its range, and which simple laws are excluded."""
    if found.law is None:
        return
    card, unit = found.card, found.law.units.get(found.law.targets[0], "")
    told = _percent if found.readout == "log" else lambda value: f"{value:.3g} {unit}".strip()
    console.print(
        f"The law leaves {told(card.left)}; a smooth surrogate misses {told(card.noise)}.", style="dim"
    )
    if card.beyond is not None:
        kind = "relative error" if found.readout == "log" else "R2"
        scores = [
            f"{name} {f'{s.r2:.6g}' if s.relative is None else _percent(s.relative)}"
            for name, s in card.beyond.scores.items()
        ]
        console.print(
            f"Fitted to the middle half of the rows, {kind} on the others: {', '.join(scores)}.", style="dim"
        )
    excluded = [law.name for law in card.simple if law.is_excluded]
    if excluded:
        console.print(f"Excluded by the held-out rows: {', '.join(excluded)}.", style="dim")


def _print_others(console: Console, found: Discovery) -> None:
    """Print what else is on the front, if the law leaves anything to be explained."""
    others = [(n, c) for n, c in enumerate(found.choices, start=1) if n > 1 and not c.proposal.is_mean]
    if found.law is None or found.front[0].is_exact or not others:
        return
    console.print("Other formulas that no shorter one beats (scikan choose takes one):", style="dim")
    for number, choice in others[:MOST_OTHERS]:
        score = choice.score
        error = f"R2 {score.r2:.6g}" if score.relative is None else _percent(score.relative)
        text = escape(_short(to_text(choice.proposal.expression, 4)))
        console.print(f"{number:>2}  {error:>12}  {text}", style="dim")


def _short(text: str) -> str:
    return text if len(text) <= WIDTH else text[: WIDTH - 3] + "..."


def _percent(share: float) -> str:
    """Write a relative error; a prediction of the wrong sign has none."""
    return f"{100 * share:.2g} %" if share < 10.0 else "-"


def _constant_lines(proposal: Proposal) -> list[str]:
    lines = constant_lines(proposal.expression)
    lines += [f"{s.text}: fitted {s.fitted:.{DIGITS + 2}g} +- {s.error:.2g}" for s in proposal.snapped]
    return lines


def _print_units(console: Console, law: Law) -> None:
    """Print the units of the law's constants, or a note where the units of the columns do not fit."""
    told = told_units(law)
    if isinstance(told, str):
        console.print(escape(f"    note: the units of the columns do not fit the law. {told}"))
        return
    for value, unit in (told or {}).items():
        if unit != "1":
            console.print(escape(f"        {float(value):.{DIGITS}g} in units of {unit}"), style="dim")


def write_answer(folder: Path, found: Discovery, data: Dataset, table: Path) -> None:
    """Write law.json, held-out.csv, the models and the figures into an empty folder."""
    from scikan.files.model import save

    write_json(folder / "law.json", law_json(found, data, table))
    write_held_out(folder / "held-out.csv", found)
    save(folder / "network.kan", found.network)
    if found.model is not None:
        save(folder / "law.kan", found.model)
    write_figures(folder, found, data)


def write_held_out(path: Path, found: Discovery) -> None:
    """Write the rows that no search saw, counted from 1, their target, and what was predicted of it."""
    said = found.predictions | {
        f"formula {n}": choice.predictions for n, choice in enumerate(found.choices[1:], start=2)
    }
    write_columns(path, {"row": found.held_out.rows + 1, "truth": found.truth, **said})


def write_figures(folder: Path, found: Discovery, data: Dataset) -> None:
    """Draw the law (or the network where there is none), the fit, the front and the columns, as SVG and PNG."""
    from scikan.show.plot import plot, plot_features, plot_fit, plot_front, save_figure

    shown = ("network",) if found.law is None else ("network", "law")
    model = found.network if found.model is None else found.model
    figures = {
        "law": plot(model, data.x),
        "fit": plot_fit(
            found.truth,
            {name: found.predictions[name] for name in shown},
            data.units.get(data.targets[0], ""),
            data.targets[0],
        ),
        "front": plot_front(found.front),
    }
    if found.features:
        figures["features"] = plot_features(found.features)
    for name, figure in figures.items():
        for ending in ("svg", "png"):
            save_figure(figure, folder / f"{name}.{ending}")
