"""Run discoveries in a process of their own and print one line of JSON each.

The stories are told by this script, as a user would run it.

    python tests/stories/discoveries.py FORMULA|noise SEED [SEED ...]
"""

import json
import sys
from time import perf_counter

import numpy as np

import scikan as kn


def table(formula: str, seed: int) -> kn.Dataset:
    rng = np.random.default_rng(seed)
    if formula == "noise":
        return kn.Dataset.from_arrays(rng.normal(size=(200, 5)), rng.normal(size=200))
    names = sorted({"x1", "x2", *(name for name in ("x3", "x4") if name in formula)})
    x = rng.uniform(-1, 1, (1000, len(names)))
    return kn.Dataset.from_arrays(x, truth(formula, names, x), names=names)


def truth(formula: str, names: list[str], x: np.ndarray) -> np.ndarray:
    columns = dict(zip(names, x.T, strict=True))
    return np.broadcast_to(kn.evaluate(kn.parse(formula, names=names), columns), len(x))


def tell(formula: str, seed: int) -> dict[str, object]:
    started = perf_counter()
    data = table(formula, seed)
    found = kn.discover(data, kn.Config(key=seed))
    line: dict[str, object] = {
        "seed": seed,
        "verdict": found.verdict,
        "formula": None if found.law is None else str(found.law.expression),
        "seconds": round(perf_counter() - started, 2),
        "features": sorted(found.features),
        "rmse": [score.rmse for score in found.scores.values()],
    }
    if found.law is not None and found.fitted is not None and found.model is not None:
        fresh = np.random.default_rng(seed + 1000).uniform(-1.5, 1.5, (10_000, data.n_inputs))
        wanted = truth(formula, list(data.names), fresh)
        answers = (found.law(fresh), found.fitted(fresh), found.model(fresh)[:, 0])
        line["errors"] = [float(np.abs(a - wanted).max() / wanted.std()) for a in answers]
        line["constants"] = [c.value for c in found.fitted.constants]
    return line


if __name__ == "__main__":
    for text in sys.argv[2:]:
        sys.stdout.write(json.dumps(tell(sys.argv[1], int(text))) + "\n")
        sys.stdout.flush()
