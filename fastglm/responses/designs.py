"""Rows brought to the designs of a model with several predictors, and their linear predictors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.design.matrix.parts import Design
from fastglm.families import Gaussian
from fastglm.kernels.blocks.row_buffers import LINEAR_PREDICTOR
from fastglm.passes.row_table import build_row_table
from fastglm.passes.row_values import evaluate_rows

if TYPE_CHECKING:
    pass

__all__ = ["NewDesigns", "linear_predictor"]


@dataclass(frozen=True, eq=False)
class NewDesigns:
    """New rows brought to the columns of every design.

    Attributes
    ----------
    designs : tuple of Design
    nan_rows : ndarray of bool, shape (n,), or None
        Rows whose prediction is NaN.
    offsets : tuple of (ndarray, shape (n,), or None)
        One per design.
    index : pandas.Index or None
    """

    designs: tuple[Design, ...]
    nan_rows: np.ndarray | None
    offsets: tuple[np.ndarray | None, ...]
    index: Any

    def label(self, values: np.ndarray, columns: Sequence[Any]) -> Any:
        """(n,) values as they are, (k, n) as (n, k); labelled if pandas objects came in."""
        if self.nan_rows is not None:
            # Whole numbers, levels of a response, have no NaN.
            values = values if values.dtype.kind in "fO" else values.astype(np.float64)
            values[..., self.nan_rows] = np.nan
        if self.index is None:
            return values.T
        import pandas as pd

        if values.ndim == 1:
            return pd.Series(values, index=self.index)
        return pd.DataFrame(values.T, index=self.index, columns=list(columns))


def linear_predictor(design: Design, params: np.ndarray, n_threads: int) -> np.ndarray:
    """X params, (n,); NaN parameters, of aliased columns, count as zero."""
    (values,) = evaluate_rows(
        build_row_table(design), Gaussian(), params, (LINEAR_PREDICTOR,), n_threads=n_threads
    )
    return values
