# ---
# jupyter:
#   jupytext:
#     text_representation:
#       format_name: percent
# ---
# %% [markdown]
# # Peaks and seasons
# A spectrum of two peaks that overlap on a decaying baseline, and the air pressure between Easter Island and Darwin,
# month by month: sums of terms, each with constants inside, whose number nobody gave. Both tables are NIST's (Gauss3
# and ENSO, see `examples/data/README.md`).

# %%
import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import scikan as kn
from scikan.core.expr import constants


folder = Path(__file__).parent / "data" / "nist_strd"
config = kn.Config(seconds=15.0)
spectrum = kn.read_table(folder / "Gauss3.csv", target="y")
pressure = kn.read_table(folder / "ENSO.csv", target="atmospheric_pressure")

# %% [markdown]
# The spectrum: eight constants in three terms, the baseline and both peaks.

# %%
found = kn.discover(spectrum, config)
print(found.verdict, found.law)
assert found.verdict == "law"
assert str(found.law).count("exp") == 3

# %% [markdown]
# The pressure: what repeats every twelve months is told; the slow waves that NIST's model adds to it are too small
# beside the noise of these fourteen years to pay for themselves. Months are few, so only a fifth of them is held out.

# %%
seasons = kn.discover(pressure, kn.Config(seconds=15.0, hold_out=0.2))
print(seasons.verdict, seasons.law)
frequency = max(c.value for c in constants(seasons.law.expressions[0]) if 0 < c.value < 1)
print(f"period {2 * np.pi / frequency:.2f} months")
assert abs(2 * np.pi / frequency - 12.0) < 0.1

# %%
figure = Figure(figsize=(9.0, 3.2), layout="constrained")
axes = figure.subplots(1, 2, width_ratios=(1, 1.6))
for axis, table, answer, label in zip(
    axes, (spectrum, pressure), (found, seasons), ("channel", "month"), strict=True
):
    dense = np.linspace(table.x.min(), table.x.max(), 800)[:, None]
    axis.plot(table.x[:, 0], table.y[:, 0], ".", color="0.65", ms=3)
    axis.plot(dense[:, 0], answer.law(dense), color="C3", lw=1.5)
    axis.set_xlabel(label)
axes[0].set_ylabel("counts")
axes[1].set_ylabel("pressure difference")
if len(sys.argv) > 1:  # python peaks_and_seasons.py figure.png
    figure.savefig(sys.argv[1], dpi=150)
