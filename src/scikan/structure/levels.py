"""A table on the way to fewer columns: what it was divided by, and how it came to be."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from scikan.core.expr import Expr
from scikan.structure.answers import Surrogate


Rows = Float[np.ndarray, "rows columns"]
Vector = Float[np.ndarray, " rows"]


@dataclass(frozen=True)
class Step:
    """One accepted step: "irrelevant", "factor", "shift", "scaling" or "combination", told in words."""

    kind: str
    text: str


@dataclass(frozen=True, eq=False)
class Level:
    """A table in which y = factor * z, and z depends on the columns alone.

    Args:
        columns: `(rows, columns)`, possibly without any column.
        expressions: the columns as formulas in the original symbols.
        target: z.
        factor: M.
        factor_expression: M as a formula.
        weight: |M| times the root of the table's own weights: turns residuals of z into those of y.
        steps: how the table came to be.
        error: root mean square leave-one-out residual of the level's surrogate, in units of y (weighted).
    """

    columns: Rows
    expressions: tuple[Expr, ...]
    target: Vector
    factor: Vector
    factor_expression: Expr
    weight: Vector
    steps: tuple[Step, ...] = ()
    error: float = np.inf

    def rows(self, pick: Any) -> "Level":
        """Return the level on some of its rows."""
        parts = {name: getattr(self, name)[pick] for name in ("columns", "target", "factor", "weight")}
        return replace(self, **parts)

    def missed_by(self, surrogate: Surrogate) -> float:
        """Return the root mean square leave-one-out residual of the level's surrogate, in units of y (weighted)."""
        return float(np.sqrt(np.mean((surrogate.loo * self.weight) ** 2)))
