"""`Dataset`: a finite table of numbers with names, and the promise that it has been checked.

Rows are measurements; `x` holds the inputs and `y` the targets, both always two-dimensional. Which rows
are for training and which are held out is part of the value, so that no later step can mix them up.
Everything raw stays raw: scales and logarithms are proposals (`input_scales`), applied by the network.
Arrays are read-only and every change returns a new `Dataset`. Checks live in `checks.py`: an object of
this class never holds NaN or infinity.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

import numpy as np
from jaxtyping import Float64, Int64

from scikan.core.checks import (
    check_groups,
    check_input_sigma,
    check_matrix,
    check_partition,
    check_same_rows,
    check_sigma,
    check_target,
    check_weight,
)
from scikan.core.errors import ColumnError, SettingError, ShapeError
from scikan.core.names import Number, Units, check_names, nearest, numbered_names, own_names
from scikan.core.samples import ends_of_box
from scikan.core.splitting import split_rows


Texts = tuple[tuple[str, tuple[str, ...]], ...]
Scale = Literal["linear", "log"]


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Rows of inputs and targets, with names, units and a split into training and held-out rows.

    Make one with `read_table`, `from_arrays` or `from_function`; the constructor is for those who already
    know every field.

    Args:
        x: inputs, `(rows, inputs)`, raw units.
        y: targets, `(rows, outputs)`, raw units.
        weight: non-negative weight of each row, `(rows,)`.
        sigma: standard deviation of the measurement error of y, `(rows,)`, unit of the target; or None.
        train: indices of the rows that a fit may read.
        test: indices of the held-out rows; may be empty.
        names: one name for each column of x.
        targets: one name for each column of y.
        units: unit by column name; columns without a unit are absent.
        labels: text columns, kept to name rows: `((column, texts), ...)`.
        categories: input columns that encode text: `((column, texts in the order of their code), ...)`.
        groups: `(rows,)` integers; rows of one group are never split apart. None if rows stand alone.
        notices: what was set aside or filled in on the way here, and why; one sentence each.
        input_sigma: standard deviations of x's errors, `(rows, inputs)`, 0 where a column is exact; or None.

    Raises:
        ShapeError: the arrays do not fit each other.
        TableError: a value is missing or infinite, or there is only one row.
    """

    x: Float64[np.ndarray, "rows inputs"]
    y: Float64[np.ndarray, "rows outputs"]
    weight: Float64[np.ndarray, " rows"]
    sigma: Float64[np.ndarray, " rows"] | None
    train: Int64[np.ndarray, " train"]
    test: Int64[np.ndarray, " test"]
    names: tuple[str, ...]
    targets: tuple[str, ...]
    units: Units = field(default_factory=Units)
    labels: Texts = ()
    categories: Texts = ()
    groups: Int64[np.ndarray, " rows"] | None = None
    notices: tuple[str, ...] = ()
    input_sigma: Float64[np.ndarray, "rows inputs"] | None = None

    def __post_init__(self) -> None:
        def put(name: str, value: object) -> None:
            object.__setattr__(self, name, value)

        put("names", tuple(self.names))
        put("targets", tuple(self.targets))
        check_names(self.names + self.targets)
        put("x", _frozen(check_matrix(self.x, self.names)))
        put("y", _frozen(check_target(self.y, self.targets)))
        n = len(self.x)
        check_same_rows(self.x, self.y)
        put("weight", _frozen(check_weight(self.weight, n)))
        put("sigma", None if self.sigma is None else _frozen(check_sigma(self.sigma, n)))
        if self.input_sigma is not None:
            put("input_sigma", _frozen(check_input_sigma(self.input_sigma, self.names, n)))
        put("groups", None if self.groups is None else _frozen(check_groups(self.groups, n)))
        train, test = check_partition(self.train, self.test, n)
        put("train", _frozen(train))
        put("test", _frozen(test))
        put("units", Units(self.units))
        for name, texts in self.labels:
            if len(texts) != n:
                raise ShapeError(
                    f'The labels "{name}" have {len(texts)} entries for {n} rows.', fix="give one label a row"
                )

    # --- making one -------------------------------------------------------------------------------------

    @classmethod
    def from_arrays(
        cls,
        x: Any,
        y: Any,
        *,
        names: Sequence[str] | None = None,
        targets: Sequence[str] | None = None,
        sigma: Any = None,
        input_sigma: Any = None,
        weight: Any = None,
        groups: Any = None,
        test: Number = 0.2,
        key: int = 0,
        units: Mapping[str, str] | None = None,
    ) -> "Dataset":
        """Return the data set of two arrays.

        Args:
            x: `(rows, inputs)` real numbers; anything that NumPy can read, a DataFrame included.
            y: `(rows,)` or `(rows, outputs)` real numbers.
            names: input names; default the columns of a DataFrame, else x1, x2, ...
            targets: target names; default the columns of a DataFrame, else y (y1, y2, ... if several).
            sigma: `(rows,)` standard deviations of y's error.
            input_sigma: `(rows, inputs)` standard deviations of x's errors, or one for each column.
            weight: `(rows,)` row weights; default ones.
            groups: `(rows,)` numbers or texts; rows that share one stay on one side of every split.
            test: share of the rows to hold out, 0 for none.
            key: seed of the split.
            units: unit by column name.

        Raises:
            ShapeError: dimensions or row counts do not fit.
            TableError: text, complex, missing or infinite values, or a single row.
            SettingError: `test` is no share.
        """
        inputs = own_names(x) if names is None else tuple(names)
        goals = own_names(y) if targets is None else tuple(targets)
        matrix, goal = check_matrix(x, inputs), check_target(y, goals)
        check_same_rows(matrix, goal)
        n, inputs = len(matrix), inputs or numbered_names("x", matrix.shape[1])
        group_codes = None if groups is None else check_groups(groups, n)
        train, held = split_rows(n, test, key, group_codes)
        return cls(
            x=matrix,
            y=goal,
            weight=np.ones(n) if weight is None else check_weight(weight, n),
            sigma=None if sigma is None else check_sigma(sigma, n),
            input_sigma=None if input_sigma is None else check_input_sigma(input_sigma, inputs, n),
            train=train,
            test=held,
            names=inputs,
            targets=goals or numbered_names("y", goal.shape[1]),
            units=Units(units or {}),
            groups=group_codes,
        )

    @classmethod
    def from_function(
        cls,
        f: Callable[[Any], Any],
        n_inputs: int = 2,
        ranges: Sequence[Any] = (-1.0, 1.0),
        rows: int = 1000,
        test: int = 1000,
        key: int = 0,
        names: Sequence[str] | None = None,
    ) -> "Dataset":
        """Return rows drawn uniformly from a box, with `f` as the target.

        Args:
            f: called once as `f(x)` with `x` of shape `(rows + test, n_inputs)`, so columns are
                `x[:, 0]`, `x[:, 1]`, ...; returns `(rows + test,)` or `(rows + test, outputs)`.
            n_inputs: number of input columns.
            ranges: `(low, high)` for all inputs, or one such pair for each.
            rows: number of training rows.
            test: number of held-out rows, drawn from the same box.
            key: seed of the draw.
            names: input names; default x1, x2, ...

        Raises:
            SettingError: a range or a count makes no sense.
            ShapeError: `f` returned another number of rows.

        Example:
            >>> data = Dataset.from_function(lambda x: x[:, 0] * x[:, 1], n_inputs=2)
            >>> data.train_x.shape
            (1000, 2)
        """
        if n_inputs < 1 or rows < 1 or test < 0:
            raise SettingError(
                f"n_inputs={n_inputs}, rows={rows}, test={test} describe no table.",
                fix="use n_inputs >= 1, rows >= 1 and test >= 0",
            )
        low, high = ends_of_box(ranges, n_inputs)
        x = np.random.default_rng(key).uniform(low, high, size=(rows + test, n_inputs))
        y = np.asarray(f(x))
        if y.shape[:1] != (rows + test,):
            raise ShapeError(
                f"The function returned shape {y.shape} for {rows + test} rows.",
                fix="write it for all rows at once: f(x) with x[:, 0], x[:, 1], ... returns one value a row",
            )
        data = cls.from_arrays(x, y, names=names, test=0.0)
        return replace(data, train=np.arange(rows), test=np.arange(rows, rows + test))

    # --- changing one -----------------------------------------------------------------------------------

    def split(self, test: Number = 0.4, key: int = 0) -> "Dataset":
        """Return the same rows with a new draw of held-out rows: by group where groups are given.

        Args:
            test: share of the rows to hold out, in [0, 1).
            key: seed of the draw.

        Raises:
            SettingError: `test` is no share, or there are too few rows or groups to divide.
        """
        train, held = split_rows(self.n_rows, test, key, self.groups)
        return replace(self, train=train, test=held)

    def rows(self, indices: Any) -> "Dataset":
        """Return only the given rows, in that order, all of them for training.

        `data.rows(data.train).split(0.2)` divides what may be read once more, without a look at the rest.

        Args:
            indices: `(n,)` integers, or a mask of `(rows,)` booleans.
        """
        at = np.asarray(indices)
        if at.ndim != 1 or at.dtype.kind not in "iub" or (at.dtype.kind == "b" and len(at) != self.n_rows):
            raise ShapeError(
                f"Row indices have type {at.dtype}, shape {at.shape}; the data set has {self.n_rows} rows.",
                fix="give a list of integers, or one boolean for each row",
            )
        at = np.flatnonzero(at) if at.dtype.kind == "b" else at.astype(np.int64)
        if at.size and not (-self.n_rows <= at.min() and at.max() < self.n_rows):
            raise ShapeError(
                f"Row {at[np.argmax(np.abs(at))]} was asked of a data set of {self.n_rows} rows.",
                fix=f"use indices from 0 to {self.n_rows - 1}",
            )
        return replace(
            self,
            x=self.x[at],
            y=self.y[at],
            weight=self.weight[at],
            sigma=None if self.sigma is None else self.sigma[at],
            input_sigma=None if self.input_sigma is None else self.input_sigma[at],
            groups=None if self.groups is None else self.groups[at],
            labels=tuple((name, tuple(texts[i] for i in at)) for name, texts in self.labels),
            train=np.arange(at.size),
            test=np.arange(0),
        )

    def select(self, names: Sequence[str]) -> "Dataset":
        """Return the data set with only these inputs, in this order.

        Raises:
            ColumnError: a name is not among the inputs.
        """
        wanted = tuple(names)
        at = [self._index(name) for name in wanted]
        kept = {*wanted, *self.targets}
        return replace(
            self,
            x=self.x[:, at],
            input_sigma=None if self.input_sigma is None else self.input_sigma[:, at],
            names=wanted,
            units=Units({name: unit for name, unit in self.units.items() if name in kept}),
            categories=tuple(entry for entry in self.categories if entry[0] in kept),
        )

    def with_columns(self, columns: Mapping[str, Any], units: Mapping[str, str] | None = None) -> "Dataset":
        """Return the data set with further inputs: `data.with_columns({"beta": v / c})`.

        Args:
            columns: `(rows,)` values by name, without errors; a name that is already an input is replaced.
            units: units of the new columns.
        """
        data = self
        for name, values in columns.items():
            column = np.asarray(values)
            if column.shape != (self.n_rows,):
                raise ShapeError(
                    f'The new column "{name}" has shape {column.shape} for {self.n_rows} rows.',
                    fix="give one value for each row",
                )
            others = [i for i, old in enumerate(data.names) if old != name]
            parts = (data.x[:, others], check_matrix(column[:, None], (name,)))
            errors = data.input_sigma
            if errors is not None:
                errors = np.hstack([errors[:, others], np.zeros((self.n_rows, 1))])
            names = (*(data.names[i] for i in others), name)
            data = replace(data, x=np.hstack(parts), names=names, input_sigma=errors)
        return replace(data, units=Units({**self.units, **(units or {})}))

    # --- reading one ------------------------------------------------------------------------------------

    @property
    def n_rows(self) -> int:
        return int(self.x.shape[0])

    @property
    def n_inputs(self) -> int:
        return int(self.x.shape[1])

    @property
    def n_outputs(self) -> int:
        return int(self.y.shape[1])

    @property
    def train_x(self) -> Float64[np.ndarray, "train inputs"]:
        return _take(self.x, self.train)

    @property
    def train_y(self) -> Float64[np.ndarray, "train outputs"]:
        return _take(self.y, self.train)

    @property
    def test_x(self) -> Float64[np.ndarray, "test inputs"]:
        return _take(self.x, self.test)

    @property
    def test_y(self) -> Float64[np.ndarray, "test outputs"]:
        return _take(self.y, self.test)

    @property
    def input_scales(self) -> tuple[Scale, ...]:
        """ "log" for each input that is positive and spans over two decades, else "linear"."""
        return _scales(self.x, self.train)

    @property
    def target_scales(self) -> tuple[Scale, ...]:
        """ "log" for each target that is positive and spans over two decades, else "linear"."""
        return _scales(self.y, self.train)

    def frame(self) -> Any:
        """Return a pandas DataFrame: labels, inputs, targets and, where given, `sigma`."""
        import pandas

        columns: dict[str, Any] = {name: list(texts) for name, texts in self.labels}
        columns |= {name: self.x[:, i] for i, name in enumerate(self.names)}
        columns |= {name: self.y[:, i] for i, name in enumerate(self.targets)}
        if self.sigma is not None:
            columns.setdefault("sigma", self.sigma)
        return pandas.DataFrame(columns)

    def _index(self, name: str) -> int:
        if name not in self.names:
            raise ColumnError(f'There is no input "{name}".', fix=nearest(name, self.names))
        return self.names.index(name)

    def __repr__(self) -> str:
        held = f"{len(self.train)} train + {len(self.test)} test"
        return f"Dataset({', '.join(self.targets)} ~ {', '.join(self.names)}; {self.n_rows} rows: {held})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Dataset):
            return NotImplemented
        return all(_same(getattr(self, f.name), getattr(other, f.name)) for f in fields(self))

    # By way of the constructor, so that a copy is read-only and checked like the original.
    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), tuple(getattr(self, f.name) for f in fields(self)))


def _take(values: np.ndarray, rows: Int64[np.ndarray, " n"]) -> np.ndarray:
    taken: np.ndarray = values[rows]
    return taken


def _frozen(array: np.ndarray) -> np.ndarray:
    if array.flags.writeable:
        array = array.copy()
        array.flags.writeable = False
    return array


def _same(a: object, b: object) -> bool:
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return bool(np.array_equal(a, b))
    return type(a) is type(b) and a == b


def _scales(
    values: Float64[np.ndarray, "rows columns"], train: Int64[np.ndarray, " train"]
) -> tuple[Scale, ...]:
    # The span is read from training rows only. The sign is read from all: it is a fact of the column, and a
    # logarithm that is undefined on held-out rows would be no scale at all.
    positive = np.all(values > 0, axis=0)
    low, high = values[train].min(axis=0), values[train].max(axis=0)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        wide = high / low > 100.0
    return tuple("log" if p and w else "linear" for p, w in zip(positive, wide, strict=True))
