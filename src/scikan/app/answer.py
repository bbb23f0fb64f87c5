"""The answer of a discovery as files: `law.json`, the model, the figures.

`law.json` is read by other programs; its shape is documented in docs/law-json.md and kept stable. Everything is
written into a new folder beside the wished-for one and moved there at the end, so nothing is half-written.
"""

import hashlib
import json
import math
import os
import shutil
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from scikan import __version__
from scikan.core.dataset import Dataset
from scikan.core.errors import SettingError, UnitError
from scikan.core.expr import complexity, constants, symbols
from scikan.discovery.discover import Discovery
from scikan.discovery.proposals import Proposal
from scikan.law.domain import domain_risks
from scikan.law.record import Law
from scikan.law.units import constant_units, dimensionless_groups


MOST_BRANCHES = 6

FORMAT = 1
"""Version of law.json; it rises when a key changes its meaning."""


def law_json(found: Discovery, data: Dataset, source: Path | None = None) -> dict[str, Any]:
    """Return the answer as plain data (see docs/law-json.md)."""
    law = found.law
    return {
        "format": FORMAT,
        "verdict": found.verdict,
        "reason": found.reason,
        "target": data.targets[0],
        "formula": None if law is None else str(law.expressions[0]),
        "formula_fitted": None if found.fitted is None else str(found.fitted.expressions[0]),
        "latex": None if law is None else law.latex(),
        "variables": None
        if law is None
        else [name for name in data.names if name in symbols(law.expressions[0])],
        "constants": None if law is None else _constants(found.front[0]),
        "constant_units": None if law is None else told_units(law, data),
        "complexity": None if law is None else complexity(law.expressions[0]),
        "scores": {name: score.to_dict() for name, score in found.scores.items()}
        | {"protocol": found.protocol},
        "protocol": found.protocol,
        "errors": {"log": "relative", "linear": "additive"}[found.readout],
        "evidence": _evidence(found),
        "domain_risks": None if law is None else [risk.told for risk in domain_risks(law)],
        "features": {
            name: {"score": finite(score), "low": finite(low), "high": finite(high)}
            for name, (score, low, high) in found.features.items()
        },
        "structure": found.structure,
        "branches": None if law is None else [str(form) for form in found.branches[:MOST_BRANCHES]],
        "front": [_on_front(proposal) for proposal in found.front[:12]],
        "dimensionless_groups": offered_groups(data),
        "names": {name: {"unit": data.units.get(name), "range": _range(data, name)} for name in data.names},
        "notices": list(found.notices),
        "rows": data.n_rows,
        "table": None if source is None else {"name": source.name, "sha256": _digest(source)},
        "seconds": round(found.seconds, 3),
        "seed": found.config.key,
        "versions": versions(),
    }


def interrupted_json(data: Dataset, best: list[Proposal]) -> dict[str, Any]:
    """Return what is known after Ctrl-C: no verdict, and the best formula so far."""
    return {
        "format": FORMAT,
        "verdict": "none",
        "reason": "interrupted before the verdict",
        "target": data.targets[0],
        "formula": None,
        "constants": None,
        "best_so_far": _on_front(best[-1]) if best else None,
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Return the versions that a result depends on."""
    packages = ("jax", "numpy", "scipy", "scikit-learn")
    own = {"python": sys.version.split()[0], "scikan": __version__}
    return own | {name: version(name) for name in packages}


def _constants(proposal: Proposal) -> list[dict[str, Any]]:
    free = [
        {
            "value": c.value,
            "error": finite(c.error),
            "snapped": False,
            "fitted": c.value,
            "text": f"{c.value!r}",
        }
        for c in constants(proposal.expression)
    ]
    snapped = [
        {"value": s.value, "error": finite(s.error), "snapped": True, "fitted": s.fitted, "text": s.text}
        for s in proposal.snapped
    ]
    return free + snapped


def told_units(law: Law, data: Dataset) -> dict[str, str] | str | None:
    """Return the units of the formula's constants by value; a sentence if units do not fit; None without any."""
    if not data.units:
        return None
    try:
        return {f"{value:.10g}": str(unit) for value, unit in constant_units(law, data.units).items()}
    except UnitError as error:
        return error.what


def offered_groups(data: Dataset) -> list[str]:
    """Return the dimensionless groups of the columns, as `Augment` takes them; none where a unit cannot be read."""
    try:
        return list(dimensionless_groups({n: u for n, u in data.units.items() if n in data.names}))
    except UnitError:
        return []


def _evidence(found: Discovery) -> dict[str, Any]:
    evidence = found.evidence
    return {
        "dependence_p": {"pearson": evidence.dependence.pearson, "rank": evidence.dependence.rank},
        "residual_neighbour_correlation": finite(evidence.whiteness.correlation),
        "residual_threshold": finite(evidence.whiteness.threshold),
        "no_worse_than_network": bool(evidence.beats_network),
        "rows": evidence.rows,
    }


def _on_front(proposal: Proposal) -> dict[str, Any]:
    return {
        "formula": str(proposal.expression),
        "complexity": complexity(proposal.expression),
        "bits": round(proposal.bits, 2),
        "relative_mean_square": finite(proposal.relative),
        "origin": proposal.origin,
    }


def finite(value: float) -> float | None:
    """Return the number, or None where JSON has no word for it."""
    return float(value) if math.isfinite(value) else None


def _range(data: Dataset, name: str) -> list[float]:
    column = data.x[:, data.names.index(name)]
    return [float(column.min()), float(column.max())]


def _digest(source: Path) -> str:
    return hashlib.sha256(source.read_bytes()).hexdigest()


def check_folder(folder: Path, overwrite: bool) -> None:
    """Raise SettingError if the folder exists and may not be replaced."""
    if folder.exists() and not folder.is_dir():
        raise SettingError(f"{folder} is a file.", fix="give --out a folder that does not exist yet.")
    if folder.exists() and any(folder.iterdir()) and not overwrite:
        raise SettingError(
            f"The folder {folder} exists and is not empty.", fix="choose another --out, or add --overwrite."
        )


def write_folder(folder: Path, write: Any) -> None:
    """Fill a temporary folder beside `folder` by `write(path)`, then put it in its place at once."""
    folder = folder.resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        write(fresh)
        os.chmod(fresh, 0o755)
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(fresh, folder)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON that any reader takes: no NaN, no infinity, readable text."""
    path.write_text(
        json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False, default=_plain) + "\n",
        encoding="utf-8",
    )


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} is no JSON value")
