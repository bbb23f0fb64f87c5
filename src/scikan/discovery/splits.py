r"""Laws that split into curves: $T(z) = c_0 + \sum_j h_j(q_j)$ and $T(z) = c_0 + \sum_r \prod_j f_{rj}(q_j)$.

Both are KANs of one layer with one edge a curve, and linear or nearly so in their splines. Every curve is
named on its own axis by a few formulas; which of them hold is decided by refitting the whole law on the raw
rows, one curve after the other.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic
from typing import Any

import numpy as np

from scikan.core.expr import Constant, Expr, add, multiply
from scikan.core.samples import evenly
from scikan.discovery.affine import Screen
from scikan.discovery.curves import at, curve_names
from scikan.discovery.desk import Candidate, Desk
from scikan.discovery.targets import Target
from scikan.structure.products import ADAPTIVE, fit_products
from scikan.train.linear import knots_of, spline_columns


N_SPLITS = 3
MOST_COLUMNS = 6
GRIDS = (6, 14)
MOST_FIT_ROWS = 600
WORTH = 0.05
"""Leave-one-out error, as a share of the target's spread, up to which a split is worth naming."""

_FLAT = 3.0
_FACTOR_TARGETS = ("identity", "inverse", "square", "log", "exp")


@dataclass(frozen=True, eq=False)
class Curve:
    """One edge: its column, its values at the rows of the fit, and the weights of its residuals there."""

    column: int
    values: Any
    weight: Any


@dataclass(frozen=True, eq=False)
class Split:
    """A target of the level as a sum of terms, each a product of curves; `error` in units of y, relative."""

    target: Target
    error: float
    offset: float
    terms: tuple[tuple[Curve, ...], ...]
    rows: Any


def split_laws(screen: Screen, targets: list[Target], desk: Desk, ends: float) -> Iterator[Expr]:
    """Yield laws of y in which a transformed target is a sum, or a sum of products, of named curves."""
    level = screen.level
    if not 2 <= level.columns.shape[1] <= MOST_COLUMNS:
        return
    splits = [*_additive(screen, targets), *_products(screen, targets)]
    for split in sorted(splits, key=lambda s: (s.error, len(s.terms)))[:N_SPLITS]:
        if split.error < WORTH and monotonic() < ends:
            yield from _named(screen, split, desk, ends)


def _rows(screen: Screen, target: Target) -> tuple[Any, Any, Any, float] | None:
    """Return (rows, u, root weights, spread in units of y) of a target on the rows of the fits."""
    level = screen.level
    pick = evenly(len(level.target), MOST_FIT_ROWS)
    s = None if target.other < 0 else screen.library.evaluated(target.other, level.columns)
    u, weight = target.forward(level.target, s), target.weighted(level.target, s, level.weight)
    pick = pick[np.isfinite(u[pick]) & np.isfinite(weight[pick]) & (weight[pick] > 0)]
    y = level.target[pick] * level.weight[pick]
    spread = float(np.std(y))
    if len(pick) < 30 or not spread > 0:
        return None
    return pick, u[pick], weight[pick], spread


def _additive(screen: Screen, targets: list[Target]) -> Iterator[Split]:
    columns = screen.level.columns
    for target in targets:
        found = _rows(screen, target)
        if found is None:
            continue
        pick, u, weight, spread = found
        best: Split | None = None
        for grid in GRIDS:
            parts = [_spline(columns[pick, j], grid) for j in range(columns.shape[1])]
            design = np.column_stack([np.ones(len(u)), *parts]) * weight[:, None]
            left, singular, right = np.linalg.svd(design, full_matrices=False)
            kept = singular > 1e-9 * singular[0]
            left, singular, right = left[:, kept], singular[kept], right[kept]
            coefficients = right.T @ ((left.T @ (u * weight)) / singular)
            loo = (u * weight - left @ (left.T @ (u * weight))) / np.maximum(
                1 - np.sum(left**2, axis=1), 1e-3
            )
            error = float(np.sqrt(np.mean(loo**2))) / spread
            if best is None or error < best.error:
                n = parts[0].shape[1]
                curves = [part @ coefficients[1 + j * n : 1 + (j + 1) * n] for j, part in enumerate(parts)]
                offset = float(coefficients[0]) + sum(float(c.mean()) for c in curves)
                terms = tuple((Curve(j, c - c.mean(), weight),) for j, c in enumerate(curves))
                best = Split(target, error, offset, terms, pick)
        if best is not None:
            yield best


def _spline(x: Any, grid: int) -> Any:
    """Return centred spline features of a column, `(rows, basis)`."""
    part = spline_columns(x, knots_of(x, grid, adaptive=ADAPTIVE))
    return part - part.mean(axis=0)


def _products(screen: Screen, targets: list[Target]) -> Iterator[Split]:
    columns = screen.level.columns
    for target in targets:
        if target.other >= 0 or target.transform.name not in _FACTOR_TARGETS:
            continue
        found = _rows(screen, target)
        if found is None:
            continue
        pick, u, weight, spread = found
        for most in (1, 3):
            # Two columns have no unique sum of two products.
            if most > 1 and columns.shape[1] < 3:
                continue
            products = fit_products(columns[pick], u, weight, most, offset=most == 1)
            if products is None:
                continue
            error = float(np.sqrt(np.mean((products.surrogate.loo * weight) ** 2))) / spread
            terms = tuple(_term(factors, weight, error) for factors in products.factors)
            small = abs(products.offset) < _FLAT * error * float(np.std(u))
            yield Split(target, error, 0.0 if small else products.offset, terms, pick)
            if error < 1e-4:
                break


def _term(factors: Any, weight: Any, error: float) -> tuple[Curve, ...]:
    """Return the curves of one product; factors that hardly move become part of the first."""
    curves, scale = [], 1.0
    for j, values in enumerate(factors):
        if np.std(values) <= _FLAT * error * np.abs(values).max():
            scale *= float(values.mean())
            continue
        others = np.prod(np.delete(factors, j, axis=0), axis=0)
        curves.append(Curve(j, values, np.abs(others) * weight))
    if not curves:
        return (Curve(0, np.full_like(factors[0], scale), weight),)
    first = curves[0]
    return (Curve(first.column, first.values * scale, first.weight), *curves[1:])


def _named(screen: Screen, split: Split, desk: Desk, ends: float) -> Iterator[Expr]:
    """Yield laws with all curves named: the best names first, then with single names changed for better ones."""
    level = screen.level
    floor = max(split.error**2, 1e-10)
    lists = [
        [curve_names(level.columns[split.rows, c.column], c.values, c.weight, floor, ends) for c in term]
        for term in split.terms
    ]
    s = None if split.target.other < 0 else screen.library.expression(split.target.other)

    def law(choice: list[list[int]]) -> Expr:
        parts: list[Expr] = [Constant(split.offset)] if split.offset else []
        for term, names, picks in zip(split.terms, lists, choice, strict=True):
            parts.append(
                multiply(
                    [
                        at(options[k], level.expressions[curve.column])
                        for curve, options, k in zip(term, names, picks, strict=True)
                    ]
                )
            )
        return screen.of_y(split.target.formula(add(parts), s))

    choice = [[0] * len(term) for term in split.terms]
    best = desk.refitted(law(choice))
    if best is not None:
        yield best.expression
    for r, names in enumerate(lists):
        for c, options in enumerate(names):
            for k in range(1, len(options)):
                if monotonic() > ends or (best is not None and best.is_exact):
                    return
                trial = [list(picks) for picks in choice]
                trial[r][c] = k
                found = desk.refitted(law(trial))
                if found is not None and _better(found, best):
                    best, choice = found, trial
                    yield found.expression


def _better(found: Candidate, best: Candidate | None) -> bool:
    return best is None or found.bits < best.bits
