"""What changes a value compiles nothing: a second fit with other numbers reuses the program of the first."""

from functools import partial

import equinox as eqx
import numpy as np
import pytest

from scikan.core.kan import KAN
from scikan.edit.surgery import remove_edges
from scikan.train.fit import fit
from scikan.train.lbfgs import LBFGS
from scikan.train.marquardt import LevenbergMarquardt
from scikan.train.objective import Regression
from scikan.train.optimiser import Adam
from scikan.train.penalty import Sparsity


TRACES = []
MARQUARDT = partial(LevenbergMarquardt, backend="jax")


class Counted(Regression):
    """Regression that notes every time Python runs through it, which inside `jit` is once a trace."""

    def residuals(self, model, x, y):
        TRACES.append(1)
        return super().residuals(model, x, y)


def network(key=0, names=("a", "b")):
    return KAN([2, 2, 1], grid=3, key=key, names=names)


def rows(n=100, key=0):
    x = np.random.default_rng(key).uniform(-1, 1, size=(n, 2))
    return x, x[:, :1] * x[:, 1:]


def locked(model):
    lock = model.layers[0].locked.copy()
    lock[0, 0] = True
    return eqx.tree_at(lambda m: m.layers[0].locked, model, lock)


CHANGES = {
    "pruned edge": dict(model=remove_edges(network(), [(0, 1, 1)])),
    "locked edge": dict(model=locked(network())),
    "other start": dict(model=network(key=5)),
    "other names": dict(model=network(names=("mass", "speed"))),
    "seed": dict(key=7),
    "number of steps": dict(steps=17),
    "patience": dict(patience=50),
    "number of rows": dict(data=rows(120)),
    "no row weights": dict(data=(*rows(90), np.linspace(0.1, 1.0, 90))),
}


@pytest.mark.parametrize(
    ("optimiser", "penalty", "others"),
    [
        (Adam(1e-2), None, dict(optimiser=Adam(3e-2, b1=0.8))),
        (LBFGS(), None, dict(optimiser=LBFGS(tolerance=1e-3))),
        (MARQUARDT(), Sparsity(1e-3), dict(optimiser=MARQUARDT(damping=1.0, tolerance=1e-4, bend=1e-6))),
    ],
    ids=["adam", "lbfgs", "marquardt"],
)
def test_other_values_compile_nothing(optimiser, penalty, others):
    plain = dict(
        model=network(), data=rows(), optimiser=optimiser, steps=10, objective=Counted(), penalty=penalty
    )
    fit(**plain)
    weights = {} if penalty is None else {"penalty": dict(penalty=Sparsity(5e-3, entropy=1.0, smooth=1e-6))}
    for change, settings in {**CHANGES, **weights, "settings": others}.items():
        before = len(TRACES)
        fit(**{**plain, **settings})
        assert len(TRACES) == before, f"{change} compiled the program again"


def test_minibatches_compile_once():
    plain = dict(model=network(), data=rows(), optimiser=Adam(), steps=10, objective=Counted(), batch=16)
    fit(**plain)
    before = len(TRACES)
    fit(**{**plain, "key": 3, "data": rows(75), "steps": 12})
    assert len(TRACES) == before


def test_the_numpy_backend_compiles_nothing_at_all(monkeypatch):
    import jax

    def refuse(*args, **kwargs):
        raise AssertionError("compiled")

    monkeypatch.setattr(jax._src.compiler, "compile_or_get_cached", refuse)
    model, log = fit(network(), rows(), steps=20)
    assert log.best_value < 1e-3
