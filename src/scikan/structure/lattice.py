r"""A function on lattices of three paths, where it rises or falls along each: values enough to tell operators apart.

A group of columns that enters through one function of them traces one curve on any path, so that three paths give
a table of values F(g(s, t), u) whatever the number of columns. Where the table is monotone along its axes no term
passes through zero or turns, and a product is a sum of logarithms there. Values carry the function's error once,
and a table of some hundred averages it, which slopes do not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from scikan.structure.probe import WAVELENGTH, Probe


Places = tuple[int, ...]

N_NODES, N_COARSE, N_TRIED, N_KEPT = 9, 4, 300, 5
SHORTEST = 0.3
"""Part of the way from one row to another that a path takes at least."""


@dataclass(frozen=True, eq=False)
class Lattice:
    """Values of a function on three paths.

    Args:
        values: `(nodes of A, nodes of B, nodes of the rest)`.
        independent: how many of the values have errors of their own; errors of close nodes are alike.
    """

    values: Float[np.ndarray, "s t u"]
    independent: float


def lattices(probe: Probe, groups: Sequence[Places], key: int = 0) -> list[Lattice]:
    """Return lattices over two or three groups of columns, those in which every path moves the values most.

    With two groups the third axis has one node. A path rises or falls at its coarse nodes, and may turn between them.
    None may be found: no monotone piece of the box was met.
    """
    rng = np.random.default_rng(key)
    begin, end = _paths(probe, groups, rng)
    tables = _values(probe, begin, end, groups, N_COARSE)
    independent = _independent(probe, begin, end, groups)
    moved = _moved(tables, len(groups), probe.error) * np.sqrt(independent)
    kept = [i for i in np.argsort(-moved)[:N_KEPT] if moved[i] > 0]
    values = _values(probe, begin[kept], end[kept], groups, N_NODES)
    return [Lattice(table, float(independent[i])) for table, i in zip(values, kept, strict=True)]


def _paths(probe: Probe, groups: Sequence[Places], rng: np.random.Generator) -> tuple[Any, Any]:
    """Return where paths begin and where they end, `(lattices, columns)`; all other columns are held."""
    base, start, far = probe.rows[rng.integers(len(probe.rows), size=(3, N_TRIED))]
    begin, end = base.copy(), base.copy()
    for group in groups:
        own = list(group)
        begin[:, own] = start[:, own]
        part = rng.uniform(SHORTEST, 1.0, (N_TRIED, 1))
        end[:, own] = start[:, own] + part * (far[:, own] - start[:, own])
    return begin, end


def _values(probe: Probe, begin: Any, end: Any, groups: Sequence[Places], n_nodes: int) -> Any:
    """Return the function on lattices, `(lattices, s, t, u)`."""
    n = [n_nodes if axis < len(groups) else 1 for axis in range(3)]
    way = np.zeros((*n, begin.shape[1]))
    for axis, group in enumerate(groups):
        along = np.linspace(0.0, 1.0, n_nodes).reshape([-1 if k == axis else 1 for k in range(3)])
        way[..., list(group)] = along[..., None]
    points = begin[:, None, None, None] + way * (end - begin)[:, None, None, None]
    return probe.value(points.reshape(-1, points.shape[-1])).reshape(points.shape[:-1])


def _moved(tables: Any, n_groups: int, error: float) -> Any:
    """Return the least change along an axis, its root mean square; 0 where one is not monotone beyond errors."""
    sizes = []
    for axis in range(1, 1 + n_groups):
        steps = np.diff(tables, axis=axis).reshape(len(tables), -1)
        against = np.minimum(steps.max(axis=1), -steps.min(axis=1))
        size = np.sqrt(np.mean(np.var(tables, axis=axis).reshape(len(tables), -1), axis=1))
        # Not a number compares false.
        sizes.append(np.where(against <= 2.0 * error, size, 0.0))
    return np.min(sizes, axis=0)


def _independent(probe: Probe, begin: Any, end: Any, groups: Sequence[Places]) -> Any:
    """Return how many values of a lattice have errors of their own, if errors change as random fields do."""
    way = (end - begin) / probe.scale
    apart = np.subtract.outer(*2 * [np.linspace(0.0, 1.0, N_NODES)])
    independent = np.ones(len(way))
    for group in groups:
        length = np.linalg.norm(way[:, list(group)], axis=1)[:, None, None] / WAVELENGTH
        independent *= N_NODES**2 / np.sum(np.exp(-((length * apart) ** 2)), axis=(1, 2))
    return independent
