"""Units: whether a law makes sense in them, the units of its constants, and dimensionless groups of its columns.

Every column has a unit, every constant of the law an unknown one. Terms that are added must agree, arguments of
functions must be pure numbers: that is linear in the exponents, and solved in fractions.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from typing import Any

from scikan.core.errors import UnitError
from scikan.core.expr import Add, Call, Constant, Expr, Mul, Number, Pow, Symbol, is_numeric
from scikan.core.names import nearest
from scikan.core.nodes import exact
from scikan.law.record import Law


SYMBOLS = {
    "[length]": "m", "[mass]": "kg", "[time]": "s", "[current]": "A",
    "[temperature]": "K", "[substance]": "mol", "[luminosity]": "cd",
}  # fmt: skip
_EXPONENT = re.compile(r"(?<=[^\W\d_])([-+]?\d+)\b")
"""Digits right behind a unit's letters: the 2 of m2 and the -2 of s-2, which pint takes for a part of the name."""

LARGEST_PURE = 12
"""A whole number or simple fraction up to this is a pure number; others may carry a unit where one is missing."""


@dataclass(frozen=True)
class Unit:
    """Exponents of the SI base units, and the factor before them: 1 km/h is 0.2778 m/s."""

    exponents: tuple[tuple[str, Fraction], ...] = ()
    factor: float = 1.0

    def __str__(self) -> str:
        parts = [
            SYMBOLS.get(base, base)
            + ("" if power == 1 else f"^{power}" if power.denominator == 1 else f"^({power})")
            for base, power in sorted(self.exponents, key=lambda p: (p[1] < 0, p[0]))
        ]
        told = " ".join(parts) or "1"
        return told if math.isclose(self.factor, 1.0, rel_tol=1e-9) else f"{self.factor:.6g} {told}"


@cache
def parse_unit(text: str) -> Unit:
    """Return a unit written as text, such as "kg", "m/s^2", "m s-2", "kJ mol^-1" or "" for a pure number.

    Raises:
        UnitError: the text is no unit, or one with an offset (degrees Celsius).
    """
    import pint

    registry = _registry()
    written = _EXPONENT.sub(r"^\1", text)
    try:
        quantity = registry.Quantity(1.0, registry.parse_units(written)).to_base_units()
    except pint.OffsetUnitCalculusError:
        quantity = None
    except (pint.errors.PintError, ValueError, TypeError, AttributeError) as error:
        raise UnitError(
            f'"{text}" is no unit ({error}).', fix='write units like "kg m/s^2", "kJ/mol" or "".'
        ) from error
    if (
        quantity is None
        or not registry.parse_units(written)._REGISTRY.Quantity(1.0, written)._is_multiplicative
    ):
        raise UnitError(
            f'"{text}" starts at another zero, so it cannot stand in a formula.', fix="convert to kelvin."
        )
    powers = registry.get_dimensionality(registry.parse_units(written))
    exponents = {str(base): Fraction(float(power)).limit_denominator(24) for base, power in powers.items()}
    return Unit(tuple(sorted((b, p) for b, p in exponents.items() if p)), float(quantity.magnitude))


@cache
def _registry() -> Any:
    import pint

    registry: Any = pint.UnitRegistry()
    # Tables of astronomy mean these by the names; pint has other readings or none.
    registry.define("@alias astronomical_unit = AU")
    registry.define("solar_mass = 1.98841e30 kilogram = M_sun = Msun")
    registry.define("earth_mass = 5.9722e24 kilogram = M_earth")
    return registry


@dataclass
class _Dimension:
    """A linear form: known exponents (and the logarithm of a factor), plus multiples of unknown constants'."""

    known: dict[str, Fraction] = field(default_factory=dict)
    scale: float = 0.0
    unknown: dict[int, Fraction] = field(default_factory=dict)

    def plus(self, other: "_Dimension", times: Fraction = Fraction(1)) -> "_Dimension":
        """Return self + times * other."""
        known, unknown = dict(self.known), dict(self.unknown)
        for table, more in ((known, other.known), (unknown, other.unknown)):
            for key, value in more.items():
                table[key] = table.get(key, Fraction(0)) + times * value  # type: ignore[index, arg-type]
        return _Dimension(
            {k: v for k, v in known.items() if v},
            self.scale + float(times) * other.scale,
            {k: v for k, v in unknown.items() if v},
        )

    def unit(self) -> Unit:
        """Return the known part as a unit."""
        return Unit(tuple(sorted(self.known.items())), math.exp(self.scale))


def constant_units(law: Law, units: Mapping[str, str]) -> dict[float, Unit]:
    """Return the unit of every constant of a law, by its value, in the units of its columns and target.

    Whole numbers and simple fractions are pure numbers; if the units do not fit so, other numbers of the formula (9.81
    recognised as 981/100) are taken to carry units too. A constant whose unit nothing determines is a pure number.

    Args:
        law: with one target.
        units: by name of column and target, as `Dataset.units` holds them; missing names are pure numbers.

    Raises:
        UnitError: terms that are added have different units, or an argument of a function has one; the term is named.
    """
    expression = law.expression
    try:
        return _Solver(units, all_numbers=False).solved(expression, law.targets[0])
    except UnitError:
        return _Solver(units, all_numbers=True).solved(expression, law.targets[0])


class _Solver:
    """Equations between the units of one formula's terms, eliminated as they come."""

    def __init__(self, units: Mapping[str, str], all_numbers: bool) -> None:
        self.units, self.all_numbers = units, all_numbers
        self.values: list[float] = []
        self.rows: dict[int, _Dimension] = {}

    def solved(self, expression: Expr, target: str) -> dict[float, Unit]:
        """Return the constants' units."""
        whole = self.of(expression)
        self.equal(whole, self.column(target), f"{expression}", f'the target "{target}"')
        found = {}
        for n, value in enumerate(self.values):
            dimension = self.reduced(_Dimension(unknown={n: Fraction(1)}))
            found[value] = _Dimension(dimension.known, dimension.scale).unit()
        return found

    def column(self, name: str) -> _Dimension:
        unit = parse_unit(self.units.get(name, ""))
        return _Dimension(dict(unit.exponents), math.log(unit.factor))

    def of(self, tree: Expr) -> _Dimension:
        """Return the unit of a subexpression, noting the equations that its parts must obey."""
        if isinstance(tree, Symbol):
            return self.column(tree.name)
        if isinstance(tree, Constant | Number):
            return self.number(tree)
        if isinstance(tree, Mul):
            total = _Dimension()
            for factor in tree.args:
                total = total.plus(self.of(factor))
            return total
        if isinstance(tree, Add):
            first = self.of(tree.args[0])
            for term in tree.args[1:]:
                self.equal(self.of(term), first, f"{term}", f"{tree.args[0]}")
            return first
        if isinstance(tree, Pow) and is_numeric(tree.exponent):
            power = tree.exponent
            assert isinstance(power, Number | Constant)
            value = exact(power)
            if value is None:
                value = Fraction(float(power.value)).limit_denominator(1000)
            return _Dimension().plus(self.of(tree.base), value)
        inner = [tree.argument] if isinstance(tree, Call) else [tree.base, tree.exponent]  # type: ignore[attr-defined]
        if isinstance(tree, Call) and tree.function.name == "abs":
            return self.of(tree.argument)
        for part in inner:
            self.equal(self.of(part), _Dimension(), f"{part}", f"a pure number, inside {tree}")
        return _Dimension()

    def number(self, tree: Constant | Number) -> _Dimension:
        value = exact(tree) if isinstance(tree, Number) else None
        pure = value is not None and max(abs(value.numerator), value.denominator) <= LARGEST_PURE
        named = isinstance(tree, Number) and bool(tree.name)
        if isinstance(tree, Number) and (pure or named or not self.all_numbers):
            return _Dimension()
        number = float(tree.value)
        if number not in self.values:
            self.values.append(number)
        return _Dimension(unknown={self.values.index(number): Fraction(1)})

    def reduced(self, dimension: _Dimension) -> _Dimension:
        """Return a form with the unknowns that are solved replaced."""
        for n in sorted(self.rows):
            if times := dimension.unknown.get(n, Fraction(0)):
                dimension = dimension.plus(_Dimension(unknown={n: Fraction(1)}), -times).plus(
                    self.rows[n], times
                )
        return dimension

    def equal(self, one: _Dimension, other: _Dimension, told: str, to: str) -> None:
        """Note that two units are the same, or say why they cannot be."""
        left = self.reduced(one.plus(other, Fraction(-1)))
        if not left.unknown:
            if left.known or abs(left.scale) > 1e-6:
                mine, theirs = self.reduced(one).unit(), self.reduced(other).unit()
                raise UnitError(
                    f"The term {told} has the unit {mine}, but {to} has {theirs}.",
                    fix="check the columns' units, or the term.",
                )
            return
        pivot, times = next(iter(left.unknown.items()))
        rest = left.plus(_Dimension(unknown={pivot: Fraction(1)}), -times)
        solved = _Dimension().plus(rest, -1 / times)
        for n, row in list(self.rows.items()):
            if share := row.unknown.get(pivot, Fraction(0)):
                self.rows[n] = row.plus(_Dimension(unknown={pivot: Fraction(1)}), -share).plus(solved, share)
        self.rows[pivot] = solved


def dimensionless_groups(units: Mapping[str, str], names: Sequence[str] | None = None) -> tuple[str, ...]:
    """Return formulas of independent dimensionless groups of columns, as `Augment` takes them (Buckingham's theorem).

    Args:
        units: unit by column name; columns without one are pure numbers already and left out.
        names: which columns; all with a unit unless given.

    Raises:
        UnitError: a text is no unit, or a name has none.

    Example:
        `dimensionless_groups({"v": "m/s", "c": "km/s", "L": "m"})` is `("v/c",)`.
    """
    for name in names or ():
        if name not in units:
            raise UnitError(f'The column "{name}" has no unit.', fix=nearest(name, units))
    chosen = [n for n in (names or units) if parse_unit(units[n]).exponents]
    columns = [dict(parse_unit(units[n]).exponents) for n in chosen]
    bases = sorted({base for column in columns for base in column})
    rows = [[column.get(base, Fraction(0)) for column in columns] for base in bases]
    groups = []
    for vector in _null_vectors(rows, len(chosen)):
        scale = math.lcm(*(v.denominator for v in vector))
        groups.append(_product(chosen, [int(v * scale) for v in vector]))
    return tuple(groups)


def _null_vectors(rows: list[list[Fraction]], n: int) -> list[list[Fraction]]:
    """Return a basis of the null space by elimination in fractions; the first columns are kept free."""
    pivots: list[int] = []
    rows = [row[::-1] for row in rows]
    for column in range(n):
        pivot = next((r for r in rows[len(pivots) :] if r[column]), None)
        if pivot is None:
            continue
        place = len(pivots)
        rows.remove(pivot)
        rows.insert(place, [v / pivot[column] for v in pivot])
        rows = [
            row if m == place else [a - row[column] * b for a, b in zip(row, rows[place], strict=True)]
            for m, row in enumerate(rows)
        ]
        pivots.append(column)
    found = []
    for free in (c for c in range(n) if c not in pivots):
        vector = [Fraction(0)] * n
        vector[free] = Fraction(1)
        for place, column in enumerate(pivots):
            vector[column] = -rows[place][free]
        found.append(vector[::-1])
    return found[::-1]


def _product(names: Sequence[str], powers: Sequence[int]) -> str:
    def side(sign: int) -> list[str]:
        return [
            n if abs(p) == 1 else f"{n}**{abs(p)}" for n, p in zip(names, powers, strict=True) if p * sign > 0
        ]

    above, below = side(1), side(-1)
    told = "*".join(above) or "1"
    return told if not below else f"{told}/{below[0]}" if len(below) == 1 else f"{told}/({'*'.join(below)})"
