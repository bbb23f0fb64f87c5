r"""Sums of peaks, waves, decays and steps over single columns, one term after another.

A spectrum on a baseline, a sum of decays, a seasonal record: many terms, each with constants inside. Grids of those
constants give a dictionary of atoms. The atoms that explain most of what is left join the sum, all constants of the
sum are refitted together, and the sums of fewest bits go on (matching pursuit with a beam; Mallat and Zhang, IEEE
Trans. Signal Process. 41, 3397, 1993, with the refit of orthogonal pursuit extended to the constants inside).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from time import monotonic
from typing import Any

import numpy as np
from jaxtyping import Float

from scikan.core.expr import Add, Constant, Expr, Symbol, add, call, constants, multiply, substitute
from scikan.core.samples import evenly
from scikan.discovery.families import FAMILIES
from scikan.law.description import structure_bits
from scikan.law.refitting import refit
from scikan.law.tape import tape
from scikan.structure.levels import Level


MOST_TERMS, BEAM, N_JOINING, N_EXCHANGED = 6, 6, 10, 3
MOST_EXCHANGES, LEAST_GAIN = 8, 1.0
N_ROWS = 400
LM_STEPS = 25
MOST_CYCLES = 100
PATIENCE = 2
"""Terms in a row that need not pay for themselves: the two sides of a cancellation pay only together."""

_WAVES = ("sin", "cos")


@dataclass(frozen=True)
class Kind:
    """Atoms of one kind: places and widths to begin with, their parts `(rows, 1 or 2)`, and the term they make.

    The term is given a column, one row of the grid and the weight of each part.
    """

    grid: Callable[[Any], Any]
    parts: Callable[[Any, Any], Any]
    term: Callable[[Expr, Any, Any], Expr]


def _positions(v: Any, widths: Any, n: int) -> Any:
    places = np.quantile(v, (np.arange(n) + 0.5) / n)
    return np.array(list(product(np.unique(places), np.ptp(v) * widths)))


def _frequencies(v: Any) -> Any:
    """Return angular frequencies so close that one of them leads any wave to its place."""
    cycles = np.arange(0.5, min(len(v) / 2, MOST_CYCLES), 0.25)
    return 2.0 * np.pi * cycles[:, None] / np.ptp(v)


def _turned(v: Any, row: Any) -> Any:
    return np.column_stack([np.sin(row[0] * v), np.cos(row[0] * v)])


def _wave(e: Expr, row: Any, weight: Any) -> Expr:
    inner = add([multiply([Constant(float(row[0])), e]), Constant(float(np.arctan2(weight[1], weight[0])))])
    return multiply([Constant(float(np.hypot(*weight))), call("sin", inner)])


def _centred(e: Expr, row: Any) -> Expr:
    return (e - Constant(float(row[0]))) / Constant(float(row[1]))


def _of_family(name: str) -> Kind:
    family = next(f for f in FAMILIES if f.name == name)
    return Kind(
        lambda v: family.grid(v)[:, None],
        lambda v, row: family.value(v, row[0])[:, None],
        lambda e, row, weight: multiply(
            [Constant(float(weight[0])), family.tree(e, Constant(float(row[0])))]
        ),
    )


def _of_shape(value: Callable[[Any], Any], tree: Callable[[Expr], Expr], widths: Any, n: int) -> Kind:
    return Kind(
        lambda v: _positions(v, widths, n),
        lambda v, row: value((v - row[0]) / row[1])[:, None],
        lambda e, row, weight: multiply([Constant(float(weight[0])), tree(_centred(e, row))]),
    )


def _of_power(exponent: int) -> Kind:
    return Kind(
        lambda v: np.zeros((1, 0)),
        lambda v, row: v[:, None] ** exponent,
        lambda e, row, weight: multiply([Constant(float(weight[0])), e**exponent]),
    )


KINDS = {
    **{family.name: _of_family(family.name) for family in FAMILIES if family.name not in _WAVES},
    "line": _of_power(1),
    "square": _of_power(2),
    "wave": Kind(_frequencies, _turned, _wave),
    "peak": _of_shape(
        lambda u: np.exp(-(u**2)), lambda e: call("exp", -(e**2)), np.geomspace(0.02, 0.8, 8), 30
    ),
    "resonance": _of_shape(
        lambda u: 1 / (1 + u**2), lambda e: 1 / (1 + e**2), np.geomspace(0.02, 0.8, 8), 30
    ),
    "step": _of_shape(np.tanh, lambda e: call("tanh", e), np.geomspace(0.03, 0.6, 5), 20),
}


THEMES = (
    *((name, "exp", "line") for name in ("peak", "resonance", "wave", "step")),
    ("exp", "line"),
    tuple(KINDS),
)
"""What a sum is made of: most are of one kind on a simple baseline, which is cheap to look for; then anything."""


@dataclass(frozen=True, eq=False)
class _Atoms:
    """All atoms of one kind on one column, weighted, `(atoms, rows, parts)`."""

    kind: Kind
    column: Expr
    grid: Any
    values: Any


@dataclass(frozen=True, eq=False)
class _Sum:
    """A sum with fitted constants, its mean square and its bits."""

    expression: Expr
    mean_square: float
    bits: float


def sum_laws(level: Level, ends: float, themes: tuple[tuple[str, ...], ...] = THEMES) -> Iterator[Expr]:
    """Yield laws of y in which the target of a level is a sum of up to `MOST_TERMS` terms, the best first.

    Args:
        level: the table; every term uses one of its columns.
        ends: time (monotonic) after which no further term is looked for.
        themes: kinds of terms that a sum is made of, one search each.
    """
    n = len(level.target)
    some = level.rows(evenly(n, N_ROWS))
    back = {f"u{j}": expression for j, expression in enumerate(level.expressions)}
    with np.errstate(all="ignore"):
        found = [new for theme in themes for new in _Pursuit(some, n, theme).sums(ends)]
    for new in _distinct(found):
        yield multiply([level.factor_expression, substitute(new.expression, back)])


class _Pursuit:
    """The rows of a level on which sums are grown, and the dictionary of what may join them."""

    def __init__(self, level: Level, n_rows: int, theme: tuple[str, ...]) -> None:
        self.columns = {f"u{j}": level.columns[:, j] for j in range(level.columns.shape[1])}
        self.z, self.n_rows, self.kinds = level.target, n_rows, [KINDS[name] for name in theme]
        self.root = level.weight / np.sqrt(np.mean(level.weight**2))
        mean = float(np.average(self.z, weights=self.root**2))
        self.total = float(np.mean((self.root * (self.z - mean)) ** 2)) or 1.0
        self.atoms = [atoms for name in self.columns for atoms in self._dictionary(name)]
        self.start = self._summed(Constant(mean))

    def _dictionary(self, name: str) -> Iterator[_Atoms]:
        v = self.columns[name]
        for kind in self.kinds:
            grid = kind.grid(v)
            if not len(grid):
                continue
            with np.errstate(all="ignore"):
                values = np.stack([kind.parts(v, row) for row in grid]) * self.root[:, None]
            usable = np.isfinite(values).all(axis=(1, 2))
            if usable.any():
                yield _Atoms(kind, Symbol(name), grid[usable], values[usable])

    def sums(self, ends: float) -> list[_Sum]:
        """Return every sum that was met on the way."""
        beam: list[_Sum] = [self.start]
        met: list[_Sum] = []
        best, since = self.start.bits, 0
        for _ in range(MOST_TERMS):
            grown: list[_Sum] = []
            for old in beam:
                for expression in self._joined(old.expression):
                    if monotonic() > ends:
                        return met
                    if len(constants(expression)) < len(self.z) // 2:
                        grown.append(self._summed(expression))
            beam = _distinct(grown)[:BEAM]
            met += beam
            since = 0 if beam and beam[0].bits < best else since + 1
            if not beam or since == PATIENCE:
                break
            best = min(best, beam[0].bits)
        return met + [self._exchanged(new, ends) for new in _distinct(met)[:N_EXCHANGED]]

    def _exchanged(self, best: _Sum, ends: float) -> _Sum:
        """Return what a sum becomes when terms that came early, and poorly, are exchanged for better ones."""
        for _ in range(MOST_EXCHANGES):
            for rest in _without_a_term(best.expression):
                if monotonic() > ends:
                    return best
                # The others stay where they are until the new term has come: alone they would fill the gap.
                rivals = [self._summed(expression) for expression in (rest, *self._joined(rest))]
                found = min(rivals, key=lambda s: s.bits)
                if found.bits < best.bits - LEAST_GAIN:
                    best = found
                    break
            else:
                return best
        return best

    def _summed(self, expression: Expr) -> _Sum:
        fit = refit(expression, self.columns, self.z, self.root**2, steps=LM_STEPS, robust=False)
        if not np.isfinite(fit.mean_square):
            return _Sum(expression, np.inf, np.inf)
        return _Sum(fit.expr, fit.mean_square, self._bits(fit.expr, fit.mean_square))

    def _bits(self, expression: Expr, mean_square: float) -> float:
        left = 0.5 * self.n_rows * np.log2(mean_square / self.total + 1e-18)
        return float(left) + structure_bits(expression, self.n_rows, len(self.columns))

    def _joined(self, old: Expr) -> list[Expr]:
        """Return a sum with one more term, for the terms that promise the fewest bits, one of each kind."""
        values = np.array([c.value for c in constants(old)])
        value, jacobian = tape(old, self.columns, len(self.z))(values)
        if not (np.isfinite(value).all() and np.isfinite(jacobian).all()):
            return []
        residual = self.root * (self.z - value)
        # What the sum's own constants can still move is theirs, not the new term's.
        base = np.linalg.qr(jacobian * self.root[:, None])[0]
        residual = residual - base @ (base.T @ residual)
        found: list[tuple[float, int, Expr]] = []
        for atoms in self.atoms:
            place, weights, gain = _best_atom(atoms.values, base, residual)
            term = atoms.kind.term(atoms.column, atoms.grid[place], weights)
            expression = add([old, term])
            left = max(float(residual @ residual) - gain, 0.0) / len(residual)
            found.append((self._bits(expression, left), len(found), expression))
        return [expression for _, _, expression in sorted(found, key=lambda f: f[:2])[:N_JOINING]]


def _distinct(sums: list[_Sum]) -> list[_Sum]:
    """Return sums by bits, one of those that differ by signs and order alone."""
    kept: dict[str, _Sum] = {}
    for found in sorted(sums, key=lambda s: s.bits):
        kept.setdefault(f"{found.mean_square:.4g} {found.bits:.1f}", found)
    return list(kept.values())


def _without_a_term(expression: Expr) -> Iterator[Expr]:
    terms = expression.args if isinstance(expression, Add) else (expression,)
    for left_out in terms:
        yield add([term for term in terms if term is not left_out])


def _best_atom(
    values: Float[np.ndarray, "atoms rows parts"],
    base: Float[np.ndarray, "rows _"],
    residual: Float[np.ndarray, " rows"],
) -> tuple[int, Any, float]:
    """Return the atom that explains most of a residual, its weights, and the sum of squares that it takes away."""
    free = values - np.einsum("rk,akp->arp", base, np.einsum("rk,arp->akp", base, values))
    size = np.einsum("arp,arp->a", values, values)
    gram = np.einsum("arp,arq->apq", free, free)
    against = np.einsum("arp,r->ap", free, residual)
    ridge = 1e-12 * size[:, None, None] * np.eye(values.shape[2]) + 1e-300 * np.eye(values.shape[2])
    weights = np.linalg.solve(gram + ridge, against[..., None])[..., 0]
    gain = np.einsum("ap,ap->a", weights, against)
    # An atom that the sum's constants can imitate already has no direction of its own.
    gain[np.einsum("app->a", gram) < 1e-8 * size] = -np.inf
    place = int(np.argmax(gain))
    return place, weights[place], float(gain[place])
