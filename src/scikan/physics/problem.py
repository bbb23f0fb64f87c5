"""What a search for laws is given, what it knows, and when a vector counts as a law."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from scikan.core.expr import Expr, Symbol, symbols
from scikan.physics.auxiliaries import LINEAR, MEASURED, curves_of, differences, distances, positions
from scikan.physics.families import Elementary, lay_atoms
from scikan.physics.solving import POLISHED, States
from scikan.physics.writing import gradient_of, values_of


Rows = Float[np.ndarray, "rows coordinates"]


NEAREST, FASTEST, FARTHEST = 0.35, 3.0, 6.0
"""Measured rows count down to this share of the median distance, up to this multiple of the median speed, and of the
median distance of a coordinate from its middle: what one or two far trajectories do is no evidence of a law."""


ERRORS, MOST_CLEAR = 5.0, 0.5
"""A quantity is positive if it is above minus so many of its errors; it is read above as many, if that leaves more than
this share of the rows."""


@dataclass(frozen=True)
class Criterion:
    """When a vector is a law.

    Args:
        null: held-out residual of a vector that may be one.
        gap: how much more the first vector that is none must change.
        holds: held-out residual of a law on its own terms.
        fair: residual below which laws are equally good, and the shorter is taken.
        new: what of a unit gradient must lie outside the known laws' span.
    """

    null: float
    gap: float
    holds: float
    fair: float
    new: float


EXACTLY = Criterion(null=1e-8, gap=30.0, holds=POLISHED, fair=POLISHED, new=1e-5)
WITHIN_NOISE = Criterion(null=2.0, gap=1.0, holds=1.35, fair=1.1, new=0.1)


@dataclass(frozen=True, eq=False)
class Problem:
    """A field on samples.

    Args:
        names: the coordinates.
        states: (rows, coordinates).
        velocities: the field there.
        angles: coordinates that are angles: functions of them must be periodic.
        groups: the trajectory of each row, 0, 1, ..., where laws are read from trajectories and not from the field.
        noise: standard deviation of the measuring error of each coordinate, then.
    """

    names: tuple[str, ...]
    states: Rows
    velocities: Rows
    angles: tuple[int, ...] = ()
    groups: np.ndarray | None = None
    noise: Float[np.ndarray, " coordinates"] | None = None

    @property
    def trajectories(self) -> list[np.ndarray]:
        """The rows of each trajectory; none where laws are read from the field."""
        if self.groups is None:
            return []
        return [np.flatnonzero(self.groups == g) for g in range(int(self.groups.max()) + 1)]

    @property
    def criterion(self) -> "Criterion":
        """What counts as exact: rounding, or what measuring errors explain."""
        return EXACTLY if self.noise is None else WITHIN_NOISE

    @property
    def unit_field(self) -> Rows:
        """The field in coordinates of unit spread, made a unit vector, back in the coordinates' units."""
        speed = np.linalg.norm(self.velocities / self.spread, axis=1, keepdims=True)
        return self.velocities / np.where(speed > 0, speed, 1.0)

    @property
    def spread(self) -> Float[np.ndarray, " coordinates"]:
        """Standard deviation of each coordinate; 1 for one that is constant."""
        spread = self.states.std(axis=0)
        return np.where(spread > 1e-12 * np.abs(self.states).max(axis=0), spread, 1.0)

    def laid(self, auxiliaries: Sequence[Expr] = ()) -> States:
        """Return the rows with atoms: the coordinates, then auxiliary inputs."""
        exprs = [*(Symbol(name) for name in self.names), *auxiliaries]
        atoms = lay_atoms(exprs, self.names, self.states, self.unit_field)
        every = np.arange(len(self.states))
        if self.groups is None or self.noise is None:
            return States(atoms, self.spread, every)
        # Near a singular state errors are blown up without bound: such rows would outweigh all others.
        gaps = atoms.values[:, len(self.names) :]
        positive = gaps[:, (gaps > 0).all(axis=0)]
        near = positive.min(axis=1) if positive.shape[1] else np.ones(len(every))
        speed = np.linalg.norm(self.velocities / self.spread, axis=1)
        away = np.abs(self.states - np.median(self.states, axis=0))
        far = np.max(away / np.maximum(np.median(away, axis=0), 1e-300), axis=1)
        # Where motion dies down most rows are slow, and the fast ones are the evidence: most rows always count.
        fast = max(FASTEST * np.median(speed), np.quantile(speed, 0.85))
        outer = max(FARTHEST, np.quantile(far, 0.85))
        calm = (near >= NEAREST * np.median(near)) & (speed <= fast) & (far <= outer) & self._clear_of_zero
        keep = np.flatnonzero(calm)
        return States(atoms.rows(keep), self.spread, every[keep], self.groups[keep], self.noise)

    @property
    def _clear_of_zero(self) -> np.ndarray:
        """Which rows may be read: a quantity that is positive but for its errors has no logarithm near zero."""
        assert self.noise is not None
        positive = (self.states.min(axis=0) > -ERRORS * self.noise) & (
            self.states.min(axis=0) < ERRORS * self.noise
        )
        clear = np.all((self.states > ERRORS * self.noise) | ~positive, axis=1)
        return clear if clear.mean() > MOST_CLEAR else np.ones(len(clear), bool)

    @property
    def positions(self) -> tuple[int, ...]:
        """The coordinates whose velocities are linear in others; measured velocities are so within errors."""
        return positions(self.states, self.velocities, LINEAR if self.noise is None else MEASURED)

    @property
    def auxiliary_sets(self) -> list[tuple[str, tuple[Expr, ...]]]:
        """The sets of auxiliary inputs that are offered: differences, then distances in each grouping."""
        where = self.positions
        others = tuple(i for i in range(len(self.names)) if i not in where)
        sets = [("differences", differences(self.names, where))]
        where, others = (tuple(i for i in part if i not in self.angles) for part in (where, others))
        sets += [("distances", group) for group in distances(self.names, where)]
        sets += [("lengths", group) for group in distances(self.names, others)]
        return [(words, group) for words, group in sets if group]

    def is_angle(self, expr: Expr) -> bool:
        """Return whether an atom is made of angles, so that functions of it must be periodic."""
        angles = {self.names[i] for i in self.angles}
        return not angles.isdisjoint(symbols(expr))

    @property
    def plain(self) -> tuple[int, ...]:
        """The coordinates that are no angles."""
        return tuple(i for i in range(len(self.names)) if i not in self.angles)


@dataclass(frozen=True)
class Entry:
    """One line of evidence: a family, its grid (0: none), the smallest residuals, and how many laws it holds."""

    family: str
    grid: int
    residuals: tuple[float, ...]
    laws: int


@dataclass(frozen=True, eq=False)
class FoundLaw:
    """A law as a formula: where it came from, and its residual."""

    expression: Expr
    family: str
    residual: float


@dataclass(frozen=True, eq=False)
class Progress:
    """What is known: the laws, their gradients, (rows, laws, coordinates), and the evidence."""

    problem: Problem
    laws: tuple[FoundLaw, ...]
    slopes: Float[np.ndarray, "rows laws coordinates"]
    entries: tuple[Entry, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether as many laws are known as can be: one less than coordinates."""
        return len(self.laws) >= len(self.problem.names) - 1

    @property
    def unheld(self) -> tuple[str, ...]:
        """The coordinates that no law holds."""
        held = {name for law in self.laws for name in symbols(law.expression)}
        return tuple(name for name in self.problem.names if name not in held)

    def curves(self, states: States, chosen: Sequence[int]) -> list[tuple[int, Elementary]]:
        """Return elementary functions of each chosen atom; any function of a law is one, so laws get none."""
        d = len(self.problem.names)
        known = {law.expression for law in self.laws}
        values, exprs = states.atoms.values, states.atoms.exprs
        return [
            (a, curves_of(values[:, a], a < d, self.problem.is_angle(exprs[a]), states.error(a)))
            for a in chosen
            if exprs[a] not in known
        ]


def start(problem: Problem) -> Progress:
    """Return a search that knows nothing."""
    n, d = problem.states.shape
    return Progress(problem, (), np.zeros((n, 0, d)))


def unit_residual(expr: Expr, problem: Problem) -> float:
    """Return rms(f . grad H / |f| |grad H|) over all samples where neither vanishes; the share of a law's standard
    deviation that lies within trajectories, where laws are read from these.
    """
    if problem.groups is not None:
        values = values_of(expr, problem.names, problem.states)[:, None]
        states = problem.laid()
        calm = values[states.every]
        return float(np.std(states.within(calm)) / np.std(calm))
    slope = gradient_of(expr, problem.names, problem.states) * problem.spread
    field = problem.unit_field / problem.spread
    size = np.linalg.norm(slope, axis=1)
    usable = size > 1e-6 * np.median(size)
    change = np.einsum("ni,ni->n", slope, field)[usable] / size[usable]
    return float(np.sqrt(np.mean(change**2))) if usable.any() else 1.0
