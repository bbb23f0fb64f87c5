# ---
# jupyter:
#   jupytext:
#     text_representation:
#       format_name: percent
# ---
# %% [markdown]
# # Modules
# Columns that are known to meet only in a sum, or only in a product, are kept apart by forbidden edges: the mixed
# derivative is then exactly zero, whatever is learnt, and fewer rows are enough (KAN 2.0, section 3.2).

# %%
import sys

import jax
import numpy as np

import scikan as kn


def law(x):
    return np.sin(x[:, 0] * x[:, 1]) + np.exp(x[:, 2] - x[:, 3])


rows, held = (np.random.default_rng(seed).uniform(-1, 1, (n, 4)) for seed, n in ((1, 200), (2, 2000)))
free = kn.KAN([4, 6, 1], grid=5, key=0)
modular = kn.module(kn.KAN([4, 6, 1], grid=5, key=0), [["x1", "x2"], ["x3", "x4"]])
smooth = kn.Sparsity(1e-6, l1=0.0, entropy=0.0, smooth=1.0)
errors = {}
for name, start in (("free", free), ("modular", modular)):
    fitted, _ = kn.fit(start, (rows, law(rows)[:, None]), steps=60, penalty=smooth)
    errors[name] = np.sqrt(np.mean((fitted(held)[:, 0] - law(held)) ** 2))
    print(f"{name}: {start.n_edges} edges, error {errors[name]:.2g} on fresh points, 200 rows learnt")
assert errors["modular"] < 0.3 * errors["free"]

# %% [markdown]
# The forbidden derivatives are zero, not small; growth and refinement leave them so.

# %%
grown = kn.refine(kn.perturb(kn.expand_width(fitted, 1, sums=2), "all", size=0.1), grid=10)
hessian = jax.vmap(jax.hessian(lambda row: grown(row[None])[0, 0]))(jax.numpy.asarray(held[:20]))
assert np.all(np.asarray(hessian)[:, :2, 2:] == 0.0)

# %% [markdown]
# Ready-made shapes for a table: a sum, a product, or one function of a group, f(h(x1, x2), x3).

# %%
x = np.random.default_rng(3).uniform(0.5, 2, (300, 3))
data = kn.Dataset.from_arrays(x, np.exp(-x[:, 0] * x[:, 1]) * (1 + x[:, 2] ** 2))
product = kn.separable(data, [["x1", "x2"]], "multiplicative", hidden=1)
symmetric = kn.symmetric(data, ["x1", "x2"])
for name, start in (("product", product), ("symmetric", symmetric)):
    told, _ = kn.fit(start, data, steps=60)
    error = np.sqrt(np.mean((told(data.test_x) - data.test_y) ** 2)) / np.std(data.y)
    print(f"{name}: {start.n_edges} edges, relative error {error:.2g} on held-out rows")
    assert error < 0.05
figure = kn.plot(fitted, rows, title="two modules, joined by a sum")
if len(sys.argv) > 1:  # python modules.py figure.png
    figure.savefig(sys.argv[1], dpi=150)
