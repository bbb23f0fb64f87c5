# ---
# jupyter:
#   jupytext:
#     text_representation:
#       format_name: percent
# ---
# %% [markdown]
# # Units
# Columns with units make a law's constants physical quantities, name the term of a law that cannot be right, and offer
# the dimensionless groups of Buckingham's theorem as auxiliary inputs.

# %%
import numpy as np

import scikan as kn


rng = np.random.default_rng(0)
mass, speed, height = rng.uniform([[1.0], [1.0], [0.5]], [[5.0], [20.0], [30.0]], (3, 300))
units = {"mass": "kg", "speed": "m/s", "height": "m", "energy": "J"}
data = kn.Dataset.from_arrays(
    np.column_stack([mass, speed, height]),
    0.5 * mass * speed**2 + 9.81 * mass * height,
    names=("mass", "speed", "height"),
    targets=("energy",),
    units=units,
)
found = kn.discover(data, kn.Config(seconds=7.5))
print(found.law)
for value, unit in kn.constant_units(found.law, units).items():
    print(f"{value:g} is in {unit}")
assert "m s^-2" in {str(unit) for unit in kn.constant_units(found.law, units).values()}

# %% [markdown]
# Wrong units are an error that names the term.

# %%
wrong = kn.Law((kn.parse("mass*speed + mass*speed**2"),), ("energy",), ("mass", "speed"))
try:
    kn.constant_units(wrong, units)
except kn.UnitError as error:
    print(error)
else:
    raise AssertionError("a momentum is no energy")

# %% [markdown]
# A pendulum's period: one dimensionless group says the whole law.

# %%
units = {"period": "s", "length": "m", "gravity": "m/s^2", "bob": "kg"}
groups = kn.dimensionless_groups(units)
print(groups)
length, gravity = rng.uniform([[0.1], [1.0]], [[2.0], [15.0]], (2, 100))
period = 2 * np.pi * np.sqrt(length / gravity)
group = kn.evaluate(kn.parse(groups[0]), {"period": period, "length": length, "gravity": gravity})
assert np.ptp(group) < 1e-12 * np.abs(group).max()
