r"""One inner constant of a family, by variable projection (Golub and Pereyra 1973).

How far the best new combination of a family's columns varies within trajectories, in measuring errors, is a function
of the constant alone: everything else is linear and solved for. The family without the columns that hold the constant
is laid out and factored once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize_scalar

from scikan.core.expr import Constant, Expr, call
from scikan.physics.families import Elementary, Family, Splines, U, products
from scikan.physics.problem import WITHIN_NOISE
from scikan.physics.solving import Laid, States, laid
from scikan.physics.stage import NOISY_DROP
from scikan.physics.writing import snapped_number, told_digits
from scikan.train.linear import Factored, knots_of, null_vectors


GRID, DEGREE = 16, 3
WAVES = Elementary((call("sin", U), call("cos", U)))
"""Beside splines: coordinates that go round have more waves than a grid has intervals."""

LARGE = 1e50
"""Columns larger or smaller than this are those of a constant that does not fit the samples."""

HOPELESS = 10.0
"""What columns leave a thousandth of its size from the best constant, in errors, if there is none."""

GAIN = 0.6
"""What columns near their constant leave of what varies without them."""


@dataclass(frozen=True, eq=False)
class Extension:
    """A family laid out once, to which few columns are added again and again."""

    base: Laid

    def left(self, more: Family, states: States) -> float:
        """Return how far the first combination beyond those that the family alone conserves varies with more columns.

        Args:
            more: the columns.
            states: the same rows, with all atoms of these.
        """
        # Constants far from the right one may overflow.
        with np.errstate(all="ignore"):
            table = laid(more, states)
        if table.errors is None or not np.all((table.sizes > 1 / LARGE) & (table.sizes < LARGE)):
            return np.inf
        factored_rates, factored_errors = self._factored
        rates = factored_rates.triangle(table.rates[table.states.train])
        errors = factored_errors.triangle(table.errors)
        return self._first_beyond(null_vectors(rates, errors, NOISY_DROP, centred=False).values)

    @cached_property
    def alone(self) -> float:
        """The same without more columns."""
        return self._first_beyond(self._values)

    def _first_beyond(self, values: Float[np.ndarray, " vectors"]) -> float:
        known = int(np.sum(self._values < WITHIN_NOISE.null))
        return float(values[known]) if known < len(values) else np.inf

    @cached_property
    def _factored(self) -> tuple[Factored, Factored]:
        """Training rates and errors."""
        assert self.base.errors is not None
        return Factored(self.base.rates[self.base.states.train]), Factored(self.base.errors)

    @cached_property
    def _values(self) -> Float[np.ndarray, " vectors"]:
        assert self.base.errors is not None
        rates = self.base.rates[self.base.states.train]
        return null_vectors(rates, self.base.errors, NOISY_DROP, centred=False).values


def curves_over(states: States, atom: int) -> Splines:
    """Return splines of an atom, fine enough for smooth functions."""
    return Splines(knots_of(states.atoms.values[:, atom], GRID, DEGREE), DEGREE)


def any_function(states: States, atom: int) -> Family:
    """Return columns that come near to any function of an atom."""
    return products([()], [(atom, curves_over(states, atom)), (atom, WAVES)])


def best_constant(
    left: Callable[[float], float], trials: Float[np.ndarray, " constants"], alone: float, rows: int
) -> Expr | None:
    """Return the constant with which nothing but errors is left, or None if there is none.

    Args:
        left: what is left with a constant, in errors.
        trials: constants that are tried first, rising or falling; least is sought between the best one's neighbours.
        alone: what is left without any; near the right constant it is far less.
        rows: how many rows are judged.
    """
    if not len(trials):
        return None
    values = [left(float(a)) for a in trials]
    n = int(np.argmin(values))
    if not values[n] < GAIN * alone:
        return None
    ends = sorted((float(trials[max(n - 1, 0)]), float(trials[min(n + 1, len(trials) - 1)])))
    size = max(map(abs, ends))
    rough = minimize_scalar(left, bounds=ends, method="bounded", options={"xatol": 1e-3 * size})
    if rough.fun > HOPELESS:
        return None
    near = max(rough.x - 1e-2 * size, ends[0]), min(rough.x + 1e-2 * size, ends[1])
    found = minimize_scalar(left, bounds=near, method="bounded", options={"xatol": 1e-7 * size})
    if found.fun > WITHIN_NOISE.null:
        return None
    return measured_constant(left, float(found.x), rows, max(abs(float(found.x)), ends[1] - ends[0]))


def measured_constant(left: Callable[[float], float], a: float, rows: int, size: float) -> Expr:
    """Return the simple number within three errors of a constant, or the constant with its error.

    With s^2 the mean square in errors over the rows, an error of the constant raises rows * s^2 by s^2. `size` is that
    of the constant, or of its range if it may be near zero.
    """
    step = 1e-3 * size
    middle, raised = left(a) ** 2, (left(a + step) ** 2 + left(a - step) ** 2) / 2
    error = abs(step) / np.sqrt(max(rows * (raised / middle - 1), 1e-12))
    number, _ = snapped_number(told_digits(a, error), 3 * error)
    return Constant(number.value, error) if isinstance(number, Constant) else number
