r"""How gradients turn: what columns enter through one function only, and what that function is a sum or product of.

If f = F(h(A), B), the direction of $\nabla_A f$ at given A is the same for every B. If f = F(p(A) + q(B), C), the
slopes along these directions have the ratio $f_A / f_B = u(A) / v(B)$ whatever C: with F' cancelled, u and v are the
first singular vectors of one small matrix, and nothing is divided by a slope that may vanish. Inside F the terms are
known up to one common factor, so that sums and products in them can be told apart as well (`inner_coupling`).
Columns are measured in standard deviations and weighted by their own mean slope, so that no answer hangs on units.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from scikan.structure.probe import Field, Probe
from scikan.structure.verdicts import trimmed


Places = tuple[int, ...]

N_FIELDS = 9
N_OWN, N_OTHER = 32, 12
"""Rows of a group, and rows of the other columns beside each of them."""

N_EACH, N_REST = 10, 5
"""Rows of either of two groups, and rows of the rest beside each pair."""

N_INNER, N_BASES = 8, 3

POLE = 4.0
"""Slope near a zero, in units of the median slope."""

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
        return [slopes[:, group] / np.where(size <= _LEAST, 1.0, size) for slopes in self.all]


def _rows(probe: Probe, rng: np.random.Generator, *counts: int) -> list[Any]:
    order = rng.permutation(len(probe.rows))
    return [probe.rows[np.resize(np.roll(order, 7 * n), count)] for n, count in enumerate(counts)]


def turning(probe: Probe, group: Places, key: int = 0) -> Turning:
    """Return how far the direction of the gradient within a group turns with the other columns."""
    others = [j for j in range(len(probe.names)) if j not in group]
    if len(group) < 2 or not others:
        return Turning(0.0, np.zeros(N_FIELDS), 0)
    rng = np.random.default_rng(key)
    own, other = _rows(probe, rng, N_OWN, N_OWN * N_OTHER)
    points = np.repeat(own, N_OTHER, axis=0)
    points[:, others] = other[:, others]
    slopes = _Slopes(probe, points, rng).of(group)
    turned = [_across(u.reshape(N_OWN, N_OTHER, -1)) for u in slopes]
    size = np.sqrt(np.mean(np.sum(slopes[0] ** 2, axis=1)))
    return _turning([t / max(size, 1e-300) for t in turned], len(points))


def _across(units: Any) -> Any:
    """Return what stands across the main direction of each bundle, `(bundles, members, columns)`."""
    along = np.linalg.svd(units, full_matrices=False)[2][:, :1]
    return units - (units @ np.swapaxes(along, 1, 2)) @ along


def _turning(residuals: list[Any], points: int) -> Turning:
    def size(r: Any) -> float:
        return float(trimmed(np.sum(r**2, axis=-1).ravel()))

    null = np.array([size(r - residuals[0]) for r in residuals[1:]])
    return Turning(size(residuals[0]), np.maximum(null, _LEAST / 10), points)


def following(probe: Probe, group: Places, slope: Callable[[Any], Any], key: int = 0) -> Turning:
    """Return how far the gradient within a group is from the direction of another function's gradient."""
    rng = np.random.default_rng(key)
    (points,) = _rows(probe, rng, min(N_OWN * N_OTHER, len(probe.rows)))
    slopes, size = _Slopes(probe, points, rng).of(group), _mean_slopes(probe, points, group)
    wanted = (slope(points) * probe.scale)[:, group] / size
    norm = np.sqrt(np.sum(wanted**2, axis=1, keepdims=True))
    unit = np.divide(wanted, norm, out=np.zeros_like(wanted), where=norm > 0)
    across = [s - np.sum(s * unit, axis=1, keepdims=True) * unit for s in slopes]
    whole = np.sqrt(np.mean(np.sum(slopes[0] ** 2, axis=1)))
    return _turning([a / max(whole, 1e-300) for a in across], len(points))


def constant_direction(probe: Probe, group: Places, key: int = 0) -> tuple[Turning, tuple[float, ...]]:
    """Return how far the gradient within a group is from one direction everywhere, and the weights of the columns.

    The weights are those of the raw columns in a sum; the largest is 1.
    """
    rng = np.random.default_rng(key)
    (points,) = _rows(probe, rng, min(N_OWN * N_OTHER, len(probe.rows)))
    slopes = _Slopes(probe, points, rng).of(group)
    across = [_across(s[None])[0] for s in slopes]
    whole = np.sqrt(np.mean(np.sum(slopes[0] ** 2, axis=1)))
    main = np.linalg.svd(slopes[0], full_matrices=False)[2][0]
    weights = main * _mean_slopes(probe, points, group) / probe.scale[list(group)]
    weights = weights / weights[np.argmax(np.abs(weights))]
    found = _turning([a / max(whole, 1e-300) for a in across], len(points))
    return found, tuple(float(w) for w in weights)


def _mean_slopes(probe: Probe, points: Any, group: Places) -> Any:
    size = np.sqrt(np.mean((probe.gradient(points) * probe.scale / probe.spread)[:, group] ** 2, axis=0))
    return np.where(size <= _LEAST, 1.0, size)


def alignment(probe: Probe, a: Places, b: Places, held: Places = (), key: int = 0) -> Turning:
    """Return how far f is from F(p(A) + q(B), rest), with some columns of the rest held (at a few rows in turn)."""
    rng = np.random.default_rng(key)
    in_a, in_b, rest, bases = _rows(probe, rng, N_EACH, N_EACH, N_EACH * N_EACH * N_REST, N_BASES)
    shape = (N_EACH, N_EACH, N_REST, -1)
    squares = []
    for base in bases if held else bases[:1]:
        points = rest.reshape(shape).copy()
        points[..., list(held)] = base[list(held)]
        points[..., list(a)] = in_a[:, None, None, list(a)]
        points[..., list(b)] = in_b[None, :, None, list(b)]
        slopes = _Slopes(probe, points.reshape(-1, points.shape[-1]), rng)
        both = zip(slopes.of(a), slopes.of(b), strict=True)
        squares.append([_misaligned(g_a.reshape(shape), g_b.reshape(shape)) ** 2 for g_a, g_b in both])
    means = np.mean(squares, axis=0)
    null = np.sqrt(np.abs(means[1:] - means[0]))
    return Turning(
        float(np.sqrt(means[0])), np.maximum(null, _LEAST), len(squares) * N_EACH * N_EACH * N_REST
    )


def _misaligned(in_a: Any, in_b: Any) -> float:
    """Return the root mean square misfit of u(A) f_B = v(B) f_A, with what stands across their directions."""
    f_a, across_a = _along(in_a)
    f_b, across_b = (np.swapaxes(part, 0, 1) for part in _along(np.swapaxes(in_b, 0, 1)))
    solved = _factors(f_a, f_b)
    if solved is None:
        return float("inf")
    u, v = solved
    misfit = v[None, :, None] * f_a - u[:, None, None] * f_b
    size = np.mean((v[None, :, None] * f_a) ** 2 + (u[:, None, None] * f_b) ** 2)
    across = [np.sum(part**2, axis=-1).reshape(-1) for part in (across_a, across_b)]
    whole = np.mean(np.sum(in_a**2, axis=-1) + np.sum(in_b**2, axis=-1))
    squares = sum(trimmed(part) ** 2 for part in across) / whole
    return float(np.sqrt(trimmed(misfit.reshape(-1) ** 2) ** 2 / size + squares))


def _along(slopes: Any) -> tuple[Any, Any]:
    """Return (slopes along the main direction at each row of a group, what stands across), both (own, other, rest)."""
    n, m, k, _ = slopes.shape
    along, across = _split(slopes.reshape(n, m * k, -1))
    return along.reshape(n, m, k), across.reshape(n, m, k, -1)


def _factors(f_a: Any, f_b: Any) -> tuple[Any, Any] | None:
    """Return u (rows of A) and v (rows of B) with u f_B as near to v f_A as can be; None where all slopes vanish."""
    size_a, size_b = np.sum(f_b**2, axis=(1, 2)), np.sum(f_a**2, axis=(0, 2))
    if not (np.all(size_a > 0) and np.all(size_b > 0)):
        return None
    left, _, right = np.linalg.svd(np.sum(f_a * f_b, axis=2) / np.sqrt(np.outer(size_a, size_b)))
    return left[:, 0] / np.sqrt(size_a), right[0] / np.sqrt(size_b)


def has_pole(probe: Probe, a: Places, b: Places, key: int = 0) -> bool:
    """Return whether p in F(p(A) + q(B)) is the logarithm of something that passes through zero.

    Then u, the slope of p, has few very large values; where p has an extremum it has few very small ones instead.
    """
    rng = np.random.default_rng(key)
    in_a, in_b, rest = _rows(probe, rng, N_OWN, N_EACH, N_OWN * N_EACH)
    points = rest.reshape(N_OWN, N_EACH, 1, -1).copy()
    points[..., list(a)] = in_a[:, None, None, list(a)]
    points[..., list(b)] = in_b[None, :, None, list(b)]
    slopes = _Slopes(probe, points.reshape(-1, points.shape[-1]), rng)
    shape = (N_OWN, N_EACH, 1, -1)
    f_a, _ = _along(slopes.of(a)[0].reshape(shape))
    f_b, _ = _along(np.swapaxes(slopes.of(b)[0].reshape(shape), 0, 1))
    solved = _factors(f_a, np.swapaxes(f_b, 0, 1))
    if solved is None:
        return False
    # The second rows from either end, so that one chance hit decides nothing.
    size = np.sort(np.abs(solved[0]))
    usual = float(np.median(size))
    return bool(size[-2] * size[1] > usual**2 and size[-2] > POLE * usual)


def _split(bundles: Any) -> tuple[Any, Any]:
    """Return (slopes along the main direction of each bundle, what stands across it)."""
    along = np.linalg.svd(bundles, full_matrices=False)[2][:, :1]
    parts = bundles @ np.swapaxes(along, 1, 2)
    return parts[..., 0], bundles - parts @ along


def inner_product(probe: Probe, a: Places, b: Places, reference: Places, key: int = 0) -> Turning:
    """Return how far the term of A and B inside F is from p(A) q(B) plus a constant.

    f = F(g(A, B) + r(reference), rest): at one place of the rest $f_A / f_r$ is $g_A$ by a factor that hangs on the
    reference alone, which is solved for. The slopes of a sum are those of a product too, of a constant factor each.
    """
    rng = np.random.default_rng(key)
    in_a, in_b, in_r, bases = _rows(probe, rng, N_INNER, N_INNER, N_REST, N_BASES)
    points = np.broadcast_to(
        bases[:, None, None, None], (N_BASES, N_INNER, N_INNER, N_REST, bases.shape[1])
    ).copy()
    points[..., list(a)] = in_a[None, :, None, None, list(a)]
    points[..., list(b)] = in_b[None, None, :, None, list(b)]
    points[..., list(reference)] = in_r[None, None, None, :, list(reference)]
    slopes = _Slopes(probe, points.reshape(-1, points.shape[-1]), rng)
    parts = zip(slopes.of(a), slopes.of(b), slopes.of(reference), strict=True)
    scores = np.array([_not_product(*(p.reshape(*points.shape[:4], -1) for p in three)) for three in parts])
    null = np.sqrt(np.abs(scores[1:] ** 2 - scores[0] ** 2))
    return Turning(float(scores[0]), np.maximum(null, _LEAST), int(np.prod(points.shape[:4])))


def _not_product(in_a: Any, in_b: Any, in_r: Any) -> float:
    """Return the misfit of rank one of the slopes of g in A, `(rows of A times columns, rows of B)`, and in B."""
    left = size = 0.0
    for f_a, f_b, f_r in zip(in_a, in_b, in_r, strict=True):
        along, _ = _split(np.moveaxis(f_r, 2, 0).reshape(N_REST, N_INNER**2, -1))
        along = np.moveaxis(along.reshape(N_REST, N_INNER, N_INNER), 0, 2)
        g_a, g_b = _inner_slopes(np.concatenate([f_a, f_b], axis=-1), along, f_a.shape[-1])
        for slopes in (np.swapaxes(g_a, 1, 2), np.moveaxis(g_b, 1, 0).swapaxes(1, 2)):
            squares = np.linalg.svd(slopes.reshape(-1, N_INNER), compute_uv=False) ** 2
            left, size = left + float(np.sum(squares[1:])), size + float(np.sum(squares))
    return float(np.sqrt(left / max(size, 1e-300)))


def _inner_slopes(f_ab: Any, f_r: Any, split: int) -> tuple[Any, Any]:
    """Return the slopes of g, `(rows of A, rows of B, columns)`, from those of f at several places of the reference.

    f_ab = F' g_ab and f_r = F' r': the factor 1/r' of each place is solved for, and the ratio averaged over places with
    f_r squared as weight, so that nothing is divided by a small slope.
    """
    weights = np.maximum(np.sum(f_r**2, axis=2), 1e-300)
    sizes = np.maximum(np.sqrt(np.sum(f_ab**2, axis=(0, 1, 3))), 1e-300)
    table = f_ab * (f_r / np.sqrt(weights)[..., None])[..., None] / sizes[:, None]
    rows = np.moveaxis(table, 2, 3).reshape(-1, f_r.shape[2])
    factor = np.linalg.svd(rows, full_matrices=False)[2][0] / sizes
    slopes = np.sum(f_ab * (factor * f_r)[..., None], axis=2) / weights[..., None]
    return slopes[..., :split], slopes[..., split:]
