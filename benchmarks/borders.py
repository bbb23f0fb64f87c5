"""Mobility edges of chains computed here: is the law of the border found? A file that a later run goes on with.

    python benchmarks/borders.py OUT.csv [SEEDS] [CHAIN]

Each line: chain, seed, whether the law is the known one without a constant of its own, whether the phase is left out,
the verdict, the number of borders, their distances from the known law in standard deviations (mean, spread and the
greatest), the law, seconds of the processor. The measurement is that of examples/mobility_edge.py. At the end it says
what was not run.
"""

import os
import sys
from pathlib import Path
from time import process_time


os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))

import mobility_edge  # noqa: E402
import numpy as np  # noqa: E402
from record import append, done  # noqa: E402

import scikan as kn  # noqa: E402


FIELDS = (
    "chain",
    "seed",
    "right",
    "without_phase",
    "verdict",
    "borders",
    "mean",
    "spread",
    "farthest",
    "law",
    "cpu",
)
TRUTH = {
    "short": lambda l, a, _: 2 * (1 - l) / a,
    "long": lambda l, p, _: l * np.cosh(p) - np.exp(p),
}


def run(chain: str, seed: int) -> dict[str, object]:
    began = process_time()
    data, _ = mobility_edge.measured(chain, seed)
    found = kn.discover(data)
    best = found.choices[0].proposal.expression
    with np.errstate(all="ignore"):
        truth = TRUTH[chain](*data.x.T)
        told = found.law(data.x) if found.law is not None else np.full(len(truth), np.nan)
    off = (data.y[:, 0] - truth) / data.sigma
    return {
        "chain": chain,
        "seed": seed,
        "right": bool(np.allclose(told, truth, rtol=1e-9, atol=1e-9)),
        "without_phase": found.law is not None and "phase" not in str(found.law),
        "verdict": found.verdict,
        "borders": len(data.x),
        "mean": f"{off.mean():.2f}",
        "spread": f"{off.std():.2f}",
        "farthest": f"{np.abs(off).max():.2f}",
        "law": str(best if found.law is None else found.law),
        "cpu": round(process_time() - began, 1),
    }


def main() -> None:
    out = Path(sys.argv[1])
    seeds = int(sys.argv[2]) if len(sys.argv) > 2 else 10
    chains = [chain for chain in TRUTH if len(sys.argv) <= 3 or chain == sys.argv[3]]
    known = {(row["chain"], row["seed"]) for row in done(out)}
    for seed in range(seeds):
        for chain in chains:
            if (chain, str(seed)) not in known:
                append(out, FIELDS, run(chain, seed))
    rows = done(out)
    for chain in TRUTH:
        own = [row for row in rows if row["chain"] == chain]
        right, plain = (sum(row[field] == "True" for row in own) for field in ("right", "without_phase"))
        told = f"{right} of {len(own)} exact, {plain} without the phase" if own else "not run"
        sys.stdout.write(f"{chain}: {told}\n")


if __name__ == "__main__":
    main()
