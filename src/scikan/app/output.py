"""Files that commands write: refused if they exist, and written whole or not at all."""

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

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
