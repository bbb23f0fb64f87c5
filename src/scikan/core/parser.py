"""Text to tree, by a parser of our own: a closed list of tokens, no recursion, nothing is ever run.

The grammar is Python's for `+ - * / **` (also `^`), signs, brackets and calls of one argument. Columns
whose names are no identifiers stand in backquotes. Operators wait on a stack until a weaker one comes,
runs of sums and of products are built in one go, so that the time is linear in the text.
"""

import keyword
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from fractions import Fraction
from functools import lru_cache

from scikan.core.errors import FormulaError, UnknownFunctionError
from scikan.core.functions import LIBRARY, Function
from scikan.core.nodes import (
    HALF,
    PI,
    Call,
    Constant,
    E,
    Expr,
    Number,
    Pow,
    Symbol,
    add,
    depth,
    multiply,
    power,
    substitute,
    walk,
)


LONGEST_TEXT = 10_000
DEEPEST = 200
LARGEST_EXPONENT = 1_000
LONGEST_INTEGER = 40

ALIASES: Mapping[str, str] = {
    "Abs": "abs",
    "asin": "arcsin",
    "acos": "arccos",
    "atan": "arctan",
    "atanh": "arctanh",
    "ln": "log",
    "sign": "sgn",
}

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>[^\W\d]\w*)|`(?P<quoted>(?:[^`]|``)+)`|(?P<operator>\*\*|[-+*/^()]))"
)

_STRENGTH = {"(": 0, "+": 1, "-": 1, "*": 2, "/": 2, "neg": 3, "^": 4}


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


@dataclass(frozen=True, slots=True)
class _Operator:
    """An operator, an opening bracket or (a bracket with a function) a call that waits for its operands."""

    symbol: str
    at: int
    function: str = ""


def parse(
    text: str,
    names: Iterable[str] | None = None,
    library: Mapping[str, Function] = LIBRARY,
    constants: bool = False,
) -> Expr:
    """Return the tree of a formula.

    Args:
        text: the formula, as Python writes it; `^` is a power too. Integers are exact numbers, decimals
            are floats.
        names: the columns that may occur; None admits every identifier. `pi` and `e` are the numbers
            unless a column has that name; in backquotes a name is always a column.
        library: the functions that may be called, next to their usual aliases (ln, asin, ...).
        constants: whether decimals are fitted constants instead of fixed numbers (integers never are).

    Raises:
        FormulaError: the text is no formula; the message tells the position and, for a name, its neighbour.
        UnknownFunctionError: a call of something that is not in the library.
    """
    if len(text) > LONGEST_TEXT:
        raise FormulaError(
            f"The formula has {len(text)} characters; at most {LONGEST_TEXT} are read.",
            fix="Split the formula into parts.",
        )
    reader = _Reader(text, None if names is None else tuple(names), library, constants)
    return _checked(reader.tree(), text)


def apply(function: Function, argument: Expr) -> Expr:
    """Return `function` of `argument` as a tree: a call if it is elementary, else its twin written out.

    Raises:
        FormulaError: the twin of the record is no formula in `u`.
    """
    if function.is_elementary:
        return Call(function, argument)
    return substitute(_twin(function.twin), {"u": argument})


@lru_cache(maxsize=256)
def _twin(text: str) -> Expr:
    return parse(text, names=("u",))


def _tokens(text: str) -> list[_Token]:
    tokens, at, end = [], 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            at += len(text[at:]) - len(text[at:].lstrip())
            raise _fault(text, at, f"{text[at]!r} does not belong in a formula")
        kind = match.lastgroup
        tokens.append(_Token(kind, match[kind], match.start(kind)))
        at = match.end()
    return tokens


def _fault(text: str, at: int, what: str, fix: str = "") -> FormulaError:
    shown = text if len(text) <= 60 else f"{text[max(0, at - 30) : at + 30]}"
    return FormulaError(
        f"{what} (column {at + 1} of the formula {shown!r}).",
        fix=fix or "Write numbers, column names, + - * / **, brackets and calls such as sqrt(x).",
    )


class _Reader:
    """Operands and operators that wait; one pass over the tokens builds the tree."""

    def __init__(
        self, text: str, names: tuple[str, ...] | None, library: Mapping[str, Function], constants: bool
    ) -> None:
        self.text, self.names, self.library, self.constants = text, names, library, constants
        self.operands: list[Expr] = []
        self.waiting: list[_Operator] = []

    def tree(self) -> Expr:
        tokens = _tokens(self.text)
        if not tokens:
            raise _fault(self.text, 0, "The formula is empty")
        operand_next, i, brackets = True, 0, 0
        while i < len(tokens):
            token = tokens[i]
            following = tokens[i + 1].text if i + 1 < len(tokens) and tokens[i + 1].kind == "operator" else ""
            if operand_next:
                if token.kind == "name" and following == "(":
                    self.waiting.append(_Operator("(", token.at, self._function(token)))
                    i, brackets = i + 1, brackets + 1
                elif token.kind == "operator":
                    brackets += self._prefix(token)
                else:
                    self.operands.append(self._operand(token))
                    operand_next = False
            elif token.text == ")" and token.kind == "operator":
                self._close(token)
                brackets -= 1
            else:
                self._infix(token)
                operand_next = True
            if brackets > DEEPEST or len(self.waiting) > LONGEST_TEXT // 2:
                raise _fault(self.text, token.at, f"More than {DEEPEST} brackets are open")
            i += 1
        if operand_next:
            raise _fault(self.text, len(self.text), "The formula ends where an operand is missing")
        self._build(1)
        if self.waiting:
            raise _fault(self.text, self.waiting[-1].at, "A bracket is not closed")
        return self.operands[0]

    def _prefix(self, token: _Token) -> int:
        if token.text == "(":
            self.waiting.append(_Operator("(", token.at))
            return 1
        if token.text == "-":
            # A double minus is a plus; so a row of signs cannot make a deep tree.
            if self.waiting and self.waiting[-1].symbol == "neg":
                self.waiting.pop()
            else:
                self.waiting.append(_Operator("neg", token.at))
        elif token.text != "+":
            raise _fault(self.text, token.at, f"An operand is missing before {token.text!r}")
        return 0

    def _infix(self, token: _Token) -> None:
        symbol = "^" if token.text == "**" else token.text
        if token.kind != "operator" or symbol == "(":
            raise _fault(self.text, token.at, f"An operator is missing before {token.text!r}")
        self._build(_STRENGTH[symbol] + 1)
        self.waiting.append(_Operator(symbol, token.at))

    def _close(self, token: _Token) -> None:
        self._build(1)
        if not self.waiting:
            raise _fault(self.text, token.at, "A bracket is closed that was not opened")
        function = self.waiting.pop().function
        if function:
            self.operands.append(self._called(function, self.operands.pop()))

    def _build(self, strength: int) -> None:
        """Apply the waiting operators that bind at least so strongly, back to the last bracket."""
        while self.waiting and (level := _STRENGTH[self.waiting[-1].symbol]) >= strength and level > 0:
            if level == 3:
                self.waiting.pop()
                self.operands.append(-self.operands.pop())
                continue
            run: list[_Operator] = []
            while self.waiting and _STRENGTH[self.waiting[-1].symbol] == level:
                run.append(self.waiting.pop())
            parts = self.operands[-len(run) - 1 :]
            del self.operands[-len(run) - 1 :]
            self.operands.append(self._joined(run[::-1], parts))

    def _joined(self, run: list[_Operator], parts: list[Expr]) -> Expr:
        if run[0].symbol == "^":
            tree = parts[-1]
            for operator, base in zip(run[::-1], parts[-2::-1], strict=True):
                if _is_large(tree):
                    raise _fault(self.text, operator.at, f"An exponent is larger than {LARGEST_EXPONENT}")
                tree = power(base, tree)
            return tree
        signed = [
            -p if o.symbol == "-" else power(p, Number(-1)) if o.symbol == "/" else p
            for o, p in zip(run, parts[1:], strict=True)
        ]
        return (add if run[0].symbol in "+-" else multiply)((parts[0], *signed))

    def _function(self, token: _Token) -> str:
        name = ALIASES.get(token.text, token.text)
        # The identity's name in the library is "x": x(2) is a forgotten operator, not a call.
        if name in ("sqrt", "log10") or (name in self.library and name != "x"):
            return name
        known = [*(n for n in self.library if n != "x"), *ALIASES, "log10"]
        near = get_close_matches(token.text, known, n=1)
        raise UnknownFunctionError(
            f"Unknown function {token.text!r} (column {token.at + 1} of the formula).",
            fix=(f"Did you mean {near[0]!r}? " if near else "")
            + f"Known: {', '.join(k for k in known if k.isidentifier())}.",
        )

    def _called(self, name: str, argument: Expr) -> Expr:
        if name == "log10":
            return Call(LIBRARY["log"], argument) / Call(LIBRARY["log"], Number(10))
        if name == "sqrt":
            return power(argument, HALF)
        return apply(self.library[name], argument)

    def _operand(self, token: _Token) -> Expr:
        if token.kind == "number":
            return self._number(token)
        name = token.text.replace("``", "`") if token.kind == "quoted" else token.text
        if self.names is not None and name in self.names:
            return Symbol(name)
        if token.kind == "name":
            if name in ("pi", "e"):
                return PI if name == "pi" else E
            if self.names is None and (keyword.iskeyword(name) or name.startswith("__")):
                raise _fault(
                    self.text,
                    token.at,
                    f"{name!r} is no column name that can stand alone",
                    fix=f"If it is a column, write it in backquotes: `{name}`.",
                )
        if self.names is None:
            return Symbol(name)
        near = get_close_matches(name, self.names, n=1)
        raise _fault(
            self.text,
            token.at,
            f"Unknown name {name!r}",
            fix=(f"Did you mean {near[0]!r}? " if near else "") + f"Columns: {', '.join(self.names)}.",
        )

    def _number(self, token: _Token) -> Expr:
        if token.text.isdigit() and len(token.text) <= LONGEST_INTEGER:
            return Number(Fraction(int(token.text)))
        value = float(token.text)
        if not math.isfinite(value):
            raise _fault(self.text, token.at, f"The number {token.text[:20]} is too large")
        return Constant(value) if self.constants else Number(value)


def _checked(tree: Expr, text: str) -> Expr:
    if depth(tree) > DEEPEST:
        raise _fault(text, 0, f"The formula is nested more than {DEEPEST} levels deep")
    for node in walk(tree):
        if isinstance(node, Number) and isinstance(node.value, float) and not math.isfinite(node.value):
            raise _fault(text, 0, "A number in the formula is too large")
        if isinstance(node, Pow) and _is_large(node.exponent):
            raise _fault(text, 0, f"An exponent is larger than {LARGEST_EXPONENT}")
    return tree


def _is_large(exponent: Expr) -> bool:
    return isinstance(exponent, Number) and not -LARGEST_EXPONENT <= exponent.value <= LARGEST_EXPONENT
