"""Immutable edits: the same tree with other leaves, typed."""

from collections.abc import Callable
from typing import Any, TypeVar

import equinox as eqx


Tree = TypeVar("Tree")


def updated(where: Callable[[Any], Any], tree: Tree, values: Any) -> Tree:
    """Return the tree with the leaves that `where` picks replaced; None counts as a leaf."""
    edited: Tree = eqx.tree_at(where, tree, values, is_leaf=lambda leaf: leaf is None)
    return edited
