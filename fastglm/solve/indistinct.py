"""Refusal of streamed designs that are too collinear for the normal equations."""

from __future__ import annotations

import numpy as np

from fastglm.errors import DataError, Status, few_of
from fastglm.families import Gaussian
from fastglm.kernels.blocks.table import WITH_GRAM
from fastglm.kernels.passes.sweep import sweep_kernel
from fastglm.passes.products import design_gram
from fastglm.solve.conditioning import may_use_cholesky
from fastglm.solve.newton import state as at
from fastglm.solve.newton.run import Run, SolverOptions
from fastglm.solve.qr_refinement import DOUBTFUL_PIVOT

__all__ = ["IndistinctColumnsError", "doubtful", "require_digits"]


class IndistinctColumnsError(DataError):
    """Columns are so nearly collinear that the Gram matrix cannot separate them."""


def doubtful(run: Run) -> np.ndarray:
    """Mask of columns that look like combinations of earlier ones, without columns of no weight."""
    pivot, scale = run.vectors[at.PIVOT], run.vectors[at.COLUMN_SCALE]
    return (pivot < DOUBTFUL_PIVOT) & (scale != 0.0)


def require_digits(run: Run, options: SolverOptions) -> None:
    """Raises if a run's Gram matrix cannot separate columns, or has lost too many digits."""
    if run.status not in (Status.CONVERGED, Status.MAX_ITERATIONS, Status.STEP_TOO_SHORT):
        return
    names = run.row_table.design.names
    lost = np.flatnonzero(doubtful(run) | _lost_weight(run, options))
    if lost.size:
        shown = few_of([f"'{names[j]}'" for j in lost])
        raise IndistinctColumnsError(
            f"{shown} cannot be told from combinations of earlier columns by sums over "
            "streamed rows: leave these columns out, or raise memory= until the rows fit into it."
        )
    if not may_use_cholesky(run.inflation):
        raise IndistinctColumnsError(
            "the columns are so nearly combinations of each other that standard errors from sums "
            f"over streamed rows would lose their digits (inflation {run.inflation:.1e}): leave "
            "columns out, centre them, or raise memory= until the rows fit into it."
        )


def _lost_weight(run: Run, options: SolverOptions) -> np.ndarray:
    """Mask of columns whose weights have all vanished though they are not zero; may take a pass."""
    nothing = run.vectors[at.COLUMN_SCALE] == 0.0
    if not nothing.any():
        return nothing
    family = Gaussian()
    table, partials = run.table.copy(), run.partials.copy()
    table.bind_respond(family.link.inverse_rows, family.respond_rows, WITH_GRAM)
    table.bind_partials(partials)
    run.rows.add_up(sweep_kernel, table, partials, options.n_threads)
    order = run.row_table.gram_order
    gram = design_gram(run.row_table, partials[0, : order * order])
    return nothing & (np.diag(gram) > 0.0)
