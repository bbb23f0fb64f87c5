"""What the commands do: fit, formula, show. `cli.py` declares their options, this module runs them.

Every function returns the exit status. Results go to standard output, everything said on the way to standard
error, so that output can be piped.
"""

from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from scikan.app.faces import INTERRUPTED, LAW, NONE, consoles
from scikan.app.output import check_file, write_file
from scikan.core.dataset import Dataset
from scikan.core.errors import ModelFileError, NotSymbolicError, SettingError
from scikan.core.kan import KAN
from scikan.core.samples import box_samples
from scikan.files.model import load, save
from scikan.files.table import read_rows, read_table
from scikan.law.record import Law
from scikan.train.scoring import Score, boosting_predictions, linear_predictions, score_predictions


Options = dict[str, Any]


def fit_table(
    table: Path,
    target: str,
    options: Options,
    *,
    out: Path,
    overwrite: bool,
    hidden: str,
    grid: int,
    steps: int,
    test: float,
    penalty: float,
    prune: bool,
    seed: int,
    quiet: bool,
    no_cache: bool,
) -> int:
    """Train a network on a table, write it, and print its scores beside two rivals."""
    console, aside = consoles()
    check_file(out, overwrite)
    layers = hidden_layers(hidden)
    data = read_table(table, target, test=test, key=seed, **options)
    if not quiet:
        aside.print(f"{table.name}: {escape(repr(data))}", style="dim")
        for notice in data.notices:
            aside.print(f"note: {escape(notice)}", style="dim")
    model = KAN.for_data(data.rows(data.train), layers, grid, key=seed)
    if not no_cache:
        _keep_compiled(aside, quiet)
    model, log = _trained(model, data, steps, penalty, aside, quiet)
    if prune and log.status != "interrupted":
        from scikan.train.elimination import prune_by_loss

        model = prune_by_loss(model, data, key=seed)
    save(out, model)
    console.print(escape(f"{model!r}; {log.stop_reason} after {log.steps} steps, {log.seconds:.1f} s"))
    console.print(_score_table(model, data, seed))
    aside.print(f"written: {out}", style="dim")
    return INTERRUPTED if log.status == "interrupted" else LAW


def hidden_layers(text: str) -> tuple[Any, ...]:
    """Return hidden layers written as `sums,products`, several joined by `/`: "5,1" or "5,1/3"; "" for none.

    Raises:
        SettingError: the text is nothing of the kind.
    """
    try:
        layers = []
        for part in filter(None, (piece.strip() for piece in text.split("/"))):
            counts = [int(n) for n in part.split(",")]
            if len(counts) > 2:
                raise ValueError(part)
            layers.append(counts[0] if len(counts) == 1 else (counts[0], counts[1]))
        return tuple(layers)
    except ValueError:
        raise SettingError(
            f"--hidden {text} is no list of layers.",
            fix="write sums,products for each hidden layer, such as --hidden 5,1 or --hidden 5,1/3.",
        ) from None


def _keep_compiled(aside: Console, quiet: bool) -> None:
    from scikan.app.cache import keep_compiled

    if (obstacle := keep_compiled()) and not quiet:
        aside.print(escape(f"note: {obstacle}"), style="dim")


def _trained(
    model: KAN, data: Dataset, steps: int, penalty: float, aside: Console, quiet: bool
) -> tuple[KAN, Any]:
    from scikan.train.callbacks import Progress
    from scikan.train.fit import fit
    from scikan.train.penalty import Sparsity

    shown = aside.is_terminal and not quiet
    return fit(
        model,
        data,
        steps=steps,
        penalty=Sparsity(np.asarray(float(penalty))) if penalty else None,
        callbacks=(Progress(aside),) if shown else (),
    )


def _score_table(model: KAN, data: Dataset, seed: int) -> Table:
    """Return R2 and RMSE on training and held-out rows, of the network, a linear model and boosted trees."""
    from threadpoolctl import threadpool_limits

    both = np.vstack([data.train_x, data.test_x])
    n, x, y = len(data.train), data.train_x, data.train_y
    with threadpool_limits(limits=1):
        predictions = {
            "network": np.asarray(model(both)),
            "linear": linear_predictions(x, y, both),
            "boosting": boosting_predictions(x, y, both, seed),
        }
    unit = data.units.get(data.targets[0])
    rmse = f"RMSE{f' [{unit}]' if unit else ''}"
    parts = [(f"{n} training rows", slice(None, n), y)]
    if len(data.test):
        parts.append((f"{len(data.test)} held-out rows", slice(n, None), data.test_y))
    rows = {
        name: [score_predictions(values[part], truth) for _, part, truth in parts]
        for name, values in predictions.items()
    }
    return _grid([told for told, _, _ in parts], rmse, rows)


def _grid(parts: list[str], rmse: str, rows: dict[str, list[Score]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("")
    for told in parts:
        table.add_column(f"R2\n{told}", justify="right")
        table.add_column(f"{escape(rmse)}\n", justify="right")
    for name, scores in rows.items():
        cells = [text for score in scores for text in (f"{score.r2:.6g}", f"{score.rmse:.4g}")]
        table.add_row(name, *cells)
    return table


def one_network(path: Path) -> KAN:
    """Return the network of a file.

    Raises:
        ModelFileError: no such file, damaged, or it holds an ensemble.
    """
    model = load(path)
    if not isinstance(model, KAN):
        raise ModelFileError(
            f"{path} holds an ensemble of {len(model)} networks.",
            fix="save one of them: kn.save('one.kan', kn.load(...)[0]).",
        )
    return model


def print_formula(
    path: Path,
    table: Path | None,
    target: str | None,
    options: Options,
    *,
    latex: bool,
    digits: int,
    test: float,
    seed: int,
) -> int:
    """Print the formula of a network, naming its edges on a table where they have no names yet."""
    from scikan.law.snapping import snap_law
    from scikan.symbolic.formula import formula
    from scikan.symbolic.naming import auto_symbolic, spline_edges

    console, aside = consoles()
    model = one_network(path)
    data = None if table is None else _model_rows(model, table, target, options, test, seed)
    if splines := spline_edges(model):
        if data is None:
            raise NotSymbolicError(
                f"{path} has {len(splines)} edges without a name, so it has no formula yet.",
                fix=f"name them on a table: scikan formula {path} --table TABLE.",
            )
        model, _ = auto_symbolic(model, data, key=seed)
        if left := spline_edges(model):
            _tell_unnamed(console, model, left, data)
            return NONE
    law = formula(model) if data is None else snap_law(formula(model), data)
    console.print(escape(law.latex(digits) if latex else law.text(digits)))
    if data is not None:
        _tell_score(aside, law, data)
    return LAW


def _model_rows(
    model: KAN, table: Path, target: str | None, options: Options, test: float, seed: int
) -> Dataset:
    wanted = [target] if target else list(model.targets)
    if len(wanted) != len(model.targets):
        raise SettingError(
            f"The network has {len(model.targets)} targets ({', '.join(model.targets)}).",
            fix="leave --target out; the columns are found by these names.",
        )
    data = read_table(table, wanted, inputs=list(model.names), test=test, key=seed, **options)
    if data.names != model.names:
        lacking = ", ".join(f'"{name}"' for name in model.names if name not in data.names)
        raise SettingError(
            f"{table.name} does not vary in {lacking}, which the network reads.",
            fix="give a table like the one that the network was trained on.",
        )
    return data


def _tell_unnamed(console: Console, model: KAN, left: Any, data: Dataset) -> None:
    console.print(f"No formula: {len(left)} of {model.n_edges} edges fit no name well enough.")
    for at in left:
        best = "; ".join(_candidate(s) for s in _candidates(model, at, data, 3))
        console.print(f"    edge {'.'.join(map(str, at))}: {escape(best)}")
    console.print("They stay splines. Prune the network, train it longer, or see them: scikan show --edge.")


def _candidates(model: KAN, at: Any, rows: Any, top: int) -> Any:
    from scikan.symbolic.suggest import suggest_symbolic

    return suggest_symbolic(model, at, rows, top=top)


def _candidate(suggestion: Any) -> str:
    return f"{suggestion.name} (R2 {suggestion.r2:.6g})"


def _tell_score(aside: Console, law: Law, data: Dataset) -> None:
    held = len(data.test) > 0
    x, y = (data.test_x, data.test_y) if held else (data.train_x, data.train_y)
    with np.errstate(all="ignore"):
        score = score_predictions(law(x), y)
    rows = f"{score.rows} {'held-out' if held else 'training'} rows"
    aside.print(f"R2 {score.r2:.6g}, RMSE {score.rmse:.4g} on {rows}", style="dim")


def show_model(
    path: Path,
    table: Path | None,
    options: Options,
    *,
    out: Path | None,
    edge: str | None,
    top: int,
    overwrite: bool,
) -> int:
    """Draw a network, or list the names that would suit one of its edges."""
    console, aside = consoles()
    model = one_network(_model_of(path))
    address = None if edge is None else _edge(model, edge)
    if out is None and address is None:
        out = Path(f"{path.resolve().stem}.svg")
    if out is not None:
        check_file(out, overwrite)
    rows = None if table is None else read_rows(table, model.names, **options)
    if address is not None:
        _tell_edge(console, model, address, _box(model) if rows is None else rows, top)
    if out is not None:
        from scikan.show.plot import plot, save_figure

        figure = plot(model, rows, title=f"{', '.join(model.targets)} from {', '.join(model.names)}")
        write_file(out, lambda place: save_figure(figure, place))
        aside.print(f"written: {out}", style="dim")
    return LAW


def _model_of(path: Path) -> Path:
    """Return the model's file: of a run's folder the law if there is one, else the network."""
    if not path.is_dir():
        return path
    for name in ("law.kan", "network.kan"):
        if (path / name).is_file():
            return path / name
    raise ModelFileError(
        f"The folder {path} holds neither law.kan nor network.kan.",
        fix="give the --out folder of scikan run (of several targets: one of the folders in it), or a model file.",
    )


def _edge(model: KAN, text: str) -> tuple[int, int, int]:
    try:
        l, i, j = (int(n) for n in text.split("."))
    except ValueError:
        raise SettingError(
            f"--edge {text} is no edge.", fix="write layer.input.output, counted from 0: --edge 0.1.2."
        ) from None
    return model.check_address((l, i, j))


def _box(model: KAN) -> Any:
    """Return rows over the columns' ranges, for want of a table."""
    return box_samples(model.domain, 500)


def _tell_edge(console: Console, model: KAN, at: tuple[int, int, int], rows: Any, top: int) -> None:
    edge = model[at]
    told = f"{edge.kind} {edge.name}".strip()
    console.print(f"edge {'.'.join(map(str, at))} is {told}. Names that suit it, best first:")
    grid = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("name", "R2", "bits", "c f(a x + b) + d: a, b, c, d"):
        grid.add_column(heading, justify="left" if heading == "name" else "right")
    for s in _candidates(model, at, rows, top):
        grid.add_row(
            escape(s.name), f"{s.r2:.6f}", f"{s.bits:.0f}", ", ".join(f"{value:.5g}" for value in s.affine)
        )
    console.print(grid)
