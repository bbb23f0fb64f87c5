"""One whole search for a law in a table: both roads, one front ranked by one description length.

A search sees only the rows it is given and splits them itself; it knows nothing of verdicts. Closed-form
stages come first; the ladder of networks runs unless they ended in a short law that leaves only noise. Every
proposal is simplified, its constants refitted on the raw rows under one error model, and ranked in bits.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Float
from threadpoolctl import threadpool_limits

from scikan.core.dataset import Dataset
from scikan.core.expr import Expr, complexity, constants, evaluate, symbols
from scikan.core.features import AbstractFeatureMap
from scikan.core.functions import LIBRARY, Library
from scikan.core.kan import KAN
from scikan.core.printing import to_text
from scikan.discovery.ladder import Climb, LadderSettings, climb
from scikan.discovery.reduced import reduced_proposals
from scikan.discovery.stages import constant_law, polynomials, power_laws
from scikan.law.description import description_length, structure_bits
from scikan.law.evidence import WHITENESS_LEVEL, whiteness
from scikan.law.refitting import Readout, refit, target_variance
from scikan.law.simplify import simplify
from scikan.law.snapping import snap
from scikan.structure.scaling import Step
from scikan.symbolic.formula import network_expressions
from scikan.train.elimination import JudgedRows


Columns = dict[str, Float[np.ndarray, " rows"]]

EXACT = 1e-18
"""Relative mean square below which a formula fits to rounding."""

SHORT = 60.0
"""Bits of structure up to which a law with white residuals ends the search before networks are trained."""

SETTLED = 0.001
"""Level at which a short law's residual must show structure for networks to be asked; the verdict is stricter."""

N_REFINED = 10

MOST_SEARCHED = 4000
"""Rows that a search reads of a large table; the verdict is on all that are held out."""

MOST_REFITTED = 50_000
"""Rows on which the constants of the found formulas are refitted."""

LUCK = 8.0
"""Bits by which a more complex formula must be ahead to be preferred."""

COMPARED = 6
"""Shapes of networks that stand beside a law which is settled without them."""


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


@dataclass(frozen=True)
class Found:
    """What one search found: proposals by bits (best first), error model, the climb and the best network."""

    front: tuple[Proposal, ...]
    readout: Readout
    climb: Climb
    network: KAN
    notes: tuple[str, ...] = field(default=())

    @property
    def best(self) -> Proposal:
        """The proposal of fewest bits; the constant law if nothing beats it."""
        return self.front[0]


@dataclass(frozen=True)
class SearchSettings:
    """Settings of one search.

    Args:
        seconds: time for the ladder of networks.
        key: seed of inner splits and starts.
        library: functions that edges may be named after.
        thorough: climb the ladder even after a short law with white residuals.
    """

    seconds: float = 60.0
    key: int = 0
    library: Library = LIBRARY
    thorough: bool = False


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
    table = _some_rows(data, MOST_SEARCHED, settings.key)
    columns: Columns = {name: table.x[:, j] for j, name in enumerate(table.names)}
    y = table.y[:, 0]
    weight = _weights(table)
    rng = np.random.default_rng(settings.key)
    # Most formulas that are tried are undefined somewhere; that is measured, not warned of.
    with threadpool_limits(limits=1, user_api="blas"), np.errstate(all="ignore"):
        bench = _Bench(columns, y, weight, _error_model(table, columns, weight), table)
        steps: list[Step] = []
        front = bench.proposals(_closed_form(table, bench, settings, steps), "regression")
        front = bench.refined(front)
        watch.stage("formulas by regression", front[0])
        settled = front[0].is_exact or (
            bench.is_white(front[0], rng, SETTLED) and bench.bits_of(front[0]) < SHORT
        )
        settled = settled and not front[0].is_mean and not settings.thorough
        rungs = LadderSettings(seconds=settings.seconds, shapes=COMPARED if settled else 99, name=not settled)
        network, climbed = _networks(table, rungs, settings, watch)
        if climbed.named and not front[0].is_exact:
            models = [_attached(net.model, network) for net in climbed.named if net.is_named]
            named = bench.proposals((e for m in models[:4] for e in network_expressions(m)), "network")
            front = bench.refined(_merged([*front, *named]))
            watch.stage("formulas named from networks", front[0])
        ranked = bench.simplest_first(front, rng)
    return Found(ranked, bench.readout, climbed, network, tuple(step.text for step in steps))


def _some_rows(data: Dataset, most: int, key: int) -> Dataset:
    """Return the training rows, or a random choice of them where there are more than a search can use."""
    rows = data.train
    if len(rows) > most:
        rows = np.sort(np.random.default_rng(key).choice(rows, most, replace=False))
    return data.rows(rows)


def _weights(table: Dataset) -> Any:
    weight = table.weight if table.sigma is None else table.weight / table.sigma**2
    return None if np.ptp(weight) == 0 else weight / weight.mean()


def _closed_form(
    table: Dataset, bench: "_Bench", settings: SearchSettings, steps: list[Step]
) -> Iterable[Expr]:
    """Yield formulas found by regression; put the symmetries that were divided out into `steps`."""
    x, y, names = table.x, table.y[:, 0], table.names
    yield from power_laws(x, y, names)
    yield from reduced_proposals(
        x,
        y,
        # Relative errors are additive ones with weights 1/y**2.
        bench.weight if bench.readout == "linear" else (1.0 if bench.weight is None else bench.weight) / y**2,
        names,
        seconds=settings.seconds,
        rng=np.random.default_rng(settings.key),
        positive=bench.positive,
        tell=steps.extend,
    )


def _error_model(table: Dataset, columns: Columns, weight: Any) -> Readout:
    """Choose additive or relative errors by likelihood, on the best power law of either kind.

    With a given sigma errors are additive; with targets of both signs they have to be.
    """
    y = table.y[:, 0]
    if table.sigma is not None or not np.all(y > 0):
        return "linear"
    wide = table.target_scales[0] == "log"
    likelihood: dict[Readout, float] = {}
    for readout in ("linear", "log"):
        jacobian = float(np.sum(np.log(y))) if readout == "log" else 0.0
        for law in (*power_laws(table.x, y, table.names), *polynomials(table.x, y, table.names)):
            ms = refit(law, columns, y, weight, readout=readout, steps=20).mean_square
            floor = EXACT * target_variance(y, weight, readout)
            bits = (
                -0.5 * len(y) * np.log(max(ms, floor))
                - jacobian
                - 0.7 * structure_bits(law, len(y), len(columns))
            )
            likelihood[readout] = max(likelihood.get(readout, -np.inf), float(bits))
    if not likelihood:
        return "log" if wide else "linear"
    # Where the two cannot be told apart, wide targets have relative errors, others additive ones.
    lead = 3.0 if wide else -3.0
    return "log" if likelihood["log"] - likelihood["linear"] + lead > 0 else "linear"


class _Bench:
    """The rows on which proposals are refitted and measured."""

    def __init__(self, columns: Columns, y: Any, weight: Any, readout: Readout, table: Dataset) -> None:
        self.columns, self.y, self.weight, self.readout = columns, y, weight, readout
        self.variance = target_variance(y, weight, readout)
        self.positive = frozenset(name for name, values in columns.items() if np.all(values > 0))
        self.table = table

    def measured(self, expr: Expr, origin: str, steps: int = 60, robust: bool = True) -> Proposal | None:
        """Refit all constants of a formula; None if it is undefined on some row."""
        fit = refit(expr, self.columns, self.y, self.weight, self.readout, steps, robust)
        if not np.isfinite(fit.mean_square):
            return None
        bits = description_length(fit.expr, fit.mean_square, self.variance, len(self.y), len(self.columns))
        return Proposal(fit.expr, fit.expr, fit.mean_square, fit.mean_square / self.variance, bits, origin)

    def proposals(self, formulas: Iterable[Expr], origin: str) -> list[Proposal]:
        """Simplify and refit formulas; return them by bits, equal ones merged, the mean always among them."""
        found = [self.measured(constant_law(self.y), "mean")]
        for formula in formulas:
            if len(constants(formula)) < len(self.y) // 2:
                natural = simplify(formula, positive=self.positive)
                found.append(self.measured(natural, origin, steps=20, robust=False))
                # Formulas come in order of cost, of one stage the simplest first.
                if found[-1] is not None and found[-1].is_exact:
                    break
        return _merged([p for p in found if p is not None])

    def refined(self, front: list[Proposal]) -> list[Proposal]:
        """Snap the constants of the best proposals, simplify once more, and rank again."""
        exact = [p for p in front if p.is_exact]
        chosen = exact[:3] or front[:N_REFINED]
        return _merged([*[self._snapped(p) for p in chosen], *[p for p in front if p not in chosen]])

    def _snapped(self, proposal: Proposal) -> Proposal:
        plain = snap(proposal.expression, self.columns, self.y, self.weight, self.readout, units_only=True)
        fitted = self._natural(plain.expr, proposal)
        if fitted is None or (fitted.bits > proposal.bits + 1.0 and not proposal.is_exact):
            fitted = proposal
        full = snap(fitted.expression, self.columns, self.y, self.weight, self.readout)
        best = self._natural(full.expr, proposal)
        if best is None or (best.bits > fitted.bits and not fitted.is_exact):
            return fitted
        records = tuple(
            SnappedConstant(float(evaluate(s.number, {})), s.constant.value, s.constant.error, str(s.number))
            for s in full.snapped
            if evaluate(s.number, {}) != 0
        )
        return replace(best, fitted=fitted.expression, snapped=records)

    def _natural(self, expr: Expr, proposal: Proposal) -> Proposal | None:
        return self.measured(simplify(expr, positive=self.positive), proposal.origin)

    def bits_of(self, proposal: Proposal) -> float:
        """Return the bits of a proposal's structure alone."""
        return structure_bits(proposal.expression, len(self.y), len(self.columns))

    def residual(self, expr: Expr) -> Any:
        """Return residuals in the error model's units."""
        with np.errstate(all="ignore"):
            value = np.broadcast_to(evaluate(expr, self.columns), self.y.shape)
            return np.log(value / self.y) if self.readout == "log" else value - self.y

    def is_white(self, proposal: Proposal, rng: np.random.Generator, level: float = WHITENESS_LEVEL) -> bool:
        """Whether a proposal leaves no structure on these rows."""
        return whiteness(
            self.residual(proposal.expression), views(self.table, proposal.expression), rng, level
        ).is_white

    def simplest_first(self, front: list[Proposal], rng: np.random.Generator) -> tuple[Proposal, ...]:
        """Return the front with the simplest of those in front that luck could have put in another order.

        Thousands of formulas are compared, so the best is ahead of an equally true one by some bits. A simpler
        one takes its place only if it leaves no structure in its residual.
        """
        ahead = [p for p in front if p.bits <= front[0].bits + LUCK and not p.is_mean]
        for chosen in sorted(ahead, key=self.bits_of):
            if chosen is front[0] or self.is_white(chosen, rng):
                return (chosen, *[p for p in front if p is not chosen])
        return tuple(front)


def pareto(front: tuple[Proposal, ...]) -> tuple[Proposal, ...]:
    """Return the preferred formula first, then those that no shorter one beats in error, by description length."""
    kept = [front[0]]
    for proposal in front[1:]:
        size = complexity(proposal.expression)
        rivals = [p for p in front if complexity(p.expression) <= size and p is not proposal]
        if all(p.relative > proposal.relative for p in rivals):
            kept.append(proposal)
    return tuple(kept)


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


def _merged(proposals: list[Proposal]) -> list[Proposal]:
    """Return proposals by bits without doubles: same complexity and error to six digits count as equal forms."""
    kept: dict[tuple[int, str], Proposal] = {}
    # Of two ways to one formula the one that fitted its numbers says how sure they are.
    for proposal in sorted(proposals, key=lambda p: (round(p.bits, 3), -len(p.snapped))):
        digits = f"{proposal.relative:.6g}" if not proposal.is_exact else str(proposal.expression)
        kept.setdefault((complexity(proposal.expression), digits), proposal)
    return list(kept.values())


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
    table = _some_rows(data, MOST_REFITTED, 0)
    columns: Columns = {name: table.x[:, j] for j, name in enumerate(table.names)}
    with threadpool_limits(limits=1, user_api="blas"):
        bench = _Bench(columns, table.y[:, 0], _weights(table), found.readout, table)
        again = [bench.measured(p.fitted, p.origin, steps=60) for p in found.front[: 2 * N_REFINED]]
        front = bench.refined(_merged([p for p in again if p is not None]))
        ranked = bench.simplest_first(front, np.random.default_rng(0))
    return replace(found, front=ranked)
