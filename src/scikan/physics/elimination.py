"""Take the terms out of a class of Lagrangians that the equation of motion does not ask for.

All columns are compressed once to a triangle; every trial is then one singular value decomposition of some of its
columns. The richest terms are tried first, so that of equivalent forms the simple one stays.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scikan.physics.terms import MASS_ROWS, Matrix, Term, nearest_null
from scikan.train.linear import null_vectors


ENOUGH = 1e-3
"""Below this relative residual a tenfold rise is still the error of the splines; above, noise, and 1.3 is the bound."""

LEAST_MASS = 1e-3
"""A mass matrix in units of its diagonal with an eigenvalue below this is singular: accelerations do not follow."""


@dataclass(frozen=True, eq=False)
class Compressed:
    """The residual and scale columns of some terms, as triangles, and where each term's columns stand."""

    residual: Matrix
    scale: Matrix
    probes: tuple[Matrix, Matrix]
    mass: Matrix
    aim: np.ndarray
    places: tuple[slice, ...]

    @classmethod
    def of(cls, terms: Sequence[Term], grid: int, aim: np.ndarray) -> "Compressed":
        """Lay out the columns of all terms on splines with `grid` intervals; `aim` is a mass matrix by row."""
        knots = [term.knots(grid) for term in terms]
        residual = [term.columns(k) for term, k in zip(terms, knots, strict=True)]
        scale = [term.columns(k, "scale") for term, k in zip(terms, knots, strict=True)]
        few = slice(0, MASS_ROWS)
        mass = [term.rows(few).columns(k, "mass") for term, k in zip(terms, knots, strict=True)]
        ends = np.cumsum([0, *(block.shape[1] for block in residual)])
        places = tuple(slice(int(a), int(b)) for a, b in zip(ends, ends[1:], strict=False))
        triangles = [np.asarray(np.linalg.qr(np.concatenate(m, axis=1), mode="r")) for m in (residual, scale)]
        probes = [
            np.concatenate([b[: MASS_ROWS * b.shape[0] // len(aim)] for b in m], axis=1)
            for m in (residual, scale)
        ]
        return cls(
            triangles[0], triangles[1], (probes[0], probes[1]), np.concatenate(mass, axis=1), aim[few], places
        )

    def residual_of(self, kept: Sequence[int]) -> tuple[float, bool]:
        """Return the relative residual of the best answer of some terms, and whether its mass matrix is regular."""
        columns = np.concatenate([np.arange(self.places[n].start, self.places[n].stop) for n in kept])
        found = null_vectors(self.residual[:, columns], self.scale[:, columns], centred=False)
        mass = self.mass[:, columns]
        coef, _ = nearest_null(found, mass, self.aim.ravel(), self.aim.shape[1])
        size = float(np.linalg.norm(self.scale[:, columns] @ coef))
        value = float(np.linalg.norm(self.residual[:, columns] @ coef)) / max(size, 1e-300)
        left, parts = (probe[:, columns] @ coef for probe in self.probes)
        return max(value, worst_component(left, parts, int(np.sqrt(self.aim.shape[1])))), is_regular(
            mass @ coef, self.aim.shape[1]
        )


def worst_component(residual: np.ndarray, scale: np.ndarray, components: int) -> float:
    """Return the largest relative residual of a coordinate's own equation: one with no parts must not pass as solved.

    Args:
        residual: (rows * components,).
        scale: (rows * 2 components,).
    """
    left = np.sqrt(np.mean(residual.reshape(-1, components) ** 2, axis=0))
    parts = np.sqrt(np.mean(np.sum(scale.reshape(-1, 2, components) ** 2, axis=1), axis=0))
    return float(np.max(left / np.maximum(parts, 1e-300)))


def is_regular(mass: np.ndarray, entries: int) -> bool:
    """Whether mass matrices, flat, with so many entries each, can be inverted."""
    d = int(np.sqrt(entries))
    matrices = mass.reshape(-1, d, d)
    if not np.all(np.isfinite(matrices)) or not np.any(matrices):
        return False
    size = np.sqrt(np.abs(np.einsum("njj->nj", matrices)))
    # Beside a large mass one of rounding is none, however well it stands alone.
    size = np.maximum(size, LEAST_MASS * max(float(np.abs(matrices).max()) ** 0.5, 1e-300))
    unit = matrices / size[:, :, None] / size[:, None, :]
    return bool(np.median(np.abs(np.linalg.eigvalsh(unit)).min(axis=1)) > LEAST_MASS)


def needed_terms(terms: Sequence[Term], grid: int, aim: np.ndarray) -> tuple[list[Term], float]:
    """Return the terms that the residual needs, and their relative residual.

    Args:
        grid: intervals of the splines.
        aim: mass matrices (rows, coordinates^2) that the answer's are to be near to, where there are several.
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
        trial, regular = laid.residual_of(fewer)
        if trial <= limit and regular:
            kept, value = fewer, trial
    return [terms[n] for n in kept], value
