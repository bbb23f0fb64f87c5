r"""A table reduced by its own symmetries: shifts and scalings under which the law does not change.

A law that obeys $\sum_j a_j x_j \partial_j z = b z$ is $M$ times a function of fewer columns, those that
the scaling leaves alone: Buckingham's theorem with weights read off the data instead of units. The weights
stand in the null space of one matrix of logarithmic gradients. Gradients only propose; whether a step is
taken is decided by paired leave-one-out errors of the smaller and the larger table, in units of y.
"""

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.linalg import qr
from scipy.optimize import minimize_scalar

from scikan.core.expr import ONE, Constant, Expr, Number, Symbol, add, multiply, power
from scikan.core.printing import to_text
from scikan.core.samples import evenly
from scikan.structure.answers import Surrogate
from scikan.structure.levels import Level, Step
from scikan.structure.pairing import best_pair
from scikan.structure.relevance import MANY, relevant
from scikan.structure.surrogate import fit_surrogate


Rows = Float[np.ndarray, "rows columns"]
Vector = Float[np.ndarray, " rows"]

N_JUDGED, N_REFINED = 600, 250
"""Rows on which steps are judged, and on which a fitted ratio is made better."""

WIDTH = 0.12
"""Relative residual up to which the gradients propose a symmetry: the width of the search, no decision."""

WIDEST = 0.3
"""The same where the surrogate itself is poor."""

IRRELEVANT = 0.1
"""Share of the steepest column's gradient below which a column may be proposed as irrelevant."""

FACTORS = (1, 2, 3)
"""Powers of a column with a change of sign that the target may be proportional to."""

_SOME, _SMALL, _TINY = 1e-2, 1e-3, 3e-5
_MUCH_BETTER, _POOR = 2.0, 5e-3
_OUTLIERS = 0.02
_LARGEST_WEIGHT = 12


def judged_rows(n: int) -> Any:
    """Return the rows of a table of n on which steps are judged."""
    return evenly(n, N_JUDGED)


def raw_surrogate(x: Rows, y: Vector, weight: Vector | None = None) -> Surrogate:
    """Return the surrogate of a table as it is, on its judged rows; `weight` is of squared residuals."""
    pick = judged_rows(len(y))
    return fit_surrogate(x[pick], y[pick], _root(weight, len(y))[pick])


def _root(weight: Vector | None, n: int) -> Vector:
    return np.ones(n) if weight is None else np.sqrt(weight / np.mean(weight))


def reduce_table(
    x: Rows,
    y: Vector,
    names: tuple[str, ...],
    weight: Vector | None = None,
    surrogate: Surrogate | None = None,
) -> list[Level]:
    """Return the levels of a table: the raw one first, each smaller by one accepted step.

    Args:
        x: columns.
        y: target.
        names: of the columns.
        weight: of squared residuals, as everywhere; None for equal weights.
        surrogate: the table's `raw_surrogate`, if it is known already.
    """
    raw = Level(x, tuple(map(Symbol, names)), y, np.ones(len(y)), ONE, _root(weight, len(y)))
    pick = judged_rows(len(y))
    surrogate = surrogate or raw_surrogate(x, y, weight)
    levels = [_with_error(raw, surrogate, pick)]
    if x.shape[1] > MANY and (fewer := relevant(raw, pick, surrogate)) is not None:
        surrogate = fewer[1]
        levels.append(_with_error(fewer[0], surrogate, pick))
    while levels[-1].columns.shape[1]:
        step = _next_level(levels[-1], surrogate, pick)
        if step is None:
            break
        surrogate = step[1]
        levels.append(_with_error(step[0], surrogate, pick))
    return levels


def _with_error(level: Level, surrogate: Surrogate, pick: Any) -> Level:
    return replace(level, error=level.rows(pick).missed_by(surrogate))


def _surrogate(level: Level) -> Surrogate:
    return fit_surrogate(level.columns, level.target, level.weight)


def _next_level(level: Level, surrogate: Surrogate, pick: Any) -> tuple[Level, Surrogate] | None:
    """Return the first proposed level that the data accept and no later one beats by far, with its surrogate.

    In a narrow range a product looks much like a sum: where the first accepted step leaves an error that
    another might not, all are compared.
    """
    judged = level.rows(pick)
    spread = float(np.var(judged.target * judged.weight))
    accepted: list[tuple[float, Level, Surrogate]] = []
    for propose in (_dropped, _factored, _shifted, _scaled, _combined):
        if propose is _combined and accepted:
            break
        for proposal in propose(level, judged, surrogate):
            if not np.all(np.isfinite(proposal.columns)) or not np.all(np.isfinite(proposal.target)):
                continue
            smaller = proposal.rows(pick)
            fitted = _surrogate(smaller)
            left = fitted.loo * smaller.weight
            error = float(np.mean(left**2))
            # A fitted weight is right to some digits only; the law's own refit will find the others.
            near = propose is _combined and error < _SMALL**2 * spread
            if near or _accepted(left, surrogate.loo * judged.weight, judged, strict=propose is _dropped):
                if propose in (_dropped, _factored) or error < _SMALL**2 * spread:
                    return proposal, fitted
                accepted.append((error, proposal, fitted))
                break
    if not accepted:
        poor = np.mean((surrogate.loo * judged.weight) ** 2) > _POOR**2 * spread
        return best_pair(level, pick, surrogate) if poor else None
    least = min(error for error, _, _ in accepted)
    return next((level, fit) for error, level, fit in accepted if error <= _MUCH_BETTER**2 * least)


def _accepted(new: Vector, old: Vector, judged: Level, strict: bool) -> bool:
    """Whether leave-one-out residuals (in units of y) of a smaller table are no worse than those of the larger."""
    after, before = float(np.mean(new**2)), float(np.mean(old**2))
    if not np.isfinite(after):
        return False
    if strict:
        return after <= before * 1.02**2
    difference = new**2 - old**2
    mean, error = float(np.mean(difference)), float(np.std(difference)) / np.sqrt(len(new))
    if mean <= 0.1 * before or (mean <= 2.0 * error and after < 2.0 * before):
        return True
    # Both may be limited by the surrogate, not by noise: then a small loss says nothing against the step.
    spread = float(np.var(judged.target * judged.weight))
    if (after < 25.0 * before and after < _SMALL**2 * spread) or after < _TINY**2 * spread:
        return True
    # Ratios can be so skewed that a few rows in an empty corner outvote all others.
    usual = np.argsort(difference)[: int((1.0 - _OUTLIERS) * len(new))]
    return mean < _SOME**2 * spread and float(np.mean(difference[usual])) <= 0.0


def _dropped(level: Level, judged: Level, surrogate: Surrogate) -> Iterator[Level]:
    """Propose to leave out the flattest column."""
    slopes = surrogate.gradients * judged.columns.std(axis=0) * judged.weight[:, None]
    steepness = np.sqrt(np.mean(slopes**2, axis=0))
    j = int(np.argmin(steepness))
    if len(steepness) > 1 and steepness[j] < IRRELEVANT * steepness.max():
        step = Step("irrelevant", f"{level.expressions[j]} does not matter")
        yield _without(level, [j], step)


def _without(level: Level, places: list[int], step: Step) -> Level:
    kept = [j for j in range(level.columns.shape[1]) if j not in places]
    return replace(
        level,
        columns=level.columns[:, kept],
        expressions=tuple(level.expressions[j] for j in kept),
        steps=(*level.steps, step),
    )


def _factored(level: Level, judged: Level, surrogate: Surrogate) -> Iterator[Level]:
    """Propose to divide by powers of columns that the target is proportional to: by all of them, then by each.

    Such columns may change sign, which no scaling of several columns is measured by.
    """
    y = surrogate.values * judged.weight
    size = float(np.mean(y**2)) or 1.0
    powers: list[tuple[int, Fraction]] = []
    for j in range(level.columns.shape[1]):
        moved = judged.columns[:, j] * surrogate.gradients[:, j] * judged.weight
        slope = float(np.clip(np.mean(moved * y) / size, -_LARGEST_WEIGHT, _LARGEST_WEIGHT))
        keeps_sign = bool(np.all(level.columns[:, j] > 0))
        for exponent in (Fraction(round(slope)), _fraction(slope)):
            possible = (
                exponent != 0 if keeps_sign else exponent in FACTORS and np.all(level.columns[:, j] != 0)
            )
            misfit = np.sqrt(np.mean((moved - float(exponent) * y) ** 2) / size)
            if possible and misfit < WIDTH * abs(exponent):
                powers.append((j, exponent))
                break
    for chosen in dict.fromkeys((tuple(powers), *((p,) for p in powers))):
        if chosen:
            yield _divided_by_columns(level, chosen)


def _divided_by_columns(level: Level, powers: tuple[tuple[int, Fraction], ...]) -> Level:
    factor = np.prod([level.columns[:, j] ** float(a) for j, a in powers], axis=0)
    expr = multiply([power(level.expressions[j], Number(a)) for j, a in powers])
    told = Step("factor", f"the target is proportional to {expr}")
    return replace(
        _without(level, [j for j, _ in powers], told),
        target=level.target / factor,
        factor=level.factor * factor,
        factor_expression=multiply([level.factor_expression, expr]),
        weight=level.weight * np.abs(factor),
    )


def _shifted(level: Level, judged: Level, surrogate: Surrogate) -> Iterator[Level]:
    """Propose x_i - s x_j in place of pairs whose gradients are opposite (s = 1) or equal (s = -1)."""
    g = surrogate.gradients * judged.weight[:, None]
    # Gradients of a poor surrogate are poorer still: then the search must be wider.
    y = judged.target * judged.weight
    misfit_of_all = float(np.sqrt(np.mean((surrogate.loo * judged.weight) ** 2) / max(np.var(y), 1e-300)))
    width = min(WIDTH + 2.0 * misfit_of_all, WIDEST)
    square = np.mean(g**2, axis=0)
    found = []
    for j in range(g.shape[1]):
        for i in range(j):
            for sign in (1, -1):
                residual = np.mean((g[:, i] + sign * g[:, j]) ** 2)
                misfit = np.sqrt(residual / max(square[i] + square[j], 1e-300))
                if misfit < width:
                    found.append((float(misfit), i, j, sign))
    for _, i, j, sign in sorted(found)[:3]:
        a, b = level.expressions[i], level.expressions[j]
        # The difference is taken so that it is positive where it can be: scalings divide by it.
        first, second = (
            (i, j) if sign < 0 or level.columns[:, i].mean() >= level.columns[:, j].mean() else (j, i)
        )
        values = level.columns[:, first] - sign * level.columns[:, second]
        expr = a + b if sign < 0 else level.expressions[first] - level.expressions[second]
        reduced = _without(level, [j], Step("shift", f"{a} and {b} matter only as {expr}"))
        columns, expressions = reduced.columns.copy(), list(reduced.expressions)
        columns[:, i], expressions[i] = values, expr
        yield replace(reduced, columns=columns, expressions=tuple(expressions))


def _combined(level: Level, judged: Level, surrogate: Surrogate) -> Iterator[Level]:
    """Propose x_i + r x_j with a fitted r for the pair of columns whose gradients are most nearly parallel."""
    g = surrogate.gradients * judged.weight[:, None]
    found = []
    for j in range(g.shape[1]):
        for i in range(j):
            second = np.array([[g[:, a] @ g[:, b] for a in (i, j)] for b in (i, j)]) / len(g)
            unit = 1.0 / np.sqrt(np.maximum(np.diag(second), 1e-300))
            values, vectors = np.linalg.eigh(second * np.outer(unit, unit))
            misfit = float(np.sqrt(max(values[0], 0.0) / 2.0))
            direction = vectors[:, 1] / unit
            if misfit < WIDTH and abs(direction[0]) > 0:
                found.append((misfit, i, j, float(direction[1] / direction[0])))
    for _, i, j, ratio in sorted(found)[:1]:
        ratio = _refined_ratio(judged, i, j, ratio)
        # The larger weight is 1, so that the combination is as large as its columns.
        if abs(ratio) > 1:
            i, j, ratio = j, i, 1.0 / ratio
        expr = add([level.expressions[i], multiply([Constant(ratio), level.expressions[j]])])
        told = f"{level.expressions[i]} and {level.expressions[j]} matter only as {to_text(expr, 4)}"
        reduced = _without(level, [j], Step("combination", told))
        columns, expressions = reduced.columns.copy(), list(reduced.expressions)
        place = i - (j < i)
        columns[:, place] = level.columns[:, i] + ratio * level.columns[:, j]
        expressions[place] = expr
        yield replace(reduced, columns=columns, expressions=tuple(expressions))


def _refined_ratio(judged: Level, i: int, j: int, ratio: float) -> float:
    """Return the ratio near the given one at which a surrogate of the smaller table errs least."""
    few = judged.rows(slice(0, N_REFINED))

    def error(log_change: float) -> float:
        columns = np.delete(few.columns, j, axis=1)
        columns[:, i - (j < i)] = few.columns[:, i] + ratio * np.exp(log_change) * few.columns[:, j]
        left = fit_surrogate(columns, few.target, few.weight).loo * few.weight
        return float(np.log(np.mean(left**2) + 1e-300))

    best = minimize_scalar(
        error, bounds=(-0.1, 0.1), method="bounded", options={"maxiter": 14, "xatol": 1e-5}
    )
    return ratio * float(np.exp(best.x)) if best.fun <= error(0.0) else ratio


def _scaled(level: Level, judged: Level, surrogate: Surrogate) -> Iterator[Level]:
    """Propose to divide out groups of scalings, the largest group first, simple weights first."""
    n_columns = judged.columns.shape[1]
    moved = np.column_stack([judged.columns * surrogate.gradients, -surrogate.values])
    moved = moved * judged.weight[:, None]
    scale = np.sqrt(np.mean(moved**2, axis=0))
    if not np.all(scale > 0):
        return
    moved = moved / scale
    _, singular, rows = np.linalg.svd(moved / np.sqrt(len(moved)), full_matrices=False)
    changes_sign = ~np.all(level.columns > 0, axis=0)
    for k in range(min(int(np.sum(singular < WIDTH)), n_columns), 0, -1):
        null = rows[-k:]
        pivoted = null[:, :n_columns] * np.where(changes_sign, 1e-3, 1.0)
        pivots = qr(pivoted, mode="r", pivoting=True)[1][:k]
        if np.all(changes_sign[pivots]) or abs(np.linalg.det(null[:, pivots])) < 1e-12:
            continue
        # Unscaled weights: pivot r has weight 1 in generator r and 0 in the others.
        free = null / scale
        weights = np.linalg.solve(free[:, pivots], free)
        # Nothing is measured by a column that changes sign.
        weights, pivots = weights[~changes_sign[pivots]], pivots[~changes_sign[pivots]]
        if np.abs(weights[:, :n_columns]).max() > _LARGEST_WEIGHT:
            continue
        limit = max(0.02, 1.6 * float(singular[-k]) + 0.004)
        tried: list[Any] = []
        for rounded in (_integers(weights), _fractions(weights)):
            flat = rounded.tolist()
            if flat not in tried and _fits(moved, np.array(rounded, float) * scale, limit):
                tried.append(flat)
                yield _divided(level, pivots.tolist(), rounded)


def _fits(moved: Any, generators: Any, limit: float) -> bool:
    """Whether no generator, in scaled columns, moves the law by more than a share of its length."""
    if np.abs(generators).max() > 1e6:
        return False
    left = np.sqrt(np.mean((moved @ generators.T) ** 2, axis=0))
    return bool(np.all(left <= limit * np.sqrt(np.sum(generators**2, axis=1))))


def _integers(weights: Any) -> Any:
    return np.array([[Fraction(round(float(w))) for w in row] for row in _bounded(weights)], dtype=object)


def _fractions(weights: Any) -> Any:
    """Return the nearest integers, halves and thirds; a fraction must be nearer by a margin."""
    return np.array([[_fraction(float(w)) for w in row] for row in _bounded(weights)], dtype=object)


def _bounded(weights: Any) -> Any:
    return np.clip(np.nan_to_num(weights), -_LARGEST_WEIGHT, _LARGEST_WEIGHT)


def _fraction(weight: float) -> Fraction:
    whole = Fraction(round(weight))
    broken = min((Fraction(round(weight * q), q) for q in (2, 3)), key=lambda f: abs(float(f) - weight))
    return broken if abs(float(broken) - weight) + 0.06 < abs(float(whole) - weight) else whole


def _divided(level: Level, pivots: list[int], weights: Any) -> Level:
    """Return the level whose columns are free of the pivots: each divided by its power of every pivot."""
    n_columns = level.columns.shape[1]
    columns, expressions = level.columns.copy(), list(level.expressions)
    factor = np.ones(len(columns))
    factor_expr: Expr = ONE
    told = []
    with np.errstate(all="ignore"):
        for pivot, row in zip(pivots, weights, strict=True):
            base, base_expr = level.columns[:, pivot], level.expressions[pivot]
            for j in range(n_columns):
                if j not in pivots and row[j] != 0:
                    columns[:, j] = columns[:, j] * base ** -float(row[j])
                    expressions[j] = multiply([expressions[j], power(base_expr, Number(-row[j]))])
            if row[-1] != 0:
                factor = factor * base ** float(row[-1])
                factor_expr = multiply([factor_expr, power(base_expr, Number(row[-1]))])
            told.append(_told(row, level, n_columns))
        kept = [j for j in range(n_columns) if j not in pivots]
        return Level(
            columns[:, kept],
            tuple(expressions[j] for j in kept),
            level.target / factor,
            level.factor * factor,
            multiply([level.factor_expression, factor_expr]),
            level.weight * factor,
            (*level.steps, Step("scaling", "; ".join(told))),
        )


def _told(row: Any, level: Level, n_columns: int) -> str:
    parts = [f"{level.expressions[j]} by s^{row[j]}" for j in range(n_columns) if row[j] != 0]
    return f"scaling {', '.join(parts)} scales the target by s^{row[-1]}"
