"""Reading the rows of models with several predictors, from arrays or formulas and a frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fastglm.design.formula.recipe import FrameDesign, Recipe
from fastglm.design.formula.response import NUMBERS, ResponseRule, read_response
from fastglm.design.frames.frames import Categories, Column, Level, is_frame
from fastglm.design.frames.missing import missing_design_rows, missing_rows, rows_text
from fastglm.design.matrix.arrays import design_from_array
from fastglm.design.matrix.parts import Design
from fastglm.design.matrix.take import take_rows
from fastglm.errors import DataError, MissingValueError, ModelError
from fastglm.families.links import Log
from fastglm.rows.several import JointRows, constant_design
from fastglm.rows.single import WEIGHTS, named_columns, weight_sources
from fastglm.rows.vectors import OffsetParts, checked, product, require_same_index, vector

__all__ = ["read_arrays", "read_formulas"]

#: Name of the extra column that marks rows to leave out by NaN.
_KEEP = "rows that every formula keeps"


def read_arrays(
    endog: Any,
    exogs: Mapping[str, Any],
    columns: Mapping[str, Any],
    missing: str,
    rule: ResponseRule = NUMBERS,
) -> JointRows:
    """Rows of a model given as arrays or frames of columns.

    Parameters
    ----------
    endog : array_like, shape (n,) or (n, k)
    exogs
        By argument name, array, sparse matrix or frame; None is a constant.
    columns
        ``freq_weights``, ``var_weights``, ``offset`` and ``exposure``, each (n,) or None.
    missing
        "raise" or "drop".
    rule
        What the model takes as its response.

    Raises
    ------
    DataError
        Naming the argument or row that cannot be used.
    """
    _require_choice(missing)
    response, shown_name = read_response(endog)
    n = len(response.codes if isinstance(response, Categories) else response)
    for name, exog in exogs.items():
        require_same_index(endog, exog, name)
    read = {name: _read_design(exog, name, n, missing) for name, exog in exogs.items()}
    vectors = {k: None if v is None else vector(v, k, n) for k, v in columns.items()}
    absent = {"the response": _absent(response)}
    absent |= {k: np.isnan(v) for k, v in vectors.items() if v is not None and v.dtype.kind == "f"}
    absent |= {name: rows for name, (_, _, rows) in read.items() if rows is not None}
    counts = {name: int(rows.sum()) for name, rows in absent.items() if rows.any()}
    designs = tuple(design for design, _, _ in read.values())
    n_dropped, index = 0, getattr(endog, "index", None)
    index = index if hasattr(index, "dtype") else None
    if counts:
        keep = _kept(absent, counts, missing)
        n_dropped = int(n - keep.sum())
        designs = tuple(take_rows(design, keep) for design in designs)
        response = response.take(keep) if isinstance(response, Categories) else response[keep]
        vectors = {k: None if v is None else v[keep] for k, v in vectors.items()}
        index = None if index is None else index[keep]
    values, levels = rule.coded(response, shown_name)
    return _assembled(
        values,
        levels,
        designs,
        tuple(recipe for _, recipe, _ in read.values()),
        vectors,
        (None,) * len(designs),
        weights=weight_sources(columns),
        response_name=str(getattr(endog, "name", None) or "y"),
        index=index,
        n_dropped=n_dropped,
        missing=counts,
    )


def read_formulas(
    formula: str,
    others: Sequence[str | None],
    data: Any,
    columns: Mapping[str, Any],
    missing: str,
    rule: ResponseRule = NUMBERS,
) -> JointRows:
    """Rows of a model given as formulas and a data frame.

    Parameters
    ----------
    formula
        With the response on its left side.
    others
        Formulas of further predictors, ``"~ x"``; None is a constant.
    data, columns, missing, rule
        As for `read_arrays`; the name of a column of the frame will do for `columns`.

    Raises
    ------
    DataError, FormulaError
        Naming the column, row or piece of a formula that cannot be used.
    """
    _require_choice(missing)
    fits = _fit_recipes(formula, others, data, columns, missing, rule, None)
    masks = [built.rows for _, built in fits if built is not None]
    keep = _together(masks)
    if keep is not None and any(mask is None or (mask != keep).any() for mask in masks):
        fits = _fit_recipes(formula, others, data, columns, missing, rule, keep)
    recipe, built = fits[0]
    if built is None or recipe is None or built.y is None or recipe.response is None:
        raise DataError(f"the formula {formula!r} has no response: write it left of '~'.")
    n = built.design.n_rows
    index = getattr(data, "index", None)
    index = index if hasattr(index, "dtype") else None
    return _assembled(
        built.y,
        built.response_levels,
        tuple(constant_design(n) if other is None else other.design for _, other in fits),
        tuple(each for each, _ in fits),
        {name: built.extra.get(name) for name in columns},
        tuple(None if other is None else other.offset for _, other in fits),
        column_names=named_columns(columns, ("offset", "exposure")),
        weights=weight_sources(columns),
        frame=data,
        frame_rows=built.rows,
        response_name=recipe.response,
        index=index if built.rows is None or index is None else index[built.rows],
        n_dropped=built.n_dropped,
        missing={k: v for k, v in built.missing.items() if k != _KEEP},
    )


def _fit_recipes(
    formula: str,
    others: Sequence[str | None],
    data: Any,
    columns: Mapping[str, Any],
    missing: str,
    rule: ResponseRule,
    keep: np.ndarray | None,
) -> list[tuple[Recipe | None, FrameDesign | None]]:
    marked = {} if keep is None else {_KEEP: np.where(keep, 1.0, np.nan)}
    first = Recipe.fit(formula, data, missing, {**columns, **marked}, rule)
    rest = [
        (None, None) if other is None else Recipe.fit(other, data, missing, marked)
        for other in others
    ]
    return [first, *rest]


def _together(masks: Sequence[np.ndarray | None]) -> np.ndarray | None:
    """The rows that all keep; None for every row."""
    present = [mask for mask in masks if mask is not None]
    return np.logical_and.reduce(present) if present else None


def _read_design(
    exog: Any, name: str, n: int, missing: str
) -> tuple[Design, Recipe | None, np.ndarray | None]:
    """A design, its recipe, and its rows with missing values."""
    if exog is None:
        return constant_design(n), None, None
    recipe, absent = None, None
    if is_frame(exog):
        recipe, built = Recipe.from_columns(exog, missing)
        design = built.design
        if built.rows is not None:
            # Those rows stay, with placeholders, until it is known what else has no value.
            again = recipe.apply(exog, missing="nan")
            design, absent = replace(again.design, constant=design.constant), again.nan_rows
    else:
        design = design_from_array(exog)
        absent = missing_design_rows(design)
    if design.n_rows != n:
        raise DataError(f"{name} has {design.n_rows} rows, but the response has {n}.")
    return design, recipe, absent


def _absent(response: Column) -> np.ndarray:
    if isinstance(response, Categories) or response.ndim == 1:
        missing = missing_rows(response)
        n = len(response.codes if isinstance(response, Categories) else response)
        return np.zeros(n, dtype=bool) if missing is None else missing
    return np.any(np.isnan(response), axis=1)


def _kept(absent: Mapping[str, np.ndarray], counts: Mapping[str, int], missing: str) -> np.ndarray:
    rows = np.logical_or.reduce(list(absent.values()))
    if missing == "raise":
        raise MissingValueError(
            f"Missing values in {', '.join(counts)}, in {rows_text(rows)}. "
            'Pass missing="drop" to leave these rows out.'
        )
    if rows.all():
        raise MissingValueError("every row has a missing value: nothing is left to fit.")
    return ~rows


def _assembled(
    response: np.ndarray,
    levels: tuple[Level, ...] | None,
    designs: tuple[Design, ...],
    recipes: tuple[Recipe | None, ...],
    vectors: Mapping[str, np.ndarray | None],
    formula_offsets: tuple[np.ndarray | None, ...],
    **rest: Any,
) -> JointRows:
    for name in WEIGHTS:
        weights = vectors.get(name)
        if weights is not None:
            checked(weights, name, 0.0, True)
    prior_weights = product(vectors.get("freq_weights"), vectors.get("var_weights"))
    if prior_weights is not None and not prior_weights.any():
        raise DataError("all weights are zero: there is nothing to fit.")
    parts = OffsetParts(formula_offsets[0], vectors.get("offset"), vectors.get("exposure"))
    first = parts.total(Log())
    if levels is None:
        response = response.astype(np.float64)
        bad = ~np.isfinite(response).reshape(len(response), -1).all(axis=1)
        if bad.any():
            raise MissingValueError(f"the response is infinite in {rows_text(bad)}.")
    return JointRows(
        response,
        levels,
        designs,
        recipes,
        prior_weights=prior_weights,
        frequencies=product(vectors.get("freq_weights")),
        offsets=(None if first is None else first.astype(np.float64), *formula_offsets[1:]),
        offset_parts=parts,
        **rest,
    )


def _require_choice(missing: str) -> None:
    if missing not in ("raise", "drop"):
        raise ModelError(f'missing must be "raise" or "drop", not {missing!r}')
