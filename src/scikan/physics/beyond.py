"""What a law must survive beyond its samples: long orbits, and states of rest.

Near every regular state there are local invariants, and they are no laws (flow box theorem). A formula must stay
constant on orbits that leave the samples; a law in splines must be found again where these go.
"""

from dataclasses import replace

import numpy as np

from scikan.core.expr import Expr
from scikan.physics.counting import independent_ones
from scikan.physics.families import gradients
from scikan.physics.inner import InnerLaw, known_laws
from scikan.physics.orbits import BatchField, reached_states
from scikan.physics.problem import Problem
from scikan.physics.splines import SplineLaw, SplineSearch, UnnamedLaw, refined
from scikan.physics.writing import gradient_of, values_of


MOST_ROWS = 3000
DRIFT = 1e-3
"""Change of a law along a long orbit, in standard deviations over the samples, that it must stay below."""

AROUND = 2.0
"""Orbits test a law in splines up to this multiple of the samples' range, and of their greatest speed."""

SINGULAR = 1e3
"""Growth of a law's gradient towards a state of rest beyond which the law is not continuous there."""


def survives(expression: Expr, problem: Problem, orbits: np.ndarray, call: BatchField) -> bool:
    """Return whether a formula stays constant on long orbits, and smooth where they come to rest."""
    n, steps, d = orbits.shape
    values = values_of(expression, problem.names, orbits.reshape(-1, d)).reshape(n, steps)
    scale = float(np.std(values_of(expression, problem.names, problem.states))) or 1.0
    seen = np.isfinite(orbits[:, :, 0])
    drift = np.max(np.where(seen, np.abs(values - values[:, :1]), 0.0), axis=1) / scale
    long = seen.sum(axis=1) > 1
    if long.any() and not float(np.median(drift[long])) < DRIFT:
        return False
    last = orbits[np.arange(n), seen.sum(axis=1) - 1]
    speed = np.linalg.norm(call(last), axis=1) / np.maximum(
        np.linalg.norm(call(orbits[:, 0]), axis=1), 1e-300
    )
    at_rest = speed < 1e-3
    if not at_rest.any():
        return True
    with np.errstate(all="ignore"):
        before = np.linalg.norm(gradient_of(expression, problem.names, orbits[at_rest, 0]), axis=1)
        after = np.linalg.norm(gradient_of(expression, problem.names, last[at_rest]), axis=1)
        return bool(np.nanmedian(after / before) < SINGULAR)


def _around(problem: Problem, call: BatchField) -> np.ndarray:
    """Return states that orbits reach beyond the samples, as far as splines can follow: no farther, and no faster."""
    more = reached_states(call, problem.states, 0)
    low, high = problem.states.min(axis=0), problem.states.max(axis=0)
    near = np.all(np.abs(more - (low + high) / 2) <= AROUND * (high - low) / 2, axis=1)
    speed, usual = (np.linalg.norm(v / problem.spread, axis=1) for v in (call(more), problem.velocities))
    return np.asarray(more[near & (speed <= AROUND * usual.max())])


def splines_survive(law: UnnamedLaw, search: SplineSearch, call: BatchField) -> bool:
    """Return whether a law in splines is found again on states that include the orbits beyond the samples.

    On some grid it must be as small as a law; orbits lie thinly, so that fine grids may have cells without a state.
    """
    old = search.progress.problem
    states = np.concatenate([old.states, _around(old, call)])
    # Coarse grids are laid on the first rows only: these must lie everywhere.
    states = states[np.random.default_rng(0).permutation(len(states))[: 2 * MOST_ROWS]]
    problem = Problem(old.names, states, call(states), old.angles)
    if isinstance(law, InnerLaw):
        others = tuple(other for other in search.unnamed if other is not law)
        return law.found_again(problem, known_laws(replace(search, unnamed=others)))
    assert isinstance(law, SplineLaw)
    laid = problem.laid(law.exprs[len(old.names) :])
    found = refined(law.build(laid), laid, law.words, law.refinement.grids)
    if found is None:
        return False
    some = np.arange(0, len(states), 10)
    known = [gradient_of(l.expression, old.names, states[some])[:, None] for l in search.progress.laws]
    slopes = gradients(found.best.columns.family, laid.atoms.rows(some), found.best.vectors)
    base = np.concatenate(known, axis=1) if known else np.zeros((len(some), 0, states.shape[1]))
    return bool(independent_ones(base, slopes, 0.03, most=1))
