"""A law in other languages: what the text gives when it is run is what the law gives."""

import shutil
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from scikan.core.errors import FormulaError, SettingError
from scikan.core.functions import LIBRARY, Function
from scikan.core.parser import parse
from scikan.law.export import LANGUAGES, export, exported
from scikan.law.record import Law
from scikan.law.sheets import compute


EVERYTHING = (
    "2.5*x**1.5/(1.3 + y**2) - 0.3*sin(pi*x)*exp(-(x - y)**2/3) + abs(sgn(x - 2))**3*2**y - sqrt(2)*log(x/3)/x**2"
    " - tanh(x)*arctan(y)/`temp K`**0.5 + 2/3*x + cosh(x)*sinh(y) - arcsin(x/8)*arccos(y/8) + arctanh(x/8)*tan(y/8)"
    " + exp(1.5)*cos(x)**-2 - e**x"
)
NAMES = ("x", "y", "temp K")
BOX = np.array([[1.0, 4.0], [0.5, 2.0], [1.0, 1000.0]])
RUNNABLE = {
    "numpy": True,
    "excel": True,
    "sympy": find_spec("sympy") is not None,
    "jax": find_spec("jax") is not None,
    "torch": find_spec("torch") is not None,
    "c": any(map(shutil.which, ("cc", "gcc", "clang"))),
}


def law(*formulas: str, names: tuple[str, ...] = NAMES, box: np.ndarray | None = BOX) -> Law:
    trees = tuple(parse(text, names=names) for text in formulas)
    return Law(trees, tuple(f"t{i}" for i in range(len(trees))), names, {"x": "m"}, box)


@pytest.mark.parametrize("language", sorted(RUNNABLE))
def test_the_text_gives_what_the_law_gives(language: str) -> None:
    if not RUNNABLE[language]:
        pytest.skip(f"what runs {language} is not installed here")
    made = exported(law(EVERYTHING), language, verdict="law")
    assert made.proof.error is not None and made.proof.error < 1e-12
    assert made.proof.told in made.text and "Verdict: law" in made.text and "[m]" in made.text


@pytest.mark.parametrize("language", sorted(RUNNABLE))
def test_several_targets_and_constants_and_undefined_rows(language: str) -> None:
    if not RUNNABLE[language]:
        pytest.skip(f"what runs {language} is not installed here")
    made = exported(law("log(x - 2)*y", "2.5", "-x**2", "-x/y/x - (-2*x)**3"), language)
    assert made.proof.error is not None and made.proof.error < 1e-12


def test_what_differs_from_the_law_is_told() -> None:
    from scikan.law.proving import prove

    wrong = "import numpy as np\ndef law(x, y, z):\n    return x + 1e-9\n"
    assert prove(law("x"), "numpy", wrong, ["law"]).error == pytest.approx(1e-9, rel=0.2)
    assert prove(law("x"), "numpy", "def law(:", ["law"]).error == float("inf")
    assert prove(law("x"), "numpy", wrong.replace("x + 1e-9", "np.log(x - 2)"), ["law"]).error == float("inf")


@pytest.mark.parametrize("language", LANGUAGES)
def test_names_of_columns_are_never_code(language: str) -> None:
    hostile = (
        "*/ int x; /*",
        'a"); import os #',
        "line\nbreak",
        "class",
        "np",
        "=1+1",
        "coding: rot13",
        "x\\",
        "x_",
    )
    box = np.array([[1.0, 2.0]] * len(hostile))
    made = exported(law(" + ".join(f"`{name}`" for name in hostile), names=hostile, box=box), language)
    assert made.proof.error is None or made.proof.error < 1e-12


def test_the_written_file_is_the_text_and_runs_by_itself(tmp_path) -> None:
    text = export(law("x**2*y"), "numpy", tmp_path / "mine.py")
    assert (tmp_path / "mine.py").read_text(encoding="utf-8") == text
    code = "from mine import law; print(law([1, 2], [3, 4]))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[ 3. 16.]"


def test_a_workbook_holds_rows_formulas_and_what_they_should_give(tmp_path) -> None:
    openpyxl = pytest.importorskip("openpyxl", reason="openpyxl is not installed here")
    law("x**2*y", "y - x").export("excel", tmp_path / "law.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "law.xlsx").worksheets[0]
    assert [cell.value for cell in sheet[1]] == ["x", "y", "t0", "t1", "t0 (law)", "t1 (law)"]
    for row in (2, 51):
        cells = {cell.coordinate: cell.value for cell in sheet[row]}
        for formula, value in (("C", "E"), ("D", "F")):
            given = compute(cells[f"{formula}{row}"], cells)
            assert given == pytest.approx(cells[f"{value}{row}"], rel=1e-14)


@pytest.mark.parametrize(
    ("formula", "value"),
    [
        ("=-2^2", 4.0), ("=2^3^2", 64.0), ("=1-2-3", -4.0), ("=8/2/2", 2.0), ("=-A1*2+B1", 1.0),
        ("=POWER(2,-1)", 0.5), ("=1.5E-3*2", 3e-3), ("=PI()", np.pi), ("=LN(EXP(2))", 2.0),
    ],
)  # fmt: skip
def test_formulas_are_read_as_a_spreadsheet_reads_them(formula: str, value: float) -> None:
    assert compute(formula, {"A1": np.float64(2.0), "B1": np.float64(5.0)}) == value


@pytest.mark.parametrize("formula", ["1+1", "=1+", "=(1", "=1)", "=FOO(1)", "=Z9", "=1 2", "=$"])
def test_what_is_no_formula_is_refused(formula: str) -> None:
    with pytest.raises(FormulaError):
        compute(formula, {})


def test_bad_wishes_are_sentences(tmp_path) -> None:
    with pytest.raises(SettingError, match="no export to 'fortran'"):
        export(law("x"), "fortran")
    with pytest.raises(SettingError, match="workbook"):
        export(law("x"), "c", tmp_path / "law.xlsx")
    with pytest.raises(SettingError, match="could not be written"):
        export(law("x"), "latex", tmp_path / "nowhere" / "law.tex")
    own = Function("bump", lambda xp, u: u, lambda xp, u: u)
    tree = parse("bump(x)", names=("x",), library=LIBRARY.with_function(own))
    with pytest.raises(FormulaError, match="no function 'bump'"):
        export(Law((tree,), ("y",), ("x",)), "c")
