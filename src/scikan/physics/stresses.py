"""Measured stresses: which measure they are in, what is asked of a table of them, and pressures that nobody knows.

An incompressible body takes any pressure: its stress is known up to p F^-T (first Piola-Kirchhoff; p 1 for Kirchhoff
and Cauchy, p C^-1 for the second). With p free in every row it is taken off by projection, before anything is fitted.
"""

from typing import Any, Literal, TypeAlias

import numpy as np
from jaxtyping import Float

from scikan.core.errors import SettingError, ShapeError, TableError


Measure: TypeAlias = Literal["PK1", "Kirchhoff", "Cauchy", "PK2"]
MEASURES: tuple[Measure, ...] = ("PK1", "Kirchhoff", "Cauchy", "PK2")
Tensors = Float[np.ndarray, "rows 3 3"]

SYMMETRIC = 0.5
"""A stress whose antisymmetric part is below this share of the other measure's is taken as symmetric."""

VOLUME_KEPT = 0.02
"""Largest change of volume of a row that counts as none, as measuring errors make it."""

FREE_PRESSURE = (
    "det F is 1 in every row: an incompressible body takes any pressure beside its energy's stress. If this is one, "
    "give incompressible=True (--incompressible)."
)


def in_measure(pk1: np.ndarray, f: np.ndarray, measure: Measure) -> np.ndarray:
    """Return first Piola-Kirchhoff stresses (..., 3, 3) in another measure of stress."""
    if measure == "PK1":
        return pk1
    if measure == "PK2":
        return np.asarray(np.linalg.solve(np.broadcast_to(f, pk1.shape), pk1))
    kirchhoff = pk1 @ np.swapaxes(f, -1, -2)
    return np.asarray(kirchhoff if measure == "Kirchhoff" else kirchhoff / np.linalg.det(f)[..., None, None])


def as_kirchhoff(stress: Tensors, f: Tensors, measure: Measure) -> Tensors:
    """Return stresses in a measure as Kirchhoff stresses."""
    if measure == "Kirchhoff":
        return stress
    if measure == "Cauchy":
        return np.asarray(stress * np.linalg.det(f)[:, None, None])
    pk1 = f @ stress if measure == "PK2" else stress
    return in_measure(pk1, f, "Kirchhoff")


def checked_stress(
    f: Any, stress: Any, measure: str | None, component: tuple[int, int] | None
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Return F (rows, 3, 3), the stress (rows, components) and notices; raises as `constitutive_law` does."""
    f, stress = np.asarray(f, float), np.asarray(stress, float)
    if f.ndim != 3 or f.shape[1:] != (3, 3):
        raise ShapeError(
            f"F has shape {f.shape}; a deformation gradient is a 3 x 3 matrix.",
            fix="give F as (rows, 3, 3), F[:, i, j] = dx_i/dX_j; a plane deformation has F[:, 2, 2] = 1.",
        )
    if measure is not None and measure not in MEASURES:
        raise SettingError(
            f"The stress measure {measure!r} is unknown.", fix=f"use one of {', '.join(MEASURES)}."
        )
    if component is None and stress.shape != f.shape:
        raise ShapeError(
            f"The stress has shape {stress.shape} for F of shape {f.shape}.",
            fix="give all components as (rows, 3, 3), or one as (rows,) with component=(0, 0).",
        )
    if component is not None and (stress.shape != f.shape[:1] or not all(0 <= c <= 2 for c in component)):
        raise ShapeError(
            f"Component {component} of a stress of shape {stress.shape} for {len(f)} rows.",
            fix="give that component as (rows,), and its place counted from 0: component=(0, 1).",
        )
    stress = stress.reshape(len(f), -1)
    bad = ~(np.isfinite(f).all(axis=(1, 2)) & np.isfinite(stress).all(axis=1))
    if bad.any():
        raise TableError(
            f"F or the stress is missing or infinite in row {int(np.argmax(bad))} and {int(bad.sum()) - 1} more.",
            fix="drop these rows: keep = np.isfinite(F).all(axis=(1, 2)) & np.isfinite(stress).all(axis=(1, 2)).",
        )
    upright = np.linalg.det(f) > 0
    notices: tuple[str, ...] = ()
    if not upright.all():
        count = int((~upright).sum())
        notices = (f"{count} of {len(f)} rows have det F <= 0, which no body can reach; they were left out.",)
    if upright.sum() < 30:
        raise TableError(
            f"{int(upright.sum())} rows with det F > 0 are too few for an energy.",
            fix="give 100 rows or more.",
        )
    return f[upright], stress[upright], notices


def asymmetry(f: np.ndarray, stress: np.ndarray, measure: Measure) -> float:
    """Return the antisymmetric part of the Kirchhoff stress over the whole (moments balance where it is 0)."""
    tensor = stress.reshape(-1, 3, 3)
    turned = tensor @ np.swapaxes(f, 1, 2) if measure == "PK1" else tensor
    odd = turned - np.swapaxes(turned, 1, 2)
    # The median row: near det F = 0 a few stresses outweigh all others.
    sizes = np.linalg.norm(turned, axis=(1, 2)), np.linalg.norm(odd, axis=(1, 2))
    return float(np.median(sizes[1] / np.maximum(sizes[0], 1e-300)) / 2.0)


def measures(
    f: np.ndarray, stress: np.ndarray, measure: str | None, component: tuple[int, int] | None
) -> tuple[Measure, ...]:
    """Return the measures that are possible."""
    if measure is not None:
        return tuple(known for known in MEASURES if known == measure)
    if component is not None:
        return MEASURES
    as_given, as_pk1 = asymmetry(f, stress, "Kirchhoff"), asymmetry(f, stress, "PK1")
    return ("PK1",) if as_pk1 < SYMMETRIC * as_given else MEASURES[1:]


def keeps_volume(f: Tensors) -> bool:
    """Return whether no row changes the volume."""
    return bool(np.abs(np.linalg.det(f) - 1).max() <= VOLUME_KEPT)


def check_volume(f: Tensors, component: tuple[int, int] | None) -> None:
    """Check that deformations keep the volume, and that a pressure can be told from the rest.

    Raises:
        TableError: det F differs from one.
        SettingError: one component alone.
    """
    if component is not None:
        raise SettingError(
            "With incompressible=True one component of the stress says nothing: its pressure is unknown.",
            fix="give all nine components, (rows, 3, 3).",
        )
    away = np.abs(np.linalg.det(f) - 1)
    if away.max() > VOLUME_KEPT:
        row = int(np.argmax(away))
        raise TableError(
            f"det F is {1 + (np.linalg.det(f) - 1)[row]:.3g} in row {row}, and further than {VOLUME_KEPT} from 1 in "
            f"{int(np.sum(away > VOLUME_KEPT))} of {len(f)} rows: the volume changes.",
            fix="leave incompressible out, so that W(J) is found; or, if F is only measured badly, divide it by "
            "np.cbrt(np.linalg.det(F))[:, None, None].",
        )


def pressure_direction(f: Tensors, measure: Measure) -> Float[np.ndarray, "rows 9"]:
    """Return what a unit pressure does to the components, as unit vectors."""
    # F^-T in every measure: as first Piola-Kirchhoff stress it is the pressure itself.
    pressed = in_measure(np.swapaxes(np.linalg.inv(f), 1, 2), f, measure).reshape(-1, 9)
    return np.asarray(pressed / np.linalg.norm(pressed, axis=1, keepdims=True))


def without_pressure(values: np.ndarray, direction: Float[np.ndarray, "rows 9"]) -> np.ndarray:
    """Return stresses (rows, ..., 9) less their part along the pressure."""
    unit = direction.reshape(len(direction), *[1] * (values.ndim - 2), 9)
    return np.asarray(values - np.sum(values * unit, axis=-1, keepdims=True) * unit)
