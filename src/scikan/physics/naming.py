"""Names for the spline edges of a law, and all its constants fitted to rounding.

A law in splines is a sum of monomials and of curves of single atoms. Each curve is offered the library's functions
and pairs of them (`symbolic.fitting`, `symbolic.composites`); the best combinations are refitted together, by
Gauss-Newton steps, on what counts: that the law does not change along the field. A combination that holds to rounding
is the law; one that does not is dropped, and the splines stay.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from jaxtyping import Float

from scikan.core.expr import (
    Add,
    Constant,
    Expr,
    Mul,
    Number,
    call,
    constants,
    differentiate,
    evaluate,
    multiply,
    substitute,
    symbols,
    with_constants,
)
from scikan.law.polynomials import expanded
from scikan.law.simplify import simplify
from scikan.law.snapping import simplest_number
from scikan.physics.families import Atoms, Block, Elementary, Family, Splines, U, columns, n_columns
from scikan.physics.solving import States
from scikan.physics.templates import sums_of_powers, templates
from scikan.physics.writing import cost
from scikan.train import linear


HOLDS = 1e-11
"""Relative residual of a named law whose constants are right."""

OFFER_WINDOW, MOST_BITS, MOST_OFFERED = 1e-4, 14.0, 12
"""Inner constants of functions to offer: this near to a number of so few bits; and how many functions are offered."""

STEEP = 1e5
MOST_COMBINATIONS = 12
FIRST_STEPS, MORE_STEPS, COMES_NEAR = 12, 60, 1e-6
"""Steps of a refit, and its residual after the first of them above which no more are taken."""

_SNAP_WINDOW = 1e-8


@dataclass(frozen=True, eq=False)
class Parts:
    """A law's parts: monomials with weights, and curves of single atoms times monomials.

    Args:
        terms: (powers, weight) of each monomial.
        curves: (powers, atom, values on the rows) of each curve.
    """

    terms: tuple[tuple[Block, float], ...]
    curves: tuple[tuple[Block, Float[np.ndarray, " rows"]], ...]


def parts_of(family: Family, atoms: Atoms, vector: Float[np.ndarray, " columns"], least: float) -> Parts:
    """Return the parts of a law in splines that contribute at least this share of its largest part."""
    found: list[tuple[float, Block, np.ndarray | float]] = []
    start = 0
    for block in family:
        width = n_columns((block,))
        weights = vector[start : start + width]
        start += width
        outer = _powers(block, atoms)
        part: np.ndarray | float = float(weights[0])
        if isinstance(block.curve, Splines):
            part = block.curve.values(atoms.values[:, block.atom]) @ weights
        found.append((float(np.std(outer * part)), block, part))
    largest = max(size for size, _, _ in found)
    kept = [(block, part) for size, block, part in found if size > least * largest]
    return Parts(
        tuple((block, part) for block, part in kept if isinstance(part, float)),
        tuple((block, part) for block, part in kept if not isinstance(part, float)),
    )


def _powers(block: Block, atoms: Atoms) -> np.ndarray:
    return columns((Block(block.powers),), atoms)[0][:, 0]


def templates_of(parts: Parts, states: States) -> list[list[Expr]]:
    """Return formulas of `u` near each of a law's curves."""
    return [templates(states.atoms.values[:, block.atom], values) for block, values in parts.curves]


def named_law(
    parts: Parts, near: Sequence[Sequence[Expr]], states: States
) -> tuple[tuple[Expr, ...], np.ndarray] | None:
    """Return the law as terms (formulas of the coordinates) and weights, or None if no names hold to rounding.

    Args:
        parts: the law.
        near: formulas of `u` near each of its curves.
        states: the rows.
    """
    if not all(near):
        return None
    combined = sorted(product(*near), key=lambda pick: sum(cost(tree) for tree in pick))
    for pick in combined[:MOST_COMBINATIONS]:
        law = _Named(parts, pick, states.fewer(0))
        values = law.fitted()
        if law.residual(values) < HOLDS:
            return law.terms(law.snapped(values))
    return None


def offered(parts: Parts, near: Sequence[Sequence[Expr]], states: States) -> list[tuple[int, Elementary]]:
    """Return, for the atoms of a law's curves, all functions that any of the curves is nearly made of.

    Their inner constants are simple numbers; u and u^2 of coordinates are monomials, and not offered. What a curve
    is, is known up to terms that other curves and monomials can take over (a sum of differences that is zero), so
    that a function seen in one curve may be hidden in another.
    """
    pool: dict[Expr, None] = {}
    for (block, values), trees in zip(parts.curves, near, strict=True):
        for tree in (*sums_of_powers(states.atoms.values[:, block.atom], values), *trees):
            pool.update(dict.fromkeys(part for _, part in summands(_simple(tree))))
    entries = [e for e in pool if not constants(e) and e != call("abs", U) and not _is_quadratic(e)][
        :MOST_OFFERED
    ]
    found = []
    for atom in dict.fromkeys(block.atom for block, _ in parts.curves):
        plain = () if atom < states.atoms.gradients.shape[2] else (U, U**2)
        with np.errstate(all="ignore"):
            u = states.atoms.values[:, atom]
            smooth = [e for e in entries if _is_smooth(Elementary((e,)).slopes(u))]
        if plain or smooth:
            found.append((atom, Elementary((*plain, *smooth))))
    return found


def _is_quadratic(tree: Expr) -> bool:
    return not symbols(simplify(differentiate(differentiate(tree, "u"), "u")))


def _is_smooth(slopes: np.ndarray) -> bool:
    """Return whether slopes are finite, and not so large at some rows that these would outweigh all others."""
    size = np.abs(slopes)
    return bool(np.all(np.isfinite(size)) and size.max() < STEEP * np.median(size))


def _simple(tree: Expr) -> Expr:
    """Return a formula with its constants replaced by simple numbers near them, 0 among these, where there are any."""
    numbers: list[Expr] = []
    for constant in constants(tree):
        if abs(constant.value) < OFFER_WINDOW:
            numbers.append(Number(0))
            continue
        found = simplest_number(constant.value, OFFER_WINDOW * max(abs(constant.value), 1.0))
        numbers.append(found[0] if found is not None and found[1] <= MOST_BITS else constant)
    return simplify(with_constants(tree, numbers))


def with_values(trees: Sequence[Expr], values: Float[np.ndarray, " constants"]) -> list[Expr]:
    """Return trees with all their constants, one after the other, replaced."""
    ends = np.cumsum([0, *(len(constants(tree)) for tree in trees)])
    return [with_constants(t, values[a:b]) for t, a, b in zip(trees, ends[:-1], ends[1:], strict=True)]


@dataclass(frozen=True, eq=False)
class _Named:
    """A law with a formula for every curve, as a function of all its constants."""

    parts: Parts
    trees: tuple[Expr, ...]
    states: States

    def start(self) -> np.ndarray:
        return np.asarray(
            [w for _, w in self.parts.terms] + [c.value for t in self.trees for c in constants(t)]
        )

    def split(self, values: np.ndarray) -> tuple[np.ndarray, list[Expr]]:
        """Return the weights of monomials, and the trees with their constants."""
        n = len(self.parts.terms)
        return values[:n], with_values(self.trees, values[n:])

    def change(self, values: np.ndarray) -> tuple[np.ndarray, Any]:
        """Return f . grad H on all rows, and the rms size of its parts."""
        weights, trees = self.split(values)
        atoms = self.states.atoms
        parts = []
        for (block, _), weight in zip(self.parts.terms, weights, strict=True):
            parts.append(weight * columns((block,), atoms)[1][:, 0])
        for (block, _), tree in zip(self.parts.curves, trees, strict=True):
            u, rate = atoms.values[:, block.atom], atoms.rates[:, block.atom]
            part = _powers(block, atoms) * evaluate(differentiate(tree, "u"), {"u": u}) * rate
            if block.powers:
                mono = columns((Block(block.powers),), atoms)[1][:, 0]
                part = part + mono * evaluate(tree, {"u": u})
            parts.append(part)
        return np.sum(parts, axis=0), np.sqrt(np.mean(np.square(parts)))

    def residual(self, values: np.ndarray) -> float:
        with np.errstate(all="ignore"):
            change, size = self.change(values)
            relative = float(np.sqrt(np.mean(change**2)) / size)
        return relative if np.isfinite(relative) else np.inf

    def fitted(self) -> np.ndarray:
        """Return the constants after damped Gauss-Newton steps; central differences, since the residual goes to 0."""
        from scipy.optimize import least_squares

        origin = self.start()
        scale = np.where(np.abs(origin) > 1e-8, np.abs(origin), 1.0)
        here = self.change(origin)[0]
        # A curve's additive constant could grow in place of a law that shrinks to nothing.
        matters = [np.any(self.change(origin + step)[0] != here) for step in np.diag(1e-3 * scale)]
        pinned = origin / scale * np.asarray(matters)

        def residuals(x: np.ndarray) -> np.ndarray:
            with np.errstate(all="ignore"):
                change = self.change(x * scale)[0]
            # The last row holds the scale of the law, which is free.
            rows = np.append(
                change, np.sqrt(len(change)) * (x @ pinned / max(float(np.sum(pinned**2)), 1e-300) - 1)
            )
            return np.where(np.isfinite(rows), rows, 1e6)

        x = origin / scale
        # A form that is right comes near within a few steps; one that is not is left then.
        for steps in (FIRST_STEPS, MORE_STEPS):
            x = least_squares(
                residuals, x, jac="3-point", x_scale="jac", xtol=1e-15, ftol=1e-15, gtol=1e-15, max_nfev=steps
            ).x
            if self.residual(x * scale) > COMES_NEAR:
                break
        return np.asarray(x * scale)

    def snapped(self, values: np.ndarray) -> list[Expr]:
        """Return the trees with simple numbers in place of constants wherever the law still holds."""
        held = values.copy()
        limit = max(HOLDS, 3 * self.residual(values))
        n = len(self.parts.terms)
        fixed: dict[int, Expr] = {}
        for i in range(n, len(values)):
            zero = held.copy()
            zero[i] = 0.0
            if abs(held[i]) < 1e-6 and self.residual(zero) < limit:
                held, fixed[i] = zero, Number(0)
                continue
            found = simplest_number(float(held[i]), _SNAP_WINDOW * abs(held[i])) if held[i] else None
            if found is None or found[1] > 20:
                continue
            trial = held.copy()
            trial[i] = _float_of(found[0])
            if self.residual(trial) < limit:
                held, fixed[i] = trial, found[0]
        trees, at = [], n
        for tree in self.trees:
            count = len(constants(tree))
            options = [fixed.get(i, Constant(float(held[i]))) for i in range(at, at + count)]
            trees.append(with_constants(tree, options))
            at += count
        return trees

    def terms(self, trees: Sequence[Expr]) -> tuple[tuple[Expr, ...], np.ndarray]:
        """Return the law as terms and weights; a constant factor of a curve becomes its weight."""
        atoms = self.states.atoms
        terms: list[Expr] = []
        weights: list[float] = []
        values = self.fitted_weights(trees)
        for (block, _), weight in zip(self.parts.terms, values, strict=True):
            terms.append(block.exprs(atoms)[0])
            weights.append(weight)
        for (block, _), tree in zip(self.parts.curves, trees, strict=True):
            outer = Block(block.powers).exprs(atoms)[0]
            for weight, part in summands(tree):
                terms.append(multiply([outer, substitute(part, {"u": atoms.exprs[block.atom]})]))
                weights.append(weight)
        return tuple(terms), np.asarray(weights)

    def fitted_weights(self, trees: Sequence[Expr]) -> np.ndarray:
        """Return the monomials' weights that go with the curves, by least squares."""
        if not self.parts.terms:
            return np.zeros(0)
        atoms = self.states.atoms
        rest = np.zeros(len(atoms.values))
        for (block, _), tree in zip(self.parts.curves, trees, strict=True):
            u, rate = atoms.values[:, block.atom], atoms.rates[:, block.atom]
            rest += _powers(block, atoms) * evaluate(differentiate(tree, "u"), {"u": u}) * rate
            if block.powers:
                rest += columns((Block(block.powers),), atoms)[1][:, 0] * evaluate(tree, {"u": u})
        design = np.column_stack([columns((block,), atoms)[1][:, 0] for block, _ in self.parts.terms])
        return linear.least_squares(design, -rest)


def _float_of(expr: Expr) -> float:
    """Return the value of a tree without columns."""
    return float(evaluate(expr, {}))


def summands(tree: Expr) -> list[tuple[float, Expr]]:
    """Return (weight, rest) for each term of a sum that is not constant."""
    found = []
    whole = expanded(tree)
    for raw in whole.args if isinstance(whole, Add) else (whole,):
        term = simplify(raw)
        if not symbols(term):
            continue
        factors = term.args if isinstance(term, Mul) else (term,)
        numbers = [f for f in factors if not symbols(f)]
        weight = float(np.prod([_float_of(f) for f in numbers]))
        found.append((weight, multiply([f for f in factors if symbols(f)])))
    return found
