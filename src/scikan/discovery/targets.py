r"""Transformed targets $u = T(z \circ s)$, and the affine regression of all of them on a whole library.

If $T(z \circ s) = a + b f$ for a feature f, then z is a formula: the inverse of T, then that of the operation.
Every target knows this way back. Residuals of u count as those of y do, by the delta method, so that hits
of different targets compare directly; a batch of targets costs three matrix products.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from scikan.core.expr import Expr, Number, call, power, root
from scikan.discovery.library import Features


Vector = Float[np.ndarray, " _"]

MOST_TARGETS = 2000
BATCH = 64
NODE_BITS = 3.6
_MOST_INVALID = 0.05
_CLIP = 4.0
_ONLY_SHALLOW = ("arctanh", "arcsin", "arctan")


@dataclass(frozen=True)
class Transform:
    """A monotonic T: values, slope, the inverse as values and as a formula, where it is defined, its size."""

    name: str
    value: Callable[[Any], Any]
    slope: Callable[[Any], Any]
    inverse: Callable[[Any], Any]
    tree: Callable[[Expr], Expr]
    low: float = -np.inf
    high: float = np.inf
    nodes: int = 1


_HALF_PI = np.pi / 2

TRANSFORMS = (
    Transform("identity", lambda v: v, np.ones_like, lambda u: u, lambda e: e, nodes=0),
    Transform("inverse", lambda v: 1 / v, lambda v: v**-2.0, lambda u: 1 / u, lambda e: power(e, Number(-1))),
    Transform("square", np.square, lambda v: 2 * v, np.sqrt, root, low=0.0),
    Transform("sqrt", np.sqrt, lambda v: 0.5 / np.sqrt(v), np.square, lambda e: power(e, Number(2)), low=0.0),
    Transform("log", np.log, lambda v: 1 / v, np.exp, lambda e: call("exp", e), low=0.0),
    Transform(
        "inverse square",
        lambda v: v**-2.0,
        lambda v: 2 * np.abs(v) ** -3.0,
        lambda u: 1 / np.sqrt(u),
        lambda e: power(root(e), Number(-1)),
        low=0.0,
        nodes=2,
    ),
    Transform(
        "inverse sqrt",
        lambda v: 1 / np.sqrt(v),
        lambda v: 0.5 * np.abs(v) ** -1.5,
        lambda u: u**-2.0,
        lambda e: power(e, Number(-2)),
        low=0.0,
        nodes=2,
    ),
    Transform("exp", np.exp, np.exp, np.log, lambda e: call("log", e), low=-30.0, high=30.0),
    Transform(
        "arctanh", np.arctanh, lambda v: 1 / (1 - v * v), np.tanh, lambda e: call("tanh", e), -1.0, 1.0
    ),
    Transform(
        "arcsin", np.arcsin, lambda v: 1 / np.sqrt(1 - v * v), np.sin, lambda e: call("sin", e), -1.0, 1.0
    ),
    Transform("arctan", np.arctan, lambda v: 1 / (1 + v * v), np.tan, lambda e: call("tan", e)),
    Transform("sin", np.sin, np.cos, np.arcsin, lambda e: call("arcsin", e), -_HALF_PI, _HALF_PI),
    Transform("cos", np.cos, lambda v: np.abs(np.sin(v)), np.arccos, lambda e: call("arccos", e), 0.0, np.pi),
    Transform(
        "tan",
        np.tan,
        lambda v: 1 + np.tan(v) ** 2,
        np.arctan,
        lambda e: call("arctan", e),
        -_HALF_PI,
        _HALF_PI,
    ),
    Transform(
        "tanh",
        np.tanh,
        lambda v: 1 / np.cosh(v) ** 2,
        np.arctanh,
        lambda e: call("arctanh", e),
        -8.0,
        8.0,
    ),
)

OPERATIONS = ("times", "divided", "plus", "minus")


@dataclass(frozen=True, eq=False)
class Target:
    """One transformed target on the screening rows.

    Args:
        values: u.
        weight: of residuals of u (not squared), zero where T is undefined.
        transform: T.
        operation: how z meets s; "" for z alone.
        other: entry of s in the library; -1 if there is none.
        sign: -1 if the transform is applied to the negative.
        nodes: size of the chain back to z.
    """

    values: Vector
    weight: Vector
    transform: Transform
    operation: str
    other: int
    sign: float
    nodes: int

    def forward(self, z: Vector, s: Any) -> Any:
        """Return u for z and values of s."""
        with np.errstate(all="ignore"):
            return self.transform.value(self.sign * _met(z, s, self.operation))

    def back(self, u: Any, s: Any) -> Any:
        """Return z for values of u and s."""
        with np.errstate(all="ignore"):
            return _undone(self.sign * self.transform.inverse(u), s, self.operation)

    def weighted(self, z: Vector, s: Any, weight: Vector) -> Any:
        """Return weights of residuals of u on other rows, from those of z; not finite outside the domain."""
        with np.errstate(all="ignore"):
            slope = self.transform.slope(self.sign * _met(z, s, self.operation)) * by_z(s, self.operation)
            found = weight / np.abs(slope)
        return np.minimum(found, _CLIP * np.nanmedian(found))

    def formula(self, u: Expr, s: Expr | None) -> Expr:
        """Return z as a formula for a formula of u."""
        inner = self.transform.tree(u)
        inner = -inner if self.sign < 0 else inner
        return inner if s is None else _undone(inner, s, self.operation)


def _met(z: Any, s: Any, operation: str) -> Any:
    if operation == "times":
        return z * s
    if operation == "divided":
        return z / s
    if operation == "plus":
        return z + s
    return z - s if operation == "minus" else z


def _undone(v: Any, s: Any, operation: str) -> Any:
    opposite = {"times": "divided", "divided": "times", "plus": "minus", "minus": "plus", "": ""}
    return _met(v, s, opposite[operation])


def by_z(s: Any, operation: str) -> Any:
    """Return the derivative of z o s by z."""
    if operation in ("times", "divided"):
        return s if operation == "times" else 1 / s
    return 1.0


def light_targets(z: Vector, weight: Vector, features: Features) -> Iterator[Target]:
    """Yield T(z) and T(z o column) on the rows of the library, z first."""
    yield from _targets(z, weight, features, [-1])
    yield from _targets(z, weight, features, np.flatnonzero(features.level == 0)[:-1].tolist())


def heavy_targets(z: Vector, weight: Vector, features: Features, level: int) -> Iterator[Target]:
    """Yield T(z o s) for the entries s of a level of the library, the simplest first."""
    places = np.flatnonzero(features.level == level)
    yield from _targets(
        z, weight, features, places[np.argsort(features.nodes[places], kind="stable")].tolist()
    )


def _targets(z: Vector, weight: Vector, features: Features, others: list[int]) -> Iterator[Target]:
    for other in others:
        s = None if other < 0 else features.values[other]
        size = 0 if other < 0 else int(features.nodes[other]) + 1
        for operation in ("",) if other < 0 else OPERATIONS:
            with np.errstate(all="ignore"):
                v = _met(z, s, operation)
                slope = by_z(s, operation)
            for transform in TRANSFORMS:
                # An affine law for z + s is one for z on another feature: only T bends it.
                if transform.name == "identity" and operation in ("plus", "minus"):
                    continue
                found = _target(v, slope, weight, transform)
                if found is not None:
                    u, row_weight, sign = found
                    yield Target(u, row_weight, transform, operation, other, sign, size + transform.nodes)


def _target(v: Any, outer: Any, weight: Vector, transform: Transform) -> tuple[Any, Any, float] | None:
    """Return (u, weights, sign), or None if T is undefined on too many rows or constant."""
    sign = -1.0 if transform.low == 0.0 and np.mean(v < 0) > 1 - _MOST_INVALID else 1.0
    v = sign * v
    with np.errstate(all="ignore"):
        u, slope = transform.value(v), np.abs(transform.slope(v) * outer)
        valid = np.isfinite(u) & np.isfinite(slope) & (v > transform.low) & (v < transform.high)
        if np.mean(~valid) > _MOST_INVALID:
            return None
        row_weight = np.where(valid, weight / np.maximum(slope, 1e-300), 0.0)
    row_weight = np.minimum(row_weight, _CLIP * np.median(row_weight))
    u = np.where(valid, u, 0.0)
    used = u[valid]
    if not np.all(np.isfinite(row_weight)) or np.ptp(used) <= 1e-10 * np.abs(used).max():
        return None
    return (u, row_weight, sign) if row_weight.sum() > 0 else None


@dataclass(frozen=True, eq=False)
class Table:
    """Features to compare targets with.

    Args:
        values: `(features, rows)`, float32, each row of mean 0 and variance 1.
        nodes: size of each.
        deep: whether a transcendental function stands in it.
    """

    values: Any
    nodes: Any
    deep: Any


@dataclass(frozen=True, eq=False)
class Hit:
    """A target and a row of a table of features that fit: bits of the misfit on the screening rows and of the form."""

    score: float
    target: Target
    row: int


def screened(targets: list[Target], table: "Table", total: float, keep: int) -> list[Hit]:
    """Return the best affine hits of targets on features, best first.

    Args:
        targets: any number of them.
        table: features on the rows of the targets.
        total: variance of y (a mean of squares) in units of which misfits are measured.
        keep: how many hits are returned.
    """
    values = table.values
    squares = values * values
    hits: list[Hit] = []
    for start in range(0, len(targets), BATCH):
        batch = targets[start : start + BATCH]
        explained, spread = _explained(batch, values, squares)
        with np.errstate(all="ignore"):
            misfit = np.maximum(1.0 - explained, 3e-7) * spread / total
            score = 0.5 * values.shape[1] * np.log2(misfit) + NODE_BITS * table.nodes[:, None]
        score += NODE_BITS * np.array([t.nodes for t in batch])
        # An outer function goes by the same rule of nesting as those of the library.
        bent = np.array([t.transform.name in _ONLY_SHALLOW for t in batch])
        score[np.outer(table.deep, bent) | ~np.isfinite(score)] = np.inf
        best = np.argpartition(score, min(keep, score.size - 1), axis=None)[:keep]
        row, column = np.unravel_index(best, score.shape)
        hits += [Hit(float(score[i, t]), batch[t], int(i)) for i, t in zip(row, column, strict=True)]
        hits = sorted(hits, key=lambda h: h.score)[:keep]
    return hits


def _explained(batch: list[Target], values: Any, squares: Any) -> tuple[Any, Any]:
    """Return R squared, `(features, targets)`, and the weighted mean square of each centred target."""
    root_weight = np.stack([t.weight for t in batch])
    shares = root_weight**2 / np.sum(root_weight**2, axis=1, keepdims=True)
    u = np.stack([t.values for t in batch])
    u = u - np.sum(shares * u, axis=1, keepdims=True)
    variance = np.maximum(np.sum(shares * u * u, axis=1), 1e-300)
    u = u / np.sqrt(variance)[:, None]
    w, wu = shares.T.astype(np.float32), (shares * u).T.astype(np.float32)
    first, second, mixed = values @ w, squares @ w, values @ wu
    with np.errstate(all="ignore"):
        explained = mixed**2 / np.maximum(second - first**2, 1e-7)
    return np.minimum(explained, 1.0), variance * np.mean(root_weight**2, axis=1)
