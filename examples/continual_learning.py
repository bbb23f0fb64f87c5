# ---
# jupyter:
#   jupytext:
#     text_representation:
#       format_name: percent
# ---
# %% [markdown]
# # Five peaks, one after the other
# Five Gaussian peaks are learnt in five phases; each phase shows one peak only. A spline edge changes only where data
# are, so the peaks before stay. A multi-layer perceptron changes everywhere, and forgets.

# %%
import sys
import warnings

import numpy as np
from matplotlib.figure import Figure
from sklearn.neural_network import MLPRegressor

import scikan as kn


CENTRES = np.array([-0.8, -0.4, 0.0, 0.4, 0.8])


def peaks(x):
    return np.exp(-300 * (x[:, None] - CENTRES) ** 2).sum(axis=1)


every = np.linspace(-1, 1, 500)
phases = [np.linspace(c - 0.2, c + 0.2, 100) for c in CENTRES]

# %% [markdown]
# `learn_locally` fits the new rows with the smallest change of a network's last layer; coefficients that no row reaches
# do not move. `fit` does otherwise: it keeps cells without rows straight.

# %%
model = kn.KAN([1, 1], grid=200)
network = MLPRegressor(
    hidden_layer_sizes=(100, 100, 100),
    learning_rate_init=3e-3,
    warm_start=True,
    max_iter=1000,
    random_state=0,
    tol=0.0,
)
network.set_params(n_iter_no_change=2000)
curves, moved = [], 0.0
for phase, x in enumerate(phases):
    before, model = model, kn.learn_locally(model, x[:, None], peaks(x))
    for past in phases[:phase]:
        moved = max(moved, np.abs(model(past[:, None]) - before(past[:, None])).max())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network.fit(10 * x[:, None], peaks(x))
    curves.append((model(every[:, None])[:, 0], network.predict(10 * every[:, None])))

kan, mlp = (np.sqrt(np.mean((curve - peaks(every)) ** 2)) for curve in curves[-1])
print(
    f"after phase 5, on all points: KAN {kan:.1e}, perceptron {mlp:.1e}; old phases of the KAN moved by {moved:.1e}"
)
assert kan <= 1e-5 and moved <= 1e-6 and mlp > 1e-2

# %%
figure = Figure(figsize=(10, 3.2), layout="constrained")
for n, panel in enumerate(figure.subplots(2, 5, sharex=True, sharey=True).T):
    for axes, curve, name in zip(panel, curves[n], ("KAN", "perceptron"), strict=True):
        axes.plot(every, peaks(every), color="0.75", lw=2)
        axes.plot(every, curve, lw=1)
        axes.set_ylim(-0.8, 1.3)
        axes.set_title(f"{name}, phase {n + 1}", fontsize=8)
if len(sys.argv) > 1:  # python continual_learning.py figure.png
    figure.savefig(sys.argv[1], dpi=150)
