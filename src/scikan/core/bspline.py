r"""B-splines as two short one-sided sums: any degree 1 to 5, any increasing knots, no recursion.

A B-spline on knots $t_0 < \dots < t_{k+1}$ equals, left of a middle knot $t_m$,
$\sum_{j<m} w_j (x - t_j)_+^k$, and right of it $\sum_{j>m} r_j (t_j - x)_+^k$, with
$w_j = (t_{k+1} - t_0) / \prod_{l \ne j} (t_l - t_j)$ and $r_j$ the same with the signs turned round
(divided differences of the truncated power, Curry and Schoenberg 1966). Choosing the side keeps every term
small. The truncated powers are shared by neighbouring basis functions, so the whole basis of an input costs
one power per knot and a few shifted products, elementwise over (batch, inputs, basis).

Knots are the papers' extended grid: `grid` intervals on [low, high] and `k` more knots on either side, which
belong to the input node, so all edges leaving it share them. Beyond the ends a spline goes on as a straight
line (value and slope at the end), so that a fit never falls off its grid.

Every function takes NumPy or JAX arrays; work that makes knots or coefficients runs in NumPy.
"""

from typing import Any

import numpy as np
from jaxtyping import Array, Float

from scikan.core.errors import SettingError
from scikan.core.precision import namespace


MAX_SPACING_RATIO = 100.0
"""Widest over narrowest interval of a grid laid from samples; beyond, the sums lose digits."""

AnyArray = Array | np.ndarray


def check_degree(k: int) -> None:
    """Raise SettingError unless 1 <= k <= 5."""
    if not isinstance(k, int | np.integer) or k not in (1, 2, 3, 4, 5):
        raise SettingError(
            f"The spline degree k is {k!r}; it must be 1, 2, 3, 4 or 5.", fix="use k=3 (cubic)."
        )


def uniform_knots(
    low: Float[np.ndarray, " inputs"], high: Float[np.ndarray, " inputs"], grid: int, k: int
) -> Float[np.ndarray, "inputs knots"]:
    """Return extended uniform knots, shape (inputs, grid + 2k + 1), `grid` intervals from low to high."""
    check_degree(k)
    if not isinstance(grid, int | np.integer) or grid < 1:
        raise SettingError(
            f"The grid has {grid} intervals; it needs an integer from 1 on.", fix="use grid=5."
        )
    spacing = (high - low) / grid
    return np.asarray(low[:, None] + spacing[:, None] * np.arange(-k, grid + k + 1))


def extend(interior: Float[np.ndarray, "inputs grid_1"], k: int) -> Float[np.ndarray, "inputs knots"]:
    """Return interior knots with k more on each side, spaced by the mean interval."""
    spacing = (interior[:, -1:] - interior[:, :1]) / (interior.shape[1] - 1)
    steps = np.arange(1, k + 1)
    return np.concatenate(
        [interior[:, :1] - spacing * steps[::-1], interior, interior[:, -1:] + spacing * steps], axis=1
    )


def sample_knots(
    x: Float[np.ndarray, "batch inputs"], grid: int, k: int, adaptive: float = 0.0, margin: float = 0.0
) -> Float[np.ndarray, "inputs knots"]:
    """Return extended knots laid over samples.

    Args:
        x: samples, (batch, inputs).
        grid: number of intervals.
        k: spline degree.
        adaptive: 0 for uniform intervals, 1 for quantiles, in between a mixture.
        margin: fraction of the range added on both sides.

    The spacing ratio stays below `MAX_SPACING_RATIO`; a constant column gets an interval around its value.
    """
    low, high = x.min(axis=0), x.max(axis=0)
    flat = high - low <= 1e-12 * np.maximum(np.abs(low), np.abs(high))
    half = np.where(flat, 0.5 * np.maximum(np.abs(low), 1.0), margin * (high - low))
    low, high = low - half, high + half
    if adaptive == 0.0:
        return uniform_knots(low, high, grid, k)
    even = np.linspace(0.0, 1.0, grid + 1)
    quantiles = np.quantile(x, even, axis=0).T
    quantiles[:, 0], quantiles[:, -1] = low, high
    gaps = np.diff(
        adaptive * quantiles + (1 - adaptive) * (low[:, None] + (high - low)[:, None] * even), axis=1
    )
    floor = gaps.max(axis=1, keepdims=True) / MAX_SPACING_RATIO
    # Lifting the small gaps shrinks all in proportion, so the ratio holds and the ends stay where they are.
    gaps = np.maximum(gaps, floor)
    gaps *= (high - low)[:, None] / gaps.sum(axis=1, keepdims=True)
    interior = np.concatenate([low[:, None], low[:, None] + np.cumsum(gaps, axis=1)], axis=1)
    interior[:, -1] = high
    return extend(interior, k)


def _powers(base: Any, exponent: int) -> Any:
    result = base
    for _ in range(exponent - 1):
        result = result * base
    return result


def basis(
    x: Float[AnyArray, "batch inputs"], knots: Float[AnyArray, "inputs knots"], k: int, derivative: int = 0
) -> Float[AnyArray, "batch inputs basis"]:
    """Return the B-spline basis (or its derivative of the given order) at x; zero outside its support.

    Derivatives of order k are one-sided: from the right, and from the left at the last knot of the grid,
    as in SciPy.
    """
    xp = namespace(x, knots)
    n_basis = knots.shape[1] - k - 1
    low = knots[:, k : k + 1]
    # Cell units keep powers near one whatever the units of x (float32 survives, columns of 1e30 too).
    cell = (knots[:, n_basis : n_basis + 1] - low) / (n_basis - k)
    t = (knots - low) / cell
    u = ((x - low[:, 0]) / cell[:, 0])[:, :, None]
    power = k - derivative
    if power < 0:
        zeros: AnyArray = xp.zeros((*x.shape, n_basis), dtype=x.dtype)
        return zeros
    if power == 0:
        # Piecewise constant: a point on the last knot belongs to the last interval.
        last = t[:, n_basis]
        u = xp.where((u >= last[None, :, None]), last[None, :, None] - 1e-6, u)
    scale = float(np.prod(np.arange(power + 1, k + 1))) / cell[:, 0][None, :, None] ** derivative
    window = [t[:, j : j + n_basis] for j in range(k + 2)]
    middle = (k + 1) // 2
    left = _one_sided(xp, u - t, window, range(middle), power, n_basis, sign=1.0)
    right = _one_sided(xp, t - u, window, range(middle + 1, k + 2), power, n_basis, sign=-1.0)
    result: AnyArray = xp.where(u < window[middle], left, right * (-1.0) ** derivative) * scale
    return result


def _one_sided(
    xp: Any, distance: Any, window: list[Any], terms: range, power: int, n_basis: int, sign: float
) -> Any:
    """Sum the truncated powers of one side with their divided-difference weights."""
    if power == 0:
        truncated = xp.where(distance >= 0 if sign > 0 else distance > 0, 1.0, 0.0).astype(distance.dtype)
    else:
        truncated = _powers(xp.maximum(distance, 0.0), power)
    total: Any = 0.0
    width = window[-1] - window[0]
    for j in terms:
        others: Any = 1.0
        for n, knot in enumerate(window):
            if n != j:
                others = others * (sign * (knot - window[j]))
        total = total + (width / others) * truncated[:, :, j : j + n_basis]
    return total


def grid_ends(knots: Float[AnyArray, "inputs knots"], k: int) -> tuple[Any, Any]:
    """Return (low, high), the ends of the grid proper, each (inputs,)."""
    return knots[:, k], knots[:, knots.shape[1] - k - 1]


def features(
    x: Float[AnyArray, "batch inputs"], knots: Float[AnyArray, "inputs knots"], k: int
) -> Float[AnyArray, "batch inputs basis"]:
    """Return the basis at x, continued beyond the grid's ends by straight lines."""
    xp = namespace(x, knots)
    low, high = grid_ends(knots, k)
    inside = xp.clip(x, low, high)
    ends = basis(xp.stack([low, high]), knots, k, derivative=1)
    beyond_low = xp.minimum(x - low, 0.0)[:, :, None]
    beyond_high = xp.maximum(x - high, 0.0)[:, :, None]
    continued: AnyArray = basis(inside, knots, k) + beyond_low * ends[0] + beyond_high * ends[1]
    return continued


def feature_slopes(
    x: Float[AnyArray, "batch inputs"], knots: Float[AnyArray, "inputs knots"], k: int
) -> Float[AnyArray, "batch inputs basis"]:
    """Return d features / dx: the basis derivative inside, that of the nearer end outside."""
    xp = namespace(x, knots)
    low, high = grid_ends(knots, k)
    return basis(xp.clip(x, low, high), knots, k, derivative=1)


def fit_coefficients(
    x: Float[np.ndarray, "batch inputs"],
    y: Float[np.ndarray, "batch inputs outputs"],
    knots: Float[np.ndarray, "inputs knots"],
    k: int,
    ridge: float = 1e-12,
) -> Float[np.ndarray, "inputs basis outputs"]:
    """Return the coefficients whose splines are nearest to the curves y, by least squares per input.

    `ridge` (relative to the mean diagonal) holds coefficients without samples at the smoothest choice: it
    weighs their second differences, so that a spline runs straight where it knows nothing.
    """
    columns = features(x, knots, k)
    n_basis = columns.shape[2]
    bend = np.diff(np.eye(n_basis), n=2, axis=0) if n_basis > 2 else np.zeros((0, n_basis))
    coefficients = np.empty((x.shape[1], n_basis, y.shape[2]))
    for i in range(x.shape[1]):
        weight = np.sqrt(ridge * np.mean(np.sum(columns[:, i] ** 2, axis=0)))
        rows = np.concatenate([columns[:, i], weight * bend])
        values = np.concatenate([y[:, i], np.zeros((bend.shape[0], y.shape[2]))])
        coefficients[i] = np.linalg.lstsq(rows, values, rcond=None)[0]
    return coefficients


def line_coefficients(knots: Float[np.ndarray, "inputs knots"], k: int) -> Float[np.ndarray, "inputs basis"]:
    """Return the coefficients of the straight line from -1 to 1 over the grid (Greville abscissae)."""
    n_basis = knots.shape[1] - k - 1
    greville = np.stack([knots[:, j : j + n_basis] for j in range(1, k + 1)]).mean(axis=0)
    low, high = grid_ends(knots, k)
    return np.asarray((2.0 * greville - low[:, None] - high[:, None]) / (high - low)[:, None])


def resample_knots(
    knots: Float[np.ndarray, "inputs knots"], k: int, grid: int
) -> Float[np.ndarray, "inputs new_knots"]:
    """Return knots with `grid` intervals of the same density; nested when `grid` is a multiple of the old one."""
    n_basis = knots.shape[1] - k - 1
    interior = knots[:, k : n_basis + 1]
    old = interior.shape[1] - 1
    position = np.arange(grid + 1) * (old / grid)
    finer = np.stack([np.interp(position, np.arange(old + 1), row) for row in interior])
    if grid % old == 0:
        finer[:, :: grid // old] = interior
    return extend(finer, k)


def transfer(
    coef: Float[np.ndarray, "inputs basis outputs"],
    knots: Float[np.ndarray, "inputs knots"],
    finer: Float[np.ndarray, "inputs new_knots"],
    k: int,
) -> Float[np.ndarray, "inputs new_basis outputs"]:
    """Return coefficients on other knots: exact on the grid if nested, nearest by least squares if not."""
    n_basis = finer.shape[1] - k - 1
    interior = finer[:, k : n_basis + 1]
    # k + 2 Chebyshev points a cell determine every polynomial piece without crowding.
    nodes = 0.5 - 0.5 * np.cos(np.pi * (np.arange(k + 2) + 0.5) / (k + 2))
    points = interior[:, :-1, None] + np.diff(interior, axis=1)[:, :, None] * nodes
    points = points.reshape(finer.shape[0], -1).T
    curves = np.einsum("nib,ibo->nio", features(points, knots, k), coef)
    return fit_coefficients(points, curves, finer, k, ridge=0.0)
