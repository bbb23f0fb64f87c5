r"""Which operator joins two branches, told from values on lattices: errors average out, where slopes magnify them.

On a lattice the branches are one unknown term each. f = F(p + q + r), f = F(p q + r) and f = F(p + q, rest) are
fitted to its values, and what each leaves is compared with the error of the function and with what the last,
which holds the others, leaves.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from scikan.structure.lattice import Lattice, lattices
from scikan.structure.probe import Probe
from scikan.structure.shapes import (
    N_INTERVALS,
    additive,
    additive_each,
    bent,
    bent_terms,
    first_terms,
    fitted,
    multiplied,
    product_terms,
)
from scikan.structure.verdicts import SAFETY


Places = tuple[int, ...]
Operator = Literal["sum", "product", "general"]

LEAST_ERROR = 1e-6
"""Error, as a share of the spread, below which slopes tell all there is to know."""

EXPLAINED = 1.15
"""A root mean square residual up to so many times the error is explained by it."""

LEAST_TOLD = 4
"""Half of the lattices must be explained, and of fewer lattices than so many two."""

CLEAR, SHARE = 50.0, 0.1
"""Gain in chi squared, and its least share of the values, from which an operator with more freedom is preferred."""


@dataclass(frozen=True)
class Opinion:
    """What lattices say of two branches.

    Args:
        kind: the simplest operator that errors explain.
        score: root mean square of what it leaves, as a share of the spread of the values on the lattices.
        threshold: the score that errors explain.
        points: values on the lattices.
    """

    kind: Operator
    score: float
    threshold: float
    points: int


def opinion(probe: Probe, a: Places, b: Places, reference: Places = (), key: int = 0) -> Opinion | None:
    """Return the operator over A and B in f = F(g(A, B) + r(reference), rest); None if values do not tell.

    Without a reference only "general" can be told.
    """
    if probe.error < LEAST_ERROR * probe.spread:
        return None
    groups: list[Places] = [a, b]
    others = tuple(j for j in range(len(probe.names)) if j not in (*a, *b) and np.ptp(probe.rows[:, j]) > 0)
    groups += [reference or others] if reference or others else []
    tables = lattices(probe, groups, key)
    if not tables:
        return None
    left = [_left(table, bool(reference)) for table in tables]
    whole = "bent" if reference else "general"
    sizes = np.array([one[whole] for one in left]) / probe.error**2
    # What even the shape that holds the others leaves is an F too steep for its spline here and there, or no sum.
    if 2 * np.sum(sizes < EXPLAINED**2) < max(len(left), LEAST_TOLD):
        return None
    judged = np.flatnonzero(sizes < SAFETY**2)
    weights = np.array([tables[k].independent for k in judged])
    errors = np.array([max(left[k][whole], probe.error**2) for k in judged])
    squares = {
        kind: float(np.average([left[k][kind] for k in judged] / errors, weights=weights)) for kind in left[0]
    }
    kind = _simplest(squares, float(np.sum(weights))) if reference else "general"
    if squares[kind] > EXPLAINED**2:
        kind = "general"
    error = float(np.sqrt(np.mean(errors) / np.mean([np.var(tables[k].values) for k in judged])))
    return Opinion(
        kind,
        float(np.sqrt(squares[kind])) * error,
        EXPLAINED * error,
        sum(tables[k].values.size for k in judged),
    )


def _simplest(squares: dict[str, float], independent: float) -> Operator:
    """Return the operator that none with more freedom explains clearly better: a product beside a large constant is
    a sum, and either is a function of a sum."""
    clear = max(CLEAR / independent, SHARE)
    if squares["sum"] - min(squares["product"], squares["bent"]) < clear:
        return "sum"
    return "product" if squares["product"] - squares["bent"] < clear else "general"


def _left(lattice: Lattice, reference: bool) -> dict[str, float]:
    """Return the mean square that each operator leaves of the values."""
    y, n = lattice.values, lattice.values.shape
    first = first_terms(y, False)
    loudest = int(np.argmax(np.std(y, axis=(0, 1))))
    alone = first_terms(y[..., loudest : loudest + 1], False)
    starts = [np.concatenate(parts[:2]) for parts in (first, alone)]
    each = additive_each(n)
    sizes: dict[str, float] = {"general": min(_size(each, start, y, N_INTERVALS - 4) for start in starts)}
    if reference:
        sizes |= _beside(y, first)
        sizes["general"] = min(sizes.values())
    return sizes


def _beside(y: Any, first: Any) -> dict[str, float]:
    """Return the mean squares that shapes p + q + r, p q + r and G(p + q) + r inside F leave."""
    n, ends = y.shape, np.cumsum(y.shape)[:2]
    added, terms = fitted(additive(n), np.concatenate(first), y)
    p, q, r = np.split(terms, ends)
    starts = [bent_terms(p, q, r, p[:, None] + q)]
    m, r = first_terms(y, True)
    multiplied_size, terms = fitted(multiplied(n), np.concatenate([*product_terms(m), r]), y)
    p, q, r = np.split(terms, ends)
    logs = [np.log(np.maximum(np.abs(term), 1e-3 * np.abs(term).max())) for term in (p, q)]
    starts.append(bent_terms(logs[0], logs[1], r, np.outer(p, q)))
    bends = [fitted(bent(n), start, y)[0] for start in starts]
    return {
        "sum": added / y.size,
        "product": multiplied_size / y.size,
        "bent": min(added, *bends) / y.size,
    }


def _size(shape: Any, start: Any, y: Any, n_intervals: int = N_INTERVALS) -> float:
    return float(fitted(shape, start, y, n_intervals)[0] / y.size)
