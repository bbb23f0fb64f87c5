r"""The road of symmetries: a table is reduced, searched in closed form, and told in its own symbols again.

On the zero to three columns that symmetries leave, exhaustive search is cheap. Stages run in order of cost;
each yields its best formulas, refitted on the raw rows. The road ends when one of them is exact. Once a short one
leaves only noise, the larger tables are still asked for short laws: noise hides a symmetry that holds only nearly.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from time import monotonic
from typing import Any

import numpy as np
from jaxtyping import Float

from scikan.core.expr import Constant, Expr, multiply, substitute
from scikan.discovery.affine import Screen
from scikan.discovery.bench import NO_WORSE, SHORT
from scikan.discovery.curved import curved_laws
from scikan.discovery.desk import Candidate, Desk
from scikan.discovery.families import family_laws
from scikan.discovery.mixtures import mixture_laws, wave_laws
from scikan.discovery.pairs import pair_laws
from scikan.discovery.pursuit import sum_laws
from scikan.discovery.quotients import moebius, quotients
from scikan.discovery.ratios import rationals
from scikan.discovery.splits import split_laws
from scikan.discovery.stages import polynomials, shifted_power_laws
from scikan.law.evidence import whiteness
from scikan.structure.answers import Surrogate
from scikan.structure.levels import Level
from scikan.structure.scaling import reduce_table


Rows = Float[np.ndarray, "rows columns"]
Vector = Float[np.ndarray, " rows"]

MOST_COLUMNS = 6
"""Columns up to which a level has a library; above, only polynomials and quotients are tried."""

N_HEAVY = 600
"""Targets made with expressions of two operations that are screened last."""


def reduced_proposals(
    x: Rows,
    y: Vector,
    weight: Any,
    names: tuple[str, ...],
    *,
    seconds: float,
    rng: np.random.Generator,
    positive: Iterable[str] = (),
    surrogate: Surrogate | None = None,
    tell: Callable[[Level], None] = lambda level: None,
) -> Iterator[Expr]:
    """Yield formulas of y in the original symbols, stage by stage, the best of each stage first.

    Args:
        x: columns.
        y: target.
        weight: of squared residuals; None for equal weights.
        names: of the columns.
        seconds: time after which no further stage begins.
        rng: choice of the screening rows.
        positive: columns known to be positive.
        surrogate: `raw_surrogate` of the table, if it is known already.
        tell: called with every level, the raw table first.
    """
    ends = monotonic() + seconds
    columns = {name: x[:, j] for j, name in enumerate(names)}
    desk = Desk(columns, y, weight, frozenset(positive))
    levels = reduce_table(x, y, names, weight, surrogate)
    for level in levels:
        tell(level)
    best: Candidate | None = None
    leaves_noise = False
    plain = [level for level in levels if not any(step.kind == "combination" for step in level.steps)]
    for level in dict.fromkeys((levels[-1], plain[-1], levels[0])):
        for stage in _stages(level, desk, rng, ends, short=leaves_noise):
            found = desk.best(stage.formulas(), ends)
            yield from (candidate.expression for candidate in found)
            best = min([*found[:1], *([best] if best else [])], key=lambda c: c.bits, default=None)
            if best is None:
                continue
            if best.is_exact or monotonic() > ends:
                return
            if stage.may_end and best.structure < SHORT and _leaves_noise(desk, best, level, rng):
                leaves_noise = True
                break


class _Stage:
    """Formulas of one kind on one level, and whether a short law that leaves noise may end the road after it."""

    def __init__(self, formulas: Callable[[], Iterable[Expr]], may_end: bool = True) -> None:
        self.formulas, self.may_end = formulas, may_end


def _stages(level: Level, desk: Desk, rng: np.random.Generator, ends: float, short: bool) -> Iterator[_Stage]:
    """Yield the stages of a level in order of cost, or those of short laws only."""
    if not level.columns.shape[1]:
        yield _Stage(lambda: [multiply([Constant(float(np.mean(level.target))), level.factor_expression])])
        return
    yield _Stage(lambda: _closed(level), may_end=False)
    if level.columns.shape[1] > MOST_COLUMNS:
        return
    screen = Screen.of(level, rng)
    light = screen.light()
    yield _Stage(lambda: screen.affine_laws(light), may_end=False)
    if short:
        yield _Stage(lambda: desk.tuned(family_laws(screen, light)))
        return
    yield _Stage(lambda: screen.affine_laws(screen.heavy(1)), may_end=False)
    yield _Stage(lambda: chain(quotients(screen), moebius(screen)), may_end=False)
    yield _Stage(lambda: curved_laws(level), may_end=False)
    yield _Stage(lambda: desk.tuned(family_laws(screen, light)))
    if level.columns.shape[1] == 1:
        yield _Stage(lambda: sum_laws(level, ends))
    yield _Stage(lambda: desk.tuned(wave_laws(screen, light), steps=25))
    yield _Stage(lambda: split_laws(screen, light, desk, ends))
    yield _Stage(lambda: pair_laws(screen, light))
    yield _Stage(lambda: desk.tuned(mixture_laws(screen, light), steps=25))
    yield _Stage(lambda: screen.affine_laws(screen.heavy(2, N_HEAVY)))


def _closed(level: Level) -> Iterator[Expr]:
    """Yield polynomials of transformed targets and quotients of polynomials."""
    names = tuple(f"q{j}" for j in range(level.columns.shape[1]))
    back = dict(zip(names, level.expressions, strict=True))
    for expr in (
        *polynomials(level.columns, level.target, names, level.weight),
        *shifted_power_laws(level.columns, level.target, names, level.weight),
        *rationals(level.columns, level.target, names, level.weight),
    ):
        yield multiply([level.factor_expression, substitute(expr, back)])


def _leaves_noise(desk: Desk, best: Candidate, level: Level, rng: np.random.Generator) -> bool:
    """Whether a formula leaves what the surrogate leaves, and no correlation with neighbours near or far.

    In many columns neighbours are far apart: there only the surrogate knows that a formula leaves too much.
    """
    if np.sqrt(best.relative * desk.variance) > NO_WORSE * level.error:
        return False
    views = [_spread(np.column_stack([desk.columns[name] for name in desk.columns]))]
    if 0 < level.columns.shape[1] < len(desk.columns):
        views.append(_spread(level.columns))
    return whiteness(desk.residual(best.expression), views, rng).is_white


def _spread(columns: Any) -> Any:
    """Return columns with logarithms of the positive ones that span more than a factor of ten."""
    low, high = columns.min(axis=0), columns.max(axis=0)
    wide = (low > 0) & (high > 10 * low)
    return np.where(wide, np.log(np.where(wide, columns, 1.0)), columns)
