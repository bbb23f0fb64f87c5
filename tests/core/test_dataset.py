import copy
import pickle

import numpy as np
import pandas as pd
import pytest

from scikan.core.dataset import Dataset
from scikan.core.errors import ColumnError, KanError, SettingError, ShapeError, TableError
from scikan.core.names import Units


X = np.arange(20.0).reshape(10, 2)
Y = X[:, 0] * 3


def made(**more):
    return Dataset.from_arrays(X, Y, **{"names": ("mass", "speed"), "targets": ("energy",), **more})


@pytest.mark.parametrize("y", [Y, Y[:, None], list(Y), pd.Series(Y)])
def test_a_flat_target_and_a_column_are_the_same(y):
    data = Dataset.from_arrays(X, y)
    assert data.y.shape == (10, 1)
    assert data.targets == ("y",) and data.names == ("x1", "x2")


def test_names_come_from_a_data_frame():
    data = Dataset.from_arrays(pd.DataFrame({"a": X[:, 0], "b": X[:, 1]}), pd.Series(Y, name="force"))
    assert data.names == ("a", "b") and data.targets == ("force",)


def test_numbers_and_nothing_in_an_object_array_are_read():
    assert Dataset.from_arrays(X.astype(object), Y) == Dataset.from_arrays(X, Y)


def with_cell(value, dtype=float):
    x = X.astype(dtype)
    x[3, 1] = value
    return x


BAD = {
    "nan": (lambda: (with_cell(np.nan), Y), TableError, ['"speed"', "row 3", "missing"]),
    "none": (lambda: (with_cell(None, object), Y), TableError, ['"speed"', "row 3"]),
    "masked": (lambda: (np.ma.masked_equal(X, 7.0), Y), TableError, ['"speed"', "row 3"]),
    "infinite": (lambda: (with_cell(np.inf), Y), TableError, ['"speed"', "row 3", "inf"]),
    "infinite target": (lambda: (X, np.where(Y > 50, -np.inf, Y)), TableError, ['"energy"', "row 9"]),
    "complex": (lambda: (X + 0j, Y), ColumnError, ["complex"]),
    "text": (lambda: (X.astype(str), Y), ColumnError, ['"mass"', "row 0", "'0.0'"]),
    "text among objects": (lambda: (with_cell("fast", object), Y), ColumnError, ['"speed"', "row 3", "fast"]),
    "text target": (lambda: (X, Y.astype(str)), ColumnError, ['"energy"', "row 0"]),
    "one row": (lambda: (X[:1], Y[:1]), TableError, ["1 rows"]),
    "no row": (lambda: (X[:0], Y[:0]), TableError, ["0 rows"]),
    "flat inputs": (lambda: (X[:, 0], Y), ShapeError, ["(10,)", "two dimensions"]),
    "three dimensions": (lambda: (X, Y.reshape(10, 1, 1)), ShapeError, ["(10, 1, 1)"]),
    "unequal rows": (lambda: (X, Y[:8]), ShapeError, ["10 rows", "8"]),
    "unequal columns": (lambda: (np.hstack([X, X]), Y), ShapeError, ["4 columns", "2 names"]),
    "no columns": (lambda: (X[:, :0], Y), ShapeError, ["no columns"]),
    "ragged": (lambda: ([[1, 2], [3]], [1, 2]), ShapeError, ["different lengths"]),
}


@pytest.mark.parametrize("case", BAD)
def test_arrays_that_are_no_data_are_refused_by_name_and_row(case):
    make, kind, words = BAD[case]
    x, y = make()
    with pytest.raises(kind) as caught:
        Dataset.from_arrays(x, y, names=("mass", "speed"), targets=("energy",))
    assert caught.value.fix
    assert all(word in caught.value.what for word in words), caught.value.what


@pytest.mark.parametrize(
    "more",
    [
        {"sigma": np.zeros(10)},
        {"sigma": np.full(10, np.nan)},
        {"sigma": np.ones(9)},
        {"input_sigma": np.ones(3)},
        {"input_sigma": [0.1, -0.1]},
        {"input_sigma": np.full((10, 2), np.nan)},
        {"weight": -np.ones(10)},
        {"weight": np.zeros(10)},
        {"weight": np.ones((10, 2))},
        {"groups": np.ones(3, dtype=int)},
        {"groups": np.ones(10, dtype=int)},
        {"names": ("mass", "mass")},
        {"names": ("mass", "energy")},
        {"names": ("mass", " ")},
        {"test": 1.0},
        {"test": -0.1},
        {"key": -1},
    ],
)
def test_unusable_options_are_refused_with_a_remedy(more):
    with pytest.raises(KanError) as caught:
        made(**more)
    assert caught.value.fix


def test_a_split_is_disjoint_complete_and_repeatable():
    data = made(test=0.3, key=4)
    assert len(data.test) == 3
    assert sorted([*data.train, *data.test]) == list(range(10))
    assert data == made(test=0.3, key=4)
    assert data != made(test=0.3, key=5)
    np.testing.assert_array_equal(data.test_y, Y[data.test][:, None])
    assert made(test=0).test.size == 0


def test_groups_stay_on_one_side_of_a_split():
    groups = np.repeat(["a", "b", "c", "d", "e"], 2)
    for key in range(10):
        data = made(groups=groups, test=0.4, key=key)
        assert len(data.test) == 4
        assert not set(data.groups[data.train]) & set(data.groups[data.test])


def test_indices_of_a_split_are_checked():
    parts = {"x": X, "y": Y[:, None], "weight": np.ones(10), "sigma": None}
    parts |= {"names": ("a", "b"), "targets": ("y",)}
    for train, test in [([0, 1], [1, 2]), ([0, 10], []), ([-1], []), ([], [0, 1])]:
        with pytest.raises(ShapeError) as caught:
            Dataset(train=np.array(train, int), test=np.array(test, int), **parts)
        assert caught.value.fix


def test_arrays_are_read_only_and_apart_from_the_callers():
    x = X.copy()
    data = Dataset.from_arrays(x, Y)
    x[0, 0] = 99
    assert data.x[0, 0] == 0
    with pytest.raises(ValueError):
        data.x[0, 0] = 1


def test_a_copy_and_a_pickle_are_equal_and_read_only():
    data = made(units={"mass": "kg"}, groups=np.arange(10), sigma=np.ones(10), input_sigma=[0.1, 0])
    for twin in (copy.deepcopy(data), pickle.loads(pickle.dumps(data))):  # noqa: S301
        assert twin == data
        assert not twin.x.flags.writeable
    assert data != made()


def test_rows_keep_everything_that_belongs_to_them():
    data = made(sigma=np.arange(1.0, 11), groups=np.arange(10))
    part = data.rows(data.train)
    np.testing.assert_array_equal(part.sigma, data.sigma[data.train])
    assert part.test.size == 0 and len(part.train) == part.n_rows == 8
    assert data.rows(np.arange(10) > 3).n_rows == 6
    assert part.split(0.25).test.size == 2
    for wrong in ([10, 0], [0.5, 1.0], [True, False]):
        with pytest.raises(ShapeError):
            data.rows(wrong)


def test_errors_of_columns_follow_them():
    data = made(input_sigma=[0.1, 0.0])
    np.testing.assert_array_equal(data.input_sigma, np.tile([0.1, 0.0], (10, 1)))
    assert not data.input_sigma.flags.writeable
    cells = made(input_sigma=np.arange(20.0).reshape(10, 2))
    np.testing.assert_array_equal(cells.rows([3, 1]).input_sigma, [[6, 7], [2, 3]])
    np.testing.assert_array_equal(cells.select(["speed"]).input_sigma, cells.input_sigma[:, 1:])
    more = cells.with_columns({"mass": np.ones(10), "half": np.ones(10)})
    assert more.names == ("speed", "mass", "half")
    np.testing.assert_array_equal(more.input_sigma[2], [5, 0, 0])


def test_select_keeps_order_and_units_and_names_the_nearest():
    data = made(units={"mass": "kg", "speed": "m/s", "energy": "J"}).select(["speed"])
    assert data.names == ("speed",) and dict(data.units) == {"speed": "m/s", "energy": "J"}
    with pytest.raises(ColumnError) as caught:
        made().select(["sped"])
    assert '"speed"' in caught.value.fix


def test_new_columns_join_the_inputs():
    data = made().with_columns({"square": X[:, 0] ** 2, "mass": X[:, 1]}, units={"square": "kg^2"})
    assert data.names == ("speed", "square", "mass") and data.units["square"] == "kg^2"
    np.testing.assert_array_equal(data.x[:, 1], X[:, 0] ** 2)
    with pytest.raises(ShapeError):
        made().with_columns({"short": X[:3, 0]})
    with pytest.raises(ColumnError):
        made().with_columns({"energy": X[:, 0]})


def test_only_positive_columns_over_two_decades_are_logarithmic():
    x = np.stack([np.geomspace(1, 1e3, 10), np.geomspace(1, 100, 10), np.geomspace(1, 1e3, 10) - 1], axis=1)
    data = Dataset.from_arrays(x, x[:, 0], test=0)
    assert data.input_scales == ("log", "linear", "linear")
    assert data.target_scales == ("log",)


def test_a_function_is_sampled_in_its_box():
    data = Dataset.from_function(
        lambda x: x[:, [0]] + x[:, [1]], ranges=[(0, 1), (5, 6)], rows=30, test=7, key=1
    )
    assert (data.train_x.shape, data.test_x.shape) == ((30, 2), (7, 2))
    assert data.x[:, 1].min() >= 5 and data.x.min() >= 0 and data.x.max() <= 6
    np.testing.assert_array_equal(data.y[:, 0], data.x.sum(axis=1))
    assert Dataset.from_function(lambda x: x[:, 0], n_inputs=1, rows=5, test=0).test.size == 0


def test_functions_and_boxes_that_do_not_fit_are_refused():
    for bad in ({"ranges": (1, -1)}, {"ranges": [(0, 1)] * 3}, {"rows": 0}, {"ranges": (0, np.inf)}):
        with pytest.raises(SettingError) as caught:
            Dataset.from_function(lambda x: x[:, 0], **bad)
        assert caught.value.fix
    with pytest.raises(ShapeError):
        Dataset.from_function(lambda x: x[0])
    with pytest.raises(TableError, match='"y"'):
        Dataset.from_function(lambda x: np.where(x[:, 0] > 0, np.nan, 1.0))


def test_the_frame_holds_the_columns_by_name():
    frame = made().frame()
    assert list(frame.columns) == ["mass", "speed", "energy"] and len(frame) == 10


def test_the_text_form_is_one_short_line():
    assert repr(made()) == "Dataset(energy ~ mass, speed; 10 rows: 8 train + 2 test)"


def test_units_are_a_mapping_that_can_be_hashed():
    units = Units({"mass": "kg"})
    assert units == {"mass": "kg"} and units.get("speed", "") == "" and len(units) == 1
    assert hash(units) == hash(Units([("mass", "kg")])) and "kg" in repr(units)
