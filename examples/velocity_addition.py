# ---
# jupyter:
#   jupytext:
#     text_representation:
#       format_name: percent
# ---
# %% [markdown]
# # Adding velocities
# How do velocities add near the speed of light? From a table of (u, v, w) the law is found; its rapidity form, a
# shallow KAN with artanh on its edges, is compared with it.

# %%
import sys

import numpy as np

import scikan as kn


rng = np.random.default_rng(0)
u, v = rng.uniform(-0.9, 0.9, (2, 400))
data = kn.Dataset.from_arrays(
    np.stack([u, v], axis=1), (u + v) / (1 + u * v), names=("u", "v"), targets=("w",)
)
found = kn.discover(data, kn.Config(seconds=15.0))
print(found.verdict, found.law)

# %% [markdown]
# Rapidities add: w = tanh(artanh u + artanh v) is the same function.

# %%
rapidity = np.tanh(np.arctanh(u) + np.arctanh(v))
gap = np.abs(found.law(np.stack([u, v], axis=1)) - rapidity).max()
print("largest difference from the rapidity form:", gap)
assert gap < 1e-6
figure = kn.plot(found.model if found.model is not None else found.network)
if len(sys.argv) > 1:  # python velocity_addition.py figure.png
    figure.savefig(sys.argv[1], dpi=150)
