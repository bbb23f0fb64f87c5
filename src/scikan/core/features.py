"""Maps between a user's columns and what a network sees; each maps arrays and expressions alike.

`map(x)` works on (batch, columns) arrays, `map.exprs(list)` on expression trees, so that a formula of a
network comes out in the user's columns and units with nothing to remember. `Scale` and `Log` have an
inverse and serve as the network's readout too. Columns are multiplied, never shifted: a shift would hide
products. Nothing here is trained.
"""

from abc import abstractmethod
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float

from scikan.core.errors import SettingError
from scikan.core.expr import Expr, Number, evaluate, substitute, symbols
from scikan.core.functions import LIBRARY
from scikan.core.parser import apply, parse
from scikan.core.precision import namespace


AnyArray = Array | np.ndarray


class AbstractFeatureMap(eqx.Module):
    """A fixed map of columns."""

    @abstractmethod
    def __call__(self, x: Any) -> Any:
        """Map (batch, columns) to (batch, new columns)."""

    @abstractmethod
    def exprs(self, columns: list[Expr]) -> list[Expr]:
        """Map one expression per column to one per new column."""

    def inverse(self) -> "AbstractFeatureMap":
        """Return the map back; only maps that serve as a readout have one."""
        raise SettingError(
            f"{type(self).__name__} cannot be inverted.", fix="use Scale, Log, Exp or a Chain of them."
        )


class Scale(AbstractFeatureMap):
    """Multiply every column by its own factor."""

    factor: Float[AnyArray, "*seeds columns"]

    def __call__(self, x: Any) -> Any:
        return x * self.factor

    def exprs(self, columns: list[Expr]) -> list[Expr]:
        factors = [float(f) for f in np.asarray(self.factor)]
        return [c if f == 1.0 else Number(f) * c for c, f in zip(columns, factors, strict=True)]

    def inverse(self) -> "Scale":
        return Scale(1.0 / self.factor)


class Log(AbstractFeatureMap):
    """Take the natural logarithm of the chosen columns."""

    chosen: tuple[bool, ...] = eqx.field(static=True)

    def __call__(self, x: Any) -> Any:
        return _on_columns(x, self.chosen, "log")

    def exprs(self, columns: list[Expr]) -> list[Expr]:
        return [apply(LIBRARY["log"], c) if on else c for c, on in zip(columns, self.chosen, strict=True)]

    def inverse(self) -> "Exp":
        return Exp(self.chosen)


class Exp(AbstractFeatureMap):
    """Take the exponential of the chosen columns: the way back from `Log`."""

    chosen: tuple[bool, ...] = eqx.field(static=True)

    def __call__(self, x: Any) -> Any:
        return _on_columns(x, self.chosen, "exp")

    def exprs(self, columns: list[Expr]) -> list[Expr]:
        return [apply(LIBRARY["exp"], c) if on else c for c, on in zip(columns, self.chosen, strict=True)]

    def inverse(self) -> Log:
        return Log(self.chosen)


def _on_columns(x: Any, chosen: tuple[bool, ...], name: str) -> Any:
    if not any(chosen):
        return x
    xp = namespace(x)
    function = LIBRARY[name]
    on = np.asarray(chosen)
    safe = xp.where(on, x, xp.asarray(function.safe, dtype=x.dtype))
    if xp is np:
        with np.errstate(all="ignore"):
            return np.where(on, function.value(np, safe), x)
    return xp.where(on, function.value(xp, safe), x)


class Select(AbstractFeatureMap):
    """Keep some columns, in the given order."""

    columns: tuple[int, ...] = eqx.field(static=True)

    def __call__(self, x: Any) -> Any:
        return x[:, np.asarray(self.columns, int)]

    def exprs(self, columns: list[Expr]) -> list[Expr]:
        return [columns[i] for i in self.columns]


class Augment(AbstractFeatureMap):
    """Append columns computed from the others by formulas such as `beta = v/c`.

    Args:
        names: names of the columns that come in.
        formulas: texts `new = expression`, read by our own parser; later ones may use earlier ones.

    Raises:
        FormulaError: if a text is no formula over these columns.
        SettingError: if a text has no `=`.
    """

    names: tuple[str, ...] = eqx.field(static=True)
    formulas: tuple[str, ...] = eqx.field(static=True)

    def __check_init__(self) -> None:
        self._definitions()

    def _definitions(self) -> list[tuple[str, Expr]]:
        known = list(self.names)
        found = []
        for text in self.formulas:
            name, equals, body = text.partition("=")
            if not equals or not name.strip():
                raise SettingError(
                    f"The auxiliary input {text!r} has no name.", fix="write it as 'beta = v/c'."
                )
            found.append((name.strip(), parse(body.strip(), names=known)))
            known.append(name.strip())
        return found

    @property
    def new_names(self) -> tuple[str, ...]:
        """Names of the appended columns."""
        return tuple(name for name, _ in self._definitions())

    def __call__(self, x: Any) -> Any:
        xp = namespace(x)
        columns = {name: x[:, i] for i, name in enumerate(self.names)}
        for name, expression in self._definitions():
            columns[name] = xp.broadcast_to(evaluate(expression, columns, xp), x.shape[:1])
        return xp.stack(list(columns.values()), axis=1)

    def exprs(self, columns: list[Expr]) -> list[Expr]:
        known: dict[str, Expr] = dict(zip(self.names, columns, strict=True))
        for name, expression in self._definitions():
            known[name] = substitute(expression, {s: known[s] for s in symbols(expression)})
        return list(known.values())


class Chain(AbstractFeatureMap):
    """Maps one after the other."""

    maps: tuple[AbstractFeatureMap, ...]

    def __call__(self, x: Any) -> Any:
        for step in self.maps:
            x = step(x)
        return x

    def exprs(self, columns: list[Expr]) -> list[Expr]:
        for step in self.maps:
            columns = step.exprs(columns)
        return columns

    def inverse(self) -> "Chain":
        return Chain(tuple(step.inverse() for step in reversed(self.maps)))


def identity() -> Chain:
    """Return the map that changes nothing."""
    return Chain(())


def natural_scale(x: Float[np.ndarray, "batch columns"], scales: tuple[str, ...]) -> Chain:
    """Return the map that brings columns to numbers of order one: logarithms where asked, else powers of ten.

    Powers of ten rather than standard deviations, so that a formula's constants stay readable.
    """
    logs = tuple(scale == "log" for scale in scales)
    size = np.abs(_on_columns(x, logs, "log")).max(axis=0)
    exponent = np.round(np.log10(np.where(size > 0, size, 1.0)))
    factor = 10.0 ** -np.where(np.abs(exponent) > 2, exponent, 0.0)
    factor[np.asarray(logs, bool)] = 1.0
    steps: list[AbstractFeatureMap] = []
    if any(logs):
        steps.append(Log(logs))
    if np.any(factor != 1.0):
        steps.append(Scale(factor))
    return Chain(tuple(steps))
