"""The 27 nonlinear regressions of NIST's Statistical Reference Datasets, read from the shipped files."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scikan.core.expr import Expr
from scikan.core.parser import parse


FOLDER = Path(__file__).parent.parent.parent / "examples" / "data" / "nist_strd"


@dataclass(frozen=True, eq=False)
class Problem:
    """One dataset: `columns` by the names of the model (x, or x1 and x2), the target as the model has it (log y)."""

    name: str
    model: Expr
    columns: dict[str, np.ndarray]
    y: np.ndarray
    certified: dict[str, float]
    errors: dict[str, float]
    starts: tuple[dict[str, float], ...]
    sum_of_squares: float


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.csv"))


def problem(name: str, folder: Path = FOLDER) -> Problem:
    lines = (folder / f"{name}.csv").read_text(encoding="utf-8").splitlines()
    comments = [line[1:].strip() for line in lines if line.startswith("#")]
    table = np.array([line.split(",") for line in lines[len(comments) + 1 :]], dtype=float)
    left, right = re.fullmatch(
        r"Model: (\S+) = (.*)", next(c for c in comments if c[:6] == "Model:")
    ).groups()
    values = [m.groups() for c in comments if (m := re.fullmatch(r"(b\d+) = (\S+) \+- (\S+)", c))]
    starts = [re.findall(r"(b\d+) = (\S+?)[,.]?(?: |$)", c) for c in comments if c.startswith("Starting")]
    inputs = ["x"] if table.shape[1] == 2 else ["x1", "x2"]
    found = re.search(r"sum of squares (\S+),", "\n".join(comments))
    return Problem(
        name,
        parse(right),
        dict(zip(inputs, table.T[:-1], strict=True)),
        np.log(table[:, -1]) if left == "log(y)" else table[:, -1],
        {b: float(value) for b, value, _ in values},
        {b: float(error) for b, _, error in values},
        tuple({b: float(value) for b, value in start} for start in starts),
        float(found[1]),
    )


def digits(value: float, certified: float) -> float:
    """Return how many digits agree (NIST's log relative error), at most 11, as many as are certified."""
    error = abs(value - certified) / abs(certified)
    return 11.0 if error < 1e-11 else float(-np.log10(error))
