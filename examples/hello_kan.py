# ---
# jupyter:
#   jupytext:
#     text_representation:
#       format_name: percent
# ---
# %% [markdown]
# # Hello, KAN
# The steps of a discovery by hand: fit, prune, fit again on a finer grid, name the edges, read the formula.

# %%
import numpy as np

import scikan as kn


data = kn.Dataset.from_function(lambda x: np.exp(np.sin(np.pi * x[:, 0]) + x[:, 1] ** 2), n_inputs=2, key=0)
model = kn.KAN.for_data(data, hidden=[5], grid=3, key=0)
model, log = kn.fit(model, data, steps=40)
print(model, log)

# %% [markdown]
# Attribution says how much of the output's variation runs through each input and edge; `prune_by_loss` takes
# edges away as long as rows that the fit does not see agree.

# %%
print(kn.attribute(model, data).inputs)
model = kn.prune_by_loss(model, data)
model, log = kn.fit(kn.refine(model, grid=15), data, steps=40)
figure = kn.plot(model, data)

# %% [markdown]
# Names are tried in context: one stays only if the whole network, refitted, is as good as before.

# %%
model, edges = kn.auto_symbolic(model, data)
law = kn.snap_law(kn.formula(model), data)
print(law)
assert str(law) == "y = exp(sin(pi*x1) + x2**2)"
print("largest error on held-out rows:", np.abs(law(data.test_x) - data.test_y[:, 0]).max())
