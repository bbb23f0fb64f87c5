"""A law with hidden nodes as a network [d, d + nodes, 1]: the first d hidden nodes copy the coordinates.

Splines do not mind an affine map of their knots, so that the network takes the coordinates in their own units.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from scikan.core.bspline import line_coefficients
from scikan.core.kan import KAN
from scikan.core.trees import updated
from scikan.physics.projected import DEGREE, Nodes


def network_of(
    nodes: Nodes,
    middle: Float[np.ndarray, " coordinates"],
    spread: Float[np.ndarray, " coordinates"],
    names: Sequence[str],
) -> KAN:
    """Return the network of a law over coordinates in units of their spread.

    Args:
        nodes: the law; its curves a and g have grids of one size.
        middle, spread: what takes the coordinates to these units.
        names: of the coordinates.
    """
    d, n_nodes = len(names), len(nodes.weights)
    inner_knots = np.stack(nodes.inner.knots)
    ends = inner_knots[:, [DEGREE, -DEGREE - 1]]
    grid, outer_grid = (t.shape[-1] - 2 * DEGREE - 1 for t in (inner_knots, nodes.knots[0]))
    # Below a copy's own mean the straight line from -1 to 1 is stretched to the coordinate in its units.
    lines = line_coefficients(inner_knots, DEGREE) * np.diff(ends, axis=1) / 2 + ends.mean(
        axis=1, keepdims=True
    )
    coef = np.zeros((d, grid + DEGREE, d + n_nodes))
    mask = np.zeros((d, d + n_nodes))
    curves = nodes.inner.split(nodes.weights.T)
    for i in range(d):
        coef[i, :, i], mask[i, i] = lines[i], 1.0
        coef[i, :, d:], mask[i, d:] = curves[i], 1.0
    a, g = nodes.parts()
    domain = ends * spread[:, None] + middle[:, None]
    empty = KAN([d, d + n_nodes, 1], grid, DEGREE, domain=domain, names=names, targets=("H",))
    first, last = empty.layers
    first = updated(
        lambda l: (l.splines.knots, l.splines.coef, l.splines.mask),
        first,
        (inner_knots * spread[:, None] + middle[:, None], coef, mask),
    )
    outer = np.stack([*nodes.outer.split(a), *g])[:, :, None]
    assert outer.shape[1] == outer_grid + DEGREE
    last = updated(
        lambda l: (l.splines.knots, l.splines.coef),
        last,
        (np.stack([*nodes.outer.knots, *nodes.knots]), outer),
    )
    return updated(lambda m: m.layers, empty, (first, last))
