"""What a good table turns into. Bad ones: test_bad_tables.py."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scikan.core.errors import ColumnError
from scikan.files.table import read_rows, read_table


EXAMPLES = Path(__file__).parents[2] / "examples" / "data"
X = np.array([1.5, 2.5, -3.25, 4e-7, 12.0])
Y = np.array([0.1, 0.2, 0.30000000000000004, 4.0, 5.0])


def write(folder, text, name="points.csv", encoding="utf-8"):
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def text_of(header, columns, sign, decimal="."):
    cells = [[repr(float(value)).replace(".", decimal) for value in column] for column in columns]
    rows = [sign.join(row) for row in zip(*cells, strict=True)]
    return "\n".join([sign.join(header), *rows]) + "\n"


numbers = st.floats(allow_nan=False, allow_infinity=False, width=64)
tables = st.integers(3, 8).flatmap(
    lambda n: st.lists(st.lists(numbers, min_size=n, max_size=n, unique=True), min_size=2, max_size=3)
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    table=tables,
    sign=st.sampled_from([",", ";", "\t", "|", "  ", " "]),
    decimal=st.sampled_from([".", ","]),
    head=st.sampled_from(["", "# a comment; with, signs\n\n", "\n"]),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_a_written_table_is_read_back_bit_for_bit(tmp_path, table, sign, decimal, head, end):
    decimal = "." if sign == "," else decimal
    header = ["b", "c", "a"][: len(table)]
    # One row is certain to show the decimal sign.
    columns = [[0.5 + i, *column] for i, column in enumerate(table)]
    columns = [np.array(column) for column in columns]
    path = write(tmp_path, (head + text_of(header, columns, sign, decimal)).replace("\n", end))
    data = read_table(path, "b", test=0)
    np.testing.assert_array_equal(data.y[:, 0], columns[0])
    np.testing.assert_array_equal(data.x, np.stack(columns[1:], axis=1))
    assert data.notices == ()


def test_excel_and_frames_give_what_the_csv_gives(tmp_path):
    # Workbooks are written with 15 digits, so a value with 17 would not come back.
    frame = pd.DataFrame({"mass [kg]": X, "period": np.round(Y, 3)})
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_excel(tmp_path / "a.xlsx", index=False)
    data = read_table(tmp_path / "a.csv", "period")
    assert data == read_table(tmp_path / "a.xlsx", "period") == read_table(frame, "period")
    assert data == read_table(str(tmp_path / "a.csv"), "period")


def test_parquet_gives_what_the_csv_gives(tmp_path):
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"mass [kg]": X, "period": Y})
    frame.to_parquet(tmp_path / "a.parquet")
    assert read_table(tmp_path / "a.parquet", "period") == read_table(frame, "period")


def test_anything_that_becomes_a_pandas_frame_is_read():
    class Frame:
        def to_pandas(self):
            return pd.DataFrame({"a": pd.array([1, 2, 3], dtype="Int64"), "b": [True, False, True]})

    np.testing.assert_array_equal(read_table(Frame(), "b").y[:, 0], [1, 0, 1])


def test_a_sheet_is_chosen_and_rows_are_counted_as_in_the_sheet(tmp_path):
    with pd.ExcelWriter(tmp_path / "b.xlsx") as writer:
        pd.DataFrame({"a": X, "b": Y}).to_excel(writer, sheet_name="one", index=False, startrow=2)
        pd.DataFrame({"c": X, "d": Y}).to_excel(writer, sheet_name="two", index=False)
    assert read_table(tmp_path / "b.xlsx", "d", sheet="two").names == ("c",)
    data = read_table(tmp_path / "b.xlsx", "b")
    assert '"one"' in data.notices[0] and '"two"' in data.notices[0]


def test_units_stand_in_square_brackets_only(tmp_path):
    path = write(tmp_path, 'mass [kg],log(Re),"speed [m/s]",y\n1,2,5,3\n2,3,6,4\n4,1,9,8\n5,2,2,7\n6,7,1,9\n')
    data = read_table(path, "y")
    assert data.names == ("mass", "log(Re)", "speed")
    assert dict(data.units) == {"mass": "kg", "speed": "m/s"}
    assert read_table(path, "mass [kg]", inputs="speed [m/s]").names == ("speed",)


def test_whitespace_headers_may_hold_units(tmp_path):
    path = write(tmp_path, 'mass [kg]   y [m]  body\n1 2 "Sun A"\n 2 3\tMoon\n3 5 Io  \n')
    data = read_table(path, "y")
    assert dict(data.units) == {"mass": "kg", "y": "m"}
    assert data.labels == (("body", ("Sun A", "Moon", "Io")),)


def test_equal_names_with_other_units_keep_their_headers(tmp_path):
    data = read_table(write(tmp_path, "T [K],T [F],y\n1,2,3\n2,1,4\n4,5,9\n6,6,1\n"), "y")
    assert data.names == ("T [K]", "T [F]") and data.units["T [F]"] == "F"


def test_a_commented_header_is_found(tmp_path):
    path = tmp_path / "saved.txt"
    np.savetxt(path, np.stack([X, Y], axis=1), header="a b")
    assert read_table(path, "b", test=0).names == ("a",)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
def test_encodings_are_recognised(tmp_path, encoding):
    data = read_table(write(tmp_path, "größe,y\n1,2\n2,3\n3,5\n", encoding=encoding), "y")
    assert data.names == ("größe",)


def test_quotes_blanks_and_odd_numbers_are_tolerated(tmp_path):
    head = 'sep=;\n"a";"b; c";y\n\n'
    body = ' 1 ;"two ""x""";\u22123\n  \n2;u;1.5D+03\n;;\n+.5;"v\nw";7.\n'
    path = write(tmp_path, head + body)
    data = read_table(path, "y", test=0)
    np.testing.assert_array_equal(data.y[:, 0], [-3, 1500, 7])
    assert data.labels == (("b; c", ('two "x"', "u", "v\nw")),)


def test_the_written_index_of_a_frame_is_set_aside(tmp_path):
    pd.DataFrame({"a": X, "b": Y}).to_csv(tmp_path / "i.csv")
    data = read_table(tmp_path / "i.csv", "b")
    assert data.names == ("a",) and "counts rows" in data.notices[0]


def test_closing_delimiters_make_no_column(tmp_path):
    assert read_table(write(tmp_path, "a,b,\n1,2,\n2,4,\n3,7,\n,,\n"), "b").names == ("a",)


def test_text_and_constant_columns_are_set_aside_with_a_notice(tmp_path):
    path = write(tmp_path, "body,kind,a,g,e,y\nIo,m,1,9.8,,2\nMoon,m,2,9.8,,3\nMars,p,5,9.8,,4\n")
    data = read_table(path, "y")
    assert data.names == ("a",)
    assert [name for name, _ in data.labels] == ["body", "kind"]
    told = " ".join(data.notices)
    assert '"g" is constant (9.8 in all 3 rows)' in told and '"e" is empty' in told
    assert '--group "kind"' in told
    assert '--group "body"' not in told


def test_categories_are_encoded_in_sorted_order_and_read_back(tmp_path):
    path = write(tmp_path, "kind,a,y\nred,1,2\nblue,2,3\nred,4,4\ngreen,5,1\n")
    data = read_table(path, "y", category="kind", test=0)
    np.testing.assert_array_equal(data.x[:, 0], [2, 0, 2, 1])
    assert data.categories == (("kind", ("blue", "green", "red")),)
    assert "0 = blue, 1 = green, 2 = red" in data.notices[0]
    rows = read_rows(path, ("a", "kind"), categories=dict(data.categories))
    np.testing.assert_array_equal(rows, data.x[:, [1, 0]])


def test_missing_rows_are_dropped_on_request(tmp_path):
    path = write(tmp_path, "a,b,y\n1,2,3\nNA,5,4\n3,-,5\n4,1,?\n5,6,7\n6,5,1\n8,2,2\n")
    data = read_table(path, "y", missing="drop", test=0)
    np.testing.assert_array_equal(data.x[:, 0], [1, 5, 6, 8])
    assert "3 of 7 rows were dropped" in data.notices[0] and "rows 3, 4, 5 of points.csv" in data.notices[0]


def test_medians_fill_inputs_from_training_rows_but_never_the_target(tmp_path):
    path = write(tmp_path, "a,b,y\n1,2,3\n,5,4\n3,2,5\n4,1,\n5,6,7\n1000,2,9\n")
    data = read_table(path, "y", missing="median", test=0.3, key=1)
    assert data.n_rows == 5
    known = [v for i, v in enumerate([1, np.nan, 3, 5, 1000]) if i in data.train and i != 1]
    assert data.x[1, 0] == np.median(known)
    assert any("median" in notice for notice in data.notices)


def test_sigma_groups_and_ignored_columns_are_no_inputs(tmp_path):
    path = write(tmp_path, "a,s,run,note,y\n1,.1,A,7,2\n2,.2,A,5,3\n4,.1,B,7,4\n5,.3,B,1,1\n7,.1,C,2,1\n")
    data = read_table(path, "y", sigma="s", group="run", ignore="note", test=0.4)
    assert data.names == ("a",)
    np.testing.assert_array_equal(data.sigma, [0.1, 0.2, 0.1, 0.3, 0.1])
    np.testing.assert_array_equal(data.groups, [0, 0, 1, 1, 2])
    assert not set(data.groups[data.train]) & set(data.groups[data.test])


def test_errors_of_inputs_are_numbers_shares_or_columns(tmp_path):
    path = write(
        tmp_path,
        "a [m],b,c,d,c_err,y\n1,-2,3,1,.1,2\n2,4,1,2,0,3\n4,2,2,3,.1,4\n5,3,1,5,.2,1\n6,7,8,9,.1,0\n8,1,2,4,.1,5\n",
    )
    data = read_table(path, "y", input_sigma={"a": 0.5, "b": "10%", "c": "c_err"}, test=0)
    assert data.names == ("a", "b", "c", "d")
    np.testing.assert_allclose(data.input_sigma[:2], [[0.5, 0.2, 0.1, 0], [0.5, 0.4, 0, 0]])
    assert read_table(path, "y", ignore="c_err", test=0).input_sigma is None


def test_rows_without_a_stated_error_are_left_out(tmp_path):
    path = write(tmp_path, "a,e,y\n1,.1,2\n2,,3\n4,.3,4\n5,.2,1\n7,.2,3\n")
    with pytest.raises(ColumnError, match='"e" has 1 missing value'):
        read_table(path, "y", input_sigma={"a": "e"})
    data = read_table(path, "y", input_sigma={"a": "e"}, missing="drop", test=0)
    np.testing.assert_array_equal(data.input_sigma[:, 0], [0.1, 0.3, 0.2, 0.2])


@pytest.mark.parametrize("dates", [False, True])
def test_time_splits_in_blocks(tmp_path, dates):
    stamp = [f"2026-01-{i + 1:02}" if dates else str(i) for i in range(20)]
    body = "".join(f"{stamp[i]},{i * i},{i % 7}\n" for i in range(20))
    data = read_table(write(tmp_path, "t,a,y\n" + body), "y", time="t", test=0.3)
    np.testing.assert_array_equal(data.groups, np.arange(20) // 2)
    assert len(data.test) == 6
    assert data.names == (("a",) if dates else ("t", "a"))


def test_rows_without_a_date_or_group_count_as_missing(tmp_path):
    path = write(
        tmp_path, "t,g,a,y\n2026-01-01,A,1,1\nNA,B,2,5\n" + "2026-01-03,,5,7\n2026-01-04,C,4,4\n1999,D,7,3\n"
    )
    assert read_table(path, "y", time="t", missing="drop", test=0).n_rows == 4
    data = read_table(path, "y", group="g", missing="median", test=0)
    np.testing.assert_array_equal(data.groups, [0, 1, 2, 3])


def test_several_targets_are_read_in_order(tmp_path):
    data = read_table(write(tmp_path, "a,u,v\n1,2,3\n2,3,5\n3,5,9\n"), ["v", "u"], test=0)
    assert data.targets == ("v", "u")
    np.testing.assert_array_equal(data.y, [[3, 2], [5, 3], [9, 5]])


def test_rows_for_a_prediction_come_in_the_models_order(tmp_path):
    path = write(tmp_path, "id,b [m],a\nx,1,2\ny,3,4\n")
    np.testing.assert_array_equal(read_rows(path, ["a", "b"]), [[2, 1], [4, 3]])
    np.testing.assert_array_equal(read_rows(pd.DataFrame({"a": [1], "b": [2]}), ["b"]), [[2]])


def test_the_shipped_tables_can_be_read():
    solar = read_table(EXAMPLES / "solar_system.csv", "period", inputs=["semi_major_axis", "central_mass"])
    assert solar.n_rows == 54 and dict(solar.units)["central_mass"] == "kg"
    assert solar.input_scales == ("log", "log") and solar.target_scales == ("log",)
    assert read_table(EXAMPLES / "smooth_pipe_friction.csv", "friction_factor").n_rows == 59
    sizes = {}
    for path in sorted((EXAMPLES / "nist_strd").glob("*.csv")):
        target = path.read_text().split("\n#")[-1].split("\n")[1].split(",")[-1]
        sizes[path.stem] = read_table(path, target).n_rows
    known = {"Bennett5": 154, "Chwirut2": 54, "DanWood": 6, "Gauss1": 250, "Hahn1": 236, "Misra1a": 14}
    assert sizes.items() >= (known | {"Rat43": 15, "Thurber": 37}).items() and len(sizes) == 27
