"""One file of arrays and a header: whole or not at all, and checked when read."""

import json
import os

import numpy as np
import pytest
from safetensors.numpy import save as format_tensors

from scikan.core.errors import ModelFileError
from scikan.files import container
from scikan.files.container import read, write


HEADER = {"names": ["a", "temp K"], "k": 3, "nested": [{"x": None}, 1.5, True]}


def arrays():
    rng = np.random.default_rng(0)
    table = rng.normal(size=(5, 7))
    return {
        "plain": table,
        "transposed": table.T,
        "fortran": np.asfortranarray(rng.normal(size=(3, 4, 5))),
        "strided": table[::2, 1::3],
        "reversed": table[:, ::-1],
        "broadcast": np.broadcast_to(np.float32(2.5), (3, 2)),
        "zero_d": np.array(3.25),
        "empty": np.zeros((0, 4)),
        "single": rng.normal(size=9).astype(np.float32),
        "half": rng.normal(size=4).astype(np.float16),
        "flags": np.array([[True, False], [False, True]]).T,
        "index": np.arange(6, dtype=np.int32).reshape(2, 3).T,
        "special": np.array([np.nan, -np.nan, np.inf, -np.inf, -0.0, 5e-324]),
        "payload": np.array([0x7FF8000000000123, 0xFFF0000000000001], np.uint64).view(np.float64),
    }


def refusal(path):
    with pytest.raises(ModelFileError) as caught:
        read(path)
    assert caught.value.fix and "\n" not in caught.value.what and caught.value.what.endswith(".")
    return caught.value.what


def test_arrays_come_back_bit_for_bit_whatever_their_memory_order(tmp_path) -> None:
    given = arrays()
    write(tmp_path / "m.kan", given, HEADER)
    found, header = read(tmp_path / "m.kan")
    assert header == HEADER and set(found) == set(given)
    for name, array in given.items():
        assert found[name].dtype == array.dtype and found[name].shape == array.shape, name
        assert found[name].tobytes() == np.asarray(array, order="C").tobytes(), name
        assert found[name].flags.writeable


def test_many_random_arrays_come_back(tmp_path) -> None:
    rng = np.random.default_rng(1)
    given = {}
    for n in range(300):
        shape = tuple(rng.integers(0, 5, size=rng.integers(0, 5)))
        array = rng.integers(0, 256, size=(*shape, 8), dtype=np.uint8).view(np.float64)[..., 0]
        given[f"{n}"] = np.transpose(array, rng.permutation(array.ndim))
    write(tmp_path / "m", given, {})
    found, _ = read(tmp_path / "m")
    assert all(found[k].tobytes() == v.tobytes() and found[k].shape == v.shape for k, v in given.items())


def test_byte_order_becomes_the_machines_own(tmp_path) -> None:
    write(tmp_path / "m", {"a": np.array([1.5, -2.0], ">f8")}, {})
    found = read(tmp_path / "m")[0]["a"]
    assert found.dtype == np.float64 and found.tolist() == [1.5, -2.0]


@pytest.mark.parametrize(
    "bad", [np.array(["a"]), np.array([1j]), np.array([None]), np.zeros(2, np.longdouble)]
)
def test_arrays_that_are_no_real_numbers_are_refused(tmp_path, bad) -> None:
    with pytest.raises(ModelFileError, match="cannot be stored"):
        write(tmp_path / "m", {"a": bad}, {})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("bad", [{"a": np.nan}, {"a": object()}, {"a": "x" * 2_000_000}])
def test_headers_that_cannot_be_stored_are_refused(tmp_path, bad) -> None:
    with pytest.raises(ModelFileError):
        write(tmp_path / "m", {}, bad)
    assert not list(tmp_path.iterdir())


def test_files_cut_off_anywhere_are_refused(tmp_path) -> None:
    path = tmp_path / "m"
    write(path, arrays(), HEADER)
    content = path.read_bytes()
    for sixteenth in range(16):
        path.write_bytes(content[: len(content) * sixteenth // 16])
        assert "damaged" in refusal(path)
    path.write_bytes(content[:-1])
    assert "cut off" in refusal(path)
    path.write_bytes(content + b"\0")
    refusal(path)


def test_every_flipped_bit_of_the_arrays_is_seen(tmp_path) -> None:
    path = tmp_path / "m"
    write(path, {"a": np.arange(5.0)}, HEADER)
    content = path.read_bytes()
    for bit in range(0, 8 * 40, 7):
        changed = bytearray(content)
        changed[-1 - bit // 8] ^= 1 << bit % 8
        path.write_bytes(bytes(changed))
        assert "checksum differs" in refusal(path)


def test_mutants_are_refused_and_nothing_else_happens(tmp_path) -> None:
    path = tmp_path / "m"
    write(path, {"a": np.arange(5.0), "b": np.ones((2, 3), np.float32)}, HEADER)
    content, rng = path.read_bytes(), np.random.default_rng(2)
    for _ in range(500):
        mutant = bytearray(content)
        for _ in range(rng.integers(1, 4)):
            at = int(rng.integers(len(mutant)))
            mutant[at : at + int(rng.integers(0, 3))] = rng.integers(
                0, 256, size=rng.integers(0, 4), dtype=np.uint8
            ).tobytes()
        if bytes(mutant) != content:
            path.write_bytes(bytes(mutant))
            refusal(path)


FOREIGN = {
    "json": json.dumps({"format": "scikan", "layers": []}).encode() * 20,
    "png": b"\x89PNG\r\n\x1a\n" + bytes(64),
    "csv": b"a,b,y\n1,2,3\n",
    "zip": b"PK\x03\x04" + bytes(100),
    "other safetensors": format_tensors({"a": np.ones(2)}, {"scikan": "[]"}),
    "bare safetensors": format_tensors({"a": np.ones(2)}),
    "huge header": (2**40).to_bytes(8, "little") + b"{}",
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_files_of_other_programs_are_named_as_such(tmp_path, kind) -> None:
    (tmp_path / "m").write_bytes(FOREIGN[kind])
    assert "not a model file" in refusal(tmp_path / "m")


def test_newer_formats_missing_files_and_folders_have_their_own_sentences(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(container, "VERSION", 2)
    write(tmp_path / "m", {}, {})
    monkeypatch.undo()
    assert "format version 2" in refusal(tmp_path / "m")
    assert "no file" in refusal(tmp_path / "missing")
    assert "folder" in refusal(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(container, "LARGEST_FILE", 10)
        assert "at most" in refusal(tmp_path / "m")
    with pytest.raises(ModelFileError, match="folder"):
        write(tmp_path, {}, {})
    with pytest.raises(ModelFileError, match="could not be written"):
        write(tmp_path / "none" / "m", {}, {})


def test_doubled_keys_and_deep_headers_are_refused(tmp_path) -> None:
    for text in ('{"a": 1, "a": 2}', "[" * 100_000, '{"__metadata__": {"scikan": "5"}, "a": 5}'):
        (tmp_path / "m").write_bytes(len(text).to_bytes(8, "little") + text.encode())
        refusal(tmp_path / "m")


@pytest.mark.parametrize("call", ["replace", "fsync", "open", "chmod"])
def test_a_failing_disk_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch, call) -> None:
    path = tmp_path / "m"
    write(path, {"a": np.ones(3)}, {"old": True})
    before = path.read_bytes()

    def fail(*args, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(ModelFileError, match="No space left"):
        write(path, {"a": np.zeros(3)}, {"old": False})
    monkeypatch.undo()
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_a_writer_that_scrambles_is_found_out_before_the_file_is_published(tmp_path, monkeypatch) -> None:
    path = tmp_path / "m"
    write(path, {"a": np.arange(4.0)}, {})
    before = path.read_bytes()
    honest = container.format_tensors
    monkeypatch.setattr(
        container, "format_tensors", lambda a, m: honest({k: v[::-1].copy() for k, v in a.items()}, m)
    )
    with pytest.raises(ModelFileError, match="checksum"):
        write(path, {"a": np.arange(5.0)}, {})
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_links_and_permissions_are_kept(tmp_path) -> None:
    path, link = tmp_path / "m", tmp_path / "link"
    write(path, {}, {"n": 1})
    path.chmod(0o600)
    link.symlink_to(path)
    write(link, {}, {"n": 2})
    assert link.is_symlink() and read(path)[1] == {"n": 2} and path.stat().st_mode & 0o777 == 0o600
