# ---
# jupyter:
#   jupytext:
#     text_representation:
#       format_name: percent
# ---
# %% [markdown]
# # Separability and symmetries
# Does a function fall apart into functions of groups of its columns? Do two columns enter only as one
# (KAN 2.0, section 4.3)? Every answer is a record: the score, what errors alone would give, and a verdict.

# %%
import sys

import jax.numpy as jnp
import numpy as np

import scikan as kn


rows = np.random.default_rng(0).uniform(-1, 1, (1000, 6))
functions = {
    "x1 x2 + x3 x4 + x5 x6": lambda x: x[:, 0] * x[:, 1] + x[:, 2] * x[:, 3] + x[:, 4] * x[:, 5],
    "(x1 + x2)(x3 + x4)(x5 + x6)": lambda x: (x[:, 0] + x[:, 1]) * (x[:, 2] + x[:, 3]) * (x[:, 4] + x[:, 5]),
    "sin of that": lambda x: jnp.sin((x[:, 0] + x[:, 1]) * (x[:, 2] + x[:, 3]) * (x[:, 4] + x[:, 5])),
}
answers = {name: kn.separability(f, rows) for name, f in functions.items()}
for name, answer in answers.items():
    print(f"{name}: {answer}")
assert [a.kind for a in answers.values()] == ["additive", "multiplicative", "general"]

# %% [markdown]
# A coupling of one percent between two groups is not overlooked.

# %%
near = lambda x: functions["x1 x2 + x3 x4 + x5 x6"](x) + 0.01 * x[:, 0] * x[:, 2] ** 3
refused = kn.separability(near, rows, answers["x1 x2 + x3 x4 + x5 x6"].groups, kind="additive")
print("with 0.01 x1 x3^3:", refused)
assert refused.verdict == "no"

# %% [markdown]
# From data alone, through a surrogate: a sqrt(1 + (b/c)^2) depends on b and c through their ratio. With errors of one
# percent a wrong variable is still refused; of the right one the answer is that there is not enough evidence.

# %%
columns = np.random.default_rng(1).uniform(1, 2, (1000, 3))
y = columns[:, 0] * np.sqrt(1 + (columns[:, 1] / columns[:, 2]) ** 2)
noise = 0.01 * y.std() * np.random.default_rng(2).normal(size=len(y))
for told, target in (("exact", y), ("1 % noise", y + noise)):
    data = kn.Dataset.from_arrays(columns, target, names=("a", "b", "c"))
    for variable in ("b/c", "b*c"):
        print(f"{told}: {kn.symmetry(data, variable=variable)}")
assert kn.symmetry(data, variable="b*c").verdict == "no"
figure = kn.plot_tree(kn.tree(functions["sin of that"], rows), title="sin((x1 + x2)(x3 + x4)(x5 + x6))")
if len(sys.argv) > 1:  # python separability.py figure.png
    figure.savefig(sys.argv[1], dpi=150)
