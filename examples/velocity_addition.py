# ---
# jupyter:
#   jupytext:
#     text_representation:
#       format_name: percent
# ---
# %% [markdown]
# # Adding velocities
# How do velocities add near the speed of light? From a table of (u, v, w) the law is found. It hides a sum: each
# velocity is the hyperbolic tangent of a rapidity, and rapidities add. That form is found too, and proved the same.

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
# The law as a function of a sum; computer algebra shows that the two are one function.

# %%
form = found.sum_form
assert form is not None
print(form.law, "by", form.proof)
assert form.proof == "algebra"

# %% [markdown]
# As a network it has one hidden node, the rapidity of w.

# %%
figure = kn.plot(form.model)
if len(sys.argv) > 1:  # python velocity_addition.py figure.png
    figure.savefig(sys.argv[1], dpi=150)
