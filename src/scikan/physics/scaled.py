r"""Laws with a constant inside a curve, as exp(-1.3 q) or cos(2 q), from trajectories.

Elementary functions of an atom come in families with one inner constant a. How far the best new combination varies
within trajectories, in measuring errors, is a function of a alone: everything else is linear and solved for (variable
projection, Golub and Pereyra 1973). It is scanned and minimised for each atom and family; where nothing but errors is
left, the family with that constant is searched as any other.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize_scalar

from scikan.core.expr import HALF, Constant, Expr, call, power
from scikan.physics.families import Elementary, Family, U, monomials, products
from scikan.physics.problem import WITHIN_NOISE, Progress
from scikan.physics.solving import Laid, States, laid
from scikan.physics.stage import NOISY_DROP, shortest, with_exact_laws
from scikan.physics.writing import snapped_number, told_digits
from scikan.train.linear import null_vectors


N_SCALES = 16
MOST_COORDINATES = 4
GAIN = 0.6
"""What a curve near its constant leaves of what varies without it."""


@dataclass(frozen=True)
class Scaled:
    """Functions of an atom with one inner constant.

    Args:
        words: their name.
        entries: from the constant to formulas of `u`.
        scales: from samples of the atom to constants that are tried first, rising or falling.
    """

    words: str
    entries: Callable[[Expr], tuple[Expr, ...]]
    scales: Callable[[np.ndarray], np.ndarray]


def _spans(low: float, high: float, degree: int, sign: float = 1.0) -> Callable[[np.ndarray], np.ndarray]:
    """Return constants that vary a u^degree over the samples by `low` to `high`."""

    def scales(u: np.ndarray) -> np.ndarray:
        return sign * np.geomspace(low, high, N_SCALES) / float(np.std(u)) ** degree

    return scales


def _exponents(sign: float) -> Callable[[np.ndarray], np.ndarray]:
    def scales(u: np.ndarray) -> np.ndarray:
        return sign * np.geomspace(0.35, 8.0, N_SCALES) if u.min() > 0 else np.zeros(0)

    return scales


def _waves(a: Expr) -> tuple[Expr, ...]:
    return tuple(call(name, n * a * U) for n in (1, 2) for name in ("sin", "cos"))


def _exponentials(a: Expr) -> tuple[Expr, ...]:
    return call("exp", a * U), call("exp", 2 * a * U)


def _bells(a: Expr) -> tuple[Expr, ...]:
    return (call("exp", -a * U**2),)


def _roots(a: Expr) -> tuple[Expr, ...]:
    inside = 1 + a * U**2
    return power(inside, HALF), power(inside, -HALF), call("log", inside)


def _powers(a: Expr) -> tuple[Expr, ...]:
    return power(U, a), power(U, 2 * a)


FAMILIES = (
    Scaled("waves", _waves, _spans(0.4, 6.0, 1)),
    Scaled("exponentials", _exponentials, _spans(0.2, 2.0, 1)),
    Scaled("exponentials", _exponentials, _spans(0.2, 2.0, 1, -1.0)),
    Scaled("bells", _bells, _spans(0.1, 5.0, 2)),
    Scaled("roots", _roots, _spans(0.1, 10.0, 2)),
    Scaled("powers", _powers, _exponents(1.0)),
    Scaled("powers", _powers, _exponents(-1.0)),
)


@dataclass(frozen=True, eq=False)
class Extension:
    """A family laid out once, to which few columns are added again and again."""

    base: Laid

    @cached_property
    def _factors(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Q and R of training rates and of errors, mean squares made sums."""
        assert self.base.errors is not None
        rates = self.base.rates[self.base.states.train]
        q, r = zip(*(np.linalg.qr(m / np.sqrt(len(m))) for m in (rates, self.base.errors)), strict=True)
        return list(zip(q, r, strict=True))

    def varied(self, more: Family) -> Float[np.ndarray, " vectors"]:
        """Return how far combinations vary within trajectories, in units of what errors explain, rising."""
        table = laid(more, self.base.states)
        if table.errors is None or not np.all(table.sizes > 0):
            return np.full(len(self.base.sizes) + len(table.sizes), np.inf)
        pairs = []
        for (q, r), added in zip(self._factors, (table.rates[table.states.train], table.errors), strict=True):
            new = added / np.sqrt(len(added))
            along = q.T @ new
            rest = np.linalg.qr(new - q @ along, mode="r")
            pairs.append(np.block([[r, along], [np.zeros((len(rest), r.shape[1])), rest]]))
        rates, errors = pairs
        return null_vectors(rates, errors, NOISY_DROP, centred=False).values

    @property
    def alone(self) -> Float[np.ndarray, " vectors"]:
        """The same for the family alone."""
        rates, errors = (r for _, r in self._factors)
        return null_vectors(rates, errors, NOISY_DROP, centred=False).values


def with_inner_constants(progress: Progress) -> Progress:
    """Return the search with laws that hold a curve with an inner constant, of a coordinate or an auxiliary input.

    It is a long search, and for systems that no law says much of: one coordinate may be cyclic.
    """
    problem = progress.problem
    d = len(problem.names)
    if progress.is_complete or d > MOST_COORDINATES or len(progress.unheld) < 2:
        return progress
    found = [progress]
    for _, group in [("coordinates", ()), *problem.auxiliary_sets]:
        states = problem.laid(group)
        for atom in range(d, d + len(group)) if group else range(d):
            if not problem.is_angle(states.atoms.exprs[atom]):
                found += _of_atom(progress, states, atom)
        if len(found) > 1:
            break
    return shortest(found)


def _of_atom(progress: Progress, states: States, atom: int) -> list[Progress]:
    """Return the search with laws that hold scaled functions of one atom, once for each family with any."""
    problem = progress.problem
    others = [i for i in range(len(problem.names)) if i != atom]
    base = (*monomials(problem.plain, 2), *products([()], progress.curves(states, others)))
    extension = Extension(laid(base, states))
    n_known = int(np.sum(extension.alone < WITHIN_NOISE.null))
    without = float(extension.alone[n_known]) if n_known < len(extension.alone) else np.inf
    found = []
    for scaled in FAMILIES:

        def varied(a: float, scaled: Scaled = scaled) -> float:
            more = products([()], [(atom, Elementary(scaled.entries(Constant(a))))])
            values = extension.varied(more)
            return float(values[n_known]) if len(values) > n_known else np.inf

        best = least(varied, scaled.scales(states.atoms.values[:, atom]), GAIN * without)
        if best is None or varied(best) > WITHIN_NOISE.null:
            continue
        constant = measured_constant(varied, best, len(states.train))
        family = (*base, *products([()], [(atom, Elementary(scaled.entries(constant)))]))
        words = f"sums of elementary functions and scaled {scaled.words} of {states.atoms.exprs[atom]}"
        longer = with_exact_laws(progress, family, states, words, drop=1e-10)
        if len(longer.laws) > len(progress.laws):
            found.append(longer)
    return found


def least(varied: Callable[[float], float], scales: np.ndarray, below: float) -> float | None:
    """Return the constant at which least varies, between the neighbours of the best of those tried first.

    None if all of these leave more than `below`: near the right constant far less is left.
    """
    if not len(scales):
        return None
    values = [varied(float(a)) for a in scales]
    n = int(np.argmin(values))
    if not values[n] < below:
        return None
    ends = sorted((float(scales[max(n - 1, 0)]), float(scales[min(n + 1, len(scales) - 1)])))
    found = minimize_scalar(varied, bounds=ends, method="bounded", options={"xatol": 1e-7 * abs(ends[1])})
    return float(found.x)


def measured_constant(varied: Callable[[float], float], a: float, rows: int) -> Expr:
    """Return the simple number within three errors of a constant, or the constant with its error.

    With s^2 the mean square in errors over the rows, an error of the constant raises rows * s^2 by s^2.
    """
    step = 1e-3 * a
    middle, raised = varied(a) ** 2, (varied(a + step) ** 2 + varied(a - step) ** 2) / 2
    error = abs(step) / np.sqrt(max(rows * (raised / middle - 1), 1e-12))
    number, _ = snapped_number(told_digits(a, error), 3 * error)
    return Constant(number.value, error) if isinstance(number, Constant) else number
