# ---
# jupyter:
#   jupytext:
#     text_representation:
#       format_name: percent
# ---
# %% [markdown]
# # Which inputs matter?
# Attribution scores follow an output's variation back through the network (KAN 2.0, section 4.1). They have bands, a
# prune by them is checked. Several seeds side by side are another example, agreement.py.

# %%
import sys

import numpy as np

import scikan as kn


rows = np.random.default_rng(0).uniform(-1, 1, (1000, 4))
terms = np.stack([rows[:, 0] ** 2, 0.3 * rows[:, 1], 0.1 * rows[:, 2] ** 3, 0 * rows[:, 3]])
data = kn.Dataset.from_arrays(rows, terms.sum(axis=0)).split(0.2)
model, log = kn.fit(kn.KAN.for_data(data, grid=5), data, steps=20)
found = kn.prune_checked(model, data, edge=1e-3, inputs=1e-3)
print(found)
bands = kn.attribution_bands(found.model, data)
for name, low, middle, high, ideal in zip(
    data.names, bands.low.inputs, bands.median.inputs, bands.high.inputs, terms.std(axis=1), strict=True
):
    print(f"{name}: {middle:.3f} ({low:.3f} to {high:.3f}), ideally {ideal / terms.sum(axis=0).std():.3f}")
assert found.accepted
assert found.removed == ((0, 3, 0),)

# %% [markdown]
# The L1 score is blind to what happens later: a large edge into a node that nobody reads has a large spread and
# the attribution score zero.

# %%
blind = kn.remove_edges(kn.KAN([2, 2, 1], key=0), [(1, 1, 0)])
scores = kn.attribute(blind, rows[:, :2])
print("into the node that nobody reads: L1", scores.spreads[0][:, 1], " score", scores.edges[0][:, 1])
assert np.all(scores.edges[0][:, 1] == 0)

# %% [markdown]
# A network with more numbers than the table has rows shares scores among idle inputs. Without the nodes that only copy
# others it fits the law, and a hundred inputs stand in order.

# %%
many = np.random.default_rng(0).uniform(-1, 1, (1000, 100))
halved = kn.Dataset.from_arrays(many, (many**2 * 0.5 ** np.arange(100)).sum(axis=1))
wide, _ = kn.fit(kn.KAN([100, 10, 10, 1], grid=3), halved, kn.LBFGS(), steps=100, penalty=kn.Sparsity(1e-3))
narrow = kn.narrowest(wide, halved)
print(narrow)
for told, network in (("as it was fitted", wide), ("narrowed", narrow.model)):
    order = np.argsort(-kn.attribute(network, halved).inputs)[:10]
    print(f"ten most important inputs, {told}:", ", ".join(halved.names[i] for i in order))
assert narrow.accepted and np.array_equal(order, np.arange(10))

# %%
figure = kn.plot_features(
    {
        name: (middle, low, high)
        for name, low, middle, high in zip(
            data.names, bands.low.inputs, bands.median.inputs, bands.high.inputs, strict=True
        )
    }
)
if len(sys.argv) > 1:  # python importance.py figure.png
    figure.savefig(sys.argv[1], dpi=150)
