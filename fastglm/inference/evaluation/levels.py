"""Rows by the levels of a factor, or by groups of a number, with names for these."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from fastglm.design.frames.categories import Column
from fastglm.design.frames.frames import Categories, categorize
from fastglm.errors import DataError
from fastglm.inference.evaluation.groups import Observed, quantile_groups
from fastglm.inference.number_format import format_level, format_levels

__all__ = ["is_factor", "levels_of"]

#: Levels of a factor beyond these, those of least weight, are one.
MOST_LEVELS = 40
#: Name of the group of rows whose factor is missing.
MISSING = "missing"


def levels_of(found: Observed, by: Any, n_groups: int) -> tuple[list[str], np.ndarray, str, bool]:
    """Labels of levels, the level of each row, the factor's name, and if levels are in order.

    Parameters
    ----------
    found : Observed
    by : str or array_like of shape (n,)
        A column of the frame, or a value for each row.
        Rows in which it is missing are a level of their own, the last.
    n_groups : int
        Of equal weight, that numbers of more than 40 values are cut into.

    Raises
    ------
    DataError
        If there is not a value for each row.
    """
    if isinstance(by, list | tuple) and len(by) == 1:
        by = by[0]
    if isinstance(by, str):
        column, name = found.rows.frame_column(by), by
    else:
        column, name = np.asarray(by), str(getattr(by, "name", None) or "group")
        if column.shape != found.weight.shape:
            raise DataError(
                f"by has shape {column.shape}, but there are {found.weight.size} rows: give the "
                "name of a column, a value for each row, or a list of two of these."
            )
        if column.dtype.kind in "OUT":
            column = categorize(column, name).in_order()
    codes = column.codes if isinstance(column, Categories) else np.where(column != column, -1, 0)
    absent = np.asarray(codes) < 0
    if not absent.any():
        return *_named(column, found.weight, n_groups), name, _in_order(column)
    labels, group = list[str](), np.zeros(absent.size, dtype=np.intp)
    if not absent.all():
        rest = column.codes[~absent] if isinstance(column, Categories) else column[~absent]
        known = replace(column, codes=rest) if isinstance(column, Categories) else rest
        labels, group[~absent] = _named(known, found.weight[~absent], n_groups)
    group[absent] = len(labels)
    return [*labels, MISSING], group, name, _in_order(column)


def _in_order(column: Column) -> bool:
    if isinstance(column, Categories):
        return bool(column.ordered)
    return column.dtype.kind in "fiu"


def _named(column: Column, weight: np.ndarray, n_groups: int) -> tuple[list[str], np.ndarray]:
    """Labels of the levels or groups of values that are all there, and that of each row."""
    if isinstance(column, Categories):
        return _largest(format_levels(column.levels), np.asarray(column.codes, np.intp), weight)
    values, code = np.unique(column, return_inverse=True)
    if values.size <= MOST_LEVELS or values.dtype.kind not in "fiu":
        return _largest(format_levels(values), code, weight)
    numbers = np.asarray(column, np.float64)
    group = quantile_groups(numbers, weight, n_groups)
    return _intervals(numbers, group), group


def _intervals(values: np.ndarray, group: np.ndarray) -> list[str]:
    """Names of groups of numbers by their ends, in no more digits than distinguish them."""
    n = int(group.max()) + 1
    low, high = np.full(n, np.inf), np.full(n, -np.inf)
    np.minimum.at(low, group, values)
    np.maximum.at(high, group, values)
    for digits in range(2, 9):
        ends = [(f"{a:.{digits}g}", f"{b:.{digits}g}") for a, b in zip(low, high, strict=True)]
        edges = [float(b) for _, b in ends]
        if len(set(edges)) == n and all(float(a) <= float(b) for a, b in ends):
            break
    shown = [(format_level(float(a)), format_level(float(b))) for a, b in ends]
    return [a if a == b else f"{a} – {b}" for a, b in shown]


def _largest(
    labels: list[str], code: np.ndarray, weight: np.ndarray
) -> tuple[list[str], np.ndarray]:
    """The levels of most weight; the others as one."""
    if len(labels) <= MOST_LEVELS:
        return labels, code
    total = np.bincount(code, weight, minlength=len(labels))
    kept = np.sort(np.argsort(-total)[: MOST_LEVELS - 1])
    new = np.full(len(labels), MOST_LEVELS - 1)
    new[kept] = np.arange(kept.size)
    return [*(labels[k] for k in kept), "others"], new[code]


def is_factor(by: Any) -> bool:
    """Whether something is one factor: the name of a column, or a value for each row."""
    return isinstance(by, str) or np.ndim(by) == 1
