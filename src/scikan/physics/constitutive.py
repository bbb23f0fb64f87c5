r"""From deformations and stresses to one elastic energy that gives all nine components at once.

The first Piola-Kirchhoff stress is dW/dF, the Kirchhoff stress that times F^T, the Cauchy stress that over J. With
W a sum of functions of invariants every measure is linear in these functions, so they are one least squares:

    F, stress -> measure -> classes of invariants, splines -> the class that leaves least, parts that are needed
    -> names, judged by the stress itself -> constants to rounding -> W, verdict
    -> frame and symmetry conditions of the law and of the data, each with its residual
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from threadpoolctl import threadpool_limits

from scikan.core.expr import Expr
from scikan.core.kan import KAN
from scikan.law.evidence import whiteness
from scikan.law.record import Law
from scikan.physics.conditions import (
    AXES,
    LEVEL,
    Condition,
    data_conditions,
    law_conditions,
    objection,
)
from scikan.physics.elasticity import (
    Directions,
    Invariant,
    checked_fibres,
    classes,
    energy_invariant,
    incompressible_classes,
)
from scikan.physics.finding import Finding
from scikan.physics.joint import EXACT, Named, Problem
from scikan.physics.joint_names import dropped, name_terms, snapped
from scikan.physics.stresses import (
    FREE_PRESSURE,
    Measure,
    Tensors,
    asymmetry,
    check_volume,
    checked_stress,
    keeps_volume,
    measures,
    pressure_direction,
    without_pressure,
)
from scikan.physics.terms import SplineFit, Term, fit_splines
from scikan.symbolic.kanpiler import kanpiler
from scikan.train.linear import Refinement


GRIDS = (5, 10, 20)
CLASS_BITS = 30.0
"""Bits by which a later class must be shorter: with noise equal energies in other invariants differ by chance."""

LONGER = 1.05
"""A part of the energy goes if the residual on unseen rows rises by less than this factor."""

BEHIND = 3.0
"""Splines of a class leave this many times what the formula of another does: the class has no name to wait for."""

HOPELESS = 0.5
"""Share of the stress above which what is left is no noise of a law, white or not."""

Verdict = Literal["law", "approximation", "none"]


@dataclass(frozen=True, eq=False, repr=False)
class ConstitutiveLaw(Finding):
    """What a search for an elastic energy found.

    Args:
        verdict: "law", "approximation" or "none".
        reason: one sentence.
        energy: W as a formula over invariants (I1 = tr F^T F, I2, J = det F, lambda1.. principal stretches; `_iso`
            marks those at constant volume; I4 = a.C a, I5 = a.C^2 a of fibres along a, I4_1.. of several), up to a
            constant; None if there is none.
        measure: of the stress: given, or decided by the data.
        residual: root mean square error of all components over that of the stress.
        klass: the class of energies.
        evidence: the same for splines, on unseen rows, as the grid is refined.
        asymmetry: antisymmetric part of the Kirchhoff stress over the whole; near 0 in balance of moments (NaN when
            only one component is given).
        floors: least residual that splines reach in each class.
        prior_residual: error of the prior as given, over the stress; None without one.
        notices: what was done to the rows.
        splines: the curves behind the names.
        model: the energy as a KAN.
        component: which component was given, from 0; None for all.
        conditions: objectivity, material symmetry, P(I) = 0 and balance of moments of the law, and those of the data
            that nine components can show; each with its residual.
    """

    verdict: Verdict
    reason: str
    energy: Law | None
    measure: Measure
    residual: float
    klass: str
    evidence: Refinement
    asymmetry: float
    floors: dict[str, float]
    prior_residual: float | None
    notices: tuple[str, ...]
    splines: SplineFit
    model: KAN | None
    component: tuple[int, int] | None
    conditions: tuple[Condition, ...] = ()

    @property
    def told(self) -> tuple[Law, ...]:
        """The energy, if there is one."""
        return () if self.energy is None else (self.energy,)


def constitutive_law(
    f: Any,
    stress: Any,
    *,
    measure: str | None = None,
    component: tuple[int, int] | None = None,
    prior: str | Expr | None = None,
    invariants: Mapping[str, Callable[[Any], Any]] | None = None,
    fibres: Any = None,
    incompressible: bool = False,
) -> ConstitutiveLaw:
    """Return the elastic energy behind measured stresses.

    Args:
        f: deformation gradients, (rows, 3, 3).
        stress: (rows, 3, 3), or one component (rows,), in any unit of stress; the energy is in the same unit.
        measure: "PK1", "Kirchhoff", "Cauchy" or "PK2". Left out, the symmetry of the data decides between PK1 and
            the symmetric ones, and the residual among these.
        component: which component `stress` holds if it is (rows,): (0, 1) is row 1, column 2.
        prior: an energy believed to be near, over I1, I2, J and those of fibres. Its own error is reported, and a
            function of it joins the parts of the energy, so a coupling of invariants that it holds can be found.
        invariants: further scalars that W may depend on, by name: functions of one F (3, 3), written for JAX.
        fibres: directions in the undeformed body, (3,) or (fibres, 3), of any length: I4 and I5 of each join the
            energy.
        incompressible: the stress is known up to a pressure in every row, which is taken off; det F must be 1, and
            the energy has no J. Residuals are over the stress less its pressure.

    Raises:
        ShapeError: arrays of other shapes, or one component without saying which.
        TableError: NaN or infinity, fewer than 30 rows with det F > 0; det F away from 1 if incompressible.
        SettingError: an unknown measure, a fibre without direction, one component if incompressible.

    Example:
        `kn.constitutive_law(F, P).energy` of Neo-Hookean data is W = mu/2 (I1 - 3) - mu log(J) + lambda/2 log(J)**2.
    """
    known = _Known(checked_fibres(fibres), invariants, prior, incompressible)
    f, stress, notices = checked_stress(f, stress, measure, component)
    if incompressible:
        check_volume(f, component)
    with threadpool_limits(limits=1):
        targets = {kind: known.seen(stress, f, kind) for kind in measures(f, stress, measure, component)}
        best, floors = _searched(known, f, targets, component)
        kind, name, _, splines, evidence, named = best
        verdict, reason = _verdict(f, targets[kind], named, evidence, name)
        found = named if verdict != "none" else None
        conditions, told = _asked(known, f, stress, kind, name, found, verdict == "law")
        if verdict != "law" and not incompressible and keeps_volume(f):
            notices = (*notices, FREE_PRESSURE)
        if told is not None:
            notices = (*notices, told)
            verdict, reason = ("approximation", told) if verdict == "law" else (verdict, reason)
    law = None if found is None else _energy(found)
    held = known.believed(f)
    return ConstitutiveLaw(
        verdict=verdict,
        reason=reason,
        energy=law,
        measure=kind,
        residual=float("nan") if named is None else named.residual,
        klass=name,
        evidence=evidence,
        asymmetry=float("nan") if component is not None else asymmetry(f, stress, kind),
        floors=floors,
        prior_residual=None
        if held is None
        else _prior_residual(known.term(held, f, kind, component), targets[kind]),
        notices=notices,
        splines=splines,
        model=None
        if law is None
        else kanpiler(law.expressions, law.names, domain=law.domain, targets=("W",)),
        component=component,
        conditions=conditions,
    )


@dataclass(frozen=True, eq=False)
class _Known:
    """What is known of a material before its stresses are looked at."""

    fibres: Directions
    invariants: Mapping[str, Callable[[Any], Any]] | None
    prior: str | Expr | None
    incompressible: bool

    def believed(self, at: Tensors) -> Invariant | None:
        """Return the prior as a scalar of F."""
        return None if self.prior is None else energy_invariant(at, self.prior, self.fibres)

    def groups(self, at: Tensors) -> dict[str, list[Invariant]]:
        """Return the classes of energies, their invariants at these deformations."""
        offered = incompressible_classes if self.incompressible else classes
        return dict(offered(at, self.invariants, self.believed(at), self.fibres))

    def seen(self, stress: np.ndarray, f: Tensors, kind: Measure) -> np.ndarray:
        """Return what of stresses (rows, ..., components) the energy has to answer for."""
        return without_pressure(stress, pressure_direction(f, kind)) if self.incompressible else stress

    def term(
        self, invariant: Invariant, f: Tensors, kind: Measure, component: tuple[int, int] | None
    ) -> Term:
        """Return the part of the energy that an invariant has, as a term of what is seen."""
        own = invariant.term(f, kind, component)
        return replace(own, weights={order: self.seen(w, f, kind) for order, w in own.weights.items()})


def _asked(
    known: _Known, f: Tensors, stress: np.ndarray, kind: Measure, name: str, named: Named | None, is_law: bool
) -> tuple[tuple[Condition, ...], str | None]:
    """Return the conditions of law and data, and a sentence on what the data break."""

    def group(at: Tensors) -> list[Invariant]:
        return known.groups(at)[name]

    pressed = known.incompressible
    own = () if named is None else law_conditions(named, group, f, known.fibres, pressed)
    if stress.shape[1] != 9:
        return own, None
    tensors = stress.reshape(-1, 3, 3)
    asked = data_conditions(f, tensors, kind, named if is_law else None, group, pressed)
    directed = len(known.fibres) > 0 or bool(known.invariants)
    told = objection(f, tensors, kind, [c for c in asked if not (directed and c.name == AXES)])
    return own + asked, told


Tried = tuple[Measure, str, list[Term]]
Best = tuple[Measure, str, list[Term], SplineFit, Refinement, Named | None]


def _searched(
    known: _Known, f: Tensors, targets: Mapping[Measure, np.ndarray], component: tuple[int, int] | None
) -> tuple[Best, dict[str, float]]:
    """Return the best class of energies with its parts named, and the least residual of every class."""
    tried = [
        (kind, name, [known.term(i, f, kind, component) for i in group])
        for kind in targets
        for name, group in known.groups(f).items()
    ]
    fits = [fit_splines(terms, targets[kind], GRIDS[1]) for kind, _, terms in tried]
    floors: dict[str, float] = {}
    for (_, label, _), fit in zip(tried, fits, strict=True):
        floors[label] = min(fit.residual, floors.get(label, np.inf))
    return _best_named(tried, fits, targets), floors


def _best_named(tried: list[Tried], fits: list[SplineFit], targets: Mapping[Measure, np.ndarray]) -> Best:
    """Return the class whose named energy is shortest in bits: those near the least residual are tried."""
    least = min(fit.residual for fit in fits)
    near = [n for n, fit in enumerate(fits) if fit.residual <= max(5 * least, 1e-9)]
    best: Best | None = None
    for n in near[:6]:
        kind, name, terms = tried[n]
        stress = targets[kind]
        terms = _needed(terms, stress, fits[n].residual)
        splines, evidence = _refined(terms, stress)
        if best is not None and best[5] is not None and splines.residual > BEHIND * best[5].residual:
            continue
        problem = Problem(tuple(terms), stress)
        named = name_terms(problem, splines, float(np.clip(splines.residual, 1e-9, 1e-2)))
        named = None if named is None else dropped(snapped(problem, named))
        new: Best = (kind, name, terms, splines, evidence, named)
        if best is None or _bits(named, stress.size) < _bits(best[5], stress.size) - CLASS_BITS:
            best = new
        if named is not None and named.residual < 100 * EXACT:
            break
    assert best is not None
    return best


def _bits(named: Named | None, n_values: int) -> float:
    return float("inf") if named is None else named.bits(n_values)


def _needed(terms: list[Term], stress: np.ndarray, full: float) -> list[Term]:
    """Return the parts of the energy without which unseen stresses are predicted worse."""
    kept = terms
    for term in reversed(terms):
        fewer = [t for t in kept if t is not term]
        if fewer and fit_splines(fewer, stress, GRIDS[1]).residual <= max(LONGER * full, 1e-12):
            kept = fewer
    return kept


def _refined(terms: list[Term], stress: np.ndarray) -> tuple[SplineFit, Refinement]:
    grids = [g for g in GRIDS if len(terms) * (g + 5) < 0.3 * stress.size] or [GRIDS[0]]
    fits = [fit_splines(terms, stress, g) for g in grids]
    evidence = Refinement(tuple(grids), tuple(f.residual for f in fits))
    return min(fits, key=lambda f: f.residual), evidence


def _verdict(
    f: np.ndarray, stress: np.ndarray, named: Named | None, evidence: Refinement, name: str
) -> tuple[Verdict, str]:
    best = min(evidence.residuals)
    missing = (
        f"a sum of one-variable functions, {name}, cannot go below {best:.2g} of the stress: an interaction is missing "
        "(invariants that act together, given as `invariants`, or directions of the material, given as `fibres`)"
    )
    if named is None:
        return ("none" if best > 0.3 else "approximation"), f"No formula names the parts; {missing}."
    if named.residual < 100 * EXACT:
        return "law", f"the energy gives every stress to rounding ({named.residual:.0e} of it)."
    white = _is_white(f, stress, named)
    if white and named.residual <= LONGER * best and named.residual < HOPELESS:
        return (
            "law",
            f"what the energy leaves ({named.residual:.2g} of the stress) is noise without structure.",
        )
    if best > HOPELESS or named.residual > HOPELESS:
        return "none", f"No energy was found: {missing}."
    if evidence.kind == "flat" and not white:
        return (
            "approximation",
            f"The energy leaves {named.residual:.2g} of the stress, with structure: {missing}.",
        )
    return "approximation", f"The energy leaves {named.residual:.2g} of the stress, splines {best:.2g}."


def _prior_residual(term: Term, stress: np.ndarray) -> float:
    predicted = term.weights[1].sum(axis=1)
    return float(np.sqrt(np.mean((predicted - stress) ** 2) / np.mean(stress**2)))


def _is_white(f: np.ndarray, stress: np.ndarray, named: Named) -> bool:
    """Whether no component's residual is like its neighbours', as functions of F and of the invariants."""
    left = -stress
    for term, atoms, row in zip(named.terms, named.atoms, named.coefficients, strict=True):
        for atom, c in zip(atoms, row, strict=True):
            left = left + c * term.column(atom).reshape(stress.shape)
    rng = np.random.default_rng(0)
    views = [np.concatenate([term.points for term in named.terms], axis=1), f.reshape(len(f), 9)]
    shown = (0, 1, 4) if stress.shape[1] == 9 else (0,)
    return all(whiteness(left[:, c], views, rng, LEVEL / len(shown)).is_white for c in shown)


def _energy(named: Named) -> Law:
    names = tuple(dict.fromkeys(str(a) for term in named.terms for a in term.arguments))
    ranges = {str(a): z for t in named.terms for a, z in zip(t.arguments, t.points.T, strict=True)}
    domain = np.asarray([[ranges[n].min(), ranges[n].max()] for n in names])
    positive = [n for n, (low, _) in zip(names, domain, strict=True) if low > 0]
    return Law((named.expr(positive),), ("W",), names, domain=domain)


__all__ = ["ConstitutiveLaw", "Invariant", "asymmetry", "constitutive_law"]
