"""What a function is made of: separability, symmetries and trees of exact, nearly exact and learnt functions."""

import jax.numpy as jnp
import numpy as np
import pytest
from random_functions import canonical, columns_of, drawn, plain

import scikan as kn
from scikan.structure.probe import Field, probe_of


BOX = np.random.default_rng(0).uniform(-1, 1, (1000, 8))
POSITIVE = np.random.default_rng(1).uniform(1, 2, (1000, 3))

MIXED = lambda x: x[:, 0] * x[:, 1] + x[:, 2] * x[:, 3] + x[:, 4] * x[:, 5]
FACTORS = lambda x: (x[:, 0] + x[:, 1]) * (x[:, 2] + x[:, 3]) * (x[:, 4] + x[:, 5])
WAVE = lambda x: jnp.sin(FACTORS(x))
ROOT = lambda x: x[:, 0] * jnp.sqrt(1 + (x[:, 1] / x[:, 2]) ** 2)

PAIRS = (("x1", "x2"), ("x3", "x4"), ("x5", "x6"))


def square(a, b):
    return (a**2 + b**2) ** 2


@pytest.mark.parametrize(
    ("f", "columns", "kind", "groups"),
    [
        (MIXED, 6, "additive", PAIRS),
        (FACTORS, 6, "multiplicative", PAIRS),
        (WAVE, 6, "general", PAIRS),
        (lambda x: x[:, 0] ** 2 + np.exp(x[:, 1] + x[:, 2]), 3, "additive", (("x1",), ("x2", "x3"))),
        (lambda x: x[:, 0] ** 2 * (x[:, 1] + x[:, 2]), 3, "multiplicative", (("x1",), ("x2", "x3"))),
    ],
)
def test_the_finest_division_is_found(f, columns, kind, groups):
    found = kn.separability(f, BOX[:, :columns])
    assert (found.kind, found.groups, found.verdict) == (kind, groups, "yes")
    assert found.score < 1e-10
    assert found.margin > 0


def test_a_wrong_division_is_refused():
    wrong = [["x1", "x2"], ["x3", "x5"], ["x4", "x6"]]
    assert kn.separability(FACTORS, BOX[:, :6], wrong, kind="multiplicative").verdict == "no"
    assert kn.separability(WAVE, BOX[:, :6], kind="multiplicative").verdict == "no"


def test_a_product_may_cross_zero_and_stand_beside_a_constant():
    found = kn.separability(lambda x: 3 + x[:, 0] ** 2 * (x[:, 1] + x[:, 2]), BOX[:, :3])
    assert found.kind == "multiplicative"
    assert found.groups == (("x1",), ("x2", "x3"))
    assert found.offset == pytest.approx(-3, abs=1e-9)


def test_units_do_not_matter():
    units = np.array([1e-3, 1e4, 7.0, 1.0])
    f = lambda x: 1e-9 * np.sin((x[:, 0] + x[:, 1]) * x[:, 2]) * x[:, 3]
    scaled = lambda x: f(x / units)
    for group in (["x1", "x2"], ["x1", "x3"], ["x2", "x3"]):
        one = kn.symmetry(f, BOX[:, :4], group)
        other = kn.symmetry(scaled, BOX[:, :4] * units, group)
        assert one.verdict == other.verdict
        assert one.score == pytest.approx(other.score, rel=1e-4, abs=1e-7)


@pytest.mark.parametrize(("group", "verdict"), [("12", "yes"), ("13", "no"), ("34", "yes")])
def test_symmetric_pairs(group, verdict):
    found = kn.symmetry(FACTORS, BOX[:, :6], [f"x{j}" for j in group])
    assert found.verdict == verdict
    if verdict == "yes":
        assert found.weights == pytest.approx((1.0, 1.0))


@pytest.mark.parametrize(("variable", "verdict"), [("b/c", "yes"), ("b*c", "no"), ("b/c + a", "no")])
def test_a_given_variable(variable, verdict):
    assert kn.symmetry(ROOT, POSITIVE, variable=variable, names=["a", "b", "c"]).verdict == verdict


@pytest.mark.parametrize("noise", [0.0, 1e-2])
def test_data_alone(noise):
    y = np.asarray(ROOT(POSITIVE))
    y = y + noise * y.std() * np.random.default_rng(2).normal(size=len(y))
    data = kn.Dataset.from_arrays(POSITIVE, y, names=["a", "b", "c"])
    assert kn.symmetry(data, variable="b*c").verdict == "no"
    if not noise:
        assert kn.symmetry(data, variable="b/c").verdict == "yes"
        assert str(kn.tree(data)) == "a * F(b + c)"
    else:
        assert kn.symmetry(data, variable="b/c").verdict == "not enough evidence"
        assert kn.separability(data, [["a"], ["b", "c"]]).verdict == "not enough evidence"


@pytest.mark.parametrize(
    ("f", "columns", "told"),
    [
        (
            lambda x: (
                (square(x[:, 0], x[:, 1]) + square(x[:, 2], x[:, 3])) ** 2
                + (square(x[:, 4], x[:, 5]) + square(x[:, 6], x[:, 7])) ** 2
            ),
            8,
            "F(F(x1 + x2) + F(x3 + x4)) + F(F(x5 + x6) + F(x7 + x8))",
        ),
        (
            lambda x: (square(x[:, 0], x[:, 1]) + square(x[:, 2], x[:, 3])) ** 2 + x[:, 4] ** 2,
            5,
            "F(F(x1 + x2) + F(x3 + x4)) + x5",
        ),
        (lambda x: square(x[:, 0], x[:, 1]) + square(x[:, 2], x[:, 3]), 4, "F(x1 + x2) + F(x3 + x4)"),
        (lambda x: jnp.sin(x[:, 0] * x[:, 1] + x[:, 2]), 3, "F(x1 * x2 + x3)"),
        (lambda x: jnp.maximum(x[:, 0] * x[:, 1], x[:, 2] + x[:, 3]), 4, "F(F(x1 * x2), F(x3 + x4))"),
    ],
)
def test_trees_of_formulas(f, columns, told):
    found = kn.tree(f, BOX[:, :columns])
    assert str(found) == told
    assert found.verdict == "yes"


def test_the_order_of_columns_does_not_matter():
    one = kn.tree(lambda x: jnp.sin(x[:, 0] * x[:, 1]) + x[:, 2], BOX[:, :3])
    other = kn.tree(lambda x: jnp.sin(x[:, 0] * x[:, 2]) + x[:, 1], BOX[:, :3])
    assert (str(one), str(other)) == ("F(x1 * x2) + x3", "F(x1 * x3) + x2")


def test_a_column_that_does_not_matter_is_named():
    found = kn.tree(lambda x: x[:, 0] * x[:, 2] + 1e-20 * x[:, 1], BOX[:, :3])
    assert str(found) == "x1 * x3"
    assert found.irrelevant == ("x2",)
    assert found.as_dict()["irrelevant"] == ["x2"]


@pytest.mark.parametrize("seed", range(6))
def test_trees_of_random_functions(seed):
    f = drawn(np.random.default_rng(1000 + seed))
    assert plain(kn.tree(f, BOX[:, : f.n_columns])) == f.tree


@pytest.mark.slow
def test_thirty_random_functions_and_their_near_misses():
    wrong = []
    for seed in range(30):
        f = drawn(np.random.default_rng(seed))
        rows = BOX[:, : f.n_columns]
        if plain(kn.tree(f, rows)) != f.tree:
            wrong.append((seed, "tree"))
        if (asked := division(f)) is None:
            continue
        kind, groups = asked
        if kn.separability(f, rows, groups, kind=kind).verdict != "yes":
            wrong.append((seed, "separable"))
        if kn.separability(near_miss(f, groups, rows), rows, groups, kind=kind).verdict != "no":
            wrong.append((seed, "near miss"))
    assert wrong == []


@pytest.mark.parametrize(
    ("error", "missed", "held"), [(1e-3, "no", "yes"), (1e-2, *2 * ("not enough evidence",))]
)
def test_near_misses_of_functions_with_an_error(error, missed, held):
    f = drawn(np.random.default_rng(13))
    rows = BOX[:, : f.n_columns]
    kind, groups = division(f)
    probe = probe_of(f, rows)
    field = Field(probe, np.random.default_rng(0))
    size = error * probe.spread
    for g, verdict in ((f, held), (near_miss(f, groups, rows), missed)):
        learnt = lambda x, g=g: g(x) + size * field.value(x)
        assert kn.separability(learnt, rows, groups, kind=kind, error=size).verdict == verdict


def division(f):
    """Return (kind, groups) of a random function whose root is a sum or a product."""
    kind, *branches = canonical(f.node)
    if kind == "general":
        return None
    groups = [[f"x{j + 1}" for j in columns_of(branch)] for branch in branches]
    return {"sum": "additive", "product": "multiplicative"}[kind], groups


def near_miss(f, groups, rows):
    """Return the function with two columns of different groups coupled by 1 % of its standard deviation."""
    i, j = (int(group[0][1:]) - 1 for group in groups[:2])
    wave = lambda x: np.sin(3 * (x[:, i] + x[:, j]))
    size = 1e-2 * np.std(f(rows)) / np.std(wave(rows))
    return lambda x: f(x) + size * wave(x)


def test_what_cannot_be_asked_is_said():
    f = lambda x: x[:, 0] + x[:, 1]
    with pytest.raises(kn.ShapeError, match="at least 20"):
        kn.tree(f, BOX[:5, :2])
    with pytest.raises(kn.SettingError, match="no rows"):
        kn.tree(f)
    with pytest.raises(kn.SettingError, match="constant"):
        kn.tree(lambda x: 0 * x[:, 0] + 1, BOX[:, :2])
    with pytest.raises(kn.SettingError, match="does not divide"):
        kn.separability(f, BOX[:, :2], [["x1"]])
    with pytest.raises(kn.SettingError, match="no column"):
        kn.symmetry(f, BOX[:, :2], ["x9"])
    with pytest.raises(kn.SettingError, match="Neither"):
        kn.symmetry(f, BOX[:, :2])
    with pytest.raises(kn.SettingError, match="no output"):
        kn.separability(f, BOX[:, :2], output=3)
    with pytest.raises(kn.SettingError, match="hides"):
        kn.tree(f, BOX[:, :2], error=10.0)


def test_a_tree_is_as_sure_as_its_least_sure_operator():
    leaves = tuple(kn.Tree("column", column=name) for name in ("x1", "x2"))
    joint = lambda score, limit: kn.Tree("joint", leaves, score=score, threshold=limit)
    assert joint(0.2, 0.1).verdict == "yes"  # seen to be no sum
    assert joint(0.2, 0.5).verdict == "not enough evidence"  # errors alone would look so
    assert kn.Tree("sum", leaves, score=0.01, threshold=0.03).verdict == "yes"
    assert kn.Tree("sum", leaves, score=0.01, threshold=0.2).verdict == "not enough evidence"
    assert kn.Tree("sum", (joint(0.2, 0.5), leaves[0]), threshold=0.01).verdict == "not enough evidence"
