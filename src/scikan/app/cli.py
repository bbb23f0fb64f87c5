"""The command line: `scikan run TABLE --target COLUMN` is the main job.

Nothing heavy is imported before a command runs, so `scikan --help` answers at once. Errors are sentences on
standard error; exit status 0 means a law, 3 none, 4 an approximation, 2 bad input, 130 Ctrl-C.
"""

import os
import signal
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from scikan.app.faces import errors_of_inputs, names, spoken_errors, stop
from scikan.app.physics import physics


# Small linear algebra on several BLAS threads is slower, and far slower when cores are shared; NumPy reads
# this when it loads, which is later.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

app = typer.Typer(
    name="scikan",
    help="From a table of measurements to a law, with Kolmogorov-Arnold networks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(physics, name="physics")

Table = Annotated[
    Path, typer.Argument(help="CSV, TSV, whitespace table, .xlsx or .parquet.", show_default=False)
]
Target = Annotated[str, typer.Option("--target", "-t", help="Column to explain.", show_default=False)]
Targets = Annotated[
    str,
    typer.Option(
        "--target", "-t", help="Column to explain, or several separated by commas.", show_default=False
    ),
]
Inputs = Annotated[
    str | None, typer.Option(help="Columns to explain it by: a,b or 'a,\"b, c\"'. Default: all others.")
]
Ignore = Annotated[str | None, typer.Option(help="Columns to leave out, separated by commas.")]
Sigma = Annotated[str | None, typer.Option(help="Column with the standard deviation of the target's error.")]
InputSigma = Annotated[
    list[str] | None,
    typer.Option(
        help="Error of an input: NAME=0.05, NAME=2% or NAME=COLUMN; once for each.", show_default=False
    ),
]
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
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the file if it exists.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print the answer only.")]
Model = Annotated[Path, typer.Argument(help="A .kan file that fit or run wrote.", show_default=False)]
Rows = Annotated[Path | None, typer.Option("--table", help="Table of rows to see the network on.")]
Test = Annotated[float, typer.Option(help="Share of rows to hold out.")]


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
    target: Targets,
    out: Annotated[Path | None, typer.Option(help="Folder for model, figures and law.json.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the folder if it exists.")] = False,
    inputs: Inputs = None,
    ignore: Ignore = None,
    sigma: Sigma = None,
    input_sigma: InputSigma = None,
    missing: Missing = None,
    category: Category = None,
    group: Group = None,
    time: Time = None,
    split: Split = None,
    delimiter: Delimiter = None,
    decimal: Decimal = None,
    sheet: Sheet = None,
    constants_by: Annotated[
        str | None,
        typer.Option(help="Column that names experiments: one law for all, some constants for each."),
    ] = None,
    seed: Seed = 0,
    minutes: Annotated[float, typer.Option(help="Time for the search, in minutes.", min=0.001)] = 1.5,
    hold_out: Annotated[float, typer.Option(help="Share of rows that the search never reads.")] = 0.4,
    thorough: Annotated[
        bool, typer.Option("--thorough", help="Try all networks even after a good law.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the answer only.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the answer in --out: its formulas are tried first.")
    ] = False,
    no_cache: NoCache = False,
    debug: Debug = False,
) -> None:
    """Find the law in a table: stages as they go, then the formula, its score on unseen rows, and a picture."""
    with spoken_errors(debug):
        from scikan.app.several import run_table
        from scikan.app.shared_run import run_shared
        from scikan.discovery.discover import Config

        group, time = _split_choice(split, group, time)
        options = _table_options(
            inputs, ignore, sigma, missing, category, group, time, delimiter, decimal, sheet
        )
        options["input_sigma"] = errors_of_inputs(input_sigma or ())
        config = Config(seconds=60.0 * minutes, hold_out=hold_out, key=seed, thorough=thorough)
        command = run_table if constants_by is None else partial(run_shared, by=constants_by)
        status = command(
            table, target, options, config=config, out=out, overwrite=overwrite, quiet=quiet, resume=resume
        )
    raise typer.Exit(status)


@app.command()
def choose(
    folder: Annotated[
        Path, typer.Argument(help="The folder that run wrote for one target.", show_default=False)
    ],
    number: Annotated[
        int, typer.Argument(help="Place on the front, from 1: see front.svg.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="Folder for the new answer.", show_default=False)],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the folder if it exists.")] = False,
    debug: Debug = False,
) -> None:
    """Take another formula of a run's front as the law; nothing is searched again."""
    with spoken_errors(debug):
        from scikan.app.choosing import choose_formula

        status = choose_formula(folder, number, out=out, overwrite=overwrite)
    raise typer.Exit(status)


@app.command()
def fit(
    table: Table,
    target: Target,
    out: Annotated[Path, typer.Option(help="File for the network, such as model.kan.", show_default=False)],
    overwrite: Overwrite = False,
    hidden: Annotated[
        str, typer.Option(help="Hidden layers as sums,products, joined by /; empty for none.")
    ] = "5,1",
    grid: Annotated[int, typer.Option(help="Grid intervals of every spline.")] = 5,
    steps: Annotated[int, typer.Option(help="Largest number of training steps.")] = 100,
    test: Test = 0.2,
    penalty: Annotated[float, typer.Option(help="Strength of sparsity; 1e-3 is a start.")] = 0.0,
    prune: Annotated[
        bool, typer.Option("--prune", help="Take away edges that held-out rows miss not.")
    ] = False,
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
    quiet: Quiet = False,
    no_cache: NoCache = False,
    debug: Debug = False,
) -> None:
    """Train a network on a table and write it; its scores are printed beside a linear model and boosted trees."""
    with spoken_errors(debug):
        from scikan.app.commands import fit_table

        group, time = _split_choice(split, group, time)
        options = _table_options(
            inputs, ignore, sigma, missing, category, group, time, delimiter, decimal, sheet
        )
        status = fit_table(
            table,
            target,
            options,
            out=out,
            overwrite=overwrite,
            hidden=hidden,
            grid=grid,
            steps=steps,
            test=test,
            penalty=penalty,
            prune=prune,
            seed=seed,
            quiet=quiet,
            no_cache=no_cache,
        )
    raise typer.Exit(status)


@app.command()
def formula(
    model: Model,
    table: Rows = None,
    target: Annotated[str | None, typer.Option(help="Column of the target. Default: the network's.")] = None,
    latex: Annotated[bool, typer.Option("--latex", help="Print LaTeX.")] = False,
    digits: Annotated[int, typer.Option(help="Digits of constants.", min=1, max=17)] = 6,
    test: Test = 0.2,
    missing: Missing = None,
    category: Category = None,
    delimiter: Delimiter = None,
    decimal: Decimal = None,
    sheet: Sheet = None,
    seed: Seed = 0,
    debug: Debug = False,
) -> None:
    """Print the formula of a network; edges without a name are named on a table. Status 3 if some cannot be."""
    with spoken_errors(debug):
        from scikan.app.commands import print_formula

        options = {"missing": _missing(missing), "category": names(category)} | _format(
            delimiter, decimal, sheet
        )
        status = print_formula(
            model, table, target, options, latex=latex, digits=digits, test=test, seed=seed
        )
    raise typer.Exit(status)


@app.command()
def show(
    model: Annotated[
        Path, typer.Argument(help="A .kan file, or the folder that run wrote.", show_default=False)
    ],
    table: Rows = None,
    out: Annotated[
        Path | None, typer.Option(help="Figure: .svg, .pdf or .png. Default: the model's name, .svg.")
    ] = None,
    edge: Annotated[
        str | None, typer.Option(help="List names for one edge: layer.input.output from 0.")
    ] = None,
    top: Annotated[int, typer.Option(help="How many names.", min=1)] = 5,
    overwrite: Overwrite = False,
    delimiter: Delimiter = None,
    decimal: Decimal = None,
    sheet: Sheet = None,
    debug: Debug = False,
) -> None:
    """Draw a network, or list the names that suit one of its edges."""
    with spoken_errors(debug):
        from scikan.app.commands import show_model

        options = _format(delimiter, decimal, sheet)
        status = show_model(model, table, options, out=out, edge=edge, top=top, overwrite=overwrite)
    raise typer.Exit(status)


@app.command()
def predict(
    model: Annotated[
        Path,
        typer.Argument(help="A .kan file, or the folder or law.json that run wrote.", show_default=False),
    ],
    table: Table,
    out: Annotated[Path | None, typer.Option(help="CSV file. Default: standard output.")] = None,
    overwrite: Overwrite = False,
    delimiter: Delimiter = None,
    decimal: Decimal = None,
    sheet: Sheet = None,
    debug: Debug = False,
) -> None:
    """Write a table's columns with the predictions of a network or a law beside them."""
    with spoken_errors(debug):
        from scikan.app.predicting import predict_table

        options = _format(delimiter, decimal, sheet)
        status = predict_table(model, table, options, out=out, overwrite=overwrite)
    raise typer.Exit(status)


@app.command()
def export(
    law: Annotated[Path, typer.Argument(help="The law.json or folder that run wrote.", show_default=False)],
    to: Annotated[str, typer.Option(help="numpy, jax, torch, sympy, c, excel or latex.", show_default=False)],
    out: Annotated[
        Path | None, typer.Option(help="File; .xlsx makes a workbook. Default: standard output.")
    ] = None,
    overwrite: Overwrite = False,
    no_check: Annotated[
        bool, typer.Option("--no-check", help="Do not run the text and compare it with the law.")
    ] = False,
    debug: Debug = False,
) -> None:
    """Write a law in another language, with what running that text gave against the law. Status 3 if they differ."""
    with spoken_errors(debug):
        from scikan.app.exporting import export_law

        status = export_law(law, to, out=out, overwrite=overwrite, run=not no_check)
    raise typer.Exit(status)


def _format(delimiter: str | None, decimal: str | None, sheet: str | None) -> dict[str, Any]:
    return {"delimiter": delimiter, "decimal": decimal, "sheet": sheet}


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
        "inputs": names(inputs) or None,
        "ignore": names(ignore),
        "sigma": sigma,
        "missing": _missing(missing),
        "category": names(category),
        "group": group,
        "time": time,
        "delimiter": delimiter,
        "decimal": decimal,
        "sheet": sheet,
    }


def _missing(text: str | None) -> str | None:
    if text not in (None, "drop", "median"):
        from scikan.core.errors import SettingError

        raise SettingError(f"--missing {text} is unknown.", fix="write --missing drop or --missing median.")
    return text


def main() -> None:
    """Run the command line; a job that a scheduler ends writes what Ctrl-C writes."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # Whoever ignores a signal, as a shell does for jobs in the background, goes on ignoring it.
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, stop)
    app(windows_expand_args=False)


if __name__ == "__main__":
    main()
