"""Conserved quantities from trajectories: no field, no derivatives, noise allowed.

Along one trajectory a law is constant, so that it varies between trajectories only: what is sought are combinations
of a family's columns whose deviations within trajectories are no larger than measuring errors make them. The errors are
read off the trajectories themselves, from differences of high order, in which smooth motion cancels.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from threadpoolctl import threadpool_limits

from scikan.core.errors import SettingError, ShapeError
from scikan.core.expr import Expr, constants
from scikan.physics.conserved import ConservedQuantities, checked_states, described_law
from scikan.physics.problem import Problem, Progress
from scikan.physics.search import exact_search
from scikan.physics.writing import gradient_of


FEWEST_STATES = 8
"""States of the shortest trajectory."""

FEWEST_TRAJECTORIES = 4
ORDER = 6
MOST_CONSTANTS = 6
"""Fitted constants of a law, beyond which it is an approximation of something that changes slowly."""

RESTING = 0.2
"""A trajectory comes to rest if its last states are slower than its first ones by this factor."""

FLOOR = 1e-9
"""Errors below this part of a coordinate's spread are taken to be this: integration is no better."""


def conserved_along(
    states: Any,
    trajectory: Any,
    *,
    time: Any = None,
    names: Sequence[str] | None = None,
    angles: Sequence[int] = (),
) -> ConservedQuantities:
    """Return the conserved quantities of trajectories, from their states alone.

    Args:
        states: (N, d), the rows of each trajectory in the order of time.
        trajectory: which trajectory each row belongs to, (N,), any labels.
        time: of each row, (N,); needed only where the steps are not even.
        names: of the coordinates; default z1, z2, ...
        angles: numbers of coordinates that are angles.

    Raises:
        ShapeError, TableError, ColumnError: no finite table of states, or labels or times of another length.
        SettingError: too few trajectories or states. One trajectory alone has one value of every law, and says nothing.
    """
    rows, names = checked_states(states, names)
    labels = np.asarray(trajectory)
    if labels.shape != (len(rows),):
        raise ShapeError(
            f"trajectory has shape {labels.shape} for {len(rows)} states.", fix="give one label for each row."
        )
    _, groups = np.unique(labels, return_inverse=True)
    sizes = np.bincount(groups)
    if len(sizes) < FEWEST_TRAJECTORIES:
        only = "one trajectory" if len(sizes) == 1 else f"{len(sizes)} trajectories"
        raise SettingError(
            f"There is only {only}: whatever is constant along it cannot be told from a law."
            if len(sizes) == 1
            else f"There are only {only}: too few values of a law to know it by.",
            fix="give at least 4 trajectories of different energies; 40 are good.",
        )
    if sizes.min() < FEWEST_STATES:
        raise SettingError(
            f"The shortest trajectory has {sizes.min()} states.",
            fix=f"give at least {FEWEST_STATES} of each.",
        )
    order = (
        np.argsort(groups, kind="stable") if time is None else np.lexsort((_times(time, len(rows)), groups))
    )
    clock = np.arange(len(rows), dtype=float) if time is None else _times(time, len(rows))[order]
    rows, groups = rows[order], groups[order]
    velocities, noise = measured(rows, groups, clock)
    # Trajectories are mixed, so that every third is no pattern of how they were made.
    shuffled = np.random.default_rng(0).permutation(len(sizes))
    problem = Problem(names, rows, velocities, tuple(angles), shuffled[groups], noise)
    with threadpool_limits(limits=1):
        return recorded(exact_search(problem))


def _times(time: Any, n: int) -> Float[np.ndarray, " rows"]:
    clock = np.asarray(time, float)
    if clock.shape != (n,) or not np.all(np.isfinite(clock)):
        raise ShapeError(
            f"time has shape {clock.shape} for {n} states.", fix="give one finite time for each row."
        )
    return clock


def measured(
    states: Float[np.ndarray, "rows coordinates"],
    groups: np.ndarray,
    time: Float[np.ndarray, " rows"],
) -> tuple[Float[np.ndarray, "rows coordinates"], Float[np.ndarray, " coordinates"]]:
    """Return velocities by central differences, and the standard deviation of each coordinate's measuring error.

    The n-th difference of white noise has variance binomial(2n, n) sigma^2; the median over windows keeps out the
    few where the motion itself is abrupt.
    """
    from math import comb

    velocities = np.zeros_like(states)
    squares = []
    for g in range(int(groups.max()) + 1):
        at = np.flatnonzero(groups == g)
        velocities[at] = np.gradient(states[at], time[at], axis=0)
        squares.append(np.diff(states[at], n=min(ORDER, len(at) - 2), axis=0) ** 2)
    order = min(ORDER, int(np.bincount(groups).min()) - 2)
    # The median of a squared normal variable is 0.4549 of its mean.
    noise = np.sqrt(np.median(np.concatenate(squares), axis=0) / 0.4549 / comb(2 * order, order))
    return velocities, np.maximum(noise, FLOOR * states.std(axis=0))


def singular_at_rest(expression: Expr, problem: Problem) -> bool:
    """Return whether a law is not continuous where trajectories come to rest, as log(A) of an A that decays.

    Near rest there are local invariants (flow box theorem), and what tells the trajectories into one state apart is no
    law. With a distance r from rest that falls as the speed does, a gradient that grows as 1/r^p belongs to a
    continuous function only if p < 1; p is read off the later half of most trajectories.
    """
    speed = np.linalg.norm(problem.velocities / problem.spread, axis=1)
    with np.errstate(all="ignore"):
        slope = np.linalg.norm(
            gradient_of(expression, problem.names, problem.states) * problem.spread, axis=1
        )
        early, middle, late = (
            np.asarray([[np.median(speed[at]), np.median(slope[at])] for at in part])
            for part in zip(*map(_three_parts, problem.trajectories), strict=True)
        )
        power = np.log(late[:, 1] / middle[:, 1]) / np.log(middle[:, 0] / late[:, 0])
    comes_to_rest = late[:, 0] < RESTING * early[:, 0]
    return bool(comes_to_rest.mean() > 0.5 and np.nanmedian(power[comes_to_rest]) >= 1.0)


def _three_parts(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the first tenth of a trajectory's rows, a tenth in its middle, and the last."""
    few, half = max(len(rows) // 10, 2), len(rows) // 2
    return rows[:few], rows[half - few // 2 : half + few // 2], rows[-few:]


def recorded(progress: Progress) -> ConservedQuantities:
    """Return what a search along trajectories has found, without laws that are singular at rest or mere fits."""
    problem = progress.problem
    regular = [law for law in progress.laws if not singular_at_rest(law.expression, problem)]
    believed = [law for law in regular if len(constants(law.expression)) <= MOST_CONSTANTS]
    laws = tuple(described_law(law, problem) for law in believed)
    words = "; ".join(dict.fromkeys(e.family for e in progress.entries))
    assert problem.noise is not None
    errors = ", ".join(f"{n} {s:.1g}" for n, s in zip(problem.names, problem.noise, strict=True))
    count = "1 conserved quantity" if len(laws) == 1 else f"{len(laws)} independent conserved quantities"
    if laws:
        sentence = f"{count}, constant along the trajectories within their measuring errors ({errors})."
        return ConservedQuantities(len(laws), laws, progress.entries, words, "laws", sentence)
    if regular:
        terms = min(len(constants(law.expression)) for law in regular)
        sentence = (
            f"No law: a sum with {terms} fitted constants is constant within measuring errors ({errors}), and so many "
            "follow whatever changes slowly."
        )
        return ConservedQuantities(0, (), progress.entries, words, "approximate", sentence)
    sentence = f"None found: nothing in these families is constant within measuring errors ({errors})."
    return ConservedQuantities(0, (), progress.entries, words, "none", sentence)
