"""Helpers of kernels as tests can call them."""

import functools
from typing import Any

import numba


@functools.cache
def as_entry(helper: Any) -> Any:
    """A compiled function that does nothing but call the helper, which Python itself cannot."""

    def call(*arguments):
        return helper(*arguments)

    return numba.njit(call)
