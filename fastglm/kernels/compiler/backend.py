"""Which way kernels are compiled: by numba's internals, or by what it documents alone."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

__all__ = ["backend"]

#: `numba_internals`, or `plain` if the environment variable FASTGLM_PLAIN_NUMBA is set to anything.
backend: Any = import_module(
    "fastglm.kernels.compiler."
    + ("plain" if os.environ.get("FASTGLM_PLAIN_NUMBA") else "numba_internals")
)
