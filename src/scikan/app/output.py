"""Files and folders that commands write: refused if they exist, and written whole or not at all."""

import json
import math
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from scikan.core.errors import SettingError


def check_file(path: Path, overwrite: bool) -> None:
    """Raise SettingError if the file exists and may not be replaced, or its folder does not exist."""
    if path.is_dir():
        raise SettingError(f"{path} is a folder.", fix="give the name of a file.")
    if path.exists() and not overwrite:
        raise SettingError(
            f"The file {path} exists already.", fix="choose another --out, or add --overwrite."
        )
    if not path.parent.is_dir():
        raise SettingError(
            f"There is no folder {path.parent}.", fix="make it first, or choose another --out."
        )


def write_file(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write(temporary)` fill a file beside `path`, of the same ending, and put it in its place at once.

    Raises:
        SettingError: the disk refuses.
    """
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}{path.suffix}")
    try:
        write(temporary)
        os.replace(temporary, path)
    except OSError as error:
        raise SettingError(
            f"{path} could not be written: {error.strerror or error}.",
            fix="check the folder, its permissions and the free space.",
        ) from None
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def check_folder(folder: Path, overwrite: bool) -> None:
    """Raise SettingError if the folder exists and may not be replaced, or cannot be made."""
    above = next(place for place in folder.resolve().parents if place.exists())
    try:
        tempfile.TemporaryDirectory(prefix=".scikan-", dir=above).cleanup()
    except OSError as error:
        raise SettingError(
            f"{folder} cannot be made: {above}: {error.strerror or error}.", fix="choose another --out."
        ) from None
    if folder.exists() and not folder.is_dir():
        raise SettingError(f"{folder} is a file.", fix="give --out a folder that does not exist yet.")
    if folder.exists() and any(folder.iterdir()) and not overwrite:
        raise SettingError(
            f"The folder {folder} exists and is not empty.", fix="choose another --out, or add --overwrite."
        )


def write_folder(folder: Path, write: Any) -> None:
    """Fill a temporary folder beside `folder` by `write(path)`, then put it in its place at once."""
    folder = folder.resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        write(fresh)
        os.chmod(fresh, 0o755)
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(fresh, folder)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON that any reader takes: no NaN, no infinity, readable text."""
    path.write_text(
        json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False, default=_plain) + "\n",
        encoding="utf-8",
    )


def write_columns(path: Path, columns: Mapping[str, Any]) -> None:
    """Write columns of one length as CSV, numbers at full precision."""
    import pandas

    pandas.DataFrame(dict(columns)).to_csv(path, index=False)


def finite(value: float) -> float | None:
    """Return the number, or None where JSON has no word for it."""
    return float(value) if math.isfinite(value) else None


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} is no JSON value")
