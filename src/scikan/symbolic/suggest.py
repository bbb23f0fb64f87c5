"""Ask for, set and take back the name of one edge. Nothing here changes what it is asked about."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from scikan.core import bspline
from scikan.core.dataset import Dataset
from scikan.core.errors import SettingError
from scikan.core.functions import LIBRARY, Function, Library
from scikan.core.kan import KAN, EdgeAddress
from scikan.core.precision import numpy_leaves
from scikan.core.samples import evenly
from scikan.core.trees import updated
from scikan.edit.growth import Name, name_edge, replace_layer
from scikan.symbolic.fitting import fit_curves


@dataclass(frozen=True)
class Suggestion:
    """A name for an edge: c f(a x + b) + d with its R^2 on the edge's curve, and bits (fewer are better).

    Bits are those of the residual, N/2 log2(1 - R^2), and 8 for each step of the function's complexity.
    """

    function: Function
    affine: tuple[float, float, float, float]
    r2: float
    bits: float

    @property
    def name(self) -> str:
        """The function's name in the library."""
        return self.function.name


BITS_PER_COMPLEXITY = 8.0
FINEST_MISFIT = 1e-14


def edge_curve(model: KAN, address: EdgeAddress, inputs: Any, points: int = 400) -> tuple[Any, Any]:
    """Return (x, y) samples of an edge at values it sees, (points,) each, sorted by x.

    Args:
        inputs: network-side rows (batch, inputs), after the feature map.
    """
    l, i, j = model.check_address(address)
    values = inputs
    with np.errstate(all="ignore"):
        for layer in model.layers[:l]:
            values = layer(values)
        x = np.sort(np.asarray(values[:, i], float))
        chosen = x[evenly(len(x), points)]
        return chosen, np.asarray(model[l, i, j].curve(chosen), float)


def suggest_symbolic(
    model: KAN, address: EdgeAddress, data: Dataset | np.ndarray, *, library: Library = LIBRARY, top: int = 5
) -> list[Suggestion]:
    """Return the functions that fit an edge's curve best, fewest bits first.

    Args:
        address: (layer, input, output).
        data: a `Dataset` (its training rows) or raw columns (batch, columns).

    Raises:
        SettingError: if there is no such edge, or it is off.
    """
    x, y = _live_curve(model, address, data)
    functions = library.candidates()
    fits = fit_curves(x[None], y[None], functions)
    ranked = [
        _suggestion(f, fits.affine[0, n], float(fits.misfit[0, n]), len(x)) for n, f in enumerate(functions)
    ]
    return sorted(ranked, key=lambda s: s.bits)[:top]


def fix_symbolic(
    model: KAN,
    address: EdgeAddress,
    name: str | Function,
    data: Dataset | np.ndarray | None = None,
    *,
    affine: tuple[float, float, float, float] | None = None,
    library: Library = LIBRARY,
) -> tuple[KAN, Suggestion]:
    """Return the model with one edge named, and how well the name fits.

    Args:
        name: of a library function, or a `Function` of your own.
        data: rows to fit a, b, c, d on; may be left out if `affine` gives them.
        affine: the constants (a, b, c, d) to set instead of fitting them.

    Raises:
        UnknownFunctionError: if the library has no such function.
        SettingError: if there is no such edge, or neither data nor constants are given.
    """
    function = library[name] if isinstance(name, str) else name
    l, i, j = model.check_address(address)
    if affine is None and data is None:
        raise SettingError(
            f"Edge {(l, i, j)} cannot be fixed to {function.name!r} without rows to fit its constants on.",
            fix="pass data, or affine=(a, b, c, d).",
        )
    if affine is not None:
        chosen = Suggestion(function, affine, float("nan"), float("nan"))
    else:
        assert data is not None
        x, y = _live_curve(model, (l, i, j), data)
        fits = fit_curves(x[None], y[None], (function,))
        chosen = _suggestion(function, fits.affine[0, 0], float(fits.misfit[0, 0]), len(x))
    return name_edge(model, (l, i, j), Name(function, chosen.affine)), chosen


def unfix_symbolic(model: KAN, address: EdgeAddress, *, tolerance: float | None = None) -> KAN:
    """Return the model with a spline in a named edge's place: the nearest on the edge's grid, by least squares.

    The error falls as the fourth power of the grid's intervals (cubic splines): refine first for a close one.

    Args:
        address: (layer, input, output).
        tolerance: largest difference from the named curve on the grid, as a share of the curve's spread.

    Raises:
        SettingError: if the edge is not named, its function is undefined on the grid, a module forbids it, or the
            spline misses the tolerance.
    """
    model = numpy_leaves(model)
    l, i, j = model.check_address(address)
    edge, layer = model[l, i, j], model.layers[l]
    if edge.kind not in ("symbolic", "both") or layer.symbols is None:
        raise SettingError(f"Edge {(l, i, j)} is {edge.kind}, not symbolic.", fix="see model[l, i, j].kind.")
    if layer.splines.allowed[i, j] == 0:
        raise SettingError(f"Edge {(l, i, j)} is forbidden by a module.", fix="leave it named.")
    splines = layer.splines
    knots = np.asarray(splines.knots[i : i + 1], float)
    low, high = bspline.grid_ends(knots, splines.k)
    points = np.linspace(low, high, 16 * splines.grid)
    curve = np.asarray(edge.curve(points[:, 0]), float)
    if not np.all(np.isfinite(curve)):
        raise SettingError(
            f"{edge.name} of edge {(l, i, j)} is undefined on part of the edge's grid.",
            fix="lay the grid over the data first: update_grid(model, data).",
        )
    coef, mask, symbol_mask = splines.coef.copy(), splines.mask.copy(), layer.symbols.mask.copy()
    coef[i, :, j] = bspline.fit_coefficients(points, curve[:, None, None], knots, splines.k)[0, :, 0]
    if tolerance is not None:
        near = bspline.features(points, knots, splines.k)[:, 0] @ coef[i, :, j]
        miss = float(np.abs(near - curve).max() / max(np.ptp(curve), 1e-300))
        if miss > tolerance:
            finer = int(np.ceil(splines.grid * (miss / tolerance) ** (1.0 / (splines.k + 1)) * 1.2))
            raise SettingError(
                f"A spline of {splines.grid} intervals misses {edge.name} of edge {(l, i, j)} by {miss:.2g} of "
                "its spread.",
                fix=f"refine(model, grid={finer}) first.",
            )
    mask[i, j], symbol_mask[i, j] = 1.0, 0.0
    where = lambda m: (m.splines.coef, m.splines.mask, m.symbols.mask)
    return replace_layer(model, l, updated(where, layer, (coef, mask, symbol_mask)))


def _live_curve(model: KAN, address: EdgeAddress, data: Dataset | np.ndarray) -> tuple[Any, Any]:
    at = model.check_address(address)
    if model[at].kind == "off":
        raise SettingError(
            f"Edge {at} is off: it has no curve.", fix="list the live edges with model.edges()."
        )
    rows = data.train_x if isinstance(data, Dataset) else np.asarray(data, float)
    return edge_curve(model, at, np.asarray(model.features(rows), float))


def _suggestion(function: Function, affine: Any, misfit: float, n_points: int) -> Suggestion:
    a, b, c, d = (float(v) for v in affine)
    bits = (
        0.5 * n_points * float(np.log2(max(misfit, FINEST_MISFIT)))
        + BITS_PER_COMPLEXITY * function.complexity
    )
    return Suggestion(function, (a, b, c, d), 1.0 - misfit, bits)
