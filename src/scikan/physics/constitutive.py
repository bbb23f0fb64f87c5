r"""From deformations and stresses to one elastic energy that gives all nine components at once.

The first Piola-Kirchhoff stress is dW/dF, the Kirchhoff stress that times F^T, the Cauchy stress that over J. With
W a sum of functions of invariants every measure is linear in these functions, so they are one least squares:

    F, stress -> measure -> classes of invariants, splines -> the class that leaves least, parts that are needed
    -> names, judged by the stress itself -> constants to rounding -> W, verdict
    -> frame and symmetry conditions of the law and of the data, each with its residual
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from threadpoolctl import threadpool_limits

from scikan.core.errors import SettingError, ShapeError, TableError
from scikan.core.expr import Expr
from scikan.core.kan import KAN
from scikan.law.evidence import whiteness
from scikan.law.record import Law
from scikan.physics.conditions import (
    AXES,
    Condition,
    data_conditions,
    law_conditions,
    objection,
)
from scikan.physics.elasticity import (
    MEASURES,
    Invariant,
    Measure,
    Tensors,
    checked_fibres,
    classes,
    energy_invariant,
)
from scikan.physics.joint import EXACT, Named, Problem
from scikan.physics.joint_names import dropped, name_terms, snapped
from scikan.physics.terms import SplineFit, Term, fit_splines
from scikan.symbolic.kanpiler import kanpiler
from scikan.train.linear import Refinement


GRIDS = (5, 10, 20)
SYMMETRIC = 0.5
"""A stress whose antisymmetric part is below this share of the other measure's is taken as symmetric."""

CLASS_BITS = 30.0
"""Bits by which a later class must be shorter: with noise equal energies in other invariants differ by chance."""

LONGER = 1.05
"""A part of the energy goes if the residual on unseen rows rises by less than this factor."""

Verdict = Literal["law", "approximation", "none"]


@dataclass(frozen=True, eq=False)
class ConstitutiveLaw:
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


def constitutive_law(
    f: Any,
    stress: Any,
    *,
    measure: str | None = None,
    component: tuple[int, int] | None = None,
    prior: str | Expr | None = None,
    invariants: Mapping[str, Callable[[Any], Any]] | None = None,
    fibres: Any = None,
) -> ConstitutiveLaw:
    """Return the elastic energy behind measured stresses.

    Args:
        f: deformation gradients, (rows, 3, 3).
        stress: (rows, 3, 3), or one component (rows,), in any unit of stress; the energy is in the same unit.
        measure: "PK1", "Kirchhoff", "Cauchy" or "PK2". Left out, the symmetry of the data decides between PK1 and
            the symmetric ones, and the residual among these.
        component: which component `stress` holds if it is (rows,): (0, 1) is row 1, column 2.
        prior: an energy believed to be near, over I1, I2, J and those of fibres. Its own error is reported, and a function of it joins
            the parts that the energy may have, so a coupling of invariants that it holds can be found.
        invariants: further scalars that W may depend on, by name: functions of one F (3, 3), written for JAX.
        fibres: directions in the undeformed body, (3,) or (fibres, 3), of any length: I4 and I5 of each join the
            energy.

    Raises:
        ShapeError: arrays of other shapes, or one component without saying which.
        TableError: NaN or infinity, fewer than 30 rows, or none with det F > 0.
        SettingError: an unknown measure, a fibre without direction.

    Example:
        `kn.constitutive_law(F, P).energy` of Neo-Hookean data is W = mu/2 (I1 - 3) - mu log(J) + lambda/2 log(J)**2.
    """
    directions = checked_fibres(fibres)
    f, stress, notices = checked_stress(f, stress, measure, component)

    def believed(at: Tensors) -> Invariant | None:
        return None if prior is None else energy_invariant(at, prior, directions)

    def groups(at: Tensors) -> dict[str, list[Invariant]]:
        return dict(classes(at, invariants, believed(at), directions))

    with threadpool_limits(limits=1):
        chosen, offered, held = _measures(f, stress, measure, component), groups(f), believed(f)
        tried = [
            (kind, name, [i.term(f, kind, component) for i in group])
            for kind in chosen
            for name, group in offered.items()
        ]
        fits = [fit_splines(terms, stress, GRIDS[1]) for _, _, terms in tried]
        best = _best_named(tried, fits, stress)
        kind, name, terms, splines, evidence, named = best
        floors: dict[str, float] = {}
        for (_, label, _), fit in zip(tried, fits, strict=True):
            floors[label] = min(fit.residual, floors.get(label, np.inf))
        verdict, reason = _verdict(f, stress, named, evidence, name)
        shown = named if verdict != "none" else None
        conditions: tuple[Condition, ...] = ()
        if shown is not None:
            conditions = law_conditions(shown, lambda at: groups(at)[name], f, directions)
        if component is None:
            tensors, judged = stress.reshape(-1, 3, 3), named if verdict == "law" else None
            asked = data_conditions(f, tensors, kind, judged, lambda at: groups(at)[name])
            conditions += asked
            directed = len(directions) > 0 or bool(invariants)
            told = objection(f, tensors, kind, [c for c in asked if not (directed and c.name == AXES)])
            if told is not None:
                notices = (*notices, told)
                verdict, reason = ("approximation", told) if verdict == "law" else (verdict, reason)
    law = None if named is None or verdict == "none" else _energy(named)
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
        prior_residual=None if held is None else _prior_residual(held.term(f, kind, component), stress),
        notices=notices,
        splines=splines,
        model=None
        if law is None
        else kanpiler(law.expressions, law.names, domain=law.domain, targets=("W",)),
        component=component,
        conditions=conditions,
    )


def checked_stress(
    f: Any, stress: Any, measure: str | None, component: tuple[int, int] | None
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Return F (rows, 3, 3), the stress (rows, components) and notices; raises as `constitutive_law` does."""
    f, stress = np.asarray(f, float), np.asarray(stress, float)
    if f.ndim != 3 or f.shape[1:] != (3, 3):
        raise ShapeError(
            f"F has shape {f.shape}; a deformation gradient is a 3 x 3 matrix.",
            fix="give F as (rows, 3, 3), F[:, i, j] = dx_i/dX_j; a plane deformation has F[:, 2, 2] = 1.",
        )
    if measure is not None and measure not in MEASURES:
        raise SettingError(
            f"The stress measure {measure!r} is unknown.", fix=f"use one of {', '.join(MEASURES)}."
        )
    if component is None and stress.shape != f.shape:
        raise ShapeError(
            f"The stress has shape {stress.shape} for F of shape {f.shape}.",
            fix="give all components as (rows, 3, 3), or one as (rows,) with component=(0, 0).",
        )
    if component is not None and (stress.shape != f.shape[:1] or not all(0 <= c <= 2 for c in component)):
        raise ShapeError(
            f"Component {component} of a stress of shape {stress.shape} for {len(f)} rows.",
            fix="give that component as (rows,), and its place counted from 0: component=(0, 1).",
        )
    stress = stress.reshape(len(f), -1)
    bad = ~(np.isfinite(f).all(axis=(1, 2)) & np.isfinite(stress).all(axis=1))
    if bad.any():
        raise TableError(
            f"F or the stress is missing or infinite in row {int(np.argmax(bad))} and {int(bad.sum()) - 1} more.",
            fix="drop these rows: keep = np.isfinite(F).all(axis=(1, 2)) & np.isfinite(stress).all(axis=(1, 2)).",
        )
    upright = np.linalg.det(f) > 0
    notices: tuple[str, ...] = ()
    if not upright.all():
        count = int((~upright).sum())
        notices = (f"{count} of {len(f)} rows have det F <= 0, which no body can reach; they were left out.",)
    if upright.sum() < 30:
        raise TableError(
            f"{int(upright.sum())} rows with det F > 0 are too few for an energy.",
            fix="give 100 rows or more.",
        )
    return f[upright], stress[upright], notices


def asymmetry(f: np.ndarray, stress: np.ndarray, measure: Measure) -> float:
    """Return the antisymmetric part of the Kirchhoff stress over the whole (moments balance where it is 0)."""
    tensor = stress.reshape(-1, 3, 3)
    turned = tensor @ np.swapaxes(f, 1, 2) if measure == "PK1" else tensor
    odd = turned - np.swapaxes(turned, 1, 2)
    # The median row: near det F = 0 a few stresses outweigh all others.
    sizes = np.linalg.norm(turned, axis=(1, 2)), np.linalg.norm(odd, axis=(1, 2))
    return float(np.median(sizes[1] / np.maximum(sizes[0], 1e-300)) / 2.0)


def _measures(
    f: np.ndarray, stress: np.ndarray, measure: str | None, component: tuple[int, int] | None
) -> tuple[Measure, ...]:
    """Return the measures that are possible."""
    if measure is not None:
        return tuple(known for known in MEASURES if known == measure)
    if component is not None:
        return MEASURES
    as_given, as_pk1 = asymmetry(f, stress, "Kirchhoff"), asymmetry(f, stress, "PK1")
    return ("PK1",) if as_pk1 < SYMMETRIC * as_given else MEASURES[1:]


Tried = tuple[Measure, str, list[Term]]
Best = tuple[Measure, str, list[Term], SplineFit, Refinement, Named | None]


def _best_named(tried: list[Tried], fits: list[SplineFit], stress: np.ndarray) -> Best:
    """Return the class whose named energy is shortest in bits: those near the least residual are tried."""
    least = min(fit.residual for fit in fits)
    near = [n for n, fit in enumerate(fits) if fit.residual <= max(5 * least, 1e-9)]
    best: Best | None = None
    for n in near[:6]:
        kind, name, terms = tried[n]
        terms = _needed(terms, stress, fits[n].residual)
        splines, evidence = _refined(terms, stress)
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
        "(invariants that act together, or a direction of the material; give them as `invariants`)"
    )
    if named is None:
        return ("none" if best > 0.3 else "approximation"), f"No formula names the parts; {missing}."
    if named.residual < 100 * EXACT:
        return "law", f"the energy gives every stress to rounding ({named.residual:.0e} of it)."
    white = _is_white(f, stress, named)
    if white and named.residual <= LONGER * best:
        return (
            "law",
            f"what the energy leaves ({named.residual:.2g} of the stress) is noise without structure.",
        )
    if best > 0.5:
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
    return all(whiteness(left[:, c], views, rng, 0.01 / len(shown)).is_white for c in shown)


def _energy(named: Named) -> Law:
    names = tuple(dict.fromkeys(str(a) for term in named.terms for a in term.arguments))
    ranges = {str(a): z for t in named.terms for a, z in zip(t.arguments, t.points.T, strict=True)}
    domain = np.asarray([[ranges[n].min(), ranges[n].max()] for n in names])
    positive = [n for n, (low, _) in zip(names, domain, strict=True) if low > 0]
    return Law((named.expr(positive),), ("W",), names, domain=domain)


__all__ = ["Condition", "ConstitutiveLaw", "Invariant", "asymmetry", "constitutive_law"]
