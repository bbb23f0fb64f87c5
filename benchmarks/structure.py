"""Are separability and trees read right, from exact functions, from functions with an error, from trained networks?

    python benchmarks/structure.py --out structure.csv

"exact": random functions of 4 to 8 columns (the generator of the tests) and near misses, in which two columns of
different groups are coupled by 1 % of the standard deviation. "error": the same plus a rough random field with a
root mean square of 1e-3. "network": KANs of width [4, 5, 5, 1] and [4, 4, 2, 1] trained on (x1^2 + x2^2)^2 +
(x3^2 + x4^2)^2, judged with the error that held-out rows show; those that err by more than --reached are listed
apart. Rows are appended as they come and those already there are skipped.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
from record import append, done

import scikan as kn
from scikan.structure.probe import Field, probe_of


sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "structure"))
from random_functions import drawn, plain  # noqa: E402
from test_separability import division, near_miss  # noqa: E402


FIELDS = ("task", "seed", "error", "tree", "verdict", "separable", "near_miss", "truth", "found", "cpu")
ERROR = 1e-3
WIDTHS = ([5, 5], [4, 2])


def random_function(task: str, seed: int) -> dict[str, object]:
    rng = np.random.default_rng(seed)
    f = drawn(rng)
    rows = rng.uniform(-1, 1, (1000, f.n_columns))
    probe = probe_of(f, rows)
    size = ERROR * probe.spread if task == "error" else 0.0
    field = Field(probe, rng)

    def learnt(g: Any) -> Any:
        return (lambda x: g(x) + size * field.value(np.asarray(x))) if size else g

    error = size or None
    found = kn.tree(learnt(f), rows, error=error)
    row: dict[str, object] = {
        "tree": plain(found) == f.tree,
        "verdict": found.verdict,
        "truth": f.tree,
        "found": str(found),
        "error": size,
    }
    if (asked := division(f)) is not None:
        kind, groups = asked
        for name, g in (("separable", f), ("near_miss", near_miss(f, groups, rows))):
            row[name] = kn.separability(learnt(g), rows, groups, kind=kind, error=error).verdict
    return row


def network(seed: int, hidden: list[int]) -> dict[str, object]:
    rng = np.random.default_rng(seed)
    x, held = rng.uniform(-1, 1, (2, 2000, 4))
    f = lambda x: (x[:, 0] ** 2 + x[:, 1] ** 2) ** 2 + (x[:, 2] ** 2 + x[:, 3] ** 2) ** 2
    data = kn.Dataset.from_arrays(x, f(x))
    model = kn.KAN.for_data(data, hidden, grid=3, key=seed)
    model, _ = kn.fit(model, data, steps=60)
    model, _ = kn.fit(kn.refine(model, grid=6), data, steps=60)
    error = float(np.sqrt(np.mean((model(held)[:, 0] - f(held)) ** 2)))
    truth = "F(x1 + x2) + F(x3 + x4)"
    told: dict[str, object] = {"truth": truth, "error": error / np.std(f(held))}
    try:
        found = kn.tree(model, x, error=error)
    except kn.SettingError as hidden_by_error:
        return told | {"tree": False, "verdict": "refused", "found": hidden_by_error.what}
    return told | {"tree": str(found) == truth, "verdict": found.verdict, "found": str(found)}


def results(arguments: argparse.Namespace) -> Iterator[dict[str, object]]:
    known = {(row["task"], int(row["seed"])) for row in done(arguments.out)}
    drawn = range(arguments.first, arguments.first + arguments.functions)
    tasks = [(t, s) for t in ("exact", "error") for s in drawn]
    tasks += [(f"network {hidden}", s) for hidden in WIDTHS for s in range(arguments.seeds)]
    for task, seed in tasks:
        if (task, seed) in known:
            continue
        started = process_time()
        if task.startswith("network"):
            row = network(seed, next(h for h in WIDTHS if task.endswith(str(h))))
        else:
            row = random_function(task, seed)
        yield {"task": task, "seed": seed} | row | {"cpu": round(process_time() - started, 2)}


def summary(arguments: argparse.Namespace) -> str:
    rows, told = done(arguments.out), []
    for task in dict.fromkeys(row["task"] for row in rows):
        mine = [row for row in rows if row["task"] == task]
        reached = [r for r in mine if float(r["error"]) <= arguments.reached]
        right = sum(r["tree"] == "True" for r in reached)
        line = f"{task}: {right} of {len(reached)} trees right"
        if task.startswith("network"):
            more, right = len(mine) - len(reached), sum(r["tree"] == "True" for r in mine)
            line += (
                f" where the error is at most {arguments.reached:g}; {more} err more; of all {right} right"
            )
        sure = [r for r in mine if r["verdict"] == "yes"]
        if sure:
            line += f"; of {len(sure)} that say yes {sum(r['tree'] == 'True' for r in sure)} right"
        for name, verdict in (("separable", "yes"), ("near_miss", "no")):
            asked = [r for r in mine if r[name]]
            if asked:
                line += f"; {name}: {sum(r[name] == verdict for r in asked)} of {len(asked)} said {verdict}"
        told.append(f"{line}; CPU seconds: median {np.median([float(r['cpu']) for r in mine]):.1f}.")
    return "\n".join(told)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--functions", type=int, default=100, help="random functions")
    parser.add_argument("--first", type=int, default=0, help="seed of the first random function")
    parser.add_argument("--seeds", type=int, default=10, help="networks of each width")
    parser.add_argument("--reached", type=float, default=5e-3, help="largest error of a network that counts")
    parser.add_argument("--out", type=Path, default=Path("structure.csv"))
    arguments = parser.parse_args()
    for result in results(arguments):
        append(arguments.out, FIELDS, result)
    sys.stdout.write(summary(arguments) + "\n")


if __name__ == "__main__":
    main()
