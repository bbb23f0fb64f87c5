r"""Two functions on one edge: chains $f_2(f_1(x))$, sums $f_1 + f_2$ and products $f_1 f_2$ fitted to a curve.

Candidates are screened in closed form on a few points, each function at natural arguments; the best are
refined in all their constants by Levenberg-Marquardt. A curve is normalised first, so nothing depends on units.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from scikan.core.functions import LIBRARY, Function
from scikan.core.samples import evenly
from scikan.edit.growth import Name
from scikan.symbolic.fitting import start_grid
from scikan.train.damped import Damping, levenberg_marquardt


N_POINTS = 60
N_REFINED = 14
N_SIMPLE = 30

_INNER = ("x^2", "x^3", "x^4", "1/x", "1/x^2", "sqrt", "exp", "log", "sin", "cos", "tanh", "abs", "gaussian")
_OUTER = (
    "x^2",
    "x^3",
    "1/x",
    "1/x^2",
    "sqrt",
    "1/sqrt(x)",
    "exp",
    "log",
    "sin",
    "tan",
    "tanh",
    "arctan",
    "arcsin",
    "arctanh",
    "1/x^3",
    "cosh",
)


@dataclass(frozen=True)
class Composite:
    """Two names in a form ("chain", "sum", "product"), and how badly they miss the curve (1 - R^2)."""

    names: tuple[Name, ...]
    form: str
    misfit: float
    complexity: int


def fit_composites(x: Any, y: Any, floor: float) -> list[Composite]:
    """Return two-name forms of a curve, best first; those with a misfit above 100 floors are left out."""
    pick = evenly(len(x), N_POINTS * 4)
    x, y = x[pick], y[pick]
    mean, spread = float(y.mean()), max(float(y.std()), 1e-300)
    size = max(float(np.abs(x).max()), 1e-300)
    with np.errstate(all="ignore"):
        problems = [*_chains(x / size, (y - mean) / spread), *_pairs(x / size, (y - mean) / spread)]
        found = [
            _refined(form, f1, f2, start, x / size, (y - mean) / spread) for form, f1, f2, start in problems
        ]
    results = []
    for form, f1, f2, theta, misfit in found:
        if misfit < max(100.0 * floor, 1e-9):
            names = _names(form, f1, f2, theta, size, mean, spread)
            results.append(Composite(names, form, misfit, f1.complexity + f2.complexity))
    return sorted(results, key=lambda c: np.log10(max(c.misfit, floor)) + 0.7 * c.complexity)


Problem = tuple[str, Function, Function, Any]


def _chains(x: Any, v: Any) -> list[Problem]:
    """Screen f2(a2 w + b2) with w = f1(a1 x + b1) normalised to [-1, 1]."""
    few = evenly(len(x), N_POINTS)
    found: list[tuple[float, Problem]] = []
    for name in _INNER:
        f1 = LIBRARY[name]
        for a1, b1 in _natural_arguments(f1):
            w = f1.value(np, a1 * x + b1)
            if not np.all(np.isfinite(w)) or np.ptp(w) < 1e-9:
                continue
            middle, half = 0.5 * (w.max() + w.min()), 0.5 * np.ptp(w)
            for outer in _OUTER:
                f2 = LIBRARY[outer]
                starts = np.concatenate([start_grid(f2), [[half, middle], [-half, -middle]]])
                values = f2.value(np, starts[:, :1] * ((w[few] - middle) / half) + starts[:, 1:])
                loss = _misfits(values, v[few])
                best = int(np.argmin(loss))
                if loss[best] < 0.2:
                    a2 = starts[best, 0] / half
                    start = np.asarray([a1, b1, a2, starts[best, 1] - a2 * middle])
                    found.append((float(loss[best]), ("chain", f1, f2, start)))
    return _worth_refining(found)


def _worth_refining(found: list[tuple[float, Problem]]) -> list[Problem]:
    """Return the closest and the simplest: a true form with a rough constant misses more than a supple false one."""
    found.sort(key=lambda item: item[0])
    close = found[:N_REFINED]
    simple = sorted(
        (item for item in found[N_REFINED:] if item[0] < 0.1),
        key=lambda item: item[1][1].complexity + item[1][2].complexity,
    )
    return [problem for _, problem in (*close, *simple[:N_SIMPLE])]


def _natural_arguments(function: Function) -> list[tuple[float, float]]:
    if "a" not in function.free:
        return [(1.0, 0.0)]
    rates = (0.5, 1.0, 2.0, 3.5)
    return [(s * r, 0.0) for r in rates for s in ((1.0, -1.0) if function.name == "exp" else (1.0,))]


def _misfits(values: Any, v: Any) -> Any:
    centred = values - values.mean(axis=-1, keepdims=True)
    against = v - v.mean()
    size = (centred**2).sum(axis=-1)
    explained = (centred @ against) ** 2 / (size * (against @ against))
    return np.where(np.isfinite(explained) & (size > 1e-18), 1.0 - explained, 1.0)


def _pairs(x: Any, v: Any) -> list[Problem]:
    """Screen c1 f1 + c2 f2 + d and f1 (c1 f2 + c2) + d for all pairs of functions at natural arguments."""
    few = evenly(len(x), N_POINTS)
    entries, columns = [], []
    for name in ("x", *(n for n in _OUTER if n != "cosh"), "x^4", "cos", "gaussian", "abs"):
        function = LIBRARY[name]
        for a, b in (
            [(1.0, 0.0)] if "a" not in function.free else [(r, 0.0) for r in (0.5, 1, 2, 4, 7, -1, -3)]
        ):
            values = function.value(np, a * x[few] + b)
            if np.all(np.isfinite(values)) and np.ptp(values) > 1e-9:
                entries.append((function, a, b))
                columns.append(values)
    table = np.stack(columns)
    found: list[tuple[float, Problem]] = []
    for form in ("sum", "product"):
        for p in range(len(entries)):
            second = table[p:] if form == "sum" else table[p] * table
            partners = range(p, len(entries)) if form == "sum" else range(len(entries))
            loss = _two_column_misfits(table[p], second, v[few])
            for q in np.argsort(loss)[:3]:
                (f1, a1, b1), (f2, a2, b2) = entries[p], entries[list(partners)[int(q)]]
                if loss[q] < 0.1 and f1.name != f2.name:
                    found.append((float(loss[q]), (form, f1, f2, np.asarray([a1, b1, a2, b2]))))
    return _worth_refining(found)


def _two_column_misfits(first: Any, seconds: Any, v: Any) -> Any:
    """Return 1 - R^2 of regressing v on (1, first, second) for every second column."""
    f, s, t = first - first.mean(), seconds - seconds.mean(axis=1, keepdims=True), v - v.mean()
    ff, ss, fs = f @ f, (s * s).sum(axis=1), s @ f
    ft, st = f @ t, s @ t
    determinant = ff * ss - fs**2
    explained = (ft**2 * ss - 2 * ft * st * fs + st**2 * ff) / determinant / (t @ t)
    return np.where(determinant > 1e-9 * ff * ss, 1.0 - explained, 1.0)


class _TwoNames:
    """The curve fit of a two-name form as a least-squares problem over (a1, b1, a2, b2, c1, c2, d)."""

    def __init__(self, form: str, f1: Function, f2: Function, x: Any, v: Any) -> None:
        self.form, self.f1, self.f2, self.x, self.v = form, f1, f2, x, v
        self.free = np.asarray(
            [
                "a" in f1.free,
                True if form == "chain" or "b" in f1.free else False,
                "a" in f2.free or form == "chain",
                "b" in f2.free,
                True,
                form != "chain",
                True,
            ],
            float,
        )
        if form == "chain":
            self.free[2] = 1.0

    def parts(self, theta: Any) -> tuple[Any, Any]:
        """Return the value and its derivatives by all seven constants."""
        a1, b1, a2, b2, c1, c2, d = theta
        x, one = self.x, np.ones_like(self.x)
        inner, slope1 = self.f1.value(np, a1 * x + b1), self.f1.derivative(np, a1 * x + b1)
        if self.form == "chain":
            outer, slope2 = self.f2.value(np, a2 * inner + b2), c1 * self.f2.derivative(np, a2 * inner + b2)
            through = slope2 * a2 * slope1
            return c1 * outer + d, [through * x, through, slope2 * inner, slope2, outer, 0 * one, one]
        outer, slope2 = self.f2.value(np, a2 * x + b2), self.f2.derivative(np, a2 * x + b2)
        if self.form == "sum":
            value = c1 * inner + c2 * outer + d
            return value, [c1 * slope1 * x, c1 * slope1, c2 * slope2 * x, c2 * slope2, inner, outer, one]
        factor = c1 * outer + c2
        value = inner * factor + d
        return value, [
            factor * slope1 * x,
            factor * slope1,
            inner * c1 * slope2 * x,
            inner * c1 * slope2,
            inner * outer,
            inner,
            one,
        ]

    def cost(self, theta: Any) -> float:
        with np.errstate(all="ignore"):
            return float(np.mean((self.parts(theta)[0] - self.v) ** 2))

    def normal(self, theta: Any) -> tuple[float, Any, Any]:
        with np.errstate(all="ignore"):
            value, columns = self.parts(theta)
        jacobian = np.stack(columns, axis=1) * self.free / np.sqrt(len(self.x))
        residual = (value - self.v) / np.sqrt(len(self.x))
        hessian = jacobian.T @ jacobian + np.diag(1.0 - self.free)
        return float(residual @ residual), jacobian.T @ residual, hessian


def _refined(
    form: str, f1: Function, f2: Function, start: Any, x: Any, v: Any
) -> tuple[str, Function, Function, Any, float]:
    problem = _TwoNames(form, f1, f2, x, v)
    theta = np.concatenate([start, [1.0, 1.0, 0.0]])
    columns = problem.parts(theta)[1]
    used = [4, 6] if form == "chain" else [4, 5, 6]
    linear = (
        np.linalg.lstsq(np.stack([columns[n] for n in used], axis=1), v, rcond=None)[0]
        if all(np.all(np.isfinite(columns[n])) for n in used)
        else np.zeros(len(used))
    )
    theta[used] = linear
    result = levenberg_marquardt(problem, theta, 25, Damping(start=1e-3, gain=1e-3))
    return form, f1, f2, result.theta, result.cost


def _names(
    form: str, f1: Function, f2: Function, theta: Any, size: float, mean: float, spread: float
) -> tuple[Name, ...]:
    """Carry the constants back to the curve's own units."""
    a1, b1, a2, b2, c1, c2, d = (float(v) for v in theta)
    shift = d * spread + mean
    if form == "chain":
        return Name(f1, (a1 / size, b1, 1.0, 0.0)), Name(f2, (a2, b2, c1 * spread, shift))
    if form == "sum":
        return Name(f1, (a1 / size, b1, c1 * spread, shift)), Name(f2, (a2 / size, b2, c2 * spread, 0.0))
    # f1 (c1 f2 + c2) + d; the offset d needs the identity edge that follows the product.
    return Name(f1, (a1 / size, b1, 1.0, 0.0)), Name(f2, (a2 / size, b2, c1 * spread, c2 * spread))
