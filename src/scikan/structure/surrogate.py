r"""A smooth model of a table with exact gradients and honest errors: where symmetries are read off.

A Gaussian process with kernel $\exp(-\sum_j (u_j - u'_j)^2 / 2 l_j^2)$ and one length scale per column,
chosen by marginal likelihood. Inputs are taken raw and as logarithms, the target also as a square; the variant
of least leave-one-out error is kept, because ratios are skewed and a fit in raw ratios can look worse than
one of the unreduced table. Gradients come back to raw columns by the chain rule.
"""

from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize

from scikan.core.samples import evenly
from scikan.structure.answers import Surrogate, error_of
from scikan.structure.products import fit_products


Rows = Float[np.ndarray, "rows columns"]
Vector = Float[np.ndarray, " rows"]
TargetMap = Literal["raw", "log", "square"]

N_LENGTHS = 220
"""Rows on which length scales are chosen."""

N_ROWS = 1000
"""Most rows of the final fit; its cost is cubic."""

WIDE_INPUT, WIDE_TARGET = 3.0, 8.0
"""A positive column whose largest value is so many times its smallest is tried as a logarithm too."""

LEAST_NOISE, MOST_NOISE = 1e-11, 1e6
_GOOD_ENOUGH = 1e-7

_FAIR = 3e-3
"""Error, as a share of the target's spread, above which sums of products are tried beside the process."""

_STARTS, _POOR = (1.5, 0.3), 0.1
"""Length scales to begin from, by the root of the number of columns; the next one if the error is still so large."""


def fit_surrogate(x: Rows, y: Vector, weight: Vector | None = None) -> Surrogate:
    """Return the best surrogate of y as a function of the columns of x.

    Args:
        x: inputs; with no columns at all, the surrogate is the weighted mean.
        y: target.
        weight: how much a residual of a row counts (not squared): a row's noise is taken as 1/weight.

    Raises:
        ValueError: more than `N_ROWS` rows.
    """
    if len(y) > N_ROWS:
        raise ValueError(f"{len(y)} rows; take at most {N_ROWS} of them.")
    root = np.ones(len(y)) if weight is None else np.asarray(weight, float)
    if x.shape[1] == 0 or np.ptp(y) <= 1e-13 * np.abs(y).max():
        return _mean(x, y, root)
    best: Surrogate | None = None
    scale = float(np.sqrt(np.average((y - np.average(y, weights=root**2)) ** 2, weights=root**2)))
    for to_u, slopes in _input_maps(x):
        u = to_u(x)
        for how in _target_maps(y, best, root, scale):
            found = _fitted(u, y, root, how)
            if found is not None:
                found = _of_raw(found, slopes, to_u)
                if best is None or error_of(found, root) < error_of(best, root):
                    best = found
        if best is not None and error_of(best, root) < _GOOD_ENOUGH * scale:
            break
        if best is None or error_of(best, root) > _FAIR * scale:
            products = fit_products(u, y, root)
            found = None if products is None else products.surrogate
            if found is not None and (best is None or error_of(found, root) < error_of(best, root)):
                best = _of_raw(found, slopes, to_u)
    return _mean(x, y, root) if best is None else best


def _of_raw(found: Surrogate, slopes: Rows, to_u: Callable[[Rows], Rows]) -> Surrogate:
    """Return a surrogate of mapped columns as one of the raw columns."""
    predict = found.predict
    return Surrogate(found.values, found.gradients * slopes, found.loo, lambda raw: predict(to_u(raw)))


def _mean(x: Rows, y: Vector, root: Vector) -> Surrogate:
    share = root**2 / np.sum(root**2)
    mean = float(share @ y)
    loo = (y - mean) / np.maximum(1.0 - share, 1e-3)
    return Surrogate(np.full(len(y), mean), np.zeros_like(x), loo, lambda raw: np.full(len(raw), mean))


def _input_maps(x: Rows) -> Iterator[tuple[Callable[[Rows], Rows], Rows]]:
    """Yield (map of the inputs, its derivatives by the raw columns): raw, then with logarithms of wide columns."""
    yield lambda raw: raw, np.ones_like(x)
    low, high = x.min(axis=0), x.max(axis=0)
    wide = (low > 0) & (high > WIDE_INPUT * low)
    if wide.any():

        def logarithms(raw: Rows) -> Rows:
            return np.where(wide, np.log(np.where(wide, raw, 1.0)), raw)

        yield logarithms, np.where(wide, 1.0 / np.where(wide, x, 1.0), 1.0)


def _target_maps(y: Vector, best: Surrogate | None, root: Vector, scale: float) -> Iterator[TargetMap]:
    """Yield how the target is taken: as it is, then as a logarithm or a square where that can help."""
    yield "raw"
    size = np.abs(y)
    if not (np.all(y > 0) or np.all(y < 0)):
        return
    if size.max() > WIDE_TARGET * size.min() and (best is None or error_of(best, root) > 1e-5 * scale):
        yield "log"
    # Distances have cusps where their squares are smooth.
    if size.max() > WIDE_TARGET * size.min() and (best is None or error_of(best, root) > 1e-3 * scale):
        yield "square"


def _fitted(u: Rows, y: Vector, root: Vector, how: TargetMap) -> Surrogate | None:
    if how == "raw":
        return _process(u, y, root)
    size, sign = np.abs(y), np.sign(y[0])
    if how == "log":
        found = _process(u, np.log(size), root * size)
    else:
        found = _process(u, size**2, root / (2.0 * size))
    if found is None:
        return None
    least = 0.25 * size.min() ** 2

    def back(z: Vector) -> Vector:
        return np.asarray(np.exp(z) if how == "log" else np.sqrt(np.maximum(z, least)))

    with np.errstate(all="ignore"):
        values = back(found.values)
        if how == "log":
            # y - exp(log y - r) to all orders in r.
            loo, slope = -size * np.expm1(-found.loo), values
        else:
            loo, slope = size - np.sqrt(np.maximum(size**2 - found.loo, 0.0)), 0.5 / values
    if not np.all(np.isfinite(loo)):
        return None
    predict = found.predict
    return Surrogate(
        sign * values,
        sign * found.gradients * slope[:, None],
        sign * loo,
        lambda points: sign * back(predict(points)),
    )


def _process(u: Rows, y: Vector, root: Vector) -> Surrogate | None:
    """Return the process on inputs u with constant mean; gradients by u."""
    centre, spread = u.mean(axis=0), np.maximum(u.std(axis=0), 1e-300)
    places = (u - centre) / spread
    noise = 1.0 / np.maximum(root, 1e-300) ** 2
    noise = np.clip(noise / np.median(noise), 1e-2, MOST_NOISE)
    level, size = float(np.average(y, weights=1 / noise)), float(np.std(y))
    target = (y - level) / size
    found: Surrogate | None = None
    for start in _STARTS:
        again = _from_start(places, target, noise, start)
        if again is not None and (found is None or error_of(again, root) < error_of(found, root)):
            found = again
        # A wave is taken for noise from far away: then closer neighbours are asked.
        if found is not None and error_of(found, root) < _POOR:
            break
    if found is None:
        return None
    predict = found.predict
    return Surrogate(
        level + size * found.values,
        found.gradients * size / spread,
        found.loo * size,
        lambda points: level + size * predict((points - centre) / spread),
    )


def _from_start(places: Rows, target: Vector, noise: Vector, start: float) -> Surrogate | None:
    """Return the process on standardised columns and target whose length scales were looked for from `start`."""
    pick = evenly(len(target), N_LENGTHS)
    logs = _length_scales(places[pick], target[pick], noise[pick], start * np.sqrt(places.shape[1]))
    lengths, nugget = np.exp(logs[:-1]), np.exp(logs[-1]) + LEAST_NOISE
    kernel = np.exp(-0.5 * _square_distances(places / lengths, places / lengths))
    try:
        factor = cho_factor(kernel + np.diag(nugget * noise), lower=True)
    except np.linalg.LinAlgError:
        return None
    inverse = cho_solve(factor, np.eye(len(target)))
    # Solved by itself: the product of an explicit inverse does not return the target.
    alpha = cho_solve(factor, target)
    loo = alpha / np.diag(inverse)
    values = target - nugget * noise * alpha
    pulled = kernel @ (alpha[:, None] * places) - places * (kernel @ alpha)[:, None]

    def predict(points: Rows) -> Vector:
        return np.asarray(np.exp(-0.5 * _square_distances(points / lengths, places / lengths)) @ alpha)

    return Surrogate(values, pulled / lengths**2, loo, predict)


def _square_distances(a: Rows, b: Float[np.ndarray, "others columns"]) -> Any:
    norms = np.sum(a**2, axis=1)[:, None] + np.sum(b**2, axis=1)[None, :]
    return np.maximum(norms - 2.0 * a @ b.T, 0.0)


def _length_scales(places: Rows, target: Vector, noise: Vector, length: float) -> Any:
    """Return logarithms of the length scales and of the relative noise, of largest marginal likelihood."""
    n, columns = places.shape
    squares = [(places[:, [j]] - places[:, j]) ** 2 for j in range(columns)]

    def loss(logs: Any) -> tuple[float, Any]:
        inverse_squares = np.exp(-2.0 * logs[:-1])
        kernel = np.exp(-0.5 * sum(s * w for s, w in zip(squares, inverse_squares, strict=True)))
        nugget = np.exp(logs[-1]) * noise
        try:
            factor = cho_factor(kernel + np.diag(nugget + LEAST_NOISE), lower=True)
        except np.linalg.LinAlgError:
            return 1e10, np.zeros(columns + 1)
        inverse = cho_solve(factor, np.eye(n))
        alpha = inverse @ target
        size = float(target @ alpha) / n
        # d loss / d kernel, the amplitude being profiled out.
        push = (inverse - np.outer(alpha, alpha) / size) * kernel
        slopes = [0.5 * w * np.sum(push * s) for s, w in zip(squares, inverse_squares, strict=True)]
        by_noise = 0.5 * np.sum((np.diag(inverse) - alpha**2 / size) * nugget)
        value = 0.5 * n * np.log(size) + float(np.sum(np.log(np.diag(factor[0]))))
        return value / n, np.array([*slopes, by_noise]) / n

    start = np.append(np.full(columns, np.log(length)), np.log(1e-4))
    bounds = [(np.log(0.05), np.log(300.0))] * columns + [(np.log(1e-12), np.log(3.0))]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 60})
    return np.asarray(found.x)
