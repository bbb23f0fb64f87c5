"""Fields with known laws, as tests and benchmarks use them; the search knows none of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


@dataclass(frozen=True)
class System:
    """A field, its coordinates, how states are sampled, and how many independent laws it has."""

    field: Callable[[Any], Any]
    names: tuple[str, ...]
    sample: Callable[[np.random.Generator, int], np.ndarray]
    count: int


def box(low: Any, high: Any, d: int) -> Callable[[np.random.Generator, int], np.ndarray]:
    return lambda rng, n: rng.uniform(np.broadcast_to(low, d), np.broadcast_to(high, d), (n, d))


def apart(low: Any, high: Any, d: int, bodies: int) -> Callable[[np.random.Generator, int], np.ndarray]:
    """Sample a box, without states in which two bodies (or one and the origin) are nearer than 0.5."""

    def sample(rng: np.random.Generator, n: int) -> np.ndarray:
        z = rng.uniform(np.broadcast_to(low, d), np.broadcast_to(high, d), (20 * n, d))
        q = z[:, : 2 * bodies].reshape(-1, bodies, 2)
        pairs = [(i, j) for i in range(bodies) for j in range(i)]
        gaps = [np.linalg.norm(q[:, i] - q[:, j], axis=1) for i, j in pairs] or [
            np.linalg.norm(q[:, 0], axis=1)
        ]
        return z[np.min(gaps, axis=0) > 0.5][:n]

    return sample


def oscillators(a: float, b: float) -> Callable[[Any], Any]:
    return lambda z: jnp.stack([z[2], z[3], -a * z[0], -b * z[1]])


def kepler(z: Any) -> Any:
    r3 = (z[0] ** 2 + z[1] ** 2) ** 1.5
    return jnp.stack([z[2], z[3], -z[0] / r3, -z[1] / r3])


def three_bodies(z: Any) -> Any:
    q, p = z[:6].reshape(3, 2), z[6:].reshape(3, 2)
    forces = [
        sum((q[j] - q[i]) / jnp.sum((q[i] - q[j]) ** 2) ** 1.5 for j in range(3) if j != i) for i in range(3)
    ]
    return jnp.concatenate([p.ravel(), jnp.stack(forces).ravel()])


def vortices(z: Any) -> Any:
    q = z.reshape(3, 2)
    turns = [
        sum(
            jnp.stack([q[j, 1] - q[i, 1], q[i, 0] - q[j, 0]]) / jnp.sum((q[i] - q[j]) ** 2)
            for j in range(3)
            if j != i
        )
        for i in range(3)
    ]
    return jnp.concatenate(turns)


def toda(z: Any) -> Any:
    pull = jnp.exp(z[:3] - jnp.roll(z[:3], -1))
    return jnp.concatenate([z[3:], jnp.roll(pull, 1) - pull])


def spherical_pendulum(z: Any) -> Any:
    t, _, pt, pf = z
    turn = pf**2 * jnp.cos(t) / jnp.sin(t) ** 3
    return jnp.stack([pt, pf / jnp.sin(t) ** 2, turn + jnp.sin(t), jnp.zeros_like(t)])


def double_pendulum(z: Any) -> Any:
    a, b, u, v = z
    c, s = jnp.cos(a - b), jnp.sin(a - b)
    fa, fb = -v * v * s - 2 * jnp.sin(a), u * u * s - jnp.sin(b)
    return jnp.stack([u, v, (fa - c * fb) / (2 - c * c), (2 * fb - c * fa) / (2 - c * c)])


def hamiltonian(energy: Callable[[Any, Any], Any]) -> Callable[[Any], Any]:
    """Return the canonical field of an energy of positions and momenta."""

    def field(z: Any) -> Any:
        n = len(z) // 2
        slopes = jax.grad(lambda z: energy(z[:n], z[n:]))(z)
        return jnp.concatenate([slopes[n:], -slopes[:n]])

    return field


PLANE = ("x", "y", "px", "py")
BODIES = ("x1", "y1", "x2", "y2", "x3", "y3", "px1", "py1", "px2", "py2", "px3", "py3")

TABLE = {
    "oscillator": System(lambda z: jnp.stack([z[1], -z[0]]), ("q", "p"), box(-2, 2, 2), 1),
    "Duffing": System(lambda z: jnp.stack([z[1], z[0] - z[0] ** 3]), ("q", "p"), box(-2, 2, 2), 1),
    "pendulum": System(lambda z: jnp.stack([z[1], -jnp.sin(z[0])]), ("q", "p"), box(-2, 2, 2), 1),
    "Lotka-Volterra": System(
        lambda z: jnp.stack([z[0] * (1 - z[1]), z[1] * (z[0] - 1)]), ("x", "y"), box(0.3, 3, 2), 1
    ),
    "isotropic oscillator": System(oscillators(1, 1), PLANE, box(-2, 2, 4), 3),
    "frequencies 1:2": System(oscillators(1, 4), PLANE, box(-2, 2, 4), 3),
    "frequencies 1:sqrt2": System(oscillators(1, 2), PLANE, box(-2, 2, 4), 2),
    "Kepler": System(kepler, PLANE, apart((-2, -2, -1, -1), (2, 2, 1, 1), 4, 1), 3),
    "three bodies": System(three_bodies, BODIES, apart([-2] * 6 + [-1] * 6, [2] * 6 + [1] * 6, 12, 3), 5),
    "damped oscillator": System(
        lambda z: jnp.stack([z[1], -z[0] - 0.5 * z[1]]), ("q", "p"), box(-2, 2, 2), 0
    ),
    "damped, away from rest": System(
        lambda z: jnp.stack([z[1], -z[0] - 0.5 * z[1]]), ("q", "p"), box(1, 2, 2), 0
    ),
    "van der Pol": System(
        lambda z: jnp.stack([z[1], (1 - z[0] ** 2) * z[1] - z[0]]), ("q", "p"), box(-3, 3, 2), 0
    ),
    "Lorenz": System(
        lambda z: jnp.stack([10 * (z[1] - z[0]), z[0] * (28 - z[2]) - z[1], z[0] * z[1] - 8 / 3 * z[2]]),
        ("x", "y", "z"),
        box((-20, -20, 5), (20, 20, 45), 3),
        0,
    ),
}

OTHERS = {
    "Euler top": System(
        lambda z: jnp.stack([-z[1] * z[2], z[0] * z[2], -z[0] * z[1] / 3]),
        ("w1", "w2", "w3"),
        box(-1, 1, 3),
        2,
    ),
    "Toda lattice": System(toda, ("q1", "q2", "q3", "p1", "p2", "p3"), box(-1, 1, 6), 3),
    "epidemic SIR": System(
        lambda z: jnp.stack([-2 * z[0] * z[1], 2 * z[0] * z[1] - z[1] / 2, z[1] / 2]),
        ("S", "I", "R"),
        box(0.05, 1, 3),
        2,
    ),
    "charge in a field": System(
        lambda z: jnp.stack([z[2], z[3], 1.5 * z[3], -1.5 * z[2]]), ("x", "y", "vx", "vy"), box(-1, 1, 4), 3
    ),
    "Henon-Heiles": System(
        lambda z: jnp.stack([z[2], z[3], -z[0] - 2 * z[0] * z[1], -z[1] - z[0] ** 2 + z[1] ** 2]),
        PLANE,
        box(-0.5, 0.5, 4),
        1,
    ),
    "coupled oscillators": System(
        lambda z: jnp.stack([z[2], z[3], -z[0] - 0.7 * (z[0] - z[1]), -z[1] - 0.7 * (z[1] - z[0])]),
        PLANE,
        box(-1, 1, 4),
        2,
    ),
    "three species": System(
        lambda z: jnp.stack([z[0] * (z[1] - z[2]), z[1] * (z[2] - z[0]), z[2] * (z[0] - z[1])]),
        ("x", "y", "z"),
        box(0.3, 2, 3),
        2,
    ),
    "predators of one prey": System(
        lambda z: jnp.stack([z[0] * (1 - z[1] - z[2]), z[1] * (z[0] - 1), z[2] * (z[0] - 1)]),
        ("x", "y", "z"),
        box(0.3, 2, 3),
        2,
    ),
    "spherical pendulum": System(
        spherical_pendulum, ("t", "f", "pt", "pf"), box((0.4, -3, -1, 0.2), (2.7, 3, 1, 1.5), 4), 2
    ),
    "double pendulum": System(double_pendulum, ("a", "b", "u", "v"), box(-2, 2, 4), 1),
    "enzyme kinetics": System(
        lambda z: jnp.stack(
            [
                -2 * z[0] * z[1] + z[2] / 2,
                -2 * z[0] * z[1] + 1.5 * z[2],
                2 * z[0] * z[1] - 1.5 * z[2],
                z[2],
            ]
        ),
        ("S", "E", "C", "P"),
        box(0.1, 1, 4),
        2,
    ),
    "decay chain": System(
        lambda z: jnp.stack([-z[0], z[0] - 0.3 * z[1], 0.3 * z[1]]), ("A", "B", "C"), box(0.1, 1, 3), 1
    ),
    "Brusselator": System(
        lambda z: jnp.stack([1 + z[0] ** 2 * z[1] - 4 * z[0], 3 * z[0] - z[0] ** 2 * z[1]]),
        ("x", "y"),
        box(0.2, 4, 2),
        0,
    ),
    "Roessler": System(
        lambda z: jnp.stack([-z[1] - z[2], z[0] + 0.2 * z[1], 0.2 + z[2] * (z[0] - 5.7)]),
        ("x", "y", "z"),
        box((-8, -8, 0.1), (8, 8, 10), 3),
        0,
    ),
    "Morse oscillator": System(
        lambda z: jnp.stack([z[1], -2.6 * (1 - jnp.exp(-1.3 * z[0])) * jnp.exp(-1.3 * z[0])]),
        ("q", "p"),
        box((-0.5, -1), (2, 1), 2),
        1,
    ),
    "relativistic oscillator": System(
        lambda z: jnp.stack([z[1] / jnp.sqrt(1 + z[1] ** 2), -z[0]]), ("q", "p"), box(-2, 2, 2), 1
    ),
    "bead on a turning hoop": System(
        hamiltonian(lambda q, p: p[0] ** 2 / 2 - jnp.cos(q[0]) - 0.6 * jnp.sin(q[0]) ** 2),
        ("q", "p"),
        box(-2, 2, 2),
        1,
    ),
    "condensate in two wells": System(
        hamiltonian(lambda q, p: p[0] ** 2 - jnp.sqrt(1 - p[0] ** 2) * jnp.cos(q[0])),
        ("f", "z"),
        box((-2, -0.8), (2, 0.8), 2),
        1,
    ),
    "Lennard-Jones": System(
        hamiltonian(lambda q, p: p[0] ** 2 / 2 + 4 * (q[0] ** -12 - q[0] ** -6)),
        ("r", "p"),
        box((0.95, -1), (2.5, 1), 2),
        1,
    ),
    "swinging Atwood machine": System(
        hamiltonian(
            lambda q, p: p[0] ** 2 / 8 + p[1] ** 2 / (2 * q[0] ** 2) + 3 * q[0] - q[0] * jnp.cos(q[1])
        ),
        ("r", "t", "pr", "pt"),
        box((0.5, -1.5, -1, -1), (2, 1.5, 1, 1), 4),
        1,
    ),
    "Kepler in polar coordinates": System(
        hamiltonian(lambda q, p: p[0] ** 2 / 2 + p[1] ** 2 / (2 * q[0] ** 2) - 1 / q[0]),
        ("r", "t", "pr", "pt"),
        box((0.6, -1, -1, 0.3), (2, 1, 1, 1.2), 4),
        3,
    ),
    "well of two widths": System(
        hamiltonian(lambda q, p: p @ p / 2 - jnp.exp(-(q[0] ** 2) - q[1] ** 2 / 2)), PLANE, box(-2, 2, 4), 1
    ),
    "elliptic potential": System(
        hamiltonian(lambda q, p: p @ p / 2 - 1 / jnp.sqrt(1 + q[0] ** 2 + 3 * q[1] ** 2)),
        PLANE,
        box(-2, 2, 4),
        1,
    ),
    "ridge beside a spring": System(
        hamiltonian(
            lambda q, p: p @ p / 2 - jnp.exp(-((0.6 * q[0] + 0.8 * q[1] - 0.3) ** 2)) + q[0] ** 2 / 2
        ),
        PLANE,
        box(-1.5, 1.5, 4),
        1,
    ),
    "bell off the centre": System(
        hamiltonian(lambda q, p: p @ p / 2 - 2 * jnp.exp(-((q[0] - 0.5) ** 2))),
        ("q", "p"),
        box(-1.2, 1.2, 2),
        1,
    ),
    "peak off the centre": System(
        hamiltonian(lambda q, p: p @ p / 2 - 2 / (1 + 2 * (q[0] - 0.3) ** 2)),
        ("q", "p"),
        box(-1.2, 1.2, 2),
        1,
    ),
    "soft well beside a spring": System(
        hamiltonian(
            lambda q, p: p @ p / 2 - 2 / jnp.sqrt(1 + 2 * (q[0] - 0.5) ** 2) + q[0] * q[1] / 2 + q[1] ** 2
        ),
        PLANE,
        box(-1.2, 1.2, 4),
        1,
    ),
    "wave beside a spring": System(
        hamiltonian(lambda q, p: p @ p / 2 + jnp.cos(2 * q[0] + 0.5) + q[0] ** 2 / 2),
        ("q", "p"),
        box(-1.2, 1.2, 2),
        1,
    ),
    "coupled pendula": System(
        hamiltonian(lambda q, p: p @ p / 2 - jnp.cos(q[0]) - jnp.cos(q[1]) + 0.3 * (q[0] - q[1]) ** 2),
        PLANE,
        box(-1.2, 1.2, 4),
        1,
    ),
    "elastic pendulum": System(
        hamiltonian(
            lambda q, p: (
                p[0] ** 2 / 2 + p[1] ** 2 / (2 * q[0] ** 2) + 2 * (q[0] - 1) ** 2 - q[0] * jnp.cos(q[1])
            )
        ),
        ("r", "t", "pr", "pt"),
        box((0.6, -1, -1, -1), (1.6, 1, 1, 1), 4),
        1,
    ),
    "three vortices": System(vortices, BODIES[:6], apart([-1.5] * 6, [1.5] * 6, 6, 3), 4),
    "competing species": System(lambda z: z * (1 - z[0] - z[1]), ("A", "B"), box(0.1, 1.5, 2), 1),
    "oblique wave": System(
        hamiltonian(lambda q, p: p @ p / 2 - jnp.cos(q[0] + 2 * q[1])), PLANE, box(-1.5, 1.5, 4), 2
    ),
    "relativistic Kepler": System(
        hamiltonian(lambda q, p: jnp.sqrt(1 + p @ p) - 1 / jnp.sqrt(q @ q)),
        PLANE,
        apart((-2, -2, -1, -1), (2, 2, 1, 1), 4, 1),
        2,
    ),
}


def trajectories(
    system: System, seed: int, noise: float, count: int = 40, steps: int = 100, duration: float = 8.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (states with noise, labels, times) of orbits from sampled states; noise is relative to the spread."""
    from scipy.integrate import solve_ivp

    from scikan.physics.orbits import batched

    rng = np.random.default_rng(seed)
    starts = system.sample(rng, 2 * count)
    field = batched(system.field, starts[0])
    times = np.linspace(0, duration, steps)
    rows, labels = [], []
    for n, start in enumerate(starts):
        if len(rows) == count:
            break
        orbit = solve_ivp(
            lambda t, z: field(z[None])[0],
            (0, duration),
            start,
            t_eval=times,
            rtol=1e-9,
            atol=1e-10,
            max_step=0.5,
            method="DOP853",
        )
        if orbit.status == 0 and np.abs(orbit.y).max() < 50:
            rows.append(orbit.y.T)
            labels.append(np.full(steps, n))
    states = np.concatenate(rows)
    blurred = states + noise * states.std(axis=0) * rng.normal(size=states.shape)
    return blurred, np.concatenate(labels), np.tile(times, len(rows))
