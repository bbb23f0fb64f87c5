r"""How far the motions of a Lagrangian pass from measured positions, by its constants and by where motions start.

All trajectories, and all neighbours that derivatives are taken from, move at once: one table of states, one step for
all of them, as many steps for a short trajectory as for a long one. Positions between two steps are quintic.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from scikan.core.expr import Expr, Symbol, constants, differentiate, evaluate, with_constants
from scikan.law.record import Law
from scikan.law.simplify import simplify


STEP = 0.025
"""Longest step of integration, in units of the time that a coordinate takes to cross its standard deviation."""

FEWEST_STEPS, MOST_STEPS = 10, 20_000
"""Of a trajectory; the most are those of 80 periods, beyond which steps are longer."""

TRIM = 0.06
"""Share of every trajectory left out at either end, where second derivatives of a smooth curve are poor."""

Rows = Float[np.ndarray, "_ _"]


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

    def acceleration(self, z: Rows, c: Rows) -> Rows:
        """Return a at states z (motions, 2 d) of motions with constants c, (motions, constants)."""
        columns: dict[str, Any] = {name: z[:, n] for n, name in enumerate(self.names)}
        columns |= {f"c{n}": c[:, n] for n in range(c.shape[1])}
        d, v = self.d, z[:, self.d :]
        mass = np.stack([np.stack([evaluate(e, columns) for e in row], axis=1) for row in self.mass], axis=1)
        mixed = np.stack(
            [np.stack([evaluate(e, columns) for e in row], axis=1) for row in self.mixed], axis=1
        )
        force = np.stack([evaluate(e, columns) for e in self.force], axis=1)
        right = force - np.einsum("njk,nk->nj", mixed, v)
        if d == 1:
            return np.asarray(right / mass[:, 0])
        try:
            return np.asarray(np.linalg.solve(mass, right[:, :, None])[:, :, 0])
        except np.linalg.LinAlgError:
            # A singular mass matrix: nothing moves by this law, and a miss that is no number says so.
            return np.full_like(right, np.nan)

    def motions(self, z: Rows, h: Rows, steps: int, c: Rows) -> Float[np.ndarray, "times 3 motions _"]:
        """Return (q, v, a) at the start and after every one of `steps` steps of length h, (motions, 1)."""
        d, path = self.d, []

        def slope(state: Rows) -> Rows:
            return np.concatenate([state[:, d:], self.acceleration(state, c)], axis=1)

        with np.errstate(all="ignore"):
            for _ in range(steps):
                k1 = slope(z)
                path.append(np.stack([z[:, :d], z[:, d:], k1[:, d:]]))
                k2 = slope(z + 0.5 * h * k1)
                k3 = slope(z + 0.5 * h * k2)
                z = z + h / 6 * (k1 + 2 * k2 + 2 * k3 + slope(z + h * k3))
            path.append(np.stack([z[:, :d], z[:, d:], self.acceleration(z, c)]))
        return np.stack(path)


def between(u: np.ndarray) -> Float[np.ndarray, "_ 2 3"]:
    """Return the weights of (q, h v, h^2 a) at both ends of a step of length h for q at the part u of it.

    Quintic Hermite interpolation, exact to the sixth order in h.
    """
    w = 1 - u
    ends = []
    for x, sign in ((u, 1.0), (w, -1.0)):
        y = 1 - x
        ends.append(
            np.stack([y**3 * (1 + 3 * x + 6 * x**2), sign * x * y**3 * (1 + 3 * x), x**2 * y**3 / 2], 1)
        )
    return np.stack(ends, axis=1)


class Passage:
    """How far motions of a law pass from the measured positions, by its constants and the states they start in."""

    def __init__(self, tracks: list[Track], flow: Flow) -> None:
        self.flow, self.n = flow, len(tracks)
        self.q = np.concatenate([track.q for track in tracks])
        self.track = np.repeat(np.arange(self.n), [len(track.t) for track in tracks])
        spans = np.asarray([track.t[-1] - track.t[0] for track in tracks])
        pace = np.median([np.std(t.states[:, 0]) / max(np.std(t.states[:, 1]), 1e-300) for t in tracks])
        self.steps = int(np.clip(np.ceil(spans.max() / (STEP * pace)), FEWEST_STEPS, MOST_STEPS))
        self.h = (spans / self.steps)[:, None]
        place = np.concatenate([(t.t - t.t[0]) / h for t, h in zip(tracks, self.h, strict=True)])
        self.step = np.minimum(place.astype(int), self.steps - 1)
        self.weights = between(place - self.step) * (self.h[self.track] ** np.arange(3))[:, None]

    def misses(
        self, c: Rows, starts: Float[np.ndarray, "cases tracks _"]
    ) -> Float[np.ndarray, "cases points _"]:
        """Return positions of the motions less the measured ones, for every case of constants c and of starts."""
        cases, n = len(c), self.n
        each = np.repeat(c, n, axis=0)
        z = starts.reshape(cases * n, -1)
        path = self.flow.motions(z, np.tile(self.h, (cases, 1)), self.steps, each)
        path = path.reshape(self.steps + 1, 3, cases, n, -1)
        ends = np.stack([path[self.step, :, :, self.track], path[self.step + 1, :, :, self.track]], axis=1)
        return np.asarray(np.einsum("pek,pekcd->cpd", self.weights, ends) - self.q)

    def jacobian(self, c: np.ndarray, starts: Rows) -> Rows:
        """Return derivatives of all misses by the constants and by the starts, by central differences."""
        sizes = np.maximum(np.std(starts, axis=0), 1e-3)
        steps = 1e-5 * np.concatenate([np.maximum(np.abs(c), 1e-3), sizes])
        moves = np.diag(steps)
        moves = np.concatenate([moves, -moves])
        cases = starts + moves[:, None, len(c) :]
        missed = self.misses(c + moves[:, : len(c)], cases)
        ahead, behind = np.split(missed.reshape(len(moves), -1), 2)
        slopes = (ahead - behind) / (2 * steps[:, None])
        by_start = np.zeros((slopes.shape[1], starts.size))
        own = np.repeat(self.track, self.q.shape[1]) * starts.shape[1]
        for k, slope in enumerate(slopes[len(c) :]):
            # A trajectory's own start moves that trajectory alone.
            by_start[np.arange(len(own)), own + k] = slope
        return np.concatenate([slopes[: len(c)].T, by_start], axis=1)
