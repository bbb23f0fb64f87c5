"""A model with named parameters fitted to data: each may stand in many places, as people write models."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from scikan.core.errors import FormulaError, SettingError
from scikan.core.expr import Constant, Expr, evaluate, substitute, symbols
from scikan.law.input_errors import InputErrors, blur, distances, own_error
from scikan.law.refitting import Problem, Readout, Solved, residuals, solve
from scikan.law.restarts import STARTS, solve_thoroughly


@dataclass(frozen=True, eq=False)
class Parameters:
    """A fitted model.

    Args:
        expr: the model with its parameters as fitted constants (their standard errors with them).
        values: of the parameters, by name.
        errors: their standard errors, by name.
        covariance: `(n, n)`, in the order of `values`.
        mean_square: weighted mean square of the residuals.
        converged: whether the gradient vanishes there.
    """

    expr: Expr
    values: dict[str, float]
    errors: dict[str, float]
    covariance: np.ndarray
    mean_square: float
    converged: bool


def fit_parameters(
    model: Expr,
    columns: Mapping[str, Any],
    y: Any,
    start: Mapping[str, float],
    weight: Any = None,
    readout: Readout = "linear",
    starts: int = STARTS,
    input_sigma: Mapping[str, Any] | None = None,
) -> Parameters:
    """Return the model with its parameters at the best least-squares point found.

    Args:
        model: a formula of columns and parameters, such as `kn.parse("a*exp(-b*x) + b")`; decimals in it stay fixed.
        columns: arrays of shape `(N,)`, by name.
        y: the target, `(N,)`.
        start: the parameters and where the search begins.
        weight, readout: as in `refit`.
        starts: how many multiples of the starting values are tried beside them (see `law.restarts`).
        input_sigma: standard deviations of the columns' errors by name, a number or `(N,)` (see `law.input_errors`).
            Weights then are the target's 1/sigma**2, and not their ratios alone; without any, the target's own error
            is estimated from what the residuals show beyond the columns' errors.

    Raises:
        FormulaError: the model has fitted constants, or lacks a parameter.
        SettingError: errors of columns beside relative errors of the target.
        ShapeError, SettingError, ColumnError: as `refit` does.
    """
    if lacking := [name for name in start if name not in symbols(model)]:
        raise FormulaError(f"The model {model} has no {lacking}.", fix="leave them out of `start`.")
    problem = residuals(model, columns, y, weight, readout, tuple(start))
    if problem.law.n_constants != len(start):
        raise FormulaError("The model has fitted constants.", fix="read it without `constants=True`.")
    solved = solve_thoroughly(problem, np.array(list(start.values()), dtype=float), starts)
    if input_sigma:
        if readout == "log":
            raise SettingError(
                "Errors of columns are known beside additive errors.", fix='use readout="linear".'
            )
        solved = _by_distance(model, columns, y, tuple(start), solved, weight, input_sigma)
    fitted = dict(zip(start, map(Constant, solved.values.tolist(), solved.errors.tolist()), strict=True))
    return Parameters(
        substitute(model, fitted),
        {name: constant.value for name, constant in fitted.items()},
        {name: constant.error for name, constant in fitted.items()},
        solved.covariance,
        solved.mean_square,
        solved.converged,
    )


ROUNDS = 3
"""How often the target's own error is estimated from a fit and the fit repeated with it."""


def _by_distance(
    model: Expr,
    columns: Mapping[str, Any],
    y: Any,
    names: tuple[str, ...],
    solved: Solved,
    weight: Any,
    input_sigma: Mapping[str, Any],
) -> Solved:
    """Return the parameters to which the rows are nearest, from those of an ordinary fit."""
    target = np.asarray(y, dtype=float)
    sizes = {
        name: np.broadcast_to(np.asarray(s, dtype=float), target.shape) for name, s in input_sigma.items()
    }
    for _ in range(ROUNDS if weight is None else 1):
        if weight is None:
            law = substitute(model, dict(zip(names, map(Constant, solved.values.tolist()), strict=True)))
            residual = target - evaluate(law, columns)
            own = own_error(residual, blur(law, columns, sizes), target)
        else:
            own = np.asarray(weight, dtype=float) ** -0.5
        problem: Problem = distances(model, columns, target, InputErrors(sizes, own), names)
        solved = solve(problem, solved.values)
    return solved
