r"""Columns that follow from others, and the other ways to write a law that come of it.

A table may hold a ratio of two columns, a square, a sum: offered on purpose (auxiliary inputs, KAN 2.0, section 3.1) or
by accident. A law in such columns has several true forms. `relations` finds what a column is in terms of the others,
to rounding, and `branches` writes a law in all these ways, the shortest first, so that no decoy is kept in it.

Two kinds of relation are sought, both linear in their unknowns: $x_j = c \prod x_i^{p_i}$ of up to three columns, by
logarithms, and $x_j^p = c_0 + c_1 x_a^q + c_2 x_b^r$. Their numbers must be simple ones.
"""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import combinations, product
from typing import Any

import numpy as np
from jaxtyping import Float

from scikan.core.expr import Expr, Number, Symbol, add, complexity, evaluate, multiply, power, symbols
from scikan.core.nodes import substitute
from scikan.core.samples import evenly
from scikan.law.description import structure_bits
from scikan.law.ordering import in_order
from scikan.law.shortening import shortened
from scikan.law.simplify import simplify


Columns = Mapping[str, Float[np.ndarray, " rows"]]
Term = tuple[str, int]

LEAST_ROWS, LEAST_VALUES = 32, 8
"""Rows, and different values of a column, below which a relation may be chance."""

N_SCREENED = LEAST_ROWS
SCREENED, AGREES = 1e-6, 1e-9
"""Relative errors that the first look at a relation, and the relation itself, may have."""

MANY, VERY_MANY = 12, 60
"""Columns above which products of three and negative powers, and then all pairs, are left out: they grow too many."""

MOST_RELATIONS = 6
MOST_STEPS, MOST_FORMS = 4, 12
N_JUDGED, SAME = 400, 1e-9
"""Rows on which forms of a law are compared, and how far they may be apart, relative to its largest value."""

LARGEST_NUMBER = 1000
"""Largest numerator and denominator of a relation's numbers."""


def relations(columns: Columns, name: str) -> tuple[Expr, ...]:
    """Return what a column is in terms of the others, exactly, shortest first; nothing for most columns."""
    varying = {
        n: np.asarray(values, float)
        for n, values in columns.items()
        if len(np.unique(values)) >= LEAST_VALUES
    }
    if name not in varying or len(varying[name]) < LEAST_ROWS:
        return ()
    # Rows from all over the table: neighbours may share the value of a column.
    pick = evenly(len(varying[name]), N_SCREENED)
    seen = {n: values[pick] for n, values in varying.items()}
    found: list[Expr] = []
    for expr in (*_products(seen, name), *_sums(seen, name)):
        if expr not in found and _holds(expr, varying, name):
            found.append(expr)
    shortest = sorted(found, key=complexity)
    kept: list[Expr] = []
    for expr in shortest:
        # v*c/c is no news beside v.
        if not any(set(symbols(other)) < set(symbols(expr)) for other in kept):
            kept.append(expr)
    return tuple(kept[:MOST_RELATIONS])


def branches(law: Expr, columns: Columns, names: tuple[str, ...]) -> tuple[Expr, ...]:
    """Return the law and its other forms on these rows, by description length; of equal ones the earlier columns win.

    A column is written in earlier ones of the table only, so that raw columns, which stand first, are never in terms
    of auxiliary ones.

    Args:
        law: a formula.
        columns: of the table, (rows,) each.
        names: the columns in the table's order.
    """
    derived = _Derived(columns, names)
    short = _Shortener(law, columns, names)
    forms, latest = {str(law): law}, [law]
    with np.errstate(all="ignore"):
        for _ in range(MOST_STEPS):
            new = []
            for form in latest:
                for name, way in ((name, way) for name in symbols(form) for way in derived.ways(name)):
                    natural = short(substitute(form, {name: way})) if len(forms) < MOST_FORMS else None
                    if natural is not None and str(natural) not in forms:
                        forms[str(natural)] = natural
                        new.append(natural)
            latest = new

    def cost(form: Expr) -> tuple[float, int, int]:
        places = [names.index(name) for name in symbols(form)]
        return round(short.bits(form), 6), sum(places), len(str(form))

    return tuple(sorted(forms.values(), key=cost))


class _Derived:
    """What columns are in terms of earlier ones; found when asked for, as most laws hold few columns."""

    def __init__(self, columns: Columns, names: tuple[str, ...]) -> None:
        self.columns, self.names = columns, names
        self.known: dict[str, tuple[Expr, ...]] = {}

    def ways(self, name: str) -> tuple[Expr, ...]:
        """Return the relations of a column, if there are any in columns that follow from no others, only those."""
        if name not in self.known:
            earlier = self.names[: self.names.index(name) + 1]
            found = relations({other: self.columns[other] for other in earlier}, name)
            self.known[name] = found
            plain = tuple(e for e in found if not any(self.ways(other) for other in symbols(e)))
            self.known[name] = plain or found
        return self.known[name]


class _Shortener:
    """Writes forms of one law as short as they can be; forms that say something else on the rows are refused."""

    def __init__(self, law: Expr, columns: Columns, names: tuple[str, ...]) -> None:
        rows = len(next(iter(columns.values())))
        pick = evenly(rows, N_JUDGED)
        self.rows, self.names = rows, names
        self.columns = {name: values[pick] for name, values in columns.items()}
        self.positive = frozenset(name for name in names if np.all(columns[name] > 0))
        with np.errstate(all="ignore"):
            self.told = np.broadcast_to(evaluate(law, self.columns), pick.shape)

    def __call__(self, form: Expr) -> Expr | None:
        """Return the form simplified, multiplied out where that is shorter; None if it is another law."""
        natural = self._natural(form)
        if natural is None:
            return None
        plain = self._natural(shortened(natural, self._judged))
        return natural if plain is None else plain

    def bits(self, form: Expr) -> float:
        """Return the bits of a form's structure."""
        return structure_bits(form, self.rows, len(self.names))

    def _natural(self, form: Expr) -> Expr | None:
        natural = in_order(simplify(form, self.positive), self.names)
        return natural if self._same(natural) else None

    def _judged(self, form: Expr) -> tuple[float, Expr] | None:
        natural = simplify(form, self.positive, trials=False)
        return (self.bits(natural), natural) if self._same(natural) else None

    def _same(self, form: Expr) -> bool:
        values = np.broadcast_to(evaluate(form, self.columns), self.told.shape)
        near = np.abs(values - self.told).max() <= SAME * np.abs(self.told).max()
        return bool(np.all(np.isfinite(values)) and near)


def _holds(expr: Expr, columns: Columns, name: str) -> bool:
    with np.errstate(all="ignore"):
        values = np.broadcast_to(evaluate(expr, columns), columns[name].shape)
    return bool(np.abs(values - columns[name]).max() <= AGREES * np.abs(columns[name]).max())


def _products(columns: Columns, name: str) -> Iterator[Expr]:
    """Yield c * prod x_i^p_i that agree in size, with the sign of the first row."""
    usable = {n: np.log(np.abs(v)) for n, v in columns.items() if np.all(v != 0)}
    if name not in usable:
        return
    goal, others = usable.pop(name), list(usable)
    for size in _sizes(len(columns), 3):
        subsets = list(combinations(others, size))
        parts = np.array([[np.ones_like(goal), *(usable[n] for n in subset)] for subset in subsets])
        for place, weights in _fits(parts, goal):
            exponents = [_simple(w, 6) for w in weights[1:]]
            factor = _simple(float(np.exp(weights[0])), LARGEST_NUMBER)
            if factor is not None and all(e for e in exponents):
                told = zip(subsets[place], exponents, strict=True)
                body = multiply(power(Symbol(n), Number(e)) for n, e in told if e)
                with np.errstate(all="ignore"):
                    first = evaluate(body, {n: columns[n][:1] for n in subsets[place]})[0]
                yield Number(factor if first * columns[name][0] > 0 else -factor) * body


def _sums(columns: Columns, name: str) -> Iterator[Expr]:
    """Yield (c0 + c1 x_a^q + c2 x_b^r)^(1/p)."""
    exponents = (1, 2) if len(columns) > MANY else (1, 2, -1, -2)
    terms: list[Term] = [
        (n, p) for n, v in columns.items() if n != name for p in exponents if p > 0 or np.all(v != 0)
    ]
    values = {term: columns[term[0]] ** float(term[1]) for term in terms}
    subsets: list[tuple[Term, ...]] = [(term,) for term in terms]
    if len(columns) <= VERY_MANY:
        subsets += [pair for pair in combinations(terms, 2) if pair[0][0] != pair[1][0]]
    goals = [p for p in exponents if p == 1 or np.all(columns[name] > 0)]
    for p, size in product(goals, _sizes(len(columns), 2)):
        goal = columns[name] ** float(p)
        chosen = [subset for subset in subsets if len(subset) == size]
        parts = np.array([[np.ones_like(goal), *(values[term] for term in subset)] for subset in chosen])
        for place, weights in _fits(parts, goal):
            numbers = [_simple(w, LARGEST_NUMBER) for w in weights]
            if None not in numbers and all(numbers[1:]):
                sides = [power(Symbol(n), Number(q)) for n, q in chosen[place]]
                told = zip(numbers, (Number(1), *sides), strict=True)
                yield power(
                    add([Number(c) * side for c, side in told if c is not None]), Number(Fraction(1, p))
                )


def _sizes(n_columns: int, most: int) -> range:
    """Return how many columns a relation may have, of so many."""
    return range(1, 1 + (1 if n_columns > VERY_MANY else min(most, 2) if n_columns > MANY else most))


def _fits(parts: Any, goal: Any) -> Iterator[tuple[int, Any]]:
    """Yield (place, weights) of the least squares of `parts`, (tables, unknowns, rows), that fit the goal, (rows,)."""
    if not len(parts):
        return
    q, r = np.linalg.qr(np.swapaxes(parts, 1, 2))
    diagonal = np.abs(np.diagonal(r, axis1=1, axis2=2))
    against = np.einsum("nrk,r->nk", q, goal)
    left = goal - np.einsum("nrk,nk->nr", q, against)
    good = np.abs(left).max(axis=1) <= SCREENED * np.ptp(goal)
    good &= diagonal.min(axis=1) > 1e-8 * diagonal.max(axis=1)
    for place in np.flatnonzero(good):
        yield int(place), np.linalg.solve(r[place], against[place])


def _simple(value: float, largest: int) -> Fraction | None:
    """Return the simple fraction that a number is, to six digits; small ones are zero, others nothing."""
    if abs(value) < SCREENED:
        return Fraction(0)
    if not np.isfinite(value) or abs(value) > largest or abs(value) < 1 / largest:
        return None
    near = Fraction(value).limit_denominator(largest if abs(value) < 1 else 12)
    return near if abs(float(near) - value) <= SCREENED * abs(value) else None
