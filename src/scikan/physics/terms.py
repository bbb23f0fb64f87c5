r"""Functions of one variable found through what is linear in them: a residual, not their own values.

A `Term` is an unknown $f$ of an argument $z$, known to the data through
$\sum_k \sum_m W_k[n, m, c]\, f^{(k)}(z[n, m])$, for every row n and component c of the residual. The Euler-Lagrange
equation is such a sum in a Lagrangian's parts, a stress in those of an energy. With splines for the unknowns the
whole is one least squares (a target is given) or one null vector (none is); `scikan.physics.joint` then names them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from scikan.core import bspline
from scikan.core.nodes import ONE, Expr
from scikan.physics.forms import Atom, Curve
from scikan.train.linear import NullVectors, knots_of, least_squares, null_vectors, spline_columns


DEGREE = 5
"""Quintic splines: second derivatives enter, and these converge two orders later than values."""

CONSTANCY = 100.0
MASS_ROWS = 200
"""Rows on which mass matrices are compared."""

Weights = Mapping[int, Float[np.ndarray, "_ _ _"]]
Matrix = Float[np.ndarray, "_ _"]
Kind = Literal["residual", "scale", "mass"]


@dataclass(frozen=True, eq=False)
class Term:
    """An unknown function of one argument, times a known factor.

    Args:
        label: for people, such as "T(v)".
        arguments: the argument as formulas over the user's columns, one per point of a row (f is summed over them).
        factor: what f is multiplied by in the law.
        points: values of the arguments, (rows, points).
        weights: W_k by the order k of the derivative, each (rows, points, components).
        scale: the same for the rows that measure the size of the parts, where no target does.
        mass: the same for the mass matrix, (rows, points, coordinates^2); of Lagrangians only.
        free: f is known up to powers of z below this (1: a constant).
        gauge: f is known up to multiples of these forms too, because another term can take them up.
        always: forms that are offered beside all others, since `gauge` hides whether they are needed.
        origin: the value that forms may be written around.
        ends: whether knots crowd at both ends, as a sine's zeros do (velocities near a bound).
    """

    label: str
    arguments: tuple[Expr, ...]
    points: Float[np.ndarray, "rows points"]
    weights: Weights
    scale: Weights = field(default_factory=dict)
    mass: Weights = field(default_factory=dict)
    factor: Expr = ONE
    free: int = 1
    gauge: tuple[str, ...] = ()
    always: tuple[Atom, ...] = ()
    origin: float = 0.0
    ends: bool = False

    def knots(self, grid: int) -> np.ndarray:
        """Return the knots of its spline, (grid + 2 DEGREE + 1,)."""
        z = self.points.ravel()
        if not self.ends:
            return knots_of(z, grid, DEGREE)
        low, high = float(z.min()), float(z.max())
        even = -np.cos(np.pi * np.arange(grid + 1) / grid)
        inner = 0.5 * (low + high) + 0.5 * (high - low) * even
        inner[0], inner[-1] = low, high
        return np.asarray(bspline.extend(inner[None], DEGREE)[0])

    def rows(self, index: Any) -> "Term":
        """Return the term on some rows."""
        return Term(
            self.label,
            self.arguments,
            self.points[index],
            {k: w[index] for k, w in self.weights.items()},
            {k: w[index] for k, w in self.scale.items()},
            {k: w[index] for k, w in self.mass.items()},
            self.factor,
            self.free,
            self.gauge,
            self.always,
            self.origin,
            self.ends,
        )

    def _of(self, kind: Kind) -> Weights:
        return {"residual": self.weights, "scale": self.scale, "mass": self.mass}[kind]

    def columns(self, knots: np.ndarray, kind: Kind = "residual") -> Matrix:
        """Return the residual, scale or mass rows of every spline of the basis, (rows * components, basis)."""
        weights = self._of(kind)
        z = self.points.ravel()
        total: Any = np.zeros((len(self.points), self._components(kind), len(knots) - DEGREE - 1))
        for order, weight in weights.items():
            basis = spline_columns(z, knots, DEGREE, order).reshape(*self.points.shape, -1)
            # One point per row is by far the most common, and an outer product is faster than a contraction.
            total = total + (
                weight[:, 0, :, None] * basis[:, 0, None, :]
                if self.points.shape[1] == 1
                else np.einsum("nmc,nmb->ncb", weight, basis)
            )
        return np.asarray(total.reshape(-1, total.shape[2]))

    def _components(self, kind: Kind) -> int:
        n = int(next(iter(self.weights.values())).shape[2])
        return {"residual": n, "scale": 2 * n, "mass": n * n}[kind]

    def column(self, atom: Atom, by: str = "", kind: Kind = "residual") -> np.ndarray:
        """Return the residual, scale or mass rows of one form, or their derivative by an inner constant."""
        total: Any = np.zeros((len(self.points), self._components(kind)))
        for order, weight in self._of(kind).items():
            total = total + np.einsum("nmc,nm->nc", weight, atom.value(self.points, order, by))
        return np.asarray(total.ravel())


@dataclass(frozen=True, eq=False)
class SplineFit:
    """Splines for all terms: knots and coefficients by term, and the relative residual on rows that no solve saw.

    `next` is the residual of the second best answer; there is none where a target is given (NaN).
    """

    terms: tuple[Term, ...]
    knots: tuple[np.ndarray, ...]
    coef: tuple[np.ndarray, ...]
    residual: float
    next: float = float("nan")

    def curve(self, place: int, points: int = 160) -> Curve:
        """Return samples of a term's spline, between its 0.2 % and 99.8 % quantiles."""
        term = self.terms[place]
        low, high = np.quantile(term.points, [0.002, 0.998])
        z = np.linspace(low, high, points)
        f = spline_columns(z, self.knots[place], DEGREE) @ self.coef[place]
        return Curve(z, f, term.free, term.origin, term.gauge)

    def size(self, place: int) -> float:
        """Return the root mean square of a term's part of the residual."""
        term = self.terms[place]
        part = term.columns(self.knots[place]) @ self.coef[place]
        return float(np.sqrt(np.mean(part**2)))


def split_rows(n_rows: int, share: float = 0.3, key: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return (rows to fit, rows to judge), drawn with a seed."""
    order = np.random.default_rng(key).permutation(n_rows)
    held = max(1, int(share * n_rows))
    return np.sort(order[held:]), np.sort(order[:held])


def fit_splines(terms: Sequence[Term], target: Matrix, grid: int, key: int = 0) -> SplineFit:
    """Return splines whose residual rows are nearest to the target, judged on 30 % of the rows.

    Args:
        target: (rows, components).
        grid: intervals of every spline.
    """
    fit, judge = split_rows(len(target), key=key)
    knots = tuple(term.knots(grid) for term in terms)
    here = np.concatenate([term.rows(fit).columns(k) for term, k in zip(terms, knots, strict=True)], axis=1)
    weight = _evened(target)
    at = np.repeat(weight[fit], target.shape[1])[:, None]
    bend = _bends(knots, here, 1e-9)
    goal = np.concatenate([target[fit].ravel() * at[:, 0], np.zeros(len(bend))])
    coef = least_squares(np.concatenate([here * at, bend]), goal)
    there = np.concatenate(
        [term.rows(judge).columns(k) for term, k in zip(terms, knots, strict=True)], axis=1
    )
    wanted, at = target[judge].ravel(), np.repeat(weight[judge], target.shape[1])
    residual = float(np.sqrt(np.mean(((there @ coef - wanted) * at) ** 2) / np.mean((wanted * at) ** 2)))
    return SplineFit(tuple(terms), knots, _parted(coef, knots), residual)


def _evened(target: Matrix) -> np.ndarray:
    """Return row weights near one for usual rows, falling for huge ones: near det F = 0 one row would outweigh all."""
    size = np.linalg.norm(target, axis=1)
    usual = max(float(np.median(size)), 1e-300)
    return np.asarray(1.0 / np.sqrt(1.0 + (size / (3 * usual)) ** 2))


def null_splines(
    terms: Sequence[Term], grid: int, aim: Float[np.ndarray, "rows masses"], key: int = 0
) -> SplineFit:
    """Return the splines whose residual is smallest for their scale, judged on 30 % of the rows.

    Args:
        grid: intervals of every spline.
        aim: where several answers exist, that with the mass matrix nearest to this is taken, (rows, coordinates^2).
    """
    fit, judge = split_rows(len(terms[0].points), key=key)
    knots = tuple(term.knots(grid) for term in terms)

    def laid(rows: np.ndarray, kind: Kind) -> Matrix:
        blocks = [term.rows(rows).columns(k, kind) for term, k in zip(terms, knots, strict=True)]
        return np.concatenate(blocks, axis=1)

    found = null_vectors(laid(fit, "residual"), laid(fit, "scale"), centred=False)
    few = fit[:MASS_ROWS]
    coef, several = nearest_null(found, laid(few, "mass"), aim[few].ravel(), aim.shape[1])
    rows, scale = laid(judge, "residual"), laid(judge, "scale")
    after = found.vectors[:, min(several, found.vectors.shape[1] - 1)]
    return SplineFit(
        tuple(terms), knots, _parted(coef, knots), _relative(rows, scale, coef), _relative(rows, scale, after)
    )


def nearest_null(found: NullVectors, mass: Matrix, aim: np.ndarray, entries: int) -> tuple[np.ndarray, int]:
    """Return the combination of null vectors whose mass matrix is nearest to the aim, and how many there are.

    A value belongs to them if it is below the first one to the power 2/3: a spline's error differs between answers
    by less, and what is no answer by more.
    """
    first = float(np.clip(found.values[0], 1e-12, 1.0))
    several = max(1, int(np.sum(found.values < first ** (2 / 3))))
    if several == 1:
        # One answer is known up to its scale alone; its sign makes masses positive.
        coef = found.vectors[:, 0]
        along = float((mass @ coef) @ aim)
        return (coef if along >= 0 else -coef), 1
    basis = found.vectors[:, :several]
    rows, wanted = (mass @ basis).reshape(-1, entries, several), aim.reshape(-1, entries)
    # Of answers that differ by more than scales (the square of a conserved momentum added, say) the one whose
    # diagonal masses vary least is the simplest: their variation weighs far more than their size.
    own = np.arange(0, entries, int(np.sqrt(entries)) + 1)
    varied = CONSTANCY * (rows[:, own] - rows[:, own].mean(axis=0)).reshape(-1, several)
    asked = CONSTANCY * (wanted[:, own] - wanted[:, own].mean(axis=0)).ravel()
    weights = np.linalg.lstsq(
        np.concatenate([rows.reshape(-1, several), varied]),
        np.concatenate([wanted.ravel(), asked]),
        rcond=1e-10,
    )[0]
    if not np.any(weights):
        weights = np.eye(several)[0]
    return basis @ weights, several


def _relative(rows: Matrix, scale: Matrix, coef: np.ndarray) -> float:
    return float(np.sqrt(np.mean((rows @ coef) ** 2) / max(float(np.mean((scale @ coef) ** 2)), 1e-300)))


def _parted(coef: np.ndarray, knots: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
    ends = np.cumsum([len(k) - DEGREE - 1 for k in knots])
    return tuple(np.split(coef, ends[:-1]))


def _bends(knots: Sequence[np.ndarray], columns: Matrix, ridge: float) -> Matrix:
    """Return rows that hold coefficients without samples at the smoothest choice: their third differences are small."""
    sizes = [len(k) - DEGREE - 1 for k in knots]
    total, start = sum(sizes), 0
    weight = np.sqrt(ridge * np.mean(np.sum(columns**2, axis=0)))
    rows = []
    for size in sizes:
        block = np.zeros((size - 3, total))
        block[:, start : start + size] = weight * np.diff(np.eye(size), n=3, axis=0)
        rows.append(block)
        start += size
    return np.concatenate(rows)
