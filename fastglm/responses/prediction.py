"""New rows of models with several predictors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.design.formula.fitted_formula import FrameDesign
from fastglm.design.frames.frames import is_frame, one_row
from fastglm.design.matrix.arrays import design_from_array
from fastglm.errors import DataError, ModelError, OptionError
from fastglm.families.links import Log
from fastglm.inference.rows.prediction import given_vector, require_unseen
from fastglm.pointers import describe_option
from fastglm.responses.designs import NewDesigns
from fastglm.rows.model_rows import constant_design
from fastglm.rows.vectors import OffsetParts, vector

if TYPE_CHECKING:
    from fastglm.responses.record import ResponseFit

__all__ = ["fitted_designs", "new_designs"]


def fitted_designs(
    fit: ResponseFit, offset: Any, exposure: Any, unseen: str, designs: Mapping[str, Any]
) -> NewDesigns:
    """The rows of the fit; arguments as for `ResponseResults.predict`.

    Raises
    ------
    DataError
        If the result was loaded without its data, or the offset or exposure cannot be used.
    ModelError
        If columns are given for a further predictor, or an option is none of the known ones.
    """
    _require_known(fit, exposure, unseen, designs)
    if designs:
        names = ", ".join(f"{name}=" for name in sorted(designs))
        raise ModelError(f"{names} goes with new rows: give exog too.")
    rows = fit._model_with_data("predictions").rows
    offsets = rows.offsets
    if offset is not None or exposure is not None:
        given = given_vector(rows, offset, "offset"), given_vector(rows, exposure, "exposure")
        offsets = (rows.offset_parts.with_given(*given).total(Log()), *offsets[1:])
    return NewDesigns(rows.designs, None, offsets, rows.index)


def new_designs(
    fit: ResponseFit,
    exog: Any,
    offset: Any = None,
    exposure: Any = None,
    unseen: str = "raise",
    designs: Mapping[str, Any] | None = None,
) -> NewDesigns:
    """Bring new rows to the model's columns; arguments as for `ResponseResults.predict`.

    Raises
    ------
    DataError
        If columns are missing or cannot be used.
    ModelError
        If there is no further predictor of that name, or `unseen` is none of the known ones.
    """
    names = ("exog", *fit.settings.get("exogs", ()))
    exog = exog if fit.fitted_formulas[0] is None else one_row(exog)
    others = dict(designs or {})
    _require_known(fit, exposure, unseen, others)
    given = {
        "offset": _named_column(fit, "offset", offset, fit.has_offset),
        "exposure": _named_column(fit, "exposure", exposure, fit.has_exposure),
    }
    built = [
        _rebuilt(fit, k, exog, others.get(names[k]), unseen, given if k == 0 else {})
        for k in range(min(len(names), len(fit.fitted_formulas)))
    ]
    first = built[0]
    assert first is not None
    n = first.design.n_rows
    for name, each in zip(names, built, strict=False):
        if each is not None and each.design.n_rows != n:
            raise DataError(f"{name} has {each.design.n_rows} rows, but exog has {n}.")
    masks = [each.nan_rows for each in built if each is not None and each.nan_rows is not None]
    nan_rows = np.logical_or.reduce(masks) if masks else None
    parts = OffsetParts(first.offset, first.extra.get("offset"), first.extra.get("exposure"))
    offsets = [parts.with_placeholders(nan_rows).total(Log())]
    offsets += [None if each is None else each.offset for each in built[1:]]
    further = len(fit.fitted_formulas) - len(built)
    index = getattr(exog, "index", None)
    return NewDesigns(
        tuple(constant_design(n) if each is None else each.design for each in built)
        + (constant_design(n),) * further,
        nan_rows,
        tuple(offsets) + (None,) * further,
        index if hasattr(index, "dtype") else None,
    )


def _require_known(
    fit: ResponseFit, exposure: Any, unseen: str, designs: Mapping[str, Any]
) -> None:
    """Refuse options and columns of further predictors that the model does not have."""
    require_unseen(unseen)
    if exposure is not None and not fit.takes_exposure:
        raise ModelError(
            f"{fit.kind} has no exposure: give offset=, on the scale of the linear predictor."
        )
    known = fit.settings.get("exogs", ())
    unknown = sorted(set(designs) - set(known))
    if unknown:
        takes = ["exog", "which", *known, "offset", "exposure", "unseen"]
        raise OptionError(describe_option("predict", unknown[0], takes))


def _was_constant(fit: ResponseFit, k: int) -> bool:
    """Whether a design was nothing but the intercept that is there by default."""
    block = next(block for block in fit.blocks if block.design == k)
    of_first = fit.names[block.start].removeprefix(block.name)
    return k > 0 and fit.n_columns[k] == 1 and of_first == "Intercept"


def _named_column(fit: ResponseFit, name: str, given: Any, needed: bool) -> Any:
    """What was given, or the column that the fit used."""
    if given is None and needed:
        if name not in fit.column_names:
            raise DataError(f"the model was fitted with {name}=: predict needs {name}= too.")
        return fit.column_names[name]
    return given


def _rebuilt(
    fit: ResponseFit, k: int, exog: Any, own: Any, unseen: str, extra: Mapping[str, Any]
) -> FrameDesign | None:
    """One of the designs on new rows, with `extra` columns; None where it was a constant."""
    fitted_formula, values = fit.fitted_formulas[k], exog if k == 0 else own
    if fitted_formula is not None:
        values = exog if values is None else values
        if not is_frame(values):
            raise DataError(
                "the model was fitted to a data frame: predict needs a frame with its columns "
                f"too, not {type(values).__name__}."
            )
        return fitted_formula.apply(values, unseen=unseen, missing="nan", extra=extra)
    name, n_columns = ("exog", *fit.settings.get("exogs", ()))[k], fit.n_columns[k]
    if values is None:
        if not _was_constant(fit, k):
            raise DataError(f"the model was fitted with {name}=: predict needs {name}= too.")
        return None
    design = design_from_array(values, allow_empty=True)
    if design.n_columns != n_columns:
        raise DataError(f"{name} has {design.n_columns} columns, but the model has {n_columns}.")
    vectors = {name: vector(v, name, design.n_rows) for name, v in extra.items() if v is not None}
    return FrameDesign(design, extra=vectors)
