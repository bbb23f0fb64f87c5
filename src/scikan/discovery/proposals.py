"""A proposal: a formula with fitted constants, its error and its bits; and the front of the unbeaten ones."""

from dataclasses import dataclass

from scikan.core.expr import Expr, complexity, symbols


EXACT = 1e-18
"""Relative mean square below which a formula fits to rounding."""


@dataclass(frozen=True)
class SnappedConstant:
    """A fitted constant that became a simple number: what was fitted, its standard error, the number as text."""

    value: float
    fitted: float
    error: float
    text: str


@dataclass(frozen=True)
class Proposal:
    """A formula with fitted constants: mean square in the error model's units, bits, and where it came from.

    `fitted` is the same form with constants at full precision where `expression` has snapped ones, which are
    listed in `snapped`.
    """

    expression: Expr
    fitted: Expr
    mean_square: float
    relative: float
    bits: float
    origin: str
    snapped: tuple[SnappedConstant, ...] = ()

    @property
    def is_mean(self) -> bool:
        """Whether the formula uses no column at all."""
        return not symbols(self.expression)

    @property
    def is_exact(self) -> bool:
        """Whether the formula fits to rounding."""
        return self.relative < EXACT


def merged(proposals: list[Proposal]) -> list[Proposal]:
    """Return proposals by bits without doubles: same complexity and error to six digits count as equal forms."""
    kept: dict[tuple[int, str], Proposal] = {}
    # Of two ways to one formula the one that fitted its numbers says how sure they are.
    for proposal in sorted(proposals, key=lambda p: (round(p.bits, 3), -len(p.snapped))):
        digits = f"{proposal.relative:.6g}" if not proposal.is_exact else str(proposal.expression)
        kept.setdefault((complexity(proposal.expression), digits), proposal)
    return list(kept.values())


def pareto(front: tuple[Proposal, ...]) -> tuple[Proposal, ...]:
    """Return the preferred formula first, then those that no shorter one beats in error, by description length."""
    kept = [front[0]]
    for proposal in front[1:]:
        size = complexity(proposal.expression)
        rivals = [p for p in front if complexity(p.expression) <= size and p is not proposal]
        if all(p.relative > proposal.relative for p in rivals):
            kept.append(proposal)
    return tuple(kept)
