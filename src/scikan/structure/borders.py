r"""Borders between phases: where a level jumps along one column, experiment by experiment, with an error.

In each group the rows are ordered along one column, and the level is one constant before a place and another after
it; in between lies a ramp of a few rows, or none. All places and all ramps are weighed by their likelihood, the
column's rows as dense as they are, so that a place between two distant rows is uncertain by their distance, and one in
a ramp by the ramp. Neighbours whose residuals agree count as fewer rows.

A border is a jump that is larger than the best of all places would be by chance (F test, every place a trial), and that
leaves less than the smooth rival of as many numbers, a cubic. A group without one yields nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from scikan.core.checks import check_matrix
from scikan.core.errors import SettingError, ShapeError


FEWEST = 4
"""Rows on either side of a border."""

RAMPS = (0, 1, 2, 4, 8, 16, 32, 64)
"""Half lengths of ramps, in rows; at most an eighth of a group's rows."""

CHANCE = 1e-3
"""Probability with which chance alone makes a jump in a group of independent rows."""

ROUNDING = 1e-12
"""Part of a group's sum of squares that counts as nothing left over."""

Vector = Float[np.ndarray, " rows"]


@dataclass(frozen=True, eq=False)
class Borders:
    """Places of jumps, in the order of their groups.

    Attributes:
        group: label of the group, (borders,).
        place: where the level jumps, (borders,), unit of `along`.
        sigma: standard deviation of the place, (borders,), unit of `along`.
        jump: level after the border less that before it, (borders,), unit of the level.
    """

    group: np.ndarray
    place: Float[np.ndarray, " borders"]
    sigma: Float[np.ndarray, " borders"]
    jump: Float[np.ndarray, " borders"]

    def __len__(self) -> int:
        return len(self.place)

    def __repr__(self) -> str:
        return f"Borders({len(self)} in {len(np.unique(self.group))} groups)"

    def within(self, sigma: float) -> "Borders":
        """Return the borders whose place is known to `sigma` or better."""
        kept = self.sigma <= sigma
        return Borders(self.group[kept], self.place[kept], self.sigma[kept], self.jump[kept])


def borders(level: Any, along: Any, groups: Any, *, least: float = 0.0, most: int = 1) -> Borders:
    """Return where a level jumps along a column, in each group by itself.

    With `Dataset.from_arrays(settings[found.group], found.place, sigma=found.sigma)` the places are a table like any
    other: one row for each border, and the settings of its experiment.

    Args:
        level: (rows,), what differs between the phases: a class (0 and 1, or booleans), or a number.
        along: (rows,), the column along which the border is sought, such as an energy.
        groups: (rows,), which experiment each row belongs to, any labels.
        least: size of the smallest jump that counts, unit of the level.
        most: borders that one group may have.

    Raises:
        ShapeError, TableError: columns of different lengths, or values that are not finite numbers.
        SettingError: a negative `least`, or `most` below 1.
    """
    if not least >= 0:
        raise SettingError(f"least is {least}.", fix="a size in units of the level, such as 0.5, or 0.")
    if most < 1:
        raise SettingError(f"most is {most}.", fix="how many borders a group may have: 1 or more.")
    values = _column(level, "level")
    axis = _column(along, "along")
    labels = np.asarray(groups)
    if not values.shape == axis.shape == labels.shape:
        raise ShapeError(
            f"level, along and groups have shapes {values.shape}, {axis.shape} and {labels.shape}.",
            fix="give one number and one label for each row.",
        )
    names, members = np.unique(labels, return_inverse=True)
    # Rows by group, then by place, then by level: their order in the table is no matter.
    order = np.lexsort((values, axis, members))
    starts = np.searchsorted(members[order], np.arange(len(names) + 1))
    found = [
        (g, *border)
        for g, rows in enumerate(np.split(order, starts[1:-1]))
        for border in _in_group(axis[rows], values[rows], least, most)
    ]
    which, place, sigma, jump = np.array(found, float).reshape(-1, 4).T
    return Borders(names[which.astype(int)], place, sigma, jump)


def _column(values: Any, name: str) -> Vector:
    column = np.asarray(values)
    if column.dtype == bool:
        column = column.astype(float)
    if column.ndim != 1:
        raise ShapeError(f"{name} has shape {column.shape}.", fix="give one number for each row.")
    return check_matrix(column[:, None], [name])[:, 0]


def _in_group(x: Vector, y: Vector, least: float, most: int) -> Iterator[tuple[float, float, float]]:
    """Yield (place, sigma, jump) of each border; x is sorted.

    As many splits as are allowed are made, the best first; whichever fails between its neighbours is dropped, the
    worst first, and the others are asked again.
    """
    cuts = _splits(x, y, most)
    while cuts:
        ends = [0, *cuts, len(x)]
        fits = [_fit(x[slice(a, c)], y[slice(a, c)]) for a, c in zip(ends[:-2], ends[2:], strict=True)]
        odds = [np.inf if fit is None or abs(fit.jump) < least else fit.chance for fit in fits]
        worst = int(np.argmax(odds))
        if odds[worst] <= CHANCE:
            yield from ((fit.place, fit.sigma, fit.jump) for fit in fits if fit is not None)
            return
        del cuts[worst]


def _splits(x: Vector, y: Vector, most: int) -> list[int]:
    """Return the rows before which the level is cut, in their order: greedily, by what each cut explains."""
    cuts: list[int] = []
    for _ in range(most):
        gains = []
        for a, c in zip([0, *cuts], [*cuts, len(x)], strict=True):
            left = _left_over(x[a:c], y[a:c], 0)
            if np.isfinite(left).any():
                cut = int(np.argmin(left))
                gains.append((np.sum((y[a:c] - y[a:c].mean()) ** 2) - left[cut], a + cut + 1))
        if not gains:
            break
        cuts = sorted([*cuts, max(gains)[1]])
    return cuts


@dataclass(frozen=True)
class _Fit:
    place: float
    sigma: float
    jump: float
    chance: float


def _fit(x: Vector, y: Vector) -> _Fit | None:
    """Return the best jump of one stretch of rows, or None if there is no room, or a cubic does as well."""
    n, total = len(x), float(np.sum((y - y.mean()) ** 2))
    halves = [half for half in RAMPS if half == 0 or 8 * half <= n]
    left = np.stack([_left_over(x, y, half) for half in halves])
    if not np.isfinite(left).any() or total <= ROUNDING * float(np.sum(y**2)):
        return None
    left = np.maximum(left, ROUNDING * total)
    ramp, cut = np.unravel_index(int(np.argmin(left)), left.shape)
    least = left[ramp, cut]
    if least >= _cubic(x, y):
        return None
    design = np.column_stack([np.ones(n), _ramp(n, int(cut), halves[int(ramp)])])
    weights = np.linalg.lstsq(design, y, rcond=None)[0]
    rows = _effective(y - design @ weights, ROUNDING * total)
    place, sigma = _posterior(x, np.exp(-rows / 2 * np.log(left / least)), halves)
    return _Fit(place, sigma, float(weights[1]), _chance(least / total, rows, n))


def _ramp(n: int, cut: int, half: int) -> Vector:
    """Return a step after row `cut`, from 0 to 1, smoothed over 2 half + 1 places."""
    return np.clip((np.arange(n) - cut + half) / (2 * half + 1), 0.0, 1.0)


def _left_over(x: Vector, y: Vector, half: int) -> Float[np.ndarray, " places"]:
    """Return the sum of squares that is left by two levels and a ramp, for each place after row 0, 1, ...

    Infinite where too few rows are on a side, or where the place is between equal values of x.
    """
    n = len(x)
    left = np.full(max(n - 1, 0), np.inf)
    reach = FEWEST + half
    if n < 2 * reach:
        return left
    cut = np.arange(reach - 1, n - reach)
    # A ramp is the mean of 2 half + 1 neighbouring steps, and so are its sums.
    window = np.ones(2 * half + 1) / (2 * half + 1)
    beyond = np.cumsum((y - y.mean())[::-1])[::-1][1:]
    with_y = np.convolve(beyond, window, "same")[cut]
    above = n - 1.0 - cut
    ramp = _ramp(2 * half + 1, half, half)
    squares = above - half + np.sum(ramp**2)
    explained = with_y**2 / (squares - above**2 / n)
    left[cut] = np.sum((y - y.mean()) ** 2) - explained
    left[np.diff(x) == 0] = np.inf
    return left


def _effective(residual: Vector, nothing: float) -> float:
    """Return how many independent rows are worth these, whose neighbours agree; rounding agrees by chance."""
    power = float(residual @ residual)
    agreement = float(residual[1:] @ residual[:-1]) / power if power > nothing else 0.0
    agreement = min(max(agreement, 0.0), 0.99)
    return len(residual) * (1 - agreement) / (1 + agreement)


def _posterior(
    x: Vector, likelihood: Float[np.ndarray, "ramps places"], halves: list[int]
) -> tuple[float, float]:
    """Return mean and standard deviation of the place, every place along x as likely before the level is seen."""
    gaps = np.diff(x)
    chance = np.zeros(len(gaps))
    for weight, half in zip(likelihood, halves, strict=True):
        window = np.ones(2 * half + 1)
        # The place is anywhere in the ramp.
        chance += np.convolve(weight, window, "same") / len(window) * gaps
    chance /= chance.sum()
    middle = (x[1:] + x[:-1]) / 2
    place = float(chance @ middle)
    return place, float(np.sqrt(chance @ ((middle - place) ** 2 + gaps**2 / 12)))


def _chance(left: float, rows: float, places: int) -> float:
    """Return how likely the best of so many places leaves no more of independent values than this part."""
    from scipy.stats import f

    free = rows - 4
    if free < 1:
        return 1.0
    return float(min(1.0, places * f.sf((1 - left) / left * free / 2, 2, free)))


def _cubic(x: Vector, y: Vector) -> float:
    """Return the sum of squares that is left by the best cubic."""
    t = 2 * (x - x[0]) / (x[-1] - x[0]) - 1
    basis = np.polynomial.legendre.legvander(t, 3)
    rest = y - basis @ np.linalg.lstsq(basis, y, rcond=None)[0]
    return float(rest @ rest)
