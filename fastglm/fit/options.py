"""Options of the solver as callers give them, checked."""

from __future__ import annotations

from typing import Any

from fastglm.arguments import checked_choice, checked_number
from fastglm.errors import ModelError
from fastglm.kernels.threads.threads import usable_threads
from fastglm.solve.newton.run import SolverOptions

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
    if not checked_number("tol", tol) > 0.0:
        raise ModelError(f"tol must be positive, not {tol!r}")
    if not checked_number("max_iter", max_iter) >= 1.0:
        raise ModelError(f"max_iter must be positive, not {max_iter!r}")
    if progress is not None and not callable(progress):
        raise ModelError(
            "progress must be a function of the number of sweeps and the deviance, or None, not "
            f"{progress!r}"
        )
    checked_choice("exact", exact, (True, False))
    threads = usable_threads(n_threads)
    return SolverOptions(float(tol), int(max_iter), threads, progress, exact=exact)
