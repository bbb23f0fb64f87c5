"""How many rows does knowledge save? A free network, and one that was told the structure, on ever fewer rows.

    python benchmarks/priors.py

Two laws whose tree is told, one with an auxiliary input. For each the error of the free network on 400 rows, and the
fewest rows with which the other one does as well; median over seeds, each time the best of three starts on the rows
learnt.
"""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

import scikan as kn


SEEDS, STARTS, ROWS = 3, 3, (25, 50, 100, 200, 400)
Rows = np.ndarray


def error(build: Callable[[int, kn.Dataset], Any], f: Callable[[Rows], Rows], ranges: Rows, n: int) -> float:
    """Return the median error on fresh rows, as a share of the target's spread."""
    errors = []
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        x, held = (rng.uniform(ranges[:, 0], ranges[:, 1], (m, len(ranges))) for m in (n, 2000))
        data = kn.Dataset.from_arrays(x, f(x), test=0)
        starts = [kn.fit(build(key, data), data, steps=60)[0] for key in range(STARTS)]
        model = min(starts, key=lambda m: float(np.nan_to_num(np.mean((m(x)[:, 0] - f(x)) ** 2), nan=np.inf)))
        errors.append(np.sqrt(np.mean((model(held)[:, 0] - f(held)) ** 2)) / np.std(f(held)))
    return float(np.median(errors))


def told(
    name: str, f: Any, ranges: Rows, free: Any, other: Any, g: Any = None, inner: Rows | None = None
) -> None:
    """Print the comparison; `g` is the law in the auxiliary inputs and `inner` their ranges, if there are any."""
    wanted = error(free, f, ranges, 400)
    reached = {n: error(other, g or f, ranges if inner is None else inner, n) for n in ROWS}
    enough = next((n for n in ROWS if reached[n] <= wanted), None)
    sys.stdout.write(
        f"{name}: free {wanted:.2g} with 400 rows, told as well with {enough or 'more than 400'} "
        f"({reached[200]:.2g} with 200 rows, free {error(free, f, ranges, 200):.2g})\n"
    )


def main() -> None:
    box = np.tile([-1.0, 1.0], (4, 1))
    a, b, c, d = (kn.Tree("column", column=f"x{j}") for j in (1, 2, 3, 4))
    wave = kn.Tree("sum", (kn.Tree("general", (a, b), inner="product"), kn.Tree("product", (c, d))))
    told(
        "sin(x1 x2) + exp(x3 - x4), its tree",
        lambda x: np.sin(x[:, 0] * x[:, 1]) + np.exp(x[:, 2] - x[:, 3]),
        box,
        lambda key, data: kn.KAN([4, 4, 1], grid=5, key=key),
        lambda key, data: kn.shaped(wave, data, grid=5, key=key),
    )
    factors = kn.Tree("product", (kn.Tree("sum", (a, b)), kn.Tree("sum", (c, d))))
    told(
        "(x1 + sin 3 x2)(x3 + x4^2), its tree",
        lambda x: (x[:, 0] + np.sin(3 * x[:, 1])) * (x[:, 2] + x[:, 3] ** 2),
        box,
        lambda key, data: kn.KAN([4, (0, (2,))], grid=5, key=key),
        lambda key, data: kn.shaped(factors, data, grid=5, key=key),
    )
    lorentz = np.array([[0.1, 1.0], [0.0, 0.9], [1.1, 2.0]])
    told(
        "m/sqrt(1 - v^2/c^2), an auxiliary input",
        lambda x: x[:, 0] / np.sqrt(1 - (x[:, 1] / x[:, 2]) ** 2),
        lorentz,
        lambda key, data: kn.KAN([3, (0, 2), 1], grid=5, key=key),
        lambda key, data: kn.KAN([2, (0, 1)], grid=5, key=key),
        lambda x: x[:, 0] / np.sqrt(1 - x[:, 1] ** 2),
        np.array([[0.1, 1.0], [0.0, 0.8]]),
    )


if __name__ == "__main__":
    main()
