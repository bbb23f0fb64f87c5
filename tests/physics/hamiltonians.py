"""Fields with their textbook energies, and a command that finds these from noisy rates.

    python tests/physics/hamiltonians.py CASE SEED [SEED ...]

prints one line a seed: the verdict and the law. It runs as a user would.
"""

import sys

import numpy as np

import scikan as kn


PLANE = ("x", "y", "px", "py")


def together(*columns):
    return np.stack(columns, axis=1)


def box(seed, size, d, rows=1000):
    return np.random.default_rng(seed).uniform(-size, size, (rows, d))


def kepler_states(seed):
    z = box(seed, 2.0, 4, 2500)
    return z[np.hypot(z[:, 0], z[:, 1]) > 0.5][:1000]


CASES = {
    "oscillator": (("q", "p"), lambda s: box(s, 2, 2), lambda q, p: (p, -q), "H = q**2/2 + p**2/2"),
    "pendulum": (("q", "p"), lambda s: box(s, 2, 2), lambda q, p: (p, -np.sin(q)), "H = p**2/2 - cos(q)"),
    "double well": (
        ("q", "p"),
        lambda s: box(s, 2, 2),
        lambda q, p: (p, q - q**3),
        "H = p**2/2 - q**2/2 + q**4/4",
    ),
    "Kepler": (
        PLANE,
        kepler_states,
        lambda x, y, u, v: (u, v, -x / np.hypot(x, y) ** 3, -y / np.hypot(x, y) ** 3),
        "H = px**2/2 + py**2/2 - 1/sqrt(x**2 + y**2)",
    ),
    "Henon-Heiles": (
        PLANE,
        lambda s: box(s, 0.5, 4),
        lambda x, y, u, v: (u, v, -x - 2 * x * y, -y - x**2 + y**2),
        "H = x**2/2 + y**2/2 + px**2/2 + py**2/2 + x**2*y - y**3/3",
    ),
}


def sampled(states, field, noise=0.0, seed=0):
    rates = together(*np.broadcast_arrays(*field(*states.T)))
    return rates + noise * rates.std(axis=0) * np.random.default_rng(seed + 99).normal(size=rates.shape)


def main(case, *seeds):
    names, sample, field, _ = CASES[case]
    for seed in map(int, seeds):
        states = sample(seed)
        found = kn.hamiltonian(states, sampled(states, field, 1e-3, seed), names=names)
        print(f"{found.verdict}\t{found.law}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
