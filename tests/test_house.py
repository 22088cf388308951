"""Files and functions are short, and kernels are launched through tables that know types."""

import ast
import re
from pathlib import Path

import pytest

import fastglm
from fastglm.kernels.blocks import table

PACKAGE = Path(fastglm.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
MAX_FILE_LINES, MAX_BODY_LINES = 400, 40

#: Files that write slots of the kernels' table by index: the two builders, and compiled code, which
#: knows no methods. All others go by the methods of a `SlotTable`, which know types.
WRITES_SLOTS = {
    "passes/kernel_table.py",
    "passes/row_table.py",
    "solve/newton/convergence.py",
    "solve/newton/step.py",
}
SLOTS = {name for name in vars(table) if name.isupper()}


def name_of(path):
    return path.relative_to(PACKAGE).as_posix()


def body_lines(function):
    """Lines of a function's body without its docstring."""
    body = function.body
    if ast.get_docstring(function, clean=False) is not None:
        body = body[1:]
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def long_functions(source):
    found = (
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    return {f.name: n for f in found if (n := body_lines(f)) > MAX_BODY_LINES}


def calls(source, name):
    """Whether a function of that name is called."""
    return any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
        for node in ast.walk(ast.parse(source))
    )


def test_the_measure_counts_bodies_without_docstrings():
    body = "".join(f"    x = {k}\n" for k in range(MAX_BODY_LINES))
    assert long_functions('def f():\n    """One.\n\n    Two.\n    """\n' + body) == {}
    assert long_functions("def f():\n" + body + "    y = 1\n") == {"f": MAX_BODY_LINES + 1}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_files_and_functions_are_short(path):
    source = path.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= MAX_FILE_LINES
    assert long_functions(source) == {}


def writes_slots(source):
    """Whether any index that is written to is the name of a slot of the kernels' table."""
    stores = (
        node.slice
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store)
    )
    names = (n for store in stores for n in ast.walk(store))
    return any(getattr(n, "attr", getattr(n, "id", None)) in SLOTS for n in names)


def test_the_measure_finds_slots():
    assert writes_slots("table[fields.BETA] = 1")
    assert writes_slots("table[MODE] |= 2")
    assert not writes_slots("x = table[fields.BETA]")
    assert not writes_slots("x[at.STATUS] = 1")


def test_kernels_are_launched_through_a_table():
    sources = {
        name_of(p): p.read_text(encoding="utf-8")
        for p in FILES
        if p.relative_to(PACKAGE).parts[0] != "kernels"
    }
    assert {n for n, s in sources.items() if calls(s, "launch")} == {"passes/kernel_table.py"}
    assert {n for n, s in sources.items() if writes_slots(s)} == WRITES_SLOTS


def test_the_plan_of_the_house_names_files_and_what_is_in_them():
    text = (PACKAGE / "ARCHITECTURE.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 150
    root = PACKAGE.parent
    files = {p.relative_to(root).as_posix(): p for p in [*FILES, *(root / "tests").rglob("*.py")]}
    named = re.findall(r"`([\w/]+\.py)(?::\s+(\w+))?`", text)
    assert len(named) > 30
    for path, name in named:
        found = [p for f, p in files.items() if f"/{f}".endswith(f"/{path}")]
        assert any(name in p.read_text(encoding="utf-8") for p in found), (path, name)
