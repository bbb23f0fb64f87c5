"""Laws with a constant inside a curve, as exp(-1.3 q) or cos(2 q), from trajectories.

Elementary functions of an atom come in families with one inner constant, which is scanned and minimised
(`physics.extension`) for each atom and family; where nothing but errors is left, the family with that constant is
searched as any other. A place about which a function is even is found before the function: one even about c is one of
(u - c)^2, and splines of that say how well a place does.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float

from scikan.core.expr import HALF, ONE, Constant, Expr, Symbol, call, differentiate, evaluate, power
from scikan.physics.extension import Extension, any_function, best_constant, curves_over
from scikan.physics.families import Elementary, Family, U, lay_atoms, monomials, products
from scikan.physics.problem import Progress
from scikan.physics.solving import States, laid
from scikan.physics.stage import count_beyond, shortest, with_exact_laws


N_SCALES, WIDER = 16, 1.35
MOST_COORDINATES = 4

N_PLACES, WITHIN = 24, (0.1, 0.9)
"""Places that are tried first, between these quantiles: about a place beyond all samples every function is even."""

PARTS = (slice(0, 10), slice(7, 17), slice(14, 24))
"""Of these places; one is taken from each part."""

A = Symbol("a")
"""The inner constant."""


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

    def curve(self, a: float) -> "Tuned":
        """Return the functions at a value of the constant."""
        return Tuned(*self._formulas, a)

    @cached_property
    def _formulas(self) -> tuple[tuple[Expr, ...], tuple[Expr, ...]]:
        entries = self.entries(A)
        return entries, tuple(differentiate(e, "u") for e in entries)


@dataclass(frozen=True, eq=False)
class Tuned:
    """Formulas of the symbols `u` and `a`, and their derivatives by u, at a value of a: a `families.Curve`.

    A scan asks for many values, and formulas of one symbol would be differentiated at each.
    """

    entries: tuple[Expr, ...]
    derivatives: tuple[Expr, ...]
    a: float

    def values(self, u: Float[np.ndarray, " rows"]) -> Float[np.ndarray, "rows functions"]:
        return np.stack([evaluate(e, {"u": u, "a": self.a}) for e in self.entries], axis=1)

    def slopes(self, u: Float[np.ndarray, " rows"]) -> Float[np.ndarray, "rows functions"]:
        return np.stack([evaluate(e, {"u": u, "a": self.a}) for e in self.derivatives], axis=1)


def _spans(low: float, high: float, sign: float = 1.0) -> Callable[[np.ndarray], np.ndarray]:
    """Return constants a for which a u varies over the samples by `low` to `high`."""
    return lambda u: sign * np.geomspace(low, high, N_SCALES) / float(np.std(u))


def _widths(u: np.ndarray) -> np.ndarray:
    """Return constants a for which a u^2 is near 1 somewhere among the samples, be they near 0 or far out."""
    far, near = float(np.std(u)), float(np.quantile(np.abs(u), 0.1))
    low, high = 0.1 / far**2, 10.0 / min(far, max(near, 0.1 * far)) ** 2
    return np.geomspace(low, high, int(np.ceil(np.log(high / low) / np.log(WIDER))) + 1)


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
    return (power(1 + a * U**2, HALF),)


def _inverse_roots(a: Expr) -> tuple[Expr, ...]:
    return (power(1 + a * U**2, -HALF),)


def _quotients(a: Expr) -> tuple[Expr, ...]:
    return (power(1 + a * U**2, -ONE),)


def _logarithms(a: Expr) -> tuple[Expr, ...]:
    return (call("log", 1 + a * U**2),)


def _powers(a: Expr) -> tuple[Expr, ...]:
    return power(U, a), power(U, 2 * a)


EVEN = (
    Scaled("bells", _bells, _widths),
    Scaled("roots", _roots, _widths),
    Scaled("inverse roots", _inverse_roots, _widths),
    Scaled("quotients", _quotients, _widths),
    Scaled("logarithms", _logarithms, _widths),
)
FAMILIES = (
    Scaled("waves", _waves, _spans(0.4, 6.0)),
    Scaled("exponentials", _exponentials, _spans(0.2, 2.0)),
    Scaled("exponentials", _exponentials, _spans(0.2, 2.0, -1.0)),
    *EVEN,
    Scaled("powers", _powers, _exponents(1.0)),
    Scaled("powers", _powers, _exponents(-1.0)),
)


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
                found += with_scaled(progress, states, atom) + with_centre(progress, states, atom)
        if len(found) > 1:
            break
    return shortest(found)


def beside(progress: Progress, states: States, atom: int) -> Family:
    """Return what stands beside functions of an atom: polynomials, and elementary functions of the other coordinate.

    Of several coordinates curves are many, and hide what is sought among them.
    """
    problem = progress.problem
    others = [1 - atom] if len(problem.names) == 2 and atom < 2 else []
    return (*monomials(problem.plain, 2), *products([()], progress.curves(states, others)))


def with_scaled(
    progress: Progress, states: States, atom: int, families: Sequence[Scaled] = FAMILIES
) -> list[Progress]:
    """Return the searches with laws that hold scaled functions of one atom, one for each family with any."""
    u, base = states.atoms.values[:, atom], beside(progress, states, atom)
    extension = Extension(laid(base, states))
    found = []
    for scaled in families:

        def left(a: float, scaled: Scaled = scaled) -> float:
            return extension.left(products([()], [(atom, scaled.curve(a))]), states)

        trials = scaled.scales(u)
        constant = best_constant(left, trials, extension.alone, len(states.train))
        if constant is None:
            continue
        family = (*base, *products([()], [(atom, Elementary(scaled.entries(constant)))]))
        words = f"polynomials of degree 2 and scaled {scaled.words} of {states.atoms.exprs[atom]}"
        longer = with_exact_laws(progress, family, states, words, drop=1e-10)
        if len(longer.laws) > len(progress.laws):
            found.append(longer)
    return found


def with_centre(progress: Progress, states: States, atom: int) -> list[Progress]:
    """Return the searches with laws that hold a function of an atom even about a place other than zero."""
    problem = progress.problem
    u, expr = states.atoms.values[:, atom], states.atoms.exprs[atom]
    base = beside(progress, states, atom)
    with_any = laid((*base, *any_function(states, atom)), states)
    extension = Extension(laid(base, states))
    if not count_beyond(with_any, len(extension.base.sizes), problem.criterion):
        return []
    last = len(states.atoms.exprs)

    def over(c: Expr) -> States:
        exprs = [*states.atoms.exprs, expr - c, (expr - c) ** 2]
        return replace(states, atoms=lay_atoms(exprs, problem.names, problem.states[states.every]))

    def left(c: float) -> float:
        shifted = over(Constant(c))
        return extension.left(products([()], [(last + 1, curves_over(shifted, last + 1))]), shifted)

    trials = np.quantile(u, np.linspace(*WITHIN, N_PLACES))
    found = []
    # Within errors a curve may seem even about a second place, where no formula is.
    for part in PARTS:
        place = best_constant(left, trials[part], extension.alone, len(states.train))
        if place is not None and abs(evaluate(place, {})) > 3 * getattr(place, "error", 0.0):
            found += with_scaled(progress, over(place), last, EVEN)
    return found
