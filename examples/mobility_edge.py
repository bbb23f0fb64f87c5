# ---
# jupyter:
#   jupytext:
#     text_representation:
#       format_name: percent
# ---
# %% [markdown]
# # Where waves stop: two mobility edges
# On a chain whose potential never quite repeats, states of one energy are spread out and those of another are
# localised. The energy of the border is measured in many chains, and its law is found. Two chains have a known one;
# the first is shown here, benchmarks/borders.py asks for both:
#
# * V_n = 2 l c_n / (1 - a c_n), hopping 1 to neighbours: a E = 2 (1 - l) (Ganeshan, Pixley and Das Sarma 2015)
# * V_n = l c_n, hopping exp(-p (d - 1)) over a distance d: l cosh p = E + exp p (Biddle and Das Sarma 2010)
#
# where c_n = cos(2 pi b n + phase), b the golden ratio. A ring of F(k) sites with b = F(k - 1) / F(k), Fibonacci's
# numbers, has no ends at which states could hide.

# %%
import sys

import numpy as np
from matplotlib.figure import Figure

import scikan as kn
from scikan.core.expr import symbols


RINGS = {89: 55, 144: 89, 377: 233, 987: 610}
SHAPES = {"short": ("a", (0.1, 0.8), (0.5, 1.5)), "long": ("p", (0.5, 2.5), (0.5, 3.0))}


def spectrum(chain, l, shape, phase, sites):
    """Return energies and inverse participation ratios."""
    n = np.arange(sites)
    apart = np.abs(n[:, None] - n)
    apart = np.minimum(apart, sites - apart)
    wave = np.cos(2 * np.pi * RINGS[sites] / sites * n + phase)
    if chain == "short":
        hopping, potential = 1.0 * (apart == 1), 2 * l * wave / (1 - shape * wave)
    else:
        hopping, potential = np.where(apart > 0, np.exp(-shape * (apart - 1.0)), 0.0), l * wave
    energies, states = np.linalg.eigh(hopping + np.diag(potential))
    return energies, np.sum(states**4, axis=0)


# %% [markdown]
# Of the state at one place of the spectrum in a small ring and in a large one, the inverse participation ratio shrinks
# as sites to the power -1 if it is spread out, and not at all if it is localised. This exponent jumps at the border.
# Localised states close to the border reach further than the small ring and look spread out, so that the border is read
# too far on their side, by less the larger both rings are.


# %%
def exponents(chain, settings, small, large):
    """Return (chains, large) energies and exponents of the large rings' states."""
    energies, levels = np.empty((2, len(settings), large))
    for row, setting in enumerate(settings):
        (_, few), (energies[row], many) = (spectrum(chain, *setting, sites) for sites in (small, large))
        place = (np.arange(large) + 0.5) / large
        few = np.interp(place, (np.arange(small) + 0.5) / small, np.log(few))
        levels[row] = (few - np.log(many)) / np.log(large / small)
    return energies, levels


def edges(energies, levels):
    chains = np.repeat(np.arange(len(levels)), levels.shape[1])
    return kn.borders(levels.ravel(), energies.ravel(), chains, least=0.5)


# %% [markdown]
# Most borders lie in a wide gap of the spectrum, where no state tells their place. Small rings tell which, so that
# large ones are computed for the others only.


# %%
def measured(chain, seed, chains=2000):
    """Return the table of borders, and what the figure shows."""
    name, shapes, strengths = SHAPES[chain]
    rng = np.random.default_rng(seed)
    ranges = np.array([strengths, shapes, (0, 2 * np.pi)])
    settings = rng.uniform(*ranges.T, (chains, 3))
    settings = settings[edges(*exponents(chain, settings, 89, 144)).within(0.2).group]
    energies, levels = exponents(chain, settings, 377, 987)
    found = edges(energies, levels).within(0.1)
    inputs = settings[found.group]
    data = kn.Dataset.from_arrays(
        inputs, found.place, sigma=found.sigma, names=["l", name, "phase"], targets=["E"]
    )
    return data, (settings, energies, levels)


# %%
def draw(axes, chain, data, found, states):
    """Draw all states in units in which the law is a diagonal, and the borders that it was read from."""
    settings, energies, levels = states
    told = np.repeat(found.law(settings), energies.shape[1])
    dots = axes.scatter(
        told, energies.ravel(), c=levels.ravel(), s=1, cmap="coolwarm", vmin=0, vmax=1, rasterized=True
    )
    axes.errorbar(
        found.law(data.x), data.y[:, 0], data.sigma, fmt="o", ms=3, lw=1, c="k", label="borders read"
    )
    span = np.array([-2.5, 2.5])
    axes.plot(span, span, "k--", lw=1)
    axes.set(
        xlabel=f"{found.law}",
        ylabel="energy of the state",
        xlim=span,
        ylim=span,
        title=f"{chain}-range hopping",
    )
    axes.legend(loc="upper left", fontsize=8)
    return dots


if __name__ == "__main__":
    figure = Figure(figsize=(6, 4.5), layout="constrained")
    axes = figure.subplots()
    data, states = measured("short", seed=0)
    found = kn.discover(data)
    print(f"{len(data.x)} borders: {found.verdict}, {found.law}")
    l, a, _ = data.x.T
    assert found.verdict == "law" and set(symbols(found.law.expressions[0])) == {"l", "a"}
    assert np.abs(found.law(data.x) - 2 * (1 - l) / a).max() < 0.02
    dots = draw(axes, "short", data, found, states)
    figure.colorbar(dots, label="exponent: 1 spread out, 0 localised")
    if len(sys.argv) > 1:  # python mobility_edge.py figure.png
        figure.savefig(sys.argv[1], dpi=150)
