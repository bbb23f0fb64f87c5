"""NIST's 27 certified nonlinear regressions: constants with the model given, predictions without it.

    python benchmarks/nist.py --seconds 5 --out nist.csv

"certified": the model as structure, from both of NIST's starting points; digits that agree with the certified
parameters and standard deviations. "found": the data alone; the form of the law that a discovery finds in them and
the certified form, both refitted on the same five folds: the ratio of their cross-validated root mean square errors.
"predicted": harder, a whole discovery in every fold, so that its choice of a form is judged as well. The law is the
first of the front, whatever the verdict; the target is the model's (log y for Nelson). Rows are appended as they come
and those already there are skipped; the summary says what has not been run. Small tables come first.
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
from scikan.law.refitting import refit


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
TASKS = ["certified", "found", "predicted"]
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


class Fold:
    """The rows of one fold, to fit on and to judge on."""

    def __init__(self, given: Problem, part: int) -> None:
        order = np.random.default_rng(0).permutation(len(given.y))
        self.test = np.isin(np.arange(len(given.y)), order[part::FOLDS])
        self.train = {name: column[~self.test] for name, column in given.columns.items()}
        self.held = {name: column[self.test] for name, column in given.columns.items()}
        self.y, self.truth = given.y[~self.test], given.y[self.test]

    def model_squares(self, given: Problem) -> float:
        return self.squares(fit_parameters(given.model, self.train, self.y, given.certified, starts=0).expr)

    def squares(self, expr: kn.Expr) -> float:
        with np.errstate(all="ignore"):
            value = float(np.sum((kn.evaluate(expr, self.held) - self.truth) ** 2))
        return value if np.isfinite(value) else float("inf")


def discovery(columns: dict[str, np.ndarray], y: np.ndarray, seconds: float) -> kn.Discovery:
    x = np.column_stack(list(columns.values()))
    data = kn.Dataset.from_arrays(x, y, names=list(columns), targets=["target"])
    return kn.discover(data, kn.Config(seconds=seconds))


def found(given: Problem, part: int, seconds: float) -> dict[str, object]:
    answer = discovery(given.columns, given.y, seconds)
    best, folds = answer.front[0], [Fold(given, n) for n in range(FOLDS)]
    squares = 0.0
    for fold in folds:
        squares += fold.squares(refit(best.fitted, fold.train, fold.y, readout=answer.readout).expr)
    return {
        "rows": len(given.y),
        "model_sse": f"{sum(fold.model_squares(given) for fold in folds):.8g}",
        "law_sse": f"{squares:.8g}",
        "verdict": answer.verdict,
        "found": str(best.expression),
    }


def predicted(given: Problem, part: int, seconds: float) -> dict[str, object]:
    fold = Fold(given, part)
    about = {"rows": int(fold.test.sum()), "model_sse": f"{fold.model_squares(given):.8g}"}
    try:
        answer = discovery(fold.train, fold.y, seconds)
    except kn.KanError as error:
        return about | {"law_sse": "inf", "found": f"failed: {error.what}"}
    best = answer.front[0].expression
    return about | {"law_sse": f"{fold.squares(best):.8g}", "verdict": answer.verdict, "found": str(best)}


def results(arguments: argparse.Namespace) -> Iterator[dict[str, object]]:
    known = {(row["task"], row["set"], int(row["part"])) for row in done(arguments.out)}
    sets = sorted(map(problem, names()), key=lambda given: (len(given.y), given.name))
    if arguments.reverse:
        sets.reverse()
    jobs = [("certified", given, part) for given in sets for part in range(2)]
    jobs += [("found", given, 0) for given in sets]
    jobs += [("predicted", given, part) for given in sets for part in range(FOLDS)]
    for task, given, part in jobs:
        if (task, given.name, part) not in known and task in arguments.tasks:
            started, worked = perf_counter(), process_time()
            if task == "certified":
                row = certified(given, part)
            else:
                row = (found if task == "found" else predicted)(given, part, arguments.seconds)
            spent = {
                "seconds": round(perf_counter() - started, 2),
                "cpu": round(process_time() - worked, 2),
            }
            yield {"task": task, "set": given.name, "part": part} | row | spent


def ratio(rows: list[dict[str, str]], task: str, name: str) -> float | None:
    """Return the ratio of cross-validated errors; None if not all of it has been run."""
    own = [row for row in rows if row["set"] == name and row["task"] == task]
    if len(own) < (1 if task == "found" else FOLDS):
        return None
    law, model = (sum(float(row[f"{which}_sse"]) for row in own) for which in ("law", "model"))
    return float(np.sqrt(law / model)) if model > 0 else float("inf")


def summary(path: Path) -> str:
    """Return all tables as text."""
    rows = done(path)
    lines = [
        "set        digits of parameters, deviations (start 1 | start 2)   cv RMSE law / certified model:"
        " form found, discovery in folds"
    ]
    good = 0
    ratios: dict[str, list[float]] = {"found": [], "predicted": []}
    for name in sorted(names()):
        own = [row for row in rows if row["set"] == name and row["task"] == "certified"]
        enough = len(own) == 2 and all(
            float(row["parameters"]) >= 6 and (float(row["deviations"]) >= 4 or name == "Lanczos1")
            for row in own
        )
        good += enough
        told = " | ".join(f"{row['parameters']:>5}, {row['deviations']:>5}" for row in own) or "not run"
        texts = []
        for task, judged in ratios.items():
            share = ratio(rows, task, name)
            judged += [] if share is None else [share]
            texts.append("not run" if share is None else f"{share:.4g}")
        lines.append(f"{name:10} {told:52} {texts[0]:>12} {texts[1]:>12}")
    lines.append(
        "Parameters to 6 and deviations to 4 digits from both starts (Lanczos1: parameters only):"
        f" {good} of 27. RMSE at most {WORSE:g} times the certified model's: "
        + "; ".join(
            f"{sum(share <= WORSE for share in judged)} of {len(judged)} sets ({task})"
            for task, judged in ratios.items()
        )
        + "."
    )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0, help="time for the search of each discovery")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS)
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
