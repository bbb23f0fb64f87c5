"""Points of a box, for those who ask about a network or a formula without a table."""

from typing import Any

import numpy as np
from jaxtyping import Float


def box_samples(domain: Any, count: int) -> Float[np.ndarray, "count columns"]:
    """Return points drawn evenly from a box, always the same; `domain` is (columns, 2): lowest and highest."""
    ends = np.asarray(domain, float)
    return np.asarray(
        ends[:, 0] + (ends[:, 1] - ends[:, 0]) * np.random.default_rng(0).uniform(size=(count, len(ends)))
    )
