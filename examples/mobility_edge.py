# ---
# jupyter:
#   jupytext:
#     text_representation:
#       format_name: percent
# ---
# %% [markdown]
# # Where waves stop: a mobility edge
# A chain with the potential V_n = 2 l cos(2 pi b n) / (1 - a cos(2 pi b n)), b the golden ratio. States of
# one energy are spread out, of another localised; the border is a E = 2 (1 - l) (Ganeshan, Pixley and Das Sarma 2015).
# Spectra are computed here, each state is labelled by its inverse participation ratio, and a linear border in the
# products of E, l and a is read off.

# %%
import sys
from itertools import combinations

import numpy as np
from matplotlib.figure import Figure
from scipy.linalg import eigh_tridiagonal
from sklearn.linear_model import LogisticRegression


SITES, GOLDEN = 400, (np.sqrt(5) - 1) / 2
rng = np.random.default_rng(0)
rows = []
for _ in range(60):
    l, a, phase = rng.uniform(0.5, 1.5), rng.uniform(0.1, 0.8), rng.uniform(0, 2 * np.pi)
    wave = np.cos(2 * np.pi * GOLDEN * np.arange(SITES) + phase)
    energies, states = eigh_tridiagonal(2 * l * wave / (1 - a * wave), np.ones(SITES - 1))
    dimension = -np.log(np.sum(states**4, axis=0)) / np.log(SITES)
    rows.append(np.stack([energies, np.full(SITES, l), np.full(SITES, a), dimension], axis=1))
energy, strength, shape, dimension = np.concatenate(rows).T
spread = dimension > 0.5

# %% [markdown]
# All squares and products are offered. One term is tried alone, then all pairs, then triples: another term is taken
# only if it puts 0.3 % more of the states on their right side.

# %%
offered = {"E": energy, "l": strength, "a": shape, "a E": shape * energy, "l a": strength * shape}
offered |= {"l E": strength * energy, "E^2": energy**2, "a^2": shape**2, "l^2": strength**2}


def border(names):
    columns = np.stack([offered[n] for n in names], axis=1)
    model = LogisticRegression(C=1e4).fit(columns[::8], spread[::8])
    return model.score(columns, spread), model


names, score = (), 0.0
for size in (1, 2, 3):
    best, chosen = max((border(trial)[0], trial) for trial in combinations(offered, size))
    if best < score + 0.003:
        break
    names, score = chosen, best
score, model = border(names)
weights = dict(zip(names, model.coef_[0], strict=True))
law = " + ".join(f"{w / model.intercept_[0] * -2:.3f} {n}" for n, w in weights.items())
truth = np.mean((shape * energy < 2 * (1 - strength)) == spread)
print(f"border: {law} = 2, right for {score:.2%} of {len(spread)} states (the known law {truth:.2%})")
assert set(names) == {"l", "a E"}

# %%
figure = Figure(figsize=(5, 3.6), layout="constrained")
axes = figure.subplots()
dots = axes.scatter(shape * energy, strength, c=dimension, s=1, rasterized=True)
figure.colorbar(dots, label="fractal dimension: 1 spread out, 0 localised")
axes.plot([-1, 1], [1.5, 0.5], "k--", lw=1)
axes.set(xlabel="a E", ylabel="l", xlim=(-2.5, 2.5))
if len(sys.argv) > 1:  # python mobility_edge.py figure.png
    figure.savefig(sys.argv[1], dpi=150)
