r"""Quotients with two library features: $z = (b + c f)/(a + g)$, linear once multiplied out.

$z g = b + c f - a z$; the columns 1 and z are the same for every f and g, so they are projected out once and
each pair is one product. With g = f this is a Moebius map of a feature.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from scikan.core.expr import Constant, Expr, add, multiply
from scikan.discovery.affine import Feature, Screen
from scikan.discovery.targets import NODE_BITS


N_NUMERATORS = 8000
N_BEST, N_EACH = 60, 4


def quotients(screen: Screen) -> Iterator[Expr]:
    """Yield $M (b + c f)/(a + g)$ with f from the library and g from its first levels."""
    numerators = screen.places[:N_NUMERATORS]
    bottoms = np.flatnonzero((screen.library.level <= 1) & (screen.library.level >= 0))
    bottoms = bottoms[screen.library.nodes[bottoms] <= 3]
    f = _Projection(screen)
    top = f.unit(screen.library.values[numerators])
    goals = f.apart(screen.library.values[bottoms] * screen.z)
    size = np.maximum(np.einsum("ij,ij->i", goals, goals), 1e-300)
    share = (goals @ top.T) ** 2 / size[:, None]
    score = _score(share, screen.library.nodes[numerators], len(screen.z))
    for g, row in zip(bottoms, score, strict=True):
        for n in np.argsort(row)[:N_EACH]:
            yield from _law(screen, screen.feature(int(numerators[n])), screen.feature(int(g)))


def moebius(screen: Screen) -> Iterator[Expr]:
    """Yield $M (b + c f)/(a + f)$ for the features of the library that fit best."""
    projection = _Projection(screen)
    values = screen.library.values[screen.places]
    top, goals = projection.unit(values), projection.apart(values * screen.z)
    size = np.maximum(np.einsum("ij,ij->i", goals, goals), 1e-300)
    share = np.einsum("ij,ij->i", goals, top) ** 2 / size
    score = _score(share, screen.library.nodes[screen.places], len(screen.z))
    for n in np.argsort(score)[:N_BEST]:
        feature = screen.feature(int(screen.places[n]))
        yield from _law(screen, feature, feature)


class _Projection:
    """Rows times weights, with 1 and z taken out."""

    def __init__(self, screen: Screen) -> None:
        self.weight = screen.weight / np.sqrt(np.mean(screen.weight**2))
        both = np.column_stack([self.weight, self.weight * screen.z])
        self.basis = np.linalg.qr(both)[0]

    def apart(self, values: Any) -> Any:
        weighted = values * self.weight
        return weighted - (weighted @ self.basis) @ self.basis.T

    def unit(self, values: Any) -> Any:
        left = self.apart(values)
        norm = np.sqrt(np.einsum("ij,ij->i", left, left))
        whole = np.sqrt(np.einsum("ij,ij->i", values, values))
        norm[norm < 1e-7 * whole] = np.inf
        return left / norm[:, None]


def _score(share: Any, nodes: Any, n_rows: int) -> Any:
    return 0.5 * n_rows * np.log2(np.maximum(1.0 - share, 1e-13)) + NODE_BITS * nodes


def _law(screen: Screen, f: Feature, g: Feature) -> Iterator[Expr]:
    z, weight = screen.level.target, screen.level.weight
    columns = np.column_stack([np.ones(len(z)), f.values, -z])
    usable = np.isfinite(columns).all(axis=1) & np.isfinite(g.values)
    if not usable.all() or np.ptp(f.values) == 0:
        return
    norm = np.sqrt(np.mean((columns * weight[:, None]) ** 2, axis=0))
    row_weight = weight
    weights = np.zeros(3)
    for _ in range(2):
        part = columns / norm * row_weight[:, None]
        weights = np.linalg.lstsq(part, z * g.values * row_weight, rcond=1e-13)[0] / norm
        below = np.abs(weights[2] + g.values)
        row_weight = weight / np.maximum(below, 1e-3 * np.mean(below) + 1e-300)
        if not np.all(np.isfinite(row_weight)):
            break
    b, c, a = (Constant(float(w)) for w in weights)
    yield screen.of_y(add([b, multiply([c, f.expression])]) / add([a, g.expression]))
