"""A differential equation at points, and Gauss-Newton for any family of functions that may solve it.

A family lays out values and derivatives (a jet) at the points as a function of its coefficients; what it is made of
(`products.TensorColumns`, `products.ProductColumns`) is not known here.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import jax
import numpy as np
from jaxtyping import Float

from scikan.core.errors import SettingError, TrainingError


STEPS = 25
_SHARES = (1.0, 0.5, 0.25, 0.1, 0.02)

Points = Float[np.ndarray, "rows 2"]
Jet = Float[np.ndarray, "rows derivatives"]
Pointwise = Callable[[Any, Mapping[str, Any]], Any]
Derived = Callable[[Points, str], Float[np.ndarray, " rows"]]
"""A function of points: its values, or the derivative of that name ("" for none)."""


class Family(Protocol):
    """Functions of two variables with coefficients, laid out at collocation points and at the conditions'."""

    is_linear: bool

    def jet(self, coef: Float[np.ndarray, " columns"]) -> Jet:
        """Return u and its derivatives at the collocation points."""

    def slopes(self, coef: Float[np.ndarray, " columns"]) -> Sequence[Float[np.ndarray, "rows columns"]]:
        """Return the derivatives of every entry of the jet by the coefficients."""

    def held(
        self, coef: Float[np.ndarray, " columns"]
    ) -> tuple[Float[np.ndarray, " places"], Float[np.ndarray, "places columns"]]:
        """Return u at the conditions' points, and its derivatives by the coefficients."""


class _Jet(dict[str, Any]):
    """The value and the derivatives that a residual may read."""

    def __missing__(self, key: str) -> Any:
        raise SettingError(
            f"The residual reads u[{key!r}]; there are {', '.join(self)}.",
            fix=f"name it: derivatives=(..., {key!r}).",
        )


class Equation:
    """What should vanish inside a rectangle, and what is given at points of it.

    Args:
        residual: `residual(x, u)` at one point, as in `solve_equation`.
        box: ends of the two variables, (2, 2).
        places, values: of all conditions, (rows, 2) and (rows,).
        derivatives: of the jet; "" first, for the value.
        names: of the variables, one letter each.
    """

    def __init__(
        self,
        residual: Pointwise,
        box: Float[np.ndarray, "2 2"],
        places: Points,
        values: Float[np.ndarray, " rows"],
        derivatives: tuple[str, ...],
        names: tuple[str, ...],
    ) -> None:
        self.box, self.places, self.values = box, places, values
        self.derivatives, self.names = derivatives, names
        keys = tuple(d or "u" for d in derivatives)

        def pointwise(x: Any, jet: Any) -> Any:
            return residual(x, _Jet(zip(keys, jet, strict=True)))

        self._all = jax.jit(jax.vmap(jax.value_and_grad(pointwise, argnums=1)))

    def inside(self, unit: Points) -> Points:
        """Return points of the box from points of the unit square."""
        return np.asarray(self.box[:, 0] + unit * np.ptp(self.box, axis=1))

    def at(self, at: Points, jet: Jet) -> tuple[Float[np.ndarray, " rows"], Jet]:
        """Return residuals (rows,) and their derivatives by every entry of the jet.

        Raises:
            TrainingError: one is not finite.
        """
        left, slopes = (np.asarray(a) for a in self._all(at, jet))
        if not (np.all(np.isfinite(left)) and np.all(np.isfinite(slopes))):
            raise TrainingError(
                "The residual is not finite inside the box.", fix="check it at single points."
            )
        return left, slopes

    def jet(self, function: Derived, at: Points) -> Jet:
        """Return u and its derivatives at points."""
        return np.stack([function(at, d) for d in self.derivatives], axis=1)

    def relative(self, function: Derived, at: Points) -> float:
        """Return the rms residual over the rms of its largest part."""
        left = self.at(at, self.jet(function, at))[0]
        return float(np.sqrt(np.mean(left**2))) / self.size(function, at)

    def size(self, function: Derived, at: Points) -> float:
        """Return the rms of the residual's largest part: of a derivative times the residual's slope by it."""
        jet = self.jet(function, at)
        parts = np.sqrt(np.mean((self.at(at, jet)[1] * jet) ** 2, axis=0))
        return max(float(parts.max()), 1e-300)

    def missed(self, function: Derived) -> float:
        """Return the rms of what is left of the conditions."""
        return float(np.sqrt(np.mean((function(self.places, "") - self.values) ** 2)))


def gauss_newton(
    equation: Equation, at: Points, family: Family, coef: Float[np.ndarray, " columns"]
) -> tuple[Float[np.ndarray, " columns"], bool]:
    """Return the coefficients of least squares from a start, and whether the equation turned out linear."""
    left, slopes = equation.at(at, family.jet(coef))
    first = slopes
    held, fixed = family.held(coef)
    rows = _rows(slopes, family.slopes(coef))
    # Conditions weigh as much, row for row, as the equation does through its columns.
    weight = float(np.sqrt(np.mean(np.square(rows)) / np.mean(fixed**2)))
    wrong = held - equation.values
    cost = float(left @ left + weight**2 * (wrong @ wrong))
    for _ in range(STEPS):
        matrix = np.concatenate([_rows(slopes, family.slopes(coef)), weight * fixed])
        size = np.sqrt(np.sum(matrix**2, axis=0)) + 1e-300
        right = -np.concatenate([left, weight * wrong])
        step = np.linalg.lstsq(matrix / size, right, rcond=1e-13)[0] / size
        for share in _SHARES:
            trial = coef + share * step
            after, bend = equation.at(at, family.jet(trial))
            held, fixed_after = family.held(trial)
            off = held - equation.values
            lower = float(after @ after + weight**2 * (off @ off))
            if lower < cost:
                break
        else:
            break
        gain = (cost - lower) / max(cost, 1e-300)
        coef, left, slopes, wrong, fixed, cost = trial, after, bend, off, fixed_after, lower
        if gain < 1e-4 or (family.is_linear and _same(slopes, first)):
            break
    return coef, _same(slopes, first)


def _same(slopes: Jet, first: Jet) -> bool:
    return bool(np.allclose(slopes, first, rtol=1e-10, atol=1e-12))


def _rows(slopes: Jet, columns: Sequence[np.ndarray]) -> np.ndarray:
    """Return the derivatives of the residuals by the coefficients, through the jet."""
    return np.asarray(sum(slopes[:, [d]] * a for d, a in enumerate(columns)))
