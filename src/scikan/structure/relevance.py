"""Which of many columns matter: most are left out many at a time, and each is asked once more whether it should return.

A surrogate of fifty columns is poor, and a column that matters little is easily lost in it. Beside the few that are
left in the end its effect is clear, so that every column that went is tried again there.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from scikan.core.samples import evenly
from scikan.structure.answers import Surrogate
from scikan.structure.levels import Level, Step
from scikan.structure.pairing import rough_error
from scikan.structure.surrogate import fit_surrogate


MANY = 8
"""Columns above which they are left out many at a time."""

N_ROWS, N_BACK = 250, 3
NO_WORSE, CLEARLY_BETTER = 1.02, 0.9
"""Ratios of leave-one-out errors: without columns that do not matter, and with one that does."""

FLAT, LUCK = 1e-2, 2.0
"""Share of the steepest column's slope below which a column may go although the error rises, and by how much."""


def relevant(level: Level, pick: Any, surrogate: Surrogate) -> tuple[Level, Surrogate] | None:
    """Return the level of the columns that matter and its surrogate; None if all of them do.

    Args:
        level: the table.
        pick: the rows on which surrogates are fitted.
        surrogate: fitted to them.
    """
    judged = level.rows(pick)
    kept, fitted = _without_the_flat(judged, surrogate)
    kept, fitted = _with_the_lost(judged, kept, fitted)
    if len(kept) == level.columns.shape[1]:
        return None
    n = level.columns.shape[1] - len(kept)
    gone = ", ".join(str(e) for j, e in enumerate(level.expressions) if j not in kept)
    step = Step("irrelevant", f"{gone} do not matter" if n > 1 else f"{gone} does not matter")
    return replace(
        level,
        columns=level.columns[:, kept],
        expressions=tuple(level.expressions[j] for j in kept),
        steps=(*level.steps, step),
    ), fitted


def _fit(level: Level, kept: list[int]) -> Surrogate:
    return fit_surrogate(level.columns[:, kept], level.target, level.weight)


def _steepness(level: Level, kept: list[int], fitted: Surrogate) -> Any:
    """Return the root mean square slope of every column over its spread, `(columns,)`."""
    slopes = fitted.gradients * level.columns[:, kept].std(axis=0) * level.weight[:, None]
    return np.sqrt(np.mean(slopes**2, axis=0))


def _without_the_flat(level: Level, surrogate: Surrogate) -> tuple[list[int], Surrogate]:
    """Leave out the flattest columns, half of them or fewer, as long as the error does not rise."""
    kept, fitted = list(range(level.columns.shape[1])), surrogate
    while len(kept) > 1:
        steepness = _steepness(level, kept, fitted)
        order = np.argsort(steepness)
        for n in dict.fromkeys(max(len(kept) // share, 1) for share in (2, 4, 8, len(kept))):
            fewer = [j for place, j in enumerate(kept) if place not in order[:n]]
            smaller = _fit(level, fewer)
            # An error far below what the columns do is the surrogate's own, and goes up and down by luck.
            is_flat = steepness[order[n - 1]] < FLAT * steepness.max()
            if level.missed_by(smaller) <= (LUCK if is_flat else NO_WORSE) * level.missed_by(fitted):
                kept, fitted = fewer, smaller
                break
        else:
            break
    return kept, fitted


def _with_the_lost(level: Level, kept: list[int], fitted: Surrogate) -> tuple[list[int], Surrogate]:
    """Take back columns that make the error clearly smaller beside those that are left."""
    some = level.rows(evenly(len(level.target), N_ROWS))
    lost = [j for j in range(level.columns.shape[1]) if j not in kept]
    searching = True
    while lost and searching:
        searching = False
        rough = [rough_error(some.columns[:, [*kept, j]], some.target, some.weight) for j in lost]
        for place in np.argsort(rough)[:N_BACK]:
            more = sorted([*kept, lost[place]])
            larger = _fit(level, more)
            steepness = _steepness(level, more, larger)
            matters = steepness[more.index(lost[place])] > FLAT * steepness.max()
            if matters and level.missed_by(larger) < CLEARLY_BETTER * level.missed_by(fitted):
                kept, fitted, searching = more, larger, True
                lost.pop(int(place))
                break
    return kept, fitted
