"""The sub-app `scikan physics`: conserved quantities, Lagrangians, Hamiltonians, hidden symmetries, constitutive laws.

Options only; `physics_run.py` does the work and is imported when a command runs. Exit statuses are those of `cli.py`.
"""

from pathlib import Path
from typing import Annotated

import typer

from scikan.app.faces import names, spoken_errors


physics = typer.Typer(
    help="Laws of motion and of materials: what is conserved, which Lagrangian, which energy, which symmetry.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Table = Annotated[
    Path, typer.Argument(help="CSV, TSV, whitespace table, .xlsx or .parquet.", show_default=False)
]
State = Annotated[str, typer.Option("--state", help="Columns of the coordinates: q1,q2.", show_default=False)]
Velocity = Annotated[str | None, typer.Option("--velocity", help="Their velocities, in the same order.")]
Acceleration = Annotated[
    str | None, typer.Option("--acceleration", help="Their accelerations, in the same order.")
]
Time = Annotated[str | None, typer.Option("--time", help="Column of time stamps; steps may differ.")]
Trajectory = Annotated[
    str | None, typer.Option("--trajectory", help="Column that says to which trajectory a row belongs.")
]
Angle = Annotated[str | None, typer.Option("--angle", help="Coordinates that are angles, by commas.")]
Out = Annotated[Path | None, typer.Option("--out", help="Folder for result.json and the figure.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the folder if it exists.")]
Delimiter = Annotated[str | None, typer.Option(help="Field separator. Default: guessed.")]
Decimal = Annotated[str | None, typer.Option(help="Decimal sign: . or , Default: guessed.")]
Sheet = Annotated[str | None, typer.Option(help="Sheet of an Excel file. Default: the first.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the whole trace of an error.")]


@physics.command()
def conserved(
    table: Table,
    state: State,
    velocity: Velocity = None,
    acceleration: Acceleration = None,
    time: Time = None,
    trajectory: Trajectory = None,
    angle: Angle = None,
    out: Out = None,
    overwrite: Overwrite = False,
    delimiter: Delimiter = None,
    decimal: Decimal = None,
    sheet: Sheet = None,
    debug: Debug = False,
) -> None:
    """Find what does not change: from states and rates (all of --state, --velocity, --acceleration), or trajectories.

    Without accelerations the rows must be trajectories. The state of a motion is --state together with --velocity; a
    system of first order has --state alone.
    """
    with spoken_errors(debug):
        from scikan.app.physics_run import Motion, run_conserved

        columns = (names(state), names(velocity), names(acceleration))
        format = {"delimiter": delimiter, "decimal": decimal, "sheet": sheet}
        motion = Motion.read(table, columns, time, trajectory, names(angle), format)
        status = run_conserved(motion, out, overwrite)
    raise typer.Exit(status)


@physics.command()
def lagrangian(
    table: Table,
    state: State,
    velocity: Velocity = None,
    acceleration: Acceleration = None,
    time: Time = None,
    trajectory: Trajectory = None,
    angle: Angle = None,
    prior: Annotated[str | None, typer.Option(help="A Lagrangian believed to be near.")] = None,
    out: Out = None,
    overwrite: Overwrite = False,
    delimiter: Delimiter = None,
    decimal: Decimal = None,
    sheet: Sheet = None,
    debug: Debug = False,
) -> None:
    """Find the Lagrangian: from coordinates, velocities and accelerations, or from positions and --time alone."""
    with spoken_errors(debug):
        from scikan.app.physics_run import Motion, run_lagrangian

        columns = (names(state), names(velocity), names(acceleration))
        format = {"delimiter": delimiter, "decimal": decimal, "sheet": sheet}
        motion = Motion.read(table, columns, time, trajectory, names(angle), format)
        status = run_lagrangian(motion, prior, out, overwrite)
    raise typer.Exit(status)


@physics.command()
def hamiltonian(
    table: Table,
    state: Annotated[
        str,
        typer.Option("--state", help="Positions, then their momenta: q1,q2,p1,p2.", show_default=False),
    ],
    rate: Annotated[
        str, typer.Option("--rate", help="Their rates of change, in the same order.", show_default=False)
    ],
    angle: Angle = None,
    out: Out = None,
    overwrite: Overwrite = False,
    delimiter: Delimiter = None,
    decimal: Decimal = None,
    sheet: Sheet = None,
    debug: Debug = False,
) -> None:
    """Find the Hamiltonian of states and their rates, and the structure matrix if the pairs are not canonical."""
    with spoken_errors(debug):
        from scikan.app.physics_energy import run_hamiltonian

        format = {"delimiter": delimiter, "decimal": decimal, "sheet": sheet}
        columns = (names(state), names(rate))
        status = run_hamiltonian(table, format, columns, names(angle), out, overwrite)
    raise typer.Exit(status)


@physics.command()
def constitutive(
    table: Table,
    prior: Annotated[
        str | None,
        typer.Option(help="An energy believed to be near, over I1, I2, J and, with fibres, I4, I5."),
    ] = None,
    fibre: Annotated[
        list[str] | None,
        typer.Option("--fibre", help="A direction of the undeformed material: 1,0,0. Repeat it for more."),
    ] = None,
    incompressible: Annotated[
        bool, typer.Option("--incompressible", help="The stress is known up to a pressure; det F is 1.")
    ] = False,
    measure: Annotated[
        str | None, typer.Option(help="PK1, Kirchhoff, Cauchy or PK2. Default: by the columns' names.")
    ] = None,
    out: Out = None,
    overwrite: Overwrite = False,
    delimiter: Delimiter = None,
    decimal: Decimal = None,
    sheet: Sheet = None,
    debug: Debug = False,
) -> None:
    """Find the elastic energy behind columns F11 .. F33 and P11 .. P33 (or S.., tau.., sigma..; or one component)."""
    with spoken_errors(debug):
        from scikan.app.physics_materials import Material, run_constitutive

        format = {"delimiter": delimiter, "decimal": decimal, "sheet": sheet}
        status = run_constitutive(
            table, format, Material(prior, tuple(fibre or ()), incompressible, measure), out, overwrite
        )
    raise typer.Exit(status)


@physics.command()
def symmetry(
    table: Table,
    metric: Annotated[
        Path,
        typer.Option(
            help="Your Python file with metric(x, params), written for JAX. It is run.", show_default=False
        ),
    ],
    state: Annotated[
        str | None, typer.Option("--state", help="Columns of the coordinates. Default: all but --parameter.")
    ] = None,
    parameter: Annotated[str | None, typer.Option(help="Columns of numbers that the metric reads.")] = None,
    form: Annotated[
        str, typer.Option(help="flat, invariant:K, entry:I,J, or wanted (a function of your file).")
    ] = "flat",
    coordinate: Annotated[int, typer.Option(help="Coordinate that is changed, from 0.")] = 0,
    out: Out = None,
    overwrite: Overwrite = False,
    delimiter: Delimiter = None,
    decimal: Decimal = None,
    sheet: Sheet = None,
    debug: Debug = False,
) -> None:
    """Find the change of one coordinate in which a metric, at the points of a table, has a wanted form."""
    with spoken_errors(debug):
        from scikan.app.physics_materials import run_symmetry

        format = {"delimiter": delimiter, "decimal": decimal, "sheet": sheet}
        columns = (names(state), names(parameter))
        status = run_symmetry(table, format, metric, columns, form, coordinate, out, overwrite)
    raise typer.Exit(status)
