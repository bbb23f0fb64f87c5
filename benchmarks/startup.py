"""How long a user waits: imports, help, the first fit, the main job, each in a process of its own.

    python benchmarks/startup.py [RUNS]

Prints minimum, median and maximum of wall seconds. Nothing here is a test: machines differ.
"""

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter


FIRST_FIT = """
import numpy as np, scikan as kn
data = kn.Dataset.from_function(lambda x: np.exp(np.sin(np.pi*x[:, 0]) + x[:, 1]**2), n_inputs=2, rows=1000, test=0)
kn.fit(kn.KAN.for_data(data, hidden=[5]), data, {optimiser}, steps=50)
"""
TABLE = Path(__file__).parent.parent / "examples" / "data" / "solar_system.csv"


def commands(folder: str) -> dict[str, list[str]]:
    python = [sys.executable, "-c"]
    cli = [sys.executable, "-m", "scikan.app.cli"]
    return {
        "python alone": [*python, "pass"],
        "import scikan": [*python, "import scikan"],
        "scikan --help": [*cli, "--help"],
        "first fit, default": [*python, FIRST_FIT.format(optimiser="kn.LevenbergMarquardt()")],
        "first fit, LBFGS": [*python, FIRST_FIT.format(optimiser="kn.LBFGS()")],
        "first fit, Adam": [*python, FIRST_FIT.format(optimiser="kn.Adam()")],
        "scikan run, planets": [
            *cli,
            "run",
            str(TABLE),
            "-t",
            "period",
            "--out",
            folder,
            "--overwrite",
            "-q",
        ],
    }


def main(runs: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, command in commands(str(Path(folder) / "answer")).items():
            seconds = []
            for _ in range(runs):
                started = perf_counter()
                subprocess.run(command, capture_output=True, check=True)
                seconds.append(perf_counter() - started)
            low, middle, high = min(seconds), statistics.median(seconds), max(seconds)
            sys.stdout.write(f"{name:24s} {low:7.2f} {middle:7.2f} {high:7.2f} s\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
