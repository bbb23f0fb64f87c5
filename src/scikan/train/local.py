r"""New rows learnt by the smallest change: what no new row reaches stays as it is, to the last bit.

A spline is nonzero on k + 1 intervals, so a row moves k + 1 coefficients of each edge and no others. The last layer is
linear in its coefficients, and $\min \|\delta\|$ subject to the new rows being fitted best is one least squares. Rows
learnt before are neither kept nor needed (Liu et al. 2024, section 3.4, on continual learning).
"""

from typing import Any

import numpy as np

from scikan.core.checks import check_matrix, check_same_rows, check_target
from scikan.core.errors import SettingError
from scikan.core.kan import KAN
from scikan.core.precision import numpy_leaves
from scikan.core.trees import updated


DROP = 1e-10
"""Directions of the coefficients that new rows reach less than this, relative to the most, are left alone."""


def learn_locally(model: KAN, x: Any, y: Any) -> KAN:
    """Return the network with the splines of its last layer changed least, so that it fits new rows best.

    Every other layer, and every coefficient that no new row reaches, is unchanged. `fit` does otherwise: it keeps
    cells without rows straight, and so forgets what it learnt there.

    Args:
        model: its last layer sums (no products), and its readout can be inverted; it is not changed.
        x: new rows, (rows, columns).
        y: their targets, (rows,) or (rows, outputs).

    Raises:
        ShapeError, TableError: rows that are no finite table, or not as many targets.
        SettingError: a last layer with product nodes, or without splines.

    Example:
        >>> model = KAN([1, 1], grid=200)
        >>> for rows, targets in phases:
        ...     model = learn_locally(model, rows, targets)
    """
    model = numpy_leaves(model)
    rows = check_matrix(x, model.names)
    wanted = check_target(y, model.targets)
    check_same_rows(rows, wanted)
    layer = model.layers[-1]
    if layer.nodes.arities:
        raise SettingError(
            "The last layer multiplies, so its output is not linear in its splines.",
            fix="use a last layer of sums: KAN([..., 1]), not KAN([..., (0, 1)]).",
        )
    on = layer.splines.mask * layer.splines.allowed != 0
    if not on.any():
        raise SettingError("The last layer has no spline that could change.", fix="unfix an edge first.")
    trace = model.trace(rows)
    before = trace.layers[-1].nodes
    inputs = trace.layers[-2].nodes if len(model.layers) > 1 else trace.inputs
    basis = np.asarray(layer.splines.features(inputs))[:, :, : layer.splines.coef.shape[1]]
    lacking = (np.asarray(model.readout.inverse()(wanted)) - before) / (
        layer.nodes.scale * layer.nodes.sub_scale
    )
    coef = np.array(layer.splines.coef)
    for j in range(coef.shape[2]):
        live = on[:, j]
        laid = basis[:, live].reshape(len(rows), -1)
        reached = np.any(laid != 0, axis=0)
        change = np.zeros(laid.shape[1])
        change[reached] = np.linalg.lstsq(laid[:, reached], lacking[:, j], rcond=DROP)[0]
        coef[live, :, j] += change.reshape(int(live.sum()), -1)
    return updated(lambda m: m.layers[-1].splines.coef, model, coef.astype(model.dtype))
