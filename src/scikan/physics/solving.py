r"""The null space of a family: combinations of its columns that do not change along the field.

$\sum_k c_k\, \hat f(z_n) \cdot \nabla \phi_k(z_n) = 0$ at all samples is linear in c. The values are whitened, so
that a combination has standard deviation 1 and no constant is a law. Residuals are told on rows that the solve has
not seen: $\mathrm{rms}(\hat f \cdot \nabla H) / \mathrm{rms}(|\nabla H|)$, in coordinates of unit standard deviation.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float
from scipy.sparse import csr_array

from scikan.physics.families import Atoms, Family, column_gradients, column_values, columns, n_columns
from scikan.train.linear import null_vectors, triangle


MOST_VECTORS = 24
POLISHED = 1e-12
"""Residual of a law solved on its own terms."""

MOST_ERROR_ROWS = 800
FLATTEST = 0.1
"""Part of a law's usual measuring error that it has anywhere: at rest points second orders take over."""


@dataclass(frozen=True, eq=False)
class States:
    """The rows of a search.

    Args:
        atoms: with rates along the unit field.
        spread: standard deviation of each coordinate, (coordinates,).
        every: which of the problem's rows these are.
        groups: the trajectory of each row, 0, 1, ..., if rates are to be read from trajectories.
        noise: standard deviation of the measuring error of each coordinate, then.
    """

    atoms: Atoms
    spread: Float[np.ndarray, " coordinates"]
    every: np.ndarray
    groups: np.ndarray | None = None
    noise: Float[np.ndarray, " coordinates"] | None = None

    @property
    def _place(self) -> np.ndarray:
        return np.arange(len(self.every)) if self.groups is None else self.groups

    @property
    def held(self) -> np.ndarray:
        """The rows that no solve reads: every third, or every third trajectory."""
        return np.flatnonzero(self._place % 3 == 2)

    @property
    def train(self) -> np.ndarray:
        """The rows of solves."""
        return np.flatnonzero(self._place % 3 != 2)

    @property
    def some_train(self) -> np.ndarray:
        """Training rows at which measuring errors are told."""
        return self.train[:: max(len(self.train) // MOST_ERROR_ROWS, 1)]

    def error(self, atom: int) -> float:
        """Return the largest measuring error of an atom; 0 where laws are read from a field."""
        if self.noise is None:
            return 0.0
        return float(np.linalg.norm(self.atoms.gradients[:, atom] * self.noise, axis=1).max())

    def within(self, values: Float[np.ndarray, "rows columns"]) -> Float[np.ndarray, "rows columns"]:
        """Return how columns deviate from their means over each trajectory."""
        return np.asarray(values - (self._means @ values)[self.groups])

    @cached_property
    def _means(self) -> csr_array:
        """What makes of columns their means over each trajectory, (trajectories, rows)."""
        assert self.groups is not None
        shares = 1.0 / np.bincount(self.groups)[self.groups]
        return csr_array((shares, (self.groups, np.arange(len(self.groups)))))

    def fewer(self, rows: int) -> "States":
        """Return no more than so many of the rows, but at least 600: few columns need few rows."""
        if self.groups is not None:
            return self
        n = min(len(self.every), max(rows, 600))
        return States(self.atoms.rows(slice(n)), self.spread, self.every[:n])


@dataclass(frozen=True, eq=False)
class Laid:
    """A family on the rows of a search.

    Args:
        family, states: what is laid on what.
        values, rates: columns and their changes along the unit field, (rows, columns).
        sizes: standard deviation of each column, (columns,); 0 for one that is not finite.
        errors: what a measuring error of each coordinate does to each column, (rows x coordinates, columns), where
            laws are read from trajectories: their root mean square is the error's standard deviation.
    """

    family: Family
    states: States
    values: Float[np.ndarray, "rows columns"]
    rates: Float[np.ndarray, "rows columns"]
    sizes: Float[np.ndarray, " columns"]
    errors: Float[np.ndarray, "errors columns"] | None = None

    def solved(self, live: np.ndarray, drop: float, most: int) -> Float[np.ndarray, "columns vectors"]:
        """Return the most nearly conserved combinations of some of the columns, on the training rows."""
        if self.errors is None:
            some = np.ix_(self.states.train, live)
            found = null_vectors(self.rates[some], self.values[some], drop)
        else:
            rates, errors = self._triangles
            found = null_vectors(rates[:, live], errors[:, live], drop, centred=False)
        vectors = np.zeros((len(self.sizes), min(most, found.vectors.shape[1])))
        vectors[live] = found.vectors[:, : vectors.shape[1]]
        return vectors

    @cached_property
    def _triangles(self) -> tuple[np.ndarray, np.ndarray]:
        """Training rates and errors by as many rows as columns that have the same mean squares in every direction.

        Laws are pruned term by term, and every trial is a solve on some of the columns.
        """
        assert self.errors is not None
        return triangle(self.rates[self.states.train]), triangle(self.errors)

    @property
    def spanned(self) -> Float[np.ndarray, "fewer columns"]:
        """Training rates by fewer rows with the same mean squares, where laws are read from trajectories."""
        return self._triangles[0]

    @cached_property
    def _judges(self) -> tuple[np.ndarray, np.ndarray]:
        """Held-out rates, and slopes on some held-out rows by spreads or measuring errors of the coordinates."""
        states = self.states
        most, unit = (400, states.spread) if states.noise is None else (MOST_ERROR_ROWS, states.noise)
        some = states.held[:: max(len(states.held) // most, 1)]
        rates, slopes = (
            self.rates[states.held],
            _slopes(self.family, states.atoms.rows(some), unit, self.sizes > 0),
        )
        return (rates, slopes) if self.errors is None else (triangle(rates), triangle(slopes))

    @cached_property
    def atoms_of(self) -> np.ndarray:
        """The atom that each column is a function of, -1 for one of several, (columns,)."""
        atoms = []
        for block in self.family:
            inside = {atom for atom, _ in block.powers} | ({block.atom} if block.curve is not None else set())
            atoms += [inside.pop() if len(inside) == 1 else -1] * n_columns((block,))
        return np.asarray(atoms)

    def share(self, vectors: Float[np.ndarray, "columns vectors"]) -> Float[np.ndarray, " vectors"]:
        """Return the part of each vector's standard deviation that lies within trajectories."""
        within, whole = self.rates @ vectors, self.values @ vectors
        return np.asarray(np.std(within, axis=0) / np.maximum(np.std(whole, axis=0), 1e-300))

    def explained(self, vectors: Float[np.ndarray, "columns vectors"]) -> Float[np.ndarray, " vectors"]:
        """Return how far vectors vary within training trajectories, in units of what measuring errors explain."""
        varied, explained = (np.mean((matrix @ vectors) ** 2, axis=0) for matrix in self._triangles)
        return np.asarray(np.sqrt(varied / explained))

    def varies(self, vector: Float[np.ndarray, " columns"]) -> float:
        """Return how far a vector varies within trajectories in units of its error at each row, 1 for a law.

        Mean squares over all rows are ruled by the few where a function is steep; one that is flat nearly everywhere
        and changes in a few places is a law by them, and not by this.
        """
        assert self.errors is not None and self.states.groups is not None
        rows = self.states.some_train
        values, group = self.values[rows] @ vector, self.states.groups[rows]
        error = np.sqrt(np.mean((self.errors @ vector).reshape(len(rows), -1) ** 2, axis=1))
        error = np.maximum(error, FLATTEST * np.sqrt(np.mean(error**2)))
        weight = np.bincount(group, error**-2)
        middle = np.bincount(group, values * error**-2) / np.where(weight > 0, weight, 1.0)
        freedom = max(len(rows) - np.count_nonzero(weight), 1)
        return float(np.sqrt(np.sum(((values - middle[group]) / error) ** 2) / freedom))

    def residuals(self, vectors: Float[np.ndarray, "columns vectors"]) -> Float[np.ndarray, " vectors"]:
        """Return the relative change along the field on held-out rows, one per vector.

        From trajectories: how far it varies within them, in units of what the measuring errors explain.
        """
        live = np.flatnonzero(np.any(vectors != 0, axis=1))
        rates, slopes = (matrix[:, live] @ vectors[live] for matrix in self._judges)
        steep = np.sqrt(np.mean(slopes**2, axis=0))
        found = np.sqrt(np.mean(rates**2, axis=0)) / np.maximum(steep, 1e-300)
        return np.asarray(np.where(np.isfinite(found), found, np.inf))


def laid(family: Family, states: States) -> Laid:
    """Return a family on the rows of a search."""
    if states.groups is None:
        values, rates = columns(family, states.atoms)
    else:
        values = column_values(family, states.atoms)
        rates = states.within(values)
    usable = np.all(np.isfinite(values), axis=0) & np.all(np.isfinite(rates), axis=0)
    values, rates = np.where(usable, values, 0.0), np.where(usable, rates, 0.0)
    sizes = np.std(values, axis=0)
    if states.noise is None:
        return Laid(family, states, values, rates, sizes)
    errors = _slopes(family, states.atoms.rows(states.some_train), states.noise, sizes > 0)
    return Laid(family, states, values, rates, sizes, errors)


def _slopes(
    family: Family, atoms: Atoms, unit: Float[np.ndarray, " coordinates"], usable: np.ndarray
) -> Float[np.ndarray, "slopes columns"]:
    """Return the columns' slopes in units of the coordinates; mean squares are those of whole gradients."""
    slopes = column_gradients(family, atoms) * unit[:, None]
    whole = np.sqrt(len(unit)) * np.where(usable, slopes, 0.0)
    return np.asarray(whole.reshape(-1, len(usable)))


@dataclass(frozen=True, eq=False)
class NullSpace:
    """The most nearly conserved combinations of a family's columns.

    Args:
        columns: the family on its rows.
        vectors: coefficients, (columns, vectors), each of standard deviation 1.
        residuals: on held-out rows, (vectors,), rising.
    """

    columns: Laid
    vectors: Float[np.ndarray, "columns vectors"]
    residuals: Float[np.ndarray, " vectors"]

    @property
    def sizes(self) -> Float[np.ndarray, " columns"]:
        """Standard deviation of each column."""
        return self.columns.sizes

    def first(self, n: int) -> "NullSpace":
        """Return the space of the first n vectors."""
        return NullSpace(self.columns, self.vectors[:, :n], self.residuals[:n])

    def least_share(self) -> float:
        """Return the least part of its standard deviation that a combination of the vectors has within trajectories."""
        within, whole = self.columns.rates @ self.vectors, self.columns.values @ self.vectors
        return float(null_vectors(within, whole).values[0])


def null_space(family: Family, states: States, drop: float = 1e-9, most: int = MOST_VECTORS) -> NullSpace:
    """Return the most nearly conserved combinations of a family, smallest held-out residual first."""
    table = laid(family, states)
    return null_space_among(table, np.arange(len(table.sizes)), drop, most)


def null_space_among(table: Laid, some: np.ndarray, drop: float, most: int) -> NullSpace:
    """Return the most nearly conserved combinations of some of a family's columns."""
    vectors = table.solved(some[table.sizes[some] > 0], drop, most)
    # With noise a vector of many terms is a law blurred by overfitting: held-out rows judge what it is pruned to.
    residuals = table.residuals(vectors) if table.errors is None else table.explained(vectors)
    order = np.argsort(residuals, kind="stable")
    return NullSpace(table, vectors[:, order], residuals[order])
