"""What many seeds agree on: how often an edge, a group of columns, a product appears in networks trained alike."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.optimize import linear_sum_assignment

from scikan.core.dataset import Dataset
from scikan.core.errors import SettingError
from scikan.core.kan import KAN, EdgeAddress, Ensemble
from scikan.core.precision import numpy_leaves
from scikan.core.trees import updated
from scikan.edit.anatomy import permute
from scikan.edit.attribution import Scores, attribute


Groups = dict[tuple[str, ...], float]


@dataclass(frozen=True, eq=False)
class Consensus:
    """The share of the members in which a part appears.

    Args:
        reference: the member that errs least; the others' nodes were brought into its order.
        members: all members, aligned.
        edges: for every layer `(inputs, outputs)`, the share of members in which that edge matters.
        groups: sets of columns that some node of the first hidden layer combines, most frequent first.
        products: sets of columns that meet in a product node of any layer, most frequent first.
        losses: root mean square error of every member on the rows, `(members,)`; nan without targets.
        kept: the members that were counted.
    """

    reference: KAN
    members: Ensemble
    edges: tuple[Float[np.ndarray, "_ _"], ...]
    groups: Groups
    products: Groups
    losses: Float[np.ndarray, " members"]
    kept: tuple[int, ...]

    @property
    def scores(self) -> Scores:
        """The frequencies in the form of scores, for `kn.plot(reference, data, scores=..., edge_labels=labels)`."""
        owners = [layer.nodes.owner() for layer in self.reference.layers]
        nodes = [edge.max(axis=1) for edge in self.edges]
        subs = tuple(edge.max(axis=0) for edge in self.edges)
        last = np.array([subs[-1][owners[-1] == n].max() for n in range(self.reference.n_outputs)])
        return Scores((*nodes, last), subs, self.edges, self.edges, self.edges)

    @property
    def labels(self) -> dict[EdgeAddress, str]:
        """The frequencies of the reference's edges in percent, of those that more than one member has."""
        shares = {at: float(self.edges[at[0]][at[1], at[2]]) for at in self.reference.edges()}
        return {at: f"{100 * share:.0f} %" for at, share in shares.items() if share * len(self.kept) > 1.5}


def consensus(
    ensemble: Ensemble,
    data: Dataset | np.ndarray,
    *,
    threshold: float = 0.05,
    worst: float = 3.0,
) -> Consensus:
    """Return how often each edge, group of columns and product appears among the members of an ensemble.

    Hidden nodes are brought into the order of the best member, layer by layer, by the assignment of largest
    correlation of their values (its sign does not matter: a node and its mirror image are the same).

    Args:
        ensemble: members of one structure, trained on the same table.
        data: a `Dataset`, whose targets choose the reference and the members that count, or raw columns.
        threshold: an edge matters if its score is above this share of the largest in its layer.
        worst: members whose error is more than so many times the median are not counted: they did not learn.

    Raises:
        SettingError: a threshold outside [0, 1) or worst below 1.
    """
    if not 0 <= threshold < 1 or worst < 1:
        raise SettingError(
            f"threshold={threshold}, worst={worst} make no sense.",
            fix="use 0 <= threshold < 1 and worst >= 1.",
        )
    rows = data.train_x if isinstance(data, Dataset) else np.asarray(data, float)
    members = [numpy_leaves(ensemble[n]) for n in range(len(ensemble))]
    kept, best, losses = list(range(len(members))), 0, np.full(len(members), np.nan)
    if isinstance(data, Dataset):
        losses = np.array([_error(member, data) for member in members])
        kept = [n for n, loss in enumerate(losses) if loss <= worst * np.median(losses)]
        best = int(np.argmin(losses))
    reference = members[best]
    aligned = [m if n == best else _aligned(m, reference, rows) for n, m in enumerate(members)]
    scored = [(aligned[n], attribute(aligned[n], rows, over="max")) for n in kept]
    edges = tuple(
        np.mean([_matters(scores.edges[l], threshold) for _, scores in scored], axis=0)
        for l in range(len(reference.layers))
    )
    groups: Counter[tuple[str, ...]] = Counter()
    products: Counter[tuple[str, ...]] = Counter()
    for model, scores in scored:
        combined = _combinations(model, scores, threshold)
        groups.update({names for layer, _, names in combined if layer == 0})
        products.update({names for _, is_product, names in combined if is_product})
    return Consensus(
        reference,
        Ensemble.of(aligned),
        edges,
        {names: count / len(kept) for names, count in groups.most_common()},
        {names: count / len(kept) for names, count in products.most_common()},
        losses,
        tuple(kept),
    )


def _error(member: KAN, data: Dataset) -> float:
    error = float(np.sqrt(np.mean((np.asarray(member(data.train_x)) - data.train_y) ** 2)))
    return error if np.isfinite(error) else float("inf")


def _aligned(model: KAN, reference: KAN, rows: Any) -> KAN:
    """Return the model with its hidden nodes in the order of the reference's; sums and products apart."""
    for layer in range(1, len(model.layers)):
        own, other = (_values(m, rows, layer) for m in (model, reference))
        nodes = model.layers[layer - 1].nodes
        likeness = np.abs(_correlations(other, own))
        order = np.arange(nodes.n_nodes)
        kinds = [[0] * nodes.n_sum, list(nodes.arities)]
        for arity in sorted({0, *nodes.arities}):
            places = np.flatnonzero(np.array([*kinds[0], *kinds[1]]) == arity)
            theirs, mine = linear_sum_assignment(-likeness[np.ix_(places, places)])
            order[places[theirs]] = places[mine]
        model = permute(model, layer, order.tolist())
    return updated(lambda m: m.domain, model, reference.domain)  # type: ignore[no-any-return]


def _values(model: KAN, rows: Any, layer: int) -> Any:
    with np.errstate(all="ignore"):
        return np.nan_to_num(np.asarray(model.trace(rows).layers[layer - 1].nodes))


def _correlations(a: Any, b: Any) -> Any:
    parts = []
    for values in (a, b):
        centred = values - values.mean(axis=0)
        norm = np.sqrt(np.sum(centred**2, axis=0))
        parts.append(np.divide(centred, norm, out=np.zeros_like(centred), where=norm > 0))
    return parts[0].T @ parts[1]


def _matters(scores: Any, threshold: float) -> Any:
    return (scores > threshold * max(float(scores.max()), 1e-300)).astype(float)


def _combinations(model: KAN, scores: Scores, threshold: float) -> set[tuple[int, bool, tuple[str, ...]]]:
    """Return (layer, whether a product, columns read through edges that matter) of the nodes that join several."""
    reach = np.eye(len(scores.edges[0]), dtype=bool)
    found = set()
    for l, layer in enumerate(model.layers):
        edges = _matters(scores.edges[l], threshold) > 0
        read = np.stack(
            [edges[:, layer.nodes.members(n)].any(axis=1) for n in range(layer.nodes.n_nodes)], axis=1
        )
        reach = reach @ read
        for n in np.flatnonzero(_matters(scores.nodes[l + 1], threshold)):
            names = tuple(name for name, on in zip(model.names, reach[:, n], strict=False) if on)
            if len(names) > 1:
                found.add((l, bool(n >= layer.nodes.n_sum), names))
    return found
