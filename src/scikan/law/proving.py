"""Exported source text run where it is meant to run, and compared with the law itself.

Python runs in a fresh, isolated interpreter, C through the compiler that is there, a spreadsheet formula in our
own reader. The text never enters this process as code. What cannot be run here is said to be so.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from scikan.law.record import Law
from scikan.law.sheets import cell_names, compute


ROWS = 1000
SLOW_ROWS = 50
"""Rows for SymPy, which computes them one by one."""

_SECONDS = 120.0
_FLOOR = 1e-3

_RUN_ARRAYS = """\
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np
import exported
rows = np.load(sys.argv[1] + "/rows.npy")
columns = list(rows.T)
if sys.argv[2] == "torch":
    import torch
    columns = [torch.as_tensor(c.copy()) for c in columns]
def values(name):
    return np.broadcast_to(np.asarray(getattr(exported, name)(*columns), dtype=float), len(rows))
np.save(sys.argv[1] + "/values.npy", np.stack([values(name) for name in sys.argv[3:]], axis=1))
"""

_RUN_SYMPY = """\
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np
import exported
def number(expr, row):
    value = complex(expr.evalf(30, subs=dict(zip(exported.columns, row.tolist()))))
    return value.real if abs(value.imag) <= 1e-25 * abs(value.real) else float("nan")
rows = np.load(sys.argv[1] + "/rows.npy")
laws = [getattr(exported, name) for name in sys.argv[3:]]
np.save(sys.argv[1] + "/values.npy", np.array([[number(expr, row) for expr in laws] for row in rows]))
"""


@dataclass(frozen=True)
class Proof:
    """What running an export gave.

    Args:
        error: greatest relative error against the law; None if it was not run, infinite if it gave no number
            where the law has one.
        told: the same as a sentence.
    """

    error: float | None
    told: str


def sampled_rows(law: Law, count: int = ROWS) -> np.ndarray:
    """Return rows within the law's ranges, `(count, inputs)`; always the same ones.

    Ranges over more than two decades are sampled evenly in value in one half and in logarithm in the other;
    columns without a known range lie between 1 and 2.
    """
    rng = np.random.default_rng(0)
    box = np.array([[1.0, 2.0]] * len(law.names)) if law.domain is None else np.asarray(law.domain, float)
    rows = np.empty((count, len(law.names)))
    for j, (low, high) in enumerate(box):
        share = rng.uniform(size=count)
        rows[:, j] = low + (high - low) * share
        if low > 0 and high > 100.0 * low:
            half = rng.uniform(size=count) < 0.5
            rows[half, j] = low * (high / low) ** share[half]
        # Rounding may step over an end, where the law need not be defined.
        rows[:, j] = np.clip(rows[:, j], low, high)
    return rows


def greatest_error(values: np.ndarray, expected: np.ndarray) -> float:
    """Return the greatest relative error; infinite where only one of both is a number.

    Errors are relative to the law's value, or to a thousandth of its root mean square where it is smaller.

    Args:
        values, expected: `(N, targets)`.
    """
    worst = 0.0
    for own, law in zip(values.T, expected.T, strict=True):
        both = np.isfinite(own) & np.isfinite(law)
        if not np.array_equal(own[~both], law[~both], equal_nan=True):
            return float("inf")
        if both.any():
            size = np.maximum(np.abs(law[both]), _FLOOR * np.sqrt(np.mean(law[both] ** 2)))
            gaps = np.abs(own[both] - law[both])
            worst = max(worst, float(np.max(np.divide(gaps, size, out=np.zeros_like(gaps), where=gaps > 0))))
    return worst


def prove(law: Law, language: str, source: str, functions: Sequence[str]) -> Proof:
    """Return what running the source gives on sampled rows, against the law.

    Args:
        law: what was exported.
        language: "numpy", "jax", "torch", "sympy", "c", "excel" or "latex".
        source: the text; for "excel" one formula a line.
        functions: the names of its functions, one for each target.
    """
    if obstacle := _obstacle(language):
        return Proof(None, f"Not run here: {obstacle}.")
    rows = sampled_rows(law, SLOW_ROWS if language == "sympy" else ROWS)
    with np.errstate(all="ignore"):
        expected = np.broadcast_to(law(rows).reshape(-1, len(law)), (len(rows), len(law)))
    try:
        if language == "excel":
            values = _in_a_sheet(source, rows)
        else:
            values = _in_a_process(language, source, functions, rows)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        return Proof(float("inf"), f"It failed when it was run here: {_first_line(error)}.")
    worst = greatest_error(values, expected)
    where = "the ranges above" if law.domain is not None else "1 to 2 in every column"
    return Proof(
        worst,
        f"Run here ({_tool(language)}): greatest relative error {worst:.1e} against the law"
        f" on {len(rows)} rows sampled in {where}.",
    )


def _obstacle(language: str) -> str:
    if language == "latex":
        return "LaTeX is for people, with all digits of the constants"
    if language == "c":
        return "" if _compiler() else "there is no C compiler (cc, gcc or clang)"
    if language in ("jax", "torch", "sympy") and find_spec(language) is None:
        return f"{language} is not installed"
    return ""


def _compiler() -> str | None:
    return next((path for name in ("cc", "gcc", "clang") if (path := shutil.which(name))), None)


def _tool(language: str) -> str:
    if language == "excel":
        return "by scikan's own reader of formulas, not by Excel"
    if language == "c":
        return f"compiled by {Path(_compiler() or 'cc').name} -O2"
    return f"{language} in a process of its own, double precision"


def _first_line(error: Exception) -> str:
    shown = error.stderr if isinstance(error, subprocess.CalledProcessError) and error.stderr else str(error)
    text = shown.decode(errors="replace") if isinstance(shown, bytes) else shown
    return (text.strip().splitlines() or [type(error).__name__])[-1][:200]


def _in_a_sheet(source: str, rows: np.ndarray) -> np.ndarray:
    cells = dict(zip(cell_names(rows.shape[1]), rows.T, strict=True))
    values = [np.broadcast_to(compute(line, cells), len(rows)) for line in source.splitlines()]
    return np.stack(values, axis=1)


def _in_a_process(language: str, source: str, functions: Sequence[str], rows: np.ndarray) -> np.ndarray:
    with tempfile.TemporaryDirectory(prefix="scikan-") as place:
        folder = Path(place)
        if language == "c":
            return _compiled(folder, source, functions, rows)
        np.save(folder / "rows.npy", rows)
        (folder / "exported.py").write_text(source, encoding="utf-8")
        script = folder / "run.py"
        script.write_text(_RUN_SYMPY if language == "sympy" else _RUN_ARRAYS, encoding="utf-8")
        # -I: neither this package's environment nor the user's takes part.
        _called([sys.executable, "-I", str(script), str(folder), language, *functions])
        return np.asarray(np.load(folder / "values.npy", allow_pickle=False))


def _compiled(folder: Path, source: str, functions: Sequence[str], rows: np.ndarray) -> np.ndarray:
    width, count = max(rows.shape[1], 1), len(functions)
    arguments = ", ".join(f"row[{j}]" for j in range(rows.shape[1]))
    calls = ", ".join(f"{name}({arguments})" for name in functions)
    main = (
        '#include <stdio.h>\n#include "exported.c"\n'
        f"int main(void) {{\n  double row[{width}];\n"
        f"  while (fread(row, sizeof(double), {width}, stdin) == {width}) {{\n"
        f"    double values[] = {{{calls}}};\n    fwrite(values, sizeof(double), {count}, stdout);\n"
        "  }\n  return 0;\n}\n"
    )
    (folder / "exported.c").write_text(source, encoding="utf-8")
    (folder / "run.c").write_text(main, encoding="utf-8")
    program = str(folder / "run")
    _called([_compiler() or "cc", "-O2", "-o", program, str(folder / "run.c"), "-lm"])
    given = rows if rows.shape[1] else np.zeros((len(rows), 1))
    answer = _called([program], np.ascontiguousarray(given, dtype=float).tobytes())
    return np.frombuffer(answer, dtype=float).reshape(len(rows), count)


def _called(command: list[str], given: bytes = b"") -> bytes:
    environment = os.environ | {"JAX_ENABLE_X64": "1", "JAX_PLATFORMS": "cpu", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        command, input=given, capture_output=True, check=True, timeout=_SECONDS, env=environment
    )
    return done.stdout
