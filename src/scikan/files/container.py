"""One file for named arrays and a JSON header: written whole or not at all, and checked when read.

The file is a safetensors file, which holds numbers and text and can run nothing. Its metadata carry, as
JSON under our name, the version of the format, the header, the versions of the libraries that wrote it, and a
SHA-256 over all of that and over names, types, shapes and bytes of the arrays. `write` goes through a
temporary file beside the target, reads it back and only then puts it in place, so that a crash, a full
disk or a fault of the writer never costs the file that was there.
"""

import hashlib
import json
import os
import secrets
import stat
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as parse_tensors
from safetensors.numpy import save as format_tensors

from scikan.core.errors import ModelFileError


FORMAT = "scikan"
VERSION = 1
LARGEST_FILE = 2 * 1024**3
LARGEST_HEADER = 1024**2

FilePath: TypeAlias = str | os.PathLike[str]
Tensors: TypeAlias = dict[str, np.ndarray]

_LIBRARIES = ("scikan", "jax", "equinox", "numpy", "safetensors")
_TYPES = frozenset("bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64".split())
_KEYS = frozenset(("version", "libraries", "header", "sha256"))


def write(path: FilePath, tensors: Mapping[str, np.ndarray], header: Mapping[str, Any]) -> None:
    """Write arrays and a header to one file, replacing what is there only when the new file is complete.

    Args:
        path: the file; its folder must exist. A symbolic link is followed.
        tensors: real numbers, integers or booleans of any shape and memory order.
        header: what JSON can hold; `read` gives it back.

    Raises:
        ModelFileError: an array or the header cannot be stored, the whole is too large, or the disk refuses.
            The file that was there before is then untouched.
    """
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise ModelFileError(f"{target} is a folder, not a file.", fix="give the name of a file in it.")
    content = _encode(target, tensors, header)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(6)}.tmp")
    try:
        _write_new(temporary, content)
        if temporary.read_bytes() != content:
            raise ModelFileError(
                f"{target} was not written: the disk gave back other bytes than it was given.",
                fix="check the disk, and save somewhere else.",
            )
        _decode(str(target), content)
        if target.exists():
            os.chmod(temporary, stat.S_IMODE(target.stat().st_mode))
        os.replace(temporary, target)
    except OSError as error:
        raise ModelFileError(
            f"{target} could not be written: {error.strerror or error}.",
            fix="check the folder, its permissions and the free space; an older file is untouched.",
        ) from None
    finally:
        # After a successful replace the temporary name is gone.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    _sync_folder(target.parent)


def read(path: FilePath) -> tuple[Tensors, dict[str, Any]]:
    """Return the arrays and the header of a file that `write` made.

    The caller still has to check that the arrays are those that it expects.

    Raises:
        ModelFileError: no such file, cut off, damaged, another program's, too large, or of a newer format.
    """
    return _decode(str(path), _bytes_of(path))


def _bytes_of(path: FilePath) -> bytes:
    try:
        about = os.stat(path)
        if stat.S_ISDIR(about.st_mode):
            raise ModelFileError(
                f"{path} is a folder, not a model file.", fix="give the name of a file in it."
            )
        if not stat.S_ISREG(about.st_mode):
            raise ModelFileError(f"{path} is no regular file.", fix="copy its content into a file first.")
        if about.st_size > LARGEST_FILE:
            raise ModelFileError(
                f"{path} has {about.st_size:,} bytes; at most {LARGEST_FILE:,} are read.",
                fix="check that this is a model file.",
            )
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise ModelFileError(f"There is no file {path}.", fix="check the name and the folder.") from None
    except (OSError, ValueError) as error:
        raise ModelFileError(
            f"{path} could not be read: {getattr(error, 'strerror', None) or error}.",
            fix="check the name and the permissions.",
        ) from None


def _encode(target: Path, tensors: Mapping[str, np.ndarray], header: Mapping[str, Any]) -> bytes:
    arrays = {name: _plain(name, tensors[name]) for name in sorted(tensors)}
    try:
        header = json.loads(json.dumps(header, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise ModelFileError(
            f"The header of {target} is no JSON: {error}.",
            fix="keep text, finite numbers, lists and mappings.",
        ) from None
    about = {"version": VERSION, "libraries": _library_versions(), "header": header}
    # One entry only: safetensors writes several in an order that changes from process to process.
    metadata = {FORMAT: json.dumps(about | {"sha256": _digest(arrays, about)}, sort_keys=True)}
    if sum(a.nbytes for a in arrays.values()) > LARGEST_FILE - LARGEST_HEADER - 8:
        raise ModelFileError(
            f"The arrays of {target} take more than {LARGEST_FILE:,} bytes.", fix="save parts of it."
        )
    content = bytes(format_tensors(arrays, metadata))
    if int.from_bytes(content[:8], "little") > LARGEST_HEADER:
        raise ModelFileError(
            f"The header of {target} takes more than {LARGEST_HEADER:,} bytes.",
            fix="use fewer or shorter names.",
        )
    return content


def _plain(name: str, array: np.ndarray) -> np.ndarray:
    # safetensors 0.8 scrambles arrays that are not C-contiguous; ascontiguousarray makes 0-d arrays 1-d.
    plain = np.asarray(array, dtype=array.dtype.newbyteorder("="), order="C")
    if plain.dtype.name not in _TYPES or not name or name == "__metadata__":
        raise ModelFileError(
            f"The array {name!r} of type {plain.dtype} cannot be stored.",
            fix="give it a name, and real numbers, integers or booleans.",
        )
    return plain


def _library_versions() -> dict[str, str]:
    found = {}
    for name in _LIBRARIES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _digest(arrays: Mapping[str, np.ndarray], about: Mapping[str, Any]) -> str:
    shapes = [[name, array.dtype.name, list(array.shape)] for name, array in sorted(arrays.items())]
    total = hashlib.sha256(json.dumps([about, shapes], sort_keys=True).encode())
    for _, array in sorted(arrays.items()):
        total.update(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
    return total.hexdigest()


def _write_new(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    # The new name is durable only when its folder is; some file systems cannot sync folders.
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _decode(path: str, content: bytes) -> tuple[Tensors, dict[str, Any]]:
    about = _about(path, content)
    number = about.get("version")
    if type(number) is not int:
        raise _damaged(path, "its format version is no number")
    if number != VERSION:
        raise ModelFileError(
            f"{path} has format version {number}; this scikan reads version {VERSION}.",
            fix="install a newer scikan: pip install --upgrade scikan.",
        )
    if set(about) != _KEYS or not isinstance(about["header"], dict):
        raise _damaged(path, "its header is not that of a model file")
    try:
        arrays = {name: np.array(array) for name, array in parse_tensors(content).items()}
    except (SafetensorError, ValueError, TypeError, KeyError, OverflowError, MemoryError) as error:
        raise _damaged(path, f"its arrays cannot be read ({error})") from None
    if any(array.dtype.name not in _TYPES for array in arrays.values()):
        raise _damaged(path, "it holds arrays of a foreign type")
    sealed = {key: value for key, value in about.items() if key != "sha256"}
    if _digest(arrays, sealed) != about["sha256"]:
        raise _damaged(path, "its checksum differs")
    return arrays, about["header"]


def _about(path: str, content: bytes) -> dict[str, Any]:
    """Return what the file says of itself, after checks that cost little: sizes first, then the JSON."""
    if len(content) < 8:
        raise _damaged(path, f"it ends after {len(content)} bytes")
    length = int.from_bytes(content[:8], "little")
    if length > LARGEST_HEADER or content[8:9] not in (b"{", b""):
        raise _foreign(path)
    if len(content) < 8 + length:
        raise _damaged(path, f"it ends after {len(content):,} bytes, inside its header of {length:,} bytes")
    try:
        outer = _json(path, content[8 : 8 + length].decode())
    except UnicodeDecodeError:
        raise _damaged(path, "its header is no text") from None
    if not isinstance(outer, dict):
        raise _foreign(path)
    metadata = outer.pop("__metadata__", None)
    if not isinstance(metadata, dict) or not isinstance(metadata.get(FORMAT), str):
        raise _foreign(path)
    wanted = 8 + length + max((_end(entry) for entry in outer.values()), default=0)
    if len(content) < wanted:
        raise _damaged(path, f"it is cut off after {len(content):,} of {wanted:,} bytes")
    about = _json(path, metadata[FORMAT])
    if not isinstance(about, dict):
        raise _foreign(path)
    return about


def _end(entry: Any) -> int:
    offsets = entry.get("data_offsets") if isinstance(entry, dict) else None
    return offsets[-1] if isinstance(offsets, list) and offsets and isinstance(offsets[-1], int) else 0


def _json(path: str, text: str) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError("a key stands twice")
        return dict(pairs)

    try:
        return json.loads(text, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, f"its header is no JSON ({error})") from None


def _foreign(path: str) -> ModelFileError:
    return ModelFileError(
        f"{path} is not a model file of scikan.",
        fix="give a file that kn.save wrote; tables are read with kn.read_table.",
    )


def _damaged(path: str, why: str) -> ModelFileError:
    # The fault is one sentence on one line, whatever the parser's own words hold.
    return ModelFileError(
        f"{path} is damaged: {' '.join(why.split())}.", fix="save the model again, or use a copy of the file."
    )
