r"""From states and accelerations to a Lagrangian: a null vector, then names, then constants to rounding.

    states -> classes of parts, simple first -> splines on which Euler-Lagrange vanishes -> parts that are needed
    -> finer grids as evidence -> names, judged by the equation itself -> L, energy, mass matrix, verdict

Nothing is trained. The Euler-Lagrange equation $L_{vv} a + L_{vq} v - L_q = 0$ is linear in L.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from threadpoolctl import threadpool_limits

from scikan.core.errors import SettingError
from scikan.core.expr import Expr, add, differentiate, evaluate, symbols
from scikan.core.kan import KAN
from scikan.core.nodes import Number, Symbol, multiply
from scikan.core.parser import parse
from scikan.law.evidence import whiteness
from scikan.law.record import Law
from scikan.law.simplify import simplify
from scikan.physics.elimination import needed_terms
from scikan.physics.finding import LawFinding
from scikan.physics.joint import EXACT, Named, Problem
from scikan.physics.joint_names import dropped, name_terms, snapped
from scikan.physics.mechanics import Motions, checked_motions, families
from scikan.physics.terms import SplineFit, Term, null_splines
from scikan.physics.writing import with_fewer_terms
from scikan.symbolic.kanpiler import kanpiler
from scikan.train.linear import Refinement


GRIDS = (10, 20, 40)
TRUE_ENOUGH = 3e-4
"""Relative residual on the coarsest grid at which a simpler class is taken before a richer one is tried."""

NEARLY = 1e-5
"""Residual of splines below which a formula may be exact: where a class has none, the next one that holds is asked."""

HOPELESS = 0.1
"""A relative residual above this is no Lagrangian, whatever the grid."""

SCREEN_ROWS = 1200

Verdict = Literal["law", "approximation", "none"]


@dataclass(frozen=True, eq=False, repr=False)
class Lagrangian(LawFinding):
    """What a search for a Lagrangian found.

    Args:
        verdict: "law", "approximation" (splines or names satisfy the equation in part) or "none".
        reason: one sentence.
        law: L as a formula over coordinates and velocities, up to a factor, constants and total time derivatives.
        residual: root mean square of the Euler-Lagrange equation over its parts, of the worst coordinate, all rows.
        energy: v . L_v - L as a formula.
        energy_drift: rms of dE/dt along the motion, relative to its parts.
        least_determinant: smallest |det L_vv| on the rows; 0 means that accelerations do not follow from L.
        klass: the class of Lagrangians that was enough.
        evidence: residuals of the splines under refinement of the grid.
        second: residual of the second best answer in the class; large means that the answer is the only one.
        prior_residual: that of the prior formula, if one was given.
        splines: the curves behind the names.
        candidate: the formula that was judged; `law`, unless the verdict is "none".
        model: the law as a KAN.
    """

    verdict: Verdict
    reason: str
    law: Law | None
    residual: float
    energy: Law | None
    energy_drift: float
    least_determinant: float
    klass: str
    evidence: Refinement
    second: float
    prior_residual: float | None
    splines: SplineFit
    candidate: Law | None
    model: KAN | None


def lagrangian(
    q: Any,
    v: Any,
    a: Any,
    *,
    names: Sequence[str] | None = None,
    velocity_names: Sequence[str] | None = None,
    angles: Sequence[str | int] = (),
    prior: str | Expr | None = None,
    snap: bool = True,
) -> Lagrangian:
    """Return the Lagrangian of a mechanical system from its states and accelerations.

    Args:
        q, v, a: coordinates, velocities and accelerations, (rows, coordinates) or (rows,).
        names: of the coordinates; q, or q1, q2, ...
        velocity_names: of the velocities; `v_` before the coordinate's name.
        angles: coordinates that are angles, by name or number: no radius is formed from them.
        snap: whether constants become simple numbers where the data agree.
        prior: a Lagrangian believed to be near; of several answers the one with the nearest mass matrix is taken.

    Raises:
        ShapeError: the arrays differ in shape.
        TableError: NaN or infinity, or too few rows for the grid.
        SettingError: an angle that is no coordinate, or a prior whose mass matrix is singular.

    Example:
        a pendulum: `kn.lagrangian(q, v, -np.sin(q)).law` is L = v_q**2/2 + cos(q).
    """
    motions = checked_motions(q, v, a, names, velocity_names, angles)
    with threadpool_limits(limits=1):
        aim, prior_residual = _aim(motions, prior)
        first: _Answer | None = None
        for klass, terms in _classes(motions, aim):
            splines, evidence = _refined(terms, aim)
            answer = klass, splines, evidence, _named(terms, splines, snap)
            first = first or answer
            if _is_exact(answer) or splines.residual > NEARLY:
                break
        assert first is not None
        best = answer if _is_exact(answer) else first
        return _judged(motions, *best, prior_residual)


def _aim(motions: Motions, prior: str | Expr | None) -> tuple[np.ndarray, float | None]:
    """Return the mass matrices to be near to, (rows, coordinates^2), one or the prior's, and the prior's residual."""
    if prior is None:
        return np.tile(np.eye(motions.n).ravel(), (len(motions.q), 1)), None
    known = [*motions.names, *motions.velocity_names]
    tree = parse(prior, names=known) if isinstance(prior, str) else prior
    equation = Equation.of(tree, motions)
    if not equation.least_determinant > 1e-12:
        raise SettingError(
            "The prior's mass matrix is singular: accelerations do not follow from it.",
            fix="give a Lagrangian with a kinetic term for every velocity, such as v**2/2.",
        )
    return equation.mass, equation.residual


_Answer = tuple[str, SplineFit, Refinement, Named | None]


def _is_exact(answer: _Answer) -> bool:
    named = answer[3]
    return named is not None and named.residual < EXACT


def _classes(motions: Motions, aim: np.ndarray) -> Iterator[tuple[str, list[Term]]]:
    """Yield the classes of Lagrangians that hold, simplest first, with the terms that are needed; at least one.

    Where one holds, others may: `(1 + q^2) v^2/2 - q^2` moves as some T(v) - V(q) does, and only one is short.
    """
    rows = np.random.default_rng(0).permutation(len(motions.q))
    tried: list[tuple[float, str, list[Term]]] = []
    holds = False
    for name, terms in families(motions):
        few = rows[: max(SCREEN_ROWS, 6 * GRIDS[0] * len(terms) // motions.n)]
        finite = [t for t in terms if all(np.all(np.isfinite(w)) for w in (*t.weights.values(), t.points))]
        kept, value = needed_terms([t.rows(few) for t in finite], GRIDS[0], aim[few])
        labels = {t.label for t in kept}
        needed = [t for t in finite if t.label in labels]
        if value < TRUE_ENOUGH or (value < HOPELESS and _falls(needed, aim, value)):
            holds = True
            yield name, needed
        tried.append((value, name, needed))
    if not holds:
        least = min(value for value, *_ in tried)
        yield next((name, terms) for value, name, terms in tried if value <= 1.3 * least)


def _falls(terms: list[Term], aim: np.ndarray, value: float) -> bool:
    """Whether a fourfold grid lowers the residual like the error of a spline, not like that of a wrong class."""
    return null_splines(terms, 4 * GRIDS[0], aim).residual < 0.25 * value


def _refined(terms: list[Term], aim: np.ndarray) -> tuple[SplineFit, Refinement]:
    n_values = len(aim) * np.sqrt(aim.shape[1]) * 0.7
    grids = [g for g in GRIDS if len(terms) * (g + 5) < 0.4 * n_values] or [GRIDS[0] // 2]
    fits = [null_splines(terms, grids[0], aim)]
    for grid in grids[1:]:
        finer = null_splines(terms, grid, aim)
        # A rise means cells without enough rows, which says nothing of the structure.
        if finer.residual > 3 * fits[-1].residual and finer.residual > 1e-12:
            break
        fits.append(finer)
    evidence = Refinement(tuple(grids[: len(fits)]), tuple(f.residual for f in fits))
    return min(fits, key=lambda f: f.residual), evidence


def _named(terms: list[Term], splines: SplineFit, snap: bool) -> Named | None:
    if splines.residual > HOPELESS:
        return None
    problem = Problem(tuple(terms))
    named = name_terms(problem, splines, float(np.clip(splines.residual, 1e-9, 1e-2)))
    if named is None:
        return None
    return dropped(snapped(problem, named) if snap else named)


@dataclass(frozen=True, eq=False)
class Equation:
    """The Euler-Lagrange equation of a formula on rows: residual, mass matrices, least |det M|, and what is left."""

    residual: float
    mass: Float[np.ndarray, "rows masses"]
    least_determinant: float
    energy_drift: float
    left: Float[np.ndarray, "rows coordinates"]

    @classmethod
    def of(cls, tree: Expr, motions: Motions) -> "Equation":
        """Evaluate by exact derivatives of the formula, apart from how it was found."""
        columns = {n: motions.q[:, i] for i, n in enumerate(motions.names)}
        columns |= {n: motions.v[:, i] for i, n in enumerate(motions.velocity_names)}

        def at(expr: Expr) -> np.ndarray:
            return np.broadcast_to(np.asarray(evaluate(simplify(expr), columns), float), len(motions.q))

        d = motions.n
        mass, rest = np.empty((len(motions.q), d, d)), np.empty_like(motions.q)
        for j, speed in enumerate(motions.velocity_names):
            momentum = differentiate(tree, speed)
            rest[:, j] = -at(differentiate(tree, motions.names[j]))
            for k in range(d):
                mass[:, j, k] = at(differentiate(momentum, motions.velocity_names[k]))
                rest[:, j] += at(differentiate(momentum, motions.names[k])) * motions.v[:, k]
        inertia = np.einsum("njk,nk->nj", mass, motions.a)
        total, size = inertia + rest, np.sqrt(np.mean(inertia**2, axis=0) + np.mean(rest**2, axis=0))
        power = np.sqrt(np.mean(np.sum(motions.v * total, axis=1) ** 2))
        parts = np.sqrt(
            np.mean(np.sum(motions.v * inertia, axis=1) ** 2 + np.sum(motions.v * rest, axis=1) ** 2)
        )
        with np.errstate(all="ignore"):
            return cls(
                float(np.max(np.sqrt(np.mean(total**2, axis=0)) / np.maximum(size, 1e-300))),
                mass.reshape(len(mass), -1),
                float(np.abs(np.linalg.det(mass)).min()),
                float(power / parts),
                total,
            )

    def is_white(self, motions: Motions) -> bool:
        """Whether what is left of every coordinate's equation is noise, not a function of the state."""
        rng, view = np.random.default_rng(0), np.concatenate([motions.q, motions.v], axis=1)
        level = 0.01 / motions.n
        return all(whiteness(self.left[:, j], [view], rng, level).is_white for j in range(motions.n))


def _judged(
    motions: Motions,
    klass: str,
    splines: SplineFit,
    evidence: Refinement,
    named: Named | None,
    prior_residual: float | None,
) -> Lagrangian:
    names = (*motions.names, *motions.velocity_names)
    columns = np.concatenate([motions.q, motions.v], axis=1)
    domain = np.stack([columns.min(axis=0), columns.max(axis=0)], axis=1)
    law, energy, equation = None, None, None
    if named is not None:
        tree = named.expr([n for n, (low, _) in zip(names, domain, strict=True) if low > 0])
        tree = with_fewer_terms(tree) if named.residual < EXACT else tree
        law = Law((tree,), ("L",), names, domain=domain)
        energy = energy_of(law)
        equation = Equation.of(tree, motions)
    white = equation is not None and equation.residual >= 100 * EXACT and equation.is_white(motions)
    verdict, reason = _verdict(evidence, equation, klass, white)
    candidate = law
    if verdict == "none":
        law, energy = None, None
    return Lagrangian(
        verdict=verdict,
        reason=reason,
        law=law,
        residual=float("nan") if equation is None else equation.residual,
        energy=energy,
        energy_drift=float("nan") if equation is None else equation.energy_drift,
        least_determinant=0.0 if equation is None else equation.least_determinant,
        klass=klass,
        evidence=evidence,
        second=splines.next,
        prior_residual=prior_residual,
        splines=splines,
        candidate=candidate,
        model=None if law is None else kanpiler(law.expressions, names, domain=domain, targets=law.targets),
    )


def energy_of(law: Law) -> Law:
    """Return v . L_v - L, simplified; it is conserved, as L does not hold the time (Noether)."""
    tree, speeds = law.expression, law.names[len(law.names) // 2 :]
    along = [multiply((Symbol(n), differentiate(tree, n))) for n in speeds if n in symbols(tree)]
    energy = simplify(add([*along, multiply((Number(-1), tree))]))
    return Law((energy,), ("E",), law.names, domain=law.domain)


def _verdict(evidence: Refinement, equation: Equation | None, klass: str, white: bool) -> tuple[Verdict, str]:
    best = min(evidence.residuals)
    if best > HOPELESS:
        return "none", (
            f"no Lagrangian in the classes tried satisfies the equation of motion; the best leaves {best:.1g} of it "
            f"(relative residuals {evidence}). Friction and driving have none."
        )
    if equation is None:
        return (
            "approximation",
            f"splines satisfy the equation to {best:.1g} ({klass}), but no formula names them.",
        )
    if not equation.least_determinant > 1e-12:
        return (
            "none",
            "the mass matrix of what was found is singular, so accelerations do not follow from it.",
        )
    if equation.residual < 100 * EXACT:
        return (
            "law",
            f"the formula satisfies the equation of motion to rounding ({equation.residual:.0e}); {klass}.",
        )
    if white and equation.residual <= 1.1 * best:
        return (
            "law",
            f"the formula leaves no more ({equation.residual:.1g}) than splines do ({best:.1g}); {klass}.",
        )
    if evidence.kind == "flat" and equation.residual > 1e-6:
        return "none", (
            f"a finer grid does not lower what is left of the equation ({evidence}), and it follows the state: "
            "friction or driving, which no Lagrangian of these classes has."
        )
    return "approximation", (
        f"the formula leaves {equation.residual:.1g} of the equation, splines of the same class {best:.1g}."
    )
