"""Are five bumps in the plane kept, whose rows come one bump after the other? By seed.

    python benchmarks/continual_learning.py --seeds 10 --out continual-learning.csv

A network learns with `learn_next` and its memory: "row", bumps in a row, network [2, 1, 1]; "scattered", bumps over
the plane, network [2, 4, 1], the case that a memory of one matrix does not hold. "at_once" is the largest error (root
mean square) of a phase when it had just been learnt, "at_the_end" the largest after all five, "worst" the largest
ratio of a phase's two errors; right if it is 10 at most. Rows are appended as they come and those already there are
skipped.
"""

import argparse
import sys
from pathlib import Path
from time import process_time

import numpy as np
from record import append, done

import scikan as kn


FIELDS = ("bumps", "seed", "right", "worst", "at_once", "at_the_end", "cpu")
ACROSS = (-0.8, -0.4, 0.0, 0.4, 0.8)
CASES = {
    "row": (np.array([ACROSS, (0.0,) * 5]).T, [2, 1, 1]),
    "scattered": (np.array([ACROSS, (0.4, -0.8, 0.0, 0.8, -0.4)]).T, [2, 4, 1]),
}


def result(case: str, seed: int) -> dict[str, object]:
    centres, width = CASES[case]
    bumps = lambda x: np.exp(-30 * ((x[:, None, :] - centres) ** 2).sum(axis=2)).sum(axis=1)
    began = process_time()
    rng = np.random.default_rng(seed)
    phases = [centre + rng.uniform(-0.2, 0.2, (600, 2)) for centre in centres]
    model, memory = kn.KAN(width, grid=20, key=seed), None
    error = lambda x: float(np.sqrt(np.mean((model(x)[:, 0] - bumps(x)) ** 2)))
    once = []
    for x in phases:
        model, memory = kn.learn_next(model, x, bumps(x), memory, key=seed)
        once.append(error(x))
    end = [error(x) for x in phases]
    worst = max(e / o for e, o in zip(end, once, strict=True))
    numbers = {"worst": f"{worst:.3g}", "at_once": f"{max(once):.3g}", "at_the_end": f"{max(end):.3g}"}
    return {
        "bumps": case,
        "seed": seed,
        "right": worst <= 10,
        **numbers,
        "cpu": round(process_time() - began, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--bumps", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--out", type=Path, default=Path("continual-learning.csv"))
    arguments = parser.parse_args()
    known = {(row["bumps"], int(row["seed"])) for row in done(arguments.out)}
    for case in arguments.bumps:
        for seed in range(arguments.seeds):
            if (case, seed) not in known:
                append(arguments.out, FIELDS, result(case, seed))
    for case in CASES:
        rows = [row for row in done(arguments.out) if row["bumps"] == case]
        if rows:
            worst = max(float(row["worst"]) for row in rows)
            error = max(float(row["at_the_end"]) for row in rows)
            right = sum(row["right"] == "True" for row in rows)
            sys.stdout.write(
                f"{case}: {right} of {len(rows)} kept; worst {worst:.3g} times, largest error {error:.2g}.\n"
            )


if __name__ == "__main__":
    main()
