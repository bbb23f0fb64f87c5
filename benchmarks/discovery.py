"""Which laws does a discovery find? Thirty formulas of physics, one configuration, one row of results each.

    python benchmarks/discovery.py --noise 0 --seeds 1 --out results.csv

Rows are appended as they come and those already there are skipped, so that an interrupted run goes on where it
stopped. "exact" compares the law with the formula on 1000 fresh rows (relative error below 1e-7); with noise it
asks that of the law's form after its constants have been fitted to a clean table.
"""

import argparse
import csv
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter, process_time

import numpy as np

import scikan as kn
from scikan.core.expr import Expr
from scikan.law.refitting import refit


LAWS = Path(__file__).parent / "laws.csv"
FIELDS = ("formula", "seed", "noise", "verdict", "exact", "found", "error", "seconds", "cpu")
EXACT = 1e-7


def laws() -> list[dict[str, str]]:
    with LAWS.open(encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter=";"))


def columns(law: dict[str, str], n: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    ranges = [part.split() for part in law["ranges"].split(", ")]
    return {name: rng.uniform(float(low), float(high), n) for name, low, high in ranges}


def values(formula: Expr, x: dict[str, np.ndarray]) -> np.ndarray:
    return np.broadcast_to(kn.evaluate(formula, x), len(next(iter(x.values()))))


def relative_error(formula: Expr, truth: Expr, x: dict[str, np.ndarray]) -> float:
    y = values(truth, x)
    return float(np.sqrt(np.mean((values(formula, x) - y) ** 2)) / np.std(y))


def run(law: dict[str, str], seed: int, noise: float, rows: int) -> dict[str, object]:
    rng = np.random.default_rng(seed)
    x, fresh = columns(law, rows, rng), columns(law, 1000, rng)
    truth = kn.parse(law["formula"], names=tuple(x))
    y = values(truth, x)
    measured = y + noise * np.std(y) * rng.normal(size=rows)
    started, worked = perf_counter(), process_time()
    data = kn.Dataset.from_arrays(np.column_stack(list(x.values())), measured, names=list(x))
    found = kn.discover(data, kn.Config(key=seed))
    seconds, cpu = perf_counter() - started, process_time() - worked
    best = found.front[0]
    error = relative_error(best.expression, truth, fresh)
    if noise and not error < EXACT:
        clean = refit(best.fitted, x, y)
        error = relative_error(clean.expr, truth, fresh)
    return {
        "formula": law["name"],
        "seed": seed,
        "noise": noise,
        "verdict": found.verdict,
        "exact": "y" if error < EXACT else "n",
        "found": str(best.expression),
        "error": f"{error:.3g}",
        "seconds": round(seconds, 2),
        "cpu": round(cpu, 2),
    }


def done(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def results(arguments: argparse.Namespace) -> Iterator[dict[str, object]]:
    known = {(row["formula"], int(row["seed"]), float(row["noise"])) for row in done(arguments.out)}
    chosen = laws()[:: arguments.every]
    for seed in range(arguments.seeds):
        for law in chosen:
            if (law["name"], seed, arguments.noise) not in known:
                yield run(law, seed, arguments.noise, arguments.rows)


def summary(path: Path, noise: float) -> str:
    rows = [row for row in done(path) if float(row["noise"]) == noise]
    exact = sum(row["exact"] == "y" for row in rows)
    named = sum(row["exact"] == "y" and row["verdict"] == "law" for row in rows)
    cpu = float(np.median([float(row["cpu"]) for row in rows])) if rows else 0.0
    missed = ", ".join(row["formula"] for row in rows if row["exact"] == "n") or "none"
    return (
        f"noise {noise:g}: {exact} of {len(rows)} exact, {named} of them with the verdict law; "
        f"median {cpu:.1f} CPU s. Missed: {missed}."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--noise", type=float, default=0.0, help="standard deviation, as a share of the target's"
    )
    parser.add_argument("--seeds", type=int, default=1, help="how many tables per formula")
    parser.add_argument("--rows", type=int, default=1000, help="rows of a table")
    parser.add_argument("--every", type=int, default=1, help="take only every n-th formula")
    parser.add_argument("--out", type=Path, default=Path("results.csv"))
    arguments = parser.parse_args()
    for result in results(arguments):
        is_new = not arguments.out.exists()
        with arguments.out.open("a", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, FIELDS)
            if is_new:
                writer.writeheader()
            writer.writerow(result)
            file.flush()
            os.fsync(file.fileno())
        sys.stdout.write(f"{result['formula']}: {result['exact']}  {result['found']}\n")
        sys.stdout.flush()
    sys.stdout.write(summary(arguments.out, arguments.noise) + "\n")


if __name__ == "__main__":
    main()
