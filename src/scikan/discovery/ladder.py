"""The road through networks: a ladder of small MultKANs, trained, pruned, sharpened and named.

The shapes are hypotheses in the order of their description length. A right structure shows the order of its
splines: refining the grid lowers its error ten times and more; a wrong one stalls. What survives is named in
context, and only a net whose edges are all named, and which then fits to rounding, ends the climb as exact.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import numpy as np

from scikan.core import bspline
from scikan.core.functions import LIBRARY, Library
from scikan.core.kan import KAN, WidthEntry
from scikan.core.trees import updated
from scikan.edit.grid import refine
from scikan.edit.growth import collapse
from scikan.symbolic.naming import EXACT, NamedNet, name_network, to_rounding
from scikan.train.elimination import NOISY, JudgedRows, eliminate, judged_loss, squared_errors
from scikan.train.small import SmallFit, fit_small


LATE = 1.25
"""What has begun may be finished in this multiple of the time."""

FIRST_GRID = 5
SHARP_GRIDS = (10, 20)


@dataclass(frozen=True)
class LadderSettings:
    """How the ladder is climbed.

    Args:
        members: random starts a shape; the best third are trained on.
        rough_steps, fine_steps: Levenberg-Marquardt steps of all members, and twice more for the best.
        rough_bend: weight of the bending penalty at first (1e-9 later).
        seconds: time after which no further shape is begun.
        stale: on noisy data, shapes in a row that bring no significant gain before the climb ends.
        shapes: at most so many shapes are tried.
        name: prune and name the nets; without it the climb only looks for a good network and ends at the
            first that is `enough`.
        enough: mean square error (targets of unit variance) that ends a climb without names.
    """

    members: int = 8
    rough_steps: int = 12
    fine_steps: int = 15
    rough_bend: float = 1e-3
    seconds: float = 60.0
    stale: int = 4
    shapes: int = 99
    name: bool = True
    enough: float = 1e-5


@dataclass(frozen=True)
class Climb:
    """What the ladder found: fully named nets (best first), the best spline net, and how it ended."""

    named: tuple[NamedNet, ...] = ()
    network: KAN | None = None
    network_loss: float = float("inf")
    exact: bool = False
    shapes: tuple[str, ...] = field(default=())


def ladder(n: int) -> Iterator[list[WidthEntry]]:
    """Return the hidden and output entries of each shape for n inputs, shortest hypotheses first."""
    arity = max(n, 2)
    yield [1]
    yield [1, 1]
    yield [(0, 1)]
    yield [(0, 1), 1]
    yield [(1, 1), 1]
    if arity >= 3:
        yield [(0, (3,))]
    yield [(1, 1), (0, 1)]
    yield [2, 1]
    if arity >= 4:
        yield [(0, (4,))]
    yield [(1, 1), 1, 1]
    yield [(0, 2), 1]
    yield [2, (0, 1)]
    yield [2, 1, 1]
    yield [(2, 2), 1, 1]


def climb(
    rows: JudgedRows,
    settings: LadderSettings = LadderSettings(),
    key: int = 0,
    library: Library = LIBRARY,
    report: Callable[[str], None] | None = None,
) -> Climb:
    """Climb the ladder on network-side rows (targets of unit variance, not shifted).

    Args:
        rows: rows to fit and rows to judge by.
        key: seed of the random starts.
        report: called with one line of text as each shape is judged.
    """
    ascent = _Ascent(rows, settings, library, report)
    rng = np.random.default_rng(key)
    for shape in ladder(rows.fit_x.shape[1]):
        if ascent.is_over():
            break
        found = ascent.try_shape(shape, rng)
        if found is not None:
            return ascent.climbed((found,))
    return ascent.climbed(tuple(ascent.named()) if settings.name else ())


class _Ascent:
    """The state of one climb: the best network, nets worth naming, and when to stop."""

    def __init__(
        self,
        rows: JudgedRows,
        settings: LadderSettings,
        library: Library,
        report: Callable[[str], None] | None,
    ) -> None:
        self.rows, self.settings, self.library, self.report = rows, settings, library, report
        self.started = monotonic()
        self.tried: list[str] = []
        self.network: KAN | None = None
        self.network_loss = self.lowest = float("inf")
        self.errors: Any = None
        self.stale = 0
        self.queue: list[tuple[float, KAN]] = []
        self.noisy: list[KAN] = []

    def is_late(self, allowance: float = 1.0) -> bool:
        """Whether the time (times an allowance for finishing) is used up."""
        return monotonic() - self.started > allowance * self.settings.seconds

    def is_over(self) -> bool:
        """Whether no further shape is to be tried."""
        if not self.tried:
            return False
        patience = self.settings.stale + (2 if self.lowest >= 0.05 else 0)
        stuck = self.lowest >= NOISY and self.stale >= patience and self.settings.name
        good = not self.settings.name and self.lowest < self.settings.enough
        return self.is_late() or len(self.tried) >= self.settings.shapes or stuck or good

    def try_shape(self, shape: list[WidthEntry], rng: np.random.Generator) -> NamedNet | None:
        """Train a shape, remember what it is good for, and return an exact named net if it holds one."""
        width: list[WidthEntry] = [self.rows.fit_x.shape[1], *shape]
        members = trained(self.rows, width, self.settings, rng)
        self.tried.append(str(width))
        if not members:
            return None
        loss, model = members[0]
        if self.report is not None:
            self.report(f"{width}: held-out error {np.sqrt(loss):.2e} of the target's spread")
        errors = squared_errors(model, self.rows)
        gained = self.errors is None or _significantly_better(errors, self.errors)
        self.stale = 0 if gained else self.stale + 1
        self.lowest = min(self.lowest, loss)
        if gained:
            # A larger shape takes over only if held-out rows are sure of it: on few rows luck is cheap.
            self.network, self.network_loss, self.errors = model, loss, errors
            if NOISY <= loss < 0.9:
                self.noisy.append(model)
        return _follow_up(self, members, shape) if self.settings.name else None

    def named(self) -> list[NamedNet]:
        """Name what is worth it in the time that is left, best nets first."""
        named = _named_queue(self)
        found = any(net.is_named and net.loss <= EXACT for net in named)
        if not found and self.network_loss >= NOISY:
            named += _noisy_names(self)
        return sorted(named, key=lambda net: (not net.is_named, net.loss))

    def climbed(self, named: tuple[NamedNet, ...]) -> Climb:
        """Return the result."""
        exact = bool(named) and named[0].is_named and named[0].loss <= EXACT
        return Climb(named, self.network, self.network_loss, exact, tuple(self.tried))


def trained(
    rows: JudgedRows, width: list[WidthEntry], settings: LadderSettings, rng: np.random.Generator
) -> list[tuple[float, KAN]]:
    """Return the best third of a shape's members as (judged loss, net), best first."""
    rough = []
    for member in range(settings.members):
        noise = 0.3 if member % 2 else 0.0
        start = first_net(rows, width, int(rng.integers(2**31)), noise)
        fitted = fit_small(
            start, rows.fit_x, rows.fit_y, steps=settings.rough_steps, bend=settings.rough_bend
        )
        if np.isfinite(fitted.loss):
            rough.append(fitted)
    rough.sort(key=lambda fit: fit.loss)
    fine = []
    for fitted in rough[: max(1, (settings.members + 2) // 3)]:
        fine.append(_trained_on(rows, fitted, settings))
    return sorted(fine, key=lambda item: item[0])


def _trained_on(rows: JudgedRows, fitted: SmallFit, settings: LadderSettings) -> tuple[float, KAN]:
    """Train one member on, with less bending penalty where rows are clean and more where they are noisy."""
    rough = fitted
    for bend in (settings.rough_bend, 1e-9):
        fitted = fit_small(
            fitted.model, rows.fit_x, rows.fit_y, steps=settings.fine_steps, bend=bend, damping=fitted.damping
        )
    best = (judged_loss(fitted.model, rows), fitted.model)
    for bend in (settings.rough_bend, 1e-2, 1e-1, 1.0):
        if best[0] < NOISY:
            break
        stiff = fit_small(rough.model, rows.fit_x, rows.fit_y, steps=settings.fine_steps, bend=bend)
        loss = judged_loss(stiff.model, rows)
        if loss > 1.1 * best[0]:
            break
        best = min(best, (loss, stiff.model), key=lambda item: item[0])
    return best


def first_net(rows: JudgedRows, width: list[WidthEntry], key: int, noise: float) -> KAN:
    """Return a random net whose first grid spans all rows: ends use inputs only, so no target leaks."""
    model = KAN(width, grid=FIRST_GRID, k=3, key=key, noise=noise)
    knots = bspline.sample_knots(rows.all_x, FIRST_GRID, 3)
    placed: KAN = updated(lambda m: m.layers[0].splines.knots, model, knots)
    return placed


def _follow_up(ascent: _Ascent, members: list[tuple[float, KAN]], shape: list[WidthEntry]) -> NamedNet | None:
    """Prune, sharpen and, if the error falls as a true structure's does, name; return an exact net if found."""
    rows = ascent.rows
    single_product = len(shape) == 1 and not isinstance(shape[0], int)
    for loss, model in members[:3]:
        if loss > (0.05 if single_product else 4e-4) or loss > 50.0 * max(ascent.lowest, 1e-16):
            continue
        if ascent.is_late(LATE):
            break
        if loss > 4e-6 and model.n_edges > 2 * rows.fit_x.shape[1] and _stalls(model, loss, rows):
            continue
        path = eliminate(model, rows, floor=4e-6)
        careful = [step for step in path if step.loss <= 3.0 * loss][-1]
        ends = [path[-1]]
        if careful is not path[-1] and careful.loss < path[-1].loss / 5:
            ends.append(careful)
        for end in ends:
            sharp_loss, sharp = sharpen(collapse(end.model), rows)
            if sharp_loss < 1e-8 or (sharp_loss < 1e-7 and sharp_loss < end.loss / 64):
                found = _exact_name(rows, sharp, ascent.library)
                if found is not None:
                    return found
            if sharp_loss < 1e-8 or (sharp_loss < 1e-6 and sharp_loss < end.loss / 9):
                ascent.queue.append((sharp_loss, sharp))
    return None


def _stalls(model: KAN, loss: float, rows: JudgedRows) -> bool:
    finer = fit_small(refine(model, SHARP_GRIDS[0]), rows.fit_x, rows.fit_y, steps=12)
    return judged_loss(finer.model, rows) > 0.4 * loss


def sharpen(model: KAN, rows: JudgedRows) -> tuple[float, KAN]:
    """Refine the grid while the judged loss falls; return the best (loss, net)."""
    fitted = fit_small(model, rows.fit_x, rows.fit_y, steps=20)
    best = (judged_loss(fitted.model, rows), fitted.model)
    for grid in SHARP_GRIDS:
        fitted = fit_small(refine(best[1], grid), rows.fit_x, rows.fit_y, steps=20)
        loss = judged_loss(fitted.model, rows)
        if loss > 0.5 * best[0]:
            return min(best, (loss, fitted.model), key=lambda item: item[0])
        best = (loss, fitted.model)
    return best


def _exact_name(rows: JudgedRows, model: KAN, library: Library) -> NamedNet | None:
    # Sharpened nets may carry edges that the coarse grid needed: the floor of zero lets only harmless ones go.
    small = eliminate(model, rows, floor=0.0)[-1].model
    for net in name_network(small, rows, library):
        if net.is_named:
            exact = to_rounding(net, rows)
            if exact.loss <= EXACT:
                return exact
    return None


def _named_queue(ascent: _Ascent) -> list[NamedNet]:
    """Name the nets that looked right but were not exact at first, fewest edges first."""
    results: list[NamedNet] = []
    for _, model in sorted(ascent.queue, key=lambda item: item[1].n_edges)[:4]:
        if ascent.is_late(LATE):
            break
        for net in name_network(model, ascent.rows, ascent.library)[:1]:
            if net.is_named:
                results.append(to_rounding(net, ascent.rows))
                if results[-1].loss <= EXACT:
                    return results
    return results


def _noisy_names(ascent: _Ascent) -> list[NamedNet]:
    """On noisy rows: fewest edges within one standard error of the best, then names by paired tests."""
    rows = ascent.rows
    pruned: list[tuple[float, KAN]] = []
    for model in ascent.noisy:
        if not ascent.is_late(LATE) or not pruned:
            end = eliminate(model, rows, floor=0.0)[-1]
            pruned.append((end.loss, collapse(end.model)))
    level = min((loss for loss, _ in pruned), default=0.0) * (1.0 + 2.0 * np.sqrt(2.0 / len(rows.judge_x)))
    close = sorted((item for item in pruned if item[0] <= level), key=lambda item: item[1].n_edges)
    results = []
    for _, model in close[:2]:
        refitted = fit_small(model, rows.fit_x, rows.fit_y, steps=20).model
        for net in name_network(refitted, rows, ascent.library)[:2]:
            if net.is_named:
                results.append(to_rounding(net, rows))
        if ascent.is_late(LATE):
            break
    return results


def _significantly_better(errors: Any, reference: Any) -> bool:
    difference = reference - errors
    gain = float(np.mean(difference))
    error = float(np.std(difference)) / float(np.sqrt(len(difference)))
    return gain > 2.0 * error and gain > 0.03 * float(np.mean(reference))
