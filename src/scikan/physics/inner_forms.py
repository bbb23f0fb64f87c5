"""Hidden nodes in other forms: u as a formula, up to the affine map that g takes up, and the law as a network.

Each inner curve is offered the library's functions (`physics.naming`). The constants of those that fit are refitted
together on what counts, that some law over u does not change along the field, and snapped: with u a formula, the law
is linear in what is left, and the splines say the rest.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Float

from scikan.core.bspline import line_coefficients
from scikan.core.expr import Expr, Symbol, constants, evaluate, substitute
from scikan.core.kan import KAN
from scikan.core.trees import updated
from scikan.edit.growth import Name
from scikan.law.ordering import in_order
from scikan.physics.naming import summands, with_values
from scikan.physics.projected import DEGREE, HiddenSearch, Nodes
from scikan.physics.templates import smooth_functions, written
from scikan.physics.writing import cost, weighted_sum
from scikan.symbolic.fitting import fit_curves
from scikan.train.damped import levenberg_marquardt


MOST_PICKS, MOST_CURVES, STEPS = 8, 3, 12
NEAR = 0.02
"""Misfit (1 - R^2) of a function that is worth a refit of its constants."""

WORSE = 3.0
"""How much more a law over a named node may change than one over splines, on the same grid."""

PART = 1e-4
"""Parts of a node that vary less than this share of its largest part are what splines leave."""

WINDOW = 3.0
"""Constants are snapped within this many of the node's relative error."""


@dataclass(frozen=True, eq=False)
class _Constants:
    """The residual of the best law over one node with a formula for every curve, as a function of its constants."""

    search: HiddenSearch
    inputs: tuple[int, ...]
    trees: tuple[Expr, ...]
    raw: Float[np.ndarray, "rows coordinates"]
    scale: Float[np.ndarray, " constants"]

    def split(self, theta: np.ndarray) -> list[Expr]:
        """Return the formulas with their constants."""
        return with_values(self.trees, theta * self.scale)

    def weights(self, theta: np.ndarray) -> np.ndarray:
        """Return the inner weights of the node nearest to the formulas."""
        curves = np.zeros(self.raw.shape)
        for i, tree in zip(self.inputs, self.split(theta), strict=True):
            curves[:, i] = evaluate(tree, {"u": self.raw[:, i]})
        return self.search.nearest(curves[:, None])

    def cost(self, theta: np.ndarray) -> float:
        """Return the mean square change along the field."""
        with np.errstate(all="ignore"):
            weights = self.weights(theta)
        return self.search.cost(weights) if np.all(np.isfinite(weights)) else float("inf")

    def normal(self, theta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """Return cost, gradient and normal matrix, by the chain rule from those of the inner weights."""
        value, gradient, matrix = self.search.normal(self.weights(theta))
        step = 1e-5
        slopes = [
            (self.weights(theta + step * side) - self.weights(theta - step * side)) / (2 * step)
            for side in np.eye(len(theta))
        ]
        chain = np.stack(slopes, axis=1)
        return value, chain.T @ gradient, chain.T @ matrix @ chain


def named_inputs(
    search: HiddenSearch,
    nodes: Nodes,
    node: int,
    raw: Float[np.ndarray, "rows coordinates"],
    names: Sequence[str],
    error: float,
) -> Iterator[Expr]:
    """Yield formulas of a hidden node, simplest first, their constants snapped within the node's relative error.

    Args:
        search: a search of one node on fine grids.
        nodes, node: the law, and which of its nodes.
        raw: the search's rows in the coordinates' own units.
        names: of the coordinates.
        error: relative error of the node's curves.
    """
    inner = nodes.inner
    curves = inner.columns(search.sample.states) * nodes.weights[node]
    parts = np.stack([curves[:, inner.owner == i].sum(axis=1) for i in range(raw.shape[1])], axis=1)
    sizes = parts.std(axis=0)
    inputs = tuple(int(i) for i in np.flatnonzero(sizes > max(PART, 10 * error) * sizes.max()))
    choices = [simple_curves(raw[:, i], parts[:, i]) for i in inputs]
    picks = sorted(product(*choices), key=lambda pick: sum(cost(tree) for tree in pick))
    enough = WORSE**2 * search.cost(search.transferred(nodes))
    for pick in picks[:MOST_PICKS]:
        origin = np.asarray([c.value for tree in pick for c in constants(tree)])
        problem = _Constants(search, inputs, pick, raw, np.where(np.abs(origin) > 1e-8, np.abs(origin), 1.0))
        found = levenberg_marquardt(problem, origin / problem.scale, STEPS)
        if found.cost < enough:
            yield _written(
                problem.split(found.theta), inputs, raw, names, max(float(np.sqrt(found.cost)), 1e-9)
            )


def simple_curves(u: Float[np.ndarray, " rows"], curve: Float[np.ndarray, " rows"]) -> list[Expr]:
    """Return formulas of `u` near a curve, simplest first: an inner curve is not known as well as the law is."""
    functions = smooth_functions()
    fits = fit_curves(u[None], curve[None], functions)
    near = [n for n in range(len(functions)) if fits.misfit[0, n] < NEAR]
    near.sort(key=lambda n: (functions[n].complexity, fits.misfit[0, n]))
    return [written(Name(functions[n], tuple(fits.affine[0, n]))) for n in near[:MOST_CURVES]]


def _written(
    trees: Sequence[Expr], inputs: Sequence[int], raw: np.ndarray, names: Sequence[str], error: float
) -> Expr:
    """Return the sum of the curves, its scale and constants chosen so that the weights become simple numbers."""
    terms: list[Expr] = []
    weights: list[float] = []
    sizes: list[float] = []
    for i, tree in zip(inputs, trees, strict=True):
        for weight, part in merged(summands(tree)):
            terms.append(substitute(part, {"u": Symbol(names[i])}))
            weights.append(weight)
            sizes.append(float(np.std(weight * evaluate(part, {"u": raw[:, i]}))))
    share = np.asarray(sizes) / max(sizes)
    kept = np.flatnonzero(share > max(PART, 10 * error))
    errors = WINDOW * error * np.abs(np.asarray(weights)[kept]) / share[kept]
    return in_order(weighted_sum([terms[k] for k in kept], np.asarray(weights)[kept], errors), names)


def merged(terms: Sequence[tuple[float, Expr]]) -> list[tuple[float, Expr]]:
    """Return weighted terms, each formula once."""
    weights: dict[Expr, float] = {}
    for weight, part in terms:
        weights[part] = weights.get(part, 0.0) + weight
    return [(weight, part) for part, weight in weights.items()]


def network_of(
    nodes: Nodes,
    middle: Float[np.ndarray, " coordinates"],
    spread: Float[np.ndarray, " coordinates"],
    names: Sequence[str],
) -> KAN:
    """Return the network of a law over coordinates in units of their spread.

    Args:
        nodes: the law; its curves a and g have grids of one size.
        middle, spread: what takes the coordinates to these units.
        names: of the coordinates.
    """
    d, n_nodes = len(names), len(nodes.weights)
    inner_knots = np.stack(nodes.inner.knots)
    ends = inner_knots[:, [DEGREE, -DEGREE - 1]]
    grid, outer_grid = (t.shape[-1] - 2 * DEGREE - 1 for t in (inner_knots, nodes.knots[0]))
    # Below a copy's own mean the straight line from -1 to 1 is stretched to the coordinate in its units.
    lines = line_coefficients(inner_knots, DEGREE) * np.diff(ends, axis=1) / 2 + ends.mean(
        axis=1, keepdims=True
    )
    coef = np.zeros((d, grid + DEGREE, d + n_nodes))
    mask = np.zeros((d, d + n_nodes))
    curves = nodes.inner.split(nodes.weights.T)
    for i in range(d):
        coef[i, :, i], mask[i, i] = lines[i], 1.0
        coef[i, :, d:], mask[i, d:] = curves[i], 1.0
    a, g = nodes.parts()
    domain = ends * spread[:, None] + middle[:, None]
    empty = KAN([d, d + n_nodes, 1], grid, DEGREE, domain=domain, names=names, targets=("H",))
    first, last = empty.layers
    first = updated(
        lambda l: (l.splines.knots, l.splines.coef, l.splines.mask),
        first,
        (inner_knots * spread[:, None] + middle[:, None], coef, mask),
    )
    outer = np.stack([*nodes.outer.split(a), *g])[:, :, None]
    assert outer.shape[1] == outer_grid + DEGREE
    last = updated(
        lambda l: (l.splines.knots, l.splines.coef),
        last,
        (np.stack([*nodes.outer.knots, *nodes.knots]), outer),
    )
    return updated(lambda m: m.layers, empty, (first, last))
