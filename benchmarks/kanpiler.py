"""How long do the 120 formulas of the Feynman lectures take to compile and to read back, and how well do they agree?

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
    compiled = process_time() - started
    laws_back = [kn.formula(model) for model in models]
    read = process_time() - started - compiled
    worst = np.zeros(2)
    for law, tree, model, back in zip(listed, trees, models, laws_back, strict=True):
        x = columns(law, 1000, np.random.default_rng(0))
        wanted, rows = values(tree, x), np.column_stack(list(x.values()))
        for n, found in enumerate((model(rows)[:, 0], np.broadcast_to(np.ravel(back(rows)), 1000))):
            worst[n] = max(worst[n], float(np.abs(found - wanted).max() / np.abs(wanted).max()))
    edges = sum(model.n_edges for model in models)
    sys.stdout.write(
        f"{len(models)} formulas compiled in {compiled:.2f} CPU seconds, {edges} edges in all, largest relative error "
        f"{worst[0]:.1e}; read back in {read:.1f}, largest error {worst[1]:.1e}.\n"
    )


if __name__ == "__main__":
    main()
