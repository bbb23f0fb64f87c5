"""Equations of motion from trajectories: smooth curves give states and rates, the search for laws does the rest.

states, times, trajectories -> smoothing splines (`trajectories.smooth`) -> states and rates away from the ends
-> a law of each rate in all coordinates (`discover`)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from scikan.core.checks import check_matrix
from scikan.core.dataset import Dataset
from scikan.core.errors import ShapeError, TableError
from scikan.core.names import check_names, numbered_names
from scikan.discovery.discover import Config, Discovery, discover
from scikan.law.record import Law
from scikan.physics.trajectories import smooth


MOST_ROWS = 600
FEWEST_POINTS = 12
TRIM = 0.08
"""Share of a trajectory's points left out at either end, where smooth curves are least sure of rates."""


@dataclass(frozen=True, eq=False)
class EquationsOfMotion:
    """What was found: one search for each coordinate.

    Args:
        verdict: the weakest of the searches' verdicts.
        laws: of the rates d<name>, None where no law was found.
        searches: the whole answers, with scores on rows that no search has read.
    """

    verdict: Literal["law", "approximation", "none"]
    laws: tuple[Law | None, ...]
    searches: tuple[Discovery, ...]

    def __str__(self) -> str:
        pairs = zip(self.laws, self.searches, strict=True)
        return "\n".join(f"no law: {s.reason}" if law is None else str(law) for law, s in pairs)


def equations_of_motion(
    states: Any,
    time: Any,
    trajectory: Any = None,
    *,
    names: Sequence[str] | None = None,
    config: Config | None = None,
) -> EquationsOfMotion:
    """Return the right-hand sides of dz/dt = f(z), read off time-stamped trajectories; little noise is allowed.

    Args:
        states: all coordinates, (rows, coordinates).
        time: of each row, (rows,); steps may differ.
        trajectory: which trajectory each row belongs to, (rows,); one if left out.
        names: of the coordinates; default z1, z2, ...
        config: of each search.

    Raises:
        ShapeError: arrays whose lengths differ. TableError: NaN, too few points, or two at one time.
    """
    rows = check_matrix(states, names)
    given = tuple(names) if names is not None else numbered_names("z", rows.shape[1])
    check_names(given)
    clock = np.asarray(time, float)
    labels = np.zeros(len(rows), int) if trajectory is None else np.asarray(trajectory)
    if clock.shape != (len(rows),) or labels.shape != clock.shape:
        raise ShapeError(
            f"{len(rows)} states, times {clock.shape} and trajectories {labels.shape} do not fit.",
            fix="give one time and one label for each row.",
        )
    points, rates = _smoothed(rows, clock, np.unique(labels, return_inverse=True)[1])
    some = np.sort(np.random.default_rng(0).permutation(len(points))[:MOST_ROWS])
    found = tuple(
        discover(
            Dataset.from_arrays(points[some], rates[some, n], names=given, targets=(f"d{name}",)),
            config or Config(seconds=10.0),
        )
        for n, name in enumerate(given)
    )
    verdicts = {f.verdict for f in found}
    weakest = next(v for v in ("none", "approximation", "law") if v in verdicts)
    return EquationsOfMotion(weakest, tuple(f.law for f in found), found)  # type: ignore[arg-type]


def _smoothed(rows: np.ndarray, clock: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return states and rates away from the ends of trajectories."""
    points, rates = [], []
    for n in range(int(labels.max()) + 1):
        at = np.flatnonzero(labels == n)
        at = at[np.argsort(clock[at], kind="stable")]
        if len(at) < FEWEST_POINTS or np.any(np.diff(clock[at]) <= 0):
            raise TableError(
                f"Trajectory {n} has {len(at)} points"
                + ("." if len(at) < FEWEST_POINTS else ", two at one time."),
                fix=f"give {FEWEST_POINTS} points or more of each, at times of their own.",
            )
        smoothed, _ = smooth(clock[at], rows[at])
        cut = max(2, int(TRIM * len(at)))
        points.append(smoothed[cut:-cut, 0])
        rates.append(smoothed[cut:-cut, 1])
    return np.concatenate(points), np.concatenate(rates)
