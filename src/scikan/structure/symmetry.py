"""Do columns enter through one function of them only? Through which one, or through a weighted sum?"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from scikan.core.errors import SettingError
from scikan.core.expr import evaluate, symbols
from scikan.core.parser import parse
from scikan.structure.directions import constant_direction, following, turning
from scikan.structure.probe import Probe, Subject, by_differences, probe_of
from scikan.structure.verdicts import Symmetry, judge


def symmetry(
    f: Subject,
    x: Any = None,
    group: Sequence[str] | None = None,
    *,
    variable: str | None = None,
    error: float | None = None,
    output: int = 0,
    names: Sequence[str] | None = None,
) -> Symmetry:
    r"""Return whether f = F(h(group), other columns) for some function h, or for a given one.

    The direction of $\nabla_{group} f$ must not turn with the other columns; for a given h it must be that of
    $\nabla h$ (KAN 2.0, section 4.3). Directions are taken in standard deviations of the columns, every column by
    its mean slope, so that no answer hangs on units. With all columns in the group and no h every f has the
    symmetry. If h is a weighted sum of the columns, the answer holds its weights.

    Args:
        f, x, error, output, names: as in `probe_of`: a KAN, a function of (N, columns) arrays, or a `Dataset`.
        group: columns; may be left out if `variable` names them.
        variable: h as text in the names of the columns, such as "b/c".

    Raises:
        SettingError: neither group nor variable, a column that does not exist, a variable of other columns.
        FormulaError: the variable is no formula.
        ShapeError: too few rows, or f returns no value a row.

    Example:
        `symmetry(lambda x: x[:, 0] * jnp.sqrt(1 + (x[:, 1] / x[:, 2])**2), x, variable="x2/x3").verdict` is "yes".
    """
    probe = probe_of(f, x, error=error, output=output, names=names)
    if group is None and variable is None:
        raise SettingError(
            "Neither a group of columns nor a variable is given.", fix='symmetry(f, x, ["x1", "x2"]).'
        )
    tree = None if variable is None else parse(variable, names=list(probe.names))
    own = set(() if tree is None else symbols(tree))
    places = probe.places(group if group is not None else [n for n in probe.names if n in own])
    listed = tuple(probe.names[j] for j in places)
    if not places or not own <= set(listed):
        raise SettingError(
            f"The variable {variable} holds columns outside the group {list(listed)}.",
            fix="add them to the group.",
        )
    if tree is None:
        found = turning(probe, places)
    else:
        slope = by_differences(lambda points: _values(tree, probe, points), probe.scale)
        found = following(probe, places, slope)
    answer = Symmetry(
        listed, found.score, found.null, judge(found.score, found.null), found.points, variable or ""
    )
    linear, weights = constant_direction(probe, places)
    if tree is None and answer.verdict == "yes" and judge(linear.score, linear.null) == "yes":
        answer = replace(answer, weights=weights)
    return answer


def _values(tree: Any, probe: Probe, points: Any) -> Any:
    columns = {name: points[:, j] for j, name in enumerate(probe.names)}
    with np.errstate(all="ignore"):
        return np.broadcast_to(evaluate(tree, columns), len(points)).astype(float)
