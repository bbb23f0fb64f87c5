"""Honest scores on held-out rows, and the two rivals beside every law: a linear model and boosted trees."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from threadpoolctl import threadpool_limits


MOST_ROWS = 100_000
"""Rows that boosting learns from; it is a rival to compare with, not the answer."""

Rows = Float[np.ndarray, "_ _"]


@dataclass(frozen=True)
class Score:
    """R^2 and root mean square error, in the target's units, over `rows` held-out rows.

    `relative` is the root mean square of log(prediction / truth), where errors are relative ones: R^2 and RMSE
    of a target over decades see its largest values only. None where it was not asked for.
    """

    r2: float
    rmse: float
    rows: int
    relative: float | None = None

    def to_dict(self) -> dict[str, float | int | None]:
        """Return plain numbers; what is not finite becomes None."""
        plain: dict[str, float | int | None] = {
            "r2": self.r2 if np.isfinite(self.r2) else None,
            "rmse": self.rmse if np.isfinite(self.rmse) else None,
            "rows": self.rows,
        }
        if self.relative is not None:
            plain["relative_rmse"] = self.relative if np.isfinite(self.relative) else None
        return plain


def score_predictions(prediction: Any, truth: Any, relative: bool = False) -> Score:
    """Return the score of predictions (rows,) or (rows, outputs) against the truth of the same shape.

    With `relative` (positive targets) the logarithmic error is scored too; a prediction of the wrong sign
    makes it infinite.

    A prediction that is undefined on some row scores R^2 = -inf: a formula has to hold everywhere.
    """
    p = np.asarray(prediction, float).reshape(len(truth), -1)
    t = np.asarray(truth, float).reshape(len(truth), -1)
    ratio = None
    if relative:
        with np.errstate(all="ignore"):
            logarithm = float(np.sqrt(np.mean(np.log(p / t) ** 2)))
        ratio = logarithm if np.isfinite(logarithm) else float("inf")
    residual = float(np.mean((p - t) ** 2))
    if not np.isfinite(residual):
        return Score(float("-inf"), float("inf"), len(t), ratio)
    variance = float(np.mean((t - t.mean(axis=0)) ** 2))
    r2 = 1.0 - residual / variance if variance > 0 else float("nan")
    return Score(r2, float(np.sqrt(residual)), len(t), ratio)


def linear_predictions(fit_x: Rows, fit_y: Any, x: Rows) -> Any:
    """Return an ordinary least-squares model's predictions."""
    centre, spread = fit_x.mean(axis=0), fit_x.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)

    def columns(rows: Rows) -> Any:
        return np.column_stack([np.ones(len(rows)), (rows - centre) / spread])

    return columns(x) @ np.linalg.lstsq(columns(fit_x), fit_y, rcond=None)[0]


def boosting_predictions(fit_x: Rows, fit_y: Any, x: Rows, key: int = 0) -> Any:
    """Return gradient boosting's predictions (scikit-learn's histogram trees, default settings)."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    fit_y = np.asarray(fit_y, float).reshape(len(fit_x), -1)
    if len(fit_x) > MOST_ROWS:
        chosen = np.random.default_rng(key).choice(len(fit_x), MOST_ROWS, replace=False)
        fit_x, fit_y = fit_x[chosen], fit_y[chosen]
    leaf = max(2, min(20, len(fit_x) // 10))
    # OpenMP threads wait by spinning: where cores are shared, two are twenty times slower than one.
    with threadpool_limits(limits=1, user_api="openmp"):
        predictions = [
            HistGradientBoostingRegressor(random_state=key, min_samples_leaf=leaf)
            .fit(fit_x, column)
            .predict(x)
            for column in fit_y.T
        ]
    return np.stack(predictions, axis=1)
