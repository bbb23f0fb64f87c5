r"""The null space of a family: combinations of its columns that do not change along the field.

$\sum_k c_k\, \hat f(z_n) \cdot \nabla \phi_k(z_n) = 0$ at all samples is linear in c. The values are whitened, so
that a combination has standard deviation 1 and no constant is a law. Residuals are told on rows that the solve has
not seen: $\mathrm{rms}(\hat f \cdot \nabla H) / \mathrm{rms}(|\nabla H|)$, in coordinates of unit standard deviation.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from scikan.physics.families import Atoms, Family, columns, gradients
from scikan.train.linear import null_vectors


MOST_VECTORS = 24
HELD_SHARE = 3
"""Every third row is held out."""

SUPPORT = 1e-8
"""Terms below this part of the largest are rounding."""


@dataclass(frozen=True, eq=False)
class States:
    """The rows of a search.

    Args:
        atoms: with rates along the unit field.
        spread: standard deviation of each coordinate, (coordinates,).
        train, held: row numbers.
    """

    atoms: Atoms
    spread: Float[np.ndarray, " coordinates"]
    train: np.ndarray
    held: np.ndarray


@dataclass(frozen=True, eq=False)
class NullSpace:
    """The most nearly conserved combinations of a family's columns.

    Args:
        family: the columns.
        vectors: coefficients, (columns, vectors), each of standard deviation 1.
        residuals: on held-out rows, (vectors,), rising.
        sizes: standard deviation of each column, (columns,).
    """

    family: Family
    vectors: Float[np.ndarray, "columns vectors"]
    residuals: Float[np.ndarray, " vectors"]
    sizes: Float[np.ndarray, " columns"]

    def first(self, n: int) -> "NullSpace":
        """Return the space of the first n vectors."""
        return NullSpace(self.family, self.vectors[:, :n], self.residuals[:n], self.sizes)


def null_space(family: Family, states: States, drop: float = 1e-9, most: int = MOST_VECTORS) -> NullSpace:
    """Return the most nearly conserved combinations of a family, smallest held-out residual first."""
    values, rates = columns(family, states.atoms)
    usable = np.all(np.isfinite(values[states.train]), axis=0) & np.all(
        np.isfinite(rates[states.train]), axis=0
    )
    sizes = np.where(usable, np.std(np.where(np.isfinite(values), values, 0.0), axis=0), 0.0)
    live = np.flatnonzero(usable & (sizes > 0))
    found = null_vectors(rates[np.ix_(states.train, live)], values[np.ix_(states.train, live)], drop)
    vectors = np.zeros((len(usable), min(most, found.vectors.shape[1])))
    vectors[live] = found.vectors[:, : vectors.shape[1]]
    residuals = held_residuals(family, states, rates, vectors)
    order = np.argsort(residuals, kind="stable")
    return NullSpace(family, vectors[:, order], residuals[order], sizes)


def held_residuals(family: Family, states: States, rates: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Return the relative change along the field on held-out rows, one per vector."""
    live = np.flatnonzero(np.any(vectors != 0, axis=1))
    change = rates[np.ix_(states.held, live)] @ vectors[live]
    slopes = gradients(family, states.atoms.rows(states.held), vectors) * states.spread
    steep = np.sqrt(np.mean(np.sum(slopes**2, axis=2), axis=0))
    residuals = np.sqrt(np.mean(change**2, axis=0)) / np.maximum(steep, 1e-300)
    return np.asarray(np.where(np.isfinite(residuals), residuals, np.inf))


def sparse_vectors(space: NullSpace) -> Float[np.ndarray, "columns candidates"]:
    """Return vectors of the space with few terms: reduced row echelon forms with several orders of pivots.

    Columns weigh as much as they vary. The candidates span the space, usually several times over; vectors with
    fewer terms come first, and among them those of the first columns.
    """
    n = space.vectors.shape[1]
    weighted = space.vectors * space.sizes[:, None]
    if n == 0:
        return weighted
    forms = [_echelon(weighted, preference) for preference in _preferences(weighted)] if n > 1 else [weighted]
    candidates = np.concatenate(forms, axis=1)
    candidates = candidates / np.abs(candidates).max(axis=0)
    candidates = np.where(np.abs(candidates) > _support_threshold(space), candidates, 0.0)
    count = np.count_nonzero(candidates, axis=0)
    last = np.asarray([np.flatnonzero(v).sum() for v in candidates.T])
    order = np.lexsort((last, count))
    kept: list[int] = []
    seen: set[bytes] = set()
    for c in order:
        pattern = (candidates[:, c] != 0).tobytes()
        if pattern not in seen:
            seen.add(pattern)
            kept.append(int(c))
    sizes = np.where(space.sizes > 0, space.sizes, 1.0)
    return np.asarray(candidates[:, kept] / sizes[:, None])


def _support_threshold(space: NullSpace) -> float:
    return max(SUPPORT, 30.0 * float(space.residuals.max(initial=0.0)))


def _preferences(weighted: np.ndarray) -> list[np.ndarray]:
    """Return weights by which pivots are chosen: none, early columns, late columns."""
    k = len(weighted)
    place = np.arange(k) / max(k - 1, 1)
    return [np.ones(k), 10.0 ** (-3 * place), 10.0 ** (3 * place - 3)]


def _echelon(vectors: np.ndarray, preference: np.ndarray) -> np.ndarray:
    """Return a basis of the span with a unit matrix at the pivot rows; the pivot is the largest preferred entry."""
    basis = np.linalg.qr(vectors)[0].T.copy()
    rows: list[int] = []
    for n in range(len(basis)):
        size = np.abs(basis[n:])
        # Entries far below the largest of their column of candidates are no pivots: rounding would be blown up.
        sound = size > 1e-3 * size.max()
        score = np.where(sound, size * preference, -1.0)
        row, column = np.unravel_index(int(np.argmax(score)), score.shape)
        basis[[n, n + row]] = basis[[n + row, n]]
        basis[n] /= basis[n, column]
        others = np.arange(len(basis)) != n
        basis[others] -= np.outer(basis[others, column], basis[n])
        rows.append(int(column))
    return np.asarray(basis.T)


def polished(family: Family, states: States, vector: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the vector solved again on its own terms only, and its held-out residual; the better of the two."""
    values, rates = columns(family, states.atoms)
    live = np.flatnonzero(vector)
    found = null_vectors(rates[np.ix_(states.train, live)], values[np.ix_(states.train, live)], drop=1e-13)
    trial = np.zeros((len(vector), 2))
    trial[:, 0] = vector
    if found.vectors.shape[1]:
        trial[live, 1] = found.vectors[:, 0]
    residuals = held_residuals(family, states, rates, trial)
    best = int(np.argmin(residuals))
    return trial[:, best], float(residuals[best])
