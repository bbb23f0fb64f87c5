"""How long do the 120 formulas of the Feynman lectures take to compile, and how well do the networks agree?

python benchmarks/kanpiler.py
"""

import sys
from time import process_time

import numpy as np
from discovery import columns, laws, values

import scikan as kn


def main() -> None:
    listed = laws("feynman")
    ranges = [[part.split() for part in law["ranges"].split(", ")] for law in listed]
    trees = [
        kn.parse(law["formula"], names=[name for name, _, _ in own])
        for law, own in zip(listed, ranges, strict=True)
    ]
    started = process_time()
    models = [
        kn.kanpiler(tree, [n for n, _, _ in own], domain=[[float(a), float(b)] for _, a, b in own])
        for tree, own in zip(trees, ranges, strict=True)
    ]
    seconds = process_time() - started
    worst = 0.0
    for law, tree, model in zip(listed, trees, models, strict=True):
        x = columns(law, 1000, np.random.default_rng(0))
        wanted = values(tree, x)
        found = model(np.column_stack(list(x.values())))[:, 0]
        worst = max(worst, float(np.abs(found - wanted).max() / np.abs(wanted).max()))
    edges = sum(model.n_edges for model in models)
    sys.stdout.write(
        f"{len(models)} formulas compiled in {seconds:.2f} CPU seconds, {edges} edges in all; "
        f"largest relative error {worst:.1e}.\n"
    )


if __name__ == "__main__":
    main()
