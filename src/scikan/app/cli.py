"""The command line: `scikan run TABLE --target COLUMN` is the main job.

Nothing heavy is imported before a command runs, so `scikan --help` answers at once. Errors are sentences on
standard error; exit status 0 means a law, 3 none, 4 an approximation, 2 bad input, 130 Ctrl-C.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer


# Small linear algebra on several BLAS threads is slower, and far slower when cores are shared; NumPy reads
# this when it loads, which is later.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

LAW, BAD_INPUT, NONE, APPROXIMATION, INTERRUPTED = 0, 2, 3, 4, 130

app = typer.Typer(
    name="scikan",
    help="From a table of measurements to a law, with Kolmogorov-Arnold networks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Table = Annotated[
    Path, typer.Argument(help="CSV, TSV, whitespace table, .xlsx or .parquet.", show_default=False)
]
Target = Annotated[str, typer.Option("--target", "-t", help="Column to explain.", show_default=False)]
Inputs = Annotated[
    str | None, typer.Option(help="Columns to explain it by, separated by commas. Default: all others.")
]
Ignore = Annotated[str | None, typer.Option(help="Columns to leave out, separated by commas.")]
Sigma = Annotated[str | None, typer.Option(help="Column with the standard deviation of the target's error.")]
Missing = Annotated[str | None, typer.Option(help="What to do with empty cells: drop or median.")]
Category = Annotated[str | None, typer.Option(help="Text columns to encode as numbers, separated by commas.")]
Group = Annotated[str | None, typer.Option(help="Column whose equal entries are never split apart.")]
Time = Annotated[str | None, typer.Option(help="Column of times: rows are split in blocks of time.")]
Split = Annotated[str | None, typer.Option(help="group=COLUMN or time=COLUMN.")]
Delimiter = Annotated[
    str | None, typer.Option(help="Field separator: , ; | tab or whitespace. Default: guessed.")
]
Decimal = Annotated[str | None, typer.Option(help="Decimal sign: . or , Default: guessed.")]
Sheet = Annotated[str | None, typer.Option(help="Sheet of an Excel file. Default: the first.")]
Seed = Annotated[int, typer.Option(help="Seed of splits and random starts.")]
NoCache = Annotated[
    bool, typer.Option("--no-cache", help="Do not keep JAX's compiled programs between runs.")
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the whole trace of an error.")]


@app.callback(invoke_without_command=True)
def version(
    show: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """From a table of measurements to a law, with Kolmogorov-Arnold networks."""
    if show:
        from scikan import __version__

        typer.echo(f"scikan {__version__}")
        raise typer.Exit()


@app.command()
def run(
    table: Table,
    target: Target,
    out: Annotated[Path | None, typer.Option(help="Folder for model, figures and law.json.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the folder if it exists.")] = False,
    inputs: Inputs = None,
    ignore: Ignore = None,
    sigma: Sigma = None,
    missing: Missing = None,
    category: Category = None,
    group: Group = None,
    time: Time = None,
    split: Split = None,
    delimiter: Delimiter = None,
    decimal: Decimal = None,
    sheet: Sheet = None,
    seed: Seed = 0,
    minutes: Annotated[float, typer.Option(help="Time for networks, in minutes.")] = 1.0,
    hold_out: Annotated[float, typer.Option(help="Share of rows that the search never reads.")] = 0.4,
    thorough: Annotated[
        bool, typer.Option("--thorough", help="Try all networks even after a good law.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the answer only.")] = False,
    no_cache: NoCache = False,
    debug: Debug = False,
) -> None:
    """Find the law in a table: stages as they go, then the formula, its score on unseen rows, and a picture."""
    with _errors(debug):
        from scikan.app.run import run_table

        group, time = _split_choice(split, group, time)
        options = _table_options(
            inputs, ignore, sigma, missing, category, group, time, delimiter, decimal, sheet
        )
        status = run_table(
            table,
            target,
            options,
            out=out,
            overwrite=overwrite,
            seed=seed,
            seconds=60.0 * minutes,
            hold_out=hold_out,
            thorough=thorough,
            quiet=quiet,
        )
    raise typer.Exit(status)


def _split_choice(split: str | None, group: str | None, time: str | None) -> tuple[str | None, str | None]:
    if split is None:
        return group, time
    kind, _, column = split.partition("=")
    if kind not in ("group", "time") or not column:
        from scikan.core.errors import SettingError

        raise SettingError(
            f"--split {split} is unknown.", fix="write --split group=COLUMN or --split time=COLUMN."
        )
    return (column, time) if kind == "group" else (group, column)


def _table_options(
    inputs: str | None,
    ignore: str | None,
    sigma: str | None,
    missing: str | None,
    category: str | None,
    group: str | None,
    time: str | None,
    delimiter: str | None,
    decimal: str | None,
    sheet: str | None,
) -> dict[str, Any]:
    return {
        "inputs": _names(inputs) or None,
        "ignore": _names(ignore),
        "sigma": sigma,
        "missing": missing,
        "category": _names(category),
        "group": group,
        "time": time,
        "delimiter": delimiter,
        "decimal": decimal,
        "sheet": sheet,
    }


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip()) if text else ()


@contextmanager
def _errors(debug: bool) -> Iterator[None]:
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


def main() -> None:
    """Run the command line."""
    app(windows_expand_args=False)


if __name__ == "__main__":
    main()
