"""Designs of arrays and sparse matrices, with statsmodels' names for their columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse

from fastglm.design.frames import is_frame
from fastglm.design.parts import Dense, Design, Part, Sparse
from fastglm.design.recipe import Recipe
from fastglm.errors import DataError

__all__ = ["as_matrix", "design_from_array"]


def design_from_array(X: Any) -> Design:
    """Make the design of an array as it lies.

    Parameters
    ----------
    X : array_like, sparse matrix or data frame, shape (n, p) or (n,)
        Any layout; float64, float32, any integer or boolean dtype is not copied, and neither is
        a CSR or CSC matrix. One dimension is one column. Values are not looked at, except to
        find a constant column. Data frames are taken column by column, see
        `fastglm.design.recipe.Recipe.from_columns`.

    Returns
    -------
    Design
        One model column per column of `X`, named ``x1``, ``x2``, ...; the first constant column
        is called ``const`` and not counted, as statsmodels does.

    Raises
    ------
    DataError
        If `X` is empty, has more than two dimensions or is not numeric.
    """
    if is_frame(X):
        return Recipe.from_columns(X)[1].design
    X = as_matrix(X)
    n_rows, n_columns = X.shape
    part: Part = Sparse(X) if scipy.sparse.issparse(X) else Dense(X)
    names = [f"x{j + 1}" for j in range(n_columns)]
    values = _constant_values(X)
    if values:
        names = names[:-1]
        names.insert(min(values), "const")
    ones = [j for j, value in values.items() if value == 1]
    return Design(
        parts=(part,),
        n_rows=n_rows,
        names=tuple(names),
        transform=None,
        constant=ones[0] if ones else None,
        terms=tuple((name, slice(j, j + 1)) for j, name in enumerate(names)),
    )


def as_matrix(X: Any) -> Any:
    """Check that `X` is a numeric matrix with rows and columns; see `design_from_array`.

    Returns
    -------
    ndarray or CSR or CSC matrix, shape (n, p)
        `X` itself or a view of it, where its type allows.
    """
    if not scipy.sparse.issparse(X):
        try:
            X = np.asarray(X)
        except ValueError as error:
            raise DataError(f"X is not a rectangular array: {error}.") from error
        X = X[:, None] if X.ndim == 1 else X
    elif getattr(X, "format", None) not in ("csr", "csc"):
        X = scipy.sparse.coo_array(X).tocsc()  # type: ignore[call-overload]
    if X.ndim != 2 or 0 in X.shape:
        raise DataError(f"X has shape {X.shape}; it must have rows and columns, (n, p).")
    if X.dtype.kind not in "fiub":
        raise DataError(
            f"X has dtype {X.dtype}; it must be numeric. Pass a data frame for mixed columns, or "
            "use a formula for categories."
        )
    return X if X.dtype.kind != "f" or X.dtype.itemsize in (4, 8) else X.astype(np.float64)


def _constant_values(X: Any) -> dict[int, float]:
    """Columns that hold one value throughout, with that value, in order."""
    if scipy.sparse.issparse(X):
        return _constant_values_sparse(X)
    # A few rows rule almost every column out before a column is read.
    few = X[np.linspace(0, len(X) - 1, 32).astype(np.intp)]
    candidates = np.flatnonzero((few == few[0]).all(axis=0))
    return {int(j): float(X[0, j]) for j in candidates if (X[:, j] == X[0, j]).all()}


def _constant_values_sparse(X: Any) -> dict[int, float]:
    n_rows, n_columns = X.shape
    csc = X.format == "csc"
    stored = np.diff(X.indptr) if csc else np.bincount(X.indices, minlength=n_columns)
    constant = {}
    for j in np.flatnonzero(stored >= n_rows):
        values = X[:, [int(j)]].toarray()[:, 0]
        if (values == values[0]).all():
            constant[int(j)] = float(values[0])
    return constant
