"""Predictions of rows that need not be in memory, written as they are made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from fastglm.data.writing import TableWriter
from fastglm.design.frames.frames import not_found_text
from fastglm.errors import ColumnNotFoundError, DataError, ModelError
from fastglm.inference.intervals.prediction_intervals import get_prediction
from fastglm.inference.rows.prediction import new_rows, predict
from fastglm.kernels.threads.threads import usable_threads
from fastglm.passes.grains import GRAIN_ROWS
from fastglm.rows.windows import read_pieces, telling_rows
from fastglm.sources.scan import scan

if TYPE_CHECKING:
    import pyarrow

    from fastglm.fit.record import Fit
    from fastglm.sources.base import Source

__all__ = ["predict_to"]

#: Rows that are predicted at a time.
PIECE_ROWS = 16 * GRAIN_ROWS


def predict_to(
    fit: Fit,
    path: str | Path | BinaryIO,
    data: Any,
    *,
    keep: str | Sequence[str] = (),
    which: str = "mean",
    interval: bool = False,
    alpha: float = 0.05,
    offset: Any = None,
    exposure: Any = None,
    unseen: str = "raise",
    n_threads: int | None = None,
) -> int:
    """Predict the rows of a source and write them; see `fastglm.Results.predict_to`."""
    source = scan(data)
    kept = [keep] if isinstance(keep, str) else list(keep)
    if interval and which not in ("mean", "response"):
        raise ModelError(f'interval=True is of means: which must be "mean", not {which!r}.')
    names = _columns(fit, source, kept, offset, exposure)
    if isinstance(path, str | Path) and str(Path(path).resolve()) in source.files:
        raise DataError(f"cannot write {path}, whose rows are predicted: choose another name.")
    n_rows, threads = 0, usable_threads(n_threads)
    with TableWriter(path) as writer:
        for position, table in read_pieces(source, names, 0, None, PIECE_ROWS):
            with telling_rows(source, position, table.num_rows):
                if interval:
                    rows = new_rows(fit, table, offset, exposure, unseen)
                    found = get_prediction(fit, rows, None, threads)
                    limits = np.asarray(found.conf_int(alpha))
                    values = {"prediction": np.asarray(found.predicted_mean)}
                    values |= {"lower": limits[:, 0], "upper": limits[:, 1]}
                else:
                    mean = predict(fit, table, which, offset, exposure, unseen, threads)
                    values = {"prediction": np.asarray(mean)}
            writer.write(_with_kept(table.select(kept), values))
            n_rows += table.num_rows
    return n_rows


def _columns(
    fit: Fit, source: Source, kept: Sequence[str], offset: Any, exposure: Any
) -> list[str]:
    """The columns that predictions and what is kept beside them need."""
    fitted = fit.fitted_formula
    if fitted is None:
        raise DataError(
            "predict_to needs a fit of a formula, or of a frame with names: predict arrays with "
            "predict()."
        )
    named = [name for e in (*fitted.factors, *fitted.offsets) for name in e.columns]
    for argument, given in (("offset", offset), ("exposure", exposure)):
        column = fit.column_names.get(argument) if given is None else given
        if isinstance(column, str):
            named.append(column)
        elif column is not None and np.ndim(column):
            raise ModelError(f"{argument} must be the name of a column, or one number.")
    for name in (*named, *kept):
        if name not in source.names:
            raise ColumnNotFoundError(not_found_text(name, source.names))
    return list(dict.fromkeys([*named, *kept]))


def _with_kept(kept: pyarrow.Table, values: dict[str, np.ndarray]) -> pyarrow.Table:
    import pyarrow

    for place, field in enumerate(kept.schema):
        if pyarrow.types.is_dictionary(field.type):
            # Files of several pieces have no room for a dictionary of each.
            plain = kept.column(place).cast(field.type.value_type)
            kept = kept.set_column(place, field.name, plain)
    for name, column in values.items():
        if name in kept.column_names:
            raise DataError(f"a column '{name}' cannot be kept beside that of the predictions.")
        # What cannot be predicted is a missing value.
        kept = kept.append_column(name, pyarrow.array(column, from_pandas=True))
    return kept
