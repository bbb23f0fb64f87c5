"""Columns with measurement errors: is the law found, and are its constants right, with and without these errors told?

    python benchmarks/input_errors.py --seeds 3 --out results.csv

Five laws of one and two columns, 300 rows, errors of a few per cent of a column's range and of the target. "form": the
law's form fits a clean table exactly once its constants are refitted. "bias": the largest deviation of a constant of
the true form from its true value, fitted to the whole table, in per cent; "sigmas": the same in standard errors.
Rows are appended as they come and those already there are skipped.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from time import process_time

import numpy as np
from discovery import EXACT, relative_error
from record import append, done

import scikan as kn
from scikan.core.expr import Symbol, constants, with_constants
from scikan.law.refitting import refit


FIELDS = ("law", "seed", "told", "verdict", "form", "bias", "sigmas", "found", "cpu")
ROWS = 300
OWN = 0.02
"""Error of the target, as a part of its spread."""

LAWS: dict[str, tuple[str, dict[str, tuple[float, float, float]]]] = {
    # Formula; lowest and highest value of each column, and the standard deviation of its error.
    "saturation": ("2.1*s/(1.3 + s)", {"s": (0.2, 5.0, 0.15)}),
    "decay": ("2.1*exp(-1.3*t) + 0.4", {"t": (0.0, 3.0, 0.1)}),
    "plane": ("3.2*a + 1.7*b", {"a": (0.0, 1.0, 0.05), "b": (0.0, 1.0, 0.03)}),
    "power": ("1.4*m**1.5/sqrt(r)", {"m": (0.3, 3.0, 0.06), "r": (0.5, 2.0, 0.04)}),
    "wave": ("1.3*sin(2.2*t)*d", {"t": (0.0, 3.0, 0.06), "d": (1.0, 2.0, 0.02)}),
}


def run(name: str, seed: int, told: bool) -> dict[str, object]:
    formula, ranges = LAWS[name]
    rng = np.random.default_rng(seed)
    x = {column: rng.uniform(low, high, ROWS) for column, (low, high, _) in ranges.items()}
    truth = kn.parse(formula, names=tuple(x), constants=True)
    y = np.asarray(kn.evaluate(truth, x))
    errors = {column: error for column, (*_, error) in ranges.items()}
    measured = {column: values + errors[column] * rng.normal(size=ROWS) for column, values in x.items()}
    target = y + OWN * np.std(y) * rng.normal(size=ROWS)
    worked = process_time()
    data = kn.Dataset.from_arrays(
        np.column_stack(list(measured.values())),
        target,
        names=list(x),
        targets=["target"],
        input_sigma=list(errors.values()) if told else None,
    )
    found = kn.discover(data, kn.Config(key=seed))
    cpu = process_time() - worked
    best = found.front[0]
    form = relative_error(refit(best.fitted, x, y).expr, truth, x) < EXACT
    bias, sigmas = deviations(truth, measured, target, errors if told else None)
    return {
        "law": name,
        "seed": seed,
        "told": "y" if told else "n",
        "verdict": found.verdict,
        "form": "y" if form else "n",
        "bias": f"{100 * bias:.2g}",
        "sigmas": f"{sigmas:.2g}",
        "found": str(best.expression),
        "cpu": round(cpu, 1),
    }


def deviations(
    truth: kn.Expr, x: dict[str, np.ndarray], y: np.ndarray, errors: dict[str, float] | None
) -> tuple[float, float]:
    """Return the largest deviation of the true form's constants: as a part of their values, in standard errors."""
    values = [c.value for c in constants(truth)]
    names = [f"k{n}" for n in range(len(values))]
    model = with_constants(truth, [Symbol(name) for name in names])
    fitted = kn.fit_parameters(
        model, x, y, dict(zip(names, values, strict=True)), starts=0, input_sigma=errors
    )
    off = [abs(fitted.values[n] - v) for n, v in zip(names, values, strict=True)]
    return (
        max(d / abs(v) for d, v in zip(off, values, strict=True)),
        max(d / fitted.errors[n] for d, n in zip(off, names, strict=True)),
    )


def results(arguments: argparse.Namespace) -> Iterator[dict[str, object]]:
    known = {(row["law"], int(row["seed"]), row["told"]) for row in done(arguments.out)}
    for seed in range(arguments.seeds):
        for name in LAWS:
            for told in (False, True):
                if (name, seed, "y" if told else "n") not in known:
                    yield run(name, seed, told)


def summary(path: Path) -> str:
    lines = []
    for told, text in (("n", "errors not told"), ("y", "errors told")):
        rows = [row for row in done(path) if row["told"] == told]
        bias = np.median([float(row["bias"]) for row in rows])
        near = sum(float(row["sigmas"]) < 3.0 for row in rows)
        forms = sum(row["form"] == "y" for row in rows)
        lines.append(
            f"{text}: {len(rows)} runs, {forms} of the right form; constants of the true form: worst off by "
            f"{bias:.2g} % (median), within 3 standard errors in {near}"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="how many tables per law")
    parser.add_argument("--out", type=Path, default=Path("results.csv"))
    arguments = parser.parse_args()
    for result in results(arguments):
        append(arguments.out, FIELDS, result)
        sys.stdout.write(f"{result['law']}, told {result['told']}: {result['form']}  {result['found']}\n")
        sys.stdout.flush()
    sys.stdout.write(summary(arguments.out) + "\n")


if __name__ == "__main__":
    main()
