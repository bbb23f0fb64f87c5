"""Formulas of `u` near a curve that is known at samples only: what a law's curve may be, before constants are refitted.

Single functions of the library and pairs of them (`symbolic.fitting`, `symbolic.composites`), the same of (u - c)^2
about a place c, sums of forms beside a parabola, and sums of whole powers.
"""

from itertools import combinations

import numpy as np
from jaxtyping import Float

from scikan.core.expr import Constant, Expr, Number, add, multiply, power, substitute
from scikan.core.functions import LIBRARY, Function
from scikan.core.parser import apply
from scikan.core.samples import evenly
from scikan.edit.growth import Name
from scikan.physics.auxiliaries import POLE
from scikan.physics.families import U
from scikan.physics.forms import Curve, shapes_of_curve
from scikan.symbolic.composites import Composite, fit_composites
from scikan.symbolic.fitting import canonical, fit_curves


CLOSE = 1e-4
"""Misfit (1 - R^2) of a function that is worth a refit."""

MOST_SINGLES, MOST_PAIRS = 4, 4
LARGEST_POWER, SURE = 12, 1e-9
"""Largest inverse power in a sum of powers (the largest power is half of it); its misfit."""

FORM_ROWS, FORM_FLOOR = 300, 1e-6
EVEN_COST = 1.0
"""What a place and a slope cost a form, in decades of misfit."""

EVEN = 1e-3
"""Odd part of a curve less a line, as a share of the even part less a parabola, up to which the curve may be even."""

Vector = Float[np.ndarray, " rows"]


def templates(u: Vector, curve: Vector) -> list[Expr]:
    """Return formulas of `u` near a curve, with their constants: single functions, pairs, even ones, sums of forms."""
    found = _near(u, curve)
    if not found:
        sums = [*_even_about_a_place(u, curve), *_sums_of_forms(u, curve, 3, U)]
        found = [tree for _, tree in sorted(sums, key=lambda entry: entry[0])[:MOST_PAIRS]]
    return found


def _near(u: Vector, curve: Vector) -> list[Expr]:
    functions = smooth_functions()
    fits = fit_curves(u[None], curve[None], functions)
    order = np.argsort(fits.misfit[0], kind="stable")[:MOST_SINGLES]
    found = [
        written(Name(functions[n], tuple(fits.affine[0, n]))) for n in order if fits.misfit[0, n] < CLOSE
    ]
    if not len(order) or fits.misfit[0, order[0]] > 1e-8:
        found += [_composed(pair) for pair in fit_composites(u, curve, 1e-12)[:MOST_PAIRS]]
    return found


def _even_about_a_place(u: Vector, curve: Vector) -> list[tuple[float, Expr]]:
    """Return formulas g((u - c)^2) + b u near a curve with their scores, or none.

    Curves share squares and straight lines with monomials and with one another, so a law's own curve is known up to
    these: c is where the odd part is a straight line, and forms for g are told apart up to one.
    """
    found = _place_of_evenness(u, curve)
    if found is None:
        return []
    place, slope = found
    square, line = (U - Constant(place)) ** 2, multiply([Constant(slope), U])
    trees = _sums_of_forms((u - place) ** 2, curve - slope * u, 2, square)
    return [(score + EVEN_COST, add([tree, line])) for score, tree in trees]


def _sums_of_forms(z: Vector, curve: Vector, free: int, written_z: Expr) -> list[tuple[float, Expr]]:
    """Return sums of forms near a curve that is known up to powers of z below `free`, with their scores, best first."""
    pick, trees = evenly(len(z), FORM_ROWS), []
    shapes = shapes_of_curve(Curve(z[pick], curve[pick], free=free), FORM_FLOOR)
    for shape in [s for s in shapes if s.misfit**2 < CLOSE][:MOST_PAIRS]:
        rest, terms = curve, []
        for c, atom in zip(shape.coefficients, shape.atoms, strict=True):
            rest = rest - c * atom.value(z)
            inner = {f"t{n}": Constant(t) for n, t in enumerate(atom.inner)}
            terms.append(multiply([Constant(c), substitute(atom.family.expr(), {"u": written_z} | inner)]))
        powers = np.polynomial.polynomial.polyfit(z, rest, free - 1)[1:]
        terms += [multiply([Constant(float(c)), written_z**n]) for n, c in enumerate(powers, start=1)]
        trees.append((shape.score(FORM_FLOOR), add(terms)))
    return trees


def _place_of_evenness(u: Vector, curve: Vector) -> tuple[float, float] | None:
    """Return the place about which a curve is even but for a straight line, and that line's slope, or None."""
    from scipy.interpolate import CubicSpline
    from scipy.optimize import minimize_scalar

    points, first = np.unique(u, return_index=True)
    smooth = CubicSpline(points, curve[first])
    low, span = float(points[0]), float(np.ptp(points))
    steps = np.linspace(0.03, 1.0, 33)
    parabola = np.linalg.qr(np.stack([np.ones(33), steps**2], axis=1))[0]

    def odd(place: float) -> tuple[float, float]:
        center = low + place * span
        h = steps * min(center - low, low + span - center)
        right, left = smooth(center + h), smooth(center - h)
        half, bent = (right - left) / 2, (right + left) / 2
        slope = float(half @ h / (h @ h))
        bent -= parabola @ (parabola.T @ bent)
        return float(np.linalg.norm(half - slope * h)) / max(float(np.linalg.norm(bent)), 1e-300), slope

    step = 0.01
    places = np.arange(0.2, 0.8 + step, step)
    start = float(places[np.argmin([odd(float(place))[0] for place in places])])
    ends = (start - step, start + step)
    found = minimize_scalar(lambda place: odd(place)[0], bounds=ends, options={"xatol": 1e-10})
    place = float(found.x)
    share, slope = odd(place)
    return (low + place * span, slope) if share < EVEN else None


def sums_of_powers(u: Vector, curve: Vector) -> list[Expr]:
    """Return the shortest sum of one to three whole powers of `u` that is near a curve, or none."""
    away = np.abs(u).min() > POLE * np.median(np.abs(u))
    exponents = [n for n in range(-LARGEST_POWER if away else 1, LARGEST_POWER // 2 + 1) if n]
    rows = evenly(len(u), 200)
    scale = np.abs(u).max()
    table = np.stack([(u[rows] / scale) ** n for n in exponents], axis=1)
    table, v = table - table.mean(axis=0), curve[rows] - curve[rows].mean()
    table, v = table / np.linalg.norm(table, axis=0), v / np.linalg.norm(v)
    for size in (1, 2, 3):
        sets = np.asarray(list(combinations(range(len(exponents)), size)))
        designs = np.moveaxis(table[:, sets], 0, 1)
        q = np.linalg.qr(designs)[0]
        misfit = 1.0 - np.sum(np.einsum("snk,n->sk", q, v) ** 2, axis=1)
        best = int(np.argmin(misfit))
        if misfit[best] < SURE:
            weights = np.linalg.lstsq(designs[best], v, rcond=None)[0]
            terms = [
                multiply([Constant(float(w)), power(U, Number(exponents[k]))])
                for w, k in zip(weights, sets[best], strict=True)
            ]
            return [add(terms)]
    return []


def _composed(pair: Composite) -> Expr:
    """Return a two-name form as a formula of `u`, inner factors taken into the outer constants where they can be."""
    first, second = pair.names
    inner, (a, b, c, d) = canonical(first), second.affine
    scale, shift = inner.affine[2:]
    plain = Name(inner.function, (*inner.affine[:2], 1.0, 0.0))
    if pair.form == "chain":
        outer = canonical(Name(second.function, (a * scale, b + a * shift, c, d)))
        return substitute(written(outer), {"u": written(plain)})
    if pair.form == "sum":
        return add([written(inner), written(canonical(second))])
    if shift:
        return multiply([written(inner), written(canonical(second))])
    return multiply([written(plain), written(canonical(Name(second.function, (a, b, c * scale, d * scale))))])


def written(name: Name) -> Expr:
    """Return c f(a u + b), every free constant of the function a constant of the fit."""
    a, b, c, d = (float(v) for v in name.affine)
    function: Function = name.function
    slope = Constant(a) if "a" in function.free else Number(1 if a > 0 else -1)
    inner = multiply([slope, U]) if slope != Number(1) else U
    inner = add([inner, Constant(b)]) if "b" in function.free else inner
    shift = [Constant(d)] if abs(d) > 1e-12 * abs(c) else []
    outer = [] if c == 1 else [Constant(c)]
    return add([multiply([*outer, apply(function, inner)]), *shift])


def smooth_functions() -> tuple[Function, ...]:
    """Return the library's functions that a law may be made of: those with a slope everywhere."""
    return tuple(f for f in LIBRARY.candidates() if f.name not in ("abs", "sgn"))
