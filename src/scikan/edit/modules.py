"""Modules: groups of columns that may not meet before a stated layer; what is forbidden no later edit opens.

KAN 2.0, section 3.2. A module is a standing prohibition (`allowed` is 0), kept apart from pruning: `prune`, `refine`,
`expand_width`, `expand_depth`, `swap`, `compact`, `auto_symbolic`, `save` and fits leave it alone; only `connect` lifts
it. Where groups meet by a sum only, their mixed derivative is exactly zero.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np

from scikan.core.errors import SettingError
from scikan.core.kan import KAN, EdgeAddress
from scikan.core.names import nearest, numbered_names
from scikan.core.precision import numpy_leaves
from scikan.core.trees import updated


_GROUP = re.compile(r"\[([^\[\]]*)\]")


def module(
    model: KAN,
    groups: str | Sequence[Sequence[str | int]],
    *,
    start: int = 0,
    stop: int | None = None,
    join: Literal["sum", "product"] = "sum",
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
        join: "sum" lets every subnode of that layer read all groups; "product" deals the factors of its product nodes,
            and its sum nodes, to the groups, so that the groups meet by products only.

    Raises:
        SettingError: no such node, column or layer, a column in two groups, a layer with fewer nodes than groups, a
            product that joins with fewer factors than groups.

    Example:
        `module(KAN([4, 6, 1]), [["x1", "x2"], ["x3", "x4"]])` can only learn f(x1, x2) + g(x3, x4), and
        `module(KAN([4, 4, (0, 1)]), [["x1", "x2"], ["x3", "x4"]], join="product")` only f(x1, x2) g(x3, x4).
    """
    model = numpy_leaves(model)
    if isinstance(groups, str):
        return _of_text(model, groups, start)
    if join not in ("sum", "product"):
        raise SettingError(f"Groups cannot be joined by a {join!r}.", fix='use "sum" or "product".')
    stop = len(model.layers) - 1 if stop is None else stop
    if start != 0 or not (0 if join == "product" else 1) <= stop <= len(model.layers):
        raise SettingError(
            f"Groups of columns cannot be kept apart in layers {start} to {stop} of {len(model.layers)}.",
            fix=f"use start=0 and stop from 1 to {len(model.layers)}; a network of one layer has nothing between.",
        )
    n = model.layers[0].n_inputs
    # A feature map may make other inputs of the columns: those go by position only.
    own = owners(model.names if len(model.names) == n else numbered_names("input", n), groups)
    for l in range(stop):
        nodes = model.layers[l].nodes
        above = _dealt(own, nodes.n_sum, len(nodes.arities), l + 1)
        model, own = keep_apart(model, l, own, above[nodes.owner()]), above
    if join == "product":
        model = keep_apart(model, stop, own, _dealt_factors(model, stop, own))
    return model


def connect(model: KAN, edges: Iterable[EdgeAddress]) -> KAN:
    """Return the model with edges allowed again that a module forbade, as zero splines: the function stays.

    Raises:
        SettingError: there is no such edge, or it is on already.
    """
    model = numpy_leaves(model)
    layers = list(model.layers)
    for address in edges:
        l, i, j = model.check_address(address)
        if layers[l].live()[i, j]:
            raise SettingError(f"Edge {(l, i, j)} is on already.", fix="connect only edges that are off.")
        splines = layers[l].splines
        coef, allowed, mask = splines.coef.copy(), splines.allowed.copy(), splines.mask.copy()
        base = splines.base.copy()
        coef[i, :, j], base[i, j], allowed[i, j], mask[i, j] = 0.0, 0.0, 1.0, 1.0
        where: Any = lambda x: (x.splines.coef, x.splines.base, x.splines.allowed, x.splines.mask)
        layers[l] = updated(where, layers[l], (coef, base, allowed, mask))
    joined: KAN = updated(lambda m: m.layers, model, tuple(layers))
    return joined


def _dealt_factors(model: KAN, stop: int, own: Any) -> Any:
    """Return the group of every subnode of the layer that joins: factors in order, sum nodes dealt like any."""
    numbers = np.unique(own)
    if stop >= len(model.layers):
        raise SettingError(
            f"There is no layer {stop} of edges to join the groups in.",
            fix=f"use stop={len(model.layers) - 1}.",
        )
    nodes = model.layers[stop].nodes
    if not nodes.arities or min(nodes.arities) < len(numbers):
        raise SettingError(
            f"Products of arities {list(nodes.arities)} cannot join {len(numbers)} groups in layer {stop}.",
            fix=f"give node layer {stop + 1} a product of {len(numbers)} factors: (0, ({len(numbers)},)).",
        )
    sums = numbers[np.arange(nodes.n_sum) % len(numbers)]
    factors = [numbers[np.sort(np.arange(arity) % len(numbers))] for arity in nodes.arities]
    return np.concatenate([sums, *factors])


def keep_apart(model: KAN, l: int, below: Any, above: Any) -> KAN:
    """Return the model without the edges of layer l between different groups, for good.

    Args:
        below: group of every input of the layer, (inputs,).
        above: group of every subnode, (subs,).
    """
    return _forbidden(model, l, np.asarray(below)[:, None] != np.asarray(above)[None, :])


def owners(names: Sequence[str], groups: Sequence[Sequence[str | int]]) -> Any:
    """Return the group of every column, (columns,): its number, and one more for all that are in none.

    Raises:
        SettingError: no such column, or one in two groups.
    """
    n, own = len(names), np.full(len(names), -1)
    for number, group in enumerate(groups):
        for name in group:
            if isinstance(name, str) and name not in names:
                raise SettingError(f'There is no column "{name}".', fix=nearest(name, names))
            place = list(names).index(name) if isinstance(name, str) else int(name)
            if not -n <= place < n:
                raise SettingError(f"There is no input {name!r}; there are {n}.", fix=f"use {-n} to {n - 1}.")
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
