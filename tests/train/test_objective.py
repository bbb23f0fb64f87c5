import jax
import jax.numpy as jnp
import numpy as np
import pytest
from networks import small, table

from scikan.core.dataset import Dataset
from scikan.core.errors import SettingError, ShapeError, TableError
from scikan.core.kan import KAN
from scikan.train.objective import Classification, Regression, Residual, predict_proba


def test_regression_is_the_weighted_mean_square_in_network_units():
    x, y = table(50)
    data = Dataset.from_arrays(x, 1e4 * np.exp(y), test=0.0)
    model = KAN.for_data(data, [3])
    weight = np.linspace(0.0, 1.0, 50)
    residuals = Regression().residuals(model, data.x, data.y)
    inputs, targets = Regression().rows(model, data.x, data.y)
    stripped = Regression().strip(model)
    assert np.allclose(residuals, model.network(model.features(data.x)) - targets, atol=1e-12)
    expected = (weight * (residuals[:, 0] ** 2)).sum() / weight.sum()
    assert np.isclose(Regression().loss(stripped, inputs, targets, weight), expected, rtol=1e-12)


def test_softmax_curvature_is_the_hessian_of_the_cross_entropy():
    objective = Classification(3)
    logits, label = jnp.asarray([[0.3, -1.0, 0.8]]), jnp.asarray([[2]])
    cost = lambda z: objective.costs(z[None], label)[0]

    @jax.jit
    def evaluate(z):
        root = objective.whiten(z[None], jnp.eye(3)[None])[0]
        return objective.slopes(z[None], label)[0], jax.grad(cost)(z), root.T @ root, jax.hessian(cost)(z)

    slope, gradient, curvature, hessian = evaluate(logits[0])
    assert np.allclose(slope, gradient, atol=1e-14)
    assert np.allclose(curvature, hessian, atol=1e-14)


def test_probabilities_sum_to_one():
    probabilities = predict_proba(KAN([2, 3]), table(20)[0])
    assert probabilities.shape == (20, 3)
    assert np.allclose(probabilities.sum(axis=1), 1.0)


def test_targets_of_another_width_are_refused():
    x, y = table(20)
    with pytest.raises(ShapeError, match="2 columns"):
        Regression().rows(small(), x, np.hstack([y, y]))


def test_labels_that_are_no_class_are_refused():
    with pytest.raises(TableError, match="integers 0 to 1"):
        Classification(2).rows(KAN([2, 2]), table(20)[0], np.full((20, 1), 2.0))


def test_one_class_is_no_classification():
    with pytest.raises(SettingError):
        Classification(1)


def test_a_residual_that_is_not_one_a_row_is_refused():
    x, y = table(20)
    with pytest.raises(ShapeError, match="for 20 rows"):
        Residual(lambda model, x, y: (model(x) - y).mean()).rows(small(), x, y)


def test_a_target_outside_the_logarithm_is_named_by_row():
    x, y = table(20)
    model = KAN.for_data(Dataset.from_arrays(x, 1e3 ** (3.0 * y), test=0.0), [3])
    with pytest.raises(TableError, match="row 4"):
        Regression().rows(model, x, np.where(np.arange(20) == 4, -1.0, 1.0)[:, None])
