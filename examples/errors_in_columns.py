# ---
# jupyter:
#   jupytext:
#     text_representation:
#       format_name: percent
# ---
# %% [markdown]
# # Errors in the columns
# Rates of an enzyme at concentrations that were pipetted with an error of 0.15. A search that takes the concentrations
# as exact explains a curve that the errors have bent, by a formula which is no law; told of them, it finds the law, and
# its constants are no longer pulled towards a flatter curve. Data are made here: rate = 2.1 s / (1.3 + s).

# %%
import sys

import numpy as np
from matplotlib.figure import Figure

import scikan as kn
from scikan.core.expr import constants


rng = np.random.default_rng(0)
concentration = rng.uniform(0.2, 5.0, 300)
rate = 2.1 * concentration / (1.3 + concentration)
measured = concentration + 0.15 * rng.normal(size=300)
rate_measured = rate + 0.02 * np.std(rate) * rng.normal(size=300)


def table(error):
    return kn.Dataset.from_arrays(
        measured[:, None], rate_measured, names=["s"], targets=["rate"], input_sigma=error
    )


# %%
exact = kn.discover(table(None))
told = kn.discover(table([0.15]))
print("as if exact: ", exact.verdict, exact.law)
print("errors told: ", told.verdict, told.law)
for c in constants(told.law.expressions[0]):
    print(f"    {c.value:.4g} +- {c.error:.2g}")
assert told.verdict == "law"
for c, true in zip(constants(told.law.expressions[0]), (2.1, 1.3), strict=True):
    assert abs(c.value - true) < 3 * c.error

# %% [markdown]
# The form known, `kn.fit_parameters` does the same for named parameters.

# %%
model = kn.parse("v*s/(k + s)")
for errors in (None, {"s": 0.15}):
    fit = kn.fit_parameters(model, {"s": measured}, rate_measured, {"v": 1.0, "k": 1.0}, input_sigma=errors)
    print(errors, {name: f"{value:.3f} +- {fit.errors[name]:.3f}" for name, value in fit.values.items()})

# %%
figure = Figure(figsize=(5.2, 3.4), layout="constrained")
axes = figure.subplots()
axes.plot(measured, rate_measured, ".", color="0.7", ms=4, label="measured")
dense = np.linspace(0.05, 5.2, 400)[:, None]
axes.plot(dense, 2.1 * dense / (1.3 + dense), color="k", lw=1, ls="--", label="truth")
axes.plot(dense, exact.law(dense), color="C0", lw=1.5, label="columns as if exact")
axes.plot(dense, told.law(dense), color="C3", lw=1.5, label="errors told")
axes.set(xlabel="s", ylabel="rate")
axes.legend(frameon=False)
if len(sys.argv) > 1:  # python errors_in_columns.py figure.png
    figure.savefig(sys.argv[1], dpi=150)
