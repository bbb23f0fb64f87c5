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
from jaxtyping import Float
from threadpoolctl import threadpool_limits

from scikan.core.errors import ShapeError, TableError
from scikan.core.expr import Constant, Expr, Symbol, constants, differentiate, evaluate, with_constants
from scikan.law.record import Law
from scikan.law.simplify import simplify
from scikan.physics.lagrangian import Lagrangian, Verdict, lagrangian
from scikan.train.linear import spline_columns


DEGREE = 5
TRIM = 0.06
"""Share of every trajectory left out at either end, where second derivatives of a smooth curve are poor."""

WORSE = 1.15
"""Motions of the law may miss the positions by this much more than free curves do."""

Rows = Float[np.ndarray, "_ _"]


@dataclass(frozen=True, eq=False)
class LagrangianAlong:
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


@dataclass(frozen=True, eq=False)
class Track:
    """One trajectory: times (points,), positions (points, coordinates), and the smooth states there."""

    t: Float[np.ndarray, " points"]
    q: Rows
    states: Float[np.ndarray, "points 3 coordinates"]
    free: float

    @property
    def inner(self) -> slice:
        """The points away from the ends."""
        cut = max(2, int(TRIM * len(self.t)))
        return slice(cut, len(self.t) - cut)


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
        law, misfit = _refitted(tracks, first.candidate)
    verdict, reason = _verdict(first, noise, misfit)
    return LagrangianAlong(verdict, reason, None if verdict == "none" else law, noise, misfit, first)


def _verdict(first: Lagrangian, noise: float, misfit: float) -> tuple[Verdict, str]:
    floor = 1e-6
    if misfit <= max(WORSE * noise, floor):
        return (
            "law",
            f"motions of the law miss the positions by {misfit:.2g}, free smooth curves by {noise:.2g}.",
        )
    if misfit <= 4 * max(noise, floor):
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


class Flow:
    """Motions of a Lagrangian: accelerations from its formula, by constants, and their integration (Runge-Kutta 4)."""

    def __init__(self, law: Law) -> None:
        self.d = len(law.names) // 2
        self.names = law.names
        found = constants(law.expression)
        self.start = np.asarray([c.value for c in found])
        tree = with_constants(law.expression, [Symbol(f"c{n}") for n in range(len(found))])
        q, v = law.names[: self.d], law.names[self.d :]
        self.mass = [[self._derived(tree, a, b) for b in v] for a in v]
        self.mixed = [[self._derived(tree, a, b) for b in q] for a in v]
        self.force = [simplify(differentiate(tree, a)) for a in q]

    @staticmethod
    def _derived(tree: Expr, first: str, second: str) -> Expr:
        return simplify(differentiate(differentiate(tree, first), second))

    def acceleration(self, z: np.ndarray, c: np.ndarray) -> np.ndarray:
        """Return a at states z (trajectories, 2 d) with constants c."""
        columns: dict[str, Any] = {name: z[:, n] for n, name in enumerate(self.names)}
        columns |= {f"c{n}": np.full(len(z), value) for n, value in enumerate(c)}
        d, v = self.d, z[:, self.d :]
        mass = np.stack([np.stack([evaluate(e, columns) for e in row], axis=1) for row in self.mass], axis=1)
        mixed = np.stack(
            [np.stack([evaluate(e, columns) for e in row], axis=1) for row in self.mixed], axis=1
        )
        force = np.stack([evaluate(e, columns) for e in self.force], axis=1)
        right = force - np.einsum("njk,nk->nj", mixed, v)
        return np.asarray(right / mass[:, 0] if d == 1 else np.linalg.solve(mass, right[:, :, None])[:, :, 0])

    def motions(self, z: np.ndarray, steps: np.ndarray, halves: int, c: np.ndarray) -> np.ndarray:
        """Return positions after every step, (steps + 1, trajectories, d); steps (steps, trajectories) are times."""
        d, path = self.d, [z[:, : self.d]]

        def slope(state: np.ndarray) -> np.ndarray:
            return np.concatenate([state[:, d:], self.acceleration(state, c)], axis=1)

        with np.errstate(all="ignore"):
            for whole in steps:
                h = whole[:, None] / halves
                for _ in range(halves):
                    k1 = slope(z)
                    k2 = slope(z + 0.5 * h * k1)
                    k3 = slope(z + 0.5 * h * k2)
                    z = z + h / 6 * (k1 + 2 * k2 + 2 * k3 + slope(z + h * k3))
                path.append(z[:, :d])
        return np.stack(path)


def _refitted(tracks: list[Track], law: Law) -> tuple[Law, float]:
    """Return the law with constants that make its motions pass nearest to all positions, and the rms miss."""
    flow, d, n = Flow(law), len(law.names) // 2, len(tracks)
    longest = max(len(track.t) for track in tracks)
    steps, wanted, known = np.zeros((longest - 1, n)), np.zeros((longest, n, d)), np.zeros((longest, n, 1))
    for k, track in enumerate(tracks):
        steps[: len(track.t) - 1, k] = np.diff(track.t)
        wanted[: len(track.t), k], known[: len(track.t), k] = track.q, 1.0
    starts = np.stack([track.states[0, :2].ravel() for track in tracks])
    pace = float(np.median([np.std(t.states[:, 0]) / max(np.std(t.states[:, 1]), 1e-300) for t in tracks]))
    halves = int(np.clip(np.ceil(steps.max() / (0.05 * pace)), 1, 20))

    def misses(c: np.ndarray, z: np.ndarray) -> np.ndarray:
        return np.asarray((flow.motions(z, steps, halves, c) - wanted) * known)

    c, left = flow.start, misses(flow.start, starts)
    cost, damping, normal = float(np.nansum(left**2)), 1e-3, np.eye(len(flow.start))
    cost = cost if np.isfinite(left).all() else np.inf
    for _ in range(25):
        if not np.isfinite(cost):
            break
        jacobian = _jacobian(misses, c, starts, left)
        normal, gradient = jacobian.T @ jacobian, jacobian.T @ left.ravel()
        move = np.linalg.lstsq(normal + damping * np.diag(np.diag(normal)), gradient, rcond=1e-14)[0]
        trial_c, trial_z = c - move[: len(c)], starts - move[len(c) :].reshape(starts.shape)
        after = misses(trial_c, trial_z)
        lower = float(np.sum(after**2)) if np.isfinite(after).all() else np.inf
        if lower < cost:
            gain, c, starts, left, cost, damping = cost - lower, trial_c, trial_z, after, lower, damping / 10
            if gain < 1e-8 * cost:
                break
        else:
            damping *= 10
            if damping > 1e4:
                break
    count = float(known.sum()) * d - len(c) - starts.size
    variance = cost / max(count, 1.0)
    covariance = variance * np.linalg.pinv(normal, rcond=1e-14, hermitian=True)
    errors = np.sqrt(np.maximum(np.diag(covariance)[: len(c)], 0.0))
    fitted = [Constant(float(v), float(e)) for v, e in zip(c, errors, strict=True)]
    return (
        Law((with_constants(law.expression, fitted),), law.targets, law.names, domain=law.domain),
        float(np.sqrt(variance)),
    )


def _jacobian(misses: Any, c: np.ndarray, starts: np.ndarray, left: np.ndarray) -> np.ndarray:
    """Return derivatives of all misses by constants and initial states, by central differences."""
    columns = []
    for k in range(len(c)):
        h = 1e-5 * max(abs(c[k]), 1e-3)
        move = np.zeros_like(c)
        move[k] = h
        columns.append(((misses(c + move, starts) - misses(c - move, starts)) / (2 * h)).ravel())
    n = len(starts)
    by_state = np.zeros((left.size, starts.size))
    places = np.broadcast_to(np.arange(n)[None, :, None], left.shape).ravel()
    for k in range(starts.shape[1]):
        h = 1e-5 * max(float(np.std(starts[:, k])), 1e-3)
        move = np.zeros_like(starts)
        move[:, k] = h
        slope = ((misses(c, starts + move) - misses(c, starts - move)) / (2 * h)).ravel()
        # A trajectory's own start moves that trajectory alone.
        by_state[np.arange(left.size), places * starts.shape[1] + k] = slope
    return np.concatenate([np.asarray(columns).reshape(len(c), left.size).T, by_state], axis=1)
