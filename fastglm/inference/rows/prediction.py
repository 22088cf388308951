"""Predictions for new rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.design.formula.fitted_formula import FrameDesign
from fastglm.design.frames.frames import Categories, is_frame, one_row
from fastglm.design.frames.missing import rows_text
from fastglm.design.matrix.arrays import design_from_array
from fastglm.design.matrix.parts import Design
from fastglm.errors import DataError, ModelError, RankWarning, warn
from fastglm.fit.aliased import aliased_text
from fastglm.fit.outcomes import named_prediction
from fastglm.inference.hypothesis_tests.estimability import rows_apart
from fastglm.kernels.blocks import row_buffers
from fastglm.kernels.threads.threads import usable_threads
from fastglm.passes.row_table import RowTable, build_row_table
from fastglm.passes.row_values import evaluate_rows
from fastglm.rows.vectors import OffsetParts, vector

if TYPE_CHECKING:
    from fastglm.fit.record import Fit

__all__ = [
    "NewRows",
    "fitted_rows",
    "given_vector",
    "new_rows",
    "new_rows_without_offset",
    "predict",
    "predict_rows",
    "require_unseen",
]

_BUFFERS = {"mean": row_buffers.MEAN, "linear": row_buffers.LINEAR_PREDICTOR}


@dataclass(frozen=True, eq=False)
class NewRows:
    """New rows brought to the model's columns.

    Attributes
    ----------
    design : Design
    row_table : RowTable
        With offset and log exposure.
    nan_rows : ndarray of bool, shape (n,), or None
        Rows whose prediction is NaN: a missing value, or an unseen level.
    index : pandas.Index or None
    """

    design: Design
    row_table: RowTable
    nan_rows: np.ndarray | None
    index: Any

    def label(self, values: np.ndarray) -> Any:
        """A prediction per row, NaN where it must be, as a Series if pandas came in."""
        if self.nan_rows is not None:
            values[self.nan_rows] = np.nan
        if self.index is None:
            return values
        import pandas as pd

        return pd.Series(values, index=self.index)


def new_rows(
    fit: Fit, exog: Any, offset: Any = None, exposure: Any = None, unseen: str = "raise"
) -> NewRows:
    """Bring new rows to the model's columns; arguments as for `Results.predict`.

    Raises
    ------
    DataError
        If columns, offset or exposure are missing or cannot be used.

    Warns
    -----
    RankWarning
        If aliased columns are not the combinations that they were in the fit, as R's ``predict``.
    """
    require_unseen(unseen)
    exog = _one_row(fit, exog)
    given = {
        "offset": _named_column(fit, exog, "offset", offset),
        "exposure": _named_column(fit, exog, "exposure", exposure),
    }
    built = _build(fit, exog, given, unseen)
    parts = OffsetParts(built.offset, built.extra.get("offset"), built.extra.get("exposure"))
    total = parts.with_placeholders(built.nan_rows).total(fit.family.link)
    if fit.aliased:
        _warn_of_other_combinations(fit, built)
    return NewRows(
        built.design, build_row_table(built.design, offset=total), built.nan_rows, _index(exog)
    )


def new_rows_without_offset(fit: Fit, exog: Any) -> NewRows:
    """New rows for what no offset enters, such as the contributions of terms.

    Warns
    -----
    RankWarning
        As `new_rows`.
    """
    built = _build(fit, exog, {}, "raise")
    if fit.aliased:
        _warn_of_other_combinations(fit, built)
    return NewRows(built.design, build_row_table(built.design), built.nan_rows, _index(exog))


def fitted_rows(
    fit: Fit, offset: Any = None, exposure: Any = None, unseen: str = "raise"
) -> NewRows:
    """The rows of the fit, with their offset, or another offset or exposure in its place.

    Raises
    ------
    DataError
        If the result was loaded without its data, or `offset` or `exposure` cannot be used.
    """
    require_unseen(unseen)
    rows = fit._model_with_data("a prediction of the fitted rows").rows
    total = rows.offset
    if offset is not None or exposure is not None:
        given = (given_vector(rows, offset, "offset"), given_vector(rows, exposure, "exposure"))
        total = rows.offset_parts.with_given(*given).total(fit.family.link)
    return NewRows(rows.design, build_row_table(rows.design, offset=total), None, rows.index)


def given_vector(rows: Any, values: Any, name: str) -> np.ndarray | None:
    """An argument for the fitted rows, (n,): an array, or the name of a column of their frame."""
    if values is None:
        return None
    if isinstance(values, str):
        column = rows.frame_column(values)
        if isinstance(column, Categories):
            raise DataError(f"{name} must be numeric, but column '{values}' is categorical.")
        values = column
    return vector(values, name, rows.n_rows)


def require_unseen(unseen: str) -> None:
    """Refuse anything but "raise" and "nan"."""
    if unseen not in ("raise", "nan"):
        raise ModelError(f'unseen must be "raise" or "nan", not {unseen!r}')


def _build(fit: Fit, exog: Any, given: Mapping[str, Any], unseen: str) -> FrameDesign:
    """The model's columns of new rows, and the `given` columns that go with them."""
    if fit.fitted_formula is not None:
        if not is_frame(exog):
            raise DataError(
                "the model was fitted to a data frame: predict needs a frame with its columns "
                f"too, not {type(exog).__name__}."
            )
        return fit.fitted_formula.apply(exog, unseen=unseen, missing="nan", extra=given)
    design = design_from_array(exog, allow_empty=True)
    if design.n_columns != len(fit.names):
        raise DataError(f"X has {design.n_columns} columns, but the model has {len(fit.names)}.")
    extra = {
        name: vector(values, name, design.n_rows)
        for name, values in given.items()
        if values is not None
    }
    return FrameDesign(design, extra=extra)


def _one_row(fit: Fit, exog: Any) -> Any:
    """A single row, given as p values or by column, as a matrix or frame."""
    exog = np.asarray(exog) if isinstance(exog, list | tuple) else exog
    if fit.fitted_formula is not None:
        return one_row(exog)
    is_row = getattr(exog, "ndim", 2) == 1 and len(fit.names) > 1
    return np.asarray(exog)[None, :] if is_row else exog


def _warn_of_other_combinations(fit: Fit, built: FrameDesign) -> None:
    """Say in which rows an aliased column is not the combination that it was in the fit."""
    apart = rows_apart(fit, built.design)
    if built.nan_rows is not None:
        apart &= ~built.nan_rows
    if apart.any():
        warn(
            f"In {rows_text(apart)} of the new data {aliased_text(fit.aliased)} does not hold "
            "as it did in the fit: their predictions depend on taking NaN coefficients for 0.",
            RankWarning,
        )


def _index(exog: Any) -> Any:
    """The index of a pandas frame; None for anything else."""
    index = getattr(exog, "index", None)
    return index if hasattr(index, "dtype") else None


def predict(
    fit: Fit,
    exog: Any,
    which: str,
    offset: Any,
    exposure: Any,
    unseen: str,
    n_threads: int | None,
) -> Any:
    """Predictions for new rows, or the fitted ones; see `Results.predict`."""
    which = named_prediction(which, tuple(_BUFFERS))
    if exog is None:
        rows = fitted_rows(fit, offset, exposure, unseen)
    else:
        rows = new_rows(fit, exog, offset, exposure, unseen)
    n_threads = fit.n_threads if n_threads is None else usable_threads(n_threads)
    return predict_rows(fit, rows, which, n_threads)


def predict_rows(fit: Fit, rows: NewRows, which: str, n_threads: int) -> Any:
    """Means or linear predictors, "mean" or "linear", of rows brought to the model's columns."""
    buffers = (_BUFFERS[which],)
    (values,) = evaluate_rows(
        rows.row_table, fit.family, fit.estimates, buffers, n_threads=n_threads
    )
    return rows.label(values)


def _named_column(fit: Fit, exog: Any, name: str, given: Any) -> Any:
    """What was given, or the column that the fit used if the new frame has it."""
    needed = fit.has_offset if name == "offset" else fit.has_exposure
    if given is not None or not needed:
        return given
    column = fit.column_names.get(name)
    if column is None:
        raise DataError(f"the model was fitted with {name}=: predict needs {name}= too.")
    return column
