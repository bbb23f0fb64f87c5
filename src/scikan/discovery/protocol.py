"""Which rows a search may read and which judge it.

From 100 rows on, a share is held back once. Below, nested cross-fitting: five folds, each searched anew
without it; below 20 rows every row is its own fold. Rows of one group stay together.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from scikan.core.dataset import Dataset


HOLD_OUT_FROM = 100
LEAVE_ONE_OUT_BELOW = 20
TOO_FEW = 13
N_FOLDS = 5


@dataclass(frozen=True)
class Fold:
    """Rows to search on and rows to judge by."""

    fit: Int[np.ndarray, " fit"]
    judge: Int[np.ndarray, " judge"]


@dataclass(frozen=True)
class Plan:
    """The folds, the protocol's name, and a line that says it."""

    folds: tuple[Fold, ...]
    protocol: str
    told: str
    too_few: bool = False

    @property
    def searches(self) -> int:
        """Number of whole searches, the one on all rows included."""
        return 1 if len(self.folds) == 1 else len(self.folds) + 1

    @property
    def exchangeable_in_folds(self) -> bool:
        """Whether folds are large enough to exchange rows inside them."""
        return len(self.folds) > 1 and min(len(fold.judge) for fold in self.folds) > 1


def plan_rows(data: Dataset, hold_out: float, key: int) -> Plan:
    """Return the protocol for a table of this size."""
    n, rng = data.n_rows, np.random.default_rng(key)
    unit = np.arange(n) if data.groups is None else np.unique(data.groups, return_inverse=True)[1]
    n_units = int(unit.max()) + 1
    order = rng.permutation(n_units)
    if n >= HOLD_OUT_FROM:
        held = np.isin(unit, order[: max(1, round(hold_out * n_units))])
        fold = Fold(np.flatnonzero(~held), np.flatnonzero(held))
        text = f"{len(fold.judge)} of {n} rows are held out; no step of the search reads them"
        return Plan((fold,), "hold-out", text)
    count = n_units if n < LEAVE_ONE_OUT_BELOW else min(N_FOLDS, n_units)
    parts = [np.isin(unit, part) for part in np.array_split(order, count)]
    folds = tuple(Fold(np.flatnonzero(~part), np.flatnonzero(part)) for part in parts if not part.all())
    name = "leave-one-out" if n < LEAVE_ONE_OUT_BELOW else f"{len(folds)}-fold cross-validation"
    return Plan(folds, name, f"{n} rows: {name}, each fold searched anew", too_few=n <= TOO_FEW)
