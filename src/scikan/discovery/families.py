r"""Functions with one constant inside, f(v; c): a coarse grid of c screens them, least squares finishes.

An inner constant off by a fifth scores worse than many wrong approximants until it is refitted; therefore
not only the best by score are refitted but also the simplest of each family, whatever they score.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from scikan.core.expr import Constant, Expr, add, call, multiply, power, root
from scikan.discovery.affine import Feature, Screen, standardised
from scikan.discovery.targets import Table, Target, screened


N_REFITTED = 120
N_SIMPLE = 300
N_ARGUMENTS = 30


@dataclass(frozen=True)
class Family:
    """f(v; c) with the values of c to start from, given those of v."""

    name: str
    value: Callable[[Any, float], Any]
    tree: Callable[[Expr, Constant], Expr]
    grid: Callable[[Any], Any]


def _rates(v: Any) -> Any:
    rates = np.array([0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0]) / np.ptp(v)
    return np.concatenate([rates, -rates])


def _frequencies(v: Any) -> Any:
    return np.geomspace(0.6, 30.0, 14) / np.ptp(v)


def _offsets(v: Any) -> Any:
    """Offsets that keep v + c on one side of zero."""
    steps = np.array([0.03, 0.1, 0.3, 1.0, 3.0]) * np.ptp(v)
    return np.concatenate([steps - v.min(), -steps - v.max()])


def _upward(v: Any) -> Any:
    return _offsets(v)[:5]


def _exponents(v: Any) -> Any:
    if v.min() <= 0:
        return np.array([4.0, 5.0, 6.0])
    size = np.array([0.15, 0.25, 1 / 3, 0.7, 1.5, 2.5, 3.5, 4.0, 5.0, 6.0, 8.0, 12.0])
    return np.concatenate([size, -size])


FAMILIES = (
    Family("exp", lambda v, c: np.exp(c * v), lambda e, c: call("exp", multiply([c, e])), _rates),
    Family("sin", lambda v, c: np.sin(c * v), lambda e, c: call("sin", multiply([c, e])), _frequencies),
    Family("cos", lambda v, c: np.cos(c * v), lambda e, c: call("cos", multiply([c, e])), _frequencies),
    Family("inverse", lambda v, c: 1 / (v + c), lambda e, c: 1 / add([e, c]), _offsets),
    Family("log", lambda v, c: np.log(v + c), lambda e, c: call("log", add([e, c])), _upward),
    Family("sqrt", lambda v, c: np.sqrt(v + c), lambda e, c: root(add([e, c])), _upward),
    Family("power", lambda v, c: v**c, lambda e, c: power(e, c), _exponents),
    Family("tanh", lambda v, c: np.tanh(c * v), lambda e, c: call("tanh", multiply([c, e])), _frequencies),
)


@dataclass(frozen=True)
class _Member:
    """One row: family, argument, constant, and the column that multiplies (1) or divides (-1) it."""

    family: Family
    argument: int
    constant: float
    column: int
    side: int

    @property
    def group(self) -> tuple[str, int, int, int]:
        return (self.family.name, self.argument, self.column, self.side)


def family_laws(screen: Screen, targets: list[Target]) -> Iterator[Expr]:
    """Yield laws of y with one rough inner constant; all their constants want a refit."""
    members, table = _members(screen)
    if not members:
        return
    hits = screened(targets, table, screen.total, 20 * N_REFITTED)
    taken: set[Any] = set()
    for hit in hits:
        member = members[hit.row]
        name = (id(hit.target), member.group)
        if name not in taken and len(taken) < N_REFITTED:
            taken.add(name)
            yield from screen.formulas(hit.target, [_feature(screen, member)])
    for target, member in _simple(screen, targets, table, members):
        # The last law has the offset: a start without one may be far from any least-squares point.
        yield from list(screen.formulas(target, [_feature(screen, member)]))[-1:]


def _simple(
    screen: Screen, targets: list[Target], table: Table, members: list[_Member]
) -> Iterator[tuple[Target, _Member]]:
    """Yield the best constant of each family on bare columns, for the simplest targets."""
    n_columns = len(screen.level.expressions)
    bare = np.array([n for n, m in enumerate(members) if m.argument < n_columns and not m.side], int)
    part = Table(table.values[bare], table.nodes[bare], table.deep[bare])
    best: dict[Any, tuple[Target, _Member]] = {}
    for hit in screened(targets, part, screen.total, len(bare) * len(targets)):
        member = members[bare[hit.row]]
        if np.isfinite(hit.score):
            best.setdefault((id(hit.target), member.group), (hit.target, member))
    yield from sorted(best.values(), key=lambda found: found[0].nodes)[:N_SIMPLE]


def _feature(screen: Screen, member: _Member) -> Feature:
    library, columns = screen.library, screen.level.columns
    with np.errstate(all="ignore"):
        values = member.family.value(library.evaluated(member.argument, columns), member.constant)
        expr = member.family.tree(library.expression(member.argument), Constant(member.constant))
        if member.side:
            values = values * columns[:, member.column] ** float(member.side)
            column = library.expression(member.column)
            expr = expr * column if member.side > 0 else expr / column
    return Feature(expr, values)


def _members(screen: Screen) -> tuple[list[_Member], Table]:
    library = screen.library
    n_columns = len(screen.level.expressions)
    places = np.flatnonzero((library.level <= 1) & ~library.deep & (library.operation != -1 - n_columns))
    places = places[np.argsort(library.nodes[places], kind="stable")][:N_ARGUMENTS]
    members, rows, nodes = [], [], []
    with np.errstate(all="ignore"):
        for place in places:
            v = library.values[place]
            for family in FAMILIES:
                for c in family.grid(v):
                    values = family.value(v, float(c))
                    for column, side in [(-1, 0), *((j, s) for j in range(n_columns) for s in (1, -1))]:
                        row = values if not side else values * library.values[column] ** float(side)
                        if np.all(np.isfinite(row)) and np.std(row) > 1e-6 * np.abs(row).max() > 0:
                            members.append(_Member(family, int(place), float(c), column, side))
                            rows.append(row)
                            nodes.append(int(library.nodes[place]) + 3 + 2 * bool(side))
    if not members:
        return [], Table(np.zeros((0, len(screen.z)), np.float32), np.zeros(0, int), np.zeros(0, bool))
    deep = np.array([m.family.name in ("exp", "sin", "cos", "log", "tanh") for m in members])
    return members, Table(standardised(np.stack(rows)), np.array(nodes), deep)
