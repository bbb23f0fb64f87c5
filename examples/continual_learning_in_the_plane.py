# ---
# jupyter:
#   jupytext:
#     text_representation:
#       format_name: percent
# ---
# %% [markdown]
# # Five bumps in the plane, one after the other
# A network with a hidden layer learns five bumps in five phases; each phase shows the rows around one bump only. All
# bumps go through the same last edge, so new rows could spoil old ones. `learn_next` keeps of the old rows one matrix:
# how their errors rise with the network's parameters. A multi-layer perceptron, trained on the same rows, forgets.

# %%
import sys
import warnings

import numpy as np
from matplotlib.figure import Figure
from sklearn.neural_network import MLPRegressor

import scikan as kn


CENTRES = np.array([[-0.8, 0.0], [-0.4, 0.0], [0.0, 0.0], [0.4, 0.0], [0.8, 0.0]])


def bumps(x):
    return np.exp(-30 * ((x[:, None, :] - CENTRES) ** 2).sum(axis=2)).sum(axis=1)


def error(predict, x):
    return np.sqrt(np.mean((predict(x) - bumps(x)) ** 2))


# %%
rng = np.random.default_rng(0)
phases = [centre + rng.uniform(-0.2, 0.2, (600, 2)) for centre in CENTRES]
model, memory = kn.KAN([2, 1, 1], grid=20), None
network = MLPRegressor(
    hidden_layer_sizes=(50, 50), max_iter=400, warm_start=True, random_state=0, tol=0.0, n_iter_no_change=1000
)
at_once = {"KAN": [], "perceptron": []}
shots = []
line = np.linspace(-1, 1, 121)
plane = np.stack(np.meshgrid(line, np.linspace(-0.2, 0.2, 25)), axis=-1)
for x in phases:
    model, memory = kn.learn_next(model, x, bumps(x), memory)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network.fit(4 * x, bumps(x))
    learners = {"KAN": lambda x: model(x)[:, 0], "perceptron": lambda x: network.predict(4 * x)}
    for name, predict in learners.items():
        at_once[name].append(error(predict, x))
    shots.append([predict(plane.reshape(-1, 2)).reshape(plane.shape[:2]) for predict in learners.values()])

# %% [markdown]
# How much worse is each phase at the end than when it had just been learnt?

# %%
worst = {}
for name, predict in learners.items():
    at_the_end = [error(predict, x) for x in phases]
    worst[name] = max(end / once for end, once in zip(at_the_end, at_once[name], strict=True))
    print(
        f"{name}: errors {min(at_the_end):.1e} to {max(at_the_end):.1e}, at worst {worst[name]:.1f} times those at once"
    )
assert max(at_once["KAN"]) < 2e-3 and worst["KAN"] < 10 < worst["perceptron"]

# %%
figure = Figure(figsize=(10, 2.6), layout="constrained")
panels = figure.subplots(2, 5, sharex=True, sharey=True)
for n, column in enumerate(panels.T):
    for axes, values, name in zip(column, shots[n], learners, strict=True):
        axes.imshow(values, origin="lower", extent=(-1, 1, -0.2, 0.2), vmin=0, vmax=1, aspect="auto")
        axes.set_title(f"{name}, phase {n + 1}", fontsize=8)
        axes.tick_params(labelsize=7)
if len(sys.argv) > 1:  # python continual_learning_in_the_plane.py figure.png
    figure.savefig(sys.argv[1], dpi=150)
