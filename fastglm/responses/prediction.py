"""New rows of models with several predictors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.design.formula.recipe import FrameDesign
from fastglm.design.frames.frames import is_frame, one_row
from fastglm.design.matrix.arrays import design_from_array
from fastglm.design.matrix.parts import Design
from fastglm.errors import DataError, ModelError, OptionError
from fastglm.families import Gaussian
from fastglm.families.links import Log
from fastglm.inference.rows.prediction import given_vector, require_unseen
from fastglm.kernels.blocks.planes import LINEAR_PREDICTOR
from fastglm.passes.layout import lay_out
from fastglm.passes.row_values import evaluate_rows
from fastglm.pointers import describe_option
from fastglm.rows.several import constant_design
from fastglm.rows.vectors import OffsetParts, vector

if TYPE_CHECKING:
    from fastglm.responses.results import ResponseResults

__all__ = ["NewDesigns", "fitted_designs", "linear_predictor", "new_designs"]


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
        lay_out(design), Gaussian(), params, (LINEAR_PREDICTOR,), n_threads=n_threads
    )
    return values


def fitted_designs(
    results: ResponseResults, offset: Any, exposure: Any, unseen: str, designs: Mapping[str, Any]
) -> NewDesigns:
    """The rows of the fit; arguments as for `ResponseResults.predict`.

    Raises
    ------
    DataError
        If the result was loaded without its data, or the offset or exposure cannot be used.
    ModelError
        If columns are given for a further predictor, or an option is none of the known ones.
    """
    _require_known(results, exposure, unseen, designs)
    if designs:
        names = ", ".join(f"{name}=" for name in sorted(designs))
        raise ModelError(f"{names} goes with new rows: give exog too.")
    rows = results._model_with_data("predictions").rows
    offsets = rows.offsets
    if offset is not None or exposure is not None:
        given = given_vector(rows, offset, "offset"), given_vector(rows, exposure, "exposure")
        offsets = (rows.offset_parts.with_given(*given).total(Log()), *offsets[1:])
    return NewDesigns(rows.designs, None, offsets, rows.index)


def new_designs(
    results: ResponseResults,
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
    names = ("exog", *results.settings.get("exogs", ()))
    exog = exog if results.recipes[0] is None else one_row(exog)
    others = dict(designs or {})
    _require_known(results, exposure, unseen, others)
    given = {
        "offset": _named_column(results, "offset", offset, results.has_offset),
        "exposure": _named_column(results, "exposure", exposure, results.has_exposure),
    }
    built = [
        _rebuilt(results, k, exog, others.get(names[k]), unseen, given if k == 0 else {})
        for k in range(min(len(names), len(results.recipes)))
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
    further = len(results.recipes) - len(built)
    index = getattr(exog, "index", None)
    return NewDesigns(
        tuple(constant_design(n) if each is None else each.design for each in built)
        + (constant_design(n),) * further,
        nan_rows,
        tuple(offsets) + (None,) * further,
        index if hasattr(index, "dtype") else None,
    )


def _require_known(
    results: ResponseResults, exposure: Any, unseen: str, designs: Mapping[str, Any]
) -> None:
    """Refuse options and columns of further predictors that the model does not have."""
    require_unseen(unseen)
    if exposure is not None and not results.takes_exposure:
        raise ModelError(
            f"{results.kind} has no exposure: give offset=, on the scale of the linear predictor."
        )
    known = results.settings.get("exogs", ())
    unknown = sorted(set(designs) - set(known))
    if unknown:
        takes = ["exog", "which", *known, "offset", "exposure", "unseen"]
        raise OptionError(describe_option("predict", unknown[0], takes))


def _was_constant(results: ResponseResults, k: int) -> bool:
    """Whether a design was nothing but the intercept that is there by default."""
    block = next(block for block in results.blocks if block.design == k)
    of_first = results.names[block.start].removeprefix(block.name)
    return k > 0 and results.n_columns[k] == 1 and of_first == "Intercept"


def _named_column(results: ResponseResults, name: str, given: Any, needed: bool) -> Any:
    """What was given, or the column that the fit used."""
    if given is None and needed:
        if name not in results.column_names:
            raise DataError(f"the model was fitted with {name}=: predict needs {name}= too.")
        return results.column_names[name]
    return given


def _rebuilt(
    results: ResponseResults, k: int, exog: Any, own: Any, unseen: str, extra: Mapping[str, Any]
) -> FrameDesign | None:
    """One of the designs on new rows, with `extra` columns; None where it was a constant."""
    recipe, values = results.recipes[k], exog if k == 0 else own
    if recipe is not None:
        values = exog if values is None else values
        if not is_frame(values):
            raise DataError(
                "the model was fitted to a data frame: predict needs a frame with its columns "
                f"too, not {type(values).__name__}."
            )
        return recipe.apply(values, unseen=unseen, missing="nan", extra=extra)
    name, n_columns = ("exog", *results.settings.get("exogs", ()))[k], results.n_columns[k]
    if values is None:
        if not _was_constant(results, k):
            raise DataError(f"the model was fitted with {name}=: predict needs {name}= too.")
        return None
    design = design_from_array(values, allow_empty=True)
    if design.n_columns != n_columns:
        raise DataError(f"{name} has {design.n_columns} columns, but the model has {n_columns}.")
    vectors = {name: vector(v, name, design.n_rows) for name, v in extra.items() if v is not None}
    return FrameDesign(design, extra=vectors)
