"""Relativistic mass: is the useful auxiliary input picked, and no decoy?

    python benchmarks/auxiliary.py --seeds 10 --out auxiliary.csv

The law is m / sqrt(1 - v^2 / c^2). "raw": only m, v, c. "offered": beta = v/c and gamma = 1/sqrt(1 - beta^2) beside
them. "decoys": v c, v + c, m v, c^2 and a random column beside them. "kept" names the columns of the law, "branches"
all formulas of the front that are exact. Rows are appended as they come and those already there are skipped.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from time import process_time

import numpy as np
from record import append, done

import scikan as kn
from scikan.core.expr import symbols


FIELDS = ("task", "seed", "verdict", "exact", "kept", "found", "branches", "cpu")
TASKS = ("raw", "offered", "decoys")


def run(task: str, seed: int) -> dict[str, object]:
    rng = np.random.default_rng(seed)
    m, v, c = rng.uniform([[0.0], [0.0], [1.1]], [[1.0], [0.9], [2.0]], (3, 1000))
    y = m / np.sqrt(1 - (v / c) ** 2)
    columns = {"m": m, "v": v, "c": c}
    if task == "offered":
        columns |= {"beta": v / c, "gamma": 1 / np.sqrt(1 - (v / c) ** 2)}
    if task == "decoys":
        columns |= {
            "vc": v * c,
            "v_plus_c": v + c,
            "mv": m * v,
            "c2": c**2,
            "chance": rng.uniform(0, 1, 1000),
        }
    data = kn.Dataset.from_arrays(
        np.column_stack(list(columns.values())), y, names=list(columns), targets=["mass"]
    )
    started = process_time()
    found = kn.discover(data, kn.Config(key=seed))
    best = found.front[0].expression
    exact = bool(np.abs(kn.evaluate(best, columns) - y).max() < 1e-7 * y.max())
    return {
        "task": task,
        "seed": seed,
        "verdict": found.verdict,
        "exact": "y" if exact else "n",
        "kept": " ".join(name for name in columns if name in symbols(best)),
        "found": str(best),
        "branches": " | ".join(str(form) for form in found.branches),
        "cpu": round(process_time() - started, 1),
    }


def results(arguments: argparse.Namespace) -> Iterator[dict[str, object]]:
    known = {(row["task"], int(row["seed"])) for row in done(arguments.out)}
    for task in TASKS:
        for seed in range(arguments.seeds):
            if (task, seed) not in known:
                yield run(task, seed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--out", type=Path, default=Path("auxiliary.csv"))
    arguments = parser.parse_args()
    for result in results(arguments):
        append(arguments.out, FIELDS, result)
    for task in TASKS:
        mine = [row for row in done(arguments.out) if row["task"] == task]
        kept = sorted({row["kept"] for row in mine})
        exact = sum(row["exact"] == "y" for row in mine)
        sys.stdout.write(f"{task}: {exact} of {len(mine)} exact; columns kept: {', '.join(kept)}.\n")


if __name__ == "__main__":
    main()
