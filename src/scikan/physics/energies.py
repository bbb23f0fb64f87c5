"""A Hamiltonian as a sum of unknown curves of coordinates, differences and distances, named with inner constants.

The gradient of H is known once the structure matrix is: splines of each argument are one least squares, and the names
of the curves are judged by that gradient, as those of elastic energies are (`physics.joint_names`).
"""

import numpy as np

from scikan.core.errors import KanError
from scikan.physics.joint import Named
from scikan.physics.joint import Problem as Unknowns
from scikan.physics.joint_names import dropped, name_terms, snapped
from scikan.physics.problem import Problem
from scikan.physics.structures import Answer, component_weights
from scikan.physics.terms import Term, fit_splines


GRIDS = (10, 20, 40)
HOPELESS = 0.05
"""Relative residual of splines above which no sum of curves is named."""

NEEDED = 1.3
"""Factor on the residual below which splines do without an argument."""


def named_curves(problem: Problem, omega: np.ndarray) -> Answer | None:
    """Return H as a sum of named curves of single arguments, for a known inverse of K; None if no names hold."""
    target = problem.velocities @ omega.T
    weight = component_weights(problem.velocities, omega)
    best: Answer | None = None
    for words, group in [("", ()), *problem.auxiliary_sets]:
        states = problem.laid(group)
        terms = [
            Term(
                f"h({tree})",
                (tree,),
                states.atoms.values[:, [a]],
                {1: (states.atoms.gradients[:, a] * weight)[:, None, :]},
            )
            for a, tree in enumerate(states.atoms.exprs)
        ]
        named = _named(terms, target * weight)
        if named is None:
            continue
        label = f"curves of coordinates{' and ' if words else ''}{words}, named"
        answer = _answer(named, label, omega, target.size)
        if best is None or answer.bits < best.bits:
            best = answer
    return best


def _named(terms: list[Term], target: np.ndarray) -> Named | None:
    grids = [g for g in GRIDS if len(terms) * (g + 5) < 0.3 * target.size]
    if not grids:
        return None
    full = fit_splines(terms, target, grids[0])
    if full.residual > HOPELESS:
        return None
    kept = terms
    for term in reversed(terms):
        fewer = [t for t in kept if t is not term]
        if fewer and fit_splines(fewer, target, grids[0]).residual <= NEEDED * full.residual:
            kept = fewer
    splines = min((fit_splines(kept, target, g) for g in grids), key=lambda fit: fit.residual)
    unknowns = Unknowns(tuple(kept), target)
    try:
        named = name_terms(unknowns, splines, float(np.clip(splines.residual, 1e-9, 1e-2)))
    except KanError:
        return None
    return None if named is None else dropped(snapped(unknowns, named))


def _answer(named: Named, words: str, omega: np.ndarray, n_values: int) -> Answer:
    parts = named.parts()
    ones, none = np.ones(len(parts)), np.zeros(len(parts))
    return Answer(words, parts, ones, none, omega, named.residual, named.bits(n_values), True)
