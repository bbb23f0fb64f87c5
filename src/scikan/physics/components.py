r"""One component of a stress as a formula in the nine entries of F: sums are not enough, products and det F are.

entries -> splines of each, added: the floor of every sum of one-variable functions
        -> entries, their products, powers and logarithm of det F, cofactors, and the prior's own terms:
           few of them by bits (`physics.selection`), with the choices that do as well -> constants -> law
"""

from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from threadpoolctl import threadpool_limits

from scikan.core.errors import ShapeError
from scikan.core.expr import Constant, Expr, evaluate
from scikan.core.kan import KAN
from scikan.core.nodes import Add, Mul, Number, Symbol, add, call, is_numeric, multiply
from scikan.core.parser import parse
from scikan.law.evidence import whiteness
from scikan.law.record import Law
from scikan.law.snapping import snap
from scikan.physics.finding import LawFinding
from scikan.physics.joint import EXACT
from scikan.physics.selection import BITS_PER_TERM, Selection, select
from scikan.physics.stresses import checked_stress
from scikan.physics.terms import split_rows
from scikan.physics.writing import cost
from scikan.symbolic.kanpiler import kanpiler
from scikan.train.linear import knots_of, least_squares, spline_columns


ENTRIES = tuple(f"F{i}{j}" for i in (1, 2, 3) for j in (1, 2, 3))


@dataclass(frozen=True, eq=False, repr=False)
class ComponentLaw(LawFinding):
    """A component of the stress as a formula.

    Args:
        verdict: "law", "approximation" or "none".
        reason: one sentence.
        law: over F11, F12, ... F33 and J = det F; None with verdict "none".
        residual: root mean square error over that of the component.
        sum_floor: what the best sum of functions of one entry each leaves, on unseen rows, in the stress's unit;
            infinite where the rows are too few to tell.
        prior_residual: error of the prior formula as given, over that of the component; None without one.
        model: the law as a KAN.
        alternatives: other terms that the data allow within `selection.LUCK` bits, in words. Where one stands instead
            of the law's own term the form is undecided, and the verdict is "approximation"; a further small term is
            not held against a law.
    """

    verdict: Literal["law", "approximation", "none"]
    reason: str
    law: Law | None
    residual: float
    sum_floor: float
    prior_residual: float | None
    model: KAN | None
    alternatives: tuple[str, ...] = ()


def component_law(
    f: Any, stress: Any, component: tuple[int, int], *, prior: str | Expr | None = None
) -> ComponentLaw:
    """Return one component of a stress as a formula in the entries of F and J = det F.

    Args:
        f: deformation gradients, (rows, 3, 3).
        stress: that component, (rows,), or all, (rows, 3, 3).
        component: its place, from 0: (0, 1) is row 1, column 2.
        prior: a law believed to be near, over F11, ... F33 and J; its terms, constants free, are among the candidates.

    Raises:
        ShapeError, TableError: as `constitutive_law`.
        FormulaError: a prior that is no formula over these names.
    """
    given = np.asarray(stress, float)
    given = given[:, component[0], component[1]] if given.ndim == 3 else given
    f, wanted, _ = checked_stress(f, given, None, component)
    y = wanted[:, 0]
    if not np.any(y):
        raise ShapeError("The component is zero in every row.", fix="choose another component.")
    columns = dict(zip(ENTRIES, f.reshape(len(f), 9).T, strict=True)) | {"J": np.linalg.det(f)}
    tree = parse(prior, names=list(columns)) if isinstance(prior, str) else prior
    with threadpool_limits(limits=1):
        floor = sum_floor(f.reshape(len(f), 9), y)
        terms = _distinct(
            [*_terms_of(tree), *candidates(component)] if tree is not None else candidates(component)
        )
        lengths = np.asarray([BITS_PER_TERM + cost(term) for term in terms])
        chosen = select(laid_out(terms, columns, y), y, lengths)
        law, residual = _law([terms[n] for n in chosen.places], chosen.coefficients, columns, y)
        verdict, reason = _verdict(law, residual, floor, columns, y)
    alternatives = _alternatives(terms, chosen)
    if verdict == "law" and chosen.rivals:
        verdict = "approximation"
        reason = f"the form is not decided by the data: also {'; '.join(alternatives[: len(chosen.rivals)])}."
    size = float(np.sqrt(np.mean(y**2)))
    before = None if tree is None else float(np.sqrt(np.mean((evaluate(tree, columns) - y) ** 2))) / size
    kan = None
    if verdict != "none":
        kan = kanpiler(law.expressions, law.names, domain=law.domain, targets=law.targets)
    shown = law if verdict != "none" else None
    return ComponentLaw(verdict, reason, shown, residual, floor, before, kan, alternatives)


def sum_floor(entries: Float[np.ndarray, "rows inputs"], y: Float[np.ndarray, " rows"]) -> float:
    """Return the rms error, on unseen rows, of the best sum of splines of one input each, over grids of 3 to 12."""
    fit, judge = split_rows(len(y))
    best = np.inf
    for grid in (3, 6, 12):
        if 9 * (grid + 3) > 0.6 * len(fit):
            break
        blocks = [spline_columns(x, knots_of(x, grid), 3) for x in entries.T]
        laid = np.concatenate(blocks, axis=1)
        coef = least_squares(laid[fit], y[fit])
        best = min(best, float(np.sqrt(np.mean((laid[judge] @ coef - y[judge]) ** 2))))
    return best


def candidates(component: tuple[int, int]) -> list[Expr]:
    """Return the terms that a component may hold, without their coefficients."""
    entries = [Symbol(name) for name in ENTRIES]
    j, log_j = Symbol("J"), call("log", Symbol("J"))
    products = [multiply((a, b)) if a != b else a**2 for a, b in combinations_with_replacement(entries, 2)]
    cofactor = _cofactor(*component)
    volumes = [j, log_j, j**2, log_j**2, 1 / j]
    pushed = [cofactor, cofactor / j, cofactor * j, log_j * cofactor / j]
    return [Number(1), *entries, *products, *volumes, *pushed]


def _cofactor(i: int, j: int) -> Expr:
    """Return the cofactor of F_ij: J times the entry of F^-T."""
    rows, places = [n for n in range(3) if n != i], [n for n in range(3) if n != j]
    a, b = (Symbol(f"F{rows[0] + 1}{places[n] + 1}") for n in (0, 1))
    c, d = (Symbol(f"F{rows[1] + 1}{places[n] + 1}") for n in (0, 1))
    minor = a * d - b * c
    return minor if (i + j) % 2 == 0 else -minor


def _terms_of(tree: Expr | None) -> list[Expr]:
    """Return the terms of a sum (products with sums multiplied out once), without numeric factors."""
    if tree is None:
        return []
    found: list[Expr] = []
    for term in tree.args if isinstance(tree, Add) else (tree,):
        factors = list(term.args) if isinstance(term, Mul) else [term]
        free = [x for x in factors if not is_numeric(x)]
        inner = next((x for x in free if isinstance(x, Add)), None)
        if inner is not None:
            rest = [x for x in free if x is not inner]
            found += [t for part in inner.args for t in _terms_of(multiply([*rest, part]))]
        elif free:
            found.append(multiply(free))
    return found


def _distinct(terms: list[Expr]) -> list[Expr]:
    return list(dict.fromkeys(terms))


def laid_out(
    terms: list[Expr], columns: dict[str, Any], y: Float[np.ndarray, " rows"]
) -> Float[np.ndarray, "rows terms"]:
    """Return the values of the terms, one column each."""
    return np.stack([np.broadcast_to(evaluate(t, columns), y.shape) for t in terms], axis=1)


def _alternatives(terms: list[Expr], chosen: Selection) -> tuple[str, ...]:
    """Return in words which other terms the data allow."""
    found = []
    for rival in chosen.rivals:
        gone = [str(terms[n]) for n in chosen.places if n not in rival.places]
        come = [str(terms[n]) for n in rival.places if n not in chosen.places]
        found.append(f"{', '.join(come)} instead of {', '.join(gone)} ({rival.behind:+.1f} bits)")
    for more in chosen.doubtful:
        found.append(f"{terms[more.places[0]]} as a further term ({more.behind:+.1f} bits)")
    return tuple(found)


def _law(terms: list[Expr], coef: np.ndarray, columns: dict[str, Any], y: np.ndarray) -> tuple[Law, float]:
    tree = add(multiply((Constant(float(c)), t)) for c, t in zip(coef, terms, strict=True))
    tree = snap(tree, columns, y).expr
    domain = np.asarray([[c.min(), c.max()] for c in columns.values()])
    size = float(np.sqrt(np.mean(y**2)))
    left = float(np.sqrt(np.mean((evaluate(tree, columns) - y) ** 2))) / size
    return Law((tree,), ("P",), tuple(columns), domain=domain), left


def _verdict(
    law: Law, residual: float, floor: float, columns: dict[str, Any], y: np.ndarray
) -> tuple[Literal["law", "approximation", "none"], str]:
    size = float(np.sqrt(np.mean(y**2)))
    told = f"; a sum of one-variable functions of the entries cannot go below {floor:.2g}: an interaction is missing"
    told = told if np.isfinite(floor) and residual * size < 0.9 * floor else ""
    if residual < 100 * EXACT:
        return "law", f"the formula holds to rounding ({residual:.0e}){told}."
    left = np.asarray(evaluate(law.expression, columns) - y)
    view = np.stack(list(columns.values()), axis=1)
    if whiteness(left, [view], np.random.default_rng(0)).is_white and residual < 0.5:
        return "law", f"what the formula leaves ({residual:.2g}) is noise without structure{told}."
    if residual > 0.5:
        return "none", f"no formula of these terms describes the component ({residual:.2g} is left)."
    return "approximation", f"the formula leaves {residual:.2g}, with structure."
