r"""The closed-form searches of one level: its library, its screening rows, and formulas from hits.

Screening sees a few hundred rows in single precision; the best hits are solved again on all rows in double
precision, with and without an offset.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from scikan.core.expr import Constant, Expr, add, multiply
from scikan.discovery.library import Features, build_library, distinct_features
from scikan.discovery.targets import (
    MOST_TARGETS,
    Table,
    Target,
    heavy_targets,
    light_targets,
    screened,
)
from scikan.structure.levels import Level


N_SCREEN = 256
N_HITS = 150
MOST_ENTRIES = 24_000


@dataclass(frozen=True, eq=False)
class Screen:
    """A level with its library.

    Args:
        level: the table, all rows.
        library: expressions of its columns, on the screening rows.
        pick: the screening rows.
    """

    level: Level
    library: Features
    pick: Any

    @classmethod
    def of(cls, level: Level, rng: np.random.Generator) -> "Screen":
        """Return the screen of a level with at least one column."""
        n = len(level.target)
        pick = np.sort(rng.permutation(n)[:N_SCREEN])
        return cls(level, build_library(level.columns[pick], level.expressions, MOST_ENTRIES), pick)

    @cached_property
    def places(self) -> Any:
        """The entries that differ by more than an affine map."""
        return distinct_features(self.library.values)

    @cached_property
    def table(self) -> Table:
        """The features that differ by more than an affine map, for screening."""
        library, places = self.library, self.places
        return Table(standardised(library.values[places]), library.nodes[places], library.deep[places])

    @property
    def z(self) -> Any:
        """The target on the screening rows."""
        return self.level.target[self.pick]

    @property
    def weight(self) -> Any:
        """What turns residuals of z into those that count, on the screening rows."""
        return self.level.weight[self.pick]

    @cached_property
    def total(self) -> float:
        """Mean square of what counts in the target: the unit of misfits."""
        share = self.weight**2 / np.sum(self.weight**2)
        return float(np.mean((self.weight * (self.z - share @ self.z)) ** 2)) or 1.0

    def light(self) -> list[Target]:
        """The target itself and what it makes with the columns, transformed."""
        return list(light_targets(self.z, self.weight, self.library))

    def heavy(self, level: int, most: int = MOST_TARGETS) -> list[Target]:
        """The target with the simplest entries of a level of the library, transformed."""
        found = []
        for target in heavy_targets(self.z, self.weight, self.library, level):
            found.append(target)
            if len(found) == most:
                break
        return found

    def affine_laws(self, targets: list[Target]) -> Iterator[Expr]:
        """Yield formulas of y from the best affine hits of targets."""
        for hit in screened(targets, self.table, self.total, N_HITS):
            yield from self.formulas(hit.target, [self.feature(int(self.places[hit.row]))])

    def feature(self, entry: int) -> "Feature":
        """Return an entry of the library on all rows of the level."""
        return Feature(self.library.expression(entry), self.library.evaluated(entry, self.level.columns))

    def formulas(self, target: Target, features: list["Feature"]) -> Iterator[Expr]:
        """Yield laws of y in which a target is a sum of features, without an offset and with one.

        Their weights are least squares in double precision on all rows where the target is defined.
        """
        level = self.level
        s = None if target.other < 0 else self.library.evaluated(target.other, level.columns)
        u = target.forward(level.target, s)
        weight = target.weighted(level.target, s, level.weight)
        columns = np.column_stack([*(f.values for f in features), np.ones(len(u))])
        usable = np.isfinite(u) & np.isfinite(weight) & (weight > 0) & np.isfinite(columns).all(axis=1)
        if usable.sum() < 8:
            return
        other = None if s is None else self.library.expression(target.other)
        trees = [f.expression for f in features]
        for n in (len(features), len(features) + 1):
            part = columns[usable, :n] * weight[usable, None]
            norm = np.maximum(np.sqrt(np.sum(part**2, axis=0)), 1e-300)
            found = np.linalg.lstsq(part / norm, u[usable] * weight[usable], rcond=1e-13)[0] / norm
            terms: list[Expr] = [Constant(float(c)) for c in found[len(features) :]]
            terms += [multiply([Constant(float(c)), tree]) for c, tree in zip(found, trees, strict=False)]
            yield self.of_y(target.formula(add(terms), other))

    def of_y(self, expr: Expr) -> Expr:
        """Return the formula of y for one of z."""
        return multiply([self.level.factor_expression, expr])


@dataclass(frozen=True, eq=False)
class Feature:
    """A formula and its values on all rows of a level."""

    expression: Expr
    values: Any


def standardised(values: Any) -> Any:
    """Return rows with mean 0 and variance 1 in single precision."""
    centred = values - values.mean(axis=1, keepdims=True)
    norm = np.sqrt(np.mean(centred**2, axis=1, keepdims=True))
    return (centred / norm).astype(np.float32)
