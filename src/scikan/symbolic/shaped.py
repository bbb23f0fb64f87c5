"""A network of the shape of a tree: one spline for every column and every F, sums and products as nodes.

Where the structure of a law is known before its functions are, such a network has far fewer edges than a free one:
it needs fewer rows, and every edge is a function of one variable that can be named.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from scikan.core.dataset import Dataset
from scikan.core.errors import SettingError
from scikan.core.expr import Expr, Number, Symbol, add, multiply
from scikan.core.features import Scale
from scikan.core.functions import LIBRARY
from scikan.core.kan import KAN
from scikan.core.layer import Layer
from scikan.core.names import nearest
from scikan.core.parser import apply
from scikan.core.trees import updated
from scikan.structure.tree import Tree
from scikan.symbolic.kanpiler import kanpiler


JOINT_WIDTH = 3
"""Sums of functions of the branches that a "joint" node's network has beside the branches themselves."""

_SPLINE = LIBRARY["sin"]
"""Stands for "some function" in the formula from which the shape is compiled; no edge keeps it."""


def shaped(tree: Tree, data: Dataset, *, grid: int = 5, k: int = 3, key: int = 0) -> KAN:
    """Return an untrained KAN whose edges are those of a tree.

    Edges that the tree does not have are forbidden (`allowed` is 0), so that no later edit opens them: where two
    columns are in different branches of a sum, their mixed derivative is exactly zero. Edges that only carry a
    value up are identities.

    Args:
        tree: as `kn.tree` returns it; its columns must be among the table's.
        data: gives names, ranges and the scale of the (one) target.
        grid, k, key: of the splines and their random start, as in `KAN`.

    Raises:
        SettingError: a column of the tree is not in the table, or the table has several targets.

    Example:
        `model, log = kn.fit(kn.shaped(kn.tree(data), data), data)`.
    """
    if data.n_outputs != 1:
        raise SettingError(
            f"A tree is of one target; the table has {data.n_outputs}.", fix="read the table with one target."
        )
    for name in tree.columns:
        if name not in data.names:
            raise SettingError(
                f'The tree\'s column "{name}" is not in the table.', fix=nearest(name, data.names)
            )
    pattern = kanpiler(_pattern(tree), data.names)
    ends = np.stack([data.x.min(axis=0), data.x.max(axis=0)], axis=1)
    size = 10.0 ** np.round(np.log10(max(float(np.std(data.y)), 1e-300)))
    frame = KAN(
        [len(data.names), *pattern.width[1:]],
        grid,
        k,
        key,
        domain=ends,
        names=data.names,
        targets=data.targets,
        readout=Scale(np.array([size])),
    )
    layers = tuple(_laid(own, like) for own, like in zip(frame.layers, pattern.layers, strict=True))
    model: KAN = updated(lambda m: m.layers, frame, layers)
    return model


def _pattern(tree: Tree) -> Expr:
    """Return the tree as a formula in which every function that is not known yet is the same one."""
    if tree.kind == "column":
        return apply(_SPLINE, Symbol(tree.column))
    if tree.kind == "joint":
        return add(
            [
                apply(_SPLINE, add([_term(b, q, p) for p, b in enumerate(tree.branches)]))
                for q in range(JOINT_WIDTH)
            ]
        )
    branches = [_pattern(branch) for branch in tree.branches]
    if tree.kind == "product":
        return multiply(branches)
    inner = multiply(branches) if tree.inner == "product" else add(branches)
    return apply(_SPLINE, inner) if tree.kind == "general" else inner


def _term(branch: Tree, q: int, p: int) -> Expr:
    """Return a function of a branch of a joint node, which takes in the branch's own F.

    The odd factor keeps the compiler from sharing it with the others.
    """
    if branch.kind == "general":
        branch = replace(branch, kind=branch.inner)
    inner = Symbol(branch.column) if branch.kind == "column" else _pattern(branch)
    return apply(_SPLINE, multiply([Number(1.0 + 0.25 * q + 0.0625 * p), inner]))


def _laid(own: Layer, like: Layer) -> Layer:
    """Return the layer with splines where the pattern has functions, identities where it has those, nothing else."""
    symbols = like.symbols
    assert symbols is not None
    on, place = (
        np.asarray(symbols.mask),
        symbols.functions.index(_SPLINE) if _SPLINE in symbols.functions else -1,
    )
    spline = on * (np.asarray(symbols.function) == place)
    carried = updated(lambda s: s.mask, symbols, on - spline)
    where: Any = lambda l: (l.splines.mask, l.splines.allowed, l.symbols)
    laid: Layer = updated(where, own, (spline, spline, carried))
    return laid
