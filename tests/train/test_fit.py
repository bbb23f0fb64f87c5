import jax
import numpy as np
import pytest
from networks import arrays, same, small, table, with_edge

from scikan.core.dataset import Dataset
from scikan.core.errors import KanError, SettingError, ShapeError, TableError, TrainingError
from scikan.core.kan import KAN, Ensemble
from scikan.edit.surgery import remove_edges
from scikan.train.fit import _check_settings, fit
from scikan.train.grids import GridUpdates
from scikan.train.lbfgs import LBFGS
from scikan.train.marquardt import LevenbergMarquardt
from scikan.train.objective import Classification, Regression, Residual, predict_proba
from scikan.train.optimiser import Adam
from scikan.train.penalty import Sparsity


X, Y = table(200)
JAX_LM = LevenbergMarquardt(backend="jax")
OPTIMISERS = [LevenbergMarquardt(), JAX_LM, LBFGS(), Adam(0.03)]
NAMES = ["numpy", "jax", "lbfgs", "adam"]


@pytest.mark.parametrize("optimiser", OPTIMISERS, ids=NAMES)
def test_every_optimiser_lowers_the_loss_and_the_model_stays_numpy(optimiser):
    model = small()
    model, log = fit(model, (X, Y), optimiser, steps=40)
    assert log.train[-1] < 0.1 * log.train[0]
    assert log.steps == len(log.train) == len(log.test) == len(log.penalty)
    assert all(isinstance(leaf, np.ndarray) for leaf in arrays(model))
    assert np.isclose(np.mean((model(X) - Y) ** 2), log.best_value, rtol=1e-3, atol=1e-5)
    assert "FitLog(" in repr(log) and "\n" not in repr(log)


@pytest.mark.parametrize("optimiser", OPTIMISERS, ids=NAMES)
def test_twenty_steps_equal_ten_and_ten_bit_for_bit(optimiser):
    whole, log = fit(small(), (X, Y), optimiser, steps=20)
    _, first = fit(small(), (X, Y), optimiser, steps=10)
    resumed, second = fit(small(), (X, Y), optimiser, steps=10, resume=first.state)
    assert same(whole, resumed) and same(log.state, second.state)
    assert np.array_equal(log.train[10:], second.train)


def test_minibatches_resume_bit_for_bit_too():
    settings = dict(batch=32, key=3, grid=None)
    whole, log = fit(small(), (X, Y), Adam(), steps=20, **settings)
    _, first = fit(small(), (X, Y), Adam(), steps=10, **settings)
    resumed, second = fit(small(), (X, Y), Adam(), steps=10, resume=first.state, **settings)
    assert same(whole, resumed) and np.array_equal(log.train[10:], second.train)
    other, _ = fit(small(), (X, Y), Adam(), steps=20, batch=32, key=4, grid=None)
    assert not same(whole, other)


@pytest.mark.parametrize("optimiser", OPTIMISERS[1:], ids=NAMES[1:])
def test_a_float32_model_stays_float32(optimiser):
    model, log = fit(KAN([2, 1], grid=3, dtype=np.float32), (X, Y), optimiser, steps=10)
    assert {leaf.dtype for leaf in arrays(model) if leaf.dtype.kind == "f"} == {np.dtype(np.float32)}
    assert log.train.dtype == np.float32 and log.train[-1] < log.train[0]


def test_a_float32_model_does_not_take_the_numpy_backend():
    with pytest.raises(SettingError, match="float64"):
        fit(small(dtype=np.float32), (X, Y), LevenbergMarquardt(backend="numpy"))


@pytest.mark.parametrize("optimiser", OPTIMISERS, ids=NAMES)
def test_masked_and_locked_edges_do_not_move(optimiser):
    model = remove_edges(small(), [(0, 0, 1)])
    model.layers[0].locked[1, 2] = True
    fitted, _ = fit(model, (X, Y), optimiser, steps=10, grid=None)
    before, after = (m.layers[0].splines.coef for m in (model, fitted))
    assert np.array_equal(before[0, :, 1], after[0, :, 1])
    assert np.array_equal(before[1, :, 2], after[1, :, 2])
    assert not np.array_equal(before[0, :, 0], after[0, :, 0])


def test_sparsity_concentrates_the_network():
    plain, _ = fit(small(), (X, Y), JAX_LM, steps=30)
    sparse, log = fit(small(), (X, Y), JAX_LM, steps=30, penalty=Sparsity(3e-3))

    def weak(model):
        spread = model.layers[0].edges(X).std(axis=0)
        return int(np.sum(spread < 0.05 * spread.max()))

    assert 0 < log.best_value < log.train[0] + log.penalty[0]
    assert weak(sparse) > weak(plain)


def test_a_named_edge_driven_out_of_its_domain_is_rolled_back():
    model = with_edge(small(), (0, 0, 1), "log", (1.0, 1.05, 1.0, 0.0))
    fitted, log = fit(model, (X, Y), Adam(0.02), steps=60, grid=None)
    assert np.all(np.isfinite(log.train)) and np.all(np.isfinite(fitted(X)))


def test_three_failures_in_a_row_stop_a_run_and_the_reason_names_the_edge():
    model = with_edge(KAN([2, 1], grid=3), (0, 0, 0), "log", (1.0, 1.5, 1.0, 0.0))
    # A target far below pushes the argument of the logarithm down, in steps of a million.
    fitted, log = fit(model, (X, Y - 50.0), Adam(1e6), steps=60, grid=None)
    assert log.status == "not finite" and "edge (0, 0, 0) (log)" in log.stop_reason
    assert log.steps == 3 and all(np.all(np.isfinite(leaf)) for leaf in arrays(fitted))


@pytest.mark.parametrize("optimiser", [LevenbergMarquardt(), Adam()], ids=["numpy", "adam"])
def test_a_start_outside_the_domain_is_an_error_that_names_the_edge(optimiser):
    model = with_edge(small(), (0, 0, 1), "log", (1.0, 0.5, 1.0, 0.0))
    with pytest.raises(TrainingError, match=r"edge \(0, 0, 1\) \(log\)"):
        fit(model, (X, Y), optimiser, steps=10, grid=None)


def test_an_ensemble_trains_like_its_members_and_one_failure_spares_the_others():
    models = [
        with_edge(small(key=k), (0, 0, 1), "log", (1.0, b, 1.0, 0.0)) for k, b in enumerate((2.0, 0.5, 3.0))
    ]
    fitted, log = fit(Ensemble.of(models), (X, Y), Adam(), steps=20)
    alone, single = fit(models[2], (X, Y), Adam(), steps=20)
    assert log.train.shape == (20, 3) and log.best in (0, 2)
    assert np.allclose(log.train[:, 2], single.train, rtol=1e-8)
    assert np.allclose(fitted[2](X), alone(X), rtol=1e-8)
    assert [reason.split(":")[0] for reason in log.stop_reason] == [
        "steps used up",
        "not finite",
        "steps used up",
    ]
    assert "edge (0, 0, 1)" in log.stop_reason[1]


def test_two_moons_are_told_apart():
    rng = np.random.default_rng(0)
    angle = np.pi * rng.uniform(size=200)
    label = np.arange(200) % 2
    x = np.stack(
        [np.cos(angle) * (1 - 2 * label) + label, (np.sin(angle) - 0.5 * label) * (1 - 2 * label)], axis=1
    )
    x += 0.1 * rng.normal(size=x.shape)
    model, log = fit(KAN([2, 3, 2], grid=3, key=1), (x, label), steps=30, objective=Classification(2))
    accuracy = np.mean(predict_proba(model, x).argmax(axis=1) == label)
    assert accuracy >= 0.97


def test_a_differential_equation_is_solved_through_the_feature_map():
    """u'' = -sin x with u(0) = 0, u(pi) = 0: the solution is sin x; the boundary is a term of every row."""
    x = np.linspace(0.0, np.pi, 32)[:, None]

    def residual(model, x, y):
        u = lambda t: model(t.reshape(1, 1))[0, 0]
        ends = u(jax.numpy.zeros(())) ** 2 + u(jax.numpy.asarray(np.pi, x.dtype)) ** 2
        bend = jax.vmap(jax.grad(jax.grad(u)))(x[:, 0])
        return jax.numpy.stack(
            [bend + jax.numpy.sin(x[:, 0]), 5.0 * jax.numpy.sqrt(ends + 1e-12) + 0 * bend], axis=1
        )

    data = Dataset.from_arrays(x, np.sin(x), test=0.0)
    model, log = fit(
        KAN.for_data(data, grid=8, k=5), (x, 0 * x), LBFGS(), objective=Residual(residual), steps=150
    )
    assert np.abs(model(x) - np.sin(x)).max() < 1e-3


def test_validation_chooses_the_model_and_patience_stops():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, size=(60, 2))
    y = x[:, :1] + 0.3 * rng.normal(size=(60, 1))
    model, log = fit(KAN([2, 3, 1], grid=8), (x, y), steps=60, validation=0.3, patience=8, grid=None)
    assert log.stop_reason in ("patience ran out", "converged")
    assert np.isclose(log.best_value, np.nanmin(log.validation)) or log.best_value < np.nanmin(log.validation)
    assert log.steps < 60
    _, jax_log = fit(small(), (x, y), LBFGS(), steps=60, validation=np.arange(20), patience=5, grid=None)
    assert jax_log.steps < 60 and np.isfinite(jax_log.validation).all()


def test_held_out_rows_are_reported_between_chunks_and_choose_nothing():
    data = Dataset.from_arrays(X, Y, test=0.3)
    model, log = fit(small(), data, steps=20, grid=None)
    _, blind = fit(small(), data.rows(data.train), steps=20, grid=None)
    assert np.flatnonzero(np.isfinite(log.test)).tolist() == [9, 19]
    assert np.array_equal(log.train, blind.train)
    assert np.isclose(log.test[-1], np.mean((model(data.test_x) - data.test_y) ** 2), rtol=1e-6)


def test_grids_follow_rows_outside_of_them():
    x = 10.0 + 5.0 * X
    with_updates, log = fit(small(), (x, Y), steps=30)
    assert with_updates.layers[0].splines.knots[0, 3] > 4.0
    _, without = fit(small(), (x, Y), steps=30, grid=None)
    assert log.best_value < 0.1 * without.best_value
    _, adaptive = fit(small(), (x, Y), steps=30, grid=GridUpdates(adaptive=0.5))
    assert adaptive.best_value < without.best_value


def test_weights_count():
    weight = np.where(X[:, 0] > 0, 1.0, 0.0)
    for optimiser in (LevenbergMarquardt(), JAX_LM):
        model, _ = fit(small(), (X, Y + 5.0 * (X[:, :1] <= 0), weight), optimiser, steps=30)
        assert np.mean((model(X) - Y)[weight > 0] ** 2) < 1e-3


MISTAKES = {
    "no steps": (SettingError, dict(steps=0)),
    "unknown data": (SettingError, dict(data="table.csv")),
    "rows differ": (ShapeError, dict(data=(X, Y[:-1]))),
    "two targets": (ShapeError, dict(data=(X, np.hstack([Y, Y])))),
    "three columns": (ShapeError, dict(data=(np.hstack([X, Y]), Y))),
    "no rows": (TableError, dict(data=(X[:0], Y[:0]))),
    "a missing value": (TableError, dict(data=(X, np.where(Y > 1, np.nan, Y)))),
    "batch over rows": (SettingError, dict(optimiser=Adam(), batch=201)),
    "batch with LM": (SettingError, dict(batch=10)),
    "negative patience": (SettingError, dict(patience=-1)),
    "negative key": (SettingError, dict(key=-1)),
    "all rows judge": (SettingError, dict(validation=np.arange(200))),
    "numpy with a penalty": (
        SettingError,
        dict(optimiser=LevenbergMarquardt(backend="numpy"), penalty=Sparsity(1e-3)),
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_wrong_call_fails_with_a_remedy(mistake):
    kind, settings = MISTAKES[mistake]
    with pytest.raises(kind) as caught:
        fit(small(), **{"data": (X, Y), **settings})
    assert isinstance(caught.value, KanError) and caught.value.fix


@pytest.mark.parametrize(
    "wrong",
    [dict(model=[1, 2]), dict(optimiser="Adam"), dict(objective="mse"), dict(steps=1.5), dict(penalty=0.1)],
)
def test_arguments_of_another_type_are_named(wrong):
    # Called directly: with shape checks on, as in these tests, `fit` itself would raise their error first.
    right = dict(
        model=small(),
        optimiser=Adam(),
        objective=Regression(),
        penalty=None,
        steps=1,
        batch=None,
        patience=None,
        chunk=10,
        key=0,
    )
    with pytest.raises(SettingError):
        _check_settings(**{**right, **wrong})


def test_a_state_of_another_network_is_refused():
    _, log = fit(small(), (X, Y), steps=1)
    with pytest.raises(SettingError, match="another shape"):
        fit(KAN([2, 4, 1]), (X, Y), steps=1, resume=log.state)


def test_an_exact_law_has_a_loss_of_zero_not_below():
    rows = np.exp(np.random.default_rng(0).uniform(0, 9, size=(100, 2)))
    data = Dataset.from_arrays(rows, rows[:, :1] ** 1.5 / rows[:, 1:], sigma=np.ones(100), test=0.2)
    model, log = fit(KAN.for_data(data), data, steps=20)
    assert 0.0 <= log.best_value < 1e-20
    assert np.allclose(model(data.test_x), data.test_y, rtol=1e-9)
