"""KANs as scikit-learn estimators: `fit`, `predict`, and then the diagram and the formula.

Both estimators use every row that they are given and hold nothing back: what judges them is the caller's
business (cross-validation, a grid search). Knots and scales are laid over distinct rows, so a row of weight 2
and a row given twice are the same thing. The fitted network is `model_`, an ordinary `KAN`: prune it, name
its edges, save it.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, column_or_1d, validate_data
from threadpoolctl import threadpool_limits

from scikan.app.softmax import fit_softmax
from scikan.core import bspline
from scikan.core.dataset import Dataset
from scikan.core.errors import ColumnError, SettingError, TableError
from scikan.core.features import Chain, Scale, identity, natural_scale
from scikan.core.kan import KAN, WidthEntry
from scikan.core.names import numbered_names, own_names
from scikan.core.trees import updated
from scikan.law.record import Law
from scikan.train.fit import fit
from scikan.train.marquardt import LevenbergMarquardt
from scikan.train.objective import AbstractObjective, Classification, Regression, predict_proba


MOST_PARAMETERS = 1500
MOST_NUMBERS = 30_000_000
"""Largest network, and largest Jacobian (entries), that are fitted without compiling anything."""

SIZES: tuple[tuple[WidthEntry, ...], ...] = (((5, 1),), ((3, 1),), ((2, 1),))
"""Hidden layers to choose from, the largest first."""

Matrix = Float[np.ndarray, "_ _"]


class AbstractKANEstimator(BaseEstimator):
    """What regressor and classifier share: settings, the network's construction, diagram and formula."""

    # Settings are `Any` because scikit-learn promises that they are judged in `fit`, not here.
    def __init__(
        self,
        *,
        hidden: Any = None,
        grid: Any = 5,
        k: Any = 3,
        steps: Any = 50,
        penalty: Any = 3e-3,
        logarithms: Any = False,
        random_state: Any = None,
    ) -> None:
        self.hidden = hidden
        self.grid = grid
        self.k = k
        self.steps = steps
        self.penalty = penalty
        self.logarithms = logarithms
        self.random_state = random_state

    def _rows(self, X: Any, y: Any, sample_weight: Any) -> tuple[Matrix, Any, Any]:
        """Return the rows that count; a row of weight zero must leave no trace, not even in the knots."""
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        on = weight > 0
        if on.sum() < 2:
            raise TableError(
                f"Of {len(X)} rows only {int(on.sum())} has a weight above zero (n_samples = 1).",
                fix="give at least two rows a positive weight",
            )
        return X[on], y[on], weight[on]

    def _train(self, model: KAN, X: Matrix, y: Matrix, weight: Any, objective: AbstractObjective) -> None:
        """Fit the network: small ones compile nothing."""
        if not self.penalty >= 0:
            raise SettingError(f"penalty={self.penalty} makes no sense.", fix="use penalty >= 0")
        bend = float(1e-9 + self.penalty)
        size = sum(layer.splines.coef.size for layer in model.layers)
        small = size <= MOST_PARAMETERS and size * len(X) * model.n_outputs <= MOST_NUMBERS
        if small and isinstance(objective, Classification):
            codes = y[:, 0].astype(int)
            with threadpool_limits(limits=1, user_api="blas"):
                self.model_, self.log_ = fit_softmax(model, X, codes, weight, steps=self.steps, bend=bend)
        else:
            optimiser = LevenbergMarquardt(bend=np.asarray(bend), backend="numpy" if small else "auto")
            self.model_, self.log_ = fit(
                model, (X, y, weight), optimiser, steps=self.steps, objective=objective
            )

    def _network(self, X: Matrix, targets: Sequence[str], readout: Chain) -> KAN:
        """Return the untrained network over distinct rows X."""
        if not isinstance(self.hidden, Sequence | None):
            raise SettingError(f"hidden={self.hidden!r} is no list of layers.", fix="use hidden=(5,)")
        names, n = self._names(), X.shape[1]
        targets = [f"{name}_" if name in names else name for name in targets]
        hidden = self._hidden(len(X), n, len(targets)) if self.hidden is None else self.hidden
        scales = tuple(_log_scales(X)) if self.logarithms else ("linear",) * n
        features = natural_scale(X, scales)
        key = int(check_random_state(self.random_state).randint(2**31 - 1))
        model = KAN(
            [n, *hidden, len(targets)],
            self.grid,
            self.k,
            key,
            names=names,
            targets=targets,
            features=features,
            readout=readout,
        )
        knots = bspline.sample_knots(features(X), self.grid, self.k)
        domain = np.stack([X.min(axis=0), X.max(axis=0)], axis=1)
        laid: KAN = updated(lambda m: (m.layers[0].splines.knots, m.domain), model, (knots, domain))
        return laid

    def _hidden(self, n_rows: int, n_inputs: int, n_outputs: int) -> tuple[WidthEntry, ...]:
        """Return the largest hidden layer with fewer numbers than rows, or none: a sum of curves, one a column."""
        for size in SIZES:
            sums, products = size[0]  # type: ignore[misc]
            n_numbers = (n_inputs * (sums + 2 * products) + (sums + products) * n_outputs) * (
                self.grid + self.k
            )
            if n_numbers <= min(n_rows, MOST_PARAMETERS // 2):
                return size
        return ()

    def _names(self) -> tuple[str, ...]:
        given = getattr(self, "feature_names_in_", None)
        return numbered_names("x", self.n_features_in_) if given is None else tuple(map(str, given))

    def _outputs(self, X: Any, head: Any) -> Any:
        check_is_fitted(self)
        rows = validate_data(self, X, dtype=np.float64, reset=False)
        outputs = np.asarray(head(self.model_, rows))
        if not np.isfinite(outputs).all():
            raise self._undefined(rows)
        return outputs

    def _undefined(self, rows: Matrix) -> ColumnError:
        inputs = np.asarray(self.model_.features(rows))
        bad = np.argwhere(~np.isfinite(inputs))
        if not len(bad):
            at = int(np.argmax(~np.isfinite(self.model_(rows)).all(axis=1)))
            return ColumnError(f"The network has no value for row {at}.", fix="leave this row out")
        row, column = (int(i) for i in bad[0])
        return ColumnError(
            f'Column "{self.model_.names[column]}" is {rows[row, column]:g} in row {row}, and the network takes '
            "its logarithm: all training values were positive.",
            fix="leave this row out, or fit with logarithms=False",
        )

    def plot(self) -> Any:
        """Return the diagram of the fitted network, a matplotlib Figure."""
        from scikan.show.plot import plot

        check_is_fitted(self)
        return plot(self.model_, self.data_)

    def formula(self) -> Law:
        """Return the law that the network has found: its edges named one after the other, its constants snapped.

        Raises:
            NotSymbolicError: some edges have no name in the library; they are listed.
        """
        from scikan.law.snapping import snap_law
        from scikan.symbolic.formula import formula
        from scikan.symbolic.naming import auto_symbolic

        check_is_fitted(self)
        named, _ = auto_symbolic(self.model_, self.data_)
        return snap_law(formula(named), self.data_)


class KANRegressor(RegressorMixin, AbstractKANEstimator):  # type: ignore[misc]
    """A Kolmogorov-Arnold network that predicts numbers, trained by Levenberg-Marquardt on all rows.

    Args:
        hidden: hidden layers, e.g. `((5, 1),)` for five sums and one product; `()` adds one curve for each column.
            By default as many nodes as the rows can teach.
        grid: grid intervals of every spline; more follow finer detail and need more rows.
        k: spline degree, 1 to 5.
        steps: largest number of training steps.
        penalty: weight of the curves' bending, relative to the target's variance; larger is smoother.
        logarithms: whether the network sees positive columns over two decades, the target too, by their
            logarithms: power laws become sums, errors relative. Later rows have to be positive there, too.
        random_state: seed of the random start.

    Attributes:
        model_: the fitted `KAN`; `log_`: its `FitLog`; `data_`: the rows as a `Dataset`.
        n_features_in_, feature_names_in_: as in scikit-learn.

    Example:
        >>> model = KANRegressor(random_state=0).fit(X, y)
        >>> model.score(X_test, y_test), model.formula()
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Return the estimator, fitted to X (rows, columns) and y (rows,) or (rows, targets).

        Raises:
            ValueError: the arrays do not fit each other, or hold text, missing or infinite cells.
        """
        targets = own_names(y)
        X, y = validate_data(
            self, X, y, dtype=np.float64, multi_output=True, y_numeric=True, ensure_min_samples=2
        )
        goal = np.asarray(y, np.float64).reshape(len(y), -1)
        X, goal, weight = self._rows(X, goal, sample_weight)
        self._flat = np.ndim(y) == 1
        targets = targets or numbered_names("y", goal.shape[1])
        distinct = _distinct(X, goal)
        model = self._network(distinct[:, : X.shape[1]], targets, self._readout(distinct[:, X.shape[1] :]))
        self._train(model, X, goal, weight, Regression())
        self.data_ = Dataset.from_arrays(
            X, goal, names=model.names, targets=model.targets, weight=weight, test=0
        )
        return self

    def _readout(self, goal: Matrix) -> Chain:
        """Return the map from outputs of order one to targets: their spread, behind an exponential where asked."""
        scales = tuple(_log_scales(goal)) if self.logarithms else ("linear",) * goal.shape[1]
        forward = natural_scale(goal, scales)
        spread = forward(goal).std(axis=0)
        floor = 1e-12 * np.abs(forward(goal)).max(axis=0)
        spread = np.where(spread > floor, spread, 1.0)
        return Chain((*forward.maps, Scale(1.0 / spread))).inverse()

    def predict(self, X: Any) -> np.ndarray:
        """Return predictions (rows,), or (rows, targets) if `fit` was given a matrix y.

        Raises:
            NotFittedError: before `fit`.
            ValueError: X has other columns than in `fit`, or the network is undefined on a row.
        """
        outputs: np.ndarray = self._outputs(X, lambda model, rows: model(rows))
        return outputs[:, 0] if self._flat else outputs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


class KANClassifier(ClassifierMixin, AbstractKANEstimator):  # type: ignore[misc]
    """A Kolmogorov-Arnold network that predicts classes: a softmax over one output a class.

    Args:
        hidden, grid, k, steps, penalty, logarithms, random_state: as in `KANRegressor`; logarithms concern
            input columns only.

    Attributes:
        model_: the fitted `KAN`, whose outputs are the logits; `log_`: its `FitLog`.
        data_: the rows as a `Dataset` with the logits as targets, which is what `formula` describes.
        classes_, n_features_in_, feature_names_in_: as in scikit-learn.
    """

    def __init__(
        self,
        *,
        hidden: Any = None,
        grid: Any = 3,
        k: Any = 3,
        steps: Any = 50,
        penalty: Any = 1e-3,
        logarithms: Any = False,
        random_state: Any = None,
    ) -> None:
        super().__init__(
            hidden=hidden,
            grid=grid,
            k=k,
            steps=steps,
            penalty=penalty,
            logarithms=logarithms,
            random_state=random_state,
        )

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Return the estimator, fitted to X (rows, columns) and labels y (rows,) of any type.

        Raises:
            ValueError: the arrays do not fit each other, X holds text, missing or infinite cells, or y one class only.
        """
        X, y = validate_data(self, X, y, dtype=np.float64, ensure_min_samples=2)
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        X, y, weight = self._rows(X, y, sample_weight)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise TableError(
                f"y holds one class only ({self.classes_[0]!r}), so there is nothing to tell apart.",
                fix="give rows of at least two classes",
            )
        labels = codes.astype(np.float64)[:, None]
        distinct = _distinct(X, labels)[:, : X.shape[1]]
        model = self._network(distinct, [f"logit_{label}" for label in self.classes_], identity())
        self._train(model, X, labels, weight, Classification(len(self.classes_)))
        logits = np.asarray(self.model_(X), np.float64)
        self.data_ = Dataset.from_arrays(
            X, logits, names=model.names, targets=model.targets, weight=weight, test=0
        )
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of every class, (rows, classes), in the order of `classes_`.

        Raises:
            NotFittedError: before `fit`.
            ValueError: X has other columns than in `fit`, or the network is undefined on a row.
        """
        probabilities: np.ndarray = self._outputs(X, predict_proba)
        return probabilities

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable class of every row, (rows,)."""
        most_probable = self.predict_proba(X).argmax(axis=1)
        labels: np.ndarray = self.classes_[most_probable]
        return labels


def _distinct(X: Matrix, y: Matrix) -> Matrix:
    """Return the distinct rows of inputs and targets side by side (all of them if they are all one row)."""
    rows = np.hstack([X, y])
    distinct: Matrix = np.unique(rows, axis=0)
    return distinct if len(distinct) > 1 else rows


def _log_scales(columns: Matrix) -> Any:
    return Dataset.from_arrays(columns, columns[:, 0], test=0).input_scales
