"""Designs of arrays and sparse matrices, with statsmodels' names for their columns."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import scipy

from fastglm.design.frames.frames import native_numbers, unmasked
from fastglm.design.frames.whole_numbers import is_plain, require_exact
from fastglm.design.matrix.one_hot import MIN_COLUMNS, coded_parts
from fastglm.design.matrix.parts import Dense, Design, Sparse
from fastglm.errors import DataError
from fastglm.records import filled

__all__ = ["array_names", "as_matrix", "column_terms", "design_from_array"]

#: Rows of a sparse matrix in which a constant column is looked for first.
CONSTANT_ROWS = 64


def design_from_array(X: Any, allow_empty: bool = False) -> Design:
    """Make the design of an array as it lies.

    Parameters
    ----------
    X : array_like, sparse matrix or Design, shape (n, p) or (n,)
        A design is returned unchanged. Arrays of any layout and of any float, integer or boolean
        dtype are not copied, nor are CSR matrices. CSC matrices of many columns are converted to
        CSR. One dimension is one column. Values are not checked, but a sparse matrix is searched
        for a constant column, and one of many columns for categories written as zeros and ones.
    allow_empty : bool, default False
        Whether there may be no rows.

    Returns
    -------
    Design
        One design column per column of `X`, named by `array_names`.

    Raises
    ------
    DataError
        If `X` is empty, has more than two dimensions or is not numeric.
    """
    if isinstance(X, Design):
        return X
    X = as_matrix(X, allow_empty)
    n_rows, n_columns = X.shape
    is_sparse = not isinstance(X, np.ndarray)
    constant = _constant_column(X) if is_sparse else None
    names = array_names(n_columns, constant)
    if is_sparse and n_columns >= MIN_COLUMNS:
        # Converted once: the search for categories reads rows, as kernels do afterwards.
        X = X.tocsr()
    coded = coded_parts(X) if is_sparse else None
    parts, column_map = coded or ((Sparse(X) if is_sparse else Dense(X),), None)
    values = {
        "parts": parts,
        "n_rows": n_rows,
        "names": names,
        "column_map": column_map,
        "constant": constant,
        "terms": column_terms(names),
    }
    return filled(Design, values)


@lru_cache(maxsize=64)
def array_names(n_columns: int, constant: int | None) -> tuple[str, ...]:
    """Name the columns of an array as statsmodels does.

    Parameters
    ----------
    n_columns
        Number of columns.
    constant
        Index of the constant column if there is one.

    Returns
    -------
    tuple of str
        ``x1``, ``x2``, ...; the constant column is called ``const`` and not counted.
    """
    if constant is None:
        return tuple([f"x{j}" for j in range(1, n_columns + 1)])
    names = [f"x{j}" for j in range(1, n_columns)]
    names.insert(constant, "const")
    return tuple(names)


def _constant_column(X: Any) -> int | None:
    """The first column of a sparse matrix that holds one value, not zero, in every row."""
    n_rows = X.shape[0]
    if n_rows == 0 or X.nnz < n_rows:
        return None
    # Only columns that are constant in a few rows are looked at in all.
    few = np.unique(np.linspace(0, n_rows - 1, CONSTANT_ROWS).astype(np.int64))
    for column in _constant_columns(X[few]):
        if _constant_columns(X[:, [column]]).size:
            return int(column)
    return None


def _constant_columns(X: Any) -> np.ndarray:
    columns = scipy.sparse.csc_array(X)
    columns.sum_duplicates()
    full = np.flatnonzero(np.diff(columns.indptr) == columns.shape[0])
    values = columns[:, full].data.reshape(full.size, columns.shape[0])
    return full[(values == values[:, :1]).all(axis=1) & (values[:, 0] != 0)]


@lru_cache(maxsize=64)
def column_terms(names: tuple[str, ...]) -> tuple[tuple[str, slice], ...]:
    """Give every column a term of its own."""
    return tuple([(name, slice(j, j + 1)) for j, name in enumerate(names)])


def as_matrix(X: Any, allow_empty: bool = False) -> Any:
    """Check that `X` is a numeric matrix with rows and columns; see `design_from_array`.

    Returns
    -------
    ndarray or CSR or CSC matrix, shape (n, p)
        `X` itself or a view of it, where its type allows.
    """
    if is_plain(X) and X.ndim == 2 and X.size:
        return X
    X = unmasked(X)
    # SciPy's sparse matrices take long to import: only for what is no array.
    if isinstance(X, np.ndarray) or not scipy.sparse.issparse(X):
        try:
            X = np.asarray(X)
        except ValueError as error:
            raise DataError(f"X is not a rectangular array: {error}.") from error
        X = X[:, None] if X.ndim == 1 else X
    elif getattr(X, "format", None) not in ("csr", "csc"):
        X = scipy.sparse.coo_array(X).tocsc()  # type: ignore[call-overload]
    if X.ndim != 2 or X.shape[1] == 0 or (X.shape[0] == 0 and not allow_empty):
        raise DataError(f"X has shape {X.shape}; it must have rows and columns, (n, p).")
    if X.dtype.kind not in "fiub":
        raise DataError(
            f"X has dtype {X.dtype}; it must be numeric. Pass a data frame for mixed columns, or "
            "use a formula for categories."
        )
    require_exact(X, "X")
    return native_numbers(X)
