"""How much does knowledge save? Rows that are needed, and errors at the same size, with and without it.

    python benchmarks/priors.py

"rows": the error of a free network on 400 rows, and the fewest rows with which a network that was told a module, an
auxiliary input or a formula does as well. "size": errors of a free and of a modular network with the same number of
edges on 200 rows. Errors are on 2000 fresh rows, as shares of the target's spread; medians over seeds. The free
network has the better of two ways to choose among starts.
"""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

import scikan as kn


SEEDS, STARTS, ROWS, STEPS = 3, 4, (25, 50, 100, 200), 80
SMOOTH = kn.Sparsity(1e-6, l1=0.0, entropy=0.0, smooth=1.0)
Rows = np.ndarray
Build = Callable[[int, kn.Dataset], kn.KAN]


def error(build: Build, f: Callable[[Rows], Rows], ranges: Rows, n: int, share: float = 0.0) -> float:
    """Return the median error on fresh rows, as a share of the target's spread.

    Best of several starts, by the loss on all rows, or by that on a share of them that is kept from learning.
    """
    errors = []
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        x, held = (rng.uniform(ranges[:, 0], ranges[:, 1], (m, len(ranges))) for m in (n, 2000))
        data = kn.Dataset.from_arrays(x, f(x), test=0)
        starts = [
            kn.fit(build(key, data), data, steps=STEPS, penalty=SMOOTH, validation=share)
            for key in range(STARTS)
        ]
        model, _ = min(
            starts, key=lambda start: float(np.nanmin(start[1].validation if share else start[1].train))
        )
        errors.append(np.sqrt(np.mean((model(held)[:, 0] - f(held)) ** 2)) / np.std(f(held)))
    return float(np.median(errors))


def free_error(build: Build, f: Callable[[Rows], Rows], ranges: Rows, n: int) -> float:
    """Return the error of a free network, whichever of the two ways to choose serves it better."""
    return min(error(build, f, ranges, n, share) for share in (0.0, 0.2))


def rows(
    name: str, f: Any, ranges: Rows, free: Build, told: Build, g: Any = None, inner: Rows | None = None
) -> None:
    """Print how few rows are enough; `g` is the law in auxiliary inputs and `inner` their ranges, if any."""
    wanted = free_error(free, f, ranges, 400)
    for n in ROWS:
        reached = error(told, g or f, ranges if inner is None else inner, n)
        if reached <= wanted:
            break
    sys.stdout.write(
        f"rows, {name}: free {wanted:.2g} with 400, told {reached:.2g} with {n} ({n / 400:.2f} of the rows)\n"
    )
    sys.stdout.flush()


def size(name: str, f: Any, columns: int, free: Build, told: Build) -> None:
    """Print the errors of two networks with the same number of edges."""
    box = np.tile([-1.0, 1.0], (columns, 1))
    data = kn.Dataset.from_arrays(np.zeros((20, columns)) + np.linspace(-1, 1, 20)[:, None], np.arange(20.0))
    edges = [build(0, data).n_edges for build in (free, told)]
    without, with_ = free_error(free, f, box, 200), error(told, f, box, 200)
    sys.stdout.write(
        f"size, {name}: free {without:.2g} ({edges[0]} edges), modular {with_:.2g} ({edges[1]} edges), "
        f"ratio {with_ / without:.2g}\n"
    )
    sys.stdout.flush()


def factors(x: Rows) -> Rows:
    return np.asarray((x[:, 0] + x[:, 1]) * (x[:, 2] + x[:, 3]) * (x[:, 4] + x[:, 5]))


def two_terms(x: Rows) -> Rows:
    return np.asarray(np.sin(x[:, 0] * x[:, 1]) + np.exp(x[:, 2] - x[:, 3]))


PAIRS = [["x1", "x2"], ["x3", "x4"], ["x5", "x6"]]
LORENTZ = np.array([[0.1, 1.0], [0.0, 0.9], [1.1, 2.0]])
SWING = np.array([[0.1, 2.0], [5.0, 15.0], [0.0, 1.5]])


def period(x: Rows) -> Rows:
    """A pendulum's period for length, gravity and amplitude, to fourth order in the amplitude."""
    small = 2 * np.pi * np.sqrt(x[:, 0] / x[:, 1])
    return np.asarray(small * (1 + x[:, 2] ** 2 / 16 + 11 * x[:, 2] ** 4 / 3072))


def pendulum(key: int, data: kn.Dataset) -> kn.KAN:
    """The period of small swings compiled and locked, times an unknown function of the amplitude."""
    ranges = np.stack([data.x.min(axis=0), data.x.max(axis=0)], axis=1)
    model = kn.kanpiler("2*pi*sqrt(x1)*x2**(-1/2)*(1 + x3)", data.names, domain=ranges)
    unknown = next(address for address in model.edges() if address[:2] == (0, 2))
    return kn.unlock(kn.unfix_symbolic(kn.lock(model), unknown), [unknown])


def main() -> None:
    rows(
        "(x1 + x2)(x3 + x4)(x5 + x6), modules joined by a product",
        factors,
        np.tile([-1.0, 1.0], (6, 1)),
        lambda key, data: kn.KAN([6, 3, (0, (3,))], grid=3, key=key),
        lambda key, data: kn.separable(data, PAIRS, "multiplicative", hidden=3, grid=3, key=key),
    )
    rows(
        "m/sqrt(1 - v^2/c^2), an auxiliary input v/c",
        lambda x: x[:, 0] / np.sqrt(1 - (x[:, 1] / x[:, 2]) ** 2),
        LORENTZ,
        lambda key, data: kn.KAN([3, (0, 2), 1], grid=5, key=key),
        lambda key, data: kn.KAN([2, (0, 1)], grid=5, key=key),
        lambda x: x[:, 0] / np.sqrt(1 - x[:, 1] ** 2),
        np.array([[0.1, 1.0], [0.0, 0.8]]),
    )
    rows(
        "a pendulum of any amplitude, its law for small ones compiled",
        period,
        SWING,
        lambda key, data: kn.KAN.for_data(data, [(2, 1)], grid=5, key=key),
        pendulum,
    )
    size(
        "(x1 + x2)(x3 + x4)(x5 + x6)",
        factors,
        6,
        lambda key, data: kn.KAN([6, 3, (0, (3,))], grid=3, key=key),
        lambda key, data: kn.separable(data, PAIRS, "multiplicative", hidden=3, grid=3, key=key),
    )
    size(
        "sin(x1 x2) + exp(x3 - x4)",
        two_terms,
        4,
        lambda key, data: kn.KAN([4, 6, 1], grid=3, key=key),
        lambda key, data: kn.separable(data, PAIRS[:2], hidden=5, grid=3, key=key),
    )


if __name__ == "__main__":
    main()
