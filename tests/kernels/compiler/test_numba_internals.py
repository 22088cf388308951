"""Helpers become part of their callers, nothing of their own; numba's inside is in one module."""

import ast
import math
from pathlib import Path

import numpy as np
import pytest
from as_entry import as_entry
from numba.core.types import float64

import fastglm
from fastglm.kernels.compiler.decorators import inline, inline_any_precision, noinline
from fastglm.kernels.compiler.intrinsics import pointer
from fastglm.kernels.math.cholesky import solve_factored


@inline
def _squared(x):
    return x * x


@noinline
def _sum_of_squares(values, n):
    total = 0.0
    for i in range(n):
        total += _squared(values[i])
    return total


@inline
def _norm_at(address, n):
    return np.sqrt(_sum_of_squares(pointer(address, float64), n))


def test_helpers_of_helpers_reach_the_caller():
    values = np.array([1.0, 4.0, 8.0])
    assert as_entry(_norm_at)(values.ctypes.data, 3) == 9.0
    assert as_entry(_sum_of_squares)(values, 2) == 17.0
    assert as_entry(_sum_of_squares)(values.astype(np.float32), 2) == 17.0


def test_a_helper_has_no_machine_code_of_its_own():
    assert as_entry(_squared)(3.0) == 9.0
    (compiled,) = (c for c in _squared.overloads.values() if c.signature.args == (float64,))
    name = compiled.fndesc.llvm_func_name
    assert name in {function.name for function in compiled.library.get_defined_functions()}
    assert compiled.library.get_pointer_to_function(name) == 0


THIRD = 1.0 / 3.0


def _shifted(x):
    return math.pi * x + THIRD if x < math.inf else 0.1


_in_doubles, _in_its_precision = inline(_shifted), inline_any_precision(_shifted)


@inline
def _by_either(x):
    return _in_doubles(x), _in_its_precision(x)


def test_formulas_keep_the_precision_of_their_arguments():
    by_either = as_entry(_by_either)
    x = np.float32(0.7)
    exact = math.pi * float(x) + THIRD
    double, own = by_either(x)
    assert double == pytest.approx(exact, rel=1e-15)
    assert own == np.float32(own) != double
    assert own == pytest.approx(exact, rel=2e-7)
    assert by_either(float(x)) == (double, double)


#: What numba documents: its names at the top, types, the tools of `numba.extending`, and errors.
DOCUMENTED = {"numba", "numba.core.types", "numba.core.cgutils", "numba.core.errors"}
DOCUMENTED |= {"numba.extending", "numba.types"}


def numba_modules(tree):
    """Modules of numba that a file imports, the inner ones by their full names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names if each.name.split(".")[0] == "numba")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "numba":
            inner = node.module == "numba.core"
            yield from (f"numba.core.{a.name}" for a in node.names) if inner else (node.module,)


def test_the_inside_of_numba_is_imported_in_one_module():
    folder = Path(fastglm.__file__).parent
    found = {
        str(path.relative_to(folder))
        for path in folder.rglob("*.py")
        if set(numba_modules(ast.parse(path.read_text()))) - DOCUMENTED
    }
    assert found == {str(Path("kernels", "compiler", "numba_internals.py"))}


def test_an_entry_is_not_called_by_compiled_code():
    """Linked to code from the cache, its caller would crash the next process that loads it."""

    def _calling(values):
        solve_factored(values, values[0], values[0], values[0], values[0])

    with pytest.raises(Exception, match="solve_factored is an entry for Python"):
        as_entry(noinline(_calling))(np.eye(2))
