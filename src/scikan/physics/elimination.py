"""Take the terms out of a class of Lagrangians that the equation of motion does not ask for.

All columns are compressed once to a triangle; every trial is then one singular value decomposition of some of its
columns. The richest terms are tried first, so that of equivalent forms the simple one stays.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scikan.physics.terms import Matrix, Term, inertia_rows, nearest_null
from scikan.train.linear import null_vectors


ENOUGH = 1e-3
"""Below this relative residual a tenfold rise is still the error of the splines; above, noise, and 1.3 is the bound."""

LEAST_INERTIA = 1e-3
"""A coordinate whose part of M a is smaller than this, relative to all, has no equation of motion."""


@dataclass(frozen=True, eq=False)
class Compressed:
    """The residual and scale columns of some terms, as triangles, and where each term's columns stand."""

    residual: Matrix
    scale: Matrix
    inertia: Matrix
    aim: np.ndarray
    places: tuple[slice, ...]
    ratio: float

    @classmethod
    def of(cls, terms: Sequence[Term], grid: int, aim: np.ndarray) -> "Compressed":
        """Lay out the columns of all terms on splines with `grid` intervals; `aim` is the acceleration, (rows, d)."""
        knots = [term.knots(grid) for term in terms]
        residual = [term.columns(k) for term, k in zip(terms, knots, strict=True)]
        scale = np.concatenate([t.columns(k, True) for t, k in zip(terms, knots, strict=True)], axis=1)
        ends = np.cumsum([0, *(block.shape[1] for block in residual)])
        places = tuple(slice(int(a), int(b)) for a, b in zip(ends, ends[1:], strict=False))
        triangles = [np.linalg.qr(m, mode="r") for m in (np.concatenate(residual, axis=1), scale)]
        return cls(*triangles, inertia_rows(scale, aim.shape[1]), aim, places, 1.0)

    def residual_of(self, kept: Sequence[int]) -> tuple[float, np.ndarray]:
        """Return the relative residual of the best answer of some terms, and each coordinate's share of the inertia."""
        columns = np.concatenate([np.arange(self.places[n].start, self.places[n].stop) for n in kept])
        found = null_vectors(self.residual[:, columns], self.scale[:, columns], centred=False)
        inertia = self.inertia[:, columns]
        coef, _ = nearest_null(found, inertia, self.aim.ravel())
        size = float(np.linalg.norm(self.scale[:, columns] @ coef))
        share = np.sqrt(np.mean((inertia @ coef).reshape(self.aim.shape) ** 2, axis=0))
        value = float(np.linalg.norm(self.residual[:, columns] @ coef)) / max(size, 1e-300)
        return value, share / max(float(share.max()), 1e-300)


def needed_terms(terms: Sequence[Term], grid: int, aim: np.ndarray) -> tuple[list[Term], float]:
    """Return the terms that the residual needs, and their relative residual.

    Args:
        grid: intervals of the splines.
        aim: accelerations (rows, coordinates); of several answers that nearest to a mass matrix of one is followed.
    """
    laid = Compressed.of(terms, grid, aim)
    kept = list(range(len(terms)))
    full, _ = laid.residual_of(kept)
    limit = max(10 * full, 1e-9) if full < ENOUGH else 1.3 * full
    value = full
    for n in reversed(range(len(terms))):
        fewer = [m for m in kept if m != n]
        if not fewer:
            break
        trial, share = laid.residual_of(fewer)
        if trial <= limit and float(share.min()) > LEAST_INERTIA:
            kept, value = fewer, trial
    return [terms[n] for n in kept], value
