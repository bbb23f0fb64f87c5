r"""Differential equations in two variables by least squares: splines in each variable, products of curves, a formula.

    residual F(x, u, u_x, u_xx, ...) at collocation points, conditions at boundary points
    -> Gauss-Newton in the coefficients (one step for a linear equation) -> finer grid, from the coarser answer
    -> points and knots go where the residual is large, if the equation is not linear
    -> $u = \sum_r f_r(x) h_r(y)$, if few products will do: the curves themselves on still finer grids, a KAN
    -> their names, or a formula of u: the solution, if it solves the equation to rounding (`closed_forms`)

Nothing is trained.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from threadpoolctl import threadpool_limits

from scikan.core.errors import SettingError, ShapeError, TableError
from scikan.core.kan import KAN
from scikan.law.record import Law
from scikan.physics.closed_forms import TARGET, closed_form
from scikan.physics.collocation import Equation, Points, Pointwise, gauss_newton
from scikan.physics.finding import LawFinding
from scikan.physics.products import DEGREE, ProductColumns, Products, Tensor, TensorColumns
from scikan.train.linear import Refinement, knots_of


GRIDS = (4, 8, 16)
ROWS_PER_COLUMN = 3
POINTS_PER_COLUMN = 10
FEWEST_POINTS = 3000
SOLVED = 1e-3
"""Residual, relative to its largest part, below which splines solve an equation."""

SECONDS = 15.0

Verdict = Literal["solved", "approximation", "none"]


@dataclass(frozen=True, eq=False, repr=False)
class Solution(LawFinding):
    """The answer of `solve_equation`; calling it gives u in splines at points, or a derivative of u.

    Args:
        verdict: "solved" (the residual is small and falls with the grid), "approximation" or "none".
        reason: one sentence.
        residual: rms of the equation at points that no solve has read, over the rms of its largest part.
        condition_error: rms of what is left of the conditions, in the unit of u.
        evidence: residuals under refinement.
        rank: products f(x) h(y) larger than what is left of the equation, of the answer's size.
        function: u in splines: products of curves, or all products of two splines where too many would be needed.
        model: the law as a KAN, or the products of curves; None if there are neither.
        law: u as a formula, only if it solves the equation and meets the conditions to rounding.
        law_residual: what the law leaves of the equation, as `residual`; infinite without a law.
    """

    verdict: Verdict
    reason: str
    residual: float
    condition_error: float
    evidence: Refinement
    rank: int
    function: Products | Tensor
    model: KAN | None
    law: Law | None
    law_residual: float

    def __call__(self, points: Any, derivative: str = "") -> np.ndarray:
        """Return u, or a derivative of it such as "xx", at points (rows, 2); shape (rows,)."""
        return self.function(np.asarray(points, float), derivative)

    def __str__(self) -> str:
        return f"{self.verdict}: {self.law}" if self.law is not None else f"{self.verdict}: {self.reason}"

    @property
    def parameters(self) -> int:
        """Number of coefficients of the splines."""
        return self.function.n_coefficients


def solve_equation(
    residual: Pointwise,
    box: Sequence[tuple[float, float]],
    conditions: Sequence[tuple[Any, Any]],
    *,
    derivatives: Sequence[str] = ("x", "y", "xx", "yy"),
    names: Sequence[str] = ("x", "y"),
    grids: Sequence[int] = GRIDS,
    seconds: float = SECONDS,
    seed: int = 0,
) -> Solution:
    """Return the solution of a differential equation on a rectangle.

    Args:
        residual: `residual(x, u)` at one point x (2,), written for JAX; u["u"] is the value, u["xx"] a derivative.
        box: ((low, high), (low, high)) of the variables.
        conditions: pairs (points (rows, 2), values (rows,)): boundary and initial values.
        derivatives: which ones the residual reads.
        names: of the variables, one letter each.
        grids: intervals of every variable, rising.
        seconds: of the search for a formula, where the curves of the solution have no names; 0 for no such search.
        seed: of the collocation points and of the search.

    Raises:
        ShapeError: conditions of another shape.
        SettingError: grids that do not rise, names of other than one letter, a derivative of no variable or one that
            the residual reads and `derivatives` lacks, negative seconds.
        TableError: conditions that are not finite.
        TrainingError: the residual is not finite.

    Example:
        Poisson: `solve_equation(lambda x, u: u["xx"] + u["yy"] - f(x), box, [(edge, values)])`.
    """
    places, values = _checked(box, conditions, derivatives, names, grids)
    if not seconds >= 0:
        raise SettingError(f"seconds is {seconds}.", fix="a time such as 15, or 0 for no search.")
    equation = Equation(residual, np.asarray(box, float), places, values, ("", *derivatives), tuple(names))
    rng = np.random.default_rng(seed)
    unseen = equation.inside(rng.uniform(size=(2000, 2)))
    with threadpool_limits(limits=1):
        tensor, evidence = _tensor(equation, grids, rng, unseen)
        curves, evidence = _products(equation, tensor, evidence, rng, unseen)
        function = tensor if curves is None else curves
        verdict, reason, missed = _judged(equation, function, evidence)
        network = None if curves is None else curves.network(TARGET)
        form = None if verdict == "none" else closed_form(equation, function, network, seconds, seed)
    return Solution(
        "solved" if form else verdict,
        f"{reason} {form}" if form else reason,
        evidence.residuals[-1],
        missed,
        evidence,
        _rank(tensor, evidence) if curves is None else curves.rank,
        function,
        form.model if form else network,
        form.law if form else None,
        form.residual if form else float("inf"),
    )


def _checked(
    box: Any, conditions: Any, derivatives: Sequence[str], names: Sequence[str], grids: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    if np.shape(box) != (2, 2) or not all(high > low for low, high in box):
        raise ShapeError(f"box is {box}.", fix="give ((low, high), (low, high)), low below high.")
    if len(names) != 2 or any(len(name) != 1 for name in names) or names[0] == names[1]:
        raise SettingError(f"names are {tuple(names)}.", fix="give two different letters.")
    if unknown := [d for d in derivatives if not d or set(d) - set(names) or len(d) > DEGREE - 1]:
        raise SettingError(
            f"{unknown[0]!r} is no derivative by {' and '.join(names)}.", fix="write x, y, xx, xy, yy, ..."
        )
    if not grids or list(grids) != sorted(set(grids)) or grids[0] < 2:
        raise SettingError(f"grids are {tuple(grids)}.", fix="give rising numbers from 2 on.")
    if not conditions:
        raise SettingError(
            "Without conditions the equation has many solutions.", fix="give boundary or initial values."
        )
    pairs = [(np.asarray(p, float), np.asarray(v, float)) for p, v in conditions]
    for p, v in pairs:
        if p.ndim != 2 or p.shape[1] != 2 or v.shape != p.shape[:1]:
            raise ShapeError(
                f"A condition has points {p.shape} and values {v.shape}.", fix="(rows, 2), (rows,)."
            )
    places, values = np.concatenate([p for p, _ in pairs]), np.concatenate([v for _, v in pairs])
    if len(wrong := np.flatnonzero(~np.isfinite(values) | ~np.isfinite(places).all(axis=1))):
        raise TableError(
            f"The conditions hold {values[wrong[0]]:g} at {places[wrong[0]].tolist()}.",
            fix="give finite points and values.",
        )
    return places, values


def _tensor(
    equation: Equation, grids: Sequence[int], rng: np.random.Generator, unseen: Points
) -> tuple[Tensor, Refinement]:
    """Return the solution in all products of splines, on the finest grid, and what was left on every grid."""
    found: Tensor | None = None
    linear, left = False, []
    for grid in grids:
        found, linear = _solved(equation, grid, rng, found, linear)
        left.append(equation.relative(found, unseen))
    assert found is not None
    return found, Refinement(tuple(grids), tuple(left))


def _solved(
    equation: Equation, grid: int, rng: np.random.Generator, before: Tensor | None, linear: bool
) -> tuple[Tensor, bool]:
    """Return the least-squares solution on a grid, from the one before, and whether the equation is linear."""
    evenly = before is None or linear
    at = _points(equation, grid, rng, None if evenly else before)
    ends = equation.box.T
    first, second = (
        knots_of(np.concatenate([at[:, n], ends[:, n]]), grid, DEGREE, 0.0 if evenly else 0.5) for n in (0, 1)
    )
    family = TensorColumns(equation, at, (first, second))
    if before is None:
        start = np.linalg.lstsq(family.fixed, equation.values, rcond=1e-10)[0]
    else:
        start = np.linalg.lstsq(family.columns[0], before(at), rcond=1e-12)[0]
    coef, linear = gauss_newton(equation, at, family, start)
    shape = (len(first) - DEGREE - 1, len(second) - DEGREE - 1)
    return Tensor((first, second), coef.reshape(shape), equation.names), linear


def _points(equation: Equation, grid: int, rng: np.random.Generator, before: Tensor | None) -> Points:
    """Return collocation points; half as many more where the residual before is large, if there is one."""
    side = int(np.ceil(np.sqrt(ROWS_PER_COLUMN) * (grid + DEGREE)))
    # Chebyshev points: splines are least held near the edges.
    line = _towards_edges((np.arange(side) + 0.5) / side)
    even = equation.inside(np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2))
    if before is None:
        return even
    pool = equation.inside(rng.uniform(size=(4 * len(even), 2)))
    weight = np.abs(equation.at(pool, equation.jet(before, pool))[0])
    chosen = rng.choice(len(pool), len(even) // 2, replace=False, p=weight / weight.sum())
    return np.concatenate([even, pool[chosen]])


def _towards_edges(unit: np.ndarray) -> np.ndarray:
    return np.asarray(0.5 - 0.5 * np.cos(np.pi * unit))


def _products(
    equation: Equation, tensor: Tensor, evidence: Refinement, rng: np.random.Generator, unseen: Points
) -> tuple[Products | None, Refinement]:
    """Return the solution as products of curves on finer grids, if they are few enough, and the evidence with it.

    Grids are halved as long as that takes no more coefficients than the tensor and leaves less of the equation.
    """
    curves, found = tensor.split(_rank(tensor, evidence)), None
    while (finer := curves.refined()).n_coefficients <= tensor.n_coefficients:
        unit = rng.uniform(size=(max(FEWEST_POINTS, POINTS_PER_COLUMN * finer.n_coefficients), 2))
        at = equation.inside(_towards_edges(unit))
        coef, _ = gauss_newton(
            equation, at, ProductColumns(equation, at, finer.knots, finer.rank), finer.flat()
        )
        curves = finer.with_flat(coef)
        left = equation.relative(curves, unseen)
        if left >= evidence.residuals[-1]:
            break
        found = curves
        evidence = Refinement((*evidence.grids, 2 * evidence.grids[-1]), (*evidence.residuals, left))
    return found, evidence


def _rank(tensor: Tensor, evidence: Refinement) -> int:
    return tensor.rank(max(1e-6, evidence.residuals[-1]))


def _judged(
    equation: Equation, solution: Tensor | Products, evidence: Refinement
) -> tuple[Verdict, str, float]:
    """Return the verdict, its reason, and what is left of the conditions."""
    left, missed = evidence.residuals[-1], equation.missed(solution)
    size = max(float(np.std(equation.values)), float(np.abs(solution(equation.places)).max()))
    told = f"what is left of the equation is {evidence} of its largest part; conditions are missed by {missed:.1g}"
    if left < SOLVED and missed < SOLVED * size and evidence.kind != "flat":
        return "solved", f"{told}.", missed
    return ("none" if left > 0.3 else "approximation"), f"{told}.", missed
