r"""The null space of a family: combinations of its columns that do not change along the field.

$\sum_k c_k\, \hat f(z_n) \cdot \nabla \phi_k(z_n) = 0$ at all samples is linear in c. The values are whitened, so
that a combination has standard deviation 1 and no constant is a law. Residuals are told on rows that the solve has
not seen: $\mathrm{rms}(\hat f \cdot \nabla H) / \mathrm{rms}(|\nabla H|)$, in coordinates of unit standard deviation.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from math import comb

import numpy as np
from jaxtyping import Float

from scikan.physics.families import Atoms, Family, column_gradients, columns
from scikan.train.linear import null_vectors


MOST_VECTORS = 24
POLISHED = 1e-12
"""Residual of a law solved on its own terms."""

WHITE = 1.1
"""Residual, in units of what measuring errors explain, that asks for no further term."""

NO_WORSE = 1.06
"""Factor by which a shorter law may vary more: what chance does to a few thousand rows."""

MOST_SUBSETS = 200_000
MOST_ERROR_ROWS = 800

SUPPORT, ROUNDING = 1e-8, 1e-7
"""Terms below this part of the largest are rounding: in a null space, and in a law on its own terms."""


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

    def error(self, atom: int) -> float:
        """Return the largest measuring error of an atom; 0 where laws are read from a field."""
        if self.noise is None:
            return 0.0
        return float(np.linalg.norm(self.atoms.gradients[:, atom] * self.noise, axis=1).max())

    def within(self, values: Float[np.ndarray, "rows columns"]) -> Float[np.ndarray, "rows columns"]:
        """Return how columns deviate from their means over each trajectory."""
        assert self.groups is not None
        count = np.bincount(self.groups).astype(float)
        sums = np.zeros((len(count), values.shape[1]))
        np.add.at(sums, self.groups, values)
        return np.asarray(values - (sums / np.maximum(count, 1.0)[:, None])[self.groups])

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
        return _triangle(self.rates[self.states.train]), _triangle(self.errors)

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
        return (rates, slopes) if self.errors is None else (_triangle(rates), _triangle(slopes))

    def share(self, vectors: Float[np.ndarray, "columns vectors"]) -> Float[np.ndarray, " vectors"]:
        """Return the part of each vector's standard deviation that lies within trajectories."""
        within, whole = self.rates @ vectors, self.values @ vectors
        return np.asarray(np.std(within, axis=0) / np.maximum(np.std(whole, axis=0), 1e-300))

    def explained(self, vectors: Float[np.ndarray, "columns vectors"]) -> Float[np.ndarray, " vectors"]:
        """Return how far vectors vary within training trajectories, in units of what measuring errors explain."""
        assert self.errors is not None
        varied = np.mean((self.rates[self.states.train] @ vectors) ** 2, axis=0)
        return np.asarray(np.sqrt(varied / np.mean((self.errors @ vectors) ** 2, axis=0)))

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
    values, rates = columns(family, states.atoms)
    rates = rates if states.groups is None else states.within(values)
    usable = np.all(np.isfinite(values), axis=0) & np.all(np.isfinite(rates), axis=0)
    values, rates = np.where(usable, values, 0.0), np.where(usable, rates, 0.0)
    sizes = np.std(values, axis=0)
    if states.noise is None:
        return Laid(family, states, values, rates, sizes)
    some = states.train[:: max(len(states.train) // MOST_ERROR_ROWS, 1)]
    errors = _slopes(family, states.atoms.rows(some), states.noise, sizes > 0)
    return Laid(family, states, values, rates, sizes, errors)


def _slopes(
    family: Family, atoms: Atoms, unit: Float[np.ndarray, " coordinates"], usable: np.ndarray
) -> Float[np.ndarray, "slopes columns"]:
    """Return the columns' slopes in units of the coordinates; mean squares are those of whole gradients."""
    slopes = column_gradients(family, atoms) * unit[:, None]
    whole = np.sqrt(len(unit)) * np.where(usable, slopes, 0.0)
    return np.asarray(whole.reshape(-1, len(usable)))


def _triangle(matrix: Float[np.ndarray, "rows columns"]) -> Float[np.ndarray, "fewer columns"]:
    """Return a matrix of no more rows than columns with the same mean square in every direction."""
    small = np.linalg.qr(matrix, mode="r")
    return np.asarray(small * np.sqrt(len(small) / len(matrix)))


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


def sparse_vectors(
    space: NullSpace, identities: Float[np.ndarray, "columns identities"], most: int = 60
) -> Float[np.ndarray, "columns candidates"]:
    """Return vectors with few terms in the span of a null space, those with the fewest terms first.

    Every column that takes part is a pivot once: its weight is set to 1 and the others are made few by reweighted
    least squares (Chartrand and Yin 2008). Columns weigh as much as they vary.

    Args:
        space: vectors that are conserved.
        identities: combinations of the columns that are constant whatever the state; they may be added freely.
        most: how many pivots are tried.
    """
    weighted = np.concatenate([space.vectors, identities], axis=1) * space.sizes[:, None]
    live = np.flatnonzero(space.sizes > 0)
    basis = np.linalg.qr(weighted[live])[0]
    share = np.linalg.norm(np.linalg.qr(space.vectors[live] * space.sizes[live, None])[0], axis=1)
    pivots = np.argsort(-share, kind="stable")[:most]
    found = [_few_terms(basis, int(pivot)) for pivot in pivots if share[pivot] > 1e-6]
    if 2 <= basis.shape[1] <= 4:
        # The sparsest vectors are not always the plainest: those without one of the terms are offered too.
        for absent in pivots[:12]:
            rest = _without(basis, int(absent))
            found += [_few_terms(rest, int(p)) for p in pivots[:12] if np.abs(rest[p]).max() > 1e-6]
    noisy = space.columns.states.noise is not None
    threshold = 1e-3 if noisy else max(SUPPORT, 30.0 * float(space.residuals.max(initial=0.0)))
    kept: dict[bytes, np.ndarray] = {}
    for v in found:
        vector = np.where(np.abs(v) > threshold * np.abs(v).max(), v, 0.0)
        kept.setdefault((vector != 0).tobytes(), vector)
    candidates = np.zeros((len(space.sizes), len(kept)))
    if kept:
        candidates[live] = np.stack(list(kept.values()), axis=1) / space.sizes[live, None]
    order = np.argsort(np.count_nonzero(candidates, axis=0), kind="stable")
    return candidates[:, order]


def _few_terms(basis: Float[np.ndarray, "columns directions"], pivot: int) -> Float[np.ndarray, " columns"]:
    """Return the combination of basis vectors with 1 at the pivot that has few terms."""
    at = basis[pivot]
    q = at / (at @ at)
    for epsilon in np.repeat(10.0 ** -np.arange(0.0, 9.0), 3):
        v = basis @ q
        # Powers of 1/2 in place of 1/1: sparser, and epsilon keeps the early steps convex.
        normal = basis.T @ (basis / (v * v + epsilon * epsilon)[:, None] ** 0.75)
        step = np.linalg.solve(normal + 1e-14 * np.trace(normal) * np.eye(len(q)), at)
        q = step / (at @ step)
    return np.asarray(basis @ q)


def _without(basis: Float[np.ndarray, "columns directions"], absent: int) -> np.ndarray:
    """Return a basis of the vectors that vanish at one column."""
    q, _ = np.linalg.qr(np.column_stack([basis[absent], np.eye(basis.shape[1])]))
    return np.asarray(basis @ q[:, 1:])


def identities_of(table: Laid) -> Float[np.ndarray, "columns identities"]:
    """Return orthonormal combinations of a family's columns that do not vary over the rows, as 1/r^2 (x^2 + y^2)."""
    values = table.values[table.states.train]
    centred = values - values.mean(axis=0)
    size = np.sqrt(np.mean(centred**2, axis=0))
    live = np.flatnonzero(size > 0)
    found = null_vectors(centred[:, live] / size[live], np.eye(len(live)), centred=False)
    vanishing = found.values < 1e-13 * np.sqrt(len(live))
    result = np.zeros((len(size), int(vanishing.sum())))
    result[live] = found.vectors[:, vanishing] / size[live, None]
    return result


def polished(table: Laid, vector: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the vector with as few of its terms as keep it a law, solved again on those, and its residual.

    Terms that matter least go first: where a few large ones are a law by themselves, the small ones were rounding,
    or noise.
    """
    noisy = table.states.noise is not None
    share = np.abs(vector) * table.sizes
    share = share / share.max()
    trials = [vector]
    for threshold in (0.3, 0.1, 0.03, 1e-2, 1e-3, 1e-5, 1e-7, 0.0):
        trials += list(table.solved(np.flatnonzero(share > threshold), 1e-13, 1).T)
    residuals = table.residuals(np.stack(trials, axis=1))
    if noisy:
        enough = max(NO_WORSE * float(residuals.min()), WHITE)
    else:
        enough = max(3 * float(residuals[0]), POLISHED)
    good = np.flatnonzero(residuals[1:] <= enough) + 1
    chosen = int(good[0]) if len(good) else 0
    best, smallest = trials[chosen], float(residuals[chosen])
    if noisy:
        return _pruned(table, best, enough)
    # A short law that was solved among more columns leaves these weights of rounding.
    weights = np.abs(best) * table.sizes
    shorter = table.solved(np.flatnonzero(weights > ROUNDING * weights.max()), 1e-13, 1)
    residual = float(table.residuals(shorter)[0]) if shorter.shape[1] else np.inf
    return (shorter[:, 0], residual) if residual <= enough else (best, smallest)


def _pruned(table: Laid, vector: np.ndarray, enough: float) -> tuple[np.ndarray, float]:
    """Return the vector without the terms that measuring errors do not tell from zero, one by one."""
    refused: set[int] = set()
    while True:
        live = np.flatnonzero(vector)
        order = [
            k for k in live[np.argsort(np.abs(vector[live]) * table.sizes[live])] if int(k) not in refused
        ]
        if len(live) < 2 or not order:
            return vector, float(table.residuals(vector[:, None])[0])
        trial = table.solved(live[live != order[0]], 1e-13, 1)
        if trial.shape[1] and float(table.residuals(trial)[0]) <= enough:
            vector = trial[:, 0]
        else:
            refused.add(int(order[0]))


def small_subsets(table: Laid, most: int = 40) -> Float[np.ndarray, "columns candidates"]:
    """Return combinations of one to four columns that vary least within trajectories, by trying all of them.

    With noise the sparsest vector of a null space is blurred; all small subsets are a few thousand tiny problems.
    """
    assert table.errors is not None
    train = table.states.train
    reach = np.sqrt(np.mean(table.errors**2, axis=0))
    live = np.flatnonzero((table.sizes > 0) & (reach > 1e-12 * reach.max()))
    a, b = table.rates[np.ix_(train, live)] / reach[live], table.errors[:, live] / reach[live]
    gram_a, gram_b = a.T @ a / len(a), b.T @ b / len(b)
    found = []
    laws: list[np.ndarray] = []
    for size in (1, 2, 3, 4):
        if not 0 < comb(len(live), size) <= MOST_SUBSETS:
            break
        sets = np.asarray(list(combinations(range(len(live)), size)))
        # A law with any further column is one more subset that holds: these would crowd out all other laws.
        for law in laws:
            sets = sets[~np.all([np.any(sets == k, axis=1) for k in law], axis=0)]
        if not len(sets):
            break
        small_a = gram_a[sets[:, :, None], sets[:, None, :]]
        small_b = gram_b[sets[:, :, None], sets[:, None, :]] + 1e-9 * np.eye(size)
        inverse = np.linalg.inv(np.linalg.cholesky(small_b))
        values, vectors = np.linalg.eigh(inverse @ small_a @ np.swapaxes(inverse, 1, 2))
        for n in np.argsort(values[:, 0], kind="stable")[:most]:
            vector = np.zeros(len(table.sizes))
            vector[live[sets[n]]] = (inverse[n].T @ vectors[n][:, 0]) / reach[live[sets[n]]]
            found.append(vector)
            if values[n, 0] < WHITE**2:
                laws.append(sets[n])
    return np.stack(found, axis=1) if found else np.zeros((len(table.sizes), 0))


def standard_errors(table: Laid, vector: np.ndarray) -> Float[np.ndarray, " columns"]:
    """Return the errors of a vector's coefficients from noise, the largest contribution held fixed."""
    live = np.flatnonzero(vector)
    errors = np.zeros(len(vector))
    pivot = live[np.argmax(np.abs(vector[live]) * table.sizes[live])]
    free = live[live != pivot]
    if len(free):
        a = table.rates[np.ix_(table.states.train, free)] / table.sizes[free]
        rest = table.rates[table.states.train] @ vector
        covariance = np.linalg.pinv(a.T @ a) * float(np.mean(rest**2))
        errors[free] = np.sqrt(np.diag(covariance)) / table.sizes[free]
    return errors
