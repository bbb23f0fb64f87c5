r"""How gradients turn: what columns enter through one function only, and what that function is a sum or product of.

If f = F(h(A), B), the direction of $\nabla_A f$ at given A is the same for every B. If f = F(p(A) + q(B), C), the
slopes along these directions have the ratio $f_A / f_B = u(A) / v(B)$ whatever C: with F' cancelled, u and v are the
first singular vectors of one small matrix, and nothing is divided by a slope that may vanish. Inside F the terms are
known up to one common factor, so that sums and products in them can be told apart as well (`inner_coupling`).
Columns are measured in standard deviations and weighted by their own mean slope, so that no answer hangs on units.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from scikan.structure.probe import Field, Probe


Places = tuple[int, ...]

N_FIELDS = 9
N_OWN, N_OTHER = 32, 12
"""Rows of a group, and rows of the other columns beside each of them."""

N_EACH, N_REST = 10, 5
"""Rows of either of two groups, and rows of the rest beside each pair."""

_LEAST = 1e-7


@dataclass(frozen=True, eq=False)
class Turning:
    """A score with its null, `(fields,)`, and the rows it was measured at."""

    score: float
    null: Float[np.ndarray, " fields"]
    points: int


class _Slopes:
    """Scaled gradients of the function, and of the function plus each error field, at the points of a design."""

    def __init__(self, probe: Probe, points: Any, rng: np.random.Generator) -> None:
        scale = probe.scale / probe.spread
        exact = probe.gradient(points) * scale
        self.all = [exact]
        for _ in range(N_FIELDS):
            error = Field(probe, rng).gradient(points) * probe.error * scale
            self.all.append(exact + error + probe.slope_error * rng.normal(size=exact.shape))

    def of(self, group: Places) -> list[Any]:
        """Return the slopes in a group, every column by its root mean square, `(points, columns)` each."""
        size = np.sqrt(np.mean(self.all[0][:, group] ** 2, axis=0))
        size[size <= _LEAST] = 1.0
        return [slopes[:, group] / size for slopes in self.all]


def _rows(probe: Probe, rng: np.random.Generator, *counts: int) -> list[Any]:
    order = rng.permutation(len(probe.rows))
    return [probe.rows[np.resize(np.roll(order, 7 * n), count)] for n, count in enumerate(counts)]


def _unit(parts: list[Any]) -> list[Any]:
    """Return slopes as directions; where they are as small as their error they count as little as they know."""
    noise = np.mean([np.mean((p - parts[0]) ** 2) for p in parts[1:]]) * parts[0].shape[1]
    return [p / np.sqrt(np.sum(parts[0] ** 2, axis=1, keepdims=True) + noise + 1e-300) for p in parts]


def turning(probe: Probe, group: Places, key: int = 0) -> Turning:
    """Return how far the direction of the gradient within a group turns with the other columns."""
    others = [j for j in range(len(probe.names)) if j not in group]
    if len(group) < 2 or not others:
        return Turning(0.0, np.zeros(N_FIELDS), 0)
    rng = np.random.default_rng(key)
    own, other = _rows(probe, rng, N_OWN, N_OWN * N_OTHER)
    points = np.repeat(own, N_OTHER, axis=0)
    points[:, others] = other[:, others]
    units = _unit(_Slopes(probe, points, rng).of(group))
    turned = [_across(u.reshape(N_OWN, N_OTHER, -1)) for u in units]
    size = np.sqrt(np.mean(np.sum(units[0] ** 2, axis=1)))
    return _turning([t / max(size, 1e-300) for t in turned], len(points))


def _across(units: Any) -> Any:
    """Return what stands across the main direction of each bundle, `(bundles, members, columns)`."""
    along = np.linalg.svd(units, full_matrices=False)[2][:, :1]
    return units - (units @ np.swapaxes(along, 1, 2)) @ along


def _turning(residuals: list[Any], points: int) -> Turning:
    def size(r: Any) -> float:
        return float(np.sqrt(np.mean(np.sum(r**2, axis=-1))))

    null = np.array([size(r - residuals[0]) for r in residuals[1:]])
    return Turning(size(residuals[0]), np.maximum(null, _LEAST / 10), points)


def alignment(probe: Probe, a: Places, b: Places, key: int = 0) -> Turning:
    """Return how far f is from F(p(A) + q(B), rest)."""
    rng = np.random.default_rng(key)
    in_a, in_b, rest = _rows(probe, rng, N_EACH, N_EACH, N_EACH * N_EACH * N_REST)
    points = rest.reshape(N_EACH, N_EACH, N_REST, -1).copy()
    points[..., list(a)] = in_a[:, None, None, list(a)]
    points[..., list(b)] = in_b[None, :, None, list(b)]
    slopes = _Slopes(probe, points.reshape(-1, points.shape[-1]), rng)
    shape = (N_EACH, N_EACH, N_REST, -1)
    both = [np.concatenate(pair, axis=1) for pair in zip(slopes.of(a), slopes.of(b), strict=True)]
    units = [u.reshape(shape) for u in _unit(both)]
    scores = np.array([_misaligned(u[..., : len(a)], u[..., len(a) :]) for u in units])
    null = np.sqrt(np.abs(scores[1:] ** 2 - scores[0] ** 2))
    return Turning(float(scores[0]), np.maximum(null, _LEAST), int(np.prod(points.shape[:3])))


def _misaligned(in_a: Any, in_b: Any) -> float:
    """Return the root mean square misfit of u(A) f_B = v(B) f_A, with what stands across their directions."""
    n, m, k, _ = in_a.shape
    bundles_a = in_a.reshape(n, m * k, -1)
    bundles_b = np.swapaxes(in_b, 0, 1).reshape(m, n * k, -1)
    along_a, across_a = _split(bundles_a)
    along_b, across_b = _split(bundles_b)
    f_a = along_a.reshape(n, m, k)
    f_b = np.swapaxes(along_b.reshape(m, n, k), 0, 1)
    size_a, size_b = np.sum(f_b**2, axis=(1, 2)), np.sum(f_a**2, axis=(0, 2))
    if not (np.all(size_a > 0) and np.all(size_b > 0)):
        return float("inf")
    matrix = np.sum(f_a * f_b, axis=2) / np.sqrt(np.outer(size_a, size_b))
    left, _, right = np.linalg.svd(matrix)
    u, v = left[:, 0] / np.sqrt(size_a), right[0] / np.sqrt(size_b)
    misfit = v[None, :, None] * f_a - u[:, None, None] * f_b
    size = np.sum((v[None, :, None] * f_a) ** 2 + (u[:, None, None] * f_b) ** 2)
    across = np.sum(across_a**2) + np.sum(across_b**2)
    whole = np.sum(in_a**2) + np.sum(in_b**2)
    return float(np.sqrt(np.sum(misfit**2) / size + across / whole))


def _split(bundles: Any) -> tuple[Any, Any]:
    """Return (slopes along the main direction of each bundle, what stands across it)."""
    along = np.linalg.svd(bundles, full_matrices=False)[2][:, :1]
    parts = bundles @ np.swapaxes(along, 1, 2)
    return parts[..., 0], bundles - parts @ along


def inner_coupling(
    probe: Probe, a: Places, b: Places, reference: Places, product: bool, key: int = 0
) -> Turning:
    """Return how far the term of A and B inside F is from p(A) + q(B), or from p(A) q(B) plus a constant.

    f = F(g(A, B) + r(reference), rest): at one place of the others $f_A / f_r$ is $g_A$ times a constant.
    """
    rng = np.random.default_rng(key)
    in_a, in_b, bases = _rows(probe, rng, N_EACH, N_EACH, N_REST * 8)
    results = [_inner(probe, a, b, reference, product, (in_a, in_b, base), rng) for base in bases]
    steady = sorted(results, key=lambda r: -r[0])[:N_REST]
    sizes = np.array([np.sqrt(np.mean([r[1][n] ** 2 for r in steady])) for n in range(N_FIELDS + 1)])
    null = np.sqrt(np.abs(sizes[1:] ** 2 - sizes[0] ** 2))
    return Turning(float(sizes[0]), np.maximum(null, _LEAST), N_REST * N_EACH * N_EACH)


def _inner(
    probe: Probe, a: Places, b: Places, reference: Places, product: bool, rows: Any, rng: np.random.Generator
) -> tuple[float, list[float]]:
    """Return (how far the slope along the reference stays from zero, the misfit for f and each f plus error)."""
    in_a, in_b, base = rows
    points = np.broadcast_to(base, (N_EACH, N_EACH, len(base))).copy()
    points[..., list(a)] = in_a[:, None, list(a)]
    points[..., list(b)] = in_b[None, :, list(b)]
    slopes = _Slopes(probe, points.reshape(-1, len(base)), rng)
    steadiness, misfits = 0.0, []
    for n, (f_a, f_b, f_r) in enumerate(zip(*(slopes.of(g) for g in (a, b, reference)), strict=True)):
        # Along one column of the reference: the steepest, which is the same at every point if F is F(... + r).
        along = f_r[:, np.argmax(np.sum(f_r**2, axis=0))]
        if n == 0:
            steadiness = float(np.min(np.abs(along)) / max(np.sqrt(np.mean(along**2)), 1e-300))
        with np.errstate(all="ignore"):
            ratios = [(f / along[:, None]).reshape(N_EACH, N_EACH, -1) for f in (f_a, f_b)]
        misfits.append(_inner_misfit(ratios[0], np.swapaxes(ratios[1], 0, 1), product))
    return steadiness, misfits


def _inner_misfit(g_a: Any, g_b: Any, product: bool) -> float:
    """Return the misfit of slopes `(own, other, columns)` that should not hang on the other, or only by a factor."""
    left, size = 0.0, 0.0
    for slopes in (g_a, g_b):
        if not np.all(np.isfinite(slopes)):
            return float("inf")
        if product:
            # Own directions times one factor a row of the other: rank one.
            table = np.swapaxes(slopes, 1, 2).reshape(-1, slopes.shape[1])
            squares = np.linalg.svd(table, compute_uv=False) ** 2
            left, size = left + float(np.sum(squares[1:])), size + float(np.sum(squares))
        else:
            apart = slopes - slopes.mean(axis=1, keepdims=True)
            left, size = left + float(np.sum(apart**2)), size + float(np.sum(slopes**2))
    return float(np.sqrt(left / max(size, 1e-300)))
