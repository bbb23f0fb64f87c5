"""A law as a tape: its value and its derivatives with respect to its fitted constants, in one pass.

A constant stands in one place; a parameter is a symbol that is no column and may stand in many. Parts of the tree
without either are evaluated once, when the tape is made. What is left is a
short list of steps; each carries the derivatives forward as a sparse table from the number of a
constant to an array, so that a constant costs only on its way to the root.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from scikan.core.errors import FormulaError
from scikan.core.expr import Add, Call, Constant, Expr, Mul, Pow, Symbol, constants, evaluate, raised, symbols


Slopes: TypeAlias = dict[int, Any]
# A step takes the constants and returns a value and its slopes.
Step: TypeAlias = Callable[[np.ndarray], tuple[Any, Slopes]]


@dataclass(frozen=True, eq=False)
class Tape:
    """A law on fixed columns, as a function of its fitted constants.

    Args:
        step: the root of the tree.
        n_rows: N.
        n_constants: how many fitted constants it has, in the order of `constants(expr)`, then its parameters.
    """

    step: Step
    n_rows: int
    n_constants: int

    def __call__(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the law's value, `(N,)`, and its Jacobian, `(N, n_constants)`, at these constants."""
        with np.errstate(all="ignore"):
            value, slopes = self.step(values)
        # Columns first: each derivative is then written in one stretch of memory.
        jacobian = np.zeros((self.n_constants, self.n_rows))
        for i, slope in slopes.items():
            jacobian[i] = slope
        return np.broadcast_to(np.asarray(value, float), (self.n_rows,)), jacobian.T


def tape(
    expr: Expr, columns: Mapping[str, Any], n_rows: int | None = None, parameters: Sequence[str] = ()
) -> Tape:
    """Return the tape of a law on columns of shape `(N,)`.

    Args:
        expr: the law.
        columns: by name.
        n_rows: N, for a law without columns.
        parameters: symbols that are varied like constants; they come after these.

    Raises:
        ColumnError: the law uses a column that is not given.
        FormulaError: there are neither columns nor `n_rows`.
    """
    if n_rows is None:
        if not columns:
            raise FormulaError("A law without columns has no rows.", fix="Give `n_rows`.")
        n_rows = len(next(iter(columns.values())))
    arrays = {name: np.asarray(column, dtype=float) for name, column in columns.items()}
    n_constants = len(constants(expr))
    numbering = iter(range(n_constants))
    places = {name: n_constants + i for i, name in enumerate(parameters)}

    def step(node: Expr) -> Step:
        return _step(node, arrays, numbering, places, step)

    return Tape(step(expr), n_rows, n_constants + len(places))


def value_and_jacobian(expr: Expr, columns: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Return the law's value, `(N,)`, and its derivatives by its fitted constants, `(N, n_constants)`."""
    values = np.array([c.value for c in constants(expr)])
    return tape(expr, columns)(values)


def _step(
    node: Expr,
    columns: Mapping[str, np.ndarray],
    numbering: Any,
    places: Mapping[str, int],
    step: Callable[[Expr], Step],
) -> Step:
    if isinstance(node, Constant):
        return _constant(next(numbering))
    if isinstance(node, Symbol) and node.name in places:
        return _constant(places[node.name])
    if not constants(node) and (not places or places.keys().isdisjoint(symbols(node))):
        return _fixed(evaluate(node, columns))
    if isinstance(node, Add):
        return _sum([step(term) for term in node.args])
    if isinstance(node, Mul):
        return _product([step(factor) for factor in node.args])
    if isinstance(node, Pow):
        base = step(node.base)
        return _power(base, step(node.exponent))
    assert isinstance(node, Call)
    return _call(node, step(node.argument))


def _constant(i: int) -> Step:
    slopes = {i: 1.0}
    return lambda values: (values[i], slopes)


def _fixed(value: Any) -> Step:
    result: tuple[Any, Slopes] = (np.float64(value) if isinstance(value, float) else value, {})
    return lambda values: result


def _add(slopes: Slopes, more: Slopes) -> None:
    """Add slopes in place; only parameters occur in both."""
    for i, slope in more.items():
        slopes[i] = slopes[i] + slope if i in slopes else slope


def _sum(terms: list[Step]) -> Step:
    def step(values: np.ndarray) -> tuple[Any, Slopes]:
        total, slopes = terms[0](values)
        slopes = dict(slopes)
        for term in terms[1:]:
            value, more = term(values)
            total = total + value
            _add(slopes, more)
        return total, slopes

    return step


def _product(factors: list[Step]) -> Step:
    def step(values: np.ndarray) -> tuple[Any, Slopes]:
        product, slopes = factors[0](values)
        for factor in factors[1:]:
            value, more = factor(values)
            scaled = {i: slope * value for i, slope in slopes.items()}
            _add(scaled, {i: product * slope for i, slope in more.items()})
            product, slopes = product * value, scaled
        return product, slopes

    return step


def _power(base: Step, exponent: Step) -> Step:
    def step(values: np.ndarray) -> tuple[Any, Slopes]:
        b, by_base = base(values)
        e, by_exponent = exponent(values)
        value = np.asarray(raised(b, e, np))[()]
        slopes: Slopes = {}
        if by_base:
            outer = e * raised(b, e - 1.0, np)
            slopes = {i: outer * slope for i, slope in by_base.items()}
        if by_exponent:
            # 0**e stays 0 for every positive e: its slope is 0, not 0 * log(0).
            outer = np.where(value == 0, 0.0, value * np.log(b))
            _add(slopes, {i: outer * slope for i, slope in by_exponent.items()})
        return value, slopes

    return step


def _call(node: Call, argument: Step) -> Step:
    f, derivative = node.function.value, node.function.derivative

    def step(values: np.ndarray) -> tuple[Any, Slopes]:
        u, by_argument = argument(values)
        outer = derivative(np, u)
        return f(np, u), {i: outer * slope for i, slope in by_argument.items()}

    return step
