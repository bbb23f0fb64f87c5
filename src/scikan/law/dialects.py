"""A law as source text of other languages, written by our own printer from the inert tree.

The text keeps the order of operations of `core.expr.evaluate`: terms and factors from left to right, one division
for every factor below the line. So what another language computes differs by the rounding of its functions only.
A dialect is a small record: how numbers, columns, functions and powers are written.
"""

import keyword
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from scikan.core.errors import FormulaError
from scikan.core.expr import (
    Add,
    Call,
    Constant,
    Expr,
    Mul,
    Number,
    Pow,
    Symbol,
    as_float,
    evaluate,
    exact,
    split_sign,
    symbols,
)


_SUM, _PRODUCT, _SIGN, _ATOM = range(1, 5)
_ELEMENTARY = "exp log abs sin cos tan sinh cosh tanh sgn arcsin arccos arctan arctanh sqrt".split()


@dataclass(frozen=True)
class Dialect:
    """How one language writes a formula.

    Args:
        name: the language.
        number: writes a finite float.
        whole: writes an integer.
        functions: names of the elementary functions (and sqrt) by our own.
        power: writes a power from the texts of base and exponent, neither bracketed.
        named: how pi and e are written, where the language has them.
        folds: whether a function of a mere number is written as its value.
    """

    name: str
    number: Callable[[float], str]
    whole: Callable[[int], str]
    functions: Mapping[str, str]
    power: Callable[[str, str], str]
    named: Mapping[str, str] = field(default_factory=dict)
    folds: bool = False


def write(expr: Expr, dialect: Dialect, columns: Mapping[str, str]) -> str:
    """Return the formula as an expression of the language.

    Args:
        expr: the tree.
        dialect: the language.
        columns: how each column is written there.

    Raises:
        FormulaError: a function that the language lacks (one of the user's own), or a number that is not finite.
    """
    return _Writer(dialect, columns).text(expr)[0]


@dataclass(frozen=True)
class _Writer:
    dialect: Dialect
    columns: Mapping[str, str]

    def text(self, expr: Expr) -> tuple[str, int]:
        if isinstance(expr, Symbol):
            return self.columns[expr.name], _ATOM
        if isinstance(expr, Number | Constant):
            return self.number(expr)
        if isinstance(expr, Add):
            return self.sum(expr)
        if isinstance(expr, Mul):
            return self.product(expr)
        if self.dialect.folds and not symbols(expr):
            return self.number(Number(float(evaluate(expr, {}))))
        if isinstance(expr, Pow):
            return self.product(Mul((expr,))) if _below(expr) else self.raised(expr.base, expr.exponent)
        assert isinstance(expr, Call)
        return self.called(expr.function.name, self.text(expr.argument)[0]), _ATOM

    def number(self, expr: Number | Constant) -> tuple[str, int]:
        if isinstance(expr, Number) and expr.name in self.dialect.named:
            return self.dialect.named[expr.name], _ATOM
        value = exact(expr)
        if value is None or max(abs(value.numerator), value.denominator) > 2**53:
            decimal = as_float(expr)
            if not math.isfinite(decimal):
                raise FormulaError(
                    f"The number {decimal} has no text in {self.dialect.name}.",
                    fix="Leave it out of the law.",
                )
            return self.dialect.number(decimal), _ATOM if decimal >= 0 else _SIGN
        text = self.dialect.whole(value.numerator)
        if value.denominator == 1:
            return text, _ATOM if value >= 0 else _SIGN
        return f"{text}/{self.dialect.whole(value.denominator)}", _PRODUCT

    def sum(self, expr: Add) -> tuple[str, int]:
        # Minus a term is plus its negative, to the last bit; so signs move, but no term does.
        parts = [split_sign(term) for term in expr.args]
        texts = [_bracketed(*self.text(body), _PRODUCT) for _, body in parts]
        head = ("-" if parts[0][0] else "") + texts[0]
        rest = zip(parts[1:], texts[1:], strict=True)
        return head + "".join((" - " if sign else " + ") + text for (sign, _), text in rest), _SUM

    def product(self, expr: Mul) -> tuple[str, int]:
        text = ""
        for factor in expr.args:
            exponent = _below(factor)
            if isinstance(factor, Pow) and exponent:
                below = _bracketed(*self.raised(factor.base, exponent), _ATOM)
                text = (text or self.dialect.whole(1)) + "/" + below
            elif text:
                text += "*" + _bracketed(*self.text(factor), _ATOM)
            else:
                text = _bracketed(*self.text(factor), _PRODUCT)
        return text, _PRODUCT

    def raised(self, base: Expr, exponent: Expr) -> tuple[str, int]:
        if exact(exponent) == 1:
            return self.text(base)
        if exact(exponent) == Fraction(1, 2):
            return self.called("sqrt", self.text(base)[0]), _ATOM
        parts = (_bracketed(*self.text(part), _ATOM) for part in (base, exponent))
        return self.dialect.power(*parts), _ATOM

    def called(self, name: str, argument: str) -> str:
        known = self.dialect.functions.get(name)
        if known is None:
            raise FormulaError(
                f"{self.dialect.name} has no function {name!r}.",
                fix="Write your own function as a formula of elementary ones (its `twin`).",
            )
        return f"{known}({argument})"


def _below(factor: Expr) -> Number | None:
    """Return the positive exponent of a factor that stands below the line."""
    exponent = factor.exponent if isinstance(factor, Pow) else None
    if isinstance(exponent, Number) and exponent.value < 0:
        return Number(-exponent.value)
    return None


def _bracketed(text: str, level: int, needed: int) -> str:
    return text if level >= needed else f"({text})"


def _functions(prefix: str, **renamed: str) -> dict[str, str]:
    return {name: prefix + renamed.get(name, name) for name in _ELEMENTARY}


def _star(base: str, exponent: str) -> str:
    # Bracketed as a whole, so that a sign before it and a power of it read as they should.
    return f"({base}**{exponent})"


def _c_number(value: float) -> str:
    text = repr(value)
    return text if any(letter in text for letter in ".e") else text + ".0"


_SHORT = {"arcsin": "asin", "arccos": "acos", "arctan": "atan", "arctanh": "atanh"}
NUMPY = Dialect("NumPy", repr, str, _functions("np.", sgn="sign"), _star, {"pi": "np.pi", "e": "np.e"})
JAX = Dialect("JAX", repr, str, _functions("jnp.", sgn="sign"), _star, {"pi": "jnp.pi", "e": "jnp.e"})
TORCH = Dialect("PyTorch", repr, str, _functions("torch.", sgn="sign"), _star, {"pi": "torch.pi"}, folds=True)
C = Dialect(
    "C",
    _c_number,
    lambda n: f"{n}.0",
    _functions("", abs="fabs", sgn="scikan_sign", **_SHORT),
    lambda base, exponent: f"pow({base}, {exponent})",
)
EXCEL = Dialect(
    "Excel",
    lambda value: f"{value:.15g}".upper(),
    str,
    {name: text.upper() for name, text in _functions("", log="ln", sgn="sign", **_SHORT).items()},
    lambda base, exponent: f"POWER({base},{exponent})",
    {"pi": "PI()"},
)
SYMPY = Dialect(
    "SymPy",
    lambda value: f"sp.Float({value!r}, 17)" if value >= 0 else f"(-sp.Float({-value!r}, 17))",
    lambda n: f"sp.Integer({n})",
    _functions("sp.", abs="Abs", sgn="sign", **_SHORT),
    _star,
    {"pi": "sp.pi", "e": "sp.E"},
)


def identifiers(names: tuple[str, ...], taken: frozenset[str] = frozenset()) -> dict[str, str]:
    """Return an identifier of C and of Python for each column, all different and none of `taken`."""
    given: dict[str, str] = {}
    for name in names:
        plain = re.sub(r"\W", "_", name, flags=re.ASCII)
        plain = plain if plain[:1].isalpha() else f"x_{plain}"
        while plain in given.values() or keyword.iskeyword(plain) or plain in taken or plain in _C_WORDS:
            plain += "_"
        given[name] = plain
    return given


_C_WORDS = frozenset(
    "auto break case char const continue default do double else enum extern float for goto if inline int long"
    " register restrict return short signed sizeof static struct switch typedef union unsigned void volatile while"
    " main pow fabs exp log sin cos tan sinh cosh tanh asin acos atan atanh sqrt scikan_sign np jnp jax torch sp"
    " y0 y1 yn j0 j1 jn gamma lgamma tgamma erf floor ceil round abs div index time signal law".split()
)
