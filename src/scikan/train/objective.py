r"""What a fit makes small: regression, classification, or any residual that can be differentiated.

An objective maps a model and rows to outputs $z_n$ (residuals or logits) and says what one row of them costs.
Least-squares objectives cost $|z_n|^2$; classification costs the cross-entropy of a softmax. Both offer the
generalised Gauss-Newton form that Levenberg-Marquardt needs: the slope $\partial \ell / \partial z$ and
a root of the curvature $\partial^2 \ell / \partial z^2$. Losses are means over rows, weighted by row weights.
`strip` and `rows` run on the host, once a fit: what does not change while training (feature map, readout) is
applied to the rows and taken off the model.
"""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from scikan.core.errors import SettingError, ShapeError, TableError
from scikan.core.features import identity
from scikan.core.kan import KAN
from scikan.core.precision import namespace
from scikan.core.trees import updated
from scikan.train.penalty import AbstractPenalty as AbstractPenalty
from scikan.train.penalty import Sparsity as Sparsity


class AbstractObjective(eqx.Module):
    """A loss that is a weighted mean over rows."""

    @abstractmethod
    def residuals(self, model: KAN, x: Any, y: Any) -> Any:
        """Return what should become zero, (batch, outputs), for rows x (batch, columns) and y."""

    def outputs(self, model: KAN, x: Any, y: Any) -> Any:
        """Return the values (batch, outputs) whose Jacobian is taken; row n depends on row n of x, y only."""
        return self.residuals(model, x, y)

    def costs(self, outputs: Any, y: Any) -> Any:
        """Return the cost of every row, (batch,)."""
        return (outputs**2).sum(axis=1)

    def slopes(self, outputs: Any, y: Any) -> Any:
        """Return d cost / d outputs, (batch, outputs)."""
        return 2.0 * outputs

    def whiten(self, outputs: Any, jacobian: Any) -> Any:
        """Return A (batch, outputs, parameters) with A^T A the Gauss-Newton curvature of every row."""
        return jacobian * 2.0**0.5

    def loss(self, model: KAN, x: Any, y: Any, weight: Any) -> Any:
        """Return the weighted mean of the rows' costs, a scalar; weight is (batch,)."""
        total = weight.sum()
        # All weights zero can only be a minibatch of zero-weight rows: it then costs nothing.
        safe = namespace(total).where(total > 0, total, total + 1)
        return (self.costs(self.outputs(model, x, y), y) * weight).sum() / safe

    def strip(self, model: KAN) -> KAN:
        """Return the model as the training loop sees it; here without the maps that `rows` has applied."""
        where: Any = lambda m: (m.features, m.readout)
        bare: KAN = updated(where, _blank(model), (identity(), identity()))
        return bare

    @abstractmethod
    def rows(self, model: KAN, x: Any, y: Any) -> tuple[Any, Any]:
        """Return rows as the training loop sees them, in NumPy, for raw x (batch, columns), y (batch, targets).

        Raises:
            ShapeError: if y does not fit the model.
            TableError: if a feature or the readout is undefined on a row.
        """


class Regression(AbstractObjective):
    """Mean square error in the network's own units.

    The target passes through the inverse of the readout once, before training: scales and logarithms of the
    target are not trained, and a logarithmic readout means relative errors.
    """

    def residuals(self, model: KAN, x: Any, y: Any) -> Any:
        return model.network(model.features(x)) - model.readout.inverse()(y)

    def rows(self, model: KAN, x: Any, y: Any) -> tuple[Any, Any]:
        if y.shape[1] != model.n_outputs:
            raise ShapeError(
                f"The targets have {y.shape[1]} columns, the model has {model.n_outputs} outputs.",
                fix="build the KAN with one output for each target, as KAN.for_data does",
            )
        targets = np.asarray(model.readout.inverse()(y))
        _check_rows(targets, "target", "the readout (a logarithm needs positive targets)")
        return _network_inputs(model, x), targets.astype(model.dtype)


class Classification(AbstractObjective):
    """Cross-entropy of a softmax over the network's outputs, for labels 0, 1, ..., n_classes - 1.

    The network's outputs are the logits; `predict_proba` turns them into probabilities.
    """

    n_classes: int = eqx.field(static=True)

    def __check_init__(self) -> None:
        if self.n_classes < 2:
            raise SettingError(f"Classification into {self.n_classes} classes.", fix="use n_classes >= 2")

    def residuals(self, model: KAN, x: Any, y: Any) -> Any:
        return self.slopes(self.outputs(model, x, y), y)

    def outputs(self, model: KAN, x: Any, y: Any) -> Any:
        return model.network(model.features(x))

    def costs(self, outputs: Any, y: Any) -> Any:
        picked = (outputs * self._one_hot(outputs, y)).sum(axis=1)
        return jax.scipy.special.logsumexp(outputs, axis=1) - picked

    def slopes(self, outputs: Any, y: Any) -> Any:
        return _softmax(outputs) - self._one_hot(outputs, y)

    def whiten(self, outputs: Any, jacobian: Any) -> Any:
        # diag(p) - p p^T = R R^T with R = diag(sqrt p) - p sqrt(p)^T.
        p = _softmax(outputs)
        root = jnp.sqrt(p)
        mean = jnp.einsum("bm,bmp->bp", p, jacobian)
        return root[:, :, None] * (jacobian - mean[:, None, :])

    def _one_hot(self, outputs: Any, y: Any) -> Any:
        xp = namespace(outputs, y)
        return (y[:, :1] == xp.arange(self.n_classes)).astype(outputs.dtype)

    def rows(self, model: KAN, x: Any, y: Any) -> tuple[Any, Any]:
        if model.n_outputs != self.n_classes:
            raise ShapeError(
                f"The model has {model.n_outputs} outputs for {self.n_classes} classes.",
                fix=f"build it with {self.n_classes} outputs, e.g. KAN([2, 3, {self.n_classes}])",
            )
        labels = np.asarray(y)
        known = (labels == np.round(labels)) & (labels >= 0) & (labels < self.n_classes)
        if labels.shape[1] != 1 or not known.all():
            raise TableError(
                f"Class labels must be one column of integers 0 to {self.n_classes - 1}; "
                f"got shape {labels.shape} with values from {labels.min():g} to {labels.max():g}.",
                fix="number the classes: np.unique(labels, return_inverse=True)[1]",
            )
        return _network_inputs(model, x), labels.astype(np.int32)


class Residual(AbstractObjective):
    """Mean square of any residual, e.g. of a differential equation.

    Args:
        function: `function(model, x, y)` with raw rows x (batch, columns) and y (batch, targets); returns
            (batch,) or (batch, outputs). Row n may depend on row n only; derivatives of the model by its
            columns are taken with `jax.grad` and friends, in the user's units.

    Example:
        >>> def decay(model, x, y):
        ...     slope = jax.vmap(jax.grad(lambda t: model(t[None])[0, 0]))(x)
        ...     return slope + model(x)
        >>> objective = Residual(decay)
    """

    function: Callable[[KAN, Any, Any], Any]

    def residuals(self, model: KAN, x: Any, y: Any) -> Any:
        return self.function(model, x, y).reshape(x.shape[0], -1).astype(model.dtype)

    def strip(self, model: KAN) -> KAN:
        # The maps stay: the user's function differentiates through them.
        return _blank(model)

    def rows(self, model: KAN, x: Any, y: Any) -> tuple[Any, Any]:
        rows, targets = x.astype(model.dtype), y.astype(model.dtype)
        _network_inputs(model, x)
        shape = eqx.filter_eval_shape(self.function, model, jnp.asarray(rows), jnp.asarray(targets)).shape
        if not shape or shape[0] != len(x):
            raise ShapeError(
                f"The residual function returned shape {shape} for {len(x)} rows.",
                fix="return one residual, or one row of residuals, for each row of x",
            )
        return rows, targets


def predict_proba(model: KAN, x: Any) -> Any:
    """Return class probabilities (batch, classes) of a model trained with `Classification`, for raw columns."""
    x = model._check(x)
    with np.errstate(all="ignore"):
        return _softmax(model.network(model.features(x)))


def _softmax(logits: Any) -> Any:
    xp = namespace(logits)
    raised = xp.exp(logits - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def _blank(model: KAN) -> KAN:
    """Return the model without names: they are static, and would be part of every compiled program's key."""
    return model.with_names([""] * len(model.names), [""] * len(model.targets))


def _network_inputs(model: KAN, x: Any) -> Any:
    inputs = np.asarray(model.features(model._check(x)))
    _check_rows(inputs, "input", "the feature map (a logarithm needs positive columns)")
    # A scale is kept in double precision: times a float32 column it would make all that follows double.
    return inputs.astype(model.dtype)


def _check_rows(values: Any, what: str, where: str) -> None:
    bad = ~np.isfinite(values)
    if bad.any():
        row, column = (int(i) for i in np.argwhere(bad)[0])
        raise TableError(
            f"The {what} of row {row}, column {column}, is undefined behind {where}.",
            fix="drop such rows, or build the KAN with other scales",
        )
