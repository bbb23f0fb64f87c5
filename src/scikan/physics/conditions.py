r"""Conditions that every elastic material obeys, asked of a found energy and of the data behind it.

    objectivity             W(Q F) = W(F), P(Q F) = Q P(F): what one sees does not depend on from where
    material symmetry       P(F Q) = P(F) Q for the rotations that the material does not notice
    reference state         P(I) = 0: nothing pulls where nothing is deformed
    balance of moments      P F^T is symmetric

Of a law they are computed, on the rows turned at random. Of data they are judged: an antisymmetric tensor that should
be zero is noise if it has no mean and no structure over F.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Literal

import numpy as np
from jaxtyping import Float
from scipy.stats import f as fisher

from scikan.law.evidence import whiteness
from scikan.physics.elasticity import Directions, Invariant
from scikan.physics.joint import Named
from scikan.physics.stresses import Measure, Tensors, as_kirchhoff


ROUNDING = 1e-9
"""Relative size below which a condition holds whatever the noise."""

LEVEL = 1e-3
"""False alarms of a condition judged among noise."""

N_NEIGHBOURS = 40
ERRORS = 4.0
MOMENTS = "balance of moments: P F^T is symmetric"
FRAME = "objectivity: stress seen by the body depends on stretch alone"
AXES = "isotropy: stress and stretch have one set of axes"
MOST_ROWS = 200
N_TURNS = 4

Group = Callable[[Tensors], Sequence[Invariant]]


@dataclass(frozen=True)
class Condition:
    """A condition with how far it is from being met.

    Args:
        name: in words.
        of: whether the found law was asked or the data.
        residual: what is wrong over the stress (root mean squares; 0: met).
        holds: whether that is rounding, or for what is measured no more than noise.
    """

    name: str
    of: Literal["law", "data"]
    residual: float
    holds: bool

    def __str__(self) -> str:
        return f"{self.name} ({self.of}): {'holds' if self.holds else 'does not hold'}, {self.residual:.1g}"


def law_conditions(
    named: Named, group: Group, f: Tensors, fibres: Directions, pressed: bool = False
) -> tuple[Condition, ...]:
    """Return the conditions of an energy.

    Args:
        named: its parts.
        group: the invariants of its class, for any deformations.
        f: deformations of the data.
        fibres: unit vectors.
        pressed: whether the stress is known up to a pressure.
    """
    rng = np.random.default_rng(0)
    f = f[rng.permutation(len(f))[:MOST_ROWS]]
    stress = stress_of(named, group, f)
    size = _rms(stress)
    seen = material = 0.0
    words, inner = _symmetry(fibres, rng)
    for q in _rotations(rng, N_TURNS):
        seen = max(seen, _rms(stress_of(named, group, q @ f) - q @ stress) / size)
    for q in inner:
        material = max(material, _rms(stress_of(named, group, f @ q) - stress @ q) / size)
    kirchhoff = stress @ np.swapaxes(f, 1, 2)
    odd = _rms(kirchhoff - np.swapaxes(kirchhoff, 1, 2)) / 2 / _rms(kirchhoff)
    return (
        _exact("objectivity: P(QF) = Q P(F)", seen),
        *([_exact(f"{words}: P(FQ) = P(F) Q", material)] if inner else []),
        _reference(named, group, size, pressed),
        _exact(MOMENTS, odd),
    )


def data_conditions(
    f: Tensors, stress: Tensors, measure: Measure, named: Named | None, group: Group, pressed: bool = False
) -> tuple[Condition, ...]:
    """Return the conditions of measured stresses (rows, 3, 3).

    Args:
        named, group: an energy that leaves but noise, for objectivity: a wrong form would be taken for a turn.
        pressed: as in `law_conditions`.
    """
    kirchhoff = as_kirchhoff(stress, f, measure)
    left_stretch = f @ np.swapaxes(f, 1, 2)
    size = _rms(kirchhoff)
    found = [_vanishing(MOMENTS, kirchhoff, size, f)]
    if named is not None:
        left = kirchhoff - stress_of(named, group, f) @ np.swapaxes(f, 1, 2)
        found.append(_frame(f, _without_trace(left) if pressed else left, size))
    # An isotropic material pulls along the axes of its stretch; with noise the product of tensors keeps its size.
    away = _without_trace(left_stretch)
    even = 0.5 * (kirchhoff + np.swapaxes(kirchhoff, 1, 2))
    scale = max(_rms(away), 1e-300)
    found.append(_vanishing(AXES, even @ away / scale, size, f))
    return tuple(found)


def stress_of(named: Named, group: Group, f: Tensors) -> Tensors:
    """Return the first Piola-Kirchhoff stress of an energy at any deformations."""
    at = {invariant.names: invariant for invariant in group(f)}
    total = np.zeros((len(f), 9))
    for term, atoms, row in zip(named.terms, named.atoms, named.coefficients, strict=True):
        own = at[tuple(map(str, term.arguments))].term(f, "PK1", None)
        for atom, c in zip(atoms, row, strict=True):
            total += c * own.column(atom).reshape(-1, 9)
    return total.reshape(-1, 3, 3)


def objection(f: Tensors, stress: Tensors, measure: Measure, conditions: Sequence[Condition]) -> str | None:
    """Return a sentence on the first condition that the data break, with what to do; None if they break none.

    Args:
        conditions: those to ask; leave isotropy out where a material with directions is expected.
    """
    broken = next((c for c in conditions if c.of == "data" and not c.holds), None)
    if broken is None:
        return None
    if broken.name == FRAME:
        return (
            f"The stress seen by the body depends on how the body is turned ({broken.residual:.2g} of it), which no "
            "material does. Check for an offset of the stresses, or axes that turn with the body."
        )
    if broken.name == AXES:
        return (
            f"The stress does not follow the axes of the stretch ({broken.residual:.2g} of it): the material is not "
            "isotropic. Give the directions of its fibres, as fibres=(1, 0, 0)."
        )
    told = (
        f"The moments do not balance: the antisymmetric part of the Kirchhoff stress is {broken.residual:.2g} of it, "
        "more than noise, and no elastic energy gives that. "
    )
    if measure != "PK1":
        return told + f"A {measure} stress is symmetric: check its columns, or give measure='PK1'."
    if _antisymmetric(as_kirchhoff(np.swapaxes(stress, 1, 2), f, measure)) < 0.1 * broken.residual:
        return told + "Transposed it would balance: give np.swapaxes(P, 1, 2), P[:, i, j] = dW/dF_ij."
    return told + "Check the order of the columns of P and F, or whether P is another measure of stress."


def _exact(name: str, residual: float) -> Condition:
    return Condition(name, "law", residual, residual < ROUNDING)


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2)))


def _without_trace(tensors: Tensors) -> Tensors:
    return np.asarray(tensors - np.trace(tensors, axis1=1, axis2=2)[:, None, None] / 3 * np.eye(3))


def _antisymmetric(tensors: Tensors) -> float:
    return _rms(tensors - np.swapaxes(tensors, 1, 2)) / 2 / max(_rms(tensors), 1e-300)


def _rotations(rng: np.random.Generator, count: int) -> list[np.ndarray]:
    found = []
    for _ in range(count):
        q, r = np.linalg.qr(rng.normal(size=(3, 3)))
        q = q * np.sign(np.diag(r))
        found.append(q * np.linalg.det(q))
    return found


def _about(axis: np.ndarray, angle: float) -> np.ndarray:
    """Return the rotation about a unit vector (Rodrigues)."""
    x, y, z = axis
    cross = np.asarray([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross)


def _symmetry(fibres: Directions, rng: np.random.Generator) -> tuple[str, list[np.ndarray]]:
    """Return the rotations that a material with these fibres does not notice, some of them, and their name."""
    if not len(fibres):
        return "isotropy", _rotations(rng, N_TURNS)
    if len(fibres) == 1:
        return "symmetry about the fibre", [_about(fibres[0], a) for a in rng.uniform(0, 2 * np.pi, N_TURNS)]
    if np.linalg.matrix_rank(fibres, tol=1e-6) == 2:
        normal = np.linalg.svd(fibres)[2][2]
        return "half-turn about the normal of the fibres", [_about(normal, np.pi)]
    return "no symmetry", []


def _reference(named: Named, group: Group, size: float, pressed: bool) -> Condition:
    """Return whether the stress of the undeformed body is zero within the errors of the constants."""
    rest = np.eye(3)[None]
    at = {invariant.names: invariant for invariant in group(rest)}
    here, there, weights = [], [], []
    for term, atoms, row in zip(named.terms, named.atoms, named.coefficients, strict=True):
        own = at[tuple(map(str, term.arguments))].term(rest, "PK1", None)
        for atom, c in zip(atoms, row, strict=True):
            stress = own.column(atom).reshape(1, 3, 3)
            here.append((_without_trace(stress) if pressed else stress).ravel())
            there.append(term.column(atom))
            weights.append(c)
    value, laid = np.asarray(weights) @ np.asarray(here), np.stack(there, axis=1)
    norms = np.linalg.norm(laid, axis=0)
    left = named.residual * size
    spread = left * np.asarray(here).T / norms @ np.linalg.pinv(laid / norms)
    errors = np.sqrt(np.sum(spread**2, axis=1))
    holds = bool(np.all(np.abs(value) <= ROUNDING * size + ERRORS * errors))
    name = f"reference state: P(I) {'is a pressure' if pressed else '= 0'}"
    return Condition(name, "law", _rms(value) / size, holds)


def _vanishing(name: str, tensors: Tensors, size: float, f: Tensors) -> Condition:
    """Return whether the antisymmetric part of tensors is rounding, or noise about zero without structure."""
    odd = 0.5 * (tensors - np.swapaxes(tensors, 1, 2))
    residual = _rms(odd) / max(size, 1e-300)
    if residual < ROUNDING:
        return Condition(name, "data", residual, True)
    parts, rng = odd[:, (0, 0, 1), (1, 2, 2)].T, np.random.default_rng(0)
    mean = [abs(p.mean()) <= ERRORS * p.std() / np.sqrt(len(p)) for p in parts]
    even = parts / _local_size(parts, f.reshape(-1, 9))
    white = [whiteness(p, [f.reshape(-1, 9)], rng, LEVEL / 3).is_white for p in even]
    return Condition(name, "data", residual, all(mean) and all(white))


def _local_size(
    parts: Float[np.ndarray, "parts rows"], places: Float[np.ndarray, "rows inputs"]
) -> np.ndarray:
    """Return the rms of the parts at each row's neighbours, (rows,).

    Noise of a product such as P F^T is larger where F is, and rows alike in size seem to be alike.
    """
    from scipy.spatial import cKDTree

    _, nearest = cKDTree(places).query(places, k=min(N_NEIGHBOURS, len(places) - 1) + 1)
    square = np.mean(parts**2, axis=0)
    return np.asarray(np.sqrt(np.maximum(square[nearest[:, 1:]].mean(axis=1), 1e-12 * square.max())))


def _frame(f: Tensors, left: Tensors, size: float) -> Condition:
    """Return whether what an energy leaves depends on how the body is turned, beyond what depends on its stretch.

    Seen by the body, R^T tau R is a function of the stretch U alone. Quadratics in U are fitted to what is left, then
    the rotation's axis vector and its squares with them; Fisher's test judges what these add.
    """
    u, s, vt = np.linalg.svd(f)
    turn, stretch = u @ vt, np.swapaxes(vt, 1, 2) @ (s[:, :, None] * vt)
    left = np.swapaxes(turn, 1, 2) @ left @ turn
    if _rms(left) < ROUNDING * size:
        return Condition(FRAME, "data", _rms(left) / size, True)
    upper = np.triu_indices(3)
    plain = _quadratics(stretch[:, *upper])
    axis = np.stack(
        [turn[:, 2, 1] - turn[:, 1, 2], turn[:, 0, 2] - turn[:, 2, 0], turn[:, 1, 0] - turn[:, 0, 1]], 1
    )
    whole = np.column_stack([plain, _quadratics(axis)])
    y = left[:, *upper]
    (before, few), (after, many) = (_explained(x, y) for x in (plain, whole))
    if many == few or len(y) <= 2 * many:
        return Condition(FRAME, "data", 0.0, True)
    gain = np.maximum(after - before, 0.0)
    noise = (np.sum(y**2, axis=0) - after) / (len(y) - many)
    odds = fisher.sf(gain / (many - few) / np.maximum(noise, 1e-300), many - few, len(y) - many)
    residual = float(np.sqrt(gain.sum() / y.size)) / size
    return Condition(FRAME, "data", residual, bool(np.all(odds > LEVEL / len(odds))))


def _quadratics(x: Float[np.ndarray, "rows inputs"]) -> Float[np.ndarray, "rows columns"]:
    x = (x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-12)
    squares = [x[:, a] * x[:, b] for a, b in combinations_with_replacement(range(x.shape[1]), 2)]
    return np.column_stack([np.ones(len(x)), x, *squares])


def _explained(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the sums of squares of y that columns explain, and how many are independent."""
    u, s, _ = np.linalg.svd(x / np.maximum(np.linalg.norm(x, axis=0), 1e-300), full_matrices=False)
    basis = u[:, s > 1e-8 * s[0]]
    return np.sum((basis.T @ y) ** 2, axis=0), basis.shape[1]


__all__ = ["Condition", "data_conditions", "law_conditions", "objection", "stress_of"]
