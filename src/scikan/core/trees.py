"""Immutable edits: the same tree with other leaves, typed."""

from collections.abc import Callable
from typing import Any, TypeVar

import equinox as eqx
import jax
import numpy as np


Tree = TypeVar("Tree")


def updated(where: Callable[[Any], Any], tree: Tree, values: Any) -> Tree:
    """Return the tree with the leaves that `where` picks replaced; None counts as a leaf.

    NumPy arrays are laid out row by row: sums of one model and of its saved copy then round alike.
    """
    rows = jax.tree_util.tree_map(_in_rows, values)
    edited: Tree = eqx.tree_at(where, tree, rows, is_leaf=lambda leaf: leaf is None)
    return edited


def _in_rows(leaf: Any) -> Any:
    is_turned = isinstance(leaf, np.ndarray) and not leaf.flags.c_contiguous
    return np.ascontiguousarray(leaf) if is_turned else leaf
