"""Is a law safe over the ranges it was found in? Divisions by zero, logarithms and roots of negative numbers.

Every part that may be undefined gives a condition on a sub-formula: not zero, positive, or not negative. Bounds over
the whole box prove it, over smaller and smaller boxes if need be; a point where it fails refutes it. What neither
settles is said to be open.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from scikan.core.expr import Call, Expr, Number, Pow, call, evaluate, exact, symbols, walk
from scikan.core.printing import to_text
from scikan.law.intervals import Interval, bounds
from scikan.law.record import Law


Condition: TypeAlias = Literal["not zero", "positive", "not negative"]
Box: TypeAlias = dict[str, tuple[float, float]]

_ROUNDS = 60
_MOST_BOXES = 32768
_POINTS = 2000
_ROUNDING = 1e-12
_DIGITS = 6


@dataclass(frozen=True)
class Risk:
    """A part of a law that is undefined somewhere in the ranges, or may be.

    Args:
        part: the part, as text.
        told: one sentence.
        certain: whether a point is known.
    """

    part: str
    told: str
    certain: bool


@dataclass(frozen=True)
class _Demand:
    """A part of the law, and what it asks of a sub-formula."""

    part: Expr
    inner: Expr
    condition: Condition


def domain_risks(law: Law) -> tuple[Risk, ...]:
    """Return the parts of a law that are, or may be, undefined within its ranges; empty if it is proved safe.

    A law without known ranges is judged for every demand it makes on its columns: all of them are open.
    """
    found: dict[tuple[Expr, Condition], Risk] = {}
    for demand in (d for expr in law.expressions for d in _demands(expr)):
        key = (demand.inner, demand.condition)
        if key not in found and (risk := _risk(demand, law)):
            found[key] = risk
    return tuple(found.values())


def _demands(expr: Expr) -> Iterator[_Demand]:
    for node in walk(expr):
        if isinstance(node, Pow):
            if condition := _power_demand(node):
                yield _Demand(node, node.base, condition)
        elif isinstance(node, Call):
            u, name = node.argument, node.function.name
            if name == "log":
                yield _Demand(node, u, "positive")
            elif name in ("arcsin", "arccos"):
                yield _Demand(node, 1 - u**2, "not negative")
            elif name == "arctanh":
                yield _Demand(node, 1 - u**2, "positive")
            elif name == "tan":
                yield _Demand(node, call("cos", u), "not zero")


def _power_demand(node: Pow) -> Condition | None:
    exponent = exact(node.exponent)
    if exponent is None:
        negative = isinstance(node.exponent, Number) or not symbols(node.exponent)
        return "positive" if not negative or float(evaluate(node.exponent, {})) < 0 else "not negative"
    if exponent.denominator == 1:
        return "not zero" if exponent < 0 else None
    return "positive" if exponent < 0 else "not negative"


def _risk(demand: _Demand, law: Law) -> Risk | None:
    names = symbols(demand.inner)
    if law.domain is None and names:
        part = to_text(demand.part, _DIGITS)
        told = f"{part} needs {to_text(demand.inner, _DIGITS)} {demand.condition}; the ranges are not known."
        return Risk(part, told, certain=False)
    known: Box = {}
    if law.domain is not None:
        ends = dict(zip(law.names, law.domain.tolist(), strict=True))
        known = {name: (ends[name][0], ends[name][1]) for name in names}
    if not names:
        return (
            None
            if _holds(demand.condition, np.array([evaluate(demand.inner, {})])).all()
            else _told(demand, {})
        )
    if _is_proved(demand, _whole(known)):
        return None
    if (place := _counterexample(demand, known)) is not None:
        return _told(demand, place)
    return None if _is_proved_in_parts(demand, known) else _open(demand)


def _told(demand: _Demand, place: dict[str, float]) -> Risk:
    part = to_text(demand.part, _DIGITS)
    where = ", ".join(f"{name} = {value:.{_DIGITS}g}" for name, value in place.items())
    at = f" (at {where})" if where else ""
    if demand.condition == "not zero":
        return Risk(part, f"{part} has a pole inside the ranges{at}.", certain=True)
    return Risk(part, f"{part} is undefined in part of the ranges{at}.", certain=True)


def _open(demand: _Demand) -> Risk:
    part, inner = to_text(demand.part, _DIGITS), to_text(demand.inner, _DIGITS)
    told = f"{part} needs {inner} {demand.condition}; this could not be decided within the ranges."
    return Risk(part, told, certain=False)


def _holds(condition: Condition, values: np.ndarray) -> np.ndarray:
    if condition == "not negative":
        return np.asarray(values >= 0)
    return np.asarray(values != 0 if condition == "not zero" else values > 0)


def _whole(known: Box) -> dict[str, Interval]:
    return {name: (np.array([low]), np.array([high])) for name, (low, high) in known.items()}


def _proved(demand: _Demand, box: dict[str, Interval]) -> np.ndarray:
    low, high = bounds(demand.inner, box)
    if demand.condition == "not negative":
        # A range that ends where a root does, such as 1 - x**2 at 1, is safe: what is left is outward rounding.
        return np.asarray(low >= -_ROUNDING * np.maximum(high, 0.0))
    return np.asarray((low > 0) | (high < 0) if demand.condition == "not zero" else low > 0)


def _is_proved(demand: _Demand, box: dict[str, Interval]) -> bool:
    return bool(_proved(demand, box).all())


def _is_proved_in_parts(demand: _Demand, known: Box) -> bool:
    """Halve boxes that are not yet settled, along each column in turn, until none is left or there are too many."""
    box, names = _whole(known), list(known)
    for n in range(_ROUNDS):
        left = ~_proved(demand, box)
        if not left.any():
            return True
        if 2 * left.sum() > _MOST_BOXES:
            return False
        box = {name: (low[left], high[left]) for name, (low, high) in box.items()}
        name = names[n % len(names)]
        low, high = box[name]
        middle = low + (high - low) / 2
        box = {other: (np.tile(a, 2), np.tile(b, 2)) for other, (a, b) in box.items()}
        box[name] = (np.concatenate([low, middle]), np.concatenate([middle, high]))
    return False


def _counterexample(demand: _Demand, known: Box) -> dict[str, float] | None:
    """Return a point where the condition fails, or None if none is met."""
    points = _points(known)
    values = np.broadcast_to(evaluate(demand.inner, points), (_POINTS,))
    fails = np.isfinite(values) & ~_holds(demand.condition, values)
    if fails.any():
        return {name: float(column[np.argmax(fails)]) for name, column in points.items()}
    if demand.condition != "not zero" or not ((values > 0).any() and (values < 0).any()):
        return None
    above, below = int(np.argmax(values > 0)), int(np.argmax(values < 0))
    return _crossing(
        demand.inner,
        {name: float(column[above]) for name, column in points.items()},
        {name: float(column[below]) for name, column in points.items()},
    )


def _points(known: Box) -> dict[str, np.ndarray]:
    """Return points `(_POINTS,)` a column: corners first, then random ones, evenly in value or in logarithm."""
    rng = np.random.default_rng(0)
    points = {}
    for j, (name, (low, high)) in enumerate(known.items()):
        share = rng.uniform(size=_POINTS)
        column = low + (high - low) * share
        if low > 0 and high > 100 * low:
            column[::2] = low * (high / low) ** share[::2]
        corner = np.arange(min(2 ** len(known), 1024)) >> j & 1
        column[: len(corner)] = np.where(corner == 1, high, low)
        points[name] = np.clip(column, low, high)
    return points


def _crossing(inner: Expr, above: dict[str, float], below: dict[str, float]) -> dict[str, float] | None:
    """Return where the formula vanishes between two points, by halving; None if it jumps over zero."""
    start = abs(float(evaluate(inner, above)))
    middle = above
    for _ in range(100):
        middle = {name: (above[name] + below[name]) / 2 for name in above}
        value = float(evaluate(inner, middle))
        if value == 0:
            break
        above, below = (middle, below) if value > 0 else (above, middle)
    return middle if abs(float(evaluate(inner, middle))) <= 1e-6 * start else None
