"""Laws of physics recovered from data, case by seed, in a CSV file that a later run goes on with.

    python benchmarks/physics.py OUT.csv [SEEDS] [WORD]

Each line: case, seed, whether the answer is right, verdict, residual, seconds of the processor, the answer. Cases
whose names hold WORD are run; lines that OUT.csv already has are not run again. At the end it says what was not run.
"""

import csv
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np


sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "physics"))

import deformations
import motions
from test_equations import EQUATIONS, solved

import scikan as kn


FIELDS = ("case", "seed", "right", "verdict", "residual", "seconds", "answer")
Answer = tuple[bool, str, float, str]


def same_up_to_line(found: np.ndarray, truth: np.ndarray, gauge: list[np.ndarray], tolerance: float) -> bool:
    """Whether truth = a found + b + gauge parts."""
    columns = np.stack([found, np.ones_like(found), *gauge], axis=1)
    left = truth - columns @ np.linalg.lstsq(columns, truth, rcond=None)[0]
    return bool(np.abs(left).max() <= tolerance * np.ptp(truth))


def lagrangian(
    make: Callable[..., Any], truth: Callable[..., Any] | None, **options: Any
) -> Callable[[int], Answer]:
    def run(seed: int) -> Answer:
        q, v, a = make(np.random.default_rng(seed))
        found = kn.lagrangian(q, v, a, **options)
        if truth is None:
            return found.verdict == "none", found.verdict, found.residual, found.reason
        right = found.law is not None and found.verdict == "law" and found.residual <= 1e-10
        if right:
            value = found.law(np.concatenate([q, v], axis=1))
            right = same_up_to_line(value, truth(q, v), list(v.T), 1e-8)
        return bool(right), found.verdict, found.residual, str(found.law)

    return run


def along(friction: float) -> Callable[[int], Answer]:
    def run(seed: int) -> Answer:
        rng = np.random.default_rng(seed)
        data = motions.trajectories(rng, lambda q, v: -1.7 * np.sin(q) - friction * v)
        found = kn.lagrangian_along(*data)
        if friction:
            return found.verdict == "none", found.verdict, found.misfit, found.reason
        right = found.verdict == "law" and len(found.law.constants) == 1 and "cos(q)" in str(found.law)
        constant = found.law.constants[0] if right else None
        told = str(found.law) if constant is None else f"{found.law} +- {constant.error:.2g}"
        return (
            bool(right and abs(constant.value - 1.7) < 3 * constant.error),
            found.verdict,
            found.misfit,
            told,
        )

    return run


def energy(name: str, sigma: float, noise: float, parts: tuple[str, ...]) -> Callable[[int], Answer]:
    def run(seed: int) -> Answer:
        rng = np.random.default_rng(seed)
        f = deformations.gradients(rng, sigma, 1000)
        p = deformations.stress(name, f)
        found = kn.constitutive_law(f, p + noise * p.std() * rng.normal(size=p.shape))
        right = found.verdict == "law" and (found.residual < 1e-10 if not noise else True)
        right = right and all(part in str(found.energy) for part in parts)
        return bool(right), found.verdict, found.residual, str(found.energy)

    return run


def component(
    place: tuple[int, int], sigma: float, prior: str | None, noise: float, truth: str
) -> Callable[[int], Answer]:
    def run(seed: int) -> Answer:
        rng = np.random.default_rng(seed)
        f = deformations.gradients(rng, sigma, 1000)
        p = deformations.stress("neo-Hookean, Kirchhoff", f)
        found = kn.component_law(f, p + noise * p.std() * rng.normal(size=p.shape), place, prior=prior)
        shape = str(found.law)
        right = found.verdict == "law" and (found.residual < 1e-10 or noise > 0)
        right = right and set(_products(shape)) == set(truth.split())
        return bool(right), found.verdict, found.residual, f"{shape} (sums: {found.sum_floor:.2g})"

    return run


def _products(text: str) -> Iterator[str]:
    """Yield the terms of a sum without their numbers."""
    for term in text.split("=", 1)[1].replace("**", "^").replace(" - ", " + ").split(" + "):
        names = [
            x.strip() for x in term.strip().split("*") if not x.strip().lstrip("-").replace(".", "").isdigit()
        ]
        body = "*".join(names)
        if "F" in body or "J" in body:
            yield body


def hole(mass: bool) -> Callable[[int], Answer]:
    def run(seed: int) -> Answer:
        from test_symmetry import samples, schwarzschild

        x, rng = samples(seed, 2000), np.random.default_rng(seed)
        m = rng.uniform(0.3, 0.6, len(x)) if mass else np.full(len(x), 0.5)
        x[:, 1:] *= 2 * m[:, None]
        given = {"M": m} if mass else None
        found = kn.hidden_symmetry(schwarzschild, kn.FlatSlices(), x, parameters=given, key=seed)
        r = np.linalg.norm(x[:, 1:], axis=1)
        truth = np.sqrt(2 * m * r) / (r - 2 * m)
        at = {"r": r, "M": m}
        right = found.verdict == "law" and len(found.laws) == 2 and found.loss <= 1e-24
        right = right and all(
            np.allclose(law(at), sign * truth, rtol=1e-9)
            for law, sign in zip(found.laws, (1, -1), strict=True)
        )
        right = right and all(branch.keeps_sign for branch in found.branches)
        return bool(right), found.verdict, found.loss, "; ".join(map(str, found.laws))

    return run


def rapidity(seed: int) -> Answer:
    """Velocities: the rational law and the sum of rapidities, proved the same."""
    u, v = np.random.default_rng(seed).uniform(-0.9, 0.9, (2, 400))
    data = kn.Dataset.from_arrays(
        np.stack([u, v], axis=1), (u + v) / (1 + u * v), names=("u", "v"), targets=("w",)
    )
    found = kn.discover(data, kn.Config(key=seed))
    form = found.sum_form
    forms = [str(found.law), "no sum" if form is None else str(form.law)]
    right = found.verdict == "law" and form is not None and form.proof == "algebra"
    right = right and forms == ["w = (u + v)/(1 + u*v)", "w = tanh(arctanh(u) + arctanh(v))"]
    return right, found.verdict, float("nan") if form is None else form.gap, "; ".join(forms)


def equation(name: str) -> Callable[[int], Answer]:
    def run(seed: int) -> Answer:
        found = solved(name, seed=seed)
        right = found.law is not None and found.law_residual < 1e-14 and found.parameters <= 500
        return right, found.verdict, found.law_residual, str(found.law)

    return run


def cases() -> dict[str, Callable[[int], Answer]]:
    """Return all cases by name."""
    cos = lambda q, v: v[:, 0] ** 2 / 2 + np.cos(q[:, 0])
    found: dict[str, Callable[[int], Answer]] = {
        "Lagrangian: oscillator": lagrangian(motions.oscillator, lambda q, v: (v**2 - q**2)[:, 0] / 2),
        "Lagrangian: pendulum": lagrangian(motions.pendulum, cos),
        "Lagrangian: relativistic": lagrangian(
            motions.relativistic, lambda q, v: (q - np.sqrt(1 - v**2))[:, 0]
        ),
        "Lagrangian: Kepler, polar": lagrangian(
            motions.kepler_polar,
            lambda q, v: (v[:, 0] ** 2 + (q[:, 0] * v[:, 1]) ** 2) / 2 + 1 / q[:, 0],
            names=("r", "phi"),
            angles=("phi",),
        ),
        "Lagrangian: double pendulum": lagrangian(
            motions.double_pendulum,
            lambda q, v: (
                v[:, 0] ** 2
                + v[:, 1] ** 2 / 2
                + np.cos(q[:, 0] - q[:, 1]) * v[:, 0] * v[:, 1]
                + 9.81 * (2 * np.cos(q[:, 0]) + np.cos(q[:, 1]))
            ),
            angles=(0, 1),
        ),
        "Lagrangian: damped": lagrangian(lambda rng: _damped(rng), None),
        "Lagrangian along: pendulum": along(0.0),
        "Lagrangian along: damped": along(0.1),
        "velocities": rapidity,
        **{f"equation: {name}": equation(name) for name in EQUATIONS},
        "hidden symmetry: Schwarzschild": hole(False),
        "hidden symmetry: Schwarzschild, mass": hole(True),
    }
    for sigma in (0.2, 0.5):
        for noise in (0.0, 0.01):
            told = f"sigma {sigma}, noise {noise}"
            found[f"energy: neo-Hookean, {told}"] = energy(
                "neo-Hookean, Kirchhoff", sigma, noise, ("log(J)**2", "log(J)")
            )
            for name in ("Mooney-Rivlin", "Gent", "St. Venant-Kirchhoff"):
                parts = {"Mooney-Rivlin": ("I2", "I1"), "Gent": ("log",)}.get(name, ("I1", "I2"))
                found[f"energy: {name}, {told}"] = energy(name, sigma, noise, parts)
            shear, own = "F11*F21 F12*F22 F13*F23", "F11^2 F12^2 F13^2 log(J)"
            for place, truth, linear in (
                ((0, 0), own, "0.833334*(F11 - 1) + 0.277778*(F11 + F22 + F33 - 3)"),
                ((0, 1), shear, "0.416667*(F12 + F21)"),
            ):
                for prior in (None, linear):
                    label = (
                        f"component {place[0] + 1}{place[1] + 1}: {'prior' if prior else 'no prior'}, {told}"
                    )
                    found[label] = component(place, sigma, prior, noise, truth)
    return found


def _damped(rng: np.random.Generator) -> Any:
    q, v, a = motions.pendulum(rng)
    return q, v, a - 0.1 * v


def main(out: Path, seeds: int, word: str) -> None:
    done: dict[tuple[str, int], bool] = {}
    if out.exists():
        with out.open(newline="") as file:
            done = {(row["case"], int(row["seed"])): row["right"] == "True" for row in csv.DictReader(file)}
    else:
        out.write_text(",".join(FIELDS) + "\n")
    wanted = [(name, seed) for seed in range(seeds) for name in cases() if word in name]
    for name, seed in wanted:
        if (name, seed) in done:
            continue
        started = process_time()
        right, verdict, residual, answer = cases()[name](seed)
        row = (name, seed, right, verdict, f"{residual:.3g}", f"{process_time() - started:.2f}", answer)
        with out.open("a", newline="") as file:
            csv.writer(file).writerow(row)
        done[name, seed] = right
    for name in cases():
        runs = [right for (case, _), right in done.items() if case == name]
        sys.stdout.write(
            f"{name}: {sum(runs)} of {len(runs)} right" + (", not run" if not runs else "") + "\n"
        )


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(str(__doc__))
    main(
        Path(sys.argv[1]),
        int(sys.argv[2]) if len(sys.argv) > 2 else 10,
        sys.argv[3] if len(sys.argv) > 3 else "",
    )
