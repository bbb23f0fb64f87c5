"""Random functions whose tree is known: sums, products and functions of one variable over 4 to 8 columns.

`drawn(rng)` gives a function of (N, columns) arrays and its tree in the form that `kn.tree` gives: functions of one
variable are absorbed where they say nothing (exp of a sum is a product of exps, the square of a product a product of
squares, F of a product is F of a sum of logarithms).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


UNARY: dict[str, Callable[[Any], Any]] = {
    "exp": lambda u: np.exp(0.8 * u),
    "sin": lambda u: np.sin(1.3 * u + 0.4),
    "tanh": lambda u: np.tanh(u + 0.3),
    "square": lambda u: (u + 0.0) ** 2,
    "root": lambda u: np.sqrt(1.5 + np.sin(u)),
}
DEPTH = 4
STEEPEST = 10.0


@dataclass(frozen=True)
class Node:
    operator: str  # "x", "+", "*"
    children: tuple["Node", ...] = ()
    column: int = -1
    unary: str = ""


@dataclass(frozen=True)
class Drawn:
    node: Node
    n_columns: int
    sizes: dict[tuple[int, str], float]

    def __call__(self, x: Any) -> Any:
        return _value(self.node, np.asarray(x, float), self.sizes)

    @property
    def tree(self) -> str:
        return text(canonical(self.node))


def drawn(rng: np.random.Generator, least: int = 4, most: int = 8) -> Drawn:
    """Return a function none of whose branches is nearly constant but for a few steep places."""
    while True:
        n = int(rng.integers(least, most + 1))
        node = _grown(rng, list(rng.permutation(n)), DEPTH, root=True)
        sizes: dict[tuple[int, str], float] = {}
        _value(node, rng.uniform(-1, 1, (2000, n)), sizes)
        if max(sizes.values()) < np.inf:
            return Drawn(node, n, sizes)


def _grown(rng: np.random.Generator, columns: list[int], depth: int, root: bool = False) -> Node:
    unary = str(rng.choice(list(UNARY))) if rng.uniform() < (0.3 if root else 0.45) else ""
    if len(columns) == 1:
        return Node("x", column=int(columns[0]), unary=unary)
    if depth == 1:
        parts = [[c] for c in columns]
    else:
        n_parts = int(rng.integers(2, min(3, len(columns)) + 1))
        cuts = np.sort(rng.choice(np.arange(1, len(columns)), n_parts - 1, replace=False))
        parts = [list(p) for p in np.split(np.array(columns), cuts)]
    return Node(str(rng.choice(["+", "*"])), tuple(_grown(rng, p, depth - 1) for p in parts), unary=unary)


def _value(node: Node, x: Any, sizes: dict[tuple[int, str], float]) -> Any:
    if node.operator == "x":
        u = x[:, node.column]
    else:
        parts = [_value(child, x, sizes) for child in node.children]
        u = sum(parts) if node.operator == "+" else np.prod(parts, axis=0)
    u = _scaled(u, (id(node), node.operator), sizes)
    return _scaled(UNARY[node.unary](u), (id(node), node.unary), sizes) if node.unary else u


def _scaled(u: Any, key: tuple[int, str], sizes: dict[tuple[int, str], float]) -> Any:
    """Return a branch by its spread, so that none is too small to be seen; measured when first asked."""
    if key not in sizes:
        spread = float(np.std(u))
        sizes[key] = spread if np.abs(u - u.mean()).max() < STEEPEST * spread else np.inf
    return u / sizes[key]


def canonical(node: Node) -> Any:
    """Return the tree as nested tuples (kind, branches...) or a column."""
    return _settled(_simplified(node))


def _simplified(node: Node) -> Any:
    """Return the tree with exp of a product kept apart ("exp", tree), since a logarithm may still undo it."""
    if node.operator == "x":
        return node.column
    tree = _joined("sum" if node.operator == "+" else "product", [_simplified(c) for c in node.children])
    return _under(node.unary, tree) if node.unary else tree


def _under(unary: str, tree: Any) -> Any:
    if isinstance(tree, int):
        return tree
    kind, *branches = tree
    if unary == "exp" and kind == "sum":
        return _joined("product", [_under("exp", b) for b in branches])
    if unary == "exp" and kind == "product":
        return ("exp", tree)
    if unary == "log" and kind == "exp":
        return branches[0]
    if unary == "square" and kind == "product":
        return _joined("product", [_under("square", b) for b in branches])
    if kind == "general":
        return tree
    if kind == "exp":
        return ("general", *_settled(tree)[1:])
    if kind == "product":
        branches = [_under("log", b) for b in branches]
    return _joined("general", branches)


def _settled(tree: Any) -> Any:
    if isinstance(tree, int):
        return tree
    kind, *branches = tree
    if kind == "exp":
        return _settled(_joined("general", [_under("log", b) for b in branches[0][1:]]))
    return _joined(kind, [_settled(b) for b in branches])


def _joined(kind: str, branches: list[Any]) -> Any:
    inner = "sum" if kind == "general" else kind
    flat: list[Any] = []
    for b in branches:
        flat += b[1:] if not isinstance(b, int) and b[0] == inner else [b]
    return (kind, *sorted(flat, key=first))


def first(tree: Any) -> int:
    return tree if isinstance(tree, int) else min(first(b) for b in tree[1:])


def text(tree: Any) -> str:
    if isinstance(tree, int):
        return f"x{tree + 1}"
    kind, *branches = tree
    mark = " * " if kind == "product" else " + "
    told = mark.join(
        f"({text(b)})" if kind == "product" and not isinstance(b, int) and b[0] == "sum" else text(b)
        for b in branches
    )
    return f"F({told})" if kind == "general" else told


def columns_of(tree: Any) -> list[int]:
    return [tree] if isinstance(tree, int) else [c for b in tree[1:] for c in columns_of(b)]


def plain(tree: Any) -> str:
    """Return a `kn.Tree` as text, with F of a product told as F of the sum of logarithms."""

    def nested(node: Any) -> Any:
        if node.kind == "column":
            return int(node.column[1:]) - 1
        return (node.kind, *map(nested, node.branches))

    return text(nested(tree))
