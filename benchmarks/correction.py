"""Is what data add to a theory found, and nothing where nothing is missing?

    python benchmarks/correction.py --seeds 10 --out correction.csv

"wave": x^2 against x^2 + 0.1 sin(3 x). "elastic": Hooke's stress P11 in the nine entries of F and its determinant
against a neo-Hookean solid's. "stretch": the same in plane stretch, where theory and truth have no term in common.
"nothing": x^2 against x^2 with 1 % noise, two seeds for each of the others. Rows are appended as they come and those
already there are skipped.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from time import process_time

import numpy as np
from record import append, done

import scikan as kn


FIELDS = ("task", "seed", "verdict", "right", "origin", "correction", "before", "after", "cpu")
TASKS = ("wave", "elastic", "stretch", "nothing")
MU, LAMBDA = 0.416667, 0.277778
ENTRIES = tuple(f"F{i}{j}" for i in (1, 2, 3) for j in (1, 2, 3))
HOOKE = f"2*{MU}*(F11 - 1) + {LAMBDA}*(F11 + F22 + F33 - 3)"
STRETCH = "a*3 + b - 4"  # lambda = 1, mu = 1: (lambda + 2 mu)(a - 1) + lambda (b - 1)


def case(task: str, seed: int) -> tuple[str, kn.Dataset, np.ndarray]:
    """Return theory, table and the true difference on its rows."""
    rng = np.random.default_rng(seed)
    if task == "elastic":
        f = np.eye(3) + 0.2 * rng.uniform(-1, 1, (600, 3, 3))
        j = np.linalg.det(f)
        y = MU * ((f @ np.swapaxes(f, 1, 2))[:, 0, 0] - 1) + LAMBDA * np.log(j)
        table = kn.Dataset.from_arrays(np.column_stack([f.reshape(-1, 9), j]), y, names=(*ENTRIES, "J"))
        hooke = 2 * MU * (f[:, 0, 0] - 1) + LAMBDA * (np.trace(f, axis1=1, axis2=2) - 3)
        return HOOKE, table, y - hooke
    if task == "stretch":
        x = rng.uniform(0.7, 1.4, (400, 2))
        y = x[:, 0] - (1 - np.log(x[:, 0] * x[:, 1])) / x[:, 0]
        return STRETCH, kn.Dataset.from_arrays(x, y, names=["a", "b"]), y - (3 * x[:, 0] + x[:, 1] - 4)
    x = rng.uniform(-2, 2, (300, 1))
    y = x[:, 0] ** 2
    added = 0.1 * np.sin(3 * x[:, 0]) if task == "wave" else np.zeros(300)
    noise = 0.01 * np.std(y) * rng.normal(size=300) if task == "nothing" else 0.0
    return "x**2", kn.Dataset.from_arrays(x, y + added + noise, names=["x"]), added


def run(task: str, seed: int) -> dict[str, object]:
    theory, data, added = case(task, seed)
    started = process_time()
    found = kn.correct(theory, data, kn.Config(key=seed))
    right = found.correction is None if task == "nothing" else False
    if found.correction is not None and task != "nothing":
        right = bool(np.abs(np.ravel(found.correction(data.x)) - added).max() < 1e-6 * np.std(added))
    return {
        "task": task,
        "seed": seed,
        "verdict": found.verdict,
        "right": "y" if right else "n",
        "origin": found.origin,
        "correction": str(found.correction.expression) if found.correction else "",
        "before": f"{found.before:.3g}",
        "after": f"{found.after:.3g}",
        "cpu": round(process_time() - started, 1),
    }


def results(arguments: argparse.Namespace) -> Iterator[dict[str, object]]:
    known = {(row["task"], int(row["seed"])) for row in done(arguments.out)}
    for task in TASKS:
        for seed in range(2 * arguments.seeds if task == "nothing" else arguments.seeds):
            if arguments.only in task and (task, seed) not in known:
                yield run(task, seed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--only", default="", help="take only tasks with this in their name")
    parser.add_argument("--out", type=Path, default=Path("correction.csv"))
    arguments = parser.parse_args()
    for result in results(arguments):
        append(arguments.out, FIELDS, result)
    rows = done(arguments.out)
    for task in TASKS:
        mine = [row for row in rows if row["task"] == task]
        right, cpu = sum(row["right"] == "y" for row in mine), [float(row["cpu"]) for row in mine] or [0.0]
        sys.stdout.write(f"{task}: {right} of {len(mine)} right; CPU seconds: median {np.median(cpu):.1f}.\n")


if __name__ == "__main__":
    main()
