"""The answer of a discovery as data: `law.json`, read by other programs.

Its shape is documented in docs/law-json.md and kept stable.
"""

import hashlib
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from scikan import __version__
from scikan.app.output import finite
from scikan.core.dataset import Dataset
from scikan.core.errors import UnitError
from scikan.core.expr import Expr, complexity, constants, symbols
from scikan.discovery.agreement import Agreement
from scikan.discovery.card import Card
from scikan.discovery.discover import Config, Discovery
from scikan.discovery.judging import Choice, Evidence
from scikan.discovery.proposals import Proposal
from scikan.law.domain import domain_risks
from scikan.law.record import Law
from scikan.law.units import constant_units, dimensionless_groups


MOST_BRANCHES = 6

FORMAT = 1
"""Version of law.json; it rises when a key changes its meaning."""


def law_json(found: Discovery, data: Dataset, source: Path | None = None) -> dict[str, Any]:
    """Return the answer as plain data (see docs/law-json.md)."""
    front = [_on_front(choice) for choice in found.choices]
    return {
        "format": FORMAT,
        "verdict": found.verdict,
        "reason": found.reason,
        "target": data.targets[0],
        "target_unit": data.units.get(data.targets[0]),
        **law_keys(found.law, front[0], found.branches),
        "scores": {name: score.to_dict() for name, score in found.scores.items()}
        | {"protocol": found.protocol},
        "protocol": found.protocol,
        "errors": {"log": "relative", "linear": "additive"}[found.readout],
        "evidence": front[0]["evidence"],
        "agreement": front[0]["agreement"],
        "features": {
            name: {"score": finite(score), "low": finite(low), "high": finite(high)}
            for name, (score, low, high) in found.features.items()
        },
        "structure": _structure(found),
        "sum_form": _sum_form(found),
        "card": _card(found.card),
        "front": front,
        "dimensionless_groups": offered_groups(data),
        "names": {name: _column(data, name) for name in data.names},
        "notices": list(found.notices),
        "rows": data.n_rows,
        "table": None if source is None else source_json(source),
        "seconds": round(found.seconds, 3),
        "seed": found.config.key,
        "hold_out": found.config.hold_out,
        "versions": versions(),
    }


LAW_KEYS = (
    "formula",
    "formula_fitted",
    "latex",
    "variables",
    "constants",
    "constant_units",
    "complexity",
    "domain_risks",
    "branches",
)


def law_keys(law: Law | None, entry: dict[str, Any], branches: Sequence[Expr]) -> dict[str, Any]:
    """Return the keys of law.json that speak of the law itself: all null without one.

    Args:
        law: the law.
        entry: of the law's formula on the front.
        branches: the law and its other forms.
    """
    if law is None:
        return dict.fromkeys(LAW_KEYS)
    own = (
        entry["formula"],
        entry["formula_fitted"],
        law.latex(),
        [name for name in law.names if name in symbols(law.expressions[0])],
        entry["constants"],
        told_units(law),
        entry["complexity"],
        [risk.told for risk in domain_risks(law)],
        [str(form) for form in branches[:MOST_BRANCHES]],
    )
    return dict(zip(LAW_KEYS, own, strict=True))


def interrupted_json(data: Dataset, best: Sequence[Proposal], config: Config, source: Path) -> dict[str, Any]:
    """Return what is known after Ctrl-C: no verdict, the best formula so far, and what a run needs to go on."""
    return {
        "format": FORMAT,
        "verdict": "none",
        "reason": "interrupted before the verdict",
        "target": data.targets[0],
        "formula": None,
        "constants": None,
        "best_so_far": _measured(best[-1]) if best else None,
        "front": [_measured(p) | {"formula_fitted": str(p.fitted)} for p in best[::-1]],
        "table": source_json(source),
        "seed": config.key,
        "hold_out": config.hold_out,
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


def told_units(law: Law) -> dict[str, str] | str | None:
    """Return the units of the formula's constants by value; a sentence if units do not fit; None without any."""
    if not law.units:
        return None
    try:
        return {f"{value:.10g}": str(unit) for value, unit in constant_units(law, law.units).items()}
    except UnitError as error:
        return error.what


def offered_groups(data: Dataset) -> list[str]:
    """Return the dimensionless groups of the columns, as `Augment` takes them; none where a unit cannot be read."""
    try:
        return list(dimensionless_groups({n: u for n, u in data.units.items() if n in data.names}))
    except UnitError:
        return []


def _structure(found: Discovery) -> dict[str, Any]:
    tree = found.tree
    groups = None if tree is None else [list(branch.columns) for branch in tree.branches or (tree,)]
    return {"groups": groups, "tree": None if tree is None else tree.as_dict(), **found.structure}


def _sum_form(found: Discovery) -> dict[str, Any] | None:
    form = found.sum_form
    if form is None:
        return None
    terms = [str(term) for term in form.terms]
    return {"formula": str(form.law.expression), "terms": terms, "proof": form.proof, "gap": form.gap}


def _card(card: Card) -> dict[str, Any]:
    beyond = card.beyond
    return {
        "noise": finite(card.noise),
        "left": finite(card.left),
        "beyond": None
        if beyond is None
        else {"inside": beyond.inside, "scores": {name: s.to_dict() for name, s in beyond.scores.items()}},
        "simple_laws": [
            {
                "class": law.name,
                "formula": str(law.formula),
                "excluded": law.is_excluded,
                "verdict": law.verdict,
                "scores": law.score.to_dict(),
            }
            for law in card.simple
        ],
    }


def _on_front(choice: Choice) -> dict[str, Any]:
    """Return an entry of the front: the formula, and what held-out rows say of it."""
    return _measured(choice.proposal) | {
        "formula_fitted": str(choice.proposal.fitted),
        "constants": _constants(choice.proposal),
        "scores": choice.score.to_dict(),
        "verdict": choice.verdict,
        "reason": choice.reason,
        "evidence": evidence_json(choice.evidence),
        "agreement": None if choice.agreement is None else _agreement(choice.agreement),
    }


def _measured(proposal: Proposal) -> dict[str, Any]:
    return {
        "formula": str(proposal.expression),
        "complexity": complexity(proposal.expression),
        "bits": round(proposal.bits, 2),
        "relative_mean_square": finite(proposal.relative),
        "origin": proposal.origin,
    }


def evidence_json(evidence: Evidence) -> dict[str, Any]:
    """Return what a verdict rests on."""
    return {
        "dependence_p": {"pearson": evidence.dependence.pearson, "rank": evidence.dependence.rank},
        "residual_neighbour_correlation": finite(evidence.whiteness.correlation),
        "residual_threshold": finite(evidence.whiteness.threshold),
        "no_worse_than_network": bool(evidence.beats_network),
        "rows": evidence.rows,
    }


def _agreement(agreement: Agreement) -> dict[str, Any]:
    return {
        "resamples": agreement.resamples,
        "preferred": agreement.preferred,
        "constants": [
            {"value": finite(b.value), "low": finite(b.low), "high": finite(b.high)}
            for b in agreement.constants
        ],
        "searches": agreement.searches,
        "same_form": agreement.same_form,
    }


def _column(data: Dataset, name: str) -> dict[str, Any]:
    """Return an input's unit, range and, where it was given, the median of its measurement errors."""
    column: dict[str, Any] = {"unit": data.units.get(name), "range": _range(data, name)}
    if data.input_sigma is not None:
        column["error"] = float(np.median(data.input_sigma[:, data.names.index(name)]))
    return column


def _range(data: Dataset, name: str) -> list[float]:
    column = data.x[:, data.names.index(name)]
    return [float(column.min()), float(column.max())]


def source_json(source: Path) -> dict[str, str]:
    """Return the name of the table's file and what its bytes are known by."""
    return {"name": source.name, "sha256": hashlib.sha256(source.read_bytes()).hexdigest()}
