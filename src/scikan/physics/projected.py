r"""Laws with hidden nodes, by variable projection: inner coefficients step, outer ones are a null vector.

$H(z) = \sum_i a_i(z_i) + \sum_h g_h(u_h)$ with $u_h = \sum_i \psi_{ih}(z_i)$, all curves splines: a KAN [d, d + n, 1]
whose first d nodes copy the coordinates. For given $\psi$ the curves a and g that change least along the field are
the smallest generalised singular vector of (changes, differences), so only $\psi$ is searched: Levenberg-Marquardt on
the residual that is left (Golub and Pereyra 1973), with the Jacobian of Kaufman (1975). The scale is fixed by
differences of H between states at which all known laws agree: a function of these has none, and is no answer. (The
size of the gradient would do as a scale, but for laws that are steep at a single sample and flat elsewhere.)
Coordinates are in units of their spread, the field is a unit vector there.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from scikan.train.linear import Factored, knots_of, least_squares, null_vectors, spline_columns, whiten


DEGREE = 5
DROP = 1e-6
"""Combinations of columns that vary less than this do not vary: a straight g is a sum of the curves a."""

NEWTON_STEPS, AGREE = 20, 1e-9
"""Steps to the level of known laws, and what may be missing there, in their standard deviations."""

WEIGHTS = (0.3, 10.0)
"""How much rows are weighted at least and at most."""

Rows = Float[np.ndarray, "rows coordinates"]


@dataclass(frozen=True, eq=False)
class Sample:
    """States of a field, and what the scale of a law is measured on.

    Args:
        states: (rows, coordinates), of unit spread.
        field: unit vectors, (rows, coordinates).
        outside: the projector off the known laws' gradients at each state.
        pairs: states at which all known laws agree, (2, pairs, coordinates): a law has unit rms difference there.
    """

    states: Rows
    field: Rows
    outside: Float[np.ndarray, "rows coordinates coordinates"]
    pairs: Float[np.ndarray, "2 pairs coordinates"]

    def fewer(self, most: int) -> "Sample":
        """Return no more than so many rows, and pairs."""
        return Sample(self.states[:most], self.field[:most], self.outside[:most], self.pairs[:, :most])

    def flattened(self, law: "Nodes") -> "Sample":
        """Return the sample with heavier rows where a law is flat: it must be one there, too."""
        size = law.steepness(self)
        weights = np.clip(np.sqrt(np.mean(size**2)) / np.maximum(size, 1e-300), *WEIGHTS)
        return replace(self, field=self.field * weights[:, None])


def projectors(known: Float[np.ndarray, "rows laws coordinates"]) -> np.ndarray:
    """Return the projectors off the span of gradients, (rows, coordinates, coordinates)."""
    size = np.linalg.norm(known, axis=2, keepdims=True)
    _, s, vt = np.linalg.svd(known / np.where(size > 0, size, 1.0), full_matrices=False)
    basis = vt * (s > 1e-9)[:, :, None]
    return np.asarray(np.eye(known.shape[2]) - np.einsum("nri,nrj->nij", basis, basis))


@dataclass(frozen=True, eq=False)
class Curves:
    """Spline bases of all coordinates: knots of each, and a change of basis that leaves constants out.

    Args:
        knots: of each coordinate.
        maps: from the spline basis to directions of unit variance without a constant, one for each coordinate.
    """

    knots: tuple[Float[np.ndarray, " knots"], ...]
    maps: tuple[Float[np.ndarray, "basis directions"], ...]

    @property
    def owner(self) -> np.ndarray:
        """The coordinate of each direction, (directions,)."""
        return np.repeat(np.arange(len(self.maps)), [m.shape[1] for m in self.maps])

    def columns(self, states: Rows, derivative: int = 0) -> Float[np.ndarray, "rows directions"]:
        """Return all directions, or their derivatives by their own coordinate."""
        each = [
            spline_columns(states[:, i], t, DEGREE, derivative) @ m
            for i, (t, m) in enumerate(zip(self.knots, self.maps, strict=True))
        ]
        return np.concatenate(each, axis=1)

    def split(self, weights: np.ndarray) -> list[Float[np.ndarray, "basis ..."]]:
        """Return the spline coefficients of each coordinate's curve."""
        ends = np.cumsum([m.shape[1] for m in self.maps])[:-1]
        return [m @ w for m, w in zip(self.maps, np.split(weights, ends), strict=True)]


def curves_over(states: Rows, grid: int) -> Curves:
    """Return spline bases with so many intervals over the samples."""
    knots = tuple(knots_of(states[:, i], grid, DEGREE) for i in range(states.shape[1]))
    maps = tuple(whiten(spline_columns(states[:, i], t, DEGREE)).map for i, t in enumerate(knots))
    return Curves(knots, maps)


@dataclass(frozen=True, eq=False)
class Nodes:
    """Hidden nodes and the law over them.

    Args:
        inner, outer: bases of psi and of a.
        weights: of psi, (nodes, inner directions).
        knots: of each g.
        coefficients: of a, then of each g; the gradient has unit size outside the known laws' span.
    """

    inner: Curves
    outer: Curves
    weights: Float[np.ndarray, "nodes directions"]
    knots: tuple[Float[np.ndarray, " knots"], ...]
    coefficients: Float[np.ndarray, " columns"]

    def hidden(self, states: Rows) -> Float[np.ndarray, "rows nodes"]:
        """Return u, the nodes' values."""
        return np.asarray(self.inner.columns(states) @ self.weights.T)

    def parts(self) -> tuple[np.ndarray, list[np.ndarray]]:
        """Return the coefficients of a, and those of each g."""
        first = len(self.outer.owner)
        sizes = np.cumsum([len(t) - DEGREE - 1 for t in self.knots])[:-1]
        return self.coefficients[:first], np.split(self.coefficients[first:], sizes)

    def values(self, states: Rows) -> Float[np.ndarray, " rows"]:
        """Return the law."""
        a, curves = self.parts()
        u = self.hidden(states)
        total = self.outer.columns(states) @ a
        for h, (t, g) in enumerate(zip(self.knots, curves, strict=True)):
            total = total + spline_columns(u[:, h], t, DEGREE) @ g
        return np.asarray(total)

    def slopes(self, states: Rows) -> Rows:
        """Return the law's gradient."""
        a, curves = self.parts()
        u = self.hidden(states)
        slopes = _by_owner(self.outer, self.outer.columns(states, 1) * a)
        inner = self.inner.columns(states, 1)
        for h, (t, g) in enumerate(zip(self.knots, curves, strict=True)):
            steep = spline_columns(u[:, h], t, DEGREE, 1) @ g
            slopes = slopes + steep[:, None] * _by_owner(self.inner, inner * self.weights[h])
        return slopes

    def steepness(self, sample: Sample) -> Float[np.ndarray, " rows"]:
        """Return the size of the gradient outside the known laws' span."""
        free = np.einsum("nij,nj->ni", sample.outside, self.slopes(sample.states))
        return np.asarray(np.linalg.norm(free, axis=1))

    def residual(self, sample: Sample) -> float:
        """Return the rms change along the field per unit gradient: what is flat but for a corner is no law."""
        size = self.steepness(sample)
        usable = size > 1e-6 * np.median(size)
        change = np.sum(self.slopes(sample.states) * sample.field, axis=1)[usable] / size[usable]
        return float(np.sqrt(np.mean(change**2))) if usable.any() else 1.0


def _by_owner(curves: Curves, columns: Float[np.ndarray, "rows directions"]) -> Rows:
    """Return the sums of each coordinate's columns."""
    total = np.zeros((len(columns), len(curves.maps)))
    for i in range(len(curves.maps)):
        total[:, i] = columns[:, curves.owner == i].sum(axis=1)
    return total


class HiddenSearch:
    """The residual of the best law over hidden nodes, as a function of the inner weights (`train.damped`).

    Args:
        sample: the rows it reads.
        n_nodes: hidden nodes.
        inner, outer: bases of psi and a.
        grid: intervals of each g, laid anew over every u.
        every: states over which they are laid, which may be more than those that are read.
    """

    def __init__(
        self, sample: Sample, n_nodes: int, inner: Curves, outer: Curves, grid: int, every: Rows
    ) -> None:
        self.sample, self.n_nodes, self.inner, self.outer, self.grid = sample, n_nodes, inner, outer, grid
        x, f = sample.states, sample.field
        self._columns = inner.columns(x)
        self._rates = inner.columns(x, 1) * f[:, inner.owner]
        self._every = inner.columns(every)
        self._last: tuple[bytes, tuple[Nodes, _Projection]] | None = None
        self._additive = Factored(outer.columns(x, 1) * f[:, outer.owner])
        self._ends = [inner.columns(end) for end in sample.pairs]
        self._additive_apart = Factored(outer.columns(sample.pairs[1]) - outer.columns(sample.pairs[0]))

    def solved(self, theta: Float[np.ndarray, " weights"]) -> tuple[Nodes, "_Projection"]:
        """Return the best law for given inner weights."""
        # A descent asks for the cost of a trial and then for its derivatives.
        if self._last is None or self._last[0] != theta.tobytes():
            self._last = theta.tobytes(), self._solved(theta)
        return self._last[1]

    def _solved(self, theta: Float[np.ndarray, " weights"]) -> tuple[Nodes, "_Projection"]:
        weights = theta.reshape(self.n_nodes, -1)
        changes, apart, knots = [], [], []
        u, rate = self._columns @ weights.T, self._rates @ weights.T
        ends = [end @ weights.T for end in self._ends]
        for h in range(self.n_nodes):
            t = knots_of(self._every @ weights[h], self.grid, DEGREE)
            changes.append(spline_columns(u[:, h], t, DEGREE, 1) * rate[:, h, None])
            apart.append(spline_columns(ends[1][:, h], t, DEGREE) - spline_columns(ends[0][:, h], t, DEGREE))
            knots.append(t)
        matrix, scale = np.concatenate(changes, axis=1), np.concatenate(apart, axis=1)
        added = self._additive.triangle(matrix), self._additive_apart.triangle(scale)
        found = null_vectors(*added, DROP, centred=False)
        nodes = Nodes(self.inner, self.outer, weights, tuple(knots), found.vectors[:, 0])
        differences = self._additive_apart.together(scale, found.vectors[:, :1])[:, 0]
        changed = self._additive.together(matrix, found.vectors)
        return nodes, _Projection(changed, found.values, differences, u, rate, ends)

    def cost(self, theta: Float[np.ndarray, " weights"]) -> float:
        """Return the mean square change along the field, per unit difference."""
        with np.errstate(all="ignore"):
            u = self._columns @ theta.reshape(self.n_nodes, -1).T
            if not np.all(np.isfinite(u)) or not np.all(u.std(axis=0) > 0):
                return float("inf")
        return float(self.solved(theta)[1].values[0] ** 2)

    def normal(self, theta: Float[np.ndarray, " weights"]) -> tuple[float, np.ndarray, np.ndarray]:
        """Return the cost, and gradient and normal matrix of the projected residual."""
        nodes, found = self.solved(theta)
        jacobian = np.concatenate([self._jacobian(nodes, found, h) for h in range(self.n_nodes)], axis=1)
        residual, n = found.changes[:, 0], len(found.changes)
        others = found.changes[:, 1:] / np.maximum(found.values[1:], 1e-9) / np.sqrt(n)
        # The outer curves follow: what they can take back of a change of psi costs nothing.
        jacobian = jacobian - others @ (others.T @ jacobian)
        scaled = np.concatenate([self._scaling(nodes, found, h) for h in range(self.n_nodes)])
        jacobian = (jacobian - residual[:, None] * scaled) / np.sqrt(n)
        return float(found.values[0] ** 2), jacobian.T @ residual / np.sqrt(n), jacobian.T @ jacobian

    def _jacobian(self, nodes: Nodes, found: "_Projection", h: int) -> Float[np.ndarray, "rows weights"]:
        """Return d(change along the field) / d psi of one node, outer curves held."""
        g = nodes.parts()[1][h]
        steep, bend = (spline_columns(found.u[:, h], nodes.knots[h], DEGREE, n) @ g for n in (1, 2))
        moved = (bend * found.rate[:, h])[:, None] * self._columns + steep[:, None] * self._rates
        return np.asarray(moved)

    def _scaling(self, nodes: Nodes, found: "_Projection", h: int) -> Float[np.ndarray, " weights"]:
        """Return d(log rms difference over the pairs) / d psi of one node, outer curves held."""
        g = nodes.parts()[1][h]
        moved = [
            (spline_columns(u[:, h], nodes.knots[h], DEGREE, 1) @ g)[:, None] * columns
            for u, columns in zip(found.ends, self._ends, strict=True)
        ]
        return np.asarray(found.differences @ (moved[1] - moved[0]) / len(moved[0]))

    def start(self, weights: Float[np.ndarray, "nodes coordinates"], power: int) -> np.ndarray:
        """Return inner weights of nodes u = sum of weight * coordinate^power."""
        x = self.sample.states**power
        return self.nearest(weights * ((x - x.mean(axis=0)) / x.std(axis=0))[:, None])

    def nearest(self, curves: Float[np.ndarray, "rows nodes coordinates"]) -> np.ndarray:
        """Return the inner weights nearest to curves of the coordinates, given at the sample's rows."""
        curves = curves - curves.mean(axis=0)
        own = self.inner.owner
        weights = np.zeros((curves.shape[1], len(own)))
        for i in range(curves.shape[2]):
            columns = self._columns[:, own == i]
            weights[:, own == i] = least_squares(columns - columns.mean(axis=0), curves[:, :, i]).T
        return np.asarray(weights.ravel())

    def transferred(self, old: Nodes) -> np.ndarray:
        """Return the inner weights nearest to nodes over other bases."""
        theirs = old.inner.columns(self.sample.states)
        # The scale of a node is the outer curve's to choose: it must not drift from grid to grid.
        units = old.weights / np.linalg.norm(old.weights, axis=1, keepdims=True)
        curves = [_by_owner(old.inner, theirs * weights) for weights in units]
        return self.nearest(np.stack(curves, axis=1))


@dataclass(frozen=True, eq=False)
class _Projection:
    """What a solve leaves: changes along the field of all null vectors, their sizes, the first one's differences over
    the pairs, and the nodes: values, rates, values at the pairs' ends.
    """

    changes: Float[np.ndarray, "rows directions"]
    values: Float[np.ndarray, " directions"]
    differences: Float[np.ndarray, " pairs"]
    u: Float[np.ndarray, "rows nodes"]
    rate: Float[np.ndarray, "rows nodes"]
    ends: list[Float[np.ndarray, "pairs nodes"]]


def level_pairs(
    states: Rows, laws: Callable[[Rows], tuple[np.ndarray, np.ndarray]] | None, rng: np.random.Generator
) -> Float[np.ndarray, "2 pairs coordinates"]:
    """Return pairs of states at which known laws agree.

    Args:
        states: rows in units of their spread; each is paired with another, which moves to its level by Newton's steps.
        laws: values (rows, laws) and gradients (rows, laws, coordinates) at such states; None: there are none.
        rng: draws the pairs.
    """
    first, second = states, states[rng.permutation(len(states))]
    if laws is None:
        return np.stack([first, second])
    goal = laws(first)[0]
    size = goal.std(axis=0)
    low, high = states.min(axis=0), states.max(axis=0)
    with np.errstate(all="ignore"):
        for _ in range(NEWTON_STEPS):
            values, slopes = laws(second)
            step = np.einsum("nil,nl->ni", np.linalg.pinv(np.nan_to_num(slopes), rcond=1e-6), goal - values)
            second = np.clip(second + np.nan_to_num(step), low, high)
        missed = np.max(np.abs(laws(second)[0] - goal) / size, axis=1)
    kept = missed < AGREE
    return np.stack([first[kept], second[kept]])
