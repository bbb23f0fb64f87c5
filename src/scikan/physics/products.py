r"""Functions of two variables as sums of products of splines, $u = \sum_r f_r(x) h_r(y)$, laid out at points.

A `Tensor` has one coefficient for every pair of splines, and u is linear in them. `Products` are the f_r and h_r
themselves: far fewer coefficients, so that far finer grids are in reach, and a network with a product node for each r.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from scikan.core import bspline
from scikan.core.functions import LIBRARY
from scikan.core.kan import KAN
from scikan.core.trees import updated
from scikan.edit.growth import Name, name_edge
from scikan.physics.collocation import Equation, Jet, Points
from scikan.train.linear import spline_columns


DEGREE = 5

Knots = tuple[Float[np.ndarray, " first_knots"], Float[np.ndarray, " second_knots"]]


def factors(at: Points, knots: Knots, derivative: str, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the splines of both variables at points, differentiated as often as the derivative's name says."""
    first, second = (
        spline_columns(at[:, n], knots[n], DEGREE, derivative.count(name)) for n, name in enumerate(names)
    )
    return first, second


class TensorColumns:
    """All products of two splines at collocation points: `collocation.Family`, linear in its coefficients."""

    is_linear = True

    def __init__(self, equation: Equation, at: Points, knots: Knots) -> None:
        self.columns = [_outer(*factors(at, knots, d, equation.names)) for d in equation.derivatives]
        self.fixed = _outer(*factors(equation.places, knots, "", equation.names))

    def jet(self, coef: np.ndarray) -> Jet:
        return np.stack([columns @ coef for columns in self.columns], axis=1)

    def slopes(self, coef: np.ndarray) -> Sequence[np.ndarray]:
        return self.columns

    def held(self, coef: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.fixed @ coef, self.fixed


def _outer(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.asarray((first[:, :, None] * second[:, None, :]).reshape(len(first), -1))


class ProductColumns:
    """Products of curves at collocation points: `collocation.Family`; coefficients are those of all f_r, then h_r."""

    is_linear = False

    def __init__(self, equation: Equation, at: Points, knots: Knots, rank: int) -> None:
        self.at = [factors(at, knots, d, equation.names) for d in equation.derivatives]
        self.fixed = factors(equation.places, knots, "", equation.names)
        self.rank = rank

    def jet(self, coef: np.ndarray) -> Jet:
        return np.stack([self._value(pair, coef) for pair in self.at], axis=1)

    def slopes(self, coef: np.ndarray) -> Sequence[np.ndarray]:
        return [self._slopes(pair, coef) for pair in self.at]

    def held(self, coef: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self._value(self.fixed, coef), self._slopes(self.fixed, coef)

    def _curves(self, pair: tuple[np.ndarray, np.ndarray], coef: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        split = pair[0].shape[1] * self.rank
        return pair[0] @ coef[:split].reshape(-1, self.rank), pair[1] @ coef[split:].reshape(-1, self.rank)

    def _value(self, pair: tuple[np.ndarray, np.ndarray], coef: np.ndarray) -> np.ndarray:
        f, h = self._curves(pair, coef)
        return np.asarray((f * h).sum(axis=1))

    def _slopes(self, pair: tuple[np.ndarray, np.ndarray], coef: np.ndarray) -> np.ndarray:
        f, h = self._curves(pair, coef)
        return np.concatenate([_outer(pair[0], h), _outer(pair[1], f)], axis=1)


@dataclass(frozen=True, eq=False)
class Tensor:
    """A function in all products of two splines; calling it gives u, or a derivative of it, at points."""

    knots: Knots
    coef: Float[np.ndarray, "first second"]
    names: tuple[str, ...]

    def __call__(self, at: Points, derivative: str = "") -> Float[np.ndarray, " rows"]:
        first, second = factors(at, self.knots, derivative, self.names)
        return np.asarray(np.einsum("na,ab,nb->n", first, self.coef, second))

    @property
    def n_coefficients(self) -> int:
        """Number of coefficients."""
        return int(self.coef.size)

    def rank(self, tolerance: float) -> int:
        """Return how many products f(x) h(y) it needs to an accuracy relative to the largest one."""
        return int(np.sum((size := self._svd()[1]) > tolerance * size[0]))

    def split(self, rank: int) -> "Products":
        """Return the so many products that it is closest to, largest first."""
        left, size, right = self._svd()
        root = np.sqrt(size[:rank])
        first, second = (spline_columns(_line(k), k, DEGREE) for k in self.knots)
        f = np.linalg.lstsq(first, left[:, :rank] * root, rcond=None)[0]
        h = np.linalg.lstsq(second, right[:rank].T * root, rcond=None)[0]
        return Products(self.knots, f, h, self.names)

    def _svd(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        # Values and not coefficients: those of the outermost splines are known worst.
        first, second = (spline_columns(_line(k), k, DEGREE) for k in self.knots)
        return np.linalg.svd(first @ self.coef @ second.T, full_matrices=False)


@dataclass(frozen=True, eq=False)
class Products:
    """A sum of products of splines: coefficients (columns, rank) of the curves of either variable."""

    knots: Knots
    first: Float[np.ndarray, "first_columns rank"]
    second: Float[np.ndarray, "second_columns rank"]
    names: tuple[str, ...]

    def __call__(self, at: Points, derivative: str = "") -> Float[np.ndarray, " rows"]:
        """Return u, or a derivative of it, at points."""
        first, second = factors(at, self.knots, derivative, self.names)
        return np.asarray(((first @ self.first) * (second @ self.second)).sum(axis=1))

    @property
    def rank(self) -> int:
        """Number of products."""
        return int(self.first.shape[1])

    @property
    def n_coefficients(self) -> int:
        """Number of coefficients of all curves."""
        return int(self.first.size + self.second.size)

    def flat(self) -> Float[np.ndarray, " columns"]:
        """Return all coefficients in the order of `ProductColumns`."""
        return np.concatenate([self.first.ravel(), self.second.ravel()])

    def with_flat(self, coef: Float[np.ndarray, " columns"]) -> "Products":
        """Return the same curves with other coefficients."""
        split = self.first.size
        return Products(
            self.knots,
            coef[:split].reshape(self.first.shape),
            coef[split:].reshape(self.second.shape),
            self.names,
        )

    def refined(self) -> "Products":
        """Return the same function with every interval of both grids halved."""
        knots, both = [], []
        for old, coef in zip(self.knots, (self.first, self.second), strict=True):
            new = _halved(old)
            line = _line(new)
            value = spline_columns(line, old, DEGREE) @ coef
            knots.append(new)
            both.append(np.linalg.lstsq(spline_columns(line, new, DEGREE), value, rcond=None)[0])
        return Products((knots[0], knots[1]), both[0], both[1], self.names)

    def network(self, target: str) -> KAN:
        """Return the network of these curves: a product node each, summed if there are several."""
        ends = np.stack([knots[[DEGREE, -DEGREE - 1]] for knots in self.knots])
        grid = max(len(knots) - 2 * DEGREE - 1 for knots in self.knots)
        last = [] if self.rank == 1 else [1]
        model = KAN(
            [2, [0, self.rank], *last],
            grid,
            DEGREE,
            noise=0.0,
            domain=ends,
            names=self.names,
            targets=(target,),
        )
        coef, mask = np.zeros(model.layers[0].splines.coef.shape), np.zeros((2, 2 * self.rank))
        for i, curves in enumerate((self.first, self.second)):
            coef[i, :, i::2], mask[i, i::2] = curves, 1.0
        layer = updated(
            lambda l: (l.splines.knots, l.splines.coef, l.splines.mask, l.nodes.sub_bias),
            model.layers[0],
            (np.stack(self.knots), coef, mask, np.zeros(2 * self.rank)),
        )
        model = updated(lambda m: m.layers, model, (layer, *model.layers[1:]))
        for r in range(self.rank if last else 0):
            model = name_edge(model, (1, r, 0), Name(LIBRARY["x"], (1.0, 0.0, 1.0, 0.0)))
        return model


def _line(knots: np.ndarray) -> np.ndarray:
    """Return points between a grid's ends, four to an interval: enough to tell every spline."""
    inner = knots[DEGREE:-DEGREE]
    steps = np.arange(4) / 4
    return np.append((inner[:-1, None] + np.diff(inner)[:, None] * steps).ravel(), inner[-1])


def _halved(knots: np.ndarray) -> np.ndarray:
    """Return extended knots with a knot in the middle of every interval of the grid."""
    inner = knots[DEGREE:-DEGREE]
    fine = np.sort(np.concatenate([inner, (inner[1:] + inner[:-1]) / 2]))
    return np.asarray(bspline.extend(fine[None], DEGREE)[0])
