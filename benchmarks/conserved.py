"""Which conserved quantities are found? Systems x seeds, from the field and from noisy trajectories, one row each.

    python benchmarks/conserved.py --seeds 10 --out conserved.csv
    python benchmarks/conserved.py --seeds 10 --trajectories --out conserved.csv

Rows are appended as they come and those already there are skipped, so that an interrupted run goes on where it
stopped; the summary says what was not run. Trajectories are 40 orbits of 100 states over 8 time units, with noise of
1e-3 of each coordinate's spread (1e-2 for two coordinates).
"""

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from time import process_time


sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "physics"))
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np  # noqa: E402
from record import append, done  # noqa: E402
from systems import OTHERS, TABLE, trajectories  # noqa: E402

import scikan as kn  # noqa: E402


SYSTEMS = {**TABLE, **OTHERS}
FIELDS = ("system", "source", "seed", "true", "count", "named", "residual", "verdict", "laws", "cpu")


def run(name: str, seed: int, source: str, rows: int) -> dict[str, object]:
    system = SYSTEMS[name]
    if source == "field":
        samples = system.sample(np.random.default_rng(seed), rows)
        began = process_time()
        found = kn.conserved_quantities(system.field, samples, names=system.names, seed=seed)
    else:
        noise = 1e-2 if len(system.names) == 2 else 1e-3
        states, labels, times = trajectories(system, seed, noise)
        began = process_time()
        found = kn.conserved_along(states, labels, time=times, names=system.names)
    return {
        "system": name,
        "source": source,
        "seed": seed,
        "true": system.count,
        "count": found.count,
        "named": sum(law.expression is not None for law in found.laws),
        "residual": f"{max((law.residual for law in found.laws), default=0.0):.1e}",
        "verdict": found.verdict,
        "laws": "; ".join(map(str, found.laws)),
        "cpu": round(process_time() - began, 2),
    }


def asked(arguments: argparse.Namespace) -> Iterator[tuple[str, int]]:
    names = arguments.systems or list(SYSTEMS if arguments.all else TABLE)
    return ((name, seed) for name in names for seed in range(arguments.seeds))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--rows", type=int, default=2000, help="samples of the field")
    parser.add_argument(
        "--trajectories", action="store_true", help="noisy trajectories in place of the field"
    )
    parser.add_argument("--all", action="store_true", help="more systems than the standard table")
    parser.add_argument("--systems", nargs="*", help="only these")
    parser.add_argument("--out", type=Path, default=Path("conserved.csv"))
    arguments = parser.parse_args()
    source = "trajectories" if arguments.trajectories else "field"
    known = {(row["system"], row["source"], int(row["seed"])) for row in done(arguments.out)}
    for name, seed in asked(arguments):
        if (name, source, seed) in known:
            continue
        result = run(name, seed, source, arguments.rows)
        append(arguments.out, FIELDS, result)
    rows = [row for row in done(arguments.out) if row["source"] == source]
    for name in SYSTEMS:
        own = [row for row in rows if row["system"] == name]
        right = sum(row["true"] == row["count"] for row in own)
        cpu = max((float(row["cpu"]) for row in own), default=0.0)
        sys.stdout.write(
            f"{name}: {right} of {len(own)} right, at most {cpu:.1f} CPU s\n" if own else f"{name}: not run\n"
        )


if __name__ == "__main__":
    main()
