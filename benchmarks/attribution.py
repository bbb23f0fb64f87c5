"""Do attribution scores name the inputs that matter? Where the answer is known, by seed.

    python benchmarks/attribution.py --seeds 10 --out attribution.csv

"terms": x1^2 + 0.3 x2 + 0.1 x3^3 + 0 x4; the largest relative error of the scores against std(term) / std(y), and the
score of x4 after `prune_checked`. "hundred": the sum over i < 100 of x_i^2 / 2^i from 1000 rows, network
[100, 10, 10, 1] with a sparsity penalty, then `narrowest`; right if the eight largest scores are those of x1 to x8 in
this order, and a false positive is an input beyond x8 with a score above that of x8. "additive": the same with the
network that `KAN.for_data` gives, one layer, which knows that the inputs add. "sobol": a random function of ten
columns, fitted; Spearman's rank correlation of its scores with Sobol's total indices. "speed": seconds of `attribute`
with 20 columns. Rows are appended as they come and those already there are skipped.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
from record import append, done
from scipy.stats import spearmanr

import scikan as kn


FIELDS = ("task", "seed", "right", "value", "false_positives", "error", "cpu")
WANTED = {"terms": 0.02, "sobol": 0.95, "speed": 5.0}
Result = dict[str, object]


def terms(seed: int) -> Result:
    x = np.random.default_rng(seed).uniform(-1, 1, (1000, 4))
    parts = np.stack([x[:, 0] ** 2, 0.3 * x[:, 1], 0.1 * x[:, 2] ** 3])
    data = kn.Dataset.from_arrays(x, parts.sum(axis=0)).split(0.2)
    model, _ = kn.fit(kn.KAN.for_data(data, grid=5, key=seed), data, steps=20)
    found = kn.prune_checked(model, data, edge=1e-3, inputs=1e-3)
    scores = kn.attribute(found.model, x).inputs
    ideal = parts.std(axis=1) / parts.sum(axis=0).std()
    worst = float(np.max(np.abs(scores[:3] / ideal - 1)))
    right = found.accepted and worst < WANTED["terms"] and scores[3] < 1e-6
    return {"right": right, "value": worst, "error": found.after}


def hundred(seed: int) -> Result:
    data = _many(seed)
    model = kn.KAN([100, 10, 10, 1], grid=3, key=seed)
    model, _ = kn.fit(model, data, kn.LBFGS(), steps=STEPS, penalty=kn.Sparsity(SPARSITY))
    return _ordered(kn.narrowest(model, data).model, data)


def additive(seed: int) -> Result:
    data = _many(seed)
    model, _ = kn.fit(kn.KAN.for_data(data, grid=3, key=seed), data, steps=20)
    return _ordered(model, data)


def _many(seed: int) -> kn.Dataset:
    x = np.random.default_rng(seed).uniform(-1, 1, (1000, 100))
    return kn.Dataset.from_arrays(x, (x**2 * 0.5 ** np.arange(100)).sum(axis=1))


def _ordered(model: kn.KAN, data: kn.Dataset) -> Result:
    scores = kn.attribute(model, data).inputs
    order = np.argsort(-scores)
    false = int(np.sum(scores[8:] > scores[7]))
    right = bool(np.array_equal(order[:8], np.arange(8)))
    return {"right": right, "value": _leading(order), "false_positives": false, "error": _error(model, data)}


def _leading(order: np.ndarray) -> int:
    """Return how many of the largest scores stand in the right order."""
    return int(np.argmin(np.append(order == np.arange(len(order)), False)))


def sobol(seed: int) -> Result:
    rng = np.random.default_rng(seed)
    f = random_function(rng, 10)
    x = rng.uniform(-1, 1, (2000, 10))
    data = kn.Dataset.from_arrays(x, f(x))
    model, _ = kn.fit(kn.KAN.for_data(data, [4], grid=4, key=seed), data, kn.LBFGS(), steps=200)
    scores = kn.attribute(model, data).inputs
    value = float(spearmanr(scores, kn.total_indices(f, x))[0])
    return {"right": value > WANTED["sobol"], "value": value, "error": _error(model, data)}


def random_function(rng: np.random.Generator, n: int) -> Callable[[np.ndarray], np.ndarray]:
    """Return an outer function of a weighted sum of curves of spread one, their weights 1.5 times apart."""
    curves = (np.sin, np.exp, np.tanh, np.cos, np.square)
    chosen = rng.integers(len(curves), size=n)
    slopes, shifts = rng.uniform(0.7, 1.5, n), rng.uniform(-0.5, 0.5, n)
    sizes = 1.5 ** -rng.permutation(n).astype(float)
    outer = (np.exp, np.tanh, np.sin)[int(rng.integers(3))]
    sample = rng.uniform(-1, 1, (4000, n))
    seen = np.stack([curves[c](slopes[j] * sample[:, j] + shifts[j]) for j, c in enumerate(chosen)], axis=1)
    means, spreads = seen.mean(axis=0), seen.std(axis=0)

    def f(x: np.ndarray) -> np.ndarray:
        inner = np.stack([curves[c](slopes[j] * x[:, j] + shifts[j]) for j, c in enumerate(chosen)], axis=1)
        return np.asarray(outer(0.5 * ((inner - means) / spreads) @ sizes))

    return f


def speed(seed: int) -> Result:
    x = np.random.default_rng(seed).uniform(-1, 1, (1000, 20))
    model = kn.KAN([20, 10, 10, 1], key=seed)
    began = perf_counter()
    kn.attribute(model, x)
    value = perf_counter() - began
    return {"right": value < WANTED["speed"], "value": value}


def _error(model: kn.KAN, data: kn.Dataset) -> float:
    return float(np.sqrt(np.mean((model(data.x) - data.y) ** 2)))


STEPS, SPARSITY = 100, 1e-3
TASKS = {"terms": terms, "hundred": hundred, "additive": additive, "sobol": sobol, "speed": speed}


def results(arguments: argparse.Namespace) -> Iterator[Result]:
    known = {(row["task"], int(row["seed"])) for row in done(arguments.out)}
    for seed in range(arguments.first, arguments.first + arguments.seeds):
        for task in arguments.tasks:
            if (task, seed) not in known:
                began = process_time()
                found = TASKS[task](seed)
                numbers = {n: f"{v:.4g}" if isinstance(v, float) else v for n, v in found.items()}
                yield {"task": task, "seed": seed, **numbers, "cpu": round(process_time() - began, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--out", type=Path, default=Path("attribution.csv"))
    arguments = parser.parse_args()
    for result in results(arguments):
        append(arguments.out, FIELDS, result)
    rows = done(arguments.out)
    for task in TASKS:
        mine = [r for r in rows if r["task"] == task]
        values = sorted(float(r["value"]) for r in mine)
        if mine:
            right = sum(r["right"] == "True" for r in mine)
            sys.stdout.write(f"{task}: {right} of {len(mine)}, from {values[0]:.3g} to {values[-1]:.3g}.\n")


if __name__ == "__main__":
    main()
