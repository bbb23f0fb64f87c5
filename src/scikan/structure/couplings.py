r"""How strongly columns are coupled, from values at recombined points alone.

With $f_A$ the value after the columns of A were taken from another row: $f - f_A - f_B + f_{AB}$ vanishes where A
and B add, $(f + c)(f_{AB} + c) - (f_A + c)(f_B + c)$ where they multiply. The second is linear in c, so that the
constant beside a product is found by least squares; signs and zeros of f do no harm, as they do to logarithms.
No derivative is needed, and an error e of f is an error of the order of e in the score.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from jaxtyping import Float

from scikan.structure.probe import Field, Probe, Subject, probe_of
from scikan.structure.verdicts import trimmed


N_POINTS, N_FIELDS = 400, 9
LARGEST_OFFSET = 30.0
"""Constant beside a product, in units of the function's largest value."""

Places = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Crossings:
    """Values of a function, and of error fields, at rows, after one group was exchanged, and after two.

    Each array has the function first and then, one row each, the function plus an error field:
    `plain` (1 + fields, rows), `single[A]` and `double[A, B]` the same.
    """

    plain: Any
    single: dict[Places, Any]
    double: dict[tuple[Places, Places], Any]
    spread: float

    @property
    def n_points(self) -> int:
        """Rows used."""
        return int(self.plain.shape[1])


def crossings(
    probe: Probe,
    groups: Sequence[Places],
    pairs: Sequence[tuple[Places, Places]] | None = None,
    key: int = 0,
    most: int = N_POINTS,
) -> Crossings:
    """Return the values that tests of these groups against each other need, on at most so many rows.

    Two groups at a time are exchanged for the given pairs, or for all.
    """
    rng = np.random.default_rng(key)
    order = rng.permutation(len(probe.rows))[:most]
    here = probe.rows[order]
    # A cyclic shift gives every row a partner that is not itself.
    there = np.roll(here, len(here) // 2, axis=0)
    fields = [Field(probe, rng) for _ in range(N_FIELDS)]

    def values(exchanged: Sequence[int]) -> Any:
        points = here.copy()
        points[:, list(exchanged)] = there[:, list(exchanged)]
        exact = probe.value(points)
        return np.stack([exact, *(exact + probe.error * field.value(points) for field in fields)])

    pairs = list(combinations(groups, 2)) if pairs is None else pairs
    single = {group: values(group) for group in groups}
    double = {pair: values((*pair[0], *pair[1])) for pair in pairs}
    return Crossings(values(()), single, double, probe.spread)


def coupling(
    crossed: Crossings, pair: tuple[Places, Places], product: bool, offset: float = 0.0
) -> tuple[float, Float[np.ndarray, " fields"]]:
    """Return (score, null) of two groups: what contradicts their sum (or product) as a share of the spread."""
    apart = residual(crossed, pair, product, offset) / crossed.spread
    if not np.all(np.isfinite(apart)):
        return float("inf"), np.zeros(N_FIELDS)
    return float(trimmed(apart[0] ** 2)), np.asarray(trimmed((apart[1:] - apart[0]) ** 2))


def residual(
    crossed: Crossings, pair: tuple[Places, Places], product: bool, offset: float = 0.0
) -> Float[np.ndarray, "functions rows"]:
    """Return what contradicts the structure, in units of f."""
    f, a, b = crossed.plain, crossed.single[pair[0]], crossed.single[pair[1]]
    both = crossed.double[pair]
    if not product:
        return np.asarray(f - a - b + both) / 2.0
    f, a, b, both = f + offset, a + offset, b + offset, both + offset
    size = np.sqrt(f[0] ** 2 + a[0] ** 2 + b[0] ** 2 + both[0] ** 2)
    return np.asarray((f * both - a * b) / np.maximum(size, 1e-300))


def product_offset(crossed: Crossings, pair: tuple[Places, Places]) -> float | None:
    """Return the constant c with which two groups are nearest to a product, or None if they add."""
    f, a, b = crossed.plain[0], crossed.single[pair[0]][0], crossed.single[pair[1]][0]
    both = crossed.double[pair][0]
    mixed = f - a - b + both
    if not np.sqrt(np.mean(mixed**2)) > 1e-9 * crossed.spread:
        return None
    offset = -float((f * both - a * b) @ mixed) / float(mixed @ mixed)
    # Beside a larger constant a product is a sum.
    return offset if abs(offset) < LARGEST_OFFSET * (np.abs(f).max() + crossed.spread) else None


def total_indices(
    f: Subject, x: Any = None, *, output: int = 0, names: Sequence[str] | None = None
) -> Float[np.ndarray, " columns"]:
    r"""Return Sobol's total indices: the share of the variance that is lost where a column is unknown.

    $T_j = E[(f - f_j)^2] / 2 Var f$ with column j taken from another row (Jansen 1999); for comparison with
    attribution scores, whose squares they are for a sum. Columns are taken as independent.

    Args:
        f, x, output, names: as in `probe_of`: a KAN, a function of (N, columns) arrays, or a `Dataset`.
    """
    probe = probe_of(f, x, output=output, names=names)
    columns = [(j,) for j in range(len(probe.names))]
    crossed = crossings(probe, columns, pairs=(), most=len(probe.rows))
    moved = [np.mean((crossed.plain[0] - crossed.single[column][0]) ** 2) for column in columns]
    return np.array(moved) / (2.0 * probe.spread**2)
