"""One law for several experiments as a command: read, discover, print the law and its constants, write."""

from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from scikan.app.answer import evidence_json, source_json, versions
from scikan.app.faces import DIGITS, constant_lines
from scikan.app.output import finite, write_columns, write_folder, write_json
from scikan.app.run import HEADLINE, STATUS, opened, score_table
from scikan.core.dataset import Dataset
from scikan.core.errors import SettingError
from scikan.core.expr import complexity
from scikan.core.kan import KAN
from scikan.core.printing import to_text
from scikan.discovery.shared import SharedDiscovery, discover_shared


MOST_SHOWN = 12
"""Experiments whose constants are printed; the file holds all."""


def run_shared(
    table: Path, target: str, options: dict[str, Any], *, by: str, resume: bool, **faces: Any
) -> int:
    """Find one law for the experiments that a column names, and return the exit status; `faces` as in `opened`.

    Raises:
        SettingError: the rows are grouped or ordered by another column as well, or a run is to be gone on with.
    """
    if resume:
        raise SettingError("A run with --constants-by cannot be gone on with.", fix="leave --resume out.")
    if options.get("group") or options.get("time"):
        raise SettingError(
            "--constants-by already tells which rows belong together.", fix="leave --group and --time out."
        )
    job = opened(table, target, options | {"group": by}, **faces)
    data = job.data
    found = discover_shared(data, dict(data.labels)[by], job.config, report=job.tell)
    _print(job.console, found, data, by)
    if job.out is not None:
        write_folder(job.out, lambda folder: _write(folder, found, data, by, table))
        job.console.print(f"written: {job.out}/", style="dim")
    return STATUS[found.verdict]


def _print(console: Console, found: SharedDiscovery, data: Dataset, by: str) -> None:
    console.print()
    console.print(f"{HEADLINE[found.verdict]} {escape(found.reason[0].upper() + found.reason[1:])}")
    if found.law is not None:
        law = found.law.expressions[0]
        console.print()
        console.print(f"    [bold]{escape(data.targets[0])} = {escape(to_text(law, DIGITS))}[/]")
        for line in constant_lines(law):
            console.print(escape(f"        {line}"), style="dim")
        if found.parameters:
            console.print()
            console.print(_constants(found, by))
            if len(found.experiments) > MOST_SHOWN:
                console.print(f"and {len(found.experiments) - MOST_SHOWN} more", style="dim")
    console.print()
    rows = found.evidence.rows
    console.print(f"On {rows} rows that the search never saw, of every {escape(by)}:", style="dim")
    console.print(score_table(found.scores, data.units.get(data.targets[0])))
    console.print(f"{found.seconds:.1f} s", style="dim")


def _constants(found: SharedDiscovery, by: str) -> Table:
    grid = Table(box=None, pad_edge=False, header_style="dim")
    for heading in (by, *found.parameters):
        grid.add_column(escape(heading), justify="left" if heading == by else "right")
    shown = list(zip(found.experiments, found.values, found.errors, strict=True))[:MOST_SHOWN]
    for name, values, errors in shown:
        cells = [f"{v:.{DIGITS}g} +- {e:.2g}" for v, e in zip(values, errors, strict=True)]
        grid.add_row(escape(name), *cells)
    return grid


def _write(folder: Path, found: SharedDiscovery, data: Dataset, by: str, table: Path) -> None:
    """Write law.json, the constants, the law as a network, and figures into an empty folder."""
    from scikan.files.model import save

    write_json(folder / "law.json", _json(found, data, by, table))
    if found.law is not None and found.model is not None:
        save(folder / "law.kan", found.model)
        columns = {by: np.asarray(found.experiments)}
        for k, name in enumerate(found.parameters):
            columns |= {name: found.values[:, k], f"{name}_error": found.errors[:, k]}
        write_columns(folder / "constants.csv", columns)
        _draw(folder, found, found.model, data, by)


def _json(found: SharedDiscovery, data: Dataset, by: str, table: Path) -> dict[str, Any]:
    law = found.law
    ranges = (
        {} if law is None or law.domain is None else dict(zip(law.names, law.domain.tolist(), strict=True))
    )
    return {
        "format": 1,
        "verdict": found.verdict,
        "reason": found.reason,
        "target": data.targets[0],
        "target_unit": data.units.get(data.targets[0]),
        "formula": None if law is None else str(law.expressions[0]),
        "latex": None if law is None else law.latex(),
        "complexity": None if law is None else complexity(law.expressions[0]),
        "constants_by": by,
        "parameters": list(found.parameters),
        "experiments": {
            name: {
                p: {"value": finite(v), "error": finite(e)}
                for p, v, e in zip(found.parameters, values, errors, strict=True)
            }
            for name, values, errors in zip(found.experiments, found.values, found.errors, strict=True)
        },
        "scores": {name: score.to_dict() for name, score in found.scores.items()},
        "protocol": found.held_out.plan.protocol,
        "errors": {"log": "relative", "linear": "additive"}[found.held_out.readout],
        "evidence": evidence_json(found.evidence),
        "front": [
            {"formula": str(t.expr), "parameters": list(t.parameters), "bits": round(t.bits, 2)}
            | {"relative_mean_square": finite(t.relative)}
            for t in found.front
        ],
        "names": {name: {"unit": data.units.get(name), "range": ends} for name, ends in ranges.items()},
        "notices": list(found.notices),
        "rows": data.n_rows,
        "table": source_json(table),
        "seconds": round(found.seconds, 3),
        "versions": versions(),
    }


def _draw(folder: Path, found: SharedDiscovery, model: KAN, data: Dataset, by: str) -> None:
    from scikan.show.experiments import plot_experiments
    from scikan.show.plot import plot, plot_fit, save_figure

    target = data.targets[0]
    said = {"law": found.choice.predictions}
    figures = {
        "law": plot(model, found.table),
        "fit": plot_fit(found.held_out.truth, said, data.units.get(target, ""), target),
    }
    if data.n_inputs == 1:
        curves = {name: found.of(name) for name in found.experiments}
        labels = (_with_unit(data.names[0], data), _with_unit(target, data))
        figures["experiments"] = plot_experiments(
            data.x[:, 0], data.y[:, 0], dict(data.labels)[by], curves, labels
        )
    for name, figure in figures.items():
        for ending in ("svg", "png"):
            save_figure(figure, folder / f"{name}.{ending}")


def _with_unit(name: str, data: Dataset) -> str:
    unit = data.units.get(name)
    return f"{name} ({unit})" if unit else name
