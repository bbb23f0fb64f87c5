"""New rows learnt by the smallest change."""

import numpy as np
import pytest

import scikan as kn
from scikan.core.errors import SettingError, ShapeError


CENTRES = np.array([-0.8, -0.4, 0.0, 0.4, 0.8])
PHASES = [np.linspace(c - 0.2, c + 0.2, 100)[:, None] for c in CENTRES]


def peaks(x):
    return np.exp(-300 * (x - CENTRES) ** 2).sum(axis=1)


def test_five_phases_leave_all_peaks_standing():
    model = kn.KAN([1, 1], grid=200)
    for n, x in enumerate(PHASES):
        before, model = model, kn.learn_locally(model, x, peaks(x))
        for past in PHASES[:n]:
            change = np.abs(np.asarray(model(past)) - np.asarray(before(past)))[:, 0]
            assert change.max() <= 1e-6
            assert np.all(change[past[:, 0] < x.min() - 0.04] == 0)
    every = np.linspace(-1, 1, 500)[:, None]
    assert np.sqrt(np.mean((np.asarray(model(every))[:, 0] - peaks(every)) ** 2)) <= 1e-5


def test_other_layers_and_units_of_the_target_stay():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (300, 2))
    y = 1000 * np.exp(x[:, 0] + x[:, 1])
    data = kn.Dataset.from_arrays(x, y)
    model = kn.KAN.for_data(data, [1], grid=10)
    after = kn.learn_locally(model, x, y)
    assert np.array_equal(after.layers[0].splines.coef, model.layers[0].splines.coef)
    left = [np.std(np.asarray(m(x))[:, 0] - y) for m in (model, after)]
    assert left[1] < 0.9 * left[0]


def test_what_cannot_be_learnt_so_is_told():
    with pytest.raises(SettingError, match="multiplies"):
        kn.learn_locally(kn.KAN([2, (0, 1)]), np.zeros((5, 2)), np.zeros(5))
    with pytest.raises(ShapeError, match="rows"):
        kn.learn_locally(kn.KAN([1, 1]), np.zeros((5, 1)), np.zeros(4))
