"""Recover the papers' two functions with the one default configuration, each seed in a process of its own.

    python benchmarks/recovery.py [SEEDS]

Prints a line a run: seconds from process start, verdict, formula, and whether it is exact on a box 1.5 times
the training box.
"""

import json
import subprocess
import sys
from pathlib import Path
from time import perf_counter


SCRIPT = Path(__file__).parent.parent / "tests" / "stories" / "discoveries.py"
FORMULAS = ("exp(sin(pi*x1) + x2**2)", "x1*x2")


def main(seeds: int) -> None:
    for formula in FORMULAS:
        exact, slowest = 0, 0.0
        for seed in range(seeds):
            started = perf_counter()
            done = subprocess.run(
                [sys.executable, str(SCRIPT), formula, str(seed)], capture_output=True, check=True
            )
            seconds = perf_counter() - started
            answer = json.loads(done.stdout)
            right = answer["formula"] == formula and max(answer["errors"]) <= 1e-8
            exact, slowest = exact + right, max(slowest, seconds)
            sys.stdout.write(
                f"{formula}  seed {seed}  {seconds:5.1f} s  {answer['verdict']}  {answer['formula']}\n"
            )
        sys.stdout.write(f"{formula}: {exact} of {seeds} exact, slowest {slowest:.1f} s from process start\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
