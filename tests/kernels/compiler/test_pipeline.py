"""Helpers become part of what calls them, and are nothing of their own."""

import math

import numpy as np
import pytest
from as_entry import as_entry
from numba.core.types import float64

from fastglm.kernels.compiler.decorators import inline, inline_any_precision, noinline
from fastglm.kernels.compiler.intrinsics import pointer


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
