"""One search judged: predictions of its law, its network and two rivals on rows it never saw."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from scikan.core.dataset import Dataset
from scikan.core.expr import Expr, evaluate
from scikan.core.kan import KAN
from scikan.discovery.column_errors import blurred_by_law
from scikan.discovery.protocol import Fold
from scikan.discovery.search import Found, SearchSettings, Watch, search, weights_of
from scikan.edit.attribution import attribute_inputs
from scikan.law.refitting import refit
from scikan.train.scoring import boosting_predictions, linear_predictions
from scikan.train.small import fit_small


N_RESAMPLES = 8

BLOCK = 20_000
"""Rows that a network is evaluated on at once, and at most looked at for scores."""


@dataclass(frozen=True)
class Trial:
    """What a search found and what that predicts on the judging rows: law, network, linear, boosting."""

    found: Found
    predictions: dict[str, Any]


def run_trial(data: Dataset, fold: Fold, settings: SearchSettings, watch: Watch) -> Trial:
    """Search on a fold's rows and predict its judging rows."""
    seen = data.rows(fold.fit)
    found = search(seen, settings, watch)
    x = data.x[fold.judge]
    columns = {name: x[:, j] for j, name in enumerate(data.names)}
    with np.errstate(all="ignore"):
        law = np.broadcast_to(evaluate(_best(found, seen), columns), len(x)).astype(float)
        blocks = np.array_split(x, max(1, len(x) // BLOCK))
        network = np.concatenate([np.asarray(found.network(block))[:, 0] for block in blocks])
    linear = linear_predictions(seen.x, seen.y[:, 0], x)
    boosting = boosting_predictions(seen.x, seen.y[:, 0], x, settings.key)[:, 0]
    return Trial(found, {"law": law, "network": network, "linear": linear, "boosting": boosting})


def _best(found: Found, seen: Dataset) -> Expr:
    """Return the best formula; where columns have errors, its constants once more under what these make of it."""
    if seen.input_sigma is None:
        return found.best.expression
    columns = {name: seen.x[:, j] for j, name in enumerate(seen.names)}
    weight = weights_of(blurred_by_law(seen, found.best.fitted)[0])
    return refit(found.best.expression, columns, seen.y[:, 0], weight, found.readout).expr


def feature_scores(data: Dataset, networks: list[KAN], key: int) -> dict[str, tuple[float, float, float]]:
    """Return for each column its attribution score and a band (low, high) over refits on resampled rows.

    With cross-fitting the networks of the folds make the band; with one network it is refitted on bootstrap
    samples of the rows.
    """
    usable = [net for net in networks if net.n_edges]
    if len(usable) == 1:
        usable = [usable[0], *_resampled(data, usable[0], np.random.default_rng(key))]
    x = data.x[:: max(1, data.n_rows // BLOCK)]
    table = np.asarray([attribute_inputs(net, np.asarray(net.features(x))).inputs for net in usable])
    if not len(table):
        return {}
    low, high = np.quantile(table, 0.1, axis=0), np.quantile(table, 0.9, axis=0)
    return {
        name: (float(np.median(table[:, j])), float(low[j]), float(high[j]))
        for j, name in enumerate(data.names)
    }


def _resampled(data: Dataset, network: KAN, rng: np.random.Generator) -> list[KAN]:
    step = max(1, data.n_rows // BLOCK)
    inputs = np.asarray(network.features(data.x[::step]))
    targets = np.asarray(network.readout.inverse()(data.y[::step]))
    nets = []
    for _ in range(N_RESAMPLES):
        rows = rng.integers(0, len(inputs), min(len(inputs), 2000))
        nets.append(fit_small(network, inputs[rows], targets[rows], steps=6, bend=1e-4, regrid=()).model)
    return nets
