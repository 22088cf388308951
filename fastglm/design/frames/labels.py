"""Numbers of rows as the library of the data has them: labelled where names came in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastglm.design.frames.output import frame_of, library_of, series_of

__all__ = ["label_rows"]


def label_rows(
    values: np.ndarray, like: Any, index: Any = None, columns: Sequence[Any] | None = None
) -> Any:
    """Numbers of n rows.

    Parameters
    ----------
    values : ndarray, shape (n,) or (n, k)
    like : data frame or None
        Whose rows they are of.
    index : pandas.Index or None
        Of the rows, where pandas objects came in.
    columns : sequence, optional
        Names of the k columns.

    Returns
    -------
    Series or DataFrame of pandas or polars, Table of pyarrow, or ndarray
        An array where an array or a mapping of columns came in, and for the (n,) numbers of a
        pyarrow Table, whose own columns have no names.
    """
    names = None if columns is None else list(columns)
    if index is not None:
        import pandas as pd

        if values.ndim == 1:
            return pd.Series(values, index=index)
        return pd.DataFrame(values, index=index, columns=names)
    if library_of(like) is None:
        return values
    if values.ndim == 1:
        return series_of(values, like)
    names = list(range(values.shape[1])) if names is None else names
    return frame_of({str(name): values[:, k] for k, name in enumerate(names)}, like)
