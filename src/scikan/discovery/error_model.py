"""Are errors of the target additive or relative? Chosen by likelihood before a search, asked again of what it found."""

from typing import Any

import numpy as np

from scikan.core.dataset import Dataset
from scikan.core.expr import Expr
from scikan.discovery.bench import N_REFINED, Bench, Columns
from scikan.discovery.proposals import EXACT, Proposal, merged
from scikan.discovery.stages import polynomials, power_laws
from scikan.law.description import structure_bits
from scikan.law.refitting import READOUTS, Readout, refit, target_variance


CLEARLY = 5.0
"""Logarithm of the ratio of likelihoods from which the law found has other errors than were assumed."""


def error_model(table: Dataset, columns: Columns, weight: Any) -> Readout:
    """Choose additive or relative errors by likelihood, on the best power law of either kind.

    With a given sigma errors are additive; with targets of both signs they have to be.
    """
    y = table.y[:, 0]
    if table.sigma is not None or not np.all(y > 0):
        return "linear"
    wide = table.target_scales[0] == "log"
    likelihood: dict[Readout, float] = {}
    for readout in READOUTS:
        for law in (*power_laws(table.x, y, table.names), *polynomials(table.x, y, table.names)):
            fitted = _likelihood(law, columns, y, weight, readout)
            bits = fitted - 0.7 * structure_bits(law, len(y), len(columns))
            likelihood[readout] = max(likelihood.get(readout, -np.inf), bits)
    if not likelihood:
        return "log" if wide else "linear"
    # Where the two cannot be told apart, wide targets have relative errors, others additive ones.
    lead = 3.0 if wide else -3.0
    return "log" if likelihood["log"] - likelihood["linear"] + lead > 0 else "linear"


def _likelihood(law: Expr, columns: Columns, y: Any, weight: Any, readout: Readout) -> float:
    """Return the logarithm of a refitted law's likelihood under additive or relative errors, up to what both share."""
    mean_square = refit(law, columns, y, weight, readout, steps=20).mean_square
    floor = EXACT * target_variance(y, weight, readout)
    return log_likelihood(max(mean_square, floor), y, readout)


def log_likelihood(mean_square: float, y: Any, readout: Readout) -> float:
    """Return the logarithm of the likelihood of a fit, up to what additive and relative errors share."""
    jacobian = float(np.sum(np.log(y))) if readout == "log" else 0.0
    return float(-0.5 * len(y) * np.log(mean_square)) - jacobian


def with_errors_of_its_own(bench: Bench, front: list[Proposal]) -> tuple[Bench, list[Proposal]]:
    """Return bench and front under the errors that the law found has; they were chosen when none was known."""
    best, table = front[0], bench.table
    if best.is_exact or best.is_mean or table.sigma is not None or not np.all(bench.y > 0):
        return bench, front
    other: Readout = "linear" if bench.readout == "log" else "log"
    own, others = (
        _likelihood(best.fitted, bench.columns, bench.y, bench.weight, readout)
        for readout in (bench.readout, other)
    )
    if not others > own + CLEARLY:
        return bench, front
    turned = Bench(bench.columns, bench.y, bench.weight, other, table)
    again = [turned.measured(p.fitted, p.origin) for p in front[: 2 * N_REFINED]]
    return turned, turned.refined(merged([p for p in again if p is not None]))
