"""A spline for F' where the wanted form asks how F' changes along s: Levenberg-Marquardt in its coefficients."""

from typing import TYPE_CHECKING

import numpy as np

from scikan.core.errors import SettingError
from scikan.physics.terms import DEGREE
from scikan.train.linear import knots_of, spline_columns


if TYPE_CHECKING:
    from scikan.physics.symmetry import Change


GRID = 20
STEPS = 40


def smooth_slope(change: "Change", start: float) -> tuple[np.ndarray, np.ndarray]:
    """Return F' and its slope at every sample, (rows,) each, from F' = start everywhere.

    Raises:
        SettingError: parameters are given; a spline of one variable cannot follow them.
    """
    if change.parameters:
        raise SettingError(
            "This form asks how F' changes along s, and parameters differ from sample to sample.",
            fix="write fixed parameters into the metric itself.",
        )
    knots = knots_of(change.s, GRID, DEGREE, 0.0)
    values, slopes = (spline_columns(change.s, knots, DEGREE, n) for n in (0, 1))
    coef = np.full(values.shape[1], start)
    residual, by_u, by_du = change.at(values @ coef, slopes @ coef)
    cost, damping = float(np.sum(residual**2)), 1e-3
    for _ in range(STEPS):
        jacobian = (by_u[:, :, None] * values[:, None] + by_du[:, :, None] * slopes[:, None]).reshape(
            -1, len(coef)
        )
        normal, gradient = jacobian.T @ jacobian, jacobian.T @ residual.ravel()
        scale = np.diag(np.diag(normal) + 1e-12 * np.trace(normal))
        trial = coef - np.linalg.solve(normal + damping * scale, gradient)
        after = change.at(values @ trial, slopes @ trial)
        lower = float(np.sum(after[0] ** 2))
        if lower < cost:
            small = cost - lower < 1e-9 * cost
            coef, (residual, by_u, by_du), cost, damping = trial, after, lower, max(damping / 30, 1e-14)
            if small:
                break
        else:
            damping *= 10
            if damping > 1e6:
                break
    return values @ coef, slopes @ coef
