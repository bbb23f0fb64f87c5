r"""Few columns of many that explain a vector, by bits; and which other choices the data allow as well.

Each column costs `BITS_PER_TERM`, each halving of the residual saves a bit a row. Columns come one by one, and in a
second start all are fitted at once and go one by one; from either, single columns are dropped, and one or two exchanged
for one or two others, as long as that saves bits. What is left owes some bits to luck, since thousands of choices were
compared: a term that saves fewer than `LUCK` goes too, and what lies within `LUCK` bits is a rival.

Everything happens on the triangular factor of the columns and y beside them, which is as small as there are columns.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Float

from scikan.physics.joint import EXACT
from scikan.train.linear import least_squares


BITS_PER_TERM = 12.0
LUCK = 6.0
"""Bits that the best of thousands of choices owes to luck: odds of 64 to 1."""

MOST_RIVALS = 5
MOST_SHARE = 3
"""Rows for each column that a fit of all at once asks for; a choice has no more terms than this share of the rows."""

MOST_GROWN = 25
_BEST_OF_A_SIZE = 8
_INDEPENDENT = 1e-8


@dataclass(frozen=True)
class Rival:
    """Another choice of columns that the data allow: its places, and how many bits it is behind (ahead: negative)."""

    places: tuple[int, ...]
    behind: float


@dataclass(frozen=True, eq=False)
class Selection:
    """The columns that the data need.

    Args:
        places: which columns.
        coefficients: their weights, (places,).
        residual: what they leave, rms over that of y.
        rivals: other choices within `LUCK` bits, nearest first, that do not hold all of these columns.
        doubtful: single further columns that would save bits or cost fewer than `LUCK`.
        bits: length of the choice: its terms, and what it leaves.
    """

    places: tuple[int, ...]
    coefficients: Float[np.ndarray, " places"]
    residual: float
    rivals: tuple[Rival, ...]
    doubtful: tuple[Rival, ...]
    bits: float


@dataclass(frozen=True, eq=False)
class Triangle:
    """The triangular factor of columns beside y: sums of squares over all rows at the size of the columns."""

    columns: Float[np.ndarray, "few columns"]
    y: Float[np.ndarray, " few"]
    n_rows: int
    lengths: Float[np.ndarray, " columns"]

    @classmethod
    def of(
        cls, columns: Float[np.ndarray, "rows columns"], y: Float[np.ndarray, " rows"], lengths: np.ndarray
    ) -> "Triangle":
        """Return the factor of columns and y."""
        factor = np.asarray(np.linalg.qr(np.column_stack([columns, y]), mode="r"))
        return cls(factor[:, :-1], factor[:, -1], len(y), lengths)

    def solved(self, places: Sequence[int]) -> tuple[np.ndarray, float]:
        """Return the coefficients of some columns, and what they leave over y."""
        block = self.columns[:, list(places)]
        coef = least_squares(block, self.y)
        return coef, float(np.linalg.norm(block @ coef - self.y) / np.linalg.norm(self.y))

    def bits(self, places: Sequence[int]) -> float:
        """Return the length of a choice in bits: its terms, and what it leaves."""
        left = np.log2(max(self.solved(places)[1], EXACT))
        return float(self.n_rows * left + self.lengths[list(places)].sum())

    def replacements(self, rest: Sequence[int], size: int, most: int) -> Iterator[list[int]]:
        """Yield `rest` with one or two other columns, those first that then explain most."""
        frame = np.linalg.qr(self.columns[:, list(rest)])[0] if len(rest) else np.zeros((len(self.y), 0))
        left = self.y - frame @ (frame.T @ self.y)
        beyond = self.columns - frame @ (frame.T @ self.columns)
        norms = np.linalg.norm(beyond, axis=0)
        usable = norms > _INDEPENDENT * np.linalg.norm(self.columns, axis=0)
        usable[list(rest)] = False
        unit = np.where(usable, beyond / np.where(usable, norms, 1.0), 0.0)
        share = unit.T @ left
        if size == 1:
            for n in np.argsort(-np.abs(share))[:most]:
                if usable[n]:
                    yield sorted([*rest, int(n)])
            return
        together = unit.T @ unit
        apart = 1 - together**2
        gain = share[:, None] ** 2 + share[None] ** 2 - 2 * share[:, None] * share[None] * together
        fits = usable[:, None] & usable[None] & (apart > _INDEPENDENT)
        gain = np.where(np.triu(fits, 1), gain / np.where(fits, apart, 1.0), -1.0)
        for flat in np.argsort(-gain, axis=None)[:most]:
            a, b = np.unravel_index(flat, gain.shape)
            if gain[a, b] > 0:
                yield sorted([*rest, int(a), int(b)])


def select(
    columns: Float[np.ndarray, "rows columns"],
    y: Float[np.ndarray, " rows"],
    lengths: Float[np.ndarray, " columns"] | None = None,
) -> Selection:
    """Return the columns that y needs, and the choices that do as well.

    Args:
        columns: finite, none of them zero.
        y: not all zero.
        lengths: bits of each column; default `BITS_PER_TERM` each.
    """
    cost = np.full(columns.shape[1], BITS_PER_TERM) if lengths is None else lengths
    triangle = Triangle.of(columns, y, cost)
    starts = [_grown(triangle, max(len(y) // MOST_SHARE, 1))]
    if len(y) >= MOST_SHARE * columns.shape[1]:
        starts.append(_thinned(triangle, list(range(columns.shape[1]))))
    kept = min((_improved(triangle, start) for start in starts), key=triangle.bits)
    best = triangle.bits(kept)
    kept = _without_luck(triangle, kept, best)
    coef, residual = triangle.solved(kept)
    rivals, own = _rivals(triangle, kept), triangle.bits(kept)
    doubtful = [
        Rival(tuple(sorted(set(p) - set(kept))), triangle.bits(p) - own)
        for p in triangle.replacements(kept, 1, _BEST_OF_A_SIZE)
    ]
    return Selection(tuple(kept), coef, residual, rivals, tuple(r for r in doubtful if r.behind < LUCK), own)


def _thinned(triangle: Triangle, kept: list[int]) -> list[int]:
    """Return the columns after the ones that cost more than they save are gone, least first."""
    bits = triangle.bits(kept)
    while len(kept) > 1:
        # What a column adds beyond the others is its coefficient over the size of its row of the inverse.
        block = triangle.columns[:, kept]
        norms = np.linalg.norm(block, axis=0)
        inverse = np.linalg.pinv(block / norms, rcond=1e-13)
        alone = np.abs(triangle.solved(kept)[0] * norms) / np.maximum(np.linalg.norm(inverse, axis=1), 1e-300)
        for n in np.argsort(alone)[:3]:
            fewer = [m for p, m in enumerate(kept) if p != n]
            if (left := triangle.bits(fewer)) < bits:
                kept, bits = fewer, left
                break
        else:
            return kept
    return kept


def _grown(triangle: Triangle, most: int) -> list[int]:
    """Return the best of the choices that grow by the column that then explains most."""
    paths: list[list[int]] = [[]]
    while len(paths[-1]) < min(most, MOST_GROWN) and (
        more := next(triangle.replacements(paths[-1], 1, 1), None)
    ):
        paths.append(more)
    return min(paths[1:], key=triangle.bits)


def _moves(triangle: Triangle, kept: list[int]) -> Iterator[list[int]]:
    """Yield the choices near one: without a column, and with one or two exchanged for one or two others.

    Among noise J and J^2 imitate log J, and taking one column away at a time never finds the way back.
    """
    if len(kept) > 1:
        yield from ([n for n in kept if n != out] for out in kept)
    for leaving, entering in ((2, 1), (1, 1), (2, 2)):
        for out in combinations(kept, leaving):
            yield from triangle.replacements([n for n in kept if n not in out], entering, 2)


def _improved(triangle: Triangle, kept: list[int]) -> list[int]:
    bits, better = triangle.bits(kept), True
    while better:
        better = False
        for trial in _moves(triangle, kept):
            if (left := triangle.bits(trial)) < bits - 1e-6:
                kept, bits, better = trial, left, True
                break
    return kept


def _without_luck(triangle: Triangle, kept: list[int], best: float) -> list[int]:
    """Return the columns without those that save fewer bits than luck gives."""
    while len(kept) > 1:
        trials = [[n for n in kept if n != out] for out in kept]
        bits = [triangle.bits(trial) for trial in trials]
        if min(bits) > best + LUCK:
            break
        kept = trials[int(np.argmin(bits))]
    return kept


def _rivals(triangle: Triangle, kept: list[int]) -> tuple[Rival, ...]:
    """Return the choices within `LUCK` bits that hold other columns instead."""
    own = triangle.bits(kept)
    found: dict[tuple[int, ...], float] = {}
    for leaving, entering in ((1, 1), (2, 1), (2, 2)):
        for out in combinations(kept, leaving):
            for trial in triangle.replacements([n for n in kept if n not in out], entering, _BEST_OF_A_SIZE):
                if not set(kept) <= set(trial):
                    found[tuple(trial)] = triangle.bits(trial) - own
    near = sorted((behind, places) for places, behind in found.items() if behind < LUCK)
    return tuple(Rival(places, behind) for behind, places in near[:MOST_RIVALS])
