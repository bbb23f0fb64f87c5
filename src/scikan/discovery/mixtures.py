r"""Two inner constants: damped waves with a phase, and sums of two one-constant functions.

A wave $e^{r v} \sin(w v + b)$ is linear in two coefficients once r and w are given, so a grid of (r, w) screens
all phases at once. Sums of two functions are screened like pairs of features, on the grids of their families;
of every kind of pair the best place on the grids is kept, because an inner constant that is a little off scores
worse than many wrong approximants until it is refitted.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from scikan.core.expr import Constant, Expr, add, call, multiply
from scikan.discovery.affine import Feature, Screen
from scikan.discovery.families import FAMILIES
from scikan.discovery.targets import NODE_BITS, Target


N_WAVES, N_MIXTURES, N_SIMPLE, N_ROUGH = 10, 60, 40, 40
N_WAVE_TARGETS, N_MIXTURE_TARGETS = 8, 4
N_PLAIN = 60
_RATES = (0.0, -0.3, -1.0, -2.0, -4.0, -8.0, 1.0, 3.0)
_FREQUENCIES = np.arange(0.6, 40.0, 1.3)


def wave_laws(screen: Screen, targets: list[Target]) -> Iterator[Expr]:
    """Yield laws in which a target is $d + c\\, e^{r v} \\sin(w v + b)$ for a column v; all want a refit."""
    found: list[Any] = []
    for target in targets[:N_WAVE_TARGETS]:
        for j in range(screen.level.columns.shape[1]):
            v = screen.library.values[j]
            for score, rate, frequency, weights in _waves(screen, target, v):
                found.append((score, len(found), target, j, rate, frequency, weights))
    for _, _, target, j, rate, frequency, (d, cosine, sine) in sorted(found, key=lambda f: f[:2])[:N_WAVES]:
        v_expr = screen.level.expressions[j]
        size = float(np.hypot(cosine, sine))
        other = None if target.other < 0 else screen.library.expression(target.other)
        # The same wave twice: its phase may be a simple number in one way of writing and not in the other.
        for name, phase in (("sin", np.arctan2(cosine, sine)), ("cos", -np.arctan2(sine, cosine))):
            wave = call(name, add([multiply([Constant(frequency), v_expr]), Constant(float(phase))]))
            factors: list[Expr] = [Constant(size), wave]
            if rate:
                factors.insert(1, call("exp", multiply([Constant(rate), v_expr])))
            yield screen.of_y(target.formula(multiply(factors), other))
            yield screen.of_y(target.formula(add([multiply(factors), Constant(float(d))]), other))


def _waves(screen: Screen, target: Target, v: Any) -> Iterator[tuple[float, float, float, Any]]:
    """Yield (score, rate, frequency, weights) of the best waves over one column."""
    extent, middle = float(np.ptp(v)), float(np.mean(v))
    best = []
    for rate in _RATES:
        envelope = np.exp(rate * (v - middle) / extent)
        for frequency in _FREQUENCIES:
            angle = frequency * v / extent
            parts = np.column_stack([np.ones(len(v)), envelope * np.cos(angle), envelope * np.sin(angle)])
            part = parts * target.weight[:, None]
            weights = np.linalg.lstsq(part, target.values * target.weight, rcond=1e-10)[0]
            left = float(np.mean((target.values * target.weight - part @ weights) ** 2))
            score = 0.5 * len(v) * np.log2(max(left / screen.total, 1e-13)) + NODE_BITS * (target.nodes + 8)
            weights[1:] *= np.exp(-rate * middle / extent)
            best.append((float(score), rate / extent, float(frequency / extent), weights))
    yield from sorted(best, key=lambda b: b[0])[:N_WAVES]


@dataclass(frozen=True)
class _Part:
    """One summand: its feature on the screening rows, its kind, its size, and how to make it on all rows.

    The kind is a family on a column with a constant of one sign: from growth no refit finds the way to decay.
    """

    values: Any
    kind: tuple[str, int]
    nodes: int
    constant: float

    @property
    def group(self) -> tuple[str, int, bool]:
        return (*self.kind, self.constant > 0)


def mixture_laws(screen: Screen, targets: list[Target]) -> Iterator[Expr]:
    """Yield laws in which one of the first targets is a sum of two functions, each with a constant inside or none."""
    parts = list(_parts(screen))
    if len(parts) < 2:
        return
    values = np.stack([part.values for part in parts])
    nodes = np.array([part.nodes for part in parts])
    for target in targets[:N_MIXTURE_TARGETS]:
        weight = target.weight / np.sqrt(np.sum(target.weight**2))
        score = _pair_scores(values, nodes, target.values, weight)
        best: dict[Any, tuple[float, int, int]] = {}
        order = np.argsort(score, axis=None)
        for a, b in zip(*np.unravel_index(order[: 400 * len(parts)], score.shape), strict=True):
            if a < b and np.isfinite(score[a, b]):
                best.setdefault((parts[a].group, parts[b].group), (float(score[a, b]), int(a), int(b)))
        ranked = sorted(best.values())
        simple = sorted(ranked, key=lambda found: int(nodes[found[1]] + nodes[found[2]]))
        # Two constants that are both a little off score worse than anything without them.
        rough = [found for found in ranked if parts[found[1]].constant and parts[found[2]].constant]
        for _, a, b in dict.fromkeys([*ranked[:N_MIXTURES], *simple[:N_SIMPLE], *rough[:N_ROUGH]]):
            features = [_feature(screen, parts[a]), _feature(screen, parts[b])]
            yield from screen.formulas(target, features)


def _parts(screen: Screen) -> Iterator[_Part]:
    """Yield the simplest library features, and every family on the bare columns."""
    library = screen.library
    for place in screen.places[:N_PLAIN]:
        yield _Part(library.values[place], ("library", int(place)), int(library.nodes[place]), 0.0)
    with np.errstate(all="ignore"):
        for j in range(screen.level.columns.shape[1]):
            v = library.values[j]
            for family in FAMILIES:
                for c in family.grid(v):
                    row = family.value(v, float(c))
                    if np.all(np.isfinite(row)) and np.std(row) > 1e-6 * np.abs(row).max() > 0:
                        yield _Part(row, (family.name, j), 4, float(c))


def _feature(screen: Screen, part: _Part) -> Feature:
    name, place = part.kind
    if name == "library":
        return screen.feature(place)
    family = next(f for f in FAMILIES if f.name == name)
    with np.errstate(all="ignore"):
        values = family.value(screen.level.columns[:, place], part.constant)
    return Feature(family.tree(screen.level.expressions[place], Constant(part.constant)), values)


def _pair_scores(values: Any, nodes: Any, target: Any, weight: Any) -> Any:
    """Return bits of all pairs of features, `(features, features)`, with an offset always."""
    rows = values * weight
    rows = rows - np.outer(rows @ weight, weight)
    rows /= np.maximum(np.sqrt(np.einsum("ij,ij->i", rows, rows)), 1e-300)[:, None]
    u = target * weight
    u = u - (u @ weight) * weight
    u /= max(float(np.sqrt(u @ u)), 1e-300)
    gram, r = rows @ rows.T, rows @ u
    rest = 1.0 - gram**2
    with np.errstate(all="ignore"):
        share = (r[:, None] ** 2 + r**2 - 2.0 * np.outer(r, r) * gram) / rest
    score = 0.5 * len(u) * np.log2(np.maximum(1.0 - share, 1e-13)) + NODE_BITS * np.add.outer(nodes, nodes)
    score[rest < 1e-8] = np.inf
    return score
