"""A fit on other rows than those it was fitted to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.inference.evaluation.new_rows import read_held_out
from fastglm.inference.evaluation.streamed_rows import gather_held_out
from fastglm.kernels.blocks import row_buffers
from fastglm.passes.row_table import RowTable, build_row_table
from fastglm.rows.model_rows import ModelRows
from fastglm.rows.read import row_columns
from fastglm.sources.scan import is_source, scan

if TYPE_CHECKING:
    from fastglm.fit.record import Fit

__all__ = ["HeldOut", "on_rows", "on_those"]


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Stands in for the model where a fit is evaluated on rows it has not seen.

    Attributes
    ----------
    rows : ModelRows
    """

    rows: ModelRows

    @cached_property
    def row_table(self) -> RowTable:
        """What the kernels read."""
        rows = self.rows
        return build_row_table(rows.design, rows.response, rows.prior_weights, rows.offset)

    formula: None = None
    source: None = None


def on_rows(
    fit: Fit,
    data: Any,
    response: Any = None,
    offset: Any = None,
    exposure: Any = None,
    freq_weights: Any = None,
    var_weights: Any = None,
    missing: str = "raise",
) -> Fit:
    """The fit with new rows in the place of its own; itself where there are none.

    Whatever of it depends on rows, such as residuals, is of the new ones. Arguments
    are those of `Results.evaluate`.
    """
    columns = row_columns(offset, exposure, freq_weights, var_weights)
    if data is None:
        fit._require_own_rows({"response": response, **columns})
        fit._rows_beside_columns("an evaluation on the rows of the fit")
        return fit
    if is_source(data):
        return on_those(fit, gather_held_out(fit, scan(data), response, columns, missing))
    return on_those(fit, read_held_out(fit, data, response, columns, missing))


def on_those(fit: Fit, rows: ModelRows) -> Fit:
    """The fit on rows that were read already."""
    held = replace(
        fit,
        model=HeldOut(rows),
        nobs=rows.nobs,
        sum_weights=rows.sum_weights,
        n_dropped=rows.n_dropped,
        missing=rows.missing,
    )
    deviance, pearson = held.row_values(row_buffers.DEVIANCE, row_buffers.PEARSON)
    often = np.ones(rows.n_rows) if rows.frequencies is None else rows.frequencies
    return replace(held, deviance=float(deviance @ often), pearson_chi2=float(pearson @ often))
