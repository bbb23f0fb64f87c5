"""A model with named parameters fitted to data: each may stand in many places, as people write models."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from scikan.core.errors import FormulaError
from scikan.core.expr import Constant, Expr, substitute, symbols
from scikan.law.refitting import Readout, residuals
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
) -> Parameters:
    """Return the model with its parameters at the best least-squares point found.

    Args:
        model: a formula of columns and parameters, such as `kn.parse("a*exp(-b*x) + b")`; decimals in it stay fixed.
        columns: arrays of shape `(N,)`, by name.
        y: the target, `(N,)`.
        start: the parameters and where the search begins.
        weight, readout: as in `refit`.
        starts: how many multiples of the starting values are tried beside them (see `law.restarts`).

    Raises:
        FormulaError: the model has fitted constants, or lacks a parameter.
        ShapeError, SettingError, ColumnError: as `refit` does.
    """
    if lacking := [name for name in start if name not in symbols(model)]:
        raise FormulaError(f"The model {model} has no {lacking}.", fix="leave them out of `start`.")
    problem = residuals(model, columns, y, weight, readout, tuple(start))
    if problem.law.n_constants != len(start):
        raise FormulaError("The model has fitted constants.", fix="read it without `constants=True`.")
    solved = solve_thoroughly(problem, np.array(list(start.values()), dtype=float), starts)
    fitted = dict(zip(start, map(Constant, solved.values.tolist(), solved.errors.tolist()), strict=True))
    return Parameters(
        substitute(model, fitted),
        {name: constant.value for name, constant in fitted.items()},
        {name: constant.error for name, constant in fitted.items()},
        solved.covariance,
        solved.mean_square,
        solved.converged,
    )
