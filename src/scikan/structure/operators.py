r"""Which operator joins two branches, told from values on lattices: errors average out, where slopes magnify them.

On a lattice the branches are one unknown term each. f = F(p + q + r), f = F(p q + r) and f = F(p + q, rest) are
fitted to its values, and what each leaves is compared with the error of the function and with what the last,
which holds the others, leaves.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from scikan.structure.lattice import Lattice, lattices
from scikan.structure.probe import Probe
from scikan.structure.shapes import (
    N_INTERVALS,
    additive,
    additive_each,
    first_terms,
    fitted,
    multiplied,
    product_terms,
)


Places = tuple[int, ...]
Operator = Literal["sum", "product", "general"]

LEAST_ERROR = 1e-6
"""Error, as a share of the spread, below which slopes tell all there is to know."""

EXPLAINED = 1.15
"""A root mean square residual up to so many times the error is explained by it."""

CLEAR = 12.0
"""Difference of chi squared from which one of two operators with as many unknowns is preferred."""


@dataclass(frozen=True)
class Opinion:
    """What lattices say of two branches.

    Args:
        kind: the simplest operator that errors explain.
        score: root mean square of what it leaves, as a share of the spread of the values on the lattices.
        threshold: the score that errors explain.
    """

    kind: Operator
    score: float
    threshold: float


def opinion(probe: Probe, a: Places, b: Places, reference: Places, key: int = 0) -> Opinion | None:
    """Return the operator over A and B in f = F(g(A, B) + r(reference), rest); None if values do not tell.

    Without a reference only "general" can be told.
    """
    if probe.error < LEAST_ERROR * probe.spread:
        return None
    groups: list[Places] = [a, b]
    others = tuple(
        j for j in range(len(probe.names)) if j not in (*a, *b) and np.ptp(probe.rows[:, j]) > 0
    )
    groups += [reference or others] if reference or others else []
    tables = lattices(probe, groups, key)
    if not tables:
        return None
    left = [_left(table, bool(reference)) for table in tables]
    # Where even the shape that holds the others leaves more than errors do, F is too steep for its spline.
    judged = [k for k, one in enumerate(left) if one["general"] < (EXPLAINED * probe.error) ** 2]
    if 2 * len(judged) < len(tables):
        return None
    weights = np.array([tables[k].independent for k in judged])
    ratios = {
        kind: np.array([left[k][kind] for k in judged]) / probe.error**2 for kind in left[0]
    }
    kind: Operator = "general"
    if reference:
        gain = float(weights @ (ratios["sum"] - ratios["product"]))
        # Beside a large constant a product is a sum, so it must explain clearly more.
        simple: Operator = "product" if gain > CLEAR else "sum"
        if np.average(ratios[simple], weights=weights) < EXPLAINED**2:
            kind = simple
    error = probe.error / float(np.sqrt(np.mean([np.var(tables[k].values) for k in judged])))
    ratio = float(np.average(ratios[kind], weights=weights))
    return Opinion(kind, float(np.sqrt(ratio)) * error, EXPLAINED * error)


def _left(lattice: Lattice, reference: bool) -> dict[Operator, float]:
    """Return the mean square that each operator leaves of the values."""
    y, n = lattice.values, lattice.values.shape
    first = first_terms(y, False)
    loudest = int(np.argmax(np.std(y, axis=(0, 1))))
    alone = first_terms(y[..., loudest : loudest + 1], False)
    starts = [np.concatenate(parts[:2]) for parts in (first, alone)]
    each = additive_each(n)
    sizes: dict[Operator, float] = {
        "general": min(_size(each, start, y, N_INTERVALS - 2) for start in starts)
    }
    if reference:
        m, r = first_terms(y, True)
        sizes["sum"] = _size(additive(n), np.concatenate(first), y)
        sizes["product"] = _size(multiplied(n), np.concatenate([*product_terms(m), r]), y)
        sizes["general"] = min(sizes.values())
    return sizes


def _size(shape: Any, start: Any, y: Any, n_intervals: int = N_INTERVALS) -> float:
    return fitted(shape, start, y, n_intervals)[0] / y.size
