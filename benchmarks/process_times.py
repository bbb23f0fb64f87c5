"""How long a law of motion or of a material takes, in wall seconds from the start of its process to its end.

    python benchmarks/process_times.py --out process-times.csv

Conserved quantities of every system of the standard table (`--all`: of all systems), from the field and, by the command
line, from a table of 40 noisy trajectories; Lagrangians, elastic energies and components of the stress as in
`benchmarks/physics.py`. One row each, appended as it comes; rows already there are skipped. Run nothing beside it:
processes are timed as a user waits for them, reading and compiling included.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter


HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests" / "physics"))

import numpy as np  # noqa: E402
from physics import cases  # noqa: E402
from record import append, done  # noqa: E402
from systems import OTHERS, TABLE, trajectories  # noqa: E402


FIELDS = ("what", "case", "seconds")
ENERGIES = ("Lagrangian", "energy", "component")


def written(name: str, folder: Path) -> Path:
    """Return the table of a system's noisy trajectories."""
    system = {**TABLE, **OTHERS}[name]
    states, labels, times = trajectories(system, 0, 1e-2 if len(system.names) == 2 else 1e-3)
    path = folder / "trajectories.csv"
    header = ",".join(("time", "trajectory", *system.names))
    np.savetxt(path, np.column_stack([times, labels, states]), delimiter=",", header=header, comments="")
    return path


def command(what: str, case: str, folder: Path) -> list[str]:
    """Return what a user would type, its inputs written first."""
    if what == "trajectories":
        table, names = written(case, folder), {**TABLE, **OTHERS}[case].names
        told = ["--time", "time", "--trajectory", "trajectory", "--state", ",".join(names)]
        return [sys.executable, "-m", "scikan", "physics", "conserved", str(table), *told]
    if what == "field":
        return [sys.executable, str(HERE / "conserved.py"), "--systems", case]
    return [sys.executable, "-c", f"from physics import cases; cases()[{case!r}](0)"]


def asked(systems: list[str]) -> Iterator[tuple[str, str]]:
    for what in ("field", "trajectories"):
        yield from ((what, name) for name in systems)
    yield from (("states", name) for name in cases() if name.startswith(ENERGIES))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--all", action="store_true", help="more systems than the standard table")
    parser.add_argument("--out", type=Path, default=Path("process-times.csv"))
    arguments = parser.parse_args()
    told = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])}
    known = {(row["what"], row["case"]) for row in done(arguments.out)}
    for what, case in asked([*TABLE, *(OTHERS if arguments.all else ())]):
        if (what, case) in known:
            continue
        with tempfile.TemporaryDirectory() as folder:
            typed = command(what, case, Path(folder))
            started = perf_counter()
            ended = subprocess.run(typed, capture_output=True, cwd=folder, env=told)
            seconds = perf_counter() - started
        # A table without a law ends with status 3, as it should.
        if ended.returncode not in (0, 3):
            sys.exit(f"{case}: {ended.stderr.decode()}")
        append(arguments.out, FIELDS, {"what": what, "case": case, "seconds": round(seconds, 1)})
    rows = sorted(done(arguments.out), key=lambda row: -float(row["seconds"]))
    for row in rows[:8]:
        sys.stdout.write(f"{row['seconds']:>6s} s  {row['what']}: {row['case']}\n")
    sys.stdout.write(f"{len(rows)} in all, the longest above\n")


if __name__ == "__main__":
    main()
