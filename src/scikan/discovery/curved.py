r"""Quotients of polynomials in columns that are bent by one function each, for a bent target.

Aberration of light, $\cos\theta' = (\cos\theta - v/c) / (1 - (v/c) \cos\theta)$, and Kepler's ellipse are of this kind:
$T(z) Q(f, g) = P(f, g)$ is linear in the weights of P and Q once the functions are chosen, so every choice is one small
regression on few rows. The best choices are solved again on all rows by elimination.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from scikan.core.expr import Expr, call, multiply, substitute
from scikan.core.samples import evenly
from scikan.discovery.ratios import quotient
from scikan.discovery.stages import TRANSFORMS, Transform, row_weight, usable
from scikan.structure.levels import Level


MOST_COLUMNS, MOST_BENT = 4, 2
N_SCREEN, N_BEST = 256, 6

BENDS = ("", "inverse", "cos", "sin", "exp", "sqrt", "log")
"""Functions of a column; the first leaves it as it is."""

_VALUES: dict[str, Any] = {
    "": lambda v: v,
    "inverse": lambda v: 1 / v,
    **{name: getattr(np, name) for name in BENDS[2:]},
}
_BENT: dict[str, Any] = {
    "": lambda e: e,
    "inverse": lambda e: 1 / e,
    **{name: partial(call, name) for name in BENDS[2:]},
}

ANGLES = (
    Transform("cos y", np.cos, lambda y: -np.sin(y), lambda e: call("arccos", e)),
    Transform("sin y", np.sin, np.cos, lambda e: call("arcsin", e)),
    Transform("tan y", np.tan, lambda y: 1 + np.tan(y) ** 2, lambda e: call("arctan", e)),
    Transform("arctanh y", np.arctanh, lambda y: 1 / (1 - y**2), lambda e: call("tanh", e)),
)
_RANGES = {
    "cos y": (0.0, np.pi),
    "sin y": (-np.pi / 2, np.pi / 2),
    "tan y": (-1.55, 1.55),
    "arctanh y": (-1.0, 1.0),
}


@dataclass(frozen=True, eq=False)
class _Monomials:
    """Exponents of the monomials above and below the line, `(columns,)` each; those below without the constant."""

    above: list[Any]
    below: list[Any]

    def of(self, columns: Any) -> tuple[Any, Any]:
        """Return their values, `(rows, monomials)` each."""
        above, below = (
            np.reshape([np.prod(columns**e, axis=1) for e in exponents], (-1, len(columns))).T
            for exponents in (self.above, self.below)
        )
        return above, below


@dataclass(frozen=True, eq=False)
class _Choice:
    """What is bent and how: the target's transform, the columns' functions, the monomials of these."""

    transform: Transform
    bends: tuple[str, ...]
    monomials: _Monomials


def curved_laws(level: Level) -> Iterator[Expr]:
    """Yield laws of y in which a transform of the target is a quotient of polynomials in bent columns."""
    if not 1 <= level.columns.shape[1] <= MOST_COLUMNS:
        return
    n = len(level.target)
    some = level.rows(evenly(n, N_SCREEN))
    for monomials in _monomials(level.columns.shape[1]):
        if 2 * (len(monomials.above) + len(monomials.below)) > len(some.target):
            return
        ranked = sorted(_screened(some, monomials), key=lambda found: found[:2])
        for _, _, choice in ranked[:N_BEST]:
            yield from _solved(level, choice)


def _monomials(n: int) -> Iterator[_Monomials]:
    """Yield exponents above and below the line, small sets first: large ones would hide common factors."""
    box = [np.array(e) for e in product(range(3), repeat=n)]
    once, low = [e for e in box if e.max() <= 1], [e for e in box if e.sum() <= 2]
    if n <= 3:
        yield _Monomials(once, once[1:])
        yield _Monomials(low, low[1:])
    if n <= 2:
        yield _Monomials(box, box[1:])
    if n == 3:
        cubic = [np.array(e) for e in product(range(4), repeat=n) if sum(e) <= 3]
        yield _Monomials(cubic, [e for e in once[1:] if e.sum() <= 2])
    if n == 4:
        yield _Monomials(once, [])
        yield _Monomials(low, [])


def _bent(level: Level, bends: tuple[str, ...]) -> Any:
    """Return the columns as they enter, `(rows, columns)`."""
    parts = []
    for j, bend in enumerate(bends):
        v = level.columns[:, j]
        parts.append(_VALUES[bend](v))
    return np.column_stack(parts)


def _choices(level: Level) -> Iterator[tuple[tuple[str, ...], Any]]:
    for bends in product(BENDS, repeat=level.columns.shape[1]):
        if sum(map(bool, bends)) <= MOST_BENT:
            columns = _bent(level, bends)
            if np.all(np.isfinite(columns)) and np.all(np.ptp(columns, axis=0) > 0):
                yield bends, columns / np.abs(columns).max(axis=0)


def _targets(z: Any) -> list[tuple[Transform, Any, Any]]:
    """Return (transform, T(z), slope) of all that are defined and invertible on the target's range."""
    low, high = float(z.min()), float(z.max())
    angles = [t for t in ANGLES if _RANGES[t.name][0] < low and high < _RANGES[t.name][1]]
    return usable(z, (*TRANSFORMS, *angles))


def _screened(level: Level, monomials: _Monomials) -> Iterator[tuple[float, int, _Choice]]:
    """Yield (misfit, number, choice) of every choice on few rows."""
    targets = _targets(level.target)
    number = 0
    for bends, columns in _choices(level):
        above, below = monomials.of(columns)
        for transform, u, slope in targets:
            number += 1
            if transform.name == "y" and not any(bends):
                continue
            weight = row_weight(slope / level.weight)
            yield _misfit(above, below, u, weight), number, _Choice(transform, bends, monomials)


def _misfit(above: Any, below: Any, u: Any, weight: Any) -> float:
    """Return what the best quotient leaves of a target, as a share of its spread."""
    rows = np.column_stack([above, -u[:, None] * below])
    if not np.isfinite(rows * weight[:, None]).all():
        return np.inf
    root, n = weight, above.shape[1]
    share = np.inf
    for _ in range(2 if below.shape[1] else 1):
        weights = np.linalg.lstsq(rows * root[:, None], u * root, rcond=1e-12)[0]
        line = 1.0 + below @ weights[n:]
        if not np.all(line != 0.0) or not np.isfinite(line).all():
            break
        left = (u - above @ weights[:n] / line) * weight
        share = min(share, float(np.sqrt(np.mean(left**2)) / np.std(u * weight)))
        root = weight / np.maximum(np.abs(line), 1e-3 * np.median(np.abs(line)))
    return share if np.isfinite(share) else np.inf


def _solved(level: Level, choice: _Choice) -> Iterator[Expr]:
    """Yield the law of a choice with the terms that elimination keeps."""
    found = next((t for t in _targets(level.target) if t[0].name == choice.transform.name), None)
    columns = _bent(level, choice.bends)
    if found is None or not np.all(np.isfinite(columns)):
        return
    transform, u, slope = found
    names = tuple(f"f{j}" for j in range(columns.shape[1]))
    back = {
        name: _BENT[bend](e) for name, bend, e in zip(names, choice.bends, level.expressions, strict=True)
    }
    scale = np.abs(columns).max(axis=0)
    exponents = (choice.monomials.above, choice.monomials.below)
    for expr in quotient(columns / scale, u, exponents, scale, names, row_weight(slope / level.weight)):
        yield multiply([level.factor_expression, transform.inverse(substitute(expr, back))])
