"""New rows with their responses from a source: a few numbers of each are gathered by a pass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fastglm.arguments import checked_choice
from fastglm.design.formula.grammar import parse_formula
from fastglm.design.frames.frames import not_found_text
from fastglm.errors import ColumnNotFoundError, DataError, ModelError
from fastglm.inference.evaluation.new_rows import column_given
from fastglm.rows.gathered import GatheredRows, gather_rows
from fastglm.rows.streamed_model import StreamedModel
from fastglm.rows.windows import RowReader, columns_used
from fastglm.sources.base import Source

__all__ = ["gather_held_out"]

#: Grains that are read together.
WINDOW_GRAINS = 8


def gather_held_out(
    fit: Any, source: Source, response: Any, columns: Mapping[str, Any], missing: str
) -> GatheredRows:
    """Read new rows with their responses; as `read_held_out`, of a source.

    Parameters
    ----------
    fit : Fit
    source : Source
    response : str, optional
        A column; by default what the left side of the formula gives.
    columns, missing
        As for `read_held_out`; names of columns, or numbers.

    Raises
    ------
    DataError
        Naming the argument, column or row that cannot be used.
    """
    fitted = fit.fitted_formula
    if fitted is None or fitted.response is None:
        raise DataError("rows of a source are evaluated by a fit of a formula: give a data frame.")
    checked_choice("missing", missing, ("raise", "drop"))
    if response is not None and not isinstance(response, str):
        raise ModelError("response must be the name of a column where rows come from a source.")
    columns = {name: column_given(fit, name, given) for name, given in columns.items()}
    for name, value in columns.items():
        if value is not None and not isinstance(value, str) and np.ndim(value) != 0:
            raise ModelError(f"{name} must be the name of a column, or one number, for a source.")
    text = fitted.formula if response is None else f"`{response}` ~ 1"
    written = parse_formula(text, source.names).response
    assert written is not None
    model = StreamedModel(fit.family, fitted, written, fit.response_levels, columns, missing)
    for name in columns_used(model.expressions, columns):
        if name not in source.names:
            raise ColumnNotFoundError(not_found_text(name, source.names))
    if source.n_rows is None:
        source.n_rows = sum(table.num_rows for table in source.read(source.names[:1]))
    reader = RowReader(source, model, WINDOW_GRAINS, single=columns["freq_weights"] is not None)
    return gather_rows(
        reader,
        checked=True,
        column_names=fit.column_names,
        weights=fit.weights,
        response_name=fit.response_name,
    )
