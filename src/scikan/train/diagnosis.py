"""Where a network first becomes undefined, said in words."""

from typing import Any

import numpy as np

from scikan.core.kan import KAN


def locate_not_finite(model: KAN, inputs: Any) -> str:
    """Return which layer and edge first give something not finite on network-side inputs (batch, inputs)."""
    values = np.asarray(inputs, float)
    with np.errstate(all="ignore"):
        for l, layer in enumerate(model.layers):
            edges = np.asarray(layer.edges(values))
            bad = ~np.isfinite(edges)
            if bad.any():
                row, i, j = (int(n) for n in np.argwhere(bad)[0])
                return f"layer {l}, edge {(l, i, j)}{_named(model, l, i, j)}, at input {values[row, i]:.6g} (row {row})"
            values = np.asarray(layer(values))
            bad = ~np.isfinite(values)
            if bad.any():
                row, node = (int(n) for n in np.argwhere(bad)[0])
                return f"layer {l}, node {node} (row {row})"
    return "a loss or derivative; the network itself is finite"


def _named(model: KAN, l: int, i: int, j: int) -> str:
    edge = model[l, i, j]
    return f" ({edge.name})" if edge.name else ""
