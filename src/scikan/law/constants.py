"""The constants of laws: their derivatives, their fit to data, and simple numbers in their place."""

from scikan.law.refitting import Readout, Refit, refit
from scikan.law.snapping import Snap, Snapped, simplest_number, snap
from scikan.law.tape import Tape, tape, value_and_jacobian


__all__ = [
    "Readout",
    "Refit",
    "Snap",
    "Snapped",
    "Tape",
    "refit",
    "simplest_number",
    "snap",
    "tape",
    "value_and_jacobian",
]
