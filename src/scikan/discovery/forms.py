"""Forms for several experiments, each fitted to all of them, constants shared as far as that saves bits.

Forms come from searches: in the largest experiments, each alone; in all rows, which finds what does not differ at all;
and in all rows with the target of each experiment in units of its own size, which finds what differs by a factor only.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from scikan.core.dataset import Dataset
from scikan.core.expr import Constant, Expr, constants
from scikan.core.samples import evenly
from scikan.discovery.agreement import form_of
from scikan.discovery.error_model import CLEARLY, log_likelihood
from scikan.discovery.proposals import EXACT
from scikan.discovery.search import Found, SearchSettings, Watch, search, weights_of
from scikan.discovery.tying import Experiments, Tied, each_alone, related, shared_constants, tied
from scikan.law.refitting import Readout
from scikan.law.simplify import simplify


MOST_SEARCHED, LEAST_SEARCHED = 3, 12
"""Experiments that are searched, and the rows that one of them needs."""

FORMS_OF_A_SEARCH, MOST_SCREENED, MOST_FORMS = 8, 4, 4
"""Forms taken from a search; experiments on which they are screened; forms that are fitted to all experiments."""

SCREENED_ROWS, FITTED_ROWS = 600, 4000
LETTER = "c"


@dataclass(frozen=True, eq=False)
class SharedFound:
    """What one search found: forms fitted to the rows that it read, by description length, and these rows."""

    front: tuple[Tied, ...]
    rows: Experiments


def shared_search(
    data: Dataset, codes: np.ndarray, pick: np.ndarray, settings: SearchSettings, watch: Watch
) -> SharedFound:
    """Return the best forms for some rows of several experiments.

    Args:
        data: the table.
        codes: the experiment of each row, from 0.
        pick: the rows that may be read.
        settings: their time is that of all searches together.
        watch: who is told of progress.
    """
    searches = list(_searches(data, codes, pick, settings, watch))
    logs = sum(found.readout == "log" for found, _ in searches) * 2 > len(searches)
    rows = experiments_of(data, codes, pick, "log" if logs else "linear")
    forms = list(_forms(searches))
    front = _fitted(forms, rows, data)
    if _has_other_errors(front[0], rows):
        rows = replace(rows, readout="linear" if logs else "log")
        front = _fitted(forms, rows, data)
    watch.report(
        f"fitted to all experiments: {front[0].expr}  ({np.sqrt(front[0].relative):.2e} of the spread)"
    )
    return SharedFound(front, rows)


def experiments_of(data: Dataset, codes: np.ndarray, pick: np.ndarray, readout: Readout) -> Experiments:
    """Return rows of a table as experiments; of very many, some."""
    some = pick[evenly(len(pick), FITTED_ROWS)]
    part = data.rows(some)
    columns = {name: part.x[:, j] for j, name in enumerate(part.names)}
    return Experiments(columns, part.y[:, 0], weights_of(part), readout, codes[some], int(codes.max()) + 1)


def _searches(
    data: Dataset, codes: np.ndarray, pick: np.ndarray, settings: SearchSettings, watch: Watch
) -> Iterator[tuple[Found, int | None]]:
    """Yield what is found in the largest experiments, and in all together: as they are, and in units of their sizes.

    The number beside it is the experiment that constants belong to, the first for all as they are; None for units.
    """
    whole, sizes = np.bincount(codes), np.bincount(codes[pick], minlength=int(codes.max()) + 1)
    homes = [int(g) for g in np.argsort(-sizes, kind="stable")[:MOST_SEARCHED] if whole[g] >= LEAST_SEARCHED]
    each = replace(settings, seconds=settings.seconds / (len(homes) + 2))
    for g in homes:
        watch.report(f"one experiment of {len(sizes)}: {sizes[g]} rows")
        yield search(data.rows(pick[codes[pick] == g]), each, watch), g
    watch.report(f"all experiments as one: {len(pick)} rows")
    yield search(data.rows(pick), each, watch), 0
    size = np.asarray([np.sqrt(np.mean(data.y[pick][codes[pick] == g] ** 2)) for g in range(len(sizes))])
    unit = np.where(np.isfinite(size) & (size > 0), size, 1.0)[codes]
    scaled = replace(data, y=data.y / unit[:, None], sigma=None if data.sigma is None else data.sigma / unit)
    watch.report(f"all experiments in units of their sizes: {len(pick)} rows")
    yield search(scaled.rows(pick), each, watch), None


def _forms(searches: list[tuple[Found, int | None]]) -> Iterator[tuple[Expr, int]]:
    """Yield forms with constants to begin with, and the experiment that these belong to."""
    known: set[Expr] = set()
    for found, home in searches:
        for proposal in found.front[:FORMS_OF_A_SEARCH]:
            for plain in (proposal.fitted, proposal.expression):
                expr = plain if home is not None else simplify(Constant(1.0) * plain)
                if form_of(expr) not in known:
                    known.add(form_of(expr))
                    yield expr, home or 0


def _fitted(forms: list[tuple[Expr, int]], rows: Experiments, data: Dataset) -> tuple[Tied, ...]:
    """Return the best forms with their constants fitted to all experiments, by description length."""
    few = np.argsort(-rows.sizes, kind="stable")[:MOST_SCREENED]
    pick = np.flatnonzero(np.isin(rows.codes, few))
    some = rows.rows(pick[evenly(len(pick), SCREENED_ROWS)])
    screened = [
        (fitted.bits, n) for n, (expr, home) in enumerate(forms) if (fitted := _tied(expr, home, some, data))
    ]
    laid = [_tied(*forms[n], rows, data) for _, n in sorted(screened)[:MOST_FORMS]]
    best = [related(fitted, rows) for fitted in laid if fitted is not None]
    return tuple(sorted(best, key=lambda fitted: fitted.bits))


def _tied(expr: Expr, home: int, rows: Experiments, data: Dataset) -> Tied | None:
    """Return a form with constants shared as far as that saves bits."""
    own = parameter_names(len(constants(expr)), data)
    return shared_constants(expr, each_alone(expr, rows, home), own, rows)


def parameter_names(count: int, data: Dataset) -> tuple[str, ...]:
    """Return c1, c2, ..., or more letters where columns are called so."""
    letter = LETTER
    while any(f"{letter}{k}" in (*data.names, *data.targets) for k in range(1, count + 1)):
        letter += LETTER
    return tuple(f"{letter}{k}" for k in range(1, count + 1))


def _has_other_errors(best: Tied, rows: Experiments) -> bool:
    """Whether all experiments together say clearly that errors are not of the kind which the searches took them for."""
    if best.relative < EXACT or not np.all(rows.y > 0):
        return False
    kinds: tuple[Readout, Readout] = ("linear", "log") if rows.readout == "linear" else ("log", "linear")
    fits = [tied(best.expr, best.parameters, best.values, replace(rows, readout=kind)) for kind in kinds]
    own, other = (
        -np.inf
        if fit is None
        else log_likelihood(fit.relative * replace(rows, readout=kind).variance, rows.y, kind)
        for fit, kind in zip(fits, kinds, strict=True)
    )
    return bool(other > own + CLEARLY)
