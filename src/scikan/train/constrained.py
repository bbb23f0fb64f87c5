"""Fits that know how an edge runs: increasing, decreasing, positive, even, odd or periodic, exactly.

A spline is increasing if its coefficients are, and positive if they are; it is even or odd about the middle of its grid
if they are. The coefficients are brought there after every few steps, and at the end held while all other edges settle.
"""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from scipy.optimize import isotonic_regression

from scikan.core.errors import SettingError
from scikan.core.kan import KAN, EdgeAddress
from scikan.core.precision import numpy_leaves
from scikan.core.trees import updated
from scikan.edit.expansion import lock
from scikan.train.fit import fit


Shape = Literal["increasing", "decreasing", "positive", "even", "odd", "periodic"]
SHAPES: tuple[Shape, ...] = ("increasing", "decreasing", "positive", "even", "odd", "periodic")

ROUNDS = 6
_SAME = 1e-9


def constrain(model: KAN, shapes: Mapping[EdgeAddress, Shape]) -> KAN:
    """Return the model with edges brought to their shapes: the nearest coefficients that have it.

    "positive" and "increasing" hold on the edge's grid by the coefficients, which is sufficient though not necessary;
    beyond the grid edges go on as straight lines. "even" and "odd" are about the middle of the grid; the period of
    "periodic" is the grid's length.

    Args:
        shapes: "increasing", "decreasing", "positive", "even", "odd" or "periodic" by the address of a spline edge.

    Raises:
        SettingError: no such shape or edge, an edge that is no spline, or a grid that is not symmetric (not uniform).
    """
    model = numpy_leaves(model)
    layers = list(model.layers)
    for address, shape in shapes.items():
        l, i, j = model.check_address(address)
        if shape not in SHAPES:
            raise SettingError(f"There is no shape {shape!r}.", fix=f"choose from {', '.join(SHAPES)}.")
        if model[l, i, j].kind != "spline":
            raise SettingError(
                f"Edge {(l, i, j)} is {model[l, i, j].kind}; only a spline takes a shape.",
                fix="unfix_symbolic(model, edge) first.",
            )
        splines = layers[l].splines
        coef = np.array(splines.coef)
        coef[i, :, j] = _shaped(coef[i, :, j], np.asarray(splines.knots[i]), splines.k, shape)
        layers[l] = updated(lambda m: m.splines.coef, layers[l], coef)
    bent: KAN = updated(lambda m: m.layers, model, tuple(layers))
    return bent


def _shaped(coef: Any, knots: Any, k: int, shape: Shape) -> Any:
    if shape == "positive":
        return np.maximum(coef, 0.0)
    if shape in ("increasing", "decreasing"):
        return isotonic_regression(coef, increasing=shape == "increasing").x
    steps = np.diff(knots)
    if shape == "periodic":
        if np.ptp(steps) > _SAME * np.ptp(knots):
            raise SettingError(
                "The grid of the edge is not uniform, so the edge cannot be periodic.",
                fix="lay the grid by the domain and fit with grid=None.",
            )
        # Basis functions that lie a period apart share one coefficient.
        ends = (coef[:k] + coef[-k:]) / 2
        return np.concatenate([ends, coef[k:-k], ends])
    if np.abs(steps - steps[::-1]).max() > _SAME * np.ptp(knots):
        raise SettingError(
            f"The grid of the edge is not symmetric, so the edge cannot be {shape}.",
            fix="use a symmetric domain and fit with grid=None.",
        )
    return (coef + coef[::-1]) / 2 if shape == "even" else (coef - coef[::-1]) / 2


def fit_constrained(
    model: KAN, data: Any, shapes: Mapping[EdgeAddress, Shape], *, steps: int = 60, **options: Any
) -> tuple[KAN, float]:
    """Return the model fitted with some edges of a given shape, and its root mean square error on the rows.

    Fits and projections take turns; at the end the shaped edges are held and all others settle, so that the shapes hold
    exactly. The grids stay as they are.

    Args:
        model, data: as in `fit`.
        shapes: as in `constrain`.
        steps: of Levenberg-Marquardt in all.
        options: further arguments of `fit`, such as `penalty`.

    Raises:
        SettingError: as in `constrain` and `fit`.
    """
    each = max(1, steps // (ROUNDS + 1))
    free = model
    model = constrain(model, shapes)
    for _ in range(ROUNDS):
        model, _ = fit(model, data, steps=each, grid=None, **options)
        model = constrain(model, shapes)
    held, log = fit(lock(model, shapes), data, steps=each, grid=None, **options)
    layers = tuple(
        updated(lambda m: m.locked, layer, np.array(old.locked))
        for layer, old in zip(held.layers, free.layers, strict=True)
    )
    return updated(lambda m: m.layers, held, layers), float(np.sqrt(np.min(log.train)))
