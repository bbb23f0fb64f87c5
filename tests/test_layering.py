"""Folders are layers: a file imports from its own folder or from lower ones, and core/ needs few libraries."""

import ast
from pathlib import Path

import pytest


SOURCE = Path(__file__).parent.parent / "src" / "scikan"
LAYERS = (
    "core",
    "files",
    "edit",
    "train",
    "structure",
    "law",
    "symbolic",
    "discovery",
    "physics",
    "show",
    "app",
)
CORE_MAY_IMPORT = {"jax", "equinox", "numpy", "jaxtyping"}
MODULES = sorted(SOURCE.glob("*/*.py"))


def imports(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.append(node.module or "")
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_a_file_imports_from_its_own_layer_or_lower_ones(path):
    own = LAYERS.index(path.parent.name)
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "scikan" and len(parts) > 1:
            assert LAYERS.index(parts[1]) <= own, f"{path} imports {name}"


def test_files_of_one_folder_do_not_import_each_other_in_a_circle():
    graph = {
        f"scikan.{p.parent.name}.{p.stem}": {n for n in top_level(p) if n.startswith("scikan.")}
        for p in MODULES
    }

    def reaches(start: str, goal: str, seen: set[str]) -> bool:
        for n in graph.get(start, set()) - seen:
            seen.add(n)
            if n == goal or reaches(n, goal, seen):
                return True
        return False

    assert [name for name in graph if reaches(name, name, set())] == []


def top_level(path: Path) -> list[str]:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return [node.module or "" for node in body if isinstance(node, ast.ImportFrom)]


@pytest.mark.parametrize("path", [p for p in MODULES if p.parent.name == "core"], ids=lambda p: p.name)
def test_core_needs_jax_equinox_and_numpy_alone(path):
    body = ast.parse(path.read_text(encoding="utf-8")).body
    outside = set()
    for node in body:
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        outside |= {n.split(".")[0] for n in names}
    standard = __import__("sys").stdlib_module_names
    assert outside - set(standard) - {"scikan"} <= CORE_MAY_IMPORT


def test_no_file_is_longer_than_400_lines():
    assert [p.name for p in MODULES if len(p.read_text(encoding="utf-8").splitlines()) > 400] == []


BANNED = {"eval", "exec", "compile", "sympify", "parse_expr", "lambdify", "pickle", "print"}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_data_never_becomes_code_and_nothing_is_printed_below_the_faces(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    called = {n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
    called |= {
        n.func.attr for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)
    }
    called &= BANNED - ({"print"} if path.parent.name == "app" else set())
    allowed = {"compile"} if "re.compile" in path.read_text(encoding="utf-8") else set()
    assert called <= allowed
