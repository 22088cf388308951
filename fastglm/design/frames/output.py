"""Frames and columns of the library that the data came in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = [
    "as_frame",
    "frame_of",
    "is_arrow",
    "is_pandas",
    "library_of",
    "series_of",
    "take_rows_of",
    "to_pandas",
    "with_columns",
]


def library_of(data: Any) -> Any:
    """Name of the library of a data frame or a column, None for pandas and for what is no frame."""
    import narwhals as nw

    try:
        name = nw.from_native(data, eager_only=True, allow_series=True).implementation.value
    except TypeError:
        return None
    return None if name == "pandas" else str(name)


def as_frame(data: Any) -> Any:
    """A data frame as it is, a column as a frame of one."""
    import narwhals as nw

    found = nw.from_native(data, eager_only=True, allow_series=True)
    return data if isinstance(found, nw.DataFrame) else found.to_frame().to_native()


def is_pandas(data: Any) -> bool:
    """Whether something is a pandas data frame."""
    import narwhals as nw

    return bool(nw.dependencies.is_pandas_dataframe(data))


def is_arrow(data: Any) -> bool:
    """Whether something is a pyarrow Table."""
    import narwhals as nw

    return bool(nw.dependencies.is_pyarrow_table(data))


def frame_of(columns: Mapping[str, Any], like: Any = None, index: Any = None) -> Any:
    """A data frame of columns.

    Parameters
    ----------
    columns : mapping of str to array_like, shape (n,)
    like : data frame, optional
        Whose library is used: pandas where that is None or no frame.
    index : pandas.Index, optional
        Of the rows of a pandas frame.
    """
    library = library_of(like)
    if library is None:
        import pandas as pd

        return pd.DataFrame(dict(columns), index=index)
    import narwhals as nw

    plain = {name: _plain(values) for name, values in columns.items()}
    return nw.from_dict(plain, backend=library).to_native()


def series_of(values: np.ndarray, like: Any) -> Any:
    """A column in the library of a frame; an array for pyarrow, with whose columns nothing adds."""
    library = library_of(like)
    if library is None or library == "pyarrow":
        return values
    import narwhals as nw

    return nw.new_series("", _plain(values), backend=library).to_native()


def with_columns(data: Any, kept: np.ndarray | None, columns: Mapping[str, np.ndarray]) -> Any:
    """Rows of a frame beside new columns.

    Parameters
    ----------
    data : data frame or mapping of columns
        A mapping becomes a pandas frame.
    kept : ndarray or None
        Which rows, by a mask or by their numbers; None for all.
    columns : mapping of str to ndarray, shape (n,)
    """
    import narwhals as nw

    if kept is not None:
        data = take_rows_of(data, kept)
    data = to_pandas(data) if isinstance(data, Mapping) else data
    if is_pandas(data):
        return data.assign(**columns)
    frame = nw.from_native(data, eager_only=True)
    backend = nw.get_native_namespace(frame)
    new = [nw.new_series(name, _plain(v), backend=backend) for name, v in columns.items()]
    return frame.with_columns(*new).to_native()


def to_pandas(data: Any) -> Any:
    """A frame of any library, or a mapping of columns, as a pandas frame."""
    if isinstance(data, Mapping):
        import pandas as pd

        return pd.DataFrame({name: np.asarray(values) for name, values in data.items()})
    if is_pandas(data):
        return data
    import narwhals as nw

    return nw.from_native(data, eager_only=True).to_pandas()


def take_rows_of(data: Any, rows: np.ndarray) -> Any:
    """Some rows of a frame or of a mapping of columns, by a mask or by their numbers."""
    numbers = np.flatnonzero(rows) if rows.dtype == bool else rows
    if isinstance(data, Mapping):
        return {name: np.asarray(values)[numbers] for name, values in data.items()}
    if is_pandas(data):
        return data.iloc[numbers]
    import narwhals as nw

    return nw.from_native(data, eager_only=True)[numbers.tolist(), :].to_native()


def _plain(values: Any) -> Any:
    """Values as any library takes them: text as a list."""
    array = np.asarray(values)
    return array.tolist() if array.dtype.kind in "OU" else array
