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

from scikan.train.linear import spline_columns


CENTRES = np.array([-0.8, -0.4, 0.0, 0.4, 0.8])
GRID, DEGREE = 200, 3
knots = -1 + 2 / GRID * np.arange(-DEGREE, GRID + DEGREE + 1)


def peaks(x):
    return np.exp(-300 * (x[:, None] - CENTRES) ** 2).sum(axis=1)


every = np.linspace(-1, 1, 500)
phases = [np.linspace(c - 0.2, c + 0.2, 100) for c in CENTRES]

# %% [markdown]
# The KAN [1, 1] has one edge, linear in its coefficients: the smallest change that fits the new rows is one least
# squares, and coefficients that no row reaches do not move.

# %%
coef = np.zeros(GRID + DEGREE)
network = MLPRegressor(
    hidden_layer_sizes=(100, 100, 100),
    learning_rate_init=3e-3,
    warm_start=True,
    max_iter=1000,
    random_state=0,
    tol=0.0,
)
network.set_params(n_iter_no_change=2000)
curves = []
for phase, x in enumerate(phases):
    columns = spline_columns(x, knots, DEGREE)
    reached = np.any(columns != 0, axis=0)
    coef[reached] += np.linalg.lstsq(columns[:, reached], peaks(x) - columns @ coef, rcond=1e-3)[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network.fit(10 * x[:, None], peaks(x))
    curves.append((spline_columns(every, knots, DEGREE) @ coef, network.predict(10 * every[:, None])))

kan, mlp = (np.sqrt(np.mean((curve - peaks(every)) ** 2)) for curve in curves[-1])
print(f"after phase 5, on all points: KAN {kan:.1e}, perceptron {mlp:.1e}")
assert kan < 1e-2 < mlp

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
