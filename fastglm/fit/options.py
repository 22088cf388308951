"""Options of the solver as callers give them, checked."""

from __future__ import annotations

import math
from typing import Any

from fastglm.arguments import checked_choice, checked_number
from fastglm.errors import ModelError
from fastglm.kernels.threads.threads import usable_threads
from fastglm.solve.newton.run import SolverOptions
from fastglm.solve.newton.state import Purpose

__all__ = ["solver_options"]


def solver_options(
    tol: Any, max_iter: Any, n_threads: Any, progress: Any, exact: Any = False
) -> SolverOptions:
    """Options of a fit; see `fastglm.GLM.fit`.

    Raises
    ------
    ModelError
        Naming the option that is out of its range.
    """
    # The types of the defaults need no further look.
    if not (type(tol) is float and 0.0 < tol < math.inf):
        _require_positive("tol", tol, float)
    if not (type(max_iter) is int and max_iter > 0):
        _require_positive("max_iter", max_iter, int)
    if progress is not None and not callable(progress):
        raise ModelError(
            'progress must be True, "lines", a function of the number of sweeps and the deviance, '
            f"or None, not {progress!r}"
        )
    if exact is not False:
        checked_choice("exact", exact, (True, False))
    threads = usable_threads(n_threads)
    return SolverOptions(float(tol), int(max_iter), threads, progress, Purpose.RESULT, exact)


def _require_positive(name: str, value: Any, kind: type[float]) -> None:
    if not kind(checked_number(name, value)) > 0:
        raise ModelError(f"{name} must be positive, not {value!r}")
