"""Growth changes what a network can learn, not what it computes; locks and modules hold in every fit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_edits_keep_the_function import WIDTHS, X, network, same

import scikan as kn
from scikan.core.trees import updated


PRODUCTS = "exp(sin(pi*x1) + x2**2) + x1*x3"
NAMES = ["x1", "x2", "x3"]


@pytest.mark.parametrize("width", [w for w in WIDTHS if len(w) > 2], ids=str)
@pytest.mark.parametrize(("sums", "products"), [(2, ()), (0, (2, 3)), (1, (2,))])
def test_expand_width(width, sums, products):
    model = network(width)
    wide = kn.expand_width(model, 1, sums=sums, products=products)
    same(wide, model, 1e-14)
    assert wide.width[1][0] == model.width[1][0] + sums
    assert wide.width[1][1] == (*model.width[1][1], *products)


def test_new_nodes_can_learn():
    model = kn.expand_width(kn.KAN([3, 2, 1], key=0), 1, sums=1, products=(2,))
    x = jnp.asarray(X)

    def loss(coef):
        moved = updated(lambda m: m.layers[1].splines.coef, model, coef)
        return jnp.mean((moved.network(x)[:, 0] - x[:, 0] * x[:, 1]) ** 2)

    out = np.asarray(jax.grad(loss)(jnp.asarray(model.layers[1].splines.coef)))
    assert np.all(np.abs(out[2:]).max(axis=(1, 2)) > 1e-6)


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
    fine = kn.refine(model, grid=50)
    for address in fine.edges():
        fine = kn.unfix_symbolic(fine, address)
    assert {fine[a].kind for a in fine.edges()} == {"spline"}
    assert np.abs(fine(X[:, :2]) - model(X[:, :2])).max() < 1e-5


ENGINES = [kn.LevenbergMarquardt(), kn.LBFGS(), kn.Adam()]


@pytest.mark.parametrize("optimiser", ENGINES, ids=lambda o: type(o).__name__)
@pytest.mark.parametrize("rows", [200])
def test_locked_edges_take_no_step(optimiser, rows):
    model = kn.perturb(kn.kanpiler("x1**2 + sin(x2)", NAMES[:2]), "named")
    model = kn.unlock(kn.lock(model), [(0, 1, 0)])
    y = X[:rows, 0] ** 3 + np.cos(X[:rows, 1])
    fitted, _ = kn.fit(model, (X[:rows, :2], y[:, None]), optimiser, steps=5)
    before, after = model.layers[0], fitted.layers[0]
    np.testing.assert_array_equal(after.symbols.affine[0], before.symbols.affine[0])
    u = np.linspace(-0.9, 0.9, 50)
    np.testing.assert_allclose(fitted[0, 0, 0].curve(u), model[0, 0, 0].curve(u), atol=1e-12)
    assert np.abs(fitted[0, 1, 0].curve(u) - model[0, 1, 0].curve(u)).max() > 1e-4


def test_a_module_forbids_mixed_derivatives_for_good(tmp_path):
    model = kn.module(kn.KAN([4, 6, 2, 1], names=["a", "b", "c", "d"], key=0), [["a", "b"], ["c", "d"]])
    rows = np.random.default_rng(1).uniform(-1, 1, (300, 4))
    y = np.sin(rows[:, 0] * rows[:, 1]) + np.exp(rows[:, 2] - rows[:, 3])
    model, _ = kn.fit(model, (rows, y[:, None]), steps=15)
    grown = kn.perturb(kn.expand_depth(kn.expand_width(model, 1, sums=2, products=(2,))), "missing", size=0.1)
    kn.save(tmp_path / "module.kan", grown)
    edited = [
        model,
        grown,
        kn.load(tmp_path / "module.kan"),
        kn.refine(grown, grid=8),
        kn.swap(grown, 1, 0, 1),
        kn.auto_swap(grown, rows),
        kn.prune(grown, kn.attribute(grown, rows), edge=1e-3, node=1e-3),
        kn.compact(kn.prune(model, kn.attribute(model, rows), edge=1e-2)),
        kn.fit(grown, (rows, y[:, None]), steps=3)[0],
    ]
    for one in edited[:1] + edited[3:]:
        second = jax.vmap(jax.hessian(lambda row, m=one: m(row[None])[0, 0]))(jnp.asarray(rows[:10]))
        if one is not model and len(one.layers) > 3:
            continue  # a layer after the sum: a function of a sum
        assert np.all(np.asarray(second)[:, :2, 2:] == 0.0)
        assert np.abs(np.asarray(second)[:, 0, 1]).max() > 1e-3
    np.testing.assert_array_equal(edited[2](rows), grown(rows))
    for one in edited:
        assert kn.tree(one, rows, error=1e-6).kind in ("sum", "general")


def test_a_module_in_text_is_a_block_of_its_own():
    model = kn.KAN([3, 3, 2], key=0)
    cut = kn.module(model, "[0,1]->[-1]->[2]->[0]")
    np.testing.assert_array_equal(cut.layers[0].splines.allowed, [[0, 0, 1], [0, 0, 1], [1, 1, 0]])
    np.testing.assert_array_equal(cut.layers[1].splines.allowed, [[0, 1], [0, 1], [1, 0]])
    assert kn.module(model, "[0]->[0]", start=1).layers[0].splines.allowed.all()


def test_modules_that_cannot_be():
    model = kn.KAN([3, 2, 1], key=0)
    for groups, told in [
        ([["x1"], ["x9"]], "no column"),
        ([["x1"], ["x1"]], "two groups"),
        ([["x1"], ["x2"], ["x3"]], "2 nodes for 3 groups"),
        ("[0]->[0]->[0]", "no chain"),
        ("[7]->[0]", "none of the 3 nodes"),
        ("[0]->[0]->[0]->[0]->[0]->[0]", "reaches layer 2"),
    ]:
        with pytest.raises(kn.SettingError, match=told):
            kn.module(model, groups)
    with pytest.raises(kn.SettingError, match="not hidden"):
        kn.expand_width(kn.KAN([3, 1]), 1, sums=1)
    with pytest.raises(kn.SettingError, match="no node"):
        kn.expand_width(model, 1)
    with pytest.raises(kn.SettingError, match="no layer"):
        kn.expand_depth(model, 7)
    with pytest.raises(kn.SettingError, match="opens nothing"):
        kn.perturb(model, size=-1.0)
