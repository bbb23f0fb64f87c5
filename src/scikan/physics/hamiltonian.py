r"""From states and their rates to a Hamiltonian: $\dot z = K \nabla H$, linear in H and $\Omega = K^{-1}$ together.

    states, rates -> families, simple first -> canonical pairs: few terms by bits -> exact, or nothing left but noise
    -> else splines of coordinates, differences and distances, named with inner constants
    -> else the structure matrix K is found with H (momenta that are scaled or kinetic) -> H, K, verdict

Nothing is trained. A damped system has none, and that is said.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from threadpoolctl import threadpool_limits

from scikan.core.checks import check_matrix
from scikan.core.errors import CompileError, SettingError, ShapeError, TableError
from scikan.core.expr import Constant, Expr, add, multiply
from scikan.core.kan import KAN
from scikan.core.names import nearest
from scikan.law.evidence import whiteness
from scikan.law.ordering import in_order
from scikan.law.record import Law
from scikan.physics.conserved import checked_states
from scikan.physics.energies import named_curves
from scikan.physics.finding import LawFinding
from scikan.physics.joint import EXACT
from scikan.physics.problem import Problem
from scikan.physics.selection import LUCK
from scikan.physics.structures import (
    Answer,
    canonical_inverse,
    component_weights,
    shrinking,
    stages,
    with_found,
    with_given,
)
from scikan.physics.writing import EXACT_WINDOW, gradient_of, snapped_number
from scikan.symbolic.kanpiler import kanpiler


MOST_ROWS = 1500
HOLDS = 1e-10
"""Relative residual of a Hamiltonian that holds to rounding."""

HOPELESS = 0.3
SHRINKS = 0.02
"""Divergence over the field's gradient above which volumes are said to shrink or to grow."""

Verdict = Literal["law", "approximation", "none"]


@dataclass(frozen=True, eq=False, repr=False)
class Hamiltonian(LawFinding):
    """What a search for a Hamiltonian found.

    Args:
        verdict: "law", "approximation" (H tells part of the field) or "none".
        reason: one sentence.
        law: H as a formula over the coordinates, up to a constant; None with verdict "none".
        structure: K of dz/dt = K grad H, (coordinates, coordinates), antisymmetric; None with verdict "none".
        is_canonical: whether K is that of the pairs as they were given.
        residual: rms of dz/dt - K grad H over that of dz/dt, each component in units of its size.
        divergence: mean divergence of the field over the size of its gradient; 0 where volumes are kept.
        function_class: the family in which H was found, in words.
        tried: families with the residual that H leaves in each.
        model: the law as a KAN, where it can be laid out as one.
    """

    verdict: Verdict
    reason: str
    law: Law | None
    structure: Float[np.ndarray, "coordinates coordinates"] | None
    is_canonical: bool
    residual: float
    divergence: float
    function_class: str
    tried: tuple[tuple[str, float], ...]
    model: KAN | None

    def __str__(self) -> str:
        lines = [f"{self.verdict}: {self.reason}"]
        if self.law is not None:
            lines.append(f"  {self.law}    (residual {self.residual:.0e})")
        if self.structure is not None and not self.is_canonical:
            lines += [
                "  dz/dt = K grad H with K =",
                *(f"    {row}" for row in self.structure.round(6).tolist()),
            ]
        return "\n".join([*lines, f"Class: {self.function_class}."])


def hamiltonian(
    states: Any,
    rates: Any,
    *,
    names: Sequence[str] | None = None,
    pairs: Sequence[tuple[str | int, str | int]] | None = None,
    angles: Sequence[str | int] = (),
    seed: int = 0,
) -> Hamiltonian:
    """Return the Hamiltonian of a field from its values at sampled states.

    Args:
        states: (N, 2n), at least 60 rows, anywhere; they need not lie on trajectories.
        rates: dz/dt there, (N, 2n).
        names: of the coordinates; default z1, z2, ...
        pairs: (position, momentum) of each degree of freedom, by name or number; default: the first half of the
            columns are positions, the second half their momenta in the same order.
        angles: coordinates that are angles, by name or number: only sines and cosines of them are offered.
        seed: picks the rows that are used of many.

    Raises:
        ShapeError, TableError, ColumnError: no finite tables of one shape, an odd number of coordinates, names that do
            not fit, a field that is zero.
        SettingError: too few samples, pairs that do not take every coordinate once, an angle that is no coordinate.

    Example:
        a pendulum: `kn.hamiltonian(z, np.stack([z[:, 1], -np.sin(z[:, 0])], 1), names=("q", "p")).law` is
        H = p**2/2 - cos(q).
    """
    z, f, given = _checked(states, rates, names)
    placed = _pairs(pairs, given)
    at_angles = tuple(_place(a, given, "angle") for a in angles)
    rows = np.random.default_rng(seed).permutation(len(z))[:MOST_ROWS]
    problem = Problem(given, z[rows], f[rows], at_angles)
    with threadpool_limits(limits=1):
        best, tried = _search(problem, placed)
        return _judged(problem, best, tried)


def _checked(
    states: Any, rates: Any, names: Sequence[str] | None
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    z, given = checked_states(states, names)
    if np.shape(rates) != z.shape:
        raise ShapeError(
            f"{np.shape(rates)} rates for {z.shape} states.",
            fix="give one rate for each state and coordinate.",
        )
    f = check_matrix(rates, tuple(f"d{name}/dt" for name in given))
    if z.shape[1] % 2:
        raise ShapeError(
            f"The states have {z.shape[1]} coordinates, an odd number: positions and momenta come in pairs.",
            fix="give both of every pair; for other systems see conserved_quantities.",
        )
    if not np.any(f):
        raise TableError("The rates are zero at all states: H is constant.", fix="check the rates.")
    return z, f, given


def _place(named: str | int, names: tuple[str, ...], what: str) -> int:
    if isinstance(named, str) and named in names:
        return names.index(named)
    if isinstance(named, int | np.integer) and 0 <= named < len(names):
        return int(named)
    raise SettingError(f"There is no coordinate {named!r} for {what}.", fix=nearest(str(named), names))


def _pairs(
    pairs: Sequence[tuple[str | int, str | int]] | None, names: tuple[str, ...]
) -> tuple[tuple[int, int], ...]:
    n = len(names) // 2
    if pairs is None:
        return tuple((i, n + i) for i in range(n))
    if any(isinstance(pair, str) or len(pair) != 2 for pair in pairs):
        raise SettingError("A pair has two coordinates.", fix='write pairs=[("q", "p")].')
    placed = tuple((_place(q, names, "a pair"), _place(p, names, "a pair")) for q, p in pairs)
    if sorted(i for pair in placed for i in pair) != list(range(len(names))):
        raise SettingError(
            "The pairs do not take every coordinate once.",
            fix=f"pair all of {', '.join(names)}, a position before its momentum.",
        )
    return placed


def _search(
    problem: Problem, pairs: tuple[tuple[int, int], ...]
) -> tuple[Answer, tuple[tuple[str, float], ...]]:
    """Return the best answer: canonical if that holds, else with the structure matrix that was found."""
    omega, f = canonical_inverse(pairs), problem.velocities
    laid, tried, answers = [], [], []
    for columns in stages(problem):
        laid.append(columns)
        answers.append(with_given(columns, f, omega))
        tried.append((columns.words, answers[-1].residual))
        if answers[-1].residual < HOLDS:
            return answers[-1], tuple(tried)
    if (curves := named_curves(problem, omega)) is not None:
        answers.append(curves)
        tried.append((curves.words, curves.residual))
    best = _shortest(answers)
    if len(problem.names) == 2 or best.residual < HOLDS or _is_white(problem, best):
        return best, tuple(tried)
    found = []
    for columns in laid:
        answer = with_found(columns, f, pairs)
        if answer is None:
            continue
        tried.append((f"{answer.words}, K found", answer.residual))
        found.append(answer)
        if answer.residual < HOLDS:
            break
    other = _shortest([best, *found])
    return (other if other.residual < 0.5 * best.residual else best), tuple(tried)


def _shortest(answers: Sequence[Answer]) -> Answer:
    """Return the first answer, simplest class first, that no later one beats by more than luck."""
    least = min(answer.bits for answer in answers)
    return next(answer for answer in answers if answer.bits <= least + LUCK)


def _left(problem: Problem, slopes: np.ndarray, omega: np.ndarray) -> np.ndarray:
    """Return dz/dt - K grad H, each component in units of its size."""
    predicted = np.linalg.solve(omega, slopes.T).T
    return np.asarray((problem.velocities - predicted) * _units(problem))


def _units(problem: Problem) -> np.ndarray:
    return component_weights(problem.velocities, np.eye(len(problem.names)))


def _slopes(problem: Problem, answer: Answer) -> np.ndarray:
    tree = add([multiply([Constant(float(w)), t]) for w, t in zip(answer.weights, answer.trees, strict=True)])
    return gradient_of(tree, problem.names, problem.states)


def _is_white(problem: Problem, answer: Answer) -> bool:
    left = _left(problem, _slopes(problem, answer), answer.inverse)
    return _noise_only(problem, left)


def _noise_only(problem: Problem, left: np.ndarray) -> bool:
    """Whether what is left of every component is no function of the state."""
    rng, d = np.random.default_rng(0), left.shape[1]
    return all(
        whiteness(column, [problem.states], rng, 0.01 / d).is_white
        for column in left.T
        if np.sqrt(np.mean(column**2)) > HOLDS
    )


def _written(answer: Answer, names: tuple[str, ...], exact: bool) -> Expr:
    """Return H with weights as simple numbers where they are that to rounding or within their errors."""
    terms = []
    for weight, error, tree in zip(answer.weights, answer.errors, answer.trees, strict=True):
        window = max(EXACT_WINDOW * abs(weight), 0.0 if exact else 3 * float(error))
        number, _ = snapped_number(float(weight), window)
        if isinstance(number, Constant):
            number = Constant(float(weight), float(error)) if not exact else Constant(float(weight))
        terms.append(multiply([number, tree]))
    return in_order(add(terms), names)


def _judged(problem: Problem, best: Answer, tried: tuple[tuple[str, float], ...]) -> Hamiltonian:
    exact = best.residual < HOLDS
    tree = _written(best, problem.names, exact)
    left = _left(problem, gradient_of(tree, problem.names, problem.states), best.inverse)
    size = _units(problem) * problem.velocities
    residual = float(np.sqrt(np.mean(left**2) / np.mean(size**2)))
    divergence = shrinking(problem.states, problem.velocities)
    verdict, reason = _verdict(problem, residual, left, best, divergence)
    law, kan, structure = None, None, None
    if verdict != "none":
        domain = np.stack([problem.states.min(axis=0), problem.states.max(axis=0)], axis=1)
        law = Law((tree,), ("H",), problem.names, domain=domain)
        structure = np.linalg.inv(best.inverse)
        structure = np.where(np.abs(structure) > 1e-12 * np.abs(structure).max(), structure, 0.0)
        try:
            kan = kanpiler(law.expressions, law.names, domain=domain, targets=law.targets)
        except CompileError:
            kan = None
    return Hamiltonian(
        verdict, reason, law, structure, best.is_canonical, residual, divergence, best.words, tried, kan
    )


def _verdict(
    problem: Problem, residual: float, left: np.ndarray, best: Answer, divergence: float
) -> tuple[Verdict, str]:
    kind = (
        "the pairs are canonical"
        if best.is_canonical
        else "the coordinates are not canonical as paired: K was found with H"
    )
    if residual < max(HOLDS, 100 * EXACT):
        return "law", f"K grad H is the field to rounding ({residual:.0e}); {kind}."
    if residual < HOPELESS and _noise_only(problem, left):
        return (
            "law",
            f"what K grad H leaves of the field ({residual:.2g}) is noise without structure; {kind}.",
        )
    if abs(divergence) > SHRINKS:
        verb = "shrink" if divergence < 0 else "grow"
        return "none", (
            f"volumes {verb} along the field (divergence {divergence:.2g} of its gradient), as with friction or "
            f"driving: no constant K gives it a Hamiltonian; the best leaves {residual:.2g}."
        )
    if residual > HOPELESS:
        return "none", f"no Hamiltonian in the classes tried gives the field; the best leaves {residual:.2g}."
    return "approximation", f"K grad H leaves {residual:.2g} of the field, with structure; {kind}."


__all__ = ["Hamiltonian", "hamiltonian"]
