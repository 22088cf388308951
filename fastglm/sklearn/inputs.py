"""What scikit-learn hands to an estimator, as what a model takes."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import narwhals as nw
import numpy as np
from scipy.sparse import issparse
from sklearn.utils.validation import (
    _check_feature_names,
    _check_n_features,
    _check_sample_weight,
    check_array,
    validate_data,
)

from fastglm.design.frames.frames import is_frame
from fastglm.design.frames.missing import rows_text
from fastglm.design.frames.whole_numbers import require_exact, require_exact_objects
from fastglm.errors import DataError, FormulaError, MissingValueError

__all__ = ["ARRAYS", "FitData", "has_categories", "read_fit", "read_new", "row_vector"]

#: How X and y are read where they are arrays: as they lie, where kernels can read that.
ARRAYS: dict[str, Any] = {
    "accept_sparse": ["csr", "csc"],
    "dtype": [np.float64, np.float32],
}
#: Names of a response that has none of its own beside the columns of a frame: the second where the
#: first is a column or stands in the formula.
RESPONSE = ("y", "y given to fit")


class FitData(NamedTuple):
    """Columns, response and weights of one call of ``fit``.

    Attributes
    ----------
    X : ndarray, sparse matrix, or data frame, shape (n, p)
    y : ndarray, shape (n,)
    sample_weight : ndarray, shape (n,), or None
    is_frame : bool
        Whether the columns go by name: with a formula, or with categories among them.
    name : str or None
        Of y, where it is a column with a name.
    """

    X: Any
    y: np.ndarray
    sample_weight: np.ndarray | None
    is_frame: bool
    name: str | None = None


def _columns(X: Any) -> dict[str, nw.Series]:
    return {column.name: column for column in nw.from_native(X, eager_only=True).iter_columns()}


def has_categories(X: Any) -> bool:
    """Whether X is a data frame with a column that is not a number."""
    if isinstance(X, Mapping) or not is_frame(X):
        return False
    columns = _columns(X).values()
    return any(not (c.dtype.is_numeric() or c.dtype == nw.Boolean) for c in columns)


def read_fit(estimator: Any, X: Any, y: Any, sample_weight: Any, by_name: bool) -> FitData:
    """Check what ``fit`` was given, and store the names and number of the features.

    Parameters
    ----------
    estimator
        Gets ``n_features_in_`` and, from a frame, ``feature_names_in_``.
    X, y, sample_weight
        As given to ``fit``.
    by_name
        Whether the estimator has a formula.

    Raises
    ------
    ValueError, TypeError
        scikit-learn's own, or `DataError`.
    """
    if y is None:
        raise DataError(
            f"{type(estimator).__name__} requires y to be passed, but the target y is None."
        )
    _require_plain_labels(y)
    if by_name or has_categories(X):
        if isinstance(X, Mapping) or not is_frame(X):
            raise DataError("a formula needs X as a data frame, whose columns it names.")
        _check_feature_names(estimator, X, reset=True)
        _check_n_features(estimator, X, reset=True)
        name = getattr(y, "name", None)
        y = check_array(y, ensure_2d=False, dtype=None, input_name="y")
        y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
        if len(y) != len(X):
            raise DataError(f"X has {len(X)} rows and y has {len(y)}: give one response to a row.")
        weights = None if sample_weight is None else row_vector(sample_weight, "sample_weight", y)
        return FitData(X, y, weights, True, name if isinstance(name, str) else None)
    _require_exact(X)
    X, y = validate_data(estimator, X, y, y_numeric=False, **ARRAYS)
    if sample_weight is not None:
        sample_weight = _check_sample_weight(sample_weight, X, ensure_non_negative=True)
    return FitData(X, y, sample_weight, False)


def read_new(estimator: Any, X: Any, by_name: bool) -> Any:
    """Check new rows against what the estimator was fitted on."""
    if by_name:
        if isinstance(X, Mapping) or not is_frame(X):
            raise DataError("X must be a data frame, as it was for fit.")
        _check_feature_names(estimator, X, reset=False)
        return X
    _require_exact(X)
    return validate_data(estimator, X, reset=False, **ARRAYS)


def _require_exact(X: Any) -> None:
    """Refuse whole numbers that lose their differences where scikit-learn makes them floats."""
    if is_frame(X):
        for name, column in _columns(X).items():
            if column.dtype.is_integer():
                require_exact(column.drop_nulls().to_numpy(), f"Column '{name}'")
        return
    if isinstance(X, list | tuple):
        with contextlib.suppress(ValueError):
            X = np.asarray(X)
    if getattr(X, "ndim", 0) == 2:
        for j in range(X.shape[1]) if X.dtype == object else ():
            require_exact_objects(X[:, j], f"Column {j} of X")
        require_exact(X.tocsc() if issparse(X) else X, "X")


def _require_plain_labels(y: Any) -> None:
    """Refuse missing values, and text beside numbers, in a response of objects.

    scikit-learn compares them, which fails or, in a list beside text, makes "nan" a class.
    """
    if isinstance(y, list | tuple) or getattr(y, "dtype", None) == np.dtype("O"):
        values = np.empty(len(y), dtype=object)
        values[:] = list(y)
    elif not hasattr(y, "dtype") or isinstance(y.dtype, np.dtype) or getattr(y, "ndim", 1) != 1:
        return
    else:
        values = np.asarray(y, dtype=object)
    import pandas

    missing = pandas.isna(values)
    if missing.any():
        # scikit-learn's own words, by which its checks know this error.
        raise MissingValueError(
            f"Input y contains NaN or other missing values in {rows_text(missing)}: leave these "
            "rows out of X and y."
        )
    is_text = np.array([isinstance(value, str) for value in values])
    if is_text.any() and not is_text.all():
        row = int(np.argmin(is_text == is_text[0]))
        raise DataError(
            f"y has text and other values, such as {values[0]!r} in row 0 and {values[row]!r} in "
            f"row {row}, counted from 0: give labels of one type."
        )


def row_vector(values: Any, name: str, rows: Any) -> np.ndarray:
    """One finite number for each of the rows, (n,)."""
    if isinstance(values, str):
        raise DataError(
            f"{name} is the text {values!r}; give its numbers, one for each row, such as "
            f"X[{values!r}]."
        )
    array = check_array(values, ensure_2d=False, dtype=np.float64, input_name=name)
    if array.shape != (len(rows),):
        raise DataError(f"{name} has shape {array.shape}; it must be ({len(rows)},).")
    return array


def with_response(data: FitData, right: str) -> tuple[dict[str, Any], str]:
    """The columns of a frame with the response among them, and the formula with its left side.

    Parameters
    ----------
    data : FitData
    right : str
        The right side.

    Raises
    ------
    FormulaError
        If it has a left side: ``fit`` gets that as y.
    """
    left, tilde, after = right.rpartition("~")
    right = after.strip()
    if tilde and left.strip():
        raise FormulaError(
            f"the formula {(left + tilde + after)!r} names a response, but y is given to fit: "
            f"write '~ {right}'."
        )
    columns = {name: column.to_native() for name, column in _columns(data.X).items()}
    names = [name for name in (data.name, *RESPONSE) if name and "`" not in name]
    taken = {*columns, *re.findall(r"\w+", right)}
    response = next((name for name in names if name not in taken), names[-1])
    while response in columns:
        response += "_"
    written = response if response.isidentifier() else f"`{response}`"
    return {**columns, response: data.y}, f"{written} ~ {right}"
