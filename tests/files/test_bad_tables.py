"""Every bad table is refused with one sentence that names the place, and a remedy."""

import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scikan.core.dataset import Dataset
from scikan.core.errors import ColumnError, KanError, SettingError, TableError
from scikan.files import rawtable, sources
from scikan.files.table import read_rows, read_table


GOOD = "a,b,y\n1,2,3\n2,3,5\n3,5,1\n4,1,2\n5,8,9\n"


def refusal(kind, *args, read=read_table, **options):
    with pytest.raises(kind) as caught:
        read(*args, **options)
    error = caught.value
    assert error.fix and "\n" not in error.what and type(error) is kind
    return error


BAD_FILES = {
    "empty": (b"", ["t.csv", "empty"]),
    "blank": (b"\n \n\n", ["empty"]),
    "comments only": (b"# a,b\n# c\n", ["empty"]),
    "header only": (b"a,b,y\n", ['"a", "b", "y"', "no rows"]),
    "png": (b"\x89PNG\r\n\x1a\n\x00\x00", ["PNG image"]),
    "zip": (b"PK\x03\x04rest", ["zip"]),
    "gzip": (b"\x1f\x8b\x08", ["gzip"]),
    "binary": (bytes(range(256)), ["binary"]),
    "json": (b'{"a": [1, 2], "b": [3, 4]}', ["JSON"]),
    "json list": (b"[[1, 2],\n [3, 4]]", ["JSON"]),
    "html": (b"<table><tr><td>1</td></tr></table>", ["HTML"]),
    "one column": (b"y\n1\n2\n3\n", ["only one column", '"y"']),
    "prose": (
        b"The quick brown fox\njumps over\nthe lazy dog and runs away\n",
        ["no table", "Row 2", "2 cells", "has 4"],
    ),
    "one word a line": (b"hello\nworld\n", ["only one column"]),
    "no header": (b"1,2\n3,4\n5,6\n", ["no header", "1,2"]),
    "short row": (b"# c\na,b,y\n1,2,3\n1,2\n3,4,5\n", ["Row 4", "2 cells", "has 3"]),
    "long row": (b"a,b,y\n1,2,3\n\n1,2,3,4\n3,4,5\n", ["Row 4", "4 cells", "has 3"]),
    "short row under quotes": (b'a,b,y\n"x\nz",2,3\n1,2\n', ["Row 4", "2 cells"]),
    "open quote": (b'a,b,y\n1,2,3\n"1,2,3\n4,5,6\n', ["Row 3", "1 cell,"]),
    "one row": (b"a,b,y\n1,2,3\n", ["1 row for 2 inputs", "4 are needed"]),
    "too few rows": (b"a,b,y\n1,2,3\n2,1,4\n3,3,1\n", ["3 rows for 2 inputs", "4 are needed"]),
    "all inputs constant": (b"a,y\n1,2\n1,3\n1,4\n", ["no input left", '"a" is constant']),
    "only text": (b"a,y\nu,2\nv,3\nw,4\n", ["no input left", '"a" holds text']),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_files_that_are_no_table_are_refused(tmp_path, case):
    content, words = BAD_FILES[case]
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    error = refusal(TableError, path, "y")
    assert all(word in error.what for word in words), error.what


BAD_COLUMNS = {
    "target missing": (GOOD, {"target": "z"}, ['"z"', "target", '"a", "b", "y"']),
    "target in prose": ("one two\nthree four\n", {}, ['"y"']),
    "unknown input": (GOOD, {"inputs": ["c"]}, ['"c"', "inputs"]),
    "unknown ignored": (GOOD, {"ignore": "c"}, ['"c"', "ignore"]),
    "unknown sigma": (GOOD, {"sigma": "c"}, ['"c"', "sigma"]),
    "unknown group": (GOOD, {"group": "c"}, ['"c"', "group"]),
    "unknown time": (GOOD, {"time": "c"}, ['"c"', "time"]),
    "unknown category": (GOOD, {"category": "c"}, ['"c"', "category"]),
    "target among inputs": (GOOD, {"inputs": ["a", "y"]}, ['"y"', "the target", "an input"]),
    "target ignored": (GOOD, {"ignore": ["y"]}, ['"y"', "the target", "ignored"]),
    "sigma among inputs": (GOOD, {"inputs": ["a", "b"], "sigma": "b"}, ['"b"', "sigma"]),
    "doubled name": ("a,a,y\n1,2,3\n2,3,4\n", {}, ['"a"', "1 and 2"]),
    "column without name": ("a,,y\n1,2,3\n2,4,4\n", {}, ["Column 2", "no name"]),
    "text target": ("a,y\n1,u\n2,v\n3,w\n", {}, ['"y"', "target", '"u"', "row 2"]),
    "text in the target": ("a,y\n1,2\n2,bad\n3,5\n4,6\n", {}, ['"y"', '"bad"', "row 3"]),
    "text in an input": ("#\na,y\n1,2\n2,3\nn.d.,5\n4,6\n", {}, ['"a"', '"n.d."', "row 5"]),
    "underscored number": ("a,y\n1,2\n2,3\n1_0,5\n4,6\n", {}, ['"a"', '"1_0"', "row 4"]),
    "text input asked for": ("a,b,y\nu,1,2\nv,2,3\nw,3,5\n", {"inputs": "a"}, ['"a"', '"u"', "row 2"]),
    "empty input asked for": ("a,b,y\n,1,2\n,2,3\n,3,5\n", {"inputs": ["a", "b"]}, ['"a"', "empty"]),
    "empty target": ("a,y\n1,\n2,\n3,\n", {}, ['"y"', "target", "empty"]),
    "constant target": ("a,y\n1,2\n2,2\n3,2\n", {}, ['"y"', "constant (2 in all 3 rows)"]),
    "missing": (GOOD + ",1,2\n6,2,1\n,3,1\n", {}, ['"a"', "2 missing values", "rows 7, 9 of t.csv"]),
    "missing target": (GOOD + "1,1,null\n", {}, ['"y"', "1 missing value ", "row 7"]),
    "missing in two": (GOOD + "1,,nan\n", {}, ['"b"', 'So have "y"']),
    "infinite": (GOOD + "-inf,1,2\n", {}, ['"a"', "infinite", "row 7"]),
    "overflow": (GOOD + "1,1e999,2\n", {}, ['"b"', "infinite", "row 7"]),
    "sigma zero": ("a,s,y\n1,.1,2\n2,0,3\n3,.1,9\n", {"sigma": "s"}, ['"s"', "0", "row 3"]),
    "sigma text": ("a,s,y\n1,u,2\n2,v,3\n3,w,9\n", {"sigma": "s"}, ['"s"', "sigma", '"u"']),
    "error of no column": (GOOD, {"input_sigma": {"c": 0.1}}, ['"c"', "input_sigma"]),
    "error in no column": (GOOD, {"input_sigma": {"a": "c"}}, ['"c"', "input_sigma"]),
    "error of the target": (GOOD, {"input_sigma": {"y": 0.1}}, ['"y"', "no input"]),
    "error below zero": (
        "a,e,y\n1,.1,2\n2,-1,3\n3,.1,9\n",
        {"input_sigma": {"a": "e"}},
        ['"e"', "-1", "row 3"],
    ),
    "input as error": (GOOD, {"inputs": ["a", "b"], "input_sigma": {"a": "b"}}, ['"b"', "an input", "error"]),
    "time as prose": ("a,t,y\n1,u,2\n2,v,3\n3,w,9\n", {"time": "t"}, ['"t"', "dates"]),
}


@pytest.mark.parametrize("case", BAD_COLUMNS)
def test_columns_that_cannot_be_used_are_refused_by_name_and_row(tmp_path, case):
    text, options, words = BAD_COLUMNS[case]
    path = tmp_path / "t.csv"
    path.write_text(text)
    error = refusal(ColumnError, path, options.pop("target", "y"), **options)
    assert all(word in error.what for word in words), error.what


BAD_SETTINGS = [
    {"test": 1.0},
    {"test": -1},
    {"key": -1},
    {"delimiter": "ab"},
    {"delimiter": "."},
    {"decimal": ";"},
    {"delimiter": ",", "decimal": ","},
    {"sheet": "one"},
    {"group": "a", "time": "b"},
    {"target": ()},
    {"missing": "zero"},
]


@pytest.mark.parametrize("options", BAD_SETTINGS, ids=str)
def test_settings_that_make_no_sense_are_refused(tmp_path, options):
    path = tmp_path / "t.csv"
    path.write_text(GOOD)
    options = dict(options)
    if "missing" in options:
        # The run-time type check of the test run would refuse it first.
        read_plain = getattr(read_table, "__wrapped__", read_table)
        refusal(SettingError, path, "y", read=read_plain, **options)
    else:
        refusal(SettingError, path, options.pop("target", "y"), **options)


def test_a_misspelt_target_or_file_brings_the_nearest_name(tmp_path):
    path = tmp_path / "period.csv"
    path.write_text("mass,period\n1,2\n2,3\n3,4\n")
    assert refusal(ColumnError, path, "Periode").fix == 'did you mean "period"?'
    error = refusal(TableError, tmp_path / "periods.csv", "period")
    assert "periods.csv" in error.what and '"period.csv"' in error.fix
    assert refusal(TableError, "/no/such/folder/a.csv", "y").fix


def test_a_folder_is_no_table(tmp_path):
    assert "folder" in refusal(TableError, tmp_path, "y").what


def test_a_wrong_delimiter_is_told_by_its_single_column(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(GOOD)
    for sign in (";", "semicolon"):
        assert "semicolon as the delimiter" in refusal(TableError, path, "y", delimiter=sign).what
    assert read_table(path, "y", delimiter="comma").n_inputs == 2


def test_a_decimal_comma_that_was_denied_is_suspected(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a;y\n1,5;2.5\n2;3\n3;4\n4;4\n")
    error = refusal(ColumnError, path, "y")
    assert '"1,5"' in error.what and "--decimal" in error.fix


def test_missing_everywhere_cannot_be_dropped(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b,y\n1,,3\n2,,5\n,3,1\n,4,2\n")
    assert "Every row" in refusal(TableError, path, "y", missing="drop").what


def test_the_remedy_for_missing_cells_counts_the_rows(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(GOOD + ",1,2\n")
    fix = refusal(ColumnError, path, "y").fix
    assert "--missing drop (leaves out 1 of 6 rows)" in fix and "--missing median" in fix


def test_tables_and_files_beyond_the_limits_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "t.csv"
    path.write_text(GOOD)
    monkeypatch.setattr(rawtable, "MOST_CELLS", 14)
    assert "5 rows and 3 columns" in refusal(TableError, path, "y").what
    assert "5 rows and 3 columns" in refusal(TableError, pd.read_csv(path), "y").what
    monkeypatch.setattr(sources, "MOST_BYTES", 10)
    assert "bytes" in refusal(TableError, path, "y").what


def test_absent_packages_are_named_with_their_extra(tmp_path, monkeypatch):
    for suffix, package, extra in [("xlsx", "openpyxl", "excel"), ("parquet", "pyarrow", "parquet")]:
        path = tmp_path / f"t.{suffix}"
        path.write_bytes(b"PAR1")
        monkeypatch.setitem(sys.modules, package, None)
        error = refusal(TableError, path, "y")
        assert package in error.what and f'pip install "scikan[{extra}]"' in error.fix


def test_workbooks_are_checked(tmp_path):
    path = tmp_path / "t.xlsx"
    path.write_bytes(b"PK no workbook")
    assert "no Excel workbook" in refusal(TableError, path, "y").what
    frame = pd.DataFrame({"a": [1.0, 2, 3, 4], "y": [1, 2, None, 5]})
    frame.to_excel(path, index=False, sheet_name="runs")
    assert "row 4 of t.xlsx" in refusal(ColumnError, path, "y").what
    assert '"runs"' in refusal(TableError, path, "y", sheet="run").fix
    refusal(SettingError, path, "y", delimiter=",")
    pd.DataFrame().to_excel(path, index=False)
    assert "empty" in refusal(TableError, path, "y").what
    pd.DataFrame([[1, 2], [3, 4]]).to_excel(path, index=False, header=False)
    assert "no header" in refusal(TableError, path, "y").what


def test_frames_are_checked():
    frame = pd.DataFrame({"a": [1.0, np.nan, 3, 4], "y": [1, 2, 3, 5]})
    assert "row 1 of the DataFrame" in refusal(ColumnError, frame, "y").what
    assert "complex" in refusal(ColumnError, frame.assign(y=1j * frame["y"]), "y").what
    assert "infinite" in refusal(ColumnError, frame.assign(a=np.inf), "y").what
    assert "ndarray" in refusal(TableError, np.ones((3, 2)), "y").what
    refusal(SettingError, frame, "y", sheet="one")
    doubled = pd.DataFrame([[1, 2, 3]] * 5, columns=["a", "a", "y"])
    assert '"a"' in refusal(ColumnError, doubled, "y").what


def test_rows_for_a_prediction_are_refused_when_columns_are_others(tmp_path):
    path = tmp_path / "new.csv"
    path.write_text("id,mass,radius,kind\nx,1,2,u\ny,2,,v\n")
    error = refusal(ColumnError, path, ["mass", "speed"], read=read_rows)
    assert "4 columns, the model was trained on 2" in error.what
    assert 'Missing: "speed"' in error.what and 'Extra: "id", "radius", "kind"' in error.what
    assert "row 3 of new.csv" in refusal(ColumnError, path, ["mass", "radius"], read=read_rows).what
    unknown = refusal(ColumnError, path, ["kind"], read=read_rows, categories={"kind": ("u", "w")})
    assert '"v"' in unknown.what and "row 3" in unknown.what


signs = list("ay1.,;|#-\"'[]{} \t\n\r")
pieces = st.sampled_from([*signs, "e9", "nan", "1,5", "\u2212", "y,a\n", "2,1\n", "\x0c"])


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.one_of(st.binary(max_size=80), st.lists(pieces, max_size=40).map("".join)))
def test_any_bytes_are_a_data_set_or_one_of_our_errors(tmp_path, content):
    path = tmp_path / "t.csv"
    path.write_bytes(content if isinstance(content, bytes) else b"y,a\n2,1\n" + content.encode())
    try:
        assert isinstance(read_table(path, "y"), Dataset)
    except KanError as error:
        assert error.fix


def test_a_target_with_a_text_cell_is_not_to_be_left_out(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n1,2\n2,x\n3,4\n")
    error = refusal(ColumnError, tmp_path / "t.csv", "b")
    assert '"x" in row 3' in error.what and error.fix == "correct or empty the cell"
    error = refusal(ColumnError, tmp_path / "t.csv", "a", inputs=["b"])
    assert '--ignore "b"' in error.fix
