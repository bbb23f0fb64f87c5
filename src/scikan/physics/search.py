"""The search for laws of a field, simplest families first; what was found so far goes from stage to stage.

Each stage lays out a family, takes the null vectors that hold to rounding, writes them as formulas and keeps those
that are independent of what is known. Families with elementary functions come before splines: they are exact. Splines
(a KAN of one layer) then tell whether a law is left that no formula of the families says.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from scikan.core.expr import Expr, Symbol
from scikan.law.ordering import in_order
from scikan.physics.auxiliaries import (
    LINEAR,
    MEASURED,
    curves_of,
    differences,
    distances,
    factors_of,
    positions,
)
from scikan.physics.counting import independent_ones, outside
from scikan.physics.families import (
    Block,
    Elementary,
    Family,
    expressions,
    gradients,
    lay_atoms,
    monomials,
    n_columns,
    products,
)
from scikan.physics.solving import (
    POLISHED,
    Laid,
    States,
    identities_of,
    null_space,
    polished,
    small_subsets,
    sparse_vectors,
    standard_errors,
)
from scikan.physics.writing import (
    cost,
    elementary_parts,
    gradient_of,
    natural_form,
    values_of,
    weighted_sum,
)


@dataclass(frozen=True)
class Criterion:
    """When a vector is a law.

    Args:
        null: held-out residual of a vector that may be one.
        gap: how much more the first vector that is none must change.
        holds: held-out residual of a law on its own terms.
        fair: residual below which laws are equally good, and the shorter is taken.
        new: what of a unit gradient must lie outside the known laws' span.
    """

    null: float
    gap: float
    holds: float
    fair: float
    new: float


EXACTLY = Criterion(null=1e-9, gap=30.0, holds=POLISHED, fair=POLISHED, new=1e-5)
WITHIN_NOISE = Criterion(null=2.0, gap=1.0, holds=1.35, fair=1.1, new=0.1)

FACTORED = "laws times coordinates"
MOST_COLUMNS = 500
MOST_NOISY_COLUMNS = 200
MOST_BLURRED = 15
NOISY_DROP = 1e-7
"""Directions that measuring errors reach less than this cannot be told from others."""

MOST_CANDIDATES = 40
MOST_WORKING_ROWS = 3000
Rows = Float[np.ndarray, "rows coordinates"]


@dataclass(frozen=True, eq=False)
class Problem:
    """A field on samples.

    Args:
        names: the coordinates.
        states: (rows, coordinates).
        velocities: the field there.
        angles: coordinates that are angles: functions of them must be periodic.
        groups: the trajectory of each row, 0, 1, ..., where laws are read from trajectories and not from the field.
        noise: standard deviation of the measuring error of each coordinate, then.
    """

    names: tuple[str, ...]
    states: Rows
    velocities: Rows
    angles: tuple[int, ...] = ()
    groups: np.ndarray | None = None
    noise: Float[np.ndarray, " coordinates"] | None = None

    @property
    def criterion(self) -> "Criterion":
        """What counts as exact: rounding, or what measuring errors explain."""
        return EXACTLY if self.noise is None else WITHIN_NOISE

    @property
    def unit_field(self) -> Rows:
        """The field in coordinates of unit spread, made a unit vector, back in the coordinates' units."""
        speed = np.linalg.norm(self.velocities / self.spread, axis=1, keepdims=True)
        return np.divide(self.velocities, speed, out=np.zeros_like(self.velocities), where=speed > 0)

    @property
    def spread(self) -> Float[np.ndarray, " coordinates"]:
        """Standard deviation of each coordinate; 1 for one that is constant."""
        spread = self.states.std(axis=0)
        return np.where(spread > 1e-12 * np.abs(self.states).max(axis=0), spread, 1.0)

    def laid(self, auxiliaries: Sequence[Expr] = ()) -> States:
        """Return the rows with atoms: the coordinates, then auxiliary inputs."""
        exprs = [*(Symbol(name) for name in self.names), *auxiliaries]
        atoms = lay_atoms(exprs, self.names, self.states, self.unit_field)
        every = np.arange(len(self.states))
        if self.groups is None or self.noise is None:
            return States(atoms, self.spread, every)
        # Near a singular state errors are blown up without bound: such rows would outweigh all others.
        gaps = atoms.values[:, len(self.names) :]
        positive = gaps[:, (gaps > 0).all(axis=0)] if gaps.size else gaps
        near = positive.min(axis=1) if positive.shape[1] else np.ones(len(every))
        keep = np.flatnonzero(near >= 0.35 * np.median(near))
        return States(atoms.rows(keep), self.spread, every[keep], self.groups[keep], self.noise)

    @property
    def positions(self) -> tuple[int, ...]:
        """The coordinates whose velocities are linear in others; measured velocities are so within errors."""
        return positions(self.states, self.velocities, LINEAR if self.noise is None else MEASURED)

    @property
    def plain(self) -> tuple[int, ...]:
        """The coordinates that are no angles."""
        return tuple(i for i in range(len(self.names)) if i not in self.angles)


@dataclass(frozen=True)
class Entry:
    """One line of evidence: a family, its grid (0: none), the smallest residuals, and how many laws it holds."""

    family: str
    grid: int
    residuals: tuple[float, ...]
    laws: int


@dataclass(frozen=True, eq=False)
class FoundLaw:
    """A law as a formula: where it came from, and its residual."""

    expression: Expr
    family: str
    residual: float


@dataclass(frozen=True, eq=False)
class Progress:
    """What is known: the laws, their gradients, (rows, laws, coordinates), and the evidence."""

    problem: Problem
    laws: tuple[FoundLaw, ...]
    slopes: Float[np.ndarray, "rows laws coordinates"]
    entries: tuple[Entry, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether as many laws are known as can be: one less than coordinates."""
        return len(self.laws) >= len(self.problem.names) - 1

    def curves(self, states: States, chosen: Sequence[int]) -> list[tuple[int, Elementary]]:
        """Return elementary functions of each chosen atom; any function of a law is one, so laws get none."""
        d = len(self.problem.names)
        known = {law.expression for law in self.laws}
        return [
            (a, curves_of(states.atoms.values[:, a], a < d))
            for a in chosen
            if states.atoms.exprs[a] not in known
        ]


def start(problem: Problem) -> Progress:
    """Return a search that knows nothing."""
    n, d = problem.states.shape
    return Progress(problem, (), np.zeros((n, 0, d)))


def unit_residual(expr: Expr, problem: Problem) -> float:
    """Return rms(f . grad H / |f| |grad H|) over all samples where neither vanishes; the share of a law's standard
    deviation that lies within trajectories, where laws are read from these.
    """
    if problem.groups is not None:
        values = values_of(expr, problem.names, problem.states)[:, None]
        states = problem.laid()
        return float(np.std(states.within(values[states.every])) / np.std(values))
    slope = gradient_of(expr, problem.names, problem.states) * problem.spread
    field = problem.unit_field / problem.spread
    size = np.linalg.norm(slope, axis=1)
    usable = size > 1e-6 * np.median(size)
    change = np.einsum("ni,ni->n", slope, field)[usable] / size[usable]
    return float(np.sqrt(np.mean(change**2))) if usable.any() else 1.0


def with_exact_laws(
    progress: Progress,
    family: Family,
    states: States,
    words: str,
    drop: float = 1e-9,
    has_identities: bool = False,
) -> Progress:
    """Return the search with the laws of a family that hold to rounding and are new."""
    columns = n_columns(family)
    most_columns = MOST_COLUMNS if progress.problem.noise is None else MOST_NOISY_COLUMNS
    if progress.is_complete or not columns or columns > min(most_columns, len(states.train) // 2):
        return progress
    rule = progress.problem.criterion
    states = states.fewer(6 * columns)
    space = null_space(family, states, drop if states.noise is None else NOISY_DROP, most=80)
    n = int(np.sum(space.residuals < rule.null))
    if n and n < len(space.residuals) and space.residuals[n] < rule.gap * space.residuals[n - 1]:
        n = 0
    entry = Entry(words, 0, tuple(float(r) for r in space.residuals[: n + 1]), n)
    progress = replace(progress, entries=(*progress.entries, entry))
    noisy = states.noise is not None
    few = np.arange(len(states.atoms.values))[:: max(len(states.atoms.values) // 300, 1)]
    known, rows = progress.slopes[states.every][few], states.atoms.rows(few)
    if not noisy and not independent_ones(known, gradients(family, rows, space.vectors[:, :n]), most=1):
        return progress
    identities = identities_of(space.columns) if has_identities else np.zeros((len(space.sizes), 0))
    vectors = sparse_vectors(space.first(n), identities)
    if noisy:
        small = small_subsets(space.columns)
        small = small[:, space.columns.residuals(small) < rule.holds]
        fresh = [
            c
            for c in range(small.shape[1])
            if outside(known, gradients(family, rows, small[:, [c]])[:, 0]) > rule.new
        ]
        vectors = np.concatenate([small[:, fresh], vectors[:, :MOST_BLURRED]], axis=1)
    vectors = _short_ones(space.columns, vectors)
    trees = expressions(family, states.atoms)
    room = len(progress.problem.names) - 1 - len(progress.laws)
    for c in independent_ones(known, gradients(family, rows, vectors), rule.new, most=room):
        errors = standard_errors(space.columns, vectors[:, c]) if noisy else None
        progress = _with_law(progress, vectors[:, c], trees, words, errors)
    return progress


def _short_ones(table: Laid, vectors: np.ndarray) -> np.ndarray:
    """Return vectors that are laws, each solved on its own terms, the shortest formulas first."""
    trees = expressions(table.family, table.states.atoms)
    mixed = np.asarray([len(block.powers) > 1 for block in table.family for _ in range(n_columns((block,)))])
    lengths = np.asarray([cost(tree) + 1.0 for tree in trees]) + 0.5 * mixed
    rule = EXACTLY if table.states.noise is None else WITHIN_NOISE
    found: list[tuple[float, float, np.ndarray]] = []
    for c in np.argsort((vectors != 0).T @ lengths, kind="stable")[:MOST_CANDIDATES]:
        vector, residual = polished(table, vectors[:, c])
        if residual < rule.holds:
            live = np.flatnonzero(vector)
            plain = weighted_sum([trees[k] for k in live], vector[live])
            found.append((float((vector != 0) @ lengths) + cost(plain), residual, vector))
    found.sort(key=lambda entry: entry[0])
    # Among laws within errors the shortest: but one that leaves more than errors explain is an approximation.
    least = max(1.08 * min((r for _, r, _ in found), default=0.0), rule.fair)
    kept = [v for _, r, v in found if r <= least]
    return np.stack(kept, axis=1) if kept else vectors[:, :0]


def _with_law(
    progress: Progress, vector: np.ndarray, trees: tuple[Expr, ...], words: str, errors: np.ndarray | None
) -> Progress:
    live = np.flatnonzero(vector)
    problem = progress.problem
    plain = weighted_sum([trees[k] for k in live], vector[live], None if errors is None else errors[live])
    # A product of sums is shorter as it was found; sums of powers are read most easily as sums.
    is_factored = words == FACTORED
    expression = natural_form(plain, problem.names) if is_factored else in_order(plain, problem.names)
    law = FoundLaw(expression, words, unit_residual(expression, problem))
    slope = gradient_of(expression, problem.names, problem.states)
    return replace(
        progress, laws=(*progress.laws, law), slopes=np.concatenate([progress.slopes, slope[:, None]], axis=1)
    )


def exact_search(problem: Problem) -> Progress:
    """Return all laws that are exact in families of formulas."""
    progress = start(problem)
    progress = _polynomials(progress, range(1, 2))
    progress = _factored(progress)
    progress = _polynomials(progress, range(2, 5))
    progress = _elementary(progress)
    progress = _auxiliary(progress)
    return _times_curves(progress)


def _polynomials(progress: Progress, degrees: range) -> Progress:
    problem = progress.problem
    states = problem.laid()
    for degree in degrees:
        # Many coordinates have more products of known laws than anything else in their third degree.
        if degree > 2 and len(problem.names) > 8 and progress.laws:
            break
        family = monomials(problem.plain, degree)
        progress = with_exact_laws(progress, family, states, f"polynomials of degree {degree}")
    return progress


def _factored(progress: Progress) -> Progress:
    """Try linear laws times coordinates: a uniform motion is found in its own form, not as a sum of many terms."""
    problem = progress.problem
    linear = [law.expression for law in progress.laws if law.family == "polynomials of degree 1"]
    if not linear:
        return progress
    states = problem.laid(linear)
    d = len(problem.names)
    family = tuple(Block(((d + n, 1), (i, 1))) for n in range(len(linear)) for i in problem.plain)
    return with_exact_laws(progress, family, states, FACTORED)


def _elementary(progress: Progress) -> Progress:
    problem = progress.problem
    states = problem.laid()
    d = len(problem.names)
    family = (*monomials(problem.plain, 2), *products([()], progress.curves(states, range(d))))
    progress = with_exact_laws(progress, family, states, "sums of elementary functions", drop=1e-12)
    return _closed(progress)


def _closed(progress: Progress) -> Progress:
    """Try polynomials in the coordinates and in the functions that known laws are made of."""
    problem = progress.problem
    parts = list(dict.fromkeys(p for law in progress.laws for p in elementary_parts(law.expression)))
    if not parts or progress.is_complete:
        return progress
    states = problem.laid(parts)
    members = [*problem.plain, *range(len(problem.names), len(problem.names) + len(parts))]
    for degree in (2, 3, 4):
        if degree > 2 and len(members) > 10:
            break
        words = f"polynomials of degree {degree} in coordinates and the functions of known laws"
        family = monomials(members, degree)
        progress = with_exact_laws(progress, family, states, words, has_identities=True)
    return progress


def auxiliary_sets(problem: Problem) -> list[tuple[str, tuple[Expr, ...]]]:
    """Return the sets of auxiliary inputs that are offered: differences, then distances in each grouping."""
    where = problem.positions
    others = tuple(i for i in range(len(problem.names)) if i not in where)
    sets = [("differences", differences(problem.names, where))]
    sets += [("distances", group) for group in distances(problem.names, where)]
    sets += [("lengths", group) for group in distances(problem.names, others)]
    return [(words, group) for words, group in sets if group]


def _auxiliary(progress: Progress) -> Progress:
    problem = progress.problem
    d = len(problem.names)
    for words, group in auxiliary_sets(problem):
        if progress.is_complete:
            break
        states = problem.laid(group)
        chosen = range(0 if d <= 6 else d, d + len(group))
        family = (*monomials(problem.plain, 2), *products([()], progress.curves(states, chosen)))
        before = len(progress.laws)
        name = f"sums of elementary functions of coordinates and {words}"
        progress = with_exact_laws(progress, family, states, name, drop=1e-12)
        if len(progress.laws) > before:
            progress = _closed(progress)
    return progress


def _times_curves(progress: Progress) -> Progress:
    """Try monomials times elementary functions of one coordinate or difference, beside sums of all of them."""
    problem = progress.problem
    d = len(problem.names)
    if d > 6:
        return progress
    where = problem.positions
    group = differences(problem.names, where) if len(where) < d else ()
    states = problem.laid(group)
    curves = progress.curves(states, range(d + len(group)))
    base = (*monomials(problem.plain, 2), *products([()], curves))
    for atom, _ in curves:
        if progress.is_complete:
            break
        powers = [b.powers for b in monomials([i for i in problem.plain if i != atom], 2)]
        factors = factors_of(states.atoms.values[:, atom], atom < d)
        family = (*base, *products(powers, [(atom, factors)]))
        words = f"monomials times elementary functions of {states.atoms.exprs[atom]}"
        before = len(progress.laws)
        progress = with_exact_laws(progress, family, states, words, drop=1e-12)
        if len(progress.laws) > before:
            progress = _closed(progress)
    return progress
