"""Wrong settings and rows fail at once, with a sentence that says what to write instead."""

import equinox as eqx
import jaxtyping
import numpy as np
import pytest

import scikan as kn


@pytest.fixture(autouse=True)
def untyped():
    """What a user meets: no annotation is checked before the function's own checks."""
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", before)


WRONG = {
    "domain without width": {"domain": (1.0, 1.0)},
    "domain from right to left": {"domain": (1.0, -1.0)},
    "domain without end": {"domain": (0.0, np.inf)},
    "domain that is no number": {"domain": (np.nan, 1.0)},
    "integers as parameters": {"dtype": int},
    "half precision": {"dtype": np.float16},
    "too few names": {"names": ["a"]},
    "one name twice": {"names": ["a", "a"]},
    "too many targets": {"targets": ["a", "b"]},
    "half an interval": {"grid": 2.5},
    "a degree that is no integer": {"k": 3.0},
}


@pytest.mark.parametrize("settings", WRONG.values(), ids=WRONG.keys())
def test_a_network_that_cannot_work_is_refused(settings):
    with pytest.raises(kn.KanError, match="Fix: "):
        kn.KAN([2, 1], **settings)


def test_names_of_a_network_are_those_of_a_data_set():
    # They began at x0 once: the x1 of a formula was the x2 of the table that the network was trained on.
    data = kn.Dataset.from_arrays(np.eye(3), np.eye(3)[:, :2])
    model = kn.KAN([3, 2])
    assert (model.names, model.targets) == (data.names, data.targets)
    assert kn.KAN([3, 1]).targets == kn.Dataset.from_arrays(np.eye(3), np.ones(3)).targets


def test_no_rows_give_no_predictions():
    assert kn.KAN([2, (1, 1), 1])(np.zeros((0, 2))).shape == (0, 1)


@pytest.mark.parametrize("address", [(0, 0), 0, (0, 0, 0, 0)])
def test_an_edge_has_three_numbers(address):
    with pytest.raises(kn.SettingError, match=r"layer, input, output"):
        kn.KAN([2, 1])[address]


def test_remove_edges_wants_a_list_of_edges():
    with pytest.raises(kn.SettingError, match=r"layer, input, output"):
        kn.remove_edges(kn.KAN([2, 1]), (0, 0, 0))


@pytest.mark.parametrize("verb", [kn.attribute, kn.update_grid])
def test_rows_with_holes_have_no_scores_and_no_grid(verb):
    with pytest.raises(kn.TableError, match='Column "x2" is nan in row 1'):
        verb(kn.KAN([2, 1]), np.asarray([[0.0, 1.0], [0.0, np.nan], [1.0, 1.0]]))


def test_refine_wants_an_integer():
    with pytest.raises(kn.SettingError, match="8.5"):
        kn.refine(kn.KAN([2, 1]), 8.5)


@pytest.mark.parametrize("settings", [{"strength": -1.0}, {"entropy": np.nan}, {"smooth": -1}])
def test_a_penalty_rewards_nothing(settings):
    with pytest.raises(kn.SettingError, match=f"{next(iter(settings))} >= 0"):
        kn.Sparsity(**settings)


def test_adam_goes_downhill():
    with pytest.raises(kn.SettingError, match="learning_rate >= 0"):
        kn.Adam(-1e-2)


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ({"grid": 5}, "GridUpdates"),
        ({"callbacks": print}, "callbacks="),
        ({"callbacks": [3]}, "callbacks="),
        ({"resume": 3}, "log.state"),
        ({"validation": 1.0}, "validation=1.0"),
    ],
)
def test_fit_names_the_setting_that_it_cannot_use(setting, told):
    data = kn.Dataset.from_function(lambda x: x[:, 0], rows=20, test=0)
    with pytest.raises(kn.SettingError, match=told):
        kn.fit(kn.KAN([2, 1]), data, steps=1, **setting)


def test_kanpiler_refuses_a_division_by_zero():
    with pytest.raises(kn.CompileError, match="no finite real number"):
        kn.kanpiler("x/0", ["x"])


@pytest.mark.parametrize("optimiser", [kn.LevenbergMarquardt(), kn.LBFGS()])
def test_a_float32_network_trains_on_columns_of_any_scale(optimiser):
    # The scale of a column is a double: it turned the rows, and with them the training loop, into doubles.
    x = np.random.default_rng(0).uniform(1.0, 1e4, (60, 2))
    data = kn.Dataset.from_arrays(x, 1e-20 * x[:, 0] ** 2 * x[:, 1])
    model, log = kn.fit(kn.KAN.for_data(data, dtype=np.float32), data, optimiser, steps=3)
    assert model.dtype == np.float32
    assert log.train.dtype == np.float32
    assert np.isfinite(model(data.x)).all()


def test_a_float32_network_solves_an_equation_over_scaled_columns():
    x = np.linspace(1e3, 2e3, 20)[:, None]
    model = kn.KAN.for_data(kn.Dataset.from_arrays(x, 1e3 * x, test=0), dtype=np.float32)
    objective = kn.Residual(lambda model, x, y: model(x) - y)
    trained, _ = kn.fit(model, (x, 1e3 * x), objective=objective, steps=2)
    assert eqx.filter_eval_shape(trained, x).shape == (20, 1)
