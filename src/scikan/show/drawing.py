"""From a scene to a figure: strokes, boxes, nodes and labels as vectors on a canvas that holds them all."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from scikan.core.errors import SettingError
from scikan.core.names import Number
from scikan.show.diagram import COLOURS, Scene
from scikan.show.layout import Point


if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


Size = tuple[Number, Number]

INK, FAINT = "#1a1a1a", "#8c8c8c"
_MARGIN = 0.08
_STYLE: Mapping[str, Any] = {
    "font.family": "DejaVu Sans", "font.size": 9.5, "axes.labelsize": 10, "axes.titlesize": 11,
    "xtick.labelsize": 8.5, "ytick.labelsize": 8.5, "legend.fontsize": 9, "legend.frameon": False,
    "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": INK, "axes.linewidth": 0.8,
    "figure.constrained_layout.w_pad": 0.1, "figure.constrained_layout.h_pad": 0.1, "figure.dpi": 100,
    "figure.facecolor": "white", "savefig.dpi": 150, "savefig.facecolor": "white",
    "savefig.bbox": None, "svg.hashsalt": "scikan", "svg.fonttype": "path",
}  # fmt: skip


def draw(scene: Scene, *, title: str | None = None, size: Size | None = None) -> "Figure":
    """Return a scene as a figure, one inch of the scene an inch of paper unless a size is given."""
    from matplotlib.figure import Figure

    with figure_style():
        figure = Figure(figsize=(scene.width, scene.height))
        axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        axes.set_axis_off()
        axes.set_xlim(0.0, scene.width)
        axes.set_ylim(0.0, scene.height)
        texts = _draw_all(axes, scene)
        _frame(figure, axes, scene, texts, title, size)
    return figure


def draw_row(scenes: Mapping[str, Scene]) -> "Figure":
    """Return scenes side by side, on one foot and at one scale, each under its title."""
    from matplotlib.figure import Figure

    singles = [draw(scene, title=title) for title, scene in scenes.items()]
    sizes = [single.get_size_inches() for single in singles]
    width, height = sum(float(w) for w, _ in sizes), max(float(h) for _, h in sizes)
    with figure_style():
        figure, left = Figure(figsize=(width, height)), 0.0
        for scene, single, (w, h) in zip(scenes.values(), singles, sizes, strict=True):
            framed, axes = single.axes[0], figure.add_axes((left / width, 0.0, w / width, h / height))
            axes.set_axis_off()
            axes.set_xlim(*framed.get_xlim())
            axes.set_ylim(*framed.get_ylim())
            _draw_all(axes, scene)
            written = framed.texts[-1]
            axes.text(*written.get_position(), written.get_text(), ha="center", va="bottom", fontsize=12,
                      color=INK, parse_math=False)  # fmt: skip
            left += float(w)
    return figure


def _draw_all(axes: "Axes", scene: Scene) -> list[Any]:
    """Draw a scene; return its labels."""
    _draw_lines(axes, scene)
    _draw_boxes(axes, scene)
    _draw_nodes(axes, scene)
    return _draw_labels(axes, scene)


def _draw_lines(axes: "Axes", scene: Scene) -> None:
    from matplotlib.collections import LineCollection

    order = sorted(scene.strokes, key=lambda s: s.opacity)
    colours = [_rgba(s.colour, s.opacity) for s in order]
    widths = [0.6 + 0.7 * s.opacity for s in order]
    lines = LineCollection([[s.start, s.end] for s in order], colors=colours, linewidths=widths, zorder=1)
    lines.set_capstyle("round")
    axes.add_collection(lines, autolim=False)


def _draw_boxes(axes: "Axes", scene: Scene) -> None:
    from matplotlib.collections import LineCollection, PatchCollection
    from matplotlib.patches import Rectangle

    shown = [box for box in scene.boxes if box.size]
    patches = [Rectangle((b.middle[0] - b.size / 2, b.middle[1] - b.size / 2), b.size, b.size) for b in shown]
    edges = [_rgba(b.colour, max(0.3, b.opacity)) for b in shown]
    axes.add_collection(
        PatchCollection(patches, facecolor="white", edgecolor=edges, linewidth=0.7, zorder=2), autolim=False
    )
    curves = [(line, _rgba(b.colour, b.opacity), 0.7 + 1.6 * b.size) for b in shown for line in b.curve]
    drawn = LineCollection(
        [line for line, _, _ in curves],
        colors=[c for _, c, _ in curves],
        linewidths=[w for _, _, w in curves],
        zorder=3,
    )
    drawn.set_capstyle("round")
    axes.add_collection(drawn, autolim=False)


def _draw_nodes(axes: "Axes", scene: Scene) -> None:
    from matplotlib.collections import LineCollection

    sizes = [0.1 if dot.live else 0.08 for dot in scene.dots]
    colours = [INK if dot.live else COLOURS["off"] for dot in scene.dots]
    _draw_discs(axes, [dot.at for dot in scene.dots], sizes, facecolors=colours, linewidths=0, zorder=5)
    signs = [glyph.at for glyph in scene.glyphs]
    _draw_discs(
        axes, signs, [0.19] * len(signs), facecolors="white", edgecolors=INK, linewidths=0.9, zorder=4
    )
    arms = []
    for glyph in scene.glyphs:
        x, y = glyph.at
        r = 0.056 if glyph.kind == "sum" else 0.042
        ends = ((r, 0.0), (0.0, r)) if glyph.kind == "sum" else ((r, r), (r, -r))
        arms += [[(x - u, y - v), (x + u, y + v)] for u, v in ends]
    axes.add_collection(LineCollection(arms, colors=INK, linewidths=1.1, zorder=4.5), autolim=False)


def _draw_discs(axes: "Axes", middles: list[Point], sizes: list[float], **look: Any) -> None:
    from matplotlib.collections import EllipseCollection

    if middles:
        discs = EllipseCollection(
            sizes,
            sizes,
            [0.0] * len(sizes),
            units="xy",
            offsets=middles,
            offset_transform=axes.transData,
            **look,
        )
        axes.add_collection(discs, autolim=False)


def _draw_labels(axes: "Axes", scene: Scene) -> list[Any]:
    drawn = []
    for label in scene.labels:
        x, y = label.at
        options: dict[str, Any] = {"parse_math": False, "zorder": 6, "color": INK, "fontsize": 11}
        if label.role == "edge":
            options |= {"ha": "left", "va": "center", "fontsize": 8.5, "color": COLOURS["symbolic"]}
            x += 0.05
        elif label.role == "input":
            options |= {"ha": "right" if label.slanted else "center", "va": "top"}
            x, y = (x + 0.06, y - 0.1) if label.slanted else (x, y - 0.13)
        else:
            options |= {"ha": "left" if label.slanted else "center", "va": "bottom"}
            x, y = (x - 0.06, y + 0.1) if label.slanted else (x, y + 0.12)
        if label.slanted:
            options |= {"rotation": 40, "rotation_mode": "anchor"}
        drawn.append(axes.text(x, y, label.text, **options))
    return drawn


def _frame(
    figure: "Figure",
    axes: "Axes",
    scene: Scene,
    texts: list[Any],
    title: str | None,
    size: Size | None,
) -> None:
    """Let the canvas hold the scene and all its labels, whose size only the fonts know."""
    low, high = [-0.06, -0.06], [scene.width + 0.06, scene.height + 0.06]
    for box in _extents(figure, texts):
        low = [min(low[0], box[0]), min(low[1], box[1])]
        high = [max(high[0], box[2]), max(high[1], box[3])]
    if title:
        written = axes.text((low[0] + high[0]) / 2, high[1] + 0.12, title, ha="center", va="bottom", fontsize=12,
                            color=INK, parse_math=False)  # fmt: skip
        box = _extents(figure, [written])[0]
        low, high = [min(low[0], box[0]), low[1]], [max(high[0], box[2]), box[3]]
    low, high = [v - _MARGIN for v in low], [v + _MARGIN for v in high]
    width, height = high[0] - low[0], high[1] - low[1]
    if size is not None:
        if not (size[0] > 0 and size[1] > 0):
            raise SettingError(
                f"A figure cannot be {size} inches large.", fix="give (width, height) above 0."
            )
        # Hinted letters do not shrink quite as their size does.
        scale = 0.98 * min(size[0] / width, size[1] / height)
        for text in axes.texts:
            text.set_fontsize(float(text.get_fontsize()) * min(1.0, scale))
        more = (size[0] / scale - width) / 2, (size[1] / scale - height) / 2
        low, high = [low[0] - more[0], low[1] - more[1]], [high[0] + more[0], high[1] + more[1]]
    figure.set_size_inches(*(size or (width, height)))
    axes.set_xlim(low[0], high[0])
    axes.set_ylim(low[1], high[1])


def _extents(figure: "Figure", texts: Sequence[Any]) -> list[tuple[float, float, float, float]]:
    """Return the boxes of texts in inches of the scene, while one is an inch of the figure."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [text.get_window_extent(renderer).extents / figure.dpi for text in texts]
    return [(float(b[0]), float(b[1]), float(b[2]), float(b[3])) for b in boxes]


def figure_style() -> AbstractContextManager[None]:
    """Return the context in which all our figures are made and written; it leaves nothing behind."""
    from matplotlib import rc_context

    return rc_context(dict(_STYLE))


def _rgba(colour: str, opacity: float) -> tuple[float, float, float, float]:
    red, green, blue = (int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5))
    return red, green, blue, opacity
