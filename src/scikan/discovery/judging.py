"""Formulas before rows that no search read: what they predict there, what is left over, and the verdict.

The law is judged by the predictions that its search made. Every other formula of the front has its constants fitted
anew without the rows it is judged by; so has the law, if another formula is chosen and later it again.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import binom

from scikan.core.dataset import Dataset
from scikan.core.expr import evaluate
from scikan.core.samples import evenly
from scikan.discovery.agreement import Agreement
from scikan.discovery.bench import views
from scikan.discovery.column_errors import blurred_by_law
from scikan.discovery.proposals import Proposal
from scikan.discovery.protocol import Plan
from scikan.discovery.search import weights_of
from scikan.law.evidence import SIGNIFICANCE, Dependence, Whiteness, dependence, whiteness
from scikan.law.refitting import Readout, refit
from scikan.train.scoring import Score, score_predictions


LEAST_GAIN = 10.0
"""Bits by which a law must beat the mean."""

MOST_FITTED = 4000
"""Rows on which the constants of a formula of the front are fitted anew."""

Verdict = Literal["law", "approximation", "none"]
Vector = Float[np.ndarray, " _"]


@dataclass(frozen=True)
class Evidence:
    """What the held-out rows say: dependence on the truth, whiteness of the residual, comparison with a network."""

    dependence: Dependence
    whiteness: Whiteness
    beats_network: bool
    rows: int


@dataclass(frozen=True, eq=False)
class Choice:
    """A formula of the front, and what rows that it was not fitted to say of it.

    Args:
        proposal: the formula, its constants fitted to all rows.
        predictions: for the held-out rows, `(rows,)`.
        score: of these predictions.
        evidence, verdict, reason: as if the formula had been the law.
        agreement: how often it came out again from other rows; None if that was not asked.
    """

    proposal: Proposal
    predictions: Vector
    score: Score
    evidence: Evidence
    verdict: Verdict
    reason: str
    agreement: Agreement | None = None


@dataclass(frozen=True, eq=False)
class HeldOut:
    """The rows that some search never read, in the order of the folds.

    Args:
        data: the whole table.
        plan: which rows are searched and which judge.
        predictions: of the network and the rivals on the judging rows, by name, each `(rows,)`.
        readout: whether errors are additive or relative.
        mean_bits: description length of the table by its mean.
        key: seed of the tests' permutations.
        rival: which of the predictions the law must not be worse than.
    """

    data: Dataset
    plan: Plan
    predictions: dict[str, Vector]
    readout: Readout
    mean_bits: float
    key: int
    rival: str = "network"

    @cached_property
    def rows(self) -> Int[np.ndarray, " rows"]:
        """Numbers of the rows in the table."""
        return np.concatenate([fold.judge for fold in self.plan.folds])

    @cached_property
    def truth(self) -> Vector:
        """The target on these rows."""
        return np.asarray(self.data.y[self.rows, 0])

    def score(self, predictions: Vector) -> Score:
        """Return the score of predictions, `(rows,)`."""
        return score_predictions(predictions, self.truth, self.readout == "log")

    def predicted(self, proposal: Proposal) -> Vector:
        """Return what a formula says of the rows, its constants fitted without them (fold by fold)."""
        parts = []
        for fold in self.plan.folds:
            seen = self.data.rows(fold.fit[evenly(len(fold.fit), MOST_FITTED)])
            columns = {name: seen.x[:, j] for j, name in enumerate(seen.names)}
            weight = weights_of(blurred_by_law(seen, proposal.fitted)[0])
            fitted = refit(proposal.fitted, columns, seen.y[:, 0], weight, self.readout, 20, robust=False)
            judged = {name: self.data.x[fold.judge, j] for j, name in enumerate(self.data.names)}
            with np.errstate(all="ignore"):
                parts.append(np.broadcast_to(evaluate(fitted.expr, judged), len(fold.judge)).astype(float))
        return np.concatenate(parts)

    def judged(self, proposal: Proposal, predictions: Vector) -> Choice:
        """Return a formula with its evidence and verdict."""
        evidence = self._evidence(proposal, predictions)
        verdict, reason = _verdict(self, proposal, evidence)
        return Choice(proposal, predictions, self.score(predictions), evidence, verdict, reason)

    def _evidence(self, proposal: Proposal, predictions: Vector) -> Evidence:
        rng = np.random.default_rng(self.key)
        told = self._told_errors(proposal)
        law, network = self._noise(predictions) / told, self._noise(self.predictions[self.rival]) / told
        difference = _or_infinite(law**2) - _or_infinite(network**2)
        usable = np.isfinite(difference)
        excess = float(np.mean(difference[usable])) if usable.any() else 0.0
        error = float(np.std(difference[usable])) / np.sqrt(max(usable.sum(), 1))
        undefined = bool(np.any(~np.isfinite(law)))
        seen = [view[self.rows] for view in views(self.data, proposal.expression)]
        return Evidence(
            dependence=self._dependence(predictions, rng),
            whiteness=whiteness(law, seen, rng),
            beats_network=bool(not undefined and excess <= 2.0 * error and not _mostly_worse(law, network)),
            rows=len(self.truth),
        )

    def _dependence(self, predictions: Vector, rng: np.random.Generator) -> Dependence:
        """Return the test of dependence; equal inputs count once, with the means of what was measured and said."""
        labels = np.concatenate([np.full(len(fold.judge), n) for n, fold in enumerate(self.plan.folds)])
        truth = self.truth
        if self.plan.settings is not None:
            own = np.unique(self.plan.settings[self.rows], return_inverse=True)[1]
            size = np.bincount(own)
            predictions, truth = (np.bincount(own, weights=v) / size for v in (predictions, truth))
            labels = np.bincount(own, weights=labels) // size
        return dependence(predictions, truth, rng, labels if self.plan.exchangeable_in_folds else None)

    def _told_errors(self, proposal: Proposal) -> Vector:
        """Return the errors of these rows, as they were told; 1 if none were.

        Large and small errors side by side would look like structure, and the large ones decide every comparison.
        """
        seen = blurred_by_law(self.data, proposal.fitted)[0]
        return np.ones(len(self.rows)) if seen.sigma is None else seen.sigma[self.rows]

    def _noise(self, predictions: Vector) -> Vector:
        """Return a residual; what is below rounding of the target counts as zero."""
        with np.errstate(all="ignore"):
            if self.readout == "log":
                residual = np.log(predictions / self.truth)
            else:
                residual = predictions - self.truth
        scale = 1.0 if self.readout == "log" else float(np.abs(self.truth).max())
        return np.where(np.abs(residual) < 1e-9 * scale, 0.0, residual)


def _or_infinite(values: Vector) -> Vector:
    return np.where(np.isfinite(values), values, np.inf)


def _mostly_worse(law: Vector, network: Vector) -> bool:
    """Whether the law's errors exceed the network's row by row, which one large error hides from means."""
    with np.errstate(invalid="ignore"):
        excess = np.abs(law) - np.abs(network)
    excess = excess[np.isfinite(excess) & (excess != 0.0)]
    worse = int(np.sum(excess > 0.0))
    return bool(len(excess) and binom.sf(worse - 1, len(excess), 0.5) < SIGNIFICANCE)


def _verdict(rows: HeldOut, proposal: Proposal, evidence: Evidence) -> tuple[Verdict, str]:
    if rows.plan.too_few:
        what = f"{evidence.rows} rows"
        if rows.plan.settings is not None:
            what = f"{rows.plan.settings.max() + 1} different settings of the inputs"
        return "none", f"{what} are too few for a verdict; the scores are leave-one-out."
    if proposal.is_mean or rows.mean_bits - proposal.bits < LEAST_GAIN:
        return "none", "no formula describes the table in clearly fewer bits than its mean does."
    if not evidence.dependence.is_significant:
        p = min(evidence.dependence.pearson, evidence.dependence.rank)
        return (
            "none",
            f"on rows that the search never saw, its predictions do not follow the truth (p = {min(1.0, 2 * p):.2g}).",
        )
    if not evidence.whiteness.is_white:
        return (
            "approximation",
            "the residual on held-out rows still has structure, so the form is not complete.",
        )
    if not evidence.beats_network:
        return (
            "approximation",
            f"a {rows.rival} predicts the held-out rows better, so the form is not complete.",
        )
    return "law", "it predicts rows that the search never saw, and leaves no structure in their residual."


def by_hand(verdict: Verdict, reason: str) -> tuple[Verdict, str]:
    """Return the verdict on a formula that a user chose: not called a law if rows deny it, but not taken away.

    What speaks against it stands in the reason.
    """
    if verdict != "none":
        return verdict, f"chosen from the front: {reason}"
    return "approximation", f"chosen from the front, though {reason}"
