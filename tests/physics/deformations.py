"""Deformation gradients with stresses of known energies."""

import numpy as np


MU, LAMBDA = 0.416667, 0.277778
FIBRE, ACROSS = np.array([1.0, 2.0, 0.5]), np.array([1.0, -1.0, 1.0])


def gradients(rng, sigma, rows=600):
    f = np.eye(3) + sigma * rng.uniform(-1, 1, (rows, 3, 3))
    return f[np.linalg.det(f) > 0.05]


def kept_volume(f):
    """The same deformations with det F = 1."""
    return f / np.cbrt(np.linalg.det(f))[:, None, None]


def along(f, fibre):
    """I4 and I5 of fibres as (rows, 1, 1), and their derivatives by F."""
    a = fibre / np.linalg.norm(fibre)
    pulled = np.swapaxes(f, 1, 2) @ f @ a
    both = np.einsum("i,nj->nij", a, pulled)
    d5 = 2 * f @ (both + np.swapaxes(both, 1, 2))
    return (pulled @ a)[:, None, None], np.sum(pulled**2, axis=1)[:, None, None], 2 * f @ np.outer(a, a), d5


def stress(name, f):
    """First Piola-Kirchhoff stress, but for "neo-Hookean, Kirchhoff" and "St. Venant-Kirchhoff, PK2"."""
    one, ft = np.eye(3), np.swapaxes(f, 1, 2)
    j = np.linalg.det(f)[:, None, None]
    c = ft @ f
    i1 = np.trace(c, axis1=1, axis2=2)[:, None, None]
    i2 = 0.5 * (i1**2 - np.sum(c * c, axis=(1, 2))[:, None, None])
    d1, d2, dj = 2 * f, 2 * (i1 * f - f @ c), j * np.linalg.inv(ft)
    u, s, vt = np.linalg.svd(f)

    def by_stretch(slope):
        return np.einsum("nip,np,npj->nij", u, slope(s), vt)

    match name:
        case "neo-Hookean":
            return MU * (f - dj / j) + LAMBDA * np.log(j) * dj / j
        case "neo-Hookean, Kirchhoff":
            return MU * (f @ ft - one) + LAMBDA * np.log(j) * one
        case "Mooney-Rivlin":
            return 0.3 * d1 + 0.12 * d2 + (0.8 * (j - 1) - 1.08 / j) * dj
        case "Mooney-Rivlin, isochoric":
            first = j ** (-2 / 3) * d1 - 2 / 3 * i1 * j ** (-5 / 3) * dj
            second = j ** (-4 / 3) * d2 - 4 / 3 * i2 * j ** (-7 / 3) * dj
            return 0.3 * first + 0.12 * second + 1.5 * (j - 1) * dj
        case "Yeoh":
            return (0.3 + 0.14 * (i1 - 3) + 0.06 * (i1 - 3) ** 2) * d1 + (0.9 * (j - 1) - 0.6 / j) * dj
        case "Gent":
            return 0.5 * MU / (1 - (i1 - 3) / 12) * d1 + (0.9 * (j - 1) - MU / j) * dj
        case "St. Venant-Kirchhoff":
            return f @ (LAMBDA / 2 * (i1 - 3) * one + MU * (c - one))
        case "St. Venant-Kirchhoff, PK2":
            return LAMBDA / 2 * (i1 - 3) * one + MU * (c - one)
        case "Ogden":
            return by_stretch(lambda x: 0.4 * x**0.7) + (0.6 * (j - 1) - 0.4 / j) * dj
        case "Hencky":
            return by_stretch(lambda x: 2 * MU * np.log(x) / x) + LAMBDA * np.log(j) / j * dj
        case "fibre":
            fibre = np.einsum("nij,j,k->nik", f, [1.0, 0, 0], [1.0, 0, 0])
            return stress("neo-Hookean", f) + 0.4 * fibre * (c[:, 0, 0][:, None, None] - 1)
        case "reinforced":
            i4, _, d4, _ = along(f, FIBRE)
            return stress("neo-Hookean", f) + 0.8 * (i4 - 1) * d4
        case "reinforced, exponential":
            i4, _, d4, _ = along(f, FIBRE)
            return stress("neo-Hookean", f) + 0.7 * (i4 - 1) * np.exp(1.3 * (i4 - 1) ** 2) * d4
        case "reinforced, sheared":
            _, i5, _, d5 = along(f, FIBRE)
            return stress("neo-Hookean", f) + 0.25 * (i5 - 1) * d5
        case "reinforced, St. Venant-Kirchhoff":
            i4, _, d4, _ = along(f, FIBRE)
            return stress("St. Venant-Kirchhoff", f) + 0.8 * (i4 - 1) * d4
        case "reinforced twice":
            (i4, _, d4, _), (i6, _, d6, _) = along(f, FIBRE), along(f, ACROSS)
            return stress("neo-Hookean", f) + 0.8 * (i4 - 1) * d4 + 0.3 * (i6 - 1) * d6
        case "isochoric Mooney-Rivlin":
            return 0.3 * d1 + 0.15 * d2
        case "isochoric Gent":
            return 0.8 * f / (1 - (i1 - 3) / 6)
        case "isochoric, reinforced":
            i4, _, d4, _ = along(f, FIBRE)
            return 0.8 * f + 0.8 * (i4 - 1) * d4
    raise ValueError(name)
