"""A law as a file of another language, which says what it is and how far it agrees with the law.

Every file begins with the formula, its columns with units and ranges, the verdict if it is known, and the greatest
relative error that running the file on sampled rows gave (see `law.proving`).
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import numpy as np

from scikan.core.errors import SettingError
from scikan.core.expr import symbols
from scikan.core.printing import quoted
from scikan.law.dialects import EXCEL, JAX, NUMPY, SYMPY, TORCH, C, Dialect, identifiers, write
from scikan.law.proving import Proof, prove, sampled_rows
from scikan.law.record import Law
from scikan.law.sheets import cell_names, write_workbook


Language: TypeAlias = Literal["numpy", "jax", "torch", "sympy", "c", "excel", "latex"]
LANGUAGES: tuple[str, ...] = get_args(Language)

_SHOWN_ROWS = 50
_TITLES = {"numpy": "NumPy", "jax": "JAX", "torch": "PyTorch", "sympy": "SymPy", "c": "C", "excel": "Excel"}
_ARRAYS: dict[str, tuple[Dialect, str, str]] = {
    "numpy": (NUMPY, "import numpy as np", "np.asarray({}, dtype=float)"),
    "jax": (JAX, "import jax.numpy as jnp", "jnp.asarray({}, dtype=float)"),
    "torch": (TORCH, "import torch", "torch.as_tensor({}, dtype=torch.float64)"),
}


@dataclass(frozen=True)
class Export:
    """A law in another language.

    Args:
        language: which.
        text: the whole file.
        body: the file without its header.
        proof: what running it gave.
        header: the lines of the header, without comment signs.
    """

    language: str
    text: str
    body: str
    proof: Proof
    header: tuple[str, ...]


def export(
    law: Law,
    language: Language | str,
    path: str | os.PathLike[str] | None = None,
    *,
    verdict: str = "",
    run: bool = True,
) -> str:
    """Return the law as source text of another language; write it if a path is given.

    Args:
        law: one or more targets; the functions are called `law`, or `law_0`, `law_1`, ..., and take the columns that
            the law uses, in its order.
        language: "numpy", "jax", "torch", "sympy", "c", "excel" (formulas for a row whose columns stand from A on)
            or "latex".
        path: the file; one that ends in `.xlsx` becomes a workbook with sampled rows (language "excel" only).
        verdict: what a discovery said of the law, for the header.
        run: whether to run the text and measure its error; a second or two.

    Raises:
        SettingError: an unknown language, or a file that cannot be written.
        FormulaError: the law calls a function that the language lacks.
    """
    made = exported(law, language, verdict=verdict, run=run)
    if path is not None:
        try:
            write_export(Path(path), law, made)
        except OSError as error:
            raise SettingError(
                f"{path} could not be written: {error.strerror or error}.",
                fix="check folder and permissions.",
            ) from None
    return made.text


def write_export(path: Path, law: Law, made: Export) -> None:
    """Write an export into a file, as a workbook if its name ends in `.xlsx`.

    Raises:
        SettingError: a workbook of another language than "excel", or openpyxl is not installed.
        OSError: the disk refuses.
    """
    if path.suffix.lower() != ".xlsx":
        path.write_text(made.text, encoding="utf-8")
    elif made.language == "excel":
        _workbook(path, law, made)
    else:
        raise SettingError(f"{path} is a workbook, and {made.language} is none.", fix="export to excel.")


def exported(law: Law, language: Language | str, *, verdict: str = "", run: bool = True) -> Export:
    """Return the law in another language with what running it gave; arguments and errors as in `export`."""
    if language not in LANGUAGES:
        raise SettingError(f"There is no export to {language!r}.", fix=f"one of {', '.join(LANGUAGES)}.")
    law = with_used_columns(law)
    functions = ["law"] if len(law) == 1 else [f"law_{i}" for i in range(len(law))]
    body = _body(law, language, functions)
    proof = prove(law, language, body, functions) if run else Proof(None, "Not run: it was not asked for.")
    header = tuple(_header(law, language, functions, verdict, proof))
    return Export(language, _commented(header, language) + body, body, proof, header)


def with_used_columns(law: Law) -> Law:
    """Return the law over the columns that it uses, in their order; a law that uses none keeps all."""
    used = {name for expr in law.expressions for name in symbols(expr)}
    at = [j for j, name in enumerate(law.names) if name in used or not used]
    domain = None if law.domain is None else law.domain[at]
    return replace(law, names=tuple(law.names[j] for j in at), domain=domain)


def _body(law: Law, language: str, functions: Sequence[str]) -> str:
    if language == "latex":
        lines = law.latex().replace(" \\\\ ", " \\\\\n  ")
        return f"\\begin{{gather*}}\n  {lines}\n\\end{{gather*}}\n"
    if language == "excel":
        return "".join(f"{formula}\n" for formula in _sheet_formulas(law, 2))
    if language == "c":
        return _c_source(law, functions)
    if language == "sympy":
        return _sympy_source(law, functions)
    return _array_source(law, language, functions)


def _array_source(law: Law, language: str, functions: Sequence[str]) -> str:
    dialect, load, convert = _ARRAYS[language]
    names = identifiers(law.names)
    lines = [load]
    for function, target, expr in zip(functions, law.targets, law.expressions, strict=True):
        lines += ["", "", f"def {function}({', '.join(names.values())}):"]
        lines.append(f'    """Return {_docstring(target)}, elementwise."""')
        lines += [f"    {name} = {convert.format(name)}" for name in names.values()]
        lines.append(f"    return {write(expr, dialect, names)}")
    return "\n".join(lines) + "\n"


def _sympy_source(law: Law, functions: Sequence[str]) -> str:
    names = identifiers(law.names)
    lines = ["import sympy as sp", "", ""]
    lines += [f"{own} = sp.Symbol({ascii(name)})" for name, own in names.items()]
    lines.append(f"columns = ({''.join(f'{own}, ' for own in names.values())})")
    for function, expr in zip(functions, law.expressions, strict=True):
        lines.append(f"{function} = {write(expr, SYMPY, names)}")
    return "\n".join(lines) + "\n"


def _c_source(law: Law, functions: Sequence[str]) -> str:
    names = identifiers(law.names)
    arguments = ", ".join(f"double {name}" for name in names.values()) or "void"
    bodies = [write(expr, C, names) for expr in law.expressions]
    lines = ["#include <math.h>", ""]
    if any("scikan_sign(" in body for body in bodies):
        lines += ["static double scikan_sign(double u) { return u != u ? u : (u > 0) - (u < 0); }", ""]
    for function, body in zip(functions, bodies, strict=True):
        lines += [f"double {function}({arguments}) {{", f"    return {body};", "}", ""]
    return "\n".join(lines)


def _sheet_formulas(law: Law, row: int) -> list[str]:
    cells = dict(zip(law.names, cell_names(len(law.names), row), strict=True))
    return ["=" + write(expr, EXCEL, cells) for expr in law.expressions]


def _workbook(path: Path, law: Law, made: Export) -> None:
    law = with_used_columns(law)
    rows = sampled_rows(law, _SHOWN_ROWS)
    with np.errstate(all="ignore"):
        expected = np.broadcast_to(law(rows).reshape(-1, len(law)), (len(rows), len(law)))
    formulas = {
        target: lambda row, i=i: _sheet_formulas(law, row)[i]  # type: ignore[misc]
        for i, target in enumerate(law.targets)
    }
    write_workbook(path, made.header, law.names, formulas, rows, expected)


def _header(law: Law, language: str, functions: Sequence[str], verdict: str, proof: Proof) -> list[str]:
    from scikan import __version__

    lines = [f"A law, written by scikan {__version__} for {_TITLES.get(language, 'LaTeX')}.", ""]
    lines += [f"Formula: {line}" for line in law.text().splitlines()]
    if verdict:
        lines.append(f"Verdict: {verdict}")
    cells = cell_names(len(law.names))
    own = identifiers(law.names)
    for j, name in enumerate(law.names):
        here = {"excel": f" in {cells[j]}", "latex": ""}.get(language, f" as {own[name]}")
        ends = "range unknown"
        if law.domain is not None:
            ends = f"{law.domain[j, 0]:g} to {law.domain[j, 1]:g}"
        lines.append(f"Column {quoted(name)}{_unit(law, name)}{here}: {ends}")
    for function, target in zip(functions, law.targets, strict=True):
        lines.append(f"Target {quoted(target)}{_unit(law, target)} as {function}")
    return [*lines, proof.told]


def _unit(law: Law, name: str) -> str:
    return f" [{law.units[name]}]" if law.units.get(name) else ""


def _commented(header: Sequence[str], language: str) -> str:
    """Return the header as comments; nothing in a column's name can end one."""
    lines = [" ".join("".join(c if c.isprintable() else " " for c in line).split()) for line in header]
    if language == "c":
        inner = "\n".join(f" * {line.replace('*/', '* /')}".rstrip() for line in lines)
        return f"/*\n{inner}\n */\n"
    sign = "%" if language == "latex" else "#"
    return "".join(f"{sign} {line}".rstrip() + "\n" for line in lines)


def _docstring(text: str) -> str:
    return "".join(c if c.isprintable() and c not in '"\\' else " " for c in text)
