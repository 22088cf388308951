"""Which module may import which, read from the imports; and what `import fastglm` costs."""

import ast
import os
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import fastglm

PACKAGE = Path(fastglm.__file__).parent
MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
}

# Every part from the ground up: each may import itself and those before it, be it at import, inside
# a function or for a type alone.
ORDER = (
    "errors", "typing", "arguments", "records", "pointers", "entry", "kernels", "data", "sources",
    "design", "families", "passes", "rows", "expfam", "solve", "fit", "inference", "export",
    "plots", "report", "results", "model", "streamed", "shorthand", "cross_validation", "responses",
    "mixed", "compare", "load", "sklearn", "", "mlflow", "cli",
    "__main__",
)  # fmt: skip
# The parts at the bottom may import no more than these, besides the first six.
GROUND = {"kernels": set(), "design": {"kernels"}, "families": {"kernels"}}


def part(module):
    return module.split(".")[1] if "." in module else ""


def statements(tree, everywhere):
    """Nodes that run at import, or with `everywhere` those inside functions as well."""
    for node in ast.iter_child_nodes(tree):
        if not everywhere and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        yield node
        yield from statements(node, everywhere)


def imports(module, everywhere=False):
    """Names of what a module imports: modules of this package in full, others by first name."""
    found = set()
    for node in statements(ast.parse(MODULES[module].read_text()), everywhere):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            inside = {f"{node.module}.{alias.name}" for alias in node.names} & MODULES.keys()
            found |= inside or {node.module}
            assert node.level == 0, f"{module} has a relative import"
    return found


def used_parts(module):
    return {part(name) for name in imports(module, everywhere=True) & MODULES.keys()}


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_run_one_way(module):
    assert used_parts(module) <= set(ORDER[: ORDER.index(part(module)) + 1])


@pytest.mark.parametrize("module", sorted(m for m in MODULES if part(m) in GROUND))
def test_the_ground_stands_on_little(module):
    assert used_parts(module) <= GROUND[part(module)] | {part(module), *ORDER[:6]}


def test_every_part_is_there():
    assert set(ORDER) == {part(module) for module in MODULES}


def test_no_circles_of_any_kind():
    graph = {module: imports(module, everywhere=True) & MODULES.keys() for module in MODULES}
    assert list(TopologicalSorter(graph).static_order())


# Packages that take long to import and that many fits never need.
HEAVY = [
    "pandas", "polars", "pyarrow", "matplotlib", "formulaic", "statsmodels", "rich", "typer",
    "dask", "distributed",
    "scipy.linalg", "scipy.optimize", "scipy.special", "scipy.stats",
    "fastglm.expfam", "fastglm.plots", "fastglm.responses.models.ordinal",
    "fastglm.responses.models.multinomial",
]  # fmt: skip
PROBE = f"""
import gc, sys
import fastglm
from numba.core.dispatcher import Dispatcher
print([name for name in {HEAVY} if name in sys.modules])
print([d for d in gc.get_objects() if isinstance(d, Dispatcher) and d.signatures
       and d.py_func.__module__.startswith("fastglm")])
"""


def test_import_is_light(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", PROBE],
        env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    heavy, compiled = done.stdout.splitlines()
    assert heavy == "[]"
    assert compiled == "[]"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", sorted(set(fastglm.__all__) - {"__version__"}))
def test_public_names_are_there_when_asked_for(name):
    done = subprocess.run(
        [sys.executable, "-c", f"import fastglm; print(fastglm.{name}, '{name}' in dir(fastglm))"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert name in done.stdout
    assert done.stdout.split()[-1] == "True"


def test_unknown_names_are_errors():
    with pytest.raises(AttributeError, match="no 'GML': did you mean 'glm'"):
        fastglm.GML  # noqa: B018
