"""Fresh networks for a table whose structure is known: groups that only meet in a sum or a product, or in one function.

Additive separability f(x_A) + g(x_B), multiplicative f(x_A) g(x_B), and generalised symmetry f(h(x_A), x_B) (KAN 2.0,
section 3.2) are prohibitions on edges: each holds exactly, for whatever is learnt.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from scikan.core.dataset import Dataset
from scikan.core.errors import SettingError
from scikan.core.features import Scale
from scikan.core.kan import KAN, WidthEntry
from scikan.edit.expansion import lock
from scikan.edit.growth import IDENTITY, replace_layer, set_names
from scikan.edit.modules import keep_apart, owners


def separable(
    data: Dataset,
    groups: Sequence[Sequence[str | int]],
    kind: Literal["additive", "multiplicative"] = "additive",
    *,
    hidden: int = 3,
    depth: int = 1,
    grid: int = 5,
    k: int = 3,
    key: int = 0,
) -> KAN:
    """Return an untrained KAN that can only be a sum, or a product, of one function of every group of columns.

    Mixed derivatives across the groups are exactly zero: of the output ("additive"), or up to rounding of its
    logarithm ("multiplicative").

    Args:
        data: gives names, ranges and the size of the (one) target; no logarithm is taken of it.
        groups: of columns, by name or position; columns that are in none form one more group.
        hidden: nodes of every group in every hidden layer.
        depth: number of hidden layers.
        grid, k, key: as in `KAN`.

    Raises:
        SettingError: an unknown column or kind, a column in two groups, several targets, or only one group.

    Example:
        `model, log = kn.fit(kn.separable(data, [["x1", "x2"], ["x3", "x4"]]), data)`.
    """
    if kind not in ("additive", "multiplicative"):
        raise SettingError(f"There is no separability {kind!r}.", fix='use "additive" or "multiplicative".')
    if hidden < 1 or depth < 1:
        raise SettingError(f"hidden={hidden}, depth={depth} leave no nodes.", fix="use 1 or more of both.")
    own = owners(data.names, groups)
    n_groups = int(own.max()) + 1
    if len(np.unique(own)) < 2 or len(np.unique(own)) < n_groups:
        raise SettingError(
            f"The groups {[list(g) for g in groups]} separate nothing.", fix='[["x1", "x2"], ["x3"]].'
        )
    last: WidthEntry = 1 if kind == "additive" else (0, (n_groups,))
    model = _for_target(data, [*[hidden * n_groups] * depth, last], grid, k, key)
    shares = np.repeat(np.arange(n_groups), hidden)
    for l in range(depth):
        model, own = keep_apart(model, l, own, shares), shares
    return model if kind == "additive" else keep_apart(model, depth, own, np.arange(n_groups))


def symmetric(
    data: Dataset,
    group: Sequence[str | int],
    *,
    inner: int = 3,
    outer: int = 3,
    grid: int = 5,
    k: int = 3,
    key: int = 0,
) -> KAN:
    """Return an untrained KAN f(h(x_A), x_B) that sees a group of columns through one function h of it alone.

    h and f are networks with one hidden layer each; the other columns are carried past h by locked identities. The
    ratio of the derivatives by two columns of the group then does not depend on the other columns.

    Args:
        data: gives names, ranges and the size of the (one) target; no logarithm is taken of it.
        group: the columns x_A, by name or position; at least two, and not all.
        inner, outer: hidden nodes of h and of f.
        grid, k, key: as in `KAN`.

    Raises:
        SettingError: an unknown column, a group of fewer than two columns or of all, no nodes, several targets.

    Example:
        `kn.symmetric(data, ["x", "y"])` for a table of r = r(x, y) and z.
    """
    own = owners(data.names, [group])
    others = np.flatnonzero(own)
    if not 2 <= len(own) - len(others) < len(own):
        raise SettingError(
            f"The group {list(group)} of {len(own)} columns has no symmetry with the rest.",
            fix="name two columns or more, and leave one out at least.",
        )
    if inner < 1 or outer < 1:
        raise SettingError(f"inner={inner}, outer={outer} leave no nodes.", fix="use 1 or more of both.")
    model = _for_target(data, [inner + len(others), 1 + len(others), outer, 1], grid, k, key)
    model = _carried(model, 0, np.flatnonzero(own == 0), others, inner)
    return _carried(model, 1, np.arange(inner), inner + np.arange(len(others)), 1)


def _carried(model: KAN, l: int, read: np.ndarray, carried: np.ndarray, nodes: int) -> KAN:
    """Return the model whose layer l feeds `nodes` nodes from the inputs `read` and hands the others on unchanged."""
    places = nodes + np.arange(len(carried))
    below = np.full(model.layers[l].n_inputs, -1)
    below[read] = 0
    above = np.zeros(nodes + len(carried), int)
    above[places] = -2
    model = keep_apart(model, l, below, above)
    edges = list(zip(carried.tolist(), places.tolist(), strict=True))
    model = replace_layer(model, l, set_names(model.layers[l], dict.fromkeys(edges, IDENTITY)))
    return lock(model, [(l, i, j) for i, j in edges])


def _for_target(data: Dataset, hidden: Sequence[WidthEntry], grid: int, k: int, key: int) -> KAN:
    """Return a KAN for a table whose target is only divided by a power of ten: a logarithm would hide sums."""
    if data.n_outputs != 1:
        raise SettingError(
            f"The table has {data.n_outputs} targets.", fix="read it with one target, once for each."
        )
    size = 10.0 ** np.round(np.log10(max(float(np.std(data.y)), 1e-300)))
    ends = np.stack([data.x.min(axis=0), data.x.max(axis=0)], axis=1)
    return KAN(
        [len(data.names), *hidden],
        grid,
        k,
        key,
        domain=ends,
        names=data.names,
        targets=data.targets,
        readout=Scale(np.array([size])),
    )
