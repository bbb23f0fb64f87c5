r"""Penalties that make a network sparse and smooth, on the spread of its edges rather than on coefficients.

With $E_{ij}$ the standard deviation of an edge over the rows and $V_{ij}$ that spread in the units of a metric,
$R = \lambda \sum_l (\ell_1 \sum V + h\,(\overline{H}_{rows} + \overline{H}_{columns}))$ plus terms in the
coefficients. $H$ is the entropy (base 2) of a row or column of $V$ divided by its sum, a true distribution, so
it does not see the scale (Liu et al. 2024, KAN, section 2.5, where the mean absolute value stands for E).
Spreads come from the covariance of the basis: no (batch, inputs, outputs) array for spline layers.
"""

from abc import abstractmethod
from typing import Any, Literal

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from scikan.core.errors import SettingError
from scikan.core.kan import KAN
from scikan.core.layer import Layer
from scikan.train.parameters import coefficient_places, vector


Setting = Float[Array | np.ndarray, ""]


def setting(default: float) -> Any:
    """Return a field for a tunable number: an array, so that another value compiles nothing."""
    return eqx.field(converter=as_setting, default=default)


def as_setting(value: Any) -> Any:
    """Return numbers as arrays; what is none (a tracer, a placeholder) passes."""
    return np.asarray(value, float) if isinstance(value, int | float | np.number) else value


def check_settings(owner: Any, names: tuple[str, ...]) -> None:
    """Check that the numbers among an object's settings are neither negative nor NaN.

    Raises:
        SettingError: one is.
    """
    for name in names:
        value = getattr(owner, name)
        if isinstance(value, np.ndarray) and value.dtype.kind == "f" and not np.all(value >= 0):
            raise SettingError(
                f"{type(owner).__name__}({name}={value}) makes no sense.", fix=f"use {name} >= 0"
            )


class AbstractPenalty(eqx.Module):
    """A number added to the loss that depends on the model and its inner values."""

    @abstractmethod
    def __call__(
        self, model: KAN, inputs: Float[Array, "batch inputs"], weight: Float[Array, " batch"]
    ) -> Any:
        """Return the penalty, a scalar, for network-side inputs and row weights."""

    @abstractmethod
    def curvature(
        self, model: KAN, inputs: Float[Array, "batch inputs"], weight: Float[Array, " batch"]
    ) -> Any:
        """Return a positive semidefinite (parameters, parameters) matrix to add to a Gauss-Newton matrix."""


class Sparsity(AbstractPenalty):
    """Few, simple, smooth edges.

    Args:
        strength: the factor before everything; 1e-3 is a start for targets of order one.
        l1: weight of the sum of spreads; larger switches edges off.
        entropy: weight of the entropies; larger concentrates each node on few edges.
        smooth: weight of the squared second differences of spline coefficients; larger straightens edges.
        coefficient: weight of the absolute coefficients.
        concave: 0 counts every spread in full. c > 0 counts a spread V as s log(1 + V / s), with s the share c of the
            layer's largest: small edges are pulled as before, large ones hardly, so that few are left
            (the penalty that reweighted L1 descends: Candès, Wakin and Boyd 2008, eq. 8). Start without.
        metric: "spread" measures an edge's spread against that of its input (a slope, roughly), "edge" takes
            the spread itself, "attribution" the share of the outputs' variation that runs through the edge.
    """

    strength: Setting = setting(1e-3)
    l1: Setting = setting(1.0)
    entropy: Setting = setting(2.0)
    smooth: Setting = setting(0.0)
    coefficient: Setting = setting(0.0)
    metric: Literal["spread", "edge", "attribution"] = eqx.field(static=True, default="spread")
    concave: Setting = setting(0.0)

    def __check_init__(self) -> None:
        check_settings(self, ("strength", "l1", "entropy", "smooth", "coefficient", "concave"))

    def __call__(
        self, model: KAN, inputs: Float[Array, "batch inputs"], weight: Float[Array, " batch"]
    ) -> Any:
        total: Any = jnp.zeros((), inputs.dtype)
        for layer, values in zip(model.layers, self._measure(model, inputs, weight), strict=True):
            total = total + self.l1 * self._pulled(values).sum()
            total = total + self.entropy * (_entropy(values) + _entropy(values.T))
            on = _on(layer)[:, None, :]
            total = total + self.smooth * bending(layer)
            total = total + self.coefficient * (jnp.abs(layer.splines.coef) * on).mean(axis=2).sum()
        return self.strength * total

    def _pulled(self, values: Any) -> Any:
        soft = self.concave * values.max()
        safe = jnp.where(soft > 0, soft, 1.0)
        return jnp.where(soft > 0, safe * jnp.log1p(values / safe), values)

    def _slope(self, values: Any) -> Any:
        soft = self.concave * values.max()
        return jnp.where(soft > 0, soft / _safe(soft + values), 1.0)

    def _measure(self, model: KAN, inputs: Any, weight: Any) -> list[Any]:
        """Return V of every layer, (inputs, outputs)."""
        measured = []
        values, rest = inputs, []
        for layer in model.layers:
            spread, _ = edge_spreads(layer, values, weight)
            measured.append(spread)
            rest.append((_input_scale(values, weight), _deviation(layer.sums(values), weight)))
            values = layer(values)
        if self.metric == "edge":
            return measured
        if self.metric == "spread":
            return [spread / scale[:, None] for spread, (scale, _) in zip(measured, rest, strict=True)]
        shares = [spread / _safe(total) for spread, (_, total) in zip(measured, rest, strict=True)]
        return _attributed(model, shares)

    def curvature(
        self, model: KAN, inputs: Float[Array, "batch inputs"], weight: Float[Array, " batch"]
    ) -> Any:
        r"""Return the quadratic majoriser of the L1 term, and the exact form of the smoothness.

        $\sqrt{w^T C w} \le w^T C w / 2 E + E / 2$ with $E$ the present spread (reweighted least squares). The
        entropy enters a Gauss-Newton step by its gradient alone.
        """
        form = jnp.zeros((vector(model).size,) * 2, inputs.dtype)
        values = inputs
        for layer, place in zip(model.layers, coefficient_places(model), strict=True):
            coef = layer.splines.coef
            n_inputs, n_basis, n_outputs = coef.shape
            spread, covariance = edge_spreads(layer, values, weight)
            block = (
                2.0
                * self.smooth
                * bending_form(n_basis, coef.dtype)[None, :, :, None]
                * _on(layer)[:, None, None, :]
            )
            if covariance is not None and self.metric != "attribution":
                scale = _input_scale(values, weight)[:, None] if self.metric == "spread" else 1.0
                floor = 1e-4 * spread.max() + float(np.finfo(coef.dtype).tiny) ** 0.5
                # The logarithm lies below its tangent, so that the majoriser holds with the slope there.
                factor = (
                    self.l1 * self._slope(spread / scale) / (scale * jnp.maximum(spread, floor)) * _on(layer)
                )
                block = block + covariance[:, :n_basis, :n_basis, None] * factor[:, None, None, :]
            size = jnp.abs(coef)
            pull = self.coefficient / (
                n_outputs * (size + 1e-4 * size.max() + float(np.finfo(coef.dtype).tiny) ** 0.5)
            )
            dense = jnp.einsum(
                "igho,ij,ok->igojhk",
                block,
                jnp.eye(n_inputs, dtype=coef.dtype),
                jnp.eye(n_outputs, dtype=coef.dtype),
            ).reshape(coef.size, coef.size)
            dense = dense + jnp.diag((pull * _on(layer)[:, None, :]).reshape(-1))
            form = form.at[place, place].set(self.strength * dense)
            values = layer(values)
        return form


def edge_spreads(layer: Layer, x: Any, weight: Any) -> tuple[Any, Any]:
    """Return the standard deviations of all edges (inputs, outputs), and the covariance of the basis.

    The covariance (inputs, basis, basis) is None for layers with named edges, which are measured directly.
    """
    share = weight / _safe(weight.sum())
    if layer.symbols is not None:
        edges = layer.edges(x)
        edges = edges - jnp.einsum("n,nio->io", share, edges)
        return safe_root(jnp.einsum("n,nio->io", share, edges**2)), None
    columns = layer.splines.features(x)
    columns = columns - jnp.einsum("n,nig->ig", share, columns)
    covariance = jnp.einsum("n,nig,nih->igh", share, columns, columns)
    weights = layer.splines.weights()
    if layer.splines.base_function is None:
        # The basis sums to one, so a constant may be taken off: without it the form loses no digits.
        weights = weights - weights.mean(axis=1, keepdims=True)
    variance = jnp.einsum("igo,igh,iho->io", weights, covariance, weights)
    return safe_root(variance), covariance


def bending(layer: Layer) -> Any:
    """Return the sum of squared second differences of the coefficients of live spline edges."""
    return (jnp.diff(layer.splines.coef, n=2, axis=1) ** 2 * _on(layer)[:, None, :]).sum()


def bending_form(n_basis: int, dtype: Any) -> Any:
    """Return D^T D, (basis, basis), of second differences D."""
    difference = np.diff(np.eye(n_basis), n=2, axis=0)
    return jnp.asarray(difference.T @ difference, dtype)


def safe_root(variance: Any) -> Any:
    """Return the square root, zero with zero slope where the variance is not positive (an edge that is off)."""
    positive = variance > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, variance, 1.0)), 0.0)


def _deviation(values: Any, weight: Any) -> Any:
    share = weight / _safe(weight.sum())
    centred = values - share @ values
    return safe_root(share @ centred**2)


def _input_scale(values: Any, weight: Any) -> Any:
    """Return the inputs' standard deviations, kept off zero in proportion to the layer's largest."""
    deviation = _deviation(values, weight)
    return _safe(deviation + 1e-3 * deviation.max())


def _attributed(model: KAN, shares: list[Any]) -> list[Any]:
    """Return KAN 2.0's edge scores: each node's score handed down to its edges by their share of its sum."""
    score = jnp.ones(model.n_outputs, shares[-1].dtype) / model.n_outputs
    scores: list[Any] = []
    for layer, share in zip(reversed(model.layers), reversed(shares), strict=True):
        edges = share * score[layer.nodes.owner()]
        scores.insert(0, edges)
        score = edges.sum(axis=1)
    return scores


def _entropy(values: Any) -> Any:
    """Return the mean entropy in bits of the rows, each divided by its sum."""
    p = values / _safe(values.sum(axis=1, keepdims=True))
    positive = p > 0
    return -jnp.where(positive, p * jnp.log2(jnp.where(positive, p, 1.0)), 0.0).sum(axis=1).mean()


def _safe(divisor: Any) -> Any:
    return jnp.where(divisor > 0, divisor, jnp.ones_like(divisor))


def _on(layer: Layer) -> Any:
    return layer.splines.mask * layer.splines.allowed
