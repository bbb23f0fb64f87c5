"""The rows of a fit: checked, divided, weighted, and filled up to a size that compiled programs share."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from scikan.core.checks import check_matrix, check_same_rows, check_target, check_weight
from scikan.core.dataset import Dataset
from scikan.core.errors import SettingError, ShapeError
from scikan.core.kan import KAN
from scikan.core.splitting import split_rows


@dataclass(frozen=True)
class Rows:
    """Raw columns, targets and weights: (batch, columns), (batch, targets), (batch,)."""

    x: Float[np.ndarray, "batch columns"]
    y: Float[np.ndarray, "batch targets"]
    weight: Float[np.ndarray, " batch"]

    def __len__(self) -> int:
        return len(self.x)

    def take(self, at: Any) -> "Rows":
        """Return some of the rows."""
        return Rows(self.x[at], self.y[at], self.weight[at])


@dataclass(frozen=True)
class Split:
    """Rows to fit, rows to choose by (or None), rows that are only reported (or None)."""

    train: Rows
    validation: Rows | None
    test: Rows | None


def divide(model: KAN, data: Any, validation: Any, key: int) -> Split:
    """Return the rows of a `Dataset` or of a pair of arrays, divided.

    Args:
        validation: share of the training rows to choose by, or their indices among the training rows.

    Raises:
        SettingError: for data of another kind, or a share that is none.
        ShapeError, TableError: if the arrays do not fit each other or the model.
    """
    groups = None
    if isinstance(data, Dataset):
        weight = _weights(model, data)
        train = Rows(data.train_x, data.train_y, weight[data.train])
        test = Rows(data.test_x, data.test_y, weight[data.test]) if len(data.test) else None
        groups = None if data.groups is None else data.groups[data.train]
    elif isinstance(data, tuple | list) and len(data) in (2, 3):
        train, test = _from_arrays(*data), None
    else:
        raise SettingError(
            f"fit cannot use data of type {type(data).__name__}.",
            fix="pass a Dataset, or a tuple (x, y) or (x, y, weight) of arrays",
        )
    if train.x.shape[1] != len(model.names):
        raise ShapeError(
            f"The data have {train.x.shape[1]} input columns, the model takes {len(model.names)} "
            f"({', '.join(model.names)}).",
            fix="select the columns, or build the KAN for this table: KAN.for_data(data)",
        )
    fit_at, judge_at = _divide_rows(len(train), validation, key, groups)
    return Split(train.take(fit_at), train.take(judge_at) if len(judge_at) else None, test)


def _from_arrays(x: Any, y: Any, weight: Any = None) -> Rows:
    x, y = check_matrix(x), check_target(y)
    check_same_rows(x, y)
    return Rows(x, y, np.ones(len(x)) if weight is None else check_weight(weight, len(x)))


def _weights(model: KAN, data: Dataset) -> Float[np.ndarray, " rows"]:
    """Return row weights, divided by the squared error of the target as the network sees it."""
    if data.sigma is None:
        return data.weight
    back, step = model.readout.inverse(), 1e-6 * np.maximum(np.abs(data.y), 1e-300)
    slope = np.asarray(back(data.y + step) - back(data.y - step)) / (2.0 * step)
    precision = 1.0 / (data.sigma**2 * np.mean(slope**2, axis=1))
    weight = data.weight * precision / np.mean(precision)
    return np.where(np.isfinite(weight), weight, 0.0)


def _divide_rows(n: int, validation: Any, key: int, groups: Any) -> tuple[Any, Any]:
    if isinstance(validation, int | float | np.floating | np.integer):
        if not 0 <= validation < 1:
            raise SettingError(
                f"validation={validation} is no share of the training rows.",
                fix="use a number from 0 (none) to below 1, such as validation=0.2",
            )
        return split_rows(n, float(validation), key, groups)
    judge = np.asarray(validation)
    if (
        judge.ndim != 1
        or judge.dtype.kind not in "iu"
        or judge.size == 0
        or judge.min() < 0
        or judge.max() >= n
    ):
        raise SettingError(
            f"validation must be a share or indices among the {n} training rows.", fix="use validation=0.2"
        )
    rest = np.setdiff1d(np.arange(n), judge)
    if not rest.size:
        raise SettingError("Every training row is a validation row.", fix="leave some rows for training")
    return rest, judge


def fill_up(values: Any, size: int) -> Any:
    """Return rows followed by copies of the first, `size` in all (their weight has to be zero)."""
    missing = size - len(values)
    return values if not missing else np.concatenate([values, np.repeat(values[:1], missing, axis=0)])


def padded_size(n: int) -> int:
    """Return the next power of two."""
    return 1 << max(n - 1, 1).bit_length() if n > 1 else 1
