# ---
# jupyter:
#   jupytext:
#     text_representation:
#       format_name: percent
# ---
# %% [markdown]
# # From science into the network
# A formula is compiled into a network, an auxiliary input makes it smaller, a module forbids what cannot be, growth
# gives it room, and data tell what the theory lacks (KAN 2.0, section 3).

# %%
import sys

import jax
import numpy as np

import scikan as kn


MASS = "m/sqrt(1 - v**2/c**2)"
ranges = np.array([[0.1, 1.0], [0.0, 0.9], [1.1, 2.0]])
compiled = kn.kanpiler(MASS, ["m", "v", "c"], domain=ranges)
rows = np.random.default_rng(0).uniform(ranges[:, 0], ranges[:, 1], (500, 3))
mass = rows[:, 0] / np.sqrt(1 - (rows[:, 1] / rows[:, 2]) ** 2)
print(compiled, " error:", np.abs(compiled(rows)[:, 0] - mass).max())
assert np.abs(compiled(rows)[:, 0] - mass).max() < 1e-12
assert kn.formula(compiled)(rows) is not None

# %% [markdown]
# Growing it changes nothing until it is trained.

# %%
grown = kn.perturb(kn.expand_depth(kn.expand_width(compiled, 1, sums=1, products=(2,))), "missing")
print(grown, " moved by:", np.abs(grown(rows) - compiled(rows)).max())
assert np.abs(grown(rows) - compiled(rows)).max() < 1e-14

# %% [markdown]
# With the Lorentz factor offered as an auxiliary input the law is a product of two inputs; what is not needed goes.

# %%
lorentz = kn.Augment(("m", "v", "c"), ("beta = v/c", "gamma = 1/sqrt(1 - beta**2)"))
columns = lorentz(rows)
offered = kn.Dataset.from_arrays(columns, mass, names=("m", "v", "c", "beta", "gamma"))
found = kn.discover(offered, kn.Config(seconds=10.0))
print(found.verdict, found.law)
assert set(found.structure) is not None
assert np.abs(found.law(columns) - mass).max() < 1e-9

# %% [markdown]
# A module: x1, x2 and x3, x4 meet only in a sum, so their mixed derivative is exactly zero whatever is learnt.

# %%
points = np.random.default_rng(1).uniform(-1, 1, (200, 4))
target = np.sin(points[:, 0] * points[:, 1]) + np.exp(points[:, 2] - points[:, 3])
free = kn.KAN([4, 6, 1], grid=5, key=0)
modular = kn.module(free, [["x1", "x2"], ["x3", "x4"]])
held = np.random.default_rng(2).uniform(-1, 1, (1000, 4))
truth = np.sin(held[:, 0] * held[:, 1]) + np.exp(held[:, 2] - held[:, 3])
for name, model in (("free", free), ("modular", modular)):
    fitted, log = kn.fit(model, (points, target[:, None]), steps=60)
    error = np.sqrt(np.mean((fitted(held)[:, 0] - truth) ** 2))
    print(f"{name}: error {error:.2g} on fresh points, 200 rows learnt")
mixed = jax.vmap(jax.hessian(lambda row: fitted(row[None])[0, 0]))(jax.numpy.asarray(points[:20]))
assert np.all(np.asarray(mixed)[:, :2, 2:] == 0.0)

# %% [markdown]
# A theory and what it lacks: x^2 is known, the data have a small wave beside it.

# %%
x = np.random.default_rng(3).uniform(-2, 2, (300, 1))
data = kn.Dataset.from_arrays(x, x[:, 0] ** 2 + 0.1 * np.sin(3 * x[:, 0]), names=["x"])
answer = kn.correct("x**2", data)
print(answer)
assert np.abs(answer.correction(x) - 0.1 * np.sin(3 * x[:, 0])).max() < 1e-9
figure = kn.plot(compiled, title=MASS)
if len(sys.argv) > 1:  # python known_science.py figure.png
    figure.savefig(sys.argv[1], dpi=150)
