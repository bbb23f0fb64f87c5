r"""Is it a law? Exact tests on rows that the search never saw.

Two questions. Does the prediction depend on the truth at all: a permutation test, exact for exchangeable rows
whatever the search did. Is anything left: the rank correlation of a residual with those of its nearest
neighbours, which sees a wrong form long before an error threshold does. A law answers both well; a formula
that predicts but leaves structure is an approximation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.spatial import cKDTree
from scipy.stats import rankdata


Vector = Float[np.ndarray, " _"]

SIGNIFICANCE = 0.005
"""Level of the dependence test, shared by two statistics."""

WHITENESS_LEVEL = 0.01
"""False alarms of the whiteness test."""

N_PERMUTATIONS = 2000

N_CLOSE, CLOSE = 20000, 0.25
"""Shuffles where the first leave the whiteness test undecided: nearer to the threshold than this part of it.

Levels are shared by views and components, so the threshold rests on a handful of the first shuffles and is itself
uncertain by a few per cent.
"""

MOST_ROWS = 2000
"""Rows that the tests look at; more add time, not certainty."""


@dataclass(frozen=True)
class Dependence:
    """One-sided permutation p-values of Pearson and rank correlation between prediction and truth."""

    pearson: float
    rank: float

    @property
    def is_significant(self) -> bool:
        """Whether either passes at half the level."""
        return min(self.pearson, self.rank) < SIGNIFICANCE / 2


@dataclass(frozen=True)
class Whiteness:
    """Correlation of residuals with their neighbours' and the value that chance exceeds in 1 % of cases."""

    correlation: float
    threshold: float

    @property
    def is_white(self) -> bool:
        """Whether no structure is seen in the residual."""
        return self.correlation <= self.threshold


def dependence(prediction: Vector, truth: Vector, rng: np.random.Generator, folds: Any = None) -> Dependence:
    """Return the permutation test of dependence.

    Args:
        prediction, truth: (rows,) on held-out rows.
        folds: (rows,) labels inside which rows are exchanged (cross-fitted predictions); None for one lot.
    """
    usable = np.flatnonzero(np.isfinite(prediction))
    if len(usable) > MOST_ROWS:
        usable = np.sort(rng.choice(usable, MOST_ROWS, replace=False))
    if len(usable) < 4 or np.ptp(prediction[usable]) == 0.0:
        return Dependence(1.0, 1.0)
    prediction, truth = prediction[usable], truth[usable]
    labels = np.zeros(len(truth), int) if folds is None else np.asarray(folds)[usable]
    # Within folds, means are taken off, so that only what a fold's own rows agree on counts.
    p, t = _within(prediction, labels), _within(truth, labels)
    rp, rt = _within_ranks(prediction, labels), _within_ranks(truth, labels)
    exceed = np.zeros(2)
    observed = np.asarray([p @ t, rp @ rt])
    for _ in range(N_PERMUTATIONS):
        order = _permutation(labels, rng)
        exceed += np.asarray([p @ t[order], rp @ rt[order]]) >= observed - 1e-12 * np.abs(observed)
    values = (exceed + 1) / (N_PERMUTATIONS + 1)
    return Dependence(float(values[0]), float(values[1]))


def _within(values: Vector, labels: Any) -> Vector:
    result = values.astype(float).copy()
    for label in np.unique(labels):
        result[labels == label] -= result[labels == label].mean()
    return result


def _within_ranks(values: Vector, labels: Any) -> Vector:
    ranks = np.empty(len(values))
    for label in np.unique(labels):
        ranks[labels == label] = rankdata(values[labels == label])
    return _within(ranks, labels)


def _permutation(labels: Any, rng: np.random.Generator) -> Any:
    order = np.arange(len(labels))
    for label in np.unique(labels):
        places = np.flatnonzero(labels == label)
        order[places] = rng.permutation(places)
    return order


def whiteness(
    residual: Vector, views: Sequence[np.ndarray], rng: np.random.Generator, level: float = WHITENESS_LEVEL
) -> Whiteness:
    """Return whether a residual is correlated with its neighbours', in any of several views of the rows.

    A view is a choice of columns in which neighbours are looked for: the law's own show a wrong form most
    sharply, all columns show a missing variable. In each, the three nearest neighbours give a rank
    correlation; it is compared with that of shuffled residuals.

    Args:
        residual: (rows,); rows where it is undefined are left out.
        views: arrays (rows, columns), each scaled as it should be compared.
        level: share of false alarms, divided among the views.
    """
    usable = np.flatnonzero(np.isfinite(residual))
    if len(usable) > MOST_ROWS:
        usable = np.sort(rng.choice(usable, MOST_ROWS, replace=False))
    values = residual[usable]
    if len(usable) < 8 or np.ptp(values) == 0.0:
        return Whiteness(0.0, 1.0)
    ranks = rankdata(values)
    ranks -= ranks.mean()
    seen = [
        w
        for view in views
        if (w := _neighbour_correlation(ranks, np.asarray(view, float)[usable], level / len(views), rng))
    ]
    return max(seen, key=lambda w: w.correlation - w.threshold, default=Whiteness(0.0, 1.0))


def _neighbour_correlation(
    ranks: Vector, places: Any, level: float, rng: np.random.Generator
) -> Whiteness | None:
    spread = places.std(axis=0)
    places = places[:, spread > 0] / spread[spread > 0]
    if places.shape[1] == 0:
        return None
    _, nearest = cKDTree(places).query(places, k=min(3, len(ranks) - 1) + 1)
    size = float(np.mean(ranks**2))

    def statistic(values: Vector) -> float:
        return float(np.mean(values[:, None] * values[nearest[:, 1:]])) / size

    def threshold(shuffled: np.ndarray) -> float:
        # Exact: no more than `most` of all orders, the given one among them, may do as well.
        most = max(int(level * (len(shuffled) + 1)), 1)
        return float(np.sort(shuffled)[-most])

    observed = statistic(ranks)
    shuffled = np.asarray([statistic(rng.permutation(ranks)) for _ in range(N_PERMUTATIONS)])
    limit = threshold(shuffled)
    if abs(observed - limit) < CLOSE * (limit - float(np.median(shuffled))):
        shuffled = np.asarray([statistic(rng.permutation(ranks)) for _ in range(N_CLOSE)])
        limit = threshold(shuffled)
    return Whiteness(observed, limit)
