"""Rows that a fit has not seen, with their responses, brought to the columns that it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fastglm.design.formula.grammar import parse_formula
from fastglm.design.formula.response import ResponseRule, evaluate_response, read_response
from fastglm.design.formula.table import Table, read_table
from fastglm.design.frames.frames import Column, Frame, Level, categorize, is_frame
from fastglm.design.frames.output import take_rows_of
from fastglm.design.matrix.arrays import design_from_array
from fastglm.errors import DataError
from fastglm.rows.assemble import WEIGHTS, assembled
from fastglm.rows.model_rows import ModelRows
from fastglm.rows.read import index_of, rule_of
from fastglm.rows.vectors import product, vector

__all__ = ["NewResponses", "column_given", "read_held_out", "read_new_responses"]

#: Name under which a response that is given is read along.
_RESPONSE = "the response"


def read_held_out(
    fit: Any, data: Any, response: Any, columns: Mapping[str, Any], missing: str
) -> ModelRows:
    """Read new rows with their responses.

    Parameters
    ----------
    fit : Fit or MixedFit
    data : data frame or array_like
        As for `Results.predict`.
    response : array_like or str, optional
        By default what the left side of the formula gives.
    columns : mapping
        ``offset``, ``exposure``, ``freq_weights`` and ``var_weights``, each (n,), the name of a
        column, or None for the column that the fit had.
    missing : {"raise", "drop"}

    Raises
    ------
    DataError
        Naming the argument, column or row that cannot be used.
    """
    columns = {name: column_given(fit, name, given) for name, given in columns.items()}
    fitted_formula = fit.fitted_formula
    if fitted_formula is None or fitted_formula.response is None:
        return _of_columns(fit, data, response, columns)
    written, whole, table, counts, data, extra = _complete(
        (fitted_formula,), data, response, columns, missing
    )
    extra.pop(_RESPONSE, None)
    built = fitted_formula.apply(data, extra=extra)
    if written is None:
        values = _coded(fit, table.extra[_RESPONSE])
    elif fit.response_levels is None:
        values, _ = evaluate_response(written, table.columns, rule_of(fit.family))
    else:
        values = _coded(fit, written.evaluate(table.columns, {}))
    return assembled(
        values,
        (built.design,),
        {name: built.extra.get(name) for name in columns},
        (built.offset,),
        fit.family,
        fitted_formulas=(fitted_formula,),
        column_names=fit.column_names,
        weights=fit.weights,
        response_name=fit.response_name,
        response_levels=fit.response_levels,
        index=index_of(data),
        n_dropped=whole.n_rows - table.n_rows,
        missing=counts,
        frame=data,
        frame_rows=None,
    )


def _complete(
    fitted_formulas: tuple[Any, ...],
    data: Any,
    response: Any,
    columns: Mapping[str, Any],
    missing: str,
) -> tuple[Any, Table, Table, Any, Any, dict[str, Any]]:
    """Response as the formula has it, all rows and those without a gap, these of the frame too."""
    frame, first = Frame(data), fitted_formulas[0]
    written = None if response is not None else parse_formula(first.formula, frame.names).response
    used = [part for each in fitted_formulas for part in (*each.factors, *each.offsets)]
    # A response that is given is read along, as weights are.
    extra = {**columns, **({} if written is not None else {_RESPONSE: response})}
    whole = read_table(frame, used if written is None else [written, *used], extra)
    table, kept, counts = whole.complete(missing)
    if kept is not None:
        data = take_rows_of(data, kept)
        extra = {k: v if v is None or isinstance(v, str) else np.asarray(v)[kept]
                 for k, v in extra.items()}  # fmt: skip
    return written, whole, table, counts, data, extra


class NewResponses(NamedTuple):
    """Rows of which every value is there, with their responses.

    Attributes
    ----------
    data : data frame or array_like
    values : ndarray, shape (n,) or (n, k)
        As the fit reads them: codes of categories.
    columns : mapping
        ``offset`` and ``exposure`` of these rows, as given.
    prior_weights : ndarray, shape (n,), or None
    """

    data: Any
    values: np.ndarray
    columns: Mapping[str, Any]
    prior_weights: np.ndarray | None


def read_new_responses(
    fit: Any,
    data: Any,
    response: Any,
    columns: Mapping[str, Any],
    missing: str,
    takes: ResponseRule,
) -> NewResponses:
    """Responses and weights of new rows of a fit with several predictors.

    Arguments are those of `read_held_out`; `takes` is what the response may be.
    """
    columns = {name: column_given(fit, name, given) for name, given in columns.items()}
    fitted = tuple(each for each in fit.fitted_formulas if each is not None)
    name = fit.response_name
    if not fitted or fitted[0].response is None:
        if response is None:
            raise DataError("the model was fitted to arrays: give the responses of the rows too.")
        extra, named = dict(columns), {}
        values, levels = takes.coded(read_response(response)[0], name)
        absent = values < 0 if levels is not None else ~np.isfinite(values).reshape(len(values), -1)
        if absent.any():
            raise DataError(f"The response '{name}' has missing values.")
    else:
        written, _, table, _, data, extra = _complete(fitted, data, response, columns, missing)
        named = table.extra
        if written is None:
            values, levels = takes.coded(named[_RESPONSE], name)
        else:
            values, levels = evaluate_response(written, table.columns, takes)
    if levels is not None:
        values = _codes_in(values, levels, fit.levels, name)
    weights = [
        vector(named[w] if w in named else extra[w], w, len(values))
        for w in WEIGHTS
        if extra.get(w) is not None
    ]
    return NewResponses(data, values, extra, product(*weights) if weights else None)


def _codes_in(
    codes: np.ndarray, levels: Sequence[Level], known: Sequence[Level], name: str
) -> np.ndarray:
    """Codes of new levels as those that the fit has for them."""
    place = {level: k for k, level in enumerate(known)}
    present = np.unique(codes)
    unknown = [levels[code] for code in present if levels[code] not in place]
    if unknown:
        raise DataError(
            f"The response '{name}' has the level {unknown[0]!r}, but the fit saw "
            f"{', '.join(repr(level) for level in known)}."
        )
    return np.array([place.get(level, -1) for level in levels])[codes]


def _of_columns(fit: Any, exog: Any, response: Any, columns: Mapping[str, Any]) -> ModelRows:
    """Rows of a fit to arrays, or to a frame of columns."""
    if response is None:
        raise DataError("the model was fitted to arrays: give the responses of the rows too.")
    column, _ = read_response(response)
    if fit.fitted_formula is None:
        design = design_from_array(exog)
        if design.n_columns != len(fit.names):
            raise DataError(
                f"X has {design.n_columns} columns, but the model has {len(fit.names)}."
            )
    elif is_frame(exog):
        design = fit.fitted_formula.apply(exog).design
    else:
        raise DataError("the model was fitted to a data frame of columns: give such a frame.")
    return assembled(
        _coded(fit, column),
        (design,),
        columns,
        (None,),
        fit.family,
        fitted_formulas=(fit.fitted_formula,),
        weights=fit.weights,
        response_name=fit.response_name,
        response_levels=fit.response_levels,
        index=index_of(exog),
    )


def column_given(fit: Any, name: str, given: Any) -> Any:
    """What was given, or the column that the fit had."""
    if given is not None:
        return given
    if name in WEIGHTS:
        needed, column = name in fit.weights, fit.weights.get(name)
        column = None if column == "array" else column
    else:
        needed = fit.has_offset if name == "offset" else fit.has_exposure
        column = fit.column_names.get(name)
    if needed and column is None:
        raise DataError(f"the model was fitted with {name}=: give {name}= for these rows too.")
    return column


def _coded(fit: Any, column: Column | Any) -> np.ndarray:
    """Responses as the numbers they are in the fit."""
    levels = fit.response_levels
    if levels is None:
        values, _ = rule_of(fit.family).coded(column, fit.response_name)
        return values
    found = categorize(column, fit.response_name)
    unknown = [level for level in found.in_order().levels if level not in levels]
    present = {found.levels[code] for code in np.unique(found.codes[found.codes >= 0])}
    unknown = [level for level in unknown if level in present]
    if unknown:
        raise DataError(
            f"The response '{fit.response_name}' has the level {unknown[0]!r}, but the fit saw "
            f"{levels[0]!r} and {levels[1]!r}."
        )
    ones = np.array([level == levels[1] for level in found.levels], dtype=np.float64)
    return ones[found.codes]
