"""`scikan physics conserved` and `lagrangian`: columns with roles in, verdicts, JSON and figures out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.markup import escape

from scikan.app.answer import versions
from scikan.app.faces import APPROXIMATION, DIGITS, LAW, NONE, constant_lines
from scikan.app.output import check_folder, finite, write_folder, write_json
from scikan.core.errors import ColumnError, SettingError
from scikan.core.names import nearest
from scikan.core.printing import to_text
from scikan.files.sources import load
from scikan.files.table import read_rows


if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from scikan.law.record import Law


Format = dict[str, Any]
STATUS = {
    "law": LAW,
    "laws": LAW,
    "approximation": APPROXIMATION,
    "approximate": APPROXIMATION,
    "local": NONE,
    "none": NONE,
}
HEADLINE = {LAW: "[bold green]A law.[/]", APPROXIMATION: "[bold yellow]An approximation.[/]"}


@dataclass(frozen=True, eq=False)
class Motion:
    """Columns of a table by their roles; a role that was not given is empty.

    Args:
        table: the file.
        names: of coordinates, velocities, accelerations.
        values: the same columns, (rows, columns) each.
        time: (rows,) or None.
        trajectory: number of each row's trajectory, (rows,) or None.
        angles: coordinates that are angles.
    """

    table: Path
    names: tuple[tuple[str, ...], ...]
    values: tuple[np.ndarray, ...]
    time: np.ndarray | None
    trajectory: np.ndarray | None
    angles: tuple[str, ...]

    @classmethod
    def read(
        cls,
        table: Path,
        columns: Sequence[Sequence[str]],
        time: str | None,
        trajectory: str | None,
        angles: Sequence[str],
        format: Format,
    ) -> "Motion":
        """Read the columns.

        Raises:
            ColumnError, TableError: a column that is not there or holds no numbers; no table.
            SettingError: velocities or accelerations that are not one for each coordinate, an unknown angle.
        """
        state = columns[0]
        for what, given in zip(("--velocity", "--acceleration"), columns[1:], strict=True):
            if given and len(given) != len(state):
                raise SettingError(
                    f"{what} names {len(given)} columns for {len(state)} of --state.",
                    fix="name one for each coordinate, in the same order.",
                )
        for angle in angles:
            if angle not in state:
                raise SettingError(f"--angle {angle} is no column of --state.", fix=nearest(angle, state))
        found = tuple(columns_of(table, given, format) for given in columns)
        clock = None if time is None else columns_of(table, (time,), format)[:, 0]
        return cls(
            table,
            tuple(tuple(given) for given in columns),
            found,
            clock,
            None if trajectory is None else labels_of(table, trajectory, format),
            tuple(angles),
        )

    @property
    def places(self) -> tuple[int, ...]:
        """The angles as numbers of coordinates."""
        return tuple(self.names[0].index(angle) for angle in self.angles)


def columns_of(table: Path, names: Sequence[str], format: Format) -> np.ndarray:
    """Return named columns of numbers, (rows, names); raises as `read_rows` does, in the words of roles."""
    if not names:
        return np.zeros((0, 0))
    raw = load(table, **format)
    for name in names:
        raw.resolve(name, "given on the command line")
    if len(set(names)) < len(names):
        raise ColumnError(f"A column is named twice in {', '.join(names)}.", fix="name every column once.")
    return read_rows(table, names, **format)


def labels_of(table: Path, name: str, format: Format) -> np.ndarray:
    """Return the number of each row's trajectory, (rows,); labels may be text."""
    raw = load(table, **format)
    cells = [str(cell) for cell in raw.column(raw.resolve(name, "trajectory"))]
    return np.asarray(np.unique(cells, return_inverse=True)[1])


def run_conserved(motion: Motion, out: Path | None, overwrite: bool) -> int:
    """Find, tell and write conserved quantities; return the exit status."""
    from scikan.physics.along import conserved_along
    from scikan.physics.conserved import conserved_quantities
    from scikan.show.physics import plot_drift, plot_levels

    console = opened(out, overwrite)
    (q, v, a), given = motion.values, motion.names
    first_order = not a.size and (not v.size or motion.trajectory is None)
    names = given[0] if first_order else (*given[0], *given[1])
    if a.size and not v.size:
        raise SettingError("--acceleration without --velocity.", fix="name the velocities too.")
    states = q if first_order else np.concatenate([q, v], axis=1)
    rates = np.concatenate([v, a], axis=1) if a.size else v
    tell(console, motion, names, states)
    if rates.size and (a.size or motion.trajectory is None):
        aside(
            console, "the field is given at every row" + ("" if a.size else " (--velocity: rates of --state)")
        )
        found = conserved_quantities(rates, states, names=names, angles=motion.angles)
    else:
        labels = _needed_trajectories(motion)
        aside(console, "no rates given: laws are read from trajectories, against their measuring errors")
        found = conserved_along(states, labels, time=motion.time, names=names, angles=motion.places)
    headline(console, found.verdict, found.sentence)
    for n, law in enumerate(found.laws, start=1):
        formula = str(law) if law.expression is None else to_text(law.expression, DIGITS)
        text = f"H{n} = {formula}    (residual {law.residual:.2g}, scale {law.scale:.3g})"
        console.print(f"    [bold]{escape(text)}[/]")
        for line in [] if law.expression is None else constant_lines(law.expression):
            console.print(f"        {line}", style="dim")
    aside(console, "tried, with the smallest residuals:")
    for entry in found.residuals:
        grid = f", grid {entry.grid}" if entry.grid else ""
        values = " ".join(f"{r:.1e}" for r in entry.residuals[:4]) or "no start came near a law"
        aside(console, f"    {entry.family}{grid}: {values}")
    result = {
        "verdict": found.verdict,
        "reason": found.sentence,
        "count": found.count,
        "laws": [
            {"formula": _text(l.expression), "residual": finite(l.residual), "scale": finite(l.scale)}
            for l in found.laws
        ],
        "searched": found.function_class,
    }
    if out is not None:
        figures = {}
        if found.laws and motion.trajectory is not None:
            curves = {f"H{n}": law(states) / law.scale for n, law in enumerate(found.laws, start=1)}
            clock = np.arange(len(states)) if motion.time is None else motion.time
            figures["drift"] = plot_drift(curves, clock, motion.trajectory)
        elif found.laws:
            figures["levels"] = plot_levels(found.laws[0], names, states, "H1")
        write_result(out, motion.table, result, figures, console)
    return STATUS[found.verdict]


def _needed_trajectories(motion: Motion) -> np.ndarray:
    if motion.trajectory is None:
        raise SettingError(
            "There are neither rates nor trajectories: a law cannot be told from any other function.",
            fix="add --trajectory COLUMN, or --velocity with the rate of each column of --state.",
        )
    return motion.trajectory


def run_lagrangian(motion: Motion, prior: str | None, out: Path | None, overwrite: bool) -> int:
    """Find, tell and write a Lagrangian; return the exit status."""
    from scikan.physics.lagrangian import lagrangian
    from scikan.physics.trajectories import lagrangian_along
    from scikan.show.physics import plot_levels

    console = opened(out, overwrite)
    (q, v, a), given = motion.values, motion.names
    tell(console, motion, given[0], q)
    if v.size and a.size:
        speeds = given[1]
        first = lagrangian(q, v, a, names=given[0], velocity_names=speeds, angles=motion.angles, prior=prior)
        verdict, reason, law, energy = first.verdict, first.reason, first.law, first.energy
        numbers = {"residual": first.residual}
    else:
        _needed_times(motion, prior)
        missing = "accelerations" if v.size else "velocities and accelerations"
        aside(console, f"no {missing} given: smooth curves through the positions give the states")
        found = lagrangian_along(
            q,
            motion.time,
            motion.trajectory,
            names=given[0],
            velocity_names=given[1] or None,
            angles=motion.angles,
        )
        first, verdict, reason, law, energy = (
            found.first,
            found.verdict,
            found.reason,
            found.law,
            found.energy,
        )
        numbers = {"noise": found.noise, "misfit": found.misfit}
    headline(console, verdict, reason)
    if law is not None:
        told_law(console, law)
        if energy is not None:
            console.print(escape(f"    energy: {energy.round(DIGITS)}"))
    elif first.candidate is not None:
        aside(console, f"best that was judged: {first.candidate}")
    aside(
        console, f"class: {first.klass}; splines leave {first.evidence}; the next answer {first.second:.1g}"
    )
    told = {"least |det L_vv|": first.least_determinant, "energy drift": first.energy_drift} | numbers
    aside(console, ", ".join(f"{name} {value:.2g}" for name, value in told.items()))
    result = {
        "verdict": verdict,
        "reason": reason,
        "lagrangian": None if law is None else law.to_dict(),
        "energy": None if energy is None else energy.to_dict(),
        "class": first.klass,
        "splines": dict(zip(map(str, first.evidence.grids), first.evidence.residuals, strict=True)),
    } | {name: finite(value) for name, value in told.items()}
    if out is not None:
        figures = {}
        if energy is not None:
            domain = np.asarray(energy.domain)
            middle = np.random.default_rng(0).uniform(domain[:, 0], domain[:, 1], (400, len(domain)))
            figures["energy"] = plot_levels(energy, energy.names, middle, "energy", len(given[0]))
        write_result(out, motion.table, result, figures, console)
    return STATUS[verdict]


def _needed_times(motion: Motion, prior: str | None) -> None:
    if motion.time is None:
        raise SettingError(
            "Without --velocity and --acceleration time stamps are needed, and there are none.",
            fix="add --time COLUMN (and --trajectory COLUMN for several motions).",
        )
    if prior is not None:
        raise SettingError(
            "--prior needs measured velocities and accelerations.", fix="leave it out, or give both."
        )


def opened(out: Path | None, overwrite: bool) -> Console:
    """Return the console, after a look at the folder to write."""
    if out is not None:
        check_folder(out, overwrite)
    return Console(highlight=False, soft_wrap=True)


def aside(console: Console, line: str) -> None:
    """Print what is said on the way."""
    console.print(escape(line), style="dim")


def tell(console: Console, motion: Motion, names: Sequence[str], states: np.ndarray) -> None:
    """Print what was read."""
    count = "" if motion.trajectory is None else f", {motion.trajectory.max() + 1} trajectories"
    aside(console, f"{motion.table.name}: {len(states)} rows of {', '.join(names)}{count}")


def headline(console: Console, verdict: str, sentence: str) -> None:
    """Print the verdict."""
    head = HEADLINE.get(STATUS[verdict], "[bold]No law found.[/]")
    console.print(f"{head} {escape(sentence[0].upper() + sentence[1:])}")


def told_law(console: Console, law: "Law") -> None:
    """Print a law to a few digits, and its fitted constants with their errors."""
    console.print(f"    [bold]{escape(str(law.round(DIGITS)))}[/]")
    for line in constant_lines(law.expression):
        console.print(f"        {line}", style="dim")


def _text(expression: Any) -> str | None:
    return None if expression is None else str(expression)


def write_result(
    out: Path, table: Path, result: Mapping[str, Any], figures: "Mapping[str, Figure]", console: Console
) -> None:
    """Write result.json and the figures (SVG and PNG) into a folder, all or nothing."""
    from scikan.show.plot import save_figure

    def fill(folder: Path) -> None:
        write_json(folder / "result.json", {"table": table.name, **result, "versions": versions()})
        for name, figure in figures.items():
            for ending in ("svg", "png"):
                save_figure(figure, folder / f"{name}.{ending}")

    write_folder(out, fill)
    aside(console, f"written: {out}/")
