"""Groups of the rows of a fit, by number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.errors import DataError

if TYPE_CHECKING:
    from fastglm.fit.base import FitBase

__all__ = ["group_codes", "group_values", "of_weight", "renumbered"]

#: A span of whole numbers that is worth counting however few rows there are.
FEW_GROUPS = 1000
#: Rows that are searched for groups at a time.
CODES_AT_A_TIME = 65_536


def group_codes(fit: FitBase, groups: Any) -> tuple[np.ndarray, int]:
    """Numbers of the groups of the rows, from 0, and how many there are.

    Groups of nothing but rows of weight 0 do not count.

    Raises
    ------
    DataError
        If there is not one group for every row, some are missing, or there is only one.
    ModelError
        If `groups` is the name of a column and the fit has no frame.
    """
    import pandas as pd

    rows = fit._model_with_data("groups").rows
    n = rows.n_rows
    values = _group_column(rows, groups) if isinstance(groups, str) else _own_codes(groups)
    if values.shape != (n,):
        raise DataError(
            f"groups has shape {values.shape}; it must hold one group for each of the {n} rows of "
            "the fit."
        )
    codes, n_groups = _codes_of_integers(values)
    if codes is None:
        codes, levels = pd.factorize(values)
        n_groups = len(levels)
        if (codes < 0).any():
            raise DataError(
                f"groups has no value in row {int(np.argmin(codes))}; every row needs a group."
            )
    codes, n_groups = of_weight(codes, n_groups, fit)
    if n_groups < 2:
        raise DataError("groups holds only one group; a covariance needs two or more.")
    return codes.astype(np.int64, copy=False), n_groups


def group_values(fit: FitBase, values: Any, name: str) -> np.ndarray:
    """Numbers of the values of the rows in the values' own order, (n,), from 0.

    Parameters
    ----------
    fit
        A fit with its rows.
    values : str or array_like, shape (n,)
        The name of a column, or one value for each row.
    name : str
        What the argument is called.

    Raises
    ------
    DataError
        If there is not one value for every row, or some are missing.
    """
    import pandas as pd

    rows = fit._model_with_data(name).rows
    given = _group_column(rows, values) if isinstance(values, str) else np.asarray(values)
    if given.shape != (rows.n_rows,):
        raise DataError(
            f"{name} has shape {given.shape}; it must hold one value for each of the "
            f"{rows.n_rows} rows of the fit."
        )
    codes = pd.factorize(given, sort=True)[0]
    if (codes < 0).any():
        raise DataError(f"{name} has no value in row {int(np.argmin(codes))}.")
    return np.asarray(codes, dtype=np.int64)


def of_weight(codes: np.ndarray, n_groups: int, fit: FitBase) -> tuple[np.ndarray, int]:
    """Codes of the groups with a row of positive weight; rows of the others get any code."""
    weights = fit._model_with_data("groups").rows.prior_weights
    if weights is None:
        return codes, n_groups
    present = np.zeros(n_groups, dtype=bool)
    present[codes[weights > 0.0]] = True
    return renumbered(codes, present)


def renumbered(codes: np.ndarray, present: np.ndarray) -> tuple[np.ndarray, int]:
    """Codes that count only the groups of a mask, and how many those are.

    Rows of the others get any code.
    """
    if present.all():
        return codes, present.size
    return np.maximum(np.cumsum(present) - 1, 0)[codes], int(np.count_nonzero(present))


def _group_column(rows: Any, name: str) -> np.ndarray:
    """The groups in a column of the frame, NaN where a row has none."""
    column = rows.frame_column(name)
    if isinstance(column, np.ndarray):
        return column
    return np.where(column.codes < 0, np.nan, column.codes)


def _own_codes(groups: Any) -> Any:
    """An array, but for pandas' own types, whose dictionaries `pandas.factorize` reads."""
    import pandas as pd

    columns = pd.Series | pd.Index | pd.api.extensions.ExtensionArray
    if isinstance(groups, columns) and not isinstance(groups.dtype, np.dtype):
        return groups
    return np.asarray(groups)


def _codes_of_integers(values: Any) -> tuple[np.ndarray | None, int]:
    """Codes of whole numbers in their order, if they are close enough together to be counted."""
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "iu":
        return None, 0
    lowest, highest = int(values.min()), int(values.max())
    if highest - lowest >= max(values.size, FEW_GROUPS):
        return None, 0
    wide = values if values.itemsize == 8 else values.astype(np.int64)
    moved = wide if lowest == 0 else wide - wide.dtype.type(lowest)
    codes = moved.astype(np.int64, copy=False)
    present = np.zeros(highest - lowest + 1, dtype=bool)
    # Often the first rows have every group already.
    step = max(CODES_AT_A_TIME, 8 * present.size)
    for start in range(0, codes.size, step):
        present[codes[start : start + step]] = True
        if present.all():
            return codes, present.size
    return renumbered(codes, present)
