"""Pruning by score that is checked: refitted, measured before and after, refused where it hurts."""

from dataclasses import dataclass

import numpy as np

from scikan.core.dataset import Dataset
from scikan.core.errors import SettingError
from scikan.core.kan import KAN, EdgeAddress
from scikan.core.trees import updated
from scikan.edit.attribution import Scores, attribute
from scikan.edit.surgery import prune
from scikan.train.fit import fit


@dataclass(frozen=True, eq=False)
class Pruned:
    """A pruning and what it did.

    Args:
        model: the smaller network if it was accepted, the given one otherwise.
        accepted: whether the smaller network is kept.
        before, after: root mean square errors of the given and the smaller (refitted) network, in the target's
            units: on test rows if the table has any, else on the training rows.
        removed: addresses of the edges that the smaller network lacks.
    """

    model: KAN
    accepted: bool
    before: float
    after: float
    removed: tuple[EdgeAddress, ...]

    def __str__(self) -> str:
        told = "removed" if self.accepted else "would not do without"
        return f"{told} {len(self.removed)} edges: error {self.before:.3g} before, {self.after:.3g} after"


def prune_checked(
    model: KAN,
    data: Dataset,
    *,
    node: float = 1e-2,
    edge: float = 3e-2,
    inputs: float | None = None,
    steps: int = 20,
    worse: float = 1.2,
    force: bool = False,
) -> Pruned:
    """Return the model pruned by its attribution scores and refitted, or as it was if that hurts.

    Scores are taken over outputs by their maximum, so that an input of one output of many stays.

    Args:
        data: its training rows give scores and the refit, its test rows (if any) the verdict.
        node, edge, inputs: thresholds, as in `prune`.
        steps: of Levenberg-Marquardt after pruning; 0 for none.
        worse: largest error after pruning, as a multiple of the error before.
        force: keep the smaller network whatever it costs.

    Raises:
        SettingError: nothing would be left, a negative number of steps, or worse below 1.
    """
    _check_settings(steps, worse)
    smaller = prune(model, attribute(model, data, over="max"), node=node, edge=edge, inputs=inputs)
    return _checked(model, smaller, data, steps, worse, force)


def narrowest(model: KAN, data: Dataset, *, edge: float = 0.0, steps: int = 40, worse: float = 1.0) -> Pruned:
    """Return the model with as few hidden nodes as held-out rows allow: 1 in each layer, else 2, 4, 8, ...

    A network with more numbers than rows fits what is not there, and its scores show it: idle inputs get their share,
    and so do those that two nodes pass on with opposite signs. Without the nodes that only copy others the refit has
    rows enough to tell inputs apart; so score after this.

    Args:
        data: its training rows give scores and refits, its test rows (if any) the verdicts.
        edge: threshold on the scores of edges, as in `prune`.
        steps: of Levenberg-Marquardt after each pruning.
        worse: largest error after pruning, as a multiple of the error before.

    Raises:
        SettingError: a negative number of steps, or worse below 1.
    """
    _check_settings(steps, worse)
    scores = attribute(model, data, over="max")
    width = max((int(np.sum(layer > 0)) for layer in scores.nodes[1:-1]), default=1)
    found = _checked(model, model, data, 0, worse)
    n = 1
    while n < width and not found.removed:
        tried = _checked(model, prune(model, _strongest(scores, n), node=0.0, edge=edge), data, steps, worse)
        found = tried if tried.accepted else found
        n *= 2
    return found


def _check_settings(steps: int, worse: float) -> None:
    if steps < 0 or worse < 1:
        raise SettingError(
            f"steps={steps}, worse={worse} make no check.", fix="use steps >= 0 and worse >= 1."
        )


def _strongest(scores: Scores, n: int) -> Scores:
    """Return the scores with those of all hidden nodes but the n largest of each layer at zero."""
    hidden = (np.where(layer >= np.sort(layer)[-n:][0], layer, 0.0) for layer in scores.nodes[1:-1])
    return updated(lambda s: s.nodes, scores, (scores.nodes[0], *hidden, scores.nodes[-1]))


def _checked(
    model: KAN, smaller: KAN, data: Dataset, steps: int, worse: float, force: bool = False
) -> Pruned:
    """Return the smaller network, refitted, if it is hardly worse, else the model."""
    removed = tuple(sorted(set(model.edges()) - set(smaller.edges())))
    if steps and removed:
        smaller, _ = fit(smaller, data, steps=steps)
    before, after = _error(model, data), _error(smaller, data)
    accepted = force or after <= worse * before
    return Pruned(smaller if accepted else model, accepted, before, after, removed)


def _error(model: KAN, data: Dataset) -> float:
    x, y = (data.test_x, data.test_y) if len(data.test_x) else (data.train_x, data.train_y)
    error = float(np.sqrt(np.mean((np.asarray(model(x)) - y) ** 2)))
    return error if np.isfinite(error) else float("inf")
