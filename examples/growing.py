# ---
# jupyter:
#   jupytext:
#     text_representation:
#       format_name: percent
# ---
# %% [markdown]
# # Growing a formula
# A formula is compiled into a network, grown without changing it, and learns what it lacks from data while the
# formula itself is locked (KAN 2.0, section 3.3).

# %%
import sys

import numpy as np

import scikan as kn


MASS = "m/sqrt(1 - v**2/c**2)"
ranges = np.array([[0.1, 1.0], [0.0, 0.9], [1.1, 2.0]])
compiled = kn.kanpiler(MASS, ["m", "v", "c"], domain=ranges, targets=["M"])
rows = np.random.default_rng(0).uniform(ranges[:, 0], ranges[:, 1], (500, 3))
mass = rows[:, 0] / np.sqrt(1 - (rows[:, 1] / rows[:, 2]) ** 2)
print(compiled, "error:", np.abs(compiled(rows)[:, 0] - mass).max())
print("and back:", kn.formula(compiled).expression)
assert np.abs(compiled(rows)[:, 0] - mass).max() < 1e-12

# %% [markdown]
# More nodes, more layers, zero splines on all edges that were off: nothing changes until it is trained.

# %%
grown = kn.perturb(kn.expand_depth(kn.expand_width(compiled, 1, sums=1, products=(2,))), "missing")
print(grown, "moved by:", np.abs(grown(rows) - compiled(rows)).max())
assert np.abs(grown(rows) - compiled(rows)).max() < 1e-14

# %% [markdown]
# The data know a small term more. The formula's edges are locked: its constants stay, only what was added learns.

# %%
target = mass + 0.05 * np.sin(4 * rows[:, 0]) * rows[:, 1]
simple = kn.perturb(kn.expand_width(compiled, 1, products=(2,)), "missing")
fitted, log = kn.fit(kn.lock(simple, compiled.edges()), (rows, target[:, None]), steps=60)
before, after = (np.sqrt(np.mean((m(rows)[:, 0] - target) ** 2)) for m in (compiled, fitted))
print(f"error of the formula {before:.2g}, of the grown network {after:.2g}")
assert after < 0.02 * before
figure = kn.plot(fitted, rows, title=f"{MASS}, locked, and what was grown beside it")
if len(sys.argv) > 1:  # python growing.py figure.png
    figure.savefig(sys.argv[1], dpi=150)
