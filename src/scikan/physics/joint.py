r"""Terms written as sums of forms, with all constants fitted on the residual itself.

Constants are moved by damped Gauss-Newton with exact derivatives of the forms. Where no target fixes the scale, one
coefficient of every block of terms that share equations is held.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Literal

import numpy as np

from scikan.core.expr import (
    Constant,
    Expr,
    Number,
    add,
    evaluate,
    multiply,
    substitute,
)
from scikan.core.samples import evenly
from scikan.law.simplify import simplify
from scikan.physics.elimination import is_regular
from scikan.physics.forms import Atom, with_inner
from scikan.physics.terms import MASS_ROWS, Matrix, Term


EXACT = 1e-11
"""Relative residual of constants fitted to rounding."""

BITS_PER_STEP = 8.0
MOST_VALUES = 1500
MOST_STEPS, PATIENCE, ROOM = 40, 5, 1.01
BITS_OF_A_TRIAL = 2.0
"""Bits that constants of a form on trial may still gain when they are left."""

COLLAPSE = 1e4
"""Masses this far from one, either way, mean that a form gave way where its coefficient could not."""


@dataclass(frozen=True, eq=False)
class Named:
    """Terms written as sums of forms.

    Args:
        terms: the unknown functions.
        atoms: forms by term; none where a term is not needed.
        coefficients: by term, one per atom.
        residual: root mean square over that of the target (or of the parts).
        errors: standard errors of coefficients and inner constants, in the order of `values`.
        numbers: simple numbers that constants became, by place in `values`.
    """

    terms: tuple[Term, ...]
    atoms: tuple[tuple[Atom, ...], ...]
    coefficients: tuple[tuple[float, ...], ...]
    residual: float
    errors: np.ndarray
    numbers: dict[int, Expr]

    @property
    def values(self) -> np.ndarray:
        """All constants: coefficients of all terms first, then inner constants."""
        inner = [t for atoms in self.atoms for atom in atoms for t in atom.inner]
        return np.asarray([c for row in self.coefficients for c in row] + inner)

    @property
    def complexity(self) -> float:
        """Complexity of all forms, one for every sum."""
        return sum(a.family.complexity + 1.0 for atoms in self.atoms for a in atoms)

    def bits(self, n_values: int) -> float:
        """Return the code length: residual (down to rounding) and forms."""
        return float(n_values * np.log2(max(self.residual, EXACT)) + BITS_PER_STEP * self.complexity)

    def to_beat(self, atoms: Sequence[Sequence[Atom]], n_values: int) -> float:
        """Return the residual below which these forms would be shorter in bits."""
        other = replace(self, atoms=tuple(map(tuple, atoms)), residual=1.0)
        return float(np.exp2((self.bits(n_values) - other.bits(n_values)) / n_values))

    def parts(self, positive: Sequence[str] = ()) -> tuple[Expr, ...]:
        """Return each term as a formula over the user's columns, constants with their standard errors."""
        place, inner_place = 0, sum(map(len, self.coefficients))
        made = []
        for term, atoms, row in zip(self.terms, self.atoms, self.coefficients, strict=True):
            sums: list[Expr] = []
            for atom, value in zip(atoms, row, strict=True):
                inner = {}
                for n, t in enumerate(atom.inner):
                    inner[f"t{n}"] = self._constant(inner_place + n, t)
                inner_place += len(atom.inner)
                for z in term.arguments:
                    u = (
                        z
                        if atom.shift == 0.0
                        else z - Number(int(atom.shift) if atom.shift == int(atom.shift) else atom.shift)
                    )
                    form = substitute(atom.family.expr(), inner | {"u": u})
                    sums.append(simplify(multiply((self._constant(place, value), form)), positive))
                place += 1
            made.append(multiply((add(sums), term.factor)))
        return tuple(made)

    def expr(self, positive: Sequence[str] = ()) -> Expr:
        """Return the sum of all terms; each form is simplified by itself, so that the parts stay recognisable."""
        return add(self.parts(positive))

    def _constant(self, place: int, value: float) -> Expr:
        known = self.numbers.get(place)
        return known if known is not None else Constant(value, float(self.errors[place]))


@dataclass(frozen=True, eq=False)
class Problem:
    """What the names are judged by: terms, a target (rows, components) or None, and rows to search on."""

    terms: tuple[Term, ...]
    target: Matrix | None = None

    @property
    def n_values(self) -> int:
        """How many numbers the residual has."""
        rows, _, components = next(iter(self.terms[0].weights.values())).shape
        return int(rows * components)

    def blocks(self) -> tuple[int, ...]:
        """Return for every term the first term that it shares residual components with, directly or through others.

        Without a target every block has a scale of its own, which its first coefficient holds.
        """
        touched = [
            {int(c) for w in t.weights.values() for c in np.flatnonzero(np.any(w != 0, axis=(0, 1)))}
            for t in self.terms
        ]
        first = list(range(len(self.terms)))
        for _ in self.terms:
            for n, mine in enumerate(touched):
                for m in range(n):
                    if mine & touched[m]:
                        first[n] = first[m] = min(first[n], first[m])
        return tuple(first)

    def pins(self, atoms: Sequence[tuple[Atom, ...]]) -> dict[int, Expr]:
        """Return the coefficients that are held, by place: none with a target, else the first of every block."""
        if self.target is not None:
            return {}
        places = np.cumsum([0, *map(len, atoms)])
        return {int(places[n]): held_number(atoms[n][0], self.terms[n]) for n in sorted(set(self.blocks()))}

    def thinned(self) -> "Problem":
        """Return the problem on at most MOST_VALUES values, evenly spread."""
        rows, components = next(iter(self.terms[0].weights.values())).shape[::2]
        few = max(60, MOST_VALUES // components)
        if rows <= few:
            return self
        index = evenly(rows, few)
        target = None if self.target is None else self.target[index]
        return Problem(tuple(term.rows(index) for term in self.terms), target)

    def fit(
        self,
        atoms: Sequence[tuple[Atom, ...]],
        coefficients: Sequence[Sequence[float]],
        held: dict[int, Expr] | None = None,
        to_beat: float = np.inf,
    ) -> Named:
        """Return the forms with constants moved to the least residual; those in `held` keep their numbers.

        Args:
            to_beat: constants that clearly end above this residual are not followed to their end.
        """
        held = (held or {}) | self.pins(atoms)
        start = np.asarray(
            [c for row in coefficients for c in row] + [t for a in atoms for atom in a for t in atom.inner]
        )
        for place, number in held.items():
            start[place] = float(np.asarray(evaluate(number, {})))
        free = np.asarray([n for n in range(len(start)) if n not in held], int)
        goal = 0.0 if self.target is None else self.target.ravel()
        model = _Model(self.terms, tuple(map(tuple, atoms)), goal)

        def useful(values: np.ndarray) -> float:
            """Return the sum of squares to come down to; where no target tells the size, with room for its change."""
            parts, inner = model.parted(values)
            room = 1.0 if self.target is not None else ROOM
            return self.n_values * (room * to_beat * self._size(model.moved(inner), parts)) ** 2

        settled = BITS_OF_A_TRIAL * 2 * np.log(2) / self.n_values if np.isfinite(to_beat) else 0.0
        values, errors = _least_squares(model, start, free, useful, settled)
        parts, inner = model.parted(values)
        moved = model.moved(inner)
        size = self._size(moved, parts)
        if self.target is None and self._collapses(moved, parts):
            # Forms with inner constants may vanish though their coefficient is held; nothing is then left to be wrong.
            size = 0.0
        left = model.residual(values)
        residual = float(np.sqrt(_sum_of_squares(left) / len(left))) / size if size > 0 else float("inf")
        return Named(self.terms, moved, parts, residual if np.isfinite(residual) else np.inf, errors, held)

    def keeps_mass(self, atoms: Any, coefficients: Any) -> bool:
        """Whether, where no target is given, the mass matrix can be inverted."""
        if self.target is not None:
            return True
        few = Problem(tuple(term.rows(slice(0, MASS_ROWS)) for term in self.terms))
        mass = few._rows(atoms, coefficients, "mass")
        return is_regular(mass, mass.shape[1])

    def _collapses(self, atoms: Any, coefficients: Any) -> bool:
        few = Problem(tuple(term.rows(slice(0, MASS_ROWS)) for term in self.terms))
        mass = few._rows(atoms, coefficients, "mass")
        d = int(np.sqrt(mass.shape[1]))
        sizes = np.sqrt(np.mean(np.sum(mass.reshape(-1, d, d) ** 2, axis=2), axis=0))
        return not bool(np.all((sizes < COLLAPSE) & (sizes > 1 / COLLAPSE)))

    def _rows(self, atoms: Any, coefficients: Any, kind: Literal["scale", "mass"]) -> np.ndarray:
        total: Any = 0.0
        for term, forms, row in zip(self.terms, atoms, coefficients, strict=True):
            for atom, c in zip(forms, row, strict=True):
                total = total + c * term.column(atom, kind=kind)
        return np.asarray(total).reshape(len(self.terms[0].points), -1)

    def _size(self, atoms: Any, coefficients: Any) -> float:
        if self.target is not None:
            return float(np.sqrt(np.mean(self.target**2)))
        return float(np.sqrt(np.mean(self._rows(atoms, coefficients, "scale") ** 2)))


class _Model:
    """Residual and Jacobian as functions of all constants."""

    def __init__(self, terms: tuple[Term, ...], atoms: tuple[tuple[Atom, ...], ...], goal: Any) -> None:
        self.terms, self.atoms, self.goal = terms, atoms, goal
        self.n_outer = sum(map(len, atoms))
        with np.errstate(all="ignore"):
            # Most forms have no inner constants: their columns stay what they are.
            self.still = [
                [None if atom.inner else term.column(atom) for atom in forms]
                for term, forms in zip(terms, atoms, strict=True)
            ]

    def parted(self, values: np.ndarray) -> tuple[tuple[tuple[float, ...], ...], np.ndarray]:
        outer = iter(float(c) for c in values[: self.n_outer])
        return tuple(tuple(next(outer) for _ in atoms) for atoms in self.atoms), values[self.n_outer :]

    def moved(self, inner: np.ndarray) -> tuple[tuple[Atom, ...], ...]:
        flat = with_inner(tuple(atom for atoms in self.atoms for atom in atoms), inner)
        each = iter(flat)
        return tuple(tuple(next(each) for _ in atoms) for atoms in self.atoms)

    def residual(self, values: np.ndarray) -> np.ndarray:
        """Return the residual rows; huge or NaN where a form leaves its domain."""
        with np.errstate(all="ignore"):
            columns = self._outer(values)
            return np.asarray(columns @ values[: self.n_outer] - self.goal)

    def jacobian(self, values: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            parts, inner = self.parted(values)
            columns = [self._outer(values)]
            for term, atoms, row in zip(self.terms, self.moved(inner), parts, strict=True):
                for atom, c in zip(atoms, row, strict=True):
                    for n in range(len(atom.inner)):
                        columns.append(c * term.column(atom, by=f"t{n}")[:, None])
            return np.concatenate(columns, axis=1)

    def _outer(self, values: np.ndarray) -> np.ndarray:
        moved = self.moved(values[self.n_outer :])
        columns = [
            term.column(atom) if known is None else known
            for term, atoms, still in zip(self.terms, moved, self.still, strict=True)
            for atom, known in zip(atoms, still, strict=True)
        ]
        return np.stack(columns, axis=1)


def _least_squares(
    model: _Model,
    start: np.ndarray,
    free: np.ndarray,
    useful: Callable[[np.ndarray], float],
    settled: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Return constants at the least residual and their standard errors; only those in `free` move.

    Some forms imitate another one better and better as their constant goes to zero. Their steps gain less and less:
    they end where steps like the last would not bring the sum of squares down to what is `useful`, or would change
    less than the part `settled` of it.
    """
    point, residual = start, model.residual(start)
    damping = 1e-4
    cost = _sum_of_squares(residual)
    errors = np.zeros(len(start))
    if not len(free) or not np.isfinite(cost):
        return point, errors
    inner = bool(np.any(free >= model.n_outer))
    most = MOST_STEPS if inner else 3
    for step in range(most):
        jacobian = model.jacobian(point)[:, free]
        if not np.all(np.isfinite(jacobian)):
            break
        norms = np.maximum(np.linalg.norm(jacobian, axis=0), 1e-300)
        unit = jacobian / norms
        u, s, vt = np.linalg.svd(unit, full_matrices=False)
        kept = s > 1e-12 * s[0]
        along = u.T @ residual
        gain = 0.0
        for level in (damping, 10 * damping, 1e3 * damping, 1e5 * damping):
            effective = level if inner else 0.0
            move = vt[kept].T @ (s[kept] / (s[kept] ** 2 + effective) * along[kept]) / norms
            trial = point.copy()
            trial[free] -= move
            after = model.residual(trial)
            lower = _sum_of_squares(after)
            if lower < cost:
                gain = cost - lower
                point, residual, cost, damping = trial, after, lower, max(level / 100, 1e-30)
                break
        hoped = gain * (most - step)
        if gain <= 1e-9 * cost:
            break
        if step >= PATIENCE and (hoped < settled * cost or cost - hoped > useful(point)):
            break
    jacobian = model.jacobian(point)[:, free]
    norms = np.maximum(np.linalg.norm(jacobian, axis=0), 1e-300)
    if np.all(np.isfinite(jacobian)):
        unit = jacobian / norms
        spread = cost / max(len(residual) - len(free), 1)
        covariance = spread * np.linalg.pinv(unit.T @ unit, rcond=1e-14, hermitian=True)
        errors[free] = np.sqrt(np.maximum(np.diag(covariance), 0.0)) / norms
    return point, errors


def _sum_of_squares(values: np.ndarray) -> float:
    """Return the sum of squares, infinite where a form left its domain or nearly did."""
    with np.errstate(over="ignore"):
        return float(values @ values) if np.all(np.isfinite(values)) else np.inf


def held_number(atom: Atom, term: Term) -> Number:
    """Return the number that the first coefficient is held at: masses come out positive, and v**2 carries 1/2."""
    if atom.family.text == "u**2":
        return Number(Fraction(1, 2))
    order = 2 if 2 in term.weights else 0
    bent = atom.value(np.median(term.points), order)
    return Number(1 if float(bent) >= 0 else -1) if order else Number(Fraction(1, 2))
