"""Which rows a search may read and which judge it.

From 100 rows on, a share is held back once. Below, nested cross-fitting: five folds, each searched anew
without it; below 20 rows every row is its own fold. Rows of one group stay together, and so do rows with equal inputs:
a copy of what was read judges nothing. Then settings count, not rows.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from scikan.core.dataset import Dataset


HOLD_OUT_FROM = 100
LEAVE_ONE_OUT_BELOW = 20
TOO_FEW, LEAST_SETTINGS = 13, 6
N_FOLDS = 5


@dataclass(frozen=True)
class Fold:
    """Rows to search on and rows to judge by."""

    fit: Int[np.ndarray, " fit"]
    judge: Int[np.ndarray, " judge"]


@dataclass(frozen=True, eq=False)
class Plan:
    """The folds, the protocol's name, and a line that says it.

    `settings` numbers equal inputs alike, a number for each row of the table; None if no two rows have the same.
    """

    folds: tuple[Fold, ...]
    protocol: str
    told: str
    too_few: bool = False
    settings: Int[np.ndarray, " rows"] | None = None

    @property
    def searches(self) -> int:
        """Number of whole searches, the one on all rows included."""
        return 1 if len(self.folds) == 1 else len(self.folds) + 1

    @property
    def exchangeable_in_folds(self) -> bool:
        """Whether folds are large enough to exchange rows inside them."""
        own = [fold.judge if self.settings is None else self.settings[fold.judge] for fold in self.folds]
        return len(self.folds) > 1 and min(len(np.unique(settings)) for settings in own) > 1


def plan_rows(data: Dataset, hold_out: float, key: int) -> Plan:
    """Return the protocol for a table of this size."""
    n, rng = data.n_rows, np.random.default_rng(key)
    settings = _settings(data) if data.groups is None else None
    if data.groups is not None:
        unit = np.unique(data.groups, return_inverse=True)[1]
    else:
        unit = np.arange(n) if settings is None else settings
    n_units = int(unit.max()) + 1
    order = rng.permutation(n_units)
    # Groups are few and large by nature; of equal inputs each counts once.
    if (n if data.groups is not None else n_units) >= HOLD_OUT_FROM:
        held = np.isin(unit, order[: max(1, round(hold_out * n_units))])
        fold = Fold(np.flatnonzero(~held), np.flatnonzero(held))
        text = f"{len(fold.judge)} of {n} rows are held out; no step of the search reads them"
        return Plan((fold,), "hold-out", text + _told(settings), settings=settings)
    few = (n if data.groups is not None else n_units) < LEAVE_ONE_OUT_BELOW
    count = n_units if few else min(N_FOLDS, n_units)
    parts = [np.isin(unit, part) for part in np.array_split(order, count)]
    folds = tuple(Fold(np.flatnonzero(~part), np.flatnonzero(part)) for part in parts if not part.all())
    name = "leave-one-out" if few else f"{len(folds)}-fold cross-validation"
    few_settings = settings is not None and n_units < LEAST_SETTINGS
    told = f"{n} rows: {name}, each fold searched anew{_told(settings)}"
    return Plan(folds, name, told, too_few=n <= TOO_FEW or few_settings, settings=settings)


def _settings(data: Dataset) -> Int[np.ndarray, " rows"] | None:
    """Number equal inputs alike; None if all rows differ."""
    if any(len(np.unique(column)) == data.n_rows for column in data.x.T):
        return None
    found = np.unique(data.x, axis=0, return_inverse=True)[1].reshape(-1)
    return None if found.max() + 1 == data.n_rows else found


def _told(settings: Int[np.ndarray, " rows"] | None) -> str:
    if settings is None:
        return ""
    return f"; inputs repeat, {settings.max() + 1} differ, and equal ones are held out together"
