r"""A change of one coordinate that makes a metric show a symmetry, as a formula; every branch of it.

    t' = t + F(s(x)), u = F' -> residual of the wanted form, at most quadratic in u -> roots from u = +1 and u = -1
    -> two tables of u -> a law of each -> constants judged by the residual itself -> F', F, a KAN, the loss

Fitting F itself by gradients falls between the branches: half of the domain takes one sign, half the other, and
a wall stands between. Here each branch is followed from its own side, and its sign is looked at.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from scikan.core.dataset import Dataset
from scikan.core.errors import SettingError, ShapeError, TableError
from scikan.core.expr import Expr, evaluate, substitute
from scikan.core.kan import KAN
from scikan.core.nodes import Constant, Symbol, add, multiply
from scikan.core.nodes import root as square_root
from scikan.discovery.discover import Config, discover
from scikan.law.record import Law
from scikan.law.simplify import simplify
from scikan.law.snapping import simplest_number
from scikan.physics.finding import Finding
from scikan.physics.forms import Curve, shapes_of_curve
from scikan.physics.wanted import Form, Function
from scikan.symbolic.kanpiler import kanpiler


MetricFunction: TypeAlias = Callable[[Any, Any], Any]
MOST_ROWS = 400
STEPS = 60
NOTHING = 1e-20
"""A mean square of the residual below this (metric entries are near one) is rounding."""


@dataclass(frozen=True, eq=False)
class Branch:
    """One solution.

    Args:
        start: the value of F' that it was followed from.
        law: F' as a formula over s and the parameters; None if none was found.
        integral: F as a formula of s, where it has a name.
        loss: mean square of the residual with the formula; with the table where there is no formula.
        table_loss: mean square of the residual with the numbers that the formula was read from.
        keeps_sign: whether F' has one sign everywhere: no domain wall.
        s, slope: the table of F', (rows,).
        model: the law as a KAN.
    """

    start: float
    law: Law | None
    integral: Law | None
    loss: float
    table_loss: float
    keeps_sign: bool
    s: Float[np.ndarray, " rows"]
    slope: Float[np.ndarray, " rows"]
    model: KAN | None


@dataclass(frozen=True, eq=False, repr=False)
class HiddenSymmetry(Finding):
    """What was found: the branches (one for each sign), the loss without any change, and a sentence.

    `laws` are the formulas of F' that hold; `loss` is the largest of their losses.
    """

    branches: tuple[Branch, ...]
    untouched: float
    verdict: str
    reason: str

    @property
    def told(self) -> tuple[Law, ...]:
        """The formulas of all branches."""
        return self.laws

    @property
    def laws(self) -> tuple[Law, ...]:
        """The formulas of F' of all branches that have one."""
        return tuple(b.law for b in self.branches if b.law is not None)

    @property
    def loss(self) -> float:
        """The largest loss among the branches."""
        return max(b.loss for b in self.branches)


def hidden_symmetry(
    metric: MetricFunction,
    wanted: Form | Callable[[Any], Any],
    samples: Any,
    *,
    parameters: Mapping[str, Any] | None = None,
    coordinate: int = 0,
    along: Callable[[Any], Any] | None = None,
    name: str = "r",
    key: int = 0,
) -> HiddenSymmetry:
    """Return the new coordinate x' = x + F(s) in which a metric has the wanted form.

    Args:
        metric: `metric(x, parameters)` at one point x (n,) returns (n, n); written for JAX.
        wanted: a `Form`, such as `FlatSlices()`, or any function of the transformed metric that vanishes where
            the form holds.
        samples: points, (rows, n), in the metric's own coordinates.
        parameters: numbers that differ from point to point, such as an unknown mass: columns (rows,) by name.
        coordinate: which coordinate is changed; 0, the time.
        along: s as a function of one point; the distance from the origin in the other coordinates.
        name: of s, in formulas.
        key: seed of the search for formulas.

    Raises:
        ShapeError: samples that are no (rows, n) array, a metric that is not (n, n), parameters of other lengths.
        TableError: a metric or a residual that is not finite at a sample.
        SettingError: the wanted form does not depend on F.
    """
    form = wanted if isinstance(wanted, Form) else Function(wanted)
    x, given = _checked(metric, samples, parameters, coordinate)
    change = Change(metric, form, coordinate, along or _distance(coordinate), x, given)
    untouched = change.loss(np.zeros(len(x)))
    first = _branch(change, 1.0, name, key)
    branches = [first, _branch(change, -1.0, name, key, mirror=first)]
    if np.allclose(branches[0].slope, branches[1].slope, rtol=1e-6, atol=1e-9):
        branches = branches[:1]
    verdict, reason = _verdict(branches, untouched)
    return HiddenSymmetry(tuple(branches), untouched, verdict, reason)


def _distance(coordinate: int) -> Callable[[Any], Any]:
    return lambda x: jnp.sqrt(jnp.sum(jnp.delete(x, coordinate) ** 2))


def _checked(
    metric: MetricFunction, samples: Any, parameters: Mapping[str, Any] | None, coordinate: int
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    x = np.asarray(samples, float)
    if x.ndim != 2 or len(x) < 20:
        raise ShapeError(
            f"samples has shape {x.shape}; points are rows.",
            fix="give (rows, coordinates), 100 rows or more.",
        )
    if not 0 <= coordinate < x.shape[1]:
        raise SettingError(f"coordinate is {coordinate}, the points have {x.shape[1]}.", fix="count from 0.")
    given = {name: np.asarray(values, float) for name, values in (parameters or {}).items()}
    for name, values in given.items():
        if values.shape != (len(x),):
            raise ShapeError(
                f"The parameter {name!r} has shape {values.shape} for {len(x)} samples.",
                fix="give one value for each sample, np.full(len(samples), value) for a fixed one.",
            )
    g = np.asarray(jax.vmap(metric)(x, given))
    if g.shape != (len(x), x.shape[1], x.shape[1]):
        raise ShapeError(
            f"The metric at one point has shape {g.shape[1:]} for {x.shape[1]} coordinates.",
            fix="return a square matrix, one row per coordinate.",
        )
    bad = ~np.isfinite(g).all(axis=(1, 2))
    if bad.any():
        raise TableError(
            f"The metric is not finite at sample {int(np.argmax(bad))} and {int(bad.sum()) - 1} more.",
            fix="keep the samples away from horizons and singular points.",
        )
    return x, given


class Change:
    """The residual of the wanted form as a function of u = F' (and its slope along s) at every sample."""

    def __init__(
        self,
        metric: MetricFunction,
        form: Form,
        coordinate: int,
        along: Callable[[Any], Any],
        x: np.ndarray,
        parameters: dict[str, np.ndarray],
    ) -> None:
        self.x, self.parameters = x, parameters
        self.s = np.asarray(jax.vmap(along)(x))

        def residual(point: Any, given: Any, u: Any, du: Any) -> Any:
            place = along(point)

            def transformed(at: Any) -> Any:
                # Around the point F' is a straight line in s, which is all that first derivatives of g' see.
                slope = u + du * (along(at) - place)
                back = jnp.eye(len(at)).at[coordinate].add(-slope * jax.grad(along)(at))
                return back.T @ metric(at, given) @ back

            return form.residual(transformed, point)

        def with_slopes(point: Any, given: Any, u: Any, du: Any) -> Any:
            by = jax.jacfwd(residual, argnums=(2, 3))(point, given, u, du)
            return residual(point, given, u, du), by[0], by[1]

        self._all = jax.jit(jax.vmap(with_slopes))

    def at(self, u: np.ndarray, du: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return residuals and their derivatives by u and by du, (rows, residuals) each."""
        slope = np.zeros_like(u) if du is None else du
        found = self._all(self.x, self.parameters, u, slope)
        return np.asarray(found[0]), np.asarray(found[1]), np.asarray(found[2])

    def loss(self, u: np.ndarray, du: np.ndarray | None = None) -> float:
        """Return the mean square of all residuals."""
        with np.errstate(all="ignore"):
            return float(np.mean(self.at(u, du)[0] ** 2))

    @property
    def is_local(self) -> bool:
        """Whether u alone matters, not how it changes: then every sample can be solved by itself."""
        slopes = self.at(np.ones(len(self.x)), np.full(len(self.x), 0.3))[2]
        return not np.any(np.abs(slopes) > 1e-12)


def pointwise(change: Change, start: float) -> np.ndarray:
    """Return u at every sample by damped Gauss-Newton from one start, (rows,)."""
    u = np.full(len(change.x), start)
    residual, by, _ = change.at(u)
    if not np.any(np.abs(by) > 1e-12):
        raise SettingError(
            "The wanted form does not depend on the change of coordinate.",
            fix="change another coordinate, or ask for another form.",
        )
    cost, damping = np.sum(residual**2, axis=1), np.full(len(u), 1e-3)
    for _ in range(STEPS):
        curvature = np.sum(by**2, axis=1)
        step = np.sum(by * residual, axis=1) / np.maximum(curvature * (1 + damping), 1e-300)
        trial = u - step
        after, slopes, _ = change.at(trial)
        lower = np.sum(after**2, axis=1)
        better = lower < cost
        u, cost = np.where(better, trial, u), np.where(better, lower, cost)
        residual, by = np.where(better[:, None], after, residual), np.where(better[:, None], slopes, by)
        damping = np.where(better, damping / 100, np.maximum(damping, 1e-6) * 10)
        if not better.any() and damping.min() > 1e3:
            break
    return u


def _branch(change: Change, start: float, name: str, key: int, mirror: Branch | None = None) -> Branch:
    from scikan.physics.smooth import smooth_slope

    if change.is_local:
        u, du = pointwise(change, start), None
    else:
        u, du = smooth_slope(change, start)
    table_loss = change.loss(u, du)
    keeps = bool(np.all(u > 0) or np.all(u < 0))
    if mirror is not None and mirror.law is not None and np.allclose(u, -mirror.slope, rtol=1e-9, atol=1e-12):
        # The residual holds F'^2 alone: what is known of one sign is known of the other.
        law: Law | None = replace(mirror.law, expressions=(simplify(-mirror.law.expression),))
    else:
        law = _named(change, u, name, key) if table_loss < 1e-6 else None
    loss = table_loss
    integral: Law | None = None
    model: KAN | None = None
    if law is not None:
        loss = _loss_of(change, law)
        integral = _integral(change.s, law, name) if not change.parameters else None
        model = kanpiler(law.expressions, law.names, domain=law.domain, targets=law.targets)
    return Branch(start, law, integral, loss, table_loss, keeps, change.s, u, model)


def _named(change: Change, u: np.ndarray, name: str, key: int) -> Law | None:
    """Return the law of the table of u that the search for laws finds."""
    columns = {name: change.s} | change.parameters
    rows = np.sort(np.random.default_rng(key).permutation(len(u))[:MOST_ROWS])
    table = Dataset.from_arrays(
        np.stack([c[rows] for c in columns.values()], axis=1), u[rows], names=tuple(columns), targets=("F'",)
    )
    found = discover(table, Config(key=key)).law
    if found is None:
        return None
    domain = np.asarray([[c.min(), c.max()] for c in columns.values()])
    return Law(found.expressions, ("dF",), tuple(columns), domain=domain)


def _loss_of(change: Change, law: Law) -> float:
    columns = dict(zip(law.names, [change.s, *change.parameters.values()], strict=True))
    u = np.broadcast_to(np.asarray(evaluate(law.expression, columns), float), change.s.shape)
    step = 1e-6 * max(float(np.ptp(change.s)), 1e-300)
    beside = [
        np.asarray(evaluate(law.expression, columns | {law.names[0]: change.s + h})) for h in (step, -step)
    ]
    du = np.broadcast_to((beside[0] - beside[1]) / (2 * step), u.shape)
    return change.loss(np.array(u), np.array(du))


def _integral(s: np.ndarray, law: Law, name: str) -> Law | None:
    """Return F if a short sum of forms of s or of its root has F' as its derivative to rounding."""
    from scipy.integrate import cumulative_simpson

    low, high = float(s.min()), float(s.max())
    w = np.linspace(np.sqrt(low), np.sqrt(high), 4001) if low > 0 else None
    for root in (False, True) if w is not None else (False,):
        grid = w if root else np.linspace(low, high, 4001)
        assert grid is not None
        z = grid**2 if root else grid
        slope = np.asarray(evaluate(law.expression, {name: z}), float) * (2 * grid if root else 1.0)
        f = cumulative_simpson(np.broadcast_to(slope, z.shape), x=grid, initial=0.0)
        curve = Curve(grid[::25], f[::25], 1)
        for shape in shapes_of_curve(curve, 1e-11):
            if shape.misfit < 1e-9:
                return _as_law(shape, law, name, root)
    return None


def _as_law(shape: Any, law: Law, name: str, root: bool) -> Law:

    def number(value: float) -> Expr:
        simple = simplest_number(value, 1e-6 * abs(value))
        return simple[0] if simple is not None else Constant(value)

    z: Expr = square_root(Symbol(name)) if root else Symbol(name)
    terms = []
    for atom, c in zip(shape.atoms, shape.coefficients, strict=True):
        inner = {f"t{n}": number(t) for n, t in enumerate(atom.inner)}
        terms.append(multiply((number(c), substitute(atom.family.expr(), inner | {"u": z}))))
    return Law((add(simplify(t) for t in terms),), ("F",), law.names, domain=law.domain)


def _verdict(branches: Sequence[Branch], untouched: float) -> tuple[str, str]:
    named = [b for b in branches if b.law is not None and b.loss < NOTHING]
    if named:
        count = "one formula" if len(named) == 1 else f"{len(named)} formulas, one for each sign"
        worst = max(b.loss for b in named)
        return "law", f"the new coordinate has {count}; the loss falls from {untouched:.2g} to {worst:.1g}."
    best = min(b.table_loss for b in branches)
    if best < 1e-3 * untouched:
        return (
            "approximation",
            f"a change of coordinate lowers the loss to {best:.1g}, but no formula reaches rounding.",
        )
    return (
        "none",
        f"no change of this coordinate along s brings the metric to the form (loss {best:.2g} of {untouched:.2g}).",
    )
