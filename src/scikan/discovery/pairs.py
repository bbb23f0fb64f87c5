r"""Sums of two, three and four library features, exhaustively in pairs.

All pairs of simple features are compared by the closed form of two correlated regressors,
$R^2 = (r_a^2 + r_b^2 - 2 r_a r_b g)/(1 - g^2)$; third and fourth terms are added greedily to the best pairs.
Greedy choice from the first term on would miss sums of two similar terms.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from scikan.core.expr import Expr
from scikan.discovery.affine import Screen
from scikan.discovery.targets import NODE_BITS, Target


N_FIRST, N_SECOND = 700, 4000
N_TARGETS = 16
N_PAIRS, N_LARGER = 10, 3


def pair_laws(screen: Screen, targets: list[Target]) -> Iterator[Expr]:
    """Yield laws in which one of the first targets is a sum of two to four features."""
    for target in targets[:N_TARGETS]:
        weight = target.weight / np.sqrt(np.sum(target.weight**2))
        features, nodes = _weighted(screen, weight), screen.table.nodes[:N_SECOND]
        u = _apart((target.values * weight)[None, :], weight[:, None])[0]
        spread = float(u @ u)
        if spread <= 0:
            continue
        pairs = _best_pairs(features, nodes, (u / np.sqrt(spread)).astype(np.float32))
        for terms in [*pairs[:N_PAIRS], *_larger(features, nodes, u, pairs)]:
            yield from screen.formulas(target, [screen.feature(int(screen.places[n])) for n in terms])


def _weighted(screen: Screen, weight: Any) -> Any:
    """Return features times weights, `(features, rows)`, without their mean and of length 1."""
    left = _apart(screen.table.values[:N_SECOND] * weight.astype(np.float32), weight[:, None])
    norm = np.sqrt(np.einsum("ij,ij->i", left, left))
    return (left / np.maximum(norm, 1e-6)[:, None]).astype(np.float32)


def _apart(rows: Any, basis: Any) -> Any:
    """Return rows without their parts along orthonormal columns `basis`."""
    return rows - (rows @ basis) @ basis.T


def _best_pairs(features: Any, nodes: Any, u: Any) -> list[tuple[int, ...]]:
    first = features[:N_FIRST]
    gram = first @ features.T
    r = features @ u
    rest = 1.0 - gram * gram
    with np.errstate(all="ignore"):
        share = r[: len(first), None] ** 2 + r**2 - 2.0 * r[: len(first), None] * r * gram
        share /= rest
    # In single precision nearly equal features would explain anything.
    share[rest < 1e-4] = 0.0
    score = 0.5 * len(u) * np.log2(np.maximum(1.0 - share, 1e-6))
    score += NODE_BITS * (nodes[: len(first), None] + nodes)
    best = np.argpartition(score, 6 * N_PAIRS, axis=None)[: 6 * N_PAIRS]
    found: dict[tuple[int, ...], float] = {}
    for a, b in zip(*np.unravel_index(best, score.shape), strict=True):
        found[tuple(sorted((int(a), int(b))))] = float(score[a, b])
    return sorted(found, key=lambda pair: found[pair])


def _larger(features: Any, nodes: Any, u: Any, pairs: list[tuple[int, ...]]) -> Iterator[tuple[int, ...]]:
    """Yield the best pairs with a third term, and those with a fourth."""
    beam = pairs[:6]
    for _ in range(2):
        scored = []
        for terms in beam:
            basis = np.linalg.qr(features[list(terms)].T.astype(float))[0]
            left = _apart(u[None, :], basis)[0]
            apart = _apart(features, basis)
            norm = np.einsum("ij,ij->i", apart, apart)
            share = np.where(norm > 1e-4, (apart @ left) ** 2 / np.maximum(norm, 1e-4), 0.0) / max(
                float(u @ u), 1e-300
            )
            misfit = max(float(left @ left) / float(u @ u), 1e-300) - share
            score = 0.5 * len(u) * np.log2(np.maximum(misfit, 1e-8)) + NODE_BITS * nodes
            extra = NODE_BITS * float(nodes[list(terms)].sum())
            scored += [(float(score[n]) + extra, (*terms, int(n))) for n in np.argsort(score)[:N_LARGER]]
        beam = [terms for _, terms in sorted(scored)[:6]]
        yield from beam
