"""When and how grids follow the values they see while a network is trained."""

from typing import Any

import equinox as eqx
import numpy as np

from scikan.core.errors import SettingError
from scikan.core.kan import KAN
from scikan.core.trees import updated
from scikan.edit.grid import update_grid
from scikan.train.layered import Workspace
from scikan.train.parameters import held_grids
from scikan.train.penalty import Setting, setting
from scikan.train.small import move_grid


class GridUpdates(eqx.Module):
    """Lay grids anew every few steps, while the network is young.

    Args:
        every: steps between two looks at the grids.
        until: no look at or after this step.
        adaptive: 0 moves only the ends of uniform grids that their values have left or fill badly; above 0 all
            knots are laid over the values at every look, at 1 as quantiles.
    """

    every: int = eqx.field(static=True, default=5)
    until: int = eqx.field(static=True, default=50)
    adaptive: Setting = setting(0.0)

    def __check_init__(self) -> None:
        if self.every < 1 or self.until < 0 or not 0.0 <= float(self.adaptive) <= 1.0:
            raise SettingError(
                f"GridUpdates(every={self.every}, until={self.until}, adaptive={float(self.adaptive):g}).",
                fix="use every >= 1, until >= 0 and adaptive from 0 to 1",
            )

    def due(self, step: int) -> bool:
        """Return whether a look is due before this step."""
        return step < self.until and step % self.every == 0

    def next(self, step: int) -> int | None:
        """Return the first step after this one at which a look is due."""
        after = (step // self.every + 1) * self.every
        return after if after < self.until else None

    def follow(self, model: KAN, x: Any, inputs: Any) -> KAN | None:
        """Return the model with moved grids, None if all stay; x are raw rows, `inputs` network-side ones."""
        if float(self.adaptive) > 0.0:
            return _holding(model, update_grid(model, x, adaptive=float(self.adaptive)))
        space = Workspace(model, inputs)
        values, moved = space.inputs, False
        for layer in space.layers:
            if move_grid(layer, values):
                moved = True
                layer.fixed_features = None
            with np.errstate(all="ignore"):
                values = layer.forward(values)
        return space.pack() if moved else None


def _holding(before: KAN, after: KAN) -> KAN:
    """Return the model with moved grids, those of locked splines as they were."""
    layers = []
    for old, new in zip(before.layers, after.layers, strict=True):
        held = held_grids(old)
        knots = np.where(held[:, None], old.splines.knots, new.splines.knots)
        coef = np.where(held[:, None, None], old.splines.coef, new.splines.coef)
        layers.append(updated(lambda l: (l.splines.knots, l.splines.coef), new, (knots, coef)))
    return updated(lambda m: m.layers, after, tuple(layers))
