"""From a function to its tree: sums and products of groups of columns, functions of them, columns as leaves.

The hierarchy of groups comes from the directions of gradients (`merging`), the operators from values wherever a
branch is known up to a constant or a factor, and inside a function of a sum from ratios of slopes. Every leaf and
every F stands for some function of one variable.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Literal

import numpy as np

from scikan.core.errors import SettingError
from scikan.core.samples import evenly
from scikan.structure.couplings import crossings
from scikan.structure.directions import Turning, alignment, has_pole, inner_product, turning
from scikan.structure.merging import POOR, Block, holds, merged
from scikan.structure.operators import opinion
from scikan.structure.probe import Probe, Subject, probe_of
from scikan.structure.separability import KINDS, found_groups
from scikan.structure.verdicts import Verdict, margin, threshold


Kind = Literal["column", "sum", "product", "general", "joint"]
Inner = Literal["sum", "product"]
Places = tuple[int, ...]

N_BASES = 24
MUCH_MORE = 3.0
SEEN = 5e-2
"""Largest threshold at which an operator counts as shown; slopes err more than values do."""


@dataclass(frozen=True)
class Tree:
    """A node of a function's tree.

    Args:
        kind: "column", "sum", "product" (plus a constant), "general" for F(sum of the branches), "joint" for a
            function of the branches that is neither.
        branches: the nodes below; none for a column.
        column: the name, of a column.
        inner: of a "general" node: "sum", or "product" where a branch passes through zero and a sum of logarithms
            would have poles; else both say the same.
        score: what contradicts the node's operator, as a share of its branch's spread or slopes.
        threshold: the score that errors explain.
        irrelevant: names of the columns that do not matter; at the root only.
    """

    kind: Kind
    branches: tuple["Tree", ...] = ()
    column: str = ""
    inner: Inner = "sum"
    score: float = 0.0
    threshold: float = 0.0
    irrelevant: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of all columns below, from left to right."""
        return (self.column,) if self.kind == "column" else tuple(c for b in self.branches for c in b.columns)

    @property
    def depth(self) -> int:
        """Number of operators above the deepest column."""
        return 1 + max(b.depth for b in self.branches) if self.branches else 0

    @property
    def verdict(self) -> Verdict:
        """Return "yes" if couplings that matter would have been seen at every operator, and were at a "joint" one."""
        operators = [n for n in self.nodes() if n.branches]
        seen = all(n.score >= n.threshold if n.kind == "joint" else n.threshold <= SEEN for n in operators)
        return "yes" if seen else "not enough evidence"

    def nodes(self) -> Iterator["Tree"]:
        """Yield this node and all below it, branch by branch."""
        yield self
        for branch in self.branches:
            yield from branch.nodes()

    def as_dict(self) -> dict[str, Any]:
        """Return the tree as plain data, for JSON."""
        if self.kind == "column":
            return {"kind": "column", "column": self.column}
        told: dict[str, Any] = {"kind": self.kind, "score": self.score, "threshold": self.threshold}
        if self.kind == "general":
            told["inner"] = self.inner
        if self.irrelevant:
            told["irrelevant"] = list(self.irrelevant)
        return told | {"branches": [b.as_dict() for b in self.branches]}

    def __str__(self) -> str:
        if self.kind == "column":
            return self.column
        product = "product" in (self.kind, self.inner)
        mark = ", " if self.kind == "joint" else " * " if product else " + "
        told = mark.join(f"({b})" if product and b.kind == "sum" else str(b) for b in self.branches)
        return f"F({told})" if self.kind in ("general", "joint") else told


def tree(
    f: Subject,
    x: Any = None,
    *,
    error: float | None = None,
    output: int = 0,
    names: Sequence[str] | None = None,
) -> Tree:
    """Return the tree of a function: which groups of columns enter together, and by which operator.

    KAN 2.0, section 4.3 (tree converter), without its dependence on the order of columns and with thresholds that
    come from the function's own error. A branch that is neither sum, product nor function of a sum is "joint".

    Args:
        f, x, error, output, names: as in `probe_of`: a KAN, a function of (N, columns) arrays, or a `Dataset`.

    Raises:
        ShapeError: too few rows, or f returns no value a row.
        SettingError: f is constant or not finite on the rows, or its error is as large as its spread.

    Example:
        `str(tree(lambda x: (x[:, 0]**2 + x[:, 1]**2)**2 + x[:, 2], x))` is `"F(x1 + x2) + x3"`.
    """
    probe = probe_of(f, x, error=error, output=output, names=names)
    relevant, silent = _relevant(probe)
    if not relevant:
        raise SettingError(
            f"The error of the function, {probe.error:.2g}, hides what every column does (spread {probe.spread:.2g}).",
            fix="measure more rows or fit better.",
        )
    grown = _grown(replace_columns(probe, silent), relevant)
    return replace(grown, irrelevant=tuple(probe.names[j] for j in silent))


def _relevant(probe: Probe) -> tuple[Places, Places]:
    """Return the columns whose exchange changes the values by more than errors do, and the others."""
    columns = [(j,) for j in range(len(probe.names))]
    crossed = crossings(probe, columns, pairs=())
    relevant = []
    for column in columns:
        moved = (crossed.plain - crossed.single[column]) / probe.spread
        score = float(np.sqrt(np.mean(moved[0] ** 2)))
        if score > threshold(np.sqrt(np.mean((moved[1:] - moved[0]) ** 2, axis=1))):
            relevant.append(column[0])
    return tuple(relevant), tuple(j for (j,) in columns if j not in relevant)


def replace_columns(probe: Probe, fixed: Sequence[int], row: int = 0) -> Probe:
    """Return the probe with some columns held at their values in one row."""
    if not len(fixed):
        return probe
    rows = probe.rows.copy()
    rows[:, list(fixed)] = rows[row, list(fixed)]
    spread = float(np.std(probe.value(rows)))
    return replace(probe, rows=rows, spread=max(spread, 1e-300))


def _branch(term: Probe, others: Places) -> Probe:
    """Return a term with all other branches held where it varies most: a product's other factors may vanish."""
    bases = evenly(len(term.rows), N_BASES)
    return max((replace_columns(term, others, int(row)) for row in bases), key=lambda p: p.spread)


def _grown(term: Probe, columns: Places, above: tuple[Kind, Probe, Places] | None = None) -> Tree:
    """Return the tree of a branch whose values are known: sums and products first, which need no derivative.

    `above` is the operator that the branch stands under, its term and the columns of its other branches.
    """
    if len(columns) == 1:
        return Tree("column", column=term.names[columns[0]])
    held = [a for k in KINDS[:2] if (a := found_groups(term, k, columns)).verdict != "no" and a.score < POOR]
    if not held:
        return _node(term, merged(term, columns), ())
    best = max(held, key=lambda a: (len(a.groups), a.margin))
    kind: Kind = "sum" if best.kind == "additive" else "product"
    groups = [term.places(group) for group in best.groups]
    if best.verdict != "yes" and above is not None and above[0] == kind and _apart(above, groups):
        return _node(term, merged(term, columns), ())
    branches = []
    for own in groups:
        others = tuple(j for j in columns if j not in own)
        branches.append(_grown(_branch(term, others), own, (kind, term, others)))
    return _joined(term, kind, branches, best.score, best.threshold)


def _apart(above: tuple[Kind, Probe, Places], groups: Sequence[Places]) -> bool:
    """Return whether branches that would be taken into the operator above them do not belong there."""
    # The division above has found them coupled, so that only weak evidence can call them the same here.
    _, term, others = above
    told = [opinion(term, a, b, others) for a, b in combinations(groups, 2)]
    return any(one is not None and one.kind != "sum" for one in told)


def _joined(probe: Probe, kind: Kind, branches: list[Tree], score: float, limit: float) -> Tree:
    """Return a node whose branches of the same operator have been taken in, in the order of columns."""
    inner = "sum" if kind == "general" else kind
    flat: list[Tree] = []
    for branch in branches:
        flat += branch.branches if branch.kind == inner and kind != "joint" else [branch]
    flat.sort(key=lambda b: probe.names.index(b.columns[0]))
    inner_kind: Inner = "product" if kind == "general" and _poles(probe, flat) else "sum"
    return Tree(kind, tuple(flat), inner=inner_kind, score=score, threshold=limit)


def _poles(probe: Probe, branches: list[Tree]) -> bool:
    """Return whether one of the terms in a function of a sum is the logarithm of something that changes its sign."""
    if any(branch.kind == "product" for branch in branches):
        return False
    places = [probe.places(branch.columns) for branch in branches]
    return any(has_pole(probe, own, places[n - 1]) for n, own in enumerate(places))


def _node(probe: Probe, block: Block, reference: Places, held: Places = ()) -> Tree:
    """Return the tree of a branch known beside a reference: f = F(branch + reference), or by level sets only.

    `held` are the columns of other factors of the product that the branch is in.
    """
    if not block.parts:
        return Tree("column", column=probe.names[block.columns[0]])
    kind, score, limit = _operator(probe, block, reference, held)
    branches = []
    for part in block.parts:
        others = tuple(j for j in block.columns if j not in part.columns)
        if kind in ("sum", "product"):
            branches.append(_node(probe, part, reference, held + others if kind == "product" else held))
        else:
            branches.append(_node(probe, part, others if kind == "general" else ()))
    return _joined(probe, kind, branches, score, limit)


def _operator(probe: Probe, block: Block, reference: Places, held: Places) -> tuple[Kind, float, float]:
    """Return (kind, score, threshold) of the operator over a block's parts."""
    if len(block.parts) != 2:
        pairs = [turning(probe, x.columns + y.columns) for x, y in combinations(block.parts, 2)]
        nearest = max(pairs, key=lambda t: margin(t.score, t.null))
        return "joint", nearest.score, threshold(nearest.null)
    a, b = (part.columns for part in block.parts)
    told = opinion(probe, a, b, reference)
    if told is not None:
        return told.kind, told.score, told.threshold
    general = alignment(probe, a, b, held)
    found: Turning = general
    kind: Kind = "general" if holds(general) else "joint"
    if reference:
        beside = [general, alignment(probe, a, reference, held), alignment(probe, b, reference, held)]
        added = min(beside, key=lambda t: margin(t.score, t.null))
        multiplied = inner_product(probe, a, b, reference)
        # The slopes of a sum are those of a product too, so a product must explain much more than the sum does.
        if holds(added) or (holds(multiplied) and added.score < MUCH_MORE * multiplied.score):
            kind, found = "sum", added
        elif holds(multiplied):
            kind, found = "product", multiplied
    return kind, found.score, threshold(found.null)
