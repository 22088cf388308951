"""Files and functions are short, and kernels are launched where rows are passed over."""

import ast
from pathlib import Path

import pytest

import fastglm

PACKAGE = Path(fastglm.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
MAX_FILE_LINES, MAX_BODY_LINES = 400, 40

#: Functions that came while this test did, and are still to be split. The list may only shrink.
TOO_LONG = {
    "mixed/several/row_pass.py": {"respond_along"},
}

#: Likewise a file.
LONG_FILES: set[str] = set()

#: Files outside `passes/` that run a kernel over rows or over the state of a run themselves. The
#: list may shrink, not grow: a new one belongs behind a function of `passes/`.
LAUNCH_OUTSIDE_PASSES = {
    # Sums of one family's parameter, and of replicates, over the table of a run.
    "fit/free_parameters/alpha.py",
    "solve/linear_refinement.py",
    "solve/replicates.py",
    "solve/score_products.py",
    # Kernels of one task on the solver's state, which read no row.
    "solve/newton/run.py",
    "solve/newton/unscale.py",
    "solve/starting/sampled_correction.py",
}


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
    assert (len(source.splitlines()) > MAX_FILE_LINES) == (name_of(path) in LONG_FILES)
    assert set(long_functions(source)) == TOO_LONG.get(name_of(path), set())


def test_kernels_are_launched_inside_passes():
    outside = {
        name_of(path)
        for path in FILES
        if path.parts[len(PACKAGE.parts)] not in ("passes", "kernels")
        and calls(path.read_text(encoding="utf-8"), "launch")
    }
    assert outside == LAUNCH_OUTSIDE_PASSES
