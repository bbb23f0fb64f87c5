"""One form on several experiments: some of its constants are shared, others belong to each experiment.

A constant of each experiment is one number for all its rows, so the derivatives by it are those by the constant where
the experiment's rows are, and zero elsewhere: one tape serves all. Which constants are shared is decided by description
length, starting from none: each number of an experiment costs half the logarithm of its rows.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from itertools import permutations
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from scikan.core.expr import (
    Constant,
    Expr,
    Pow,
    Symbol,
    constants,
    map_children,
    substitute,
    with_constants,
)
from scikan.core.nodes import children, exact
from scikan.discovery.proposals import EXACT
from scikan.law.description import structure_bits
from scikan.law.refitting import Readout, Refit, Residuals, Solved, residuals, solve, target_variance
from scikan.law.restarts import solve_thoroughly
from scikan.law.simplify import simplify
from scikan.law.snapping import snap_by
from scikan.law.tape import Slopes, Tape


N_STARTS, N_NEIGHBOURS = 8, 3
MUCH_WORSE = 4.0
"""Error of an experiment, in units of the least, from which its constants are looked for from many starts."""

LM_STEPS = 40
BITS_OF_A_NUMBER = 4.0


@dataclass(frozen=True, eq=False)
class Experiments:
    """Rows of several experiments.

    Args:
        columns: `(rows,)` by name.
        y: the target, `(rows,)`.
        weight: of squared residuals, `(rows,)`; None for equal weights.
        readout: whether errors are additive or relative.
        codes: the experiment of each row, `(rows,)`, from 0.
        count: how many experiments there are.
    """

    columns: Mapping[str, Float[np.ndarray, " rows"]]
    y: Float[np.ndarray, " rows"]
    weight: Float[np.ndarray, " rows"] | None
    readout: Readout
    codes: Int[np.ndarray, " rows"]
    count: int

    def rows(self, pick: Any) -> "Experiments":
        """Return some of the rows."""
        columns = {name: values[pick] for name, values in self.columns.items()}
        weight = None if self.weight is None else self.weight[pick]
        return Experiments(columns, self.y[pick], weight, self.readout, self.codes[pick], self.count)

    @cached_property
    def sizes(self) -> Int[np.ndarray, " experiments"]:
        """How many rows each experiment has."""
        return np.bincount(self.codes, minlength=self.count)

    @cached_property
    def variance(self) -> float:
        """Variance of the target in the error model's units."""
        return target_variance(self.y, self.weight, self.readout)

    def problem(self, expr: Expr, parameters: Sequence[str] = ()) -> Residuals:
        """Return residuals as a function of the constants of a formula, and of parameters after them."""
        return residuals(expr, self.columns, self.y, self.weight, self.readout, parameters)


@dataclass(frozen=True, eq=False)
class Tied:
    """A form fitted to several experiments.

    Args:
        expr: formula of columns and parameters; its fitted constants are shared by all experiments.
        parameters: names of the constants of each experiment.
        values, errors: of them, `(experiments, parameters)`.
        relative: mean square of what is left, over the target's variance.
        bits: description length of form, constants and what is left.
    """

    expr: Expr
    parameters: tuple[str, ...]
    values: Float[np.ndarray, "experiments parameters"]
    errors: Float[np.ndarray, "experiments parameters"]
    relative: float
    bits: float

    def columns(self, codes: Int[np.ndarray, " rows"]) -> dict[str, Float[np.ndarray, " rows"]]:
        """Return each parameter as a column of rows that belong to the experiments `codes`."""
        return {name: self.values[codes, k] for k, name in enumerate(self.parameters)}


def tied(expr: Expr, parameters: Sequence[str], start: Any, rows: Experiments) -> Tied | None:
    """Return a formula with its constants and parameters fitted to all experiments at once; None if undefined there.

    Args:
        expr: formula of columns and parameters.
        parameters: symbols that are constants of each experiment.
        start: their values to begin with, `(experiments, parameters)`.
        rows: the experiments.
    """
    begin = np.concatenate([[c.value for c in constants(expr)], np.ravel(np.transpose(start))]).astype(float)
    problem = _spread(rows.problem(expr, parameters), len(begin) - np.size(start), rows)
    solved = solve(problem, begin, LM_STEPS, robust=False)
    if not np.isfinite(solved.mean_square):
        return None
    n = len(begin) - np.size(start)
    shared = [Constant(float(v), float(e)) for v, e in zip(solved.values[:n], solved.errors[:n], strict=True)]
    values, errors = (
        array[n:].reshape(len(parameters), rows.count).T for array in (solved.values, solved.errors)
    )
    relative = solved.mean_square / rows.variance
    return Tied(
        with_constants(expr, shared),
        tuple(parameters),
        values,
        errors,
        relative,
        _bits(expr, parameters, relative, rows),
    )


def _spread(problem: Residuals, n_shared: int, rows: Experiments) -> Residuals:
    """Return residuals in which each parameter has one value for each experiment."""
    inner, belongs = problem.law, np.arange(rows.count)[:, None] == rows.codes

    def step(values: np.ndarray) -> tuple[Any, Slopes]:
        own = values[n_shared:].reshape(-1, rows.count)
        # A row of values for each constant, of numbers for each row of the table.
        shared = np.broadcast_to(values[:n_shared, None], (n_shared, len(rows.codes)))
        value, slopes = inner.step(np.concatenate([shared, own[:, rows.codes]]))
        told: Slopes = {}
        for place, slope in slopes.items():
            if place < n_shared:
                told[place] = slope
            else:
                first = n_shared + (place - n_shared) * rows.count
                told |= {first + g: slope * belongs[g] for g in range(rows.count)}
        return value, told

    n = n_shared + (inner.n_constants - n_shared) * rows.count
    return Residuals(Tape(step, inner.n_rows, n), problem.y, problem.root_weight, problem.readout)


def _bits(expr: Expr, parameters: Sequence[str], relative: float, rows: Experiments) -> float:
    """Return the description length; a number of an experiment costs more where there are not many rows for each.

    Half the logarithm of its rows (Schwarz) is too little for few rows: the second price is Akaike's, corrected
    for the numbers that the fit has swallowed (Hurvich and Tsai, Biometrika 76, 297, 1989).
    """
    n, count = len(rows.y), len(constants(expr)) + rows.count * len(parameters)
    if n - count <= 1:
        return float("inf")
    corrected = np.log2(np.e) * n / (n - count - 1)
    each = np.maximum(0.5 * np.log2(np.maximum(rows.sizes, 1)), corrected)
    own = len(parameters) * (BITS_OF_A_NUMBER + float(each.sum()))
    return 0.5 * n * float(np.log2(relative + EXACT)) + structure_bits(expr, n, len(rows.columns)) + own


def each_alone(form: Expr, rows: Experiments, home: int) -> Float[np.ndarray, "experiments constants"]:
    """Return the constants of a form fitted to each experiment alone.

    Args:
        form: its constants are those of the experiment in which it was found.
        rows: the experiments.
        home: that experiment.
    """
    own = np.asarray([c.value for c in constants(form)])
    values = np.tile(own, (rows.count, 1))
    known, least = [own], np.inf
    for g in sorted(range(rows.count), key=lambda g: (g != home, -rows.sizes[g])):
        if rows.sizes[g] <= len(own):
            continue
        part = rows.rows(rows.codes == g)
        problem = part.problem(form)
        best = min(
            (solve(problem, start, LM_STEPS, robust=False) for start in (own, *known[-N_NEIGHBOURS:])),
            key=lambda s: s.mean_square if np.isfinite(s.mean_square) else np.inf,
        )
        best = _thorough(problem, best, own, MUCH_WORSE**2 * least)
        if np.isfinite(best.mean_square):
            values[g] = best.values
            least = min(least, max(best.mean_square, EXACT * rows.variance))
            known.append(best.values)
    return values


def _thorough(problem: Residuals, best: Solved, own: np.ndarray, limit: float) -> Solved:
    """Return a better point from many starts where the one at hand leaves more than the limit."""
    if best.mean_square <= limit:
        return best
    other = solve_thoroughly(problem, own, N_STARTS)
    is_better = not np.isfinite(best.mean_square) or other.mean_square < best.mean_square
    return other if is_better else best


def shared_constants(form: Expr, values: Any, names: Sequence[str], rows: Experiments) -> Tied | None:
    """Return a form with as many shared constants as pay for themselves in bits, starting from none.

    Args:
        form: its constants stand for all; `values` replace them.
        values: constants of each experiment, `(experiments, constants)`.
        names: for the parameters, one for each constant of the form.
        rows: the experiments.
    """
    own = list(range(len(constants(form))))
    best = _with_own(form, values, own, names, rows)
    while best is not None and own:
        trials = [[k for k in own if k != shared] for shared in own]
        found = [(_with_own(form, values, trial, names, rows), trial) for trial in trials]
        usable = [(t, trial) for t, trial in found if t is not None]
        if not usable:
            break
        candidate, trial = min(usable, key=lambda item: item[0].bits)
        if candidate.bits >= best.bits:
            break
        best, own = candidate, trial
    return best


def _with_own(
    form: Expr, values: Any, own: Sequence[int], names: Sequence[str], rows: Experiments
) -> Tied | None:
    """Return the form fitted with the constants numbered `own` of each experiment, the others shared."""
    middle = np.median(values, axis=0)
    trees = [Symbol(names[k]) if k in own else Constant(float(middle[k])) for k in range(len(names))]
    return tied(with_constants(form, trees), [names[k] for k in own], values[:, list(own)], rows)


def related(fitted: Tied, rows: Experiments) -> Tied:
    """Return the fit with parameters that go together told by one of them and a shared constant, if that saves bits.

    A form may share not a constant but the ratio or the product of two: v x/(k + x), written x/(a + b x).
    """
    best, searching = fitted, True
    while searching:
        searching = False
        for gone, kept in permutations(range(len(best.parameters)), 2):
            again = _joined(best, gone, kept, rows)
            if again is not None and again.bits < best.bits:
                best, searching = again, True
                break
    return best


def _joined(best: Tied, gone: int, kept: int, rows: Experiments) -> Tied | None:
    """Return the better fit with one parameter as a shared multiple of another, or of its inverse."""
    others = [k for k in range(len(best.parameters)) if k != gone]
    names, symbol = [best.parameters[k] for k in others], Symbol(best.parameters[kept])
    fits = []
    for exponent in (1, -1):
        with np.errstate(all="ignore"):
            ratio = float(np.median(best.values[:, gone] / best.values[:, kept] ** exponent))
        if np.isfinite(ratio) and ratio != 0:
            expr = substitute(best.expr, {best.parameters[gone]: Constant(ratio) * symbol**exponent})
            # In its natural form: a factor that all terms share counts once.
            fits.append(tied(simplify(expr), names, best.values[:, others], rows))
    return min((t for t in fits if t is not None), key=lambda t: t.bits, default=None)


def without_powers(fitted: Tied) -> Tied:
    """Return the fit with c instead of c**n, for parameters that stand in one power only."""
    for k, name in enumerate(fitted.parameters):
        exponents = set(_exponents(fitted.expr, name))
        if len(exponents) != 1 or (e := exponents.pop()) is None or e == 1:
            continue
        expr = _stripped(fitted.expr, name)
        values, errors = fitted.values.copy(), fitted.errors.copy()
        with np.errstate(all="ignore"):
            values[:, k] = fitted.values[:, k] ** float(e)
            errors[:, k] = np.abs(float(e) * values[:, k] / fitted.values[:, k]) * fitted.errors[:, k]
        if np.isfinite(values).all():
            fitted = replace(fitted, expr=expr, values=values, errors=errors)
    return fitted


def _exponents(expr: Expr, name: str) -> Iterator[Fraction | None]:
    """Yield the power in which a symbol stands, at each of its places; None for one that is no number."""
    if expr == Symbol(name):
        yield Fraction(1)
    elif isinstance(expr, Pow) and expr.base == Symbol(name):
        yield exact(expr.exponent)
        yield from _exponents(expr.exponent, name)
    else:
        for part in children(expr):
            yield from _exponents(part, name)


def _stripped(expr: Expr, name: str) -> Expr:
    if isinstance(expr, Pow) and expr.base == Symbol(name):
        return expr.base
    return map_children(expr, lambda part: _stripped(part, name))


def snapped(fitted: Tied, rows: Experiments) -> Tied:
    """Return the fit with shared constants made simple numbers where the data of all experiments support it."""
    latest = fitted

    def fit(expr: Expr) -> Refit:
        nonlocal latest
        again = tied(expr, fitted.parameters, latest.values, rows)
        if again is None:
            return Refit(expr, np.inf, np.zeros((0, 0)), False)
        latest = again
        return Refit(again.expr, again.relative * rows.variance, np.zeros((0, 0)), True)

    found = snap_by(fit, fitted.expr, rows.variance, len(rows.y))
    again = tied(found.expr, fitted.parameters, latest.values, rows)
    return fitted if again is None else again
