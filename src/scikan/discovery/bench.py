"""Where proposals are measured: formulas simplified, refitted, snapped and ranked on one set of rows."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float

from scikan.core.dataset import Dataset
from scikan.core.expr import Expr, constants, evaluate, symbols
from scikan.core.samples import evenly
from scikan.discovery.proposals import Proposal, SnappedConstant, merged
from scikan.discovery.stages import constant_law
from scikan.law.description import description_length, structure_bits
from scikan.law.evidence import WHITENESS_LEVEL, whiteness
from scikan.law.input_errors import InputErrors, refit_with_errors
from scikan.law.ordering import in_order
from scikan.law.refitting import Readout, Refit, refit, target_variance
from scikan.law.shortening import shortened
from scikan.law.simplify import simplify
from scikan.law.snapping import Snapped, snap_by


Columns = dict[str, Float[np.ndarray, " rows"]]

SETTLED = 0.001
"""Level at which a short law's residual must show structure for networks to be asked; the verdict is stricter."""

SHORT = 60.0
"""Bits of structure up to which a law with white residuals ends the search before networks are trained."""

NO_WORSE = 1.2
"""How many times the least error of a surrogate a law may leave that ends the search."""

N_REFINED = 10

MOST_SHORTENED, N_SHORTENED = 3, 400
"""Proposals that are searched for parts to leave out, and the rows on which that is tried."""

LUCK = 8.0
"""Bits by which a more complex formula must be ahead to be preferred, or by as many as its structure costs more."""


class Bench:
    """The rows on which proposals are refitted and measured; by distance, where errors of the columns are given."""

    def __init__(
        self,
        columns: Columns,
        y: Any,
        weight: Any,
        readout: Readout,
        table: Dataset,
        errors: InputErrors | None = None,
    ) -> None:
        self.errors = errors
        self.columns, self.y, self.weight, self.readout = columns, y, weight, readout
        self.variance = target_variance(y, weight, readout)
        self.positive = frozenset(name for name, values in columns.items() if np.all(values > 0))
        self.table = table

    def fitted(self, expr: Expr, steps: int = 60, robust: bool = True) -> Refit:
        """Return a formula with its constants fitted to the rows."""
        return refit_with_errors(
            expr, self.columns, self.y, self.weight, self.readout, self.errors, steps, robust
        )

    def measured(self, expr: Expr, origin: str, steps: int = 60, robust: bool = True) -> Proposal | None:
        """Refit all constants of a formula; None if it is undefined on some row."""
        fit = self.fitted(expr, steps, robust)
        if not np.isfinite(fit.mean_square):
            return None
        bits = description_length(fit.expr, fit.mean_square, self.variance, len(self.y), len(self.columns))
        return Proposal(fit.expr, fit.expr, fit.mean_square, fit.mean_square / self.variance, bits, origin)

    def proposals(self, formulas: Iterable[Expr], origin: str) -> list[Proposal]:
        """Simplify and refit formulas; return them by bits, equal ones merged, the mean always among them."""
        found = [self.measured(constant_law(self.y), "mean")]
        for formula in formulas:
            if len(constants(formula)) < len(self.y) // 2:
                natural = simplify(formula, self.positive, trials=False)
                found.append(self.measured(natural, origin, steps=20, robust=False))
                # Formulas come in order of cost, of one stage the simplest first.
                if found[-1] is not None and found[-1].is_exact:
                    break
        return merged([p for p in found if p is not None])

    def refined(self, front: list[Proposal]) -> list[Proposal]:
        """Snap the constants of the best proposals, simplify once more, and rank again."""
        exact = [p for p in front if p.is_exact]
        chosen = exact[:3] or front[:N_REFINED]
        short = [self._shortened(p) if n < MOST_SHORTENED else p for n, p in enumerate(chosen)]
        return merged([*[self._snapped(p) for p in short], *[p for p in front if p not in chosen]])

    def _shortened(self, proposal: Proposal) -> Proposal:
        """Return a proposal without parts that the data do not need."""
        pick = evenly(len(self.y), N_SHORTENED)
        columns = {name: values[pick] for name, values in self.columns.items()}
        y, weight = self.y[pick], None if self.weight is None else self.weight[pick]
        variance = target_variance(y, weight, self.readout)

        def judge(expr: Expr) -> tuple[float, Expr] | None:
            natural = simplify(expr, self.positive, trials=False)
            fit = refit(natural, columns, y, weight, self.readout, 20, robust=False)
            if not np.isfinite(fit.mean_square):
                return None
            return description_length(fit.expr, fit.mean_square, variance, len(y), len(columns)), fit.expr

        short = shortened(proposal.expression, judge)
        if short == proposal.expression:
            return proposal
        found = self.measured(short, proposal.origin)
        is_better = found is not None and found.bits < proposal.bits and found.is_exact >= proposal.is_exact
        return found if found is not None and is_better else proposal

    def _snapped(self, proposal: Proposal) -> Proposal:
        plain = self._snap(proposal.expression, units_only=True)
        fitted = self._natural(plain.expr, proposal)
        if fitted is None or (fitted.bits > proposal.bits + 1.0 and not proposal.is_exact):
            fitted = proposal
        full = self._snap(fitted.expression)
        best = self._natural(full.expr, proposal)
        if best is None or (best.bits > fitted.bits and not fitted.is_exact):
            return fitted
        records = tuple(
            SnappedConstant(float(evaluate(s.number, {})), s.constant.value, s.constant.error, str(s.number))
            for s in full.snapped
            if evaluate(s.number, {}) != 0
        )
        return replace(best, fitted=fitted.expression, snapped=records)

    def _snap(self, expr: Expr, units_only: bool = False) -> Snapped:
        return snap_by(self.fitted, expr, self.variance, len(self.y), units_only)

    def _natural(self, expr: Expr, proposal: Proposal) -> Proposal | None:
        natural = in_order(simplify(expr, positive=self.positive), self.table.names)
        return self.measured(natural, proposal.origin)

    def bits_of(self, proposal: Proposal) -> float:
        """Return the bits of a proposal's structure alone."""
        return structure_bits(proposal.expression, len(self.y), len(self.columns))

    def residual(self, expr: Expr) -> Any:
        """Return residuals in the error model's units."""
        with np.errstate(all="ignore"):
            value = np.broadcast_to(evaluate(expr, self.columns), self.y.shape)
            return np.log(value / self.y) if self.readout == "log" else value - self.y

    def settles(self, proposal: Proposal, rng: np.random.Generator, least: float) -> bool:
        """Whether the search may end with this proposal: exact, or short with nothing clearly left over.

        Among few rows, or in many columns, structure hides from the test of the residual: then a surrogate knows
        how much is left to explain. `least` is its leave-one-out error, in the error model's units.
        """
        if proposal.is_mean or proposal.is_exact:
            return proposal.is_exact and not proposal.is_mean
        if np.sqrt(proposal.mean_square) > NO_WORSE * least:
            return False
        return self.bits_of(proposal) < SHORT and self.is_white(proposal, rng, SETTLED)

    def is_white(self, proposal: Proposal, rng: np.random.Generator, level: float = WHITENESS_LEVEL) -> bool:
        """Whether a proposal leaves no structure on these rows."""
        return whiteness(
            self.residual(proposal.expression), views(self.table, proposal.expression), rng, level
        ).is_white

    def simplest_first(self, front: list[Proposal], rng: np.random.Generator) -> tuple[Proposal, ...]:
        """Return the front with the simplest of those in front that luck could have put in another order.

        Thousands of formulas are compared, so the best is ahead of an equally true one by some bits. A simpler
        one takes its place only if it leaves no structure in its residual, and saves as many bits of structure as
        it is behind: among few rows no test would see what it leaves.
        """
        first = self.bits_of(front[0])
        ahead = [
            p
            for p in front
            if p.bits - front[0].bits <= min(LUCK, first - self.bits_of(p)) and not p.is_mean or p is front[0]
        ]
        for chosen in sorted(ahead, key=self.bits_of):
            if chosen is front[0] or self.is_white(chosen, rng):
                return (chosen, *[p for p in front if p is not chosen])
        return tuple(front)


def views(table: Dataset, expr: Expr) -> list[Any]:
    """Return the columns in which a residual's neighbours are looked for: all of them, and those of the law."""
    places = scaled_columns(table.x, table.input_scales)
    own = [j for j, name in enumerate(table.names) if name in symbols(expr)]
    return [places] if len(own) in (0, table.n_inputs) else [places, places[:, own]]


def scaled_columns(x: Any, scales: tuple[str, ...]) -> Any:
    """Return columns with the logarithm taken where the scale says so: where neighbours are looked for."""
    return np.column_stack(
        [np.log(c) if s == "log" and np.all(c > 0) else c for c, s in zip(x.T, scales, strict=True)]
    )
