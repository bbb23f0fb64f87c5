r"""The parts that Lagrangians are built of, as terms of the Euler-Lagrange equation, from simple to rich.

For $L = m(v)\, p(q)\, f(z(q))$ with monomials m and p the equation of coordinate j reads
$(\sum_k m_{jk} a_k)\, p f + m_j (\dot p f + p f' \dot z) - m (p_j f + p f' z_j)$, indices being derivatives:
linear in f and f'. Two more parts are no such products: $T(v_i)$ and $T(v \cdot v)$. The inertia (the first bracket)
and the rest are also kept apart, because their sizes measure how small a residual is; total time derivatives
vanish in both, so no such gauge part can be an answer.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from scikan.core.checks import check_matrix
from scikan.core.errors import SettingError, ShapeError, TableError
from scikan.core.names import check_names
from scikan.core.nodes import ONE, Expr, Symbol, add, multiply
from scikan.core.parser import parse
from scikan.physics.terms import Term


Motion = Float[np.ndarray, "rows coordinates"]


@dataclass(frozen=True, eq=False)
class Motions:
    """States of a mechanical system: coordinates, velocities, accelerations (rows, coordinates), and their names."""

    q: Motion
    v: Motion
    a: Motion
    names: tuple[str, ...]
    velocity_names: tuple[str, ...]
    angles: tuple[int, ...] = ()

    @property
    def n(self) -> int:
        """Number of coordinates."""
        return int(self.q.shape[1])

    def symbol(self, i: int) -> Symbol:
        """Return coordinate i in formulas."""
        return Symbol(self.names[i])

    def speed(self, i: int) -> Symbol:
        """Return velocity i in formulas."""
        return Symbol(self.velocity_names[i])


def checked_motions(
    q: Any,
    v: Any,
    a: Any,
    names: Sequence[str] | None,
    velocity_names: Sequence[str] | None,
    angles: Sequence[str | int] = (),
) -> Motions:
    """Return states as a checked value; raises as `lagrangian` does."""
    arrays = []
    for what, given in (("q", q), ("v", v), ("a", a)):
        array = np.asarray(given, float)
        array = array[:, None] if array.ndim == 1 else array
        arrays.append(
            check_matrix(
                array, None if array.ndim != 2 else [f"{what}{n + 1}" for n in range(array.shape[1])]
            )
        )
    if len({array.shape for array in arrays}) != 1:
        shapes = ", ".join(f"{w} {x.shape}" for w, x in zip("qva", arrays, strict=True))
        raise ShapeError(
            f"Coordinates, velocities and accelerations differ in shape: {shapes}.",
            fix="give three arrays (rows, coordinates), one row per state.",
        )
    n_rows, d = arrays[0].shape
    if n_rows * d < 60:
        raise TableError(
            f"{n_rows} rows are too few for a Lagrangian; splines alone have more coefficients.",
            fix="give 200 rows or more (1,000 for two coordinates).",
        )
    given_names = tuple(names or (("q",) if d == 1 else tuple(f"q{n + 1}" for n in range(d))))
    speeds = tuple(
        velocity_names or (("v",) if names is None and d == 1 else tuple(f"v_{n}" for n in given_names))
    )
    if names is None and velocity_names is None and d > 1:
        speeds = tuple(f"v{n + 1}" for n in range(d))
    if len(given_names) != d or len(speeds) != d:
        raise ShapeError(
            f"{len(given_names)} names and {len(speeds)} names of velocities for {d} coordinates.",
            fix="give one name for each column of q.",
        )
    check_names([*given_names, *speeds])
    return Motions(arrays[0], arrays[1], arrays[2], given_names, speeds, _places(angles, given_names))


def _places(angles: Sequence[str | int], names: tuple[str, ...]) -> tuple[int, ...]:
    found = []
    for angle in angles:
        place = names.index(angle) if isinstance(angle, str) and angle in names else angle
        if not isinstance(place, int) or not 0 <= place < len(names):
            raise SettingError(
                f"The angle {angle!r} is no coordinate.", fix=f"the coordinates are {list(names)}."
            )
        found.append(place)
    return tuple(found)


@dataclass(frozen=True, eq=False)
class Place:
    """A function of the coordinates: its formula, values (rows,), gradient (rows, coordinates)."""

    expr: Expr
    value: Float[np.ndarray, " rows"]
    gradient: Motion


def coordinate(motions: Motions, weights: dict[int, float]) -> Place:
    """Return a linear combination of coordinates, such as q_1 - q_2."""
    gradient = np.zeros_like(motions.q)
    for i, w in weights.items():
        gradient[:, i] = w
    terms = [
        motions.symbol(i) if w == 1 else multiply((parse("-1"), motions.symbol(i)))
        for i, w in weights.items()
    ]
    return Place(add(terms), motions.q @ gradient[0], gradient)


def radius(motions: Motions, pair: Sequence[int]) -> Place:
    """Return sqrt(q_i^2 + q_j^2 ...)."""
    chosen = motions.q[:, list(pair)]
    r = np.linalg.norm(chosen, axis=1)
    gradient = np.zeros_like(motions.q)
    gradient[:, list(pair)] = chosen / r[:, None]
    squares = add([motions.symbol(i) ** 2 for i in pair])
    return Place(squares ** parse("1/2"), r, gradient)


def kinetic(motions: Motions, i: int) -> Term:
    """Return T(v_i)."""
    weight = np.zeros((len(motions.q), 1, motions.n))
    weight[:, 0, i] = motions.a[:, i]
    mass = np.zeros((len(motions.q), 1, motions.n**2))
    mass[:, 0, i * (motions.n + 1)] = 1.0
    return Term(
        f"T({motions.velocity_names[i]})",
        (motions.speed(i),),
        motions.v[:, i : i + 1],
        {2: weight},
        {2: _stacked(weight, 0)},
        {2: mass},
        free=2,
        ends=True,
    )


def kinetic_of_speed(motions: Motions) -> Term:
    """Return T(v . v), as a relativistic particle in several dimensions has it."""
    along = np.sum(motions.v * motions.a, axis=1, keepdims=True)
    first, second = 2 * motions.a[:, None, :], 4 * (motions.v * along)[:, None, :]
    square = add([motions.speed(i) ** 2 for i in range(motions.n)])
    return Term(
        "T(v.v)",
        (square,),
        np.sum(motions.v**2, axis=1, keepdims=True),
        {1: first, 2: second},
        {1: _stacked(first, 0), 2: _stacked(second, 0)},
        {
            1: np.broadcast_to(2 * np.eye(motions.n).ravel(), (len(motions.q), 1, motions.n**2)),
            2: 4 * np.einsum("nj,nk->njk", motions.v, motions.v).reshape(len(motions.q), 1, -1),
        },
        ends=True,
    )


def part(motions: Motions, speeds: tuple[int, ...], at: Place, power: tuple[int, int] | None = None) -> Term:
    """Return m(v) p(q) f(z): m the product of these velocities (none, one or two), p = q_i^n for `power` = (i, n)."""
    n_rows, n = motions.q.shape
    m, first, second = _monomial(motions.v, speeds)
    p, p_gradient = np.ones(n_rows), np.zeros_like(motions.q)
    p_expr: Expr = ONE
    if power is not None:
        i, exponent = power
        p, p_expr = motions.q[:, i] ** exponent, motions.symbol(i) ** exponent
        p_gradient[:, i] = exponent * motions.q[:, i] ** (exponent - 1)
    p_dot, z_dot = (np.sum(g * motions.v, axis=1)[:, None] for g in (p_gradient, at.gradient))
    inertia = np.einsum("njk,nk->nj", second, motions.a) * p[:, None]
    rest = first * p_dot - m[:, None] * p_gradient
    slope = p[:, None] * (first * z_dot - m[:, None] * at.gradient)
    scale = {1: _stacked(slope[:, None], 1)}
    weights = {1: slope[:, None]}
    if speeds or power:
        weights[0] = (inertia + rest)[:, None]
        scale[0] = _stacked(inertia[:, None], 0) + _stacked(rest[:, None], 1)
    mass = {0: (second * p[:, None, None]).reshape(n_rows, 1, n * n)} if len(speeds) == 2 else {}
    powers = [motions.speed(i) ** speeds.count(i) for i in dict.fromkeys(speeds)]
    factor = multiply([*powers, p_expr])
    label = f"{'' if factor == ONE else factor}" + ("V" if not speeds else "f") + f"({at.expr})"
    # v_i times a constant is the time derivative of q_i: nothing knows of it.
    free = 0 if len(speeds) == 2 or power else 1
    return Term(label, (at.expr,), at.value[:, None], weights, scale, mass, factor, free)


def _monomial(v: Motion, speeds: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n_rows, n = v.shape
    value, first, second = np.ones(n_rows), np.zeros((n_rows, n)), np.zeros((n_rows, n, n))
    if len(speeds) == 1:
        value, first[:, speeds[0]] = v[:, speeds[0]], 1.0
    elif len(speeds) == 2:
        i, j = speeds
        value = v[:, i] * v[:, j]
        first[:, i] += v[:, j]
        first[:, j] += v[:, i]
        second[:, i, j] += 1.0
        second[:, j, i] += 1.0
    return value, first, second


def _stacked(weight: np.ndarray, block: int) -> np.ndarray:
    """Put the rows of one part beside zeros for the other: inertia first, the rest second."""
    other = np.zeros_like(weight)
    return np.concatenate([weight, other] if block == 0 else [other, weight], axis=2)


def families(motions: Motions) -> Iterator[tuple[str, list[Term]]]:
    """Yield (name, terms) of ever richer classes of Lagrangians."""
    d = motions.n
    own = [coordinate(motions, {i: 1.0}) for i in range(d)]
    separable = [part(motions, (), z) for z in own]
    yield "T(v) - V(q), separable", [*(kinetic(motions, i) for i in range(d)), *separable]
    if d == 1:
        yield "m(q) v^2 - V(q)", [part(motions, (0, 0), own[0]), *separable]
        return
    pairs = [(i, j) for i in range(d) for j in range(i + 1, d)]
    between = [coordinate(motions, {i: 1.0, j: s}) for i, j in pairs for s in (-1.0, 1.0)]
    straight = [k for k in range(d) if k not in motions.angles]
    radii = [radius(motions, pair) for pair in pairs if set(pair) <= set(straight)]
    if d > 2 and len(straight) == d:
        radii.append(radius(motions, range(d)))
    potentials = [*separable, *(part(motions, (), z) for z in [*between, *radii])]
    magnetic = [part(motions, (i,), own[j]) for i, j in pairs] + [
        part(motions, (j,), own[i]) for i, j in pairs
    ]
    yield (
        "T(v) - V(q) with pairs and a magnetic part",
        [
            *(kinetic(motions, i) for i in range(d)),
            *potentials,
            *magnetic,
        ],
    )
    squares = [*((i, i) for i in range(d)), *pairs]
    inertia = [part(motions, speeds, z) for speeds in squares for z in own]
    mixed = [part(motions, pair, coordinate(motions, {pair[0]: 1.0, pair[1]: -1.0})) for pair in pairs]
    lever = [part(motions, (), own[j], (i, 1)) for i in range(d) for j in range(d) if i != j]
    yield (
        "a mass matrix of the coordinates",
        [*inertia, *mixed, *separable, *(part(motions, (), z) for z in between)],
    )
    yield "a mass matrix, levers and a magnetic part", [*inertia, *mixed, *potentials, *lever, *magnetic]
    yield "T(v.v) - V", [kinetic_of_speed(motions), *potentials, *magnetic]
