r"""The road without networks: formulas proposed by regression in closed form.

Three stages, each linear in its unknowns: power laws (regression of logarithms), polynomials in few monomials
(backward elimination), and affine laws $T(y) = a + b f(x)$ for a small library of features f and transforms T
of the target. They return proposals with rough constants; whoever asked refits and ranks them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
from jaxtyping import Float

from scikan.core.expr import Constant, Expr, Number, Symbol, add, multiply, power
from scikan.core.functions import LIBRARY
from scikan.core.parser import apply


Rows = Float[np.ndarray, "_ _"]
Vector = Float[np.ndarray, " _"]

MOST_MONOMIALS = 130
MOST_TERMS = 12
N_OFFSETS = 2
N_SCREEN = 400


@dataclass(frozen=True)
class Transform:
    """A transform T of the target with its slope and the inverse as a tree."""

    name: str
    value: Any
    slope: Any
    inverse: Any


POSITIVE = ("log y", "1/y", "y^2", "sqrt y", "1/y^2")
"""Transforms that are inverted for a positive target only."""

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


def usable(
    y: Vector, transforms: tuple[Transform, ...] = TRANSFORMS
) -> list[tuple[Transform, Vector, Vector]]:
    """Return (transform, T(y), slope) for those defined and invertible on all rows."""
    found = []
    with np.errstate(all="ignore"):
        for transform in transforms:
            if transform.name in POSITIVE and not np.all(y > 0):
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
    for kept, weights in elimination(columns, u, keep_first=True):
        factors: list[Expr] = [Constant(sign * float(np.exp(weights[0])))]
        for place, weight in zip(kept[1:], weights[1:], strict=True):
            factors.append(power(Symbol(names[positive[place - 1]]), Constant(float(weight))))
        yield multiply(factors)


def shifted_power_laws(x: Rows, y: Vector, names: tuple[str, ...], root_weight: Any = 1.0) -> Iterator[Expr]:
    """Yield T^-1(a + c * prod x_j^k_j) of positive columns, for transforms T and offsets a on either side of T(y).

    An offset is only roughly known; with it the rest is a power law, and whoever asked refits all of them.
    """
    positive = [j for j in range(x.shape[1]) if np.all(x[:, j] > 0)]
    if not positive:
        return
    logs = np.column_stack([np.ones(len(y)), np.log(x[:, positive])])
    for transform, u, slope in usable(y):
        weight = row_weight(slope / root_weight)
        found: list[tuple[float, int, float, float, Any]] = []
        for offset in _offsets(u):
            left = np.abs(u - offset)
            # Residuals of logarithms count as those of T(y) do.
            row = left * weight
            target = np.log(left) * row
            if not (np.isfinite(target).all() and np.isfinite(logs * row[:, None]).all()):
                continue
            k = np.linalg.lstsq(logs * row[:, None], target, rcond=1e-12)[0]
            sign = float(np.sign(u[0] - offset))
            misfit = float(
                np.mean(((u - offset - sign * np.exp(np.clip(logs @ k, -600, 600))) * weight) ** 2)
            )
            found.append((misfit, len(found), offset, sign, k))
        for _, _, offset, sign, k in sorted(found, key=lambda f: f[:2])[:N_OFFSETS]:
            factors: list[Expr] = [Constant(sign * float(np.exp(k[0])))]
            factors += [
                power(Symbol(names[j]), Constant(float(e))) for j, e in zip(positive, k[1:], strict=True)
            ]
            yield transform.inverse(add([Constant(offset), multiply(factors)]))


def _offsets(u: Vector) -> list[float]:
    """Return offsets that leave all of u on one side, near it and far, and the whole numbers among them."""
    low, high, spread = float(u.min()), float(u.max()), float(np.std(u))
    near = [low - r * spread for r in (0.01, 0.1, 0.5, 2.0)] + [
        high + r * spread for r in (0.01, 0.1, 0.5, 2.0)
    ]
    return near + [float(a) for a in (-1, 1) if a < low or a > high]


def polynomials(x: Rows, y: Vector, names: tuple[str, ...], root_weight: Any = 1.0) -> Iterator[Expr]:
    """Yield T^-1(polynomial) for transforms T, with the monomials that backward elimination keeps."""
    scale = np.abs(x).max(axis=0)
    exponents = monomials(x.shape[1], min(MOST_MONOMIALS, len(y) // 3))
    columns = np.column_stack([np.prod((x / scale) ** e, axis=1) for e in exponents])
    for transform, u, slope in usable(y):
        weight = row_weight(slope / root_weight)
        paths = list(elimination(columns * weight[:, None], u * weight, keep_first=False))
        for kept, weights in paths:
            if 0 < len(kept) <= MOST_TERMS:
                yield transform.inverse(polynomial_of(exponents, kept, weights, scale, names))


def monomials(n: int, most: int, degree: int = 4) -> list[Any]:
    """Return exponents, `(n,)` each, of all monomials up to a degree, whole degrees only, at most so many."""
    found: list[Any] = [np.zeros(n, int)]
    for total in range(1, degree + 1):
        new = []
        for combination in combinations_with_replacement(range(n), total):
            new.append(np.bincount(combination, minlength=n))
        if len(found) + len(new) > most:
            break
        found += new
    return found


def polynomial_of(
    exponents: list[Any], kept: list[int], weights: Vector, scale: Any, names: tuple[str, ...]
) -> Expr:
    """Return the polynomial with weights of scaled monomials as a formula."""
    terms = []
    for place, weight in zip(kept, weights, strict=True):
        exponent = exponents[place]
        factors: list[Expr] = [Constant(float(weight / np.prod(scale**exponent)))]
        factors += [power(Symbol(names[j]), Number(int(e))) for j, e in enumerate(exponent) if e]
        terms.append(multiply(factors))
    return add(terms)


def row_weight(slope: Vector) -> Vector:
    """Return weights that measure residuals of T(y) in units of y, none above four medians."""
    weight = 1.0 / np.maximum(np.abs(slope), 1e-300)
    return np.asarray(np.minimum(weight, 4.0 * np.median(weight)) / np.median(weight))


def elimination(columns: Rows, u: Vector, keep_first: bool) -> Iterator[tuple[list[int], Vector]]:
    """Yield (columns kept, weights): the best by BIC along backward elimination, and the exact fits on the way."""
    kept = list(range(columns.shape[1]))
    best: tuple[float, list[int], Vector] | None = None
    n = len(u)
    total = float(u @ u)
    # A triangle with the same lengths and angles as the table: each round costs its size, not that of the table.
    triangle = np.asarray(np.linalg.qr(np.column_stack([columns, u]), mode="r"))
    columns, u = triangle[:, :-1], triangle[:, -1]
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
