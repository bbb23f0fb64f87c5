"""Hello, KAN: fit, prune, fit, refine, fit, name, plot; no file, no global seed, every value copies."""

import copy
import pickle

import numpy as np

import scikan as kn


def test_hello_kan(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    state = np.random.get_state()[1].copy()
    data = kn.Dataset.from_function(
        lambda x: np.exp(np.sin(np.pi * x[:, 0]) + x[:, 1] ** 2), n_inputs=2, rows=400, test=200
    )
    model = kn.KAN.for_data(data, hidden=[3], grid=3, key=1)
    model, log = kn.fit(model, data, steps=25)
    model = kn.prune_by_loss(model, data)
    model, log = kn.fit(kn.refine(model, 15), data, steps=25)
    figure = kn.plot(model, data)
    model, edges = kn.auto_symbolic(model, data)
    law = kn.snap_law(kn.formula(model), data)
    assert str(law) == "y = exp(sin(pi*x1) + x2**2)"
    np.testing.assert_allclose(law(data.test_x), data.test_y[:, 0], rtol=1e-12)
    kn.plot(model, data)
    assert figure is not None and log.steps > 0 and all(e.name for e in edges)
    assert list(tmp_path.iterdir()) == []
    assert np.array_equal(np.random.get_state()[1], state)
    for value in (model, data, law):
        assert pickle.loads(pickle.dumps(value)) is not None and copy.deepcopy(value) is not None
