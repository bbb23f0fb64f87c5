"""Laws over a node of two coordinates with one inner constant, x + b y or sqrt(x^2 + b y^2), from trajectories.

Splines of the node say how well a constant b does whatever the function, so that b is found before the function
(`physics.extension`). The node is then an auxiliary input as any other. From a field such nodes are found by
`physics.inner`, with any number of coordinates and any curves of these; measuring errors leave room for less.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from scikan.core.expr import HALF, Constant, Expr, Symbol, power
from scikan.physics.counting import independent_ones
from scikan.physics.extension import Extension, any_function, best_constant
from scikan.physics.families import lay_atoms, monomials, n_columns, products
from scikan.physics.problem import Problem, Progress
from scikan.physics.scaled import with_centre, with_scaled
from scikan.physics.solving import States, laid
from scikan.physics.stage import shortest, with_exact_laws


MOST_COORDINATES = 4


@dataclass(frozen=True)
class Combined:
    """A node of two coordinates with one inner constant.

    Args:
        node: from (x, y, b) to its formula.
        trials: from the spreads of x and y to constants that are tried first, rising.
    """

    node: Callable[[Expr, Expr, Expr], Expr]
    trials: Callable[[float, float], np.ndarray]


def _sum(x: Expr, y: Expr, b: Expr) -> Expr:
    return x + b * y


def _length(x: Expr, y: Expr, b: Expr) -> Expr:
    return power(x**2 + b * y**2, HALF)


NODES = (
    Combined(_sum, lambda x, y: x / y * np.geomspace(0.2, 5.0, 10)),
    Combined(_sum, lambda x, y: -x / y * np.geomspace(0.2, 5.0, 10)),
    Combined(_length, lambda x, y: (x / y) ** 2 * np.geomspace(0.1, 10.0, 18)),
)


def with_combined_inputs(progress: Progress) -> Progress:
    """Return the search with laws over a node of two positions, or of two other coordinates."""
    problem = progress.problem
    d = len(problem.names)
    if progress.is_complete or d > MOST_COORDINATES or len(progress.unheld) < 2:
        return progress
    extension = Extension(laid(monomials(problem.plain, 2), problem.laid()))
    found = [progress]
    for x, y in _pairs(problem):
        for combined in NODES:
            found += _over_node(progress, extension, combined, x, y)
        if len(found) > 1 and found[-1].is_complete:
            break
    return shortest(found)


def _pairs(problem: Problem) -> list[tuple[int, int]]:
    """Return pairs of positions and pairs of other coordinates, where positions are known from others."""
    where = problem.positions
    others = tuple(i for i in range(len(problem.names)) if i not in where)
    pairs = [*combinations(where, 2), *combinations(others, 2)] if others else []
    return [pair for pair in pairs if not set(pair) & set(problem.angles)]


def _over_node(
    progress: Progress, extension: Extension, combined: Combined, x: int, y: int
) -> list[Progress]:
    """Return the searches with laws over one node, or none."""
    problem = progress.problem
    d, states = len(problem.names), extension.base.states
    symbols = [Symbol(name) for name in problem.names]

    def over(b: Expr) -> States:
        # The same rows for every constant, and those near zero too: what happens there tells functions apart.
        atoms = [*symbols, combined.node(symbols[x], symbols[y], b)]
        return replace(states, atoms=lay_atoms(atoms, problem.names, problem.states[states.every]))

    def left(b: float) -> float:
        laid_out = over(Constant(b))
        return extension.left(any_function(laid_out, d), laid_out)

    trials = combined.trials(float(states.spread[x]), float(states.spread[y]))
    if combined.node is _sum:
        told = [b for b in _told_by_momenta(progress, x, y) if trials.min() <= b <= trials.max()]
        trials = np.sort([*trials, *told])
    constant = best_constant(left, trials, extension.alone, len(states.train))
    if constant is None:
        return []
    node = over(constant)
    slope = node.atoms.gradients[:, d:]
    # Every function of a law is one, and needs no name.
    if not independent_ones(progress.slopes[node.every], slope, problem.criterion.new, most=1):
        return []
    return _named(progress, node)


def _told_by_momenta(progress: Progress, x: int, y: int) -> list[float]:
    """Return the constants b for which functions of x + b y do not act on a conserved sum of momenta.

    Forces along (1, b) leave alpha p_x + beta p_y alone if alpha + beta b = 0.
    """
    problem = progress.problem
    where = problem.positions
    others = [i for i in range(len(problem.names)) if i not in where]
    if len(others) != len(where) or x not in where or y not in where:
        return []
    along, across = others[where.index(x)], others[where.index(y)]
    linear = [slope[0] for slope in np.swapaxes(progress.slopes, 0, 1) if np.ptp(slope, axis=0).max() < 1e-9]
    return [float(-w[along] / w[across]) for w in linear if w[across] and w[along]]


def _named(progress: Progress, states: States) -> list[Progress]:
    """Return the searches with laws over elementary functions of the last atom, or over scaled ones."""
    problem = progress.problem
    d = len(problem.names)
    plain = monomials(problem.plain, 2)
    family = (*plain, *products([()], progress.curves(states, [d])))
    words = f"polynomials of degree 2 and elementary functions of {states.atoms.exprs[d]}"
    found = with_exact_laws(progress, family, states, words, drop=1e-10, searched=n_columns(plain))
    return [found, *with_scaled(progress, states, d), *with_centre(progress, states, d)]
