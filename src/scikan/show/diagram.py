"""The picture of a network as plain data: which strokes, boxes, curves and labels, where, and how strong.

This is the figure of the KAN 2.0 paper: inputs at the bottom, outputs at the top, on every edge a small box
with the edge's function, faint where little of the output's variation runs through it. Nothing here draws;
`plot` and whatever else shows a network work from one `Scene`, so that they agree. Lengths are inches.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scikan.core.dataset import Dataset
from scikan.core.errors import SettingError, ShapeError
from scikan.core.features import AbstractFeatureMap
from scikan.core.kan import KAN, Edge, EdgeAddress
from scikan.core.layer import Layer
from scikan.core.nodes import PI, Expr, Mul, Number, Symbol, add, is_numeric, multiply
from scikan.core.parser import apply
from scikan.core.precision import numpy_leaves
from scikan.core.printing import to_text
from scikan.core.samples import box_samples
from scikan.edit.attribution import Scores, attribute_inputs
from scikan.show.layout import NAME_LETTER, PAGE, Mark, Place, Point, arrange


Polyline = tuple[Point, ...]

COLOURS: Mapping[str, str] = {"spline": "#1a1a1a", "symbolic": "#0072b2", "both": "#aa3377", "off": "#9a9a9a"}
CONTRAST = 3.0
FAINTEST = 0.12
LONGEST_LABEL = 14
_SAMPLES = 256
_POINTS = 81
_RAISED = str.maketrans("-0123456789.", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹·")


@dataclass(frozen=True)
class Box:
    """One edge that is on: its box (side `size`; 0 for the identity, a mere line), curve and label.

    `curve` lies inside the box and has gaps where the function is undefined; `score` is its attribution.
    """

    address: EdgeAddress
    kind: str
    name: str
    label: str
    middle: Point
    size: float
    score: float
    opacity: float
    curve: tuple[Polyline, ...]

    @property
    def colour(self) -> str:
        """Colour of the edge, by its kind."""
        return COLOURS[self.kind]


@dataclass(frozen=True)
class Stroke:
    """A straight line; `kind` as that of the edge it belongs to ("spline" for those behind a sign)."""

    start: Point
    end: Point
    kind: str
    opacity: float

    @property
    def colour(self) -> str:
        """Colour of the line, by its kind."""
        return COLOURS[self.kind]


@dataclass(frozen=True)
class Dot:
    """A node, by node layer (0: inputs) and index; `live` unless it neither reads nor is read."""

    layer: int
    index: int
    at: Point
    live: bool


@dataclass(frozen=True)
class Glyph:
    """The sign of a "sum" or a "product"."""

    kind: str
    at: Point
    opacity: float


@dataclass(frozen=True)
class Label:
    """A name at an "input" or an "output", or the function of an "edge"; slanted where names are long."""

    text: str
    at: Point
    role: str
    slanted: bool = False


@dataclass(frozen=True)
class Scene:
    """Everything that a picture of a network shows."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    strokes: tuple[Stroke, ...]
    dots: tuple[Dot, ...]
    glyphs: tuple[Glyph, ...]
    labels: tuple[Label, ...]


def diagram(
    model: KAN,
    scores: Scores | None = None,
    *,
    x: Dataset | np.ndarray | None = None,
    in_names: Sequence[str] | None = None,
    out_names: Sequence[str] | None = None,
    edge_labels: Mapping[EdgeAddress, str] | None = None,
) -> Scene:
    """Return the picture of a network as data.

    Args:
        model: the network.
        scores: how strong each edge is; computed from `x` if not given.
        x: raw columns, or a `Dataset` (its training rows, and the units of its columns), over which curves
            and scores are taken; 256 points drawn evenly from the model's domain if not given.
        in_names, out_names: labels instead of the columns' own names.
        edge_labels: labels instead of the functions' names; edges that are not named have none.

    Raises:
        ShapeError: `x` has other columns than the model, or the names are too few or too many.
        SettingError: the scores belong to another shape.
    """
    model = numpy_leaves(model)
    inputs = _inputs(model, x)
    scores = _scores(model, inputs) if scores is None else _fitting(model, scores)
    units = x.units if isinstance(x, Dataset) else {}
    ins = _names(in_names, input_labels(model, units), model.layers[0].n_inputs, "in_names")
    outs = _names(out_names, output_labels(model, units), model.n_outputs, "out_names")
    edges = [model[at] for at in model.edges()]
    marks = [_mark(model, edge) for edge in edges]
    if edge_labels is not None:
        texts = [(edge_labels[e.address],) if e.address in edge_labels else () for e in edges]
        marks = [replace(mark, labels=text) for mark, text in zip(marks, texts, strict=True)]
    needed = [NAME_LETTER * (max(map(len, names)) + 1.5) * len(names) for names in (ins, outs)]
    slanted = [n > PAGE for n in needed]
    layout = arrange(
        model, marks, max((n for n, s in zip(needed, slanted, strict=True) if not s), default=0.0)
    )
    curves = _curves(model, inputs)
    boxes = tuple(_box(e, layout.edges[e.address], scores, curves[e.address[0]]) for e in edges)
    strokes = [s for box in boxes for s in _strokes(box, layout.edges[box.address])]
    glyphs = []
    for joint in layout.joints:
        opacity = _opacity(float(scores.nodes[joint.layer][joint.node]))
        glyphs.append(Glyph(joint.kind, joint.at, opacity))
        strokes.append(Stroke(joint.at, joint.to, "spline", opacity))
    owners = [layer.nodes.owner() for layer in model.layers]
    joined = {(l, i) for l, i, _ in model.edges()} | {(l + 1, int(owners[l][j])) for l, _, j in model.edges()}
    dots = tuple(Dot(l, n, at, (l, n) in joined) for (l, n), at in layout.nodes.items())
    labels = [Label(b.label, (b.middle[0] + b.size / 2, b.middle[1]), "edge") for b in boxes if b.label]
    labels += [Label(name, layout.nodes[0, i], "input", slanted[0]) for i, name in enumerate(ins)]
    top = len(model.layers)
    labels += [Label(name, layout.nodes[top, i], "output", slanted[1]) for i, name in enumerate(outs)]
    return Scene(layout.width, layout.height, boxes, tuple(strokes), dots, tuple(glyphs), tuple(labels))


def input_labels(model: KAN, units: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Return what each input is: a column with its unit, or what the feature map made of columns."""
    return _labels(model.features, model.names, units or {})


def output_labels(model: KAN, units: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Return what each output is: a target with its unit, or what the readout maps back to it."""
    try:
        back = model.readout.inverse()
    except SettingError:
        return model.targets
    return _labels(back, model.targets, units or {})


def _labels(features: AbstractFeatureMap, names: Sequence[str], units: Mapping[str, str]) -> tuple[str, ...]:
    found = []
    for tree in features.exprs([Symbol(name) for name in names]):
        # A factor that only brings a column to order one says nothing that the label needs.
        core = multiply([a for a in tree.args if not is_numeric(a)]) if isinstance(tree, Mul) else tree
        if isinstance(core, Symbol):
            found.append(f"{core.name} ({units[core.name]})" if units.get(core.name) else core.name)
        else:
            found.append(_pretty(core))
    return tuple(found)


def _names(given: Sequence[str] | None, own: Sequence[str], count: int, argument: str) -> tuple[str, ...]:
    names = tuple(str(name) for name in (own if given is None else given))
    if len(names) != count:
        raise ShapeError(
            f"{len(names)} names are given as {argument}, {count} are needed.", fix="give one name each."
        )
    return names


def _inputs(model: KAN, x: Dataset | np.ndarray | None) -> np.ndarray:
    """Return network-side inputs; if some rows leave the functions' domains, only those that do not."""
    if x is None:
        rows = box_samples(model.domain, _SAMPLES)
    else:
        rows = x.train_x if isinstance(x, Dataset) else np.asarray(x, float)
    trace = model.trace(rows)
    defined = np.isfinite(np.asarray(trace.inputs)).all(axis=1)
    for layer in trace.layers:
        defined &= np.isfinite(np.asarray(layer.nodes)).all(axis=1)
    inputs = np.asarray(trace.inputs)
    return inputs[defined] if defined.sum() >= 2 else inputs


def _scores(model: KAN, inputs: np.ndarray) -> Scores:
    """Return the scores; all ones where there are none: one row, or a function that is undefined on all."""
    try:
        scores = attribute_inputs(model, inputs)
    except ShapeError:
        scores = None
    if scores is not None and all(np.isfinite(table).all() for table in scores.edges):
        return scores
    shapes = [layer.splines.mask.shape for layer in model.layers]
    tables = tuple(np.ones(shape) for shape in shapes)
    counts = [model.layers[0].n_inputs, *(layer.nodes.n_nodes for layer in model.layers)]
    nodes, subs = tuple(np.ones(n) for n in counts), tuple(np.ones(shape[1]) for shape in shapes)
    return Scores(nodes, subs, tables, tables, tables)


def _fitting(model: KAN, scores: Scores) -> Scores:
    shapes = [layer.splines.mask.shape for layer in model.layers]
    if [table.shape for table in scores.edges] != shapes:
        raise SettingError(
            f"The scores are for layers of shape {[e.shape for e in scores.edges]}, the model has {shapes}.",
            fix="compute them again: scores = attribute(model, data).",
        )
    return scores


def _opacity(score: float) -> float:
    return max(FAINTEST, math.tanh(CONTRAST * score)) if math.isfinite(score) else FAINTEST


def _mark(model: KAN, edge: Edge) -> Mark:
    address = edge.address
    if edge.kind != "symbolic":
        return Mark(address, (), False)
    a, b, c, d = edge.constants
    function = _function_of(model.layers[address[0]], address)
    full = _pretty(_affine(apply(function, _affine(Symbol("x"), a, b)), c, d))
    plain = edge.name == "x"
    if plain:
        return Mark(address, () if full == "x" else (full,), True)
    short = _pretty(apply(function, Symbol("x"))) if function.is_elementary is False else edge.name
    labels = (full, short) if len(full) <= LONGEST_LABEL and full != short else (short,)
    return Mark(address, tuple(label for label in labels if len(label) <= LONGEST_LABEL), False)


def _function_of(layer: Layer, address: EdgeAddress) -> Any:
    assert layer.symbols is not None
    return layer.symbols.functions[int(layer.symbols.function[address[1], address[2]])]


def _affine(inner: Expr, scale: float, shift: float) -> Expr:
    return add([multiply([_number(scale), inner]), _number(shift)])


def _number(value: float) -> Expr:
    if abs(abs(value) - math.pi) < 1e-9:
        return multiply([Number(int(math.copysign(1, value))), PI])
    return Number(int(value)) if value == int(value) and abs(value) < 1000 else Number(value)


def _pretty(tree: Expr) -> str:
    """Return a formula as short text with raised exponents, roots and no needless signs."""
    text = to_text(tree, 3).replace("`", "")
    text = re.sub(r"\*\*\(?(-?[0-9.]+)\)?(?![0-9/])", lambda m: m[1].translate(_RAISED), text)
    text = re.sub(r"√\((\w+)\)", r"√\1", re.sub(r"\bsqrt\(", "√(", text.replace("**", "^")))
    text = re.sub(r"\bpi\b", "π", text)
    return re.sub(r"(?<=[0-9π])\*(?=[^\W\d]|[(√])", "", text).replace("*", "·").replace("-", "−")


def _curves(model: KAN, inputs: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return (arguments (points, inputs), values (points, inputs, subs)) for all edges of each layer."""
    found, values = [], np.asarray(inputs)
    with np.errstate(all="ignore"):
        for layer in model.layers:
            finite = np.where(np.isfinite(values), values, np.nan)
            usable = np.isfinite(finite).any(axis=0)
            low = np.where(usable, np.nanmin(np.where(usable, finite, 0.0), axis=0), -1.0)
            high = np.where(usable, np.nanmax(np.where(usable, finite, 0.0), axis=0), 1.0)
            steps = np.linspace(0.0, 1.0, _POINTS)[:, None]
            points = (low + (high - low) * steps).astype(model.dtype)
            found.append((points, np.asarray(layer.edges(points), float)))
            values = np.asarray(layer(values))
    return found


def _box(edge: Edge, place: Place, scores: Scores, curves: tuple[np.ndarray, np.ndarray]) -> Box:
    l, i, j = edge.address
    score = float(scores.edges[l][i, j])
    curve = _inside(curves[1][:, i, j], place) if place.size else ()
    return Box(
        edge.address,
        edge.kind,
        edge.name,
        place.label,
        place.middle,
        place.size,
        score,
        _opacity(score),
        curve,
    )


def _inside(values: np.ndarray, place: Place) -> tuple[Polyline, ...]:
    """Return a curve fitted into its box; a pole is cut off rather than flatten all the rest."""
    if place.size < 0.1:
        # What nobody can see need not be in the file.
        values = values[::8]
    finite = values[np.isfinite(values)]
    if not finite.size:
        return ()
    low, high = _limits(values, finite)
    span = high - low
    # Rounding noise of a constant is no shape.
    flat = span <= 1e-9 * max(abs(low), abs(high), 1e-300)
    with np.errstate(all="ignore"):
        rise = np.zeros_like(values) if flat else (values - (low + high) / 2) / span
    side = 0.8 * place.size
    across = place.middle[0] + side * (np.arange(len(values)) / (len(values) - 1) - 0.5)
    return tuple(
        tuple((float(x), float(place.middle[1] + side * y)) for x, y in run) for run in _runs(across, rise)
    )


def _limits(values: np.ndarray, finite: np.ndarray) -> tuple[float, float]:
    """Return the range to show: all of it, unless a step of the samples jumps a pole."""
    low, high = float(finite.min()), float(finite.max())
    tenth, rest = (float(q) for q in np.quantile(finite, [0.1, 0.9]))
    spread = rest - tenth
    with np.errstate(all="ignore"):
        jumps = bool(
            np.isinf(values).any() or np.nanmax(np.abs(np.diff(values)), initial=0.0) > 0.6 * (high - low)
        )
    if jumps and high - low > 4.0 * spread > 0.0:
        return max(low, tenth - spread / 2), min(high, rest + spread / 2)
    return low, high


def _runs(across: np.ndarray, rise: np.ndarray) -> list[list[Point]]:
    """Return the pieces of a curve that lie between -1/2 and 1/2, cut where it leaves and enters."""
    runs: list[list[Point]] = []
    run: list[Point] = []
    inside = np.isfinite(rise) & (np.abs(rise) <= 0.5 + 1e-9)
    for n in range(len(rise)):
        crosses = n > 0 and inside[n] != inside[n - 1] and np.isfinite(rise[n - 1 : n + 1]).all()
        if crosses:
            edge = math.copysign(0.5, rise[n - 1] if inside[n] else rise[n])
            share = (edge - rise[n - 1]) / (rise[n] - rise[n - 1])
            run.append((float(across[n - 1] + share * (across[n] - across[n - 1])), edge))
        if inside[n]:
            run.append((float(across[n]), float(rise[n])))
        elif run:
            runs.append(run)
            run = []
    return [r for r in (*runs, run) if len(r) > 1]


def _strokes(box: Box, place: Place) -> list[Stroke]:
    x, y = place.middle
    bends: list[Point] = [place.start, (x, y - place.half), (x, y + place.half), place.end]
    if not place.half:
        bends = [place.start, place.end]
    pairs = list(zip(bends[:-1], bends[1:], strict=True))
    if box.size:
        del pairs[1]
    return [Stroke(start, end, box.kind, box.opacity) for start, end in pairs]
