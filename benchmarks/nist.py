"""NIST's 27 certified nonlinear regressions: constants with the model given, predictions without it.

    python benchmarks/nist.py --seconds 5 --out nist.csv

"certified": the model as structure, from both of NIST's starting points; digits that agree with the certified
parameters and standard deviations. "predicted": the data alone; the root mean square error in five folds of the law
that a discovery finds, against that of the certified model refitted on the same folds. The target is the model's
(log y for Nelson). Rows are appended as they come and those already there are skipped; the summary says what has
not been run. Small tables come first.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
from record import append, done

import scikan as kn
from scikan.law.parameters import fit_parameters


sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "law"))
from certified import Problem, digits, names, problem  # noqa: E402


FIELDS = (
    "task",
    "set",
    "part",
    "parameters",
    "deviations",
    "converged",
    "rows",
    "law_sse",
    "model_sse",
    "verdict",
    "found",
    "seconds",
    "cpu",
)
FOLDS = 5
WORSE = 1.1


def certified(given: Problem, part: int) -> dict[str, object]:
    found = fit_parameters(given.model, given.columns, given.y, given.starts[part])
    return {
        "parameters": round(min(digits(found.values[b], given.certified[b]) for b in found.values), 1),
        "deviations": round(min(digits(found.errors[b], given.errors[b]) for b in found.errors), 1),
        "converged": "y" if found.converged else "n",
        "rows": len(given.y),
    }


def predicted(given: Problem, part: int, seconds: float) -> dict[str, object]:
    order = np.random.default_rng(0).permutation(len(given.y))
    test = np.isin(np.arange(len(given.y)), order[part::FOLDS])
    train = {name: column[~test] for name, column in given.columns.items()}
    held = {name: column[test] for name, column in given.columns.items()}
    model = fit_parameters(given.model, train, given.y[~test], given.certified, starts=0)
    x = np.column_stack(list(train.values()))
    data = kn.Dataset.from_arrays(x, given.y[~test], names=list(train), targets=["target"])

    def squares(expr: kn.Expr) -> float:
        with np.errstate(all="ignore"):
            value = float(np.sum((kn.evaluate(expr, held) - given.y[test]) ** 2))
        return value if np.isfinite(value) else float("inf")

    about = {"rows": int(test.sum()), "model_sse": f"{squares(model.expr):.8g}"}
    try:
        found = kn.discover(data, kn.Config(seconds=seconds))
    except kn.KanError as error:
        return about | {"law_sse": "inf", "found": f"failed: {error.what}"}
    best = found.front[0].expression
    return about | {"law_sse": f"{squares(best):.8g}", "verdict": found.verdict, "found": str(best)}


def results(arguments: argparse.Namespace) -> Iterator[dict[str, object]]:
    known = {(row["task"], row["set"], int(row["part"])) for row in done(arguments.out)}
    sets = sorted(map(problem, names()), key=lambda given: (len(given.y), given.name))
    if arguments.reverse:
        sets.reverse()
    jobs = [("certified", given, part) for given in sets for part in range(2)]
    jobs += [("predicted", given, part) for given in sets for part in range(FOLDS)]
    for task, given, part in jobs:
        if (task, given.name, part) not in known:
            started, worked = perf_counter(), process_time()
            row = certified(given, part) if task == "certified" else predicted(given, part, arguments.seconds)
            spent = {
                "seconds": round(perf_counter() - started, 2),
                "cpu": round(process_time() - worked, 2),
            }
            yield {"task": task, "set": given.name, "part": part} | row | spent


def summary(path: Path) -> str:
    """Return both tables as text."""
    rows = done(path)
    lines = [
        "set        digits of parameters, deviations (start 1 | start 2)   cv RMSE law / certified model"
    ]
    good = close = judged = 0
    for name in sorted(names()):
        own = [row for row in rows if row["set"] == name and row["task"] == "certified"]
        enough = len(own) == 2 and all(
            float(row["parameters"]) >= 6 and (float(row["deviations"]) >= 4 or name == "Lanczos1")
            for row in own
        )
        good += enough
        told = " | ".join(f"{row['parameters']:>5}, {row['deviations']:>5}" for row in own) or "not run"
        folds = [row for row in rows if row["set"] == name and row["task"] == "predicted"]
        ratio = "not run"
        if len(folds) == FOLDS:
            law, model = (sum(float(row[f"{which}_sse"]) for row in folds) for which in ("law", "model"))
            share = np.sqrt(law / model) if model > 0 else float("inf")
            judged, close = judged + 1, close + (share <= WORSE)
            ratio = f"{share:.4g}"
        elif folds:
            ratio = f"{len(folds)} of {FOLDS} folds run"
        lines.append(f"{name:10} {told:52} {ratio}")
    lines.append(
        f"Parameters to 6 and deviations to 4 digits from both starts (Lanczos1: parameters only): {good} of 27."
        f" RMSE of the found law at most {WORSE:g} times the certified model's: {close} of {judged} sets"
        f" ({27 - judged} not run in all folds)."
    )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0, help="time for networks in each discovery")
    parser.add_argument("--reverse", action="store_true", help="large tables first")
    parser.add_argument("--summary", action="store_true", help="run nothing, tell what is there")
    parser.add_argument("--out", type=Path, default=Path("nist.csv"))
    arguments = parser.parse_args()
    for result in () if arguments.summary else results(arguments):
        append(arguments.out, FIELDS, result)
        sys.stdout.write(f"{result['task']} {result['set']} {result['part']}: {result['seconds']} s\n")
        sys.stdout.flush()
    sys.stdout.write(summary(arguments.out) + "\n")


if __name__ == "__main__":
    main()
