r"""One-variable functions that energies are made of, with their inner constants, and curves written as sums of them.

A curve $f(z)$ from a spline is known up to a gauge (constants; for kinetic terms straight lines too), so forms are
compared after the gauge is projected out. `shapes_of_curve` screens single forms, pairs and polynomials in closed
form over a grid of inner constants, then moves these by least squares.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from scikan.core.expr import Expr, differentiate, evaluate
from scikan.core.parser import parse
from scikan.train.damped import Damping, levenberg_marquardt


Vector = Float[np.ndarray, " _"]
Domain = Literal["any", "positive", "nonzero"]

MOST_REFINED = 30
TWICE = ("u**t0", "exp(t0*u)", "cos(t0*u)")
MOST_SHAPES = 12
MOST_MOVES = 25
MOVING = Damping(start=1e-3, down=10.0, gain=1e-6, patience=2)
DECADES_PER_STEP = 0.35
"""Decades of misfit that one step of complexity must pay for when curves are named."""


@dataclass(frozen=True)
class Family:
    """A form g(u; t0, t1) with the places where its inner constants may start.

    Args:
        text: the form, in `u` and `t0`, `t1`.
        complexity: 1 for the straight line; larger is less simple.
        starts: inner constants, multiples of 1/max|u| if `relative`, else as they are.
        domain: where u must lie.
    """

    text: str
    complexity: float
    starts: tuple[tuple[float, ...], ...] = ((),)
    relative: bool = True
    domain: Domain = "any"

    @property
    def n_inner(self) -> int:
        """How many inner constants there are."""
        return len(self.starts[0])

    def expr(self, order: int = 0, by: str = "") -> Expr:
        """Return the form, a derivative of it by u, and that derivative's derivative by an inner constant."""
        return _derivative(self.text, order, by)

    def value(self, u: Any, inner: Sequence[Any], order: int = 0, by: str = "") -> Any:
        """Return the form (or derivatives, as in `expr`) at u; NaN outside its domain."""
        tree = self.expr(order, by)
        columns = {"u": np.asarray(u, float)} | {f"t{n}": np.asarray(t, float) for n, t in enumerate(inner)}
        return np.broadcast_to(evaluate(tree, columns), np.broadcast_shapes(*map(np.shape, columns.values())))

    def may_take(self, u: Vector) -> bool:
        """Whether all of u lies in the domain."""
        low, high = float(u.min()), float(u.max())
        margin = 1e-6 * max(abs(low), abs(high))
        if self.domain == "positive":
            return low > margin
        return self.domain == "any" or low > margin or high < -margin


@lru_cache(maxsize=512)
def _derivative(text: str, order: int, by: str) -> Expr:
    from scikan.law.simplify import simplify

    tree = parse(text, names=["u", "t0", "t1"])
    for _ in range(order):
        tree = simplify(differentiate(tree, "u"), trials=False)
    return simplify(differentiate(tree, by), trials=False) if by else tree


_RATES = tuple((s * r,) for r in (0.3, 0.7, 1.0, 1.5, 2.5, 4.0, 7.0) for s in (1.0, -1.0))
_SPEEDS = tuple((r,) for r in (0.5, 0.8, 1.2, 1.7, 2.5, 3.5, 5.0, 7.0, 9.5, 12.5))
_WAVES = tuple((r[0], b) for r in _SPEEDS for b in (0.0, 0.8, 1.6, 2.4))
_INSIDE = tuple((t,) for t in (-0.999, -0.98, -0.9, -0.7, -0.4, -0.15, 0.15, 0.5, 1.0, 2.0, 5.0, 20.0))
_EXPONENTS = tuple((p,) for p in (-3.5, -2.5, -1.5, -0.7, 0.7, 1.3, 2.5, 3.5, 5.5, 8.0))

FAMILIES = (
    Family("1", 0.5),
    Family("u", 1.0),
    Family("u**2", 1.5),
    Family("u**3", 2.0),
    Family("u**4", 2.0),
    Family("u**5", 2.5),
    Family("u**6", 2.5),
    Family("1/u", 2.0, domain="nonzero"),
    Family("1/u**2", 2.0, domain="nonzero"),
    Family("1/u**3", 2.5, domain="nonzero"),
    Family("sqrt(u)", 2.0, domain="positive"),
    Family("1/sqrt(u)", 2.5, domain="positive"),
    Family("log(u)", 2.0, domain="positive"),
    Family("log(u)**2", 2.5, domain="positive"),
    Family("u*log(u)", 3.0, domain="positive"),
    Family("sin(u)", 2.0),
    Family("cos(u)", 2.0),
    Family("sin(2*u)", 2.5),
    Family("cos(2*u)", 2.5),
    Family("exp(u)", 2.0),
    Family("exp(-u)", 2.0),
    Family("exp(t0*u)", 3.0, _RATES),
    Family("exp(t0*u**2)", 4.0, _RATES),
    Family("(1 - exp(t0*u))**2", 4.5, _RATES),
    Family("sin(t0*u)", 3.5, _SPEEDS),
    Family("cos(t0*u)", 3.5, _SPEEDS),
    Family("cos(t0*u + t1)", 4.5, _WAVES),
    Family("tanh(t0*u)", 4.5, _SPEEDS[:6]),
    Family("log(1 + t0*u)", 3.5, _INSIDE),
    Family("1/(1 + t0*u)", 3.5, _INSIDE),
    Family("1/(1 + t0*u)**2", 4.0, _INSIDE),
    Family("sqrt(1 + t0*u)", 3.5, _INSIDE),
    Family("1/sqrt(1 + t0*u)", 4.0, _INSIDE),
    Family("sqrt(1 + t0*u**2)", 4.0, _INSIDE),
    Family("1/(1 + t0*u**2)", 4.5, _INSIDE),
    Family("1/sqrt(1 + t0*u**2)", 4.5, _INSIDE),
    Family("log(1 + t0*u**2)", 4.5, _INSIDE),
    Family("log((u - t0)/(u + t0))", 5.0, ((0.5,), (1.0,), (2.0,)), relative=False, domain="positive"),
    Family("u**t0", 3.0, _EXPONENTS, relative=False, domain="positive"),
)


@dataclass(frozen=True)
class Atom:
    """A form with values of its inner constants, over z itself or over z - origin (`shift`)."""

    family: Family
    inner: tuple[float, ...] = ()
    shift: float = 0.0

    def value(self, z: Any, order: int = 0, by: str = "") -> Any:
        """Return the form or its derivatives at z."""
        return self.family.value(z - self.shift, self.inner, order, by)


@dataclass(frozen=True)
class Shape:
    """A sum of atoms offered for a curve: the coefficients, the misfit (rms over rms), the complexity."""

    atoms: tuple[Atom, ...]
    coefficients: tuple[float, ...]
    misfit: float

    @property
    def complexity(self) -> float:
        """Sum over the atoms, each one more after the first costs one."""
        return sum(a.family.complexity for a in self.atoms) + len(self.atoms) - 1

    def score(self, floor: float) -> float:
        """Decades of misfit above the floor, plus what the length costs; less is better."""
        return float(np.log10(max(self.misfit, floor))) + DECADES_PER_STEP * self.complexity


@dataclass(frozen=True, eq=False)
class Curve:
    """A curve f(z): samples (points,), and what is not known of it.

    That is powers of z below `free` and multiples of the forms in `gauge`; energies refer to the `origin`.
    """

    z: Vector
    f: Vector
    free: int = 1
    origin: float = 0.0
    gauge: tuple[str, ...] = ()
    _frame: Any = field(init=False, repr=False)

    def __post_init__(self) -> None:
        unit = (self.z - self.z.mean()) / max(float(np.ptp(self.z)), 1e-300)
        more = [Family(text, 1.0).value(self.z, ())[:, None] for text in self.gauge]
        gauge = np.concatenate([unit[:, None] ** np.arange(self.free), *more], axis=1)
        object.__setattr__(self, "_frame", np.linalg.qr(gauge)[0])

    def without_gauge(self, values: Any) -> Any:
        """Return values (..., points) less their part that the gauge can take up."""
        return values - (values @ self._frame) @ self._frame.T

    @property
    def target(self) -> Vector:
        """The curve less its gauge part."""
        return np.asarray(self.without_gauge(self.f))

    def shifts(self) -> tuple[float, ...]:
        """Return the origins that forms may be written around."""
        return (0.0,) if self.origin == 0.0 else (self.origin, 0.0)


def shapes_of_curve(curve: Curve, floor: float) -> list[Shape]:
    """Return sums of forms for a curve, best first: single forms, pairs, polynomials.

    Args:
        floor: relative error of the curve; misfits below it are not told apart.
    """
    with np.errstate(all="ignore"):
        entries, columns = _entries(curve)
        found = [*_singles(curve, entries, columns), *_polynomials(curve)]
        found.sort(key=lambda s: s.score(floor))
        found += _pairs(curve, entries, columns)
    found = [s for s in found if np.isfinite(s.misfit) and s.misfit < 0.3]
    found.sort(key=lambda s: s.score(floor))
    distinct: dict[tuple[Any, ...], Shape] = {}
    for shape in found:
        distinct.setdefault(tuple(sorted((a.family.text, a.shift) for a in shape.atoms)), shape)
    return list(distinct.values())[:MOST_SHAPES]


def _entries(curve: Curve) -> tuple[list[Atom], np.ndarray]:
    """Return all forms at all starts that are defined on the curve, and their gauge-free unit columns."""
    atoms: list[Atom] = []
    columns: list[np.ndarray] = []
    for shift in curve.shifts():
        u = curve.z - shift
        largest = max(float(np.abs(u).max()), 1e-300)
        for family in FAMILIES:
            if not family.may_take(u) or (
                shift == 0.0 != curve.origin and family.n_inner and family.relative
            ):
                continue
            for start in family.starts:
                # A constant inside a square scales with the square of u.
                power = 2 if "u**2" in family.text else 1
                inner = (
                    tuple(t / largest**power if n == 0 else t for n, t in enumerate(start))
                    if family.relative
                    else start
                )
                column = curve.without_gauge(family.value(u, inner))
                size = float(np.linalg.norm(column))
                raw = float(np.linalg.norm(family.value(u, inner)))
                if np.isfinite(size) and size > 1e-7 * raw:
                    atoms.append(Atom(family, inner, shift))
                    columns.append(column / size)
    return atoms, np.asarray(columns).reshape(len(atoms), len(curve.z))


def _singles(curve: Curve, entries: list[Atom], columns: np.ndarray) -> Iterator[Shape]:
    target = curve.target
    misfit = 1.0 - (columns @ target) ** 2 / (target @ target)
    groups: dict[tuple[str, float], list[int]] = {}
    for n, atom in enumerate(entries):
        groups.setdefault((atom.family.text, atom.shift), []).append(n)
    for members in groups.values():
        best = sorted(members, key=lambda n: misfit[n])[:2]
        if misfit[best[0]] < 0.5:
            yield min((refined(curve, (entries[n],)) for n in best), key=lambda s: s.misfit)


def _polynomials(curve: Curve) -> Iterator[Shape]:
    powers = {f.text: f for f in FAMILIES[:7]}
    names = list(powers)[curve.free :]
    shift = curve.shifts()[0]
    for size in (2, 3):
        for chosen in combinations(names, size):
            yield _projected(curve, tuple(Atom(powers[name], (), shift) for name in chosen))


def _pairs(curve: Curve, entries: list[Atom], columns: np.ndarray) -> Iterator[Shape]:
    target = curve.target / np.linalg.norm(curve.target)
    along, cosine = columns @ target, columns @ columns.T
    with np.errstate(all="ignore"):
        explained = (along[:, None] ** 2 + along**2 - 2 * along[:, None] * along * cosine) / (1 - cosine**2)
    explained[~(1 - cosine**2 > 1e-7)] = 0.0
    explained[np.tril_indices(len(entries))] = 0.0
    cost = np.asarray([a.family.complexity for a in entries])
    score = 0.5 * np.log10(np.maximum(1 - explained, 1e-14)) + DECADES_PER_STEP * (cost[:, None] + cost)
    taken: set[tuple[str, str]] = set()
    for flat in np.argsort(score, axis=None)[: 60 * MOST_REFINED]:
        i, j = (int(n) for n in np.unravel_index(int(flat), score.shape))
        key = (entries[i].family.text, entries[j].family.text)
        if key in taken or explained[i, j] == 0.0:
            continue
        taken.add(key)
        yield refined(curve, (entries[i], entries[j]))
        if len(taken) >= MOST_REFINED:
            break
    # Two powers, two rates, two frequencies: the start is rough, so the screen alone would pass them over.
    for text in TWICE:
        places = [n for n, atom in enumerate(entries) if atom.family.text == text]
        both = explained[np.ix_(places, places)]
        for flat in np.argsort(-both, axis=None)[:2] if both.size else ():
            place = np.unravel_index(int(flat), both.shape)
            yield refined(curve, (entries[places[int(place[0])]], entries[places[int(place[1])]]))


def _projected(curve: Curve, atoms: tuple[Atom, ...]) -> Shape:
    """Return the sum of forms with the coefficients of least misfit, inner constants as they are."""
    columns = np.stack([curve.without_gauge(atom.value(curve.z)) for atom in atoms], axis=1)
    if not np.all(np.isfinite(columns)):
        return Shape(atoms, (0.0,) * len(atoms), float("inf"))
    norms = np.maximum(np.linalg.norm(columns, axis=0), 1e-300)
    target = curve.target
    found = np.linalg.lstsq(columns / norms, target, rcond=1e-12)[0]
    size = max(float(np.linalg.norm(target)), 1e-300)
    misfit = float(np.linalg.norm(columns @ (found / norms) - target)) / size
    # Huge terms that cancel are the limit of a simpler form.
    if np.abs(found).max() > 300 * size:
        misfit = float("inf")
    return Shape(atoms, tuple(float(c) for c in found / norms), misfit)


class _InnerConstants:
    """The misfit over inner constants, in units of their starts; coefficients are projected out (Kaufman 1975)."""

    def __init__(self, curve: Curve, atoms: tuple[Atom, ...]) -> None:
        self.curve, self.atoms = curve, atoms
        start = np.asarray([t for atom in atoms for t in atom.inner])
        self.unit = np.where(start != 0, np.abs(start), 1.0)
        self.start = start / self.unit
        self.size = float(np.linalg.norm(curve.target))

    def at(self, theta: np.ndarray) -> tuple[Atom, ...]:
        return with_inner(self.atoms, theta * self.unit)

    def cost(self, theta: np.ndarray) -> float:
        return _projected(self.curve, self.at(theta)).misfit ** 2

    def normal(self, theta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        z, atoms = self.curve.z, self.at(theta)
        columns = np.stack([self.curve.without_gauge(atom.value(z)) for atom in atoms], axis=1)
        shape = _projected(self.curve, atoms)
        slopes = [
            c * self.curve.without_gauge(atom.value(z, by=f"t{n}"))
            for atom, c in zip(atoms, shape.coefficients, strict=True)
            for n in range(len(atom.inner))
        ]
        frame = np.linalg.qr(columns / np.maximum(np.linalg.norm(columns, axis=0), 1e-300))[0]
        jacobian = np.stack(slopes, axis=1) * (self.unit / self.size)
        jacobian -= frame @ (frame.T @ jacobian)
        left = (columns @ np.asarray(shape.coefficients) - self.curve.target) / self.size
        return shape.misfit**2, jacobian.T @ left, jacobian.T @ jacobian


def refined(curve: Curve, atoms: tuple[Atom, ...]) -> Shape:
    """Return the sum of these forms with its inner constants moved to the least misfit."""
    first = _projected(curve, atoms)
    if not any(atom.inner for atom in atoms) or not np.isfinite(first.misfit):
        return first
    inner = _InnerConstants(curve, atoms)
    found = levenberg_marquardt(inner, inner.start, MOST_MOVES, MOVING)
    moved = _projected(curve, inner.at(found.theta))
    return moved if moved.misfit < first.misfit else first


def with_inner(atoms: tuple[Atom, ...], inner: Sequence[float] | np.ndarray) -> tuple[Atom, ...]:
    """Return the atoms with inner constants taken, in order, from one list."""
    values = iter(float(t) for t in inner)
    return tuple(Atom(a.family, tuple(next(values) for _ in a.inner), a.shift) for a in atoms)
