# ---
# jupyter:
#   jupytext:
#     text_representation:
#       format_name: percent
# ---
# %% [markdown]
# # A theory and what it lacks
# A law is believed; the data are measured. What must be added is looked for in what the law leaves over, with the same
# tests on unseen rows as any law, and the answer may be that nothing is missing.

# %%
import sys

import matplotlib.pyplot as plt
import numpy as np

import scikan as kn


rng = np.random.default_rng(3)
x = rng.uniform(-2, 2, (300, 1))
data = kn.Dataset.from_arrays(x, x[:, 0] ** 2 + 0.1 * np.sin(3 * x[:, 0]), names=["x"])
answer = kn.correct("x**2", data)
print(answer)
assert answer.verdict == "law"
assert np.abs(answer.correction(x) - 0.1 * np.sin(3 * x[:, 0])).max() < 1e-9

# %% [markdown]
# Where the law is right and the data are noisy, nothing is found.

# %%
noisy = kn.Dataset.from_arrays(x, x[:, 0] ** 2 + 0.012 * rng.normal(size=300), names=["x"])
nothing = kn.correct("x**2", noisy, kn.Config(seconds=4.5))
print(nothing)
assert nothing.verdict == "none"

# %%
line = np.linspace(-2, 2, 400)[:, None]
figure, (left, right) = plt.subplots(1, 2, figsize=(8.0, 3.2), layout="constrained", sharey=True)
for axes, table, found in ((left, data, answer), (right, noisy, nothing)):
    axes.plot(x[:, 0], table.y[:, 0] - x[:, 0] ** 2, ".", color="0.6", ms=4, label="data less theory")
    axes.set(xlabel="x", title=str(found.correction.expression) if found.correction else "no correction")
    axes.spines[["top", "right"]].set_visible(False)
left.plot(line, np.ravel(answer.correction(line)), color="C0", lw=1.5, label="correction")
right.axhline(0.0, color="C0", lw=1.5)
left.set_ylabel("y - x**2")
left.legend(frameon=False, loc="upper left", fontsize=8)
left.set_ylim(-0.16, 0.19)
if len(sys.argv) > 1:  # python correcting.py figure.png
    figure.savefig(sys.argv[1], dpi=150)
