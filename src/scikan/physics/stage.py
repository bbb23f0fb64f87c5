"""One family of functions: its null vectors, written as formulas, and those that are new laws.

Every stage of the search lays out a family and asks `with_exact_laws`. Functions that known laws are made of make a
family of their own (`closed`): energies tell of which functions other laws are polynomials.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from scikan.core.expr import Expr, Mul, Pow
from scikan.law.ordering import in_order
from scikan.law.simplify import simplify
from scikan.physics.counting import independent_ones, most_outside, outside
from scikan.physics.families import Family, expressions, gradients, monomials, n_columns
from scikan.physics.problem import EXACTLY, WITHIN_NOISE, Criterion, Entry, FoundLaw, Progress, unit_residual
from scikan.physics.solving import Laid, NullSpace, States, laid, null_space_among
from scikan.physics.sparsity import (
    exchanged,
    identities_of,
    of_few_blocks,
    polished,
    small_subsets,
    sparse_vectors,
    standard_errors,
)
from scikan.physics.writing import (
    cost,
    elementary_parts,
    gradient_of,
    natural_form,
    outside_parts,
    weighted_sum,
)


FACTORED = "laws times coordinates"
MOST_COLUMNS = 500
MOST_NOISY_COLUMNS = 200
MOST_BLURRED = 15
MOST_SHARE = 0.3
"""A law varies between trajectories: what varies as much within them is drowned in noise, not conserved."""

DOUBTFUL, COARSE_DROP = 1e-5, 1e-7
NOISY_DROP = 1e-7
"""Directions that measuring errors reach less than this cannot be told from others."""

MOST_CANDIDATES = 40
MANY_TERMS = 4
"""A law of more terms, read with measuring errors, may have several terms that stand for one."""


def with_exact_laws(
    progress: Progress,
    family: Family,
    states: States,
    words: str,
    drop: float = 1e-9,
    has_identities: bool = False,
    searched: int = 0,
    most_noisy: int = MOST_NOISY_COLUMNS,
) -> Progress:
    """Return the search with the laws of a family that hold to rounding and are new.

    Args:
        progress, family, states: what is known, and what is laid on what.
        words: the family in words.
        drop: part of the largest below which directions are rounding.
        has_identities: whether some combinations are constant whatever the state.
        searched: how many of the first columns were searched before. With measuring errors a family in which no more
            is conserved than among these is passed over: telling a law from its blurred neighbours takes long.
        most_noisy: columns of the largest family that is searched with measuring errors.
    """
    if not has_room(progress, family, states, most_noisy):
        return progress
    table = laid(family, states.fewer(6 * n_columns(family)))
    return with_laws_among(progress, table, words, drop, has_identities, searched)


def has_room(
    progress: Progress, family: Family, states: States, most_noisy: int = MOST_NOISY_COLUMNS
) -> bool:
    """Return whether a law may be missing, and a family is not too large for the rows."""
    most = MOST_COLUMNS if states.noise is None else most_noisy
    return not progress.is_complete and 0 < n_columns(family) <= min(most, len(states.train) // 2)


def with_laws_among(
    progress: Progress,
    table: Laid,
    words: str,
    drop: float = 1e-9,
    has_identities: bool = False,
    searched: int = 0,
) -> Progress:
    """Return the search with the new laws of a family that is laid out; all else as in `with_exact_laws`."""
    family, states, rule = table.family, table.states, progress.problem.criterion
    noisy, every = states.noise is not None, np.arange(len(table.sizes))
    if searched and noisy and not count_beyond(table, searched, rule):
        return _noted(progress, words, table)
    space = null_space_among(table, every, NOISY_DROP if noisy else drop, most=80)
    n = null_count(space, rule)
    if not n and not noisy and space.residuals[0] < DOUBTFUL:
        # Columns that nearly depend on each other blur a law by rounding: without their differences it stands out.
        space = null_space_among(table, every, COARSE_DROP, most=80)
        n = null_count(space, rule)
    progress = replace(progress, entries=(*progress.entries, entry_of(words, space, rule)))
    if noisy and not n:
        return progress
    few = np.arange(len(states.atoms.values))[:: max(len(states.atoms.values) // 300, 1)]
    known, rows = progress.slopes[states.every][few], states.atoms.rows(few)
    slopes = gradients(family, rows, space.vectors[:, : near_count(space, rule) if noisy else n])
    # Blurred vectors mix laws that are known and one that is not.
    is_new = most_outside(known, slopes) > rule.new / 3 if noisy else independent_ones(known, slopes, most=1)
    if not is_new:
        return progress
    identities = identities_of(space.columns) if has_identities else np.zeros((len(space.sizes), 0))
    vectors = sparse_vectors(space.first(n), identities)
    if noisy:
        small = small_subsets(space.columns)
        small = small[:, space.columns.residuals(small) < rule.holds]
        small = small[:, space.columns.share(small) < MOST_SHARE]

        def beyond(some: np.ndarray) -> np.ndarray:
            slopes = np.swapaxes(gradients(family, rows, some), 0, 1)
            return np.asarray([outside(known, slope) for slope in slopes])

        blurred = np.concatenate([vectors[:, :MOST_BLURRED], space.vectors[:, :1]], axis=1)
        # What is blurred may be a new law beside known ones, so that less of it is asked to lie outside them.
        vectors = np.concatenate(
            [small[:, beyond(small) > rule.new], blurred[:, beyond(blurred) > rule.new / 3]], axis=1
        )
    if not vectors.shape[1]:
        return progress
    trees = expressions(family, states.atoms)
    vectors = _short_ones(space.columns, vectors, trees)
    if not noisy and not vectors.shape[1]:
        vectors = _short_ones(space.columns, of_few_blocks(space), trees)
    room = len(progress.problem.names) - 1 - len(progress.laws)
    for c in independent_ones(known, gradients(family, rows, vectors), rule.new, most=room):
        errors = standard_errors(space.columns, vectors[:, c]) if noisy else None
        progress = _with_law(progress, vectors[:, c], trees, words, errors)
    return progress


def entry_of(words: str, space: NullSpace, rule: Criterion) -> Entry:
    """Return the evidence of a family: its null vectors' residuals, and that of the first which is none."""
    n = null_count(space, rule)
    return Entry(words, 0, tuple(float(r) for r in space.residuals[: n + 1]), n)


def null_count(space: NullSpace, rule: Criterion) -> int:
    """Return how many vectors may be laws; none if the next one is hardly worse, or if all are drowned in noise."""
    n = int(np.sum(space.residuals < rule.null))
    if n and n < len(space.residuals) and space.residuals[n] < rule.gap * space.residuals[n - 1]:
        return 0
    if n and space.columns.errors is not None:
        return n if space.first(near_count(space, rule)).least_share() < MOST_SHARE else 0
    return n


def near_count(space: NullSpace, rule: Criterion) -> int:
    """Return how many vectors a law may be made of, which lies a little outside those that errors explain."""
    return int(np.sum(space.residuals < 2 * rule.null))


def count_beyond(table: Laid, first: int, rule: Criterion, some: Sequence[int] | None = None) -> int:
    """Return how many more combinations of some columns (or all) are conserved than the first columns alone hold."""
    parts = (range(first), range(len(table.sizes)) if some is None else some)
    alone, together = (
        null_count(null_space_among(table, np.asarray(part), NOISY_DROP, most=80), rule) for part in parts
    )
    return max(together - alone, 0)


def _noted(progress: Progress, words: str, table: Laid) -> Progress:
    """Return the search with the evidence of a family that holds nothing new."""
    space = null_space_among(table, np.arange(len(table.sizes)), NOISY_DROP, most=80)
    return replace(progress, entries=(*progress.entries, entry_of(words, space, progress.problem.criterion)))


def shortest(searches: Sequence[Progress]) -> Progress:
    """Return the search with most laws, of equally many that with the shortest."""
    return min(searches, key=lambda p: (-len(p.laws), sum(cost(law.expression) for law in p.laws)))


def kept(progress: Progress, laws: Sequence[int]) -> Progress:
    """Return the search with some of its laws, by number."""
    return replace(
        progress, laws=tuple(progress.laws[n] for n in laws), slopes=progress.slopes[:, list(laws)]
    )


def _short_ones(table: Laid, vectors: np.ndarray, trees: tuple[Expr, ...]) -> np.ndarray:
    """Return vectors that are laws, each solved on its own terms, the shortest formulas first."""
    mixed = np.asarray([len(block.powers) > 1 for block in table.family for _ in range(n_columns((block,)))])
    lengths = np.asarray([cost(tree) + 1.0 for tree in trees]) + 0.5 * mixed
    rule = EXACTLY if table.states.noise is None else WITHIN_NOISE
    found: list[tuple[float, float, np.ndarray]] = []
    for c in np.argsort((vectors != 0).T @ lengths, kind="stable")[:MOST_CANDIDATES]:
        vector, residual = polished(table, vectors[:, c])
        if residual < rule.holds and (table.errors is None or _stands_out(table, vector)):
            live = np.flatnonzero(vector)
            plain = weighted_sum([trees[k] for k in live], vector[live])
            found.append((float((vector != 0) @ lengths) + cost(plain), residual, vector))
    found.sort(key=lambda entry: entry[0])
    # Among laws within errors the shortest: but one that leaves more than errors explain is an approximation.
    least = max(1.08 * min((r for _, r, _ in found), default=0.0), rule.fair)
    kept = [v for _, r, v in found if r <= least]
    if kept and table.errors is not None and np.count_nonzero(kept[0]) > MANY_TERMS:
        shorter = exchanged(table, kept[0])
        is_law = table.residuals(shorter[:, None])[0] < rule.holds and _stands_out(table, shorter)
        kept = [shorter, *kept] if is_law else kept
    return np.stack(kept, axis=1) if kept else vectors[:, :0]


def _stands_out(table: Laid, vector: np.ndarray) -> bool:
    """Return whether a vector differs between trajectories, and within them by no more than errors at any row."""
    return bool(table.share(vector[:, None])[0] < MOST_SHARE and table.varies(vector) < WITHIN_NOISE.holds)


def _with_law(
    progress: Progress, vector: np.ndarray, trees: tuple[Expr, ...], words: str, errors: np.ndarray | None
) -> Progress:
    live = np.flatnonzero(vector)
    problem = progress.problem
    terms = [_merged(trees[k]) for k in live]
    plain = weighted_sum(terms, vector[live], None if errors is None else errors[live])
    # A product of sums is shorter as it was found; sums of powers are read most easily as sums.
    is_factored = words == FACTORED
    expression = natural_form(plain, problem.names) if is_factored else in_order(plain, problem.names)
    law = FoundLaw(expression, words, unit_residual(expression, problem))
    slope = gradient_of(expression, problem.names, problem.states)
    return replace(
        progress, laws=(*progress.laws, law), slopes=np.concatenate([progress.slopes, slope[:, None]], axis=1)
    )


def _merged(term: Expr) -> Expr:
    """Return a product with powers of one base in one place, as of r and 1/r; others as they are."""
    factors = term.args if isinstance(term, Mul) else (term,)
    bases = [f.base if isinstance(f, Pow) else f for f in factors]
    return simplify(term) if len(set(bases)) < len(bases) else term


def parts_of_laws(progress: Progress) -> list[Expr]:
    """Return the functions that known laws are made of."""
    return list(dict.fromkeys(p for law in progress.laws for p in elementary_parts(law.expression)))


def closed(progress: Progress) -> Progress:
    """Try polynomials in the coordinates and in the functions that known laws are made of."""
    problem = progress.problem
    parts = parts_of_laws(progress)
    if not parts or progress.is_complete:
        return progress
    states = problem.laid(parts)
    last = range(len(problem.names), len(problem.names) + len(parts))
    inside = {name for law in progress.laws for name in outside_parts(law.expression)}
    for degree in (2, 3, 4):
        if degree > 2 and len(problem.plain) + len(parts) > 10:
            break
        words = f"polynomials of degree {degree} in coordinates and the functions of known laws"
        family = monomials([*problem.plain, *last], degree)
        if problem.noise is not None and n_columns(family) > MOST_NOISY_COLUMNS:
            # Momenta and the functions of their energy: a coordinate that known laws hold in functions only goes first.
            family = monomials([*(i for i in problem.plain if problem.names[i] in inside), *last], degree)
        progress = with_exact_laws(progress, family, states, words, has_identities=True)
    return progress
