"""New rows of a fit, and those it was fitted to, brought to the columns of each of its designs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from fastglm.arguments import require_new_rows
from fastglm.design.formula.fitted_formula import FrameDesign
from fastglm.design.frames.frames import Categories, is_frame, one_row
from fastglm.design.frames.labels import label_rows, row_labels
from fastglm.design.matrix.arrays import design_from_array
from fastglm.design.matrix.parts import Design
from fastglm.errors import DataError, ModelError, OptionError
from fastglm.passes.row_table import RowTable, build_row_table
from fastglm.pointers import describe_option
from fastglm.rows.model_rows import constant_design
from fastglm.rows.vectors import OffsetParts, vector

__all__ = ["NewRows", "as_rows", "fitted_designs", "given_vector", "new_designs", "require_unseen"]


@dataclass(frozen=True, eq=False)
class NewRows:
    """Rows brought to the columns of every design.

    Attributes
    ----------
    designs : tuple of Design
    nan_rows : ndarray of bool, shape (n,), or None
        Rows whose prediction is NaN: a missing value, or an unseen level.
    offsets : tuple of (ndarray, shape (n,), or None)
        One per design, log exposure included.
    labels : pandas.Index, data frame or None
        Of the rows, as `row_labels` gives them.
    """

    designs: tuple[Design, ...]
    nan_rows: np.ndarray | None
    offsets: tuple[np.ndarray | None, ...]
    labels: Any

    @property
    def design(self) -> Design:
        """The first, or only, design."""
        return self.designs[0]

    @cached_property
    def row_table(self) -> RowTable:
        """That design with its offset, as the kernels read it."""
        return build_row_table(self.designs[0], offset=self.offsets[0])

    def label(self, values: np.ndarray, columns: Sequence[Any] = ()) -> Any:
        """(n,) values as they are, (k, n) as (n, k); labelled if a frame came in."""
        if self.nan_rows is not None:
            # Whole numbers, levels of a response, have no NaN.
            values = values if values.dtype.kind in "fO" else values.astype(np.float64)
            values[..., self.nan_rows] = np.nan
        return label_rows(values.T, self.labels, columns)


def fitted_designs(
    fit: Any,
    offset: Any = None,
    exposure: Any = None,
    unseen: str = "raise",
    further: Mapping[str, Any] | None = None,
) -> NewRows:
    """The rows of the fit, with their offset, or another offset or exposure in its place.

    Parameters
    ----------
    fit
        Of one linear predictor or several.
    offset, exposure, unseen
        As for its `predict`.
    further
        Columns of further predictors, which go with new rows alone.

    Raises
    ------
    DataError
        If the result was loaded without its data, or the offset or exposure cannot be used.
    ModelError
        If columns are given for a further predictor, or an option is none of the known ones.
    """
    _require_known(fit, exposure, unseen, further or {})
    require_new_rows("exog", dict.fromkeys(sorted(further or {}), True))
    rows = fit._model_with_data("a prediction of the fitted rows").rows
    offsets = rows.offsets
    if offset is not None or exposure is not None:
        given = given_vector(rows, offset, "offset"), given_vector(rows, exposure, "exposure")
        first = rows.offset_parts.with_given(*given).total(fit.link_of_offset)
        offsets = (first, *offsets[1:])
    return NewRows(rows.designs, None, offsets, rows.labels)


def new_designs(
    fit: Any,
    exog: Any,
    offset: Any = None,
    exposure: Any = None,
    unseen: str = "raise",
    further: Mapping[str, Any] | None = None,
    with_offset: bool = True,
) -> NewRows:
    """Bring new rows to the columns of every design; arguments as for `fitted_designs`.

    Parameters
    ----------
    exog
        Data frame, or array of the columns of the first design.
    with_offset
        Whether an offset enters what is asked for.

    Raises
    ------
    DataError
        If columns, offset or exposure are missing or cannot be used.
    ModelError
        If there is no further predictor of that name, or `unseen` is none of the known ones.
    """
    _require_known(fit, exposure, unseen, further or {})
    exog, given = as_rows(fit, exog), {}
    if with_offset:
        given = {
            "offset": _named_column(fit, "offset", offset, fit.has_offset),
            "exposure": _named_column(fit, "exposure", exposure, fit.has_exposure),
        }
    first = _rebuilt(fit, 0, exog, exog, unseen, given)
    assert first is not None
    n, nan_rows = first.design.n_rows, first.nan_rows
    others: list[FrameDesign | None] = []
    if len(fit.fitted_formulas) > 1:
        others = _further_designs(fit, exog, unseen, further or {}, n)
        masks = [each.nan_rows for each in (first, *others) if each is not None]
        known = [mask for mask in masks if mask is not None]
        nan_rows = np.logical_or.reduce(known) if known else None
    offset = None
    if with_offset:
        parts = OffsetParts(first.offset, first.extra.get("offset"), first.extra.get("exposure"))
        offset = parts.with_placeholders(nan_rows).total(fit.link_of_offset)
    return NewRows(
        (first.design, *[constant_design(n) if o is None else o.design for o in others]),
        nan_rows,
        (offset, *[None if o is None or not with_offset else o.offset for o in others]),
        row_labels(exog),
    )


def _further_designs(
    fit: Any, exog: Any, unseen: str, further: Mapping[str, Any], n: int
) -> list[FrameDesign | None]:
    """The designs after the first; None for those that were constants."""
    names, found = fit.names_of_designs, []
    for k in range(1, len(fit.fitted_formulas)):
        own = _rebuilt(fit, k, exog, further.get(names[k]), unseen, {}) if k < len(names) else None
        if own is not None and own.design.n_rows != n:
            raise DataError(f"{names[k]} has {own.design.n_rows} rows, but exog has {n}.")
        found.append(own)
    return found


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


def _require_known(fit: Any, exposure: Any, unseen: str, further: Mapping[str, Any]) -> None:
    """Refuse options and columns of further predictors that the model does not have."""
    require_unseen(unseen)
    if exposure is not None and not fit.takes_exposure:
        raise ModelError(
            f"{fit.kind} has no exposure: give offset=, on the scale of the linear predictor."
        )
    if not further:
        return
    known = fit.names_of_designs[1:]
    unknown = sorted(set(further) - set(known))
    if unknown:
        takes = ["exog", "which", *known, "offset", "exposure", "unseen"]
        raise OptionError(describe_option("predict", unknown[0], takes))


def as_rows(fit: Any, exog: Any) -> Any:
    """A single row, given as p values or by column, as a matrix or frame."""
    exog = np.asarray(exog) if isinstance(exog, list | tuple) else exog
    if fit.fitted_formulas[0] is not None:
        return one_row(exog)
    is_row = getattr(exog, "ndim", 2) == 1 and fit.n_columns[0] > 1
    return np.asarray(exog)[None, :] if is_row else exog


def _named_column(fit: Any, name: str, given: Any, needed: bool) -> Any:
    """What was given, or the column that the fit used."""
    if given is not None or not needed:
        return given
    if name not in fit.column_names:
        raise DataError(f"the model was fitted with {name}=: predict needs {name}= too.")
    return fit.column_names[name]


def _rebuilt(
    fit: Any, k: int, exog: Any, own: Any, unseen: str, extra: Mapping[str, Any]
) -> FrameDesign | None:
    """One of the designs on new rows, with `extra` columns; None where it was a constant."""
    fitted_formula, values = fit.fitted_formulas[k], own
    if fitted_formula is not None:
        values = exog if values is None else values
        if not is_frame(values):
            files = isinstance(values, str | Path)
            raise DataError(
                "the model was fitted to a data frame: predict needs a frame with its columns "
                f"too, not {type(values).__name__}"
                + (": read the file first, or use predict_to of a GLM's results." if files else ".")
            )
        return fitted_formula.apply(values, unseen=unseen, missing="nan", extra=extra)
    name, n_columns = fit.names_of_designs[k], fit.n_columns[k]
    if values is None:
        if not fit.was_constant(k):
            raise DataError(f"the model was fitted with {name}=: predict needs {name}= too.")
        return None
    design = design_from_array(values, allow_empty=True)
    if design.n_columns != n_columns:
        raise DataError(f"{name} has {design.n_columns} columns, but the model has {n_columns}.")
    vectors = {name: vector(v, name, design.n_rows) for name, v in extra.items() if v is not None}
    return FrameDesign(design, extra=vectors)
