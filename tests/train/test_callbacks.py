import io

import numpy as np
import pytest
from networks import same, small, table

from scikan.core.errors import SettingError
from scikan.train.callbacks import Checkpoint, EarlyStopping, Progress, Record, Tracker
from scikan.train.fit import fit


ROWS = table(200)


def test_a_callback_that_returns_true_ends_the_fit_and_all_still_see_the_snapshot():
    seen = []
    _, log = fit(
        small(), ROWS, steps=50, grid=None, callbacks=[lambda s: s.step >= 20, lambda s: seen.append(s.step)]
    )
    assert log.steps == 20 and log.status == "stopped" and seen == [10, 20]


def test_ctrl_c_returns_the_best_so_far():
    def impatient(snapshot):
        if snapshot.step == 20:
            raise KeyboardInterrupt

    model, log = fit(small(), ROWS, steps=50, grid=None, callbacks=[impatient])
    assert log.stop_reason == "interrupted" and log.steps == 20
    assert np.isclose(np.mean((model(ROWS[0]) - ROWS[1]) ** 2), log.best_value, rtol=1e-3, atol=1e-5)
    rest, second = fit(small(), ROWS, steps=30, grid=None, resume=log.state)
    whole, _ = fit(small(), ROWS, steps=50, grid=None)
    assert same(rest, whole)


def test_the_tracker_keeps_metrics_and_measures():
    tracker = Tracker(size=lambda model: float(np.abs(model.layers[0].splines.coef).max()))
    _, log = fit(small(), ROWS, steps=20, grid=None, callbacks=[tracker])
    assert [entry["step"] for entry in tracker.history] == [10, 20]
    assert tracker.history[-1]["train"] == log.train[-1] and tracker.history[-1]["size"] > 0


def test_a_film_is_a_list_of_models():
    film = Record(every=10)
    _, log = fit(small(), ROWS, steps=30, grid=None, callbacks=[film])
    assert [step for step, _ in film.frames] == [10, 20, 30]
    assert same(film.frames[-1][1], log.state.model)


def test_checkpoints_go_through_the_given_saver(tmp_path):
    saved = []
    keep = Checkpoint(tmp_path / "m.kan", every=20, save=lambda path, model: saved.append((path.name, model)))
    fit(small(), ROWS, steps=40, grid=None, callbacks=[keep])
    assert [name for name, _ in saved] == ["m.kan", "m.kan"]


def test_early_stopping_counts_relative_gains():
    _, log = fit(small(), ROWS, steps=80, grid=None, callbacks=[EarlyStopping(10, relative=0.5)])
    assert log.status == "stopped" and log.steps < 80


def test_progress_draws_where_it_is_told_and_closes():
    from rich.console import Console

    page = io.StringIO()
    bar = Progress(Console(file=page, force_terminal=True, width=100))
    fit(small(), ROWS, steps=20, grid=None, callbacks=[bar])
    assert "20/20" in page.getvalue() and bar._bar is None


@pytest.mark.parametrize("make", [lambda: EarlyStopping(0), lambda: Record(0)])
def test_counts_below_one_are_refused(make):
    with pytest.raises(SettingError):
        make()
