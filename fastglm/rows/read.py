"""Reading the rows of a model of any kind, from arrays or from formulas and a data frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from fastglm.arguments import checked_choice
from fastglm.design.formula.fitted_formula import FittedFormula, FrameDesign
from fastglm.design.formula.response import NUMBERS, ResponseRule, read_response
from fastglm.design.frames.frames import Categories, Column, Frame, is_frame
from fastglm.design.frames.labels import row_labels
from fastglm.design.frames.missing import missing_design_rows, missing_rows, rows_text
from fastglm.design.frames.whole_numbers import is_plain
from fastglm.design.matrix.arrays import design_from_array
from fastglm.design.matrix.parts import Design
from fastglm.design.matrix.take import take_rows
from fastglm.errors import DataError, MissingValueError
from fastglm.families import Family
from fastglm.rows.assemble import WEIGHTS, assembled
from fastglm.rows.model_rows import ModelRows, constant_design
from fastglm.rows.vectors import require_same_index, require_same_rows, vector

__all__ = [
    "index_of",
    "read_arrays",
    "read_formulas",
    "row_columns",
    "rule_of",
    "weight_sources",
]

#: Name of an added column that is NaN in rows to be left out.
_KEEP = "rows that every formula keeps"
#: Rules for rows with missing values; the last only for arrays that have none.
_MISSING = ("raise", "drop", "none")


def row_columns(offset: Any, exposure: Any, freq_weights: Any, var_weights: Any) -> dict[str, Any]:
    """Offset, exposure and weights by name, as `read_arrays` takes them."""
    return {
        "offset": offset,
        "exposure": exposure,
        "freq_weights": freq_weights,
        "var_weights": var_weights,
    }


def read_arrays(
    endog: Any,
    exogs: Mapping[str, Any],
    columns: Mapping[str, Any],
    missing: str,
    takes: Family | ResponseRule = NUMBERS,
) -> ModelRows:
    """Rows of a model given as arrays, or as frames whose columns are those of the design.

    Parameters
    ----------
    endog : array_like, shape (n,) or (n, k)
    exogs
        Array, sparse matrix or frame by argument name; None stands for an intercept alone.
    columns
        ``freq_weights``, ``var_weights``, ``offset`` and ``exposure``, each (n,) or None.
    missing
        "raise" or "drop"; for a family also "none". For a family, rows are searched for missing
        values only with "drop": its check of the response and the solver detect them otherwise.
    takes
        The family, or a rule for responses that are allowed.

    Raises
    ------
    DataError
        Naming the argument, column or row that cannot be used.
    """
    of_family = isinstance(takes, Family)
    if missing not in (_MISSING if of_family else _MISSING[:2]):
        checked_choice("missing", missing, _MISSING if of_family else _MISSING[:2])
    response, shown_name = read_response(endog)
    by_name = _read_designs(endog, _n_rows(response), exogs, missing)
    read = by_name.values()
    designs = tuple([each.design for each in read])
    n = designs[0].n_rows
    (index, named_by), keep, n_dropped = _names_from(endog, *exogs.values()), None, 0
    columns = require_same_rows((endog, *exogs.values()), columns, "the response or columns")
    counts: dict[str, int] = {}
    if missing == "drop" or not of_family:
        columns = {k: vector(v, k, n) for k, v in columns.items()}
        absent, counts = _absent(response, columns, by_name)
        keep = _kept(absent, counts, missing)
    if keep is not None:
        n_dropped = int(n - keep.sum())
        designs = tuple(take_rows(design, keep) for design in designs)
        response = response.take(keep) if isinstance(response, Categories) else response[keep]
        columns = {k: v[keep] for k, v in columns.items()}
        index = None if index is None else index[keep]
    values, levels = _coded(response, shown_name, takes)
    return assembled(
        values,
        designs,
        columns,
        (None,) * len(designs),
        takes,
        fitted_formulas=tuple([each.fitted_formula for each in read]),
        column_names={},
        weights=weight_sources(columns),
        response_name=str(getattr(endog, "name", None) or "y"),
        response_levels=levels,
        index=index,
        n_dropped=n_dropped,
        missing=counts,
        frame=None,
        frame_rows=None,
        named_by=named_by,
    )


def read_formulas(
    formula: str,
    others: Sequence[str | None],
    data: Any,
    columns: Mapping[str, Any],
    missing: str,
    takes: Family | ResponseRule = NUMBERS,
) -> ModelRows:
    """Rows of a model given as formulas and a data frame.

    Parameters
    ----------
    formula
        Formula of the first linear predictor, with the response on its left side.
    others
        Formulas of further predictors, ``"~ x"``; None stands for an intercept alone.
    data
        Data frame.
    columns, missing, takes
        As for `read_arrays`; `columns` may also be names of columns of the frame.

    Raises
    ------
    DataError, FormulaError
        Naming the column, row or piece of a formula that cannot be used.
    """
    checked_choice("missing", missing, _MISSING[:2], " with a formula" * isinstance(takes, Family))
    rule = rule_of(takes)
    read, data = Frame.of(data), data.native if isinstance(data, Frame) else data
    require_same_rows((data,), columns, "the data")
    fits = _fit_formulas(formula, others, read, columns, missing, rule, None)
    masks = [built.rows for _, built in fits if built is not None]
    present = [mask for mask in masks if mask is not None]
    keep = np.logical_and.reduce(present) if present else None
    if keep is not None and any(mask is None or (mask != keep).any() for mask in masks):
        fits = _fit_formulas(formula, others, read, columns, missing, rule, keep)
    fitted_formula, built = fits[0]
    if (
        built is None
        or fitted_formula is None
        or built.y is None
        or fitted_formula.response is None
    ):
        raise DataError(f"the formula {formula!r} has no response: write it left of '~'.")
    n, index = built.design.n_rows, index_of(data)
    named = {k: columns[k] for k in ("offset", "exposure") if isinstance(columns.get(k), str)}
    return assembled(
        built.y,
        tuple(constant_design(n) if other is None else other.design for _, other in fits),
        {name: built.extra.get(name) for name in columns},
        # offset() of a formula: new data need not give it, the fitted formula computes it.
        tuple(None if other is None else other.offset for _, other in fits),
        takes,
        fitted_formulas=tuple(each for each, _ in fits),
        column_names=named,
        weights=weight_sources(columns),
        response_name=fitted_formula.response,
        response_levels=built.response_levels,
        index=index if built.rows is None or index is None else index[built.rows],
        n_dropped=built.n_dropped,
        missing={k: v for k, v in built.missing.items() if k != _KEEP},
        frame=data,
        frame_rows=built.rows,
    )


def rule_of(takes: Family | ResponseRule) -> ResponseRule:
    """The rule for responses of a family, or the given rule."""
    if isinstance(takes, Family):
        return _rule_of(type(takes).__name__, takes.takes_two_levels)
    return takes


def _coded(
    response: Column, name: str, takes: Family | ResponseRule
) -> tuple[np.ndarray, tuple[Any, ...] | None]:
    """The numbers that the model reads, and the levels they stand for or None."""
    if isinstance(takes, Family) and isinstance(response, np.ndarray) and is_plain(response):
        return response, None
    return rule_of(takes).coded(response, name)


@lru_cache(maxsize=64)
def _rule_of(kind: str, two_levels: bool) -> ResponseRule:
    return ResponseRule(f"family {kind}", two_levels=two_levels)


def index_of(source: Any) -> Any:
    """The index of a pandas object; None for anything else."""
    index = getattr(source, "index", None)
    return index if hasattr(index, "dtype") else None


def _names_from(*given: Any) -> tuple[Any, Any]:
    """Labels of the rows of arrays: a pandas index and a frame of another library, each or None.

    As in statsmodels, columns of pandas name the coefficients even if the response is an array.
    """
    given = tuple([each for each in given if type(each) is not np.ndarray])
    if not given:
        return None, None
    for each in given:
        index = index_of(each)
        if index is not None:
            return index, None
    labels = (row_labels(each) for each in given)
    return None, next((found for found in labels if found is not None), None)


def weight_sources(columns: Mapping[str, Any]) -> dict[str, str]:
    """Origin of the given weights, by argument: the name of a column, or "array"."""
    if not columns:
        return {}
    return {
        name: value if isinstance(value, str) else "array"
        for name in WEIGHTS
        if (value := columns.get(name)) is not None
    }


# -- formulas


def _fit_formulas(
    formula: str,
    others: Sequence[str | None],
    data: Any,
    columns: Mapping[str, Any],
    missing: str,
    rule: ResponseRule,
    keep: np.ndarray | None,
) -> list[tuple[FittedFormula | None, FrameDesign | None]]:
    marked = {} if keep is None else {_KEEP: np.where(keep, 1.0, np.nan)}
    first = FittedFormula.fit(formula, data, missing, {**columns, **marked}, rule)
    rest = [
        (None, None) if other is None else FittedFormula.fit(other, data, missing, marked)
        for other in others
    ]
    return [first, *rest]


# -- arrays


def _n_rows(response: Column) -> int | None:
    """Number of responses; None for a single number, which is the response of every row."""
    if isinstance(response, Categories):
        return len(response.codes)
    return response.shape[0] if response.ndim else None


class _Read(NamedTuple):
    """A design, its fitted formula, and its rows with missing values and their counts by column."""

    design: Design
    fitted_formula: FittedFormula | None = None
    nan_rows: np.ndarray | None = None
    missing: Mapping[str, int] = {}


def _read_design(exog: Any, n: int | None, missing: str) -> _Read:
    """A design with all rows; those with missing values are left out later, with the others'."""
    if exog is None:
        return _Read(constant_design(n or 1))
    if not is_frame(exog):
        return _Read(design_from_array(exog))
    fitted_formula, built = FittedFormula.from_columns(
        exog, "drop" if missing == "drop" else "raise"
    )
    if built.rows is None:
        return _Read(built.design, fitted_formula)
    again = fitted_formula.apply(exog, missing="nan")
    design = replace(again.design, constant=built.design.constant)
    return _Read(design, fitted_formula, again.nan_rows, built.missing)


def _read_designs(
    endog: Any, n: int | None, exogs: Mapping[str, Any], missing: str
) -> dict[str, _Read]:
    """The designs by argument, each checked to have as many rows as the response."""
    read: dict[str, _Read] = {}
    known, indexed = "the response", endog
    for name, exog in exogs.items():
        # NumPy arrays have no index: no need to compare.
        if type(exog) is not np.ndarray:
            require_same_index(indexed, exog, known, name)
            if index_of(indexed) is None:
                known, indexed = name, exog
        read[name] = found = _read_design(exog, n, missing)
        n = found.design.n_rows if n is None else n
        if found.design.n_rows != n:
            raise DataError(
                f"the response has {n} values, but there are {found.design.n_rows} rows in {name}."
            )
    return read


def _absent(
    response: Column,
    columns: Mapping[str, np.ndarray],
    read: Mapping[str, _Read],
) -> tuple[list[np.ndarray], dict[str, int]]:
    """Masks of rows with missing values, and their numbers by argument or column of a frame."""
    found = {"the response": _response_without(response)}
    found |= {k: missing_rows(v) for k, v in columns.items()}
    masks = [each.nan_rows for each in read.values()]
    counts: dict[str, int] = {}
    for name, each in read.items():
        counts |= each.missing
        if each.fitted_formula is None:
            found[name] = missing_design_rows(each.design)
    masks += list(found.values())
    counts |= {k: int(mask.sum()) for k, mask in found.items() if mask is not None and mask.any()}
    return [mask for mask in masks if mask is not None and mask.any()], counts


def _response_without(response: Column) -> np.ndarray | None:
    """Mask of rows with a missing response in any column, (n,); None if there are none."""
    if isinstance(response, Categories) or response.ndim == 1:
        return missing_rows(response)
    return np.any(response != response, axis=1) if response.ndim else None


def _kept(
    absent: Sequence[np.ndarray], counts: Mapping[str, int], missing: str
) -> np.ndarray | None:
    """Mask of the rows without missing values; None if that is all rows."""
    if not absent:
        return None
    rows = np.logical_or.reduce(absent)
    if missing == "raise":
        raise MissingValueError(
            f"Missing values in {', '.join(counts)}, in {rows_text(rows)}. "
            'Pass missing="drop" to leave these rows out.'
        )
    if rows.all():
        raise MissingValueError("every row has a missing value: nothing is left to fit.")
    return ~rows
