"""Does the same law come out of other rows? Bootstrap of the front, and what the searches of the folds found.

Rows are drawn again with replacement (whole groups, where rows belong to groups), the constants of the law and of its
rivals refitted, and all ranked by description length (Efron, Ann. Stat. 7, 1, 1979, for the form beside the constants).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from scikan.core.dataset import Dataset
from scikan.core.expr import Constant, Expr, constants, with_constants
from scikan.core.samples import evenly
from scikan.discovery.column_errors import blurred_by_law
from scikan.discovery.proposals import Proposal
from scikan.discovery.search import weights_of
from scikan.law.description import description_length
from scikan.law.input_errors import InputErrors, refit_with_errors
from scikan.law.refitting import Readout, target_variance


N_RESAMPLES, MOST_COMPARED, MOST_ROWS = 40, 5, 1000
LM_STEPS = 10
LOW, HIGH = 0.1, 0.9
"""Ends of the bands, as those of the columns' scores."""


@dataclass(frozen=True)
class Band:
    """A constant as it was fitted, and the range in which resampled rows put it (10 % to 90 %)."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Agreement:
    """How often a formula came out again.

    Args:
        resamples: how often rows were drawn again; 0 if the law fits to rounding, which needs no such test.
        preferred: in how many of them it had the fewest bits of the front.
        constants: a band for each constant of the fitted form, from left to right.
        searches: how many searches saw different rows.
        same_form: how many of them found this form as their best, whatever its constants.
    """

    resamples: int
    preferred: int
    constants: tuple[Band, ...]
    searches: int
    same_form: int


def form_of(expr: Expr) -> Expr:
    """Return a formula with all its fitted numbers alike."""
    return with_constants(expr, [Constant(1.0) for _ in constants(expr)])


def agreements(
    data: Dataset, front: Sequence[Proposal], readout: Readout, bests: Sequence[Proposal], key: int = 0
) -> tuple[Agreement | None, ...]:
    """Return how often each formula of a front came out again; None for those that are not among the first few.

    Args:
        data: all rows.
        front: the law first, then its rivals.
        readout: whether errors are additive or relative.
        bests: the best formula of every search.
        key: seed of the resampling.
    """
    same = [sum(form_of(best.fitted) == form_of(p.fitted) for best in bests) for p in front]
    if front[0].is_exact or front[0].is_mean:
        return tuple(Agreement(0, 0, (), len(bests), n) for n in same)
    table, errors = blurred_by_law(data.rows(evenly(data.n_rows, MOST_ROWS)), front[0].fitted)
    rivals = front[:MOST_COMPARED]
    draws = _draws(table, np.random.default_rng(key))
    again = [_ranked(table, drawn, rivals, readout, errors) for drawn in draws]
    first = [winner for winner, _ in again]
    found = [
        Agreement(
            N_RESAMPLES,
            first.count(place),
            _bands(rival, [c[place] for _, c in again]),
            len(bests),
            same[place],
        )
        for place, rival in enumerate(rivals)
    ]
    return (*found, *[None] * (len(front) - len(rivals)))


def _bands(rival: Proposal, values: Sequence[tuple[float, ...]]) -> tuple[Band, ...]:
    ends = np.quantile(np.asarray(values), (LOW, HIGH), axis=0)
    return tuple(
        Band(c.value, float(low), float(high))
        for c, low, high in zip(constants(rival.fitted), *ends, strict=True)
    )


def _draws(table: Dataset, rng: np.random.Generator) -> Float[np.ndarray, "resamples rows"]:
    """Return how often each row is drawn in each resample; rows of one group come together."""
    unit = (
        np.arange(table.n_rows) if table.groups is None else np.unique(table.groups, return_inverse=True)[1]
    )
    n = int(unit.max()) + 1
    return rng.multinomial(n, np.full(n, 1.0 / n), N_RESAMPLES)[:, unit].astype(float)


def _ranked(
    table: Dataset,
    drawn: np.ndarray,
    rivals: Sequence[Proposal],
    readout: Readout,
    errors: InputErrors | None,
) -> tuple[int, list[tuple[float, ...]]]:
    """Return which formula has the fewest bits on rows drawn again, and the constants of all."""
    kept = np.flatnonzero(drawn)
    columns = {name: table.x[kept, j] for j, name in enumerate(table.names)}
    y, own = table.y[kept, 0], weights_of(table)
    weight = drawn[kept] * (1.0 if own is None else own[kept])
    variance = target_variance(y, weight, readout)
    near = None if errors is None else errors.weighted(kept, drawn[kept])
    fits = [
        refit_with_errors(p.fitted, columns, y, weight, readout, near, LM_STEPS, robust=False) for p in rivals
    ]
    bits = [description_length(f.expr, f.mean_square, variance, table.n_rows, len(columns)) for f in fits]
    return int(np.argmin(bits)), [tuple(c.value for c in constants(f.expr)) for f in fits]
