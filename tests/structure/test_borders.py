"""Borders: where they are, how well they are known, and where there is none."""

import numpy as np
import pytest

import scikan as kn


def phases(rng, places, rows=120, noise=0.1, high=1.0):
    """Return (level, along, groups) of a level that falls from `high` to 0 at the place of each group."""
    along = rng.uniform(0, 10, (len(places), rows))
    level = high * (along < np.array(places)[:, None]) + noise * rng.normal(size=along.shape)
    return level.ravel(), along.ravel(), np.repeat(np.arange(len(places)), rows)


def test_borders_are_found_within_their_errors():
    rng = np.random.default_rng(0)
    places = rng.uniform(2, 8, 100)
    found = kn.borders(*phases(rng, places))
    assert list(found.group) == list(range(100))
    z = (found.place - places) / found.sigma
    # A place between two rows is uniform there: at most sqrt(3) standard deviations off.
    assert 0.7 < np.sqrt(np.mean(z**2)) < 1.3
    assert np.abs(z).max() < 4
    assert np.all(found.sigma < 0.3)
    np.testing.assert_allclose(found.jump, -1, atol=0.2)


def test_a_gap_of_the_axis_is_the_error():
    along = np.concatenate([np.linspace(0, 4, 40), np.linspace(6, 9, 40)])
    found = kn.borders(along > 5, along, np.zeros(80))
    assert len(found) == 1
    assert found.place == pytest.approx(5)
    assert found.sigma == pytest.approx(2 / np.sqrt(12), rel=1e-3)
    assert len(found.within(0.5)) == 0
    assert len(found.within(0.6)) == 1


def test_a_ramp_widens_the_error():
    along = np.arange(200.0)
    noise = 0.02 * np.random.default_rng(0).normal(size=200)
    sharp = kn.borders((along > 99.5) + noise, along, np.zeros(200))
    slow = kn.borders(np.clip((along - 79.5) / 40, 0, 1) + noise, along, np.zeros(200))
    assert sharp.sigma[0] < 0.5
    assert slow.sigma[0] > 5
    assert abs(slow.place[0] - 99.5) < slow.sigma[0]


def test_shifts_scales_and_order_do_not_matter():
    rng = np.random.default_rng(1)
    level, along, groups = phases(rng, rng.uniform(2, 8, 10))
    plain = kn.borders(level, along, groups)
    order = rng.permutation(len(level))
    moved = kn.borders(5 - 3 * level[order], 1e6 - 2 * along[order], np.char.mod("g%02d", groups)[order])
    assert len(moved) == len(plain) == 10
    np.testing.assert_allclose(moved.place, 1e6 - 2 * plain.place, rtol=1e-10)
    np.testing.assert_allclose(moved.sigma, 2 * plain.sigma, rtol=1e-5)
    np.testing.assert_allclose(moved.jump, 3 * plain.jump, rtol=1e-5)


@pytest.mark.parametrize(
    "level_of",
    [
        lambda rng, x: rng.normal(size=x.shape),
        lambda rng, x: x + 0.1 * rng.normal(size=x.shape),
        lambda rng, x: np.sin(x / 3) + 0.1 * rng.normal(size=x.shape),
        lambda rng, x: np.ones_like(x),
        lambda rng, x: rng.integers(0, 2, x.shape),
    ],
    ids=["noise", "line", "wave", "constant", "labels of chance"],
)
def test_a_level_without_a_jump_has_no_border(level_of):
    rng = np.random.default_rng(2)
    along = np.sort(rng.uniform(0, 10, (200, 60)), axis=1)
    found = kn.borders(level_of(rng, along).ravel(), along.ravel(), np.repeat(np.arange(200), 60))
    assert len(found) <= 1


def test_walks_have_few_borders():
    walks = np.cumsum(np.random.default_rng(3).normal(size=(200, 100)), axis=1)
    found = kn.borders(walks.ravel(), np.tile(np.arange(100), 200), np.repeat(np.arange(200), 100))
    assert len(found) <= 10


def test_two_borders_of_one_group():
    rng = np.random.default_rng(4)
    along = np.tile(np.linspace(0, 10, 200), 3)
    groups = np.repeat(["both", "first", "none"], 200)
    level = np.where(groups == "both", (along > 3) & (along < 7), np.where(groups == "first", along > 4, 0))
    found = kn.borders(level + 0.1 * rng.normal(size=600), along, groups, most=2)
    assert list(found.group) == ["both", "both", "first"]
    np.testing.assert_allclose(found.place, [3, 7, 4], atol=0.1)
    np.testing.assert_allclose(found.jump, [1, -1, 1], atol=0.1)


def test_small_jumps_and_small_groups_do_not_count():
    rng = np.random.default_rng(5)
    table = phases(rng, [3, 5, 7], high=0.6, noise=0.05)
    assert len(kn.borders(*table, least=0.5)) == 3
    assert len(kn.borders(*table, least=0.7)) == 0
    assert len(kn.borders([0, 0, 1, 1], [1, 2, 3, 4], [0, 0, 0, 0])) == 0


def test_borders_become_a_table_that_a_law_fits_within_errors():
    rng = np.random.default_rng(6)
    a, b = rng.uniform(1, 2, (2, 60))
    found = kn.borders(*phases(rng, 2 * a + a * b, rows=300))
    settings = np.stack([a, b], axis=1)[found.group]
    data = kn.Dataset.from_arrays(settings, found.place, sigma=found.sigma, names=["a", "b"])
    terms = np.stack([a, a * b], axis=1)[found.group] / data.sigma[:, None]
    weights = np.linalg.lstsq(terms, data.y[:, 0] / data.sigma, rcond=None)[0]
    errors = np.sqrt(np.diag(np.linalg.inv(terms.T @ terms)))
    assert np.all(np.abs(weights - [2, 1]) < 4 * errors)
    assert errors.max() < 0.02


@pytest.mark.parametrize(
    ("arguments", "options", "error"),
    [
        (([1, 2], [1, 2, 3], [0, 0, 0]), {}, kn.ShapeError),
        (([1, 2, np.nan], [1, 2, 3], [0, 0, 0]), {}, kn.TableError),
        (([[1, 2, 3]], [1, 2, 3], [0, 0, 0]), {}, kn.ShapeError),
        (([1, 2, 3], [1, 2, 3], [0, 0, 0]), {"least": -1.0}, kn.SettingError),
        (([1, 2, 3], [1, 2, 3], [0, 0, 0]), {"most": 0}, kn.SettingError),
    ],
)
def test_wrong_input_is_told(arguments, options, error):
    with pytest.raises(error):
        kn.borders(*arguments, **options)
