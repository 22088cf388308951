"""The linear predictor of a design."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fastglm.design.matrix.parts import Design
from fastglm.families import Gaussian
from fastglm.kernels.blocks.row_buffers import LINEAR_PREDICTOR
from fastglm.passes.row_table import build_row_table
from fastglm.passes.row_values import evaluate_rows

if TYPE_CHECKING:
    pass

__all__ = ["linear_predictor"]


def linear_predictor(design: Design, params: np.ndarray, n_threads: int) -> np.ndarray:
    """X params, (n,); NaN parameters, of aliased columns, count as zero."""
    (values,) = evaluate_rows(
        build_row_table(design), Gaussian(), params, (LINEAR_PREDICTOR,), n_threads=n_threads
    )
    return values
