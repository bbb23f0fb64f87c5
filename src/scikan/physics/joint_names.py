"""Name the splines of a residual problem together: forms are chosen by the residual of the whole.

Every term offers a few forms for its curve. A wrong one beside right ones leaves orders of magnitude more than
rounding, or more bits than noise explains. Then forms that the data do not ask for go, and constants become simple
numbers where that costs the residual nothing.
"""

from dataclasses import replace

import numpy as np

from scikan.core.expr import as_float
from scikan.law.snapping import simplest_number
from scikan.physics.forms import Atom, Shape, shapes_of_curve
from scikan.physics.joint import EXACT, Named, Problem, held_number
from scikan.physics.terms import SplineFit


def name_terms(problem: Problem, splines: SplineFit, floor: float) -> Named | None:
    """Return the terms as formulas, constants fitted on all rows; None if the parts that set scales have no name.

    Args:
        floor: relative error of the curves, below which their names are not told apart.
    """
    offers = []
    for n, term in enumerate(problem.terms):
        # A term that no form resembles is small noise beside the others: left out, and the residual decides.
        shapes = shapes_of_curve(splines.curve(n), floor) or [Shape((), (), 1.0)]
        offers.append([_with(shape, term.always) for shape in shapes])
    if problem.target is None and not all(offers[n][0].atoms for n in problem.blocks()):
        return None
    best, choice = _searched(problem.thinned(), offers, [shapes[0] for shapes in offers])
    if best.residual > EXACT:
        # Among noise every row counts.
        best, choice = _searched(problem, offers, choice)
    return shortened(problem, problem.fit(best.atoms, best.coefficients))


def _searched(problem: Problem, offers: list[list[Shape]], choice: list[Shape]) -> tuple[Named, list[Shape]]:
    """Return the choice of forms that no change of one term's form makes shorter in bits, and its fit."""
    best = _fitted(problem, choice)
    for _ in range(2):
        before = best
        for n, shapes in enumerate(offers):
            for shape in shapes:
                if best.residual < EXACT or shape is choice[n]:
                    continue
                trial = [*choice[:n], shape, *choice[n + 1 :]]
                atoms = [shape.atoms for shape in trial]
                other = _fitted(problem, trial, best.to_beat(atoms, problem.n_values))
                if other.bits(problem.n_values) < best.bits(problem.n_values):
                    best, choice = other, trial
        if best.residual < EXACT or best is before:
            break
    return best, choice


def _fitted(problem: Problem, choice: list[Shape], to_beat: float = np.inf) -> Named:
    scales = [1.0] * len(choice)
    if problem.target is None:
        blocks = problem.blocks()
        unit = {
            n: as_float(held_number(choice[n].atoms[0], problem.terms[n])) / choice[n].coefficients[0]
            for n in set(blocks)
        }
        scales = [unit[block] for block in blocks]
    starts = [[c * x for c in s.coefficients] for s, x in zip(choice, scales, strict=True)]
    return problem.fit([s.atoms for s in choice], starts, to_beat=to_beat)


def _with(shape: Shape, more: tuple[Atom, ...]) -> Shape:
    extra = tuple(atom for atom in more if atom not in shape.atoms)
    return Shape(shape.atoms + extra, shape.coefficients + (0.0,) * len(extra), shape.misfit)


def shortened(problem: Problem, named: Named) -> Named:
    """Return the formula less every form without which it is as good, the least needed first."""
    n_values = problem.n_values
    while True:
        held = {(t, 0) for t in problem.blocks()} if problem.target is None else set()
        places = {(t, j) for t, atoms in enumerate(named.atoms) for j in range(len(atoms))} - held
        trials = []
        for t, j in sorted(places):
            atoms, rows = list(named.atoms), list(named.coefficients)
            atoms[t] = atoms[t][:j] + atoms[t][j + 1 :]
            rows[t] = rows[t][:j] + rows[t][j + 1 :]
            if any(atoms) and problem.keeps_mass(atoms, rows):
                trials.append(problem.fit(atoms, rows))
        better = [t for t in trials if t.bits(n_values) < named.bits(n_values)]
        if not better:
            return named
        named = min(better, key=lambda t: t.bits(n_values))


def snapped(problem: Problem, named: Named) -> Named:
    """Return the formula with constants as simple numbers, each where the residual stays at its level."""
    exact = named.residual < EXACT
    limit = max(3.0 * named.residual, EXACT) if exact else named.residual * (1 + 1e-3)
    for place in range(len(named.values)):
        value, error = float(named.values[place]), float(named.errors[place])
        if place in named.numbers:
            continue
        window = max(3 * error, 1e-8 * abs(value)) if exact else 3 * error
        simple = simplest_number(value, window)
        if simple is None or not np.isfinite(error):
            continue
        if simple[1] + 3.0 > np.log2(max(abs(value) / max(2 * window, 1e-300), 1.0)):
            continue
        trial = problem.fit(named.atoms, named.coefficients, named.numbers | {place: simple[0]})
        if trial.residual <= limit:
            named = trial
    return named


def dropped(named: Named) -> Named:
    """Return the formula without the terms that have no form left."""
    kept = [n for n, atoms in enumerate(named.atoms) if atoms]
    return replace(
        named,
        terms=tuple(named.terms[n] for n in kept),
        atoms=tuple(named.atoms[n] for n in kept),
        coefficients=tuple(named.coefficients[n] for n in kept),
    )
