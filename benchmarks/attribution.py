"""Do scores put a hundred inputs in order, and do they agree with the terms where the answer is known?

    python benchmarks/attribution.py --seeds 10

The target is the sum of x_i^2 / 2^i over a hundred inputs, 1000 rows. "shallow" is the smallest network, [100, 1], with
which a search begins; "deep" is [100, 10, 10, 1] with a sparsity penalty. Told are how often the eight largest scores
are those of the first eight inputs in order, and the mean number of inputs beyond the eighth that score above 0.03.
"""

import argparse
import sys

import numpy as np

import scikan as kn


def scores(kind: str, seed: int) -> np.ndarray:
    x = np.random.default_rng(seed).uniform(-1, 1, (1000, 100))
    data = kn.Dataset.from_arrays(x, (x**2 / 2.0 ** np.arange(100)).sum(axis=1), test=0)
    if kind == "shallow":
        model, _ = kn.fit(kn.KAN([100, 1], grid=3, key=seed), data, steps=5)
    else:
        model = kn.KAN([100, 10, 10, 1], grid=3, key=seed)
        model, _ = kn.fit(model, data, kn.LBFGS(), steps=150, penalty=kn.Sparsity(1e-3))
    return np.asarray(kn.attribute(model, data).inputs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    arguments = parser.parse_args()
    for kind in ("shallow", "deep"):
        found = [scores(kind, seed) for seed in range(arguments.seeds)]
        ordered = sum(np.argsort(-s)[:8].tolist() == list(range(8)) for s in found)
        false = np.mean([np.sum(s[8:] > 0.03) for s in found])
        sys.stdout.write(
            f"{kind}: {ordered} of {len(found)} in order, {false:.1f} false inputs on average.\n"
        )


if __name__ == "__main__":
    main()
