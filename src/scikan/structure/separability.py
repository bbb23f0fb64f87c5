"""Does a function fall apart into functions of groups of its columns? As a sum, a product, or a function of a sum."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any, Literal

import numpy as np

from scikan.core.errors import SettingError
from scikan.structure.couplings import N_POINTS, Crossings, Places, coupling, crossings, product_offset
from scikan.structure.directions import alignment
from scikan.structure.merging import general_groups
from scikan.structure.probe import Probe, Subject, probe_of
from scikan.structure.verdicts import Separability, judge, margin, threshold


Kind = Literal["additive", "multiplicative", "general"]
KINDS: tuple[Kind, ...] = ("additive", "multiplicative", "general")

_SAME_OFFSET = 1e-2


def separability(
    f: Subject,
    x: Any = None,
    groups: Sequence[Sequence[str]] | None = None,
    *,
    kind: Kind | None = None,
    error: float | None = None,
    output: int = 0,
    names: Sequence[str] | None = None,
) -> Separability:
    r"""Return whether f is a sum, a product or a function of a sum of functions of groups of columns.

    Additive: $f = \sum_g f_g(x_g)$. Multiplicative: $f + c = \prod_g f_g(x_g)$ with a constant c that is found.
    General: $f = F(\sum_g f_g(x_g))$ (KAN 2.0, section 4.3). Columns are recombined across rows, so the rows should
    fill a box. Scores are judged against what the function's own error would give.

    Args:
        f, x, error, output, names: as in `probe_of`: a KAN, a function of (N, columns) arrays, or a `Dataset`.
        groups: a division of all columns to test; unless given, the finest one that holds is looked for.
        kind: which structure; unless given, the first that holds of additive, multiplicative and general.

    Raises:
        SettingError: groups do not divide the columns, or no such kind.
        ShapeError: too few rows, or f returns no value a row.

    Example:
        `separability(lambda x: x[:, 0] * x[:, 1] + x[:, 2], x).groups` is `(("x1", "x2"), ("x3",))`.
    """
    if kind is not None and kind not in KINDS:
        raise SettingError(
            f"There is no kind {kind!r} of separability.", fix=f"choose from {', '.join(KINDS)}."
        )
    probe = probe_of(f, x, error=error, output=output, names=names)
    kinds = KINDS if kind is None else (kind,)
    asked = None if groups is None else _division(probe, groups)
    answers = [given_groups(probe, asked, k) if asked else found_groups(probe, k) for k in kinds[:2]]
    held = [a for a in answers if a.verdict != "no"]
    if held:
        # A product far from zero looks like a sum: of two that hold the one that holds better is meant.
        return max(held, key=lambda a: (a.verdict == "yes", len(a.groups), a.margin))
    if kinds[-1] == "general":
        return given_groups(probe, asked, "general") if asked else found_groups(probe, "general")
    return max(answers, key=lambda a: a.margin)


def _division(probe: Probe, groups: Sequence[Sequence[str]]) -> tuple[Places, ...]:
    named = tuple(probe.places(group) for group in groups)
    listed = sorted(j for group in named for j in group)
    if len(named) < 2 or listed != list(range(len(probe.names))):
        raise SettingError(
            f"{list(map(list, groups))} does not divide the columns {', '.join(probe.names)} into groups.",
            fix="name every column once, in two groups or more.",
        )
    return named


def given_groups(probe: Probe, groups: tuple[Places, ...], kind: Kind) -> Separability:
    """Return whether a division holds; the score is that of the worst pair of groups."""
    pairs = list(combinations(groups, 2))
    offset, points = 0.0, 0
    if kind == "general":
        found = [alignment(probe, a, b) for a, b in pairs]
        points = found[0].points
        results = [(one.score, one.null) for one in found]
    else:
        crossed = crossings(probe, groups)
        product, points = kind == "multiplicative", crossed.n_points
        offset = _best_offset(crossed, pairs) if product else 0.0
        results = [coupling(crossed, pair, product, offset) for pair in pairs]
    score, null = min(results, key=lambda r: margin(*r))
    return Separability(kind, _named(probe, groups), score, null, judge(score, null), points, offset)


def _best_offset(crossed: Crossings, pairs: list[tuple[Places, Places]]) -> float:
    offsets = [0.0, *(c for pair in pairs if (c := product_offset(crossed, pair)) is not None)]
    return max(offsets, key=lambda c: min(margin(*coupling(crossed, pair, True, c)) for pair in pairs))


def found_groups(probe: Probe, kind: Kind, columns: Places | None = None) -> Separability:
    """Return the finest division of some columns (all) that holds, with the score of its worst pair of groups."""
    columns = tuple(range(len(probe.names))) if columns is None else columns
    if kind == "general":
        groups = general_groups(probe)
        return given_groups(probe, groups, kind) if len(groups) > 1 else _whole(probe, kind, columns)
    crossed = crossings(probe, [(j,) for j in columns])
    product = kind == "multiplicative"
    tables = []
    for offset in _offsets(crossed, columns) if product else [0.0]:
        scores, limits = _coupling_table(crossed, columns, product, offset)
        tables.append((components(scores > limits), scores))
    if not tables or len(columns) < 2:
        return _whole(probe, kind, columns)
    parts, scores = max(tables, key=lambda t: len(t[0]))
    if len(parts) == 1:
        return _whole(probe, kind, columns, scores)
    held = given_groups(probe, tuple(tuple(columns[i] for i in part) for part in parts), kind)
    return replace(held, pairs=scores)


def _offsets(crossed: Crossings, columns: Places) -> list[float]:
    """Return constants to try beside a product: none, and those on which pairs of columns agree best."""
    found = []
    for i, j in combinations(columns, 2):
        c = product_offset(crossed, ((i,), (j,)))
        if c is not None and margin(*coupling(crossed, ((i,), (j,)), True, c)) > 0:
            found.append(c)
    kept: list[float] = []
    for c in found:
        if all(abs(c - other) > _SAME_OFFSET * crossed.spread for other in (0.0, *kept)):
            kept.append(c)
    return [0.0, *kept]


def _coupling_table(crossed: Crossings, columns: Places, product: bool, offset: float) -> tuple[Any, Any]:
    """Return (scores, thresholds) of every two columns."""
    n = len(columns)
    scores, limits = np.zeros((n, n)), np.full((n, n), np.inf)
    for i, j in combinations(range(n), 2):
        score, null = coupling(crossed, ((columns[i],), (columns[j],)), product, offset)
        scores[i, j] = scores[j, i] = score
        limits[i, j] = limits[j, i] = threshold(null)
    return scores, limits


def components(coupled: Any) -> tuple[Places, ...]:
    """Return the connected components of a graph, each in order, by their first member."""
    left, found = set(range(len(coupled))), []
    while left:
        group, edge = set(), {min(left)}
        while edge:
            group |= edge
            edge = {j for i in edge for j in np.flatnonzero(coupled[i]).tolist()} - group
        left -= group
        found.append(tuple(sorted(group)))
    return tuple(found)


def _whole(probe: Probe, kind: Kind, columns: Places, table: Any = None) -> Separability:
    """Return the answer that no division holds; the score is the coupling of the column that is coupled least."""
    score = float("inf") if table is None or len(table) < 2 else float(np.min(table.max(axis=0)))
    groups = _named(probe, (columns,))
    points = min(len(probe.rows), N_POINTS)
    return Separability(kind, groups, score, np.zeros(1), "no", points, pairs=table)


def _named(probe: Probe, groups: tuple[Places, ...]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(probe.names[j] for j in group) for group in groups)
