r"""Attribution scores of KAN 2.0: how much of an output's variation runs through each edge, node and input.

With $E_{ij}$ the standard deviation of an edge's output and $N_j$ that of the sum it enters, a node's score
$A$ is handed to its subnodes, shared among their edges in the ratio $B_{ij} = A_j E_{ij} / N_j$, and collected
by the nodes below, $A_i = \sum_j B_{ij}$ (KAN 2.0, section 4.1). A large edge into a node that nobody reads
scores zero, which the plain L1 norm cannot see. Spreads come from the covariance of the features, so no
(batch, inputs, outputs) array is built for spline layers.
"""

from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Float

from scikan.core.checks import check_rows
from scikan.core.dataset import Dataset
from scikan.core.errors import ShapeError
from scikan.core.kan import KAN
from scikan.core.layer import Layer
from scikan.core.precision import numpy_leaves


class Scores(eqx.Module):
    """Attribution scores, and what pruning needs beside them.

    `inputs` (columns after the feature map), `nodes[l]` (layer l's inputs; last: outputs), `subs[l]`,
    `edges[l]` (inputs, outputs), `edge_means[l]` (inputs, outputs), `spreads[l]` (inputs, outputs, the
    standard deviations: the L1-like score for comparison).
    """

    nodes: tuple[Float[np.ndarray, " _"], ...]
    subs: tuple[Float[np.ndarray, " _"], ...]
    edges: tuple[Float[np.ndarray, "_ _"], ...]
    edge_means: tuple[Float[np.ndarray, "_ _"], ...]
    spreads: tuple[Float[np.ndarray, "_ _"], ...]

    @property
    def inputs(self) -> Float[np.ndarray, " inputs"]:
        """Scores of the network's inputs."""
        return self.nodes[0]


def attribute(model: KAN, data: Dataset | np.ndarray) -> Scores:
    """Return the attribution scores of a model on data (a `Dataset`'s training rows, or raw columns).

    Scores are averaged over outputs, as KAN 2.0 does.

    Raises:
        ShapeError: with fewer than 2 rows, which have no spread.
        TableError: a value is missing or infinite.
    """
    rows = data.train_x if isinstance(data, Dataset) else np.asarray(data, float)
    return attribute_inputs(model, np.asarray(model.features(check_rows(model._check(rows), model.names))))


def attribute_inputs(model: KAN, inputs: Float[np.ndarray, "batch inputs"]) -> Scores:
    """Return the scores for network-side inputs (after the feature map)."""
    if inputs.shape[0] < 2:
        raise ShapeError(
            f"Attribution needs at least 2 rows to see a spread; got {inputs.shape[0]}.",
            fix="pass more rows.",
        )
    model = numpy_leaves(model)
    measured = []
    values = inputs
    with np.errstate(all="ignore"):
        for layer in model.layers:
            measured.append((*edge_moments(layer, values), layer.sums(values).std(axis=0)))
            values = layer(values)
    score = np.eye(model.n_outputs)
    nodes: list[Any] = [score.mean(axis=0)]
    subs: list[Any] = []
    edges: list[Any] = []
    for layer, (_, spread, total) in zip(reversed(model.layers), reversed(measured), strict=True):
        sub_score = score[:, layer.nodes.owner()]
        share = np.divide(spread, total, out=np.zeros_like(spread), where=total > 0)
        edge_score = sub_score[:, None, :] * share
        score = edge_score.sum(axis=2)
        nodes.insert(0, score.mean(axis=0))
        subs.insert(0, sub_score.mean(axis=0))
        edges.insert(0, edge_score.mean(axis=0))
    means, spreads = tuple(m for m, _, _ in measured), tuple(s for _, s, _ in measured)
    return Scores(tuple(nodes), tuple(subs), tuple(edges), means, spreads)


def edge_moments(layer: Layer, x: Float[np.ndarray, "batch inputs"]) -> tuple[Any, Any]:
    """Return (means, standard deviations) of all edge outputs, each (inputs, outputs)."""
    if layer.symbols is not None and np.any(np.asarray(layer.symbols.mask) != 0):
        edges = layer.edges(x)
        return edges.mean(axis=0), edges.std(axis=0)
    columns = np.asarray(layer.splines.features(x), float)
    weights = np.asarray(layer.splines.weights(), float)
    centre = columns.mean(axis=0)
    means = np.einsum("ig,igo->io", centre, weights)
    # Basis functions sum to one, so a constant may be taken off an edge's weights: without its mean the
    # quadratic form loses no digits (in float32 it would come out negative).
    columns = columns - centre
    covariance = np.einsum("nig,nih->igh", columns, columns) / len(x)
    variance = (
        np.einsum(
            "igo,igh,iho->io",
            weights - weights.mean(axis=1, keepdims=True),
            covariance,
            weights - weights.mean(axis=1, keepdims=True),
        )
        if layer.splines.base_function is None
        else np.einsum("igo,igh,iho->io", weights, covariance, weights)
    )
    return means, np.sqrt(np.maximum(variance, 0.0))


def interactions(
    model: KAN, data: Dataset | np.ndarray, layer: int, node: float = 1e-2, feature: float = 1e-2
) -> dict[tuple[str, ...], int]:
    """Return which sets of input columns the nodes of a layer combine, and how many nodes each.

    Nodes with a score of at most `node` are passed over; a column belongs to a node's set if its score for
    that node exceeds `feature` times the node's largest.
    """
    scores = attribute(model, data)
    if not 0 <= layer < len(scores.nodes):
        raise ShapeError(
            f"There is no node layer {layer}; the model has 0 to {len(scores.nodes) - 1}.",
            fix="choose one of them.",
        )
    reach = np.eye(len(scores.nodes[0]))
    for l in range(layer):
        received = np.stack(
            [
                scores.edges[l][:, model.layers[l].nodes.members(n)].sum(axis=1)
                for n in range(model.layers[l].nodes.n_nodes)
            ],
            axis=1,
        )
        share = received / np.maximum(received.sum(axis=0), 1e-300)
        reach = reach @ share
    found: dict[tuple[str, ...], int] = {}
    for index in np.flatnonzero(scores.nodes[layer] > node):
        column = reach[:, index]
        names = tuple(
            model.names[i] for i in np.flatnonzero(column > feature * column.max()) if i < len(model.names)
        )
        found[names] = found.get(names, 0) + 1
    return found
