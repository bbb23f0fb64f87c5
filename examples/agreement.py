# ---
# jupyter:
#   jupytext:
#     text_representation:
#       format_name: percent
# ---
# %% [markdown]
# # On what do many fits agree?
# One fit of x1 x2 + x3^2 may end in any of several networks. Thirty-two, trained in one compiled program and aligned
# over the order and the sign of their hidden nodes, show which edges, groups of columns and products are no accident.
# x1 and x2 matter in nearly all fits, the idle x4 in a quarter. On the product there is little agreement: half of the
# fits mix x3 into it, and few have x1 and x2 alone.
# The diagram is that of KAN 2.0 (section 4.1); how often an edge appears takes the place of its score.

# %%
import sys

import numpy as np

import scikan as kn


rows = np.random.default_rng(0).uniform(-1, 1, (400, 4))  # nothing depends on x4
data = kn.Dataset.from_arrays(rows, rows[:, 0] * rows[:, 1] + rows[:, 2] ** 2)
seeds = [kn.KAN.for_data(data, [(1, 1)], grid=3, key=key) for key in range(32)]
ensemble, log = kn.fit(kn.Ensemble.of(seeds), data, kn.LBFGS(), steps=80, penalty=kn.Sparsity(3e-3))
ensemble, log = kn.fit(ensemble, data, kn.LBFGS(), steps=80, penalty=kn.Sparsity(3e-3, concave=0.1))
agreed = kn.consensus(ensemble, data)
print(f"{len(agreed.kept)} of {len(seeds)} fits learnt the table")
for title, found in (("a node reads", agreed.groups), ("a product joins", agreed.products)):
    for names, share in list(found.items())[:3]:
        print(f"{share:.0%}: {title} {', '.join(names)}")
for name, share in zip(data.names, agreed.edges[0].max(axis=1), strict=True):
    print(f"{name}: its strongest edge is in {share:.0%} of the fits")
assert agreed.edges[0][:2].max(axis=1).min() > 2 * agreed.edges[0][3].max()

# %%
rare = [(l, i, j) for l, i, j in agreed.reference.edges() if agreed.edges[l][i, j] < 0.4]
common = kn.remove_edges(agreed.reference, rare)
figure = kn.plot(
    common,
    data,
    scores=agreed.scores,
    edge_labels=agreed.labels,
    title=f"Edges of at least 40 % of {len(agreed.kept)} fits, and how often they matter",
)
if len(sys.argv) > 1:  # python agreement.py figure.png
    figure.savefig(sys.argv[1], dpi=150)
