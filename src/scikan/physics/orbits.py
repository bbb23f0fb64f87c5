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

RTOL = 2e-11
MOST_STEPS, SETTLING = 3000, 10
SHORTEST = 1 / 10000
"""Step, as a part of the duration, at which an orbit is as good as singular; not judged while a solver settles."""

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

    All are integrated as one system. An orbit that comes near a singularity of the field is cut there: the fastest one,
    where steps get shorter than `SHORTEST`.
    """
    from scipy.integrate import DOP853

    rng = np.random.default_rng(seed)
    z = states[rng.choice(len(states), min(N_ORBITS, len(states)), replace=False)]
    spread = np.maximum(states.std(axis=0), 1e-300)
    middle = states.mean(axis=0)
    far = ESCAPED * np.maximum(np.abs(states - middle).max(axis=0), spread)
    speed = np.linalg.norm(field(states) / spread, axis=1)
    duration = DURATION / max(float(np.median(speed)), 1e-300)
    times = np.linspace(0.0, duration, N_SNAPSHOTS)
    orbits = np.full((len(z), N_SNAPSHOTS, states.shape[1]), np.nan)
    orbits[:, 0] = z
    goes, now, steps = np.ones(len(z), bool), 0.0, 0

    def moving(t: float, flat: np.ndarray) -> np.ndarray:
        return np.asarray(np.where(goes[:, None], field(flat.reshape(z.shape)), 0.0).ravel())

    with np.errstate(all="ignore"):
        while now < duration and steps < MOST_STEPS:
            # The solver has no answer to a velocity that is no number.
            goes &= np.isfinite(field(z)).all(axis=1)
            if not goes.any():
                break
            solver = DOP853(moving, now, z.ravel(), duration, rtol=RTOL, atol=1e-12 * float(spread.max()))
            ends = np.zeros_like(goes)
            for settled in range(-SETTLING, MOST_STEPS - steps - SETTLING):
                if solver.status != "running" or ends.any():
                    break
                before = now
                solver.step()
                now, z, steps = float(solver.t), solver.y.reshape(z.shape), steps + 1
                ends = goes & ~np.all(np.abs(z - middle) < far, axis=1)
                is_short = settled > 0 and now < duration and now - before < SHORTEST * duration
                if solver.status == "failed" or is_short:
                    ends[_fastest(field(z) / spread, goes)] = True
                seen = np.flatnonzero((times > before) & (times <= now))
                kept = goes & ~ends
                for n in seen:
                    orbits[kept, n] = solver.dense_output()(times[n]).reshape(z.shape)[kept]
            goes = goes & ~ends
    return orbits if np.isfinite(orbits[:, 1:, 0]).any() else None


def _fastest(velocities: Float[np.ndarray, "orbits coordinates"], goes: np.ndarray) -> int:
    """Return which of the orbits that go is fastest, or has a velocity that is no number."""
    pace = np.nan_to_num(np.linalg.norm(velocities, axis=1), nan=np.inf)
    return int(np.argmax(np.where(goes, pace, -1.0)))


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
