"""Fields on many states at once, and long orbits from them: what a law must survive beyond the samples."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float

from scikan.core import precision  # noqa: F401 (fields are evaluated in double precision)
from scikan.core.errors import ShapeError


Field: TypeAlias = Callable[[Any], Any]
BatchField: TypeAlias = Callable[[Float[np.ndarray, "rows coordinates"]], np.ndarray]

N_ORBITS = 24
N_SNAPSHOTS = 40
DURATION = 30.0
"""Length of orbits, in the time in which a state crosses its own spread."""

N_REACHING, N_STEPS = 200, 800
ESCAPED = 10.0
"""Orbits end where a coordinate is this many times farther out than the samples."""


def batched(field: Field, example: Float[np.ndarray, " coordinates"]) -> BatchField:
    """Return the field on rows of states: compiled if JAX can trace it, row by row if not.

    Raises:
        ShapeError: if the field does not map (d,) to (d,).
    """
    import jax
    import jax.numpy as jnp

    def vector(z: Any) -> Any:
        value = field(z)
        return jnp.stack([jnp.asarray(v) for v in value]) if isinstance(value, list | tuple) else value

    try:
        shape = jax.eval_shape(vector, jnp.asarray(example)).shape
        compiled = jax.jit(jax.vmap(vector))
        call: BatchField = lambda rows: np.asarray(compiled(rows), float)
    except (
        TypeError,
        jax.errors.TracerArrayConversionError,
        jax.errors.ConcretizationTypeError,
        AttributeError,
    ):
        # A field written in NumPy, or one that branches on values: slower, equally right.
        shape = np.shape(field(example))
        call = lambda rows: np.stack([np.asarray(field(row), float) for row in rows])
    if shape != example.shape:
        raise ShapeError(
            f"The field maps a state of shape {example.shape} to shape {shape}.",
            fix="return one velocity for each coordinate, shape (d,).",
        )
    return call


def long_orbits(
    field: BatchField, states: Float[np.ndarray, "rows coordinates"], seed: int
) -> Float[np.ndarray, "orbits snapshots coordinates"] | None:
    """Return orbits from some of the states, NaN after they escape; None if the solver does not get far.

    Orbits that come near a singularity of the field are cut there: steps below 1e-3 of the usual one.
    """
    from scipy.integrate import DOP853

    rng = np.random.default_rng(seed)
    starts = states[rng.choice(len(states), min(N_ORBITS, len(states)), replace=False)]
    spread = np.maximum(states.std(axis=0), 1e-300)
    middle = states.mean(axis=0)
    far = ESCAPED * np.maximum(np.abs(states - middle).max(axis=0), spread)
    speed = np.linalg.norm(field(states) / spread, axis=1)
    duration = DURATION / max(float(np.median(speed)), 1e-300)
    times = np.linspace(0.0, duration, N_SNAPSHOTS)
    orbits = np.full((len(starts), N_SNAPSHOTS, states.shape[1]), np.nan)
    for n, start in enumerate(starts):
        orbits[n, 0] = start
        with np.errstate(all="ignore"):
            solver = DOP853(
                lambda t, z: field(z[None])[0],
                0.0,
                start,
                duration,
                rtol=1e-10,
                atol=1e-12 * float(spread.max()),
            )
            reached = 0
            for _ in range(400):
                if solver.status != "running":
                    break
                solver.step()
                if not np.all(np.abs(solver.y - middle) < far):
                    break
                since = 0.0 if solver.t_old is None else solver.t_old
                inner = np.flatnonzero((times > since) & (times <= solver.t))
                if len(inner):
                    orbits[n, inner] = solver.dense_output()(times[inner]).T
                    reached = int(inner[-1])
        orbits[n, reached + 1 :] = np.nan
    return orbits if np.isfinite(orbits[:, 1:, 0]).any() else None


def reached_states(
    field: BatchField, states: Float[np.ndarray, "rows coordinates"], seed: int
) -> Float[np.ndarray, "reached coordinates"]:
    """Return states that many orbits pass, all followed at once in steps of equal length: near the orbits, not on them.

    Steps of a fourth-order Runge-Kutta rule; an orbit ends where one step would lead farther than a tenth of the
    samples' spread.
    """
    rng = np.random.default_rng(seed)
    z = states[rng.choice(len(states), min(N_REACHING, len(states)), replace=False)]
    spread = np.maximum(states.std(axis=0), 1e-300)
    speed = np.linalg.norm(field(states) / spread, axis=1)
    step = DURATION / max(float(np.median(speed)), 1e-300) / N_STEPS
    found = []
    with np.errstate(all="ignore"):
        for n in range(1, N_STEPS + 1):
            a = field(z)
            b = field(z + step / 2 * a)
            c = field(z + step / 2 * b)
            moved = step / 6 * (a + 2 * b + 2 * c + field(z + step * c))
            goes = np.linalg.norm(moved / spread, axis=1) < 0.1
            z = np.where(goes[:, None], z + moved, np.nan)
            if n % (N_STEPS // N_SNAPSHOTS) == 0:
                found.append(z[goes])
    return np.concatenate(found)
