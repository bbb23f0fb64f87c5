# ---
# jupyter:
#   jupytext:
#     text_representation:
#       format_name: percent
# ---
# %% [markdown]
# # Which auxiliary input? Hypotheses side by side
# A law has one network for every set of columns that it is told in. The relativistic mass takes five edges in m, v, c.
# With beta = v/c and gamma offered, two are enough, and other small networks come close: their losses tell them apart
# (KAN 2.0, section 3.1). Here all networks of one product with two or three edges are trained at once.

# %%
import sys
from itertools import combinations, product

import numpy as np

import scikan as kn


names = ("m", "v", "c", "beta", "gamma")
raw = np.random.default_rng(0).uniform([0.0, 0.0, 1.1], [1.0, 0.9, 2.0], (1000, 3))
rows = kn.Augment(names[:3], ("beta = v/c", "gamma = 1/sqrt(1 - beta**2)"))(raw)
data = kn.Dataset.from_arrays(rows, rows[:, 0] * rows[:, 4], names=names).split(0.2)
box = np.stack([rows.min(axis=0), rows.max(axis=0)], axis=1)

compiled = kn.kanpiler("m/sqrt(1 - v**2/c**2)", names[:3], domain=box[:3])
print(f"compiled from the formula: {compiled.n_edges} edges")

# %%
start = kn.KAN([5, (0, 1)], grid=10, key=0, domain=box, names=names)
reads = [set(chosen) for n in (1, 2) for chosen in combinations(range(5), n)]
pairs = [(a, b) for a, b in product(reads, reads) if len(a) == 1 and len(a) + len(b) <= 3 and a != b]
networks = [
    kn.remove_edges(start, [(l, i, j) for l, i, j in start.edges() if i not in pair[j]]) for pair in pairs
]
ensemble, _ = kn.fit(kn.Ensemble.of(networks), data, kn.LBFGS(), steps=60)


def loss(model):
    return float(np.mean((model(data.test_x) - data.test_y) ** 2))


best = sorted(range(len(pairs)), key=lambda n: loss(ensemble[n]))[:12]
trained = [kn.fit(ensemble[n], data, steps=60)[0] for n in best]
trained.sort(key=lambda model: (model.n_edges, loss(model)))
for model in trained:
    factors = [" and ".join(names[i] for _, i, j in model.edges() if j == side) for side in (0, 1)]
    print(f"{model.n_edges} edges, ({factors[0]}) times ({factors[1]}): loss {loss(model):.1e}")
gamma = next(m for m in trained if m.n_edges == 2)
beta = min(
    (m for m in trained if m.n_edges == 3 and 4 not in {i for _, i, _ in m.edges()}), key=loss
)  # without gamma
assert loss(gamma) < 1e-6
assert loss(beta) < 1e-4

# %%
figure = kn.plot_networks(
    {
        f"compiled: {compiled.n_edges} edges": compiled,
        f"with gamma: 2 edges, loss {loss(gamma):.0e}": gamma,
        f"another branch: 3 edges, loss {loss(beta):.0e}": beta,
    }
)
if len(sys.argv) > 1:  # python hypotheses.py figure.png
    figure.savefig(sys.argv[1], dpi=150)
