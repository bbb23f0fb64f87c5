"""One law for several experiments that share its form but not all of its constants.

    rows are held back in every experiment -> searches -> forms fitted to all experiments, constants shared as far as
    that saves bits -> predictions on what nothing has read -> verdict
    -> the form once more on all rows, simple numbers -> a law over columns and the constants of each experiment

The method is `discover_shared`, below.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from threadpoolctl import threadpool_limits

from scikan.core.dataset import Dataset
from scikan.core.errors import SettingError, ShapeError
from scikan.core.expr import Constant, Expr, Symbol, evaluate, substitute, symbols
from scikan.core.kan import KAN
from scikan.core.samples import evenly
from scikan.discovery.discover import Config
from scikan.discovery.forms import (
    LEAST_SEARCHED,
    LETTER,
    SharedFound,
    experiments_of,
    parameter_names,
    shared_search,
)
from scikan.discovery.judging import Choice, Evidence, HeldOut, Verdict
from scikan.discovery.proposals import Proposal
from scikan.discovery.protocol import N_FOLDS, Fold, Plan
from scikan.discovery.search import Watch, weights_of
from scikan.discovery.tying import Experiments, Tied, snapped, tied, without_powers
from scikan.law.ordering import in_order
from scikan.law.record import Law
from scikan.law.simplify import simplify
from scikan.structure.surrogate import fit_surrogate
from scikan.symbolic.kanpiler import kanpiler
from scikan.train.scoring import Score, boosting_predictions, linear_predictions, score_predictions


SURROGATE_ROWS, LEAST_SMOOTH = 400, 6
"""Rows of an experiment on which its surrogate stands, and below which it is the mean of the others."""

LEAST_JUDGED = 3
"""Rows from which an experiment's rows judge."""

HOLD_OUT_FROM = 60
"""Rows of all experiments from which a share is held out once; below, five folds are searched anew."""

RIVAL = "surrogate of each experiment"


@dataclass(frozen=True, eq=False)
class SharedDiscovery:
    """One law for several experiments.

    Args:
        law: the formula over the columns and the constants that belong to each experiment; None with verdict "none".
        model: the law as a KAN, its inputs the columns and these constants; None without a law.
        parameters: names of the constants of each experiment, in the formula.
        experiments: names of the experiments.
        values, errors: of the constants, `(experiments, parameters)`, fitted to all rows.
        choice: the law's predictions on held-out rows, its score, evidence and verdict.
        front: the best forms by description length, each fitted to the rows that the search read.
        table: the table with the constants of each experiment as columns: what the law and its network take.
        held_out: the rows that nothing has read.
        seconds: how long it took.
        notices: what was set aside while the table was read.
    """

    law: Law | None
    model: KAN | None
    parameters: tuple[str, ...]
    experiments: tuple[str, ...]
    values: Float[np.ndarray, "experiments parameters"]
    errors: Float[np.ndarray, "experiments parameters"]
    choice: Choice
    front: tuple[Tied, ...]
    table: Dataset
    held_out: HeldOut
    seconds: float
    notices: tuple[str, ...]

    @property
    def verdict(self) -> Verdict:
        """ "law", "approximation" or "none"."""
        return self.choice.verdict

    @property
    def reason(self) -> str:
        """One sentence that says why."""
        return self.choice.reason

    @property
    def evidence(self) -> Evidence:
        """What the verdict rests on."""
        return self.choice.evidence

    @property
    def scores(self) -> dict[str, Score]:
        """Scores on held-out rows of the law and of its rivals, which know the experiments as well."""
        relative = self.held_out.readout == "log"
        asked = {name: np.isfinite(values) for name, values in self.held_out.predictions.items()}
        rivals = {
            name: score_predictions(values[asked[name]], self.held_out.truth[asked[name]], relative)
            for name, values in self.held_out.predictions.items()
        }
        return {"law": self.choice.score, **rivals}

    def of(self, experiment: str) -> Law:
        """Return the law of one experiment, with its constants in place.

        Raises:
            SettingError: no such experiment, or there is no law.
        """
        if self.law is None or experiment not in self.experiments:
            known = "there is no law" if self.law is None else f"there are {', '.join(self.experiments)}"
            raise SettingError(f"No law of {experiment!r}: {known}.", fix="see .experiments and .verdict.")
        g = self.experiments.index(experiment)
        own = {
            name: Constant(float(self.values[g, k]), float(self.errors[g, k]))
            for k, name in enumerate(self.parameters)
        }
        names = tuple(name for name in self.law.names if name not in own)
        domain = None if self.law.domain is None else self.law.domain[: len(names)]
        return replace(
            self.law, expressions=(substitute(self.law.expressions[0], own),), names=names, domain=domain
        )


def discover_shared(
    data: Dataset,
    experiments: Any = None,
    config: Config = Config(),
    report: Callable[[str], None] = lambda line: None,
) -> SharedDiscovery:
    """Return one law for all experiments, which share its form and as many of its constants as the data allow.

    Args:
        data: rows of all experiments, one target.
        experiments: `(rows,)` names or numbers: which experiment a row belongs to; default: the table's groups.
        config: settings, as for `discover`.
        report: called with one line of text as each stage ends.

    Raises:
        SettingError: several targets, fewer than two experiments, or too few rows.
        ShapeError: not one name a row.
    """
    started = monotonic()
    codes, names = _experiments(data, experiments)
    plan = _plan(codes, len(names), config)
    report(plan.told)
    settings, watch = replace(config.settings(plan.searches), compare=False), Watch(report)
    # Many of the forms that are tried are undefined somewhere; that is measured, not warned of.
    with threadpool_limits(limits=1), np.errstate(all="ignore"):
        trials = [shared_search(data, codes, fold.fit, settings, watch) for fold in plan.folds]
        rows = np.arange(data.n_rows)
        found = trials[0] if len(trials) == 1 else shared_search(data, codes, rows, settings, watch)
        final = _on_all_rows(found.front[0], experiments_of(data, codes, rows, found.rows.readout), data)
        choice, held_out = _judged(final, trials, found, codes, data, plan, config.key)
    table = held_out.data
    law, model = (None, None) if choice.verdict == "none" else _written(final.expr, table)
    return SharedDiscovery(
        law=law,
        model=model,
        parameters=final.parameters,
        experiments=names,
        values=final.values,
        errors=final.errors,
        choice=choice,
        front=found.front,
        table=table,
        held_out=held_out,
        seconds=monotonic() - started,
        notices=data.notices,
    )


def _experiments(data: Dataset, experiments: Any) -> tuple[Int[np.ndarray, " rows"], tuple[str, ...]]:
    """Return the experiment of each row from 0, and their names."""
    given = data.groups if experiments is None else np.asarray(experiments)
    if data.n_outputs != 1:
        raise SettingError(f"The table has {data.n_outputs} targets.", fix="take them one at a time.")
    if data.input_sigma is not None:
        raise SettingError(
            "Errors of columns are not known to a law of several experiments.",
            fix="leave input_sigma out, or explain the experiments one by one with kn.discover.",
        )
    if given is None:
        raise SettingError(
            "Nothing tells which experiment a row belongs to.",
            fix="pass one name a row, or read the table with group=COLUMN.",
        )
    if given.shape != (data.n_rows,):
        raise ShapeError(
            f"experiments has shape {given.shape} for {data.n_rows} rows.", fix="give one name for each row."
        )
    names, first, sorted_codes = np.unique(given, return_index=True, return_inverse=True)
    # Experiments stand in the order in which the table names them.
    order = np.argsort(first)
    names, codes = names[order], np.argsort(order)[sorted_codes]
    if len(names) < 2:
        raise SettingError("All rows belong to one experiment.", fix="use kn.discover.")
    if data.n_rows < LEAST_SEARCHED or data.n_rows < 3 * len(names):
        raise SettingError(
            f"{data.n_rows} rows of {len(names)} experiments are too few to find a law and leave rows out.",
            fix=f"give {LEAST_SEARCHED} rows or more, and three of each experiment on average.",
        )
    return codes, tuple(map(str, names))


def _plan(codes: Int[np.ndarray, " rows"], count: int, config: Config) -> Plan:
    """Hold back a share of the rows of every experiment; of few rows all in turn, each fold searched anew."""
    rng, n = np.random.default_rng(config.key), len(codes)
    place = np.empty(n, int)
    for g in range(count):
        rows = np.flatnonzero(codes == g)
        place[rows] = rng.permutation(len(rows))
    if n >= HOLD_OUT_FROM:
        sizes = np.bincount(codes)[codes]
        held = (place < config.hold_out * sizes - 0.5) & (sizes >= LEAST_JUDGED)
        fold = Fold(np.flatnonzero(~held), np.flatnonzero(held))
        told = f"{held.sum()} of {n} rows of {count} experiments are held out; no step reads them"
        return Plan((fold,), "hold-out in every experiment", told)
    # The constants of an experiment of one or two rows cannot be fitted without them.
    enough = np.bincount(codes)[codes] >= LEAST_JUDGED
    parts = [((place + codes) % N_FOLDS == k) & enough for k in range(N_FOLDS)]
    parts = [part for part in parts if part.any()]
    folds = tuple(Fold(np.flatnonzero(~part), np.flatnonzero(part)) for part in parts)
    protocol = f"{N_FOLDS}-fold cross-validation in every experiment"
    return Plan(folds, protocol, f"{n} rows of {count} experiments: {protocol}, each fold searched anew")


def _on_all_rows(best: Tied, rows: Experiments, data: Dataset) -> Tied:
    """Return the form fitted to all rows, its shared constants simple numbers, its parameters counted from 1."""
    fitted = snapped(best, rows)
    natural = _natural(fitted, data)
    if set(fitted.parameters) <= set(symbols(natural)):
        fitted = without_powers(replace(fitted, expr=natural))
        fitted = replace(fitted, expr=_natural(fitted, data))
    plain = parameter_names(len(fitted.parameters), data)
    renamed = substitute(fitted.expr, dict(zip(fitted.parameters, map(Symbol, plain), strict=True)))
    return replace(fitted, expr=renamed, parameters=plain)


def _natural(fitted: Tied, data: Dataset) -> Expr:
    return in_order(simplify(fitted.expr, _positive(data)), (*data.names, *fitted.parameters))


def _positive(data: Dataset) -> frozenset[str]:
    return frozenset(name for j, name in enumerate(data.names) if np.all(data.x[:, j] > 0))


def _judged(
    final: Tied,
    trials: list[SharedFound],
    found: SharedFound,
    codes: np.ndarray,
    data: Dataset,
    plan: Plan,
    key: int,
) -> tuple[Choice, HeldOut]:
    """Return what rows that a search has not read say of the forms that it found."""
    said = [
        _predicted(trial.front[0], data, codes, fold.judge)
        for trial, fold in zip(trials, plan.folds, strict=True)
    ]
    judging = np.concatenate([fold.judge for fold in plan.folds])
    rivals = [_rivals(data, codes, fold, key) for fold in plan.folds]
    beside = {name: np.concatenate([rival[name] for rival in rivals]) for name in rivals[0]}
    predictions = {RIVAL: _surrogates(data, codes)[judging], **beside}
    table, read = data.with_columns(final.columns(codes)), found.rows
    held_out = HeldOut(table, plan, predictions, read.readout, _bits_of_means(read), key, RIVAL)
    best = found.front[0]
    proposal = Proposal(
        final.expr, final.expr, best.relative * read.variance, best.relative, best.bits, "regression"
    )
    return held_out.judged(proposal, np.concatenate(said)), held_out


def _predicted(best: Tied, data: Dataset, codes: np.ndarray, rows: np.ndarray) -> Float[np.ndarray, " judge"]:
    columns = {name: data.x[rows, j] for j, name in enumerate(data.names)} | best.columns(codes[rows])
    return np.broadcast_to(evaluate(best.expr, columns), len(rows)).astype(float)


def _bits_of_means(rows: Experiments) -> float:
    """Return the description length of the rows by the mean of each experiment."""
    means = np.asarray([[np.mean(rows.y[rows.codes == g])] for g in range(rows.count)])
    plain = tied(Symbol(LETTER), (LETTER,), means, rows)
    return float("inf") if plain is None else plain.bits


def _rivals(data: Dataset, codes: np.ndarray, fold: Fold, key: int) -> dict[str, Any]:
    """Return predictions of a linear model and of boosted trees that know the experiments as columns of 0 and 1."""
    x = np.column_stack([data.x, np.equal.outer(codes, np.unique(codes)[1:])])
    seen, y = x[fold.fit], data.y[fold.fit, 0]
    return {
        "linear": linear_predictions(seen, y, x[fold.judge]),
        "boosting": boosting_predictions(seen, y, x[fold.judge], key)[:, 0],
    }


def _surrogates(data: Dataset, codes: np.ndarray) -> Float[np.ndarray, " rows"]:
    """Return what a smooth surrogate of each experiment says of its rows, each left out; NaN where it is not asked."""
    said = np.full(data.n_rows, np.nan)
    own = weights_of(data)
    for g in range(int(codes.max()) + 1):
        rows = np.flatnonzero(codes == g)
        rows = rows[evenly(len(rows), SURROGATE_ROWS)]
        x, y = data.x[rows], data.y[rows, 0]
        if len(rows) < LEAST_SMOOTH or np.ptp(y) == 0:
            said[rows] = (y.sum() - y) / (len(rows) - 1) if len(rows) > 1 else np.nan
            continue
        root = np.ones(len(rows)) if own is None else np.sqrt(own[rows])
        said[rows] = y + fit_surrogate(x[:, np.ptp(x, axis=0) > 0], y, root).loo
    return said


def _written(expr: Expr, table: Dataset) -> tuple[Law, KAN]:
    """Return the law over columns and constants of the experiments, and the law as a KAN."""
    domain = np.stack([table.x.min(axis=0), table.x.max(axis=0)], axis=1)
    law = Law((expr,), table.targets, table.names, table.units, domain)
    return law, kanpiler(law.expressions, law.names, domain=domain, targets=law.targets)
