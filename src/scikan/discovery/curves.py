r"""Formulas for one curve, an edge of a sum or a product: short names first, then a search of its own.

A curve comes from splines, so it is right to some floor only; formulas that reach it are not told apart by
misfit but by length, and whoever asked refits them inside the whole law, where the data decide.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Float

from scikan.core.expr import ONE, Constant, Expr, Symbol, add, complexity, multiply, substitute
from scikan.core.functions import Function
from scikan.core.parser import apply
from scikan.core.samples import evenly
from scikan.discovery.affine import Screen
from scikan.discovery.desk import Desk
from scikan.discovery.families import family_laws
from scikan.discovery.ratios import rationals
from scikan.discovery.stages import polynomials
from scikan.law.refitting import refit
from scikan.structure.levels import Level
from scikan.symbolic.naming import rank_names


Vector = Float[np.ndarray, " rows"]

N_POINTS = 240
N_NAMES = 5
N_SEARCHED = 4
NODE_BITS = 3.6
_ENOUGH = 3.0


@dataclass(frozen=True)
class CurveName:
    """A formula in the symbol `u`, its misfit 1 - R^2 to the curve, and its score in bits."""

    expression: Expr
    misfit: float
    score: float


def curve_names(x: Vector, f: Vector, weight: Vector, floor: float, ends: float) -> list[CurveName]:
    """Return formulas of a curve, best first.

    Args:
        x: abscissae.
        f: the curve there.
        weight: how much a residual counts (not squared).
        floor: misfit 1 - R^2 below which formulas are not told apart.
        ends: time (monotonic) after which no longer search begins.
    """
    order = np.argsort(x)
    pick = order[evenly(len(x), N_POINTS)]
    x, f, weight = x[pick], f[pick], weight[pick] / np.sqrt(np.mean(weight[pick] ** 2))
    found = [CurveName(Constant(float(np.average(f, weights=weight**2))), *_constant(f, weight, floor))]
    found += _single_names(x, f, weight, floor)
    if min(name.misfit for name in found) > 10.0 * floor:
        found += _searched(x, f, weight, floor, ends)
    kept: dict[str, CurveName] = {}
    for name in sorted(found, key=lambda name: name.score):
        kept.setdefault(f"{name.misfit:.3g} {complexity(name.expression)}", name)
    return list(kept.values())[: N_NAMES + N_SEARCHED]


def _score(misfit: float, floor: float, size: int, n_rows: int) -> float:
    return 0.5 * n_rows * float(np.log2(max(misfit, floor))) + NODE_BITS * size


def _constant(f: Vector, weight: Vector, floor: float) -> tuple[float, float]:
    mean = np.average(f, weights=weight**2)
    whole = float(np.average(f**2, weights=weight**2)) or 1.0
    misfit = float(np.average((f - mean) ** 2, weights=weight**2)) / whole
    return misfit, _score(misfit, floor, 1, len(f))


def _single_names(x: Vector, f: Vector, weight: Vector, floor: float) -> list[CurveName]:
    names = []
    for candidate in rank_names(x, f, 0.1 * floor)[:N_NAMES]:
        name = candidate.names[0]
        names.append(_shortest(name.function, name.affine, x, f, weight, floor))
    return names


def _shortest(
    function: Function, affine: tuple[float, ...], x: Vector, f: Vector, weight: Vector, floor: float
) -> CurveName:
    """Return c f(a x + b) + d with as few of its constants as the floor allows."""
    best: CurveName | None = None
    fits: list[CurveName] = []
    for with_d, with_b, with_a in product((False, True), repeat=3):
        fit = refit(
            _written(function, affine, with_a, with_b, with_d), {"u": x}, f, weight**2, steps=15, robust=False
        )
        misfit = fit.mean_square / max(float(np.average(f**2, weights=weight**2)), 1e-300)
        if np.isfinite(misfit):
            score = _score(misfit, floor, complexity(fit.expr), len(f))
            fits.append(CurveName(fit.expr, misfit, score))
    least = min((fit.misfit for fit in fits), default=np.inf)
    for name in fits:
        if name.misfit <= _ENOUGH * max(least, floor) and (best is None or name.score < best.score):
            best = name
    return best or CurveName(ONE, np.inf, np.inf)


def _written(function: Function, affine: tuple[float, ...], a: bool, b: bool, d: bool) -> Expr:
    inner: Expr = Symbol("u")
    inner = multiply([Constant(affine[0]), inner]) if a and affine[0] != 1.0 else inner
    inner = add([inner, Constant(affine[1])]) if b and affine[1] != 0.0 else inner
    outer = multiply([Constant(affine[2]), apply(function, inner)])
    return add([outer, Constant(affine[3])]) if d else outer


def _searched(x: Vector, f: Vector, weight: Vector, floor: float, ends: float) -> list[CurveName]:
    """Return the best formulas of a search in closed form over this one column."""
    level = Level(x[:, None], (Symbol("u"),), f, np.ones(len(f)), ONE, weight)
    desk = Desk({"u": x}, f, weight**2, frozenset(["u"]) if np.all(x > 0) else frozenset())
    screen = Screen.of(level, np.random.default_rng(0))
    light = screen.light()

    def formulas() -> Iterator[Expr]:
        yield from polynomials(level.columns, f, ("u",), weight)
        yield from rationals(level.columns, f, ("u",), weight)
        yield from screen.affine_laws(light)
        yield from desk.tuned(family_laws(screen, light))

    whole = max(float(np.average(f**2, weights=weight**2)), 1e-300)
    names = []
    for candidate in desk.best(formulas(), ends, keep=3 * N_SEARCHED):
        misfit = candidate.relative * desk.variance / whole
        score = _score(misfit, floor, complexity(candidate.expression), len(f))
        names.append(CurveName(candidate.expression, misfit, score))
    return sorted(names, key=lambda name: name.score)[:N_SEARCHED]


def at(name: CurveName, column: Expr) -> Expr:
    """Return the formula of a curve over a column given as a formula."""
    return substitute(name.expression, {"u": column})
