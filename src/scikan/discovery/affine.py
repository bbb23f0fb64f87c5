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
    Hit,
    Target,
    heavy_targets,
    light_targets,
    screened,
)
from scikan.structure.scaling import Level


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
    def standard(self) -> Any:
        """Their values, `(features, rows)`, float32, mean 0 and variance 1."""
        return standardised(self.library.values[self.places])

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
        hits = screened(targets, self.standard, self.library, self.places, self.total, N_HITS)
        for hit in hits:
            yield from self.formulas(hit)

    def formulas(self, hit: Hit) -> Iterator[Expr]:
        """Yield a hit as formulas for y with constants from all rows: without offset and with one."""
        target, level = hit.target, self.level
        f = self.library.evaluated(hit.feature, level.columns)
        s = None if target.other < 0 else self.library.evaluated(target.other, level.columns)
        u = target.forward(level.target, s)
        weight = self._row_weight(target, s)
        usable = np.isfinite(u) & np.isfinite(f) & (weight > 0)
        if usable.sum() < 8:
            return
        feature = self.library.expression(hit.feature)
        other = None if s is None else self.library.expression(target.other)
        w, u, f = weight[usable], u[usable], f[usable]
        slope = float(np.sum(w * w * f * u) / np.sum(w * w * f * f))
        yield self.of_y(target.formula(multiply([Constant(slope), feature]), other))
        share = w * w / np.sum(w * w)
        centred = f - share @ f
        size = float(np.sum(share * centred**2))
        if size > 0:
            slope = float(np.sum(share * centred * u)) / size
            offset = float(share @ u - slope * (share @ f))
            law = add([Constant(offset), multiply([Constant(slope), feature])])
            yield self.of_y(target.formula(law, other))

    def _row_weight(self, target: Target, s: Any) -> Any:
        """Return the weights of residuals of a target on all rows."""
        again = target.weighted(self.level.target, s, self.level.weight)
        return np.where(np.isfinite(again), again, 0.0)

    def of_y(self, expr: Expr) -> Expr:
        """Return the formula of y for one of z."""
        return multiply([self.level.factor_expression, expr])


def standardised(values: Any) -> Any:
    """Return rows with mean 0 and variance 1 in single precision."""
    centred = values - values.mean(axis=1, keepdims=True)
    norm = np.sqrt(np.mean(centred**2, axis=1, keepdims=True))
    return (centred / norm).astype(np.float32)
