"""The scene of a network: what is in it, how strong, where."""

import itertools
import math

import numpy as np
import pytest

from scikan.core.dataset import Dataset
from scikan.core.errors import SettingError, ShapeError
from scikan.core.features import Augment
from scikan.core.functions import LIBRARY
from scikan.core.kan import KAN
from scikan.edit.attribution import attribute
from scikan.edit.growth import Name, name_edge
from scikan.edit.surgery import compact, prune, remove_edges
from scikan.show.diagram import COLOURS, FAINTEST, diagram
from scikan.symbolic.kanpiler import kanpiler


ROWS = np.random.default_rng(0).uniform(-1, 1, size=(200, 4))


def pruned():
    model = KAN([4, (5, 2), 3, 1], key=3)
    return prune(model, attribute(model, ROWS), edge=0.1, node=0.05)


MODELS = {
    "one edge": lambda: KAN([1, 1]),
    "random": lambda: KAN([4, (5, 2), 3, 1], key=3),
    "pruned": pruned,
    "compact": lambda: compact(pruned()),
    "wide": lambda: KAN([10, 12, 1]),
    "very wide": lambda: KAN([40, 20, 3]),
    "products of three": lambda: KAN([2, (1, (2, 3)), (0, 1)]),
    "nested": lambda: kanpiler("exp(sin(pi*x) + y**2 + 0.5)", ["x", "y"]),
    "Lorentz": lambda: kanpiler("m/sqrt(1 - v**2/c**2)", ["m", "v", "c"]),
    "two outputs": lambda: kanpiler(
        ["x*y + sin(2*z)*(x + 3*y)", "a*log(x)/y"], ["x", "y", "z", "a"], domain=[[0.5, 2.0]] * 4
    ),
    "no edge": lambda: remove_edges(KAN([2, 1]), [(0, 0, 0), (0, 1, 0)]),
}


def numbers(scene):
    for box in scene.boxes:
        yield from (
            *box.middle,
            box.size,
            box.opacity,
            *(v for line in box.curve for point in line for v in point),
        )
    for stroke in scene.strokes:
        yield from (*stroke.start, *stroke.end, stroke.opacity)
    for item in (*scene.dots, *scene.glyphs, *scene.labels):
        yield from item.at


@pytest.mark.parametrize("kind", MODELS)
def test_every_live_edge_has_one_box_inside_the_scene(kind) -> None:
    model = MODELS[kind]()
    scene = diagram(model)
    assert [box.address for box in scene.boxes] == list(model.edges())
    assert all(math.isfinite(v) for v in numbers(scene))
    for box in scene.boxes:
        x, y = box.middle
        assert box.size / 2 - 1e-9 <= x <= scene.width - box.size / 2 + 1e-9 and 0 < y < scene.height
        inside = [
            abs(u - x) <= box.size / 2 and abs(v - y) <= box.size / 2 for line in box.curve for u, v in line
        ]
        assert all(inside)


@pytest.mark.parametrize("kind", MODELS)
def test_boxes_do_not_overlap(kind) -> None:
    boxes = [box for box in diagram(MODELS[kind]()).boxes if box.size]
    for a, b in itertools.combinations(boxes, 2):
        apart = max(abs(a.middle[0] - b.middle[0]), abs(a.middle[1] - b.middle[1]))
        assert apart >= (a.size + b.size) / 2 - 1e-9, (a.address, b.address)


@pytest.mark.parametrize("kind", ["nested", "Lorentz", "two outputs"])
def test_labels_of_functions_reach_no_other_box(kind) -> None:
    scene = diagram(MODELS[kind]())
    for label in (label for label in scene.labels if label.role == "edge"):
        end = label.at[0] + 0.066 * len(label.text)
        for box in scene.boxes:
            same_row = abs(box.middle[1] - label.at[1]) < box.size / 2
            left = box.middle[0] - box.size / 2
            assert not (box.size and same_row and label.at[0] < left < end), (label.text, box.address)


def test_opacity_follows_the_scores_and_nothing_vanishes() -> None:
    model = KAN([4, (5, 2), 3, 1], key=3)
    scores = attribute(model, ROWS)
    scene = diagram(model, x=ROWS)
    for box in scene.boxes:
        l, i, j = box.address
        assert box.score == pytest.approx(scores.edges[l][i, j])
        assert box.opacity == pytest.approx(max(FAINTEST, math.tanh(3 * scores.edges[l][i, j])))
    assert min(box.opacity for box in scene.boxes) == FAINTEST
    assert diagram(model, scores, x=ROWS) == scene


def test_strokes_run_from_node_to_box_to_target() -> None:
    scene = diagram(KAN([2, 1]))
    (box, other) = scene.boxes
    dots = {(dot.layer, dot.index): dot.at for dot in scene.dots}
    assert scene.strokes[0].start == dots[0, 0] and scene.strokes[0].end[0] == box.middle[0]
    assert scene.strokes[1].end == scene.glyphs[0].at == scene.strokes[3].end
    assert scene.strokes[4].start == scene.glyphs[0].at and scene.strokes[4].end == dots[1, 0]
    assert (
        box.middle[0] < other.middle[0]
        and scene.strokes[0].end[1] < box.middle[1] < scene.strokes[1].start[1]
    )


def test_kinds_have_their_names_and_colours() -> None:
    model = name_edge(KAN([3, 1]), (0, 1, 0), Name(LIBRARY["sin"], (2.0, 0.0, 1.0, 0.0)))
    spline, symbolic, _ = diagram(model).boxes
    assert (spline.kind, spline.name, spline.label, spline.colour) == ("spline", "", "", COLOURS["spline"])
    assert (symbolic.kind, symbolic.name, symbolic.label) == ("symbolic", "sin", "sin(2x)")
    assert symbolic.colour == COLOURS["symbolic"] != spline.colour


def test_labels_shorten_to_the_name_when_constants_are_long() -> None:
    model = name_edge(KAN([1, 1]), (0, 0, 0), Name(LIBRARY["sin"], (2.123, 0.456, 1.789, 3.0)))
    assert diagram(model).boxes[0].label == "sin"
    squared = name_edge(KAN([1, 1]), (0, 0, 0), Name(LIBRARY["x^2"]))
    assert diagram(squared).boxes[0].label == "x²"
    root = name_edge(KAN([1, 1]), (0, 0, 0), Name(LIBRARY["sqrt"], (math.pi, 0.0, 1.0, 0.0)))
    assert diagram(root).boxes[0].label == "√(πx)"


def test_identity_edges_are_plain_lines() -> None:
    scene = diagram(kanpiler("x*y", ["x", "y"]))
    assert all(box.name == "x" and box.size == 0 and not box.curve and not box.label for box in scene.boxes)
    assert [glyph.kind for glyph in scene.glyphs] == ["product"]
    assert len(scene.strokes) == 3


@pytest.mark.parametrize(
    ("width", "signs"),
    [([1, 1], []), ([2, 1], ["sum"]), ([1, (0, 1)], ["product"]), ([2, (0, 1)], ["product", "sum", "sum"]),
     ([1, (1, (3,)), 1], ["product", "sum"])],
)  # fmt: skip
def test_signs_stand_where_there_is_something_to_sum_or_multiply(width, signs) -> None:
    assert sorted(glyph.kind for glyph in diagram(KAN(width)).glyphs) == signs


def test_functions_undefined_on_part_of_the_domain_give_gaps_not_nan() -> None:
    model = name_edge(KAN([1, 1]), (0, 0, 0), Name(LIBRARY["sqrt"]))
    (box,) = diagram(model).boxes
    assert len(box.curve) == 1 and box.opacity > 0.9
    nowhere = name_edge(KAN([1, 1], domain=(-2.0, -1.0)), (0, 0, 0), Name(LIBRARY["log"]))
    (empty,) = diagram(nowhere).boxes
    assert empty.curve == () and 0 < empty.opacity <= 1


def test_poles_are_cut_off_not_allowed_to_flatten_the_rest() -> None:
    model = name_edge(KAN([1, 1]), (0, 0, 0), Name(LIBRARY["1/x"]))
    (box,) = diagram(model, x=np.linspace(-1, 1, 200)[:, None]).boxes
    heights = [abs(y - box.middle[1]) for line in box.curve for _, y in line]
    assert len(box.curve) == 2 and np.median(heights) > 0.05 * box.size
    # A narrow peak is no pole and is shown whole.
    peak = name_edge(KAN([1, 1]), (0, 0, 0), Name(LIBRARY["gaussian"], (20.0, 0.0, 1.0, 0.0)))
    (box,) = diagram(peak, x=np.linspace(-1, 1, 200)[:, None]).boxes
    assert len(box.curve) == 1 and len(box.curve[0]) == 81


def test_names_carry_units_and_what_the_feature_map_made() -> None:
    rng = np.random.default_rng(1)
    x = np.stack([10 ** rng.uniform(0, 5, 60), rng.uniform(1e4, 2e4, 60)], axis=1)
    y = np.prod(x, axis=1)
    data = Dataset.from_arrays(
        x, y, names=["a", "temp K"], targets=["p"], units={"a": "m", "temp K": "K", "p": "s"}
    )
    texts = [label.text for label in diagram(KAN.for_data(data), x=data).labels]
    assert texts == ["log(a)", "temp K (K)", "log(p)"]
    auxiliary = KAN(
        [3, 1], names=["v", "c"], domain=(0.5, 1.0), features=Augment(("v", "c"), ("beta = v/c",))
    )
    plain = eqx_domain(auxiliary)
    assert [label.text for label in diagram(plain).labels] == ["v", "c", "v/c", "y"]


def eqx_domain(model):
    import equinox as eqx

    return eqx.tree_at(lambda m: m.domain, model, np.array([[0.5, 1.0]] * 2))


def test_own_names_are_used_and_counted() -> None:
    texts = [label.text for label in diagram(KAN([2, 1]), in_names=["α", "$x"], out_names=["z_1"]).labels]
    assert texts == ["α", "$x", "z_1"]
    with pytest.raises(ShapeError, match="in_names"):
        diagram(KAN([2, 1]), in_names=["a"])
    with pytest.raises(SettingError, match="scores"):
        diagram(KAN([2, 1]), attribute(KAN([4, 1]), ROWS))
    with pytest.raises(ShapeError):
        diagram(KAN([2, 1]), x=ROWS)


def test_long_names_slant_and_short_ones_do_not() -> None:
    long = diagram(KAN([6, 1], names=[f"a_very_long_column_name_{i}" for i in range(6)]))
    assert all(label.slanted for label in long.labels if label.role == "input")
    assert not any(label.slanted for label in diagram(KAN([6, 1])).labels)


def test_hidden_nodes_without_edges_are_left_out_and_idle_inputs_are_marked() -> None:
    model = remove_edges(KAN([2, 2, 1]), [(0, 0, 0), (0, 1, 0), (1, 0, 0), (0, 0, 1)])
    scene = diagram(model)
    assert [(dot.layer, dot.index, dot.live) for dot in scene.dots] == [
        (0, 0, False), (0, 1, True), (1, 1, True), (2, 0, True),
    ]  # fmt: skip


def test_the_scene_of_a_single_precision_model_and_of_one_row() -> None:
    assert all(math.isfinite(v) for v in numbers(diagram(KAN([2, 2, 1], dtype=np.float32))))
    assert all(math.isfinite(v) for v in numbers(diagram(KAN([4, 2, 1]), x=ROWS[:1])))


def test_compact_models_show_the_inputs_that_are_left() -> None:
    model = compact(remove_edges(KAN([3, 1], names=["a", "b", "c"]), [(0, 1, 0)]))
    assert [label.text for label in diagram(model).labels if label.role == "input"] == ["a", "c"]
