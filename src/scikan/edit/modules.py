"""Modules: groups of columns that may not meet before a stated layer; what is forbidden no later edit opens.

KAN 2.0, section 3.2. A module is a standing prohibition (`allowed` is 0), kept apart from pruning: `prune`, `refine`,
`expand_width`, `swap`, `compact`, `save` and fits leave it alone. Where groups meet by a sum only, their mixed
derivative is exactly zero.
"""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from scikan.core.errors import SettingError
from scikan.core.kan import KAN
from scikan.core.names import nearest
from scikan.core.precision import numpy_leaves
from scikan.core.trees import updated


_GROUP = re.compile(r"\[([^\[\]]*)\]")


def module(
    model: KAN, groups: str | Sequence[Sequence[str | int]], *, start: int = 0, stop: int | None = None
) -> KAN:
    """Return the model with all edges across groups forbidden, from one layer on.

    Args:
        groups: groups of input columns, by name or position, e.g. `[["x1", "x2"], ["x3"]]`; columns that are in none
            form one more group. The nodes of every layer in between are dealt to the groups in order, in proportion
            to their columns. Or text in pykan's form, `"[0,1]->[0,1]->[2]->[0]"`: nodes and subnodes in turn of one
            block, which then has no edges with the rest; negative numbers count from the end.
        start: first layer of edges that is divided, 0 for those that leave the inputs; with groups of columns
            only 0.
        stop: first layer of edges that joins the groups; the last one unless given. (Groups of columns only.)

    Raises:
        SettingError: no such node, column or layer, a column in two groups, a layer with fewer nodes than groups.

    Example:
        `module(KAN([4, 6, 1]), [["x1", "x2"], ["x3", "x4"]])` can only learn f(x1, x2) + g(x3, x4).
    """
    model = numpy_leaves(model)
    if isinstance(groups, str):
        return _of_text(model, groups, start)
    stop = len(model.layers) - 1 if stop is None else stop
    if start != 0 or not 1 <= stop <= len(model.layers):
        raise SettingError(
            f"Groups of columns cannot be kept apart in layers {start} to {stop} of {len(model.layers)}.",
            fix=f"use start=0 and stop from 1 to {len(model.layers)}; a network of one layer has nothing between.",
        )
    own = _owners(model, groups)
    for l in range(stop):
        nodes = model.layers[l].nodes
        above = _dealt(own, nodes.n_sum, len(nodes.arities), l + 1)
        model = _forbidden(model, l, own[:, None] != above[nodes.owner()][None, :])
        own = above
    return model


def _owners(model: KAN, groups: Sequence[Sequence[str | int]]) -> Any:
    """Return the group of every network input."""
    n, own = model.layers[0].n_inputs, np.full(model.layers[0].n_inputs, -1)
    for number, group in enumerate(groups):
        for name in group:
            if isinstance(name, str) and name not in model.names:
                raise SettingError(f'There is no column "{name}".', fix=nearest(name, model.names))
            place = model.names.index(name) if isinstance(name, str) else int(name)
            if not 0 <= place < n:
                raise SettingError(
                    f"There is no input {name!r}; the network has {n}.", fix=f"use 0 to {n - 1}."
                )
            if own[place] >= 0:
                raise SettingError(f"Column {name!r} is in two groups.", fix="name every column once.")
            own[place] = number
    own[own < 0] = len(groups)
    return own


def _dealt(own: Any, sums: int, products: int, layer: int) -> Any:
    """Return the group of every node of a layer: in order, in proportion to the nodes below, none empty."""
    numbers, sizes = np.unique(own, return_counts=True)
    if sums + products < len(numbers):
        raise SettingError(
            f"Layer {layer} has {sums + products} nodes for {len(numbers)} groups.",
            fix="make it wider, or stop=" + str(layer - 1 or 1) + ".",
        )
    dealt = []
    for count in (sums, products):
        edges = np.round(np.cumsum(sizes) / sizes.sum() * count).astype(int)
        dealt.append(numbers[np.searchsorted(edges, np.arange(count), side="right")])
    together = np.concatenate(dealt)
    for number in numbers:
        if not np.any(together == number):
            counts = [int(np.sum(together == g)) for g in numbers]
            together[np.flatnonzero(together == numbers[int(np.argmax(counts))])[-1]] = number
    return together


def _of_text(model: KAN, text: str, start: int) -> KAN:
    parts = [part.strip() for part in text.split("->")]
    if len(parts) < 2 or len(parts) % 2 or any(_GROUP.fullmatch(part) is None for part in parts):
        raise SettingError(
            f"{text!r} is no chain of nodes and subnodes.",
            fix='write "[0,1]->[0,1]->[0]->[0]": groups in pairs.',
        )
    for step in range(len(parts) // 2):
        l = start + step
        if not 0 <= l < len(model.layers):
            raise SettingError(
                f"The chain reaches layer {l}; the network has {len(model.layers)}.", fix="shorten it."
            )
        layer = model.layers[l]
        inside = _members(parts[2 * step], layer.n_inputs, f"nodes of layer {l}")
        target = _members(parts[2 * step + 1], layer.n_subs, f"subnodes of layer {l + 1}")
        model = _forbidden(model, l, inside[:, None] != target[None, :])
    return model


def _members(part: str, n: int, what: str) -> Any:
    chosen = np.zeros(n, bool)
    for text in filter(None, (t.strip() for t in part[1:-1].split(","))):
        if not re.fullmatch(r"-?\d+", text) or not -n <= int(text) < n:
            raise SettingError(f"{text!r} is none of the {n} {what}.", fix=f"use {-n} to {n - 1}.")
        chosen[int(text)] = True
    return chosen


def _forbidden(model: KAN, l: int, across: Any) -> KAN:
    """Return the model without these edges of a layer, for good."""
    layer = model.layers[l]
    dtype = layer.splines.mask.dtype
    keep = (~across).astype(dtype)
    splines = layer.splines
    layer = updated(
        lambda x: (x.splines.allowed, x.splines.mask), layer, (splines.allowed * keep, splines.mask * keep)
    )
    if layer.symbols is not None:
        layer = updated(lambda x: x.symbols.mask, layer, layer.symbols.mask * keep)
    divided: KAN = updated(lambda m: m.layers, model, (*model.layers[:l], layer, *model.layers[l + 1 :]))
    return divided
