"""Waves, mixtures, splits and fitted combinations: each stage finds what it is for, from a table without noise."""

import json
import subprocess
import sys

import numpy as np
import pytest

from scikan.core.expr import evaluate
from scikan.core.parser import parse
from scikan.discovery.reduced import reduced_proposals


def nearest(formula: str, ranges: dict[str, tuple[float, float]]) -> float:
    rng = np.random.default_rng(0)
    x = {name: rng.uniform(low, high, 600) for name, (low, high) in ranges.items()}
    y = evaluate(parse(formula, names=tuple(x)), x)
    best = np.inf
    laws = reduced_proposals(
        np.column_stack(list(x.values())), y, None, tuple(x), seconds=500.0, rng=rng, positive=()
    )
    with np.errstate(all="ignore"):
        for law in laws:
            best = min(best, float(np.nan_to_num(np.std(evaluate(law, x) - y) / np.std(y), nan=np.inf)))
            if best < 1e-9:
                break
    return best


@pytest.mark.slow
@pytest.mark.parametrize(
    ("formula", "ranges"),
    [
        ("a*exp(-0.35*t)*cos(1.9*t + 0.7)", {"a": (1, 3), "t": (0, 6)}),
        ("1.7*exp(-0.4*t) + 0.9*exp(-1.9*t)", {"t": (0, 4)}),
        ("2.1*exp(-0.6*x) + 0.4*sin(1.7*x) + 3", {"x": (0, 5)}),
        ("1.2*log(x + 0.7) - 0.8*cos(2.3*x)", {"x": (0, 5)}),
        ("7.5 + 1.3*a**0.6*b**-0.7", {"a": (0.5, 4), "b": (0.5, 4)}),
        ("log(1 + exp(1.3*a - 0.8*b))", {"a": (-2, 2), "b": (-2, 2)}),
        ("q*(e + b*v*sin(t))", {"q": (-1, 1), "e": (-1, 1), "b": (-1, 1), "v": (-1, 1), "t": (0, 6)}),
    ],
)
def test_a_stage_finds_its_kind_of_law(formula: str, ranges: dict[str, tuple[float, float]]) -> None:
    # In a process of its own, so that it can be stopped.
    command = [sys.executable, __file__, formula, json.dumps(ranges)]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=590).stdout
    assert float(told) < 1e-9


if __name__ == "__main__":
    sys.stdout.write(f"{nearest(sys.argv[1], json.loads(sys.argv[2]))}\n")
