"""Where the parts of a diagram stand: in rows from inputs to outputs, apart, few lines crossing.

Nodes of a row are spread evenly. A box wants to stand midway between its source and its target; the nearest
places that keep all boxes apart are an isotonic regression. Where a row of boxes would be wider than a page,
labels are shortened, then boxes shrink, then they stand in several staggered rows. Lengths are inches.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import isotonic_regression

from scikan.core.kan import KAN, EdgeAddress


PAGE = 7.5
SLACK = 1.2
BOX = 0.42
GAP = 0.16
LETTER = 0.066
NAME_LETTER = 0.092
FACTOR = 0.36
LEAST_WIDTH = 2.2
IDENTITY = 0.12

Point = tuple[float, float]


@dataclass(frozen=True)
class Mark:
    """What has to be placed for one edge: its labels from long to short, and whether it is a mere line."""

    address: EdgeAddress
    labels: tuple[str, ...]
    plain: bool


@dataclass(frozen=True)
class Place:
    """Where an edge stands: middle and side of its box (0 for a mere line), the label chosen, its two ends.

    `half` is how far it runs upright below and above its middle: half a box, 0 for a line that is straight.
    """

    middle: Point
    size: float
    half: float
    label: str
    start: Point
    end: Point


@dataclass(frozen=True)
class Joint:
    """A sum or product sign of a node, `layer` as in node layers, and where its value goes."""

    kind: str
    layer: int
    node: int
    at: Point
    to: Point


@dataclass(frozen=True)
class Layout:
    """All places: nodes by (node layer, node), edges by address."""

    width: float
    height: float
    nodes: dict[tuple[int, int], Point]
    edges: dict[EdgeAddress, Place]
    joints: tuple[Joint, ...]


@dataclass(frozen=True)
class _Row:
    """How the boxes of one layer are drawn: side, number of staggered rows, which of the labels."""

    size: float
    rows: int
    detail: int


def arrange(model: KAN, marks: Sequence[Mark], least_width: float = LEAST_WIDTH) -> Layout:
    """Return the places of all nodes and edges of a model.

    Args:
        marks: the edges to be placed.
        least_width: what the names of inputs and outputs need.
    """
    by_layer = [[m for m in marks if m.address[0] == l] for l in range(len(model.layers))]
    rows = [_row(layer) for layer in by_layer]
    needed = [min(PAGE, SLACK * _extent(layer, row)) for layer, row in zip(by_layer, rows, strict=True)]
    width = max(least_width, LEAST_WIDTH, *needed)
    across = _across(model, by_layer, width)
    nodes = {(0, i): (x, 0.0) for i, x in across[0].items()}
    edges: dict[EdgeAddress, Place] = {}
    joints: list[Joint] = []
    height = 0.0
    for l, (layer, row) in enumerate(zip(by_layer, rows, strict=True)):
        shelf = _Shelf(model, l, layer, row, across[l], across[l + 1], width, height)
        edges.update(shelf.places())
        joints.extend(shelf.joints())
        height = shelf.top
        nodes.update({(l + 1, n): (x, height) for n, x in across[l + 1].items()})
    return Layout(width, height, nodes, edges, tuple(joints))


def _row(marks: Sequence[Mark]) -> _Row:
    """Return the first way of drawing that fits on the page, the most generous tried first."""
    details = max((len(m.labels) for m in marks), default=0)
    ways = [_Row(size, 1, detail) for detail in range(details + 1) for size in (BOX, 0.36)]
    ways += [
        _Row(size, rows, details) for size, rows in ((0.36, 2), (0.28, 2), (0.26, 3), (0.23, 4), (0.2, 5))
    ]
    for way in ways:
        if _extent(marks, way) <= PAGE:
            return way
    last = _Row(ways[-1].size, 8, details)
    return _Row(last.size * min(1.0, PAGE / _extent(marks, last)), 8, details)


def _extent(marks: Sequence[Mark], row: _Row) -> float:
    return sum(sum(_sides(mark, row)) for mark in marks) / row.rows + row.size * (1 - 1 / row.rows)


def _sides(mark: Mark, row: _Row) -> tuple[float, float]:
    """Return how far an edge reaches to the left and to the right of its middle."""
    label = _label(mark, row)
    half = min(IDENTITY if mark.plain else BOX + GAP, row.size * (1 + GAP / BOX)) / 2
    return half, half + (len(label) * LETTER + 0.06 if label else 0.0)


def _label(mark: Mark, row: _Row) -> str:
    return mark.labels[row.detail] if row.detail < len(mark.labels) else ""


def _across(model: KAN, by_layer: Sequence[Sequence[Mark]], width: float) -> list[dict[int, float]]:
    """Return where each node stands from left to right; hidden nodes in the order of what they read."""
    order = list(range(model.layers[0].n_inputs))
    found = [_spread(order, width)]
    for l, marks in enumerate(by_layer):
        owner = model.layers[l].nodes.owner()
        sources: dict[int, list[float]] = {n: [] for n in range(model.layers[l].nodes.n_nodes)}
        for mark in marks:
            sources[int(owner[mark.address[2]])].append(found[-1].get(mark.address[1], width / 2))
        if l + 1 < len(by_layer):
            read = {mark.address[1] for mark in by_layer[l + 1]}
            kept = [n for n, xs in sources.items() if xs or n in read]
            order = sorted(kept, key=lambda n: (float(np.mean(sources[n] or [width / 2])), n))
        else:
            order = list(sources)
        found.append(_spread(order, width))
    return found


def _spread(order: Sequence[int], width: float) -> dict[int, float]:
    return {n: (place + 0.5) / len(order) * width for place, n in enumerate(order)}


class _Shelf:
    """One layer: boxes above the nodes below, then the signs of sums and products, then the nodes above."""

    def __init__(
        self, model: KAN, l: int, marks: Sequence[Mark], row: _Row,
        below: dict[int, float], above: dict[int, float], width: float, floor: float,
    ) -> None:  # fmt: skip
        self.layer, self.l, self.row = model.layers[l].nodes, l, row
        self.below, self.above, self.width, self.floor = below, above, width, floor
        self.counts = np.bincount([m.address[2] for m in marks], minlength=self.layer.n_subs)
        self.owner = self.layer.owner()
        self.members = [self.layer.members(node) for node in range(self.layer.n_nodes)]
        sources: list[list[float]] = [[] for _ in range(self.layer.n_subs)]
        for mark in marks:
            sources[mark.address[2]].append(below[mark.address[1]])
        self.sources = [float(np.mean(xs)) if xs else 0.0 for xs in sources]
        self.columns = [self._column(sub) for sub in range(self.layer.n_subs)]
        self.marks = _ordered(
            marks, [below[m.address[1]] for m in marks], [self.columns[m.address[2]] for m in marks]
        )
        middles = self._middles()
        reach = [abs(x - below[m.address[1]]) for m, x in zip(self.marks, middles, strict=True)]
        ahead = [abs(x - self.columns[m.address[2]]) for m, x in zip(self.marks, middles, strict=True)]
        self.middles = middles
        self.deck = floor + _rise(reach) + row.size / 2
        tall = (row.rows - 1) * 1.25 * row.size
        self.factors = self.deck + tall + row.size / 2 + _rise(ahead)
        deep = any(self._sign_of_factor(s) for s in range(self.layer.n_subs))
        self.signs = self.factors + (0.42 if deep else 0.0)
        signed = any(self._sign(n) for n in above)
        self.top = self.signs + (0.32 if signed else 0.0)

    def _sign(self, node: int) -> str:
        if node >= self.layer.n_sum:
            return "product"
        return "sum" if self.counts[node] > 1 else ""

    def _sign_of_factor(self, sub: int) -> bool:
        return bool(sub >= self.layer.n_sum and self.counts[sub] > 1)

    def _column(self, sub: int) -> float:
        """Return where a subnode stands from left to right."""
        node = int(self.owner[sub])
        members: list[int] = []
        # Beside the sign of one factor the lines of the others must not end behind it.
        if any(self._sign_of_factor(s) for s in self.members[node]):
            members = [s for s in self.members[node] if self.counts[s]]
            members.sort(key=lambda s: (self.sources[s], s))
        offset = FACTOR * (members.index(sub) - (len(members) - 1) / 2) if sub in members else 0.0
        # Nodes that are left out have no place, and no edge asks for it.
        return self.above.get(node, 0.0) + offset

    def _end(self, sub: int) -> Point:
        node = int(self.owner[sub])
        if self._sign_of_factor(sub):
            return self.columns[sub], self.factors
        return self.above[node], self.signs if self._sign(node) else self.top

    def _middles(self) -> list[float]:
        if not self.marks:
            return []
        wanted = [(self.below[m.address[1]] + self.columns[m.address[2]]) / 2 for m in self.marks]
        sides = np.array([_sides(m, self.row) for m in self.marks]) / self.row.rows
        apart = np.concatenate([[0.0], np.cumsum(sides[:-1, 1] + sides[1:, 0])])
        free = isotonic_regression(np.asarray(wanted) - apart).x
        # The ends stay on the page; boxes that stand in several rows reach half a box further.
        low, high = self.row.size / 2, self.width - apart[-1] - max(sides[-1, 1], self.row.size / 2)
        return [float(x) for x in np.clip(free, low, max(low, high)) + apart]

    def places(self) -> dict[EdgeAddress, Place]:
        """Return the places of this layer's edges."""
        found: dict[EdgeAddress, Place] = {}
        places = list(zip(self.marks, self.middles, range(len(self.marks)), strict=True))
        for mark, x, place in sorted(places, key=lambda item: item[0].plain):
            _, i, j = mark.address
            y = self.deck + (place % self.row.rows) * 1.25 * self.row.size
            start, end = (self.below[i], self.floor), self._end(j)
            if mark.plain and (straight := self._straight(mark, start, end, list(found.values()))):
                found[mark.address] = straight
                continue
            size = 0.0 if mark.plain else self.row.size
            found[mark.address] = Place((x, y), size, self.row.size / 2, _label(mark, self.row), start, end)
        return found

    def _straight(self, mark: Mark, start: Point, end: Point, others: Sequence[Place]) -> Place | None:
        """Return a mere line that goes straight, if no box and no label stand in its way."""
        label = _label(mark, self.row)
        slope = (end[0] - start[0]) / (end[1] - start[1])
        for other in others:
            left, right = other.middle[0] - other.size / 2 - 0.05, other.middle[0] + other.size / 2 + 0.05
            right += len(other.label) * LETTER
            heights = [other.middle[1] + sign * max(other.half, 0.1) for sign in (-1, 1)]
            ends = [start[0] + slope * (y - start[1]) for y in heights]
            if max(ends) + len(label) * LETTER > left and min(ends) < right:
                return None
        at = (start[0] + slope * (self.deck - start[1]), self.deck)
        return Place(at, 0.0, 0.0, label, start, end)

    def joints(self) -> list[Joint]:
        """Return the signs of this layer's sums and products."""
        found = []
        for node, x in self.above.items():
            if sign := self._sign(node):
                found.append(Joint(sign, self.l + 1, node, (x, self.signs), (x, self.top)))
            for sub in self.members[node]:
                if self._sign_of_factor(sub):
                    found.append(Joint("sum", self.l + 1, node, self._end(sub), (x, self.signs)))
        return found


def _rise(distances: Sequence[float]) -> float:
    """Return the height of a fan of lines: steep enough to follow each, flat enough for the page."""
    return float(np.clip(0.32 * max(distances, default=0.0), 0.42, 1.1))


def _ordered(marks: Sequence[Mark], starts: Sequence[float], ends: Sequence[float]) -> list[Mark]:
    """Return the edges from left to right: by source, by target or by middle, whichever crosses least."""
    start, end = np.asarray(starts), np.asarray(ends)
    orders = [np.lexsort((end, start)), np.lexsort((start, end + start)), np.lexsort((start, end))]
    crossings = [_crossings(start[o]) + _crossings(end[o]) for o in orders] if 0 < len(marks) <= 600 else [0]
    return [marks[i] for i in orders[int(np.argmin(crossings))]]


def _crossings(positions: np.ndarray) -> int:
    return int(np.sum(np.triu(positions[:, None] > positions[None, :] + 1e-9, 1)))
