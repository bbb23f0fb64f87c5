"""Conserved quantities of a field or of trajectories: how many, which, and how far that is believed.

    found = kn.conserved_quantities(field, samples, names=("q", "p"))
    print(found)

A law is a function that does not change along the field. Families of functions are tried simplest first; in each,
laws are a null space (`physics.search`, `physics.splines`). What is found must hold to rounding or fall with the grid,
be independent of the other laws, and, if the field can be called, not drift along orbits that leave the samples:
near every regular state there are local invariants, and they are no laws (flow box).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as described
from typing import Any, Literal, TypeAlias

import numpy as np
from jaxtyping import Float
from threadpoolctl import threadpool_limits

from scikan.core.checks import check_matrix
from scikan.core.errors import CompileError, SettingError, ShapeError, TableError
from scikan.core.expr import Expr, Number, add, multiply
from scikan.core.kan import KAN
from scikan.core.names import check_names, nearest, numbered_names
from scikan.physics.beyond import MOST_ROWS, splines_survive, survives
from scikan.physics.inner import InnerLaw, with_inner_laws
from scikan.physics.orbits import BatchField, batched, long_orbits
from scikan.physics.problem import Entry, FoundLaw, Problem
from scikan.physics.search import exact_search
from scikan.physics.splines import SplineSearch, UnnamedLaw, with_splines
from scikan.physics.writing import values_of


Verdict: TypeAlias = Literal["laws", "approximate", "local", "none"]

FEWEST_ROWS = 60


@dataclass(frozen=True, eq=False)
class ConservedLaw:
    """One conserved quantity.

    Args:
        expression: its formula, or None where splines found no name.
        residual: rms of f . grad H / (|f| |grad H|) over the samples; from trajectories, the part of its standard
            deviation that lies within trajectories.
        scale: its standard deviation over the samples, in the formula's units.
        kan: the network of H / scale, compiled from the formula; of H itself for splines with a hidden node; else None.
        family: the family in which it was found, in words.
        splines: the law in splines where there is no formula.
    """

    expression: Expr | None
    residual: float
    scale: float
    kan: KAN | None
    family: str
    names: tuple[str, ...]
    splines: UnnamedLaw | None = described(default=None, repr=False)

    def __call__(self, states: Float[np.ndarray, "rows coordinates"]) -> Float[np.ndarray, " rows"]:
        """Return the law at states (its formula's values, or those of its splines)."""
        if self.expression is not None:
            return values_of(self.expression, self.names, np.asarray(states, float))
        assert self.splines is not None
        return self.splines.values(np.asarray(states, float))

    def __str__(self) -> str:
        return str(self.expression) if self.expression is not None else f"splines ({self.family})"


@dataclass(frozen=True, eq=False)
class ConservedQuantities:
    """What is conserved, in which class of functions, on what evidence.

    Args:
        count: number of functionally independent laws.
        laws: a basis of them, simplest first.
        residuals: per family and grid, the smallest relative changes on rows that no solve has read.
        function_class: the functions among which was searched, in words.
        verdict: "laws"; "approximate" (something changes little, and stays so however fine the grid); "local" (it
            holds on the samples and drifts beyond them); "none".
        sentence: the verdict in words.
    """

    count: int
    laws: tuple[ConservedLaw, ...]
    residuals: tuple[Entry, ...]
    function_class: str
    verdict: Verdict
    sentence: str

    def __str__(self) -> str:
        lines = [self.sentence]
        for n, law in enumerate(self.laws, start=1):
            lines.append(f"  H{n} = {law}    (residual {law.residual:.0e}, scale {law.scale:.3g})")
        lines.append(f"Searched: {self.function_class}.")
        return "\n".join(lines)

    def __rich__(self) -> Any:
        """Return a table for terminals."""
        from rich.table import Table

        table = Table(
            "",
            "conserved",
            "residual",
            "scale",
            title=self.sentence,
            caption=f"Searched: {self.function_class}.",
        )
        for n, law in enumerate(self.laws, start=1):
            table.add_row(f"H{n}", str(law), f"{law.residual:.0e}", f"{law.scale:.3g}")
        return table


def conserved_quantities(
    field: Callable[[Any], Any] | np.ndarray,
    samples: Any,
    *,
    names: Sequence[str] | None = None,
    angles: Sequence[str | int] = (),
    seed: int = 0,
) -> ConservedQuantities:
    """Return the conserved quantities of a vector field, from its values at sampled states.

    Args:
        field: a function from a state (d,) to its velocity (d,), written for JAX or NumPy; or the velocities at the
            samples, (N, d). With a function, laws are also followed along long orbits.
        samples: states, (N, d); at least 60. Where they lie is where the laws are known to hold.
        names: of the coordinates; default z1, z2, ...
        angles: coordinates that are angles, by name or number: laws must be periodic in them.
        seed: picks the rows that are used of many, and the orbits.

    Raises:
        ShapeError, TableError, ColumnError: samples that are no finite table; a field of another shape; names that
            do not fit.
        SettingError: too few samples, or an angle that is no coordinate.
    """
    states, names = checked_states(samples, names)
    at_angles = tuple(_angle(a, names) for a in angles)
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(states))[:MOST_ROWS]
    call: BatchField | None = None
    if callable(field):
        call = batched(field, states[0])
        states = states[chosen]
        velocities = call(states)
    else:
        velocities = check_matrix(field)
        if velocities.shape != states.shape:
            raise ShapeError(
                f"{velocities.shape} velocities for {states.shape} samples.",
                fix="give one velocity for each sample and coordinate.",
            )
        states, velocities = states[chosen], velocities[chosen]
    if not np.all(np.isfinite(velocities)):
        row = int(np.flatnonzero(~np.isfinite(velocities).all(axis=1))[0])
        raise TableError(
            f"The field is not finite at the state {np.round(states[row], 4).tolist()}.",
            fix="leave out samples at singular states.",
        )
    if not np.any(velocities):
        raise TableError(
            "The field is zero at all samples: every function is conserved.", fix="check the field."
        )
    problem = Problem(names, states, velocities, at_angles)
    # Many small matrices: threads would wait for each other, thirty times as long where cores are shared.
    with threadpool_limits(limits=1):
        search = _without_local(with_splines(exact_search(problem)), call)
        return _judged(_without_local(with_inner_laws(search, seed), call), call, seed)


def checked_states(samples: Any, names: Sequence[str] | None) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return finite states and the names of their coordinates.

    Raises:
        ShapeError, TableError, ColumnError: no finite table (N, d) with d >= 2, or names that do not fit.
        TableError: a coordinate that is the same in all states.
        SettingError: fewer than 60 samples.
    """
    given = tuple(names) if names is not None else None
    if given is not None:
        check_names(given)
    shape: tuple[int, ...] = getattr(samples, "shape", ())
    states = check_matrix(samples, given or (numbered_names("z", shape[1]) if len(shape) == 2 else None))
    d = states.shape[1]
    if d < 2:
        raise ShapeError(
            "The states have one coordinate, whose only invariants are constants.",
            fix="give states of shape (N, d) with all coordinates, d >= 2.",
        )
    if len(states) < max(FEWEST_ROWS, 12 * d):
        raise SettingError(
            f"{len(states)} samples are too few to tell a law of {d} coordinates from chance.",
            fix=f"give at least {max(FEWEST_ROWS, 12 * d)}; 1000 to 3000 are good.",
        )
    names = given or numbered_names("z", d)
    still = np.flatnonzero(np.ptp(states, axis=0) == 0)
    if still.size:
        n = int(still[0])
        raise TableError(
            f"The coordinate {names[n]} is {states[0, n] + 0.0:g} in all states: nothing tells how a law depends "
            "on it.",
            fix="leave it out of the states, or give states in which it differs.",
        )
    return states, names


def _angle(angle: str | int, names: tuple[str, ...]) -> int:
    if isinstance(angle, str) and angle in names:
        return names.index(angle)
    if isinstance(angle, int | np.integer) and 0 <= angle < len(names):
        return int(angle)
    raise SettingError(f"There is no coordinate {angle!r} to be an angle.", fix=nearest(str(angle), names))


def described_law(law: FoundLaw, problem: Problem) -> ConservedLaw:
    """Return a found law with its scale and its network."""
    values = values_of(law.expression, problem.names, problem.states)
    # Measured rows that errors carry beyond a logarithm's pole have no value.
    scale = float(np.nanstd(values)) or 1.0
    return ConservedLaw(
        law.expression,
        law.residual,
        scale,
        compiled(law.expression, scale, problem),
        law.family,
        problem.names,
    )


def compiled(expression: Expr, scale: float, problem: Problem) -> KAN | None:
    """Return the network of a law at unit standard deviation, or None if it cannot be laid out as one."""
    from scikan.core.expr import Add
    from scikan.symbolic.kanpiler import kanpiler

    terms = expression.args if isinstance(expression, Add) else (expression,)
    scaled = add([multiply([Number(1.0 / scale), term]) for term in terms])
    domain = np.stack([problem.states.min(axis=0), problem.states.max(axis=0)], axis=1)
    try:
        return kanpiler(scaled, problem.names, domain=domain, targets=("H",))
    except CompileError:
        return None


def _without_local(search: SplineSearch, call: BatchField | None) -> SplineSearch:
    """Return the search without laws in splines that hold on the samples only.

    Hidden nodes are sought only where no law is left without a name, and these are no laws.
    """
    if call is None:
        return search
    kept = tuple(
        law for law in search.unnamed if law in search.survivors or splines_survive(law, search, call)
    )
    n_local = search.n_local + len(search.unnamed) - len(kept)
    return replace(search, unnamed=kept, survivors=kept, n_local=n_local)


def _judged(search: SplineSearch, call: BatchField | None, seed: int) -> ConservedQuantities:
    """Return the record: laws that survive orbits beyond the samples, and the verdict."""
    progress = search.progress
    problem = progress.problem
    orbits = long_orbits(call, problem.states, seed) if call is not None and progress.laws else None
    laws: list[ConservedLaw] = []
    rejected = search.n_local
    for found in progress.laws:
        if orbits is not None and call is not None and not survives(found.expression, problem, orbits, call):
            rejected += 1
            continue
        laws.append(described_law(found, problem))
    for splines in search.unnamed:
        residual = splines.refinement.residuals[-1]
        kan = splines.kan if isinstance(splines, InnerLaw) else None
        scale = float(np.std(splines.values(problem.states)))
        laws.append(ConservedLaw(None, residual, scale, kan, splines.words, problem.names, splines))
    verdict, sentence = _verdict(len(laws), rejected, search, call is not None)
    words = "; ".join(dict.fromkeys(e.family for e in progress.entries))
    return ConservedQuantities(len(laws), tuple(laws), progress.entries, words, verdict, sentence)


def _verdict(count: int, rejected: int, search: SplineSearch, has_field: bool) -> tuple[Verdict, str]:
    most = len(search.progress.problem.names) - 1
    if count:
        laws = "1 conserved quantity" if count == 1 else f"{count} independent conserved quantities"
        whole = ", as many as there can be" if count == most else ""
        checked = (
            "" if has_field else " (not followed beyond the samples: give the field as a function for that)"
        )
        return "laws", f"{laws}{whole}{checked}."
    if rejected:
        return (
            "local",
            "No law: what is constant on the samples drifts along orbits that leave them, or breaks at rest.",
        )
    if search.near:
        entry = search.near[0]
        return "approximate", (
            f"No law holds exactly. Something changes little ({entry.residuals[0]:.0e} in {entry.family}) "
            "and stays so when the grid is refined: an approximate or a local invariant."
        )
    return "none", "None found: nothing in these families is conserved."
