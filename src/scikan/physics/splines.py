"""Laws in splines, a KAN of one layer: the evidence by refinement, and names where names can be found.

The residuals of a law's splines fall as the grid is refined, those of anything else stay. What falls and is
independent of the laws known is named; what cannot be named stays a law in splines.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias

import numpy as np
from jaxtyping import Float

from scikan.core.expr import Expr
from scikan.law.ordering import in_order
from scikan.physics.auxiliaries import differences
from scikan.physics.counting import independent_ones
from scikan.physics.families import (
    Block,
    Family,
    Powers,
    Splines,
    columns,
    gradients,
    lay_atoms,
    monomials,
    n_columns,
    products,
)
from scikan.physics.naming import named_law, offered, parts_of, templates_of
from scikan.physics.problem import Entry, FoundLaw, Progress, unit_residual
from scikan.physics.solving import NullSpace, States, null_space
from scikan.physics.stage import closed, with_exact_laws
from scikan.physics.writing import gradient_of, weighted_sum
from scikan.train.linear import Refinement, knots_of


DEGREE = 5
GRIDS = (10, 20, 40)
PRODUCT_GRIDS = (6, 12, 24)
SMALL, TINY = 1e-3, 1e-5
"""Residual at the finest grid below which falling residuals may belong to a law; and those that fell before."""

GAP = 10.0
HOPELESS, EXACT = 0.05, 1e-8
"""Residual at the second grid above which no third is laid; below the second number a vector is exact."""

NEW = 0.03
"""What of a unit gradient in splines must stick out of the known laws' span."""

MOST_COLUMNS = 620
Maker: TypeAlias = Callable[[int], Family]
Builder: TypeAlias = Callable[[States], Maker]


class UnnamedLaw(Protocol):
    """A law in splines, in whichever family."""

    @property
    def words(self) -> str: ...

    @property
    def refinement(self) -> Refinement: ...

    def values(self, states: Float[np.ndarray, "rows coordinates"]) -> Float[np.ndarray, " rows"]: ...

    def slopes(
        self, states: Float[np.ndarray, "rows coordinates"]
    ) -> Float[np.ndarray, "rows coordinates"]: ...


@dataclass(frozen=True, eq=False)
class SplineLaw:
    """A law in splines: a family over atoms with coefficients, and its evidence.

    Args:
        family: its blocks.
        exprs: the atoms as formulas of the coordinates.
        names: the coordinates.
        coefficients: (columns,); the law has standard deviation 1.
        words: the family in words.
        refinement: residuals on rising grids.
        build: lays the family on other states, grid by grid.
    """

    family: Family
    exprs: tuple[Expr, ...]
    names: tuple[str, ...]
    coefficients: Float[np.ndarray, " columns"]
    words: str
    refinement: Refinement
    build: Builder

    def values(self, states: Float[np.ndarray, "rows coordinates"]) -> Float[np.ndarray, " rows"]:
        """Return the law at states."""
        atoms = lay_atoms(self.exprs, self.names, states)
        return np.asarray(columns(self.family, atoms)[0] @ self.coefficients)

    def slopes(self, states: Float[np.ndarray, "rows coordinates"]) -> Float[np.ndarray, "rows coordinates"]:
        """Return the gradient at states."""
        atoms = lay_atoms(self.exprs, self.names, states)
        return gradients(self.family, atoms, self.coefficients[:, None])[:, 0]


@dataclass(frozen=True, eq=False)
class Evidence:
    """What refinement says of a family: entries and null spaces per grid, how many vectors fall, whether some stay
    small.
    """

    entries: tuple[Entry, ...]
    count: int
    spaces: tuple[NullSpace, ...]
    is_near: bool

    @property
    def space(self) -> NullSpace:
        """The null space on the finest grid."""
        return self.spaces[-1]

    @property
    def best(self) -> NullSpace:
        """The small vectors, up to the last gap, on the grid that has the most of them; it may have none."""
        small = [space.first(_small(space.residuals)) for space in self.spaces]
        return max(small, key=lambda space: len(space.residuals))

    def refinement(self, vector: int) -> Refinement:
        """Return the residuals of one vector on all grids."""
        return Refinement(
            tuple(e.grid for e in self.entries), tuple(e.residuals[vector] for e in self.entries)
        )


@dataclass(frozen=True, eq=False)
class SplineSearch:
    """The search so far.

    Args:
        progress: laws with formulas, and the evidence.
        unnamed: laws in splines beside it.
        near: entries of families with approximate laws.
        survivors: laws in splines that were followed beyond the samples.
        n_local: how many were not found again there, and are no laws.
    """

    progress: Progress
    unnamed: tuple[UnnamedLaw, ...] = ()
    near: tuple[Entry, ...] = ()
    survivors: tuple[UnnamedLaw, ...] = ()
    n_local: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether no further law can be independent."""
        return len(self.progress.laws) + len(self.unnamed) >= len(self.progress.problem.names) - 1


def additive(atoms: Sequence[int], cross: Sequence[Powers] = ()) -> Builder:
    """Return what lays additive splines of atoms, with monomials beside them, on states for a grid."""
    return lambda states: (
        lambda grid: (*(Block(p) for p in cross), *products([()], _curves(states, atoms, grid)))
    )


def weighted(atom: int, powers: Sequence[Powers]) -> Builder:
    """Return what lays monomials times splines of one atom, on states for a grid."""
    return lambda states: lambda grid: products([(), *powers], _curves(states, [atom], grid))


def _curves(states: States, atoms: Sequence[int], grid: int) -> list[tuple[int, Splines]]:
    values = states.atoms.values
    return [(a, Splines(knots_of(values[:, a], grid, DEGREE), DEGREE)) for a in atoms]


def refined(make: Maker, states: States, words: str, grids: Sequence[int]) -> Evidence | None:
    """Return what the residuals of a family on rising grids say, on held-out rows; None if it has too many columns."""
    spaces: list[NullSpace] = []
    entries: list[Entry] = []
    for n, grid in enumerate(grids):
        family = make(grid)
        size = n_columns(family)
        if size > min(MOST_COLUMNS, len(states.train) // 2):
            break
        space = null_space(family, states.fewer(5 * size), most=8)
        spaces.append(space)
        entries.append(Entry(words, grid, tuple(float(r) for r in space.residuals), 0))
        # Known laws are exact in every family; the first vector beyond them tells what a finer grid may bring.
        rest = space.residuals[space.residuals > EXACT]
        if n == 1 and len(rest) and rest[0] > HOPELESS:
            break
    if len(spaces) < 2:
        return None
    table = np.stack([s.residuals[: min(len(t.residuals) for t in spaces)] for s in spaces])
    count = _falling(tuple(e.grid for e in entries), table)
    is_near = count == 0 and bool(table[-1, 0] < 10 * SMALL) and bool(table[-1, 1] > 5 * table[-1, 0])
    entries[-1] = replace(entries[-1], laws=count)
    return Evidence(tuple(entries), count, tuple(spaces), is_near)


def _falling(grids: tuple[int, ...], table: Float[np.ndarray, "grids vectors"]) -> int:
    """Return how many of the first vectors fall as a law does, up to the last gap."""
    count = 0
    for v in range(table.shape[1] - 1):
        if not _falls(grids, table[:, v]) or table[-1, v] > SMALL:
            break
        if table[-1, v + 1] > GAP * table[-1, v]:
            count = v + 1
    return count


def _falls(grids: tuple[int, ...], residuals: Float[np.ndarray, " grids"]) -> bool:
    """Return whether residuals fall as a law's do, or fell so until the finest grid had too few rows for more."""
    evidence = Refinement(grids, tuple(float(r) for r in residuals))
    if evidence.kind == "floor" or evidence.order > 2:
        return True
    best = int(np.argmin(residuals))
    before = Refinement(grids[: best + 1], tuple(float(r) for r in residuals[: best + 1]))
    return bool(0 < best and residuals[-1] < TINY and before.order > 2)


def _small(residuals: Float[np.ndarray, " vectors"]) -> int:
    """Return how many vectors are small, up to the last gap."""
    gaps = np.flatnonzero((residuals[:-1] < SMALL) & (residuals[1:] > GAP * residuals[:-1]))
    return int(gaps[-1]) + 1 if len(gaps) else 0


def with_splines(progress: Progress) -> SplineSearch:
    """Return the search with what splines find beyond formulas."""
    problem = progress.problem
    d = len(problem.names)
    search = SplineSearch(progress)
    if problem.angles:
        # Splines know no period: with angles, functions of them are the elementary ones.
        return search
    states = problem.laid()
    grids = GRIDS if d <= 8 else (5, 10, 20)
    search = _stage(search, additive(range(d)), states, "sums of splines, a KAN [d, 1]", grids)
    cross = [b.powers for b in monomials(range(d), 2, lowest=2) if len(b.powers) > 1]
    for words, group in problem.auxiliary_sets:
        if search.is_complete:
            return search
        states = problem.laid(group)
        members = range(d, d + len(group)) if d > 6 else range(d + len(group))
        beside = [b.powers for b in monomials(range(d), 2)] if d > 6 else cross
        name = f"monomials of degree 2 and splines of coordinates and {words}"
        search = _stage(search, additive(members, beside), states, name, grids)
    return _products(search)


def with_input(search: SplineSearch, given: Expr, beside: Sequence[int], is_short: bool) -> SplineSearch:
    """Return the search with laws over a given input: a spline of it, and of coordinates beside it.

    Args:
        search: what is known.
        given: the input, a formula of the coordinates.
        beside: the coordinates that have terms of their own.
        is_short: whether these are monomials of degree 2 in place of splines, which leaves one curve to be named.
    """
    problem = search.progress.problem
    states, last = problem.laid((given,)), len(problem.names)
    build = (
        additive([last], [b.powers for b in monomials(beside, 2)]) if is_short else additive([*beside, last])
    )
    words = f"sums of {'monomials' if is_short else 'splines'} of coordinates and a spline of {given}"
    return _stage(search, build, states, words, GRIDS)


def _products(search: SplineSearch) -> SplineSearch:
    problem = search.progress.problem
    d = len(problem.names)
    where = problem.positions
    radii = tuple(e for words, group in problem.auxiliary_sets if words == "distances" for e in group)
    group = (*differences(problem.names, where), *radii)
    if d > 4:
        return search
    states = problem.laid(group)
    for atom in [*where, *range(d, d + len(group))]:
        if search.is_complete:
            break
        powers = [b.powers for b in monomials([i for i in range(d) if i != atom], 2)]
        words = f"monomials times splines of {states.atoms.exprs[atom]}"
        search = _stage(search, weighted(atom, powers), states, words, PRODUCT_GRIDS)
    return search


def _stage(
    search: SplineSearch, build: Builder, states: States, words: str, grids: Sequence[int]
) -> SplineSearch:
    """Return the search with what one family adds: evidence, named laws, laws in splines."""
    found = refined(build(states), states, words, grids)
    if found is None:
        return search
    problem = search.progress.problem
    progress = replace(search.progress, entries=(*search.progress.entries, *found.entries))
    search = replace(search, progress=progress)
    if found.is_near:
        search = replace(search, near=(*search.near, found.entries[-1]))
    if not found.count or search.is_complete:
        return search
    space = found.space.first(found.count)
    before = search

    def fresh(vectors: np.ndarray) -> int:
        return len(_independent(before, space.columns.family, states, vectors))

    if not fresh(space.vectors):
        return search
    # Whatever the space is split into holds as well as the worst of its vectors, at least.
    evidence = found.refinement(found.count - 1)
    n_laws = len(progress.laws)
    for vector in _separated(space, fresh):
        family, exprs = space.columns.family, states.atoms.exprs
        law = SplineLaw(family, exprs, problem.names, vector, words, evidence, build)
        search = _with_spline_law(search, law, states)
    if len(search.progress.laws) > n_laws:
        search = replace(search, progress=closed(search.progress))
    return search


def _known_slopes(search: SplineSearch, rows: np.ndarray) -> Float[np.ndarray, "rows laws coordinates"]:
    states = search.progress.problem.states[rows]
    more = [law.slopes(states)[:, None] for law in search.unnamed]
    return np.concatenate([search.progress.slopes[rows], *more], axis=1)


def _independent(search: SplineSearch, family: Family, states: States, vectors: np.ndarray) -> list[int]:
    some = np.arange(0, len(states.every), max(len(states.every) // 300, 1))
    slopes = gradients(family, states.atoms.rows(some), vectors)
    return independent_ones(_known_slopes(search, states.every[some]), slopes, NEW)


def _with_spline_law(search: SplineSearch, found: SplineLaw, states: States) -> SplineSearch:
    """Return the search with a law in splines under its names, or as it is, if it is new."""
    vector = found.coefficients
    if search.is_complete or not _independent(search, found.family, states, vector[:, None]):
        return search
    progress = search.progress
    problem = progress.problem
    least = max(1e-4, 10 * found.refinement.residuals[-1])
    parts = parts_of(found.family, states.atoms, vector, least)
    near = templates_of(parts, states)
    cross = monomials(problem.plain, 2) if not any(b.powers for b, _ in parts.curves) else ()
    family = (
        *cross,
        *(
            Block(b.powers, a, c)
            for a, c in offered(parts, near, states)
            for b, _ in parts.curves
            if b.atom == a
        ),
    )
    exact = with_exact_laws(progress, family, states, found.words, drop=1e-10, has_identities=True)
    if len(exact.laws) > len(progress.laws):
        return replace(search, progress=exact)
    named = named_law(parts, near, states)
    if named is not None:
        plain = weighted_sum(*named)
        residual = unit_residual(plain, problem)
        if residual < 1e-9:
            law = FoundLaw(in_order(plain, problem.names), found.words, residual)
            slopes = gradient_of(law.expression, problem.names, problem.states)
            together = np.concatenate([progress.slopes, slopes[:, None]], axis=1)
            return replace(search, progress=replace(progress, laws=(*progress.laws, law), slopes=together))
    return replace(search, unnamed=(*search.unnamed, found))


def _separated(space: NullSpace, fresh: Callable[[np.ndarray], int]) -> list[np.ndarray]:
    """Return vectors of the space, each with as few curves as will do: laws of few inputs are named one by one.

    Args:
        space: what is conserved, known laws among it.
        fresh: how many of some vectors are independent of the known laws and of one another.
    """
    family, table = space.columns.family, space.columns
    place = np.repeat(np.arange(len(family)), [n_columns((b,)) for b in family])
    curves = [n for n, b in enumerate(family) if isinstance(b.curve, Splines)]
    # Without the monomials, known polynomials cannot be mixed into what is new.
    droppable = [[n for n in range(len(family)) if n not in curves], *([n] for n in reversed(curves))]
    limit = max(10 * float(space.residuals.max()), 1e-10)
    vectors: list[np.ndarray] = []
    for protected in curves:
        if vectors and fresh(np.stack(vectors, axis=1)) >= fresh(space.vectors):
            break
        live = np.ones(len(family), bool)
        best = None
        for blocks in droppable:
            if protected in blocks or not blocks:
                continue
            live[blocks] = False
            trial = table.solved(np.flatnonzero(live[place] & (table.sizes > 0)), 1e-9, len(space.residuals))
            trial = trial[:, table.residuals(trial) < limit]
            new = [v for v in trial.T if fresh(v[:, None])]
            if new:
                best = new[0]
            else:
                live[blocks] = True
        vectors += [best] if best is not None else []
    return [*vectors, *space.vectors.T]
