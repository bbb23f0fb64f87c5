"""What every face of the command line shares: exit statuses, lists of names, errors as sentences."""

import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer


if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from scikan.core.expr import Expr


STOP = threading.Event()
"""Set once a stop was asked for: an exception that a callback of a library swallows is raised again."""

LAW, BAD_INPUT, NONE, APPROXIMATION, INTERRUPTED = 0, 2, 3, 4, 130

DIGITS = 6
"""Digits of fitted constants in what is printed; files hold them all."""


def names(text: str | None) -> tuple[str, ...]:
    """Return names separated by commas; one in quotes may hold commas: `a,"b, c"` are two."""
    parts = re.findall(r'\s*"([^"]+)"\s*(?=,|$)|([^,]+)', text or "")
    return tuple(name for quoted, plain in parts if (name := quoted or plain.strip()))


def errors_of_inputs(given: Iterable[str]) -> dict[str, str]:
    """Return errors by column, as `--input-sigma NAME=ERROR` states them.

    Raises:
        SettingError: no name, no error, or a name given twice.
    """
    from scikan.core.errors import SettingError

    found: dict[str, str] = {}
    for text in given:
        name, equals, error = (part.strip() for part in text.rpartition("="))
        if not (name and equals and error) or name in found:
            twice = f' gives "{name}" twice' if name in found else " names no column and error"
            raise SettingError(
                f"--input-sigma {text}{twice}.", fix="write --input-sigma mass=0.05, mass=2% or mass=COLUMN."
            )
        found[name] = error
    return found


def constant_lines(expr: "Expr") -> list[str]:
    """Return a line for each fitted constant whose standard error is known."""
    from scikan.core.expr import constants

    return [f"{c.value:.{DIGITS}g} +- {c.error:.2g}" for c in constants(expr) if c.error]


def consoles() -> tuple["Console", "Console"]:
    """Return where results go, and where all that is said on the way goes."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=True), Console(highlight=False, soft_wrap=True, stderr=True)


def tell_unexplained(aside: "Console", path: "Path") -> None:
    """Say which targets of a run have no formula, where `path` is its folder or law.json."""
    from scikan.law.answers import unexplained

    if not (path.is_dir() or path.suffix == ".json"):
        return
    for target in unexplained(path):
        aside.print(f"note: {target} has no formula; it is left out.", style="dim", markup=False)


def stop(signum: int, frame: object) -> None:
    """Raise KeyboardInterrupt, and once more at the next line of progress should it be swallowed."""
    STOP.set()
    raise KeyboardInterrupt


@contextmanager
def spoken_errors(debug: bool) -> Iterator[None]:
    """Turn our errors into sentences and exit statuses; the rest is a fault of ours and keeps its trace."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("Interrupted.", err=True)
        raise typer.Exit(INTERRUPTED) from None
    except Exception as error:
        from scikan.core.errors import KanError

        if debug or not isinstance(error, KanError):
            raise
        typer.echo(str(error), err=True)
        raise typer.Exit(BAD_INPUT) from None
