r"""Fit $c f(a x + b) + d$ to curves: all functions of a library, all curves, at once.

Per curve and function a coarse set of (a, b) is screened, c and d in closed form; the best few starts are
refined together by batched Levenberg-Marquardt in all four constants. Curves are brought to unit scale first,
so nothing here depends on units. Constants that data cannot tell apart stay at a = +-1 or b = 0
(`Function.free`).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from scikan.core.functions import Function
from scikan.core.samples import evenly
from scikan.edit.growth import Name


N_SCREEN = 80
N_REFINE = 240
N_STARTS = 4
N_STEPS = 40
OWN_SCALES = (1.0, -1.0, 0.15, -0.15, 0.25, -0.25, 0.4, -0.4, 0.65, -0.65, 1.6, -1.6, 2.5, -2.5, 4.0, -4.0)
"""Slopes, in units of half the range, tried for an argument that vanishes where x does."""

Curves = Float[np.ndarray, "curves points"]


@dataclass(frozen=True)
class CurveFits:
    """Fits of every function to every curve: `affine` (curves, functions, 4), `misfit` = 1 - R^2."""

    functions: tuple[Function, ...]
    affine: Float[np.ndarray, "curves functions 4"]
    misfit: Float[np.ndarray, "curves functions"]


def fit_curves(x: Curves, y: Curves, functions: tuple[Function, ...]) -> CurveFits:
    """Return the best c f(a x + b) + d for every (curve, function) pair.

    Args:
        x, y: points of each curve, (curves, points), in any order.
        functions: candidates; a function that is undefined on a curve's points gets misfit 1.
    """
    order = np.argsort(x, axis=1)
    x, y = np.take_along_axis(x, order, 1), np.take_along_axis(y, order, 1)
    pick = evenly(x.shape[1], N_REFINE)
    x, y = x[:, pick], y[:, pick]
    middle = 0.5 * (x.max(axis=1, keepdims=True) + x.min(axis=1, keepdims=True))
    half = np.maximum(0.5 * np.ptp(x, axis=1, keepdims=True), 1e-300)
    mean, spread = y.mean(axis=1, keepdims=True), np.maximum(y.std(axis=1, keepdims=True), 1e-300)
    u, v = (x - middle) / half, (y - mean) / spread
    origin = (-middle / half)[:, 0]
    with np.errstate(all="ignore"):
        starts = np.stack([_screen(f, u, v, origin) for f in functions], axis=1)
        constants, misfit = _refine(functions, u, v, starts)
    return CurveFits(functions, _to_raw(functions, constants, middle, half, mean, spread), misfit)


def _screen(function: Function, u: Curves, v: Curves, origin: Any) -> Any:
    """Return the best starts (curves, N_STARTS + 1, 2) of (a, b) in unit coordinates."""
    few = evenly(u.shape[1], N_SCREEN)
    grid = start_grid(function)
    starts = np.broadcast_to(grid, (len(u), *grid.shape)).copy()
    # The user's own origin is the likeliest centre of all: x itself, not x shifted.
    own = np.stack([np.stack([s * np.ones_like(origin), -s * origin], axis=1) for s in OWN_SCALES], axis=1)
    if "b" in function.free:
        starts = np.concatenate([own[:, :2], starts], axis=1)
    elif "a" not in function.free:
        starts = own[:, :1]
    chosen = _best_starts(function, u[:, few], v[:, few], starts, N_STARTS)
    # Functions of a narrow domain are defined at few starts: one of those in other units is always refined as well.
    more = own if {"a", "b"} <= set(function.free) else starts
    return np.concatenate([chosen, _best_starts(function, u[:, few], v[:, few], more, 1)], axis=1)


def _best_starts(function: Function, u: Curves, v: Curves, starts: Any, most: int) -> Any:
    """Return those starts of each curve whose misfit is least, the first repeated if there are too few."""
    argument = starts[:, :, :1] * u[:, None] + starts[:, :, 1:]
    loss = _projected_misfit(function.value(np, argument), v[:, None])
    best = np.argsort(loss, axis=1)[:, :most]
    chosen = np.take_along_axis(starts, best[:, :, None], axis=1)
    missing = most - chosen.shape[1]
    return (
        np.concatenate([chosen, np.repeat(chosen[:, :1], missing, axis=1)], axis=1) if missing > 0 else chosen
    )


def start_grid(function: Function) -> Float[np.ndarray, "starts 2"]:
    """Return screening pairs (a, b) for an argument a u + b with u in [-1, 1]."""
    free = set(function.free)
    if not free & {"a", "b"}:
        return np.asarray([[1.0, 0.0]])
    if "b" not in free:
        rates = np.asarray([0.05, 0.2, 0.5, 1, 1.7, 2.5, 4, 6, 9, 14])
        return np.stack([np.concatenate([rates, -rates]), np.zeros(2 * len(rates))], axis=1)
    if "a" not in free:
        outside = 1.0 + np.asarray([0.0, 1e-3, 0.01, 0.03, 0.1, 0.2, 0.4, 0.8, 1.5, 3, 9, 30])
        inside = np.linspace(-0.9, 0.9, 13)
        centres = np.concatenate([-outside, inside, outside])
        return np.concatenate(
            [
                np.stack([np.ones_like(centres), -centres], axis=1),
                np.stack([-np.ones_like(centres), centres], axis=1),
            ]
        )
    scales = np.asarray(
        [
            0.15,
            0.3,
            0.5,
            0.7,
            0.9,
            1.0,
            1.3,
            1.7,
            2.2,
            2.8,
            3.5,
            4.3,
            5.2,
            6.3,
            7.5,
            9,
            10.5,
            12.5,
            15,
            18,
            22,
        ]
    )
    shifts = np.asarray([0.0, 0.4, 0.8, 1.2, 1.6, 2.0, -0.4, -0.8, -1.2, 2.4, 2.8])
    a, b = np.meshgrid(scales, shifts, indexing="ij")
    centred = np.stack([a.ravel(), (a * np.clip(b, -1.2, 1.2)).ravel()], axis=1)
    return np.unique(np.concatenate([np.stack([a.ravel(), b.ravel()], axis=1), centred]), axis=0)


def _projected_misfit(values: Any, v: Any) -> Any:
    """Return 1 - R^2 of the best c f + d along the last axis; 1 where f is not finite or constant."""
    centred = values - values.mean(axis=-1, keepdims=True)
    against = v - v.mean(axis=-1, keepdims=True)
    size = (centred**2).sum(axis=-1)
    explained = (centred * against).sum(axis=-1) ** 2 / (size * (against**2).sum(axis=-1))
    usable = np.isfinite(explained) & (size > 1e-20 * np.maximum((values**2).sum(axis=-1), 1e-300))
    return np.where(usable, 1.0 - explained, 1.0)


def _linear_part(values: Any, v: Any) -> tuple[Any, Any]:
    """Return the best (c, d) of c f + d against v along the last axis."""
    mean_f, mean_v = values.mean(axis=-1), v.mean(axis=-1)
    centred = values - mean_f[..., None]
    c = (centred * v).sum(axis=-1) / np.maximum((centred**2).sum(axis=-1), 1e-300)
    return c, mean_v - c * mean_f


def _refine(functions: tuple[Function, ...], u: Curves, v: Curves, starts: Any) -> tuple[Any, Any]:
    """Refine all starts at once; return constants (curves, functions, 4) and misfits (curves, functions)."""
    argument = starts[..., :1] * u[:, None, None, :] + starts[..., 1:]
    values = _values(functions, argument, derivative=False)
    c, d = _linear_part(np.where(np.isfinite(values), values, 0.0), v[:, None, None, :])
    theta = np.stack([starts[..., 0], starts[..., 1], c, d], axis=-1)
    free = np.asarray([["a" in f.free, "b" in f.free, True, True] for f in functions], float)[
        None, :, None, :
    ]
    level = np.full(theta.shape[:-1], 1e-2)
    loss, residual, columns = _linearise(functions, theta, u, v, free)
    for _ in range(N_STEPS):
        hessian = np.einsum("...pn,...qn->...pq", columns, columns)
        gradient = np.einsum("...pn,...n->...p", columns, residual)
        diagonal = np.einsum("...pp->...p", hessian)
        damping = (
            level[..., None] * (diagonal + 1e-9 * diagonal.max(axis=-1, keepdims=True))
            + (1.0 - free)
            + 1e-300
        )
        system = hessian + damping[..., None] * np.eye(4)
        sound = np.all(np.isfinite(system), axis=(-1, -2)) & np.all(np.isfinite(gradient), axis=-1)
        system = np.where(sound[..., None, None], system, np.eye(4))
        step = np.linalg.solve(system, np.where(sound[..., None], gradient, 0.0)[..., None])[..., 0]
        trial = theta - step * free
        trial_loss, trial_residual, trial_columns = _linearise(functions, trial, u, v, free)
        better = trial_loss < loss
        theta = np.where(better[..., None], trial, theta)
        loss = np.where(better, trial_loss, loss)
        residual = np.where(better[..., None], trial_residual, residual)
        columns = np.where(better[..., None, None], trial_columns, columns)
        level = np.clip(np.where(better, level / 8.0, level * 8.0), 1e-14, 1e8)
        if np.all((loss.min(axis=-1) < 1e-26) | (level.min(axis=-1) > 1e6)):
            break
    best = np.argmin(loss, axis=-1)
    chosen = np.take_along_axis(theta, best[..., None, None], axis=2)[:, :, 0]
    misfit = np.minimum(np.take_along_axis(loss, best[..., None], axis=2)[..., 0], 1.0)
    return chosen, misfit


def _linearise(
    functions: tuple[Function, ...], theta: Any, u: Curves, v: Curves, free: Any
) -> tuple[Any, Any, Any]:
    """Return mean square misfit, scaled residuals and Jacobian columns of every start."""
    a, b, c, d = (theta[..., n, None] for n in range(4))
    points = u[:, None, None, :]
    argument = a * points + b
    values = _values(functions, argument, derivative=False)
    slopes = c * _values(functions, argument, derivative=True)
    residual = c * values + d - v[:, None, None, :]
    root = np.sqrt(u.shape[1])
    loss = np.mean(residual**2, axis=-1)
    columns = (
        np.stack([slopes * points, slopes, values, np.ones_like(values)], axis=-2) * free[..., None] / root
    )
    finite = np.isfinite(loss) & np.all(np.isfinite(columns), axis=(-1, -2))
    loss = np.where(finite, loss, np.inf)
    return (
        loss,
        np.where(finite[..., None], residual, 0.0) / root,
        np.where(finite[..., None, None], columns, 0.0),
    )


def _values(functions: tuple[Function, ...], argument: Any, derivative: bool) -> Any:
    parts = []
    for n, function in enumerate(functions):
        evaluate = function.derivative if derivative else function.value
        parts.append(evaluate(np, argument[:, n]))
    return np.stack(parts, axis=1)


def _to_raw(
    functions: tuple[Function, ...], constants: Any, middle: Any, half: Any, mean: Any, spread: Any
) -> Any:
    """Carry (a, b, c, d) from unit coordinates to the curve's own, in the canonical form of each function."""
    a, b, c, d = (constants[..., n].copy() for n in range(4))
    raw_b = b - a * middle / half
    raw_a = a / half
    raw_c, raw_d = c * spread, d * spread + mean
    for n, function in enumerate(functions):
        free = function.free
        if "a" not in free:
            raw = (raw_a[:, n], raw_b[:, n], raw_c[:, n], raw_d[:, n])
            raw_a[:, n], raw_b[:, n], raw_c[:, n], raw_d[:, n] = _unit_slope(
                function, *raw, fixed_b="b" not in free
            )
        elif "b" not in free:
            # exp(a u + b) = exp(b) exp(a u).
            raw_c[:, n] *= np.exp(np.clip(raw_b[:, n], -600, 600))
            raw_b[:, n] = 0.0
        elif function.name in _ODD:
            flip = np.where(raw_a[:, n] < 0, -1.0, 1.0)
            raw_a[:, n], raw_b[:, n], raw_c[:, n] = flip * raw_a[:, n], flip * raw_b[:, n], flip * raw_c[:, n]
            if function.name == "sin":
                turns = np.round(raw_b[:, n] / np.pi)
                raw_b[:, n] -= np.pi * turns
                raw_c[:, n] *= np.where(turns % 2 == 0, 1.0, -1.0)
    return np.stack([raw_a, raw_b, raw_c, raw_d], axis=-1)


def canonical(name: Name) -> Name:
    """Return the same curve with its constants in the canonical form of its function: |a| = 1 where c absorbs it."""
    constants = np.asarray(name.affine, float)[None, None]
    found = _to_raw((name.function,), constants, 0.0, 1.0, 0.0, 1.0)[0, 0]
    return Name(name.function, (float(found[0]), float(found[1]), float(found[2]), float(found[3])))


_ODD = ("sin", "tan", "tanh", "arcsin", "arctan", "arctanh", "sinh")


def _unit_slope(
    function: Function, a: Any, b: Any, c: Any, d: Any, fixed_b: bool
) -> tuple[Any, Any, Any, Any]:
    """Bring |a| to 1 for functions whose scale c (or, for log, d) absorbs it."""
    size = np.abs(a)
    sign = np.where(a < 0, -1.0, 1.0)
    if fixed_b:
        # The identity: c (a x + b) + d = (c a) x + (c b + d).
        return np.ones_like(a), np.zeros_like(b), c * a, c * b + d
    if function.name == "log":
        return sign, b / size, c, d + c * np.log(size)
    at_two, at_one = function.value(np, np.asarray(2.0)), function.value(np, np.asarray(1.0))
    exponent = np.log2(at_two / at_one) if at_one > 0 else 0.0
    return sign, b / size, c * size**exponent, d
