"""How many laws are independent: the rank of their gradients at almost every state.

Powers and products of a law are laws too, so the dimension of a null space counts too many. Laws are independent
where their gradients are; the median over states decides, since gradients may vanish on thin sets.
"""

import numpy as np
from jaxtyping import Float

from scikan.train.linear import null_vectors


INDEPENDENT = 1e-5
"""Smallest part of a unit gradient that sticks out of the span of the others, for exact laws."""


def outside(
    known: Float[np.ndarray, "rows laws coordinates"], new: Float[np.ndarray, "rows coordinates"]
) -> float:
    """Return the median length of what the unit gradient `new` has outside the span of the known gradients."""
    size = np.linalg.norm(new, axis=1)
    usable = (size > 0) & np.isfinite(size) & np.all(np.isfinite(known), axis=(1, 2))
    if not usable.any():
        return 0.0
    unit = new[usable] / size[usable, None]
    if known.shape[1] == 0:
        return 1.0
    rest = _rest(known[usable], unit[:, None])[:, 0]
    return float(np.median(np.linalg.norm(rest, axis=1)))


def most_outside(
    known: Float[np.ndarray, "rows laws coordinates"], new: Float[np.ndarray, "rows functions coordinates"]
) -> float:
    """Return the largest part of a gradient, root mean squares, that lies outside the span of the known gradients, over
    all combinations of functions.
    """
    usable = np.all(np.isfinite(known), axis=(1, 2)) & np.all(np.isfinite(new), axis=(1, 2))
    if known.shape[1] == 0 or not usable.any():
        return 1.0
    rest = _rest(known[usable], new[usable])
    rest, whole = (np.swapaxes(g, 1, 2).reshape(-1, new.shape[1]) for g in (rest, new[usable]))
    return float(null_vectors(rest, whole, centred=False).values[-1])


def _rest(
    known: Float[np.ndarray, "rows laws coordinates"], new: Float[np.ndarray, "rows functions coordinates"]
) -> Float[np.ndarray, "rows functions coordinates"]:
    """Return what gradients have outside the span of the known ones."""
    spans = known / np.maximum(np.linalg.norm(known, axis=2, keepdims=True), 1e-300)
    # A basis by SVD: known laws are independent almost everywhere, not everywhere.
    _, s, vt = np.linalg.svd(spans, full_matrices=False)
    basis = vt * (s > 1e-9 * s[:, :1])[:, :, None]
    return np.asarray(new - (new @ np.swapaxes(basis, 1, 2)) @ basis)


def independent_ones(
    known: Float[np.ndarray, "rows laws coordinates"],
    candidates: Float[np.ndarray, "rows candidates coordinates"],
    threshold: float = INDEPENDENT,
    most: int | None = None,
) -> list[int]:
    """Return which candidates, taken in their order, raise the rank beyond the known laws and those before them."""
    chosen: list[int] = []
    most = candidates.shape[2] if most is None else most
    for n in range(candidates.shape[1]):
        if len(chosen) == most:
            break
        if outside(known, candidates[:, n]) > threshold:
            chosen.append(n)
            known = np.concatenate([known, candidates[:, n : n + 1]], axis=1)
    return chosen
