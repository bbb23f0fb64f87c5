"""The search for laws of a field, simplest families first; what was found so far goes from stage to stage.

Each stage lays out a family, takes the null vectors that hold to rounding, writes them as formulas and keeps those
that are independent of what is known. Families with elementary functions come before splines: they are exact. Splines
(a KAN of one layer) then tell whether a law is left that no formula of the families says.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from scikan.core.expr import constants
from scikan.physics.combined import with_combined_inputs
from scikan.physics.counting import outside
from scikan.physics.families import Block, Elementary, monomials, n_columns, products
from scikan.physics.multiplied import products_search, times_each_other
from scikan.physics.problem import FoundLaw, Problem, Progress, start
from scikan.physics.scaled import with_inner_constants
from scikan.physics.solving import Laid, States, laid
from scikan.physics.stage import (
    FACTORED,
    closed,
    count_beyond,
    has_room,
    kept,
    shortest,
    with_exact_laws,
    with_laws_among,
)
from scikan.physics.writing import cost


MANY_CONSTANTS = 4
"""Fitted constants of a law that measuring errors allow, from which on it may be an approximation."""

TURN = 2 * np.pi
STEADY, MANY = 0.9, 0.25
"""What turns moves this share of its way in one direction, along this share of the trajectories."""

Curves: TypeAlias = Sequence[tuple[int, Elementary]]


def exact_search(problem: Problem) -> Progress:
    """Return all laws that are exact in families of formulas, or hold within measuring errors."""
    progress = _searched(problem)
    if problem.noise is None:
        return progress
    return _with_less_usual_ones(_without_implied(progress))


def _searched(problem: Problem) -> Progress:
    progress = start(problem)
    progress = _polynomials(progress, range(1, 2))
    progress = _factored(progress)
    quadratic = _polynomials(progress, range(2, 3))
    found = _long_or_elementary(quadratic)
    if problem.noise is not None and any(_may_bend(law) for law in quadratic.laws[len(progress.laws) :]):
        found = shortest([found, _elementary(progress, afresh=True)])
    return products_search(_auxiliary(found))


def _may_bend(law: FoundLaw) -> bool:
    """Return whether a quadratic law may stand for curves: log(x) - log(y) is near one on a short range."""
    return len(constants(law.expression)) >= 2


def _with_angles(progress: Progress) -> Progress:
    """Return the search with coordinates taken for angles, where they go round and this says more.

    Functions of angles are few, and errors hide fewer laws among them.
    """
    problem = progress.problem
    round_about = _unheld_turning(progress) or _wide_positions(progress)
    if problem.angles or not round_about:
        return progress
    return shortest([progress, _without_implied(_searched(replace(problem, angles=round_about)))])


def _wide_positions(progress: Progress) -> tuple[int, ...]:
    """Return the positions that reach further than a turn, where laws leave two coordinates and more open."""
    problem, where = progress.problem, progress.problem.positions
    if len(where) == len(problem.names) or len(progress.unheld) < 2:
        return ()
    return tuple(i for i in where if np.ptp(problem.states[:, i]) > TURN)


def _unheld_turning(progress: Progress) -> tuple[int, ...]:
    """Return the coordinates in no law that turn by a turn and more, always the same way, along many trajectories."""
    problem = progress.problem
    steps = [np.diff(problem.states[rows], axis=0) for rows in problem.trajectories]
    net = np.abs([s.sum(axis=0) for s in steps])
    path = np.asarray([np.abs(s).sum(axis=0) for s in steps])
    turned = ((net > TURN) & (net > STEADY * path)).mean(axis=0) > MANY
    return tuple(i for i, name in enumerate(problem.names) if turned[i] and name in progress.unheld)


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
    return shortest([first, second])


def _polynomials(progress: Progress, degrees: range) -> Progress:
    problem = progress.problem
    states = problem.laid()
    for degree in degrees:
        # Many coordinates have more products of known laws than anything else in their third degree.
        if degree > 2 and len(problem.names) > 8 and progress.laws:
            break
        family = monomials(problem.plain, degree)
        before = n_columns(monomials(problem.plain, 2)) if degree > 2 else 0
        words = f"polynomials of degree {degree}"
        progress = with_exact_laws(progress, family, states, words, searched=before)
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


def _elementary(progress: Progress, afresh: bool = False) -> Progress:
    """Try sums of elementary functions of coordinates; `afresh` where polynomials of degree 2 hold laws as well."""
    problem = progress.problem
    states = problem.laid()
    d = len(problem.names)
    curves = progress.curves(states, range(d))
    progress = _with_sums(progress, states, curves, "sums of elementary functions", afresh)
    return closed(progress)


def _auxiliary(progress: Progress) -> Progress:
    problem = progress.problem
    d = len(problem.names)
    for words, group in problem.auxiliary_sets:
        if progress.is_complete:
            break
        states = problem.laid(group)
        curves = progress.curves(states, range(0 if d <= 6 else d, d + len(group)))
        before = len(progress.laws)
        name = f"sums of elementary functions of coordinates and {words}"
        progress = _with_sums(progress, states, curves, name)
        if len(progress.laws) > before:
            progress = closed(progress)
    return progress


def _with_sums(
    progress: Progress, states: States, curves: Curves, words: str, afresh: bool = False
) -> Progress:
    """Return the search with the laws among polynomials of degree 2 and curves of single atoms.

    Args:
        afresh: whether a law may be one that polynomials alone hold too.
    """
    problem = progress.problem
    plain = monomials(problem.plain, 2)
    searched = 0 if afresh else n_columns(plain)
    family = (*plain, *products([()], curves))
    if problem.noise is not None and len(problem.names) > 6:
        if not curves or not has_room(progress, family, states):
            return progress
        table = laid(family, states)
        alike = _with_alike(progress, table, curves, words)
        if len(alike.laws) > len(progress.laws):
            return alike
        return with_laws_among(progress, table, words, searched=searched)
    return with_exact_laws(progress, family, states, words, drop=1e-10, searched=searched)


def _with_alike(progress: Progress, table: Laid, curves: Curves, words: str) -> Progress:
    """Try one curve at a time, the same of all atoms, beside polynomials: few columns of a family that is laid out.

    With measuring errors curves such as log(r), 1/r and exp(-r)/r stand for each other, and with many coordinates the
    sparsest vector of the null space has scores of terms.
    """
    plain = monomials(progress.problem.plain, 2)
    first, rule = n_columns(plain), progress.problem.criterion
    if not count_beyond(table, first, rule):
        return progress
    starts = first + np.cumsum([0, *(len(own.entries) for _, own in curves[:-1])])
    for entry in [e for e in curves[0][1].entries if all(e in own.entries for _, own in curves)]:
        places = [start + own.entries.index(entry) for start, (_, own) in zip(starts, curves, strict=True)]
        if count_beyond(table, first, rule, [*range(first), *places]):
            family = (*plain, *products([()], [(atom, Elementary((entry,))) for atom, _ in curves]))
            found = with_exact_laws(progress, family, table.states, words, drop=1e-10)
            if len(found.laws) > len(progress.laws):
                return found
    return progress


def _without_implied(progress: Progress) -> Progress:
    """Return the search without long approximations that the other laws explain.

    With measuring errors a polynomial found first may be near a function of a law found later.
    """
    laws = list(range(len(progress.laws)))
    for n in sorted(laws, key=lambda n: -cost(progress.laws[n].expression)):
        others = [m for m in laws if m != n]
        is_long = len(constants(progress.laws[n].expression)) >= MANY_CONSTANTS
        if (
            is_long
            and outside(progress.slopes[:, others], progress.slopes[:, n]) < progress.problem.criterion.new
        ):
            laws = others
    return kept(progress, laws)


def _with_less_usual_ones(progress: Progress) -> Progress:
    """Return the search with laws of angles, inner constants or nodes, where these say more than known laws do, or as
    much in fewer terms: many fitted constants are an approximation within measuring errors.
    """
    few = [n for n, law in enumerate(progress.laws) if len(constants(law.expression)) < MANY_CONSTANTS]
    shorter = kept(progress, few)
    found = [progress, with_combined_inputs(with_inner_constants(_with_angles(shorter)))]
    if len(few) < len(progress.laws) and shortest(found) is progress:
        found.append(products_search(shorter))
    if len(progress.problem.names) == 2:
        # Measuring errors hide a law among many columns: of two coordinates they are few.
        found.append(times_each_other(shorter))
    return shortest(found)
