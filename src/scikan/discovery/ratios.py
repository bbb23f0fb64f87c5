r"""Laws whose unknowns become linear when multiplied out: rational functions, and quotients with one library feature.

$z = P/Q$ with the constant of Q set to 1 is $z = P - z (Q - 1)$, regression on monomials and on z times
monomials; weights 1/|Q| of the last round turn its residuals into those of z.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Float

from scikan.core.expr import ONE, Expr
from scikan.discovery.stages import elimination, monomials, polynomial_of


Rows = Float[np.ndarray, "_ _"]
Vector = Float[np.ndarray, " _"]

DEGREES = ((1, 1), (2, 1), (2, 2), (3, 2))
MOST_COLUMNS = 60
MOST_TERMS = 9
N_ROUNDS = 3


def rationals(x: Rows, z: Vector, names: tuple[str, ...], root_weight: Vector) -> Iterator[Expr]:
    """Yield quotients of polynomials, of low degrees first, with the terms that elimination keeps.

    Args:
        x: `(rows, columns)`.
        z: target.
        names: of the columns.
        root_weight: what turns residuals of z into those that count.
    """
    scale = np.abs(x).max(axis=0)
    for above, below in DEGREES:
        top = monomials(x.shape[1], MOST_COLUMNS, above)
        bottom = monomials(x.shape[1], MOST_COLUMNS, below)[1:]
        if len(top) + len(bottom) > min(MOST_COLUMNS, len(z) // 4):
            continue
        yield from quotient(x / scale, z, (top, bottom), scale, names, root_weight)


def quotient(
    x: Rows,
    z: Vector,
    exponents: tuple[list[Any], list[Any]],
    scale: Any,
    names: tuple[str, ...],
    root: Vector,
) -> Iterator[Expr]:
    """Yield the quotient of polynomials that elimination leaves, if it leaves few terms.

    Args:
        x: columns, each divided by its `scale`.
        z: target.
        exponents: of the monomials above and below; those below without the constant.
        scale: of the columns.
        names: of the columns.
        root: what turns residuals of z into those that count.
    """
    top, bottom = exponents
    numerators = np.column_stack([np.prod(x**e, axis=1) for e in top])
    denominators = np.reshape([np.prod(x**e, axis=1) for e in bottom], (-1, len(x))).T
    columns = np.column_stack([numerators, -z[:, None] * denominators])
    weight = root
    found: tuple[list[int], Vector] | None = None
    for _ in range(N_ROUNDS):
        found = next(elimination(columns * weight[:, None], z * weight, keep_first=False), None)
        if found is None:
            return
        kept, weights = found
        low = [n for n, place in enumerate(kept) if place >= len(top)]
        below = 1.0 + denominators[:, [kept[n] - len(top) for n in low]] @ weights[low]
        if not low or np.any(below == 0):
            break
        weight = root / np.maximum(np.abs(below), 1e-3 * np.median(np.abs(below)))
    if found is None or not 0 < len(found[0]) <= MOST_TERMS:
        return
    kept, weights = found
    high = [n for n, place in enumerate(kept) if place < len(top)]
    low = [n for n, place in enumerate(kept) if place >= len(top)]
    if not high:
        return
    above_tree = polynomial_of(top, [kept[n] for n in high], weights[high], scale, names)
    if not low:
        yield above_tree
        return
    below_tree = polynomial_of(bottom, [kept[n] - len(top) for n in low], weights[low], scale, names)
    yield above_tree / (ONE + below_tree)
