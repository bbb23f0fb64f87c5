r"""Families of functions of a state in which a law may lie, as columns that are linear in their coefficients.

`Atoms` are what functions are made of: the coordinates $z_i$, and auxiliary inputs such as differences and distances,
with their gradients and with their rates $f \cdot \nabla u$ along the field. A `Block` is a monomial of atoms times a
`Curve` of one atom: nothing, a list of elementary functions, or a spline basis. A family is a tuple of blocks.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations_with_replacement
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
from jaxtyping import Float

from scikan.core.expr import ONE, Expr, Number, Symbol, differentiate, evaluate, multiply, power, substitute
from scikan.law.simplify import simplify
from scikan.train.linear import spline_columns


U = Symbol("u")
"""The argument of an elementary curve."""

Powers: TypeAlias = tuple[tuple[int, int], ...]


@dataclass(frozen=True, eq=False)
class Atoms:
    """Inputs of families on rows of states.

    Args:
        exprs: each atom as a formula of the coordinates.
        values: (rows, atoms), in the coordinates' units.
        gradients: d atom / d coordinate, (rows, atoms, coordinates).
        rates: d atom / d time along the field, (rows, atoms); zeros where there is no field.
    """

    exprs: tuple[Expr, ...]
    values: Float[np.ndarray, "rows atoms"]
    gradients: Float[np.ndarray, "rows atoms coordinates"]
    rates: Float[np.ndarray, "rows atoms"]

    def rows(self, index: np.ndarray | slice) -> "Atoms":
        """Return the same atoms on some of the rows."""
        return replace(
            self, values=self.values[index], gradients=self.gradients[index], rates=self.rates[index]
        )


def lay_atoms(
    exprs: Sequence[Expr],
    names: Sequence[str],
    states: Float[np.ndarray, "rows coordinates"],
    velocities: Float[np.ndarray, "rows coordinates"] | None = None,
) -> Atoms:
    """Return atoms evaluated with exact gradients; `names` are the coordinates in the order of the columns."""
    columns = {name: states[:, i] for i, name in enumerate(names)}
    values = np.stack([evaluate(e, columns) for e in exprs], axis=1)
    gradients = np.zeros((*values.shape, len(names)))
    for a, e in enumerate(exprs):
        for i, name in enumerate(names):
            slope = differentiate(e, name)
            if slope != Number(0):
                gradients[:, a, i] = evaluate(slope, columns)
    rates = np.zeros(values.shape) if velocities is None else np.einsum("nai,ni->na", gradients, velocities)
    return Atoms(tuple(exprs), values, gradients, rates)


@runtime_checkable
class Curve(Protocol):
    """Functions of one atom: columns and slopes, (rows, functions)."""

    def values(self, u: Float[np.ndarray, " rows"]) -> Float[np.ndarray, "rows functions"]: ...

    def slopes(self, u: Float[np.ndarray, " rows"]) -> Float[np.ndarray, "rows functions"]: ...


@dataclass(frozen=True, eq=False)
class Splines:
    """The spline basis of one atom."""

    knots: Float[np.ndarray, " knots"]
    k: int

    def values(self, u: Float[np.ndarray, " rows"]) -> Float[np.ndarray, "rows functions"]:
        return spline_columns(u, self.knots, self.k)

    def slopes(self, u: Float[np.ndarray, " rows"]) -> Float[np.ndarray, "rows functions"]:
        return spline_columns(u, self.knots, self.k, derivative=1)


@dataclass(frozen=True)
class Elementary:
    """Formulas of the symbol `u`."""

    entries: tuple[Expr, ...]

    def values(self, u: Float[np.ndarray, " rows"]) -> Float[np.ndarray, "rows functions"]:
        return np.stack([evaluate(e, {"u": u}) for e in self.entries], axis=1)

    def slopes(self, u: Float[np.ndarray, " rows"]) -> Float[np.ndarray, "rows functions"]:
        return np.stack([evaluate(e, {"u": u}) for e in self._derivatives], axis=1)

    @cached_property
    def _derivatives(self) -> tuple[Expr, ...]:
        return tuple(differentiate(e, "u") for e in self.entries)


@dataclass(frozen=True, eq=False)
class Block:
    """A monomial of atoms, ((atom, exponent), ...), times the curves of one atom (-1: no curve)."""

    powers: Powers
    atom: int = -1
    curve: Curve | None = None

    def curves(self, atoms: Atoms) -> tuple[np.ndarray, np.ndarray]:
        """Return the curves and their slopes at the atom, (rows, functions) each; the constant 1 without a curve."""
        if self.curve is None:
            return np.ones((len(atoms.values), 1)), np.zeros((len(atoms.values), 1))
        u = atoms.values[:, self.atom]
        return self.curve.values(u), self.curve.slopes(u)

    def parts(
        self, atoms: Atoms, columns: np.ndarray, slopes: np.ndarray
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Yield (-1, columns), then (atom, d columns / d atom) for every atom in the block, from its curves."""
        monomial = _monomial(self.powers, atoms)[:, None]
        yield -1, columns * monomial
        if self.curve is not None:
            yield self.atom, slopes * monomial
        for n, (atom, exponent) in enumerate(self.powers):
            lower = (*self.powers[:n], (atom, exponent - 1), *self.powers[n + 1 :])
            yield atom, exponent * columns * _monomial(lower, atoms)[:, None]

    def functions(self, atoms: Atoms) -> tuple[Expr, ...]:
        """Return the curve's functions of its atom as formulas, simplified; 1 without a curve; splines have none."""
        if self.curve is None:
            return (ONE,)
        assert isinstance(self.curve, Elementary)
        return tuple(simplify(substitute(e, {"u": atoms.exprs[self.atom]})) for e in self.curve.entries)

    def exprs(self, atoms: Atoms, functions: tuple[Expr, ...] | None = None) -> tuple[Expr, ...]:
        """Return the columns as formulas of the coordinates, from `functions` if these are known."""
        factors = [power(atoms.exprs[a], Number(e)) for a, e in self.powers]
        return tuple(multiply([*factors, e]) for e in functions or self.functions(atoms))

    @property
    def degree(self) -> int:
        """Total degree of the monomial."""
        return sum(e for _, e in self.powers)


def _monomial(powers: Powers, atoms: Atoms) -> np.ndarray:
    product = np.ones(len(atoms.values))
    for atom, exponent in powers:
        for _ in range(exponent):
            product = product * atoms.values[:, atom]
    return product


Family: TypeAlias = tuple[Block, ...]


def _parts(family: Family, atoms: Atoms) -> Iterator[Iterator[tuple[int, np.ndarray]]]:
    """Yield the parts of every block; curves that blocks share are evaluated once."""
    known: dict[tuple[int, Curve | None], tuple[np.ndarray, np.ndarray]] = {}
    for block in family:
        key = (block.atom, block.curve)
        if key not in known:
            known[key] = block.curves(atoms)
        yield block.parts(atoms, *known[key])


def column_values(family: Family, atoms: Atoms) -> Float[np.ndarray, "rows columns"]:
    """Return the values of all columns of a family."""
    known: dict[tuple[int, Curve | None], np.ndarray] = {(-1, None): np.ones((len(atoms.values), 1))}
    for block in family:
        if block.curve is not None and (block.atom, block.curve) not in known:
            known[block.atom, block.curve] = block.curve.values(atoms.values[:, block.atom])
    values = [known[b.atom, b.curve] * _monomial(b.powers, atoms)[:, None] for b in family]
    return np.concatenate(values, axis=1)


def columns(
    family: Family, atoms: Atoms
) -> tuple[Float[np.ndarray, "rows columns"], Float[np.ndarray, "rows columns"]]:
    """Return (values, rates along the field) of all columns of a family."""
    values, rates = [], []
    for parts in _parts(family, atoms):
        rate: np.ndarray | float = 0.0
        for atom, part in parts:
            if atom < 0:
                values.append(part)
            else:
                rate = rate + part * atoms.rates[:, atom, None]
        rates.append(np.broadcast_to(rate, values[-1].shape))
    return np.concatenate(values, axis=1), np.concatenate(rates, axis=1)


def gradients(
    family: Family, atoms: Atoms, coefficients: Float[np.ndarray, "columns laws"]
) -> Float[np.ndarray, "rows laws coordinates"]:
    """Return the gradients, with respect to the coordinates, of combinations of a family's columns."""
    n, laws = len(atoms.values), coefficients.shape[1]
    slopes = np.zeros((n, atoms.values.shape[1], laws))
    start = 0
    for parts in _parts(family, atoms):
        width = 0
        for atom, part in parts:
            width = part.shape[1]
            if atom >= 0:
                slopes[:, atom] += part @ coefficients[start : start + width]
        start += width
    return np.asarray(np.einsum("nal,nai->nli", slopes, atoms.gradients))


def column_gradients(family: Family, atoms: Atoms) -> Float[np.ndarray, "rows coordinates columns"]:
    """Return the gradients of a family's columns, one by one."""
    slopes = []
    for parts in _parts(family, atoms):
        _, values = next(parts)
        slope = np.zeros((len(values), atoms.gradients.shape[2], values.shape[1]))
        for atom, part in parts:
            slope += part[:, None, :] * atoms.gradients[:, atom, :, None]
        slopes.append(slope)
    return np.concatenate(slopes, axis=2)


def expressions(family: Family, atoms: Atoms) -> tuple[Expr, ...]:
    """Return every column of a family without splines as a formula."""
    # All monomials times one curve ask for the same functions.
    first = {(block.atom, block.curve): block for block in family}
    functions = {key: block.functions(atoms) for key, block in first.items()}
    return tuple(e for block in family for e in block.exprs(atoms, functions[block.atom, block.curve]))


def monomials(atoms: Sequence[int], degree: int, lowest: int = 1) -> Family:
    """Return all monomials of the atoms with lowest <= total degree <= degree."""
    found = []
    for size in range(lowest, degree + 1):
        for choice in combinations_with_replacement(atoms, size):
            found.append(Block(tuple((a, choice.count(a)) for a in dict.fromkeys(choice))))
    return tuple(found)


def products(powers: Sequence[Powers], curves: Sequence[tuple[int, Curve]]) -> Family:
    """Return every monomial times every curve."""
    return tuple(Block(p, atom, curve) for atom, curve in curves for p in powers)


def n_columns(family: Family) -> int:
    """Return how many columns a family without data-dependent curves has."""
    total = 0
    for block in family:
        curve = block.curve
        if isinstance(curve, Elementary):
            total += len(curve.entries)
        elif isinstance(curve, Splines):
            total += len(curve.knots) - curve.k - 1
        else:
            total += 1
    return total
