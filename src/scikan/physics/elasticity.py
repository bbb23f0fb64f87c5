r"""Invariants of a deformation gradient with their derivatives, and the classes of energies built on them.

Values are (rows, points): one per row for an invariant, three for principal stretches, over which one function is
summed. Gradients dI/dF are (rows, points, 3, 3).

A material with fibres along fixed directions a of the undeformed body has two more scalars for each: I4 = a.C a, the
squared stretch of the fibre, and I5 = a.C^2 a, which feels shear along it too.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from scikan.core.errors import SettingError, ShapeError
from scikan.core.expr import Expr, differentiate, evaluate
from scikan.core.nodes import Symbol
from scikan.core.parser import parse
from scikan.physics.forms import FAMILIES, Atom
from scikan.physics.stresses import Measure, Tensors, in_measure
from scikan.physics.terms import Term


LOG = next(family for family in FAMILIES if family.text == "log(u)")
Directions = Float[np.ndarray, "fibres 3"]

NO_FIBRES = np.zeros((0, 3))
MOST_FIBRES = 4
PARALLEL = 1e-9


@dataclass(frozen=True, eq=False)
class Invariant:
    """A scalar of F: names of its points, values, gradients, its value where nothing is deformed.

    `shares_log`: a part log z of its function could as well stand in that of J.
    """

    names: tuple[str, ...]
    values: Float[np.ndarray, "rows points"]
    gradients: Float[np.ndarray, "rows points 3 3"]
    origin: float
    shares_log: bool = False

    def term(self, f: Tensors, measure: Measure, component: tuple[int, int] | None) -> Term:
        """Return its unknown part of the energy as a term of the stress."""
        weight = in_measure(self.gradients, f[:, None], measure).reshape(*self.values.shape, 9)
        if component is not None:
            weight = weight[:, :, 3 * component[0] + component[1], None]
        arguments = tuple(Symbol(name) for name in self.names)
        label = f"w({self.names[0]})" if len(self.names) == 1 else f"sum of w({', '.join(self.names)})"
        # The stretches' logarithms sum to that of J: beside stretches neither part knows its own. In any class log J
        # balances the springs where nothing is deformed; fitted beside all other forms, it leaves these in plain sight.
        volume = self.names == ("J",)
        gauge = ("log(u)",) if self.shares_log or volume else ()
        always = (Atom(LOG),) if volume else ()
        return Term(
            label, arguments, self.values, {1: weight}, gauge=gauge, always=always, origin=self.origin
        )


@dataclass(frozen=True, eq=False)
class Kinematics:
    """What all invariants are made of: F, C = F^T F, J = det F, F^-T, and the singular vectors of F."""

    f: Tensors

    def volume(self) -> Invariant:
        """Return J."""
        j = np.linalg.det(self.f)
        gradient = j[:, None, None] * np.swapaxes(np.linalg.inv(self.f), 1, 2)
        return Invariant(("J",), j[:, None], gradient[:, None], 1.0)

    def first(self) -> Invariant:
        """Return I1 = tr C."""
        return Invariant(("I1",), np.sum(self.f**2, axis=(1, 2))[:, None], 2 * self.f[:, None], 3.0)

    def second(self) -> Invariant:
        """Return I2 = (I1^2 - tr C^2) / 2."""
        c = np.swapaxes(self.f, 1, 2) @ self.f
        first = np.trace(c, axis1=1, axis2=2)
        value = 0.5 * (first**2 - np.sum(c**2, axis=(1, 2)))
        gradient = 2 * (first[:, None, None] * self.f - self.f @ c)
        return Invariant(("I2",), value[:, None], gradient[:, None], 3.0)

    def stretches(self) -> Invariant:
        """Return the three principal stretches."""
        u, s, vt = np.linalg.svd(self.f)
        gradients = np.einsum("nip,npj->npij", u, vt)
        return Invariant(("lambda1", "lambda2", "lambda3"), s, gradients, 1.0, True)

    def along(self, fibre: np.ndarray, suffix: str) -> tuple[Invariant, Invariant]:
        """Return I4 and I5 of fibres along a unit vector."""
        c = np.swapaxes(self.f, 1, 2) @ self.f
        pulled = c @ fibre
        both = np.einsum("i,nj->nij", fibre, pulled)
        fourth = 2 * self.f @ np.outer(fibre, fibre)
        fifth = 2 * self.f @ (both + np.swapaxes(both, 1, 2))
        return (
            Invariant((f"I4{suffix}",), (pulled @ fibre)[:, None], fourth[:, None], 1.0),
            Invariant((f"I5{suffix}",), np.sum(pulled**2, axis=1)[:, None], fifth[:, None], 1.0),
        )

    def fibred(self, fibres: Directions) -> list[Invariant]:
        """Return I4 and I5 of every fibre, numbered if there are several."""
        suffixes = [""] if len(fibres) == 1 else [f"_{n + 1}" for n in range(len(fibres))]
        return [i for a, suffix in zip(fibres, suffixes, strict=True) for i in self.along(a, suffix)]


def checked_fibres(fibres: Any) -> Directions:
    """Return directions of fibres as unit vectors; none for None.

    Raises:
        ShapeError: no rows of three numbers, or too many of them.
        SettingError: a direction that is not finite, or zero, or parallel to another.
    """
    if fibres is None:
        return NO_FIBRES
    example = "write fibres=(1, 0, 0), or one row each: fibres=[(1, 0, 0), (0, 1, 0)]."
    try:
        given = np.atleast_2d(np.asarray(fibres, float))
    except (TypeError, ValueError):
        raise ShapeError(f"The fibres {fibres!r} are no rows of three numbers.", fix=example) from None
    if given.ndim != 2 or given.shape[1] != 3 or len(given) == 0:
        raise ShapeError(
            f"The fibres have shape {np.shape(fibres)}; a fibre is a direction of three numbers.", fix=example
        )
    if len(given) > MOST_FIBRES:
        raise ShapeError(
            f"There are {len(given)} fibres; up to {MOST_FIBRES} fixed directions of the undeformed body are meant.",
            fix="where the direction differs by row, turn each F so that it is one: F @ Q, Q's first column the "
            "fibre, and fibres=(1, 0, 0).",
        )
    sizes = np.linalg.norm(given, axis=1)
    for n, (row, size) in enumerate(zip(given, sizes, strict=True)):
        if not np.isfinite(size) or size == 0.0:
            raise SettingError(
                f"Fibre {n + 1} is {tuple(row.tolist())}, which has no direction.", fix=example
            )
    unit = given / sizes[:, None]
    for n in range(len(unit)):
        for m in range(n):
            if abs(unit[n] @ unit[m]) > 1 - PARALLEL:
                raise SettingError(
                    f"Fibres {m + 1} and {n + 1} are parallel, which is one family.",
                    fix="give that direction once.",
                )
    return np.asarray(unit)


def times_volume(
    invariant: Invariant, volume: Invariant, exponent: float, names: tuple[str, ...]
) -> Invariant:
    """Return an invariant times a power of J; exponents that take the volume out give isochoric ones."""
    factor = volume.values**exponent
    slope = exponent * volume.values ** (exponent - 1)
    gradients = (
        factor[:, :, None, None] * invariant.gradients
        + (invariant.values * slope)[:, :, None, None] * volume.gradients
    )
    return Invariant(names, invariant.values * factor, gradients, invariant.origin, invariant.shares_log)


def classes(
    f: Tensors,
    extra: Mapping[str, Callable[[Any], Any]] | None = None,
    believed: Invariant | None = None,
    fibres: Directions = NO_FIBRES,
) -> Iterator[tuple[str, list[Invariant]]]:
    """Yield (name, invariants) of the classes of energies, the plainest first; without fibres they are isotropic.

    Args:
        extra: further scalars of one F (3, 3), written for JAX, which join every class.
        believed: a prior energy, which joins every class too.
        fibres: unit vectors of the undeformed body; I4 and I5 of each join every class.
    """
    kin = Kinematics(f)
    first, second, volume, stretches = kin.first(), kin.second(), kin.volume(), kin.stretches()
    more = [_given(name, scalar, f) for name, scalar in (extra or {}).items()]
    more += [] if believed is None else [believed]
    third = -1.0 / 3.0
    along = kin.fibred(fibres)
    kept = [
        times_volume(i, volume, (2 if i.names[0].startswith("I4") else 4) * third, (f"{i.names[0]}_iso",))
        for i in along
    ]
    plain, isochoric = (_words(group) for group in (along, kept))
    yield f"w1(I1) + w2(I2) + w3(J){plain}", [first, second, volume, *along, *more]
    iso = (
        times_volume(first, volume, 2 * third, ("I1_iso",)),
        times_volume(second, volume, 4 * third, ("I2_iso",)),
    )
    name = "w1(I1 J^(-2/3)) + w2(I2 J^(-4/3)) + w3(J)"
    yield f"{name}{isochoric}", [*iso, volume, *kept, *more]
    if along:
        yield f"{name}{plain}", [*iso, volume, *along, *more]
    yield (
        f"one function of every principal stretch, and w(J){plain}",
        [stretches, volume, *along, *more],
    )
    names = ("lambda1_iso", "lambda2_iso", "lambda3_iso")
    yield (
        f"one function of every principal stretch at constant volume, and w(J){isochoric}",
        [times_volume(stretches, volume, third, names), volume, *kept, *more],
    )
    yield (
        f"w1(I1) + w2(I2/J^2) + w3(J){plain}",
        [first, times_volume(second, volume, -2.0, ("trace_inverse_C",)), volume, *along, *more],
    )


def incompressible_classes(
    f: Tensors,
    extra: Mapping[str, Callable[[Any], Any]] | None = None,
    believed: Invariant | None = None,
    fibres: Directions = NO_FIBRES,
) -> Iterator[tuple[str, list[Invariant]]]:
    """Yield (name, invariants) of the classes of energies of bodies that keep their volume; arguments of `classes`."""
    kin = Kinematics(f)
    more = [_given(name, scalar, f) for name, scalar in (extra or {}).items()]
    more += [] if believed is None else [believed]
    along = kin.fibred(fibres)
    yield f"w1(I1) + w2(I2){_words(along)}", [kin.first(), kin.second(), *along, *more]
    # Logarithms of the stretches sum to zero, so that part of their function is nobody's.
    yield f"one function of every principal stretch{_words(along)}", [kin.stretches(), *along, *more]


def _words(group: Sequence[Invariant]) -> str:
    return "".join(f" + w({i.names[0]})" for i in group)


def energy_invariant(f: Tensors, energy: str | Expr, fibres: Directions = NO_FIBRES) -> Invariant:
    """Return an energy over I1, I2, J and the fibres' I4 and I5 as a scalar of F by itself, named "prior".

    Raises:
        FormulaError: it is no formula over these names.
    """
    kin = Kinematics(f)
    parts = {i.names[0]: i for i in (kin.first(), kin.second(), kin.volume(), *kin.fibred(fibres))}
    tree = parse(energy, names=list(parts)) if isinstance(energy, str) else energy
    columns = {name: part.values for name, part in parts.items()}

    def at(expr: Expr) -> np.ndarray:
        return np.broadcast_to(np.asarray(evaluate(expr, columns), float), (len(f), 1))

    gradients = sum(
        at(differentiate(tree, name))[:, :, None, None] * part.gradients for name, part in parts.items()
    )
    natural = {name: np.asarray([part.origin]) for name, part in parts.items()}
    origin = float(np.asarray(evaluate(tree, natural)).ravel()[0])
    return Invariant(("prior",), np.array(at(tree)), np.asarray(gradients), origin)


def _given(name: str, scalar: Callable[[Any], Any], f: Tensors) -> Invariant:
    import jax

    values, gradients = jax.vmap(jax.value_and_grad(scalar))(f)
    origin = float(scalar(np.eye(3)))
    return Invariant((name,), np.asarray(values)[:, None], np.asarray(gradients)[:, None], origin)
