"""The main job: a table becomes a law, or the honest answer that there is none.

    rows are held back -> a search on the rest -> predictions on what it never saw -> verdict
    -> constants and ranking once more on all rows -> the law as a formula and as a KAN

The method is `discover`, below, arrow by arrow.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from scipy.stats import binom
from threadpoolctl import threadpool_limits

from scikan.core.dataset import Dataset
from scikan.core.errors import SettingError
from scikan.core.expr import Expr
from scikan.core.functions import LIBRARY, Library
from scikan.core.kan import KAN
from scikan.discovery.bench import views
from scikan.discovery.proposals import Proposal, pareto
from scikan.discovery.protocol import Plan, plan_rows
from scikan.discovery.search import Found, SearchSettings, Watch, reranked, retold, search
from scikan.discovery.trial import Trial, feature_scores, run_trial
from scikan.law.evidence import SIGNIFICANCE, Dependence, Whiteness, dependence, whiteness
from scikan.law.record import Law
from scikan.symbolic.kanpiler import kanpiler
from scikan.train.scoring import Score, score_predictions


LEAST_ROWS = 6
"""Rows below which nothing can be left out and searched without."""

LEAST_GAIN = 10.0
"""Bits by which a law must beat the mean."""

Verdict = Literal["law", "approximation", "none"]
Vector = Float[np.ndarray, " _"]


@dataclass(frozen=True)
class Config:
    """Settings of a discovery. One default serves all tables.

    Args:
        seconds: time for networks in the whole discovery; closed-form stages take what they need.
        hold_out: share of rows that no search reads, from 100 rows on.
        key: seed of splits and random starts.
        thorough: climb the whole ladder of networks even if a short law already leaves only noise.
        library: functions that edges may be named after.
    """

    seconds: float = 60.0
    hold_out: float = 0.4
    key: int = 0
    thorough: bool = False
    library: Library = LIBRARY

    def __post_init__(self) -> None:
        if not 0.1 <= self.hold_out <= 0.9:
            raise SettingError(
                f"hold_out is {self.hold_out}.", fix="a share of rows between 0.1 and 0.9, such as 0.4."
            )
        if not self.seconds > 0:
            raise SettingError(f"seconds is {self.seconds}.", fix="a positive time, such as 60.")

    def settings(self, searches: int) -> SearchSettings:
        """Return the settings of one of so many searches."""
        return SearchSettings(self.seconds / searches, self.key, self.library, self.thorough)


@dataclass(frozen=True)
class Evidence:
    """What the held-out rows say: dependence on the truth, whiteness of the residual, comparison with a network."""

    dependence: Dependence
    whiteness: Whiteness
    beats_network: bool
    rows: int


@dataclass(frozen=True)
class Discovery:
    """The answer. `law` and `model` are None with verdict "none"; the network and the scores are always there.

    `truth` (rows,) and `predictions` (of "law", "network", "linear", "boosting", each (rows,)) are the rows that
    no search saw and what was said of them: the scores come from these. `branches` are the law and its other forms by
    description length, where columns follow from others.
    """

    verdict: Verdict
    reason: str
    law: Law | None
    fitted: Law | None
    model: KAN | None
    network: KAN
    scores: dict[str, Score]
    protocol: str
    evidence: Evidence
    front: tuple[Proposal, ...]
    readout: str
    features: dict[str, tuple[float, float, float]]
    structure: dict[str, Any]
    seconds: float
    config: Config
    truth: Vector
    predictions: dict[str, Vector]
    notices: tuple[str, ...] = field(default=())
    branches: tuple[Expr, ...] = field(default=())


def discover(
    data: Dataset,
    config: Config = Config(),
    report: Callable[[str], None] = lambda line: None,
    keep: Callable[[Proposal], None] = lambda best: None,
) -> Discovery:
    """Return the law in a table with one target, and the evidence for it.

    Args:
        data: all its rows are used; its own split is not (the protocol draws one).
        config: settings.
        report: called with one line of text as each stage ends.
        keep: called with the best formula so far as each stage ends (for those who may have to stop early).

    Raises:
        SettingError: if the table has several targets (take them one at a time), or fewer rows than `LEAST_ROWS`.
    """
    if data.n_outputs != 1:
        raise SettingError(f"The table has {data.n_outputs} targets.", fix="discover one at a time.")
    if data.n_rows < LEAST_ROWS:
        raise SettingError(
            f"The table has {data.n_rows} usable rows; a search leaves some out and needs at least {LEAST_ROWS}.",
            fix="add rows, or fit a form that you know with kn.fit_parameters.",
        )
    started = monotonic()
    watch = Watch(report, keep)
    plan = plan_rows(data, config.hold_out, config.key)
    report(plan.told)
    # Everything here is small linear algebra, which threads slow down, tenfold where cores are shared.
    with threadpool_limits(limits=1):
        trials = [run_trial(data, fold, config.settings(plan.searches), watch) for fold in plan.folds]
        found = _on_all_rows(data, plan, trials, config, watch)
        judged = _Judged.of(data, plan, trials, found)
        features = feature_scores(data, [trial.found.network for trial in trials], config.key)
    evidence = judged.evidence(np.random.default_rng(config.key))
    verdict, reason = _verdict(plan, found, evidence)
    law, fitted = (None, None) if verdict == "none" else _laws(data, found)
    return Discovery(
        verdict=verdict,
        reason=reason,
        law=law,
        fitted=fitted,
        model=None if law is None else _compiled(law),
        network=found.network,
        scores=judged.scores(),
        protocol=plan.protocol,
        evidence=evidence,
        front=pareto(found.front),
        readout=found.readout,
        features=features,
        structure={
            "groups": None,
            "tree": None,
            "symmetries": list(found.notes),
            "shapes": list(found.climb.shapes),
        },
        seconds=monotonic() - started,
        config=config,
        truth=judged.truth,
        predictions=judged.predictions,
        notices=data.notices,
        branches=found.branches,
    )


@dataclass(frozen=True)
class _Judged:
    """Truth and predictions on all rows that some search never saw."""

    truth: Vector
    views: list[Any]
    predictions: dict[str, Vector]
    folds: Any
    readout: str

    @classmethod
    def of(cls, data: Dataset, plan: Plan, trials: list[Trial], found: Found) -> "_Judged":
        rows = np.concatenate([fold.judge for fold in plan.folds])
        labels = np.concatenate([np.full(len(fold.judge), n) for n, fold in enumerate(plan.folds)])
        predictions = {
            name: np.concatenate([trial.predictions[name] for trial in trials])
            for name in trials[0].predictions
        }
        logs = sum(trial.found.readout == "log" for trial in trials) * 2 > len(trials)
        seen = [view[rows] for view in views(data, found.best.expression)]
        return cls(
            data.y[rows, 0],
            seen,
            predictions,
            labels if plan.exchangeable_in_folds else None,
            "log" if logs else "linear",
        )

    def scores(self) -> dict[str, Score]:
        return {
            name: score_predictions(values, self.truth, self.readout == "log")
            for name, values in self.predictions.items()
        }

    def residual(self, name: str) -> Vector:
        with np.errstate(all="ignore"):
            values = self.predictions[name]
            return np.asarray(np.log(values / self.truth) if self.readout == "log" else values - self.truth)

    def evidence(self, rng: np.random.Generator) -> Evidence:
        law, network = self._noise("law") ** 2, self._noise("network") ** 2
        difference = np.where(np.isfinite(law), law, np.inf) - np.where(np.isfinite(network), network, np.inf)
        usable = np.isfinite(difference)
        excess = float(np.mean(difference[usable])) if usable.any() else 0.0
        error = float(np.std(difference[usable])) / np.sqrt(max(usable.sum(), 1))
        undefined = bool(np.any(~np.isfinite(law)))
        return Evidence(
            dependence=dependence(self.predictions["law"], self.truth, rng, self.folds),
            whiteness=whiteness(self._noise(), self.views, rng),
            beats_network=bool(not undefined and excess <= 2.0 * error and not self._mostly_worse()),
            rows=len(self.truth),
        )

    def _mostly_worse(self) -> bool:
        """Whether the law's errors exceed the network's row by row, which one large error hides from means."""
        excess = np.abs(self._noise("law")) - np.abs(self._noise("network"))
        excess = excess[np.isfinite(excess) & (excess != 0.0)]
        worse = int(np.sum(excess > 0.0))
        return bool(len(excess) and binom.sf(worse - 1, len(excess), 0.5) < SIGNIFICANCE)

    def _noise(self, name: str = "law") -> Vector:
        """Return a residual; what is below rounding of the target counts as zero."""
        residual = self.residual(name)
        scale = 1.0 if self.readout == "log" else float(np.abs(self.truth).max())
        return np.where(np.abs(residual) < 1e-9 * scale, 0.0, residual)


def _on_all_rows(data: Dataset, plan: Plan, trials: list[Trial], config: Config, watch: Watch) -> Found:
    """Return the search's result with constants and ranking from all rows."""
    everything = data.rows(np.arange(data.n_rows))
    if len(trials) == 1:
        return retold(reranked(trials[0].found, everything), everything)
    watch.report("search on all rows")
    return retold(search(everything, config.settings(plan.searches), watch), everything)


def _verdict(plan: Plan, found: Found, evidence: Evidence) -> tuple[Verdict, str]:
    if plan.too_few:
        return "none", f"{evidence.rows} rows are too few for a verdict; the scores are leave-one-out."
    if found.best.is_mean or _mean_bits(found) - found.best.bits < LEAST_GAIN:
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
        return "approximation", "a network predicts the held-out rows better, so the form is not complete."
    return "law", "it predicts rows that the search never saw, and leaves no structure in their residual."


def _mean_bits(found: Found) -> float:
    return next((p.bits for p in found.front if p.origin == "mean"), float("inf"))


def _laws(data: Dataset, found: Found) -> tuple[Law, Law]:
    domain = np.stack([data.x.min(axis=0), data.x.max(axis=0)], axis=1)
    law = Law((found.best.expression,), data.targets, data.names, data.units, domain)
    return law, replace(law, expressions=(found.best.fitted,))


def _compiled(law: Law) -> KAN:
    return kanpiler(law.expressions, law.names, domain=law.domain, targets=law.targets)
