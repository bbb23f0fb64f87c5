"""What happens between chunks of steps: plain Python on the host, called with a snapshot.

A callback is any `f(snapshot)`; returning True ends the fit. Nothing here enters a compiled program, so
callbacks may do anything, and work for ensembles too.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scikan.core.errors import SettingError


@dataclass(frozen=True)
class Snapshot:
    """A fit in the middle of its work.

    `step` of `total` steps are done; `metrics` holds "train", "penalty", "validation", "test" and "best" (numbers,
    or one per member); `get_model()` returns the present model, which is not the best one necessarily.
    """

    step: int
    total: int
    metrics: Mapping[str, Any]
    get_model: Callable[[], Any]


class AbstractCallback(ABC):
    """Something to do between chunks."""

    @abstractmethod
    def __call__(self, snapshot: Snapshot) -> bool | None:
        """Act on a snapshot; True ends the fit."""

    def close(self) -> None:
        """Tidy up at the end of the fit, whatever ended it; by default nothing."""


class Progress(AbstractCallback):
    """A progress bar with the time that is left, drawn by rich.

    Args:
        console: a `rich.console.Console`; default the terminal.
    """

    def __init__(self, console: Any = None) -> None:
        self._console = console
        self._bar: Any = None
        self._task: Any = None

    def __call__(self, snapshot: Snapshot) -> None:
        if self._bar is None:
            self._open(snapshot)
        loss = float(np.min(snapshot.metrics["best"]))
        self._bar.update(self._task, completed=snapshot.step, total=snapshot.total, loss=f"{loss:.3e}")

    def _open(self, snapshot: Snapshot) -> None:
        from rich import progress

        self._bar = progress.Progress(
            progress.TextColumn("fit"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TextColumn("best {task.fields[loss]}"),
            progress.TimeRemainingColumn(),
            console=self._console,
        )
        self._task = self._bar.add_task("fit", total=snapshot.total, loss="")
        self._bar.start()

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
        self._bar = None


class EarlyStopping(AbstractCallback):
    """Stop when the best value has not fallen during `patience` steps.

    The judge is the validation loss if there are validation rows. `fit(..., patience=n)` does the same inside the
    compiled loop and wastes no step; this one can be combined with other callbacks, and knows `relative` gains.

    Args:
        patience: steps without a gain.
        relative: gains below this share of the best value do not count.
    """

    def __init__(self, patience: int, relative: float = 0.0) -> None:
        if patience < 1:
            raise SettingError(
                f"EarlyStopping(patience={patience}) would stop at once.", fix="use patience >= 1"
            )
        self._patience, self._relative = patience, relative
        self._best, self._since = np.inf, 0

    def __call__(self, snapshot: Snapshot) -> bool:
        best = float(np.min(snapshot.metrics["best"]))
        if best < self._best * (1.0 - self._relative) or not np.isfinite(self._best):
            self._best, self._since = best, snapshot.step
        return snapshot.step - self._since >= self._patience


class Checkpoint(AbstractCallback):
    """Save the present model every so many steps.

    Args:
        path: where to save; each save replaces the last one.
        every: steps between two saves.
        save: `save(path, model)`, e.g. `scikan.save`.
    """

    def __init__(self, path: str | Path, every: int, save: Callable[[Any, Any], Any]) -> None:
        self._path, self._every, self._save = path, _positive("Checkpoint", every), save
        self._next = every

    def __call__(self, snapshot: Snapshot) -> None:
        if snapshot.step >= self._next:
            self._save(self._path, snapshot.get_model())
            self._next = snapshot.step + self._every


class Tracker(AbstractCallback):
    """Keep values over time.

    Args:
        measures: functions of the model by name, measured beside the metrics of the fit.

    `history` is a list of dictionaries, one a chunk, each with "step".
    """

    def __init__(self, **measures: Callable[[Any], Any]) -> None:
        self._measures = measures
        self.history: list[dict[str, Any]] = []

    def __call__(self, snapshot: Snapshot) -> None:
        model = snapshot.get_model() if self._measures else None
        measured = {name: measure(model) for name, measure in self._measures.items()}
        self.history.append({"step": snapshot.step, **snapshot.metrics, **measured})


class Record(AbstractCallback):
    """Keep the model every so many steps: the frames of a film.

    Args:
        every: steps between two frames.

    `frames` is a list of (step, model).
    """

    def __init__(self, every: int = 10) -> None:
        self._every = _positive("Record", every)
        self._next = 0
        self.frames: list[tuple[int, Any]] = []

    def __call__(self, snapshot: Snapshot) -> None:
        if snapshot.step >= self._next:
            self.frames.append((snapshot.step, snapshot.get_model()))
            self._next = snapshot.step + self._every


def _positive(name: str, every: int) -> int:
    if every < 1:
        raise SettingError(f"{name}(every={every}).", fix="use every >= 1")
    return every
