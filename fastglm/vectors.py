"""Vectors of one number a row: weights, offsets, exposures, and what they must hold."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastglm.design.frames import with_nan
from fastglm.design.missing import rows_text
from fastglm.errors import DataError, MissingValueError, ModelError
from fastglm.families import Family, summarize

__all__ = ["checked", "product", "require_same_index", "total_offset", "vector"]


def vector(values: Any, name: str, n: int | None = None) -> np.ndarray:
    """A one-dimensional numeric array, of `n` values if given; strings and objects are refused."""
    array = with_nan(values)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.dtype.kind == "O":
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise DataError(
                f"{name} holds objects that are not numbers ({error}); convert it to a number."
            ) from None
    if array.dtype.kind not in "fiub":
        raise DataError(f"{name} has dtype {array.dtype}; it must be numeric.")
    if array.ndim == 0 and n is not None:
        array = np.full(n, array)
    if array.ndim != 1:
        raise DataError(f"{name} has shape {array.shape}; it must have one dimension.")
    if n is not None and array.shape[0] != n:
        raise DataError(f"{name} has {array.shape[0]} values, but there are {n} rows.")
    return array


def checked(values: np.ndarray, name: str, minimum: float, includes: bool) -> np.ndarray:
    """Refuses values that are not finite or not above `minimum`."""
    summary = summarize(values)
    if summary.n_not_finite:
        wrong = ~np.isfinite(values.astype(np.float64))
        raise MissingValueError(
            f"{name} has missing or infinite values in {rows_text(wrong)}; remove those rows, or "
            'pass missing="drop" to leave out rows with missing values.'
        )
    bad = summary.minimum < minimum or (not includes and summary.minimum == minimum)
    if bad and values.size:
        wrong = values < minimum if includes else values <= minimum
        need, found = ("not be negative", "is") if includes else ("be positive", "is not")
        raise DataError(f"{name} must {need}, but it {found} in {rows_text(wrong)}.")
    return values


def require_same_index(endog: Any, exog: Any, name: str) -> None:
    """Refuses pandas objects of the same length whose rows are not in the same order."""
    ours: Any = getattr(endog, "index", None)
    theirs: Any = getattr(exog, "index", None)
    if not (hasattr(ours, "equals") and hasattr(theirs, "equals")) or len(ours) != len(theirs):
        return
    if not ours.equals(theirs):
        row = int(np.argmax(np.asarray(ours != theirs)))
        raise DataError(
            f"the response and {name} have different indexes: row {row} is {ours[row]!r} in the "
            f"one and {theirs[row]!r} in the other. Align them, or pass arrays to take rows in the "
            "order they have."
        )


def product(*weights: np.ndarray | None) -> np.ndarray | None:
    """Product of those weights that are there."""
    result = None
    for factor in weights:
        if factor is not None:
            result = factor.astype(np.float64) if result is None else result * factor
    return result


def total_offset(
    formula_offset: np.ndarray | None,
    offset: np.ndarray | None,
    exposure: np.ndarray | None,
    family: Family,
) -> np.ndarray | None:
    """Sum of the offsets of the formula and the caller and of log exposure; None if there is none.

    Raises
    ------
    DataError
        If an offset is not finite or an exposure not positive.
    ModelError
        If there is an exposure and the link is not log.
    """
    if offset is not None:
        checked(offset, "offset", -np.inf, True)
        offset = offset if formula_offset is None else formula_offset + offset
    else:
        offset = formula_offset
    if exposure is None:
        return offset
    if family.link.name != "log":
        raise ModelError(
            f"exposure needs a log link, but the link is {family.link!r}; pass an offset on the "
            "scale of the linear predictor instead."
        )
    log_exposure = np.log(checked(exposure, "exposure", 0.0, False), dtype=np.float64)
    return log_exposure if offset is None else log_exposure + offset
