"""Numbers of rows as the library of the data has them: labelled where names came in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fastglm.design.frames.output import (
    as_frame,
    frame_of,
    library_of,
    series_of,
    take_rows_of,
    to_pandas,
)

__all__ = ["frame_of_rows", "label_rows", "labelled_rows", "row_labels"]


def row_labels(source: Any) -> Any:
    """What numbers of the rows of some data are labelled by.

    Parameters
    ----------
    source : data frame, series or array_like

    Returns
    -------
    pandas.Index, data frame or None
        The index of a pandas object; of another library a frame, of a column that column's, whose
        library the numbers go back to; None for arrays and for mappings of columns.
    """
    if source is None or isinstance(source, np.ndarray | Mapping | list | tuple):
        return None
    index = getattr(source, "index", None)
    if hasattr(index, "dtype"):
        return index
    return as_frame(source) if library_of(source) is not None else None


def label_rows(values: np.ndarray, labels: Any, columns: Sequence[Any] | None = None) -> Any:
    """Numbers of n rows, labelled.

    Parameters
    ----------
    values : ndarray, shape (n,) or (n, k)
    labels
        As `row_labels` gives them.
    columns : sequence, optional
        Names of the k columns.

    Returns
    -------
    Series or DataFrame of pandas or polars, Table of pyarrow, or ndarray
        An array where there are no labels, and for the (n,) numbers of a pyarrow Table, whose own
        columns have no names.
    """
    if labels is None:
        return values
    names = None if columns is None else list(columns)
    if hasattr(labels, "dtype"):
        import pandas as pd

        if values.ndim == 1:
            return pd.Series(values, index=labels)
        return pd.DataFrame(values, index=labels, columns=names)
    if values.ndim == 1:
        return series_of(values, labels)
    names = list(range(values.shape[1])) if names is None else names
    return frame_of({str(name): values[:, k] for k, name in enumerate(names)}, labels)


def frame_of_rows(
    columns: Mapping[str, np.ndarray], labels: Any, nan_rows: np.ndarray | None = None
) -> Any:
    """Columns of n rows as a frame, of pandas where there are no labels.

    Parameters
    ----------
    columns : mapping of str to ndarray, shape (n,)
    labels
        As `row_labels` gives them.
    nan_rows : ndarray of bool, shape (n,), optional
        Rows that are NaN.
    """
    if nan_rows is not None:
        columns = {name: np.where(nan_rows, np.nan, values) for name, values in columns.items()}
    if labels is None or hasattr(labels, "dtype"):
        return frame_of(columns, None, labels)
    return frame_of(columns, labels)


def labelled_rows(table: Any, kept: np.ndarray | None, labels: Any) -> Any:
    """Rows of a pyarrow Table as a frame of the library of their labels.

    Parameters
    ----------
    table : pyarrow.Table
    kept : ndarray of bool or None
        Which rows; None for all.
    labels
        Of these rows, as `row_labels` gives them.
    """
    import narwhals as nw

    table = table if kept is None else take_rows_of(table, kept)
    if hasattr(labels, "dtype"):
        return to_pandas(table).set_axis(labels)
    library = library_of(labels)
    return table if library is None else nw.from_arrow(table, backend=library).to_native()
