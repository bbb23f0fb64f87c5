"""A law: the formulas found, for which targets, in which columns, valid where.

A `Law` is a value: rounding, simplifying and picking one target return new laws. It computes with the
tree itself, so that what is printed and what is evaluated are one thing.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from scikan.core.errors import FormulaError, ShapeError
from scikan.core.expr import (
    Constant,
    Expr,
    Number,
    Symbol,
    complexity,
    constants,
    evaluate,
    map_children,
    substitute,
    symbols,
    with_constants,
)
from scikan.core.parser import parse
from scikan.core.printing import latex_name, quoted, to_latex, to_numpy_source, to_sympy, to_text
from scikan.law.simplify import simplify


@dataclass(frozen=True, eq=False)
class Law:
    """Formulas for one or more targets.

    Args:
        expressions: one tree for each target.
        targets: their names.
        names: the input columns, in the order in which arrays are given.
        units: units by column name (targets too), as text; may be empty.
        domain: smallest and largest value of each input in the data, `(inputs, 2)`, if known.

    Raises:
        ShapeError: counts of formulas, targets, names and domain do not fit.
        FormulaError: a formula uses a column that is not among the names.
    """

    expressions: tuple[Expr, ...]
    targets: tuple[str, ...]
    names: tuple[str, ...]
    units: Mapping[str, str] = field(default_factory=dict)
    domain: np.ndarray | None = None

    def __post_init__(self) -> None:
        if not self.expressions or len(self.expressions) != len(self.targets):
            raise ShapeError(
                f"{len(self.expressions)} formulas for {len(self.targets)} targets.",
                fix="Give one formula for each target.",
            )
        if self.domain is not None and self.domain.shape != (len(self.names), 2):
            raise ShapeError(
                f"A domain of shape {self.domain.shape} for {len(self.names)} inputs.",
                fix="Give smallest and largest value of each input: shape (inputs, 2).",
            )
        for expr in self.expressions:
            if foreign := set(symbols(expr)) - set(self.names):
                raise FormulaError(
                    f"The formula {expr} uses {sorted(foreign)}; the inputs are {list(self.names)}.",
                    fix="Add the columns to `names`, or rename them in the formula.",
                )

    def __call__(self, inputs: Any) -> np.ndarray:
        """Return the law's values: `(N,)` for one target, `(N, targets)` for several.

        Args:
            inputs: an array `(N, inputs)` in the order of `names`, or a mapping or table of columns by name.

        Raises:
            ShapeError: an array with another number of columns.
            ColumnError: a table without a column that the law uses.
        """
        columns = self._columns(inputs)
        values = [np.asarray(evaluate(expr, columns), dtype=float) for expr in self.expressions]
        return values[0] if len(values) == 1 else np.stack(values, axis=-1)

    def _columns(self, inputs: Any) -> dict[str, Any]:
        if isinstance(inputs, Mapping) or hasattr(inputs, "columns"):
            present = set(inputs) if isinstance(inputs, Mapping) else set(inputs.columns)
            return {name: np.asarray(inputs[name], dtype=float) for name in self.names if name in present}
        array = np.asarray(inputs, dtype=float)
        if array.ndim == 1 and len(self.names) == 1:
            array = array[:, None]
        if array.ndim != 2 or array.shape[1] != len(self.names):
            raise ShapeError(
                f"Inputs of shape {array.shape} for a law of {len(self.names)} columns: {list(self.names)}.",
                fix="Give an array (N, inputs) in this order, or a table with these columns.",
            )
        return dict(zip(self.names, array.T, strict=True))

    def __getitem__(self, target: str | int) -> "Law":
        """Return the law of one target, by its name or number."""
        if isinstance(target, str):
            if target not in self.targets:
                raise KeyError(f"No target {target!r}; there are {list(self.targets)}.")
            target = self.targets.index(target)
        return replace(self, expressions=(self.expressions[target],), targets=(self.targets[target],))

    def __len__(self) -> int:
        return len(self.expressions)

    @property
    def expression(self) -> Expr:
        """The formula of the first target."""
        return self.expressions[0]

    @property
    def complexity(self) -> int:
        """Nodes of all formulas, as a person writes them."""
        return sum(map(complexity, self.expressions))

    @property
    def constants(self) -> tuple[Constant, ...]:
        """All fitted constants with their standard errors, from left to right."""
        return tuple(c for expr in self.expressions for c in constants(expr))

    def round(self, digits: int) -> "Law":
        """Return the law with fitted constants and decimals rounded to significant `digits`."""
        return self._changed(lambda expr: _rounded(expr, digits))

    def simplify(self, positive: Sequence[str] = ()) -> "Law":
        """Return the law in its natural form; columns whose domain is positive are taken as such."""
        known = set(positive)
        if self.domain is not None:
            known |= {name for name, low in zip(self.names, self.domain[:, 0], strict=True) if low > 0}
        return self._changed(lambda expr: simplify(expr, known))

    def _changed(self, change: Any) -> "Law":
        return replace(self, expressions=tuple(change(expr) for expr in self.expressions))

    def latex(self, digits: int | None = None) -> str:
        """Return the equations in LaTeX, one a line."""
        return " \\\\ ".join(
            f"{latex_name(t)} = {to_latex(e, digits)}"
            for t, e in zip(self.targets, self.expressions, strict=True)
        )

    def sympy(self) -> Any:
        """Return the formula as a SymPy expression (a tuple for several targets)."""
        trees = tuple(map(to_sympy, self.expressions))
        return trees[0] if len(trees) == 1 else trees

    def numpy_source(self, name: str = "law") -> str:
        """Return Python source that needs NumPy only: one function of the inputs for each target."""
        if len(self) == 1:
            return to_numpy_source(self.expression, name, self.names)
        sources = [to_numpy_source(e, f"{name}_{i}", self.names) for i, e in enumerate(self.expressions)]
        head = "import numpy as np\n"
        return head + "".join(source.removeprefix(head) for source in sources)

    def export(self, language: str, path: Any = None, *, verdict: str = "", run: bool = True) -> str:
        """Return the law as source text of another language, run and compared with the law; see `law.export`."""
        from scikan.law.export import export

        return export(self, language, path, verdict=verdict, run=run)

    def text(self, digits: int | None = None) -> str:
        """Return the equations as text, one a line, floats rounded to significant `digits` for show."""
        return "\n".join(
            f"{quoted(t)} = {to_text(e, digits)}" for t, e in zip(self.targets, self.expressions, strict=True)
        )

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"Law({str(self)!r})"

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex(digits=6)}$"

    def to_dict(self) -> dict[str, Any]:
        """Return the law as text and numbers only, for JSON; `from_dict` reads it back exactly.

        `form` is the formula with its fitted constants written `c[0]`, `c[1]`, ...; `constants` are their
        values and standard errors (None where unknown); `formula` is the same for people.
        """
        laws = []
        for target, expr in zip(self.targets, self.expressions, strict=True):
            found = constants(expr)
            form = with_constants(expr, [Symbol(f"c[{i}]") for i in range(len(found))])
            laws.append(
                {
                    "target": target,
                    "formula": str(expr),
                    "form": str(form),
                    "constants": [[c.value, c.error if math.isfinite(c.error) else None] for c in found],
                }
            )
        domain = None if self.domain is None else self.domain.tolist()
        return {"laws": laws, "names": list(self.names), "units": dict(self.units), "domain": domain}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Law":
        """Return the law written by `to_dict`; its text is read by our own parser and nothing is run.

        Raises:
            FormulaError: the content is not that of a law.
        """
        try:
            names = tuple(str(name) for name in content["names"])
            expressions = tuple(_read(law, names) for law in content["laws"])
            targets = tuple(str(law["target"]) for law in content["laws"])
            units = {str(k): str(v) for k, v in content.get("units", {}).items()}
            given = content.get("domain")
            domain = None if given is None else np.asarray(given, dtype=float).reshape(-1, 2)
        except FormulaError:
            raise
        except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
            raise FormulaError(f"This is no law: {error!r}.", fix="Give what Law.to_dict wrote.") from None
        return cls(expressions, targets, names, units, domain)


def joined(laws: Sequence[Law]) -> Law:
    """Return the formulas of several laws over the same columns as one law; its domain holds all of theirs.

    Raises:
        ShapeError: the laws have other columns, or two have the same target.
    """
    first = laws[0]
    targets = tuple(target for law in laws for target in law.targets)
    if any(law.names != first.names for law in laws) or len(set(targets)) < len(targets):
        told = "; ".join(f"{', '.join(law.targets)} from {', '.join(law.names)}" for law in laws)
        raise ShapeError(
            f"These are no formulas of different targets over the same columns: {told}.",
            fix="Keep them as separate laws, or write them over the same `names`.",
        )
    ranges = [law.domain for law in laws if law.domain is not None]
    domain = None
    if len(ranges) == len(laws):
        domain = np.stack([np.min(ranges, axis=0)[:, 0], np.max(ranges, axis=0)[:, 1]], axis=1)
    units = {name: unit for law in laws for name, unit in law.units.items()}
    return Law(tuple(e for law in laws for e in law.expressions), targets, first.names, units, domain)


def _read(law: Mapping[str, Any], names: tuple[str, ...]) -> Expr:
    found = {
        f"c[{i}]": Constant(float(value), math.nan if error is None else float(error))
        for i, (value, error) in enumerate(law["constants"])
    }
    return substitute(parse(str(law["form"]), names=(*names, *found)), found)


def _rounded(expr: Expr, digits: int) -> Expr:
    if isinstance(expr, Constant):
        return Constant(_round(expr.value, digits), expr.error)
    if isinstance(expr, Number) and not expr.name and isinstance(expr.value, float):
        return Number(_round(expr.value, digits))
    return map_children(expr, lambda part: _rounded(part, digits))


def _round(value: float, digits: int) -> float:
    return float(f"{value:.{digits}g}") if math.isfinite(value) else value
