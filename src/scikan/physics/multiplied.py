"""Families of products, after all sums: monomials times elementary functions, and products of these.

The larger a family, the more its columns resemble one another and blur a law by rounding: one coordinate's functions
come first, then those of several, and what known laws are made of helps.
"""

from itertools import combinations

import numpy as np

from scikan.core.expr import HALF, Expr, Symbol, power, substitute, symbols
from scikan.physics.auxiliaries import differences, factors_of
from scikan.physics.families import Block, U, monomials, n_columns, products
from scikan.physics.problem import Progress
from scikan.physics.stage import closed, parts_of_laws, with_exact_laws


MOST_OF_SEVERAL = 400
"""Columns of products over several coordinates, where measuring errors blur them."""


def products_search(progress: Progress) -> Progress:
    """Return the search with laws that are sums of products."""
    progress = _times_curves(progress)
    if progress.problem.noise is None:
        return times_each_other(_closed_times_curves(_times_several(progress)))
    return _closed_times_curves(_times_several(progress) if progress.unheld else progress)


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
        factors = factors_of(states.atoms.values[:, atom], atom < d, is_angle, states.error(atom))
        family = (*base, *products(powers, [(atom, factors)]))
        words = f"monomials times elementary functions of {states.atoms.exprs[atom]}"
        before = len(progress.laws)
        progress = with_exact_laws(progress, family, states, words, drop=1e-10, searched=n_columns(base))
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
        factors = factors_of(states.atoms.values[:, atom], True, atom in problem.angles, states.error(atom))
        family = (*family, *products(powers, [(atom, factors)]))
    words = "monomials times elementary functions of several coordinates"
    return with_exact_laws(progress, family, states, words, drop=1e-10, most_noisy=MOST_OF_SEVERAL)


def _closed_times_curves(progress: Progress) -> Progress:
    """Try polynomials in coordinates and the functions of known laws, times elementary functions of a coordinate that
    is in no known law: cos(t) (pt^2/r - 1) + pr pt sin(t).
    """
    problem = progress.problem
    d = len(problem.names)
    parts = parts_of_laws(progress)
    if progress.is_complete or not parts or d > 4:
        return progress
    states = problem.laid(parts)
    used = {name for law in progress.laws for name in symbols(law.expression)}
    for atom in [i for i in range(d) if problem.names[i] not in used]:
        members = [*(i for i in problem.plain if i != atom), *range(d, d + len(parts))]
        factors = factors_of(states.atoms.values[:, atom], True, atom in problem.angles, states.error(atom))
        family = products([b.powers for b in monomials(members, 3)], [(atom, factors)])
        words = f"polynomials in coordinates and the functions of known laws, times functions of {problem.names[atom]}"
        progress = with_exact_laws(progress, family, states, words, drop=1e-10, has_identities=True)
    return progress


def times_each_other(progress: Progress) -> Progress:
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
