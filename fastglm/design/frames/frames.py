"""Columns of a data frame as they lie: numbers as arrays, categories as integer codes.

pandas, polars, pyarrow and dictionaries of arrays are read through narwhals. A numeric column
without missing values comes back as a view of the frame's own memory, and so do the codes of a
pandas categorical.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.design.frames.arrow_columns import (
    categories_of_arrow,
    is_arrow_table,
    read_arrow_numbers,
)
from fastglm.design.frames.categories import (
    TRUTHS,
    Categories,
    Column,
    Level,
    plain_levels,
    recode,
    sorted_categories,
    with_values,
)
from fastglm.design.frames.pandas_columns import (
    categories_of,
    factorize,
    is_pandas_frame,
    read_pandas,
)
from fastglm.design.frames.whole_numbers import require_exact, require_exact_objects
from fastglm.errors import ColumnNotFoundError, DataError, require_package

if TYPE_CHECKING:
    import narwhals as nw

__all__ = [
    "Categories",
    "Column",
    "Frame",
    "Level",
    "categorize",
    "is_frame",
    "is_series",
    "native_numbers",
    "not_found_text",
    "one_row",
    "plain_levels",
    "read_column",
    "recode",
    "unmasked",
    "with_nan",
]


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
        elif is_pandas_frame(native):
            self._read, keys = native.__getitem__, native.columns.tolist()
            self.n_rows = len(native)
        elif is_arrow_table(native):
            self._read, keys = native.column, native.column_names
            if len(set(keys)) < len(keys):
                twice = next(key for k, key in enumerate(keys) if key in keys[:k])
                raise DataError(f"Columns of the data share a name: {twice!r} is there twice.")
            self.n_rows = native.num_rows
        else:
            import narwhals as nw

            try:
                frame = nw.from_native(native, eager_only=True)
                self._read, keys = frame.get_column, list(frame.columns)
            except nw.exceptions.DuplicateError as error:
                raise DataError(f"Columns of the data share a name: {error}") from error
            except TypeError as error:
                raise DataError(_not_a_frame(native)) from error
            self.n_rows = len(frame)
        if self.n_rows == 0 and not allow_empty:
            raise DataError("The data frame has no rows.")
        # pandas numbers the columns of an unnamed array: 0, 1, ...
        self._keys = {str(key): key for key in keys}
        self.names = list(self._keys)
        self.native = native
        self._columns: dict[str, Column] = {}

    @classmethod
    def of(cls, data: Any, allow_empty: bool = False) -> Frame:
        """The frame itself where it is one already, whose columns are then read once only."""
        return data if isinstance(data, cls) else cls(data, allow_empty)

    def column(self, name: str) -> Column:
        """Read one column.

        Raises
        ------
        ColumnNotFoundError
            If there is no such column; the message lists the closest names.
        DataError
            If the column is neither numeric nor categorical, or the name is no text.
        """
        if not isinstance(name, str):
            raise DataError(f"a column is called by its name, a text, not by {name!r}.")
        if name not in self._keys:
            raise ColumnNotFoundError(not_found_text(name, self.names))
        column = self._columns.get(name)
        if column is None:
            column = self._columns[name] = read_column(self._read(self._keys[name]), name)
        return column


def one_row(row: Any) -> Any:
    """A frame of one row, from a mapping of single values or a pandas Series; all else as it is."""
    if isinstance(row, Mapping) and row and all(np.ndim(value) == 0 for value in row.values()):
        return {name: [value] for name, value in row.items()}
    if getattr(row, "ndim", 2) == 1 and hasattr(row, "infer_objects"):
        return row.to_frame().T.infer_objects()
    return row


def is_frame(data: Any) -> bool:
    """Whether `data` is a data frame or a dictionary of columns."""
    if isinstance(data, np.ndarray):
        return False
    if isinstance(data, Mapping):
        return True
    import narwhals as nw

    return nw.dependencies.is_into_dataframe(data)


def is_series(data: Any) -> bool:
    """Whether `data` is a column of pandas, polars or pyarrow."""
    if data is None or isinstance(data, np.ndarray):
        return False
    import narwhals as nw

    return nw.dependencies.is_into_series(_as_series(data))


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
    if isinstance(column, np.ndarray):
        # narwhals takes longer to find that an array is no series than a small fit takes.
        return _read_array(unmasked(column), name)
    found = read_pandas(column, name)
    if found is None:
        found = read_arrow_numbers(column)
    if found is not None:
        return native_numbers(found) if isinstance(found, np.ndarray) else found
    import narwhals as nw

    if not isinstance(column, nw.Series):
        column = _as_series(column)
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
        if dtype.is_integer() and column.null_count():
            require_exact(column.drop_nulls().to_numpy(), f"Column '{name}'")
        return _read_array(column.to_numpy(), name)
    if dtype == nw.Boolean:
        return (
            column.to_numpy()
            if not column.null_count()
            else _truths(column.cast(nw.Float64).to_numpy())
        )
    if dtype == nw.Object:
        return _read_array(column.to_numpy(), name)
    return _read_unknown(column, name)


def _as_series(column: Any) -> Any:
    """Arrays of pandas and pyarrow, whose types NumPy does not have, as series; else `column`."""
    module = type(column).__module__.partition(".")[0]
    if module == "pandas" and hasattr(column, "dtype") and not hasattr(column, "iloc"):
        import pandas

        return pandas.Series(column)
    if module == "pyarrow" and hasattr(column, "type") and not hasattr(column, "chunks"):
        import pyarrow

        return pyarrow.chunked_array([column])
    return column


def _read_unknown(column: nw.Series[Any], name: str) -> Column:
    """A type that narwhals does not have: a sparse one, one of another byte order, or nulls."""
    import narwhals as nw

    native = column.to_native()
    if column.implementation.is_pandas_like() and column.dtype == nw.Unknown:
        dtype = native.dtype
        plain = getattr(dtype, "subtype", dtype) if hasattr(native, "sparse") else dtype
        if isinstance(plain, np.dtype):
            return _read_array(native.to_numpy(dtype=plain), name)
    else:
        dtype = column.dtype
    if column.null_count() == len(column):
        return np.full(len(column), np.nan)
    raise _unusable(name, dtype)


def _unusable(name: str, dtype: Any) -> DataError:
    return DataError(
        f"Column '{name}' holds {dtype} values; convert it to numbers or to strings first."
    )


def categorize(column: Column, name: str) -> Categories:
    """Any column as categories; the levels of a numeric column are its sorted distinct values."""
    if isinstance(column, Categories):
        return column
    return factorize(column, name)


def _read_array(values: np.ndarray, name: str) -> Column:
    if values.ndim != 1:
        raise DataError(f"Column '{name}' has shape {values.shape}; it must be one-dimensional.")
    if values.dtype.kind in "biuf":
        return native_numbers(values)
    if values.dtype.kind == "O":
        return _read_objects(values, name)
    if values.dtype.kind in "UT":
        return factorize(values, name)
    raise _unusable(name, values.dtype)


def native_numbers(values: np.ndarray) -> np.ndarray:
    """Numbers as the kernels read them: of the machine's byte order, floats of 4 or 8 bytes."""
    dtype = values.dtype
    if dtype.kind == "f" and dtype.itemsize not in (4, 8):
        return values.astype(np.float64)
    return values if dtype.isnative else values.astype(dtype.newbyteorder("="))


def _read_categories(series: nw.Series[Any], name: str) -> Column:
    if series.implementation.is_pandas_like() and hasattr(series.to_native().array, "codes"):
        return categories_of(series.to_native())
    require_package("pyarrow", "polars", "categories of such a frame")
    found = categories_of_arrow(series.to_arrow())
    # Without an order, the levels are in the order in which they were met: sort them, or the
    # reference level would depend on the order of the rows.
    if not found.ordered:
        found = sorted_categories(found.codes, found.levels, name)
    return with_values(found)


def _read_strings(series: nw.Series[Any], name: str) -> Column:
    if series.implementation.is_pandas_like():
        return with_values(factorize(series.to_native(), name))
    require_package("pyarrow", "polars", "text columns of such a frame")
    found = categories_of_arrow(series.to_arrow().dictionary_encode())
    return with_values(sorted_categories(found.codes, found.levels, name))


def _read_objects(values: np.ndarray, name: str) -> Column:
    """Objects that are all numbers, such as decimals, as numbers; all else as categories."""
    import pandas

    codes, levels = pandas.factorize(values)
    if len(levels) and all(isinstance(level, bool | np.bool_) for level in levels):
        truths = pandas.array(values, dtype="boolean")
        return _truths(truths.to_numpy(np.float64, na_value=np.nan))
    if not all(map(_is_number, levels)):
        return sorted_categories(codes, plain_levels(levels.tolist()), name)
    require_exact_objects(levels, f"Column '{name}'")
    if len(levels) and (codes >= 0).all() and all(isinstance(v, Integral) for v in levels):
        return levels.astype(np.int64)[codes]
    return np.append(levels.astype(np.float64), np.nan)[codes]


def _truths(numbers: np.ndarray) -> Column:
    """Truth values from 0, 1 and, where one is missing, NaN."""
    missing = np.isnan(numbers)
    if not missing.any():
        return numbers == 1
    return Categories(np.where(missing, -1, numbers == 1).astype(np.int8), TRUTHS, declared=False)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real | Decimal) and not isinstance(value, bool)


def unmasked(values: Any) -> Any:
    """A masked array as an ordinary one with NaN, or None, where it is masked; else `values`."""
    if type(values) is np.ndarray or not isinstance(values, np.ma.MaskedArray):
        return values
    if not np.ma.is_masked(values):
        return values.data
    is_number = values.dtype.kind in "biuf"
    require_exact(values.compressed(), "A masked array")
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


def _not_a_frame(native: Any) -> str:
    kind = type(native).__name__
    # Dask's compute() and polars' collect() give the frame itself.
    ready = next((name for name in ("collect", "compute") if hasattr(native, name)), None)
    if ready is not None:
        module = type(native).__module__.partition(".")[0]
        return f"The data is a {module} {kind}, which holds no rows yet: pass data.{ready}()."
    return (
        f"The data is a {kind}; pass a pandas or polars DataFrame, a pyarrow Table or a "
        "dictionary of arrays."
    )


_R_CONSTANTS = {"TRUE": "True", "FALSE": "False", "NULL": "None"}


def not_found_text(name: str, names: Sequence[str]) -> str:
    """Sentence on a column that is not there, with the closest names."""
    if name in _R_CONSTANTS:
        return f"There is no column '{name}' in the data. R's {name} is {_R_CONSTANTS[name]}."
    close = [other for other in names if other.lower() == name.lower()]
    close = close or difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if close:
        hint = "Did you mean " + " or ".join(f"'{match}'" for match in close) + "?"
    else:
        shown = ", ".join(f"'{other}'" for other in names[:10])
        hint = f"The columns are {shown}{', ...' if len(names) > 10 else ''}."
    return f"There is no column '{name}' in the data. {hint}"
