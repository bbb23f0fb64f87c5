"""Which laws does a discovery find? Lists of formulas, one configuration, one row of results each.

    python benchmarks/discovery.py --list textbook --noise 0 --seeds 1 --out results.csv

The lists are the files in `formulas/`: "textbook" (30 laws of physics), "feynman" (120 formulas of the Feynman
lectures, the set of the first KAN paper), "nguyen" (12 formulas of genetic programming) and "hard" (10 formulas
without helpful symmetries, with odd constants). Rows are appended as they come and those already there are
skipped, so that an interrupted run goes on where it stopped. "exact" compares the law with the formula on 1000
fresh rows (relative error below 1e-7); "form" asks that of the law's form after its constants have been fitted
to a clean table, which is what noise leaves decidable.
"""

import argparse
import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
from record import append, done

import scikan as kn
from scikan.core.expr import Expr
from scikan.law.refitting import refit


LISTS = Path(__file__).parent / "formulas"
FIELDS = (
    "formula",
    "seed",
    "noise",
    "dummies",
    "verdict",
    "exact",
    "form",
    "nodes",
    "textbook_nodes",
    "found",
    "error",
    "seconds",
    "cpu",
)
EXACT = 1e-7
TARGET = "target"


def laws(name: str) -> list[dict[str, str]]:
    with (LISTS / f"{name}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter=";"))


def columns(law: dict[str, str], n: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    ranges = [part.split() for part in law["ranges"].split(", ")]
    return {name: rng.uniform(float(low), float(high), n) for name, low, high in ranges}


def values(formula: Expr, x: dict[str, np.ndarray]) -> np.ndarray:
    return np.broadcast_to(kn.evaluate(formula, x), len(next(iter(x.values()))))


def relative_error(formula: Expr, truth: Expr, x: dict[str, np.ndarray]) -> float:
    """Return the root mean square error by the target's spread; infinite outside the formula's domain."""
    y = values(truth, x)
    with np.errstate(all="ignore"):
        error = float(np.sqrt(np.mean((values(formula, x) - y) ** 2)) / np.std(y))
    return error if np.isfinite(error) else float("inf")


def run(law: dict[str, str], seed: int, arguments: argparse.Namespace) -> dict[str, object]:
    noise, rows = arguments.noise, arguments.rows
    rng = np.random.default_rng(seed)
    x, fresh = columns(law, rows, rng), columns(law, 1000, rng)
    truth = kn.parse(law["formula"], names=tuple(x))
    y = values(truth, x)
    measured = y + noise * np.std(y) * rng.normal(size=rows)
    for j in range(arguments.dummies):
        x[f"dummy{j}"], fresh[f"dummy{j}"] = rng.uniform(1, 5, rows), rng.uniform(1, 5, 1000)
    started, worked = perf_counter(), process_time()
    data = kn.Dataset.from_arrays(
        np.column_stack(list(x.values())), measured, names=list(x), targets=[TARGET]
    )
    found = kn.discover(data, kn.Config(key=seed))
    seconds, cpu = perf_counter() - started, process_time() - worked
    best = found.front[0]
    error = relative_error(best.expression, truth, fresh)
    has_form = error < EXACT
    if noise and not has_form:
        has_form = relative_error(refit(best.fitted, x, y).expr, truth, fresh) < EXACT
    return {
        "formula": law["name"],
        "seed": seed,
        "noise": noise,
        "dummies": arguments.dummies,
        "verdict": found.verdict,
        "exact": "y" if error < EXACT else "n",
        "form": "y" if has_form else "n",
        "nodes": kn.complexity(best.expression),
        "textbook_nodes": kn.complexity(truth),
        "found": str(best.expression),
        "error": f"{error:.3g}",
        "seconds": round(seconds, 2),
        "cpu": round(cpu, 2),
    }


def results(arguments: argparse.Namespace) -> Iterator[dict[str, object]]:
    known = {
        (row["formula"], int(row["seed"]), float(row["noise"]), int(row["dummies"]))
        for row in done(arguments.out)
    }
    chosen = [law for law in laws(arguments.list) if arguments.only in law["name"]]
    if arguments.inputs:
        chosen = [law for law in chosen if len(law["ranges"].split(",")) == arguments.inputs]
    chosen = chosen[:: arguments.every]
    for seed in range(arguments.seeds):
        for law in chosen:
            if (law["name"], seed, arguments.noise, arguments.dummies) not in known:
                yield run(law, seed, arguments)


def summary(arguments: argparse.Namespace) -> str:
    names = {law["name"] for law in laws(arguments.list)}
    rows = [
        row
        for row in done(arguments.out)
        if row["formula"] in names
        and float(row["noise"]) == arguments.noise
        and int(row["dummies"]) == arguments.dummies
    ]
    exact = [row for row in rows if row["exact"] == "y"]
    form = sum(row["form"] == "y" for row in rows)
    named = sum(row["verdict"] == "law" for row in exact)
    short = sum(int(row["nodes"]) <= int(row["textbook_nodes"]) for row in exact)
    cpu = [float(row["cpu"]) for row in rows] or [0.0]
    missed = ", ".join(row["formula"] for row in rows if row["form"] == "n") or "none"
    return (
        f"{arguments.list}, noise {arguments.noise:g}, {arguments.dummies} dummies: {len(rows)} runs of "
        f"{len(names) * arguments.seeds}; {len(exact)} exact ({named} with the verdict law, {short} no longer than the "
        f"textbook's formula), {form} of the right form; CPU seconds: median {np.median(cpu):.1f}, "
        f"longest {max(cpu):.1f}. Missed: {missed}."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--list", choices=sorted(p.stem for p in LISTS.glob("*.csv")), default="textbook")
    parser.add_argument(
        "--noise", type=float, default=0.0, help="standard deviation, as a share of the target's"
    )
    parser.add_argument("--seeds", type=int, default=1, help="how many tables per formula")
    parser.add_argument("--rows", type=int, default=1000, help="rows of a table")
    parser.add_argument("--dummies", type=int, default=0, help="irrelevant columns beside the formula's")
    parser.add_argument("--only", default="", help="take only formulas with this in their name")
    parser.add_argument("--inputs", type=int, help="take only formulas of so many columns")
    parser.add_argument("--every", type=int, default=1, help="take only every n-th formula")
    parser.add_argument("--out", type=Path, default=Path("results.csv"))
    arguments = parser.parse_args()
    for result in results(arguments):
        append(arguments.out, FIELDS, result)
        sys.stdout.write(f"{result['formula']}: {result['exact']}  {result['found']}\n")
        sys.stdout.flush()
    sys.stdout.write(summary(arguments) + "\n")


if __name__ == "__main__":
    main()
