"""The main job: a table becomes a law, or the honest answer that there is none.

    rows are held back -> a search on the rest -> predictions on what it never saw -> verdict
    -> constants and ranking once more on all rows -> the law as a formula and as a KAN

The method is `discover`, below, arrow by arrow.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from time import monotonic
from typing import Any

import numpy as np
from jaxtyping import Float
from threadpoolctl import threadpool_limits

from scikan.core.dataset import Dataset
from scikan.core.errors import SettingError, ShapeError
from scikan.core.expr import Expr
from scikan.core.functions import LIBRARY, Library
from scikan.core.kan import KAN
from scikan.core.names import quoted
from scikan.core.samples import evenly
from scikan.discovery.agreement import agreements
from scikan.discovery.card import Card, card
from scikan.discovery.judging import Choice, Evidence, HeldOut, Verdict, by_hand
from scikan.discovery.proposals import Proposal, pareto
from scikan.discovery.protocol import Plan, plan_rows
from scikan.discovery.search import Found, SearchSettings, Watch, reranked, retold, search
from scikan.discovery.sums import SumForm, may_hide_sum, sum_form
from scikan.discovery.trial import Trial, feature_scores, run_trial
from scikan.law.ordering import in_order
from scikan.law.record import Law
from scikan.structure.tree import Tree, tree
from scikan.symbolic.kanpiler import kanpiler
from scikan.train.scoring import Score


Vector = Float[np.ndarray, " _"]

LEAST_ROWS = 6
"""Rows below which nothing can be left out and searched without."""

LARGEST = 1e90
"""Size of a column's values above which, or below whose inverse, sums of powers are no numbers any more."""

LONGER = 2
"""Nodes that a law as a function of a sum may have more than the law itself, to be told beside it."""

MOST_LOOKED_AT, EXACTLY = 600, 1e-9
"""Rows on which a law's tree is looked for, and the error of its values as a part of their spread."""

MOST_CHOICES = 12
"""Formulas of the front that are judged and offered."""


@dataclass(frozen=True)
class Config:
    """Settings of a discovery. One default serves all tables.

    Args:
        seconds: time for all searches together. No stage begins later; what runs is let finish, and what follows a
            search (constants on all rows, tests, scores) comes on top.
        hold_out: share of rows that no search reads, from 100 rows on.
        key: seed of splits and random starts.
        thorough: climb the whole ladder of networks even if a short law already leaves only noise.
        library: functions that edges may be named after.
    """

    seconds: float = 90.0
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
            raise SettingError(f"seconds is {self.seconds}.", fix="a positive time, such as 90.")

    def settings(self, searches: int) -> SearchSettings:
        """Return the settings of one of so many searches."""
        return SearchSettings(self.seconds / searches, self.key, self.library, self.thorough)


@dataclass(frozen=True, eq=False)
class Discovery:
    """The answer. `law` and `model` are None with verdict "none"; the network and the scores are always there.

    `choices` are the formulas that no shorter one beats, each with its own score and verdict on held-out rows, the law
    first; `choose` takes another. `branches` are the law and its other forms by description length, where columns
    follow from others.
    """

    law: Law | None
    fitted: Law | None
    model: KAN | None
    network: KAN
    choices: tuple[Choice, ...]
    held_out: HeldOut
    features: dict[str, tuple[float, float, float]]
    structure: dict[str, Any]
    seconds: float
    config: Config
    notices: tuple[str, ...] = field(default=())
    branches: tuple[Expr, ...] = field(default=())

    def __repr__(self) -> str:
        told = "no law" if self.law is None else str(self.law)
        return f"Discovery({self.verdict}: {told}; R2 {self.scores['law'].r2:.6g} on {len(self.truth)} held-out rows)"

    @property
    def verdict(self) -> Verdict:
        """ "law", "approximation" or "none"."""
        return self.choices[0].verdict

    @property
    def reason(self) -> str:
        """One sentence that says why."""
        return self.choices[0].reason

    @property
    def evidence(self) -> Evidence:
        """What the verdict rests on."""
        return self.choices[0].evidence

    @property
    def front(self) -> tuple[Proposal, ...]:
        """The formulas of `choices`, the law first."""
        return tuple(choice.proposal for choice in self.choices)

    @property
    def protocol(self) -> str:
        """Which rows judged."""
        return self.held_out.plan.protocol

    @property
    def readout(self) -> str:
        """ "log" if errors are taken as relative, "linear" if as additive."""
        return self.held_out.readout

    @property
    def truth(self) -> Vector:
        """The target on the rows that no search saw, `(rows,)`."""
        return self.held_out.truth

    @property
    def predictions(self) -> dict[str, Vector]:
        """What "law", "network", "linear" and "boosting" say of these rows, each `(rows,)`."""
        return {"law": self.choices[0].predictions, **self.held_out.predictions}

    @cached_property
    def tree(self) -> Tree | None:
        """Which columns enter together and by which operators: of the law, else of the table; None if errors hide it.

        `shaped(found.tree, data)` is a network of this shape.
        """
        data = self.held_out.data
        try:
            if self.law is None:
                return tree(data)
            rows = data.x[evenly(data.n_rows, MOST_LOOKED_AT)]
            return tree(self.law, rows, error=EXACTLY * float(np.std(data.y)), names=data.names)
        except (SettingError, ShapeError):
            return None

    @cached_property
    def sum_form(self) -> SumForm | None:
        """The law as a function of a sum (`sum_form`), where that is hardly longer and not how it is written."""
        if self.law is None or not may_hide_sum(self.law.expression):
            return None
        form = sum_form(self.law)
        if form is None or form.law.expression == in_order(self.law.simplify().expression, self.law.names):
            return None
        return form if form.law.complexity <= self.law.complexity + LONGER else None

    @cached_property
    def card(self) -> Card:
        """The rest of the evidence: noise, rows beyond the range, simple laws that are excluded."""
        law = None if self.law is None else self.front[0]
        return card(self.held_out, law, self.choices[0].predictions)

    @cached_property
    def scores(self) -> dict[str, Score]:
        """The scores of these predictions."""
        return {name: self.held_out.score(values) for name, values in self.predictions.items()}


def discover(
    data: Dataset,
    config: Config = Config(),
    report: Callable[[str], None] = lambda line: None,
    keep: Callable[[Proposal], None] = lambda best: None,
    known: Sequence[Expr] = (),
) -> Discovery:
    """Return the law in a table with one target, and the evidence for it.

    Args:
        data: all its rows are used; its own split is not (the protocol draws one).
        config: settings.
        report: called with one line of text as each stage ends.
        keep: called with the best formula so far as each stage ends (for those who may have to stop early).
        known: formulas of the columns to begin with, such as an earlier run on the same table with the same settings
            found: rows that were held out then are held out now. Where every fold is searched anew, they are
            given to the last search only, that of all rows.

    Raises:
        SettingError: if the table has several targets (see `discover_each`), or fewer rows than `LEAST_ROWS`.
    """
    _check(data)
    started = monotonic()
    watch = Watch(report, keep)
    plan = plan_rows(data, config.hold_out, config.key)
    report(plan.told)
    # Everything here is small linear algebra, which threads slow down, tenfold where cores are shared.
    with threadpool_limits(limits=1):
        settings = config.settings(plan.searches)
        begun = replace(settings, known=tuple(known))
        first = begun if plan.searches == 1 else settings
        trials = [run_trial(data, fold, first, watch) for fold in plan.folds]
        found = _on_all_rows(data, trials, begun, watch)
        held_out = _held_out(data, plan, trials, found, config.key)
        choices = _choices(held_out, trials, found)
        features = feature_scores(data, [trial.found.network for trial in trials], config.key)
    answer = Discovery(
        law=None,
        fitted=None,
        model=None,
        network=found.network,
        choices=choices,
        held_out=held_out,
        features=features,
        structure={
            "symmetries": list(found.notes),
            "shapes": list(found.climb.shapes),
        },
        seconds=monotonic() - started,
        config=config,
        notices=data.notices,
        branches=found.branches,
    )
    return answer if answer.verdict == "none" else _with_law(answer)


def choose(found: Discovery, number: int) -> Discovery:
    """Return the answer with another formula of its front as the law.

    Args:
        found: what `discover` returned.
        number: place on `found.choices`, counted from 1 (the law itself).

    Raises:
        SettingError: no such formula, or the one that is nothing but the mean.
    """
    if not 1 <= number <= len(found.choices):
        raise SettingError(
            f"There is no formula {number} on the front; it has {len(found.choices)}.",
            fix=f"a number from 1 to {len(found.choices)}; found.choices lists them.",
        )
    place = number - 1
    chosen = found.choices[place]
    if chosen.proposal.is_mean:
        raise SettingError(f"Formula {number} is the mean: no law.", fix="choose one that uses a column.")
    if place == 0 and found.law is not None:
        return found
    others = (*found.choices[:place], *found.choices[number:])
    verdict, reason = by_hand(chosen.verdict, chosen.reason)
    choices = (replace(chosen, verdict=verdict, reason=reason), *others)
    return _with_law(replace(found, choices=choices, branches=(chosen.proposal.expression,)))


def _check(data: Dataset) -> None:
    if not isinstance(data, Dataset):
        raise SettingError(
            f"discover takes a Dataset, not a {type(data).__name__}.",
            fix="make one with kn.read_table(file, target) or kn.Dataset.from_arrays(x, y).",
        )
    for name, column in (*zip(data.names, data.x.T, strict=True), *zip(data.targets, data.y.T, strict=True)):
        size = float(np.abs(column).max())
        if size > LARGEST or 0.0 < size < 1.0 / LARGEST:
            raise SettingError(
                f'"{name}" has values up to {size:.0e}; their squares leave the range of floating-point numbers.',
                fix="give the column in another unit.",
            )
    if data.n_outputs != 1:
        raise SettingError(
            f"The table has {data.n_outputs} targets ({quoted(data.targets)}); discover explains one.",
            fix="kn.discover_each(data) explains each, or read the table with one target.",
        )
    if data.n_rows < LEAST_ROWS:
        raise SettingError(
            f"The table has {data.n_rows} usable rows; a search leaves some out and needs at least {LEAST_ROWS}.",
            fix="add rows, or fit a form that you know with kn.fit_parameters.",
        )


def _choices(held_out: HeldOut, trials: list[Trial], found: Found) -> tuple[Choice, ...]:
    """Return the formulas of the front, judged; the first by what the searches themselves predicted."""
    law, *others = pareto(found.front)[:MOST_CHOICES]
    judged = [held_out.judged(law, np.concatenate([trial.predictions["law"] for trial in trials]))]
    judged += [held_out.judged(other, held_out.predicted(other)) for other in others]
    bests = [trial.found.best for trial in trials]
    again = agreements(held_out.data, (law, *others), held_out.readout, bests, held_out.key)
    return tuple(replace(choice, agreement=a) for choice, a in zip(judged, again, strict=True))


def _held_out(data: Dataset, plan: Plan, trials: list[Trial], found: Found, key: int) -> HeldOut:
    """Return the rows that some search never read, with what networks and rivals say of them."""
    rivals = [name for name in trials[0].predictions if name != "law"]
    predictions = {name: np.concatenate([trial.predictions[name] for trial in trials]) for name in rivals}
    logs = sum(trial.found.readout == "log" for trial in trials) * 2 > len(trials)
    mean_bits = next((p.bits for p in found.front if p.origin == "mean"), float("inf"))
    return HeldOut(data, plan, predictions, "log" if logs else "linear", mean_bits, key)


def _on_all_rows(data: Dataset, trials: list[Trial], settings: SearchSettings, watch: Watch) -> Found:
    """Return the search's result with constants and ranking from all rows."""
    everything = data.rows(np.arange(data.n_rows))
    if len(trials) == 1:
        return retold(reranked(trials[0].found, everything), everything)
    watch.report("search on all rows")
    found = search(everything, settings, watch)
    return retold(found if data.input_sigma is None else reranked(found, everything), everything)


def _with_law(found: Discovery) -> Discovery:
    """Return the answer with its first formula as law, on the ranges of the table's columns, and as a KAN."""
    data, proposal = found.held_out.data, found.choices[0].proposal
    domain = np.stack([data.x.min(axis=0), data.x.max(axis=0)], axis=1)
    law = Law((proposal.expression,), data.targets, data.names, data.units, domain)
    model = kanpiler(law.expressions, law.names, domain=law.domain, targets=law.targets)
    return replace(found, law=law, fitted=replace(law, expressions=(proposal.fitted,)), model=model)
