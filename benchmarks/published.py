"""Our record beside the published one: how often each method found a law of the textbook list, without noise.

    python benchmarks/published.py benchmarks/results/2026-11-25-discovery-textbook.csv

The published columns are SRBench's of 2021 (`published/`): up to 10^4 rows, eight hours a fit, and a formula counts
that equals the truth up to an added or multiplied constant. Ours: 1000 rows, 90 seconds, and all constants exact.
"""

import csv
import sys
from pathlib import Path

import numpy as np


PUBLISHED = Path(__file__).parent / "published" / "srbench-2021.csv"


def published() -> dict[str, dict[str, float]]:
    """Return rates in per cent by formula and method."""
    lines = [line for line in PUBLISHED.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    rows = csv.DictReader(lines, delimiter=";")
    return {row.pop("name"): {method: float(rate) for method, rate in row.items()} for row in rows}


def ours(path: Path) -> dict[str, float]:
    """Return rates in per cent by formula: tables without noise or irrelevant columns."""
    runs: dict[str, list[bool]] = {}
    with path.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if float(row["noise"]) == 0 and row["dummies"] == "0":
                runs.setdefault(row["formula"], []).append(row["exact"] == "y")
    return {name: 100.0 * float(np.mean(found)) for name, found in runs.items()}


def main() -> None:
    own, rates = ours(Path(sys.argv[1])), published()
    methods = list(next(iter(rates.values())))
    lines = [f"{'':22}" + "".join(f"{m:>12}" for m in ("scikan", *methods))]
    for name, row in rates.items():
        mine = f"{own[name]:.0f}" if name in own else "not run"
        lines.append(f"{name:22}{mine:>12}" + "".join(f"{row[m]:12.0f}" for m in methods))
    means = [np.mean([own[name] for name in rates if name in own])]
    means += [np.mean([row[m] for row in rates.values()]) for m in methods]
    lines.append(f"{'mean':22}" + "".join(f"{mean:12.1f}" for mean in means))
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
