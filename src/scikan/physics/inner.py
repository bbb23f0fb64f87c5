"""Laws whose inner layer must be found: the last stage of the search, a KAN with a hidden node.

Families that are linear in their coefficients come first (`physics.search`, `physics.splines`). What they miss may be
a law like p^2/2 - exp(-x^2 - 3 y^2): additive but for a function of a sum, which is no input that one could offer. Such
a law is sought from a few starts on a coarse grid (`physics.projected`), and believed if its residual on held-out rows
falls as all grids are refined.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from jaxtyping import Float

from scikan.core.expr import Expr, Symbol, symbols
from scikan.core.kan import KAN
from scikan.physics.families import columns, gradients, lay_atoms, monomials
from scikan.physics.inner_forms import named_inputs, network_of
from scikan.physics.problem import Entry, Problem
from scikan.physics.projected import (
    HiddenSearch,
    Nodes,
    Rows,
    Sample,
    curves_over,
    level_pairs,
    projectors,
)
from scikan.physics.splines import SplineSearch, with_input
from scikan.physics.writing import gradient_of, values_of
from scikan.train.damped import levenberg_marquardt
from scikan.train.linear import Refinement, null_vectors


POLYNOMIAL, COARSE = (1, 3, 1), (3, 6, 6)
"""Intervals of psi, a and g while starts are compared: with one interval psi and g are polynomials of degree 5, among
which far more starts end in the law than among splines. Curves with several waves need the splines."""

GRIDS = ((3, 6, 6), (6, 12, 12), (12, 24, 24))
N_STARTS, N_LONG, N_KEPT = 20, 3, 2
FIRST_STEPS, MORE_STEPS, FINE_STEPS = 5, 15, 12
GUIDE_ROWS, ROWS_EACH = 300, 240
MOST_COORDINATES = 6
CLEAR, HOPELESS = 0.02, 0.25
"""Unit residuals on a coarse grid at which no other start is tried, and above which there is no law."""

SMALL, GAP = 1e-3, 10.0
"""Unit residual at the finest grid that a law stays below, and how much more anything else changes there."""

WARM = 1e-4
"""Damping of a descent that starts near its end."""

Grids = tuple[int, int, int]
Known = Callable[[Rows], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True, eq=False)
class Units:
    """Where coordinates have their middle, and their spread: (coordinates,) each."""

    middle: Float[np.ndarray, " coordinates"]
    spread: Float[np.ndarray, " coordinates"]

    @classmethod
    def of(cls, problem: Problem) -> "Units":
        """Return the units of a problem's states."""
        return cls(problem.states.mean(axis=0), problem.spread)

    def scaled(self, states: Rows) -> Rows:
        """Return states in these units."""
        return np.asarray((states - self.middle) / self.spread)


@dataclass(frozen=True, eq=False)
class Split:
    """Rows that are solved on and rows that judge, in units of the coordinates' spread.

    Args:
        train, held: every third row is held out.
        every: the states of all rows.
        groups: the coordinates in groups of one kind, as positions and momenta, where the field tells.
    """

    train: Sample
    held: Sample
    every: Rows
    groups: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, problem: Problem, known: Known | None, units: Units, seed: int = 0) -> "Split":
        """Return the rows of a problem; `known` gives values and gradients of the known laws, if there are any."""
        rng = np.random.default_rng(seed)
        states, velocities = units.scaled(problem.states), problem.velocities / units.spread
        speed = np.linalg.norm(velocities, axis=1, keepdims=True)
        field = velocities / np.where(speed > 0, speed, 1.0)

        def laws(rows: Rows) -> tuple[np.ndarray, np.ndarray]:
            assert known is not None
            values, slopes = known(rows * units.spread + units.middle)
            return values, slopes * units.spread

        n, d = states.shape
        outside = projectors(np.zeros((n, 0, d)) if known is None else laws(states)[1])
        every = problem.laid()
        parts = [
            Sample(states[r], field[r], outside[r], level_pairs(states[r], known and laws, rng))
            for r in (every.train, every.held)
        ]
        others = tuple(i for i in range(d) if i not in problem.positions)
        groups = tuple(g for g in (problem.positions, others) if 2 <= len(g) < d)
        return cls(parts[0], parts[1], states, groups)


@dataclass(frozen=True, eq=False)
class Evidence:
    """A law on the finest grid, its residuals on all grids, and whether they are a law's."""

    nodes: Nodes
    refinement: Refinement
    is_law: bool


def searched(split: Split, grids: Grids, n_nodes: int, near: Nodes | None = None) -> HiddenSearch:
    """Return the search over hidden nodes on grids of psi, a and g, on rows weighted for a law that is near."""
    sample = split.train if near is None else split.train.flattened(near)
    inner, outer = (curves_over(split.every, grid) for grid in grids[:2])
    return HiddenSearch(sample, n_nodes, inner, outer, grids[2], split.every)


def coarse_law(split: Split, n_nodes: int, rng: np.random.Generator) -> Nodes | None:
    """Return the best law over hidden nodes on a coarse grid, or None if no start comes near one."""
    reach = involvement(split.train)
    best: tuple[float, Nodes | None] = (HOPELESS, None)
    for grids in (POLYNOMIAL, COARSE):
        for nodes in promising(split, grids, n_nodes, reach, rng):
            search = searched(split, COARSE, n_nodes, nodes)
            descent = levenberg_marquardt(search, search.transferred(nodes), MORE_STEPS)
            trial = search.solved(descent.theta)[0]
            residual = trial.residual(split.held)
            best = (residual, trial) if residual < best[0] else best
        if best[0] < CLEAR:
            break
    return best[1]


def promising(
    split: Split, grids: Grids, n_nodes: int, reach: np.ndarray, rng: np.random.Generator
) -> list[Nodes]:
    """Return the ends of the best descents from many random starts, those that differ."""
    split = replace(split, train=split.train.fewer(ROWS_EACH * len(reach)))
    search = searched(split, grids, n_nodes)
    drawn = [drawn_weights(rng, reach, n_nodes, split.groups if n % 4 < 2 else ()) for n in range(N_STARTS)]
    # Squares are found among polynomials; waves are waves along a line.
    starts = [search.start(w, 1 + n % 2 if grids == POLYNOMIAL else 1) for n, w in enumerate(drawn)]
    ends = [levenberg_marquardt(search, theta, FIRST_STEPS).theta for theta in starts]
    first = sorted((search.solved(theta)[0] for theta in ends), key=lambda nodes: nodes.residual(split.train))
    more: list[tuple[float, Nodes]] = []
    for nodes in first[:N_LONG]:
        descent = levenberg_marquardt(search, nodes.weights.ravel(), MORE_STEPS)
        end = search.solved(descent.theta)[0]
        residual = end.residual(split.train)
        if not any(abs(residual - r) < 0.02 * r for r, _ in more):
            more.append((residual, end))
    return [nodes for _, nodes in sorted(more, key=lambda entry: entry[0])[:N_KEPT]]


def drawn_weights(
    rng: np.random.Generator,
    reach: Float[np.ndarray, " coordinates"],
    n_nodes: int,
    groups: tuple[tuple[int, ...], ...],
) -> Float[np.ndarray, "nodes coordinates"]:
    """Return random weights of some of the coordinates, all from one group if there are groups.

    A node of few inputs is not easily found from starts that hold all of them.
    """
    weights = rng.normal(size=(n_nodes, len(reach))) * reach
    for h in range(n_nodes):
        members = np.arange(len(reach))
        if groups:
            members = np.asarray(groups[int(rng.integers(len(groups)))])
        size = int(rng.integers(2, len(members) + 1))
        chosen = rng.choice(members, size, replace=False)
        weights[h, np.setdiff1d(np.arange(len(reach)), chosen)] = 0.0
    return np.asarray(weights)


def involvement(sample: Sample) -> Float[np.ndarray, " coordinates"]:
    """Return how much each coordinate takes part in mixed terms of the law, by the best polynomial of degree 4.

    Mixed second derivatives of a law with a hidden node are g''(u) psi_i' psi_j': coordinates that have none are not
    in the node, and starts without them are nearer.
    """
    d = sample.states.shape[1]
    names = [f"z{i}" for i in range(d)]
    exprs = [Symbol(n) for n in names]
    family = monomials(range(d), 4)
    rates = columns(family, lay_atoms(exprs, names, sample.states, sample.field))[1]
    ends = [columns(family, lay_atoms(exprs, names, end))[0] for end in sample.pairs]
    vector = null_vectors(rates, ends[1] - ends[0], 1e-6, centred=False).vectors[:, :1]
    some, step = sample.states[:GUIDE_ROWS], 1e-2
    mixed = np.zeros((d, d))
    for i in range(d):
        above, below = (
            gradients(family, lay_atoms(exprs, names, some + side * step * np.eye(d)[i]), vector)[:, 0]
            for side in (1, -1)
        )
        mixed[i] = np.sqrt(np.mean(((above - below) / (2 * step)) ** 2, axis=0))
    np.fill_diagonal(mixed, 0.0)
    reach = np.sqrt(mixed.max(axis=1))
    return np.asarray(reach / max(float(reach.max()), 1e-300)) if mixed.any() else np.ones(d)


def refined_law(split: Split, nodes: Nodes) -> Evidence:
    """Return the law on finer grids, each started from the one before."""
    residuals: list[float] = []
    gap = 0.0
    for grids in GRIDS:
        search = searched(split, grids, len(nodes.weights), nodes)
        descent = levenberg_marquardt(search, search.transferred(nodes), FINE_STEPS, damping=WARM)
        nodes, found = search.solved(descent.theta)
        residuals.append(nodes.residual(split.held))
        gap = float(found.values[1] / max(found.values[0], 1e-300))
        if residuals[-1] > HOPELESS:
            break
    evidence = Refinement(tuple(g for _, _, g in GRIDS[: len(residuals)]), tuple(residuals))
    falls = evidence.kind == "floor" or evidence.order > 2
    return Evidence(nodes, evidence, falls and residuals[-1] < SMALL and gap > GAP)


@dataclass(frozen=True, eq=False)
class InnerLaw:
    """A law with hidden nodes.

    Args:
        nodes: its curves, over coordinates in `units`.
        words: the family in words.
        refinement: unit residuals on held-out rows, on rising grids.
        names: of the coordinates.
    """

    nodes: Nodes
    units: Units
    words: str
    refinement: Refinement
    names: tuple[str, ...]

    def values(self, states: Float[np.ndarray, "rows coordinates"]) -> Float[np.ndarray, " rows"]:
        """Return the law at states."""
        return self.nodes.values(self.units.scaled(states))

    def slopes(self, states: Float[np.ndarray, "rows coordinates"]) -> Float[np.ndarray, "rows coordinates"]:
        """Return the gradient at states."""
        return np.asarray(self.nodes.slopes(self.units.scaled(states)) / self.units.spread)

    def found_again(self, problem: Problem, known: Known | None) -> bool:
        """Return whether a law is found from this one on other states."""
        split = Split.of(problem, known, self.units)
        search = searched(split, COARSE, len(self.nodes.weights))
        descent = levenberg_marquardt(search, search.transferred(self.nodes), MORE_STEPS)
        return refined_law(split, search.solved(descent.theta)[0]).is_law

    @property
    def kan(self) -> KAN:
        """The law as a network [d, d + nodes, 1]: the first d hidden nodes copy the coordinates."""
        return network_of(self.nodes, self.units.middle, self.units.spread, self.names)


def known_laws(search: SplineSearch) -> Known | None:
    """Return what gives values and gradients of all laws found so far, or None if there are none."""
    names = search.progress.problem.names
    exprs = [law.expression for law in search.progress.laws]
    if not exprs and not search.unnamed:
        return None

    def laws(states: Rows) -> tuple[np.ndarray, np.ndarray]:
        values = [values_of(e, names, states) for e in exprs] + [law.values(states) for law in search.unnamed]
        slopes = [gradient_of(e, names, states) for e in exprs] + [
            law.slopes(states) for law in search.unnamed
        ]
        return np.stack(values, axis=1), np.stack(slopes, axis=1)

    return laws


def with_inner_laws(search: SplineSearch, seed: int = 0) -> SplineSearch:
    """Return the search with laws of one hidden node, one after the other until none is found."""
    problem = search.progress.problem
    d = len(problem.names)
    if problem.noise is not None or problem.angles or d > MOST_COORDINATES or search.unnamed:
        return search
    words = f"a KAN [{d}, {d + 1}, 1] with one hidden node"
    while not search.is_complete:
        before = _count(search)
        search = _with_inner_law(search, words, seed)
        if _count(search) == before:
            break
    return search


def _count(search: SplineSearch) -> int:
    return len(search.progress.laws) + len(search.unnamed)


def _with_inner_law(search: SplineSearch, words: str, seed: int) -> SplineSearch:
    problem = search.progress.problem
    units = Units.of(problem)
    split = Split.of(problem, known_laws(search), units, seed)
    nodes = coarse_law(split, 1, np.random.default_rng(seed))
    if nodes is None:
        return _noted(search, Entry(words, COARSE[2], (), 0))
    found = refined_law(split, nodes)
    for grid, residual in zip(found.refinement.grids, found.refinement.residuals, strict=True):
        is_last = grid == found.refinement.grids[-1]
        search = _noted(search, Entry(words, grid, (residual,), int(found.is_law and is_last)))
    if not found.is_law:
        return search
    fine = searched(split, GRIDS[1], 1)
    raw = split.train.states * units.spread + units.middle
    for expr in named_inputs(fine, found.nodes, 0, raw, problem.names, found.refinement.residuals[-1]):
        named = with_formula(search, expr)
        if named is not None:
            return named
    law = InnerLaw(found.nodes, units, words, found.refinement, problem.names)
    return replace(search, unnamed=(*search.unnamed, law))


def with_formula(search: SplineSearch, node: Expr) -> SplineSearch | None:
    """Return the search with a law over a node that is a formula, or None if its curves have no names.

    Beside curves of all its inputs a node's g is known only up to a straight line, and so has no name: some input
    has no curve of its own, which is no loss.
    """
    names = search.progress.problem.names
    inside = [i for i, name in enumerate(names) if name in symbols(node)]
    others = [i for i in range(len(names)) if i not in inside]
    proper = [own for size in range(len(inside)) for own in combinations(inside, size)]
    # Many curves have many names: beyond four coordinates only one is to be named.
    for is_short in (True, False)[: 2 if len(names) <= 4 else 1]:
        for own in proper:
            found = with_input(search, node, sorted([*others, *own]), is_short)
            if len(found.progress.laws) > len(search.progress.laws):
                return found
    return None


def _noted(search: SplineSearch, entry: Entry) -> SplineSearch:
    progress = search.progress
    return replace(search, progress=replace(progress, entries=(*progress.entries, entry)))
