"""The record of a fit."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from scikan.train.state import TrainState


@dataclass(frozen=True, repr=False)
class FitLog:
    """What happened in a fit, step by step; for an ensemble every array has the members as its last axis.

    `train` is the loss without penalty after each step, `penalty` what was added to it, `validation` the loss on
    the rows set apart for choosing (NaN without them). `test` is measured between chunks only (NaN elsewhere)
    and chooses nothing. `state` resumes the run: `fit(..., resume=log.state)`.
    """

    train: Float[np.ndarray, "steps *members"]
    test: Float[np.ndarray, "steps *members"]
    penalty: Float[np.ndarray, "steps *members"]
    validation: Float[np.ndarray, "steps *members"]
    stop_reason: str | tuple[str, ...]
    seconds: float
    steps: int
    state: TrainState

    @property
    def status(self) -> str:
        """One word: "done", "converged", "patience", "not finite", "stopped" or "interrupted" (worst member's)."""
        reasons = (self.stop_reason,) if isinstance(self.stop_reason, str) else self.stop_reason
        order = ("interrupted", "stopped", "not finite", "steps", "patience", "converged")
        found = next((word for word in order if any(reason.startswith(word) for reason in reasons)), "steps")
        return "done" if found == "steps" else found

    @property
    def best(self) -> int:
        """Index of the member with the lowest judged value (0 for a single network)."""
        return int(np.argmin(np.where(np.isnan(self.state.best_value), np.inf, self.state.best_value)))

    @property
    def best_value(self) -> Any:
        """Validation loss (else loss plus penalty) of the returned model, or of each member."""
        return self.state.best_value if np.ndim(self.state.best_value) else float(self.state.best_value)

    def __repr__(self) -> str:
        reason = self.stop_reason if isinstance(self.stop_reason, str) else self.stop_reason[self.best]
        value = float(np.min(self.state.best_value))
        return f"FitLog({self.steps} steps in {self.seconds:.2f} s, best {value:.4g}; {reason})"
