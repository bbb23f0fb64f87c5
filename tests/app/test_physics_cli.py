"""`scikan physics`: every command on a small table, and wrong input answered by one sentence."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from scikan.app.cli import app


sys.path.insert(0, str(Path(__file__).parent.parent / "physics"))
from motions import trajectories  # noqa: E402


RUNNER = CliRunner()
METRIC = """
import jax.numpy as jnp

def metric(x, params):
    place = x[1:]
    r = jnp.sqrt(place @ place)
    g = jnp.zeros((4, 4)).at[0, 0].set(1 - 1 / r)
    return g.at[1:, 1:].set(-(jnp.eye(3) + jnp.outer(place, place) / ((r - 1) * r**2)))
"""


def physics(*arguments):
    done = RUNNER.invoke(app, ["physics", *map(str, arguments)], catch_exceptions=False)
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def states(folder):
    q, v = np.random.default_rng(0).uniform(-2, 2, (2, 400))
    pd.DataFrame({"q": q, "v": v, "a": -np.sin(q)}).to_csv("states.csv", index=False)
    return "states.csv"


@pytest.fixture
def motions(folder):
    t = np.linspace(0, 6, 60)
    rows = []
    for n in range(12):
        size, phase = 0.5 + 0.15 * n, 0.7 * n
        noise = np.random.default_rng(n).normal(0, 1e-3, (2, 60))
        q, p = size * np.sin(t + phase) + noise[0], size * np.cos(t + phase) + noise[1]
        rows.append(pd.DataFrame({"t": t, "run": f"run {n}", "q": q, "p": p}))
    pd.concat(rows).to_csv("motions.csv", index=False)
    return "motions.csv"


def test_conserved_quantities_of_a_field(states):
    code, out, _ = physics(
        "conserved", states, "--state", "q", "--velocity", "v", "--acceleration", "a", "--out", "o"
    )
    assert code == 0
    assert "1 conserved quantity" in out and "cos(q)" in out
    result = json.loads(Path("o/result.json").read_text())
    assert result["count"] == 1 and Path("o/levels.png").stat().st_size > 1000


def test_conserved_quantities_of_noisy_trajectories(motions):
    code, out, _ = physics(
        "conserved", motions, "--state", "q,p", "--time", "t", "--trajectory", "run", "--out", "o"
    )
    assert code == 0
    assert "12 trajectories" in out and "no rates given" in out and "q**2 + p**2" in out
    assert Path("o/drift.svg").exists()


def test_lagrangian_of_states(states):
    code, out, _ = physics(
        "lagrangian", states, "--state", "q", "--velocity", "v", "--acceleration", "a", "--out", "o"
    )
    assert code == 0
    assert "L = v**2/2 + cos(q)" in out
    assert json.loads(Path("o/result.json").read_text())["verdict"] == "law"
    assert Path("o/energy.png").exists()


@pytest.mark.slow
def test_lagrangian_from_positions_says_what_it_derives(folder):
    q, t, number = trajectories(np.random.default_rng(0), lambda q, v: -np.sin(q), n=8)
    pd.DataFrame({"q": np.ravel(q), "t": t, "run": number}).to_csv("p.csv", index=False)
    told = ["--state", "q", "--time", "t", "--trajectory", "run", "--out", "o"]
    code, out, _ = physics("lagrangian", "p.csv", *told)
    assert code == 0
    assert "no velocities and accelerations given" in out and "energy: E = v_q**2/2 - " in out
    assert Path("o/energy.png").exists()


def neo_hookean(rows=120):
    f = np.eye(3) + np.random.default_rng(0).normal(0, 0.15, (rows, 3, 3))
    inverse = np.swapaxes(np.linalg.inv(f), 1, 2)
    p = f - inverse + 1.5 * np.log(np.linalg.det(f))[:, None, None] * inverse
    places = [f"{i}{j}" for i in (1, 2, 3) for j in (1, 2, 3)]
    table = np.concatenate([f.reshape(-1, 9), p.reshape(-1, 9)], axis=1)
    return pd.DataFrame(table, columns=[f"F{c}" for c in places] + [f"P{c}" for c in places])


@pytest.mark.slow
def test_constitutive_law_of_named_columns(folder):
    neo_hookean().to_csv("stress.csv", index=False)
    code, out, _ = physics("constitutive", "stress.csv", "--out", "o")
    assert code == 0
    assert "read as PK1" in out and "W = " in out and "log(J)" in out
    assert Path("o/energy.svg").exists()


@pytest.mark.slow
def test_constitutive_law_with_fibres_and_its_conditions(folder):
    table = neo_hookean(200)
    f = table.filter(like="F").to_numpy().reshape(-1, 3, 3)
    stretch = np.sum(f[:, :, 1] ** 2, axis=1)
    for row in (1, 2, 3):
        table[f"P{row}2"] += 2 * (stretch - 1) * f[:, row - 1, 1]
    table.to_csv("stress.csv", index=False)
    code, out, _ = physics("constitutive", "stress.csv", "--fibre", "0,2,0", "--out", "o")
    assert code == 0
    assert "(I4 - 1)**2/2" in out and "reference state: P(I) = 0 (law): holds" in out
    result = json.loads(Path("o/result.json").read_text())
    assert result["fibres"] == [[0.0, 2.0, 0.0]]
    assert all(c["holds"] for c in result["conditions"] if "set of axes" not in c["name"])


def points(rows=300):
    n = np.random.default_rng(0).normal(size=(rows, 3))
    place = n / np.linalg.norm(n, axis=1, keepdims=True) * np.linspace(1.2, 3, rows)[:, None]
    return pd.DataFrame(np.concatenate([np.zeros((rows, 1)), place], axis=1), columns=list("txyz"))


@pytest.mark.slow
def test_hidden_symmetry_of_a_metric_in_a_file(folder):
    points().to_csv("points.csv", index=False)
    Path("hole.py").write_text(METRIC)
    code, out, _ = physics("symmetry", "points.csv", "--metric", "hole.py", "--out", "o")
    assert code == 0
    assert "sqrt(r)/(r - 1)" in out and "keeps its sign" in out
    assert len(json.loads(Path("o/result.json").read_text())["branches"]) == 2
    assert Path("o/branches.png").exists()


WRONG = [
    (("conserved", "states.csv", "--state", "q,w"), 'no column "w"'),
    (("conserved", "states.csv", "--state", "q,v"), "neither rates nor trajectories"),
    (("conserved", "states.csv", "--state", "q,v", "--velocity", "v"), "--velocity names 1 columns"),
    (("conserved", "states.csv", "--state", "q,q", "--trajectory", "a"), "named twice"),
    (("conserved", "states.csv", "--state", "q,v", "--trajectory", "one"), "only one trajectory"),
    (("lagrangian", "states.csv", "--state", "q"), "time stamps are needed"),
    (("lagrangian", "states.csv", "--state", "q", "--angle", "f"), "--angle f"),
    (("constitutive", "states.csv"), "lacks F11"),
    (("constitutive", "stretched.csv", "--incompressible"), "det F is"),
    (("constitutive", "states.csv", "--fibre", "1;0;0"), "--fibre 1;0;0 is no direction"),
    (("symmetry", "states.csv", "--metric", "none.py"), "no Python file"),
    (("symmetry", "states.csv", "--metric", "empty.py"), "defines no function metric"),
    (("symmetry", "states.csv", "--metric", "broken.py"), "stopped with ZeroDivisionError"),
    (("symmetry", "states.csv", "--metric", "hole.py", "--form", "round"), "--form round is unknown"),
]


@pytest.mark.parametrize(("arguments", "sentence"), WRONG, ids=lambda v: v if isinstance(v, str) else "")
def test_wrong_input_is_answered_by_one_sentence(states, arguments, sentence):
    table = pd.read_csv(states)
    table["one"] = "a"
    table.to_csv(states, index=False)
    neo_hookean(40).to_csv("stretched.csv", index=False)
    Path("empty.py").write_text("")
    Path("broken.py").write_text("1 / 0")
    Path("hole.py").write_text(METRIC)
    code, _, err = physics(*arguments)
    assert code == 2
    assert sentence in err and "Fix:" in err and "Traceback" not in err


def test_a_singular_mass_matrix_of_a_prior_is_told(states):
    columns = ("--state", "q", "--velocity", "v", "--acceleration", "a")
    code, _, err = physics("lagrangian", states, *columns, "--prior", "q*v")
    assert code == 2
    assert "mass matrix is singular" in err


def test_a_hamiltonian_is_told_and_written(folder):
    q, p = np.random.default_rng(0).uniform(-2, 2, (2, 400))
    pd.DataFrame({"q": q, "p": p, "dq": p, "dp": -np.sin(q)}).to_csv("flow.csv", index=False)
    status, out, _ = physics(
        "hamiltonian", "flow.csv", "--state", "q,p", "--rate", "dq,dp", "--out", "answer"
    )
    assert status == 0 and "H = p**2/2 - cos(q)" in out
    written = json.loads(Path("answer/result.json").read_text())
    assert written["canonical"] and written["structure"] == [[0.0, 1.0], [-1.0, 0.0]]
    assert Path("answer/energy.png").exists()
    status, _, error = physics("hamiltonian", "flow.csv", "--state", "q,p", "--rate", "dq")
    assert status == 2 and "--rate names 1 columns for 2" in error
