"""The nodes of laws: immutable, hashable trees that do nothing by themselves.

A tree is made of numbers, fitted constants, columns, n-ary sums and products, powers and calls of
elementary functions. Division is a product with a power of -1, subtraction a sum with a factor -1, a
root a power of 1/2. The operators and `add`, `multiply`, `power` build lightly canonical trees: nested
sums and products are flat, exact numbers are folded, everything else stays as it was written.
`core.expr` evaluates and changes trees, `core.parser` reads them from text, `core.printing` writes them.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TypeAlias

from scikan.core.functions import LIBRARY, Function


Operand: TypeAlias = "Expr | Fraction | float | int"


class Expr:
    """Base of all nodes; `+ - * / **` and unary minus build larger trees from smaller ones."""

    __slots__ = ()
    # NumPy arrays leave operators to us, so that a mixed operation fails loudly, not elementwise.
    __array_ufunc__ = None

    def __add__(self, other: Operand) -> "Expr":
        return add((self, as_expr(other)))

    def __radd__(self, other: Operand) -> "Expr":
        return add((as_expr(other), self))

    def __sub__(self, other: Operand) -> "Expr":
        return add((self, -as_expr(other)))

    def __rsub__(self, other: Operand) -> "Expr":
        return add((as_expr(other), -self))

    def __mul__(self, other: Operand) -> "Expr":
        return multiply((self, as_expr(other)))

    def __rmul__(self, other: Operand) -> "Expr":
        return multiply((as_expr(other), self))

    def __truediv__(self, other: Operand) -> "Expr":
        return multiply((self, power(as_expr(other), Number(-1))))

    def __rtruediv__(self, other: Operand) -> "Expr":
        return multiply((as_expr(other), power(self, Number(-1))))

    def __pow__(self, other: Operand) -> "Expr":
        return power(self, as_expr(other))

    def __rpow__(self, other: Operand) -> "Expr":
        return power(as_expr(other), self)

    def __neg__(self) -> "Expr":
        return multiply((Number(-1), self))

    def __str__(self) -> str:
        from scikan.core.printing import to_python

        return to_python(self)

    def __repr__(self) -> str:
        return f"parse({str(self)!r})"


@dataclass(frozen=True, slots=True, repr=False)
class Number(Expr):
    """A fixed number: exact (a `Fraction`; integers become one) or a float; `name` for pi and e."""

    value: Fraction | float | int
    name: str = ""

    def __post_init__(self) -> None:
        kind = Fraction if isinstance(self.value, int | Fraction) else float
        if type(self.value) is not kind:
            object.__setattr__(self, "value", kind(self.value))


@dataclass(frozen=True, slots=True, repr=False)
class Constant(Expr):
    """A constant fitted to data, with its standard error, which plays no part in equality."""

    value: float | int
    error: float | int = field(default=math.nan, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", float(self.value))
        object.__setattr__(self, "error", float(self.error))


@dataclass(frozen=True, slots=True, repr=False)
class Symbol(Expr):
    """A column of the table, by its name."""

    name: str


@dataclass(frozen=True, slots=True, repr=False)
class Add(Expr):
    """A sum of two or more terms; build it with `+` or `add`."""

    args: tuple[Expr, ...]


@dataclass(frozen=True, slots=True, repr=False)
class Mul(Expr):
    """A product of two or more factors; build it with `*` or `multiply`."""

    args: tuple[Expr, ...]


@dataclass(frozen=True, slots=True, repr=False)
class Pow(Expr):
    """A power; build it with `**` or `power`."""

    base: Expr
    exponent: Expr


@dataclass(frozen=True, slots=True, repr=False)
class Call(Expr):
    """An elementary function of an argument; build it with `apply`."""

    function: Function
    argument: Expr


ZERO, ONE, MINUS_ONE, HALF = Number(0), Number(1), Number(-1), Number(Fraction(1, 2))
PI, E = Number(math.pi, "pi"), Number(math.e, "e")

# An exact number longer than this becomes a float, so that no chain of powers fills the memory.
_EXACT_BITS = 512


def as_expr(value: Operand) -> Expr:
    """Return `value` as a tree; Python numbers become `Number`s."""
    return value if isinstance(value, Expr) else Number(value)


def exact(expr: Expr) -> Fraction | None:
    """Return the exact value of an unnamed rational number, else None."""
    if isinstance(expr, Number) and not expr.name and isinstance(expr.value, Fraction):
        return expr.value
    return None


def as_float(expr: "Number | Constant") -> float:
    """Return the value of a number or constant as a float (infinite if it is too large for one)."""
    try:
        return float(expr.value)
    except OverflowError:
        return math.inf if expr.value > 0 else -math.inf


def _bounded(value: Fraction) -> Number:
    if max(value.numerator.bit_length(), value.denominator.bit_length()) <= _EXACT_BITS:
        return Number(value)
    return Number(as_float(Number(value)))


def add(terms: Iterable[Expr]) -> Expr:
    """Return the sum of `terms`: flat, exact numbers folded into the place of the first of them."""
    flat: list[Expr] = []
    for term in terms:
        flat.extend(term.args if isinstance(term, Add) else (term,))
    numbers = [(i, value) for i, term in enumerate(flat) if (value := exact(term)) is not None]
    if numbers:
        total = sum((value for _, value in numbers), Fraction(0))
        places = {i for i, _ in numbers}
        first = numbers[0][0]
        folded = _bounded(total)
        flat = [folded if i == first else t for i, t in enumerate(flat) if i == first or i not in places]
        if total == 0:
            flat.remove(folded)
    if len(flat) <= 1:
        return flat[0] if flat else ZERO
    return Add(tuple(flat))


def multiply(factors: Iterable[Expr]) -> Expr:
    """Return the product of `factors`: flat, one exact number at the front, a sign inside a number."""
    coefficient = Fraction(1)
    rest: list[Expr] = []
    for factor in factors:
        for f in factor.args if isinstance(factor, Mul) else (factor,):
            value = exact(f)
            if value is None:
                rest.append(f)
            else:
                coefficient *= value
    if coefficient == 0:
        return ZERO
    if coefficient == -1:
        for i, f in enumerate(rest):
            if is_numeric(f) and not getattr(f, "name", ""):
                rest[i] = _negated(f)
                coefficient = Fraction(1)
                break
    if coefficient != 1:
        rest.insert(0, _bounded(coefficient))
    if len(rest) <= 1:
        return rest[0] if rest else ONE
    return Mul(tuple(rest))


def power(base: Expr, exponent: Expr) -> Expr:
    """Return `base ** exponent`; small exact powers are folded, an inverse goes into a product."""
    written = exponent.value if isinstance(exponent, Number) else None
    if isinstance(written, float) and (2 * written).is_integer():
        exponent = Number(Fraction(written))
    e = exact(exponent)
    if e is None:
        return Pow(base, exponent)
    if e in (0, 1):
        return base if e == 1 else ONE
    value = exact(base)
    if value is not None and (value != 0 or e > 0):
        bits = max(value.numerator.bit_length(), value.denominator.bit_length())
        if value in (0, 1) or (e.denominator == 1 and bits * abs(e) <= _EXACT_BITS):
            return Number(value if value in (0, 1) else value ** int(e))
    if isinstance(base, Mul) and e == -1:
        return multiply(power(f, exponent) for f in base.args)
    if isinstance(base, Pow) and isinstance(base.exponent, Number) and not base.exponent.name:
        inner = base.exponent.value
        # (u**a)**b is u**(a b) for every real u if both are integers, and for every a if b is -1.
        if e == -1 or (e.denominator == 1 and Fraction(inner).denominator == 1):
            return power(base.base, Number(inner * e))
    return Pow(base, exponent)


def call(name: str, argument: Expr) -> Expr:
    """Return the elementary function of that name in the standard library at `argument`."""
    return Call(LIBRARY[name], argument)


def root(argument: Expr) -> Expr:
    """Return the square root of `argument`."""
    return power(argument, HALF)


def is_numeric(expr: Expr) -> bool:
    """Whether the node is a number or a fitted constant."""
    return isinstance(expr, Number | Constant)


def _negated(expr: Expr) -> Expr:
    if isinstance(expr, Constant):
        return Constant(-expr.value, expr.error)
    assert isinstance(expr, Number)
    return Number(-expr.value)


def children(expr: Expr) -> tuple[Expr, ...]:
    """Return the direct parts of a node, from left to right."""
    if isinstance(expr, Add | Mul):
        return expr.args
    if isinstance(expr, Pow):
        return (expr.base, expr.exponent)
    return (expr.argument,) if isinstance(expr, Call) else ()


def map_children(expr: Expr, change: Callable[[Expr], Expr]) -> Expr:
    """Return the node rebuilt from its changed parts (visited from left to right)."""
    if isinstance(expr, Add):
        return add([change(a) for a in expr.args])
    if isinstance(expr, Mul):
        return multiply([change(a) for a in expr.args])
    if isinstance(expr, Pow):
        base = change(expr.base)
        return power(base, change(expr.exponent))
    return Call(expr.function, change(expr.argument)) if isinstance(expr, Call) else expr


def substitute(expr: Expr, mapping: Mapping[str, Expr]) -> Expr:
    """Return the tree with columns replaced by trees, all at once."""
    if isinstance(expr, Symbol):
        return mapping.get(expr.name, expr)
    return map_children(expr, lambda part: substitute(part, mapping))


def walk(expr: Expr) -> Iterator[Expr]:
    """Yield all nodes, each before its parts, from left to right."""
    pending = [expr]
    while pending:
        node = pending.pop()
        yield node
        pending.extend(reversed(children(node)))


def depth(expr: Expr) -> int:
    """Return the number of levels of the tree (1 for a leaf)."""
    level, deepest = [expr], 0
    while level:
        deepest += 1
        level = [part for node in level for part in children(node)]
    return deepest


def split_sign(expr: Expr) -> tuple[bool, Expr]:
    """Return whether the node carries a minus sign, and the node without it."""
    if is_numeric(expr):
        negative = isinstance(expr, Number | Constant) and expr.value < 0
        return negative, _negated(expr) if negative else expr
    if isinstance(expr, Mul):
        signs = [split_sign(f) if is_numeric(f) else (False, f) for f in expr.args]
        bodies = [body for _, body in signs]
        return sum(sign for sign, _ in signs) % 2 == 1, multiply(bodies)
    return False, expr


def split_fraction(expr: Expr) -> tuple[list[Expr], list[Expr]]:
    """Return the factors above and below the line of a node without sign, numbers first.

    A factor with a negative fixed exponent stands below, with the exponent positive; the exact
    number of a product stays above, undivided.
    """
    above: list[Expr] = []
    below: list[Expr] = []
    for factor in expr.args if isinstance(expr, Mul) else (expr,):
        exponent = factor.exponent if isinstance(factor, Pow) else None
        if isinstance(factor, Pow) and isinstance(exponent, Number) and exponent.value < 0:
            below.append(power(factor.base, _negated(exponent)))
        else:
            above.append(factor)
    return sorted(above, key=_comes_late), sorted(below, key=_comes_late)


def _comes_late(factor: Expr) -> bool:
    return not is_numeric(factor)
