"""The search for laws of a field, simplest families first; what was found so far goes from stage to stage.

Each stage lays out a family, takes the null vectors that hold to rounding, writes them as formulas and keeps those
that are independent of what is known. Families with elementary functions come before splines: they are exact. Splines
(a KAN of one layer) then tell whether a law is left that no formula of the families says.
"""

from dataclasses import replace
from itertools import combinations

import numpy as np

from scikan.core.expr import HALF, Expr, Symbol, power, substitute, symbols
from scikan.law.ordering import in_order
from scikan.law.simplify import simplify
from scikan.physics.auxiliaries import (
    differences,
    distances,
    factors_of,
)
from scikan.physics.counting import independent_ones, outside
from scikan.physics.families import (
    Block,
    Elementary,
    Family,
    U,
    expressions,
    gradients,
    monomials,
    n_columns,
    products,
)
from scikan.physics.problem import (
    EXACTLY,
    WITHIN_NOISE,
    Criterion,
    Entry,
    FoundLaw,
    Problem,
    Progress,
    start,
    unit_residual,
)
from scikan.physics.solving import (
    Laid,
    NullSpace,
    States,
    identities_of,
    null_space,
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


def with_exact_laws(
    progress: Progress,
    family: Family,
    states: States,
    words: str,
    drop: float = 1e-9,
    has_identities: bool = False,
) -> Progress:
    """Return the search with the laws of a family that hold to rounding and are new."""
    columns = n_columns(family)
    most_columns = MOST_COLUMNS if progress.problem.noise is None else MOST_NOISY_COLUMNS
    if progress.is_complete or not columns or columns > min(most_columns, len(states.train) // 2):
        return progress
    rule = progress.problem.criterion
    states = states.fewer(6 * columns)
    space = null_space(family, states, drop if states.noise is None else NOISY_DROP, most=80)
    n = _null_count(space, rule)
    if not n and states.noise is None and space.residuals[0] < DOUBTFUL:
        # Columns that nearly depend on each other blur a law by rounding: without their differences it stands out.
        space = null_space(family, states, COARSE_DROP, most=80)
        n = _null_count(space, rule)
    entry = Entry(words, 0, tuple(float(r) for r in space.residuals[: n + 1]), n)
    progress = replace(progress, entries=(*progress.entries, entry))
    noisy = states.noise is not None
    few = np.arange(len(states.atoms.values))[:: max(len(states.atoms.values) // 300, 1)]
    known, rows = progress.slopes[states.every][few], states.atoms.rows(few)
    if not noisy and not independent_ones(known, gradients(family, rows, space.vectors[:, :n]), most=1):
        return progress
    identities = identities_of(space.columns) if has_identities else np.zeros((len(space.sizes), 0))
    vectors = sparse_vectors(space.first(n), identities)
    if noisy:
        small = small_subsets(space.columns)
        small = small[:, space.columns.residuals(small) < rule.holds]
        small = small[:, space.columns.share(small) < MOST_SHARE]
        fresh = [
            c
            for c in range(small.shape[1])
            if outside(known, gradients(family, rows, small[:, [c]])[:, 0]) > rule.new
        ]
        vectors = np.concatenate([small[:, fresh], vectors[:, :MOST_BLURRED]], axis=1)
    vectors = _short_ones(space.columns, vectors)
    trees = expressions(family, states.atoms)
    room = len(progress.problem.names) - 1 - len(progress.laws)
    for c in independent_ones(known, gradients(family, rows, vectors), rule.new, most=room):
        errors = standard_errors(space.columns, vectors[:, c]) if noisy else None
        progress = _with_law(progress, vectors[:, c], trees, words, errors)
    return progress


def _null_count(space: NullSpace, rule: Criterion) -> int:
    """Return how many vectors may be laws; none if the next one is hardly worse."""
    n = int(np.sum(space.residuals < rule.null))
    if n and n < len(space.residuals) and space.residuals[n] < rule.gap * space.residuals[n - 1]:
        return 0
    return n


def _short_ones(table: Laid, vectors: np.ndarray) -> np.ndarray:
    """Return vectors that are laws, each solved on its own terms, the shortest formulas first."""
    trees = expressions(table.family, table.states.atoms)
    mixed = np.asarray([len(block.powers) > 1 for block in table.family for _ in range(n_columns((block,)))])
    lengths = np.asarray([cost(tree) + 1.0 for tree in trees]) + 0.5 * mixed
    rule = EXACTLY if table.states.noise is None else WITHIN_NOISE
    found: list[tuple[float, float, np.ndarray]] = []
    for c in np.argsort((vectors != 0).T @ lengths, kind="stable")[:MOST_CANDIDATES]:
        vector, residual = polished(table, vectors[:, c])
        if residual < rule.holds and (table.errors is None or table.share(vector[:, None])[0] < MOST_SHARE):
            live = np.flatnonzero(vector)
            plain = weighted_sum([trees[k] for k in live], vector[live])
            found.append((float((vector != 0) @ lengths) + cost(plain), residual, vector))
    found.sort(key=lambda entry: entry[0])
    # Among laws within errors the shortest: but one that leaves more than errors explain is an approximation.
    least = max(1.08 * min((r for _, r, _ in found), default=0.0), rule.fair)
    kept = [v for _, r, v in found if r <= least]
    return np.stack(kept, axis=1) if kept else vectors[:, :0]


def _with_law(
    progress: Progress, vector: np.ndarray, trees: tuple[Expr, ...], words: str, errors: np.ndarray | None
) -> Progress:
    live = np.flatnonzero(vector)
    problem = progress.problem
    terms = [simplify(trees[k]) for k in live]
    plain = weighted_sum(terms, vector[live], None if errors is None else errors[live])
    # A product of sums is shorter as it was found; sums of powers are read most easily as sums.
    is_factored = words == FACTORED
    expression = natural_form(plain, problem.names) if is_factored else in_order(plain, problem.names)
    law = FoundLaw(expression, words, unit_residual(expression, problem))
    slope = gradient_of(expression, problem.names, problem.states)
    return replace(
        progress, laws=(*progress.laws, law), slopes=np.concatenate([progress.slopes, slope[:, None]], axis=1)
    )


def exact_search(problem: Problem) -> Progress:
    """Return all laws that are exact in families of formulas."""
    progress = start(problem)
    progress = _polynomials(progress, range(1, 2))
    progress = _factored(progress)
    progress = _polynomials(progress, range(2, 3))
    progress = _long_or_elementary(progress)
    progress = _auxiliary(progress)
    progress = _times_curves(progress)
    return (
        _times_each_other(_closed_times_curves(_times_several(progress)))
        if problem.noise is None
        else progress
    )


def _long_or_elementary(progress: Progress) -> Progress:
    """Try polynomials of degree 3 and 4, then elementary functions; with measuring errors in both orders.

    A polynomial of degree 4 is near enough to a cosine to hide behind the errors: what finds more laws stays, of
    equally many the shorter ones.
    """
    long = _polynomials(progress, range(3, 5))
    first = _elementary(long)
    if progress.problem.noise is None or len(long.laws) == len(progress.laws):
        return first
    second = _polynomials(_elementary(progress), range(3, 5))
    return min(first, second, key=lambda p: (-len(p.laws), sum(cost(law.expression) for law in p.laws)))


def _polynomials(progress: Progress, degrees: range) -> Progress:
    problem = progress.problem
    states = problem.laid()
    for degree in degrees:
        # Many coordinates have more products of known laws than anything else in their third degree.
        if degree > 2 and len(problem.names) > 8 and progress.laws:
            break
        family = monomials(problem.plain, degree)
        progress = with_exact_laws(progress, family, states, f"polynomials of degree {degree}")
    return progress


def _factored(progress: Progress) -> Progress:
    """Try linear laws times coordinates: a uniform motion is found in its own form, not as a sum of many terms."""
    problem = progress.problem
    linear = [law.expression for law in progress.laws if law.family == "polynomials of degree 1"]
    if not linear:
        return progress
    states = problem.laid(linear)
    d = len(problem.names)
    family = tuple(Block(((d + n, 1), (i, 1))) for n in range(len(linear)) for i in problem.plain)
    return with_exact_laws(progress, family, states, FACTORED)


def _elementary(progress: Progress) -> Progress:
    problem = progress.problem
    states = problem.laid()
    d = len(problem.names)
    family = (*monomials(problem.plain, 2), *products([()], progress.curves(states, range(d))))
    progress = with_exact_laws(progress, family, states, "sums of elementary functions", drop=1e-10)
    return closed(progress)


def _parts(progress: Progress) -> list[Expr]:
    """Return the functions that known laws are made of."""
    return list(dict.fromkeys(p for law in progress.laws for p in elementary_parts(law.expression)))


def closed(progress: Progress) -> Progress:
    """Try polynomials in the coordinates and in the functions that known laws are made of."""
    problem = progress.problem
    parts = _parts(progress)
    if not parts or progress.is_complete:
        return progress
    states = problem.laid(parts)
    members = [*problem.plain, *range(len(problem.names), len(problem.names) + len(parts))]
    for degree in (2, 3, 4):
        if degree > 2 and len(members) > 10:
            break
        words = f"polynomials of degree {degree} in coordinates and the functions of known laws"
        family = monomials(members, degree)
        progress = with_exact_laws(progress, family, states, words, has_identities=True)
    return progress


def auxiliary_sets(problem: Problem) -> list[tuple[str, tuple[Expr, ...]]]:
    """Return the sets of auxiliary inputs that are offered: differences, then distances in each grouping."""
    where = problem.positions
    others = tuple(i for i in range(len(problem.names)) if i not in where)
    sets = [("differences", differences(problem.names, where))]
    where, others = (tuple(i for i in part if i not in problem.angles) for part in (where, others))
    sets += [("distances", group) for group in distances(problem.names, where)]
    sets += [("lengths", group) for group in distances(problem.names, others)]
    return [(words, group) for words, group in sets if group]


def _auxiliary(progress: Progress) -> Progress:
    problem = progress.problem
    d = len(problem.names)
    for words, group in auxiliary_sets(problem):
        if progress.is_complete:
            break
        states = problem.laid(group)
        chosen = range(0 if d <= 6 else d, d + len(group))
        family = (*monomials(problem.plain, 2), *products([()], progress.curves(states, chosen)))
        before = len(progress.laws)
        name = f"sums of elementary functions of coordinates and {words}"
        progress = with_exact_laws(progress, family, states, name, drop=1e-10)
        if problem.noise is not None and len(progress.laws) == before:
            progress = _alike(progress, states, chosen, name)
        if len(progress.laws) > before:
            progress = closed(progress)
    return progress


def _alike(progress: Progress, states: States, chosen: range, name: str) -> Progress:
    """Try one curve at a time, the same of every auxiliary input, where a law hides among all of them.

    With measuring errors curves such as log(r), 1/r and exp(-r)/r stand for each other, so that the sparsest vector of
    the null space has scores of terms. That more vectors are conserved than coordinates alone explain tells of a law.
    """
    plain = monomials(progress.problem.plain, 2)
    alone = _null_count(null_space(plain, states, NOISY_DROP, most=80), progress.problem.criterion)
    if not progress.entries or progress.entries[-1].laws <= alone:
        return progress
    curves = progress.curves(states, chosen)
    shared = [e for e in curves[0][1].entries if all(e in own.entries for _, own in curves)] if curves else []
    before = len(progress.laws)
    for entry in shared:
        family = (*plain, *products([()], [(atom, Elementary((entry,))) for atom, _ in curves]))
        if _null_count(null_space(family, states, NOISY_DROP, most=80), progress.problem.criterion) <= alone:
            continue
        progress = with_exact_laws(progress, family, states, name, drop=1e-10)
        if len(progress.laws) > before:
            break
    return progress


def _times_curves(progress: Progress) -> Progress:
    """Try monomials times elementary functions of one coordinate or difference, beside sums of all of them."""
    problem = progress.problem
    d = len(problem.names)
    if d > 6:
        return progress
    where = problem.positions
    group = differences(problem.names, where) if len(where) < d else ()
    states = problem.laid(group)
    curves = progress.curves(states, range(d + len(group)))
    base = (*monomials(problem.plain, 2), *products([()], curves))
    for atom, _ in curves:
        if progress.is_complete:
            break
        powers = [b.powers for b in monomials([i for i in problem.plain if i != atom], 2)]
        is_angle = problem.is_angle(states.atoms.exprs[atom])
        factors = factors_of(states.atoms.values[:, atom], atom < d, is_angle)
        family = (*base, *products(powers, [(atom, factors)]))
        words = f"monomials times elementary functions of {states.atoms.exprs[atom]}"
        before = len(progress.laws)
        progress = with_exact_laws(progress, family, states, words, drop=1e-10)
        if len(progress.laws) > before:
            progress = closed(progress)
    return progress


def _times_several(progress: Progress) -> Progress:
    """Try monomials times elementary functions of every coordinate at once: pt^2/r^2 - r cos(t)."""
    problem = progress.problem
    d = len(problem.names)
    if progress.is_complete or not 2 < d <= 4:
        return progress
    states = problem.laid()
    family = (*monomials(problem.plain, 2), *products([()], progress.curves(states, range(d))))
    for atom in range(d):
        powers = [b.powers for b in monomials([i for i in problem.plain if i != atom], 2)]
        factors = factors_of(states.atoms.values[:, atom], True, atom in problem.angles)
        family = (*family, *products(powers, [(atom, factors)]))
    words = "monomials times elementary functions of several coordinates"
    return with_exact_laws(progress, family, states, words, drop=1e-10)


def _closed_times_curves(progress: Progress) -> Progress:
    """Try polynomials in coordinates and the functions of known laws, times elementary functions of a coordinate that
    is in no known law: cos(t) (pt^2/r - 1) + pr pt sin(t).
    """
    problem = progress.problem
    d = len(problem.names)
    parts = _parts(progress)
    if progress.is_complete or not parts or d > 4:
        return progress
    states = problem.laid(parts)
    used = {name for law in progress.laws for name in symbols(law.expression)}
    for atom in [i for i in range(d) if problem.names[i] not in used]:
        members = [*(i for i in problem.plain if i != atom), *range(d, d + len(parts))]
        factors = factors_of(states.atoms.values[:, atom], True, atom in problem.angles)
        family = products([b.powers for b in monomials(members, 3)], [(atom, factors)])
        words = f"polynomials in coordinates and the functions of known laws, times functions of {problem.names[atom]}"
        progress = with_exact_laws(progress, family, states, words, drop=1e-10, has_identities=True)
    return progress


def _times_each_other(progress: Progress) -> Progress:
    """Try products of elementary functions of two coordinates: sqrt(1 - z^2) cos(f)."""
    problem = progress.problem
    d = len(problem.names)
    if progress.is_complete or d > 3:
        return progress
    atoms = problem.laid().atoms
    groups: list[list[Expr]] = []
    for i, name in enumerate(problem.names):
        factors = factors_of(atoms.values[:, i], True, i in problem.angles).entries
        below_one = (
            [power(1 - U**2, HALF)] if np.abs(atoms.values[:, i]).max() < 1 and i in problem.plain else []
        )
        plain = [U, U**2] if i in problem.plain else []
        groups.append([substitute(e, {"u": Symbol(name)}) for e in (*plain, *factors, *below_one)])
    states = problem.laid([e for group in groups for e in group])
    ends = d + np.cumsum([0, *map(len, groups)])
    places = [range(ends[i], ends[i + 1]) for i in range(d)]
    singles = [Block(((int(a), 1),)) for place in places for a in place]
    pairs = [Block(((a, 1), (b, 1))) for p, q in combinations(places, 2) for a in p for b in q]
    return with_exact_laws(
        progress,
        (*singles, *pairs),
        states,
        "products of elementary functions of two coordinates",
        drop=1e-10,
    )
