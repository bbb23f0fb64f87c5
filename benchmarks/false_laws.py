"""How often is noise called a law? Tables without one, and the verdicts on them.

    python benchmarks/false_laws.py --noise 200 --permuted 5 --seconds 20 --out false_laws.csv

"noise": 50 to 500 rows and 2 to 8 columns drawn from one of seven distributions; the target is drawn in the same
way, independently. "permuted": the tables of `examples/data`, their target shuffled. Neither holds anything to
find, so every verdict "law" is false. Rows are appended as they come and those already there are skipped, so that
an interrupted run goes on where it stopped; the summary says what has not been run.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
from record import append, done
from scipy.stats import beta

import scikan as kn


TABLES = Path(__file__).parent.parent / "examples" / "data"
FIELDS = (
    "kind",
    "table",
    "seed",
    "seconds_allowed",
    "rows",
    "inputs",
    "verdict",
    "p",
    "formula",
    "seconds",
    "cpu",
)
DRAWS: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "normal": lambda rng, n: rng.normal(size=n),
    "uniform": lambda rng, n: rng.uniform(1, 5, n),
    "lognormal": lambda rng, n: rng.lognormal(0.0, 1.0, n),
    "exponential": lambda rng, n: rng.exponential(size=n),
    "student": lambda rng, n: rng.standard_t(3, n),
    "integers": lambda rng, n: rng.integers(1, 10, n).astype(float),
    "bimodal": lambda rng, n: rng.normal(size=n) + 6.0 * rng.integers(0, 2, n),
}


def noise_table(seed: int) -> tuple[str, kn.Dataset]:
    """Return the name of a distribution and a table drawn from it: all columns independent."""
    rng = np.random.default_rng([seed, 1])
    name = list(DRAWS)[seed % len(DRAWS)]
    rows, columns = int(np.exp(rng.uniform(np.log(50), np.log(500)))), int(rng.integers(2, 9))
    values = np.column_stack([DRAWS[name](rng, rows) for _ in range(columns)])
    inputs = [f"x{j}" for j in range(1, columns)]
    return name, kn.Dataset.from_arrays(values[:, :-1], values[:, -1], names=inputs, targets=["y"])


def real_tables() -> list[tuple[Path, str]]:
    """Return the tables of the examples with their targets (of the NIST files the last column)."""
    found = [
        (TABLES / "solar_system.csv", "period"),
        (TABLES / "smooth_pipe_friction.csv", "friction_factor"),
    ]
    for path in sorted((TABLES / "nist_strd").glob("*.csv")):
        lines = path.read_text(encoding="utf-8").splitlines()
        header = next(line for line in lines if not line.startswith("#"))
        found.append((path, header.split(",")[-1]))
    return found


def permuted_table(path: Path, target: str, seed: int) -> kn.Dataset:
    """Return the table with its target shuffled."""
    data = kn.read_table(path, target, test=0)
    order = np.random.default_rng([seed, 2]).permutation(data.n_rows)
    return kn.Dataset.from_arrays(data.x, data.y[order, 0], names=data.names, targets=data.targets)


def run(kind: str, table: str, seed: int, data: kn.Dataset, seconds: float) -> dict[str, object]:
    started, worked = perf_counter(), process_time()
    found = kn.discover(data, kn.Config(seconds=seconds, key=seed))
    dependence = found.evidence.dependence
    return {
        "kind": kind,
        "table": table,
        "seed": seed,
        "seconds_allowed": seconds,
        "rows": data.n_rows,
        "inputs": data.n_inputs,
        "verdict": found.verdict,
        "p": f"{min(dependence.pearson, dependence.rank):.3g}",
        "formula": "" if found.law is None else str(found.law.expression),
        "seconds": round(perf_counter() - started, 2),
        "cpu": round(process_time() - worked, 2),
    }


def results(arguments: argparse.Namespace) -> Iterator[dict[str, object]]:
    known = {(row["kind"], row["table"], int(row["seed"])) for row in done(arguments.out)}
    for seed in range(arguments.noise):
        name = list(DRAWS)[seed % len(DRAWS)]
        if ("noise", name, seed) not in known:
            yield run("noise", name, seed, noise_table(seed)[1], arguments.seconds)
    for seed in range(arguments.permuted):
        for path, target in real_tables():
            if ("permuted", path.stem, seed) not in known:
                data = permuted_table(path, target, seed)
                yield run("permuted", path.stem, seed, data, arguments.seconds)


def told(rows: list[dict[str, str]], kind: str, planned: int) -> str:
    own = [row for row in rows if row["kind"] == kind]
    counts = {v: sum(row["verdict"] == v for row in own) for v in ("law", "approximation", "none")}
    if not own:
        return f"{kind}: 0 of {planned} run."
    most = float(beta.ppf(0.95, counts["law"] + 1, max(len(own) - counts["law"], 1)))
    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    return (
        f"{kind}: {len(own)} of {planned} run ({max(planned - len(own), 0)} not run): {verdicts}; "
        f"false laws below {100 * most:.1f} % (95 % confidence)."
    )


def summary(arguments: argparse.Namespace) -> str:
    rows = done(arguments.out)
    planned = arguments.permuted * len(real_tables())
    return f"{told(rows, 'noise', arguments.noise)}\n{told(rows, 'permuted', planned)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--noise", type=int, default=200, help="how many tables of pure noise")
    parser.add_argument("--permuted", type=int, default=5, help="how many shuffles of each real table")
    parser.add_argument("--seconds", type=float, default=20.0, help="time for the search of each discovery")
    parser.add_argument("--summary", action="store_true", help="run nothing, tell what is there")
    parser.add_argument("--out", type=Path, default=Path("false_laws.csv"))
    arguments = parser.parse_args()
    for result in () if arguments.summary else results(arguments):
        append(arguments.out, FIELDS, result)
        sys.stdout.write(f"{result['kind']} {result['table']} {result['seed']}: {result['verdict']}\n")
        sys.stdout.flush()
    sys.stdout.write(summary(arguments) + "\n")


if __name__ == "__main__":
    main()
