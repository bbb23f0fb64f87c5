"""Moving and refining the knots of a KAN."""

from typing import Any

import numpy as np

from scikan.core import bspline
from scikan.core.checks import check_rows
from scikan.core.dataset import Dataset
from scikan.core.errors import SettingError
from scikan.core.kan import KAN
from scikan.core.layer import Layer
from scikan.core.precision import numpy_leaves
from scikan.core.trees import updated


def refine(model: KAN, grid: int) -> KAN:
    """Return the same function on `grid` intervals an edge.

    When `grid` is a multiple of the present number, knots are inserted and the function is kept to rounding;
    otherwise the new splines are the nearest by least squares.

    Raises:
        SettingError: if `grid` is no integer from 1 on.
    """
    if not isinstance(grid, int | np.integer) or grid < 1:
        raise SettingError(f"refine was asked for {grid} intervals.", fix="refine(model, grid=10).")
    model = numpy_leaves(model)
    layers = tuple(
        _with_knots(layer, bspline.resample_knots(_knots(layer), layer.splines.k, grid))
        for layer in model.layers
    )
    finer: KAN = updated(lambda m: m.layers, model, layers)
    return finer


def _knots(layer: Layer) -> Any:
    return np.asarray(layer.splines.knots, float)


def _with_knots(layer: Layer, knots: Any) -> Layer:
    splines = layer.splines
    coef = bspline.transfer(np.asarray(splines.coef, float), _knots(layer), knots, splines.k)
    dtype = splines.coef.dtype
    return updated(
        lambda l: (l.splines.knots, l.splines.coef), layer, (knots.astype(dtype), coef.astype(dtype))
    )


def update_grid(
    model: KAN, data: Dataset | np.ndarray, *, adaptive: float = 0.0, margin: float = 0.02
) -> KAN:
    """Return the model with every grid laid over the values it sees, its splines projected onto it.

    Args:
        data: a `Dataset` (training rows) or raw columns (batch, columns).
        adaptive: 0 for uniform intervals, 1 for quantiles of the values, in between a mixture.
        margin: fraction of the values' range added at both ends.

    The projection is least squares over the values, so it can change the function a little where curves are
    rough; `fit` repairs that.
    """
    rows = data.train_x if isinstance(data, Dataset) else np.asarray(data, float)
    model = numpy_leaves(model)
    values = np.asarray(model.features(check_rows(model._check(rows), model.names)), float)
    layers = []
    for layer in model.layers:
        layers.append(_laid_over(layer, values, adaptive, margin))
        with np.errstate(all="ignore"):
            values = np.asarray(layers[-1](values), float)
    moved: KAN = updated(lambda m: m.layers, model, tuple(layers))
    return moved


def _laid_over(layer: Layer, values: Any, adaptive: float, margin: float) -> Layer:
    splines = layer.splines
    if not np.all(np.isfinite(values)):
        return layer
    knots = bspline.sample_knots(values, splines.grid, splines.k, adaptive, margin)
    low, high = bspline.grid_ends(knots, splines.k)
    points = np.linspace(low, high, 16 * splines.grid)
    curves = np.einsum(
        "nig,igo->nio", bspline.features(points, _knots(layer), splines.k), np.asarray(splines.coef, float)
    )
    coef = bspline.fit_coefficients(points, curves, knots, splines.k)
    dtype = splines.coef.dtype
    return updated(
        lambda l: (l.splines.knots, l.splines.coef), layer, (knots.astype(dtype), coef.astype(dtype))
    )
