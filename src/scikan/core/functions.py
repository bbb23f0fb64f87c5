"""The function library: one record per univariate function, immutable and extensible without globals.

A record holds everything that is known of a function: its value and derivative in either array
namespace (`xp` is `numpy` or `jax.numpy`), its symbolic twin as text in the variable `u`, its
complexity, an argument at which it is safe to evaluate when an edge is not selected, and which of the
constants a, b, c of `c f(a x + b) + d` can be told apart from data. Edges store only an index into a
tuple of records. There are no protected versions: outside its domain a function is NaN, and a fit
refuses a step that meets one, so that a formula and its network agree everywhere.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from fractions import Fraction
from typing import Any

from scikan.core.errors import UnknownFunctionError


Numeric = Callable[[Any, Any], Any]


@dataclass(frozen=True, eq=False)
class Function:
    """One univariate function f(u).

    Args:
        name: key in the library, as pykan names it where pykan has it ("x^2", "arctan").
        value: `value(xp, u)`, elementwise, where `xp` is `numpy` or `jax.numpy`.
        derivative: `derivative(xp, u)`, elementwise, df/du.
        twin: the same function as text in `u`, read by our own parser ("exp(-u**2)"). The default
            names the function itself: `name(u)`.
        complexity: 1 for the identity; larger is less simple.
        safe: an argument where value and derivative are finite.
        free: which of a, b, c in `c f(a u + b) + d` are identifiable; the rest stay at a = +-1, b = 0.
        copy_of: name of the function of which this one is an affine copy (cos of sin), else empty;
            copies are not candidates when an edge is named, but may be fixed by hand.
    """

    name: str
    value: Numeric
    derivative: Numeric
    twin: str = ""
    complexity: int = 3
    safe: float = 1.0
    free: str = "abc"
    copy_of: str = ""

    def __post_init__(self) -> None:
        if not self.twin:
            object.__setattr__(self, "twin", f"{self.name}(u)")

    @property
    def is_elementary(self) -> bool:
        """Whether the twin is the function itself, so that expressions call it by name."""
        return self.twin == f"{self.name}(u)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Function) and (self.name, self.twin) == (other.name, other.twin)

    def __hash__(self) -> int:
        return hash((self.name, self.twin))

    def __repr__(self) -> str:
        return f"Function({self.name!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        # Lambdas do not pickle; a record of the library travels as its name.
        if LIBRARY.get(self.name) is self:
            return (library_function, (self.name,))
        fields = (self.name, self.value, self.derivative, self.twin)
        return (Function, (*fields, self.complexity, self.safe, self.free, self.copy_of))


class Library(Mapping[str, Function]):
    """An immutable mapping from names to functions; `with_function` returns a larger one."""

    def __init__(self, functions: tuple[Function, ...]) -> None:
        self._records = {f.name: f for f in functions}

    def __getitem__(self, name: str) -> Function:
        try:
            return self._records[name]
        except KeyError:
            raise unknown_function(name, self._records) from None

    def get(self, name: str, default: Any = None) -> Any:
        return self._records.get(name, default)

    def __contains__(self, name: object) -> bool:
        return name in self._records

    def __iter__(self) -> Iterator[str]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)

    def __hash__(self) -> int:
        return hash(tuple(self._records.values()))

    def with_function(self, function: Function) -> "Library":
        """Return this library with `function` added, or put in the place of its namesake."""
        kept = tuple(f for f in self.values() if f.name != function.name)
        return Library((*kept, function))

    def only(self, *names: str) -> "Library":
        """Return the sub-library of these names."""
        return Library(tuple(self[name] for name in names))

    def candidates(self) -> tuple[Function, ...]:
        """Return the functions that differ by more than an affine map, simplest first, zero left out."""
        distinct = [f for f in self.values() if not f.copy_of and f.name != "0"]
        return tuple(sorted(distinct, key=lambda f: f.complexity))


def unknown_function(name: str, known: Mapping[str, Any]) -> UnknownFunctionError:
    """Return the error for a name that is not in the library, with the nearest known name."""
    near = get_close_matches(name, list(known), n=1)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    return UnknownFunctionError(
        f"Unknown function {name!r}. Known: {', '.join(known)}.",
        fix=hint + "Add your own with LIBRARY.with_function(Function(...)).",
    )


def library_function(name: str) -> Function:
    """Return the record of that name from the standard library (how records are unpickled)."""
    return LIBRARY[name]


def _power(n: int) -> tuple[Numeric, Numeric]:
    return lambda xp, u: u**n, lambda xp, u: n * u ** (n - 1)


def _inverse_power(n: int) -> tuple[Numeric, Numeric]:
    return lambda xp, u: 1.0 / u**n, lambda xp, u: -n / u ** (n + 1)


@dataclass(frozen=True)
class _Power:
    """u**p for any real p, as a value or a derivative; a class, so that the record pickles."""

    p: float
    derivative: bool = False

    def __call__(self, xp: Any, u: Any) -> Any:
        exponent = int(self.p) if self.p == int(self.p) else self.p
        return (
            exponent * self._raised(xp, u, exponent - 1) if self.derivative else self._raised(xp, u, exponent)
        )

    @staticmethod
    def _raised(xp: Any, u: Any, exponent: float | int) -> Any:
        return 1.0 / u**-exponent if isinstance(exponent, int) and exponent < 0 else u**exponent


def power_function(p: Fraction | float | int) -> Function:
    """Return the record of u**p: that of the library where it has one, else one named "x^p"."""
    name = _POWER_NAMES.get(float(p))
    if name is not None:
        return LIBRARY[name]
    text = str(p) if isinstance(p, Fraction) else repr(float(p))
    return Function(
        f"x^{text}",
        _Power(float(p)),
        _Power(float(p), derivative=True),
        twin=f"u**({text})",
        complexity=4,
        free="bc",
    )


_POWER_NAMES = {
    1.0: "x",
    2.0: "x^2",
    3.0: "x^3",
    4.0: "x^4",
    5.0: "x^5",
    0.5: "sqrt",
    1.5: "x^1.5",
    -0.5: "1/sqrt(x)",
    -1.0: "1/x",
    -2.0: "1/x^2",
    -3.0: "1/x^3",
    -4.0: "1/x^4",
    -5.0: "1/x^5",
}


def _functions() -> tuple[Function, ...]:
    powers = [
        Function(f"x^{n}", *_power(n), twin=f"u**{n}", complexity=c, free="bc")
        for n, c in ((2, 2), (3, 3), (4, 3), (5, 3))
    ]
    inverses = [
        Function(
            "1/x" if n == 1 else f"1/x^{n}", *_inverse_power(n), twin=f"u**(-{n})", complexity=c, free="bc"
        )
        for n, c in ((1, 2), (2, 2), (3, 3), (4, 4), (5, 5))
    ]
    root = (lambda xp, u: xp.sqrt(u), lambda xp, u: 0.5 / xp.sqrt(u))
    inverse_root = (lambda xp, u: 1.0 / xp.sqrt(u), lambda xp, u: -0.5 / (u * xp.sqrt(u)))
    return (
        Function(
            "x", lambda xp, u: u, lambda xp, u: xp.ones_like(u), twin="u", complexity=1, safe=0.0, free="c"
        ),
        *powers,
        *inverses,
        Function("sqrt", *root, twin="u**(1/2)", complexity=2, free="bc"),
        Function("x^0.5", *root, twin="u**(1/2)", complexity=2, free="bc", copy_of="sqrt"),
        Function(
            "x^1.5",
            lambda xp, u: u * xp.sqrt(u),
            lambda xp, u: 1.5 * xp.sqrt(u),
            twin="u**(3/2)",
            complexity=4,
            free="bc",
        ),
        Function("1/sqrt(x)", *inverse_root, twin="u**(-1/2)", complexity=2, free="bc"),
        Function("1/x^0.5", *inverse_root, twin="u**(-1/2)", complexity=2, free="bc", copy_of="1/sqrt(x)"),
        Function("exp", lambda xp, u: xp.exp(u), lambda xp, u: xp.exp(u), complexity=2, safe=0.0, free="ac"),
        Function("log", lambda xp, u: xp.log(u), lambda xp, u: 1.0 / u, complexity=2, free="bc"),
        Function("abs", lambda xp, u: xp.abs(u), lambda xp, u: xp.sign(u), complexity=3, free="bc"),
        Function("sin", lambda xp, u: xp.sin(u), lambda xp, u: xp.cos(u), complexity=2, safe=0.0),
        Function(
            "cos", lambda xp, u: xp.cos(u), lambda xp, u: -xp.sin(u), complexity=2, safe=0.0, copy_of="sin"
        ),
        Function("tan", lambda xp, u: xp.tan(u), lambda xp, u: 1.0 + xp.tan(u) ** 2, complexity=3, safe=0.0),
        Function(
            "tanh", lambda xp, u: xp.tanh(u), lambda xp, u: 1.0 - xp.tanh(u) ** 2, complexity=3, safe=0.0
        ),
        Function("sgn", lambda xp, u: xp.sign(u), lambda xp, u: xp.zeros_like(u), complexity=3, free="bc"),
        Function(
            "arcsin",
            lambda xp, u: xp.arcsin(u),
            lambda xp, u: 1.0 / xp.sqrt(1.0 - u * u),
            complexity=4,
            safe=0.0,
        ),
        Function(
            "arccos",
            lambda xp, u: xp.arccos(u),
            lambda xp, u: -1.0 / xp.sqrt(1.0 - u * u),
            complexity=4,
            safe=0.0,
            copy_of="arcsin",
        ),
        Function(
            "arctan", lambda xp, u: xp.arctan(u), lambda xp, u: 1.0 / (1.0 + u * u), complexity=4, safe=0.0
        ),
        Function(
            "arctanh", lambda xp, u: xp.arctanh(u), lambda xp, u: 1.0 / (1.0 - u * u), complexity=4, safe=0.0
        ),
        Function(
            "gaussian",
            lambda xp, u: xp.exp(-u * u),
            lambda xp, u: -2.0 * u * xp.exp(-u * u),
            twin="exp(-u**2)",
            complexity=3,
            safe=0.0,
        ),
        Function("sinh", lambda xp, u: xp.sinh(u), lambda xp, u: xp.cosh(u), complexity=4, safe=0.0),
        Function("cosh", lambda xp, u: xp.cosh(u), lambda xp, u: xp.sinh(u), complexity=4, safe=0.0),
        Function(
            "0",
            lambda xp, u: xp.zeros_like(u),
            lambda xp, u: xp.zeros_like(u),
            twin="0",
            complexity=0,
            safe=0.0,
            free="",
        ),
    )


LIBRARY = Library(_functions())
"""The standard library: pykan's 29 names, and sinh and cosh."""
