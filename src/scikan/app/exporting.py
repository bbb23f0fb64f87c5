"""A law written in another language, as a command."""

import sys
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from scikan.app.faces import LAW, NONE, tell_unexplained
from scikan.app.output import check_file, write_file
from scikan.core.errors import SettingError
from scikan.law.answers import load_law, load_verdict
from scikan.law.export import exported, write_export


AGREES = 1e-12
"""Relative error up to which a text agrees with its law."""


def export_law(path: Path, language: str, *, out: Path | None, overwrite: bool, run: bool) -> int:
    """Write the law of a run in another language; the status is 3 if running the text contradicts the law.

    Raises:
        SettingError: an unknown language, or a file that exists.
        ModelFileError: the path holds no law.
    """
    aside = Console(highlight=False, soft_wrap=True, stderr=True)
    workbook = out is not None and out.suffix.lower() == ".xlsx"
    if workbook and language != "excel":
        raise SettingError(f"{out} is a workbook, and {language} is none.", fix="write --to excel.")
    if out is not None:
        check_file(out, overwrite)
    law = load_law(path)
    tell_unexplained(aside, path)
    made = exported(law, language, verdict=load_verdict(path), run=run)
    if out is None:
        sys.stdout.write(made.text)
    else:
        write_file(out, lambda place: write_export(place, law, made))
    aside.print(escape(made.proof.told), style="dim")
    if out is not None:
        aside.print(f"written: {out}", style="dim")
    return NONE if made.proof.error is not None and not made.proof.error <= AGREES else LAW
