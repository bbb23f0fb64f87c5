# ---
# jupyter:
#   jupytext:
#     text_representation:
#       format_name: percent
# ---
# %% [markdown]
# # Auxiliary inputs
# Where a combination of columns is known to matter, it is offered as a column: the law becomes shorter, and what is not
# needed goes (KAN 2.0, section 3.1).

# %%
import sys

import numpy as np

import scikan as kn


ranges = np.array([[0.1, 1.0], [0.0, 0.9], [1.1, 2.0]])
rows = np.random.default_rng(0).uniform(ranges[:, 0], ranges[:, 1], (500, 3))
mass = rows[:, 0] / np.sqrt(1 - (rows[:, 1] / rows[:, 2]) ** 2)
lorentz = kn.Augment(("m", "v", "c"), ("beta = v/c", "gamma = 1/sqrt(1 - beta**2)"))
columns = lorentz(rows)
offered = kn.Dataset.from_arrays(columns, mass, names=("m", "v", "c", "beta", "gamma"))
found = kn.discover(offered, kn.Config(seconds=15.0))
print(found.verdict, found.law)
assert np.abs(found.law(columns) - mass).max() < 1e-9
figure = kn.plot(found.model, title="the law with the Lorentz factor as an input")
if len(sys.argv) > 1:  # python auxiliary_inputs.py figure.png
    figure.savefig(sys.argv[1], dpi=150)
