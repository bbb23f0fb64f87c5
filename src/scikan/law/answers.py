"""Read the law back from a `law.json`: its formula passes through our own parser, and nothing is run."""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from scikan.core.errors import KanError, ModelFileError
from scikan.core.expr import Constant, Expr, Number, map_children
from scikan.core.parser import parse
from scikan.law.record import Law, joined


FORMAT = 1
LARGEST_FILE = 16 * 1024**2


def load_law(path: str | os.PathLike[str]) -> Law:
    """Return the law that `scikan run` wrote, with its columns, their units and their ranges.

    Of a run on several targets it holds the formulas of all that have one (`unexplained` names the others).

    Args:
        path: a `law.json`, or the folder that holds it.

    Raises:
        ModelFileError: there is no such file, it is no law.json, is of a newer format, or holds no law.
    """
    path = Path(path)
    content = load_answer(path)
    try:
        laws = [law_of(one) for one in single_answers(content).values() if one.get("formula") is not None]
        if laws:
            return joined(laws)
    except (KanError, LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        why = error.what if isinstance(error, KanError) else repr(error)
        raise ModelFileError(
            f"{path} is no law that can be read: {' '.join(why.split())}.", fix="run scikan run again."
        ) from None
    where = (
        "the networks in the folders of its targets"
        if "answers" in content
        else "the network of the same folder"
    )
    raise ModelFileError(
        f"{path} holds no law (verdict {content.get('verdict')!r}: {content.get('reason')}).",
        fix="go on with scikan run --resume." if "best_so_far" in content else f"use {where}: network.kan.",
    )


def single_answers(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the answers that a law.json holds, by target: its own, or those of several targets."""
    answers: Mapping[str, Any] = content.get("answers", {str(content.get("target")): content})
    return answers


def unexplained(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Return the targets of a law.json that have no formula.

    Raises:
        ModelFileError: there is no such file, it is no law.json, or is of a newer format.
    """
    answers = single_answers(load_answer(path))
    return tuple(str(target) for target, one in answers.items() if one.get("formula") is None)


def load_answer(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the content of a `law.json`.

    Args:
        path: a `law.json`, or the folder that holds it.

    Raises:
        ModelFileError: there is no such file, it is no law.json, or is of a newer format.
    """
    path = Path(path)
    path = path / "law.json" if path.is_dir() else path
    content = _content(path)
    if content.get("format") != FORMAT:
        raise ModelFileError(
            f"{path} has format {content.get('format')!r}; this scikan reads format {FORMAT}.",
            fix="give the law.json of a run, or install a newer scikan.",
        )
    return content


def load_verdict(path: str | os.PathLike[str]) -> str:
    """Return the verdict in a `law.json` ("law", "approximation", "none"), empty if it holds none.

    Of several targets it says which have what: "approximation: law for x; none for y."

    Raises:
        ModelFileError: there is no such file, or it is no law.json.
    """
    path = Path(path)
    content = _content(path / "law.json" if path.is_dir() else path)
    verdict = str(content.get("verdict") or "")
    return f"{verdict}: {content.get('reason')}" if "answers" in content else verdict


def _content(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise ModelFileError(f"{path} is larger than any law.", fix="check that this is a law.json.")
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelFileError(f"There is no file {path}.", fix="check the name and the folder.") from None
    except OSError as error:
        raise ModelFileError(
            f"{path} could not be read: {error.strerror or error}.", fix="check the permissions."
        ) from None
    except (ValueError, RecursionError) as error:
        raise ModelFileError(
            f"{path} is no JSON: {' '.join(str(error).split())}.", fix="give the law.json of a run."
        ) from None
    if not isinstance(content, dict):
        raise ModelFileError(f"{path} is no law.json.", fix="give the law.json of a run.")
    return content


def law_of(content: Mapping[str, Any]) -> Law:
    """Return the law in the content of a law.json.

    Raises:
        KanError, LookupError, TypeError, ValueError: the content is none.
    """
    columns = content["names"]
    names = tuple(str(name) for name in columns)
    tree = parse(str(content["formula"]), names=names)
    errors = {abs(float(c["value"])): c["error"] for c in content.get("constants") or () if not c["snapped"]}
    units = {name: str(about["unit"]) for name, about in columns.items() if about["unit"]}
    if content.get("target_unit"):
        units[str(content["target"])] = str(content["target_unit"])
    ranges = np.asarray([about["range"] for about in columns.values()], dtype=float)
    return Law((_fitted(tree, errors),), (str(content["target"]),), names, units, ranges)


def _fitted(tree: Expr, errors: Mapping[float, Any]) -> Expr:
    """Return the tree with its fitted constants marked as such again; they are known by their values."""
    if isinstance(tree, Number) and isinstance(tree.value, float) and abs(tree.value) in errors:
        error = errors[abs(tree.value)]
        return Constant(tree.value, math.nan if error is None else float(error))
    return map_children(tree, lambda part: _fitted(part, errors))
