r"""A Lagrangian from time-stamped positions alone.

    positions -> smooth curves, one per trajectory -> states and accelerations -> the Lagrangian's form (`lagrangian`)
    -> its constants once more, by motions that start freely and must pass through the positions

Differences of noisy positions bias every fit to accelerations; the last step compares positions with positions, so
constants and their standard errors are those of least squares, and the verdict compares what is left with the
noise that the smooth curves leave.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from scikan.core.errors import ShapeError, TableError
from scikan.core.expr import Constant, with_constants
from scikan.law.record import Law
from scikan.physics.finding import LawFinding
from scikan.physics.lagrangian import Lagrangian, Verdict, energy_of, lagrangian
from scikan.physics.passage import Flow, Passage, Track
from scikan.train.linear import spline_columns


DEGREE = 5
MOST_STEPS, PATIENCE, STIFFEST = 25, 4, 1e4
FAR, FLOOR = 4.0, 1e-6
"""Motions of an approximation may miss the positions by this many times the noise; misses that are always allowed."""

WORSE = 1.15
"""Motions of the law may miss the positions by this much more than free curves do."""


@dataclass(frozen=True, eq=False, repr=False)
class LagrangianAlong(LawFinding):
    """A Lagrangian found from positions.

    Args:
        verdict, reason: as in `Lagrangian`, judged by the motions that the law predicts.
        law: L; constants carry standard errors.
        noise: rms of the positions about smooth curves, in the coordinates' unit.
        misfit: rms of the positions about motions of the law.
        first: the search on smoothed states, before constants were refitted on positions.
    """

    verdict: Verdict
    reason: str
    law: Law | None
    noise: float
    misfit: float
    first: Lagrangian

    @property
    def energy(self) -> Law | None:
        """The energy that follows from the law, its constants with their standard errors."""
        return None if self.law is None else energy_of(self.law)


def lagrangian_along(
    q: Any,
    time: Any,
    trajectory: Any = None,
    *,
    names: Sequence[str] | None = None,
    velocity_names: Sequence[str] | None = None,
    angles: Sequence[str | int] = (),
) -> LagrangianAlong:
    """Return the Lagrangian of motions known by time-stamped positions; noise is allowed.

    Args:
        q: positions, (rows, coordinates) or (rows,).
        time: time stamps, (rows,); steps may differ.
        trajectory: which trajectory each row belongs to, (rows,); several energies are needed.
        names, velocity_names, angles: as in `lagrangian`.

    Raises:
        ShapeError: arrays of different lengths, or no time stamps.
        TableError: fewer than two trajectories, fewer than 12 points in one, a repeated time, NaN.
    """
    tracks = _tracks(q, time, trajectory)
    with threadpool_limits(limits=1):
        states = np.concatenate([track.states[track.inner] for track in tracks])
        first = lagrangian(
            states[:, 0],
            states[:, 1],
            states[:, 2],
            names=names,
            velocity_names=velocity_names,
            angles=angles,
            snap=False,
        )
        points = sum(track.q.size for track in tracks)
        left = sum(float(np.sum((track.q - track.states[:, 0]) ** 2)) for track in tracks)
        noise = float(np.sqrt(left / max(points - sum(t.free * t.q.shape[1] for t in tracks), 1.0)))
        if first.candidate is None:
            return LagrangianAlong("none", first.reason, None, noise, float("nan"), first)
        law, misfit = _refitted(tracks, first.candidate, noise)
    verdict, reason = _verdict(first, noise, misfit)
    return LagrangianAlong(verdict, reason, None if verdict == "none" else law, noise, misfit, first)


def _verdict(first: Lagrangian, noise: float, misfit: float) -> tuple[Verdict, str]:
    if misfit <= max(WORSE * noise, FLOOR):
        return (
            "law",
            f"motions of the law miss the positions by {misfit:.2g}, free smooth curves by {noise:.2g}.",
        )
    if misfit <= FAR * max(noise, FLOOR):
        return (
            "approximation",
            f"motions of the law miss the positions by {misfit:.2g}, smooth curves by {noise:.2g}.",
        )
    return (
        "none",
        f"no Lagrangian found moves along the positions: {misfit:.2g} against noise of {noise:.2g}; {first.reason}",
    )


def _tracks(q: Any, time: Any, trajectory: Any) -> list[Track]:
    positions = np.asarray(q, float)
    positions = positions[:, None] if positions.ndim == 1 else positions
    if time is None:
        raise ShapeError(
            "There are no time stamps, and velocities cannot be had without them.",
            fix="give time=, one value per row, or use `lagrangian(q, v, a)` with measured states.",
        )
    t = np.asarray(time, float)
    label = (
        np.zeros(len(positions), int) if trajectory is None else np.unique(trajectory, return_inverse=True)[1]
    )
    if positions.ndim != 2 or t.shape != (len(positions),) or np.shape(label) != t.shape:
        raise ShapeError(
            f"Positions {positions.shape}, times {t.shape} and trajectories {np.shape(label)} do not fit.",
            fix="give positions (rows, coordinates), and one time and one trajectory per row.",
        )
    if not (np.isfinite(positions).all() and np.isfinite(t).all()):
        raise TableError("Positions or times hold NaN or infinity.", fix="drop these rows.")
    if label.max() < 1:
        raise TableError(
            "There is a single trajectory, so its energy cannot be told from a constant.",
            fix="give several trajectories of different energies, with their numbers in `trajectory`.",
        )
    return [_track(t[label == n], positions[label == n], n) for n in range(int(label.max()) + 1)]


def _track(t: np.ndarray, q: np.ndarray, number: int) -> Track:
    order = np.argsort(t)
    t, q = t[order], q[order]
    if len(t) < 12 or np.any(np.diff(t) <= 0):
        raise TableError(
            f"Trajectory {number} has {len(t)} points" + (", two at one time." if len(t) >= 12 else "."),
            fix="give 12 points or more per trajectory, each at a time of its own.",
        )
    states, free = smooth(t, q)
    return Track(t, q, states, free)


def smooth(t: np.ndarray, q: np.ndarray) -> tuple[np.ndarray, float]:
    """Return (q, v, a) of smooth curves through a trajectory, (points, 3, coordinates), and the freedoms they take.

    A quintic spline with a knot every second point, held by its third derivative; how stiffly is chosen by
    generalised cross-validation (Craven and Wahba 1979).
    """
    grid = max(6, len(t) // 2)
    low, step = t[0], (t[-1] - t[0]) / grid
    knots = low + step * np.arange(-DEGREE, grid + DEGREE + 1)
    columns = [spline_columns(t, knots, DEGREE, n) for n in range(3)]
    columns[2][[0, -1]] = columns[2][[1, -2]]
    bend = np.diff(np.eye(grid + DEGREE), n=3, axis=0)
    normal, stiff, right = columns[0].T @ columns[0], bend.T @ bend, columns[0].T @ q
    best = (np.inf, right, 0.0)
    for level in 10.0 ** np.arange(-9.0, 5.0, 0.5):
        inverse = np.linalg.inv(normal + (level + 1e-12) * stiff)
        coef, free = inverse @ right, float(np.trace(inverse @ normal))
        left = float(np.sum((q - columns[0] @ coef) ** 2)) / q.size
        score = left / max(1.0 - free / len(t), 1e-9) ** 2
        if score < best[0]:
            best = (score, coef, free)
    return np.stack([c @ best[1] for c in columns], axis=1), best[2]


def _refitted(tracks: list[Track], law: Law, noise: float) -> tuple[Law, float]:
    """Return the law with constants that make its motions pass nearest to all positions, and the rms miss.

    A law whose motions stay far from the positions, whatever steps like the last would bring, is not followed further.
    """
    flow = Flow(law)
    passage = Passage(tracks, flow)
    c, starts = flow.start, np.stack([track.states[0, :2].ravel() for track in tracks])
    left = passage.misses(c[None], starts[None])[0]
    freedom = max(left.size - len(c) - starts.size, 1)
    useful = freedom * (FAR * max(noise, FLOOR)) ** 2
    cost = float(np.sum(left**2)) if np.isfinite(left).all() else np.inf
    damping, normal = 1e-3, np.eye(len(c) + starts.size)
    for step in range(MOST_STEPS):
        if not np.isfinite(cost):
            break
        jacobian = passage.jacobian(c, starts)
        normal, gradient = jacobian.T @ jacobian, jacobian.T @ left.ravel()
        gain = 0.0
        while damping <= STIFFEST and not gain > 0:
            move = np.linalg.lstsq(normal + damping * np.diag(np.diag(normal)), gradient, rcond=1e-14)[0]
            trial_c, trial_z = c - move[: len(c)], starts - move[len(c) :].reshape(starts.shape)
            after = passage.misses(trial_c[None], trial_z[None])[0]
            gain = cost - float(np.sum(after**2)) if np.isfinite(after).all() else 0.0
            damping *= 0.1 if gain > 0 else 10.0
        if gain > 0:
            c, starts, left, cost = trial_c, trial_z, after, cost - gain
        is_far = step >= PATIENCE and cost - gain * (MOST_STEPS - step) > useful
        if gain < 1e-8 * cost or is_far:
            break
    variance = cost / freedom
    covariance = variance * np.linalg.pinv(normal, rcond=1e-14, hermitian=True)
    errors = np.sqrt(np.maximum(np.diag(covariance)[: len(c)], 0.0))
    fitted = [Constant(float(v), float(e)) for v, e in zip(c, errors, strict=True)]
    return (
        Law((with_constants(law.expression, fitted),), law.targets, law.names, domain=law.domain),
        float(np.sqrt(variance)),
    )
