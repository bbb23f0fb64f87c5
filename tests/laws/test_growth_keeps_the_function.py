"""Growth changes what a network can learn, not what it computes; locks hold in every fit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_edits_keep_the_function import WIDTHS, X, network, same

import scikan as kn
from scikan.core.trees import updated
from scikan.edit.surgery import remove_edges


PRODUCTS = "exp(sin(pi*x1) + x2**2) + x1*x3"
NAMES = ["x1", "x2", "x3"]
ARITIES = st.lists(st.integers(2, 4), max_size=2).map(tuple)
ENTRIES = st.tuples(st.integers(0, 3), ARITIES).filter(lambda e: e[0] + len(e[1]) > 0)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    hidden=st.lists(ENTRIES, min_size=1, max_size=3),
    sums=st.integers(0, 3),
    products=ARITIES,
    seed=st.integers(0, 99),
)
def test_any_growth_of_any_width_keeps_the_function(hidden, sums, products, seed):
    model = network([3, *hidden, 2], key=seed)
    doomed = [a for n, a in enumerate(model.edges()) if (n + seed) % 7 == 0]
    model = remove_edges(model, doomed)
    layer = 1 + seed % len(hidden)
    grown = kn.expand_width(model, layer, sums=sums + (not products), products=products, key=seed)
    same(grown, model, 1e-14)
    deep = kn.expand_depth(grown, [None, 0, layer][seed % 3])
    same(deep, model, 1e-14)
    for which in ("missing", "named", "all"):
        same(kn.perturb(deep, which), model, 1e-14)


@pytest.mark.parametrize("width", [w for w in WIDTHS if len(w) > 2], ids=str)
@pytest.mark.parametrize(("sums", "products"), [(2, ()), (0, (2, 3)), (1, (2,))])
def test_expand_width_adds_what_it_was_asked_for(width, sums, products):
    model = network(width)
    wide = kn.expand_width(model, 1, sums=sums, products=products)
    assert wide.width[1][0] == model.width[1][0] + sums
    assert wide.width[1][1] == (*model.width[1][1], *products)


def test_growth_of_a_trained_a_saved_and_a_single_precision_network(tmp_path):
    y = X[:, :1] * X[:, 1:2]
    trained, _ = kn.fit(kn.KAN([3, (2, 1), 1], key=0), (X, y), steps=10)
    kn.save(tmp_path / "model.kan", trained)
    grown = kn.expand_width(kn.load(tmp_path / "model.kan"), 1, sums=1, products=(3,))
    same(grown, trained, 1e-14)
    kn.save(tmp_path / "grown.kan", grown)
    np.testing.assert_array_equal(kn.load(tmp_path / "grown.kan")(X), grown(X))
    again, log = kn.fit(grown, (X, y), steps=10)
    assert np.mean((again(X) - y) ** 2) <= np.mean((trained(X) - y) ** 2) * 1.0001
    single = kn.KAN([3, 2, 1], dtype=np.float32)
    wide = kn.expand_depth(kn.expand_width(single, 1, products=(2,)))
    assert wide.dtype == np.float32
    same(wide, single, 1e-6)


@pytest.mark.parametrize(
    "base", [kn.KAN([3, 2, 1], key=0), kn.kanpiler(PRODUCTS, NAMES)], ids=["spline", "named"]
)
def test_new_nodes_can_learn(base):
    model = kn.expand_width(base, 1, sums=1, products=(2,))
    x = jnp.asarray(X)
    n_old = sum(len(part) if n else part for n, part in enumerate(base.width[1]))

    def loss(coef):
        moved = updated(lambda m: m.layers[1].splines.coef, model, coef)
        return jnp.mean((moved.network(x)[:, 0] - x[:, 0] * x[:, 2] ** 3) ** 2)

    out = np.asarray(jax.grad(loss)(jnp.asarray(model.layers[1].splines.coef)))
    new = [model.width[1][0] - 1, n_old + 1]
    assert np.all(np.abs(out[new]).max(axis=(1, 2)) > 1e-6)


def test_growth_learns_what_a_compiled_formula_lacks():
    model = kn.perturb(kn.expand_width(kn.kanpiler("exp(x1*x2) + x3", NAMES), 1, products=(2,)), "missing")
    y = np.exp(X[:, 0] * X[:, 1]) + X[:, 2] + 0.5 * X[:, 0] * X[:, 2]
    before = np.sqrt(np.mean((model(X)[:, 0] - y) ** 2))
    fitted, _ = kn.fit(
        kn.lock(model, kn.kanpiler("exp(x1*x2) + x3", NAMES).edges()), (X, y[:, None]), steps=60
    )
    assert np.sqrt(np.mean((fitted(X)[:, 0] - y) ** 2)) < 0.01 * before


@pytest.mark.parametrize("formula", [PRODUCTS, "x1*x2/x3", "x1 + 2"])
@pytest.mark.parametrize("layer", [None, 0])
def test_expand_depth_and_perturb_of_compiled_formulas(formula, layer):
    model = kn.kanpiler(formula, NAMES)
    deep = kn.expand_depth(model, layer)
    same(deep, model, 1e-14)
    assert len(deep.layers) == len(model.layers) + 1
    for which in ("missing", "named", "all"):
        opened = kn.perturb(deep, which)
        same(opened, model, 1e-14)
        assert opened.n_edges >= deep.n_edges
    rough = kn.perturb(deep, "all", size=0.1)
    assert np.abs(rough(X) - model(X)).max() > 1e-3


def test_unfix_keeps_the_function_as_far_as_a_spline_can():
    model = kn.kanpiler("sin(pi*x1) + x2**2", NAMES[:2], domain=[[-1, 1], [-1, 1]])
    errors = []
    for grid in (10, 20, 40):
        fine = kn.refine(model, grid=grid)
        for address in fine.edges():
            fine = kn.unfix_symbolic(fine, address)
        assert {fine[a].kind for a in fine.edges()} == {"spline"}
        errors.append(np.abs(fine(X[:, :2]) - model(X[:, :2])).max())
    assert errors[-1] < 1e-5
    assert errors[0] / errors[2] > 0.5 * 4**4  # fourth order
    with pytest.raises(kn.SettingError, match="misses sin") as said:
        kn.unfix_symbolic(model, (0, 0, 0), tolerance=1e-6)
    finer = kn.refine(model, grid=int(said.value.fix.split("grid=")[1].split(")")[0]))
    kn.unfix_symbolic(finer, (0, 0, 0), tolerance=1e-6)


ENGINES = {
    "NumPy": kn.LevenbergMarquardt(backend="numpy"),
    "JAX": kn.LevenbergMarquardt(backend="jax"),
    "LBFGS": kn.LBFGS(),
    "Adam": kn.Adam(),
}


@pytest.mark.parametrize("engine", ENGINES)
def test_locked_edges_take_no_step(engine):
    model = kn.perturb(kn.kanpiler("x1**2 + sin(x2)", NAMES[:2]), "named")
    model = kn.unlock(kn.lock(model), [(0, 1, 0)])
    y = X[:, 0] ** 3 + np.cos(X[:, 1])
    fitted, _ = kn.fit(model, (X[:, :2], y[:, None]), ENGINES[engine], steps=5)
    before, after = model.layers[0], fitted.layers[0]
    np.testing.assert_array_equal(after.symbols.affine[0], before.symbols.affine[0])
    u = np.linspace(-0.9, 0.9, 50)
    np.testing.assert_array_equal(fitted[0, 0, 0].curve(u), model[0, 0, 0].curve(u))
    assert np.abs(fitted[0, 1, 0].curve(u) - model[0, 1, 0].curve(u)).max() > 1e-4


@pytest.mark.parametrize("engine", ENGINES)
def test_locked_splines_keep_their_grids(engine):
    model = kn.lock(kn.KAN([2, 3, 1], key=0), 1)
    y = 5 * np.sin(3 * X[:, :1]) * X[:, 1:2]
    updates = kn.GridUpdates(every=2, adaptive=0.0 if engine != "Adam" else 0.5)
    fitted, _ = kn.fit(model, (X[:, :2], y), ENGINES[engine], steps=6, grid=updates)
    for leaf in ("coef", "knots"):
        old, new = (getattr(m.layers[1].splines, leaf) for m in (model, fitted))
        np.testing.assert_array_equal(new, old)
    assert np.abs(fitted.layers[0].splines.coef - model.layers[0].splines.coef).max() > 1e-4


@pytest.mark.parametrize("engine", ENGINES)
def test_a_locked_formula_keeps_its_constants(engine):
    model = kn.lock(kn.kanpiler("1/(x1**2 + 3) + 2*x2", NAMES[:2]))
    grown = kn.expand_width(model, 1, sums=1)
    y = 1 / (X[:, 0] ** 2 + 3) + 2 * X[:, 1] + 0.3 * np.sin(2 * X[:, 0]) + 1
    fitted, _ = kn.fit(grown, (X[:, :2], y[:, None]), ENGINES[engine], steps=5)
    assert fitted.layers[0].nodes.sub_bias[0] == grown.layers[0].nodes.sub_bias[0]
    kept = remove_edges(fitted, [a for a in fitted.edges() if fitted[a].kind == "spline"])
    gap = kept(X[:, :2]) - model(X[:, :2])
    np.testing.assert_allclose(
        gap, np.full_like(gap, gap[0, 0]), atol=1e-12
    )  # the sum's own bias may move, nothing else


def test_a_layer_is_locked_by_its_number():
    model = kn.lock(kn.KAN([2, 3, 1]), 0)
    assert model.layers[0].locked.all()
    assert not model.layers[1].locked.any()
    assert not kn.unlock(model, 0).layers[0].locked.any()
    with pytest.raises(kn.SettingError, match="no layer 2"):
        kn.lock(model, 2)
    with pytest.raises(kn.SettingError, match="no edge"):
        kn.lock(model, [(0, 9, 0)])


def test_growth_that_cannot_be():
    model = kn.KAN([3, 2, 1], key=0)
    with pytest.raises(kn.SettingError, match="not hidden"):
        kn.expand_width(kn.KAN([3, 1]), 1, sums=1)
    with pytest.raises(kn.SettingError, match="no node"):
        kn.expand_width(model, 1)
    with pytest.raises(kn.SettingError, match="no layer"):
        kn.expand_depth(model, 7)
    with pytest.raises(kn.SettingError, match="opens nothing"):
        kn.perturb(model, size=-1.0)
