"""Backward elimination: take the least edge away, refit, and keep the smaller net if held-out rows agree.

The judge is the loss on rows that the fit does not see. On clean data a net may lose an edge if its loss stays
within a factor; on noisy data if the rise is within two standard errors of the paired squared errors.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from threadpoolctl import threadpool_limits

from scikan.core.dataset import Dataset
from scikan.core.kan import KAN
from scikan.core.precision import numpy_leaves
from scikan.core.trees import updated
from scikan.edit.attribution import attribute_inputs
from scikan.edit.surgery import compact, remove_edges
from scikan.train.small import fit_small


Rows = Float[np.ndarray, "_ _"]

NOISY = 2.5e-5
"""Mean square error (of targets with unit variance) above which a loss counts as noise-limited."""


@dataclass(frozen=True)
class JudgedRows:
    """Network-side rows to fit and rows to judge by; targets scaled to unit variance, not shifted."""

    fit_x: Rows
    fit_y: Rows
    judge_x: Rows
    judge_y: Rows

    @classmethod
    def split(cls, x: Rows, y: Rows, fraction: float, rng: np.random.Generator) -> "JudgedRows":
        """Split rows at random; `fraction` of them judge."""
        order = rng.permutation(len(x))
        cut = len(x) - max(2, int(round(fraction * len(x))))
        fit, judge = order[:cut], order[cut:]
        return cls(x[fit], y[fit], x[judge], y[judge])

    @property
    def all_x(self) -> Rows:
        """Inputs of all rows."""
        return np.concatenate([self.fit_x, self.judge_x])

    @property
    def all_y(self) -> Rows:
        """Targets of all rows."""
        return np.concatenate([self.fit_y, self.judge_y])


def squared_errors(model: KAN, rows: JudgedRows) -> Float[np.ndarray, " batch"]:
    """Return the squared error of every judging row, summed over outputs."""
    with np.errstate(all="ignore"):
        return np.asarray(np.sum((model.network(rows.judge_x) - rows.judge_y) ** 2, axis=1))


def judged_loss(model: KAN, rows: JudgedRows) -> float:
    """Return the mean square error on the judging rows (infinite where the network is undefined)."""
    loss = float(np.mean(squared_errors(model, rows)))
    return loss if np.isfinite(loss) else float("inf")


def judged_rows(model: KAN, data: Dataset, key: int = 0) -> tuple[JudgedRows, float]:
    """Return a table's training rows as a model sees them, and the spread its targets were divided by.

    A fifth of the rows judges; `key` seeds the split. Test rows are not read.
    """
    inputs = np.asarray(model.features(data.train_x), float)
    targets = np.asarray(model.readout.inverse()(data.train_y), float)
    spread = float(np.sqrt(np.mean(targets.var(axis=0)))) or 1.0
    return JudgedRows.split(inputs, targets / spread, 0.2, np.random.default_rng(key)), spread


def rescaled(model: KAN, factor: float) -> KAN:
    """Return the model with its network's outputs multiplied."""
    nodes = model.layers[-1].nodes
    where = lambda m: (m.layers[-1].nodes.scale, m.layers[-1].nodes.bias)
    return updated(where, model, (nodes.scale * factor, nodes.bias * factor))


def prune_by_loss(model: KAN, data: Dataset, *, floor: float = 4e-6, key: int = 0) -> KAN:
    """Return the smallest network on the path of backward elimination that held-out rows still accept.

    Where `prune` asks for thresholds, this takes the least edge away, refits, and asks rows that the fit does
    not see. Slower, and surer.

    Args:
        data: its training rows are used, a fifth of them to judge.
        floor: mean square error, relative to the target's variance, that is as good as zero.
        key: seed of the split.
    """
    rows, spread = judged_rows(model, data, key)
    with threadpool_limits(limits=1, user_api="blas"):
        path = eliminate(rescaled(numpy_leaves(model), 1.0 / spread), rows, floor)
        # Each step on the path may lose a little; all of them together may not lose more than one step.
        best = squared_errors(min(path, key=lambda net: net.loss).model, rows)
        kept = [net for net in path if accepts(best, squared_errors(net.model, rows), floor)]
    return compact(rescaled((kept or path)[-1].model, spread))


@dataclass(frozen=True)
class Eliminated:
    """A net on the path of elimination, and its judged loss."""

    model: KAN
    loss: float


def eliminate(
    model: KAN, rows: JudgedRows, floor: float, steps: tuple[int, int] = (6, 14), most: int = 60
) -> list[Eliminated]:
    """Return the path of ever smaller nets, the given one first.

    Args:
        floor: losses up to this are as good as zero.
        steps: Levenberg-Marquardt steps after a removal; the second lot only for nets still in reach.
        most: upper bound on removals tried.
    """
    path = [Eliminated(compact(model, drop_inputs=False), judged_loss(model, rows))]
    tried = 0
    shrinking = True
    while shrinking and tried < most:
        shrinking = False
        here = path[-1]
        errors = squared_errors(here.model, rows)
        for address in _by_score(here.model, rows):
            if here.model.n_edges <= 1:
                break
            tried += 1
            candidate = _without(here.model, address, rows, errors, floor, steps)
            if candidate is not None:
                path.append(candidate)
                shrinking = True
                break
            if tried >= most:
                break
    return path


def _by_score(model: KAN, rows: JudgedRows) -> list[tuple[int, int, int]]:
    scores = attribute_inputs(model, rows.fit_x)
    return sorted(model.edges(), key=lambda at: float(scores.edges[at[0]][at[1], at[2]]))


def _without(
    model: KAN,
    address: tuple[int, int, int],
    rows: JudgedRows,
    errors: Any,
    floor: float,
    steps: tuple[int, int],
) -> Eliminated | None:
    smaller = compact(remove_edges(model, [address], attribute_inputs(model, rows.fit_x)), drop_inputs=False)
    if smaller.n_edges == 0:
        return None
    before = float(np.mean(errors))
    for piece in steps:
        fitted = fit_small(smaller, rows.fit_x, rows.fit_y, steps=piece)
        smaller = fitted.model
        after = squared_errors(smaller, rows)
        loss = float(np.mean(after))
        if not np.isfinite(loss):
            return None
        if accepts(errors, after, floor):
            return Eliminated(smaller, loss)
        if loss > 50.0 * max(before, floor):
            return None
    return None


def accepts(before: Any, after: Any, floor: float) -> bool:
    """Return whether squared errors `after` a change are as good as those `before` it."""
    loss_before, loss_after = float(np.mean(before)), float(np.mean(after))
    if loss_after <= floor:
        return True
    if loss_before < NOISY:
        return loss_after <= 2.0 * loss_before
    difference = after - before
    return bool(np.mean(difference) <= 2.0 * float(np.std(difference)) / np.sqrt(len(difference)))
