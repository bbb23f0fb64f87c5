"""Saving and loading a network is the identity, and a bad file is refused by name."""

import copy
import json
import pickle
from fractions import Fraction

import equinox as eqx
import jax
import numpy as np
import pytest

from scikan.core.errors import ModelFileError
from scikan.core.features import AbstractFeatureMap, Augment, Chain, Exp, Log, Scale, Select
from scikan.core.functions import LIBRARY, Function, power_function
from scikan.core.kan import KAN, Ensemble
from scikan.core.precision import jax_leaves
from scikan.edit.growth import Name, name_edge
from scikan.edit.surgery import compact, remove_edges
from scikan.files.container import read, write
from scikan.files.model import load, save
from scikan.symbolic.kanpiler import kanpiler


BUMP = Function(
    "bump", lambda xp, u: xp.exp(-(u**4)), lambda xp, u: -4 * u**3 * xp.exp(-(u**4)), twin="exp(-u**4)"
)


def mapped():
    features = Chain(
        (
            Augment(("a", "temp K"), ("beta = a/`temp K`",)),
            Log((True, False, False)),
            Chain((Scale(np.array([1.0, 1e-3, 2.0])), Select((2, 0)))),
        )
    )
    readout = Chain((Scale(np.array([3.0, 1.0])), Exp((True, False))))
    columns = {"names": ["a", "temp K"], "targets": ["p", "q"], "domain": (0.5, 2.0)}
    return KAN([2, (2, 1), 2], features=features, readout=readout, base_function=LIBRARY["tanh"], **columns)


MODELS = {
    "plain": lambda: KAN([2, 3, 1], key=1),
    "products": lambda: KAN([3, (2, (2, 3)), (0, 1)], grid=4, k=2),
    "single precision": lambda: KAN([2, (2, 1), 1], dtype=np.float32, k=5),
    "pruned": lambda: compact(remove_edges(KAN([3, 3, 1]), [(0, 0, 0), (0, 0, 1), (0, 0, 2), (1, 1, 0)])),
    "compiled": lambda: kanpiler(
        "exp(sin(pi*x) + y**2.5 + 0.5) + x**(1/3)", ["x", "y"], domain=[[0.1, 1.0]] * 2
    ),
    "mapped": mapped,
    "jax": lambda: jax_leaves(KAN([2, 2, 1])),
    "odd powers": lambda: name_edge(
        name_edge(KAN([2, 1]), (0, 0, 0), Name(power_function(Fraction(-7, 3)))),
        (0, 1, 0),
        Name(power_function(2.25)),
    ),
}


def same(a, b) -> bool:
    leaves = zip(jax.tree_util.tree_leaves(a), jax.tree_util.tree_leaves(b), strict=True)

    def bits(leaf):
        return (np.asarray(leaf).dtype, np.shape(leaf), np.asarray(leaf).tobytes())

    equal = all(bits(x) == bits(y) for x, y in leaves)
    return equal and jax.tree_util.tree_structure(a) == jax.tree_util.tree_structure(b)


def refusal(path, **options):
    with pytest.raises(ModelFileError) as caught:
        load(path, **options)
    assert caught.value.fix and "\n" not in caught.value.what
    return caught.value


@pytest.mark.parametrize("kind", MODELS)
def test_saving_and_loading_is_the_identity(tmp_path, kind) -> None:
    model = MODELS[kind]()
    save(tmp_path / "m.kan", model)
    loaded = load(tmp_path / "m.kan")
    assert same(model, loaded) and repr(model) == repr(loaded) and loaded.width == model.width
    x = np.random.default_rng(0).uniform(0.5, 1.5, size=(20, len(model.names)))
    if kind != "jax":
        assert model(x).tobytes() == loaded(x).tobytes()
    save(tmp_path / "again.kan", loaded)
    assert (tmp_path / "again.kan").read_bytes() == (tmp_path / "m.kan").read_bytes()


def test_ensembles_come_back_as_ensembles(tmp_path) -> None:
    ensemble = Ensemble.of([KAN([2, (1, 1), 1], key=seed) for seed in range(3)])
    save(tmp_path / "m", ensemble)
    loaded = load(tmp_path / "m")
    assert isinstance(loaded, Ensemble) and loaded.size == 3 and same(ensemble, loaded)
    x = np.random.default_rng(0).normal(size=(5, 2))
    assert ensemble(x).tobytes() == loaded(x).tobytes()


@pytest.mark.parametrize("kind", MODELS)
def test_copies_and_pickles_are_the_same_network(kind) -> None:
    model = MODELS[kind]()
    assert same(model, copy.deepcopy(model))
    assert same(model, pickle.loads(pickle.dumps(model)))  # noqa: S301


def test_own_functions_are_asked_for_and_checked(tmp_path) -> None:
    save(tmp_path / "m", name_edge(KAN([1, 1]), (0, 0, 0), Name(BUMP)))
    error = refusal(tmp_path / "m")
    assert "'bump'" in error.what and "with_function" in error.fix
    assert load(tmp_path / "m", library=LIBRARY.with_function(BUMP))[0, 0, 0].name == "bump"
    other = Function("bump", lambda xp, u: u, lambda xp, u: u, twin="u")
    assert "'exp(-u**4)'" in refusal(tmp_path / "m", library=LIBRARY.with_function(other)).what


def test_foreign_feature_maps_are_refused_on_saving(tmp_path) -> None:
    class Stranger(AbstractFeatureMap):
        def __call__(self, x):
            return x

        def exprs(self, columns):
            return columns

    with pytest.raises(ModelFileError, match="Stranger"):
        save(tmp_path / "m", KAN([1, 1], features=Stranger()))
    assert not list(tmp_path.iterdir())


def changed_header(key, value):
    def change(tensors, header):
        header[key] = value

    return change


def changed_layer(key, value):
    def change(tensors, header):
        header["layers"][0][key] = value

    return change


def changed_array(name, change_array):
    def change(tensors, header):
        tensors[name] = change_array(tensors[name])

    return change


WELL_SEALED_BUT_WRONG = {
    "missing array": lambda tensors, header: tensors.pop("layers/0/splines/coef"),
    "extra array": lambda tensors, header: tensors.update(more=np.ones(2)),
    "shape": changed_array("layers/0/splines/coef", lambda a: a[:, :-1]),
    "type": changed_array("layers/0/locked", lambda a: a.astype(float)),
    "integer mask": changed_array("layers/0/splines/mask", lambda a: a.astype(int)),
    "names": changed_header("names", ["x"]),
    "no names": changed_header("names", 5),
    "targets": changed_header("targets", ["a", "b"]),
    "layers": changed_header("layers", []),
    "layers text": changed_header("layers", "abc"),
    "size": changed_header("size", 0),
    "size text": changed_header("size", "2"),
    "features": changed_header("features", {"map": "eval"}),
    "feature shape": changed_header("features", {"map": "select", "columns": [5]}),
    "feature formula": changed_header(
        "features", {"map": "augment", "names": ["x0", "x1"], "formulas": ["a = __import__"]}
    ),
    "deep chain": changed_header("features", {"map": "chain"}),
    "degree": changed_layer("k", 60),
    "degree zero": changed_layer("k", 0),
    "degree huge": changed_layer("k", 10**30),
    "sums": changed_layer("n_sum", 2),
    "arities": changed_layer("arities", [2, -1]),
    "function": changed_layer("base_function", ["x^1e999999", "u"]),
    "function bomb": changed_layer("base_function", ["x^" + "9" * 100, "u"]),
    "index": changed_array("layers/0/symbols/function", lambda a: a + 40),
}


@pytest.mark.parametrize("case", WELL_SEALED_BUT_WRONG)
def test_files_with_a_right_checksum_and_a_wrong_content_are_refused(tmp_path, case) -> None:
    save(tmp_path / "m", kanpiler("sin(x0) + x1**2", ["x0", "x1"]))
    tensors, header = read(tmp_path / "m")
    WELL_SEALED_BUT_WRONG[case](tensors, header)
    write(tmp_path / "m", tensors, header)
    refusal(tmp_path / "m")


def test_mutants_of_the_structure_are_refused_or_load(tmp_path) -> None:
    """The checksum is renewed, so that the checks behind it are reached: only ModelFileError may come out."""
    save(tmp_path / "m", mapped())
    tensors, header = read(tmp_path / "m")
    text, rng = json.dumps(header), np.random.default_rng(3)
    refused = 0
    for _ in range(500):
        letters = list(text)
        for _ in range(rng.integers(1, 3)):
            letters[rng.integers(len(letters))] = rng.choice(list('0123459"{}[],:abkx_ n'))
        try:
            mutant = json.loads("".join(letters))
        except ValueError:
            continue
        if isinstance(mutant, dict):
            write(tmp_path / "m", tensors, mutant)
            try:
                load(tmp_path / "m")
            except ModelFileError:
                refused += 1
    assert refused > 50


def test_mutants_of_the_file_are_refused(tmp_path) -> None:
    path = tmp_path / "m"
    save(path, KAN([2, 1]))
    content, rng = path.read_bytes(), np.random.default_rng(4)
    for _ in range(500):
        mutant = bytearray(content)
        mutant[int(rng.integers(len(mutant)))] ^= int(rng.integers(1, 256))
        path.write_bytes(bytes(mutant))
        refusal(path)


def test_a_loaded_network_can_be_edited(tmp_path) -> None:
    save(tmp_path / "m", KAN([2, 2, 1]))
    loaded = load(tmp_path / "m")
    smaller = remove_edges(loaded, [(0, 0, 0)])
    assert smaller.n_edges == loaded.n_edges - 1
    loaded.layers[0].splines.coef[0, 0, 0] = 1.0
    assert eqx.tree_equal(load(tmp_path / "m"), KAN([2, 2, 1]))
