"""Laws of few terms out of a null space, whose vectors are mixtures of all of them.

Sparse vectors of its span come first (`sparse_vectors`); with measuring errors, where a null space is blurred, also all
small subsets of the columns (`small_subsets`). Each is solved again on its own terms, with as few of them as keep it a
law (`polished`); where these are many, one column takes the place of several (`exchanged`).
"""

from collections.abc import Sequence
from itertools import combinations
from math import comb

import numpy as np
from jaxtyping import Float

from scikan.physics.families import n_columns
from scikan.physics.solving import POLISHED, Laid, NullSpace
from scikan.train.linear import null_vectors


WHITE = 1.1
"""Residual, in units of what measuring errors explain, that asks for no further term."""

NO_WORSE = 1.06
"""Factor by which a shorter law may vary more: what chance does to a few thousand rows."""

BETTER = 0.997
"""Factor on the residual of a law of as many terms that makes it the better one: both are judged by the same rows."""

PATIENCE = 5
"""Terms in a row that cannot be left out, those that matter least first, after which all others stay."""

MOST_SUBSETS = 300_000

SUPPORT, ROUNDING = 1e-8, 1e-7
"""Terms below this part of the largest are rounding: in a null space, and in a law on its own terms."""


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


def of_few_blocks(space: NullSpace) -> Float[np.ndarray, "columns candidates"]:
    """Return the first vector of a null space once more, on as few blocks of its family as keep it conserved.

    On a short range exp(u), log(u) and powers of u stand for each other nearly to rounding, and a vector mixes them.
    Without those that the law does not need it is told to rounding.
    """
    table = space.columns
    place = np.repeat(np.arange(len(table.family)), [n_columns((block,)) for block in table.family])
    live, best, limit = table.sizes > 0, space.vectors[:, :1], 3.0 * float(space.residuals[0])
    for block in np.unique(place)[::-1]:
        trial = table.solved(np.flatnonzero(live & (place != block)), 1e-13, 1)
        residual = float(table.residuals(trial)[0]) if trial.shape[1] else np.inf
        if residual <= limit:
            live, best, limit = live & (place != block), trial, min(limit, max(3.0 * residual, POLISHED))
    return best


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
    above = [np.flatnonzero(share > t) for t in (0.3, 0.1, 0.03, 1e-2, 1e-3, 1e-5, 1e-7, 0.0)]
    for live in {len(live): live for live in above}.values():
        trials += list(table.solved(live, 1e-13, 1).T)
    residuals = table.residuals(np.stack(trials, axis=1))
    if noisy:
        enough = max(NO_WORSE * float(residuals.min()), WHITE)
    else:
        enough = max(3 * float(residuals[0]), POLISHED)
    good = np.flatnonzero(residuals[1:] <= enough) + 1
    chosen = int(good[0]) if len(good) else 0
    best, smallest = trials[chosen], float(residuals[chosen])
    if noisy:
        return _merged(table, _pruned(table, best, enough), enough)
    # A short law that was solved among more columns leaves these weights of rounding.
    weights = np.abs(best) * table.sizes
    shorter = table.solved(np.flatnonzero(weights > ROUNDING * weights.max()), 1e-13, 1)
    residual = float(table.residuals(shorter)[0]) if shorter.shape[1] else np.inf
    return (shorter[:, 0], residual) if residual <= enough else (best, smallest)


def _pruned(table: Laid, vector: np.ndarray, enough: float, held: Sequence[int] = ()) -> np.ndarray:
    """Return the vector without the terms that measuring errors do not tell from zero: many at once, then one by one.

    Terms in `held` stay.
    """
    refused = set(held)
    many = int(np.count_nonzero(vector)) // 2
    least_harm = _by_harm(table, vector)
    while True:
        order = [k for k in least_harm if k not in refused]
        if len(least_harm) < 2 or not order or len(refused) >= PATIENCE + len(held):
            return vector
        many = max(min(many, len(order) // 2), 1)
        trial = table.solved(np.setdiff1d(least_harm, order[:many]), 1e-13, 1)
        residual = float(table.residuals(trial)[0]) if trial.shape[1] else np.inf
        if residual <= enough:
            # Many terms fit the rows they are solved on: without them held-out rows may vary much less.
            vector, enough = trial[:, 0], min(enough, max(NO_WORSE * residual, WHITE))
            least_harm, refused = _by_harm(table, vector), set(held)
        elif many > 1:
            many //= 2
        else:
            refused.add(order[0])


def _by_harm(table: Laid, vector: np.ndarray) -> list[int]:
    """Return the terms by how much more the law would vary without each, the largest held and the others refitted."""
    live = np.flatnonzero(vector)
    share = np.abs(vector[live]) * table.sizes[live]
    free = np.delete(live, share.argmax())
    rates = table.spanned[:, free] / table.sizes[free]
    normal = rates.T @ rates
    inverse = np.linalg.inv(normal + 1e-12 * np.trace(normal) * np.eye(len(free)))
    harm = np.full(len(live), np.inf)
    harm[live != live[share.argmax()]] = (vector[free] * table.sizes[free]) ** 2 / np.diag(inverse)
    return [int(k) for k in live[np.argsort(harm)]]


def _merged(table: Laid, vector: np.ndarray, enough: float) -> tuple[np.ndarray, float]:
    """Return the vector with one or two functions of an atom in place of more, where these do, and its residual.

    Within errors sin(y) + exp(y) / 4 is near to y, and no one of the two can be left out.
    """
    best = vector, float(table.residuals(vector[:, None])[0])
    for atom in np.unique(table.atoms_of[table.atoms_of >= 0]):
        own = np.flatnonzero((table.atoms_of == atom) & (table.sizes > 0))
        for size in (1, 2):
            live = np.flatnonzero(best[0])
            rest = np.setdiff1d(live, own)
            if len(live) - len(rest) <= size or not len(rest):
                break
            sets = combinations(own, size)
            trials = np.concatenate([table.solved(np.append(rest, k), 1e-13, 1) for k in sets], axis=1)
            residuals = table.residuals(trials)
            if residuals.min(initial=np.inf) <= enough:
                best = trials[:, int(residuals.argmin())], float(residuals.min())
    return best


def exchanged(table: Laid, vector: np.ndarray) -> np.ndarray:
    """Return the vector with one more column in place of several terms, or of one that explains less.

    Terms left out one by one may end in many that stand for one, or in x^4 where cos(x) was meant.
    """
    least = float(table.residuals(vector[:, None])[0])
    enough = max(NO_WORSE * least, WHITE)
    untried = list(np.flatnonzero(table.sizes > 0))
    while untried:
        k = int(untried.pop())
        trial = table.solved(np.union1d(np.flatnonzero(vector), k), 1e-13, 1)
        if trial.shape[1] and float(table.residuals(trial)[0]) <= enough:
            other = _pruned(table, trial[:, 0], enough, held=[k])
            saved = np.count_nonzero(vector) - np.count_nonzero(other)
            residual = float(table.residuals(other[:, None])[0])
            if saved > 0 or (saved == 0 and residual < BETTER * least):
                vector, least, untried = other, residual, list(np.flatnonzero(table.sizes > 0))
    return vector


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
        problems = inverse @ small_a @ np.swapaxes(inverse, 1, 2)
        best = np.argsort(np.linalg.eigvalsh(problems)[:, 0], kind="stable")[:most]
        for n, value, vectors in zip(best, *np.linalg.eigh(problems[best]), strict=True):
            vector = np.zeros(len(table.sizes))
            vector[live[sets[n]]] = (inverse[n].T @ vectors[:, 0]) / reach[live[sets[n]]]
            found.append(vector)
            if value[0] < WHITE**2:
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
