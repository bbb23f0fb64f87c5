"""The closed form of a solution: names for its curves, constants by the equation itself, and the proof by substitution.

network of products of curves, or a table of u -> formulas (`auto_symbolic`, then `discover`)
-> constants by least squares on the equation and its conditions, simple numbers where these say so
-> a formula is the solution if nothing is left of the equation and the conditions at points of their own
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from scikan.core.dataset import Dataset
from scikan.core.errors import CompileError, NotSymbolicError, TrainingError
from scikan.core.expr import (
    ZERO,
    Constant,
    Expr,
    Symbol,
    complexity,
    constants,
    differentiate,
    evaluate,
    with_constants,
)
from scikan.core.kan import KAN
from scikan.discovery.discover import Config, discover
from scikan.law.record import Law
from scikan.law.refitting import Refit, refitted, solve
from scikan.law.shortening import shortened
from scikan.law.simplify import simplify
from scikan.law.snapping import simplest_number, snap_by
from scikan.physics.collocation import Derived, Equation, Points
from scikan.symbolic.formula import formula
from scikan.symbolic.kanpiler import kanpiler
from scikan.symbolic.naming import auto_symbolic


EXACT = 1e-9
"""What may be left of the equation, of its largest part, and of the conditions, in units of u's size."""

NEAR = 1e-6
"""Relative distance of a constant from a simple number, absolute from zero, within which the number is tried."""

ROWS = 400
TARGET = "u"


@dataclass(frozen=True, eq=False)
class ClosedForm:
    """A formula that solves an equation.

    Args:
        law: u by the variables.
        model: the law as a KAN.
        residual: rms left of the equation over the rms of its largest part, at points that no fit has read.
        condition_error: rms left of the conditions, in the unit of u.
    """

    law: Law
    model: KAN
    residual: float
    condition_error: float

    def __str__(self) -> str:
        return (
            f"{self.law} leaves {self.residual:.1g} of the equation and misses the conditions by "
            f"{self.condition_error:.1g}."
        )


def closed_form(
    equation: Equation, solution: Derived, network: KAN | None, seconds: float, seed: int
) -> ClosedForm | None:
    """Return the formula of a solution that is known in splines, or None.

    Args:
        equation: what the formula must solve.
        solution: in splines.
        network: the solution as products of curves, if it is few of them.
        seconds: of the search for a formula where the curves have no names; 0 for none.
        seed: of the points.
    """
    rng = np.random.default_rng(seed)
    at, unseen = (equation.inside(rng.uniform(size=(n, 2))) for n in (ROWS, 5 * ROWS))
    size = equation.size(solution, at)
    for expr in _candidates(equation, solution, network, at, seconds, seed):
        # Simple numbers need no proof but the equation: it is put to them first.
        for form in dict.fromkeys((_with_simple_numbers(expr), expr)):
            try:
                found = _judged(_fitted(form, equation, at, size), equation, unseen)
            except (CompileError, TrainingError):  # Not defined in the whole box.
                continue
            if found is not None:
                return _shortened(found, equation, at, unseen, size)
    return None


def _shortened(found: ClosedForm, equation: Equation, at: Points, unseen: Points, size: float) -> ClosedForm:
    """Return a solution without parts that it does not need: A/(1 + A exp(z)) with a huge A is exp(-z).

    Where all constants are simple numbers there are none.
    """
    if not constants(found.law.expression):
        return found

    def judge(expr: Expr) -> tuple[float, Expr] | None:
        try:
            shorter = _judged(_fitted(expr, equation, at, size), equation, unseen)
        except (CompileError, TrainingError):
            return None
        return (
            None if shorter is None else (float(complexity(shorter.law.expression)), shorter.law.expression)
        )

    return _judged(shortened(found.law.expression, judge), equation, unseen) or found


def _candidates(
    equation: Equation, solution: Derived, network: KAN | None, at: Points, seconds: float, seed: int
) -> Iterator[Expr]:
    """Yield formulas that say u nearly, the likely ones first."""
    data = Dataset.from_arrays(
        at, solution(at, ""), names=equation.names, targets=(TARGET,), test=0.1, key=seed
    )
    if network is not None:
        try:
            yield formula(auto_symbolic(network, data, key=seed)[0]).expression
        except NotSymbolicError:
            pass
    if seconds > 0:
        found = discover(data, Config(seconds=seconds, key=seed))
        yield from (proposal.expression for proposal in found.front)


def _with_simple_numbers(expr: Expr) -> Expr:
    """Return a formula with its constants replaced where a simple number is as near as splines can tell."""

    def near(value: float) -> Expr:
        if abs(value) < NEAR:
            return ZERO
        found = simplest_number(value, NEAR * abs(value))
        return Constant(value) if found is None else found[0]

    return simplify(with_constants(expr, [near(c.value) for c in constants(expr)]))


def _fitted(expr: Expr, equation: Equation, at: Points, size: float) -> Expr:
    """Return a formula with its constants by the equation and the conditions, simple where these say so."""

    def fit(tree: Expr) -> Refit:
        found = constants(tree)
        problem = _Constants(tree, equation, at, size)
        values = np.array([c.value for c in found])
        if not found:
            left = problem(values)[0]
            return Refit(tree, float(np.mean(left**2)), np.zeros((0, 0)), True)
        return refitted(tree, solve(problem, values))

    return simplify(snap_by(fit, expr, 1.0, len(at) + len(equation.places)).expr)


def _judged(expr: Expr, equation: Equation, unseen: Points) -> ClosedForm | None:
    function = _derived(expr, equation.names)
    residual, missed = equation.relative(function, unseen), equation.missed(function)
    size = max(float(np.abs(function(unseen, "")).max()), float(np.abs(equation.values).max()))
    if not (residual <= EXACT and missed <= EXACT * size):
        return None
    law = Law((expr,), (TARGET,), equation.names, domain=equation.box)
    model = kanpiler(law.expressions, law.names, domain=equation.box, targets=law.targets)
    return ClosedForm(law, model, residual, missed)


def _derived(expr: Expr, names: Sequence[str]) -> Derived:
    def function(at: Points, derivative: str) -> np.ndarray:
        return np.asarray(evaluate(_derivative(expr, derivative), dict(zip(names, at.T, strict=True))))

    return function


def _derivative(expr: Expr, derivative: str) -> Expr:
    for name in derivative:
        expr = differentiate(expr, name)
    return expr


class _Constants:
    """The equation and its conditions as least squares in a formula's constants: `refitting.Problem`."""

    scale = 1.0

    def __init__(self, expr: Expr, equation: Equation, at: Points, size: float) -> None:
        # Constants become columns of names that no variable has: those are one letter long.
        self.symbols = [f"c{n}" for n in range(len(constants(expr)))]
        open_form = with_constants(expr, [Symbol(name) for name in self.symbols])
        self.equation, self.at, self.size = equation, at, size
        self.jet = [self._with_slopes(_derivative(open_form, d)) for d in equation.derivatives]
        self.value = self._with_slopes(open_form)

    def _with_slopes(self, expr: Expr) -> tuple[Expr, list[Expr]]:
        return expr, [differentiate(expr, name) for name in self.symbols]

    def __call__(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        pairs = [self._at(self.at, entry, values) for entry in self.jet]
        jet = np.stack([value for value, _ in pairs], axis=1)
        left, slopes = self.equation.at(self.at, np.nan_to_num(jet, nan=1e30, posinf=1e30, neginf=-1e30))
        with np.errstate(all="ignore"):
            inside = sum(slopes[:, [n]] * by for n, (_, by) in enumerate(pairs))
        held, by = self._at(self.equation.places, self.value, values)
        unit = float(np.abs(self.equation.values).max()) or 1.0
        residual = np.concatenate([left / self.size, (held - self.equation.values) / unit])
        return residual, np.concatenate([np.asarray(inside) / self.size, by / unit])

    def _at(
        self, at: Points, entry: tuple[Expr, list[Expr]], values: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        columns = dict(zip(self.equation.names, at.T, strict=True))
        columns |= {name: np.full(len(at), v) for name, v in zip(self.symbols, values, strict=True)}
        by = [np.asarray(evaluate(slope, columns)) for slope in entry[1]]
        slopes = np.stack(by, axis=1) if by else np.zeros((len(at), 0))
        return np.asarray(evaluate(entry[0], columns)), slopes
