"""Where the closed-form stages lay their formulas: measured on the raw rows, ranked in bits, doubles removed."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from time import monotonic
from typing import Any

import numpy as np
from jaxtyping import Float

from scikan.core.expr import Expr, constants, evaluate
from scikan.core.samples import evenly
from scikan.discovery.proposals import EXACT
from scikan.law.description import structure_bits
from scikan.law.refitting import refit, target_variance
from scikan.law.simplify import simplify


Columns = dict[str, Float[np.ndarray, " rows"]]
Vector = Float[np.ndarray, " rows"]

N_REFITTED = 12
LM_STEPS = 25
N_TUNED = 160


@dataclass(frozen=True)
class Candidate:
    """A formula in the original symbols with its relative mean square, bits of structure and bits in all."""

    expression: Expr
    relative: float
    structure: float
    bits: float

    @property
    def is_exact(self) -> bool:
        """Whether nothing but rounding is left."""
        return self.relative < EXACT


class Desk:
    """Measures formulas on one table: columns `(rows,)` by name, target, weights of squared residuals or None."""

    def __init__(self, columns: Columns, y: Vector, weight: Any, positive: frozenset[str]) -> None:
        self.columns, self.y, self.weight, self.positive = columns, y, weight, positive
        self.variance = target_variance(y, weight)

    def measured(self, expr: Expr) -> Candidate | None:
        """Return a formula as it stands; None if it is undefined on some row."""
        with np.errstate(all="ignore"):
            mean_square = float(np.average(self.residual(expr) ** 2, weights=self.weight))
        return self._candidate(expr, mean_square)

    def residual(self, expr: Expr) -> Any:
        """Return what a formula leaves over, `(rows,)`."""
        return np.broadcast_to(evaluate(expr, self.columns), self.y.shape) - self.y

    def refitted(self, expr: Expr, steps: int = LM_STEPS) -> Candidate | None:
        """Return a formula with all constants moved to the nearest least-squares point."""
        natural = simplify(expr, self.positive, trials=False)
        if not constants(natural):
            return self.measured(natural)
        fit = refit(natural, self.columns, self.y, self.weight, steps=steps, robust=False)
        return self._candidate(fit.expr, fit.mean_square)

    def best(self, formulas: Iterable[Expr], ends: float, keep: int = N_REFITTED) -> list[Candidate]:
        """Return the best of many formulas by bits, refitted; if some are exact, those alone, shortest first.

        Formulas that come after the time `ends` are not waited for.
        """
        laid = []
        for formula in formulas:
            candidate = self.measured(formula)
            if candidate is not None:
                laid.append(candidate)
            if monotonic() > ends:
                break
        laid.sort(key=lambda c: c.bits)
        exact = sorted((c for c in laid if c.is_exact), key=lambda c: c.structure)
        chosen = exact[:6] or laid[:keep]
        found: dict[str, Candidate] = {}
        for candidate in chosen:
            again = self.refitted(candidate.expression)
            if again is not None:
                found.setdefault(f"{again.relative:.5g} {again.structure:.3f}", again)
        order = sorted(found.values(), key=lambda c: c.bits)
        exact = sorted((c for c in order if c.is_exact), key=lambda c: c.structure)
        return exact or order

    def tuned(self, formulas: Iterable[Expr], steps: int = 12) -> Iterator[Expr]:
        """Yield formulas with constants moved to a least-squares point on a few rows."""
        pick = evenly(len(self.y), N_TUNED)
        columns = {name: values[pick] for name, values in self.columns.items()}
        weight = None if self.weight is None else self.weight[pick]
        for expr in formulas:
            fit = refit(expr, columns, self.y[pick], weight, steps=steps, robust=False)
            if np.isfinite(fit.mean_square):
                yield fit.expr

    def _candidate(self, expr: Expr, mean_square: float) -> Candidate | None:
        if not np.isfinite(mean_square):
            return None
        n = len(self.y)
        structure = structure_bits(expr, n, len(self.columns))
        relative = mean_square / self.variance
        return Candidate(expr, relative, structure, 0.5 * n * float(np.log2(relative + EXACT)) + structure)
