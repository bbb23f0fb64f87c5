# ---
# jupyter:
#   jupytext:
#     text_representation:
#       format_name: percent
# ---
# %% [markdown]
# # Neurons in order
# Five tasks in one network: each output is the parity of two of ten bits. Training scatters the neurons of the
# tasks; `auto_swap` brings those together that work together, and the network falls into five blocks
# (KAN 2.0, section 4.2, anatomical modularity).

# %%
import itertools
import sys

import numpy as np

import scikan as kn


bits = np.array(list(itertools.product([0.0, 1.0], repeat=10)))
parity = bits.reshape(len(bits), 5, 2).sum(axis=2) % 2
data = kn.Dataset.from_arrays(2 * bits - 1, parity)
model, error = kn.fit_mlp(kn.MLP([10, 20, 5], key=0), data, l1=3e-4)
scores = kn.attribute(model, data, over="max")
ordered = kn.auto_swap(model, scores)
costs = [kn.connection_cost(m, data) for m in (model, ordered)]
print(f"error {error:.1e}; connection cost {costs[0]:.2f} before, {costs[1]:.2f} after")
assert np.allclose(ordered(data.x), model(data.x))
found = kn.blocks(ordered, kn.attribute(ordered, data, over="max"))
for block in found:
    print(block)
assert [block.inputs for block in found] == [(f"x{2 * n + 1}", f"x{2 * n + 2}") for n in range(5)]

# %% [markdown]
# The same for a KAN that learns two sums of two columns.

# %%
rows = np.random.default_rng(0).uniform(-1, 1, (500, 4))
pairs = np.stack([np.sin(2 * (rows[:, 0] + rows[:, 2])), np.exp(rows[:, 1] + rows[:, 3])], axis=1)
table = kn.Dataset.from_arrays(rows, pairs)
kan = kn.KAN([4, 4, 2], grid=3, key=1)
kan, log = kn.fit(kan, table, kn.LBFGS(), steps=200, penalty=kn.Sparsity(1e-3))
kan = kn.auto_swap(kan, table)
for block in kn.blocks(kan, kn.attribute(kan, table, over="max")):
    print(block)

# %%
from matplotlib.figure import Figure  # noqa: E402


figure = Figure(figsize=(7.5, 3.2), layout="constrained")
for axes, network, title in zip(
    figure.subplots(1, 2), (model, ordered), ("as trained", "in order"), strict=True
):
    links = kn.attribute(network, data, over="max").edges
    for level, link in enumerate(links):
        for (i, j), score in np.ndenumerate(link):
            if score > 0.05 * link.max():
                ends = [(i + 0.5) / len(link), (j + 0.5) / link.shape[1]]
                axes.plot(ends, [level, level + 1], color="#0072b2", lw=1.2, alpha=min(float(score), 1.0))
    axes.set_title(title)
    axes.set_axis_off()
if len(sys.argv) > 1:  # python neurons_in_order.py figure.png
    figure.savefig(sys.argv[1], dpi=150)
