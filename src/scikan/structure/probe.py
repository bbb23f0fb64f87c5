r"""A function that can be asked anywhere: values, gradients, and how large its own errors are.

Tests of structure ask a function at recombined points: some columns from one row, the others from another. What
they find counts only against what the function's own error would do to them, so the error travels with the
function, and random smooth fields of its size (`Field`) stand for it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from threadpoolctl import threadpool_limits

from scikan.core.checks import check_rows
from scikan.core.dataset import Dataset
from scikan.core.errors import SettingError, ShapeError
from scikan.core.kan import KAN
from scikan.core.names import check_names, numbered_names
from scikan.core.samples import evenly
from scikan.structure.answers import error_of
from scikan.structure.surrogate import N_ROWS, fit_surrogate


Rows = Float[np.ndarray, "rows columns"]
Vector = Float[np.ndarray, " rows"]
Subject = KAN | Dataset | Callable[[Any], Any]

LEAST_ROWS = 20
ASSUMED = 2e-3
"""Error of a network with splines, as a share of its spread, where neither data nor an error says better."""

_ROUNDING = 1e-13
_STEP = 2e-3
_DIFFERENCES = ((1, 2 / 3), (2, -1 / 12))
"""Central differences of fourth order: places in steps, weights."""

_CHUNK = 512
WAVELENGTH = 0.16
"""Length over which an error field changes, in standard deviations of the columns."""
_WAVES = 64


@dataclass(frozen=True, eq=False)
class Probe:
    """A function of named columns on the box that some rows span.

    Args:
        value: maps `(points, columns)` to `(points,)`.
        gradient: maps `(points, columns)` to `(points, columns)`, by raw columns.
        rows: where the function is asked; no two columns may hang on each other.
        names: of the columns.
        spread: standard deviation of the function over the rows.
        error: root mean square error of the function, in its own units; rounding alone if it is exact.
        slope_error: error of a gradient in units of `spread` per standard deviation of a column, beyond `error`.
    """

    value: Callable[[Rows], Vector]
    gradient: Callable[[Rows], Rows]
    rows: Rows
    names: tuple[str, ...]
    spread: float
    error: float
    slope_error: float

    @property
    def scale(self) -> Float[np.ndarray, " columns"]:
        """Standard deviations of the columns; 1 for one that is held."""
        scale = self.rows.std(axis=0)
        return np.where(np.ptp(self.rows, axis=0) > 0, scale, 1.0)

    def places(self, names: Sequence[str]) -> tuple[int, ...]:
        """Return the positions of columns given by name or position.

        Raises:
            SettingError: there is no such column, or one is given twice.
        """
        found = []
        for name in names:
            known = name in self.names or (
                isinstance(name, int | np.integer) and 0 <= int(name) < len(self.names)
            )
            if not known:
                raise SettingError(
                    f"There is no column {name!r}.", fix=f"choose from {', '.join(self.names)}."
                )
            found.append(self.names.index(name) if isinstance(name, str) else int(name))
        if len(set(found)) < len(found):
            raise SettingError(
                f"A column stands twice in {list(names)}.", fix="name every column at most once."
            )
        return tuple(found)


def probe_of(
    f: Subject,
    x: Any = None,
    *,
    error: float | None = None,
    output: int = 0,
    names: Sequence[str] | None = None,
) -> Probe:
    """Return what tests of structure ask.

    Args:
        f: a `KAN`, a `Dataset` (a surrogate is fitted to its training rows) or any function of an array
            `(N, columns)`, in JAX or NumPy, that returns `(N,)` or `(N, outputs)`.
        x: rows `(N, columns)`, or a `Dataset`, for a KAN or a function: at least 20.
        error: root mean square error of f, in its units. Unless given: rounding for a function and a network of
            symbols; what the test rows of a `Dataset` show, noise included; otherwise 2e-3 of the spread for a
            network with splines.
        output: which output is asked.
        names: of the columns.

    Raises:
        ShapeError: too few rows, or f does not return one value a row.
        SettingError: f is constant or not finite on the rows, there is no such output, or x is missing.
    """
    if isinstance(f, Dataset):
        return _of_data(f, output, error)
    if x is None:
        raise SettingError("There are no rows to ask the function at.", fix="pass x of shape (N, columns).")
    table = x if isinstance(x, Dataset) else None
    rows = np.asarray(x.train_x if isinstance(x, Dataset) else x, float)
    if rows.ndim != 2 or len(rows) < LEAST_ROWS:
        raise ShapeError(
            f"Tests of structure need rows of shape (N, columns), N at least {LEAST_ROWS}; got {rows.shape}.",
            fix="draw more points from the box that matters.",
        )
    if names is None:
        names = f.names if isinstance(f, KAN) else numbered_names("x", rows.shape[1])
        names = table.names if table is not None else names
    check_names(names)
    rows = check_rows(rows, names)
    value = _value_of(f, output)
    by_jax = None if isinstance(f, KAN) else _gradient_by_jax(f, output, rows)
    gradient = by_jax or by_differences(value, rows.std(axis=0))
    if error is None and table is not None and len(table.test_x):
        error = float(np.sqrt(np.mean((value(table.test_x) - table.test_y[:, output]) ** 2)))
    if error is None and isinstance(f, KAN) and any(np.any(_splines(layer)) for layer in f.layers):
        error = ASSUMED * float(np.std(value(rows)))
    return _checked(value, gradient, rows, tuple(names), error, 1e-12 if by_jax else 1e-8)


def _splines(layer: Any) -> Any:
    return np.asarray(layer.splines.mask * layer.splines.allowed) != 0


def _of_data(data: Dataset, output: int, error: float | None) -> Probe:
    """Return a surrogate's probe; its leave-one-out error holds the noise of the table too."""
    if data.n_rows < LEAST_ROWS:
        raise ShapeError(
            f"Tests of structure need at least {LEAST_ROWS} rows; the table has {data.n_rows}.",
            fix="measure more rows.",
        )
    if not 0 <= output < data.n_outputs:
        raise SettingError(f"There is no output {output}.", fix=f"choose from 0 to {data.n_outputs - 1}.")
    pick = evenly(data.n_rows, N_ROWS)
    x, y = data.x[pick], data.y[pick, output]
    with threadpool_limits(limits=1):  # Many small matrices, for which threads wait for each other.
        surrogate = fit_surrogate(x, y)
    if error is None:
        error = error_of(surrogate, np.ones(len(y)))
    value = surrogate.predict
    return _checked(value, by_differences(value, x.std(axis=0)), x, data.names, error, 1e-6)


def _checked(
    value: Any, gradient: Any, rows: Rows, names: tuple[str, ...], error: float | None, slope_error: float
) -> Probe:
    values = value(rows)
    size, spread = float(np.abs(values).max()), float(np.std(values))
    if not np.isfinite(size):
        raise SettingError(
            f"The function is not finite at {int(np.sum(~np.isfinite(values)))} of {len(rows)} rows.",
            fix="pass rows from its domain.",
        )
    if spread <= _ROUNDING * size or not np.all(rows.std(axis=0) > 0):
        raise SettingError(
            "The function or one of the columns is constant over the rows.",
            fix="leave constant columns out, or draw rows from a wider box.",
        )
    exact = _ROUNDING * size
    if error is not None and not 0 <= error < np.inf:
        raise SettingError(f"error is {error!r}.", fix="pass a root mean square error, at least 0.")
    return Probe(value, gradient, rows, names, spread, max(error or 0.0, exact), slope_error)


def _value_of(f: Any, output: int) -> Callable[[Rows], Vector]:
    def value(points: Rows) -> Vector:
        found = np.asarray(f(points), float)
        return np.asarray(_one_output(found, len(points), output))

    return value


def _one_output(found: Any, n: int, output: int) -> Any:
    if found.shape == (n,):
        found = found[:, None]
    if found.ndim != 2 or found.shape[0] != n:
        raise ShapeError(
            f"The function returned shape {found.shape} for {n} rows.", fix="return (N,) or (N, outputs)."
        )
    if not 0 <= output < found.shape[1]:
        raise SettingError(f"There is no output {output}.", fix=f"choose from 0 to {found.shape[1] - 1}.")
    return found[:, output]


def _gradient_by_jax(f: Any, output: int, rows: Rows) -> Callable[[Rows], Rows] | None:
    """Return the gradient by differentiation, or None for a function that JAX cannot trace."""

    # Rows do not see each other, so the gradient of the sum is the gradient at every row.
    def total(points: Any) -> Any:
        return _one_output(f(points), len(points), output).sum()

    slopes = jax.jit(jax.grad(total))

    def gradient(points: Rows) -> Rows:
        # Always the same number of rows at a time: one compile for every test.
        n = len(points)
        padded = points[np.arange(-(-n // _CHUNK) * _CHUNK) % n]
        parts = [slopes(jnp.asarray(part)) for part in padded.reshape(-1, _CHUNK, points.shape[1])]
        return np.concatenate([np.asarray(part, float) for part in parts])[:n]

    try:
        gradient(rows[:1])
    except (TypeError, ValueError, AttributeError, NotImplementedError):
        return None
    return gradient


def by_differences(value: Callable[[Rows], Vector], scale: Any) -> Callable[[Rows], Rows]:
    """Return the gradient by central differences of fourth order."""

    def gradient(points: Rows) -> Rows:
        slopes = np.zeros_like(points)
        for j, width in enumerate(_STEP * scale):
            step = np.zeros(points.shape[1])
            for times, weight in _DIFFERENCES:
                step[j] = times * width
                slopes[:, j] += weight * (value(points + step) - value(points - step)) / width
        return slopes

    return gradient


class Field:
    """A random smooth function with root mean square 1: what the error of a fitted function may look like."""

    def __init__(self, probe: Probe, rng: np.random.Generator) -> None:
        n_columns = probe.rows.shape[1]
        self.waves = rng.normal(size=(_WAVES, n_columns)) / (WAVELENGTH * probe.scale)
        self.phases = rng.uniform(0, 2 * np.pi, _WAVES)
        self.size = np.sqrt(2.0 / _WAVES)

    def value(self, points: Rows) -> Vector:
        """Return the field at points."""
        return np.asarray(self.size * np.cos(points @ self.waves.T + self.phases).sum(axis=1))

    def gradient(self, points: Rows) -> Rows:
        """Return the field's gradient at points."""
        return np.asarray(-self.size * np.sin(points @ self.waves.T + self.phases) @ self.waves)
