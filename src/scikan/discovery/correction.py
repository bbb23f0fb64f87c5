"""A theory that is known, and what the data add to it: the difference as a formula, or the answer that none is needed.

The theory is compiled into a network and locked; the correction is looked for in what it leaves over, with the same
search and the same tests on unseen rows as any law; both stand side by side in one network. Where no complete form is
found there, the table itself is searched: a theory whose form is wrong leaves more terms over than the truth has.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from scikan.core.dataset import Dataset
from scikan.core.errors import SettingError, ShapeError
from scikan.core.expr import Expr, evaluate, symbols
from scikan.core.kan import KAN
from scikan.core.layer import new_layer
from scikan.core.parser import parse
from scikan.core.trees import updated
from scikan.discovery.discover import Config, Discovery, discover
from scikan.discovery.judging import Verdict
from scikan.edit.expansion import expand_depth, lock
from scikan.edit.growth import IDENTITY, set_names
from scikan.law.record import Law
from scikan.law.simplify import simplify
from scikan.symbolic.formula import formula
from scikan.symbolic.kanpiler import kanpiler


EXACT = 1e-9
"""What a theory leaves over, as a share of the target's spread, that is no more than rounding."""


@dataclass(frozen=True, eq=False)
class Correction:
    """What the data add to a theory.

    Args:
        verdict: "law" or "approximation" for the correction, "none" if the data ask for none.
        reason: why, in a sentence.
        correction: the difference as a law; None with verdict "none".
        law: theory and correction together; the theory alone with verdict "none".
        model: the network of both, the theory's edges locked.
        before, after: root mean square of what the theory, and what both, leave over on rows that the search did
            not see, in the target's units.
        origin: where the correction was found: "residual", or "target" if it is the table's own law less the theory.
        discovery: the whole search that found it, with its evidence; None if the theory leaves nothing over.
    """

    verdict: Verdict
    reason: str
    correction: Law | None
    law: Law
    model: KAN
    before: float
    after: float
    origin: Literal["residual", "target"]
    discovery: Discovery | None

    def __str__(self) -> str:
        if self.correction is None:
            return f"no correction: {self.reason}"
        errors = f"error {self.before:.3g} before, {self.after:.3g} after"
        return f"{self.verdict}: add {self.correction.expression} ({errors})"


def correct(
    theory: str | Expr | KAN,
    data: Dataset,
    config: Config = Config(),
    report: Callable[[str], None] = lambda line: None,
) -> Correction:
    """Return what must be added to a theory to describe a table, and the evidence for it.

    The theory's own constants stay as they are (`kn.fit_parameters` fits those).

    Args:
        theory: a formula of the target in the table's columns, or a network that has one (all its edges named).
        data: a table with one target; all its rows are used.
        config, report: as in `discover`.

    Raises:
        FormulaError: the theory is no formula in these columns.
        NotSymbolicError: the theory is a network with splines left.
        ShapeError: the theory is not finite on some rows.
        SettingError: several targets, or fewer rows than a discovery needs.

    Example:
        `correct("x**2", data)` finds `0.1*sin(3*x)` in data of x**2 + 0.1 sin(3 x).
    """
    tree = _tree(theory, data)
    columns = {name: data.x[:, j] for j, name in enumerate(data.names)}
    with np.errstate(all="ignore"):
        told = np.broadcast_to(evaluate(tree, columns), data.n_rows).astype(float)
    if not np.all(np.isfinite(told)):
        raise ShapeError(
            f"The theory is not finite on {int(np.sum(~np.isfinite(told)))} of {data.n_rows} rows.",
            fix="leave those rows out, or correct the theory's domain.",
        )
    left = data.y[:, 0] - told
    before, spread = float(np.sqrt(np.mean(left**2))), float(np.std(data.y[:, 0]))
    if before <= EXACT * spread or np.ptp(left) <= EXACT * spread:
        offset = "" if before <= EXACT * spread else f", up to the constant {left.mean():.6g}"
        return _unchanged(tree, data, before, f"the theory describes the rows to rounding{offset}.", None)
    found = discover(replace(data, y=left[:, None]), config, report)
    if found.law is None:
        return _unchanged(tree, data, before, found.reason, found)
    unseen = float(np.sqrt(np.mean(found.truth**2)))
    if found.verdict != "law":
        report("the residual's form is not complete: search of the table itself")
        whole = discover(data, config, report)
        if whole.verdict == "law" and whole.law is not None:
            added = simplify(whole.law.expression - tree)
            return _corrected(tree, added, whole.law.expression, data, whole, unseen, "target")
    added = found.law.expression
    return _corrected(tree, added, simplify(tree + added), data, found, unseen, "residual")


def _tree(theory: str | Expr | KAN, data: Dataset) -> Expr:
    if data.n_outputs != 1:
        raise SettingError(f"The table has {data.n_outputs} targets.", fix="correct one at a time.")
    if isinstance(theory, str):
        return parse(theory, names=list(data.names))
    tree = formula(theory).expression if isinstance(theory, KAN) else theory
    return parse(str(tree), names=list(data.names)) if set(symbols(tree)) - set(data.names) else tree


def _corrected(
    tree: Expr,
    added: Expr,
    both: Expr,
    data: Dataset,
    found: Discovery,
    before: float,
    origin: Literal["residual", "target"],
) -> Correction:
    return Correction(
        found.verdict,
        found.reason,
        Law((added,), data.targets, data.names, data.units, _ranges(data)),
        Law((both,), data.targets, data.names, data.units, _ranges(data)),
        _side_by_side(tree, added, data),
        before,
        found.scores["law"].rmse,
        origin,
        found,
    )


def _unchanged(tree: Expr, data: Dataset, before: float, reason: str, found: Discovery | None) -> Correction:
    law = Law((tree,), data.targets, data.names, data.units, _ranges(data))
    model = lock(kanpiler(tree, data.names, domain=_ranges(data), targets=data.targets))
    return Correction("none", reason, None, law, model, before, before, "residual", found)


def _ranges(data: Dataset) -> np.ndarray:
    return np.stack([data.x.min(axis=0), data.x.max(axis=0)], axis=1)


def _side_by_side(theory: Expr, added: Expr, data: Dataset) -> KAN:
    """Return one network with the theory's edges locked: two outputs, added by a last layer."""
    both = kanpiler([theory, added], data.names, domain=_ranges(data))
    layers, needed = list(both.layers), np.array([True, False])
    for l in reversed(range(len(layers))):
        owner = layers[l].nodes.owner()
        locked = layers[l].live() & needed[owner][None, :]
        layers[l] = updated(lambda m: m.locked, layers[l], locked)
        needed = locked.any(axis=1)
    deeper = expand_depth(updated(lambda m: m.layers, both, tuple(layers)))
    last = deeper.layers[-1]
    total = new_layer(np.asarray(last.splines.knots), 1, (), last.splines.k)
    total = updated(lambda m: m.splines.mask, total, np.zeros_like(total.splines.mask))
    total = set_names(total, {(0, 0): IDENTITY, (1, 0): IDENTITY})
    total = updated(lambda m: m.locked, total, np.array([[True], [False]]))
    joined: KAN = updated(lambda m: m.layers, deeper, (*deeper.layers[:-1], total))
    return joined.with_names(data.names, data.targets)
