"""Tree to text: Python over column names (read back by `core.parser`), NumPy source, LaTeX, SymPy.

All of them write the natural form: a fraction where a factor has a negative power, a difference where a
term has a minus sign, a square root for the power 1/2, and as few brackets as precedence allows.
"""

import keyword
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from scikan.core.expr import symbols
from scikan.core.nodes import (
    Add,
    Call,
    Constant,
    Expr,
    Mul,
    Number,
    Pow,
    Symbol,
    as_float,
    exact,
    split_fraction,
    split_sign,
)


# How strongly a piece of text holds together; a piece is bracketed where a stronger one is needed.
_SUM, _PRODUCT, _POWER, _ATOM = range(1, 5)
_RESERVED = ("pi", "e")


@dataclass(frozen=True)
class _Words:
    """What differs between the dialects of Python: how numbers, columns and functions are written."""

    number: Callable[[float], str]
    named: Callable[[str], str]
    symbol: Callable[[str], str]
    function: Callable[[str], str]


def quoted(name: str) -> str:
    """Return a column's name as formulas write it: in backquotes unless it is a free identifier."""
    free = name.isidentifier() and not keyword.iskeyword(name) and name not in _RESERVED and name[:2] != "__"
    return name if free else "`" + name.replace("`", "``") + "`"


def to_python(expr: Expr) -> str:
    """Return the formula in Python's syntax; floats in their shortest form that reads back the same."""
    return to_text(expr)


def to_text(expr: Expr, digits: int | None = None) -> str:
    """Return the formula in Python's syntax, floats rounded to significant `digits` for show."""
    words = _Words(lambda v: _decimal(v, digits), lambda name: name, quoted, lambda name: name)
    return _written(expr, words)[0]


def to_numpy_source(expr: Expr, name: str = "law", arguments: tuple[str, ...] | None = None) -> str:
    """Return the source of a Python function of arrays that needs NumPy only.

    Args:
        expr: the tree.
        name: the function's name; an identifier.
        arguments: the columns in the order of the function's arguments; by default those used.
    """
    columns = symbols(expr) if arguments is None else arguments
    taken: dict[str, str] = {}
    for column in columns:
        plain = re.sub(r"\W", "_", column, flags=re.ASCII)
        plain = plain if plain[:1].isalpha() or plain[:1] == "_" else f"x_{plain}"
        while plain in taken.values() or keyword.iskeyword(plain) or plain == "np":
            plain += "_"
        taken[column] = plain
    numpy_names = {"sgn": "np.sign"}
    words = _Words(
        lambda v: _decimal(v, None) if math.isfinite(v) else f"float({str(v)!r})",
        lambda n: f"np.{n}",
        lambda n: taken[n],
        lambda n: numpy_names.get(n, f"np.{n}"),
    )
    if not name.isidentifier():
        name = "law"
    body = _written(expr, words)[0]
    return f"import numpy as np\n\n\ndef {name}({', '.join(taken.values())}):\n    return {body}\n"


def _decimal(value: float, digits: int | None) -> str:
    return repr(value) if digits is None else f"{value:.{digits}g}"


def _written(expr: Expr, words: _Words) -> tuple[str, int]:
    if isinstance(expr, Add):
        return _sum(expr, lambda body: _written(body, words), _bracketed)
    negative, body = split_sign(expr)
    if negative:
        text, level = _written(body, words)
        return "-" + _bracketed(text, level, _PRODUCT), _SUM
    if isinstance(expr, Symbol):
        return words.symbol(expr.name), _ATOM
    if isinstance(expr, Number | Constant):
        return _number(expr, words)
    if isinstance(expr, Call):
        return f"{words.function(expr.function.name)}({_written(expr.argument, words)[0]})", _ATOM
    above, below = split_fraction(expr)
    if isinstance(expr, Pow) and above:
        return _power(expr, words)
    top, bottom = _over_and_under(above, below)
    upper = "*".join(_bracketed(*_written(f, words), _PRODUCT) for f in top)
    if not bottom:
        return upper, _PRODUCT
    lower = "*".join(_bracketed(*_written(f, words), _PRODUCT if bottom[1:] else _POWER) for f in bottom)
    return f"{upper}/({lower})" if bottom[1:] else f"{upper}/{lower}", _PRODUCT


def _power(expr: Pow, words: _Words) -> tuple[str, int]:
    base, level = _written(expr.base, words)
    if exact(expr.exponent) == Fraction(1, 2):
        return f"{words.function('sqrt')}({base})", _ATOM
    exponent = _bracketed(*_written(expr.exponent, words), _POWER)
    return f"{_bracketed(base, level, _ATOM)}**{exponent}", _POWER


def _number(expr: Number | Constant, words: _Words) -> tuple[str, int]:
    if isinstance(expr, Number) and expr.name:
        return words.named(expr.name), _ATOM
    if isinstance(expr.value, Fraction):
        return str(expr.value), _ATOM if expr.value.denominator == 1 else _PRODUCT
    return words.number(as_float(expr)), _ATOM


def _over_and_under(above: list[Expr], below: list[Expr]) -> tuple[list[Expr], list[Expr]]:
    """Return both rows of a fraction, with the denominator of an exact number below the line."""
    value = next((v for f in above if (v := exact(f)) is not None), Fraction(1))
    top = [f for f in above if exact(f) is None]
    if value.numerator != 1 or not top:
        top.insert(0, Number(value.numerator))
    bottom = list(below)
    if value.denominator != 1:
        bottom.insert(0, Number(value.denominator))
    return top, bottom


def _sum(
    expr: Add, write: Callable[[Expr], tuple[str, int]], bracketed: Callable[[str, int, int], str]
) -> tuple[str, int]:
    parts = [split_sign(term) for term in expr.args]
    # A positive term comes first, so that people read b - a and not -a + b.
    first = next((i for i, (negative, _) in enumerate(parts) if not negative), 0)
    parts = [parts[first], *parts[:first], *parts[first + 1 :]]
    texts = [(" - " if negative else " + ") + bracketed(*write(body), _PRODUCT) for negative, body in parts]
    head = texts[0][3:]
    return ("-" + head if parts[0][0] else head) + "".join(texts[1:]), _SUM


def _bracketed(text: str, level: int, needed: int) -> str:
    return text if level >= needed else f"({text})"


_GREEK = frozenset(
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi"
    " chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega".split()
)
_LATEX_FUNCTIONS = {
    name: "\\" + name for name in "log sin cos tan sinh cosh tanh arcsin arccos arctan".split()
} | {"arctanh": "\\operatorname{artanh}", "sgn": "\\operatorname{sgn}"}
_LATEX_ESCAPES = {
    "\\": "\\backslash{}",
    "{": "\\{",
    "}": "\\}",
    "$": "\\$",
    "&": "\\&",
    "#": "\\#",
    "%": "\\%",
    "_": "\\_",
    "^": "\\hat{}",
    "~": "\\sim{}",
    " ": "\\ ",
}


def to_latex(expr: Expr, digits: int | None = None) -> str:
    """Return the formula in LaTeX (mathematical mode), floats rounded to significant `digits`."""
    return _latex(expr, digits)[0]


def _latex(expr: Expr, digits: int | None) -> tuple[str, int]:
    if isinstance(expr, Add):
        return _sum(expr, lambda body: _latex(body, digits), _braced)
    negative, body = split_sign(expr)
    if negative:
        return "-" + _braced(*_latex(body, digits), _PRODUCT), _SUM
    if isinstance(expr, Symbol):
        return latex_name(expr.name), _ATOM
    if isinstance(expr, Number | Constant):
        return _latex_number(expr, digits)
    if isinstance(expr, Call):
        return _latex_call(expr.function.name, _latex(expr.argument, digits)[0])
    above, below = split_fraction(expr)
    if isinstance(expr, Pow) and above:
        base, level = _latex(expr.base, digits)
        if exact(expr.exponent) == Fraction(1, 2):
            return f"\\sqrt{{{base}}}", _ATOM
        return f"{_braced(base, level, _ATOM)}^{{{_latex(expr.exponent, digits)[0]}}}", _POWER
    top, bottom = _over_and_under(above, below)
    if not bottom:
        return _latex_product(top, digits), _PRODUCT
    return f"\\frac{{{_latex_product(top, digits)}}}{{{_latex_product(bottom, digits)}}}", _PRODUCT


def _latex_product(factors: list[Expr], digits: int | None) -> str:
    if len(factors) == 1:
        return _latex(factors[0], digits)[0]
    texts = [_braced(*_latex(f, digits), _PRODUCT) for f in factors]
    product = texts[0]
    for text in texts[1:]:
        # Only before a digit would a mere space be read as one number.
        product += (" \\cdot " if text[0].isdigit() or text.startswith("\\frac") else " ") + text
    return product


def _latex_number(expr: Number | Constant, digits: int | None) -> tuple[str, int]:
    if isinstance(expr, Number) and expr.name:
        return ("\\pi" if expr.name == "pi" else expr.name), _ATOM
    if isinstance(expr.value, Fraction):
        p, q = expr.value.numerator, expr.value.denominator
        return (str(p), _ATOM) if q == 1 else (f"\\frac{{{p}}}{{{q}}}", _PRODUCT)
    text = _decimal(as_float(expr), digits)
    if "e" in text:
        mantissa, exponent = text.split("e")
        return f"{mantissa} \\cdot 10^{{{int(exponent)}}}", _PRODUCT
    return text, _ATOM


def _latex_call(name: str, argument: str) -> tuple[str, int]:
    if name == "exp":
        return f"e^{{{argument}}}", _POWER
    if name == "abs":
        return f"\\left|{argument}\\right|", _ATOM
    head = _LATEX_FUNCTIONS.get(name, f"\\operatorname{{{_escaped(name)}}}")
    return f"{head}\\left({argument}\\right)", _ATOM


def latex_name(name: str) -> str:
    """Return a column's name in LaTeX: Greek words as letters, digits and short endings after `_` as an index."""
    match = re.fullmatch(r"([^\W\d_]+?)_?(\d+)|([^\W\d_]|" + "|".join(_GREEK) + r")_(\w+)", name)
    if match:
        head, index = match[1] or match[3], match[2] or match[4]
        return f"{_latex_word(head)}_{{{index if index.isdigit() else _latex_word(index)}}}"
    return _latex_word(name)


def _latex_word(word: str) -> str:
    if word in _GREEK:
        return f"\\{word}"
    return word if len(word) == 1 and word.isalpha() else f"\\mathrm{{{_escaped(word)}}}"


def _escaped(text: str) -> str:
    return "".join(_LATEX_ESCAPES.get(letter, letter) for letter in text)


def _braced(text: str, level: int, needed: int) -> str:
    return text if level >= needed else f"\\left({text}\\right)"


def to_sympy(expr: Expr) -> Any:
    """Return the tree as a SymPy expression, columns as `Symbol(name)`; no text is parsed."""
    import sympy

    named = {"pi": sympy.pi, "e": sympy.E}
    functions = {
        "abs": sympy.Abs,
        "sgn": sympy.sign,
        "arcsin": sympy.asin,
        "arccos": sympy.acos,
        "arctan": sympy.atan,
        "arctanh": sympy.atanh,
    } | {name: getattr(sympy, name) for name in ("exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh")}

    def converted(node: Expr) -> Any:
        if isinstance(node, Add):
            return sympy.Add(*map(converted, node.args))
        if isinstance(node, Mul):
            return sympy.Mul(*map(converted, node.args))
        if isinstance(node, Pow):
            return sympy.Pow(converted(node.base), converted(node.exponent))
        if isinstance(node, Call):
            name = node.function.name
            return (functions.get(name) or sympy.Function(name))(converted(node.argument))
        if isinstance(node, Symbol):
            return sympy.Symbol(node.name)
        assert isinstance(node, Number | Constant)
        if isinstance(node.value, Fraction):
            return sympy.Rational(node.value.numerator, node.value.denominator)
        return (
            named[node.name]
            if isinstance(node, Number) and node.name in named
            else sympy.Float(as_float(node))
        )

    return converted(expr)
