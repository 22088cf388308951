"""Columns of a data frame as they lie: numbers as arrays, categories as integer codes.

pandas, polars, pyarrow and dictionaries of arrays are read through narwhals. A numeric column
without missing values comes back as a view of the frame's own memory, and so do the codes of a
pandas categorical.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, TypeAlias

import narwhals as nw
import numpy as np

from fastglm.errors import ColumnNotFoundError, DataError, require_package

if TYPE_CHECKING:
    import pandas

__all__ = [
    "Categories",
    "Column",
    "Frame",
    "Level",
    "categorize",
    "is_frame",
    "plain_levels",
    "read_column",
    "recode",
    "unmasked",
    "with_nan",
]

Level: TypeAlias = str | int | float | bool


@dataclass(frozen=True, eq=False)
class Categories:
    """A categorical column.

    Parameters
    ----------
    codes : ndarray, shape (n,)
        Index into `levels`, any integer dtype; negative where the value is missing.
    levels : tuple
        The levels in order.
    declared : bool
        Whether the column's type fixes the levels. If not, they are the values that occur.
    """

    codes: np.ndarray
    levels: tuple[Level, ...]
    declared: bool = True

    def take(self, rows: np.ndarray) -> Categories:
        """Keep the rows where the boolean mask `rows` is true, and only the levels that remain."""
        codes = self.codes[rows]
        if self.declared:
            return Categories(codes, self.levels)
        used = np.bincount(codes[codes >= 0], minlength=len(self.levels)) > 0
        if used.all():
            return Categories(codes, self.levels, declared=False)
        levels = tuple(level for level, keep in zip(self.levels, used, strict=True) if keep)
        return Categories(recode(codes, np.cumsum(used) - 1, len(levels)), levels, declared=False)


Column: TypeAlias = np.ndarray | Categories


class Frame:
    """A data frame of any supported library.

    Parameters
    ----------
    native : pandas.DataFrame, polars.DataFrame, pyarrow.Table or mapping of names to columns
    allow_empty : bool, default False
        Whether there may be no rows.

    Raises
    ------
    DataError
        If `native` is none of these, has no rows, its columns differ in length or two of them
        have the same name.
    """

    def __init__(self, native: Any, allow_empty: bool = False) -> None:
        self._read: Callable[[Any], Any]
        if isinstance(native, Mapping):
            self._read, keys = native.__getitem__, list(native)
            shapes = {name: np.shape(column) for name, column in native.items()}
            for name, shape in shapes.items():
                if not shape:
                    raise DataError(f"'{name}' is one value, not a column: put it in a list.")
            lengths = {name: shape[0] for name, shape in shapes.items()}
            if len(set(lengths.values())) > 1:
                sizes = ", ".join(f"'{name}' {size}" for name, size in lengths.items())
                raise DataError(f"The columns of the data differ in length: {sizes}.")
            self.n_rows = next(iter(lengths.values()), 0)
        else:
            try:
                frame = nw.from_native(native, eager_only=True)
                self._read, keys = frame.get_column, list(frame.columns)
            except nw.exceptions.DuplicateError as error:
                raise DataError(f"Columns of the data share a name: {error}") from error
            except TypeError as error:
                lazy = " (collect() a LazyFrame first)" if hasattr(native, "collect") else ""
                raise DataError(
                    f"The data is a {type(native).__name__}; pass a pandas or polars DataFrame"
                    f"{lazy}, a pyarrow Table or a dictionary of arrays."
                ) from error
            self.n_rows = len(frame)
        if self.n_rows == 0 and not allow_empty:
            raise DataError("The data frame has no rows.")
        # pandas numbers the columns of an unnamed array: 0, 1, ...
        self._keys = {str(key): key for key in keys}
        self.names = list(self._keys)

    def column(self, name: str) -> Column:
        """Read one column.

        Raises
        ------
        ColumnNotFoundError
            If there is no such column; the message lists the closest names.
        DataError
            If the column is neither numeric nor categorical.
        """
        if name not in self._keys:
            raise ColumnNotFoundError(_not_found(name, self.names))
        return read_column(self._read(self._keys[name]), name)


def is_frame(data: Any) -> bool:
    """Whether `data` is a data frame or a dictionary of columns."""
    if isinstance(data, np.ndarray):
        return False
    return isinstance(data, Mapping) or nw.dependencies.is_into_dataframe(data)


def read_column(column: Any, name: str) -> Column:
    """One column of any library as numbers or categories.

    Parameters
    ----------
    column : series, array or sequence, length n
    name : str
        For messages.

    Returns
    -------
    ndarray, shape (n,), or Categories
        Missing numbers are NaN, missing categories have a negative code.

    Raises
    ------
    DataError
        For dates, complex numbers, nested values, or values of mixed type.
    """
    if not isinstance(column, nw.Series):
        if nw.dependencies.is_into_series(column):
            column = nw.from_native(column, series_only=True)
        else:
            return _read_array(np.asarray(unmasked(column)), name)
    dtype = column.dtype
    if dtype == nw.Categorical or dtype == nw.Enum:
        return _read_categories(column, name)
    if dtype == nw.String:
        return _read_strings(column, name)
    if dtype == nw.Decimal or dtype == nw.Int128 or dtype == nw.UInt128:
        return column.cast(nw.Float64).to_numpy()
    if dtype.is_numeric():
        return _read_array(column.to_numpy(), name)
    if dtype == nw.Boolean:
        return column.to_numpy() if not column.null_count() else column.cast(nw.Float64).to_numpy()
    if dtype == nw.Object:
        return _read_array(column.to_numpy(), name)
    raise DataError(
        f"Column '{name}' holds {dtype} values; convert it to numbers or to strings first."
    )


def categorize(column: Column, name: str) -> Categories:
    """Any column as categories; the levels of a numeric column are its sorted distinct values."""
    if isinstance(column, Categories):
        return column
    return _factorize(column, name)


def recode(codes: np.ndarray, table: np.ndarray, n_levels: int) -> np.ndarray:
    """Map codes through a table, negative codes staying negative, to the smallest integer dtype."""
    dtype = np.min_scalar_type(-max(n_levels, 1))
    padded = np.append(table, -1).astype(dtype)
    return padded[codes]


def _read_array(values: np.ndarray, name: str) -> Column:
    if values.ndim != 1:
        raise DataError(f"Column '{name}' has shape {values.shape}; it must be one-dimensional.")
    if values.dtype.kind in "biu":
        return values
    if values.dtype.kind == "f":
        return values if values.dtype.itemsize in (4, 8) else values.astype(np.float64)
    if values.dtype.kind == "O":
        return _read_objects(values, name)
    if values.dtype.kind == "U":
        return _factorize(values, name)
    raise DataError(
        f"Column '{name}' holds {values.dtype} values; convert it to numbers or to strings first."
    )


def _read_categories(series: nw.Series[Any], name: str) -> Categories:
    if series.implementation.is_pandas_like():
        native = series.to_native().array
        return Categories(native.codes, plain_levels(native.categories.tolist()))
    require_package("pyarrow", "polars", "categories of such a frame")
    found = _from_arrow(series.to_arrow())
    if series.implementation.is_polars() and series.dtype == nw.Categorical:
        # polars keeps such levels in no order of the user's: sort them, or the reference level
        # would depend on the order of the rows.
        return _sorted(found.codes, found.levels, name)
    return found


def _from_arrow(encoded: Any) -> Categories:
    import pyarrow

    if isinstance(encoded, pyarrow.ChunkedArray):
        encoded = encoded.unify_dictionaries().combine_chunks()
    indices = encoded.indices
    if indices.null_count:
        indices = indices.cast(pyarrow.int64()).fill_null(-1)
    codes = indices.to_numpy(zero_copy_only=False)
    return Categories(codes, plain_levels(encoded.dictionary.to_pylist()))


def _read_strings(series: nw.Series[Any], name: str) -> Categories:
    if series.implementation.is_pandas_like():
        return _factorize(series.to_native(), name)
    require_package("pyarrow", "polars", "text columns of such a frame")
    found = _from_arrow(series.to_arrow().dictionary_encode())
    return _sorted(found.codes, found.levels, name)


def _read_objects(values: np.ndarray, name: str) -> Column:
    """Objects that are all numbers, such as decimals, as numbers; all else as categories."""
    import pandas

    codes, levels = pandas.factorize(values)
    if not len(levels) or not all(map(_is_number, levels)):
        return _sorted(codes, plain_levels(levels.tolist()), name)
    if (codes >= 0).all() and all(isinstance(level, Integral) for level in levels):
        return levels.astype(np.int64)[codes]
    return np.append(levels.astype(np.float64), np.nan)[codes]


def _is_number(value: Any) -> bool:
    return isinstance(value, Real | Decimal) and not isinstance(value, bool)


def _factorize(values: np.ndarray | pandas.Series, name: str) -> Categories:
    import pandas

    codes, levels = pandas.factorize(values)
    return _sorted(codes, plain_levels(levels.tolist()), name)


def unmasked(values: Any) -> Any:
    """A masked array as an ordinary one with NaN, or None, where it is masked; else `values`."""
    if not isinstance(values, np.ma.MaskedArray):
        return values
    if not np.ma.is_masked(values):
        return values.data
    is_number = values.dtype.kind in "biuf"
    plain: np.ndarray = values.data.astype(np.float64 if is_number else object)
    plain[np.ma.getmaskarray(values)] = np.nan if is_number else None
    return plain


def with_nan(values: Any) -> np.ndarray:
    """An array of what must be numbers, in which what is masked, None or pandas' NA is NaN."""
    array = np.asarray(unmasked(values))
    if array.dtype.kind != "O":
        return array
    import pandas

    return np.where(pandas.isna(array), np.nan, array)


def _sorted(codes: np.ndarray, levels: Sequence[Level], name: str) -> Categories:
    kinds = {type(level) for level in levels}
    if len(kinds) > 1 and not kinds <= {int, float}:
        found = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise DataError(
            f"Column '{name}' mixes values of type {found}; convert it to one type first."
        )
    order = sorted(range(len(levels)), key=levels.__getitem__)
    rank = np.empty(len(levels), dtype=np.intp)
    rank[order] = np.arange(len(levels))
    ordered = tuple(levels[i] for i in order)
    return Categories(recode(codes, rank, len(levels)), ordered, declared=False)


def plain_levels(levels: Iterable[Any]) -> tuple[Level, ...]:
    """Levels as types that JSON keeps; any other, such as an interval, by its printed form."""
    return tuple(v if isinstance(v, str | int | float) else str(v) for v in levels)


def _not_found(name: str, names: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if close:
        hint = "Did you mean " + " or ".join(f"'{match}'" for match in close) + "?"
    else:
        shown = ", ".join(f"'{other}'" for other in names[:10])
        hint = f"The columns are {shown}{', ...' if len(names) > 10 else ''}."
    return f"There is no column '{name}' in the data. {hint}"
