"""What a test of structure answers: a score, what errors alone would give, and a verdict in three words."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float


Verdict = Literal["yes", "no", "not enough evidence"]
Groups = tuple[tuple[str, ...], ...]

SAFETY = 3.0
"""A score up to so many times what errors usually give does not speak against a structure."""

RESOLUTION = 2e-2
"""Coupling, as a share of the spread, that a test must be able to see before its silence counts."""

TRIMMED = 0.03
"""Share of the points with the largest contradictions that is left out of a score."""


@dataclass(frozen=True, eq=False)
class Separability:
    """Whether a function falls apart into functions of groups of columns.

    Args:
        kind: "additive" for a sum, "multiplicative" for a product plus a constant, "general" for a function of a sum.
        groups: names of the columns, the groups that were asked or found; one group if there is no division.
        score: root mean square of what contradicts the structure, as a share of the function's spread (general: of
            its slopes).
        null: the same from random fields as large as the function's error, `(fields,)`.
        verdict: "yes", "no" or "not enough evidence".
        points: rows used.
        offset: the constant beside a product; 0 otherwise.
        pairs: coupling of every two columns, `(columns, columns)`; not for "general".
    """

    kind: str
    groups: Groups
    score: float
    null: Float[np.ndarray, " fields"]
    verdict: Verdict
    points: int
    offset: float = 0.0
    pairs: Float[np.ndarray, "columns columns"] | None = None

    @property
    def threshold(self) -> float:
        """Largest score that errors explain."""
        return threshold(self.null)

    @property
    def margin(self) -> float:
        """Decades between score and threshold: positive where the structure holds."""
        return margin(self.score, self.null)

    def __str__(self) -> str:
        told = " | ".join(", ".join(group) for group in self.groups)
        return f"{self.kind} separability of {told}: {_told(self.verdict, self.score, self.null)}"


@dataclass(frozen=True, eq=False)
class Symmetry:
    """Whether columns of a group enter only through one function h of them: f = F(h(group), others).

    Args:
        group: names of the columns.
        score: root mean square of the part of the unit gradient in the group that turns with the other columns.
        null: the same from random fields as large as the function's error, `(fields,)`.
        verdict: "yes", "no" or "not enough evidence".
        points: rows used.
        variable: the function h that was asked about, as text; empty if any would do.
        weights: if h is a linear combination: its weights, the largest 1; None otherwise.
    """

    group: tuple[str, ...]
    score: float
    null: Float[np.ndarray, " fields"]
    verdict: Verdict
    points: int
    variable: str = ""
    weights: tuple[float, ...] | None = None

    @property
    def threshold(self) -> float:
        """Largest score that errors explain."""
        return threshold(self.null)

    @property
    def margin(self) -> float:
        """Decades between score and threshold: positive where the symmetry holds."""
        return margin(self.score, self.null)

    def __str__(self) -> str:
        through = self.variable or f"one function of {', '.join(self.group)}"
        return f"only {through} matters: {_told(self.verdict, self.score, self.null)}"


def trimmed(squares: Any) -> Any:
    """Return the root mean of squares along the last axis without its largest 3 %.

    A fitted function errs most in few corners that have no rows; they would outvote all others.
    """
    n = squares.shape[-1]
    kept = max(n - int(TRIMMED * n), 1)
    return np.sqrt(np.mean(np.partition(squares, kept - 1, axis=-1)[..., :kept], axis=-1))


def threshold(null: Float[np.ndarray, " fields"]) -> float:
    """Return the largest score that errors explain."""
    return SAFETY * float(np.median(null))


def margin(score: float, null: Float[np.ndarray, " fields"]) -> float:
    """Return log10(threshold / score)."""
    return float(np.log10(max(threshold(null), 1e-150) / min(max(score, 1e-150), 1e150)))


def judge(score: float, null: Float[np.ndarray, " fields"]) -> Verdict:
    """Return the verdict of a score against what errors alone give."""
    limit = threshold(null)
    if not np.isfinite(score) or score > max(limit, 0.0):
        return "no"
    return "yes" if limit <= RESOLUTION else "not enough evidence"


def _told(verdict: str, score: float, null: Float[np.ndarray, " fields"]) -> str:
    return f"{verdict} (score {score:.2g}, errors explain {threshold(null):.2g})"
