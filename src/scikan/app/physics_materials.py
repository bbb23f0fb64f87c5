"""`scikan physics constitutive` and `symmetry`: stresses and metrics in, energies and branches out."""

import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.markup import escape

from scikan.app.faces import LAW
from scikan.app.output import finite
from scikan.app.physics_run import STATUS, Format, aside, columns_of, headline, opened, told_law, write_result
from scikan.core.errors import ColumnError, SettingError
from scikan.files.sources import load


STRESSES = {"P": "PK1", "S": "PK2", "tau": "Kirchhoff", "sigma": "Cauchy"}
PLACES = tuple(f"{i}{j}" for i in (1, 2, 3) for j in (1, 2, 3))
OUT_OF_PLANE = ("13", "23", "31", "32", "33")


@dataclass(frozen=True)
class Material:
    """What the user says of a material: an energy, fibres as they were typed, a volume that is kept, the stress."""

    prior: str | None
    fibres: tuple[str, ...]
    incompressible: bool
    measure: str | None


def run_constitutive(
    table: Path,
    format: Format,
    material: Material,
    out: Path | None,
    overwrite: bool,
) -> int:
    """Find, tell and write an elastic energy; return the exit status."""
    from scikan.physics.constitutive import constitutive_law
    from scikan.show.physics import plot_levels

    console = opened(out, overwrite)
    directions = [_direction(text) for text in material.fibres] or None
    known = load(table, **format).names
    f, notice = _deformation(table, known, format)
    letter, present = _stress_columns(table, known)
    stress = columns_of(table, [letter + place for place in present], format)
    component = None if len(present) == 9 else (int(present[0][0]) - 1, int(present[0][1]) - 1)
    measure = material.measure or STRESSES[letter]
    shown = "all nine components" if component is None else f"component {letter}{present[0]}"
    aside(console, f"{table.name}: {len(f)} rows of F and {shown}, read as {measure}{notice}")
    found = constitutive_law(
        f,
        stress.reshape(-1, 3, 3) if component is None else stress[:, 0],
        measure=measure,
        component=component,
        prior=material.prior,
        fibres=directions,
        incompressible=material.incompressible,
    )
    for notice in found.notices:
        aside(console, f"note: {notice}")
    headline(console, found.verdict, found.reason)
    if found.energy is not None:
        told_law(console, found.energy)
    aside(console, f"residual {found.residual:.2g}; splines leave {found.evidence}; {found.klass}")
    for name, floor in found.floors.items():
        aside(console, f"    tried {name}: splines leave {floor:.2g}")
    for condition in found.conditions:
        aside(console, f"    {condition}")
    if found.prior_residual is not None:
        aside(console, f"the prior leaves {found.prior_residual:.2g}")
    result = {
        "verdict": found.verdict,
        "reason": found.reason,
        "energy": None if found.energy is None else found.energy.to_dict(),
        "measure": found.measure,
        "residual": finite(found.residual),
        "class": found.klass,
        "floors": {name: finite(floor) for name, floor in found.floors.items()},
        "asymmetry": finite(found.asymmetry),
        "fibres": directions or [],
        "conditions": [
            {"name": c.name, "of": c.of, "residual": finite(c.residual), "holds": c.holds}
            for c in found.conditions
        ],
        "notices": list(found.notices),
    }
    if out is not None:
        figures = {}
        energy = found.energy
        if energy is not None:
            domain = np.asarray(energy.domain)
            rows = np.random.default_rng(0).uniform(domain[:, 0], domain[:, 1], (400, len(domain)))
            figures["energy"] = plot_levels(energy, energy.names, rows, "W")
        write_result(out, table, result, figures, console)
    return STATUS[found.verdict]


def _direction(text: str) -> tuple[float, ...]:
    try:
        direction = tuple(float(part) for part in text.split(","))
    except ValueError:
        direction = ()
    if len(direction) != 3:
        raise SettingError(
            f"--fibre {text} is no direction of three numbers.",
            fix="write --fibre 1,0,0, once for each fibre.",
        )
    return direction


def _deformation(table: Path, known: tuple[str, ...], format: Format) -> tuple[np.ndarray, str]:
    """Return F (rows, 3, 3) and what was assumed; a plane deformation may leave the third direction out."""
    lacking = [place for place in PLACES if f"F{place}" not in known]
    if lacking and lacking != list(OUT_OF_PLANE):
        raise ColumnError(
            f"{table.name} lacks {', '.join('F' + place for place in lacking)} of the deformation gradient.",
            fix="give F11 .. F33, or F11, F12, F21, F22 alone for a plane deformation.",
        )
    present = [place for place in PLACES if place not in lacking]
    values = columns_of(table, [f"F{place}" for place in present], format)
    f = np.tile(np.eye(3), (len(values), 1, 1))
    for place, column in zip(present, values.T, strict=True):
        f[:, int(place[0]) - 1, int(place[1]) - 1] = column
    return f, " (plane deformation: F33 = 1)" if lacking else ""


def _stress_columns(table: Path, known: tuple[str, ...]) -> tuple[str, list[str]]:
    for letter in STRESSES:
        present = [place for place in PLACES if letter + place in known]
        if len(present) in (1, 9):
            return letter, present
        if present:
            raise ColumnError(
                f"{table.name} has {len(present)} of nine stresses {letter}11 .. {letter}33.",
                fix="give all nine, or exactly one component.",
            )
    raise ColumnError(
        f"{table.name} has no column of stress.",
        fix="name them P11 .. P33 (first Piola-Kirchhoff), S.. (second), tau.. (Kirchhoff) or sigma.. (Cauchy).",
    )


def run_symmetry(
    table: Path,
    format: Format,
    metric: Path,
    columns: tuple[tuple[str, ...], tuple[str, ...]],
    form: str,
    coordinate: int,
    out: Path | None,
    overwrite: bool,
) -> int:
    """Find, tell and write a hidden symmetry; return the exit status."""
    from scikan.physics.symmetry import hidden_symmetry
    from scikan.show.physics import plot_branches

    console = opened(out, overwrite)
    module = _user_file(metric)
    wanted = _form(form, module)
    state, parameters = columns
    state = state or tuple(name for name in load(table, **format).names if name not in parameters)
    points = columns_of(table, state, format)
    values = columns_of(table, parameters, format)
    given = dict(zip(parameters, values.T, strict=True)) if parameters else None
    aside(console, f"{table.name}: {len(points)} points ({', '.join(state)}); metric from {metric.name}")
    found = hidden_symmetry(module.metric, wanted, points, parameters=given, coordinate=coordinate)
    headline(console, found.verdict, found.reason)
    for branch in found.branches:
        side = "keeps its sign" if branch.keeps_sign else "changes its sign"
        text = "no formula" if branch.law is None else str(branch.law)
        console.print(f"    [bold]{escape(text)}[/]    (loss {branch.loss:.1g}, {side})")
        if branch.integral is not None:
            console.print(escape(f"    {branch.integral}"))
    result = {
        "verdict": found.verdict,
        "reason": found.reason,
        "loss_untouched": finite(found.untouched),
        "branches": [
            {
                "slope": None if b.law is None else b.law.to_dict(),
                "integral": None if b.integral is None else b.integral.to_dict(),
                "loss": finite(b.loss),
                "keeps_sign": b.keeps_sign,
            }
            for b in found.branches
        ],
    }
    if out is not None:
        write_result(out, table, result, {"branches": plot_branches(found.branches)}, console)
    return LAW if found.verdict == "law" else STATUS[found.verdict]


def _user_file(path: Path) -> Any:
    """Return the user's own module, run on purpose: its path was typed after --metric."""
    if not path.is_file() or path.suffix != ".py":
        raise SettingError(
            f"--metric {path} is no Python file.", fix="give a .py file that defines metric(x, params)."
        )
    spec = importlib.util.spec_from_file_location("scikan_user_metric", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise SettingError(
            f"{path.name} stopped with {type(error).__name__}: {error}.", fix="run it with python first."
        ) from error
    if not callable(getattr(module, "metric", None)):
        raise SettingError(
            f"{path.name} defines no function metric.", fix="define metric(x, params), returning (n, n)."
        )
    return module


def _form(text: str, module: Any) -> Any:
    from scikan.physics.wanted import Entry, FlatSlices, Invariant

    if text == "flat":
        return FlatSlices()
    if text == "wanted" and callable(getattr(module, "wanted", None)):
        return module.wanted
    if found := re.fullmatch(r"invariant:(\d+)", text):
        return Invariant(int(found[1]))
    if found := re.fullmatch(r"entry:(\d+),(\d+)", text):
        return Entry(int(found[1]), int(found[2]))
    raise SettingError(
        f"--form {text} is unknown.",
        fix="write flat, invariant:K, entry:I,J, or wanted with a function wanted(g) in the metric's file.",
    )
