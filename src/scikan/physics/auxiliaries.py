"""Auxiliary inputs and elementary curves, offered to every field alike.

Which coordinates are positions is read off the field: their velocities are linear in other coordinates. Positions
and momenta are then grouped into particles of one, two or three dimensions, in the orders in which people write
them, and differences and distances are offered. What the field does not ask for earns no null vector.
"""

from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations

import numpy as np
from jaxtyping import Float

from scikan.core.expr import Expr, Number, Symbol, add, call, power
from scikan.physics.families import Elementary, U
from scikan.train.linear import least_squares


LINEAR = 1e-9
"""Relative residual below which a velocity is linear in the coordinates."""

POLE, POLE_ERRORS = 0.02, 10.0
"""Smallest sample, as a share of the median and in measuring errors, down to which inverse powers are offered: nearer
to the pole they are curved so much that an error is no longer what their slope makes of it."""

MEASURED = 0.1
"""The same for velocities from differences of measured states."""


ROOT = power(1 + U**2, Number(Fraction(1, 2)))


def positions(
    states: Float[np.ndarray, "rows coordinates"],
    velocities: Float[np.ndarray, "rows coordinates"],
    tolerance: float = LINEAR,
) -> tuple[int, ...]:
    """Return the coordinates whose velocities are linear in the others, or all if that tells nothing."""
    if tolerance > LINEAR:
        # Differences are coarse where motion is fast, as in close encounters.
        speed = np.linalg.norm(velocities / np.maximum(np.median(np.abs(velocities), axis=0), 1e-300), axis=1)
        slow = speed <= np.quantile(speed, 0.7)
        states, velocities = states[slow], velocities[slow]
    design = np.column_stack([states, np.ones(len(states))])
    weights = least_squares(design, velocities)
    rest = np.sqrt(np.mean((velocities - design @ weights) ** 2, axis=0))
    linear = rest <= tolerance * np.maximum(np.sqrt(np.mean(velocities**2, axis=0)), 1e-300)
    d = states.shape[1]
    return (
        tuple(int(i) for i in np.flatnonzero(linear))
        if linear.any() and not linear.all()
        else tuple(range(d))
    )


def differences(names: Sequence[str], members: Sequence[int], most: int = 15) -> tuple[Expr, ...]:
    """Return the differences of all pairs of coordinates of one kind."""
    pairs = list(combinations(members, 2))
    return tuple(Symbol(names[i]) - Symbol(names[j]) for i, j in pairs) if len(pairs) <= most else ()


def distances(names: Sequence[str], members: Sequence[int]) -> list[tuple[Expr, ...]]:
    """Return sets of distances from the origin and between particles, one set for each way to group coordinates."""
    found: list[tuple[Expr, ...]] = []
    n = len(members)
    for size in (2, 3):
        if n % size or n > 12:
            continue
        bodies = n // size
        together = [tuple(members[size * b : size * (b + 1)]) for b in range(bodies)]
        apart = [tuple(members[b + bodies * c] for c in range(size)) for b in range(bodies)]
        for grouping in [together] if bodies == 1 else [together, apart]:
            radii = [_length([Symbol(names[i]) for i in body]) for body in grouping]
            gaps = [
                _length([Symbol(names[i]) - Symbol(names[j]) for i, j in zip(a, b, strict=True)])
                for a, b in combinations(grouping, 2)
            ]
            found.append((*radii, *gaps))
    return found


def _length(parts: Sequence[Expr]) -> Expr:
    return power(add([power(part, Number(2)) for part in parts]), Number(Fraction(1, 2)))


def curves_of(
    u: Float[np.ndarray, " rows"], is_coordinate: bool, is_angle: bool = False, error: float = 0.0
) -> Elementary:
    """Return the elementary functions of one atom that are defined on its samples, few enough to be told apart.

    Args:
        u: the samples.
        is_coordinate, is_angle: what the atom is.
        error: its measuring error, standard deviation.

    Monomials are columns of their own: u and u^2 of coordinates and differences, u^2 of distances are not offered.
    """
    entries: list[Expr] = [call("sin", U), call("cos", U)]
    if is_angle:
        return Elementary((*entries, call("sin", 2 * U), call("cos", 2 * U)))
    if np.abs(u).max() < 30:
        entries += [call("exp", U), call("exp", -U)]
    if u.min() > 0:
        entries += [call("log", U)]
    if u.min() > 0 and not is_coordinate:
        entries += [U, U**3, ROOT]
    if u.min() > max(POLE * np.median(u), POLE_ERRORS * error):
        # A sample beside a pole is so large that its rounding is larger than all else.
        entries += [1 / U, U**-2] if is_coordinate else [1 / U, U**-2, U**-3, call("exp", -U) / U]
    if is_coordinate:
        entries += [U**3, U**4, ROOT]
    return Elementary(tuple(entries))


def factors_of(
    u: Float[np.ndarray, " rows"], is_coordinate: bool, is_angle: bool = False, error: float = 0.0
) -> Elementary:
    """Return the elementary functions of one atom that are offered as factors of monomials, as `curves_of`."""
    plain = (U, U**3, U**4, ROOT)
    entries = [e for e in curves_of(u, is_coordinate, is_angle, error).entries if e not in plain]
    sine = np.sin(u) * np.sign(np.sin(u[0]))
    if is_coordinate and np.abs(u).max() < 7 and sine.min() > POLE_ERRORS * error:
        entries += [1 / call("sin", U) ** 2, call("cos", U) / call("sin", U) ** 2]
    return Elementary(tuple(entries))
