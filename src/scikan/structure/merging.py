"""Which groups of columns enter through one function only: a hierarchy, the clearest group first.

Groups with that property that overlap are closed under union, and what they leave is again such a group (Gorman,
"The structure of utility functions", 1968), so that the order of merging does not change the hierarchy.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from scikan.structure.directions import Turning, alignment, turning
from scikan.structure.operators import opinion
from scikan.structure.probe import Probe
from scikan.structure.verdicts import SAFETY, judge, margin


Places = tuple[int, ...]

LARGEST = 4
"""Most blocks that are tried as one group at a time."""

POOR = 0.15
"""A score above which a group is no group, however large the errors are."""


@dataclass(frozen=True)
class Block:
    """Columns that enter through one function, and the blocks it was merged from (none for one column)."""

    columns: Places
    parts: tuple["Block", ...] = ()
    found: Turning | None = None


Parts = tuple[Block, ...]
Held = list[tuple[Parts, Turning]]


def merged(probe: Probe, columns: Places | None = None) -> Block:
    """Return the hierarchy of some columns (all); parts are two where a group of two blocks holds, else more."""
    blocks = [Block((j,)) for j in (range(len(probe.names)) if columns is None else columns)]
    known: dict[Places, Turning] = {}
    while len(blocks) > 2:
        best = _clearest(probe, blocks, known)
        if best is None:
            break
        parts, found = best
        together = tuple(sorted(j for part in parts for j in part.columns))
        blocks = [b for b in blocks if b not in parts] + [Block(together, parts, found)]
    return (
        blocks[0]
        if len(blocks) == 1
        else Block(tuple(sorted(j for b in blocks for j in b.columns)), tuple(blocks))
    )


def _clearest(
    probe: Probe, blocks: list[Block], known: dict[Places, Turning]
) -> tuple[Parts, Turning] | None:
    """Return the group of fewest blocks, and of those the one with the widest margin, that holds."""
    for size in range(2, min(LARGEST, len(blocks) - 1) + 1):
        held: Held = []
        for parts in combinations(blocks, size):
            columns = tuple(sorted(j for part in parts for j in part.columns))
            if columns not in known:
                known[columns] = turning(probe, columns)
            if holds(known[columns]):
                held.append((parts, known[columns]))
        if not held and size == 2:
            held = _by_values(probe, blocks, known)
        if held:
            return max(held, key=lambda h: margin(h[1].score, h[1].null))
    return None


def _by_values(probe: Probe, blocks: list[Block], known: dict[Places, Turning]) -> Held:
    """Return the pairs whose slopes are hidden by errors, but whose values are those of a function of one sum."""
    held: Held = []
    for parts in combinations(blocks, 2):
        columns = tuple(sorted(j for part in parts for j in part.columns))
        if judge(known[columns].score, known[columns].null) == "no":
            continue
        told = opinion(probe, parts[0].columns, parts[1].columns)
        if told is not None:
            known[columns] = Turning(told.score, np.array([told.threshold / SAFETY]), told.points)
            held.append((parts, known[columns]))
    return held


def holds(found: Turning) -> bool:
    """Whether a score is explained by errors, and small."""
    return judge(found.score, found.null) != "no" and found.score < POOR


def general_groups(probe: Probe) -> tuple[Places, ...]:
    """Return the groups of the finest division in f = F(sum of functions of groups); one group if there is none."""
    top = merged(probe)
    parts = list(top.parts)
    if len(parts) != 2 or not holds(alignment(probe, parts[0].columns, parts[1].columns)):
        return (top.columns,)
    divided = True
    while divided:
        divided = False
        for block in list(parts):
            others = [p for p in parts if p is not block]
            if len(block.parts) == 2 and all(
                holds(alignment(probe, half.columns, other.columns))
                for half in block.parts
                for other in others
            ):
                parts = [*others, *block.parts]
                divided = True
    return tuple(sorted(part.columns for part in parts))
