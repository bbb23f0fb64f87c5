"""One whole search for a law in a table: both roads, one front ranked by one description length.

A search sees only the rows it is given and splits them itself; it knows nothing of verdicts. Closed-form
stages come first; the ladder of networks runs unless they ended in a short law that leaves only noise. Every
proposal is simplified, its constants refitted on the raw rows under one error model, and ranked in bits.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from scikan.core.dataset import Dataset
from scikan.core.expr import Expr
from scikan.core.features import AbstractFeatureMap
from scikan.core.functions import LIBRARY, Library
from scikan.core.kan import KAN
from scikan.core.printing import to_text
from scikan.discovery.bench import N_REFINED, Bench, Columns
from scikan.discovery.column_errors import blurred_by_law, blurred_by_surrogate
from scikan.discovery.error_model import error_model, with_errors_of_its_own
from scikan.discovery.ladder import Climb, LadderSettings, climb
from scikan.discovery.outlook import Outlook, View, outlook
from scikan.discovery.proposals import Proposal, merged, pareto
from scikan.discovery.reduced import reduced_proposals
from scikan.discovery.relations import branches
from scikan.discovery.stages import power_laws
from scikan.law.refitting import Readout
from scikan.structure.levels import Level
from scikan.symbolic.formula import network_expressions
from scikan.train.elimination import JudgedRows


MOST_SEARCHED = 4000
"""Rows that a search reads of a large table; the verdict is on all that are held out."""

MOST_REFITTED = 50_000
"""Rows on which the constants of the found formulas are refitted."""

CLOSED, NETWORKS, LEAST_NETWORKS = 2 / 3, 2 / 3, 1 / 3
"""Shares of the time: most for closed forms, most for networks, and what networks get however late it is."""

FEW_INPUTS = 3
FIRST_SHAPES = 3
FIRST_SECONDS = 6.0
"""With so few inputs the first shapes of networks cost less than the closed-form road, and go before it."""

COMPARED = 6
"""Shapes of networks that stand beside a law which is settled without them."""


@dataclass(frozen=True)
class Found:
    """What one search found: proposals by bits (best first), error model, the climb and the best network.

    `branches` are the forms of the best one where columns follow from others (see `retold`).
    """

    front: tuple[Proposal, ...]
    readout: Readout
    climb: Climb
    network: KAN
    notes: tuple[str, ...] = field(default=())
    branches: tuple[Expr, ...] = field(default=())

    @property
    def best(self) -> Proposal:
        """The proposal of fewest bits; the constant law if nothing beats it."""
        return self.front[0]


@dataclass(frozen=True)
class SearchSettings:
    """Settings of one search.

    Args:
        seconds: time for both roads together; no stage begins later, and one that runs is let finish.
        key: seed of inner splits and starts.
        library: functions that edges may be named after.
        thorough: climb the ladder even after a short law with white residuals.
        known: formulas to begin with, as those of an earlier run.
        compare: climb a few rungs beside a law that is settled without networks, for one to compare it with.
    """

    seconds: float = 90.0
    key: int = 0
    library: Library = LIBRARY
    thorough: bool = False
    known: tuple[Expr, ...] = ()
    compare: bool = True


@dataclass(frozen=True)
class Watch:
    """Who is told of progress: lines of text, and the best formula so far."""

    report: Callable[[str], None] = lambda line: None
    keep: Callable[[Proposal], None] = lambda best: None

    def stage(self, name: str, best: Proposal) -> None:
        """Tell that a stage has ended."""
        self.keep(best)
        if best.is_mean:
            self.report(f"{name}: none beats the mean")
        else:
            share = "to rounding" if best.is_exact else f"{np.sqrt(best.relative):.2e} of the spread"
            self.report(f"{name}: {to_text(best.expression, 6)}  ({share})")


def search(data: Dataset, settings: SearchSettings = SearchSettings(), watch: Watch = Watch()) -> Found:
    """Return what both roads find on the training rows of a table with one target; others are not read."""
    started = monotonic()
    table = blurred_by_surrogate(_some_rows(data, MOST_SEARCHED, settings.key))
    columns: Columns = {name: table.x[:, j] for j, name in enumerate(table.names)}
    y = table.y[:, 0]
    weight = weights_of(table)
    rng = np.random.default_rng(settings.key)
    # Most formulas that are tried are undefined somewhere; that is measured, not warned of.
    with threadpool_limits(limits=1, user_api="blas"), np.errstate(all="ignore"):
        bench = Bench(columns, y, weight, error_model(table, columns, weight), table)
        levels: list[Level] = []
        known = bench.proposals(settings.known, "earlier run")
        first = bench.proposals(power_laws(table.x, y, table.names), "regression")
        front = bench.refined(merged([*known, *first]))
        seen = Outlook() if front[0].is_exact else outlook(table.x, y, weight, bench.readout)
        least = seen.least
        if table.n_inputs <= FEW_INPUTS and not bench.settles(front[0], rng, least):
            rungs = LadderSettings(
                seconds=min(FIRST_SECONDS, NETWORKS * settings.seconds), shapes=FIRST_SHAPES
            )
            network, climbed = _networks(table, rungs, settings, watch)
            if climbed.exact:
                front = bench.refined(merged([*front, *_named(climbed, network, bench)]))
                watch.stage("formulas named from networks", front[0])
        if not bench.settles(front[0], rng, least):
            more = bench.proposals(_closed_form(table, bench, settings, seen.views, levels), "regression")
            front = bench.refined(merged([*front, *more]))
            watch.stage("formulas by regression", front[0])
        if bench.readout == "linear" and len(seen.views) == 1:
            least = min([least, *(level.error for level in levels)])
        settled = bench.settles(front[0], rng, least) and not settings.thorough
        compared = COMPARED if settings.compare else 0
        rungs = LadderSettings(
            seconds=_seconds_for_networks(settings.seconds, monotonic() - started),
            shapes=compared if settled else 99,
            name=not settled,
        )
        network, climbed = _networks(table, rungs, settings, watch)
        if climbed.named and not front[0].is_exact:
            front = bench.refined(merged([*front, *_named(climbed, network, bench)]))
            watch.stage("formulas named from networks", front[0])
        bench, front = with_errors_of_its_own(bench, front)
        ranked = bench.simplest_first(front, rng)
    return Found(
        ranked,
        bench.readout,
        climbed,
        network,
        _symmetries(levels, ranked[0].expression, columns),
    )


def _seconds_for_networks(whole: float, spent: float) -> float:
    """Return what is left of the time, but some in any case, and not all."""
    return min(max(whole - spent, LEAST_NETWORKS * whole), NETWORKS * whole)


def _symmetries(levels: list[Level], law: Expr, columns: Columns) -> tuple[str, ...]:
    """Return in words what was divided out of the table, as far as the law agrees: noise may hide that it does not."""
    holds = (level for level in reversed(levels) if level.holds_for(law, columns))
    return tuple(step.text for step in next(holds, levels[0]).steps) if levels else ()


def _some_rows(data: Dataset, most: int, key: int) -> Dataset:
    """Return the training rows, or a random choice of them where there are more than a search can use."""
    rows = data.train
    if len(rows) > most:
        rows = np.sort(np.random.default_rng(key).choice(rows, most, replace=False))
    return data.rows(rows)


def weights_of(table: Dataset) -> Any:
    """Return the weights of squared residuals, mean 1; None if all are equal."""
    weight = table.weight if table.sigma is None else table.weight / table.sigma**2
    return None if np.ptp(weight) == 0 else weight / weight.mean()


def _closed_form(
    table: Dataset, bench: Bench, settings: SearchSettings, views: tuple[View, ...], levels: list[Level]
) -> Iterable[Expr]:
    """Yield formulas found by regression; put the levels that they stand on into `levels`."""
    x, y, names = table.x, table.y[:, 0], table.names
    for view in views:
        found: list[Level] = []
        yield from reduced_proposals(
            x,
            y,
            view.weight,
            names,
            seconds=CLOSED * settings.seconds / len(views),
            rng=np.random.default_rng(settings.key),
            positive=bench.positive,
            surrogate=view.surrogate,
            tell=found.append,
        )
        levels[:] = found if len(found) > len(levels) else levels


def _networks(
    table: Dataset, rungs: LadderSettings, settings: SearchSettings, watch: Watch
) -> tuple[KAN, Climb]:
    """Climb the ladder on network-side rows; return the best network in the user's units, and the climb."""
    frame = KAN.for_data(table, key=settings.key)
    inputs, targets = frame.features(table.x), frame.readout.inverse()(table.y)
    rows = JudgedRows.split(
        inputs, targets, 0.2 if len(inputs) >= 50 else 0.3, np.random.default_rng(settings.key)
    )
    climbed = climb(rows, rungs, settings.key, settings.library, watch.report)
    network = frame if climbed.network is None else _attached(climbed.network, frame)
    return network, climbed


def _named(climbed: Climb, frame: KAN, bench: Bench) -> list[Proposal]:
    """Return the formulas of a climb's fully named networks, measured."""
    models = [_attached(net.model, frame) for net in climbed.named if net.is_named]
    return bench.proposals((e for m in models[:4] for e in network_expressions(m)), "network")


def _attached(net: KAN, frame: KAN) -> KAN:
    """Return a net with the frame's feature map, readout, names and domain."""
    dressed: KAN = object.__new__(KAN)
    features: AbstractFeatureMap = frame.features
    for name, value in (
        ("features", features),
        ("layers", net.layers),
        ("readout", frame.readout),
        ("domain", frame.domain),
        ("names", frame.names),
        ("targets", frame.targets),
    ):
        object.__setattr__(dressed, name, value)
    return dressed


def reranked(found: Found, data: Dataset) -> Found:
    """Return a search's result with constants, snapping and ranking redone on all training rows of `data`."""
    with threadpool_limits(limits=1, user_api="blas"):
        bench = _last_bench(found, data)
        # Beside the best, the short ones that nothing as short beats: a user may want one of them.
        kept = dict.fromkeys((*found.front[: 2 * N_REFINED], *pareto(found.front)))
        again = [bench.measured(p.fitted, p.origin, steps=60) for p in kept]
        front = bench.refined(merged([p for p in again if p is not None]))
        ranked = bench.simplest_first(front, np.random.default_rng(0))
    return replace(found, front=ranked)


def retold(found: Found, data: Dataset) -> Found:
    """Return a search's result with its best formula in the shortest of its forms, and the other forms beside it.

    Where columns follow from others, several forms say the same on all rows; see `branches`.
    """
    bench = _last_bench(found, data)
    best, columns, names = found.best, bench.columns, bench.table.names
    forms = branches(best.expression, columns, names)
    if forms[0] == best.expression:
        return replace(found, branches=forms)
    # Once more from the fitted numbers, so that their errors are known in the new form.
    for form in (branches(best.fitted, columns, names)[0], forms[0]):
        told = bench.measured(form, best.origin)
        again = None if told is None else bench.refined([told])[0]
        if again is not None and again.bits < best.bits + 1.0:
            front = (again, *(p for p in found.front if p is not best))
            return replace(found, front=front, branches=_led_by(again.expression, forms[1:]))
    return replace(found, branches=_led_by(best.expression, forms))


def _last_bench(found: Found, data: Dataset) -> Bench:
    """Return all training rows, or very many, for constants and ranking once forms are known."""
    table, errors = blurred_by_law(_some_rows(data, MOST_REFITTED, 0), found.best.fitted)
    columns: Columns = {name: table.x[:, j] for j, name in enumerate(table.names)}
    return Bench(columns, table.y[:, 0], weights_of(table), found.readout, table, errors)


def _led_by(first: Expr, forms: tuple[Expr, ...]) -> tuple[Expr, ...]:
    return (first, *(form for form in forms if form != first))
