"""Save and load networks: the arrays as they are, the structure as JSON, functions by their names.

Loading gives back the same network bit for bit and runs nothing from the file: functions are looked up in a
library, formulas of auxiliary inputs are read by our own parser, and every array must have the type and the
shape that the structure asks for.
"""

import math
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import equinox as eqx
import jax
import numpy as np

from scikan.core.errors import KanError, ModelFileError
from scikan.core.features import AbstractFeatureMap, Augment, Chain, Exp, Log, Scale, Select
from scikan.core.functions import LIBRARY, Function, power_function
from scikan.core.kan import KAN, Ensemble
from scikan.core.layer import Layer, Nodes, SplineEdges, SymbolicEdges
from scikan.core.precision import numpy_leaves
from scikan.files.container import FilePath, Tensors, read, write


Record = dict[str, Any]

_RATIO = re.compile(r"-?[0-9]{1,18}(/[0-9]{1,18})?")


def save(path: FilePath, model: KAN | Ensemble) -> None:
    """Write a network or an ensemble to one file; an older file there is replaced only by a complete one.

    Raises:
        ModelFileError: the disk refuses, or the network holds a feature map of a foreign class.
    """
    network = numpy_leaves(model.members if isinstance(model, Ensemble) else model)
    header = {
        "size": model.size if isinstance(model, Ensemble) else None,
        "names": list(network.names),
        "targets": list(network.targets),
        "features": _map_record(network.features),
        "readout": _map_record(network.readout),
        "layers": [_layer_record(layer) for layer in network.layers],
    }
    leaves = jax.tree_util.tree_flatten_with_path(network)[0]
    write(path, {_name(keys): np.asarray(leaf) for keys, leaf in leaves}, header)


def load(path: FilePath, library: Mapping[str, Function] = LIBRARY) -> KAN | Ensemble:
    """Return the network or ensemble of a file: same structure, same bits, arrays in NumPy.

    Args:
        path: a file that `save` wrote.
        library: where the names of functions are looked up; add your own with `LIBRARY.with_function`.

    Raises:
        ModelFileError: the file is missing, damaged or foreign, or uses a function that the library lacks.
    """
    tensors, header = read(path)
    try:
        return _Reader(str(path), tensors, header, library).model()
    except ModelFileError:
        raise
    except (
        KanError,
        ArithmeticError,
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
        RecursionError,
    ) as error:
        reason = error.what if isinstance(error, KanError) else repr(error)
        raise _unfit(str(path), " ".join(reason.split())) from None


def _name(keys: tuple[Any, ...]) -> str:
    return "/".join(str(getattr(key, "name", getattr(key, "idx", key))) for key in keys)


def _layer_record(layer: Layer) -> Record:
    symbols, base = layer.symbols, layer.splines.base_function
    return {
        "k": layer.splines.k,
        "n_sum": layer.nodes.n_sum,
        "arities": list(layer.nodes.arities),
        "base_function": None if base is None else _function_record(base),
        "functions": None if symbols is None else [_function_record(f) for f in symbols.functions],
    }


def _function_record(function: Function) -> list[str]:
    return [function.name, function.twin]


def _map_record(features: AbstractFeatureMap) -> Record:
    if type(features) not in (Chain, Scale, Log, Exp, Select, Augment):
        raise ModelFileError(
            f"A feature map of class {type(features).__name__} cannot be saved.",
            fix="use Scale, Log, Exp, Select, Augment or a Chain of them.",
        )
    if isinstance(features, Chain):
        return {"map": "chain", "maps": [_map_record(step) for step in features.maps]}
    if isinstance(features, Scale):
        return {"map": "scale"}
    if isinstance(features, Log | Exp):
        kind = "log" if isinstance(features, Log) else "exp"
        return {"map": kind, "chosen": [bool(on) for on in features.chosen]}
    if isinstance(features, Select):
        return {"map": "select", "columns": [int(i) for i in features.columns]}
    assert isinstance(features, Augment)
    return {"map": "augment", "names": list(features.names), "formulas": list(features.formulas)}


def _unfit(path: str, why: str) -> ModelFileError:
    return ModelFileError(
        f"{path} holds no network that this scikan can build: {why}.",
        fix="save the model again with this version of scikan.",
    )


class _Reader:
    """Takes the arrays one by one as the structure asks for them; none may be missing, none left over."""

    def __init__(self, path: str, tensors: Tensors, header: Record, library: Mapping[str, Function]) -> None:
        self.path, self.tensors, self.header, self.library = path, dict(tensors), header, library
        size = header["size"]
        if size is not None and (type(size) is not int or size < 1):
            raise _unfit(path, f"an ensemble of {size!r} members")
        self.lead: tuple[int, ...] = () if size is None else (size,)

    def model(self) -> KAN | Ensemble:
        names, targets = self._texts(self.header["names"]), self._texts(self.header["targets"])
        features = self._map(self.header["features"], "features")
        readout = self._map(self.header["readout"], "readout")
        records = self.header["layers"]
        if not isinstance(records, list) or not records:
            raise _unfit(self.path, "it has no layers")
        layers: list[Layer] = []
        for l, record in enumerate(records):
            layers.append(self._layer(record, f"layers/{l}", layers[-1].nodes.n_nodes if layers else None))
        domain = self._take("domain", "f", len(names), 2)
        if self.tensors:
            raise _unfit(self.path, f"it has the unknown array {min(self.tensors)!r}")
        frame = KAN([1, 1], grid=1, k=1, names=names, targets=targets, features=features, readout=readout)
        network: KAN = eqx.tree_at(lambda m: (m.layers, m.domain), frame, (tuple(layers), domain))
        ensemble = Ensemble(network) if self.lead else None
        self._check_sizes(network if ensemble is None else ensemble[0])
        return network if ensemble is None else ensemble

    def _check_sizes(self, model: KAN) -> None:
        """Check that columns fit the first layer through the feature map, and outputs the targets."""
        with np.errstate(all="ignore"):
            inputs = model.features(np.ones((1, len(model.names))))
            outputs = model.readout(np.ones((1, model.n_outputs)))
        if inputs.shape != (1, model.layers[0].n_inputs) or outputs.shape != (1, len(model.targets)):
            raise _unfit(self.path, "its columns, layers and targets do not fit each other")

    def _take(self, name: str, kinds: str, *shape: int | None) -> np.ndarray:
        """Return an array of one of these kinds and this shape (None: any length)."""
        if name not in self.tensors:
            raise _unfit(self.path, f"the array {name!r} is missing")
        array = self.tensors.pop(name)
        wanted = (*self.lead, *shape)
        fits = len(wanted) == array.ndim and all(
            w in (None, n) for w, n in zip(wanted, array.shape, strict=True)
        )
        if not fits or array.dtype.kind not in kinds:
            raise _unfit(self.path, f"the array {name!r} is {array.dtype.name}{list(array.shape)}")
        return array

    def _layer(self, record: Record, at: str, n_inputs: int | None) -> Layer:
        k, n_sum = self._count(record["k"], 1), self._count(record["n_sum"], 0)
        arities = tuple(self._count(a, 1) for a in record["arities"])
        n_subs, n_nodes = n_sum + sum(arities), n_sum + len(arities)
        knots = self._take(f"{at}/splines/knots", "f", n_inputs, None)
        n_inputs, n_basis = int(knots.shape[-2]), int(knots.shape[-1]) - k - 1
        if n_basis <= k or n_nodes == 0 or n_inputs == 0:
            raise _unfit(self.path, f"{at} has too few knots or nodes")
        splines = SplineEdges(
            knots=knots,
            coef=self._take(f"{at}/splines/coef", "f", n_inputs, n_basis, n_subs),
            base=self._take(f"{at}/splines/base", "f", n_inputs, n_subs),
            mask=self._take(f"{at}/splines/mask", "f", n_inputs, n_subs),
            allowed=self._take(f"{at}/splines/allowed", "f", n_inputs, n_subs),
            k=k,
            base_function=None
            if record["base_function"] is None
            else self._function(record["base_function"]),
        )
        nodes = Nodes(
            sub_scale=self._take(f"{at}/nodes/sub_scale", "f", n_subs),
            sub_bias=self._take(f"{at}/nodes/sub_bias", "f", n_subs),
            scale=self._take(f"{at}/nodes/scale", "f", n_nodes),
            bias=self._take(f"{at}/nodes/bias", "f", n_nodes),
            n_sum=n_sum,
            arities=arities,
        )
        symbols = (
            None if record["functions"] is None else self._symbols(record["functions"], at, n_inputs, n_subs)
        )
        return Layer(
            splines=splines,
            symbols=symbols,
            locked=self._take(f"{at}/locked", "b", n_inputs, n_subs),
            nodes=nodes,
        )

    def _symbols(self, records: list[Any], at: str, n_inputs: int, n_subs: int) -> SymbolicEdges:
        functions = tuple(self._function(record) for record in records)
        index = self._take(f"{at}/symbols/function", "iu", n_inputs, n_subs)
        mask = self._take(f"{at}/symbols/mask", "f", n_inputs, n_subs)
        chosen = index[mask != 0]
        if chosen.size and not (0 <= chosen.min() and chosen.max() < len(functions)):
            raise _unfit(self.path, f"{at} uses a function that it does not list")
        affine = self._take(f"{at}/symbols/affine", "f", n_inputs, n_subs, 4)
        return SymbolicEdges(function=index, affine=affine, mask=mask, functions=functions)

    def _function(self, record: Any) -> Function:
        name, twin = self._texts(record)
        function = self.library[name] if name in self.library else _named_power(name)
        if function is None:
            raise ModelFileError(
                f"{self.path} uses the function {name!r}, which the library does not have.",
                fix="pass your own: load(path, library=LIBRARY.with_function(Function(...))).",
            )
        if function.twin != twin:
            raise ModelFileError(
                f"{self.path} uses a function {name!r} that is {twin!r}; the library has {function.twin!r}.",
                fix="pass the one it was saved with: load(path, library=LIBRARY.with_function(...)).",
            )
        return function

    def _map(self, record: Record, at: str) -> AbstractFeatureMap:
        kind = record["map"]
        if kind == "chain":
            return Chain(tuple(self._map(step, f"{at}/maps/{n}") for n, step in enumerate(record["maps"])))
        if kind == "scale":
            return Scale(self._take(f"{at}/factor", "f", None))
        if kind in ("log", "exp"):
            chosen = tuple(bool(on) for on in record["chosen"])
            return Log(chosen) if kind == "log" else Exp(chosen)
        if kind == "select":
            return Select(tuple(self._count(i, 0) for i in record["columns"]))
        if kind == "augment":
            return Augment(self._texts(record["names"]), self._texts(record["formulas"]))
        raise _unfit(self.path, f"the feature map {kind!r} is unknown")

    def _count(self, value: Any, least: int) -> int:
        if type(value) is not int or not least <= value <= 10**6:
            raise _unfit(self.path, f"{value!r} is no count of at least {least}")
        return value

    def _texts(self, values: Any) -> tuple[str, ...]:
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise _unfit(self.path, f"{str(values)[:60]} are no names")
        return tuple(values)


def _named_power(name: str) -> Function | None:
    """Return the record of a power that is named by its exponent ("x^2.5", "x^1/3"), or None."""
    head, _, text = name.partition("^")
    if head != "x" or not text or len(text) > 40:
        return None
    try:
        exponent = Fraction(text) if _RATIO.fullmatch(text) else float(text)
    except (ValueError, ZeroDivisionError):
        return None
    if not math.isfinite(exponent):
        return None
    function = power_function(exponent)
    return function if function.name == name else None
