# ---
# jupyter:
#   jupytext:
#     text_representation:
#       format_name: percent
# ---
# %% [markdown]
# # Edges of a known shape
# A yield that can only rise, a force that is odd: what is known of an edge is a constraint on its coefficients, and
# holds exactly, between the rows too. Noise then bends the curve less.

# %%
import sys

import matplotlib
import numpy as np


matplotlib.use("Agg")
import matplotlib.pyplot as plt

import scikan as kn


rng = np.random.default_rng(0)
x = rng.uniform(-2, 2, (60, 1))
truth = lambda x: np.tanh(1.5 * x)
data = kn.Dataset.from_arrays(x, truth(x[:, 0]) + 0.1 * rng.normal(size=60), names=["x"], test=0)
start = kn.KAN([1, 1], grid=10, key=0, domain=[[-2, 2]], names=["x"])
free, _ = kn.fit(start, data)
rising, _ = kn.fit_constrained(start, data, {(0, 0, 0): "increasing"})
odd, _ = kn.fit_constrained(start, data, {(0, 0, 0): "odd"})
line = np.linspace(-2, 2, 401)[:, None]
assert np.all(np.diff(rising(line)[:, 0]) >= -1e-12)
centred = odd(line)[:, 0]
assert np.ptp(centred + centred[::-1]) < 1e-9
errors = {
    name: float(np.sqrt(np.mean((model(line)[:, 0] - truth(line[:, 0])) ** 2)))
    for name, model in (("free", free), ("increasing", rising), ("odd", odd))
}
for name, error in errors.items():
    print(f"{name}: {error:.3f} from the truth")

# %%
figure, axes = plt.subplots(figsize=(5.5, 3.4), layout="constrained")
axes.plot(x[:, 0], data.y[:, 0], ".", color="#8c8c8c", label="rows")
for name, model in (("free", free), ("increasing", rising), ("odd", odd)):
    axes.plot(line[:, 0], model(line)[:, 0], label=f"{name}: {errors[name]:.3f} from the truth")
axes.set(xlabel="x", ylabel="y")
axes.spines[["top", "right"]].set_visible(False)
axes.legend(frameon=False)
if len(sys.argv) > 1:  # python known_shapes.py figure.png
    figure.savefig(sys.argv[1], dpi=150)
