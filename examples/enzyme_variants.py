# ---
# jupyter:
#   jupytext:
#     text_representation:
#       format_name: percent
# ---
# %% [markdown]
# # One law for several experiments
# Five variants of an enzyme (simulated, 2 % error): they bind the substrate alike, and turn it over at rates of their
# own. The form of the law is the same for all. Which of its constants are shared is found, not told.

# %%
import sys
from pathlib import Path

import numpy as np

import scikan as kn


rng = np.random.default_rng(1)
turnover = {"wild": 1.0, "D40A": 2.5, "E65Q": 4.1, "K12R": 0.7, "S90T": 3.3}
affinity = 1.3
variants = np.repeat(list(turnover), 14)
substrate = np.tile(np.geomspace(0.1, 20.0, 14), 5) * (1 + 0.1 * rng.normal(size=70))
exact = np.array([turnover[v] for v in variants]) * substrate / (affinity + substrate)
data = kn.Dataset.from_arrays(
    substrate[:, None],
    exact * (1 + 0.02 * rng.normal(size=70)),
    names=("substrate",),
    targets=("rate",),
    units={"substrate": "mM", "rate": "mM/s"},
)
found = kn.discover_shared(data, variants, kn.Config(seconds=20.0))
print(found.verdict, found.law)
for name, (value,), (error,) in zip(found.experiments, found.values, found.errors, strict=True):
    print(f"{name}: {value:.3f} +- {error:.3f}, made with {turnover[name]}")

# %% [markdown]
# One constant for each variant, one for all: as the data were made.

# %%
assert found.verdict == "law" and found.parameters == ("c1",)
assert np.all(np.abs(found.values[:, 0] - list(turnover.values())) < 4 * found.errors[:, 0])
wild = found.of("wild")
assert abs(wild(np.array([[affinity]]))[0] - 0.5) < 0.01

# %% [markdown]
# The law is a network as well, whose inputs are the substrate and the constant of the variant.

# %%
assert np.allclose(found.model(found.table.x)[:, 0], found.law(found.table.x))
figure = kn.plot_experiments(
    substrate,
    data.y[:, 0],
    list(variants),
    {name: found.of(name) for name in found.experiments},
    ("substrate (mM)", "rate (mM/s)"),
)
kn.save_figure(figure, Path(sys.argv[1] if len(sys.argv) > 1 else "enzyme-variants.png"))
