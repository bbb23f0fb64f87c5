"""A film of networks: one diagram after the other, all on a canvas of one size."""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from scikan.core.dataset import Dataset
from scikan.core.errors import SettingError
from scikan.core.kan import KAN
from scikan.show.diagram import diagram
from scikan.show.drawing import draw, figure_style


if TYPE_CHECKING:
    from PIL.Image import Image


def film(
    frames: Sequence[KAN],
    path: str | os.PathLike[str],
    *,
    data: Dataset | np.ndarray | None = None,
    titles: Sequence[str] | None = None,
    seconds: float | int = 0.4,
    dpi: int = 100,
) -> None:
    """Write an animated GIF of networks, such as those of a training; the same frames give the same bytes.

    Args:
        frames: the networks, in the order in which they are shown.
        path: the file, ending in .gif.
        data: rows over which curves and scores are taken; each model's domain if not given.
        titles: a line above each.
        seconds: how long each is shown; the last stays five times as long.
        dpi: pixels per inch.

    Raises:
        SettingError: there are no frames, another number of titles, or the name does not end in .gif.
    """
    if not frames or (titles is not None and len(titles) != len(frames)):
        raise SettingError(
            f"{len(frames)} frames{'' if titles is None else f' and {len(titles)} titles'} make no film.",
            fix="give at least one network, and no titles or one each.",
        )
    if Path(path).suffix.lower() != ".gif":
        raise SettingError(f"A film cannot be written as {Path(path).suffix!r} ({path}).", fix="use .gif.")
    if not (seconds > 0 and dpi > 0):
        raise SettingError(f"seconds={seconds} and dpi={dpi} must be above 0.", fix="leave them out.")
    pictures = list(_pictures(frames, data, titles, dpi))
    width, height = max(p.width for p in pictures), max(p.height for p in pictures)
    pictures = [_on_canvas(p, width, height) for p in pictures]
    step = max(20, round(1000 * seconds))
    durations = [*[step] * (len(pictures) - 1), 5 * step]
    partial = Path(path).with_name(f".{Path(path).name}.tmp")
    try:
        pictures[0].save(
            partial, format="GIF", save_all=True, append_images=pictures[1:], duration=durations, loop=0
        )
        os.replace(partial, path)
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def _pictures(
    frames: Sequence[KAN], data: Dataset | np.ndarray | None, titles: Sequence[str] | None, dpi: int
) -> Iterator["Image"]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    for place, model in enumerate(frames):
        figure = draw(diagram(model, x=data), title=None if titles is None else titles[place])
        with figure_style():
            figure.set_dpi(dpi)
            canvas = FigureCanvasAgg(figure)
            canvas.draw()
        yield Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])


def _on_canvas(picture: "Image", width: int, height: int) -> "Image":
    """Return the picture in 64 colours, in the middle of a white canvas."""
    from PIL import Image

    canvas = Image.new("RGB", (width, height), "white")
    canvas.paste(picture, ((width - picture.width) // 2, (height - picture.height) // 2))
    return canvas.quantize(64)
