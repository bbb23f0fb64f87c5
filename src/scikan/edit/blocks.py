"""Which parts of a network have nothing to do with each other: connected blocks above a threshold."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from scikan.core.errors import SettingError
from scikan.core.mlp import MLP
from scikan.edit.anatomy import Network, node_scores
from scikan.edit.attribution import Scores


@dataclass(frozen=True)
class NetworkBlock:
    """Nodes that are connected with each other and with nothing else.

    Args:
        inputs: names of the columns it reads.
        outputs: names of the outputs it drives; empty below a node where several blocks meet.
        nodes: (layer, node) of all its nodes, 0 for inputs.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    nodes: tuple[tuple[int, int], ...]

    def __str__(self) -> str:
        return f"{', '.join(self.inputs)} -> {', '.join(self.outputs) or 'hidden nodes'}"


def blocks(
    model: Network, scores: Scores, *, threshold: float = 0.05, upto: int | None = None
) -> tuple[NetworkBlock, ...]:
    """Return the blocks into which a network falls when its weak edges are left out, by their first input.

    Args:
        model: a `KAN`, or an `MLP` for comparison.
        scores: from `attribute`; `over="max"` where there are many outputs.
        threshold: an edge counts if its score is above this share of the largest in its layer.
        upto: the last layer of nodes that is looked at, 1 for the first after the inputs. Unless given, it is the
            deepest one at which the network still falls apart: what several modules drive together joins them.

    Raises:
        SettingError: a threshold outside [0, 1), or no such layer.
    """
    if not 0 <= threshold < 1:
        raise SettingError(f"threshold={threshold} is no share.", fix="use 0 <= threshold < 1.")
    links = [
        np.asarray(link) > threshold * max(float(link.max()), 1e-300) for link in node_scores(model, scores)
    ]
    if upto is not None and not 1 <= upto <= len(links):
        raise SettingError(f"There is no layer {upto} of nodes.", fix=f"use 1 to {len(links)}.")
    depths = range(len(links), 0, -1) if upto is None else (upto,)
    trials = [_connected(model, links[:depth]) for depth in depths]
    return next((found for found in trials if len(found) > 1), trials[0])


def _connected(model: Network, links: list[Any]) -> tuple[NetworkBlock, ...]:
    """Return the connected blocks of some layers of edges."""
    sizes = [len(link) for link in links] + [links[-1].shape[1]]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    pairs = [
        (starts[l] + i, starts[l + 1] + j)
        for l, link in enumerate(links)
        for i, j in np.argwhere(link).tolist()
    ]
    rows, columns = np.array(pairs or np.zeros((0, 2), int)).T
    graph = coo_array((np.ones(len(rows)), (rows, columns)), shape=(starts[-1], starts[-1]))
    labels = connected_components(graph, directed=False)[1]
    places = [(l, n) for l, size in enumerate(sizes) for n in range(size)]
    groups = [[p for p, own in zip(places, labels, strict=True) if own == label] for label in set(labels)]
    found = [block for group in groups if (block := _block(model, group)) is not None]
    return tuple(sorted(found, key=lambda b: b.nodes[0]))


def _block(model: Network, nodes: Sequence[tuple[int, int]]) -> NetworkBlock | None:
    """Return a block, or None for what has no input or is a lone node."""
    last = len(model.weights) if isinstance(model, MLP) else len(model.layers)
    read = tuple(model.names[n] if n < len(model.names) else f"input {n + 1}" for l, n in nodes if l == 0)
    targets: Any = [f"y{n + 1}" for n in range(model.width[-1])] if isinstance(model, MLP) else model.targets
    driven = tuple(targets[n] for l, n in nodes if l == last)
    return NetworkBlock(read, driven, tuple(nodes)) if read and len(nodes) > 1 else None
