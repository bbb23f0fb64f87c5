r"""Families of Hamiltonians as columns: $\nabla H = \Omega\, f$ is linear in the weights of H and in $\Omega = K^{-1}$.

With $\dot z = K \nabla H$ and a constant antisymmetric K, each function $\phi_k$ of a family is a column
$\nabla \phi_k$, and each entry of $\Omega$ one too. A canonical pairing fixes $\Omega$, and the rest is one least
squares; else one entry is set to 1 (the scale of H is free) and the others are chosen with the terms of H, by bits.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import comb

import numpy as np
from jaxtyping import Float

from scikan.core.expr import Expr, evaluate
from scikan.physics.auxiliaries import factors_of
from scikan.physics.families import Elementary, Family, expressions, gradients, monomials, n_columns, products
from scikan.physics.problem import Problem, start
from scikan.physics.selection import BITS_PER_TERM, select
from scikan.physics.solving import States
from scikan.physics.writing import EXACT_WINDOW, cost, snapped_number
from scikan.train.linear import least_squares, null_vectors


REGULAR = 1e-6
"""Smallest singular value of a structure matrix, relative to its largest, that has an inverse."""

NEAR, EXACTLY = 5.0, 1e-10
"""A structure matrix is good if it leaves this many times what the best leaves, or rounding."""

MOST_DEPARTURES, MOST_TRIALS = 3, 600
MOST_RATIO = 1e4
"""Largest entry of a structure matrix in units of the one that is held."""

MOST_COLUMNS, MOST_PIVOTED = 400, 6
SMALLEST = 1e-3
"""Components of the target count in units of their size, but not in smaller ones than this part of the largest."""


@dataclass(frozen=True, eq=False)
class Columns:
    """A family of functions on states: their formulas and gradients.

    Args:
        words: the family, for people.
        trees: one formula a column.
        slopes: (rows, coordinates, columns).
    """

    words: str
    trees: tuple[Expr, ...]
    slopes: Float[np.ndarray, "rows coordinates columns"]


@dataclass(frozen=True, eq=False)
class Answer:
    """A Hamiltonian as weights of a family, beside the inverse of its structure matrix.

    Args:
        words: the family.
        trees, weights, errors: its terms, their weights and standard errors.
        inverse: Omega, (coordinates, coordinates).
        residual: rms of grad H - Omega f over that of Omega f, components in units of their size.
        bits: length of terms and of what is left.
        is_canonical: whether Omega was given, not found.
    """

    words: str
    trees: tuple[Expr, ...]
    weights: Float[np.ndarray, " terms"]
    errors: Float[np.ndarray, " terms"]
    inverse: Float[np.ndarray, "coordinates coordinates"]
    residual: float
    bits: float
    is_canonical: bool


def stages(problem: Problem) -> Iterator[Columns]:
    """Yield families, simplest first; the later ones hold what the earlier ones do, as far as columns allow."""
    d, plain = len(problem.names), problem.plain
    states = problem.laid()
    degrees = [2, *((3, 4) if d <= 4 else (3,)), *((6,) if d == 2 else ())]
    for degree in degrees:
        yield from _columns(monomials(plain, degree), states, f"polynomials of degree {degree}")
    longest = monomials(plain, 4 if d <= 4 else 2)
    curves = products([()], _curves(states, range(d), problem))
    yield from _columns((*longest, *curves), states, "polynomials and elementary functions of coordinates")
    for words, group in problem.auxiliary_sets:
        states = problem.laid(group)
        members = range(0 if d <= 6 else d, d + len(group))
        family = (*monomials(plain, 2), *products([()], _curves(states, members, problem)))
        yield from _columns(family, states, f"monomials and elementary functions of coordinates and {words}")
    states = problem.laid()
    base = (*monomials(plain, 2), *products([()], _curves(states, range(d), problem)))
    for atom in range(d if d <= 6 else 0):
        powers = [block.powers for block in monomials([i for i in plain if i != atom], 2)]
        factors = factors_of(states.atoms.values[:, atom], True, atom in problem.angles)
        words = f"monomials times elementary functions of {problem.names[atom]}"
        yield from _columns((*base, *products(powers, [(atom, factors)])), states, words)


def _curves(states: States, members: Sequence[int], problem: Problem) -> list[tuple[int, Elementary]]:
    return list(start(problem).curves(states, members))


def _columns(family: Family, states: States, words: str) -> Iterator[Columns]:
    count = n_columns(family)
    d = states.atoms.gradients.shape[2]
    if not 0 < count <= min(MOST_COLUMNS, len(states.every) * d // 4):
        return
    slopes = np.moveaxis(gradients(family, states.atoms, np.eye(count)), 1, 2)
    trees = expressions(family, states.atoms)
    size = np.sqrt(np.mean(slopes**2, axis=(0, 1)))
    usable = np.flatnonzero(np.isfinite(size) & (size > 0))
    distinct = list({trees[n]: n for n in reversed(usable)}.values())[::-1]
    yield Columns(words, tuple(trees[n] for n in distinct), slopes[:, :, distinct])


def canonical_inverse(pairs: Sequence[tuple[int, int]]) -> Float[np.ndarray, "coordinates coordinates"]:
    """Return Omega with dq/dt = dH/dp and dp/dt = -dH/dq for each pair (q, p)."""
    omega = np.zeros((2 * len(pairs),) * 2)
    for q, p in pairs:
        omega[q, p], omega[p, q] = -1.0, 1.0
    return omega


def with_given(columns: Columns, rates: np.ndarray, omega: np.ndarray) -> Answer:
    """Return the terms of H for a known structure matrix."""
    target = rates @ omega.T
    weight = component_weights(rates, omega)
    laid = (columns.slopes * weight[:, None]).reshape(-1, len(columns.trees))
    y = (target * weight).ravel()
    chosen = select(laid, y, lengths_of(columns.trees))
    errors = standard_errors(laid[:, list(chosen.places)], y, chosen.coefficients)
    trees = tuple(columns.trees[n] for n in chosen.places)
    return Answer(
        columns.words, trees, chosen.coefficients, errors, omega, chosen.residual, chosen.bits, True
    )


def with_found(columns: Columns, rates: np.ndarray, pairs: Sequence[tuple[int, int]]) -> Answer | None:
    """Return H and its structure matrix; None if no regular matrix is nearly as good as the best of all.

    Several matrices may do. The one is taken that departs from the canonical one in fewest entries; if none does so in
    few, the one with fewest entries.
    """
    d = rates.shape[1]
    entries = [(a, b) for a in range(d) for b in range(a)]
    left, whole = _small(columns, rates, entries)
    floor = float(null_vectors(left, whole, centred=False).values[0])
    limit = max(NEAR * floor, EXACTLY)
    canonical = canonical_inverse(pairs)
    starts = [np.asarray([canonical[entry] for entry in entries])]
    if d <= MOST_PIVOTED:
        starts += list(np.eye(len(entries)))
    for held in starts:
        # The scale of H is free, so one entry of the start stays as it is.
        others = [n for n in range(len(entries)) if n != int(np.argmax(held != 0))]
        for size in range(MOST_DEPARTURES + 1):
            if comb(len(others), size) > MOST_TRIALS:
                break
            trials = [_solved(left, whole, held, chosen) for chosen in combinations(others, size)]
            good = sorted(((r, n) for n, (r, *_) in enumerate(trials) if r < limit))
            for _, n in good:
                omega = sum(v * _entry(entry, d) for v, entry in zip(trials[n][1], entries, strict=True))
                sizes = np.linalg.svd(omega, compute_uv=False)
                if sizes[-1] > REGULAR * sizes[0]:
                    found = with_given(columns, rates, np.asarray(omega))
                    return replace(found, bits=found.bits + BITS_PER_TERM * size, is_canonical=False)
    return None


def _small(
    columns: Columns, rates: np.ndarray, entries: Sequence[tuple[int, int]]
) -> tuple[np.ndarray, np.ndarray]:
    """Return two triangles over the entries of Omega: of what the family leaves of Omega f, and of Omega f itself."""
    d = rates.shape[1]
    # Each component of the equation mixes rates, so all share one unit.
    moved = np.stack([rates @ _entry(entry, d).T for entry in entries], axis=2).reshape(-1, len(entries))
    laid = columns.slopes.reshape(-1, len(columns.trees))
    u, sizes, _ = np.linalg.svd(laid / np.linalg.norm(laid, axis=0), full_matrices=False)
    basis = u[:, sizes > 1e-10 * sizes[0]]
    left = moved - basis @ (basis.T @ moved)
    return np.asarray(np.linalg.qr(left, mode="r")), np.asarray(np.linalg.qr(moved, mode="r"))


def _solved(
    left: np.ndarray, whole: np.ndarray, held: np.ndarray, chosen: Sequence[int]
) -> tuple[float, np.ndarray]:
    """Return the relative residual of a start with some entries free, and the entries, simple numbers where they fit.

    Errors of the entries are read off the relative residual as those of a least squares on few numbers: generous ones.
    """
    values = held.copy()
    if chosen:
        block = left[:, list(chosen)]
        moves, *_ = np.linalg.lstsq(block, -left @ held, rcond=None)
        spread = float(np.linalg.norm(left @ held + block @ moves)) / np.sqrt(max(len(left) - len(chosen), 1))
        errors = spread * np.sqrt(np.diag(np.linalg.pinv(block.T @ block)))
        for place, move, error in zip(chosen, moves, errors, strict=True):
            value = held[place] + move
            window = max(EXACT_WINDOW * abs(value), 3 * float(error))
            simple = 0.0 if abs(value) <= window else value_of(snapped_number(float(value), window)[0])
            values[place] = simple
    if np.abs(values).max() > MOST_RATIO * np.abs(held).max():
        # Entries that run away leave the start behind, which then says nothing.
        return float("inf"), values
    size = float(np.linalg.norm(whole @ values))
    return float(np.linalg.norm(left @ values)) / max(size, 1e-300), values


def value_of(number: Expr) -> float:
    """Return the value of a formula without columns."""
    return float(np.asarray(evaluate(number, {})))


def _entry(entry: tuple[int, ...], d: int) -> np.ndarray:
    a, b = entry
    matrix = np.zeros((d, d))
    matrix[a, b], matrix[b, a] = 1.0, -1.0
    return matrix


def component_weights(
    rates: Float[np.ndarray, "rows coordinates"], omega: Float[np.ndarray, "coordinates coordinates"]
) -> Float[np.ndarray, " coordinates"]:
    """Return one over the size that each component of Omega f has if its parts do not cancel.

    Errors of rates are in proportion to their size, and do not cancel where the rates do. No component counts in
    smaller units than a part `SMALLEST` of the largest.
    """
    size = np.sqrt(omega**2 @ np.mean(rates**2, axis=0))
    return np.asarray(1.0 / np.maximum(size, SMALLEST * size.max()))


def lengths_of(trees: Sequence[Expr]) -> Float[np.ndarray, " columns"]:
    """Return the bits of each formula as a term of H."""
    return np.asarray([BITS_PER_TERM + cost(tree) for tree in trees])


def standard_errors(laid: np.ndarray, y: np.ndarray, coef: np.ndarray) -> Float[np.ndarray, " terms"]:
    """Return the errors of least-squares coefficients from what they leave."""
    norms = np.linalg.norm(laid, axis=0)
    left = float(np.sum((laid @ coef - y) ** 2)) / max(len(y) - len(coef), 1)
    unit = laid / norms
    return np.asarray(np.sqrt(np.diag(np.linalg.pinv(unit.T @ unit)) * left) / norms)


def shrinking(states: np.ndarray, rates: np.ndarray) -> float:
    """Return the mean divergence of a field over the size of its gradient: 0 where volumes are kept (Liouville)."""
    d = states.shape[1]
    unit = (states - states.mean(axis=0)) / states.std(axis=0)
    design = np.column_stack([np.ones(len(unit)), unit, *(unit[:, [i]] * unit for i in range(d))])
    slopes = least_squares(design, rates)[1 : d + 1] / states.std(axis=0)[:, None]
    return float(np.trace(slopes) / max(np.linalg.norm(slopes), 1e-300))
