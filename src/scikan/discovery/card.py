"""The rest of the evidence: noise of the target, the law beyond its range, simple laws that the data exclude.

All of it is asked of a finished discovery, when it is wanted.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from scikan.core.dataset import Dataset
from scikan.core.expr import Constant, Expr, Symbol, add, call, constants, evaluate, multiply, power, symbols
from scikan.core.samples import evenly
from scikan.discovery.bench import scaled_columns
from scikan.discovery.judging import HeldOut, Verdict
from scikan.discovery.outlook import outlook
from scikan.discovery.proposals import Proposal
from scikan.discovery.search import weights_of
from scikan.law.description import description_length
from scikan.law.refitting import Readout, refit, target_variance
from scikan.train.linear import least_squares
from scikan.train.scoring import Score, boosting_predictions, linear_predictions, score_predictions


INSIDE = 0.5
"""Share of the rows, roughly, that lie inside the range on which constants are fitted for a look beyond."""

LEAST_INSIDE, ROWS_A_CONSTANT = 20, 3
MOST_ROWS = 4000
MOST_MONOMIALS = 40


@dataclass(frozen=True)
class Beyond:
    """Scores on rows outside the range of those to which law, linear model and boosted trees were fitted.

    Args:
        inside: rows that they were fitted to: the middle of every column of the law.
        scores: of "law", "linear" and "boosting" on the other rows.
    """

    inside: int
    scores: dict[str, Score]


@dataclass(frozen=True)
class SimpleLaw:
    """The best formula of a simple class, fitted without the rows that judge it.

    Args:
        name: of the class: "linear", "quadratic", "logarithmic", "exponential" or "power law".
        formula: its best member on all rows.
        score: on held-out rows.
        verdict: on it as a law; whatever is no "law" is excluded.
    """

    name: str
    formula: Expr
    score: Score
    verdict: Verdict

    @property
    def is_excluded(self) -> bool:
        """Whether the held-out rows speak against it."""
        return self.verdict != "law"


@dataclass(frozen=True)
class Card:
    """What else speaks for and against a law.

    Args:
        noise: root mean square error of a smooth surrogate of the table, each row left out: the target's error is
            no larger. In units of the target, or relative where errors are taken so.
        left: what the law leaves on held-out rows, in the same units; infinite without a law.
        beyond: what it says outside the range that it was fitted to; None without a law or with too few rows.
        simple: the simple classes of laws that were asked.
    """

    noise: float
    left: float
    beyond: Beyond | None
    simple: tuple[SimpleLaw, ...]


def card(held_out: HeldOut, law: Proposal | None, predictions: Float[np.ndarray, " rows"]) -> Card:
    """Return what else speaks for and against a law.

    Args:
        held_out: the rows that the search never read.
        law: the formula; None without one.
        predictions: what was said of these rows, `(rows,)`.
    """
    data, relative = held_out.data, held_out.readout == "log"
    with np.errstate(all="ignore"):
        seen = outlook(data.x, data.y[:, 0], weights_of(data), held_out.readout)
        residual = np.log(predictions / held_out.truth) if relative else predictions - held_out.truth
        left = float(np.sqrt(np.mean(residual**2)))
        return Card(
            noise=seen.least,
            left=left if law is not None and np.isfinite(left) else float("inf"),
            beyond=None if law is None else _beyond(data, law, relative),
            simple=tuple(_asked(held_out, name, expr) for name, expr in _simple_laws(data)),
        )


def _beyond(data: Dataset, law: Proposal, relative: bool) -> Beyond | None:
    """Fit to the middle of every column of the law, and predict the other rows."""
    own = [j for j, name in enumerate(data.names) if name in symbols(law.expression)]
    if not own:
        return None
    table = data.rows(evenly(data.n_rows, MOST_ROWS))
    places = scaled_columns(table.x[:, own], tuple(table.input_scales[j] for j in own))
    edge = (1.0 - INSIDE ** (1.0 / len(own))) / 2.0
    low, high = np.quantile(places, (edge, 1.0 - edge), axis=0)
    inside = np.all((places >= low) & (places <= high), axis=1)
    needed = max(LEAST_INSIDE, ROWS_A_CONSTANT * len(constants(law.fitted)))
    if inside.sum() < needed or not np.any(~inside):
        return None
    seen, asked = table.rows(np.flatnonzero(inside)), table.rows(np.flatnonzero(~inside))
    readout: Readout = "log" if relative else "linear"
    fitted = refit(law.fitted, _columns(seen), seen.y[:, 0], weights_of(seen), readout, 20)
    said = {
        "law": np.broadcast_to(evaluate(fitted.expr, _columns(asked)), asked.n_rows).astype(float),
        "linear": linear_predictions(seen.x, seen.y[:, 0], asked.x),
        "boosting": boosting_predictions(seen.x, seen.y[:, 0], asked.x)[:, 0],
    }
    truth = asked.y[:, 0]
    scores = {name: score_predictions(values, truth, relative) for name, values in said.items()}
    return Beyond(int(inside.sum()), scores)


def _columns(data: Dataset) -> dict[str, Any]:
    return {name: data.x[:, j] for j, name in enumerate(data.names)}


def _asked(held_out: HeldOut, name: str, expr: Expr) -> SimpleLaw:
    """Return the best formula of a class with its verdict."""
    table = held_out.data.rows(evenly(held_out.data.n_rows, MOST_ROWS))
    y, weight = table.y[:, 0], weights_of(table)
    fit = refit(expr, _columns(table), y, weight, held_out.readout, 20, robust=False)
    variance = target_variance(y, weight, held_out.readout)
    bits = description_length(fit.expr, fit.mean_square, variance, table.n_rows, table.n_inputs)
    proposal = Proposal(fit.expr, fit.expr, fit.mean_square, fit.mean_square / variance, bits, name)
    choice = held_out.judged(proposal, held_out.predicted(proposal))
    return SimpleLaw(name, fit.expr, choice.score, choice.verdict)


def _simple_laws(data: Dataset) -> Iterator[tuple[str, Expr]]:
    """Yield a member of each simple class that can hold on these columns, its constants from a linear regression."""
    x, y = data.x, data.y[:, 0]
    few = ROWS_A_CONSTANT * (1 + data.n_inputs) <= data.n_rows
    columns = [Symbol(name) for name in data.names]
    positive = bool(np.all(x > 0))
    if not few:
        return
    yield "linear", _sum(columns, x, y)
    squares = [(j, k) for j in range(len(columns)) for k in range(j + 1)]
    if len(columns) + len(squares) < min(MOST_MONOMIALS, data.n_rows / ROWS_A_CONSTANT):
        products = np.column_stack([x, *(x[:, [j]] * x[:, [k]] for j, k in squares)])
        yield "quadratic", _sum([*columns, *(columns[j] * columns[k] for j, k in squares)], products, y)
    if positive:
        yield "logarithmic", _sum([call("log", column) for column in columns], np.log(x), y)
    if np.all(y > 0):
        yield "exponential", call("exp", _sum(columns, x, np.log(y)))
    if positive and np.all(y > 0):
        weights = _weights(np.log(x), np.log(y))
        factors = [power(c, Constant(w)) for c, w in zip(columns, weights[1:], strict=True)]
        yield "power law", multiply([Constant(float(np.exp(weights[0]))), *factors])


def _sum(terms: list[Any], columns: Any, y: Any) -> Expr:
    """Return the regression of y on terms whose values are these columns, with a constant."""
    weights = _weights(columns, y)
    return add(
        [Constant(weights[0]), *(multiply([Constant(w), t]) for w, t in zip(weights[1:], terms, strict=True))]
    )


def _weights(columns: Any, y: Any) -> list[float]:
    """Return the constant and the weights of a regression."""
    found: list[float] = least_squares(np.column_stack([np.ones(len(y)), columns]), y).tolist()
    return found
