"""The rows of a mixed model given as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fastglm.design.formula.response import ResponseRule
from fastglm.design.frames.frames import (
    Categories,
    Frame,
    is_frame,
    read_column,
    with_nan,
)
from fastglm.design.frames.missing import missing_rows, raise_missing
from fastglm.design.frames.output import take_rows_of
from fastglm.errors import DataError, ModelError
from fastglm.families import Family
from fastglm.mixed.blocks import Block, Term
from fastglm.mixed.covariances import structure_named
from fastglm.mixed.rows import (
    INTERCEPT,
    FittedGroup,
    FittedTerm,
    MixedRows,
    Random,
    as_categories,
    combine,
    levels_of,
    make_block,
)
from fastglm.rows.read import read_arrays

__all__ = ["rows_of_arrays"]


def rows_of_arrays(
    endog: Any,
    exog: Any,
    random: Sequence[Random],
    takes: Family | ResponseRule,
    columns: Mapping[str, Any],
    missing: str,
) -> MixedRows:
    """Rows of a model given as arrays; arguments as for `fastglm.MixedGLM`."""
    if not random:
        raise ModelError("a mixed model needs groups= or random=: use fastglm.GLM instead.")
    keep, random, counts = _complete(endog, exog, random, columns, missing)
    if keep is not None:
        endog, exog = _taken(endog, keep), _taken(exog, keep)
        columns = {k: None if v is None else _taken(v, keep) for k, v in columns.items()}
    rows = read_arrays(endog, {"X": exog}, columns, "raise", takes)
    if keep is not None:
        rows = replace(rows, n_dropped=int(keep.size - keep.sum()), missing=counts)
    named: dict[str, list[tuple[Categories, Random]]] = {}
    for number, each in enumerate(random):
        name = each.name or getattr(each.groups, "name", None) or "group" + str(number or "")
        column = as_categories(read_column(each.groups, str(name)), str(name))
        if column.codes.size != rows.n_rows:
            raise DataError(f"groups has {column.codes.size} values for {rows.n_rows} rows.")
        named.setdefault(str(name), []).append((column, each))
    built = [_group_of_arrays(name, given, rows.n_rows) for name, given in named.items()]
    return MixedRows(rows, tuple(b for b, _ in built), tuple(r for _, r in built))


def _group_of_arrays(
    name: str, given: list[tuple[Categories, Random]], n: int
) -> tuple[Block, FittedGroup]:
    codes, parts = combine([given[0][0]])
    matrices, terms, fitted_formulas, start = [], [], [], 0
    for _, each in given:
        matrix, names = _columns_of(each.Z, n)
        structure = each.structure or ("us" if each.correlated else "diag")
        terms.append(Term(names, start, structure_named(structure, len(names))))
        fitted_formulas.append(FittedTerm(None, len(names), each.Z is None))
        matrices.append(matrix)
        start += len(names)
    levels = levels_of(parts)
    fitted_formula = FittedGroup(name, (), levels, tuple(parts), tuple(fitted_formulas))
    return make_block(name, levels, codes, matrices, terms), fitted_formula


def _columns_of(Z: Any, n: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """Columns of a random term and their names."""
    if Z is None:
        return np.ones((n, 1)), (INTERCEPT,)
    if is_frame(Z):
        frame = Frame(Z)
        matrix = np.column_stack([_numbers_of(frame, name) for name in frame.names])
        names = tuple(INTERCEPT if name.lower() == "intercept" else name for name in frame.names)
    else:
        try:
            matrix = np.asarray(Z, dtype=np.float64)
        except (TypeError, ValueError):
            raise DataError(
                "Z must hold numbers, a column for each effect of a level: code text as columns of "
                "0 and 1, or use a formula."
            ) from None
        matrix = matrix[:, None] if matrix.ndim == 1 else matrix
        names = tuple(f"z{i + 1}" for i in range(matrix.shape[1]))
        names = tuple(
            INTERCEPT if (column == 1.0).all() and INTERCEPT not in names[:i] else name
            for i, (name, column) in enumerate(zip(names, matrix.T, strict=True))
        )
    if matrix.shape[0] != n:
        raise DataError(f"Z has {matrix.shape[0]} rows for {n} rows of the model.")
    return matrix.astype(np.float64), names


def _numbers_of(frame: Frame, name: str) -> np.ndarray:
    column = frame.column(name)
    if not isinstance(column, np.ndarray) or column.dtype.kind not in "fiub":
        raise DataError(
            f"'{name}' of Z must hold numbers: code it as columns of 0 and 1, or use a formula."
        )
    return column


def _complete(
    endog: Any, exog: Any, random: Sequence[Random], columns: Mapping[str, Any], missing: str
) -> tuple[np.ndarray | None, Sequence[Random], dict[str, int]]:
    """Which rows are complete, None if all are, the random effects of those, and what is missing.

    The last by name, with its number of rows.
    """
    absent = {}
    for number, each in enumerate(random):
        name = str(each.name or getattr(each.groups, "name", None) or f"groups {number}")
        rows = missing_rows(read_column(each.groups, name))
        if rows is not None:
            absent[name] = rows
    given = {"the response": endog, "X": exog, **columns}
    given |= {f"Z of {number}": each.Z for number, each in enumerate(random)}
    for name, values in given.items():
        if values is None or np.ndim(values) == 0:
            continue
        array = with_nan(values)
        if array.dtype.kind == "f" and np.isnan(array.min(initial=0.0)):
            absent[name] = np.isnan(array).reshape(len(array), -1).any(axis=1)
    if not absent:
        return None, random, {}
    if missing != "drop":
        raise_missing(absent)
    keep = ~np.logical_or.reduce(list(absent.values()))
    taken = [replace(r, groups=_taken(r.groups, keep), Z=_taken(r.Z, keep)) for r in random]
    return keep, taken, {name: int(rows.sum()) for name, rows in absent.items()}


def _taken(values: Any, keep: np.ndarray) -> Any:
    if values is None or np.ndim(values) == 0:
        return values
    if hasattr(values, "loc"):
        return values.loc[keep]
    if is_frame(values):
        return take_rows_of(values, keep)
    return np.asarray(values)[keep]
