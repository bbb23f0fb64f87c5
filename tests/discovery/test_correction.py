"""What data add to a theory: the difference as a law, its network with the theory locked, or nothing."""

import numpy as np
import pytest

import scikan as kn


def table(seed, wave=0.1, noise=0.0):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-2, 2, (250, 1))
    y = x[:, 0] ** 2
    y = y + wave * np.sin(3 * x[:, 0]) + noise * np.std(y) * rng.normal(size=len(y))
    return kn.Dataset.from_arrays(x, y, names=["x"])


@pytest.fixture(scope="module")
def found():
    return kn.correct("x**2", table(0))


def test_a_small_wave_beside_a_known_law_is_found(found):
    x = np.linspace(-2, 2, 50)[:, None]
    assert found.verdict == "law"
    np.testing.assert_allclose(np.ravel(found.correction(x)), 0.1 * np.sin(3 * x[:, 0]), atol=1e-9)
    np.testing.assert_allclose(np.ravel(found.law(x)), x[:, 0] ** 2 + 0.1 * np.sin(3 * x[:, 0]), atol=1e-9)
    assert found.after < 1e-9 < 0.05 < found.before
    assert "add sin(3*x)/10" in str(found)


def test_both_stand_in_one_network_with_the_theory_locked(found):
    x = np.linspace(-2, 2, 50)[:, None]
    np.testing.assert_allclose(found.model(x)[:, 0], np.ravel(found.law(x)), atol=1e-9)
    names = {
        (bool(found.model.layers[l].locked[i, j]), found.model[l, i, j].name)
        for l, i, j in found.model.edges()
    }
    assert (False, "sin") in names
    assert (True, "sin") not in names
    assert (True, "x^2") in names or (True, "x**2") in names or any(locked for locked, _ in names)
    y = x[:, 0] ** 2 + 0.11 * np.sin(3 * x[:, 0])
    refitted, _ = kn.fit(found.model, (x, y[:, None]), steps=30)
    assert np.abs(refitted(x)[:, 0] - y).max() < 1e-6


def test_a_theory_may_be_a_network_and_keeps_its_constants():
    theory = kn.kanpiler("x**2 + 0.25", ["x"])
    rows = table(3)
    found = kn.correct(theory, kn.Dataset.from_arrays(rows.x, rows.y[:, 0] + 0.25, names=["x"]))
    assert found.verdict == "law"
    assert found.origin == "residual"
    x = np.linspace(-2, 2, 50)[:, None]
    np.testing.assert_allclose(np.ravel(found.correction(x)), 0.1 * np.sin(3 * x[:, 0]), atol=1e-9)
    with pytest.raises(kn.NotSymbolicError):
        kn.correct(kn.KAN([1, 1]), rows)


@pytest.mark.slow
def test_a_stress_that_hooke_lacks_is_found():
    rng = np.random.default_rng(0)
    f = np.eye(3) + 0.2 * rng.uniform(-1, 1, (400, 3, 3))
    j = np.linalg.det(f)
    stress = 0.4 * ((f @ np.swapaxes(f, 1, 2))[:, 0, 0] - 1) + 0.3 * np.log(j)
    hooke = "0.8*(F11 - 1) + 0.3*(F11 + F22 + F33 - 3)"
    names = [*(f"F{i}{k}" for i in (1, 2, 3) for k in (1, 2, 3)), "J"]
    data = kn.Dataset.from_arrays(np.column_stack([f.reshape(-1, 9), j]), stress, names=names)
    found = kn.correct(hooke, data)
    assert found.verdict == "law"
    np.testing.assert_allclose(np.ravel(found.law(data.x)), stress, atol=1e-9)
    np.testing.assert_allclose(found.model(data.x)[:, 0], stress, atol=1e-9)


def test_a_theory_that_is_right_needs_nothing():
    exact = kn.correct("x**2", table(1, wave=0.0))
    assert (exact.verdict, exact.correction, exact.discovery) == ("none", None, None)
    assert "to rounding" in exact.reason
    assert exact.model(np.array([[1.5]]))[0, 0] == pytest.approx(2.25)
    assert str(exact).startswith("no correction")


@pytest.mark.slow
def test_noise_is_no_correction():
    assert kn.correct("x**2", table(2, wave=0.0, noise=0.01), kn.Config(seconds=15.0)).verdict == "none"


def test_what_is_no_theory():
    with pytest.raises(kn.FormulaError):
        kn.correct("x**2 +", table(0))
    with pytest.raises(kn.FormulaError):
        kn.correct("q**2", table(0))
    with pytest.raises(kn.ShapeError, match="not finite"):
        kn.correct("log(x)", table(0))
