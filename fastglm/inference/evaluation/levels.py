"""Rows by the levels of a factor, or by groups of a number, with names for these."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastglm.design.frames.frames import Categories
from fastglm.errors import DataError
from fastglm.inference.evaluation.groups import Observed, quantile_groups
from fastglm.inference.number_format import format_level, format_levels

__all__ = ["is_factor", "levels_of"]

#: Levels of a factor beyond these, those of least weight, are one.
MOST_LEVELS = 40


def levels_of(found: Observed, by: Any, n_groups: int) -> tuple[list[str], np.ndarray, str, bool]:
    """Labels of levels, the level of each row, the factor's name, and if levels are in order.

    Parameters
    ----------
    found : Observed
    by : str or array_like of shape (n,)
        A column of the frame, or a value for each row.
    n_groups : int
        Of equal weight, that numbers of more than 40 values are cut into.

    Raises
    ------
    DataError
        If there is not a value for each row.
    """
    weight = found.weight
    if isinstance(by, str):
        column, name = found.rows.frame_column(by), by
    else:
        column, name = np.asarray(by), str(getattr(by, "name", None) or "group")
        if column.shape != weight.shape:
            raise DataError(f"by has shape {column.shape}, but there are {weight.size} rows.")
    if isinstance(column, Categories):
        labels, codes = format_levels(column.levels), np.asarray(column.codes, np.intp)
        return *_largest(labels, codes, weight), name, bool(column.ordered)
    values, code = np.unique(column, return_inverse=True)
    is_number = values.dtype.kind in "fiu"
    if values.size <= MOST_LEVELS or not is_number:
        return *_largest(format_levels(values), code, weight), name, is_number
    numbers = np.asarray(column, np.float64)
    group = quantile_groups(numbers, weight, n_groups)
    return _intervals(numbers, group), group, name, True


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
