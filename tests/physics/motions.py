"""Mechanical systems with known Lagrangians: states, accelerations and, where asked, trajectories."""

import numpy as np
from scipy.integrate import solve_ivp


G = 9.81


def uniform(rng, low, high, rows, columns):
    return rng.uniform(low, high, (rows, columns))


def pendulum(rng, rows=1000, ratio=1.0):
    q, v = uniform(rng, -2, 2, rows, 1), uniform(rng, -2, 2, rows, 1)
    return q, v, -ratio * np.sin(q)


def oscillator(rng, rows=1000):
    q, v = uniform(rng, -2, 2, rows, 1), uniform(rng, -2, 2, rows, 1)
    return q, v, -q


def relativistic(rng, rows=3000):
    q, v = uniform(rng, -2, 2, rows, 1), uniform(rng, -0.999, 0.999, rows, 1)
    return q, v, (1 - v**2) ** 1.5


def kepler_polar(rng, rows=2000):
    q = np.concatenate([uniform(rng, 0.5, 2, rows, 1), uniform(rng, -3, 3, rows, 1)], axis=1)
    v = uniform(rng, -1, 1, rows, 2)
    r = q[:, 0]
    a = np.stack([r * v[:, 1] ** 2 - 1 / r**2, -2 * v[:, 0] * v[:, 1] / r], axis=1)
    return q, v, a


def double_pendulum(rng, rows=3000, m1=1.0, m2=1.0, l1=1.0, l2=1.0):
    q, v = uniform(rng, -np.pi, np.pi, rows, 2), uniform(rng, -2, 2, rows, 2)
    c, s = np.cos(q[:, 0] - q[:, 1]), np.sin(q[:, 0] - q[:, 1])
    mass = np.empty((rows, 2, 2))
    mass[:, 0, 0], mass[:, 1, 1] = (m1 + m2) * l1**2, m2 * l2**2
    mass[:, 0, 1] = mass[:, 1, 0] = m2 * l1 * l2 * c
    force = np.stack(
        [
            -m2 * l1 * l2 * s * v[:, 1] ** 2 - (m1 + m2) * G * l1 * np.sin(q[:, 0]),
            m2 * l1 * l2 * s * v[:, 0] ** 2 - m2 * G * l2 * np.sin(q[:, 1]),
        ],
        axis=1,
    )
    return q, v, np.linalg.solve(mass, force[:, :, None])[:, :, 0]


def magnetic(rng, rows=2000):
    q, v = uniform(rng, -2, 2, rows, 2), uniform(rng, -2, 2, rows, 2)
    return q, v, np.stack([1.4 * v[:, 1], -1.4 * v[:, 0]], axis=1)


def cart_pole(rng, rows=3000, cart=1.0, bob=0.5, length=0.8):
    q = np.concatenate([uniform(rng, -1, 1, rows, 1), uniform(rng, -3, 3, rows, 1)], axis=1)
    v = uniform(rng, -2, 2, rows, 2)
    mass = np.empty((rows, 2, 2))
    mass[:, 0, 0], mass[:, 1, 1] = cart + bob, bob * length**2
    mass[:, 0, 1] = mass[:, 1, 0] = bob * length * np.cos(q[:, 1])
    sine = np.sin(q[:, 1])
    force = np.stack([bob * length * v[:, 1] ** 2 * sine, -bob * G * length * sine], axis=1)
    return q, v, np.linalg.solve(mass, force[:, :, None])[:, :, 0]


def trajectories(rng, acceleration, n=20, points=100, span=8.0, noise=1e-3, size=1.5):
    """Positions of one coordinate at irregular times: (positions, times, numbers)."""
    q, t, number = [], [], []
    for k in range(n):
        times = np.sort(rng.uniform(0, span, points))
        start = rng.uniform(-size, size, 2)
        found = solve_ivp(
            lambda t, z: [z[1], acceleration(z[0], z[1])],
            (0, span),
            start,
            t_eval=times,
            rtol=1e-10,
            atol=1e-12,
        )
        q.append(found.y[0] + noise * rng.normal(size=points))
        t.append(times)
        number.append(np.full(points, k))
    return np.concatenate(q), np.concatenate(t), np.concatenate(number)
