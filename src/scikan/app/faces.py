"""What every face of the command line shares: exit statuses, lists of names, errors as sentences."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer


LAW, BAD_INPUT, NONE, APPROXIMATION, INTERRUPTED = 0, 2, 3, 4, 130


def names(text: str | None) -> tuple[str, ...]:
    """Return names separated by commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip()) if text else ()


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
