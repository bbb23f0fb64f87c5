r"""All short expressions of a few columns, as a table of values without doubles.

Built from the bottom: level n + 1 applies every function to level n and every operation to level n and the
simpler ones. Only values are kept, with the operation and two pointers back; formulas are made on demand.
Two entries of equal values are one, and for regression also two that differ by an affine map. Functions such
as exp and sin are not nested: beyond that, disguises of the same function outnumber new ones.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from scikan.core.expr import ONE, Expr, Number, call, power, root


Rows = Float[np.ndarray, "rows columns"]

MOST_ENTRIES = 30_000
_LARGEST, _SMALLEST = 1e6, 1e-100
_TRANSCENDENTAL = ("exp", "decay", "log", "sin", "cos", "tan", "tanh", "cosh", "sinh")


@dataclass(frozen=True)
class Unary:
    """A function of one entry: values and formula."""

    name: str
    value: Callable[[Any], Any]
    tree: Callable[[Expr], Expr]


@dataclass(frozen=True)
class Binary:
    """An operation on two entries: values and formula."""

    name: str
    value: Callable[[Any, Any], Any]
    tree: Callable[[Expr, Expr], Expr]


UNARY = (
    Unary("square", lambda u: u * u, lambda e: power(e, Number(2))),
    Unary("cube", lambda u: u**3, lambda e: power(e, Number(3))),
    Unary("sqrt", np.sqrt, root),
    Unary("inverse", lambda u: 1.0 / u, lambda e: power(e, Number(-1))),
    Unary("exp", np.exp, lambda e: call("exp", e)),
    Unary("decay", lambda u: np.exp(-u), lambda e: call("exp", -e)),
    Unary("log", np.log, lambda e: call("log", e)),
    Unary("sin", np.sin, lambda e: call("sin", e)),
    Unary("cos", np.cos, lambda e: call("cos", e)),
    Unary("tanh", np.tanh, lambda e: call("tanh", e)),
    Unary("cosh", np.cosh, lambda e: call("cosh", e)),
    Unary("sinh", np.sinh, lambda e: call("sinh", e)),
    Unary("tan", np.tan, lambda e: call("tan", e)),
)

BINARY = (
    Binary("add", np.add, lambda a, b: a + b),
    Binary("subtract", np.subtract, lambda a, b: a - b),
    Binary("multiply", np.multiply, lambda a, b: a * b),
    Binary("divide", np.divide, lambda a, b: a / b),
    Binary("divided by", lambda a, b: b / a, lambda a, b: b / a),
)

_LEAF = -1


@dataclass(frozen=True, eq=False)
class Features:
    """Entries of the library; the first of them are the leaves.

    Args:
        values: `(entries, rows)`, raw.
        operation: index into the leaves (from -1 down), `UNARY` (from 0) or `BINARY` (after those).
        left, right: entries it was made of; -1 where there is none.
        nodes: size of each formula.
        level: depth at which it was made.
        deep: whether a transcendental function stands in it.
        leaves: formulas of the leaves.
    """

    values: Any
    operation: Any
    left: Any
    right: Any
    nodes: Any
    level: Any
    deep: Any
    leaves: tuple[Expr, ...]

    def __len__(self) -> int:
        return len(self.nodes)

    def expression(self, n: int) -> Expr:
        """Return entry n as a formula."""
        code = int(self.operation[n])
        if code < 0:
            return self.leaves[_LEAF - code]
        first = self.expression(int(self.left[n]))
        if code < len(UNARY):
            return UNARY[code].tree(first)
        return BINARY[code - len(UNARY)].tree(first, self.expression(int(self.right[n])))

    def evaluated(self, n: int, columns: Rows) -> Any:
        """Return the values of entry n on other rows, `(rows,)`, NaN or infinite outside its domain."""
        code = int(self.operation[n])
        if code < 0:
            place = _LEAF - code
            return columns[:, place] if place < columns.shape[1] else np.ones(len(columns))
        first = self.evaluated(int(self.left[n]), columns)
        with np.errstate(all="ignore"):
            if code < len(UNARY):
                return UNARY[code].value(first)
            return BINARY[code - len(UNARY)].value(first, self.evaluated(int(self.right[n]), columns))


def build_library(
    columns: Rows, expressions: tuple[Expr, ...], most: int = MOST_ENTRIES, depth: int = 3
) -> Features:
    """Return all distinct expressions of the columns and 1 up to a depth, the deepest level only in part.

    Args:
        columns: `(rows, columns)`; a few hundred rows tell expressions apart.
        expressions: one formula for each column.
        most: largest number of entries; the simplest are kept.
        depth: how many operations deep.
    """
    return _Builder(columns, expressions, most).built(depth)


class _Builder:
    """Entries collected so far, and the keys of their values."""

    def __init__(self, columns: Rows, expressions: tuple[Expr, ...], most: int) -> None:
        n_rows, n_columns = columns.shape
        self.most = most
        self.leaves = (*expressions, ONE)
        self.probe = np.random.default_rng(7).normal(size=(n_rows, 2)) / np.sqrt(n_rows)
        self.values = np.vstack([columns.T, np.ones((1, n_rows))])
        self.operation = _LEAF - np.arange(n_columns + 1)
        self.left = self.right = np.full(n_columns + 1, -1)
        self.nodes = np.ones(n_columns + 1, int)
        self.level = np.zeros(n_columns + 1, int)
        self.deep = np.zeros(n_columns + 1, bool)
        self.seen = set(map(bytes, self._keys(self.values)))

    def built(self, depth: int) -> Features:
        for level in range(1, depth + 1):
            if len(self.nodes) >= self.most:
                break
            self._grow(level)
        return Features(
            self.values,
            self.operation,
            self.left,
            self.right,
            self.nodes,
            self.level,
            self.deep,
            self.leaves,
        )

    def _grow(self, level: int) -> None:
        """Add the results of all operations on the last level, smaller formulas first, up to the cap."""
        codes, left, right = (np.concatenate(part) for part in zip(*self._jobs(level), strict=True))
        sizes = 1 + self.nodes[left] + np.where(right >= 0, self.nodes[right], 0)
        order = np.argsort(sizes, kind="stable")
        for start in range(0, len(order), 4096):
            room = self.most - len(self.nodes)
            if room <= 0:
                return
            part = order[start : start + 4096]
            values = self._computed(codes[part], left[part], right[part])
            self._append(values, codes[part], left[part], right[part], sizes[part], level, room)

    def _jobs(self, level: int) -> Iterator[tuple[Any, Any, Any]]:
        last = np.flatnonzero(self.level == level - 1)
        simple = np.flatnonzero(self.level <= min(level - 1, 1))
        for code, unary in enumerate(UNARY):
            allowed = last
            if unary.name in _TRANSCENDENTAL:
                is_exp = np.isin(self.operation[last], [4, 5])
                allowed = last[~is_exp] if unary.name == "log" else last[~self.deep[last]]
            yield np.full(len(allowed), code), allowed, np.full(len(allowed), -1)
        a, b = (part.ravel() for part in np.meshgrid(last, simple, indexing="ij"))
        # Of a pair inside one level only one order is needed: reversed division is an operation of its own.
        kept = (self.level[b] < level - 1) | (b <= a)
        for code in range(len(BINARY)):
            yield np.full(int(kept.sum()), len(UNARY) + code), a[kept], b[kept]

    def _computed(self, codes: Any, left: Any, right: Any) -> Any:
        values = np.empty((len(codes), self.values.shape[1]))
        with np.errstate(all="ignore"):
            for code in np.unique(codes):
                at = codes == code
                first = self.values[left[at]]
                if code < len(UNARY):
                    values[at] = UNARY[code].value(first)
                else:
                    values[at] = BINARY[code - len(UNARY)].value(first, self.values[right[at]])
        return values

    def _append(
        self, values: Any, codes: Any, left: Any, right: Any, sizes: Any, level: int, room: int
    ) -> None:
        with np.errstate(all="ignore"):
            largest = np.abs(values).max(axis=1)
            usable = np.isfinite(largest) & (largest < _LARGEST) & (largest > _SMALLEST)
            usable &= np.ptp(values, axis=1) > 1e-9 * largest
        places = np.flatnonzero(usable)
        fresh = []
        for place, key in zip(places, map(bytes, self._keys(values[places])), strict=True):
            if key not in self.seen:
                self.seen.add(key)
                fresh.append(place)
        pick = np.asarray(fresh[:room], int)
        deep = self.deep[left[pick]] | np.where(right[pick] >= 0, self.deep[right[pick]], False)
        named = [code for code, unary in enumerate(UNARY) if unary.name in _TRANSCENDENTAL]
        self.values = np.vstack([self.values, values[pick]])
        self.operation = np.append(self.operation, codes[pick])
        self.left, self.right = np.append(self.left, left[pick]), np.append(self.right, right[pick])
        self.nodes = np.append(self.nodes, sizes[pick])
        self.level = np.append(self.level, np.full(len(pick), level))
        self.deep = np.append(self.deep, deep | np.isin(codes[pick], named))

    def _keys(self, values: Any) -> Any:
        """Return what equal rows share: two projections by their length, and the length's logarithm."""
        norm = np.sqrt(np.einsum("ij,ij->i", values, values))
        norm = np.clip(norm, 1e-300, 1e300)
        key = np.column_stack([values @ self.probe / norm[:, None], np.log(norm)])
        return np.ascontiguousarray(
            np.round(np.nan_to_num(key, posinf=0.0, neginf=0.0) * 1e7).astype(np.int64)
        )


def distinct_features(values: Any) -> Any:
    """Return the entries, in order, that no earlier one equals up to an affine map; constants left out."""
    centred = values - values.mean(axis=1, keepdims=True)
    norm = np.sqrt(np.einsum("ij,ij->i", centred, centred))
    usable = np.flatnonzero(norm > 1e-9 * np.sqrt(np.einsum("ij,ij->i", values, values)))
    probe = np.random.default_rng(8).normal(size=(values.shape[1], 2))
    key = centred[usable] @ probe / norm[usable, None]
    key = np.round(key * np.sign(key[:, [0]]) * 1e6).astype(np.int64)
    _, first = np.unique(key, axis=0, return_index=True)
    return usable[np.sort(first)]
