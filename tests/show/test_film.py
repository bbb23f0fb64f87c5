"""Films of networks."""

import os

import numpy as np
import pytest
from PIL import Image

from scikan.core.errors import SettingError
from scikan.core.kan import KAN
from scikan.edit.surgery import compact, remove_edges
from scikan.show.film import film


def frames():
    start = KAN([2, 3, 1], key=1)
    pruned = remove_edges(start, [(0, 0, 0), (0, 1, 0), (1, 0, 0)])
    return [start, pruned, compact(pruned)]


def test_a_film_has_one_picture_a_network_on_one_canvas(tmp_path) -> None:
    film(frames(), tmp_path / "a.gif", titles=["start", "pruned", "compact"], seconds=0.1)
    with Image.open(tmp_path / "a.gif") as picture:
        assert picture.n_frames == 3
        times, pixels = [], []
        for n in range(3):
            picture.seek(n)
            times.append(picture.info["duration"])
            pixels.append(np.asarray(picture.convert("L")))
    assert times == [100, 100, 500]
    assert not np.array_equal(pixels[0], pixels[1]) and (pixels[1] == 255).mean() > 0.8
    assert os.listdir(tmp_path) == ["a.gif"]


def test_the_same_frames_give_the_same_bytes(tmp_path) -> None:
    for name in ("a.gif", "b.gif"):
        film(frames(), tmp_path / name, data=np.random.default_rng(0).normal(size=(20, 2)))
    assert (tmp_path / "a.gif").read_bytes() == (tmp_path / "b.gif").read_bytes()


@pytest.mark.parametrize(
    ("count", "name", "options"),
    [(0, "a.gif", {}), (1, "a.mp4", {}), (1, "a.gif", {"titles": ["a", "b"]}), (1, "a.gif", {"seconds": 0})],
)
def test_bad_films_are_refused(tmp_path, count, name, options) -> None:
    with pytest.raises(SettingError):
        film(frames()[:count], tmp_path / name, **options)
    assert os.listdir(tmp_path) == []
