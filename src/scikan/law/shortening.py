r"""Parts of a fitted law that the data do not need: each is left out in turn, and the rest is fitted again.

Laws that were put together from named curves carry more constants than they need: an offset in every factor,
a term that another one cancels. A deletion stays if the description length falls; with data that fit to rounding
that asks for an exact law again.
"""

from collections.abc import Callable, Hashable, Iterator
from itertools import chain

from scikan.core.expr import (
    ONE,
    ZERO,
    Add,
    Constant,
    Expr,
    Mul,
    Number,
    add,
    children,
    evaluate,
    map_children,
    multiply,
    walk,
)
from scikan.law.folding import key, split_coefficient
from scikan.law.polynomials import expanded


MOST_ROUNDS = 24
CANCELLED = 1e-9
"""Share of its parts below which a sum of coefficients is nothing but rounding."""

MOST_NODES = 90
LEAST_GAIN = 0.05
"""Bits below which a form is no shorter: two ways of writing one law differ by rounding."""

Judge = Callable[[Expr], tuple[float, Expr] | None]


def shortened(expr: Expr, judge: Judge) -> Expr:
    """Return the law without the parts that it does not need.

    Args:
        expr: a law with fitted constants.
        judge: fits a law's constants and simplifies it; returns its bits and the fitted law, or None if it is
            undefined somewhere.
    """
    start = judge(expr)
    if start is None or sum(1 for _ in walk(expr)) > MOST_NODES:
        return expr
    bits, best = start
    refused: set[str] = set()
    for _ in range(MOST_ROUNDS):
        for trial in chain(multiplied_out(best), deletions(best)):
            name = _shape(trial)
            if name in refused:
                continue
            found = judge(trial)
            if found is not None and found[0] < bits - LEAST_GAIN:
                bits, best = found
                refused.clear()
                break
            refused.add(name)
        else:
            break
    return best


def multiplied_out(expr: Expr) -> Iterator[Expr]:
    """Yield the law with one of its sums or products multiplied out and terms that cancel left out."""

    def visit(node: Expr, put: Callable[[Expr], Expr]) -> Iterator[Expr]:
        if isinstance(node, Add | Mul):
            whole = _collected(expanded(node))
            if whole != node:
                yield put(whole)
        for n, child in enumerate(children(node)):
            yield from visit(child, _inside(node, n, put))

    yield from visit(expr, lambda new: new)


def _collected(expr: Expr) -> Expr:
    """Return a sum with like terms added up; those that cancel to rounding are gone."""
    if not isinstance(expr, Add):
        return expr
    groups: dict[Hashable, tuple[Expr, list[Expr]]] = {}
    for term in expr.args:
        coefficient, body = split_coefficient(term)
        groups.setdefault(key(body), (body, []))[1].append(coefficient)
    terms = []
    for body, coefficients in groups.values():
        values = [float(evaluate(c, {})) for c in coefficients]
        if abs(sum(values)) > CANCELLED * sum(map(abs, values)):
            one = coefficients[0] if len(values) == 1 else Constant(sum(values))
            terms.append(multiply((one, body)))
    return add(terms)


def deletions(expr: Expr) -> Iterator[Expr]:
    """Yield the law without one part: each term of its sums, each factor of its products; large parts first."""
    found: list[tuple[int, Expr]] = []

    def visit(node: Expr, put: Callable[[Expr], Expr]) -> None:
        if isinstance(node, Add | Mul):
            build, rest = (add, ZERO) if isinstance(node, Add) else (multiply, ONE)
            for n, part in enumerate(node.args):
                left = [a for m, a in enumerate(node.args) if m != n]
                # A constant factor only sets the scale: without it nothing is simpler where a law needs one.
                if isinstance(node, Mul) and isinstance(part, Number):
                    continue
                found.append((sum(1 for _ in walk(part)), put(build(left) if left else rest)))
        for n, child in enumerate(children(node)):
            visit(child, _inside(node, n, put))

    visit(expr, lambda new: new)
    yield from (trial for _, trial in sorted(found, key=lambda pair: -pair[0]))


def _inside(node: Expr, n: int, put: Callable[[Expr], Expr]) -> Callable[[Expr], Expr]:
    """Return what puts a new n-th part into a node, and that to where the node stands."""

    def placed(new: Expr) -> Expr:
        parts = iter([new if m == n else part for m, part in enumerate(children(node))])
        return put(map_children(node, lambda _: next(parts)))

    return placed


def _shape(expr: Expr) -> str:
    """Return the text of a law with its fitted constants alike."""
    if isinstance(expr, Constant):
        return "c"
    parts = children(expr)
    if not parts:
        return str(expr)
    name = getattr(getattr(expr, "function", None), "name", "")
    return f"{type(expr).__name__}{name}({','.join(map(_shape, parts))})"
