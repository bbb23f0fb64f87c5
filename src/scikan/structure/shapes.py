r"""Fits of y = F(z) to a table of values, z a sum or product of unknown terms of the axes, F any smooth function.

F is a cubic spline of z that is solved for in every step (variable projection, Golub and Pereyra 1973, in Kaufman's
form), so that only the terms at the nodes are searched. The first terms come from a linear problem: where F is
monotone its inverse is a spline of y, and the one whose values are nearest to the shape is an eigenvector (ACE,
Breiman and Friedman 1985).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.polynomial import chebyshev

from scikan.core.bspline import basis, uniform_knots


Table = Float[np.ndarray, "s t u"]
Shape = Callable[[Any], tuple[Any, Any]]
"""From parameters to (z, slopes of z): `(functions, values)` and `(functions, values, parameters)`."""

N_INTERVALS, N_STEPS, N_BENDS = 16, 40, 5
_ENOUGH, _RIDGE = 1e-3, 1e-9


def additive(n: tuple[int, ...]) -> Shape:
    """Return the shape p(s) + q(t) + r(u)."""
    slopes = _indicators(n).reshape(1, -1, sum(n))
    return lambda terms: ((slopes @ terms), slopes)


def multiplied(n: tuple[int, ...]) -> Shape:
    """Return the shape p(s) q(t) + r(u)."""
    one = _indicators(n)

    def shape(terms: Any) -> tuple[Any, Any]:
        p, q, r = np.split(terms, np.cumsum(n)[:2])
        slopes = one.copy()
        slopes[..., : n[0]] *= q[None, :, None, None]
        slopes[..., n[0] : n[0] + n[1]] *= p[:, None, None, None]
        z = p[:, None, None] * q[None, :, None] + r
        return z.reshape(1, -1), slopes.reshape(1, -1, sum(n))

    return shape


def bent(n: tuple[int, ...]) -> Shape:
    """Return the shape G(p(s) + q(t)) + r(u), G(w) = w + c_2 T_2(w) + ... for w of -1 to 1 at first; c is last."""
    one = _indicators(n)
    total = sum(n)

    def shape(terms: Any) -> tuple[Any, Any]:
        p, q, r = np.split(terms[:total], np.cumsum(n)[:2])
        w = p[:, None, None] + q[None, :, None] + 0.0 * r
        bends = chebyshev.chebvander(w, N_BENDS + 1)[..., 2:]
        slope = 1.0 + chebyshev.chebval(w, chebyshev.chebder([0.0, 0.0, *terms[total:]]))
        slopes = np.concatenate([one, bends], axis=-1)
        slopes[..., : n[0] + n[1]] *= slope[..., None]
        z = w + r + bends @ terms[total:]
        return z.reshape(1, -1), slopes.reshape(1, z.size, -1)

    return shape


def bent_terms(p: Any, q: Any, r: Any, m: Any) -> Any:
    """Return the terms of `bent` in which G maps p + q, brought to -1 to 1, to a table m beside r."""
    ends = p.min() + q.min(), p.max() + q.max()
    half = max(ends[1] - ends[0], 1e-300) / 2.0
    p, q = (p - p.min()) / half - 1.0, (q - q.min()) / half
    w = (p[:, None] + q).ravel()
    weights = np.linalg.lstsq(chebyshev.chebvander(w, N_BENDS + 1), m.ravel(), rcond=None)[0]
    slope = weights[1] if weights[1] else 1.0
    return np.concatenate([p, q, r / slope, weights[2:] / slope])


def additive_each(n: tuple[int, ...]) -> Shape:
    """Return the shape p(s) + q(t), with a function F of its own at every u."""
    one = _indicators((n[0], n[1], 1)).reshape(-1, sum(n[:2]) + 1)[:, :-1]
    slopes = np.broadcast_to(one, (n[2], *one.shape))
    return lambda terms: (slopes @ terms, slopes)


def _indicators(n: tuple[int, ...]) -> Any:
    """Return which of all nodes each value of a table belongs to, `(s, t, u, s + t + u)`."""
    found = np.zeros((*n, sum(n)))
    for axis, start in enumerate(np.cumsum((0, *n[:2]))):
        for k in range(n[axis]):
            index: list[Any] = [slice(None)] * 3
            index[axis] = k
            found[(*index, start + k)] = 1.0
    return found


def first_terms(values: Table, joint: bool) -> tuple[Any, ...]:
    """Return (p, q, r), or (m, r) with m of (s, t): the shape nearest to a smooth function of the values."""
    x = values.ravel()
    basis, _ = _splines(x, N_INTERVALS)
    centred = basis - basis.mean(axis=0)
    table = centred.reshape(*values.shape, -1)
    if joint:
        parts = [table.mean(axis=2, keepdims=True), table.mean(axis=(0, 1), keepdims=True)]
    else:
        parts = [table.mean(axis=axes, keepdims=True) for axes in ((1, 2), (0, 2), (0, 1))]
    left = (table - sum(parts)).reshape(centred.shape)
    whole = centred.T @ centred
    ridge = _RIDGE * np.trace(whole) / len(whole) * np.eye(len(whole))
    root = np.linalg.inv(np.linalg.cholesky(whole + ridge))
    # The splines sum to one, so one direction is the constant, which says nothing: it is the ridge alone.
    kept = np.linalg.eigh(root @ whole @ root.T)
    frame = kept[1][:, kept[0] > 0.5].T @ root
    inverse = np.linalg.eigh(frame @ left.T @ left @ frame.T)[1][:, 0] @ frame
    return tuple(np.squeeze(part @ inverse) for part in parts)


def product_terms(m: Any) -> tuple[Any, Any]:
    """Return p and q with p q nearest to a table m plus some constant."""
    rows, columns = m.mean(axis=1) - m.mean(), m.mean(axis=0) - m.mean()
    left, size, right = np.linalg.svd(m - m.mean() - rows[:, None] - columns)
    p, q = left[:, 0] * size[0], right[0]
    # m = (p + a)(q + b) + c: its mean over t is b p, over s it is a q, both up to a constant.
    a = columns @ q
    b = rows @ p / max(p @ p, 1e-300)
    return p + a, q + b


def fitted(shape: Shape, terms: Any, values: Table, n_intervals: int = N_INTERVALS) -> tuple[float, Any]:
    """Return (sum of squares left, terms) after a Levenberg-Marquardt search from some terms."""
    z, slopes = shape(terms)
    y = np.moveaxis(values, 2, 0).reshape(len(z), -1) if len(z) > 1 else values.reshape(1, -1)
    left, bent, project = _projected(z, y, n_intervals)
    best, damping = float(np.sum(left**2)), 1e-3
    for _ in range(N_STEPS):
        jacobian = project(-bent[..., None] * slopes).reshape(-1, len(terms))
        normal = jacobian.T @ jacobian
        scale = np.diag(normal) + 1e-12 * np.trace(normal) + 1e-300
        gradient = jacobian.T @ left.ravel()
        before = best
        for _ in range(8):
            trial = terms - np.linalg.solve(normal + damping * np.diag(scale), gradient)
            z_trial, slopes_trial = shape(trial)
            found = _projected(z_trial, y, n_intervals)
            size = float(np.sum(found[0] ** 2))
            if size < best:
                terms, slopes, best, (left, bent, project) = trial, slopes_trial, size, found
                damping = max(damping / 10.0, 1e-9)
                break
            damping *= 10.0
        if best > (1.0 - _ENOUGH) * before:
            break
    return best, terms


def _projected(z: Any, y: Any, n_intervals: int) -> tuple[Any, Any, Callable[[Any], Any]]:
    """Return (y - F(z), F'(z), what projects out all F), with F the best spline of each row."""
    left, bent, solved = [], [], []
    for points, wanted in zip(z, y, strict=True):
        basis, slope = _splines(points, n_intervals)
        normal = basis.T @ basis
        normal += _RIDGE * np.trace(normal) / len(normal) * np.eye(len(normal))
        weights = np.linalg.solve(normal, basis.T @ wanted)
        left.append(wanted - basis @ weights)
        bent.append(slope @ weights)
        solved.append((basis, normal))

    def project(tables: Any) -> Any:
        return np.stack(
            [t - b @ np.linalg.solve(g, b.T @ t) for t, (b, g) in zip(tables, solved, strict=True)]
        )

    return np.array(left), np.array(bent), project


def _splines(x: Any, n: int) -> tuple[Any, Any]:
    """Return cubic B-splines on n even intervals over the range of x, and their slopes, `(values, n + 3)` each."""
    low = x.min(keepdims=True)
    # A shape may be flat at first.
    high = low + max(float(np.ptp(x)), 1e-12 * abs(float(low[0])), 1e-300)
    knots = uniform_knots(low, high, n, 3)
    return basis(x[:, None], knots, 3)[:, 0], basis(x[:, None], knots, 3, derivative=1)[:, 0]
