"""Fitted constants replaced by simple numbers, where the data say that they are those numbers.

Every candidate number has a code length. A constant is snapped if the simplest number within three
standard errors is shorter, by three bits, than the precision to which the data determine the constant:
a chance hit then has a probability of about 1/8 at most. One constant is snapped at a time, the others
are fitted again, and a snap that costs the residuals more than eight bits is taken back.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np

from scikan.core.dataset import Dataset
from scikan.core.errors import ColumnError
from scikan.core.expr import (
    HALF,
    MINUS_ONE,
    ONE,
    PI,
    ZERO,
    Constant,
    E,
    Expr,
    Number,
    constants,
    evaluate,
    power,
    with_constants,
)
from scikan.law.record import Law
from scikan.law.refitting import ERROR_FLOOR, Readout, Refit, loss_bits, refit, target_variance
from scikan.law.scaling import unit_form
from scikan.law.simplify import simplify


MARGIN_BITS = 3.0
UNDO_BITS = 8.0
_STANDARD_ERRORS = 3.0
# Below this relative residual the data are exact; then errors are rounding, and the test of the loss
# decides: a wrong number raises it by orders of magnitude.
_EXACT = 1e-10
_EXACT_WINDOW = 1e-9


@dataclass(frozen=True)
class Snap:
    """One constant that became a number: the fitted value and error, the number, the loss in bits."""

    constant: Constant
    number: Expr
    loss_bits: float


@dataclass(frozen=True, eq=False)
class Snapped:
    """A law after snapping; the constants left are fitted and carry errors."""

    expr: Expr
    mean_square: float
    snapped: tuple[Snap, ...]


@dataclass(frozen=True, eq=False)
class SnapTable:
    """Simple positive numbers in rising order, `(n,)`, with their code lengths and their trees."""

    values: np.ndarray
    bits: np.ndarray
    trees: tuple[tuple[Fraction, Expr], ...]


def _factors() -> Iterator[tuple[Expr, float]]:
    """Yield what may multiply a fraction, with its bits."""
    root_two, root_three = power(Number(2), HALF), power(Number(3), HALF)
    yield ONE, 0.0
    for tree, bits in ((PI, 3.0), (E, 3.0), (root_two, 4.0), (PI**2, 5.0), (power(PI, HALF), 4.0)):
        yield tree, bits
        yield 1 / tree, bits
    yield root_three, 4.0
    yield root_two * power(PI, HALF), 4.0
    yield 1 / (root_two * power(PI, HALF)), 4.0


def _fractions(factor: Expr) -> Iterator[Fraction]:
    for q in range(1, 13):
        yield from (Fraction(p, q) for p in range(1, 31) if math.gcd(p, q) == 1)
    if factor == PI:
        yield from (Fraction(1, 2**n) for n in range(4, 9))
    if factor == ONE:
        yield from (Fraction(p, 16) for p in range(1, 64, 2))
        yield from (Fraction(p) for p in range(31, 1001))
        yield from (Fraction(p, q) for q in (10, 100) for p in range(1, 1000))


@lru_cache(maxsize=1)
def snap_table() -> SnapTable:
    """Return all simple numbers: p/q with p <= 30 and q <= 12, sixteenths, decimals, integers to 1000,
    and fractions times pi, e, their inverses, squares and common roots.

    The code length of (p/q) f is $1 + \\log_2 p + 1.5 \\log_2 q$ and 3 to 5 bits for a factor f.
    """
    best: dict[float, tuple[float, Fraction, Expr]] = {}
    for factor, factor_bits in _factors():
        scale = float(evaluate(factor, {}))
        for fraction in _fractions(factor):
            bits = 1 + math.log2(fraction.numerator) + 1.5 * math.log2(fraction.denominator) + factor_bits
            place = round(float(fraction) * scale, 14)
            if place not in best or bits < best[place][0]:
                best[place] = (bits, fraction, factor)
    entries = sorted((float(f) * float(evaluate(t, {})), b, f, t) for b, f, t in best.values())
    return SnapTable(
        np.array([value for value, *_ in entries]),
        np.array([bits for _, bits, *_ in entries]),
        tuple((fraction, tree) for *_, fraction, tree in entries),
    )


def simplest_number(value: float, error: float) -> tuple[Expr, float] | None:
    """Return the simple number of least code length within `value +- error`, and its bits, or None."""
    table = snap_table()
    size = abs(value)
    low, high = np.searchsorted(table.values, [size - error, size + error])
    if low >= high:
        return None
    # Among equally short ones the nearest.
    rank = table.bits[low:high] + 1e-3 * np.abs(table.values[low:high] - size) / max(error, 1e-300)
    i = int(low + np.argmin(rank))
    fraction, factor = table.trees[i]
    return Number(fraction if value > 0 else -fraction) * factor, float(table.bits[i])


def snap(
    expr: Expr,
    columns: Mapping[str, Any],
    y: Any,
    weight: Any = None,
    readout: Readout = "linear",
    units_only: bool = False,
) -> Snapped:
    """Return the law with its constants refitted and, where the data support it, made simple numbers.

    Args:
        expr: the law; fit it first, or let its constants start near their values.
        columns: arrays of shape `(N,)`.
        y: the target, `(N,)`.
        weight: weights of the squared residuals, `(N,)`.
        readout: as in `refit`.
        units_only: snap to 0, 1 and -1 only: terms and factors that the data do not ask for go, all other
            constants keep full precision.

    Returns:
        the law, simplified after every snap; its mean square; what was snapped, in order. A constant
        within three errors of 0 becomes 0, and its term goes.

    Raises:
        ShapeError, SettingError, ColumnError: as `refit` does.
    """
    return snap_by(
        lambda tree: refit(tree, columns, y, weight, readout),
        expr,
        target_variance(y, weight, readout),
        len(np.asarray(y)),
        units_only,
    )


def snap_by(
    fit: Callable[[Expr], Refit], expr: Expr, variance: float, n_rows: int, units_only: bool = False
) -> Snapped:
    """Return the law with constants made simple where the data support it, whatever way it is fitted to them.

    Args:
        fit: returns a formula with its constants fitted.
        expr, units_only: as in `snap`.
        variance: of the target, in the units of the fit's mean square.
        n_rows: how many rows there are.
    """

    def fitted(tree: Expr) -> Refit:
        return fit(unit_form(simplify(tree)))

    records: list[Snap] = []
    refused: set[int] = set()
    current = fitted(expr)
    while True:
        exact = current.mean_square < _EXACT**2 * variance
        offers = [o for o in _offers(constants(current.expr), exact, n_rows) if o[1] not in refused]
        if units_only:
            offers = [o for o in offers if o[2] in (ZERO, ONE, MINUS_ONE)]
        if not offers:
            final = fit(simplify(current.expr))
            return Snapped(final.expr, final.mean_square, tuple(records))
        _, i, number = max(offers, key=lambda offer: offer[0])
        found = constants(current.expr)
        trial = fitted(with_constants(current.expr, [number if j == i else c for j, c in enumerate(found)]))
        loss = loss_bits(current.mean_square, trial.mean_square, variance, n_rows)
        if loss > UNDO_BITS or len(constants(trial.expr)) >= len(found):
            refused.add(i)
            continue
        # Every accepted snap leaves fewer constants, so that the loop ends.
        records.append(Snap(found[i], number, loss))
        current, refused = trial, set()


def _offers(found: tuple[Constant, ...], exact: bool, n_rows: int) -> list[tuple[float, int, Expr]]:
    """Return (gain in bits, number of the constant, its number) for all constants worth a trial."""
    offers: list[tuple[float, int, Expr]] = []
    for i, c in enumerate(found):
        size = abs(c.value)
        if not math.isfinite(c.error):
            continue
        error = max(c.error, ERROR_FLOOR * size, 1e-300)
        if size < _STANDARD_ERRORS * error:
            offers.append((4 + 0.5 * math.log2(n_rows), i, ZERO))
            continue
        window = max(_STANDARD_ERRORS * error, _EXACT_WINDOW * size if exact else 0.0)
        simple = simplest_number(c.value, window)
        precision = math.log2(size / (2 * window))
        if simple is not None and simple[1] + MARGIN_BITS < precision:
            offers.append((precision - simple[1], i, simple[0]))
    return offers


def snap_law(law: Law, data: Dataset) -> Law:
    """Return a law with its constants refitted to a table's training rows and snapped where the data support it.

    Args:
        law: of one or more targets, over columns of the table.
        data: a table with these columns; its test rows are not read.

    Raises:
        ColumnError: if the table lacks a target of the law.
    """
    columns = {name: data.train_x[:, j] for j, name in enumerate(data.names)}
    for target in law.targets:
        if target not in data.targets:
            raise ColumnError(
                f'The table has no target "{target}".', fix=f"its targets are {list(data.targets)}."
            )
    goals = [data.train_y[:, data.targets.index(target)] for target in law.targets]
    snapped = [snap(expr, columns, y).expr for expr, y in zip(law.expressions, goals, strict=True)]
    return replace(law, expressions=tuple(snapped))
