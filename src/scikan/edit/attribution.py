r"""Attribution scores of KAN 2.0: how much of an output's variation runs through each edge, node and input.

With $E_{ij}$ the standard deviation of an edge's output and $N_j$ that of the sum it enters, a node's score
$A$ is handed to its subnodes, shared among their edges in the ratio $B_{ij} = A_j E_{ij} / N_j$, and collected
by the nodes below, $A_i = \sum_j B_{ij}$ (KAN 2.0, section 4.1). A large edge into a node that nobody reads
scores zero, which the plain L1 norm cannot see. Spreads come from the covariance of the features, so no
(batch, inputs, outputs) array is built for spline layers.
"""

from dataclasses import dataclass
from typing import Any, Literal

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float

from scikan.core.checks import check_rows
from scikan.core.dataset import Dataset
from scikan.core.errors import SettingError, ShapeError
from scikan.core.kan import KAN, Ensemble
from scikan.core.layer import Layer
from scikan.core.mlp import MLP
from scikan.core.precision import numpy_leaves
from scikan.core.samples import box_samples


Over = Literal["mean", "max"]
Kind = Literal["ratio", "share"]

N_DRAWN = 2000

ROUNDING = 1e-12
"""A sum that varies by less than this share of its size, or of the edges it adds, is a constant: relative, so that
scores do not depend on the target's units."""


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
    def l1_inputs(self) -> Float[np.ndarray, " inputs"]:
        """Spreads of the edges that leave each input, added: the L1 score, which knows nothing of later layers."""
        return np.asarray(self.spreads[0].sum(axis=1))

    @property
    def inputs(self) -> Float[np.ndarray, " inputs"]:
        """Scores of the network's inputs."""
        return self.nodes[0]


@dataclass(frozen=True, eq=False)
class Bands:
    """Attribution scores with a band: percentiles over resampled rows, or over the members of an ensemble."""

    low: Scores
    median: Scores
    high: Scores


def attribute(
    model: KAN | MLP, data: Dataset | np.ndarray | None = None, *, over: Over = "mean", kind: Kind = "ratio"
) -> Scores:
    """Return the attribution scores of a model on data (a `Dataset`'s training rows, or raw columns).

    Args:
        model: a `KAN`, or an `MLP` for comparison (an edge is then weight times activation).
        data: a `Dataset`, of which the training rows are taken, or raw columns `(rows, columns)`; without them points
            drawn evenly from a KAN's domain, so that a compiled formula can be asked.
        over: how the scores for several outputs are put together: their mean, as KAN 2.0 does, or their maximum,
            with which an input that drives one output of many does not vanish.
        kind: an edge's part of a sum: "ratio" of standard deviations, as KAN 2.0 has it, or "share" of the
            variance, covariance with the sum over the sum's variance: shares of one sum add up to 1 (terms that
            cancel others have large shares of both signs; for collecting them their size counts).

    Raises:
        ShapeError: with fewer than 2 rows, which have no spread, or a perceptron without rows.
        TableError: a value is missing or infinite.
    """
    if data is None:
        if isinstance(model, MLP):
            raise ShapeError("A perceptron knows no domain to draw points from.", fix="pass its rows.")
        data = box_samples(model.domain, N_DRAWN)
    rows = data.train_x if isinstance(data, Dataset) else np.asarray(data, float)
    if isinstance(model, MLP):
        return _scores(_of_perceptron(model, _enough(check_rows(rows, model.names)), kind), over)
    rows = check_rows(model._check(rows), model.names)
    return attribute_inputs(model, np.asarray(model.features(rows)), over=over, kind=kind)


def attribute_inputs(
    model: KAN, inputs: Float[np.ndarray, "batch inputs"], *, over: Over = "mean", kind: Kind = "ratio"
) -> Scores:
    """Return the scores for network-side inputs (after the feature map)."""
    return _scores(_of_network(numpy_leaves(model), _enough(inputs), kind), over)


def attribution_bands(
    model: KAN | Ensemble,
    data: Dataset | np.ndarray,
    *,
    bootstraps: int = 50,
    level: float = 0.9,
    key: int = 0,
    over: Over = "mean",
    kind: Kind = "ratio",
) -> Bands:
    """Return scores with bands: over resampled rows for a KAN, over the members for an ensemble.

    Args:
        bootstraps: how often rows are drawn with replacement (KAN only).
        level: share of the scores between the two ends of a band.
        key: seed of the resampling.
        over, kind: as in `attribute`.

    Raises:
        SettingError: a level outside (0, 1), or fewer than 2 bootstraps.
    """
    if not 0 < level < 1 or bootstraps < 2:
        raise SettingError(
            f"level={level}, bootstraps={bootstraps} make no band.", fix="use 0 < level < 1, bootstraps >= 2."
        )
    if isinstance(model, Ensemble):
        drawn = [attribute(model[n], data, over=over, kind=kind) for n in range(len(model))]
    else:
        rows = data.train_x if isinstance(data, Dataset) else np.asarray(data, float)
        rng = np.random.default_rng(key)
        picks = [rng.integers(0, len(rows), len(rows)) for _ in range(bootstraps)]
        drawn = [attribute(model, rows[pick], over=over, kind=kind) for pick in picks]
    ends = ((1 - level) / 2, 0.5, (1 + level) / 2)

    def quantile(q: float) -> Scores:
        return jax.tree_util.tree_map(lambda *parts: np.quantile(np.stack(parts), q, axis=0), *drawn)  # type: ignore[no-any-return]

    return Bands(*(quantile(q) for q in ends))


@dataclass(frozen=True, eq=False)
class _Flow:
    """What one layer hands down: means and spreads of its edges, their parts of their sums, and their nodes."""

    means: Any
    spreads: Any
    parts: Any
    owner: Any


def _enough(rows: Any) -> Any:
    if rows.shape[0] < 2:
        raise ShapeError(
            f"Attribution needs at least 2 rows to see a spread; got {rows.shape[0]}.", fix="pass more rows."
        )
    return rows


def _of_network(model: KAN, values: Any, kind: Kind) -> list[_Flow]:
    flows = []
    with np.errstate(all="ignore"):
        for layer in model.layers:
            means, spreads = edge_moments(layer, values)
            sums = layer.sums(values)
            edges = layer.edges(values) if kind == "share" else None
            flows.append(_Flow(means, spreads, _parts(spreads, sums, edges), layer.nodes.owner()))
            values = layer(values)
    return flows


def _of_perceptron(model: MLP, values: Any, kind: Kind) -> list[_Flow]:
    flows = []
    for weight, sums in zip(model.weights, model.sums(values), strict=True):
        weight = np.asarray(weight)
        edges = values[:, :, None] * weight if kind == "share" else None
        means, spreads = values.mean(axis=0)[:, None] * weight, values.std(axis=0)[:, None] * np.abs(weight)
        flows.append(_Flow(means, spreads, _parts(spreads, sums, edges), np.arange(weight.shape[1])))
        values = np.tanh(sums)
    return flows


def _parts(spreads: Any, sums: Any, edges: Any) -> Any:
    """Return every edge's part of its sum, (inputs, outputs): by spread, or by covariance if edges are given."""
    total = sums.std(axis=0)
    # As many digits above rounding in float32 as in float64.
    noise = ROUNDING * float(np.finfo(sums.dtype).eps / np.finfo(np.float64).eps)
    varies = total > noise * (np.abs(sums).max(axis=0) + spreads.sum(axis=0))
    if edges is None:
        return np.divide(spreads, total, out=np.zeros_like(spreads), where=varies)
    centred = sums - sums.mean(axis=0)
    variance, covariance = np.mean(centred**2, axis=0), np.einsum("nio,no->io", edges, centred) / len(sums)
    return np.abs(np.divide(covariance, variance, out=np.zeros_like(covariance), where=varies))


def _scores(flows: list[_Flow], over: Over) -> Scores:
    joined = np.mean if over == "mean" else np.max
    score = np.eye(int(flows[-1].owner.max()) + 1)
    nodes: list[Any] = [joined(score, axis=0)]
    subs: list[Any] = []
    edges: list[Any] = []
    for flow in reversed(flows):
        sub_score = score[:, flow.owner]
        edge_score = sub_score[:, None, :] * flow.parts
        score = edge_score.sum(axis=2)
        nodes.insert(0, joined(score, axis=0))
        subs.insert(0, joined(sub_score, axis=0))
        edges.insert(0, joined(edge_score, axis=0))
    means, spreads = tuple(f.means for f in flows), tuple(f.spreads for f in flows)
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
