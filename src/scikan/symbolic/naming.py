"""Name the edges of a network in context: a name stays only if the whole net, refitted, is as good as before.

An edge's curve ranks the candidates (`fitting`); one is set, all constants and remaining splines are refitted
together, and the judging rows decide. A beam keeps the two best partly named nets. Where no single function
fits an edge, two do: a chain, a sum or a product of functions (`composites`).
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from scikan.core.dataset import Dataset
from scikan.core.functions import LIBRARY, Library
from scikan.core.kan import KAN, EdgeAddress
from scikan.core.trees import updated
from scikan.edit.growth import Name, name_edge, split_edge
from scikan.edit.surgery import compact
from scikan.symbolic.composites import fit_composites
from scikan.symbolic.fitting import fit_curves
from scikan.symbolic.suggest import edge_curve
from scikan.train.elimination import NOISY, JudgedRows, judged_loss, squared_errors
from scikan.train.small import fit_small


FLOOR = 4e-9
"""Mean square error (targets of unit variance) below which spline nets are not told apart."""

MOST_CANDIDATES = 8
BEAM = 2


@dataclass(frozen=True)
class Candidate:
    """A way to write one edge: a name, or two names in a form; with its misfit 1 - R^2 to the curve."""

    names: tuple[Name, ...]
    form: str
    misfit: float
    complexity: int
    score: float

    def put(self, model: KAN, address: EdgeAddress) -> KAN:
        """Return the model with this candidate on the edge."""
        if self.form == "single":
            return name_edge(model, address, self.names[0])
        return compact(split_edge(model, address, self.form, *self.names), drop_inputs=False)


@dataclass(frozen=True)
class NamedNet:
    """A net on the way to being named: its judged loss, and the complexity of the names so far."""

    model: KAN
    loss: float
    complexity: int = 0
    splines: tuple[EdgeAddress, ...] = field(default=())

    @property
    def is_named(self) -> bool:
        """Whether no spline edge is left."""
        return not self.splines


@dataclass(frozen=True)
class NamedEdge:
    """An edge after `auto_symbolic`: its name ("" where none held), constants, and R^2 of the best candidate."""

    address: EdgeAddress
    name: str
    affine: tuple[float, float, float, float]
    r2: float


def auto_symbolic(
    model: KAN, data: Dataset, *, library: Library = LIBRARY, key: int = 0
) -> tuple[KAN, tuple[NamedEdge, ...]]:
    """Return the model with its spline edges named as far as held-out rows allow, and what became of each edge.

    Names are set one at a time, the most certain first; after each, all constants and remaining splines are
    refitted together, and a fifth of the training rows judges. An edge that one function cannot describe may
    become two, with a node between. Edges that no name fits stay splines.

    Args:
        data: rows to fit and judge by (its training rows are split; its test rows are not read).
        key: seed of that split.
    """
    model = compact(model, drop_inputs=False)
    inputs, targets = (
        np.asarray(model.features(data.train_x)),
        np.asarray(model.readout.inverse()(data.train_y)),
    )
    spread = float(np.sqrt(np.mean(targets.var(axis=0)))) or 1.0
    rows = JudgedRows.split(inputs, targets / spread, 0.2, np.random.default_rng(key))
    with threadpool_limits(limits=1, user_api="blas"):
        nets = name_network(_rescaled(model, 1.0 / spread), rows, library)
        best = min(nets, key=lambda net: len(net.splines))
        named = _rescaled(to_rounding(best, rows).model, spread)
    return named, tuple(_told(named, at, inputs, library) for at in named.edges())


def _rescaled(model: KAN, factor: float) -> KAN:
    """Return the model with its network's outputs multiplied."""
    where = lambda m: (m.layers[-1].nodes.scale, m.layers[-1].nodes.bias)
    nodes = model.layers[-1].nodes
    return updated(where, model, (nodes.scale * factor, nodes.bias * factor))


def _told(model: KAN, address: EdgeAddress, inputs: Any, library: Library) -> NamedEdge:
    edge = model[address]
    if edge.kind == "symbolic":
        return NamedEdge(address, edge.name, edge.constants, 1.0)
    x, y = edge_curve(model, address, inputs)
    misfit = fit_curves(x[None], y[None], library.candidates()).misfit[0].min()
    return NamedEdge(address, "", edge.constants, 1.0 - float(misfit))


def to_rounding(net: NamedNet, rows: JudgedRows) -> NamedNet:
    """Fit a named net's constants on all rows until nothing moves; its loss is then the worse of fit and judge."""
    fitted = fit_small(net.model, rows.all_x, rows.all_y, steps=60, bend=0.0, regrid=())
    loss = max(judged_loss(fitted.model, rows), fitted.loss)
    return NamedNet(fitted.model, loss, net.complexity, net.splines)


def spline_edges(model: KAN) -> tuple[EdgeAddress, ...]:
    """Return the addresses of all live spline edges."""
    return tuple(at for at in model.edges() if model[at].kind in ("spline", "both"))


def rank_names(x: Any, y: Any, loss: float, library: Library = LIBRARY) -> list[Candidate]:
    """Return single-name candidates for one curve, best first.

    `loss` is the network's own mean square error: names are not told apart below ten times it.
    """
    functions = library.candidates()
    fits = fit_curves(x[None], y[None], functions)
    floor = max(1e-12, 10.0 * loss)
    extent = max(float(np.ptp(y)), 1e-300)
    found = []
    for n, function in enumerate(functions):
        misfit, affine = float(fits.misfit[0, n]), fits.affine[0, n]
        with np.errstate(all="ignore"):
            part = affine[2] * function.value(np, affine[0] * x + affine[1])
        # The limit of a long name may be a short one (a wide gaussian is a parabola): huge terms that cancel.
        degenerate = (
            not np.all(np.isfinite(part)) or np.ptp(part) > 300 * extent or np.abs(part).max() > 3e3 * extent
        )
        if misfit < 0.5 and not degenerate:
            a, b, c, d = (float(v) for v in affine)
            score = float(np.log10(max(misfit, floor))) + 0.7 * (function.complexity - 1)
            found.append(
                Candidate((Name(function, (a, b, c, d)),), "single", misfit, function.complexity, score)
            )
    found.sort(key=lambda c: c.score)
    if not any(c.misfit <= 30 * floor for c in found):
        plain = sorted(
            (c for c in found if c.complexity <= 2 and c.misfit < 0.05),
            key=lambda c: (c.complexity, c.misfit),
        )
        found = plain + [c for c in found if c not in plain]
    return _without_longer(found, floor)


def _without_longer(found: list[Candidate], floor: float) -> list[Candidate]:
    """Drop names that are longer than one that already reaches the floor."""
    enough = min((c.complexity for c in found if c.misfit <= floor), default=99)
    return [c for c in found if c.complexity <= enough][:MOST_CANDIDATES]


def name_network(
    model: KAN, rows: JudgedRows, library: Library = LIBRARY, two_names: bool = True
) -> list[NamedNet]:
    """Return nets with as many edges named as the judging rows allow, best first.

    Fully named nets come first; among them, and among the rest, shorter and better ones.
    """
    start = NamedNet(model, judged_loss(model, rows), 0, spline_edges(model))
    reference = start.loss
    budget = 10 + 8 * len(start.splines)
    states, done = [start], []
    while states and budget > 0:
        children: list[NamedNet] = []
        for state in states:
            if state.is_named:
                done.append(state)
                continue
            found, used = _name_one(state, reference, rows, library, two_names, budget)
            budget -= used
            children += found or []
            if not found:
                done.append(state)
        states = sorted(children, key=lambda s: _length(s, reference, len(rows.judge_x)))[:BEAM]
    done += states
    return sorted(done, key=lambda s: (not s.is_named, _length(s, reference, len(rows.judge_x))))


def _length(state: NamedNet, reference: float, n_rows: int) -> float:
    """Return the description length in bits; below the floor only complexity counts."""
    level = max(2.0 * reference, FLOOR) if reference < NOISY else reference
    return 0.5 * n_rows * max(0.0, float(np.log2(max(state.loss, 1e-300) / level))) + 8.0 * state.complexity


def _name_one(
    state: NamedNet, reference: float, rows: JudgedRows, library: Library, two_names: bool, budget: int
) -> tuple[list[NamedNet], int]:
    """Name the first edge of a net that accepts a name; return its children and the refits used."""
    curves = {at: edge_curve(state.model, at, rows.fit_x) for at in state.splines}
    ranked = {at: rank_names(x, y, state.loss, library) for at, (x, y) in curves.items()}
    order = sorted((at for at in ranked if ranked[at]), key=lambda at: _certainty(ranked[at]))
    used = 0
    for at in order:
        children, spent = _accepted(state, at, ranked[at], reference, rows, budget - used)
        used += spent
        if children or used >= budget:
            return children, used
    if two_names and len(state.splines) <= 3:
        for at in state.splines:
            x, y = curves[at]
            options = [
                Candidate(c.names, c.form, c.misfit, c.complexity, float(np.log10(max(c.misfit, 1e-14))))
                for c in fit_composites(x, y, max(1e-12, 10.0 * state.loss))
            ]
            children, spent = _accepted(state, at, options[:MOST_CANDIDATES], reference, rows, budget - used)
            used += spent
            if children or used >= budget:
                return children, used
    return [], used


def _certainty(candidates: list[Candidate]) -> float:
    return candidates[0].score


def _accepted(
    state: NamedNet,
    at: EdgeAddress,
    candidates: list[Candidate],
    reference: float,
    rows: JudgedRows,
    budget: int,
) -> tuple[list[NamedNet], int]:
    """Try candidates on one edge; return up to BEAM nets that the judging rows accept, and the refits used."""
    children: list[NamedNet] = []
    before = squared_errors(state.model, rows)
    used = 0
    for candidate in candidates:
        if used >= budget or len(children) >= BEAM:
            break
        used += 1
        child = _refitted(candidate.put(state.model, at), rows, reference)
        loss = judged_loss(child, rows)
        if _holds(child, loss, before, reference, rows):
            children.append(
                NamedNet(child, loss, state.complexity + candidate.complexity, spline_edges(child))
            )
    return children, used


def _refitted(model: KAN, rows: JudgedRows, reference: float) -> KAN:
    fitted = fit_small(model, rows.fit_x, rows.fit_y, steps=12)
    if fitted.loss < 1000.0 * max(reference, FLOOR) and fitted.steps == 12:
        fitted = fit_small(fitted.model, rows.fit_x, rows.fit_y, steps=20, damping=fitted.damping)
    return fitted.model


def _holds(child: KAN, loss: float, before: Any, reference: float, rows: JudgedRows) -> bool:
    if not np.isfinite(loss):
        return False
    if reference < NOISY:
        return loss <= max(4.0 * float(np.mean(before)), FLOOR) and loss <= max(6.0 * reference, FLOOR)
    difference = squared_errors(child, rows) - before
    return bool(np.mean(difference) <= 2.5 * float(np.std(difference)) / np.sqrt(len(difference)))
