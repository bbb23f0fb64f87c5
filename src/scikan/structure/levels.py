"""A table on the way to fewer columns: what it was divided by, and how it came to be."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from scikan.core.expr import Expr, differentiate, evaluate
from scikan.core.samples import evenly
from scikan.structure.answers import Surrogate


N_TOUCHED, NOTHING = 60, 1e-8
"""Rows on which `holds_for` looks, and what rounding leaves of a gradient."""

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

    def holds_for(self, law: Expr, columns: Mapping[str, Vector]) -> bool:
        """Whether a law of the table's own columns is the factor times a function of the level's.

        Then the gradient of law / factor lies in the span of theirs, on whatever rows.
        """
        wanted = _slopes(law / self.factor_expression, columns)
        spanned = [_slopes(expr, columns) for expr in self.expressions]
        laid = np.stack(spanned, axis=2) if spanned else wanted[:, :, None][:, :, :0]
        usable = np.isfinite(wanted).all(axis=1) & np.isfinite(laid).all(axis=(1, 2))
        left = [
            w - s @ np.linalg.lstsq(s, w, rcond=1e-9)[0]
            for w, s in zip(wanted[usable], laid[usable], strict=True)
        ]
        return bool(left) and bool(np.linalg.norm(left) <= NOTHING * np.linalg.norm(wanted[usable]))

    def missed_by(self, surrogate: Surrogate) -> float:
        """Return the root mean square leave-one-out residual of the level's surrogate, in units of y (weighted)."""
        return float(np.sqrt(np.mean((surrogate.loo * self.weight) ** 2)))


def _slopes(expr: Expr, columns: Mapping[str, Vector]) -> Float[np.ndarray, "few names"]:
    """Return the derivatives of a formula by each column in units of its spread, on a few rows."""
    pick = evenly(len(next(iter(columns.values()))), N_TOUCHED)
    few = {name: values[pick] for name, values in columns.items()}
    with np.errstate(all="ignore"):
        slopes = [
            np.broadcast_to(evaluate(differentiate(expr, name), few), len(pick)) * values.std()
            for name, values in few.items()
        ]
    return np.stack(slopes, axis=1).astype(float)
