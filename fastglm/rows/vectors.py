"""Vectors of one number a row (weights, offsets, exposures) and the checks of their values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastglm.design.frames.frames import native_numbers, with_nan
from fastglm.design.frames.missing import rows_text
from fastglm.design.frames.whole_numbers import is_plain, require_exact, require_exact_objects
from fastglm.errors import DataError, MissingValueError, ModelError
from fastglm.families import summarize
from fastglm.families.links import Link, Log
from fastglm.records import fast_init

__all__ = ["OffsetParts", "checked", "product", "require_same_index", "require_same_rows", "vector"]


def vector(values: Any, name: str, n: int | None = None) -> np.ndarray:
    """`values` as a numeric array, (n,); raises for other shapes, strings and objects."""
    if is_plain(values) and values.shape == (n,):
        return values
    array = with_nan(values)
    if array.ndim == 1 and array.dtype.kind in "fiu" and array.shape[0] == n:
        require_exact(array, name)
        return native_numbers(array)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.dtype.kind == "O":
        require_exact_objects(array, name)
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
    require_exact(array, name)
    return native_numbers(array)


def checked(values: np.ndarray, name: str, minimum: float, includes: bool) -> np.ndarray:
    """`values`, if all are finite and above `minimum` (or equal to it, with `includes`)."""
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


def require_same_index(one: Any, other: Any, name: str, other_name: str) -> None:
    """Raises for two pandas objects of the same length with different indices."""
    ours: Any = getattr(one, "index", None)
    theirs: Any = getattr(other, "index", None)
    if not (hasattr(ours, "equals") and hasattr(theirs, "equals")) or len(ours) != len(theirs):
        return
    if not ours.equals(theirs):
        row = int(np.argmax(np.asarray(ours != theirs)))
        raise DataError(
            f"{name} and {other_name} have different indexes: row {row} is {_plain(ours[row])!r} "
            f"in the one and {_plain(theirs[row])!r} in the other. Align them, or "
            "pass arrays to take rows in the order they have."
        )


def require_same_rows(
    given: Sequence[Any], columns: Mapping[str, Any], name: str
) -> dict[str, Any]:
    """The offset, exposure and weights that there are, each of the same rows as what was given."""
    columns = {key: values for key, values in columns.items() if values is not None}
    for key, values in columns.items():
        # NumPy arrays and names of columns have no index: no need to compare.
        if hasattr(values, "index") and not isinstance(values, str | list | tuple):
            for data in given:
                require_same_index(data, values, name, key)
    return columns


def _plain(label: Any) -> Any:
    """A label as a plain Python object: NumPy's scalars print with their type."""
    return label.item() if isinstance(label, np.generic) else label


def product(*weights: np.ndarray | None) -> np.ndarray | None:
    """Product of the weights that are not None."""
    result = None
    for factor in weights:
        if factor is not None:
            result = factor.astype(np.float64) if result is None else result * factor
    return result


@fast_init
@dataclass(frozen=True, eq=False)
class OffsetParts:
    """Terms of the offset of a linear predictor, each (n,) or None.

    Attributes
    ----------
    formula : ndarray or None
        Sum of the ``offset()`` terms of a formula.
    offset : ndarray or None
        Argument `offset`.
    exposure : ndarray or None
        Argument `exposure`, on the scale of the response: its logarithm is added.
    """

    formula: np.ndarray | None = None
    offset: np.ndarray | None = None
    exposure: np.ndarray | None = None

    def take(self, rows: np.ndarray) -> OffsetParts:
        """The parts of some rows, given as a mask or as row numbers."""
        parts = (self.formula, self.offset, self.exposure)
        return OffsetParts(*(None if part is None else part[rows] for part in parts))

    def with_given(self, offset: np.ndarray | None, exposure: np.ndarray | None) -> OffsetParts:
        """The parts with offset and exposure replaced by the arguments that are not None."""
        return OffsetParts(
            formula=self.formula,
            offset=self.offset if offset is None else offset,
            exposure=self.exposure if exposure is None else exposure,
        )

    def with_placeholders(self, rows: np.ndarray | None) -> OffsetParts:
        """The parts with valid placeholders in masked rows, whose predictions become NaN."""
        if rows is None:
            return self
        return OffsetParts(
            formula=self.formula,
            offset=None if self.offset is None else np.where(rows, 0.0, self.offset),
            exposure=None if self.exposure is None else np.where(rows, 1.0, self.exposure),
        )

    def total(self, link: Link) -> np.ndarray | None:
        """Sum of all parts, (n,), on the scale of the linear predictor; None if there are none.

        Raises
        ------
        DataError
            If an offset is not finite or an exposure not positive.
        ModelError
            If there is an exposure and the link is not log.
        """
        offset = self.formula
        if self.offset is not None:
            given = checked(self.offset, "offset", -np.inf, True)
            offset = given if offset is None else offset + given
        if self.exposure is None:
            return offset
        require_log_link(link)
        exposure = checked(self.exposure, "exposure", 0.0, False)
        log_exposure = np.log(exposure, dtype=np.float64)
        return log_exposure if offset is None else log_exposure + offset


def require_log_link(link: Link) -> None:
    """Refuse an exposure beside another link.

    Raises
    ------
    ModelError
    """
    if not isinstance(link, Log):
        raise ModelError(
            f"exposure needs a log link, but the link is {link!r}; pass an offset on the "
            "scale of the linear predictor instead."
        )
