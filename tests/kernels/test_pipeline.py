"""Helpers become part of what calls them, and are nothing of their own."""

import numpy as np
from as_entry import as_entry
from numba.core.types import float64

from fastglm.kernels.jit import called, inlined, pointer


@inlined
def _squared(x):
    return x * x


@called
def _sum_of_squares(values, n):
    total = 0.0
    for i in range(n):
        total += _squared(values[i])
    return total


@inlined
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
