r"""The road without networks: formulas proposed by regression in closed form.

Three stages, each linear in its unknowns: power laws (regression of logarithms), polynomials in few monomials
(backward elimination), and affine laws $T(y) = a + b f(x)$ for a small library of features f and transforms T
of the target. They return proposals with rough constants; whoever asked refits and ranks them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, combinations_with_replacement
from typing import Any

import numpy as np
from jaxtyping import Float

from scikan.core.expr import Constant, Expr, Number, Symbol, add, evaluate, multiply, power
from scikan.core.functions import LIBRARY
from scikan.core.parser import apply


Rows = Float[np.ndarray, "_ _"]
Vector = Float[np.ndarray, " _"]

MOST_MONOMIALS = 130
MOST_TERMS = 12
N_SCREEN = 400
N_AFFINE = 40


@dataclass(frozen=True)
class Transform:
    """A transform T of the target with its slope and the inverse as a tree."""

    name: str
    value: Any
    slope: Any
    inverse: Any


TRANSFORMS = (
    Transform("y", lambda y: y, lambda y: np.ones_like(y), lambda e: e),
    Transform("log y", np.log, lambda y: 1 / y, lambda e: apply(LIBRARY["exp"], e)),
    Transform("1/y", lambda y: 1 / y, lambda y: 1 / y**2, lambda e: power(e, Number(-1))),
    Transform("y^2", lambda y: y**2, lambda y: 2 * np.abs(y), lambda e: power(e, Number(Fraction(1, 2)))),
    Transform("sqrt y", np.sqrt, lambda y: 0.5 / np.sqrt(y), lambda e: power(e, Number(2))),
    Transform(
        "1/y^2",
        lambda y: y**-2.0,
        lambda y: 2 * np.abs(y) ** -3.0,
        lambda e: power(e, Number(Fraction(-1, 2))),
    ),
    Transform("exp y", np.exp, np.exp, lambda e: apply(LIBRARY["log"], e)),
)


def usable_transforms(y: Vector) -> list[tuple[Transform, Vector, Vector]]:
    """Return (transform, T(y), slope) for those defined and invertible on all rows."""
    found = []
    with np.errstate(all="ignore"):
        for transform in TRANSFORMS:
            if transform.name not in ("y", "exp y") and not np.all(y > 0):
                continue
            u, slope = transform.value(y), transform.slope(y)
            if (
                np.all(np.isfinite(u))
                and np.all(np.isfinite(slope))
                and np.ptp(u) > 1e-12 * np.abs(u).max() > 0
            ):
                found.append((transform, u, slope))
    return found


def constant_law(y: Vector) -> Expr:
    """Return the law that says the mean."""
    return Constant(float(np.mean(y)))


def power_laws(x: Rows, y: Vector, names: tuple[str, ...]) -> Iterator[Expr]:
    """Yield c * prod x_j^a_j for the best subsets of positive columns, found by backward elimination."""
    positive = [j for j in range(x.shape[1]) if np.all(x[:, j] > 0)]
    if not (np.all(y > 0) or np.all(y < 0)) or not positive:
        return
    sign, u = float(np.sign(y[0])), np.log(np.abs(y))
    columns = np.column_stack([np.ones(len(u)), np.log(x[:, positive])])
    for kept, weights in _elimination(columns, u, keep_first=True):
        factors: list[Expr] = [Constant(sign * float(np.exp(weights[0])))]
        for place, weight in zip(kept[1:], weights[1:], strict=True):
            factors.append(power(Symbol(names[positive[place - 1]]), Constant(float(weight))))
        yield multiply(factors)


def polynomials(x: Rows, y: Vector, names: tuple[str, ...]) -> Iterator[Expr]:
    """Yield T^-1(polynomial) for transforms T, with the monomials that backward elimination keeps."""
    scale = np.abs(x).max(axis=0)
    exponents = _monomials(x.shape[1], min(MOST_MONOMIALS, len(y) // 3))
    columns = np.column_stack([np.prod((x / scale) ** e, axis=1) for e in exponents])
    for transform, u, slope in usable_transforms(y):
        weight = _row_weight(slope)
        paths = list(_elimination(columns * weight[:, None], u * weight, keep_first=False))
        for kept, weights in paths:
            if 0 < len(kept) <= MOST_TERMS:
                yield transform.inverse(_polynomial(exponents, kept, weights, scale, names))


def _monomials(n: int, most: int) -> list[Any]:
    found: list[Any] = [np.zeros(n, int)]
    for degree in (1, 2, 3, 4):
        new = []
        for combination in combinations_with_replacement(range(n), degree):
            new.append(np.bincount(combination, minlength=n))
        if len(found) + len(new) > most:
            break
        found += new
    return found


def _polynomial(
    exponents: list[Any], kept: list[int], weights: Vector, scale: Any, names: tuple[str, ...]
) -> Expr:
    terms = []
    for place, weight in zip(kept, weights, strict=True):
        exponent = exponents[place]
        factors: list[Expr] = [Constant(float(weight / np.prod(scale**exponent)))]
        factors += [power(Symbol(names[j]), Number(int(e))) for j, e in enumerate(exponent) if e]
        terms.append(multiply(factors))
    return add(terms)


def _row_weight(slope: Vector) -> Vector:
    """Return weights that measure residuals of T(y) in units of y, none above four medians."""
    weight = 1.0 / np.maximum(np.abs(slope), 1e-300)
    return np.asarray(np.minimum(weight, 4.0 * np.median(weight)) / np.median(weight))


def _elimination(columns: Rows, u: Vector, keep_first: bool) -> Iterator[tuple[list[int], Vector]]:
    """Yield (columns kept, weights): the best by BIC along backward elimination, and the exact fits on the way."""
    kept = list(range(columns.shape[1]))
    best: tuple[float, list[int], Vector] | None = None
    n = len(u)
    total = float(u @ u)
    while kept:
        part = columns[:, kept]
        norms = np.maximum(np.sqrt((part**2).sum(axis=0)), 1e-300)
        q, r = np.linalg.qr(part / norms)
        diagonal = np.abs(np.diag(r))
        if diagonal.min() < 1e-10:
            kept.pop(int(np.argmin(diagonal)))
            continue
        inverse = np.linalg.solve(r, np.eye(len(kept)))
        weights = inverse @ (q.T @ u)
        residual = float(np.sum((u - part @ (weights / norms)) ** 2)) + 1e-26 * total
        bic = n * np.log(residual / n) + len(kept) * (np.log(n) + 4.0)
        if best is None or bic <= best[0]:
            best = (bic, list(kept), weights / norms)
        importance = np.abs(weights) / np.sqrt((inverse**2).sum(axis=1) * residual / max(n - len(kept), 1))
        if keep_first and kept[0] == 0:
            importance[0] = np.inf
        if len(kept) == 1 + keep_first and not np.any(np.isfinite(importance)) or len(kept) == 1:
            break
        weakest = np.argsort(importance)
        drop = max(1, int(np.sum(importance < 1.0)) // 2) if len(kept) > 20 else 1
        if not np.isfinite(importance[weakest[0]]):
            break
        for place in sorted(weakest[:drop].tolist(), reverse=True):
            kept.pop(place)
    if best is not None:
        yield best[1], best[2]


def affine_laws(x: Rows, y: Vector, names: tuple[str, ...]) -> Iterator[Expr]:
    """Yield T^-1(a + b f) for the features f and transforms T that regression likes best."""
    pick = np.unique(np.linspace(0, len(y) - 1, min(N_SCREEN, len(y))).round().astype(int))
    rows, target = x[pick], y[pick]
    features = list(_features(rows, names))
    if not features:
        return
    table = np.stack([values for _, values in features])
    found = []
    for transform, u, slope in usable_transforms(target):
        w2 = _row_weight(slope) ** 2
        w2 = w2 / w2.sum()
        centred = table - (table @ w2)[:, None]
        v = u - u @ w2
        size = np.maximum((centred**2) @ w2, 1e-300)
        shared = centred @ (w2 * v)
        slopes = shared / size
        explained = slopes * shared / max(float((v**2) @ w2), 1e-300)
        loss = (1.0 - np.minimum(explained, 1.0)) * float((v**2) @ w2)
        for n in np.argsort(loss)[:N_AFFINE]:
            level = float(u @ w2 - slopes[n] * (table[n] @ w2))
            found.append((float(loss[n]), transform, features[n][0], float(slopes[n]), level))
    found.sort(key=lambda item: item[0])
    for _, transform, feature, slope_value, level in found[:N_AFFINE]:
        scaled = multiply([Constant(slope_value), feature])
        yield transform.inverse(add([Constant(level), scaled]))
        yield transform.inverse(scaled)


def _features(x: Rows, names: tuple[str, ...]) -> Iterator[tuple[Expr, Vector]]:
    """Yield (expression, values): functions of columns, products, quotients, sums and differences of two."""
    columns = {name: x[:, j] for j, name in enumerate(names)}
    symbols = [Symbol(name) for name in names]
    arguments: list[Expr] = list(symbols)
    for a, b in combinations(symbols, 2):
        arguments += [a * b, a / b, a + b, a - b]
    for argument in arguments:
        with np.errstate(all="ignore"):
            values = np.broadcast_to(evaluate(argument, columns), x.shape[:1])
        if not np.all(np.isfinite(values)):
            continue
        yield argument, values
        spread = float(np.abs(values).max())
        for name in ("x^2", "x^3", "sqrt", "1/x", "1/x^2", "1/sqrt(x)", "log"):
            yield from _kept(apply(LIBRARY[name], argument), columns)
        for name in ("exp", "sin", "tanh", "gaussian"):
            for rate in (0.3, 1.0, 3.0):
                for sign in (1, -1) if name == "exp" else (1,):
                    scaled = multiply([Constant(sign * rate / max(spread, 1e-300)), argument])
                    yield from _kept(apply(LIBRARY[name], scaled), columns)


def _kept(expr: Expr, columns: dict[str, Any]) -> Iterator[tuple[Expr, Vector]]:
    with np.errstate(all="ignore"):
        values = np.asarray(evaluate(expr, columns))
    if values.ndim and np.all(np.isfinite(values)) and np.ptp(values) > 1e-9 * np.abs(values).max() > 0:
        yield expr, values
