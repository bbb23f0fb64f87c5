"""Do networks of modular tasks fall into their modules? Perceptrons and KANs, one configuration each.

    python benchmarks/anatomy.py --seeds 10 --out anatomy.csv

"majority": the majority of three majorities of three bits (3 blocks); "parity": five outputs, each the parity of two
of ten bits (5); "match": six outputs, each whether two of twelve bits agree (6). Blocks are counted among edges above
5 % of the largest score of their layer. KANs are trained with Adam and a sparsity penalty, then a concave one, pruned
by score and trained again; perceptrons with Adam and an L1 penalty, reweighted three times. Of three starts those
whose error on the table is at most twice the least have learnt the task, and of these the one with the least
connection cost is kept, whatever its blocks. One configuration for all tasks, chosen on seeds from
100 on, which the record does not hold. Rows are appended as they come and those already there are skipped.
"""

import argparse
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from time import process_time

import numpy as np
from record import append, done

import scikan as kn


FIELDS = ("task", "network", "seed", "blocks", "wanted", "error", "cost_before", "cost_after", "cpu")
TASKS = {"majority": (9, 3, [20, 20], [10, 10]), "parity": (10, 5, [20], [10]), "match": (12, 6, [24], [12])}
L1, SPARSITY, STARTS, WORSE = 3e-4, 1e-3, 3, 2.0


def table(task: str) -> kn.Dataset:
    bits = np.array(list(itertools.product([0.0, 1.0], repeat=TASKS[task][0])))
    pairs = bits.reshape(len(bits), -1, 2) if task != "majority" else None
    if pairs is None:
        first = (bits.reshape(-1, 3, 3).sum(axis=2) > 1.5).astype(float)
        y = (first.sum(axis=1, keepdims=True) > 1.5).astype(float)
    elif task == "parity":
        y = pairs.sum(axis=2) % 2
    else:
        y = (pairs[:, :, 0] == pairs[:, :, 1]).astype(float)
    return kn.Dataset.from_arrays(2 * bits - 1, y)


def perceptron(task: str, data: kn.Dataset, key: int) -> kn.MLP:
    n, _, hidden, _ = TASKS[task]
    model = kn.MLP([n, *hidden, data.n_outputs], key=key)
    return kn.fit_mlp(model, data, l1=L1, steps=2000, rounds=4)[0]


def sparse_kan(task: str, data: kn.Dataset, key: int) -> kn.KAN:
    n, _, _, hidden = TASKS[task]
    few = kn.Sparsity(SPARSITY, entropy=0.0)
    fewer = kn.Sparsity(SPARSITY, entropy=0.0, concave=0.1)
    batch = 512 if len(data.train_x) > 512 else None
    model = kn.KAN([n, *hidden, data.n_outputs], grid=3, key=key)
    for penalty in (few, fewer):
        model, _ = kn.fit(model, data, kn.Adam(1e-2), steps=1500, penalty=penalty, batch=batch, chunk=100)
    scores = kn.attribute(model, data, over="max")
    top = max(float(edges.max()) for edges in scores.edges)
    model = kn.compact(kn.prune(model, scores, node=0.05, edge=0.05 * top), drop_inputs=False)
    return kn.fit(model, data, kn.LBFGS(), steps=100, penalty=fewer)[0]


def error(model: kn.KAN | kn.MLP, data: kn.Dataset) -> float:
    return float(np.sqrt(np.mean((model(data.x) - data.y) ** 2)))


def in_order(model: kn.KAN | kn.MLP, data: kn.Dataset) -> tuple:
    """Return a network, the same one in order, and the scores of both."""
    scores = kn.attribute(model, data.train_x, over="max")
    swapped = kn.auto_swap(model, scores)
    return model, swapped, scores, kn.attribute(swapped, data.train_x, over="max")


def run(task: str, network: str, seed: int) -> dict[str, object]:
    data, started, wanted = table(task), process_time(), TASKS[task][1]
    train = perceptron if network == "mlp" else sparse_kan
    starts = [train(task, data, STARTS * seed + n) for n in range(STARTS)]
    least = min(error(start, data) for start in starts)
    learnt = [start for start in starts if error(start, data) <= WORSE * least]
    model, swapped, scores, again = min(
        (in_order(start, data) for start in learnt), key=lambda found: kn.connection_cost(found[1], found[3])
    )
    return {
        "task": task,
        "network": network,
        "seed": seed,
        "blocks": len(kn.blocks(swapped, again)),
        "wanted": wanted,
        "error": f"{error(model, data):.3g}",
        "cost_before": round(kn.connection_cost(model, scores), 3),
        "cost_after": round(kn.connection_cost(swapped, again), 3),
        "cpu": round(process_time() - started, 1),
    }


def results(arguments: argparse.Namespace) -> Iterator[dict[str, object]]:
    known = {(row["task"], row["network"], int(row["seed"])) for row in done(arguments.out)}
    for seed, network, task in itertools.product(
        range(arguments.first, arguments.first + arguments.seeds), arguments.networks, TASKS
    ):
        if (task, network, seed) not in known:
            yield run(task, network, seed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--networks", nargs="+", choices=["mlp", "kan"], default=["mlp", "kan"])
    parser.add_argument("--out", type=Path, default=Path("anatomy.csv"))
    arguments = parser.parse_args()
    for result in results(arguments):
        append(arguments.out, FIELDS, result)
    rows = done(arguments.out)
    for network, task in itertools.product(("mlp", "kan"), TASKS):
        mine = [r for r in rows if (r["network"], r["task"]) == (network, task)]
        right = sum(r["blocks"] == r["wanted"] for r in mine)
        sys.stdout.write(f"{network}, {task}: {right} of {len(mine)} fall into {TASKS[task][1]} blocks.\n")


if __name__ == "__main__":
    main()
