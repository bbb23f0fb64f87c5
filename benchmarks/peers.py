"""The same tables given to other programs: gplearn, pyoperon, pykan, and ours beside them.

    python benchmarks/peers.py --list textbook --every 5 --limit 30 --out peers.csv

Tables and the test of exactness are those of `discovery.py`: 1000 rows of a formula of `formulas/`, and 1000 fresh
ones on which the relative error of what was found is below 1e-7. Every program runs in a process of its own on one
thread and has the same time, imports not counted (pyoperon looks at the clock between generations only, so it is
told 80 %, and 10 % more is allowed); one that has not answered by then, or fails, counts with the full
time. gplearn draws its constants from a range and pyoperon computes in single precision, so both are also judged
after our own refitting of their constants ("form"). pykan follows the recipe of its own first tutorial (sparse fit,
prune, fit, refine, fit, auto_symbolic, fit), on columns scaled to -1 .. 1; it knows no clock, so give it a limit that
lets it end. Rows already in the file are skipped.

    python benchmarks/peers.py --list textbook --every 5 --limit 600 --programs scikan,pykan --out peers-pykan.csv
"""

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any

import numpy as np
from discovery import EXACT, LISTS, columns, laws, relative_error, values
from record import append, done

import scikan as kn
from scikan.core.expr import Constant, Expr, Number, map_children, substitute
from scikan.law.refitting import refit


FIELDS = ("program", "formula", "seed", "limit", "exact", "form", "nodes", "seconds", "cpu", "error", "found")
IMPORTS = 60.0
"""Seconds that a process may take beyond the limit, for imports and for judging."""

Table = dict[str, np.ndarray]


def scikan(x: Table, y: np.ndarray, limit: float, seed: int) -> Expr:
    data = kn.Dataset.from_arrays(np.column_stack(list(x.values())), y, names=list(x), targets=["target"])
    return kn.discover(data, kn.Config(seconds=0.9 * limit, key=seed)).front[0].expression


def gplearn(x: Table, y: np.ndarray, limit: float, seed: int) -> Expr:
    from gplearn.functions import make_function
    from gplearn.genetic import SymbolicRegressor

    def safe_exp(u: np.ndarray) -> np.ndarray:
        return np.exp(np.clip(u, -50.0, 50.0))

    functions = ["add", "sub", "mul", "div", "sqrt", "log", "sin", "cos"]
    functions.append(make_function(function=safe_exp, name="exp", arity=1))
    search = SymbolicRegressor(
        population_size=1000,
        generations=1,
        function_set=functions,
        stopping_criteria=1e-12,
        warm_start=True,
        metric="rmse",
        feature_names=[f"c{j}" for j in range(len(x))],
        random_state=seed,
    )
    started, matrix, longest = perf_counter(), np.column_stack(list(x.values())), 0.0
    while perf_counter() - started + longest < limit:
        begun = perf_counter()
        search.fit(matrix, y)
        longest = max(longest, perf_counter() - begun)
        if search.run_details_["best_fitness"][-1] < 1e-12 * np.std(y):
            break
        search.set_params(generations=search.generations + 1)
    return nested(str(search._program), list(x))


def pyoperon(x: Table, y: np.ndarray, limit: float, seed: int) -> Expr:
    from pyoperon.sklearn import SymbolicRegressor

    search = SymbolicRegressor(
        allowed_symbols="add,sub,mul,div,constant,variable,sin,cos,exp,log,sqrt,square",
        optimizer_iterations=10,
        max_length=30,
        generations=1_000_000,
        max_evaluations=1_000_000_000,
        epsilon=1e-10,
        max_time=int(0.8 * limit),
        n_threads=1,
        random_state=seed,
    )
    search.fit(np.column_stack(list(x.values())), y)
    text = search.get_model_string(search.model_, 17, [f"c{j}" for j in range(len(x))])
    text = re.sub(r"\bc(\d+)\b", lambda m: f"`{list(x)[int(m[1])]}`", text)
    return infix(text, x)


def pykan(x: Table, y: np.ndarray, limit: float, seed: int) -> Expr:
    import kan
    import torch

    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    # On raw columns it meets NaN: grids begin at -1 and end at 1.
    middle = {name: (values.min() + values.max()) / 2 for name, values in x.items()}
    half = {name: np.ptp(values) / 2 for name, values in x.items()}
    scaled = np.column_stack([(values - middle[name]) / half[name] for name, values in x.items()])
    spread = float(np.std(y))
    inputs, label = torch.tensor(scaled), torch.tensor(y[:, None] / spread)
    table = {"train_input": inputs, "train_label": label, "test_input": inputs, "test_label": label}
    with TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("model").mkdir()
        model = kan.KAN(width=[len(x), [5, 2], 1], grid=3, k=3, seed=seed, auto_save=False)
        model.fit(table, opt="LBFGS", steps=50, lamb=0.001)
        model = model.prune()
        model.fit(table, opt="LBFGS", steps=50)
        model = model.refine(10)
        model.fit(table, opt="LBFGS", steps=50)
        model.auto_symbolic(lib=["x", "x^2", "x^3", "exp", "log", "sqrt", "sin", "tanh", "1/x"], verbose=0)
        model.fit(table, opt="LBFGS", steps=50)
        text = str(model.symbolic_formula()[0][0])
        os.chdir("/")
    text = re.sub(r"\bx_(\d+)\b", lambda m: f"`{list(x)[int(m[1]) - 1]}`", text)
    raw = {n: (kn.parse(f"`{n}`") - float(middle[n])) / float(half[n]) for n in x}
    return spread * substitute(kn.parse(text, names=tuple(x)), raw)


PROGRAMS: dict[str, Callable[[Table, np.ndarray, float, int], Expr]] = {
    "scikan": scikan,
    "gplearn": gplearn,
    "pyoperon": pyoperon,
    "pykan": pykan,
}
MODULES = {"scikan": "scikan.discovery.discover", "pykan": "kan"}
"""What a program is imported by, where that is not its name."""


def infix(text: str, x: Table) -> Expr:
    """Read pyoperon's formula, in which `square(u)` may occur."""
    square = kn.Function("square", lambda xp, u: u * u, lambda xp, u: 2 * u, twin="u**2")
    return kn.parse(text, names=tuple(x), library=kn.LIBRARY.with_function(square))


def nested(text: str, names: list[str]) -> Expr:
    """Read gplearn's nested calls, such as `add(mul(c0, 0.5), c1)`."""
    tokens = iter(re.findall(r"[\w.+-]+|[(),]", text))
    binary: dict[str, Callable[[Expr, Expr], Expr]] = {
        "add": lambda a, b: a + b,
        "sub": lambda a, b: a - b,
        "mul": lambda a, b: a * b,
        "div": lambda a, b: a / b,
    }

    def read() -> Expr:
        word = next(tokens)
        if word in binary:
            next(tokens)
            first = read()
            next(tokens)
            second = read()
            next(tokens)
            return binary[word](first, second)
        if word in ("sqrt", "log", "sin", "cos", "exp"):
            next(tokens)
            inner = read()
            next(tokens)
            # gplearn's own root and logarithm are those of the absolute value.
            text = f"{word}(abs(u))" if word in ("sqrt", "log") else f"{word}(u)"
            return substitute(kn.parse(text, names=("u",)), {"u": inner})
        return kn.parse(f"`{names[int(word[1:])]}`") if word[0] == "c" else Number(float(word))

    return read()


def freed(tree: Expr) -> Expr:
    """Return the tree with its decimals as constants to be fitted."""
    if isinstance(tree, Number) and isinstance(tree.value, float) and not tree.name:
        return Constant(tree.value)
    return map_children(tree, freed)


def run(program: str, law: dict[str, str], seed: int, limit: float) -> dict[str, Any]:
    """Return the row of one run, in this process; the tables are those of `discovery.py`."""
    rng = np.random.default_rng(seed)
    x, fresh = columns(law, 1000, rng), columns(law, 1000, rng)
    truth = kn.parse(law["formula"], names=tuple(x))
    y = np.array(values(truth, x))
    import_module(MODULES.get(program, program))
    started, worked = perf_counter(), process_time()
    tree = PROGRAMS[program](x, y, limit, seed)
    seconds, cpu = perf_counter() - started, process_time() - worked
    error = relative_error(tree, truth, fresh)
    form = error < EXACT or relative_error(refit(freed(tree), x, y).expr, truth, fresh) < EXACT
    late = seconds > 1.1 * limit
    return {
        "exact": "y" if error < EXACT and not late else "n",
        "form": "y" if form and not late else "n",
        "nodes": kn.complexity(tree),
        "seconds": round(min(seconds, limit), 2),
        "cpu": round(cpu, 2),
        "error": f"{error:.3g}",
        "found": str(tree),
    }


def isolated(program: str, law: dict[str, str], seed: int, limit: float) -> dict[str, Any]:
    """Return the row of one run in a process of its own; a failure takes the full time."""
    job = json.dumps([program, law, seed, limit])
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    failed = {"exact": "n", "form": "n", "nodes": "", "seconds": limit, "cpu": limit, "error": "inf"}
    try:
        answer = subprocess.run(
            [sys.executable, __file__, "--job", job],
            capture_output=True,
            text=True,
            timeout=limit + IMPORTS,
            env=environment,
        )
        if answer.returncode == 0:
            return dict(json.loads(answer.stdout.splitlines()[-1]))
        return failed | {"found": f"failed: {answer.stderr.strip().splitlines()[-1][:200]}"}
    except subprocess.TimeoutExpired:
        return failed | {"found": "failed: no answer in time"}


def results(arguments: argparse.Namespace, programs: list[str]) -> Iterator[dict[str, object]]:
    known = {
        (row["program"], row["formula"], int(row["seed"]), float(row["limit"])) for row in done(arguments.out)
    }
    for law in laws(arguments.list)[:: arguments.every]:
        for seed in range(arguments.seeds):
            for program in programs:
                if (program, law["name"], seed, arguments.limit) not in known:
                    key = {"program": program, "formula": law["name"], "seed": seed, "limit": arguments.limit}
                    yield key | isolated(program, law, seed, arguments.limit)


def summary(arguments: argparse.Namespace, programs: list[str]) -> str:
    """Return the table of counts and times, as text."""
    names = {law["name"] for law in laws(arguments.list)[:: arguments.every]}
    planned = len(names) * arguments.seeds
    lines = [
        f"{date.today()}, list {arguments.list}, every {arguments.every}th formula, limit {arguments.limit:g} s",
        "program    run  of  exact  form  median s  total s  failed",
    ]
    for program in PROGRAMS:
        rows = [
            row
            for row in done(arguments.out)
            if row["program"] == program
            and row["formula"] in names
            and float(row["limit"]) == arguments.limit
        ]
        if program not in programs and program in arguments.programs.split(","):
            lines.append(f"{program:10} cannot be imported: not run")
        if not rows:
            continue
        times = [float(row["seconds"]) for row in rows]
        lines.append(
            f"{program:10} {len(rows):3} {planned:3} {sum(r['exact'] == 'y' for r in rows):6}"
            f" {sum(r['form'] == 'y' for r in rows):5} {np.median(times):9.2f} {sum(times):8.1f}"
            f" {sum(r['found'].startswith('failed') for r in rows):7}"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--list", choices=sorted(p.stem for p in LISTS.glob("*.csv")), default="textbook")
    parser.add_argument("--every", type=int, default=1, help="take only every n-th formula")
    parser.add_argument("--seeds", type=int, default=1, help="how many tables per formula")
    parser.add_argument("--limit", type=float, default=30.0, help="seconds for each program and table")
    parser.add_argument("--programs", default=",".join(PROGRAMS), help="which, separated by commas")
    parser.add_argument("--summary", action="store_true", help="run nothing, tell what is there")
    parser.add_argument("--out", type=Path, default=Path("peers.csv"))
    parser.add_argument("--job", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.job:
        sys.stdout.write(json.dumps(run(*json.loads(arguments.job))) + "\n")
        return
    programs = [p for p in arguments.programs.split(",") if p == "scikan" or find_spec(MODULES.get(p, p))]
    for result in () if arguments.summary else results(arguments, programs):
        append(arguments.out, FIELDS, result)
        sys.stdout.write(f"{result['formula']}, {result['program']}: {result['exact']}  {result['found']}\n")
        sys.stdout.flush()
    sys.stdout.write(summary(arguments, programs) + "\n")


if __name__ == "__main__":
    main()
