"""Estimators: scikit-learn's own checks, its tools around them, and what the network adds."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import make_friedman1, make_moons
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import scikan as kn
from scikan import KANClassifier, KANRegressor


@parametrize_with_checks([KANRegressor(), KANClassifier()])
def test_scikit_learn_check(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def friedman():
    return make_friedman1(n_samples=300, n_features=5, noise=0.5, random_state=0)


@pytest.fixture(scope="module")
def product():
    rng = np.random.default_rng(0)
    x = pd.DataFrame({"mass": rng.uniform(1, 3, 120), "speed": rng.uniform(-2, 2, 120)})
    return x, pd.Series(0.5 * x["mass"] * x["speed"] ** 2, name="energy")


def test_the_default_beats_a_line_under_cross_validation(friedman):
    assert cross_val_score(KANRegressor(random_state=0), *friedman, cv=3).min() > 0.95


def test_a_classifier_bends_around_moons():
    x, y = make_moons(200, noise=0.15, random_state=0)
    assert cross_val_score(KANClassifier(random_state=0), x, y, cv=3).min() > 0.93


def test_works_in_a_pipeline_and_a_grid_search(friedman):
    x, y = friedman
    search = GridSearchCV(
        make_pipeline(StandardScaler(), KANRegressor(hidden=(), random_state=0)),
        {"kanregressor__grid": [2, 4], "kanregressor__penalty": [1e-5, 1e-2]},
        cv=2,
    ).fit(x, y)
    assert search.best_score_ > 0.6


def test_clone_keeps_settings_and_forgets_the_fit(product):
    fitted = KANRegressor(hidden=((2, 1),), random_state=3).fit(*product)
    fresh = clone(fitted)
    assert fresh.get_params() == fitted.get_params()
    with pytest.raises(NotFittedError):
        fresh.predict(product[0])


def test_set_output_gives_frames_in_a_pipeline(product):
    pipeline = make_pipeline(StandardScaler(), KANRegressor(random_state=0)).set_output(transform="pandas")
    assert pipeline.fit(*product)[-1].model_.names == ("mass", "speed")


def test_pandas_names_reach_the_network(product):
    model = KANRegressor(random_state=0).fit(*product)
    assert list(model.feature_names_in_) == ["mass", "speed"]
    assert model.model_.names == ("mass", "speed")
    assert model.model_.targets == ("energy",)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(product[0].rename(columns={"mass": "weight"}))


def test_pickling_keeps_the_function(product):
    model = KANRegressor(random_state=0).fit(*product)
    again = pickle.loads(pickle.dumps(model))  # noqa: S301
    assert np.array_equal(again.predict(product[0]), model.predict(product[0]))


def test_several_targets_are_learnt_at_once(product):
    x, y = product
    both = np.column_stack([y, -2.0 * y])
    model = KANRegressor(random_state=0).fit(x, both)
    assert model.predict(x).shape == (120, 2)
    assert model.score(x, both) > 0.999


def test_a_weight_of_two_is_a_row_given_twice(product):
    x, y = product
    twice = np.r_[np.arange(120), np.arange(40)]
    weight = np.r_[np.full(40, 2.0), np.ones(80)]
    a = KANRegressor(hidden=(), random_state=0).fit(x.iloc[twice], y.iloc[twice])
    b = KANRegressor(hidden=(), random_state=0).fit(x, y, sample_weight=weight)
    assert np.allclose(a.predict(x), b.predict(x), rtol=1e-6)


@pytest.mark.parametrize("estimator", [KANRegressor(random_state=0), KANClassifier(random_state=0)])
def test_predictions_are_finite_on_awkward_tables(estimator):
    rng = np.random.default_rng(0)
    for x in (
        rng.normal(size=(5, 1)),
        np.ones((12, 3)),
        np.column_stack([np.ones(20), rng.normal(size=20)]),
        rng.normal(size=(30, 100)),
        rng.normal(size=(3, 4)) * 1e8,
    ):
        y = np.arange(len(x)) % 2
        assert np.isfinite(clone(estimator).fit(x, y).predict(100.0 * x)).all()


def test_logarithms_make_a_power_law_a_sum():
    rng = np.random.default_rng(0)
    x = 10.0 ** rng.uniform(0, 3, size=(80, 2))
    y = 3.0 * x[:, 0] ** 1.5 / np.sqrt(x[:, 1])
    model = KANRegressor(hidden=(), logarithms=True, random_state=0).fit(x, y)
    assert np.allclose(model.predict(x), y, rtol=1e-3)
    with pytest.raises(kn.ColumnError, match='"x1" is -1 in row 1, and the network takes its logarithm'):
        model.predict([[1.0, 1.0], [-1.0, 1.0]])


def test_the_formula_is_named_after_the_columns(product):
    x, y = product
    model = KANRegressor(hidden=((0, 1),), random_state=1, penalty=0.0, steps=100).fit(x, y)
    assert model.score(x, y) > 0.99999
    law = model.formula()
    assert law.targets == ("energy",)
    assert np.allclose(law(x), y, atol=1e-6)


def test_a_classifier_names_its_logits_and_knows_its_classes():
    rng = np.random.default_rng(1)
    x = rng.uniform(-1, 1, size=(100, 1))
    y = np.where(x[:, 0] > 0.1, "warm", "cold")
    model = KANClassifier(hidden=(), random_state=0).fit(x, y)
    assert list(model.classes_) == ["cold", "warm"]
    assert model.model_.targets == ("logit_cold", "logit_warm")
    assert np.allclose(model.predict_proba(x).sum(axis=1), 1.0)
    assert set(model.predict([[-0.9], [0.9]])) == {"cold", "warm"}


def test_one_class_is_an_error_that_says_so():
    with pytest.raises(kn.TableError, match="one class only"):
        KANClassifier().fit([[0.0], [1.0]], ["a", "a"])


def test_plot_gives_a_figure_and_the_network_is_saved_like_any_other(product, tmp_path):
    model = KANRegressor(random_state=0).fit(*product)
    assert model.plot().axes
    kn.save(tmp_path / "energy.kan", model.model_)
    again = kn.load(tmp_path / "energy.kan")
    assert np.array_equal(again(product[0].to_numpy())[:, 0], model.predict(product[0]))


def test_large_tables_go_to_the_compiled_engine(monkeypatch):
    from scikan.app import estimator

    monkeypatch.setattr(estimator, "MOST_NUMBERS", 100)
    x, y = make_moons(60, noise=0.1, random_state=0)
    assert KANClassifier(hidden=(), steps=10, random_state=0).fit(x, y).score(x, y) > 0.8


@pytest.mark.parametrize(
    ("setting", "told"), [({"hidden": 5}, "hidden=5"), ({"penalty": -1.0}, "penalty >= 0")]
)
def test_settings_that_make_no_sense_are_named(setting, told):
    with pytest.raises(ValueError, match=told):
        KANRegressor(**setting).fit(np.eye(4), np.arange(4.0))
