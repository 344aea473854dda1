"""Who may import whom: the floors of the house, read from the source."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import networkx as nx
import pytest

import tinytorch

ROOT = Path(tinytorch.__file__).parent
FLOORS = (
    {"config", "errors"},
    {"ir"},
    {"passes", "codegen", "runtime"},
    {"compiler"},
    {"tracer"},
    {"nn", "data", "autograd", "linalg", "special", "saving"},
    {"optim", "utils", "func"},  # averages of a model are a module; utils hands on data
    {"distributions"},
    {"amp"},  # scaling steps an optimizer
    {"cuda", "backends", "accelerator"},
    {"face"},
    {"compat"},  # written like a user's own code
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
# The tracer differentiates and batches while it records, so it knows these passes and what they are
# built on.
ALSO = {
    ("tracer", "tinytorch.passes.graph.autodiff"),
    ("tracer", "tinytorch.passes.graph.partition"), ("tracer", "tinytorch.passes.graph.rebuild"),
    ("tracer", "tinytorch.passes.graph.sizes"),  # puts sizes into what it recorded
    ("tracer", "tinytorch.passes.graph.batching"),
}  # fmt: skip
NUMBA_CORE = {"tinytorch.runtime.jit"}
NUMBA = NUMBA_CORE | {"tinytorch.runtime.intrinsics", "tinytorch.runtime.cuda"}
OPTIONAL = {"torch", "jax", "matplotlib", "ml_dtypes", "sklearn", "tqdm"}


def module_of(path: Path) -> str:
    parts = ["tinytorch", *path.relative_to(ROOT).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(p): p for p in sorted(ROOT.rglob("*.py"))}


def room(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "face"


def is_type_only(node: ast.If) -> bool:
    return "TYPE_CHECKING" in ast.unparse(node.test)


def statements(tree: ast.AST, inside: bool = False) -> Iterator[tuple[ast.stmt, bool]]:
    """Import statements that run, and whether they stand in a function."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node, inside
        elif not (isinstance(node, ast.If) and is_type_only(node)):
            function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from statements(node, inside or function)


def imports(module: str) -> Iterator[tuple[str, bool]]:
    """Modules a module imports (those of tinytorch by their file), and whether in a function."""
    path = MODULES[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node, inside in statements(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, inside) for alias in node.names)
            continue
        base = node.module or ""
        if node.level:
            up = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*up, base] if base else up)
        for alias in node.names:
            name = f"{base}.{alias.name}"
            yield (name if name in MODULES else base), inside


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_only_lower_floors(module):
    here = room(module)
    assert here in FLOOR, f"{module} stands on no floor: name it in FLOORS"
    for target, _ in imports(module):
        if not target.startswith("tinytorch"):
            continue
        assert target in MODULES, f"{module} imports {target}, which is no module"
        there = room(target)
        allowed = there == here or FLOOR[there] < FLOOR[here] or (here, target) in ALSO
        assert allowed, f"{module} ({here}) imports {target} ({there})"
        if here == "tracer" and there in ("passes", "codegen"):
            assert (here, target) in ALSO, f"{module} imports {target}"


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_numba_only_where_it_may(module):
    for target, _ in imports(module):
        if target.split(".")[0] == "numba":
            assert module in NUMBA, f"{module} imports {target}"
        if target.startswith("numba.core"):
            assert module in NUMBA_CORE, f"{module} imports {target}"


@pytest.mark.parametrize("module", sorted(MODULES))
def test_functions_import_nothing_but_optional_packages(module):
    inside = {target for target, within in imports(module) if within}
    assert {t for t in inside if t.split(".")[0] not in OPTIONAL} == set()


def test_no_circles():
    graph = nx.DiGraph()
    for module in MODULES:
        for target, _ in imports(module):
            # A package's own files may name it; importing a file runs its packages anyway.
            family = f"{target}.".startswith(f"{module}.") or f"{module}.".startswith(f"{target}.")
            if target in MODULES and not family:
                graph.add_edge(module, target)
    assert list(nx.simple_cycles(graph)) == []


@pytest.mark.parametrize("module", ["tinytorch", "tinytorch.compiler"])
def test_a_fresh_process_does_not_import_numba(module):
    code = f"import sys, {module}; print(sorted(m for m in ('numba', 'scipy') if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
