"""`scikan physics hamiltonian`: states and rates in, H and its structure matrix out."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from scikan.app.output import finite
from scikan.app.physics_run import STATUS, Format, aside, columns_of, headline, opened, told_law, write_result
from scikan.core.errors import SettingError


def run_hamiltonian(
    table: Path,
    format: Format,
    columns: tuple[tuple[str, ...], tuple[str, ...]],
    angles: Sequence[str],
    out: Path | None,
    overwrite: bool,
) -> int:
    """Find, tell and write a Hamiltonian; return the exit status."""
    from scikan.physics.hamiltonian import hamiltonian
    from scikan.show.physics import plot_levels

    console = opened(out, overwrite)
    state, rate = columns
    if len(rate) != len(state):
        raise SettingError(
            f"--rate names {len(rate)} columns for {len(state)} of --state.",
            fix="name one for each column of --state, in the same order.",
        )
    states, rates = (columns_of(table, given, format) for given in columns)
    half = len(state) // 2
    pairs = ", ".join(f"({q}, {p})" for q, p in zip(state[:half], state[half:], strict=False))
    aside(console, f"{table.name}: {len(states)} rows of {', '.join(state)}; pairs {pairs}")
    found = hamiltonian(states, rates, names=state, angles=angles)
    headline(console, found.verdict, found.reason)
    if found.law is not None:
        told_law(console, found.law)
    if found.structure is not None and not found.is_canonical:
        aside(console, "dz/dt = K grad H with K =")
        for row in found.structure:
            aside(console, "    " + " ".join(f"{value:10.6g}" for value in row))
    aside(
        console, f"residual {found.residual:.2g}, divergence {found.divergence:.2g}; {found.function_class}"
    )
    for words, left in found.tried:
        aside(console, f"    tried {words}: leaves {left:.2g}")
    result = {
        "verdict": found.verdict,
        "reason": found.reason,
        "hamiltonian": None if found.law is None else found.law.to_dict(),
        "structure": None if found.structure is None else found.structure.tolist(),
        "canonical": found.is_canonical,
        "residual": finite(found.residual),
        "divergence": finite(found.divergence),
        "class": found.function_class,
        "tried": {words: finite(left) for words, left in found.tried},
    }
    if out is not None:
        figures = {}
        if found.law is not None:
            few = states[np.random.default_rng(0).permutation(len(states))[:400]]
            figures["energy"] = plot_levels(found.law, state, few, "H", half)
        write_result(out, table, result, figures, console)
    return STATUS[found.verdict]
